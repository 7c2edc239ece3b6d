"""Answers of the contract endpoints: search, listings, definitions, schedules.

Responsible for their shapes only; choosing one contract for a symbol is done in
`resources.contracts`, and what an order may look like is in `contract_rules`. Terms of a contract
(strike, multiplier) are `Decimal`, because orders are built from them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from ibkr_async.models.base import Bool, Dec, Int, Model, Str
from ibkr_async.models.contract_rules import ContractRules, IncrementRule
from ibkr_async.models.fact import Fact
from ibkr_async.models.times import from_epoch_s, parse_day
from ibkr_async.types import Conid

if TYPE_CHECKING:
    from datetime import date, datetime


class ResolvedContract(Fact, msgspec.Struct, frozen=True):
    """A contract that a symbol or conid was resolved to. Ours, not IBKR's."""

    conid: Conid
    """IBKR's contract id."""
    symbol: str
    """The symbol asked for, in capitals; for a conid, the ticker that IBKR gives it."""
    description: str = ""
    """Name and exchange, for people."""


# --- search --------------------------------------------------------------------------------------


class Section(Model, frozen=True, rename="camel"):
    """A security type in which a search result can be traded."""

    sec_type: Str = None
    """Security type, such as `STK`, `OPT` or `CFD`."""
    months: Str = None
    """Expiry months separated by `;`, such as `APR26;MAY26`; for derivatives."""
    exchange: Str = None
    """Exchanges separated by `;`."""
    conid: Int = None
    """Contract id where it differs from the result's own, as for a CFD."""
    leg_sec_type: Str = None
    """Security type of the legs of a combination."""
    show_prips: Bool = None
    """IBKR's own flag; not explained."""

    @property
    def expiry_months(self) -> tuple[str, ...]:
        """Expiry months one by one, as `strikes` and `derivatives` want them."""
        return tuple(filter(None, (self.months or "").split(";")))

    @property
    def exchanges(self) -> tuple[str, ...]:
        """Exchanges one by one."""
        return tuple(filter(None, (self.exchange or "").split(";")))


class BondIssuer(Model, frozen=True):
    """An issuer of bonds that matched a search."""

    id: Str = None
    """Issuer id, as `derivatives(issuer_id=...)` wants it."""
    name: Str = None
    """Name of the issuer."""


class ContractSearchResult(Model, frozen=True, rename="camel"):
    """One match of a search. Source: `GET /iserver/secdef/search`."""

    conid: Int = None
    """Contract id; for the row of bond issuers a placeholder."""
    company_header: Str = None
    """Company and primary exchange."""
    company_name: Str = None
    """Company."""
    symbol: Str = None
    """Ticker."""
    description: Str = None
    """Primary exchange."""
    restricted: Str = None
    """A type of security, such as `CFD`, in which this login may not trade it; None when there is none."""
    fop: Str = None
    """Expiry days of futures options, `YYYYMMDD` separated by `;`."""
    opt: Str = None
    """Expiry days of options, `YYYYMMDD` separated by `;`."""
    war: Str = None
    """Expiry days of warrants, `YYYYMMDD` separated by `;`."""
    sections: tuple[Section, ...] | None = None
    """Security types in which it can be traded."""
    issuers: tuple[BondIssuer, ...] | None = None
    """Bond issuers, on the row that stands for bonds."""
    bondid: Int = None
    """Number of the bond row."""


# --- listings ------------------------------------------------------------------------------------


class StockContract(Model, frozen=True, rename="camel"):
    """One listing of a stock."""

    conid: Int = None
    """Contract id."""
    exchange: Str = None
    """Primary exchange of this listing."""
    is_us: Bool = msgspec.field(default=None, name="isUS")
    """Listed in the United States."""


class StockListing(Model, frozen=True, rename="camel"):
    """One company under a symbol, with its listings. Source: `GET /trsrv/stocks`."""

    name: Str = None
    """Company."""
    chinese_name: Str = None
    """Company in Chinese, with HTML character references."""
    asset_class: Str = None
    """Security type, `STK`."""
    contracts: tuple[StockContract, ...] | None = None
    """Its listings."""


class FutureListing(Model, frozen=True, rename="camel"):
    """One future under a root symbol. Source: `GET /trsrv/futures`."""

    symbol: Str = None
    """Root symbol, such as `ES`."""
    conid: Int = None
    """Contract id."""
    underlying_conid: Int = None
    """Contract id of the underlying."""
    expiration_date: Int = None
    """Expiry as a number, `YYYYMMDD`."""
    ltd: Int = None
    """Last trading day as a number, `YYYYMMDD`."""
    short_futures_cut_off: Int = None
    """Day by which a short position must be closed, `YYYYMMDD`."""
    long_futures_cut_off: Int = None
    """Day by which a long position must be closed, `YYYYMMDD`."""

    @property
    def expires_on(self) -> date | None:
        """Expiry as a date."""
        return parse_day(self.expiration_date)

    @property
    def last_trading_day(self) -> date | None:
        """Last trading day as a date."""
        return parse_day(self.ltd)


class CurrencyPair(Model, frozen=True, rename="camel"):
    """One pair in which a currency is traded. Source: `GET /iserver/currency/pairs`."""

    symbol: Str = None
    """The pair, such as `EUR.USD`."""
    conid: Int = None
    """Contract id."""
    ccy_pair: Str = None
    """The other currency."""


# --- definitions ---------------------------------------------------------------------------------


class SecurityDefinition(Model, frozen=True, rename="camel"):
    """What a conid is. Source: `GET /trsrv/secdef`."""

    conid: Int = None
    """Contract id."""
    ticker: Str = None
    """Ticker; for a derivative that of its underlying."""
    name: Str = None
    """Company or product."""
    full_name: Str = None
    """Ticker with the terms of a derivative, for people."""
    chinese_name: Str = None
    """Name in Chinese, with HTML character references."""
    asset_class: Str = None
    """Security type, such as `STK`."""
    type: Str = None
    """Kind within the security type, such as `COMMON` or `ETF`."""
    currency: Str = None
    """Currency of prices."""
    listing_exchange: Str = None
    """Primary exchange."""
    all_exchanges: Str = None
    """Every exchange, separated by commas."""
    country_code: Str = None
    """Country of the listing, two letters."""
    expiry: Str = None
    """Expiry of a derivative, `YYYYMMDD`."""
    last_trading_day: Str = None
    """Last trading day of a derivative, `YYYYMMDD`."""
    put_or_call: Str = None
    """`P` or `C` for an option."""
    strike: Dec = None
    """Strike of an option, in `currency`; 0 for everything else."""
    multiplier: Dec = None
    """Units per contract; 0 for stocks."""
    und_conid: Int = None
    """Contract id of the underlying; 0 without one."""
    und_sym: Str = None
    """Ticker of the underlying."""
    und_comp: Str = None
    """Company of the underlying."""
    sector: Str = None
    """Economic sector."""
    sector_group: Str = None
    """Part of the sector."""
    group: Str = None
    """Industry."""
    has_options: Bool = None
    """Options on it exist."""
    is_us: Bool = msgspec.field(default=None, name="isUS")
    """Listed in the United States."""
    is_event_contract: Bool = None
    """It is an event contract."""
    cross_currency: Bool = None
    """It is a pair without the account's base currency."""
    increment_rules: tuple[IncrementRule, ...] | None = None
    """Price grid."""
    display_rule: dict[str, Any] | None = None
    """How many digits IBKR's own screens show."""
    time: Int = None
    """Milliseconds that the lookup took."""


class SecurityDefinitions(Model, frozen=True):
    """The envelope of `GET /trsrv/secdef`."""

    secdef: tuple[SecurityDefinition, ...] | None = None
    """One row for each conid that IBKR knows."""


class ContractInfo(Model, frozen=True):
    """One contract in detail, in this endpoint's own snake_case.

    Source: `GET /iserver/contract/{conid}/info`, and `/info-and-rules`, which adds `rules`.
    """

    conid: Int = msgspec.field(default=None, name="con_id")
    """Contract id."""
    symbol: Str = None
    """Ticker."""
    local_symbol: Str = None
    """Symbol at the exchange, such as `IBM   240315C00187500`."""
    company_name: Str = None
    """Company or product."""
    instrument_type: Str = None
    """Security type, such as `STK`."""
    currency: Str = None
    """Currency of prices."""
    exchange: Str = None
    """Exchange that orders are routed to."""
    valid_exchanges: Str = None
    """Exchanges that it can be routed to, separated by commas."""
    trading_class: Str = None
    """Trading class."""
    cfi_code: Str = None
    """ISO 10962 classification."""
    cusip: Str = None
    """CUSIP number."""
    expiry_full: Str = None
    """Expiry, `YYYYMMDD` or `YYYYMM`."""
    maturity_date: Str = None
    """Maturity, `YYYYMMDD`."""
    contract_month: Str = None
    """Contract month, `YYYYMM`."""
    strike: Dec = None
    """Strike of an option, in `currency`."""
    right: Str = None
    """`CALL` or `PUT`."""
    multiplier: Dec = None
    """Units per contract."""
    underlying_con_id: Int = None
    """Contract id of the underlying; 0 without one."""
    underlying_issuer: Str = None
    """Issuer of the underlying."""
    industry: Str = None
    """Industry."""
    category: Str = None
    """Part of the industry."""
    text: Str = None
    """Terms for people, such as `MAR 15 '24 187.5 Call`."""
    contract_clarification_type: Str = None
    """IBKR's own remark about the contract."""
    classifier: Str = None
    """IBKR's own class; usually null."""
    r_t_h: Bool = None
    """It trades outside regular hours."""
    smart_available: Bool = None
    """SMART routing is offered."""
    allow_sell_long: Bool = None
    """It may be sold long."""
    is_zero_commission_security: Bool = None
    """No commission is charged."""
    has_related_contracts: Bool = None
    """Derivatives of it exist."""
    rules: ContractRules | None = None
    """What an order may look like; only from `/info-and-rules`."""


# --- derivatives ---------------------------------------------------------------------------------


class OptionStrikes(Model, frozen=True):
    """Strikes of one expiry month. Source: `GET /iserver/secdef/strikes`."""

    call: tuple[Decimal, ...] | None = None
    """Strikes of the calls, ascending, in the underlying's currency."""
    put: tuple[Decimal, ...] | None = None
    """Strikes of the puts, ascending, in the underlying's currency."""


class DerivativeContract(Model, frozen=True, rename="camel"):
    """One option, future, warrant or bond. Source: `GET /iserver/secdef/info`."""

    conid: Int = None
    """Contract id."""
    symbol: Str = None
    """Ticker of the underlying."""
    ticker: Str = None
    """Ticker, where `symbol` is absent."""
    sec_type: Str = None
    """Security type."""
    exchange: Str = None
    """Exchange that was asked for."""
    listing_exchange: Str = None
    """Primary exchange."""
    valid_exchanges: Str = None
    """Exchanges that it can be routed to, separated by commas."""
    right: Str = None
    """`C` or `P`; `?` for what is not an option."""
    strike: Dec = None
    """Strike, in `currency`; 0 for what is not an option."""
    currency: Str = None
    """Currency of prices."""
    cusip: Str = None
    """CUSIP number."""
    coupon: Str = None
    """Coupon of a bond, as IBKR words it."""
    company_name: Str = None
    """Company of the underlying."""
    desc1: Str = None
    """Short terms for people."""
    desc2: Str = None
    """Longer terms for people."""
    maturity_date: Str = None
    """Expiry, `YYYYMMDD`."""
    multiplier: Dec = None
    """Units per contract."""
    trading_class: Str = None
    """Trading class: tells weekly from monthly options."""
    price_rendering: Str = None
    """How IBKR's own screens write its price."""

    @property
    def matures_on(self) -> date | None:
        """Expiry as a date."""
        return parse_day(self.maturity_date)


# --- trading hours -------------------------------------------------------------------------------


class TradingHours(Model, frozen=True):
    """One span of trading."""

    opening: Int = None
    """Opening, Unix seconds."""
    closing: Int = None
    """Closing, Unix seconds."""
    cancel_daily_orders: Bool = None
    """Day orders end with this span."""

    @property
    def opens_at(self) -> datetime | None:
        """Opening as UTC datetime."""
        return from_epoch_s(self.opening)

    @property
    def closes_at(self) -> datetime | None:
        """Closing as UTC datetime."""
        return from_epoch_s(self.closing)


class TradingDay(Model, frozen=True):
    """The hours of one day."""

    liquid_hours: tuple[TradingHours, ...] | None = None
    """Regular hours; absent on days without them."""
    extended_hours: tuple[TradingHours, ...] | None = None
    """All hours in which it trades."""


class TradingSchedule(Model, frozen=True):
    """Trading hours of the coming days. Source: `GET /contract/trading-schedule`."""

    exchange_time_zone: Str = None
    """Time zone of the exchange, such as `US/Eastern`."""
    schedules: dict[str, TradingDay] | None = None
    """Hours by day, `YYYYMMDD` in the exchange's time zone."""
