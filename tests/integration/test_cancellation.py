"""Cancelling at any await: nothing is left running or open, and no order is sent twice.

The leaks are counted around the whole client: while it is open, its pool may keep connections.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ibkr_async import Answers, Client, LimitOrder, Side
from ibkr_async.orders.fate.journal_entries import read_entries
from ibkr_async.session.state import SessionState
from ibkr_async.simulator import Simulator
from support.cancelling import Kind, at_every_wait, at_many_turns
from support.leaks import nothing_left_behind
from support.settings_with import settings_with
from support.waiting import until

AAPL = 265598

pytestmark = pytest.mark.parametrize("kind", ["task", "scope"])


async def test_entering_a_client(sim: Simulator, kind: Kind) -> None:
    """Wherever entering is given up, the half-open client takes itself down."""
    auth = sim.auth()
    auth.prepare()  # reading the keys takes 60 ms in a thread, in which the loop only idles

    async def enter() -> None:
        async with Client(auth):
            pass

    async with nothing_left_behind():
        waits = [nth async for nth in at_every_wait(enter, kind)]
        auth.forget()
        turns = [nth async for nth in at_many_turns(enter, kind)]

    assert waits
    assert len(turns) > 5


async def test_a_read(sim: Simulator, kind: Kind) -> None:
    """A request that is given up at any point leaves the client usable."""
    async with nothing_left_behind(), Client(sim.gateway()) as ib:
        waits = [nth async for nth in at_every_wait(lambda: ib.contracts.search("AAPL"), kind)]

        assert await ib.contracts.search("AAPL")
    assert len(waits) > 5


async def test_subscribing_and_reading_a_quote(sim: Simulator, kind: Kind) -> None:
    """Whatever was subscribed is given up again; others are not disturbed."""
    async with nothing_left_behind(), Client(sim.gateway()) as ib:

        async def read() -> None:
            async with ib.quotes("AAPL") as quotes:
                await anext(quotes)
                await anext(quotes)

        async with ib.quotes("MSFT") as others:
            await anext(others)
            waits = [nth async for nth in at_every_wait(read, kind)]
            await anext(others)

            assert others.stats.gaps == 0
        assert not ib.health().socket_wanted
    assert len(waits) > 5


async def test_submitting_an_order(sim: Simulator, kind: Kind, tmp_path: Path) -> None:
    """An order that may have gone out is in `unknown`; none goes out twice, none is forgotten.

    Of the others it is known, and written down, that they were not sent.
    """
    acknowledged: list[str] = []
    runs = 0
    journal = str(tmp_path / "journal")
    settings = settings_with({"orders.closes_gate": False, "orders.journal": journal})
    async with nothing_left_behind(), Client(sim.gateway(), settings=settings) as ib:

        async def submit() -> None:
            order = LimitOrder(AAPL, Side.BUY, 1, "120.00")
            live = await ib.orders.submit(order, answers=Answers.allow("o163"))
            acknowledged.append(live.coid)

        async for _ in at_every_wait(submit, kind):
            runs += 1
        live = [row["order_ref"] for row in sim.broker.live_order_rows()]

        unknown = set(ib.orders.unknown)
        assert set(live) <= unknown | set(acknowledged)
    entries = read_entries(journal)
    intended = {entry.coid for entry in entries if entry.event == "intent"}
    not_sent = {entry.coid for entry in entries if entry.event == "not_sent"}
    assert intended == not_sent | unknown | set(acknowledged)
    assert not_sent
    assert not not_sent & (unknown | set(live))
    assert runs > 5
    assert len(set(live)) == len(live)
    assert sum(request.path.endswith("/orders") for request in sim.requests) <= runs + 2


async def test_closing_a_client(sim: Simulator, kind: Kind) -> None:
    """Closing is finished first: the server sees 1000 however often it is cancelled."""
    async with nothing_left_behind():
        ib = await Client(sim.gateway()).__aenter__()
        async with ib.stream.market_data(AAPL) as ticks:
            await anext(ticks)
            waits = [nth async for nth in at_every_wait(ib.aclose, kind)]
        await until(lambda: sim.sockets[-1].client_close_code is not None)

    # A scope's cancellation is held back altogether; a task's is passed on afterwards.
    assert bool(waits) is (kind == "task")
    assert sim.sockets[-1].client_close_code == 1000
    assert ib.session.info.state is SessionState.CLOSED


async def test_waiting_for_an_event(sim: Simulator, kind: Kind) -> None:
    """Giving up waiting loses no event: the next one to ask gets it."""
    async with nothing_left_behind(), Client(sim.gateway()) as ib:
        events = ib.events()

        async def wait_for_one() -> object:
            return await anext(events)

        async for _ in at_every_wait(wait_for_one, kind):
            await ib.session.logout()

    assert [type(event).__name__ async for event in events] == ["SessionClosed"]
