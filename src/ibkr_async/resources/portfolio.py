"""Endpoints of the portfolio, public as `ib.portfolio`.

Responsible for building the requests, for IBKR's warm-up (the accounts must be read before anything
else, and the first read of positions is thin), and for paging.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ibkr_async.models.portfolio import (
    InvalidateReply,
    LedgerEntry,
    PortfolioAccount,
    Position,
    SummaryEntry,
)
from ibkr_async.resources.base import Resource
from ibkr_async.rest.request import RestRequest

if TYPE_CHECKING:
    from ibkr_async.resources.base import ChooseAccount, ReadConids, SendRequest
    from ibkr_async.types import ContractLike

_PAGE_SIZE = 100
"""Rows on a full page of positions, where the rows themselves do not say."""


class Portfolio(Resource):
    """Positions, cash and figures of each account.

    Where no `account_id` is given, the session's only account is meant.
    """

    def __init__(self, send: SendRequest, *, conids: ReadConids, account: ChooseAccount) -> None:
        super().__init__(send)
        self._conids = conids
        self._account = account
        self._accounts: tuple[PortfolioAccount, ...] = ()
        self._reading_accounts = asyncio.Lock()

    async def accounts(self, *, refresh: bool = False) -> tuple[PortfolioAccount, ...]:
        """List the accounts as the portfolio sees them.

        IBKR answers everything else here emptily or from an old state until this was read, so every
        other method reads it first, once per client.
        Shape: the first answer with accounts is kept; `refresh` asks again.
        Source: GET /portfolio/accounts, "Portfolio Accounts". Pacing: 1 per 5 seconds.
        Concurrency: simultaneous first calls share one request.
        """
        async with self._reading_accounts:
            if not self._accounts or refresh:
                self._accounts = await self._send(
                    RestRequest[tuple[PortfolioAccount, ...]](
                        method="GET",
                        path="/portfolio/accounts",
                        result=tuple[PortfolioAccount, ...],
                        replayable=True,
                    )
                )
            return self._accounts

    def forget(self) -> None:
        """Drop the kept accounts: a new session at IBKR has to be warmed up again."""
        self._accounts = ()

    async def positions(self, *, account_id: str | None = None) -> list[Position]:
        """Read all positions of an account.

        Shape: pages are joined in IBKR's order; empty when there are none. A page whose rows are
        thin (no names, no option terms) is read once more; `Position.thin` tells if even that did
        not help.
        Units: quantities and costs are exact; market values are IBKR's, some minutes old. Use
        `invalidate` first when a fill has just happened.
        Source: GET /portfolio/{accountId}/positions/{pageId}, "Positions".
        """
        account_id = self._account(account_id)
        await self.accounts()
        found: dict[tuple[int | None, str | None], Position] = {}
        page = 0
        while True:
            rows = await self._read_page(account_id, page)
            if any(row.thin for row in rows):
                rows = await self._read_page(account_id, page)
            before = len(found)
            for row in rows:
                found[row.conid, row.model] = row
            # A page that brings nothing new would mean a server that ignores the page number.
            if len(rows) < _full_page(rows) or len(found) == before:
                return list(found.values())
            page += 1

    async def position(
        self, contract: ContractLike, *, account_id: str | None = None
    ) -> list[Position]:
        """Read the positions in one contract, in one account or, where none is named, in all.

        Shape: one row per account (and advisor model) that holds it; empty when none does.
        Source: GET /portfolio/positions/{conid}, "Positions by Conid", and
        GET /portfolio/{accountId}/position/{conid}.
        """
        (conid,) = await self._conids(contract)
        await self.accounts()
        if account_id is not None:
            rows = await self._send(
                RestRequest[tuple[Position, ...]](
                    method="GET",
                    path="/portfolio/{account_id}/position/{conid}",
                    path_params={"account_id": account_id, "conid": conid},
                    result=tuple[Position, ...],
                    replayable=True,
                )
            )
            return list(rows)
        # Recorded as an object keyed by account, documented as an array: both are accepted.
        answer = await self._send(
            RestRequest[dict[str, tuple[Position, ...]] | tuple[Position, ...]](
                method="GET",
                path="/portfolio/positions/{conid}",
                path_params={"conid": conid},
                result=dict[str, tuple[Position, ...]] | tuple[Position, ...],
                replayable=True,
            )
        )
        if isinstance(answer, dict):
            return [row for rows in answer.values() for row in rows]
        return list(answer)

    async def ledger(self, *, account_id: str | None = None) -> dict[str, LedgerEntry]:
        """Read an account's cash and values by currency.

        Shape: keyed by currency, with `BASE` for the total in the base currency.
        Units: each entry's own currency; cash is exact.
        Source: GET /portfolio/{accountId}/ledger, "Account Ledger".
        """
        account_id = self._account(account_id)
        await self.accounts()
        return await self._send(
            RestRequest[dict[str, LedgerEntry]](
                method="GET",
                path="/portfolio/{account_id}/ledger",
                path_params={"account_id": account_id},
                result=dict[str, LedgerEntry],
                replayable=True,
            )
        )

    async def summary(self, *, account_id: str | None = None) -> dict[str, SummaryEntry]:
        """Read all figures of an account, about 135 of them.

        Shape: keyed by IBKR's lower-case names, such as `netliquidation`; the endings `-c` and `-s`
        mean the commodities and securities segments.
        Source: GET /portfolio/{accountId}/summary, "Portfolio Summary".
        """
        account_id = self._account(account_id)
        await self.accounts()
        return await self._send(
            RestRequest[dict[str, SummaryEntry]](
                method="GET",
                path="/portfolio/{account_id}/summary",
                path_params={"account_id": account_id},
                result=dict[str, SummaryEntry],
                replayable=True,
            )
        )

    async def invalidate(self, *, account_id: str | None = None) -> InvalidateReply:
        """Have IBKR drop its cached positions of an account, so that the next read is fresh.

        Source: POST /portfolio/{accountId}/positions/invalidate, "Invalidate Backend Portfolio
        Cache".
        """
        account_id = self._account(account_id)
        await self.accounts()
        return await self._send(
            RestRequest[InvalidateReply](
                method="POST",
                path="/portfolio/{account_id}/positions/invalidate",
                path_params={"account_id": account_id},
                result=InvalidateReply,
            )
        )

    async def _read_page(self, account_id: str, page: int) -> tuple[Position, ...]:
        return await self._send(
            RestRequest[tuple[Position, ...]](
                method="GET",
                path="/portfolio/{account_id}/positions/{page}",
                path_params={"account_id": account_id, "page": page},
                result=tuple[Position, ...],
                replayable=True,
            )
        )


def _full_page(rows: tuple[Position, ...]) -> int:
    """Rows on a full page: what the rows say, or what is documented."""
    stated = [row.page_size for row in rows if row.page_size]
    return stated[0] if stated else _PAGE_SIZE
