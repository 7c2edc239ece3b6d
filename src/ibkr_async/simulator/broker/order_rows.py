"""Orders and fills as the wire shows them.

Responsible for the rows of `sor`, `str`, `/iserver/account/orders`, `/iserver/account/trades`
and the order status answer. It must never change an order.

Quirks written here on purpose (protocol notes 2.4, 2.5, 4.4): numbers come quoted in one place
and bare in another, `side` is a word on orders and a letter on fills and in the status answer,
and a day order's time in force reads `CLOSE`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from ibkr_async.simulator.broker import spelling
from ibkr_async.types import OrderStatus

if TYPE_CHECKING:
    from decimal import Decimal

    from ibkr_async.simulator.broker.instruments import Instrument
    from ibkr_async.simulator.broker.order import BookedExecution, Order

Row: TypeAlias = dict[str, Any]

_WHITE, _BLACK, _BLUE, _RED = "#FFFFFF", "#000000", "#0000CC", "#CC0000"
_SECOND_SPELLING = {
    OrderStatus.PENDING_SUBMIT: "Pending Submit",
    OrderStatus.PENDING_CANCEL: "Pending Cancel",
}
_STATUS_CODE = {
    OrderStatus.INACTIVE: "8",
    OrderStatus.PENDING_SUBMIT: "A",
    OrderStatus.PRE_SUBMITTED: "0",
    OrderStatus.SUBMITTED: "0",
    OrderStatus.FILLED: "2",
    OrderStatus.PENDING_CANCEL: "6",
    OrderStatus.CANCELLED: "4",
}
_STATUS_SENTENCE = {
    OrderStatus.INACTIVE: "Order Is Not Active",
    OrderStatus.PENDING_SUBMIT: "Order Pending Submission",
    OrderStatus.PRE_SUBMITTED: "Order Held",
    OrderStatus.SUBMITTED: "Order Submitted",
    OrderStatus.FILLED: "Order Filled",
    OrderStatus.PENDING_CANCEL: "Cancel Requested",
    OrderStatus.CANCELLED: "Order Cancelled",
}
_EXECUTION_VENUE = {
    "STK": "IBKRATS", "CASH": "IDEALFX", "OPT": "CBOE", "FUT": "CME", "BAG": "SMART",
}  # fmt: skip


def full(order: Order) -> Row:
    """Return the whole row, as live orders and the first `sor` frame of an order show it."""
    ticket, instrument = order.ticket, order.instrument
    row: Row = {
        "acct": order.account_id,
        "conidex": instrument.conid_ex,
        "conid": instrument.conid,
        "account": order.account_id,
        "orderId": order.order_id,
        "cashCcy": instrument.currency,
        "sizeAndFills": size_and_fills(order),
        "orderDesc": description(order),
        "description1": instrument.symbol,
        "ticker": instrument.symbol,
        "secType": instrument.sec_type,
        "listingExchange": instrument.listing,
        "remainingQuantity": float(order.remaining),
        "filledQuantity": float(order.filled),
        "totalSize": float(ticket.quantity),
        "companyName": instrument.company,
        "status": order.status.value,
        "order_ccp_status": _SECOND_SPELLING.get(order.status, order.status.value),
        "origOrderType": ticket.kind.code,
        "supportsTaxOpt": "1" if instrument.sec_type == "STK" else "0",
        "lastExecutionTime": spelling.order_time(order.changed),
        "orderType": ticket.kind.label,
        "bgColor": _WHITE,
        "fgColor": _colour(order.status),
        "isEventTrading": "0",
        "price": _price(instrument, ticket.price),
        "timeInForce": _time_in_force(order),
        "lastExecutionTime_r": spelling.whole_seconds_ms(order.changed),
        "side": ticket.side,
    }
    optional: Row = {
        "order_ref": ticket.coid,
        "avgPrice": _price(instrument, order.average_price),
        "auxPrice": _price(instrument, ticket.aux_price),
        "description2": instrument.description.removeprefix(instrument.symbol).strip(),
        "parentId": order.parent_id,
        "ocaGroupId": order.oca_group,
        "outsideRTH": ticket.outside_rth,
        "order_cancellation_by_system_reason": order.reason,
        "totalCashSize": float(ticket.cash or 0),
    }
    return row | {key: value for key, value in optional.items() if value}


def marker(order: Order) -> Row:
    """Return the `sor` row that only names an order."""
    return {
        "acct": order.account_id,
        "conidex": order.instrument.conid_ex,
        "conid": order.instrument.conid,
        "orderId": order.order_id,
        "isEventTrading": "0",
    }


def status(order: Order) -> Row:
    """Return the `sor` delta of a changed status."""
    row: Row = {
        "acct": order.account_id,
        "orderId": order.order_id,
        "status": order.status.value,
        "bgColor": _WHITE,
        "fgColor": _colour(order.status),
    }
    if order.reason:
        row["order_cancellation_by_system_reason"] = order.reason
    return row


def sizes(order: Order) -> Row:
    """Return the `sor` delta of a partial fill."""
    return {
        "acct": order.account_id,
        "orderId": order.order_id,
        "sizeAndFills": size_and_fills(order),
        "remainingQuantity": float(order.remaining),
        "filledQuantity": float(order.filled),
        "avgPrice": _price(order.instrument, order.average_price),
    }


def final(order: Order) -> Row:
    """Return the `sor` delta of a completed fill. `price` is a bare number here."""
    price = order.ticket.price
    return {
        "acct": order.account_id,
        "orderId": order.order_id,
        "sizeAndFills": size_and_fills(order),
        "orderDesc": description(order),
        "remainingQuantity": float(order.remaining),
        "filledQuantity": float(order.filled),
        "status": order.status.value,
        "timeInForce": _time_in_force(order),
        "price": "" if price is None else float(price),
        "avgPrice": _price(order.instrument, order.average_price),
        "bgColor": _WHITE,
        "fgColor": _BLACK,
    }


def execution(fill: BookedExecution, *, with_commission: bool) -> Row:
    """Return a fill as `str` and `/iserver/account/trades` show it."""
    order = fill.order
    ticket, instrument = order.ticket, fill.instrument
    venue = _EXECUTION_VENUE[instrument.sec_type]
    price = spelling.price_text(instrument, fill.price)
    verb = "Bot" if fill.is_buy else "Sold"
    row: Row = {
        "execution_id": fill.execution_id,
        "symbol": instrument.symbol,
        "supports_tax_opt": "1" if instrument.sec_type == "STK" else "0",
        "side": "B" if fill.is_buy else "S",
        "order_description": f"{verb} {spelling.quantity_text(fill.quantity)} @ {price} on {venue}",
        "trade_time": spelling.trade_time(fill.time),
        "trade_time_r": spelling.whole_seconds_ms(fill.time),
        "size": float(fill.quantity),
        "price": price,
        "order_ref": ticket.coid,
        "exchange": venue,
        "net_amount": spelling.cents(fill.price * fill.quantity * instrument.multiplier),
        "account": order.account_id,
        "accountCode": order.account_id,
        "account_allocation_name": order.account_id,
        "company_name": instrument.company,
        "contract_description_1": instrument.symbol,
        "sec_type": instrument.sec_type,
        "listing_exchange": instrument.listing,
        "conid": instrument.conid,
        "conidEx": instrument.conid_ex,
        "position": spelling.quantity_text(fill.position),
        "clearing_id": "IB",
        "clearing_name": "IB",
        "liquidation_trade": "0",
        "is_event_trading": "0",
        "order_id": order.order_id,
    }
    if not ticket.coid:
        del row["order_ref"]
    if with_commission and fill.commission is not None:
        row["commission"] = f"{float(fill.commission)}"
    return row


def order_status(order: Order, server_id: str) -> Row:
    """Return the answer of `/iserver/account/order/status/{orderId}`: numbers are texts."""
    ticket, instrument = order.ticket, order.instrument
    text = description(order)
    return {
        "sub_type": None,
        "request_id": str(order.order_id % 100_000),
        "server_id": server_id.removeprefix("q"),
        "order_id": order.order_id,
        "conidex": instrument.conid_ex,
        "conid": instrument.conid,
        "symbol": instrument.symbol,
        "side": ticket.side[0],
        "contract_description_1": instrument.symbol,
        "listing_exchange": instrument.listing,
        "option_acct": "c",
        "company_name": instrument.company,
        "size": f"{float(order.remaining)}",
        "total_size": f"{float(ticket.quantity)}",
        "currency": instrument.currency,
        "account": order.account_id,
        "order_type": ticket.kind.code,
        "limit_price": _price(instrument, ticket.limit_price),
        "stop_price": _price(instrument, order.trigger.stop or ticket.stop_price),
        "cum_fill": f"{float(order.filled)}",
        "order_status": order.status.value,
        "order_ccp_status": _STATUS_CODE[order.status],
        "order_status_description": _STATUS_SENTENCE[order.status],
        "tif": ticket.tif,
        "fg_color": _colour(order.status),
        "bg_color": _WHITE,
        "order_not_editable": order.is_done,
        "editable_fields": "\u001e",
        "cannot_cancel_order": order.is_done,
        "deactivate_order": False,
        "sec_type": instrument.sec_type,
        "available_chart_periods": "#R|1",
        "order_description": text,
        "order_description_with_contract": text,
        "clearing_id": "IB",
        "clearing_name": "IB",
        "alert_active": 0,
        "child_order_type": "0",
        "order_clearing_account": order.account_id,
        "size_and_fills": size_and_fills(order),
        "exit_strategy_display_price": "0.0",
        "exit_strategy_chart_description": "",
        "exit_strategy_tool_availability": "0",
        "average_price": _price(instrument, order.average_price),
        "allowed_duplicate_opposite": True,
        "order_time": spelling.order_time(order.created),
    } | _family(order)


def _family(order: Order) -> Row:
    """Return the keys by which parent and children know each other (measured, not documented).

    How several children are written in the one text is a guess.
    """
    if order.children:
        return {"children_order_ids": ",".join(map(str, order.children))}
    links = {
        "parent_order_id": str(order.parent_id or ""),
        "oca_group_id": order.oca_group,
        "oca_group_type": order.oca_type,
    }
    return {key: value for key, value in links.items() if value}


def size_and_fills(order: Order) -> str:
    """Write `filled/remaining`, and only the size once everything is filled."""
    filled = spelling.quantity_text(order.filled)
    if not order.remaining:
        return filled
    return f"{filled}/{spelling.quantity_text(order.remaining)}"


def description(order: Order) -> str:
    """Write an order as a sentence: `Buy 1 QQQ Market, Day`, `Bought 1 QQQ Market, Day`."""
    ticket = order.ticket
    done = order.status == OrderStatus.FILLED
    verb = {True: ("Buy", "Bought"), False: ("Sell", "Sold")}[ticket.is_buy][done]
    words = [
        verb,
        spelling.quantity_text(ticket.quantity),
        order.instrument.description,
        ticket.kind.label,
        _price(order.instrument, ticket.price),
    ]
    tif = "Day" if ticket.tif == "DAY" else ticket.tif
    return f"{' '.join(word for word in words if word)}, {tif}"


def _price(instrument: Instrument, price: Decimal | None) -> str:
    """Write a price; empty for none, as market orders have it."""
    if price is None:
        return ""
    if price != round(price, instrument.decimals):
        # An average price has more digits than the grid.
        return f"{round(price, 4).normalize():f}"
    return spelling.price_text(instrument, price)


def _time_in_force(order: Order) -> str:
    return "CLOSE" if order.ticket.tif == "DAY" else order.ticket.tif


def _colour(state: OrderStatus) -> str:
    if state == OrderStatus.FILLED:
        return _BLACK
    return _RED if state == OrderStatus.CANCELLED else _BLUE
