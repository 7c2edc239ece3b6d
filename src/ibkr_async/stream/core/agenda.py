"""Who is due when: the channels in the order of their times.

Responsible for finding the earliest of any number of channels. A changed time costs the logarithm of
their number, and looking costs nothing. What is due there, `Channel.due` says; what is done then is
`lifecycle`. Pure.

A heap in which a channel's entry is not moved when its time gets later. The entry is corrected when it
comes to the top, so the top is right at any time. An earlier time makes a new entry, and the old one
is thrown away when it comes to the top.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final

from ibkr_async.stream.core.channel import NEVER

if TYPE_CHECKING:
    from ibkr_async.stream.core.channel import Channel

_SLACK: Final = 64
"""Dead entries that are not worth a clean-up."""


class Agenda:
    """The times of all channels."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Channel]] = []
        """Time, a number so that channels are never compared, and whose time it is.

        An entry lives while its time is its channel's `listed_at`."""
        self._numbers = count()
        self._listed = 0
        """Channels that have a living entry."""

    @property
    def next_due(self) -> float:
        """When the next channel is due, or `NEVER`."""
        return self._entries[0][0] if self._entries else NEVER

    def note(self, channel: Channel) -> None:
        """Take note that a time of a channel has changed, or may have."""
        if channel.due < channel.listed_at:
            self._listed += channel.listed_at == NEVER
            self._list(channel)
        self.settle()

    def drop(self, channel: Channel) -> None:
        """Forget a channel."""
        if channel.listed_at != NEVER:
            channel.listed_at = NEVER
            self._listed -= 1
        if len(self._entries) > 2 * self._listed + _SLACK:
            self._entries = [entry for entry in self._entries if entry[0] == entry[2].listed_at]
            heapify(self._entries)
        self.settle()

    def take_due(self, now: float) -> list[Channel]:
        """Return the channels that are due, earliest first. `note` each when it has been served."""
        taken = []
        while self._entries and self._entries[0][0] <= now:
            channel = heappop(self._entries)[2]
            channel.listed_at = NEVER
            self._listed -= 1
            taken.append(channel)
            self.settle()
        return taken

    def settle(self) -> None:
        """Correct the earliest entry. `note` does it; call it when many times have got later."""
        entries = self._entries
        while entries:
            at, _, channel = entries[0]
            if at == channel.due == channel.listed_at:
                return
            heappop(entries)
            if at == channel.listed_at:
                channel.listed_at = NEVER
                if channel.due == NEVER:
                    self._listed -= 1
                else:
                    self._list(channel)

    def _list(self, channel: Channel) -> None:
        channel.listed_at = channel.due
        heappush(self._entries, (channel.due, next(self._numbers), channel))
