"""Wait for a condition instead of for a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import anyio

T = TypeVar("T")
E = TypeVar("E")


async def until(condition: Callable[[], object], *, within_s: float = 5.0) -> None:
    """Return as soon as the condition holds. Errors: `TimeoutError`."""
    with anyio.fail_after(within_s):
        while not condition():  # noqa: ASYNC110 - for conditions of which nobody tells
            await anyio.sleep(0.005)


async def first(items: AsyncIterator[T], kind: type[E], *, within_s: float = 5.0) -> E:
    """Take items until one is of this kind, and return it. Errors: `TimeoutError`."""
    with anyio.fail_after(within_s):
        async for item in items:
            if isinstance(item, kind):
                return item
    raise AssertionError(f"it ended without a {kind.__name__}")


async def all_of(items: AsyncIterator[object], *kinds: type, within_s: float = 5.0) -> list[object]:
    """Take items until each of these kinds was there, in any order, and return everything taken.

    Errors: `TimeoutError`.
    """
    taken: list[object] = []
    with anyio.fail_after(within_s):
        async for item in items:
            taken.append(item)
            if all(any(isinstance(seen, kind) for seen in taken) for kind in kinds):
                return taken
    raise AssertionError(f"it ended after {taken}")
