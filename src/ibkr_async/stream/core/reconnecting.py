"""How long to wait before the socket is opened again.

Responsible for the delays alone; whether another attempt makes sense at all is said by the close code
(`close_codes`) and the error. Pure: the random number and the time come in as arguments.
"""

from __future__ import annotations

import msgspec

from ibkr_async.backoff import capped


class ReconnectSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Patience between attempts to open the socket, in seconds."""

    first_retry_s: float = 1.0
    """The first retry after a loss is spread over this time."""
    retry_cap_s: float = 60.0
    """No retry waits longer, except where a close code asks for it."""
    healthy_s: float = 60.0
    """A connection that lived so long makes the delays start over."""


class ReconnectDelays:
    """Delays between attempts to open the socket.

    The first retry is spread over one second, so that many clients that lost the same server do
    not come back together; then full jitter under a doubling ceiling. A connection counts as good,
    and the delays start over, only after it has lived for `healthy_s`. While a server accepts and
    drops immediately (IBKR does, before the brokerage session is up) only the upper half of the jitter
    is used, so that it is not hammered.
    """

    def __init__(self, settings: ReconnectSettings) -> None:
        self._settings = settings
        self._attempts = 0
        self._flapping = False

    def next_delay(self, fraction: float, *, at_least_s: float = 0.0) -> float:
        """Return the seconds to wait before the next attempt, given a random number in [0, 1)."""
        ceiling = capped(self._settings.first_retry_s, self._attempts, self._settings.retry_cap_s)
        if self._attempts and self._flapping:
            fraction = (1 + fraction) / 2
        self._attempts += 1
        return max(at_least_s, ceiling * fraction)

    def connection_ended(self, lived_s: float) -> None:
        """Take note of how long the connection that has just ended was up."""
        self._flapping = lived_s < self._settings.healthy_s
        if not self._flapping:
            self._attempts = 0
