"""What a piece of code leaves behind in this process: tasks of the loop, and open descriptors."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

_DESCRIPTORS = Path("/proc/self/fd")
_PATIENCE_S = 5.0


def descriptors() -> Counter[str]:
    """Count this process's open files and sockets by what they are, `socket` or a path.

    Shape: numbers of sockets differ from run to run, so only their kind is kept.
    """
    if not _DESCRIPTORS.is_dir():
        pytest.skip("this system has no /proc/self/fd to count descriptors in")
    found: Counter[str] = Counter()
    for entry in _DESCRIPTORS.iterdir():
        try:
            target = str(entry.readlink())
        except FileNotFoundError:
            continue  # the descriptor of this very listing
        if not target.startswith("/proc/"):
            found[target.partition(":[")[0]] += 1
    return found


@asynccontextmanager
async def nothing_left_behind() -> AsyncIterator[None]:
    """Fail when the body leaves a task or a descriptor. The server's side gets a moment to end.

    Nothing is checked when the body fails: its own error says more.
    """
    tasks_before = asyncio.all_tasks()
    open_before = descriptors()
    yield
    with anyio.move_on_after(_PATIENCE_S):
        while asyncio.all_tasks() - tasks_before or descriptors() - open_before:  # noqa: ASYNC110 - nobody tells when the server's side has ended
            await anyio.sleep(0.002)
    new_tasks = sorted(task.get_name() for task in asyncio.all_tasks() - tasks_before)
    assert (new_tasks, descriptors() - open_before) == ([], Counter())
