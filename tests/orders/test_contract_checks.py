from __future__ import annotations

from decimal import Context, Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.errors import OrderInvalidError
from ibkr_async.models.contract_rules import ContractRules, IncrementRule
from ibkr_async.orders.write.contract_checks import check_against, round_to
from ibkr_async.orders.write.groups import Bracket, OcaGroup
from ibkr_async.orders.write.order_types import (
    LimitIfTouchedOrder,
    LimitOrder,
    MarketIfTouchedOrder,
    MarketOrder,
    StopOrder,
)

RULES = ContractRules(
    order_types=("limit", "market", "stop"),
    order_types_outside=("limit",),
    tif_types=("DAY/o,a", "GTC/o,a"),
    fraq_types=("market",),
    cqt_types=("market",),
    algo_eligible=False,
    all_or_none_eligible=False,
    increment_rules=(
        IncrementRule(lower_edge=Decimal(0), increment=Decimal("0.01")),
        IncrementRule(lower_edge=Decimal(100), increment=Decimal("0.05")),
    ),
)
NO_RULES = ContractRules()
CASH = {"cash_quantity": 100}


@pytest.mark.parametrize(
    ("order", "field"),
    [
        (LimitOrder(1, "BUY", 1, "99.995"), "price"),
        (LimitOrder(1, "BUY", 1, "100.01"), "price"),
        (StopOrder(1, "BUY", 1, "100.01"), "stop_price"),
        (MarketIfTouchedOrder(1, "BUY", 1, 100), "order_type"),
        (StopOrder(1, "BUY", 1, 100, outside_rth=True), "outside_rth"),
        (MarketOrder(1, "BUY", 1, tif="IOC"), "tif"),
        (MarketOrder(1, "BUY", 1, all_or_none=True), "all_or_none"),
        (MarketOrder(1, "BUY", 1, strategy="Vwap"), "strategy"),
        (LimitOrder(1, "BUY", "1.5", 99), "quantity"),
        (LimitOrder(1, "BUY", None, 99, **CASH), "cash_quantity"),
        (Bracket(entry=MarketOrder(1, "BUY", 1), stop_loss="100.01"), "stop_loss.stop_price"),
        (
            OcaGroup((MarketOrder(1, "BUY", 1), LimitOrder(1, "BUY", 1, "100.01"))),
            "[1].price",
        ),
    ],
)
def test_order_that_its_contract_does_not_take_names_the_field(order: Any, field: str) -> None:
    """Every leg is looked at; rules that IBKR leaves out are not applied."""
    with pytest.raises(OrderInvalidError) as caught:
        check_against(order, RULES)

    assert caught.value.field == field
    check_against(order, NO_RULES)


@pytest.mark.parametrize(
    "order",
    [
        MarketOrder(1, "BUY", "1.5"),
        MarketOrder(1, "BUY", None, **CASH),
        LimitOrder(1, "BUY", 2, "99.99", outside_rth=True, tif="GTC"),
        LimitOrder(1, "BUY", 2, "100.05"),
        Bracket(entry=LimitOrder(1, "BUY", 2, "99.99"), take_profit="100.05"),
    ],
)
def test_order_that_its_contract_takes_passes(order: Any) -> None:
    """Nothing is changed."""
    check_against(order, RULES)


@pytest.mark.parametrize(
    ("order", "name", "passive", "nearest"),
    [
        (LimitOrder(1, "BUY", 1, "100.04"), "price", "100.00", "100.05"),
        (LimitOrder(1, "SELL", 1, "100.01"), "price", "100.05", "100.00"),
        (StopOrder(1, "BUY", 1, "100.01"), "stop_price", "100.05", "100.00"),
        (StopOrder(1, "SELL", 1, "100.04"), "stop_price", "100.00", "100.05"),
        (MarketIfTouchedOrder(1, "BUY", 1, "100.04"), "trigger_price", "100.00", "100.05"),
        (LimitIfTouchedOrder(1, "SELL", 1, 99, "100.01"), "trigger_price", "100.05", "100.00"),
    ],
)
def test_price_is_rounded_to_the_side_of_caution(
    order: Any, name: str, passive: str, nearest: str
) -> None:
    """A limit never becomes worse than what was asked for, and a trigger never earlier."""
    assert getattr(round_to(order, RULES), name) == Decimal(passive)
    assert getattr(round_to(order, RULES, prices="nearest"), name) == Decimal(nearest)


@pytest.mark.parametrize("price", [0, "-37.63"])
def test_sign_of_a_price_is_for_the_rules_to_say(price: Any) -> None:
    """A combination's may be anything; what the rules leave out is not applied."""
    never = ContractRules(negative_capable=False)
    for order, name in (
        (LimitOrder(1, "SELL", 1, price), "price"),
        (StopOrder(1, "SELL", 1, price), "stop_price"),
    ):
        with pytest.raises(OrderInvalidError, match="positive") as caught:
            check_against(order, never)
        assert caught.value.field == name
        check_against(order, ContractRules(negative_capable=True))
        check_against(order, NO_RULES)
    check_against(LimitOrder("28812380;;;1/1,2/-1", "SELL", 1, price), never)


def test_price_off_the_grid_is_told_how_to_get_there() -> None:
    """Also a float that arithmetic has left beside it."""
    with pytest.raises(OrderInvalidError, match="round_to"):
        check_against(LimitOrder(1, "BUY", 1, 100 / 3), RULES)


def test_groups_are_rounded_leg_by_leg() -> None:
    """And whole quantities where the contract needs them."""
    bracket = Bracket(entry=LimitOrder(1, "BUY", "2.5", "100.04"), stop_loss="99.991")
    group = OcaGroup((MarketOrder(1, "BUY", "2.5"), LimitOrder(1, "SELL", "2.5", "100.04")))

    rounded, whole = round_to(bracket, RULES), round_to(group, RULES)

    assert (rounded.entry.quantity, rounded.legs[0].price) == (2, 100)  # type: ignore[union-attr]  # a limit order
    assert rounded.legs[1].stop_price == Decimal("99.99")  # type: ignore[union-attr]  # a stop order
    assert [leg.quantity for leg in whole.orders] == [Decimal("2.5"), 2]


def test_quantity_that_would_vanish_is_refused() -> None:
    """Nothing is rounded to no order at all."""
    with pytest.raises(OrderInvalidError):
        round_to(LimitOrder(1, "BUY", "0.5", 99), RULES)


def test_without_a_grid_nothing_is_rounded() -> None:
    """An unknown tick size is no reason to change a price."""
    order = LimitOrder(1, "BUY", "0.5", "1.23456")

    assert round_to(order, NO_RULES) == order


@given(st.decimals("0.01", 10_000, places=6), st.sampled_from(["BUY", "SELL"]))
def test_rounded_orders_pass_the_check(price: Decimal, side: str) -> None:
    """Rounding and checking go by the same grid."""
    rounded = round_to(LimitOrder(1, side, 1, price), RULES)

    check_against(rounded, RULES)
    assert (rounded.price <= price) if side == "BUY" else (rounded.price >= price)  # type: ignore[operator]  # decimals by now


def test_caller_with_a_coarse_decimal_context_gets_the_same_prices() -> None:
    """A bot that rounds to two digits somewhere must not have its orders rounded to two digits."""
    order = LimitOrder(1, "BUY", 1, "189.53")

    with localcontext(Context(prec=2)):
        rounded = round_to(order, RULES)
        check_against(rounded, RULES)

    assert rounded == LimitOrder(1, "BUY", 1, "189.50")
