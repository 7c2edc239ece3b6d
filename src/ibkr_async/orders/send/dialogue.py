"""Place, question, reply, ..., acknowledgement: one submission as a state machine without I/O.

Responsible for what happens next and for naming the outcome. It sends nothing and waits for
nothing: a driver looks at `step`, does what it says, and reports back.

How it is driven::

    dialogue = SubmitDialogue(coid, legs=1, answers=Answers.none())
    while True:
        match dialogue.step:
            case SendTickets() | SendReply():  # -> receive(rows) or failed(error)
            case AskUser():                    # -> decide(verdict)
            case Acknowledged() | Failed():    # the end

What is known after a failure, and so how it ends:

    failure                                  tickets being sent       yes being sent   no being sent
    no permission (nothing left)             the error itself         a no is sent     refused
    nothing else left this machine           the error itself         the same (**)    refused
    401 (the login has lapsed)               the error itself         unknown          refused
    400 403 404 411 429, 200 + error         rejected                 unknown (*)      refused
    timeout, broken, 5xx, unreadable, other  unknown                  unknown          refused
    200 + error that means one of these      unknown                  unknown          refused

(*) An error inside a 200 is a rejection after a yes too, unless it says that the reply id was not
found: IBKR was seen to answer that, or 503, and the order went live later (ibkr-conduit). A no that
was not acknowledged is reported as `declined=False`.

(**) Without a yes the order does not go on, and IBKR drops the question at the next order request. If
a leg was accepted before, the error is that of a refused question, which names it.

A refusal because the client order id is known already is unknown too, unless it is a modification:
it says that there is an order under this id, and not whose.
"""

from __future__ import annotations

from collections import deque
from typing import Final, TypeAlias

import msgspec

from ibkr_async.errors import (
    IbkrError,
    OrderError,
    OrderGuardError,
    OrderQuestionError,
    OrderRejectedError,
    OrderUnknownError,
    UnauthorizedError,
    UsageError,
)
from ibkr_async.models.order_answers import (
    LegRejected,
    OrderAccepted,
    OrderQuestion,
    OrderRefused,
    PlaceAnswer,
    PromptQuestion,
)
from ibkr_async.orders.fate.failures import (
    is_refusal,
    means_refusal,
    nothing_was_sent,
    shows_reuse,
)
from ibkr_async.orders.write.policy import Answers, AskCallback, Question, Verdict
from ibkr_async.orders.write.questions import plain_text
from ibkr_async.types import OrderStatus

MAX_QUESTIONS: Final = 8
"""More questions than this about one order are a loop; three in a row is the most that was seen."""

DEAD_STATUSES: Final = frozenset({OrderStatus.CANCELLED, OrderStatus.FAILED})
"""Statuses of an order that is neither live nor filled."""
_REPLY_ID_LOST: Final = "reply id not found"


# --- steps ---------------------------------------------------------------------------------------


class SendTickets(msgspec.Struct, frozen=True):
    """Send the tickets, once."""


class SendReply(msgspec.Struct, frozen=True):
    """Answer a question, once."""

    question: Question
    confirmed: bool


class AskUser(msgspec.Struct, frozen=True):
    """Let the user decide."""

    question: Question
    callback: AskCallback


class Acknowledged(msgspec.Struct, frozen=True):
    """IBKR has taken every leg."""

    rows: tuple[OrderAccepted, ...]
    """As IBKR sent them; each order id once."""


class Failed(msgspec.Struct, frozen=True):
    """The submission ended otherwise."""

    error: IbkrError
    """What to raise."""
    cause: Exception | None = None
    """What it is raised from."""
    awaits_choice: bool = False
    """True when IBKR waits for a choice about the order: looking for it would show nothing new."""


DialogueStep: TypeAlias = SendTickets | SendReply | AskUser | Acknowledged | Failed

_Fingerprint: TypeAlias = tuple[tuple[str, ...], tuple[str, ...]]


class SubmitDialogue:
    """One submission. Look at `step`, do it, report back."""

    def __init__(self, coid: str, legs: int, answers: Answers, *, modifies: bool = False) -> None:
        self.coid = coid
        self.step: DialogueStep = SendTickets()
        self._legs = legs
        self._modifies = modifies
        self._answers = answers
        self._accepted: dict[str, OrderAccepted] = {}
        self._open: deque[tuple[Question, bool]] = deque()
        """Questions that wait, each with whether it was confirmed in an earlier round."""
        self._confirmed: set[_Fingerprint] = set()
        self._asked = 0
        self._refusals: list[str] = []
        self._refused: tuple[Question, Verdict] | None = None
        self._declined = True
        self._prompt: PromptQuestion | None = None

    @property
    def live_order_ids(self) -> tuple[str, ...]:
        """Order ids that IBKR has accepted so far and not called dead."""
        return tuple(
            order_id
            for order_id, row in self._accepted.items()
            if row.order_status not in DEAD_STATUSES
        )

    @property
    def situation(self) -> str:
        """Where the dialogue stands, for a submission that is given up from outside."""
        match self.step:
            case SendTickets():
                return "given up while the order was being sent"
            case SendReply(question=question, confirmed=True):
                return f"given up while yes to question {_names(question)} was being sent"
            case SendReply(question=question) | AskUser(question=question):
                return f"given up with question {_names(question)} open"
            case Acknowledged():
                return "acknowledged"
            case _:
                return "failed"

    def receive(self, rows: tuple[PlaceAnswer, ...]) -> None:
        """Take the answer to what `step` asked to send."""
        if self._is_declining:
            self._keep_accepted(rows)
            self._go_on_declining()
            return
        answer_to_yes = isinstance(self.step, SendReply)
        self._keep_accepted(rows)
        self._keep_questions(rows)
        doubt = self._keep_refusals(rows, answer_to_yes=answer_to_yes)
        if doubt:
            self._end_unknown(doubt)
        elif self._refusals:
            self._go_on_declining()
        elif self._open:
            self._take_up_question()
        elif len(self._accepted) >= self._legs:
            self.step = Acknowledged(tuple(self._accepted.values()))
        else:
            missing = self._legs - len(self._accepted)
            self._end_unknown(f"IBKR acknowledged all but {missing} of {self._legs} legs")

    def failed(self, error: IbkrError, *, has_left: bool = True) -> None:
        """Take note that what `step` asked to send brought no answer that can be read.

        `has_left` is False when it is known not to have left this machine.
        """
        unsent = nothing_was_sent(error, has_left=has_left)
        if self._is_declining:
            # The outcome does not hang on it: without a yes the order does not go on. And the
            # server that did not take one no is not asked to take the others.
            self._declined = False
            self._open.clear()
            self._go_on_declining()
        elif isinstance(self.step, SendReply) and isinstance(error, OrderGuardError):
            refusal = Verdict(accept=False, reason=error.detail, cause=error)
            self._refuse(self.step.question, refusal)
        elif isinstance(self.step, SendReply) and unsent:
            self._end_unsent(self.step.question, error)
        elif isinstance(self.step, SendReply):
            asked = _names(self.step.question)
            self._end_unknown(f"yes to question {asked}: {error.without_advice}", error)
        elif unsent:
            self.step = Failed(error)
        elif isinstance(error, UnauthorizedError):
            self.step = Failed(_not_let_in(error), error)
        elif is_refusal(error) and not self._shows_reuse(str(error)):
            self.step = Failed(OrderRejectedError(self.coid, str(error)), error)
        else:
            self._end_unknown(error.without_advice, error)

    def decide(self, verdict: Verdict) -> None:
        """Take the decision on the question that `AskUser` names."""
        if not isinstance(self.step, AskUser):
            raise UsageError("no question is waiting for a decision")
        self._act_on(self.step.question, verdict)

    # --- rows ------------------------------------------------------------------------------------

    def _keep_accepted(self, rows: tuple[PlaceAnswer, ...]) -> None:
        for row in rows:
            if isinstance(row, OrderAccepted):
                self._accepted[str(row.order_id)] = row

    def _keep_questions(self, rows: tuple[PlaceAnswer, ...]) -> None:
        for row in rows:
            if isinstance(row, OrderQuestion):
                self._asked += 1
                question = Question(
                    coid=self.coid,
                    reply_id=row.id,
                    message_ids=row.message_ids,
                    texts=tuple(plain_text(text) for text in row.messages),
                    options=row.message_options,
                    number=self._asked,
                )
                # Two legs may ask the same in one answer; what counts is being asked again.
                self._open.append((question, _fingerprint(question) in self._confirmed))

    def _keep_refusals(self, rows: tuple[PlaceAnswer, ...], *, answer_to_yes: bool) -> str:
        """Keep what proves a refusal; return what leaves the outcome in doubt."""
        doubt = ""
        for row in rows:
            if isinstance(row, LegRejected):
                words = row.text or row.warning_message or f"status {row.order_status}"
                self._refusals.append(f"a leg was refused: {plain_text(words)}")
                if self._shows_reuse(words):
                    doubt = plain_text(words)
            elif isinstance(row, OrderRefused):
                words = plain_text(row.error)
                lost = answer_to_yes and _REPLY_ID_LOST in words.lower()
                broken = not means_refusal(row.status_code)
                if lost or broken or self._shows_reuse(words):
                    doubt = words
                self._refusals.append(words)
            elif isinstance(row, PromptQuestion):
                # Each option lets the order go on in its own way, and no row acknowledges it.
                if row.order_id:
                    self._accepted[row.order_id] = OrderAccepted(order_id=row.order_id)
                doubt = (
                    f"IBKR wants a choice about it, {row.message_id} {plain_text(row.text or '')!r}"
                    f" out of {list(row.options)}; choose with ib.orders.answer_prompt(...)"
                )
                self._prompt = row
        return doubt

    # --- questions -------------------------------------------------------------------------------

    def _take_up_question(self) -> None:
        question, asked_again = self._open.popleft()
        if asked_again:
            self._refuse(question, _no("IBKR asked it again after it was confirmed"))
        elif question.number > MAX_QUESTIONS:
            self._refuse(question, _no(f"IBKR asked more than {MAX_QUESTIONS} questions"))
        else:
            decided = self._answers.decide(question)
            if isinstance(decided, Verdict):
                self._act_on(question, decided)
            else:
                self.step = AskUser(question, decided)

    def _act_on(self, question: Question, verdict: Verdict) -> None:
        if not verdict.accept:
            self._refuse(question, verdict)
            return
        self._confirmed.add(_fingerprint(question))
        self.step = SendReply(question, confirmed=True)

    def _refuse(self, question: Question, verdict: Verdict) -> None:
        self._refused = (question, verdict)
        self.step = SendReply(question, confirmed=False)

    @property
    def _is_declining(self) -> bool:
        return isinstance(self.step, SendReply) and not self.step.confirmed

    def _go_on_declining(self) -> None:
        """Leave no question half open, then end."""
        if self._open:
            question, _ = self._open.popleft()
            self.step = SendReply(question, confirmed=False)
        elif self._refused is None or self._refusals:
            self._end_rejected()
        else:
            self._end_refused(*self._refused)

    # --- ends ------------------------------------------------------------------------------------

    def _end_rejected(self) -> None:
        detail = "; ".join(self._refusals)
        if self._declined:
            self._end(OrderRejectedError(self.coid, detail, live_order_ids=self.live_order_ids))
        else:
            self._end_unknown(f"{detail}; and a question about another leg is still open")

    def _end_refused(self, question: Question, verdict: Verdict) -> None:
        if len(self.live_order_ids) >= self._legs:
            names = _names(question)
            self._end_unknown(f"question {names} was answered with no, yet IBKR names an order")
            return
        self._end(
            OrderQuestionError(
                self.coid,
                question.message_ids,
                question.texts,
                reason=verdict.reason,
                declined=self._declined,
                live_order_ids=self.live_order_ids,
            ),
            verdict.cause,
        )

    def _end_unsent(self, question: Question, error: IbkrError) -> None:
        if not self._accepted:
            self.step = Failed(error)
            return
        self._declined = False
        reason = f"the yes was not sent: {error.without_advice}"
        self._end_refused(question, Verdict(accept=False, reason=reason, cause=error))

    def _end_unknown(self, detail: str, cause: IbkrError | None = None) -> None:
        error = OrderUnknownError(
            self.coid,
            detail,
            live_order_ids=self.live_order_ids,
            prompt=self._prompt,
            coid_reused=self._shows_reuse(detail),
        )
        self._end(error, cause)

    def _end(self, error: OrderError, cause: Exception | None = None) -> None:
        self.step = Failed(error, cause, awaits_choice=self._prompt is not None)

    def _shows_reuse(self, words: str) -> bool:
        """Tell whether IBKR refused because an order has this client order id already."""
        return not self._modifies and shows_reuse(words)


def _no(reason: str) -> Verdict:
    return Verdict(accept=False, reason=reason)


def _fingerprint(question: Question) -> _Fingerprint:
    return question.message_ids, question.texts


def _names(question: Question) -> str:
    return ", ".join(question.message_ids) or "without an id"


def _not_let_in(error: UnauthorizedError) -> UnauthorizedError:
    """Return what a 401 means for an order: it was turned away before anybody looked at it."""
    advice = (
        "nothing was placed; the next call logs in anew, so place it again if you still want it"
    )
    return UnauthorizedError(
        error.request, error.status, error.detail, body=error.body, advice=advice
    )
