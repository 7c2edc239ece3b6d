"""F29, F30: cancellation at any await, and an event loop that user code holds up."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

from faults.rig import (
    AAPL,
    MSFT,
    QUICK,
    Rerouted,
    fault_rig,
    listening,
    quick_client,
    stream_with,
)
from ibkr_async.events import Connected, Disconnected, Gap, LoopLagged
from ibkr_async.simulator import Simulator
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.cancelling import Kind, at_every_wait, at_many_turns
from support.chaos import ChaosProxy
from support.inside import parts_of
from support.leaks import nothing_left_behind

Points = Callable[[Callable[[], Coroutine[Any, Any, Any]], Kind], AsyncIterator[int]]


@pytest.mark.parametrize("kind", ["task", "scope"])
@pytest.mark.parametrize("points", [at_every_wait, at_many_turns])
async def test_f29_cancelled_anywhere_a_client_with_a_stream_leaves_nothing(
    keys: SimulatorKeys, seed: int, kind: Kind, points: Points
) -> None:
    """Cancelled at point after point, from opening to closing, with a connection lost in between."""
    async with Simulator(keys=keys, settings=QUICK, seed=seed) as sim:

        async def work() -> None:
            client = quick_client(sim.gateway(), seed)
            async with client as ib, ib.stream.market_data(AAPL, MSFT) as ticks:
                await anext(ticks)
                sim.drop_sockets(1001)
                while not isinstance(await anext(ticks.marked()), Gap):
                    pass
                await anext(ticks)

        await work()
        cancelled = 0
        with anyio.fail_after(30):
            async with nothing_left_behind():
                async for _ in points(work, kind):
                    cancelled += 1
                    async with nothing_left_behind():
                        pass

        assert cancelled > 2


@pytest.mark.parametrize("kind", ["task", "scope"])
async def test_f29_cancelled_while_the_line_is_dead_it_still_leaves_in_time(
    keys: SimulatorKeys, seed: int, kind: Kind
) -> None:
    """A half-open connection cannot hold up whoever wants to leave."""
    async with (
        Simulator(keys=keys, settings=QUICK, seed=seed) as sim,
        ChaosProxy("127.0.0.1", urlsplit(sim.base_url).port or 0, seed=seed) as proxy,
    ):
        route = Rerouted(sim.gateway())
        route.port = proxy.port

        async def work() -> None:
            async with (
                quick_client(route, seed) as ib,
                ib.stream.market_data(AAPL) as ticks,
            ):
                await anext(ticks)
                proxy.blackhole()
                with anyio.move_on_after(0.2):
                    while True:
                        await anext(ticks)

        began, slowest_s = time.monotonic(), 0.0
        with anyio.move_on_after(8.0):
            async for _ in at_every_wait(work, kind):
                slowest_s = max(slowest_s, time.monotonic() - began)
                proxy.heal()
                began = time.monotonic()

        assert 0 < slowest_s < 2.5


async def test_f30_blocked_loop_is_blamed_on_the_loop(keys: SimulatorKeys, seed: int) -> None:
    """User code holds the loop up for longer than any deadline: no reconnect, and it is said why."""
    # The ping limits belong to the library, which knows nothing of lag: they are left generous.
    stream = stream_with(ping_interval_s=5.0, ping_timeout_s=5.0)
    async with fault_rig(keys, seed, stream=stream) as rig:
        async with listening(rig, rig.ib.stream.market_data(AAPL)) as (quotes,):
            await rig.until(quotes.updates)
            blocked_s = 2 * parts_of(rig.ib).engine.settings.protocol.dead_after_s

            time.sleep(blocked_s)  # noqa: ASYNC251 - the fault itself
            await rig.until(lambda: rig.seen(LoopLagged))
            count = len(quotes.updates())
            await rig.until(lambda: len(quotes.updates()) > count + 5)

        assert sum(event.lag_s for event in rig.seen(LoopLagged)) > blocked_s / 3
        assert not rig.seen(Disconnected)[:-1]
        assert not rig.seen(Gap)
        assert len(rig.seen(Connected)) == 1
