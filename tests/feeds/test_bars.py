from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_async.errors import (
    AuthError,
    IbkrError,
    NotFoundError,
    RateLimitedError,
    RefusedError,
    RequestTimeoutError,
    SessionTimeoutError,
    UnauthorizedError,
    UsageError,
)
from ibkr_async.feeds import Bars
from ibkr_async.models.base import decode
from ibkr_async.models.history import HistoryReply, check_period_and_bar, span_s
from ibkr_async.models.streaming import PriceBar
from ibkr_async.stream.delivery.events import Gap
from stream.core_feeds import CoreFeeds

MINUTE = 60_000
START = 1_790_000_040_000  # a full minute
FACTOR = 40


class Market:
    """IBKR's history of one contract, its live data, and the time."""

    def __init__(self, now_ms: int = START) -> None:
        self.now_ms = now_ms
        self.feeds = CoreFeeds(self)
        self.bars: dict[int, tuple[float, float, float, float, float]] = {}
        self.asked: list[tuple[str, datetime | None]] = []
        self.errors: list[IbkrError] = []
        self.on_ask: Callable[[], None] = lambda: None

    def add_minutes(self, first_ms: int, count: int) -> None:
        """Let IBKR have so many bars."""
        for i in range(count):
            price = 100.0 + i
            self.bars[first_ms + i * MINUTE] = (price, price + 2, price - 2, price + 1, 5.0)

    async def history(self, conid: int, period: str, until: datetime | None) -> HistoryReply:
        """Answer as `GET /iserver/marketdata/history` does."""
        assert conid == 8314
        check_period_and_bar(period, "1min")
        self.asked.append((period, until))
        await asyncio.sleep(0)
        self.on_ask()
        if self.errors:
            raise self.errors.pop(0)
        end = self.now_ms if until is None else round(until.timestamp() * 1000)
        begin = end - (span_s(period) or 0) * 1000
        rows = ",".join(
            f'{{"o":{o},"h":{h},"l":{low},"c":{c},"v":{v},"t":{t}}}'
            for t, (o, h, low, c, v) in sorted(self.bars.items())
            if begin - MINUTE < t <= end and t <= self.now_ms
        )
        return decode(HistoryReply, f'{{"volumeFactor":{FACTOR},"data":[{rows}]}}')

    def make(self, since: str | datetime = "5min", **options: Any) -> Bars:
        """Follow the bars; nothing is waited for."""
        return Bars(
            self.feeds.upstream,
            self.history,
            8314,
            bar="1min",
            since=since,
            **{"settle_s": 0.0, **options},
        )

    wall_ahead_s = 0.0
    """By how much somebody has set the wall clock."""
    looks = 0
    """How often somebody has looked at the wall clock."""

    def wall(self) -> float:
        """Return the time that the wall clock shows."""
        self.looks += 1
        return self.now_ms / 1000 + self.wall_ahead_s

    def monotonic(self) -> float:
        """Give the time."""
        return self.now_ms / 1000

    async def sleep(self, _seconds: float) -> None:
        """Let others run; they move the time."""
        await asyncio.sleep(0)

    def tick(self, at_ms: int, price: str, volume: int | None = None) -> None:
        """Send an update; time goes on to it."""
        self.now_ms = max(self.now_ms, at_ms)
        more = "" if volume is None else f',"7762":"{volume}"'
        self.feeds.receive(
            f'{{"conid":8314,"_updated":{at_ms},"31":"{price}"{more},"topic":"smd+8314"}}'
        )

    def lose(self) -> None:
        """Lose the socket."""
        self.feeds.lose()

    def come_back(self) -> None:
        """Open it again."""
        self.feeds.come_back()


async def take(bars: Bars, count: int) -> list[PriceBar]:
    """Take so many bars."""
    async with asyncio.timeout(5):
        return [await anext(bars) for _ in range(count)]


async def finals(bars: Bars, count: int) -> list[PriceBar]:
    """Take bars until so many final ones have come."""
    found: list[PriceBar] = []
    async with asyncio.timeout(5):
        while len(found) < count:
            bar = await anext(bars)
            found += [bar] * bar.final
    return found


async def settle() -> None:
    """Let the other tasks do what they can do without waiting."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_history_alone_is_finite_and_multiplied_by_the_volume_factor() -> None:
    """Every bar once, the growing one left out, shares for volume."""
    market = Market(START + 5 * MINUTE + 30_000)
    market.add_minutes(START, 6)
    async with market.make("10min", live=False) as bars:
        found = [bar async for bar in bars]

    assert [bar.t for bar in found] == [START + i * MINUTE for i in range(5)]
    assert {(bar.volume, bar.final, bar.source) for bar in found} == {(200.0, True, "history")}
    assert found[0].starts_at == datetime.fromtimestamp(START / 1000, tz=UTC)
    assert market.feeds.sent() == []


async def test_a_long_past_is_asked_for_in_pages_of_at_most_a_thousand_bars() -> None:
    """Two days of minutes: no hole and no repetition where pages meet."""
    days = 2 * 24 * 60
    market = Market(START + days * MINUTE)
    market.add_minutes(START, days)
    async with market.make("2d", live=False) as bars:
        found = [bar.t async for bar in bars]

    assert found == [START + i * MINUTE for i in range(days)]
    assert {period for period, _ in market.asked[:-1]} == {"1d"}
    assert len(market.asked) == 3


@pytest.mark.parametrize("newest", [True, False])
async def test_answers_that_are_cut_leave_no_hole(*, newest: bool) -> None:
    """Whichever end IBKR cuts, a thousand bars are given for each request, or the rest is asked for."""
    days = 2 * 24 * 60
    market = Market(START + days * MINUTE)
    market.add_minutes(START - days * MINUTE, 2 * days)
    whole = market.history

    async def cut(conid: int, period: str, until: datetime | None) -> HistoryReply:
        reply = await whole(conid, period, until)
        kept = reply.bars[-1000:] if newest else reply.bars[:1000]
        return msgspec.structs.replace(reply, data=kept)

    market.history = cut  # type: ignore[method-assign]  # the exchange's own limit
    async with market.make("2d", live=False) as bars:
        found = [bar.t async for bar in bars]

    assert found == [START + i * MINUTE for i in range(days)]
    assert len(market.asked) == (3 if newest else 6)


async def test_download_waits_for_its_turn_and_says_how_long(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """However often, and although nothing has been given yet."""
    market = Market(START + 2 * MINUTE)
    market.add_minutes(START, 2)
    busy = RateLimitedError("GET history", 429, "not sent", retry_after_s=42.0, was_sent=False)
    market.errors = [busy] * 5
    waited = []
    async with market.make("2min", live=False) as bars:
        with caplog.at_level(logging.INFO, "ibkr_async.stream"):
            found = asyncio.create_task(finals(bars, 2))
            for _ in range(6):
                await settle()
                waited.append(bars.waits_s)
                market.now_ms += 42_000
            assert [bar.t for bar in await found] == [START, START + MINUTE]

    assert waited == [42.0] * 5 + [0.0]
    assert len(caplog.messages) == 5
    assert "42 s" in caplog.messages[0]


async def test_wait_of_the_penalty_box_is_bounded() -> None:
    """The server may ask for a year."""
    market = Market(START + 2 * MINUTE)
    market.errors = [RateLimitedError("GET history", 429, "slow down", retry_after_s=1e9)]
    async with market.make("2min", live=False) as bars:
        found = asyncio.create_task(finals(bars, 1))
        await settle()
        found.cancel()

        assert bars.waits_s == 900.0


async def test_the_present_follows_the_past_without_hole_or_repetition() -> None:
    """The growing bar is built on the history's unfinished one; when it ends, history has the truth."""
    market = Market(START + 2 * MINUTE + 20_000)
    market.add_minutes(START, 3)
    async with market.make() as bars:
        first = await take(bars, 3)
        market.tick(START + 2 * MINUTE + 30_000, "110", 1000)
        market.tick(START + 2 * MINUTE + 40_000, "90", 1300)
        grown = (await take(bars, 1))[0]
        market.bars[START + 2 * MINUTE] = (102.0, 111.0, 89.5, 95.0, 12.0)
        market.bars[START + 3 * MINUTE] = (95.0, 96.0, 95.0, 96.0, 1.0)
        market.tick(START + 3 * MINUTE + 1_000, "96", 1310)
        after = await take(bars, 2)

    assert [(bar.t, bar.final) for bar in first] == [
        (START, True), (START + MINUTE, True), (START + 2 * MINUTE, False),
    ]  # fmt: skip
    assert (first[2].volume, first[2].source) == (200.0, "history")
    assert (grown.open, grown.high, grown.low, grown.close) == (102.0, 110.0, 90.0, 90.0)
    assert (grown.volume, grown.source, grown.final) == (500.0, "quotes", False)
    assert (after[0].t, after[0].final, after[0].high, after[0].low) == (
        START + 2 * MINUTE, True, 111.0, 89.5,
    )  # fmt: skip
    assert after[0].volume == 480.0
    assert (after[1].t, after[1].final) == (START + 3 * MINUTE, False)
    assert market.feeds.sent()[0] == 'smd+8314+{"fields":["31","7762"]}'


async def test_growing_bars_are_given_only_to_those_who_want_them() -> None:
    """Neither the history's unfinished one nor what is built on it."""
    market = Market(START + 2 * MINUTE + 20_000)
    market.add_minutes(START, 3)
    async with market.make(forming=False) as bars:
        found = await take(bars, 2)
        waiting = asyncio.create_task(take(bars, 1))
        await settle()
        for second in (30, 40):
            market.tick(START + 2 * MINUTE + second * 1_000, "110", 1000 + second)
            await settle()
        assert not waiting.done()
        market.tick(START + 3 * MINUTE + 1_000, "96", 1310)
        found += await waiting

    assert [(bar.t, bar.final) for bar in found] == [
        (START + number * MINUTE, True) for number in range(3)
    ]


@pytest.mark.parametrize("forming", [True, False])
async def test_picture_that_has_not_changed_is_not_given_again(forming: bool) -> None:
    """An update of nothing that a bar shows is no step."""
    market = Market(START + 20_000)
    market.add_minutes(START, 1)
    async with market.make("1min", forming=forming) as bars:
        waiting = asyncio.create_task(take(bars, 2 if forming else 1))
        await settle()
        for second in (30, 31, 32):
            market.tick(START + second * 1_000, "101", 50)
            await settle()
        assert waiting.done() is forming
        again = asyncio.create_task(take(bars, 1)) if forming else waiting
        await settle()
        market.tick(START + 33_000, "101", 50)
        await settle()

        assert not again.done()
        again.cancel()


@pytest.mark.parametrize("why", ["nothing trades", "no bar", "history is asked for later"])
async def test_who_waits_for_a_bar_does_nothing_meanwhile(why: str) -> None:
    """However long it takes: a loop that spins would look at the clock all the time."""
    market = Market(START + 20_000)
    market.add_minutes(START, 0 if why == "no bar" else 1)
    async with market.make("1min", forming=False) as bars:
        waiting = asyncio.create_task(take(bars, 1))
        await settle()
        if why == "history is asked for later":
            market.errors = [RateLimitedError("GET history", 429, "busy", retry_after_s=30.0)] * 2
            market.lose()
            market.come_back()
            market.tick(START + 25_000, "105", 100)
            await settle()
        asked, market.looks = len(market.asked), 0
        await settle()
        await settle()

        assert (market.looks, len(market.asked)) == (0, asked)
        assert not waiting.done()
        waiting.cancel()


async def test_bar_ends_by_the_clock_when_nothing_trades_any_more() -> None:
    """Its final form does not wait for the next trade."""
    market = Market(START + 59_990)
    market.add_minutes(START - MINUTE, 2)
    async with market.make("2min", forming=False) as bars:
        assert [bar.t for bar in await take(bars, 1)] == [START - MINUTE]
        waiting = asyncio.create_task(finals(bars, 1))
        await asyncio.sleep(0)
        market.now_ms = START + MINUTE
        found = await waiting

    assert [(bar.t, bar.source) for bar in found] == [(START, "history")]


async def test_reconnect_is_healed_from_history() -> None:
    """Bars of the gap come in order, each once: nothing is missing and nothing is doubled."""
    market = Market(START + MINUTE + 20_000)
    market.add_minutes(START, 2)
    async with market.make(forming=False) as bars:
        assert [bar.t for bar in await finals(bars, 1)] == [START]
        market.tick(START + MINUTE + 30_000, "105", 100)
        market.lose()
        market.now_ms = START + 6 * MINUTE + 10_000
        market.add_minutes(START, 7)
        market.come_back()
        market.tick(START + 6 * MINUTE + 15_000, "120", 900)
        found = await finals(bars, 5)

    assert [bar.t for bar in found] == [START + i * MINUTE for i in range(1, 6)]
    assert {bar.source for bar in found} == {"history"}


async def test_bar_that_was_seen_whole_is_given_when_history_cannot_be_asked() -> None:
    """The limit of 50 requests a minute holds for all contracts together."""
    market = Market(START + 20_000)
    market.add_minutes(START, 1)
    async with market.make("1min", forming=False) as bars:
        waiting = asyncio.create_task(finals(bars, 1))
        await settle()
        market.tick(START + 30_000, "105", 100)
        market.errors = [RateLimitedError("GET history", 429, "busy")]
        market.tick(START + 50_000, "99", 150)
        market.tick(START + MINUTE + 1_000, "106", 160)
        (found,) = await waiting

    assert (found.t, found.source, found.final) == (START, "quotes", True)
    assert (found.low, found.close) == (98.0, 99.0)


async def test_bar_with_a_hole_is_waited_for() -> None:
    """After a gap only IBKR knows it."""
    market = Market(START + 20_000)
    market.add_minutes(START, 1)
    async with market.make("1min", forming=False) as bars:
        waiting = asyncio.create_task(finals(bars, 1))
        await settle()
        market.tick(START + 30_000, "105", 100)
        market.lose()
        market.errors = [RateLimitedError("GET history", 429, "busy")]
        market.come_back()
        market.tick(START + MINUTE + 1_000, "106", 160)
        await settle()
        assert market.errors == []
        assert not waiting.done()
        market.now_ms += 5_000
        waiting.cancel()
        (found,) = await finals(bars, 1)

    assert (found.t, found.source) == (START, "history")


async def test_bar_that_ibkr_does_not_have_is_not_made_up() -> None:
    """Ticks outside regular hours make no final bar if those were not asked for."""
    market = Market(START + 20_000)
    async with market.make("1min", forming=False) as bars:
        market.tick(START + 30_000, "105", 100)
        waiting = asyncio.create_task(finals(bars, 1))
        for _ in range(10):
            await asyncio.sleep(0)
        market.tick(START + MINUTE, "106", 160)
        for _ in range(10):
            await asyncio.sleep(0.002)
            market.now_ms += 10
        market.bars[START + MINUTE] = (1.0, 2.0, 0.5, 1.5, 3.0)
        market.tick(START + 2 * MINUTE, "107", 170)
        (found,) = await waiting

    assert found.t == START + MINUTE


async def test_history_that_wakes_up_is_asked_again_at_the_start() -> None:
    """The first answer of the farm may be a 404."""
    market = Market(START + 2 * MINUTE)
    market.add_minutes(START, 2)
    market.errors = [NotFoundError("GET history", 404, "waking up")]
    bars = market.make("2min", live=False)

    async def time_passes() -> None:
        while len(market.asked) < 2:
            await asyncio.sleep(0)
            market.now_ms += 500

    clock = asyncio.create_task(time_passes())
    found = [bar.t async for bar in bars]
    await clock

    assert found == [START, START + MINUTE]


async def test_page_without_data_is_skipped() -> None:
    """A weekend in the middle is answered with a refusal."""
    market = Market(START + 24 * 60 * MINUTE)
    market.add_minutes(START + 17 * 60 * MINUTE, 420)
    refusal = RefusedError("GET history", 200, "Chart data unavailable")

    def refuse() -> None:
        until = market.asked[-1][1]
        if until is not None and until.timestamp() * 1000 < START + 17 * 60 * MINUTE:
            market.errors = [refusal]

    market.on_ask = refuse
    bars = market.make("1d", live=False)
    with pytest.raises(RefusedError):
        await anext(bars)


@pytest.mark.parametrize(
    "options",
    [
        {"since": "2 days"},
        {"since": datetime(2026, 9, 1)},  # noqa: DTZ001 - that is the mistake
    ],
)
def test_a_start_that_is_none_is_told(options: dict[str, Any]) -> None:
    """At once."""
    with pytest.raises(UsageError):
        Market().make(**options)


def test_bar_sizes_are_checked() -> None:
    """Weeks and months have no live bar here."""
    with pytest.raises(UsageError, match="live=False"):
        Bars(CoreFeeds().upstream, Market().history, 1, bar="1w", since="1y")


async def test_bars_that_nobody_holds_give_their_line_back() -> None:
    """`async for` without `async with`, left by `break`."""
    market = Market(START + 20_000)
    market.add_minutes(START - MINUTE, 1)
    async for _ in market.make("2min"):
        break
    gc.collect()
    await asyncio.sleep(0)

    assert market.feeds.sent()[-1] == "umd+8314+{}"


@pytest.mark.parametrize(
    "error",
    [
        UnauthorizedError("GET history", 401, "not authenticated"),
        SessionTimeoutError(60.0, "maintenance"),
        AuthError("live session token", "401"),
    ],
)
async def test_nightly_reset_is_waited_out(error: IbkrError) -> None:
    """B14: what is refused while a bar ends is given once IBKR answers again."""
    market = Market(START + 20_000)
    market.add_minutes(START, 1)
    async with market.make("1min", forming=False) as bars:
        waiting = asyncio.create_task(finals(bars, 1))
        await settle()
        market.tick(START + 30_000, "105", 100)
        market.lose()
        market.errors = [error] * 3
        market.come_back()
        market.tick(START + MINUTE + 1_000, "106", 160)
        for _ in range(100):
            await asyncio.sleep(0.001)
            market.now_ms += 500
            market.tick(market.now_ms, "106", 160)
        (found,) = await waiting

    assert (found.t, found.source) == (START, "history")
    assert market.errors == []


async def test_wall_clock_that_is_set_back_holds_no_page_up() -> None:
    """B16: the pause after a failed page is measured on the clock that never goes back."""
    market = Market(START + 3 * MINUTE)
    market.add_minutes(START, 3)
    market.errors = [RequestTimeoutError("GET history", "late", may_have_reached_server=True)]
    async with market.make("3min", live=False) as bars:
        found = asyncio.create_task(finals(bars, 1))
        await settle()
        assert len(market.asked) == 1
        market.wall_ahead_s = -3600.0
        market.on_ask = lambda: setattr(market, "wall_ahead_s", 0.0)
        for _ in range(50):
            market.now_ms += 100
            await asyncio.sleep(0)
        await asyncio.wait_for(found, 1)

    assert len(market.asked) == 2


async def test_own_clock_that_falls_behind_hides_no_bar() -> None:
    """IBKR's time is further, as its updates show: the bars between the two are asked for as well."""
    market = Market(START + 30_000)
    market.add_minutes(START - 2 * MINUTE, 10)
    async with market.make("2min", forming=False) as bars:
        await take(bars, 1)
        market.wall_ahead_s = -300.0
        market.tick(START + 5 * MINUTE + 1000, "107.00")
        later = await finals(bars, 5)

    assert [bar.t for bar in later] == [START + step * MINUTE for step in range(5)]


async def test_refused_session_is_told_at_the_beginning() -> None:
    """Nobody waits all night for a login that never worked."""
    market = Market(START + 20_000)
    market.errors = [UnauthorizedError("GET history", 401, "not authenticated")]
    async with market.make("1min") as bars:
        with pytest.raises(UnauthorizedError):
            await anext(bars)


async def test_marked_bars_show_the_gap_that_history_heals() -> None:
    """Where it was."""
    market = Market(START + MINUTE + 20_000)
    market.add_minutes(START, 2)
    async with market.make(forming=False) as bars:
        marked = bars.marked()
        assert isinstance(await anext(marked), PriceBar)
        market.tick(START + MINUTE + 30_000, "105", 100)
        market.lose()

        assert isinstance(await anext(marked), Gap)


async def test_bars_of_a_symbol() -> None:
    """Looked up when they are opened."""
    market = Market(START)
    bars = Bars(market.feeds.upstream, market.history, "AAPL", bar="1min", since="1min", live=True)
    async with bars:
        assert bars.conid == 265598
        assert bars.topics == ("smd+265598",)


async def test_closed_bars_end() -> None:
    """Twice is harmless, before the first step too."""
    market = Market(START)
    bars = market.make()
    await bars.aclose()
    assert [bar async for bar in bars] == []
    async with market.make() as others:
        await others.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(others)


async def test_cancelled_step_loses_no_bar() -> None:
    """While history is asked, and while updates are waited for."""
    market = Market(START + 5 * MINUTE)
    market.add_minutes(START, 6)
    seen: list[int] = []
    async with market.make("5min", forming=False) as bars:
        for _ in range(30):
            step = asyncio.ensure_future(anext(bars))
            await asyncio.sleep(0)
            if not step.done():
                step.cancel()
            try:
                seen.append((await step).t)
            except asyncio.CancelledError:
                async with asyncio.timeout(0.02):
                    seen.append((await anext(bars)).t)
            if len(seen) == 5:
                break

    assert seen == [START + i * MINUTE for i in range(5)]


@settings(max_examples=50)
@given(
    missing=st.sets(st.integers(0, 1500), max_size=200),
    minutes=st.integers(1, 1500),
)
def test_pages_give_every_bar_once_and_in_order(missing: set[int], minutes: int) -> None:
    """Whatever IBKR has: what it has is given, and nothing else."""
    market = Market(START + minutes * MINUTE)
    market.add_minutes(START, minutes)
    for gone in missing:
        market.bars.pop(START + gone * MINUTE, None)

    async def collect() -> list[int]:
        bars = market.make(datetime.fromtimestamp(START / 1000, tz=UTC), live=False)
        return [bar.t async for bar in bars]

    assert asyncio.run(collect()) == sorted(market.bars)
