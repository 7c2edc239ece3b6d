"""Settings of the stream: the socket, what is said on it, and how it comes back.

Every default stands here and nowhere else. Pure.
"""

from __future__ import annotations

from typing import ClassVar

from ibkr_async.knobs import CONNECT_TIMEOUT_S, Knobs


class CoreSettings(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times and limits of the protocol, in seconds unless named otherwise."""

    may_be_zero: ClassVar[frozenset[str]] = frozenset({"renew_jitter"})
    # More than half of the lifetime would overtake the next renewal.
    at_most: ClassVar[dict[str, float]] = {"renew_jitter": 0.5}

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
    unsubscribe_to_renew: bool = False
    """Send `umd` just before the renewing `smd`. What comes in between is lost, so each is a `Gap`."""


class SocketSettings(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits of the socket itself, in seconds unless named otherwise."""

    connect_timeout_s: float = CONNECT_TIMEOUT_S
    """How long opening may take: TCP, TLS and the upgrade."""
    ping_interval_s: float = 10.0
    """Between pings of the WebSocket protocol."""
    ping_timeout_s: float = 8.0
    """How long the answer to a ping may take before the connection is given up."""
    cut_after_s: float = 1.0
    """How long a closing handshake may take before the connection is cut."""
    max_frame_bytes: int = 8 << 20
    """Largest frame that is taken; a longer one ends the connection."""
    fast_framing: bool = True
    """Take plain data frames past the library's parser, which costs five times as much."""


class ReconnectSettings(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Patience between attempts to open the socket, in seconds."""

    may_be_zero: ClassVar[frozenset[str]] = frozenset({"first_retry_s"})

    first_retry_s: float = 1.0
    """The first retry after a loss is spread over this time."""
    retry_cap_s: float = 60.0
    """No retry waits longer, except where a close code asks for it."""
    healthy_s: float = 60.0
    """A connection that lived so long makes the delays start over."""


class StreamSettings(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every time and limit of the stream, in seconds unless named otherwise."""

    protocol: CoreSettings = CoreSettings()
    """What is said on the socket, and when silence means something."""
    socket: SocketSettings = SocketSettings()
    """Limits of the socket itself."""
    reconnecting: ReconnectSettings = ReconnectSettings()
    """Patience between attempts to open the socket."""
    send_timeout_s: float = 5.0
    """How long one frame may take to leave before the connection is given up."""
    close_timeout_s: float = 2.0
    """How long `aclose` may take."""
