"""The keys of one simulator: made fresh at its start, visibly fake, gone at its end.

Responsible for the client's two RSA pairs, the access token and its encrypted secret, the TLS
certificate for loopback, and for writing them where a client can read them. It must never log or
print any of them, and never overwrite credentials that a simulator did not write.
"""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ibkr_async.simulator.login.verifier import REALM, Consumer
from ibkr_async.simulator.wire import as_object
from ibkr_async.world import World

if TYPE_CHECKING:
    from pathlib import Path

CONSUMER_KEY = "SIMULATOR"
"""Nine upper-case letters like a real one, and nobody's."""
GENERATOR = 2
PRIME = int(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74"
    "020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437"
    "4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
    "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05"
    "98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb"
    "9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b"
    "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718"
    "3995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff",
    16,
)
"""The 2048-bit group 14 of RFC 3526: public, so no user's own parameters are ever used."""

CREDENTIALS_FILE = "credentials.json"
_KEY_BITS = 2048
_CERTIFICATE_DAYS = 365
_PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatorKeys:
    """Everything secret about one simulator. Its repr shows none of it."""

    access_token: str = field(repr=False)
    access_token_secret: str = field(repr=False)
    """Encrypted and in base64, as the portal shows it."""
    signature_pem: bytes = field(repr=False)
    encryption_pem: bytes = field(repr=False)
    certificate_pem: bytes = field(repr=False)
    certificate_key_pem: bytes = field(repr=False)
    consumer: Consumer = field(repr=False)
    """The server's view of the same credentials."""
    encryption_key: rsa.RSAPublicKey = field(repr=False)
    """The uploaded half; the secrets of new access tokens are encrypted for it."""

    @classmethod
    def generate(cls, world: World | None = None) -> SimulatorKeys:
        """Make a fresh set. Takes about half a second: run it off the event loop."""
        signature_key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        encryption_key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        world = world or World()
        secret = world.random.token(32)
        access_token = world.random.token(10).hex()
        certificate_key = ec.generate_private_key(ec.SECP256R1())
        return cls(
            access_token=access_token,
            access_token_secret=base64.b64encode(
                encryption_key.public_key().encrypt(secret, PKCS1v15())
            ).decode("ascii"),
            signature_pem=_private_pem(signature_key),
            encryption_pem=_private_pem(encryption_key),
            certificate_pem=_certificate(certificate_key, world.clock.wall()).public_bytes(
                Encoding.PEM
            ),
            certificate_key_pem=_private_pem(certificate_key),
            consumer=Consumer(
                key=CONSUMER_KEY,
                signature_key=signature_key.public_key(),
                dh_prime=PRIME,
                dh_generator=GENERATOR,
                access_tokens={access_token: secret},
            ),
            encryption_key=encryption_key.public_key(),
        )

    def write_credentials(
        self, directory: Path, *, account_id: str, base_url: str, ws_url: str
    ) -> None:
        """Write what a client needs, readable by the present user only.

        Files: `private_signature.pem private_encryption.pem dhparam.pem ca.pem credentials.json`.
        Errors: `FileExistsError` when the directory holds credentials of something else.
        """
        _refuse_foreign(directory)
        facts = {
            "consumer_key": CONSUMER_KEY,
            "access_token": self.access_token,
            "access_token_secret": self.access_token_secret,
            "realm": REALM,
            "dh_prime": f"{PRIME:x}",
            "account_id": account_id,
            "base_url": base_url,
            "ws_url": ws_url,
        }
        directory.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        # credentials.json goes first: its consumer key marks the directory as a simulator's.
        write_private(directory / CREDENTIALS_FILE, json.dumps(facts, indent=1).encode())
        write_private(directory / "private_signature.pem", self.signature_pem)
        write_private(directory / "private_encryption.pem", self.encryption_pem)
        write_private(directory / "dhparam.pem", dh_parameters_pem(PRIME, GENERATOR))
        write_private(directory / "ca.pem", self.certificate_pem)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only the present user can read, also when it existed before."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
    never_follow = getattr(os, "O_NOFOLLOW", 0)  # Windows lets only administrators make links
    descriptor = os.open(path, flags | never_follow, _PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        if hasattr(os, "fchmod"):  # Windows has no modes: the user's directory is closed to others
            os.fchmod(descriptor, _PRIVATE_FILE)
        file.write(content)


def dh_parameters_pem(prime: int, generator: int) -> bytes:
    """Write `DH PARAMETERS`: a DER sequence of the two integers, in base64 lines of 64."""
    body = _der_integer(prime) + _der_integer(generator)
    text = base64.b64encode(b"\x30" + _der_length(len(body)) + body).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(
        ["-----BEGIN DH PARAMETERS-----", *lines, "-----END DH PARAMETERS-----", ""]
    ).encode("ascii")


def _der_integer(number: int) -> bytes:
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + _der_length(len(content)) + content


def _der_length(length: int) -> bytes:
    if length < 0x80:  # noqa: PLR2004 - the DER limit of the short length form
        return bytes([length])
    content = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(content)]) + content


def _private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _certificate(key: ec.EllipticCurvePrivateKey, now_s: float) -> x509.Certificate:
    """Sign our own certificate, with every extension that strict verification asks for."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ibkr_async simulator (not IBKR)")])
    now = datetime.fromtimestamp(now_s, UTC)
    own_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=_CERTIFICATE_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(own_id, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_id), critical=False
        )
        .sign(key, SHA256())
    )


def _refuse_foreign(directory: Path) -> None:
    """Refuse a directory that already holds key files or credentials of something else."""
    credentials = directory / CREDENTIALS_FILE
    if credentials.exists():
        try:
            facts = json.loads(credentials.read_bytes())
        except ValueError:
            facts = None
        if as_object(facts).get("consumer_key") == CONSUMER_KEY:
            return
    elif not directory.is_dir() or not any(directory.glob("*.pem")):
        return
    raise FileExistsError(
        f"{directory} holds credentials that no simulator wrote; choose another directory"
    )
