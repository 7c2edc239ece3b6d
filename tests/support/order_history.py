"""What happened to orders, and the checker that reads it afterwards. Pure, and knows no desk.

The history has four independent witnesses: the journal on the disk, the requests that left, what the
desk said to its caller, and the broker's own book. `violations` names every contradiction of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from ibkr_async.orders.fate.journal_entries import Entry
from ibkr_async.orders.known.events import AnyOrderEvent, Fill

_DONE: Final = frozenset({"Filled", "Cancelled"})
_NEVER_LIVE: Final = frozenset({"rejected", "refused", "not sent"})
_ENDS: Final = frozenset({"accepted", "rejected", "refused", "not_sent", "dismissed", "unknown"})


@dataclass(frozen=True)
class Request:
    """A trading request that the desk sent."""

    label: str
    coid: str
    fate: str
    at: float


@dataclass(frozen=True)
class Told:
    """What the desk said became of an order."""

    coid: str
    outcome: str
    """accepted, rejected, refused, unknown, not sent; cancelled or killed: nobody was there."""
    source: str = "submit"
    """submit, modify, find, or recovered after a restart."""
    order_ids: tuple[str, ...] = ()
    """Orders that it said are there."""
    remembered: bool = False
    """Whether the desk keeps it as unknown."""


@dataclass(frozen=True)
class BrokerOrder:
    """An order in the broker's book at the end."""

    order_id: str
    coid: str
    parent_id: str
    created: float
    status: str
    quantity: Decimal
    filled: Decimal
    executions: Mapping[str, Decimal]


@dataclass(frozen=True)
class KnownOrder:
    """An order as the tracker knows it at the end."""

    status: str
    filled: Decimal
    executions: tuple[str, ...]
    in_doubt: bool


@dataclass
class History:
    """Everything that the witnesses say."""

    requests: list[Request] = field(default_factory=list[Request])
    told: list[Told] = field(default_factory=list[Told])
    lives: list[list[AnyOrderEvent]] = field(default_factory=list[list[AnyOrderEvent]])
    """Events of each life of the bot."""
    orders: list[BrokerOrder] = field(default_factory=list[BrokerOrder])
    known: dict[str, KnownOrder] = field(default_factory=dict[str, KnownOrder])
    journal: Sequence[Entry] = ()

    def family(self, coid: str) -> list[BrokerOrder]:
        """Every order that came from one submission: by its id, or attached to one that has it."""
        mine = [order for order in self.orders if order.coid == coid]
        ids = {order.order_id for order in mine}
        return [*mine, *(o for o in self.orders if o.parent_id in ids and o.coid != coid)]


def violations(history: History) -> list[str]:
    """Name everything in a history that must never happen."""
    return [
        *_orders_without_intent(history),
        *_doubled(history),
        *_sent_twice(history),
        *_untrue(history),
        *_unreported(history),
        *_fills(history),
        *_backwards(history),
    ]


def _intents(history: History) -> dict[str, Entry]:
    return {each.coid: each for each in history.journal if each.event == "intent"}


def _orders_without_intent(history: History) -> Iterator[str]:
    intents = _intents(history)
    by_id = {order.order_id: order for order in history.orders}
    for order in history.orders:
        root = by_id.get(order.parent_id, order)
        if root.coid.startswith("stranger"):
            continue
        intent = intents.get(root.coid)
        if intent is None:
            yield f"order {order.order_id} ({root.coid}) has no intent"
        elif intent.at_ms > round(order.created * 1000):
            yield f"order {order.order_id} ({root.coid}) is older than its intent"


def _doubled(history: History) -> Iterator[str]:
    for coid, intent in _intents(history).items():
        if intent.detail.get("modifies") is None:
            family, most = history.family(coid), len(intent.detail["tickets"])
            if len(family) > most or sum(order.coid == coid for order in family) > 1:
                yield f"{coid} has {len(family)} orders from {most} tickets"


def _sent_twice(history: History) -> Iterator[str]:
    intents = Counter(each.coid for each in history.journal if each.event == "intent")
    sent = Counter(each.coid for each in history.requests if each.coid)
    replies = Counter(each.label for each in history.requests if "/reply/" in each.label)
    for coid, count in sent.items():
        if count > intents[coid]:
            yield f"{coid} was sent {count} times for {intents[coid]} intents"
    for label, count in replies.items():
        if count > 1:
            yield f"{label} was sent {count} times"
    modified = Counter(
        f"of order {each.label.rpartition('/')[2]}"
        for each in history.requests
        if "/order/" in each.label
    )
    for coid, count in modified.items():
        if count > intents[coid]:
            yield f"modification {coid} was sent {count} times for {intents[coid]} intents"


def _untrue(history: History) -> Iterator[str]:
    """Hold what the desk said against the broker's book."""
    sent = {each.coid for each in history.requests}
    for told in history.told:
        if told.coid.startswith("of order "):
            continue  # a modification: the order itself was there before
        family = {order.order_id: order for order in history.family(told.coid)}
        if told.outcome == "accepted" and set(told.order_ids) != set(family):
            yield f"{told.coid} was called accepted as {told.order_ids}, and is {sorted(family)}"
        if told.outcome == "not sent" and told.source == "submit" and family:
            yield f"{told.coid} was called not sent, and is {sorted(family)}"
        if told.outcome in _NEVER_LIVE:
            for order_id, order in family.items():
                is_dead = order.status == "Cancelled" and not order.filled
                if order_id not in told.order_ids and not is_dead:
                    yield f"{told.coid} was called {told.outcome}, and {order_id} is {order.status}"
        if told.outcome in {"accepted", "rejected", "refused"} and told.coid not in sent:
            yield f"{told.coid} was called {told.outcome}, and never left"


def _unreported(history: History) -> Iterator[str]:
    """See that nobody was left without an answer, and that what is unknown was called so."""
    events: dict[str, list[str]] = defaultdict(list)
    for entry in history.journal:
        if entry.event == "intent" or entry.event in _ENDS:
            events[entry.coid].append(entry.event)
    told = {each.coid for each in history.told}
    for coid, happened in events.items():
        if coid not in told:
            yield f"{coid} was intended, and nobody was told what became of it"
        if happened[-1] == "intent":
            yield f"{coid} was intended, and the journal does not know its end"
    for each in history.told:
        if each.outcome == "unknown" and each.source in {"submit", "modify"}:
            if "unknown" not in events[each.coid]:
                yield f"{each.coid} was called unknown, and the journal does not say so"
            if not each.remembered:
                yield f"{each.coid} was called unknown, and the gate stayed open"


def _fills(history: History) -> Iterator[str]:
    for order in history.orders:
        total = sum(order.executions.values(), Decimal(0))
        if total != order.filled or total > order.quantity:
            yield f"the broker filled {total} of {order.quantity}, and says {order.filled}"
        known = history.known.get(order.order_id)
        if known is None:
            yield f"order {order.order_id} is not known at the end"
            continue
        if known.filled != order.filled or known.status != order.status:
            yield (
                f"order {order.order_id} is {order.status} {order.filled}, known as"
                f" {known.status} {known.filled}"
            )
        if sorted(known.executions) != sorted(order.executions):
            yield f"order {order.order_id} has fills {known.executions}, not {order.executions}"
        if known.in_doubt:
            yield f"order {order.order_id} is still in doubt after a full look"


def _backwards(history: History) -> Iterator[str]:
    for events in history.lives:
        filled: dict[str, Decimal] = defaultdict(Decimal)
        done: dict[str, str] = {}
        fills: set[tuple[str, str]] = set()
        for event in events:
            order_id, state = event.order_id, event.state
            if state.filled < filled[order_id]:
                yield f"order {order_id} went back from {filled[order_id]} to {state.filled}"
            filled[order_id] = state.filled
            if order_id in done and state.status not in {done[order_id], "Filled"}:
                yield f"order {order_id} was {done[order_id]}, and then {state.status}"
            if order_id and state.status in _DONE:
                done[order_id] = state.status or ""
            if isinstance(event, Fill):
                key = (order_id, event.execution.execution_id)
                if key in fills:
                    yield f"fill {key} was told twice"
                fills.add(key)
