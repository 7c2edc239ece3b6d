from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl

import pytest

from ibkr_async.errors import (
    AuthError,
    ClosedError,
    ConfigError,
    NotFoundError,
    OrderGuardError,
    OrderInvalidError,
    RefusedError,
    UnreadableResponseError,
    UsageError,
)
from ibkr_async.orders.settings import GuardSettings
from ibkr_async.thirdparty import (
    FixOrderStatus,
    FixOrderType,
    FixSide,
    FixTif,
    OrderChange,
    Temporality,
    ThirdPartyClient,
    ThirdPartyOrder,
)
from support.third_party_bench import Bench, ScriptedAuth, ScriptedServer

ACCOUNT = "DU7000001"
LIMIT = ThirdPartyOrder(
    contract_id=8314, side="BUY", quantity=100, order_type="LIMIT", price="220.50",
    customer_order_id="BOT-1",
)  # fmt: skip


# --- lifetime ------------------------------------------------------------------------------------


async def test_entering_logs_in_and_leaving_closes(bench: Bench) -> None:
    """A wrong credential shows at once, and no connection is left open."""
    assert bench.auth.logins == 1

    await bench.client.aclose()

    assert bench.server.closed
    with pytest.raises(ClosedError, match="ThirdPartyClient"):
        await bench.client.accounts()


async def test_failed_login_closes_the_connections() -> None:
    """Whoever could not enter has nothing to leave."""
    bench = Bench()

    async def refuse(_send: object) -> None:
        raise AuthError("login", "refused")

    bench.auth.login = refuse  # type: ignore[method-assign]  # the server's refusal, in short
    with pytest.raises(AuthError):
        await bench.client.__aenter__()

    assert bench.server.closed


def test_credentials_of_another_root_are_refused() -> None:
    """The live session token is agreed below the root of this API."""
    auth = ScriptedAuth()
    auth.base_url = "https://api.ibkr.com/v1/api"

    with pytest.raises(ConfigError, match="base_url=THIRD_PARTY_URL"):
        ThirdPartyClient(auth)


def test_client_builds_its_own_pipeline() -> None:
    """Without a test's parts it connects by itself."""
    assert ThirdPartyClient(ScriptedAuth()) is not None


# --- accounts ------------------------------------------------------------------------------------


async def test_accounts_are_listed(bench: Bench) -> None:
    """Account ids come as a tuple."""
    bench.server.will_answer("accounts")

    assert await bench.client.accounts() == ("DU7000001", "DU7000002")
    assert bench.server.labels == ["GET /accounts"]


async def test_positions_are_exact(bench: Bench) -> None:
    """Quantities and costs are decimals, whether sent as numbers or texts."""
    bench.server.will_answer("positions")

    long, short = await bench.client.positions(ACCOUNT)

    assert (long.position, long.average_cost, long.contract_id) == (120, Decimal("221.375"), 8314)
    assert short.position == Decimal("-3.5")
    assert bench.server.labels == [f"GET /accounts/{ACCOUNT}/positions"]


async def test_summary_has_its_segments_apart(bench: Bench) -> None:
    """The suffixes -S and -C become parts of their own, and unknown figures are kept."""
    bench.server.will_answer("summary")

    summary = await bench.client.summary(ACCOUNT)

    assert summary.info.account_code == ACCOUNT
    assert summary.info.day_trades_remaining_4 == "3"
    assert summary.info.leverage_securities == "0.03"
    assert [row.currency for row in summary.ledger] == ["USD", "EUR"]
    assert summary.ledger[1].cash_balance == Decimal("1250.25")
    assert summary.summary.net_liquidation == Decimal("1000012.35")
    assert summary.securities.net_liquidation == Decimal("1000000.10")
    assert summary.commodities.net_liquidation == Decimal("12.25")
    assert summary.securities.look_ahead_available_funds == Decimal("990000.5")
    assert summary.securities.extra == {"NovelFigure": 7}
    assert bench.server.labels == [f"GET /accounts/{ACCOUNT}/summary"]


async def test_summary_without_parts_is_empty(bench: Bench) -> None:
    """What was not sent is None."""
    bench.server.will_answer(b"{}")

    summary = await bench.client.summary(ACCOUNT)

    assert summary.summary.net_liquidation is None
    assert summary.ledger == []


async def test_trades_are_typed(bench: Bench) -> None:
    """Each field of the reference has its type."""
    bench.server.will_answer("trades")

    (trade,) = await bench.client.trades(ACCOUNT, since="2026-11-19")

    assert trade.customer_order_id == "1790000000000001"
    assert (trade.side, trade.order_type) == (FixSide.BUY, FixOrderType.LIMIT)
    assert (trade.trade_price, trade.trade_size) == (Decimal("220.48"), 40)
    assert (trade.commission, trade.commission_currency) == (Decimal("1.0"), "USD")
    assert trade.last_market == "NYSE"
    assert bench.server.query() == {"since": "2026-11-19"}


async def test_trades_without_since_ask_for_the_last_day(bench: Bench) -> None:
    """The parameter is left out, and the server's default holds."""
    bench.server.will_answer(b"[]")

    assert await bench.client.trades(ACCOUNT) == ()
    assert bench.server.query() == {}


# --- orders --------------------------------------------------------------------------------------


async def test_orders_come_alike_from_every_spelling(bench: Bench) -> None:
    """Keys with and without spaces, codes as numbers and as texts, ids of both types."""
    bench.server.will_answer("orders")

    first, second, odd = await bench.client.orders(ACCOUNT)

    assert first.customer_order_id == "1790000000000001"
    assert (first.order_type, first.tif, first.side) == (
        FixOrderType.LIMIT, FixTif.DAY, FixSide.BUY,
    )  # fmt: skip
    assert first.status is FixOrderStatus.PARTIALLY_FILLED
    assert first.outside_rth is False
    assert (first.price, first.quantity) == (Decimal("220.50"), 100)
    assert (second.order_type, second.tif, second.side) == (
        FixOrderType.STOP_LIMIT, FixTif.GTC, FixSide.SELL,
    )  # fmt: skip
    assert second.outside_rth is True
    assert (second.aux_price, second.warning) == (Decimal("1.09"), "outside the usual range")
    assert odd.status is FixOrderStatus.INVALID
    assert odd.order_type is not None
    assert not odd.order_type.is_known
    assert (odd.order_type, odd.side, odd.tif) == ("P", "5", "9")
    assert odd.quantity is None
    assert odd.extra == {"Novel": 1}


async def test_order_is_read_by_its_id(bench: Bench) -> None:
    """The array of one becomes the order; ids may be given as numbers."""
    bench.server.will_answer("orders")

    order = await bench.client.order(ACCOUNT, 1790000000000001)

    assert order.ticker == "IBM"
    assert bench.server.labels == [f"GET /accounts/{ACCOUNT}/orders/1790000000000001"]


async def test_empty_answer_is_no_such_order(bench: Bench) -> None:
    """An empty array is not an order."""
    bench.server.will_answer(b"[]")

    with pytest.raises(NotFoundError, match="no such order"):
        await bench.client.order(ACCOUNT, "BOT-1")


@pytest.mark.parametrize(
    "answer", [b'[{"CustomerOrderId":"BOT-2","Status":"2"}]', b'[{"Status":"2"}]']
)
async def test_order_of_another_id_is_not_given(bench: Bench, answer: bytes) -> None:
    """It would be changed or given up in the place of the one that was asked for."""
    bench.server.will_answer(answer)

    with pytest.raises(UnreadableResponseError, match="does not name the order"):
        await bench.client.order(ACCOUNT, "BOT-1")


@pytest.mark.parametrize(
    ("sent", "customer_order_id"),
    [
        ("1795200000123456", "1795200000123456"),
        ("1795200000123456.0", "1795200000123456"),
        ("1.795200000123456E15", "1795200000123456"),
        ('"1.795200000123456E15"', "1795200000123456"),
        ('"BOT.0"', "BOT.0"),
        ('"1e5"', "1e5"),
        ('{"id":"BOT-1"}', None),
        ('["BOT-1"]', None),
    ],
)
async def test_id_of_an_order_keeps_every_character(
    bench: Bench, sent: str, customer_order_id: str | None
) -> None:
    """A number may come back as a fraction; what is no id is none."""
    bench.server.will_answer(f'[{{"CustomerOrderId":{sent}}}]'.encode())

    (row,) = await bench.client.orders(ACCOUNT)

    assert row.customer_order_id == customer_order_id


@pytest.mark.parametrize("customer_order_id", ["12.0", "1.5E3"])
def test_id_that_would_come_back_as_another_is_refused(customer_order_id: str) -> None:
    """Its order would never be found."""
    with pytest.raises(OrderInvalidError, match="fraction"):
        ThirdPartyOrder(
            contract_id=8314, side="BUY", quantity=1, order_type="MARKET",
            customer_order_id=customer_order_id,
        )  # fmt: skip


async def test_error_in_an_array_is_no_row(bench: Bench) -> None:
    """It would be an order of which nothing is known."""
    bench.server.will_answer(b'[{"error":"no such account","statusCode":400}]')

    with pytest.raises(RefusedError, match="no such account"):
        await bench.client.orders(ACCOUNT)


async def test_find_order_looks_through_the_list(bench: Bench) -> None:
    """It says None rather than raising when the list does not have the id."""
    bench.server.will_answer("orders", "orders")

    found = await bench.client.find_order(ACCOUNT, "BOT-7")

    assert found is not None
    assert found.ticker == "EUR"
    assert await bench.client.find_order(ACCOUNT, "BOT-404") is None
    assert bench.server.labels == [f"GET /accounts/{ACCOUNT}/orders"] * 2


async def test_order_is_placed_with_the_keys_of_the_reference(bench: Bench) -> None:
    """Keys have their spaces, codes are texts of one character, numbers keep their digits."""
    bench.server.will_answer(b'[{"CustomerOrderId":"BOT-1","Status":"0"}]')

    placed = await bench.client.place_order(ACCOUNT, LIMIT)

    assert placed.status is FixOrderStatus.NEW
    assert bench.server.labels == [f"POST /accounts/{ACCOUNT}/orders"]
    assert bench.server.body() == {
        "CustomerOrderId": "BOT-1", "ContractId": 8314, "Side": "1", "Quantity": 100,
        "Order Type": "2", "Price": 220.5, "Time In Force": "0",
    }  # fmt: skip
    assert b'"Price":220.50' in bench.server.requests[0].content


async def test_order_without_id_gets_a_number(bench: Bench) -> None:
    """Made ids are whole numbers that JSON keeps exactly, and grow."""
    order = ThirdPartyOrder(contract_id=8314, side="SELL", quantity=1, order_type="MARKET")
    made = round(bench.time.at * 1_000_000)
    bench.server.will_answer(*(f'[{{"CustomerOrderId":{made + n}}}]'.encode() for n in (0, 1)))

    await bench.client.place_order(ACCOUNT, order)
    await bench.client.place_order(ACCOUNT, order)

    first, second = (int(bench.server.body(index)["CustomerOrderId"]) for index in (0, 1))
    assert first < second < 2**53


async def test_form_bodies_are_sent_and_signed() -> None:
    """With `form_bodies` the order fields are form fields, and part of the signature."""
    bench = Bench(form_bodies=True)
    order = ThirdPartyOrder(
        contract_id=8314, side="BUY", quantity=100, order_type="LIMIT", price="220.50",
        outside_rth=True, german_hft_algo=False, customer_order_id="BOT-1",
    )  # fmt: skip
    bench.server.will_answer(b'[{"CustomerOrderId":"BOT-1"}]', b'[{"CustomerOrderId":"BOT-1"}]')
    async with bench.client as client:
        await client.place_order(ACCOUNT, order)
        await client.cancel_order(ACCOUNT, "BOT-1")

    request = bench.server.requests[0]
    fields = dict(parse_qsl(request.content.decode()))
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert fields == {
        "CustomerOrderId": "BOT-1", "ContractId": "8314", "Side": "1", "Quantity": "100",
        "Order Type": "2", "Price": "220.50", "Time In Force": "0", "Outside RTH": "1",
        "GermanHftAlgo": "false",
    }  # fmt: skip
    assert dict(bench.auth.signed_forms[0]) == fields
    assert bench.auth.signed_forms[1] == ()


async def test_modify_repeats_what_does_not_change(bench: Bench) -> None:
    """PUT carries the old id, a new one, and the whole order."""
    bench.server.will_answer("orders", "modified")
    original = await bench.client.find_order(ACCOUNT, "BOT-7")
    assert original is not None
    change = OrderChange(quantity=10_000, customer_order_id="BOT-9")

    answer = await bench.client.modify_order(ACCOUNT, original, change)

    assert (answer.orig_customer_order_id, answer.customer_order_id) == ("BOT-7", "BOT-9")
    assert (answer.order_qty, answer.status) == (10_000, FixOrderStatus.REPLACED)
    assert bench.server.labels[-1] == f"PUT /accounts/{ACCOUNT}/orders/BOT-7"
    assert bench.server.body() == {
        "OrigCustomerOrderId": "BOT-7", "CustomerOrderId": "BOT-9", "Side": "2",
        "Order Type": "4", "Quantity": 10000, "Price": 1.0895, "Aux Price": 1.09,
        "Time In Force": "1", "Outside RTH": 1,
    }  # fmt: skip


async def test_cancel_goes_out_once_and_is_typed(bench: Bench) -> None:
    """The answer is an acknowledgement with the order's state."""
    bench.server.will_answer("cancelled")

    answer = await bench.client.cancel_order(ACCOUNT, "BOT-7")

    assert answer.status is FixOrderStatus.PENDING_CANCEL_REPLACE
    assert (answer.symbol, answer.order_qty) == ("EUR", 20000)
    assert bench.server.labels == [f"DELETE /accounts/{ACCOUNT}/orders/BOT-7"]


async def test_order_impact_sends_only_what_it_takes(bench: Bench) -> None:
    """Parameters that the endpoint does not list stay away, and every number is optional."""
    order = ThirdPartyOrder(
        contract_id=8314, side="BUY", quantity=5, order_type="LIMIT", price=220,
        outside_rth=True, mifid2_algo="12345", customer_order_id="BOT-1",
    )  # fmt: skip
    bench.server.will_answer("order_impact", b"[]")

    impact = await bench.client.order_impact(ACCOUNT, order)
    nothing = await bench.client.order_impact(ACCOUNT, order)

    assert (impact.init_margin, impact.max_commissions) == (Decimal("1120.5"), Decimal("1.30"))
    assert impact.equity_with_loan_before is None
    assert nothing.init_margin is None
    assert bench.server.labels[0] == f"POST /accounts/{ACCOUNT}/order_impact"
    assert bench.server.body(0) == {
        "CustomerOrderId": "BOT-1", "ContractId": 8314, "Side": "1", "Quantity": 5,
        "Order Type": "2", "Price": 220, "Time In Force": "0",
    }  # fmt: skip


async def test_live_account_needs_permission(bench: Bench) -> None:
    """An account that is not paper is not traded by accident."""
    with pytest.raises(OrderGuardError, match="allow_live_orders=True"):
        await bench.client.place_order("U7000001", LIMIT)
    with pytest.raises(OrderGuardError):
        await bench.client.modify_order("U7000001", LIMIT, OrderChange(quantity=1))

    assert bench.server.requests == []


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"guard": GuardSettings(accounts=["DU2"])}, OrderGuardError),  # type: ignore[arg-type]  # a list is read
        ({"guard": GuardSettings(conids=[1])}, OrderGuardError),  # type: ignore[arg-type]  # as above
        ({"guard": GuardSettings(max_quantity=1)}, OrderGuardError),
        ({"guard": GuardSettings(max_notional=10**9)}, OrderGuardError),
        ({"guard": GuardSettings(kill_switch="/")}, OrderGuardError),
        ({"dry_run": True}, UsageError),
    ],
)
async def test_order_and_change_pass_permission(
    options: dict[str, Any], error: type[Exception]
) -> None:
    """What one API forbids the other does not allow; of a value that nobody knows, nothing passes."""
    bench = Bench(**options)
    async with bench.client as client:
        with pytest.raises(error):
            await client.place_order(ACCOUNT, LIMIT)
        with pytest.raises(error):
            await client.modify_order(ACCOUNT, LIMIT, OrderChange(quantity=9))

    assert bench.server.requests == []


async def test_contract_named_by_its_ticker_passes_no_list_of_conids() -> None:
    """Nobody knows which conid it will be."""
    named = ThirdPartyOrder(
        instrument_type="STK", ticker="IBM", listing_exchange="NYSE", side="BUY", quantity=1,
        order_type="MARKET",
    )  # fmt: skip
    guard = GuardSettings(conids=[8314])  # type: ignore[arg-type]  # a list is read
    bench = Bench(guard=guard)
    async with bench.client as client:
        with pytest.raises(OrderGuardError, match="conid"):
            await client.place_order(ACCOUNT, named)


async def test_rate_counts_orders_and_changes() -> None:
    """In any sixty seconds."""
    bench = Bench(guard=GuardSettings(max_orders_per_minute=1))
    bench.server.will_answer(b'[{"CustomerOrderId":"BOT-1"}]', b'[{"CustomerOrderId":"BOT-1"}]')
    async with bench.client as client:
        placed = await client.place_order(ACCOUNT, LIMIT)
        with pytest.raises(OrderGuardError, match="per_minute"):
            await client.modify_order(ACCOUNT, LIMIT, OrderChange(quantity=9))
        bench.time.at += 61
        await client.place_order(ACCOUNT, LIMIT)

    assert placed.customer_order_id == "BOT-1"


async def test_dry_run_cancels_nothing() -> None:
    """Neither does it forget: the order is left alone."""
    bench = Bench(dry_run=True)
    async with bench.client as client:
        with pytest.raises(UsageError, match="dry_run"):
            await client.cancel_order(ACCOUNT, "BOT-1")

    assert bench.server.requests == []


async def test_live_account_trades_with_permission() -> None:
    """The switch is the user's."""
    bench = Bench(allow_live_orders=True)
    bench.server.will_answer(b'[{"CustomerOrderId":"BOT-1"}]')
    async with bench.client as client:
        placed = await client.place_order("U7000001", LIMIT)

    assert placed.customer_order_id == "BOT-1"


async def test_place_order_takes_orders_only(bench: Bench) -> None:
    """A dictionary has passed no rule."""
    with pytest.raises(UsageError, match="takes a ThirdPartyOrder"):
        await bench.client.place_order(ACCOUNT, {"ContractId": 8314})  # type: ignore[arg-type]  # on purpose


# --- products and prices -------------------------------------------------------------------------


async def test_secdef_by_conid_and_by_symbol(bench: Bench) -> None:
    """Each of the reference's ways; one object and an array come alike."""
    bench.server.will_answer("secdef", b"[" + b"{}" + b"]", b"[]")

    (ibm,) = await bench.client.secdef(8314)
    await bench.client.secdef(instrument_type="STK", symbol="IBM", exchange="NYSE")
    assert await bench.client.secdef(instrument_type="CASH", symbol="EUR", currency="USD") == ()

    assert (ibm.contract_id, ibm.company_name) == (8314, "INTL BUSINESS MACHINES CORP")
    assert [bench.server.query(index) for index in (0, 1, 2)] == [
        {"conid": "8314"},
        {"type": "STK", "symbol": "IBM", "exchange": "NYSE"},
        {"type": "CASH", "symbol": "EUR", "currency": "USD"},
    ]


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ({"instrument_type": "STK", "symbol": "IBM"}, "required for type=STK"),
        ({"instrument_type": "CASH", "symbol": "EUR"}, "required for type=CASH"),
        ({"instrument_type": "OPT", "symbol": "IBM"}, "an exchange or a currency"),
        ({"symbol": "IBM"}, "pass conids, or type and symbol"),
        ({"conid": 0}, "IB contract id"),
        ({"instrument_type": "STK", "symbol": "IBM", "currency": "dollar"}, "three letters"),
    ],
)
async def test_secdef_rules_hold_before_sending(
    bench: Bench, query: dict[str, object], rule: str
) -> None:
    """A query that cannot name one product is refused here."""
    with pytest.raises(OrderInvalidError, match=rule):
        await bench.client.secdef(**query)  # type: ignore[arg-type]  # wrong on purpose

    assert bench.server.requests == []


async def test_conid_and_symbol_exclude_each_other(bench: Bench) -> None:
    """Two ways of naming a product could disagree."""
    with pytest.raises(UsageError, match="not both"):
        await bench.client.secdef(8314, symbol="IBM")
    with pytest.raises(UsageError, match="not both"):
        await bench.client.snapshot(8314, symbol="IBM")


async def test_snapshot_is_typed(bench: Bench) -> None:
    """Sides keep their masks; a product without data has no values."""
    bench.server.will_answer("snapshot", "snapshot")

    ibm, euro = await bench.client.snapshot(8314, 12087792)
    await bench.client.snapshot(instrument_type="STK", symbol="IBM", currency="USD")

    assert (ibm.bid.price, ibm.bid.size, ibm.bid.market) == (220.48, 300, 5)
    assert (ibm.trade.time, ibm.closing.price) == (1790000000123, 219.9)
    assert ibm.temporality is Temporality.REAL_TIME
    assert (euro.conid, euro.temporality, euro.complete) == (12087792, "1", False)
    assert euro.bid.price is None
    assert bench.server.query(0) == {"conids": "8314,12087792"}
    assert bench.server.query(1) == {"type": "STK", "symbol": "IBM", "currency": "USD"}


async def test_quotes_name_the_exchanges_of_the_reference_example(bench: Bench) -> None:
    """5 is NYSE and ARCA, 2 is ISLAND; the mapping is read once per conid."""
    bench.server.will_answer("snapshot", "exchange_components", "snapshot")

    ibm, euro = await bench.client.quotes(8314, 12087792)
    await bench.client.quotes(8314)

    assert ibm.bid.exchanges == {"NYSE", "ARCA"}
    assert ibm.offer.exchanges == {"ISLAND"}
    assert ibm.trade.exchanges == {"NYSE"}
    assert euro.bid.exchanges is None
    assert bench.server.labels == [
        "GET /marketdata/snapshot",
        "GET /marketdata/exchange_components",
        "GET /marketdata/snapshot",
    ]
    assert bench.server.query(1) == {"conids": "8314"}


async def test_bit_without_a_name_is_reported(bench: Bench) -> None:
    """An exchange is not invented; the mapping is asked for again next time."""
    bench.server.will_answer(
        b'[{"Conid":8314,"Bid":{"market":9}}]',
        b'[{"Conid":8314,"mapping":[{"bit":0,"code":"N"},{"code":"?"}]},{"mapping":[]}]',
        b'[{"Conid":8314,"Bid":{"market":9}}]',
        b"[]",
    )

    (quote,) = await bench.client.quotes(8314)
    (again,) = await bench.client.quotes(8314)

    assert quote.bid.exchanges == {"N"}
    assert quote.bid.unnamed_bits == (3,)
    assert again == quote


# --- shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b'"text"', b"[1]", b'[["a"]]', b"7"])
async def test_answer_of_another_shape_is_unreadable(bench: Bench, content: bytes) -> None:
    """What is not understood is never taken for an empty answer."""
    bench.server.will_answer(content)

    with pytest.raises(UnreadableResponseError, match="unexpected shape"):
        await bench.client.orders(ACCOUNT)


async def test_odd_values_never_raise(bench: Bench) -> None:
    """A code of an impossible type is kept beside the row."""
    bench.server.will_answer(b'[{"Side":{"x":1},"Status":"","Price":"?","CustomerOrderId":12.0}]')

    (row,) = await bench.client.orders(ACCOUNT)

    assert (row.side, row.status, row.price) == (None, None, None)
    assert row.customer_order_id == "12"
    assert row.extra == {"Side": {"x": 1}, "Price": "?"}


def test_scripted_server_is_a_transport() -> None:
    """The stand-in has the shape of the real one."""
    assert ScriptedServer().labels == []
