"""What a close code means: after which ones another attempt makes sense, and how soon at the earliest.

A table and nothing else; the delays are `reconnecting`. Pure.
"""

from __future__ import annotations

from typing import Final

import msgspec


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
    """Return the row of a close code; an unlisted one is retried. IBKR documents no codes of its own."""
    return CLOSE_CODES.get(code) or CloseCode(code, "unlisted close code", at_least_s=1.0)
