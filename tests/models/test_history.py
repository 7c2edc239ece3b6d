from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.errors import UsageError
from ibkr_async.models.base import decode
from ibkr_async.models.history import BARS, Bar, HistoryReply, check_period_and_bar
from ibkr_async.models.streaming import BarsMessage
from ibkr_async.models.times import (
    epoch_ms,
    format_compact_utc,
    from_epoch_ms,
    from_epoch_s,
    parse_compact_utc,
    parse_day,
)

SAMPLES = Path(__file__).parents[1] / "samples" / "rest"


def history() -> HistoryReply:
    """Decode the sample of two bars."""
    return decode(HistoryReply, (SAMPLES / "history.json").read_bytes())


def test_bars_have_real_prices_and_a_start() -> None:
    """`price_factor` does not touch the bars, and `t` is their start in UTC."""
    first = history().bars[0]

    assert (first.open, first.high, first.low, first.close) == (646.5, 647.5, 646.38, 646.9)
    assert first.starts_at == datetime(2026, 4, 2, 13, 30, tzinfo=UTC)
    assert history().starts_at == first.starts_at
    assert not history().extra


def test_shares_are_volume_times_factor() -> None:
    """A volume of 100.5 with factor 40 is 4020 shares."""
    reply = history()

    assert reply.volume_factor == 40
    assert reply.shares(reply.bars[0]) == pytest.approx(4020.0)


def test_shares_are_unknown_without_factor_or_volume() -> None:
    """A factor that was not sent is not guessed."""
    assert HistoryReply().shares(Bar(volume=5.0)) is None
    assert HistoryReply(volume_factor=100.0).shares(Bar()) is None


def test_no_bars_is_an_empty_tuple() -> None:
    """An answer without data gives no bars."""
    assert decode(HistoryReply, b'{"data":null}').bars == ()
    assert Bar().starts_at is None
    assert decode(HistoryReply, b'{"data":null}').starts_at is None


@pytest.mark.parametrize("kind", [HistoryReply, BarsMessage])
def test_empty_window_has_no_bar(kind: type[HistoryReply]) -> None:
    """IBKR fills it with one bar of zeros that has no time: nobody traded at 0."""
    reply = decode(kind, b'{"startTime":"20260404-13:30:00","points":0,"data":[{"o":0.0,"c":0.0}]}')

    assert reply.bars == ()
    assert reply.starts_at is None
    assert reply.data == (Bar(open=0.0, close=0.0),)


def test_start_is_that_of_the_first_bar_not_of_the_window() -> None:
    """Of daily bars the documentation's `startTime` is one day before the first bar."""
    reply = decode(
        HistoryReply, b'{"startTime":"20250513-13:30:00","data":[{"c":1,"t":1747229400000}]}'
    )

    assert reply.starts_at == datetime(2025, 5, 14, 13, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("period", "bar"),
    [
        ("1min", "1min"),
        ("1h", "8h"),
        ("1d", "1min"),
        ("2d", "1min"),
        ("2d", "1d"),
        ("1w", "10min"),
        ("3m", "1m"),
        ("12m", "4h"),
        ("1y", "8h"),
        ("3y", "1d"),
        ("15y", "1w"),
        ("1000d", "1d"),
        ("182m", "1w"),
        ("792w", "1m"),
    ],
)
def test_documented_periods_and_bars_are_allowed(period: str, bar: str) -> None:
    """Rows of IBKR's table, and periods between two rows, pass."""
    check_period_and_bar(period, bar)


@pytest.mark.parametrize(
    ("period", "bar", "words"),
    [
        ("1d", "1s", "bar '1s' is not one of 1min"),
        ("1d", "5m", "m is a month"),
        ("0d", "1min", "period '0d' is not one of"),
        ("1 d", "1min", "period '1 d' is not one of"),
        ("31min", "1min", "1-30min"),
        ("16y", "1w", "1-15y"),
        ("1min", "2min", "allows 1min to 1min"),
        ("1d", "1d", "allows 1min to 8h"),
        ("1w", "5min", "allows 10min to 1w"),
        ("15y", "1d", "allows 1w to 1m"),
    ],
)
def test_other_periods_and_bars_are_refused_with_what_is_allowed(
    period: str, bar: str, words: str
) -> None:
    """The message says which values would do."""
    with pytest.raises(UsageError, match=words):
        check_period_and_bar(period, bar)


@given(period=st.text(max_size=8), bar=st.sampled_from(BARS))
def test_any_text_as_period_is_allowed_or_refused_clearly(period: str, bar: str) -> None:
    """Whatever is typed, nothing but `UsageError` comes out."""
    with contextlib.suppress(UsageError):
        check_period_and_bar(period, bar)


def test_instants_are_decided_by_magnitude() -> None:
    """Seconds become milliseconds; milliseconds stay."""
    assert epoch_ms(1_775_169_606) == 1_775_169_606_000
    assert epoch_ms(1_775_169_606_000) == 1_775_169_606_000
    assert epoch_ms(None) is None


def test_impossible_instants_are_none() -> None:
    """A server's nonsense never raises."""
    assert from_epoch_s(None) is None
    assert from_epoch_s(1e30) is None
    assert from_epoch_ms(None) is None
    assert parse_compact_utc(None) is None
    assert parse_compact_utc("20261341-00:00:00") is None
    assert parse_day("") is None


def test_compact_text_is_read_and_written_in_utc() -> None:
    """What is written is read back as the same instant."""
    moment = datetime(2026, 4, 2, 13, 30, tzinfo=UTC)

    assert format_compact_utc(moment) == "20260402-13:30:00"
    assert parse_compact_utc("20260402-13:30:00") == moment
