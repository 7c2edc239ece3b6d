"""Payloads of bars and depth: `smh` and `sbd`. Both are known from the documentation only.

Responsible for their shapes only; `streaming` reads the frames. Everything here is measured, and
float.
"""

from __future__ import annotations

import msgspec

from ibkr_async.models._base import Bool, Float, Int, Model, Str, parse_float
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
