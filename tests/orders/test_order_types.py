"""Single orders, as they are made."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_async.errors import OrderInvalidError
from ibkr_async.models.contracts import SecurityDefinition
from ibkr_async.orders.write.order_types import (
    LimitIfTouchedOrder,
    LimitOnCloseOrder,
    LimitOrder,
    MarketIfTouchedOrder,
    MarketOnCloseOrder,
    MarketOrder,
    MidpriceOrder,
    RelativeOrder,
    StopLimitOrder,
    StopOrder,
    TrailingStopLimitOrder,
    TrailingStopOrder,
)
from ibkr_async.types import Side, TimeInForce

COMBO = "28812380;;;265598/1,8314/-1"


def test_numbers_are_kept_exact() -> None:
    """A float goes through its shortest repr; the order holds `Decimal`."""
    order = LimitOrder(1, Side.BUY, 0.1, 1.1)

    assert (order.quantity, order.price) == (Decimal("0.1"), Decimal("1.1"))


def make(kind: Any, *arguments: Any, **options: Any) -> Any:
    """Call a constructor whose arguments are deliberately wrong."""
    return kind(*arguments, **options)


@pytest.mark.parametrize(
    ("kind", "arguments", "options", "field"),
    [
        (MarketOrder, (0, "BUY", 1), {}, "conid"),
        (MarketOrder, (True, "BUY", 1), {}, "conid"),
        (MarketOrder, (1.5, "BUY", 1), {}, "conid"),
        (MarketOrder, ("AAPL@ARCA", "BUY", 1), {}, "conid"),
        (MarketOrder, ("", "BUY", 1), {}, "conid"),
        (MarketOrder, (SecurityDefinition(conid=None), "BUY", 1), {}, "conid"),
        (MarketOrder, (1, "HOLD", 1), {}, "side"),
        (MarketOrder, (1, None, 1), {}, "side"),
        (MarketOrder, (1, "BUY", 0), {}, "quantity"),
        (MarketOrder, (1, "BUY", -1), {}, "quantity"),
        (MarketOrder, (1, "BUY", "many"), {}, "quantity"),
        (MarketOrder, (1, "BUY", float("nan")), {}, "quantity"),
        (MarketOrder, (1, "BUY", "1e999999"), {}, "quantity"),
        (MarketOrder, (1, "BUY", "1e-20"), {}, "quantity"),
        (MarketOrder, (1, "BUY", None), {}, "quantity"),
        (MarketOrder, (1, "BUY", True), {}, "quantity"),
        (LimitOrder, (1, "BUY", 1, "inf"), {}, "price"),
        (TrailingStopOrder, (1, "BUY", 1, 0), {}, "trailing_amount"),
        (TrailingStopOrder, (1, "BUY", 1, 100, "%"), {}, "trailing_amount"),
        (TrailingStopOrder, (1, "BUY", 1, 1, "pct"), {}, "trailing_type"),
        (MarketOrder, (1, "BUY", 1), {"tif": "FOREVER"}, "tif"),
        (MarketOrder, (1, "BUY", 1), {"coid": ""}, "coid"),
        (MarketOrder, (1, "BUY", 1), {"coid": "x" * 65}, "coid"),
        (MarketOrder, (1, "BUY", 1), {"coid": "a b "}, "coid"),
        (MarketOrder, (1, "BUY", 1), {"coid": "a\nb"}, "coid"),
        (MarketOrder, (1, "BUY", 1), {"coid": "None"}, "coid"),
        (MarketOrder, (1, "BUY", 1), {"coid": 7}, "coid"),
        (MarketOrder, (1, "BUY", 1), {"exchange": "nowhere?"}, "exchange"),
        (MarketOrder, ("1@ARCA", "BUY", 1), {"exchange": "ARCA"}, "exchange"),
        (MarketOrder, (1, "BUY", 1), {"cash_quantity": 1}, "cash_quantity"),
        (MarketOrder, (1, "BUY", None), {"cash_quantity": 0}, "cash_quantity"),
        (MarketOrder, (1, "BUY", None), {"fx_quantity": 1}, "fx_quantity"),
        (MarketOrder, (1, "BUY", 1), {"strategy_parameters": {}}, "strategy"),
        (MarketOrder, (1, "BUY", 1), {"allocation_method": "Z"}, "allocation_method"),
        (TrailingStopLimitOrder, (1, "BUY", 1, 2, 2, 0), {}, "trailing_amount"),
        (RelativeOrder, (1, "BUY", 1), {"offset": 0}, "offset"),
    ],
)
def test_order_that_breaks_a_rule_names_the_field(
    kind: Any, arguments: tuple[Any, ...], options: dict[str, Any], field: str
) -> None:
    """An order that exists is sound: it is refused where it is written."""
    with pytest.raises(OrderInvalidError) as caught:
        make(kind, *arguments, **options)

    assert caught.value.field == field
    assert "nothing was sent" in str(caught.value)


@pytest.mark.parametrize(
    ("order", "prices"),
    [
        (LimitOrder(COMBO, "BUY", 1, -1.5), {"price": "-1.5"}),
        (StopOrder(COMBO, "BUY", 1, -1.5), {"stop_price": "-1.5"}),
        (StopLimitOrder(COMBO, "BUY", 1, -1.5, 0), {"price": "-1.5", "stop_price": "0"}),
        (MidpriceOrder(COMBO, "BUY", 1, -1.5), {"price": "-1.5"}),
        (LimitOnCloseOrder(COMBO, "BUY", 1, -1.5), {"price": "-1.5"}),
        (MarketIfTouchedOrder(COMBO, "BUY", 1, -1.5), {"trigger_price": "-1.5"}),
        (LimitIfTouchedOrder(COMBO, "BUY", 1, -1.5, 0), {"price": "-1.5", "trigger_price": "0"}),
        (RelativeOrder(COMBO, "BUY", 1, -1.5, -0.5), {"price": "-1.5", "offset": "-0.5"}),
        (
            TrailingStopLimitOrder(1, "BUY", 1, 1.5, 2.5, 0.1),
            {"price": "1.5", "stop_price": "2.5", "trailing_amount": "0.1"},
        ),
        (TrailingStopOrder(1, "BUY", 1, 0.1), {"trailing_amount": "0.1"}),
    ],
)
def test_every_price_is_kept_exact(order: Any, prices: dict[str, str]) -> None:
    """As `Decimal`, with the digits that were written; a combination's may be below zero."""
    for name, digits in prices.items():
        value = getattr(order, name)
        assert isinstance(value, Decimal)
        assert str(value) == digits


def test_words_become_members() -> None:
    """A side is read in any case, and the time in force is day where nothing is said."""
    order = MarketOnCloseOrder(1, "sell", 1)

    assert order.side is Side.SELL
    assert order.tif is TimeInForce.DAY
    assert MarketOrder(1, "BUY", 1, tif="GTC").tif is TimeInForce.GTC
