"""IBKR's rate limits, judged strictly. Pure.

Responsible for counting, in exact sliding windows, every request that comes too soon, and for the
penalty box. Written apart from the client's own pacing on purpose: the one judges the other. It
must never read a clock: time comes in as Unix seconds.

How many requests are under way at once is not judged: this server answers one after the other.
"""

from __future__ import annotations

from collections import Counter, deque
from fnmatch import fnmatchcase
from typing import NamedTuple


class Limit(NamedTuple):
    """At most `most` requests in any `window_s` seconds."""

    path: str
    """Below `/v1/api`; `*` stands for any text, and each path that fits is counted by itself."""
    most: int
    window_s: float

    def __str__(self) -> str:
        return f"{self.path}: {self.most} in {self.window_s:g} s"


EVERYTHING = Limit("all requests", 10, 1)
LIMITS = (
    Limit("/iserver/marketdata/snapshot", 10, 1),
    Limit("/iserver/marketdata/history", 50, 60),
    Limit("/iserver/scanner/params", 1, 900),
    Limit("/iserver/scanner/run", 1, 1),
    Limit("/iserver/account/orders", 1, 5),
    Limit("/iserver/account/trades", 1, 5),
    Limit("/iserver/account/pnl/partitioned", 1, 5),
    Limit("/portfolio/accounts", 1, 5),
    Limit("/portfolio/subaccounts", 1, 5),
    Limit("/pa/*", 1, 900),
    Limit("/fyi/*", 1, 1),
    Limit("/tickle", 1, 1),
    Limit("/sso/validate", 1, 60),
)
"""Source: "Pacing Limitations" of the Web API documentation, August 2026."""


class Judge:
    """Watches the requests of one address."""

    def __init__(self, *, box_s: float) -> None:
        self.violations: Counter[str] = Counter()
        """Requests that came too soon, by the limit that they broke."""
        self.boxed = 0
        """Requests that came while the address was in the penalty box."""
        self.boxed_until = float("-inf")
        self._box_s = box_s
        self._times: dict[tuple[str, str], deque[float]] = {}

    def admits(self, path: str, now: float) -> bool:
        """Count a request; say whether it kept every limit and the address is not blocked."""
        broken = [limit for limit in self._of(path) if not self._keeps(limit, path, now)]
        self.violations.update(str(limit) for limit in broken)
        if now < self.boxed_until:
            self.boxed += 1
            return False
        if broken:
            self.boxed_until = now + self._box_s
        return not broken

    def _of(self, path: str) -> list[Limit]:
        return [EVERYTHING, *(limit for limit in LIMITS if fnmatchcase(path, limit.path))]

    def _keeps(self, limit: Limit, path: str, now: float) -> bool:
        key = (limit.path, "" if limit is EVERYTHING else path)
        times = self._times.setdefault(key, deque())
        while times and times[0] <= now - limit.window_s:
            times.popleft()
        times.append(now)
        return len(times) <= limit.most
