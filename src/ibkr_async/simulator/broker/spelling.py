"""How IBKR writes numbers and times.

Responsible for turning exact values into the texts of the wire. It must never round money that
is still to be computed with: it is the last step before an answer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from ibkr_async.simulator.broker.instruments import Instrument

_MILLION, _THOUSAND = 1_000_000, 1_000
_LONGEST_VOLUME = 10_000


def price_text(instrument: Instrument, price: Decimal) -> str:
    """Write a price with the instrument's digits: `189.60`, `1.08420`."""
    return f"{price:.{instrument.decimals}f}"


def size_text(size: int) -> str:
    """Write a size with separators: `1,300`."""
    return f"{size:,}"


def volume_text(volume: int) -> str:
    """Write a day's volume shortened: `24.2M`, `512K`, `8,410`."""
    if volume >= _MILLION:
        return f"{volume / _MILLION:.1f}M"
    if volume >= _LONGEST_VOLUME:
        return f"{volume / _THOUSAND:.0f}K"
    return f"{volume:,}"


def cents(amount: Decimal) -> float:
    """Return money for a JSON number: two digits."""
    return float(round(amount, 2))


def whole_money(amount: Decimal, currency: str = "USD") -> str:
    """Write money as account summaries do: `994,831 USD`."""
    return f"{amount:,.0f} {currency}"


def quantity_text(quantity: Decimal) -> str:
    """Write a quantity without needless zeros: `100`, `0.5`."""
    return f"{quantity.normalize():f}"


def _utc(now: float) -> datetime:
    return datetime.fromtimestamp(now, UTC)


def trade_time(now: float) -> str:
    """Write `YYYYMMDD-HH:mm:ss` in UTC, as executions and bars do."""
    return _utc(now).strftime("%Y%m%d-%H:%M:%S")


def read_trade_time(text: str) -> float | None:
    """Read `YYYYMMDD-HH:mm:ss` in UTC; None when the text is something else."""
    try:
        return datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def order_time(now: float) -> str:
    """Write `YYMMDDhhmmss` in UTC, as orders do."""
    return _utc(now).strftime("%y%m%d%H%M%S")


def milliseconds(now: float) -> int:
    """Return Unix milliseconds."""
    return round(now * 1000)


def whole_seconds_ms(now: float) -> int:
    """Return Unix milliseconds cut to the second, as execution times are."""
    return int(now) * 1000
