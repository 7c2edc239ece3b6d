"""Time, chance, threads and the network: everything that the library takes from its surroundings.

One `World` is handed to `Client`, `ThirdPartyClient`, `OAuthFlow` and `Simulator`, and by them to their
parts. Nothing else in the library asks the time, draws a number, starts a thread, opens a socket or
sleeps: a test over the syntax trees holds that. So whoever hands in another world (`ibkr_async.testing`)
owns all of it. It must never know what the library does with any of these.

Two clocks, and which is for what: intervals use `monotonic` only, since the wall clock can be set;
every `at` that a user reads is `wall`, Unix seconds.
"""

from __future__ import annotations

import random as _random
import secrets
import time
from typing import TYPE_CHECKING, Protocol, TypeVar, TypeVarTuple, Unpack

import anyio
import anyio.to_thread
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")


class Clock(Protocol):
    """Time."""

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""
        ...

    def wall(self) -> float:
        """Return Unix seconds. They may jump: never measure an interval by them."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of `monotonic`; zero lets other tasks run. Cancellation: safe."""
        ...


class Random(Protocol):
    """Chance. The real one is fit for secrets."""

    def uniform(self) -> float:
        """Return a number in [0, 1)."""
        ...

    def bits(self, count: int) -> int:
        """Return a whole number of `count` random bits."""
        ...

    def token(self, size: int) -> bytes:
        """Return `size` random bytes."""
        ...


class Threads(Protocol):
    """Where what would block the event loop is done."""

    async def run(self, function: Callable[[Unpack[Arguments]], T], *args: *Arguments) -> T:
        """Return what `function(*args)` returns, computed without holding up the event loop.

        Errors: what the function raises. Cancellation: waits for the function to end.
        """
        ...


class RealClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Return seconds since some moment in the past."""
        return time.monotonic()

    def wall(self) -> float:
        """Return Unix seconds, as the machine has them."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await anyio.sleep(seconds)


class RealRandom:
    """The operating system's source of chance."""

    _source = secrets.SystemRandom()

    def uniform(self) -> float:
        """Return a number in [0, 1)."""
        return self._source.random()

    def bits(self, count: int) -> int:
        """Return a whole number of `count` random bits."""
        return secrets.randbits(count)

    def token(self, size: int) -> bytes:
        """Return `size` random bytes."""
        return secrets.token_bytes(size)


class RealThreads:
    """A pool of worker threads."""

    async def run(self, function: Callable[[Unpack[Arguments]], T], *args: *Arguments) -> T:
        """Run it in a worker thread."""
        return await anyio.to_thread.run_sync(function, *args)


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One set of surroundings. The defaults are the real ones."""

    clock: Clock = msgspec.field(default_factory=RealClock)
    random: Random = msgspec.field(default_factory=RealRandom)
    threads: Threads = msgspec.field(default_factory=RealThreads)


def seeded(*parts: object) -> _random.Random:
    """Return a source of numbers that depends on `parts` alone: equal parts, equal numbers.

    For prices and the like; never for secrets.
    """
    return _random.Random(":".join(map(str, parts)))  # noqa: S311 - repeatable is the point
