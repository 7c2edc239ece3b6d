"""Closing finishes everything, whatever one part does, and tells what became of requests under way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from ibkr_async import Client
from ibkr_async.errors import ClosedError, OrderUnknownError
from ibkr_async.events import Event, SessionClosed
from ibkr_async.orders.fate.journal_entries import read_entries, read_open_intents
from ibkr_async.orders.handle import OrderHandle
from ibkr_async.orders.write.order_types import MarketOrder
from ibkr_async.session.state import SessionState
from ibkr_async.simulator import Simulator
from ibkr_async.testing import run_virtual
from ibkr_async.testing.virtual import InlineThreads
from ibkr_async.world import World
from support.inside import parts_of

AAPL = 265598


class StuckThreads(InlineThreads):
    """Threads whose serial work stands still from some moment on, as behind a locked file."""

    is_stuck = False

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[], Any]] = []
        """What was to be done meanwhile."""

    def serial(self, name: str) -> Executor:
        inline = super().serial(name)
        threads = self

        class Stuck(Executor):
            def submit(self, function: Callable[..., Any], /, *args: Any, **more: Any) -> Any:
                if not threads.is_stuck:
                    return inline.submit(function, *args, **more)
                threads.waiting.append(lambda: function(*args, **more))
                return Future()

        return Stuck()


async def hang() -> None:
    """Never end by itself."""
    await asyncio.Event().wait()


async def defect() -> None:
    """Fail as nobody expects."""
    raise ZeroDivisionError("a defect")


@asynccontextmanager
async def opened(
    world: World, **settings: Any
) -> AsyncIterator[tuple[Simulator, Client, asyncio.Task[list[Event]]]]:
    """Open a client with somebody who listens to the end; closing is left to the body."""
    async with Simulator(world=world) as sim:
        ib = Client(sim.gateway(), world=world, **settings)
        events = ib.events()

        async def listen() -> list[Event]:
            return [event async for event in events]

        listening = asyncio.create_task(listen())
        await ib.open()
        yield sim, ib, listening
        await asyncio.sleep(20)  # slow answers end before the simulator does


def errors_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was logged as an error."""
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]


def test_locked_journal_keeps_nothing_from_closing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Listeners end, the state says closed, the connections are closed; it is logged once."""

    async def main(world: World) -> tuple[list[Event], SessionState, float, int]:
        threads = StuckThreads()
        stuck = msgspec.structs.replace(world, threads=threads)
        async with opened(stuck, journal=tmp_path / "orders.journal") as (sim, ib, listening):
            threads.is_stuck = True
            began = world.clock.monotonic()
            await ib.aclose()
            took_s = world.clock.monotonic() - began
            heard = await asyncio.wait_for(listening, 1)
            await asyncio.sleep(1)
            for late in threads.waiting:
                late()  # the file is closed in the end
            return heard, ib.session.info.state, took_s, sim.open_connections

    heard, state, took_s, connections = run_virtual(main)

    assert [type(event) for event in heard[-1:]] == [SessionClosed]
    assert (state, connections) == (SessionState.CLOSED, 0)
    assert took_s <= 10
    [message] = errors_of(caplog)
    assert "closing the orders failed: TimeoutError" in message


@pytest.mark.parametrize("fails", [hang, defect])
@pytest.mark.parametrize(
    ("part", "named"),
    [("engine", "the stream"), ("pipeline", "the connections"), ("order_engine", "the orders")],
)
def test_part_that_does_not_close_keeps_no_other_from_closing(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    part: str,
    named: str,
    fails: Callable[[], Awaitable[None]],
) -> None:
    """Whichever it is, whether it hangs or raises: the others are closed, and it is logged once."""

    async def main(world: World) -> tuple[list[Event], SessionState, set[str]]:
        async with opened(world) as (_, ib, listening):
            parts = parts_of(ib)
            closed: set[str] = set()
            for name in ("engine", "pipeline", "order_engine"):
                monkeypatch.setattr(
                    getattr(parts, name), "aclose", closing(name, getattr(parts, name), closed)
                )
            really = getattr(parts, part).aclose
            monkeypatch.setattr(getattr(parts, part), "aclose", fails)
            await ib.aclose()
            heard = await asyncio.wait_for(listening, 1)
            came_by_itself = set(closed)
            await really()  # leaves nothing behind
            return heard, ib.session.info.state, came_by_itself

    def closing(name: str, one: Any, closed: set[str]) -> Callable[[], Awaitable[None]]:
        really = one.aclose

        async def close() -> None:
            closed.add(name)
            await really()

        return close

    heard, state, closed = run_virtual(main)

    assert [type(event) for event in heard[-1:]] == [SessionClosed]
    assert state is SessionState.CLOSED
    assert closed == {"engine", "pipeline", "order_engine"} - {part}
    [message] = errors_of(caplog)
    assert f"closing {named} failed" in message


@pytest.mark.parametrize("ignores", [True, False])
def test_part_that_runs_on_keeps_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, ignores: bool
) -> None:
    """An engine that does not end, not even when it is cancelled, is left behind and told."""

    async def main(world: World) -> tuple[list[Event], SessionState, float]:
        may_end = asyncio.Event()

        async def run() -> None:
            with anyio.CancelScope(shield=ignores):
                await may_end.wait()

        async with Simulator(world=world) as sim:
            ib = Client(sim.gateway(), world=world)
            events = ib.events()
            monkeypatch.setattr(parts_of(ib).engine, "run", run)
            await ib.open()
            began = world.clock.monotonic()
            await ib.aclose()
            took_s = world.clock.monotonic() - began
            heard = [event async for event in events]
            may_end.set()
            await asyncio.sleep(1)
            return heard, ib.session.info.state, took_s

    heard, state, took_s = run_virtual(main)

    assert [type(event) for event in heard[-1:]] == [SessionClosed]
    assert state is SessionState.CLOSED
    assert took_s <= 15
    assert len(errors_of(caplog)) == ignores


def test_read_under_way_ends_with_the_client() -> None:
    """It does not run on until its own time is over; nor does one that waits for its turn."""

    async def main(world: World) -> tuple[list[object], float]:
        async with opened(world) as (sim, ib, _):
            sim.slow("/portfolio/*", 14)
            sim.slow("/iserver/account/trades", 14)
            reads = [
                asyncio.create_task(each)
                for each in (
                    ib.portfolio.positions(),
                    ib.orders.trades(),
                    ib.orders.trades(),
                    ib.request("GET", "/portfolio/accounts"),
                )
            ]
            await asyncio.sleep(1)
            began = world.clock.monotonic()
            await ib.aclose()
            ended = await asyncio.gather(*reads, return_exceptions=True)
            return list(ended), world.clock.monotonic() - began

    ended, took_s = run_virtual(main)

    assert [type(each) for each in ended] == [ClosedError] * 4
    assert took_s < 3


@pytest.mark.parametrize("is_heard_of", [True, False])
def test_order_under_way_ends_with_the_client(tmp_path: Path, *, is_heard_of: bool) -> None:
    """IBKR may have it: what was heard of it decides, and else it is unknown, told and kept open."""
    path = tmp_path / "orders.journal"

    async def main(world: World) -> tuple[object, float, int, int]:
        async with opened(world, journal=path) as (sim, ib, _):
            sim.slow("/iserver/account/*/orders", 14, after=is_heard_of)
            order = MarketOrder(AAPL, "BUY", 1, coid="my-1")
            placing = asyncio.create_task(ib.orders.submit(order))
            await asyncio.sleep(5)
            began = world.clock.monotonic()
            await ib.aclose()
            [ended] = await asyncio.gather(placing, return_exceptions=True)
            took_s = world.clock.monotonic() - began
            return ended, took_s, ib.health().unknown_orders, len(read_open_intents(path))

    ended, took_s, unknown, kept = run_virtual(main)

    if is_heard_of:
        assert isinstance(ended, OrderHandle)
    else:
        assert isinstance(ended, OrderUnknownError)
        assert "closed before the answer" in str(ended)
    assert (unknown, kept) == ((0, 0) if is_heard_of else (1, 1))
    assert took_s < 3


def test_search_for_a_lost_order_ends_with_the_client(tmp_path: Path) -> None:
    """Also while it waits for its next look: the order stays unknown, nothing is proven."""
    path = tmp_path / "orders.journal"

    async def main(world: World) -> tuple[object, float]:
        async with opened(world, journal=path) as (sim, ib, _):
            sim.drop_next("/iserver/account/*/orders")
            order = MarketOrder(AAPL, "BUY", 1, coid="my-1")
            placing = asyncio.create_task(ib.orders.submit(order))
            await asyncio.sleep(13)
            began = world.clock.monotonic()
            assert not placing.done()
            await ib.aclose()
            [ended] = await asyncio.gather(placing, return_exceptions=True)
            return ended, world.clock.monotonic() - began

    ended, took_s = run_virtual(main)

    assert isinstance(ended, OrderUnknownError)
    assert "the client was closed" in str(ended)
    assert took_s < 3
    assert "rejected" not in [entry.event for entry in read_entries(path)]
