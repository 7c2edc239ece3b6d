"""What can happen to the session, as inert values for `ib.events()`. No behaviour here."""

from __future__ import annotations

import msgspec

from ibkr_async.models.fact import Fact


class SessionEvent(Fact, msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something happened to the session."""

    at: float
    """When it was noticed, in Unix seconds. That clock can be set: never measure a span by it."""


class SessionReady(SessionEvent, frozen=True, kw_only=True, tag=True):
    """The brokerage session is established and the accounts are loaded."""

    account_id: str
    is_paper: bool | None


class SessionLost(SessionEvent, frozen=True, kw_only=True, tag=True):
    """The brokerage session stopped being ready; the keeper is at work on it."""

    state: str
    detail: str


class SessionCompeting(SessionEvent, frozen=True, kw_only=True, tag=True):
    """Another login of the same username took the brokerage session. We do not fight for it."""


class SessionTakenOver(SessionEvent, frozen=True, kw_only=True, tag=True):
    """We took the brokerage session from another login, as `compete=True` allows."""


class LoginRenewed(SessionEvent, frozen=True, kw_only=True, tag=True):
    """The login was renewed: a new live session token is in use."""


class SessionTrouble(SessionEvent, frozen=True, kw_only=True, tag=True):
    """A step of the keeper failed and will be tried again."""

    detail: str
    retry_in_s: float


class SessionMaintenance(SessionEvent, frozen=True, kw_only=True, tag=True):
    """The session has been down for a minute and nothing brings it back: most likely a reset at IBKR.

    IBKR resets every night around midnight of each region, and longer on weekends; it announces
    neither. Sent once for each outage, which ends with `SessionReady`. The keeper goes on trying with
    pauses of up to five minutes; there is nothing to do.
    """

    down_s: float
    """Seconds since it was lost."""
    detail: str
    """What was heard last."""


class SessionClosed(SessionEvent, frozen=True, kw_only=True, tag=True):
    """The client was closed."""

    logged_out: bool
