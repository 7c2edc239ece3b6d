"""Answers of the `/iserver` account endpoints, except profit and loss (see `portfolio`).

Responsible for their shapes only. Money is `Decimal`, in the account's base currency unless a
field names another one.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ibkr_async.models.base import Bool, Dec, Int, Model, Str
from ibkr_async.models.session import ServerInfo


class AccountProperties(Model, frozen=True, rename="camel"):
    """What one account supports."""

    has_child_accounts: Bool = None
    """Sub-accounts belong to it."""
    supports_cash_qty: Bool = None
    """Orders may state an amount of cash instead of a quantity."""
    lite_under_pro: Bool = None
    """A Lite account below a Pro one."""
    no_fx_conv: Bool = msgspec.field(default=None, name="noFXConv")
    """Currency conversion is not offered. The spelling `noFxConv` also exists; see `extra`."""
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
