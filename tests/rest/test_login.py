from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import anyio
import anyio.lowlevel
import pytest

from ibkr_async.errors import AuthError
from ibkr_async.ports import HttpReply, HttpRequest, Method, Pairs, Send, SocketTarget
from ibkr_async.rest.login import LoginGate
from support.fake_time import FakeTime


class FakeAuth:
    """Credentials whose login waits for `gate` and then succeeds, or fails as told."""

    base_url = "https://localhost/v1/api"
    expires_at = None
    opens_brokerage_session = True

    def __init__(self) -> None:
        self.needs_login = True
        self.logins = 0
        self.failing = False
        self.stale = False
        self.gate = anyio.Event()
        self.gate.set()

    async def login(self, send: Send) -> None:
        self.logins += 1
        await self.gate.wait()
        await anyio.lowlevel.checkpoint()
        if self.failing:
            raise AuthError("test", f"refused {self.logins}")
        self.needs_login = self.stale

    def forget(self) -> None:
        self.needs_login = True

    def absorb(self, reply: HttpReply) -> None:
        raise NotImplementedError

    def ssl_context(self) -> ssl.SSLContext:
        raise NotImplementedError

    def sign(self, method: Method, url: str, query: Pairs, form: Pairs) -> Mapping[str, str]:
        return {}

    def socket(self, session: str) -> SocketTarget:
        raise NotImplementedError


async def no_send(request: HttpRequest) -> HttpReply:
    """Never called: the fake login sends nothing."""
    raise NotImplementedError


@pytest.fixture
def auth() -> FakeAuth:
    """Credentials that are not logged in."""
    return FakeAuth()


@pytest.fixture
def clock() -> FakeTime:
    """Injected time."""
    return FakeTime()


@pytest.fixture
def gate(auth: FakeAuth, clock: FakeTime) -> LoginGate:
    """A gate over the fake credentials."""
    return LoginGate(auth, no_send, clock=clock, renew_interval_s=10.0)


async def test_forty_callers_cause_one_login(auth: FakeAuth, gate: LoginGate) -> None:
    """Everyone who needs the first login waits for the same one."""
    await asyncio.gather(*(gate.ensure() for _ in range(40)))

    assert (auth.logins, gate.generation) == (1, 1)


async def test_forty_401s_cause_one_renewal(auth: FakeAuth, gate: LoginGate) -> None:
    """Requests that were signed under the same login share its renewal."""
    await gate.ensure()
    seen = gate.generation

    renewed = await asyncio.gather(*(gate.renew(seen) for _ in range(40)))

    assert renewed == [True] * 40
    assert (auth.logins, gate.generation) == (2, 2)


async def test_ensure_does_nothing_while_the_login_is_good(auth: FakeAuth, gate: LoginGate) -> None:
    """No lock, no login."""
    auth.needs_login = False

    await gate.ensure()

    assert auth.logins == 0


async def test_failure_is_shared_by_those_who_waited(auth: FakeAuth, gate: LoginGate) -> None:
    """A refused key is tried once for all forty waiters."""
    auth.failing = True

    results = await asyncio.gather(*(gate.ensure() for _ in range(40)), return_exceptions=True)

    assert auth.logins == 1
    assert {str(result) for result in results} == {"login failed at test: refused 1"}


async def test_failure_is_repeated_only_during_the_pause(
    auth: FakeAuth, gate: LoginGate, clock: FakeTime
) -> None:
    """Soon after a failure the same error comes back; later the login is tried again."""
    auth.failing = True
    for _ in range(3):
        with pytest.raises(AuthError, match="refused 1"):
            await gate.ensure()
    clock.at += 2.0
    auth.failing = False

    await gate.ensure()

    assert (auth.logins, gate.generation) == (2, 1)


async def test_pause_doubles_up_to_a_minute(
    auth: FakeAuth, gate: LoginGate, clock: FakeTime
) -> None:
    """A bad key asked for all night does not hammer the server."""
    auth.failing = True
    for _ in range(3600):
        with pytest.raises(AuthError):
            await gate.ensure()
        clock.at += 1.0

    assert 60 <= auth.logins <= 66


async def test_cancelled_login_lets_the_next_waiter_take_over(
    auth: FakeAuth, gate: LoginGate
) -> None:
    """The flight does not die with the one who flew it."""
    auth.gate = anyio.Event()
    first = asyncio.create_task(gate.ensure())
    second = asyncio.create_task(gate.ensure())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    auth.gate.set()

    await second

    assert (auth.logins, gate.generation) == (2, 1)


async def test_cancelled_waiter_does_not_disturb_the_login(auth: FakeAuth, gate: LoginGate) -> None:
    """Someone who only waited may go."""
    auth.gate = anyio.Event()
    first = asyncio.create_task(gate.ensure())
    second = asyncio.create_task(gate.ensure())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    auth.gate.set()

    await first

    assert (auth.logins, gate.generation) == (1, 1)


async def test_young_renewal_is_not_repeated(
    auth: FakeAuth, gate: LoginGate, clock: FakeTime
) -> None:
    """A lapsed brokerage session answers 401 too; that must not cause a login per request."""
    await gate.ensure()

    assert await gate.renew(gate.generation)
    assert await gate.renew(gate.generation) is False
    clock.at += 10.0
    assert await gate.renew(gate.generation)
    assert auth.logins == 3


async def test_renewal_forgets_the_old_login_first(auth: FakeAuth, gate: LoginGate) -> None:
    """When it fails, nothing is signed with what was answered 401."""
    await gate.ensure()
    auth.failing = True
    with pytest.raises(AuthError):
        await gate.renew(gate.generation)

    assert auth.needs_login


async def test_failure_is_shared_however_late_its_waiters_wake(
    auth: FakeAuth, gate: LoginGate, clock: FakeTime
) -> None:
    """A blocked event loop does not turn one refused login into one for each waiter."""
    auth.failing = True

    async def ensure() -> None:
        try:
            await gate.ensure()
        finally:
            clock.at += 100.0

    results = await asyncio.gather(*(ensure() for _ in range(3)), return_exceptions=True)

    assert {str(result) for result in results} == {"login failed at test: refused 1"}


async def test_waiter_whose_login_lapsed_at_once_logs_in_itself(
    auth: FakeAuth, gate: LoginGate
) -> None:
    """Another's success is no failure to repeat."""

    async def ensure_and_lapse() -> None:
        await gate.ensure()
        auth.needs_login = True

    await asyncio.gather(ensure_and_lapse(), gate.ensure())

    assert (auth.logins, gate.generation) == (2, 2)


async def test_login_that_gives_an_expired_token_is_an_error(
    auth: FakeAuth, gate: LoginGate
) -> None:
    """Otherwise every request would log in again for ever."""
    auth.stale = True

    with pytest.raises(AuthError, match="check this computer's clock"):
        await gate.ensure()


@pytest.mark.parametrize("failures", [0, 10, 63, 1_024, 10**6])
async def test_any_number_of_failures_gives_a_pause(
    auth: FakeAuth, gate: LoginGate, clock: FakeTime, failures: int
) -> None:
    """A key that has been refused for months is asked for once a minute, without an overflow."""
    auth.failing = True
    # Failing a million times takes minutes: the counter is set as if it had.
    # A million failed logins would take minutes.
    gate._failures_in_a_row = failures
    with pytest.raises(AuthError):
        await gate.ensure()
    clock.at += min(60.0, 2.0 * 2.0 ** min(failures, 10)) - 0.5
    with pytest.raises(AuthError):
        await gate.ensure()
    attempts = auth.logins
    clock.at += 0.5
    with pytest.raises(AuthError):
        await gate.ensure()

    assert (attempts, auth.logins) == (1, 2)
