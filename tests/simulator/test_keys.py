"""Fresh keys and the credentials that other programs read."""

from __future__ import annotations

import base64
import json
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ibkr_async.simulator.login.keys import (
    CONSUMER_KEY,
    PRIME,
    SimulatorKeys,
    dh_parameters_pem,
    write_private,
)

FILES = {
    "private_signature.pem",
    "private_encryption.pem",
    "dhparam.pem",
    "ca.pem",
    "credentials.json",
}


def _write(keys: SimulatorKeys, directory: Path) -> None:
    keys.write_credentials(
        directory,
        account_id="DU1234567",
        base_url="https://127.0.0.1:1/v1/api",
        ws_url="wss://127.0.0.1:1/v1/api/ws",
    )


def test_credentials_are_private_and_complete(keys: SimulatorKeys, tmp_path: Path) -> None:
    """Five files of mode 0600 in a directory of mode 0700, with the names the issue gives."""
    directory = tmp_path / "new" / "credentials"

    _write(keys, directory)

    assert {path.name for path in directory.iterdir()} == FILES
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    facts = json.loads((directory / "credentials.json").read_text())
    assert set(facts) == {
        "consumer_key",
        "access_token",
        "access_token_secret",
        "realm",
        "dh_prime",
        "account_id",
        "base_url",
        "ws_url",
    }
    assert (facts["consumer_key"], len(facts["access_token"])) == ("SIMULATOR", 20)
    assert int(facts["dh_prime"], 16) == PRIME


def test_secret_decrypts_to_what_the_server_knows(keys: SimulatorKeys) -> None:
    """The published secret opens with the encryption key, PKCS#1 v1.5, 32 bytes."""
    key = load_pem_private_key(keys.encryption_pem, None)
    assert isinstance(key, RSAPrivateKey)

    secret = key.decrypt(base64.b64decode(keys.access_token_secret), PKCS1v15())

    assert len(secret) == 32
    assert keys.consumer.access_tokens == {keys.access_token: secret}


def test_dh_parameters_are_the_public_group() -> None:
    """The file holds prime and generator under the plain label, in canonical DER."""
    text = dh_parameters_pem(PRIME, 2).decode()

    lines = text.splitlines()
    der = base64.b64decode("".join(lines[1:-1]))
    assert lines[0] == "-----BEGIN DH PARAMETERS-----"
    assert der[:9] == bytes.fromhex("308201080282010100")
    assert int.from_bytes(der[8 : 8 + 257], "big") == PRIME
    assert der[-3:] == b"\x02\x01\x02"


def test_certificate_passes_strict_verification(keys: SimulatorKeys) -> None:
    """It names both loopback spellings and loads into a strict context as its own authority."""
    certificate = x509.load_pem_x509_certificate(keys.certificate_pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    context = ssl.create_default_context(cadata=keys.certificate_pem.decode())

    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_repr_shows_no_secret(keys: SimulatorKeys) -> None:
    """Keys can be in a traceback without giving themselves away."""
    assert "PRIVATE" not in repr(keys)
    assert keys.access_token_secret not in repr(keys)


def test_writing_again_replaces_own_files(keys: SimulatorKeys, tmp_path: Path) -> None:
    """A simulator's own directory may be used again, and readable files become private."""
    _write(keys, tmp_path)
    (tmp_path / "ca.pem").chmod(0o644)

    _write(keys, tmp_path)

    assert stat.S_IMODE((tmp_path / "ca.pem").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("credentials.json", '{"consumer_key": "REALKEYXX"}'),
        ("credentials.json", "not json"),
        ("credentials.json", "[]"),
        ("private_signature.pem", "somebody's"),
    ],
)
def test_foreign_credentials_are_never_overwritten(
    keys: SimulatorKeys, tmp_path: Path, name: str, content: str
) -> None:
    """A directory with real credentials is refused, and stays as it was."""
    (tmp_path / name).write_text(content)

    with pytest.raises(FileExistsError, match="choose another directory"):
        _write(keys, tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == content


def test_files_are_not_written_through_links(tmp_path: Path) -> None:
    """A link in the place of a key file does not lead the key elsewhere."""
    (tmp_path / "ca.pem").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match=r"ca\.pem"):
        write_private(tmp_path / "ca.pem", b"x")


def test_consumer_key_looks_real_but_is_nobodys() -> None:
    """Nine upper-case letters."""
    assert len(CONSUMER_KEY) == 9
    assert CONSUMER_KEY.isupper()
