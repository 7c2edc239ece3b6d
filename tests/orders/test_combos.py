"""The spelling of a combination."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_async.errors import OrderInvalidError
from ibkr_async.orders.write.combos import SPREAD_CONIDS, combo_conidex
from ibkr_async.orders.write.order_types import LimitOrder


def test_combination_is_written_as_a_conidex() -> None:
    """A sold leg has a negative ratio; the routing is optional."""
    legs = [(265598, 1), (8314, -2)]

    assert combo_conidex("USD", legs) == "28812380;;;265598/1,8314/-2"
    assert combo_conidex("EUR" if "EUR" in SPREAD_CONIDS else "GBP", legs, exchange="SMART") == (
        "58666491@SMART;;;265598/1,8314/-2"
    )
    assert LimitOrder(combo_conidex("USD", legs), "BUY", 1, "-0.35").price == Decimal("-0.35")


@pytest.mark.parametrize(
    ("currency", "legs"),
    [
        ("XXX", [(1, 1), (2, 1)]),
        ("USD", [(1, 1)]),
        ("USD", [(1, 1), (2, 0)]),
        ("USD", [(0, 1), (2, 1)]),
        ("USD", [(-1, 1), (2, 1)]),
        ("USD", [(1.0, 1), (2, 1)]),
        ("USD", [(1, 1), (2, 0.5)]),
        ("USD", [(1, 1), (2, True)]),
        ("USD", []),
        ("usd", [(1, 1), (2, 1)]),
        ([], [(1, 1), (2, 1)]),
        ("USD", None),
        ("USD", "12"),
        ("USD", [1, 2]),
        ("USD", [(1, 1), (2, 1, 1)]),
        ("USD", [(1, 1), "2/"]),
    ],
)
def test_combination_that_makes_no_sense_is_refused(currency: Any, legs: Any) -> None:
    """A currency's spread contract is never guessed."""
    with pytest.raises(OrderInvalidError):
        combo_conidex(currency, legs)


def test_every_currency_has_the_contract_of_the_documentation() -> None:
    """A wrong number here would trade another currency's combination."""
    assert dict(SPREAD_CONIDS) == {
        "USD": 28812380, "AUD": 61227077, "CAD": 61227082, "CHF": 61227087, "CNH": 136000441,
        "GBP": 58666491, "HKD": 61227072, "INR": 136000444, "JPY": 61227069, "KRW": 136000424,
        "MXN": 136000449, "SEK": 136000429, "SGD": 426116555,
    }  # fmt: skip


def test_refused_combination_names_what_is_wrong() -> None:
    """The currency, or the legs."""
    for currency, legs, field in (("EUR", [(1, 1), (2, 1)], "currency"), ("USD", [(1, 1)], "legs")):
        with pytest.raises(OrderInvalidError) as caught:
            combo_conidex(currency, legs)

        assert caught.value.field == field
