"""Buy with a take-profit and a stop, and follow every fill and its commission to the end.

Runs against the simulator: `python examples/bracket_with_fills.py`.
"""

from __future__ import annotations

import asyncio

from ibkr_async import Answers, Bracket, Client, LimitOrder, Side
from ibkr_async.errors import OrderQuestionError, OrderRejectedError, OrderUnknownError
from ibkr_async.orders import Commission, Fill, StatusChange
from ibkr_async.simulator import Simulator


async def trade(ib: Client) -> None:
    """Enter at the market's price; when the entry has filled, take the exits back."""
    async with ib.quotes("AAPL") as quotes:
        async for quote in quotes:
            if quote.ask is not None:
                break
    price = quote.ask or 0.0
    plan = Bracket(
        entry=LimitOrder(quote.conid, Side.BUY, 10, f"{price + 0.50:.2f}"),
        take_profit=f"{price * 1.05:.2f}",
        stop_loss=f"{price * 0.95:.2f}",
    )
    try:
        live = await ib.orders.submit(
            plan, answers=Answers.allow("o163", "o10152", "o10331"), cancel_if_incomplete=True
        )
    except (OrderRejectedError, OrderQuestionError) as error:
        print("not placed:", error, "still live:", error.live_order_ids)
        return
    except OrderUnknownError as error:
        print("look before doing anything:", error)
        return

    async for event in live.events():
        match event:
            case StatusChange(status=status):
                print(event.order_id, "is", status)
            case Fill(execution=fill):
                print("filled", fill.size, "@", fill.price)
            case Commission(execution=fill):
                print("commission", fill.commission)
                await live.cancel()  # the entry is done, so this cancels both exits
    print("filled in all:", live.state.filled)


async def main() -> None:
    """Trade on the simulator."""
    # For IBKR: `async with Client(OAuth1a.from_env()) as ib:`, and no simulator.
    async with Simulator() as sim, Client(sim.auth()) as ib:
        await trade(ib)


if __name__ == "__main__":
    asyncio.run(main())
