"""Notices for the user (`/fyi`): none, but with IBKR's way of not being ready.

Responsible for the two reading endpoints and their 423. It must never hold a notice: what a user is
told while trading goes over the socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async.simulator.answers import Answer, Call, Routes, ok

if TYPE_CHECKING:
    from ibkr_async.simulator.broker.state import BrokerState

_LOCKED = 423


class FyiRest:
    """Serves `/fyi/unreadnumber` and `/fyi/notifications`."""

    def __init__(self, state: BrokerState) -> None:
        self._state = state

    def add_to(self, routes: Routes) -> None:
        """Register the endpoints."""
        routes.add("GET", "/fyi/unreadnumber", self.unread)
        routes.add("GET", "/fyi/notifications", self.notifications)

    def unread(self, _call: Call) -> Answer:
        """Return the number of unread notices."""
        return self._warming() or ok({"BN": 0})

    def notifications(self, _call: Call) -> Answer:
        """Return the notices: none."""
        return self._warming() or ok([])

    def _warming(self) -> Answer | None:
        if self._state.settings.fyi_warm_up and not self._state.memory.warmed("fyi"):
            return Answer(_LOCKED, {"status": "waiting for reply"})
        return None
