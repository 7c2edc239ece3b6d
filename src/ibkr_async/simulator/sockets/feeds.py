"""The streams of one socket: who is told what the client sends, and what happens at the broker.

Responsible for the greeting, `sts`, `tic`, and for handing commands and events to the topics, one
file each (`topic_*`). Frames leave through a function that the socket gives. It must never read a
clock, wait, or touch a connection. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from ibkr_async.simulator.login.sessions import SERVER_NAME, SERVER_VERSION, USERNAME
from ibkr_async.simulator.sockets.outlet import Outlet
from ibkr_async.simulator.sockets.topic_account import PnlStream, ReportStreams
from ibkr_async.simulator.sockets.topic_bars import BarStreams
from ibkr_async.simulator.sockets.topic_exercise import ExerciseStream
from ibkr_async.simulator.sockets.topic_ladder import LadderStreams
from ibkr_async.simulator.sockets.topic_orders import OrderStreams
from ibkr_async.simulator.sockets.topic_quotes import QuoteStreams
from ibkr_async.simulator.wire import Command, frame, read_command, read_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ibkr_async.simulator.broker.broker import BrokerEvent
    from ibkr_async.simulator.login.sessions import Identity
    from ibkr_async.simulator.sockets.floor import Floor

_UNKNOWN_TOPIC_CODE = 1


class TopicStreams(Protocol):
    """All streams of one topic, or of two that belong together, on one socket."""

    @property
    def commands(self) -> Mapping[str, Callable[[Command, float], None]]:
        """What it obeys, by the command's code."""
        ...

    @property
    def needs_brokerage(self) -> bool:
        """True when it stands still while the brokerage session is gone."""
        ...

    @property
    def topics(self) -> Iterable[str]:
        """Full topics that are running."""
        ...

    def advance(self, events: Sequence[BrokerEvent], now: float, /) -> None:
        """Send what became of the streams since the last call."""
        ...


class Feeds:
    """The streams of one socket that is bound to a session."""

    def __init__(
        self,
        floor: Floor,
        *,
        identity: Identity,
        session_id: str,
        emit: Callable[[str], None],
        close: Callable[[int], None],
    ) -> None:
        self.identity = identity
        self.emit = emit
        self.close = close
        """Closes the socket with a code."""
        self.outlet = Outlet(floor, emit)
        self._floor = floor
        self._session_id = session_id
        self._held = True
        self.quotes = QuoteStreams(floor, self.outlet, identity)
        self.bars = BarStreams(floor, self.outlet, identity)
        self.ladders = LadderStreams(floor, self.outlet, identity)
        self.orders = OrderStreams(floor, self.outlet)
        self._topics: tuple[TopicStreams, ...] = (
            PnlStream(floor, self.outlet),
            ReportStreams(floor, self.outlet),
            self.orders,
            self.quotes,
            self.bars,
            self.ladders,
            ExerciseStream(floor, self.outlet),
        )
        self._commands: dict[str, Callable[[Command, float], None]] = {"tic": self._tic}
        for topic in self._topics:
            self._commands |= topic.commands

    @property
    def topics(self) -> list[str]:
        """Full topics of every stream that is running."""
        return [running for topic in self._topics for running in topic.topics]

    # greeting and session

    def greet(self) -> None:
        """Send the frames that say the socket is ready: `system`, `act`, `sts`."""
        facts = {
            "connected": True,
            "authenticated": True,
            "established": True,
            "competing": False,
            "message": "",
            "fail": "",
            "serverName": SERVER_NAME,
            "serverVersion": SERVER_VERSION,
            "username": USERNAME,
        }
        if self._floor.settings.sts_first:
            self._send_status(facts)
        self.emit(frame({"topic": "system", "success": USERNAME, "isFT": False, "isPaper": True}))
        self.outlet.send_args("act", self._floor.broker.accounts_payload())
        if not self._floor.settings.sts_first:
            self._send_status(facts)

    def announce_session(self) -> None:
        """Send `sts` when the brokerage session has come or gone since the last time."""
        sessions = self._floor.sessions
        held = sessions.holds(self.identity)
        if held == self._held:
            return
        self._held = held
        competing = sessions.competing(self.identity)
        self._send_status({"authenticated": held, "established": held, "competing": competing})

    def _send_status(self, facts: dict[str, Any]) -> None:
        pieces = [facts]
        if self._floor.settings.piecemeal_sts:
            pieces = [{key: value} for key, value in facts.items()]
        for piece in pieces:
            self.outlet.send_args("sts", piece)

    # what the client sends

    def receive(self, text: str, now: float) -> str:
        """Obey one text frame of the client; return its full topic, empty for nonsense."""
        command = read_command(text)
        obey = None if command is None else self._commands.get(command.topic)
        if command is not None and obey is not None:
            self._floor.was_asked(command.full_topic)
            obey(command, now)
            return command.full_topic
        if read_session(text) is None or self._floor.settings.session_text_unknown:
            topic = text.partition("+")[0]
            self.outlet.send({"error": f"Topic unknown {topic}", "code": _UNKNOWN_TOPIC_CODE})
        return ""

    def _tic(self, _command: Command, now: float) -> None:
        answer = frame(
            {
                "topic": "tic",
                "alive": True,
                "id": self._session_id,
                "lastAccessed": round(now * 1000),
            }
        )
        for _ in range(self._floor.settings.tic_copies):
            self.emit(answer)

    # what happens at the broker

    def advance(self, events: Sequence[BrokerEvent], now: float) -> None:
        """Send what became of the streams since the last call."""
        for topic in self._topics:
            if self._held or not topic.needs_brokerage:
                topic.advance(events, now)

    def say(self, topic: str, args: Any) -> None:
        """Send a frame that nobody at the broker is the cause of."""
        self.outlet.send_args(topic, args)

    def send_order(self, row: dict[str, Any]) -> None:
        """Send one row of live orders, if they are wanted."""
        self.orders.send_order(row)

    def end_market_data(self, conid: int | None) -> None:
        """End the streams of one instrument without a word; with None all, and bars and ladders."""
        self.quotes.end(conid)
        if conid is None:
            self.bars.end()
            self.ladders.end()

    def postpone(self, seconds: float) -> None:
        """Let streams live so much longer."""
        self.quotes.postpone(seconds)
