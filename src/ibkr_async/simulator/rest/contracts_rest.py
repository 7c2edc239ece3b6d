"""Contract endpoints: searching, chains, definitions, rules, schedules, currencies.

Responsible for describing instruments in the several spellings of IBKR's contract endpoints. It
must never read a price except for the order defaults of the rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.answers import (
    BAD_REQUEST,
    SERVER_ERROR,
    Answer,
    Call,
    Routes,
    failure,
    ok,
)
from ibkr_async.simulator.broker.contract_payloads import (
    chain_row,
    contract_facts,
    definition,
    future,
    listings,
)
from ibkr_async.simulator.broker.instruments import OPTION_ROUTES, Instrument
from ibkr_async.simulator.broker.positions import UnknownCurrencyError, usd_per_unit
from ibkr_async.simulator.broker.tickets import FRACTION_DIGITS
from ibkr_async.simulator.broker.trading_days import trading_schedule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibkr_async.simulator.broker.state import BrokerState

_MOST_CONIDS = 200
_NO_CONTENT = 204
_ORDER_TYPES = [
    "limit", "midprice", "market", "stop", "stop_limit", "mit", "lit", "trailing_stop",
    "trailing_stop_limit", "relative", "marketonclose", "limitonclose",
]  # fmt: skip
_DIVISIBLE_TYPES = ["limit", "market", "stop", "stop_limit", "mit", "lit", "trailing_stop",
                    "trailing_stop_limit"]  # fmt: skip
"""Order types with fractions and with an amount of cash, as documented."""
_AT_THE_MARKET = 0.02
_SEARCHABLE = frozenset({"STK", "IND", "CASH"})


class ContractsRest:
    """Serves the contract endpoints of `/iserver`, `/trsrv` and `/contract`."""

    def __init__(self, state: BrokerState) -> None:
        self._state = state

    def add_to(self, routes: Routes) -> None:
        """Register the endpoints."""
        routes.add("GET POST", "/iserver/secdef/search", self.search)
        routes.add("GET", "/iserver/secdef/strikes", self.strikes)
        routes.add("GET", "/iserver/secdef/info", self.chain)
        routes.add("GET", "/iserver/contract/{}/info", self.contract)
        routes.add("GET", "/iserver/contract/{}/info-and-rules", self.contract_and_rules)
        routes.add("POST", "/iserver/contract/rules", self.rules)
        routes.add("GET", "/trsrv/secdef", self.definitions)
        routes.add("GET", "/trsrv/stocks", self.stocks)
        routes.add("GET", "/trsrv/futures", self.futures)
        routes.add("GET", "/trsrv/all-conids", self.all_conids)
        routes.add("GET", "/contract/trading-schedule", self.schedule)
        routes.add("GET", "/iserver/currency/pairs", self.currency_pairs)
        routes.add("GET", "/iserver/exchangerate", self.exchange_rate)

    # searching

    def search(self, call: Call) -> Answer:
        """Find underlyings by symbol, or by part of the company name with `name=true`.

        Source: /iserver/secdef/search, "Search Contract by Symbol". Conids are texts here.
        """
        symbol = str(call.query.get("symbol") or call.field("symbol") or "").upper()
        if not symbol:
            return failure(BAD_REQUEST, "Bad Request: symbol is required")
        by_name = call.flag("name") or call.field("name") is True
        sec_type = str(call.query.get("secType") or call.field("secType") or "")
        found = [
            instrument
            for instrument in self._every()
            if instrument.sec_type in _SEARCHABLE
            and (not sec_type or instrument.sec_type == sec_type)
            and (symbol in instrument.company if by_name else instrument.symbol == symbol)
        ]
        if not found:
            # A symbol without contracts is an error object with status 200 or 500 at IBKR;
            # the empty list is what recordings of the present API show.
            return ok([])
        self._state.memory.searched.update(instrument.conid for instrument in found)
        return ok([self._search_row(instrument) for instrument in found])

    def _search_row(self, instrument: Instrument) -> dict[str, Any]:
        return {
            "conid": str(instrument.conid),
            "companyHeader": f"{instrument.company} - {instrument.exchange}",
            "companyName": instrument.company,
            "symbol": instrument.symbol,
            "description": instrument.exchange,
            "restricted": None,
            "sections": self._sections(instrument),
        }

    def _sections(self, instrument: Instrument) -> list[dict[str, Any]]:
        main: dict[str, Any] = {"secType": instrument.sec_type}
        if not instrument.is_us or instrument.sec_type != "STK":
            main["exchange"] = f"{instrument.exchange};"
        sections = [main]
        if instrument.option_months:
            months = ";".join(instrument.option_months)
            sections.append({"secType": "OPT", "months": months, "exchange": OPTION_ROUTES})
        if instrument.future_months:
            months = ";".join(instrument.future_months)
            sections.append({"secType": "FUT", "months": months, "exchange": instrument.exchange})
        return sections

    # chains

    def strikes(self, call: Call) -> Answer:
        """Return the strikes of an option month; empty lists unless a search came first."""
        found = self._derivatives(call)
        return ok(
            {
                side: sorted(
                    float(option.strike)
                    for option in found
                    if option.strike is not None and option.right == right
                )
                for side, right in (("call", "C"), ("put", "P"))
            }
        )

    def chain(self, call: Call) -> Answer:
        """Return the contracts of a month, right and strike; an error without a search."""
        conid = call.query.get("conid", "")
        if not conid.isdigit() or int(conid) not in self._state.memory.searched:
            return _no_contracts()
        found = self._derivatives(call)
        if self._state.settings.chain_needs_exchange and not call.query.get("exchange"):
            kept = [contract for contract in found if self._is_found_anyhow(contract)]
            if found and not kept:
                return _no_contracts()
            found = kept
        return ok([chain_row(contract) for contract in found])

    def _is_found_anyhow(self, contract: Instrument) -> bool:
        """Tell whether a contract is found without an exchange: of options the ones at the market."""
        if contract.strike is None:
            return True
        spot = self._state.board[contract.underlying].mid
        return abs(float(contract.strike) / spot - 1) < _AT_THE_MARKET

    def _derivatives(self, call: Call) -> list[Instrument]:
        query = call.query
        underlying = query.get("conid", "")
        if not underlying.isdigit() or int(underlying) not in self._state.memory.searched:
            return []
        wanted = {
            "sec_type": query.get("sectype") or query.get("secType") or "OPT",
            "month": query.get("month", ""),
            "right": query.get("right", ""),
        }
        strike = query.get("strike", "")
        return [
            contract
            for contract in self._every()
            if contract.underlying == int(underlying)
            and all(not value or getattr(contract, name) == value for name, value in wanted.items())
            and (strike in {"", "0"} or _same_number(contract, strike))
        ]

    # single contracts

    def contract(self, _call: Call, conid: str) -> Answer:
        """Return a contract's facts in the snake-case spelling."""
        instrument = self._find(conid)
        return _no_contract() if instrument is None else ok(contract_facts(instrument))

    def contract_and_rules(self, _call: Call, conid: str) -> Answer:
        """Return a contract's facts with its order rules inside."""
        instrument = self._find(conid)
        if instrument is None:
            return _no_contract()
        return ok({**contract_facts(instrument), "rules": self._rules(instrument)})

    def rules(self, call: Call) -> Answer:
        """Return the order rules of a contract.

        Source: POST /iserver/contract/rules, "Search Contract Rules".
        """
        instrument = self._find(str(call.field("conid")))
        return _no_contract() if instrument is None else ok(self._rules(instrument))

    def _rules(self, instrument: Instrument) -> dict[str, Any]:
        last = float(self._state.board[instrument.conid].last)
        lot = 100 if instrument.sec_type == "STK" else 1
        fractional = instrument.takes_fractions and self._state.settings.fractions
        for_cash = instrument.sec_type in {"STK", "CASH"}
        return {
            "algoEligible": instrument.sec_type == "STK",
            "overnightEligible": instrument.is_us,
            "costReport": False,
            "canTradeAcctIds": list(self._state.accounts),
            "error": None,
            "orderTypes": _ORDER_TYPES,
            "ibAlgoTypes": ["limit", "stop_limit"],
            "fraqTypes": _DIVISIBLE_TYPES if fractional else [],
            "forceOrderPreview": False,
            "cqtTypes": _DIVISIBLE_TYPES if for_cash else [],
            "orderDefaults": {"LMT": {"LP": f"{last}"}},
            "orderTypesOutside": ["limit", "stop_limit"],
            "defaultSize": lot,
            "cashSize": 0.0,
            "sizeIncrement": lot,
            "tifTypes": ["IOC/MARKET,LIMIT", "GTC/o,a", "DAY/o,a"],
            "tifDefaults": {"TIF": "DAY", "SIZE": f"{lot}.00"},
            "limitPrice": last,
            "stopprice": last,
            "orderOrigination": None,
            "preview": True,
            "displaySize": None,
            "fraqInt": FRACTION_DIGITS if fractional else 0,
            "cashCcy": instrument.currency,
            "cashQtyIncr": 500,
            "priceMagnifier": None,
            "negativeCapable": False,
            "incrementType": 1,
            "incrementRules": [{"lowerEdge": 0.0, "increment": float(instrument.tick)}],
            "hasSecondary": True,
            "modTypes": _ORDER_TYPES,
            "increment": float(instrument.tick),
            "incrementDigits": instrument.decimals,
        }

    # definitions

    def definitions(self, call: Call) -> Answer:
        """Return definitions of up to 200 conids; unknown ones are left out."""
        texts = [text for text in call.query.get("conids", "").split(",") if text]
        if not texts or len(texts) > _MOST_CONIDS:
            return failure(BAD_REQUEST, "Bad Request: between 1 and 200 conids are required")
        found = [instrument for text in texts if (instrument := self._find(text)) is not None]
        if not found:
            return Answer(_NO_CONTENT, None)
        return ok({"secdef": [definition(instrument) for instrument in found]})

    def stocks(self, call: Call) -> Answer:
        """Return the listings of stock symbols, grouped by company."""
        return ok({symbol: listings(self._with_symbol(symbol, "STK")) for symbol in _symbols(call)})

    def futures(self, call: Call) -> Answer:
        """Return the futures of symbols; dates are integers."""
        return ok(
            {
                symbol: [future(contract) for contract in self._with_symbol(symbol, "FUT")]
                for symbol in _symbols(call)
            }
        )

    def all_conids(self, call: Call) -> Answer:
        """Return the stocks of an exchange; the list is empty for one that is not known."""
        exchange = call.query.get("exchange", "").upper()
        return ok(
            [
                {
                    "ticker": stock.symbol,
                    "conid": stock.conid,
                    "exchange": stock.listing.split(".")[-1],
                }
                for stock in self._every()
                if stock.sec_type == "STK" and exchange in {stock.exchange, stock.listing}
            ]
        )

    def schedule(self, call: Call) -> Answer:
        """Return the trading hours of the coming days."""
        instrument = self._find(call.query.get("conid", ""))
        return _no_contract() if instrument is None else ok(trading_schedule(call.now))

    # currencies

    def currency_pairs(self, call: Call) -> Answer:
        """Return the pairs that contain a currency."""
        currency = call.query.get("currency", "").upper()
        pairs = [
            {
                "symbol": pair.symbol,
                "conid": pair.conid,
                "ccyPair": next(part for part in pair.symbol.split(".") if part != currency),
            }
            for pair in self._every()
            if pair.sec_type == "CASH" and currency in pair.symbol.split(".")
        ]
        return ok({currency: pairs})

    def exchange_rate(self, call: Call) -> Answer:
        """Return how many units of `target` one unit of `source` is worth."""
        board = self._state.board
        try:
            source = usd_per_unit(board, call.query.get("source", "").upper())
            target = usd_per_unit(board, call.query.get("target", "").upper())
        except UnknownCurrencyError:
            return failure(BAD_REQUEST, "Bad Request: unknown currency")
        return ok({"rate": round(float(source / target), 8)})

    def _every(self) -> Iterable[Instrument]:
        return self._state.instruments.values()

    def _find(self, conid: str) -> Instrument | None:
        return self._state.instruments.get(int(conid)) if conid.isdigit() else None

    def _with_symbol(self, symbol: str, sec_type: str) -> list[Instrument]:
        return [
            instrument
            for instrument in self._every()
            if instrument.symbol == symbol and instrument.sec_type == sec_type
        ]


def _no_contracts() -> Answer:
    return failure(SERVER_ERROR, "No Contracts retrieved", with_code=False)


def _no_contract() -> Answer:
    return failure(SERVER_ERROR, "unknown contract", with_code=False)


def _symbols(call: Call) -> list[str]:
    return [symbol for symbol in call.query.get("symbols", "").upper().split(",") if symbol]


def _same_number(contract: Instrument, text: str) -> bool:
    try:
        return contract.strike is not None and float(contract.strike) == float(text)
    except ValueError:
        return False
