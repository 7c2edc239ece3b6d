"""What an order for a contract may look like: order types, times in force, price grid.

Responsible for the shape of IBKR's answer and for finding the tick size at a price. It must never
round a price: that is the caller's decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibkr_async.models.base import Bool, Dec, Float, Int, Model, Str
from ibkr_async.types import DecimalLike, to_decimal

if TYPE_CHECKING:
    from decimal import Decimal


class IncrementRule(Model, frozen=True, rename="camel"):
    """One step of a price grid: from `lower_edge` upwards prices move by `increment`."""

    lower_edge: Dec = None
    """Lowest price to which the step applies."""
    increment: Dec = None
    """Smallest price move, in the contract's currency."""


def increment_at(rules: tuple[IncrementRule, ...] | None, price: DecimalLike) -> Decimal | None:
    """Find the smallest price move at `price`: that of the highest edge not above it.

    Shape: None when no rule applies. Negative prices use the rule of their absolute value.
    """
    level = to_decimal(price).copy_abs()
    best: tuple[Decimal, Decimal] | None = None
    for rule in rules or ():
        if rule.lower_edge is None or rule.increment is None or rule.lower_edge > level:
            continue
        if best is None or rule.lower_edge >= best[0]:
            best = (rule.lower_edge, rule.increment)
    return best[1] if best else None


class ContractRules(Model, frozen=True, rename="camel"):
    """What an order for a contract may look like.

    Source: `POST /iserver/contract/rules`, and `rules` of `/iserver/contract/{conid}/info-and-rules`.
    """

    algo_eligible: Bool = None
    """IBKR's algorithms may be used."""
    overnight_eligible: Bool = None
    """It trades in the overnight session."""
    all_or_none_eligible: Bool = None
    """Orders may be all-or-none."""
    cost_report: Bool = None
    """A cost report can be had."""
    can_trade_acct_ids: tuple[str, ...] | None = None
    """Accounts that may trade it."""
    error: Str = None
    """Why it cannot be traded now; None when it can."""
    order_types: tuple[str, ...] | None = None
    """Order types in IBKR's long words, such as `limit` and `trailing_stop`."""
    order_types_outside: tuple[str, ...] | None = None
    """Order types allowed outside regular trading hours."""
    ib_algo_types: tuple[str, ...] | None = None
    """Order types that an algorithm may use."""
    fraq_types: tuple[str, ...] | None = None
    """Order types allowed with fractional quantities."""
    cqt_types: tuple[str, ...] | None = None
    """Order types allowed with a quantity of cash."""
    tif_types: tuple[str, ...] | None = None
    """Times in force, each with a slash and what it combines with, such as `DAY/o,a`."""
    tif_defaults: dict[str, Any] | None = None
    """Defaults of IBKR's own ticket."""
    order_defaults: dict[str, Any] | None = None
    """Default prices of IBKR's own ticket, by order type."""
    order_origination: Str = None
    """IBKR's own setting; usually null."""
    mod_types: tuple[str, ...] | None = None
    """Order types into which an order can be changed."""
    default_size: Dec = None
    """Quantity that IBKR's own ticket starts with."""
    display_size: Dec = None
    """Displayed part of an iceberg order."""
    cash_size: Dec = None
    """Amount that IBKR's own ticket starts with, in `cash_ccy`."""
    cash_ccy: Str = None
    """Currency of quantities of cash."""
    cash_qty_incr: Dec = None
    """Step of quantities of cash, in `cash_ccy`."""
    size_increment: Dec = None
    """Step of quantities in IBKR's own ticket."""
    fraq_int: Int = None
    """Digits that a fractional quantity may have."""
    limit_price: Float = None
    """Price that IBKR's own ticket would start with."""
    stopprice: Float = None
    """Stop price that IBKR's own ticket would start with."""
    preview: Bool = None
    """A what-if preview can be had."""
    force_order_preview: Bool = None
    """A preview is required before an order."""
    price_magnifier: Dec = None
    """Divisor between displayed and real prices; None for 1."""
    negative_capable: Bool = None
    """Prices may be negative."""
    has_secondary: Bool = None
    """A secondary market exists."""
    increment: Dec = None
    """Smallest price move at the present price, in the contract's currency."""
    increment_digits: Int = None
    """Digits after the point of `increment`."""
    increment_type: Int = None
    """How `increment` is to be read, IBKR's own code."""
    increment_rules: tuple[IncrementRule, ...] | None = None
    """The whole price grid."""

    def increment_at(self, price: DecimalLike) -> Decimal | None:
        """Find the smallest price move at `price`, from the grid or else from `increment`."""
        found = increment_at(self.increment_rules, price)
        return self.increment if found is None else found
