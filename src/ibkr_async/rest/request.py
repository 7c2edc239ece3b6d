"""What a REST call is, before anything is done with it. Inert values, no I/O.

A resource builds a `RestRequest`; `pipeline` carries it through pacing, signing, transport and
decoding. `HttpRequest` and `HttpReply` are what crosses the transport seam: the only shapes that
the HTTP library's file knows of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Literal, Protocol, TypeVar
from urllib.parse import quote

import msgspec

from ibkr_async.errors import UsageError
from ibkr_async.rest.pacing import Urgency

T = TypeVar("T")

Method = Literal["GET", "POST", "PUT", "DELETE"]
Pairs = tuple[tuple[str, str], ...]
"""Query or form parameters in order, decoded; repeated names are kept."""


class RestRequest(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One call of an endpoint: everything that is known before it is signed."""

    method: Method
    path: str
    """Template below the base URL, such as `/iserver/account/{account_id}/orders`."""
    result: type[T] | Any
    """What a success is decoded into; None for "the body does not matter"."""
    path_params: Mapping[str, str | int] = msgspec.field(default_factory=dict[str, str | int])
    query: Pairs = ()
    body: Any = None
    """A msgspec struct, dict or list that is sent as JSON; None sends `{}` on POST, PUT and DELETE."""
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
    error_in_200: bool = True
    """True when a 200 whose object has a top-level `error` means failure (nearly everywhere)."""

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
            segments[name] = quote(text, safe="")
        return self.path.format_map(segments)


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A signed request, ready for the wire."""

    method: Method
    url: str
    """Complete, with the encoded query."""
    headers: Mapping[str, str]
    content: bytes
    timeout_s: float
    label: str

    def __repr__(self) -> str:
        # The headers hold the signature; a traceback with locals must not show them.
        return f"HttpRequest({self.label!r}, {len(self.content)} bytes)"


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: header names are lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def __repr__(self) -> str:
        # The body may hold a session or token.
        return f"HttpReply({self.status}, {len(self.content)} bytes)"


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
