"""The three legs against the real simulator, and against answers that it does not give."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ibkr_async import Client
from ibkr_async.auth import AccessGrant, OAuth1a, OAuthFlow
from ibkr_async.auth._secret import Secret
from ibkr_async.auth.flow import AUTHORIZE_URL, THIRD_PARTY_URL
from ibkr_async.errors import (
    AuthError,
    ClosedError,
    ConfigError,
    IbkrError,
    RateLimitedError,
    ServerError,
    TransportError,
    UsageError,
)
from ibkr_async.oauth.dh import DhParams
from ibkr_async.ports import HttpReply, HttpRequest
from ibkr_async.simulator import Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.simulator.login.oauth_flow import THIRD_PARTY_KEY
from ibkr_async.world import World
from support.fake_time import FakeRandom, FakeTime, fake_world
from support.inside import send_of

NOW = 1_700_000_000.0


@pytest.fixture(scope="module")
def keys() -> SimulatorKeys:
    """Return one set of keys: making one takes half a second."""
    return SimulatorKeys.generate()


@pytest.fixture
async def sim(keys: SimulatorKeys) -> AsyncIterator[Simulator]:
    """Return a running simulator."""
    async with Simulator(keys=keys, settings=SimulatorSettings(greeting_delay_s=0.0)) as running:
        yield running


class Scripted:
    """A transport that answers what it was told, in order."""

    def __init__(self, *script: tuple[int, Any], **headers: str) -> None:
        self.script = list(script)
        self.headers = headers
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpReply:
        self.requests.append(request)
        status, body = self.script.pop(0)
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        return HttpReply(status=status, headers=self.headers, content=content)

    async def aclose(self) -> None:
        return None


def world_at(at: float, nonce: str) -> World:
    """Return a world that stands still and always draws the same nonce."""
    return fake_world(FakeTime(at), FakeRandom(text=lambda: nonce))


def make(vectors: dict[str, Any], transport: Scripted, **changes: Any) -> OAuthFlow:
    """Build a flow with the keys of the vectors."""
    arguments: dict[str, Any] = {
        "consumer_key": "TESTKEY01",
        "signature_key": vectors["keys"]["signature_private_pkcs8_pem"].encode(),
        "encryption_key": vectors["keys"]["encryption_private_pkcs8_pem"].encode(),
        "dh": DhParams(int(vectors["dh"]["prime_hex"], 16), 2),
        "transport": transport,
        "world": world_at(NOW, "0123456789abcdef0123456789abcdef"),
    }
    return OAuthFlow(**(arguments | changes))


async def test_three_legs_give_credentials_that_a_client_can_use(sim: Simulator) -> None:
    """Request token, approval, access token: then accounts are read with the new token."""
    async with sim.flow() as flow:
        request_token = await flow.request_token()
        address = urlsplit(flow.authorize_url(request_token))
        verifier = sim.approve(request_token.reveal())
        auth = await flow.access_token(verifier)
        grant = flow.granted

    assert isinstance(auth, OAuth1a)
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{sim.origin}/authorize"
    assert parse_qs(address.query) == {"oauth_token": [request_token.reveal()]}
    assert grant.is_paper is True
    assert len(grant.access_token_secret.reveal()) == 344
    async with Client(auth) as ib, ib.stream.trades():
        assert ib.session.info.account_id == sim.account_id


async def test_stored_grant_needs_no_user(sim: Simulator) -> None:
    """What `granted` holds is enough to log in another day."""
    async with sim.flow() as flow:
        token = await flow.request_token()
        await flow.access_token(sim.approve(token.reveal()))
        again = flow.auth(
            AccessGrant(
                access_token=Secret(flow.granted.access_token.reveal()),
                access_token_secret=Secret(flow.granted.access_token_secret.reveal()),
                is_paper=None,
            )
        )

    async with Client(again) as ib:
        assert ib.session.info.account_id == sim.account_id


async def test_old_root_works_as_well(sim: Simulator, keys: SimulatorKeys) -> None:
    """The root is part of the signature; the old one sends no expiration, which means a day."""
    home = sim.credentials_directory
    async with OAuthFlow(
        consumer_key=THIRD_PARTY_KEY,
        signature_key=keys.signature_pem,
        encryption_key=keys.encryption_pem,
        dh=home / "dhparam.pem",
        base_url=f"{sim.origin}/tradingapi/v1",
        ca=sim.ca_file,
    ) as flow:
        token = await flow.request_token()
        auth = await flow.access_token(sim.approve(token.reveal()))
        await auth.login(send_of(flow))

    assert auth.base_url == f"{sim.origin}/tradingapi/v1"
    assert auth.expires_at is not None
    assert abs(auth.expires_at - sim.now() - 86_400) < 60


async def test_two_users_at_once_do_not_mix(sim: Simulator) -> None:
    """A web server keeps the request tokens itself and passes them in."""
    async with sim.flow() as flow:
        one, two = await flow.request_token(), await flow.request_token()
        verifiers = sim.approve(one.reveal()), sim.approve(two.reveal())

        await flow.access_token(verifiers[0], one.reveal())
        first = flow.granted
        await flow.access_token(verifiers[1], two)

    assert first.access_token.reveal() != flow.granted.access_token.reveal()


async def test_request_token_is_good_for_one_exchange(sim: Simulator) -> None:
    """A verifier that was used, or made up, gets nothing; the error names the step and the cure."""
    async with sim.flow() as flow:
        token = await flow.request_token()
        verifier = sim.approve(token.reveal())
        await flow.access_token(verifier)
        with pytest.raises(AuthError, match=r"access token: 401 .*invalid request token") as again:
            await flow.access_token(verifier, token)
        other = await flow.request_token()
        sim.approve(other.reveal())
        with pytest.raises(AuthError, match="invalid verifier"):
            await flow.access_token("f" * 20)

    assert again.value.step == "access token"
    assert token.reveal() not in str(again.value)


async def test_first_party_key_is_told_where_its_token_is(
    sim: Simulator, keys: SimulatorKeys
) -> None:
    """Self-service keys cannot go through the flow: the hint says what to do instead."""
    flow = OAuthFlow(
        consumer_key="SIMULATOR",
        signature_key=keys.signature_pem,
        encryption_key=keys.encryption_pem,
        dh=sim.credentials_directory / "dhparam.pem",
        base_url=sim.base_url,
        ca=sim.ca_file,
    )
    async with flow:
        with pytest.raises(AuthError, match=r"invalid consumer.*first-party.*portal"):
            await flow.request_token()


async def test_unapproved_token_is_refused(sim: Simulator) -> None:
    """Without the user's word there is no access."""
    async with sim.flow() as flow:
        await flow.request_token()
        with pytest.raises(AuthError, match="invalid request token"):
            await flow.access_token("0" * 20)


async def test_requests_are_signed_as_in_the_vectors(vectors: dict[str, Any]) -> None:
    """Both signed legs give exactly the headers of the vectors."""
    wanted = [
        (vector["url"].rpartition("/")[2], vector)
        for vector in vectors["rsa_requests"]
        if not vector["prepend"]
    ]
    for step, vector in wanted:
        params = vector["oauth_params"]
        answer = {"oauth_token": "a" * 20}
        transport = Scripted((200, answer))
        flow = make(
            vectors,
            transport,
            consumer_key=params["oauth_consumer_key"],
            realm=vector["realm"],
            base_url=vector["url"].rpartition("/oauth/")[0],
            callback=params.get("oauth_callback", "oob"),
            world=world_at(float(params["oauth_timestamp"]), params["oauth_nonce"]),
        )
        if step == "request_token":
            await flow.request_token()
        else:
            with pytest.raises(AuthError, match="no token and secret"):
                await flow.access_token(params["oauth_verifier"], params["oauth_token"])

        sent = transport.requests[0]
        assert sent.headers["Authorization"] == vector["authorization_header"], vector["name"]
        assert sent.headers["User-Agent"]
        assert (sent.method, sent.url, sent.content) == ("POST", vector["url"], b"")
    assert {step for step, _ in wanted} == {"request_token", "access_token"}


@pytest.mark.parametrize(
    ("root", "page"),
    [
        ("https://api.ibkr.com/v1/api", AUTHORIZE_URL),
        (THIRD_PARTY_URL, AUTHORIZE_URL),
        ("https://localhost:8443/v1/api", "https://localhost:8443/authorize"),
    ],
)
def test_authorisation_page_follows_from_the_root(
    vectors: dict[str, Any], root: str, page: str
) -> None:
    """IBKR's page for both of IBKR's roots; the same host's otherwise."""
    flow = make(vectors, Scripted(), base_url=root)

    url = flow.authorize_url("abc", redirect_uri="http://localhost:20000/")

    assert url == f"{page}?oauth_token=abc&redirect_uri=http%3A%2F%2Flocalhost%3A20000%2F"


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (401, {"error": "id: 7, error: invalid consumer"}, AuthError, "weekend restart"),
        (403, "<html>Forbidden</html>", AuthError, "an HTML page"),
        (200, "<html>Login</html>", AuthError, "cannot be read"),
        (200, {}, AuthError, "no token"),
        (200, {"error": "id: 7, error: whatever"}, AuthError, "whatever"),
        (429, {"error": "slow down"}, RateLimitedError, "slow down"),
        (503, "", ServerError, "an empty answer"),
    ],
)
async def test_refusals_are_told_from_weather(
    vectors: dict[str, Any], status: int, body: Any, kind: type[IbkrError], words: str
) -> None:
    """Every answer that is not a token becomes one typed error."""
    flow = make(vectors, Scripted((status, body)))

    with pytest.raises(kind, match=words):
        await flow.request_token()


async def test_clock_that_is_off_is_corrected_once(vectors: dict[str, Any]) -> None:
    """A refusal whose date shows our clock to be off is answered with the server's time."""
    date = format_datetime(datetime.fromtimestamp(NOW - 900, UTC), usegmt=True)
    transport = Scripted((401, {"error": "no"}), (200, {"oauth_token": "b" * 20}), date=date)
    flow = make(vectors, transport)

    await flow.request_token()

    sent = [request.headers["Authorization"] for request in transport.requests]
    assert f'oauth_timestamp="{NOW:.0f}"' in sent[0]
    assert f'oauth_timestamp="{NOW - 900:.0f}"' in sent[1]


async def test_secret_for_another_key_is_a_config_error_and_the_grant_is_kept(
    vectors: dict[str, Any],
) -> None:
    """A secret that cannot be decrypted fails at once; what was granted is not lost."""
    answer = {"oauth_token": "c" * 20, "oauth_token_secret": "AAAA", "is_true": False}
    flow = make(vectors, Scripted((200, answer)))

    with pytest.raises(ConfigError, match="incomplete or damaged"):
        await flow.access_token("v" * 17, "r" * 20)

    assert flow.granted.is_paper is False


def test_mistakes_are_seen_at_construction(vectors: dict[str, Any], tmp_path: Path) -> None:
    """Wrong keys, roots and files are refused before anything is sent."""
    with pytest.raises(ConfigError, match="upper case"):
        make(vectors, Scripted(), consumer_key="testkey01")
    with pytest.raises(ConfigError, match="consumer_key"):
        make(vectors, Scripted(), consumer_key="")
    with pytest.raises(ConfigError, match="allow_host"):
        make(vectors, Scripted(), base_url="https://example.com/v1/api")
    with pytest.raises(ConfigError, match="allow_host"):
        make(vectors, Scripted(), authorize_page="https://example.com/authorize")
    with pytest.raises(ConfigError, match="cannot find the file"):
        make(vectors, Scripted(), signature_key=tmp_path / "absent.pem")


async def test_legs_out_of_order_are_usage_errors(vectors: dict[str, Any]) -> None:
    """There is no second leg without the first, and no third without a verifier."""
    flow = make(vectors, Scripted())

    with pytest.raises(UsageError, match=r"request_token\(\) comes first"):
        flow.authorize_url()
    with pytest.raises(UsageError, match=r"request_token\(\) comes first"):
        await flow.access_token("v")
    with pytest.raises(UsageError, match="nothing was granted"):
        _ = flow.granted
    with pytest.raises(UsageError, match="verifier=' ' is not a text"):
        await flow.access_token(" ", "token")


async def test_wrong_keys_fail_before_the_user_is_bothered(vectors: dict[str, Any]) -> None:
    """The encryption key is needed at the end, and looked at in the beginning."""
    transport = Scripted((200, {"oauth_token": "d" * 20}))
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - the point of the test
    pem = small.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    flow = make(vectors, transport, encryption_key=pem)

    with pytest.raises(ConfigError, match="at least 2048 bits"):
        await flow.request_token()

    assert transport.requests == []


async def test_closed_flow_and_silent_server_are_typed(sim: Simulator) -> None:
    """The transport's errors come through as they are."""
    flow = sim.flow()
    async with flow:
        pass
    with pytest.raises(ClosedError):
        await flow.request_token()

    async with sim.flow() as other:
        await other.request_token()
        await sim.aclose()
        with pytest.raises(TransportError):
            await other.request_token()


async def test_no_secret_shows_anywhere(sim: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """Neither reprs nor logs nor tracebacks hold a token, a verifier or the secret."""
    caplog.set_level(logging.DEBUG)
    async with sim.flow() as flow:
        token = await flow.request_token()
        verifier = sim.approve(token.reveal())
        auth = await flow.access_token(verifier)
        try:
            await flow.access_token(verifier, token)
        except AuthError as error:
            text = "".join(traceback.TracebackException.from_exception(error).format())
    grant = flow.granted
    shown = " ".join((repr(flow), repr(auth), repr(grant), repr(token), str(token), text))

    for secret in (
        token.reveal(),
        verifier,
        grant.access_token.reveal(),
        grant.access_token_secret.reveal(),
    ):
        assert secret not in shown
        assert secret not in caplog.text


async def test_cancelled_leg_leaves_no_token_behind(vectors: dict[str, Any]) -> None:
    """Cancellation passes through, and nothing counts as granted."""
    reached = asyncio.Event()

    class Silent(Scripted):
        async def send(self, request: HttpRequest) -> HttpReply:
            reached.set()
            await asyncio.Event().wait()
            raise AssertionError

    flow = make(vectors, Silent())
    task = asyncio.create_task(flow.request_token())
    await reached.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(UsageError):
        flow.authorize_url()


def test_example_runs_against_the_simulator() -> None:
    """`examples/oauth_login.py` does what it says, in at most sixty lines."""
    example = Path(__file__).parents[2] / "examples" / "oauth_login.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        # Not measured: coverage's tracer makes CPython 3.11 lose exceptions inside coroutines.
        env={name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "3. access granted to a paper account" in done.stdout
    assert "4. logged in: DU1234567" in done.stdout
    assert len(example.read_text().splitlines()) <= 60
