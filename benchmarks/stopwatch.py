"""Counts what arrives and measures the time from the first to the last of it.

Responsible for costing the same few nanoseconds in every variant. Standard library only.
"""

from __future__ import annotations

import asyncio
import time

from benchmarks.corpus import STAMP_ZERO


class Stopwatch:
    """Runs from the first market-data message to the last one.

    `frames` is how many frames are sent, by which the cost is divided; `wanted` how many of them are
    market data, which is what is counted.
    """

    def __init__(self, frames: int, wanted: int) -> None:
        self._frames = frames
        self._wanted = wanted
        self._count = 0
        self._cpu = self._wall = 0.0
        self._done = asyncio.Event()
        self._delays: list[int] = []
        self.numbers: dict[str, float] = {}

    def seen(self) -> None:
        """Count one message."""
        self._count += 1
        if self._count == 1:
            self._wall, self._cpu = time.perf_counter(), time.process_time()
        elif self._count == self._wanted:
            self._stop()

    def stamped(self, stamp: int | None) -> None:
        """Count one message that says when it was sent."""
        self._delays.append(time.monotonic_ns() - (stamp or 0) + STAMP_ZERO)
        self.seen()

    async def wait(self) -> None:
        """Return when everything has come."""
        await asyncio.wait_for(self._done.wait(), 120)

    def _stop(self) -> None:
        cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
        self.numbers = {"cpu_us": cpu / self._frames * 1e6, "per_s": self._frames / wall}
        if self._delays:
            # The first tenth warms caches up.
            settled = sorted(self._delays[len(self._delays) // 10 :])
            self.numbers["p50_us"] = settled[len(settled) // 2] / 1e3
            self.numbers["p99_us"] = settled[int(0.99 * len(settled))] / 1e3
        self._done.set()
