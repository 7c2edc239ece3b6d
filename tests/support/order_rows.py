"""Rows about one order in the shapes that IBKR sends (protocol notes 2.4, 2.5, 4.3, 4.4)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ibkr_async.models.base import convert
from ibkr_async.models.order_answers import LegRejected, OrderAccepted, OrderQuestion
from ibkr_async.models.orders import LiveOrder, OrderStatusReply, Ticket, Trade
from ibkr_async.models.streaming import LiveOrderUpdate

ACCOUNT = "DU1234567"
ORDER_ID = 352055828
COID = "my-coid"


def sor(order_id: int = ORDER_ID, **keys: Any) -> LiveOrderUpdate:
    """Make a `sor` delta."""
    return convert(LiveOrderUpdate, {"acct": ACCOUNT, "orderId": order_id} | keys)


def marker(order_id: int = ORDER_ID) -> LiveOrderUpdate:
    """Make a `sor` row that only names an order."""
    return sor(order_id, conidex="265598", conid=265598, isEventTrading="0")


def sizes(filled: int, remaining: int, average: str = "382.45", **keys: Any) -> LiveOrderUpdate:
    """Make the `sor` delta of a partial fill."""
    return sor(
        sizeAndFills=f"{filled}/{remaining}" if remaining else f"{filled}",
        filledQuantity=float(filled),
        remainingQuantity=float(remaining),
        avgPrice=average,
        **keys,
    )


def _whole(order_id: int, status: str, filled: int, quantity: int, keys: Any) -> dict[str, Any]:
    return {
        "acct": ACCOUNT,
        "conid": 265598,
        "orderId": order_id,
        "orderDesc": f"Sell {quantity} AAPL Limit 382.40, GTC",
        "ticker": "AAPL",
        "secType": "STK",
        "sizeAndFills": f"{filled}/{quantity - filled}",
        "remainingQuantity": float(quantity - filled),
        "filledQuantity": float(filled),
        "totalSize": float(quantity),
        "status": status,
        "origOrderType": "LIMIT",
        "orderType": "Limit",
        "order_ref": COID,
        "price": "382.40",
        "side": "SELL",
    } | keys


def full(
    status: str = "Inactive",
    *,
    filled: int = 0,
    quantity: int = 722,
    order_id: int = ORDER_ID,
    **keys: Any,
) -> LiveOrderUpdate:
    """Make a `sor` row with everything in it."""
    return convert(LiveOrderUpdate, _whole(order_id, status, filled, quantity, keys))


def live(
    status: str,
    *,
    filled: int = 0,
    quantity: int = 722,
    order_id: int = ORDER_ID,
    **keys: Any,
) -> LiveOrder:
    """Make a row of the live orders."""
    return convert(LiveOrder, _whole(order_id, status, filled, quantity, keys))


def status_reply(
    status: str,
    *,
    filled: int = 0,
    quantity: int = 722,
    order_id: int = ORDER_ID,
    **keys: Any,
) -> OrderStatusReply:
    """Make an order status answer, in which numbers are texts and the side is a letter."""
    wire = {
        "order_id": order_id,
        "conid": 265598,
        "symbol": "AAPL",
        "side": "S",
        "size": f"{quantity - filled}.0",
        "total_size": f"{quantity}.0",
        "cum_fill": f"{filled}.0",
        "account": ACCOUNT,
        "order_type": "LIMIT",
        "limit_price": "382.40",
        "order_status": status,
        "order_ccp_status": "2",
    }
    return convert(OrderStatusReply, wire | keys)


def trade(
    number: int,
    size: float | str,
    price: str = "382.45",
    *,
    commission: str | None = None,
    correction: int = 1,
    order_id: int | None = ORDER_ID,
    **keys: Any,
) -> Trade:
    """Make an execution."""
    wire = {
        "execution_id": f"0000dc8f.{number:08x}.01.{correction:02}",
        "symbol": "AAPL",
        "side": "S",
        "trade_time_r": 1_788_875_891_000 + number,
        "size": size,
        "price": price,
        "order_ref": COID,
        "exchange": "IBKRATS",
        "account": ACCOUNT,
        "accountCode": ACCOUNT,
        "sec_type": "STK",
        "conid": 265598,
    }
    optional = {"commission": commission, "order_id": order_id}
    told = {key: value for key, value in optional.items() if value is not None}
    return convert(Trade, wire | told | keys)


def accepted(status: str = "PreSubmitted", order_id: int = ORDER_ID, **keys: Any) -> OrderAccepted:
    """Make a row of the placing answer."""
    return OrderAccepted(order_id=str(order_id), order_status=status, **keys)


def rejected_leg(order_id: str = "-1", **keys: Any) -> LegRejected:
    """Make the row of a leg that was refused."""
    return LegRejected(order_id=order_id, order_status="Failed", **keys)


def question() -> OrderQuestion:
    """Make a row of the placing answer that is a question."""
    return OrderQuestion(id="07a13a5a", messages=("Sure?",), message_ids=("o163",))


def ticket(coid: str | None = COID, **keys: Any) -> Ticket:
    """Make what was sent for the order of these rows."""
    settings = {
        "order_type": "LMT",
        "side": "SELL",
        "tif": "GTC",
        "quantity": Decimal(722),
        "price": Decimal("382.40"),
        "conid": 265598,
        "coid": coid,
        "account_id": ACCOUNT,
    }
    return Ticket(**(settings | keys))
