"""`ib.session`: what a user sees of the brokerage session, and the two things that may be done with it.

Responsible for nothing else: the work is done by the keeper, which no user holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async._arguments import checked

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.session.keeper import SessionInfo, SessionKeeper
    from ibkr_async.session.state import SessionState


@checked
class Session:
    """The brokerage session of a client."""

    def __init__(self, keeper: SessionKeeper, check: Callable[[], None]) -> None:
        """Show what `keeper` knows; `check` raises where nothing may be asked of it."""
        self._keeper = keeper
        self._check = check

    def __repr__(self) -> str:
        return f"<Session {self.state.value}>"

    @property
    def state(self) -> SessionState:
        """Where it stands."""
        return self._keeper.info.state

    @property
    def info(self) -> SessionInfo:
        """What is known of it right now: accounts, server, IBKR's last words."""
        return self._keeper.info

    async def ready(self, timeout_s: float | None = None) -> SessionInfo:
        """Wait until it is established and the accounts are loaded, for example after a nightly reset.

        Errors: `CompetingSessionError` and `SessionTimeoutError` when it is not within `timeout_s`
        (default: the setting `ready_timeout_s`); `ClosedError` once it was logged out or the client
        closed.
        """
        self._check()
        return await self._keeper.ready(timeout_s)

    async def logout(self) -> None:
        """End it at IBKR; every socket of this username's session closes.

        Side effects at the broker: a gateway needs its browser login again afterwards. Working
        orders stay where they are.
        Source: `POST /logout`.
        """
        self._check()
        await self._keeper.logout()
