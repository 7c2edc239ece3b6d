"""What a REST call is, before anything is done with it. Inert values, no I/O.

A resource builds a `RestRequest`; `pipeline` carries it through pacing, signing, transport and
decoding; what crosses the transport seam is in `ports`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Final, Generic, TypeAlias, TypeVar
from urllib.parse import quote

import msgspec

from ibkr_async.errors import UsageError
from ibkr_async.ports import Method, Pairs

T = TypeVar("T")

_AT_HOST_ROOT: Final = ("/gw/", "/oauth2/")

Permit: TypeAlias = Callable[[], None]
"""Raises when a request must not leave."""


class Urgency(Enum):
    """Which shares of the global limit a request may use."""

    READ = auto()
    """What all may use."""
    ORDER = auto()
    """That, and the share of orders."""
    CANCEL = auto()
    """Everything; and not even a 429 stops it: cancels, tickles, and orders that somebody calls urgent."""


class RestRequest(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One call of an endpoint: everything that is known before it is signed."""

    method: Method
    path: str
    """Template below the base URL, such as `/iserver/account/{account_id}/orders`; below `/gw` and
    `/oauth2` the root is the host itself."""
    result: type[T] | Any
    """What a success is decoded into; None for "the body does not matter"."""
    path_params: Mapping[str, str | int] = msgspec.field(default_factory=dict[str, str | int])
    query: Pairs = ()
    body: Any = None
    """A msgspec struct, dict or list that is sent as JSON; None sends `{}` unless it is a GET."""
    form: Pairs | None = None
    """Form fields instead of a JSON body. Form fields are signed, JSON is not."""
    replayable: bool = False
    """True for reads only: the library may send it again. Never true for anything that trades."""
    pacing_key: str = ""
    """Row of the pacing table; empty means the path template."""
    urgency: Urgency = Urgency.READ
    """Which shares of the global request limit it may use."""
    timeout_s: float | None = None
    """Total time allowed for one attempt; None means the client's default."""
    permit: Permit | None = None
    """Asked in the line before the bytes leave, after login and pacing; raises to stop them.

    Every request has one that can change a position or an order."""
    error_in_200: bool = True
    """True when a 200 whose object has a top-level `error` means failure (nearly everywhere)."""
    success: frozenset[int] = frozenset()
    """Statuses that are success of this operation though they are not elsewhere: 202 is "not yet" unless
    it is here."""

    @property
    def is_read(self) -> bool:
        """True when it changes nothing: asking again is harmless."""
        return self.method == "GET" or self.replayable

    @property
    def label(self) -> str:
        """Method and expanded path, for messages: `GET /iserver/accounts`."""
        return f"{self.method} {self.expanded_path}"

    @property
    def expanded_path(self) -> str:
        """Path with its parameters filled in, each percent-encoded as one segment.

        Errors: `UsageError` for a parameter that cannot be a segment: "", "." and ".." would turn
        the path into that of another endpoint.
        """
        if not self.path_params:
            return self.path
        segments: dict[str, str] = {}
        for name, value in self.path_params.items():
            text = str(value)
            if text in {"", ".", ".."}:
                raise UsageError(f"{self.method} {self.path}: {name} cannot be {text!r}")
            try:
                segments[name] = quote(text, safe="")
            except UnicodeEncodeError:
                detail = f"{name} holds half a character, which a URL cannot carry"
                raise UsageError(f"{self.method} {self.path}: {detail}") from None
        return self.path.format_map(segments)

    @property
    def is_at_host_root(self) -> bool:
        """True when the path does not lie below `/v1/api`."""
        return self.path.startswith(_AT_HOST_ROOT)
