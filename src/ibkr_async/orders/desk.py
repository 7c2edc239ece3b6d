"""The order desk, `ib.orders`: the only way to place an order.

Responsible for what users call, and for the order in which things happen. It never sends an order, a
reply or a modification twice, and never answers a question with yes on its own.

What happens to a submission:

    validated, account and contract found      -> OrderInvalidError, OrderGuardError
    its turn: gate, preview, journal           -> OrderGuardError; nothing was sent so far
    place, question, reply, ... (`dispatch`),
    each with `permission` in the line before  -> OrderGuardError, OrderRejectedError, OrderQuestionError
    no answer that can be trusted (`recovery`) -> accepted after all, rejected, OrderUnknownError
    acknowledged                               -> OrderHandle
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ibkr_async._arguments import checked
from ibkr_async.errors import (
    IbkrError,
    OrderQuestionError,
    OrderRejectedError,
    OrderUnknownError,
    UsageError,
)
from ibkr_async.models.order_answers import OrderAccepted, PromptQuestion
from ibkr_async.orders.fate.reads import OrderReads
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.orders.handle import OrderHandle
from ibkr_async.orders.results import DryRun, Recovered
from ibkr_async.orders.send.dialogue import Acknowledged, Failed, SubmitDialogue
from ibkr_async.orders.write.policy import Answers, read_answers, read_message_ids
from ibkr_async.orders.write.rules import read_fields, read_order_id
from ibkr_async.types import ClientOrderId, OrderId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ibkr_async.models.order_answers import PlaceAnswer
    from ibkr_async.models.orders import CancelReply, SuppressReply, WhatIf
    from ibkr_async.orders.engine import OrderEngine
    from ibkr_async.orders.fate.unknown import UnknownOrder
    from ibkr_async.orders.known.events import OrderState
    from ibkr_async.orders.known.news import OrderEvents
    from ibkr_async.orders.write.policy import AnswersLike, Question
    from ibkr_async.orders.write.tickets import Submittable
    from ibkr_async.rest.request import Permit

_log: Final = logging.getLogger("ibkr_async.orders")

_MOST_SUPPRESSED: Final = 51


@checked
class OrderDesk(OrderReads):
    """Places, answers, modifies, cancels and lists orders.

    Concurrency: what places or confirms orders waits for each other, because IBKR drops the
    question of one order when another order request comes in between; reads and cancels go on.
    """

    def __init__(self, engine: OrderEngine) -> None:
        super().__init__(engine.endpoints, engine.news, engine.world)
        self._engine = engine

    @property
    def unknown(self) -> Mapping[str, UnknownOrder]:
        """Orders whose outcome is not known, by client order id, until it is found out."""
        return self._engine.outcomes.unknown.orders

    def dismiss(self, coid: str) -> None:
        """Forget an unknown order after you have found out what became of it. Opens the gate."""
        self._engine.outcomes.dismissed(coid)

    # --- placing ---------------------------------------------------------------------------------

    async def submit(
        self,
        order: Submittable,
        *,
        answers: AnswersLike | None = None,
        account_id: str | None = None,
        group: str | None = None,
        cancel_if_incomplete: bool = False,
        urgent: bool = False,
    ) -> OrderHandle:
        """Place an order, answer IBKR's questions by policy, and return once it is acknowledged.

        Shape: a handle with every leg. Without `answers` every question is refused; in place of
        `Answers` also `{"o163": True}` or a list of allowed ids will do. `group` is an
        advisor's group in place of an account. With `cancel_if_incomplete` the live legs of a
        bracket of which a leg was refused are cancelled before that is raised. `urgent` is for what
        closes or reduces a position: as a cancel it goes past the queue of requests, and once a second
        past the pause after a 429; name the contract by its conid, since a symbol is a read. With
        the setting `dry_run` IBKR is asked for a preview instead, and a `DryRun` without legs comes back.
        Errors: `OrderInvalidError`, `OrderGuardError`; `TransportError`, `AuthError`, `SessionError`,
        or `RateLimitedError` with `was_sent` false, when nothing was sent; `UnauthorizedError` when the
        login had lapsed and nothing was placed; `OrderRejectedError`, `OrderQuestionError`;
        `OrderUnknownError` when it may be live, raised after a search of 15 to 30 seconds. An
        error's `live_order_ids` are legs that IBKR has accepted all the same.
        Source: POST /iserver/account/{accountId}/orders, POST /iserver/reply/{replyId}.
        Cancellation: does not take back what was sent. The order is then in `unknown`, a warning is
        logged, and the client goes on looking for it. One that still waits to be sent (for its turn, the
        pace, a login or a connection) is not sent, and nothing is unknown.
        Concurrency: one at a time per session; waiting for one's turn sends nothing. The first order
        waits up to five seconds until the order feeds are open, so that no fill is missed.
        Side effects at the broker: never sent twice; a refused question is answered with no.
        """
        policy = read_answers(answers)
        read_fields(cancel_if_incomplete=cancel_if_incomplete, urgent=urgent)
        submission = await self._engine.preparation.order(order, account_id, group)
        submission = msgspec.structs.replace(submission, urgent=urgent)
        if self._engine.settings.dry_run:
            return await self._try_dry(submission)
        try:
            order_ids = await self._submit(submission, policy)
        except (OrderRejectedError, OrderQuestionError) as error:
            if cancel_if_incomplete:
                await self._cancel_legs(submission, error.live_order_ids)
            raise
        return self._handle(submission, order_ids)

    async def modify(
        self,
        order_id: str | int,
        order: Submittable,
        *,
        answers: AnswersLike | None = None,
        account_id: str | None = None,
        urgent: bool = False,
    ) -> OrderHandle:
        """Replace the terms of an order, answer IBKR's questions by policy, return once it is taken.

        Shape: `order` is the whole order again, with its new terms; IBKR takes no patches. The
        handle is that of the one order. A client order id is sent only if `order` names it. What is live
        afterwards is compared with what was asked for: `NotApplied` and a warning tell of a difference,
        and a warning that an exit is made larger than what its parent has filled.
        Errors: as `submit`; `OrderUnknownError` means that the order is there, and with which terms
        is not known.
        Source: POST /iserver/account/{accountId}/order/{orderId}.
        Cancellation, concurrency, side effects, `urgent`: as `submit`.
        """
        policy = read_answers(answers)
        read_fields(urgent=urgent)
        submission = await self._engine.preparation.modification(order_id, order, account_id)
        submission = msgspec.structs.replace(submission, urgent=urgent)
        ticket = submission.tickets[0]
        if (parent := self._engine.news.tracker.overshoots(str(order_id), ticket)) is not None:
            _log.warning(
                "order %s is set to %s although its parent %s has filled %s: IBKR takes that, and the "
                "position can turn round",
                order_id,
                ticket.quantity,
                parent.order_id,
                parent.filled,
            )
        if self._engine.settings.dry_run:
            return await self._try_dry(submission)
        return self._handle(submission, await self._submit(submission, policy))

    async def what_if(
        self, order: Submittable, *, account_id: str | None = None, group: str | None = None
    ) -> WhatIf:
        """Ask IBKR what an order would cost and change. Nothing is placed.

        Shape: of a bracket that of its entry. Every figure may be None.
        Errors: `OrderInvalidError`; `RefusedError` when IBKR would refuse the order.
        Source: POST /iserver/account/{accountId}/orders/whatif. IBKR wants a market-data snapshot
        of the contract first.
        Concurrency: waits its turn, because IBKR drops an open question when it comes in between.
        """
        submission = await self._engine.preparation.preview(order, account_id, group)
        return await self._engine.dispatch.preview(submission)

    async def place(
        self,
        order: Submittable,
        account_id: str | None = None,
        *,
        group: str | None = None,
        urgent: bool = False,
    ) -> tuple[PlaceAnswer, ...]:
        """Place an order and return IBKR's first answer as it is; `submit` does the whole dialogue.

        Shape: at least one row; refusals are rows too. After a lost answer, what a search found.
        Errors: as `submit`, apart from those that come out of rows; `UsageError` in a dry run.
        Cancellation and side effects: as `submit`.
        Concurrency: a question in the answer must be answered before the next order request.
        """
        self._permit_change("place")
        submission = await self._engine.preparation.order(order, account_id, group)
        submission = msgspec.structs.replace(submission, urgent=urgent)
        dialogue = _dialogue(submission, Answers.ask(_nobody))
        await self._engine.open_feeds()
        rows = await self._engine.dispatch.place(submission, dialogue)
        if rows:
            return rows
        return tuple(map(self._as_answer, await self._conclude(submission, dialogue)))

    async def reply(self, reply_id: str, *, confirmed: bool) -> tuple[PlaceAnswer, ...]:
        """Answer a question that `place` brought.

        Shape: as `place`; another question may come.
        Errors: as `place`; `OrderUnknownError` at once: `find` looks for the order. A no can fail in
        any way without harm: the order does not go on.
        """
        read_fields(reply_id=reply_id, confirmed=confirmed)
        if confirmed:
            await self._engine.preparation.facts()
        return await self._engine.dispatch.reply(reply_id, confirmed=confirmed)

    async def answer_prompt(self, prompt: PromptQuestion, option: str) -> str:
        """Choose one of a prompt's options; the order it is about goes on accordingly.

        Shape: IBKR's words, such as `Request was submitted`. What became of the order is for
        `status` to say; if it is in `unknown`, `find` takes it out of there.
        Errors: `UsageError` for something that is not among the options; `OrderGuardError`.
        Source: POST /iserver/notification.
        """
        _check_choice(prompt, option)
        await self._engine.preparation.facts()
        return await self._engine.dispatch.answer_prompt(prompt, option)

    # --- cancelling ------------------------------------------------------------------------------

    async def cancel(
        self,
        order_id: str | int,
        account_id: str | None = None,
        *,
        manual_indicator: bool | None = None,
        ext_operator: str | None = None,
        manual_cancel_time: int | None = None,
    ) -> CancelReply:
        """Ask IBKR to cancel an order, ahead of all other requests.

        Shape: an acknowledgement of the wish. The order may still fill until IBKR says `Cancelled`.
        The keywords say who cancels by hand; US futures demand the first two, and one class of
        accounts takes only the first.
        Errors: `BadRequestError` or `RefusedError` when there is no such order or it is inactive;
        after any other error the order may be cancelled or not, and asking again does no harm.
        Source: DELETE /iserver/account/{accountId}/order/{orderId}.
        Concurrency: does not wait for a submission, and no gate or guard stops it. IBKR may drop a
        question that is open meanwhile; that submission then ends as unknown.
        """
        number = read_order_id(order_id)
        by_hand = read_fields(
            manual_indicator=manual_indicator,
            ext_operator=ext_operator,
            manual_cancel_time=manual_cancel_time,
        )
        permit = self._permit_change(f"cancel of order {number}")
        account = await self._engine.preparation.account(account_id)
        self._engine.outcomes.cancelling(number, account)
        reply = await self._endpoints.cancel(account, number, permit=permit, **by_hand)
        self._engine.news.tracker.expect(number)
        return reply

    async def cancel_all(self, account_id: str | None = None) -> CancelReply:
        """Ask IBKR to cancel every order of the account.

        Shape, errors, source: as `cancel`, with order id -1.
        """
        permit = self._permit_change("cancel of all orders")
        account = await self._engine.preparation.account(account_id)
        self._engine.outcomes.cancelling("-1", account)
        reply = await self._endpoints.cancel(account, "-1", permit=permit)
        for state in self._engine.news.tracker.open_orders():
            if state.account_id in {None, account}:
                self._engine.news.tracker.expect(state.order_id)
        return reply

    # --- following -------------------------------------------------------------------------------

    def watch(self) -> OrderEvents:
        """Follow every order of the session from now on, also those placed in TWS or an earlier run.

        Errors while iterating: `SlowConsumerError`.
        """
        return self._engine.news.listen()

    def known(self) -> tuple[OrderState, ...]:
        """Return every order that was heard of, in the order of that. Asks nothing."""
        return self._engine.news.tracker.orders()

    # --- finding out -----------------------------------------------------------------------------

    async def find(self, coid: str, *, account_id: str | None = None) -> OrderHandle:
        """Look for an order by its client order id: one that is in `unknown`, or of an earlier run.

        Shape: its handle. An unknown order is unknown no more then, and the gate opens. Of an order
        that neither this run nor the journal knows, the handle has no tickets; nor has that of an
        earlier order, which IBKR has under a client order id that was used again.
        Errors: `OrderRejectedError` when IBKR shows it dead; `OrderUnknownError` when nothing is
        proven after a search of 15 to 30 seconds, as that of `submit`.
        Pacing: the live orders may be read once per 5 seconds.
        """
        read_fields(coid=coid)
        self._engine.news.check_home()
        known = self.unknown.get(coid)
        if known is not None and known.coid_reused:
            return await self._find_earlier(known.submission, known.detail)
        if known is not None:
            order_ids = await self._engine.recovery.find_out(
                known.submission, known.detail, known.live_order_ids
            )
            return self._handle(known.submission, order_ids)
        account = await self._engine.preparation.account(account_id)
        submission = None if self._engine.journal is None else await self._engine.journal.sent(coid)
        if submission is None:
            submission = Submission(coid=ClientOrderId(coid), account_id=account, tickets=())
        order_ids = await self._engine.recovery.look(submission, "it was searched for")
        return self._handle(submission, order_ids)

    async def recovered(self) -> tuple[Recovered, ...]:
        """Wait until every order that an earlier run had left open was looked for.

        Shape: empty without a journal, or when none was open. Those that stay unknown are in
        `unknown` as well, and keep the gate closed.
        """
        self._engine.news.check_home()
        return tuple(
            Recovered(coid=submission.coid, error=found)
            if isinstance(found, IbkrError)
            else Recovered(coid=submission.coid, handle=self._handle(submission, found))
            for submission, found in await self._engine.recovery.recovered()
        )

    # --- suppressing questions -------------------------------------------------------------------

    async def suppress(self, message_ids: Iterable[str]) -> SuppressReply:
        """Let IBKR stop asking these kinds of question until the brokerage session ends.

        Each call replaces the list. IBKR accepts ids that do not exist.
        Source: POST /iserver/questions/suppress.
        """
        wanted = () if isinstance(message_ids, str) else read_message_ids(message_ids)
        if not 1 <= len(wanted) <= _MOST_SUPPRESSED:
            raise UsageError(
                f"pass a list of 1 to {_MOST_SUPPRESSED} message ids, such as ['o163']"
            )
        permit = self._permit_change("suppression of questions")
        return await self._endpoints.suppress(wanted, permit=permit)

    async def reset_suppressed(self) -> SuppressReply:
        """Let IBKR ask everything again.

        Source: POST /iserver/questions/suppress/reset.
        """
        permit = self._permit_change("suppression of questions")
        return await self._endpoints.reset_suppressed(permit=permit)

    # --- sending it ------------------------------------------------------------------------------

    async def _submit(self, submission: Submission, answers: Answers) -> tuple[OrderId, ...]:
        dialogue = _dialogue(submission, answers)
        if submission.modifies is None:
            await self._engine.open_feeds()
        await self._engine.dispatch.submit(submission, dialogue)
        return await self._conclude(submission, dialogue)

    async def _conclude(
        self, submission: Submission, dialogue: SubmitDialogue
    ) -> tuple[OrderId, ...]:
        """Return the orders that IBKR has, or raise what became of it; look if nobody knows."""
        step = dialogue.step
        if not isinstance(step, Failed):
            # The only other end of a dialogue that was driven.
            rows = step.rows if isinstance(step, Acknowledged) else ()
            return tuple(OrderId(str(row.order_id)) for row in rows)
        error = step.error
        if isinstance(error, OrderUnknownError) and not step.awaits_choice:
            ids = error.live_order_ids
            return await self._engine.recovery.find_out(submission, error.detail, ids, step.cause)
        if step.cause is None:
            raise error
        raise error from step.cause

    async def _find_earlier(self, refused: Submission, detail: str) -> OrderHandle:
        """Look for the order that made IBKR refuse this one; what was sent there is not known."""
        earlier = msgspec.structs.replace(refused, tickets=())
        try:
            order_ids = await self._engine.recovery.look(earlier, detail)
        except OrderRejectedError:
            self._engine.outcomes.dismissed(refused.coid)
            raise
        self._engine.outcomes.dismissed(refused.coid)
        return self._handle(earlier, order_ids)

    async def _try_dry(self, submission: Submission) -> DryRun:
        handle = DryRun(self, self._engine.news, submission, ())
        handle.preview = await self._engine.dispatch.preview(submission)
        _log.info("dry run: order %s was previewed and not sent", submission.coid)
        return handle

    def _permit_change(self, what: str) -> Permit:
        """Return what is asked before something leaves that only a dry run stops; ask it now, too."""
        permit = partial(self._engine.permission.check_change, what)
        permit()
        return permit

    async def _cancel_legs(self, submission: Submission, order_ids: Sequence[str]) -> None:
        """Cancel what is left of an order; an error of it must not hide what is being raised."""
        for order_id in order_ids:
            try:
                await self.cancel(order_id, submission.account_id)
            except IbkrError as error:
                _log.warning("order %s: leg %s stays: %s", submission.coid, order_id, error)

    def _handle(self, submission: Submission, order_ids: Sequence[OrderId]) -> OrderHandle:
        return OrderHandle(self, self._engine.news, submission, order_ids)

    def _as_answer(self, order_id: OrderId) -> OrderAccepted:
        """Return an order that a search found as `place` would have given it."""
        state = self._engine.news.tracker.state(order_id)
        return OrderAccepted(
            order_id=order_id,
            order_status=None if state is None else state.status,
            local_order_id=None if state is None else state.coid,
            parent_order_id=None if state is None else state.parent_id,
        )


def _dialogue(submission: Submission, answers: Answers) -> SubmitDialogue:
    modifies = submission.modifies is not None
    return SubmitDialogue(submission.coid, len(submission.tickets), answers, modifies=modifies)


def _check_choice(prompt: Any, option: Any) -> None:
    if not isinstance(prompt, PromptQuestion) or prompt.req_id is None:
        raise UsageError(f"{prompt!r} is no prompt that can be answered")
    read_order_id(prompt.order_id)
    if option not in prompt.options:
        raise UsageError(f"{option!r} is not one of {list(prompt.options)}")


async def _nobody(_question: Question) -> bool:
    """Stand in for the caller of `place`, who decides by calling `reply`."""
    return False
