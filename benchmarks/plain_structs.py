"""The least that a client must do with a frame: find its topic and decode it into a struct.

Used by the practical limit and by the bare client. Independent of this project's own models, so that
the yardstick does not move with them; msgspec only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.corpus import CONIDS

if TYPE_CHECKING:
    from collections.abc import Callable

_TOPIC = b'"topic":"'
_SKIP = len(_TOPIC)


class MarketData(msgspec.Struct, gc=False):
    """A delta, with its fields in the order in which they are sent."""

    server_id: str | None = None
    conid_ex: str | None = msgspec.field(default=None, name="conidEx")
    conid: int | None = None
    updated_ms: int | None = msgspec.field(default=None, name="_updated")
    marker: str | None = msgspec.field(default=None, name="6119")
    last: str | None = msgspec.field(default=None, name="31")
    symbol: str | None = msgspec.field(default=None, name="55")
    high: str | None = msgspec.field(default=None, name="70")
    low: str | None = msgspec.field(default=None, name="71")
    bid: str | None = msgspec.field(default=None, name="84")
    ask: str | None = msgspec.field(default=None, name="86")
    bid_size: str | None = msgspec.field(default=None, name="88")
    ask_size: str | None = msgspec.field(default=None, name="85")
    last_size: str | None = msgspec.field(default=None, name="7059")
    change: str | None = msgspec.field(default=None, name="82")
    change_pct: str | None = msgspec.field(default=None, name="83")
    volume: str | None = msgspec.field(default=None, name="87")
    volume_exact: str | None = msgspec.field(default=None, name="7762")
    availability: str | None = msgspec.field(default=None, name="6509")
    open: str | None = msgspec.field(default=None, name="7295")
    close: str | None = msgspec.field(default=None, name="7296")
    mark: str | None = msgspec.field(default=None, name="7635")
    prior_close: str | None = msgspec.field(default=None, name="7741")
    topic: str | None = None


class _Order(msgspec.Struct):
    order_id: int | None = msgspec.field(default=None, name="orderId")
    acct: str | None = None
    conid: int | None = None
    ticker: str | None = None
    side: str | None = None
    status: str | None = None
    price: str | None = None
    order_type: str | None = msgspec.field(default=None, name="orderType")
    filled: float | None = msgspec.field(default=None, name="filledQuantity")
    remaining: float | None = msgspec.field(default=None, name="remainingQuantity")


class _Orders(msgspec.Struct):
    args: list[_Order]


class _Execution(msgspec.Struct):
    execution_id: str | None = None
    symbol: str | None = None
    side: str | None = None
    size: float | None = None
    price: str | None = None
    commission: str | None = None
    account: str | None = None
    conid: int | None = None


class _Executions(msgspec.Struct):
    args: list[_Execution]


class _PnlRow(msgspec.Struct):
    dpl: float | None = None
    nl: float | None = None
    upl: float | None = None
    el: float | None = None
    mv: float | None = None


class _Pnl(msgspec.Struct):
    args: dict[str, _PnlRow]


class _LadderRow(msgspec.Struct, gc=False):
    row: int | None = None
    focus: int | None = None
    price: str | None = None
    bid: str | None = None
    ask: str | None = None


class _Ladder(msgspec.Struct):
    data: list[_LadderRow]


class _Bar(msgspec.Struct, gc=False):
    t: int
    o: float
    c: float
    h: float
    l: float  # noqa: E741 - as on the wire
    v: float


class _Bars(msgspec.Struct):
    data: list[_Bar]


def reader() -> Callable[[bytes], Any]:
    """Make a function that decodes one frame into its struct, by topic."""
    market_data = msgspec.json.Decoder(MarketData).decode
    routes = {f"smd+{conid}".encode(): market_data for conid in CONIDS}
    others = {
        code: msgspec.json.Decoder(type_).decode
        for code, type_ in {
            b"sor": _Orders,
            b"str": _Executions,
            b"spl": _Pnl,
            b"sbd": _Ladder,
            b"smh": _Bars,
        }.items()
    }  # fmt: skip - a table
    anything = msgspec.json.Decoder().decode

    def read(frame: bytes) -> Any:
        decode = routes.get(frame[frame.rfind(_TOPIC) + _SKIP : -2])
        if decode is None:
            begin = frame.find(_TOPIC) + _SKIP
            decode = others.get(frame[begin : begin + 3], anything)
        return decode(frame)

    return read
