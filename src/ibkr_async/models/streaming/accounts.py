"""Payloads about an account's figures: `spl`, `ssd` and `sld`.

Responsible for their shapes only; `streaming` reads the frames. Cash is `Decimal`; values and
profits are measured, and floats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ibkr_async.models.base import Dec, Float, Int, Model, Str
from ibkr_async.models.portfolio import PnlRow, split_pnl_key

if TYPE_CHECKING:
    from ibkr_async.types import AccountId


class ProfitAndLoss(PnlRow, kw_only=True):
    """Profit and loss of one segment of an account; often only some figures. Topic `spl`."""

    key: str
    """Account and segment as sent, such as `U1234567.Core`."""

    @property
    def account_id(self) -> AccountId:
        """The account."""
        return split_pnl_key(self.key).account_id

    @property
    def segment(self) -> str:
        """`Core`, or the name of an advisor model; empty when the key names none."""
        return split_pnl_key(self.key).segment


class SummaryRow(Model, rename="camel"):
    """One figure of an account. Topic `ssd`."""

    key: Str = None
    """Name of the figure; `-S` at its end means securities, `-C` commodities."""
    currency: Str = None
    """Currency of `monetary_value`."""
    monetary_value: Dec = None
    """The figure as money, in `currency`."""
    value: Str = None
    """The figure as text, where it is not money."""
    severity: Int = None
    """IBKR's own code; 0 is normal."""
    timestamp: Int = None
    """When it was computed, Unix seconds."""

    @property
    def is_unchanged(self) -> bool:
        """True for a row that only says: as before."""
        return _names_only(self, {"key", "timestamp"})


class LedgerRow(Model, rename="camel"):
    """Cash and values of an account in one currency. Topic `sld`, every 10 seconds.

    Amounts are in the row's currency (`second_key`); the row `BASE` is the total.
    """

    key: Str = None
    """`LedgerList` and the currency, such as `LedgerListUSD`."""
    second_key: Str = None
    """Currency, or `BASE` for the total in the base currency."""
    acct_code: Str = None
    """Account id."""
    cash_balance: Dec = msgspec.field(default=None, name="cashbalance")
    """Cash."""
    cash_balance_fx_segment: Dec = msgspec.field(default=None, name="cashBalanceFXSegment")
    """Cash in the currency-trading segment."""
    settled_cash: Dec = None
    """Cash that has settled."""
    interest: Dec = None
    """Interest accrued."""
    dividends: Dec = None
    """Dividends accrued."""
    net_liquidation_value: Dec = None
    """Worth if everything were closed."""
    exchange_rate: Float = None
    """Base currency per unit of this currency."""
    unrealized_pnl: Float = None
    """Unrealised profit."""
    realized_pnl: Float = None
    """Realised profit."""
    market_value: Float = None
    """Market value of the positions."""
    stock_market_value: Float = None
    """Market value of stocks."""
    option_market_value: Float = None
    """Market value of options."""
    commodity_market_value: Float = None
    """Market value of commodities."""
    corporate_bonds_market_value: Float = None
    """Market value of corporate bonds."""
    t_bonds_market_value: Float = None
    """Market value of treasury bonds."""
    t_bills_market_value: Float = None
    """Market value of treasury bills."""
    warrants_market_value: Float = None
    """Market value of warrants."""
    issue_options_market_value: Float = None
    """Market value of issuer options."""
    money_funds: Float = None
    """Market value of money-market funds."""
    funds: Float = None
    """Market value of mutual funds."""
    severity: Int = None
    """IBKR's own code; 0 is normal."""
    timestamp: Int = None
    """When it was computed, Unix seconds."""

    @property
    def is_unchanged(self) -> bool:
        """True for a row that only says: as before."""
        return _names_only(self, {"key", "timestamp"})


def _names_only(row: Model, names: set[str]) -> bool:
    others = (name for name in row.__struct_fields__ if name not in names)
    return not row.extra and all(getattr(row, name) is None for name in others)
