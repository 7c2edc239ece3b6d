"""What a consumer holds: an async context manager and an async iterator over one bounded buffer.

Responsible for waiting, for telling misuse from weather, and for letting go: nothing else in the
library waits for items. It must never do anything on behalf of the reader, which puts into the buffer
and goes on. Where the items come from is the business of a `Line`.
"""

from __future__ import annotations

import asyncio
import warnings
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NoReturn, TypeVar

import anyio

from ibkr_async._arguments import checked
from ibkr_async.errors import ClosedError, SubscriptionError, UsageError
from ibkr_async.home import elsewhere
from ibkr_async.stream.delivery.events import Gap, Resumed, StreamEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from types import TracebackType
    from typing import Self

    from ibkr_async.stream.delivery.buffer import Buffer, FeedStats
    from ibkr_async.stream.delivery.events import Marker
    from ibkr_async.types import ContractLike

T = TypeVar("T")
S = TypeVar("S")


class Line:
    """Where a feed's items come from: the feed's other side. This one has nothing to be asked for."""

    __slots__ = ()

    must_be_opened = False
    """True when nothing comes before `open`."""
    buffer: Buffer[Any]
    """Where the items wait; a subclass makes it."""
    failed: AbstractSet[str] = frozenset()
    """Topics that the server refused or has not confirmed, and that are retried."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What is subscribed to, such as `smd+265598`."""
        return ()

    @property
    def served(self) -> bool:
        """True while nothing is missed."""
        return True

    def patience_s(self) -> float | None:
        """Return for how long more may come, in seconds from now; None without a limit."""
        return None

    async def open(self) -> None:
        """Begin. Errors: those of what must be looked up first, and of subscribing."""

    def close(self) -> None:
        """Stop. Twice is harmless."""

    async def changed(self) -> None:
        """Wait until something has happened that may change `served`."""

    async def add(self, targets: Sequence[Any]) -> None:
        """Ask for more. Errors: `UsageError` where that cannot be."""
        raise UsageError(f"{self.buffer.name} cannot change, not even by {targets!r}")

    async def remove(self, targets: Sequence[Any]) -> None:
        """Ask for less. Errors: `UsageError` where that cannot be."""
        raise UsageError(f"{self.buffer.name} cannot change, not even by {targets!r}")


class FeedState(Enum):
    """Where a feed stands; it goes through these in order."""

    NEW = auto()
    OPENING = auto()
    OPEN = auto()
    CLOSED = auto()


_NEW, _OPEN, _CLOSED = FeedState.NEW, FeedState.OPEN, FeedState.CLOSED
_OPEN_FIRST: Final = "open the feed first: `async with … as feed:`"


@checked
class Feed(Generic[T]):
    """Messages of one or many topics, in the order in which they came.

    Use it as `async with … as feed:` and then `async for item in feed:`; or take whole batches with
    `async for items in feed.batches():`, which wakes the consumer less often. Items may be shared
    with other feeds: read them, do not change them.

    Errors while iterating, after everything that was queued: `SlowConsumerError` when the buffer
    overflowed under policy `fail`; `SubscriptionError` when the server refused; `StreamConnectError`
    when the socket cannot be opened at all. A lost connection is not an error: the stream comes back
    by itself, and `Gap` and `Resumed` tell of it, in `marked()` and in `ib.events()`.
    Cancellation: safe at every await; no item is lost.
    Concurrency: one task at a time; for two consumers make two feeds.
    """

    # There may be a thousand: idle, one weighs less than 1 KiB with everything that belongs to it.
    __slots__ = ("_line", "_loop", "_outlet", "_state", "_take", "_waiter")

    _opens_itself: ClassVar[bool] = False
    """True when it may be left open: it is closed when nobody holds it any more."""

    def __init__(self, line: Line, outlet: Buffer[T] | Fold[T] | None = None) -> None:
        self._state = _NEW if line.must_be_opened else _OPEN
        self._line = line
        self._outlet: Buffer[T] | Fold[T] = line.buffer if outlet is None else outlet
        self._take = self._outlet.take
        self._waiter: asyncio.Future[None] | None = None
        self._loop = None if line.must_be_opened else _running_loop()
        """Where its reader puts items, and it must let go when nobody holds it any more."""

    @property
    def _buffer(self) -> Buffer[Any]:
        return self._line.buffer

    @property
    def topics(self) -> tuple[str, ...]:
        """What it subscribes to, such as `smd+265598`; symbols appear once they are looked up."""
        return self._line.topics

    @property
    def failed_topics(self) -> frozenset[str]:
        """Those of `topics` that the server refused or has not confirmed, and that are retried."""
        return frozenset(self._line.failed)

    @property
    def stats(self) -> FeedStats:
        """Counters: received, delivered, conflated, dropped, gaps, filtered, waiting."""
        return self._buffer.stats

    # --- lifetime --------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._state is _CLOSED:
            raise ClosedError("feed", "a feed is used once; make a new one")
        if self._line.must_be_opened:
            await self._open()
        return self

    async def _open(self) -> None:
        if self._state is not _NEW:
            raise UsageError(f"{self!r} is already open; make a second feed instead")
        self._state = FeedState.OPENING
        try:
            await self._line.open()
        except BaseException:
            if self._state is FeedState.OPENING:
                self._state = _NEW
            raise
        if self._state is _CLOSED:
            self._line.close()
            raise ClosedError("feed", "it was closed while it was being opened")
        self._loop = asyncio.get_running_loop()
        self._state = _OPEN

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Unsubscribe and end the iteration. Idempotent; does not wait for the server."""
        if self._state is not _CLOSED:
            self._state = _CLOSED
            self._line.close()
            self._buffer.close()

    def __del__(self) -> None:
        if getattr(self, "_state", _CLOSED) is not _OPEN:
            return
        _call_in(self._loop, self._line.close)
        if self._line.must_be_opened and not (self._opens_itself or self._buffer.ended):
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    async def drain(self) -> None:
        """Unsubscribe, and let the iteration end after what is queued. Idempotent.

        It does not wait: whoever iterates takes the rest. `await client.drain()` waits for everyone.
        """
        if self._state is not _CLOSED:
            self._line.close()
            self._buffer.end()

    async def ready(self, timeout_s: float = 15.0) -> None:
        """Wait until the server serves all of it: from then on an interruption is a `Gap`.

        Entering only says what is wanted; the socket may still have to be opened. Wait before you do
        something whose echo you want to see here, such as an order. Topics that IBKR does not confirm
        (`sor`) count as served when their request has been sent.
        Errors: `SubscriptionError` after `timeout_s`; what ended it, as iteration; `ClosedError`;
        `UsageError` before it is entered.
        Cancellation: safe. Concurrency: beside iteration, from any number of tasks.
        """
        self._check_opened()
        with anyio.move_on_after(timeout_s):
            while True:
                if self._buffer.ended:
                    raise self._buffer.error or ClosedError("feed", "it has ended")
                if self._line.served:
                    return
                await self._line.changed()
        raise SubscriptionError(
            self._buffer.name,
            f"not served after {timeout_s:g} s; `ib.health()` shows whether session and socket are up, "
            "`ib.events()` what went wrong",
        )

    # --- what it carries -------------------------------------------------------------------------

    async def add(self, *targets: ContractLike) -> None:
        """Subscribe to more contracts (or accounts), with the same fields; iteration goes on.

        Errors: `UsageError` for what is there already or cannot be, those of looking a symbol up,
        `SubscriptionError`, `ClosedError`; nothing has changed then.
        """
        if self._state is _CLOSED or self._buffer.ended:
            raise ClosedError("feed", "it has ended; make a new one")
        await self._line.add(targets)

    async def remove(self, *targets: ContractLike) -> None:
        """Unsubscribe from some of the contracts (or accounts); what is queued is still delivered.

        Without any left it waits until one is added. Errors: `UsageError` for what is not there.
        """
        await self._line.remove(targets)

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
        return await self._next(self._take)

    async def next(self, timeout_s: float | None = None) -> T | None:
        """Wait for the next item; None when none came within `timeout_s`.

        Errors: as iteration; `ClosedError` at the end, where `async for` would just end.
        """
        with anyio.move_on_after(timeout_s):
            try:
                return await self._next(self._take)
            except StopAsyncIteration:
                raise ClosedError("feed", "it has ended") from None
        return None

    def marked(self) -> Steps[T | Marker]:
        """Iterate over the items and, between them, what happened to the feed, where it happened.

        Shape: items, and `Gap`, `Resumed`, `Stale` and `SubscriptionFailed`. After a gap that nobody
        has read about many more may be shown as one longer gap (`stats.markers_merged`). Markers are
        for whoever reads first: plain iteration over the same feed passes over them.
        """
        return Steps(self, self._outlet.take_marked)

    def batches(self) -> Steps[list[T]]:
        """Iterate over lists of everything that is waiting, never empty, oldest first."""
        return Steps(self, self._take_batch)

    def _take_batch(self) -> list[T]:
        items = self._outlet.take_all()
        if not items:
            raise IndexError
        return items

    async def _next(self, take: Callable[[], S]) -> S:
        while True:
            if self._waiter is None:
                try:
                    return take()
                except IndexError:
                    pass
            await self._more()

    async def _more(self) -> None:
        """Return when there may be more to take. Errors: `StopAsyncIteration` at the end."""
        self._check_may_wait()
        if self._buffer.ended or not await self._wait(self._line.patience_s()):
            await self._end()

    def _check_may_wait(self) -> None:
        if self._waiter is not None:
            raise UsageError(f"{self!r} is being read by another task; make one for each consumer")
        self._check_opened()

    def _check_opened(self) -> None:
        # Not by a set: hashing members of an enum takes longer than all the rest of a wake-up.
        if self._state is not _OPEN and self._state is not _CLOSED:
            raise UsageError(_OPEN_FIRST)
        here = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = here
        elif here is not self._loop:
            raise elsewhere()

    async def _end(self) -> NoReturn:
        error = self._buffer.error
        await self.aclose()
        raise StopAsyncIteration if error is None else error

    async def _wait(self, limit_s: float | None) -> bool:
        """Wait until the buffer has something; return False when it had not within the limit."""
        self._waiter = asyncio.get_running_loop().create_future()
        self._buffer.wake = self._wake
        try:
            if limit_s is None:
                await self._waiter
                return True
            with anyio.move_on_after(limit_s):
                await self._waiter
                return True
            return False
        finally:
            self._waiter = None
            self._buffer.wake = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._buffer.name}>"


class Steps(Generic[S]):
    """Another way to iterate over a feed."""

    def __init__(self, feed: Feed[Any], take: Callable[[], S]) -> None:
        self._feed = feed
        self._take = take

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> S:
        return await self._feed._next(self._take)  # noqa: SLF001 - a part of the feed

    async def aclose(self) -> None:
        """Close the feed."""
        await self._feed.aclose()


class Fold(Generic[T]):
    """The consumer's side of a buffer, folded: each item changes a state, and the state is given.

    What is known is reset at a gap and again when data comes back, and the reset is shown.
    """

    def __init__(self, buffer: Buffer[Any]) -> None:
        self._buffer = buffer
        self._take_item = buffer.take
        self._shown_next: T | None = None

    def fold(self, item: Any, /) -> T | None:
        """Fold one item in; return the state to show, if any."""
        raise NotImplementedError

    def reset(self, topic: str, /) -> T | None:
        """Forget what is known from a topic; return the state to show, None when nothing was known."""
        raise NotImplementedError

    def take_marked(self) -> T | Marker:
        """Return the next state or marker. Errors: `IndexError` when there is none."""
        if self._shown_next is not None:
            state, self._shown_next = self._shown_next, None
            return state
        while True:
            item: Any = self._buffer.take_marked()
            if isinstance(item, StreamEvent):
                if isinstance(item, Gap | Resumed):
                    self._shown_next = self.reset(item.topic)
                return item  # type: ignore[return-value]  # buffers mark with markers only
            folded = self.fold(item)
            if folded is not None:
                return folded

    def take(self) -> T:
        """Return the next state. Errors: `IndexError` when there is none."""
        # The usual case, 0.4 µs faster than by way of `take_marked`.
        while self._shown_next is None and not self._buffer.markers:
            folded = self.fold(self._take_item())
            if folded is not None:
                return folded
        while True:
            state = self.take_marked()
            if not isinstance(state, StreamEvent):
                return state

    def take_all(self) -> list[T]:
        """Return every state up to now; may be empty."""
        states: list[T] = []
        with suppress(IndexError):
            while True:
                states.append(self.take())
        return states


class Folded(Feed[T]):
    """A feed of states: what a `Fold` makes of the items. A slow consumer never misses the newest."""


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _call_in(loop: asyncio.AbstractEventLoop | None, call: Callable[[], None]) -> None:
    """Have something done by the loop, whichever thread this is: garbage is collected anywhere."""
    if loop is None:
        call()
    else:
        with suppress(RuntimeError):  # the loop is closed, and everything with it
            loop.call_soon_threadsafe(call)
