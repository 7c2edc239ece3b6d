"""`ib.health()`: one look at everything that can be wrong. Values only."""

from __future__ import annotations

import msgspec

from ibkr_async.models.fact import Fact


class Health(Fact, msgspec.Struct, frozen=True, kw_only=True):
    """The state of a client at one moment."""

    session: str
    """State of the brokerage session, `ready` when all is well."""
    account_id: str
    socket_wanted: bool
    """True while there is a subscription, so that the socket should be up."""
    socket_connected: bool
    rate_limited: bool
    """True after a 429, while requests are held back so that the address is not blocked."""
    tickle_age_s: float | None
    """Seconds since the last tickle that was answered; None before the first."""
    login_expires_in_s: float | None
    """Seconds until the login lapses (it is renewed before); None when it does not."""
    unknown_orders: int
    """Orders whose outcome is not known: look at them before trading on."""
    gaps: int
    """Interruptions of subscriptions since the client was opened."""
    requests: int
    """REST requests sent since the client was opened."""

    @property
    def ok(self) -> bool:
        """True when market data and orders work as far as anybody can tell."""
        return (
            self.session == "ready"
            and (self.socket_connected or not self.socket_wanted)
            and not self.rate_limited
            and not self.unknown_orders
        )

    def __str__(self) -> str:
        socket = "connected" if self.socket_connected else "down" if self.socket_wanted else "idle"
        parts = [f"session {self.session}", f"socket {socket}"]
        if self.rate_limited:
            parts.append("rate limited")
        if self.unknown_orders:
            parts.append(f"{self.unknown_orders} orders unknown")
        if self.gaps:
            parts.append(f"{self.gaps} gaps")
        return ("ok: " if self.ok else "NOT OK: ") + ", ".join(parts)
