"""Settings of REST: time limits, connections, request limits, and how reads are tried again.

Every default stands here and nowhere else. Pure.
"""

from __future__ import annotations

from ibkr_async.errors import ConfigError
from ibkr_async.knobs import CONNECT_TIMEOUT_S, Knobs
from ibkr_async.rest.retry import RetryPolicy


class ConnectionSettings(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How HTTP connections are opened, kept and bounded."""

    connect_timeout_s: float = CONNECT_TIMEOUT_S
    """Time to open a connection, its TLS handshake included; also to wait for a free one."""
    idle_s: float = 30.0
    """An idle connection is closed after this: one that the server has just dropped makes an order's
    fate unknown, so none is kept for long."""
    max_read_connections: int = 20
    """Most connections for reads. Orders and cancels have their own, as many as pacing lets them need."""
    max_body_bytes: int = 16 << 20
    """A larger answer is refused; the longest known, `/iserver/scanner/params`, has about 2 MB."""


class PacingSettings(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the global limit of requests is shared. The limits of single endpoints are `PACING`."""

    per_second: int = 10
    """Most requests in any second. IBKR allows 10 for each session and blocks an address that has more."""
    for_orders: int = 2
    """Of these, kept for orders and cancels; even, because a ticket and its reply go together."""
    for_cancels: int = 2
    """Of these, kept for cancels alone."""
    max_wait_s: float = 30.0
    """A request whose slot is further away is refused with `RateLimitedError`, and nothing is sent.
    Cancels, and what is `urgent`, wait for as long as it takes."""

    def __post_init__(self) -> None:
        """Refuse shares that leave nothing for reads, or that cannot be halved."""
        super().__post_init__()
        for_all = self.per_second - self.for_orders - self.for_cancels
        if for_all <= 0 or for_all % 2 or self.for_orders % 2:
            raise ConfigError(
                f"setting per_second: {self.per_second} without {self.for_orders} for_orders and "
                f"{self.for_cancels} for_cancels leaves {for_all} for reads; what is for reads and "
                "what is for orders must be even and above zero"
            )


class RestSettings(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Time limits of requests, and what surrounds them."""

    read_timeout_s: float = 15.0
    """Total time for one attempt of a read."""
    action_timeout_s: float = 30.0
    """Total time for a request that changes something; a late answer is better than an unknown outcome."""
    renew_interval_s: float = 10.0
    """After a 401 the login is renewed, but not more often than this."""
    connections: ConnectionSettings = ConnectionSettings()
    """HTTP connections; a table `[settings.rest.connections]` in TOML."""
    pacing: PacingSettings = PacingSettings()
    """The request limit; a table `[settings.rest.pacing]` in TOML."""
    retry: RetryPolicy = RetryPolicy()
    """How reads are made again; a table `[settings.rest.retry]` in TOML."""
