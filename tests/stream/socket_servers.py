"""Small real servers on loopback: a greeting WebSocket server, a raw one, a certificate."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import hashlib
import ipaddress
import ssl
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from ibkr_async.ports import SocketTarget
from stream.core_driver import GREETING, smd

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path


def target_of(
    port: int, *, scheme: str = "ws", host: str = "127.0.0.1", query: str = ""
) -> SocketTarget:
    """Describe a socket to one of these servers."""
    return SocketTarget(
        url=f"{scheme}://{host}:{port}/v1/api/ws{query}",
        headers={"Cookie": "api=0123456789abcdef"},
        session="0123456789abcdef",
    )


def make_certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Make a self-signed certificate for loopback: contexts of the server and of a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert_file, key_file)
    return server, ssl.create_default_context(cafile=str(cert_file))


class StreamServer:
    """IBKR's socket in small: greets, answers `smd` with a frame, and remembers what it saw."""

    def __init__(self) -> None:
        self.port = 0
        self.received: list[str] = []
        self.connections: list[ServerConnection] = []
        self.close_codes: list[int | None] = []
        self.headers: list[Any] = []
        self.greets = True
        self.answers = True
        self.changed = asyncio.Condition()

    async def serve(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        self.connections.append(connection)
        assert connection.request is not None
        self.headers.append(connection.request.headers)
        await self.notify()
        with contextlib.suppress(ConnectionClosed):
            if self.greets:
                await connection.send(GREETING)
            async for text in connection:
                assert isinstance(text, str)
                self.received.append(text)
                await self.notify()
                if self.answers and text.startswith("smd+"):
                    await connection.send(smd(text.split("+")[1]))
        await connection.wait_closed()
        self.close_codes.append(connection.close_code)
        await self.notify()

    async def notify(self) -> None:
        """Tell those who wait that something was seen."""
        async with self.changed:
            self.changed.notify_all()

    async def until(self, condition: Callable[[StreamServer], bool]) -> None:
        """Wait until the server has seen what is awaited."""
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(lambda: condition(self))


@contextlib.asynccontextmanager
async def stream_server(ssl_context: ssl.SSLContext | None = None) -> AsyncIterator[StreamServer]:
    """Run a `StreamServer` on a free port."""
    server = StreamServer()
    async with serve(
        server.serve, "127.0.0.1", 0, ssl=ssl_context, compression=None, close_timeout=1
    ) as running:
        server.port = next(iter(running.sockets)).getsockname()[1]
        yield server


Raw = "Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]"


@contextlib.asynccontextmanager
async def raw_server(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """Run a bare TCP server; the answer gets each connection after its request was read."""
    tasks: set[asyncio.Task[Any]] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await answer(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the test is over, or the client has cut the connection
        finally:
            writer.close()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the opening handshake by hand."""
    request = (await reader.readuntil(b"\r\n\r\n")).decode()
    key = next(
        line.split(": ")[1]
        for line in request.split("\r\n")
        if line.lower().startswith("sec-websocket-key")
    )
    accept = base64.b64encode(
        hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()  # noqa: S324 - the protocol's hash
    )
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    await writer.drain()


async def until_cut(reader: asyncio.StreamReader) -> None:
    """Read on without ever closing, until the client cuts the connection."""
    while await reader.read(4096):
        pass
