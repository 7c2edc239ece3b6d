"""The loop that jumps, and the world around it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from datetime import datetime
from zoneinfo import ZoneInfo

import anyio
import pytest

from ibkr_async import Client
from ibkr_async.simulator import Simulator
from ibkr_async.testing import run_virtual, virtual_loop, virtual_world
from ibkr_async.world import RealNetwork, World


def test_time_jumps_to_the_next_timer() -> None:
    """A day of sleep takes no time, and everything that measures sees the same day."""
    began = time.perf_counter()

    async def main(world: World) -> tuple[float, ...]:
        await asyncio.sleep(86_400)
        with anyio.move_on_after(3_600) as scope:
            await asyncio.Event().wait()
        assert scope.cancelled_caught
        await world.clock.sleep(1)
        loop = asyncio.get_running_loop()
        return world.clock.monotonic(), loop.time(), anyio.current_time()

    seen = run_virtual(main)

    assert seen == pytest.approx((90_001.0,) * 3)
    assert time.perf_counter() - began < 5


def test_timers_fire_in_their_order_and_at_their_time() -> None:
    """Also when they were set in another order."""

    async def main(world: World) -> list[tuple[float, str]]:
        fired: list[tuple[float, str]] = []

        async def wait(seconds: float, name: str) -> None:
            await world.clock.sleep(seconds)
            fired.append((world.clock.monotonic(), name))

        async with anyio.create_task_group() as tasks:
            for seconds, name in ((0.3, "c"), (0.1, "a"), (0.2, "b"), (0.0, "now")):
                tasks.start_soon(wait, seconds, name)
        return fired

    assert run_virtual(main) == [
        (0.0, "now"),
        (pytest.approx(0.1), "a"),
        (pytest.approx(0.2), "b"),
        (pytest.approx(0.3), "c"),
    ]


def test_world_begins_when_it_was_told_to() -> None:
    """Wall clock and monotonic clock go on together from there."""
    start = datetime(2026, 7, 3, 9, 30, tzinfo=ZoneInfo("America/New_York"))

    async def main(world: World) -> tuple[float, float]:
        await asyncio.sleep(60)
        return world.clock.wall(), world.clock.monotonic()

    assert run_virtual(main, start=start) == (start.timestamp() + 60, 60)
    with pytest.raises(ValueError, match="time zone"):
        virtual_world(start=datetime(2026, 7, 3))  # noqa: DTZ001 - the point of the test


def test_time_waits_for_what_would_be_a_thread() -> None:
    """The world's threads and asyncio's own are inline: results, errors, and no time passes."""

    async def main(world: World) -> None:
        def fail() -> None:
            raise OSError("disk full")

        here = threading.get_ident()
        assert await world.threads.run(threading.get_ident) == here
        assert await asyncio.to_thread(threading.get_ident) == here
        with pytest.raises(OSError, match="disk full"):
            await world.threads.run(fail)
        with pytest.raises(OSError, match="disk full"):
            await asyncio.to_thread(fail)
        assert world.clock.monotonic() == 0

    run_virtual(main)


def test_chance_follows_the_seed() -> None:
    """Equal seeds draw equal numbers."""

    def drawn(seed: int) -> tuple[float, int, bytes]:
        chance = virtual_world(seed=seed).random
        return chance.uniform(), chance.bits(20), chance.token(8)

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)
    assert drawn(3)[1] < 1 << 20
    assert len(drawn(3)[2]) == 8


def test_what_main_raises_is_raised() -> None:
    """An error is not swallowed by the loop."""

    async def main(_world: World) -> None:
        raise LookupError("no such day")

    with pytest.raises(LookupError, match="no such day"):
        run_virtual(main)


def test_loop_needs_a_virtual_clock() -> None:
    """The real world cannot be hurried."""
    with pytest.raises(TypeError, match="virtual_world"):
        virtual_loop(World())


def test_loopback_is_a_choice() -> None:
    """Kernel's sockets and TLS under virtual time: five minutes of quotes, over real TLS."""

    async def main(world: World) -> int:
        assert isinstance(world.network, RealNetwork)
        seen = 0
        async with (
            Simulator(world=world) as sim,
            Client(sim.auth(), world=world) as ib,
            ib.quotes("AAPL") as quotes,
        ):
            async for _ in quotes:
                seen += 1
                if world.clock.monotonic() > 300:
                    return seen
        return seen

    assert run_virtual(main, network="loopback") > 150


def test_real_sockets_are_waited_for() -> None:
    """Without a timer to jump to, the loop waits for what the kernel brings."""

    async def main(_world: World) -> bytes:
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            threading.Timer(0.1, right.sendall, (b"late",)).start()
            return await asyncio.get_running_loop().sock_recv(left, 10)

    assert run_virtual(main) == b"late"
