from __future__ import annotations

import base64
import hmac
import json
import logging
import re
import secrets
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ibkr_async.auth import Auth, OAuth1a
from ibkr_async.auth.oauth1a.login import OAuth1aOptions, draw_exponent, new_nonce
from ibkr_async.errors import (
    AuthError,
    ConfigError,
    ConnectFailedError,
    IbkrError,
    LiveSessionTokenError,
    RateLimitedError,
    ServerError,
    UsageError,
    is_retryable,
)
from ibkr_async.oauth.dh import DhParams
from ibkr_async.oauth.session_token import SecretLengthWarning
from ibkr_async.ports import USER_AGENT, HttpReply, HttpRequest
from ibkr_async.world import RealRandom
from support.fake_time import FakeRandom, FakeTime, fake_world
from support.inside import live_token_of

NOW = 1_700_000_000.0
DAY_MS = 86_400_000
SESSION = "aeccc9d7515398c50fa894d967d099b1"


class Server:
    """The other end of the handshake, in its own words: it verifies, agrees and proves."""

    def __init__(self, vectors: dict[str, Any]) -> None:
        self.now = NOW
        self.verifies = True
        """False lets wrong signatures pass, so that later checks are met."""
        self.prime = int(vectors["dh"]["prime_hex"], 16)
        self.vector = vectors["live_session_token"][0]
        self.b = int(self.vector["server_b_hex"], 16)
        self.secret = bytes.fromhex(vectors["access_token_secret"]["decrypted_hex"])
        key = load_pem_public_key(vectors["keys"]["signature_public_pem"].encode())
        assert isinstance(key, RSAPublicKey)
        self.signature_key = key
        self.requests: list[HttpRequest] = []
        self.params: list[dict[str, str]] = []
        self.script: list[Callable[[], HttpReply]] = []
        """Answers to give before the right one; the last of them may be followed by it."""
        self.changes: dict[str, Any] = {}
        """Fields of the right answer to replace."""

    async def send(self, request: HttpRequest) -> HttpReply:
        """Answer one request."""
        self.requests.append(request)
        pieces = request.headers["Authorization"].removeprefix("OAuth ").split(", ")
        named = dict(piece.replace('"', "").split("=", 1) for piece in pieces)
        self.params.append(named)
        if self.script:
            return self.script.pop(0)()
        if self.verifies:
            self._verify(request, dict(named))
        a = int(named["diffie_hellman_challenge"], 16)
        shared = pow(a, self.b, self.prime)
        token = hmac.digest(
            shared.to_bytes(shared.bit_length() // 8 + 1, "big"), self.secret, "sha1"
        )
        fields = {
            "diffie_hellman_response": f"{pow(2, self.b, self.prime):x}",
            "live_session_token_signature": hmac.digest(token, b"TESTKEY01", "sha1").hex(),
            "live_session_token_expiration": int(self.now * 1000) + DAY_MS,
        }
        return self.reply(200, json.dumps({**fields, **self.changes}))

    def _verify(self, request: HttpRequest, named: dict[str, str]) -> None:
        del named["realm"]
        signature = base64.b64decode(unquote(named.pop("oauth_signature")))
        listed = "&".join(f"{name}={named[name]}" for name in sorted(named))
        base = f"{self.secret.hex()}POST&{quote(request.url, safe='')}&{quote(listed, safe='')}"
        self.signature_key.verify(signature, base.encode(), padding.PKCS1v15(), hashes.SHA256())

    def reply(self, status: int, body: str, **headers: str) -> HttpReply:
        """An answer that carries the server's own time."""
        date = format_datetime(datetime.fromtimestamp(self.now, UTC), usegmt=True)
        return HttpReply(status=status, headers={"date": date, **headers}, content=body.encode())

    def refuse(
        self, status: int, body: str, times: int = 1, headers: dict[str, str] | None = None
    ) -> None:
        """Give this answer the next times."""
        self.script += [lambda: self.reply(status, body, **(headers or {}))] * times


@pytest.fixture
def server(vectors: dict[str, Any]) -> Server:
    """A server that knows the test credentials."""
    return Server(vectors)


Make = Callable[..., OAuth1a]


@pytest.fixture
def make(vectors: dict[str, Any]) -> Make:
    """Build an `OAuth1a` with the test credentials and fixed numbers; arguments replace them."""
    exponent_of_the_vectors = int(vectors["live_session_token"][0]["client_a_hex"], 16)

    def build(
        *,
        clock: FakeTime | None = None,
        nonce: Callable[[], str] = lambda: "0123456789abcdef0123456789abcdef",
        exponent: Callable[[], int] = lambda: exponent_of_the_vectors,
        **changes: Any,
    ) -> OAuth1a:
        random = FakeRandom(text=nonce, bits=exponent)
        arguments: dict[str, Any] = {
            "consumer_key": "TESTKEY01",
            "access_token": "a1b2c3d4e5f6a7b8c9d0",
            "access_token_secret": vectors["access_token_secret"]["encrypted_base64"],
            "signature_key": vectors["keys"]["signature_private_pkcs8_pem"].encode(),
            "encryption_key": vectors["keys"]["encryption_private_pkcs8_pem"].encode(),
            "dh": DhParams(int(vectors["dh"]["prime_hex"], 16), 2),
            "world": fake_world(clock or FakeTime(NOW), random),
        }
        return OAuth1a(**{**arguments, **changes})

    return build


# --- construction --------------------------------------------------------------------------------


def test_oauth1a_is_an_auth(make: Make) -> None:
    """The type checker reads this assignment."""
    auth: Auth = make()

    assert auth.base_url == "https://api.ibkr.com/v1/api"
    assert auth.needs_login
    assert auth.expires_at is None
    assert auth.opens_brokerage_session
    auth.absorb(HttpReply(status=200, headers={"set-cookie": "api=1"}, content=b""))


def test_credentials_come_from_all_three_places(key_directory: Path) -> None:
    """Directory, environment and TOML end in the same object."""
    signature = key_directory / "private_signature.pem"
    facts = json.loads((key_directory / "credentials.json").read_text())
    del facts["account_id"]
    facts["signature_key_file"] = str(signature)
    facts["encryption_key_file"] = str(key_directory / "private_encryption.pem")
    toml = key_directory / "bot.toml"
    toml.write_text("[ibkr]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in facts.items()))
    toml.chmod(0o600)
    environ = {f"IBKR_{name.upper()}": value for name, value in facts.items()}
    options: OAuth1aOptions = {"world": fake_world(FakeTime(NOW)), "renew_margin_s": 60.0}

    for auth in (
        OAuth1a.from_files(key_directory, **options),
        OAuth1a.from_env(environ, **options),
        OAuth1a.from_toml(toml, **options),
    ):
        assert auth.base_url == "https://localhost:8443/v1/api"
        auth.prepare()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"consumer_key": "", "access_token": " "}, "missing: consumer_key, access_token;"),
        ({"access_token_secret": ""}, "missing: access_token_secret"),
        ({"consumer_key": "testkey01"}, "lower-case letters.* upper case"),
        ({"consumer_key": "TEST KEY1"}, "consumer_key has blanks"),
        ({"consumer_key": "TÉSTKEY01"}, "consumer_key has"),
        ({"access_token": "a1\n"}, "access_token has blanks"),
        ({"base_url": "https://example.org/v1/api"}, "allow_host='example.org'"),
        ({"ws_url": "wss://example.org/ws"}, "allow_host='example.org'"),
        ({"signature_key": "/nowhere/key.pem"}, r"cannot find .*/nowhere/key\.pem"),
        ({"ca": "/nowhere/ca.pem"}, r"cannot find .*/nowhere/ca\.pem"),
    ],
)
def test_mistakes_are_seen_at_construction(
    make: Make, changes: dict[str, Any], message: str
) -> None:
    """Whatever needs no key to be opened is said at once."""
    with pytest.raises(ConfigError, match=message):
        make(**changes)


def test_unusual_but_possible_keys_are_accepted(make: Make) -> None:
    """The demo consumer has eight letters; digits occur."""
    for key in ("TESTCONS", "ABCDEFGH1"):
        assert make(consumer_key=key).needs_login


def test_random_numbers_are_large_and_differ() -> None:
    """128 bits of nonce, 256 bits of exponent, never the same."""
    nonces = {new_nonce(RealRandom()) for _ in range(10_000)}

    assert len(nonces) == 10_000
    assert all(len(nonce) == 32 and nonce.isalnum() for nonce in nonces)
    assert {draw_exponent(RealRandom()).bit_length() for _ in range(200)} == {256}


def test_keys_are_read_once(make: Make, key_directory: Path) -> None:
    """After the first time the files are not needed."""
    auth = make(signature_key=key_directory / "private_signature.pem")
    auth.prepare()
    (key_directory / "private_signature.pem").unlink()

    auth.prepare()


def test_tls_context_is_pinned_or_the_systems(make: Make) -> None:
    """Without `ca` the system decides; with a broken one the error names it."""
    auth = make()

    assert auth.ssl_context() is auth.ssl_context()
    with pytest.raises(ConfigError, match="not a PEM certificate"):
        make(ca=b"hello").ssl_context()


# --- the handshake -------------------------------------------------------------------------------


async def test_login_agrees_the_token_of_the_vectors(
    make: Make, server: Server, vectors: dict[str, Any]
) -> None:
    """With the vectors' numbers the exchange gives the vectors' token, and it signs the next call."""
    auth = make()

    await auth.login(server.send)

    assert not auth.needs_login
    assert auth.expires_at == NOW + 86_400
    assert server.params[0]["diffie_hellman_challenge"] == server.vector["diffie_hellman_challenge"]
    token = base64.b64decode(server.vector["live_session_token"])
    assert live_token_of(auth) == base64.b64encode(token).decode()
    expected = next(v for v in vectors["rsa_requests"] if v["name"] == "live_session_token")
    assert server.requests[0].headers.keys() >= {"Authorization", "User-Agent", "Content-Length"}
    assert server.params[0].keys() - {"realm", "oauth_signature"} == expected["oauth_params"].keys()


async def test_login_request_is_exactly_as_documented(
    make: Make, server: Server, vectors: dict[str, Any]
) -> None:
    """The whole header equals the vector when its nonce is used."""
    expected = next(v for v in vectors["rsa_requests"] if v["name"] == "live_session_token")
    exponent = next(
        int(v["a_hex"], 16)
        for v in vectors["dh_challenge"]
        if v["challenge_hex"] == expected["oauth_params"]["diffie_hellman_challenge"]
    )
    auth = make(nonce=lambda: expected["oauth_params"]["oauth_nonce"], exponent=lambda: exponent)

    await auth.login(server.send)

    request = server.requests[0]
    assert (request.method, request.url, request.content) == ("POST", expected["url"], b"")
    assert request.label == "POST /oauth/live_session_token"
    assert request.headers == {
        "Authorization": expected["authorization_header"],
        "Accept": "application/json",
        "User-Agent": USER_AGENT,
        "Content-Length": "0",
    }


async def test_every_k_length_of_the_vectors_agrees(
    make: Make, server: Server, vectors: dict[str, Any]
) -> None:
    """Seven exchanges, with K from 254 to 257 bytes."""
    for vector in vectors["live_session_token"]:
        server.b = int(vector["server_b_hex"], 16)
        auth = make(exponent=lambda vector=vector: int(vector["client_a_hex"], 16))

        await auth.login(server.send)

        assert live_token_of(auth) == vector["live_session_token"]


async def test_empty_response_is_answered_with_new_numbers(make: Make, server: Server) -> None:
    """IBKR sometimes sends no Diffie-Hellman value; the second attempt differs in all numbers."""
    counter = iter(range(1, 9))
    auth = make(nonce=lambda: f"n{next(counter)}", exponent=lambda: secrets.randbits(255))
    server.refuse(200, '{"diffie_hellman_response": ""}')

    await auth.login(server.send)

    first, second = server.params
    assert first["oauth_nonce"] != second["oauth_nonce"]
    assert first["diffie_hellman_challenge"] != second["diffie_hellman_challenge"]


async def test_empty_response_twice_is_an_error(make: Make, server: Server) -> None:
    """One repetition, not a loop."""
    server.refuse(200, "{}", times=2)

    with pytest.raises(LiveSessionTokenError, match="empty Diffie-Hellman response twice"):
        await make().login(server.send)
    assert len(server.requests) == 2


@pytest.mark.parametrize("response", ["0", "1", "p-1", "p", "-5", "no hex"])
async def test_response_out_of_range_is_refused(make: Make, server: Server, response: str) -> None:
    """A value that would give the secret away is not used."""
    values = {"p-1": f"{server.prime - 1:x}", "p": f"{server.prime:x}"}
    server.changes = {"diffie_hellman_response": values.get(response, response)}
    auth = make()

    with pytest.raises(LiveSessionTokenError, match="Diffie-Hellman response is"):
        await auth.login(server.send)
    assert auth.needs_login


@pytest.mark.parametrize("proof", ["00" * 20, "", None, "é"])
async def test_wrong_proof_wipes_the_token(make: Make, server: Server, proof: str | None) -> None:
    """A server that cannot prove the token leaves us with none, and the error names the causes."""
    auth = make()
    await auth.login(server.send)
    server.changes = {"live_session_token_signature": proof}

    with pytest.raises(LiveSessionTokenError) as caught:
        await auth.login(server.send)

    assert auth.needs_login
    assert caught.value.step == "live session token"
    for cause in ("dhparam.pem", "encryption key", "another access token"):
        assert cause in caught.value.hint


async def test_wrong_dh_parameters_show_as_a_wrong_proof(make: Make, server: Server) -> None:
    """Another prime of the right size is only noticed at the end."""
    auth = make(dh=DhParams(server.prime + 2, 2))

    with pytest.raises(LiveSessionTokenError, match=r"proof does not fit.*dhparam"):
        await auth.login(server.send)


async def test_wrong_encryption_key_is_suspected_by_the_length(
    make: Make, server: Server, vectors: dict[str, Any]
) -> None:
    """The warning comes when the keys are read, and the refusal repeats it."""
    swapped = make(encryption_key=vectors["keys"]["signature_private_pkcs1_pem"].encode())
    server.verifies = False

    with (
        pytest.warns(SecretLengthWarning),
        pytest.raises(LiveSessionTokenError, match="bytes instead of 32"),
    ):
        await swapped.login(server.send)


async def test_unusable_key_file_is_a_config_error(make: Make, server: Server) -> None:
    """Nothing is sent with a key that cannot be read."""
    with pytest.raises(ConfigError, match="signature key is damaged"):
        await make(signature_key=b"-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----").login(
            server.send
        )
    assert not server.requests


async def test_failure_to_send_passes_through(make: Make) -> None:
    """The transport's errors are not dressed up, and the old token stays."""

    async def fail(request: HttpRequest) -> HttpReply:
        raise ConnectFailedError(request.label, "refused", may_have_reached_server=False)

    with pytest.raises(ConnectFailedError):
        await make().login(fail)


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "detail", "hint"),
    [
        (
            401,
            '{"error":"id: 4711, error: invalid consumer","statusCode":401}',
            "401 id: 4711, error: invalid consumer",
            "not active.*weekend restart.*limited_poa",
        ),
        (
            401,
            '{"error":"id: 9, error: LST failed, error: No access secret key found for TESTKEY01"}',
            r"found for \*\*\*",
            "generate a new token and secret",
        ),
        (401, '{"error":"id: 9, error: LST failed, error: "}', "LST failed", "generate a new"),
        (401, '{"error":"id: 1, error: a1b2c3d4e5f6a7b8c9d0?"}', r"error: \*\*\*\?", "swapped"),
        (401, "", "401 an empty answer", "signature key"),
        (403, "Access Denied", "403 Access Denied", "edge"),
        (404, "<html><body>x</body></html>", "404 an HTML page", "base_url"),
        (410, "gone", "410 gone", r"1\.api\.ibkr\.com"),
        (302, "", "302", "base_url"),
        (400, '{"error":5}', "400", "credentials and base_url"),
        (200, '{"error":"id: 3, error: LST failed"}', "200 id: 3", "generate a new"),
        (200, "<html>login</html>", "an HTML page", "proxy"),
        (200, "[1, 2]", "cannot be read", "proxy"),
        (200, "", "an empty answer", "proxy"),
    ],
)
async def test_refusal_says_what_cures_it(
    make: Make, server: Server, *, status: int, body: str, detail: str, hint: str
) -> None:
    """Status and words decide the hint; the trace id does not; our own tokens are taken out."""
    server.refuse(status, body)

    with pytest.raises(LiveSessionTokenError, match=detail) as caught:
        await make().login(server.send)

    assert isinstance(caught.value, AuthError)
    assert re.search(hint, caught.value.hint), caught.value.hint
    assert "clock" not in caught.value.hint
    assert not is_retryable(caught.value)
    assert len(server.requests) == 1


async def test_length_of_an_unusual_consumer_key_is_mentioned(make: Make, server: Server) -> None:
    """A key that was copied incompletely is told by its length."""
    server.refuse(401, '{"error":"id: 1, error: invalid consumer"}')

    with pytest.raises(LiveSessionTokenError, match="this one has 8 characters"):
        await make(consumer_key="TESTKEY0").login(server.send)


@pytest.mark.parametrize(
    ("status", "headers", "kind", "retry_after_s"),
    [
        (500, {}, ServerError, None),
        (503, {"retry-after": "9"}, ServerError, None),
        (429, {"retry-after": "9"}, RateLimitedError, 9.0),
        (429, {"retry-after": "Fri, 31 Dec 2027 23:59:59 GMT"}, RateLimitedError, None),
        (429, {}, RateLimitedError, None),
    ],
)
async def test_weather_can_be_told_from_a_refusal(
    make: Make,
    server: Server,
    *,
    status: int,
    headers: dict[str, str],
    kind: type[IbkrError],
    retry_after_s: float | None,
) -> None:
    """The nightly reset is not a reason to give up: the error says that it can be tried again."""
    auth = make()
    await auth.login(server.send)
    server.refuse(status, "<html>maintenance</html>", headers=headers)

    with pytest.raises(kind) as caught:
        await auth.login(server.send)

    assert is_retryable(caught.value)
    assert getattr(caught.value, "retry_after_s", None) == retry_after_s
    assert not auth.needs_login


@pytest.mark.parametrize("ahead_s", [600.0, -600.0])
async def test_clock_that_is_off_is_corrected_and_tried_again(
    make: Make, server: Server, ahead_s: float
) -> None:
    """A refusal whose Date shows our clock to be minutes off is answered with the right time."""
    auth = make(clock=FakeTime(NOW + ahead_s))
    server.refuse(401, '{"error":"id: 1, error: invalid timestamp"}')

    await auth.login(server.send)

    assert [int(p["oauth_timestamp"]) for p in server.params] == [NOW + ahead_s, NOW]
    assert auth.clock_ahead_s == ahead_s
    assert not auth.needs_login
    assert (
        'oauth_timestamp="1700000000"' in auth.sign("GET", auth.base_url, (), ())["Authorization"]
    )


@pytest.mark.parametrize(("ahead_s", "way"), [(600.0, "600 s ahead of"), (-45.0, "45 s behind")])
async def test_clock_that_is_off_is_named_in_the_refusal(
    make: Make, server: Server, ahead_s: float, way: str
) -> None:
    """When the corrected time does not help either, the error still mentions the clock."""
    server.refuse(401, '{"error":"id: 1, error: invalid consumer"}', times=2)

    with pytest.raises(LiveSessionTokenError, match=f"clock is {way} the server's"):
        await make(clock=FakeTime(NOW + ahead_s)).login(server.send)
    assert len(server.requests) == 2


# --- using the login -----------------------------------------------------------------------------


async def test_token_is_renewed_before_it_expires(make: Make, server: Server) -> None:
    """Ten minutes before, and a renewal sets the next date."""
    watch = FakeTime(NOW)
    auth = make(clock=watch)
    await auth.login(server.send)

    watch.at = NOW + 86_400 - 601
    assert not auth.needs_login
    watch.at += 1
    assert auth.needs_login
    server.now = watch.at
    await auth.login(server.send)

    assert not auth.needs_login
    assert auth.expires_at == watch.at + 86_400


async def test_short_lived_token_is_not_renewed_all_the_time(make: Make, server: Server) -> None:
    """A token with less life than the margin is used for half of it."""
    watch = FakeTime(NOW)
    auth = make(clock=watch)
    server.changes = {"live_session_token_expiration": (NOW + 10) * 1000}

    await auth.login(server.send)

    assert not auth.needs_login
    watch.at += 5
    assert auth.needs_login


@pytest.mark.parametrize("expiration", [None, 0, "", (NOW - 1) * 1000])
async def test_expiration_that_is_past_or_missing_means_a_day(
    make: Make, server: Server, expiration: object
) -> None:
    """IBKR's text calls the field the time of computation: a token dead on arrival is read so."""
    auth = make()
    server.changes = {"live_session_token_expiration": expiration}

    await auth.login(server.send)

    assert auth.expires_at == NOW + 86_400
    assert not auth.needs_login


async def test_forgotten_token_must_be_renewed(make: Make, server: Server) -> None:
    """After a 401 the client asks for a new login."""
    auth = make()
    await auth.login(server.send)

    auth.forget()

    assert auth.needs_login
    with pytest.raises(UsageError, match="login"):
        auth.sign("GET", auth.base_url, (), ())


async def test_requests_are_signed_as_in_the_vectors(
    make: Make, server: Server, vectors: dict[str, Any]
) -> None:
    """The header of every protected request equals the vector, from the built object."""
    nonces = ["0" * 32]
    auth = make(nonce=lambda: nonces[-1])
    await auth.login(server.send)
    checked = 0
    for vector in vectors["protected_requests"]:
        if vector["live_session_token"] != live_token_of(auth):
            continue
        nonces.append(vector["oauth_params"]["oauth_nonce"])
        pairs = [tuple(tuple(pair) for pair in vector[part]) for part in ("query", "form")]

        header = auth.sign(vector["method"], vector["url"], *pairs)

        assert header == {"Authorization": vector["authorization_header"]}
        checked += 1
    assert checked == len(vectors["protected_requests"])


async def test_parameters_can_be_left_out_of_the_signature(
    make: Make, server: Server, vectors: dict[str, Any]
) -> None:
    """The emergency switch signs method, URL and header parameters only."""
    vector = next(v for v in vectors["protected_requests"] if v["name"] == "get_no_params")
    auth = make(sign_parameters=False, nonce=lambda: vector["oauth_params"]["oauth_nonce"])
    await auth.login(server.send)

    header = auth.sign("GET", vector["url"], (("conids", "265598"),), ())

    assert header == {"Authorization": vector["authorization_header"]}


async def test_each_signature_has_its_own_nonce_and_a_current_time(
    make: Make, server: Server
) -> None:
    """A repeated request is signed anew; a clock that is set back does not take the time back."""
    watch = FakeTime(NOW)
    auth = make(clock=watch, nonce=lambda: secrets.token_hex(16))
    await auth.login(server.send)
    url = auth.base_url + "/tickle"

    first = auth.sign("POST", url, (), ())["Authorization"]
    watch.at -= 30
    second = auth.sign("POST", url, (), ())["Authorization"]

    assert first != second
    assert 'oauth_timestamp="1700000000"' in first
    assert 'oauth_timestamp="1700000000"' in second


def test_socket_is_described_as_in_the_vectors(make: Make, vectors: dict[str, Any]) -> None:
    """Access token in the query, session in the cookie; the repr shows neither."""
    expected = vectors["websocket"]

    target = make().socket(SESSION)

    assert target.url == expected["url"]
    assert target.headers == {"Cookie": expected["headers"]["Cookie"], "User-Agent": USER_AGENT}
    assert target.session == SESSION
    assert repr(target) == "SocketTarget('wss://api.ibkr.com/v1/api/ws')"


def test_socket_address_can_be_given(make: Make) -> None:
    """The simulator says where its socket is."""
    auth = make(base_url="https://localhost:1/v1/api", ws_url="wss://localhost:2/ws/")

    assert auth.socket(SESSION).url.startswith("wss://localhost:2/ws?oauth_token=")


async def test_no_secret_shows_anywhere(
    make: Make, server: Server, vectors: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Reprs, errors, tracebacks with locals of our login code, and logs are free of secrets."""
    caplog.set_level(logging.DEBUG)
    auth = make()
    await auth.login(server.send)
    token = base64.b64decode(live_token_of(auth) or "")
    assert token
    shown = [repr(auth), repr(vars(auth)), str(vars(auth))]
    server.changes = {"live_session_token_signature": "00"}
    try:
        await auth.login(server.send)
    except LiveSessionTokenError as error:
        frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
        shown += [str(frame.locals) for frame in frames if "/auth/" in frame.filename][1:]
        shown += [str(error), repr(error)]
    shown.append(caplog.text)

    canaries = {
        "a1b2c3d4e5f6a7b8c9d0",
        vectors["access_token_secret"]["encrypted_base64"][:40],
        vectors["access_token_secret"]["decrypted_hex"],
        str(bytes.fromhex(vectors["access_token_secret"]["decrypted_hex"]))[2:-1],
        server.vector["client_a_hex"],
        str(int(server.vector["client_a_hex"], 16)),
        server.vector["k_hex"][:40],
        token.hex(),
        base64.b64encode(token).decode(),
        str(token)[2:-1],
        "PRIVATE KEY",
    }
    for text in shown:
        for canary in canaries:
            assert canary not in text
