"""The merged, typed picture of one contract: what a trader calls a quote.

Responsible for folding deltas into it. It must never show a value that was not sent, and never drop
one that no later delta replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ibkr_async.models._scalars import read_text
from ibkr_async.models.availability import Availability
from ibkr_async.models.fields import FIELDS, tag_of
from ibkr_async.types import Conid

if TYPE_CHECKING:
    from ibkr_async.models.market_data import MarketDataUpdate

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

_NUMBERS: Final = tuple(
    (name, f"{name}_wire")
    for name in """
        bid ask bid_size ask_size last_size volume volume_exact high low open close prior_close
        change change_pct mark_price
    """.split()  # noqa: SIM905 - a list would take a line for each name
)
"""Fields that are read alike, with the slot of the update that says whether they were sent."""


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known of one contract's market now.

    None means that IBKR has not sent the value: it is not zero. Prices are in the contract's
    currency, sizes in shares or contracts.
    """

    conid: Conid
    """The contract."""
    symbol: str = ""
    """Ticker symbol; empty when neither the caller nor IBKR named it."""
    bid: float | None = None
    """Best price at which somebody buys."""
    ask: float | None = None
    """Best price at which somebody sells."""
    last: float | None = None
    """Price of the last trade, or the previous close if `last_is_close`."""
    bid_size: float | None = None
    """Quantity at the bid."""
    ask_size: float | None = None
    """Quantity at the ask."""
    last_size: float | None = None
    """Quantity of the last trade."""
    volume: float | None = None
    """Traded today, rounded by IBKR to what `24.2M` can say."""
    volume_exact: float | None = None
    """Traded today, to the unit."""
    high: float | None = None
    """Highest price of the day."""
    low: float | None = None
    """Lowest price of the day."""
    open: float | None = None
    """First price of the day."""
    close: float | None = None
    """Closing price of the day."""
    prior_close: float | None = None
    """Closing price of the day before."""
    change: float | None = None
    """Last price less the previous close."""
    change_pct: float | None = None
    """Last price against the previous close, in percent."""
    mark_price: float | None = None
    """Price at which IBKR values a position."""
    availability: Availability | None = None
    """How timely the data is."""
    last_is_close: bool = False
    """No trade yet: `last` is the previous close."""
    halted: bool = False
    """Trading is halted, as the last price says."""
    updated_at_ms: int | None = None
    """IBKR's clock when it sent the newest update, Unix milliseconds. Not the exchange's time."""
    received_at: float | None = None
    """Clock of this machine when the newest update came, in the caller's own terms."""
    extra: Mapping[str, Any] = _NOTHING
    """The newest value of everything else, as sent, by tag; `get` reads it by name."""

    @classmethod
    def empty(cls, conid: int, symbol: str = "") -> Quote:
        """Begin with a contract of which nothing is known."""
        return cls(conid=Conid(conid), symbol=symbol)

    def apply(self, update: MarketDataUpdate, received_at: float | None = None) -> Quote:
        """Fold one update into the picture and return the new picture.

        Shape: values that the update does not carry stay; one that says nothing (`""`) becomes None.
        Errors: `ValueError` when the update is about another contract.
        """
        if update.conid is not None and update.conid != self.conid:
            raise ValueError(f"an update of {update.conid} does not belong to {self.conid}")
        changes: dict[str, Any] = {
            name: getattr(update, name)
            for name, slot in _NUMBERS
            if getattr(update, slot) is not None
        }
        if update.last_wire is not None:
            price = update.last_price
            changes["last"] = price.value
            changes["last_is_close"] = price.is_close
            changes["halted"] = price.halted
        if update.availability_wire is not None:
            changes["availability"] = update.availability
        if update.symbol:
            changes["symbol"] = update.symbol
        if update.updated_ms is not None:
            changes["updated_at_ms"] = update.updated_ms
        if received_at is not None:
            changes["received_at"] = received_at
        if update.extra:
            changes["extra"] = MappingProxyType({**self.extra, **update.extra})
        return msgspec.structs.replace(self, **changes) if changes else self

    def get(self, name: str) -> float | int | bool | str | Availability | None:
        """Read any field by name or tag, such as `delta` or `7308`.

        Shape: as the field's `Kind`; text for a tag that is not in `FIELDS`; None when it was never
        sent.
        Errors: `UnknownFieldError`.
        """
        tag = tag_of(name)
        field = FIELDS.get(tag)
        if field is None:
            return read_text(self.extra.get(tag))
        if field.name in self.__struct_fields__:
            value: float | str | Availability | None = getattr(self, field.name)
            return value
        return field.read(self.extra.get(tag))

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

    def __repr__(self) -> str:
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        shown = ", ".join(
            f"{name}={value!r}"
            for name, value in values
            if value is not None and value is not False and value not in ("", {})
        )
        return f"Quote({shown})"


def _show(number: float | None) -> str:
    return "-" if number is None else f"{number:,.10g}"
