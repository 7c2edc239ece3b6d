"""F25 in full: 24 hours and 100 topics, the protocol core against the simulator's streams, no socket."""

from __future__ import annotations

from random import Random

import pytest

from ibkr_async.stream.core.protocol import StreamCore
from stream.core_driver import Heard, make_buffer, wish
from support.simulator_socket import SocketDriver

_DAY_S = 86_400.0
_HEARTBEAT_S = 10.0
_EXCHANGES = ("SMART", "ARCA", "ISLAND", "NYSE", "BATS", "IEX")


class _Day:
    """A core and one socket's streams, joined by hand; nothing takes any time but what is told."""

    def __init__(self, seed: int, lifetime_s: float) -> None:
        self.server = SocketDriver(smd_lifetime_s=lifetime_s)
        drawn = Random(seed)  # noqa: S311 - jitter that can be repeated
        self.core = StreamCore(max_frame_bytes=1 << 20, random=drawn.random, unix=lambda now: now)
        self.events: list[str] = []
        self.least_served = 100
        conids = [*self.server.floor.broker.instruments][:17]
        self.topics = [f"smd+{conid}@{exchange}" for conid in conids for exchange in _EXCHANGES][
            :100
        ]

    def exchange(self, now: float) -> None:
        """Carry frames both ways until nobody has anything to say."""
        while True:
            sent = self.core.frames_to_send()
            for text in sent:
                self.server.feeds.receive(text, now)
            said, self.server.texts[:] = list(self.server.texts), []
            for text in said:
                self.core.frame_received(text, now)
            self.events += [type(event).__name__ for event in self.core.events()]
            if not sent and not said:
                break
        self.least_served = min(self.least_served, len(self.server.feeds.quotes.open))

    def run(self) -> None:
        """Live through the day from one deadline to the next."""
        start = now = self.server.now
        listener = Heard(make_buffer())
        self.core.connection_made(now, "0" * 32)
        for topic in self.topics:
            self.core.subscribe(wish(topic), listener, now)
        self.server.feeds.greet()
        self.exchange(now)
        self.least_served = len(self.server.feeds.quotes.open)
        heartbeat = now + _HEARTBEAT_S
        while now < start + _DAY_S:
            now = min(heartbeat, self.core.next_deadline() or heartbeat)
            if now == heartbeat:
                heartbeat += _HEARTBEAT_S
                self.core.frame_received('{"topic":"system","hb":1}', now)
            # The server's clock first: what is over is over before the client can do anything.
            self.server.feeds.quotes.advance((), now)
            self.core.deadline_reached(now)
            self.exchange(now)


# Every deadline of a day, one after the other: under coverage on a busy machine more than a minute.
@pytest.mark.timeout(240)
@pytest.mark.parametrize("lifetime_s", [600.0, 900.0])
def test_f25_a_day_of_a_hundred_topics_has_no_gap(seed: int, lifetime_s: float) -> None:
    """With either lifetime that IBKR has named, every topic is served at every moment of 24 hours."""
    day = _Day(seed, lifetime_s)
    day.run()

    assert day.least_served == 100
    assert day.events.count("Renewed") == pytest.approx(100 * _DAY_S / 480, rel=0.03)
    assert not {"Gap", "Stale", "SubscriptionFailed", "ConnectionDead"} & set(day.events)
