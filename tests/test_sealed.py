"""No traceback that is rendered with local variables shows what authorises, wherever a call fails."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.pretty import pretty_repr

from ibkr_async.auth import Gateway, OAuth1a, OAuth2, OAuthFlow
from ibkr_async.errors import IbkrError
from ibkr_async.oauth.dh import dh_from_hex
from ibkr_async.ports import HttpReply, HttpRequest, Method, Pairs, SocketTarget
from ibkr_async.rest.pipeline import RestPipeline
from ibkr_async.rest.request import RestRequest
from ibkr_async.rest.retry import RetryPolicy
from ibkr_async.rest.settings import RestSettings
from ibkr_async.rest.transport import HttpxTransport
from ibkr_async.stream.settings import SocketSettings
from ibkr_async.stream.socket.connection import dial
from ibkr_async.thirdparty import ThirdPartyClient
from ibkr_async.world import RealNetwork

CANARY = "c4n4ry"
VECTORS = json.loads((Path(__file__).parent / "samples" / "oauth_vectors.json").read_text())

ANSWERS = {
    "nothing": b"",
    "half": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "garbage": b"SSH-2.0\r\n\r\n",
    "bad packing": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    "refused": b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
    "down": b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
    "unreadable": b'HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n{"session":"c4n4ry"',
    "odd": b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n[{"session":"c4n4ry"',
}


def shown(error: BaseException | None) -> str:
    """Write out all locals of every frame of every cause, as collectors of errors do; not this file's."""
    texts = []
    while error is not None:
        texts.append(str(error))
        texts += [
            pretty_repr(dict(frame.f_locals))
            for frame, _ in traceback.walk_tb(error.__traceback__)
            if frame.f_code.co_filename != __file__
        ]
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\n".join(texts)


async def failing(answer: bytes | None, call: Callable[[int], Awaitable[object]]) -> BaseException:
    """Make a call to a server that answers with these bytes and closes; None: nobody is there."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer or b"")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if answer is None:
        server.close()
        await server.wait_closed()
    try:
        with pytest.raises(IbkrError) as caught:
            await call(port)
    finally:
        server.close()
    return caught.value


class Bearer:
    """An `Auth` that is logged in with a token that must not show."""

    needs_login = False
    expires_at = None
    opens_brokerage_session = True

    def __init__(self, port: int) -> None:
        self.base_url = f"http://127.0.0.1:{port}/v1/api"

    def ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def login(self, send: object) -> None:
        """Do nothing."""

    def forget(self) -> None:
        """Do nothing."""

    def absorb(self, reply: HttpReply) -> None:
        """Do nothing."""

    def sign(self, method: Method, url: str, query: Pairs, form: Pairs) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {CANARY}", "Cookie": f"api={CANARY}"}

    def socket(self, session: str) -> SocketTarget:
        return SocketTarget(url="ws://127.0.0.1", headers={}, session=session)


@pytest.mark.parametrize("answer", [None, *ANSWERS.values()], ids=["nobody", *ANSWERS])
async def test_failing_request_shows_no_secret(answer: bytes | None) -> None:
    """Neither of our frames nor those of the library below, nor the body of the answer."""

    async def call(port: int) -> object:
        auth = Bearer(port)
        transport = HttpxTransport(auth.ssl_context)
        settings = RestSettings(retry=RetryPolicy(max_tries=1))
        pipeline = RestPipeline(auth, transport, settings=settings)
        try:
            return await pipeline.send(
                RestRequest(method="POST", path="/tickle", result=dict[str, int], body={"a": 1})
            )
        finally:
            await pipeline.aclose()

    error = await failing(answer, call)

    assert CANARY not in shown(error)


@pytest.mark.parametrize("answer", [None, *ANSWERS.values()], ids=["nobody", *ANSWERS])
async def test_failing_socket_shows_no_secret(answer: bytes | None) -> None:
    """Token in the query, session in the cookie."""

    async def call(port: int) -> object:
        target = SocketTarget(
            url=f"ws://127.0.0.1:{port}/ws?oauth_token={CANARY}",
            headers={"Cookie": f"api={CANARY}"},
            session=CANARY,
        )
        return await dial(target, None, SocketSettings(), RealNetwork())

    error = await failing(answer, call)

    assert CANARY not in shown(error)


ACCESS_TOKEN = VECTORS["credentials"]["access_token"]
SECRET = VECTORS["access_token_secret"]["encrypted_base64"]
KEYS = {
    "signature_key": VECTORS["keys"]["signature_private_pkcs8_pem"].encode(),
    "encryption_key": VECTORS["keys"]["encryption_private_pkcs1_pem"].encode(),
}


def oauth1a(root: str) -> OAuth1a:
    """Credentials of the vectors, for a server on this machine."""
    return OAuth1a(
        consumer_key="TESTCONS",
        access_token=ACCESS_TOKEN,
        access_token_secret=SECRET,
        dh=dh_from_hex(VECTORS["dh"]["prime_hex"]),
        base_url=root,
        **KEYS,
    )


def is_hidden(text: str, *secrets: str) -> bool:
    """Tell whether none of these shows, nor the beginning of a key."""
    keys = [b"".join(key.splitlines()[2:4]).decode()[:40] for key in KEYS.values()]
    return not any(secret in text for secret in (*secrets, *keys))


ROWS = [None, *ANSWERS.values()]
NAMES = ["nobody", *ANSWERS]


@pytest.mark.parametrize("answer", ROWS, ids=NAMES)
async def test_failing_oauth1a_login_shows_no_secret(answer: bytes | None) -> None:
    """Access token, its secret and the signature, whatever the server does."""

    async def call(port: int) -> object:
        auth = oauth1a(f"http://127.0.0.1:{port}/v1/api")
        transport = HttpxTransport(auth.ssl_context)
        try:
            return await auth.login(transport.send)
        finally:
            await transport.aclose()

    text = shown(await failing(answer, call))

    assert is_hidden(text, ACCESS_TOKEN, SECRET, CANARY)
    assert "oauth_signature=" not in text


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("reply", [b"", b"{}", b'{"error":"no"}', b"[", b'{"access_token":""}'])
@pytest.mark.parametrize("status", [200, 400, 429, 500])
async def test_failing_oauth2_login_shows_no_secret(step: int, reply: bytes, status: int) -> None:
    """Assertions and tokens of both steps."""
    sent: list[HttpRequest] = []

    async def send(request: HttpRequest) -> HttpReply:
        sent.append(request)
        if len(sent) < step:
            return HttpReply(status=200, headers={}, content=b'{"access_token":"c4n4ry"}')
        return HttpReply(status=status, headers={}, content=reply)

    auth = OAuth2(
        client_id="cl13nt",
        key_id="main",
        key=KEYS["signature_key"],
        credential="us3r",
        ip="1.2.3.4",
    )
    with pytest.raises(IbkrError) as caught:
        await auth.login(send)
    text = shown(caught.value)

    assert is_hidden(text, CANARY, "cl13nt", "eyJ")


@pytest.mark.parametrize("answer", ROWS, ids=NAMES)
@pytest.mark.parametrize("leg", ["request token", "access token"])
async def test_failing_leg_of_the_flow_shows_no_secret(answer: bytes | None, leg: str) -> None:
    """Request token and verifier."""

    async def call(port: int) -> object:
        flow = OAuthFlow(
            consumer_key="TESTCONS",
            dh=dh_from_hex(VECTORS["dh"]["prime_hex"]),
            base_url=f"http://127.0.0.1:{port}/v1/api",
            **KEYS,
        )
        async with flow:
            if leg == "request token":
                return await flow.request_token()
            return await flow.access_token(*held())

    def held() -> tuple[str, str]:
        return "v3rifier" * 2, "r3quest" * 2

    text = shown(await failing(answer, call))

    assert is_hidden(text, "v3rifierv3rifier", "r3questr3quest", CANARY)
    assert "oauth_signature=" not in text


@pytest.mark.parametrize("answer", [None, ANSWERS["refused"], ANSWERS["half"]])
async def test_failing_gateway_shows_no_cookie(answer: bytes | None) -> None:
    """The cookie is the session."""

    async def call(port: int) -> object:
        auth = Gateway(f"http://127.0.0.1:{port}")
        cookie = {"set-cookie": f"x-sess-uuid={CANARY}"}
        auth.absorb(HttpReply(status=200, headers=cookie, content=b""))
        cookie.clear()
        pipeline = RestPipeline(
            auth,
            HttpxTransport(auth.ssl_context),
            settings=RestSettings(retry=RetryPolicy(max_tries=1)),
        )
        try:
            return await pipeline.send(RestRequest(method="POST", path="/tickle", result=Any))
        finally:
            await pipeline.aclose()

    error = await failing(answer, call)

    assert CANARY not in shown(error)


@pytest.mark.parametrize("answer", ROWS, ids=NAMES)
async def test_failing_third_party_client_shows_no_secret(answer: bytes | None) -> None:
    """It logs in below its own root."""

    async def call(port: int) -> object:
        root = f"http://127.0.0.1:{port}/tradingapi/v1"
        async with ThirdPartyClient(oauth1a(root), base_url=root):
            pass

    text = shown(await failing(answer, call))

    assert is_hidden(text, ACCESS_TOKEN, SECRET, base64.b64encode(SECRET.encode()).decode(), CANARY)
