"""Payloads of bars and depth: `smh` and `sbd`. Both are known from the documentation only.

Responsible for their shapes only; `streaming` reads the frames. Everything here is measured, and
float.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from ibkr_async.models.base import Bool, Float, Int, Model, Str, parse_float
from ibkr_async.models.fact import Fact
from ibkr_async.models.history import HistoryReply


class BarsMessage(HistoryReply, rename="camel"):
    """Bars of one contract, as in `GET /iserver/marketdata/history`. Topic `smh`.

    `server_id` is what the unsubscription must name.
    """

    topic: Str = None
    """`smh+` and the contract."""


class LadderRow(Model):
    """One step of the price ladder, known by its `row`. Topic `sbd`."""

    row: Int = None
    """Index of the step; a later row of the same index replaces this one."""
    focus: Bool = None
    """The step of the last trade."""
    price_text: Str = msgspec.field(default=None, name="price")
    """A price, or size and price as in `300 @ 185.23`; see `price` and `size_at_price`."""
    bid_size: Float = msgspec.field(default=None, name="bid")
    """Quantity wanted at this price; None on the other side."""
    ask_size: Float = msgspec.field(default=None, name="ask")
    """Quantity offered at this price; None on the other side."""

    @property
    def price(self) -> float | None:
        """Price of the step, currency of the contract."""
        return parse_float((self.price_text or "").rpartition("@")[2].strip())

    @property
    def size_at_price(self) -> float | None:
        """Quantity that IBKR writes before the price, traded there; None when there is none."""
        return parse_float((self.price_text or "").rpartition("@")[0].strip())


class PriceLadder(Fact, msgspec.Struct, frozen=True):
    """The whole ladder, folded from its rows: what is wanted and offered at each price.

    Each frame changes some rows and says nothing of the others. IBKR does not document that; after
    a gap begin with a new ladder.
    """

    rows: Mapping[int, LadderRow] = msgspec.field(default_factory=lambda: MappingProxyType({}))
    """Newest row of each index, in the order of the ladder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _ladder_of, (dict(self.rows),)

    def apply(self, row: LadderRow) -> PriceLadder:
        """Return the ladder with one row replaced; the same ladder when that changes nothing."""
        if row.row is None:
            return self
        known = self.rows.get(row.row)
        if known is not None and known == row and known.extra == row.extra:
            return self
        rows = {**self.rows, row.row: row}
        return _ladder_of(dict(sorted(rows.items())))

    @property
    def bids(self) -> tuple[tuple[float, float], ...]:
        """(price, quantity) of what is wanted, best price first."""
        return tuple(sorted(self._side("bid_size"), reverse=True))

    @property
    def asks(self) -> tuple[tuple[float, float], ...]:
        """(price, quantity) of what is offered, best price first."""
        return tuple(sorted(self._side("ask_size")))

    @property
    def last_trade(self) -> LadderRow | None:
        """The row of the last trade; None while none is marked."""
        return next((row for row in self.rows.values() if row.focus), None)

    def _side(self, name: str) -> list[tuple[float, float]]:
        sizes = ((row.price, getattr(row, name)) for row in self.rows.values())
        return [(price, size) for price, size in sizes if price is not None and size]


def _ladder_of(rows: dict[int, LadderRow]) -> PriceLadder:
    return PriceLadder(MappingProxyType(rows))
