"""`ib.events()`: everything that happens to the session and the stream, for every consumer alike.

Responsible for handing each event to each consumer, bounded and in order. It must never wait for a
consumer. The event types themselves live where they arise (`session.events`, `stream.events`) and
are collected here for import.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from ibkr_async.feeds.feed import Feed, Line
from ibkr_async.session.events import (
    LoginRenewed,
    SessionClosed,
    SessionCompeting,
    SessionEvent,
    SessionLost,
    SessionMaintenance,
    SessionReady,
    SessionTakenOver,
    SessionTrouble,
)
from ibkr_async.stream.delivery.buffer import Buffer
from ibkr_async.stream.delivery.events import (
    AuthStatusChanged,
    BadFrame,
    Confirmed,
    Connected,
    ConnectFailed,
    ConnectionDead,
    Disconnected,
    ErrorReceived,
    Gap,
    LoopLagged,
    Renewed,
    Resumed,
    Stale,
    StreamEvent,
    SubscriptionFailed,
    UnknownFrame,
)

__all__ = [
    "AuthStatusChanged",
    "BadFrame",
    "Confirmed",
    "ConnectFailed",
    "Connected",
    "ConnectionDead",
    "Disconnected",
    "ErrorReceived",
    "Event",
    "EventHub",
    "Events",
    "Gap",
    "LoginRenewed",
    "LoopLagged",
    "Renewed",
    "Resumed",
    "SessionClosed",
    "SessionCompeting",
    "SessionEvent",
    "SessionLost",
    "SessionMaintenance",
    "SessionReady",
    "SessionTakenOver",
    "SessionTrouble",
    "Stale",
    "StreamEvent",
    "SubscriptionFailed",
    "UnknownFrame",
]

Event: TypeAlias = SessionEvent | StreamEvent

Events: TypeAlias = Feed[Event]
"""One consumer's view of the events: `async for event in ib.events():`.

It begins with what happens after it was made, and ends when the client is closed.
"""

CAPACITY: Final = 1_000
"""Events that wait for one consumer; older ones make room and are counted in `stats.dropped`."""


class _Tap(Line):
    """The line of one consumer."""

    def __init__(self, taps: set[_Tap]) -> None:
        self._taps = taps
        self.buffer = Buffer("events", policy="drop_oldest", capacity=CAPACITY)

    def close(self) -> None:
        """Stop listening."""
        self._taps.discard(self)


class EventHub:
    """Hands events to whoever listens. A consumer that was forgotten without `aclose` costs nothing."""

    def __init__(self) -> None:
        self._taps: set[_Tap] = set()
        self._ended = False

    def listen(self) -> Events:
        """Make a new consumer."""
        tap = _Tap(self._taps)
        if self._ended:
            tap.buffer.end()
        else:
            self._taps.add(tap)
        return Feed(tap)

    def publish(self, event: Event) -> None:
        """Hand an event to every consumer. Never blocks."""
        for tap in tuple(self._taps):
            tap.buffer.put(event)

    def end(self) -> None:
        """Let every consumer's iteration end."""
        self._ended = True
        for tap in tuple(self._taps):
            tap.buffer.end()
        self._taps.clear()
