from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.errors import OrderInvalidError, UsageError
from ibkr_async.thirdparty import (
    EXCHANGES,
    Exchange,
    FixOrderType,
    FixSide,
    FixTif,
    OrderChange,
    ThirdPartyOrder,
    ThirdPartyOrderState,
)
from ibkr_async.thirdparty.answers import read_rows
from ibkr_async.thirdparty.fix import FixOrderStatus, OpenCode
from ibkr_async.thirdparty.market import bits_of
from ibkr_async.thirdparty.orders.changes import replacement
from ibkr_async.thirdparty.orders.ids import CustomerOrderIds
from ibkr_async.thirdparty.since import since_text
from ibkr_async.types import OrderType, Side, TimeInForce
from support.fake_time import FakeTime, fake_world
from support.third_party_bench import NOW

BASE: dict[str, Any] = {
    "contract_id": 8314,
    "side": "BUY",
    "quantity": 10,
    "order_type": "LIMIT",
    "price": "220.50",
}


def order(**changes: Any) -> ThirdPartyOrder:
    """Make a limit order with changes; None leaves a field out."""
    fields = {**BASE, **changes}
    return ThirdPartyOrder(**{name: value for name, value in fields.items() if value is not None})


# --- orders --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"contract_id": None}, "contract_id", "STK with Ticker and ListingExchange"),
        ({"ticker": "IBM"}, "ticker", "not both"),
        ({"contract_id": None, "instrument_type": "STK", "ticker": "IBM"}, "listing_exchange", "is missing"),
        ({"contract_id": None, "instrument_type": "CASH", "ticker": "EUR"}, "currency", "CASH with Ticker and Currency"),
        ({"contract_id": None, "instrument_type": "STK", "ticker": "IBM", "listing_exchange": "NYSE", "currency": "USD"}, "currency", "only for InstrumentType=CASH"),
        ({"contract_id": None, "instrument_type": "CASH", "ticker": "EUR", "currency": "USD", "listing_exchange": "NYSE"}, "listing_exchange", "only for InstrumentType=STK"),
        ({"contract_id": None, "instrument_type": "OPT", "ticker": "IBM"}, "instrument_type", "none of the reference's values"),
        ({"contract_id": -1}, "contract_id", "positive whole number"),
        ({"contract_id": True}, "contract_id", "positive whole number"),
        ({"order_type": "STOP", "price": None}, "aux_price", "required to support Stop and Stop Limit"),
        ({"order_type": "STOP_LIMIT"}, "aux_price", "required to support Stop and Stop Limit"),
        ({"aux_price": 219}, "aux_price", "a limit order has none"),
        ({"order_type": "STOP", "aux_price": 219}, "price", "a stop order has no Price"),
        ({"order_type": "MARKET"}, "price", "a market order has no Price"),
        ({"price": None}, "price", "a limit order needs Price"),
        ({"price": 0}, "price", "must be positive"),
        ({"price": "1e20"}, "price", "more digits"),
        ({"quantity": "ten"}, "quantity", "not a number"),
        ({"quantity": float("nan")}, "quantity", "not a finite number"),
        ({"side": "HOLD"}, "side", "1 (BUY), 2 (SELL)"),
        ({"side": True}, "side", "none of"),
        ({"order_type": 5}, "order_type", "4 (STOP_LIMIT)"),
        ({"tif": "4"}, "tif", "7 (CLOSE)"),
        ({"german_hft_algo": True}, "german_hft_algo", "such orders will be rejected"),
        ({"german_hft_algo": "no"}, "german_hft_algo", "True or False"),
        ({"mifid2_decision_maker": "two words"}, "mifid2_decision_maker", "preregistered"),
        ({"mifid2_algo": ""}, "mifid2_algo", "preregistered"),
        ({"mifid2_execution_trader": True}, "mifid2_execution_trader", "preregistered"),
        ({"mifid2_execution_algo": "é"}, "mifid2_execution_algo", "preregistered"),
        ({"order_restrictions": "1 4"}, "order_restrictions", "3 (NON_INDEX_ARBITRAGE)"),
        ({"order_restrictions": ""}, "order_restrictions", "leave it out"),
        ({"order_restrictions": 1.5}, "order_restrictions", "separated by spaces"),
        ({"customer_order_id": "a/b"}, "customer_order_id", "1 to 64"),
        ({"customer_order_id": ".."}, "customer_order_id", "1 to 64"),
        ({"customer_order_id": 1.5}, "customer_order_id", "1 to 64"),
        ({"outside_rth": 1}, "outside_rth", "True or False"),
    ],
)  # fmt: skip
def test_order_that_breaks_a_rule_is_refused(
    changes: dict[str, Any], field: str, rule: str
) -> None:
    """The error names the field and quotes the rule; nothing was sent."""
    with pytest.raises(OrderInvalidError) as caught:
        order(**changes)

    assert caught.value.field == field
    assert rule in str(caught.value)


def test_order_values_become_exact() -> None:
    """Names, codes and the words of the newer API are read; numbers are decimals."""
    made = order(
        side=Side.SELL,
        order_type=OrderType.STOP_LIMIT,
        price=220.1,
        aux_price="219.00",
        tif=TimeInForce.OPG,
        customer_order_id=17,
        order_restrictions=[1, "3", 1],
        mifid2_algo=12345,
    )

    assert (made.side, made.order_type, made.tif) == (
        FixSide.SELL, FixOrderType.STOP_LIMIT, FixTif.OPEN,
    )  # fmt: skip
    assert (made.price, made.aux_price, made.quantity) == (
        Decimal("220.1"), Decimal("219.00"), Decimal(10),
    )  # fmt: skip
    assert made.customer_order_id == "17"
    assert made.wire("17")["OrderRestrictions"] == "1 3"
    assert made.wire("17")["Mifid2Algo"] == "12345"
    assert order(order_restrictions=2).wire("1")["OrderRestrictions"] == "2"
    assert order(order_type="stop limit", aux_price=1).order_type is FixOrderType.STOP_LIMIT


def test_security_by_ticker_is_written_as_the_reference_has_it() -> None:
    """A stock goes with its listing exchange, a pair with its second currency."""
    stock = order(
        contract_id=None, instrument_type="STK", ticker="MSFT", listing_exchange="NASDAQ"
    ).wire("1")
    pair = order(contract_id=None, instrument_type="CASH", ticker="EUR", currency="USD").wire("1")

    assert (stock["InstrumentType"], stock["Ticker"], stock["ListingExchange"]) == (
        "STK", "MSFT", "ISLAND",
    )  # fmt: skip
    assert (pair["InstrumentType"], pair["Ticker"], pair["Currency"]) == ("CASH", "EUR", "USD")


def test_library_never_attests_by_itself() -> None:
    """Declarations are sent only when the user makes them."""
    assert set(order().wire("1")) == {
        "CustomerOrderId", "ContractId", "Side", "Quantity", "Order Type", "Price",
        "Time In Force",
    }  # fmt: skip
    assert order(german_hft_algo=False).wire("1")["GermanHftAlgo"] is False


# --- changes -------------------------------------------------------------------------------------

STOP = order(order_type="STOP", price=None, aux_price="210", customer_order_id="A")
LIMIT = order(customer_order_id="A", german_hft_algo=False, outside_rth=True)


def state(**keys: Any) -> ThirdPartyOrderState:
    """Make an order as the server shows it."""
    (row,) = read_rows(ThirdPartyOrderState, [keys])
    return row


@pytest.mark.parametrize(
    ("original", "change", "field", "rule"),
    [
        (LIMIT, {"side": "SELL", "price": 1}, "side", "must match the original order, which is BUY"),
        (LIMIT, {"order_type": "STOP"}, "order_type", "limit order to a market order"),
        (STOP, {"order_type": "MARKET"}, "order_type", "limit order to a market order"),
        (LIMIT, {"aux_price": 1}, "aux_price", "if the original order was a stop"),
        (LIMIT, {"price": 1, "customer_order_id": "A"}, "customer_order_id", "a separate Customer Order ID"),
        (STOP, {"price": 209}, "price", "a stop order has no Price"),
        (order(), {"price": 1}, "customer_order_id", "the original does not say it"),
        (state(CustomerOrderId="A", Side="1", OrderType="3", FilledQuantity=0, RemainingQuantity=5), {"quantity": 4}, "aux_price", "Aux Price is the price"),
        (state(CustomerOrderId="A", Side="1", OrderType="2", Price=9), {"price": 8}, "quantity", "does not say its quantity"),
        (state(CustomerOrderId="A", OrderType="2"), {"price": 8}, "side", "does not say it"),
    ],
)  # fmt: skip
def test_change_that_breaks_a_rule_is_refused(
    original: ThirdPartyOrder | ThirdPartyOrderState, change: dict[str, Any], field: str, rule: str
) -> None:
    """New terms are compared with the old before anything is sent."""
    with pytest.raises(OrderInvalidError) as caught:
        replacement(original, OrderChange(**change), "B")

    assert caught.value.field == field
    assert rule in str(caught.value)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({}, "changes nothing"),
        ({"customer_order_id": "B", "side": "BUY"}, "changes nothing"),
        ({"order_type": "MARKET", "price": 5}, "a market order has no price"),
        ({"german_hft_algo": True}, "such orders will be rejected"),
        ({"tif": "8"}, "none of the reference's values"),
    ],
)
def test_change_that_is_wrong_by_itself_is_refused(change: dict[str, Any], rule: str) -> None:
    """Some rules need no original."""
    with pytest.raises(OrderInvalidError, match=rule):
        OrderChange(**change)


def test_limit_becomes_market_without_a_price() -> None:
    """The one change of type that IBKR supports."""
    wire = replacement(LIMIT, OrderChange(order_type="MARKET"), "B").wire()

    assert wire["Order Type"] == "1"
    assert "Price" not in wire
    assert wire["GermanHftAlgo"] is False
    assert wire["Outside RTH"] == 1


def test_stop_price_of_a_stop_changes() -> None:
    """A stop's own price is its Aux Price; the rest is repeated."""
    wire = replacement(STOP, OrderChange(aux_price="211", tif="GTC", order_type="STOP"), "B").wire()

    assert wire == {
        "OrigCustomerOrderId": "A", "CustomerOrderId": "B", "Side": "1", "Order Type": "3",
        "Quantity": Decimal(10), "Aux Price": Decimal(211), "Time In Force": "1",
    }  # fmt: skip


def test_market_order_that_shows_a_price_is_repeated_without_it() -> None:
    """Some answers send a zero where there is no price."""
    original = state(
        CustomerOrderId="A", Side="2", OrderType="1", Price=0, AuxPrice=0, FilledQuantity=1,
        RemainingQuantity=4,
    )  # fmt: skip

    wire = replacement(original, OrderChange(quantity=6), "B").wire()

    assert "Price" not in wire
    assert "Aux Price" not in wire
    assert "Time In Force" not in wire


def test_order_of_an_unknown_type_keeps_it() -> None:
    """A type that only other systems place is repeated as it is."""
    original = state(
        CustomerOrderId="A", Side="2", OrderType="P", Price=7, FilledQuantity=0,
        RemainingQuantity=4, OutsideRTH="0",
    )  # fmt: skip

    wire = replacement(original, OrderChange(quantity=6, outside_rth=True), "B").wire()

    assert (wire["Order Type"], wire["Price"], wire["Outside RTH"]) == ("P", 7, 1)


# --- since ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "text"),
    [
        ("2026-11-19", "2026-11-19"),
        ("2026-11-19T10:20:30", "2026-11-19T10:20:30"),
        (date(2026, 11, 18), "2026-11-18"),
        (datetime(2026, 11, 19, 10, 20, 30, 999999, UTC), "2026-11-19T10:20:30"),
        (datetime(2026, 11, 19, 10, 0, tzinfo=timezone(timedelta(hours=-5))), "2026-11-19T15:00:00"),
        (datetime(2026, 11, 19, 10, 0), "2026-11-19T10:00:00"),  # noqa: DTZ001 - naive on purpose
    ],
)  # fmt: skip
def test_since_is_written_in_utc(since: str | date | datetime, text: str) -> None:
    """With a zone it is converted, without one it is UTC already."""
    assert since_text(since, NOW) == text


@pytest.mark.parametrize(
    ("since", "rule"),
    [
        ("2026-11-21", "in the future"),
        (date(2026, 11, 13), "one week"),
        (datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=1), "in the future"),
        (datetime.fromtimestamp(NOW, UTC) - timedelta(days=7, seconds=1), "one week"),
        ("20261119", "allowed formats"),
        ("2026-11-19T10:20:30Z", "allowed formats"),
        ("2026-11-31", "no such day"),
        ("٢٠٢٦-11-19", "allowed formats"),
        (1_790_000_000, "allowed formats"),
    ],
)
def test_since_outside_the_rules_is_refused(since: Any, rule: str) -> None:
    """The future and more than a week ago are answered 400 by IBKR."""
    with pytest.raises(UsageError, match=rule):
        since_text(since, NOW)


def test_since_may_be_exactly_a_week_ago() -> None:
    """The limit itself is allowed, and so is now."""
    now = datetime.fromtimestamp(NOW, UTC)

    assert since_text(now - timedelta(days=7), NOW)
    assert since_text(now, NOW)


# --- codes, ids, masks ---------------------------------------------------------------------------


@given(st.text())
def test_unknown_code_is_kept(text: str) -> None:
    """Whatever a server sends is a code; only those of the reference are known."""
    code = FixOrderStatus(text)

    assert code == text
    assert code.is_known == (text in {member.value for member in FixOrderStatus})


def test_code_that_is_no_text_is_no_code() -> None:
    """The open set is open for texts only."""
    with pytest.raises(ValueError, match="is not a valid"):
        FixSide(1)
    assert issubclass(FixSide, OpenCode)


def test_names_of_the_exchange_table_lead_to_codes() -> None:
    """NASDAQ is ISLAND, and the over-the-counter markets share one code."""
    assert EXCHANGES["NASDAQ"] is Exchange.ISLAND
    assert {EXCHANGES[name] for name in ("OTCQB", "OTCQX", "Pink Sheets")} == {Exchange.ARCAEDGE}


def test_ids_grow_even_when_the_clock_does_not() -> None:
    """Two orders of one millisecond, or of a clock that stepped back, differ."""
    time = FakeTime(100.0)
    make = CustomerOrderIds(fake_world(time))
    first = int(make())

    assert 100_000_000 <= first < 100_001_000
    assert int(make()) > first
    time.at = 50.0
    assert int(make()) > first + 1


@given(st.integers(min_value=0, max_value=2**64))
def test_bits_and_mask_are_the_same(mask: int) -> None:
    """Every bit that is set is named once."""
    assert sum(1 << bit for bit in bits_of(mask)) == mask


def test_negative_mask_has_no_bits() -> None:
    """A mask that makes no sense names no exchange."""
    assert bits_of(-1) == ()
