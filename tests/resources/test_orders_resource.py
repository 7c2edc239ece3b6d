from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from ibkr_async.errors import (
    NotFoundError,
    RefusedError,
    ResponseError,
    ServerError,
    UnreadableResponseError,
)
from ibkr_async.models.order_answers import OrderRefused
from ibkr_async.models.orders import Ticket
from ibkr_async.resources.orders import OrderEndpoints
from ibkr_async.rest.pacing import Urgency
from support.fake_send import Answer, FakeSend

if TYPE_CHECKING:
    from ibkr_async.models.order_answers import PlaceAnswer

TICKET = Ticket(order_type="MKT", side="BUY", tif="DAY", conid=1, quantity=Decimal("1.50"))


def allowed() -> None:
    """Permit everything: what is forbidden is tested where it is decided."""


async def place(send: FakeSend) -> tuple[PlaceAnswer, ...]:
    """Send one ticket."""
    return await OrderEndpoints(send).place("U1/x", [TICKET], permit=allowed)


async def test_placing_wraps_the_tickets() -> None:
    """The account is one path segment, whatever it holds."""
    send = FakeSend("accepted")

    await place(send)

    assert send.labels == ["POST /iserver/account/U1%2Fx/orders"]
    assert send.body() == {
        "orders": [{"orderType": "MKT", "side": "BUY", "tif": "DAY", "conid": 1, "quantity": 1.5}]
    }
    assert send.requests[0].timeout_s is None  # so the pipeline's, for what changes something
    assert not send.requests[0].replayable


async def test_refusal_with_status_200_is_a_row() -> None:
    """Placing decides by rows, not by exceptions."""
    (row,) = await place(FakeSend("refused"))

    assert isinstance(row, OrderRefused)


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"order_id":"1","error":"no"}', b"not JSON"])
async def test_unclear_answer_is_unreadable(body: bytes) -> None:
    """The error names the request and what was wrong with the shape."""
    with pytest.raises(UnreadableResponseError, match="POST /iserver/account"):
        await place(FakeSend(body))


async def test_reply_carries_the_decision() -> None:
    """The id is in the path."""
    send = FakeSend("accepted")

    await OrderEndpoints(send).reply("r 1", confirmed=False, permit=allowed)

    assert send.labels == ["POST /iserver/reply/r%201 false"]
    assert send.body() == {"confirmed": False}


async def test_live_orders_can_be_filtered() -> None:
    """Filters go out as one list."""
    send = FakeSend("live_orders")

    await OrderEndpoints(send).live(filters=["submitted", "filled"])

    assert send.requests[0].query == (("filters", "submitted,filled"),)


async def test_reads_are_replayable() -> None:
    """They change nothing at the broker."""
    send = FakeSend("live_orders", "status", "trades")
    endpoints = OrderEndpoints(send)

    await endpoints.live()
    await endpoints.status("987654")
    await endpoints.trades()

    assert all(request.replayable for request in send.requests)


async def test_manual_cancel_says_who_and_when() -> None:
    """In the query."""
    send = FakeSend("cancelled")

    await OrderEndpoints(send).cancel(
        "DU1",
        "987654",
        manual_indicator=True,
        ext_operator="me",
        manual_cancel_time=5,
        permit=allowed,
    )

    assert send.requests[0].query == (
        ("manualIndicator", "true"),
        ("extOperator", "me"),
        ("manualCancelTime", "5"),
    )


@pytest.mark.parametrize(
    "answer",
    [
        b'{"msg":"Request was submitted","order_id":8,"account":"DU1"}',
        b'{"msg":"Request was submitted","order_id":7,"account":"DU2"}',
    ],
)
async def test_answer_about_another_order_or_account_cancels_nothing(answer: bytes) -> None:
    """It belongs to another request."""
    with pytest.raises(UnreadableResponseError, match="about"):
        await OrderEndpoints(FakeSend(answer)).cancel("DU1", "7", permit=allowed)


@pytest.mark.parametrize(
    ("account_id", "order_id", "answer"),
    [
        ("DU1", "7", b'{"msg":"Request was submitted","order_id":"7","account":"DU1"}'),
        ("DU1", "7", b'{"msg":"Request was submitted"}'),
        ("DU1", "-1", b'{"msg":"Request was submitted","order_id":0}'),
        ("My group", "7", b'{"msg":"Request was submitted","order_id":7,"account":"DU1"}'),
    ],
)
async def test_answer_about_this_cancel_is_taken(
    account_id: str, order_id: str, answer: bytes
) -> None:
    """What it leaves out contradicts nothing; a group is of several accounts."""
    reply = await OrderEndpoints(FakeSend(answer)).cancel(account_id, order_id, permit=allowed)

    assert reply.msg == "Request was submitted"


async def test_status_of_another_order_is_none_of_this() -> None:
    """It belongs to another request."""
    with pytest.raises(UnreadableResponseError, match="about 987654, and not about 7"):
        await OrderEndpoints(FakeSend("status")).status("7")


async def test_modification_is_one_object() -> None:
    """The ticket itself, not a list."""
    send = FakeSend("accepted")

    await OrderEndpoints(send).modify("DU1", "7", TICKET, permit=allowed)

    assert send.labels == ["POST /iserver/account/DU1/order/7"]
    assert send.body()["orderType"] == "MKT"
    assert (send.requests[0].replayable, send.requests[0].timeout_s) == (False, None)


async def test_refused_preview_raises() -> None:
    """IBKR says why with status 200."""
    with pytest.raises(RefusedError, match="No such contract"):
        await OrderEndpoints(FakeSend(b'{"error":"No such contract"}')).what_if("DU1", [TICKET])


async def test_preview_of_an_impossible_order_is_refused_with_status_500() -> None:
    """It is IBKR's no, in its words; nothing can have been placed."""
    words = b'{"error":"Order size 0 is not valid for this order","statusCode":500}'

    with pytest.raises(
        RefusedError, match=r"Order size 0 is not valid.*nothing was placed"
    ) as caught:
        await OrderEndpoints(FakeSend(Answer(words, 500))).what_if("DU1", [TICKET])

    assert "ib.orders" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"Internal Server Error", 500),
        Answer(b'{"error":""}', 500),
        Answer(b"[]", 500),
        Answer(b'{"error":"Service Unavailable"}', 503),
    ],
)
async def test_preview_that_fails_without_a_no_can_be_asked_again(answer: Answer) -> None:
    """It is weather, and there is no order to look for."""
    with pytest.raises(ServerError, match=r"nothing was placed, .*ask again") as caught:
        await OrderEndpoints(FakeSend(answer)).what_if("DU1", [TICKET])

    assert "ib.orders" not in str(caught.value)


async def test_previews_and_lists_have_the_urgency_of_an_order() -> None:
    """What a guard or a search for an order waits for does not queue behind reads."""
    send = FakeSend(b"{}", "live_orders", "trades", b"{}")
    endpoints = OrderEndpoints(send)

    await endpoints.what_if("DU1", [TICKET])
    await endpoints.live()
    await endpoints.trades()
    await endpoints.status("7")

    assert [request.urgency for request in send.requests] == [Urgency.ORDER] * 4


@pytest.mark.parametrize("error", [RefusedError, NotFoundError, ServerError])
async def test_preview_that_fails_says_that_nothing_was_placed(error: type[ResponseError]) -> None:
    """Whatever the words of a 5xx are taken for."""
    send = FakeSend(
        error("POST /x", 500, "No Contracts retrieved", body='{"error":"No Contracts"}')
    )

    with pytest.raises(RefusedError, match="nothing was placed"):
        await OrderEndpoints(send).what_if("DU1", [TICKET])
