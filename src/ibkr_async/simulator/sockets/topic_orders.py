"""`sor` and `str`: live orders and executions of one socket. Pure.

Responsible for starting them as recorded: `sor` without a word, `str` with an empty frame and the
history. What orders do is the broker's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.broker.events import Executed, OrderChanged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibkr_async.simulator.broker.broker import BrokerEvent
    from ibkr_async.simulator.sockets.floor import Floor
    from ibkr_async.simulator.sockets.outlet import Outlet
    from ibkr_async.simulator.wire import Command


class OrderStreams:
    """The `sor` and `str` streams of one socket."""

    needs_brokerage = True

    def __init__(self, floor: Floor, outlet: Outlet) -> None:
        self.commands: dict[str, Callable[[Command, float], None]] = {
            "sor": self._sor,
            "uor": self._uor,
            "str": self._str,
            "utr": self._utr,
        }
        self._floor = floor
        self._outlet = outlet
        self._orders = False
        self._trades = False

    @property
    def topics(self) -> list[str]:
        """Full topics that are running."""
        return ["sor"] * self._orders + ["str"] * self._trades

    def _sor(self, _command: Command, _now: float) -> None:
        """Start without a word: the first frame comes with the first event."""
        self._orders = True

    def _uor(self, _command: Command, _now: float) -> None:
        self._orders = False

    def _str(self, command: Command, _now: float) -> None:
        """Start with an empty frame, then the history unless it was declined."""
        self._trades = True
        self._outlet.send_args("str", [])
        if command.arguments.get("realtimeUpdatesOnly") is True:
            return
        days = command.arguments.get("days", 1)
        rows = self._floor.broker.executions(days if isinstance(days, int) else 1)
        if self._floor.settings.replay_fills_twice:
            rows = [copy for row in rows for copy in (_without_commission(row), row)]
        if rows:
            self._outlet.send_args("str", rows)

    def _utr(self, _command: Command, _now: float) -> None:
        self._trades = False

    def advance(self, events: Sequence[BrokerEvent], _now: float) -> None:
        """Send what became of orders."""
        for event in events:
            if isinstance(event, OrderChanged):
                self.send_order(event.row)
            elif isinstance(event, Executed) and self._trades:
                self._outlet.send_args("str", [event.row])

    def send_order(self, row: dict[str, Any]) -> None:
        """Send one row of live orders, if they are wanted."""
        if self._orders:
            self._outlet.send_args("sor", [row])


def _without_commission(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "commission"}
