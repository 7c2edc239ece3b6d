"""What every iterator over events has in common: a queue, one task that waits, an end.

Responsible for the waiting. It must never make whoever puts something in wait; how much may be queued
is the business of each kind.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import anyio

from ibkr_async.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

ItemT = TypeVar("ItemT")


class Feed(ABC, Generic[ItemT]):
    """One consumer's iterator.

    Cancellation: safe at every await; nothing is lost.
    Concurrency: one task at a time.
    """

    def __init__(self, *, instead: str) -> None:
        """`instead` tells a second task what to do rather than read along."""
        self._instead = instead
        self._queue: deque[ItemT] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ItemT:
        if self._waiter is not None:
            raise UsageError(f"these events are being read by another task; {self._instead}")
        while not self._queue:
            if not await self._goes_on():
                raise StopAsyncIteration
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

    @abstractmethod
    async def aclose(self) -> None:
        """Stop listening. Idempotent."""

    def end(self) -> None:
        """Let the iteration end after what is queued."""
        self._ended = True
        self._wake()

    async def _goes_on(self) -> bool:
        """Wait for something to look at; say false when nothing comes any more."""
        return not self._ended and await self._wait()

    async def _wait(self, limit_s: float | None = None) -> bool:
        """Wait for something to look at; say false when there was nothing within the limit."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            with anyio.move_on_after(limit_s):
                await self._waiter
                return True
            return False
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
