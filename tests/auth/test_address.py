from __future__ import annotations

import pytest

from ibkr_async.auth._address import (
    api_cookie,
    check_base_url,
    check_ws_url,
    may_skip_host_name,
    ws_url_for,
)
from ibkr_async.errors import AuthError, ConfigError


@pytest.mark.parametrize(
    "url",
    [
        "https://api.ibkr.com/v1/api",
        "https://1.api.ibkr.com/v1/api",
        "https://www.interactivebrokers.com/tradingapi/v1",
        "https://localhost:5000",
        "http://localhost:5000",
        "https://127.0.0.1:5000/v1/api",
        "http://127.8.8.8",
        "https://[::1]:5000/v1/api",
        "HTTPS://API.IBKR.COM/v1/api",
    ],
)
def test_ibkr_and_this_machine_are_allowed(url: str) -> None:
    """Credentials may go to IBKR over TLS, and to loopback."""
    assert check_base_url(url + "/", None) == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://example.org/v1/api", "neither IBKR nor this machine.*allow_host='example.org'"),
        ("https://ibkr.com.example.org", "neither"),
        ("https://evilibkr.com", "neither"),
        ("https://api.ibkr.com.", "neither"),
        ("https://10.0.0.5:5000", "neither"),
        ("https://0.0.0.0:5000", "neither"),
        ("https://127.1:5000", "neither"),
        ("https://localhost.example.org", "neither"),
        ("http://api.ibkr.com/v1/api", "in the clear"),
        ("http://10.0.0.5", "in the clear"),
        ("https://api.ibkr.com@example.org/", "no user name"),
        ("https://user:pw@api.ibkr.com/", "no user name"),
        ("https://api.ibkr.com/?next=//evil", "no query"),
        ("https://api.ibkr.com/#x", "no fragment"),
        ("https://api.ibkr.com\\@example.org", "no user name"),
        ("//api.ibkr.com/v1/api", "malformed"),
        ("api.ibkr.com/v1/api", "malformed"),
        ("ftp://api.ibkr.com", "malformed"),
        ("https://", "malformed"),
        ("", "malformed"),
        ("https://api.ibkr.com:port", "malformed"),
        ("https://api.ibkr.com:0", "malformed"),
        ("https://[::1", "malformed"),
        ("https://api.ibkr.com/\r\nHost: evil", "malformed"),
        ("https://api.ibkr.com /v1", "malformed"),
        ("https://\u0430pi.ibkr.com", "malformed"),
    ],
)
def test_other_addresses_are_refused(url: str, message: str) -> None:
    """Foreign hosts, plain text to other machines and trick spellings never get credentials."""
    with pytest.raises(ConfigError, match=message) as caught:
        check_base_url(url, None)

    assert "pw" not in str(caught.value)


def test_named_host_is_allowed_over_tls_only() -> None:
    """`allow_host` opens exactly one host, and not for plain text."""
    assert check_base_url("https://ib-gateway:5000", "IB-gateway") == "https://ib-gateway:5000"
    with pytest.raises(ConfigError, match="neither"):
        check_base_url("https://other:5000", "ib-gateway")
    with pytest.raises(ConfigError, match="in the clear"):
        check_base_url("http://ib-gateway:5000", "ib-gateway")


@pytest.mark.parametrize(
    ("base_url", "ws_url"),
    [
        ("https://api.ibkr.com/v1/api", "wss://api.ibkr.com/v1/api/ws"),
        ("HTTP://localhost:5000/v1/api", "ws://localhost:5000/v1/api/ws"),
    ],
)
def test_socket_address_follows_from_the_rest_root(base_url: str, ws_url: str) -> None:
    """Secure stays secure."""
    assert ws_url_for(base_url) == ws_url
    assert check_ws_url(ws_url, None) == ws_url


def test_socket_address_is_checked_alike() -> None:
    """The access token travels in the socket's address, so it is as careful."""
    with pytest.raises(ConfigError, match="neither"):
        check_ws_url("wss://example.org/ws", None)
    with pytest.raises(ConfigError, match="in the clear"):
        check_ws_url("ws://api.ibkr.com/ws", None)
    with pytest.raises(ConfigError, match="malformed"):
        check_ws_url("https://api.ibkr.com/ws", None)


def test_pin_replaces_the_host_name_only_where_it_says_enough() -> None:
    """On this machine or a named host; never for IBKR's own."""
    assert may_skip_host_name("https://localhost:5000", None)
    assert may_skip_host_name("https://ib-gateway", "ib-gateway")
    assert not may_skip_host_name("https://api.ibkr.com", None)


def test_session_becomes_the_api_cookie() -> None:
    """The bare spelling."""
    assert api_cookie("aeccc9d7515398c50fa894d967d099b1") == "api=aeccc9d7515398c50fa894d967d099b1"


@pytest.mark.parametrize("session", ["", "a b", "a;b", "a\r\nX: y", 'a"b', "a,b", "é"])
def test_session_that_cannot_be_a_cookie_is_refused(session: str) -> None:
    """A header cannot be broken open by what a server calls its session."""
    with pytest.raises(AuthError, match="brokerage session is not up"):
        api_cookie(session)
