"""Rows of an account's summary (`ssd`) and ledger (`sld`) as the socket spells them.

Responsible for the names and number forms of these two topics, which differ from REST's. It must
never compute money: values come from the account book. Numbers are written as Java writes them,
with an exponent from ten million up, because recordings show that.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from ibkr_async.simulator.broker import spelling
from ibkr_async.simulator.broker.ledger import ledger
from ibkr_async.simulator.broker.positions import BASE_CURRENCY

if TYPE_CHECKING:
    from ibkr_async.simulator.broker.positions import AccountBook
    from ibkr_async.simulator.broker.prices import PriceBoard

_LEVERAGE = 4
_PLAIN_FROM, _PLAIN_BELOW = 1e-3, 1e7

_LEDGER_NAMES = {
    "acctcode": "acctCode",
    "cashbalance": "cashbalance",
    "cashbalancefxsegment": "cashBalanceFXSegment",
    "commoditymarketvalue": "commodityMarketValue",
    "corporatebondsmarketvalue": "corporateBondsMarketValue",
    "dividends": "dividends",
    "exchangerate": "exchangeRate",
    "funds": "funds",
    "interest": "interest",
    "issueroptionsmarketvalue": "issueOptionsMarketValue",
    "moneyfunds": "moneyFunds",
    "netliquidationvalue": "netLiquidationValue",
    "stockoptionmarketvalue": "optionMarketValue",
    "realizedpnl": "realizedPnl",
    "secondkey": "secondKey",
    "settledcash": "settledCash",
    "severity": "severity",
    "stockmarketvalue": "stockMarketValue",
    "tbillsmarketvalue": "tBillsMarketValue",
    "tbondsmarketvalue": "tBondsMarketValue",
    "unrealizedpnl": "unrealizedPnl",
    "warrantsmarketvalue": "warrantsMarketValue",
}
"""The ledger's REST names and what the socket calls them, in the order of the recordings."""


def java_number(value: float) -> msgspec.Raw:
    """Write a number as Java does: `1020000.0`, `2.02E8`."""
    if not value or _PLAIN_FROM <= abs(value) < _PLAIN_BELOW:
        return msgspec.Raw(f"{value!r}".encode())
    exact = Decimal(repr(value))
    digits = f"{exact.scaleb(-exact.adjusted()).normalize():f}"
    point = "" if "." in digits else ".0"
    return msgspec.Raw(f"{digits}{point}E{exact.adjusted()}".encode())


def summary_rows(book: AccountBook, board: PriceBoard, now: float) -> list[dict[str, Any]]:
    """Return every figure of an account: money with a currency, the rest as text."""
    worth = book.valuation(board)
    total = worth.net_liquidation
    amounts = {
        "NetLiquidation": total,
        "EquityWithLoanValue": total,
        "TotalCashValue": worth.cash,
        "SettledCash": worth.cash,
        "AvailableFunds": worth.available,
        "ExcessLiquidity": worth.available,
        "BuyingPower": worth.available * _LEVERAGE,
        "InitMarginReq": worth.margin,
        "MaintMarginReq": worth.margin,
        "GrossPositionValue": abs(worth.market_value),
        "AccruedCash": Decimal(0),
    }
    texts = {
        "AccountCode": book.account_id,
        "AccountReady": "true",
        "AccountType": "INDIVIDUAL",
        "Cushion": f"{(worth.available / total).normalize():.6g}" if total else "0",
    }
    tail = {"severity": 0, "timestamp": int(now)}
    rows: list[dict[str, Any]] = [{"key": key, "value": text} | tail for key, text in texts.items()]
    for name, amount in amounts.items():
        for suffix, value in (("", amount), ("-S", amount), ("-C", Decimal(0))):
            money = java_number(spelling.cents(value))
            rows.append(
                {"key": name + suffix, "currency": BASE_CURRENCY, "monetaryValue": money} | tail
            )
    return rows


def ledger_rows(book: AccountBook, board: PriceBoard, now: float) -> list[dict[str, Any]]:
    """Return one row for each currency and one for the total, under the socket's names."""
    rows: list[dict[str, Any]] = []
    for currency, entry in ledger(book, board, now).items():
        row: dict[str, Any] = {}
        for theirs, ours in _LEDGER_NAMES.items():
            value = entry[theirs]
            row[ours] = java_number(float(value)) if isinstance(value, float) else value
        row["exchangeRate"] = java_number(float(entry["exchangerate"]))
        row["key"] = f"LedgerList{currency}"
        row["marketValue"] = row["stockMarketValue"]
        row["timestamp"] = entry["timestamp"]
        rows.append(row)
    return rows
