"""Failures and delays that a test orders, and the record of what was asked. Pure.

Responsible for answers that replace the normal ones, for how long answers take, and for the request log. It must never keep a
header, a query or a body: a log holds no secrets.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypeVar

_KEPT_REQUESTS = 10_000
DROPPED = 0
"""Status of a request whose connection is cut instead of answering it."""
CUT = "ibkr_async.cut"
"""Key of a request's scope: the function that cuts its connection without a word."""


class RequestRecord(NamedTuple):
    """One request that was answered."""

    method: str
    path: str
    """Below `/v1/api`, without the query."""
    status: int
    """HTTP status, or `DROPPED`."""
    identity: str
    """`oauth` or `gateway`; empty when the sender was not accepted."""


@dataclass(slots=True)
class Fault:
    """An ordered failure."""

    pattern: str
    """Path below `/v1/api`; `*` stands for any text."""
    status: int
    """HTTP status, or `DROPPED`."""
    body: Any
    """Text is sent as it is, anything else as JSON."""
    times: float
    after: bool
    """Let the request take effect first: the answer is lost, the order is live."""


@dataclass(slots=True)
class Delay:
    """An ordered slowness."""

    pattern: str
    """Path below `/v1/api`; `*` stands for any text."""
    seconds: float
    times: float
    """How many requests it holds up; infinity for all."""
    after: bool
    """Let the request take effect first: only its answer is late."""


_Ordered = TypeVar("_Ordered", Fault, Delay)


@dataclass(slots=True)
class Faults:
    """The failures and delays that are still to come."""

    _failures: list[Fault] = field(default_factory=list[Fault])
    _delays: list[Delay] = field(default_factory=list[Delay])

    def add(self, fault: Fault) -> None:
        """Order a failure."""
        self._failures.append(fault)

    def take(self, path: str) -> Fault | None:
        """Use up one failure that fits this path."""
        return _take(self._failures, path)

    def slow(self, delay: Delay) -> None:
        """Order a delay; one of no seconds ends the others of its path."""
        if delay.seconds > 0:
            self._delays.append(delay)
        else:
            self._delays = [each for each in self._delays if each.pattern != delay.pattern]

    def take_delay(self, path: str) -> Delay | None:
        """Use up one delay that fits this path."""
        return _take(self._delays, path)


def _take(ordered: list[_Ordered], path: str) -> _Ordered | None:
    for each in ordered:
        if fnmatchcase(path, each.pattern):
            each.times -= 1
            if each.times <= 0:
                ordered.remove(each)
            return each
    return None


def request_log() -> deque[RequestRecord]:
    """Make an empty log that forgets the oldest requests."""
    return deque(maxlen=_KEPT_REQUESTS)
