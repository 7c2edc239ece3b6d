"""The end of what a client waits for: closing cuts requests under way and searches short.

Responsible for one thing: whoever waits inside `cut` stops waiting when the end comes. It must never
decide what that means for the caller.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ending:
    """The end of one owner, which comes once."""

    def __init__(self) -> None:
        self.has_come = False
        self._scopes: set[anyio.CancelScope] = set()

    def come(self) -> None:
        """Cut short everything that waits, and what comes later. Idempotent."""
        self.has_come = True
        for scope in self._scopes:
            scope.cancel()

    @contextmanager
    def cut(self) -> Iterator[anyio.CancelScope]:
        """Leave the body when the end comes; the scope's `cancelled_caught` says that it did."""
        scope = anyio.CancelScope()
        if self.has_come:
            scope.cancel()
        self._scopes.add(scope)
        try:
            with scope:
                yield scope
        finally:
            self._scopes.discard(scope)
