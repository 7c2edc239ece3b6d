"""Losing and regaining socket, login and session against the real simulator."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from ibkr_async import Client
from ibkr_async.errors import (
    CompetingSessionError,
    NoBridgeError,
    RateLimitedError,
    SessionTimeoutError,
)
from ibkr_async.events import (
    Disconnected,
    Event,
    Events,
    Gap,
    LoginRenewed,
    Resumed,
    SessionCompeting,
    SessionLost,
    SessionReady,
    SessionTakenOver,
)
from ibkr_async.session.state import SessionState
from ibkr_async.simulator import Simulator
from support.settings_with import settings_with
from support.waiting import all_of, first, until

AAPL = 265598
LOGIN = "/oauth/live_session_token"


async def _until_resumed(events: Events) -> list[Event]:
    told: list[Event] = []
    async with asyncio.timeout(5):
        async for event in events:
            told.append(event)
            if isinstance(event, Resumed):
                return told
    raise AssertionError("the events ended")


@pytest.mark.parametrize("code", [1000, 1012, 1013, None])
async def test_lost_socket_is_a_gap_and_comes_back(
    sim: Simulator, gateway_ib: Client, code: int | None
) -> None:
    """However the server ends the socket: gap, reconnect, resumed, quotes."""
    async with gateway_ib.quotes("AAPL") as quotes:
        await anext(quotes)
        events = gateway_ib.events()
        sim.drop_sockets(code)
        if code == 1013:  # "try again later" is waited out; not here
            gap = await first(events, Gap)
            assert gap.topic == "smd+265598"
            return
        told = await _until_resumed(events)
        await asyncio.wait_for(anext(quotes), 5)

    lost = next(event for event in told if isinstance(event, Disconnected))
    resumed = told[-1]
    assert isinstance(resumed, Resumed)
    assert (lost.code, lost.planned) == (code or 1006, False)
    assert (resumed.topic, resumed.confirmed) == ("smd+265598", True)
    assert sum(isinstance(event, Gap) for event in told) == 1
    assert gateway_ib.health().gaps == 1
    assert len(sim.sockets) == 2


async def test_markers_stand_where_the_data_is_missing(sim: Simulator, gateway_ib: Client) -> None:
    """A consumer that asks for markers sees gap and resumption between the data."""
    async with gateway_ib.stream.market_data(AAPL) as ticks:
        await anext(ticks)
        sim.drop_sockets(1000)
        gap = await first(ticks.marked(), Gap)
        following = await anext(ticks.marked())

    assert gap.topic == "smd+265598"
    assert isinstance(following, Resumed)
    assert following.gap_s >= 0


async def test_expired_token_costs_one_login_and_no_error(sim: Simulator, ib: Client) -> None:
    """Many reads meet the 401 together; one of them logs in, and all succeed."""
    events = ib.events()
    logins = _logins(sim)
    sim.expire_token()
    async with anyio.create_task_group() as tasks:
        for symbol in ("AAPL", "MSFT", "SPY", "IBM"):
            tasks.start_soon(ib.contracts.search, symbol)
    renewed = await first(events, LoginRenewed)

    assert _logins(sim) - logins == 1
    assert renewed.at > 0


async def test_renewed_login_binds_the_socket_anew(sim: Simulator, ib: Client) -> None:
    """A socket does not survive its login for certain, so it is replaced: one gap, then quotes."""
    async with ib.quotes("AAPL") as quotes:
        await anext(quotes)
        events = ib.events()
        logins = _logins(sim)
        sim.expire_token()
        await ib.contracts.search("MSFT")
        told = await _until_resumed(events)
        await asyncio.wait_for(anext(quotes), 5)

    assert _logins(sim) - logins == 1
    assert sum(isinstance(event, Gap) for event in told) == 1
    assert any(isinstance(event, LoginRenewed) for event in told)
    assert (len(sim.sockets), sim.sockets[0].client_close_code) == (2, 1000)


async def test_expired_token_and_lost_socket_together(sim: Simulator, ib: Client) -> None:
    """The reconnect itself meets the expired token, logs in once, and binds to the new session."""
    async with ib.quotes("AAPL") as quotes:
        await anext(quotes)
        logins = _logins(sim)
        events = ib.events()
        sim.expire_token()
        sim.drop_sockets(1012)
        await _until_resumed(events)

    assert _logins(sim) - logins == 1


def _logins(sim: Simulator) -> int:
    return sum(request.path == LOGIN for request in sim.requests)


async def test_session_that_ends_is_opened_again(sim: Simulator, ib: Client) -> None:
    """The nightly reset: lost, initialised again, and quotes flow without the user's help."""
    async with ib.quotes("AAPL") as quotes:
        await anext(quotes)
        events = ib.events()
        sim.end_session()
        await all_of(events, SessionLost, SessionReady, Resumed)
        await asyncio.wait_for(anext(quotes), 5)

    assert ib.session.info.state is SessionState.READY


async def test_lapsed_session_is_noticed_by_a_request(sim: Simulator, gateway_ib: Client) -> None:
    """Without a socket nobody tells; the first `no bridge` makes the keeper look at once."""
    events = gateway_ib.events()
    sim.end_session()
    with pytest.raises(NoBridgeError, match=r"ib\.ready\(\)"):
        await gateway_ib.accounts.list()
    await first(events, SessionReady)

    assert (await gateway_ib.ready(1)).state is SessionState.READY


async def test_ready_waits_for_the_session(sim: Simulator, gateway_ib: Client) -> None:
    """Who must have the session waits for it with one call."""
    async with gateway_ib.quotes("AAPL") as quotes:
        await anext(quotes)
        events = gateway_ib.events()
        sim.end_session()
        await first(events, SessionLost)

        assert (await gateway_ib.ready()).state is SessionState.READY


async def test_competing_login_during_the_session_is_not_fought(sim: Simulator) -> None:
    """Another login takes the session: told, waited out, orders refused, nobody is pushed out."""
    async with Client(sim.gateway()) as ib, ib.quotes("AAPL") as quotes:
        await anext(quotes)
        events = ib.events()
        sim.compete()
        await first(events, SessionCompeting)

        assert (ib.health().ok, ib.health().session) == (False, "competing")
        with pytest.raises(CompetingSessionError):
            await ib.ready(0.05)
        assert not any(request.path.endswith("ssodh/init") for request in sim.requests[-3:])


async def test_compete_takes_the_session_at_the_start_and_once_only(sim: Simulator) -> None:
    """With `compete=True` one takeover is made and counted; a second one must wait ten minutes."""
    sim.compete()
    async with Client(sim.auth(), compete=True) as ib, ib.quotes("AAPL") as quotes:
        await anext(quotes)
        assert ib.session.info.takeovers == 1
        events = ib.events()
        sim.compete()
        await first(events, SessionCompeting)
        with pytest.raises(CompetingSessionError):
            await ib.ready(0.3)

    assert ib.session.info.takeovers == 1


async def test_compete_takes_the_session_back(sim: Simulator) -> None:
    """The takeover is an event, and quotes flow again."""
    async with Client(sim.auth(), compete=True) as ib, ib.quotes("AAPL") as quotes:
        await anext(quotes)
        events = ib.events()
        sim.compete()
        await all_of(events, SessionTakenOver, SessionReady, Resumed)
        await asyncio.wait_for(anext(quotes), 5)

    assert ib.session.info.takeovers == 1


async def test_session_that_never_comes_up_times_out(sim: Simulator) -> None:
    """The error names the state and what to look at; the client is closed again."""
    sim.fail_next("/iserver/accounts", 503, {"error": "Service Unavailable"}, times=100)
    with pytest.raises(SessionTimeoutError, match="midnight"):
        async with Client(sim.gateway(), settings=settings_with({"session.ready_timeout_s": 0.4})):
            pass


async def test_weather_at_the_start_is_waited_out(sim: Simulator) -> None:
    """A 503 or two while coming up cost a moment, not the client."""
    sim.fail_next("/iserver/auth/ssodh/init", 503, {"error": "Service Unavailable"})
    async with Client(sim.auth()) as ib:
        assert ib.session.info.state is SessionState.READY


async def test_read_that_fails_once_is_repeated(sim: Simulator, gateway_ib: Client) -> None:
    """Reads are made again after a 503."""
    sim.fail_next("/iserver/secdef/search", 503, "down")
    assert await gateway_ib.contracts.search("AAPL")


async def test_requests_beyond_the_table_wait(sim: Simulator, gateway_ib: Client) -> None:
    """Ten requests at once leave over more than a second, so that no window has more than ten."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(gateway_ib.contracts.search, "AAPL")

    assert loop.time() - started > 0.8


async def test_request_that_would_wait_too_long_is_refused(
    sim: Simulator, gateway_ib: Client
) -> None:
    """With one slot in five seconds the eighth request is not sent; the error says why."""
    waiting = [asyncio.create_task(gateway_ib.accounts.pnl()) for _ in range(7)]
    done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_EXCEPTION, timeout=5)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    errors = [error for task in done if (error := task.exception()) is not None]

    assert [type(error) for error in errors] == [RateLimitedError]
    assert "not sent" in str(errors[0])
    assert sum(request.path.endswith("/partitioned") for request in sim.requests) <= 1


async def test_frames_are_never_sent_before_the_greeting(
    sim: Simulator, gateway_ib: Client
) -> None:
    """The server loses what comes too early; nothing of ours does."""
    async with gateway_ib.quotes("AAPL", "MSFT") as quotes:
        await anext(quotes)
        sim.drop_sockets(1000)
        await until(lambda: len(sim.sockets) == 2)
        await until(lambda: gateway_ib.stream.connected)

    assert sim.lost_frames == 0
