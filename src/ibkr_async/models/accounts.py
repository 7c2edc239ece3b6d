"""Answers of the `/iserver` account endpoints, except profit and loss (see `portfolio`).

Responsible for their shapes only. Money is `Decimal`, in the account's base currency unless a
field names another one.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import msgspec

from ibkr_async.models.base import Bool, Dec, Int, Model, Str
from ibkr_async.models.session import ServerInfo


class AccountProperties(Model, frozen=True, rename="camel"):
    """What one account supports."""

    SPELLINGS = MappingProxyType({"noFxConv": "noFXConv"})

    has_child_accounts: Bool = None
    """Sub-accounts belong to it."""
    supports_cash_qty: Bool = None
    """Orders may state an amount of cash instead of a quantity."""
    lite_under_pro: Bool = None
    """A Lite account below a Pro one."""
    no_fx_conv: Bool = msgspec.field(default=None, name="noFXConv")
    """Currency conversion is not offered."""
    is_prop: Bool = None
    """Proprietary trading account."""
    supports_fractions: Bool = None
    """Quantities need not be whole."""
    allow_customer_time: Bool = None
    """Orders may carry the time at which the customer gave them."""
    auto_fx: Bool = None
    """Currencies are converted automatically."""


class AllowedFeatures(Model, frozen=True, rename="camel"):
    """What this login may use. Flags of IBKR's own screens stay in `extra`."""

    allow_fx_conv: Bool = msgspec.field(default=None, name="allowFXConv")
    """Currency conversion."""
    allow_crypto: Bool = None
    """Crypto currencies."""
    allow_event_trading: Bool = None
    """Event contracts."""
    allow_dyn_account: Bool = None
    """Accounts are found by search instead of listed."""
    allow_fa: Bool = msgspec.field(default=None, name="allowFA")
    """Financial-advisor functions."""
    allow_mta: Bool = msgspec.field(default=None, name="allowMTA")
    """Mobile trading alerts."""
    lite_user: Bool = None
    """A Lite user, who may not use this API for trading."""
    snapshot_refresh_timeout: Int = None
    """Seconds for which a snapshot counts as fresh."""
    restrict_trade_subscription: Bool = None
    """The trades feed is restricted."""
    allowed_asset_types: Str = None
    """Security types that may be traded, separated by commas."""

    @property
    def asset_types(self) -> tuple[str, ...]:
        """Security types that may be traded, such as `("STK", "OPT")`; empty when not stated."""
        return tuple(filter(None, (self.allowed_asset_types or "").split(",")))


class AccountsReply(Model, frozen=True, rename="camel"):
    """The accounts of this login, and what they may do. Source: `GET /iserver/accounts`."""

    PRIVATE = frozenset({"session_id"})

    accounts: tuple[str, ...] | None = None
    """Ids of the accounts that can trade."""
    acct_props: dict[str, AccountProperties] | None = None
    """What each account supports, by account id."""
    aliases: dict[str, Str] | None = None
    """Names that the user gave to accounts, by account id."""
    allow_features: AllowedFeatures | None = None
    """What this login may use."""
    chart_periods: dict[str, tuple[str, ...]] | None = None
    """History periods by security type; `*` means every period."""
    groups: tuple[Any, ...] | None = None
    """Allocation groups of an advisor."""
    profiles: tuple[Any, ...] | None = None
    """Allocation profiles of an advisor."""
    selected_account: Str = None
    """The account that calls without an account refer to."""
    server_info: ServerInfo | None = None
    """Which server holds the session."""
    session_id: Str = None
    """Id of the brokerage session. Never shown."""
    is_ft: Bool = msgspec.field(default=None, name="isFT")
    """Free-trial account."""
    is_paper: Bool = None
    """Paper trading; None means that the server did not say, which is not the same as live."""


class SwitchReply(Model, frozen=True, rename="camel"):
    """What selecting an account returns. Source: `POST /iserver/account`."""

    set: Bool = None
    """True when the selection changed."""
    acct_id: Str = None
    """The account that is selected now; absent when it was selected before."""
    success: Str = None
    """`Account already set` when nothing had to change."""

    @property
    def selected(self) -> bool:
        """True when the account asked for is selected now, whether or not that is a change."""
        return self.set is True or (self.success or "").lower() == "account already set"


class CashBalance(Model, frozen=True, rename="camel"):
    """Cash in one currency."""

    currency: Str = None
    """Currency code; the last row may be a total such as `Total (in USD)`."""
    balance: Dec = None
    """Cash, in `currency`."""
    settled_cash: Dec = None
    """Part of it that has settled, in `currency`."""


class AvailableFunds(Model, frozen=True):
    """What one segment of an account could still use; amounts in the base currency, unless they say other.

    IBKR sends texts such as `994,831 USD`: the number is here, the text in `extra`.
    Source: `GET /iserver/account/{accountId}/summary/available_funds`.
    """

    SPELLINGS = MappingProxyType(
        {
            "Lk Ahd Avlbl Fnds": "look_ahead_available",
            "Lk Ahd Excss Lqdty": "look_ahead_excess",
        }
    )

    current_available: Dec = None
    """Funds that can be used now."""
    current_excess: Dec = None
    """Excess liquidity now."""
    buying_power: Dec = None
    """Largest purchase that is possible."""
    leverage: Dec = None
    """Gross positions over equity, a ratio; None for `n/a`."""
    look_ahead_available: Dec = None
    """Funds that can be used after the next change of margin."""
    look_ahead_excess: Dec = None
    """Excess liquidity after it."""
    look_ahead_next_change: Str = msgspec.field(default=None, name="Lk Ahd Nxt Chng")
    """When that is, such as `@ 16:00:00`."""
    overnight_available: Dec = None
    """Funds that can be used under overnight margin."""
    overnight_excess: Dec = None
    """Excess liquidity under overnight margin."""
    post_expiry_excess: Dec = msgspec.field(default=None, name="Prdctd Pst-xpry Excss")
    """Excess liquidity that is predicted after the next expiries."""
    sma: Dec = msgspec.field(default=None, name="SMA")
    """Special memorandum account (Regulation T)."""
    day_trades_left: Str = None
    """Day trades that are left, or `Unlimited`."""


class AccountBalances(Model, frozen=True):
    """What one segment of an account is worth, in the base currency; see `AvailableFunds`.

    Source: `GET /iserver/account/{accountId}/summary/balances`.
    """

    SPELLINGS = MappingProxyType({"Prvs Dy Eqty Wth Ln Vl": "previous_day_equity_with_loan"})

    net_liquidation: Dec = None
    """Worth if everything were closed."""
    net_liquidation_uncertainty: Dec = msgspec.field(default=None, name="Nt Lqdtn Uncrtnty")
    """How far that may be off."""
    equity_with_loan: Dec = None
    """Equity that counts for margin."""
    previous_day_equity_with_loan: Dec = None
    """The same at the end of the day before."""
    reg_t_equity_with_loan: Dec = msgspec.field(default=None, name="Rg T Eqty Wth Ln Vl")
    """Equity that counts under Regulation T."""
    sec_gross_pos_val: Dec = None
    """Gross value of the securities positions."""
    cash: Dec = None
    """Cash over all currencies."""
    mtd_interest: Dec = msgspec.field(default=None, name="MTD Interest")
    """Interest of the month to date."""
    pending_debit_card_charges: Dec = msgspec.field(default=None, name="Pndng Dbt Crd Chrgs")
    """Charges of a debit card that are not booked yet."""


class AccountMargins(Model, frozen=True):
    """What margin one segment of an account needs, in the base currency; see `AvailableFunds`.

    Source: `GET /iserver/account/{accountId}/summary/margins`.
    """

    current_initial: Dec = None
    """Margin needed to open the present positions."""
    current_maint: Dec = None
    """Margin needed to keep them."""
    projected_initial: Dec = msgspec.field(default=None, name="projected_liquidity_inital_margin")
    """Initial margin after the next change; the wire misspells it."""
    projected_maint: Dec = msgspec.field(default=None, name="Prjctd Lk Ahd Mntnnc Mrgn")
    """Maintenance margin after it."""
    overnight_initial: Dec = msgspec.field(default=None, name="projected_overnight_initial_margin")
    """Initial margin overnight."""
    overnight_maint: Dec = msgspec.field(default=None, name="Prjctd Ovrnght Mntnnc Mrgn")
    """Maintenance margin overnight."""
    post_expiry: Dec = msgspec.field(default=None, name="Prdctd Pst-xpry Mrgn @ Opn")
    """Margin that is predicted at the next opening, after expiries."""
    reg_t_margin: Dec = msgspec.field(default=None, name="RegT Margin")
    """Margin under Regulation T."""


class AccountMarketValue(Model, frozen=True):
    """What an account holds in one currency, in that currency.

    Source: `GET /iserver/account/{accountId}/summary/market_value`.
    """

    total_cash: Dec = None
    """Cash."""
    settled_cash: Dec = None
    """Part of it that has settled."""
    mtd_interest: Dec = msgspec.field(default=None, name="MTD Interest")
    """Interest of the month to date."""
    stock: Dec = None
    """Stocks."""
    options: Dec = None
    """Options."""
    futures: Dec = None
    """Futures."""
    future_options: Dec = None
    """Options on futures."""
    funds: Dec = None
    """Funds."""
    dividends_receivable: Dec = None
    """Dividends that are declared and not paid yet."""
    mutual_funds: Dec = None
    """Mutual funds."""
    money_market: Dec = None
    """Money-market funds."""
    bonds: Dec = None
    """Corporate bonds."""
    govt_bonds: Dec = msgspec.field(default=None, name="Govt Bonds")
    """Government bonds."""
    t_bills: Dec = None
    """Treasury bills."""
    warrants: Dec = None
    """Warrants."""
    issuer_option: Dec = None
    """Issuer options."""
    commodity: Dec = None
    """Commodities."""
    notional_cfd: Dec = msgspec.field(default=None, name="Notional CFD")
    """What contracts for difference stand for."""
    cfd: Dec = None
    """Contracts for difference."""
    cryptocurrency: Dec = msgspec.field(default=None, name="Cryptocurrency")
    """Crypto currencies."""
    net_liquidation: Dec = None
    """Worth if everything were closed."""
    unrealized_pnl: Dec = None
    """Unrealised profit."""
    realized_pnl: Dec = None
    """Realised profit."""
    exchange_rate: Dec = msgspec.field(default=None, name="Exchange Rate")
    """Base currency per unit of this currency."""


class Person(Model, frozen=True, rename="camel"):
    """Who stands behind a user of an account. Never shown."""

    PRIVATE = frozenset({"first_name", "last_name", "entity_name", "date_of_birth"})

    first_name: Str = None
    """First name."""
    last_name: Str = None
    """Last name."""
    entity_type: Str = None
    """`INDIVIDUAL`, or a kind of company."""
    entity_name: Str = None
    """Name in full."""
    date_of_birth: Str = None
    """`YYYY-MM-DD`; sent, though not documented."""


class AccountUser(Model, frozen=True, rename="camel"):
    """A user who may use an account."""

    PRIVATE = frozenset({"user_name"})

    role_id: Str = None
    """`OWNER`, `USER` or `TRUSTEE`."""
    has_right_code_ind: Bool = None
    """The user has the right that the role stands for."""
    user_name: Str = None
    """The username. Never shown."""
    entity: Person | None = None
    """Who it is."""


class Applicant(Model, frozen=True):
    """Who signed for an account."""

    PRIVATE = frozenset({"signatures"})

    signatures: tuple[Str, ...] | None = None
    """Names as they were signed. Never shown."""


class SignaturesAndOwners(Model, frozen=True, rename="camel"):
    """Whose an account is: personal data, kept out of `repr`, logs and `to_dict()`.

    Source: `GET /acesws/{accountId}/signatures-and-owners`.
    """

    account_id: Str = None
    """The account."""
    users: tuple[AccountUser, ...] | None = None
    """Who may use it."""
    applicant: Applicant | None = None
    """Who signed."""


class AccountMatch(Model, frozen=True, rename="camel"):
    """An account that a search found."""

    account_id: Str = None
    """Account id."""
    alias: Str = None
    """Name that the user gave it; the id without one."""
    allocation_id: Str = None
    """Id for allocations."""


class AccountSearch(Model, frozen=True, rename="camel"):
    """What a search for accounts found. Source: `GET /iserver/account/search/{searchPattern}`."""

    matched_accounts: tuple[AccountMatch, ...] | None = None
    """The accounts; empty when there are none."""
    pattern: Str = None
    """What was searched for."""


class AccountSummary(Model, frozen=True, rename="camel"):
    """One account in numbers, rounded to whole units by IBKR.

    Source: `GET /iserver/account/{accountId}/summary`.
    """

    account_type: Str = None
    """Type of the account; often empty."""
    status: Str = None
    """Status of the account; often empty."""
    balance: Dec = None
    """Available balance, base currency."""
    sma: Dec = msgspec.field(default=None, name="SMA")
    """Special memorandum account (Regulation T), base currency."""
    buying_power: Dec = None
    """Largest purchase that is possible, base currency."""
    available_funds: Dec = None
    """Equity with loan value less initial margin, base currency."""
    excess_liquidity: Dec = None
    """Equity with loan value less maintenance margin, base currency."""
    net_liquidation_value: Dec = None
    """Worth of the account if everything were closed, base currency."""
    equity_with_loan_value: Dec = None
    """Equity that counts for margin, base currency."""
    reg_t_loan: Dec = None
    """Loan under Regulation T, base currency."""
    securities_gvp: Dec = msgspec.field(default=None, name="securitiesGVP")
    """Gross value of the securities positions, base currency."""
    total_cash_value: Dec = None
    """Cash over all currencies, base currency."""
    accrued_interest: Dec = None
    """Interest earned or owed and not yet booked, base currency."""
    reg_t_margin: Dec = None
    """Margin under Regulation T, base currency."""
    initial_margin: Dec = None
    """Margin needed to open the present positions, base currency."""
    maintenance_margin: Dec = None
    """Margin needed to keep them, base currency."""
    cash_balances: tuple[CashBalance, ...] | None = None
    """Cash by currency."""
