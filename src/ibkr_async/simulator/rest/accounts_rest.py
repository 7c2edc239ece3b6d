"""Brokerage account endpoints below `/iserver`.

Responsible for the account list, switching, summaries and partitioned P&L. It must never change
money: the order book does, through the account books.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.answers import (
    BAD_REQUEST,
    Answer,
    Call,
    Routes,
    failure,
    invalid_account,
    ok,
)
from ibkr_async.simulator.broker import spelling
from ibkr_async.simulator.broker.positions import Valuation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.simulator.broker.state import BrokerState

_LEVERAGE = 4
_SEGMENTS = ("Crypto at Paxos", "commodities")
_OPTION_PERIODS = ["2h", "1d", "2d", "1w", "1m"]
_ZERO = Decimal(0)
_NOTHING = Valuation(_ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO)
"""What an unused account segment holds."""
_ASSET_TYPES = "STK,CFD,OPT,FOP,WAR,FUT,BAG,CASH,IND,BOND"


class AccountsRest:
    """Serves `/iserver/accounts` and `/iserver/account`."""

    def __init__(self, state: BrokerState, *, session_id: str) -> None:
        self._state = state
        self._session_id = session_id

    def add_to(self, routes: Routes) -> None:
        """Register the endpoints."""
        routes.add("GET", "/iserver/accounts", self.accounts)
        routes.add("POST", "/iserver/account", self.switch)
        routes.add("GET", "/iserver/account/{}/summary", self.summary)
        routes.add("GET", "/iserver/account/{}/summary/{}", self.summary_part)
        routes.add("GET", "/iserver/account/pnl/partitioned", self.partitioned_pnl)

    def accounts(self, _call: Call) -> Answer:
        """Return the accounts of the login and open orders and snapshots to the session."""
        self._state.memory.accounts_read = True
        return ok(self.payload())

    def payload(self) -> dict[str, Any]:
        """Return the account list; the `act` topic says the same."""
        ids = list(self._state.accounts)
        return {
            "accounts": ids,
            "acctProps": {account_id: self._properties() for account_id in ids},
            "aliases": {account_id: account_id for account_id in ids},
            "allowFeatures": {
                "showGFIS": True,
                "showEUCostReport": False,
                "allowEventContract": True,
                "allowFXConv": True,
                "allowFinancialLens": False,
                "allowMTA": True,
                "allowTypeAhead": True,
                "allowEventTrading": True,
                "snapshotRefreshTimeout": 30,
                "liteUser": False,
                "showWebNews": True,
                "research": True,
                "debugPnl": True,
                "showTaxOpt": True,
                "showImpactDashboard": True,
                "allowDynAccount": False,
                "allowCrypto": False,
                "allowedAssetTypes": _ASSET_TYPES,
            },
            "chartPeriods": {
                "STK": ["*"],
                "CASH": ["*"],
                "FUT": ["*"],
                "IND": ["*"],
                "OPT": _OPTION_PERIODS,
            },
            "groups": [],
            "profiles": [],
            "selectedAccount": self._state.selected,
            "serverInfo": {"serverName": "Simulator01", "serverVersion": "Build 10.46.2d"},
            "sessionId": self._session_id,
            "isFT": False,
            "isPaper": all(account_id.startswith("D") for account_id in ids),
        }

    def _properties(self) -> dict[str, bool]:
        return {
            "hasChildAccounts": False,
            "supportsCashQty": True,
            "liteUnderPro": False,
            "noFXConv": False,
            "isProp": False,
            "supportsFractions": self._state.settings.fractions,
            "allowCustomerTime": False,
            "autoFx": False,
        }

    def switch(self, call: Call) -> Answer:
        """Select the account that calls without one refer to."""
        account_id = call.field("acctId")
        if not account_id:
            return failure(BAD_REQUEST, "Bad Request: acctId is required")
        if account_id not in self._state.accounts:
            return invalid_account()
        if account_id == self._state.selected:
            return ok({"success": "Account already set"})
        self._state.selected = account_id
        return ok({"set": True, "acctId": account_id})

    def summary(self, _call: Call, account_id: str) -> Answer:
        """Return an account's totals as bare numbers."""
        book = self._state.accounts.get(account_id)
        if book is None:
            return invalid_account()
        worth = book.valuation(self._state.board)
        available, cash = spelling.cents(worth.available), spelling.cents(worth.cash)
        margin = spelling.cents(worth.margin)
        return ok(
            {
                "accountType": "",
                "status": "",
                "balance": available,
                "SMA": available,
                "buyingPower": spelling.cents(worth.available * _LEVERAGE),
                "availableFunds": available,
                "excessLiquidity": available,
                "netLiquidationValue": spelling.cents(worth.net_liquidation),
                "equityWithLoanValue": spelling.cents(worth.net_liquidation),
                "regTLoan": 0.0,
                "securitiesGVP": spelling.cents(abs(worth.market_value)),
                "totalCashValue": cash,
                "accruedInterest": 0.0,
                "regTMargin": 0.0,
                "initialMargin": margin,
                "maintenanceMargin": margin,
                "cashBalances": [
                    {
                        "currency": currency,
                        "balance": spelling.cents(amount),
                        "settledCash": spelling.cents(amount),
                    }
                    for currency, amount in book.cash.items()
                ],
            }
        )

    def summary_part(self, _call: Call, account_id: str, part: str) -> Answer | None:
        """Return one part of the summary by segment, as texts with a unit; None: no such part."""
        book = self._state.accounts.get(account_id)
        if book is None:
            return invalid_account()
        worth = book.valuation(self._state.board)
        if part == "market_value":
            return ok({"USD": _market_value(worth)})
        write = _PARTS.get(part)
        if write is None:
            return None
        return ok(
            {
                "total": write(worth),
                **{segment: write(_NOTHING) for segment in _SEGMENTS},
                "securities": write(worth),
            }
        )

    def partitioned_pnl(self, _call: Call) -> Answer:
        """Return the P&L of all accounts; empty the first time."""
        if self._state.is_cold("pnl"):
            return ok({"upnl": {}})
        return ok({"upnl": self.pnl()})

    def pnl(self) -> dict[str, dict[str, Any]]:
        """Return P&L rows keyed `<account>.Core`."""
        rows = {}
        for account_id, book in self._state.accounts.items():
            worth = book.valuation(self._state.board)
            rows[f"{account_id}.Core"] = {
                "rowType": 1,
                "dpl": spelling.cents(worth.daily),
                # Recorded frames round these two; `uel` is the unrounded twin of `el`.
                "nl": _three_digits(worth.net_liquidation),
                "upl": spelling.cents(worth.unrealised),
                "el": _three_digits(worth.available),
                "uel": spelling.cents(worth.available),
                "mv": spelling.cents(worth.market_value),
            }
        return rows


def _three_digits(amount: Decimal) -> float:
    return float(f"{amount:.3g}")


def _available_funds(worth: Valuation) -> dict[str, str]:
    available = spelling.whole_money(worth.available)
    gross = abs(worth.market_value)
    leverage = gross / worth.net_liquidation if worth.net_liquidation else _ZERO
    return {
        "current_available": available,
        "current_excess": available,
        "buying_power": spelling.whole_money(worth.available * _LEVERAGE),
        "leverage": f"{leverage:.2f}",
        "look_ahead_available": available,
        "look_ahead_excess": available,
    }


def _balances(worth: Valuation) -> dict[str, str]:
    equity = spelling.whole_money(worth.net_liquidation)
    return {
        "net_liquidation": equity,
        "equity_with_loan": equity,
        "cash": spelling.whole_money(worth.cash),
        "MTD Interest": "0 USD",
        "previous_day_equity_with_loan": spelling.whole_money(worth.net_liquidation - worth.daily),
    }


def _margins(worth: Valuation) -> dict[str, str]:
    margin = spelling.whole_money(worth.margin)
    return {
        "current_initial": margin,
        "current_maint": margin,
        "look_ahead_initial": margin,
        "look_ahead_maint": margin,
        "RegT Margin": "0 USD",
    }


def _market_value(worth: Valuation) -> dict[str, str]:
    amounts = {
        "total_cash": worth.cash,
        "stock": worth.stocks,
        "options": worth.options,
        "futures": worth.futures,
        "net_liquidation": worth.net_liquidation,
        "unrealized_pnl": worth.unrealised,
        "realized_pnl": worth.realised,
    }
    return {name: f"{amount:,.0f}" for name, amount in amounts.items()}


_PARTS: dict[str, Callable[[Valuation], dict[str, str]]] = {
    "available_funds": _available_funds,
    "balances": _balances,
    "margins": _margins,
}
