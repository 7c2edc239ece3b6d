"""The same world as in `test_proof`, driven by hypothesis, which shortens what goes wrong."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ibkr_async.orders.write.groups import Bracket
from ibkr_async.orders.write.order_types import LimitOrder, MarketOrder
from ibkr_async.orders.write.policy import Answers
from ibkr_async.orders.write.tickets import Submittable
from support.order_history import violations
from support.order_trader import CHAIN
from support.order_world import APPLE, LATEST_S, Fate, World

FATES = st.lists(st.sampled_from(Fate), max_size=4)
DELAYS = st.lists(st.sampled_from([0.0, 0.4, 0.95, 5.0]), max_size=6)


class OrdersUnderFire(RuleBasedStateMachine):
    """Submits, questions, drops, delays, duplicates, reconnects and deaths, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.log = logging.getLogger("ibkr_async.orders")
        self.level = self.log.level
        self.log.setLevel(logging.CRITICAL)
        self.directory = TemporaryDirectory(prefix="orders-machine-")
        self.runner = asyncio.Runner()
        self.fates: list[Fate] = []
        self.delays: list[float] = []
        self.copies = 1
        self.failing_reads = 0
        self.world: World | None = None

    @initialize(
        chain=st.sampled_from([None, CHAIN[:1], CHAIN]),
        feed=st.sampled_from(["full", "marker", "dead"]),
        partial_fills=st.booleans(),
        fills_beat_cancels=st.booleans(),
        fail_bracket_child=st.booleans(),
        stale_reply=st.sampled_from(["not_found", "unavailable"]),
    )
    def open(self, chain: tuple[str, ...] | None, feed: str, **switches: Any) -> None:
        """Choose the broker's ways, and log in."""
        self.world = World(
            Path(self.directory.name),
            next_fate=lambda _label: self.fates.pop() if self.fates else Fate.FINE,
            reads_fail=self._read_fails,
            delay_s=lambda: self.delays.pop() if self.delays else 0.0,
            copies=lambda: self.copies,
            volatility=0.0,
            question_chain=chain,
            live_orders_feed=feed,
            **switches,
        )
        self.runner.run(self.world.open())

    def _read_fails(self) -> bool:
        self.failing_reads -= 1
        return self.failing_reads >= 0

    @property
    def there(self) -> World:
        """The world, once it is open."""
        assert self.world is not None
        return self.world

    @rule(
        kind=st.sampled_from(["market", "limit", "far", "bracket"]),
        fates=FATES,
        delays=DELAYS,
        allowed=st.sampled_from([CHAIN, CHAIN[:1]]),
        failing_reads=st.integers(0, 3),
    )
    def submit(
        self,
        kind: str,
        fates: list[Fate],
        delays: list[float],
        allowed: tuple[str, ...],
        failing_reads: int,
    ) -> None:
        """Place an order; the last fate is that of its first request."""
        self.fates, self.delays, self.failing_reads = list(fates), list(delays), failing_reads
        coid = self.there.make_coid()
        order: Submittable
        if kind == "market":
            order = MarketOrder(APPLE, "SELL", 6, coid=coid)
        else:
            order = LimitOrder(APPLE, "BUY", 6, "150.00" if kind == "far" else "189.00", coid=coid)
            if kind == "bracket":
                order = Bracket(entry=order, take_profit="195.00", stop_loss="180.00")
        self.runner.run(self.there.submit(order, coid, Answers.allow(*allowed)))

    @precondition(lambda self: self.world is not None and self.there.desk.unknown)
    @rule(wait_s=st.sampled_from([0.0, 20.0, LATEST_S]))
    def find_out(self, wait_s: float) -> None:
        """Look for what is unknown."""
        self.runner.run(self.there.sleep(wait_s))
        for coid in list(self.there.desk.unknown):
            self.runner.run(self.there.find(coid))

    @precondition(lambda self: self.world is not None and self.there.handles)
    @rule(fates=FATES, quantity=st.integers(1, 12))
    def modify(self, fates: list[Fate], quantity: int) -> None:
        """Change the newest order."""
        handle = self.there.handles[-1]
        if len(handle.tickets) == 1:
            self.fates = list(fates)
            order = LimitOrder(APPLE, handle.tickets[0].side, quantity, "188.00")
            self.runner.run(self.there.modify(handle.order_id, order, Answers.allow(*CHAIN)))

    @precondition(lambda self: self.world is not None and self.there.handles)
    @rule()
    def cancel(self) -> None:
        """Cancel the newest order."""
        self.runner.run(self.there.cancel(self.there.handles[-1].order_id))

    @rule(price=st.sampled_from(["189.60", "188.50", "185.00", "196.00"]), copies=st.integers(1, 2))
    def move(self, price: str, copies: int) -> None:
        """Let the market move, so that orders fill."""
        self.copies = copies
        self.there.broker.set_price(APPLE, price)
        self.runner.run(self.there.sleep(3))

    @rule()
    def disconnect(self) -> None:
        """Lose the socket."""
        self.runner.run(self.there.disconnect())

    @rule()
    def reconnect(self) -> None:
        """Get it back."""
        self.runner.run(self.there.reconnect())

    @rule()
    def restart(self) -> None:
        """End the bot, and start it again."""
        self.runner.run(self.there.restart())

    @invariant()
    def every_unknown_was_told(self) -> None:
        """The gate is never closed for an order of which nobody was told."""
        if self.world is not None:
            told = {each.coid for each in self.world.history.told}
            assert set(self.world.desk.unknown) <= told

    def teardown(self) -> None:
        """Close the day and let the checker read it."""
        try:
            if self.world is not None:
                self.fates, self.failing_reads, self.copies = [], 0, 1
                assert violations(self.runner.run(self.world.finish())) == []
        finally:
            self.runner.close()
            self.directory.cleanup()
            self.log.setLevel(self.level)


TestOrdersUnderFire = OrdersUnderFire.TestCase
TestOrdersUnderFire.settings = settings(max_examples=30, stateful_step_count=12, deadline=None)
