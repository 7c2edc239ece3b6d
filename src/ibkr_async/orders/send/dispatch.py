"""The one place from which orders leave: one at a time, past gate, guard and journal.

Responsible for the turn of each submission, and for driving its dialogue. It never sends an order,
a reply or a modification twice, and never answers a question with yes on its own.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

from ibkr_async.errors import IbkrError, OrderGuardError, OrderUnknownError, UsageError
from ibkr_async.models.order_answers import OrderQuestion
from ibkr_async.orders.fate.unknown import warn_unknown
from ibkr_async.orders.send.dialogue import (
    Acknowledged,
    AskUser,
    Failed,
    SendReply,
    nothing_was_sent,
)
from ibkr_async.orders.write.policy import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ibkr_async.models.order_answers import PlaceAnswer, PromptQuestion
    from ibkr_async.models.orders import WhatIf
    from ibkr_async.orders.fate.outcomes import Outcomes
    from ibkr_async.orders.fate.unknown import Submission
    from ibkr_async.orders.send.dialogue import SubmitDialogue
    from ibkr_async.orders.send.gate import SubmissionGate
    from ibkr_async.orders.send.guard import OrderGuard
    from ibkr_async.resources.orders import OrderEndpoints


class Dispatch:
    """Sends what trades, under the order lock of one session."""

    def __init__(
        self,
        endpoints: OrderEndpoints,
        *,
        gate: SubmissionGate,
        guard: OrderGuard,
        outcomes: Outcomes,
        on_abandoned: Callable[[str], None],
        clock: Callable[[], float],
        ask_timeout_s: float,
    ) -> None:
        self._endpoints = endpoints
        self._gate = gate
        self._guard = guard
        self._outcomes = outcomes
        self._on_abandoned = on_abandoned
        self._clock = clock
        self._ask_timeout_s = ask_timeout_s
        self._lock = anyio.Lock()
        self._questions: dict[str, tuple[Submission, SubmitDialogue]] = {}
        """Reply ids that `place` and `reply` brought. The next placing makes them invalid."""

    async def submit(self, submission: Submission, dialogue: SubmitDialogue) -> None:
        """Drive a dialogue to its end. What came out is in `dialogue.step`, and noted.

        Errors: `OrderGuardError` and `OrderInvalidError` of the turn; nothing was sent then.
        """
        self.refuse_nested_call()
        async with self._lock:
            await self._take_turn(submission)
            with self._remembering(submission, dialogue):
                while not isinstance(dialogue.step, Acknowledged | Failed):
                    await self._take_step(dialogue, submission)
            self._settle(dialogue, submission)

    async def place(
        self, submission: Submission, dialogue: SubmitDialogue
    ) -> tuple[PlaceAnswer, ...]:
        """Send the tickets, once, and stop there.

        Shape: no rows when there was no answer; the failure is in `dialogue.step` then.
        """
        self.refuse_nested_call()
        async with self._lock:
            await self._take_turn(submission)
            with self._remembering(submission, dialogue):
                try:
                    rows = await self._endpoints.place(submission.account_id, submission.tickets)
                except IbkrError as error:
                    dialogue.failed(error)
                    self._settle(dialogue, submission)
                    return ()
            self._keep_rows(rows, dialogue, submission)
        return rows

    async def reply(self, reply_id: str, *, confirmed: bool) -> tuple[PlaceAnswer, ...]:
        """Answer a question that `place` brought, once."""
        self.refuse_nested_call()
        async with self._lock:
            placed = self._questions.get(reply_id)
            if confirmed:
                self._check_yes(reply_id, placed)
            if placed is None:
                return await self._reply_to_stranger(reply_id, confirmed=confirmed)
            return await self._reply_to_own(reply_id, *placed, confirmed=confirmed)

    async def answer_prompt(self, prompt: PromptQuestion, option: str) -> str:
        """Choose an option of a prompt, once."""
        self.refuse_nested_call()
        async with self._lock:
            self._guard.check_kill_switch(f"{prompt.order_id} of prompt {prompt.req_id}")
            return await self._endpoints.answer_prompt(
                str(prompt.order_id), str(prompt.req_id), option
            )

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

    async def _take_turn(self, submission: Submission) -> None:
        """Pass everything that may still stop it, then put the intent on the disk."""
        coid = submission.coid
        self._gate.check(submission.account_id, coid)
        self._guard.check_kill_switch(coid)
        if self._guard.limits_value:
            for ticket in submission.tickets:
                if ticket.parent_id is None:
                    preview = await self._endpoints.what_if(submission.account_id, (ticket,))
                    self._guard.check_value(coid, ticket, preview)
        self._guard.check_rate(coid, len(submission.tickets), self._clock())
        self._questions.clear()
        await self._outcomes.intend(submission)

    async def _take_step(self, dialogue: SubmitDialogue, submission: Submission) -> None:
        step = dialogue.step
        if isinstance(step, AskUser):
            dialogue.decide(await self._ask(step))
            return
        if isinstance(step, SendReply) and step.confirmed:
            try:
                self._guard.check_kill_switch(submission.coid)
            except OrderGuardError as error:
                dialogue.withdraw(Verdict(accept=False, reason=error.detail, cause=error))
                return
            self._outcomes.confirming(submission, step.question.message_ids)
        try:
            rows = await self._send(step, submission)
        except IbkrError as error:
            dialogue.failed(error)
        else:
            self._outcomes.rows(submission, rows)
            dialogue.receive(rows)

    async def _send(self, step: object, submission: Submission) -> tuple[PlaceAnswer, ...]:
        if isinstance(step, SendReply):
            return await self._endpoints.reply(step.question.reply_id, confirmed=step.confirmed)
        if submission.modifies is not None:
            return await self._endpoints.modify(
                submission.account_id, submission.modifies, submission.tickets[0]
            )
        return await self._endpoints.place(submission.account_id, submission.tickets)

    async def _ask(self, step: AskUser) -> Verdict:
        """Let the user's callback decide.

        The lock stays held meanwhile: letting another order out would make the reply id invalid, and
        the order's outcome unknown. So the time is limited instead.
        """
        limit = self._ask_timeout_s
        with anyio.move_on_after(limit):
            try:
                answer = await step.callback(step.question)
            except Exception as error:  # noqa: BLE001 - a callback may raise anything; that is a no
                reason = f"the callback raised {type(error).__name__}"
                return Verdict(accept=False, reason=reason, cause=error)
            return Verdict(accept=answer is True, reason="the callback did not return True")
        return Verdict(accept=False, reason=f"the callback did not decide within {limit:g} s")

    # --- not forgetting --------------------------------------------------------------------------

    @contextmanager
    def _remembering(self, submission: Submission, dialogue: SubmitDialogue) -> Iterator[None]:
        """Keep the order when the body is cancelled, or ends by a defect, halfway."""
        try:
            yield
        except BaseException:
            self._give_up(submission.coid, dialogue.situation, submission, dialogue.live_order_ids)
            raise

    def _give_up(
        self, coid: str, detail: str, submission: Submission, order_ids: tuple[str, ...]
    ) -> None:
        warn_unknown(coid, detail)
        self._outcomes.unclear(submission, detail, order_ids)
        self._on_abandoned(coid)

    # --- single steps ----------------------------------------------------------------------------

    def _check_yes(self, reply_id: str, placed: tuple[Submission, SubmitDialogue] | None) -> None:
        """Hold a yes to the guard, which cannot judge an order that this desk did not place."""
        coid = f"of reply {reply_id}" if placed is None else placed[0].coid
        self._guard.check_kill_switch(coid)
        if placed is None and self._guard.limits_orders:
            raise OrderGuardError(coid, "the guard does not know which order it would let through")

    async def _reply_to_stranger(
        self, reply_id: str, *, confirmed: bool
    ) -> tuple[PlaceAnswer, ...]:
        """Answer a question about an order that this desk did not place."""
        coid = f"of reply {reply_id}"
        try:
            return await self._endpoints.reply(reply_id, confirmed=confirmed)
        except IbkrError as error:
            if not confirmed or nothing_was_sent(error):
                raise
            detail = f"yes to reply id {reply_id}: {error.without_advice}"
            raise OrderUnknownError(coid, detail) from error
        except BaseException:
            if confirmed:
                warn_unknown(coid, f"given up while yes to reply id {reply_id} was being sent")
            raise

    async def _reply_to_own(
        self, reply_id: str, submission: Submission, dialogue: SubmitDialogue, *, confirmed: bool
    ) -> tuple[PlaceAnswer, ...]:
        """Answer a question, and take the dialogue on by what comes back."""
        _decide(dialogue, reply_id, confirmed=confirmed)
        if confirmed:
            self._outcomes.confirming(submission, (reply_id,))
        try:
            rows = await self._endpoints.reply(reply_id, confirmed=confirmed)
        except IbkrError as error:
            if nothing_was_sent(error):
                raise  # the question is still open, and may be answered again
            self._questions.pop(reply_id)
            dialogue.failed(error)
            self._settle(dialogue, submission)
            if confirmed and isinstance(dialogue.step, Failed):
                raise dialogue.step.error from error
            raise
        except BaseException:
            self._questions.pop(reply_id)
            if confirmed:
                ids = dialogue.live_order_ids
                self._give_up(submission.coid, dialogue.situation, submission, ids)
            raise
        self._questions.pop(reply_id)
        self._keep_rows(rows, dialogue, submission)
        return rows

    def _keep_rows(
        self, rows: tuple[PlaceAnswer, ...], dialogue: SubmitDialogue, submission: Submission
    ) -> None:
        self._outcomes.rows(submission, rows)
        dialogue.receive(rows)
        self._questions.update(
            (row.id, (submission, dialogue)) for row in rows if isinstance(row, OrderQuestion)
        )
        self._settle(dialogue, submission)

    def _settle(self, dialogue: SubmitDialogue, submission: Submission) -> None:
        """Note the outcome, once there is one."""
        step = dialogue.step
        if isinstance(step, Acknowledged):
            self._outcomes.accepted(submission, [row.order_id for row in step.rows])
        elif isinstance(step, Failed):
            self._outcomes.failed(submission, step.error)


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
