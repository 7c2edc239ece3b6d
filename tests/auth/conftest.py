from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def vectors() -> dict[str, Any]:
    """The reference vectors: test keys and expected values."""
    path = Path(__file__).parents[1] / "samples" / "oauth_vectors.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.fixture
def key_directory(tmp_path: Path, vectors: dict[str, Any]) -> Path:
    """A complete credentials directory, closed to others, as the simulator writes it."""
    facts = {
        **vectors["credentials"],
        "access_token_secret": vectors["access_token_secret"]["encrypted_base64"],
        "dh_prime": vectors["dh"]["prime_hex"],
        "account_id": "DU1234567",
        "base_url": "https://localhost:8443/v1/api",
        "ws_url": "wss://localhost:8443/v1/api/ws",
    }
    del facts["timestamp"]
    home = tmp_path / "keys"
    home.mkdir()
    files = {
        "private_signature.pem": vectors["keys"]["signature_private_pkcs8_pem"],
        "private_encryption.pem": vectors["keys"]["encryption_private_pkcs1_pem"],
        "credentials.json": json.dumps(facts),
    }
    for name, text in files.items():
        (home / name).write_text(text)
        (home / name).chmod(0o600)
    return home
