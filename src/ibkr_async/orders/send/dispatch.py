"""The one place from which orders leave: one at a time, past gate, journal and permission.

Responsible for the turn of each submission, and for driving its dialogue. It never sends an order,
a reply or a modification twice, and never answers a question with yes on its own.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from ibkr_async.errors import IbkrError, OrderUnknownError, UnreadableResponseError, UsageError
from ibkr_async.models.order_answers import OrderQuestion, PromptQuestion
from ibkr_async.orders.fate.failures import nothing_was_sent
from ibkr_async.orders.fate.unknown import warn_unknown
from ibkr_async.orders.send.dialogue import (
    Acknowledged,
    AskUser,
    Failed,
    SendReply,
    SendTickets,
)
from ibkr_async.orders.send.identity import foreign
from ibkr_async.orders.send.stake import Stake, previewed, stakes_of
from ibkr_async.orders.write.policy import Verdict
from ibkr_async.ports import Departure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ibkr_async.models.order_answers import PlaceAnswer
    from ibkr_async.models.orders import WhatIf
    from ibkr_async.orders.fate.outcomes import Outcomes
    from ibkr_async.orders.fate.unknown import Submission
    from ibkr_async.orders.send.dialogue import SubmitDialogue
    from ibkr_async.orders.send.gate import SubmissionGate
    from ibkr_async.orders.send.permission import Permission
    from ibkr_async.resources.orders import OrderEndpoints
    from ibkr_async.world import World


_log: Final = logging.getLogger("ibkr_async.orders")
_OK: Final = 200
_MOST_ASKED: Final = 1_000
"""Ids of questions that are remembered."""


class _UnderWay:
    """A submission from its turn on."""

    def __init__(
        self,
        submission: Submission,
        dialogue: SubmitDialogue,
        previews: Sequence[WhatIf | None] | None,
    ) -> None:
        self.submission = submission
        self.dialogue = dialogue
        self.previews = previews
        """IBKR's of its tickets, where their value is limited."""
        self.departure: Departure | None = None
        """Of the request that is under way, or was the last."""

    @property
    def stakes(self) -> tuple[Stake, ...]:
        """What its tickets put at stake, as they are at this moment."""
        return stakes_of(self.submission.tickets, self.previews)

    @property
    def has_left(self) -> bool:
        """Tell whether the request that is under way, or was the last, may have left."""
        return self.departure is not None and self.departure.may_have_left

    @property
    def is_unsent(self) -> bool:
        """Tell whether nothing of it has left this machine."""
        return isinstance(self.dialogue.step, SendTickets) and not self.has_left


class Dispatch:
    """Sends what trades, under the order lock of one session."""

    def __init__(
        self,
        endpoints: OrderEndpoints,
        *,
        gate: SubmissionGate,
        permission: Permission,
        outcomes: Outcomes,
        on_abandoned: Callable[[str], None],
        ask_timeout_s: float,
        world: World,
    ) -> None:
        self._endpoints = endpoints
        self._gate = gate
        self._permission = permission
        self._outcomes = outcomes
        self._on_abandoned = on_abandoned
        self._ask_timeout_s = ask_timeout_s
        self._clock = world.clock
        self._lock = anyio.Lock()
        self._questions: dict[str, _UnderWay] = {}
        """By reply ids that `place` and `reply` brought. The next placing makes them invalid."""
        self._asked: dict[str, None] = {}
        """Ids of the questions that came, the latest last: IBKR asks none twice."""
        self._prompts: dict[str, _UnderWay] = {}
        """By ids of the orders about which IBKR wants a choice."""

    async def submit(self, submission: Submission, dialogue: SubmitDialogue) -> None:
        """Drive a dialogue to its end. What came out is in `dialogue.step`, and noted.

        Errors: `OrderGuardError` and `OrderInvalidError` of the turn; nothing was sent then.
        """
        self.refuse_nested_call()
        async with self._lock:
            order = await self._take_turn(submission, dialogue)
            with self._remembering(order):
                while not isinstance(dialogue.step, Acknowledged | Failed):
                    await self._take_step(order)
            self._settle(dialogue, submission)

    async def place(
        self, submission: Submission, dialogue: SubmitDialogue
    ) -> tuple[PlaceAnswer, ...]:
        """Send the tickets, once, and stop there.

        Shape: no rows when there was no answer; the failure is in `dialogue.step` then.
        """
        self.refuse_nested_call()
        async with self._lock:
            order = await self._take_turn(submission, dialogue)
            with self._remembering(order):
                try:
                    rows = await self._send(order)
                except IbkrError as error:
                    dialogue.failed(error, has_left=order.has_left)
                    self._settle(dialogue, submission)
                    return ()
            self._keep_rows(rows, order)
        return rows

    async def reply(self, reply_id: str, *, confirmed: bool) -> tuple[PlaceAnswer, ...]:
        """Answer a question that `place` brought, once."""
        self.refuse_nested_call()
        async with self._lock:
            order = self._questions.get(reply_id)
            permit = self._permit_answer(f"of reply {reply_id}", order, confirmed=confirmed)
            permit()  # also before the dialogue goes on: what is refused now can be answered later
            permit.stayed()
            if order is None:
                return await self._reply_to_stranger(reply_id, confirmed=confirmed, permit=permit)
            return await self._reply_to_own(reply_id, order, confirmed=confirmed, permit=permit)

    async def answer_prompt(self, prompt: PromptQuestion, option: str) -> str:
        """Choose an option of a prompt, once."""
        self.refuse_nested_call()
        order_id, req_id = str(prompt.order_id), str(prompt.req_id)
        async with self._lock:
            permit = self._permit_answer(
                f"{order_id} of prompt {req_id}", self._prompts.get(order_id), confirmed=True
            )
            words = await self._endpoints.answer_prompt(order_id, req_id, option, permit=permit)
            self._prompts.pop(order_id, None)
            return words

    async def preview(self, submission: Submission) -> WhatIf:
        """Ask what an order would cost. It waits its turn: IBKR drops open questions for it."""
        self.refuse_nested_call()
        async with self._lock:
            return await self._endpoints.what_if(submission.account_id, submission.tickets[:1])

    def refuse_nested_call(self) -> None:
        """Name the mistake of a callback that would wait for itself.

        Errors: `UsageError`.
        """
        if self._lock.statistics().owner == anyio.get_current_task():
            raise UsageError("an answers callback must not place or confirm orders itself")

    # --- one turn --------------------------------------------------------------------------------

    async def _take_turn(self, submission: Submission, dialogue: SubmitDialogue) -> _UnderWay:
        """Pass the gate, find out the value where that is limited, put the intent on the disk."""
        self._gate.check(submission.account_id, submission.coid)
        previews = await self._previews(submission) if self._permission.limits_value else None
        self._questions.clear()
        await self._outcomes.intend(submission)
        return _UnderWay(submission, dialogue, previews)

    async def _previews(self, submission: Submission) -> list[WhatIf | None]:
        """Ask IBKR what the tickets are worth, as far as one does not follow from another."""
        return [
            None
            if ticket is None
            else await self._endpoints.what_if(
                submission.account_id, (ticket,), urgent=submission.urgent
            )
            for ticket in previewed(submission.tickets)
        ]

    async def _take_step(self, order: _UnderWay) -> None:
        submission, dialogue = order.submission, order.dialogue
        step = dialogue.step
        if isinstance(step, AskUser):
            dialogue.decide(await self._ask(step))
            return
        if isinstance(step, SendReply) and step.confirmed:
            self._outcomes.confirming(submission, step.question.message_ids)
        try:
            rows = await self._send(order)
        except IbkrError as error:
            dialogue.failed(error, has_left=order.has_left)
        else:
            self._take_rows(rows, order)

    async def _send(self, order: _UnderWay) -> tuple[PlaceAnswer, ...]:
        """Send what the dialogue asks for."""
        submission, step = order.submission, order.dialogue.step
        account_id, tickets = submission.account_id, submission.tickets
        urgent = submission.urgent
        if isinstance(step, SendReply):
            permit = self._permit_answer(submission.coid, order, confirmed=step.confirmed)
            order.departure = permit
            rows = await self._endpoints.reply(
                step.question.reply_id, confirmed=step.confirmed, permit=permit, urgent=urgent
            )
            return self._own(rows, order)
        permit = order.departure = Departure(partial(self._check, order, is_new=True))
        if submission.modifies is not None:
            rows = await self._endpoints.modify(
                account_id, submission.modifies, tickets[0], permit=permit, urgent=urgent
            )
        else:
            rows = await self._endpoints.place(account_id, tickets, permit=permit, urgent=urgent)
        return self._own(rows, order)

    def _own(self, rows: tuple[PlaceAnswer, ...], order: _UnderWay) -> tuple[PlaceAnswer, ...]:
        """Return an answer that is about this order.

        Errors: `UnreadableResponseError` for any other; it was logged then.
        """
        submission = order.submission
        words = foreign(
            rows,
            submission,
            is_earlier=partial(self._outcomes.is_earlier, submission),
            asked=self._asked,
        )
        if words:
            _log.warning("order %s: an answer is not believed: %s", submission.coid, words)
            raise UnreadableResponseError(f"order {submission.coid}", _OK, words)
        self._asked.update((row.id, None) for row in rows if isinstance(row, OrderQuestion))
        while len(self._asked) > _MOST_ASKED:
            self._asked.pop(next(iter(self._asked)))
        return rows

    def _permit_answer(self, what: str, order: _UnderWay | None, *, confirmed: bool) -> Departure:
        """Return what is asked before an answer leaves; None stands for an order of somebody else."""
        if not confirmed:
            return Departure(partial(self._permission.check_change, what))
        if order is None:
            return Departure(partial(self._permission.check, what, None, None, is_new=False))
        return Departure(partial(self._check, order, is_new=False))

    def _check(self, order: _UnderWay, *, is_new: bool) -> None:
        submission = order.submission
        self._permission.check(submission.coid, submission.account_id, order.stakes, is_new=is_new)

    async def _ask(self, step: AskUser) -> Verdict:
        """Let the user's callback decide.

        The lock stays held meanwhile: letting another order out would make the reply id invalid, and
        the order's outcome unknown. So the time is limited instead.
        """
        limit, began = self._ask_timeout_s, self._clock.monotonic()
        verdict = None
        with _own_cancellation(), anyio.move_on_after(limit) as scope:
            try:
                answer = await step.callback(step.question)
            except Exception as error:  # noqa: BLE001 - a callback may raise anything; that is a no
                reason = f"the callback raised {type(error).__name__}"
                verdict = Verdict(accept=False, reason=reason, cause=error)
            else:
                reason = "the callback did not return True"
                verdict = Verdict(accept=answer is True, reason=reason)
        # Whatever a callback says that has swallowed its cancellation, or blocked the loop: too late is no.
        is_late = scope.cancel_called or self._clock.monotonic() - began >= limit
        if verdict is None or (is_late and verdict.accept):
            return Verdict(accept=False, reason=f"the callback did not decide within {limit:g} s")
        return verdict

    # --- not forgetting --------------------------------------------------------------------------

    @contextmanager
    def _remembering(self, order: _UnderWay) -> Iterator[None]:
        """Keep the order when the body is cancelled, or ends by a defect, halfway."""
        try:
            yield
        except BaseException:
            self._give_up(order)
            raise

    def _give_up(self, order: _UnderWay) -> None:
        submission, dialogue = order.submission, order.dialogue
        if order.is_unsent:
            self._outcomes.not_placed(submission, "not_sent", "given up before it was sent")
            return
        detail = dialogue.situation
        warn_unknown(submission.coid, detail)
        self._outcomes.unclear(submission, detail, dialogue.live_order_ids)
        self._on_abandoned(submission.coid)

    # --- single steps ----------------------------------------------------------------------------

    async def _reply_to_stranger(
        self, reply_id: str, *, confirmed: bool, permit: Departure
    ) -> tuple[PlaceAnswer, ...]:
        """Answer a question about an order that this desk did not place."""
        coid = f"of reply {reply_id}"
        try:
            return await self._endpoints.reply(reply_id, confirmed=confirmed, permit=permit)
        except IbkrError as error:
            if not confirmed or nothing_was_sent(error, has_left=permit.may_have_left):
                raise
            detail = f"yes to reply id {reply_id}: {error.without_advice}"
            raise OrderUnknownError(coid, detail) from error
        except BaseException:
            if confirmed and permit.may_have_left:
                warn_unknown(coid, f"given up while yes to reply id {reply_id} was being sent")
            raise

    async def _reply_to_own(
        self, reply_id: str, order: _UnderWay, *, confirmed: bool, permit: Departure
    ) -> tuple[PlaceAnswer, ...]:
        """Answer a question, and take the dialogue on by what comes back."""
        submission, dialogue = order.submission, order.dialogue
        order.departure = permit
        _decide(dialogue, reply_id, confirmed=confirmed)
        if confirmed:
            self._outcomes.confirming(submission, (reply_id,))
        try:
            rows = self._own(
                await self._endpoints.reply(
                    reply_id, confirmed=confirmed, permit=permit, urgent=submission.urgent
                ),
                order,
            )
        except IbkrError as error:
            if nothing_was_sent(error, has_left=permit.may_have_left):
                raise  # the question is still open, and may be answered again
            self._questions.pop(reply_id)
            dialogue.failed(error)
            self._settle(dialogue, submission)
            if confirmed and isinstance(dialogue.step, Failed):
                raise dialogue.step.error from error
            raise
        except BaseException:
            if permit.may_have_left:  # else the question is still open
                self._questions.pop(reply_id)
                if confirmed:
                    self._give_up(order)
            raise
        self._questions.pop(reply_id)
        self._keep_rows(rows, order)
        return rows

    def _keep_rows(self, rows: tuple[PlaceAnswer, ...], order: _UnderWay) -> None:
        """Take an answer, whose questions are for the caller to answer."""
        self._take_rows(rows, order)
        self._questions.update((row.id, order) for row in rows if isinstance(row, OrderQuestion))
        self._settle(order.dialogue, order.submission)

    def _take_rows(self, rows: tuple[PlaceAnswer, ...], order: _UnderWay) -> None:
        self._outcomes.rows(order.submission, rows)
        order.dialogue.receive(rows)
        for row in rows:
            if isinstance(row, PromptQuestion) and row.order_id:
                self._prompts[row.order_id] = order

    def _settle(self, dialogue: SubmitDialogue, submission: Submission) -> None:
        """Note the outcome, once there is one."""
        step = dialogue.step
        if isinstance(step, Acknowledged):
            self._outcomes.accepted(submission, [row.order_id for row in step.rows])
        elif isinstance(step, Failed):
            self._outcomes.failed(submission, step.error)


@contextmanager
def _own_cancellation() -> Iterator[None]:
    """Let no callback of the user swallow the cancellation of the one who submits."""
    task = asyncio.current_task()
    before = 0 if task is None else task.cancelling()
    yield
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError


def _decide(dialogue: SubmitDialogue, reply_id: str, *, confirmed: bool) -> None:
    """Take the caller's decision on one question into its dialogue.

    Errors: `UsageError` when another question has to be answered first, or only a no is left.
    """
    step = dialogue.step
    if not isinstance(step, AskUser | SendReply) or step.question.reply_id != reply_id:
        raise UsageError(f"reply {reply_id} is not the question that is to be answered next")
    if isinstance(step, AskUser):
        dialogue.decide(Verdict(accept=confirmed, reason="the caller said no"))
    elif step.confirmed != confirmed:
        raise UsageError(f"reply {reply_id} can only be answered with confirmed={step.confirmed}")
