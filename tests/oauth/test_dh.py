from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.oauth.dh import (
    DhParams,
    challenge,
    dh_from_hex,
    k_to_bytes,
    read_dh_pem,
    shared_secret,
)

VECTORS = json.loads((Path(__file__).parents[1] / "samples" / "oauth_vectors.json").read_text())
PRIME = int(VECTORS["dh"]["prime_hex"], 16)
PARAMS = DhParams(PRIME, 2)


def der(tag: int, content: bytes) -> bytes:
    """Write one DER element."""
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def integer(number: int) -> bytes:
    """Write a DER integer, canonically."""
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def dh_pem(*parts: bytes, label: str = "DH PARAMETERS", after: bytes = b"") -> bytes:
    """Write a PEM file around a DER sequence of these parts."""
    text = base64.encodebytes(der(0x30, b"".join(parts)) + after).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n".encode()


@pytest.mark.parametrize("vector", VECTORS["k_to_bytes"], ids=lambda v: f"{v['bit_length']} bits")
def test_k_is_written_as_in_the_vectors(vector: dict[str, Any]) -> None:
    """A zero byte goes in front exactly when the bit length is a multiple of eight."""
    assert k_to_bytes(int(vector["k_hex"], 16)).hex() == vector["bytes_hex"]


@pytest.mark.parametrize("vector", VECTORS["published_examples"]["k_to_bytes"])
def test_k_is_written_as_ibkr_publishes(vector: dict[str, Any]) -> None:
    """IBKR's own two examples."""
    assert k_to_bytes(int(vector["k_hex"], 16)).hex() == vector["bytes_hex"]


@given(st.integers(min_value=0))
def test_k_reads_back_as_a_positive_number(k: int) -> None:
    """The bytes are a signed number, and no shorter form is."""
    written = k_to_bytes(k)

    assert int.from_bytes(written, "big", signed=True) == k
    assert len(written) == 1 or int.from_bytes(written[1:], "big", signed=True) != k


@pytest.mark.parametrize("vector", VECTORS["dh_challenge"], ids=lambda v: v["name"])
def test_challenge_is_computed_as_in_the_vectors(vector: dict[str, Any]) -> None:
    """The challenge is lower-case hex without padding."""
    assert challenge(PARAMS, int(vector["a_hex"], 16)) == vector["challenge_hex"]


@pytest.mark.parametrize("vector", VECTORS["live_session_token"], ids=lambda v: v["name"])
def test_shared_secret_is_computed_as_in_the_vectors(vector: dict[str, Any]) -> None:
    """Our power of the server's response is the K of the vectors, in its exact bytes."""
    a = int(vector["client_a_hex"], 16)

    k = shared_secret(PARAMS, a, vector["diffie_hellman_response"])

    assert challenge(PARAMS, a) == vector["diffie_hellman_challenge"]
    assert k == int(vector["k_hex"], 16)
    assert k_to_bytes(k).hex() == vector["k_bytes_hex"]


@pytest.mark.parametrize("response", [0, 1, PRIME - 1, PRIME, PRIME + 1])
def test_response_out_of_range_is_refused(response: int) -> None:
    """Such a response would make the secret known to anyone."""
    with pytest.raises(ValueError, match="out of range"):
        shared_secret(PARAMS, 5, f"{response:x}")


@pytest.mark.parametrize("response", ["", "0x1f", "-2", "1_0", " 2", "zz", "f" * 5000])
def test_response_that_is_not_hex_is_refused(response: str) -> None:
    """Python's own idea of an integer literal is wider than the protocol's."""
    with pytest.raises(ValueError, match="not a hexadecimal"):
        shared_secret(PARAMS, 5, response)


@pytest.mark.parametrize("response", [2, PRIME - 2])
def test_response_at_the_edge_is_taken(response: int) -> None:
    """The allowed range is open at 1 and p-1."""
    assert shared_secret(PARAMS, 2, f"{response:X}") == 4


def test_dh_file_is_read() -> None:
    """Prime and generator come from the file, also with a private value length and text before."""
    plain = dh_pem(integer(PRIME), integer(5))
    commented = b"DH Parameters: (2048 bit)\r\n" + plain.replace(b"\n", b"\r\n")
    long = dh_pem(integer(PRIME), integer(2), integer(225))

    assert read_dh_pem(plain) == (PRIME, 5)
    assert read_dh_pem(commented) == (PRIME, 5)
    assert read_dh_pem(long) == PARAMS


def test_x942_file_is_refused_with_what_to_do() -> None:
    """The form that newer OpenSSL writes for named groups has its fields in another order."""
    with pytest.raises(ValueError, match=r"X9\.42.*openssl dhparam.*dh_prime"):
        read_dh_pem(VECTORS["dh"]["dhparam_pem"].encode())


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (VECTORS["keys"]["signature_private_pkcs8_pem"].encode(), "'PRIVATE KEY'"),
        (VECTORS["keys"]["signature_private_pkcs1_pem"].encode(), "'RSA PRIVATE KEY'"),
        (b"", "an empty file"),
        (b"\x30\x82binary", "no PEM block"),
    ],
)
def test_wrong_file_is_named(data: bytes, found: str) -> None:
    """A user who passes another file learns which kind of file it is."""
    with pytest.raises(ValueError, match=found) as caught:
        read_dh_pem(data)

    assert "MII" not in str(caught.value)


def test_small_prime_is_refused_unless_allowed() -> None:
    """Primes below 2048 bits need an explicit word."""
    small = dh_pem(integer(2**127 - 1), integer(2))

    with pytest.raises(ValueError, match=r"127 bits, at least 2048"):
        read_dh_pem(small)
    assert read_dh_pem(small, min_bits=127) == (2**127 - 1, 2)


GOOD = dh_pem(integer(PRIME), integer(2))
LINES = GOOD.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"".join(LINES[:3]), "no end"),
        (b"".join([*LINES[:3], LINES[-1]]), "truncated"),
        (GOOD.replace(LINES[2], b"*" + LINES[2][1:]), "base64"),
        (dh_pem(), "damaged"),
        (dh_pem(integer(PRIME)), "damaged"),
        (dh_pem(integer(PRIME), der(0x04, b"\x02")), "damaged"),
        (dh_pem(integer(PRIME), b"\x02\x80"), "damaged"),
        (dh_pem(integer(PRIME), integer(2), integer(9), integer(9)), "more than"),
        (dh_pem(integer(PRIME), integer(2), after=b"\x00"), "more than"),
        (dh_pem(der(0x02, PRIME.to_bytes(256, "big")), integer(2)), "negative"),
        (dh_pem(integer(PRIME - 1), integer(2)), "even"),
        (dh_pem(integer(PRIME), integer(1)), "generator"),
        (dh_pem(integer(PRIME), integer(PRIME - 1)), "generator"),
    ],
)
def test_damaged_file_is_refused(data: bytes, message: str) -> None:
    """A file that is cut, changed or odd inside gives one clear message."""
    with pytest.raises(ValueError, match=message):
        read_dh_pem(data)


@given(st.binary(max_size=60))
def test_any_content_in_a_dh_file_is_read_or_refused(content: bytes) -> None:
    """No bytes inside the PEM block raise anything but `ValueError`."""
    with pytest.raises(ValueError, match="DH"):
        read_dh_pem(dh_pem(content))


def test_prime_is_read_from_hex() -> None:
    """The spellings that `openssl asn1parse` and `openssl dhparam -text` print are all accepted."""
    text = VECTORS["dh"]["prime_hex"]
    coloned = "00:" + ":\n    ".join(text[i : i + 2] for i in range(0, len(text), 2))

    assert dh_from_hex(text) == dh_from_hex(f" 0x{text.upper()}\n".replace("0X", "0x")) == PARAMS
    assert dh_from_hex(coloned) == PARAMS
    assert dh_from_hex(text, 5).generator == 5


@pytest.mark.parametrize(("text", "message"), [("xyz", "hexadecimal"), ("ff", "8 bits")])
def test_prime_that_is_not_usable_hex_is_refused(text: str, message: str) -> None:
    """A prime copied incompletely shows as too short."""
    with pytest.raises(ValueError, match=message):
        dh_from_hex(text)


def test_repr_is_short() -> None:
    """Six hundred digits help nobody."""
    assert repr(PARAMS) == "DhParams(2048 bits, generator 2)"
