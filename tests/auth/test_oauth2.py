"""OAuth 2.0 against the vectors, against the real simulator, and against refusals."""

from __future__ import annotations

import json
import logging
import threading
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import anyio
import pytest

from ibkr_async import Client
from ibkr_async.auth import Auth, OAuth2
from ibkr_async.errors import (
    AuthError,
    ConfigError,
    IbkrError,
    RateLimitedError,
    ServerError,
    UsageError,
)
from ibkr_async.ports import HttpReply, HttpRequest
from ibkr_async.rest.pipeline import RestPipeline
from ibkr_async.rest.request import RestRequest
from ibkr_async.rest.settings import PacingSettings, RestSettings
from ibkr_async.rest.transport import HttpxTransport
from ibkr_async.simulator import Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.simulator.login.oauth2 import SSO_PATH, TOKEN_PATH
from ibkr_async.world import World
from support.fake_time import FakeTime, fake_world

NOW = 1_700_000_000.0
TOKEN = {"access_token": "t" * 40, "token_type": "Bearer", "expires_in": 86_399}
SESSION = {"access_token": "s" * 40, "token_type": "Bearer", "active": True}


class Server:
    """Answers what it was told, in order."""

    def __init__(self, *script: tuple[int, Any], **headers: str) -> None:
        self.script = list(script)
        self.headers = headers
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpReply:
        """Answer one request."""
        self.requests.append(request)
        status, body = self.script.pop(0)
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return HttpReply(status=status, headers=self.headers, content=content)


def make(vectors: dict[str, Any], **changes: Any) -> OAuth2:
    """Build an `OAuth2` with the client of the vectors."""
    arguments: dict[str, Any] = {
        "client_id": "demo-client",
        "key_id": "main",
        "key": vectors["keys"]["signature_private_pkcs8_pem"].encode(),
        "credential": "demouser1",
        "ip": "203.0.113.7",
        "world": fake_world(FakeTime(NOW)),
    }
    return OAuth2(**(arguments | changes))


@pytest.fixture(scope="module")
def keys() -> SimulatorKeys:
    """Return one set of keys: making one takes half a second."""
    return SimulatorKeys.generate()


@pytest.fixture
async def sim(keys: SimulatorKeys) -> AsyncIterator[Simulator]:
    """Return a running simulator."""
    async with Simulator(keys=keys, settings=SimulatorSettings(greeting_delay_s=0.0)) as running:
        yield running


def test_oauth2_is_an_auth(vectors: dict[str, Any]) -> None:
    """The client treats it like every other login."""
    auth: Auth = make(vectors)

    assert auth.needs_login
    assert auth.expires_at is None
    assert auth.opens_brokerage_session
    assert auth.base_url == "https://api.ibkr.com/v1/api"
    assert auth.ssl_context() is auth.ssl_context()
    with pytest.raises(UsageError, match="login"):
        auth.sign("GET", "https://api.ibkr.com/v1/api/tickle", (), ())


async def test_both_requests_are_those_of_the_vectors(vectors: dict[str, Any]) -> None:
    """Addresses, content types, form and assertions, to the letter."""
    server = Server((200, TOKEN), (200, SESSION))
    clock = FakeTime(NOW)
    auth = make(vectors, world=fake_world(clock))

    await auth.login(server.send)

    token, session = server.requests
    wanted = vectors["oauth2"]["token"]
    assert token.url == wanted["url"]
    assert token.headers["Content-Type"] == wanted["content_type"]
    assert dict(parse_qsl(token.content.decode())) == {
        **wanted["form"],
        "client_assertion": wanted["client_assertion"],
    }
    wanted = vectors["oauth2"]["sso_sessions"]
    assert session.url == wanted["url"]
    assert session.headers["Content-Type"] == wanted["content_type"]
    assert session.headers["Authorization"] == f"Bearer {TOKEN['access_token']}"
    assert session.content.decode() == wanted["body"]
    assert token.headers["User-Agent"]
    assert session.headers["User-Agent"]
    assert auth.sign("GET", "https://x", (), ()) == {"Authorization": f"Bearer {'s' * 40}"}


async def test_session_is_renewed_before_it_lapses(vectors: dict[str, Any]) -> None:
    """A day less the margin; `forget` asks for a new login at once."""
    clock = FakeTime(NOW)
    auth = make(vectors, world=fake_world(clock))
    await auth.login(Server((200, TOKEN), (201, SESSION)).send)

    assert auth.expires_at == NOW + 86_400
    clock.at = NOW + 86_400 - 601
    assert not auth.needs_login
    clock.at += 2
    assert auth.needs_login
    clock.at = NOW
    auth.forget()
    assert auth.needs_login


async def test_short_session_is_not_renewed_all_the_time(vectors: dict[str, Any]) -> None:
    """With less life than twice the margin, half of it passes before the next login."""
    clock = FakeTime(NOW)
    auth = make(vectors, world=fake_world(clock))
    await auth.login(Server((200, TOKEN), (200, {**SESSION, "expires_in": 100})).send)

    clock.at = NOW + 49
    assert not auth.needs_login
    clock.at = NOW + 51
    assert auth.needs_login


async def test_socket_carries_bearer_and_session(vectors: dict[str, Any]) -> None:
    """The name of the query parameter can be changed, since IBKR's pages disagree on it."""
    auth = make(vectors)
    other = make(vectors, socket_parameter="bearer_token", ws_url="wss://localhost:1/v1/api/ws")
    for each in (auth, other):
        await each.login(Server((200, TOKEN), (200, SESSION)).send)

    target = auth.socket("abc")
    assert target.url == f"wss://api.ibkr.com/v1/api/ws?sessionToken={'s' * 40}"
    assert target.headers["Cookie"] == "api=abc"
    assert other.socket("abc").url == f"wss://localhost:1/v1/api/ws?bearer_token={'s' * 40}"
    with pytest.raises(AuthError):
        auth.socket("")


async def test_address_is_asked_for_at_every_login(vectors: dict[str, Any]) -> None:
    """A machine whose address changes gives a function; what it returns is checked."""
    answers = iter(["203.0.113.7", "2001:db8::1", "not an address"])
    auth = make(vectors, ip=lambda: next(answers))
    for _ in range(2):
        await auth.login(Server((200, TOKEN), (200, SESSION)).send)

    with pytest.raises(ConfigError, match="public address"):
        await auth.login(Server().send)


async def test_address_is_asked_for_in_a_thread(vectors: dict[str, Any]) -> None:
    """It may ask the network; the event loop goes on meanwhile, and its failure is one of ours."""
    asked_in: list[threading.Thread] = []

    def ask() -> str:
        asked_in.append(threading.current_thread())
        if len(asked_in) > 1:
            raise OSError("no route")
        return "203.0.113.7"

    world = World()  # with threads, which virtual time has none of
    auth = make(vectors, ip=ask, world=world)
    await auth.login(Server((200, TOKEN), (200, SESSION)).send)

    assert asked_in[0] is not threading.current_thread()
    with pytest.raises(ConfigError, match="no route"):
        await auth.login(Server().send)


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        (
            [(400, {"title": "Bad", "detail": "The access token request is invalid"})],
            AuthError,
            "access token: 400 Bad: The access token request is invalid.*client_id",
        ),
        ([(200, TOKEN), (401, {"detail": "Access token expired"})], AuthError, "single sign-on"),
        ([(200, TOKEN), (403, {"detail": "no scope"})], AuthError, "ask IBKR to grant"),
        ([(200, TOKEN), (200, {**SESSION, "active": False})], AuthError, "not active"),
        ([(200, {})], AuthError, "no token"),
        ([(200, "<html>")], AuthError, "cannot be read"),
        ([(404, "<html>")], AuthError, "base_url"),
        ([(429, "")], RateLimitedError, "429"),
        ([(200, TOKEN), (502, "")], ServerError, "502"),
    ],
)
async def test_refusals_are_told_from_weather(
    vectors: dict[str, Any], script: list[tuple[int, Any]], kind: type[IbkrError], words: str
) -> None:
    """Each failure is one typed error with a cure; an old session survives it."""
    auth = make(vectors)
    await auth.login(Server((200, TOKEN), (200, SESSION)).send)

    with pytest.raises(kind, match=words):
        await auth.login(Server(*script).send)

    assert not auth.needs_login


async def test_clock_that_is_off_is_corrected_once(vectors: dict[str, Any]) -> None:
    """Assertions live for 20 seconds: a refusal with another date is answered in its time."""
    date = format_datetime(datetime.fromtimestamp(NOW - 3600, UTC), usegmt=True)
    server = Server((400, {"detail": "no"}), (200, TOKEN), (200, SESSION), date=date)
    auth = make(vectors)

    await auth.login(server.send)

    assert server.requests[0].content != server.requests[1].content
    assert auth.clock_ahead_s == 3600
    assert auth.expires_at == NOW - 3600 + 86_400


async def test_clock_that_is_off_is_named_in_the_refusal(vectors: dict[str, Any]) -> None:
    """When the second attempt fails too, the clock is the first suspect."""
    date = format_datetime(datetime.fromtimestamp(NOW - 3600, UTC), usegmt=True)
    server = Server((400, {"detail": "no"}), (400, {"detail": "no"}), date=date)

    with pytest.raises(AuthError, match=r"clock is 3600 s ahead.*NTP"):
        await make(vectors).login(server.send)


def test_mistakes_are_seen_at_construction(vectors: dict[str, Any], tmp_path: Path) -> None:
    """Missing names, addresses that are none, open key files, foreign hosts."""
    key = tmp_path / "key.pem"
    key.write_text(vectors["keys"]["signature_private_pkcs8_pem"])
    key.chmod(0o644)

    with pytest.raises(ConfigError, match="client_id"):
        make(vectors, client_id=" ")
    with pytest.raises(ConfigError, match=r"203\.0\.113"):
        make(vectors, ip="203.0.113")
    with pytest.raises(ConfigError, match="chmod 600"):
        make(vectors, key=key)
    for name in ("base_url", "token_url", "sso_url"):
        with pytest.raises(ConfigError, match="allow_host"):
            make(vectors, **{name: "https://example.com/x"})


async def test_client_logs_in_to_the_simulator_and_streams(sim: Simulator) -> None:
    """Both assertions verify, calls carry the bearer, and the socket opens with it."""
    async with Client(sim.oauth2()) as ib:
        assert ib.session.info.account_id == sim.account_id
        async with ib.stream.trades():
            with anyio.fail_after(5):
                while not ib.stream.connected:  # noqa: ASYNC110 - there is no event for it
                    await anyio.sleep(0.01)

    paths = [record.path for record in sim.requests]
    assert paths[:2] == [TOKEN_PATH, SSO_PATH]
    assert sim.sockets[0].identity == "oauth2"


async def test_forty_401s_cause_one_login(sim: Simulator) -> None:
    """Expired bearers are renewed once for everybody, and every read is answered."""
    auth = sim.oauth2()
    pipeline = RestPipeline(
        auth,
        HttpxTransport(auth.ssl_context),
        settings=RestSettings(pacing=PacingSettings(per_second=10_000)),
    )
    read = RestRequest[Any](
        method="GET", path="/sso/validate", result=None, replayable=True, pacing_key="/test"
    )
    await pipeline.send(read)
    sim.expire_token()

    async with anyio.create_task_group() as tasks:
        for _ in range(40):
            tasks.start_soon(pipeline.send, read)

    await pipeline.aclose()
    logins = [record for record in sim.requests if record.path == SSO_PATH]
    assert len(logins) == 2


async def test_wrong_user_address_or_client_is_refused(sim: Simulator) -> None:
    """The simulator checks what is signed, so a mistake is found before IBKR finds it."""
    home = sim.credentials_directory
    right: dict[str, Any] = {
        "client_id": "simulator-client",
        "key_id": "main",
        "key": home / "private_signature.pem",
        "credential": "simulator",
        "ip": "127.0.0.1",
        "base_url": sim.base_url,
        "ca": sim.ca_file,
    }
    mistakes: dict[str, Any] = {
        "client_id": "another",
        "key_id": "second",
        "key": home / "private_encryption.pem",
        "credential": "somebody",
        "ip": "203.0.113.7",
    }
    transport = HttpxTransport(sim.auth().ssl_context)
    for name, value in mistakes.items():
        with pytest.raises(AuthError, match="check client_id"):
            await OAuth2(**(right | {name: value})).login(transport.send)
    await transport.aclose()


async def test_no_secret_shows_anywhere(
    vectors: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Neither repr nor logs nor tracebacks hold a token, the client, the user or the key."""
    caplog.set_level(logging.DEBUG)
    auth = make(vectors)
    await auth.login(Server((200, TOKEN), (200, SESSION)).send)
    refusal = {"detail": f"{TOKEN['access_token']} of demo-client for demouser1"}
    try:
        await auth.login(Server((200, TOKEN), (401, refusal)).send)
    except AuthError as error:
        shown = "".join(traceback.TracebackException.from_exception(error).format())
    shown += repr(auth) + repr(auth.socket("abc")) + caplog.text

    for secret in ("t" * 40, "s" * 40, "demo-client", "demouser1", "PRIVATE KEY"):
        assert secret not in shown
