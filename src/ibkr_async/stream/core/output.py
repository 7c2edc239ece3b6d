"""What the protocol core has to say: events and frames that wait for its owner to take them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.stream.core.stats import CoreStats
    from ibkr_async.stream.delivery.events import StreamEvent

_MOST_REPORTS: Final = 1_000
"""More are counted only, so that a flood of bad frames is bounded."""


class Output:
    """Two queues, and one flag that says cheaply whether anything is in them."""

    def __init__(self, stats: CoreStats, unix: Callable[[float], float]) -> None:
        self.wants_attention = False
        self.unix = unix
        """Returns the Unix seconds of a time on the core's clock, for the `at` of events."""
        self._stats = stats
        self._events: list[StreamEvent] = []
        self._frames: list[str] = []

    @property
    def has_frames(self) -> bool:
        """Tell whether frames wait to be sent."""
        return bool(self._frames)

    def emit(self, event: StreamEvent) -> None:
        """Report what has changed here. It is never dropped: there is no more of it than channels."""
        self._events.append(event)
        self.wants_attention = True

    def report(self, event: StreamEvent) -> None:
        """Report what a frame says, unless too much waits already."""
        if len(self._events) < _MOST_REPORTS:
            self.emit(event)
        else:
            self._stats.events_dropped += 1
            self.wants_attention = True

    def send(self, text: str) -> None:
        """Have a frame sent."""
        self._frames.append(text)
        self.wants_attention = True

    def forget_frames(self) -> None:
        """Drop what was to be sent on a connection that is gone."""
        self._frames.clear()

    def take_events(self) -> list[StreamEvent]:
        """Take what was reported, oldest first."""
        taken, self._events = self._events, []
        self.wants_attention = bool(self._frames)
        return taken

    def take_frames(self) -> list[str]:
        """Take what is to be sent, in this order."""
        taken, self._frames = self._frames, []
        self.wants_attention = bool(self._events)
        return taken
