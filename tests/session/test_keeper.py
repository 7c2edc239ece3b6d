from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from ibkr_async.errors import (
    AuthError,
    ClosedError,
    CompetingSessionError,
    ConfigError,
    ConnectFailedError,
    IbkrError,
    ServerError,
    SessionTimeoutError,
    UsageError,
)
from ibkr_async.models.accounts import AccountsReply
from ibkr_async.models.base import decode
from ibkr_async.models.session import AuthStatusReply, LogoutReply, TickleReply
from ibkr_async.session.events import (
    LoginRenewed,
    SessionCompeting,
    SessionEvent,
    SessionLost,
    SessionMaintenance,
    SessionReady,
    SessionTakenOver,
    SessionTrouble,
)
from ibkr_async.session.keeper import SessionKeeper
from ibkr_async.session.settings import SessionSettings
from ibkr_async.session.state import SessionFacts, SessionState
from ibkr_async.world import World
from support.fake_time import FakeRandom, FakeTime, fake_world
from support.waiting import until

DOWN = b'{"connected":true,"authenticated":false,"established":false,"competing":false}'
LOADING = b'{"connected":true,"authenticated":true,"established":false,"competing":false}'
UP = (
    b'{"connected":true,"authenticated":true,"established":true,"competing":false,'
    b'"serverInfo":{"serverName":"Sim1","serverVersion":"Build 1"}}'
)
COMPETING = b'{"connected":true,"authenticated":false,"established":false,"competing":true}'
ACCOUNTS = b'{"accounts":["DU2"],"selectedAccount":"DU2","isPaper":true}'
TWO_ACCOUNTS = b'{"accounts":["DU1","DU2"],"selectedAccount":"DU2","isPaper":true}'


class FakeIbkr:
    """The few endpoints that the keeper calls, answering from scripts; the last answer repeats."""

    def __init__(self, **scripts: list[bytes | IbkrError]) -> None:
        self.scripts: dict[str, list[bytes | IbkrError]] = {
            "status": [DOWN],
            "init": [UP],
            "accounts": [ACCOUNTS],
            "tickle": [b'{"session":"abc","iserver":{"authStatus":' + UP + b"}}"],
            "logout": [b'{"status":true}'],
            **scripts,
        }
        self.calls: list[str] = []
        self.compete: list[bool] = []

    def answer(self, name: str) -> bytes:
        self.calls.append(name)
        script = self.scripts[name]
        reply = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(reply, IbkrError):
            raise reply
        return reply

    async def auth_status(self) -> AuthStatusReply:
        return decode(AuthStatusReply, self.answer("status"))

    async def init_brokerage_session(self, *, compete: bool) -> AuthStatusReply:
        self.compete.append(compete)
        return decode(AuthStatusReply, self.answer("init"))

    async def tickle(self) -> TickleReply:
        return decode(TickleReply, self.answer("tickle"))

    async def logout(self) -> LogoutReply:
        return decode(LogoutReply, self.answer("logout"))

    async def accounts(self) -> AccountsReply:
        return decode(AccountsReply, self.answer("accounts"))


class Harness:
    """A keeper on a clock that its own pauses move; it stops when told enough."""

    def __init__(self, ibkr: FakeIbkr, **options: Any) -> None:
        self.ibkr = ibkr
        self.time = FakeTime()
        self.time.sleep = self.pause  # type: ignore[method-assign]  # time that stops when told enough
        self.generation = 1
        self.pauses: list[float] = []
        self.events: list[SessionEvent] = []
        self.ready_calls: list[bool] = []
        self.until: Callable[[], bool] = lambda: True
        self.on_pause: Callable[[], None] = lambda: None
        self.done = anyio.Event()
        self.keeper = SessionKeeper(
            ibkr,  # type: ignore[arg-type]  # the fake has the methods that the keeper uses
            may_initialise=options.pop("may_initialise", True),
            login_generation=lambda: self.generation,
            on_event=self.events.append,
            on_ready=self.ready_calls.append,
            settings=SessionSettings(
                compete=options.pop("compete", False), account_id=options.pop("account_id", None)
            ),
            world=options.pop("world", None) or fake_world(self.time, FakeRandom(uniform=1.0)),
        )

    @property
    def now(self) -> float:
        """The time on the monotonic clock."""
        return self.time.at

    @now.setter
    def now(self, at: float) -> None:
        self.time.at = at

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        self.on_pause()
        if self.until():
            self.done.set()
            await anyio.sleep_forever()
        await anyio.lowlevel.checkpoint()

    async def run(self, until: Callable[[], bool]) -> None:
        self.until = until
        self.done = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.keeper.run)
            with anyio.fail_after(5):
                await self.done.wait()
            tasks.cancel_scope.cancel()

    def kinds(self) -> list[type[SessionEvent]]:
        return [type(event) for event in self.events]


async def test_brings_the_session_up_and_then_tickles_every_minute() -> None:
    """status, init, accounts, then one tickle a minute."""
    harness = Harness(FakeIbkr())

    await harness.run(until=lambda: harness.ibkr.calls.count("tickle") == 3)

    assert harness.ibkr.calls == ["status", "init", "accounts", "tickle", "tickle", "tickle"]
    assert harness.pauses[-3:] == [60.0, 60.0, 60.0]
    info = harness.keeper.info
    assert (info.state, info.account_id, info.is_paper) == (SessionState.READY, "DU2", True)
    assert info.account_ids == ("DU2",)
    assert (info.server_name, info.server_version) == ("Sim1", "Build 1")
    assert harness.kinds() == [SessionReady]
    assert harness.ready_calls == [True]
    assert harness.ibkr.compete == [False]


async def test_waits_for_established_before_it_loads_accounts() -> None:
    """A login that is still loading is asked about again; accounts would answer empty."""
    harness = Harness(FakeIbkr(init=[LOADING], status=[DOWN, LOADING, LOADING, UP]))

    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    assert harness.ibkr.calls == [
        "status", "init", "status", "status", "status", "accounts", "tickle",
    ]  # fmt: skip


async def test_failed_init_is_tried_again_with_growing_pauses() -> None:
    """A 200 with authenticated:false is a failure; a night of it stays under 30 attempts."""
    harness = Harness(FakeIbkr(init=[DOWN]))
    start = harness.now

    await harness.run(until=lambda: harness.now - start > 5400)

    assert harness.ibkr.calls.count("init") < 30
    assert harness.pauses[:5] == [0.0, 1.0, 2.0, 4.0, 8.0]
    assert max(harness.pauses) == 300.0


async def test_competing_login_is_waited_out_without_a_fight() -> None:
    """Without compete=True nobody is pushed out; when the other leaves, the session comes up."""
    busy = b'{"session":"abc","iserver":{"authStatus":' + COMPETING + b"}}"
    free = b'{"session":"abc","iserver":{"authStatus":' + DOWN + b"}}"
    up = b'{"session":"abc","iserver":{"authStatus":' + UP + b"}}"
    harness = Harness(FakeIbkr(init=[COMPETING, UP], tickle=[busy, busy, free, up]))

    await harness.run(until=lambda: SessionReady in harness.kinds())

    assert harness.ibkr.compete == [False, False]
    assert harness.kinds() == [SessionCompeting, SessionReady]
    assert harness.keeper.info.takeovers == 0


async def test_compete_takes_over_at_most_once_in_ten_minutes() -> None:
    """Two clients that both compete do not ping-pong."""
    busy = b'{"session":"abc","iserver":{"authStatus":' + COMPETING + b"}}"
    harness = Harness(FakeIbkr(init=[UP], tickle=[busy]), compete=True)
    start = harness.now

    await harness.run(until=lambda: harness.now - start > 3000)

    takeovers = [event.at for event in harness.events if isinstance(event, SessionTakenOver)]
    assert len(takeovers) >= 3
    assert min(b - a for a, b in itertools.pairwise(takeovers)) >= 600
    assert harness.keeper.info.takeovers == len(takeovers)


async def test_socket_statement_wakes_the_keeper_and_loses_readiness() -> None:
    """`sts authenticated:false` from the socket leads to a new init without waiting a minute."""
    harness = Harness(FakeIbkr())
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    harness.keeper.observe(SessionFacts())
    assert harness.keeper.info.state is SessionState.READY
    harness.keeper.observe(SessionFacts(authenticated=False))
    assert harness.keeper.info.state is SessionState.NOT_AUTHENTICATED
    await harness.run(until=lambda: harness.kinds().count(SessionReady) == 2)

    assert harness.kinds() == [SessionReady, SessionLost, SessionReady]
    assert harness.ready_calls == [True, False, True]


async def test_renewed_login_is_followed_by_a_fresh_look() -> None:
    """A new live session token starts without a known brokerage session."""
    harness = Harness(FakeIbkr(status=[UP]))
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)
    harness.ibkr.calls.clear()
    harness.generation = 2

    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    assert harness.ibkr.calls == ["status", "tickle"]
    assert LoginRenewed in harness.kinds()


async def test_accounts_are_read_again_under_another_login() -> None:
    """It may be that of a live account; until they are, nobody says of what kind they are."""
    harness = Harness(FakeIbkr(status=[UP]))
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)
    assert harness.keeper.knows_accounts
    harness.ibkr.calls.clear()
    harness.generation = 2
    assert not harness.keeper.knows_accounts

    await harness.run(until=lambda: "accounts" in harness.ibkr.calls)

    assert harness.ibkr.calls == ["status", "tickle", "accounts"]
    assert harness.keeper.knows_accounts
    assert SessionLost not in harness.kinds()


async def test_accounts_are_read_again_in_another_session_of_a_gateway() -> None:
    """Somebody may have logged in there as somebody else; the tickle's session tells."""
    harness = Harness(FakeIbkr(status=[UP]))
    await harness.run(until=lambda: harness.ibkr.calls.count("tickle") == 2)
    assert harness.ibkr.calls.count("accounts") == 1
    harness.ibkr.scripts["tickle"] = [b'{"session":"another"}']

    await harness.run(until=lambda: harness.ibkr.calls.count("accounts") == 2)

    assert harness.keeper.knows_accounts


async def test_weather_is_reported_and_survived() -> None:
    """A 503 on the way up becomes an event and another try."""
    trouble = ServerError("POST /tickle", 503, "Service Unavailable")
    harness = Harness(FakeIbkr(status=[trouble, trouble, DOWN]))

    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    assert harness.kinds() == [SessionTrouble, SessionTrouble, SessionReady]
    assert harness.pauses[:2] == [1.0, 2.0]


@pytest.mark.parametrize(
    "error",
    [
        AuthError("live session token", "invalid consumer"),
        ConnectFailedError("POST /x", "refused", may_have_reached_server=False),
    ],
)
async def test_mistakes_at_the_start_are_raised_at_once(error: IbkrError) -> None:
    """Wrong credentials or a server that is not running do not cost the whole timeout."""
    harness = Harness(FakeIbkr(status=[error]))
    await harness.run(until=lambda: True)

    with pytest.raises(type(error)):
        await harness.keeper.ready(5)


async def test_ready_returns_the_info_once_everything_is_up() -> None:
    """A waiter that came early is woken."""
    harness = Harness(FakeIbkr())
    found = []

    async def wait() -> None:
        found.append(await harness.keeper.ready(5))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.lowlevel.checkpoint()
        await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    assert found[0].account_id == "DU2"


async def test_ready_says_what_was_missing_when_time_is_up() -> None:
    """The timeout error names the state and IBKR's words."""
    failing = b'{"connected":true,"authenticated":false,"fail":"no entitlement"}'
    harness = Harness(FakeIbkr(init=[failing], status=[failing]))
    await harness.run(until=lambda: "init" in harness.ibkr.calls)

    with pytest.raises(SessionTimeoutError, match="no entitlement"):
        await harness.keeper.ready(0)


async def test_ready_names_a_competing_login() -> None:
    """Fail-fast raises at once; otherwise it is waited out until the timeout."""
    busy = b'{"session":"abc","iserver":{"authStatus":' + COMPETING + b"}}"
    harness = Harness(FakeIbkr(init=[COMPETING], tickle=[busy]))
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    with pytest.raises(CompetingSessionError):
        await harness.keeper.ready(5, fail_fast=True)
    with pytest.raises(CompetingSessionError):
        await harness.keeper.ready(0)


async def test_unknown_account_is_refused_with_the_list() -> None:
    """An account id that the login does not have is a configuration mistake."""
    harness = Harness(FakeIbkr(accounts=[TWO_ACCOUNTS]), account_id="U9")
    await harness.run(until=lambda: "accounts" in harness.ibkr.calls)

    with pytest.raises(ConfigError, match="DU1, DU2"):
        await harness.keeper.ready(5)


async def test_gateway_is_initialised_only_when_it_is_linked() -> None:
    """Before its browser login a gateway is watched, not pushed."""
    dark = b'{"connected":false,"authenticated":false}'
    harness = Harness(FakeIbkr(status=[dark, dark, DOWN]), may_initialise=False)

    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    assert harness.ibkr.calls == ["status", "status", "status", "init", "accounts", "tickle"]


async def test_socket_session_is_fetched_anew() -> None:
    """Every connection asks for its own cookie value."""
    harness = Harness(FakeIbkr())

    assert await harness.keeper.socket_session() == "abc"
    assert harness.ibkr.calls == ["tickle"]


async def test_logout_ends_the_loop() -> None:
    """After a logout the keeper neither tickles nor logs in again."""
    harness = Harness(FakeIbkr())
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    await harness.keeper.logout()
    await harness.keeper.run()

    assert harness.keeper.info.state is SessionState.CLOSED
    assert harness.ibkr.calls[-1] == "logout"


async def test_logout_forgets_what_was_said_of_the_session() -> None:
    """IBKR's last words were about a session that is over; a text is never None."""
    failing = b'{"connected":true,"authenticated":false,"fail":"no entitlement"}'
    harness = Harness(FakeIbkr(init=[failing], status=[failing]))
    await harness.run(until=lambda: "init" in harness.ibkr.calls)
    said = harness.keeper.info.message

    await harness.keeper.logout()

    assert (said, harness.keeper.info.message) == ("no entitlement", "")


async def test_nudge_ends_a_pause_early() -> None:
    """The real pause of a minute ends when the keeper is nudged."""
    harness = Harness(FakeIbkr(), world=World())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.keeper.run)
        await until(lambda: "tickle" in harness.ibkr.calls)
        harness.keeper.observe(SessionFacts(authenticated=False))

        await until(lambda: harness.ibkr.calls.count("init") == 2)
        tasks.cancel_scope.cancel()


async def test_doubt_asks_for_the_status_at_once_but_not_again_and_again() -> None:
    """A 401 on another call makes the keeper look; ten of them make it look once."""
    harness = Harness(FakeIbkr(status=[DOWN, UP]))
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)
    harness.ibkr.calls.clear()

    for _ in range(10):
        harness.keeper.doubt()
    await harness.run(until=lambda: harness.ibkr.calls.count("tickle") == 2)

    assert harness.ibkr.calls == ["status", "tickle", "tickle"]
    assert harness.kinds() == [SessionReady]


async def test_even_with_compete_the_first_request_takes_nothing_over() -> None:
    """A takeover is made knowingly: first the session is asked for, then, if held, taken and counted."""
    harness = Harness(FakeIbkr(init=[COMPETING, UP]), compete=True)

    await harness.run(until=lambda: SessionReady in harness.kinds())

    assert harness.ibkr.compete == [False, True]
    assert harness.kinds() == [SessionCompeting, SessionTakenOver, SessionReady]
    assert harness.keeper.info.takeovers == 1


async def test_waiting_at_the_start_sits_out_the_takeover() -> None:
    """With compete=True an entering client does not give up before the takeover was tried."""
    harness = Harness(FakeIbkr(init=[COMPETING, UP]), compete=True)
    found: list[str] = []

    async def enter() -> None:
        found.append((await harness.keeper.ready(5, fail_fast=True)).state)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(enter)
        await anyio.lowlevel.checkpoint()
        await harness.run(until=lambda: SessionReady in harness.kinds())

    assert found == [SessionState.READY]


@pytest.mark.parametrize("second", [COMPETING, ServerError("POST /x", 503, "down")])
async def test_takeover_that_fails_is_told_at_once(second: bytes | IbkrError) -> None:
    """Whoever waits at the start hears of it now, not when the time is up."""
    harness = Harness(FakeIbkr(init=[COMPETING, second]), compete=True)
    failures: list[type[Exception]] = []

    async def enter() -> None:
        try:
            await harness.keeper.ready(5, fail_fast=True)
        except CompetingSessionError as error:
            failures.append(type(error))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(enter)
        await anyio.lowlevel.checkpoint()
        await harness.run(until=lambda: bool(failures))

    assert failures == [CompetingSessionError]


async def test_session_found_lost_by_a_tickle_is_opened_without_a_pause() -> None:
    """The minute between tickles is not waited again before the session is asked for."""
    up = b'{"session":"abc","iserver":{"authStatus":' + UP + b"}}"
    lost = b'{"session":"abc","iserver":{"authStatus":' + DOWN + b"}}"
    harness = Harness(FakeIbkr(tickle=[up, lost, up]))

    await harness.run(until=lambda: harness.kinds().count(SessionReady) == 2)

    assert harness.kinds() == [SessionReady, SessionLost, SessionReady]
    assert harness.now - 1000.0 == 60.0


async def test_young_answer_to_a_tickle_serves_the_socket_too() -> None:
    """IBKR allows one tickle a second: a socket that opens right after one does not wait for it."""
    harness = Harness(FakeIbkr())
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)
    harness.now -= 60.0  # the pause after the tickle
    tickles = harness.ibkr.calls.count("tickle")

    assert await harness.keeper.socket_session() == "abc"
    assert harness.ibkr.calls.count("tickle") == tickles
    harness.now += 1.0
    assert await harness.keeper.socket_session() == "abc"
    assert harness.ibkr.calls.count("tickle") == tickles + 1
    harness.generation += 1  # an old value does not survive a new login
    assert await harness.keeper.socket_session() == "abc"
    assert harness.ibkr.calls.count("tickle") == tickles + 2


async def test_sockets_that_ask_together_share_one_tickle() -> None:
    """Two reconnects at once cost one request."""
    harness = Harness(FakeIbkr())
    reached, released = anyio.Event(), anyio.Event()
    answer = harness.ibkr.tickle

    async def slow_tickle() -> TickleReply:
        reached.set()
        await released.wait()
        return await answer()

    harness.ibkr.tickle = slow_tickle  # type: ignore[method-assign]  # the fake waits
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(harness.keeper.socket_session)
        await reached.wait()
        tasks.start_soon(harness.keeper.socket_session)
        await anyio.lowlevel.checkpoint()
        released.set()

    assert harness.ibkr.calls == ["tickle"]


async def test_statement_that_changes_nothing_does_not_wake_the_keeper() -> None:
    """The greeting of each socket repeats what is known; it is no reason for a request."""
    harness = Harness(FakeIbkr())
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)
    # That nothing woke it shows nowhere else.
    nudged = harness.keeper._nudged

    harness.keeper.observe(SessionFacts(authenticated=True, established=True, competing=False))

    assert not nudged.is_set()


async def test_closed_session_tells_whoever_waits() -> None:
    """After the client closed nobody waits for a session that nobody opens; no loss is reported."""
    harness = Harness(FakeIbkr())
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    harness.keeper.close()

    assert harness.keeper.info.state is SessionState.CLOSED
    with pytest.raises(ClosedError, match="async with Client"):
        await harness.keeper.ready(5)
    with pytest.raises(ClosedError):
        await harness.keeper.socket_session()
    assert harness.kinds() == [SessionReady]
    assert harness.ready_calls == [True]


async def test_logged_out_session_is_named_as_such() -> None:
    """Waiting for it again is misuse, and the message says to open a new client."""
    harness = Harness(FakeIbkr())
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    await harness.keeper.logout()

    assert harness.keeper.logged_out
    with pytest.raises(ClosedError, match="it was logged out; open a new client"):
        await harness.keeper.ready(5)


async def test_failure_that_is_raised_is_not_logged_as_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A refused login at the start comes out of `ready`; no event and no warning tell it again."""
    harness = Harness(FakeIbkr(status=[AuthError("live session token", "refused")]))
    await harness.run(until=lambda: True)

    with pytest.raises(AuthError):
        await harness.keeper.ready(5)
    assert harness.events == []
    assert not caplog.records


async def test_foreign_account_is_fatal_at_the_start_only() -> None:
    """An account that vanishes later is trouble, tried again with growing pauses, not a busy loop."""
    foreign = b'{"accounts":["DU9"],"selectedAccount":"DU9","isPaper":true}'
    harness = Harness(FakeIbkr(accounts=[TWO_ACCOUNTS, foreign]), account_id="DU1")
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)
    harness.pauses.clear()
    harness.keeper.observe(SessionFacts(authenticated=False))

    await harness.run(until=lambda: harness.ibkr.calls.count("accounts") == 4)

    assert [type(event) for event in harness.events[-3:]] == [SessionTrouble] * 3
    assert "'DU1' is not among" in harness.events[-1].detail  # type: ignore[union-attr,attr-defined]  # a SessionTrouble
    assert harness.pauses[-3:] == [1.0, 2.0, 4.0]


# --- the clocks ----------------------------------------------------------------------------------


async def test_wall_clock_that_is_set_back_makes_nobody_deaf() -> None:
    """Intervals are monotonic: an hour's step back changes neither doubts nor takeovers nor outages."""
    busy = b'{"session":"abc","iserver":{"authStatus":' + COMPETING + b"}}"
    up = b'{"session":"abc","iserver":{"authStatus":' + UP + b"}}"
    harness = Harness(FakeIbkr(tickle=[up, up, busy, up]), compete=True)
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)
    harness.keeper.doubt()
    await harness.run(until=lambda: harness.ibkr.calls.count("tickle") == 2)
    harness.time.wall_ahead_s -= 3600.0
    harness.ibkr.calls.clear()

    harness.keeper.doubt()
    await harness.run(until=lambda: bool(harness.keeper.info.takeovers))

    assert harness.ibkr.calls[0] == "status"
    assert harness.ibkr.compete[-1] is True


async def test_outage_is_measured_on_the_monotonic_clock() -> None:
    """A wall clock that jumps ahead makes no maintenance of two seconds."""
    up = b'{"session":"abc","iserver":{"authStatus":' + UP + b"}}"
    outage = ServerError("POST /tickle", 503, "down")
    harness = Harness(FakeIbkr(tickle=[up, outage, outage, up]))

    def step() -> None:
        harness.time.wall_ahead_s += 3600.0

    harness.on_pause = step
    await harness.run(until=lambda: harness.ibkr.calls.count("tickle") == 4)

    assert SessionMaintenance not in harness.kinds()


async def test_what_users_read_is_unix_time() -> None:
    """Every `at`, the last tickle, and since when it is ready."""
    harness = Harness(FakeIbkr())
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    info, wall = harness.keeper.info, harness.time.wall()
    assert [event.at for event in harness.events] == [wall - 60.0]
    assert (info.last_tickle, info.ready_since) == (wall - 60.0, wall - 60.0)
    assert harness.keeper.tickle_age_s == 60.0


async def test_age_of_the_tickle_is_not_known_before_the_first() -> None:
    """And does not follow the wall clock."""
    harness = Harness(FakeIbkr())
    assert harness.keeper.tickle_age_s is None

    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)
    harness.time.wall_ahead_s -= 3600.0

    assert harness.keeper.tickle_age_s == 60.0


@pytest.mark.parametrize("failures", [0, 10, 63, 64, 1_023, 1_024, 10**6])
async def test_any_number_of_failures_gives_a_pause(failures: int) -> None:
    """An outage of months ends in the longest pause, not in an overflow."""
    down = ServerError("POST /iserver/auth/status", 503, "down")
    failing = Harness(FakeIbkr(status=[down]))
    refused = Harness(FakeIbkr(init=[DOWN]))
    # Failing a million times takes minutes: the counters are set as if it had.
    failing.keeper._failures = failures
    # As above.
    refused.keeper._initialised = failures

    await failing.run(until=lambda: len(failing.pauses) == 1)
    await refused.run(until=lambda: "init" in refused.ibkr.calls)

    assert failing.pauses == [min(300.0, 2.0 ** min(failures, 10))]
    assert 0 <= refused.pauses[-1] <= 300.0


# --- accounts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("early", [b'{"accounts":[]}', b'{"accounts":null}', b"{}"])
@pytest.mark.parametrize("wanted", [None, "DU2"])
async def test_accounts_that_are_not_loaded_yet_are_asked_for_again(
    early: bytes, wanted: str | None
) -> None:
    """An empty list is no account list: not ready without accounts, and no misconfiguration."""
    harness = Harness(FakeIbkr(accounts=[early, early, ACCOUNTS]), account_id=wanted)

    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    assert harness.ibkr.calls.count("accounts") == 3
    assert harness.keeper.info.account_id == "DU2"
    assert harness.kinds() == [SessionTrouble, SessionTrouble, SessionReady]


@pytest.mark.parametrize(
    ("listed", "account_ids", "account_id"),
    [
        (b'"accounts":["DU2"],"selectedAccount":"DU2"', ("DU2",), "DU2"),
        (b'"accounts":["DU2"],"selectedAccount":"DU9"', ("DU2",), "DU2"),
        (b'"accounts":["DU7","DU8"],"selectedAccount":"DU8"', ("DU7", "DU8"), ""),
        (b'"accounts":["All","DU7","DU8"],"selectedAccount":"All"', ("DU7", "DU8"), ""),
        (b'"accounts":["All","DU7"],"selectedAccount":"All"', ("DU7",), "DU7"),
        (b'"accounts":["Trend","DU7"],"groups":["Trend"]', ("DU7",), "DU7"),
        (b'"accounts":["Trend","DU7"],"profiles":[{"name":"Trend"}]', ("DU7",), "DU7"),
        (b'"accounts":["All"],"selectedAccount":"All"', (), ""),
    ],
)
async def test_only_a_single_account_is_a_default(
    listed: bytes, account_ids: tuple[str, ...], account_id: str
) -> None:
    """Neither a group, nor all accounts together, nor the one that is selected just now."""
    harness = Harness(FakeIbkr(accounts=[b"{" + listed + b"}"]))

    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    info = harness.keeper.info
    assert (info.account_ids, info.account_id) == (account_ids, account_id)


async def test_account_of_the_settings_is_the_default() -> None:
    """Whatever is selected at IBKR: the one that is named gets the orders."""
    harness = Harness(FakeIbkr(accounts=[TWO_ACCOUNTS]), account_id="DU1")

    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    assert harness.keeper.info.account_id == "DU1"
    assert harness.keeper.account() == "DU1"
    assert harness.keeper.account("DU2") == "DU2"


async def test_group_is_no_account_of_the_settings() -> None:
    """An order would go to everybody in it."""
    everybody = b'{"accounts":["All","DU7","DU8"],"selectedAccount":"All"}'
    harness = Harness(FakeIbkr(accounts=[everybody]), account_id="All")
    await harness.run(until=lambda: "accounts" in harness.ibkr.calls)

    with pytest.raises(ConfigError, match=r"'All' is not among .*DU7, DU8"):
        await harness.keeper.ready(5)


async def test_caller_must_name_one_of_several_accounts() -> None:
    """The message lists them; before they are known it says so."""
    harness = Harness(FakeIbkr(accounts=[TWO_ACCOUNTS]))
    with pytest.raises(UsageError, match="not known yet"):
        harness.keeper.account()
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    with pytest.raises(UsageError, match="DU1, DU2: name one, as in account_id='DU1'"):
        harness.keeper.account()


async def test_timeout_says_what_failed_last() -> None:
    """The reason is in the error, not only in the log."""
    refused = ServerError("POST /iserver/auth/ssodh/init", 500, "failed to generate sso dh token")
    harness = Harness(FakeIbkr(init=[refused]))
    await harness.run(until=lambda: "init" in harness.ibkr.calls)

    with pytest.raises(SessionTimeoutError, match="sso dh token") as caught:
        await harness.keeper.ready(0)

    assert caught.value.__cause__ is refused


async def test_timeout_without_a_reason_invents_none() -> None:
    """Nothing has failed yet, and nothing is said to have."""
    with pytest.raises(SessionTimeoutError) as caught:
        await Harness(FakeIbkr()).keeper.ready(0)

    assert (caught.value.detail, caught.value.__cause__) == ("", None)


@pytest.mark.parametrize(
    "silent",
    [b'{"session":"abc"}', b'{"session":"abc","iserver":{}}', b'{"session":"abc","iserver":{"authStatus":null}}'],
)  # fmt: skip
async def test_tickle_that_says_nothing_of_the_session_changes_nothing(silent: bytes) -> None:
    """What is not said is neither true nor false, and no reason to end."""
    harness = Harness(FakeIbkr(tickle=[silent]))

    await harness.run(until=lambda: harness.ibkr.calls.count("tickle") == 3)

    assert harness.keeper.info.state is SessionState.READY
    assert harness.pauses[-2:] == [60.0, 60.0]
    assert harness.kinds() == [SessionReady]


async def test_every_outage_is_counted_from_its_own_beginning() -> None:
    """After a success the pauses are short again: a second outage does not pay for the first."""
    lost = b'{"session":"abc","iserver":{"authStatus":' + DOWN + b"}}"
    held = b'{"session":"abc","iserver":{"authStatus":' + UP + b"}}"
    ibkr = FakeIbkr(init=[DOWN, DOWN, DOWN, UP, DOWN, DOWN, UP], tickle=[lost, held])
    harness = Harness(ibkr)

    await harness.run(until=lambda: ibkr.calls.count("tickle") == 2)

    assert [pause for pause in harness.pauses if pause] == [1.0, 2.0, 4.0, 1.0, 60.0]


async def test_failures_are_counted_from_the_last_success() -> None:
    """A pause of minutes after one broken request would be the price of an outage long past."""
    trouble = ServerError("POST /tickle", 503, "Service Unavailable")
    held = b'{"session":"abc","iserver":{"authStatus":' + UP + b"}}"
    ibkr = FakeIbkr(tickle=[trouble, trouble, trouble, held, trouble, held])
    harness = Harness(ibkr)

    await harness.run(until=lambda: ibkr.calls.count("tickle") == 6)

    assert [pause for pause in harness.pauses if pause] == [1.0, 2.0, 4.0, 60.0, 1.0, 60.0]
    assert [event.retry_in_s for event in harness.events if isinstance(event, SessionTrouble)] == [
        1.0, 2.0, 4.0, 1.0
    ]  # fmt: skip


async def test_ready_since_is_the_beginning_of_the_unbroken_time() -> None:
    """What is published again while it is ready moves nothing; another session begins anew."""
    harness = Harness(FakeIbkr())
    await harness.run(until=lambda: harness.ibkr.calls.count("tickle") == 3)
    first = harness.keeper.info.ready_since
    lost = SessionFacts(connected=True, authenticated=False)

    harness.keeper.observe(lost)
    during = harness.keeper.info.ready_since
    await harness.run(until=lambda: harness.ibkr.calls.count("tickle") == 5)

    assert (first, during, harness.keeper.info.ready_since) == (1000.0, None, 1180.0)


@pytest.mark.parametrize(
    ("sent", "is_paper"), [(b"true", True), (b"false", False), (b"null", None), (b'"?"', None)]
)
async def test_account_of_which_nothing_is_said_is_neither_paper_nor_live(
    sent: bytes, is_paper: bool | None
) -> None:
    """Orders are guarded by it: what was not said is not False."""
    harness = Harness(FakeIbkr(accounts=[b'{"accounts":["DU2"],"isPaper":' + sent + b"}"]))

    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)

    assert harness.keeper.info.is_paper is is_paper


async def test_takeover_that_left_the_other_in_place_is_none() -> None:
    """Authenticated and competing: the session is still the other's."""
    held = b'{"connected":true,"authenticated":true,"established":true,"competing":true}'
    harness = Harness(FakeIbkr(init=[COMPETING, held]), compete=True)

    await harness.run(until=lambda: harness.ibkr.compete.count(True) == 1)

    assert SessionTakenOver not in harness.kinds()
    assert harness.keeper.info.takeovers == 0


async def test_server_that_is_not_named_again_is_still_known() -> None:
    """A later answer without it, or with half of it, forgets nothing."""
    half = UP.replace(b'"serverName":"Sim1","serverVersion":"Build 1"', b'"serverName":"Sim2"')
    harness = Harness(FakeIbkr(tickle=[b'{"session":"a","iserver":{"authStatus":' + half + b"}}"]))

    await harness.run(until=lambda: harness.ibkr.calls.count("tickle") == 2)

    info = harness.keeper.info
    assert (info.server_name, info.server_version) == ("Sim2", "Build 1")


async def test_doubts_within_five_seconds_are_one() -> None:
    """Each refused call suggests one, and IBKR is asked once; later doubts are asked about again."""
    harness = Harness(FakeIbkr())
    await harness.run(until=lambda: "tickle" in harness.ibkr.calls)
    start, before = harness.now, harness.ibkr.calls.count("status")
    asked: list[int] = []

    for after_s in (0, 1, 4.9, 5):
        harness.now = start + after_s  # whatever the keeper's own pauses made of it
        harness.keeper.doubt()
        await harness.run(until=lambda: True)
        asked.append(harness.ibkr.calls.count("status") - before)

    assert asked == [1, 1, 1, 2]
