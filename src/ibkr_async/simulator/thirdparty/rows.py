"""Orders, trades, balances and prices as the Third-Party Web API shows them. Pure.

Responsible for the keys and number forms of the reference's schemas. It must never change
anything.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.broker import spelling
from ibkr_async.simulator.broker.positions import usd_per_unit
from ibkr_async.simulator.thirdparty.order_forms import (
    exchange_code,
    limit_price,
    side_code,
    tif_code,
    type_code,
)
from ibkr_async.types import OrderStatus

if TYPE_CHECKING:
    from ibkr_async.simulator.broker.instruments import Instrument
    from ibkr_async.simulator.broker.order import BookedExecution, Order
    from ibkr_async.simulator.broker.positions import AccountBook, Valuation
    from ibkr_async.simulator.broker.prices import Market
    from ibkr_async.simulator.broker.state import BrokerState
    from ibkr_async.simulator.broker.tickets import IncomingTicket

REJECTED, REPLACED, _PARTIALLY_FILLED = "8", "5", "1"
_STATUS_CODES = {
    OrderStatus.INACTIVE: "9",
    OrderStatus.PENDING_SUBMIT: "A",
    OrderStatus.PRE_SUBMITTED: "0",
    OrderStatus.SUBMITTED: "0",
    OrderStatus.FILLED: "2",
    OrderStatus.PENDING_CANCEL: "6",
    OrderStatus.CANCELLED: "4",
}
_LARGEST_EXACT = 2**53
_US_COMPONENTS = ("NYSE", "ISLAND", "ARCA")
_CODES = {"NYSE": "N", "ISLAND": "Q", "ARCA": "P"}
_BID_MASK, _OFFER_MASK, _TRADE_MASK = 5, 2, 4


def order_row(order: Order, customer_order_id: str) -> dict[str, Any]:
    """Return an order as `GET` and `POST /accounts/{account}/orders` show it."""
    row = new_order_row(order.ticket, order.instrument, customer_order_id, order.changed)
    return row | {
        "RemainingQuantity": order.remaining,
        "FilledQuantity": order.filled,
        "Status": _status(order),
    }


def new_order_row(
    ticket: IncomingTicket, instrument: Instrument, customer_order_id: str, now: float
) -> dict[str, Any]:
    """Return the row of an order that was never worked; its status is for the caller to set."""
    row: dict[str, Any] = {
        "CustomerOrderId": numeric_id(customer_order_id),
        "ContractId": instrument.conid,
        "Ticker": _ticker(instrument),
        "ListingExchange": exchange_code(instrument),
        "RemainingQuantity": ticket.quantity,
        "FilledQuantity": Decimal(0),
        "OrderType": type_code(ticket),
        "TimeInForce": tif_code(ticket),
        "OutsideRTH": "1" if ticket.outside_rth else "0",
        "Side": side_code(ticket),
        "Status": "0",
        "TransactionTime": spelling.trade_time(now),
    }
    price = limit_price(ticket)
    return row if price is None else row | {"Price": price}


def changed_row(
    order: Order, customer_order_id: str, orig_customer_order_id: str
) -> dict[str, Any]:
    """Return the answer of a PUT."""
    row = cancelled_row(order, customer_order_id)
    return {"OrigCustomerOrderId": orig_customer_order_id, **row, "Status": REPLACED}


def cancelled_row(order: Order, customer_order_id: str) -> dict[str, Any]:
    """Return the answer of a DELETE. The id is a text here."""
    ticket = order.ticket
    row: dict[str, Any] = {
        "CustomerOrderId": customer_order_id,
        "Symbol": _ticker(order.instrument),
        "OrderQty": ticket.quantity,
        "Side": side_code(ticket),
        "Status": _status(order),
        "OrderType": type_code(ticket),
    }
    price = limit_price(ticket)
    return row if price is None else row | {"Price": price}


def trade_row(fill: BookedExecution, customer_order_id: str) -> dict[str, Any]:
    """Return a fill. Its commission is there once it has become known."""
    order, instrument = fill.order, fill.instrument
    row: dict[str, Any] = {
        "CustomerOrderId": numeric_id(customer_order_id),
        "ContractId": instrument.conid,
        "OrderId": str(order.order_id),
        "Ticker": _ticker(instrument),
        "ListingExchange": exchange_code(instrument),
        "Currency": instrument.currency,
        "Side": side_code(order.ticket),
        "OrderType": type_code(order.ticket),
        "FilledQuantity": order.filled,
        "RemainingQuantity": order.remaining,
        "Quantity": order.ticket.quantity,
        "TradePrice": fill.price,
        "TradeSize": fill.quantity,
        "AvgPrice": order.average_price,
        "ExecutionTime": spelling.trade_time(fill.time),
        "ExecId": fill.execution_id,
        "LastMarket": exchange_code(instrument),
    }
    if fill.commission_reported:
        row |= {"Commission": fill.commission, "CommissionCurrency": instrument.currency}
    return row


def snapshot_row(market: Market, *, has_data: bool) -> dict[str, Any]:
    """Return prices with the masks of the exchanges behind them."""
    conid = market.instrument.conid
    if not has_data:
        return {"Conid": conid, "Temporality": 1, "Complete": False}
    several = len(components(market.instrument)) > 1
    bid, offer, trade = (_BID_MASK, _OFFER_MASK, _TRADE_MASK) if several else (1, 1, 1)
    return {
        "Conid": conid,
        "Temporality": 0,
        "Complete": True,
        "Trade": {
            "market": trade,
            "price": market.last,
            "size": market.last_size,
            "time": spelling.milliseconds(market.updated),
        },
        "Closing": {"price": market.prior_close},
        "Bid": {"market": bid, "price": market.bid, "size": market.bid_size},
        "Offer": {"market": offer, "price": market.ask, "size": market.ask_size},
    }


def components(instrument: Instrument) -> tuple[str, ...]:
    """Return the exchanges of the mask's bits, from bit 0: those of the reference's example."""
    if instrument.sec_type == "STK" and instrument.is_us:
        return _US_COMPONENTS
    return (exchange_code(instrument),)


def components_row(instrument: Instrument) -> dict[str, Any]:
    """Return what the bits mean."""
    return {
        "Conid": instrument.conid,
        "Complete": True,
        "mapping": [
            {"bit": bit, "code": _CODES.get(name, name[0]), "exchange": name}
            for bit, name in enumerate(components(instrument))
        ],
    }


def definition_row(instrument: Instrument) -> dict[str, Any]:
    """Return a product."""
    return {
        "ContractId": instrument.conid,
        "Ticker": _ticker(instrument),
        "SecurityType": instrument.sec_type,
        "Exchange": exchange_code(instrument),
        "CompanyName": instrument.company,
        "Currency": instrument.currency,
    }


def summary_body(book: AccountBook, state: BrokerState) -> dict[str, Any]:
    """Return the three parts of an account summary."""
    worth = book.valuation(state.board)
    figures = _figures(worth)
    return {
        "Info": {
            "AccountCode": book.account_id,
            "AccountReady": "true",
            "AccountType": "INDIVIDUAL",
            "Cushion": f"{worth.available / worth.net_liquidation:.4f}",
            "DayTradesRemaining": "-1",
            **{f"DayTradesRemainingT+{day}": "-1" for day in range(1, 5)},
            "HighestSeverity": "0",
            "Leverage-S": f"{abs(worth.market_value) / worth.net_liquidation:.2f}",
            "LookAheadNextChange": "0",
            "SegmentTitle-C": "US Commodities",
            "SegmentTitle-S": "US Securities",
            "TradingType-S": "STKNOPT",
            "WhatIfPMEnabled": "true",
        },
        "Ledger": [
            {
                "Currency": currency,
                "CashBalance": round(cash, 2),
                "ExchangeRate": usd_per_unit(state.board, currency),
                "TotalCashBalance": round(cash, 2),
            }
            for currency, cash in book.cash.items()
        ],
        "Summary": {
            **figures,
            **{f"{name}-S": value for name, value in figures.items()},
            **{f"{name}-C": Decimal(0) for name in figures},
        },
    }


def numeric_id(customer_order_id: str) -> int | str:
    """Write an id as a number, as the schemas of most answers have it, where that keeps it."""
    if customer_order_id.isdecimal() and not customer_order_id.startswith("0"):
        number = int(customer_order_id)
        return number if number <= _LARGEST_EXACT else customer_order_id
    return customer_order_id


def _figures(worth: Valuation) -> dict[str, Decimal]:
    return {
        name: round(amount, 2)
        for name, amount in {
            "AccruedCash": Decimal(0),
            "AvailableFunds": worth.available,
            "BuyingPower": worth.available * 4,
            "EquityWithLoanValue": worth.net_liquidation,
            "ExcessLiquidity": worth.available,
            "FullInitMarginReq": worth.margin,
            "FullMaintMarginReq": worth.margin,
            "GrossPositionValue": abs(worth.market_value),
            "InitMarginReq": worth.margin,
            "LookAheadAvailableFunds": worth.available,
            "LookAheadExcessLiquidity": worth.available,
            "LookAheadInitMarginReq": worth.margin,
            "LookAheadMaintMarginReq": worth.margin,
            "MaintMarginReq": worth.margin,
            "NetLiquidation": worth.net_liquidation,
            "RegTEquity": worth.net_liquidation,
            "RegTMargin": worth.margin,
            "SMA": worth.available,
            "TotalCashValue": worth.cash,
        }.items()
    }


def _status(order: Order) -> str:
    if order.filled and not order.is_done and order.status != OrderStatus.PENDING_CANCEL:
        return _PARTIALLY_FILLED
    return _STATUS_CODES[order.status]


def _ticker(instrument: Instrument) -> str:
    """Return the symbol; of a currency pair only the first currency."""
    if instrument.sec_type == "CASH":
        return instrument.symbol.partition(".")[0]
    return instrument.symbol
