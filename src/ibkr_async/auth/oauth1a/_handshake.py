"""One round of `POST /oauth/live_session_token`: the request, and what its answer means.

The state between rounds lives in `OAuth1a`; here are functions of their arguments. Refusals become
errors with the cure that users have found to work (see `_refusal`). No secret may reach an error.

Source: "How to implement OAuth", step "Obtaining a live session token".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from ibkr_async.auth import _refusal
from ibkr_async.auth._secret import Secret
from ibkr_async.errors import IbkrError, LiveSessionTokenError
from ibkr_async.models.base import decode
from ibkr_async.models.session import LiveSessionTokenReply
from ibkr_async.oauth import dh, session_token
from ibkr_async.oauth.signature import authorization_header, base_string, sign_rsa_sha256
from ibkr_async.ports import USER_AGENT, HttpReply, HttpRequest

if TYPE_CHECKING:
    from ibkr_async.auth.keys import Keys

STEP = "live session token"
LABEL = "POST /oauth/live_session_token"
TIMEOUT_S = 30.0
LIFETIME_S = 86_400.0
"""How long IBKR says a live session token lasts."""

_OK = 200


class Identity(NamedTuple):
    """Who logs in where."""

    consumer_key: str
    access_token: Secret[str]
    realm: str
    base_url: str


class LiveSessionToken(NamedTuple):
    """The key that signs requests, and how long it lasts."""

    key: Secret[bytes]
    expires_at: float
    """Unix seconds on the server's clock."""


def build_request(
    who: Identity, keys: Keys, exponent: Secret[int], *, timestamp: str, nonce: str
) -> HttpRequest:
    """Write the signed request. Slow (a power and an RSA signature): for a worker thread."""
    url = f"{who.base_url}/oauth/live_session_token"
    params = [
        ("diffie_hellman_challenge", dh.challenge(keys.dh, exponent.reveal())),
        ("oauth_consumer_key", who.consumer_key),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", "RSA-SHA256"),
        ("oauth_timestamp", timestamp),
        ("oauth_token", who.access_token.reveal()),
    ]
    base = base_string("POST", url, params, prepend=keys.secret.reveal().hex())
    signature = sign_rsa_sha256(base, keys.signature_key)
    return HttpRequest(
        method="POST",
        url=url,
        headers={
            "Authorization": authorization_header(
                [*params, ("oauth_signature", signature)], who.realm
            ),
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
            "Content-Length": "0",
        },
        content=b"",
        timeout_s=TIMEOUT_S,
        label=LABEL,
    )


def read_answer(who: Identity, reply: HttpReply, *, ahead_s: float) -> LiveSessionTokenReply:
    """Turn a success into its model.

    Errors: `LiveSessionTokenError` for a refusal or an unreadable body; `ServerError` and
    `RateLimitedError` for weather.
    """
    if reply.status != _OK:
        raise refusal(who, reply, ahead_s=ahead_s)
    try:
        answer: LiveSessionTokenReply = decode(LiveSessionTokenReply, reply.content)
    except msgspec.DecodeError:
        raise LiveSessionTokenError(
            STEP,
            _refusal.unreadable(reply),
            _refusal.hint_for_status(reply.status),
        ) from None
    if "error" in answer.extra:
        raise refusal(who, reply, ahead_s=ahead_s)
    return answer


def derive(
    who: Identity, keys: Keys, exponent: Secret[int], answer: LiveSessionTokenReply, *, now: float
) -> LiveSessionToken:
    """Compute the token and check the server's proof of it. Slow (a power): for a worker thread.

    Errors: `LiveSessionTokenError` when the response is out of range or the proof is wrong.
    """
    try:
        token = _shared_token(keys, exponent, answer.diffie_hellman_response or "")
    except ValueError as error:
        raise LiveSessionTokenError(
            STEP, str(error), "check dhparam.pem against the upload; if it is right, try again"
        ) from None
    proof = answer.live_session_token_signature or ""
    if not session_token.verify_proof(token.reveal(), who.consumer_key, proof):
        raise LiveSessionTokenError(STEP, "the server's proof does not fit", _mismatch_hint(keys))
    expires_at = (answer.live_session_token_expiration or 0) / 1000
    if expires_at <= now:
        # The name says expiry and every client in production reads it so; IBKR's OpenAPI text calls
        # it the time of computation. A token that is dead on arrival can only be the latter.
        expires_at = max(expires_at, now) + LIFETIME_S
    return LiveSessionToken(token, expires_at)


def _shared_token(keys: Keys, exponent: Secret[int], response: str) -> Secret[bytes]:
    # A function of its own, so that no bare secret is a local where an error may be raised.
    k = dh.shared_secret(keys.dh, exponent.reveal(), response)
    return Secret(session_token.live_session_token(dh.k_to_bytes(k), keys.secret.reveal()))


def refusal(who: Identity, reply: HttpReply, *, ahead_s: float) -> IbkrError:
    """Build the error for an answer that is not a success."""
    return _refusal.oauth1_refusal(
        LiveSessionTokenError,
        STEP,
        LABEL,
        reply,
        consumer_key=who.consumer_key,
        realm=who.realm,
        hide=(who.access_token.reveal(),),
        ahead_s=ahead_s,
    )


def _mismatch_hint(keys: Keys) -> str:
    length = len(keys.secret.reveal())
    secret = (
        f" (likely: the decrypted secret has {length} bytes instead of {session_token.SECRET_LENGTH})"
        if length != session_token.SECRET_LENGTH
        else ""
    )
    return (
        "one of these is not what was uploaded or handed out: dhparam.pem, the encryption key"
        f"{secret}, or the access token secret, which may belong to another access token"
    )
