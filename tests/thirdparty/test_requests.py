"""Orders and changes as the user writes them, and the keys that the wire has."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_async.errors import OrderInvalidError
from ibkr_async.thirdparty import FixOrderType, FixSide, FixTif, OrderChange, ThirdPartyOrder
from ibkr_async.thirdparty.orders.requests import Replacement, form_fields
from ibkr_async.types import OrderType, Side, TimeInForce

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


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("quantity", "Quantity", 7),
        ("price", "Price", 7),
        ("order_type", "Order Type", "1"),
        ("aux_price", "Aux Price", 7),
        ("tif", "Time In Force", "1"),
        ("outside_rth", "Outside RTH", False),
        ("german_hft_algo", "GermanHftAlgo", False),
        ("mifid2_decision_maker", "Mifid2DecisionMaker", "A1"),
        ("mifid2_algo", "Mifid2Algo", "A1"),
        ("mifid2_execution_trader", "Mifid2ExecutionTrader", "A1"),
        ("mifid2_execution_algo", "Mifid2ExecutionAlgo", "A1"),
        ("use_price_management_algo", "UsePricemanagementAlgo", False),
    ],
)
def test_one_new_term_is_a_change_and_has_its_key(name: str, key: str, value: Any) -> None:
    """False is a term too; the keys are the reference's, spaces included."""
    OrderChange(**{name: value})
    terms: dict[str, Any] = {
        "side": FixSide.BUY, "order_type": FixOrderType.LIMIT, "quantity": Decimal(1),
        "price": None, name: value,
    }  # fmt: skip

    wire = Replacement(orig_customer_order_id="A", customer_order_id="B", **terms).wire()

    assert wire[key] == value
    assert (wire["OrigCustomerOrderId"], wire["CustomerOrderId"], wire["Side"]) == ("A", "B", "1")


def test_market_change_takes_neither_price() -> None:
    """A limit order that becomes a market order loses its price."""
    with pytest.raises(OrderInvalidError, match="a market order has no price"):
        OrderChange(order_type="MARKET", aux_price=5)
    assert OrderChange(order_type="LIMIT", price=5).order_type is FixOrderType.LIMIT


def test_impact_takes_the_terms_and_leaves_the_rest() -> None:
    """What the order declares, and when it may execute, is not part of the question."""
    declared: dict[str, Any] = {
        "outside_rth": True, "order_restrictions": "1", "german_hft_algo": False,
        "mifid2_decision_maker": "A1", "mifid2_algo": "A1", "mifid2_execution_trader": "A1",
        "mifid2_execution_algo": "A1", "use_price_management_algo": True,
    }  # fmt: skip
    stop = order(order_type="STOP_LIMIT", aux_price=219, **declared)
    security = {"contract_id": None, "instrument_type": "STK", "ticker": "IBM"}
    stock = order(**security, listing_exchange="NYSE")
    pair = order(contract_id=None, instrument_type="CASH", ticker="EUR", currency="USD")

    assert stop.impact_wire("7") == {
        "CustomerOrderId": "7", "ContractId": 8314, "Side": "1", "Quantity": Decimal(10),
        "Order Type": "4", "Price": Decimal("220.50"), "Aux Price": Decimal(219),
        "Time In Force": "0",
    }  # fmt: skip
    assert {"InstrumentType", "Ticker", "ListingExchange"} < set(stock.impact_wire("7"))
    assert {"InstrumentType", "Ticker", "Currency"} < set(pair.impact_wire("7"))


def test_form_writes_each_value_as_text() -> None:
    """Small decimals have no exponent, and booleans are words."""
    wire = {"a": Decimal("1E-7"), "b": True, "c": False, "d": 1, "e": "x y"}

    assert form_fields(wire) == (
        ("a", "0.0000001"), ("b", "true"), ("c", "false"), ("d", "1"), ("e", "x y"),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["side", "quantity", "order_type", "tif"])
def test_term_that_every_order_needs_cannot_be_none(name: str) -> None:
    """None leaves out what may be left out, and nothing else."""
    terms: dict[str, Any] = {**BASE, name: None}

    with pytest.raises(OrderInvalidError) as caught:
        ThirdPartyOrder(**terms)

    assert caught.value.field == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("instrument_type", "STK"),
        ("ticker", "IBM"),
        ("listing_exchange", "NYSE"),
        ("currency", "USD"),
    ],
)
def test_contract_is_named_in_one_way_only(name: str, value: str) -> None:
    """A conid beside any word for the same could differ from it."""
    with pytest.raises(OrderInvalidError, match="not both") as caught:
        order(**{name: value})

    assert caught.value.field == name
