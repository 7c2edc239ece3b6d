"""A client that is used from another event loop or thread: refused before anything is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from ibkr_async import Answers, Bracket, Client, LimitOrder, Side, UsageError
from ibkr_async.feeds import Feed
from ibkr_async.orders import OrderHandle
from ibkr_async.simulator import Simulator

AAPL = 265598
ORDER = LimitOrder(AAPL, Side.BUY, 1, "100.00")


class Held:
    """An open client, and its faces, as a program may hold them."""

    def __init__(self, ib: Client, live: OrderHandle, trades: Feed[Any]) -> None:
        self.ib = ib
        self.live = live
        self.trades = trades
        self.orders = ib.orders
        self.session = ib.session
        self.stream = ib.stream


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def held(sim: Simulator) -> AsyncIterator[Held]:
    """Hold one open client for all tests: nothing may happen to it."""
    async with (
        Client(sim.gateway(), allow_live_orders=True) as ib,
        ib.stream.trades() as trades,
    ):
        live = await ib.orders.submit(ORDER, answers=Answers.allow("o163"))
        await trades.ready()
        yield Held(ib, live, trades)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def sim() -> AsyncIterator[Simulator]:
    """Run one simulator for all tests."""
    async with Simulator() as running:
        yield running


VERBS: dict[str, Callable[[Held], Any]] = {
    # client
    "open": lambda held: held.ib.open(),
    "aclose": lambda held: held.ib.aclose(),
    "drain": lambda held: held.ib.drain(),
    "ready": lambda held: held.ib.ready(),
    "request": lambda held: held.ib.request("GET", "/tickle"),
    "quotes": lambda held: held.ib.quotes("AAPL").__aenter__(),
    "bars": lambda held: held.ib.bars(AAPL).__aenter__(),
    "iterated bars": lambda held: anext(held.ib.bars(AAPL)),
    "ladder": lambda held: held.ib.ladder(AAPL).__aenter__(),
    "events": lambda held: anext(held.ib.events()),
    # resources
    "accounts": lambda held: held.ib.accounts.list(),
    "resolve": lambda held: held.ib.contracts.resolve("MSFT"),
    "snapshot": lambda held: held.ib.market_data.snapshot(AAPL),
    "positions": lambda held: held.ib.portfolio.positions(),
    # session
    "session.ready": lambda held: held.session.ready(),
    "session.logout": lambda held: held.session.logout(),
    # orders
    "submit": lambda held: held.orders.submit(ORDER),
    "submit for an account": lambda held: held.orders.submit(ORDER, account_id="DU1234567"),
    "submit bracket": lambda held: held.orders.submit(Bracket(entry=ORDER, take_profit="101.00")),
    "modify": lambda held: held.orders.modify("1", ORDER, account_id="DU1234567"),
    "what_if": lambda held: held.orders.what_if(ORDER),
    "place": lambda held: held.orders.place(ORDER),
    "reply": lambda held: held.orders.reply("1", confirmed=True),
    "cancel": lambda held: held.orders.cancel("1"),
    "cancel for an account": lambda held: held.orders.cancel("1", account_id="DU1234567"),
    "cancel_all": lambda held: held.orders.cancel_all(),
    "find": lambda held: held.orders.find("x"),
    "recovered": lambda held: held.orders.recovered(),
    "watch": lambda held: anext(held.orders.watch()),
    "a feed of its own loop": lambda held: anext(held.trades),
    "ready of a feed of its own loop": lambda held: held.trades.ready(),
    "done": lambda held: held.live.done(),
    "events of an order": lambda held: anext(held.live.events()),
    "cancel an order": lambda held: held.live.cancel(),
    "live": lambda held: held.orders.live(),
    "status": lambda held: held.orders.status("1"),
    "trades": lambda held: held.orders.trades(),
    "suppress": lambda held: held.orders.suppress(["o163"]),
    "reset_suppressed": lambda held: held.orders.reset_suppressed(),
    # stream
    "market_data": lambda held: held.stream.market_data(AAPL).__aenter__(),
    "live_orders": lambda held: held.stream.live_orders().__aenter__(),
    "trade feed": lambda held: held.stream.trades().__aenter__(),
    "option_exercise": lambda held: held.stream.option_exercise(AAPL).__aenter__(),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
async def test_another_loop_in_another_thread_is_refused(
    held: Held, sim: Simulator, verb: Callable[[Held], Any]
) -> None:
    """Nothing is sent, nothing waits, and the client goes on where it lives."""
    sent = len(sim.requests)

    async def use() -> None:
        async with asyncio.timeout(2):
            await verb(held)

    with pytest.raises(UsageError, match=r"event loop and thread|open already"):
        await asyncio.to_thread(asyncio.run, use())

    # The keeper's tickle is the client's own.
    assert [one for one in sim.requests[sent:] if not one.path.endswith("/tickle")] == []
    assert (await held.ib.ready()).account_id == "DU1234567"
