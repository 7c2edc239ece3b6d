from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_async.errors import ServerError
from ibkr_async.models.orders import Ticket
from ibkr_async.orders.fate.probe import Finding, OutcomeProbe
from ibkr_async.orders.fate.reads import OrderReads
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.orders.known.news import OrderNews
from ibkr_async.resources.orders import OrderEndpoints
from ibkr_async.rest.request import RestRequest, T
from ibkr_async.types import AccountId, ClientOrderId
from support import order_rows as rows
from support.fake_send import Answer, FakeSend
from support.fake_time import FakeTime, fake_world

LIVE = "GET /iserver/account/orders"
STATUS = "GET /iserver/account/order/status/987654"
TRADES = "GET /iserver/account/trades"
SENT = Submission(
    coid=ClientOrderId("my-1"),
    account_id=AccountId("DU1"),
    tickets=(
        Ticket(order_type="MKT", side="BUY", tif="DAY", conid=1, coid="my-1", quantity=Decimal(10)),
    ),
)
INACTIVE = b'{"orders":[{"orderId":1,"order_ref":"my-1","status":"Inactive"}],"snapshot":true}'


async def look(
    send: FakeSend,
    time: FakeTime,
    *named: str,
    news: OrderNews | None = None,
    account_id: str | None = None,
    look_timeout_s: float = 20.0,
) -> Finding:
    """Look for the order."""
    news, world = news or OrderNews(), fake_world(time)
    probe = OutcomeProbe(
        OrderReads(OrderEndpoints(send), news, world),
        news.tracker,
        world=world,
        spread_s=9.0,
        look_timeout_s=look_timeout_s,
    )
    return await probe.look(SENT, named, account_id=account_id)


async def test_news_can_end_the_look_at_once() -> None:
    """What the socket has said about the order is IBKR's word too."""
    send, news = FakeSend(), OrderNews()
    news.tracker.live_order_row(rows.sor(5, status="Submitted", order_ref="my-1"), 1.0)

    found = await look(send, FakeTime(), news=news)

    assert (found.outcome, found.looked_at) == ("accepted", ("the news (order 5 is Submitted)",))
    assert not send.requests


async def test_news_may_come_while_the_look_goes_on() -> None:
    """The next look begins with it."""
    news = OrderNews()

    class Time(FakeTime):
        async def sleep(self, seconds: float) -> None:
            news.tracker.live_order_row(rows.sor(5, status="Submitted", order_ref="my-1"), 1.0)
            await super().sleep(seconds)

    send, time = FakeSend("live_orders_none", b"[]", b"[]"), Time()

    found = await look(send, time, news=news)

    assert found.outcome == "accepted"
    assert time.slept == [3]


async def test_what_the_look_has_read_is_known_afterwards() -> None:
    """A fill that the list of orders shows is not lost with the answer to the order."""
    news = OrderNews()
    listed = (
        b'{"orders":[{"orderId":5,"order_ref":"my-1","status":"Filled","filledQuantity":10,'
        b'"avgPrice":"189.40","totalSize":10,"acct":"DU1"}],"snapshot":true}'
    )

    found = await look(FakeSend(listed), FakeTime(), news=news)

    assert found.order_ids == ("5",)
    state = news.tracker.state("5")
    assert state is not None
    assert (state.filled, state.average_price) == (10, Decimal("189.40"))
    assert (state.status, state.in_doubt) == ("Filled", False)


async def test_three_looks_are_spread_over_the_time() -> None:
    """The second makes IBKR collect the orders anew; each asks for orders and for trades."""
    send, time = FakeSend(*["live_orders_none", b"[]", b"[]"]), FakeTime()
    send = FakeSend(
        *("live_orders_none", b"[]", b"[]"),
        *("live_orders_none", "live_orders_none", b"[]", b"[]"),
        *("live_orders_none", b"[]", b"[]"),
    )

    found = await look(send, time, account_id="DU1")

    assert found.outcome == "unknown"
    assert time.slept == [3, 6]
    assert send.labels == [
        *(LIVE, TRADES, TRADES),
        *(LIVE, LIVE, TRADES, TRADES),
        *(LIVE, TRADES, TRADES),
    ]
    assert send.requests[3].query == (("force", "true"), ("accountId", "DU1"))


async def test_fill_is_found_in_the_trades() -> None:
    """An order that IBKR's list has forgotten."""
    trades = b'[{"execution_id":"x.01","order_id":7,"order_ref":"my-1","size":10}]'

    found = await look(FakeSend("live_orders_none", trades), FakeTime())

    assert (found.outcome, found.live_order_ids) == ("accepted", ("7",))


async def test_order_that_ibkr_named_is_asked_for_by_number() -> None:
    """A failure of that is noted, and the look goes on."""
    failing = ServerError(STATUS, 503, "old")
    send = FakeSend("live_orders_none", failing, b"[]", b"[]", "live_orders_none")
    send.script += FakeSend("live_orders_none", "status").script

    found = await look(send, FakeTime(), "987654")

    assert found.outcome == "accepted"
    assert "the status of order 987654 (failed" in found.looked_at[1]
    assert found.looked_at[-1] == "the status (order 987654 is Filled)"


async def test_inactive_order_is_taken_at_the_last_look() -> None:
    """It may be brand new, so the looks go on; IBKR has it, so it is no longer unknown."""
    send = FakeSend(INACTIVE, b"[]", b"[]", "live_orders_none", INACTIVE, b"[]", b"[]", INACTIVE)
    send.script += FakeSend(b"[]", b"[]").script
    time = FakeTime()

    found = await look(send, time)

    assert (found.outcome, len(time.slept)) == ("accepted", 2)


@pytest.mark.parametrize(
    ("answered", "subject"),
    [
        ([], "the live orders"),
        (["live_orders_none"], "the status of order 987654"),
        (["live_orders_none", b'{"error":"not found"}'], "the trades"),
    ],
)
async def test_look_that_ends_unanswered_names_what_it_asked_for(
    answered: list[str | bytes], subject: str
) -> None:
    """Every entry has a subject."""
    send = FakeSend(*answered, Answer(hold=True), *[Answer(hold=True)] * 2)

    found = await look(send, FakeTime(), "987654", look_timeout_s=0.01)

    assert f"{subject} (no answer within 0.01 s)" in found.looked_at
    assert all(not entry.startswith("(") for entry in found.looked_at)


@pytest.mark.parametrize(
    ("slow_s", "ends_s"), [(0.0, 9.0), (4.0, 16.0), (10.0, 30.0), (60.0, 60.0)]
)
async def test_search_takes_its_time_and_one_look_more_at_most(
    slow_s: float, ends_s: float
) -> None:
    """However slow the answers are, no look begins when that time is over."""
    time = FakeTime(0.0)

    class Slow(FakeSend):
        async def __call__(self, request: RestRequest[T]) -> T:
            if request.path.endswith("/orders"):
                time.at += slow_s
            return await super().__call__(request)

    none = ("live_orders_none", b"[]", b"[]")
    send = Slow(*none, "live_orders_none", *none, *none)

    found = await look(send, time)

    assert found.outcome == "unknown"
    assert time.at == ends_s
