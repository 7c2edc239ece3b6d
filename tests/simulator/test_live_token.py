"""The server's half of the live session token."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from ibkr_async.simulator.login.live_token import answer_challenge, signed_bytes

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "samples" / "oauth_vectors.json").read_text(encoding="utf-8")
)
PRIME = int(VECTORS["dh"]["prime_hex"], 16)
SECRET = bytes.fromhex(VECTORS["access_token_secret"]["decrypted_hex"])


@pytest.mark.parametrize("vector", VECTORS["live_session_token"], ids=lambda v: v["name"])
def test_server_arrives_at_the_same_token(vector: dict[str, Any]) -> None:
    """Response, token and proof equal the vectors, for every length of the shared number."""
    live = answer_challenge(
        vector["diffie_hellman_challenge"],
        prime=PRIME,
        generator=2,
        exponent=int(vector["server_b_hex"], 16),
        secret=SECRET,
        consumer_key="TESTKEY01",
    )

    assert live.response == vector["diffie_hellman_response"]
    assert signed_bytes(int(vector["k_hex"], 16)).hex() == vector["k_bytes_hex"]
    assert live.token == b64decode(vector["live_session_token"])
    assert live.proof == vector["live_session_token_signature"]


@pytest.mark.parametrize("challenge", ["", "xyz", "0x10", "1", "0", f"{PRIME - 1:x}", f"{PRIME:x}"])
def test_challenge_outside_its_range_is_refused(challenge: str) -> None:
    """Shares that would give the secret away, and text that is no number, are refused."""
    with pytest.raises(ValueError, match="challenge"):
        answer_challenge(
            challenge, prime=PRIME, generator=2, exponent=3, secret=SECRET, consumer_key="X"
        )
