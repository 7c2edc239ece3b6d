"""The time that signatures carry: our clock, corrected by what the server says about its own.

A machine whose clock is minutes off is refused by IBKR with an answer that names no reason. The
`Date` header of any answer tells the difference. This module reads no clock by itself.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NOTABLE_SKEW_S = 30.0
"""From this difference on the clock is named as a likely cause of a refusal."""

_LONGEST_DATE = 64


class ServerClock:
    """Our idea of the server's time. Its timestamps never decrease unless `restart` is called."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ahead_s = 0.0
        self._latest = 0

    @property
    def ahead_s(self) -> float:
        """Seconds by which our clock is ahead of the server's; negative when it is behind."""
        return self._ahead_s

    def now(self) -> float:
        """Unix seconds on the server's clock, as far as we know it."""
        return self._clock() - self._ahead_s

    def timestamp(self) -> str:
        """Return the value of the next `oauth_timestamp`: whole seconds, not below an earlier one.

        Source: IBKR "How to implement OAuth", rule for oauth_timestamp.
        """
        self._latest = max(self._latest, int(self.now()))
        return str(self._latest)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Take the difference from an answer's `date` header; a missing or broken one changes nothing."""
        try:
            server = parsedate_to_datetime(headers["date"][:_LONGEST_DATE]).timestamp()
        except (KeyError, ValueError, OverflowError):
            return
        self._ahead_s = self._clock() - server

    def restart(self) -> None:
        """Let the next timestamp be smaller than earlier ones.

        Only for after a refusal: a request that was refused for its timestamp has not been counted.
        """
        self._latest = 0
