"""Answers that are about something else: late, repeated, or meant for somebody else."""

from __future__ import annotations

from typing import Any

import pytest

from ibkr_async.errors import OrderUnknownError
from ibkr_async.models.order_answers import OrderQuestion, parse_place_answer
from ibkr_async.models.orders import Ticket
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.orders.send.identity import foreign
from ibkr_async.orders.write.order_types import LimitOrder, MarketOrder
from ibkr_async.orders.write.policy import Answers
from ibkr_async.types import AccountId, ClientOrderId, OrderId
from support.fake_send import FakeSend
from support.order_desk import TestDesk, make_desk

ORDER = LimitOrder(265598, "BUY", 10, "189.50", coid="my-1")
OTHER = MarketOrder(265598, "BUY", 1, coid="my-2")
NOTHING = ("live_orders_none", b"[]", b"[]")
NOT_FOUND: tuple[Any, ...] = (*NOTHING, "live_orders_none", *NOTHING, *NOTHING)
TAKEN = b'[{"order_id":"987654","order_status":"Submitted"}]'


def submission(*coids: str | None, modifies: str | None = None) -> Submission:
    """Make what was sent: a ticket for each id, None for a child of the first."""
    tickets = tuple(
        Ticket(
            order_type="MKT", side="BUY", tif="DAY", coid=coid, parent_id=None if coid else coids[0]
        )
        for coid in coids
    )
    return Submission(
        coid=ClientOrderId(str(coids[0])),
        account_id=AccountId("DU1"),
        tickets=tickets,
        modifies=None if modifies is None else OrderId(modifies),
    )


SINGLE = submission("a")
BRACKET = submission("a", None, None)
GROUP = submission("a", "b")
CHANGE = submission("a", modifies="7")


@pytest.mark.parametrize(
    ("sent", "answer", "words"),
    [
        (SINGLE, '{"order_id":"7"}', ""),
        (SINGLE, '{"order_id":7,"local_order_id":"a"}', ""),
        (SINGLE, '{"order_id":"7","local_order_id":"b"}', "client order id 'b'"),
        (SINGLE, '{"order_id":"5"}', "order 5, which was known"),
        (SINGLE, '{"order_id":"-1","order_status":"Failed"}', ""),
        (SINGLE, '{"order_id":"5","order_status":"Failed"}', "order 5"),
        (
            SINGLE,
            '{"order_id":"-1","order_status":"Failed","local_order_id":"b"}',
            "client order id 'b'",
        ),
        (SINGLE, '{"orderId":5,"reqId":"1","options":["Yes"],"prompt":true}', "order 5"),
        (SINGLE, '{"orderId":7,"reqId":"1","options":["Yes"],"prompt":true}', ""),
        (SINGLE, '[{"order_id":"7"},{"order_id":"8"}]', "2 orders for 1"),
        (SINGLE, '[{"order_id":"7"},{"order_id":"7"}]', ""),
        (SINGLE, '{"id":"r1","message":["?"]}', "repeats question r1"),
        (SINGLE, '{"id":"r2","message":["?"]}', ""),
        (SINGLE, '{"error":"no"}', ""),
        (
            BRACKET,
            '[{"order_id":"8","parent_order_id":"7"},{"order_id":"7","local_order_id":"a"},{"order_id":"9"}]',
            "",
        ),
        (BRACKET, '[{"order_id":"7","local_order_id":"c"},{"order_id":"8"}]', "'c'"),
        (
            GROUP,
            '[{"order_id":"7","local_order_id":"a"},{"order_id":"8","local_order_id":"b"}]',
            "",
        ),
        (CHANGE, '{"order_id":"7","local_order_id":"the first id"}', ""),
        (CHANGE, '{"order_id":"8"}', "order 8"),
        (CHANGE, '{"order_id":"8","order_status":"Failed"}', "order 8"),
    ],
)
def test_what_an_answer_names_is_compared(sent: Submission, answer: str, words: str) -> None:
    """Order 5 was known before, and question r1 was asked before."""
    found = foreign(
        parse_place_answer(answer), sent, is_earlier=lambda one: one == "5", asked={"r1"}
    )

    assert words in found
    assert bool(found) is bool(words)


@pytest.mark.parametrize("number", ['{"id":7}', "[7]", "true", '""', '"abc"', "1.5", "0", '"-2"'])
async def test_number_that_is_none_acknowledges_nothing(number: str) -> None:
    """An object in its place made an acknowledged order without a number."""
    answer = f'[{{"order_id":{number},"order_status":"Submitted"}}]'
    desk = make_desk(FakeSend(answer.encode(), *NOT_FOUND))

    with pytest.raises(OrderUnknownError):
        await desk.submit(ORDER)

    assert "my-1" in desk.unknown


async def place_then(desk: TestDesk, order: Any) -> None:
    """Place an order that is acknowledged, then one that gets a foreign answer."""
    await desk.submit(ORDER, answers=Answers.allow("o163"))
    with pytest.raises(OrderUnknownError, match="the answer"):
        await desk.submit(order, answers=Answers.allow("o163"))

    assert "my-2" in desk.unknown
    assert "my-1" not in desk.unknown
    assert [state.coid for state in desk.known()] == ["my-1"]


async def test_repeated_acknowledgement_is_not_the_next_orders(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A leftover on the connection: the second order is unknown, and the first one keeps its id."""
    await place_then(make_desk(FakeSend(TAKEN, TAKEN, *NOT_FOUND)), OTHER)

    assert "my-2: an answer is not believed" in caplog.text


async def test_repeated_question_is_not_answered_again() -> None:
    """A yes to it would be about the first order."""
    send = FakeSend("question", "accepted", "question", *NOT_FOUND)

    await place_then(make_desk(send), OTHER)

    assert sum("/reply/" in label for label in send.labels) == 1


async def test_question_that_comes_back_after_its_yes_is_unknown() -> None:
    """The yes may have let the order through; a no now would end as "refused"."""
    send = FakeSend("question", "question", *NOT_FOUND)
    desk = make_desk(send)

    with pytest.raises(OrderUnknownError, match="repeats question"):
        await desk.submit(ORDER, answers=Answers.allow("o163"))

    assert sum("/reply/" in label for label in send.labels) == 1


async def test_answer_with_another_client_order_id_is_not_believed() -> None:
    """Late, or somebody else's: it acknowledges nothing, and the right order may still be found."""
    strange = b'[{"order_id":"1","order_status":"Submitted","local_order_id":"other"}]'
    desk = make_desk(FakeSend(strange, "live_orders"))

    live = await desk.submit(ORDER)

    assert live.order_id == "987654"
    assert not desk.unknown


@pytest.mark.parametrize("confirmed", [True, False])
async def test_single_steps_believe_no_foreign_answer_either(*, confirmed: bool) -> None:
    """`place` and `reply` are no way around it; a no is harmless whatever comes back."""
    desk = make_desk(FakeSend(TAKEN, "question", TAKEN, *NOT_FOUND))
    await desk.place(ORDER)
    (question,) = await desk.place(OTHER)
    assert isinstance(question, OrderQuestion)

    with pytest.raises(Exception, match="known before"):
        await desk.reply(question.id, confirmed=confirmed)

    assert ("my-2" in desk.unknown) is confirmed


async def test_modification_is_acknowledged_by_its_own_order_only() -> None:
    """Else the terms of the order are unknown."""
    other = b'[{"order_id":"7","order_status":"Submitted"}]'
    desk = make_desk(FakeSend(other, *[b'{"error":"not found"}'] * 3))

    with pytest.raises(OrderUnknownError, match="about order 7"):
        await desk.modify(987654, ORDER)


async def test_ids_of_old_questions_are_not_kept_for_ever() -> None:
    """A thousand are enough: an answer is late by seconds."""
    numbers = range(1, 1_002)
    script = [
        answer
        for n in numbers
        for answer in (
            f'[{{"id":"r{n}","message":["?"],"messageIds":["o1"]}}]'.encode(),
            b"{}",
        )
    ]
    desk = make_desk(FakeSend(*script, script[0], b"[]"))
    for n in (*numbers, 1):
        with pytest.raises(Exception, match="was not placed"):
            await desk.submit(MarketOrder(1, "BUY", 1, coid=f"c-{n}-{len(desk.known())}"))
