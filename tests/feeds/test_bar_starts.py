"""A growing bar begins where the final one will, wherever the exchange begins its bars."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from ibkr_async.feeds import Bars
from ibkr_async.models.base import decode
from ibkr_async.models.history import HistoryReply, span_s
from ibkr_async.models.streaming import PriceBar
from stream.core_feeds import CoreFeeds

MINUTE = 60_000


def ms(text: str) -> int:
    """Read `2026-10-30T13:30` as Unix milliseconds."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def text(at_ms: int) -> str:
    """Write Unix milliseconds as `10-30T13:30`."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime("%m-%dT%H:%M")


class Given(NamedTuple):
    """A bar, and when it was given."""

    bar: PriceBar
    at_ms: int


class Exchange:
    """A market whose bars are these spans; its history has a bar once somebody has traded in it."""

    def __init__(self, spans: Sequence[tuple[str, str]]) -> None:
        self.spans = [(ms(begin), ms(end)) for begin, end in spans]
        self.now_ms = self.spans[0][0] + MINUTE
        self.feeds = CoreFeeds(self)
        self.trades: list[int] = [self.spans[0][0]]
        self.asked = 0

    def wall(self) -> float:
        """Return the time."""
        return self.now_ms / 1000

    monotonic = wall

    async def sleep(self, _seconds: float) -> None:
        """Let others run; they move the time."""
        await asyncio.sleep(0)

    async def history(self, _conid: int, period: str, until: datetime | None) -> HistoryReply:
        """Answer as IBKR does: bars in which somebody has traded, where they begin."""
        self.asked += 1
        await asyncio.sleep(0)
        end = self.now_ms if until is None else round(until.timestamp() * 1000)
        begin = end - (span_s(period) or 0) * 1000
        rows = ",".join(
            f'{{"o":{price},"h":{price},"l":{price},"c":{price},"v":1,"t":{start}}}'
            for price, (start, stop) in enumerate(self.spans, 1)
            if stop > begin and start <= end and any(start <= at < stop for at in self.trades)
        )
        return decode(HistoryReply, f'{{"volumeFactor":1,"data":[{rows}]}}')

    def _price(self) -> int:
        """Return the price of the span that is open, which is the same all the time; 0 for none."""
        return next(
            (n for n, (begin, end) in enumerate(self.spans, 1) if begin <= self.now_ms < end), 0
        )

    async def play(self, bar: str, *, step_s: int, quotes_outside: bool = False) -> list[Given]:
        """Trade once in each step of the spans, and follow the bars until the last one has ended."""
        given: list[Given] = []
        bars = Bars(self.feeds.upstream, self.history, 8314, bar=bar, since="1min", settle_s=2.0)

        async def follow() -> None:
            async for one in bars:
                given.append(Given(one, self.now_ms))  # noqa: PERF401 - each at its own time

        following = asyncio.create_task(follow())
        async with bars:
            stop = self.spans[-1][1] + (26 if bar == "1d" else 5) * 60 * MINUTE
            while self.now_ms < stop:
                price = self._price()
                if price:
                    self.trades.append(self.now_ms)
                elif quotes_outside:
                    price = 99
                # Without a trade: something else has changed, which wakes the feed.
                last = f'"31":"{price}",' if price else ""
                self.feeds.receive(
                    f'{{"conid":8314,"_updated":{self.now_ms},{last}"topic":"smd+8314"}}'
                )
                for _ in range(8):
                    await asyncio.sleep(0)
                self.now_ms += step_s * 1000
        following.cancel()
        return given


NEW_YORK_HOURS = [
    ("2026-10-28T13:30", "2026-10-28T14:00"),
    ("2026-10-28T14:00", "2026-10-28T15:00"),
    ("2026-10-28T15:00", "2026-10-28T16:00"),
    ("2026-10-28T16:00", "2026-10-28T17:00"),
]
SESSION_HOURS = [
    ("2026-10-28T13:30", "2026-10-28T14:30"),
    ("2026-10-28T14:30", "2026-10-28T15:30"),
    ("2026-10-28T15:30", "2026-10-28T16:30"),
]
TOKYO_HOURS = [
    ("2026-10-28T00:00", "2026-10-28T01:00"),
    ("2026-10-28T01:00", "2026-10-28T02:00"),
    ("2026-10-28T02:00", "2026-10-28T02:30"),
    ("2026-10-28T03:30", "2026-10-28T04:30"),
    ("2026-10-28T04:30", "2026-10-28T05:30"),
]
BOMBAY_HALF_HOURS = [
    ("2026-10-28T03:45", "2026-10-28T04:00"),
    ("2026-10-28T04:00", "2026-10-28T04:30"),
    ("2026-10-28T04:30", "2026-10-28T05:00"),
]
HALF_DAY = [
    ("2026-11-26T14:30", "2026-11-26T18:30"),
    ("2026-11-26T18:30", "2026-11-26T21:00"),
    ("2026-11-27T14:30", "2026-11-27T18:00"),
    ("2026-11-30T14:30", "2026-11-30T18:30"),
    ("2026-11-30T18:30", "2026-11-30T21:00"),
]
CLOCK_FOUR_HOURS = [
    ("2026-10-28T13:30", "2026-10-28T16:00"),
    ("2026-10-28T16:00", "2026-10-28T20:00"),
    ("2026-10-29T13:30", "2026-10-29T16:00"),
]
AUTUMN_DAYS = [
    ("2026-10-29T13:30", "2026-10-29T20:00"),
    ("2026-10-30T13:30", "2026-10-30T20:00"),
    ("2026-11-02T14:30", "2026-11-02T21:00"),
    ("2026-11-03T14:30", "2026-11-03T21:00"),
]
SPRING_DAYS = [
    ("2026-03-06T14:30", "2026-03-06T21:00"),
    ("2026-03-09T13:30", "2026-03-09T20:00"),
    ("2026-03-10T13:30", "2026-03-10T20:00"),
]
DAY_OF_25_HOURS = [
    ("2026-10-31T04:00", "2026-11-01T04:00"),
    ("2026-11-01T04:00", "2026-11-02T05:00"),
    ("2026-11-02T05:00", "2026-11-03T05:00"),
]
DAY_OF_23_HOURS = [
    ("2026-03-07T05:00", "2026-03-08T05:00"),
    ("2026-03-08T05:00", "2026-03-09T04:00"),
    ("2026-03-09T04:00", "2026-03-10T04:00"),
]
CASES = [
    pytest.param("1h", NEW_YORK_HOURS, 20, id="hours cut by the clock"),
    pytest.param("1h", SESSION_HOURS, 20, id="hours of the session"),
    pytest.param("1h", TOKYO_HOURS, 20, id="lunch"),
    pytest.param("30min", BOMBAY_HALF_HOURS, 20, id="half hours from a quarter to"),
    pytest.param("4h", HALF_DAY, 60, id="half day"),
    pytest.param("4h", CLOCK_FOUR_HOURS, 60, id="four hours cut by the clock"),
    pytest.param("1d", AUTUMN_DAYS, 300, id="autumn"),
    pytest.param("1d", SPRING_DAYS, 300, id="spring"),
    pytest.param("1d", DAY_OF_25_HOURS, 300, id="25 hours"),
    pytest.param("1d", DAY_OF_23_HOURS, 300, id="23 hours"),
    pytest.param("5min", [
        ("2026-10-28T02:20", "2026-10-28T02:25"),
        ("2026-10-28T02:25", "2026-10-28T02:30"),
        ("2026-10-28T03:30", "2026-10-28T03:35"),
        ("2026-10-28T03:35", "2026-10-28T03:40"),
    ], 5, id="five minutes around lunch"),
]  # fmt: skip


@pytest.mark.parametrize("quotes_outside", [False, True])
@pytest.mark.parametrize(("bar", "spans", "step_s"), CASES)
async def test_growing_bar_begins_where_the_final_one_does(
    bar: str, spans: list[tuple[str, str]], step_s: int, *, quotes_outside: bool
) -> None:
    """Each bar grows, becomes final once and in order; none is shown that never becomes final.

    Quotes outside the sessions, as before the opening, make no bar.
    """
    exchange = Exchange(spans)
    given = await exchange.play(bar, step_s=step_s, quotes_outside=quotes_outside)
    starts = [text(ms(begin)) for begin, _ in spans]

    assert [text(one.bar.t) for one in given if one.bar.final] == starts
    grown = dict.fromkeys(text(one.bar.t) for one in given if not one.bar.final)
    assert list(grown) == starts


@pytest.mark.parametrize(("bar", "spans", "step_s"), CASES)
async def test_final_bar_comes_soon_after_the_next_one_has_begun(
    bar: str, spans: list[tuple[str, str]], step_s: int
) -> None:
    """And a bar begins to be shown soon after its first trade."""
    given = await Exchange(spans).play(bar, step_s=step_s)
    finals = {one.bar.t: one.at_ms for one in given if one.bar.final}
    growing = {one.bar.t: one.at_ms for one in reversed(given) if not one.bar.final}

    for begin, _ in spans[1:]:
        before = max(start for start in finals if start < ms(begin))
        assert finals[before] - ms(begin) <= 3 * step_s * 1000
        assert growing[ms(begin)] - ms(begin) <= 3 * step_s * 1000


@pytest.mark.parametrize(("bar", "spans", "step_s"), CASES)
async def test_no_bar_has_trades_of_the_next_one(
    bar: str, spans: list[tuple[str, str]], step_s: int
) -> None:
    """What is shown of a bar was traded within it: each has a price of its own."""
    given = await Exchange(spans).play(bar, step_s=step_s)
    price_of = {ms(begin): float(price) for price, (begin, _) in enumerate(spans, 1)}

    for shown, _ in given:
        assert (shown.low, shown.high, shown.close) == (price_of[shown.t],) * 3


async def test_history_is_not_asked_all_the_time() -> None:
    """Hours of the session have one more request each; quotes after its end have a few an hour."""
    exchange = Exchange([(f"2026-10-28T{h}:30", f"2026-10-28T{h + 1}:30") for h in range(13, 20)])
    await exchange.play("1h", step_s=20, quotes_outside=True)

    # Seven bars, and five hours of quotes without a bar.
    assert exchange.asked < 7 * 4 + 5 * 45
