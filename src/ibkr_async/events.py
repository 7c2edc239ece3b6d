"""`ib.events()`: everything that happens to the session and the stream, for every consumer alike.

Responsible for handing each event to each consumer, bounded and in order. It must never wait for a
consumer. The event types themselves live where they arise (`session.events`, `stream.events`) and
are collected here for import.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from typing import TYPE_CHECKING, Self, TypeAlias

from ibkr_async.errors import UsageError
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
from ibkr_async.stream.events import (
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

if TYPE_CHECKING:
    from types import TracebackType

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


class Events:
    """One consumer's view of the events: `async for event in ib.events():`.

    It begins with what happens after it was made, and ends when the client is closed.
    Concurrency: one task at a time; make one for each consumer.
    """

    def __init__(self, feed: EventFeed) -> None:
        self.dropped = 0
        """Events that were lost because this consumer did not read them in time."""
        self._feed = feed
        self._queue: deque[Event] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._waiter is not None:
            raise UsageError("these events are being read by another task; call ib.events() again")
        while not self._queue:
            if self._ended:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._queue.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

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

    def end(self) -> None:
        """Let the iteration end after what is queued."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


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
