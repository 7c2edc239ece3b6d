"""The TLS policy, one for REST and socket: always verified, TLS 1.2 or later.

There are two kinds of context: the system's trust store (IBKR), or exactly one pinned certificate
(a gateway, the simulator). Verification can be narrowed to a pin; it can never be switched off.
"""

from __future__ import annotations

import contextlib
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ibkr_async import files
from ibkr_async.errors import ConfigError
from ibkr_async.oauth import pem

if TYPE_CHECKING:
    from ibkr_async.auth.keys import KeySource

_SERVERS: Final = ssl.Purpose.SERVER_AUTH.oid
_HOW_TO_GET = (
    "for a gateway save it with `openssl s_client -connect localhost:5000 -showcerts </dev/null`, "
    "for the simulator use its ca.pem"
)


class Trust:
    """Whom a connection trusts: built on first use, then always the same context."""

    def __init__(self, ca: KeySource | None, *, may_skip_host_name: bool) -> None:
        if ca is not None and not isinstance(ca, bytes):
            files.check_files([ca])
        self._ca = ca
        self._check_host_name = not may_skip_host_name
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext:
        """Return the context, loading files the first time.

        Errors: `ConfigError` when the certificate file is missing or holds something else.
        """
        if self._context is None:
            self._context = self._build()
        return self._context

    def _build(self) -> ssl.SSLContext:
        if self._ca is None:
            return system_context()
        certificate = self._ca if isinstance(self._ca, bytes) else files.read_file(self._ca)
        return pinned_context(certificate, check_host_name=self._check_host_name)


def system_context() -> ssl.SSLContext:
    """Build a context that trusts what the operating system trusts.

    Not `load_default_certs`: that one adds what `SSL_CERT_FILE` and `SSL_CERT_DIR` name, and trust comes
    from the settings.
    """
    context = _strict_context()
    if sys.platform == "win32":
        for store in ("CA", "ROOT"):
            for certificate, encoding, trust in ssl.enum_certificates(store):
                if encoding == "x509_asn" and (trust is True or _SERVERS in trust):
                    with contextlib.suppress(
                        ssl.SSLError
                    ):  # one that OpenSSL cannot read is not trusted
                        context.load_verify_locations(cadata=certificate)
        return context
    places = ssl.get_default_verify_paths()
    file, folder = places.openssl_cafile, places.openssl_capath
    found = (file if Path(file).is_file() else None), (folder if Path(folder).is_dir() else None)
    if any(found):
        context.load_verify_locations(*found)
    return context


def pinned_context(certificate: bytes, *, check_host_name: bool) -> ssl.SSLContext:
    """Build a context that trusts the given PEM certificate and nothing else.

    `check_host_name` is false only where the pin itself says which server it is: a gateway's own
    certificate often names another host.
    Errors: `ConfigError` when the text holds no usable certificate.
    """
    context = _strict_context()
    # A pin may be a server's own certificate, whose issuer we do not have.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=certificate.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise ConfigError(
            f"the certificate file (ca) holds {pem.describe(certificate)}, not a PEM certificate; "
            f"{_HOW_TO_GET}"
        ) from None
    context.check_hostname = check_host_name
    return context


def _strict_context() -> ssl.SSLContext:
    # Not ssl.create_default_context(): that one writes session keys to the file which the variable
    # SSLKEYLOGFILE names, and environment variables must not weaken a trading connection.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
