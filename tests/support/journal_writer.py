"""A process with an order journal of its own, for what one process cannot show of a file.

It opens the journal, says `open`, and then intends one order after another, each when it is told to by
a line; it says the client order id of what is on the disk, or the class and the words of the error.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from ibkr_async.errors import IbkrError
from ibkr_async.models.orders import Ticket
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.types import AccountId, ClientOrderId, OrderId
from ibkr_async.world import World


def submission(coid: str = "c-1", modifies: str | None = None) -> Submission:
    """Make something to be sent."""
    ticket = Ticket(
        order_type="LMT",
        side="BUY",
        tif="DAY",
        conid=265598,
        coid=coid,
        account_id="DU1",
        quantity=Decimal("0.10"),
        price=Decimal("189.50"),
    )
    return Submission(
        coid=ClientOrderId(coid),
        account_id=AccountId("DU1"),
        tickets=(ticket,),
        modifies=None if modifies is None else OrderId(modifies),
    )


class Writer:
    """The process, seen from the test."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def heard(self) -> str:
        """Wait for what it says next."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def intend(self) -> str:
        """Let it intend an order, and return what it says of it."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self.heard()

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        self._process.kill()
        self._process.wait()


@contextmanager
def writer(path: Path, *, largest_file: int = 0, user: int = 0) -> Iterator[Writer]:
    """Run one; `largest_file` in bytes is a disk that is full from there on."""
    arguments = [sys.executable, __file__, str(path), str(largest_file), str(user)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    roots = [str(Path(__file__).parents[1]), environment.get("PYTHONPATH", "")]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, roots))
    process = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    with process:
        try:
            yield Writer(process)
        finally:
            process.kill()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _main(path: str, largest_file: int, user: int) -> None:
    if largest_file:
        # Python ignores the signal, so that writing fails as it does on a disk that is full.
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    if user:
        os.setuid(user)
    journal = Journal(path, world=World())
    try:
        await journal.open()
        _say("open")
        for number, _ in enumerate(sys.stdin):
            try:
                await journal.intend(submission(f"c-{number}"))
                _say(f"c-{number}")
            except IbkrError as error:
                _say(f"{type(error).__name__} {error}")
    except IbkrError as error:
        _say(f"{type(error).__name__} {error}")


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
