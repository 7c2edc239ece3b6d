"""Endpoints of the portfolio, public as `ib.portfolio`.

Responsible for building the requests, for IBKR's warm-up (the accounts must be read before anything
else, and the first read of positions is thin), and for paging.
"""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ibkr_async._arguments import checked
from ibkr_async.models.portfolio import (
    ComboPosition,
    FreshPosition,
    InvalidateReply,
    LedgerEntry,
    PortfolioAccount,
    PortfolioAllocation,
    Position,
    SubaccountPage,
    SummaryEntry,
)
from ibkr_async.resources.base import Resource, pairs
from ibkr_async.rest.request import RestRequest

if TYPE_CHECKING:
    from ibkr_async.ports import Pairs
    from ibkr_async.resources.base import ChooseAccount, ReadConids, SendRequest
    from ibkr_async.types import ContractLike

_SUBACCOUNTS_ON_PAGE: Final = 20

Direction: TypeAlias = Literal["a", "d"]
"""Ascending or descending."""


@checked
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
                self._accounts = await self._read(
                    tuple[PortfolioAccount, ...], "/portfolio/accounts"
                )
            return self._accounts

    def forget(self) -> None:
        """Drop the kept accounts: a new session at IBKR has to be warmed up again."""
        self._accounts = ()

    async def subaccounts(self) -> tuple[PortfolioAccount, ...]:
        """List up to 100 accounts below an adviser's or broker's; for an individual, the one account.

        Source: GET /portfolio/subaccounts, "Portfolio Subaccounts". Pacing: 1 per 5 seconds.
        """
        return await self._read(tuple[PortfolioAccount, ...], "/portfolio/subaccounts")

    async def all_subaccounts(self) -> list[PortfolioAccount]:
        """List all accounts below an adviser's or broker's, however many, 20 to a request.

        Source: GET /portfolio/subaccounts2, "Portfolio Subaccounts (Large Account Structures)".
        """
        # Documented as an object with the page's place, recorded as an array of the rows alone.
        answer = SubaccountPage | tuple[PortfolioAccount, ...]
        found: dict[str | None, PortfolioAccount] = {}
        for page in count():
            got: SubaccountPage | tuple[PortfolioAccount, ...] = await self._read(
                answer,  # type: ignore[arg-type]  # a union is no class, and decodes as well
                "/portfolio/subaccounts2",
                pairs(page=page),
            )
            if isinstance(got, SubaccountPage):
                rows, is_short = got.subaccounts or (), False
                total = got.metadata.total if got.metadata else None
            else:
                rows, is_short, total = got, len(got) < _SUBACCOUNTS_ON_PAGE, None
            before = len(found)
            found |= {row.account_id: row for row in rows}
            # Only the bare form is known to have 20 on a page. One that brings nothing new is the last.
            if is_short or len(found) == before or (total is not None and len(found) >= total):
                break
        return list(found.values())

    async def meta(self, *, account_id: str | None = None) -> PortfolioAccount:
        """Read what kind of account one is: its currency, type, clearing status.

        Source: GET /portfolio/{accountId}/meta, "Specific Account's Portfolio Information".
        """
        account_id = self._account(account_id)
        await self.accounts()
        return await self._read(
            PortfolioAccount, "/portfolio/{account_id}/meta", account_id=account_id
        )

    async def allocation(
        self, *, account_id: str | None = None, model: str | None = None
    ) -> PortfolioAllocation:
        """Read where an account's money is, by asset class, sector and industry.

        Units: the account's base currency.
        Source: GET /portfolio/{accountId}/allocation, "Portfolio Allocation (Single)".
        """
        account_id = self._account(account_id)
        await self.accounts()
        return await self._read(
            PortfolioAllocation,
            "/portfolio/{account_id}/allocation",
            pairs(model=model),
            account_id=account_id,
        )

    async def total_allocation(self, *account_ids: str) -> PortfolioAllocation:
        """Read where the money of several accounts is, added up; of the session's only one by default.

        Errors: `ServerError` was seen for an account without positions.
        Source: POST /portfolio/allocation, "Portfolio Allocation (All)".
        """
        named = account_ids or (self._account(None),)
        await self.accounts()
        return await self._send(
            RestRequest[PortfolioAllocation](
                method="POST",
                path="/portfolio/allocation",
                body={"acctIds": named},
                result=PortfolioAllocation,
                replayable=True,
            )
        )

    async def positions(
        self,
        *,
        account_id: str | None = None,
        model: str | None = None,
        sort: str | None = None,
        direction: Direction | None = None,
        period: str | None = None,
        wait_for_sec_def: bool | None = None,
    ) -> list[Position]:
        """Read all positions of an account.

        `model` is an adviser's model; `sort` the name of a column, ascending (`a`) or descending (`d`);
        `period` that of IBKR's profit figures (`1D`, `7D`, `1M`); with `wait_for_sec_def` IBKR completes
        the contracts' names before it answers.
        Shape: pages are joined in IBKR's order; empty when there are none. A page whose rows are
        thin (no names, no option terms) is read once more; `Position.thin` tells if even that did
        not help.
        Units: quantities and costs are exact; market values are IBKR's, some minutes old. Use
        `invalidate` first when a fill has just happened, or `fresh_positions`.
        Source: GET /portfolio/{accountId}/positions/{pageId}, "Positions".
        """
        account_id = self._account(account_id)
        await self.accounts()
        query = pairs(
            model=model,
            sort=sort,
            direction=direction,
            period=period,
            waitForSecDef=wait_for_sec_def,
        )
        found: dict[tuple[int | None, str | None], Position] = {}
        for page in count():
            rows = await self._read_page(account_id, page, query)
            if any(row.thin for row in rows):
                rows = await self._read_page(account_id, page, query)
            before = len(found)
            found |= {(row.conid, row.model): row for row in rows}
            # A page that brings nothing new would mean a server that ignores the page number. Older
            # servers put 30 rows on a page and do not say so.
            page_size = max((row.page_size or 0 for row in rows), default=0)
            if len(rows) < page_size or len(found) == before:
                break
        return list(found.values())

    async def fresh_positions(
        self,
        *,
        account_id: str | None = None,
        model: str | None = None,
        sort: str | None = None,
        direction: Direction | None = None,
    ) -> tuple[FreshPosition, ...]:
        """Read all positions of an account as they are now, past IBKR's cache.

        Shape: one row a contract (and model), without names and option terms: those are in `positions`
        and in `ib.contracts.definitions`.
        Source: GET /portfolio2/{accountId}/positions, "Positions (NEW)".
        """
        account_id = self._account(account_id)
        await self.accounts()
        return await self._read(
            tuple[FreshPosition, ...],
            "/portfolio2/{account_id}/positions",
            pairs(model=model, sort=sort, direction=direction),
            account_id=account_id,
        )

    async def combo_positions(
        self, *, account_id: str | None = None, nocache: bool | None = None
    ) -> tuple[ComboPosition, ...]:
        """Read the positions that belong together as combinations; `nocache` for the newest.

        Shape: empty when there are none.
        Source: GET /portfolio/{accountId}/combo/positions, "Combination Positions".
        """
        account_id = self._account(account_id)
        await self.accounts()
        return await self._read(
            tuple[ComboPosition, ...],
            "/portfolio/{account_id}/combo/positions",
            pairs(nocache=nocache),
            account_id=account_id,
        )

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
            rows = await self._read(
                tuple[Position, ...],
                "/portfolio/{account_id}/position/{conid}",
                account_id=account_id,
                conid=conid,
            )
            return list(rows)
        # Recorded as an object keyed by account, documented as an array: both are accepted.
        answer: dict[str, tuple[Position, ...]] | tuple[Position, ...] = await self._read(
            dict[str, tuple[Position, ...]] | tuple[Position, ...],  # type: ignore[arg-type]  # a union
            "/portfolio/positions/{conid}",
            conid=conid,
        )
        if isinstance(answer, dict):
            return [row for rows in answer.values() for row in rows]
        return list(answer)

    async def ledger(
        self, *, account_id: str | None = None, model: str | None = None
    ) -> dict[str, LedgerEntry]:
        """Read an account's cash and values by currency, or those of one adviser's model.

        Shape: keyed by currency, with `BASE` for the total in the base currency.
        Units: each entry's own currency; cash is exact.
        Source: GET /portfolio/{accountId}/ledger, "Account Ledger".
        """
        account_id = self._account(account_id)
        await self.accounts()
        return await self._read(
            dict[str, LedgerEntry],
            "/portfolio/{account_id}/ledger",
            pairs(model=model),
            account_id=account_id,
        )

    async def summary(
        self, *, account_id: str | None = None, model: str | None = None
    ) -> dict[str, SummaryEntry]:
        """Read all figures of an account, about 135 of them, or of one adviser's model.

        Shape: keyed by IBKR's lower-case names, such as `netliquidation`; the endings `-c` and `-s`
        mean the commodities and securities segments.
        Source: GET /portfolio/{accountId}/summary, "Portfolio Summary".
        """
        account_id = self._account(account_id)
        await self.accounts()
        return await self._read(
            dict[str, SummaryEntry],
            "/portfolio/{account_id}/summary",
            pairs(model=model),
            account_id=account_id,
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

    async def _read_page(self, account_id: str, page: int, query: Pairs) -> tuple[Position, ...]:
        return await self._read(
            tuple[Position, ...],
            "/portfolio/{account_id}/positions/{page}",
            query,
            account_id=account_id,
            page=page,
        )
