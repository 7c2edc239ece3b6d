from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_async.errors import NotReadyError, UsageError
from ibkr_async.orders.fate.reads import OrderReads
from ibkr_async.orders.known.news import OrderNews
from ibkr_async.orders.known.tracker import Doubt
from ibkr_async.resources.orders import OrderEndpoints
from ibkr_async.rest.request import RestRequest, T
from support import order_rows as rows
from support.fake_send import FakeSend
from support.fake_time import FakeTime, fake_world

LISTED = (
    b'{"orders":[{"orderId":5,"order_ref":"b","status":"Submitted","acct":"DU2"}],"snapshot":true}'
)
COLD = b'{"orders":[],"snapshot":false}'
EMPTY = b'{"orders":[],"snapshot":true}'


class Bench:
    """Reads over a script of answers, and what is known from them."""

    def __init__(self, *script: bytes) -> None:
        self.send = FakeSend(*script)
        self.news = OrderNews()
        self.tracker = self.news.tracker
        world = fake_world(FakeTime(50.0))
        self.reads = OrderReads(OrderEndpoints(self.send), self.news, world)

    def doubt(self) -> None:
        """Let order 5 be in doubt, behind where IBKR has it."""
        self.tracker.live_order_row(rows.sor(5, status="PendingCancel"), 1.0)
        self.tracker.live_order_row(rows.sor(5, status="Submitted"), 1.0)
        assert self.tracker.doubts == {"5": Doubt.CONTRADICTED}


async def test_list_is_asked_for_until_ibkr_has_collected_it() -> None:
    """Three times at most; rows without `snapshot` are an answer too."""
    assert (await Bench(COLD, COLD, EMPTY).reads.live()).orders == ()
    assert len((await Bench(LISTED.replace(b"true", b"false")).reads.live()).orders) == 1
    with pytest.raises(NotReadyError):
        await Bench(COLD, COLD, COLD).reads.live()


async def test_whatever_is_listed_is_known() -> None:
    """Whoever asked, and why."""
    bench = Bench(LISTED)
    async with bench.news.listen() as events:
        await bench.reads.live(account_id="DU2")

        event = await anext(events)
    assert (event.order_id, event.at, event.inferred) == ("5", 50.0, True)
    assert bench.send.requests[0].query == (("accountId", "DU2"),)


async def test_list_that_ibkr_had_at_hand_settles_no_doubt() -> None:
    """Its age is not known; after `force` it is newer than what was heard before."""
    bench = Bench(LISTED, COLD, LISTED)
    bench.doubt()
    await bench.reads.live()
    assert bench.tracker.doubts == {"5": Doubt.CONTRADICTED}
    await bench.reads.live(force=True)

    assert not bench.tracker.doubts
    assert ("force", "true") in bench.send.requests[1].query
    assert bench.send.requests[2].query == ()
    assert [state.status for state in bench.tracker.orders()] == ["Submitted"]


async def test_filtered_list_silences_the_news() -> None:
    """Which is said, so that it is undone."""
    bench = Bench(LISTED, EMPTY)
    await bench.reads.live()
    assert not bench.news.take_silenced()
    await bench.reads.live(filters=["submitted"])

    assert bench.news.take_silenced()
    assert bench.send.requests[1].query == (("filters", "submitted"),)


async def test_status_settles_a_doubt() -> None:
    """It is asked for just then. An answer that names no order is about the one that was asked for."""
    bench = Bench(b'{"order_status":"Submitted","total_size":"3"}')
    bench.doubt()

    reply = await bench.reads.status(5)

    assert reply.order_id is None
    assert bench.send.labels == ["GET /iserver/account/order/status/5"]
    assert not bench.tracker.doubts
    (state,) = bench.tracker.orders()
    assert (state.status, state.quantity) == ("Submitted", 3)


async def test_news_that_comes_while_the_status_is_asked_for_is_newer() -> None:
    """The answer may be from before."""
    bench = Bench()

    class Send(FakeSend):
        async def __call__(self, request: RestRequest[T]) -> T:
            bench.tracker.live_order_row(rows.sor(5, status="PendingCancel"), 1.0)
            bench.tracker.live_order_row(rows.sor(5, status="Submitted"), 1.0)
            return await super().__call__(request)

    bench.send = Send(b'{"order_id":5,"order_status":"Submitted"}')
    reads = OrderReads(OrderEndpoints(bench.send), bench.news, fake_world())
    await reads.status("5")

    assert bench.tracker.doubts == {"5": Doubt.CONTRADICTED}


async def test_executions_are_known_and_asked_for_twice_when_there_are_none() -> None:
    """The first answer of a session may be empty without meaning it."""
    one = b'[{"execution_id":"x","order_id":5,"size":2,"price":3,"account":"DU2"}]'
    bench = Bench(b"[]", one)
    async with bench.news.listen() as events:
        (trade,) = await bench.reads.trades(7)
        event = await anext(events)

    assert trade.size == 2
    assert (event.inferred, event.at) == (True, 50.0)
    assert [request.query for request in bench.send.requests] == [(("days", "7"),)] * 2
    (state,) = bench.tracker.orders()
    assert (state.filled, state.average_price) == (2, Decimal(3))


@pytest.mark.parametrize("days", [0, 8])
async def test_executions_go_back_a_week(days: int) -> None:
    """IBKR has no older ones."""
    bench = Bench()

    with pytest.raises(UsageError, match="1 to 7"):
        await bench.reads.trades(days)

    assert not bench.send.requests
    await Bench(b"[]", b"[]").reads.trades(1)
