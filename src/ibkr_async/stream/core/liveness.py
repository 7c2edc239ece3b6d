"""Is the connection alive? Greeting, keepalive, silence, and our own event loop's delays.

A `tic` goes out every 30 s. After 15 s without any frame one more is sent as a probe, and after 25 s the
connection is given up: heartbeats come every 10 s. Any frame counts as a sign of life. Time in which our
own loop stood still is not held against the server.

Responsible for these times; what giving up means is `protocol`. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibkr_async.stream.core.output import Output
    from ibkr_async.stream.settings import CoreSettings


class Liveness:
    """The times of one connection after the other."""

    def __init__(self, settings: CoreSettings, output: Output) -> None:
        self.heard_at = 0.0
        """When the last frame came."""
        self.probed = False
        """True after a probe, until a frame comes."""
        self._settings = settings
        self._output = output
        self._greet_by: float | None = None
        self._tic_at = 0.0

    def opened(self, now: float) -> None:
        """A socket was opened: it must be greeted in time."""
        self._greet_by = now + self._settings.greeting_timeout_s
        self.heard_at, self.probed = now, False

    def greeted(self, now: float) -> None:
        """The server has greeted the socket: from now on it is kept alive."""
        self._greet_by = None
        self._tic_at = now + self._settings.tic_interval_s

    @property
    def next_due(self) -> float:
        """When `check` must be called at the latest."""
        if self._greet_by is not None:
            return self._greet_by
        dead_after, probe_after = self._settings.dead_after_s, self._settings.probe_after_s
        silence = dead_after if self.probed else min(dead_after, probe_after)
        return min(self._tic_at, self.heard_at + silence)

    def check(self, now: float) -> str:
        """Do what is due; return the reason why the connection is dead, or nothing."""
        settings = self._settings
        if self._greet_by is not None:
            late = now >= self._greet_by
            waited = settings.greeting_timeout_s
            return f"no greeting within {waited:g} s of connecting" if late else ""
        silence = now - self.heard_at
        if silence >= settings.dead_after_s:
            return f"no frame for {silence:.0f} s"
        if silence >= settings.probe_after_s and not self.probed:
            self._send_tic(now)
            self.probed = True
        if now >= self._tic_at:
            self._send_tic(now)
        return ""

    def forgive(self, grace_s: float, now: float) -> None:
        """Credit the server with time in which nobody here was listening."""
        self.heard_at = min(now, self.heard_at + grace_s)
        if self._greet_by is not None:
            self._greet_by += grace_s

    def _send_tic(self, now: float) -> None:
        self._output.send("tic")
        self._tic_at = now + self._settings.tic_interval_s
