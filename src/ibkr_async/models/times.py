"""Read and write the time encodings that IBKR mixes: always into aware UTC datetimes.

Pure conversions only: it must never ask what time it is now, and never raise for a number or text
that a server sent (those give None).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

_FIRST_MILLISECONDS: Final = 100_000_000_000
"""As seconds this is the year 5138, as milliseconds March 1973: no IBKR instant is in doubt."""

_COMPACT: Final = "%Y%m%d-%H:%M:%S"


def from_epoch_s(seconds: float | None) -> datetime | None:
    """Turn Unix seconds into a UTC datetime; None for None and for numbers beyond any calendar."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, ValueError, OSError):
        return None


def from_epoch_ms(milliseconds: float | None) -> datetime | None:
    """Turn Unix milliseconds into a UTC datetime; None as for `from_epoch_s`."""
    return None if milliseconds is None else from_epoch_s(milliseconds / 1000)


def epoch_ms(number: int | None) -> int | None:
    """Read seconds or milliseconds as milliseconds, decided by magnitude.

    The portfolio summary was recorded with seconds and is documented with milliseconds.
    """
    if number is None or number >= _FIRST_MILLISECONDS:
        return number
    return number * 1000


def parse_compact_utc(text: str | None) -> datetime | None:
    """Read `20260402-13:30:00`, which is UTC; None when it is not of that form."""
    if not text:
        return None
    try:
        return datetime.strptime(text, _COMPACT).replace(tzinfo=UTC)
    except ValueError:
        return None


def format_compact_utc(moment: datetime) -> str:
    """Write an aware datetime as `20260402-13:30:00` in UTC."""
    return moment.astimezone(UTC).strftime(_COMPACT)


def parse_day(day: str | int | None) -> date | None:
    """Read `20261218`, as text or as a number; None when it is not a day."""
    try:
        return datetime.strptime(str(day), "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
