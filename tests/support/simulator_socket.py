"""One socket's streams of a simulated broker, without the socket: frames are a list, time is told."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import count
from typing import Any

from ibkr_async.simulator.broker.broker import Broker
from ibkr_async.simulator.broker.settings import BrokerSettings
from ibkr_async.simulator.login.sessions import GATEWAY, Sessions
from ibkr_async.simulator.settings import SimulatorSettings
from ibkr_async.simulator.sockets.feeds import Feeds
from ibkr_async.simulator.sockets.floor import Floor

START = 1_795_200_000.0
"""Friday 20 November 2026, 18:40 UTC."""


class SocketDriver:
    """A floor with one socket on it. Prices stand still unless they are set."""

    def __init__(self, *, broker: BrokerSettings | None = None, **changes: Any) -> None:
        still = replace(broker or BrokerSettings(), volatility=0.0)
        settings = SimulatorSettings(broker=still, **changes)
        self.now = START
        self.texts: list[str] = []
        self.closed_with: list[int] = []
        numbers = count(1)
        sessions = Sessions(
            new_id=lambda: f"{next(numbers):032x}", login_lifetime_s=86_400.0, idle_timeout_s=1e9
        )
        self.floor = Floor(
            Broker(seed=1, account_ids=settings.account_ids, settings=still, now=START),
            sessions,
            settings,
        )
        sessions.open(GATEWAY, compete=False, now=START)
        self.floor.broker.handle("GET", "/iserver/accounts", {}, None, START)
        self.feeds = self.connect()

    def connect(self) -> Feeds:
        """Put one more socket on the floor; its frames go to the same list."""
        feeds = Feeds(
            self.floor,
            identity=GATEWAY,
            session_id="0" * 32,
            emit=self.texts.append,
            close=self.closed_with.append,
        )
        self.floor.screens.append(feeds)
        return feeds

    def ask(self, text: str) -> list[dict[str, Any]]:
        """Send one frame of the client and return what it is answered at once."""
        self.texts.clear()
        self.feeds.receive(text, self.now)
        return self.frames()

    def wait(self, seconds: float) -> list[dict[str, Any]]:
        """Let time pass at one go and return the frames that this leads to."""
        self.texts.clear()
        self.now += seconds
        self.floor.advance(self.now)
        return self.frames()

    def frames(self) -> list[dict[str, Any]]:
        """Return the frames since the last `ask` or `wait`."""
        return [json.loads(text) for text in self.texts]
