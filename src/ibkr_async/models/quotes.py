"""The merged, typed picture of one contract: what a trader calls a quote.

Responsible for folding deltas into it. It must never show a value that was not sent, and never drop
one that no later delta replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ibkr_async.models.availability import Availability
from ibkr_async.models.base import parse_json, parse_price
from ibkr_async.models.fact import Fact
from ibkr_async.models.fields import FIELDS, tag_of
from ibkr_async.models.market_data import without_slots
from ibkr_async.models.scalars import read_float, read_int, read_quoted, read_size, read_text
from ibkr_async.types import Conid

if TYPE_CHECKING:
    from ibkr_async.models.market_data import MarketDataUpdate

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})
_TOPIC_ONLY: Final = frozenset({"topic"})
_SMALL_L: Final = ord("l")

_SHOWN: Final = """
    conid symbol bid ask last bid_size ask_size last_size volume volume_exact high low open close
    prior_close change change_pct mark_price availability last_is_close halted updated_at_ms
    received_at
""".split()  # noqa: SIM905 - a list would take a line for each name


class Quote(Fact, msgspec.Struct, frozen=True, eq=False, gc=False):
    """Everything that is known of one contract's market now.

    None means that IBKR has not sent the value: it is not zero. Prices are in the contract's
    currency, sizes in shares or contracts. A quote never changes: `apply` makes a new one.

    Like an update it keeps what was sent and reads a number when somebody asks for it: folding costs
    1.1 µs, where converting every value that arrives took 5.2 µs.
    """

    conid: Conid
    """The contract."""
    given_symbol: str = ""
    """Symbol that the caller gave; `symbol` is the one to show."""
    wire: Mapping[str, Any] = _NOTHING
    """The newest value of everything that was sent, as sent, by wire key."""
    received_at: float | None = None
    """Clock of this machine when the newest update came, in the caller's own terms."""

    @classmethod
    def empty(cls, conid: int, symbol: str = "") -> Quote:
        """Begin with a contract of which nothing is known."""
        return cls(Conid(conid), symbol)

    def __reduce__(self) -> tuple[Any, ...]:
        # The empty default has no copy.
        return Quote, (self.conid, self.given_symbol, dict(self.wire), self.received_at)

    def apply(self, update: MarketDataUpdate, received_at: float | None = None) -> Quote:
        """Fold one update into the picture and return the new picture, or the same one for no news.

        Shape: values that the update does not carry stay; one that says nothing (`""`) becomes None.
        What is known already is no news: IBKR sends the first frame of a contract twice.
        Errors: `ValueError` when the update is about another contract.
        """
        if update.conid is not None and update.conid != self.conid:
            raise ValueError(f"an update of {update.conid} does not belong to {self.conid}")
        sent, wire = _sent_in(update), self.wire
        # The time first: it nearly always differs, and the whole comparison costs half a fold.
        at = sent.get("_updated")
        if (at is None or at == wire.get("_updated")) and sent.items() <= wire.items():
            return self
        if received_at is None:
            if sent.keys() <= _TOPIC_ONLY:
                return self
            received_at = self.received_at
        return Quote(self.conid, self.given_symbol, {**wire, **sent}, received_at)

    # --- read on access ---

    @property
    def symbol(self) -> str:
        """Ticker symbol; empty when neither the caller nor IBKR named it."""
        return read_text(self.wire.get("55")) or self.given_symbol

    @property
    def bid(self) -> float | None:
        """Best price at which somebody buys; None also for IBKR's "no quote", -1 with a size of 0."""
        return read_quoted(self.wire.get("84"), self.wire.get("88"))

    @property
    def ask(self) -> float | None:
        """Best price at which somebody sells; None as for `bid`."""
        return read_quoted(self.wire.get("86"), self.wire.get("85"))

    @property
    def mid(self) -> float | None:
        """Middle between bid and ask; None while a side is missing, and when both are -1."""
        sides = self._sides()
        return None if sides is None else float((sides[0] + sides[1]) / 2)

    @property
    def spread(self) -> float | None:
        """Ask less bid, to the digit; None as for `mid`."""
        sides = self._sides()
        return None if sides is None else float(sides[1] - sides[0])

    def _sides(self) -> tuple[Decimal, Decimal] | None:
        """Return bid and ask; None unless the market has both. -1 on both sides is IBKR's "none"."""
        bid, ask = self.bid, self.ask
        if bid is None or ask is None or bid == ask == -1:
            return None
        # As decimals: 182.26 - 182.24 is 0.01999999999998181 in floats.
        return Decimal(repr(bid)), Decimal(repr(ask))

    @property
    def last(self) -> float | None:
        """Price of the last trade, or the previous close if `last_is_close`."""
        return read_float(self.wire.get("31"))

    @property
    def bid_size(self) -> float | None:
        """Quantity at the bid."""
        return read_size(self.wire.get("88"))

    @property
    def ask_size(self) -> float | None:
        """Quantity at the ask."""
        return read_size(self.wire.get("85"))

    @property
    def last_size(self) -> float | None:
        """Quantity of the last trade."""
        return read_size(self.wire.get("7059"))

    @property
    def volume(self) -> float | None:
        """Traded today, rounded by IBKR to what `24.2M` can say."""
        return read_size(self.wire.get("87"))

    @property
    def volume_exact(self) -> float | None:
        """Traded today, to the unit."""
        return read_size(self.wire.get("7762"))

    @property
    def high(self) -> float | None:
        """Highest price of the day."""
        return read_float(self.wire.get("70"))

    @property
    def low(self) -> float | None:
        """Lowest price of the day."""
        return read_float(self.wire.get("71"))

    @property
    def open(self) -> float | None:
        """First price of the day."""
        return read_float(self.wire.get("7295"))

    @property
    def close(self) -> float | None:
        """Closing price of the day."""
        return read_float(self.wire.get("7296"))

    @property
    def prior_close(self) -> float | None:
        """Closing price of the day before."""
        return read_float(self.wire.get("7741"))

    @property
    def change(self) -> float | None:
        """Last price less the previous close."""
        return read_float(self.wire.get("82"))

    @property
    def change_pct(self) -> float | None:
        """Last price against the previous close, in percent."""
        return read_float(self.wire.get("83"))

    @property
    def mark_price(self) -> float | None:
        """Price at which IBKR values a position."""
        return read_float(self.wire.get("7635"))

    @property
    def availability(self) -> Availability | None:
        """How timely the data is."""
        code = read_text(self.wire.get("6509"))
        return Availability.parse(code) if code else None

    @property
    def last_is_close(self) -> bool:
        """No trade yet: `last` is the previous close."""
        return parse_price(read_text(self.wire.get("31"))).is_close

    @property
    def halted(self) -> bool:
        """Trading is halted, as the last price says."""
        return parse_price(read_text(self.wire.get("31"))).halted

    @property
    def updated_at_ms(self) -> int | None:
        """IBKR's clock when it sent the newest update, Unix milliseconds. Not the exchange's time."""
        return read_int(self.wire.get("_updated"))

    @property
    def extra(self) -> Mapping[str, Any]:
        """The newest value of everything else, as sent, by wire key; `get` reads it by name."""
        return without_slots(self.wire)

    # --- read by name ---

    def get(self, name: str) -> float | int | bool | str | Availability | None:
        """Read any field by name or tag, such as `delta` or `7308`.

        Shape: as the field's `Kind`; text for a tag that is not in `FIELDS`; None when it was never
        sent.
        Errors: `UnknownFieldError`.
        """
        tag = tag_of(name)
        field = FIELDS.get(tag)
        if field is None:
            return read_text(self.wire.get(tag))
        if field.name in _SHOWN:
            value: float | str | Availability | None = getattr(self, field.name)
            return value
        return field.read(self.wire.get(tag))

    def _said(self) -> Iterator[tuple[str, Any]]:
        for name in _SHOWN:
            value = getattr(self, name)
            yield name, value.raw if isinstance(value, Availability) else value
        if extra := self.extra:
            yield "extra", extra

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Quote):
            return NotImplemented
        return dict(self._said()) == dict(other._said())

    __hash__ = None  # type: ignore[assignment]  # equal quotes may have been sent differently

    def __str__(self) -> str:
        name = self.symbol or f"conid {self.conid}"
        last = f"{_show(self.last)}{' (close)' if self.last_is_close else ''}"
        parts = [
            f"{name} {_show(self.bid)} x {_show(self.ask)}",
            f"({_show(self.bid_size)} x {_show(self.ask_size)})",
            f"last {last}",
        ]
        if self.halted:
            parts.append("HALTED")
        if self.availability is not None:
            parts.append(f"[{self.availability}]")
        return " ".join(parts)

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [pair for pair in super().__rich_repr__() if pair[1] is not False]


def _sent_in(update: MarketDataUpdate) -> dict[str, Any]:
    raw = update.raw
    # Looking for one byte of "null" first: 0.02 µs, and hardly any frame has it. The word: 0.19 µs.
    if update.kept is None and raw and (_SMALL_L not in raw or b"null" not in raw):
        # As it came from the socket: parsing it anew is faster than asking for each field.
        try:
            sent: dict[str, Any] = parse_json(raw)
        except msgspec.DecodeError:
            pass  # the update itself says what can be read of it
        else:
            return sent
    return update.wire


def _show(number: float | None) -> str:
    return "-" if number is None else f"{number:,.10g}"
