"""Endpoints of the accounts of a brokerage session, public as `ib.accounts`.

Responsible for building the requests only. Positions and cash by currency are in
`resources.portfolio`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ibkr_async.models.accounts import AccountsReply, AccountSummary, SwitchReply
from ibkr_async.models.portfolio import PartitionedPnl
from ibkr_async.resources.base import Resource
from ibkr_async.rest.request import RestRequest

if TYPE_CHECKING:
    from ibkr_async.resources.base import ChooseAccount, SendRequest

LIST_ACCOUNTS: Final = RestRequest[AccountsReply](
    method="GET", path="/iserver/accounts", result=AccountsReply, replayable=True
)
"""What IBKR wants to be asked once in every session."""


class Accounts(Resource):
    """The accounts that can trade in this session."""

    def __init__(self, send: SendRequest, *, account: ChooseAccount) -> None:
        super().__init__(send)
        self._account = account

    async def list(self) -> AccountsReply:
        """List the accounts and what they may do.

        IBKR wants this once per session before snapshots and orders; the client does that by itself.
        Shape: before the session is established the lists are empty, without an error.
        Errors: `NoBridgeError` without a brokerage session.
        Source: GET /iserver/accounts, "Receive Brokerage Accounts".
        """
        return await self._send(LIST_ACCOUNTS)

    async def switch(self, account_id: str) -> SwitchReply:
        """Select the account that calls without an account refer to.

        Shape: `selected` is True also when it was selected before.
        Errors: `ServerError` for an account that is not yours.
        Side effects at the broker: changes the selection for everything that uses this session.
        Source: POST /iserver/account, "Switch Account".
        """
        return await self._send(
            RestRequest[SwitchReply](
                method="POST",
                path="/iserver/account",
                result=SwitchReply,
                body={"acctId": account_id},
            )
        )

    async def summary(self, *, account_id: str | None = None) -> AccountSummary:
        """Read balances and margins of an account, the session's only one where none is named.

        Units: the account's base currency; IBKR rounds to whole units. `ib.portfolio.ledger` has
        cents.
        Source: GET /iserver/account/{accountId}/summary, "Account Summary".
        """
        return await self._send(
            RestRequest[AccountSummary](
                method="GET",
                path="/iserver/account/{account_id}/summary",
                path_params={"account_id": self._account(account_id)},
                result=AccountSummary,
                replayable=True,
            )
        )

    async def pnl(self) -> PartitionedPnl:
        """Read the profit and loss of every account and segment of this session.

        Shape: `parts` is empty on the first read of a session; ask again.
        Units: base currency of each account.
        Source: GET /iserver/account/pnl/partitioned, "Account Profit and Loss".
        Pacing: 1 per 5 seconds; the `spl` stream has no such limit.
        """
        return await self._send(
            RestRequest[PartitionedPnl](
                method="GET",
                path="/iserver/account/pnl/partitioned",
                result=PartitionedPnl,
                replayable=True,
            )
        )
