"""Portfolio endpoints: positions, ledger, summary, allocation.

Responsible for the spellings of `/portfolio` and `/portfolio2` and for the rule that
`/portfolio/accounts` has to be read first: before it the others look empty, without an error.
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
    ok,
)
from ibkr_async.simulator.broker import spelling
from ibkr_async.simulator.broker.contract_payloads import definition
from ibkr_async.simulator.broker.ledger import ledger
from ibkr_async.simulator.broker.positions import BASE_CURRENCY, usd_per_unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.simulator.broker.positions import AccountBook, Holding
    from ibkr_async.simulator.broker.state import BrokerState

_PAGE = 100
_OTHERS = "Others"


class PortfolioRest:
    """Serves `/portfolio` and `/portfolio2`."""

    def __init__(self, state: BrokerState) -> None:
        self._state = state

    def add_to(self, routes: Routes) -> None:
        """Register the endpoints."""
        routes.add("GET", "/portfolio/accounts", self.accounts)
        routes.add("GET", "/portfolio/subaccounts", self.accounts)
        routes.add("GET", "/portfolio/{}/meta", self._of_account(self._meta, {}))
        routes.add("GET", "/portfolio/{}/positions/{}", self.positions)
        routes.add("GET", "/portfolio/{}/position/{}", self.position)
        routes.add("GET", "/portfolio/positions/{}", self.position_everywhere)
        routes.add("POST", "/portfolio/{}/positions/invalidate", self.invalidate)
        routes.add("GET", "/portfolio2/{}/positions", self._of_account(self._fresh_rows, []))
        routes.add("GET", "/portfolio/{}/summary", self._of_account(self._summary, {}))
        routes.add("GET", "/portfolio/{}/ledger", self._of_account(self._ledger, {}))
        routes.add("GET", "/portfolio/{}/allocation", self._of_account(self._allocation, {}))

    def accounts(self, _call: Call) -> Answer:
        """Return the accounts and open the portfolio endpoints."""
        self._state.memory.portfolio_read = True
        return ok([_account_row(account_id) for account_id in self._state.accounts])

    def positions(self, _call: Call, account_id: str, page: str) -> Answer:
        """Return a page of positions; rows are thin the first time, and never after.

        Source: GET /portfolio/{accountId}/positions/{pageId}, "Positions".
        """
        book = self._state.accounts.get(account_id)
        if book is None or not page.isdigit():
            return _invalid()
        if not self._state.memory.portfolio_read:
            return ok([])
        held = book.open_holdings()[int(page) * _PAGE : (int(page) + 1) * _PAGE]
        thin = bool(held) and self._state.is_cold(f"positions {account_id}")
        return ok([self._row(account_id, holding, thin=thin) for holding in held])

    def position(self, _call: Call, account_id: str, conid: str) -> Answer:
        """Return one position in a list; an empty list when there is none."""
        book = self._state.accounts.get(account_id)
        if book is None:
            return _invalid()
        return ok(self._rows(book, conid))

    def position_everywhere(self, _call: Call, conid: str) -> Answer:
        """Return the position in every account that has one, keyed by account."""
        found = {
            account_id: rows
            for account_id, book in self._state.accounts.items()
            if (rows := self._rows(book, conid))
        }
        return ok(found)

    def invalidate(self, _call: Call, account_id: str) -> Answer:
        """Drop the cache of positions, which the simulator does not have."""
        if account_id not in self._state.accounts:
            return _invalid()
        return ok({"message": "success"})

    def _of_account(
        self, read: Callable[[AccountBook, float], Any], empty: Any
    ) -> Callable[[Call, str], Answer]:
        """Make an endpoint about one account, `empty` until the account list was read."""

        def endpoint(call: Call, account_id: str) -> Answer:
            book = self._state.accounts.get(account_id)
            if book is None:
                return _invalid()
            if not self._state.memory.portfolio_read:
                return ok(empty)
            return ok(read(book, call.now))

        return endpoint

    def _rows(self, book: AccountBook, conid: str) -> list[dict[str, Any]]:
        if not self._state.memory.portfolio_read:
            return []
        return [
            self._row(book.account_id, holding, thin=False)
            for holding in book.open_holdings()
            if str(holding.instrument.conid) == conid
        ]

    def _row(self, account_id: str, holding: Holding, *, thin: bool) -> dict[str, Any]:
        instrument = holding.instrument
        last = self._state.board[instrument.conid].last
        expiry = instrument.expiry.strftime("%Y%m%d") if instrument.expiry else None
        cost = holding.average * instrument.multiplier
        row: dict[str, Any] = {
            "acctId": account_id,
            "conid": instrument.conid,
            "contractDesc": instrument.description,
            "position": float(holding.quantity),
            "mktPrice": float(last),
            "mktValue": spelling.cents(holding.market_value(last)),
            "currency": instrument.currency,
            "avgCost": float(round(cost, 8)),
            "avgPrice": float(round(holding.average, 8)),
            "realizedPnl": spelling.cents(holding.realised),
            "unrealizedPnl": spelling.cents(holding.unrealised(last)),
            "exchs": None,
            "expiry": expiry,
            "putOrCall": instrument.right or None,
            "multiplier": None if instrument.multiplier == 1 else float(instrument.multiplier),
            # A number in the thin row, a text in the full one.
            "strike": float(instrument.strike or 0),
            "exerciseStyle": None,
            "conExchMap": [],
            "assetClass": instrument.sec_type,
            "undConid": instrument.underlying,
            "model": "",
        }
        if thin:
            return row
        rate = usd_per_unit(self._state.board, instrument.currency)
        tick = float(instrument.tick)
        base = {
            "baseMktValue": spelling.cents(holding.market_value(last) * rate),
            "baseMktPrice": float(last * rate),
            "baseAvgCost": float(cost * rate),
            "baseAvgPrice": float(holding.average * rate),
            "baseRealizedPnl": spelling.cents(holding.realised * rate),
            "baseUnrealizedPnl": spelling.cents(holding.unrealised(last) * rate),
            "incrementRules": [{"lowerEdge": 0.0, "increment": tick}],
            "displayRule": {
                "magnification": 0,
                "displayRuleStep": [
                    {"decimalDigits": instrument.decimals, "lowerEdge": 0.0, "wholeDigits": 4}
                ],
            },
            "time": 0,
            "chineseName": None,
            "allExchanges": instrument.routes,
            "pageSize": _PAGE,
        }
        return row | definition(instrument) | base

    def _fresh_rows(self, book: AccountBook, now: float) -> list[dict[str, Any]]:
        """Return the near-real-time positions, with names of their own; `conid` is a text."""
        rows = []
        for holding in book.open_holdings():
            instrument = holding.instrument
            last = self._state.board[instrument.conid].last
            rows.append(
                {
                    "position": float(holding.quantity),
                    "conid": str(instrument.conid),
                    "avgCost": float(holding.average * instrument.multiplier),
                    "avgPrice": float(holding.average),
                    "currency": instrument.currency,
                    "description": instrument.description,
                    "isLastToLoq": False,
                    "marketPrice": float(last),
                    "marketValue": float(holding.market_value(last)),
                    "realizedPnl": float(holding.realised),
                    "secType": instrument.sec_type,
                    "timestamp": int(now),
                    "unrealizedPnl": float(holding.unrealised(last)),
                    "assetClass": instrument.sec_type,
                    "sector": instrument.industry or None,
                    "group": instrument.category or None,
                    "model": "",
                }
            )
        return rows

    def _meta(self, book: AccountBook, _now: float) -> dict[str, Any]:
        return _account_row(book.account_id)

    def _summary(self, book: AccountBook, now: float) -> dict[str, Any]:
        worth = book.valuation(self._state.board)
        amounts = {
            "netliquidation": worth.net_liquidation,
            "equitywithloanvalue": worth.net_liquidation,
            "totalcashvalue": worth.cash,
            "settledcash": worth.cash,
            "availablefunds": worth.available,
            "excessliquidity": worth.available,
            "buyingpower": worth.available * 4,
            "initmarginreq": worth.margin,
            "maintmarginreq": worth.margin,
            "grosspositionvalue": abs(worth.market_value),
            "accruedcash": Decimal(0),
        }
        rows = {
            "accountcode": _text_entry(book.account_id, now),
            "accountready": _text_entry("true", now),
            "accounttype": _text_entry("INDIVIDUAL", now),
        }
        for name, amount in amounts.items():
            rows[name] = _entry(amount, now)
            rows[f"{name}-s"] = _entry(amount, now)
            rows[f"{name}-c"] = _entry(Decimal(0), now)
        return rows

    def _ledger(self, book: AccountBook, now: float) -> dict[str, Any]:
        return ledger(book, self._state.board, now)

    def _allocation(self, book: AccountBook, _now: float) -> dict[str, Any]:
        worth = book.valuation(self._state.board)
        kinds: dict[str, Decimal] = {"CASH": worth.cash}
        sectors: dict[str, Decimal] = {}
        groups: dict[str, Decimal] = {}
        for holding in book.open_holdings():
            instrument = holding.instrument
            rate = usd_per_unit(self._state.board, instrument.currency)
            value = holding.market_value(self._state.board[instrument.conid].last) * rate
            for table, name in (
                (kinds, instrument.sec_type),
                (sectors, instrument.industry or _OTHERS),
                (groups, instrument.category or _OTHERS),
            ):
                table[name] = table.get(name, Decimal(0)) + value
        return {
            "assetClass": _by_sign(kinds),
            "sector": _by_sign(sectors),
            "group": _by_sign(groups),
        }


def _invalid() -> Answer:
    return failure(BAD_REQUEST, "accountId is not valid")


def _by_sign(values: dict[str, Decimal]) -> dict[str, dict[str, float]]:
    return {
        "long": {name: spelling.cents(value) for name, value in values.items() if value >= 0},
        "short": {name: spelling.cents(value) for name, value in values.items() if value < 0},
    }


def _entry(amount: Decimal, now: float) -> dict[str, Any]:
    number = spelling.cents(amount)
    return {
        "amount": number,
        "currency": BASE_CURRENCY,
        "isNull": False,
        "timestamp": int(now),
        "value": f"{number}",
        "severity": 0,
    }


def _text_entry(value: str, now: float) -> dict[str, Any]:
    return {
        "amount": 0.0,
        "currency": None,
        "isNull": False,
        "timestamp": int(now),
        "value": value,
        "severity": 0,
    }


def _account_row(account_id: str) -> dict[str, Any]:
    return {
        "id": account_id,
        "PrepaidCrypto-Z": False,
        "PrepaidCrypto-P": False,
        "brokerageAccess": True,
        "accountId": account_id,
        "accountVan": account_id,
        "accountTitle": "Simulated Trader",
        "displayName": "Simulated Trader",
        "accountAlias": None,
        "accountStatus": 1_769_922_000_000,
        "currency": BASE_CURRENCY,
        "type": "DEMO",
        "tradingType": "STKNOPT",
        "businessType": "INDEPENDENT",
        "category": "",
        "ibEntity": "IBLLC-US",
        "faclient": False,
        "clearingStatus": "O",
        "covestor": False,
        "noClientTrading": False,
        "trackVirtualFXPortfolio": False,
        "acctCustType": "INDIVIDUAL",
        "parent": {
            "mmc": [],
            "accountId": "",
            "isMParent": False,
            "isMChild": False,
            "isMultiplex": False,
        },
        "desc": account_id,
    }
