"""How the past is asked for, and what is read from an answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.errors import UsageError
from ibkr_async.feeds._backfill import Page, is_cut, length_s, next_page, period_of, read_page
from ibkr_async.models.base import decode
from ibkr_async.models.history import BARS, HistoryReply, check_period_and_bar, span_s
from ibkr_async.models.streaming import PriceBar

START = 1_790_000_040_000  # a full minute
MINUTE = 60_000
SIZES = "1min 2min 3min 5min 10min 15min 30min 1h 2h 3h 4h 8h 1d 1w 1m".split()  # noqa: SIM905 - IBKR's table


# --- sizes and periods ---------------------------------------------------------------------------


def test_length_of_every_bar_size() -> None:
    """A month is `m`, and thirty days."""
    minutes = [1, 2, 3, 5, 10, 15, 30, 60, 120, 180, 240, 480, 1_440, 7 * 1_440, 30 * 1_440]

    assert [length_s(size) for size in BARS] == [60 * each for each in minutes]


@pytest.mark.parametrize("bar", ["7min", "2d", "1y", "0min", "bar", ""])
def test_size_that_ibkr_has_not_is_refused(bar: str) -> None:
    """Spans that are no size of a bar too."""
    with pytest.raises(UsageError, match="not one of 1min"):
        length_s(bar)


def test_periods_are_spelled_as_ibkr_does() -> None:
    """Rounded up."""
    seconds = (1, 60, 61, 1800, 1801, 3600, 3601, 28_800, 28_801, 86_400, 86_401)

    assert [period_of(s) for s in seconds] == [
        "1min", "1min", "2min", "30min", "1h", "1h", "2h", "8h", "1d", "1d", "2d",
    ]  # fmt: skip


# --- pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bar", "age_ms", "period", "until_after_s"),
    [
        ("1min", 0, "3min", None),
        ("1min", 60_000, "3min", None),
        ("1min", 60_001, "4min", None),
        ("1min", 600_000, "12min", None),
        ("1min", 28_680_000, "8h", None),
        ("1min", 28_680_001, "1d", None),
        ("1min", 59_820_000, "1d", None),
        ("1min", 59_940_000, "1d", None),
        ("1min", 59_940_001, "1d", 59_940),
        ("1min", 864_000_000, "1d", 59_940),
        ("2min", 864_000_000, "2d", 119_880),
        ("5min", 864_000_000, "4d", 299_700),
        ("1h", 41 * 86_400_000, "42d", None),
        ("1h", 42 * 86_400_000, "42d", 3_596_400),
        ("8h", 400 * 86_400_000, "333d", 28_771_200),
        ("1d", 0, "3d", None),
        ("1d", 998 * 86_400_000, "999d", None),
        ("1d", 1_001 * 86_400_000, "999d", 999 * 86_400),
        ("1w", 0, "15y", None),
        ("1m", 9_999 * 86_400_000, "15y", None),
    ],
)
def test_first_page(bar: str, age_ms: int, period: str, until_after_s: int | None) -> None:
    """Two bars more than the span, at least three, and at most a thousand: then the oldest first."""
    until_ms = None if until_after_s is None else START + until_after_s * 1000

    assert next_page(bar, START, START + age_ms) == Page(period, until_ms)


@given(st.sampled_from(SIZES), st.integers(0, 10 * 365 * 86_400))
def test_every_page_is_one_that_ibkr_offers_and_wants_a_thousand_bars(bar: str, age_s: int) -> None:
    """Whatever the size and the past, periods are of IBKR's table; of a page no more is wanted."""
    now = START + age_s * 1000
    page = next_page(bar, START, now)
    check_period_and_bar(page.period, bar)
    span = span_s(page.period)

    assert span is not None
    end = now if page.until_ms is None else page.until_ms
    assert bar in {"1w", "1m"} or end - START <= 1000 * length_s(bar) * 1000
    assert bar in {"1w", "1m"} or span * 1000 >= end - START
    if page.until_ms is None:
        assert bar in {"1w", "1m"} or now - span * 1000 <= START
    else:
        assert START < page.until_ms <= now


@pytest.mark.parametrize(
    ("count", "short_by", "cut"), [(1000, 3, True), (1000, 2, False), (999, 30, False)]
)
def test_answer_of_a_thousand_bars_that_ends_early_is_cut(
    count: int, short_by: int, *, cut: bool
) -> None:
    """The newest bar may be the one before the end; fewer bars were not cut."""
    rows = ",".join(f'{{"t":{START + n * MINUTE}}}' for n in range(count))
    reply = decode(HistoryReply, f'{{"data":[{rows}]}}')

    assert is_cut(reply, 60, START + (count - 1 + short_by) * MINUTE) is cut


# --- answers -------------------------------------------------------------------------------------


def read(
    *rows: dict[str, Any], until_ms: int | None = None, now_ms: int = 0, factor: float | None = 40
) -> list[PriceBar]:
    """Read an answer about minutes of contract 8314."""
    wire = {"volumeFactor": factor, "data": rows}
    reply = decode(HistoryReply, msgspec.json.encode(wire))
    return read_page(reply, Page("8h", until_ms), conid=8314, length_s=60, now_ms=now_ms)


def test_bar_of_an_answer_has_everything_that_was_sent() -> None:
    """Volume in shares."""
    (bar,) = read({"o": 1, "h": 4, "l": 0.5, "c": 2, "v": 5, "t": START}, now_ms=START + MINUTE)

    assert bar == PriceBar(
        conid=8314,
        t=START,
        length_s=60,
        open=1.0,
        high=4.0,
        low=0.5,
        close=2.0,
        volume=200.0,
        final=True,
        source="history",
    )


def test_volume_without_its_factor_is_not_guessed() -> None:
    """It would be wrong by 40 or 100."""
    (bar,) = read({"v": 5, "t": START}, factor=None)

    assert bar.volume is None


def test_bars_come_oldest_first_and_without_those_of_no_time() -> None:
    """Whatever the order of the answer; none is none."""
    found = read({"t": START + MINUTE}, {"c": 1}, {"t": START}, {"t": START + 2 * MINUTE})

    assert [bar.t for bar in found] == [START, START + MINUTE, START + 2 * MINUTE]
    assert read() == read({"c": 1}) == []


@pytest.mark.parametrize(
    ("now_ms", "final"), [(START + 2 * MINUTE - 1, False), (START + 2 * MINUTE, True)]
)
def test_newest_bar_is_final_when_its_time_is_over(now_ms: int, final: bool) -> None:
    """The others were ended by the next one."""
    found = read({"t": START}, {"t": START + MINUTE}, now_ms=now_ms)

    assert [bar.final for bar in found] == [True, final]


def test_bar_that_reaches_beyond_its_page_is_left_to_the_next() -> None:
    """It may have been cut; one that ends with the page was not, and the one before it is final."""
    ends = START + 3 * MINUTE
    rows = [{"t": START + MINUTE}, {"t": START + 2 * MINUTE}, {"t": START + 2 * MINUTE + 1}]

    assert [bar.t for bar in read(*rows, until_ms=ends)] == [START + MINUTE, START + 2 * MINUTE]
    assert [bar.final for bar in read(*rows, until_ms=ends)] == [True, True]
    assert read({"c": 1, "t": ends - 1}, {"c": 1}, until_ms=ends) == []
