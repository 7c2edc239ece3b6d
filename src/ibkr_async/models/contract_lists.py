"""Answers of the contract endpoints that few programs need: algorithms, bond filters, listings, rates.

Responsible for their shapes only.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from ibkr_async.models.base import Bool, Dec, Float, Int, Model, Str


class AlgoParameter(Model, frozen=True, rename="camel"):
    """One parameter of an algorithm."""

    id: Str = None
    """What it is called in `strategy_parameters` of an order."""
    name: Str = None
    """Name for people."""
    description: Str = None
    """What it does."""
    value_class_name: Str = None
    """`String`, `Boolean`, `Time`, `Double` or `Integer`."""
    required: Bool = None
    """It must be given; a text on the wire."""
    default_value: Any = None
    """What is meant where it is not given."""
    min_value: Float = None
    """Smallest value."""
    max_value: Float = None
    """Largest value."""
    legal_strings: tuple[Str, ...] | None = None
    """Values to choose from."""
    gui_rank: Int = None
    """Place on IBKR's own screens."""


class Algo(Model, frozen=True):
    """An algorithm that can work an order."""

    id: Str = None
    """What it is called in `strategy` of an order."""
    name: Str = None
    """Name for people."""
    description: Str = None
    """What it does."""
    parameters: tuple[AlgoParameter, ...] | None = None
    """Its parameters."""


class Algos(Model, frozen=True):
    """The algorithms for one contract. Source: `GET /iserver/contract/{conid}/algos`."""

    algos: tuple[Algo, ...] | None = None
    """The algorithms."""


class BondFilterOption(Model, frozen=True):
    """One value of a filter."""

    text: Str = None
    """Value for people."""
    value: Str = None
    """Value as it is sent."""


class BondFilter(Model, frozen=True, rename="camel"):
    """A filter of an issuer's bonds."""

    display_text: Str = None
    """Name, such as `Maturity Date` or `Coupon`."""
    column_id: Int = None
    """IBKR's number of it: 27 maturity, 28 issue date, 25 coupon, 5 currency."""
    options: tuple[BondFilterOption, ...] | None = None
    """Its values."""


class BondFilters(Model, frozen=True, rename="camel"):
    """The filters of an issuer's bonds. Source: `GET /iserver/secdef/bond-filters`."""

    bond_filters: tuple[BondFilter, ...] | None = None
    """The filters."""


class ListedConid(Model, frozen=True):
    """A contract of an exchange. Source: `GET /trsrv/all-conids`."""

    ticker: Str = None
    """Ticker."""
    conid: Int = None
    """Contract id."""
    exchange: Str = None
    """IBKR's inner name of the exchange, such as `NMS` for NASDAQ."""


class ExchangeRate(Model, frozen=True):
    """A rate between currencies. Source: `GET /iserver/exchangerate`."""

    rate: Dec = None
    """Units of the target for one unit of the source."""


class VenueSession(Model, frozen=True, rename="camel"):
    """A stretch in which a venue is liquid."""

    opening_time: Str = None
    """Begin, `HHmm` in the venue's zone."""
    closing_time: Str = None
    """End, `HHmm` in the venue's zone."""
    prop: Str = None
    """`LIQUID`."""


class VenueTradingTime(VenueSession, frozen=True, rename="camel"):
    """A stretch in which a venue trades."""

    cancel_day_orders: Str = None
    """`Y` when day orders end with it."""


class VenueDay(Model, frozen=True, rename="camel"):
    """When a venue trades on one day."""

    SPELLINGS = MappingProxyType({"tradingtimes": "tradingTimes"})

    trading_schedule_date: Str = None
    """Day, `YYYYMMDD`; 20000101 to 20000107 mean any Saturday to any Friday."""
    clearing_cycle_end_time: Str = None
    """End of the clearing cycle, `HHmm`."""
    sessions: tuple[VenueSession, ...] | VenueSession | None = None
    """When it is liquid: one, or several."""
    trading_times: tuple[VenueTradingTime, ...] | None = None
    """When it trades; two spellings of the key are known."""


class VenueSchedule(Model, frozen=True, rename="camel"):
    """When one venue trades. Source: `GET /trsrv/secdef/schedule`."""

    id: Str = None
    """IBKR's id of the venue's schedule."""
    trade_venue_id: Str = None
    """IBKR's id of the venue."""
    exchange: Str = None
    """Exchange."""
    description: Str = None
    """Name for people."""
    timezone: Str = None
    """Zone of all times."""
    schedules: tuple[VenueDay, ...] | None = None
    """Its days."""
