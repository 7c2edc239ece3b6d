"""What became of each submission, told to everybody who keeps it: memory, journal, tracker, gate.

Responsible for these never disagreeing. It must never send anything, or decide an outcome.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async.errors import OrderQuestionError, OrderRejectedError, OrderUnknownError
from ibkr_async.orders.fate.unknown import UnknownOrder, UnknownOrders

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ibkr_async.errors import IbkrError
    from ibkr_async.models.order_answers import PlaceAnswer
    from ibkr_async.orders.fate.journal import Journal
    from ibkr_async.orders.fate.unknown import Submission
    from ibkr_async.orders.known.tracker import OrderTracker
    from ibkr_async.world import World


class Outcomes:
    """One method per thing that can become of a submission. None of them waits but `intend`."""

    def __init__(self, tracker: OrderTracker, journal: Journal | None, world: World) -> None:
        self.unknown = UnknownOrders()
        self._tracker = tracker
        self._journal = journal
        self._now = world.clock.wall

    async def intend(self, submission: Submission) -> None:
        """Note what is about to be sent; only then may it leave.

        Errors: as `Journal.intend`; nothing may be sent then.
        """
        if self._journal is not None:
            await self._journal.intend(submission)
        if submission.modifies is None:
            self._tracker.submitted(submission.tickets, submission.coid, submission.account_id)
        else:
            self._tracker.modifying(submission.modifies)

    def adopted(self, submission: Submission, detail: str, order_ids: Sequence[str]) -> None:
        """An earlier run left it open."""
        if submission.modifies is None:
            self._tracker.submitted(submission.tickets, submission.coid, submission.account_id)
        self.unclear(submission, detail, order_ids)

    def is_earlier(self, submission: Submission, order_id: str) -> bool:
        """Tell whether an order was known before this submission was sent."""
        return self._tracker.is_earlier(order_id, submission.coid)

    def rows(self, submission: Submission, rows: Sequence[PlaceAnswer]) -> None:
        """Note what IBKR answered, whatever comes next."""
        if submission.modifies is None:
            self._tracker.acknowledged(submission.coid, rows, self._now())

    def confirming(self, submission: Submission, message_ids: Sequence[str]) -> None:
        """Note that a yes is about to be sent."""
        self.note("confirm", submission, message_ids=message_ids)

    def accepted(self, submission: Submission, order_ids: Sequence[str | None]) -> None:
        """IBKR has the order, with every leg, or the new terms of it."""
        self.unknown.forget(submission.coid)
        self.note("accepted", submission, order_ids=order_ids)
        if submission.modifies is None:
            self._tracker.identified(submission.coid, order_ids, self._now())
        else:
            self._tracker.replaced(submission.modifies, submission.tickets[0], self._now())

    def failed(self, submission: Submission, error: IbkrError) -> None:
        """It ended with this error."""
        if isinstance(error, OrderUnknownError):
            self.unclear(
                submission,
                error.detail,
                error.live_order_ids,
                error.looked_at,
                coid_reused=error.coid_reused,
            )
            return
        event = "not_sent"
        if isinstance(error, OrderRejectedError | OrderQuestionError):
            event = "rejected" if isinstance(error, OrderRejectedError) else "refused"
            if submission.modifies is None and not error.live_order_ids:
                self._tracker.rejected(submission.coid, error.detail, self._now())
        ids = getattr(error, "live_order_ids", ())
        self.not_placed(submission, event, str(error), ids)

    def not_placed(
        self, submission: Submission, event: str, detail: str, order_ids: Sequence[str] = ()
    ) -> None:
        """It is known that it was not placed, but for the legs named; `event` says how it ended."""
        self.unknown.forget(submission.coid)
        self.note(event, submission, detail=detail, order_ids=order_ids)

    def unclear(
        self,
        submission: Submission,
        detail: str,
        order_ids: Sequence[str] = (),
        looked_at: Sequence[str] = (),
        *,
        coid_reused: bool = False,
    ) -> None:
        """Nobody knows. From here on the gate of its account is closed.

        With `coid_reused` the journal has it as rejected and the tracker forgets its tickets: the
        earlier order must not be taken for this one, nor shown with its terms.
        """
        if coid_reused:
            self._tracker.withdrawn(submission.coid)
        self.unknown.remember(
            UnknownOrder(
                submission=submission,
                detail=detail,
                live_order_ids=tuple(order_ids),
                looked_at=tuple(looked_at),
                coid_reused=coid_reused,
            )
        )
        if submission.modifies is not None and looked_at:
            self._tracker.unsure(submission.modifies)
        event = "rejected" if coid_reused else "unknown"
        self.note(event, submission, detail=detail, order_ids=order_ids, looked_at=looked_at)

    def dismissed(self, coid: str) -> None:
        """The user has found out."""
        forgotten = self.unknown.forget(coid)
        if forgotten is not None:
            self.note("dismissed", forgotten.submission)

    def cancelling(self, order_id: str, account_id: str) -> None:
        """A cancellation is about to be asked for."""
        if self._journal is not None:
            self._journal.note("cancel", "", account_id, order_id=order_id)

    def note(self, event: str, submission: Submission, **detail: Any) -> None:
        """Write to the journal, if there is one."""
        if self._journal is not None:
            self._journal.note(event, submission.coid, submission.account_id, **detail)
