from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.models.scalars import (
    Dec,
    Price,
    bounded_decimal,
    parse_decimal,
    parse_float,
    parse_price,
    parse_size,
    read_bool,
    read_float,
    read_int,
    read_quoted,
    read_scalar,
    read_size,
    read_text,
    says_more_than_number,
)

SPELLINGS = [
    ("189.60", "189.60"),
    ("-3", "-3"),
    ("+3", "3"),
    (".5", "0.5"),
    ("-.5", "-0.5"),
    ("100.", "100"),
    ("1,300", "1300"),
    ("1,234,567.25", "1234567.25"),
    ("24.2M", "24200000"),
    ("512K", "512000"),
    ("1,024K", "1024000"),
    ("3B", "3000000000"),
    ("1.5T", "1500000000000"),
    ("C190.1", "190.1"),
    ("H0.25", "0.25"),
    ("C1,190.1", "1190.1"),
    ("0.54%", "0.54"),
    ("-0.5%", "-0.5"),
    ("994,831 USD", "994831"),
    ("0 USD", "0"),
    ("1.22E7", "12200000"),
    ("2.0201311791131118E8", "202013117.91131118"),
    (" 5 ", "5"),
]

NO_VALUE = [
    None, "", "-", "--", "N/A", "None", "null", "nan", "NaN", "inf", "-inf", "Infinity", "C", "CH1",
    "abc", "1.2.3", "1/2", "12 apples", "1e999999", "1e400", "9" * 400, "1_000", "1_0K", "\u0663", "%", "USD",
]  # fmt: skip


@pytest.mark.parametrize(("text", "number"), SPELLINGS)
def test_every_spelling_of_a_number_is_read(text: str, number: str) -> None:
    """Floats, sizes and decimals understand the same texts."""
    assert parse_decimal(text) == Decimal(number)
    assert parse_float(text) == float(number)
    assert parse_size(text) == float(number)


@pytest.mark.parametrize("text", NO_VALUE)
def test_text_without_a_number_gives_none(text: str | None) -> None:
    """Nothing is invented, and nothing is raised, for text that holds no usable number."""
    assert parse_decimal(text) is None
    assert parse_float(text) is None
    assert parse_size(text) is None


def test_decimal_keeps_exactly_the_digits() -> None:
    """Trailing zeros and long fractions survive."""
    assert str(parse_decimal("189.60")) == "189.60"
    assert str(parse_decimal("0.1000000000000000000001")) == "0.1000000000000000000001"
    assert parse_decimal("1.234567890123456789012345678901234K") == Decimal(
        "1234.567890123456789012345678901234"
    )


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1E+61", "1E-61", "0E+999999", "0E-999999"])
def test_number_that_cannot_be_written_out_is_refused(text: str) -> None:
    """Neither infinity nor a megabyte of zeros is a price."""
    assert bounded_decimal(Decimal(text)) is None


def test_suffixed_size_is_exact() -> None:
    """A suffix moves the point instead of multiplying, which would round."""
    assert parse_size("1.1M") == 1_100_000.0
    assert parse_size("4.35K") == 4350.0


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("189.60", Price(189.6)),
        ("C189.60", Price(189.6, is_close=True)),
        ("H12", Price(12.0, halted=True)),
        ("", Price(None)),
        (None, Price(None)),
        ("H", Price(None, halted=True)),
    ],
)
def test_price_prefix_becomes_a_flag(text: str | None, price: Price) -> None:
    """`C` and `H` are kept as facts beside the number."""
    assert parse_price(text) == price


@pytest.mark.parametrize(
    ("text", "more"),
    [("5", False), ("24.2M", False), ("0.5%", False), ("C5", True), ("5 USD", True)],
)
def test_prefix_and_currency_are_noticed_as_more_than_a_number(text: str, more: bool) -> None:
    """A bare number field cannot say everything about such a text."""
    assert says_more_than_number(text) is more


@given(st.text())
def test_no_text_makes_a_parser_raise(text: str) -> None:
    """Whatever is sent, the answer is a finite number or None."""
    for value in (parse_float(text), parse_size(text), parse_decimal(text)):
        assert value is None or isfinite(value)


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12
    )
)
def test_decimal_text_comes_back_unchanged(number: Decimal) -> None:
    """Writing a price and reading it again changes no digit."""
    assert str(parse_decimal(str(number))) == str(number)


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        (True, True), (False, False), ("true", True), ("False", False), (1, True), (0, False),
        ("1", True), ("0", False), ("Y", True), ("n", False), (Decimal("1.0"), True),
        (None, None), ("", None), ("maybe", None), (2, None), ([], None), (0.5, None),
    ],
)  # fmt: skip
def test_statements_are_read_and_no_statement_is_not_false(value: Any, truth: bool | None) -> None:
    """An unknown word is None, never False."""
    assert read_bool(value) is truth


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5), ("5", 5), ("1,300", 1300), (5.0, 5), (Decimal("5.00"), 5), (10**30, 10**30),
        ("5.5", None), (True, None), (None, None), ("", None), ({}, None), ("1e999999", None),
    ],
)  # fmt: skip
def test_whole_numbers_are_read_and_fractions_are_not_cut(value: Any, number: int | None) -> None:
    """5.5 is not a whole number, and is not made one."""
    assert read_int(value) == number


@pytest.mark.parametrize(
    ("value", "number"),
    [(1, 1.0), (0.5, 0.5), (Decimal("0.5"), 0.5), ("0.5", 0.5), (True, None), (10**400, None),
     (Decimal("1e999999"), None), (float("nan"), None), ([1], None)],
)  # fmt: skip
def test_measurements_are_read_from_any_json_number(value: Any, number: float | None) -> None:
    """Numbers, quoted numbers and nothing else."""
    assert read_float(value) == number
    assert read_size(value) == number


@pytest.mark.parametrize(
    ("value", "text"),
    [("", None), ("N/A", None), ("-", None), ("None", None), ("NA", "NA"), (" ", " "), (5, "5"), (True, "true"), (False, "false"), (Decimal("1.0"), "1.0"),
     (0.5, "0.5"), (None, None), ([], None), (Decimal("1e99999"), None)],
)  # fmt: skip
def test_text_is_kept_as_sent(value: Any, text: str | None) -> None:
    """Text is kept unless it says nothing, and a number becomes its digits. NA is a ticker symbol."""
    assert read_text(value) == text


@pytest.mark.parametrize(
    "number", [2**31 - 1, 2**63 - 1, 1.7976931348623157e308, -1.7976931348623157e308]
)
def test_number_that_means_not_set_is_none_in_every_kind_of_field(number: float) -> None:
    """As a number, as a fraction and as text, measured and owed."""
    for value in (number, float(number), Decimal(number), Decimal(repr(number)), str(number)):
        assert read_float(value) is None
        assert read_size(value) is None
        assert read_scalar(Dec, value) is None
        assert read_int(value) is None


@pytest.mark.parametrize(
    ("price", "size", "quoted"),
    [
        ("-1", "0", None), (-1, 0, None), ("-1.0", "0.00", None), ("-1", "5", -1.0),
        ("-1", None, -1.0), ("-0.5", "0", -0.5), ("0", "0", 0.0), ("12", "0", 12.0), (None, "0", None),
    ],
)  # fmt: skip
def test_minus_one_for_a_size_of_zero_is_no_quote(
    price: Any, size: Any, quoted: float | None
) -> None:
    """A combination can be bought for less than nothing, so -1 alone is a price."""
    assert read_quoted(price, size) == quoted


def test_foreign_annotation_is_refused() -> None:
    """A decoder expects NotImplementedError for types that the hook does not serve."""
    with pytest.raises(NotImplementedError):
        read_scalar(complex, "1")
