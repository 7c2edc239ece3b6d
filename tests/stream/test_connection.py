from __future__ import annotations

import asyncio
import inspect
import logging
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
import websockets.exceptions
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from ibkr_async.errors import StreamConnectError
from ibkr_async.stream.settings import SocketSettings
from ibkr_async.stream.socket.connection import Loss, _loss_of, connect_error, dial
from ibkr_async.world import RealNetwork
from stream.socket_servers import (
    make_certificate,
    raw_server,
    stream_server,
    target_of,
    until_cut,
    upgrade,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

QUICK = SocketSettings(connect_timeout_s=1.0, cut_after_s=0.2)
NETWORK = RealNetwork()


class Kept:
    """A sink that keeps the frames and says when there are enough."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.event = asyncio.Event()

    def __call__(self, frames: Sequence[bytes]) -> None:
        self.frames += frames
        self.event.set()


async def test_frames_go_both_ways_and_close_is_seen_as_1000() -> None:
    """The whole life of a connection, with the cookie at the upgrade."""
    async with stream_server() as server:
        connection = await dial(target_of(server.port), None, QUICK, NETWORK)
        kept = Kept()
        reading = asyncio.create_task(connection.read(kept))
        assert await connection.send('smd+8314+{"fields":["31"]}')
        await server.until(lambda seen: bool(seen.received))
        await connection.close()
        loss = await reading
        await server.until(lambda seen: bool(seen.close_codes))

    assert kept.frames[0].startswith(b'{"topic":"system"')
    assert server.headers[0]["Cookie"] == "api=0123456789abcdef"
    assert server.headers[0]["User-Agent"] == "ibkr_async/0.1"
    assert server.close_codes == [1000]
    assert loss.code == 1000
    assert not await connection.send("tic")


async def test_frames_come_over_tls_with_the_trusted_certificate(tmp_path: Path) -> None:
    """The same context as for REST."""
    server_context, client_context = make_certificate(tmp_path)
    async with stream_server(server_context) as server:
        connection = await dial(
            target_of(server.port, scheme="wss"), client_context, QUICK, NETWORK
        )
        await connection.close()

    assert server.connections


async def test_untrusted_certificate_is_fatal_and_nothing_is_sent(tmp_path: Path) -> None:
    """No retry storm, no fall-back: fault F15."""
    server_context, _ = make_certificate(tmp_path)
    async with stream_server(server_context) as server:
        with pytest.raises(StreamConnectError, match="certificate was refused") as caught:
            await dial(
                target_of(server.port, scheme="wss"), ssl.create_default_context(), QUICK, NETWORK
            )

        assert caught.value.fatal
        assert server.connections == []


async def test_nobody_listening_is_worth_a_retry() -> None:
    """The server may come up."""
    async with stream_server() as server:
        port = server.port
    with pytest.raises(StreamConnectError) as caught:
        await dial(target_of(port, query="?oauth_token=secret"), None, QUICK, NETWORK)

    assert not caught.value.fatal
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "fatal", "words"),
    [
        ("302 Found\r\nLocation: ws://127.0.0.1:1/elsewhere", True, "redirects"),
        ("401 Unauthorized", True, "log in again"),
        ("403 Forbidden", True, "log in again"),
        ("404 Not Found", True, "answered 404"),
        ("429 Too Many Requests", False, "answered 429"),
        ("503 Service Unavailable", False, "answered 503"),
    ],
)
async def test_refused_upgrade_is_typed(status: str, fatal: bool, words: str) -> None:
    """A redirect is an error: the cookie goes nowhere else."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()

    async with raw_server(refuse) as port:
        with pytest.raises(StreamConnectError, match=words) as caught:
            await dial(target_of(port), None, QUICK, NETWORK)

    assert caught.value.fatal is fatal


async def test_server_that_never_answers_times_out() -> None:
    """A half-open server does not hold the client."""
    settings = SocketSettings(connect_timeout_s=0.05)
    async with raw_server(lambda reader, _writer: until_cut(reader)) as port:
        with pytest.raises(StreamConnectError, match="no answer in time"):
            await dial(target_of(port), None, settings, NETWORK)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x88\x02\x03\xe8", 1000),
        (b"\x88\x02\x0f\xa1", 4001),
        (b"\x83\x00", 1002),
        (b"\x81\x81\x00\x00\x00\x00x", 1002),
        (b"\x81\x7f\x00\x00\x00\x01\x40\x00\x00\x00", 1009),
    ],
    ids=["close 1000", "close 4001", "bad opcode", "masked", "five gigabytes announced"],
)
async def test_peer_that_never_closes_tcp_is_cut(frame: bytes, code: int) -> None:
    """After a close or a broken frame the connection ends at once: faults F1, F7, F8."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(frame)
        await until_cut(reader)

    async with raw_server(answer) as port:
        connection = await dial(target_of(port), None, QUICK, NETWORK)
        began = time.monotonic()
        loss = await connection.read(Kept())

    assert loss.code == code
    assert time.monotonic() - began < 2.0


async def test_close_does_not_wait_for_a_server_that_ignores_it() -> None:
    """Leaving is quick whatever the other side does."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        await until_cut(reader)

    async with raw_server(answer) as port:
        connection = await dial(target_of(port), None, QUICK, NETWORK)
        began = time.monotonic()
        await connection.close()
        await connection.close()

    assert time.monotonic() - began < 1.5


async def test_connection_that_breaks_is_1006() -> None:
    """No close frame came."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.transport.abort()

    async with raw_server(answer) as port:
        connection = await dial(target_of(port), None, QUICK, NETWORK)
        loss = await connection.read(Kept())

    assert loss == Loss(1006, "the connection broke")


async def test_reader_lets_others_run_in_a_burst() -> None:
    """A thousand queued frames do not hold back everything else."""
    async with stream_server() as server:
        connection = await dial(target_of(server.port), None, QUICK, NETWORK)
        await server.until(lambda seen: bool(seen.connections))
        kept, seen_midway = Kept(), []
        await asyncio.gather(*[server.connections[0].send(str(n)) for n in range(1_000)])
        reading = asyncio.create_task(connection.read(kept))
        while len(kept.frames) < 1_001:
            await asyncio.sleep(0)
            seen_midway.append(len(kept.frames))
        await connection.close()
        await reading

    assert any(0 < count < 1_001 for count in seen_midway)


async def test_cancelled_dial_leaves_nothing_open() -> None:
    """Cancellation while connecting."""
    reached = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        reached.set()
        await until_cut(reader)

    async with raw_server(hang) as port:
        dialling = asyncio.create_task(dial(target_of(port), None, QUICK, NETWORK))
        await reached.wait()
        dialling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dialling

    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_debug_logging_shows_neither_cookie_nor_token(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The library's own debug log would."""
    caplog.set_level(logging.DEBUG)
    async with stream_server() as server:
        # The server side logs the request too; only the client's side is ours.
        logging.getLogger("websockets.server").setLevel(logging.INFO)
        connection = await dial(
            target_of(server.port, query="?oauth_token=tok123"), None, QUICK, NETWORK
        )
        await connection.close()

    assert "0123456789abcdef" not in caplog.text
    assert "tok123" not in caplog.text


# --- every exception of the library is ours ------------------------------------------------------


def example_of(kind: type[Exception]) -> Exception:
    """Make an exception of the library without knowing its constructor."""
    if kind is InvalidStatus:
        return InvalidStatus(Response(500, "Internal Server Error", Headers()))
    error = kind.__new__(kind)
    error.__dict__.update(dict.fromkeys(("name", "value", "uri", "msg", "proxy", "parameter"), "x"))
    return error


LIBRARY = [
    value
    for name in websockets.exceptions.__all__
    if isinstance(value := getattr(websockets.exceptions, name), type)
]


@pytest.mark.parametrize("kind", LIBRARY, ids=lambda kind: kind.__name__)
def test_every_exception_of_the_library_is_mapped(kind: type[Exception]) -> None:
    """Either it ends a connection, or it fails an attempt; none passes through."""
    assert inspect.isclass(kind)
    if issubclass(kind, ConnectionClosed):
        return  # a loss, tested below
    try:
        error = example_of(kind)
        str(error)
    except (AttributeError, TypeError):
        error = websockets.exceptions.WebSocketException("stands for it")

    assert isinstance(connect_error("ws://x", error), StreamConnectError)
    assert issubclass(kind, websockets.exceptions.WebSocketException)


@pytest.mark.parametrize(
    ("rcvd", "sent", "loss"),
    [
        (Close(1012, "restart"), None, Loss(1012, "restart")),
        (None, Close(1011, "keepalive ping timeout"), Loss(1011, "keepalive ping timeout")),
        (None, None, Loss(1006, "the connection broke")),
    ],
)
def test_every_way_of_being_closed_is_a_loss(rcvd: Any, sent: Any, loss: Loss) -> None:
    """Whoever closed first is quoted."""
    assert _loss_of(ConnectionClosed(rcvd, sent)) == loss


@pytest.mark.parametrize(
    "error", [OSError("x"), TimeoutError(), ssl.SSLError("x"), ConnectionResetError()]
)
def test_network_errors_are_worth_a_retry(error: Exception) -> None:
    """The network comes back."""
    assert not connect_error("ws://x", error).fatal


def test_malformed_url_is_fatal_and_not_quoted() -> None:
    """Its query may hold the access token."""
    error = connect_error("ws://x", websockets.exceptions.InvalidURI("ws://x?oauth_token=s", "no"))

    assert error.fatal
    assert "oauth_token" not in str(error)
