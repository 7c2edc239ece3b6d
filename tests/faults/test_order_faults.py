"""Orders are followed over sockets that misbehave: the wiring is the client's own (B18)."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from faults.rig import AAPL, PATIENCE_S, Rig, fault_rig
from ibkr_async import LimitOrder, Side
from ibkr_async.orders import Fill, OrderHandle
from ibkr_async.simulator.login.keys import SimulatorKeys

MARKET, LIMIT, BELOW = "190", "188.00", "170"


def follower_is_wired(rig: Rig) -> bool:
    """Tell whether the follower listens to the very socket that the proxy carries."""
    feeds = rig.sim.sockets[-1].requests
    return any(text.startswith("sor") for text in feeds) and any(
        text.startswith("str") for text in feeds
    )


async def resting_order(rig: Rig, coid: str) -> OrderHandle:
    """Place an order that waits below the market."""
    rig.sim.broker.set_price(AAPL, MARKET)
    return await rig.ib.orders.submit(LimitOrder(AAPL, Side.BUY, 10, LIMIT, coid=coid))


async def test_fill_while_the_wire_is_dead_is_told_with_its_executions(
    keys: SimulatorKeys, seed: int
) -> None:
    """Nothing comes through for a while; what happened is read from REST and told once."""
    async with fault_rig(keys, seed) as rig:
        live = await resting_order(rig, "resting")
        await rig.until(lambda: follower_is_wired(rig))
        told: list[Fill] = []
        watching = asyncio.create_task(_collect(live, told))

        rig.proxy.blackhole()
        rig.sim.broker.set_price(AAPL, BELOW)
        await rig.until_lost()
        rig.proxy.heal()
        async with asyncio.timeout(PATIENCE_S):
            state = await live.done()
            await watching

        assert (state.status, state.filled) == ("Filled", Decimal(10))
        assert sum(execution.size for execution in state.executions) == 10
        assert sum(fill.execution.size for fill in told) == 10
        assert len({fill.execution.execution_id for fill in told}) == len(told)


async def test_many_orders_over_a_socket_that_breaks_again_and_again(
    keys: SimulatorKeys, seed: int
) -> None:
    """Each order ends as the broker says, each fill is told once, nothing is placed twice."""
    async with fault_rig(keys, seed) as rig:
        handles: list[OrderHandle] = []
        told: list[list[Fill]] = []
        watching: list[asyncio.Task[None]] = []
        for number in range(6):
            handles.append(await resting_order(rig, f"order-{number}"))
            told.append([])
            watching.append(asyncio.create_task(_collect(handles[-1], told[-1])))
            rig.proxy.reset()
            await asyncio.sleep(rig.random.uniform(0.0, 0.1))
            if number % 2:
                rig.sim.broker.set_price(AAPL, BELOW)
        async with asyncio.timeout(PATIENCE_S):
            states = [await live.done() for live in handles]
            await asyncio.gather(*watching)

        assert [(state.status, state.filled) for state in states] == [("Filled", Decimal(10))] * 6
        for state, fills in zip(states, told, strict=True):
            assert sum(execution.size for execution in state.executions) == 10
            assert sum(fill.execution.size for fill in fills) == 10
        placed = [row["order_ref"] for row in rig.sim.broker.live_order_rows()]
        assert sorted(placed) == [f"order-{number}" for number in range(6)]


async def _collect(live: OrderHandle, told: list[Fill]) -> None:
    told += [event async for event in live.events() if isinstance(event, Fill)]
