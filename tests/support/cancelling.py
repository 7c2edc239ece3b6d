"""Cancel a coroutine at a chosen one of the points where it waits, or after so many turns of the loop.

Both ways of cancelling are offered, because they differ: asyncio's `task.cancel()` arrives once and
goes through every shield of anyio; a cancelled scope of anyio is delivered again and again, and is
held back by a shield.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from typing import Any, Literal

import anyio

Kind = Literal["task", "scope"]
Work = Callable[[], Coroutine[Any, Any, Any]]

_MOST_WAITS = 200
_MOST_TURNS = 100_000


class _Steps:
    """Awaits a coroutine step by step and calls `interrupt` when it waits for the nth time."""

    def __init__(self, work: Coroutine[Any, Any, Any], nth: int | None) -> None:
        self.interrupt: Callable[[], object] = lambda: None
        self._work = work
        self._nth = nth

    def __await__(self) -> Generator[Any, Any, Any]:
        answer: Any = None
        error: BaseException | None = None
        for number in itertools.count(1):
            try:
                waited_for = self._work.send(answer) if error is None else self._work.throw(error)
            except StopIteration as end:
                return end.value
            answer = error = None
            if number == self._nth:
                self.interrupt()
            try:
                answer = yield waited_for
            except BaseException as thrown:  # noqa: BLE001 - the coroutine gets it, whatever it is
                error = thrown
        return None


def _start(steps: _Steps, kind: Kind) -> asyncio.Task[bool]:
    """Run it in a task; the result tells whether it was cancelled."""

    async def in_scope() -> bool:
        with anyio.CancelScope() as scope:
            steps.interrupt = scope.cancel
            await steps
        return scope.cancelled_caught

    async def in_task() -> bool:
        await steps
        return False

    task = asyncio.create_task(in_scope() if kind == "scope" else in_task(), name="to be cancelled")
    if kind == "task":
        steps.interrupt = task.cancel
    return task


async def _was_cancelled(task: asyncio.Task[bool]) -> bool:
    try:
        return await task
    except asyncio.CancelledError:
        return True


async def at_every_wait(make_work: Work, kind: Kind) -> AsyncIterator[int]:
    """Run fresh work again and again, cancelled one wait later each time, until it ends before.

    Shape: after each cancelled run the number of the wait, so that the caller can look around.
    Errors: those of the work.
    """
    for nth in range(1, _MOST_WAITS):
        if not await _was_cancelled(_start(_Steps(make_work(), nth), kind)):
            return
        yield nth
    raise AssertionError("it waits so often that it seems not to end")


async def at_many_turns(make_work: Work, kind: Kind) -> AsyncIterator[int]:
    """As `at_every_wait`, but by turns of the event loop: what other tasks of the work do counts too.

    The turns grow by a third each time, since an idle loop turns thousands of times a second.
    """
    turns = 1
    while turns < _MOST_TURNS:
        steps = _Steps(make_work(), None)
        task = _start(steps, kind)
        for _ in range(turns):
            await asyncio.sleep(0)
        if not task.done():
            steps.interrupt()
        if not await _was_cancelled(task):
            return
        yield turns
        turns += 1 + turns // 3
    raise AssertionError("it takes so many turns of the loop that it seems not to end")
