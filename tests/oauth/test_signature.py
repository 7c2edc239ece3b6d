from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_pem_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.oauth.signature import (
    authorization_header,
    base_string,
    normalise_url,
    parse_authorization_header,
    sign_hmac_sha256,
    sign_rsa_sha256,
)

VECTORS = json.loads((Path(__file__).parents[1] / "samples" / "oauth_vectors.json").read_text())


def by_name(vector: dict[str, Any]) -> str:
    """Name a test after its vector."""
    return str(vector["name"])


@pytest.fixture(scope="module")
def signature_key() -> RSAPrivateKey:
    """The signature key of the vectors, in its PKCS#8 form."""
    key = load_pem_private_key(VECTORS["keys"]["signature_private_pkcs8_pem"].encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def pairs(listed: list[list[str]]) -> list[tuple[str, str]]:
    """Turn JSON pairs into tuples."""
    return [(name, value) for name, value in listed]


@pytest.mark.parametrize("vector", VECTORS["rsa_requests"], ids=by_name)
def test_rsa_request_is_signed_as_in_the_vectors(
    vector: dict[str, Any], signature_key: RSAPrivateKey
) -> None:
    """Base string, signature and header of every request up to the live session token."""
    params = list(vector["oauth_params"].items())

    base = base_string(
        vector["method"], vector["url"], [*params, *pairs(vector["form"])], vector["prepend"]
    )
    signature = sign_rsa_sha256(base, signature_key)
    header = authorization_header([*params, ("oauth_signature", signature)], vector["realm"])

    assert base == vector["base_string"]
    assert signature == vector["signature_base64"]
    assert header == vector["authorization_header"]


@pytest.mark.parametrize("vector", VECTORS["protected_requests"], ids=by_name)
def test_protected_request_is_signed_as_in_the_vectors(vector: dict[str, Any]) -> None:
    """Base string, signature and header of requests signed with the live session token."""
    params = list(vector["oauth_params"].items())
    token = base64.b64decode(vector["live_session_token"])

    base = base_string(
        vector["method"],
        vector["url"],
        [*params, *pairs(vector["query"]), *pairs(vector["form"])],
    )
    signature = sign_hmac_sha256(base, token)
    header = authorization_header([*params, ("oauth_signature", signature)], vector["realm"])

    assert base == vector["base_string"]
    assert signature == vector["signature_base64"]
    assert header == vector["authorization_header"]


@pytest.mark.parametrize("vector", VECTORS["published_examples"]["rsa"], ids=by_name)
def test_published_signature_of_ibkr_verifies(vector: dict[str, Any]) -> None:
    """IBKR's own signatures verify over our base strings, so values are encoded once."""
    key = load_pem_public_key(
        VECTORS["published_examples"]["testcons_public_signing_key_pem"].encode()
    )
    assert isinstance(key, RSAPublicKey)
    params = [*vector["oauth_params"].items(), *pairs(vector["form"])]

    base = base_string(vector["method"], vector["url"], params, vector["prepend"])

    assert base == vector["base_string"]
    signature = base64.b64decode(vector["signature_base64"])
    key.verify(signature, base.encode(), padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        key.verify(signature, base.encode() + b"%20", padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("vector", VECTORS["header_verification"], ids=by_name)
def test_parsed_header_lets_a_request_be_verified(vector: dict[str, Any]) -> None:
    """Every known layout parses to what was signed; every tampering is noticed."""
    url, _, query = vector["url"].partition("?")
    token = base64.b64decode(vector["live_session_token"])
    try:
        _, params = parse_authorization_header(vector["header"])
    except ValueError:
        assert not vector["verifies"]
        return

    named = dict(params)
    signature = named.pop("oauth_signature")
    base = base_string(vector["method"], url, [*named.items(), *parse_qsl(query)])

    assert (signature == sign_hmac_sha256(base, token)) is vector["verifies"]


def test_realm_is_apart_from_the_parameters() -> None:
    """The realm is never signed, so it does not come back among the parameters."""
    assert parse_authorization_header('OAuth realm="test_realm", a="1"') == (
        "test_realm",
        [("a", "1")],
    )


def test_header_without_realm_has_an_empty_one() -> None:
    """A header may lack the realm."""
    assert parse_authorization_header('oauth a="1%2B+"') == ("", [("a", "1++")])


@pytest.mark.parametrize(
    "text",
    ["", "OAuth", "OAuth a", 'OAuth ="1"', 'OAuth a="1",', 'OAuth a="1", a="1"', 'OAuth a="%FF"'],
)
def test_malformed_header_is_refused(text: str) -> None:
    """Whatever is not `name=value` once each is a `ValueError`."""
    with pytest.raises(ValueError, match=r"Authorization|decode"):
        parse_authorization_header(text)


@given(st.text())
def test_any_text_as_header_parses_or_is_refused(text: str) -> None:
    """No header text makes the parser raise anything but `ValueError`."""
    with contextlib.suppress(ValueError):
        parse_authorization_header(f"OAuth {text}")


NAMES = st.from_regex(r"[a-z_]{1,12}", fullmatch=True).filter(lambda name: name != "realm")


@given(st.dictionaries(NAMES, st.text(), min_size=1), st.text())
def test_written_header_parses_back(params: dict[str, str], realm: str) -> None:
    """Writer and parser are inverse for any value that has a UTF-8 form."""
    assert parse_authorization_header(authorization_header(params.items(), realm)) == (
        realm,
        sorted(params.items()),
    )


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8))))
def test_order_of_parameters_does_not_matter(params: list[tuple[str, str]]) -> None:
    """The base string sorts by name, then value, as UTF-8 bytes sort."""
    url = "https://api.ibkr.com/v1/api/x"

    assert base_string("GET", url, params) == base_string("GET", url, reversed(params))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTPS://API.ibkr.com:443/A/b", "https://api.ibkr.com/A/b"),
        ("http://LOCALHOST:80", "http://localhost/"),
        ("https://localhost:5000/v1/api", "https://localhost:5000/v1/api"),
        ("http://h:443/", "http://h:443/"),
        ("https://[::1]:5000/x", "https://[::1]:5000/x"),
        ("https://h/a%2Fb", "https://h/a%2Fb"),
    ],
)
def test_url_is_normalised_but_its_path_is_kept(url: str, expected: str) -> None:
    """Scheme and host are lowered and a default port goes; the path is as on the wire."""
    assert normalise_url(url) == expected
    assert urlsplit(expected).path


@pytest.mark.parametrize(
    "url", ["https://h/x?a=1", "https://h/x#f", "ftp://h/x", "https:///x", "https://u@h/", "/x"]
)
def test_url_that_cannot_be_signed_is_refused(url: str) -> None:
    """A query in the URL would be signed wrongly, so it is an error here."""
    with pytest.raises(ValueError, match="a URL to sign"):
        base_string("GET", url, [])
