"""How inputs are read as numbers: one rule for floats, and for the numbers of other libraries."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.types import to_decimal, whole
from support.foreign_numbers import ForeignFloat, ForeignInt, ForeignReal


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        (0.1, "0.1"),
        (0.1 + 0.2, "0.3"),
        (100.1 * 3, "300.3"),
        (1 / 3, "0.333333333333333"),
        (1 / 30, "0.033333333333333"),
        (-37.63, "-37.63"),
        (189.0, "189.0"),
        (1234567890123456.0, "1234567890123456.0"),
        ("300.29999999999995", "300.29999999999995"),
        (Decimal("0.30000000000000004"), "0.30000000000000004"),
        (ForeignFloat(189.5), "189.5"),
        (ForeignFloat(100.1 * 3), "300.3"),
        (ForeignReal("0.1"), "0.1"),
        (ForeignInt(265598), "265598"),
        (Fraction(1, 4), "0.25"),
    ],
)
@pytest.mark.parametrize("precision", [1, 28])
def test_number_is_read_without_the_noise_of_a_float(
    value: Any, digits: str, precision: int
) -> None:
    """Text and `Decimal` keep every digit; the caller's decimal context changes none."""
    with localcontext(Context(prec=precision)):
        assert str(to_decimal(value)) == digits


@pytest.mark.parametrize(
    "value", [True, None, "", "much", float("nan"), "inf", object(), (0, (1,), 0), [1]]
)
def test_what_is_no_finite_number_is_refused(value: Any) -> None:
    """With the value in the message."""
    with pytest.raises(ValueError, match=r"a bool|is not a"):
        to_decimal(value)


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6))
def test_what_was_written_with_few_digits_comes_back(written: Decimal) -> None:
    """A float of fifteen digits or less is exactly what the user typed."""
    assert to_decimal(float(written)) == written


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), (ForeignInt(5), 5), (True, None), (5.0, None), ("5", None), (None, None)],
)
def test_whole_number_is_what_says_so(value: Any, number: int | None) -> None:
    """The result is a plain `int`."""
    assert whole(value) == number
    assert type(whole(value)) in {int, type(None)}
