from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ibkr_async.oauth import pem
from ibkr_async.oauth.dh import DhParams, read_dh_pem
from ibkr_async.oauth.dh_files import GROUP_14, is_canonical, is_safe_prime, write_dh_pem

SAMPLES = Path(__file__).parents[1] / "samples"


def pem_of(der: bytes) -> bytes:
    """Wrap DER as a DH file."""
    text = base64.b64encode(der).decode()
    return f"-----BEGIN DH PARAMETERS-----\n{text}\n-----END DH PARAMETERS-----\n".encode()


def test_group_14_is_that_of_the_vectors_and_a_safe_prime() -> None:
    """A single wrong digit would show in both."""
    vectors = json.loads((SAMPLES / "oauth_vectors.json").read_text())

    assert int(vectors["dh"]["prime_hex"], 16) == GROUP_14.prime
    assert is_safe_prime(GROUP_14.prime)


def test_written_file_is_read_back_and_canonical() -> None:
    """What we write has the sign byte, and nothing that could be left out."""
    written = write_dh_pem(GROUP_14)

    assert read_dh_pem(written) == GROUP_14
    assert is_canonical(written)
    assert pem.block(written, "DH PARAMETERS")[:10].hex() == "308201080282010100ff"
    assert max(map(len, written.splitlines())) <= 64


def test_openssl_reads_it(tmp_path: Path) -> None:
    """The tool that IBKR's instructions use agrees."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("there is no openssl program on this machine")
    file = tmp_path / "dhparam.pem"
    file.write_bytes(write_dh_pem(GROUP_14))

    done = subprocess.run(
        [openssl, "dhparam", "-in", str(file), "-noout", "-text"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "2048 bit" in done.stdout


def test_unusual_spellings_are_noticed() -> None:
    """A second zero byte or a long length field is read, but is not canonical."""
    der = pem.block(write_dh_pem(GROUP_14), "DH PARAMETERS")
    body = der[4:]
    doubled = b"\x02\x82\x01\x02\x00" + body[4:]

    assert not is_canonical(pem_of(b"\x30\x82" + len(doubled).to_bytes(2, "big") + doubled))
    assert not is_canonical(pem_of(b"\x30\x83\x00" + der[2:]))
    assert read_dh_pem(pem_of(b"\x30\x83\x00" + der[2:])) == GROUP_14


def test_third_number_of_openssl_is_fine() -> None:
    """Some versions add the length of the private number."""
    body = pem.block(write_dh_pem(GROUP_14), "DH PARAMETERS")[4:] + b"\x02\x02\x00\xe1"

    assert is_canonical(pem_of(b"\x30\x82" + len(body).to_bytes(2, "big") + body))
    body = body[:-4] + b"\x02\x03\x00\x00\xe1"
    assert not is_canonical(pem_of(b"\x30\x82" + len(body).to_bytes(2, "big") + body))


def test_missing_sign_byte_is_named() -> None:
    """Some generators forget it, and the prime then reads as a negative number."""
    body = pem.block(write_dh_pem(GROUP_14), "DH PARAMETERS")[4:]
    bare = b"\x02\x82\x01\x00" + body[5:]

    with pytest.raises(ValueError, match="not canonical DER: a number is negative"):
        is_canonical(pem_of(b"\x30\x82" + len(bare).to_bytes(2, "big") + bare))


@pytest.mark.parametrize("prime", [5, 7, 11, 23, 47, 59, 83, 107])
def test_small_safe_primes_are_known(prime: int) -> None:
    """A table that can be checked by hand."""
    assert is_safe_prime(prime)


@pytest.mark.parametrize("number", [-7, 0, 1, 4, 9, 13, 37, 41, 43, 49, 561, 2047, 3_215_031_751])
def test_other_numbers_are_not_safe_primes(number: int) -> None:
    """Composites, pseudoprimes, and primes whose half is not one."""
    assert not is_safe_prime(number)


def test_damaged_prime_is_noticed() -> None:
    """One flipped digit in the middle of the real one."""
    assert not is_safe_prime(GROUP_14.prime ^ (1 << 1000))
    assert DhParams(GROUP_14.prime, 2) == GROUP_14
