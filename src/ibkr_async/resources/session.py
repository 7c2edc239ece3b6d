"""Endpoints of the session: status, opening, keeping alive, validating and ending it.

Responsible for building the requests only. What a status means and when each of these is called is
decided by `session.keeper`; users normally never call them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async.models.session import AuthStatusReply, LogoutReply, SsoValidation, TickleReply
from ibkr_async.resources.accounts import LIST_ACCOUNTS
from ibkr_async.resources.base import Resource
from ibkr_async.rest.request import RestRequest, Urgency

if TYPE_CHECKING:
    from ibkr_async.models.accounts import AccountsReply


class SessionEndpoints(Resource):
    """Low-level calls about the session itself."""

    async def auth_status(self) -> AuthStatusReply:
        """Ask for the state of the brokerage session.

        Shape: a flag that was not sent is None. Trading is possible once `established` is True.
        Errors: `UnauthorizedError` when the login itself lapsed.
        Source: POST /iserver/auth/status, "Authentication Status".
        """
        return await self._send(
            RestRequest[AuthStatusReply](
                method="POST",
                path="/iserver/auth/status",
                result=AuthStatusReply,
                replayable=True,
            )
        )

    async def init_brokerage_session(
        self, *, publish: bool = True, compete: bool = False
    ) -> AuthStatusReply:
        """Open the brokerage session, once; it is not repeated.

        Shape: as `auth_status`. An answer with `authenticated` False is a failure, although its
        status is 200: the takeover was lost, or the backend is down.
        Errors: `ServerError` when `publish` is False; IBKR has no other mode.
        Side effects at the broker: with `compete` another login of the same username is thrown out.
        Source: POST /iserver/auth/ssodh/init, "Initialize Brokerage Session".
        """
        return await self._send(
            RestRequest[AuthStatusReply](
                method="POST",
                path="/iserver/auth/ssodh/init",
                result=AuthStatusReply,
                body={"publish": publish, "compete": compete},
            )
        )

    async def accounts(self) -> AccountsReply:
        """List the accounts, as `Accounts.list` does."""
        return await self._send(LIST_ACCOUNTS)

    async def tickle(self) -> TickleReply:
        """Keep the session alive, and learn its id and state.

        Shape: `session` is what binds a socket to this session; under OAuth `sso_expires`,
        `collission` and `user_id` are absent.
        Errors: `RefusedError` when IBKR could not do it.
        Source: POST /tickle, "Server Ping". Pacing: 1 per second; once a minute is enough.
        """
        return await self._send(
            RestRequest[TickleReply](
                method="POST",
                path="/tickle",
                result=TickleReply,
                replayable=True,
                # Held back after a 429, the session would lapse and take every order's news along.
                urgency=Urgency.CANCEL,
            )
        )

    async def sso_validate(self) -> SsoValidation:
        """Validate the portal login behind a gateway or OAuth 2 session.

        Units: `expires` is the milliseconds that remain.
        Errors: `UnauthorizedError` without such a login; it does not exist under OAuth 1.0a.
        Source: GET /sso/validate, "Validate SSO". Pacing: 1 per minute.
        """
        return await self._read(SsoValidation, "/sso/validate")

    async def logout(self) -> LogoutReply:
        """End the session, once; it is not repeated.

        Side effects at the broker: sockets close and streams end; orders stay. A gateway then needs
        a new browser login.
        Source: POST /logout, "Logout of the current session".
        """
        return await self._send(
            RestRequest[LogoutReply](method="POST", path="/logout", result=LogoutReply)
        )
