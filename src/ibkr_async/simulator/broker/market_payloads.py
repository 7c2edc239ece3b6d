"""Market data fields as IBKR spells them.

Responsible for the value of every tag that the simulator offers. It must never decide who may
see which field, or when. A tag without a value for an instrument is left out, as IBKR does.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.broker import spelling
from ibkr_async.simulator.broker.combinations import market_of
from ibkr_async.simulator.broker.options import (
    VOLATILITY,
    Greeks,
    greeks,
    implied_volatility,
    years_between,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ibkr_async.simulator.broker.instruments import Instrument
    from ibkr_async.simulator.broker.positions import Holding
    from ibkr_async.simulator.broker.prices import Market
    from ibkr_async.simulator.broker.state import BrokerState

SERVICE_PARAMETERS = "&serviceID1=122&serviceID2=123&serviceID3=203&serviceID4=775"
CHANGE_PCT = "83"
"""The tag that is a bare number on the socket and a text with a percent sign in snapshots."""

_WITHOUT_DATA = "N"
_REAL_TIME = "RpB"


def field_values(state: BrokerState, conid: int, tags: Iterable[str]) -> dict[str, Any]:
    """Return the present values of these tags, in the order given, as the socket spells them."""
    view = _View(state, conid)
    values: dict[str, Any] = {}
    for tag in tags:
        read = _FIELDS.get(tag)
        value = read(view) if read else None
        if value is not None:
            values[tag] = value
    return values


def combination_values(
    state: BrokerState, combination: Instrument, tags: Iterable[str]
) -> dict[str, Any]:
    """Return the prices of a combination among these tags, and whether its legs have data."""
    subscribed = all(state.has_data(leg.instrument.conid) for leg in combination.legs)
    market = market_of(state.board, combination)
    values: dict[str, Any] = {"6509": _REAL_TIME if subscribed else _WITHOUT_DATA}
    if subscribed:
        prices = {"31": market.last, "84": market.bid, "86": market.ask}
        values |= {tag: f"{price:.2f}" for tag, price in prices.items()}
    return {tag: values[tag] for tag in tags if tag in values}


def known_tags() -> tuple[str, ...]:
    """Return every tag that can have a value."""
    return tuple(_FIELDS)


class _View:
    """One instrument, its market and the selected account's position in it."""

    def __init__(self, state: BrokerState, conid: int) -> None:
        self.instrument: Instrument = state.instruments[conid]
        self.market: Market = state.board[conid]
        self.server_id = state.server_id(conid)
        self.subscribed = state.has_data(conid)
        self.account = state.accounts[state.selected]
        self.board = state.board
        self.holding = self.account.holdings.get(conid)

    def price(self, value: Decimal) -> str | None:
        """Write a market price; None without a subscription."""
        return spelling.price_text(self.instrument, value) if self.subscribed else None

    def traded_price(self, value: Decimal) -> str | None:
        """Write a bid or ask; None for what has no order book."""
        return self.price(value) if self.instrument.tradable else None

    def size(self, value: int) -> str | None:
        """Write a size; None for what has no order book."""
        shown = self.subscribed and self.instrument.tradable
        return spelling.size_text(value) if shown else None

    def volume(self, write: Callable[[int], str]) -> str | None:
        """Write the day's volume; None for what has none."""
        shown = self.subscribed and self.instrument.day_volume
        return write(self.market.volume) if shown else None

    def of_position(self, amount: Callable[[Holding, Decimal], Decimal]) -> str | None:
        """Write an amount computed from the holding and the last price; None without one.

        Position fields are computed with real-time data even without a subscription.
        """
        if self.holding is None or not self.holding.quantity:
            return None
        return f"{amount(self.holding, self.market.last):.2f}"


def _availability(view: _View) -> str:
    return _REAL_TIME if view.subscribed else _WITHOUT_DATA


def _last(view: _View) -> str | None:
    market = view.market
    text = view.price(market.last)
    # Before the day's first trade the last price is yesterday's close, marked with a C.
    untraded = view.instrument.day_volume and not market.volume
    return f"C{text}" if text and untraded else text


def _change_pct(view: _View) -> float | None:
    return round(view.market.change_pct, 2) if view.subscribed else None


def _of_option(write: Callable[[Greeks], str]) -> Callable[[_View], str | None]:
    """Make a reader of an option's greek."""

    def read(view: _View) -> str | None:
        instrument = view.instrument
        if instrument.strike is None or instrument.expiry is None:
            return None
        spot = view.board[instrument.underlying].mid
        years = years_between((instrument.expiry - view.board.day).days)
        return write(greeks(spot, float(instrument.strike), instrument.right, years))

    return read


def _implied_volatility(view: _View) -> str | None:
    strike, underlying = view.instrument.strike, view.instrument.underlying
    if strike is None:
        return None
    return _percent(implied_volatility(view.board[underlying].mid, float(strike)))


def _percent(ratio: float) -> str:
    """Write a ratio in percent, in which volatilities are documented. No recording is public."""
    return f"{ratio * 100:.1f}%"


def _unrealised_pct(view: _View) -> str | None:
    holding = view.holding
    if holding is None or not holding.quantity:
        return None
    change = (view.market.last / holding.average - 1) * 100
    return f"{change if holding.quantity > 0 else -change:.2f}%"


def _share_of_account(view: _View) -> str | None:
    worth = view.account.valuation(view.board).net_liquidation
    return view.of_position(lambda held, last: held.market_value(last) / worth * 100)


def _daily(view: _View) -> str | None:
    # As if the position had been held since the close: what today's trades changed is only in
    # the account's own figure (`spl`).
    close = view.market.prior_close
    return view.of_position(
        lambda held, last: held.quantity * (last - close) * held.instrument.multiplier
    )


def _cost(view: _View) -> str | None:
    return view.of_position(lambda held, _: held.market_value(held.average))


def _text(value: str) -> str | None:
    return value or None


_FIELDS: dict[str, Callable[[_View], Any]] = {
    "31": _last,
    "55": lambda view: view.instrument.symbol,
    "58": lambda view: view.instrument.description,
    "70": lambda view: view.price(view.market.high),
    "71": lambda view: view.price(view.market.low),
    "73": lambda view: view.of_position(lambda held, last: held.market_value(last)),
    "74": lambda view: view.of_position(lambda held, _: held.average),
    "75": lambda view: view.of_position(lambda held, last: held.unrealised(last)),
    "76": lambda view: view.of_position(lambda held, _: held.quantity),
    "77": lambda view: view.of_position(lambda held, last: held.unrealised(last)),
    "78": _daily,
    "79": lambda view: f"{view.holding.realised:.2f}" if view.holding else None,
    "80": _unrealised_pct,
    "82": lambda view: view.price(view.market.change),
    CHANGE_PCT: _change_pct,
    "84": lambda view: view.traded_price(view.market.bid),
    "85": lambda view: view.size(view.market.ask_size),
    "86": lambda view: view.traded_price(view.market.ask),
    "87": lambda view: view.volume(spelling.volume_text),
    "88": lambda view: view.size(view.market.bid_size),
    "201": lambda view: _text(view.instrument.right),
    "6004": lambda view: (
        "SMART" if view.instrument.routes.startswith("SMART") else view.instrument.exchange
    ),
    "6008": lambda view: view.instrument.conid,
    "6070": lambda view: view.instrument.sec_type,
    "6072": lambda view: _text(
        ";".join(view.instrument.option_months or view.instrument.future_months)
    ),
    "6073": lambda view: _text(view.instrument.month),
    "6119": lambda view: view.server_id,
    "6457": lambda view: view.instrument.underlying or None,
    "6508": lambda _: SERVICE_PARAMETERS,
    "6509": _availability,
    "7051": lambda view: view.instrument.company,
    "7057": lambda view: "Q" if view.subscribed else None,
    "7058": lambda view: "N" if view.subscribed else None,
    "7059": lambda view: view.size(view.market.last_size),
    "7068": lambda view: "Z" if view.subscribed else None,
    "7087": lambda view: f"{view.instrument.annual_volatility * 100:.3f}%",
    "7094": lambda view: f"{view.instrument.conid}@{view.instrument.exchange}",
    "7184": lambda view: "1" if view.instrument.tradable else "0",
    "7219": lambda view: view.instrument.description,
    "7220": lambda view: f"{view.instrument.description} {view.instrument.listing}",
    "7221": lambda view: view.instrument.listing,
    "7280": lambda view: _text(view.instrument.industry),
    "7281": lambda view: _text(view.instrument.category),
    "7282": lambda view: spelling.volume_text(view.instrument.day_volume),
    "7292": _cost,
    "7293": lambda view: view.price(view.market.prior_close * Decimal("1.22")),
    "7294": lambda view: view.price(view.market.prior_close * Decimal("0.79")),
    "7295": lambda view: view.price(view.market.open),
    "7296": lambda view: view.price(view.market.prior_close),
    "7283": lambda view: _percent(VOLATILITY) if view.instrument.option_months else None,
    "7308": _of_option(lambda of: f"{of.delta:.3f}"),
    "7309": _of_option(lambda of: f"{of.gamma:.3f}"),
    "7310": _of_option(lambda of: f"{of.theta:.3f}"),
    "7311": _of_option(lambda of: f"{of.vega:.3f}"),
    "7633": _implied_volatility,
    "7635": lambda view: view.price((view.market.bid + view.market.ask) / 2),
    "7636": lambda view: "12,500,000" if view.instrument.sec_type == "STK" else None,
    "7638": lambda view: "8.41K" if view.instrument.sec_type == "OPT" else None,
    "7639": _share_of_account,
    "7644": lambda view: "3.0" if view.instrument.sec_type == "STK" else None,
    "7682": lambda view: view.price(view.market.last - view.market.open),
    "7697": lambda view: "2.05M" if view.instrument.sec_type == "FUT" else None,
    "7714": lambda view: (
        view.instrument.expiry.strftime("%Y%m%d") if view.instrument.expiry else None
    ),
    "7741": lambda view: view.price(view.market.prior_close),
    "7762": lambda view: view.volume(str),
    "7768": lambda view: "1" if view.instrument.tradable else "0",
    "7920": _daily,
    "7921": _cost,
}
