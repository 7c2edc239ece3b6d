"""What a change makes of an original order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_async.errors import OrderInvalidError
from ibkr_async.thirdparty import FixTif, OrderChange, ThirdPartyOrder, ThirdPartyOrderState
from ibkr_async.thirdparty.answers import read_rows
from ibkr_async.thirdparty.orders.changes import replacement

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


def test_own_id_of_the_change_goes_before_the_made_one() -> None:
    """Only an id that was left out is made."""
    own = replacement(LIMIT, OrderChange(price=1, customer_order_id="MINE"), "B")

    assert own.customer_order_id == "MINE"
    assert replacement(LIMIT, OrderChange(price=1), "B").customer_order_id == "B"


def test_side_may_be_repeated() -> None:
    """The same side is no change of it."""
    assert replacement(LIMIT, OrderChange(price=1, side="BUY"), "B").wire()["Side"] == "1"


def test_new_terms_go_before_the_old() -> None:
    """Every term that may change, and nothing else."""
    change = OrderChange(quantity=7, price="9", tif="GTC", outside_rth=False)

    made = replacement(LIMIT, change, "B")

    assert (made.quantity, made.price, made.tif) == (Decimal(7), Decimal(9), FixTif.GTC)
    assert made.outside_rth is False
    kept = replacement(LIMIT, OrderChange(use_price_management_algo=True), "B")
    assert (kept.quantity, kept.price, kept.tif) == (Decimal(10), Decimal("220.50"), FixTif.DAY)
    assert kept.outside_rth is True


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("mifid2_decision_maker", "A1", "A2"),
        ("mifid2_algo", "A1", "A2"),
        ("mifid2_execution_trader", "A1", "A2"),
        ("mifid2_execution_algo", "A1", "A2"),
        ("use_price_management_algo", True, False),
    ],
)
def test_declaration_is_repeated_until_it_changes(name: str, old: Any, new: Any) -> None:
    """False is a declaration, and not the absence of one."""
    original = order(customer_order_id="A", **{name: old})

    assert getattr(replacement(original, OrderChange(price=1), "B"), name) == old
    assert getattr(replacement(original, OrderChange(**{name: new}), "B"), name) == new


def test_both_prices_of_a_stop_limit_are_repeated_and_change() -> None:
    """It is the one type that has two."""
    original = order(order_type="STOP_LIMIT", aux_price="219", customer_order_id="A")

    kept = replacement(original, OrderChange(quantity=1), "B")
    moved = replacement(original, OrderChange(aux_price=218, price=217), "B")

    assert (kept.price, kept.aux_price) == (Decimal("220.50"), Decimal(219))
    assert (moved.price, moved.aux_price) == (Decimal(217), Decimal(218))


def test_stop_that_shows_a_zero_price_is_repeated_without_it() -> None:
    """A zero stands for "none" there."""
    original = state(
        CustomerOrderId="A", Side="1", OrderType="3", Price=0, AuxPrice=210, FilledQuantity=0,
        RemainingQuantity=5,
    )  # fmt: skip

    made = replacement(original, OrderChange(quantity=4), "B")

    assert (made.price, made.aux_price) == (None, Decimal(210))


def test_limit_that_shows_a_stop_price_is_repeated_without_it() -> None:
    """Only stops have one."""
    original = state(
        CustomerOrderId="A", Side="1", OrderType="2", Price=9, AuxPrice=0, FilledQuantity=0,
        RemainingQuantity=5,
    )  # fmt: skip

    assert replacement(original, OrderChange(quantity=4), "B").aux_price is None


def test_original_without_a_type_is_refused() -> None:
    """It is not guessed."""
    with pytest.raises(OrderInvalidError) as caught:
        replacement(state(CustomerOrderId="A", Side="1"), OrderChange(price=8), "B")

    assert caught.value.field == "order_type"
