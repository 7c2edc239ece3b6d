"""One loopback port that serves REST and socket.

Responsible for the listening socket, TLS, and for running the HTTP server inside a task of ours:
ready when awaited, stopped within two seconds, no signal handlers. It must never listen on
anything but loopback: the simulator answers requests that nobody has signed.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, cast

import anyio
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from ibkr_async.simulator.faults import CUT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from ibkr_async.world import Clock, Network, TakenPort

BANNER = "ibkr_async-simulator"
"""The `Server` header: a client can tell that this is not IBKR."""
_LOOPBACK = frozenset({"127.0.0.1", "localhost"})
_LAST_PORT = 65535
_log = logging.getLogger("ibkr_async.simulator.server")
"""In place of the library's own loggers, which may be those of the program around."""
_MAX_FRAME = 1 << 20
_KEEP_ALIVE_S = 75
"""Idle HTTP connections live longer than any client's pool keeps them, so none dies in use."""
_GRACE_S = 1.0
"""How long open requests and sockets get to end by themselves."""
_POLL_S = 0.02


def bind_loopback(network: Network, host: str, port: int) -> TakenPort:
    """Take the port to listen on; port 0 takes a free one.

    Errors: `ValueError` for a host that is not loopback, or an impossible port; `OSError` when the
    port is taken.
    """
    if host not in _LOOPBACK:
        raise ValueError(f"the simulator serves loopback only, not {host!r}; use 127.0.0.1")
    if not 0 <= port <= _LAST_PORT:
        raise ValueError(f"port {port} does not exist; ports are 0-{_LAST_PORT}")
    # The certificate and the addresses we report name 127.0.0.1, so IPv6 is not opened.
    return network.listen("127.0.0.1", port)


class _Connection(asyncio.Protocol):
    """Mixed into the library's connections, so that each can be cut whatever state it is in."""

    transport: asyncio.Transport
    """Set by the library."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket: a TLS transport that is closed twice cannot be aborted any more."""
        self._socket: socket.socket | None = transport.get_extra_info("socket")
        super().connection_made(transport)

    def shutdown(self) -> None:
        """Begin to end; one that is closing has said its last word, and the library would raise."""
        if not self.transport.is_closing():
            super().shutdown()  # type: ignore[misc]  # of the library's class

    def cut(self) -> None:
        """End now, without a word."""
        self.transport.abort()
        if self._socket is not None:
            with suppress(OSError):  # the peer was first
                self._socket.shutdown(socket.SHUT_RDWR)


class _HttpConnection(_Connection, H11Protocol):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger, self.access_log = _log, False


class _SocketConnection(_Connection, WebSocketsSansIOProtocol):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.logger = self.conn.logger = _log
        self.conn.debug = False  # it would write every frame

    async def send(self, message: Any) -> None:
        """Send for the application. The library forgets that a refusal is an answer, and complains."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True


class _Config(uvicorn.Config):
    def configure_logging(self) -> None:
        """Set our own logger only: the program may be served by the same library."""
        # At INFO the library writes socket addresses with the access token in them.
        _log.setLevel(logging.WARNING)


class _Server(uvicorn.Server):
    """A server that is started and stopped by its owner instead of by signals."""

    def __init__(self, config: uvicorn.Config, listener: TakenPort, clock: Clock) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.leave = asyncio.Event()
        self._listener = listener
        self._clock = clock

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the program that runs the simulator."""
        yield

    async def _serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Run, without the library's lines about a process that is not its own."""
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets)
        await self.main_loop()
        await self.shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - the library's signature
        """Serve the listener, where the library would open sockets of its own."""
        await self._listener.serve(
            lambda: _HttpConnection(self.config, self.server_state, self.lifespan.state),
            self.config.ssl,
        )
        self.started = True
        self.ready.set()

    async def main_loop(self) -> None:
        """Wait for the owner; the library would look every 100 ms."""
        await self.on_tick(0)
        await self.leave.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - the library's signature
        """Stop listening, let connections end, then cut the rest.

        The library waits for its peers; a client that keeps an idle TLS connection open and does
        not read would hold it for half a minute. Request tasks end by themselves: a socket's
        reader hears of the shutdown at once, and nothing else here waits for anybody.
        """
        self._listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        await self._until_idle(_GRACE_S)
        for connection in list(state.connections):
            cast("_Connection", connection).cut()
        await self._until_idle(_GRACE_S / 2)

    async def _until_idle(self, within_s: float) -> None:
        """Wait for the end of what is going on, which the library tells nobody."""
        state = self.server_state
        with anyio.move_on_after(within_s):
            while state.connections or state.tasks:
                await self._clock.sleep(_POLL_S)


@asynccontextmanager
async def serving(
    app: ASGIApp,
    listener: TakenPort,
    clock: Clock,
    *,
    certificate: Path | None = None,
    certificate_key: Path | None = None,
) -> AsyncGenerator[Callable[[], int], None]:
    """Serve an application on a port for as long as the context is open.

    Gives what counts the open connections. Without a certificate, plain HTTP. Errors: whatever starting
    raises.
    """
    config = _Config(
        _with_cut(app),
        http=_HttpConnection,
        ws=_SocketConnection,
        ws_max_size=_MAX_FRAME,
        ws_ping_interval=None,  # IBKR sends no pings
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        server_header=False,
        date_header=False,
        headers=[("server", BANNER)],
        timeout_keep_alive=_KEEP_ALIVE_S,
        ssl_certfile=certificate,
        ssl_keyfile=certificate_key,
    )
    server = _Server(config, listener, clock)
    task = asyncio.create_task(server.serve(), name="ibkr-simulator-server")
    ready = asyncio.create_task(server.ready.wait(), name="ibkr-simulator-ready")
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield lambda: len(server.server_state.connections)
    finally:
        ready.cancel()
        server.leave.set()
        await asyncio.wait({task})
        listener.close()
    await task


def _with_cut(app: ASGIApp) -> ASGIApp:
    """Add to each request a way to cut its connection: ASGI has no message for that."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            # The server's own `send` belongs to the object that holds the connection.
            scope[CUT] = send.__self__.transport.abort  # type: ignore[attr-defined]  # a bound method
        await app(scope, receive, send)

    return serve
