"""What all sockets and requests of one simulator share. Pure.

Responsible for the broker, the sessions, the open sockets' streams, the field set of each
instrument, the nightly reset, and what a test has muted. It must never read a clock or write a
frame itself: that is each socket's business (`feeds`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ibkr_async.simulator.wire import as_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ibkr_async.simulator.broker.broker import Broker, BrokerEvent
    from ibkr_async.simulator.login.sessions import Identity, Sessions
    from ibkr_async.simulator.settings import SimulatorSettings

_LOGGED_OUT = 1000
_DAY_S = 86_400


class Screen(Protocol):
    """What the floor tells one socket; the socket's `Feeds` show it to their client."""

    identity: Identity
    close: Callable[[int], None]
    """Closes the socket with a code."""

    @property
    def topics(self) -> list[str]:
        """Full topics of every stream that is running."""
        ...

    def advance(self, events: Sequence[BrokerEvent], now: float) -> None:
        """Send what became of the streams since the last call."""
        ...

    def announce_session(self) -> None:
        """Send `sts` when the brokerage session has come or gone since the last time."""
        ...

    def say(self, topic: str, args: Any) -> None:
        """Send a frame that nobody at the broker is the cause of."""
        ...

    def send_order(self, row: dict[str, Any]) -> None:
        """Send one row of live orders, if they are wanted."""
        ...

    def end_market_data(self, conid: int | None) -> None:
        """End the streams of one instrument without a word; with None all, and bars and ladders."""
        ...

    def postpone(self, seconds: float) -> None:
        """Let streams live so much longer."""
        ...


class Floor:
    """Everything that is there only once."""

    def __init__(self, broker: Broker, sessions: Sessions, settings: SimulatorSettings) -> None:
        self.broker = broker
        self.sessions = sessions
        self.settings = settings
        self.screens: list[Screen] = []
        """One for each socket that is bound to a session."""
        self.prompt_answers: list[dict[str, Any]] = []
        """Bodies of `POST /iserver/notification`, oldest first."""
        self._fields: dict[int, dict[str, None]] = {}
        self._muted: dict[str, bool] = {}
        self._window_open = False

    def advance(self, now: float) -> None:
        """Let time pass: sessions idle out, prices move, orders match, frames go out."""
        self._keep_reset_window(now)
        self.sessions.expire_idle(now)
        self.announce_session()
        events = self.broker.advance(now)
        for screen in list(self.screens):
            screen.advance(events, now)

    def postpone(self, seconds: float) -> None:
        """Let sessions, logins and streams live so much longer."""
        self.sessions.postpone(seconds)
        for screen in self.screens:
            screen.postpone(seconds)

    # sessions

    def announce_session(self) -> None:
        """Notify every socket whose brokerage session has come or gone."""
        for screen in list(self.screens):
            screen.announce_session()

    def start_session(self) -> None:
        """Forget what does not survive a new brokerage session: warm-ups, data lines, streams."""
        self.broker.new_session()
        self.silence()

    def log_out(self, identity: Identity) -> None:
        """End the brokerage session of an identity and close its sockets."""
        if self.sessions.holds(identity):
            self.sessions.lapse()
        for screen in list(self.screens):
            if self.sessions.is_same(screen.identity, identity):
                screen.close(_LOGGED_OUT)

    def begin_reset(self) -> None:
        """Take every brokerage session away, and let nobody open one."""
        self.sessions.closed = True
        self.sessions.lapse()
        self.announce_session()
        code = self.settings.reset_close_code
        if code is not None:
            for screen in list(self.screens):
                screen.close(code)

    def end_reset(self) -> None:
        """Let brokerage sessions be opened again; whoever wants one must ask for it."""
        self.sessions.closed = False

    def _keep_reset_window(self, now: float) -> None:
        window = self.settings.reset_window_s
        if window is None:
            return
        inside = window[0] <= now % _DAY_S < window[1]
        if inside and not self._window_open:
            self.begin_reset()
        elif self._window_open and not inside:
            self.end_reset()
        self._window_open = inside

    # the shared field set: one per instrument and session, for sockets and snapshots alike

    def add_fields(self, conid: int, tags: Iterable[str]) -> bool:
        """Add tags to an instrument's set; False when no data line is free for it."""
        if conid not in self._fields and not self.broker.open_line(conid):
            return False
        self._fields.setdefault(conid, {}).update(dict.fromkeys(tags))
        return True

    def fields(self, conid: int) -> Iterable[str]:
        """Return the tags that an instrument's streams carry at present."""
        return self._fields.get(conid, ())

    def drop_fields(self, conid: int) -> None:
        """Empty an instrument's set: other sockets' streams of it run dry too, as at IBKR."""
        if self._fields.pop(conid, None) is not None:
            self.broker.close_line(conid)

    def silence(self, conid: int | None = None) -> None:
        """End the market data streams of one instrument, or of all."""
        for screen in self.screens:
            screen.end_market_data(conid)
        if conid is None:
            self._fields.clear()
        else:
            self._fields.pop(conid, None)

    # what REST requests do to sockets

    def request_served(self, method: str, path: str, body: Any) -> None:
        """Let a request that succeeded have its effect on the sockets."""
        if path == "/iserver/notification":
            self.prompt_answers.append(as_object(body))
        if not self.settings.rest_unsubscribe_silences:
            return
        if path == "/iserver/marketdata/unsubscribeall":
            self.silence()
        elif path == "/iserver/marketdata/unsubscribe" and method == "POST":
            conid = str(as_object(body).get("conid"))
            if conid.isdecimal():
                self.silence(int(conid))

    def report_order(self, row: dict[str, Any]) -> None:
        """Send a row of live orders that the order book knows nothing of to every socket."""
        for screen in list(self.screens):
            screen.send_order(row)

    # topics that a test has silenced

    def mute(self, topic: str, *, until_asked: bool) -> None:
        """Lose the frames of a full topic, for good or until it is requested again."""
        self._muted[topic] = until_asked

    def unmute(self, topic: str) -> None:
        """Send the frames of a topic again."""
        self._muted.pop(topic, None)

    def is_muted(self, topic: str) -> bool:
        """Tell whether the frames of this full topic are being lost."""
        return topic in self._muted

    def was_asked(self, topic: str) -> None:
        """Note a request of a client; it may end a silence."""
        if self._muted.get(topic):
            del self._muted[topic]
