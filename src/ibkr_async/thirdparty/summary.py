"""The answer of `GET /accounts/{account}/summary`, typed.

Responsible for its three parts. The reference refers to an example that is not public; the keys
are those of the public Swagger description, and whatever else comes is in `extra`. It must never
demand a key.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ibkr_async.models.base import Dec, Model, Str, convert, is_object

_SEGMENTS: Final = {"-S": "Securities", "-C": "Commodities"}


class ThirdPartyAccount(Model, rename="pascal"):
    """The part `Info`: texts about the account."""

    account_code: Str = None
    """Account id."""
    account_ready: Str = None
    """`true` when the figures are complete."""
    account_type: Str = None
    """Such as `INDIVIDUAL`."""
    cushion: Str = None
    """Excess liquidity as a fraction of net liquidation value."""
    day_trades_remaining: Str = None
    """Day trades left today; -1 for no limit."""
    day_trades_remaining_1: Str = msgspec.field(default=None, name="DayTradesRemainingT+1")
    """The same for the next trading day."""
    day_trades_remaining_2: Str = msgspec.field(default=None, name="DayTradesRemainingT+2")
    """The same two trading days ahead."""
    day_trades_remaining_3: Str = msgspec.field(default=None, name="DayTradesRemainingT+3")
    """The same three trading days ahead."""
    day_trades_remaining_4: Str = msgspec.field(default=None, name="DayTradesRemainingT+4")
    """The same four trading days ahead."""
    highest_severity: Str = None
    """How urgent the margin situation is."""
    leverage_securities: Str = msgspec.field(default=None, name="Leverage-S")
    """Leverage of the securities segment."""
    look_ahead_next_change: Str = None
    """When the look-ahead figures change next."""
    segment_title_commodities: Str = msgspec.field(default=None, name="SegmentTitle-C")
    """Name of the commodities segment."""
    segment_title_securities: Str = msgspec.field(default=None, name="SegmentTitle-S")
    """Name of the securities segment."""
    trading_type_securities: Str = msgspec.field(default=None, name="TradingType-S")
    """Such as `STKNOPT`."""
    what_if_pm_enabled: Str = msgspec.field(default=None, name="WhatIfPMEnabled")
    """Whether portfolio margin can be previewed."""


class CurrencyLedger(Model, rename="pascal"):
    """One row of the part `Ledger`: the balances in one currency."""

    currency: Str = None
    """Currency; `BASE` is everything in the base currency."""
    cash_balance: Dec = None
    """Cash."""
    cash_balance_fx_segment: Dec = msgspec.field(default=None, name="CashBalanceFXSegment")
    """Cash of the currency segment."""
    cash_cum_qty: Dec = None
    """Cumulated cash quantity."""
    exchange_rate: Dec = None
    """To the base currency."""
    future_option_market_value: Dec = None
    """Value of options on futures."""
    future_pnl: Dec = msgspec.field(default=None, name="FuturePNL")
    """Profit of futures."""
    net_dividend: Dec = None
    """Dividends."""
    net_interest: Dec = None
    """Interest."""
    net_liquidation: Dec = None
    """Worth if everything were closed."""
    option_market_value: Dec = None
    """Value of options."""
    realized_pnl: Dec = msgspec.field(default=None, name="RealizedPNL")
    """Profit taken."""
    stock_market_value: Dec = None
    """Value of stocks."""
    total_cash_balance: Dec = None
    """Cash with profit of futures."""
    unrealized_pnl: Dec = msgspec.field(default=None, name="UnrealizedPNL")
    """Profit not taken."""


class Balances(Model, rename="pascal"):
    """Figures of the whole account or of one segment, in the base currency."""

    accrued_cash: Dec = None
    """Interest and dividends not paid yet."""
    available_funds: Dec = None
    """Free for new positions."""
    buying_power: Dec = None
    """What could be bought."""
    equity_with_loan_value: Dec = None
    """Basis of the initial margin check."""
    excess_liquidity: Dec = None
    """Margin cushion before liquidation."""
    full_init_margin_req: Dec = None
    """Initial margin without intraday discounts."""
    full_maint_margin_req: Dec = None
    """Maintenance margin without intraday discounts."""
    gross_position_value: Dec = None
    """Sum of the absolute values of positions."""
    init_margin_req: Dec = None
    """Initial margin."""
    look_ahead_available_funds: Dec = None
    """Available funds at the next margin change."""
    look_ahead_excess_liquidity: Dec = None
    """Excess liquidity at the next margin change."""
    look_ahead_init_margin_req: Dec = None
    """Initial margin at the next margin change."""
    look_ahead_maint_margin_req: Dec = None
    """Maintenance margin at the next margin change."""
    maint_margin_req: Dec = None
    """Maintenance margin."""
    net_liquidation: Dec = None
    """Worth if everything were closed."""
    reg_t_equity: Dec = None
    """Equity under Regulation T."""
    reg_t_margin: Dec = None
    """Margin under Regulation T."""
    sma: Dec = msgspec.field(default=None, name="SMA")
    """Special memorandum account."""
    total_cash_value: Dec = None
    """Cash with profit of futures."""


class ThirdPartyAccountSummary(Model, rename="pascal"):
    """Balances and margins of an account."""

    info: ThirdPartyAccount = msgspec.field(default_factory=ThirdPartyAccount)
    """Texts about the account."""
    ledger: list[CurrencyLedger] = msgspec.field(default_factory=list[CurrencyLedger])
    """One row per currency."""
    summary: Balances = msgspec.field(default_factory=Balances)
    """Figures of the whole account."""
    securities: Balances = msgspec.field(default_factory=Balances)
    """Figures of the securities segment: the keys with suffix `-S`."""
    commodities: Balances = msgspec.field(default_factory=Balances)
    """Figures of the commodities segment: the keys with suffix `-C`."""


def read_summary(wire: Any) -> ThirdPartyAccountSummary:
    """Read a summary, with the figures of the two segments apart.

    Errors: `msgspec.ValidationError` when it is not an object of the three parts.
    """
    if is_object(wire) and is_object(wire.get("Summary")):
        wire = {**wire, **_by_segment(wire["Summary"])}
    summary: ThirdPartyAccountSummary = convert(ThirdPartyAccountSummary, wire)
    return summary


def _by_segment(figures: Any) -> dict[str, dict[str, Any]]:
    parts: dict[str, dict[str, Any]] = {"Summary": {}, "Securities": {}, "Commodities": {}}
    for key, value in figures.items():
        segment = _SEGMENTS.get(key[-2:])
        parts[segment or "Summary"][key[:-2] if segment else key] = value
    return parts
