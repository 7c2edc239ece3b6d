from __future__ import annotations

import asyncio
import gc

import anyio
import pytest

from ibkr_async.errors import SlowConsumerError, UsageError
from ibkr_async.orders.known import news as news_module
from ibkr_async.orders.known.events import AnyOrderEvent
from ibkr_async.orders.known.news import OrderEvents, OrderNews
from ibkr_async.stream.delivery.buffer import Buffer
from ibkr_async.types import OrderId
from support import order_rows as rows
from support.inside import line_of
from support.order_rows import ORDER_ID

ID = OrderId(str(ORDER_ID))


def happen(news: OrderNews, *statuses: str, order_id: int = ORDER_ID) -> None:
    """Let an order go through these statuses."""
    for status in statuses:
        news.tracker.live_order_row(
            rows.full(status, order_id=order_id, order_ref=f"c{order_id}"), 1.0
        )


def words(events: list[AnyOrderEvent]) -> list[str | None]:
    """Give the status word after each event."""
    return [event.state.status for event in events]


async def test_listener_of_an_order_begins_with_what_has_happened() -> None:
    """In the order in which it did, over all orders that it listens to."""
    news = OrderNews()
    happen(news, "Inactive", "Submitted")
    happen(news, "Inactive", order_id=2)
    happen(news, "PendingCancel")
    happen(news, "Inactive", order_id=3)

    events = news.listen([ID, OrderId("2")], is_over=lambda: True)

    assert [(e.order_id, e.state.status) async for e in events] == [
        (ID, "Inactive"),
        (ID, "Submitted"),
        ("2", "Inactive"),
        (ID, "PendingCancel"),
    ]


async def test_listener_to_all_orders_begins_now() -> None:
    """What was before is in the tracker."""
    news = OrderNews()
    happen(news, "Inactive")
    async with news.listen() as events:
        happen(news, "Submitted")
        happen(news, "Inactive", order_id=2)
        news.end()

        assert words([event async for event in events]) == ["Submitted", "Inactive"]


async def test_waiting_listener_is_woken_by_its_orders_only() -> None:
    """Events of other orders do not reach it."""
    news = OrderNews()
    events = news.listen([ID])
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    happen(news, "Inactive", order_id=2)
    await asyncio.sleep(0)
    assert not waiting.done()

    happen(news, "Submitted")

    assert (await waiting).state.status == "Submitted"


async def test_second_task_is_refused() -> None:
    """Each event would go to only one of them."""
    news = OrderNews()
    events = news.listen()
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0)

    with pytest.raises(UsageError, match="another task"):
        await anext(events)

    news.end()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_cancelled_wait_loses_nothing() -> None:
    """The event that came meanwhile is there for the next."""
    news = OrderNews()
    events = news.listen()
    with anyio.move_on_after(0):
        await anext(events)
    happen(news, "Submitted")

    assert (await anext(events)).state.status == "Submitted"


async def test_listener_ends_when_nothing_came_for_the_linger_time() -> None:
    """That time runs only once it is nearly over."""
    news = OrderNews()
    nearly = False
    events = news.listen(is_nearly_over=lambda: nearly, linger_s=0.0)
    happen(news, "Submitted")
    await anext(events)
    nearly = True

    with pytest.raises(StopAsyncIteration):
        await anext(events)


async def test_closed_listener_ends_and_hears_nothing_more() -> None:
    """Closing twice is harmless."""
    news = OrderNews()
    events = news.listen()
    await events.aclose()
    await events.aclose()
    happen(news, "Submitted")

    assert [event async for event in events] == []


async def test_listening_after_the_end_gives_the_past_only() -> None:
    """A closed client has no news to come."""
    news = OrderNews()
    happen(news, "Submitted")
    news.end()

    assert words([event async for event in news.listen([ID])]) == ["Submitted"]
    assert news.needed.is_set()


async def test_listener_that_does_not_read_is_told_what_it_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After everything that was queued."""
    monkeypatch.setattr(news_module, "_CAPACITY", 1)
    news = OrderNews()
    events = news.listen()
    happen(news, "Inactive", "Submitted", "PendingCancel")

    assert (await anext(events)).state.status == "Inactive"
    with pytest.raises(SlowConsumerError, match="2 more"):
        await anext(events)


async def test_forgotten_orders_take_their_events_along() -> None:
    """Memory is bounded by the orders of some days."""
    news = OrderNews()
    happen(news, "Submitted")
    news.tracker.live_order_row(rows.live("Cancelled"), 1.0)
    happen(news, "Submitted", order_id=2)
    news.forget(news.tracker.version)

    past = news.listen([ID, OrderId("2")], is_over=lambda: True)

    assert [event.order_id async for event in past] == ["2"]


async def test_alarms_go_off_for_first_open_orders_doubts_and_filtered_reads() -> None:
    """Those who ask IBKR look then; not at every event, of which there may be thousands."""
    news = OrderNews()
    alarm = news.alarm()
    happen(news, "Inactive")
    assert alarm.is_set()
    alarm.clear()
    happen(news, "Submitted")
    happen(news, "Submitted", order_id=2)
    assert not alarm.is_set()
    news.tracker.expect(ID)
    assert alarm.is_set()
    alarm.clear()
    news.filtered()
    assert alarm.is_set()

    assert news.take_silenced()
    assert not news.take_silenced()


async def test_refused_order_is_heard_by_those_who_watch_all() -> None:
    """It has no number under which to keep it."""
    news = OrderNews()
    async with news.listen() as events:
        news.tracker.rejected("mine", "no", 1.0)

        assert (await anext(events)).coid == "mine"


async def test_forgotten_listener_costs_nothing() -> None:
    """A loop that is left with `break` closes nothing."""
    news = OrderNews()
    async for _ in _first_of(news):
        break
    gc.collect()
    await asyncio.sleep(0)

    # That nothing is left behind shows nowhere else.
    assert not any(news._listeners.values())


def _first_of(news: OrderNews) -> OrderEvents:
    happen(news, "Submitted")
    return news.listen([ID])


async def test_event_goes_to_the_listeners_of_its_order_only() -> None:
    """However many listen to others: ten thousand of them cost an event nothing."""
    news = OrderNews()
    others = [news.listen([OrderId(str(number))]) for number in range(10_000, 20_000)]
    touched: list[int] = []

    class Spy(Buffer[AnyOrderEvent]):
        def put(self, _item: AnyOrderEvent, _source: str = "") -> None:
            touched.append(1)

    for other in others:
        line_of(other).buffer = Spy("spy", policy="fail", capacity=1)
    async with news.listen([ID]) as events:
        happen(news, "Submitted")

        assert words([await anext(events)]) == ["Submitted"]
    assert touched == []
    # That nothing is left behind shows nowhere else.
    assert len(news._listeners) == 10_000
    news.end()
    # That nothing is left behind shows nowhere else.
    assert news._listeners == {}
