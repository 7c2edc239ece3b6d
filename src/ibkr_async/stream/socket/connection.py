"""The socket: dialling, reading, sending, closing. With `framing`, all that imports `websockets`.

Responsible for turning the library's behaviour and exceptions into ours. It knows no topic, never
retries, never follows a redirect, and never lets the library log: its debug log has the cookie.

Settings that differ from the library's, and why (measured in this project's reliability notes):

* `ping_interval=10, ping_timeout=8, close_timeout=1`: a half-open connection is found in 19 s.
* `max_queue=None`: with a bounded queue a slow moment here stops the reading, pongs are not seen, and
  our own side closes with 1011. The bounded buffers are ours, one for each subscription.
* No extension is offered: no decompression bomb. No proxy is taken from the environment.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Final

import anyio
import anyio.lowlevel
import msgspec
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus, InvalidURI, WebSocketException
from websockets.protocol import State
from websockets.uri import parse_uri

from ibkr_async.errors import StreamConnectError
from ibkr_async.ports import USER_AGENT
from ibkr_async.sealed import SEALED
from ibkr_async.stream.socket.framing import FramedConnection, Sink

if TYPE_CHECKING:
    from ibkr_async.ports import SocketTarget
    from ibkr_async.stream.settings import SocketSettings
    from ibkr_async.world import Network

_FRAMES_PER_TURN: Final = 500
"""Frames from `recv` after which the reader lets others run. A piece of a read has fewer, nearly
always, so that the library's queue, which has no limit, does not grow."""
_BROKEN: Final = 1006
"""Close code that says: no close frame came."""
_RETRYABLE_STATUS: Final = frozenset({408, 425, 429})

# Not in the logging tree's hands at DEBUG: there the library writes the request with its cookie and
# token, frame by frame.
_WIRE_LOG: Final = logging.Logger("ibkr_async.stream.wire", logging.WARNING)  # noqa: LOG001 - see above
_WIRE_LOG.parent = logging.getLogger("ibkr_async.stream")


class Loss(msgspec.Struct, frozen=True):
    """How a connection ended."""

    code: int
    """WebSocket close code of whoever closed first; 1006 when nobody did."""
    reason: str


class SocketConnection:
    """An open socket. One task reads, one sends; anybody may abort."""

    def __init__(self, raw: _Connection, settings: SocketSettings) -> None:
        self._raw = raw
        self._settings = settings

    async def read(self, sink: Sink) -> Loss:
        """Hand every frame to `sink` until the connection ends, and say how it ended.

        Cancellation: safe; no frame is lost. Call it once.
        """
        read_frame = self._raw.recv
        frames = 0
        self._raw.deliver_to(sink)
        while True:
            try:
                frame = await read_frame(decode=False)
            except ConnectionClosed as error:
                return _loss_of(error)
            sink((frame,))
            self._raw.delivered()
            frames += 1
            if frames % _FRAMES_PER_TURN == 0:
                await anyio.lowlevel.checkpoint()

    async def send(self, text: str) -> bool:
        """Send one text frame; false when the connection has ended, which `read` reports."""
        try:
            await self._raw.send(text)
        except ConnectionClosed:
            return False
        return True

    async def close(self) -> None:
        """Close so that the server sees 1000, within twice `cut_after_s`. Never raises.

        Cancellation: shielded, since a connection that is cut counts as ungraceful at IBKR.
        """
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(2 * self._settings.cut_after_s):
                await self._raw.close(1000)
            self.abort()

    def abort(self) -> None:
        """Cut the connection immediately."""
        self._raw.transport.abort()


async def dial(
    target: SocketTarget,
    ssl_context: ssl.SSLContext | None,
    settings: SocketSettings,
    network: Network,
) -> SocketConnection:
    """Open a socket. `ssl_context` is used for `wss` only.

    Errors: `StreamConnectError`, `fatal` when the certificate or the request itself was refused.
    Cancellation: safe; nothing stays open.
    """
    shown_url = target.url.partition("?")[0]
    try:
        async with asyncio.timeout(settings.connect_timeout_s):
            with SEALED:
                raw = await _connect(target, ssl_context, settings, network)
    except TimeoutError as error:
        raise connect_error(shown_url, TimeoutError("not open in time")) from error
    except (WebSocketException, OSError, ValueError) as error:
        raise connect_error(shown_url, error) from error
    return SocketConnection(raw, settings)


async def _connect(
    target: SocketTarget,
    ssl_context: ssl.SSLContext | None,
    settings: SocketSettings,
    network: Network,
) -> _Connection:
    # By hand, in place of the library's `connect`: that one follows redirects, knows proxies, and
    # connects through the event loop only.
    address = parse_uri(target.url)

    def make() -> _Connection:
        return _Connection(
            ClientProtocol(address, max_size=settings.max_frame_bytes, logger=_WIRE_LOG),
            largest=settings.max_frame_bytes,
            fast=settings.fast_framing,
            ping_interval=settings.ping_interval_s,
            ping_timeout=settings.ping_timeout_s,
            close_timeout=settings.cut_after_s,
            max_queue=None,
        )

    _, raw = await network.connect(
        make,
        address.host,
        address.port,
        tls=ssl_context if address.secure else None,
        server_name=address.host,
    )
    try:
        await raw.handshake(dict(target.headers), USER_AGENT)
    except BaseException:
        raw.transport.abort()
        raise
    raw.start_keepalive()
    return raw


def connect_error(url: str, error: Exception) -> StreamConnectError:
    """Turn whatever opening a socket can raise into ours."""
    if isinstance(error, ssl.SSLCertVerificationError):
        detail = f"its certificate was refused ({error.verify_message}); nothing was sent"
        return StreamConnectError(url, detail, fatal=True)
    if isinstance(error, InvalidStatus):
        return _refusal(url, error.response.status_code)
    if isinstance(error, TimeoutError):
        return StreamConnectError(url, "no answer in time")
    # The text of InvalidURI has the whole URL, with its token.
    detail = "that is not a socket's URL" if isinstance(error, InvalidURI) else _words(error)
    return StreamConnectError(url, detail, fatal=isinstance(error, InvalidURI | ValueError))


def _refusal(url: str, status: int) -> StreamConnectError:
    if status // 100 == 3:  # noqa: PLR2004 - 3xx
        detail = f"the server redirects ({status}), and credentials are not sent elsewhere"
        return StreamConnectError(url, detail, fatal=True)
    fatal = status // 100 == 4 and status not in _RETRYABLE_STATUS  # noqa: PLR2004 - 4xx
    advice = "; the session is not valid here: log in again" if status in {401, 403} else ""
    return StreamConnectError(url, f"the server answered {status}{advice}", fatal=fatal)


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _loss_of(error: ConnectionClosed) -> Loss:
    frame = error.rcvd or error.sent
    if frame is None:
        return Loss(_BROKEN, "the connection broke")
    return Loss(frame.code, frame.reason)


class _Connection(FramedConnection):
    """Cuts itself when a peer that should close TCP does not.

    After a close frame, or a frame that breaks the protocol, the library waits for the server to
    close TCP; it notices a server that never does only at the next ping.
    """

    _abort_timer: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._abort_timer is None and self.protocol.state in {State.CLOSING, State.CLOSED}:
            self._abort_timer = self.loop.call_later(
                self.close_timeout or 1.0, self.transport.abort
            )

    def connection_lost(self, exc: Exception | None) -> None:
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        super().connection_lost(exc)
