"""The Third-Party Web API v1: accounts, a quote with its exchanges, an order and its end.

Runs against the simulator: `python examples/third_party.py`. For IBKR itself log in with
`OAuth1a(..., base_url=THIRD_PARTY_URL)` and leave `base_url` of the client out.
"""

from __future__ import annotations

import asyncio

from ibkr_async.errors import OrderUnknownError
from ibkr_async.simulator import Simulator
from ibkr_async.thirdparty import OrderChange, ThirdPartyClient, ThirdPartyOrder


async def trade(tp: ThirdPartyClient) -> None:
    """Look around, place an order far from the market, change it, cancel it."""
    account, *_ = await tp.accounts()
    summary = await tp.summary(account)
    print("account:", account, "net liquidation:", summary.summary.net_liquidation)

    [ibm] = await tp.secdef(instrument_type="STK", symbol="IBM", exchange="NYSE")
    [quote] = await tp.quotes(ibm.contract_id or 0)
    print("bid:", quote.bid.price, "on", sorted(quote.bid.exchanges or ()))

    order = ThirdPartyOrder(
        contract_id=ibm.contract_id, side="BUY", quantity=10, order_type="LIMIT", price="150.00"
    )
    impact = await tp.order_impact(account, order)
    print("margin:", impact.init_margin, "commission:", impact.commission)

    try:
        placed = await tp.place_order(account, order)
    except OrderUnknownError as unknown:
        print("look before doing anything:", unknown)
        return
    print("placed:", placed.ticker, placed.quantity, "@", placed.price)

    changed = await tp.modify_order(account, placed, OrderChange(price="151.00"))
    print("changed:", "@", changed.price)
    await tp.cancel_order(account, changed.customer_order_id or "")
    print("orders:", [order.status and order.status.name for order in await tp.orders(account)])


async def main() -> None:
    """Start the simulator and trade on it."""
    async with (
        Simulator() as sim,
        ThirdPartyClient(sim.third_party_auth(), base_url=sim.third_party_url) as tp,
    ):
        await trade(tp)


if __name__ == "__main__":
    asyncio.run(main())
