"""What the parts of the simulated broker share.

Responsible for holding the parts together and for what a brokerage session remembers. It must
never contain an endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ibkr_async.simulator.answers import BAD_REQUEST, failure

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping

    from ibkr_async.simulator.answers import Answer
    from ibkr_async.simulator.broker.instruments import Instrument
    from ibkr_async.simulator.broker.orderbook import OrderBook
    from ibkr_async.simulator.broker.positions import AccountBook
    from ibkr_async.simulator.broker.prices import PriceBoard
    from ibkr_async.simulator.broker.settings import BrokerSettings


@dataclass(slots=True)
class SessionMemory:
    """What is forgotten when a new brokerage session begins."""

    accounts_read: bool = False
    """Whether `/iserver/accounts` was called, which orders and snapshots demand."""
    portfolio_read: bool = False
    """Whether `/portfolio/accounts` was called, without which portfolios look empty."""
    searched: set[int] = field(default_factory=set)
    """Conids found by a contract search, which chains demand."""
    suppressed: frozenset[str] = frozenset()
    """Message ids of questions that are not to be asked."""
    live_feed_silenced: bool = False
    """Whether a filtered read of the live orders has stopped `sor`."""
    orders_blank: bool = True
    """Whether the next read of the live orders finds the cache empty."""
    lines: dict[int, dict[str, float]] = field(default_factory=dict)
    """Open market data lines: conid, then field tag, then when it was first asked for."""
    _warm: set[str] = field(default_factory=set)

    def warmed(self, name: str) -> bool:
        """Tell whether something was asked before in this session, and remember that it was."""
        before = name in self._warm
        self._warm.add(name)
        return before


@dataclass(slots=True)
class BrokerState:
    """The parts of the broker and the account in use."""

    settings: BrokerSettings
    instruments: Mapping[int, Instrument]
    board: PriceBoard
    accounts: dict[str, AccountBook]
    book: OrderBook
    ids: random.Random
    """Source of reply ids and session ids, apart from the prices' source."""
    selected: str
    """Account that calls without an account in their path refer to."""
    memory: SessionMemory = field(default_factory=SessionMemory)
    _places: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._places = {conid: place for place, conid in enumerate(self.instruments)}

    def has_data(self, conid: int) -> bool:
        """Tell whether the login is subscribed to an instrument's market data."""
        return conid not in self.settings.unsubscribed_conids

    def is_cold(self, name: str) -> bool:
        """Tell whether this is the first call of its kind, which IBKR answers empty or thin."""
        return not self.memory.warmed(name) and self.settings.warm_ups

    def accounts_missing(self) -> Answer | None:
        """Return the refusal that a session gets before it has read its accounts."""
        if self.memory.accounts_read or not self.settings.accounts_first:
            return None
        return failure(BAD_REQUEST, "Bad Request: Please query /accounts first")

    def open_line(self, conid: int) -> bool:
        """Take a market data line; False when there is none left or no such instrument."""
        lines = self.memory.lines
        if conid in lines:
            return True
        if conid not in self.instruments or len(lines) >= self.settings.market_data_lines:
            return False
        lines[conid] = {}
        return True

    def close_line(self, conid: int) -> bool:
        """Free a line; False when it was not open."""
        return self.memory.lines.pop(conid, None) is not None

    def server_id(self, conid: int) -> str:
        """Return the delivery marker of an instrument; of a combination that of no place."""
        return f"q{self._places.get(conid, 0) % 32}"
