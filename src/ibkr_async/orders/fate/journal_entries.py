"""Reading an order journal: its entries, and the orders that are open. Changes nothing.

The file is SQLite with one append-only table, `entries`: number, at_ms (Unix milliseconds), coid,
account_id, event, detail (JSON). Events that matter for a restart:

    intent                              it may be on its way
    unknown                             it was, and what became of it could not be found out
    accepted rejected refused not_sent  the end
    dismissed                           the end: the user has found out

An order whose last such event is one of the first two is *open*: a restart looks for it.

Responsible for damage too. A detail that cannot be read costs itself, unless it is what says what an
open order is: then nothing is guessed, and the error names the order.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec

from ibkr_async.errors import ConfigError
from ibkr_async.models.orders import Ticket
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.types import AccountId, ClientOrderId, OrderId

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

T = TypeVar("T")

VERSION: Final = 1
_BEGIN_ANEW: Final = (
    "look at IBKR for what it may have had open, then move it away together with its -wal: "
    "a new one is begun"
)
_OPENING: Final = ("intent", "unknown")
_CLOSING: Final = ("accepted", "rejected", "refused", "not_sent", "dismissed")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the journal."""

    number: int
    """Position, from 1."""
    at_ms: int
    """When, Unix milliseconds, by the machine's clock, which may have gone back."""
    coid: str
    """Client order id; empty for events about no one order."""
    account_id: str
    """Account."""
    event: str
    """What happened."""
    detail: dict[str, Any]
    """The rest: tickets, order ids, IBKR's words. Damaged ones are under `unreadable`."""


class OpenIntent(msgspec.Struct, frozen=True, kw_only=True):
    """An order of an earlier run whose outcome the journal does not know."""

    submission: Submission
    """What was sent, or was about to be."""
    order_ids: tuple[str, ...] = ()
    """Order ids that IBKR had named."""


def read_entries(
    path: str | os.PathLike[str], *, coid: str | None = None, last: int | None = None
) -> tuple[Entry, ...]:
    """Read a journal, also one that is in use: all of it, one order, or the last entries.

    Shape: oldest first.
    Errors: `ConfigError` when there is no journal at `path`, or it is damaged.
    """
    with _reading(path) as db:
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
    with _reading(path) as db:
        return tuple(open_intents(db))


def open_intents(db: sqlite3.Connection) -> Iterator[OpenIntent]:
    """Read which orders are open, the oldest first.

    Errors: `ConfigError` when the journal no longer says what one of them is; `sqlite3.Error`.
    """
    known = (*_OPENING, *_CLOSING)
    latest = db.execute(
        "SELECT number, coid, detail FROM entries WHERE event IN (?, ?) AND number IN"  # noqa: S608 - question marks only
        f" (SELECT max(number) FROM entries WHERE event IN ({', '.join('?' * len(known))})"
        " GROUP BY coid) ORDER BY number",
        (*_OPENING, *known),
    )
    for number, coid, detail in latest:
        submission = last_submission(db, coid)
        if submission is None:
            raise ConfigError(
                f"the journal is damaged: entry {number} says that order {coid} is open, and what it is "
                f"cannot be read any more; {_BEGIN_ANEW}"
            )
        named = _decoded(detail, _Named) or _Named()
        ids = tuple(str(order_id) for order_id in named.order_ids or () if order_id is not None)
        yield OpenIntent(submission=submission, order_ids=ids)


def last_submission(
    db: sqlite3.Connection, coid: str, *, modification: bool = True
) -> Submission | None:
    """Read the last intent of a client order id, or the last that is no modification.

    Shape: None also when it is damaged, as one cannot tell then which of the two it was.
    """
    rows = db.execute(
        "SELECT account_id, detail FROM entries WHERE coid = ? AND event = 'intent'"
        " ORDER BY number DESC",
        (coid,),
    )
    for account_id, detail in rows:
        sent = _decoded(detail, _Intent)
        if sent is None:
            return None
        if modification or sent.modifies is None:
            return Submission(
                coid=ClientOrderId(coid),
                account_id=AccountId(account_id),
                tickets=sent.tickets,
                modifies=None if sent.modifies is None else OrderId(sent.modifies),
            )
    return None


def readable(db: sqlite3.Connection) -> sqlite3.Connection:
    """Make a connection give text that is not UTF-8 with its bytes spelt out."""
    db.text_factory = lambda content: content.decode(errors="backslashreplace")
    return db


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise what a failure of the file means. Errors: `ConfigError`."""
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        kind = getattr(error, "sqlite_errorname", "")  # there when SQLite itself has failed
        if kind.startswith("SQLITE_CORRUPT"):
            raise damaged(path, error) from None
        if kind == "SQLITE_NOTADB":
            raise ConfigError(f"{path} is no journal: {error}; name another file") from None
        raise ConfigError(
            f"cannot use the journal {path}: {error}; check the path, the disk and its rights"
        ) from None


def damaged(path: Path, what: object) -> ConfigError:
    """Compose the error of a journal that no longer says all that it once said."""
    return ConfigError(f"the journal {path} is damaged: {what}; {_BEGIN_ANEW}")


# --- small parts ---------------------------------------------------------------------------------


class _Intent(msgspec.Struct):
    """Detail of an intent."""

    tickets: Annotated[tuple[Ticket, ...], msgspec.Meta(min_length=1)]
    modifies: str | None = None


class _Named(msgspec.Struct):
    """Detail of an event after which IBKR may have named orders."""

    order_ids: list[Any] | None = None


@contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[sqlite3.Connection]:
    """Open a journal to read it."""
    file = Path(path).expanduser().absolute()
    with explained(file), closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise ConfigError(f"{file} is no journal that this version knows; name another file")
        yield readable(db)


def _entry(row: tuple[int, int, str, str, str, str]) -> Entry:
    number, at_ms, coid, account_id, event, text = row
    detail = _decoded(text, dict[str, Any])
    return Entry(
        number=number,
        at_ms=at_ms,
        coid=coid,
        account_id=account_id,
        event=event,
        detail={"unreadable": text} if detail is None else detail,
    )


def _decoded(text: Any, kind: type[T]) -> T | None:
    """Read a detail; None when it is damaged."""
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return None
