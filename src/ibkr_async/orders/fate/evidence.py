"""What is known of the orders of one submission, and what that proves. Pure.

Responsible for the verdict. Whatever a look reads goes to the tracker as what it is; here it is only
judged. It must never take absence for proof: an order that is not there may still go live, so "not
found" is never a rejection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

from ibkr_async.orders.known.terms import unproven_terms
from ibkr_async.orders.send.dialogue import DEAD_STATUSES
from ibkr_async.types import OrderStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibkr_async.models.orders import OrderStatusReply, Ticket
    from ibkr_async.orders.fate.unknown import Submission
    from ibkr_async.orders.known.events import OrderState

Outcome = Literal["accepted", "rejected", "unknown"]


class Known(Protocol):
    """What the judge asks the order tracker."""

    def family(self, coids: Iterable[str], order_ids: Iterable[str]) -> Iterable[OrderState]:
        """Return the orders with one of these client order ids or numbers, and their children."""
        ...

    def ticket(self, order_id: str) -> Ticket | None:
        """Return the ticket that IBKR has last acknowledged of an order, if that is known."""
        ...


class Evidence:
    """The judge of one submission."""

    def __init__(self, submission: Submission, known: Known, named_ids: Iterable[str] = ()) -> None:
        """Judge by what is `known`; `named_ids` are numbers that IBKR has named in its answers."""
        self._submission = submission
        self._known = known
        self._named = tuple(named_ids)
        self._coids = {ticket.coid for ticket in submission.tickets if ticket.coid is not None} or {
            submission.coid
        }
        self.unproven: tuple[str, ...] | None = None
        """Terms of a modification that were not shown as asked for; None before an answer."""

    @property
    def orders(self) -> tuple[OrderState, ...]:
        """The orders of the submission of which IBKR has said anything."""
        named = self._named
        if self._submission.modifies is not None:
            named = (self._submission.modifies, *named)
        family = self._known.family(self._coids, named)
        return tuple(one for one in family if one.status is not None or one.filled)

    def take_terms(self, reply: OrderStatusReply) -> None:
        """Compare the terms of an order that was modified with those that were asked for."""
        modified, wanted = self._submission.modifies or "", self._submission.tickets[0]
        self.unproven = unproven_terms(reply, wanted, self._known.ticket(modified))

    def describe(self, order_ids: Iterable[str | None] | None = None) -> str:
        """Return in words how those of the orders stand that an answer has named, or all."""
        named = None if order_ids is None else set(order_ids)
        return ", ".join(
            _words(one) for one in self.orders if named is None or one.order_id in named
        )

    # --- asking ----------------------------------------------------------------------------------

    @property
    def ids_to_ask(self) -> tuple[str, ...]:
        """Order ids that are known to be ours and of which nothing is known."""
        if self._submission.modifies is not None:
            return tuple(dict.fromkeys((self._submission.modifies, *self._named)))
        return self._unseen()

    @property
    def live_order_ids(self) -> tuple[str, ...]:
        """Order ids that are live or filled, or were named and never seen since."""
        alive = (one.order_id for one in self.orders if not _is_dead(one))
        return tuple(dict.fromkeys((*self._unseen(), *alive)))

    @property
    def refusal(self) -> str:
        """What IBKR says of the orders that are dead."""
        dead = (one for one in self.orders if _is_dead(one))
        return "; ".join(_words(one) + (f" ({one.reason})" if one.reason else "") for one in dead)

    def outcome(self, *, is_last: bool) -> Outcome:
        """Return what is proven. At the last look an order that is only `Inactive` counts as taken."""
        if self._submission.modifies is not None:
            return self._outcome_of_modification()
        legs = self._legs()
        if legs is None:
            return "unknown"
        if any(_is_dead(leg) for leg in legs) and not any(leg.filled for leg in legs):
            return "rejected"
        if is_last or all(_has_moved(leg) for leg in legs):
            return "accepted"
        return "unknown"

    def _outcome_of_modification(self) -> Outcome:
        order = next((o for o in self.orders if o.order_id == self._submission.modifies), None)
        # Of one that is over there is nothing left of which the terms could be unknown.
        is_over = order is not None and order.status in {*DEAD_STATUSES, OrderStatus.FILLED}
        return "accepted" if is_over or self.unproven == () else "unknown"

    def _legs(self) -> list[OrderState] | None:
        """Return one order for each ticket; None when one is missing, or two are of one ticket."""
        seen = self.orders
        by_coid: list[OrderState] = []
        for coid in self._coids:
            matches = [one for one in seen if self._is_named(one, coid)]
            account_id = self._submission.account_id
            if len(matches) > 1:  # an id is unique in one account only
                matches = [one for one in matches if one.account_id == account_id] or matches
            if len(matches) != 1:
                return None
            by_coid += matches
        parents = {one.order_id for one in by_coid}
        children = [one for one in seen if one.parent_id in parents]
        tickets = self._submission.tickets
        count = sum(1 for ticket in tickets if ticket.parent_id is not None)
        if tickets and len(children) != count:
            return None
        return [*by_coid, *children]

    def _is_named(self, order: OrderState, coid: str) -> bool:
        """Tell whether an order carries this id; of a single one it need not be said."""
        is_only = len(self._submission.tickets) == 1
        return order.coid == coid or (
            is_only and order.coid is None and order.order_id in self._named
        )

    def _unseen(self) -> tuple[str, ...]:
        seen = {one.order_id for one in self.orders}
        return tuple(order_id for order_id in self._named if order_id not in seen)


def _is_dead(order: OrderState) -> bool:
    """Tell whether an order is neither live nor filled, not even in part."""
    return order.status in DEAD_STATUSES and not order.filled


def _has_moved(order: OrderState) -> bool:
    """Tell whether IBKR has said more than the first word that every new order gets."""
    return bool(order.filled) or order.status not in {None, OrderStatus.INACTIVE}


def _words(order: OrderState) -> str:
    return f"order {order.order_id} is {order.status or 'filled at least in part'}"
