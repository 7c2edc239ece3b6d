"""Every kind of order that IBKR takes, from the client through the simulator to its fill."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ibkr_async import (
    Client,
    LimitOnCloseOrder,
    LimitOrder,
    MarketOnCloseOrder,
    MarketOrder,
    RelativeOrder,
)
from ibkr_async.orders import combo_conidex
from ibkr_async.simulator import BrokerSettings, Simulator, SimulatorSettings
from ibkr_async.testing import run_virtual

if TYPE_CHECKING:
    from ibkr_async.world import World

AAPL, IBM = 265598, 8314
CALM = SimulatorSettings(broker=BrokerSettings(volatility=0.0, warm_ups=False))
PAIR = combo_conidex("USD", [(AAPL, 1), (IBM, -1)])


def _filled(order: Any) -> tuple[str, Decimal, list[tuple[str | None, Decimal | None]]]:
    """Return how an order has ended, how much of it was filled, and its executions."""

    async def main(world: World) -> tuple[str, Decimal, list[tuple[str | None, Decimal | None]]]:
        async with (
            Simulator(world=world, settings=CALM) as sim,
            Client(sim.auth(), world=world) as ib,
        ):
            live = await ib.orders.submit(order)
            await asyncio.sleep(2)
            sim.close_market()
            done = await live.done()
            return (
                str(done.status),
                done.filled,
                [(one.sec_type, one.size) for one in done.executions],
            )

    return run_virtual(main)


@pytest.mark.parametrize(
    ("order", "filled", "executions"),
    [
        (
            LimitOrder(PAIR, "BUY", 2, "-34.40"),
            2,
            [("BAG", 2), ("STK", 2), ("STK", 2)],
        ),
        (MarketOrder(PAIR, "SELL", 2), 2, [("BAG", 2), ("STK", 2), ("STK", 2)]),
        (MarketOrder(AAPL, "BUY", None, cash_quantity=1000), 5, [("STK", 5)]),
        (MarketOrder(AAPL, "BUY", "1.25"), Decimal("1.25"), [("STK", Decimal("1.25"))]),
        (MarketOnCloseOrder(AAPL, "BUY", 3), 3, [("STK", 3)]),
        (LimitOnCloseOrder(AAPL, "BUY", 3, "190"), 3, [("STK", 3)]),
        (LimitOnCloseOrder(AAPL, "BUY", 3, "188"), 0, []),
        (RelativeOrder(AAPL, "BUY", 3, offset="0.02"), 3, [("STK", 3)]),
    ],
)
def test_order_of_every_kind_is_filled(order: Any, filled: Any, executions: list[Any]) -> None:
    """What the client knows of it adds up; what is not met at the close is cancelled."""
    status, size, told = _filled(order)

    assert (status, size) == ("Filled" if filled else "Cancelled", filled)
    assert told == executions
