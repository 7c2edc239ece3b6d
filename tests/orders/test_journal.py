from __future__ import annotations

import asyncio
import logging
import sqlite3
import stat
from collections.abc import Callable
from concurrent.futures import Executor, Future
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ibkr_async.errors import ClosedError, ConfigError, OrderGuardError, OrderInvalidError
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.fate.journal_entries import read_entries, read_open_intents
from ibkr_async.world import RealThreads, World
from support.fake_time import FakeTime
from support.journal_writer import submission

DAY_S = 86_400


def surroundings(clock: FakeTime | None = None) -> World:
    """Return a world with a clock that a test sets, and real threads."""
    return World(clock=clock or FakeTime(1.0))


class HeldThreads(RealThreads):
    """Does what the journal hands to its thread when a test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[[], Any]]] = []
        self._begun = 0

    def serial(self, name: str) -> Executor:
        """Return one that holds everything."""
        held = self

        class _Held(Executor):
            def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
                future: Future[Any] = Future()
                held.waiting.append((future, partial(fn, *args, **kwargs)))
                return future

        return _Held()

    def begin_next(self) -> None:
        """From here on it can no longer be cancelled."""
        self.waiting[0][0].set_running_or_notify_cancel()
        self._begun = 1

    def work_once(self) -> None:
        """Do what has waited longest."""
        future, call = self.waiting.pop(0)
        begun, self._begun = self._begun, 0
        if not begun and not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001 - as a thread does
            future.set_exception(error)

    async def work(self, task: asyncio.Task[Any]) -> None:
        """Do everything until a task is done."""
        while not task.done():
            while self.waiting:
                self.work_once()
            await asyncio.sleep(0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "orders.journal"


def mode_of(path: Path) -> int:
    """Who may do what with the file."""
    return stat.S_IMODE(path.stat().st_mode)


def events(path: Path) -> list[str]:
    """What the journal says, in short."""
    return [entry.event for entry in read_entries(path)]


async def test_intent_is_on_the_disk_when_intend_returns(path: Path) -> None:
    """Another process can read it, with exactly the digits that will be sent."""
    journal = Journal(path, world=surroundings())
    assert await journal.open() == ()

    await journal.intend(submission())

    (intent,) = read_open_intents(path)
    assert intent.submission == submission()
    (entry,) = read_entries(path)
    assert (entry.number, entry.at_ms, entry.account_id) == (1, 1_000, "DU1")
    assert mode_of(path) == 0o600
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()
    await journal.aclose()


@pytest.mark.parametrize(
    ("after", "is_open"),
    [
        ([], True),
        (["confirm"], True),
        (["unknown"], True),
        (["accepted"], False),
        (["rejected"], False),
        (["refused"], False),
        (["not_sent"], False),
        (["unknown", "dismissed"], False),
        (["unknown", "accepted", "confirm"], False),
    ],
)
async def test_open_orders_are_those_without_an_end(
    path: Path, after: list[str], *, is_open: bool
) -> None:
    """Whatever was noted in between."""
    journal = Journal(path, world=surroundings())
    await journal.open()
    await journal.intend(submission())
    for event in after:
        journal.note(event, "c-1", "DU1", order_ids=["7"])
    await journal.aclose()

    again = Journal(path, world=surroundings())
    left = await again.open()
    await again.aclose()

    assert [intent.submission.coid for intent in left] == ["c-1"] * is_open
    if is_open and "unknown" in after:
        assert left[0].order_ids == ("7",)


async def test_notes_keep_their_order_and_their_digits(path: Path) -> None:
    """Closing waits for what is not written yet."""
    journal = Journal(path, world=surroundings())
    await journal.open()
    for number in range(20):
        journal.note("cancel", "", "DU1", order_id=number, price=Decimal("1.10"))
    await journal.aclose()
    await journal.aclose()

    assert [entry.detail["order_id"] for entry in read_entries(path)] == list(range(20))
    assert [entry.detail["order_id"] for entry in read_entries(path, last=2)] == [18, 19]
    assert read_entries(path, coid="none") == ()


async def test_client_order_id_is_used_once_a_day(path: Path) -> None:
    """Two orders under one id could not be told apart; an order that was never sent does not count."""
    clock = FakeTime(1.0)
    journal = Journal(path, world=surroundings(clock))
    await journal.open()
    await journal.intend(submission())

    with pytest.raises(OrderInvalidError, match="24 hours"):
        await journal.intend(submission())
    await journal.intend(submission(modifies="7"))
    journal.note("not_sent", "c-1", "DU1")
    with pytest.raises(OrderInvalidError, match="24 hours"):
        await journal.intend(submission())
    clock.at += DAY_S + 1
    await journal.intend(submission())
    journal.note("not_sent", "c-1", "DU1")
    await journal.intend(submission())
    await journal.aclose()


async def test_sent_gives_the_order_and_not_its_modification(path: Path) -> None:
    """So that a restart knows what an order was."""
    journal = Journal(path, world=surroundings())
    await journal.open()
    await journal.intend(submission())
    await journal.intend(submission(modifies="7"))

    assert await journal.sent("c-1") == submission()
    assert await journal.sent("c-2") is None
    assert read_open_intents(path)[0].submission.modifies == "7"
    await journal.aclose()


@pytest.mark.parametrize("is_written", [True, False])
async def test_cancelled_intent_is_taken_back(path: Path, *, is_written: bool) -> None:
    """Whether or not it was written before the cancellation, nothing was sent."""
    threads = HeldThreads()
    journal = Journal(path, world=World(clock=FakeTime(1.0), threads=threads))
    opening = asyncio.create_task(journal.open())
    await threads.work(opening)
    task = asyncio.create_task(journal.intend(submission()))
    await asyncio.sleep(0)
    if is_written:
        threads.work_once()  # the task has not heard of it yet

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await threads.work(asyncio.create_task(journal.aclose()))

    assert task.cancelled()
    assert read_open_intents(path) == ()
    assert events(path) == ["intent", "not_sent"] * is_written


async def test_two_clients_cannot_share_a_journal(path: Path) -> None:
    """Each would take the other's orders for orders that a crash left behind."""
    first, second = Journal(path, world=surroundings()), Journal(path, world=surroundings())
    await first.open()

    with pytest.raises(ConfigError, match="another client"):
        await second.open()
    await first.aclose()
    await second.open()
    await second.aclose()


def spoil(path: Path, what: str) -> Path:
    """Put something that is no journal in its place."""
    if what == "folder":
        return path / "missing" / "orders.journal"
    if what == "text":
        path.write_text("this is not a database, and long enough to be read as one" * 20)
    else:
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE other (x)" if what == "other" else "PRAGMA user_version = 7")
        db.close()
    return path


@pytest.mark.parametrize("what", ["folder", "text", "other", "version"])
async def test_wrong_file_is_refused(path: Path, what: str) -> None:
    """Nothing is written into it, and the message names it."""
    wrong = spoil(path, what)

    with pytest.raises(ConfigError, match=r"orders\.journal"):
        await Journal(wrong, world=surroundings()).open()
    with pytest.raises(ConfigError, match=r"orders\.journal"):
        read_entries(wrong)


async def test_disk_that_takes_nothing_stops_the_order(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An order that cannot be noted is not sent; a note that cannot be written is logged."""
    journal = Journal(path, world=surroundings())
    await journal.open()
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE entries")
    db.close()

    with pytest.raises(OrderGuardError, match="cannot be written"):
        await journal.intend(submission())
    with caplog.at_level(logging.ERROR, "ibkr_async.orders"):
        journal.note("accepted", "c-1", "DU1")
        await journal.aclose()

    assert "could not be written" in caplog.text


async def test_closed_journal_takes_no_order(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A late note is only logged: the next start looks for the order."""
    journal = Journal(path, world=surroundings())

    with pytest.raises(ClosedError):
        await journal.intend(submission())
    journal.note("accepted", "c-1", "DU1")

    assert "after the journal was closed" in caplog.text


async def test_cancelled_opening_leaves_nothing_open(path: Path) -> None:
    """The file that its thread opens all the same is closed again."""
    threads = HeldThreads()
    opening = asyncio.create_task(
        Journal(path, world=World(clock=FakeTime(1.0), threads=threads)).open()
    )
    await asyncio.sleep(0)
    threads.begin_next()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    threads.work_once()
    threads.work_once()

    journal = Journal(path, world=surroundings())
    await journal.open()
    await journal.aclose()


@pytest.mark.parametrize("value", [Decimal("0.1"), [Decimal("0.1")], {"a": Decimal("0.1")}])
async def test_details_may_hold_decimals(path: Path, value: Any) -> None:
    """They are written as plain numbers."""
    journal = Journal(path, world=surroundings())
    await journal.open()
    journal.note("note", "c-1", "DU1", value=value)
    await journal.aclose()

    assert msgspec.json.encode(read_entries(path)[0].detail["value"]).count(b"0.1") == 1
