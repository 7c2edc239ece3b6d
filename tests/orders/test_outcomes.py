from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ibkr_async.errors import (
    ConnectFailedError,
    IbkrError,
    OrderQuestionError,
    OrderRejectedError,
    OrderUnknownError,
)
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.fate.journal_entries import Entry, read_entries
from ibkr_async.orders.fate.outcomes import Outcomes
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.orders.known.events import AnyOrderEvent, Rejected, Replaced
from ibkr_async.orders.known.tracker import OrderTracker
from ibkr_async.types import AccountId, ClientOrderId, OrderId
from support import order_rows as rows
from support.fake_time import FakeTime, fake_world

AT = 50.0
SENT = Submission(
    coid=ClientOrderId(rows.COID),
    account_id=AccountId("DU2"),
    tickets=(rows.ticket(account_id="DU2"),),
)
CHANGED = Submission(
    coid=ClientOrderId("of order 7"),
    account_id=AccountId("DU2"),
    tickets=(rows.ticket(None, quantity=Decimal(5), price=Decimal(9)),),
    modifies=OrderId("7"),
)


class Bench:
    """Outcomes, and all who are told of them."""

    def __init__(self, directory: Path | None = None) -> None:
        self.events: list[AnyOrderEvent] = []
        self.tracker = OrderTracker(
            publish=self.events.append, on_doubt=lambda: None, on_settled=lambda _: None
        )
        self.path = None if directory is None else directory / "j"
        self.journal = (
            None if self.path is None else Journal(self.path, world=fake_world(FakeTime(AT)))
        )
        self.outcomes = Outcomes(self.tracker, self.journal, fake_world(FakeTime(AT)))

    async def entries(self) -> list[Entry]:
        """Close the journal, and read what it holds but for the intents."""
        assert self.journal is not None
        assert self.path is not None
        await self.journal.aclose()
        return [entry for entry in read_entries(self.path) if entry.event != "intent"]

    def take(self) -> list[AnyOrderEvent]:
        """Give the events since the last time."""
        told, self.events[:] = list(self.events), []
        return told


async def open_bench(directory: Path) -> Bench:
    """Open one with a journal that knows what was intended."""
    bench = Bench(directory)
    assert bench.journal is not None
    await bench.journal.open()
    for submission in (SENT, CHANGED):
        await bench.outcomes.intend(submission)
    return bench


async def test_intended_order_is_understood_when_a_row_names_it() -> None:
    """Without a journal too; a modification submits nothing."""
    bench = Bench()
    await bench.outcomes.intend(SENT)
    await bench.outcomes.intend(CHANGED)
    bench.tracker.live_order_row(rows.sor(status="Submitted", order_ref=rows.COID), 1.0)

    (state,) = bench.tracker.orders()
    assert (state.quantity, state.price) == (722, Decimal("382.40"))


async def test_acknowledged_rows_are_told_with_their_time() -> None:
    """Those about a modification acknowledge no new order."""
    bench = Bench()
    await bench.outcomes.intend(SENT)
    bench.outcomes.rows(CHANGED, [rows.accepted("Submitted", 7)])
    assert bench.events == []
    bench.outcomes.rows(SENT, [rows.accepted("Submitted")])

    (event,) = bench.events
    assert (event.at, event.state.account_id, event.coid) == (AT, "DU2", rows.COID)


async def test_accepted_order_is_known_to_all(tmp_path: Path) -> None:
    """No longer unknown; and what had no name yet has one."""
    bench = await open_bench(tmp_path)
    bench.outcomes.unclear(SENT, "no answer")
    bench.tracker.status_reply(rows.status_reply("Submitted"), 1.0)
    bench.outcomes.accepted(SENT, [str(rows.ORDER_ID), None])

    assert not bench.outcomes.unknown.orders
    assert [state.coid for state in bench.tracker.orders()] == [rows.COID]
    assert [(e.event, e.coid, e.account_id) for e in await bench.entries()] == [
        ("unknown", rows.COID, "DU2"),
        ("accepted", rows.COID, "DU2"),
    ]


async def test_accepted_modification_has_its_new_terms() -> None:
    """Those who watch hear of it; the old price does not stay."""
    bench = Bench()
    bench.tracker.live_order_row(rows.live("Submitted", order_id=7, order_ref="x"), 1.0)
    bench.take()
    bench.outcomes.unclear(CHANGED, "no answer")
    bench.outcomes.accepted(CHANGED, ["7"])

    (event,) = bench.events
    assert isinstance(event, Replaced)
    assert (event.at, event.quantity, event.price) == (AT, 5, 9)
    assert (event.previous_quantity, event.previous_price) == (722, Decimal("382.40"))
    assert [(state.quantity, state.price) for state in bench.tracker.orders()] == [(5, 9)]
    assert not bench.outcomes.unknown.orders


QUESTION = OrderQuestionError("a", ["o1"], ["Sure?"])
LEFT = {"live_order_ids": ("8",)}


@pytest.mark.parametrize(
    ("submission", "error", "entry", "is_told"),
    [
        (SENT, OrderRejectedError("a", "no margin"), "rejected", True),
        (SENT, QUESTION, "refused", True),
        (SENT, ConnectFailedError("x", "y", may_have_reached_server=False), "not_sent", False),
        # Of an order with live legs, and of an order that stays as it was, nothing was refused.
        (SENT, OrderRejectedError("a", "no", **LEFT), "rejected", False),
        (SENT, OrderQuestionError("a", ["o1"], ["Sure?"], **LEFT), "refused", False),
        (CHANGED, OrderRejectedError("a", "no margin"), "rejected", False),
        (CHANGED, QUESTION, "refused", False),
    ],
)
async def test_failure_is_told_by_what_it_was(
    tmp_path: Path, submission: Submission, error: IbkrError, entry: str, is_told: bool
) -> None:
    """Those who watch hear of new orders that were refused, and of nothing else."""
    bench = await open_bench(tmp_path)
    bench.outcomes.unclear(submission, "no answer")
    bench.outcomes.failed(submission, error)

    assert not bench.outcomes.unknown.orders
    told = [(type(e), e.at, e.coid, e.state.reason) for e in bench.events]
    reason = getattr(error, "detail", None)
    assert told == ([(Rejected, AT, submission.coid, reason)] if is_told else [])
    last = (await bench.entries())[-1]
    assert (last.event, last.coid) == (entry, submission.coid)
    assert last.detail["detail"] == str(error)
    assert tuple(last.detail["order_ids"]) == getattr(error, "live_order_ids", ())


@pytest.mark.parametrize("reused", [False, True])
async def test_unknown_order_is_remembered_with_all_that_is_known(
    tmp_path: Path, reused: bool
) -> None:
    """An id that was used before is rejected in the journal: nothing of ours may be live."""
    bench = await open_bench(tmp_path)
    error = OrderUnknownError(
        "a", "no answer", ["the news"], live_order_ids=["8"], coid_reused=reused
    )
    bench.outcomes.failed(SENT, error)
    bench.tracker.live_order_row(rows.sor(status="Submitted", order_ref=rows.COID), 1.0)

    order = bench.outcomes.unknown.orders[rows.COID]
    assert (order.submission, order.detail, order.coid_reused) == (SENT, "no answer", reused)
    assert (order.live_order_ids, order.looked_at) == (("8",), ("the news",))
    (state,) = bench.tracker.orders()
    assert state.quantity == (None if reused else 722)
    (entry,) = await bench.entries()
    assert entry.event == ("rejected" if reused else "unknown")
    details: dict[str, Any] = entry.detail
    assert details["detail"] == "no answer"
    assert (list(details["order_ids"]), list(details["looked_at"])) == (["8"], ["the news"])


async def test_adopted_order_is_unknown_and_understood() -> None:
    """As if this run had sent it; an adopted modification is no new order."""
    bench = Bench()
    bench.outcomes.adopted(SENT, "an earlier run", ["8"])
    bench.outcomes.adopted(CHANGED, "an earlier run", [])
    bench.tracker.live_order_row(rows.sor(status="Submitted", order_ref=rows.COID), 1.0)

    assert list(bench.outcomes.unknown.orders) == [SENT.coid, CHANGED.coid]
    assert bench.outcomes.unknown.orders[SENT.coid].live_order_ids == ("8",)
    assert [state.quantity for state in bench.tracker.orders()] == [722]


async def test_dismissed_order_is_dismissed_once(tmp_path: Path) -> None:
    """What nobody knows cannot be dismissed."""
    bench = await open_bench(tmp_path)
    bench.outcomes.unclear(SENT, "no answer")
    bench.outcomes.dismissed("never heard of")
    assert list(bench.outcomes.unknown.orders) == [SENT.coid]
    bench.outcomes.dismissed(SENT.coid)
    bench.outcomes.dismissed(SENT.coid)

    assert not bench.outcomes.unknown.orders
    assert [entry.event for entry in await bench.entries()] == ["unknown", "dismissed"]


async def test_journal_knows_what_was_confirmed_and_cancelled(tmp_path: Path) -> None:
    """Before it is sent."""
    bench = await open_bench(tmp_path)
    bench.outcomes.confirming(SENT, ("o1", "o2"))
    bench.outcomes.cancelling("7", "DU3")

    confirm, cancel = await bench.entries()
    assert (confirm.event, confirm.coid) == ("confirm", SENT.coid)
    assert list(confirm.detail["message_ids"]) == ["o1", "o2"]
    assert (cancel.event, cancel.coid, cancel.account_id) == ("cancel", "", "DU3")
    assert cancel.detail["order_id"] == "7"
    Bench().outcomes.cancelling("7", "DU3")  # without a journal nothing is written
