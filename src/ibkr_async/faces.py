"""Groups of endpoints that not every program needs: imported and built when they are first used.

Responsible for giving each its parts; what every program uses is in `client`. It must never start
anything, or send.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibkr_async.resources.alerts import Alerts
    from ibkr_async.resources.analyst import PortfolioAnalyst
    from ibkr_async.resources.event_contracts import EventContracts
    from ibkr_async.resources.fyi import Fyi
    from ibkr_async.resources.scanner import Scanner
    from ibkr_async.resources.watchlists import Watchlists
    from ibkr_async.wiring import Parts


class LaterFaces:
    """What a client has besides."""

    _parts: Parts

    @cached_property
    def alerts(self) -> Alerts:
        """Alerts: make, list, switch and delete them."""
        from ibkr_async.resources.alerts import Alerts

        return Alerts(self._parts.send, account=self._parts.session.account)

    @cached_property
    def analyst(self) -> PortfolioAnalyst:
        """Portfolio Analyst: performance, transactions, allocation."""
        from ibkr_async.resources.analyst import PortfolioAnalyst

        parts = self._parts
        return PortfolioAnalyst(
            parts.send, conids=parts.contracts.conids, account=parts.session.account
        )

    @cached_property
    def event_contracts(self) -> EventContracts:
        """Event contracts: the tree of markets, rules, schedules."""
        from ibkr_async.resources.event_contracts import EventContracts

        return EventContracts(self._parts.send)

    @cached_property
    def fyi(self) -> Fyi:
        """FYIs and notifications, and where they are delivered."""
        from ibkr_async.resources.fyi import Fyi

        return Fyi(self._parts.send)

    @cached_property
    def scanner(self) -> Scanner:
        """The market scanner."""
        from ibkr_async.resources.scanner import Scanner

        return Scanner(self._parts.send, clock=self._parts.world.clock)

    @cached_property
    def watchlists(self) -> Watchlists:
        """Watchlists that are saved for the username."""
        from ibkr_async.resources.watchlists import Watchlists

        return Watchlists(self._parts.send, conids=self._parts.contracts.conids)
