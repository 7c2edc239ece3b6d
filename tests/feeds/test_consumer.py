from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ibkr_async.errors import ClosedError, SlowConsumerError, SubscriptionError, UsageError
from ibkr_async.feeds.buffer import Policy
from ibkr_async.feeds.consumer import Subscription
from ibkr_async.stream.core.channel import Listener
from stream.core_driver import make_buffer, wish


class Hub:
    """Counts who is attached."""

    def __init__(self, error: Exception | None = None) -> None:
        self.attached: list[Subscription[Any]] = []
        self.error = error

    def attach(self, subscription: Subscription[Any]) -> None:
        """Take it, or refuse it."""
        if self.error is not None:
            raise self.error
        self.attached.append(subscription)

    def detach(self, subscription: Subscription[Any]) -> None:
        """Let it go."""
        if subscription in self.attached:
            self.attached.remove(subscription)


def make(policy: Policy = "fail", capacity: int = 10, hub: Hub | None = None) -> Subscription[Any]:
    """A subscription to two contracts."""
    buffer = make_buffer(policy, capacity, "smd+1 and 1 more")
    return Subscription(hub or Hub(), [wish("smd+1"), wish("smd+2")], buffer, Listener(buffer))


async def test_items_come_in_order_and_waiting_ends_when_one_comes() -> None:
    """What is queued comes first, then whatever is put."""
    async with make() as sub:
        sub._buffer.put(1)
        sub._buffer.put(2)
        seen = [await anext(sub), await anext(sub)]
        waiting = asyncio.create_task(anext(sub))
        await asyncio.sleep(0)
        sub._buffer.put(3)
        seen.append(await waiting)

    assert seen == [1, 2, 3]
    assert sub.stats.delivered == 3
    assert sub.topics == ("smd+1", "smd+2")
    assert repr(sub) == "<Subscription smd+1 and 1 more>"


async def test_batches_give_everything_that_waits() -> None:
    """Fewer wake-ups for the same items."""
    async with make() as sub:
        for n in range(3):
            sub._buffer.put(n)
        assert sub.waiting == 3
        batches = sub.batches()
        first = await anext(batches)
        waiting = asyncio.create_task(sub.take_batch())
        await asyncio.sleep(0)
        sub._buffer.put(3)

        assert [first, await waiting] == [[0, 1, 2], [3]]
    assert [batch async for batch in batches] == []


async def test_leaving_detaches_once() -> None:
    """Closing twice is harmless."""
    hub = Hub()
    async with make(hub=hub) as sub:
        assert hub.attached == [sub]
        await sub.aclose()
        await sub.aclose()

    assert hub.attached == []
    assert [item async for item in sub] == []


async def test_entering_twice_or_after_closing_is_misuse() -> None:
    """A subscription is used once."""
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
            await sub.take_batch()
        sub._buffer.put(1)

        assert await first == 1


async def test_cancelled_wait_loses_nothing() -> None:
    """The next wait gets what came meanwhile."""
    seen: list[int] = []
    async with make() as sub:
        for n in range(20):
            waiting = asyncio.create_task(anext(sub))
            await asyncio.sleep(0)
            if n % 2:
                sub._buffer.put(n)  # wakes and is cancelled in the same step
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert sub._buffer.wake is None
            if n % 2:
                seen += await sub.take_batch()

    assert seen == list(range(1, 20, 2))


async def test_closing_ends_a_wait_in_another_task() -> None:
    """`async for` ends."""
    sub = make()
    async with sub:
        waiting = asyncio.create_task(sub.take_batch())
        await asyncio.sleep(0)
        await sub.aclose()
        with pytest.raises(StopAsyncIteration):
            # A coroutine's StopAsyncIteration passes through a task unchanged.
            await waiting


async def test_error_comes_after_what_was_queued() -> None:
    """Nothing that arrived is withheld."""
    hub = Hub()
    async with make(hub=hub) as sub:
        sub._buffer.put(1)
        sub.end(SubscriptionError("smd+1", "refused"))
        seen = [await anext(sub)]
        with pytest.raises(SubscriptionError, match="refused"):
            await anext(sub)

    assert seen == [1]
    assert hub.attached == []


async def test_slow_consumer_gets_its_queue_and_then_the_error() -> None:
    """Policy `fail` never delivers across a hole."""
    async with make(capacity=2) as sub:
        for n in range(5):
            sub._buffer.put(n)
        seen = [await anext(sub), await anext(sub)]
        with pytest.raises(SlowConsumerError, match="2 messages were waiting and 3 more"):
            await anext(sub)

    assert seen == [0, 1]
