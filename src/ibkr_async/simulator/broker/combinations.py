"""Combinations of contracts: `28812380;;;265598/1,8314/-1`. Pure.

Responsible for reading such a conidex, and for the market of a combination, which is made of its legs'
markets: buying pays the ask of bought legs and gets the bid of sold ones. It must never quote anything
but prices: what sizes and greeks of a combination would be is not known.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from ibkr_async.simulator.broker.instruments import ComboLeg, Instrument
from ibkr_async.simulator.broker.prices import Market

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ibkr_async.simulator.broker.prices import PriceBoard

_CONIDEX = re.compile(r"(\d+)(?:@[A-Z]+)?;;;(\d+/-?\d+(?:,\d+/-?\d+)*)")
_SPREAD_CONIDS = {"USD": 28812380, "CHF": 61227087, "MXN": 136000449}
"""Contract under which combinations of a currency trade. Source: "Combo Orders"."""


def read_combination(conid_ex: str, known: Mapping[int, Instrument]) -> Instrument | None:
    """Read a combination's conidex; None for anything else, or when a leg is not `known`."""
    match = _CONIDEX.fullmatch(conid_ex)
    if match is None:
        return None
    pairs = [tuple(map(int, pair.split("/"))) for pair in match[2].split(",")]
    if not all(conid in known for conid, _ in pairs):
        return None
    legs = tuple(ComboLeg(known[conid], ratio) for conid, ratio in pairs)
    first = legs[0].instrument
    symbols = dict.fromkeys(leg.instrument.symbol for leg in legs)
    return Instrument(
        conid=int(match[1]),
        symbol=",".join(symbols),
        company=first.company,
        start_price=Decimal(0),
        sec_type="BAG",
        exchange="SMART",
        listing="SMART",
        routes="SMART",
        currency=first.currency,
        day_volume=0,
        multiplier=max(leg.instrument.multiplier for leg in legs),
        tradable=_can_trade(int(match[1]), legs),
        legs=legs,
    )


def _can_trade(spread_conid: int, legs: tuple[ComboLeg, ...]) -> bool:
    """Tell whether legs are an order's: two or more, of one currency, under its spread contract.

    Market data is given of less.
    """
    instruments = {leg.instrument.conid: leg.instrument for leg in legs}
    currencies = {instrument.currency for instrument in instruments.values()}
    return (
        len(instruments) == len(legs) > 1
        and len(currencies) == 1
        and spread_conid == _SPREAD_CONIDS.get(min(currencies))
        and all(leg.instrument.tradable and leg.ratio for leg in legs)
    )


def leg_prices(board: PriceBoard, combination: Instrument, *, buying: bool) -> list[Decimal]:
    """Return what each leg trades at when the combination is bought or sold at the market."""
    markets = [(board[leg.instrument.conid], leg.ratio) for leg in combination.legs]
    return [market.ask if (ratio > 0) is buying else market.bid for market, ratio in markets]


def price_of(combination: Instrument, prices: Iterable[Decimal]) -> Decimal:
    """Return what a unit of the combination costs at these prices of its legs; it can be negative."""
    worth = (
        price * leg.ratio * leg.instrument.multiplier
        for leg, price in zip(combination.legs, prices, strict=True)
    )
    return combination.rounded(sum(worth, Decimal(0)) / combination.multiplier)


def market_of(board: PriceBoard, instrument: Instrument) -> Market:
    """Return the market of a contract or combination."""
    if not instrument.legs:
        return board[instrument.conid]
    markets = [board[leg.instrument.conid] for leg in instrument.legs]
    bid = price_of(instrument, leg_prices(board, instrument, buying=False))
    ask = price_of(instrument, leg_prices(board, instrument, buying=True))
    last = price_of(instrument, [market.last for market in markets])
    close = price_of(instrument, [market.prior_close for market in markets])
    return Market(
        instrument=instrument,
        mid=float(bid + ask) / 2,
        ratio=1.0,
        bid=bid,
        ask=ask,
        last=last,
        open=last,
        high=last,
        low=last,
        prior_close=close,
        volume=0,
        updated=max(market.updated for market in markets),
    )
