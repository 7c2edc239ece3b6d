from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ibkr_async.errors import ConfigError
from ibkr_async.orders.fate.journal_entries import read_entries, read_open_intents
from ibkr_async.orders.fate.journal_file import JournalFile
from support.journal_writer import submission


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "orders.journal"


@contextmanager
def damaging(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the table to somebody who should not be there."""
    db = sqlite3.connect(path)
    with db:
        yield db
    db.close()


def write(path: Path, *entries: tuple[str, str], then: str | None = None) -> None:
    """Write intents and what came after, as `(event, coid)`."""
    file = JournalFile(path)
    for at_ms, (event, coid) in enumerate(entries):
        if event == "intent":
            file.intend(at_ms, submission(coid))
        else:
            file.append(at_ms, coid, "DU1", event, then or '{"order_ids":["7"]}')
    file.close()


DAMAGE: list[Any] = [
    "", "{", "null", "[]", "7", '"x"', '{"tickets":5}', '{"tickets":[{"orderType":7}]}',
    '{"tickets":[]}', '{"tickets":[],"modifies":{}}', "[" * 100_000, b"\xff\xfe", b'{"tickets":"\xff"}', 3, 2.5,
]  # fmt: skip


@pytest.mark.parametrize("detail", DAMAGE)
def test_open_order_that_cannot_be_read_is_named(path: Path, detail: Any) -> None:
    """What it is is not guessed, and it is not passed over."""
    write(path, ("intent", "c-1"), ("accepted", "c-1"), ("intent", "c-2"))
    with damaging(path) as db:
        db.execute("UPDATE entries SET detail = ? WHERE number = 3", (detail,))

    for read in (read_open_intents, JournalFile):
        with pytest.raises(ConfigError, match="order c-2 is open") as caught:
            read(path)
        assert "look at IBKR" in str(caught.value)
    assert [entry.event for entry in read_entries(path)] == ["intent", "accepted", "intent"]


def test_open_order_without_its_intent_is_named(path: Path) -> None:
    """That it was unknown is a fact, also where what it was is lost."""
    write(path, ("intent", "c-1"), ("unknown", "c-1"))
    with damaging(path) as db:
        db.execute("DELETE FROM entries WHERE event = 'intent'")

    with pytest.raises(ConfigError, match="order c-1 is open"):
        read_open_intents(path)


@pytest.mark.parametrize("detail", DAMAGE)
def test_damage_to_what_is_over_costs_itself(path: Path, detail: Any) -> None:
    """A client starts all the same; whoever reads sees what is there."""
    write(path, ("intent", "c-1"), ("accepted", "c-1"), ("intent", "c-2"))
    with damaging(path) as db:
        db.execute("UPDATE entries SET detail = ? WHERE coid = 'c-1'", (detail,))

    file = JournalFile(path)
    file.close()

    assert [each.submission.coid for each in file.open_intents] == ["c-2"]
    assert [entry.number for entry in read_entries(path)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("detail", "ids"),
    [
        ('{"order_ids":["7",8,null]}', ("7", "8")),
        ('{"order_ids":null}', ()),
        ("{}", ()),
        ("[]", ()),
        ("{", ()),
    ],
)
def test_order_ids_that_are_odd_cost_themselves(
    path: Path, detail: str, ids: tuple[str, ...]
) -> None:
    """The order is looked for by its client order id."""
    write(path, ("intent", "c-1"), ("unknown", "c-1"), then=detail)

    (found,) = read_open_intents(path)

    assert found.order_ids == ids


def test_page_that_is_broken_is_a_clear_error(path: Path) -> None:
    """Wherever it is: never an answer that lacks orders."""
    write(path, *[("intent", f"c-{n}") for n in range(200)])
    whole = path.read_bytes()
    page = 4096
    for at in range(page, len(whole), page):
        path.write_bytes(whole[:at] + b"\xa5" * page + whole[at + page :])

        with pytest.raises(ConfigError, match=r"orders\.journal is damaged"):
            JournalFile(path)
        with suppress(ConfigError):
            assert len(read_entries(path)) == 200


def test_file_that_was_cut_is_a_clear_error(path: Path) -> None:
    """Half a file is not an empty journal."""
    write(path, *[("intent", f"c-{n}") for n in range(200)])
    whole = path.read_bytes()
    for size in range(200, len(whole), 9_999):
        path.write_bytes(whole[:size])

        with pytest.raises(ConfigError, match=r"orders\.journal"):
            JournalFile(path)


@pytest.mark.parametrize("last", [None, 2])
def test_entries_come_oldest_first(path: Path, last: int | None) -> None:
    """All of them, or the last."""
    write(path, ("intent", "c-1"), ("accepted", "c-1"), ("intent", "c-2"))

    assert [entry.number for entry in read_entries(path, last=last)] == [1, 2, 3][-(last or 3) :]
