from __future__ import annotations

import base64
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ibkr_async.oauth.session_token import (
    SecretLengthWarning,
    decrypt_secret,
    live_session_token,
    token_proof,
    verify_proof,
)

VECTORS = json.loads((Path(__file__).parents[1] / "samples" / "oauth_vectors.json").read_text())
SECRET = VECTORS["access_token_secret"]


def load(name: str) -> RSAPrivateKey:
    """Load a private key of the vectors."""
    key = load_pem_private_key(VECTORS["keys"][name].encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


@pytest.fixture(scope="module")
def encryption_key() -> RSAPrivateKey:
    """The encryption key of the vectors, in its PKCS#1 form."""
    return load("encryption_private_pkcs1_pem")


@pytest.mark.parametrize("vector", VECTORS["live_session_token"], ids=lambda v: v["name"])
def test_token_and_proof_are_as_in_the_vectors(vector: dict[str, Any]) -> None:
    """Seven lengths of K; the two usual wrong ways of writing K would give other tokens."""
    k_bytes = bytes.fromhex(vector["k_bytes_hex"])
    secret = bytes.fromhex(vector["access_token_secret_hex"])
    k = int(vector["k_hex"], 16)

    token = live_session_token(k_bytes, secret)

    assert base64.b64encode(token).decode() == vector["live_session_token"]
    proof = vector["live_session_token_signature"]
    assert token_proof(token, vector["consumer_key"]) == proof
    assert verify_proof(token, vector["consumer_key"], proof)
    wrong = {
        "wrong_if_padded_to_256": k.to_bytes(256, "big"),
        "wrong_if_unsigned_minimal": k.to_bytes((k.bit_length() + 7) // 8, "big"),
    }
    for name, other in wrong.items():
        expected = base64.b64encode(live_session_token(other, secret)).decode()
        assert (expected == vector["live_session_token"]) is (other == k_bytes)
        if vector[name] is not None:
            assert expected == vector[name]


def test_each_wrong_way_of_writing_k_is_shown_wrong_by_a_vector() -> None:
    """Neither wrong way passes the vectors as a whole."""
    for name in ("wrong_if_padded_to_256", "wrong_if_unsigned_minimal"):
        assert any(
            vector[name] not in {None, vector["live_session_token"]}
            for vector in VECTORS["live_session_token"]
        )


def test_published_proof_of_ibkr_is_reproduced() -> None:
    """The proof in IBKR's document, over its example token."""
    published = VECTORS["published_examples"]["lst_signature"]
    token = base64.b64decode(published["live_session_token"])

    assert token_proof(token, "TESTCONS") == published["live_session_token_signature"]


def test_any_flipped_bit_in_the_proof_is_noticed() -> None:
    """A proof that is wrong in one bit, cut, empty or not even ASCII does not verify."""
    token = bytes(range(20))
    proof = bytes.fromhex(token_proof(token, "TESTKEY01"))

    assert verify_proof(token, "TESTKEY01", proof.hex().upper())
    for bit in range(160):
        flipped = int.from_bytes(proof, "big") ^ 1 << bit
        assert not verify_proof(token, "TESTKEY01", f"{flipped:040x}")
    for other in ("", proof.hex()[:-1], proof.hex() + "0", "é" * 40, "\ud800"):
        assert not verify_proof(token, "TESTKEY01", other)


def test_proof_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison is `hmac.compare_digest`, not `==`."""
    seen: list[tuple[bytes, bytes]] = []

    def record(a: bytes, b: bytes) -> bool:
        seen.append((a, b))
        return True

    monkeypatch.setattr(hmac, "compare_digest", record)

    assert verify_proof(bytes(20), "TESTKEY01", "00")
    assert len(seen) == 1


def test_secret_is_decrypted_with_its_leading_zero(encryption_key: RSAPrivateKey) -> None:
    """The first byte of the vectors' secret is zero on purpose; blanks in the text do not matter."""
    text = SECRET["encrypted_base64"]

    assert decrypt_secret(text, encryption_key).hex() == SECRET["decrypted_hex"]
    assert decrypt_secret(f" {text[:100]}\n{text[100:]}\n", encryption_key)[0] == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        SECRET["encrypted_base64"][:-1],
        SECRET["encrypted_base64"][:-4],
        SECRET["encrypted_base64"] + "AAAA",
        SECRET["encrypted_base64"].replace("+", "-"),
        "é" + SECRET["encrypted_base64"][1:],
    ],
)
def test_incomplete_secret_is_refused_without_being_shown(
    text: str, encryption_key: RSAPrivateKey
) -> None:
    """The message says how many characters there should be, and none of them."""
    with pytest.raises(ValueError, match="copy all 344") as caught:
        decrypt_secret(text, encryption_key)

    assert not text or text[:12] not in str(caught.value)


def test_secret_of_a_larger_key_is_refused(encryption_key: RSAPrivateKey) -> None:
    """A number above the modulus cannot have been encrypted for this key."""
    text = base64.b64encode(b"\xff" * 256).decode()

    with pytest.raises(ValueError, match="cannot be decrypted with this encryption key"):
        decrypt_secret(text, encryption_key)


def test_unusual_length_draws_a_warning(encryption_key: RSAPrivateKey) -> None:
    """A wrong key shows in nothing but the length, so the length is worth a word."""
    encrypted = encryption_key.public_key().encrypt(b"short", padding.PKCS1v15())

    with pytest.warns(SecretLengthWarning, match="5 bytes instead of 32"):
        secret = decrypt_secret(base64.b64encode(encrypted).decode(), encryption_key)

    assert secret == b"short"


def test_wrong_key_of_the_right_size_raises_nothing_but_the_warning() -> None:
    """OpenSSL hides a failed decryption; for this pair of keys the length gives it away."""
    with pytest.warns(SecretLengthWarning, match="swapped with the signature key"):
        secret = decrypt_secret(SECRET["encrypted_base64"], load("signature_private_pkcs1_pem"))

    assert secret.hex() != SECRET["decrypted_hex"]
