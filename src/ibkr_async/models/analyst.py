"""Answers of Portfolio Analyst (`/pa`): performance, transactions and allocation.

Responsible for their shapes only. Money is in the base currency unless a field names another one;
returns are fractions, so that 0.01 is one percent.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from ibkr_async.models.base import Bool, Dec, Float, Int, Model, Str
from ibkr_async.models.times import from_epoch_ms

if TYPE_CHECKING:
    from datetime import datetime


class StartValue(Model, frozen=True):
    """What an account was worth on the day before a series."""

    date: Str = None
    """Day, `YYYYMMDD`."""
    val: Float = None
    """Net liquidation value."""


class PerformanceRow(Model, frozen=True, rename="camel"):
    """The series of one account; its numbers belong to the dates of the `PerformanceSeries`."""

    id: Str = None
    """Account id."""
    id_type: Str = None
    """Always `acctid`."""
    start: Str = None
    """First day, `YYYYMMDD`."""
    end: Str = None
    """Last day, `YYYYMMDD`."""
    start_nav: StartValue | None = msgspec.field(default=None, name="startNAV")
    """Worth before the first day; in the series of values only."""
    navs: tuple[Float, ...] | None = None
    """Net liquidation values; in the series of values only."""
    returns: tuple[Float, ...] | None = None
    """Returns, fractions; in the series of returns only."""
    base_currency: Str = None
    """Currency of the account."""


class PerformanceSeries(Model, frozen=True):
    """One series of all accounts that were asked for."""

    freq: Str = None
    """`D` daily or `M` monthly."""
    dates: tuple[Str, ...] | None = None
    """Days `YYYYMMDD`, or months `YYYYMM`; days without trading may be missing or repeated."""
    data: tuple[PerformanceRow, ...] | None = None
    """One row for each account."""


class Performance(Model, frozen=True, rename="camel"):
    """How accounts did. Source: `POST /pa/performance`."""

    id: Str = None
    """`getPerformanceData`."""
    pm: Str = None
    """How returns are measured: `TWR` time-weighted, `MWR` money-weighted."""
    nd: Int = None
    """About the number of calendar days."""
    currency_type: Str = None
    """`base`."""
    included: tuple[Str, ...] | None = None
    """The accounts."""
    rc: Int = None
    """IBKR's own code; 0 is normal."""
    nav: PerformanceSeries | None = None
    """Net liquidation value, daily."""
    cps: PerformanceSeries | None = None
    """Cumulative return, daily."""
    tpps: PerformanceSeries | None = None
    """Return of each month."""


class PeriodPerformance(Model, frozen=True):
    """How one account did in one period."""

    SPELLINGS = MappingProxyType({"startNav": "startNAV"})

    freq: Str = None
    """`D` daily or `M` monthly."""
    dates: tuple[Str, ...] | None = None
    """Days, `YYYYMMDD`."""
    nav: tuple[Float, ...] | None = None
    """Net liquidation value on each of the dates."""
    cps: tuple[Float, ...] | None = None
    """Cumulative return on each of the dates, a fraction."""
    start_nav: StartValue | None = msgspec.field(default=None, name="startNAV")
    """Worth before the first day; documented as `startNav`, recorded as `startNAV`."""


class AccountPerformance(Model, frozen=True, rename="camel"):
    """How one account did in every period."""

    base_currency: Str = None
    """Currency of the account."""
    start: Str = None
    """First day, `YYYYMMDD`."""
    end: Str = None
    """Last day, `YYYYMMDD`."""
    last_successful_update: Str = None
    """When it was computed, `YYYY-MM-DD HH:MM:SS` without a zone: documented as New York, recorded as UTC."""
    period_names: tuple[Str, ...] | None = msgspec.field(default=None, name="periods")
    """Names of the periods that are there, such as `1D`, `MTD`."""
    periods: dict[str, PeriodPerformance] | None = msgspec.field(default=None, name="periodsByName")
    """The periods by name; the wire has them beside the other keys."""


class AllPeriods(Model, frozen=True, rename="camel"):
    """How accounts did in every period. Source: `POST /pa/allperiods`."""

    id: Str = None
    """`getPerformanceAllPeriods`."""
    pm: Str = None
    """How returns are measured: `TWR` time-weighted, `MWR` money-weighted."""
    nd: Int = None
    """About the number of calendar days."""
    currency_type: Str = None
    """`base`."""
    view: tuple[Str, ...] | None = None
    """The accounts that were asked for."""
    included: tuple[Str, ...] | None = None
    """The accounts that are there."""
    rc: Int = None
    """IBKR's own code; 0 is normal."""
    accounts: dict[str, AccountPerformance] | None = None
    """How each account did, by account id; the wire has them beside the other keys."""


class Transaction(Model, frozen=True):
    """One transaction in a contract."""

    date: Str = None
    """Day as a text of Java, in New York's time; `raw_date` is easier."""
    raw_date: Str = msgspec.field(default=None, name="rawDate")
    """Day, `YYYYMMDD`."""
    cur: Str = None
    """Currency of `pr` and `amt`."""
    fx_rate: Float = msgspec.field(default=None, name="fxRate")
    """Currency of the report per unit of `cur`."""
    pr: Dec = None
    """Price; None for a payment."""
    qty: Dec = None
    """Quantity, negative when sold; None for a payment."""
    acctid: Str = None
    """Account."""
    amt: Dec = None
    """Money, negative when paid, in `cur`."""
    conid: Int = None
    """Contract id."""
    type: Str = None
    """`Buy`, `Sell`, `Dividend`, `Payment In Lieu`, …"""
    desc: Str = None
    """Name of the contract."""
    is_real_time: Bool = msgspec.field(default=None, name="isRealTime")
    """It happened today."""


class RealizedRow(Model, frozen=True, rename="camel"):
    """What was realised on one day in one contract."""

    date: Str = None
    """Day, `YYYYMMDD`."""
    cur: Str = None
    """Currency of `amt`."""
    fx_rate: Float = None
    """Currency of the report per unit of `cur`."""
    side: Str = None
    """`L` was recorded for losses and gains alike."""
    position_side: Str = None
    """`long` or `short`."""
    acctid: Str = None
    """Account."""
    amt: Dec = None
    """Money, in `cur`."""
    conid: Int = None
    """Contract id."""


class RealizedPnl(Model, frozen=True):
    """What was realised."""

    amt: Dec = None
    """The sum, in the currency of the report."""
    data: tuple[RealizedRow, ...] | None = None
    """Its parts."""


class Transactions(Model, frozen=True, rename="camel"):
    """The transactions in one contract. Source: `POST /pa/transactions`."""

    id: Str = None
    """`getTransactions`."""
    currency: Str = None
    """Currency of the report."""
    from_ms: Int = msgspec.field(default=None, name="from")
    """Begin, Unix milliseconds."""
    to_ms: Int = msgspec.field(default=None, name="to")
    """End, Unix milliseconds."""
    nd: Int = None
    """Number of days."""
    rc: Int = None
    """IBKR's own code; 0 is normal."""
    includes_real_time: Bool = None
    """Today's are among them."""
    rpnl: RealizedPnl | None = None
    """What was realised."""
    transactions: tuple[Transaction, ...] | None = None
    """The transactions."""

    @property
    def since(self) -> datetime | None:
        """Begin, as UTC datetime."""
        return from_epoch_ms(self.from_ms)

    @property
    def until(self) -> datetime | None:
        """End, as UTC datetime."""
        return from_epoch_ms(self.to_ms)


class AllocationItem(Model, frozen=True):
    """One part of what is held, or owed."""

    id: Str = None
    """IBKR's code, such as `STK` or `57`."""
    name: Str = None
    """Name, such as `Technology`."""
    nav: Float = None
    """Money, in the currency of the report."""
    weight: Float = None
    """Fraction of all that is held (or owed)."""
    color: Str = None
    """Colour on IBKR's own screens, `#rrggbb`."""


class AllocationSide(Model, frozen=True):
    """What is held, or what is owed, by parts."""

    total: AllocationItem | None = None
    """The sum; it has only `nav` and `weight`."""
    items: tuple[AllocationItem, ...] | None = None
    """The parts. Sums of different types differ in the sixth digit."""


class TypeAllocation(Model, frozen=True):
    """Where the money is by one type of part."""

    long: AllocationSide | None = None
    """What is held."""
    short: AllocationSide | None = None
    """What is owed; None when nothing is."""


class AnalystAllocation(Model, frozen=True):
    """Where the money of accounts is. Source: `POST /pa/allocation`."""

    id: Str = None
    """`getAllocation`."""
    currency: Str = None
    """Currency of the report."""
    realtime: Bool = None
    """It is of now, and not of a day."""
    date: Str = None
    """The day, `YYYYMMDD`; None when it is of now."""
    allocations: dict[str, TypeAllocation] | None = None
    """By type, such as `SECTOR` or `COUNTRY`."""
    excluded: tuple[Str, ...] | None = None
    """Accounts that are left out."""
    warning: Str = None
    """Why."""


def split_accounts(wire: dict[str, Any]) -> dict[str, Any]:
    """Put the accounts of an answer of `/pa/allperiods` under `accounts`, and the periods of each likewise."""
    plain = {key: value for key, value in wire.items() if not isinstance(value, dict)}
    accounts = {
        key: {name: part for name, part in value.items() if not isinstance(part, dict)}
        | {"periodsByName": {name: part for name, part in value.items() if isinstance(part, dict)}}
        for key, value in wire.items()
        if isinstance(value, dict)
    }
    return plain | {"accounts": accounts}
