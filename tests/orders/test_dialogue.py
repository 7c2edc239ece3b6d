from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.errors import (
    AuthError,
    BadRequestError,
    ClosedError,
    ConnectFailedError,
    ConnectionBrokenError,
    ForbiddenError,
    IbkrError,
    NotFoundError,
    NotReadyError,
    OrderGuardError,
    OrderQuestionError,
    OrderRejectedError,
    OrderUnknownError,
    RateLimitedError,
    RefusedError,
    RequestTimeoutError,
    ServerError,
    SessionError,
    TlsError,
    UnauthorizedError,
    UnreadableResponseError,
    UsageError,
)
from ibkr_async.models.order_answers import PlaceAnswer, parse_place_answer
from ibkr_async.orders.send.dialogue import (
    MAX_QUESTIONS,
    Acknowledged,
    AskUser,
    Failed,
    SendReply,
    SendTickets,
    SubmitDialogue,
)
from ibkr_async.orders.write.policy import Answers, Question, Verdict
from support.fake_send import sample


def rows(name: str) -> tuple[PlaceAnswer, ...]:
    """Read one sample answer."""
    return parse_place_answer(sample(name))


def question(number: int, *, text: str = "", kind: str = "o163") -> tuple[PlaceAnswer, ...]:
    """Make a question whose text is its number, unless given."""
    return parse_place_answer(
        f'[{{"id":"r{number}","message":["{text or number}"],"messageIds":["{kind}"]}}]'
    )


def start(answers: Answers | None = None, legs: int = 1) -> SubmitDialogue:
    """Begin a dialogue that is about to send its tickets."""
    dialogue = SubmitDialogue("c1", legs, answers or Answers.none())
    assert isinstance(dialogue.step, SendTickets)
    return dialogue


def error_of(dialogue: SubmitDialogue) -> Any:
    """Give the error that the dialogue ended with."""
    assert isinstance(dialogue.step, Failed)
    return dialogue.step.error


def reply_of(dialogue: SubmitDialogue) -> tuple[str, bool]:
    """Give the reply that the dialogue wants to send."""
    assert isinstance(dialogue.step, SendReply)
    return dialogue.step.question.reply_id, dialogue.step.confirmed


ALLOW = Answers.allow("o163", "o354")
LOST = ServerError("POST /x", 503, "Service Unavailable")


async def undecided(_question: Question) -> bool:
    """Stand for a callback; the dialogue itself never calls it."""
    raise AssertionError


# --- the straight paths --------------------------------------------------------------------------


def test_acknowledgement_ends_the_dialogue() -> None:
    """One row for one ticket is all there is to it."""
    dialogue = start()

    dialogue.receive(rows("accepted"))

    assert isinstance(dialogue.step, Acknowledged)
    assert [row.order_id for row in dialogue.step.rows] == ["987654"]
    assert dialogue.situation == "acknowledged"


def test_allowed_question_is_confirmed() -> None:
    """The reply carries the id of the question."""
    dialogue = start(ALLOW)

    dialogue.receive(rows("question"))

    assert reply_of(dialogue) == ("3b1f0c52-7d3e-4c0a-9a52-5a6f2f1d0a01", True)
    dialogue.receive(rows("accepted"))
    assert isinstance(dialogue.step, Acknowledged)


def test_chained_questions_are_answered_one_by_one() -> None:
    """Each answer may bring the next question."""
    dialogue = start(ALLOW)

    dialogue.receive(rows("question"))
    dialogue.receive(rows("question_no_data"))
    assert reply_of(dialogue)[1]
    dialogue.receive(rows("accepted"))

    assert isinstance(dialogue.step, Acknowledged)


def test_two_questions_in_one_answer_are_both_answered() -> None:
    """Two legs may ask the very same thing; that is no repetition."""
    dialogue = start(ALLOW, legs=2)

    dialogue.receive(question(1, text="same") + question(2, text="same"))
    assert reply_of(dialogue) == ("r1", True)
    dialogue.receive(rows("accepted"))
    assert reply_of(dialogue) == ("r2", True)
    dialogue.receive(parse_place_answer('[{"order_id":"2","order_status":"Submitted"}]'))

    assert isinstance(dialogue.step, Acknowledged)
    assert [row.order_id for row in dialogue.step.rows] == ["987654", "2"]


def test_callback_is_awaited_outside() -> None:
    """The dialogue names the question and goes on with the verdict."""
    dialogue = start(Answers.ask(undecided))

    dialogue.receive(rows("question"))
    assert isinstance(dialogue.step, AskUser)
    assert dialogue.step.question.texts == (
        "The price is 5 % away from the market. Place it anyway?",
    )
    dialogue.decide(Verdict(accept=True))

    assert reply_of(dialogue)[1]


def test_verdict_without_question_is_misuse() -> None:
    """A driver that answers unasked is told so."""
    with pytest.raises(UsageError):
        start().decide(Verdict(accept=True))


# --- refused questions ---------------------------------------------------------------------------


def test_question_is_refused_by_default_and_declined() -> None:
    """IBKR is told no, so that nothing stays half confirmed; the error says how to allow it."""
    dialogue = start()

    dialogue.receive(rows("question"))
    assert not reply_of(dialogue)[1]
    dialogue.receive(parse_place_answer('{"error":"Order not confirmed "}'))

    error = error_of(dialogue)
    assert isinstance(error, OrderQuestionError)
    assert error.message_ids == ("o163",)
    assert error.declined
    assert "Answers.allow('o163')" in str(error)
    assert "the policy does not allow o163" in str(error)


@pytest.mark.parametrize("answer", ["refused", "question", "prompt"])
def test_any_answer_to_a_no_is_good(answer: str) -> None:
    """The shape of that answer is not documented, so nothing hangs on it."""
    dialogue = start()
    dialogue.receive(rows("question"))

    dialogue.receive(rows(answer))

    assert isinstance(error_of(dialogue), OrderQuestionError)


def test_failure_to_deliver_a_no_is_reported() -> None:
    """The order does not go on without a yes, but the question may still be open."""
    dialogue = start()
    dialogue.receive(rows("question"))

    dialogue.failed(LOST)

    error = error_of(dialogue)
    assert isinstance(error, OrderQuestionError)
    assert not error.declined
    assert "not acknowledged" in str(error)


def test_order_that_is_accepted_despite_a_no_is_unknown() -> None:
    """What IBKR says counts, not what should be."""
    dialogue = start()
    dialogue.receive(rows("question"))

    dialogue.receive(rows("accepted"))

    error = error_of(dialogue)
    assert isinstance(error, OrderUnknownError)
    assert error.live_order_ids == ("987654",)


def test_order_named_as_cancelled_after_a_no_is_refused() -> None:
    """A dead order in the answer confirms the refusal."""
    dialogue = start()
    dialogue.receive(rows("question"))

    dialogue.receive(parse_place_answer('[{"order_id":"1","order_status":"Cancelled"}]'))

    assert isinstance(error_of(dialogue), OrderQuestionError)


def test_every_open_question_is_declined() -> None:
    """One refusal ends the submission, so the other legs' questions are answered with no too."""
    dialogue = start(legs=2)

    dialogue.receive(question(1) + question(2))
    assert reply_of(dialogue) == ("r1", False)
    dialogue.receive(rows("refused"))
    assert reply_of(dialogue) == ("r2", False)
    dialogue.receive(rows("refused"))

    assert isinstance(error_of(dialogue), OrderQuestionError)


def test_no_second_no_after_the_first_failed() -> None:
    """A server that did not take one no is not kept busy with others."""
    dialogue = start(legs=2)
    dialogue.receive(question(1) + question(2))

    dialogue.failed(LOST)

    assert not error_of(dialogue).declined


def test_refused_child_question_names_the_live_entry() -> None:
    """Brackets are not atomic: what is live is said."""
    dialogue = start(legs=2)

    dialogue.receive(rows("accepted") + question(1))
    dialogue.receive(rows("refused"))

    error = error_of(dialogue)
    assert isinstance(error, OrderQuestionError)
    assert error.live_order_ids == ("987654",)
    assert "ARE live" in str(error)


def test_same_question_after_a_yes_stops() -> None:
    """A loop is ended with a no."""
    dialogue = start(ALLOW)

    dialogue.receive(question(1, text="same"))
    dialogue.receive(question(2, text="same"))
    assert reply_of(dialogue) == ("r2", False)
    dialogue.receive(rows("refused"))

    assert "asked it again" in str(error_of(dialogue))


def test_question_of_the_same_kind_with_another_text_goes_on() -> None:
    """Only the same ids with the same text are a repetition."""
    dialogue = start(ALLOW)

    dialogue.receive(question(1))
    dialogue.receive(question(2))

    assert reply_of(dialogue) == ("r2", True)


def test_ninth_question_stops() -> None:
    """The dialogue is bounded, whatever the policy."""
    dialogue = start(ALLOW)

    for number in range(1, MAX_QUESTIONS + 1):
        dialogue.receive(question(number))
        assert reply_of(dialogue) == (f"r{number}", True)
    dialogue.receive(question(9))
    assert reply_of(dialogue) == ("r9", False)
    dialogue.receive(rows("refused"))

    assert "more than 8 questions" in str(error_of(dialogue))


def test_question_without_id_advises_a_callback() -> None:
    """There is nothing to allow by name."""
    dialogue = start(ALLOW)
    dialogue.receive(parse_place_answer('[{"id":"r1","message":["Sure?"]}]'))
    assert dialogue.situation == "given up with question without an id open"
    dialogue.receive(rows("refused"))

    assert "Answers.ask" in str(error_of(dialogue))


def test_callbacks_exception_is_the_cause() -> None:
    """A defect of the user's code is found in the traceback."""
    dialogue = start(Answers.ask(undecided))
    dialogue.receive(rows("question"))
    defect = ValueError("oops")

    dialogue.decide(Verdict(accept=False, reason="it raised", cause=defect))
    dialogue.receive(rows("refused"))

    assert isinstance(dialogue.step, Failed)
    assert dialogue.step.cause is defect


# --- refusals in rows ----------------------------------------------------------------------------


@pytest.mark.parametrize("after_yes", [False, True])
def test_error_with_status_200_is_a_rejection(*, after_yes: bool) -> None:
    """Before acceptance and after a yes alike."""
    dialogue = start(ALLOW)
    if after_yes:
        dialogue.receive(rows("question"))

    dialogue.receive(rows("refused"))

    error = error_of(dialogue)
    assert isinstance(error, OrderRejectedError)
    assert "limit price" in str(error)
    assert error.live_order_ids == ()


def test_lost_reply_id_is_unknown() -> None:
    """The order was seen to go live later."""
    dialogue = start(ALLOW)
    dialogue.receive(rows("question"))

    dialogue.receive(parse_place_answer("""{"error":"reply id not found: 'r1'"}"""))

    assert isinstance(error_of(dialogue), OrderUnknownError)


@pytest.mark.parametrize("status", [408, 409, 410, 422, 500, 503])
def test_error_that_means_no_refusal_is_unknown(status: int) -> None:
    """The backend's status counts, although HTTP says 200."""
    dialogue = start()

    dialogue.receive(parse_place_answer(f'{{"error":"oops","statusCode":{status}}}'))

    assert isinstance(error_of(dialogue), OrderUnknownError)


def test_error_that_means_4xx_is_a_rejection() -> None:
    """As if HTTP had said it."""
    dialogue = start()

    dialogue.receive(parse_place_answer('{"error":"bad account","statusCode":400}'))

    assert isinstance(error_of(dialogue), OrderRejectedError)


def test_failed_leg_is_reported_with_what_is_live() -> None:
    """The parent that IBKR keeps is named, although it is inactive: it can come back."""
    dialogue = start(legs=2)

    dialogue.receive(rows("bracket_leg_rejected"))

    error = error_of(dialogue)
    assert isinstance(error, OrderRejectedError)
    assert error.live_order_ids == ("987654",)
    assert "The child's price is invalid." in str(error)


def test_failed_leg_without_words_gives_its_status() -> None:
    """There is always something to read."""
    dialogue = start()

    dialogue.receive(parse_place_answer('[{"order_id":"-1","order_status":"Failed"}]'))

    assert "status Failed" in str(error_of(dialogue))


def test_question_beside_a_failed_leg_is_declined_first() -> None:
    """No question is left open when the submission ends."""
    dialogue = start(ALLOW, legs=2)

    dialogue.receive(rows("refused") + question(1))
    assert reply_of(dialogue) == ("r1", False)
    dialogue.receive(rows("refused"))

    assert isinstance(error_of(dialogue), OrderRejectedError)


def test_question_beside_a_failed_leg_that_stays_open_is_unknown() -> None:
    """Its leg may go live yet."""
    dialogue = start(legs=2)
    dialogue.receive(rows("refused") + question(1))

    dialogue.failed(LOST)

    error = error_of(dialogue)
    assert isinstance(error, OrderUnknownError)
    assert "still open" in str(error)


def test_missing_leg_is_unknown_with_what_is_live() -> None:
    """A leg that IBKR does not mention may be live or not."""
    dialogue = start(legs=3)

    dialogue.receive(rows("accepted"))

    error = error_of(dialogue)
    assert isinstance(error, OrderUnknownError)
    assert error.live_order_ids == ("987654",)
    assert "all but 2 of 3 legs" in str(error)


def test_same_order_id_twice_is_one_leg() -> None:
    """A repeated row does not stand for a missing leg."""
    dialogue = start(legs=2)

    dialogue.receive(rows("accepted") + rows("accepted"))

    assert isinstance(error_of(dialogue), OrderUnknownError)


def test_all_legs_are_acknowledged_child_first() -> None:
    """The place of a row says nothing."""
    dialogue = start(legs=3)

    dialogue.receive(rows("bracket_child_first"))

    assert isinstance(dialogue.step, Acknowledged)
    assert len(dialogue.step.rows) == 3


def test_prompt_is_unknown_and_names_the_order() -> None:
    """Each option of a prompt lets the order go on, so it cannot be called refused."""
    dialogue = start(Answers.allow("p12"))

    rows_of_prompt = rows("prompt")
    dialogue.receive(rows_of_prompt)

    error = error_of(dialogue)
    assert isinstance(error, OrderUnknownError)
    assert error.live_order_ids == ("987654",)
    assert "answer_prompt" in str(error)
    assert error.prompt is rows_of_prompt[0]


IN_USE = '{"error":"Local order ID=c1 is already registered."}'


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(IN_USE, id="refused"),
        pytest.param(
            '[{"order_id":"1","order_status":"Failed","text":"Local order ID=c1 is already '
            'registered."}]',
            id="leg",
        ),
    ],
)
def test_refusal_of_a_used_id_is_unknown(answer: str) -> None:
    """An order has this id, and it may be live: nothing says that there is none."""
    dialogue = start()

    dialogue.receive(parse_place_answer(answer))

    error = error_of(dialogue)
    assert isinstance(error, OrderUnknownError)
    assert error.coid_reused
    assert "used before" in str(error)


def test_used_id_as_a_status_is_unknown() -> None:
    """The same words with an HTTP error mean the same."""
    dialogue = start()

    dialogue.failed(BadRequestError("POST /x", 400, "Local order ID=c1 is already registered."))

    assert error_of(dialogue).coid_reused


def test_used_id_after_a_yes_is_unknown() -> None:
    """IBKR may look at the id only when the question has been answered."""
    dialogue = start(ALLOW)
    dialogue.receive(question(1))

    dialogue.receive(parse_place_answer(IN_USE))

    assert error_of(dialogue).coid_reused


def test_used_id_of_a_modification_is_a_rejection() -> None:
    """The order is known to be there, and keeps its terms."""
    dialogue = SubmitDialogue("c1", 1, Answers.none(), modifies=True)

    dialogue.receive(parse_place_answer(IN_USE))

    assert isinstance(error_of(dialogue), OrderRejectedError)


def test_prompt_without_order_names_none() -> None:
    """No order id is made up."""
    dialogue = start()

    dialogue.receive(parse_place_answer('{"reqId":"1","options":["A"],"prompt":true}'))

    assert error_of(dialogue).live_order_ids == ()


# --- failures: the table in the module's docstring -----------------------------------------------

NOTHING_SENT: list[IbkrError] = [
    ConnectFailedError("POST /x", "refused", may_have_reached_server=False),
    TlsError("POST /x", "wrong certificate", may_have_reached_server=False),
    AuthError("live session token", "refused"),
    SessionError("not ready"),
    ClosedError("client"),
    RateLimitedError("POST /x", 429, "not sent: the next slot is 90 s away", was_sent=False),
]
PROOF: list[IbkrError] = [
    BadRequestError("POST /x", 400, "accountId is not valid"),
    ForbiddenError("POST /x", 403, "not permitted"),
    NotFoundError("POST /x", 404, "not found"),
    BadRequestError("POST /x", 411, "length required"),
    RateLimitedError("POST /x", 429, "too many"),
    RefusedError("POST /x", 200, "no"),
]
IN_DOUBT: list[IbkrError] = [
    RequestTimeoutError("POST /x", "no answer", may_have_reached_server=True),
    ConnectionBrokenError("POST /x", "reset", may_have_reached_server=True),
    ConnectFailedError("POST /x", "odd", may_have_reached_server=True),
    ServerError("POST /x", 500, "error"),
    LOST,
    UnreadableResponseError("POST /x", 200, "HTML"),
    UnreadableResponseError("POST /x", 400, "HTML"),
    UnreadableResponseError("POST /x", 302, "redirect"),
    NotReadyError("POST /x", 202, "no content"),
    NotReadyError("POST /x", 200, "an empty answer"),
    BadRequestError("POST /x", 408, "timeout"),
    IbkrError("something new"),
]


@pytest.mark.parametrize("failure", NOTHING_SENT, ids=repr)
def test_failure_before_sending_is_itself(failure: IbkrError) -> None:
    """The order does not exist, and the error says why."""
    dialogue = start()

    dialogue.failed(failure)

    assert error_of(dialogue) is failure
    assert dialogue.situation == "failed"


@pytest.mark.parametrize("failure", PROOF, ids=repr)
def test_proven_refusal_of_the_tickets_is_a_rejection(failure: IbkrError) -> None:
    """The server said no before it accepted anything; its error is the cause."""
    dialogue = start()

    dialogue.failed(failure)

    assert isinstance(error_of(dialogue), OrderRejectedError)
    assert isinstance(dialogue.step, Failed)
    assert dialogue.step.cause is failure


@pytest.mark.parametrize("failure", IN_DOUBT, ids=repr)
def test_every_other_failure_of_the_tickets_is_unknown(failure: IbkrError) -> None:
    """After the server may have received them, only proof counts."""
    dialogue = start()

    dialogue.failed(failure)

    assert isinstance(error_of(dialogue), OrderUnknownError)


def test_lapsed_login_is_itself_and_says_that_nothing_was_placed() -> None:
    """IBKR has not looked at the order, so it did not reject it."""
    failure = UnauthorizedError("POST /x", 401, "expired", body="{}")
    dialogue = start()

    dialogue.failed(failure)

    error = error_of(dialogue)
    assert isinstance(error, UnauthorizedError)
    assert (error.request, error.status, error.body) == ("POST /x", 401, "{}")
    assert "nothing was placed" in str(error)
    assert isinstance(dialogue.step, Failed)
    assert dialogue.step.cause is failure


@pytest.mark.parametrize("failure", NOTHING_SENT, ids=repr)
def test_yes_that_was_not_sent_leaves_no_order(failure: IbkrError) -> None:
    """The order does not go on without it."""
    dialogue = start(ALLOW)
    dialogue.receive(rows("question"))

    dialogue.failed(failure)

    assert error_of(dialogue) is failure


def test_yes_that_was_not_sent_hides_no_leg() -> None:
    """Another leg was accepted before: it is named, and the question is said to be open."""
    dialogue = start(ALLOW, 2)
    dialogue.receive((*rows("accepted"), *rows("question")))

    dialogue.failed(NOTHING_SENT[0])

    error = error_of(dialogue)
    assert isinstance(error, OrderQuestionError)
    assert error.live_order_ids == ("987654",)
    assert "the yes was not sent" in error.reason
    assert not error.declined


LAPSED = UnauthorizedError("POST /x", 401, "expired")


@pytest.mark.parametrize("failure", [*PROOF, *IN_DOUBT, LAPSED], ids=repr)
def test_every_failure_of_a_yes_that_was_sent_is_unknown(failure: IbkrError) -> None:
    """A half-confirmed order was seen to go live later."""
    dialogue = start(ALLOW)
    dialogue.receive(rows("question"))

    dialogue.failed(failure)

    error = error_of(dialogue)
    assert isinstance(error, OrderUnknownError)
    assert "yes to question o163" in str(error)


def test_unknown_outcome_gives_no_advice_but_its_own() -> None:
    """A lost reply id says "correct the request"; a trader who did would place the order twice."""
    lost = BadRequestError("POST /iserver/reply/r1", 400, "reply id not found: 'r1'")
    dialogue = start(ALLOW)
    dialogue.receive(rows("question"))

    dialogue.failed(lost)

    assert "correct the request" in str(lost)
    assert "reply id not found: 'r1'" in str(error_of(dialogue))
    assert "correct the request" not in str(error_of(dialogue))
    assert "before placing it again" in str(error_of(dialogue))


@pytest.mark.parametrize("failure", [*NOTHING_SENT, *PROOF, *IN_DOUBT, LAPSED], ids=repr)
def test_every_failure_of_a_no_leaves_the_question_refused(failure: IbkrError) -> None:
    """The outcome does not hang on it."""
    dialogue = start()
    dialogue.receive(rows("question"))

    dialogue.failed(failure)

    assert isinstance(error_of(dialogue), OrderQuestionError)


def test_situation_says_what_was_under_way() -> None:
    """For a submission that is cancelled from outside."""
    dialogue = start(ALLOW | Answers.ask(undecided))
    assert dialogue.situation == "given up while the order was being sent"

    dialogue.receive(rows("question"))
    assert dialogue.situation == "given up while yes to question o163 was being sent"

    dialogue.receive(question(2, kind="o403"))
    assert dialogue.situation == "given up with question o403 open"

    dialogue.decide(Verdict(accept=False))
    assert dialogue.situation == "given up with question o403 open"


@given(
    st.lists(
        st.sampled_from(
            ["accepted", "question", "question_no_data", "refused", "prompt", "lost", "yes", "no"]
        ),
        max_size=40,
    ),
    st.integers(1, 3),
    st.booleans(),
)
def test_any_conversation_ends_and_is_bounded(events: list[str], legs: int, asks: bool) -> None:
    """No order of events makes the dialogue fail, or send more than its bound."""
    dialogue = start(ALLOW | Answers.ask(undecided) if asks else ALLOW, legs)
    sent = 0
    for event in events:
        if isinstance(dialogue.step, Acknowledged | Failed):
            break
        if isinstance(dialogue.step, AskUser):
            dialogue.decide(Verdict(accept=event == "yes"))
        elif event == "lost":
            sent += 1
            dialogue.failed(LOST)
        elif event not in {"yes", "no"}:
            sent += 1
            dialogue.receive(rows(event))

    assert sent <= MAX_QUESTIONS + 2


def test_refused_permission_turns_only_a_yes_into_a_no() -> None:
    """Tickets that may not leave are just not sent."""
    refusal = OrderGuardError("c", "the kill switch is on")
    placing = SubmitDialogue("c", 1, Answers.none())
    placing.failed(refusal)
    asked = SubmitDialogue("c", 1, Answers.allow("o163"))
    asked.receive(rows("question"))
    asked.failed(refusal)

    assert placing.step == Failed(refusal)
    assert isinstance(asked.step, SendReply)
    assert not asked.step.confirmed
    asked.receive(())
    assert isinstance(asked.step, Failed)
    assert isinstance(asked.step.error, OrderQuestionError)
    assert asked.step.cause is refusal
