"""Read IBKR's many spellings of one number, and declare lenient fields with them.

Responsible for text and JSON scalars only: `parse_*` for text that is converted on access, and the
field annotations `Float Int Dec Bool Str`. It must never raise for odd input and never invent a
value: what is not understood is `None`, and `_base.decode` keeps the original in `extra`.

What is understood: a number, a quoted number, thousands separators (`1,300`), exponents (`1.22E7`),
a `K M B T` suffix (`24.2M`), a `C` or `H` price prefix (`C190.1`), a percent sign (`0.54%`) and a
trailing currency (`994,831 USD`). What says "nothing": null, `""`, `-`, `N/A`, `None` and the like,
and the largest 32-bit, 64-bit, 128-bit and floating numbers, which are IBKR's "not set".
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

_NumberT = TypeVar("_NumberT", int, float)

NOTHING: Final = frozenset(
    {"", "-", "--", "N/A", "n/a", "NA", "None", "none", "null", "NaN", "nan"}
)
"""Texts by which IBKR says that there is no value."""
_NO_TEXT: Final = NOTHING - {"NA"}
"""The same for text fields: NA is a ticker symbol, of two companies."""
_FIRST_UNSET: Final = 2147483647.0
_UNSET: Final = frozenset(
    {2**31 - 1}
    | {2**63 - 1, 2**63, 9_223_372_036_854_776_000}
    | {2**127 - 1, 2**127, 17_014_118_346_046_923 * 10**22}
)
"""Whole numbers by which IBKR says "not set": the largest of 32, of 64 and of 128 bits, the latter two
also as the float that they become and as that float's shortest text. The largest double, 1.8e308, is the
fourth.
"""

_SUFFIX_EXPONENT: Final = {"K": 3, "M": 6, "B": 9, "T": 12}
_LARGEST_EXPONENT: Final = 60
"""No price, size or amount is near 1e60; a larger one is noise that would cost memory to write out."""
_LARGEST_FLOAT: Final = 10.0 ** (_LARGEST_EXPONENT + 1)

_NUMBER: Final = re.compile(
    r"(?P<prefix>[CH])?"
    r"(?P<number>[+-]?(?:[0-9][0-9,]*\.?[0-9]*|\.[0-9]+))"
    r"(?:(?P<exponent>[eE][+-]?[0-9]{1,9})|(?P<suffix>[KMBT]))?%?"
    r"(?P<currency> ?[A-Z]{3})?"
)
_PRICE_PREFIXES: Final = frozenset("CH")
_PLAIN_START: Final = frozenset("0123456789.-+")
_PLAIN_END: Final = frozenset("0123456789.%")
_LONGEST_NUMBER: Final = 200
"""Longer texts are not numbers; the bound keeps hostile input cheap."""


class Price(NamedTuple):
    """A price with what its prefix says."""

    value: float | None
    """In the contract's currency; None when the text holds no number."""
    is_close: bool = False
    """`C`: the previous close stands in for a last price."""
    halted: bool = False
    """`H`: trading is halted."""


def says_something(value: Any) -> bool:
    """Tell whether there is anything in a value that was sent: `"None"` and `["None"]` say nothing."""
    if isinstance(value, list):
        return any(item not in NOTHING if isinstance(item, str) else bool(item) for item in value)
    return value not in NOTHING if isinstance(value, str) else bool(value)


def parse_float(text: str | None) -> float | None:
    """Read a number out of IBKR's text.

    Shape: None when the text says nothing, is not understood, or the number is "not set", beyond
    1e60 or not finite.
    Units: those of the field; `0.54%` gives 0.54.
    """
    # 130 ns for "189.60" and 200 for "C189.60"; the first character is looked at because a failed
    # float("C189.60") and what follows cost 900 ns, and because float() would take "nan" and "inf".
    if not text:
        return None
    if text[0] in _PRICE_PREFIXES and text[1:2] in _PLAIN_START:
        text = text[1:]
    if text[0] in _PLAIN_START and "_" not in text:  # float() takes 1_000 as Python does
        try:
            value = float(text)
        except ValueError:
            pass
        else:
            # Nearly all are: the question costs half of asking whether it is one of the set.
            return value if 0.0 <= value < _FIRST_UNSET else _known(value)
    number = parse_decimal(text)
    return None if number is None else float(number)


def parse_size(text: str | None) -> float | None:
    """Read a size or volume: `1,300`, `24.2M`, `0.5`.

    Shape and units: as `parse_float`; only faster for separators and suffixes.
    """
    if not text:
        return None
    if text[0] in _PLAIN_START and "_" not in text:
        plain = text.replace(",", "") if "," in text else text
        exponent = _SUFFIX_EXPONENT.get(plain[-1])
        try:
            # Exact: "24.2M" becomes float("24.2e6"), not 24.2 * 1e6.
            value = float(plain if exponent is None else f"{plain[:-1]}e{exponent}")
        except ValueError:
            pass
        else:
            return _known(value)
    return parse_float(text)


def parse_decimal(text: str | None) -> Decimal | None:
    """Read a number with exactly its digits.

    Shape: None when the text says nothing or is not understood, and for "not set" and beyond 1e60.
    """
    match = _match(text)
    if match is None:
        return None
    digits = match["number"].replace(",", "")
    suffix = match["suffix"]
    # Through text, which is exact: arithmetic would round to the 28 digits of Decimal's context.
    exponent = f"e{_SUFFIX_EXPONENT[suffix]}" if suffix else match["exponent"] or ""
    return _known_decimal(Decimal(digits + exponent))


def parse_price(text: str | None) -> Price:
    """Read a price together with the meaning of its prefix.

    Source: field 31, "Last Price" in "Available market data fields".
    """
    prefix = text[0] if text else ""
    return Price(parse_float(text), is_close=prefix == "C", halted=prefix == "H")


def says_more_than_number(text: str) -> bool:
    """Tell whether text that was read as a number also named a prefix or a currency."""
    if text[0] in _PLAIN_START and text[-1] in _PLAIN_END:
        return False
    match = _match(text)
    return match is not None and bool(match["prefix"] or match["currency"])


def bounded_decimal(number: Decimal) -> Decimal | None:
    """Return the number if it is finite and of a size that can be written out in full, else None."""
    if not number.is_finite():
        return None
    if number and abs(number.adjusted()) > _LARGEST_EXPONENT:
        return None
    if not number and abs(int(number.as_tuple().exponent)) > _LARGEST_EXPONENT:
        return None
    return number


def _match(text: str | None) -> re.Match[str] | None:
    if not text or len(text) > _LONGEST_NUMBER:
        return None
    return _NUMBER.fullmatch(text.strip())


def _known_decimal(number: Decimal) -> Decimal | None:
    return None if number in _UNSET else bounded_decimal(number)


def _known(number: _NumberT) -> _NumberT | None:
    # Neither comparison holds for NaN.
    known = -_LARGEST_FLOAT < number < _LARGEST_FLOAT and number not in _UNSET
    return number if known else None


# --- field annotations ---------------------------------------------------------------------------
# To a type checker `Float` is `float | None`. At run time it is a class that msgspec does not know,
# so that msgspec hands the JSON value to `read_scalar`; the metaclass then lets any result pass
# msgspec's check that the hook returned an instance of the annotation.

if TYPE_CHECKING:
    Float: TypeAlias = float | None
    Int: TypeAlias = int | None
    Dec: TypeAlias = Decimal | None
    Bool: TypeAlias = bool | None
    Str: TypeAlias = str | None
else:

    class _AcceptsAnything(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return True

    class Float(metaclass=_AcceptsAnything):
        """A measurement: `float | None`."""

    class Int(metaclass=_AcceptsAnything):
        """A whole number: `int | None`."""

    class Dec(metaclass=_AcceptsAnything):
        """Money or a quantity owed, with exactly the digits of the wire: `Decimal | None`."""

    class Bool(metaclass=_AcceptsAnything):
        """A statement: `bool | None`. None means that none was made, never false."""

    class Str(metaclass=_AcceptsAnything):
        """Text as sent, None when it says nothing; a number becomes its text: `str | None`."""


def read_float(value: Any) -> float | None:
    """Read a JSON value as `Float` does."""
    if isinstance(value, str):
        return parse_float(value)
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float):
        return None
    try:
        return _known(float(value))
    except OverflowError:
        return None


def read_quoted(price: Any, size: Any) -> float | None:
    """Read a bid or an ask beside its size: -1 for a size of 0 is how IBKR says "no quote".

    Shape: as `read_float`. A combination can cost -1, so without its size -1 stays a price.
    """
    value = read_float(price)
    return None if value == -1 and read_size(size) == 0 else value


def read_size(value: Any) -> float | None:
    """Read a JSON value as a size: `Float` with the faster way for separators and suffixes."""
    return parse_size(value) if isinstance(value, str) else read_float(value)


def _read_decimal(value: Any) -> Decimal | None:
    if isinstance(value, str):
        return parse_decimal(value)
    if isinstance(value, bool) or not isinstance(value, Decimal | int | float):
        return None
    return _known_decimal(Decimal(repr(value)) if isinstance(value, float) else Decimal(value))


def read_int(value: Any) -> int | None:
    """Read a JSON value as `Int` does; 5.5 is not understood."""
    if isinstance(value, int) and not isinstance(value, bool):
        return _known(value)
    number = _read_decimal(value)
    if number is None or number != number.to_integral_value():
        return None
    return int(number)


_BOOLS: Final = {
    "true": True,
    "false": False,
    "1": True,
    "0": False,
    "y": True,
    "n": False,
    "yes": True,
    "no": False,
}  # fmt: skip - pairs belong together


def read_bool(value: Any) -> bool | None:
    """Read a JSON value as `Bool` does."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _BOOLS.get(value.strip().lower())
    if isinstance(value, int | Decimal | float):
        return True if value == 1 else False if value == 0 else None
    return None


def read_text(value: Any) -> str | None:
    """Read a JSON value as `Str` does; an object or array is not text."""
    if isinstance(value, str):
        return None if value in _NO_TEXT else value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Decimal):
        return None if bounded_decimal(value) is None else format(value, "f")
    return None


_READERS: Final = {
    Float: read_float,
    Int: read_int,
    Dec: _read_decimal,
    Bool: read_bool,
    Str: read_text,
    float: read_float,
    int: read_int,
    Decimal: _read_decimal,
    bool: read_bool,
    str: read_text,
}
PLAIN: Final = frozenset({float, int, Decimal, bool, str})
"""Types that msgspec reads strictly by itself; `read_scalar` reads them leniently."""


def read_scalar(annotation: Any, value: Any) -> Any:
    """Serve as msgspec's `dec_hook`: read `value` as a lenient annotation, or leniently as `PLAIN`.

    Errors: `NotImplementedError` for an annotation that is not ours, as msgspec expects.
    """
    reader = _READERS.get(annotation)
    if reader is None:
        raise NotImplementedError(annotation)
    return reader(value)
