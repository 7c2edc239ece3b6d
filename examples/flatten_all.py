"""Cancel every order of the account and close every position.

Runs against the simulator, with a position made for it: `python examples/flatten_all.py`.
"""

from __future__ import annotations

import asyncio

from ibkr_async import Answers, Client, LimitOrder, MarketOrder, Side
from ibkr_async.simulator import Simulator

AAPL = 265598
OVER = {"Filled", "Cancelled", "Inactive"}
ANSWERS = Answers.allow("o163", "o354", "o10151")


async def flatten(ib: Client) -> None:
    """First the orders, so that none of them trades while the positions are closed."""
    await ib.orders.cancel_all(ib.session.info.account_id)
    while True:
        orders = (await ib.orders.live()).orders  # paced: once in five seconds
        print("orders:", [order.status for order in orders])
        if all(order.status in OVER for order in orders):
            break

    await ib.portfolio.invalidate()  # a fill may have just happened
    for position in await ib.portfolio.positions():
        if not position.position or position.conid is None:
            continue
        side = Side.SELL if position.position > 0 else Side.BUY
        order = MarketOrder(position.conid, side, abs(position.position))
        live = await ib.orders.submit(order, answers=ANSWERS)
        state = await live.done()
        print(position.contract_desc, side, state.filled, "@", state.average_price)


async def main() -> None:
    """Buy something, leave an order working, and flatten it all."""
    # For IBKR: `async with Client(OAuth1a.from_env()) as ib:`, and no simulator.
    async with Simulator() as sim, Client(sim.auth()) as ib:
        bought = await ib.orders.submit(MarketOrder(AAPL, Side.BUY, 10), answers=ANSWERS)
        await bought.done()
        await ib.orders.submit(LimitOrder(AAPL, Side.BUY, 5, "100.00"), answers=ANSWERS)
        await flatten(ib)


if __name__ == "__main__":
    asyncio.run(main())
