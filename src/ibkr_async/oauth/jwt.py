"""The two signed statements of OAuth 2.0: compact JWS with RS256. Pure.

The *client assertion* says which program asks for a token; the *single sign-on assertion* says for
which user, from which address. Times come in as arguments. Nothing here may log or keep a key or
what it signs.

Source: RFC 7515 (JWS), RFC 7523 (private_key_jwt), IBKR "OAuth 2.0" of the Web API documentation.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

AUDIENCE = "/token"
"""What IBKR wants as `aud`: the end of the token address, not the address."""
ISSUED_EARLIER_S = 10
"""The client assertion is dated back a little, so that a clock slightly ahead does no harm."""
ASSERTION_LIFETIME_S = 20
SESSION_LIFETIME_S = 86_400


def client_assertion(client_id: str, key_id: str, key: RSAPrivateKey, *, now: int) -> str:
    """Sign who asks for an access token; valid for 20 seconds after `now`.

    Units: `now` is whole Unix seconds.
    Source: POST /oauth2/api/v1/token, parameter `client_assertion`.
    """
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": AUDIENCE,
        "exp": now + ASSERTION_LIFETIME_S,
        "iat": now - ISSUED_EARLIER_S,
    }
    return sign_compact(claims, key_id, key)


def sso_session_assertion(
    client_id: str, key_id: str, key: RSAPrivateKey, *, credential: str, ip: str, now: int
) -> str:
    """Sign for which user, and from which public address, a session is wanted for a day.

    Units: `now` is whole Unix seconds.
    Source: POST /gw/api/v1/sso-sessions, whose whole body this is.
    """
    claims = {
        "ip": ip,
        "credential": credential,
        "iss": client_id,
        "exp": now + SESSION_LIFETIME_S,
        "iat": now,
    }
    return sign_compact(claims, key_id, key)


def sign_compact(claims: dict[str, Any], key_id: str, key: RSAPrivateKey) -> str:
    """Write `header.claims.signature`: compact JSON, base64url without padding, RS256."""
    header = {"alg": "RS256", "typ": "JWT", "kid": key_id}
    signed = f"{_part(header)}.{_part(claims)}"
    signature = key.sign(signed.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{_base64url(signature)}"


def _part(document: dict[str, Any]) -> str:
    return _base64url(msgspec.json.encode(document))


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
