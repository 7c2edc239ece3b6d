"""One WebSocket connection after the other: binding, greeting, heartbeats, reading, writing.

Responsible for the shell around `Feeds`: it moves frames between them and the connection, loses
what comes too early, and notes how the connection ended. It must never decide what a stream says.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import anyio
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from ibkr_async.simulator.login.sessions import GATEWAY, Identity
from ibkr_async.simulator.replay import Player, RecordedQuote, Recording
from ibkr_async.simulator.sockets.feeds import Feeds
from ibkr_async.simulator.wire import frame, read_session

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from anyio.abc import TaskGroup

    from ibkr_async.simulator.sockets.floor import Floor
    from ibkr_async.world import Clock

_NORMAL = 1000
_ABNORMAL = 1006
_TOO_SLOW = 1008
_NEVER_SENT = frozenset({1005, 1006, 1015})
"""Codes that tell of an end without a close frame, or without a code in it."""
_SENT = frozenset({*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)})
"""Codes that a close frame may carry. Source: RFC 6455 and its registry."""
_UNAUTHORIZED, _FORBIDDEN = 401, 403
_KEPT_FACTS = 1000


@dataclass(slots=True)
class SocketFacts:
    """What became of one connection."""

    identity: str = ""
    """`oauth` or `gateway`; empty until the socket is bound to a session."""
    client_close_code: int | None = None
    """The code in the client's close frame; 1006 when it left without one."""
    server_close_code: int | None = None
    """The code that we closed with; 1006 when we dropped it without one."""
    received: int = 0
    sent: int = 0
    lost: int = 0
    """Frames that came before the greeting."""
    requests: Counter[str] = field(default_factory=Counter[str])
    """What the client asked for, by code and target, such as `smd+265598` or `tic`."""

    @property
    def is_open(self) -> bool:
        """True until either side has closed."""
        return self.client_close_code is None and self.server_close_code is None


class SocketHub:
    """All connections of one simulator."""

    def __init__(
        self,
        floor: Floor,
        *,
        access_tokens: Collection[str],
        knows_bearer: Callable[[str], bool],
        now: Callable[[], float],
        clock: Clock,
        recording: Recording | None = None,
        speed: float = 1.0,
    ) -> None:
        self.floor = floor
        self.access_tokens = access_tokens
        self.knows_bearer = knows_bearer
        self.now = now
        """Gives the simulator's time, which can be shifted."""
        self.clock = clock
        self.recording = recording
        self.speed = speed
        self.stalled = False
        """True while frames are lost instead of sent; pings are answered all the same."""
        self.facts: deque[SocketFacts] = deque(maxlen=_KEPT_FACTS)
        self.open_sockets: list[ClientSocket] = []

    @property
    def recording_greets(self) -> bool:
        """True when a recording brings its own greeting."""
        return self.recording is not None and self.recording.has_greeting

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one connection until it ends."""
        if not websocket.headers.get("user-agent"):
            await websocket.send_denial_response(Response(status_code=_FORBIDDEN))
            return
        token = websocket.query_params.get("oauth_token")
        bearer = websocket.query_params.get(self.floor.settings.bearer_parameter)
        if (token is not None and token not in self.access_tokens) or (
            bearer is not None and not self.knows_bearer(bearer)
        ):
            await websocket.send_denial_response(Response(status_code=_UNAUTHORIZED))
            return
        client = ClientSocket(self, websocket, signed=token is not None or bearer is not None)
        self.facts.append(client.facts)
        self.open_sockets.append(client)
        try:
            await client.run()
        finally:
            self.open_sockets.remove(client)
            client.unbind()

    def take_quote(self, quote: RecordedQuote) -> None:
        """Let a recorded quote be the market, and orders meet it."""
        if quote.conid in self.floor.broker.instruments:
            self.floor.broker.quote(**quote._asdict())
            self.floor.advance(self.now())

    def push(self, text: str) -> None:
        """Send a raw frame to every socket that has been greeted."""
        for client in list(self.open_sockets):
            if client.greeted:
                client.emit(text)

    def drop(self, code: int | None) -> None:
        """Close every socket with a code, or cut the connections; see `Simulator.drop_sockets`."""
        if code in _NEVER_SENT:
            code = None
        elif code is not None and code not in _SENT:
            raise ValueError(f"no close frame may carry {code!r}; None or 1006 cuts the line")
        for client in list(self.open_sockets):
            if code is None:
                client.cut()
            else:
                client.close(code)


class ClientSocket:
    """One connection."""

    def __init__(self, hub: SocketHub, websocket: WebSocket, *, signed: bool) -> None:
        self.facts = SocketFacts()
        self.greeted = False
        self._hub = hub
        self._floor = hub.floor
        self._settings = hub.floor.settings
        self._websocket = websocket
        self._signed = signed
        self._outbox: asyncio.Queue[str | int] = asyncio.Queue(self._settings.outbox_frames)
        self._scope = anyio.CancelScope()
        self._close_sent = False
        self._feeds: Feeds | None = None
        self._player: Player | None = None
        if hub.recording is not None:
            self._player = Player(
                hub.recording,
                speed=hub.speed,
                send=self._transmit,
                clock=hub.clock,
                quote=hub.take_quote,
            )

    async def run(self) -> None:
        """Serve the connection. Cancellation: the connection is cut."""
        await self._websocket.accept()
        with self._scope:
            async with anyio.create_task_group() as group:
                group.start_soon(self._write)
                await self._bind_by_cookie(group)
                await self._read(group)
                group.cancel_scope.cancel()
        if self.facts.is_open:
            self.facts.server_close_code = _ABNORMAL

    # what others ask of it

    def emit(self, text: str) -> None:
        """Queue a frame. A client that never reads is dropped instead of filling the memory."""
        try:
            self._outbox.put_nowait(text)
        except asyncio.QueueFull:
            self.facts.server_close_code = _TOO_SLOW
            self.cut()

    def close(self, code: int) -> None:
        """Close with a code, after the frames that are already queued."""
        if not self.facts.is_open:
            return
        self.facts.server_close_code = code
        try:
            self._outbox.put_nowait(code)
        except asyncio.QueueFull:
            self.cut()

    def cut(self) -> None:
        """End the connection without a close frame."""
        self._scope.cancel()

    def unbind(self) -> None:
        """Take the socket's streams off the floor."""
        if self._feeds in self._floor.screens:
            self._floor.screens.remove(self._feeds)

    # binding

    async def _bind_by_cookie(self, group: TaskGroup) -> None:
        session_id = session_cookie(self._websocket.headers.get("cookie", ""))
        identity = None
        if session_id is not None and not self._settings.waiting_for_session:
            identity = self._floor.sessions.identity_of(session_id)
        if identity is None or session_id is None:
            self.emit(frame({"message": "waiting for session"}))
        else:
            self._bind(group, identity, session_id)

    def _bind(self, group: TaskGroup, identity: Identity, session_id: str) -> None:
        """Attach the socket to a session; close it when there is no brokerage session yet."""
        if identity != GATEWAY and not self._signed:
            self.close(_NORMAL)
            return
        self.facts.identity = identity.partition(":")[0]
        if not self._floor.sessions.holds(identity):
            self.close(_NORMAL)
            return
        self._feeds = Feeds(
            self._floor,
            identity=identity,
            session_id=session_id,
            emit=self.emit,
            close=self.close,
        )
        self._floor.screens.append(self._feeds)
        group.start_soon(self._greet_and_beat, self._feeds)

    async def _greet_and_beat(self, feeds: Feeds) -> None:
        await self._hub.clock.sleep(self._settings.greeting_delay_s)
        self.greeted = True
        if not self._hub.recording_greets:
            feeds.greet()
        async with anyio.create_task_group() as group:
            if self._player is not None:
                group.start_soon(self._player.play)
            while True:
                await self._hub.clock.sleep(self._settings.heartbeat_s)
                if self._player is None or not self._player.brings_heartbeats:
                    heartbeat = round(self._hub.now() * 1000)
                    self.emit(frame({"topic": "system", "hb": heartbeat}))

    # reading and writing

    async def _read(self, group: TaskGroup) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                if self.facts.is_open:
                    # The server library adds a reason only when there was a close frame.
                    self.facts.client_close_code = (
                        message["code"] if "reason" in message else _ABNORMAL
                    )
                return
            self.facts.received += 1
            self._receive(_text(message), group)

    def _receive(self, text: str, group: TaskGroup) -> None:
        if self._feeds is None:
            session_id = read_session(text)
            identity = self._floor.sessions.identity_of(session_id or "")
            if session_id is not None and identity is not None:
                self._bind(group, identity, session_id)
            else:
                self.facts.lost += 1
        elif not self.greeted:
            self.facts.lost += 1
        elif self._player is None or text == "tic" or not self._player.hear(text):
            topic = self._feeds.receive(text, self._hub.now())
            self.facts.requests[topic] += 1

    async def _write(self) -> None:
        while True:
            item = await self._outbox.get()
            if isinstance(item, str):
                await self._transmit(item)
                continue
            self._close_sent = True
            with suppress(WebSocketDisconnect):
                await self._websocket.close(item)
            return

    async def _transmit(self, text: str) -> None:
        """Send one frame; nothing when either side has closed, which the reader finds out."""
        if self._close_sent or self._hub.stalled:
            return
        try:
            if self._settings.binary_frames:
                await self._websocket.send_bytes(text.encode())
            else:
                await self._websocket.send_text(text)
        except WebSocketDisconnect:
            self._close_sent = True
            return
        self.facts.sent += 1


def session_cookie(header: str) -> str | None:
    """Find the session id in a `Cookie` header: `api=…` raw or as JSON, or `x-sess-uuid=…`."""
    cookies: dict[str, str] = {}
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        cookies[name] = unquote(value)
    found = cookies.get("api") or cookies.get("x-sess-uuid")
    return None if found is None else read_session(found) or found


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("text")
    if content is None:
        content = message.get("bytes", b"").decode("utf-8", "replace")
    return str(content)
