"""HTTP itself: the only file that knows httpx, so that replacing it stays a small change.

Responsible for carrying one signed request over a verified TLS connection and for saying, when
that fails, whether the server may have received it. It must never follow a redirect, read proxy
settings from the environment, keep a cookie, send anything twice, or look inside a body.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import zlib
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import anyio
import httpcore
import httpx

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
from ibkr_async.ports import HttpReply, HttpRequest
from ibkr_async.rest.body import Body, UnfitBodyError
from ibkr_async.rest.settings import ConnectionSettings
from ibkr_async.sealed import SEALED
from ibkr_async.world import RealNetwork, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_CLOSE_S: Final = 2.0

_FAILURES: Final[tuple[tuple[type[Exception], type[TransportError], bool, str], ...]] = (
    # The first row whose class fits decides; the flag is `may_have_reached_server`.
    (httpx.ConnectTimeout, ConnectFailedError, False, "no connection in time"),
    (httpx.PoolTimeout, RequestTimeoutError, False, "all connections were busy"),
    (httpx.ConnectError, ConnectFailedError, False, "no connection"),
    (httpx.ProxyError, ConnectFailedError, False, "the proxy refused"),
    (httpx.UnsupportedProtocol, ConnectFailedError, False, "the URL is neither http nor https"),
    (httpx.InvalidURL, ConnectFailedError, False, "the URL is malformed"),
    (httpx.TimeoutException, RequestTimeoutError, True, "no answer in time"),
    (zlib.error, ConnectionBrokenError, True, "the answer's compression is broken"),
    (httpx.RequestError, ConnectionBrokenError, True, "the connection broke"),
    (httpx.StreamError, ConnectionBrokenError, True, "the connection was closed meanwhile"),
    (httpx.CookieConflict, ConnectionBrokenError, True, "the answer's cookies conflict"),
    # TLS records that go bad after the handshake arrive as they are.
    (ssl.SSLError, ConnectionBrokenError, True, "the TLS connection broke"),
)


class _CookieFilter(logging.Filter):
    """Takes cookies out of what httpx's engine writes at DEBUG: a gateway's cookie is its session."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "set-cookie" in text.lower():
            record.msg, record.args = _SET_COOKIE.sub(r"\1'***'", text), ()
        return True


_SET_COOKIE: Final = re.compile(
    r"""(b'set-cookie',\ b)('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")""", re.IGNORECASE | re.VERBOSE
)
_NO_COOKIES: Final = _CookieFilter()


class _QueryFilter(logging.Filter):
    """Takes queries out of what httpx writes at INFO about a service whose token travels in them."""

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if "FlexWebService" in text:  # the program's own requests are its own business
            record.msg, record.args = _QUERY.sub("?***", text), ()
        return True


_QUERY: Final = re.compile(r"\?[^\s\"]*")
_NO_QUERIES: Final = _QueryFilter()


def hide_queries() -> None:
    """Keep the token of the Flex Web Service out of the log. Any number of times."""
    logging.getLogger("httpx").addFilter(_NO_QUERIES)


class _Clients(NamedTuple):
    """Two sets of connections, so that hung reads take none from an order or a cancel."""

    reads: httpx.AsyncClient
    orders: httpx.AsyncClient
    """Orders and cancels. It has no bound of its own: pacing decides how many are under way."""


class HttpxTransport:
    """Sends requests over pooled HTTP/1.1 connections.

    `ssl_context` may be a function: it is called once, off the event loop, before the first
    request, because loading certificates reads files.
    """

    def __init__(
        self,
        ssl_context: ssl.SSLContext | Callable[[], ssl.SSLContext],
        settings: ConnectionSettings | None = None,
        *,
        world: World | None = None,
    ) -> None:
        self._ssl_context = ssl_context
        self._settings = settings or ConnectionSettings()
        self._world = world or World()
        self._clients: _Clients | None = None
        self._opening = anyio.Lock()
        self._is_closed = False
        self._tells_steps = False
        """Whether httpx has told any step of a request."""

    async def send(self, request: HttpRequest) -> HttpReply:
        """Send one request and return the answer, whatever its status.

        Errors: `ConnectFailedError`, `TlsError`, `RequestTimeoutError`, `ConnectionBrokenError`,
        each with `may_have_reached_server`; `UnreadableResponseError` for a body over the limit;
        `ClosedError` after `aclose`.
        Cancellation: passes through; the connection is dropped, not reused. Who has a `departure` is
        told when nothing had left by then.
        """
        way = _Way()
        try:
            clients = self._clients or await self._open()
            client = clients.orders if request.is_urgent else clients.reads
            # httpx limits each read, not their sum: a server that trickles could hold us for ever.
            with anyio.move_on_after(request.timeout_s):
                try:
                    with SEALED:
                        return await self._exchange(client, request, way)
                except tuple(row[0] for row in _FAILURES) as error:
                    raise map_failure(error, request.label, has_left=way.has_left) from error
        finally:
            if request.departure is not None and not way.has_left:
                request.departure.stayed()
        raise RequestTimeoutError(
            request.label,
            f"no complete answer within {request.timeout_s:g} s",
            may_have_reached_server=way.has_left,
        )

    async def aclose(self) -> None:
        """Close all connections; requests under way end with `ConnectionBrokenError`. Idempotent."""
        self._is_closed = True
        async with self._opening:
            clients, self._clients = self._clients, None
        with anyio.move_on_after(_CLOSE_S, shield=True):
            async with anyio.create_task_group() as tasks:
                for client in clients or ():
                    tasks.start_soon(client.aclose)

    async def _open(self) -> _Clients:
        async with self._opening:
            if self._is_closed:
                raise ClosedError("client")
            if self._clients is None:
                context = self._ssl_context
                if not isinstance(context, ssl.SSLContext):
                    context = await self._world.threads.run(context)
                logging.getLogger("httpcore.http11").addFilter(_NO_COOKIES)
                self._clients = _Clients(
                    reads=self._build_client(context, self._settings.max_read_connections),
                    orders=self._build_client(context, None),
                )
            return self._clients

    def _build_client(
        self, context: ssl.SSLContext, max_connections: int | None
    ) -> httpx.AsyncClient:
        world = self._world
        limits = httpx.Limits(
            max_connections=max_connections,
            max_keepalive_connections=max_connections,
            keepalive_expiry=self._settings.idle_s,
        )
        real = isinstance(world.network, RealNetwork)
        return httpx.AsyncClient(
            verify=context,
            transport=None if real else _Bridged(world, limits, context),
            trust_env=False,
            follow_redirects=False,
            http1=True,
            http2=False,
            limits=limits,
            # A jar that no domain may write to: cookies belong to `auth`, which signs them in.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def _exchange(
        self, client: httpx.AsyncClient, request: HttpRequest, way: _Way
    ) -> HttpReply:
        headers = {"accept-encoding": "gzip", "connection": "keep-alive"}
        # One spelling per name: `auth` writes "Content-Length", and twice is refused by servers.
        headers.update((name.lower(), value) for name, value in request.headers.items())
        if request.method != "GET":
            # Bodiless requests without it get 411 from IBKR's edge, and httpx leaves it out of
            # some of them. Source: protocol section 4.
            headers["content-length"] = str(len(request.content))
        connect_s = min(self._settings.connect_timeout_s, request.timeout_s)
        # Built by hand and not by the client, which would merge in URL, headers, cookies and timeouts
        # of its own: 60 µs, a tenth of the whole call.
        message = httpx.Request(
            request.method,
            request.url,
            headers=headers,
            content=request.content or None,
            extensions={
                "timeout": {
                    "connect": connect_s,
                    "pool": connect_s,
                    "read": request.timeout_s,
                    "write": request.timeout_s,
                },
                "trace": way.follow,
            },
        )
        # httpx tells when it begins to send. Where it tells nothing, as in its doubles, it may have.
        way.has_left = not self._tells_steps
        try:
            response = await client.send(message, stream=True)
        finally:
            self._tells_steps = self._tells_steps or way.is_told
        answer = response.headers
        try:
            body = Body(
                self._settings.max_body_bytes,
                encoding=answer.get("content-encoding", ""),
                length=answer.get("content-length", ""),
            )
            # Not `aiter_bytes`, which inflates without a bound; an async client's stream is of this kind.
            async for chunk in cast("httpx.AsyncByteStream", response.stream):
                body.add(chunk)
        except UnfitBodyError as error:
            raise UnreadableResponseError(
                request.label, response.status_code, str(error)
            ) from error
        finally:
            await response.aclose()
        return HttpReply(
            status=response.status_code,
            headers={name.lower(): value for name, value in answer.items()},
            content=body.end(),
        )


class _Bridged(httpx.AsyncHTTPTransport):
    """httpx's own transport over the network of another world."""

    def __init__(self, world: World, limits: httpx.Limits, context: ssl.SSLContext) -> None:
        # Its own constructor would build the pool without a way to name the network.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            network_backend=_Backend(world, limits.keepalive_expiry),
        )


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects for httpx."""

    def __init__(self, world: World, idle_s: float | None) -> None:
        self._world = world
        self._idle_s = float("inf") if idle_s is None else idle_s

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,  # noqa: ARG002 - the library's signature
        socket_options: Any = None,  # noqa: ARG002 - the library's signature
    ) -> httpcore.AsyncNetworkStream:
        """Connect through the world's network."""
        reader = asyncio.StreamReader()
        try:
            async with asyncio.timeout(timeout):
                transport, protocol = await self._world.network.connect(
                    lambda: asyncio.StreamReaderProtocol(reader), host, port
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError(error) from error
        loop = asyncio.get_running_loop()
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        return _Connection(reader, writer, self._world, self._idle_s)


class _Connection(httpcore.AsyncNetworkStream):
    """One connection of httpx. Time limits are left to `HttpxTransport.send`, which has one for all."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        world: World,
        idle_s: float,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = world.clock
        self._idle_s = idle_s
        self._used_at = self._clock.monotonic()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002, ASYNC109 - the library's signature
        """Return what has come; empty at the end."""
        try:
            found = await self._reader.read(max_bytes)
        except OSError as error:
            raise httpcore.ReadError(error) from error
        self._used_at = self._clock.monotonic()
        return found

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - the library's signature
        """Send."""
        try:
            self._writer.write(buffer)
            await self._writer.drain()
        except OSError as error:
            raise httpcore.WriteError(error) from error

    async def aclose(self) -> None:
        """Close without waiting for the other side."""
        self._writer.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,  # noqa: ARG002 - the library's signature
        server_hostname: str | None = None,  # noqa: ARG002 - the library's signature
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - the library's signature
    ) -> httpcore.AsyncNetworkStream:
        """Do nothing: see `Network`."""
        return self

    def get_extra_info(self, info: str) -> Any:
        """Tell whether an idle connection must not be used again; nothing else is known.

        The library measures idleness with the machine's clock, which is not this world's.
        """
        if info != "is_readable":
            return None
        return self._reader.at_eof() or self._clock.monotonic() - self._used_at > self._idle_s


class _Way:
    """How far one request has come."""

    def __init__(self) -> None:
        self.has_left = False
        """Whether the first byte may be on its way."""
        self.is_told = False
        """Whether any step was told."""
        self._stream: Any = None

    async def follow(self, step: str, facts: Mapping[str, Any]) -> None:
        """Take note of a step of httpx's.

        A connection whose TLS handshake is cancelled is closed here: httpx closes it after an error,
        but forgets it after a cancellation, and the socket would stay open until the garbage collector
        finds it.
        """
        self.is_told = True
        if step == "http11.send_request_headers.started":
            self.has_left = True
        elif step == "connection.connect_tcp.started":
            self.has_left = False
        elif step == "connection.connect_tcp.complete":
            self._stream = facts["return_value"]
        elif step == "connection.start_tls.failed" and self._stream is not None:
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()


def map_failure(error: Exception, label: str, *, has_left: bool = True) -> IbkrError:
    """Turn what httpx raised into the error that says whether the server may have the request."""
    tls = _tls_reason(error)
    if isinstance(error, httpx.ConnectError) and tls:
        return TlsError(label, f"TLS failed: {tls}", may_have_reached_server=False)
    for kind, ours, may_have_reached_server, words in _FAILURES:
        if isinstance(error, kind):
            detail = f"{words} ({error})" if str(error) else words
            reached = may_have_reached_server and has_left
            return ours(label, detail, may_have_reached_server=reached)
    raise error


def _tls_reason(error: BaseException) -> str:
    """What TLS found wrong, looked for among the causes; empty when TLS is not the cause."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"certificate refused, {seen.verify_message}"
        if isinstance(seen, ssl.SSLError):
            return getattr(seen, "reason", None) or str(seen)
        seen = seen.__cause__ or seen.__context__
    return ""
