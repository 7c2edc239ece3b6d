"""What an order event costs does not grow with what is known: counted in calls, not in seconds."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ibkr_async.orders.known.follower import OrderFollower
from ibkr_async.orders.known.news import OrderNews
from ibkr_async.orders.known.tracker import OrderTracker
from ibkr_async.orders.settings import FollowerSettings
from support import order_rows as rows
from support.fake_time import FakeTime, fake_world

MANY = 10_000


class Count:
    """How many functions were called."""

    calls = 0

    def note(self, _frame: Any, event: str, _argument: Any) -> None:
        """Count a call, of Python or of C."""
        self.calls += event in {"call", "c_call"}


@contextmanager
def counted() -> Iterator[Count]:
    """Count the calls of the body."""
    count, before = Count(), sys.getprofile()
    sys.setprofile(count.note)
    try:
        yield count
    finally:
        sys.setprofile(before)


def fill_news(news: OrderNews, orders: int) -> None:
    """Let so many orders work, a third of them in doubt and a third filled without executions."""
    for number in range(1, orders + 1):
        row = rows.full(
            "Submitted", order_id=number, order_ref=f"c{number}", filled=number % 3 and 1
        )
        news.tracker.live_order_row(row, 1.0)
        if number % 3 == 0:
            news.tracker.expect(str(number))


HAPPENINGS: dict[str, Callable[[OrderTracker, int], None]] = {
    "status": lambda tracker, n: tracker.live_order_row(rows.sor(n, status="PendingCancel"), 2.0),
    "marker": lambda tracker, n: tracker.live_order_row(rows.marker(n), 2.0),
    "end": lambda tracker, n: tracker.live_order_row(rows.sor(n, status="Cancelled"), 2.0),
    "fill": lambda tracker, n: tracker.trade_row(rows.trade(1, 5, order_id=n), 2.0),
    "fill by reference": lambda tracker, n: tracker.trade_row(
        rows.trade(1, 5, order_id=None, order_ref=f"c{n}"), 2.0
    ),
    "answer": lambda tracker, n: tracker.status_reply(
        rows.status_reply("Filled", filled=722, order_id=n), 2.0, tracker.version
    ),
    "new order": lambda tracker, n: tracker.live_order_row(
        rows.full("Submitted", order_id=-n, order_ref=f"new{n}"), 2.0
    ),
    "acknowledgement": lambda tracker, n: tracker.acknowledged(
        "mine", [rows.accepted(order_id=-2 * n)], 2.0
    ),
}


async def test_event_costs_the_same_among_ten_thousand_orders() -> None:
    """Also when each of them has somebody who listens."""
    calls: list[dict[str, int]] = []
    for orders in (50, 50, MANY):  # the first time some things are looked up that stay known
        news = OrderNews()
        fill_news(news, orders)
        listeners = [news.listen([state.order_id]) for state in news.tracker.orders()]
        counts = {}
        for number, (name, happening) in enumerate(HAPPENINGS.items()):
            with counted() as count:
                happening(news.tracker, 5 + 3 * number)
            counts[name] = count.calls
        calls.append(counts)
        assert len(listeners) == orders

    assert calls[1] == calls[2]
    assert min(calls[2].values()) > 0


@pytest.mark.parametrize("commission", [None, "1.0"])
def test_fill_costs_the_same_after_thousands(commission: str | None) -> None:
    """Only the search for its place by time grows, by one step for every doubling."""
    tracker = OrderTracker(publish=lambda _: None, on_doubt=lambda: None, on_settled=lambda _: None)
    tracker.live_order_row(rows.full("Submitted", quantity=MANY), 1.0)
    calls: dict[int, int] = {}
    for number in range(1, 4_001):
        tracker.trade_row(rows.trade(number, 1), 1.0)
        row = rows.trade(number + (commission is None), 1, commission=commission)
        if number in {10, 4_000}:
            with counted() as count:
                tracker.trade_row(row, 1.0)
            calls[number] = count.calls

    assert calls[4_000] - calls[10] <= 2 * 2 * 9  # log2(4000 / 10) steps, for two searches


class _Feeds:
    connected = True

    def live_orders(self, *, markers: bool) -> Any:
        raise NotImplementedError

    trades = live_orders


async def test_follower_looks_at_no_order_that_nothing_happened_to() -> None:
    """It is woken by what there is to ask about, and finds that without looking through all."""
    calls: list[int] = []
    for orders in (10, MANY):
        news, time = OrderNews(), FakeTime()
        follower = OrderFollower(
            news,
            feeds=_Feeds(),
            readings=_Readings(),
            settings=FollowerSettings(),
            world=fake_world(time),
        )
        fill_news(news, orders)
        asking = [
            asyncio.create_task(task())
            # Its tasks without the feeds that `run` opens.
            for task in (follower._ask_about_doubts, follower._ask_about_ends)  # without the socket
        ]
        await _settle()
        news.tracker.live_order_row(rows.marker(5), 2.0)
        with counted() as count:
            await _settle()
            news.tracker.live_order_row(rows.sor(5, status="Cancelled"), 2.0)
            await _settle()
        calls.append(count.calls)
        news.end()
        await asyncio.gather(*asking)

    assert calls[1] <= calls[0] + 100  # the heap: log2(10,000) steps for each order


class _Readings:
    """IBKR does not answer."""

    async def live(self, *, force: bool = False, account_id: str | None = None) -> Any:
        raise NotImplementedError

    async def status(self, order_id: str | int) -> Any:
        return None

    async def trades(self, days: int | None = None) -> Any:
        raise NotImplementedError


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
