"""What `submit` returns: an acknowledged order, what has become of it, and what can be done with it.

Responsible for reading the tracker on behalf of one submission. It must never keep a second truth:
what it says of an order is what the tracker says, or last said of one that it has forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from ibkr_async._arguments import checked
from ibkr_async.errors import ClosedError, IbkrError, UsageError
from ibkr_async.orders.known.legs import Role, name_legs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ibkr_async.models.orders import CancelReply, OrderStatusReply
    from ibkr_async.orders.fate.unknown import Submission
    from ibkr_async.orders.known.events import OrderState
    from ibkr_async.orders.known.news import OrderEvents, OrderNews
    from ibkr_async.orders.known.record import OrderRecord
    from ibkr_async.orders.write.policy import AnswersLike
    from ibkr_async.orders.write.tickets import Submittable
    from ibkr_async.types import ClientOrderId, OrderId

LINGER_S: Final = 10.0
"""How long to wait for fills and commissions that IBKR has not itemised when all is done."""


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
        answers: AnswersLike | None = None,
        account_id: str | None = None,
    ) -> OrderHandle:
        """Send one order's full ticket again."""
        ...


@checked
class Leg:
    """One order of a submission: the order itself, a bracket's entry or exit, one of a group."""

    def __init__(
        self,
        desk: OrderActions,
        news: OrderNews,
        record: OrderRecord,
        *,
        role: Role,
        coid: ClientOrderId | None,
        account_id: str,
    ) -> None:
        self.order_id = record.order_id
        """IBKR's number of the order."""
        self.role: Role = role
        """`order` when it is the only one; `leg` when IBKR has not told entry from exit."""
        self.coid = coid
        """Client order id, where IBKR names it or there is only one; exits have none."""
        self._desk = desk
        self._news = news
        self._record = record
        self._account_id = account_id

    def __repr__(self) -> str:
        return f"<Leg {_words(self.role, self.state)}>"

    @property
    def state(self) -> OrderState:
        """What is known of this order at this moment. Asks nothing."""
        return self._news.tracker.state_of(self._record)

    @property
    def is_done(self) -> bool:
        """Whether this order can trade no more."""
        return self._record.is_done

    async def status(self) -> OrderStatusReply:
        """Ask IBKR how this order stands.

        Errors: as `OrderDesk.status`.
        """
        return await self._desk.status(self.order_id)

    async def done(self, *, linger_s: float = LINGER_S) -> OrderState:
        """Wait until this order can trade no more, whatever the others do; as `OrderHandle.done`."""
        await _wait_for_end(self._news, (self._record,), linger_s)
        return self.state

    async def modify(
        self, order: Submittable, *, answers: AnswersLike | None = None
    ) -> OrderHandle:
        """Change this order to what `order` says, all of it; as `OrderHandle.modify`."""
        return await self._desk.modify(
            self.order_id, order, answers=answers, account_id=self._account_id
        )

    async def cancel(self) -> CancelReply:
        """Ask IBKR to cancel this order; it may still fill until IBKR says `Cancelled`.

        Errors: as `OrderDesk.cancel`.
        """
        return await self._desk.cancel(self.order_id, self._account_id)


@checked
class OrderHandle:
    """An acknowledged order: `live = await ib.orders.submit(...)`.

    Acknowledged is not working: look at `state`, follow `events()`, or wait for `done()`. All of them
    are about the whole of what was submitted, a bracket with its exits; `legs` are its single orders.
    """

    def __init__(
        self, desk: OrderActions, news: OrderNews, submission: Submission, order_ids: Iterable[str]
    ) -> None:
        self.coid = submission.coid
        """Client order id, `order_ref` in IBKR's answers."""
        self.account_id = submission.account_id
        """Account that it is for, or an advisor's group."""
        self.tickets = submission.tickets
        """What was sent."""
        self._news = news
        found = (news.tracker.record(order_id) for order_id in order_ids)
        records = {one.order_id: one for one in found if one is not None}
        self._records = tuple(records.values())
        states = [news.tracker.state_of(record) for record in self._records]
        self.legs = tuple(
            Leg(
                desk,
                news,
                records[name.order_id],
                role=name.role,
                coid=name.coid,
                account_id=submission.account_id,
            )
            for name in name_legs(states, submission.tickets)
        )
        """The single orders; the entry first where it is known. None after a dry run."""

    def __repr__(self) -> str:
        words = "; ".join(_words(leg.role, leg.state) for leg in self.legs)
        return f"<OrderHandle {self.coid}: {words or 'nothing was placed'}>"

    # --- looking ---------------------------------------------------------------------------------

    @property
    def order_id(self) -> OrderId:
        """IBKR's number of the order, of a bracket's entry, else of the first.

        Errors: `UsageError` after a dry run, which places nothing.
        """
        return self._first.order_id

    @property
    def state(self) -> OrderState:
        """What is known of the order at this moment, with its other legs in `legs`. Asks nothing.

        It `is_done` when they all are; everything else is said of the order, or the entry, itself.
        """
        first, others = self._first, self.legs[1:]
        if not others:
            return first.state
        return msgspec.structs.replace(first.state, legs=tuple(leg.state for leg in others))

    @property
    def is_done(self) -> bool:
        """Whether none of its orders can trade any more; the same as `state.is_done`."""
        return all(leg.is_done for leg in self.legs)

    async def status(self) -> OrderStatusReply:
        """Ask IBKR how the order, or the entry, stands.

        Errors: as `OrderDesk.status`.
        """
        return await self._first.status()

    # --- following -------------------------------------------------------------------------------

    async def done(self, *, linger_s: float = LINGER_S) -> OrderState:
        """Wait until none of its orders can trade or change any more.

        Shape: the final `state`. An `Inactive` order is not done: it can come back. IBKR counts fills
        before it itemises them: those are waited for, until nothing has come for `linger_s`; then
        `is_itemised` is false. Commissions may come later; `events()` waits for them.
        Errors: `ClosedError` when the client is closed before; `UsageError` after a dry run.
        Cancellation: safe; it does not touch the order. Put `asyncio.timeout` around it for a limit.
        """
        _ = self._first
        await _wait_for_end(self._news, self._records, linger_s)
        return self.state

    def events(self, *, linger_s: float = LINGER_S) -> OrderEvents:
        """Follow the order and all its legs: `async for event in live.events():`.

        Shape: everything since the order was sent, each fill once. It ends when every leg is done,
        every fill itemised and every commission known, or when `linger_s` seconds after the last
        leg is done nothing more has come; and when the client is closed. While something may have
        been missed, it goes on.
        Errors: `SlowConsumerError` when 10,000 events were not read.
        """
        tracker, records = self._news.tracker, self._records

        def none_is_in_doubt() -> bool:
            return not any(map(tracker.is_in_doubt, records))

        return self._news.listen(
            [record.order_id for record in records],
            is_over=lambda: all(one.is_settled for one in records) and none_is_in_doubt(),
            is_nearly_over=lambda: all(one.is_done for one in records) and none_is_in_doubt(),
            linger_s=linger_s,
        )

    # --- acting ----------------------------------------------------------------------------------

    async def modify(
        self, order: Submittable, *, answers: AnswersLike | None = None
    ) -> OrderHandle:
        """Change the order, or the entry, to what `order` says, all of it.

        IBKR takes no partial change: give the complete order with the new values. A `Replaced` event
        follows. An exit is changed by its own `modify`, see `legs`.
        Shape: a handle of the one order; this one goes on being good.
        Errors, cancellation and side effects: as `OrderDesk.modify`.
        """
        return await self._first.modify(order, answers=answers)

    async def cancel(self) -> tuple[CancelReply, ...]:
        """Ask IBKR to cancel the order; the order may still fill until IBKR says `Cancelled`.

        Shape: one reply per cancellation that was asked. Of a bracket the entry is cancelled, and
        IBKR cancels the exits of an unfilled entry with it; once the entry is done, each exit is
        cancelled. Where IBKR did not say which leg is the entry, each leg is cancelled. Legs that
        are done are left out; when all are, the order is asked for all the same.
        Errors: as `OrderDesk.cancel`; with several legs all are tried before the first error is
        raised.
        """
        replies: list[CancelReply] = []
        errors: list[IbkrError] = []
        for leg in self._legs_to_cancel():
            try:
                replies.append(await leg.cancel())
            except IbkrError as error:
                errors.append(error)
        if errors:
            raise errors[0]
        return tuple(replies)

    def _legs_to_cancel(self) -> tuple[Leg, ...]:
        first = self._first
        if first.role != "leg" and not first.is_done:
            return (first,)
        return tuple(leg for leg in self.legs if not leg.is_done) or (first,)

    @property
    def _first(self) -> Leg:
        if not self.legs:
            raise UsageError(f"{self.coid}: nothing was placed, so there is no order")
        return self.legs[0]


async def _wait_for_end(news: OrderNews, records: Sequence[OrderRecord], linger_s: float) -> None:
    """Wait until the orders are done and their fills itemised, or the fills do not come.

    Errors: `ClosedError` when the client is closed before they are done.
    """

    def are_done() -> bool:
        return all(record.is_done for record in records)

    async with news.listen(
        [record.order_id for record in records],
        is_over=lambda: are_done() and all(record.is_itemised for record in records),
        is_nearly_over=are_done,
        linger_s=linger_s,
    ) as events:
        async for _ in events:
            pass
    if not are_done():
        raise ClosedError("order", "the client was closed; the order may still be working")


def _words(role: Role, state: OrderState) -> str:
    """Return how an order stands in a few words, of what is known: `entry 7 BUY 10 AAPL Filled`."""
    known = (role, state.order_id, state.side, state.quantity, state.symbol, state.status)
    words = " ".join(str(one) for one in known if one is not None)
    filled = f", filled {state.filled}" if state.filled else ""
    return f"{words}{filled}{', in doubt' if state.in_doubt else ''}"
