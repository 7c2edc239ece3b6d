"""The protocol core's counters: plain values."""

from __future__ import annotations

import msgspec


class CoreStats(msgspec.Struct):
    """Counters since the start."""

    frames: int = 0
    """Frames received, of any kind."""
    bad: int = 0
    """Frames that could not be read, wholly or in part."""
    unknown: int = 0
    """Frames of topics that this version does not know."""
    late: int = 0
    """Frames of topics that nobody listens to any more."""
    without_payload: int = 0
    """Frames with nothing but their topic."""
    errors: int = 0
    """Error frames."""
    connections: int = 0
    """Times that the server greeted us."""
    gaps: int = 0
    """Interruptions of a topic that was live."""
    renewals: int = 0
    """Subscriptions renewed before their lifetime ended."""
    events_dropped: int = 0
    """Events that nobody took in time."""
