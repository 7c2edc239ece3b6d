"""The market-data fields: every tag, its name, its meaning and its unit.

Responsible for the table and for looking names up in it. It must never refuse a bare tag that it
does not know: IBKR adds tags without notice, and their values are passed through as sent.

Source: "Market Data Fields" in IBKR's Web API documentation; a few tags are known from older
editions only, and say so.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ibkr_async.errors import UnknownFieldError, UsageError
from ibkr_async.models.scalars import read_bool, read_float, read_int, read_size, read_text

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(StrEnum):
    """How the value of a field is read."""

    NUMBER = "number"
    """`float`: a price, an amount, a ratio."""
    SIZE = "size"
    """`float`: a count with separators or a K, M, B suffix."""
    INTEGER = "integer"
    """`int`."""
    FLAG = "flag"
    """`bool`: `1` or `0`."""
    TEXT = "text"
    """`str`."""


class Field(NamedTuple):
    """One market-data field."""

    tag: str
    """The number by which IBKR knows it, as text."""
    name: str
    """Our name, as in `update.get("bid")`."""
    kind: Kind
    meaning: str
    unit: str = ""
    """Empty for text and flags."""

    def read(self, value: Any) -> float | int | bool | str | None:
        """Read a wire value of this field; None when it says nothing or is not understood."""
        return _READ[self.kind](value)


_READ: Final = {
    Kind.NUMBER: read_float,
    Kind.SIZE: read_size,
    Kind.INTEGER: read_int,
    Kind.FLAG: read_bool,
    Kind.TEXT: read_text,
}

_PRICE: Final = "currency of the contract"
_ACCOUNT: Final = "currency of the position"
_PCT: Final = "percent"
_COUNT: Final = "shares or contracts"
_RATIO: Final = "ratio"

_N, _S, _I, _F, _T = Kind.NUMBER, Kind.SIZE, Kind.INTEGER, Kind.FLAG, Kind.TEXT

_TABLE: Final = (
    # Prices, sizes and the day
    Field(
        "31", "last", _N, "price of the last trade; C before it: previous close; H: halted", _PRICE
    ),
    Field("84", "bid", _N, "best price at which somebody buys", _PRICE),
    Field("86", "ask", _N, "best price at which somebody sells", _PRICE),
    Field("88", "bid_size", _S, "quantity at the bid", _COUNT),
    Field("85", "ask_size", _S, "quantity at the ask", _COUNT),
    Field("7059", "last_size", _S, "quantity of the last trade", _COUNT),
    Field("82", "change", _N, "last price less the previous close", _PRICE),
    Field("83", "change_pct", _N, "last price against the previous close", _PCT),
    Field("87", "volume", _S, "traded today, rounded by its K or M suffix", _COUNT),
    Field("7762", "volume_exact", _S, "traded today, to the unit", _COUNT),
    Field("70", "high", _N, "highest price of the day", _PRICE),
    Field("71", "low", _N, "lowest price of the day", _PRICE),
    Field("7295", "open", _N, "first price of the day", _PRICE),
    Field("7296", "close", _N, "closing price of the day", _PRICE),
    Field("7741", "prior_close", _N, "closing price of the day before", _PRICE),
    Field("7635", "mark_price", _N, "price at which IBKR values a position", _PRICE),
    Field("7682", "change_since_open", _N, "last price less the opening price", _PRICE),
    Field("7293", "high_52_weeks", _N, "highest price of 52 weeks", _PRICE),
    Field("7294", "low_52_weeks", _N, "lowest price of 52 weeks", _PRICE),
    Field("7282", "average_volume", _S, "mean daily volume of 90 days", _COUNT),
    Field("7057", "ask_exchange", _T, "exchanges at the ask, one letter each"),
    Field("7068", "bid_exchange", _T, "exchanges at the bid, one letter each"),
    Field("7058", "last_exchange", _T, "exchange of the last trade, one letter"),
    Field("6509", "availability", _T, "how timely the data is, one statement a letter"),
    Field("6119", "delivery_marker", _T, "market-data server; repeats server_id"),
    Field("6508", "service_parameters", _T, "services of the feed, in the form of a query string"),
    # The contract
    Field("55", "symbol", _T, "ticker symbol"),
    Field("58", "text", _T, "one line that describes the contract"),
    Field("201", "right", _T, "C for a call, P for a put"),
    Field("6004", "exchange", _T, "exchange of the contract"),
    Field("6008", "contract_conid", _I, "IBKR's contract identifier", "conid"),
    Field("6457", "underlying_conid", _I, "contract identifier of the underlying", "conid"),
    Field("7094", "conid_exchange", _T, "contract identifier and exchange, as in 265598@SMART"),
    Field("6070", "sec_type", _T, "type of security"),
    Field("6072", "months", _T, "months of the derivative"),
    Field("6073", "regular_expiry", _T, "regular expiry of the derivative"),
    Field("7051", "company_name", _T, "name of the company"),
    Field("7219", "contract_description", _T, "what the contract is"),
    Field("7220", "contract_description_2", _T, "what the contract is, in another form"),
    Field("7221", "listing_exchange", _T, "exchange on which it is listed"),
    Field("7280", "industry", _T, "industry of the company"),
    Field("7281", "category", _T, "category within the industry"),
    Field("7714", "last_trading_date", _T, "last day on which it trades"),
    Field("7715", "issue_date", _T, "day on which it was issued"),
    Field("7184", "can_be_traded", _F, "whether the contract can be traded"),
    Field("7768", "has_trading_permission", _F, "whether the user may trade it"),
    # Your position in it
    Field("73", "market_value", _S, "value of the position", _ACCOUNT),
    Field("74", "average_price", _N, "mean price at which the position was opened", _PRICE),
    Field("75", "unrealized_pnl", _S, "open profit or loss of the position", _ACCOUNT),
    Field("80", "unrealized_pnl_pct", _N, "open profit or loss against the cost", _PCT),
    Field("76", "formatted_position", _S, "size of the position, shortened for display", _COUNT),
    Field("77", "formatted_unrealized_pnl", _S, "as 75, shortened for display", _ACCOUNT),
    Field("78", "daily_pnl", _S, "profit or loss of the day, formatted", _ACCOUNT),
    Field("7920", "daily_pnl_raw", _N, "profit or loss of the day, not formatted", _ACCOUNT),
    Field("79", "realized_pnl", _S, "closed profit or loss of the day", _ACCOUNT),
    Field("7292", "cost_basis", _S, "cost of the position, formatted", _ACCOUNT),
    Field("7921", "cost_basis_raw", _N, "cost of the position, not formatted", _ACCOUNT),
    Field("7639", "mark_value_pct", _N, "share of the position in the account's mark value", _PCT),
    # Options and volatility
    Field(
        "7084", "implied_to_historical_volatility", _N, "implied over historical volatility", _PCT
    ),
    Field("7085", "put_call_interest", _N, "open interest of puts over that of calls", _RATIO),
    Field("7086", "put_call_volume", _N, "volume of puts over that of calls", _RATIO),
    Field("7285", "put_call_ratio", _N, "puts over calls", _RATIO),
    Field("7087", "historical_volatility", _N, "volatility of 30 days, live", _PCT),
    Field("7284", "historical_volatility_old", _N, "deprecated twin of 7087", _PCT),
    Field("7088", "historical_volatility_close", _N, "volatility of 30 days, at the close", _PCT),
    Field("7089", "option_volume", _S, "options on the contract traded today", "contracts"),
    Field("7607", "option_volume_change_pct", _N, "option volume against its mean", _PCT),
    Field("7283", "option_implied_volatility", _N, "implied volatility of the underlying", _PCT),
    Field("7633", "implied_volatility", _N, "implied volatility of this strike", _PCT),
    Field("7308", "delta", _N, "price change for a unit change of the underlying", _RATIO),
    Field("7309", "gamma", _N, "change of delta for a unit change of the underlying", _RATIO),
    Field("7310", "theta", _N, "price change by the passing of a day", _PRICE),
    Field("7311", "vega", _N, "price change for a point of volatility", _PRICE),
    Field("7696", "spx_delta", _N, "delta weighted by beta to the S&P 500", _RATIO),
    Field("7638", "option_open_interest", _S, "options open on the contract", "contracts"),
    Field("7697", "futures_open_interest", _S, "futures open on the contract", "contracts"),
    Field("7694", "probability_of_max_return", _N, "chance of the largest possible gain", _PCT),
    Field("7700", "probability_of_max_return_2", _N, "labelled like 7694 by IBKR", _PCT),
    Field("7702", "probability_of_max_loss", _N, "chance of the largest possible loss", _PCT),
    Field("7703", "probability_of_profit", _N, "chance of any gain", _PCT),
    Field("7695", "break_even", _N, "price of the underlying at which nothing is gained", _PRICE),
    # Borrowing
    Field("7636", "shortable_shares", _S, "shares that can be borrowed", "shares"),
    Field("7637", "fee_rate", _N, "yearly fee for borrowing", _PCT),
    Field("7943", "rebate_rate", _N, "yearly rebate on the proceeds of borrowing", _PCT),
    Field("7644", "shortable_difficulty", _T, "how hard it is to borrow"),
    # Averages over time
    Field("7674", "ema_200", _N, "exponential moving average of 200 days", _PRICE),
    Field("7675", "ema_100", _N, "exponential moving average of 100 days", _PRICE),
    Field("7676", "ema_50", _N, "exponential moving average of 50 days", _PRICE),
    Field("7677", "ema_20", _N, "exponential moving average of 20 days", _PRICE),
    Field("7678", "price_to_ema_200", _N, "price over the 200-day average, less one", _PCT),
    Field("7679", "price_to_ema_100", _N, "price over the 100-day average, less one", _PCT),
    Field("7724", "price_to_ema_50", _N, "price over the 50-day average, less one", _PCT),
    Field("7681", "price_to_ema_20", _N, "price over the 20-day average, less one", _PCT),
    # Dividends and fundamentals
    Field("7671", "dividends_next_12_months", _N, "expected dividends a share", _PRICE),
    Field("7672", "dividends_last_12_months", _N, "paid dividends a share", _PRICE),
    Field("7286", "dividend_amount", _N, "next dividend a share; older editions only", _PRICE),
    Field("7287", "dividend_yield_pct", _N, "dividends over price; older editions only", _PCT),
    Field("7288", "dividend_ex_date", _T, "day without dividend; older editions only"),
    Field("7289", "market_cap", _S, "value of all shares; older editions only", _PRICE),
    Field("7290", "price_to_earnings", _N, "price over earnings; older editions only", _RATIO),
    Field("7291", "earnings_per_share", _N, "earnings a share; older editions only", _PRICE),
    Field("7718", "beta", _N, "sensitivity to the market; older editions only", _RATIO),
    Field("7655", "morningstar_rating", _N, "stars; not served since February 2026", "stars"),
    # Events; they need the Wall Street Horizon feed
    Field("7683", "upcoming_event", _T, "next event of the company"),
    Field("7684", "upcoming_event_date", _T, "day of the next event"),
    Field("7685", "upcoming_analyst_meeting", _T, "next meeting with analysts"),
    Field("7686", "upcoming_earnings", _T, "next earnings report"),
    Field("7687", "upcoming_misc_event", _T, "next event of another kind"),
    Field("7688", "recent_analyst_meeting", _T, "latest meeting with analysts"),
    Field("7689", "recent_earnings", _T, "latest earnings report"),
    Field("7690", "recent_misc_event", _T, "latest event of another kind"),
    # Bonds
    Field("7698", "last_yield", _N, "yield at the last price", _PCT),
    Field("7699", "bid_yield", _N, "yield at the bid", _PCT),
    Field("7720", "ask_yield", _N, "yield at the ask", _PCT),
    Field("7704", "organization_type", _T, "kind of issuer"),
    Field("7705", "debt_class", _T, "class of the debt"),
    Field("7706", "ratings", _T, "ratings of the bond"),
    Field("7707", "bond_state", _T, "state code of the issuer"),
    Field("7708", "bond_type", _T, "type of the bond"),
)

FIELDS: Final[Mapping[str, Field]] = MappingProxyType({field.tag: field for field in _TABLE})
"""Every known field by its tag."""

FIELDS_BY_NAME: Final[Mapping[str, Field]] = MappingProxyType(
    {field.name: field for field in _TABLE}
)
"""Every known field by our name."""


def tag_of(name: str) -> str:
    """Look up the tag of a field by its name; a bare tag is its own.

    Errors: `UnknownFieldError` with the nearest names.
    """
    if not isinstance(name, str):
        raise UnknownFieldError(repr(name), [])
    field = FIELDS_BY_NAME.get(name)
    if field is not None:
        return field.tag
    if name.isascii() and name.isdigit():
        return name
    raise UnknownFieldError(name, get_close_matches(name.lower(), FIELDS_BY_NAME, n=3))


def resolve_fields(names: Iterable[str]) -> tuple[str, ...]:
    """Turn names or tags into tags, in the order given and each once.

    Shape: one name may be given as a plain string. A number that is not in `FIELDS` is passed on.
    Errors: `UnknownFieldError` with the nearest names.
    """
    wanted = (names,) if isinstance(names, str) else names
    if not isinstance(wanted, Iterable):
        raise UsageError(f"{names!r} are not names of fields, such as ['bid', 'ask']")
    return tuple(dict.fromkeys(tag_of(name) for name in wanted))


QUOTE: Final = resolve_fields(
    """
    last bid ask bid_size ask_size last_size change change_pct volume volume_exact
    high low open close prior_close availability symbol
    """.split()  # noqa: SIM905 - a list would take a line for each name
)
"""Tags of the fields that a `Quote` shows."""
