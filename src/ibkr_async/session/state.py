"""What is known of the brokerage session, and what to do next: tables, no I/O, no clock.

IBKR reports four flags (`/iserver/auth/status`, `/iserver/auth/ssodh/init`, `/tickle` and the
socket's `sts`), each answer naming only some of them. `SessionFacts.merge` folds the answers,
`SessionFacts.state` names the situation, and `next_step` says what the keeper does about it. This
module must never decide *when*: that is the keeper's business.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

import msgspec

V = TypeVar("V")


class SessionState(StrEnum):
    """Where the brokerage session stands."""

    UNKNOWN = "unknown"
    """Nothing has been heard yet."""
    DISCONNECTED = "disconnected"
    """The portal session has no link to the brokerage servers."""
    NOT_AUTHENTICATED = "not authenticated"
    """Linked, but the brokerage login has not happened, has lapsed or was reset."""
    LOADING = "loading"
    """Login passed, its data not loaded: account calls would answer empty."""
    READY = "ready"
    """Established: market data and orders work."""
    COMPETING = "competing"
    """Another login of the same username holds the brokerage session."""
    CLOSED = "closed"
    """Logged out, or the client was closed."""


class Step(StrEnum):
    """What the keeper does next."""

    ASK_STATUS = "ask status"
    INITIALISE = "initialise"
    LOAD_ACCOUNTS = "load accounts"
    TICKLE = "tickle"
    STAND_BACK = "stand back"
    """Keep the portal session alive and watch; do not fight for the brokerage session."""


class SessionFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The flags as last stated. None means that nothing was said of it, never false."""

    connected: bool | None = None
    authenticated: bool | None = None
    established: bool | None = None
    competing: bool | None = None
    message: str | None = None
    """The server's own words for a failure."""

    def merge(self, newer: SessionFacts) -> SessionFacts:
        """Fold a newer statement into this one; what it does not mention stays.

        A login that is denied takes `established` with it unless the same statement speaks of it:
        the socket sends `{"authenticated":false}` alone (github.com/Voyz/ibind issue 25).
        """
        established = newer.established if newer.established is not None else self.established
        if newer.authenticated is False and newer.established is None:
            established = False
        return SessionFacts(
            connected=_later(self.connected, newer.connected),
            authenticated=_later(self.authenticated, newer.authenticated),
            established=established,
            competing=_later(self.competing, newer.competing),
            message=_later(self.message, newer.message),
        )

    @property
    def state(self) -> SessionState:
        """Name the situation.

        `established` is the real "ready". Builds that never mention it (it is absent from older
        `/tickle` answers) are believed on `authenticated`.
        """
        if self.competing:
            return SessionState.COMPETING
        if self.connected is False:
            return SessionState.DISCONNECTED
        if self.authenticated is None:
            return SessionState.UNKNOWN
        if not self.authenticated:
            return SessionState.NOT_AUTHENTICATED
        return SessionState.LOADING if self.established is False else SessionState.READY


def _later(old: V | None, new: V | None) -> V | None:
    return old if new is None else new


_STEPS = {
    SessionState.UNKNOWN: Step.ASK_STATUS,
    SessionState.DISCONNECTED: Step.INITIALISE,
    SessionState.NOT_AUTHENTICATED: Step.INITIALISE,
    SessionState.LOADING: Step.ASK_STATUS,
    SessionState.COMPETING: Step.STAND_BACK,
    SessionState.READY: Step.LOAD_ACCOUNTS,
}


def next_step(
    facts: SessionFacts, *, accounts_loaded: bool, may_initialise: bool, may_take_over: bool
) -> Step:
    """Return what brings the session nearer to ready, or keeps it there.

    `may_initialise` is false for a gateway, which opens the session by itself after its browser
    login; `may_take_over` is true when the user asked to compete and the last takeover is long past.
    """
    step = _STEPS[facts.state]
    if step is Step.STAND_BACK and may_take_over:
        return Step.INITIALISE
    if step is Step.INITIALISE and not may_initialise:
        return Step.ASK_STATUS
    if step is Step.LOAD_ACCOUNTS and accounts_loaded:
        return Step.TICKLE
    return step
