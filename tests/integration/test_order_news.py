"""Following orders against the real simulator: news, silence, gaps, and orders placed elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ibkr_async import Answers, Bracket, Client, LimitOrder, MarketOrder, Side
from ibkr_async.orders.known.events import (
    AnyOrderEvent,
    Cancelled,
    Commission,
    Fill,
    NotApplied,
    Reconciled,
    Replaced,
    StatusChange,
)
from ibkr_async.simulator import Simulator
from ibkr_async.simulator.login.keys import SimulatorKeys
from integration.conftest import FAST, QUICK
from support.inside import parts_of, without_limits
from support.waiting import first, until

AAPL = 265598
FAR = LimitOrder(AAPL, Side.BUY, 10, "100")
YES = Answers.allow("o163")


@pytest.fixture
async def quiet_ib(keys: SimulatorKeys) -> AsyncIterator[Client]:
    """Return a client of a server whose `sor` never says anything."""
    broker = replace(FAST.broker, live_orders_feed="dead")
    async with (
        Simulator(keys=keys, settings=replace(FAST, broker=broker)) as sim,
        Client(sim.gateway(), settings=QUICK) as client,
    ):
        yield client


async def _news_flows(sim: Simulator, ib: Client) -> None:
    """Wait for the feeds; the first submission would open them, and might be filled before."""
    ib.orders.watch()
    await until(lambda: any("sor" in topics for topics in sim.streams))


async def test_order_is_followed_to_its_last_commission(sim: Simulator, gateway_ib: Client) -> None:
    """Each fill once, the commission after it, and then the events end."""
    await _news_flows(sim, gateway_ib)
    live = await gateway_ib.orders.submit(MarketOrder(AAPL, Side.BUY, 10))
    events: list[AnyOrderEvent] = []
    async with asyncio.timeout(5):
        async for event in live.events():
            events.append(event)  # noqa: PERF401 - what came before a timeout is shown
        final = await live.done()

    assert (final.status, final.filled, final.commission) == ("Filled", 10, 1)
    assert final.average_price == events[-1].state.executions[0].price
    assert [type(event) for event in events if not isinstance(event, StatusChange)] == [
        Fill,
        Commission,
    ]
    assert not any(event.inferred for event in events)


async def test_cancelled_order_is_done_when_ibkr_says_so(gateway_ib: Client) -> None:
    """The acknowledgement of the cancel is not the cancel."""
    live = await gateway_ib.orders.submit(FAR, answers=YES)
    await live.cancel()
    async with asyncio.timeout(5):
        final = await live.done()

    assert (final.status, final.filled, final.remaining) == ("Cancelled", 0, 0)


async def test_modified_order_tells_its_new_terms(gateway_ib: Client) -> None:
    """And goes on being the same order."""
    live = await gateway_ib.orders.submit(FAR, answers=YES)
    await live.modify(LimitOrder(AAPL, Side.BUY, 7, "101"), answers=YES)

    replaced = await first(live.events(), Replaced)
    assert (replaced.previous_quantity, replaced.quantity) == (10, 7)
    assert (replaced.previous_price, replaced.price) == (Decimal(100), Decimal(101))
    assert live.state.quantity == 7


async def test_every_modification_is_told_once(gateway_ib: Client) -> None:
    """The second is compared with the first, and nothing is said to be missing."""
    live = await gateway_ib.orders.submit(FAR, answers=YES)
    events = live.events()
    for quantity, price in ((7, "101"), (8, "101"), (8, "102")):
        again = await live.modify(LimitOrder(AAPL, Side.BUY, quantity, price), answers=YES)
        assert again.order_id == live.order_id
        replaced = await first(events, Replaced)
        assert (replaced.quantity, replaced.price) == (quantity, Decimal(price))
        await until(lambda: not live.state.in_doubt)
    await live.cancel()
    rest = [type(event) async for event in events]

    assert NotApplied not in rest
    assert Replaced not in rest
    assert (live.state.quantity, live.state.price) == (8, 102)


async def test_ignored_quantity_of_a_held_exit_is_told(
    gateway_ib: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """IBKR acknowledges it, and goes on with the old one."""
    entry = LimitOrder(AAPL, Side.BUY, 10, "100")
    live = await gateway_ib.orders.submit(
        Bracket(entry=entry, take_profit="300", stop_loss="50"), answers=YES
    )
    await until(lambda: all(leg.state.order_type for leg in live.legs))
    target = next(leg for leg in live.legs if leg.state.order_type == "LMT" and leg.role == "exit")

    await target.modify(LimitOrder(AAPL, Side.SELL, 20, "310"), answers=YES)
    told = await first(live.events(), NotApplied)

    assert (told.order_id, told.terms) == (target.order_id, ("quantity",))
    assert (target.state.quantity, target.state.price) == (10, 310)
    assert f"order {target.order_id}: a modification was acknowledged" in caplog.text


async def test_order_is_followed_without_any_live_order_news(quiet_ib: Client) -> None:
    """The status is asked for, and marked as inferred."""
    live = await quiet_ib.orders.submit(MarketOrder(AAPL, Side.BUY, 10))
    async with asyncio.timeout(10):
        final = await live.done()

    assert (final.status, final.filled) == ("Filled", 10)
    (ended,) = [
        event
        async for event in live.events()
        if isinstance(event, StatusChange) and event.status == "Filled"
    ]
    assert ended.inferred


async def test_what_happened_in_a_gap_is_found_and_marked(
    sim: Simulator, gateway_ib: Client
) -> None:
    """The order was cancelled while the socket was down."""
    ib = gateway_ib
    without_limits(ib)  # the lists may be read once in five seconds: not waited for here
    live = await ib.orders.submit(FAR, answers=YES)
    await until(lambda: live.state.status == "Submitted" and not live.state.in_doubt)
    sim.mute("sor")
    sim.drop_sockets(None)
    await until(lambda: live.state.in_doubt)
    await live.cancel()

    async with asyncio.timeout(20):
        events = [event async for event in live.events()]
    (cancelled,) = [event for event in events if isinstance(event, Cancelled)]
    (reconciled,) = [event for event in events if isinstance(event, Reconciled)]
    assert cancelled.inferred
    assert reconciled.changed
    assert reconciled.state.status == "Cancelled"
    assert not reconciled.state.in_doubt


async def test_orders_placed_elsewhere_are_watched(sim: Simulator, gateway_ib: Client) -> None:
    """Another program of the same user places one: here it is seen from beginning to end."""
    watched = gateway_ib.orders.watch()
    await _news_flows(sim, gateway_ib)
    async with Client(sim.gateway(), settings=QUICK) as other:
        live = await other.orders.submit(FAR, answers=YES)
        await live.cancel()
        cancelled = await first(watched, Cancelled)

    assert (cancelled.order_id, cancelled.coid) == (live.order_id, live.coid)
    assert not cancelled.inferred


async def test_waiting_ends_when_the_client_is_closed(sim: Simulator) -> None:
    """With what is known so far; the order stays."""
    async with Client(sim.gateway(), settings=QUICK) as ib:
        live = await ib.orders.submit(FAR, answers=YES)
        events = live.events()
        await anext(events)

    async for _ in events:
        pass
    assert not live.state.is_done


async def test_defect_in_the_news_of_orders_ends_nothing_else(
    sim: Simulator,
    gateway_ib: Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Quotes and session go on, and IBKR is asked what the news could not say."""
    await _news_flows(sim, gateway_ib)
    tracker = parts_of(gateway_ib).order_engine.news.tracker

    def break_down(fold: Callable[..., None]) -> Callable[..., None]:
        def folds_what_was_asked_for(row: Any, at: float, *asked: Any) -> None:
            if not asked:
                raise ZeroDivisionError("a defect")
            fold(row, at, *asked)

        return folds_what_was_asked_for

    # A defect can only be put in from inside.
    for name in ("live_order_row", "trade_row"):
        monkeypatch.setattr(tracker, name, break_down(getattr(tracker, name)))
    async with asyncio.timeout(10), gateway_ib.quotes(AAPL) as quotes:
        await anext(quotes)
        live = await gateway_ib.orders.submit(MarketOrder(AAPL, Side.BUY, 10))
        final = await live.done(linger_s=0)
        await anext(quotes)

    assert (final.status, final.filled) == ("Filled", Decimal(10))
    told = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert told
    assert all("a defect interrupted the news from s" in record.getMessage() for record in told)
    assert str(gateway_ib.health()).startswith("ok")
