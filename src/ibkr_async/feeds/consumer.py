"""What a consumer holds: an async context manager and an async iterator over one bounded buffer.

Responsible for waiting, for telling misuse from weather, and for letting go. It must never do
anything on behalf of the reader: the reader puts into the buffer and goes on.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import anyio

from ibkr_async.errors import ClosedError, SubscriptionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    from ibkr_async.errors import IbkrError
    from ibkr_async.feeds.buffer import Buffer, SubscriptionStats
    from ibkr_async.stream.core.channel import Listener, Wish

T = TypeVar("T")


class Hub(Protocol):
    """What a subscription needs of the stream."""

    @abstractmethod
    def attach(self, subscription: Subscription[Any]) -> None:
        """Begin to feed it. Errors: `UsageError`, `SubscriptionError`, `ClosedError`."""

    @abstractmethod
    def detach(self, subscription: Subscription[Any]) -> None:
        """Stop feeding it. Twice is harmless."""

    @abstractmethod
    def extend(self, subscription: Subscription[Any], wishes: Sequence[Wish]) -> None:
        """Feed it more topics. Errors: as `attach`; nothing has changed then."""

    @abstractmethod
    def shrink(self, subscription: Subscription[Any], keys: Sequence[str]) -> None:
        """Feed it fewer topics."""

    @abstractmethod
    def serves(self, subscription: Subscription[Any]) -> bool:
        """Tell whether the server serves all of it."""

    @abstractmethod
    async def changed(self) -> None:
        """Wait until something has happened that may change what is served."""


class Subscription(Generic[T]):
    """Messages of one or many topics, in the order in which they came.

    Use it as `async with … as sub:` and then `async for item in sub:`; or take whole batches with
    `async for items in sub.batches():`, which wakes the consumer less often. Items may be shared
    with other subscriptions: read them, do not change them.

    Errors while iterating, after everything that was queued: `SlowConsumerError` when the buffer
    overflowed under policy `fail`; `SubscriptionError` when the server refused; `StreamConnectError`
    when the socket cannot be opened at all. A lost connection is not an error: the stream comes back
    by itself, and `Gap` and `Resumed` tell of it (`markers=True`, or `ib.events()`).
    Cancellation: safe at every await; no item is lost.
    Concurrency: one task at a time; for two consumers make two subscriptions.
    """

    # There may be a thousand: idle, one weighs less than 1 KiB with everything that belongs to it.
    __slots__ = (
        "_buffer",
        "_closed",
        "_entered",
        "_hub",
        "_pattern",
        "_read",
        "_take",
        "_waiter",
        "listener",
        "wishes",
    )

    def __init__(
        self,
        hub: Hub,
        wishes: Sequence[Wish],
        buffer: Buffer[T],
        listener: Listener,
        pattern: Wish | None = None,
    ) -> None:
        """`pattern` is what `add` wants of each target; None when the targets are fixed."""
        self._hub = hub
        self._pattern = pattern
        self._buffer = buffer
        self._take = buffer.take
        self._waiter: asyncio.Future[None] | None = None
        self._read: asyncio.Future[None] | None = None
        """Set at the end of `wait_until_read`."""
        self._entered = False
        self._closed = False
        self.wishes = tuple(wishes)
        self.listener = listener

    @property
    def topics(self) -> tuple[str, ...]:
        """What it subscribes to, such as `smd+265598`."""
        return tuple(wish.key for wish in self.wishes)

    @property
    def failed_topics(self) -> frozenset[str]:
        """Those of `topics` that the server refused or has not confirmed, and that are retried."""
        return frozenset(self.listener.failed)

    @property
    def stats(self) -> SubscriptionStats:
        """Counters: received, delivered, conflated, dropped, gaps, filtered."""
        return self._buffer.stats

    @property
    def waiting(self) -> int:
        """How many items are queued and not yet taken."""
        return len(self._buffer)

    # --- lifetime --------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._closed:
            raise ClosedError("subscription", "a subscription is used once; make a new one")
        if self._entered:
            raise UsageError(f"{self!r} is already open; make a second subscription instead")
        self._hub.attach(self)
        self._entered = True
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Unsubscribe and end the iteration. Idempotent; does not wait for the server."""
        if not self._closed:
            self._closed = True
            self._hub.detach(self)
            self._buffer.clear()
            self._buffer.end()
            if self._read is not None and not self._read.done():
                self._read.set_result(None)

    def abandon(self) -> None:
        """Unsubscribe on behalf of a consumer that has gone without closing. Used by `Bars`."""
        self._buffer.end()
        self._hub.detach(self)

    def end(self, error: IbkrError) -> None:
        """End it with an error, which is raised after what is queued. Used by the stream."""
        self._buffer.end(error)
        self._hub.detach(self)

    async def ready(self, timeout_s: float = 15.0) -> None:
        """Wait until the server serves all of it: from then on an interruption is a `Gap`.

        Entering only says what is wanted; the socket may still have to be opened. Wait before you do
        something whose echo you want to see here, such as an order. Topics that IBKR does not confirm
        (`sor`) count as served when their request has been sent.
        Errors: `SubscriptionError` after `timeout_s`; what ended it, as iteration; `ClosedError`;
        `UsageError` before it is entered.
        Cancellation: safe. Concurrency: beside iteration, from any number of tasks.
        """
        if not self._entered:
            raise UsageError("open the subscription first: `async with … as sub:`")
        with anyio.move_on_after(timeout_s):
            while True:
                if self._buffer.ended:
                    raise self._buffer.error or ClosedError("subscription", "it has ended")
                if self._hub.serves(self):
                    return
                await self._hub.changed()
        raise SubscriptionError(
            self._buffer.name,
            f"not served after {timeout_s:g} s; `ib.health()` shows whether session and socket are up, "
            "`ib.events()` what went wrong",
        )

    async def drain(self) -> None:
        """Unsubscribe, and let the iteration end after what is queued. Idempotent.

        It does not wait: whoever iterates takes the rest. `await client.drain()` waits for everyone.
        """
        if not self._closed:
            self._hub.detach(self)
            self._buffer.end()

    async def wait_until_read(self) -> None:
        """Wait until what was queued has been taken and the consumer has come back for more.

        Returns at once when nothing is queued. Used by the stream's `drain`, by one task at a time.
        """
        if not self._closed and self._buffer:
            self._read = asyncio.get_running_loop().create_future()
            await self._read

    # --- what it carries -------------------------------------------------------------------------

    async def add(self, *targets: int | str) -> None:
        """Subscribe to more contracts (or accounts), with the same fields; iteration goes on.

        Errors: `UsageError` for what is there already or cannot be, `SubscriptionError`,
        `ClosedError`; nothing has changed then.
        """
        wishes = self._wishes_for(targets)
        self._check_going()
        twice = sorted({wish.key for wish in wishes} & set(self.topics))
        if twice:
            raise UsageError(f"{', '.join(twice)} is twice in one subscription")
        if self._entered:
            self._hub.extend(self, wishes)
        self.wishes += tuple(wishes)

    async def remove(self, *targets: int | str) -> None:
        """Unsubscribe from some of the contracts (or accounts); what is queued is still delivered.

        Without any left it waits until one is added. Errors: `UsageError` for what is not there.
        """
        keys = [wish.key for wish in self._wishes_for(targets)]
        absent = sorted(set(keys) - set(self.topics))
        if absent:
            raise UsageError(f"{', '.join(absent)} is not part of {self!r}")
        if self._entered:
            self._hub.shrink(self, keys)
        self.wishes = tuple(wish for wish in self.wishes if wish.key not in keys)

    def _wishes_for(self, targets: Sequence[int | str]) -> list[Wish]:
        if self._pattern is None:
            raise UsageError(f"{self!r} cannot change; make another subscription")
        wishes = [self._pattern.for_target(target) for target in targets]
        for wish in wishes:
            wish.topic.check_target(wish.target)
        return wishes

    def _check_going(self) -> None:
        if self._closed or self._buffer.ended:
            raise ClosedError("subscription", "it has ended; make a new one")

    # --- iteration -------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        # Taking first and asking afterwards: 0.16 µs an item instead of 0.24.
        if self._waiter is None:
            try:
                return self._take()
            except IndexError:
                pass
        await self._wait()
        return self._take()

    def batches(self) -> Batches[T]:
        """Iterate over lists of everything that is waiting, never empty, oldest first."""
        return Batches(self)

    async def take_batch(self) -> list[T]:
        """Wait until something is there and take all of it. Errors: as iteration."""
        if not self._buffer or self._waiter is not None:
            await self._wait()
        return self._buffer.take_all()

    async def _wait(self) -> None:
        """Return when there is an item to take. Errors: `StopAsyncIteration` at the end."""
        buffer = self._buffer
        if self._waiter is not None:
            raise UsageError(
                f"{self!r} is being read by another task; make a subscription for each consumer"
            )
        if not self._entered:
            if self._closed:
                raise StopAsyncIteration
            raise UsageError("open the subscription first: `async with … as sub:`")
        while not buffer:
            if buffer.ended:
                error = buffer.error
                await self.aclose()
                if error is None:
                    raise StopAsyncIteration
                raise error
            self._waiter = asyncio.get_running_loop().create_future()
            buffer.wake = self._wake
            try:
                await self._waiter
            finally:
                self._waiter = None
                buffer.wake = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __repr__(self) -> str:
        return f"<Subscription {self._buffer.name}>"


class Batches(Generic[T]):
    """Second iterator of a subscription: lists instead of items."""

    def __init__(self, subscription: Subscription[T]) -> None:
        self._subscription = subscription

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[T]:
        return await self._subscription.take_batch()
