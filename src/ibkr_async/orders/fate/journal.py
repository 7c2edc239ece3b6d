"""The order journal: what was about to be sent is on the disk before it leaves.

Responsible for the file and for its one thread. An intent is committed and synced before `intend`
returns; everything else is written in the order in which it happened, without anybody waiting. It
must never send an order, decide one's outcome, or hold up the event loop.

The file is SQLite with one append-only table, `entries`: number, at_ms (Unix milliseconds), coid,
account_id, event, detail (JSON). Events that matter for a restart:

    intent                              it may be on its way
    unknown                             it was, and what became of it could not be found out
    accepted rejected refused not_sent  the end
    dismissed                           the end: the user has found out

An order whose last such event is one of the first two is *open*: a restart looks for it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ibkr_async.errors import ClosedError, ConfigError, OrderGuardError, OrderInvalidError
from ibkr_async.models.base import encode
from ibkr_async.models.orders import Ticket
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.types import AccountId, ClientOrderId, OrderId

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor, Future

    from ibkr_async.world import World

_log: Final = logging.getLogger("ibkr_async.orders")

_VERSION: Final = 1
_OPENING: Final = frozenset({"intent", "unknown"})
_CLOSING: Final = frozenset({"accepted", "rejected", "refused", "not_sent", "dismissed"})
_DAY_MS: Final = 86_400_000
_OWNER_ONLY: Final = 0o600
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS entries (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms INTEGER NOT NULL,
    coid TEXT NOT NULL,
    account_id TEXT NOT NULL,
    event TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS entries_of_order ON entries (coid, number);
"""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal."""

    number: int
    """Position, from 1."""
    at_ms: int
    """When, Unix milliseconds."""
    coid: str
    """Client order id; empty for events about no one order."""
    account_id: str
    """Account."""
    event: str
    """What happened."""
    detail: dict[str, Any]
    """The rest: tickets, order ids, IBKR's words."""


class OpenIntent(msgspec.Struct, frozen=True, kw_only=True):
    """An order of an earlier run whose outcome the journal does not know."""

    submission: Submission
    """What was sent, or was about to be."""
    order_ids: tuple[str, ...] = ()
    """Order ids that IBKR had named."""


class Journal:
    """The journal of one client. `await open()` before use, `await aclose()` after."""

    def __init__(self, path: str | os.PathLike[str], *, world: World) -> None:
        self.path = Path(path).expanduser()
        self._world = world
        self._parts: tuple[Executor, _JournalFile] | None = None

    async def open(self) -> tuple[OpenIntent, ...]:
        """Open the file, make it if need be, and give the orders that an earlier run left open.

        Errors: `ConfigError` when it cannot be opened, is no journal, or is in use by another client.
        """
        thread = self._world.threads.serial("ibkr_async journal")
        opening = thread.submit(_JournalFile, self.path)
        try:
            file = await asyncio.wrap_future(opening)
        except BaseException:
            # A cancelled opening goes on in its thread: what it opens is closed again behind it.
            thread.submit(_close_opened, opening)
            thread.shutdown(wait=False)
            raise
        self._parts = thread, file
        return await asyncio.wrap_future(thread.submit(file.open_intents))

    async def intend(self, submission: Submission) -> None:
        """Put an intent on the disk; only then may the order leave.

        Errors: `OrderInvalidError` for a client order id of the last 24 hours; `OrderGuardError`
        when the disk does not take it. Nothing may be sent then.
        Cancellation: an intent that was written all the same is noted as not sent.
        """
        thread, file = self._opened()
        at_ms = self._now_ms()
        writing = thread.submit(file.intend, at_ms, submission)
        try:
            await asyncio.wrap_future(writing)
        except asyncio.CancelledError:
            thread.submit(file.take_back, at_ms, submission, writing)
            raise
        except (sqlite3.Error, OSError) as error:
            detail = f"the journal {self.path} cannot be written: {error}"
            raise OrderGuardError(submission.coid, detail) from error

    async def sent(self, coid: str) -> Submission | None:
        """Return what was sent under a client order id; None when the journal does not know it.

        Shape: None also when it was rejected last, since IBKR then has either nothing or an earlier
        order under that id.
        """
        thread, file = self._opened()
        return await asyncio.wrap_future(thread.submit(file.sent, coid))

    def note(self, event: str, coid: str, account_id: str, **detail: Any) -> None:
        """Write an event soon, after everything noted before it.

        A failure is logged and changes nothing: an order that misses its end in the journal is
        looked for at the next start.
        """
        if self._parts is None:
            _log.warning("order %s: %s came after the journal was closed", coid, event)
            return
        thread, file = self._parts
        text = encode(detail).decode()
        writing = thread.submit(file.append, self._now_ms(), coid, account_id, event, text)
        writing.add_done_callback(_log_failure)

    async def aclose(self) -> None:
        """Write what is waiting and close the file. Idempotent."""
        parts, self._parts = self._parts, None
        if parts is not None:
            thread, file = parts
            closing_file = thread.submit(file.close)
            thread.shutdown(wait=False)
            await asyncio.wrap_future(closing_file)

    def _now_ms(self) -> int:
        return round(self._world.clock.wall() * 1000)

    def _opened(self) -> tuple[Executor, _JournalFile]:
        if self._parts is None:
            raise ClosedError("journal")
        return self._parts


class _JournalFile:
    """The file itself. Lives in the journal's thread."""

    def __init__(self, path: Path) -> None:
        self._owner = _own(path)
        try:
            self._db = _connect(path)
        except BaseException:
            self._owner.close()
            raise

    def open_intents(self) -> tuple[OpenIntent, ...]:
        return tuple(_open_intents(self._db))

    def sent(self, coid: str) -> Submission | None:
        # What was refused is not what IBKR has under the id: that may be an earlier order.
        rejected = self._db.execute(
            "SELECT event FROM entries WHERE coid = ? ORDER BY number DESC LIMIT 1", (coid,)
        ).fetchone() == ("rejected",)
        return None if rejected else _submission(self._db, coid, modification=False)

    def intend(self, at_ms: int, submission: Submission) -> None:
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
        with self._db:
            self._db.execute(
                "INSERT INTO entries (at_ms, coid, account_id, event, detail)"
                " VALUES (?, ?, ?, ?, ?)",
                (at_ms, coid, account_id, event, detail),
            )

    def close(self) -> None:
        self._db.close()
        self._owner.close()

    def _refuse_used(self, coid: str, at_ms: int) -> None:
        """Hold client order ids to one use: two orders under one id could not be told apart."""
        events = self._db.execute(
            "SELECT event, json_extract(detail, '$.modifies') FROM entries WHERE coid = ?"
            " AND at_ms > ? AND event IN ('intent', 'not_sent') ORDER BY number",
            (coid, at_ms - _DAY_MS),
        )
        is_used = modifies = False
        for event, modified in events:
            if event == "intent":
                modifies = modified is not None
                is_used |= not modifies
            elif not modifies:
                is_used = False
        if is_used:
            rule = "the journal shows an order with it in the last 24 hours"
            raise OrderInvalidError("coid", rule)


def read_entries(
    path: str | os.PathLike[str], *, coid: str | None = None, last: int | None = None
) -> tuple[Entry, ...]:
    """Read a journal, also one that is in use: all of it, one order, or the last entries.

    Shape: oldest first.
    Errors: `ConfigError` when there is no journal at `path`.
    """
    with closing(_connect_to_read(path)) as db:
        rows = db.execute(
            "SELECT number, at_ms, coid, account_id, event, detail FROM entries"
            " WHERE coid = coalesce(?, coid) ORDER BY number DESC LIMIT ?",
            (coid, -1 if last is None else last),
        ).fetchall()
    return tuple(_entry(row) for row in reversed(rows))


def read_open_intents(path: str | os.PathLike[str]) -> tuple[OpenIntent, ...]:
    """Read which orders of a journal are open.

    Errors: as `read_entries`.
    """
    with closing(_connect_to_read(path)) as db:
        return tuple(_open_intents(db))


# --- opening -------------------------------------------------------------------------------------


def _connect(path: Path) -> sqlite3.Connection:
    """Open the journal to write, with every commit synced to the disk."""
    try:
        # Made here first, so that nobody else can read it even for a moment.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, _OWNER_ONLY))
        db = sqlite3.connect(path, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"cannot open the journal {path}: {error}; check the path") from None
    try:
        _prepare(db, path)
    except sqlite3.Error as error:
        db.close()
        raise ConfigError(f"{path} is no journal: {error}; name another file") from None
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version != _VERSION and (version or tables):
        raise ConfigError(f"{path} is no journal that this version knows; name another file")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.executescript(_TABLE)
    db.execute(f"PRAGMA user_version = {_VERSION}")


def _connect_to_read(path: str | os.PathLike[str]) -> sqlite3.Connection:
    file = Path(path).expanduser()
    try:
        db = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error:
        raise ConfigError(f"cannot find the journal {file}; check the path") from None
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
    except sqlite3.Error:
        version = None
    if version != _VERSION:
        db.close()
        raise ConfigError(f"{file} is no journal that this version knows")
    return db


def _own(path: Path) -> sqlite3.Connection:
    """Hold a lock beside the journal that ends with this process, however it ends.

    Two clients must not share a journal: each would take the other's orders under way for orders
    that a crash left behind. A lock of SQLite is the one that the standard library has everywhere.
    """
    owner_file = path.with_name(path.name + ".owner")
    try:
        owner = sqlite3.connect(owner_file, timeout=0, check_same_thread=False)
    except sqlite3.Error as error:
        raise ConfigError(f"cannot open the journal {path}: {error}; check the path") from None
    try:
        owner.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        owner.close()
        if "locked" in str(error):
            message = f"another client uses the journal {path}; each needs its own"
            raise ConfigError(message) from None
        raise ConfigError(f"cannot lock the journal {path}: {error}") from None
    with suppress(OSError):
        owner_file.chmod(_OWNER_ONLY)
    return owner


# --- reading -------------------------------------------------------------------------------------


def _entry(row: tuple[int, int, str, str, str, str]) -> Entry:
    number, at_ms, coid, account_id, event, detail = row
    return Entry(
        number=number,
        at_ms=at_ms,
        coid=coid,
        account_id=account_id,
        event=event,
        detail=msgspec.json.decode(detail),
    )


class _Intent(msgspec.Struct):
    """Detail of an intent."""

    tickets: tuple[Ticket, ...]
    modifies: str | None = None


def _open_intents(db: sqlite3.Connection) -> Iterator[OpenIntent]:
    marks = ", ".join("?" * len(_OPENING | _CLOSING))
    latest = db.execute(
        "SELECT coid, event, detail FROM entries WHERE number IN"  # noqa: S608 - question marks only
        f" (SELECT max(number) FROM entries WHERE event IN ({marks}) GROUP BY coid)"
        " ORDER BY number",
        tuple(sorted(_OPENING | _CLOSING)),
    ).fetchall()
    for coid, event, detail in latest:
        submission = _submission(db, coid) if event in _OPENING else None
        if submission is not None:
            named = msgspec.json.decode(detail).get("order_ids", ())
            yield OpenIntent(submission=submission, order_ids=tuple(named))


def _submission(
    db: sqlite3.Connection, coid: str, *, modification: bool = True
) -> Submission | None:
    """Read the last intent of a client order id."""
    rows = db.execute(
        "SELECT account_id, detail FROM entries WHERE coid = ? AND event = 'intent'"
        " ORDER BY number DESC",
        (coid,),
    )
    for account_id, detail in rows:
        sent = msgspec.json.decode(detail, type=_Intent)
        if modification or sent.modifies is None:
            return Submission(
                coid=ClientOrderId(coid),
                account_id=AccountId(account_id),
                tickets=sent.tickets,
                modifies=None if sent.modifies is None else OrderId(sent.modifies),
            )
    return None


def _close_opened(opening: Future[_JournalFile]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _log_failure(writing: Future[None]) -> None:
    if not writing.cancelled() and (error := writing.exception()) is not None:
        _log.error("the order journal could not be written: %s", error)
