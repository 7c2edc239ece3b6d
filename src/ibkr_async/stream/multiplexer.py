"""`Multiplexer`: one socket for any number of feeds, kept up for as long as the client lives.

Responsible for the life of the socket: opening it when something is wanted, carrying bytes between
it and the protocol core, and opening it again when it is lost. What the bytes mean is the core's
business (`protocol`), what is sent on them the connection's (`connection`). It never decodes and
never decides about subscriptions.

One task, `run`, owns everything: a reader in its task group hands frames to the core, and `run`
itself sends and keeps the deadlines. The reader runs no code of the user and waits for nobody.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING

import anyio

from ibkr_async.errors import (
    ClosedError,
    IbkrError,
    SessionError,
    StreamConnectError,
    TlsError,
    UsageError,
    is_retryable,
)
from ibkr_async.home import Home
from ibkr_async.stream.core.protocol import Phase, StreamCore
from ibkr_async.stream.delivery.events import (
    Connected,
    ConnectFailed,
    ConnectionDead,
    Disconnected,
    StreamEvent,
    SubscriptionFailed,
)
from ibkr_async.stream.hours import MarketHours
from ibkr_async.stream.seldom import Seldom
from ibkr_async.stream.settings import StreamSettings
from ibkr_async.stream.socket.close_codes import close_code
from ibkr_async.stream.socket.connection import Loss, SocketConnection, dial
from ibkr_async.stream.socket.reconnecting import ReconnectDelays

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from ibkr_async.ports import SocketTarget
    from ibkr_async.stream.core.channel import Listener, Wish
    from ibkr_async.stream.core.stats import CoreStats
    from ibkr_async.world import World

_LOG = logging.getLogger("ibkr_async.stream")
_CLOSED_BY_US = Loss(1000, "closed by this client")


class Multiplexer:
    """The engine of all streams. Users hold its face, `ib.stream`, and feeds.

    `open_target` is asked before every connect: it logs in again if needed and fetches a fresh
    session. `ssl_context` is called in a thread. `on_event` gets every event, in order, and must
    not block.
    """

    def __init__(
        self,
        *,
        world: World,
        open_target: Callable[[], Awaitable[SocketTarget]],
        ssl_context: Callable[[], ssl.SSLContext],
        on_event: Callable[[StreamEvent], None],
        settings: StreamSettings | None = None,
        home: Home | None = None,
    ) -> None:
        self._home = home or Home()
        self.settings = settings or StreamSettings()
        self._world = world
        self._open_target = open_target
        self._ssl_context = ssl_context
        self._on_event = on_event
        self._clock = clock = world.clock.monotonic
        self._wall_clock = wall_clock = world.clock.wall
        self._random = world.random.uniform
        self.hours = MarketHours(wall_clock)
        """Trading hours of contracts, where they are known."""
        self._core = StreamCore(
            self.settings.protocol,
            max_frame_bytes=self.settings.socket.max_frame_bytes,
            random=self._random,
            unix=lambda now: wall_clock() - (clock() - now),
            is_open=self.hours.is_open,
        )
        self._failures = Seldom(1.0)
        self._delays = ReconnectDelays(self.settings.reconnecting)
        self._listeners: set[Listener] = set()
        self._wake = asyncio.Event()
        """Set when `run` has something to do before its next deadline."""
        self._changed = asyncio.Event()
        """Set, and replaced, when something has happened that may change what is served."""
        self._sending = False
        """True while frames are on their way out."""
        self._hurry = asyncio.Event()
        """Set when waiting for the next attempt has lost its point."""
        self._finished = asyncio.Event()
        self._running = False
        self._closing = False
        self._failure: IbkrError | None = None
        """The defect that ended it, if one did."""
        self._connection: SocketConnection | None = None
        self._loss: Loss | None = None
        self._renewing = False
        """True while a connection is being replaced on purpose, so that nobody waits."""
        self._opening: anyio.CancelScope | None = None
        """What `aclose` cancels while a socket is being opened."""

    # --- what others ask and tell ----------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """True while the server has greeted this socket, so that subscriptions are served."""
        return self._core.phase is Phase.READY

    @property
    def wanted(self) -> bool:
        """True while there are feeds, so that the socket ought to be connected."""
        return bool(self._listeners)

    @property
    def stats(self) -> CoreStats:
        """Counters of the stream since the client was opened."""
        return self._core.stats

    def session_changed(self, established: bool) -> None:  # noqa: FBT001 - a fact, not a mode
        """Take the keeper's word on whether the brokerage session is up. A pending retry is made at once."""
        self._core.session_established(established, self._clock())
        self._wake.set()
        if established:
            self._hurry.set()

    def subscribe(self, listener: Listener, wishes: Sequence[Wish]) -> None:
        """Begin to feed a listener, or feed it more; all of it or nothing.

        Errors: `UsageError`, `SubscriptionError`, `ClosedError`; nothing has changed then.
        """
        self._home.check()
        if self._closing:
            raise self._failure or ClosedError("stream", "open a new client")
        # Also when it fails: what was taken back in the middle must be sent too.
        self._wake.set()
        now, added = self._clock(), []
        try:
            for wish in wishes:
                self._core.subscribe(wish, listener, now)
                added.append(wish.key)
        except IbkrError:
            self.unsubscribe(listener, added)
            raise
        self._listeners.add(listener)

    def unsubscribe(self, listener: Listener, keys: Iterable[str]) -> None:
        """Feed a listener less."""
        now = self._clock()
        for key in tuple(keys):
            self._core.unsubscribe(key, listener, now)
        self._wake.set()

    def release(self, listener: Listener) -> None:
        """Stop feeding a listener. Twice is harmless."""
        self._listeners.discard(listener)
        self.unsubscribe(listener, sorted(listener.keys))
        self._announce_change()

    def serves(self, listener: Listener) -> bool:
        """Tell whether the server serves all of a listener."""
        return not self._sending and self._core.serves(listener)

    async def changed(self) -> None:
        """Wait for a change of what is served."""
        await self._changed.wait()

    def say(self, key: str, text: str) -> None:
        """Send a frame of a dialogue. Errors: `SubscriptionError` when it is not open."""
        self._core.say(key, text)
        self._wake.set()

    def reconnect(self, reason: str) -> None:
        """Open the socket anew at once, since what bound it is no longer valid.

        Subscriptions go on; what may be missing is a `Gap`.
        """
        if self._connection is not None and self._loss is None:
            self._renewing, self._loss = True, Loss(1000, reason)
        self._wake.set()
        self._hurry.set()

    async def drain(self, timeout_s: float = 10.0) -> bool:
        """Unsubscribe everything and wait until consumers have taken what is queued.

        Shape: False when some had not after `timeout_s`. Their iterations end either way.
        """
        unread: list[asyncio.Event] = []
        for listener in tuple(self._listeners):
            self.release(listener)
            listener.buffer.end()
            if listener.buffer.messages_waiting:
                unread.append(asyncio.Event())
                listener.buffer.on_closed = unread[-1].set
        with anyio.move_on_after(timeout_s):
            for closed in unread:
                await closed.wait()
            return True
        return False

    def fail(self, error: IbkrError | None) -> None:
        """End every feed with an error, which is raised after what is queued; `aclose` does the rest."""
        self._failure = error
        for listener in tuple(self._listeners):
            listener.buffer.end(error)

    async def aclose(self) -> None:
        """End every subscription and close the socket so that the server sees 1000. Idempotent.

        Takes at most `close_timeout_s`, also when it is cancelled meanwhile.
        """
        self._closing = True
        self._core.close()
        for listener in self._listeners:
            listener.buffer.end()  # of one without topics the core does not know
        self._announce_change()
        self._wake.set()
        self._hurry.set()
        if self._opening is not None:
            self._opening.cancel()
        if not self._running:
            return
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(self.settings.close_timeout_s):
                await self._finished.wait()
                return
            if self._connection is not None:
                self._connection.abort()

    # --- the loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the socket while there is something to carry, until `aclose`. Run it in one task.

        Cancellation: closes the socket properly first. Errors: none of the network's; those end
        the subscriptions or are retried.
        """
        if self._running:
            raise UsageError("the stream runs already")
        self._running = True
        self._finished.clear()
        try:
            while not self._closing:
                if self._listeners:
                    await self._connect_and_converse()
                else:
                    self._wake.clear()
                    await self._wake.wait()
        finally:
            self._running = False
            self._finished.set()

    async def _connect_and_converse(self) -> None:
        opened = None
        with anyio.CancelScope() as self._opening:
            try:
                opened = await self._open()
            except IbkrError as error:
                await self._after_failure(error)
        self._opening = None
        if opened is None:
            return
        connection, target = opened
        began = self._clock()
        loss = await self._converse(connection, target)
        self._delays.connection_ended(self._clock() - began)
        if not self._closing:
            await self._after_loss(loss, target)

    async def _open(self) -> tuple[SocketConnection, SocketTarget]:
        target = await self._open_target()
        return await self._dial(target), target

    async def _dial(self, target: SocketTarget) -> SocketConnection:
        context: ssl.SSLContext | None = None
        if target.url.startswith("wss:"):
            context = await self._world.threads.run(self._ssl_context)
        return await dial(target, context, self.settings.socket, self._world.network)

    async def _after_failure(self, error: IbkrError) -> None:
        """An attempt failed: wait for the next one, or give up."""
        if self._closing:
            return
        if self._is_fatal(error):
            self._give_up(error)
            return
        delay = self._delays.next_delay(self._random())
        self._publish(
            ConnectFailed(at=self._wall_clock(), detail=str(error), fatal=False, retry_in_s=delay)
        )
        await self._pause(delay)

    async def _after_loss(self, loss: Loss, target: SocketTarget) -> None:
        """A connection was lost: wait as its close code advises, or give up."""
        if self._renewing:
            self._renewing = False
            return
        row = close_code(loss.code)
        detail = f"the server closed with {loss.code} ({row.meaning}) {loss.reason}".rstrip()
        error = StreamConnectError(target.url.partition("?")[0], detail, fatal=row.fatal)
        if self._is_fatal(error):
            self._give_up(error)
            return
        await self._pause(self._delays.next_delay(self._random(), at_least_s=row.at_least_s))

    def _give_up(self, error: IbkrError) -> None:
        """No attempt can help: end everything that waits. A later subscription tries again."""
        self._publish(
            ConnectFailed(at=self._wall_clock(), detail=str(error), fatal=True, retry_in_s=0.0)
        )
        for listener in tuple(self._listeners):
            listener.buffer.end(error)
            self.release(listener)

    async def _pause(self, delay_s: float) -> None:
        self._hurry.clear()
        with anyio.move_on_after(delay_s):
            await self._hurry.wait()

    def _is_fatal(self, error: IbkrError) -> bool:
        """Tell whether an error ends the subscriptions; all others are waited out.

        A refused login or upgrade that has worked before is waited out: around the nightly reset
        IBKR refuses what it accepts again an hour later. A certificate that changed is not.
        """
        if isinstance(error, TlsError) or isinstance(error.__cause__, ssl.SSLCertVerificationError):
            return True
        if self._core.stats.connections or isinstance(error, SessionError):
            return False
        return not is_retryable(error)

    # --- one connection --------------------------------------------------------------------------

    async def _converse(self, connection: SocketConnection, target: SocketTarget) -> Loss:
        """Carry frames both ways until the connection ends, and leave nothing of it behind."""
        self._connection, self._loss = connection, None
        self._core.connection_made(self._clock(), target.session)
        loss = _CLOSED_BY_US
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._read, connection, name="ibkr_async stream reader")
                loss = await self._drive(connection)
                tasks.cancel_scope.cancel()
        finally:
            await connection.close()
            self._connection = None
            self._core.connection_lost(self._clock(), loss.code, loss.reason)
            self._publish_events()
            self._announce_change()
        return loss

    async def _read(self, connection: SocketConnection) -> None:
        self._loss = await connection.read(self._take_frames)
        self._wake.set()

    def _take_frames(self, frames: Sequence[bytes]) -> None:
        core = self._core
        if self._loss is not None and not self._renewing:
            return  # given up: after what was lost, nothing may be delivered before the gap
        try:
            core.frames_received(frames, self._clock())
        except Exception:  # noqa: BLE001 - a new connection has nothing of what it left; feeds have a gap
            _LOG.critical("a defect broke the connection off; it is opened anew", exc_info=True)
            self._renewing, self._loss = False, Loss(1006, "a defect of this client")
        if core.wants_attention or self._loss is not None:
            self._wake.set()

    async def _drive(self, connection: SocketConnection) -> Loss:
        """Send what the core wants sent and keep its deadlines; return how it ended."""
        core = self._core
        while True:
            self._wake.clear()
            core.deadline_reached(self._clock())
            dead = self._publish_events()
            if not await self._send_frames(connection):
                return Loss(1006, "a frame could not be sent in time")
            self._announce_change()
            if self._loss is not None:
                return self._loss
            if dead is not None:
                return Loss(1006, dead.reason)
            if self._closing:
                return _CLOSED_BY_US
            if not core.wants_attention:
                due = core.next_deadline()
                wait_s = None if due is None else max(0.0, due - self._clock())
                with anyio.move_on_after(wait_s):
                    await self._wake.wait()

    async def _send_frames(self, connection: SocketConnection) -> bool:
        """Send what the core wants sent; false when a frame could not leave in time."""
        self._sending = True
        try:
            for text in self._core.frames_to_send():
                with anyio.move_on_after(self.settings.send_timeout_s) as patience:
                    await connection.send(text)
                if patience.cancelled_caught:
                    return False
        finally:
            self._sending = False
        return True

    # --- events ----------------------------------------------------------------------------------

    def _publish_events(self) -> ConnectionDead | None:
        dead = None
        for event in self._core.events():
            self._publish(event)
            if isinstance(event, ConnectionDead):
                dead = event
        return dead

    def _publish(self, event: StreamEvent) -> None:
        match event:
            case Connected():
                _LOG.info("connected; the server greets %s", event.username)
            case Disconnected():
                _LOG.info("disconnected: %s %s", event.code, event.reason)
            case ConnectFailed():
                _LOG.info("%s; next attempt in %.1f s", event.detail, event.retry_in_s)
            case SubscriptionFailed():
                self._warn_of_failure(event)
            case _:
                pass
        self._on_event(event)

    def _warn_of_failure(self, event: SubscriptionFailed) -> None:
        unsaid = self._failures.admits(self._clock())
        if unsaid is not None:
            more = f" (and {unsaid} more before it)" if unsaid else ""
            _LOG.warning("subscription %s: %s%s", event.topic, event.detail, more)

    def _announce_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
