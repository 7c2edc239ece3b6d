"""A world of its own: virtual clock, seeded chance, inline threads, a network in memory.

Responsible for putting such a world together and for running a coroutine function in it. It must never
reach for the machine's clock, chance or threads.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar, TypeVarTuple, Unpack

from ibkr_async.testing.loop import VirtualClock, virtual_loop
from ibkr_async.testing.memory import MemoryNetwork
from ibkr_async.world import RealNetwork, World, seeded

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

NetworkKind: TypeAlias = Literal["memory", "loopback"]

START: Final = datetime(2026, 11, 27, 14, 0, tzinfo=UTC)
"""When a virtual world begins unless told otherwise: a Friday, 9:00 in New York."""


class SeededRandom:
    """Chance that is the same each time. Nothing made from it is a secret."""

    def __init__(self, seed: int) -> None:
        self._source = seeded(seed, "world")

    def uniform(self) -> float:
        """Return a number in [0, 1)."""
        return self._source.random()

    def bits(self, count: int) -> int:
        """Return a whole number of `count` bits."""
        return self._source.getrandbits(count)

    def token(self, size: int) -> bytes:
        """Return `size` bytes."""
        return self._source.randbytes(size)


class InlineThreads:
    """No threads: time stands still while a function runs, whatever it takes."""

    async def run(self, function: Callable[[Unpack[Arguments]], T], *args: *Arguments) -> T:
        """Call the function now."""
        return function(*args)

    def serial(self, name: str) -> Executor:  # noqa: ARG002 - threads have names, this has none
        """Return an executor that does now what is submitted."""
        return _InlineExecutor()


class _InlineExecutor(Executor):
    def submit(self, function: Callable[..., T], /, *args: Any, **options: Any) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(function(*args, **options))
        except Exception as error:  # noqa: BLE001 - as an executor does
            done.set_exception(error)
        return done


def virtual_world(
    *, seed: int = 1, start: datetime = START, network: NetworkKind = "memory"
) -> World:
    """Return a world for one run on one `virtual_loop`; `run_virtual` makes both.

    `start` needs a time zone. With `network="loopback"` client and simulator use the kernel's sockets
    and TLS: closer to the real thing, slower, and not the same in every run.
    """
    if start.tzinfo is None:
        raise ValueError("start needs a time zone, such as tzinfo=ZoneInfo('America/New_York')")
    return World(
        clock=VirtualClock(start.timestamp()),
        random=SeededRandom(seed),
        threads=InlineThreads(),
        network=MemoryNetwork() if network == "memory" else RealNetwork(),
    )


def run_virtual(
    main: Callable[[World], Coroutine[object, object, T]],
    *,
    seed: int = 1,
    start: datetime = START,
    network: NetworkKind = "memory",
) -> T:
    """Run `main(world)` in a virtual world of its own, and return what it returns.

    Errors: what `main` raises; `ValueError` for a `start` without a time zone.
    """
    world = virtual_world(seed=seed, start=start, network=network)
    with asyncio.Runner(loop_factory=lambda: virtual_loop(world)) as runner:
        return runner.run(main(world))
