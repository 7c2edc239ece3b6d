from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from ibkr_async.errors import (
    ClosedError,
    OrderRejectedError,
    OrderUnknownError,
    SessionError,
)
from ibkr_async.orders.fate.evidence import Outcome
from ibkr_async.orders.fate.journal_entries import OpenIntent
from ibkr_async.orders.fate.outcomes import Outcomes
from ibkr_async.orders.fate.probe import Finding
from ibkr_async.orders.fate.recovery import Recovery
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.orders.known.news import OrderNews
from ibkr_async.types import AccountId, ClientOrderId, OrderId
from support import order_rows as rows
from support.fake_time import FakeTime, fake_world
from support.waiting import until


def sent(coid: str = "a", account: str = "DU1", **ticket: Any) -> Submission:
    """Make a submission of one order."""
    return Submission(
        coid=ClientOrderId(coid),
        account_id=AccountId(account),
        tickets=(rows.ticket(coid, account_id=ticket.get("account_id", account)),),
    )


class FakeProbe:
    """Finds what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.outcome: Outcome = "accepted"
        self.asked: list[tuple[str, tuple[str, ...], str | None]] = []
        self.hold = False
        self.broken: set[str] = set()
        """Orders that looking for is a defect."""

    async def look(
        self, submission: Submission, named_ids: Sequence[str] = (), *, account_id: str | None
    ) -> Finding:
        """Give what was found."""
        self.asked.append((submission.coid, tuple(named_ids), account_id))
        if self.hold:
            await asyncio.Event().wait()
        if submission.coid in self.broken:
            raise ZeroDivisionError("a defect")
        return Finding(
            outcome=self.outcome,
            order_ids=(OrderId("7"),),
            live_order_ids=("8",),
            refusal="order 7 is Cancelled",
            looked_at=("the news",),
        )


class FakePreparation:
    """Knows the session's account; `sessions` is what asking for it raises first."""

    default_account_id = "DU1"

    def __init__(self) -> None:
        self.sessions: list[Exception] = []

    async def facts(self) -> None:
        """Wait for a session."""
        if self.sessions:
            raise self.sessions.pop(0)


class Bench:
    """A recovery between fakes."""

    def __init__(self) -> None:
        self.time = FakeTime()
        self.probe = FakeProbe()
        self.session = FakePreparation()
        world = fake_world(self.time)
        self.outcomes = Outcomes(OrderNews().tracker, None, world)
        self.recovery = Recovery(
            self.probe,  # type: ignore[arg-type]  # it looks nowhere
            self.outcomes,
            preparation=self.session,  # type: ignore[arg-type]  # it prepares nothing
            world=world,
        )

    def adopt(self, *coids: str) -> None:
        """Take over orders of an earlier run."""
        for coid in coids:
            self.recovery.adopt(OpenIntent(submission=sent(coid), order_ids=(f"{coid}1",)))

    async def run(self, turns: int = 10) -> None:
        """Let it run for a while."""
        running = asyncio.create_task(self.recovery.run())
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled() or running.exception() is None


async def test_order_that_is_found_is_unknown_no_more() -> None:
    """Its numbers come back, and the gate opens."""
    bench = Bench()
    bench.outcomes.unclear(sent(), "no answer")

    assert await bench.recovery.find_out(sent(), "no answer", ["7"]) == ("7",)

    assert bench.probe.asked == [("a", ("7",), None)]
    assert not bench.outcomes.unknown.orders


async def test_dead_order_is_rejected_with_ibkrs_words() -> None:
    """And raised from what hid its answer."""
    bench, cause = Bench(), TimeoutError()
    bench.probe.outcome = "rejected"

    with pytest.raises(OrderRejectedError, match=r"no answer; then IBKR showed.*7 is Canc") as told:
        await bench.recovery.find_out(sent(), "no answer", (), cause)

    assert told.value.__cause__ is cause
    assert told.value.live_order_ids == ("8",)


async def test_order_that_nothing_proves_stays_unknown() -> None:
    """With what was looked at."""
    bench = Bench()
    bench.probe.outcome = "unknown"

    with pytest.raises(OrderUnknownError) as told:
        await bench.recovery.find_out(sent(), "no answer")

    assert told.value.__cause__ is None
    assert (told.value.looked_at, told.value.live_order_ids) == (("the news",), ("8",))
    assert bench.outcomes.unknown.orders["a"].looked_at == ("the news",)


async def test_earlier_order_under_the_same_id_is_never_taken_for_this_one() -> None:
    """Even if it is there."""
    bench = Bench()
    bench.outcomes.unclear(sent(), "in use", coid_reused=True)

    with pytest.raises(OrderUnknownError) as told:
        await bench.recovery.find_out(sent(), "in use")

    assert told.value.coid_reused
    assert bench.outcomes.unknown.orders["a"].coid_reused


@pytest.mark.parametrize(
    ("submission", "account"),
    [
        (sent(account="DU1"), None),  # the session's own is what IBKR shows
        (sent(account="DU2"), "DU2"),
        (sent(account="All", account_id=None), None),  # a group has no list of its own
    ],
)
async def test_orders_of_a_second_account_are_looked_for_in_its_list(
    submission: Submission, account: str | None
) -> None:
    """IBKR shows those of the session's account otherwise."""
    bench = Bench()
    await bench.recovery.look(submission, "x")

    assert bench.probe.asked == [("a", (), account)]


async def test_orders_of_an_earlier_run_are_looked_for_once_there_is_a_session() -> None:
    """Each gets its answer, or the error that says what became of it."""
    bench = Bench()
    bench.session.sessions = [SessionError("not ready")] * 2
    bench.adopt("a", "b")
    assert set(bench.outcomes.unknown.orders) == {"a", "b"}
    await bench.run()

    assert bench.time.slept == [5.0, 5.0]
    assert bench.probe.asked == [("a", ("a1",), None), ("b", ("b1",), None)]
    found = await bench.recovery.recovered()
    assert [(submission.coid, ids) for submission, ids in found] == [("a", ("7",)), ("b", ("7",))]
    assert not bench.outcomes.unknown.orders


async def test_what_cannot_be_found_is_recovered_as_its_error() -> None:
    """It stays unknown, and the gate closed."""
    bench = Bench()
    bench.probe.outcome = "unknown"
    bench.adopt("a")
    await bench.run()

    ((_, error),) = await bench.recovery.recovered()
    assert isinstance(error, OrderUnknownError)
    assert "an earlier run ended" in error.detail
    assert list(bench.outcomes.unknown.orders) == ["a"]


async def test_order_that_somebody_found_meanwhile_is_left_alone() -> None:
    """It is not looked for twice."""
    bench = Bench()
    bench.adopt("a")
    bench.outcomes.dismissed("a")
    await bench.run()

    assert bench.probe.asked == []
    assert await bench.recovery.recovered() == ()


async def test_closed_client_ends_the_search_for_a_session() -> None:
    """Those who wait go on with what there is."""
    bench = Bench()
    bench.session.sessions = [ClosedError("client", "closed")]
    bench.adopt("a")
    async with asyncio.timeout(5):
        await bench.recovery.run()
        bench.recovery.stop_waiting()

        assert await bench.recovery.recovered() == ()
    assert bench.probe.asked == []


async def test_order_whose_caller_gave_up_is_looked_for_again() -> None:
    """Again and again, for whoever gives up."""
    bench = Bench()
    bench.outcomes.unclear(sent(), "no answer", ["7"])
    bench.probe.hold = True
    caller = asyncio.create_task(bench.recovery.find_out(sent(), "no answer"))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    bench.probe.hold = False
    running = asyncio.create_task(bench.recovery.run())
    await until(lambda: not bench.outcomes.unknown.orders)
    bench.outcomes.unclear(sent("b"), "no answer")
    bench.recovery.abandon("b")
    await until(lambda: not bench.outcomes.unknown.orders)
    running.cancel()

    assert [coid for coid, _, _ in bench.probe.asked] == ["a", "a", "b"]
    assert bench.probe.asked[1][1] == ("7",)


async def test_defect_in_the_search_is_told_and_others_are_looked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Once: it would happen again. The order stays unknown, of an earlier run or of this one."""
    bench = Bench()
    bench.adopt("a", "b")
    bench.probe.broken = {"a", "c"}
    bench.outcomes.unclear(sent("c"), "no answer")
    bench.recovery.abandon("c")
    bench.outcomes.unclear(sent("d"), "no answer")
    bench.recovery.abandon("d")
    await bench.run(turns=50)

    (_, error), (_, ids) = await bench.recovery.recovered()
    assert isinstance(error, OrderUnknownError)
    assert isinstance(error.__cause__, ZeroDivisionError)
    assert ids == ("7",)
    assert [coid for coid, _, _ in bench.probe.asked] == ["a", "b", "c", "d"]
    assert sorted(bench.outcomes.unknown.orders) == ["a", "c"]
    told = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert [record.getMessage() for record in told] == [
        "a defect ended the search for order a",
        "a defect ended the search for order c",
    ]
    assert all(record.exc_info for record in told)
