"""`ib.events()`: every consumer gets every event, in order and bounded."""

from __future__ import annotations

import asyncio
import gc

import pytest

from ibkr_async import events as events_module
from ibkr_async.errors import UsageError
from ibkr_async.events import CAPACITY, EventHub, Events, Gap, SessionTakenOver


def takeover(at: float) -> SessionTakenOver:
    """Make an event that is told apart by its time."""
    return SessionTakenOver(at=at)


async def taken(events: Events) -> list[float]:
    """Read until the end."""
    return [event.at async for event in events]


async def test_every_consumer_gets_every_event_in_order() -> None:
    """Two consumers do not take events from each other."""
    feed = EventHub()
    one, other = feed.listen(), feed.listen()
    for at in (1.0, 2.0, 3.0):
        feed.publish(takeover(at))
    feed.end()

    assert await taken(one) == [1.0, 2.0, 3.0]
    assert await taken(other) == [1.0, 2.0, 3.0]


async def test_consumer_begins_with_what_happens_after_it_was_made() -> None:
    """The past is not replayed."""
    feed = EventHub()
    feed.publish(takeover(1.0))
    events = feed.listen()
    feed.publish(takeover(2.0))
    feed.end()

    assert await taken(events) == [2.0]


async def test_waiting_consumer_is_woken() -> None:
    """An event that comes later ends the wait, also when two come before it is read."""
    feed = EventHub()
    events = feed.listen()
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    feed.publish(takeover(1.0))
    feed.publish(takeover(2.0))

    assert (await waiting).at == 1.0
    assert (await anext(events)).at == 2.0


async def test_end_wakes_a_waiting_consumer() -> None:
    """Nobody waits for ever for a feed that has ended."""
    feed = EventHub()
    events = feed.listen()
    waiting = asyncio.create_task(taken(events))
    await asyncio.sleep(0)
    feed.end()

    assert await asyncio.wait_for(waiting, 1) == []


async def test_consumer_of_an_ended_feed_ends_at_once() -> None:
    """Listening too late is no wait."""
    feed = EventHub()
    feed.end()

    assert await taken(feed.listen()) == []


async def test_slow_consumer_loses_the_oldest_and_is_told_how_many() -> None:
    """The queue is bounded; what was lost is counted."""
    feed = EventHub()
    events = feed.listen()
    for at in range(CAPACITY + 3):
        feed.publish(takeover(float(at)))
    feed.end()

    assert (await taken(events))[:2] == [3.0, 4.0]
    assert events.stats.dropped == 3


async def test_two_readers_of_one_consumer_are_misuse() -> None:
    """Events would be split between them; the message says what to do."""
    events = EventHub().listen()
    first = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    with pytest.raises(UsageError, match="make one for each consumer"):
        await anext(events)
    first.cancel()


async def test_cancelled_wait_loses_no_event() -> None:
    """The next reader gets what came meanwhile."""
    feed = EventHub()
    events = feed.listen()
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    feed.publish(takeover(1.0))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert (await anext(events)).at == 1.0


async def test_leaving_ends_the_iteration_after_what_is_queued() -> None:
    """Draining stops the flow; closing is idempotent and throws away what is queued."""
    feed = EventHub()
    events = feed.listen()
    async with feed.listen() as others:
        feed.publish(takeover(1.0))
        await events.drain()
    await others.aclose()
    feed.publish(takeover(2.0))

    assert await taken(others) == []

    assert await taken(events) == [1.0]


def test_forgotten_consumer_costs_nothing() -> None:
    """Whoever drops its iterator without closing it is not fed any more."""
    feed = EventHub()
    feed.listen()
    gc.collect()

    # That nothing is left behind shows nowhere else.
    assert not feed._taps


def test_every_event_type_can_be_imported_from_here() -> None:
    """`ibkr_async.events` is the one place to import events from."""
    named = {name: getattr(events_module, name) for name in events_module.__all__}
    missing = [
        kind.__name__
        for base in (events_module.SessionEvent, events_module.StreamEvent)
        for kind in base.__subclasses__()
        if kind.__module__ in {"ibkr_async.session.events", "ibkr_async.stream.delivery.events"}
        and kind.__name__ not in named
    ]

    assert missing == []
    assert named["Gap"] is Gap
