"""Which acknowledged row is which leg of what was sent.

Responsible for naming the legs of an order. It must never claim to know which leg is which when
IBKR's rows do not say it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ibkr_async.types import ClientOrderId, OrderId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.models.order_answers import OrderAccepted
    from ibkr_async.models.orders import Ticket

Role = Literal["order", "entry", "exit", "leg"]


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """One acknowledged order of a submission."""

    order_id: OrderId
    """IBKR's number of the order."""
    role: Role
    """`order` when it is the only one; `leg` when IBKR's row does not tell entry from exit."""
    status: str | None
    """Status word of the acknowledgement; `Inactive` may be how a reject looks."""
    coid: ClientOrderId | None = None
    """Client order id, where the row names it or there is only one; exits have none."""


_ROLE_ORDER: Final = ("order", "entry", "exit", "leg")


def name_legs(rows: Sequence[OrderAccepted], tickets: Sequence[Ticket]) -> tuple[Leg, ...]:
    """Say of each acknowledged row what it is, as far as the row itself says it.

    Shape: the entry first; otherwise in the order of the wire. IBKR was seen to put a child before
    its parent, so the place of a row says nothing.
    """
    is_only = len(tickets) == 1
    coids = {ticket.coid for ticket in tickets if ticket.coid is not None}
    is_bracket = any(ticket.parent_id is not None for ticket in tickets)
    entry = _find_entry(rows, coids) if is_bracket else None
    legs = []
    for row in rows:
        is_exit = is_bracket and bool(row.parent_order_id)
        legs.append(
            Leg(
                order_id=OrderId(str(row.order_id)),
                role="order"
                if is_only
                else "entry"
                if row is entry
                else "exit"
                if is_exit
                else "leg",
                status=row.order_status,
                coid=_coid(row, tickets[0], coids, is_first=is_only or row is entry),
            )
        )
    return tuple(sorted(legs, key=lambda leg: _ROLE_ORDER.index(leg.role)))


def _find_entry(rows: Sequence[OrderAccepted], coids: set[str]) -> OrderAccepted | None:
    """Give the one row that names our id, or the one that is no child while the others are."""
    named = [row for row in rows if row.local_order_id in coids and not row.parent_order_id]
    parentless = [row for row in rows if not row.parent_order_id]
    for candidates in (named, parentless):
        if len(candidates) == 1:
            return candidates[0]
    return None


def _coid(
    row: OrderAccepted, first: Ticket, coids: set[str], *, is_first: bool
) -> ClientOrderId | None:
    coid = first.coid if is_first else row.local_order_id
    return ClientOrderId(coid) if coid is not None and coid in coids else None
