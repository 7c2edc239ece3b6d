"""What can happen to the stream, as inert values. No behaviour here.

Everything goes to `ib.events()`. Those of `Marker` also stand between the data of each feed that they
are about, exactly where they happened: `feed.marked()` shows them.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ibkr_async.models.fact import Fact
from ibkr_async.models.streaming import AuthStatus


class StreamEvent(Fact, msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something happened to the stream."""

    at: float
    """When it was noticed, in Unix seconds. That clock can be set: spans of time are given as `…_s`, which
    are measured on a clock that never goes back."""


# --- the connection ------------------------------------------------------------------------------


class Connected(StreamEvent, frozen=True, kw_only=True, tag=True):
    """The server greeted the socket: subscriptions are being sent."""

    username: str
    is_paper: bool | None
    """None when the server did not say."""


class Disconnected(StreamEvent, frozen=True, kw_only=True, tag=True):
    """The socket is gone. Unless `planned`, it is opened again."""

    code: int
    """WebSocket close code; 1006 when the connection just broke."""
    reason: str
    planned: bool


class ConnectionDead(StreamEvent, frozen=True, kw_only=True, tag=True):
    """The core gave the connection up: it must be closed and opened anew."""

    reason: str


class ConnectFailed(StreamEvent, frozen=True, kw_only=True, tag=True):
    """An attempt to open the socket failed."""

    detail: str
    fatal: bool
    """True when no further attempt is made and the waiting subscriptions end with the error."""
    retry_in_s: float
    """Seconds until the next attempt; 0 when there is none."""


class LoopLagged(StreamEvent, frozen=True, kw_only=True, tag=True):
    """The event loop stood still, so that silence in that time says nothing about the server."""

    lag_s: float


class AuthStatusChanged(StreamEvent, frozen=True, kw_only=True, tag=True):
    """The server said something about the session (`sts`)."""

    status: AuthStatus
    """All that this connection has said so far; None in a field means that nothing was said."""


# --- subscriptions -------------------------------------------------------------------------------


class Confirmed(StreamEvent, frozen=True, kw_only=True, tag=True):
    """A subscription's first frame arrived."""

    topic: str


class Gap(StreamEvent, frozen=True, kw_only=True, tag=True):
    """From here on data of this topic may be missing, until `Resumed`."""

    topic: str
    """Such as `smd+265598` or `sor`; the whole request for bars, of which several can coexist."""
    reason: str
    silent_s: float = 0.0
    """Seconds before this event in which data may be missing already: nothing had come since."""


class Resumed(StreamEvent, frozen=True, kw_only=True, tag=True):
    """Data of this topic flows again; what happened during the gap is not replayed."""

    topic: str
    gap_s: float
    """Seconds since the `Gap`."""
    confirmed: bool
    """False for topics whose subscription is never acknowledged, such as `sor`."""


class Stale(StreamEvent, frozen=True, kw_only=True, tag=True):
    """A topic that should speak is silent while the connection lives; it is being requested again.

    Either a request was not answered, or a busy market-data topic fell silent (see `staleness`).
    """

    topic: str
    silent_s: float
    """Seconds since the request that was not answered, or since about the last data."""


class Renewed(StreamEvent, frozen=True, kw_only=True, tag=True):
    """A subscription was renewed before its lifetime ended, without a gap."""

    topic: str
    silent_s: float = 0.0
    """Seconds for which nothing had come when it was asked for again, to about 5 s: much more than
    its market explains is a stall that this renewal has healed."""


class SubscriptionFailed(StreamEvent, frozen=True, kw_only=True, tag=True):
    """The server refused a topic or never confirmed it.

    A subscription whose every topic failed ends with `SubscriptionError`. While other topics of it
    are good it goes on, and the failed one is requested again from time to time.
    """

    topic: str
    detail: str


# --- frames --------------------------------------------------------------------------------------


class ErrorReceived(StreamEvent, frozen=True, kw_only=True, tag=True):
    """The server sent an error frame."""

    error: str
    topic: str
    """The topic that the frame names; empty when it names none."""


class UnknownFrame(StreamEvent, frozen=True, kw_only=True, tag=True):
    """A well-formed frame of a topic that this version does not know."""

    topic: str
    sample: str
    """The first 200 characters."""


class BadFrame(StreamEvent, frozen=True, kw_only=True, tag=True):
    """A frame that could not be read, or only in part: then the rest was delivered. The stream goes on."""

    topic: str
    """Empty when even that could not be read."""
    detail: str
    sample: str
    """The first 200 characters, with what is not UTF-8 replaced."""


Marker: TypeAlias = Gap | Resumed | Stale | SubscriptionFailed
"""What `feed.marked()` interleaves with the data."""
