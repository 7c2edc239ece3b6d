"""`smh`: bars over the socket. Pure.

Responsible for the five slots of a session's bars: a request takes one and is answered with bars,
`umh` with the answer's `serverId` frees it. It must never make a bar: they come from the broker's
history, so that REST and socket tell the same past.

No answer of a live server newer than 2021 is public; the shape is the documentation's. It says both
that bars are streamed and that there is one answer: the switch `smh_streams` decides.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.broker.events import PriceMoved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibkr_async.simulator.broker.broker import BrokerEvent
    from ibkr_async.simulator.login.sessions import Identity
    from ibkr_async.simulator.sockets.floor import Floor
    from ibkr_async.simulator.sockets.outlet import Outlet
    from ibkr_async.simulator.wire import Command

_SLOTS = 5
_REFUSED_CODE = 2
_FIRST_SERVER_ID = 341_115
_LETTERS = "ochlv"
_NOT_ON_THE_SOCKET = frozenset({"tradingDayDuration", "travelTime"})
_OK = 200


@dataclass(slots=True)
class _Bars:
    """One slot in use."""

    topic: str
    conid: int
    server_id: str
    query: dict[str, str]
    letters: str
    due: float
    last_bar: dict[str, Any] = field(default_factory=dict[str, Any])


class BarStreams:
    """The `smh` slots of one socket."""

    needs_brokerage = True

    def __init__(self, floor: Floor, outlet: Outlet, identity: Identity) -> None:
        self.open: dict[str, _Bars] = {}
        """Slots in use by `serverId`."""
        self.commands: dict[str, Callable[[Command, float], None]] = {
            "smh": self._start,
            "umh": self._end,
        }
        self._floor = floor
        self._outlet = outlet
        self._identity = identity
        self._next_id = _FIRST_SERVER_ID

    @property
    def topics(self) -> list[str]:
        """Full topics that are running, once for each slot."""
        return [bars.topic for bars in self.open.values()]

    def _start(self, command: Command, now: float) -> None:
        """Take a slot and answer with bars. An unknown contract stays silent: no error is known."""
        target = command.targets[0] if len(command.targets) == 1 else ""
        instruments = self._floor.broker.instruments
        if not target.isdecimal() or int(target) not in instruments:
            return
        if not self._floor.sessions.holds(self._identity):
            return
        if len(self.open) >= _SLOTS:
            self._refuse(command.full_topic)
            return
        bars = _Bars(
            topic=command.full_topic,
            conid=int(target),
            server_id=str(self._next_id),
            query=_query(target, command.arguments),
            letters=_letters(command.arguments.get("format")),
            due=now + self._floor.settings.bars_s,
        )
        self._next_id += 1
        self.open[bars.server_id] = bars
        self._send(bars, now, newest_only=False)

    def _refuse(self, topic: str) -> None:
        """Answer the sixth. That there may be five is documented, how the sixth is told is not."""
        if self._floor.settings.sixth_smh == "error":
            text = f"at most {_SLOTS} historical data requests at a time"
            self._outlet.send({"error": text, "code": _REFUSED_CODE, "topic": topic})

    def _end(self, command: Command, _now: float) -> None:
        """Free a slot. The documentation knows no answer; a client of IBKR's users expects one."""
        server_id = command.targets[0] if command.targets else ""
        ended = self.open.pop(server_id, None)
        if ended is not None and self._floor.settings.umh_answers:
            self._outlet.send({"message": f"Unsubscribed {server_id}"})

    def end(self) -> None:
        """Free every slot without a word."""
        self.open.clear()

    def advance(self, events: Sequence[BrokerEvent], now: float) -> None:
        """Send the bar that is forming, where bars are streamed."""
        if not self._floor.settings.smh_streams:
            return
        moved = {event.conid for event in events if isinstance(event, PriceMoved)}
        for bars in self.open.values():
            if now >= bars.due and bars.conid in moved:
                bars.due = now + self._floor.settings.bars_s
                self._send(bars, now, newest_only=True)

    def _send(self, bars: _Bars, now: float, *, newest_only: bool) -> None:
        answer = self._floor.broker.handle(
            "GET", "/iserver/marketdata/history", bars.query, None, now
        )
        # Wrong values are ignored, and an answer without bars comes.
        content = dict(answer.body) if answer is not None and answer.status == _OK else {"data": []}
        rows: list[dict[str, Any]] = content["data"]
        if newest_only:
            # Bars that have just ended come once more, beside the one that has begun.
            rows = [row for row in rows if row["t"] >= bars.last_bar.get("t", 0)]
            if rows and rows[-1] == bars.last_bar:
                return
        if rows:
            bars.last_bar = rows[-1]
        data = [{key: row[key] for key in row if key in bars.letters or key == "t"} for row in rows]
        kept = {key: value for key, value in content.items() if key not in _NOT_ON_THE_SOCKET}
        if "barLength" in kept:
            kept["timePeriod"] = f"{kept['barLength'] * (len(content['data']) or 1)}s"
        points = max(0, len(data) - 1)
        self._outlet.send(
            {"serverId": bars.server_id}
            | kept
            | {
                "serverId": bars.server_id,
                "data": data,
                "points": points,
                "topic": bars.topic,
            }
        )


def _query(conid: str, arguments: dict[str, Any]) -> dict[str, str]:
    """Write the request as the REST endpoint takes it."""
    outside = arguments.get("outsideRth", arguments.get("outsideRTH", False))
    return {
        "conid": conid,
        "period": str(arguments.get("period", "1d")),
        "bar": str(arguments.get("bar", "5min")),
        "outsideRth": "true" if outside is True else "false",
    }


def _letters(wanted: object) -> str:
    """Return the bar keys of `%o/%c/%h/%l/%v`; all of them for anything unreadable."""
    letters = "".join(part[1:] for part in str(wanted or "").split("/") if part.startswith("%"))
    found = "".join(letter for letter in _LETTERS if letter in letters)
    return found or _LETTERS
