"""What the engine joins: the journal's lifetime, the exercise of options, the feeds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ibkr_async.errors import ClosedError, OrderGuardError
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.fate.journal_entries import read_open_intents
from ibkr_async.orders.settings import GuardSettings
from ibkr_async.orders.write.order_types import LimitOrder, MarketOrder
from support.fake_send import FakeSend
from support.fake_time import FakeTime, fake_world
from support.order_desk import make_desk

ORDER = LimitOrder(265598, "BUY", 10, "189.50", coid="my-1")


async def test_engine_begins_with_what_an_earlier_run_left_open(tmp_path: Path) -> None:
    """The gate is closed before anything can be sent; the journal closes with the engine."""
    world = fake_world()
    journal = Journal(tmp_path / "j", world=world)
    await journal.open()
    await journal.intend(await make_desk(FakeSend()).engine.preparation.order(ORDER, None, None))
    await journal.aclose()
    again = Journal(tmp_path / "j", world=world)
    desk = make_desk(FakeSend(), journal=again, world=world)

    await desk.engine.start()
    assert list(desk.unknown) == ["my-1"]
    await desk.engine.aclose()

    assert len(read_open_intents(tmp_path / "j")) == 1
    with pytest.raises(ClosedError):
        await again.sent("my-1")


@pytest.mark.parametrize("opens", [True, False])
async def test_first_order_leaves_when_the_feeds_are_open_or_time_is_up(
    caplog: pytest.LogCaptureFixture, *, opens: bool
) -> None:
    """A fill that came before the feeds was never heard of; later orders wait for nothing."""
    send = FakeSend("accepted", "accepted#2", "accepted")
    waited: list[tuple[float, int]] = []

    async def feeds_ready(timeout_s: float) -> bool:
        waited.append((timeout_s, len(send.requests)))
        return opens

    desk = make_desk(send, feeds_ready=feeds_ready, feeds_timeout_s=3.0)
    await desk.submit(ORDER)
    await desk.place(MarketOrder(1, "BUY", 1))
    await desk.modify(987654, ORDER)

    assert waited == [(3.0, 0)]
    assert len(send.requests) == 3
    assert ("the order feeds did not open within 3 s" in caplog.text) is not opens


async def test_an_order_that_comes_second_waits_for_the_feeds_too() -> None:
    """Two orders at the start of a session: neither may leave before its fill can be heard of."""
    send, are_open = FakeSend("accepted", "accepted#2"), asyncio.Event()

    async def feeds_ready(_timeout_s: float) -> bool:
        await are_open.wait()
        return True

    desk = make_desk(send, feeds_ready=feeds_ready)
    orders = [asyncio.create_task(desk.place(MarketOrder(1, "BUY", 1))) for _ in range(2)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert send.requests == []
    are_open.set()
    await asyncio.gather(*orders)

    assert len(send.requests) == 2


async def test_exercise_counts_as_an_order() -> None:
    """And the answer to its warning does not count again."""
    guard = GuardSettings(max_orders_per_minute=1, conids=[7], max_quantity=3, accounts=["DU1"])
    desk = make_desk(FakeSend(), guard=guard, world=fake_world(FakeTime()))

    desk.engine.check_exercise(7, 3, is_new=True)
    desk.engine.check_exercise(7, 3, is_new=False)
    with pytest.raises(OrderGuardError, match="per_minute"):
        desk.engine.check_exercise(7, 3, is_new=True)
    with pytest.raises(OrderGuardError, match="quantity"):
        desk.engine.check_exercise(7, None, is_new=False)
