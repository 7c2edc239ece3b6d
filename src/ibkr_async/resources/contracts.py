"""Endpoints of contracts, public as `ib.contracts`, and the way from symbols to contracts.

Responsible for building the requests and for remembering what was resolved. Which contract a symbol
means is decided in `_symbols`.
"""

from __future__ import annotations

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from ibkr_async._arguments import checked
from ibkr_async.errors import ContractError, NotFoundError, NotReadyError, RefusedError, UsageError
from ibkr_async.models.contract_rules import ContractRules
from ibkr_async.models.contracts import (
    ContractInfo,
    ContractSearchResult,
    CurrencyPair,
    DerivativeContract,
    FutureListing,
    OptionStrikes,
    ResolvedContract,
    SecurityDefinition,
    SecurityDefinitions,
    StockListing,
    TradingSchedule,
)
from ibkr_async.resources._symbols import (
    LookupKey,
    Resolution,
    check_symbol,
    choose_pair,
    choose_stock,
    describe_conid,
    is_currency_pair,
    lookup_key,
)
from ibkr_async.resources.base import Resource, check_conids, pairs
from ibkr_async.rest.request import RestRequest, T
from ibkr_async.types import Conid, ContractLike, DecimalLike, to_decimal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from ibkr_async.models.contract_lists import Algo, BondFilter, ListedConid, VenueSchedule
    from ibkr_async.resources.base import SendRequest

_CONIDS_PER_REQUEST: Final = 200
_MOST_ALGOS: Final = 8
_NONE_SUCH: Final = re.compile(r"\bno\b.{0,60}\b(?:found|retrieved)\b|\bnot found\b", re.IGNORECASE)
_REMEMBERED: Final = 2_000
"""Symbols and conids that one client remembers."""


@checked
class Contracts(Resource):
    """Search, definitions, rules and trading hours of contracts."""

    def __init__(self, send: SendRequest) -> None:
        super().__init__(send)
        self._known: dict[LookupKey, ResolvedContract] = {}
        self._resolving = asyncio.Lock()

    # --- from symbols to contracts ---

    async def conids(self, *contracts: ContractLike) -> tuple[Conid, ...]:
        """Return the conid of each contract, however it is given: as symbol, conid or contract.

        It is how every method reads its contracts. Only symbols are looked up, as in `resolve`.
        Shape: one conid for each argument, in the same order.
        Errors: those of `resolve`.
        Pacing: none without symbols; what was found is remembered.
        """
        keys = [lookup_key(contract) for contract in contracts]
        symbols = [key for key in keys if isinstance(key, str)]
        found = dict(zip(symbols, await self.resolve(*symbols), strict=True)) if symbols else {}
        resolved = [found[key] if isinstance(key, str) else key for key in keys]
        return tuple(one.conid if isinstance(one, ResolvedContract) else one for one in resolved)

    async def resolve(self, *contracts: ContractLike) -> list[ResolvedContract]:
        """Return contracts for symbols and conids.

        A symbol means the stock's only listing in the United States, or else its only listing;
        `EUR.USD` means the currency pair. Futures and options are given by conid. A conid is taken
        as it is and looked up only for its ticker; a contract is passed through.
        Shape: one contract for each argument, in the same order.
        Errors: `UnknownSymbolError`; `AmbiguousSymbolError` with the candidates; `UsageError` for
        what is neither a symbol nor a conid, digits in quotes among them.
        Source: GET /trsrv/stocks, /iserver/currency/pairs and /trsrv/secdef.
        Pacing: one request for all stocks, one or two for each currency, one for 200 conids; what
        was found is remembered and not asked for again.
        Concurrency: calls wait for each other, so that two of them never ask the same.
        """
        keys = [lookup_key(contract) for contract in contracts]
        async with self._resolving:
            answers: dict[LookupKey, Resolution] = {}
            for key in keys:
                if isinstance(key, ResolvedContract):
                    answers[key] = key
                elif key in self._known:
                    answers[key] = self._known[key]
            new = await self._look_up([key for key in dict.fromkeys(keys) if key not in answers])
            self._remember(new)
        answers |= new
        found: list[ResolvedContract] = []
        for key in keys:
            answer = answers[key]
            if isinstance(answer, ContractError):
                raise answer
            found.append(answer)
        return found

    async def _look_up(self, keys: list[LookupKey]) -> dict[LookupKey, Resolution]:
        symbols = [key for key in keys if isinstance(key, str)]
        currency_pairs = [symbol for symbol in symbols if is_currency_pair(symbol)]
        stocks = [symbol for symbol in symbols if not is_currency_pair(symbol)]
        conids: list[Conid] = [key for key in keys if isinstance(key, int)]
        answers: dict[LookupKey, Resolution] = {}
        if stocks:
            listings = await self.stocks(*stocks)
            answers |= {symbol: choose_stock(symbol, listings[symbol]) for symbol in stocks}
        if currency_pairs:
            answers |= await self._look_up_pairs(currency_pairs)
        if conids:
            definitions = await self._definitions_if_any(conids)
            answers |= {conid: describe_conid(conid, definitions) for conid in conids}
        return answers

    async def _look_up_pairs(self, symbols: list[str]) -> dict[LookupKey, Resolution]:
        by_currency: dict[str, list[CurrencyPair]] = {}
        answers: dict[LookupKey, Resolution] = {}
        for symbol in symbols:
            # IBKR lists a pair under its first currency; the second is asked before giving up.
            for currency in symbol.split("."):
                if currency not in by_currency:
                    by_currency[currency] = await self.currency_pairs(currency)
                answers[symbol] = choose_pair(symbol, by_currency[currency])
                if isinstance(answers[symbol], ResolvedContract):
                    break
        return answers

    async def _definitions_if_any(self, conids: list[Conid]) -> list[SecurityDefinition]:
        try:
            return await self.definitions(*conids)
        except NotReadyError:
            # IBKR documents "no content" here. A conid is exact without its ticker.
            return []

    def _remember(self, answers: dict[LookupKey, Resolution]) -> None:
        for key, answer in answers.items():
            # A conid without a name was left out or thin this once: it is asked for again.
            if isinstance(answer, ResolvedContract) and answer.symbol != str(answer.conid):
                self._known[key] = answer
        for oldest in list(self._known)[:-_REMEMBERED]:
            del self._known[oldest]

    # --- search and listings ---

    async def search(
        self, symbol: str, sec_type: str | None = None, *, by_name: bool = False
    ) -> tuple[ContractSearchResult, ...]:
        """Search for contracts by symbol or company name.

        Shape: IBKR's order, best match first; empty when nothing matches.
        Side effects at the broker: prepares `strikes` and `derivatives` of what was found, which
        a search with `by_name` does not.
        Source: GET /iserver/secdef/search, "Search Contract by Symbol". `sec_type` is STK, IND
        or BOND.
        """
        request = RestRequest[tuple[ContractSearchResult, ...]](
            method="GET",
            path="/iserver/secdef/search",
            query=pairs(symbol=symbol, secType=sec_type, name=by_name or None),
            result=tuple[ContractSearchResult, ...],
            replayable=True,
        )
        return await self._ask_if_any(request) or ()

    async def stocks(self, *symbols: str) -> dict[str, tuple[StockListing, ...]]:
        """List the companies and listings of stock symbols.

        Shape: one entry for each symbol in capitals; empty where there is no such stock.
        Errors: `UsageError` when a symbol holds a comma.
        Source: GET /trsrv/stocks, "Security Stocks by Symbol".
        """
        keys = _symbols(symbols)
        answer = await self._read(
            dict[str, tuple[StockListing, ...] | None],
            "/trsrv/stocks",
            pairs(symbols=",".join(keys)),
        )
        found = {symbol.upper(): listings for symbol, listings in answer.items()}
        return {key: found.get(key) or () for key in keys}

    async def futures(self, *symbols: str) -> dict[str, tuple[FutureListing, ...]]:
        """List the futures of root symbols, such as `ES`.

        Shape: one entry for each symbol in capitals; empty where there is no such future.
        Source: GET /trsrv/futures, "Security Future by Symbol".
        """
        keys = _symbols(symbols)
        answer = await self._read(
            dict[str, tuple[FutureListing, ...] | None],
            "/trsrv/futures",
            pairs(symbols=",".join(keys)),
        )
        found = {symbol.upper(): listings for symbol, listings in answer.items()}
        return {key: found.get(key) or () for key in keys}

    async def currency_pairs(self, currency: str) -> list[CurrencyPair]:
        """List the pairs in which a currency is traded.

        Source: GET /iserver/currency/pairs, "Currency Pairs".
        """
        answer = await self._read(
            dict[str, tuple[CurrencyPair, ...] | None],
            "/iserver/currency/pairs",
            pairs(currency=currency.upper()),
        )
        return [pair for listed in answer.values() for pair in listed or ()]

    # --- what a conid is ---

    async def definitions(self, *contracts: ContractLike) -> list[SecurityDefinition]:
        """Look up what contracts are.

        Shape: one row for each contract that IBKR knows, in IBKR's order; the others are missing.
        Errors: `NotReadyError` when IBKR answers "no content".
        Source: GET /trsrv/secdef, "Security Definition by Contract ID".
        Pacing: one request for each 200 conids.
        """
        checked = check_conids(await self.conids(*contracts))
        rows: list[SecurityDefinition] = []
        for start in range(0, len(checked), _CONIDS_PER_REQUEST):
            chunk = checked[start : start + _CONIDS_PER_REQUEST]
            answer = await self._send(
                RestRequest[SecurityDefinitions](
                    method="GET",
                    path="/trsrv/secdef",
                    query=pairs(conids=",".join(map(str, chunk))),
                    result=SecurityDefinitions,
                    replayable=True,
                )
            )
            rows.extend(answer.secdef or ())
        return rows

    async def info(self, contract: ContractLike) -> ContractInfo:
        """Read one contract in detail.

        Source: GET /iserver/contract/{conid}/info, "Contract Information by Contract ID".
        """
        return await self._contract_info(contract, "/iserver/contract/{conid}/info")

    async def info_and_rules(self, contract: ContractLike) -> ContractInfo:
        """Read one contract in detail together with what an order for it may look like.

        Shape: `rules` holds the rules of a buy order; `rules.error` says why it cannot be traded.
        Source: GET /iserver/contract/{conid}/info-and-rules, "Contract information and rules".
        """
        return await self._contract_info(contract, "/iserver/contract/{conid}/info-and-rules")

    async def _contract_info(self, contract: ContractLike, path: str) -> ContractInfo:
        (conid,) = await self.conids(contract)
        return await self._read(ContractInfo, path, conid=conid)

    async def rules(
        self, contract: ContractLike, *, is_buy: bool = True, exchange: str | None = None
    ) -> ContractRules:
        """Read what an order for a contract may look like: types, times in force, tick sizes.

        Errors: `RefusedError` with IBKR's reason when the contract cannot be traded.
        Source: POST /iserver/contract/rules, "Search Contract Rules".
        """
        (conid,) = await self.conids(contract)
        body: dict[str, int | bool | str] = {"conid": conid, "isBuy": is_buy}
        if exchange is not None:
            body["exchange"] = exchange
        return await self._send(
            RestRequest[ContractRules](
                method="POST",
                path="/iserver/contract/rules",
                body=body,
                result=ContractRules,
                replayable=True,
            )
        )

    async def schedule(
        self, contract: ContractLike, *, exchange: str | None = None
    ) -> TradingSchedule:
        """Read the trading hours of the coming days.

        Units: instants are Unix seconds (`opens_at` and `closes_at` are datetimes); days are those
        of the exchange's time zone.
        Source: GET /contract/trading-schedule, "Trading Schedule".
        """
        (conid,) = await self.conids(contract)
        return await self._read(
            TradingSchedule, "/contract/trading-schedule", pairs(conid=conid, exchange=exchange)
        )

    async def venue_schedules(
        self,
        symbol: str,
        asset_class: str = "STK",
        *,
        exchange: str | None = None,
        exchange_filter: str | None = None,
    ) -> tuple[VenueSchedule, ...]:
        """Read the trading hours of a symbol at every venue; `schedule` has those of a contract by day.

        Units: texts in each venue's own zone.
        Source: GET /trsrv/secdef/schedule, "Trading Schedule by Symbol".
        """
        from ibkr_async.models.contract_lists import VenueSchedule

        return await self._read(
            tuple[VenueSchedule, ...],
            "/trsrv/secdef/schedule",
            pairs(
                assetClass=asset_class,
                symbol=symbol,
                exchange=exchange,
                exchangeFilter=exchange_filter,
            ),
        )

    async def algos(self, contract: ContractLike, *names: str) -> tuple[Algo, ...]:
        """List the algorithms that can work an order for a contract, with their parameters.

        `names` are at most eight ids such as `Adaptive`, whose case matters; all without any.
        Shape: the first answer of a session may be incomplete.
        Errors: `ServerError` for an unknown contract.
        Source: GET /iserver/contract/{conid}/algos, "Search Algo Params by Contract ID".
        """
        from ibkr_async.models.contract_lists import Algos

        if len(names) > _MOST_ALGOS:
            raise UsageError(f"{len(names)} names: IBKR takes at most {_MOST_ALGOS}")
        (conid,) = await self.conids(contract)
        query = pairs(algos=";".join(names) or None, addDescription=1, addParams=1)
        answer = await self._read(Algos, "/iserver/contract/{conid}/algos", query, conid=conid)
        return answer.algos or ()

    async def bond_filters(self, issuer_id: str) -> tuple[BondFilter, ...]:
        """List how an issuer's bonds can be narrowed down; `search` for the symbol `BOND` has issuers.

        Shape: a wrong issuer has filters too.
        Source: GET /iserver/secdef/bond-filters, "Search Bond Filter Information".
        """
        from ibkr_async.models.contract_lists import BondFilters

        answer = await self._read(
            BondFilters, "/iserver/secdef/bond-filters", pairs(symbol="BOND", issuerId=issuer_id)
        )
        return answer.bond_filters or ()

    async def all_conids(
        self, exchange: str, *, asset_class: str | None = None
    ) -> tuple[ListedConid, ...]:
        """List every stock of an exchange: thousands of rows.

        Source: GET /trsrv/all-conids, "All Conids by Exchange".
        """
        from ibkr_async.models.contract_lists import ListedConid

        return await self._read(
            tuple[ListedConid, ...],
            "/trsrv/all-conids",
            pairs(exchange=exchange, assetClass=asset_class),
        )

    async def exchange_rate(self, source: str, target: str) -> Decimal | None:
        """Return how many units of `target` one unit of `source` is; None where IBKR does not say.

        Errors: `BadRequestError` for an unknown currency.
        Source: GET /iserver/exchangerate, "Currency Exchange Rate".
        """
        from ibkr_async.models.contract_lists import ExchangeRate

        query = pairs(source=source.upper(), target=target.upper())
        return (await self._read(ExchangeRate, "/iserver/exchangerate", query)).rate

    # --- derivatives ---

    async def strikes(
        self,
        contract: ContractLike,
        month: str,
        sec_type: str = "OPT",
        *,
        exchange: str | None = None,
    ) -> OptionStrikes:
        """List the strikes of an underlying's options in one expiry month, such as `MAY26`.

        `exchange` is `SMART` for options where it is not given.
        Shape: without strikes when there are none in that month.
        Pacing: the first time in a session also the search that IBKR wants to have had before.
        Source: GET /iserver/secdef/strikes, "Search Strikes by Underlying Contract ID".
        """
        (conid,) = await self.conids(contract)
        exchange = exchange or _usual_exchange(sec_type)
        request = RestRequest[OptionStrikes](
            method="GET",
            path="/iserver/secdef/strikes",
            query=pairs(conid=conid, sectype=sec_type, month=month, exchange=exchange),
            result=OptionStrikes,
            replayable=True,
        )
        return await self._ask_after_search(request, conid) or OptionStrikes()

    async def derivatives(
        self,
        contract: ContractLike,
        sec_type: str,
        *,
        month: str | None = None,
        strike: DecimalLike | None = None,
        right: str | None = None,
        exchange: str | None = None,
        issuer_id: str | None = None,
    ) -> list[DerivativeContract]:
        """List the derivatives (options, futures, warrants, bonds) of an underlying.

        `month` is such as `MAY26`, `right` is `C` or `P`; options need `month`, `strike` and
        `right`, bonds need `issuer_id`. `exchange` is `SMART` for options where it is not given: without
        one IBKR does not find most of them.
        Shape: empty when there are none.
        Pacing: the first time in a session also the search that IBKR wants to have had before.
        Source: GET /iserver/secdef/info, "Search SecDef information by conid".
        """
        (conid,) = await self.conids(contract)
        if right not in (None, "C", "P"):
            raise UsageError(f"right {right!r} is neither 'C' nor 'P'")
        strike_text = None if strike is None else _strike(strike)
        # Documented as an array; the official example is a single object.
        request = RestRequest[tuple[DerivativeContract, ...] | DerivativeContract](
            method="GET",
            path="/iserver/secdef/info",
            query=pairs(
                conid=conid,
                sectype=sec_type,
                month=month,
                exchange=exchange or _usual_exchange(sec_type),
                strike=strike_text,
                right=right,
                issuerId=issuer_id,
            ),
            result=tuple[DerivativeContract, ...] | DerivativeContract,
            replayable=True,
        )
        answer = await self._ask_after_search(request, conid)
        return [answer] if isinstance(answer, DerivativeContract) else list(answer or ())

    async def _ask_after_search(self, request: RestRequest[T], conid: Conid) -> T | None:
        """Ask about derivatives; once more after a search, before which IBKR says that there are none.

        Shape: None when there are none.
        """
        try:
            if answer := await self._ask_if_any(request):
                return answer
        except NotReadyError:
            pass
        (underlying,) = await self.resolve(conid)
        await self.search(underlying.symbol)
        return await self._ask_if_any(request)

    async def _ask_if_any(self, request: RestRequest[T]) -> T | None:
        try:
            answer = await self._send(request)
        except (NotFoundError, RefusedError) as error:
            # A 404 may be a backend that is not awake yet.
            if error.status == HTTPStatus.NOT_FOUND or not _NONE_SUCH.search(error.detail):
                raise
            return None
        if isinstance(answer, OptionStrikes) and not answer.call and not answer.put:
            return None
        return answer


def _usual_exchange(sec_type: str) -> str | None:
    return "SMART" if sec_type == "OPT" else None


def _strike(strike: DecimalLike) -> str:
    try:
        return format(to_decimal(strike), "f")
    except ValueError as problem:
        raise UsageError(f"strike: {problem}") from None


def _symbols(symbols: Iterable[str]) -> list[str]:
    """Bring symbols into capitals, without repetitions.

    Errors: `UsageError` for none at all, an empty one, or one with a comma.
    """
    keys = [check_symbol(str(symbol)) for symbol in symbols]
    if not keys:
        raise UsageError("no symbol was given; pass at least one")
    return list(dict.fromkeys(keys))
