from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import pytest

from ibkr_async.errors import (
    ClosedError,
    NotReadyError,
    RequestTimeoutError,
    ServerError,
    SlowConsumerError,
    SubscriptionError,
)
from ibkr_async.models.orders import LiveOrder, LiveOrders, OrderStatusReply, Trade
from ibkr_async.orders.fate.reads import OrderReads
from ibkr_async.orders.known.events import AnyOrderEvent, Reconciled
from ibkr_async.orders.known.follower import OrderFollower
from ibkr_async.orders.known.news import OrderNews
from ibkr_async.orders.known.tracker import Doubt
from ibkr_async.orders.settings import FollowerSettings
from ibkr_async.resources.orders import OrderEndpoints
from ibkr_async.stream.delivery.events import Confirmed, Connected, Gap, Resumed, Stale
from ibkr_async.world import World
from support import order_rows as rows
from support.order_rows import ORDER_ID
from support.waiting import until

ID = str(ORDER_ID)
GAP = Gap(at=1.0, topic="sor", reason="connection lost")
RESUMED = Resumed(at=2.0, topic="sor", gap_s=1.0, confirmed=False)


class FakeFeed:
    """One subscription: what is put in comes out; an error ends it, None ends it plainly."""

    def __init__(self, *script: Any) -> None:
        self._items: deque[Any] = deque(script)
        self._wake = asyncio.Event()
        self.taken = 0

    def put(self, *items: Any) -> None:
        """Let these come next."""
        self._items.extend(items)
        self._wake.set()

    async def __aenter__(self) -> Self:
        if self._items and isinstance(self._items[0], ClosedError):
            raise self._items.popleft()
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def __aiter__(self) -> Self:
        return self

    def marked(self) -> Self:
        """Give everything."""
        return self

    async def __anext__(self) -> Any:
        while not self._items:
            self._wake.clear()
            await self._wake.wait()
        item = self._items.popleft()
        self.taken += 1
        if item is None:
            raise StopAsyncIteration
        if isinstance(item, Exception):
            raise item
        return item


class FakeStream:
    """Hands out the two feeds, again and again."""

    def __init__(self) -> None:
        self.sor = FakeFeed()
        self.str = FakeFeed()
        self.subscribed: list[str] = []
        self.connected = False

    def live_orders(self) -> Any:
        """Give the feed of `sor`."""
        self.subscribed.append("sor")
        return self.sor

    def trades(self, *, realtime_updates_only: bool) -> Any:
        """Give the feed of `str`."""
        self.subscribed.append("str" if realtime_updates_only else "str with history")
        return self.str


class FakeEndpoints(OrderEndpoints):
    """IBKR as it is asked: what it would answer, and what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.orders: list[LiveOrder] = []
        self.statuses: dict[str, OrderStatusReply | Exception] = {}
        self.executions: list[Trade] = []
        self.failures: deque[Exception] = deque()
        self.on_live: Any = lambda: None

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.failures:
            raise self.failures.popleft()

    async def live(
        self,
        *,
        filters: Sequence[str] = (),
        force: bool = False,
        account_id: str | None = None,
    ) -> LiveOrders:
        """Answer with the orders of the account; the first account is the session's."""
        if force:  # IBKR forgets, and is asked again
            self._note("force" + (f" {account_id}" if account_id else ""))
            return LiveOrders()
        self._note("live" + (f" {account_id}" if account_id else ""))
        wanted = account_id or rows.ACCOUNT
        self.on_live()
        found = tuple(row for row in self.orders if row.account_id == wanted)
        return LiveOrders(orders=found, snapshot=True)

    async def status(self, order_id: str) -> OrderStatusReply:
        """Answer with the status of one order."""
        self._note(f"status {order_id}")
        reply = self.statuses.get(order_id, ServerError("GET /x", 503, "unavailable"))
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def trades(self, *, days: int | None = None) -> tuple[Trade, ...]:
        """Answer with the executions."""
        self._note("trades" if days is None else f"trades {days}")
        return tuple(self.executions) or (Trade(),)


class Bench:
    """A follower between a fake stream and a fake IBKR, with a clock that sleeping moves."""

    def __init__(self, **settings: float) -> None:
        self.news = OrderNews()
        self.tracker = self.news.tracker
        self.stream = FakeStream()
        self.ibkr = FakeEndpoints()
        self.now = 1000.0
        self.wall_ahead_s = 0.0
        self.slept: list[float] = []
        self.during_sleep: Any = lambda: None
        self.events: list[AnyOrderEvent] = []
        world = World(clock=self)
        self.follower = OrderFollower(
            self.news,
            feeds=self.stream,
            readings=OrderReads(self.ibkr, self.news, world),
            settings=FollowerSettings(**settings),
            world=world,
        )

    def monotonic(self) -> float:
        """Give the time."""
        return self.now

    def wall(self) -> float:
        """Give the time that the wall clock shows."""
        return self.now + self.wall_ahead_s

    async def sleep(self, seconds: float) -> None:
        """Let the time pass immediately, and something happen meanwhile."""
        self.slept.append(seconds)
        self.now += seconds
        self.during_sleep()
        await asyncio.sleep(0)

    def submit(self, status: str = "PreSubmitted") -> None:
        """Place an order of which no news has come."""
        self.tracker.submitted([rows.ticket()], rows.COID, rows.ACCOUNT)
        self.tracker.acknowledged(rows.COID, [rows.accepted(status)], self.now)

    async def asks(self, *expected: str) -> None:
        """Wait until IBKR was asked this, and see that it was asked nothing else."""
        await until(lambda: len(self.ibkr.asked) >= len(expected))
        for _ in range(5):
            await asyncio.sleep(0)
        assert self.ibkr.asked == list(expected)
        self.ibkr.asked.clear()

    def of(self, kind: type[Any]) -> list[Any]:
        """Give the events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[Bench]:
    """Run the follower, and keep what the tracker tells."""

    async def listen() -> None:
        async for event in bench.news.listen():
            bench.events.append(event)

    listening = asyncio.create_task(listen())
    following = asyncio.create_task(bench.follower.run())
    await asyncio.sleep(0)
    try:
        yield bench
    finally:
        bench.news.end()
        following.cancel()
        await asyncio.wait([following, listening])
        assert following.cancelled() or following.exception() is None


# --- when it begins and ends ---------------------------------------------------------------------


async def test_nothing_is_subscribed_before_somebody_needs_it() -> None:
    """A client that only reads quotes opens no order feeds."""
    bench = Bench()
    following = asyncio.create_task(bench.follower.run())
    await asyncio.sleep(0)
    assert bench.stream.subscribed == []

    bench.news.need()
    await until(lambda: bench.stream.subscribed)

    assert bench.stream.subscribed == ["sor", "str"]
    following.cancel()


async def test_follower_that_was_never_needed_ends_with_the_client() -> None:
    """It has opened nothing."""
    bench = Bench()
    bench.news.end()

    await bench.follower.run()

    assert bench.stream.subscribed == []


async def test_closed_client_ends_the_follower() -> None:
    """By itself: every part of it gets to know."""
    bench = Bench()
    bench.stream.sor.put(ClosedError("stream", "closed"))
    bench.stream.str.put(None)
    bench.ibkr.failures.extend([ClosedError("client", "closed")] * 3)
    bench.submit()
    for row in (rows.full("Submitted", order_id=2), rows.sor(2, status="Cancelled")):
        bench.tracker.live_order_row(row, bench.now)
    bench.news.need()
    bench.follower.observe(Confirmed(at=1.0, topic="str"))

    async with asyncio.timeout(5):
        await bench.follower.run()


# --- news ----------------------------------------------------------------------------------------


async def test_rows_of_both_feeds_reach_the_tracker() -> None:
    """Markers do not."""
    async with running(Bench()) as bench:
        bench.stream.sor.put(Stale(at=1.0, topic="sor", silent_s=1.0), rows.full("Submitted"))
        bench.stream.str.put(rows.trade(1, 5, commission="1"))
        await until(lambda: len(bench.events) == 3)

        (order,) = bench.tracker.orders()
        assert (order.status, order.filled) == ("Submitted", 5)


async def test_everything_is_asked_for_once_news_flows() -> None:
    """What happened before the feeds were there is known only to REST."""
    async with running(Bench()) as bench:
        bench.ibkr.orders = [rows.live("Submitted")]
        bench.follower.observe(Connected(at=1.0, username="u", is_paper=True))
        bench.follower.observe(Confirmed(at=1.0, topic="sor"))
        assert bench.ibkr.asked == []
        bench.follower.observe(Confirmed(at=1.0, topic="str"))
        await bench.asks("force", "live", "trades")
        bench.follower.observe(Confirmed(at=1.0, topic="str"))
        await bench.asks()

        assert bench.tracker.open_orders()[0].status == "Submitted"


async def test_everything_is_asked_for_at_once_when_news_flows_already() -> None:
    """Somebody else listens to `str`: nothing will be confirmed any more."""
    bench = Bench()
    bench.stream.connected = True
    bench.follower.observe(Confirmed(at=1.0, topic="str"))
    async with running(bench):
        await bench.asks("force", "live", "trades")


async def test_follower_is_ready_once_news_flows() -> None:
    """From both feeds; asking makes it subscribe. While one of them is interrupted it is not."""
    async with running(Bench()) as bench:
        assert not await bench.follower.ready(0)
        waiting = asyncio.create_task(bench.follower.ready(60))
        await until(lambda: bench.stream.subscribed == ["sor", "str"])
        assert not waiting.done()
        bench.follower.observe(Confirmed(at=1.0, topic="str"))
        assert await waiting
        assert await bench.follower.ready(0)

        bench.stream.sor.put(GAP)
        await until(lambda: bench.tracker.in_gap)
        assert not await bench.follower.ready(0)
        bench.stream.sor.put(RESUMED)
        async with asyncio.timeout(5):
            assert await bench.follower.ready(60)


async def test_asking_whether_it_is_ready_is_a_need_of_news() -> None:
    """Before the first order nobody else may have listened."""
    bench = Bench()

    assert not await bench.follower.ready(0)
    assert bench.news.needed.is_set()


# --- gaps ----------------------------------------------------------------------------------------


async def test_gap_is_measured_by_the_clock_that_nobody_sets() -> None:
    """The wall clock may jump meanwhile; what happens has its time."""
    async with running(Bench()) as bench:
        bench.ibkr.orders = [rows.live("Submitted")]
        bench.stream.sor.put(rows.full("Submitted"), GAP)
        await until(lambda: bench.tracker.in_gap)
        bench.now += 20
        bench.wall_ahead_s = 9 * 86_400.0
        bench.stream.sor.put(RESUMED)
        await until(lambda: bench.of(Reconciled))

        (event,) = bench.of(Reconciled)
        assert (event.gap_s, event.at) == (20.0, bench.now + 9 * 86_400)
        assert "trades" in bench.ibkr.asked
        assert bench.tracker.orders()


async def test_gap_is_reconciled_once_news_flows_again() -> None:
    """Of both feeds: before that more could be missed."""
    async with running(Bench()) as bench:
        bench.stream.sor.put(rows.full("Submitted"), GAP)
        bench.stream.str.put(Gap(at=1.0, topic="str", reason="connection lost"))
        bench.ibkr.orders = [rows.live("Submitted", filled=100)]
        bench.ibkr.executions = [rows.trade(1, 100, commission="1")]
        await until(lambda: bench.tracker.orders() and bench.tracker.orders()[0].in_doubt)
        bench.stream.sor.put(RESUMED)
        await bench.asks()

        bench.stream.str.put(Resumed(at=2.0, topic="str", gap_s=1.0, confirmed=True))
        await bench.asks("force", "live", "trades")
        await until(lambda: bench.of(Reconciled))

        (event,) = bench.of(Reconciled)
        assert event.changed
        assert event.state.filled == 100
        assert not event.state.in_doubt


async def test_gap_stays_open_while_no_news_flows() -> None:
    """Whatever IBKR is asked meanwhile, more may be missed."""
    async with running(Bench()) as bench:
        bench.ibkr.orders = [rows.live("Submitted")]
        bench.stream.sor.put(rows.full("Submitted"), GAP)
        await until(lambda: bench.tracker.in_gap)
        bench.news.filtered()
        await bench.asks("force", "live", "trades")

        assert bench.tracker.in_gap
        assert bench.of(Reconciled) == []


async def test_second_gap_during_the_asking_is_not_closed_by_it() -> None:
    """What happened in the second is not in the answers about the first."""
    async with running(Bench()) as bench:
        bench.ibkr.orders = [rows.live("Submitted")]
        bench.stream.sor.put(rows.full("Submitted"), GAP, RESUMED)
        # A gap at this very step; the stream would report it a step later.
        bench.ibkr.on_live = lambda: bench.follower._interrupt("str")
        await bench.asks("force", "live", "trades")

        assert bench.tracker.in_gap
        assert bench.of(Reconciled) == []


async def test_gap_of_some_days_asks_for_the_executions_of_those_days() -> None:
    """IBKR's default is today."""
    async with running(Bench()) as bench:
        bench.stream.str.put(Gap(at=1.0, topic="str", reason="lost"))
        await until(lambda: bench.tracker.in_gap)
        bench.now += 3 * 86_400 + 1
        bench.stream.str.put(Resumed(at=2.0, topic="str", gap_s=1.0, confirmed=True))

        await bench.asks("force", "live", "trades 5")


async def test_open_order_that_the_list_does_not_name_is_asked_about() -> None:
    """It may be of another day; when IBKR does not tell, it stays in doubt."""
    async with running(Bench()) as bench:
        bench.stream.sor.put(
            rows.full("Submitted"), rows.full("Submitted", order_id=2, order_ref="b"), GAP, RESUMED
        )
        bench.ibkr.statuses["2"] = rows.status_reply("Cancelled", order_id=2)
        await until(lambda: bench.of(Reconciled))

        assert bench.tracker.doubts == {ID: Doubt.MISSED}
        assert [event.order_id for event in bench.of(Reconciled)] == ["2"]
        assert {f"status {ID}", "status 2"} <= set(bench.ibkr.asked)


async def test_orders_of_other_accounts_are_asked_for_by_account() -> None:
    """IBKR's list is that of the selected account."""
    async with running(Bench()) as bench:
        bench.stream.sor.put(rows.full("Submitted", order_id=2, acct="DU2", order_ref="b"))
        await until(bench.tracker.open_orders)
        bench.ibkr.orders = [rows.live("Filled", filled=722, order_id=2, acct="DU2")]
        bench.ibkr.executions = [rows.trade(1, 722, order_id=2, commission="1")]
        bench.follower.observe(Confirmed(at=1.0, topic="str"))
        await bench.asks("force", "live", "force DU2", "live DU2", "trades")

        assert bench.tracker.orders()[0].status == "Filled"


async def test_failed_reconciliation_is_tried_again() -> None:
    """The gap stays open until IBKR has answered."""
    async with running(Bench(retry_s=5.0)) as bench:
        bench.ibkr.orders = [rows.live("Submitted")]
        bench.ibkr.failures.append(NotReadyError("GET /x", 200, "not yet"))
        bench.stream.sor.put(rows.full("Submitted"), GAP, RESUMED)
        await bench.asks("force", "force", "live", "trades")
        await until(lambda: bench.of(Reconciled))

        assert 5.0 in bench.slept


async def test_feed_that_ends_with_an_error_is_a_gap_until_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is subscribed again after a while."""
    async with running(Bench(resubscribe_s=30.0)) as bench:
        bench.ibkr.orders = [rows.live("Submitted")]
        bench.stream.sor.put(rows.full("Submitted"), SlowConsumerError("sor", 10, 1))
        await until(lambda: len(bench.stream.subscribed) == 3)
        await bench.asks("force", "live", "trades")

        assert bench.stream.subscribed == ["sor", "str", "sor"]
        assert 30.0 in bench.slept
        assert "no news of orders from sor" in caplog.text


@pytest.mark.parametrize("topic", ["sor", "str"])
async def test_defect_in_the_news_is_told_and_costs_a_gap(
    topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It begins anew, IBKR is asked, and the rest of the client knows nothing of it."""
    async with running(Bench(resubscribe_s=30.0)) as bench:
        bench.ibkr.orders = [rows.live("Submitted")]
        bench.stream.sor.put(rows.full("Submitted"))
        await until(bench.tracker.open_orders)
        getattr(bench.stream, topic).put(ZeroDivisionError("a defect"))
        await until(lambda: len(bench.stream.subscribed) == 3)
        await until(lambda: bench.of(Reconciled))

        assert "force" in bench.ibkr.asked
        assert bench.stream.subscribed == ["sor", "str", topic]
        assert 30.0 in bench.slept
        (told,) = _critical(caplog)
        assert told.getMessage() == f"a defect interrupted the news from {topic}"


async def test_defect_while_lists_are_read_is_told_and_they_are_read_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The gap stays open until then."""
    async with running(Bench(retry_s=5.0)) as bench:
        bench.ibkr.orders = [rows.live("Submitted")]
        bench.ibkr.failures.append(ZeroDivisionError("a defect"))
        bench.stream.sor.put(rows.full("Submitted"), GAP, RESUMED)
        await bench.asks("force", "force", "live", "trades")
        await until(lambda: bench.of(Reconciled))

        assert 5.0 in bench.slept
        assert [told.getMessage() for told in _critical(caplog)] == [
            "a defect interrupted the look at orders"
        ]


async def test_order_that_a_defect_kept_from_being_asked_about_is_found_in_the_lists(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It would otherwise stay in doubt until something else happened to it."""
    async with running(Bench(hint_s=2.0)) as bench:
        bench.ibkr.orders = [rows.live("Submitted")]
        bench.ibkr.statuses[ID] = ZeroDivisionError("a defect")
        bench.stream.sor.put(rows.full("Submitted"), rows.sor(ORDER_ID, status="Cancelled"))
        await until(lambda: bench.of(Reconciled))

        assert _critical(caplog)
        assert bench.ibkr.asked.index("force") < bench.ibkr.asked.index("trades")


def _critical(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """Return what was told with a traceback of a defect."""
    told = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert all(record.exc_info and record.exc_info[0] is ZeroDivisionError for record in told)
    return told


async def test_trades_that_are_not_confirmed_are_asked_for_with_their_history() -> None:
    """The history is avoided, because all listeners get it; but it makes IBKR answer."""
    async with running(Bench(resubscribe_s=1.0)) as bench:
        bench.stream.str.put(SubscriptionError("str", "no answer"))
        bench.ibkr.orders = [rows.live("Submitted")]
        await until(bench.tracker.open_orders)

        assert bench.stream.subscribed == ["sor", "str", "str with history"]


# --- doubts --------------------------------------------------------------------------------------


async def test_order_without_news_is_asked_about() -> None:
    """`sor` may be dead."""
    async with running(Bench(hint_s=2.0)) as bench:
        bench.ibkr.statuses[ID] = rows.status_reply("Submitted")
        bench.submit()
        await bench.asks(f"status {ID}")

        assert bench.slept == [2.0]
        assert bench.tracker.orders()[0].status == "Submitted"
        assert not bench.tracker.doubts


async def test_news_that_comes_soon_saves_the_question() -> None:
    """The usual case costs no request."""
    async with running(Bench()) as bench:
        news = rows.full("Submitted")
        bench.during_sleep = lambda: bench.tracker.live_order_row(news, bench.now)
        bench.submit()
        await until(lambda: bench.slept)
        await bench.asks()

        assert bench.tracker.orders()[0].status == "Submitted"


async def test_order_that_ibkr_does_not_tell_of_is_not_asked_about_at_once_again() -> None:
    """Orders of earlier days answer 503."""
    async with running(Bench()) as bench:
        bench.submit()
        await bench.asks(f"status {ID}")
        bench.tracker.live_order_row(rows.marker(), bench.now)
        await bench.asks()

        bench.now += 31
        bench.ibkr.statuses[ID] = rows.status_reply("Submitted")
        bench.tracker.live_order_row(rows.marker(), bench.now)
        await bench.asks("live", f"status {ID}")


async def test_answer_that_settles_nothing_is_not_asked_for_in_a_loop() -> None:
    """Such as one that names no order."""
    async with running(Bench()) as bench:
        bench.ibkr.statuses[ID] = OrderStatusReply()
        bench.submit()
        await bench.asks(f"status {ID}")

        assert bench.tracker.doubts


async def test_doubts_that_pile_up_are_asked_about_once() -> None:
    """However often an order comes into doubt while IBKR does not tell of it."""
    async with running(Bench(poll_s=30.0)) as bench:
        bench.submit()
        await bench.asks(f"status {ID}")
        for _ in range(3):
            bench.tracker.live_order_row(rows.marker(), bench.now)
            await bench.asks()
        bench.now += 31
        bench.tracker.live_order_row(rows.marker(), bench.now)

        await bench.asks("live", f"status {ID}")


async def test_end_is_asked_about_immediately() -> None:
    """Somebody waits for it: not even the pause is made in which news might settle a doubt."""
    async with running(Bench()) as bench:
        bench.ibkr.statuses[ID] = rows.status_reply("Cancelled")
        bench.stream.sor.put(rows.full("Submitted"), rows.sor(status="Cancelled"))
        await bench.asks(f"status {ID}")

        assert bench.slept == []
        assert bench.tracker.orders()[0].status == "Cancelled"


async def test_orders_that_ended_before_wait_for_the_list() -> None:
    """After subscribing, `sor` names all orders of the day: asking about each would be a flood."""
    async with running(Bench()) as bench:
        news = rows.live("Cancelled")
        bench.during_sleep = lambda: bench.tracker.live_order_row(news, bench.now)
        bench.stream.sor.put(rows.full("Cancelled"))
        await until(lambda: bench.slept)
        await bench.asks()

        assert bench.tracker.orders()[0].status == "Cancelled"


async def test_end_of_an_order_that_has_no_status_is_looked_up_in_the_lists() -> None:
    """IBKR tells no status of orders of earlier days. What is in no list either, works no more."""
    async with running(Bench()) as bench:
        bench.stream.sor.put(rows.full("Submitted"), rows.sor(status="Cancelled"))
        await until(lambda: not bench.tracker.open_orders() and bench.tracker.orders())

        assert bench.tracker.orders()[0].status == "Cancelled"
        first_and_last = [f"status {ID}"]
        lists = ["force", "live", f"force {rows.ACCOUNT}", f"live {rows.ACCOUNT}", "trades"]
        assert bench.ibkr.asked == first_and_last + lists + first_and_last
        assert not bench.tracker.doubts


async def test_end_is_not_believed_because_an_answer_was_lost() -> None:
    """That says nothing of the order."""
    async with running(Bench()) as bench:
        lost = RequestTimeoutError("GET /x", "no answer", may_have_reached_server=True)
        bench.ibkr.statuses[ID] = lost
        bench.stream.sor.put(rows.full("Submitted"), rows.sor(status="Cancelled"), GAP, RESUMED)
        await until(lambda: "trades" in bench.ibkr.asked)
        await until(lambda: bench.ibkr.asked[-1] == f"status {ID}")

        assert bench.tracker.open_orders()[0].status == "Submitted"
        assert bench.tracker.doubts


async def test_end_is_not_believed_while_the_lists_show_the_order() -> None:
    """It goes on working."""
    async with running(Bench()) as bench:
        bench.ibkr.orders = [rows.live("Submitted")]
        bench.stream.sor.put(rows.full("Submitted"), rows.sor(status="Cancelled"))
        await until(lambda: "trades" in bench.ibkr.asked)

        assert bench.tracker.open_orders()[0].status == "Submitted"


async def test_doubt_does_not_wait_for_the_lists() -> None:
    """Those take many seconds."""
    async with running(Bench()) as bench:
        held = asyncio.Event()

        async def slow_list(**_: Any) -> LiveOrders:
            await held.wait()
            return LiveOrders(snapshot=True)

        bench.ibkr.live = slow_list  # type: ignore[method-assign]
        bench.follower.observe(Confirmed(at=1.0, topic="str"))
        bench.ibkr.statuses[ID] = rows.status_reply("Submitted")
        bench.submit()
        await bench.asks(f"status {ID}")

        held.set()


# --- looking by itself ---------------------------------------------------------------------------


async def test_open_orders_are_looked_at_every_half_minute() -> None:
    """In case that `sor` is dead, or thin. Once none is open, that ends."""
    async with running(Bench(poll_s=1e-300)) as bench:
        bench.stream.sor.put(rows.full("Submitted"))
        await until(lambda: bench.ibkr.asked)
        assert set(bench.ibkr.asked) == {"live"}

        bench.ibkr.orders = [rows.live("Cancelled")]
        await until(lambda: not bench.tracker.open_orders())
        asked = len(bench.ibkr.asked)
        for _ in range(10):
            await asyncio.sleep(0)

        assert len(bench.ibkr.asked) == asked


async def test_order_that_has_just_opened_is_not_looked_at_yet() -> None:
    """The half minute begins with it."""
    async with running(Bench(poll_s=30.0)) as bench:
        bench.now += 500
        bench.stream.sor.put(rows.full("Submitted"))
        await until(bench.tracker.open_orders)

        await bench.asks()


async def test_fill_that_was_not_itemised_is_asked_for_once() -> None:
    """`str` may be dead too. What IBKR does not itemise is not asked for again."""
    async with running(Bench()) as bench:
        bench.stream.sor.put(rows.full("Submitted", filled=100))
        await bench.asks("trades")
        bench.stream.sor.put(rows.marker(), rows.full("Submitted", filled=100))
        await bench.asks()

        bench.ibkr.executions = [rows.trade(1, 100), rows.trade(2, 50)]
        bench.stream.sor.put(rows.full("Submitted", filled=150))
        await bench.asks("trades")
        assert bench.tracker.orders()[0].executed == 150


async def test_fill_that_is_itemised_soon_is_not_asked_for() -> None:
    """The usual case costs no request."""
    async with running(Bench()) as bench:
        fill = rows.trade(1, 100)
        bench.during_sleep = lambda: bench.tracker.trade_row(fill, bench.now)
        bench.stream.sor.put(rows.full("Submitted", filled=100))
        await until(lambda: bench.slept)

        await bench.asks()


async def test_filtered_read_is_followed_by_a_forced_one() -> None:
    """Filters silence `sor`; what was missed meanwhile is reconciled."""
    async with running(Bench()) as bench:
        bench.ibkr.orders = [rows.live("Submitted")]
        bench.stream.sor.put(rows.full("Submitted"))
        await until(bench.tracker.open_orders)
        bench.news.filtered()
        await bench.asks("force", "live", "trades")
        await until(lambda: bench.of(Reconciled))


async def test_old_orders_are_forgotten() -> None:
    """Whenever everything is asked about."""
    async with running(Bench(forget_after_s=100.0)) as bench:
        bench.ibkr.orders = [rows.live("Cancelled")]
        bench.follower.observe(Confirmed(at=1.0, topic="str"))
        await bench.asks("force", "live", "trades")
        assert bench.tracker.orders()
        bench.now += 101
        bench.ibkr.orders = []
        bench.stream.sor.put(GAP, RESUMED)
        await bench.asks("force", "live", "trades")

        assert bench.tracker.orders() == ()
