"""The bar that is growing now, built from market data.

Responsible for folding updates into one bar after the other. It must never claim a bar that it has seen
in part only: such a bar is not `complete`. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ibkr_async.models.streaming import PriceBar

if TYPE_CHECKING:
    from ibkr_async.models.market_data import MarketDataUpdate


class BarBuilder:
    """Builds bars of one contract.

    Bars stand on the grid of the newest bar of the history, since IBKR's hourly and daily bars begin
    where the trading session begins; without any, on the grid of Unix time.
    """

    def __init__(self, conid: int, length_s: int) -> None:
        self._length_ms = length_s * 1000
        self._day_volume: float | None = None
        """Newest figure of the volume traded today."""
        self._volume_before: float | None = None
        """The same figure when the present bar's own volume was known last."""
        self._whole = False
        self._next_whole = False
        self.bar: PriceBar | None = None
        """The growing bar; None before the first price."""
        self._empty = PriceBar(
            conid=conid,
            t=0,
            length_s=length_s,
            open=None,
            high=None,
            low=None,
            close=None,
            volume=None,
            final=False,
            source="quotes",
        )

    @property
    def end_ms(self) -> int | None:
        """When the growing bar ends, Unix milliseconds."""
        return None if self.bar is None else self.bar.t + self._length_ms

    @property
    def complete(self) -> bool:
        """True when nothing of the growing bar was missed."""
        return self._whole

    def interrupt(self) -> None:
        """Take note that updates may have been missed."""
        self._whole = self._next_whole = False

    def seed(self, bar: PriceBar) -> None:
        """Take over the newest bar of the history, which is still growing."""
        mine = self.bar
        self.bar = bar
        if mine is not None and mine.t == bar.t and mine.close is not None:
            self.bar = msgspec.structs.replace(
                bar,
                high=_highest(bar.high, mine.high),
                low=_lowest(bar.low, mine.low),
                close=mine.close,
            )
        self._volume_before = self._day_volume
        self._whole = self._next_whole = True

    def apply(self, update: MarketDataUpdate, now_ms: int) -> tuple[PriceBar, bool] | None:
        """Fold one update in; give the bar that it ended, if any, and whether that was complete."""
        at_ms = update.updated_ms or now_ms
        ended = self._roll(at_ms)
        day_volume = update.volume_exact
        price = update.last_price if update.last_wire is not None else None
        if price is not None and price.value is not None and not price.is_close:
            self._trade(price.value, at_ms)
        if day_volume is not None:
            self._count(day_volume)
        return ended

    def end(self, now_ms: int) -> tuple[PriceBar, bool] | None:
        """Return the growing bar if its time is over by the clock, and whether it was complete."""
        return self._roll(now_ms)

    def _roll(self, at_ms: int) -> tuple[PriceBar, bool] | None:
        bar, end_ms = self.bar, self.end_ms
        if bar is None or end_ms is None or at_ms < end_ms:
            return None
        ended = (bar, self._whole)
        start = bar.t + (at_ms - bar.t) // self._length_ms * self._length_ms
        self.bar = msgspec.structs.replace(self._empty, t=start)
        self._whole = self._next_whole
        self._volume_before = self._day_volume
        return ended

    def _trade(self, price: float, at_ms: int) -> None:
        bar = self.bar
        if bar is None:
            bar = msgspec.structs.replace(self._empty, t=at_ms // self._length_ms * self._length_ms)
        self.bar = msgspec.structs.replace(
            bar,
            open=price if bar.open is None else bar.open,
            high=_highest(bar.high, price),
            low=_lowest(bar.low, price),
            close=price,
            source="quotes",
        )
        self._next_whole = True

    def _count(self, day_volume: float) -> None:
        before, self._day_volume = self._day_volume, day_volume
        since = self._volume_before
        if since is None or (before is not None and day_volume < before):
            self._volume_before = day_volume  # nothing to compare with, or a new day
        elif self.bar is not None:
            volume = (self.bar.volume or 0.0) + day_volume - since
            self.bar = msgspec.structs.replace(self.bar, volume=volume)
            self._volume_before = day_volume


def _highest(*prices: float | None) -> float | None:
    return max((price for price in prices if price is not None), default=None)


def _lowest(*prices: float | None) -> float | None:
    return min((price for price in prices if price is not None), default=None)
