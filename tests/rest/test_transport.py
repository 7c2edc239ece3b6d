from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import gzip
import inspect
import ipaddress
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
import pytest
import respx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ibkr_async.errors import (
    ClosedError,
    ConnectFailedError,
    ConnectionBrokenError,
    IbkrError,
    RequestTimeoutError,
    TlsError,
    TransportError,
    UnreadableResponseError,
)
from ibkr_async.ports import Departure, HttpReply, HttpRequest, Method
from ibkr_async.rest.settings import ConnectionSettings
from ibkr_async.rest.transport import HttpxTransport, map_failure
from support.waiting import until

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A loopback server that remembers what it was sent and does as it is told."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self._answer = answer
        self._context = context
        self._serving: set[asyncio.Task[Any]] = set()
        self.connections = 0
        self.heads: list[bytes] = []
        self.received = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        self.connections += 1
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                self.received.set()
                await self._answer(reader, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass  # the test is over, or the client has gone
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def says(text: bytes) -> Answer:
    """Answer with these bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)

    return answer


def says_and_closes(text: bytes) -> Answer:
    """Answer with these bytes, then close."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()
        writer.close()

    return answer


OK = says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Note: Hi\r\n\r\n{}")


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Accept and never answer, until the other side goes."""
    await reader.read()


async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send one byte of body at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.005)


class Certificate:
    """A self-signed certificate for 127.0.0.1, made now."""

    def __init__(self, folder: Path, name: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = dt.datetime.now(dt.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )
        self.ca = folder / f"{name}.crt"
        self.ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        key_file = folder / f"{name}.private"
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        self.serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.serving.load_cert_chain(self.ca, key_file)

    def trusting(self) -> ssl.SSLContext:
        """Build the context of a client that trusts exactly this certificate."""
        return ssl.create_default_context(cafile=str(self.ca))


def get(url: str, *, method: Method = "GET", timeout_s: float = 5.0, **more: Any) -> HttpRequest:
    """Build a signed request."""
    settings: dict[str, Any] = {"headers": {"Authorization": "OAuth x"}, "content": b"", **more}
    return HttpRequest(
        method=method, url=url, timeout_s=timeout_s, label=f"{method} /x", **settings
    )


@pytest.fixture
async def transport() -> AsyncIterator[HttpxTransport]:
    """A transport that trusts the system's authorities."""
    transport = HttpxTransport(
        ssl.create_default_context(), ConnectionSettings(connect_timeout_s=2.0)
    )
    yield transport
    await transport.aclose()


# --- what goes out and what comes back -----------------------------------------------------------


async def test_reply_has_status_lower_case_headers_and_body(transport: HttpxTransport) -> None:
    """The three things that cross the seam."""
    async with Server(OK) as server:
        reply = await transport.send(get(server.url + "/x"))

    assert (reply.status, reply.content) == (200, b"{}")
    assert reply.headers["x-note"] == "Hi"


async def test_url_arrives_exactly_as_it_was_signed(transport: HttpxTransport) -> None:
    """Whatever is encoded stays so, and nothing is encoded twice."""
    target = "/v1/api/a%2Fb/..%2Fx/%7Bq%7D?conids=1%2C2&symbol=BRK%20B&odd=%27%22%3C%2B%25&empty="
    async with Server(OK) as server:
        await transport.send(get(server.url + target))

    assert server.heads[0].split(b" ")[1].decode() == target


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("content", [b"", b"{}"])
@pytest.mark.parametrize("named_already", [False, True])
async def test_content_length_is_always_sent_once(
    transport: HttpxTransport, method: Method, content: bytes, *, named_already: bool
) -> None:
    """IBKR's edge answers 411 without it, and some servers refuse it twice."""
    length = str(len(content))
    headers = {"Content-Length": length} if named_already else {}

    async with Server(OK) as server:
        await transport.send(
            get(server.url + "/x", method=method, content=content, headers=headers)
        )

    assert server.heads[0].lower().count(b"content-length: " + length.encode()) == 1
    assert server.heads[0].lower().count(b"content-length") == 1


async def test_request_carries_our_headers_and_nothing_surprising(
    transport: HttpxTransport,
) -> None:
    """One User-Agent, ours; gzip is the only compression offered."""
    headers = {"User-Agent": "ibkr_async/0.1", "accept": "application/json", "Authorization": "x"}
    async with Server(OK) as server:
        await transport.send(get(server.url + "/x", headers=headers))
    lines = server.heads[0].decode().split("\r\n")[1:-2]
    sent = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}

    assert sent == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": "ibkr_async/0.1",
        "accept": "application/json",
        "accept-encoding": "gzip",
        "authorization": "x",
        "connection": "keep-alive",
    }


async def test_cookies_are_not_kept(transport: HttpxTransport) -> None:
    """A cookie is passed up in the reply's headers, and not sent by itself."""
    answer = says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nSet-Cookie: a=b; Path=/\r\n\r\n")
    async with Server(answer) as server:
        first = await transport.send(get(server.url + "/x"))
        await transport.send(get(server.url + "/x"))

    assert first.headers["set-cookie"] == "a=b; Path=/"
    assert b"cookie" not in server.heads[1].lower()


async def test_redirect_is_returned_and_not_followed(transport: HttpxTransport) -> None:
    """The Authorization header does not travel to another port."""
    async with Server(OK) as other:
        moved = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {other.url}/y\r\n\r\n"
        async with Server(says(moved.encode())) as server:
            reply = await transport.send(get(server.url + "/x"))

    assert reply.status == 302
    assert other.connections == 0


async def test_proxy_settings_of_the_environment_are_ignored(
    transport: HttpxTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hostile proxy variable gets no connection."""
    async with Server(silence) as hostile, Server(OK) as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, hostile.url)
            monkeypatch.setenv(name.lower(), hostile.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)

        reply = await transport.send(get(server.url + "/x"))

    assert reply.status == 200
    assert hostile.connections == 0


async def test_gzip_is_unpacked(transport: HttpxTransport) -> None:
    """The one compression that is offered."""
    packed = gzip.compress(b'{"a":1}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with Server(says(head + packed)) as server:
        reply = await transport.send(get(server.url + "/x"))

    assert reply.content == b'{"a":1}'


@pytest.mark.parametrize("packed", [False, True])
async def test_oversized_body_is_refused(*, packed: bool) -> None:
    """A body over the limit ends the reading, compressed or not."""
    body = b" " * 200_000
    sent = gzip.compress(body) if packed else body
    coding = b"Content-Encoding: gzip\r\n" if packed else b""
    head = b"HTTP/1.1 200 OK\r\n" + coding + b"Content-Length: %d\r\n\r\n" % len(sent)
    transport = HttpxTransport(
        ssl.create_default_context(), ConnectionSettings(max_body_bytes=100_000)
    )
    async with Server(says(head + sent)) as server:
        with pytest.raises(UnreadableResponseError, match="longer than 100,000 bytes"):
            await transport.send(get(server.url + "/x"))
        await transport.aclose()


@pytest.mark.parametrize("coding", [b"gzip, gzip", b"gzip", b"br"])
async def test_bomb_is_refused_before_it_bursts(transport: HttpxTransport, coding: bytes) -> None:
    """A few kilobytes that stand for gigabytes; the next request goes on as always."""
    bomb = gzip.compress(
        gzip.compress(bytes(100_000_000)) if coding == b"gzip, gzip" else bytes(50 << 20)
    )
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n"
    tracemalloc.start()
    try:
        async with Server(says(head % (coding, len(bomb)) + bomb)) as server:
            with pytest.raises(UnreadableResponseError, match=r"longer than|encoded as"):
                await transport.send(get(server.url + "/x"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    async with Server(OK) as server:
        reply = await transport.send(get(server.url + "/x"))

    assert reply.status == 200
    assert peak < 3 * ConnectionSettings().max_body_bytes


async def test_mocked_gzip_is_unpacked_once() -> None:
    """A respx route may answer compressed."""
    transport = HttpxTransport(ssl.create_default_context())
    with respx.mock:
        respx.get("https://api.example/x").respond(
            200, content=gzip.compress(b"{}"), headers={"content-encoding": "gzip"}
        )
        reply = await transport.send(get("https://api.example/x"))
    await transport.aclose()

    assert reply.content == b"{}"


async def test_connections_are_reused(transport: HttpxTransport) -> None:
    """A second request needs no second handshake."""
    async with Server(OK) as server:
        await transport.send(get(server.url + "/x"))
        await transport.send(get(server.url + "/x"))

    assert server.connections == 1


# --- connections of their own ---


async def test_orders_and_cancels_leave_while_every_read_hangs() -> None:
    """Twenty reads that get no answer hold their connections; an order and a cancel have others."""
    transport = HttpxTransport(
        ssl.create_default_context(),
        ConnectionSettings(connect_timeout_s=2.0, max_read_connections=20),
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hangs = server.heads[-1].startswith(b"GET /hang")
        await (silence if hangs else OK)(reader, writer)

    async with Server(answer) as server:
        hung = [
            asyncio.create_task(transport.send(get(server.url + "/hang", timeout_s=30)))
            for _ in range(20)
        ]
        await until(lambda: len(server.heads) == 20)

        read = await failure(transport, get(server.url + "/x"))
        order = await transport.send(get(server.url + "/x", method="POST", is_urgent=True))
        cancel = await transport.send(get(server.url + "/x", method="DELETE", is_urgent=True))

        assert "all connections were busy" in str(read)
        assert (order.status, cancel.status) == (200, 200)
        await transport.aclose()
        await asyncio.gather(*hung, return_exceptions=True)


async def test_a_cancel_leaves_while_orders_hang() -> None:
    """Not even thirty orders that get no answer keep a cancel back."""
    transport = HttpxTransport(
        ssl.create_default_context(), ConnectionSettings(connect_timeout_s=2.0)
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hangs = server.heads[-1].startswith(b"POST")
        await (silence if hangs else OK)(reader, writer)

    async with Server(answer) as server:
        orders = [
            asyncio.create_task(
                transport.send(get(server.url + "/x", method="POST", is_urgent=True, timeout_s=30))
            )
            for _ in range(30)
        ]
        await until(lambda: len(server.heads) == 30)

        cancel = await transport.send(get(server.url + "/x", method="DELETE", is_urgent=True))

        assert cancel.status == 200
        await transport.aclose()
        await asyncio.gather(*orders, return_exceptions=True)


# --- failures ------------------------------------------------------------------------------------


async def failure(transport: HttpxTransport, request: HttpRequest) -> TransportError:
    """Send a request that must fail, and return the failure."""
    with pytest.raises(TransportError) as caught:
        await transport.send(request)
    return caught.value


async def test_refused_connection_reached_nobody(transport: HttpxTransport) -> None:
    """Nothing listens on the port."""
    async with Server(OK) as server:
        url = server.url

    error = await failure(transport, get(url + "/x"))

    assert type(error) is ConnectFailedError
    assert not error.may_have_reached_server
    assert "is running" in str(error)


async def test_unknown_host_reached_nobody(transport: HttpxTransport) -> None:
    """A name that cannot exist (RFC 6761)."""
    error = await failure(transport, get("https://ibkr.invalid/x"))

    assert type(error) is ConnectFailedError
    assert not error.may_have_reached_server


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://[bad/x", "127.0.0.1/x"])
async def test_impossible_url_reached_nobody(transport: HttpxTransport, url: str) -> None:
    """What httpx refuses by itself is ours too."""
    error = await failure(transport, get(url))

    assert type(error) is ConnectFailedError
    assert not error.may_have_reached_server


async def test_silent_server_times_out(transport: HttpxTransport) -> None:
    """It may have acted on the request."""
    async with Server(silence) as server:
        error = await failure(transport, get(server.url + "/x", timeout_s=0.05))

    assert type(error) is RequestTimeoutError
    assert error.may_have_reached_server


async def test_trickling_server_times_out(transport: HttpxTransport) -> None:
    """The limit is on the whole answer, not on each piece."""
    async with Server(trickle) as server:
        error = await failure(transport, get(server.url + "/x", timeout_s=0.1))

    assert type(error) is RequestTimeoutError
    assert error.may_have_reached_server
    assert "0.1 s" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    ],
    ids=["nothing", "half a head", "half a body", "no HTTP", "broken gzip"],
)
async def test_broken_answer_may_have_reached_the_server(
    transport: HttpxTransport, text: bytes
) -> None:
    """Whatever breaks after sending leaves the outcome open."""
    async with Server(says_and_closes(text)) as server:
        error = await failure(transport, get(server.url + "/x"))

    assert type(error) is ConnectionBrokenError
    assert error.may_have_reached_server


async def test_wrong_certificate_is_a_tls_error(tmp_path: Path) -> None:
    """Another self-signed certificate is refused before any application byte."""
    trusted = Certificate(tmp_path, "trusted")
    other = Certificate(tmp_path, "other")
    transport = HttpxTransport(trusted.trusting)

    async with Server(OK, other.serving) as server:
        error = await failure(transport, get(server.url + "/x"))
        await transport.aclose()

    assert type(error) is TlsError
    assert not error.may_have_reached_server
    assert "certificate refused" in str(error)
    assert server.heads == []


async def test_right_certificate_is_accepted(tmp_path: Path) -> None:
    """The context may be a function, called once."""
    certificate = Certificate(tmp_path, "trusted")
    calls = 0

    def context() -> ssl.SSLContext:
        nonlocal calls
        calls += 1
        return certificate.trusting()

    transport = HttpxTransport(context)
    async with Server(OK, certificate.serving) as server:
        replies = await asyncio.gather(*(transport.send(get(server.url + "/x")) for _ in range(3)))
        await transport.aclose()

    assert [reply.status for reply in replies] == [200] * 3
    assert calls == 1


async def test_old_tls_is_refused(tmp_path: Path) -> None:
    """A server that offers nothing newer than TLS 1.1 gets no request."""
    certificate = Certificate(tmp_path, "trusted")
    certificate.serving.set_ciphers("ALL:@SECLEVEL=0")
    certificate.serving.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        certificate.serving.maximum_version = ssl.TLSVersion.TLSv1_1
    transport = HttpxTransport(certificate.trusting)

    async with Server(OK, certificate.serving) as server:
        error = await failure(transport, get(server.url + "/x"))
        await transport.aclose()

    assert type(error) is TlsError
    assert server.heads == []


async def test_plain_http_server_behind_https_is_a_tls_error(transport: HttpxTransport) -> None:
    """The message comes from TLS, and nothing was sent."""

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        error = await failure(transport, get(f"https://127.0.0.1:{port}/x"))

    assert type(error) is TlsError
    assert not error.may_have_reached_server


async def cancelled(transport: HttpxTransport, url: str, when: asyncio.Event) -> Departure:
    """Give up a request at a moment. Return what its permit knows then."""
    departure = Departure(lambda: None)
    departure()
    request = msgspec.structs.replace(get(url), departure=departure)
    task = asyncio.create_task(transport.send(request))
    await when.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return departure


async def test_request_given_up_while_it_connects_has_not_left(transport: HttpxTransport) -> None:
    """The other side takes the connection and says nothing: TLS is not agreed."""
    connected = asyncio.Event()

    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(be_silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        departure = await cancelled(transport, f"https://127.0.0.1:{port}/x", connected)
        await transport.aclose()

    assert not departure.may_have_left


async def test_request_given_up_after_that_may_have_left(transport: HttpxTransport) -> None:
    """On a new connection, and on one that is used again."""
    async with Server(OK) as server:
        await transport.send(get(server.url + "/x"))
        server._answer = silence  # the same connection does not answer any more
        server.received.clear()
        again = await cancelled(transport, server.url + "/x", server.received)
        server.received.clear()
        new = await cancelled(transport, server.url + "/x", server.received)
        await transport.aclose()

    assert again.may_have_left
    assert new.may_have_left


async def test_request_given_up_before_it_has_a_connection_has_not_left(
    transport: HttpxTransport,
) -> None:
    """At its very first wait."""
    begun = asyncio.Event()
    async with Server(OK) as server:
        await transport.send(get(server.url + "/x"))
        asyncio.get_running_loop().call_soon(begun.set)
        departure = await cancelled(transport, server.url + "/x", begun)
        await transport.aclose()

    assert not departure.may_have_left
    assert len(server.heads) == 1


@respx.mock
async def test_request_may_have_left_where_httpx_tells_no_steps(transport: HttpxTransport) -> None:
    """As when somebody has put a double in the place of the network."""
    reached = asyncio.Event()

    async def hang(_request: httpx.Request) -> httpx.Response:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    respx.get("https://example.com/x").mock(side_effect=hang)
    departure = await cancelled(transport, "https://example.com/x", reached)

    assert departure.may_have_left


async def test_time_that_runs_out_while_connecting_leaves_nothing(
    transport: HttpxTransport,
) -> None:
    """The total time is shorter than the time to connect, so it is not httpx that says so."""

    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(be_silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        request = msgspec.structs.replace(get(f"https://127.0.0.1:{port}/x"), timeout_s=0.05)
        error = await failure(transport, request)
        await transport.aclose()

    assert not error.may_have_reached_server


# --- the mapping ---------------------------------------------------------------------------------


def exception_classes() -> list[type[Exception]]:
    """Every exception that httpx exports."""
    classes = [
        value
        for value in vars(httpx).values()
        if inspect.isclass(value) and issubclass(value, Exception)
    ]
    return sorted(set(classes), key=lambda kind: kind.__name__)


NOTHING_SENT = {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError"}
NOTHING_SENT |= {"InvalidURL", "UnsupportedProtocol"}
CANNOT_REACH_US = {"HTTPError", "HTTPStatusError"}
"""`raise_for_status` is never called, and the base class is never raised."""


def build(kind: type[Exception]) -> Exception:
    """Make one instance, whatever its constructor wants."""
    wants_words = "message" in inspect.signature(kind).parameters
    arguments = [] if issubclass(kind, httpx.StreamError) and not wants_words else ["words"]
    return kind(*arguments)


@pytest.mark.parametrize("kind", exception_classes(), ids=lambda kind: kind.__name__)
def test_every_httpx_exception_is_mapped(kind: type[Exception]) -> None:
    """Each says whether the server may have the request; a new one in httpx fails here."""
    if kind.__name__ in CANNOT_REACH_US:
        return
    error = map_failure(build(kind), "GET /x")

    assert isinstance(error, TransportError)
    assert error.may_have_reached_server == (kind.__name__ not in NOTHING_SENT)
    assert error.request == "GET /x"


@pytest.mark.parametrize(
    "kind",
    [kind for kind in exception_classes() if kind.__name__ not in CANNOT_REACH_US],
    ids=lambda kind: kind.__name__,
)
@respx.mock
async def test_every_httpx_exception_is_caught(kind: type[Exception]) -> None:
    """None of them passes through `send` as it is."""
    respx.get("https://api.example/x").mock(side_effect=build(kind))
    transport = HttpxTransport(ssl.create_default_context())

    with pytest.raises(IbkrError):
        await transport.send(get("https://api.example/x"))
    await transport.aclose()


def test_exception_outside_the_table_is_not_hidden() -> None:
    """A bug stays what it is."""
    with pytest.raises(ZeroDivisionError):
        map_failure(ZeroDivisionError(), "GET /x")


def test_tls_failure_after_the_handshake_may_have_reached_the_server() -> None:
    """Only a handshake that fails proves that nothing was sent."""
    error = map_failure(ssl.SSLError("bad record mac"), "GET /x")

    assert type(error) is ConnectionBrokenError
    assert error.may_have_reached_server


# --- cancellation and closing --------------------------------------------------------------------


async def test_cancellation_passes_through(transport: HttpxTransport) -> None:
    """A cancelled caller sees its own cancellation, and the connection is dropped."""
    async with Server(silence) as server:
        task = asyncio.create_task(transport.send(get(server.url + "/x")))
        await server.received.wait()
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task


async def test_closed_transport_says_so() -> None:
    """Closing twice is fine; sending afterwards is a mistake of the program."""
    transport = HttpxTransport(ssl.create_default_context())
    async with Server(OK) as server:
        await transport.send(get(server.url + "/x"))
        await transport.aclose()
        await transport.aclose()

        with pytest.raises(ClosedError):
            await transport.send(get(server.url + "/x"))


async def test_closing_ends_requests_under_way(transport: HttpxTransport) -> None:
    """Whoever waits for an answer learns that the outcome is open."""
    async with Server(silence) as server:
        task = asyncio.create_task(failure(transport, get(server.url + "/x", timeout_s=5)))
        await server.received.wait()
        await transport.aclose()
        error = await task

    assert error.may_have_reached_server


async def test_mocked_reply_crosses_the_seam() -> None:
    """A respx route can stand in for the network in users' tests."""
    transport = HttpxTransport(ssl.create_default_context())
    with respx.mock:
        respx.get("https://api.example/x").respond(418, json={"a": 1})
        reply = await transport.send(get("https://api.example/x"))
    await transport.aclose()

    assert isinstance(reply, HttpReply)
    assert (reply.status, reply.content) == (418, b'{"a":1}')


async def test_cancelled_tls_handshake_closes_its_socket(transport: HttpxTransport) -> None:
    """The server sees the end of the connection at once, not when Python collects the garbage."""
    reached, ended = asyncio.Event(), asyncio.Event()

    async def hesitate(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)  # the client has begun its handshake
        reached.set()
        await reader.read()
        ended.set()
        writer.close()

    server = await asyncio.start_server(hesitate, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        sending = asyncio.create_task(transport.send(get(f"https://127.0.0.1:{port}/x")))
        await asyncio.wait_for(reached.wait(), 5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

        await asyncio.wait_for(ended.wait(), 5)


@pytest.mark.parametrize(
    "cookie", [b"x-sess-uuid=canary; Path=/", b'a="canary\'s"; b=\\c', b"c=canary"]
)
async def test_cookies_do_not_reach_the_debug_log(
    transport: HttpxTransport, caplog: pytest.LogCaptureFixture, cookie: bytes
) -> None:
    """A gateway's cookie is its session; httpx's engine writes every answer's headers at DEBUG."""
    caplog.set_level("DEBUG")
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: " + cookie + b"\r\nContent-Length: 2\r\n\r\n{}"
    async with Server(says(answer)) as server:
        reply = await transport.send(get(f"{server.url}/x"))

    assert "canary" in reply.headers["set-cookie"]
    assert "content-length" in caplog.text.lower()
    assert "set-cookie', b'***'" in caplog.text.lower()
    assert "canary" not in caplog.text
