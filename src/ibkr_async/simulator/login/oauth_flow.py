"""The server's side of the third-party flow: request token, approval, access token. Pure.

Responsible for which request token stands where, and for what is granted in the end. A request
token can be approved once, within ten minutes, and exchanged once; an access token stays. Randomness
and time come in. No answer but the last one holds a secret, and that one is encrypted.

Rules: reference notes on IBKR's OAuth, sections 1.4 to 1.7 and 1.13. How long a request token lives,
and the words of the refusals, are ours.
"""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from ibkr_async.simulator.answers import Answer, ok
from ibkr_async.simulator.login.verifier import Consumer, Refusal, Verified

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

THIRD_PARTY_KEY = "SIMPARTNR"
"""The consumer that goes through this flow. Nine upper-case letters like a real one, and nobody's."""
THIRD_PARTY_ROOT = "/tradingapi/v1"
"""Root of the older API; its live session token answer lacks the expiration."""
OUT_OF_BAND = "oob"

_LIFETIME_S = 600.0
_TOKEN_BYTES, _SECRET_BYTES = 10, 32
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(slots=True)
class _Asked:
    """A request token that was handed out."""

    callback: str
    expires_at: float


class ThirdPartyFlow:
    """All request tokens of one consumer, and the access tokens that came of them."""

    def __init__(
        self,
        registered: Consumer,
        encryption_key: RSAPublicKey,
        *,
        is_paper: bool,
        new_bytes: Callable[[int], bytes],
    ) -> None:
        """Register `THIRD_PARTY_KEY` with the keys of another consumer: one upload serves both."""
        self._encryption_key = encryption_key
        self._is_paper = is_paper
        self._new_bytes = new_bytes
        self._asked: dict[str, _Asked] = {}
        self._verifiers: dict[str, str] = {}
        self.access_tokens: dict[str, bytes] = {}
        """Access token to its decrypted secret; grows with every user who approves."""
        self.consumer = Consumer(
            key=THIRD_PARTY_KEY,
            signature_key=registered.signature_key,
            realm=registered.realm,
            dh_prime=registered.dh_prime,
            dh_generator=registered.dh_generator,
            access_tokens=self.access_tokens,
            request_tokens=self._verifiers.keys(),
        )

    # the two signed steps

    def request_token(self, verified: Verified, now: float) -> Answer:
        """Hand out a request token. Errors: `Refusal` for a consumer that may not ask for one."""
        self._check_consumer(verified)
        token = self._new_bytes(_TOKEN_BYTES).hex()
        self._asked[token] = _Asked(verified.parameters["oauth_callback"], now + _LIFETIME_S)
        return ok({"oauth_token": token})

    def access_token(self, verified: Verified) -> Answer:
        """Exchange an approved request token; it is used up, even by a wrong verifier.

        Errors: `Refusal`.
        """
        self._check_consumer(verified)
        expected = self._verifiers.pop(verified.token)
        given = verified.parameters["oauth_verifier"]
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise Refusal("invalid verifier")
        token = self._new_bytes(_TOKEN_BYTES).hex()
        secret = self._new_bytes(_SECRET_BYTES)
        self.access_tokens[token] = secret
        encrypted = self._encryption_key.encrypt(secret, PKCS1v15())
        return ok(
            {
                "is_paper": self._is_paper,
                "oauth_token": token,
                "oauth_token_secret": base64.b64encode(encrypted).decode("ascii"),
            }
        )

    def _check_consumer(self, verified: Verified) -> None:
        # A first-party consumer gets its access token from the portal, not from here.
        if verified.consumer.key != self.consumer.key:
            raise Refusal("invalid consumer")

    # the user in between

    def is_open(self, token: str, now: float) -> bool:
        """Tell whether this request token waits for a decision."""
        asked = self._asked.get(token)
        return asked is not None and now < asked.expires_at

    def approve(self, token: str, now: float) -> str:
        """Approve a request token; return the verifier. Errors: `KeyError` when it is not open."""
        self._close(token, now)
        verifier = self._new_bytes(_TOKEN_BYTES).hex()
        self._verifiers[token] = verifier
        return verifier

    def deny(self, token: str, now: float) -> None:
        """Refuse a request token for good. Errors: `KeyError` when it is not open."""
        self._close(token, now)

    def _close(self, token: str, now: float) -> None:
        if not self.is_open(token, now):
            raise KeyError("the request token is not open")
        del self._asked[token]

    def callback_of(self, token: str, redirect_uri: str = "") -> str:
        """Return where the user is sent afterwards: empty for nowhere, when the verifier is shown.

        What was asked for when the request token was signed goes before `redirect_uri`.
        Errors: `ValueError` for an address that is not on this machine.
        """
        asked = self._asked.get(token)
        signed = asked.callback if asked is not None else OUT_OF_BAND
        address = redirect_uri if signed == OUT_OF_BAND else signed
        if address:
            _check_loopback(address)
        return address


def with_parameters(address: str, **parameters: str) -> str:
    """Add query parameters to a callback address."""
    return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(parameters)}"


def _check_loopback(address: str) -> None:
    """Refuse to send a verifier anywhere but to this machine. Errors: `ValueError`."""
    parts = urlsplit(address)
    if (
        parts.scheme not in {"http", "https"}
        or parts.hostname not in _LOOPBACK
        or "@" in parts.netloc
        or parts.fragment
        or not address.isprintable()
        or not address.isascii()
    ):
        raise ValueError("the callback is not an address of this machine")
