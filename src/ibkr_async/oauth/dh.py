"""Diffie-Hellman as the live session token uses it. Pure arithmetic; the random number comes in.

The parameters are read by the small DER reader below and the powers are Python's: the `dh` module
of `cryptography` is announced for removal. Nothing here may weaken the checks on what the server
sends: a response of 0, 1 or p-1 would make the secret known to anyone.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ibkr_async.oauth import pem

MIN_PRIME_BITS = 2048
"""Smaller primes are refused unless the caller says otherwise."""

_LABEL = "DH PARAMETERS"
_HEX = re.compile(r"[0-9a-fA-F]+")
_MAX_HEX_DIGITS = 4096
_INTEGER, _SEQUENCE = 0x02, 0x30
_LONG_LENGTH = 0x80
_MAKE_ONE = "make one with `openssl dhparam -out dhparam.pem 2048` and upload it to IBKR's portal"


class DhParams(NamedTuple):
    """A prime and its generator, as uploaded to IBKR. Public values."""

    prime: int
    generator: int

    def __repr__(self) -> str:
        return f"DhParams({self.prime.bit_length()} bits, generator {self.generator})"


def read_dh_pem(data: bytes, *, min_bits: int = MIN_PRIME_BITS) -> DhParams:
    """Read the file that `openssl dhparam` writes.

    Errors: `ValueError` that names what was found instead and what to do: another kind of file, the
    X9.42 form, a truncated or damaged file, a prime of fewer than `min_bits` bits.
    """
    found = pem.labels(data)
    if _LABEL not in found and "X9.42 DH PARAMETERS" in found:
        # OpenSSL writes this form for named groups; its fields stand in another order (p, g, q).
        raise ValueError(
            f"the DH file is in the X9.42 form, which IBKR does not use; {_MAKE_ONE}, or give the "
            "prime as hex (dh_prime)"
        )
    if _LABEL not in found:
        raise ValueError(f"not a DH parameter file: found {pem.describe(data)}; {_MAKE_ONE}")
    prime, generator = _read_integers(pem.block(data, _LABEL))
    return _checked(prime, generator, min_bits)


def dh_from_hex(prime_hex: str, generator: int = 2, *, min_bits: int = MIN_PRIME_BITS) -> DhParams:
    """Build the parameters from the prime in hex; blanks, line breaks and colons are ignored.

    IBKR's samples always use generator 2.
    Errors: `ValueError` for text that is not hex, or a prime of fewer than `min_bits` bits.
    """
    digits = re.sub(r"[\s:]", "", prime_hex).removeprefix("0x")
    return _checked(_from_hex(digits, "the DH prime"), generator, min_bits)


def challenge(params: DhParams, a: int) -> str:
    """Compute `g^a mod p` as the hex text that is signed and sent: lower case, no prefix or padding.

    Source: POST /oauth/live_session_token, parameter `diffie_hellman_challenge`.
    """
    return f"{pow(params.generator, a, params.prime):x}"


def shared_secret(params: DhParams, a: int, response_hex: str) -> int:
    """Compute `B^a mod p` from the server's `diffie_hellman_response`.

    Errors: `ValueError` when the response is not hex or not strictly between 1 and p-1.
    """
    response = _from_hex(response_hex, "the server's Diffie-Hellman response")
    if not 1 < response < params.prime - 1:
        raise ValueError("the server's Diffie-Hellman response is out of range")
    return pow(response, a, params.prime)


def k_to_bytes(k: int) -> bytes:
    """Write the shared secret as the server does: shortest big-endian two's complement.

    A zero byte goes in front when, and only when, the bit length is a multiple of eight (the sign
    bit of Java's `BigInteger.toByteArray`); nothing is ever padded to the length of the prime.
    """
    return k.to_bytes(k.bit_length() // 8 + 1, "big")


def _checked(prime: int, generator: int, min_bits: int) -> DhParams:
    bits = prime.bit_length()
    if bits < min_bits:
        raise ValueError(
            f"the DH prime has {bits} bits, at least {min_bits} are needed; {_MAKE_ONE}"
        )
    if prime % 2 == 0:
        raise ValueError(
            f"the DH prime is even, so it is not a prime; copy it again, or {_MAKE_ONE}"
        )
    if not 1 < generator < prime - 1:
        raise ValueError(f"the DH generator is out of range; {_MAKE_ONE}")
    return DhParams(prime, generator)


def _from_hex(text: str, what: str) -> int:
    # `int` alone would also take signs, underscores and a prefix.
    if len(text) > _MAX_HEX_DIGITS or not _HEX.fullmatch(text):
        raise ValueError(f"{what} is not a hexadecimal number")
    return int(text, 16)


def _read_integers(der: bytes) -> tuple[int, int]:
    """Read `SEQUENCE { INTEGER p, INTEGER g [, INTEGER privateValueLength] }`."""
    body, rest = _element(der, _SEQUENCE)
    prime, tail = _element(body, _INTEGER)
    generator, tail = _element(tail, _INTEGER)
    if tail:
        _, tail = _element(tail, _INTEGER)
    if tail or rest:
        raise ValueError(f"the DH file holds more than a prime and a generator; {_MAKE_ONE}")
    values = [int.from_bytes(content, "big", signed=True) for content in (prime, generator)]
    if min(values) < 0:
        # Some generators forget the leading zero byte; IBKR's portal then reads a negative prime.
        raise ValueError(f"the DH file is not canonical DER: a number is negative; {_MAKE_ONE}")
    return values[0], values[1]


def _element(der: bytes, tag: int) -> tuple[bytes, bytes]:
    """Split off the first element: its content, and what follows it."""
    damaged = f"the DH file is truncated or damaged; {_MAKE_ONE}"
    if len(der) < 2 or der[0] != tag:  # noqa: PLR2004 - a tag byte and a length byte
        raise ValueError(damaged)
    length, start = der[1], 2
    if length >= _LONG_LENGTH:
        start += length - _LONG_LENGTH
        length = int.from_bytes(der[2:start], "big")
    end = start + length
    if length == 0 or end > len(der):
        raise ValueError(damaged)
    return der[start:end], der[end:]
