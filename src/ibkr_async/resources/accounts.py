"""Endpoints of the accounts of a brokerage session, public as `ib.accounts`.

Responsible for building the requests only. Positions and cash by currency are in
`resources.portfolio`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from ibkr_async._arguments import checked
from ibkr_async.models.accounts import (
    AccountBalances,
    AccountMargins,
    AccountMarketValue,
    AccountSearch,
    AccountsReply,
    AccountSummary,
    AvailableFunds,
    SignaturesAndOwners,
    SwitchReply,
)
from ibkr_async.models.portfolio import PartitionedPnl
from ibkr_async.resources.base import Resource
from ibkr_async.rest.request import RestRequest

if TYPE_CHECKING:
    from ibkr_async.resources.base import ChooseAccount, SendRequest

LIST_ACCOUNTS: Final = RestRequest[AccountsReply](
    method="GET", path="/iserver/accounts", result=AccountsReply, replayable=True
)
"""What IBKR wants to be asked once in every session."""


_Part = TypeVar("_Part", AvailableFunds, AccountBalances, AccountMargins, AccountMarketValue)


@checked
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
        Errors: `RefusedError` for an account that is not yours.
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
        return await self._read(
            AccountSummary,
            "/iserver/account/{account_id}/summary",
            account_id=self._account(account_id),
        )

    async def available_funds(self, *, account_id: str | None = None) -> dict[str, AvailableFunds]:
        """Read what an account could still use, by segment.

        Shape: keyed `total`, `securities`, `commodities`, `Crypto at Paxos`, and whatever IBKR adds.
        Units: the account's base currency, rounded by IBKR.
        Source: GET /iserver/account/{accountId}/summary/available_funds, "Available Funds".
        """
        return await self._read_part(
            AvailableFunds, "/iserver/account/{account_id}/summary/available_funds", account_id
        )

    async def balances(self, *, account_id: str | None = None) -> dict[str, AccountBalances]:
        """Read what an account is worth, by segment. Shape, units: as `available_funds`.

        Source: GET /iserver/account/{accountId}/summary/balances, "Account Balances".
        """
        return await self._read_part(
            AccountBalances, "/iserver/account/{account_id}/summary/balances", account_id
        )

    async def margins(self, *, account_id: str | None = None) -> dict[str, AccountMargins]:
        """Read what margin an account needs, by segment. Shape, units: as `available_funds`.

        Source: GET /iserver/account/{accountId}/summary/margins, "Account Margins".
        """
        return await self._read_part(
            AccountMargins, "/iserver/account/{account_id}/summary/margins", account_id
        )

    async def market_value(self, *, account_id: str | None = None) -> dict[str, AccountMarketValue]:
        """Read what an account holds, by currency.

        Shape: keyed by currency, such as `USD`; `BASE` is the total in the base currency.
        Units: each row's own currency, rounded by IBKR.
        Source: GET /iserver/account/{accountId}/summary/market_value, "Account Market Value".
        """
        return await self._read_part(
            AccountMarketValue, "/iserver/account/{account_id}/summary/market_value", account_id
        )

    async def signatures_and_owners(self, *, account_id: str | None = None) -> SignaturesAndOwners:
        """Read whose an account is and who signed for it: personal data.

        Source: GET /acesws/{accountId}/signatures-and-owners, "Signatures and Owners".
        """
        return await self._read(
            SignaturesAndOwners,
            "/acesws/{account_id}/signatures-and-owners",
            account_id=self._account(account_id),
        )

    async def search(self, pattern: str) -> AccountSearch:
        """Search the accounts of a login that has too many of them to list (`DYNACCT`).

        Errors: `RefusedError` or `ServerError` for every other login.
        Source: GET /iserver/account/search/{searchPattern}, "Search Dynamic Account".
        """
        return await self._read(AccountSearch, "/iserver/account/search/{pattern}", pattern=pattern)

    async def select_dynamic(self, account_id: str) -> SwitchReply:
        """Select an account that `search` found.

        Errors: `UnauthorizedError` for a login without `DYNACCT`.
        Side effects at the broker: changes the selection for everything that uses this session.
        Source: POST /iserver/dynaccount, "Set Dynamic Account".
        """
        return await self._send(
            RestRequest[SwitchReply](
                method="POST",
                path="/iserver/dynaccount",
                result=SwitchReply,
                body={"acctId": account_id},
            )
        )

    async def _read_part(
        self, kind: type[_Part], path: str, account_id: str | None
    ) -> dict[str, _Part]:
        return await self._read(
            dict[str, kind],  # type: ignore[valid-type]  # a type at run time
            path,
            account_id=self._account(account_id),
        )

    async def pnl(self) -> PartitionedPnl:
        """Read the profit and loss of every account and segment of this session.

        Shape: `parts` is empty on the first read of a session; ask again.
        Units: base currency of each account.
        Source: GET /iserver/account/pnl/partitioned, "Account Profit and Loss".
        Pacing: 1 per 5 seconds; the `spl` stream has no such limit.
        """
        return await self._read(PartitionedPnl, "/iserver/account/pnl/partitioned")
