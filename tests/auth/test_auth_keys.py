from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from ibkr_async.auth._secret import Secret
from ibkr_async.auth.keys import KeySources
from ibkr_async.errors import ConfigError
from ibkr_async.oauth.dh import DhParams


def write_private(path: Path, content: bytes, mode: int = 0o600) -> Path:
    """Write a key file."""
    path.write_bytes(content)
    path.chmod(mode)
    return path


@pytest.fixture
def good(vectors: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a `KeySources` that loads."""
    return {
        "signature_key": vectors["keys"]["signature_private_pkcs1_pem"].encode(),
        "encryption_key": vectors["keys"]["encryption_private_pkcs8_pem"].encode(),
        "dh": DhParams(int(vectors["dh"]["prime_hex"], 16), 2),
        "access_token_secret": Secret(vectors["access_token_secret"]["encrypted_base64"]),
        "allow_open": False,
    }


def test_keys_are_loaded_from_bytes(good: dict[str, Any], vectors: dict[str, Any]) -> None:
    """PEM text needs no file; the secret comes out decrypted, and nothing shows in the repr."""
    sources = KeySources(**good)
    sources.check()

    keys = sources.load()

    assert keys.secret.reveal().hex() == vectors["access_token_secret"]["decrypted_hex"]
    assert keys.dh == good["dh"]
    assert repr(keys) == f"Keys(dh={keys.dh!r}, secret=***)"
    assert repr(sources) == "KeySources(access_token_secret=***, allow_open=False)"


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o700])
def test_closed_files_are_read(good: dict[str, Any], tmp_path: Path, mode: int) -> None:
    """A file that only its owner can read is fine, as text or path object."""
    path = write_private(tmp_path / "key.pem", good["signature_key"], mode)
    for spelling in (path, str(path)):
        sources = KeySources(**{**good, "signature_key": spelling})
        sources.check()

        assert sources.load().signature_key.key_size == 2048


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o620, 0o602, 0o610])
def test_open_files_are_refused_with_the_command_to_run(
    good: dict[str, Any], tmp_path: Path, mode: int
) -> None:
    """All open files are in one message; the command can be pasted."""
    one = write_private(tmp_path / "one key.pem", good["signature_key"], mode)
    two = write_private(tmp_path / "dhparam.pem", b"", mode)
    sources = KeySources(**{**good, "signature_key": one, "dh": two})

    with pytest.raises(ConfigError) as caught:
        sources.check()

    assert str(caught.value).endswith(f"run: chmod 600 '{one}' {two}")
    with pytest.raises(ConfigError, match="chmod 600"):
        sources.load()
    KeySources(**{**good, "signature_key": one, "allow_open": True}).load()


def test_link_that_leaves_the_directory_is_refused(good: dict[str, Any], tmp_path: Path) -> None:
    """A link within the directory is how containers mount secrets; one that leaves it is refused."""
    home = tmp_path / "keys"
    (home / "..data").mkdir(parents=True)
    write_private(home / "..data" / "key.pem", good["signature_key"])
    write_private(tmp_path / "elsewhere.pem", good["signature_key"])
    (home / "inside.pem").symlink_to(home / "..data" / "key.pem")
    (home / "outside.pem").symlink_to(tmp_path / "elsewhere.pem")

    KeySources(**{**good, "signature_key": home / "inside.pem"}).load()
    leaving = {**good, "signature_key": home / "outside.pem"}
    with pytest.raises(ConfigError, match="link that leaves its directory"):
        KeySources(**leaving).check()
    KeySources(**{**leaving, "allow_open": True}).load()


def test_missing_files_are_listed_together(good: dict[str, Any], tmp_path: Path) -> None:
    """One message for all; a directory is not a file."""
    sources = KeySources(
        **{**good, "signature_key": tmp_path / "a.pem", "encryption_key": tmp_path}
    )

    with pytest.raises(ConfigError, match=rf"cannot find .*a\.pem and {tmp_path};"):
        sources.check()


def private_pem(key: Any, passphrase: bytes | None = None) -> bytes:
    """Write a private key as PEM."""
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))


@pytest.fixture(scope="module")
def wrong_keys() -> dict[str, bytes]:
    """Files that are not a usable key, by what is wrong with them."""
    # Built at run time, so that no file of the repository looks like a weak key.
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - the point of the test
    elliptic = ec.generate_private_key(ec.SECP256R1())
    return {
        "small": private_pem(small),
        "elliptic": private_pem(elliptic),
        "protected": private_pem(elliptic, b"passphrase"),
        "empty": b"",
        "text": b"hello",
        "damaged": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "truncated": private_pem(small)[:200],
    }


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("small", "not an RSA key of at least 2048 bits"),
        ("elliptic", "not an RSA key"),
        ("protected", "passphrase.*openssl rsa"),
        ("empty", "an empty file, not a private key"),
        ("text", "no PEM block at all, not a private key"),
        ("damaged", "damaged"),
        ("truncated", "damaged"),
    ],
)
def test_unusable_key_is_named(
    good: dict[str, Any], wrong_keys: dict[str, bytes], which: str, message: str
) -> None:
    """Which key it is, and what is wrong with it."""
    for name in ("signature_key", "encryption_key"):
        with pytest.raises(ConfigError, match=message) as caught:
            KeySources(**{**good, name: wrong_keys[which]}).load()

        assert str(caught.value).startswith(f"the {name.replace('_', ' ')} ")


def test_public_half_is_recognised(
    good: dict[str, Any], vectors: dict[str, Any], tmp_path: Path
) -> None:
    """The likeliest wrong file is the one beside the right one."""
    public = vectors["keys"]["signature_public_pem"].encode()
    path = write_private(tmp_path / "public_signature.pem", public)

    with pytest.raises(ConfigError, match=r"public_signature\.pem holds a block 'PUBLIC KEY', not"):
        KeySources(**{**good, "signature_key": path}).load()


def test_wrong_dh_file_is_named(good: dict[str, Any], tmp_path: Path) -> None:
    """A private key given as DH file is recognised."""
    path = write_private(tmp_path / "dhparam.pem", good["signature_key"])

    with pytest.raises(ConfigError, match=r"dhparam\.pem: not a DH .* 'RSA PRIVATE KEY'"):
        KeySources(**{**good, "dh": path}).load()


def test_incomplete_secret_is_a_config_error(good: dict[str, Any]) -> None:
    """The portal's text was cut."""
    with pytest.raises(ConfigError, match="copy all 344"):
        KeySources(**{**good, "access_token_secret": Secret("AAAA")}).load()


def test_file_that_changes_after_the_check_is_refused(good: dict[str, Any], tmp_path: Path) -> None:
    """The check at construction is not the last word."""
    path = write_private(tmp_path / "key.pem", good["signature_key"])
    sources = KeySources(**{**good, "signature_key": path})
    sources.check()
    path.chmod(0o644)

    with pytest.raises(ConfigError, match="chmod 600"):
        sources.load()
