"""Opening, using and closing a client against the real simulator."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import anyio
import pytest
import pytest_asyncio

from ibkr_async import Client, UsageError
from ibkr_async.errors import ClosedError
from ibkr_async.events import SessionClosed, SessionReady
from ibkr_async.session.state import SessionState
from ibkr_async.simulator import Simulator
from support.leaks import nothing_left_behind
from support.settings_with import AT_ONCE
from support.waiting import first, until

AAPL = 265598


async def test_client_logs_in_and_is_ready(ib: Client) -> None:
    """Entering the client brings the brokerage session up and loads the accounts."""
    info = await ib.ready()

    assert (info.state, info.account_id, info.is_paper) == (
        SessionState.READY,
        "DU1234567",
        True,
    )
    assert info.server_name
    assert info is ib.session.info


async def test_gateway_client_works_like_a_signed_one(sim: Simulator) -> None:
    """The same program runs behind a gateway: no login, a pinned certificate."""
    async with nothing_left_behind(), Client(sim.gateway()) as ib, ib.quotes("AAPL") as quotes:
        quote = await anext(quotes)

    assert quote.symbol == "AAPL"
    assert sim.sockets[-1].identity == "gateway"


async def test_health_tells_the_truth_before_during_and_after(sim: Simulator) -> None:
    """A closed client is not reported as healthy."""
    ib = Client(sim.auth())
    before = ib.health()
    async with ib, ib.quotes("AAPL") as quotes:
        await anext(quotes)
        during = ib.health()
    after = ib.health()

    assert (before.ok, before.session, before.tickle_age_s) == (False, "unknown", None)
    assert (during.ok, during.socket_wanted, during.socket_connected) == (True, True, True)
    assert during.account_id == "DU1234567"
    assert during.login_expires_in_s is not None
    assert during.requests >= 5
    assert (after.ok, after.session) == (False, "closed")


async def test_two_hundred_clients_leave_nothing_behind(sim: Simulator) -> None:
    """Opening and closing two hundred times leaks no task and no descriptor.

    One cycle takes about 10 ms. With a fresh login it is a third of a second, nearly all of it
    waiting: of its four requests the pacing lets two leave together, and two 0.26 s later.
    """
    auth = sim.auth()
    async with Client(auth):
        pass

    async with nothing_left_behind():
        for _ in range(200):
            async with Client(auth) as ib:
                assert ib.session.info.state is SessionState.READY


async def test_clients_with_sockets_leave_nothing_behind(sim: Simulator) -> None:
    """The same with a socket and a subscription each; every socket is closed with 1000."""
    auth = sim.auth()
    async with nothing_left_behind():
        for _ in range(5):
            async with Client(auth) as ib, ib.stream.market_data(AAPL) as ticks:
                await anext(ticks)
        await until(lambda: not any(socket.is_open for socket in sim.sockets))

    assert [socket.client_close_code for socket in sim.sockets] == [1000] * 5


async def test_the_server_sees_1000_within_two_seconds(sim: Simulator) -> None:
    """Leaving the block ends the socket gracefully."""
    async with Client(sim.gateway()) as ib, ib.stream.market_data(AAPL) as ticks:
        await anext(ticks)
        started = time.monotonic()
    await until(lambda: sim.sockets[0].client_close_code is not None)

    assert sim.sockets[0].client_close_code == 1000
    assert time.monotonic() - started < 2


async def test_an_exception_in_the_block_still_closes_with_1000(sim: Simulator) -> None:
    """The user's own error comes out unchanged, not inside a group."""

    async def use() -> None:
        async with Client(sim.gateway()) as ib, ib.stream.market_data(AAPL) as ticks:
            await anext(ticks)
            raise ZeroDivisionError

    async with nothing_left_behind():
        with pytest.raises(ZeroDivisionError):
            await use()
        await until(lambda: sim.sockets[0].client_close_code is not None)

    assert sim.sockets[0].client_close_code == 1000


@pytest.mark.parametrize("way", ["task", "scope", "timeout"])
async def test_cancellation_of_the_block_still_closes_with_1000(sim: Simulator, way: str) -> None:
    """However the block is cancelled, the server sees a graceful end."""
    running = asyncio.Event()

    async def use() -> None:
        async with Client(sim.gateway()) as ib, ib.stream.market_data(AAPL) as ticks:
            async for _ in ticks:
                running.set()

    async with nothing_left_behind():
        if way == "task":
            task = asyncio.create_task(use())
            await running.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        elif way == "scope":
            async with anyio.create_task_group() as group:
                group.start_soon(use)
                await running.wait()
                group.cancel_scope.cancel()
        else:
            with pytest.raises(TimeoutError):
                await _expire_when(running, use())
        await until(lambda: sim.sockets[0].client_close_code is not None)

    assert sim.sockets[0].client_close_code == 1000


async def _expire_when(running: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work under a time limit that expires as soon as it is running."""
    async with asyncio.timeout(None) as limit, anyio.create_task_group() as group:

        async def expire() -> None:
            await running.wait()
            limit.reschedule(asyncio.get_running_loop().time())

        group.start_soon(expire)
        await work


@pytest_asyncio.fixture(loop_scope="function")
async def streaming(sim: Simulator) -> AsyncIterator[Client]:
    """Return a client with a socket, entered and left by the fixture's own task."""
    async with Client(sim.gateway()) as ib, ib.stream.market_data(AAPL) as ticks:
        await anext(ticks)
        yield ib


async def test_client_works_as_a_fixture(streaming: Client) -> None:
    """Set-up and teardown of a fixture may run in different tasks; the client does not mind."""
    async with streaming.quotes("MSFT") as quotes:
        assert (await anext(quotes)).symbol == "MSFT"


async def test_events_begin_before_and_end_with_the_client(sim: Simulator) -> None:
    """Listening before entering misses nothing, and the iteration ends by itself."""
    ib = Client(sim.auth())
    events = ib.events()
    async with ib:
        pass
    kinds = [type(event) async for event in events]

    assert kinds == [SessionReady, SessionClosed]


async def test_quotes_end_when_the_client_closes(sim: Simulator) -> None:
    """Whoever iterates is let go instead of waiting for ever."""
    ib = Client(sim.gateway())
    await ib.__aenter__()
    quotes = ib.quotes("AAPL")
    await quotes.__aenter__()
    await anext(quotes)
    consumer = asyncio.create_task(_drain(quotes))
    await ib.aclose()
    with anyio.fail_after(2):
        await consumer


async def _drain(items: AsyncIterator[object]) -> None:
    async for _ in items:
        pass


async def test_drain_lets_consumers_take_what_is_queued(sim: Simulator) -> None:
    """A gentle end: what has come is still delivered, then the client is closed."""
    async with nothing_left_behind(), Client(sim.gateway()) as ib:
        async with ib.stream.market_data(AAPL) as ticks:
            await anext(ticks)
            await until(lambda: ticks.stats.waiting)
            consumer = asyncio.create_task(_drain(ticks))
            everything = await ib.drain(5)
            await asyncio.wait_for(consumer, 2)

            assert (everything, ticks.stats.waiting) == (True, 0)
        with pytest.raises(ClosedError):
            await ib.accounts.list()


async def test_drain_does_not_wait_for_ever(sim: Simulator) -> None:
    """Nobody reads: it says so after the time it was given, and closes all the same."""
    async with nothing_left_behind(), Client(sim.gateway()) as ib:
        async with ib.stream.market_data(AAPL) as ticks:
            await until(lambda: ticks.stats.waiting)

            assert await ib.drain(0.05) is False
        assert ib.session.info.state is SessionState.CLOSED


async def test_closing_twice_is_harmless(sim: Simulator) -> None:
    """Also from two tasks at once."""
    async with nothing_left_behind():
        ib = await Client(sim.gateway()).__aenter__()
        await asyncio.gather(ib.aclose(), ib.aclose())
        await ib.aclose()


async def test_closing_without_opening_is_harmless(sim: Simulator) -> None:
    """A client that was never entered has nothing to close, and lets its listeners go."""
    async with nothing_left_behind():
        ib = Client(sim.auth())
        events = ib.events()
        await ib.aclose()

    assert [type(event) async for event in events] == [SessionClosed]


async def test_logout_ends_session_and_socket_and_nothing_logs_in_again(sim: Simulator) -> None:
    """After a logout nobody asks for a new session, the waiting subscriptions end."""
    async with nothing_left_behind():
        async with Client(sim.auth(), settings=AT_ONCE) as ib:
            events = ib.events()
            async with ib.stream.market_data(AAPL) as ticks:
                await anext(ticks)
                await ib.session.logout()
                with anyio.fail_after(2):
                    await _drain(ticks)
            with pytest.raises(ClosedError, match="logged out"):
                await ib.accounts.list()
            with pytest.raises(ClosedError, match="logged out"):
                await ib.ready()
        closed = await first(events, SessionClosed)

    assert closed.logged_out
    assert sim.requests[-1].path == "/logout"


async def test_a_client_is_entered_once(sim: Simulator) -> None:
    """Entering an open client is misuse; the open one goes on."""
    async with Client(sim.gateway()) as ib:
        with pytest.raises(UsageError, match="second one"):
            await ib.__aenter__()
        assert ib.session.info.state is SessionState.READY

    with pytest.raises(ClosedError, match="used once"):
        await ib.__aenter__()
