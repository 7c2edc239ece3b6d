"""Failures that a test orders, and the record of what was asked. Pure.

Responsible for answers that replace the normal ones, and for the request log. It must never keep a
header, a query or a body: a log holds no secrets.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

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
    times: int
    after: bool
    """Let the request take effect first: the answer is lost, the order is live."""


@dataclass(slots=True)
class Faults:
    """The failures that are still to come."""

    _pending: list[Fault] = field(default_factory=list[Fault])

    def add(self, fault: Fault) -> None:
        """Order a failure."""
        self._pending.append(fault)

    def take(self, path: str) -> Fault | None:
        """Use up one failure that fits this path."""
        for fault in self._pending:
            if fnmatchcase(path, fault.pattern):
                fault.times -= 1
                if fault.times <= 0:
                    self._pending.remove(fault)
                return fault
        return None


def request_log() -> deque[RequestRecord]:
    """Make an empty log that forgets the oldest requests."""
    return deque(maxlen=_KEPT_REQUESTS)
