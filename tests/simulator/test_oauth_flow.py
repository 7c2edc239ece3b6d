"""The third-party endpoints as another program sees them, under both roots."""

from __future__ import annotations

import asyncio
import base64
import secrets
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ibkr_async.auth import OAuth1a
from ibkr_async.rest.pipeline import RestPipeline
from ibkr_async.rest.request import RestRequest
from ibkr_async.rest.settings import PacingSettings, RestSettings
from ibkr_async.rest.transport import HttpxTransport
from ibkr_async.simulator import Simulator
from ibkr_async.simulator.login.keys import PRIME, SimulatorKeys
from ibkr_async.simulator.login.oauth_flow import THIRD_PARTY_KEY, THIRD_PARTY_ROOT, with_parameters
from ibkr_async.simulator.login.verifier import base_string, percent_encode
from ibkr_async.world import RealClock, World
from support.inside import simulator_parts
from support.simulator_peer import trust

ROOTS = ("/v1/api", THIRD_PARTY_ROOT)
READ = RestRequest[Any](
    method="GET", path="/tickle", result=None, replayable=True, pacing_key="/free"
)


def _unpaced(auth: OAuth1a) -> RestPipeline:
    """Build the client's REST core without its speed limit, which this simulator does not have."""
    return RestPipeline(
        auth,
        HttpxTransport(auth.ssl_context),
        settings=RestSettings(pacing=PacingSettings(per_second=10_000)),
    )


def _private(pem: bytes) -> RSAPrivateKey:
    key = load_pem_private_key(pem, None)
    assert isinstance(key, RSAPrivateKey)
    return key


async def _step(
    sim: Simulator,
    keys: SimulatorKeys,
    root: str,
    step: str,
    prepend: str = "",
    *,
    consumer: str = THIRD_PARTY_KEY,
    **extra: str,
) -> httpx.Response:
    """Send one signed step."""
    url = f"{sim.origin}{root}/oauth/{step}"
    params = {
        "oauth_consumer_key": consumer,
        "oauth_nonce": secrets.token_hex(8),
        "oauth_signature_method": "RSA-SHA256",
        "oauth_timestamp": str(int(sim.now())),
        **extra,
    }
    text = base_string("POST", url, params.items(), prepend)
    signature = _private(keys.signature_pem).sign(text.encode(), PKCS1v15(), SHA256())
    named = {**params, "oauth_signature": base64.b64encode(signature).decode()}
    header = "OAuth " + ", ".join(f'{k}="{percent_encode(v)}"' for k, v in named.items())
    async with httpx.AsyncClient(verify=trust(sim), trust_env=False) as http:
        return await http.post(url, headers={"Authorization": header}, content=b"")


async def _granted(sim: Simulator, keys: SimulatorKeys, root: str) -> dict[str, Any]:
    """Walk the three legs."""
    asked = await _step(sim, keys, root, "request_token", oauth_callback="oob")
    token = asked.json()["oauth_token"]
    reply = await _step(
        sim, keys, root, "access_token", oauth_token=token, oauth_verifier=sim.approve(token)
    )
    found: dict[str, Any] = reply.json()
    return found


@pytest.mark.parametrize("root", ROOTS)
async def test_flow_is_served_under_both_roots(
    sim: Simulator, keys: SimulatorKeys, root: str
) -> None:
    """Shapes as documented: twenty hexadecimal digits, 344 characters, 32 bytes inside."""
    asked = await _step(sim, keys, root, "request_token", oauth_callback="oob")
    granted = await _granted(sim, keys, root)
    secret = _private(keys.encryption_pem).decrypt(
        base64.b64decode(granted["oauth_token_secret"]), PKCS1v15()
    )
    live = await _step(
        sim,
        keys,
        root,
        "live_session_token",
        secret.hex(),
        oauth_token=granted["oauth_token"],
        diffie_hellman_challenge=f"{pow(2, secrets.randbits(256), PRIME):x}",
    )

    assert list(asked.json()) == ["oauth_token"]
    assert len(asked.json()["oauth_token"]) == len(granted["oauth_token"]) == 20
    assert list(granted) == ["is_paper", "oauth_token", "oauth_token_secret"]
    assert granted["is_paper"] is True
    assert (len(granted["oauth_token_secret"]), len(secret)) == (344, 32)
    assert live.status_code == 200
    # The older API does not say when the token lapses.
    assert ("live_session_token_expiration" in live.json()) == (root == "/v1/api")
    assert {record.path for record in sim.requests} >= {
        "/oauth/request_token",
        "/oauth/access_token",
        "/oauth/live_session_token",
    }


async def test_flow_is_served_nowhere_else(sim: Simulator, keys: SimulatorKeys) -> None:
    """A mistyped root is not found, however well the request is signed."""
    reply = await _step(sim, keys, "/v2/api", "request_token", oauth_callback="oob")

    assert reply.status_code == 404


async def test_unapproved_used_and_foreign_tokens_are_refused(
    sim: Simulator, keys: SimulatorKeys
) -> None:
    """Only an approved token with its own verifier is exchanged, and only once."""
    asked = [
        (await _step(sim, keys, "/v1/api", "request_token", oauth_callback="oob")).json()[
            "oauth_token"
        ]
        for _ in range(2)
    ]
    verifier = sim.approve(asked[0])

    async def exchange(token: str, given: str) -> int:
        reply = await _step(
            sim, keys, "/v1/api", "access_token", oauth_token=token, oauth_verifier=given
        )
        return reply.status_code

    assert await exchange(asked[1], verifier) == 401
    assert await exchange(asked[0], verifier) == 200
    assert await exchange(asked[0], verifier) == 401
    with pytest.raises(KeyError):
        sim.approve(asked[0])


async def test_wrong_verifier_uses_the_token_up(sim: Simulator, keys: SimulatorKeys) -> None:
    """There is one attempt, so a verifier cannot be guessed."""
    asked = await _step(sim, keys, "/v1/api", "request_token", oauth_callback="oob")
    token = asked.json()["oauth_token"]
    verifier = sim.approve(token)

    replies = [
        await _step(sim, keys, "/v1/api", "access_token", oauth_token=token, oauth_verifier=given)
        for given in ("0" * 20, verifier)
    ]

    assert [reply.status_code for reply in replies] == [401, 401]
    assert replies[0].json()["error"].endswith("error: invalid verifier")


async def test_first_party_consumer_cannot_use_the_flow(
    sim: Simulator, keys: SimulatorKeys
) -> None:
    """Its token comes from the portal; IBKR calls the attempt an error."""
    reply = await _step(
        sim, keys, "/v1/api", "request_token", consumer="SIMULATOR", oauth_callback="oob"
    )

    assert reply.status_code == 401
    assert reply.json()["error"].endswith("invalid consumer")


async def test_simulators_with_the_same_keys_share_no_tokens(keys: SimulatorKeys) -> None:
    """What was granted at one simulator means nothing to another."""
    async with Simulator(keys=keys) as one, Simulator(keys=keys) as two:
        async with one.flow() as flow:
            token = await flow.request_token()
            with pytest.raises(KeyError):
                two.approve(token.reveal())
            await flow.access_token(one.approve(token.reveal()))
            granted = flow.granted.access_token.reveal()

        assert granted in simulator_parts(one).flow.access_tokens
        assert granted not in simulator_parts(two).flow.access_tokens
    assert list(keys.consumer.access_tokens) == [keys.access_token]


async def test_forty_401s_cause_one_exchange(sim: Simulator) -> None:
    """Forty reads meet an expired live session token: it is agreed anew once, and all succeed."""
    auth = sim.auth()
    pipeline = _unpaced(auth)
    await pipeline.send(READ)
    sim.expire_token()

    await asyncio.gather(*(pipeline.send(READ) for _ in range(40)))

    await pipeline.aclose()
    exchanges = [record for record in sim.requests if record.path == "/oauth/live_session_token"]
    refused = [record for record in sim.requests if record.status == 401]
    assert len(exchanges) == 2
    assert len(refused) >= 1


class TimeOf(RealClock):
    """A wall clock that is moved with a simulator's."""

    def __init__(self, sim: Simulator) -> None:
        self._sim = sim

    def wall(self) -> float:
        return self._sim.now()


async def test_token_is_renewed_ahead_of_its_expiry(sim: Simulator) -> None:
    """Nine minutes before the end the next read logs in first; nothing is refused."""
    auth = OAuth1a.from_files(sim.credentials_directory, world=World(clock=TimeOf(sim)))
    pipeline = _unpaced(auth)
    await pipeline.send(READ)
    sim.shift_clock(86_400 - 540)

    await pipeline.send(READ)

    await pipeline.aclose()
    exchanges = [record for record in sim.requests if record.path == "/oauth/live_session_token"]
    assert [record.status for record in sim.requests if record.status != 200] == []
    assert len(exchanges) == 2


def test_parameters_join_a_query_that_is_there() -> None:
    """A registered callback may have a query of its own."""
    assert with_parameters("http://localhost/", a="b c") == "http://localhost/?a=b+c"
    assert with_parameters("http://localhost/?x=1", a="b") == "http://localhost/?x=1&a=b"
