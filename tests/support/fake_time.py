"""A clock that moves only when somebody sleeps on it."""

from __future__ import annotations

import asyncio


class FakeTime:
    """Time as the code under test sees it. `slept` holds every wait."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Give the time."""
        return self.at

    async def sleep(self, seconds: float) -> None:
        """Let the time pass at once; other tasks may run."""
        self.slept.append(seconds)
        self.at += seconds
        await asyncio.sleep(0)
