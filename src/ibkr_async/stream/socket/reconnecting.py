"""How long to wait before the socket is opened again.

Responsible for the delays alone; whether another attempt makes sense at all is said by the close code
(`close_codes`) and the error. Pure: the random number and the time come in as arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async.backoff import capped

if TYPE_CHECKING:
    from ibkr_async.stream.settings import ReconnectSettings


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
