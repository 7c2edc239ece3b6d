"""An event loop whose time stands still while anything is ready, and then jumps to the next timer.

Responsible for that jump alone. Everything that asyncio and anyio measure (sleeps, timeouts, timers)
follows it, since both ask the loop for the time. Real sockets work too; what comes over them comes at
a moment of the kernel's choosing, so such a run cannot be repeated exactly.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ibkr_async.world import World

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

_PATIENCE_S = 0.05
"""Real seconds between two looks at the sockets while there is no timer to jump to."""


class VirtualClock:
    """Time that passes only when its `VirtualLoop` has nothing to do."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._passed = 0.0

    def monotonic(self) -> float:
        """Return the virtual seconds since the start."""
        return self._passed

    def wall(self) -> float:
        """Return virtual Unix seconds."""
        return self._start + self._passed

    async def sleep(self, seconds: float) -> None:
        """Wait in virtual time."""
        await asyncio.sleep(seconds)

    def jump(self, seconds: float) -> None:
        """Let time pass. Only the loop does this."""
        self._passed += seconds


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop of one virtual clock. What asks for a thread is done inline: time waits for it."""

    def __init__(self, clock: VirtualClock) -> None:
        self._virtual_clock = clock
        super().__init__(_Jumping(clock))

    def time(self) -> float:
        """Return the virtual seconds since the start."""
        return self._virtual_clock.monotonic()

    def run_in_executor(
        self,
        executor: Executor | None,  # noqa: ARG002 - the library's signature
        func: Callable[[Unpack[Arguments]], T],
        *args: *Arguments,
    ) -> asyncio.Future[T]:
        """Call the function now."""
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the caller
            future.set_exception(error)
        return future


def virtual_loop(world: World) -> VirtualLoop:
    """Return a new event loop on which the time of this world passes.

    Errors: `TypeError` for a world whose clock is not virtual.
    """
    if not isinstance(world.clock, VirtualClock):
        raise TypeError("this world has no virtual clock; virtual_world() makes one that has")
    return VirtualLoop(world.clock)


class _Jumping(selectors.DefaultSelector):
    """Passes the time instead of waiting."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
        # A second look: what a socket of this process has sent arrives a moment later.
        for _ in range(2):
            ready = super().select(0)
            if ready or (timeout is not None and timeout <= 0):
                return ready
        if timeout is None:
            return super().select(_PATIENCE_S)
        self._clock.jump(timeout)
        return []
