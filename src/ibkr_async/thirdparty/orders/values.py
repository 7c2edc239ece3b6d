"""The rules about single values of a request, and the errors that quote them. Pure.

Responsible for one value at a time; what joins several fields is in `rules`. It must never guess:
a value that the reference does not list is refused before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ibkr_async.errors import OrderInvalidError
from ibkr_async.orders.write.rules import read_number
from ibkr_async.thirdparty.answers import whole_id
from ibkr_async.thirdparty.fix import EXCHANGES, OpenCode, OrderRestriction
from ibkr_async.types import whole

if TYPE_CHECKING:
    from decimal import Decimal

C = TypeVar("C", bound=OpenCode)

_CUSTOMER_ORDER_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_SHORT_CODE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_SYMBOL: Final = re.compile(r"[A-Za-z0-9.][A-Za-z0-9 ._/'-]{0,31}")
_EXCHANGE: Final = re.compile(r"[A-Z0-9.]{1,20}")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")

_HOUSE_WORDS: Final = {"MKT": "MARKET", "LMT": "LIMIT", "STP": "STOP", "OPG": "OPEN"}
"""What `ibkr_async.types` calls the same things."""


def read_code(field: str, value: Any, kind: type[C]) -> C:
    """Read a coded value: the member, its code as text or number, or its name in any case.

    Errors: `OrderInvalidError` for a code that the reference does not list.
    """
    number = whole(value)
    if isinstance(value, str) or number is not None:
        text = str(value if number is None else number).strip()
        name = text.upper().replace(" ", "_").replace("-", "_")
        name = _HOUSE_WORDS.get(name, name)
        for member in kind:
            if text == member.value or name == member.name:
                return member
    listed = ", ".join(f"{member.value} ({member.name})" for member in kind)
    raise OrderInvalidError(field, f"{value!r} is none of the reference's values: {listed}")


def read_restrictions(field: str, value: Any) -> tuple[OrderRestriction, ...]:
    """Read order restrictions: one, several in a text separated by spaces, or several items."""
    items = value.split() if isinstance(value, str) else value
    if whole(items) is not None:
        items = (items,)
    if not isinstance(items, Iterable):
        raise OrderInvalidError(field, "one or more of 1, 2 and 3, separated by spaces")
    found = tuple(dict.fromkeys(read_code(field, item, OrderRestriction) for item in items))
    if not found:
        raise OrderInvalidError(field, "one or more of 1, 2 and 3; leave it out for none")
    return found


def read_customer_order_id(field: str, value: Any) -> str:
    """Read the customer's own id of an order: text, or a whole number."""
    number = whole(value)
    text = value if number is None else str(number)
    if not isinstance(text, str) or not _CUSTOMER_ORDER_ID.fullmatch(text) or text in {".", ".."}:
        raise OrderInvalidError(field, "must be 1 to 64 letters, digits or any of . _ : -")
    if whole_id(text) != text:
        raise OrderInvalidError(
            field, "must not look like a fraction: IBKR would send it back whole"
        )
    return text


def read_short_code(field: str, value: Any) -> str:
    """Read a MiFID II short code."""
    number = whole(value)
    text = value if number is None else str(number)
    if not isinstance(text, str) or not _SHORT_CODE.fullmatch(text):
        raise OrderInvalidError(
            field,
            "must be the MiFID II short code that the user has preregistered in account "
            "management: letters and digits without blanks",
        )
    return text


def read_symbol(field: str, value: Any) -> str:
    """Read the symbol of a trading product."""
    return _matching(field, value, _SYMBOL, "must be a symbol, such as IBM or EUR")


def read_exchange(field: str, value: Any) -> str:
    """Read an exchange: its code, or a name out of the reference's table, as in `NASDAQ`."""
    if isinstance(value, str) and value in EXCHANGES:
        return EXCHANGES[value].value
    return _matching(field, value, _EXCHANGE, "must be an exchange code, such as NYSE or ISLAND")


def read_currency(field: str, value: Any) -> str:
    """Read a currency."""
    return _matching(field, value, _CURRENCY, "must be a currency of three letters, such as USD")


def read_price(field: str, value: Any) -> Decimal:
    """Read a price, which some contracts let be negative."""
    number = read_number(field, value)
    if number == 0:
        raise OrderInvalidError(field, "must be positive, or negative where the contract takes it")
    return number


def _matching(field: str, value: Any, pattern: re.Pattern[str], rule: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise OrderInvalidError(field, f"{rule}, not {value!r}")
    return str(value)  # a plain text, also when an enum member was given
