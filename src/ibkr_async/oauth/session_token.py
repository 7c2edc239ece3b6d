"""The live session token: from the two secrets to the key that signs every later request. Pure.

secret = the decrypted access token secret; K = the Diffie-Hellman secret; the live session token is
HMAC-SHA1(K, secret), 20 bytes. The server proves that it knows the same token by an HMAC over the
consumer key. Nothing here may log, keep or print any of them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import warnings
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import padding

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

SECRET_LENGTH = 32
"""Bytes of every access token secret that has been published. That IBKR never differs is inferred."""


class SecretLengthWarning(UserWarning):
    """The decrypted access token secret is not 32 bytes long: most likely the key is the wrong one."""


def decrypt_secret(encrypted_b64: str, key: RSAPrivateKey) -> bytes:
    """Decrypt the access token secret with the private *encryption* key (RSAES-PKCS1-v1_5).

    Leading zero bytes belong to it. Blanks and line breaks in the text are ignored.
    A wrong key of the right size raises nothing: OpenSSL returns random bytes of random length
    on purpose. The length is the only early sign, so anything but 32 bytes draws a
    `SecretLengthWarning`; otherwise the fault shows only when the server refuses the login.
    Errors: `ValueError` when the text is not base64 or does not fit the key.
    """
    text = "".join(encrypted_b64.split())
    size = key.key_size // 8
    characters = (size + 2) // 3 * 4
    try:
        encrypted = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(_incomplete(text, characters)) from error
    if len(encrypted) != size:
        raise ValueError(_incomplete(text, characters))
    try:
        secret = key.decrypt(encrypted, padding.PKCS1v15())
    except ValueError as error:
        raise ValueError(
            "the access token secret cannot be decrypted with this encryption key; "
            "use the private half of the encryption key that was uploaded when it was generated"
        ) from error
    if len(secret) != SECRET_LENGTH:
        warnings.warn(
            f"the decrypted access token secret has {len(secret)} bytes instead of "
            f"{SECRET_LENGTH}; the encryption key is probably not the one that was uploaded "
            "(or it was swapped with the signature key)",
            SecretLengthWarning,
            stacklevel=2,
        )
    return secret


def live_session_token(k_bytes: bytes, secret: bytes) -> bytes:
    """Derive the live session token (20 bytes) from K and the decrypted access token secret.

    The protocol asks for HMAC-SHA1; the weakness of SHA-1 against collisions does not touch HMAC.
    """
    return hmac.digest(k_bytes, secret, hashlib.sha1)


def token_proof(live_session_token: bytes, consumer_key: str) -> str:
    """Compute the proof that the server sends along: 40 lower-case hex digits."""
    return hmac.digest(live_session_token, consumer_key.encode("ascii"), hashlib.sha1).hex()


def verify_proof(live_session_token: bytes, consumer_key: str, signature_hex: str) -> bool:
    """Tell whether the server knows this live session token; the comparison takes constant time."""
    expected = token_proof(live_session_token, consumer_key).encode("ascii")
    return hmac.compare_digest(expected, signature_hex.lower().encode("utf-8", "replace"))


def _incomplete(text: str, characters: int) -> str:
    return (
        f"the access token secret is incomplete or damaged: it has {len(text)} characters; copy all "
        f"{characters} of them from IBKR's portal, up to the last '=' (or the encryption key has "
        "another size than the uploaded one)"
    )
