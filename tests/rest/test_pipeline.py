from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import respx

from ibkr_async.errors import (
    AuthError,
    ClosedError,
    ConnectFailedError,
    IbkrError,
    NotReadyError,
    RateLimitedError,
    RefusedError,
    RequestTimeoutError,
    ServerError,
    TlsError,
    UnauthorizedError,
    UsageError,
)
from ibkr_async.oauth.encoding import percent_encode
from ibkr_async.ports import Departure, HttpReply, HttpRequest, Method, Pairs, Send, SocketTarget
from ibkr_async.rest.pacing import Pacer
from ibkr_async.rest.pipeline import RestPipeline
from ibkr_async.rest.request import RestRequest, Urgency
from ibkr_async.rest.retry import RetryPolicy
from ibkr_async.rest.settings import PacingSettings, RestSettings
from ibkr_async.rest.transport import HttpxTransport
from support.fake_time import FakeRandom, FakeTime, fake_world

BASE = "https://api.example/v1/api"
HISTORY = "/iserver/marketdata/history"
Answer = HttpReply | IbkrError | Callable[[HttpRequest], Awaitable[HttpReply]]


def reply(status: int = 200, content: bytes = b"{}", **headers: str) -> HttpReply:
    """Build one answer."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpReply(status=status, headers=named, content=content)


def read(path: str = "/iserver/accounts", **more: Any) -> RestRequest[Any]:
    """Build a read."""
    return RestRequest(method="GET", path=path, result=dict, replayable=True, **more)


def act(path: str = "/iserver/account/{a}/orders", **more: Any) -> RestRequest[Any]:
    """Build something that trades."""
    path_params = {"a": "DU1"} if "{a}" in path else {}
    return RestRequest(method="POST", path=path, path_params=path_params, result=dict, **more)


class FakeAuth:
    """Credentials that number their logins and signatures."""

    base_url = BASE
    expires_at = None
    opens_brokerage_session = True

    def __init__(self) -> None:
        self.needs_login = False
        self.logins = 0
        self.failing = False
        self.signed: list[tuple[Method, str, Pairs, Pairs]] = []
        self.absorbed: list[int] = []

    async def login(self, send: Send) -> None:
        answer = await send(
            HttpRequest(
                method="POST",
                url=f"{BASE}/oauth/live_session_token",
                headers={},
                content=b"",
                timeout_s=5,
                label="POST /oauth/live_session_token",
            )
        )
        if self.failing or answer.status != 200:
            raise AuthError("live session token", f"refused with {answer.status}")
        self.logins += 1
        self.needs_login = False

    def forget(self) -> None:
        self.needs_login = True

    def absorb(self, reply: HttpReply) -> None:
        self.absorbed.append(reply.status)

    def ssl_context(self) -> ssl.SSLContext:
        raise NotImplementedError

    def sign(self, method: Method, url: str, query: Pairs, form: Pairs) -> Mapping[str, str]:
        self.signed.append((method, url, query, form))
        return {"Authorization": f"login {self.logins} signature {len(self.signed)}"}

    def socket(self, session: str) -> SocketTarget:
        raise NotImplementedError


class FakeTransport:
    """Gives the scripted answers in order, then `{}` for ever."""

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.sent: list[HttpRequest] = []
        self.closed = 0

    async def send(self, request: HttpRequest) -> HttpReply:
        self.sent.append(request)
        await anyio.lowlevel.checkpoint()
        answer = self.script.pop(0) if self.script else reply()
        if isinstance(answer, IbkrError):
            raise answer
        return answer if isinstance(answer, HttpReply) else await answer(request)

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.closed += 1


class World:
    """A pipeline between fakes."""

    def __init__(self, settings: RestSettings | None = None) -> None:
        self.time = FakeTime()
        self.auth = FakeAuth()
        self.transport = FakeTransport()
        self.pipeline = RestPipeline(
            self.auth,
            self.transport,
            settings=settings,
            world=fake_world(self.time, FakeRandom(uniform=1.0)),
        )

    def answer(self, *answers: Answer) -> None:
        """Script what the server does next."""
        self.transport.script.extend(answers)

    @property
    def last(self) -> HttpRequest:
        """The request that was sent last."""
        return self.transport.sent[-1]


@pytest.fixture
def world() -> World:
    """A pipeline with the default settings."""
    return World()


# --- writing the request -------------------------------------------------------------------------


async def test_query_is_encoded_once_and_signed_decoded(world: World) -> None:
    """What is signed are the values, what is sent is their one encoding."""
    query = (("conids", "1,2"), ("symbol", "BRK B"), ("odd", "ü&=+%/"), ("a", ""))

    await world.pipeline.send(read("/iserver/x/{y}", path_params={"y": "a/b"}, query=query))

    assert world.last.url == (
        f"{BASE}/iserver/x/a%2Fb?conids=1%2C2&symbol=BRK%20B&odd=%C3%BC%26%3D%2B%25%2F&a="
    )
    assert world.auth.signed == [("GET", f"{BASE}/iserver/x/a%2Fb", query, ())]
    assert world.last.url.endswith(f"symbol=BRK%20B&odd={percent_encode('ü&=+%/')}&a=")


async def test_read_has_no_body_and_our_headers(world: World) -> None:
    """IBKR's edge wants a User-Agent."""
    await world.pipeline.send(read())

    assert world.last.content == b""
    assert world.last.url == f"{BASE}/iserver/accounts"
    assert world.last.label == "GET /iserver/accounts"
    assert world.last.headers == {
        "user-agent": "ibkr_async/0.1",
        "accept": "application/json",
        "Authorization": "login 0 signature 1",
    }


async def test_body_is_json_with_exact_decimals(world: World) -> None:
    """A price keeps its digits."""
    await world.pipeline.send(act(body={"orders": [{"price": Decimal("189.50")}]}))

    assert world.last.content == b'{"orders":[{"price":189.50}]}'
    assert world.last.headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_missing_body_is_an_empty_object(world: World, method: Method) -> None:
    """Bodiless requests get 411 from IBKR's edge."""
    await world.pipeline.send(RestRequest(method=method, path="/x", result=None))

    assert world.last.content == b"{}"


async def test_form_fields_are_sent_encoded_and_signed_decoded(world: World) -> None:
    """The other kind of body that IBKR takes."""
    form = (("compete", "true"), ("note", "a b"))

    await world.pipeline.send(act("/iserver/auth/ssodh/init", form=form))

    assert world.last.content == b"compete=true&note=a%20b"
    assert world.last.headers["content-type"] == "application/x-www-form-urlencoded"
    assert world.auth.signed[0][3] == form


async def test_timeouts_differ_for_reads_and_actions(world: World) -> None:
    """15 s, 30 s, or what the request says."""
    for request in (read(), act(), act(timeout_s=3)):
        await world.pipeline.send(request)

    assert [request.timeout_s for request in world.transport.sent] == [15, 30, 3]


@pytest.mark.parametrize(
    ("urgency", "is_urgent"),
    [(Urgency.READ, False), (Urgency.ORDER, True), (Urgency.CANCEL, True)],
)
async def test_orders_and_cancels_are_told_to_the_transport(
    world: World, urgency: Urgency, *, is_urgent: bool
) -> None:
    """It keeps connections for them."""
    await world.pipeline.send(act(urgency=urgency))

    assert world.last.is_urgent is is_urgent


@pytest.mark.parametrize("path", ["/gw/api/v1/echo/https", "/oauth2/api/v1/token"])
async def test_some_paths_are_below_the_host(world: World, path: str) -> None:
    """Account management and OAuth 2 do not live below `/v1/api`; what is signed is what is sent."""
    await world.pipeline.send(read(path))

    assert world.last.url == f"https://api.example{path}"
    assert world.auth.signed[-1][1] == world.last.url


async def test_patch_is_sent_with_its_body(world: World) -> None:
    """The verb of account management."""
    await world.pipeline.send(RestRequest(method="PATCH", path="/x", result=None, body={"a": 1}))

    assert (world.last.method, world.last.content) == ("PATCH", b'{"a":1}')


@pytest.mark.parametrize("verb", ["send", "log_in"])
async def test_another_event_loop_is_refused_before_anything_is_sent(
    world: World, verb: str
) -> None:
    """Its locks and sockets belong to the first one; an order would leave and then fail."""
    await world.pipeline.send(read())
    world.auth.needs_login = True

    async def elsewhere() -> None:
        await (world.pipeline.send(act()) if verb == "send" else world.pipeline.log_in())

    with pytest.raises(UsageError, match="nothing was sent"):
        await asyncio.to_thread(asyncio.run, elsewhere())

    assert len(world.transport.sent) == 1


async def test_every_answer_is_shown_to_auth(world: World) -> None:
    """A gateway's cookie comes with any answer, an error's too."""
    world.answer(reply(500))
    await world.pipeline.send(read())

    assert world.auth.absorbed == [500, 200]


# --- trying again --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [
        reply(503),
        reply(500),
        reply(202),
        reply(200, b""),
        ConnectFailedError("GET /x", "refused", may_have_reached_server=False),
        RequestTimeoutError("GET /x", "slow", may_have_reached_server=True),
    ],
    ids=["503", "500", "202", "empty", "refused", "timeout"],
)
async def test_read_succeeds_at_the_third_try(world: World, failure: Answer) -> None:
    """Weather costs two pauses, and every attempt is signed anew."""
    world.answer(failure, failure, reply(content=b'{"a":1}'))

    assert await world.pipeline.send(read()) == {"a": 1}
    signatures = [request.headers["Authorization"] for request in world.transport.sent]
    assert len(set(signatures)) == 3
    assert world.pipeline.stats.retries == 2
    assert world.pipeline.stats.requests == 3
    assert len(world.time.slept) >= 2


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (reply(503), ServerError),
        (reply(202), NotReadyError),
        (reply(401), UnauthorizedError),
        (reply(429, retry_after="1"), RateLimitedError),
        (RequestTimeoutError("POST /x", "slow", may_have_reached_server=True), RequestTimeoutError),
        (
            ConnectFailedError("POST /x", "refused", may_have_reached_server=False),
            ConnectFailedError,
        ),
    ],
    ids=["503", "202", "401", "429", "timeout", "refused"],
)
async def test_action_is_sent_once_whatever_happens(
    world: World, failure: Answer, error: type[IbkrError]
) -> None:
    """An order never goes out twice."""
    world.answer(failure)

    with pytest.raises(error):
        await world.pipeline.send(act())

    orders = [request for request in world.transport.sent if request.url.endswith("/orders")]
    assert len(orders) == 1


async def test_third_failure_is_raised(world: World) -> None:
    """Three tries in all."""
    world.answer(*[reply(503)] * 5)

    with pytest.raises(ServerError):
        await world.pipeline.send(read())

    assert len(world.transport.sent) == 3


async def test_wrong_certificate_is_not_tried_again(world: World) -> None:
    """No storm of handshakes."""
    world.answer(TlsError("GET /x", "certificate refused", may_have_reached_server=False))

    with pytest.raises(TlsError):
        await world.pipeline.send(read())

    assert len(world.transport.sent) == 1


# --- logging in ----------------------------------------------------------------------------------


async def test_first_call_logs_in(world: World) -> None:
    """One login, before anything is signed."""
    world.auth.needs_login = True

    await world.pipeline.send(read())

    paths = [request.url.removeprefix(BASE) for request in world.transport.sent]
    assert paths == ["/oauth/live_session_token", "/iserver/accounts"]
    assert world.last.headers["Authorization"] == "login 1 signature 1"


async def test_log_in_can_be_asked_for(world: World) -> None:
    """A wrong credential shows before the first call."""
    world.auth.needs_login = True
    world.auth.failing = True

    with pytest.raises(AuthError):
        await world.pipeline.log_in()

    assert world.pipeline.logins.generation == 0


async def test_forty_401s_cost_one_login_and_nobody_sees_them() -> None:
    """Forty reads under way when the token expires all succeed after one renewal."""
    world = World(RestSettings(pacing=PacingSettings(max_wait_s=1000)))
    world.auth.needs_login = True
    await world.pipeline.log_in()
    valid = "login 2"

    async def check(request: HttpRequest) -> HttpReply:
        await anyio.lowlevel.checkpoint()
        if "oauth" in request.url:
            return reply()
        return reply(200 if request.headers["Authorization"].startswith(valid) else 401)

    world.answer(*[check] * 200)
    answers = await asyncio.gather(*(world.pipeline.send(read(f"/x/{i}")) for i in range(40)))

    assert answers == [{}] * 40
    assert world.auth.logins == 2


async def test_second_401_is_raised(world: World) -> None:
    """One renewal and one repetition, not a loop."""
    world.answer(reply(401), reply(), reply(401))

    with pytest.raises(UnauthorizedError):
        await world.pipeline.send(read())

    assert len(world.transport.sent) == 3


async def test_second_401_is_raised_however_long_it_took(world: World) -> None:
    """Each call renews the login once, though the interval between renewals has passed."""

    async def slow(request: HttpRequest) -> HttpReply:
        world.time.at += 60.0
        return reply(200 if "oauth" in request.url else 401)

    world.answer(*[slow] * 9)

    with pytest.raises(UnauthorizedError):
        await world.pipeline.send(read())

    assert world.auth.logins == 1


async def test_action_answered_401_makes_the_next_call_work(world: World) -> None:
    """The caller learns of the 401; the login is renewed for what comes after."""
    world.answer(reply(401))

    with pytest.raises(UnauthorizedError) as caught:
        await world.pipeline.send(act())

    assert "renew it again" not in str(caught.value)
    await world.pipeline.send(act())
    assert world.last.headers["Authorization"] == "login 1 signature 2"


async def test_failed_renewal_shows_for_a_read(world: World) -> None:
    """Why logging in failed is more useful than the 401."""
    world.auth.failing = True
    world.answer(reply(401))

    with pytest.raises(AuthError, match="refused"):
        await world.pipeline.send(read())


async def test_failed_renewal_does_not_hide_the_401_of_an_action(world: World) -> None:
    """The caller of an order must know what became of it."""
    world.auth.failing = True
    world.answer(reply(401))

    with pytest.raises(UnauthorizedError):
        await world.pipeline.send(act())


async def test_login_that_lapses_while_waiting_is_renewed(world: World) -> None:
    """The token is checked again when the slot is there."""
    await world.pipeline.send(read("/tickle"))
    sleep = world.time.sleep

    async def sleep_and_expire(seconds: float) -> None:
        await sleep(seconds)
        world.auth.needs_login = True

    world.time.sleep = sleep_and_expire  # type: ignore[method-assign]  # time that does more
    task = asyncio.create_task(world.pipeline.send(read("/tickle")))
    await asyncio.sleep(0)
    world.time.sleep = sleep  # type: ignore[method-assign]  # as above
    await task

    assert world.auth.logins == 1
    assert world.last.headers["Authorization"] == "login 1 signature 2"


# --- pacing --------------------------------------------------------------------------------------


async def test_call_waits_for_its_slot(world: World) -> None:
    """A second orders query waits for five seconds."""
    await world.pipeline.send(read("/iserver/account/orders"))
    await world.pipeline.send(read("/iserver/account/orders"))

    assert sum(world.time.slept) == pytest.approx(5.05)
    assert world.pipeline.stats.waited_s == pytest.approx(5.05)


async def test_pacing_key_overrides_the_path(world: World) -> None:
    """Calls that share a limit share a key."""
    await world.pipeline.send(read("/a", pacing_key="/tickle"))
    await world.pipeline.send(read("/b", pacing_key="/tickle"))

    assert sum(world.time.slept) == pytest.approx(1.05)


async def test_call_that_would_wait_for_minutes_is_refused_at_once(world: World) -> None:
    """Nobody sleeps silently for a quarter of an hour."""
    await world.pipeline.send(read("/pa/summary"))

    with pytest.raises(RateLimitedError) as caught:
        await world.pipeline.send(read("/pa/summary"))

    assert world.time.slept == []
    assert caught.value.retry_after_s == pytest.approx(909)
    assert str(caught.value) == (
        "GET /pa/summary: 429 not sent: the next slot is 909.0 s away (/pa/summary: 1 per 900 s); "
        "call again then, or allow waits longer than max_wait_s=30"
    )
    assert len(world.transport.sent) == 1
    assert world.pipeline.stats.refused_waits == 1
    assert caught.value.was_sent is False


async def test_cancelled_waiter_gives_its_slot_back(world: World) -> None:
    """The next caller gets the slot of the one who left."""
    await world.pipeline.send(read("/tickle"))
    never = anyio.Event()

    async def wait_for_ever(_: float) -> None:
        await never.wait()

    sleep = world.time.sleep
    world.time.sleep = wait_for_ever  # type: ignore[method-assign]  # time that stands still
    task = asyncio.create_task(world.pipeline.send(read("/tickle")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    world.time.sleep = sleep  # type: ignore[method-assign]  # as above

    await world.pipeline.send(read("/tickle"))
    assert world.time.slept == [pytest.approx(1.05)]


@pytest.mark.parametrize("more", [{}, {"pacing_key": HISTORY, "path": "/x"}], ids=["path", "key"])
async def test_five_histories_at_a_time(world: World, more: dict[str, str]) -> None:
    """The sixth waits until one of the five has its answer."""
    under_way = 0
    most = 0

    async def slow(_: HttpRequest) -> HttpReply:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _step in range(50):
            await anyio.lowlevel.checkpoint()
        under_way -= 1
        return reply()

    world.answer(*[slow] * 12)
    history = read(**({"path": HISTORY} | more))
    await asyncio.gather(*(world.pipeline.send(history) for _ in range(12)))

    assert most == 5


async def test_429_holds_everything_back_but_cancels(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """After a 429 ordinary calls are refused at once, a cancel goes, and its success reopens."""
    caplog.set_level(logging.INFO, "ibkr_async.rest")
    world.answer(reply(429, b'{"error":"Too many requests"}'))
    with pytest.raises(RateLimitedError, match="Too many requests"):
        await world.pipeline.send(read("/x"))
    assert world.pipeline.is_rate_limited

    with pytest.raises(RateLimitedError, match=r"120\.0 s away.*do not restart"):
        await world.pipeline.send(read("/y"))
    world.time.at += 1
    await world.pipeline.send(
        RestRequest(method="DELETE", path="/order/1", result=dict, urgency=Urgency.CANCEL)
    )

    assert not world.pipeline.is_rate_limited
    await world.pipeline.send(read("/y"))
    assert world.pipeline.stats.by_status == {429: 1, 200: 2}
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]


async def test_all_of_many_cancels_leave_after_a_429(world: World) -> None:
    """Slowly, and whatever they are answered: a cancel is never refused unsent."""
    world.answer(*[reply(429)] * 41)
    with pytest.raises(RateLimitedError):
        await world.pipeline.send(read("/x"))

    cancels = [
        RestRequest(method="DELETE", path=f"/order/{i}", result=dict, urgency=Urgency.CANCEL)
        for i in range(40)
    ]
    await asyncio.gather(*map(world.pipeline.send, cancels), return_exceptions=True)

    assert world.pipeline.stats.by_status == {429: 41}
    assert world.pipeline.stats.refused_waits == 0


async def test_companions_of_a_429_are_logged_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """One breach, one line."""
    caplog.set_level(logging.INFO, "ibkr_async.rest")
    world.answer(reply(429), reply(429))

    results = await asyncio.gather(
        *(world.pipeline.send(read(f"/{i}")) for i in range(2)), return_exceptions=True
    )

    assert [type(result) for result in results] == [RateLimitedError] * 2
    assert len(caplog.records) == 1


async def test_short_retry_after_is_waited_for(world: World) -> None:
    """A read comes back when the server said so."""
    world.answer(reply(429, retry_after="5"), reply(content=b'{"a":1}'))

    assert await world.pipeline.send(read("/x")) == {"a": 1}
    assert sum(world.time.slept) >= 5


async def test_429_at_login_holds_back_too(world: World) -> None:
    """The login is a request like any other."""
    world.auth.needs_login = True
    world.answer(reply(429))

    with pytest.raises(AuthError):
        await world.pipeline.send(read())

    assert world.pipeline.is_rate_limited


# --- settings ------------------------------------------------------------------------------------


async def test_timeouts_are_those_of_the_settings() -> None:
    """For reads, and for what changes something."""
    world = World(RestSettings(read_timeout_s=3, action_timeout_s=4))
    for request in (read(), act()):
        await world.pipeline.send(request)

    assert [request.timeout_s for request in world.transport.sent] == [3, 4]


async def test_login_is_renewed_as_often_as_the_settings_allow() -> None:
    """A 401 within the interval is not the login's fault; one after it may be."""
    world = World(RestSettings(renew_interval_s=5))
    world.answer(reply(401))
    await world.pipeline.send(read())
    world.time.at += 4
    world.answer(reply(401))
    with pytest.raises(UnauthorizedError, match=r"a call in 0\.\d s may renew it again"):
        await world.pipeline.send(read())
    world.time.at += 1
    world.answer(reply(401))
    await world.pipeline.send(read())

    assert world.auth.logins == 2


async def test_rate_is_that_of_the_settings() -> None:
    """Two reads a second are left of six requests, and the third waits."""
    world = World(RestSettings(pacing=PacingSettings(per_second=6)))
    for i in range(3):
        await world.pipeline.send(read(f"/x/{i}"))

    assert world.time.slept == [pytest.approx(1.05)]


async def test_tries_and_pauses_are_those_of_the_settings() -> None:
    """One pause of the length that was set, then the error."""
    world = World(RestSettings(retry=RetryPolicy(max_tries=2, base_s=3)))
    world.answer(*[reply(503)] * 5)
    with pytest.raises(ServerError):
        await world.pipeline.send(read())

    assert world.time.slept == [3]
    assert len(world.transport.sent) == 2


async def test_longest_wait_is_that_of_the_settings() -> None:
    """For a slot, and for what a 429 asked for."""
    world = World(RestSettings(pacing=PacingSettings(max_wait_s=4)))
    await world.pipeline.send(read("/iserver/account/orders"))
    with pytest.raises(RateLimitedError, match="max_wait_s=4"):
        await world.pipeline.send(read("/iserver/account/orders"))
    world.answer(reply(429, retry_after="5"))
    with pytest.raises(RateLimitedError):
        await world.pipeline.send(read())

    assert world.time.slept == []


async def test_wait_as_long_as_the_settings_allow_is_waited() -> None:
    """The longest wait is included."""
    world = World(RestSettings(pacing=PacingSettings(max_wait_s=5.5)))
    world.answer(reply(429, retry_after="5"))
    await world.pipeline.send(read())

    assert world.time.slept == [5.5]


async def test_permission_is_asked_after_the_wait_and_before_the_request_leaves(
    world: World,
) -> None:
    """What it raises is raised, and nothing is sent."""
    await world.pipeline.send(read("/tickle"))
    asked_at: list[float] = []

    def refuse() -> None:
        asked_at.append(world.time.at)
        raise UsageError("not now")

    with pytest.raises(UsageError, match="not now"):
        await world.pipeline.send(act("/tickle", permit=refuse))

    assert asked_at == [pytest.approx(1001.05)]
    assert len(world.transport.sent) == 1


async def test_departure_of_a_request_is_given_to_the_transport(world: World) -> None:
    """It is asked in the line before the request leaves; a plain permission stays here."""
    departure = Departure(lambda: None)
    for permit in (departure, lambda: None):
        await world.pipeline.send(act(permit=permit))

    assert [request.departure for request in world.transport.sent] == [departure, None]


async def test_given_pacer_stands_in_for_the_limits_of_ibkr() -> None:
    """Where other limits hold, the table of these is not kept."""
    time = FakeTime()
    pipeline = RestPipeline(
        FakeAuth(), FakeTransport(), pacer=Pacer(()), world=fake_world(time, FakeRandom())
    )
    for _ in range(2):
        await pipeline.send(read("/pa/summary"))

    assert time.slept == []


# --- closing, cancelling, telling ----------------------------------------------------------------


async def test_closed_pipeline_says_so(world: World) -> None:
    """Closing is idempotent; what comes after is a mistake of the program, told without a wait."""
    await world.pipeline.send(read("/tickle"))
    await world.pipeline.aclose()
    await world.pipeline.aclose()

    with pytest.raises(ClosedError):
        await world.pipeline.send(read("/tickle"))
    with pytest.raises(ClosedError):
        await world.pipeline.log_in()
    assert world.time.slept == []
    assert len(world.transport.sent) == 1
    assert world.transport.closed > 0


async def test_closing_goes_through_though_it_is_cancelled(world: World) -> None:
    """Sockets are not left open by a program that is stopped in a hurry."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await world.pipeline.aclose()

    assert world.transport.closed == 1


async def test_closing_ends_calls_that_wait(world: World) -> None:
    """A call that wakes after closing is not sent."""
    await world.pipeline.send(read("/tickle"))
    waiting = asyncio.create_task(world.pipeline.send(read("/tickle")))
    await asyncio.sleep(0)
    await world.pipeline.aclose()

    with pytest.raises(ClosedError):
        await waiting
    assert len(world.transport.sent) == 1


async def test_cancellation_at_any_await_leaves_the_pipeline_usable() -> None:
    """Whatever a cancelled call held goes back: places, slots, the login lock."""
    for steps in range(12):
        world = World()
        world.auth.needs_login = True
        world.answer(reply(), reply(503))
        history = read("/iserver/marketdata/history")
        tasks = [asyncio.create_task(world.pipeline.send(history)) for _ in range(6)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        results = await asyncio.gather(*(world.pipeline.send(history) for _ in range(6)))

        assert results == [{}] * 6


async def test_log_lines_have_no_query(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """One DEBUG line per request: method, path, status, time."""
    caplog.set_level(logging.DEBUG, "ibkr_async.rest")
    world.answer(ConnectFailedError("GET /x", "refused", may_have_reached_server=False))

    await world.pipeline.send(read("/x", query=(("token", "canary"),)))

    assert "canary" not in caplog.text
    assert "GET /x -> ConnectFailedError" in caplog.text
    assert "GET /x -> 200 in 0 ms" in caplog.text
    assert {record.levelname for record in caplog.records} == {"DEBUG"}


@respx.mock
async def test_pipeline_over_httpx_end_to_end() -> None:
    """The real transport under the real pipeline, with the network mocked."""
    route = respx.post(f"{BASE}/iserver/account/DU1/orders").respond(
        400, json={"error": "Bad Request: no bridge", "statusCode": 400}
    )
    transport = HttpxTransport(ssl.create_default_context())
    pipeline = RestPipeline(FakeAuth(), transport)

    with pytest.raises(IbkrError, match=r"ib\.ready\(\)"):
        await pipeline.send(act(body={"orders": []}))
    await pipeline.aclose()

    sent = route.calls.last.request
    assert sent.content == b'{"orders":[]}'
    assert sent.headers["content-length"] == "13"
    assert sent.headers["authorization"] == "login 0 signature 1"


# --- answers that cannot be read whole -----------------------------------------------------------


async def test_odd_rows_are_counted_and_told_once_for_each_endpoint(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A row that stays odd for months is one line in the log; the others are given each time."""
    world = World()
    request = RestRequest(
        method="GET", path="/rows", result=list[dict[str, int]], query=(("a", "1"),)
    )
    odd = reply(content=b'[{"a":1},null,{"b":{}}]')
    world.answer(odd, odd)

    with caplog.at_level(logging.WARNING, "ibkr_async"):
        answers = [await world.pipeline.send(request) for _ in range(2)]

    assert answers == [[{"a": 1}, {}]] * 2
    assert world.pipeline.stats.unread == 4
    (line,) = caplog.messages
    assert "GET /rows" in line
    assert "[1]: Expected `object`, got `null`" in line
    assert "1 more" in line


@pytest.mark.parametrize("key", ["new", "name"])
async def test_number_that_nothing_can_hold_costs_itself(key: str) -> None:
    """It was a raw `decimal.InvalidOperation`, and ended whatever had asked."""
    world = World()
    world.answer(reply(content=b'{"%b":1e99999999999999999999,"a":1}' % key.encode()))
    answer = await world.pipeline.send(read())

    assert answer["a"] == 1


async def test_refusal_beside_such_a_number_is_a_refusal() -> None:
    """A 200 that says no must not pass for a yes because of a number next to it."""
    world = World()
    world.answer(reply(content=b'{"error":"no","n":1e99999999999999999999,"s":"\\ud83d"}'))

    with pytest.raises(RefusedError, match="no"):
        await world.pipeline.send(read())
