"""The rules about the fields that orders and tickets share, and the error that names field and rule.

Responsible for rules that need nothing but the order itself. What only some kinds of order need is
beside them in `order_types` and `tickets`; what a contract demands is `contract_checks`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ibkr_async.errors import OrderInvalidError
from ibkr_async.types import Side, TimeInForce, to_decimal

if TYPE_CHECKING:
    from decimal import Decimal

_COID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_CONIDEX: Final = re.compile(r"[0-9]+[A-Z0-9@.;,/-]*")
_SYMBOL: Final = re.compile(r"[A-Za-z][A-Za-z0-9. -]{0,29}", re.ASCII)
_EXCHANGE: Final = re.compile(r"[A-Z0-9.]{1,20}")
_LARGEST_EXPONENT: Final = 15
_SMALLEST_EXPONENT: Final = -15
_COMBO_MARK: Final = ";;;"
_ALL_PERCENT: Final = 100
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


def check_coid(field: str, coid: Any) -> None:
    """Hold a client order id to 1 to 64 safe characters."""
    # IBKR says only that it is an arbitrary text; these bounds keep it safe in URLs, logs and files.
    if not isinstance(coid, str) or not _COID.fullmatch(coid):
        raise OrderInvalidError(field, "must be 1 to 64 letters, digits or any of . _ : -")


def read_contract(conid: Any) -> int | str:
    """Read what was given as a contract: a conid, a conidex, a symbol, or whatever knows its conid."""
    known = getattr(conid, "conid", conid)
    if known is None:
        raise OrderInvalidError("conid", f"{conid!r} has none")
    return known  # type: ignore[no-any-return]  # checked by `check_contract`


def check_contract(conid: Any, exchange: str | None, *, symbols: bool = False) -> None:
    """Hold a contract and its routing to the forms that IBKR knows, and symbols where allowed."""
    if isinstance(conid, bool) or not isinstance(conid, int | str):
        raise OrderInvalidError("conid", "must be a number, or a conidex or symbol as text")
    if exchange is not None and not _EXCHANGE.fullmatch(exchange):
        raise OrderInvalidError("exchange", f"{exchange!r} is no exchange; they look like 'ARCA'")
    if symbols and is_symbol(conid):
        return
    if isinstance(conid, int) and conid <= 0:
        raise OrderInvalidError("conid", f"must be positive, not {conid}")
    if isinstance(conid, str) and not _CONIDEX.fullmatch(conid):
        raise OrderInvalidError("conid", f"{conid!r} is no conidex; they look like '265598@ARCA'")
    if exchange is not None and isinstance(conid, str) and not conid.isdigit():
        raise OrderInvalidError("exchange", "the conidex names its routing already")


def read_side(value: Any) -> Side:
    """Read a direction; case does not matter."""
    try:
        return Side(value.upper())
    except (AttributeError, ValueError):
        raise OrderInvalidError("side", f"{value!r} is neither BUY nor SELL") from None


def read_tif(value: Any) -> TimeInForce:
    """Read a time in force."""
    try:
        return TimeInForce(value)
    except ValueError:
        known = " ".join(TimeInForce)
        raise OrderInvalidError("tif", f"{value!r} is none of {known}") from None


def _number(field: str, value: Any) -> Decimal:
    try:
        number = to_decimal(value)
    except ValueError as error:
        raise OrderInvalidError(field, str(error)) from None
    exponent = int(number.as_tuple().exponent)
    if exponent < _SMALLEST_EXPONENT or max(number.adjusted(), exponent) > _LARGEST_EXPONENT:
        raise OrderInvalidError(field, "has more digits than any order")
    return number


def read_quantity(field: str, value: Any) -> Decimal:
    """Read a number that must be positive."""
    number = _number(field, value)
    if number <= 0:
        raise OrderInvalidError(
            field, f"must be positive, not {number}; `side` gives the direction"
        )
    return number


def read_price(field: str, value: Any, *, combo: bool) -> Decimal:
    """Read a price; only a combination's may be zero or negative."""
    number = _number(field, value)
    if number <= 0 and not combo:
        raise OrderInvalidError(field, f"must be positive, not {number}")
    return number


def read_trailing(amount: Any, kind: Any) -> Decimal:
    """Read the distance of a trailing stop."""
    if kind not in {"amt", "%"}:
        raise OrderInvalidError("trailing_type", f"{kind!r} is neither 'amt' nor '%'")
    number = read_quantity("trailing_amount", amount)
    if kind == "%" and number >= _ALL_PERCENT:
        raise OrderInvalidError("trailing_amount", f"{number} % is the whole price or more")
    return number


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


def check_options(order: Any) -> None:
    """Check fields that mean something only together, and the ids."""
    if order.coid is not None:
        check_coid("coid", order.coid)
    if (order.manual_indicator is None) != (order.ext_operator is None):
        missing = "ext_operator" if order.ext_operator is None else "manual_indicator"
        rule = "manual_indicator and ext_operator go together (CME rule 536-B)"
        raise OrderInvalidError(missing, rule)
    if order.strategy_parameters is not None and not order.strategy:
        raise OrderInvalidError("strategy", "strategy_parameters belong to a strategy; name it")
    method = order.allocation_method
    if method is not None and method not in _ALLOCATION_METHODS:
        raise OrderInvalidError("allocation_method", f"{method!r} is none of A E N C P R S")
