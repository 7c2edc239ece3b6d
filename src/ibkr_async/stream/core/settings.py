"""The protocol core's settings and counters: plain values."""

from __future__ import annotations

import msgspec


class CoreSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Times and limits of the protocol, in seconds unless named otherwise."""

    greeting_timeout_s: float = 10.0
    """From the open socket to `system` with `success`."""
    tic_interval_s: float = 30.0
    """IBKR asks for at least one a minute."""
    probe_after_s: float = 15.0
    """Silence after which a `tic` probes the connection: one and a half heartbeats."""
    dead_after_s: float = 25.0
    """Silence after which the connection is given up."""
    lag_tolerance_s: float = 1.0
    """How late a deadline may be served before the event loop is blamed."""
    confirm_timeout_s: float = 10.0
    """From a request to its first frame."""
    retry_interval_s: float = 30.0
    """Between requests for a topic that does not answer."""
    stale_after_s: float = 60.0
    """Silence after which a busy topic is asked for again while the connection is fine."""
    renew_after_s: float = 480.0
    """Age at which a subscription with a lifetime is renewed; the shortest lifetime seen is 600."""
    renew_jitter: float = 0.1
    """Share of `renew_after_s` by which each renewal is moved at random, earlier or later."""
    unsubscribe_to_renew: bool = True
    """Send `umd` just before the renewing `smd`: that a bare `smd` restarts the lifetime is not proven."""


class CoreStats(msgspec.Struct):
    """Counters since the start."""

    frames: int = 0
    """Frames received, of any kind."""
    bad: int = 0
    """Frames that could not be read."""
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
