"""The rules about the fields that orders and tickets share, and the error that names field and rule.

Responsible for rules that need nothing but the order itself. What only some kinds of order need is
beside them in `order_types` and `tickets`; what a contract demands is `contract_checks`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any, Final

from ibkr_async.errors import OrderInvalidError
from ibkr_async.models.scalars import NOTHING
from ibkr_async.types import OrderId, OrderType, Side, TimeInForce, to_decimal, whole

_COID: Final = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?")
_CONIDEX: Final = re.compile(r"[0-9]+[A-Z0-9@.;,/-]*")
_SYMBOL: Final = re.compile(r"[A-Za-z][A-Za-z0-9. -]{0,29}", re.ASCII)
_EXCHANGE: Final = re.compile(r"[A-Z0-9.]{1,20}")
_LARGEST_EXPONENT: Final = 15
_SMALLEST_EXPONENT: Final = -15
_COMBO_MARK: Final = ";;;"
_ALL_PERCENT: Final = 100
_DEEPEST: Final = 16
_AMOUNTS: Final = ("quantity", "cash_quantity", "fx_quantity")
_ALLOCATION_METHODS: Final = frozenset("AENCPRS")


def opposite(side: Side) -> Side:
    """Return the other side."""
    return Side.SELL if side == Side.BUY else Side.BUY


def is_combo(conid: object) -> bool:
    """Tell whether a contract is a combination, whose price may be zero or negative."""
    return isinstance(conid, str) and _COMBO_MARK in conid


def is_symbol(conid: object) -> bool:
    """Tell whether a contract is named by its symbol, and has to be looked up."""
    return isinstance(conid, str) and _SYMBOL.fullmatch(conid) is not None


def read_coid(field: str, coid: Any) -> str:
    """Read a client order id: 1 to 64 characters of ASCII, blanks within."""
    # IBKR says only that it is an arbitrary text; these bounds keep it safe in logs and files.
    if not isinstance(coid, str) or not _COID.fullmatch(coid):
        raise OrderInvalidError(field, "must be 1 to 64 printable characters of ASCII")
    if coid in NOTHING:
        raise OrderInvalidError(field, f"{coid!r} says nothing in IBKR's answers; give another")
    return str(coid)


def read_contract(conid: Any, *, symbols: bool = False) -> int | str:
    """Read a contract: a conid, a conidex, whatever knows its conid, and a symbol where allowed.

    Shape: a conidex has capitals, no blanks, and no plus before a ratio.
    """
    known = getattr(conid, "conid", conid)
    if isinstance(known, str):
        if symbols and is_symbol(known):
            return str(known)
        conidex = _read_words("conid", known).replace("/+", "/")
        if not _CONIDEX.fullmatch(conidex):
            raise OrderInvalidError("conid", f"{conid!r} is no conidex, such as '265598@ARCA'")
        return conidex
    return read_conid("conid", known)


def read_conid(field: str, value: Any) -> int:
    """Read a conid: a whole number, also as text."""
    is_text = isinstance(value, str) and value.isascii() and value.isdecimal()
    number = int(value) if is_text else whole(value)
    if number is None or number <= 0:
        raise OrderInvalidError(
            field, f"{value!r} is not an IB contract id (conid): a positive whole number"
        )
    return number


def read_exchange(exchange: Any, conid: int | str) -> str:
    """Read the exchange to which an order for a contract is routed; case does not matter."""
    name = exchange.upper() if isinstance(exchange, str) else ""
    if not _EXCHANGE.fullmatch(name):
        raise OrderInvalidError("exchange", f"{exchange!r} is no exchange; they look like 'ARCA'")
    if isinstance(conid, str) and not conid.isdigit() and not is_symbol(conid):
        raise OrderInvalidError("exchange", "the conidex names its routing already")
    return name


def read_side(value: Any) -> Side:
    """Read a direction; case does not matter."""
    try:
        return Side(value.upper())
    except (AttributeError, ValueError):
        raise OrderInvalidError("side", f"{value!r} is neither BUY nor SELL") from None


def read_tif(value: Any) -> TimeInForce:
    """Read a time in force; case does not matter."""
    try:
        return TimeInForce(value.upper())
    except (AttributeError, ValueError):
        known = " ".join(TimeInForce)
        raise OrderInvalidError("tif", f"{value!r} is none of {known}") from None


def read_order_type(value: Any) -> OrderType:
    """Read IBKR's word for a type of order; case does not matter."""
    try:
        return OrderType(value.upper())
    except (AttributeError, ValueError):
        known = " ".join(OrderType)
        raise OrderInvalidError("order_type", f"{value!r} is none of {known}") from None


def read_whole(field: str, value: Any) -> int:
    """Read a whole number."""
    number = whole(value)
    if number is None:
        raise OrderInvalidError(field, f"must be a whole number, not {value!r}")
    return number


def read_order_id(value: Any) -> OrderId:
    """Read IBKR's number of an order."""
    number = whole(value)
    text = value if number is None else str(number)
    if not isinstance(text, str) or not (text.isascii() and text.isdecimal()):
        raise OrderInvalidError(
            "order_id", f"{value!r} is not an order id; for all there is cancel_all"
        )
    return OrderId(text)


def read_flag(field: str, value: Any) -> bool:
    """Read a switch. A text or a number might mean the opposite of what it says to Python."""
    if not isinstance(value, bool):
        raise OrderInvalidError(field, f"must be True or False, not {value!r}")
    return value


def read_text(field: str, value: Any) -> str:
    """Read a text that JSON can carry."""
    if not isinstance(value, str) or not value:
        raise OrderInvalidError(field, f"must be a text, not {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise OrderInvalidError(field, "holds half a character, which nothing can carry") from None
    return str(value)


def read_json(field: str, value: Any, depth: int = 0) -> Any:
    """Read what JSON can carry, into plain objects of our own that nobody else can change."""
    if depth > _DEEPEST:
        raise OrderInvalidError(field, "is nested too deeply")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return read_text(field, value) if value else ""
    if isinstance(value, Mapping):
        return {
            read_text(field, key): read_json(f"{field}.{key}", item, depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [read_json(f"{field}[{at}]", item, depth + 1) for at, item in enumerate(value)]
    if isinstance(value, Decimal | Real) or hasattr(value, "__index__"):
        number = read_number(field, value)
        return number if whole(value) is None else int(number)
    raise OrderInvalidError(field, f"{value!r} is nothing that JSON can carry")


def read_number(field: str, value: Any) -> Decimal:
    """Read a number of a size that orders have. Of prices only a contract's own rules know the sign."""
    try:
        number = to_decimal(value)
    except ValueError as error:
        raise OrderInvalidError(field, str(error)) from None
    exponent = int(number.as_tuple().exponent)
    if exponent < _SMALLEST_EXPONENT or max(number.adjusted(), exponent) > _LARGEST_EXPONENT:
        raise OrderInvalidError(field, "has more digits than any order; round it, as round_to does")
    return number


def read_quantity(field: str, value: Any) -> Decimal:
    """Read a number that must be positive."""
    number = read_number(field, value)
    if number <= 0:
        raise OrderInvalidError(
            field, f"must be positive, not {number}; `side` gives the direction"
        )
    return number


def read_trailing(order: Any) -> dict[str, Any]:
    """Read the distance of a trailing stop and its unit."""
    kind, field = order.trailing_type, "trailing_amount"
    word = kind.lower() if isinstance(kind, str) else ""
    if word not in {"amt", "%"}:
        raise OrderInvalidError("trailing_type", f"{kind!r} is neither 'amt' nor '%'")
    number = read_quantity(field, order.trailing_amount)
    if word == "%" and number >= _ALL_PERCENT:
        raise OrderInvalidError(field, f"{number} % is the whole price or more")
    return {field: number, "trailing_type": word}


def read_amounts(order: Any) -> dict[str, Decimal]:
    """Read how much is ordered: exactly one of units, cash, and currency to convert."""
    given = [name for name in _AMOUNTS if getattr(order, name) is not None]
    if not given:
        raise OrderInvalidError("quantity", "is missing; give quantity or cash_quantity")
    if len(given) > 1:
        raise OrderInvalidError(given[1], f"cannot go together with {given[0]}; give one")
    name = given[0]
    if name == "fx_quantity" and not order.is_currency_conversion:
        raise OrderInvalidError("fx_quantity", "needs is_currency_conversion=True")
    return {name: read_quantity(name, getattr(order, name))}


def read_options(order: Any) -> dict[str, Any]:
    """Read what else an order or ticket says: each field of its kind, and those that need another."""
    said = read_fields(**{name: getattr(order, name, None) for name in _OPTIONS})
    if order.strategy_parameters is not None and not order.strategy:
        raise OrderInvalidError("strategy", "strategy_parameters belong to a strategy; name it")
    return said


def read_fields(**fields: Any) -> dict[str, Any]:
    """Read fields by their names, each as what it must be; those that are None are left out."""
    return {
        name: _OPTIONS[name](name, value) for name, value in fields.items() if value is not None
    }


def _read_words(field: str, value: Any) -> str:
    """Read what IBKR takes with blanks and in any case, but answers without and in capitals."""
    return "".join(read_text(field, value).split()).upper()


def _read_mapping(field: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise OrderInvalidError(field, f"must be a mapping, not {value!r}")
    return read_json(field, value)


def _check_mapping(field: str, value: Any) -> Any:
    # Not copied: whoever changes it later changes what leaves, and that is what the guard looks at.
    _read_mapping(field, value)
    return value


def _read_method(field: str, value: Any) -> str:
    method = value.upper() if isinstance(value, str) else ""
    if method not in _ALLOCATION_METHODS:
        raise OrderInvalidError(field, f"{value!r} is none of A E N C P R S")
    return method


_OPTIONS: Final[Mapping[str, Callable[[str, Any], Any]]] = {
    **dict.fromkeys(
        (
            "outside_rth",
            "is_single_group",
            "is_currency_conversion",
            "all_or_none",
            "use_adaptive",
            "deactivated",
            "manual_indicator",
            "is_professional",
            "is_close",
            "cancel_if_incomplete",
            "confirmed",
            "final",
            "urgent",
        ),
        read_flag,
    ),
    **dict.fromkeys(
        (
            "account_id",
            "group",
            "reply_id",
            "listing_exchange",
            "ticker",
            "referrer",
            "strategy",
            "ext_operator",
            "allocation_profile",
            "customer_account",
            "tax_optimizer_id",
        ),
        read_text,
    ),
    "coid": read_coid,
    "sec_type": _read_words,
    "manual_order_time": read_whole,
    "manual_cancel_time": read_whole,
    "allocation_method": _read_method,
    "strategy_parameters": _read_mapping,
    "json_payload": _check_mapping,
}
"""How each field is read of orders, tickets and calls about them, but for numbers and contracts."""
