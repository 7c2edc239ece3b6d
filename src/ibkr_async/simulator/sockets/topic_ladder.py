"""`sbd`: price ladders of one socket. Pure.

Responsible for the rows of a ladder around the market and for sending those that changed. Shape and
names are the documentation's; no recording is public. It must never invent a market: best bid, ask
and last come from the broker, only the sizes further down are made up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zlib import crc32

from ibkr_async.simulator.broker.events import PriceMoved

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibkr_async.simulator.broker.broker import BrokerEvent
    from ibkr_async.simulator.login.sessions import Identity
    from ibkr_async.simulator.sockets.floor import Floor
    from ibkr_async.simulator.sockets.outlet import Outlet
    from ibkr_async.simulator.wire import Command

_LAST, _BID, _ASK_SIZE, _ASK, _BID_SIZE, _LAST_SIZE = "31", "84", "85", "86", "88", "7059"
_MARKET = (_LAST, _BID, _ASK_SIZE, _ASK, _BID_SIZE, _LAST_SIZE)


@dataclass(slots=True)
class _Ladder:
    """One ladder."""

    topic: str
    conid: int
    sent: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


class LadderStreams:
    """The `sbd` streams of one socket, at most one for each account."""

    needs_brokerage = True

    def __init__(self, floor: Floor, outlet: Outlet, identity: Identity) -> None:
        self.open: dict[str, _Ladder] = {}
        """Ladders by account: `ubd` names nothing but the account, so there can be one only."""
        self.commands: dict[str, Callable[[Command, float], None]] = {
            "sbd": self._start,
            "ubd": self._end,
        }
        self._floor = floor
        self._outlet = outlet
        self._identity = identity

    @property
    def topics(self) -> list[str]:
        """Full topics that are running."""
        return [ladder.topic for ladder in self.open.values()]

    def _start(self, command: Command, _now: float) -> None:
        """Start a ladder; silent without depth data, or for an unknown account or contract."""
        account_id, conid = (*command.targets, "", "")[:2]
        broker = self._floor.broker
        known = conid.isdecimal() and int(conid) in broker.instruments
        if not known or account_id not in broker.account_ids or not self._floor.settings.depth_data:
            return
        if self._floor.sessions.holds(self._identity):
            self.open[account_id] = ladder = _Ladder(command.full_topic, int(conid))
            self._send(ladder)

    def _end(self, command: Command, _now: float) -> None:
        """End the account's ladder without a word."""
        self.open.pop(command.targets[0] if command.targets else "", None)

    def end(self) -> None:
        """End every ladder without a word."""
        self.open.clear()

    def advance(self, events: Sequence[BrokerEvent], _now: float) -> None:
        """Send the rows that changed."""
        moved = {event.conid for event in events if isinstance(event, PriceMoved)}
        for ladder in self.open.values():
            if ladder.conid in moved:
                self._send(ladder)

    def _send(self, ladder: _Ladder) -> None:
        rows = self._rows(ladder.conid)
        changed = [row for row in rows if row not in ladder.sent]
        ladder.sent = rows
        if not changed:
            return
        if self._floor.settings.old_ladder:
            self._outlet.send({"topic": "sbd", "data": [_old(row) for row in changed]})
        else:
            self._outlet.send({"topic": ladder.topic, "data": changed})

    def _rows(self, conid: int) -> list[dict[str, Any]]:
        """Write the ladder from the highest price down; nothing for what has no order book."""
        broker = self._floor.broker
        market = broker.market_fields(conid, _MARKET)
        if _BID not in market:
            return []
        instrument = broker.instruments[conid]
        depth = range(self._floor.settings.ladder_depth)
        bid, ask = Decimal(market[_BID]), Decimal(market[_ASK])
        offers = [(ask + step * instrument.tick, "ask") for step in reversed(depth)]
        wanted = [(bid - step * instrument.tick, "bid") for step in depth]
        last = Decimal(market[_LAST].lstrip("CH"))
        steps = offers + wanted
        focus = min(range(len(steps)), key=lambda row: abs(steps[row][0] - last))
        rows: list[dict[str, Any]] = []
        for number, (price, side) in enumerate(steps):
            text = f"{price:.{instrument.decimals}f}"
            best = {ask: market[_ASK_SIZE], bid: market[_BID_SIZE]}.get(price)
            row: dict[str, Any] = {"row": number, "focus": 0, "price": text}
            if number == focus:
                row |= {"focus": 1, "price": f"{market[_LAST_SIZE]} @ {text}"}
            row[side] = best or f"{instrument.lot * (1 + crc32(text.encode()) % 15):,}"
            rows.append(row)
        return rows


def _old(row: dict[str, Any]) -> dict[str, Any]:
    """Write a row as the older documentation has it: numbers, and no size before the price."""
    return {
        key: float(value.rpartition("@")[2].replace(",", "")) if isinstance(value, str) else value
        for key, value in row.items()
    }
