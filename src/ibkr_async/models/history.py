"""Historical bars, and which spans and bar sizes may be asked for.

Responsible for the shape of the answer and for IBKR's table of periods and bars. Prices are floats:
they are measured.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from ibkr_async.errors import UsageError
from ibkr_async.models.base import Bool, Float, Int, Model, Str
from ibkr_async.models.times import from_epoch_ms

if TYPE_CHECKING:
    from datetime import datetime

_UNIT_MINUTES: Final = {
    "min": 1,
    "h": 60,
    "d": 24 * 60,
    "w": 7 * 24 * 60,
    "m": 30 * 24 * 60,
    "y": 365 * 24 * 60,
}

BARS: Final = (
    "1min 2min 3min 5min 10min 15min 30min 1h 2h 3h 4h 8h 1d 1w 1m".split()  # noqa: SIM905 - reads as IBKR's table
)
"""Bar sizes that the documentation names, ascending; `m` is a month."""

_LONGEST_PERIOD: Final = {"min": 30, "h": 8, "d": 1000, "w": 792, "m": 182, "y": 15}

_BARS_BY_PERIOD: Final = (
    ("1min", "1min", "1min"),
    ("1h", "1min", "8h"),
    ("1d", "1min", "8h"),
    ("1w", "10min", "1w"),
    ("1m", "1h", "1m"),
    ("3m", "2h", "1m"),
    ("6m", "4h", "1m"),
    ("1y", "8h", "1m"),
    ("2y", "1d", "1m"),
    ("3y", "1d", "1m"),
    ("15y", "1w", "1m"),
)
"""(period, smallest bar, largest bar), ascending. Source: "Available Chart Bar Units", `/hist`."""

_SPAN: Final = re.compile(r"([1-9][0-9]{0,3})(min|[hdwmy])")


class Bar(Model, frozen=True):
    """One bar. Prices are real prices; the answer's `price_factor` does not apply to them."""

    open: Float = msgspec.field(default=None, name="o")
    """Opening price; for `Bid_Ask` bars the average bid."""
    close: Float = msgspec.field(default=None, name="c")
    """Closing price; for `Bid_Ask` bars the average ask."""
    high: Float = msgspec.field(default=None, name="h")
    """Highest price; for `Bid_Ask` bars the highest ask."""
    low: Float = msgspec.field(default=None, name="l")
    """Lowest price; for `Bid_Ask` bars the lowest bid."""
    volume: Float = msgspec.field(default=None, name="v")
    """Volume in units of the answer's `volume_factor`; see `HistoryReply.shares`."""
    t: Int = None
    """Start of the bar, Unix milliseconds."""

    @property
    def starts_at(self) -> datetime | None:
        """Start of the bar as UTC datetime."""
        return from_epoch_ms(self.t)


class HistoryReply(Model, frozen=True, rename="camel"):
    """Bars of one contract, oldest first. The newest bar may still be forming.

    Source: `GET /iserver/marketdata/history`.
    """

    server_id: Str = None
    """Which server answered."""
    symbol: Str = None
    """Ticker."""
    text: Str = None
    """Company or product."""
    price_factor: Int = None
    """Factor of the prices in `high` and `low`, not of those in `bars`."""
    start_time: Str = None
    """Where the window begins, `YYYYMMDD-HH:mm:ss` UTC. The first daily bar was seen a day later: see
    `starts_at`."""
    chart_pan_start_time: Str = None
    """Where an older window would begin, `YYYYMMDD-HH:mm:ss` UTC."""
    high: Str = None
    """Highest price, volume and minutes since the start, joined by `/`; the price is multiplied."""
    low: Str = None
    """Lowest price, volume and minutes since the start, joined by `/`; the price is multiplied."""
    time_period: Str = None
    """Period that was returned, such as `1d`."""
    bar_length: Int = None
    """Length of a bar in seconds."""
    md_availability: Str = None
    """Availability code of the data."""
    mkt_data_delay: Int = None
    """Delay of the data in milliseconds; 0 for none."""
    outside_rth: Bool = None
    """Bars outside regular trading hours are included."""
    trading_day_duration: Int = None
    """Minutes in a trading day."""
    volume_factor: Float = None
    """Shares per unit of `Bar.volume`: 40 and 100 were both seen."""
    price_display_rule: Int = None
    """IBKR's own code for writing prices."""
    price_display_value: Str = None
    """Digits that IBKR's own charts show."""
    negative_capable: Bool = None
    """Prices may be negative."""
    message_version: Int = None
    """Version of this answer's format."""
    direction: Int = None
    """-1 when the window ends at the time asked for."""
    data: tuple[Bar, ...] | None = None
    """The bars as sent, the placeholder of an empty window among them; see `bars`."""
    points: Int = None
    """Number of bars, as IBKR counts them (one less than there are; 0 also for an empty window)."""
    travel_time: Int = None
    """Milliseconds that IBKR needed."""

    @property
    def bars(self) -> tuple[Bar, ...]:
        """The bars, oldest first; empty when there are none.

        A window without trades comes with one bar of zeros that has no time: that is no bar.
        """
        return tuple(bar for bar in self.data or () if bar.t is not None)

    @property
    def starts_at(self) -> datetime | None:
        """Start of the first bar as UTC datetime; None when there is none."""
        return min((at for bar in self.bars if (at := bar.starts_at)), default=None)

    def shares(self, bar: Bar) -> float | None:
        """Return a bar's volume in shares (or contracts): volume times volume factor.

        Shape: None when either was not sent; guessing a factor would be wrong by 40 or 100.
        """
        if bar.volume is None or self.volume_factor is None:
            return None
        return bar.volume * self.volume_factor


def span_s(span: str) -> int | None:
    """Read a span such as `5min` or `2d` as seconds; None when it is none.

    Months and years are taken as 30 and 365 days.
    """
    return _minutes(span) * 60 if _SPAN.fullmatch(str(span)) else None


def check_period_and_bar(period: str, bar: str) -> None:
    """Refuse a period or bar size that IBKR's table does not allow.

    A period between two rows of the table may use the bars of either row.
    Errors: `UsageError` that says what is allowed.
    """
    if bar not in BARS:
        raise UsageError(
            f"bar {bar!r} is not one of {', '.join(BARS)} (m is a month, min a minute)"
        )
    span = _SPAN.fullmatch(str(period))
    if span is None or int(span[1]) > _LONGEST_PERIOD[span[2]]:
        raise UsageError(
            f"period {period!r} is not one of 1-30min, 1-8h, 1-1000d, 1-792w, 1-182m, 1-15y "
            "(m is a month, min a minute)"
        )
    smallest, largest = _allowed_bars(_minutes(period))
    if not _minutes(smallest) <= _minutes(bar) <= _minutes(largest):
        raise UsageError(
            f"bar {bar!r} does not fit period {period!r}: IBKR allows {smallest} to {largest}"
        )


def _allowed_bars(period_minutes: int) -> tuple[str, str]:
    smallest = largest = ""
    for row, row_smallest, row_largest in _BARS_BY_PERIOD:
        row_minutes = _minutes(row)
        if row_minutes <= period_minutes or not smallest:
            smallest = row_smallest
        largest = row_largest
        if row_minutes >= period_minutes:
            break
    return smallest, largest


def _minutes(span: str) -> int:
    """Read a span that is known to be well formed; months and years are taken as 30 and 365 days."""
    count = span.rstrip("dhimnwy")
    return int(count) * _UNIT_MINUTES[span[len(count) :]]
