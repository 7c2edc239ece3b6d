"""Private keys and DH parameters: where they come from, and how they become usable.

Checking that the files are there and closed to others is cheap and happens at once; reading and
parsing them takes about 30 ms and is for a worker thread. Nothing here may keep the bytes of a key
file, or put any of them into a message.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ibkr_async import files
from ibkr_async.auth._secret import Secret
from ibkr_async.errors import ConfigError
from ibkr_async.oauth import pem
from ibkr_async.oauth.dh import DhParams, read_dh_pem
from ibkr_async.oauth.session_token import decrypt_secret

if TYPE_CHECKING:
    from collections.abc import Iterable

KeySource = bytes | str | os.PathLike[str]
"""The text of a PEM file as bytes, or the path of one."""
DhSource = KeySource | DhParams

_MIN_KEY_BITS = 2048


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Everything that a login needs, ready for use."""

    signature_key: RSAPrivateKey = field(repr=False)
    dh: DhParams
    secret: Secret[bytes]
    """The decrypted access token secret."""


@dataclass(frozen=True, kw_only=True)
class KeySources:
    """The keys before they are read."""

    signature_key: KeySource = field(repr=False)
    encryption_key: KeySource = field(repr=False)
    dh: DhSource = field(repr=False)
    access_token_secret: Secret[str]
    """Encrypted, in base64, as the portal shows it."""
    allow_open: bool
    """Accept files that other users can read."""

    def check(self) -> None:
        """Look at the files without opening them.

        Errors: `ConfigError` for missing files, or open ones, with the `chmod` to run.
        """
        check_key_files(
            (self.signature_key, self.encryption_key, self.dh), allow_open=self.allow_open
        )

    def load(self) -> Keys:
        """Read and parse everything, once. Slow: for a worker thread.

        A suspicious secret draws a `SecretLengthWarning`.
        Errors: `ConfigError` that names the file and what it holds instead.
        """
        allow_open = self.allow_open
        signature_key = read_private_key(self.signature_key, "signature key", allow_open=allow_open)
        encryption_key = read_private_key(
            self.encryption_key, "encryption key", allow_open=allow_open
        )
        dh = read_dh(self.dh, allow_open=allow_open)
        try:
            secret = decrypt_secret(self.access_token_secret.reveal(), encryption_key)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        return Keys(signature_key=signature_key, dh=dh, secret=Secret(secret))


def check_key_files(sources: Iterable[DhSource], *, allow_open: bool) -> None:
    """Look at those sources that are files, without opening them.

    Errors: `ConfigError` for missing files, or open ones, with the `chmod` to run.
    """
    paths = [source for source in sources if not isinstance(source, bytes | DhParams)]
    files.check_private_files(paths, allow_open=allow_open)


def read_private_key(source: KeySource, what: str, *, allow_open: bool) -> RSAPrivateKey:
    """Read and parse one private key; `what` names its role in messages. Slow, reads a file.

    Errors: `ConfigError` that names the file and what it holds instead.
    """
    where = _where(source, what)
    content = _content(source, allow_open=allow_open)
    if not any(label.endswith("PRIVATE KEY") for label in pem.labels(content)):
        raise ConfigError(
            f"{where} holds {pem.describe(content)}, not a private key; give the private half, "
            "as in private_signature.pem and private_encryption.pem"
        )
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        raise ConfigError(
            f"{where} is protected by a passphrase, which is not supported; write an open copy "
            "with `openssl rsa -in KEY -out COPY` and run chmod 600 on it"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError(
            f"{where} is damaged or of an unknown kind; make a key with "
            "`openssl genrsa -out KEY 2048` and upload its public half to IBKR's portal"
        ) from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < _MIN_KEY_BITS:
        raise ConfigError(f"{where} is not an RSA key of at least {_MIN_KEY_BITS} bits")
    return key


def read_dh(source: DhSource, *, allow_open: bool) -> DhParams:
    """Read the Diffie-Hellman parameters.

    Errors: `ConfigError` that names the file and what is wrong with it.
    """
    if isinstance(source, DhParams):
        return source
    try:
        return read_dh_pem(_content(source, allow_open=allow_open))
    except ValueError as error:
        raise ConfigError(f"{_where(source, 'DH parameters')}: {error}") from None


def _content(source: KeySource, *, allow_open: bool) -> bytes:
    if isinstance(source, bytes):
        return source
    return files.read_private_file(source, allow_open=allow_open)


def _where(source: KeySource, what: str) -> str:
    return f"the {what}" if isinstance(source, bytes) else f"the {what} {os.fspath(source)}"
