"""A driver that plays the server shell: it owns the time and collects the events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from ibkr_async.simulator.broker.broker import (
    Answer,
    Broker,
    BrokerEvent,
    BrokerSettings,
    Executed,
    OrderChanged,
)

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT = "DU1234567"
AAPL = 265598
START = 1_795_200_000.0
"""Friday 20 November 2026, 18:40 UTC."""

Event = TypeVar("Event", bound=BrokerEvent)


class Driver:
    """A broker with still prices, unless the settings say otherwise."""

    def __init__(self, broker: Broker, now: float) -> None:
        self.broker = broker
        self.now = now
        self.events: list[BrokerEvent] = []

    def ask(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        answer = self.broker.handle(method, path, query, body, self.now)
        assert answer is not None, f"{method} {path} is not an endpoint"
        return answer

    def get(self, path: str, **query: str) -> Any:
        answer = self.ask("GET", path, **query)
        assert answer.status == 200, answer
        return answer.body

    def wait(self, seconds: float = 0.25) -> list[BrokerEvent]:
        self.now += seconds
        found = self.broker.advance(self.now)
        self.events += found
        return found

    def place(self, *tickets: dict[str, Any], account: str = ACCOUNT) -> Any:
        body = {"orders": [{"conid": AAPL, "tif": "DAY", **ticket} for ticket in tickets]}
        answer = self.ask("POST", f"/iserver/account/{account}/orders", body)
        assert answer.status == 200, answer
        return answer.body

    def order(self, side: str = "BUY", quantity: float = 10, **ticket: Any) -> int:
        """Place one order that is accepted without a question; return its number."""
        (row,) = self.place({"side": side, "quantity": quantity, "orderType": "MKT", **ticket})
        return int(row["order_id"])

    def reply(self, reply_id: str, *, confirmed: Any = True) -> Answer:
        return self.ask("POST", f"/iserver/reply/{reply_id}", {"confirmed": confirmed})

    def status(self, order_id: int) -> str:
        return str(self.get(f"/iserver/account/order/status/{order_id}")["order_status"])

    def of(self, kind: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]

    def statuses(self, order_id: int) -> list[str]:
        rows = [event.row for event in self.of(OrderChanged)]
        return [row["status"] for row in rows if row["orderId"] == order_id and "status" in row]

    def fills(self) -> list[dict[str, Any]]:
        """Return the fills, each once: the reports without commission."""
        return [event.row for event in self.of(Executed) if "commission" not in event.row]

    def position(self, conid: int = AAPL, account: str = ACCOUNT) -> float:
        self.get("/portfolio/accounts")
        rows = self.get(f"/portfolio/{account}/position/{conid}")
        return float(rows[0]["position"]) if rows else 0.0

    def cash(self, currency: str = "USD", account: str = ACCOUNT) -> float:
        self.get("/portfolio/accounts")
        return float(self.get(f"/portfolio/{account}/ledger")[currency]["cashbalance"])


@pytest.fixture
def drive() -> Callable[..., Driver]:
    """Make a driver; keyword arguments are broker settings."""

    def make(
        *, seed: int = 1, accounts: tuple[str, ...] = (ACCOUNT,), now: float = START, **changes: Any
    ) -> Driver:
        settings = BrokerSettings(**{"volatility": 0.0, **changes})
        broker = Broker(seed=seed, account_ids=accounts, settings=settings, now=now)
        driver = Driver(broker, now)
        driver.get("/iserver/accounts")
        return driver

    return make


@pytest.fixture
def driver(drive: Callable[..., Driver]) -> Driver:
    """Return a driver with the default settings and still prices. AAPL: 189.59 to 189.61."""
    return drive()
