"""When to try again: how long to wait, and after which close codes at all.

Pure: the random number and the time come in as arguments.
"""

from __future__ import annotations

from typing import Final

import msgspec

from ibkr_async.backoff import capped


class Backoff:
    """Delays between attempts to open the socket.

    The first retry is spread over one second, so that many clients that lost the same server do
    not come back together; then full jitter under a doubling ceiling. A connection counts as good,
    and the delays start over, only after it has lived for `healthy_s`. While a server accepts and
    drops at once (IBKR does, before the brokerage session is up) only the upper half of the jitter
    is used, so that it is not hammered.
    """

    def __init__(
        self, *, first_s: float = 1.0, cap_s: float = 60.0, healthy_s: float = 60.0
    ) -> None:
        self.first_s = first_s
        self.cap_s = cap_s
        self.healthy_s = healthy_s
        self._attempts = 0
        self._flapping = False

    def next_delay(self, fraction: float, *, at_least_s: float = 0.0) -> float:
        """Seconds to wait before the next attempt, given a random number in [0, 1)."""
        ceiling = capped(self.first_s, self._attempts, self.cap_s)
        if self._attempts and self._flapping:
            fraction = (1 + fraction) / 2
        self._attempts += 1
        return max(at_least_s, ceiling * fraction)

    def connection_ended(self, lived_s: float) -> None:
        """Take note of how long the connection that has just ended was up."""
        self._flapping = lived_s < self.healthy_s
        if not self._flapping:
            self._attempts = 0


class CloseCode(msgspec.Struct, frozen=True):
    """One row of the close-code table."""

    code: int
    meaning: str
    fatal: bool = False
    """True when a new attempt with the same credentials cannot help."""
    at_least_s: float = 0.0
    """Seconds to wait at least, where the code itself asks for patience."""


CLOSE_CODES: Final = {
    row.code: row
    for row in (
        # A quiet 1000 that we did not ask for is a disconnect: IBKR sends it when the brokerage
        # session is not up yet.
        CloseCode(1000, "normal closure"),
        CloseCode(1001, "the server is going away"),
        CloseCode(1002, "protocol error"),
        CloseCode(1003, "unsupported data"),
        CloseCode(1005, "closed without a code"),
        CloseCode(1006, "the connection broke"),
        CloseCode(1007, "invalid text"),
        CloseCode(1008, "policy violation", at_least_s=10.0),
        CloseCode(1009, "message too big"),
        CloseCode(1010, "a required extension is missing", fatal=True),
        CloseCode(1011, "internal error, or no answer to a ping"),
        CloseCode(1012, "the server restarts", at_least_s=1.0),
        CloseCode(1013, "the server is overloaded", at_least_s=5.0),
        CloseCode(1014, "bad gateway", at_least_s=1.0),
        CloseCode(1015, "TLS failure"),
        # Registered with IANA for "the credentials are not good enough".
        CloseCode(3000, "unauthorized", fatal=True),
        CloseCode(3003, "forbidden", fatal=True),
        CloseCode(3008, "timeout"),
    )
}


def close_code(code: int) -> CloseCode:
    """Row of a close code; an unlisted one is retried. IBKR documents no codes of its own."""
    return CLOSE_CODES.get(code) or CloseCode(code, "unlisted close code", at_least_s=1.0)
