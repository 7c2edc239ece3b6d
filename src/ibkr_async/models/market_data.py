"""Market data as it crosses the wire: one struct for stream deltas and snapshot rows.

Responsible for decoding fast and losing nothing. It must never convert a value before somebody asks
for it: conversion costs four times the decode, and most values are overwritten unread.

The struct has a slot for each field that a quote shows, in the order in which IBKR's server writes
them (measured on the recordings: 330 ns for a delta). A slot for each of the 119 known tags would
double that (660 ns), because absent slots cost time too. The rarer tags are therefore read out of
`raw` when they are asked for, through `get`, `text`, `extra` or `in`.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from ibkr_async.models.availability import Availability
from ibkr_async.models.base import Price, Unread, parse_json, parse_price, says_it_all
from ibkr_async.models.fact import Fact
from ibkr_async.models.fields import (
    FIELDS,
    FIELDS_BY_NAME,
    QUOTE,
    Field,
    Kind,
    resolve_fields,
    tag_of,
)
from ibkr_async.models.scalars import read_float, read_int, read_quoted, read_size, read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "FIELDS",
    "FIELDS_BY_NAME",
    "QUOTE",
    "Availability",
    "Field",
    "Kind",
    "MarketDataUpdate",
    "decode_update",
    "read_market_data",
    "read_snapshot",
    "resolve_fields",
]

_WHOLE: Final = frozenset({"conid", "updated_ms"})
_TEXTS: Final = frozenset({"server_id", "conid_ex", "topic"})
_QUOTED: Final = frozenset({"84", "86"})
"""Bid and ask, which are read beside their sizes."""

Wire: TypeAlias = str | int | float | None
"""A value as sent: text nearly always; None when the frame did not carry it."""


class MarketDataUpdate(Fact, msgspec.Struct, gc=False, kw_only=True, omit_defaults=True):
    """One `smd` frame or snapshot row: the fields that it carried, and only those.

    `update.bid` reads the value as a number, `update.bid_wire` is what was sent. None means that the
    frame did not carry the field (it is unchanged), or that the value says nothing; `"bid" in
    update` tells the two apart. Not shared between tasks while `merge` is used.
    Source: topic `smd`, "Market Data Request"; `GET /iserver/marketdata/snapshot`.
    """

    server_id: str | None = None
    """Market-data server, such as `q2`."""
    conid_ex: str | None = msgspec.field(default=None, name="conidEx")
    """Contract with its exchange if one was asked for, such as `265598@ARCA`."""
    conid: int | None = None
    """Contract."""
    updated_ms: int | None = msgspec.field(default=None, name="_updated")
    """IBKR's clock when it sent the data, Unix milliseconds. Not the exchange's time."""
    delivery_marker_wire: Wire = msgspec.field(default=None, name="6119")
    """Repeats `server_id`."""
    bid_wire: Wire = msgspec.field(default=None, name="84")
    availability_wire: Wire = msgspec.field(default=None, name="6509")
    """Normally only in the first frame."""
    last_wire: Wire = msgspec.field(default=None, name="31")
    ask_wire: Wire = msgspec.field(default=None, name="86")
    bid_size_wire: Wire = msgspec.field(default=None, name="88")
    ask_size_wire: Wire = msgspec.field(default=None, name="85")
    last_size_wire: Wire = msgspec.field(default=None, name="7059")
    volume_wire: Wire = msgspec.field(default=None, name="87")
    volume_exact_wire: Wire = msgspec.field(default=None, name="7762")
    change_wire: Wire = msgspec.field(default=None, name="82")
    change_pct_wire: Wire = msgspec.field(default=None, name="83")
    """A number on the socket, text such as `0.54%` in snapshots."""
    high_wire: Wire = msgspec.field(default=None, name="70")
    low_wire: Wire = msgspec.field(default=None, name="71")
    open_wire: Wire = msgspec.field(default=None, name="7295")
    close_wire: Wire = msgspec.field(default=None, name="7296")
    prior_close_wire: Wire = msgspec.field(default=None, name="7741")
    mark_price_wire: Wire = msgspec.field(default=None, name="7635")
    symbol_wire: Wire = msgspec.field(default=None, name="55")
    topic: str | None = None
    """`smd+` and the target; None in snapshot rows."""
    # The wire names of the last two cannot occur: IBKR's keys are digits or identifiers.
    raw: bytes = msgspec.field(default=b"", name="#raw")
    """The frame. Whoever decodes sets it, so that the tags without a slot are not lost."""
    kept: dict[str, Any] | None = msgspec.field(default=None, name="#kept")
    """What `extra` found in `raw`; None until it has been asked for. Use `extra`."""

    # --- everything that was sent ---

    @property
    def extra(self) -> dict[str, Any]:
        """What was sent and has no slot, by wire key: rarer tags and keys such as `87_raw`.

        Shape: values as sent, fractions as `Decimal`; nulls are left out, like absent keys. Empty
        for a frame whose remainder cannot be read.
        """
        if self.kept is None:
            try:
                self.kept = without_slots(parse_json(self.raw, Unread())) if self.raw else {}
            except msgspec.DecodeError:
                # Decoding the slots passes over unknown keys without looking at their bytes.
                self.kept = {}
        return self.kept

    @property
    def wire(self) -> dict[str, Any]:
        """Everything that was sent, by wire key."""
        slots = {
            key: value
            for name, key in _slots().items()
            if (value := getattr(self, name)) is not None
        }
        return slots | self.extra

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of the fields that the frame carried; the bare tag of one that is not known."""
        return tuple(
            FIELDS[key].name if key in FIELDS else key
            for key in self.wire
            if key in FIELDS or key.isdigit()
        )

    @property
    def is_empty(self) -> bool:
        """True for the frames with nothing but a topic, which IBKR sends now and then."""
        return self.conid is None and not self.changed

    def __contains__(self, name: str) -> bool:
        return self._sent(tag_of(name)) is not None

    def text(self, name: str) -> str | None:
        """Return the value of a field, by name or tag, as text as it was sent.

        Errors: `UnknownFieldError`.
        """
        return read_text(self._sent(tag_of(name)))

    def get(self, name: str) -> float | int | bool | str | None:
        """Read the value of a field, by name or tag, in the type of its `Kind`.

        Shape: None when the frame did not carry it or the value says nothing; text for a tag that
        is not in `FIELDS`.
        Errors: `UnknownFieldError`.
        """
        tag = tag_of(name)
        field = FIELDS.get(tag)
        value = self._sent(tag)
        if field is None:
            return read_text(value)
        return getattr(self, field.name) if tag in _QUOTED else field.read(value)

    def merge(self, newer: MarketDataUpdate) -> None:
        """Take over everything that a newer frame of the same contract carried.

        Nothing is lost: what only this one carries stays. Costs about 2 µs, most of it for the
        rarer tags of `newer`.
        """
        extra = self.extra | newer.extra
        for name in _slots():
            value = getattr(newer, name)
            if value is not None:
                setattr(self, name, value)
        self.kept = extra
        self.raw = newer.raw

    def _sent(self, tag: str) -> Any:
        name = _slot_by_key().get(tag)
        return self.extra.get(tag) if name is None else getattr(self, name)

    def _said(self) -> Iterator[tuple[str, Any]]:
        """Yield only what the frame carried; `extra` is as in `Model`."""
        extra: dict[str, Any] = {}
        names = _slot_by_key()
        for key, sent in self.wire.items():
            field = FIELDS.get(key)
            if field is None and key not in names:
                extra[key] = sent
                continue
            value = sent if field is None else self.get(key)
            yield names[key] if field is None else field.name, value
            if not says_it_all(value, sent):
                extra[key] = sent
        if extra:
            yield "extra", extra

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("conid", self.conid), *((name, self.get(name)) for name in self.changed)]

    # --- read on access ---

    @property
    def bid(self) -> float | None:
        """Best price at which somebody buys.

        None also for IBKR's "no quote", -1 in the same frame as a size of 0.
        """
        return read_quoted(self.bid_wire, self.bid_size_wire)

    @property
    def ask(self) -> float | None:
        """Best price at which somebody sells; None as for `bid`."""
        return read_quoted(self.ask_wire, self.ask_size_wire)

    @property
    def last(self) -> float | None:
        """Price of the last trade, or the previous close: see `last_price`."""
        return read_float(self.last_wire)

    @property
    def last_price(self) -> Price:
        """`last` with what its prefix says: a previous close, or a halt."""
        return parse_price(read_text(self.last_wire))

    @property
    def bid_size(self) -> float | None:
        """Quantity at the bid, in shares or contracts."""
        return read_size(self.bid_size_wire)

    @property
    def ask_size(self) -> float | None:
        """Quantity at the ask, in shares or contracts."""
        return read_size(self.ask_size_wire)

    @property
    def last_size(self) -> float | None:
        """Quantity of the last trade, in shares or contracts."""
        return read_size(self.last_size_wire)

    @property
    def volume(self) -> float | None:
        """Traded today, in shares or contracts, rounded by IBKR to what `24.2M` can say."""
        return read_size(self.volume_wire)

    @property
    def volume_exact(self) -> float | None:
        """Traded today, to the unit."""
        return read_size(self.volume_exact_wire)

    @property
    def change(self) -> float | None:
        """Last price less the previous close."""
        return read_float(self.change_wire)

    @property
    def change_pct(self) -> float | None:
        """Last price against the previous close, in percent."""
        return read_float(self.change_pct_wire)

    @property
    def high(self) -> float | None:
        """Highest price of the day."""
        return read_float(self.high_wire)

    @property
    def low(self) -> float | None:
        """Lowest price of the day."""
        return read_float(self.low_wire)

    @property
    def open(self) -> float | None:
        """First price of the day."""
        return read_float(self.open_wire)

    @property
    def close(self) -> float | None:
        """Closing price of the day."""
        return read_float(self.close_wire)

    @property
    def prior_close(self) -> float | None:
        """Closing price of the day before."""
        return read_float(self.prior_close_wire)

    @property
    def mark_price(self) -> float | None:
        """Price at which IBKR values a position."""
        return read_float(self.mark_price_wire)

    @property
    def symbol(self) -> str | None:
        """Ticker symbol."""
        return read_text(self.symbol_wire)

    @property
    def availability(self) -> Availability | None:
        """How timely the data is."""
        code = read_text(self.availability_wire)
        return Availability.parse(code) if code else None


def decode_update(frame: bytes) -> MarketDataUpdate:
    """Decode one `smd` frame, complete with its `raw`.

    Errors: `msgspec.DecodeError` (and its `ValidationError`); `UnicodeDecodeError`.
    """
    update = _decoder().decode(frame)
    update.raw = frame
    return update


def read_market_data(
    frame: Mapping[str, Any], unread: Unread | None = None
) -> list[MarketDataUpdate]:
    """Read one `smd` frame that has been parsed, whatever its values are.

    The contract and the time are read from text too; a value that is no text and no number has no slot
    and stays in `extra`.
    Errors: `msgspec.ValidationError` when it names a contract that cannot be read: whose prices they
    are is not known then.
    """
    update = _read_update(frame, Unread() if unread is None else unread)
    if "conid" in update.extra:
        raise msgspec.ValidationError("the contract cannot be read - at `$.conid`")
    return [update]


def read_snapshot(rows: Iterable[Mapping[str, Any]]) -> list[MarketDataUpdate]:
    """Read the rows of a snapshot, as `parse_json` or a `dict` result gives them.

    Shape: one update for each row, in order. A row without fields is IBKR's warm-up answer: it has
    begun to collect them; ask again.
    Source: `GET /iserver/marketdata/snapshot`.
    """
    return [_read_update(row, Unread()) for row in rows]


def _read_update(row: Mapping[str, Any], unread: Unread) -> MarketDataUpdate:
    sent: dict[str, Any] = {}
    odd: dict[str, Any] = {}
    for key, name in _slot_by_key().items():
        value, original = _read_slot(name, row.get(key)), row.get(key)
        if value is not None:
            sent[name] = value
        elif not says_it_all(value, original):
            odd[key] = original
            unread.note(key, f"not understood as `{type(original).__name__}`")
    update = MarketDataUpdate(**sent)
    update.kept = without_slots(row) | odd
    return update


def _read_slot(name: str, value: Any) -> Any:
    if name in _WHOLE:
        return read_int(value)
    if name in _TEXTS:
        return read_text(value)
    if isinstance(value, Decimal):
        return read_float(value)
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None


@cache
def _decoder() -> msgspec.json.Decoder[MarketDataUpdate]:
    return msgspec.json.Decoder(MarketDataUpdate)


@cache
def _slots() -> dict[str, str]:
    """Map attribute names to wire keys, without our own two at the end."""
    fields = msgspec.structs.fields(MarketDataUpdate)
    return {field.name: field.encode_name for field in fields if field.encode_name[0] != "#"}


@cache
def _slot_by_key() -> dict[str, str]:
    return {key: name for name, key in _slots().items()}


def without_slots(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an update has no slot for, out of everything that was sent."""
    slots = _slot_by_key()
    return {key: value for key, value in row.items() if key not in slots and value is not None}
