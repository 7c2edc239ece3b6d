"""The file of an order journal: opened, and written with every commit synced to the disk.

Responsible for an entry being on the disk, at the path where a restart looks for it, when `intend`
or `append` returns. Lives in the journal's one thread. It must never change or delete an entry.
"""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from ibkr_async.errors import ConfigError, OrderInvalidError
from ibkr_async.models.base import encode
from ibkr_async.orders.fate.journal_entries import (
    VERSION,
    damaged,
    explained,
    last_submission,
    open_intents,
    readable,
)
from ibkr_async.orders.fate.journal_owner import JournalOwner

if TYPE_CHECKING:
    from concurrent.futures import Future
    from pathlib import Path

    from ibkr_async.orders.fate.journal_entries import OpenIntent
    from ibkr_async.orders.fate.unknown import Submission

_DAY_MS: Final = 86_400_000
_TABLE: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    coid TEXT NOT NULL,
    account_id TEXT NOT NULL,
    event TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_of_order ON entries (coid, number);
PRAGMA user_version = {VERSION};
COMMIT;
"""


class JournalFile:
    """A journal that is open to be written. `close` it."""

    def __init__(self, path: Path) -> None:
        """Open it, make it if need be, and read which orders are open.

        Errors: `ConfigError`.
        """
        self._path = path.absolute()
        with ExitStack() as undo, explained(self._path):
            self._owner = JournalOwner(self._path)
            undo.callback(self._owner.release)
            self._db = readable(sqlite3.connect(self._path, check_same_thread=False))
            undo.callback(self._db.close)
            self._prepare()
            self.open_intents: tuple[OpenIntent, ...] = tuple(open_intents(self._db))
            self._undo = undo.pop_all()

    def _prepare(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version != VERSION and (version or tables):
            raise ConfigError(
                f"{self._path} is no journal that this version knows; name another file"
            )
        (sound,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if sound != "ok":
            raise damaged(self._path, sound)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("PRAGMA fullfsync = ON")  # macOS: as far as the disk, not its cache
        self._db.executescript(_TABLE)
        self._owner.watch_log()

    def sent(self, coid: str) -> Submission | None:
        """Return what was sent under a client order id, see `Journal.sent`."""
        # What was refused is not what IBKR has under the id: that may be an earlier order.
        with explained(self._path):
            rejected = self._db.execute(
                "SELECT event FROM entries WHERE coid = ? ORDER BY number DESC LIMIT 1", (coid,)
            ).fetchone() == ("rejected",)
            return None if rejected else last_submission(self._db, coid, modification=False)

    def intend(self, at_ms: int, submission: Submission) -> None:
        """Write an intent.

        Errors: `OrderInvalidError` for an id of the last 24 hours; `sqlite3.Error`; `OSError` when
        a restart would not find it.
        """
        self._owner.check_in_place()
        coid = submission.coid
        if submission.modifies is None:
            self._refuse_used(coid, at_ms)
        detail = {"tickets": submission.tickets, "modifies": submission.modifies}
        self.append(at_ms, coid, submission.account_id, "intent", encode(detail).decode())

    def take_back(self, at_ms: int, submission: Submission, writing: Future[None]) -> None:
        """Note that an intent was not followed by anything, if it was written at all."""
        if not writing.cancelled() and writing.exception() is None:
            self.append(at_ms, submission.coid, submission.account_id, "not_sent", "{}")

    def append(self, at_ms: int, coid: str, account_id: str, event: str, detail: str) -> None:
        """Write an entry. Errors: `sqlite3.Error`; the journal is then as it was."""
        with self._db:
            self._db.execute(
                "INSERT INTO entries (at_ms, coid, account_id, event, detail)"
                " VALUES (?, ?, ?, ?, ?)",
                (at_ms, coid, account_id, event, detail),
            )

    def close(self) -> None:
        """Close it, and give it up last: only then may another client look into it."""
        self._undo.close()

    def _refuse_used(self, coid: str, at_ms: int) -> None:
        """Hold client order ids to one use a day: two orders under one id could not be told apart."""
        events = self._db.execute(
            "SELECT number, event, json_extract(detail, '$.modifies') FROM entries WHERE coid = ?"
            " AND event IN ('intent', 'not_sent') ORDER BY number",
            (coid,),
        )
        used: int | None = None
        modifies = False
        for number, event, modified in events:
            if event == "intent":
                modifies = modified is not None
                used = used if modifies else number
            elif not modifies:
                used = None
        if used is not None and at_ms - self._written_ms(used, at_ms) < _DAY_MS:
            rule = "the journal shows an order with it in the last 24 hours"
            raise OrderInvalidError("coid", rule)

    def _written_ms(self, number: int, now_ms: int) -> int:
        """Return when an entry was written, as late as any clock before it has shown.

        A clock that had gone back made it look older than it is. What is in the future tells nothing,
        unless it is the entry's own time.
        """
        (at_ms,) = self._db.execute(
            "SELECT max(at_ms) FROM entries WHERE number = ? OR number < ? AND at_ms <= ?",
            (number, number, now_ms),
        ).fetchone()
        return int(at_ms)
