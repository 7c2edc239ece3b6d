"""The Third-Party Web API of the simulator, through the real clients and through raw requests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ibkr_async import Client, LimitOrder, MarketOrder
from ibkr_async.errors import (
    AccountsNotVisibleError,
    BadRequestError,
    LockedError,
    OrderRejectedError,
    OrderUnknownError,
    ServerTimedOutError,
)
from ibkr_async.simulator import Simulator, SimulatorSettings
from ibkr_async.simulator.broker.broker import Broker, BrokerSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.thirdparty import (
    FixOrderStatus,
    FixTif,
    OrderChange,
    Temporality,
    ThirdPartyClient,
    ThirdPartyOrder,
)
from ibkr_async.world import RealClock, World
from support.simulator_peer import trust

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ACCOUNT = "DU1234567"
IBM = 8314
ROOT = f"/tradingapi/v1/accounts/{ACCOUNT}"
NOW = 1_795_200_000.0
CALM = SimulatorSettings(
    greeting_delay_s=0.0,
    tick_s=0.02,
    broker=BrokerSettings(
        volatility=0, warm_ups=False, ask_price_constraint=False, late_commission_s=0
    ),
)
"""Prices stand still, nothing is asked, and nothing has to be asked twice."""


@pytest.fixture
async def calm(keys: SimulatorKeys) -> AsyncIterator[Simulator]:
    """A running simulator whose market stands still."""
    async with Simulator(keys=keys, settings=CALM) as running:
        yield running


@pytest.fixture(params=[False, True], ids=["json", "form"])
async def tp(request: pytest.FixtureRequest, calm: Simulator) -> AsyncIterator[ThirdPartyClient]:
    """The real client, with bodies of both kinds."""
    async with connect(calm, form_bodies=request.param) as client:
        yield client


def connect(sim: Simulator, **options: Any) -> ThirdPartyClient:
    """Make a client of a simulator."""
    return ThirdPartyClient(
        sim.third_party_auth(),
        base_url=sim.third_party_url,
        world=World(clock=_ClockOf(sim)),
        **options,
    )


class _ClockOf(RealClock):
    """The simulator's clock, which a test may shift."""

    def __init__(self, sim: Simulator) -> None:
        self.wall = sim.now  # type: ignore[method-assign]  # the one difference


def limit(price: str, quantity: int = 10, side: str = "BUY", **more: Any) -> ThirdPartyOrder:
    """Make a limit order for IBM."""
    return ThirdPartyOrder(
        contract_id=IBM, side=side, quantity=quantity, order_type="LIMIT", price=price, **more
    )


MARKET = ThirdPartyOrder(contract_id=IBM, side="BUY", quantity=10, order_type="MARKET")


# --- the real client -----------------------------------------------------------------------------


async def test_order_lives_through_place_change_and_cancel(tp: ThirdPartyClient) -> None:
    """Each step is seen in the list, under the id of the moment."""
    placed = await tp.place_order(ACCOUNT, limit("150.00", tif="GTC", customer_order_id="A1"))
    change = OrderChange(price="151.50", quantity=20, customer_order_id="A2")
    changed = await tp.modify_order(ACCOUNT, placed, change)
    seen = await tp.order(ACCOUNT, "A2")
    await tp.cancel_order(ACCOUNT, "A2")
    last = await tp.find_order(ACCOUNT, "A2")

    assert (placed.customer_order_id, placed.status) == ("A1", FixOrderStatus.NEW)
    assert (placed.tif, placed.price, placed.quantity) == (FixTif.GTC, 150, 10)
    assert (changed.orig_customer_order_id, changed.customer_order_id) == ("A1", "A2")
    assert changed.status is FixOrderStatus.REPLACED
    assert (seen.price, seen.quantity) == (Decimal("151.5"), 20)
    assert last is not None
    assert last.status in {FixOrderStatus.PENDING_CANCEL_REPLACE, FixOrderStatus.CANCELED}
    assert await tp.find_order(ACCOUNT, "A1") is None


async def test_fill_shows_in_positions_trades_and_summary(
    calm: Simulator, tp: ThirdPartyClient
) -> None:
    """Money, position and trade come out of one fill."""
    placed = await tp.place_order(ACCOUNT, MARKET)
    calm.tick()

    order = await tp.order(ACCOUNT, placed.customer_order_id or "")
    (position,) = await tp.positions(ACCOUNT)
    (trade,) = await tp.trades(ACCOUNT)
    summary = await tp.summary(ACCOUNT)

    assert order.status is FixOrderStatus.FILLED
    assert (position.contract_id, position.position) == (IBM, 10)
    assert position.average_cost == trade.trade_price
    assert trade.customer_order_id == placed.customer_order_id
    assert (trade.commission, trade.commission_currency) == (Decimal("1.0"), "USD")
    assert summary.ledger[0].cash_balance == Decimal(999_999) - 10 * (trade.trade_price or 0)
    assert summary.summary.net_liquidation == summary.securities.net_liquidation
    assert summary.commodities.net_liquidation == 0
    assert summary.extra == {}
    assert summary.summary.extra == {}
    assert summary.info.extra == {}


async def test_order_types_and_ways_of_naming_a_contract(tp: ThirdPartyClient) -> None:
    """Stops keep their own price apart; stocks and pairs are found by ticker."""
    stock = {"instrument_type": "STK", "ticker": "MSFT", "listing_exchange": "NASDAQ"}
    pair = {"instrument_type": "CASH", "ticker": "EUR", "currency": "USD"}
    stop = await tp.place_order(
        ACCOUNT,
        ThirdPartyOrder(**stock, side="SELL", quantity=1, order_type="STOP", aux_price="400.00"),
    )
    both = await tp.place_order(
        ACCOUNT,
        ThirdPartyOrder(
            **pair, side="SELL", quantity=20_000, order_type="STOP_LIMIT", price="1.05",
            aux_price="1.06", tif="CLOSE", outside_rth=True, german_hft_algo=False,
            order_restrictions="1 2", mifid2_algo="77", use_price_management_algo=True,
        ),
    )  # fmt: skip
    await tp.modify_order(ACCOUNT, stop, OrderChange(aux_price="401.00"))

    assert (stop.ticker, stop.listing_exchange, stop.price) == ("MSFT", "ISLAND", None)
    assert (both.ticker, both.order_type, both.tif) == ("EUR", "4", FixTif.CLOSE)
    assert (both.price, both.outside_rth) == (Decimal("1.05"), True)


async def test_limit_becomes_market(calm: Simulator, tp: ThirdPartyClient) -> None:
    """The one change of type goes through and trades."""
    placed = await tp.place_order(ACCOUNT, limit("150.00"))
    changed = await tp.modify_order(ACCOUNT, placed, OrderChange(order_type="MARKET"))
    calm.tick()

    done = await tp.order(ACCOUNT, changed.customer_order_id or "")
    assert done.status is FixOrderStatus.FILLED


async def test_too_large_order_is_rejected(tp: ThirdPartyClient) -> None:
    """The row says status 8 and why; the client raises it."""
    with pytest.raises(OrderRejectedError, match="required margin"):
        await tp.place_order(ACCOUNT, limit("220.00", quantity=900_000))


async def test_impact_changes_nothing(tp: ThirdPartyClient) -> None:
    """Margins after and before, and the commission; no order appears."""
    impact = await tp.order_impact(ACCOUNT, limit("220.00"))
    await tp.order_impact(
        ACCOUNT, ThirdPartyOrder(contract_id=IBM, side="SELL", quantity=1, order_type=1)
    )

    assert impact.init_margin == Decimal("550.00")
    assert (impact.init_margin_before, impact.commission) == (0, 1)
    assert impact.equity_with_loan_before == Decimal(1_000_000)
    assert await tp.orders(ACCOUNT) == ()


async def test_products_and_prices(tp: ThirdPartyClient) -> None:
    """Definitions, snapshots and the exchanges behind a quote, as in the reference's example."""
    by_conid = await tp.secdef(IBM)
    by_symbol = await tp.secdef(instrument_type="STK", symbol="IBM", exchange="NYSE")
    (pair,) = await tp.secdef(instrument_type="CASH", symbol="EUR", currency="USD")
    (quote, euro) = await tp.quotes(IBM, pair.contract_id or 0)
    (same,) = await tp.snapshot(instrument_type="STK", symbol="IBM", exchange="NYSE")
    (also,) = await tp.snapshot(instrument_type="STK", symbol="IBM", currency="USD")

    assert by_conid == by_symbol
    assert quote.bid.exchanges == {"NYSE", "ARCA"}
    assert quote.offer.exchanges == {"ISLAND"}
    assert euro.bid.exchanges == {"IDEALPRO"}
    assert same == also
    assert same.temporality is Temporality.REAL_TIME
    assert same.bid.price == quote.bid.price


async def test_instrument_without_data_is_incomplete(keys: SimulatorKeys) -> None:
    """Nothing is quoted where the login is not subscribed."""
    settings = SimulatorSettings(broker=BrokerSettings(unsubscribed_conids=frozenset({IBM})))
    async with Simulator(keys=keys, settings=settings) as sim, connect(sim) as client:
        (snapshot,) = await client.snapshot(IBM)

    assert snapshot.complete is False
    assert snapshot.temporality is Temporality.DELAYED
    assert snapshot.bid.price is None


async def test_trades_since_a_time(calm: Simulator, tp: ThirdPartyClient) -> None:
    """The default is 24 hours; `since` goes further, up to a week."""
    await tp.place_order(ACCOUNT, MARKET)
    calm.tick()
    calm.shift_clock(2 * 86_400)
    now = datetime.fromtimestamp(calm.now(), UTC)

    assert await tp.trades(ACCOUNT) == ()
    assert len(await tp.trades(ACCOUNT, since=now - timedelta(days=3))) == 1
    assert len(await tp.trades(ACCOUNT, since=(now - timedelta(days=3)).date())) == 1


# --- both clients at once ------------------------------------------------------------------------


async def test_orders_of_one_api_are_visible_through_the_other(calm: Simulator) -> None:
    """The same broker stands behind both: either client sees, and ends, the other's order."""
    async with Client(calm.auth()) as ib, connect(calm) as tp:
        handle = await ib.orders.submit(LimitOrder(IBM, "BUY", 5, "150.00", coid="WEB-1"))
        placed = await tp.place_order(ACCOUNT, limit("149.00", customer_order_id="FIX-1"))

        seen_there = await tp.order(ACCOUNT, "WEB-1")
        live = {row.order_ref: row for row in (await ib.orders.live()).orders}
        await tp.cancel_order(ACCOUNT, "WEB-1")
        await ib.orders.cancel(str(live["FIX-1"].order_id))
        calm.tick()
        after = {row.customer_order_id: row.status for row in await tp.orders(ACCOUNT)}
        status = await ib.orders.status(handle.legs[0].order_id)

    assert (seen_there.quantity, seen_there.price) == (5, 150)
    assert live["FIX-1"].total_size == placed.quantity
    assert after == {"WEB-1": FixOrderStatus.CANCELED, "FIX-1": FixOrderStatus.CANCELED}
    assert status.order_status == "Cancelled"


async def test_order_without_client_id_is_called_by_its_number(calm: Simulator) -> None:
    """What the newer API placed has a type or an id that this API does not know."""
    ticket = {
        "conid": IBM, "side": "SELL", "quantity": 1, "orderType": "TRAIL", "tif": "OVT",
        "trailingAmt": 5,
    }  # fmt: skip
    async with Client(calm.auth()), connect(calm) as tp:
        calm.broker.handle(
            "POST", f"/iserver/account/{ACCOUNT}/orders", {}, {"orders": [ticket]}, calm.now()
        )
        (order,) = await tp.orders(ACCOUNT)

    assert order.customer_order_id is not None
    assert order.customer_order_id.isdecimal()
    assert (order.order_type, order.tif) == ("P", FixTif.DAY)


async def test_fill_of_one_api_is_a_trade_of_the_other(calm: Simulator) -> None:
    """Executions are shared as well."""
    async with Client(calm.auth()) as ib, connect(calm) as tp:
        await ib.orders.submit(MarketOrder(IBM, "BUY", 5, coid="WEB-2"))
        calm.tick()
        (trade,) = await tp.trades(ACCOUNT)

    assert (trade.customer_order_id, trade.trade_size) == ("WEB-2", 5)


async def test_roots_have_logins_of_their_own(calm: Simulator) -> None:
    """Logging in to one API does not end the login to the other."""
    async with connect(calm) as tp:
        await tp.accounts()
        async with Client(calm.auth()) as ib:
            await tp.accounts()
            await ib.accounts.list()

    assert not [row for row in calm.requests if row.status == 401]
    assert {row.identity for row in calm.requests} == {"third-party", "oauth"}


# --- levers --------------------------------------------------------------------------------------


async def test_statuses_on_request(calm: Simulator) -> None:
    """202, 204, 408 and 423 come when a test orders them."""
    async with connect(calm) as tp:
        calm.fail_next("/tradingapi/v1/accounts", 202)
        assert await tp.accounts() == (ACCOUNT,)
        calm.fail_next(f"{ROOT}/*", 204)
        with pytest.raises(AccountsNotVisibleError):
            await tp.positions(ACCOUNT)
        calm.fail_next(f"{ROOT}/summary", 408, times=3)
        with pytest.raises(ServerTimedOutError):
            await tp.summary(ACCOUNT)
        calm.fail_next(f"{ROOT}/orders", 423)
        with pytest.raises(LockedError):
            await tp.place_order(ACCOUNT, MARKET)
        assert await tp.orders(ACCOUNT) == ()


async def test_lost_answer_is_an_unknown_order_that_is_found(calm: Simulator) -> None:
    """The order went live although its sender saw a 408: the look-up says so, and it is there once."""
    async with connect(calm) as tp:
        calm.fail_next(f"{ROOT}/orders", 408, after=True)
        with pytest.raises(OrderUnknownError) as caught:
            await tp.place_order(ACCOUNT, limit("150.00", customer_order_id="LOST"))
        found = await tp.find_order(ACCOUNT, "LOST")

        assert caught.value.live_order_ids == ("LOST",)
        assert found is not None
        assert len(await tp.orders(ACCOUNT)) == 1


async def test_expired_token_is_renewed_for_reads(calm: Simulator) -> None:
    """A 401 costs one login; the read then goes through."""
    async with connect(calm) as tp:
        calm.expire_token()

        assert await tp.accounts() == (ACCOUNT,)


async def test_third_party_flow_leads_to_this_api(calm: Simulator) -> None:
    """An unsigned request is refused here, also when the simulator plays a gateway."""
    async with httpx.AsyncClient(verify=trust(calm), trust_env=False) as http:
        reply = await http.get(f"{calm.third_party_url}/accounts")
        nowhere = await http.get(f"{calm.origin}/tradingapi/accounts")

    assert (reply.status_code, nowhere.status_code) == (401, 404)


async def test_unknown_path_is_not_found(calm: Simulator) -> None:
    """Only the reference's endpoints exist."""
    async with connect(calm) as tp:
        with pytest.raises(Exception, match="404"):
            # A path that no public method asks for.
            await tp._calls.read("/tickle")


# --- strict on the rules -------------------------------------------------------------------------


@pytest.fixture
def broker() -> Broker:
    """A broker with one working order called A."""
    made = Broker(settings=CALM.broker, now=NOW)
    answer = made.handle("POST", f"{ROOT}/orders", {}, body(CustomerOrderId="A"), NOW)
    assert answer is not None
    assert answer.status == 200
    return made


def body(**changes: Any) -> dict[str, Any]:
    """Write a valid order; keys with underscores stand for those with spaces, None removes."""
    fields: dict[str, Any] = {
        "CustomerOrderId": "B", "ContractId": IBM, "Quantity": 1, "Order_Type": 2, "Price": "150",
        "Time_in_Force": "0", "Side": "1",
    } | changes  # fmt: skip
    return {key.replace("_", " "): value for key, value in fields.items() if value is not None}


def refusal(broker: Broker, method: str, path: str, sent: Any, **query: str) -> str:
    """Send something wrong and return the refusal."""
    answer = broker.handle(method, path, query, sent, NOW)
    assert answer is not None
    assert answer.status == 400, answer
    return str(answer.body["error"])


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"Colour": "red"}, "unknown parameter Colour"),
        ({"Price": {"x": 1}}, "single value"),
        ({"CustomerOrderId": None}, "CustomerOrderId is required"),
        ({"CustomerOrderId": "A"}, "in use"),
        ({"ContractId": 1}, "no such contract"),
        ({"ContractId": None}, "InstrumentType is required"),
        ({"ContractId": None, "InstrumentType": "STK", "Ticker": "IBM"}, "ListingExchange is required"),
        ({"ContractId": None, "InstrumentType": "STK", "Ticker": "IBM", "ListingExchange": "TSE"}, "no such contract"),
        ({"ContractId": None, "InstrumentType": "STK", "Ticker": "IBM", "Currency": "USD"}, "only for InstrumentType=CASH"),
        ({"ContractId": None, "InstrumentType": "CASH", "Ticker": "EUR", "ListingExchange": "X"}, "only for InstrumentType=STK"),
        ({"ContractId": None, "InstrumentType": "OPT", "Ticker": "IBM"}, "STK or CASH"),
        ({"Order_Type": 3, "Price": None}, "Aux Price is required"),
        ({"Order_Type": 9}, "Order Type must be one of"),
        ({"Price": None}, "price is required"),
        ({"Price": "cheap"}, "not a number"),
        ({"Side": "BUY"}, "Side must be one of"),
        ({"Time_in_Force": "4"}, "Time In Force must be one of"),
        ({"GermanHftAlgo": True}, "not accepted"),
        ({"UsePricemanagementAlgo": "maybe"}, "true or false"),
        ({"OrderRestrictions": "1 4"}, "none of 1, 2 and 3"),
        ({"Mifid2Algo": " "}, "preregistered"),
    ],
)  # fmt: skip
def test_wrong_order_is_refused(broker: Broker, changes: dict[str, Any], rule: str) -> None:
    """Every rule of the reference is kept, and named in the answer."""
    assert rule in refusal(broker, "POST", f"{ROOT}/orders", body(**changes))


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"OrigCustomerOrderId": "X"}, "the order of the URL"),
        ({"CustomerOrderId": "A"}, "a separate CustomerOrderId"),
        ({"Side": "2"}, "must match the original"),
        ({"Order_Type": "3"}, "Limit order to a Market order"),
        ({"Aux_Price": 140}, "STP or STP LMT"),
        ({"Ticker": "IBM"}, "unknown parameter Ticker"),
        ({"GermanHftAlgo": "true"}, "not accepted"),
    ],
)
def test_wrong_change_is_refused(broker: Broker, changes: dict[str, Any], rule: str) -> None:
    """The new terms are compared with the original."""
    sent = body(**{"OrigCustomerOrderId": "A", "ContractId": None, **changes})

    assert rule in refusal(broker, "PUT", f"{ROOT}/orders/A", sent)


def test_change_may_leave_terms_out(broker: Broker) -> None:
    """What is not sent stays."""
    answer = broker.handle(
        "PUT",
        f"{ROOT}/orders/A",
        {},
        {"OrigCustomerOrderId": "A", "CustomerOrderId": "17", "Outside RTH": 1},
        NOW,
    )
    seen = broker.handle("GET", f"{ROOT}/orders/17", {}, None, NOW)

    assert answer is not None
    assert seen is not None
    assert answer.body[0]["Price"] == 150
    assert seen.body[0]["OutsideRTH"] == "1"


def test_partial_fill_has_its_status() -> None:
    """A working order that has traded in part says so; a done one cannot be touched."""
    made = Broker(settings=BrokerSettings(volatility=0, partial_fills=True), now=NOW)
    made.handle("POST", f"{ROOT}/orders", {}, body(Order_Type="1", Price=None, Quantity=9), NOW)
    made.advance(NOW + 1)
    row = made.handle("GET", f"{ROOT}/orders", {}, None, NOW)
    for second in (2, 3):
        made.advance(NOW + second)

    assert row is not None
    assert row.body[0]["Status"] == "1"
    assert "is done" in refusal(made, "DELETE", f"{ROOT}/orders/B", None)


def test_huge_number_is_an_id_as_text(broker: Broker) -> None:
    """An id that a JSON number could not hold exactly is sent as it came."""
    for text in ("90071992547409930", "007"):
        answer = broker.handle("POST", f"{ROOT}/orders", {}, body(CustomerOrderId=text), NOW)
        assert answer is not None
        assert answer.body[0]["CustomerOrderId"] == text


@pytest.mark.parametrize(
    ("target", "sent", "query", "rule"),
    [
        ("GET /tradingapi/v1/accounts/DU0/orders", None, {}, "no such account"),
        (f"GET {ROOT}/orders/ZZ", None, {}, "no such order"),
        (f"POST {ROOT}/orders", [1], {}, "an object or a form"),
        (f"POST {ROOT}/order_impact", body(GermanHftAlgo=False), {}, "unknown parameter"),
        (f"GET {ROOT}/trades", None, {"since": "2026-11-21"}, "in the future"),
        (f"GET {ROOT}/trades", None, {"since": "2026-11-01"}, "one week"),
        (f"GET {ROOT}/trades", None, {"since": "yesterday"}, "yyyy-MM-dd"),
        ("GET /tradingapi/v1/secdef", None, {}, "type=STK needs"),
        ("GET /tradingapi/v1/secdef", None, {"type": "STK", "symbol": "IBM"}, "type=STK needs"),
        ("GET /tradingapi/v1/secdef", None, {"conid": "x"}, "no such contract"),
        ("GET /tradingapi/v1/marketdata/snapshot", None, {}, "an exchange or a currency"),
        ("GET /tradingapi/v1/marketdata/snapshot", None, {"conids": "8314,"}, "no such contract"),
        ("GET /tradingapi/v1/marketdata/exchange_components", None, {}, "no such contract"),
    ],
)  # fmt: skip
def test_wrong_request_is_refused(
    broker: Broker, target: str, sent: Any, query: dict[str, str], rule: str
) -> None:
    """A request that the reference does not allow is answered 400 with the reason."""
    method, _, path = target.partition(" ")

    assert rule in refusal(broker, method, path, sent, **query)


async def test_client_reports_the_refusal(calm: Simulator) -> None:
    """The server's words reach the caller."""
    async with connect(calm) as tp:
        with pytest.raises(BadRequestError, match="no such order"):
            await tp.order(ACCOUNT, "ZZ")
