"""Where the parts meet: what crosses between logging in, REST and the socket, and who can carry it.

Responsible for shapes only, so that neither side has to know the other. `HttpRequest` and `HttpReply`
are the only shapes that the HTTP library's file knows of ours. It must never import either side.

An `Auth` holds credentials and, after `login`, the session secret. It signs requests, describes
how the socket is opened, and owns the TLS policy. It never sends anything itself: `login` is a
conversation over the `Send` that it is given, so the REST pipeline paces and maps its errors, and
keeps two logins from running at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from ibkr_async._version import __version__

if TYPE_CHECKING:
    import ssl

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
Pairs = tuple[tuple[str, str], ...]
"""Query or form parameters in order, decoded; repeated names are kept."""


class Departure:
    """A permit of one request, asked in the line before it leaves, that knows whether it may have left.

    Whoever carries the request calls it, and calls `stayed` when it did not leave after all.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        """Ask `check`, which raises when the request must not leave."""
        self._check = check
        self.may_have_left = False

    def __call__(self) -> None:
        """Let the request leave, or raise."""
        self._check()
        self.may_have_left = True

    def stayed(self) -> None:
        """Note that not a byte of it has left this machine."""
        self.may_have_left = False


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A signed request, ready for the wire."""

    method: Method
    url: str
    """Complete, with the encoded query."""
    headers: Mapping[str, str]
    content: bytes
    timeout_s: float
    label: str
    is_urgent: bool = False
    """True for orders and cancels, which have connections that no read can take."""
    departure: Departure | None = None
    """What wants to know when the request did not leave after all."""

    def __repr__(self) -> str:
        # The headers hold the signature; a traceback with locals must not show them.
        return f"HttpRequest({self.label!r}, {len(self.content)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        # In place of msgspec's own, by which rich would print everything; so below.
        return [("label", self.label)]


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: header names are lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def __repr__(self) -> str:
        # The body may hold a session or token.
        return f"HttpReply({self.status}, {len(self.content)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("status", self.status)]


class Transport(Protocol):
    """What carries signed requests: `HttpxTransport`, or a stand-in for tests."""

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send one request as it is and return the answer, whatever its status.

        Errors: the `TransportError` family; `UnreadableResponseError` for an oversized body.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        ...


Send = Callable[[HttpRequest], Awaitable[HttpReply]]
"""Sends one request as it is and returns the answer, whatever its status."""

USER_AGENT = f"ibkr_async/{__version__.rpartition('.')[0]}"
"""Always sent: IBKR's edge answers 403 without a User-Agent."""


class SocketTarget(msgspec.Struct, frozen=True, kw_only=True):
    """How the socket is opened."""

    url: str
    """Complete; its query string may hold the access token, so it is never logged."""
    headers: Mapping[str, str]
    """With the `Cookie` that binds the socket to the session. Never logged."""
    session: str
    """Value of `session` from `/tickle`, sent as text only when the server asks for it."""

    def __repr__(self) -> str:
        return f"SocketTarget({self.url.partition('?')[0]!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", self.url.partition("?")[0])]


class Auth(Protocol):
    """One way of logging in: `OAuth1a`, `OAuth2`, `Gateway`."""

    @property
    def base_url(self) -> str:
        """REST root without a trailing slash, such as `https://api.ibkr.com/v1/api`."""
        ...

    @property
    def needs_login(self) -> bool:
        """True when `login` must run before a request can be signed, or its result is about to expire."""
        ...

    @property
    def expires_at(self) -> float | None:
        """Unix seconds at which the login lapses; None when it does not."""
        ...

    @property
    def opens_brokerage_session(self) -> bool:
        """True when the client must call `ssodh/init` after every login.

        False for a gateway, whose browser login opens the session: the client looks at
        `auth/status` first and calls `ssodh/init` only when that says connected but not
        authenticated.
        """
        ...

    def ssl_context(self) -> ssl.SSLContext:
        """TLS policy for REST and socket alike; the same object each time. Loads files: call it off the loop."""
        ...

    async def login(self, send: Send) -> None:
        """Obtain or renew the session secret.

        Errors: `ConfigError` when a key file cannot be used; `AuthError` with the step and what
        cures it when the server refuses the credentials (a human must look); `ServerError`,
        `RateLimitedError` and `TransportError` (from `send`) for weather: the same call may
        succeed later, and `is_retryable` says so.
        Concurrency: the caller makes sure that only one login runs at a time.
        """
        ...

    def forget(self) -> None:
        """Drop the session secret, so that `needs_login` is true where there is a login."""
        ...

    def absorb(self, reply: HttpReply) -> None:
        """Take note of what an answer says about the login, such as a gateway's cookie.

        The pipeline calls it with every answer, before decoding. It never raises.
        """
        ...

    def sign(self, method: Method, url: str, query: Pairs, form: Pairs) -> Mapping[str, str]:
        """Headers that authenticate this request. `url` has no query; parameters are decoded.

        Errors: `UsageError` when `login` has not succeeded.
        """
        ...

    def socket(self, session: str) -> SocketTarget:
        """Describe how the socket is opened, given `session` from `/tickle`."""
        ...
