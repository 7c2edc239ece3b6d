from __future__ import annotations

import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ibkr_async.errors import ConfigError, OrderInvalidError
from ibkr_async.orders.fate.journal_entries import read_entries, read_open_intents
from ibkr_async.orders.fate.journal_file import JournalFile
from support.journal_writer import submission, writer

DAY_MS = 86_400_000
NOBODY = 65_534


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "orders.journal"


def coids(path: Path) -> list[str]:
    """What a restart finds."""
    return [entry.coid for entry in read_entries(path)]


def test_commits_are_synced(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An intent that only the system's memory has is gone after a power cut, and the order is not."""
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", watched)
    file = JournalFile(path)

    (db,) = opened
    said = {
        name: db.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "synchronous", "fullfsync")
    }
    assert said == {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1}
    file.close()


def test_files_are_closed_to_other_users(path: Path) -> None:
    """The log has the newest orders in it."""
    before = os.umask(0)
    try:
        file = JournalFile(path)
        file.intend(1, submission())
    finally:
        os.umask(before)

    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    assert modes.pop("orders.journal-wal") == 0o600
    assert set(modes.values()) == {0o600}
    file.close()


def test_nothing_that_was_said_to_be_written_is_lost_by_a_kill(path: Path) -> None:
    """Nor is anything invented when the tail of the log is torn, wherever."""
    with writer(path) as bot:
        assert bot.heard() == "open"
        written = [bot.intend() for _ in range(5)]
        bot.kill()
    log = path.with_name("orders.journal-wal")
    whole, kept = log.read_bytes(), path.read_bytes()

    found = {}
    for size in range(len(whole), 0, -997):
        path.write_bytes(kept)
        log.write_bytes(whole[:size])
        path.with_name("orders.journal-shm").unlink(missing_ok=True)
        file = JournalFile(path)
        found[size] = [each.submission.coid for each in file.open_intents]
        file.close()

    assert found[len(whole)] == written
    assert all(intents == written[: len(intents)] for intents in found.values())


def test_full_disk_stops_orders_and_loses_none(path: Path) -> None:
    """Each is refused with the reason, and what was taken before is still there."""
    with writer(path, largest_file=150_000) as bot:
        assert bot.heard() == "open"
        written = []
        while not (said := bot.intend()).startswith("OrderGuardError"):
            written.append(said)
        again = bot.intend()

    assert "cannot be written" in said
    assert str(path) in said
    assert again.startswith("OrderGuardError")
    assert len(written) > 5
    assert coids(path) == written


def test_disk_that_is_full_at_the_start_is_a_clear_error(path: Path) -> None:
    """It is the disk, not the file: naming another one on it does not help."""
    with writer(path, largest_file=4_000) as bot:
        said = bot.heard()

    assert said.startswith(f"ConfigError cannot use the journal {path}")
    assert "check the path, the disk" in said


@pytest.mark.skipif(os.getuid() != 0, reason="needs a second user")
@pytest.mark.parametrize("what", ["file", "folder"])
def test_file_that_cannot_be_written_is_a_clear_error(what: str) -> None:
    """At the start, before any order."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "orders.journal"
        JournalFile(path).close()
        for each, mode in ((path, 0o400), (path.parent, 0o700)):
            os.chown(each, NOBODY, -1)
            each.chmod(mode if what == "file" else mode & 0o500 | 0o200 * (each == path))
        with writer(path, user=NOBODY) as bot:
            said = bot.heard()

    assert said.startswith(f"ConfigError cannot use the journal {path}")


@pytest.mark.parametrize("gone", ["orders.journal", "orders.journal-wal"])
def test_intent_that_a_restart_would_not_find_is_refused(path: Path, gone: str) -> None:
    """The file is open and takes everything, and nobody will ever see it."""
    file = JournalFile(path)
    file.intend(1, submission("c-1"))
    path.with_name(gone).unlink()

    with pytest.raises(OSError, match="moved, deleted or replaced"):
        file.intend(2, submission("c-2"))
    file.close()


def test_folder_that_changes_under_a_relative_path_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program may change its directory."""
    monkeypatch.chdir(path.parent)
    file = JournalFile(Path(path.name))
    monkeypatch.chdir("/")

    file.intend(1, submission())
    file.close()

    assert coids(path) == ["c-1"]


def test_large_journal_opens_with_its_open_orders(path: Path) -> None:
    """After years of trading, without holding them all in memory."""
    file = JournalFile(path)
    file.intend(1, submission("c-open"))
    file.close()
    db = sqlite3.connect(path)
    with db:
        db.executemany(
            "INSERT INTO entries (at_ms, coid, account_id, event, detail) VALUES (2, ?, '', ?, ?)",
            (
                (f"c-{number // 2}", ("intent", "accepted")[number % 2], '{"tickets":[]}')
                for number in range(200_000)
            ),
        )
    db.close()

    file = JournalFile(path)
    file.intend(3, submission("c-next"))
    file.close()

    assert [each.submission.coid for each in file.open_intents] == ["c-open"]
    assert [each.submission.coid for each in read_open_intents(path)] == ["c-open", "c-next"]


@pytest.mark.parametrize(
    ("clock_ms", "is_refused"),
    [
        ((10 * DAY_MS, 10 * DAY_MS + 1), True),
        ((10 * DAY_MS, 11 * DAY_MS - 1), True),
        ((10 * DAY_MS, 11 * DAY_MS), False),
        # The clock goes back, an order is written, the clock is put right.
        ((10 * DAY_MS, 7 * DAY_MS, 10 * DAY_MS + 1), True),
        ((10 * DAY_MS, 7 * DAY_MS, 11 * DAY_MS), False),
        # It goes back and stays there.
        ((10 * DAY_MS, 7 * DAY_MS, 7 * DAY_MS + 1), True),
        ((10 * DAY_MS, 7 * DAY_MS, 8 * DAY_MS), False),
        # The order was written by a clock that was ahead.
        ((10 * DAY_MS, 7 * DAY_MS), True),
    ],
)
def test_clock_that_went_back_frees_no_client_order_id(
    path: Path, clock_ms: tuple[int, ...], *, is_refused: bool
) -> None:
    """Within 24 hours IBKR takes the second order for the first one."""
    *others, written, now = clock_ms
    file = JournalFile(path)
    for number, at_ms in enumerate(others):
        file.intend(at_ms, submission(f"other-{number}"))
    file.intend(written, submission())

    if is_refused:
        with pytest.raises(OrderInvalidError, match="24 hours"):
            file.intend(now, submission())
    else:
        file.intend(now, submission())
    file.close()

    assert coids(path).count("c-1") == 2 - is_refused


def test_broken_page_is_a_clear_error_while_the_client_runs(path: Path) -> None:
    """No raw error leaves the library; a damaged entry is as good as none."""
    file = JournalFile(path)
    file.intend(1, submission())
    db = sqlite3.connect(path)
    with db:
        db.execute("UPDATE entries SET detail = '{'")
    db.close()

    assert file.sent("c-1") is None
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE entries")
    db.close()
    with pytest.raises(ConfigError, match="cannot use the journal"):
        file.sent("c-1")
    file.close()
