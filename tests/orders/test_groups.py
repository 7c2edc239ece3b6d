"""Brackets, and groups of which one cancels the rest, as they are made."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ibkr_async.errors import OrderInvalidError
from ibkr_async.orders.write.groups import Bracket, OcaGroup, replace_each
from ibkr_async.orders.write.order_types import (
    LimitOrder,
    MarketOrder,
    StopLimitOrder,
    StopOrder,
    TrailingStopLimitOrder,
    TrailingStopOrder,
)
from ibkr_async.types import Side, TimeInForce

ENTRY = LimitOrder(1, "BUY", 10, 100, account_id="DU1")
SHORT = LimitOrder(1, "SELL", 10, 100)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"entry": "BUY", "take_profit": 1}, "entry"),
        ({"entry": ENTRY}, "take_profit"),
        ({"entry": ENTRY, "take_profit": 100}, "take_profit"),
        ({"entry": ENTRY, "take_profit": 90}, "take_profit"),
        ({"entry": ENTRY, "stop_loss": 100}, "stop_loss"),
        ({"entry": ENTRY, "take_profit": "x"}, "take_profit"),
        ({"entry": SHORT, "take_profit": 110}, "take_profit"),
        ({"entry": SHORT, "stop_loss": 90}, "stop_loss"),
        ({"entry": MarketOrder(1, "BUY", 1), "take_profit": 90, "stop_loss": 95}, "take_profit"),
        ({"entry": MarketOrder(1, "SELL", 1), "take_profit": 95, "stop_loss": 90}, "stop_loss"),
        ({"entry": ENTRY, "take_profit": 110, "exit_tif": "?"}, "tif"),
        ({"entry": ENTRY, "take_profit": LimitOrder(1, "BUY", 1, 110)}, "take_profit.side"),
        ({"entry": ENTRY, "take_profit": LimitOrder(2, "SELL", 1, 110)}, "take_profit.conid"),
        ({"entry": ENTRY, "stop_loss": StopOrder(1, "SELL", 11, 90)}, "stop_loss.quantity"),
        (
            {"entry": ENTRY, "stop_loss": StopOrder(1, "SELL", 1, 90, coid="c")},
            "stop_loss.coid",
        ),
        (
            {"entry": ENTRY, "stop_loss": StopOrder(1, "SELL", 1, 90, account_id="DU2")},
            "stop_loss.account_id",
        ),
        ({"entry": ENTRY, "stop_loss": StopLimitOrder(1, "SELL", 1, 80, 101)}, "stop_loss"),
        (
            {"entry": MarketOrder(1, "BUY", None, cash_quantity=9), "stop_loss": 1},
            "entry.quantity",
        ),
        (
            {"entry": ENTRY, "stop_loss": StopOrder(1, "SELL", None, 90, cash_quantity=9)},
            "stop_loss.quantity",
        ),
    ],
)
def test_bracket_that_breaks_a_rule_names_the_field(settings: dict[str, Any], field: str) -> None:
    """Sides, sizes and prices of the legs have to fit each other."""
    with pytest.raises(OrderInvalidError) as caught:
        Bracket(**settings)

    assert caught.value.field == field


@pytest.mark.parametrize(
    "orders",
    [
        (),
        (MarketOrder(1, "BUY", 1),),
        (MarketOrder(1, "BUY", 1), "BUY"),
        (MarketOrder(1, "BUY", 1, account_id="DU1"), MarketOrder(1, "BUY", 1)),
    ],
)
def test_group_needs_orders_of_one_account(orders: Any) -> None:
    """Two at least."""
    with pytest.raises(OrderInvalidError) as caught:
        OcaGroup(orders)

    assert caught.value.field == "orders"


@pytest.mark.parametrize(
    "stop",
    [
        StopOrder(1, "SELL", 10, 101),
        StopLimitOrder(1, "SELL", 10, 80, 101),
        TrailingStopOrder(1, "SELL", 10, 2, stop_price=101),
        TrailingStopLimitOrder(1, "SELL", 10, 80, 101, 2),
    ],
)
def test_every_kind_of_stop_is_held_below_the_entry(stop: Any) -> None:
    """Its stop price decides, not its limit."""
    with pytest.raises(OrderInvalidError, match=r"stop_loss 101 must be below entry 100"):
        Bracket(entry=ENTRY, stop_loss=stop)


def test_stop_that_has_no_price_yet_passes() -> None:
    """IBKR derives it from the market."""
    stop = TrailingStopOrder(1, "SELL", 10, 2)

    assert Bracket(entry=ENTRY, stop_loss=stop).stop_loss is stop


def test_exit_may_be_as_large_as_its_entry_and_name_its_account() -> None:
    """The limits themselves are allowed."""
    exit_ = StopOrder(1, "SELL", 10, 90, account_id="DU1")

    bracket = Bracket(entry=ENTRY, stop_loss=exit_)

    assert bracket.legs == (ENTRY, exit_)
    assert bracket.exits() == (("stop_loss", exit_),)


def test_exit_given_as_a_price_takes_over_what_the_entry_says_of_its_contract() -> None:
    """`outside_rth` is not taken over: IBKR rejects stops that carry it."""
    options: dict[str, Any] = {
        "exchange": "ARCA", "listing_exchange": "NYSE", "sec_type": "1:STK",
        "manual_indicator": True, "ext_operator": "me", "manual_order_time": 17,
    }  # fmt: skip
    entry = LimitOrder(1, "BUY", 10, 100, outside_rth=True, **options)

    bracket = Bracket(entry=entry, take_profit=110, stop_loss=90)

    target, stop = bracket.take_profit, bracket.stop_loss
    assert isinstance(target, LimitOrder)
    assert isinstance(stop, StopOrder)
    for made in (target, stop):
        assert {name: getattr(made, name) for name in options} == options
        assert (made.conid, made.side, made.quantity) == (1, Side.SELL, Decimal(10))
        assert (made.outside_rth, made.tif) == (None, TimeInForce.GTC)
    assert (target.price, stop.stop_price) == (Decimal(110), Decimal(90))


def test_exits_of_a_combination_may_have_negative_prices() -> None:
    """A combination is bought for less than nothing."""
    entry = LimitOrder("28812380;;;265598/1,8314/-1", "BUY", 1, -2)

    bracket = Bracket(entry=entry, take_profit=-1, stop_loss=-3)

    assert isinstance(bracket.take_profit, LimitOrder)
    assert isinstance(bracket.stop_loss, StopOrder)
    assert (bracket.take_profit.price, bracket.stop_loss.stop_price) == (-1, -3)


def test_members_of_a_group_are_kept_as_a_tuple() -> None:
    """A list may be changed later; two of one account are enough."""
    orders: Any = [
        MarketOrder(1, "BUY", 1, account_id="DU1"), MarketOrder(2, "BUY", 1, account_id="DU1"),
    ]  # fmt: skip

    assert OcaGroup(orders).orders == tuple(orders)


def test_every_single_order_of_a_group_is_changed() -> None:
    """The kind of group stays."""

    def double(order: Any) -> Any:
        return msgspec.structs.replace(order, quantity=order.quantity * 2)

    single = MarketOrder(1, "BUY", 1)
    bracket = replace_each(Bracket(entry=ENTRY, take_profit=110, stop_loss=90), double)
    group = replace_each(OcaGroup((single, single)), double)

    assert [leg.quantity for leg in bracket.legs] == [20, 20, 20]
    assert [leg.quantity for leg in group.orders] == [2, 2]
    assert replace_each(single, double).quantity == 2
