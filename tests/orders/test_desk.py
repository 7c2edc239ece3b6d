from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from ibkr_async.errors import (
    BadRequestError,
    ConnectFailedError,
    ConnectionBrokenError,
    NotReadyError,
    OrderGuardError,
    OrderInvalidError,
    OrderQuestionError,
    OrderRejectedError,
    OrderUnknownError,
    RefusedError,
    RequestTimeoutError,
    ServerError,
    SessionTimeoutError,
    UnknownSymbolError,
    UsageError,
)
from ibkr_async.models.contracts import ResolvedContract
from ibkr_async.models.order_answers import OrderAccepted, OrderQuestion, PromptQuestion
from ibkr_async.orders.desk import OrderDesk
from ibkr_async.orders.send.preparation import AccountFacts
from ibkr_async.orders.write.groups import Bracket, OcaGroup
from ibkr_async.orders.write.order_types import LimitOrder, MarketOrder
from ibkr_async.orders.write.policy import Answers, Question
from ibkr_async.rest.request import Urgency
from ibkr_async.types import Conid, Side
from support import order_desk
from support.fake_send import Answer, FakeSend
from support.fake_time import FakeTime, fake_world
from support.order_desk import TestDesk

PREVIEW = b'{"amount":{"amount":"1,895.00 USD (10 Shares)"}}'
PLACE = "POST /iserver/account/DU1/orders"
LIVE = "GET /iserver/account/orders"
REPLY_1 = "POST /iserver/reply/3b1f0c52-7d3e-4c0a-9a52-5a6f2f1d0a01"
REPLY_2 = "POST /iserver/reply/3b1f0c52-7d3e-4c0a-9a52-5a6f2f1d0a02"

ORDER = LimitOrder(265598, Side.BUY, 10, "189.50", coid="my-1")
TIMEOUT = RequestTimeoutError(PLACE, "no answer", may_have_reached_server=True)
REFUSED_CONNECTION = ConnectFailedError(PLACE, "refused", may_have_reached_server=False)


def make_desk(
    send: FakeSend,
    *,
    is_paper: bool | None = True,
    default_account_id: str | None = "DU1",
    time: FakeTime | None = None,
    **options: Any,
) -> TestDesk:
    """Open a desk over a script of answers."""
    facts = AccountFacts(default_account_id=default_account_id, is_paper=is_paper)
    return order_desk.make_desk(send, facts=lambda: facts, world=fake_world(time), **options)


# --- outcomes ------------------------------------------------------------------------------------


async def test_submit_returns_the_acknowledged_order() -> None:
    """One request, one handle; the ticket is on the wire with account and client order id."""
    send = FakeSend("accepted")

    live = await make_desk(send).submit(LimitOrder(265598, Side.BUY, 10, "189.50"))

    assert send.labels == [PLACE]
    assert send.body()["orders"][0]["cOID"] == "made-1"
    assert send.body()["orders"][0]["acctId"] == "DU1"
    assert (live.coid, live.account_id, live.order_id) == ("made-1", "DU1", "987654")
    assert live.state.status == "PreSubmitted"
    assert "order 987654 BUY 10 PreSubmitted" in repr(live)


async def test_nothing_that_trades_is_replayable() -> None:
    """The pipeline may not repeat an order or a reply, and gives them its time limit for actions."""
    send = FakeSend("question", "accepted")

    await make_desk(send).submit(ORDER, answers=Answers.allow("o163"))

    assert [request.replayable for request in send.requests] == [False, False]
    assert [request.timeout_s for request in send.requests] == [None, None]
    assert [request.urgency for request in send.requests] == [Urgency.ORDER] * 2


async def test_allowed_questions_are_confirmed_in_a_row() -> None:
    """Nothing else goes out in between."""
    send = FakeSend("question", "question_no_data", "accepted")

    live = await make_desk(send).submit(ORDER, answers=Answers.allow("o163", "o354"))

    assert send.labels == [PLACE, f"{REPLY_1} true", f"{REPLY_2} true"]
    assert live.order_id == "987654"


async def test_question_is_refused_by_default() -> None:
    """IBKR is told no; the error names the question and the cure."""
    send = FakeSend("question", b"{}")
    desk = make_desk(send)

    with pytest.raises(OrderQuestionError, match=r"Answers\.allow\('o163'\)"):
        await desk.submit(ORDER)

    assert send.labels == [PLACE, f"{REPLY_1} false"]
    assert not desk.unknown


async def test_rejection_keeps_the_servers_error_as_cause() -> None:
    """The status and body can still be looked at."""
    send = FakeSend(Answer(b'{"error":"accountId is not valid"}', 400))

    with pytest.raises(OrderRejectedError, match="accountId is not valid") as caught:
        await make_desk(send).submit(ORDER)

    assert isinstance(caught.value.__cause__, BadRequestError)


async def test_rejection_in_a_row_has_no_cause() -> None:
    """It came with status 200."""
    with pytest.raises(OrderRejectedError, match="limit price") as caught:
        await make_desk(FakeSend("refused")).submit(ORDER)

    assert caught.value.__cause__ is None


@pytest.mark.parametrize("call", ["submit", "place"])
async def test_failed_connect_is_itself(call: str) -> None:
    """Nothing was sent, so there is nothing to look for."""
    send = FakeSend(REFUSED_CONNECTION)
    desk = make_desk(send)

    with pytest.raises(ConnectFailedError):
        await getattr(desk, call)(ORDER)

    assert send.labels == [PLACE]
    assert not desk.unknown


# --- unknown outcomes ----------------------------------------------------------------------------


NOTHING = ("live_orders_none", b"[]", b"[]")
"""What one look sees when the order is nowhere; an empty list of trades is asked for twice."""
NOT_FOUND: tuple[Any, ...] = (*NOTHING, "live_orders_none", *NOTHING, *NOTHING)
"""What all three looks see; the second one is forced, whose first answer is blank."""


async def test_order_whose_answer_was_lost_is_found() -> None:
    """It is accepted after all, and was sent once."""
    send = FakeSend(TIMEOUT, "live_orders_cold", "live_orders")
    desk = make_desk(send)

    live = await desk.submit(ORDER)

    assert send.labels == [PLACE, LIVE, LIVE]
    assert send.is_finished
    assert (live.coid, live.order_id, live.state.status) == ("my-1", "987654", "Submitted")
    assert live.state.filled == 0
    assert not desk.unknown


async def test_placed_order_whose_answer_was_lost_is_found() -> None:
    """The single step gives the row that a lost acknowledgement would have been."""
    (row,) = await make_desk(FakeSend(TIMEOUT, "live_orders")).place(ORDER)

    assert isinstance(row, OrderAccepted)
    assert row.order_id == "987654"


async def test_order_that_is_found_dead_is_rejected() -> None:
    """IBKR's reason is in the error."""
    rows = b'{"orders":[{"orderId":7,"order_ref":"my-1","status":"Cancelled","order_cancellation_by_system_reason":"no margin"}],"snapshot":true}'
    desk = make_desk(FakeSend(TIMEOUT, rows))

    with pytest.raises(OrderRejectedError, match="no margin") as caught:
        await desk.submit(ORDER)

    assert caught.value.__cause__ is TIMEOUT
    assert not caught.value.live_order_ids
    assert not desk.unknown


@pytest.mark.parametrize("call", ["submit", "place"])
async def test_order_that_is_not_found_stays_unknown(call: str) -> None:
    """Not found in three looks over fifteen seconds is not proof; it is never sent again."""
    send, time = FakeSend(TIMEOUT, *NOT_FOUND), FakeTime()
    desk = make_desk(send, time=time)

    with pytest.raises(OrderUnknownError, match="proves nothing") as caught:
        await getattr(desk, call)(ORDER)

    assert send.labels.count(PLACE) == 1
    assert send.is_finished
    assert time.slept == [5, 10]
    assert [text.partition(" (")[0] for text in caught.value.looked_at] == [
        "the live orders",
        "the trades",
    ]
    assert desk.unknown["my-1"].looked_at == caught.value.looked_at
    desk.dismiss("my-1")
    desk.dismiss("my-1")
    assert not desk.unknown


async def test_failing_looks_do_not_hide_the_outcome() -> None:
    """What happened to the order matters more than what happened to the looks."""
    broken = ConnectionBrokenError(LIVE, "reset", may_have_reached_server=True)

    with pytest.raises(OrderUnknownError, match="no answer") as caught:
        await make_desk(FakeSend(TIMEOUT, *[broken] * 6)).submit(ORDER)

    assert "failed: " in caught.value.looked_at[0]
    assert caught.value.__cause__ is TIMEOUT


async def test_looks_take_a_bounded_time() -> None:
    """A server that hangs does not hide the outcome either."""
    send = FakeSend(TIMEOUT, *[Answer(hold=True) for _ in range(3)])

    with pytest.raises(OrderUnknownError) as caught:
        await make_desk(send, look_timeout_s=0.001).submit(ORDER)

    assert caught.value.looked_at == ("the live orders (no answer within 0.001 s)",)


async def test_stale_reply_is_unknown() -> None:
    """A yes that ends in 503 was seen to go live later."""
    send = FakeSend(
        "question",
        Answer(b'{"error":"Service Unavailable","statusCode":503}', 503),
        *NOT_FOUND,
    )

    with pytest.raises(OrderUnknownError) as caught:
        await make_desk(send).submit(ORDER, answers=Answers.allow("o163"))

    assert isinstance(caught.value.__cause__, ServerError)
    assert send.labels[:3] == [PLACE, f"{REPLY_1} true", LIVE]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"who":"knows"}', b'{"broken', b"", b"\xff"])
async def test_unreadable_success_is_unknown(body: bytes) -> None:
    """A 200 that is not understood may be an acceptance."""
    with pytest.raises(OrderUnknownError):
        await make_desk(FakeSend(body, *NOT_FOUND)).submit(ORDER)


async def test_defect_halfway_is_remembered() -> None:
    """Even an exception that should not exist leaves a trace of the order."""
    desk = make_desk(FakeSend(ZeroDivisionError()))

    with pytest.raises(ZeroDivisionError):
        await desk.submit(ORDER)

    assert "my-1" in desk.unknown


# --- cancellation --------------------------------------------------------------------------------


async def never(_question: Question) -> bool:
    """Stand for a callback that waits for a human."""
    await asyncio.Event().wait()
    raise AssertionError


@pytest.mark.parametrize(
    ("script", "at", "situation"),
    [
        (["hold"], 0, "while the order was being sent"),
        (["question", "hold"], 1, "while yes to question o163 was being sent"),
        (["question_no_data", "hold"], 1, "with question o354 open"),
        ([TIMEOUT, "hold"], 1, "no answer"),
    ],
)
async def test_cancelled_submit_is_remembered_and_logged(
    script: list[Any], at: int, situation: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At each await: the cancellation goes on, and the order is in `unknown`."""
    answers = [Answer(hold=True) if entry == "hold" else entry for entry in script]
    send = FakeSend(*answers)
    desk = make_desk(send)
    task = asyncio.create_task(desk.submit(ORDER, answers=Answers.allow("o163")))
    await answers[at].reached.wait()

    task.cancel()
    with (
        caplog.at_level(logging.WARNING, "ibkr_async.orders"),
        pytest.raises(asyncio.CancelledError),
    ):
        await task

    assert situation in desk.unknown["my-1"].detail
    (record,) = caplog.records
    assert record.name == "ibkr_async.orders"
    assert record.levelname == "WARNING"
    assert "my-1" in record.getMessage()


async def test_submit_cancelled_in_the_callback_is_remembered() -> None:
    """The question is open then."""
    asked = asyncio.Event()

    async def callback(question: Question) -> bool:
        asked.set()
        return await never(question)

    desk = make_desk(FakeSend("question"))
    task = asyncio.create_task(desk.submit(ORDER, answers=Answers.ask(callback)))
    await asked.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert "question o163 open" in desk.unknown["my-1"].detail


async def test_cancelled_place_is_remembered() -> None:
    """The single step is as careful as the dialogue."""
    answer = Answer(hold=True)
    desk = make_desk(FakeSend(answer))
    task = asyncio.create_task(desk.place(ORDER))
    await answer.reached.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert "my-1" in desk.unknown


async def test_submit_cancelled_while_waiting_its_turn_left_nothing() -> None:
    """Nothing was sent, so nothing is unknown, and the lock is free for the next."""
    answer = Answer(b'[{"order_id":"1","order_status":"Submitted"}]', hold=True)
    send = FakeSend(answer, "accepted")
    desk = make_desk(send)
    first = asyncio.create_task(desk.submit(MarketOrder(1, "BUY", 1)))
    await answer.reached.wait()
    second = asyncio.create_task(desk.submit(ORDER))
    await asyncio.sleep(0)

    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    answer.released.set()
    await first
    await desk.submit(MarketOrder(1, "BUY", 1))

    assert not desk.unknown
    assert len(send.requests) == 2


async def test_cancelled_scope_of_the_caller_is_a_cancellation() -> None:
    """A caller's own scope or time limit leaves the order in `unknown` too."""
    answer = Answer(hold=True)
    desk = make_desk(FakeSend(answer))

    async with anyio.create_task_group() as group:
        group.start_soon(desk.submit, ORDER)
        await answer.reached.wait()
        group.cancel_scope.cancel()

    assert "my-1" in desk.unknown


# --- one dialogue at a time ----------------------------------------------------------------------


async def test_concurrent_submits_serialise_with_their_replies() -> None:
    """No order request goes out between a question and its reply."""
    send = FakeSend(*(name for n in range(1, 6) for name in (f"question#{n}", f"accepted#{n}")))
    desk = make_desk(send)

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(
                lambda: desk.submit(MarketOrder(1, "BUY", 1), answers=Answers.allow("o163"))
            )

    replies = [REPLY_1.replace("5a6f2f1d0a", f"5a6f2f1d{n}0") for n in range(1, 6)]
    assert send.labels == [label for one in replies for label in (PLACE, f"{one} true")]
    assert send.most_under_way == 1


async def test_cancel_and_reads_go_on_during_a_submit() -> None:
    """A cancel must never wait for a question."""
    answer = Answer(b'[{"order_id":"1","order_status":"Submitted"}]', hold=True)
    send = FakeSend(answer, "cancelled", "live_orders")
    desk = make_desk(send)
    submitting = asyncio.create_task(desk.submit(ORDER))
    await answer.reached.wait()

    await desk.cancel("987654")
    await desk.live()

    assert not submitting.done()
    answer.released.set()
    await submitting
    assert send.labels == [PLACE, "DELETE /iserver/account/DU1/order/987654", LIVE]


# --- the callback --------------------------------------------------------------------------------


async def test_callback_sees_the_whole_question() -> None:
    """And its True is a yes."""
    seen: list[Question] = []

    async def callback(question: Question) -> bool:
        seen.append(question)
        return True

    send = FakeSend("question", "accepted")
    await make_desk(send).submit(ORDER, answers=Answers.ask(callback))

    assert seen[0].coid == "my-1"
    assert seen[0].message_ids == ("o163",)
    assert seen[0].options == ("Yes", "No")
    assert send.labels[1].endswith("true")


async def truthy(_question: Question) -> Any:
    """Return something that is not True."""
    return "yes"


async def failing(_question: Question) -> bool:
    """Stand for a defect in the user's code."""
    raise ValueError("oops")


@pytest.mark.parametrize(
    ("callback", "limit", "reason"),
    [
        (truthy, 20, "did not return True"),
        (failing, 20, "raised ValueError"),
        (never, 0.001, "did not decide within 0.001 s"),
    ],
)
async def test_anything_but_true_is_a_no(
    callback: Callable[[Question], Awaitable[bool]], limit: float, reason: str
) -> None:
    """Another value, an exception and silence all refuse the question."""
    send = FakeSend("question", b"{}")

    with pytest.raises(OrderQuestionError, match=reason) as caught:
        await make_desk(send, ask_timeout_s=limit).submit(ORDER, answers=Answers.ask(callback))

    assert send.labels[1].endswith("false")
    assert isinstance(caught.value.__cause__, ValueError) is (callback is failing)


async def test_callback_must_not_place_orders() -> None:
    """It would wait for itself; the mistake is named instead."""
    send = FakeSend("question", b"{}")
    desk = make_desk(send)

    async def callback(_question: Question) -> bool:
        await desk.submit(MarketOrder(1, "BUY", 1))
        return True

    with pytest.raises(OrderQuestionError) as caught:
        await desk.submit(ORDER, answers=Answers.ask(callback))

    assert isinstance(caught.value.__cause__, UsageError)
    assert len(send.requests) == 2


# --- brackets ------------------------------------------------------------------------------------

BRACKET = Bracket(
    entry=LimitOrder(265598, Side.BUY, 10, "189.50", coid="parent-1"),
    take_profit="195.00",
    stop_loss="186.00",
)


async def test_bracket_is_one_request_and_every_leg_is_named() -> None:
    """The entry comes first in the handle, although IBKR sent a child first."""
    send = FakeSend("bracket_child_first")

    live = await make_desk(send).submit(BRACKET)

    assert len(send.body()["orders"]) == 3
    assert [(leg.order_id, leg.role) for leg in live.legs] == [
        ("987654", "entry"),
        ("987656", "exit"),
        ("987655", "exit"),
    ]
    assert [leg.coid for leg in live.legs] == ["parent-1", None, None]


async def test_failed_leg_is_reported_with_what_is_live() -> None:
    """The parent that IBKR keeps can be cancelled by its id."""
    with pytest.raises(OrderRejectedError) as caught:
        await make_desk(FakeSend("bracket_leg_rejected")).submit(BRACKET)

    assert caught.value.live_order_ids == ("987654",)


async def test_missing_leg_is_unknown() -> None:
    """And the ids that IBKR named are kept with those that the look finds."""
    desk = make_desk(FakeSend("accepted", "live_orders_none", "status", *NOT_FOUND[1:]))

    with pytest.raises(OrderUnknownError) as caught:
        await desk.submit(BRACKET)

    assert caught.value.live_order_ids == ("987654",)
    assert "parent-1" in desk.unknown


# --- the guard -----------------------------------------------------------------------------------

PROMPT = PromptQuestion(order_id="987654", req_id="29042", options=("Use on this order", "Do not"))


@pytest.mark.parametrize("is_paper", [False, None])
@pytest.mark.parametrize(
    "call",
    [
        lambda desk: desk.submit(ORDER),
        lambda desk: desk.place(ORDER),
        lambda desk: desk.reply("r1", confirmed=True),
        lambda desk: desk.answer_prompt(PROMPT, "Do not"),
    ],
)
async def test_live_account_is_guarded(call: Any, *, is_paper: bool | None) -> None:
    """On every path that can place an order; an account that is not known counts as live."""
    send = FakeSend()

    with pytest.raises(OrderGuardError, match="allow_live_orders=True"):
        await call(make_desk(send, is_paper=is_paper))

    assert not send.requests


@pytest.mark.parametrize("is_paper", [False, None])
async def test_live_account_can_be_allowed(*, is_paper: bool | None) -> None:
    """By one explicit setting."""
    desk = make_desk(FakeSend("accepted"), is_paper=is_paper, allow_live_orders=True)

    assert (await desk.submit(ORDER)).order_id == "987654"


async def test_refusing_and_cancelling_are_never_guarded() -> None:
    """What makes positions smaller or stops them is always possible."""
    desk = make_desk(FakeSend(b'{"error":"Order not confirmed "}', "cancelled"), is_paper=False)

    await desk.reply("r1", confirmed=False)
    await desk.cancel(987654)


async def test_invalid_order_is_refused_before_the_account_is_looked_up() -> None:
    """Validation is before any I/O."""
    desk = make_desk(FakeSend(), is_paper=False)

    with pytest.raises(OrderInvalidError):
        await desk.submit([])


async def test_order_needs_an_account() -> None:
    """From the call, the order or the session."""
    send = FakeSend("accepted", "accepted#2")
    desk = make_desk(send, default_account_id=None)

    with pytest.raises(OrderInvalidError, match="account_id"):
        await desk.submit(ORDER)
    await desk.submit(ORDER, account_id="DU7")
    await desk.submit(MarketOrder(1, "BUY", 1, account_id="DU8"))

    assert [request.path_params["account_id"] for request in send.requests] == ["DU7", "DU8"]


# --- contracts -----------------------------------------------------------------------------------

APPLE = ResolvedContract(Conid(265598), "AAPL")


@pytest.mark.parametrize(
    "order",
    [
        LimitOrder("AAPL", "BUY", 10, "189.50", coid="my-1"),
        LimitOrder(APPLE, "BUY", 10, "189.50", coid="my-1"),
        LimitOrder("AAPL", "BUY", 10, "189.50", coid="my-1", exchange="ARCA"),
        Bracket(entry=LimitOrder("AAPL", "BUY", 10, "189.50"), take_profit=200, stop_loss="180"),
        OcaGroup((LimitOrder("AAPL", "BUY", 1, 1), LimitOrder("MSFT", "SELL", 1, 900))),
    ],
)
async def test_contract_is_named_as_the_user_likes(order: Any) -> None:
    """A symbol is looked up before anything is sent, in every leg; a contract knows its conid."""
    send = FakeSend("accepted", "accepted", PREVIEW)
    desk = make_desk(send)

    await desk.place(order)
    if isinstance(order, LimitOrder):
        await desk.modify(987654, order)
        await desk.what_if(order)

    for index in range(len(send.requests)):
        body = send.body(index)
        for ticket in body.get("orders", [body]):
            named = ticket.get("conid") or ticket.get("conidex")
            assert named in {265598, 272093, "265598@ARCA"}


async def test_symbol_that_means_no_contract_stops_the_order() -> None:
    """And nothing is sent."""
    send = FakeSend()

    with pytest.raises(UnknownSymbolError):
        await make_desk(send).submit(MarketOrder("APPL", "BUY", 1))

    assert not send.requests


# --- the face ------------------------------------------------------------------------------------


def test_desk_shows_only_what_a_user_may_call() -> None:
    """Each with a docstring of its own; the engine is another object."""
    shown = {name for name in dir(OrderDesk) if not name.startswith("_")}
    on_the_object = {name for name in vars(make_desk(FakeSend())) if not name.startswith("_")}

    assert shown == {
        "answer_prompt", "cancel", "cancel_all", "dismiss", "find", "known", "live", "modify",
        "place", "recovered", "reply", "reset_suppressed", "status", "submit", "suppress", "trades",
        "unknown", "watch", "what_if",
    }  # fmt: skip
    assert on_the_object == {"engine"}  # of the test's own kind of desk
    assert all(getattr(OrderDesk, name).__doc__ for name in shown)


# --- single steps --------------------------------------------------------------------------------


async def test_place_returns_the_first_answer_as_it_is() -> None:
    """A question is left to the caller, who answers it with `reply`."""
    send = FakeSend("question", "question_no_data", "accepted")
    desk = make_desk(send)

    (first,) = await desk.place(ORDER)
    assert isinstance(first, OrderQuestion)
    (second,) = await desk.reply(first.id, confirmed=True)
    assert isinstance(second, OrderQuestion)
    (last,) = await desk.reply(second.id, confirmed=True)

    assert isinstance(last, OrderAccepted)
    assert send.labels == [PLACE, f"{REPLY_1} true", f"{REPLY_2} true"]


async def test_failed_yes_is_unknown_under_the_orders_coid() -> None:
    """The desk knows which order the reply id belonged to."""
    desk = make_desk(FakeSend("question", TIMEOUT))
    (question,) = await desk.place(ORDER)
    assert isinstance(question, OrderQuestion)

    with pytest.raises(OrderUnknownError) as caught:
        await desk.reply(question.id, confirmed=True)

    assert caught.value.coid == "my-1"
    assert "my-1" in desk.unknown


async def test_failed_yes_to_a_strange_reply_id_is_unknown_too() -> None:
    """The desk does not know the order, but the outcome is no clearer."""
    desk = make_desk(FakeSend(TIMEOUT))

    with pytest.raises(OrderUnknownError, match="of reply r1"):
        await desk.reply("r1", confirmed=True)

    assert not desk.unknown


@pytest.mark.parametrize(("failure", "confirmed"), [(REFUSED_CONNECTION, True), (TIMEOUT, False)])
async def test_harmless_failure_of_a_reply_is_itself(
    failure: Exception, *, confirmed: bool
) -> None:
    """A yes that never left, or a no."""
    desk = make_desk(FakeSend(failure))

    with pytest.raises(type(failure)):
        await desk.reply("r1", confirmed=confirmed)


@pytest.mark.parametrize("confirmed", [True, False])
async def test_cancelled_reply_is_remembered_when_it_was_a_yes(
    *, confirmed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A no that is cancelled places nothing."""
    answer = Answer(hold=True)
    desk = make_desk(FakeSend("question", answer))
    (question,) = await desk.place(ORDER)
    assert isinstance(question, OrderQuestion)
    task = asyncio.create_task(desk.reply(question.id, confirmed=confirmed))
    await answer.reached.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ("my-1" in desk.unknown) is confirmed
    assert bool(caplog.records) is confirmed


async def test_prompt_is_answered_with_one_of_its_options() -> None:
    """Word for word; anything else is refused here."""
    send = FakeSend(b"Request was submitted")
    desk = make_desk(send)

    with pytest.raises(UsageError, match="not one of"):
        await desk.answer_prompt(PROMPT, "Perhaps")
    words = await desk.answer_prompt(PROMPT, "Do not")

    assert words == "Request was submitted"
    assert send.body() == {"orderId": 987654, "reqId": "29042", "text": "Do not"}


# --- cancelling and looking ----------------------------------------------------------------------


async def test_cancel_goes_ahead_of_everything() -> None:
    """With the whole request limit at its disposal, to the default account unless another is named."""
    send = FakeSend("cancelled", "cancelled", "cancelled")
    desk = make_desk(send)

    reply = await desk.cancel("987654")
    await desk.cancel(987654, "DU2")
    await desk.cancel_all()

    assert reply.conid == -1
    assert [request.urgency for request in send.requests] == [Urgency.CANCEL] * 3
    assert send.labels == [
        "DELETE /iserver/account/DU1/order/987654",
        "DELETE /iserver/account/DU2/order/987654",
        "DELETE /iserver/account/DU1/order/-1",
    ]


async def test_cancel_waits_for_no_session_when_the_account_is_known() -> None:
    """That of the call, or the single one that the session has named before; else it has to wait."""
    waited = 0

    async def session_ready() -> None:
        nonlocal waited
        waited += 1
        raise SessionTimeoutError(60.0, "competing")

    known = AccountFacts(default_account_id="DU1", is_paper=None)
    nobody = AccountFacts(default_account_id=None, is_paper=None)
    send = FakeSend("cancelled", "cancelled", "cancelled")
    desk = order_desk.make_desk(send, facts=lambda: known, session_ready=session_ready)
    early = order_desk.make_desk(send, facts=lambda: nobody, session_ready=session_ready)

    await desk.cancel(987654)
    await desk.cancel_all()
    await early.cancel(987654, "DU2")
    assert waited == 0
    with pytest.raises(SessionTimeoutError):
        await early.cancel(987654)


@pytest.mark.parametrize("order_id", ["-1", -1, "", "my-1"])
async def test_cancel_takes_order_ids_only(order_id: Any) -> None:
    """A slip must not cancel everything."""
    with pytest.raises(UsageError, match=r"cancel_all|not a text"):
        await make_desk(FakeSend()).cancel(order_id)


async def test_refused_cancel_raises() -> None:
    """IBKR says so with status 200, as an object or in an array."""
    send = FakeSend(b'{"error":"OrderID 1 doesn\'t exist"}', b'[{"error":"no"}]', b"7")
    desk = make_desk(send)

    with pytest.raises(RefusedError, match="doesn't exist"):
        await desk.cancel(1)
    with pytest.raises(RefusedError, match="no"):
        await desk.cancel(1)
    with pytest.raises(Exception, match="unexpected shape"):
        await desk.cancel(1)


async def test_live_waits_until_the_orders_are_collected() -> None:
    """The first answer of a session says nothing."""
    send = FakeSend("live_orders_cold", "live_orders")

    found = await make_desk(send).live()

    assert found.orders[0].order_ref == "my-1"


async def test_no_live_orders_is_an_answer() -> None:
    """Once IBKR says that it has collected them."""
    assert (await make_desk(FakeSend("live_orders_none")).live()).orders == ()


async def test_rows_count_even_while_ibkr_is_collecting() -> None:
    """Only emptiness needs the flag."""
    rows = b'{"orders":[{"orderId":1,"status":"Submitted"}],"snapshot":false}'

    assert len((await make_desk(FakeSend(rows)).live()).orders) == 1


async def test_live_never_calls_an_unfinished_answer_empty() -> None:
    """After three tries it says so."""
    send = FakeSend(*["live_orders_cold"] * 3)

    with pytest.raises(NotReadyError, match="collected"):
        await make_desk(send).live()

    assert send.is_finished


async def test_forced_read_takes_two_steps() -> None:
    """The forced answer is blank by design, the next one has the orders."""
    send = FakeSend("live_orders_none", "live_orders")

    found = await make_desk(send).live(force=True, account_id="DU2")

    assert len(found.orders) == 1
    assert [request.query for request in send.requests] == [
        (("force", "true"), ("accountId", "DU2")),
        (("accountId", "DU2"),),
    ]


async def test_filtered_read_tells_the_follower() -> None:
    """It silences the live news at IBKR, which a forced read undoes."""
    send = FakeSend("live_orders")
    desk = make_desk(send)

    await desk.live(filters=["submitted"])

    assert send.requests[0].query == (("filters", "submitted"),)
    assert desk.engine.news.take_silenced()


async def test_trades_are_asked_for_twice_when_the_first_answer_is_empty() -> None:
    """The first call of a session is a warm-up."""
    send = FakeSend(b"[]", "trades")

    trades = await make_desk(send).trades(days=2)

    assert len(trades) == 1
    assert [request.query for request in send.requests] == [(("days", "2"),)] * 2


@pytest.mark.parametrize("days", [0, 8])
async def test_trades_go_back_seven_days(days: int) -> None:
    """Anything else is refused before it is sent."""
    with pytest.raises(UsageError, match="1 to 7"):
        await make_desk(FakeSend()).trades(days)


async def test_status_of_one_order() -> None:
    """Numbers and texts are both order ids."""
    send = FakeSend("status")

    status = await make_desk(send).status(987654)

    assert status.order_status == "Filled"
    assert send.labels == ["GET /iserver/account/order/status/987654"]


async def test_questions_can_be_suppressed_and_reset() -> None:
    """For the session, by message id."""
    send = FakeSend(b'{"status":"submitted"}', b'{"status":"submitted"}')
    desk = make_desk(send)

    assert (await desk.suppress(["o163", "o354"])).status == "submitted"
    assert (await desk.reset_suppressed()).status == "submitted"

    assert send.body() == {"messageIds": ["o163", "o354"]}


@pytest.mark.parametrize("message_ids", ["o163", [], ["o1"] * 52])
async def test_suppressing_takes_1_to_51_ids(message_ids: Any) -> None:
    """An empty list makes IBKR answer 500."""
    with pytest.raises(UsageError, match="1 to 51"):
        await make_desk(FakeSend()).suppress(message_ids)
