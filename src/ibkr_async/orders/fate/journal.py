"""The order journal: what was about to be sent is on the disk before it leaves.

Responsible for the one thread in which the file lives. An intent is committed and synced before
`intend` returns; everything else is written in the order in which it happened, without anybody
waiting. It must never send an order, decide one's outcome, or hold up the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ibkr_async.errors import ClosedError, OrderGuardError
from ibkr_async.models.base import encode
from ibkr_async.orders.fate.journal_file import JournalFile

if TYPE_CHECKING:
    import os
    from concurrent.futures import Executor, Future

    from ibkr_async.orders.fate.journal_entries import OpenIntent
    from ibkr_async.orders.fate.unknown import Submission
    from ibkr_async.world import World

_log: Final = logging.getLogger("ibkr_async.orders")


class Journal:
    """The journal of one client. `await open()` before use, `await aclose()` after."""

    def __init__(self, path: str | os.PathLike[str], *, world: World) -> None:
        self.path = Path(path).expanduser()
        self._world = world
        self._parts: tuple[Executor, JournalFile] | None = None

    async def open(self) -> tuple[OpenIntent, ...]:
        """Open the file, make it if need be, and give the orders that an earlier run left open.

        Errors: `ConfigError` when it cannot be opened, is no journal, is damaged, is in use by
        another client, or can be changed by another user.
        """
        thread = self._world.threads.serial("ibkr_async journal")
        opening = thread.submit(JournalFile, self.path)
        try:
            file = await asyncio.wrap_future(opening)
        except BaseException:
            # A cancelled opening goes on in its thread: what it opens is closed again behind it.
            thread.submit(_close_opened, opening)
            thread.shutdown(wait=False)
            raise
        self._parts = thread, file
        return file.open_intents

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
        """Write what is waiting and close the file. Idempotent.

        Cancellation: it is written and closed all the same, as soon as the disk lets it.
        """
        parts, self._parts = self._parts, None
        if parts is not None:
            thread, file = parts
            closing_file = thread.submit(file.close)
            thread.shutdown(wait=False)
            await asyncio.shield(asyncio.wrap_future(closing_file))

    def _now_ms(self) -> int:
        return round(self._world.clock.wall() * 1000)

    def _opened(self) -> tuple[Executor, JournalFile]:
        if self._parts is None:
            raise ClosedError("journal")
        return self._parts


def _close_opened(opening: Future[JournalFile]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _log_failure(writing: Future[None]) -> None:
    if not writing.cancelled() and (error := writing.exception()) is not None:
        _log.error("the order journal could not be written: %s", error)
