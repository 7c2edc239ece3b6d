"""Submits whose answers are lost in every way, and a checker that reads afterwards what happened.

500 in each run. `ORDERS_PROOF_SUBMITS=10000` makes it a nightly one; docs/orders.md says how.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ibkr_async.errors import TransportError
from ibkr_async.orders.fate import failures
from ibkr_async.orders.fate.journal_entries import Entry
from ibkr_async.orders.fate.outcomes import Outcomes
from ibkr_async.orders.known.events import Execution, Fill, OrderState
from ibkr_async.orders.write.order_types import LimitOrder
from ibkr_async.orders.write.policy import Answers
from ibkr_async.types import OrderId
from support.order_history import (
    BrokerOrder,
    History,
    KnownOrder,
    Request,
    Told,
    violations,
)
from support.order_trader import DAY_SUBMITS, Trader, prove
from support.order_world import AMBIGUOUS, APPLE, DEADLY, Fate, World

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "orders_proof.py"
DAYS = -(-int(os.environ.get("ORDERS_PROOF_SUBMITS", "500")) // DAY_SUBMITS)
TEN = Decimal(10)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Keep the hundreds of warnings that this provokes out of the report."""
    caplog.set_level(logging.CRITICAL, logger="ibkr_async.orders")


def buy(coid: str) -> LimitOrder:
    """Make a small order that rests."""
    return LimitOrder(APPLE, "BUY", 10, "189.00", coid=coid)


# --- the proof -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(1, DAYS + 1))
async def test_no_order_doubles_and_no_unknown_goes_unreported(tmp_path: Path, seed: int) -> None:
    """Fifty submits of one day are interfered with; all witnesses agree on what became of them."""
    history = await Trader(tmp_path, seed).trade(DAY_SUBMITS)

    assert violations(history) == []


@pytest.mark.parametrize("fate", AMBIGUOUS)
async def test_each_way_of_losing_an_answer_is_reported_truly(tmp_path: Path, fate: Fate) -> None:
    """One order, one interference: it is called accepted, unknown, or nobody was there to be told."""
    fates = [fate]
    world = World(
        tmp_path,
        next_fate=lambda _label: fates.pop() if fates else Fate.FINE,
        delay_s=lambda: 0.9,
        volatility=0.0,
    )
    await world.open()
    await world.submit(buy("c-only"), "c-only", Answers.none())
    history = await world.finish()

    assert violations(history) == []
    said = [each.outcome for each in history.told if each.coid == "c-only"]
    present = len(history.family("c-only"))
    if fate in DEADLY:
        assert said[0] == "killed"
        assert said[1] == ("accepted" if present else "unknown")
    elif fate in {Fate.CANCELLED_BEFORE, Fate.CANCELLED_AFTER}:
        assert said[0] == "cancelled"
    elif fate is Fate.LATE:
        # It went live after the last look: it was called unknown, and found later.
        assert (said, present) == (["unknown", "accepted"], 1)
    else:
        assert said[0] == ("accepted" if present else "unknown")


async def test_an_order_that_waits_for_a_choice_is_unknown_until_it_is_found(
    tmp_path: Path,
) -> None:
    """A prompt acknowledges nothing, so the desk says unknown; the order is there all the same."""
    world = World(tmp_path, prompt_orders=True, volatility=0.0)
    await world.open()
    await world.submit(buy("c-only"), "c-only", Answers.none())
    history = await world.finish()

    assert violations(history) == []
    assert [each.outcome for each in history.told] == ["unknown", "accepted"]


# --- the checker finds what it is for ------------------------------------------------------------


async def _one_lost_answer(
    directory: Path, prepare: Callable[[World], None], fate: Fate
) -> History:
    fates = [fate]
    world = World(
        directory, next_fate=lambda _label: fates.pop() if fates else Fate.FINE, volatility=0.0
    )
    await world.open()
    prepare(world)
    await world.submit(buy("c-only"), "c-only", Answers.none())
    return await world.finish()


async def test_checker_catches_a_desk_that_sends_again(tmp_path: Path) -> None:
    """What other clients do after a timeout is found, although the broker refuses the second."""

    def send_again(world: World) -> None:
        endpoints: Any = world.desk.engine.endpoints
        place: Callable[..., Awaitable[Any]] = endpoints.place

        async def stubborn(*arguments: Any, **options: Any) -> Any:
            try:
                return await place(*arguments, **options)
            except TransportError:
                return await place(*arguments, **options)

        endpoints.place = stubborn

    found = violations(await _one_lost_answer(tmp_path, send_again, Fate.ANSWER_LOST))

    assert "c-only was sent 2 times for 1 intents" in found


async def test_checker_catches_a_desk_that_takes_503_for_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is live, and its owner was told that it is not."""
    monkeypatch.setattr(failures, "_REFUSALS", frozenset({503}))
    history = await _one_lost_answer(tmp_path, lambda _world: None, Fate.UNAVAILABLE_AFTER)

    assert any("was called rejected, and" in each for each in violations(history))


async def test_checker_catches_an_order_that_is_not_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A desk that sends before it writes leaves an order without an intent."""

    async def forget(_outcomes: Outcomes, _submission: Any) -> None:
        return

    monkeypatch.setattr(Outcomes, "intend", forget)
    history = await _one_lost_answer(tmp_path, lambda _world: None, Fate.FINE)

    assert any("has no intent" in each for each in violations(history))


def _clean() -> History:
    """Make a history of one filled order in which everything agrees."""
    state = OrderState(order_id=OrderId("7"), status="Filled", quantity=TEN, filled=TEN)
    fill = Fill(at=2.0, state=state, execution=Execution(execution_id="e1", size=TEN))
    intent: dict[str, Any] = {"tickets": [{}], "modifies": None}
    return History(
        requests=[Request("POST /orders", "c", "fine", 1.0)],
        told=[Told("c", "accepted", order_ids=("7",))],
        lives=[[fill]],
        orders=[BrokerOrder("7", "c", "", 1.0, "Filled", TEN, TEN, {"e1": TEN})],
        known={"7": KnownOrder("Filled", TEN, ("e1",), in_doubt=False)},
        journal=[_entry(1, "intent", intent), _entry(2, "accepted", {})],
    )


def _entry(number: int, event: str, detail: dict[str, Any]) -> Entry:
    return Entry(number=number, at_ms=900, coid="c", account_id="DU1", event=event, detail=detail)


def _event(history: History, **changes: Any) -> None:
    event = history.lives[0][-1]
    state = msgspec.structs.replace(event.state, **changes)
    history.lives[0].append(msgspec.structs.replace(event, state=state))


def _order(history: History, **changes: Any) -> None:
    facts = {name: getattr(history.orders[0], name) for name in BrokerOrder.__annotations__}
    history.orders.append(BrokerOrder(**{**facts, **changes}))


def _told(history: History, outcome: str, *ids: str, source: str = "submit") -> None:
    history.told[:] = [Told("c", outcome, source, ids)]


FAULTS: list[tuple[str, Callable[[History], Any]]] = [
    ("has 2 orders from 1 tickets", lambda h: _order(h, order_id="8")),
    ("order 8 (x) has no intent", lambda h: _order(h, order_id="8", coid="x")),
    ("is older than its intent", lambda h: _order(h, order_id="8", created=0.1)),
    ("order 8 is not known at the end", lambda h: _order(h, order_id="8")),
    ("was sent 2 times for 1", lambda h: h.requests.append(h.requests[0])),
    ("/reply/1 was sent 2 times", lambda h: h.requests.extend([_reply_request()] * 2)),
    ("modification of order 7 was sent", lambda h: h.requests.append(_modify_request())),
    ("was called accepted as ()", lambda h: _told(h, "accepted")),
    ("was called not sent, and is", lambda h: _told(h, "not sent")),
    ("was called refused, and 7 is Filled", lambda h: _told(h, "refused")),
    ("was called accepted, and never left", lambda h: h.requests.clear()),
    ("nobody was told", lambda h: h.told.clear()),
    ("does not know its end", lambda h: h.journal.pop()),  # type: ignore[attr-defined]  # a list
    ("the journal does not say so", lambda h: _told(h, "unknown", "7")),
    ("the gate stayed open", lambda h: _told(h, "unknown", "7")),
    ("known as Filled 9", lambda h: _know(h, filled=Decimal(9))),
    ("known as Submitted", lambda h: _know(h, status="Submitted")),
    ("has fills ('e1', 'e1')", lambda h: _know(h, executions=("e1", "e1"))),
    ("is still in doubt", lambda h: _know(h, in_doubt=True)),
    ("the broker filled 20 of 10", lambda h: _order(h, executions={"a": TEN, "b": TEN})),
    ("went back from 10 to 9", lambda h: _event(h, filled=Decimal(9))),
    ("was Filled, and then Submitted", lambda h: _event(h, status="Submitted")),
    ("was told twice", _event),
]


def _reply_request() -> Request:
    return Request("POST /iserver/reply/1", "", "fine", 1.0)


def _modify_request() -> Request:
    return Request("POST /iserver/account/DU1/order/7", "", "fine", 1.0)


def _know(history: History, **changes: Any) -> None:
    known = history.known["7"]
    facts = {name: getattr(known, name) for name in KnownOrder.__annotations__}
    history.known["7"] = KnownOrder(**{**facts, **changes})


@pytest.mark.parametrize(("words", "spoil"), FAULTS)
def test_checker_names_each_contradiction(words: str, spoil: Callable[[History], Any]) -> None:
    """A clean history has none; each fault that is put into it is named."""
    history = _clean()
    assert violations(history) == []
    spoil(history)

    assert any(words in each for each in violations(history))


# --- the command ---------------------------------------------------------------------------------


def test_one_command_prints_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """It says how many were tried, what came of them, and ends well only without a violation."""
    spec = importlib.util.spec_from_file_location("orders_proof", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    code = script.main(["--submits", "20", "--seed", "77"])
    printed = capsys.readouterr().out

    assert code == 0
    assert "ambiguous submits    20\n" in printed
    assert "duplicates           0\n" in printed
    assert "violations           0\n" in printed


async def test_same_seed_gives_the_same_numbers() -> None:
    """A day that went wrong can be traded again."""
    first, second = await prove(20, first_seed=5), await prove(20, first_seed=5)

    assert (first.fates, first.outcomes) == (second.fates, second.outcomes)
