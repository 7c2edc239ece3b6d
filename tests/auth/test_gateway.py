from __future__ import annotations

from typing import NoReturn

import pytest

from ibkr_async.auth import Auth, Gateway
from ibkr_async.errors import ConfigError
from ibkr_async.ports import USER_AGENT, HttpReply, HttpRequest

SESSION = "aeccc9d7515398c50fa894d967d099b1"


def reply(set_cookie: str) -> HttpReply:
    """An answer with this Set-Cookie header."""
    return HttpReply(status=200, headers={"set-cookie": set_cookie}, content=b"{}")


async def never_send(request: HttpRequest) -> NoReturn:
    """Fail: a gateway needs no login."""
    raise AssertionError(request.label)


def test_gateway_is_an_auth() -> None:
    """The type checker reads this assignment."""
    auth: Auth = Gateway()

    assert auth.base_url == "https://localhost:5000/v1/api"


@pytest.mark.parametrize(
    ("given", "root"),
    [
        ("https://localhost:5000/", "https://localhost:5000/v1/api"),
        ("https://localhost:5000/v1/api/", "https://localhost:5000/v1/api"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000/v1/api"),
    ],
)
def test_api_path_is_added_when_missing(given: str, root: str) -> None:
    """The address of the browser login is enough."""
    assert Gateway(given).base_url == root


async def test_gateway_needs_no_login() -> None:
    """The login is the browser's."""
    gateway = Gateway()

    await gateway.login(never_send)

    assert not gateway.needs_login
    assert gateway.expires_at is None
    assert not gateway.opens_brokerage_session


def test_gateway_signs_nothing_until_it_has_a_cookie() -> None:
    """The session cookie of the gateway is replayed; other cookies are not."""
    gateway = Gateway()
    assert gateway.sign("GET", gateway.base_url, (), ()) == {}

    gateway.absorb(reply("XYZAB=1; Path=/, x-sess-uuid=0.1-ab.cd; Path=/v1/api; HttpOnly; Secure"))
    gateway.absorb(reply("other=1"))
    gateway.absorb(HttpReply(status=200, headers={}, content=b""))

    assert gateway.sign("GET", gateway.base_url, (), ()) == {"Cookie": "x-sess-uuid=0.1-ab.cd"}
    gateway.forget()
    assert gateway.sign("GET", gateway.base_url, (), ()) == {}


def test_socket_carries_the_session_cookie() -> None:
    """The session goes into the cookie `api`, the gateway's own cookie beside it."""
    gateway = Gateway("http://localhost:5000")

    target = gateway.socket(SESSION)
    gateway.absorb(reply("x-sess-uuid=u1; Path=/v1/api"))
    later = gateway.socket(SESSION)

    assert target.url == "ws://localhost:5000/v1/api/ws"
    assert target.headers == {"Cookie": f"api={SESSION}", "User-Agent": USER_AGENT}
    assert target.session == SESSION
    assert later.headers["Cookie"] == f"api={SESSION}; x-sess-uuid=u1"
    assert SESSION not in repr(target)


def test_socket_address_can_be_given() -> None:
    """A proxy may put the socket elsewhere."""
    gateway = Gateway("https://box:5000", ws_url="wss://box:5001/ws", allow_host="box")

    assert gateway.socket(SESSION).url == "wss://box:5001/ws"
    assert repr(gateway) == "Gateway('https://box:5000/v1/api')"


def test_foreign_address_is_refused() -> None:
    """A gateway elsewhere needs to be named."""
    with pytest.raises(ConfigError, match="allow_host='box'"):
        Gateway("https://box:5000")
    with pytest.raises(ConfigError, match="allow_host='box'"):
        Gateway(ws_url="wss://box:5000")
