"""Keep a limit order half a dollar below the bid: modify it when the market moves, cancel it in the end.

Runs against the simulator: `python examples/reprice_loop.py`.
"""

from __future__ import annotations

import asyncio

from ibkr_async import Answers, Client, IbkrError, LimitOrder, Side
from ibkr_async.simulator import Simulator

ANSWERS = Answers.allow("o163")
ROUNDS = 4


def order_at(conid: int, bid: float) -> LimitOrder:
    """Make the whole order: IBKR takes no patches."""
    return LimitOrder(conid, Side.BUY, 10, f"{bid - 0.50:.2f}")


async def trade(ib: Client) -> None:
    """Follow the bid for some rounds, or until the order is done."""
    live, last, rounds = None, 0.0, 0
    async with ib.quotes("AAPL") as quotes:
        async for quote in quotes:
            if quote.bid is None or quote.bid == last:
                continue
            last = quote.bid
            if live is None:
                live = await ib.orders.submit(order_at(quote.conid, last), answers=ANSWERS)
                print("placed", live.order_id, "below", last)
            elif live.state.is_done or rounds == ROUNDS:
                break
            else:
                rounds += 1
                try:
                    await live.modify(order_at(quote.conid, last), answers=ANSWERS)
                except IbkrError as error:  # it may have filled meanwhile
                    print("not changed:", error)
                    break
                print("moved below", last)
    if live is not None:
        if not live.state.is_done:
            await live.cancel()
        final = await live.done()
        print("in the end:", final.status, "filled", final.filled)


async def main() -> None:
    """Trade on the simulator."""
    # For IBKR: `async with Client(OAuth1a.from_env()) as ib:`, and no simulator.
    async with Simulator() as sim, Client(sim.auth()) as ib:
        await trade(ib)


if __name__ == "__main__":
    asyncio.run(main())
