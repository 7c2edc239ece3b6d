"""What `submit` returns: an acknowledged order, what has become of it, and what can be done with it.

Responsible for reading the tracker on behalf of one submission. It must never keep a second truth:
what it says of an order is what the tracker says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ibkr_async.errors import ClosedError, IbkrError, UsageError
from ibkr_async.orders.known.events import OrderState
from ibkr_async.orders.known.legs import Leg, Role, name_legs
from ibkr_async.orders.known.news import OrderNews

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.models.orders import CancelReply, OrderStatusReply, Ticket
    from ibkr_async.orders.known.news import OrderEvents
    from ibkr_async.orders.write.policy import Answers
    from ibkr_async.orders.write.tickets import Submittable
    from ibkr_async.types import AccountId, ClientOrderId, OrderId

__all__ = ["Leg", "OrderActions", "OrderHandle", "Role", "name_legs"]

LINGER_S = 10.0
"""How long `events` waits for fills and commissions that IBKR has not itemised when all is done."""


class OrderActions(Protocol):
    """What a handle needs of the desk."""

    async def cancel(self, order_id: str, account_id: str | None = None) -> CancelReply:
        """Ask IBKR to cancel one order."""
        ...

    async def status(self, order_id: str) -> OrderStatusReply:
        """Read one order."""
        ...

    async def modify(
        self,
        order_id: str,
        order: Submittable,
        *,
        answers: Answers | None = None,
        account_id: str | None = None,
    ) -> OrderHandle:
        """Send one order's full ticket again."""
        ...


class OrderHandle:
    """An acknowledged order: `live = await ib.orders.submit(...)`.

    Acknowledged is not working: look at `state`, follow `events()`, or wait for `done()`.
    """

    def __init__(
        self,
        desk: OrderActions,
        *,
        coid: ClientOrderId,
        account_id: AccountId,
        tickets: Sequence[Ticket],
        legs: Sequence[Leg],
        news: OrderNews | None = None,
    ) -> None:
        self._desk = desk
        self._news = OrderNews() if news is None else news
        self.coid = coid
        """Client order id, `order_ref` in IBKR's answers."""
        self.account_id = account_id
        self.tickets = tuple(tickets)
        """What was sent."""
        self.legs = tuple(legs)
        """What was acknowledged; the entry first where it is known."""

    def __repr__(self) -> str:
        legs = ", ".join(f"{leg.role} {leg.order_id} {leg.status}" for leg in self.legs)
        return f"<OrderHandle {self.coid}: {legs}>"

    # --- looking ---------------------------------------------------------------------------------

    @property
    def order_id(self) -> OrderId:
        """IBKR's number of the order, of a bracket's entry, else of the first row.

        Errors: `UsageError` after a dry run, which places nothing.
        """
        return self._first.order_id

    @property
    def status_word(self) -> str | None:
        """Status that the order, or the entry, was acknowledged with."""
        return self._first.status

    @property
    def state(self) -> OrderState:
        """What is known of the order, or the entry, at this moment. Asks nothing."""
        return self.state_of(self.order_id)

    @property
    def states(self) -> tuple[OrderState, ...]:
        """What is known of each leg, in the order of `legs`."""
        return tuple(self.state_of(leg.order_id) for leg in self.legs)

    def state_of(self, order_id: str) -> OrderState:
        """Give what is known of one leg.

        Errors: `UsageError` for an order that is not one of `legs`.
        """
        leg = self._leg(order_id)
        known = self._news.tracker.state(leg.order_id)
        if known is not None:
            return known
        return OrderState(
            order_id=leg.order_id, coid=leg.coid, account_id=self.account_id, status=leg.status
        )

    async def status(self, order_id: str | None = None) -> OrderStatusReply:
        """Ask IBKR how the order, or the named leg, stands.

        Errors: as `OrderDesk.status`.
        """
        return await self._desk.status(order_id or self.order_id)

    # --- following -------------------------------------------------------------------------------

    async def done(self, order_id: str | None = None) -> OrderState:
        """Wait until the order can neither trade nor change any more: `Filled` or `Cancelled`.

        Shape: the final state of the order, or the entry. All legs are waited for, or with
        `order_id` that leg alone, whose state is then returned. An `Inactive` order is not done: it
        can come back. Commissions may come later; `events()` waits for them.
        Errors: `ClosedError` when the client is closed before; `UsageError` after a dry run.
        Cancellation: safe; it does not touch the order. Put `asyncio.timeout` around it for a limit.
        """
        first = self._leg(order_id or self.order_id).order_id
        ids = [first] if order_id else [leg.order_id for leg in self.legs]

        def is_done() -> bool:
            return all(self.state_of(one).is_done for one in ids)

        async with self._news.listen(ids, is_over=is_done) as events:
            async for _ in events:
                if is_done():
                    break
        if not is_done():
            raise ClosedError("order", "the client was closed; the order may still be working")
        return self.state_of(first)

    def events(self, *, linger_s: float = LINGER_S) -> OrderEvents:
        """Follow the order and all its legs: `async for event in live.events():`.

        Shape: everything since the order was sent, each fill once. It ends when every leg is done,
        every fill itemised and every commission known, or when `linger_s` seconds after the last
        leg is done nothing more has come; and when the client is closed. While something may have
        been missed, it goes on.
        Errors: `SlowConsumerError` when 10,000 events were not read.
        """
        return self._news.listen(
            [leg.order_id for leg in self.legs],
            is_over=lambda: all(state.is_settled and not state.in_doubt for state in self.states),
            is_nearly_over=lambda: all(s.is_done and not s.in_doubt for s in self.states),
            linger_s=linger_s,
        )

    # --- acting ----------------------------------------------------------------------------------

    async def modify(
        self,
        order: Submittable,
        *,
        answers: Answers | None = None,
        order_id: str | None = None,
    ) -> OrderHandle:
        """Change the order, the entry, or the named leg, to what `order` says, all of it.

        IBKR takes no partial change: give the complete order with the new values. A `Replaced` event
        follows.
        Shape: a handle of the one order; this one goes on being good.
        Errors, cancellation and side effects: as `OrderDesk.modify`.
        """
        leg = self._leg(order_id or self.order_id)
        return await self._desk.modify(
            leg.order_id, order, answers=answers, account_id=self.account_id
        )

    async def cancel(self) -> tuple[CancelReply, ...]:
        """Ask IBKR to cancel the order; the order may still fill until IBKR says `Cancelled`.

        Shape: one reply per cancellation that was asked. Of a bracket the entry is cancelled, and
        IBKR cancels the exits of an unfilled entry with it; once the entry is done, each exit is
        cancelled. Where IBKR's rows did not say which leg is the entry, each leg is cancelled. Legs
        that are done are left out; when all are, the order is asked for all the same.
        Errors: as `OrderDesk.cancel`; with several legs all are tried before the first error is
        raised.
        """
        replies: list[CancelReply] = []
        errors: list[IbkrError] = []
        for leg in self._legs_to_cancel():
            try:
                replies.append(await self._desk.cancel(leg.order_id, self.account_id))
            except IbkrError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return tuple(replies)

    def _legs_to_cancel(self) -> tuple[Leg, ...]:
        first = self._first
        if first.role != "leg" and not self.state_of(first.order_id).is_done:
            return (first,)
        working = tuple(leg for leg in self.legs if not self.state_of(leg.order_id).is_done)
        return working or (first,)

    @property
    def _first(self) -> Leg:
        if not self.legs:
            raise UsageError(f"{self.coid}: nothing was placed, so there is no order")
        return self.legs[0]

    def _leg(self, order_id: str) -> Leg:
        for leg in self.legs:
            if leg.order_id == order_id:
                return leg
        raise UsageError(f"{order_id!r} is not an order of {self!r}")
