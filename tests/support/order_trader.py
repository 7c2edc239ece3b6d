"""A trader that submits, gives up, dies and comes back at random, until enough answers were lost.

Responsible for the numbers of the proof. The same seed trades the same day.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from ibkr_async.orders.write.groups import Bracket
from ibkr_async.orders.write.order_types import LimitOrder, MarketOrder
from ibkr_async.orders.write.policy import Answers
from ibkr_async.orders.write.tickets import Submittable
from support.order_history import History, violations
from support.order_world import AMBIGUOUS, APPLE, LATEST_S, Fate, World

CHAIN: Final = ("o163", "o354", "o10153")
DAY_SUBMITS: Final = 50
"""Ambiguous submits of one simulated day: the broker's lists grow with each."""
_AMBIGUOUS: Final = frozenset(fate.value for fate in AMBIGUOUS)


@dataclass
class Numbers:
    """What was tried, and what came of it."""

    submits: int = 0
    ambiguous: int = 0
    """Submits of which a request or an answer was interfered with after it may have left."""
    requests: int = 0
    orders: int = 0
    fills: int = 0
    lives: int = 0
    fates: Counter[str] = field(default_factory=Counter[str])
    outcomes: Counter[str] = field(default_factory=Counter[str])
    duplicates: int = 0
    violations: list[str] = field(default_factory=list[str])

    def add(self, history: History, seed: int) -> None:
        """Count one day."""
        submits = [each for each in history.told if each.source == "submit"]
        interfered = _interfered(history)
        self.submits += len(submits)
        self.ambiguous += len(interfered)
        self.requests += len(history.requests)
        self.orders += len(history.orders)
        self.fills += sum(len(order.executions) for order in history.orders)
        self.lives += len(history.lives)
        self.fates.update(each.fate for each in history.requests)
        self.outcomes.update(each.outcome for each in submits if each.coid in interfered)
        found = violations(history)
        self.duplicates += sum("orders from" in each or "was sent" in each for each in found)
        self.violations += [f"day {seed}: {each}" for each in found]


def _interfered(history: History) -> set[str]:
    """Client order ids of submissions that were interfered with; replies belong to the last place."""
    coids, present = set(), ""
    for each in history.requests:
        if each.coid:
            present = each.coid
        elif "/reply/" not in each.label:
            present = ""
        if present and each.fate in _AMBIGUOUS:
            coids.add(present)
    return coids


def day_settings(chance: random.Random) -> dict[str, Any]:
    """Choose how the broker behaves on one day."""
    return {
        "live_orders_feed": chance.choice(["full", "full", "marker", "dead"]),
        "partial_fills": chance.random() < 0.5,
        "fills_beat_cancels": chance.random() < 0.5,
        "bracket_children_first": chance.random() < 0.7,
        "fail_bracket_child": chance.random() < 0.15,
        "question_chain": chance.choice([None, CHAIN[:1], CHAIN]),
        "question_chance": chance.choice([0.5, 1.0]),
        "stale_reply": chance.choice(["not_found", "unavailable"]),
        "volatility": chance.choice([0.0, 1.0, 4.0]),
    }


class Trader:
    """One day of one trader."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.chance = chance = random.Random(seed)  # noqa: S311 - no secret: the same seed must trade the same day
        self.world = World(
            directory,
            next_fate=self._next_fate,
            reads_fail=lambda: chance.random() < 0.03,
            delay_s=lambda: chance.choice([0.0, 0.0, chance.random(), chance.random() * 9]),
            copies=lambda: 2 if chance.random() < 0.1 else 1,
            seed=seed,
            **day_settings(chance),
        )

    async def trade(self, ambiguous: int) -> History:
        """Trade until so many submits were interfered with, then close the day."""
        world = self.world
        await world.open()
        while len(_interfered(world.history)) < ambiguous:
            await self._submit()
            if self.chance.random() < 0.4:
                await self._something_else()
            await self._clear_up()
        return await world.finish()

    def _next_fate(self, label: str) -> Fate:
        if self.chance.random() < 0.45:
            return Fate.FINE
        if self.chance.random() < 0.03:
            return Fate.NOT_SENT
        return self.chance.choice(AMBIGUOUS)

    async def _submit(self) -> None:
        coid = self.world.make_coid()
        allowed = CHAIN if self.chance.random() < 0.85 else CHAIN[:1]
        await self.world.submit(self._order(coid), coid, Answers.allow(*allowed))

    def _order(self, coid: str) -> Submittable:
        chance = self.chance
        side = chance.choice(["BUY", "SELL"])
        quantity = chance.randint(1, 30)
        kind = chance.random()
        if kind < 0.2:
            return MarketOrder(APPLE, side, quantity, coid=coid)
        # Some at the market, some near it, some so far that IBKR asks.
        away = chance.choice([-0.5, 0.0, 0.5, 4.0, 30.0])
        price = 189.6 - away if side == "BUY" else 189.6 + away
        entry = LimitOrder(APPLE, side, quantity, f"{price:.2f}", coid=coid)
        if kind < 0.8:
            return entry
        up, down = f"{price + 5:.2f}", f"{price - 5:.2f}"
        profit, stop = (up, down) if side == "BUY" else (down, up)
        return Bracket(entry=entry, take_profit=profit, stop_loss=stop)

    async def _something_else(self) -> None:
        world, chance = self.world, self.chance
        action: Callable[[], Any] = chance.choice(
            [
                self._cancel,
                self._modify,
                world.disconnect,
                world.reconnect,
                world.restart,
                lambda: world.sleep(chance.random() * 60),
                self._shock,
            ]
        )
        await action()

    async def _cancel(self) -> None:
        if self.world.handles:
            await self.world.cancel(self.chance.choice(self.world.handles).order_id)

    async def _modify(self) -> None:
        simple = [each for each in self.world.handles if len(each.tickets) == 1]
        if simple:
            handle = self.chance.choice(simple)
            order = LimitOrder(APPLE, handle.tickets[0].side, self.chance.randint(1, 40), "189.00")
            await self.world.modify(handle.order_id, order, Answers.allow(*CHAIN))

    async def _shock(self) -> None:
        self.world.broker.set_price(APPLE, f"{189.6 + self.chance.uniform(-6, 6):.2f}")
        await self.world.sleep(3)

    async def _clear_up(self) -> None:
        """Try the gate, then find out about what is unknown, now or when it must have arrived."""
        world, chance = self.world, self.chance
        if not world.desk.unknown:
            return
        if chance.random() < 0.3:
            await self._submit()
        await world.sleep(chance.choice([0.0, chance.random() * LATEST_S]))
        for coid in list(world.desk.unknown):
            await world.find(coid)


async def prove(ambiguous: int, *, first_seed: int = 1) -> Numbers:
    """Trade day after day until so many submits were interfered with."""
    numbers, seed = Numbers(), first_seed
    while numbers.ambiguous < ambiguous:
        with TemporaryDirectory(prefix="orders-proof-") as directory:
            trader = Trader(Path(directory), seed)
            history = await trader.trade(min(DAY_SUBMITS, ambiguous - numbers.ambiguous))
        numbers.add(history, seed)
        seed += 1
    return numbers
