"""When is silence of one topic suspicious while the connection is fine?

A quiet market is silent and healthy; a stalled topic looks just the same. What can be known:

* Whether its market is open. Whoever has the trading hours says so through `is_open`
  (`ib.stream.hours`); where it says False, silence is never suspicious.
* How busy the topic was before. Time is cut into periods of 5 s. Each in which a topic speaks counts one,
  each in which it does not takes one away. From six on a silence of 60 s is suspicious; a topic that
  speaks in every second period, or trades twice a minute, never is.

A suspicious topic is asked for again, immediately and alone. Its first frame then comes even in a closed
market, so that a wrong suspicion (the close, where no hours are known) costs one request and one short
`Gap`; the topic must then have been busy anew before it is suspected again. That is never sooner than
after 90 s, well within the limit of one request in 30 s for each topic.

Responsible for the suspicion; what follows from it is `lifecycle`. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ibkr_async.stream.core.channel import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.stream.core.channel import Channel
    from ibkr_async.stream.settings import CoreSettings

_PERIODS: Final = 12
"""Periods in the silence that is suspicious, and in the memory of how busy a topic was."""
BUSY: Final = 6
"""What a topic must have counted up to."""


class Staleness:
    """Looks at the watched channels once in each period."""

    def __init__(self, settings: CoreSettings, is_open: Callable[[str], bool | None]) -> None:
        self._period_s = settings.stale_after_s / _PERIODS
        self._is_open = is_open
        self._watched: dict[Channel, None] = {}
        self._look_at = NEVER

    @property
    def next_due(self) -> float:
        """When `take_due` has something to give, or `NEVER`."""
        return self._look_at if self._watched else NEVER

    def begin(self, now: float) -> None:
        """Begin a period: a connection is greeted."""
        self._look_at = now + self._period_s

    def watch(self, channel: Channel, now: float) -> None:
        """Watch a channel that was requested. Twice is harmless."""
        if self._look_at <= now:
            self.begin(now)  # nothing was watched in the meantime
        self._watched[channel] = None

    def forget(self, channel: Channel) -> None:
        """Watch a channel no more. Twice is harmless."""
        self._watched.pop(channel, None)

    def take_due(self, now: float) -> tuple[Channel, ...]:
        """Return the channels that must be looked at now, and begin the next period."""
        if now < self.next_due:
            return ()
        self.begin(now)
        return tuple(self._watched)

    def postpone(self, grace_s: float) -> None:
        """Lengthen the period by the time in which nobody here was listening."""
        self._look_at += grace_s

    def look(self, channel: Channel) -> float | None:
        """Note whether a channel has spoken in this period; return the seconds of a suspicious silence."""
        if channel.spoke:
            channel.spoke = False
            channel.busy = min(_PERIODS, max(0, channel.busy - channel.idle) + 1)
            channel.idle = 0
            return None
        channel.idle += 1
        if channel.idle < _PERIODS or channel.busy < BUSY:
            return None
        silent_s = channel.idle * self._period_s
        channel.busy = channel.idle = 0
        return None if self._is_open(channel.target) is False else silent_s
