"""Orders become tickets: the exact rows that IBKR takes, each with account and client order id.

Responsible for the translation, and for the rules that join several fields or several tickets; a
`Ticket` written by hand passes the same checks. It sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from ibkr_async.errors import OrderInvalidError
from ibkr_async.models.orders import Ticket
from ibkr_async.orders.write.groups import Bracket, OcaGroup
from ibkr_async.orders.write.order_types import (
    LimitIfTouchedOrder,
    LimitOnCloseOrder,
    LimitOrder,
    MarketIfTouchedOrder,
    MarketOnCloseOrder,
    MarketOrder,
    MidpriceOrder,
    RelativeOrder,
    SingleOrder,
    StopLimitOrder,
    StopOrder,
    TrailingStopLimitOrder,
    TrailingStopOrder,
)
from ibkr_async.orders.write.rules import (
    read_amounts,
    read_coid,
    read_conid,
    read_contract,
    read_number,
    read_options,
    read_order_type,
    read_side,
    read_tif,
    read_trailing,
)
from ibkr_async.types import OrderType

Order: TypeAlias = SingleOrder | Bracket | OcaGroup
Submittable: TypeAlias = Order | Ticket | Sequence[Ticket]
"""What the desk takes: an order, a ticket written by hand, or the tickets of one group."""


def to_tickets(
    order: Submittable, account_id: str | None, make_coid: Callable[[], str]
) -> tuple[Ticket, ...]:
    """Turn an order into tickets that are complete: account and client order id are set.

    Shape: a bracket's entry comes first; its children carry `parent_id` and no own id. Without an
    account the tickets name none: an advisor's group is named in the path instead.
    Errors: `OrderInvalidError`.
    """
    drafts = check_tickets(draft_tickets(order))
    return tuple(
        msgspec.structs.replace(
            draft,
            account_id=_own_account(draft.account_id, account_id),
            coid=_own_coid(draft, make_coid),
        )
        for draft in _with_parent_coid(drafts, make_coid)
    )


def modification_ticket(order: Submittable, account_id: str) -> Ticket:
    """Turn an order's new terms into the one ticket that replaces the old.

    Shape: no client order id is made. A child of a bracket may go alone here, under its parent.
    Errors: `OrderInvalidError`.
    """
    drafts = draft_tickets(order)
    if len(drafts) != 1:
        raise OrderInvalidError("order", "orders are modified one by one")
    replace, parent = msgspec.structs.replace, drafts[0].parent_id
    (checked,) = check_tickets((replace(drafts[0], parent_id=None),))
    return replace(
        checked,
        account_id=_own_account(checked.account_id, account_id),
        parent_id=None if parent is None else read_coid("parent_id", parent),
    )


def draft_tickets(order: Any) -> tuple[Ticket, ...]:
    """Write an order as tickets that may still lack account and client order id.

    Shape: children of a bracket whose entry has no id yet have `parent_id=""`.
    Errors: `OrderInvalidError` for something that is no order.
    """
    if type(order) is Ticket:  # one of a subclass would bring fields that nobody checks
        return (order,)
    if isinstance(order, Bracket):
        entry, *exits = order.legs
        parent = entry.coid or ""
        children = (_draft(leg, parent_id=parent, account_id=entry.account_id) for leg in exits)
        return (_draft(entry), *children)
    if isinstance(order, OcaGroup):
        return tuple(_draft(each, is_single_group=True) for each in order.orders)
    if isinstance(order, SingleOrder):
        return (_draft(order),)
    if isinstance(order, Iterable) and not isinstance(order, str | bytes | Mapping):
        tickets = tuple(order)
        if tickets and all(type(ticket) is Ticket for ticket in tickets):
            return tickets
    raise OrderInvalidError("order", "must be an order, a Ticket, or a sequence of Tickets")


def check_tickets(tickets: Sequence[Ticket]) -> tuple[Ticket, ...]:
    """Check tickets one by one and as a group.

    Shape: the same tickets, with every number as `Decimal` and side and tif as IBKR spells them.
    Errors: `OrderInvalidError`; of several tickets it names the one, as in `[1].price`.
    """
    several = len(tickets) > 1
    checked = tuple(
        _checked(ticket, f"[{index}]." if several else "") for index, ticket in enumerate(tickets)
    )
    if not several:
        if checked[0].parent_id is not None:
            raise OrderInvalidError("parent_id", "a child goes out together with its parent")
    elif not all(ticket.is_single_group for ticket in checked):
        _check_family(*checked)
    return checked


def _check_family(parent: Ticket, *children: Ticket) -> None:
    for index, child in enumerate(children, start=1):
        if child.parent_id is None:
            rule = "several tickets go out only as a bracket, or all with is_single_group"
            raise OrderInvalidError(f"[{index}].parent_id", rule)
        if child.parent_id != (parent.coid or ""):
            raise OrderInvalidError(f"[{index}].parent_id", "must be the first ticket's coid")


def _draft(
    order: SingleOrder,
    parent_id: str | None = None,
    account_id: str | None = None,
    *,
    is_single_group: bool | None = None,
) -> Ticket:
    contract: dict[str, Any] = (
        {"conidex": order.conid if order.exchange is None else f"{order.conid}@{order.exchange}"}
        if isinstance(order.conid, str) or order.exchange is not None
        else {"conid": order.conid}
    )
    profile = order.allocation_profile
    return Ticket(
        **contract,
        **_pricing(order),
        **{name: getattr(order, name) for name in _SAME},
        account_id=order.account_id or account_id,
        parent_id=parent_id,
        is_single_group=is_single_group,
        json_payload=None if profile is None else {"allocation_profile": profile},
    )


_SAME: Final = tuple(
    name
    for name in MarketOrder.__struct_fields__
    if name in Ticket.__struct_fields__ and name not in {"conid", "account_id"}
)
"""Fields that order and ticket have in common, under one name."""


def order_type_of(order: SingleOrder) -> OrderType:
    """Name IBKR's type of an order."""
    return _kind(order)[0]


def _pricing(order: SingleOrder) -> dict[str, Any]:
    """Return the ticket fields that make this kind of order.

    STP, TRAIL and MIT carry what elects them in `price`; STOP_LIMIT, TRAILLMT and LIT have their
    limit there and what elects them in `auxPrice`.
    """
    order_type, fields = _kind(order)
    prices = {ticket_field: getattr(order, name) for ticket_field, name in fields.items()}
    return {"order_type": order_type, **prices}


_STOP: Final = {"price": "stop_price"}
_LIMIT: Final = {"price": "price"}
_STOP_AND_LIMIT: Final = {"price": "price", "aux_price": "stop_price"}
_TRAILING: Final = {"trailing_amount": "trailing_amount", "trailing_type": "trailing_type"}
_PRICING: Final[Mapping[type, tuple[OrderType, Mapping[str, str]]]] = {
    MarketOrder: (OrderType.MARKET, {}),
    LimitOrder: (OrderType.LIMIT, _LIMIT),
    StopOrder: (OrderType.STOP, _STOP),
    StopLimitOrder: (OrderType.STOP_LIMIT, _STOP_AND_LIMIT),
    TrailingStopOrder: (OrderType.TRAIL, _STOP | _TRAILING),
    TrailingStopLimitOrder: (OrderType.TRAIL_LIMIT, _STOP_AND_LIMIT | _TRAILING),
    MidpriceOrder: (OrderType.MIDPRICE, _LIMIT),
    MarketOnCloseOrder: (OrderType.MARKET_ON_CLOSE, {}),
    LimitOnCloseOrder: (OrderType.LIMIT_ON_CLOSE, _LIMIT),
    MarketIfTouchedOrder: (OrderType.MARKET_IF_TOUCHED, {"price": "trigger_price"}),
    LimitIfTouchedOrder: (
        OrderType.LIMIT_IF_TOUCHED,
        {"price": "price", "aux_price": "trigger_price"},
    ),
    RelativeOrder: (OrderType.RELATIVE, {"price": "price", "aux_price": "offset"}),
}
"""Kind of order -> IBKR's type, and which ticket field holds which of its prices."""


def _kind(order: SingleOrder) -> tuple[OrderType, Mapping[str, str]]:
    return next(_PRICING[base] for base in type(order).__mro__ if base in _PRICING)


def _with_parent_coid(drafts: Sequence[Ticket], make_coid: Callable[[], str]) -> tuple[Ticket, ...]:
    """Name the parent, and tell its children."""
    first, *rest = drafts
    if not any(ticket.parent_id is not None for ticket in rest):
        return tuple(drafts)
    coid = first.coid or make_coid()
    replace = msgspec.structs.replace
    return (replace(first, coid=coid), *(replace(ticket, parent_id=coid) for ticket in rest))


def _own_coid(ticket: Ticket, make_coid: Callable[[], str]) -> str | None:
    return ticket.coid if ticket.parent_id is not None else ticket.coid or make_coid()


def _own_account(wanted: str | None, account_id: str | None) -> str | None:
    if wanted is not None and wanted != account_id:
        called = account_id or "an advisor's group"
        raise OrderInvalidError("account_id", f"the order names {wanted}, the call {called}")
    return account_id


# --- rules of tickets ------------------------------------------------------------------------------

_NEEDS: Final = {
    OrderType.LIMIT: ("price",),
    OrderType.STOP: ("price",),
    OrderType.STOP_LIMIT: ("price", "aux_price"),
    OrderType.TRAIL: ("trailing_amount", "trailing_type"),
    OrderType.TRAIL_LIMIT: ("price", "aux_price", "trailing_amount", "trailing_type"),
    OrderType.LIMIT_ON_CLOSE: ("price",),
    OrderType.MARKET_IF_TOUCHED: ("price",),
    OrderType.LIMIT_IF_TOUCHED: ("price", "aux_price"),
}
_PRICELESS: Final = frozenset({OrderType.MARKET, OrderType.MARKET_ON_CLOSE})
_PRICES: Final = ("price", "aux_price")


def _checked(ticket: Ticket, prefix: str) -> Ticket:
    try:
        said = {"order_type": read_order_type(ticket.order_type), **_contract(ticket)}
        _check_needs(ticket, said["order_type"])
        _check_parent(ticket)
        return msgspec.structs.replace(
            ticket,
            side=read_side(ticket.side),
            tif=read_tif(ticket.tif),
            **said,
            **read_options(ticket),
            **_numbers(ticket),
        )
    except OrderInvalidError as error:
        raise OrderInvalidError(prefix + error.field, error.rule) from None


def _contract(ticket: Ticket) -> dict[str, Any]:
    if ticket.conid is not None and ticket.conidex is not None:
        raise OrderInvalidError("conidex", "conid would win over it and force SMART; give one")
    if ticket.conidex is not None:
        return {"conidex": str(read_contract(ticket.conidex))}
    if ticket.conid is not None:
        return {"conid": read_conid("conid", ticket.conid)}
    if ticket.sec_type is None:
        raise OrderInvalidError("conid", "is missing; give conid or conidex")
    return {}


def _check_parent(ticket: Ticket) -> None:
    if ticket.coid is not None and ticket.parent_id is not None:
        raise OrderInvalidError("coid", "children of a bracket carry no own coid")
    if ticket.parent_id:
        read_coid("parent_id", ticket.parent_id)


def _numbers(ticket: Ticket) -> dict[str, Any]:
    numbers: dict[str, Any] = read_amounts(ticket)
    for name in _PRICES:
        if (value := getattr(ticket, name)) is not None:
            numbers[name] = read_number(name, value)
    if ticket.trailing_amount is not None or ticket.trailing_type is not None:
        numbers |= read_trailing(ticket)
    return numbers


def _check_needs(ticket: Ticket, order_type: OrderType) -> None:
    for name in _NEEDS.get(order_type, ()):
        if getattr(ticket, name) is None:
            raise OrderInvalidError(name, f"an order of type {order_type} needs it")
    if order_type in _PRICELESS and ticket.price is not None:
        raise OrderInvalidError("price", "a market order has none")
