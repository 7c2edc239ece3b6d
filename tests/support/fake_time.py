"""A world under the test's control: time that moves only when somebody sleeps, chance as told."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, TypeVar

from ibkr_async.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class FakeTime:
    """A `Clock`. `slept` holds every wait; a test moves `at`, or the wall clock alone."""

    def __init__(self, at: float = 1000.0) -> None:
        self.at = at
        self.wall_ahead_s = 0.0
        """By how much somebody has set the wall clock."""
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Give the time."""
        return self.at

    now = monotonic

    def wall(self) -> float:
        """Give the time that the wall clock shows."""
        return self.at + self.wall_ahead_s

    async def sleep(self, seconds: float) -> None:
        """Let the time pass immediately; other tasks may run."""
        self.slept.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)


class FakeRandom:
    """A `Random` that gives what it is told, and where it is told nothing, real chance."""

    def __init__(
        self,
        *,
        uniform: float = 0.0,
        bits: Callable[[], int] | None = None,
        text: Callable[[], str] | None = None,
    ) -> None:
        self._uniform = uniform
        self._bits = bits
        self._text = text

    def uniform(self) -> float:
        """Give the same number each time."""
        return self._uniform

    def bits(self, count: int) -> int:
        """Give the lowest bits of the next number."""
        return secrets.randbits(count) if self._bits is None else self._bits() % (1 << count)

    def token(self, size: int) -> bytes:
        """Give bytes that are written as the next text."""
        return secrets.token_bytes(size) if self._text is None else _Written(self._text().encode())


class _Written(bytes):
    """Bytes whose hexadecimal spelling is themselves: not every nonce of the vectors is hexadecimal."""

    def hex(self, *_args: object) -> str:
        return self.decode()


class InlineThreads:
    """A `Threads` without threads."""

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Call the function."""
        return function(*args)


def fake_world(time: FakeTime | None = None, random: FakeRandom | None = None) -> World:
    """Return a world that stands still; its network is the real one."""
    return World(clock=time or FakeTime(), random=random or FakeRandom(), threads=InlineThreads())
