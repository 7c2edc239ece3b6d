"""One bar after the other, folded from updates: prices, volume, and whether it was seen whole."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from ibkr_async.feeds._bar_builder import BarBuilder, longest_ms
from ibkr_async.models.market_data import MarketDataUpdate
from ibkr_async.models.streaming import PriceBar

MINUTE = 60_000
START = 1_790_000_040_000  # a full minute


def make() -> BarBuilder:
    """Build minutes of contract 8314."""
    return BarBuilder(8314, 60)


def update(price: str | None = None, volume: int | None = None, at: int | None = None) -> Any:
    """Decode one update; what is None is not in it."""
    wire = {"conid": 8314, "31": price, "7762": volume, "_updated": at}
    sent = {key: value for key, value in wire.items() if value is not None}
    return msgspec.json.decode(msgspec.json.encode(sent), type=MarketDataUpdate)


def tick(
    builder: BarBuilder, after_s: float, price: str | None = None, volume: int | None = None
) -> tuple[PriceBar, bool] | None:
    """Fold in what IBKR sent so long after the start."""
    return builder.apply(update(price, volume, START + round(after_s * 1000)), 0)


def history(after_s: int = 0, **more: Any) -> PriceBar:
    """Make the newest bar of the history."""
    figures = {"open": 10.0, "high": 12.0, "low": 8.0, "close": 11.0, "volume": 200.0, **more}
    return PriceBar(
        conid=8314,
        t=START + after_s * 1000,
        length_s=60,
        final=False,
        source="history",
        **figures,
    )


def prices(builder: BarBuilder) -> tuple[float | None, ...]:
    """Return open, high, low and close of the growing bar."""
    bar = builder.bar
    assert bar is not None
    return bar.open, bar.high, bar.low, bar.close


# --- prices --------------------------------------------------------------------------------------


def test_nothing_grows_before_the_first_price() -> None:
    """Volume alone, no value, and a previous close are no trade."""
    builder = make()
    for one in (update(), update(volume=5), update("C9.5"), update(""), update("x")):
        assert builder.apply(one, START) is None

    assert (builder.bar, builder.end_ms, builder.complete) == (None, None, False)
    assert builder.end(START + 9 * MINUTE) is None


def test_first_price_begins_a_bar_on_the_grid_of_unix_time() -> None:
    """It has been seen in part only."""
    builder = make()
    tick(builder, 59.999, "5")

    assert builder.bar == PriceBar(
        conid=8314,
        t=START,
        length_s=60,
        open=5.0,
        high=5.0,
        low=5.0,
        close=5.0,
        volume=None,
        final=False,
        source="quotes",
    )
    assert builder.end_ms == START + MINUTE
    assert not builder.complete


def test_prices_fold_into_the_growing_bar() -> None:
    """The first is the open, the last the close; a previous close changes nothing."""
    builder = make()
    seen = []
    for price in ("5", "7", "C99", "4", "6"):
        tick(builder, 1, price)
        seen.append(prices(builder))

    assert seen == [
        (5.0, 5.0, 5.0, 5.0),
        (5.0, 7.0, 5.0, 7.0),
        (5.0, 7.0, 5.0, 7.0),
        (5.0, 7.0, 4.0, 4.0),
        (5.0, 7.0, 4.0, 6.0),
    ]


def test_update_without_a_time_is_of_now() -> None:
    """Its own time comes first where it has one."""
    builder = make()
    builder.apply(update("5"), START + 3 * MINUTE)
    assert builder.bar is not None
    assert builder.bar.t == START + 3 * MINUTE
    assert builder.apply(update("6", at=START + 3 * MINUTE + 5), START + 9 * MINUTE) is None

    assert (builder.bar.t, builder.bar.close) == (START + 3 * MINUTE, 6.0)


# --- the end of a bar ----------------------------------------------------------------------------


def test_bar_ends_at_its_end_and_not_before() -> None:
    """By an update or by the clock."""
    by_update, by_clock = make(), make()
    for builder in (by_update, by_clock):
        tick(builder, 1, "5")
    grown = by_update.bar
    assert tick(by_update, 59.999, "5") is None
    assert by_clock.end(START + MINUTE - 1) is None

    assert tick(by_update, 60, "6") == (grown, False)
    assert by_clock.end(START + MINUTE) == (grown, False)
    assert by_clock.end(START + MINUTE) is None


def test_next_bar_begins_empty_where_the_time_is() -> None:
    """Spans without a trade are passed over; what ended is as it was."""
    builder = make()
    tick(builder, 1, "5", 100)
    ended = builder.end(START + 3 * MINUTE + 1)

    assert ended is not None
    assert (ended[0].t, ended[0].close) == (START, 5.0)
    assert builder.bar == PriceBar(
        conid=8314,
        t=START + 3 * MINUTE,
        length_s=60,
        open=None,
        high=None,
        low=None,
        close=None,
        volume=None,
        final=False,
        source="quotes",
    )


def test_price_that_ends_a_bar_belongs_to_the_next() -> None:
    """It is the new bar's open."""
    builder = make()
    tick(builder, 1, "5")
    ended = tick(builder, 61, "9")

    assert ended is not None
    assert ended[0].high == 5.0
    assert prices(builder) == (9.0,) * 4


def test_bars_stand_on_the_grid_of_the_history() -> None:
    """IBKR's hours begin with the session."""
    builder = make()
    builder.seed(history(after_s=7), START)
    assert builder.end_ms == START + 67_000
    tick(builder, 66.999, "11")
    assert builder.bar is not None
    assert builder.bar.t == START + 7_000
    tick(builder, 130, "11")

    assert builder.bar.t == START + 127_000


# --- whether it was seen whole -------------------------------------------------------------------


def test_bar_is_complete_when_it_was_listened_to_from_its_beginning() -> None:
    """The first was not, the next one is; by the clock too."""
    builder = make()
    tick(builder, 1, "5")
    assert tick(builder, 61, "6") is not None
    assert builder.complete
    ended = builder.end(START + 2 * MINUTE)

    assert ended is not None
    assert ended[1]
    assert builder.complete


def test_interruption_spoils_this_bar_and_the_next_until_there_is_a_price() -> None:
    """Data that flows again shows that the bar after it is seen from its beginning."""
    builder = make()
    builder.seed(history(), START)
    builder.interrupt()
    assert not builder.complete
    assert builder.end(START + MINUTE) is not None
    assert not builder.complete
    tick(builder, 70, "5", 1)
    assert not builder.complete
    ended = tick(builder, 121, "6")

    assert ended is not None
    assert not ended[1]
    assert builder.complete


def test_volume_alone_is_no_sign_that_prices_come() -> None:
    """The next bar is not called complete for it."""
    builder = make()
    tick(builder, 1, "5")
    builder.interrupt()
    tick(builder, 2, None, 100)
    builder.end(START + MINUTE)

    assert not builder.complete


# --- history -------------------------------------------------------------------------------------


def test_history_makes_the_growing_bar_whole() -> None:
    """It has what was missed, and the next one is seen from its beginning."""
    builder = make()
    builder.seed(history(), START)

    assert builder.bar == history()
    assert builder.complete
    builder.end(START + MINUTE)
    assert builder.complete


def test_what_was_seen_of_the_same_bar_stays_in_it() -> None:
    """History may be older than the last price; its open and volume hold."""
    builder = make()
    for price in ("13", "7", "9"):
        tick(builder, 1, price)
    builder.seed(history(), START)
    assert builder.bar == history(high=13.0, low=7.0, close=9.0)
    builder.seed(history(high=20.0, low=1.0), START)

    assert builder.bar == history(high=20.0, low=1.0, close=9.0)


def test_history_without_prices_takes_those_that_were_seen() -> None:
    """None is no price."""
    builder = make()
    tick(builder, 1, "9")
    builder.seed(history(high=None, low=None), START)

    assert builder.bar == history(high=9.0, low=9.0, close=9.0)


@pytest.mark.parametrize("after_s", [-60, 60])
def test_what_was_seen_of_another_bar_is_not_mixed_in(after_s: int) -> None:
    """Nor is a bar in which nothing was traded."""
    builder = make()
    tick(builder, 1, "99")
    builder.seed(history(after_s=after_s), START)
    assert builder.bar == history(after_s=after_s)
    empty = make()
    tick(empty, 1, "99")
    empty.end(START + MINUTE)
    empty.seed(history(after_s=60), START)

    assert empty.bar == history(after_s=60)


def test_price_after_history_makes_the_bar_one_of_quotes() -> None:
    """Its open is the history's."""
    builder = make()
    builder.seed(history(), START)
    tick(builder, 1, "13")

    assert builder.bar == msgspec.structs.replace(history(high=13.0, close=13.0), source="quotes")


# --- volume --------------------------------------------------------------------------------------


def volumes(builder: BarBuilder, *figures: int) -> list[float | None]:
    """Fold in figures of the day's volume; return the bar's after each."""
    seen = []
    for figure in figures:
        tick(builder, 1, "5", figure)
        assert builder.bar is not None
        seen.append(builder.bar.volume)
    return seen


def test_volume_is_the_growth_of_the_days_figure() -> None:
    """The first figure is nothing to compare with; zero is a figure."""
    assert volumes(make(), 1_000, 1_000, 1_300, 1_350) == [None, 0.0, 300.0, 350.0]
    assert volumes(make(), 0, 7) == [None, 7.0]


def test_figure_that_falls_is_of_a_new_day() -> None:
    """It is counted from then on."""
    assert volumes(make(), 1_000, 1_300, 50, 60) == [None, 300.0, 300.0, 310.0]


def test_volume_of_the_history_grows_from_the_figure_at_that_time() -> None:
    """What was counted before is in the history's volume."""
    builder = make()
    volumes(builder, 1_000, 1_300)
    builder.seed(history(), START)

    assert volumes(builder, 1_310, 1_320) == [210.0, 220.0]
    unknown = make()
    unknown.seed(history(), START)
    assert volumes(unknown, 1_310, 1_320) == [200.0, 210.0]


def test_volume_of_the_next_bar_begins_at_the_end_of_this_one() -> None:
    """The figure that comes with its first trade is its own."""
    builder = make()
    volumes(builder, 1_000, 1_300)
    tick(builder, 61, "5", 1_310)
    assert builder.bar is not None

    assert (builder.bar.t, builder.bar.volume) == (START + MINUTE, 10.0)


def test_volume_between_two_bars_without_a_price_is_kept_for_the_first_that_has_one() -> None:
    """Figures before the first price are counted into the bar that it begins."""
    builder = make()
    tick(builder, 1, None, 1_000)
    tick(builder, 2, None, 1_200)
    assert builder.bar is None

    assert volumes(builder, 1_250) == [250.0]


def test_volume_before_the_history_came_is_in_it() -> None:
    """Also what was counted before there was a price: it is not counted twice."""
    builder = make()
    tick(builder, 1, None, 1_000)
    tick(builder, 2, None, 1_200)
    builder.seed(history(), START)

    assert volumes(builder, 1_250) == [250.0]


def test_volume_that_came_before_a_bar_without_any_is_not_that_of_the_next() -> None:
    """Each bar begins with the newest figure."""
    builder = make()
    tick(builder, 1, None, 1_000)
    tick(builder, 2, None, 1_200)
    tick(builder, 3, "5")
    tick(builder, 61, "5")
    tick(builder, 62, "5", 1_250)
    assert builder.bar is not None

    assert (builder.bar.t, builder.bar.volume) == (START + MINUTE, 50.0)


# --- where a bar begins --------------------------------------------------------------------------

HALF_PAST = 1_793_194_200_000  # 13:30 UTC
HOUR = 60 * MINUTE


def hours(start: int = HALF_PAST, length_s: int = 3600, now: int | None = None) -> BarBuilder:
    """Build bars that the history has begun."""
    builder = BarBuilder(8314, length_s)
    bar = msgspec.structs.replace(history(), t=start, length_s=length_s)
    builder.seed(bar, start if now is None else now)
    return builder


def test_only_the_history_knows_a_bar() -> None:
    """What was built before it has said so is in doubt, be it a minute."""
    builder = make()
    assert not builder.in_doubt
    tick(builder, 1, "5")
    assert builder.in_doubt
    builder.seed(history(), START)
    assert not builder.in_doubt
    tick(builder, 61, "6")

    assert builder.in_doubt
    assert builder.complete


@pytest.mark.parametrize(
    ("length_s", "start", "looks"),
    [
        (60, START, ()),
        (3600, HALF_PAST + HOUR // 2, ()),
        (3600, HALF_PAST, (HOUR // 2,)),
        (1800, HALF_PAST, ()),
        (1800, HALF_PAST + HOUR // 4, (HOUR // 4,)),
        (600, HALF_PAST + HOUR // 12, (HOUR // 12,)),
        (7200, HALF_PAST + HOUR // 2, (HOUR // 2, HOUR, 3 * HOUR // 2)),
        (86_400, HALF_PAST, (23 * HOUR, 24 * HOUR)),
    ],
)
def test_bar_may_end_early_at_these_times(
    length_s: int, start: int, looks: tuple[int, ...]
) -> None:
    """On the clock's half hours, where it does not stand on the clock's grid; days by their hours."""
    builder = hours(start, length_s)
    found = []
    while builder.look_ms is not None:
        found.append(builder.look_ms - start)
        assert builder.bar is not None
        builder.seed(builder.bar, builder.look_ms)

    assert tuple(found) == looks


def test_trade_after_such_a_time_puts_the_bar_in_doubt_until_history_has_spoken() -> None:
    """Volume and quotes alone do not; a bar that goes on is in doubt no more."""
    builder = hours()
    half = HALF_PAST + HOUR // 2
    builder.apply(update("11", at=half - 1), 0)
    builder.apply(update(volume=7, at=half), 0)
    assert not builder.in_doubt
    builder.apply(update("30", at=half), 0)
    assert builder.in_doubt
    assert not builder.complete
    builder.seed(msgspec.structs.replace(history(), t=HALF_PAST), half + 2000)

    assert not builder.in_doubt
    assert prices(builder)[1] == 30.0
    builder.apply(update("31", at=half + 3000), 0)
    assert not builder.in_doubt


def test_bar_that_ends_in_doubt_is_not_complete() -> None:
    """It may hold trades of another one."""
    builder = hours()
    builder.apply(update("30", at=HALF_PAST + HOUR // 2), 0)
    ended = builder.end(HALF_PAST + HOUR)

    assert ended is not None
    assert ended[1] is False


@pytest.mark.parametrize(
    ("length_s", "slots", "complete"),
    [(300, (0, 1), True), (300, (0, 2), False), (300, (0, 1, 2), True), (1800, (0, 1), False)],
)
def test_bar_after_one_that_traded_is_reckoned(
    length_s: int, slots: tuple[int, ...], *, complete: bool
) -> None:
    """Only where no break fits in between; else nobody but IBKR knows where it begins."""
    builder = hours(HALF_PAST, length_s)
    for slot in slots:
        builder.apply(update("5", at=HALF_PAST + slot * length_s * 1000), 0)

    assert builder.complete is complete
    assert builder.in_doubt


def test_day_ends_after_25_hours_at_the_latest() -> None:
    """One of them has so many; most end with the first trade of the next."""
    builder = hours(length_s=86_400)

    assert builder.end_ms == HALF_PAST + 25 * HOUR
    assert [longest_ms(s) // HOUR for s in (3600, 86_400, 604_800, 30 * 86_400)] == [
        1, 25, 7 * 24 + 1, 31 * 24 + 1,
    ]  # fmt: skip
