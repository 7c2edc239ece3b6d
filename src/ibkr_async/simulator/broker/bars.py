"""Price bars: a past that was never lived, joined to the minutes since the start.

Responsible for bars before and during the simulator's run. It must never depend on what was
asked before: the same question about a finished bar always gets the same bar.

Before the start, prices are a sum of waves whose phases come from the seed and the conid, scaled
so that they meet the live price at the start. From the start on, bars are made of the minutes
that the price board recorded. An option's bars are computed from its underlying's. As the simulated
market never closes, bars follow each other round the clock, and a daily bar is a day in UTC.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ibkr_async.world import seeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ibkr_async.simulator.broker.prices import MinuteBar, PriceBoard

_MINUTE_S = 60
_DAY_S = 86_400
_TRADED_S = 23_400
_SAMPLES = 8
# Wave lengths from four minutes to nine months. Amplitudes grow as a random walk's would, up to
# that of a week, so that prices stay in sight of the present one.
_WAVES_S = tuple(240.0 * 2.6**power for power in range(13))
_LONGEST_GROWTH_S = 5 * _DAY_S
_AMPLITUDE = 0.3
_YEAR_S = 252 * _TRADED_S


class PastBar(NamedTuple):
    """One bar. `time` is the Unix time of its start, `volume` is in shares."""

    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class History:
    """Bars of every instrument."""

    def __init__(self, board: PriceBoard, *, seed: int) -> None:
        self._board = board
        self._seed = seed
        self._phases: dict[int, list[float]] = {}
        # The first live minute belongs to the recorded part.
        self._live_from = int(board.started // _MINUTE_S) * _MINUTE_S
        self._anchors = {
            conid: float(next(iter(minutes.values())).open)
            for conid, minutes in board.minutes.items()
        }

    def bars(self, conid: int, *, end: float, length: int, count: int) -> list[PastBar]:
        """Return up to `count` bars of `length` seconds, oldest first, the last one forming.

        A stretch of which the price board has not been told has no bars.
        """
        last_start = int(end // length) * length
        starts = range(last_start - (count - 1) * length, last_start + 1, length)
        found = (self._bar(conid, start, length, end) for start in starts)
        return [bar for bar in found if bar is not None]

    def _bar(self, conid: int, start: int, length: int, end: float) -> PastBar | None:
        past = None
        if start < self._live_from:
            past = self._past_bar(conid, start, min(length, self._live_from - start))
        minutes = list(self._minutes(conid, start, min(start + length, int(end) + 1)))
        if not minutes:
            return past
        live = PastBar(
            time=start,
            open=float(minutes[0].open),
            high=float(max(minute.high for minute in minutes)),
            low=float(min(minute.low for minute in minutes)),
            close=float(minutes[-1].close),
            volume=float(sum(minute.volume for minute in minutes)),
        )
        if past is None:
            return live
        return PastBar(
            time=start,
            open=past.open,
            high=max(past.high, live.high),
            low=min(past.low, live.low),
            close=live.close,
            volume=past.volume + live.volume,
        )

    def _minutes(self, conid: int, start: int, end: int) -> Iterator[MinuteBar]:
        first = max(start, self._live_from) // _MINUTE_S
        for number in range(first, -(-end // _MINUTE_S)):
            minute = self._board.minute(conid, number)
            if minute is not None:
                yield minute

    def _past_bar(self, conid: int, start: int, length: int) -> PastBar:
        prices = [
            self._past_price(conid, start + length * part / _SAMPLES)
            for part in range(_SAMPLES + 1)
        ]
        instrument = self._board[conid].instrument
        noise = seeded(self._seed, conid, start)
        grid = [float(instrument.rounded(price)) for price in prices]
        days = max(min(1.0, length / _TRADED_S), length / _DAY_S)
        volume = instrument.day_volume * days * noise.uniform(0.6, 1.6)
        return PastBar(start, grid[0], max(grid), min(grid), grid[-1], float(round(volume)))

    def _past_price(self, conid: int, moment: float) -> float:
        if conid not in self._anchors:
            underlying = self._board[conid].instrument.follows
            return float(self._board.option_price(conid, self._past_price(underlying, moment)))
        level = self._level(conid, moment) - self._level(conid, self._live_from)
        return self._anchors[conid] * math.exp(level)

    def _level(self, conid: int, moment: float) -> float:
        phases = self._phases.get(conid)
        if phases is None:
            noise = seeded(self._seed, conid)
            phases = self._phases[conid] = [noise.uniform(0, math.tau) for _ in _WAVES_S]
        volatility = self._board[conid].instrument.annual_volatility
        waves = (
            math.sqrt(min(wave, _LONGEST_GROWTH_S) / _YEAR_S)
            * math.sin(math.tau * moment / wave + phase)
            for wave, phase in zip(_WAVES_S, phases, strict=True)
        )
        return volatility * _AMPLITUDE * sum(waves)
