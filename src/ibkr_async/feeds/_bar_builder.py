"""The bar that is growing now, built from market data.

Where IBKR's bars begin cannot be reckoned: an hour of a session that opens at 09:30 may end at 10:00 or at
10:30, a session may break for lunch or end early, and a day may have 23 or 25 hours. So:

* Only the history knows where a bar begins, and whether there is one, as before the opening. What is built
  before it has said so is `in_doubt`. It can be `complete` all the same: a minute, or the bar after one that
  traded, of up to 15 minutes and on the clock's grid, since breaks are longer.
* A bar that may have ended is in doubt again from the first trade after `look_ms` on. Those are the half
  hours within a bar that is not on the clock's grid, or longer than an hour; of a day its last two hours.

Responsible for folding updates into one bar after the other. It must never claim a bar that it has seen
in part only: such a bar is not `complete`. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ibkr_async.models.streaming import PriceBar

if TYPE_CHECKING:
    from ibkr_async.models.market_data import MarketDataUpdate


_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_DAY_MS: Final = 24 * _HOUR_MS
_SHORT_MS: Final = 15 * _MINUTE_MS
"""Up to this length a bar is shorter than half a break."""


def longest_ms(length_s: int) -> int:
    """Return how long a bar of this size can be: days may have 25 hours, and months 31 days."""
    length_ms = length_s * 1000
    if length_ms < _DAY_MS:
        return length_ms
    return length_ms + _HOUR_MS + (_DAY_MS if length_ms == 30 * _DAY_MS else 0)


class BarBuilder:
    """Builds bars of one contract, from where the history says that the newest one begins."""

    def __init__(self, conid: int, length_s: int) -> None:
        self._length_ms = length_s * 1000
        self._longest_ms = longest_ms(length_s)
        self._is_known = False
        """The history has said where the growing bar begins."""
        self._is_reckoned = False
        """It begins where it can only begin, if there is such a bar."""
        self._may_have_ended = False
        self._look_ms: int | None = None
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
        return None if self.bar is None else self.bar.t + self._longest_ms

    @property
    def look_ms(self) -> int | None:
        """When the growing bar may have ended already, Unix milliseconds; None for not before its end."""
        return self._look_ms

    @property
    def in_doubt(self) -> bool:
        """Tell whether only the history can say which bar the last trades belong to."""
        has_traded = self.bar is not None and self.bar.close is not None
        return has_traded and (self._may_have_ended or not self._is_known)

    @property
    def complete(self) -> bool:
        """True when nothing of the growing bar was missed."""
        return self._whole and not self._may_have_ended and (self._is_known or self._is_reckoned)

    def interrupt(self) -> None:
        """Take note that updates may have been missed."""
        self._whole = self._next_whole = False

    def seed(self, bar: PriceBar, now_ms: int) -> None:
        """Take over the newest bar of the history, which is still growing now."""
        mine = self.bar
        self._is_known, self._may_have_ended = True, False
        self._look_ms = self._next_look(bar.t, now_ms)
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
        ended = (bar, self.complete)
        slots = (at_ms - bar.t) // self._length_ms
        follows = slots == 1 and bar.close is not None and (self._is_known or self._is_reckoned)
        self._begin(bar.t + slots * self._length_ms, follows=follows)
        self._look_ms, self._may_have_ended = None, False
        self._whole = self._next_whole
        self._volume_before = self._day_volume
        return ended

    def _begin(self, start_ms: int, *, follows: bool = False) -> PriceBar:
        """Begin a bar with nothing in it yet; `follows` when the one before it was known and traded."""
        self.bar = msgspec.structs.replace(self._empty, t=start_ms)
        on_clock = self._length_ms <= _SHORT_MS and start_ms % self._length_ms == 0
        self._is_known = False
        self._is_reckoned = self._length_ms == _MINUTE_MS or (follows and on_clock)
        return self.bar

    def _next_look(self, start_ms: int, after_ms: int) -> int | None:
        """Return the first time after this one at which a bar that began then may have ended."""
        if self._length_ms <= _HOUR_MS and start_ms % self._length_ms == 0:
            return None
        if self._length_ms < _DAY_MS:
            grid_ms, step_ms, first_ms = 0, min(self._length_ms, _HOUR_MS // 2), start_ms
        else:
            grid_ms, step_ms, first_ms = start_ms, _HOUR_MS, start_ms + _DAY_MS - 2 * _HOUR_MS
        steps = (max(first_ms, after_ms) - grid_ms) // step_ms + 1
        look_ms = grid_ms + steps * step_ms
        return look_ms if look_ms < start_ms + self._longest_ms else None

    def _trade(self, price: float, at_ms: int) -> None:
        bar = self.bar
        self._may_have_ended |= self._look_ms is not None and at_ms >= self._look_ms
        if bar is None:
            bar = self._begin(at_ms // self._length_ms * self._length_ms)
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
