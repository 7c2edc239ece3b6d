"""A bar as `ib.bars` gives it: past or present, with shares for volume.

Responsible for its shape only; `stream.bars` puts past and present together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from ibkr_async.models.fact import Fact
from ibkr_async.models.times import from_epoch_ms

if TYPE_CHECKING:
    from datetime import datetime

BarOrigin = Literal["history", "quotes"]


class PriceBar(Fact, msgspec.Struct, frozen=True, kw_only=True):
    """Open, high, low and close of one span of time. Prices in the contract's currency."""

    conid: int
    """The contract."""
    t: int
    """Start of the bar, Unix milliseconds."""
    length_s: int
    """Length of the bar; a daily bar stands for one trading day."""
    open: float | None
    """First price."""
    high: float | None
    """Highest price."""
    low: float | None
    """Lowest price."""
    close: float | None
    """Last price; so far, while the bar is not final."""
    volume: float | None
    """Traded, in shares or contracts: IBKR's number times its volume factor."""
    final: bool
    """True when nothing will change any more. Each final bar is given once."""
    source: BarOrigin
    """`history` is IBKR's own bar; `quotes` was built here from what was streamed, two looks a second."""

    @property
    def starts_at(self) -> datetime | None:
        """Start of the bar as UTC datetime."""
        return from_epoch_ms(self.t)
