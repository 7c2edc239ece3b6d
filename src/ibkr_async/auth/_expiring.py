"""A login that lapses: what OAuth 1.0a and OAuth 2.0 tell the client about theirs in the same way.

Responsible for when it must be renewed. It must never hold or see a secret.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl

    from ibkr_async.auth._tls import Trust
    from ibkr_async.auth.server_clock import ServerClock


class ExpiringLogin(ABC):
    """Half of `Auth`: address, trust, clock, and the time of the next login."""

    def __init__(
        self, base_url: str, trust: Trust, clock: ServerClock, renew_margin_s: float
    ) -> None:
        self._base_url = base_url
        self._trust = trust
        self._clock = clock
        self._renew_margin_s = renew_margin_s
        self._renew_at = 0.0

    @property
    def base_url(self) -> str:
        """REST root without a trailing slash."""
        return self._base_url

    @property
    @abstractmethod
    def expires_at(self) -> float | None:
        """Unix seconds, on the server's clock, at which the login lapses; None without one."""

    @property
    def needs_login(self) -> bool:
        """True without a login, or when it is within the margin of its expiry."""
        return self.expires_at is None or self._clock.now() >= self._renew_at

    @property
    def opens_brokerage_session(self) -> bool:
        """True: after every login the client calls `ssodh/init`."""
        return True

    @property
    def clock_ahead_s(self) -> float:
        """Seconds by which this machine's clock is ahead of the server's, as of the last login."""
        return self._clock.ahead_s

    def ssl_context(self) -> ssl.SSLContext:
        """TLS policy: the system's trust store, or exactly the certificate `ca`. Loads files."""
        return self._trust.context()

    def _plan_renewal(self, now: float, expires_at: float) -> None:
        # A login with less life than twice the margin would otherwise be renewed all the time.
        self._renew_at = max(expires_at - self._renew_margin_s, (now + expires_at) / 2)
