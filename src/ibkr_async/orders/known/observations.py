"""What one row of IBKR's says about one order, in one common form.

Responsible for reading: status words in their several spellings, quantities from whichever field
has them. It must never compare rows with each other; that is `orders.record`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from ibkr_async.models.orders import LiveOrder
from ibkr_async.orders.known.events import Execution
from ibkr_async.orders.write.rules import is_combo
from ibkr_async.types import (
    TERMINAL_STATUSES,
    AccountId,
    ClientOrderId,
    Conid,
    OrderId,
    OrderStatus,
    OrderType,
)

if TYPE_CHECKING:
    from ibkr_async.models.order_answers import LegRejected, OrderAccepted
    from ibkr_async.models.orders import OrderStatusReply, Ticket, Trade
    from ibkr_async.models.streaming import LiveOrderUpdate


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about one order; None where the row says nothing."""

    order_id: OrderId
    coid: ClientOrderId | None = None
    account_id: AccountId | None = None
    conid: Conid | None = None
    symbol: str | None = None
    side: str | None = None
    order_type: str | None = None
    parent_id: OrderId | None = None
    reason: str | None = None
    is_combo: bool = False
    status: str | None = None
    quantity: Decimal | None = None
    """Quantity that the row names as that of the order."""
    implied_quantity: Decimal | None = None
    """Filled plus remaining, of a row that does not name the quantity."""
    filled: Decimal | None = None
    average_price: Decimal | None = None
    price: Decimal | None = None
    changed_ms: int | None = None
    """When IBKR last changed the order; tells older rows from newer ones."""


def from_live_row(row: LiveOrderUpdate) -> Observation | None:
    """Read a `sor` row or a row of the live orders; None when it names no order."""
    if not row.order_id:
        return None
    status = status_word(row.status)
    filled, remaining = _amounts(row, status)
    is_open = status not in TERMINAL_STATUSES
    return Observation(
        order_id=OrderId(row.order_id),
        coid=ClientOrderId(row.order_ref) if row.order_ref else None,
        account_id=row.account_id,
        conid=None if row.conid is None else Conid(row.conid),
        symbol=row.ticker,
        side=side_word(row.side),
        order_type=type_word(row.orig_order_type or row.order_type),
        parent_id=_order_id(row.parent_id) if isinstance(row, LiveOrder) else None,
        reason=row.cancellation_reason if isinstance(row, LiveOrder) else None,
        is_combo=row.sec_type == "BAG",
        status=status,
        quantity=row.total_size or None,
        implied_quantity=filled + remaining
        if is_open and filled is not None and remaining is not None
        else None,
        filled=filled,
        average_price=row.avg_price,
        price=row.price,
        changed_ms=row.last_execution_time_ms,
    )


def from_status_reply(reply: OrderStatusReply) -> Observation | None:
    """Read an order status answer; None when it names no order."""
    if not reply.order_id:
        return None
    return Observation(
        order_id=OrderId(reply.order_id),
        account_id=AccountId(reply.account) if reply.account else None,
        conid=None if reply.conid is None else Conid(reply.conid),
        symbol=reply.symbol,
        side=side_word(reply.side),
        order_type=type_word(reply.order_type),
        is_combo=reply.sec_type == "BAG",
        status=status_word(reply.order_status),
        quantity=reply.total_quantity or None,
        filled=reply.filled_quantity,
        average_price=reply.average_price,
        price=reply.limit_price,
    )


def from_acknowledgement(row: OrderAccepted | LegRejected) -> Observation | None:
    """Read a row of the answer to a placing request; None when the leg got no number."""
    if not row.order_id or row.order_id == "-1":
        return None
    return Observation(
        order_id=OrderId(row.order_id),
        coid=ClientOrderId(row.local_order_id) if row.local_order_id else None,
        parent_id=_order_id(row.parent_order_id),
        reason=row.text or row.warning_message,
        status=status_word(row.order_status),
    )


def from_ticket(order_id: OrderId, ticket: Ticket) -> Observation:
    """Read what was ordered."""
    order_type = type_word(ticket.order_type)
    return Observation(
        order_id=order_id,
        coid=None if ticket.coid is None else ClientOrderId(ticket.coid),
        account_id=None if ticket.account_id is None else AccountId(ticket.account_id),
        conid=None if ticket.conid is None else Conid(ticket.conid),
        symbol=ticket.ticker,
        side=side_word(ticket.side),
        order_type=order_type,
        is_combo=is_combo(ticket.conidex),
        quantity=ticket.quantity,
        price=ticket.price if has_limit_price(order_type) else None,
    )


def read_execution(row: Trade) -> Execution | None:
    """Read a `str` row or a row of the trades; None when it lacks id or size."""
    if not row.execution_id or row.size is None:
        return None
    account = row.account or row.account_code
    return Execution(
        execution_id=row.execution_id,
        size=abs(row.size),
        price=row.price,
        commission=row.commission,
        account_id=AccountId(account) if account else None,
        side=side_word(row.side),
        conid=None if row.conid is None else Conid(row.conid),
        sec_type=row.sec_type,
        exchange=row.exchange,
        time_ms=row.trade_time_ms,
    )


def _amounts(row: LiveOrderUpdate, status: str | None) -> tuple[Decimal | None, Decimal | None]:
    """Return filled and remaining.

    `sizeAndFills` without a slash means all filled; on an order that is not said to be filled it is
    not trusted to mean that.
    """
    if row.filled_quantity is not None:
        return row.filled_quantity, row.remaining_quantity
    fills = row.fills
    if fills is None or ("/" not in (row.size_and_fills or "") and status != OrderStatus.FILLED):
        return None, row.remaining_quantity
    return fills


def _order_id(text: str | None) -> OrderId | None:
    return OrderId(text) if text and text not in {"0", "-1"} else None


# --- words ---------------------------------------------------------------------------------------


def _squash(word: str) -> str:
    return "".join(character for character in word.lower() if character.isalnum())


_STATUS_WORDS: Final = {_squash(status): status.value for status in OrderStatus} | {
    "canceled": OrderStatus.CANCELLED.value,
    "precanceled": OrderStatus.PRE_CANCELLED.value,
}
_TYPE_WORDS: Final = {_squash(kind): kind.value for kind in OrderType} | {
    "limit": OrderType.LIMIT.value,
    "market": OrderType.MARKET.value,
    "stop": OrderType.STOP.value,
    "trailingstop": OrderType.TRAIL.value,
    "traillimit": OrderType.TRAIL_LIMIT.value,
    "trailingstoplimit": OrderType.TRAIL_LIMIT.value,
    "limitonclose": OrderType.LIMIT_ON_CLOSE.value,
    "marketonclose": OrderType.MARKET_ON_CLOSE.value,
    "marketiftouched": OrderType.MARKET_IF_TOUCHED.value,
    "limitiftouched": OrderType.LIMIT_IF_TOUCHED.value,
    "relative": OrderType.RELATIVE.value,
}
_SIDES: Final = {"B": "BUY", "S": "SELL"}
_LIMITED: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_ON_CLOSE})


def status_word(word: str | None) -> str | None:
    """Spell a known status as `types.OrderStatus` does; leave an unknown one as it is."""
    return None if not word else _STATUS_WORDS.get(_squash(word), word)


def type_word(word: str | None) -> str | None:
    """Spell a known order type as tickets do; leave an unknown one as it is."""
    return None if not word else _TYPE_WORDS.get(_squash(word), word)


def side_word(word: str | None) -> str | None:
    """Spell a side as `BUY` or `SELL`; other words stay."""
    return None if not word else _SIDES.get(word, word.upper())


def has_limit_price(order_type: str | None) -> bool:
    """Tell whether the price of such an order moves only when somebody modifies it."""
    return order_type in _LIMITED
