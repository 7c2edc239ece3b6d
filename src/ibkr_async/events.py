"""`ib.events()`: everything that happens to the session and the stream, for every consumer alike.

Responsible for handing each event to each consumer, bounded and in order. It must never wait for a
consumer. The event types themselves live where they arise (`session.events`, `stream.events`) and
are collected here for import.
"""

from __future__ import annotations

import weakref
from typing import TypeAlias

from ibkr_async.feeds.event_queue import Feed
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
from ibkr_async.stream.core.events import (
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
    "EventFeed",
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

CAPACITY = 1_000
"""Events that wait for one consumer; older ones make room and are counted in `dropped`."""


class Events(Feed[Event]):
    """One consumer's view of the events: `async for event in ib.events():`.

    It begins with what happens after it was made, and ends when the client is closed.
    Concurrency: one task at a time; make one for each consumer.
    """

    def __init__(self, feed: EventFeed) -> None:
        super().__init__(instead="call ib.events() again")
        self.dropped = 0
        """Events that were lost because this consumer did not read them in time."""
        self._feed = feed

    async def aclose(self) -> None:
        """Stop listening. Idempotent."""
        self._feed.leave(self)
        self.end()

    def put(self, event: Event) -> None:
        """Take in one event. Never blocks."""
        if len(self._queue) >= CAPACITY:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(event)
        self._wake()


class EventFeed:
    """Hands events to whoever listens. A consumer that was forgotten without `aclose` costs nothing."""

    def __init__(self) -> None:
        self._consumers: weakref.WeakSet[Events] = weakref.WeakSet()
        self._ended = False

    def listen(self) -> Events:
        """Make a new consumer."""
        events = Events(self)
        if self._ended:
            events.end()
        else:
            self._consumers.add(events)
        return events

    def leave(self, events: Events) -> None:
        """Forget a consumer. Twice is harmless."""
        self._consumers.discard(events)

    def publish(self, event: Event) -> None:
        """Hand an event to every consumer. Never blocks."""
        for events in tuple(self._consumers):
            events.put(event)

    def end(self) -> None:
        """Let every consumer's iteration end."""
        self._ended = True
        for events in tuple(self._consumers):
            events.end()
        self._consumers.clear()
