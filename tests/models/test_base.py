from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.models.base import (
    Bool,
    Dec,
    Float,
    Int,
    Model,
    Str,
    Unread,
    convert,
    decode,
    encode,
    parse_json,
    to_wire,
)
from support.lossless import differences


class Leg(Model):
    ratio: Int = None


class Row(Model, rename="camel"):
    acct_id: Str = None
    amount: Dec = None
    pnl: Float = msgspec.field(default=None, name="u_pnl")
    is_paper: Bool = None
    legs: list[Leg] | None = None
    by_name: dict[str, Leg] | None = None
    by_number: dict[int, Leg] | None = None
    prices: tuple[Float, ...] | None = None


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    quantity: Decimal
    price: Decimal | None = None
    tif: str | msgspec.UnsetType = msgspec.UNSET


def test_known_fields_are_typed_and_extra_is_empty() -> None:
    """A payload that the fields describe completely leaves nothing over."""
    row = decode(Row, b'{"acctId":"U1","amount":"0.10","u_pnl":"1,300","isPaper":"1"}')

    assert row == Row(acct_id="U1", amount=Decimal("0.10"), pnl=1300.0, is_paper=True)
    assert dict(row.extra) == {}


def test_absent_fields_are_none() -> None:
    """Absent is neither zero nor false."""
    row = decode(Row, b"{}")

    assert (row.amount, row.pnl, row.is_paper) == (None, None, None)
    assert dict(row.extra) == {}


def test_unknown_keys_are_kept_at_every_depth() -> None:
    """Nested structs, lists and dicts of structs keep what they do not know."""
    row = decode(
        Row,
        b'{"new":[1.5],"legs":[{"ratio":1},{"ratio":"2","side":"B"}],'
        b'"byName":{"a":{"x":null}},"byNumber":{"7":{"y":1}}}',
    )

    assert row.extra == {"new": [Decimal("1.5")]}
    assert row.legs is not None
    assert row.by_name is not None
    assert row.by_number is not None
    assert [dict(leg.extra) for leg in row.legs] == [{}, {"side": "B"}]
    assert row.by_name["a"].extra == {"x": None}
    assert row.by_number[7].extra == {"y": 1}


def test_value_that_a_field_does_not_understand_is_kept() -> None:
    """The field is None and the original is in `extra`, under its wire key."""
    row = decode(Row, b'{"amount":1e999999,"u_pnl":"soon","isPaper":"perhaps","acctId":["U1"]}')

    assert (row.amount, row.pnl, row.is_paper, row.acct_id) == (None, None, None, None)
    assert row.extra == {
        "amount": Decimal("1e999999"),
        "u_pnl": "soon",
        "isPaper": "perhaps",
        "acctId": ["U1"],
    }


def test_currency_and_prefix_of_a_number_are_kept() -> None:
    """A number field takes the number; what else the text says stays in `extra`."""
    row = decode(Row, b'{"amount":"994,831 USD","u_pnl":"C190.1"}')

    assert (row.amount, row.pnl) == (Decimal(994831), 190.1)
    assert row.extra == {"amount": "994,831 USD", "u_pnl": "C190.1"}


def test_json_fraction_keeps_its_digits_in_a_decimal() -> None:
    """No float stands between the wire and a Decimal."""
    row = decode(Row, b'{"amount":0.1000000000000000000001}')

    assert str(row.amount) == "0.1000000000000000000001"


def test_lists_of_models_and_of_scalars_decode() -> None:
    """Containers of lenient scalars and of models are walked."""
    rows: list[Row] = decode(list[Row], b'[{"prices":["1","",2.5,"x"]},{"z":1}]')

    assert rows[0].prices == (1.0, None, 2.5, None)
    assert rows[1].extra == {"z": 1}


def test_known_fields_and_extra_make_the_payload_again() -> None:
    """Writing a decoded answer gives everything that was sent."""
    sent = b'{"acctId":"U1","amount":"5 USD","legs":[{"ratio":1,"side":"B"}],"q":{"r":0.5}}'

    assert encode(decode(Row, sent)) == (
        b'{"acctId":"U1","amount":"5 USD","legs":[{"ratio":1,"side":"B"}],"q":{"r":0.5}}'
    )


def test_models_cannot_be_changed() -> None:
    """An answer is a fact."""
    row = decode(Row, b"{}")

    with pytest.raises(AttributeError):
        row.acct_id = "U2"  # type: ignore[misc] # the point of the test


@pytest.mark.parametrize(
    "data", [b"", b"{", b"<html>", b'{"a":\xff"}', b'{"a":"\xff"}', b"[" * 100_000, b'{"a":NaN}']
)
def test_broken_json_is_one_kind_of_error(data: bytes) -> None:
    """Truncation, bad encoding and absurd nesting are all DecodeError."""
    with pytest.raises(msgspec.DecodeError):
        decode(Row, data)


@pytest.mark.parametrize("data", [b"[]", b"5", b'{"legs":5}', b'{"legs":[5]}'])
def test_another_shape_is_a_validation_error(data: bytes) -> None:
    """A list where an object belongs is not decoded into something else."""
    with pytest.raises(msgspec.ValidationError):
        decode(Row, data)


@given(st.binary())
def test_no_bytes_make_decode_raise_anything_else(data: bytes) -> None:
    """Only DecodeError, and its ValidationError, come out."""
    with suppress(msgspec.DecodeError):
        decode(Row, data)


_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(["1,300", "24.2M", "C5", "5 USD", "N/A", "-", "true", "Y", "0.5%"]),
)
_keys = st.sampled_from(["acctId", "amount", "u_pnl", "isPaper", "unknown", "extra", "_extra"])


@given(st.dictionaries(_keys, _scalars))
def test_no_scalar_is_refused_or_lost(sent: dict[str, Any]) -> None:
    """Whatever scalar stands under whatever key, the model says it all again."""
    wire = parse_json(msgspec.json.encode(sent))

    assert differences(wire, to_wire(convert(Row, wire))) == []


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1E+2", b"100"),
        ("189.50", b"189.50"),
        ("0.1", b"0.1"),
        ("1E-7", b"0.0000001"),
        ("-0", b"-0"),
        ("12345678901234567890.123456789", b"12345678901234567890.123456789"),
        ("1E+999999", b"1E+999999"),
    ],
)
def test_decimals_are_written_with_exactly_their_digits(number: str, text: bytes) -> None:
    """No exponent below the bound, no rounding, no quotes."""
    assert encode({"n": [Decimal(number)]}) == b'{"n":[' + text + b"]}"


def test_unset_fields_of_a_request_are_left_out() -> None:
    """None and UNSET in a struct are absent on the wire; None in a dict is null."""
    assert encode(Ticket(quantity=Decimal(10))) == b'{"quantity":10}'
    assert encode({"orders": [Ticket(quantity=Decimal(1), tif="DAY")], "x": None}) == (
        b'{"orders":[{"quantity":1,"tif":"DAY"}],"x":null}'
    )


@pytest.mark.parametrize(
    "number", [Decimal("NaN"), Decimal("Infinity"), float("nan"), float("inf")]
)
def test_number_that_json_cannot_say_is_refused(number: Any) -> None:
    """Better no order than one whose price became null."""
    with pytest.raises(ValueError, match="JSON number"):
        encode({"price": number})


@pytest.mark.parametrize("text", [f"[{','.join(['[{}]'] * 500)}]", '{"a":' * 199 + "1" + "}" * 199])
def test_json_of_many_parts_is_no_deep_one(text: str) -> None:
    """Only what nothing here could walk or print is refused."""
    assert parse_json(text) == json.loads(text) == parse_json(text.encode())


@pytest.mark.parametrize("levels", [201, 900, 5_000])
def test_json_that_is_too_deep_is_an_error_of_its_own(levels: int) -> None:
    """Whether or not this interpreter would parse it."""
    for text in (
        "[" * levels + "]" * levels,
        '{"a":' * levels + "1e9999999999999999999" + "}" * levels,
    ):
        for unread in (None, Unread()):
            with pytest.raises(msgspec.DecodeError):
                parse_json(text, unread)
