"""Choosing the one contract that a symbol means, where the choice is obvious.

Responsible for that rule only, over answers that were already fetched. It must never guess between
two contracts that are equally good: the wrong one would be traded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from ibkr_async.errors import AmbiguousSymbolError, ContractError, UnknownSymbolError, UsageError
from ibkr_async.models.contracts import (
    CurrencyPair,
    ResolvedContract,
    SecurityDefinition,
    StockListing,
)
from ibkr_async.resources.base import check_conid
from ibkr_async.types import Conid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibkr_async.types import ContractLike

LookupKey: TypeAlias = str | Conid | ResolvedContract
"""What is resolved: a symbol in capitals, a conid, or a contract that needs no lookup."""

Resolution: TypeAlias = ResolvedContract | ContractError
"""The contract, or why there is none."""

_CURRENCY_PAIR: Final = re.compile(r"[A-Z]{3}\.[A-Z]{3}")


def lookup_key(item: ContractLike) -> LookupKey:
    """Return what a caller passed in the form under which it is remembered.

    Digits in quotes may be meant as a conid or as a symbol (700 is Tencent's), so they are refused.
    Errors: `UsageError` for what is neither a symbol, nor a conid, nor a contract.
    """
    if isinstance(item, ResolvedContract):
        return item
    if not isinstance(item, str):
        return check_conid(getattr(item, "conid", item))
    symbol = check_symbol(item)
    if symbol.isdigit():
        raise UsageError(
            f"{item!r} is not a conid; write a conid without quotes. If the symbol is meant, "
            f"ib.contracts.stocks({symbol!r}) lists its conids"
        )
    return symbol


def check_symbol(text: str) -> str:
    """Return a symbol in capitals.

    Errors: `UsageError` for an empty one, or one with a comma or with what cannot be printed.
    """
    symbol = text.strip().upper()
    if not symbol or "," in symbol or not symbol.isprintable():
        raise UsageError(
            f"{text!r} is not a symbol; pass each symbol as its own argument, as in "
            "resolve('AAPL', 'MSFT')"
        )
    return symbol


def is_currency_pair(symbol: str) -> bool:
    """Tell whether a symbol is one such as `EUR.USD`."""
    return _CURRENCY_PAIR.fullmatch(symbol) is not None


def choose_stock(symbol: str, listings: Iterable[StockListing]) -> Resolution:
    """Return the only listing in the United States, or else the only listing.

    Shape: `AmbiguousSymbolError` names the listings between which there is no choice.
    """
    everywhere: dict[int, str] = {}
    in_us: dict[int, str] = {}
    for listing in listings:
        for contract in listing.contracts or ():
            if contract.conid is None:
                continue
            description = f"{listing.name or symbol}, {contract.exchange or 'no exchange'}"
            everywhere[contract.conid] = description
            if contract.is_us:
                in_us[contract.conid] = description
    candidates = list((in_us or everywhere).items())
    if not candidates:
        return UnknownSymbolError(symbol)
    if len(candidates) > 1:
        return AmbiguousSymbolError(symbol, candidates)
    conid, description = candidates[0]
    return ResolvedContract(Conid(conid), symbol, description)


def choose_pair(symbol: str, pairs: Iterable[CurrencyPair]) -> Resolution:
    """Return a currency pair from those of a currency."""
    for pair in pairs:
        if pair.symbol == symbol and pair.conid is not None:
            return ResolvedContract(Conid(pair.conid), symbol, f"{symbol}, currency pair")
    return UnknownSymbolError(symbol)


def describe_conid(conid: int, definitions: Iterable[SecurityDefinition]) -> ResolvedContract:
    """Return a conid with its ticker and name; the conid itself as text where IBKR says none."""
    for definition in definitions:
        if definition.conid == conid:
            parts = (definition.name, definition.listing_exchange)
            description = ", ".join(part for part in parts if part)
            return ResolvedContract(Conid(conid), definition.ticker or str(conid), description)
    return ResolvedContract(Conid(conid), str(conid))
