"""The demo's bot: about forty lines that use the public API only, and so an example to start from.

It runs unchanged against IBKR: give it a `Client(Gateway(...))` or `Client(OAuth1a.from_env())`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from ibkr_async import Answers, Bracket, Client, LimitOrder, MarketOrder, Side

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ibkr_async.cli.demo_view import View
    from ibkr_async.feeds.quotes import Quotes

SHARES = 10


async def trade(ib: Client, view: View, symbols: tuple[str, ...], seconds: float) -> None:
    """Show live quotes, buy the first symbol with a bracket, watch it, and sell again."""
    view.say(f"brokerage session ready on {ib.session.info.server_name}")
    contracts = await ib.contracts.resolve(*symbols)
    view.say("contracts: " + ", ".join(f"{c.symbol} is {c.conid}" for c in contracts))

    async with (
        ib.quotes(*symbols) as quotes,
        ib.stream.trades(realtime_updates_only=True) as fills,
        ib.stream.profit_and_loss() as pnl,
        anyio.create_task_group() as tasks,
    ):
        ask = await first_ask(quotes, symbols[0])
        await fills.ready()  # an order that fills before that is not shown
        tasks.start_soon(follow, quotes, view.quote)
        tasks.start_soon(follow, fills, view.fill)
        tasks.start_soon(follow, pnl, view.pnl)

        entry = LimitOrder(contracts[0].conid, Side.BUY, SHARES, round(ask * 1.04, 2))
        plan = Bracket(
            entry=entry, take_profit=round(ask * 1.10, 2), stop_loss=round(ask * 0.97, 2)
        )
        view.say(f"bracket: buy {SHARES} {symbols[0]} at {entry.price} or better")
        # So far from the market IBKR asks whether we mean it (o163); any other question is a no.
        live = await ib.orders.submit(plan, answers=Answers.allow("o163"))
        view.order(live)

        await anyio.sleep(seconds)

        for leg in live.legs[1:]:
            await ib.orders.cancel(leg.order_id)
        view.say("exits cancelled, position closed at the market")
        view.order(await ib.orders.submit(MarketOrder(contracts[0].conid, Side.SELL, SHARES)))
        await anyio.sleep(1.5)  # the last fill, its commission and the P&L
        view.counts(quotes=quotes.stats.delivered, health=ib.health())
        tasks.cancel_scope.cancel()


async def first_ask(quotes: Quotes, symbol: str) -> float:
    """Wait until somebody offers the stock."""
    async for quote in quotes:
        if quote.symbol == symbol and quote.ask is not None:
            return quote.ask
    raise RuntimeError("the stream was closed before a quote came")


async def follow(feed: AsyncIterator[Any], show: Callable[[Any], None]) -> None:
    """Show everything that a feed gives."""
    async for item in feed:
        show(item)
