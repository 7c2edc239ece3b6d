from __future__ import annotations

import asyncio
import gc
import warnings
from typing import Any

import pytest

from ibkr_async.errors import ClosedError, SlowConsumerError, SubscriptionError, UsageError
from ibkr_async.feeds import Feed, Policy
from ibkr_async.feeds.feed import Line
from ibkr_async.stream.delivery.events import Gap, Resumed
from stream.core_driver import make_buffer
from support.inside import buffer_of, line_of

GAP = Gap(at=1.0, topic="smd+1", reason="test")
RESUMED = Resumed(at=2.0, topic="smd+1", gap_s=1.0, confirmed=True)


class Hub:
    """Counts who is attached."""

    def __init__(self, error: Exception | None = None) -> None:
        self.attached: list[Line] = []
        self.error = error


class HubLine(Line):
    """A line to the hub."""

    must_be_opened = True

    def __init__(self, hub: Hub, policy: Policy, capacity: int) -> None:
        self.hub = hub
        self.buffer = make_buffer(policy, capacity, "smd+1 and 1 more")

    async def open(self) -> None:
        """Attach, or be refused."""
        if self.hub.error is not None:
            raise self.hub.error
        self.hub.attached.append(self)

    def close(self) -> None:
        """Let go."""
        if self in self.hub.attached:
            self.hub.attached.remove(self)


def make(policy: Policy = "fail", capacity: int = 10, hub: Hub | None = None) -> Feed[Any]:
    """A feed of two contracts."""
    return Feed(HubLine(hub or Hub(), policy, capacity))


async def test_items_come_in_order_and_waiting_ends_when_one_comes() -> None:
    """What is queued comes first, then whatever is put."""
    async with make() as sub:
        buffer_of(sub).put(1)
        buffer_of(sub).put(2)
        seen = [await anext(sub), await anext(sub)]
        waiting = asyncio.create_task(anext(sub))
        await asyncio.sleep(0)
        buffer_of(sub).put(3)
        seen.append(await waiting)

    assert seen == [1, 2, 3]
    assert sub.stats.delivered == 3
    assert repr(sub) == "<Feed smd+1 and 1 more>"


async def test_batches_give_everything_that_waits() -> None:
    """Fewer wake-ups for the same items."""
    async with make() as sub:
        for n in range(3):
            buffer_of(sub).put(n)
        assert sub.stats.waiting == 3
        batches = sub.batches()
        first = await anext(batches)
        waiting = asyncio.create_task(anext(sub.batches()))
        await asyncio.sleep(0)
        buffer_of(sub).put(3)

        assert [first, await waiting] == [[0, 1, 2], [3]]
    assert [batch async for batch in batches] == []


async def test_leaving_detaches_once() -> None:
    """Closing twice is harmless."""
    hub = Hub()
    async with make(hub=hub) as sub:
        assert hub.attached == [line_of(sub)]
        await sub.aclose()
        await sub.aclose()

    assert hub.attached == []
    assert [item async for item in sub] == []


async def test_entering_twice_or_after_closing_is_misuse() -> None:
    """A feed is used once."""
    sub = make()
    async with sub:
        with pytest.raises(UsageError, match="already open"):
            await sub.__aenter__()
    with pytest.raises(ClosedError):
        await sub.__aenter__()


async def test_iterating_without_entering_is_misuse() -> None:
    """Nothing would ever come."""
    sub = make()
    with pytest.raises(UsageError, match="async with"):
        await anext(sub)
    await sub.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(sub)


async def test_refused_subscription_can_be_closed() -> None:
    """An error on entering leaves nothing behind."""
    sub = make(hub=Hub(UsageError("no")))
    with pytest.raises(UsageError):
        async with sub:
            pass
    await sub.aclose()


async def test_two_tasks_at_once_are_misuse() -> None:
    """Each consumer needs its own; the first one is not disturbed."""
    async with make() as sub:
        first = asyncio.create_task(anext(sub))
        await asyncio.sleep(0)
        with pytest.raises(UsageError, match="another task"):
            await anext(sub)
        with pytest.raises(UsageError, match="another task"):
            await anext(sub.batches())
        buffer_of(sub).put(1)

        assert await first == 1


async def test_cancelled_wait_loses_nothing() -> None:
    """The next wait gets what came meanwhile."""
    seen: list[int] = []
    async with make() as sub:
        for n in range(20):
            waiting = asyncio.create_task(anext(sub))
            await asyncio.sleep(0)
            if n % 2:
                buffer_of(sub).put(n)  # wakes and is cancelled in the same step
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert buffer_of(sub).wake is None
            if n % 2:
                seen += await anext(sub.batches())

    assert seen == list(range(1, 20, 2))


async def test_closing_ends_a_wait_in_another_task() -> None:
    """`async for` ends."""
    sub = make()
    async with sub:
        waiting = asyncio.create_task(anext(sub.batches()))
        await asyncio.sleep(0)
        await sub.aclose()
        with pytest.raises(StopAsyncIteration):
            # A coroutine's StopAsyncIteration passes through a task unchanged.
            await waiting


async def test_error_comes_after_what_was_queued() -> None:
    """Nothing that arrived is withheld."""
    hub = Hub()
    async with make(hub=hub) as sub:
        buffer_of(sub).put(1)
        buffer_of(sub).end(SubscriptionError("smd+1", "refused"))
        seen = [await anext(sub)]
        with pytest.raises(SubscriptionError, match="refused"):
            await anext(sub)

    assert seen == [1]
    assert hub.attached == []


async def test_slow_consumer_gets_its_queue_and_then_the_error() -> None:
    """Policy `fail` never delivers across a hole."""
    async with make(capacity=2) as sub:
        for n in range(5):
            buffer_of(sub).put(n)
        seen = [await anext(sub), await anext(sub)]
        with pytest.raises(SlowConsumerError, match="2 messages were waiting and 3 more"):
            await anext(sub)

    assert seen == [0, 1]


# --- markers -------------------------------------------------------------------------------------


async def test_marked_shows_what_happened_between_the_items() -> None:
    """Where it happened; plain iteration passes over it."""
    async with make() as feed, make() as plain:
        for each in (feed, plain):
            buffer_of(each).put(1)
            buffer_of(each).mark(GAP)
            buffer_of(each).mark(RESUMED)
            buffer_of(each).put(2)
        marked = feed.marked()

        assert [await anext(marked) for _ in range(4)] == [1, GAP, RESUMED, 2]
        assert [await anext(plain) for _ in range(2)] == [1, 2]
        waiting = asyncio.create_task(anext(plain))
        await asyncio.sleep(0)
        buffer_of(plain).mark(GAP)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not waiting.done()
        buffer_of(plain).put(3)
        assert await waiting == 3
        await marked.aclose()
    assert [item async for item in marked] == []


async def test_next_waits_no_longer_than_it_is_told() -> None:
    """None is "nothing came"; the end is an error, since there will be no next."""
    async with make() as feed:
        assert await feed.next(timeout_s=0.0) is None
        buffer_of(feed).put(1)
        assert await feed.next() == 1
        await feed.drain()
        with pytest.raises(ClosedError):
            await feed.next()


# --- letting go ----------------------------------------------------------------------------------


async def test_feed_that_is_dropped_without_being_closed_is_told_and_let_go() -> None:
    """As a file is: a warning, and its data line is given back."""
    hub = Hub()
    feed = make(hub=hub)
    await feed.__aenter__()

    with pytest.warns(ResourceWarning, match=r"unclosed <Feed smd\+1"):
        del feed
    await asyncio.sleep(0)

    assert hub.attached == []


async def test_feed_that_was_never_opened_or_was_closed_is_dropped_in_silence() -> None:
    """Nothing is left open."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make()
        async with make():
            pass
        gc.collect()


async def test_feed_can_be_entered_again_after_a_failure() -> None:
    """A look-up that failed says nothing about the next."""
    hub = Hub(SubscriptionError("smd+1", "not now"))
    feed = make(hub=hub)
    with pytest.raises(SubscriptionError):
        await feed.__aenter__()
    hub.error = None
    async with feed:
        assert hub.attached


def test_a_feed_has_no_verbs_of_the_engine() -> None:
    """Tab-completion shows what a user may call."""
    assert {name for name in dir(make()) if not name.startswith("_")} == {
        "aclose", "add", "batches", "drain", "failed_topics", "marked", "next", "ready", "remove",
        "stats", "topics",
    }  # fmt: skip
