"""Settings of the brokerage session. Every default stands here and nowhere else. Pure."""

from __future__ import annotations

from ibkr_async.knobs import Knobs


class SessionSettings(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a session is brought up, held and watched."""

    account_id: str | None = None
    """Account that calls use when they name none. Without it that is the login's only account, if it
    has just one."""
    compete: bool = False
    """Take the brokerage session over from another login of the same username."""
    ready_timeout_s: float = 60.0
    """Time that `ib.ready()` waits for the brokerage session."""
    tickle_interval_s: float = 60.0
    """Between `POST /tickle`; IBKR ends a session after about five idle minutes."""
    first_retry_s: float = 1.0
    """Pause before the session is asked for again; it doubles with every failure."""
    retry_cap_s: float = 300.0
    """Longest of these pauses: fewer than 30 attempts in a nightly reset."""
    takeover_interval_s: float = 600.0
    """With `compete=True` at most one takeover in this time: two clients that both compete would
    otherwise push each other out for ever."""
    maintenance_after_s: float = 60.0
    """A session that was up and stays down for so long is taken for a reset at IBKR."""
    doubt_interval_s: float = 5.0
    """A caller that meets a 401 again and again does not cause a status request for each."""
    value_fresh_s: float = 1.0
    """So young an answer to a tickle also serves the next socket: IBKR allows one tickle a second."""
