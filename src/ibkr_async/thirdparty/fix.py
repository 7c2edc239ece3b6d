"""The coded values of the Third-Party Web API: FIX letters and digits, exchanges, restrictions.

Responsible for names only. A code that is not in the reference must never raise when it comes in
an answer: it becomes a member of its own that keeps the code and says `is_known` false.

Source: "Models" of the Third-Party Web API v1 reference.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


class OpenCode(StrEnum):
    """Base of sets that IBKR may extend: an unknown code is kept, not refused."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = f"UNKNOWN_{value}"
        member._value_ = value
        return member

    @property
    def is_known(self) -> bool:
        """False for a code that the reference does not list; `value` has it as it was sent."""
        return any(self is member for member in type(self))


class FixOrderStatus(OpenCode):
    """State of an order."""

    INVALID = "-1"
    """The reference's `InvalidOrderStatus`."""
    NEW = "0"
    PARTIALLY_FILLED = "1"
    FILLED = "2"
    DONE_FOR_THE_DAY = "3"
    CANCELED = "4"
    REPLACED = "5"
    PENDING_CANCEL_REPLACE = "6"
    STOPPED = "7"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    CALCULATED = "B"
    EXPIRED = "C"
    ACCEPTED_FOR_BIDDING = "D"
    PENDING_REPLACE = "E"


DEAD_STATUSES: Final = frozenset(
    {FixOrderStatus.CANCELED, FixOrderStatus.REJECTED, FixOrderStatus.EXPIRED}
)
"""Statuses of an order that is neither live nor filled completely."""


class FixOrderType(OpenCode):
    """How an order is to be executed."""

    MARKET = "1"
    LIMIT = "2"
    STOP = "3"
    STOP_LIMIT = "4"


class FixSide(OpenCode):
    """Direction of an order."""

    BUY = "1"
    SELL = "2"


class FixTif(OpenCode):
    """How long an order works."""

    DAY = "0"
    GTC = "1"
    """Good till cancelled."""
    OPEN = "2"
    """At the opening."""
    IOC = "3"
    """Immediate or cancel."""
    CLOSE = "7"
    """At the close."""


class FixExecutionType(OpenCode):
    """What an execution report is about. No endpoint of the reference sends it by itself."""

    INVALID = "-1"
    NEW = "0"
    PARTIAL_FILL = "1"
    FILL = "2"
    DONE_FOR_DAY = "3"
    CANCELED = "4"
    """The reference's `ETCanceled`."""
    REPLACE = "5"
    PENDING_CANCEL = "6"
    STOPPED = "7"
    REJECTED = "8"
    SUSPENDED = "9"
    PENDING_NEW = "A"
    CALCULATED = "B"
    EXPIRED = "C"
    RESTATED = "D"
    PENDING_REPLACE = "E"
    TRADE = "F"
    TRADE_CORRECT = "G"
    TRADE_CANCEL = "H"
    ORDER_STATUS = "I"


class OrderRestriction(OpenCode):
    """A restriction of an order; several are sent separated by spaces."""

    PROGRAM_TRADE = "1"
    INDEX_ARBITRAGE = "2"
    NON_INDEX_ARBITRAGE = "3"


class Temporality(OpenCode):
    """Whether a snapshot is live."""

    REAL_TIME = "0"
    DELAYED = "1"


class InstrumentType(OpenCode):
    """Kinds of instrument that can be named without a conid."""

    STOCK = "STK"
    CASH = "CASH"
    """A currency pair."""


class Exchange(OpenCode):
    """Codes of the listing exchanges that the reference tabulates; others exist."""

    AMEX = "AMEX"
    ARCAEDGE = "ARCAEDGE"
    """Bulletin board, pink sheets, OTCQB and OTCQX."""
    NYSE = "NYSE"
    ISLAND = "ISLAND"
    """NASDAQ."""
    TSE = "TSE"
    """Toronto."""
    VENTURE = "VENTURE"
    AEQNEO = "AEQNEO"
    """NEX."""


EXCHANGES: Final[Mapping[str, Exchange]] = MappingProxyType(
    {
        "American Stock Exchange": Exchange.AMEX,
        "Bulletin Board": Exchange.ARCAEDGE,
        "New York Stock Exchange": Exchange.NYSE,
        "NASDAQ": Exchange.ISLAND,
        "Pink Sheets": Exchange.ARCAEDGE,
        "OTCQB": Exchange.ARCAEDGE,
        "OTCQX": Exchange.ARCAEDGE,
        "Toronto Exchange": Exchange.TSE,
        "Venture Exchange": Exchange.VENTURE,
        "NEX": Exchange.AEQNEO,
    }
)
"""Name of an exchange to its code, as the reference lists them."""
