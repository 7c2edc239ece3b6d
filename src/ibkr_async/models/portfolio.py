"""Answers of the portfolio endpoints, and profit and loss.

Responsible for their shapes only. Quantities, costs and cash are `Decimal`; market prices, market
values and P&L, which are measured, are floats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from ibkr_async.models.base import Bool, Dec, Float, Int, Model, Str
from ibkr_async.models.contract_rules import IncrementRule
from ibkr_async.models.times import epoch_ms, from_epoch_ms
from ibkr_async.types import AccountId

if TYPE_CHECKING:
    from datetime import datetime


class AccountParent(Model, frozen=True, rename="camel"):
    """Where an account stands in a structure of accounts."""

    mmc: tuple[Any, ...] | None = None
    """Money-manager clients."""
    account_id: Str = None
    """The parent account; empty without one."""
    is_m_parent: Bool = None
    """Parent of a multiplex structure."""
    is_m_child: Bool = None
    """Child in a multiplex structure."""
    is_multiplex: Bool = None
    """Part of a multiplex structure."""


class PortfolioAccount(Model, frozen=True, rename="camel"):
    """One account as the portfolio endpoints see it. Source: `GET /portfolio/accounts`."""

    id: Str = None
    """Account id."""
    prepaid_crypto_z: Bool = msgspec.field(default=None, name="PrepaidCrypto-Z")
    """Crypto trading with Zero Hash, prepaid."""
    prepaid_crypto_p: Bool = msgspec.field(default=None, name="PrepaidCrypto-P")
    """Crypto trading with Paxos, prepaid."""
    brokerage_access: Bool = None
    """The brokerage session can use it."""
    account_id: Str = None
    """Account id, again."""
    account_van: Str = None
    """Virtual account number."""
    account_title: Str = None
    """Holder."""
    display_name: Str = None
    """Name that IBKR's own screens show."""
    account_alias: Str = None
    """Name that the user gave it."""
    account_status: Int = None
    """When the account was opened, Unix milliseconds."""
    currency: Str = None
    """Base currency."""
    type: Str = None
    """Kind of account: `DEMO` for paper."""
    trading_type: Str = None
    """What it may trade, such as `STKNOPT`."""
    business_type: Str = None
    """How it was sold."""
    category: Str = None
    """Category; often empty."""
    ib_entity: Str = None
    """IBKR company that holds it, such as `IBLLC-US`."""
    faclient: Bool = None
    """Client of a financial advisor."""
    clearing_status: Str = None
    """`O` open, `P` or `N` pending, `A` abandoned, `R` rejected, `C` closed."""
    covestor: Bool = None
    """Managed by Interactive Advisors."""
    no_client_trading: Bool = None
    """The client may not trade it."""
    track_virtual_fx_portfolio: Bool = msgspec.field(default=None, name="trackVirtualFXPortfolio")
    """Currency positions are tracked."""
    acct_cust_type: Str = None
    """Kind of holder, such as `INDIVIDUAL`."""
    parent: AccountParent | None = None
    """Where it stands in a structure of accounts."""
    desc: Str = None
    """Alias and id for people."""


class PagePlace(Model, frozen=True, rename="camel"):
    """Where a page of sub-accounts stands among all."""

    total: Int = None
    """How many there are."""
    page_size: Int = None
    """Rows on a full page."""
    page_num: Int = None
    """This page, from 0."""


class SubaccountPage(Model, frozen=True):
    """One page of sub-accounts. Source: `GET /portfolio/subaccounts2`."""

    metadata: PagePlace | None = None
    """Where it stands."""
    subaccounts: tuple[PortfolioAccount, ...] | None = None
    """The accounts."""


class AllocationSides(Model, frozen=True):
    """Money by the names of one kind of part, such as `Technology`; base currency."""

    long: dict[str, Float] | None = None
    """What is held, by name."""
    short: dict[str, Float] | None = None
    """What is owed, by name; negative."""


class PortfolioAllocation(Model, frozen=True, rename="camel"):
    """Where the money is. Source: `GET /portfolio/{accountId}/allocation`, `POST /portfolio/allocation`."""

    asset_class: AllocationSides | None = None
    """By security type; `CASH` is one of them."""
    sector: AllocationSides | None = None
    """By economic sector; a name may contain a comma."""
    group: AllocationSides | None = None
    """By industry."""


class Position(Model, frozen=True, rename="camel"):
    """One position.

    The first read of a session has only the fields up to `model`; the second has all. See `thin`.
    Source: `GET /portfolio/{accountId}/positions/{pageId}`.
    """

    acct_id: Str = None
    """Account that holds it."""
    conid: Int = None
    """Contract id."""
    contract_desc: Str = None
    """Contract for people."""
    position: Dec = None
    """Quantity; negative when short."""
    mkt_price: Float = None
    """Market price, in `currency`."""
    mkt_value: Float = None
    """Market value, in `currency`."""
    currency: Str = None
    """Currency of prices."""
    avg_cost: Dec = None
    """Average cost of one contract with its multiplier, in `currency`."""
    avg_price: Dec = None
    """Average cost of one unit, in `currency`."""
    realized_pnl: Float = None
    """Realised profit, in `currency`."""
    unrealized_pnl: Float = None
    """Unrealised profit, in `currency`."""
    exchs: Str = None
    """Exchanges; usually null."""
    expiry: Str = None
    """Expiry of a derivative, `YYYYMMDD`; null on a thin row."""
    put_or_call: Str = None
    """`P` or `C` for an option; null on a thin row."""
    multiplier: Dec = None
    """Units per contract: 0 for stocks, null on a thin row."""
    strike: Dec = None
    """Strike, in `currency`; 0 without one, and on a thin row also for options."""
    exercise_style: Str = None
    """`A` American or `E` European; usually null."""
    con_exch_map: tuple[Any, ...] | None = None
    """IBKR's own map of exchanges; usually empty."""
    asset_class: Str = None
    """Security type, such as `STK`."""
    und_conid: Int = None
    """Contract id of the underlying; 0 without one, and on a thin row."""
    model: Str = None
    """Advisor model that holds it; empty without one."""
    base_mkt_value: Float = None
    """Market value, base currency."""
    base_mkt_price: Float = None
    """Market price, base currency."""
    base_avg_cost: Dec = None
    """Average cost of one contract, base currency."""
    base_avg_price: Dec = None
    """Average cost of one unit, base currency."""
    base_realized_pnl: Float = None
    """Realised profit, base currency."""
    base_unrealized_pnl: Float = None
    """Unrealised profit, base currency."""
    increment_rules: tuple[IncrementRule, ...] | None = None
    """Price grid."""
    display_rule: dict[str, Any] | None = None
    """How many digits IBKR's own screens show."""
    cross_currency: Bool = None
    """It is a pair without the account's base currency."""
    time: Int = None
    """Milliseconds that the lookup took."""
    chinese_name: Str = None
    """Name in Chinese, with HTML character references."""
    all_exchanges: Str = None
    """Every exchange, separated by commas."""
    listing_exchange: Str = None
    """Primary exchange."""
    country_code: Str = None
    """Country of the listing, two letters."""
    name: Str = None
    """Company or product."""
    last_trading_day: Str = None
    """Last trading day of a derivative, `YYYYMMDD`."""
    group: Str = None
    """Industry."""
    sector: Str = None
    """Economic sector."""
    sector_group: Str = None
    """Part of the sector."""
    ticker: Str = None
    """Ticker; for a derivative that of its underlying."""
    type: Str = None
    """Kind within the security type, such as `COMMON`."""
    und_comp: Str = None
    """Company of the underlying."""
    und_sym: Str = None
    """Ticker of the underlying."""
    has_options: Bool = None
    """Options on it exist."""
    full_name: Str = None
    """Ticker with the terms of a derivative, for people."""
    is_us: Bool = msgspec.field(default=None, name="isUS")
    """Listed in the United States."""
    is_event_contract: Bool = None
    """It is an event contract."""
    page_size: Int = None
    """Rows on a full page."""

    @property
    def thin(self) -> bool:
        """True for a warm-up row, which has numbers but no name, ticker or option terms yet."""
        return self.name is None and self.ticker is None


class FreshPosition(Model, frozen=True, rename="camel"):
    """One position past IBKR's cache, without names. Source: `GET /portfolio2/{accountId}/positions`."""

    conid: Int = None
    """Contract id; a text on the wire."""
    position: Dec = None
    """Quantity; negative when short."""
    avg_cost: Dec = None
    """Average cost of one contract with its multiplier, in `currency`."""
    avg_price: Dec = None
    """Average cost of one unit, in `currency`."""
    currency: Str = None
    """The contract's currency."""
    description: Str = None
    """Local symbol."""
    is_last_to_loq: Bool = None
    """IBKR's own mark; it is not explained."""
    market_price: Float = None
    """Market price, in `currency`."""
    market_value: Float = None
    """Market value, in `currency`."""
    realized_pnl: Float = None
    """Realised profit, in `currency`."""
    unrealized_pnl: Float = None
    """Unrealised profit, in `currency`."""
    sec_type: Str = None
    """Security type, such as `STK`."""
    asset_class: Str = None
    """The same, in the words of the portfolio."""
    sector: Str = None
    """Economic sector."""
    group: Str = None
    """Industry."""
    model: Str = None
    """Advisor model that holds it; empty without one."""
    timestamp: Int = None
    """When it was computed: Unix seconds, although milliseconds are documented."""

    @property
    def updated_at(self) -> datetime | None:
        """When it was computed, as UTC datetime."""
        return from_epoch_ms(epoch_ms(self.timestamp))


class ComboPositionLeg(Model, frozen=True):
    """One leg of a combination that is held."""

    conid: Int = None
    """Contract id; a text on the wire."""
    ratio: Dec = None
    """How many of it one combination has; negative for what is sold."""


class ComboPosition(Model, frozen=True):
    """Positions that belong together. Source: `GET /portfolio/{accountId}/combo/positions`."""

    name: Str = None
    """IBKR's name of the combination, such as `CS-1`."""
    description: Str = None
    """Its legs as `1*708474422-1*710225103`: ratio and conid."""
    legs: tuple[ComboPositionLeg, ...] | None = None
    """Its legs."""
    positions: tuple[Position, ...] | None = None
    """The positions in the legs."""


def _without_underscores(name: str) -> str:
    return name.replace("_", "")


class LedgerEntry(Model, frozen=True, rename=_without_underscores):
    """Cash and values of one account in one currency, or in all of them (`BASE`).

    Source: `GET /portfolio/{accountId}/ledger`.
    """

    acct_code: Str = None
    """Account id."""
    currency: Str = None
    """Currency of the numbers; `BASE` is the total in the base currency."""
    second_key: Str = None
    """The same as `currency`."""
    key: Str = None
    """Always `LedgerList`."""
    cash_balance: Dec = None
    """Cash, in `currency`."""
    settled_cash: Dec = None
    """Cash that has settled, in `currency`."""
    cash_balance_fx_segment: Dec = None
    """Cash in the currency-trading segment, in `currency`."""
    interest: Dec = None
    """Interest accrued, in `currency`."""
    dividends: Dec = None
    """Dividends accrued, in `currency`."""
    net_liquidation_value: Dec = None
    """Worth if everything were closed, in `currency`."""
    exchange_rate: Float = None
    """Base currency per unit of `currency`."""
    unrealized_pnl: Float = None
    """Unrealised profit, in `currency`."""
    realized_pnl: Float = None
    """Realised profit, in `currency`."""
    futures_only_pnl: Float = None
    """Profit of futures, in `currency`."""
    stock_market_value: Float = None
    """Market value of stocks, in `currency`."""
    stock_option_market_value: Float = None
    """Market value of stock options, in `currency`."""
    future_market_value: Float = None
    """Market value of futures, in `currency`."""
    future_option_market_value: Float = None
    """Market value of futures options, in `currency`."""
    commodity_market_value: Float = None
    """Market value of commodities, in `currency`."""
    corporate_bonds_market_value: Float = None
    """Market value of corporate bonds, in `currency`."""
    t_bonds_market_value: Float = None
    """Market value of treasury bonds, in `currency`."""
    t_bills_market_value: Float = None
    """Market value of treasury bills, in `currency`."""
    warrants_market_value: Float = None
    """Market value of warrants, in `currency`."""
    issuer_options_market_value: Float = None
    """Market value of issuer options, in `currency`."""
    crypto_currency_value: Float = None
    """Market value of crypto currencies, in `currency`."""
    money_funds: Float = None
    """Market value of money-market funds, in `currency`."""
    funds: Float = None
    """Market value of mutual funds, in `currency`."""
    session_id: Int = None
    """IBKR's own counter."""
    timestamp: Int = None
    """When it was computed, Unix seconds; see `updated_at`."""
    severity: Int = None
    """IBKR's own code; 0 is normal."""
    end_of_bundle: Int = None
    """1 on the last entry that was computed together; sometimes on none."""

    @property
    def updated_at(self) -> datetime | None:
        """When it was computed, as UTC datetime."""
        return from_epoch_ms(epoch_ms(self.timestamp))


class SummaryEntry(Model, frozen=True, rename="camel"):
    """One figure of an account. Source: `GET /portfolio/{accountId}/summary`."""

    amount: Dec = None
    """The figure as a number; 0 when it is text (then see `value`)."""
    currency: Str = None
    """Currency of `amount`; None for texts and ratios."""
    is_null: Bool = None
    """There is no such figure for this account."""
    timestamp: Int = None
    """When it was computed: seconds or milliseconds, both occur; see `updated_at_ms`."""
    value: Str = None
    """The figure as text."""
    severity: Int = None
    """IBKR's own code; 0 is normal."""

    @property
    def updated_at_ms(self) -> int | None:
        """When it was computed, Unix milliseconds, whichever unit was sent."""
        return epoch_ms(self.timestamp)

    @property
    def updated_at(self) -> datetime | None:
        """When it was computed, as UTC datetime."""
        return from_epoch_ms(self.updated_at_ms)


class PnlRow(Model, frozen=True):
    """Profit and loss of one part of an account."""

    row_type: Int = msgspec.field(default=None, name="rowType")
    """Position of the row on IBKR's own screen."""
    dpl: Float = None
    """Profit of the day, base currency."""
    nl: Float = None
    """Net liquidation value, base currency."""
    upl: Float = None
    """Unrealised profit, base currency."""
    el: Float = None
    """Excess liquidity, base currency."""
    uel: Float = None
    """Excess liquidity again, where `el` is rounded; base currency."""
    mv: Float = None
    """Market value of margin securities, base currency."""


class PnlPart(NamedTuple):
    """Which part of which account a P&L row is about."""

    account_id: AccountId
    """The account."""
    segment: str
    """`Core`, or the name of an advisor model; empty when the key named none."""


class PartitionedPnl(Model, frozen=True):
    """Profit and loss by account and segment.

    Source: `GET /iserver/account/pnl/partitioned`. The first read of a session is empty.
    """

    upnl: dict[str, PnlRow] | None = None
    """Rows as sent, by keys such as `U1234567.Core`; see `parts`."""

    @property
    def parts(self) -> dict[PnlPart, PnlRow]:
        """Rows by account and segment; empty until IBKR has computed them."""
        return {split_pnl_key(key): row for key, row in (self.upnl or {}).items()}


def split_pnl_key(key: str) -> PnlPart:
    """Split `U1234567.Core` at its first point; a model's name may contain more of them."""
    account_id, _, segment = key.partition(".")
    return PnlPart(AccountId(account_id), segment)


class InvalidateReply(Model, frozen=True):
    """What dropping cached positions returns.

    Source: `POST /portfolio/{accountId}/positions/invalidate`.
    """

    message: Str = None
    """`success`."""
