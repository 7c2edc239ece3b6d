"""The market: a seeded random walk with bid, ask, prints and a day's statistics.

Responsible for every price. It must never know orders or accounts. The simulated market is open
round the clock, so that a bot can be tried at any hour; the day turns at midnight in New York, and
four in the afternoon counts as its close.

Prices move at fixed instants, `step_s` apart, and each instrument has a source of chance of its own. So
one seed gives one path, whoever asks and how often. What was quoted from outside (`quote`) walks no more.
Options do not walk either: they are computed from their underlying when somebody looks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import time, timedelta
from typing import TYPE_CHECKING
from zlib import crc32

from ibkr_async.simulator.broker.options import option_value, years_between
from ibkr_async.simulator.broker.trading_days import new_york, new_york_time, weekdays_from
from ibkr_async.world import seeded

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping
    from datetime import date
    from decimal import Decimal

    from ibkr_async.simulator.broker.instruments import Instrument

_DAY_S = 23_400
_YEAR_S = 252 * _DAY_S
_MINUTE_S = 60
_KEPT_MINUTES = 5 * 24 * 60
_START_OF_DAY_SHARE = 0.4
_PRINT_CHANCE = 0.7
_RESIZE_CHANCE = 0.5
_MOST_STEPS = 20
"""When more are due at once, the market moves from minute to minute."""
_EPSILON_S = 1e-6
_EPSILON_STEPS = 1e-3
_CLOSE = time(16)
_LAST_SECOND = 1.0


@dataclass(slots=True)
class MinuteBar:
    """Prices and shares traded in one minute of the simulator's run."""

    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int = 0


@dataclass(slots=True)
class Market:
    """The present market of one instrument. Sizes are in units, not lots."""

    instrument: Instrument
    mid: float
    """Price before it is put on the grid."""
    ratio: float
    """Mid price over the model price, for an instrument that follows another."""
    bid: Decimal
    ask: Decimal
    last: Decimal
    open: Decimal
    high: Decimal
    low: Decimal
    prior_close: Decimal
    volume: int
    updated: float
    """Unix time of the last change."""
    bid_size: int = 0
    ask_size: int = 0
    last_size: int = 0

    @property
    def change(self) -> Decimal:
        """Return the last price less the previous close."""
        return self.last - self.prior_close

    @property
    def change_pct(self) -> float:
        """Return `change` in percent of the previous close."""
        return float(self.change / self.prior_close * 100)

    def quote(self) -> tuple[Decimal, Decimal, Decimal, int, int, int]:
        """Return what a market data line shows."""
        return self.bid, self.ask, self.last, self.bid_size, self.ask_size, self.volume


class PriceBoard:
    """All markets. `step` moves them along the instants that are due."""

    def __init__(
        self,
        instruments: Mapping[int, Instrument],
        *,
        seed: int,
        volatility: float,
        step_s: float,
        now: float,
    ) -> None:
        self.started = now
        self.now = now
        """The last instant at which the market moved."""
        self.at_close = False
        """Whether the last step was the one across the close of the day."""
        self._volatility = volatility
        self._step_s = step_s
        self._rngs = {conid: seeded(seed, "prices", conid) for conid in instruments}
        self._minute = int(now // _MINUTE_S)
        self._begin_day()
        self._closes_at = self._next_close()
        self._minutes: dict[int, dict[int, MinuteBar]] = {}
        self._changed: set[int] = set()
        self._quoted: set[int] = set()
        self._computed: dict[int, object] = {}
        """Options by conid: what they were last computed from."""
        self._options: dict[int, list[int]] = {}
        """Options by underlying."""
        self._markets: dict[int, Market] = {}
        for conid, instrument in instruments.items():
            self._markets[conid] = self._opened(instrument)
            if instrument.strike is None:
                self._minutes[conid] = {}
            else:
                self._computed[conid] = None
                self._options.setdefault(instrument.follows, []).append(conid)
        for conid, market in self._markets.items():
            if conid not in self._computed:
                self._rebase(market)
                self._record(market, 0)

    def __getitem__(self, conid: int) -> Market:
        """Return the market of an instrument; `KeyError` when there is none."""
        market = self._markets[conid]
        if conid in self._computed:
            self._compute(market)
        return market

    @property
    def minutes(self) -> Mapping[int, Mapping[int, MinuteBar]]:
        """Minute bars since the start of all but options, by minute number (Unix time // 60)."""
        return self._minutes

    def minute(self, conid: int, number: int) -> MinuteBar | None:
        """Return one minute bar; None for one that is forgotten, or was before the start."""
        if conid not in self._computed:
            return self._minutes[conid].get(number)
        bar = self._minutes[self._markets[conid].instrument.follows].get(number)
        if bar is None:
            return None
        start, *ends, close = (
            self.option_price(conid, float(price))
            for price in (bar.open, bar.high, bar.low, bar.close)
        )
        return MinuteBar(open=start, high=max(ends), low=min(ends), close=close)

    def option_price(self, conid: int, underlying: float) -> Decimal:
        """Return what an option costs today when its underlying costs so much."""
        market = self._markets[conid]
        return market.instrument.rounded(self._model(market.instrument, underlying) * market.ratio)

    def set_price(self, conid: int, price: Decimal) -> None:
        """Put the whole market of an instrument at `price`."""
        market = self[conid]
        market.mid = float(price)
        self._rebase(market)
        if conid not in self._computed:
            self._place(market)
            market.last = market.instrument.rounded(price)
            self._touch(market, 0)
        self._changed.add(conid)

    def quote(
        self,
        conid: int,
        *,
        bid: Decimal | None = None,
        ask: Decimal | None = None,
        last: Decimal | None = None,
        bid_size: int | None = None,
        ask_size: int | None = None,
    ) -> None:
        """Set the market of an instrument from outside; chance moves it no more.

        What is None stays, as far as the rest allows: a first price alone brings the book to it, and a
        side that would be crossed gives way. Errors: `KeyError` when there is no such instrument.
        """
        market = self[conid]
        if conid not in self._quoted and last is not None:
            market.mid = float(last)
            self._place(market)
        self._quoted.add(conid)
        if self._computed.pop(conid, True) is not True:
            self._minutes.setdefault(conid, {})
        market.bid = min(market.bid, ask or market.bid) if bid is None else bid
        market.ask = max(market.ask, bid or market.ask) if ask is None else ask
        market.last = market.last if last is None else last
        market.bid_size = market.bid_size if bid_size is None else bid_size
        market.ask_size = market.ask_size if ask_size is None else ask_size
        market.mid = float(market.bid + market.ask) / 2
        self._touch(market, 0)
        self._changed.add(conid)

    def instants(self, now: float) -> Iterator[float]:
        """Yield the instants up to `now` at which the market moves. Call `step` for each."""
        is_near = now - self.now <= _MOST_STEPS * self._step_s
        while True:
            if is_near:
                # A time of these years is exact to a quarter of a microsecond, which counts in short steps.
                done = math.floor((self.now - self.started) / self._step_s + _EPSILON_STEPS)
                instant = self.started + (done + 1) * self._step_s
            else:
                # Once in each minute, at its end, and not across the close or the day's.
                ends = ((self.now + _LAST_SECOND) // _MINUTE_S + 1) * _MINUTE_S - _LAST_SECOND
                instant = min(now, ends, self._closes_at, self._day_ends)
            if instant > now + _EPSILON_S or instant <= self.now:
                return
            yield instant

    def step(self, instant: float) -> None:
        """Move every market to an instant."""
        elapsed = instant - self.now
        self.now = instant
        if instant >= self._day_ends:
            self._begin_day()
            for market in self._markets.values():
                _open_day(market)
        self.at_close = instant >= self._closes_at
        if self.at_close:
            self._closes_at = self._next_close()
        minute = int(instant // _MINUTE_S)
        if minute != self._minute:
            self._minute = minute
            for conid in self._minutes:
                self._record(self._markets[conid], 0)
        if not self._volatility:
            return
        for conid, market in self._markets.items():
            if conid in self._computed or conid in self._quoted:
                continue
            before = market.quote()
            self._walk(market, elapsed, self._rngs[conid])
            if market.quote() != before:
                self._changed.add(conid)

    def take_changed(self) -> list[int]:
        """Return the conids whose quote has changed since the last call; of options those looked at."""
        changed, self._changed = self._changed, set()
        for conid in list(changed):
            options = self._options.get(conid, ())
            changed.update(option for option in options if self._computed.get(option) is not None)
        return sorted(changed)

    def _begin_day(self) -> None:
        self.day: date = new_york(self.now).date()
        self._day_ends = new_york_time(self.day + timedelta(days=1), time(0))

    def _next_close(self) -> float:
        """Return the next four o'clock of a weekday in New York."""
        closes = (new_york_time(day, _CLOSE) for day in weekdays_from(self.now, 2))
        return next(close for close in closes if close > self.now)

    def _opened(self, instrument: Instrument) -> Market:
        price = instrument.rounded(instrument.start_price)
        gap = self._rngs[instrument.conid].gauss(0, 0.006)
        market = Market(
            instrument=instrument,
            mid=float(price),
            ratio=1.0,
            bid=price,
            ask=price,
            last=price,
            open=instrument.rounded(float(price) * (1 - gap / 2)),
            high=instrument.rounded(float(price) * (1 + abs(gap))),
            low=instrument.rounded(float(price) * (1 - abs(gap))),
            prior_close=instrument.rounded(float(price) / (1 + gap)),
            volume=int(instrument.day_volume * _START_OF_DAY_SHARE),
            updated=self.now,
            last_size=instrument.lot,
        )
        self._place(market)
        market.bid_size = _size(instrument, self._rngs[instrument.conid])
        market.ask_size = _size(instrument, self._rngs[instrument.conid])
        return market

    def _walk(self, market: Market, elapsed: float, rng: random.Random) -> None:
        instrument = market.instrument
        deviation = instrument.annual_volatility * self._volatility * math.sqrt(elapsed / _YEAR_S)
        move = math.exp(rng.gauss(0, deviation))
        market.mid = (
            self._markets[instrument.follows].mid * market.ratio
            if instrument.follows
            else market.mid * move
        )
        before = market.quote()
        self._place(market)
        if rng.random() < _RESIZE_CHANCE:
            market.bid_size = _size(instrument, rng)
        if rng.random() < _RESIZE_CHANCE:
            market.ask_size = _size(instrument, rng)
        traded = 0
        if not instrument.day_volume:
            market.last = instrument.rounded(market.mid)
        elif rng.random() < 1 - (1 - _PRINT_CHANCE) ** max(1.0, elapsed):
            market.last = rng.choice((market.bid, market.ask))
            market.last_size = _size(instrument, rng)
            average = instrument.day_volume * elapsed / _DAY_S
            traded = market.last_size + int(average * rng.uniform(0.5, 1.5))
        if traded or market.quote() != before:
            self._touch(market, traded)

    def _touch(self, market: Market, traded: int) -> None:
        market.volume += traded
        market.high = max(market.high, market.last)
        market.low = min(market.low, market.last)
        market.updated = self.now
        self._record(market, traded)

    def _record(self, market: Market, traded: int) -> None:
        minutes = self._minutes[market.instrument.conid]
        last = market.last
        bar = minutes.get(self._minute)
        if bar is None:
            minutes[self._minute] = MinuteBar(last, last, last, last, traded)
            if len(minutes) > _KEPT_MINUTES:
                del minutes[next(iter(minutes))]
            return
        bar.high, bar.low, bar.close = max(bar.high, last), min(bar.low, last), last
        bar.volume += traded

    def _place(self, market: Market) -> None:
        """Put bid and ask on the grid around the mid price."""
        instrument = market.instrument
        spread = instrument.spread_ticks * instrument.tick
        market.bid = instrument.rounded(market.mid - float(spread) / 2)
        market.ask = market.bid + spread

    def _rebase(self, market: Market) -> None:
        """Keep the distance of a follower from the model price of its leader."""
        instrument = market.instrument
        if instrument.follows:
            market.ratio = market.mid / self._model(
                instrument, self._markets[instrument.follows].mid
            )

    def _model(self, instrument: Instrument, leader: float) -> float:
        if instrument.strike is None or instrument.expiry is None:
            return leader
        years = years_between((instrument.expiry - self.day).days)
        return max(
            float(instrument.tick),
            option_value(leader, float(instrument.strike), instrument.right, years),
        )

    def _compute(self, market: Market) -> None:
        """Bring an option's market to where its underlying is. The same underlying, the same market."""
        instrument = market.instrument
        leader = self._markets[instrument.follows]
        cause = (leader.quote(), leader.mid, leader.high, leader.low, market.ratio, self.day)
        if self._computed[instrument.conid] == cause:
            return
        self._computed[instrument.conid] = cause
        market.mid = self._model(instrument, leader.mid) * market.ratio
        self._place(market)
        market.last = instrument.rounded(market.mid)
        market.open, market.prior_close, *ends = (
            self.option_price(instrument.conid, float(price))
            for price in (leader.open, leader.prior_close, leader.high, leader.low)
        )
        market.high, market.low = max(*ends, market.last), min(*ends, market.last)
        share = leader.volume / leader.instrument.day_volume
        market.volume = int(instrument.day_volume * share)
        market.updated = leader.updated
        noise = crc32(f"{instrument.conid} {leader.bid} {leader.bid_size}".encode())
        market.bid_size = instrument.lot * (1 + noise % 15)
        market.ask_size = instrument.lot * (1 + noise // 15 % 15)


def _size(instrument: Instrument, rng: random.Random) -> int:
    return instrument.lot * rng.randint(1, 15)


def _open_day(market: Market) -> None:
    market.prior_close = market.last
    market.open = market.high = market.low = market.last
    market.volume = 0
