"""Calendar rules of the simulated exchanges.

Responsible for New York's clock, expiry dates and trading schedules, computed from Unix time.
It must never read a clock. New York's offset is computed here, so that the simulator does not
depend on a time-zone database being installed. Exchange holidays are not known.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

_MARCH, _NOVEMBER = 3, 11
_FRIDAY, _SATURDAY = 4, 5
_QUARTER_MONTHS = 3
_ROLL_DAYS = 7


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def new_york(now: float) -> datetime:
    """Return the New York wall clock at a Unix time.

    Summer time lasts from the second Sunday of March to the first Sunday of November, 2 a.m.
    """
    utc = datetime.fromtimestamp(now, UTC)
    start = datetime.combine(_nth_weekday(utc.year, _MARCH, 6, 2), time(7), UTC)
    end = datetime.combine(_nth_weekday(utc.year, _NOVEMBER, 6, 1), time(6), UTC)
    return utc.astimezone(timezone(timedelta(hours=-4 if start <= utc < end else -5)))


def new_york_time(day: date, at: time) -> float:
    """Return the Unix time of a New York wall-clock time of day."""
    # At noon UTC the offset of the day is settled: changes happen before.
    noon = datetime.combine(day, time(12), UTC).timestamp()
    return datetime.combine(day, at, new_york(noon).tzinfo).timestamp()


def third_friday(year: int, month: int) -> date:
    """Return the expiry day of a month's options and index futures."""
    return _nth_weekday(year, month, _FRIDAY, 3)


def quarterly_expiries(now: float, count: int) -> list[date]:
    """Return the next March, June, September or December expiries, at least a week away."""
    today = new_york(now).date()
    year, month = today.year, (today.month + 2) // _QUARTER_MONTHS * _QUARTER_MONTHS
    found: list[date] = []
    while len(found) < count:
        expiry = third_friday(year, month)
        if (expiry - today).days >= _ROLL_DAYS:
            found.append(expiry)
        year, month = (year + 1, _QUARTER_MONTHS) if month == 12 else (year, month + 3)  # noqa: PLR2004 - December
    return found


def month_code(day: date) -> str:
    """Spell an expiry month as option chains do: `DEC26`."""
    return day.strftime("%b%y").upper()


def weekdays_from(now: float, count: int) -> list[date]:
    """Return today (New York) and the following days, without weekends."""
    day = new_york(now).date()
    found: list[date] = []
    while len(found) < count:
        if day.weekday() < _SATURDAY:
            found.append(day)
        day += timedelta(days=1)
    return found


def trading_schedule(now: float, *, days: int = 6) -> dict[str, object]:
    """Return the answer of `/contract/trading-schedule`: epoch seconds per trading day.

    Source: GET /contract/trading-schedule, recorded shape.
    """
    return {
        "exchange_time_zone": "US/Eastern",
        "schedules": {
            day.strftime("%Y%m%d"): {
                "liquid_hours": [_hours(day, time(9, 30), time(16))],
                "extended_hours": [
                    {"cancel_daily_orders": True, **_hours(day, time(4), time(20))},
                ],
            }
            for day in weekdays_from(now, days)
        },
    }


def _hours(day: date, opening: time, closing: time) -> dict[str, int]:
    return {
        "opening": int(new_york_time(day, opening)),
        "closing": int(new_york_time(day, closing)),
    }
