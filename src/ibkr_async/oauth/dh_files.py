"""Diffie-Hellman parameters as a file: writing one, and looking closely at one. Pure.

`dh` reads what a login needs; this is for making the file and for finding out why IBKR's portal, or
the other side's arithmetic, does not like it. The group below is public and meant to be shared.
"""

from __future__ import annotations

import base64

from ibkr_async.oauth import pem
from ibkr_async.oauth.dh import DhParams, read_dh_pem

GROUP_14 = DhParams(
    int(
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22"
        "514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6"
        "F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3D"
        "C2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"
        "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E8603"
        "9B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
        "15728E5A8AACAA68FFFFFFFFFFFFFFFF",
        16,
    ),
    2,
)
"""The 2048-bit safe prime of RFC 3526, section 3. Its value holds no secret: SSH and IPsec use it."""

_LABEL = "DH PARAMETERS"
_LINE = 64
_SHORT_LENGTH = 0x80
_LONGEST_HEADER = 6
_WITNESSES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)


def write_dh_pem(params: DhParams) -> bytes:
    """Write the file that `openssl dhparam` would: canonical DER, with the sign byte."""
    text = base64.b64encode(_sequence(_body(params))).decode("ascii")
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "\n".join([f"-----BEGIN {_LABEL}-----", *lines, f"-----END {_LABEL}-----", ""]).encode()


def is_canonical(data: bytes) -> bool:
    """Tell whether a file that `read_dh_pem` reads is the only right spelling of its numbers.

    IBKR's portal wants the leading zero byte of a prime whose top bit is set, and no other.
    Errors: `ValueError` as `read_dh_pem`; it names a missing sign byte.
    """
    body = _body(read_dh_pem(data, min_bits=2))
    der = pem.block(data, _LABEL)
    for header in range(2, _LONGEST_HEADER):
        content = der[header:]
        # OpenSSL may add the length of the private number as a third integer.
        more = content[len(body) :]
        third = _integer(int.from_bytes(more[2:], "big")) if more else b""
        if der == _sequence(content) and content == body + third:
            return True
    return False


def is_safe_prime(prime: int) -> bool:
    """Tell whether `prime` and `(prime - 1) / 2` are prime, as far as twelve witnesses can tell.

    A number that was built to deceive could pass; this is to find damage, not attacks. 0.3 s for
    2048 bits.
    """
    return prime % 2 == 1 and _looks_prime(prime) and _looks_prime(prime // 2)


def _looks_prime(number: int) -> bool:
    """Ask Miller and Rabin."""
    if number in _WITNESSES:
        return True
    if number <= _WITNESSES[-1] or number % 2 == 0:
        return False
    exponent = number - 1
    twos = (exponent & -exponent).bit_length() - 1
    return all(_passes(number, witness, exponent >> twos, twos) for witness in _WITNESSES)


def _passes(number: int, witness: int, odd: int, twos: int) -> bool:
    power = pow(witness, odd, number)
    if power in {1, number - 1}:
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False


def _body(params: DhParams) -> bytes:
    return _integer(params.prime) + _integer(params.generator)


def _sequence(body: bytes) -> bytes:
    return b"\x30" + _length(len(body)) + body


def _integer(number: int) -> bytes:
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + _length(len(content)) + content


def _length(length: int) -> bytes:
    if length < _SHORT_LENGTH:
        return bytes([length])
    content = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([_SHORT_LENGTH | len(content)]) + content
