"""Orders from the call to the fill, against the real simulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from ibkr_async import (
    Answers,
    Bracket,
    Client,
    LimitOrder,
    MarketOrder,
    OrderQuestionError,
    Side,
)
from ibkr_async.errors import BadRequestError, OrderGuardError, RefusedError, UsageError
from ibkr_async.models.streaming import TradeUpdate
from ibkr_async.simulator import Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.leaks import nothing_left_behind
from support.waiting import until

AAPL = 265598
PLACE = "/iserver/account/DU1234567/orders"


def _placed(sim: Simulator) -> int:
    """How many submissions reached the server, whatever it answered."""
    return sum((request.method, request.path) == ("POST", PLACE) for request in sim.requests)


def _order_refs(sim: Simulator) -> list[str]:
    return [row["order_ref"] for row in sim.broker.live_order_rows() if row.get("order_ref")]


async def _fills(trades: AsyncIterator[TradeUpdate], number: int) -> dict[str, TradeUpdate]:
    """Collect so many executions, each with its commission, by execution id."""
    found: dict[str, TradeUpdate] = {}
    async with asyncio.timeout(5):
        async for trade in trades:
            found[trade.execution_id or ""] = trade
            if sum(fill.commission is not None for fill in found.values()) == number:
                return found
    raise AssertionError("the trades ended")


async def test_market_order_fills_and_the_fill_arrives(gateway_ib: Client) -> None:
    """The execution comes over the socket, with the order's own id, then its commission."""
    ib = gateway_ib
    async with ib.stream.trades(realtime_updates_only=True) as trades:
        await trades.ready()
        live = await ib.orders.submit(MarketOrder(AAPL, Side.BUY, 10))
        fills = await _fills(trades, 1)

    (fill,) = fills.values()
    assert (fill.symbol, fill.side, fill.size) == ("AAPL", "B", Decimal(10))
    assert fill.order_ref == live.coid
    assert fill.commission == Decimal("1.0")
    assert (await live.status()).order_status == "Filled"


async def test_far_limit_is_refused_by_default_and_the_question_named(
    sim: Simulator, gateway_ib: Client
) -> None:
    """The default answer is no: nothing is live, and the message says how to allow it."""
    with pytest.raises(OrderQuestionError, match=r"Answers\.allow\('o163'\)") as caught:
        await gateway_ib.orders.submit(LimitOrder(AAPL, Side.BUY, 1, "120.00"))

    assert caught.value.message_ids == ("o163",)
    assert caught.value.declined
    assert _order_refs(sim) == []


async def test_far_limit_is_placed_when_its_question_is_allowed(
    sim: Simulator, gateway_ib: Client
) -> None:
    """One policy, one order, exactly the digits that were given."""
    order = LimitOrder(AAPL, Side.BUY, 1, "120.00")
    live = await gateway_ib.orders.submit(order, answers=Answers.allow("o163"))

    (row,) = sim.broker.live_order_rows()
    assert row["order_ref"] == live.coid
    assert Decimal(str(row["price"])) == Decimal("120.00")
    assert [leg.role for leg in live.legs] == ["order"]


async def test_other_questions_stay_refused(sim: Simulator, gateway_ib: Client) -> None:
    """Allowing one kind of question allows no other."""
    with pytest.raises(OrderQuestionError, match="o163"):
        await gateway_ib.orders.submit(
            LimitOrder(AAPL, Side.BUY, 1, "120.00"), answers=Answers.allow("o354")
        )

    assert _order_refs(sim) == []


async def test_bracket_is_placed_filled_and_its_exits_cancelled(
    sim: Simulator, gateway_ib: Client
) -> None:
    """Three legs, each named; the entry fills, the exits are cancelled by id."""
    ib = gateway_ib
    plan = Bracket(entry=MarketOrder(AAPL, Side.BUY, 10), take_profit="230.00", stop_loss="150.00")
    async with ib.stream.trades(realtime_updates_only=True) as trades:
        await trades.ready()
        live = await ib.orders.submit(plan, answers=Answers.allow("o163"))
        fills = await _fills(trades, 1)
        for leg in live.legs[1:]:
            await ib.orders.cancel(leg.order_id)

    assert [leg.role for leg in live.legs] == ["entry", "exit", "exit"]
    assert len(fills) == 1
    statuses = [(await leg.status()).order_status for leg in live.legs]
    assert statuses == ["Filled", "Cancelled", "Cancelled"]
    assert sim.broker.position(AAPL) == 10


async def test_cancel_of_a_working_order_and_of_nothing(gateway_ib: Client) -> None:
    """A cancel is acknowledged; an order that does not exist is refused, not ignored."""
    ib = gateway_ib
    live = await ib.orders.submit(
        LimitOrder(AAPL, Side.BUY, 1, "120.00"), answers=Answers.allow("o163")
    )
    await live.cancel()

    assert (await live.status()).order_status == "Cancelled"
    with pytest.raises((BadRequestError, RefusedError), match="1"):
        await ib.orders.cancel("1")
    with pytest.raises(UsageError, match="cancel_all"):
        await ib.orders.cancel("-1")


async def test_live_account_needs_permission(keys: SimulatorKeys) -> None:
    """Real money is not traded by a program that does not say so; nothing is sent."""
    settings = SimulatorSettings(account_ids=("U1234567",), tick_s=0.02)
    async with nothing_left_behind(), Simulator(keys=keys, settings=settings) as sim:
        async with Client(sim.gateway()) as ib:
            sent = len(sim.requests)
            with pytest.raises(OrderGuardError, match=r"live account.*allow_live_orders=True"):
                await ib.orders.submit(MarketOrder(AAPL, Side.BUY, 1))
            assert not any("orders" in request.path for request in sim.requests[sent:])
        async with Client(sim.gateway(), allow_live_orders=True) as ib:
            assert (await ib.orders.submit(MarketOrder(AAPL, Side.BUY, 1))).order_id


async def test_lost_answer_of_an_accepted_order_is_found_and_never_sent_again(
    sim: Simulator, gateway_ib: Client
) -> None:
    """The answer was a 503, the order is live: it is looked for and found; one POST, ever."""
    sim.fail_next(PLACE, 503, {"error": "Service Unavailable"}, after=True)
    live = await gateway_ib.orders.submit(LimitOrder(AAPL, Side.BUY, 1, "185.00"))

    assert [live.coid] == _order_refs(sim)
    assert _placed(sim) == 1


async def test_lost_answer_without_a_trace_is_unknown_and_never_sent_again(
    sim: Simulator, gateway_ib: Client, caplog: pytest.LogCaptureFixture
) -> None:
    """The order is nowhere, which proves nothing: given up while it is looked for, it stays unknown."""
    sim.fail_next(PLACE, 503, {"error": "Service Unavailable"})
    order = LimitOrder(AAPL, Side.BUY, 1, "185.00", coid="mine-1")
    submitted = asyncio.create_task(gateway_ib.orders.submit(order))
    await until(lambda: "mine-1" in gateway_ib.orders.unknown)
    submitted.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitted

    assert list(gateway_ib.orders.unknown) == ["mine-1"]
    assert (gateway_ib.health().ok, gateway_ib.health().unknown_orders) == (False, 1)
    assert "mine-1" in caplog.text
    assert _placed(sim) == 1
    assert _order_refs(sim) == []
