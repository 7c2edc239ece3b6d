"""The server's half of the live session token. Pure.

Responsible for answering a Diffie-Hellman challenge: our share of the exchange, the token that
both sides arrive at, and the proof of it. It must never draw randomness or read a clock: the
exponent comes in as an argument.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import NamedTuple

_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+", re.ASCII)


class LiveToken(NamedTuple):
    """What a live session token request leads to."""

    response: str
    """Our share of the exchange in hexadecimal."""
    token: bytes
    """20 bytes; the HMAC key of everything that follows."""
    proof: str
    """Hexadecimal HMAC-SHA1 of the consumer key, which the client compares."""


def answer_challenge(
    challenge: str,
    *,
    prime: int,
    generator: int,
    exponent: int,
    secret: bytes,
    consumer_key: str,
) -> LiveToken:
    """Work out the live session token for a client's challenge.

    Errors: `ValueError` when the challenge is not hexadecimal or not strictly between 1 and p-1.
    """
    if not _HEXADECIMAL.fullmatch(challenge):
        raise ValueError("the challenge is not hexadecimal")
    share = int(challenge, 16)
    if not 1 < share < prime - 1:
        raise ValueError("the challenge is outside its range")
    token = hmac.new(signed_bytes(pow(share, exponent, prime)), secret, hashlib.sha1).digest()
    return LiveToken(
        response=f"{pow(generator, exponent, prime):x}",
        token=token,
        proof=hmac.new(token, consumer_key.encode("ascii"), hashlib.sha1).hexdigest(),
    )


def signed_bytes(number: int) -> bytes:
    """Write a positive number as Java's `BigInteger.toByteArray` does.

    Big-endian, as short as possible, with a zero byte in front when the top bit is set.
    """
    return number.to_bytes(number.bit_length() // 8 + 1, "big")
