"""Which servers credentials may be sent to, and how the socket's address follows from the REST root.

Credentials go to IBKR over TLS, to this machine, or to one host that the user has named; everything
else is refused before the first byte. It must never be widened by a default.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from ibkr_async.errors import AuthError, ConfigError

_IBKR_DOMAINS = ("ibkr.com", "interactivebrokers.com")
_SOCKET_SCHEMES = {"https": "wss", "http": "ws"}
_PLAIN_TEXT = re.compile(r"[\x21-\x7e]+")
_COOKIE_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")


def check_base_url(url: str, allow_host: str | None) -> str:
    """Return the REST root without a trailing slash, or refuse it.

    Errors: `ConfigError` for a malformed address, plain HTTP to another machine, or a host that is
    not IBKR's, not this machine, and not `allow_host`.
    """
    return _checked(url, ("https", "http"), allow_host)


def check_ws_url(url: str, allow_host: str | None) -> str:
    """Return the socket's address, or refuse it for the same reasons as `check_base_url`."""
    return _checked(url, ("wss", "ws"), allow_host)


def ws_url_for(base_url: str) -> str:
    """Derive the socket's address from a checked REST root: `wss://.../v1/api/ws`."""
    scheme, _, rest = base_url.partition("://")
    return f"{_SOCKET_SCHEMES[scheme.lower()]}://{rest}/ws"


def may_skip_host_name(url: str, allow_host: str | None) -> bool:
    """Tell whether a pinned certificate may carry another name: on this machine or a named host only."""
    host = urlsplit(url).hostname or ""
    return _is_loopback(host) or _is_named(host, allow_host)


def api_cookie(session: str) -> str:
    """Write the cookie that binds a socket to a session.

    Both spellings in the wild, the bare value and a JSON object, are accepted; this is the bare one.
    Errors: `AuthError` when the session could not be a cookie value.
    Source: protocol notes 1.2, "Cookie on the upgrade request".
    """
    if not _COOKIE_VALUE.fullmatch(session):
        raise AuthError(
            "socket",
            "the session from /tickle is empty or is not a cookie value",
            "the brokerage session is not up yet: await ib.ready(), or look at ib.session.info",
        )
    return f"api={session}"


def _checked(url: str, schemes: tuple[str, str], allow_host: str | None) -> str:
    secure, plain = schemes
    url = url.rstrip("/")
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError:
        raise ConfigError(f"malformed address; expected {secure}://host[:port]/path") from None
    # Printable ASCII only: look-alike host names and line breaks have no business here.
    well_formed = _PLAIN_TEXT.fullmatch(url) and port_is_valid and host
    if not well_formed or parts.scheme not in schemes:
        raise ConfigError(f"malformed address; expected {secure}://host[:port]/path")
    if "@" in parts.netloc or "?" in url or "#" in url or "\\" in url:
        raise ConfigError("an address has no user name, no query and no fragment")
    if parts.scheme == plain and not _is_loopback(host):
        raise ConfigError(
            f"{plain}:// to {host} would send credentials in the clear; use {secure}:// "
            "(plain text is for this machine only)"
        )
    if not (_is_loopback(host) or is_ibkr(host) or _is_named(host, allow_host)):
        raise ConfigError(
            f"{host} is neither IBKR nor this machine; check the address, or, if you trust it with "
            f"your credentials, pass allow_host={host!r}"
        )
    return url


def is_ibkr(host: str) -> bool:
    """Tell whether a host is one of IBKR's."""
    return any(host == domain or host.endswith(f".{domain}") for domain in _IBKR_DOMAINS)


def _is_named(host: str, allow_host: str | None) -> bool:
    return allow_host is not None and host == allow_host.lower()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
