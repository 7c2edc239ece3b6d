"""`Ending`: everything that waits inside stops when the end comes."""

from __future__ import annotations

import asyncio

from ibkr_async.ending import Ending


async def test_end_cuts_what_waits_and_nothing_else() -> None:
    """Each body is left; what had finished before keeps its answer."""
    ending = Ending()
    left: list[bool] = []

    async def wait(seconds: float) -> None:
        with ending.cut() as scope:
            await asyncio.sleep(seconds)
        left.append(scope.cancelled_caught)

    await wait(0)
    tasks = [asyncio.create_task(wait(3600)) for _ in range(3)]
    await asyncio.sleep(0)
    ending.come()
    ending.come()
    await asyncio.gather(*tasks)

    assert left == [False, True, True, True]
    assert ending.has_come


async def test_after_the_end_nothing_waits_any_more() -> None:
    """Who comes late is cut at the first wait."""
    ending = Ending()
    ending.come()

    with ending.cut() as scope:
        await asyncio.sleep(3600)

    assert scope.cancelled_caught
