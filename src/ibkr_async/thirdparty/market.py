"""Market data snapshots, and which exchanges stand behind a quote. Pure.

Responsible for the shapes of `/marketdata` and for decoding the bit mask `market`. It must never
name an exchange that the mapping does not: a bit without a name is reported as such.
"""

from __future__ import annotations

import msgspec

from ibkr_async.models.base import Bool, Float, Int, Model, Str
from ibkr_async.models.fact import Fact
from ibkr_async.thirdparty.answers import AnswerRow, TemporalityCode
from ibkr_async.thirdparty.fix import Temporality


class MarketSide(Model):
    """Bid or offer of a snapshot."""

    market: Int = None
    """Bit mask of the exchanges behind it; `exchange_components` explains the bits."""
    price: Float = None
    """Price."""
    size: Float = None
    """Size."""


class LastTrade(MarketSide):
    """Last trade of a snapshot."""

    time: Int = None
    """Time of the trade, as sent; the reference does not give the unit."""


class Closing(Model):
    """Previous close of a snapshot."""

    price: Float = None
    """Price."""


class Snapshot(AnswerRow):
    """One product of `GET /marketdata/snapshot`."""

    conid: Int = None
    """Conid."""
    temporality: TemporalityCode = None
    """Real time or delayed."""
    complete: Bool = None
    """Whether everything asked for is here."""
    trade: LastTrade = msgspec.field(default_factory=LastTrade)
    """Last trade."""
    closing: Closing = msgspec.field(default_factory=Closing)
    """Previous close."""
    bid: MarketSide = msgspec.field(default_factory=MarketSide)
    """Best bid."""
    offer: MarketSide = msgspec.field(default_factory=MarketSide)
    """Best offer."""


class ExchangeBit(Model):
    """One bit of the mask."""

    bit: Int = None
    """Number of the bit, from 0."""
    code: Str = None
    """Short code of the exchange."""
    exchange: Str = None
    """Name of the exchange, such as `NYSE`."""


class ExchangeComponents(AnswerRow):
    """What the bits mean for one product: a row of `GET /marketdata/exchange_components`."""

    conid: Int = None
    """Conid."""
    complete: Bool = None
    """Whether the mapping is whole."""
    mapping: list[ExchangeBit] = msgspec.field(default_factory=list[ExchangeBit], name="mapping")
    """The bits."""

    @property
    def names(self) -> dict[int, str]:
        """Name of the exchange of each bit; its code where it has no name."""
        named = ((row.bit, row.exchange or row.code) for row in self.mapping)
        return {bit: name for bit, name in named if bit is not None and name}


class QuoteSide(Fact, msgspec.Struct, frozen=True, kw_only=True):
    """Bid, offer or last trade with its exchanges."""

    price: float | None = None
    """Price."""
    size: float | None = None
    """Size."""
    market: int | None = None
    """The bit mask as sent."""
    exchanges: frozenset[str] | None = None
    """Exchanges behind it; None when no mask was sent."""
    unnamed_bits: tuple[int, ...] = ()
    """Bits of the mask that the mapping does not name: then `exchanges` is not all."""
    time: int | None = None
    """Time of a trade, as sent; None for bid and offer."""


class ThirdPartyQuote(Fact, msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot whose sides know their exchanges."""

    conid: int | None
    """Conid."""
    bid: QuoteSide
    """Best bid."""
    offer: QuoteSide
    """Best offer."""
    trade: QuoteSide
    """Last trade."""
    closing_price: float | None
    """Previous close."""
    temporality: Temporality | None
    """Real time or delayed."""
    complete: bool | None
    """Whether everything asked for is here."""


def bits_of(mask: int) -> tuple[int, ...]:
    """Return the numbers of the bits that are set: 5 is bits 0 and 2."""
    return tuple(bit for bit in range(max(mask, 0).bit_length()) if mask >> bit & 1)


def to_quote(snapshot: Snapshot, names: dict[int, str]) -> ThirdPartyQuote:
    """Join a snapshot with what its bits mean."""
    return ThirdPartyQuote(
        conid=snapshot.conid,
        bid=_side(snapshot.bid, names),
        offer=_side(snapshot.offer, names),
        trade=_side(snapshot.trade, names, snapshot.trade.time),
        closing_price=snapshot.closing.price,
        temporality=snapshot.temporality,
        complete=snapshot.complete,
    )


def masks_of(snapshot: Snapshot) -> tuple[int, ...]:
    """Return the masks of a snapshot that were sent."""
    sides = (snapshot.bid, snapshot.offer, snapshot.trade)
    return tuple(side.market for side in sides if side.market is not None)


def _side(side: MarketSide, names: dict[int, str], time: int | None = None) -> QuoteSide:
    bits = () if side.market is None else bits_of(side.market)
    return QuoteSide(
        price=side.price,
        size=side.size,
        market=side.market,
        exchanges=(
            None if side.market is None else frozenset(names[bit] for bit in bits if bit in names)
        ),
        unnamed_bits=tuple(bit for bit in bits if bit not in names),
        time=time,
    )
