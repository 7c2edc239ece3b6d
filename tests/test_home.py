from __future__ import annotations

import asyncio

import pytest

from ibkr_async.errors import UsageError
from ibkr_async.home import Home


async def test_home_is_the_loop_of_the_first_call() -> None:
    """From any task of it every later call is fine."""
    home = Home()
    home.check()

    await asyncio.create_task(_check(home))


async def test_another_loop_is_not_home() -> None:
    """Whether it runs in another thread or came after the first."""
    home = Home()
    home.check()

    with pytest.raises(UsageError, match="event loop and thread in which it was opened"):
        await asyncio.to_thread(asyncio.run, _check(home))


async def test_thread_without_a_loop_is_not_home() -> None:
    """A plain function in a worker thread is refused as well."""
    home = Home()
    home.check()

    with pytest.raises(UsageError):
        await asyncio.to_thread(home.check)


def test_no_loop_is_no_home() -> None:
    """Nothing can be opened without an event loop, and a failed call does not choose one."""
    home = Home()
    with pytest.raises(UsageError):
        home.check()

    asyncio.run(_check(home))


async def _check(home: Home) -> None:
    home.check()
