"""The simulator's own reading of OAuth 2.0, judged by the reference vectors."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ibkr_async.simulator import Simulator
from ibkr_async.simulator.login.oauth2 import (
    SSO_PATH,
    TOKEN_PATH,
    BearerDesk,
    Problem,
    RegisteredClient,
    is_bearer,
    read_jws,
)
from ibkr_async.simulator.login.verifier import Refusal
from support.simulator_peer import trust

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "samples" / "oauth_vectors.json").read_text(encoding="utf-8")
)
TOKEN, SSO = VECTORS["oauth2"]["token"], VECTORS["oauth2"]["sso_sessions"]
NOW = 1_700_000_000.0
IP = "203.0.113.7"
FORM = "application/x-www-form-urlencoded"


def _key() -> rsa.RSAPrivateKey:
    key = load_pem_private_key(VECTORS["keys"]["signature_private_pkcs8_pem"].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


KEY = _key()
CLIENT = RegisteredClient(
    client_id="demo-client", key_id="main", key=KEY.public_key(), credential="demouser1"
)


def jws(claims: Any, header: Any = None, key: rsa.RSAPrivateKey = KEY) -> str:
    """Sign claims, right or wrong."""

    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    head = {"alg": "RS256", "typ": "JWT", "kid": "main"} if header is None else header
    signed = f"{part(json.dumps(head).encode())}.{part(json.dumps(claims).encode())}"
    return f"{signed}.{part(key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


@pytest.fixture
def desk() -> BearerDesk:
    """Return a desk whose tokens can be foretold."""
    numbers = iter(f"token{number}" for number in range(100))
    return BearerDesk(CLIENT, new_token=lambda: next(numbers), begin_login=str)


def ask(desk: BearerDesk, assertion: str, *, now: float = NOW, **changes: str) -> Any:
    """Ask for an access token with the form of the vectors."""
    form = {**TOKEN["form"], "client_assertion": assertion, **changes}
    return desk.token(FORM, urlencode(form).encode(), now).body


def open_session(desk: BearerDesk, body: str, **changes: Any) -> Any:
    """Ask for a session with a fresh access token."""
    token = ask(desk, TOKEN["client_assertion"])["access_token"]
    given: dict[str, Any] = {"caller_ip": IP, "now": NOW, "authorization": f"Bearer {token}"}
    given |= changes
    authorization = given.pop("authorization")
    return desk.sso_session(authorization, "application/jwt", body.encode(), **given).body


def test_assertions_of_the_vectors_verify(desk: BearerDesk) -> None:
    """Both texts of the reference, at their own time, lead to a session."""
    session = open_session(desk, SSO["body"])

    assert read_jws(TOKEN["client_assertion"], CLIENT) == TOKEN["claims"]
    assert read_jws(SSO["body"], CLIENT) == SSO["claims"]
    assert (session["active"], session["token_type"]) == (True, "Bearer")
    bearer = f"Bearer {session['access_token']}"
    assert desk.identity_of(bearer, NOW) == "oauth2:demo-client"
    with pytest.raises(Refusal):
        desk.identity_of(bearer, NOW + 86_400)
    desk.expire()
    with pytest.raises(Refusal):
        desk.identity_of(bearer, NOW)


def test_access_token_answer_has_the_documented_shape(desk: BearerDesk) -> None:
    """As in the example of IBKR's pages."""
    assert ask(desk, TOKEN["client_assertion"]) == {
        "access_token": "token0",
        "token_type": "Bearer",
        "scope": "sso-sessions.write",
        "expires_in": 86_399,
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"iss": "other"}, "iss and sub"),
        ({"sub": "other"}, "iss and sub"),
        ({"aud": TOKEN["url"]}, "aud"),
        ({"exp": 1_699_999_999}, "not valid at this time"),
        ({"iat": 1_700_000_100, "exp": 1_700_000_130}, "not valid at this time"),
        ({"exp": 1_700_086_400}, "within 900 seconds"),
        ({"exp": "soon"}, "whole seconds"),
        ({"iat": True}, "whole seconds"),
        ({"exp": 1_699_999_990}, "within"),
    ],
)
def test_wrong_claims_are_refused(desk: BearerDesk, change: dict[str, Any], words: str) -> None:
    """Issuer, audience and both times are checked."""
    with pytest.raises(Problem) as caught:
        ask(desk, jws({**TOKEN["claims"], **change}))

    assert words in caught.value.detail


@pytest.mark.parametrize(
    "name", ["grant_type", "scope", "client_assertion_type", "client_assertion"]
)
def test_form_must_be_complete(desk: BearerDesk, name: str) -> None:
    """Each field of the form is needed."""
    with pytest.raises(Problem):
        ask(desk, TOKEN["client_assertion"], **{name: ""})


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"alg": "none", "typ": "JWT", "kid": "main"}, "RS256"),
        ({"alg": "HS256", "typ": "JWT", "kid": "main"}, "RS256"),
        ({"alg": "RS256", "kid": "main"}, "RS256"),
        ({"alg": "RS256", "typ": "JWT", "kid": "other"}, "not registered"),
        ([], "JSON object"),
    ],
)
def test_wrong_headers_are_refused(header: Any, words: str) -> None:
    """Above all, a statement that claims to need no signature."""
    with pytest.raises(Problem) as caught:
        read_jws(jws(TOKEN["claims"], header), CLIENT)

    assert words in caught.value.detail


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "a.b.c.d", "!.!.!", "a" * 5 + ".b.c"])
def test_damaged_text_is_refused(text: str) -> None:
    """Anything but three parts of base64url with JSON in them."""
    with pytest.raises(Problem):
        read_jws(text, CLIENT)


def test_signature_of_another_or_a_short_key_is_refused() -> None:
    """Keys below 2048 bits are not accepted even when they are registered."""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - the point of the test
    with pytest.raises(Problem, match="signature"):
        read_jws(jws(TOKEN["claims"], key=other), CLIENT)
    weak = RegisteredClient(
        client_id="demo-client", key_id="main", key=short.public_key(), credential="demouser1"
    )
    with pytest.raises(Problem, match="not registered"):
        read_jws(jws(TOKEN["claims"], key=short), weak)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"iss": "other"}, "iss"),
        ({"credential": "other"}, "credential"),
        ({"ip": "203.0.113.8"}, "address of the caller"),
        ({"exp": 1_700_086_401}, "within 86400"),
    ],
)
def test_wrong_session_statements_are_refused(
    desk: BearerDesk, change: dict[str, Any], words: str
) -> None:
    """Client, user, address and time."""
    with pytest.raises(Problem) as caught:
        open_session(desk, jws({**SSO["claims"], **change}))

    assert words in caught.value.detail


@pytest.mark.parametrize("authorization", ["", "Bearer nobody", "Basic token0"])
def test_session_needs_an_access_token(desk: BearerDesk, authorization: str) -> None:
    """Another scheme, an unknown token, none at all, or one that has lapsed."""
    with pytest.raises(Problem) as caught:
        open_session(desk, SSO["body"], authorization=authorization)
    with pytest.raises(Problem, match="expired"):
        open_session(desk, SSO["body"], now=NOW + 86_399)

    assert caught.value.status == 401


def test_content_types_are_checked(desk: BearerDesk) -> None:
    """A form for the first step, a JWT for the second."""
    token = ask(desk, TOKEN["client_assertion"])["access_token"]

    with pytest.raises(Problem, match="form"):
        desk.token("application/json", b"{}", NOW)
    with pytest.raises(Problem, match="application/jwt"):
        desk.sso_session(f"Bearer {token}", FORM, SSO["body"].encode(), caller_ip=IP, now=NOW)


def test_bearer_is_told_from_other_schemes() -> None:
    """The scheme's name has no case."""
    assert is_bearer("bearer x")
    assert not is_bearer("OAuth x")


async def test_problems_are_served_as_such(sim: Simulator) -> None:
    """`application/problem+json`, and an unknown bearer is a 401 of the ordinary shape."""
    async with httpx.AsyncClient(verify=trust(sim), trust_env=False) as http:
        token = await http.post(sim.origin + TOKEN_PATH, data={"grant_type": "x"})
        session = await http.post(sim.origin + SSO_PATH, content=b"x")
        read = await http.get(
            f"{sim.base_url}/portfolio/accounts", headers={"Authorization": "Bearer nobody"}
        )

    assert token.status_code == 400
    assert token.headers["content-type"] == "application/problem+json"
    assert token.json()["title"] == "The access token request is invalid"
    assert (session.status_code, session.json()["detail"]) == (401, "Access token expired")
    assert read.status_code == 401
    assert "bearer" in read.json()["error"]
