"""The ledger of an account as the portfolio endpoint spells it.

Responsible for one row per currency and the row in the base currency. It must never book anything.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.broker import spelling
from ibkr_async.simulator.broker.positions import BASE_CURRENCY, usd_per_unit

if TYPE_CHECKING:
    from ibkr_async.simulator.broker.positions import AccountBook, Valuation
    from ibkr_async.simulator.broker.prices import PriceBoard


def ledger(book: AccountBook, board: PriceBoard, now: float) -> dict[str, Any]:
    """Return the balances by currency, and `BASE` with everything in the base currency.

    Source: GET /portfolio/{accountId}/ledger, "Portfolio Ledger".
    """
    rows = {
        currency: _row(book, currency, now)
        | _holdings_in(book, board, currency)
        | {
            "cashbalance": spelling.cents(cash),
            "settledcash": spelling.cents(cash),
            "exchangerate": float(usd_per_unit(board, currency)),
        }
        for currency, cash in _cash_by_currency(book).items()
    }
    for row in rows.values():
        row["netliquidationvalue"] = round(
            row["cashbalance"]
            + row["stockmarketvalue"]
            + row["stockoptionmarketvalue"]
            + row["futuresonlypnl"],
            2,
        )
    rows["BASE"] = _base_ledger(book, book.valuation(board), now)
    # Only one entry carries the mark of the bundle's end.
    rows[BASE_CURRENCY]["endofbundle"] = 1
    return rows


def _cash_by_currency(book: AccountBook) -> dict[str, Decimal]:
    currencies = dict.fromkeys(
        [*book.cash, *(held.instrument.currency for held in book.open_holdings())]
    )
    return {currency: book.cash.get(currency, Decimal(0)) for currency in currencies}


def _holdings_in(book: AccountBook, board: PriceBoard, currency: str) -> dict[str, float]:
    totals: dict[str, Decimal] = dict.fromkeys(("STK", "OPT", "FUT"), Decimal(0))
    unrealised = realised = Decimal(0)
    for conid, holding in book.holdings.items():
        instrument, last = holding.instrument, board[conid].last
        if instrument.currency != currency:
            continue
        profit = holding.unrealised(last)
        totals[instrument.sec_type] += (
            holding.market_value(last) if instrument.pays_cash else profit
        )
        unrealised += profit
        realised += holding.realised
    return {
        "stockmarketvalue": spelling.cents(totals["STK"]),
        "stockoptionmarketvalue": spelling.cents(totals["OPT"]),
        "futuresonlypnl": spelling.cents(totals["FUT"]),
        "unrealizedpnl": spelling.cents(unrealised),
        "realizedpnl": spelling.cents(realised),
    }


def _base_ledger(book: AccountBook, worth: Valuation, now: float) -> dict[str, Any]:
    return _row(book, "BASE", now) | {
        "exchangerate": 1,
        "cashbalance": spelling.cents(worth.cash),
        "settledcash": spelling.cents(worth.cash),
        "netliquidationvalue": spelling.cents(worth.net_liquidation),
        "stockmarketvalue": spelling.cents(worth.stocks),
        "stockoptionmarketvalue": spelling.cents(worth.options),
        "futuresonlypnl": spelling.cents(worth.futures),
        "unrealizedpnl": spelling.cents(worth.unrealised),
        "realizedpnl": spelling.cents(worth.realised),
    }


def _row(book: AccountBook, currency: str, now: float) -> dict[str, Any]:
    """Return a ledger entry with everything that the simulator does not model at zero."""
    unused = (
        "commoditymarketvalue", "futuremarketvalue", "corporatebondsmarketvalue",
        "warrantsmarketvalue", "interest", "moneyfunds", "funds", "issueroptionsmarketvalue",
        "tbondsmarketvalue", "futureoptionmarketvalue", "cashbalancefxsegment",
        "tbillsmarketvalue", "dividends", "cryptocurrencyvalue",
    )  # fmt: skip
    row: dict[str, Any] = dict.fromkeys(unused, 0.0)
    return row | {
        "sessionid": 1,
        "currency": currency,
        "acctcode": book.account_id,
        "key": "LedgerList",
        "timestamp": int(now),
        "severity": 0,
        "secondkey": currency,
    }
