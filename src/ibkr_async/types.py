"""Identifiers and enums that several models share.

Responsible for names only: no I/O, no parsing, no defaults. A set that IBKR may extend at any
time (`OrderStatus`, `SecType`) is a plain `str` on the models and an enum of the *known* values
here, so that an unknown word never raises.
"""

from __future__ import annotations

import operator
from decimal import Context, Decimal
from enum import StrEnum
from numbers import Real
from typing import Final, NewType, Protocol, SupportsIndex, TypeAlias

Conid = NewType("Conid", int)
"""IBKR's contract identifier, such as 265598 for Apple on SMART."""

AccountId = NewType("AccountId", str)
"""An account such as `U1234567` (live) or `DU1234567` (paper)."""

OrderId = NewType("OrderId", str)
"""IBKR's number of an order, as text: answers spell it as a number here and a string there."""

ClientOrderId = NewType("ClientOrderId", str)
"""The caller's own order reference: `cOID` on tickets, `order_ref` in answers."""

DecimalLike: TypeAlias = Decimal | SupportsIndex | str | Real | float
"""What order inputs accept: also the numbers of other libraries, such as numpy's.

A float is read as its shortest text, but of a fraction no more than 15 digits and 15 decimal places: it
holds no more for sure. So 0.1 is `Decimal("0.1")`, and 0.1 + 0.2 is `Decimal("0.3")`. That removes noise,
and puts no price on the tick: `round_to` does.
"""

EXACT: Final = Context(prec=80)
"""For sums of what is owed: the caller's own decimal context may have any precision."""
_SURE_DIGITS: Final = 15
_FLOATS: Final = Context(prec=_SURE_DIGITS)
_SURE_PLACES: Final = Decimal("1e-15")


class HasConid(Protocol):
    """A resolved contract: whatever knows its conid."""

    @property
    def conid(self) -> int | None:
        """IBKR's contract identifier."""
        ...


ContractLike: TypeAlias = int | str | HasConid
"""What is taken wherever a contract is meant: a conid, a symbol, or a resolved contract."""


class Side(StrEnum):
    """Direction of an order."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """Order types that `POST /iserver/account/{accountId}/orders` documents or accepts."""

    MARKET = "MKT"
    LIMIT = "LMT"
    STOP = "STP"
    STOP_LIMIT = "STOP_LIMIT"
    MIDPRICE = "MIDPRICE"
    TRAIL = "TRAIL"
    TRAIL_LIMIT = "TRAILLMT"
    LIMIT_ON_CLOSE = "LOC"
    MARKET_ON_CLOSE = "MOC"
    MARKET_IF_TOUCHED = "MIT"
    LIMIT_IF_TOUCHED = "LIT"
    RELATIVE = "REL"


class TimeInForce(StrEnum):
    """How long an order works."""

    DAY = "DAY"
    GTC = "GTC"
    """Good till cancelled."""
    OPG = "OPG"
    """At the opening."""
    IOC = "IOC"
    """Immediate or cancel."""
    OVT = "OVT"
    """Overnight session only."""
    OND = "OND"
    """Overnight session, then the day."""
    PAX = "PAX"
    """Crypto at Paxos."""


class OrderStatus(StrEnum):
    """Known order status words. Models carry `str`: IBKR adds words without notice.

    Source: "Order Status Value" table of the Web API documentation, March 2026.
    """

    INACTIVE = "Inactive"
    """Not transmitted or not active; also how a reject can look."""
    PENDING_SUBMIT = "PendingSubmit"
    """Sent; the destination has not confirmed."""
    PRE_SUBMITTED = "PreSubmitted"
    """Accepted, waiting to be elected (stops, orders held to the open)."""
    SUBMITTED = "Submitted"
    """Working."""
    FILLED = "Filled"
    PENDING_CANCEL = "PendingCancel"
    """Cancel asked; may still fill."""
    PRE_CANCELLED = "PreCancelled"
    """Cancel accepted but not yet effective; may still fill."""
    CANCELLED = "Cancelled"
    WARN_STATE = "WarnState"
    FAILED = "Failed"
    """Only in a placing answer, for a rejected bracket leg."""


TERMINAL_STATUSES = frozenset({OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.FAILED})
"""Statuses after which an order cannot trade. `Inactive` is not among them: it can come back."""


class SecType(StrEnum):
    """Known security types. Models carry `str`."""

    STOCK = "STK"
    OPTION = "OPT"
    FUTURE = "FUT"
    FUTURE_OPTION = "FOP"
    CASH = "CASH"
    """A currency pair."""
    BOND = "BOND"
    FUND = "FUND"
    INDEX = "IND"
    CFD = "CFD"
    WARRANT = "WAR"
    CRYPTO = "CRYPTO"
    COMBO = "BAG"


def whole(value: object) -> int | None:
    """Return a whole number of anybody's type as an `int`; None for anything else, a bool too."""
    if isinstance(value, bool):
        return None
    try:
        return int(operator.index(value))  # type: ignore[arg-type]  # it says
    except TypeError:
        return None


def to_decimal(value: DecimalLike) -> Decimal:
    """Turn an order input into a `Decimal`: exact, but for the noise of a float; see `DecimalLike`.

    Errors: `ValueError` when it is not a finite number.
    """
    if isinstance(value, bool):
        message = "a price or quantity cannot be a bool"
        raise ValueError(message)  # noqa: TRY004 - one error type for every unusable value
    try:
        number = _read_number(value)
    except (ArithmeticError, TypeError, ValueError) as error:
        message = f"{value!r} is not a number"
        raise ValueError(message) from error
    if not number.is_finite():
        message = f"{value!r} is not a finite number"
        raise ValueError(message)
    return number


def _read_number(value: DecimalLike) -> Decimal:
    if isinstance(value, Decimal | str):
        return Decimal(value)
    if (number := whole(value)) is not None:
        return Decimal(number)
    if not isinstance(value, float | Real):
        raise TypeError
    # A float's own text, also that of a subclass; then what others call theirs, as numpy's float32.
    text = float.__repr__(value) if isinstance(value, float) else str(value)
    try:
        read = Decimal(text)
    except ArithmeticError:
        read = Decimal(repr(float(value)))
    is_noisy = len(read.as_tuple().digits) > _SURE_DIGITS
    if not is_noisy or read == read.to_integral_value():
        return read
    sure = _FLOATS.plus(read)
    if sure.adjusted() < 0:
        sure = _FLOATS.quantize(sure, _SURE_PLACES)
    return sure.normalize(_FLOATS)
