from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ibkr_async.oauth import jwt

SAMPLES = Path(__file__).parents[1] / "samples"
VECTORS: dict[str, Any] = json.loads((SAMPLES / "oauth_vectors.json").read_text())
OAUTH2 = VECTORS["oauth2"]
NOW = 1_700_000_000


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    """The signature key of the vectors."""
    pem = VECTORS["keys"]["signature_private_pkcs8_pem"].encode()
    found = load_pem_private_key(pem, None)
    assert isinstance(found, RSAPrivateKey)
    return found


def decoded(part: str) -> bytes:
    """Undo base64url without padding."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_client_assertion_is_that_of_the_vectors(key: RSAPrivateKey) -> None:
    """RS256 is deterministic, so the whole text can be compared."""
    written = jwt.client_assertion("demo-client", "main", key, now=NOW)

    assert written == OAUTH2["token"]["client_assertion"]


def test_sso_session_assertion_is_that_of_the_vectors(key: RSAPrivateKey) -> None:
    """User, address and a day of validity, signed with the same key."""
    written = jwt.sso_session_assertion(
        "demo-client", "main", key, credential="demouser1", ip="203.0.113.7", now=NOW
    )

    assert written == OAUTH2["sso_sessions"]["body"]


def test_header_and_claims_are_those_of_the_vectors(key: RSAPrivateKey) -> None:
    """What a verifier reads, independent of the order of the keys."""
    written = jwt.client_assertion("demo-client", "main", key, now=NOW)
    header, claims, _ = written.split(".")

    assert json.loads(decoded(header)) == OAUTH2["token"]["header"]
    assert json.loads(decoded(claims)) == OAUTH2["token"]["claims"]


def test_text_outside_ascii_survives(key: RSAPrivateKey) -> None:
    """Claims are UTF-8 JSON; the signature covers the encoded text."""
    written = jwt.sign_compact({"credential": "Zoë"}, "main", key)
    signed, _, signature = written.rpartition(".")

    key.public_key().verify(
        decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    assert json.loads(decoded(signed.partition(".")[2])) == {"credential": "Zoë"}
    assert "=" not in written
