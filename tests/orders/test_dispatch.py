"""The turn of each submission, seen through a desk whose answers are written down."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from typing import Any

import pytest

from ibkr_async.errors import OrderGuardError, OrderQuestionError
from ibkr_async.models.order_answers import OrderQuestion
from ibkr_async.orders.settings import GuardSettings
from ibkr_async.orders.write.groups import Bracket, OcaGroup
from ibkr_async.orders.write.order_types import LimitOrder, MarketOrder
from ibkr_async.orders.write.policy import Answers, Question
from support.fake_send import Answer, FakeSend
from support.fake_time import FakeTime, fake_world
from support.order_desk import make_desk

ORDER = LimitOrder(265598, "BUY", 10, "189.50", coid="my-1")
OTHER = MarketOrder(265598, "BUY", 1, coid="my-2")
PLACE = "POST /iserver/account/DU1/orders"
WHAT_IF = "POST /iserver/account/DU1/orders/whatif"
PREVIEW = b'{"amount":{"amount":"1,895.00 USD (10 Shares)"}}'


@pytest.mark.parametrize(
    "order",
    [
        Bracket(entry=ORDER, take_profit=200, stop_loss=180),
        OcaGroup((ORDER, OTHER, MarketOrder(1, "BUY", 1))),
    ],
)
async def test_every_leg_counts_for_the_rate(order: Any) -> None:
    """Three orders are three, however they go out."""
    send = FakeSend("accepted")
    desk = make_desk(send, guard=GuardSettings(max_orders_per_minute=2))

    with pytest.raises(OrderGuardError):
        await desk.place(order)

    assert not send.requests


async def test_yes_does_not_count_again_for_the_rate() -> None:
    """It is about an order that was counted."""
    desk = make_desk(FakeSend("question", "accepted"), guard=GuardSettings(max_orders_per_minute=1))

    (question,) = await desk.place(ORDER)
    assert isinstance(question, OrderQuestion)
    await desk.reply(question.id, confirmed=True)


async def test_next_placing_makes_reply_ids_strange() -> None:
    """IBKR has dropped the question: a guard that must know the order lets no yes to it pass."""
    send = FakeSend("question", "accepted")
    desk = make_desk(send, guard=GuardSettings(max_quantity=10))
    (question,) = await desk.place(ORDER)
    assert isinstance(question, OrderQuestion)
    await desk.place(OTHER)

    with pytest.raises(OrderGuardError, match="does not know which order"):
        await desk.reply(question.id, confirmed=True)

    assert send.labels == [PLACE, PLACE]


async def test_order_waits_for_a_preview() -> None:
    """`what_if` holds the lock until its answer is there."""
    asked = Answer(PREVIEW, hold=True)
    send = FakeSend(asked, "accepted")
    desk = make_desk(send)
    asking = asyncio.create_task(desk.what_if(OTHER))
    await asked.reached.wait()
    placing = asyncio.create_task(desk.place(ORDER))
    for _ in range(10):
        await asyncio.sleep(0)
    before = list(send.labels)
    asked.released.set()
    await asyncio.gather(asking, placing)

    assert before == [WHAT_IF]
    assert send.labels == [WHAT_IF, PLACE]
    assert send.most_under_way == 1


async def test_ask_asks_and_a_yes_goes_out() -> None:
    """The callback decides about the question that IBKR asked."""
    asked: list[Question] = []

    async def agree(question: Question) -> bool:
        asked.append(question)
        return True

    send = FakeSend("question", "accepted")

    live = await make_desk(send).submit(ORDER, answers=Answers.ask(agree))

    assert [question.message_ids for question in asked] == [("o163",)]
    assert send.labels[1].endswith(" true")
    assert live.order_id == "987654"


async def test_value_of_a_child_follows_from_its_parent() -> None:
    """Only what stands alone is previewed, and only where the value is limited."""
    send = FakeSend(PREVIEW, "accepted", "accepted")

    await make_desk(send, guard=GuardSettings(max_notional=10_000)).place(
        Bracket(entry=ORDER, stop_loss=180)
    )
    await make_desk(send).place(ORDER)

    assert send.labels == [WHAT_IF, PLACE, PLACE]


# --- a callback that does not end when it is told ------------------------------------------------


async def swallows_and_says_yes(_question: Question) -> bool:
    """Go on after the cancellation, and decide then."""
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    return True


async def test_yes_of_a_callback_that_swallows_its_cancellation_is_no() -> None:
    """Too late is no."""
    send = FakeSend("question", b"{}")
    desk = make_desk(send, ask_timeout_s=0.01)

    with pytest.raises(OrderQuestionError, match=r"did not decide within 0\.01 s"):
        await desk.submit(ORDER, answers=Answers.ask(swallows_and_says_yes))

    assert send.body(1) == {"confirmed": False}


@pytest.mark.parametrize(("took_s", "is_yes"), [(19.9, True), (20.0, False)])
async def test_yes_of_a_callback_that_blocks_the_loop_is_no(took_s: float, *, is_yes: bool) -> None:
    """Nobody can cancel it in time, so the time is looked at afterwards."""
    clock = FakeTime()

    async def block(_question: Question) -> bool:
        clock.at += took_s
        return True

    send = FakeSend("question", "accepted" if is_yes else b"{}")
    desk = make_desk(send, world=fake_world(clock))

    with nullcontext() if is_yes else pytest.raises(OrderQuestionError, match="within 20 s"):
        await desk.submit(ORDER, answers=Answers.ask(block))

    assert send.body(1) == {"confirmed": is_yes}


async def test_late_callback_that_fails_is_named_by_its_failure() -> None:
    """That is a no as well, and says more."""

    async def fails(_question: Question) -> bool:
        try:
            await asyncio.Event().wait()
        finally:
            raise ZeroDivisionError

    desk = make_desk(FakeSend("question", b"{}"), ask_timeout_s=0.01)

    with pytest.raises(OrderQuestionError, match="raised ZeroDivisionError"):
        await desk.submit(ORDER, answers=Answers.ask(fails))


async def test_callback_cannot_swallow_the_cancellation_of_the_submission() -> None:
    """Who gave up gets no order, whatever the callback returns."""
    asked = asyncio.Event()

    async def swallow(question: Question) -> bool:
        asked.set()
        return await swallows_and_says_yes(question)

    send = FakeSend("question")
    desk = make_desk(send)
    task = asyncio.create_task(desk.submit(ORDER, answers=Answers.ask(swallow)))
    await asked.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert len(send.requests) == 1
    assert "my-1" in desk.unknown


async def test_early_yes_counts_in_a_task_that_was_cancelled_before() -> None:
    """A cancellation that the caller has dealt with is not the callback's."""
    send = FakeSend("question", "accepted")
    desk = make_desk(send)

    async def allow(_question: Question) -> bool:
        return True

    async def survivor() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await desk.submit(ORDER, answers=Answers.ask(allow))

    task = asyncio.create_task(survivor())
    await asyncio.sleep(0)
    task.cancel()
    await task

    assert send.body(1) == {"confirmed": True}
