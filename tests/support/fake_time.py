"""A world under the test's control: time that moves only when somebody sleeps, chance as told."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from ibkr_async.testing.virtual import InlineThreads
from ibkr_async.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.world import Clock, Random


class FakeTime:
    """A `Clock`. `slept` holds every wait; a test moves `at`, or the wall clock alone."""

    def __init__(self, at: float = 1000.0) -> None:
        self.at = at
        self.wall_ahead_s = 0.0
        """By how much somebody has set the wall clock."""
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Return the time."""
        return self.at

    now = monotonic

    def wall(self) -> float:
        """Return the time that the wall clock shows."""
        return self.at + self.wall_ahead_s

    async def sleep(self, seconds: float) -> None:
        """Let the time pass immediately; other tasks may run."""
        self.slept.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)


class FakeRandom:
    """A `Random` that gives what it is told, and where it is told nothing, the same in every run."""

    def __init__(
        self,
        seed: int = 1,
        *,
        uniform: float | Callable[[], float] = 0.0,
        bits: Callable[[], int] | None = None,
        text: Callable[[], str] | None = None,
    ) -> None:
        self._source = random.Random(seed)  # noqa: S311 - repeatable is the point
        self._uniform = uniform
        self._bits = bits
        self._text = text

    def uniform(self) -> float:
        """Return the number that was told."""
        return self._uniform() if callable(self._uniform) else self._uniform

    def bits(self, count: int) -> int:
        """Return the lowest bits of the next number."""
        return (
            self._source.getrandbits(count) if self._bits is None else self._bits() % (1 << count)
        )

    def token(self, size: int) -> bytes:
        """Return bytes that are written as the next text."""
        if self._text is None:
            return self._source.randbytes(size)
        return _Written(self._text().encode())


class _Written(bytes):
    """Bytes whose hexadecimal spelling is themselves: not every nonce of the vectors is hexadecimal."""

    def hex(self, *_args: object) -> str:
        return self.decode()


def fake_world(clock: Clock | None = None, random: Random | None = None) -> World:
    """Return a world that stands still; its network is the real one."""
    return World(clock=clock or FakeTime(), random=random or FakeRandom(), threads=InlineThreads())


def world_with(uniform: Callable[[], float] = lambda: 0.5, clock: Clock | None = None) -> World:
    """Return the real world, but for chance, and for time if a clock is given."""
    real = World()
    return World(
        clock=clock or real.clock,
        random=FakeRandom(uniform=uniform),
        threads=real.threads,
        network=real.network,
    )
