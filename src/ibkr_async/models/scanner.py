"""Answers of the market scanner.

Responsible for their shapes only.
"""

from __future__ import annotations

import msgspec

from ibkr_async.models.base import Bool, Int, Model, Str


class ScanType(Model, frozen=True):
    """What can be scanned for."""

    display_name: Str = None
    """Name for people, such as `Top % Gainers`."""
    code: Str = None
    """What a scan is asked for with, such as `TOP_PERC_GAIN`."""
    instruments: tuple[Str, ...] | None = None
    """Instruments for which there is such a scan."""


class ScanInstrument(Model, frozen=True):
    """A kind of instrument that can be scanned."""

    display_name: Str = None
    """Name for people."""
    type: Str = None
    """What a scan is asked for with, such as `STK`."""
    filters: tuple[Str, ...] | None = None
    """Codes of the filters that fit it."""


class ScanChoice(Model, frozen=True):
    """One value of a filter with a list of values."""

    default: Bool = None
    """It is meant where none is named."""
    vendor: Str = None
    """Who supplies it; null was recorded."""


class ScanFilter(Model, frozen=True):
    """A filter of a scan."""

    group: Str = None
    """Group of filters for one figure."""
    display_name: Str = None
    """Name for people."""
    code: Str = None
    """What a scan is asked for with, such as `priceAbove`."""
    type: Str = None
    """`range`, `non-range`, `combo`, …"""
    combo_values: tuple[ScanChoice, ...] | None = None
    """Values to choose from."""


class ScanLocation(Model, frozen=True):
    """A market, or a group of them."""

    display_name: Str = None
    """Name for people."""
    type: Str = None
    """What a scan is asked for with, such as `STK.US.MAJOR`; at the top, the instrument."""
    locations: tuple[ScanLocation, ...] | None = None
    """What it consists of."""


class ScannerParameters(Model, frozen=True):
    """All that can be scanned. Source: `GET /iserver/scanner/params`.

    Choose an instrument, a location below the node of `location_tree` that has the instrument's type,
    and a scan type whose `instruments` have it.
    """

    scan_type_list: tuple[ScanType, ...] | None = None
    """What can be scanned for."""
    instrument_list: tuple[ScanInstrument, ...] | None = None
    """Kinds of instruments."""
    filter_list: tuple[ScanFilter, ...] | None = None
    """Filters."""
    location_tree: tuple[ScanLocation, ...] | None = None
    """Markets."""


class ScannerRow(Model, frozen=True):
    """One contract that a scan found."""

    server_id: Str = None
    """Rank, from `0`."""
    symbol: Str = None
    """Symbol."""
    conidex: Str = None
    """Contract id as text."""
    conid: Int = msgspec.field(default=None, name="con_id")
    """Contract id."""
    company_name: Str = None
    """Company or product."""
    contract_description_1: Str = None
    """Contract for people."""
    listing_exchange: Str = None
    """Primary exchange."""
    sec_type: Str = None
    """Security type."""
    available_chart_periods: Str = None
    """IBKR's own code of the history that there is."""
    column_name: Str = None
    """Name of the figure, on the first row only."""
    scan_data: Str = None
    """The figure as text; live answers had none."""


class ScannerResult(Model, frozen=True):
    """What a scan found, best first. Source: `POST /iserver/scanner/run`."""

    contracts: tuple[ScannerRow, ...] | None = None
    """At most 50 contracts."""
    scan_data_column_name: Str = None
    """Name of the figure by which they are ranked, such as `Chg%`."""
