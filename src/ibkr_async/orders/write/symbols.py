"""Symbols in orders: which contracts must be looked up before an order can become tickets. Pure.

Responsible for finding symbols in an order and putting conids in their place. It must never look
anything up, and never take a conidex for a symbol: those begin with a digit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ibkr_async.orders.write.groups import Bracket, OcaGroup, replace_each
from ibkr_async.orders.write.order_types import SingleOrder
from ibkr_async.orders.write.rules import is_symbol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibkr_async.orders.write.tickets import Submittable


def symbols_of(order: Submittable) -> tuple[str, ...]:
    """Return the symbols that stand for contracts in an order, each once."""
    if isinstance(order, OcaGroup):
        legs = order.orders
    elif isinstance(order, Bracket):
        legs = order.legs
    else:
        legs = (order,) if isinstance(order, SingleOrder) else ()
    return tuple(dict.fromkeys(str(leg.conid) for leg in legs if is_symbol(leg.conid)))


def with_conids(order: Submittable, conids: Mapping[str, int]) -> Submittable:
    """Return the order with a conid in place of each symbol."""
    if not isinstance(order, SingleOrder | Bracket | OcaGroup):
        return order

    def resolved(leg: SingleOrder) -> SingleOrder:
        if not is_symbol(leg.conid):
            return leg
        return msgspec.structs.replace(leg, conid=conids[str(leg.conid)])

    return replace_each(order, resolved)
