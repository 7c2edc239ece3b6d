"""Whether an order has the terms that a modification asked for, as far as IBKR's answer shows them. Pure.

Responsible for comparing every term, and for telling what is not shown from what is shown otherwise. It must never take a term for applied that the answer does not show:
only one that the modification did not change, by a ticket that IBKR had acknowledged before, needs no
proof. Without such a ticket every term that is not the default of a plain day order is taken for
changed. The side cannot change, and a price that is shown where a type has it shows the type.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ibkr_async.orders.known.observations import side_word, type_word

if TYPE_CHECKING:
    from ibkr_async.models.orders import OrderStatusReply, Ticket

_PRICES: Final[dict[str | None, dict[str, str]]] = {
    "MKT": {},
    "LMT": {"price": "limit_price"},
    "STP": {"price": "stop_price"},
    "STOP_LIMIT": {"price": "limit_price", "aux_price": "stop_price"},
}
"""Where the status answer shows the prices of an order, by its type; of others it does not."""
_SHOWN: Final = {
    "quantity": "total_quantity",
    "side": "side",
    "tif": "tif",
    "order_type": "order_type",
    "outside_rth": "outside_rth",
    "all_or_none": "all_or_none",
}
"""Where it shows the other terms; the last two only at times."""
_DEFAULTS: Final = {"tif": "DAY"}
_NO_TERMS: Final = frozenset(
    {
        # Which order it is, and who has entered it: a modification cannot change that.
        *("account_id", "conid", "conidex", "sec_type", "coid", "parent_id", "is_single_group"),
        *("listing_exchange", "ticker", "referrer", "customer_account", "is_professional"),
        *("manual_indicator", "ext_operator", "manual_order_time"),
    }
)


def differing_terms(reply: OrderStatusReply, wanted: Ticket) -> tuple[str, ...]:
    """Return the terms that an answer shows otherwise than they were asked for."""
    where = _SHOWN | _PRICES.get(type_word(wanted.order_type), {})
    return tuple(
        name
        for name, place in where.items()
        if (shown := getattr(reply, place)) is not None
        and _spelled(name, shown) != _spelled(name, getattr(wanted, name))
    )


def unproven_terms(
    reply: OrderStatusReply, wanted: Ticket, before: Ticket | None
) -> tuple[str, ...]:
    """Return the terms that an order may not have; empty when it is proven to have them all.

    `before` is the ticket that the order had, None when that is not known.
    """
    prices = _PRICES.get(type_word(wanted.order_type), {})
    where = _SHOWN | prices
    unproven: list[str] = []
    for name in wanted.__struct_fields__:
        if name in _NO_TERMS:
            continue
        asked = _spelled(name, getattr(wanted, name))
        shown = getattr(reply, where[name]) if name in where else None
        if shown is not None:
            is_proven = _spelled(name, shown) == asked
        else:
            had = _DEFAULTS.get(name, False)
            if before is not None:
                had = _spelled(name, getattr(before, name))
            elif name == "side" or (name == "order_type" and prices):
                had = asked
            is_proven = asked == had and name not in prices
        if not is_proven:
            unproven.append(name)
    return tuple(unproven)


def _spelled(name: str, value: Any) -> Any:
    """Return a term in the one spelling in which it is compared; what is not set is as if false."""
    if value is None:
        return False
    match name:
        case "side":
            return side_word(value)
        case "order_type":
            return type_word(value)
        case "tif":
            return str(value).upper()
        case _:
            return value
