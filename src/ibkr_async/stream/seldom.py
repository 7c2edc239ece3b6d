"""One line in place of a thousand equal ones, with their number.

Responsible for when something that may come in floods is worth a line in the log. Pure: time comes in
as an argument.
"""

from __future__ import annotations

from math import inf


class Seldom:
    """Lets one through in each `every_s` seconds, and counts the others."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._said_at = -inf
        self._held_back = 0

    def admits(self, now: float) -> int | None:
        """Return how many were held back before this one; None when this one is held back too."""
        if now - self._said_at < self._every_s:
            self._held_back += 1
            return None
        held_back, self._held_back, self._said_at = self._held_back, 0, now
        return held_back
