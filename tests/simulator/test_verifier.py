"""The simulator's own OAuth verification, judged by the reference vectors."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from ibkr_async.simulator.login.verifier import (
    Consumer,
    ReceivedRequest,
    Refusal,
    Verified,
    Verifier,
    normalised_origin,
    percent_encode,
    read_header,
    step_of,
)

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "samples" / "oauth_vectors.json").read_text(encoding="utf-8")
)
NOW = 1_700_000_000.0
TOKEN = "a1b2c3d4e5f6a7b8c9d0"
TICKLE = next(v for v in VECTORS["protected_requests"] if v["name"] == "post_no_body_tickle")


def _public_key() -> RSAPublicKey:
    pem = VECTORS["keys"]["signature_private_pkcs8_pem"].encode()
    key = load_pem_private_key(pem, None).public_key()
    assert isinstance(key, RSAPublicKey)
    return key


CONSUMER = Consumer(
    key="TESTKEY01",
    signature_key=_public_key(),
    access_tokens={TOKEN: bytes.fromhex(VECTORS["access_token_secret"]["decrypted_hex"])},
)


def _by_name(vector: dict[str, Any]) -> str:
    return str(vector["name"])


def _verify(
    request: ReceivedRequest,
    url: str,
    live_token: str = "",
    *,
    consumer: Consumer = CONSUMER,
    tolerant: bool = False,
    now: float = NOW,
) -> Verified:
    parts = urlsplit(url)
    verifier = Verifier([consumer], origins=[f"{parts.scheme}://{parts.netloc}"], tolerant=tolerant)
    keys = [base64.b64decode(live_token)] if live_token else []
    return verifier.verify(request, lambda _consumer, _token: keys, now)


def _header(params: dict[str, str], signature: str, **changes: str) -> str:
    named = {**params, "oauth_signature": signature, **changes}
    return "OAuth " + ", ".join(
        f'{name}="{quote(value, safe="")}"' for name, value in named.items()
    )


def _protected(vector: dict[str, Any], signature: str, **changes: str) -> ReceivedRequest:
    parts = urlsplit(vector["wire_url"])
    form, json_body = vector["form"], vector["json_body"]
    body = (
        urlencode([tuple(pair) for pair in form])
        if form
        else json.dumps(json_body)
        if json_body
        else ""
    )
    return ReceivedRequest(
        method=vector["method"],
        path=parts.path,
        query=parts.query,
        authorization=_header(vector["oauth_params"], signature, **changes),
        content_type="application/x-www-form-urlencoded" if form else "application/json",
        body=body.encode(),
    )


@pytest.mark.parametrize("vector", VECTORS["header_verification"], ids=_by_name)
def test_header_layouts_verify_or_fail_as_the_reference_says(vector: dict[str, Any]) -> None:
    """Seven layouts that clients really send pass, eight tamperings do not."""
    parts = urlsplit(vector["url"])
    request = ReceivedRequest(
        method=vector["method"],
        path=parts.path,
        query=parts.query,
        authorization=vector["header"],
    )
    # The realm is not signed: the vector with another realm belongs to a consumer of that realm.
    realm = "test_realm" if vector["name"] == "other_realm" else "limited_poa"
    consumer = replace(CONSUMER, realm=realm)

    if vector["verifies"]:
        verified = _verify(request, vector["url"], vector["live_session_token"], consumer=consumer)
        assert (verified.token, verified.form) == (TOKEN, "A")
    else:
        with pytest.raises(Refusal):
            _verify(request, vector["url"], vector["live_session_token"], consumer=consumer)


@pytest.mark.parametrize("tolerant", [False, True])
@pytest.mark.parametrize("vector", VECTORS["protected_requests"], ids=_by_name)
def test_documented_form_verifies(vector: dict[str, Any], tolerant: bool) -> None:
    """Every protected request of the vectors verifies as form A."""
    verified = _verify(
        _protected(vector, vector["signature_base64"]),
        vector["wire_url"],
        vector["live_session_token"],
        tolerant=tolerant,
    )

    assert (verified.step, verified.form) == ("resource", "A")


OTHER_FORMS = [
    pytest.param(vector, form, id=f"{vector['name']}-{form}")
    for vector in VECTORS["protected_requests"]
    for form in vector["other_forms_seen_in_the_wild"]
    # Clients of form C have no form bodies, and sign the URL as they were configured with it.
    if not (form == "query_inside_url_component" and (vector["form"] or not vector["query"]))
]


@pytest.mark.parametrize(("vector", "form"), OTHER_FORMS)
def test_other_forms_verify_only_when_tolerant(vector: dict[str, Any], form: str) -> None:
    """Forms B and C pass a tolerant verifier and are told apart; D and its kin never pass."""
    request = _protected(vector, vector["other_forms_seen_in_the_wild"][form]["signature_base64"])
    url, live_token = vector["wire_url"], vector["live_session_token"]
    expected = {"params_left_out": "B", "query_inside_url_component": "C"}.get(form)

    with pytest.raises(Refusal, match="invalid signature"):
        _verify(request, url, live_token)
    if expected is None:
        with pytest.raises(Refusal, match="invalid signature"):
            _verify(request, url, live_token, tolerant=True)
    else:
        assert _verify(request, url, live_token, tolerant=True).form == expected


@pytest.mark.parametrize("vector", VECTORS["rsa_requests"], ids=_by_name)
def test_rsa_requests_verify(vector: dict[str, Any]) -> None:
    """The three OAuth steps verify with the uploaded public key, form bodies included."""
    request = ReceivedRequest(
        method=vector["method"],
        path=urlsplit(vector["url"]).path,
        authorization=vector["authorization_header"],
        content_type="application/x-www-form-urlencoded; charset=utf-8",
        body=urlencode([tuple(pair) for pair in vector["form"]]).encode(),
    )
    consumer = replace(
        CONSUMER,
        key=vector["oauth_params"]["oauth_consumer_key"],
        realm=vector["realm"],
        request_tokens=frozenset({vector["oauth_params"].get("oauth_token", "")}),
    )

    verified = _verify(request, vector["url"], consumer=consumer)

    assert request.path.endswith(verified.step)


@pytest.mark.parametrize("vector", VECTORS["published_examples"]["rsa"], ids=_by_name)
def test_published_examples_verify(vector: dict[str, Any]) -> None:
    """The signatures that IBKR itself published verify with the demo's public key."""
    pem = VECTORS["published_examples"]["testcons_public_signing_key_pem"].encode()
    key = load_pem_public_key(pem)
    assert isinstance(key, RSAPublicKey)
    params = vector["oauth_params"]
    token = params.get("oauth_token", "")
    consumer = Consumer(
        key="TESTCONS",
        signature_key=key,
        realm="test_realm",
        access_tokens={token: bytes.fromhex(vector["prepend"])},
        request_tokens=frozenset({token}),
    )
    request = ReceivedRequest(
        method=vector["method"],
        path=urlsplit(vector["url"]).path,
        authorization=_header(params, vector["signature_base64"], realm="test_realm"),
        content_type="application/x-www-form-urlencoded",
        body=urlencode([tuple(pair) for pair in vector["form"]]).encode(),
    )

    verified = _verify(
        request, vector["url"], consumer=consumer, now=float(params["oauth_timestamp"])
    )

    assert verified.consumer.key == "TESTCONS"


@pytest.mark.parametrize("vector", VECTORS["percent_encoding"], ids=repr)
def test_percent_encoding(vector: dict[str, Any]) -> None:
    """Only unreserved characters stay raw."""
    text, encoded = list(vector.values())[:2]

    assert percent_encode(text) == encoded


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"oauth_consumer_key": "SOMEBODY1"}, "invalid consumer"),
        ({"realm": "test_realm"}, "invalid consumer"),
        ({"oauth_token": "00000000000000000000"}, "invalid access token"),
        ({"oauth_nonce": ""}, "missing parameter oauth_nonce"),
        ({"oauth_timestamp": "1700000000000"}, "invalid timestamp"),
        ({"oauth_timestamp": "soon"}, "invalid timestamp"),
        ({"oauth_timestamp": "1699999000"}, "too far"),
        ({"oauth_signature_method": "RSA-SHA256"}, "invalid signature method"),
        ({"oauth_signature": "not base64!"}, "invalid signature"),
    ],
)
def test_each_part_of_a_header_is_checked(changes: dict[str, str], text: str) -> None:
    """A fault in one part is named, and is found before the signature is."""
    request = _protected(TICKLE, TICKLE["signature_base64"], **changes)

    with pytest.raises(Refusal, match=text):
        _verify(request, TICKLE["url"], TICKLE["live_session_token"])


def test_request_without_live_session_token_is_refused() -> None:
    """An expired or absent live session token is not a signature fault."""
    with pytest.raises(Refusal, match="no live session token"):
        _verify(_protected(TICKLE, TICKLE["signature_base64"]), TICKLE["url"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("live_session_token", "No access secret key found for TESTKEY01"),
        ("access_token", "invalid request token"),
    ],
)
def test_unknown_token_of_a_step_is_refused(name: str, text: str) -> None:
    """A token of the wrong kind does not start the next step."""
    vector = next(v for v in VECTORS["rsa_requests"] if v["name"] == name)
    request = ReceivedRequest(
        method="POST",
        path=urlsplit(vector["url"]).path,
        authorization=vector["authorization_header"],
    )

    with pytest.raises(Refusal, match=text):
        _verify(request, vector["url"], consumer=replace(CONSUMER, access_tokens={}))


def test_wrong_rsa_key_is_refused() -> None:
    """A signature by another key, such as the encryption key, does not pass."""
    vector = next(v for v in VECTORS["rsa_requests"] if v["name"] == "live_session_token")
    other = load_pem_private_key(
        VECTORS["keys"]["encryption_private_pkcs8_pem"].encode(), None
    ).public_key()
    assert isinstance(other, RSAPublicKey)
    request = ReceivedRequest(
        method="POST",
        path=urlsplit(vector["url"]).path,
        authorization=vector["authorization_header"],
    )

    with pytest.raises(Refusal, match="invalid signature"):
        _verify(request, vector["url"], consumer=replace(CONSUMER, signature_key=other))


def test_nonce_works_once_and_is_forgotten_when_too_old() -> None:
    """A replayed request is refused; the memory of nonces does not grow for ever."""
    parts = urlsplit(TICKLE["url"])
    verifier = Verifier([CONSUMER], origins=[f"{parts.scheme}://{parts.netloc}"], window_s=1e9)
    live_token = base64.b64decode(TICKLE["live_session_token"])
    request = _protected(TICKLE, TICKLE["signature_base64"])
    verifier.verify(request, lambda _consumer, _token: [live_token], NOW)

    with pytest.raises(Refusal, match="nonce was used before"):
        verifier.verify(request, lambda _consumer, _token: [live_token], NOW + 1)

    # A hundred thousand nonces, without signing each.
    verifier._remember(("", "", "", "later"), NOW + 3e9)
    # What is forgotten shows nowhere else.
    assert len(verifier._nonces) == 1


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("Basic abc", "not OAuth"),
        ("OAuth realm", "cannot be read"),
        ('OAuth ="x"', "cannot be read"),
        ('OAuth a="1", a="1"', "parameter a is repeated"),
        ('OAuth a="%FF"', "not UTF-8"),
    ],
)
def test_unreadable_headers_are_refused(header: str, text: str) -> None:
    """Text that is not an OAuth header leads to a refusal, never to a crash."""
    with pytest.raises(Refusal, match=text):
        read_header(header)


def test_raw_plus_in_a_header_stays_a_plus() -> None:
    """Header values are percent-decoded, not form-decoded."""
    assert read_header('OAuth s="a+b%2B="') == {"s": "a+b+="}


def test_origins_are_normalised_like_signed_urls() -> None:
    """Scheme and host in lower case, the default port dropped, another port kept."""
    assert normalised_origin("HTTPS://API.IBKR.com:443") == "https://api.ibkr.com"
    assert normalised_origin("http://127.0.0.1:5055") == "http://127.0.0.1:5055"


def test_steps_are_told_by_their_paths() -> None:
    """Only the three OAuth paths are signed with RSA."""
    assert step_of("/v1/api/oauth/request_token") == "request_token"
    assert step_of("/v1/api/oauth/other") == "resource"
    assert step_of("/v1/api/request_token") == "resource"
