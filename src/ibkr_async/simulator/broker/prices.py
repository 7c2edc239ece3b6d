"""The market: a seeded random walk with bid, ask, prints and a day's statistics.

Responsible for every price. It must never know orders or accounts. The simulated market is open
round the clock, so that a bot can be tried at any hour; the day turns at midnight in New York.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from ibkr_async.simulator.broker.trading_days import new_york

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping
    from datetime import date

    from ibkr_async.simulator.broker.instruments import Instrument

_DAY_S = 23_400
_YEAR_S = 252 * _DAY_S
_MINUTE_S = 60
_KEPT_MINUTES = 5 * 24 * 60
_START_OF_DAY_SHARE = 0.4
_PRINT_CHANCE = 0.7
_RESIZE_CHANCE = 0.5


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
    """All markets. `advance` moves them; the same seed and times give the same prices."""

    def __init__(
        self,
        instruments: Mapping[int, Instrument],
        *,
        rng: random.Random,
        volatility: float,
        now: float,
    ) -> None:
        self._rng = rng
        self._volatility = volatility
        self.started = now
        self.now = now
        self.day: date = new_york(now).date()
        self.minutes: dict[int, dict[int, MinuteBar]] = {conid: {} for conid in instruments}
        """Minute bars since the start, by minute number (Unix time // 60)."""
        self._forced: set[int] = set()
        self._markets: dict[int, Market] = {}
        for instrument in instruments.values():
            self._markets[instrument.conid] = self._opened(instrument)
        # A follower's ratio needs its leader, which may stand later in the table.
        for market in self._markets.values():
            self._rebase(market)
            self._record(market, 0)

    def __getitem__(self, conid: int) -> Market:
        """Return the market of an instrument; `KeyError` when there is none."""
        return self._markets[conid]

    def set_price(self, conid: int, price: Decimal) -> None:
        """Put the whole market of an instrument at `price`."""
        market = self._markets[conid]
        market.mid = float(price)
        self._rebase(market)
        self._place(market)
        market.last = market.instrument.rounded(price)
        self._touch(market, 0)
        self._forced.add(conid)

    def advance(self, now: float) -> list[int]:
        """Move every market to `now`; return the conids whose quote changed."""
        elapsed = max(0.0, now - self.now)
        self.now += elapsed
        moved = self._forced
        self._forced = set()
        today = new_york(self.now).date()
        if today != self.day:
            self.day = today
            for market in self._markets.values():
                _open_day(market)
        if elapsed and self._volatility:
            for conid, market in self._markets.items():
                before = market.quote()
                self._step(market, elapsed)
                if market.quote() != before:
                    moved.add(conid)
        return sorted(moved)

    def _opened(self, instrument: Instrument) -> Market:
        price = instrument.rounded(instrument.start_price)
        gap = self._rng.gauss(0, 0.006)
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
        market.bid_size, market.ask_size = self._size(instrument), self._size(instrument)
        return market

    def _step(self, market: Market, elapsed: float) -> None:
        instrument = market.instrument
        deviation = instrument.annual_volatility * self._volatility * math.sqrt(elapsed / _YEAR_S)
        move = math.exp(self._rng.gauss(0, deviation))
        market.mid = (
            self._model(instrument) * market.ratio if instrument.follows else market.mid * move
        )
        before = market.quote()
        self._place(market)
        if self._rng.random() < _RESIZE_CHANCE:
            market.bid_size = self._size(instrument)
        if self._rng.random() < _RESIZE_CHANCE:
            market.ask_size = self._size(instrument)
        traded = 0
        if not instrument.day_volume:
            market.last = instrument.rounded(market.mid)
        elif self._rng.random() < _PRINT_CHANCE:
            market.last = self._rng.choice((market.bid, market.ask))
            market.last_size = self._size(instrument)
            average = instrument.day_volume * elapsed / _DAY_S
            traded = market.last_size + int(average * self._rng.uniform(0.5, 1.5))
        if traded or market.quote() != before:
            self._touch(market, traded)

    def _touch(self, market: Market, traded: int) -> None:
        market.volume += traded
        market.high = max(market.high, market.last)
        market.low = min(market.low, market.last)
        market.updated = self.now
        self._record(market, traded)

    def _record(self, market: Market, traded: int) -> None:
        minutes = self.minutes[market.instrument.conid]
        minute, last = int(self.now // _MINUTE_S), market.last
        bar = minutes.get(minute)
        if bar is None:
            minutes[minute] = MinuteBar(last, last, last, last, traded)
            if len(minutes) > _KEPT_MINUTES:
                del minutes[next(iter(minutes))]
            return
        bar.high, bar.low, bar.close = max(bar.high, last), min(bar.low, last), last
        bar.volume += traded

    def _place(self, market: Market) -> None:
        """Put bid and ask on the grid around the mid price."""
        instrument = market.instrument
        spread = instrument.spread_ticks * instrument.tick
        market.bid = instrument.rounded(Decimal(market.mid) - spread / 2)
        market.ask = market.bid + spread

    def _size(self, instrument: Instrument) -> int:
        return instrument.lot * self._rng.randint(1, 15)

    def _rebase(self, market: Market) -> None:
        if market.instrument.follows:
            market.ratio = market.mid / self._model(market.instrument)

    def _model(self, instrument: Instrument) -> float:
        """Return the model price of a follower: the leader's, or an option value on it."""
        leader = self._markets[instrument.follows].mid
        if instrument.strike is None:
            return leader
        return option_value(leader, float(instrument.strike), instrument.right)


def option_value(spot: float, strike: float, right: str) -> float:
    """Return a plausible option price: intrinsic value plus a hump of time value."""
    intrinsic = max(0.0, spot - strike if right == "C" else strike - spot)
    distance = (spot - strike) / strike
    return intrinsic + 0.04 * strike * math.exp(-30 * distance * distance) + 0.01


def _open_day(market: Market) -> None:
    market.prior_close = market.last
    market.open = market.high = market.low = market.last
    market.volume = 0
