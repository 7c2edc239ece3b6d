"""What a look for an order has shown so far, and what that proves. Pure.

Responsible for the verdict. It must never take absence for proof: an order that is not there may
still go live, so "not found" is never a rejection.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from ibkr_async.models.order_answers import OrderAccepted
from ibkr_async.orders.send.dialogue import DEAD_STATUSES
from ibkr_async.types import OrderStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibkr_async.models.orders import LiveOrder, OrderStatusReply, Ticket, Trade
    from ibkr_async.orders.fate.unknown import Submission
    from ibkr_async.orders.known.events import OrderState

Outcome = Literal["accepted", "rejected", "unknown"]

_LIMIT_TYPES: Final = frozenset({"LMT"})
_STOP_TYPES: Final = frozenset({"STP"})


class Sighting(msgspec.Struct):
    """One order as far as the look has shown it."""

    order_id: str
    coid: str | None = None
    parent_id: str | None = None
    status: str | None = None
    filled: Decimal = Decimal(0)
    reason: str | None = None

    @property
    def is_dead(self) -> bool:
        """Neither live nor filled, not even in part."""
        return self.status in DEAD_STATUSES and not self.filled

    @property
    def is_settled(self) -> bool:
        """IBKR has said more of it than the first word that every new order gets."""
        return bool(self.filled) or self.status not in {None, OrderStatus.INACTIVE}

    def __str__(self) -> str:
        return f"order {self.order_id} is {self.status or 'filled at least in part'}"


class Evidence:
    """Everything that was seen of one submission."""

    def __init__(self, submission: Submission, named_ids: Iterable[str] = ()) -> None:
        self._submission = submission
        self.coids = {ticket.coid for ticket in submission.tickets if ticket.coid is not None} or {
            submission.coid
        }
        """What the orders are searched by."""
        self._named = tuple(named_ids)
        """Order ids that IBKR named in its answers."""
        self._seen: dict[str, Sighting] = {}
        self._terms_match = False

    # --- taking it in ----------------------------------------------------------------------------

    def take_live_rows(self, rows: Iterable[LiveOrder]) -> str:
        """Take rows of the live orders; say which are ours."""
        ours = self._family(rows)
        for row in ours:
            self._see(
                str(row.order_id),
                coid=row.order_ref,
                parent_id=row.parent_id,
                status=row.status,
                filled=row.filled_quantity,
                reason=row.cancellation_reason,
            )
        return self._list(str(row.order_id) for row in ours)

    def take_states(self, states: Iterable[OrderState]) -> str:
        """Take what the tracker knows; say which are ours."""
        mine = [state for state in states if state.status is not None or state.filled]
        for state in mine:
            self._see(
                state.order_id,
                coid=state.coid,
                parent_id=state.parent_id,
                status=state.status,
                filled=state.filled,
                reason=state.reason,
            )
        return self._list(state.order_id for state in mine)

    def take_trades(self, trades: Iterable[Trade]) -> str:
        """Take executions; say which orders of ours they filled."""
        mine = [trade for trade in trades if trade.order_ref in self.coids and trade.order_id]
        for trade in mine:
            self._see(str(trade.order_id), coid=trade.order_ref, filled=trade.size)
        return self._list(dict.fromkeys(str(trade.order_id) for trade in mine))

    def take_status(self, reply: OrderStatusReply, order_id: str) -> str:
        """Take the status of an order that is known to be ours."""
        is_only = len(self._submission.tickets) == 1
        self._see(
            order_id,
            coid=self._submission.coid if is_only else None,
            status=reply.order_status,
            filled=reply.filled_quantity,
        )
        if self._submission.modifies is not None:
            self._terms_match = _has_terms(reply, self._submission.tickets[0])
        return self._list([order_id])

    # --- asking ----------------------------------------------------------------------------------

    @property
    def ids_to_ask(self) -> tuple[str, ...]:
        """Order ids that are known to be ours and of which nothing was seen."""
        known = self._named
        if self._submission.modifies is not None:
            return tuple(dict.fromkeys((self._submission.modifies, *known)))
        return tuple(order_id for order_id in known if order_id not in self._seen)

    @property
    def live_order_ids(self) -> tuple[str, ...]:
        """Order ids that are live or filled, or were named and never seen since."""
        alive = (sighting.order_id for sighting in self._seen.values() if not sighting.is_dead)
        unseen = (order_id for order_id in self._named if order_id not in self._seen)
        return tuple(dict.fromkeys((*unseen, *alive)))

    @property
    def rows(self) -> tuple[OrderAccepted, ...]:
        """The orders in the form in which IBKR acknowledges them."""
        return tuple(
            OrderAccepted(
                order_id=sighting.order_id,
                order_status=sighting.status,
                local_order_id=sighting.coid,
                parent_order_id=sighting.parent_id,
            )
            for sighting in self._seen.values()
        )

    @property
    def refusal(self) -> str:
        """What IBKR says of the orders that are dead."""
        dead = (sighting for sighting in self._seen.values() if sighting.is_dead)
        return "; ".join(f"{one}" + (f" ({one.reason})" if one.reason else "") for one in dead)

    def outcome(self, *, is_last: bool) -> Outcome:
        """Say what is proven. At the last look an order that is only `Inactive` counts as taken."""
        if self._submission.modifies is not None:
            return self._outcome_of_modification()
        legs = self._legs()
        if legs is None:
            return "unknown"
        if any(leg.is_dead for leg in legs) and not any(leg.filled for leg in legs):
            return "rejected"
        if is_last or all(leg.is_settled for leg in legs):
            return "accepted"
        return "unknown"

    def _outcome_of_modification(self) -> Outcome:
        order = self._seen.get(str(self._submission.modifies))
        if order is None:
            return "unknown"
        if order.status in {*DEAD_STATUSES, OrderStatus.FILLED}:
            # It is over: there is nothing left of which the terms could be unknown.
            return "accepted"
        return "accepted" if self._terms_match else "unknown"

    def _legs(self) -> list[Sighting] | None:
        """Give one sighting for each ticket; None when one is missing, or two are of one ticket."""
        by_coid: list[Sighting] = []
        for coid in self.coids:
            matches = [one for one in self._seen.values() if one.coid == coid]
            if len(matches) != 1:
                return None
            by_coid += matches
        parents = {one.order_id for one in by_coid}
        children = [one for one in self._seen.values() if one.parent_id in parents]
        tickets = self._submission.tickets
        count = sum(1 for ticket in tickets if ticket.parent_id is not None)
        if tickets and len(children) != count:
            return None
        return [*by_coid, *children]

    def _family(self, rows: Iterable[LiveOrder]) -> list[LiveOrder]:
        """Give the rows with our ids, those that IBKR named, and the children of all these."""
        with_id = [row for row in rows if row.order_id]
        mine = {
            str(row.order_id)
            for row in with_id
            if row.order_ref in self.coids or str(row.order_id) in self._named
        }
        return [row for row in with_id if str(row.order_id) in mine or row.parent_id in mine]

    def _see(self, order_id: str, *, filled: Decimal | None = None, **facts: str | None) -> None:
        sighting = self._seen.setdefault(order_id, Sighting(order_id))
        sighting.filled = max(sighting.filled, filled or Decimal(0))
        for name, value in facts.items():
            if value:
                setattr(sighting, name, value)

    def _list(self, order_ids: Iterable[str]) -> str:
        return ", ".join(str(self._seen[order_id]) for order_id in order_ids)


def _has_terms(reply: OrderStatusReply, ticket: Ticket) -> bool:
    """Tell whether an order has the terms of a ticket, as far as IBKR's answer can show it."""
    if ticket.quantity is None or reply.total_quantity != ticket.quantity:
        return False
    if ticket.order_type in _LIMIT_TYPES:
        return reply.limit_price == ticket.price
    if ticket.order_type in _STOP_TYPES:
        return reply.stop_price == ticket.price
    return False
