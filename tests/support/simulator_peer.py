"""A raw client of the simulator.

It speaks HTTP and WebSocket with nothing of the product's client in between; its signing
is a few lines on top of the functions that the reference vectors have judged.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from websockets.asyncio.client import ClientConnection, connect

from ibkr_async.simulator import Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import CONSUMER_KEY, PRIME, SimulatorKeys
from ibkr_async.simulator.login.live_token import signed_bytes
from ibkr_async.simulator.login.verifier import base_string, percent_encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FAST = SimulatorSettings(greeting_delay_s=0.0, tick_s=0.02, pnl_s=0.02)
"""The simulator with its pauses shortened."""


def trust(sim: Simulator) -> ssl.SSLContext:
    """Return a context that trusts the simulator's certificate only."""
    context = ssl.create_default_context(cafile=str(sim.ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


class Peer:
    """A signed or gateway client for tests."""

    def __init__(self, sim: Simulator, keys: SimulatorKeys, *, signed: bool = True) -> None:
        self.sim = sim
        self.signed = signed
        self.keys = keys
        self.live_token = b""
        self.http = httpx.AsyncClient(verify=trust(sim), base_url=sim.base_url, trust_env=False)

    async def call(self, method: str, path: str, body: Any = None, **query: str) -> httpx.Response:
        """Send one request, signed as documented when this peer signs."""
        headers = {}
        if self.signed:
            headers["Authorization"] = self.header(
                method, f"{self.sim.base_url}{path}", list(query.items())
            )
        content = json.dumps(body or {}).encode() if method != "GET" else None
        if content is not None:
            headers["Content-Type"] = "application/json"
        return await self.http.request(method, path, params=query, content=content, headers=headers)

    def header(self, method: str, url: str, query: list[tuple[str, str]]) -> str:
        """Sign a resource request."""
        params = self._params("HMAC-SHA256")
        text = base_string(method, url, [*params.items(), *query])
        digest = hmac.new(self.live_token, text.encode(), hashlib.sha256).digest()
        return self._header(params, base64.b64encode(digest).decode())

    async def log_in(self) -> httpx.Response:
        """Obtain a live session token."""
        exponent = secrets.randbits(256)
        secret = self.keys.consumer.access_tokens[self.keys.access_token]
        reply = await self.oauth_step(
            "live_session_token",
            prepend=secret.hex(),
            diffie_hellman_challenge=f"{pow(2, exponent, PRIME):x}",
        )
        if reply.status_code == 200:
            shared = pow(int(reply.json()["diffie_hellman_response"], 16), exponent, PRIME)
            self.live_token = hmac.new(signed_bytes(shared), secret, hashlib.sha1).digest()
        return reply

    async def oauth_step(self, step: str, *, prepend: str = "", **extra: str) -> httpx.Response:
        """Send a request that is signed with the private signature key."""
        key = load_pem_private_key(self.keys.signature_pem, None)
        assert isinstance(key, RSAPrivateKey)
        params = self._params("RSA-SHA256") | extra
        text = base_string("POST", f"{self.sim.base_url}/oauth/{step}", params.items(), prepend)
        signature = base64.b64encode(key.sign(text.encode(), PKCS1v15(), SHA256())).decode()
        header = self._header(params, signature)
        return await self.http.post(
            f"/oauth/{step}", headers={"Authorization": header}, content=b""
        )

    def _params(self, method: str) -> dict[str, str]:
        return {
            "oauth_consumer_key": CONSUMER_KEY,
            "oauth_nonce": secrets.token_hex(8),
            "oauth_signature_method": method,
            "oauth_timestamp": str(int(self.sim.now())),
            "oauth_token": self.keys.access_token,
        }

    @staticmethod
    def _header(params: dict[str, str], signature: str) -> str:
        named = {"realm": "limited_poa", **params, "oauth_signature": signature}
        return "OAuth " + ", ".join(f'{k}="{percent_encode(v)}"' for k, v in named.items())

    async def ready(self) -> str:
        """Log in, open the brokerage session and return the session id."""
        if self.signed:
            assert (await self.log_in()).status_code == 200
            await self.call("POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
        await self.call("GET", "/iserver/accounts")
        return str((await self.call("POST", "/tickle")).json()["session"])

    @asynccontextmanager
    async def socket(
        self, session: str | None, *, json_cookie: bool = False
    ) -> AsyncIterator[ClientConnection]:
        """Open a socket; None leaves the cookie out."""
        headers = {}
        if session is not None:
            value = json.dumps({"session": session}) if json_cookie else session
            headers["Cookie"] = f"other=1; api={value}"
        query = f"?oauth_token={self.keys.access_token}" if self.signed else ""
        async with connect(
            self.sim.ws_url + query,
            ssl=trust(self.sim),
            additional_headers=headers,
            proxy=None,
            compression=None,
        ) as websocket:
            yield websocket


async def receive(websocket: ClientConnection) -> dict[str, Any]:
    """Return the next frame, decoded."""
    frame: dict[str, Any] = json.loads(await asyncio.wait_for(websocket.recv(), 5))
    return frame


async def receive_topic(websocket: ClientConnection, topic: str) -> dict[str, Any]:
    """Return the next frame of a topic; others are skipped."""
    while True:
        frame = await receive(websocket)
        if frame.get("topic") == topic:
            return frame


async def read_to_the_end(websocket: ClientConnection) -> None:
    """Read until the connection is closed, and let that raise."""
    while True:
        await asyncio.wait_for(websocket.recv(), 5)


async def greeted(websocket: ClientConnection) -> list[dict[str, Any]]:
    """Read the three frames of the greeting."""
    return [await receive(websocket) for _ in range(3)]
