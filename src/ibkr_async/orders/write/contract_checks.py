"""An order against the rules of its contract: tick size, whole units, what may be traded.

Responsible for what `ib.contracts.rules(conid)` says, when the user asks for it. It must never be
called on the way to IBKR by itself: IBKR's answer may lag behind what it really accepts.
"""

from __future__ import annotations

from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    Decimal,
    localcontext,
)
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ibkr_async.errors import OrderInvalidError
from ibkr_async.orders.write.groups import Bracket, Group, OcaGroup, replace_each
from ibkr_async.orders.write.rules import is_combo
from ibkr_async.orders.write.tickets import order_type_of
from ibkr_async.types import EXACT, OrderType, Side, to_decimal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ibkr_async.models.contract_rules import ContractRules
    from ibkr_async.orders.write.order_types import SingleOrder

Rounding = Literal["passive", "nearest"]

_WORDS: Final[Mapping[OrderType, str]] = MappingProxyType(
    {
        OrderType.MARKET: "market",
        OrderType.LIMIT: "limit",
        OrderType.STOP: "stop",
        OrderType.STOP_LIMIT: "stop_limit",
        OrderType.TRAIL: "trailing_stop",
        OrderType.TRAIL_LIMIT: "trailing_stop_limit",
        OrderType.MIDPRICE: "midprice",
        OrderType.MARKET_ON_CLOSE: "marketonclose",
        OrderType.LIMIT_ON_CLOSE: "limitonclose",
        OrderType.MARKET_IF_TOUCHED: "mit",
        OrderType.LIMIT_IF_TOUCHED: "lit",
        OrderType.RELATIVE: "relative",
    }
)
"""Kind of order -> IBKR's long word for it in the rules."""

_LIMITS: Final = ("price",)
_TRIGGERS: Final = ("stop_price", "trigger_price")


def check_against(order: SingleOrder | Bracket | OcaGroup, rules: ContractRules) -> None:
    """Hold an order, and every leg of a group, to the rules of its contract.

    A rule that IBKR's answer leaves out is not applied.
    Errors: `OrderInvalidError` that names the field and the rule, as in `take_profit.price`.
    """
    for prefix, leg in _legs(order):
        try:
            _check_kind(leg, rules)
            with localcontext(EXACT):
                _check_quantity(leg, rules)
                _check_prices(leg, rules)
        except OrderInvalidError as error:
            raise OrderInvalidError(prefix + error.field, error.rule) from None


def round_to(order: Group, rules: ContractRules, *, prices: Rounding = "passive") -> Group:
    """Return the order with every price on the contract's grid, and a whole quantity where needed.

    `passive` rounds limits away from the market (a buy's down, a sell's up) and triggers towards
    later (a buy stop's up, a sell stop's down); `nearest` rounds to the nearer step. Quantities are
    rounded down, and only where the contract takes whole units only.
    Errors: `OrderInvalidError` when the quantity would become zero.
    """
    with localcontext(EXACT):
        return replace_each(order, lambda leg: _rounded(leg, rules, prices))


def _legs(order: SingleOrder | Bracket | OcaGroup) -> Iterator[tuple[str, SingleOrder]]:
    if isinstance(order, OcaGroup):
        for index, leg in enumerate(order.orders):
            yield f"[{index}].", leg
    elif isinstance(order, Bracket):
        for name in ("entry", "take_profit", "stop_loss"):
            leg = getattr(order, name)
            if leg is not None:
                yield f"{name}.", leg
    else:
        yield "", order


# --- checking ------------------------------------------------------------------------------------


def _check_kind(order: SingleOrder, rules: ContractRules) -> None:
    word = _WORDS[order_type_of(order)]
    if rules.order_types and word not in rules.order_types:
        raise OrderInvalidError("order_type", f"the contract takes no {word} orders")
    if order.outside_rth and rules.order_types_outside and word not in rules.order_types_outside:
        raise OrderInvalidError("outside_rth", f"not for {word} orders of this contract")
    tifs = {tif.partition("/")[0] for tif in rules.tif_types or ()}
    if tifs and order.tif not in tifs:
        raise OrderInvalidError("tif", f"the contract takes {' '.join(sorted(tifs))}")
    if order.all_or_none and rules.all_or_none_eligible is False:
        raise OrderInvalidError("all_or_none", "the contract takes no all-or-none orders")
    if order.strategy and rules.algo_eligible is False:
        raise OrderInvalidError("strategy", "the contract takes no algorithms")


def _check_quantity(order: SingleOrder, rules: ContractRules) -> None:
    word = _WORDS[order_type_of(order)]
    if order.cash_quantity is not None and word not in (rules.cqt_types or (word,)):
        raise OrderInvalidError("cash_quantity", f"not for {word} orders of this contract")
    if order.quantity is None or not _needs_whole_units(order, rules):
        return
    if to_decimal(order.quantity) % 1:
        raise OrderInvalidError("quantity", f"must be whole for {word} orders of this contract")


def _needs_whole_units(order: SingleOrder, rules: ContractRules) -> bool:
    """Tell whether the rules name the orders that may be fractional, and this is none of them."""
    return rules.fraq_types is not None and _WORDS[order_type_of(order)] not in rules.fraq_types


def _check_prices(order: SingleOrder, rules: ContractRules) -> None:
    for name, price in _prices(order):
        if price <= 0 and rules.negative_capable is False and not is_combo(order.conid):
            raise OrderInvalidError(name, f"must be positive for this contract, not {price}")
        step = rules.increment_at(price)
        if step and price % step:
            rule = f"{price} is no multiple of the tick size {step}; round_to makes it one"
            raise OrderInvalidError(name, rule)


def _prices(order: SingleOrder) -> Iterator[tuple[str, Decimal]]:
    for name in (*_LIMITS, *_TRIGGERS):
        price = getattr(order, name, None)
        if price is not None:
            yield name, to_decimal(price)


# --- rounding ------------------------------------------------------------------------------------


def _rounded(order: SingleOrder, rules: ContractRules, prices: Rounding) -> SingleOrder:
    changes = {
        name: _on_grid(price, rules.increment_at(price), _direction(order, name, prices))
        for name, price in _prices(order)
    }
    if order.quantity is not None and _needs_whole_units(order, rules):
        whole = to_decimal(order.quantity).to_integral_value(ROUND_DOWN)
        changes["quantity"] = whole
    return msgspec.structs.replace(order, **changes)


def _direction(order: SingleOrder, name: str, prices: Rounding) -> str:
    if prices == "nearest":
        return ROUND_HALF_EVEN
    is_down = (order.side == Side.BUY) == (name in _LIMITS)
    if name == "trigger_price":
        # An if-touched order is elected from the other side than a stop.
        is_down = not is_down
    return ROUND_FLOOR if is_down else ROUND_CEILING


def _on_grid(price: Decimal, step: Decimal | None, rounding: str) -> Decimal:
    return price if not step else (price / step).to_integral_value(rounding) * step
