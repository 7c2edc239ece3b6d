"""Which order is which leg of what was sent.

Responsible for naming the legs of a submission. It must never claim to know which leg is which when
IBKR has not said it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol

import msgspec

from ibkr_async.types import ClientOrderId, OrderId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.models.orders import Ticket

Role = Literal["order", "entry", "exit", "leg"]
"""`order` when it is the only one; `leg` when IBKR has not told entry from exit."""

_ROLE_ORDER: Final = ("order", "entry", "exit", "leg")


class Named(Protocol):
    """What a row, or all that is known of an order, says about its place."""

    @property
    def order_id(self) -> OrderId:
        """IBKR's number of the order."""
        ...

    @property
    def coid(self) -> ClientOrderId | None:
        """Client order id, where it is said."""
        ...

    @property
    def parent_id(self) -> OrderId | None:
        """Number of the parent, where it is said."""
        ...


class LegName(msgspec.Struct, frozen=True):
    """The place of one order in a submission."""

    order_id: OrderId
    role: Role
    coid: ClientOrderId | None
    """Client order id, where IBKR says it or there is only one; exits have none."""


def name_legs(orders: Sequence[Named], tickets: Sequence[Ticket]) -> tuple[LegName, ...]:
    """Return what each order is, as far as IBKR has said it. `tickets` are empty if not known.

    Shape: the entry first; otherwise as they were handed in. IBKR was seen to put a child before its
    parent, so the place of a row says nothing.
    """
    coids = {ticket.coid for ticket in tickets if ticket.coid is not None}
    is_only = len(tickets or orders) == 1
    is_bracket = any(ticket.parent_id is not None for ticket in tickets)
    entry = _find_entry(orders, coids) if is_bracket else None
    legs: list[LegName] = []
    for one in orders:
        role: Role = "exit" if is_bracket and one.parent_id else "leg"
        coid = one.coid if one.coid in coids or not tickets else None
        if is_only or one is entry:
            role = "order" if is_only else "entry"
            coid = ClientOrderId(tickets[0].coid) if tickets and tickets[0].coid else coid
        legs.append(LegName(one.order_id, role, coid))
    return tuple(sorted(legs, key=lambda leg: _ROLE_ORDER.index(leg.role)))


def _find_entry(orders: Sequence[Named], coids: set[str]) -> Named | None:
    """Return the one order with our id, or the one that is no child while the others are."""
    parentless = [one for one in orders if not one.parent_id]
    named = [one for one in parentless if one.coid in coids]
    for candidates in (named, parentless):
        if len(candidates) == 1:
            return candidates[0]
    return None
