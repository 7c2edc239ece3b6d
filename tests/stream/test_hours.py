"""Trading hours by contract."""

from __future__ import annotations

import pytest

from ibkr_async.models.base import decode
from ibkr_async.models.contracts import TradingSchedule
from ibkr_async.stream.hours import MarketHours

SCHEDULE = decode(
    TradingSchedule,
    b'{"exchange_time_zone":"US/Eastern","schedules":{'
    b'"20260922":{"liquid_hours":[{"opening":1000,"closing":2000}],'
    b'"extended_hours":[{"opening":900,"closing":2100}]},'
    b'"20260923":{"liquid_hours":[{"opening":3000,"closing":4000}]},'
    b'"20260924":{}}}',
)


def is_open(schedule: TradingSchedule, now: float, target: str = "265598") -> bool | None:
    """Ask about the contract whose schedule this is."""
    hours = MarketHours(lambda: now)
    hours[265598] = schedule
    return hours.is_open(target)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (800, False),
        (900, True),
        (950, True),
        (2050, True),
        (2100, False),
        (3000, True),
        (3500, True),
        (3999, True),
        (4000, None),
        (4001, None),
    ],
)
def test_hours_are_read_from_the_schedule(now: float, expected: bool | None) -> None:
    """Extended hours where there are some; beyond the last day nothing is known."""
    assert is_open(SCHEDULE, now) is expected
    assert is_open(SCHEDULE, now, "265598@ARCA") is expected


@pytest.mark.parametrize("half", [b'{"opening":1}', b'{"closing":9000}'])
def test_half_a_span_is_none(half: bytes) -> None:
    """Neither an opening without its closing nor a closing alone says anything."""
    schedule = decode(
        TradingSchedule,
        b'{"schedules":{"20260922":{"liquid_hours":[%b,{"opening":10,"closing":20}]}}}' % half,
    )

    assert [is_open(schedule, now) for now in (5, 15, 20)] == [False, True, None]


def test_days_may_come_in_any_order() -> None:
    """The last closing counts."""
    schedule = decode(
        TradingSchedule,
        b'{"schedules":{"b":{"liquid_hours":[{"opening":30,"closing":40}]},'
        b'"a":{"liquid_hours":[{"opening":10,"closing":20}]}}}',
    )

    assert [is_open(schedule, now) for now in (15, 25, 35, 40)] == [True, False, True, None]


def test_contracts_without_hours_are_not_judged() -> None:
    """Unknown, forgotten, a combination, an empty schedule."""
    hours = MarketHours(lambda: 0.0)
    hours[1] = SCHEDULE
    hours[2] = decode(TradingSchedule, b"{}")
    assert 1 in hours
    assert 9 not in hours
    del hours[1]
    assert 1 not in hours

    assert [hours.is_open(target) for target in ("1", "2", "9", "28812380;;;1/1,2/-1")] == [
        None, None, None, None,
    ]  # fmt: skip
