"""`smd`: top-of-book streams of one socket. Pure.

Responsible for what starts, feeds and ends a market data stream: a first full frame, then what
changed, and an end without a word when its lifetime is over. It must never touch a connection.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.broker.combinations import read_combination
from ibkr_async.simulator.broker.events import PriceMoved
from ibkr_async.simulator.wire import (
    AVAILABILITY,
    Command,
    SmdHead,
    as_texts,
    shuffled_smd_frame,
    smd_frame,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ibkr_async.simulator.broker.broker import BrokerEvent
    from ibkr_async.simulator.broker.instruments import Instrument
    from ibkr_async.simulator.login.sessions import Identity
    from ibkr_async.simulator.sockets.floor import Floor
    from ibkr_async.simulator.sockets.outlet import Outlet


@dataclass(slots=True)
class _Ticks:
    """One market data stream."""

    topic: str
    conid: int
    conid_ex: str
    ends_at: float
    tags: list[str]
    """What this request asked for."""
    combination: Instrument | None
    sent: dict[str, Any] = field(default_factory=dict[str, Any])
    frames: int = 0

    @property
    def causes(self) -> list[int]:
        """Return the contracts that it is quoted from."""
        if self.combination is None:
            return [self.conid]
        return [leg.instrument.conid for leg in self.combination.legs]


class QuoteStreams:
    """The `smd` streams of one socket."""

    needs_brokerage = True

    def __init__(self, floor: Floor, outlet: Outlet, identity: Identity) -> None:
        self.open: dict[str, _Ticks] = {}
        """Running streams by target."""
        self.commands: dict[str, Callable[[Command, float], None]] = {
            "smd": self._start,
            "umd": self._end,
        }
        self._floor = floor
        self._outlet = outlet
        self._identity = identity

    @property
    def topics(self) -> list[str]:
        """Full topics that are running."""
        return [ticks.topic for ticks in self.open.values()]

    def _start(self, command: Command, now: float) -> None:
        """Start a stream, or restart its clock. Unknown instruments stay silent: no error is known."""
        conid = _conid(command)
        tags = as_texts(command.arguments.get("fields", []))
        if conid is None or tags is None or not self._floor.sessions.holds(self._identity):
            return
        combination = read_combination(command.targets[0], self._floor.broker.instruments)
        if combination is None and not self._floor.add_fields(conid, tags):
            return
        ticks = _Ticks(
            topic=command.full_topic,
            conid=conid,
            conid_ex=command.targets[0],
            ends_at=now + self._floor.settings.smd_lifetime_s,
            tags=tags,
            combination=combination,
        )
        self.open[command.targets[0]] = ticks
        self._send_first(ticks, now)

    def _end(self, command: Command, _now: float) -> None:
        """End a stream without a word."""
        conid = _conid(command)
        if conid is not None and self.open.pop(command.targets[0], None) is not None:
            self._floor.drop_fields(conid)

    def end(self, conid: int | None) -> None:
        """End the streams of one instrument, or of all, without a word."""
        self.open = {
            target: ticks
            for target, ticks in self.open.items()
            if conid is not None and ticks.conid != conid
        }

    def postpone(self, seconds: float) -> None:
        """Let every stream live so much longer."""
        for ticks in self.open.values():
            ticks.ends_at += seconds

    def advance(self, events: Sequence[BrokerEvent], now: float) -> None:
        """Send what changed; drop what has outlived its lifetime."""
        moved = {event.conid for event in events if isinstance(event, PriceMoved)}
        for target, ticks in list(self.open.items()):
            if now >= ticks.ends_at:
                del self.open[target]
            elif not moved.isdisjoint(ticks.causes):
                self._send_changes(ticks, now)

    def _send_first(self, ticks: _Ticks, now: float) -> None:
        values = self._values(ticks)
        availability = values.pop(AVAILABILITY, None)
        head = self._head(ticks, now)
        if self._floor.settings.first_smd_frame_twice:
            self._outlet.send_text(ticks.topic, shuffled_smd_frame(head, values, availability))
        self._outlet.send_text(ticks.topic, smd_frame(head, values, availability))
        ticks.sent = values

    def _send_changes(self, ticks: _Ticks, now: float) -> None:
        """Send the fields that changed; as a rule 6509 comes with the first frame only."""
        values = self._values(ticks)
        availability = values.pop(AVAILABILITY, None)
        changed = {
            tag: value
            for tag, value in values.items()
            if tag not in ticks.sent or ticks.sent[tag] != value
        }
        if not changed:
            return
        settings = self._floor.settings
        if settings.availability_once:
            availability = None
        self._outlet.send_text(
            ticks.topic, smd_frame(self._head(ticks, now), changed, availability)
        )
        ticks.sent = values
        ticks.frames += 1
        if settings.topic_only_every and ticks.frames % settings.topic_only_every == 0:
            self._outlet.send({"topic": ticks.topic})

    def _values(self, ticks: _Ticks) -> dict[str, Any]:
        broker = self._floor.broker
        if ticks.combination is not None:
            return broker.combination_fields(ticks.combination, [*ticks.tags, AVAILABILITY])
        tags: Iterable[str] = (*self._floor.fields(ticks.conid), AVAILABILITY)
        return dict(broker.market_fields(ticks.conid, tags))

    def _head(self, ticks: _Ticks, now: float) -> SmdHead:
        return SmdHead(
            topic=ticks.topic,
            conid=ticks.conid,
            conid_ex=ticks.conid_ex,
            server_id=self._floor.broker.server_id(ticks.causes[0]),
            updated_ms=round(now * 1000),
        )


def _conid(command: Command) -> int | None:
    """Read the instrument of `CONID`, `CONID@EXCHANGE` or a combination's conidex."""
    if len(command.targets) != 1:
        return None
    digits = command.targets[0].partition(";;;")[0].partition("@")[0]
    return int(digits) if digits.isascii() and digits.isdigit() else None
