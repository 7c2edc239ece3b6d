from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ibkr_async.auth import Gateway
from ibkr_async.errors import ConfigError


def make_certificate(
    directory: Path,
    name: str,
    *,
    issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None = None,
) -> Path:
    """Write `name.pem` (certificate, then key) for a server that calls itself by that name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = issuer or (subject, key)
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    path = directory / f"{name}.pem"
    path.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


def connect(
    client: ssl.SSLContext,
    server_file: Path,
    host: str,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> None:
    """Do a TLS handshake in memory between a client context and a server with this certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(server_file)
    server.maximum_version = version
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(to_client, to_server, server_hostname=host)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = [here, there]
    while waiting:
        for end in tuple(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)


def test_pinned_certificate_is_accepted_under_any_name_on_this_machine(tmp_path: Path) -> None:
    """A gateway's certificate names another host; the pin says which server it is."""
    certificate = make_certificate(tmp_path, "gateway.example")
    context = Gateway(ca=certificate).ssl_context()

    connect(context, certificate, "localhost")

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_pin_as_bytes_and_of_a_foreign_issuer_is_accepted(tmp_path: Path) -> None:
    """The pinned certificate itself is trusted, whoever has signed it."""
    issuer = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "someone")]),
        ec.generate_private_key(ec.SECP256R1()),
    )
    certificate = make_certificate(tmp_path, "localhost", issuer=issuer)

    connect(Gateway(ca=certificate.read_bytes()).ssl_context(), certificate, "localhost")


def test_other_certificate_of_the_same_name_is_refused(tmp_path: Path) -> None:
    """The name alone proves nothing."""
    pinned = make_certificate(tmp_path, "localhost")
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other", "localhost")

    with pytest.raises(ssl.SSLCertVerificationError):
        connect(Gateway(ca=pinned).ssl_context(), other, "localhost")


def test_self_signed_certificate_is_refused_without_a_pin(tmp_path: Path) -> None:
    """The system's trust store decides when nothing is pinned."""
    context = Gateway().ssl_context()

    with pytest.raises(ssl.SSLCertVerificationError):
        connect(context, make_certificate(tmp_path, "localhost"), "localhost")
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_host_name_still_counts_for_ibkr(tmp_path: Path) -> None:
    """A pin for IBKR's own host does not excuse another name."""
    certificate = make_certificate(tmp_path, "other.example")
    context = Gateway("https://api.ibkr.com", ca=certificate).ssl_context()

    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        connect(context, certificate, "api.ibkr.com")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_refused(tmp_path: Path) -> None:
    """A server that offers nothing newer than TLS 1.1 gets no connection."""
    certificate = make_certificate(tmp_path, "localhost")

    with pytest.raises(ssl.SSLError):
        connect(
            Gateway(ca=certificate).ssl_context(), certificate, "localhost", ssl.TLSVersion.TLSv1_1
        )


def test_session_keys_are_not_written_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The debugging variable of OpenSSL does not open a trading connection."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    certificate = make_certificate(tmp_path, "localhost")

    connect(Gateway(ca=certificate).ssl_context(), certificate, "localhost")

    assert Gateway().ssl_context().keylog_filename is None
    assert not (tmp_path / "keys.log").exists()


def test_environment_does_not_widen_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom a trading connection trusts is said by the settings and the system."""
    certificate = make_certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    with pytest.raises(ssl.SSLCertVerificationError):
        connect(Gateway().ssl_context(), certificate, "localhost")


def test_context_is_built_once(tmp_path: Path) -> None:
    """REST and socket share one policy."""
    gateway = Gateway(ca=make_certificate(tmp_path, "localhost"))

    assert gateway.ssl_context() is gateway.ssl_context()


def test_missing_certificate_file_is_seen_at_once(tmp_path: Path) -> None:
    """A wrong path fails where it is written."""
    with pytest.raises(ConfigError, match=r"cannot find .*nothing\.pem"):
        Gateway(ca=tmp_path / "nothing.pem")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "an empty file"),
        (b"\xff\x00", "no PEM block"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "'PRIVATE KEY'"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "'CERTIFICATE'"),
    ],
)
def test_file_that_is_no_certificate_is_named(content: bytes, found: str) -> None:
    """A wrong file is refused with what it holds and how to get the right one."""
    with pytest.raises(ConfigError, match=rf"{found}.*not a PEM certificate; for a gateway"):
        Gateway(ca=content).ssl_context()
