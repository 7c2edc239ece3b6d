"""Identifiers and enums that several models share.

Responsible for names only: no I/O, no parsing, no defaults. A set that IBKR may extend at any
time (`OrderStatus`, `SecType`) is a plain `str` on the models and an enum of the *known* values
here, so that an unknown word never raises.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import NewType, Protocol, TypeAlias

Conid = NewType("Conid", int)
"""IBKR's contract identifier, such as 265598 for Apple on SMART."""

AccountId = NewType("AccountId", str)
"""An account such as `U1234567` (live) or `DU1234567` (paper)."""

OrderId = NewType("OrderId", str)
"""IBKR's number of an order, as text: answers spell it as a number here and a string there."""

ClientOrderId = NewType("ClientOrderId", str)
"""The caller's own order reference: `cOID` on tickets, `order_ref` in answers."""

DecimalLike: TypeAlias = Decimal | int | str | float
"""What order inputs accept. A float goes through its shortest repr: 0.1 is `Decimal("0.1")`."""


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


def to_decimal(value: DecimalLike) -> Decimal:
    """Turn an order input into an exact `Decimal`.

    Errors: `ValueError` when the text is not a finite number.
    """
    if isinstance(value, bool):
        message = "a price or quantity cannot be a bool"
        raise ValueError(message)  # noqa: TRY004 - one error type for every unusable value
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except (ArithmeticError, TypeError, ValueError) as error:
        message = f"{value!r} is not a number"
        raise ValueError(message) from error
    if not number.is_finite():
        message = f"{value!r} is not a finite number"
        raise ValueError(message)
    return number
