"""A clock that moves only when somebody sleeps on it, and the rest of a world around it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple, Unpack

from ibkr_async.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


class FakeTime:
    """Time as the code under test sees it. `slept` holds every wait.

    The wall clock goes along, `wall_offset_s` ahead of the monotonic one; a test may set it.
    """

    def __init__(self) -> None:
        self.at = 1000.0
        self.wall_offset_s = 1_795_175_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Return the time."""
        return self.at

    def monotonic(self) -> float:
        """Return the time, as `world.Clock` spells it."""
        return self.at

    def wall(self) -> float:
        """Return Unix seconds."""
        return self.at + self.wall_offset_s

    async def sleep(self, seconds: float) -> None:
        """Let the time pass immediately; other tasks may run."""
        self.slept.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)

    def world(self, uniform: Callable[[], float] = lambda: 1.0) -> World:
        """Return a world that lives in this time; its chance is what `uniform` says."""
        return World(clock=self, random=FakeRandom(uniform), threads=InlineThreads())


class FakeRandom:
    """Chance that a test decides."""

    def __init__(self, uniform: Callable[[], float]) -> None:
        self.uniform = uniform

    def bits(self, count: int) -> int:
        """Return a whole number of `count` bits."""
        return int(self.uniform() * ((1 << count) - 1))

    def token(self, size: int) -> bytes:
        """Return `size` bytes."""
        return self.bits(8 * size).to_bytes(size)


class InlineThreads:
    """No threads: everything is done where it is asked for."""

    async def run(self, function: Callable[[Unpack[Arguments]], T], *args: *Arguments) -> T:
        """Return what the function returns."""
        return function(*args)
