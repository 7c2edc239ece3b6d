"""The stream's protocol: what to send and what to conclude, with no socket, task or clock in it.

Theory of operation
-------------------

`StreamCore` is told what happens and answers with what to do. Its owner (`multiplexer`) does this:

1.  It opens a socket and says `connection_made`. It passes on every frame with `frame_received`.
2.  After each verb it takes `events()` and `frames_to_send()`, and acts on both. `wants_attention`
    says cheaply, for each of thousands of frames, that there is nothing to take.
3.  It sleeps until `next_deadline()` at the latest, then says `deadline_reached`.
4.  When the socket is gone it says `connection_lost`. On `ConnectionDead` it closes the socket first.
5.  In the end it says `close`, sends what is left, and closes.

Time is an argument everywhere: seconds on any clock that never goes back.

**The connection** passes through these phases::

    OFFLINE --connection_made--> GREETING --"system" success--> READY
       ^                            |  no greeting in 10 s        |  no frame in 25 s
       |                            v                             v
       +-----connection_lost------ DEAD <-------------------------+

In GREETING nothing is sent: the server completes the upgrade before it is connected upstream and
loses without a word whatever it is sent in between. The one exception is `{"session": …}`, and only
when the server asks with `waiting for session`. Whether a connection lives, and when a `tic` goes out,
is `liveness`. Time in which our own event loop stood still is not held against the server.

**Subscriptions are wishes.** `subscribe` and `unsubscribe` change what is wanted; the difference to what
is on the wire is sent when a wish is made, when the greeting arrives, and when the brokerage session
comes up: topics that need it are not requested while it is known to be down. Nothing survives a
connection at the server, so everything wanted is sent again on the next one. All wishes for one topic
share one `Channel`, found through `registry`, whose path from wanted to live and through gaps is
`lifecycle`. A single contract that stalls is found by `staleness`; whose frame it is where the topic
alone does not say is `addressing`.

**Frames** end in `"topic":"smd+265598"}` nearly always. Their last bytes are looked up in a table; a
hit is decoded straight into its struct and put into the buffers. Everything else takes the general path.
No frame, whatever is in it, raises: it becomes an event and a count.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ibkr_async.errors import ClosedError, SubscriptionError
from ibkr_async.models.base import Unread, convert
from ibkr_async.models.scalars import read_int
from ibkr_async.models.streaming import AuthStatus, SystemMessage, read_auth_status
from ibkr_async.stream.core.addressing import addressee
from ibkr_async.stream.core.channel import ANY_CONID
from ibkr_async.stream.core.channel_state import ChannelState
from ibkr_async.stream.core.lifecycle import Lifecycle
from ibkr_async.stream.core.liveness import Liveness
from ibkr_async.stream.core.output import Output
from ibkr_async.stream.core.registry import ENDING, Registry
from ibkr_async.stream.core.stats import CoreStats
from ibkr_async.stream.delivery.events import (
    AuthStatusChanged,
    BadFrame,
    Connected,
    ConnectionDead,
    Disconnected,
    ErrorReceived,
    LoopLagged,
    StreamEvent,
    UnknownFrame,
)
from ibkr_async.stream.settings import CoreSettings
from ibkr_async.stream.wire.frames import (
    UNREADABLE,
    read_envelope,
    read_frame,
    sample,
    words_of,
)
from ibkr_async.stream.wire.topics import TOPICS, Control, Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibkr_async.stream.core.channel import Channel, Listener, Wish

__all__ = ["CoreStats", "Phase", "StreamCore"]

_TOPIC_KEY: Final = b'"topic":"'
_SKIP: Final = len(_TOPIC_KEY)
_LONGEST_ERROR: Final = 400


def _no_opinion(_target: str) -> None:
    return None


class Phase(Enum):
    """Where the connection stands."""

    OFFLINE = auto()
    GREETING = auto()
    READY = auto()
    DEAD = auto()
    CLOSED = auto()


class StreamCore:
    """State of one stream across all its connections. See the module's text for how to drive it."""

    def __init__(
        self,
        settings: CoreSettings | None = None,
        *,
        max_frame_bytes: int,
        random: Callable[[], float],
        unix: Callable[[float], float],
        is_open: Callable[[str], bool | None] = _no_opinion,
    ) -> None:
        """Begin offline, with nothing wanted.

        `unix` gives the Unix seconds of a time on the clock by which the verbs are called: events carry
        them. A frame longer than `max_frame_bytes` is reported unread. `is_open` says whether the market of a target such as `265598` is open; None is unknown.
        """
        self.settings = settings or CoreSettings()
        self.stats = CoreStats()
        self.phase = Phase.OFFLINE
        self.status = AuthStatus()
        """All that this connection has said about the session."""
        self._max_frame_bytes = max_frame_bytes
        self._registry = Registry()
        self._routes = self._registry.routes
        self._codes_asked_for: set[str] = set()
        """Codes of the topics that were ever wanted here."""
        self._output = Output(self.stats, unix)
        self._lifecycle = Lifecycle(
            self._registry,
            self._output,
            self.settings,
            self.stats,
            random=random,
            is_open=is_open,
        )
        self._liveness = Liveness(self.settings, self._output)
        self._session = ""
        self._brokerage_told: bool | None = None
        """What the keeper said last of the brokerage session; None is unknown."""
        self._controls: dict[Control, Callable[[dict[str, Any], float], None]] = {
            Control.GREETING: self._take_system,
            Control.STATUS: self._take_status,
            Control.ERROR: self._take_error,
        }

    # --- verbs: the connection -------------------------------------------------------------------

    def connection_made(self, now: float, session: str) -> None:
        """Take note of an open socket. `session` is sent only if the server asks for it."""
        if self.phase is Phase.CLOSED:
            return
        self.phase = Phase.GREETING
        self.status = AuthStatus()
        # What an old connection's `sts` has said against the keeper's word is nothing to go by any
        # more, and neither is that word: then nothing is known, and topics are asked for.
        if self._lifecycle.brokerage is not self._brokerage_told:
            self._lifecycle.brokerage = None
        self._session = session
        self._liveness.opened(now)

    def connection_lost(self, now: float, code: int, reason: str) -> None:
        """Take note that the socket is gone, whoever closed it."""
        if self.phase is Phase.OFFLINE:
            return
        planned = self.phase is Phase.CLOSED
        if not planned:
            self.phase = Phase.OFFLINE
        self._session = ""
        self._output.forget_frames()
        silent_s = max(0.0, now - self._liveness.heard_at)
        self._lifecycle.connection_lost(f"connection lost ({code})", now, silent_s)
        self._output.emit(
            Disconnected(at=self._output.unix(now), code=code, reason=reason, planned=planned)
        )

    def session_established(self, established: bool, now: float) -> None:  # noqa: FBT001 - a fact, not a mode
        """Take the keeper's word on whether the brokerage session is up."""
        self._brokerage_told = established
        self._lifecycle.brokerage_is(established, now)

    def close(self) -> None:
        """End everything: the wishes are given up at the server, and no verb does anything more.

        Data lines are not freed when a client just disappears, so each subscription is ended.
        """
        if self.phase is not Phase.CLOSED:
            self._lifecycle.close()
            self.phase = Phase.CLOSED

    # --- verbs: subscriptions --------------------------------------------------------------------

    def subscribe(self, wish: Wish, listener: Listener, now: float) -> None:
        """Want a topic for a listener; it is requested now, or as soon as it can be.

        Errors: `UsageError` for a wish that cannot be; `SubscriptionError` when IBKR serves no
        more of this topic; `ClosedError` after `close`. Nothing has changed then.
        """
        if self.phase is Phase.CLOSED:
            raise ClosedError("stream")
        self._codes_asked_for.add(wish.topic.code)
        self._lifecycle.subscribe(wish, listener, now)

    def unsubscribe(self, key: str, listener: Listener, now: float) -> None:
        """Stop wanting a topic for a listener. Twice is harmless."""
        self._lifecycle.unsubscribe(key, listener, now)

    def serves(self, listener: Listener) -> bool:
        """Tell whether the server serves all that a listener waits for, as far as that can be known.

        A topic that is never confirmed counts once its request has been taken to be sent.
        """
        return not listener.unserved and not self._output.has_frames

    def say(self, key: str, text: str) -> None:
        """Send a frame of the user's own within a dialogue, such as an answer to a question.

        Errors: `SubscriptionError` when the dialogue has not begun or is over; nothing is sent then.
        """
        channel = self._registry.channels.get(key)
        if channel is None or channel.state is not ChannelState.LIVE or not self._lifecycle.ready:
            raise SubscriptionError(key, "the dialogue is not open; nothing was sent")
        self._output.send(text)

    # --- verbs: what to do -----------------------------------------------------------------------

    @property
    def wants_attention(self) -> bool:
        """Tell whether there are events or frames to take."""
        return self._output.wants_attention

    def events(self) -> list[StreamEvent]:
        """Take what has happened since the last call, oldest first."""
        return self._output.take_events()

    def frames_to_send(self) -> list[str]:
        """Take the text frames that must be sent now, in this order."""
        return self._output.take_frames()

    # --- verbs: time -----------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `deadline_reached` must be called at the latest; None when nothing is due."""
        if self.phase is Phase.GREETING:
            return self._liveness.next_due
        if self.phase is not Phase.READY:
            return None
        return min(self._liveness.next_due, self._lifecycle.next_due)

    def deadline_reached(self, now: float) -> None:
        """Do what is due. Too early is harmless; too late is noticed."""
        due = self.next_deadline()
        if due is None or now < due:
            return
        if now - due > self.settings.lag_tolerance_s:
            self._forgive_lag(now - due, now)
        reason = self._liveness.check(now)
        if reason:
            self._die(reason, now)
        elif self.phase is Phase.READY:
            self._lifecycle.serve_due(now)

    # --- verbs: frames ---------------------------------------------------------------------------

    def frame_received(self, frame: bytes | str, now: float) -> None:
        """Take in one frame. Never raises, whatever is in it."""
        if isinstance(frame, str):
            frame = frame.encode(errors="surrogatepass")
        self.frames_received((frame,), now)

    def frames_received(self, frames: Sequence[bytes], now: float) -> None:
        """Take in the frames of one read, in order. Never raises, whatever is in them.

        The hot path: 0.65 µs for a market-data frame, of which 0.39 is the decoding and 0.06 the
        look-up. Whatever is done here once for a read need not be done for each frame.
        """
        self.stats.frames += len(frames)
        self._liveness.heard_at = now
        self._liveness.probed = False
        # One slice object for all frames: 20 ns each.
        channel_of, ending, live = self._routes.get, slice(-ENDING, None), ChannelState.LIVE
        for frame in frames:
            channel = channel_of(frame[ending])
            if channel is None:
                channel = channel_of(frame[frame.rfind(_TOPIC_KEY) + _SKIP : -2])
            if channel is None:
                self._take_any(frame, now)
                continue
            try:
                update = channel.decode(frame)
            except UNREADABLE:
                self._take_any(frame, now, channel.key)
                continue
            if update.conid != channel.conid and not self._may_name(channel, update.conid):
                self._take_odd(channel, frame, now)
                continue
            update.raw = frame
            channel.spoke = True
            if channel.state is not live and channel.awaiting:
                self._lifecycle.first_frame(channel, now)
            channel.put(update)

    def _may_name(self, channel: Channel, conid: int | None) -> bool:
        """Tell whether a frame of a channel may be about this contract."""
        return conid is not None and channel.conid in (ANY_CONID, conid)

    def _take_odd(self, channel: Channel, frame: bytes, now: float) -> None:
        """Take a frame that ends like market data and names no contract, or another one."""
        if len(frame) == channel.frame_without_payload:
            self.stats.without_payload += 1
        else:
            # An error that names this topic would decode just as well.
            self._take_any(frame, now)

    def _take_any(self, frame: bytes, now: float, ending: str = "") -> None:
        """General path: any frame that the route table does not know by its last bytes.

        And of those that it knows, by the topic in `ending`, the ones that are not as usual.
        """
        if self._nobody_ever_asked(frame):
            self.stats.late += 1
            return
        unread = Unread()
        try:
            topic, wire = read_frame(frame, self._max_frame_bytes, unread)
        except UNREADABLE as error:
            self._report_bad(ending, str(error), frame, now)
            return
        row = TOPICS.get(topic.partition("+")[0])
        try:
            if wire.get("error") is not None:
                self._take_error(wire, now)
                self._deliver(TOPICS["error"], "error", wire, frame, now, unread=unread)
            elif not topic:
                self._take_untitled(wire, frame, now)
            elif row is None:
                self.stats.unknown += 1
                self._output.report(
                    UnknownFrame(at=self._output.unix(now), topic=topic, sample=sample(frame))
                )
            else:
                if row.control in self._controls:
                    self._controls[row.control](wire, now)
                self._deliver(row, topic, wire, frame, now, unread=unread)
            if unread.count:
                self._report_bad(topic, f"read in part only: {unread}", frame, now)
        except UNREADABLE as error:
            self._report_bad(topic, str(error), frame, now)

    def _nobody_ever_asked(self, frame: bytes) -> bool:
        """Tell whether, cheaply, a frame is of a topic which this client never subscribed to.

        Its socket may carry what another program of the session asked for.
        """
        if len(frame) > self._max_frame_bytes:
            return False
        try:
            envelope = read_envelope(frame)
        except UNREADABLE:
            return False
        code = envelope.topic.partition("+")[0]
        row = TOPICS.get(code)
        if row is None or envelope.error is not None:
            return False
        return row.requested and code not in self._codes_asked_for

    def _deliver(
        self,
        row: Topic,
        topic: str,
        wire: dict[str, Any],
        frame: bytes,
        now: float,
        *,
        unread: Unread,
    ) -> None:
        channel = addressee(self._registry.find(topic), topic, wire)
        server_id = str(wire.get("serverId") or "") if row.numbered else ""
        if channel is None:
            self.stats.late += row.requested
            self._lifecycle.release(row, server_id)
            return
        if len(wire) == 1:
            self.stats.without_payload += 1
            return
        conid = read_int(wire.get("conid"))
        if conid is not None and not self._may_name(channel, conid):
            self._report_bad(topic, f"it is about contract {conid}", frame, now)
            return
        items = row.read(wire, unread)
        if row.fast:
            items[0].raw = frame
            if not unread.count:
                items[0].kept = None  # it is in `raw`, exactly as in a usual frame
        if server_id:
            self._lifecycle.name(channel, server_id, now)
        channel.spoke = True
        if channel.awaiting:
            self._lifecycle.first_frame(channel, now)
        for item in items:
            channel.put(item)

    # --- what frames mean ------------------------------------------------------------------------

    def _take_system(self, wire: dict[str, Any], now: float) -> None:
        if "success" not in wire or self.phase is not Phase.GREETING:
            return  # a heartbeat: being heard is all it says
        message: SystemMessage = convert(SystemMessage, wire)
        if not message.success:
            return
        self.phase = Phase.READY
        self.stats.connections += 1
        self._liveness.greeted(now)
        self._output.emit(
            Connected(
                at=self._output.unix(now), username=message.success, is_paper=message.is_paper
            )
        )
        self._lifecycle.greeted(now)

    def _take_status(self, wire: dict[str, Any], now: float) -> None:
        """Merge what `sts` says; its fields may come one to a frame, and absence is no statement."""
        news = {
            name: value
            for said in read_auth_status(wire, Unread())
            for name in said.__struct_fields__
            if (value := getattr(said, name)) is not None
        }
        self.status = msgspec.structs.replace(self.status, **news)
        self._output.report(AuthStatusChanged(at=self._output.unix(now), status=self.status))
        if not news.keys().isdisjoint({"authenticated", "established", "competing"}):
            usable = (
                self.status.authenticated is not False
                and self.status.established is not False
                and self.status.competing is not True
            )
            # Whoever spoke last is believed: the keeper, who asks over REST, or the socket. What is
            # believed already changes nothing.
            self._lifecycle.brokerage_is(usable, now)

    def _take_untitled(self, wire: dict[str, Any], frame: bytes, now: float) -> None:
        """Frames without a topic: a request for the session, and two unsubscribe confirmations."""
        message, result = wire.get("message"), wire.get("result")
        if message == "waiting for session":
            if self.phase is Phase.GREETING and self._session:
                # Once only: a socket that is bound already answers it with an error.
                self._output.send(msgspec.json.encode({"session": self._session}).decode())
                self._session = ""
        elif not _starts(message, "Unsubscribed ") and not _starts(result, "unsubscribed from "):
            self.stats.unknown += 1
            self._output.report(
                UnknownFrame(at=self._output.unix(now), topic="", sample=sample(frame))
            )

    def _take_error(self, wire: dict[str, Any], now: float) -> None:
        error = str(wire.get("error", wire.get("args", "")))[:_LONGEST_ERROR]
        topic = str(wire.get("topic", ""))
        self.stats.errors += 1
        self._output.report(ErrorReceived(at=self._output.unix(now), error=error, topic=topic))
        # Some error frames name the topic in their text only.
        channel = self._registry.named_in([topic, *words_of(error)])
        detail = f"the server says {error!r}"
        if channel is not None and channel.on_wire:
            self._lifecycle.fail(channel, detail, now)
        elif channel is None and topic in TOPICS:
            # `{"error":"No accounts","code":500,"topic":"smd"}` names no contract: it is for all.
            self._lifecycle.refuse(topic, detail, now)

    # --- liveness --------------------------------------------------------------------------------

    def _forgive_lag(self, lag_s: float, now: float) -> None:
        """Shift what the server was given time for: for `lag_s` nobody here was listening.

        A little more is given, because what came meanwhile still waits to be read.
        """
        self._output.emit(LoopLagged(at=self._output.unix(now), lag_s=lag_s))
        grace_s = lag_s + self.settings.lag_tolerance_s
        self._liveness.forgive(grace_s, now)
        self._lifecycle.postpone(grace_s)

    def _die(self, reason: str, now: float) -> None:
        self.phase = Phase.DEAD
        self._lifecycle.ready = False
        self._output.forget_frames()
        self._output.emit(ConnectionDead(at=self._output.unix(now), reason=reason))

    # --- reports ---------------------------------------------------------------------------------

    def _report_bad(self, topic: str, detail: str, frame: bytes, now: float) -> None:
        self.stats.bad += 1
        self._output.report(
            BadFrame(at=self._output.unix(now), topic=topic, detail=detail, sample=sample(frame))
        )


def _starts(text: object, prefix: str) -> bool:
    return isinstance(text, str) and text.startswith(prefix)
