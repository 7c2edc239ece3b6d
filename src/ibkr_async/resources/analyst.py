"""Endpoints of Portfolio Analyst, public as `ib.analyst`.

Responsible for building the requests only. Each of them may be called once in 15 minutes: keep what
comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ibkr_async._arguments import checked
from ibkr_async.errors import UsageError
from ibkr_async.models.analyst import (
    AllPeriods,
    AnalystAllocation,
    Performance,
    Transactions,
    split_accounts,
)
from ibkr_async.models.base import Unread, convert
from ibkr_async.resources.base import Resource

if TYPE_CHECKING:
    from ibkr_async.resources.base import ChooseAccount, ReadConids, SendRequest
    from ibkr_async.types import ContractLike

Period: TypeAlias = Literal["1D", "7D", "MTD", "1M", "YTD", "1Y"]
"""What IBKR accepts; it refuses `3M`, `6M` and `12M`, although it documents them."""
AllocationType: TypeAlias = Literal[
    "FINANCIAL_INSTRUMENT", "ASSET_CLASS", "SECTOR", "REGION", "COUNTRY", "ALL"
]


@checked
class PortfolioAnalyst(Resource):
    """How accounts did, and where their money is.

    Where no account is given, the session's only one is meant.
    """

    def __init__(self, send: SendRequest, *, conids: ReadConids, account: ChooseAccount) -> None:
        super().__init__(send)
        self._conids = conids
        self._account = account

    async def performance(self, *account_ids: str, period: Period = "1M") -> Performance:
        """Read what accounts were worth, and what they returned, in one period.

        Shape: three series, each with a row for each account; numbers belong to dates by position.
        Units: base currency of each account; returns are fractions.
        Source: POST /pa/performance, "Account Performance". Pacing: 1 per 15 minutes.
        """
        return await self._ask(
            Performance, "/pa/performance", acctIds=self._named(account_ids), period=period
        )

    async def all_periods(self, *account_ids: str) -> AllPeriods:
        """Read what accounts were worth, and what they returned, in every period that IBKR computes.

        Units: base currency of each account; returns are fractions.
        Source: POST /pa/allperiods, "Account Performance (All Time Periods)". Pacing: 1 per 15 minutes.
        """
        wire: dict[str, Any] = await self._ask(
            dict[str, Any], "/pa/allperiods", acctIds=self._named(account_ids)
        )
        return convert(AllPeriods, split_accounts(wire), Unread())

    async def transactions(
        self, contract: ContractLike, *account_ids: str, currency: str = "USD", days: int = 90
    ) -> Transactions:
        """Read the transactions in one contract, and what they realised, in the last days.

        Units: the report is in `currency`; each row names its own.
        Source: POST /pa/transactions, "Transaction History". Pacing: 1 per 15 minutes.
        """
        if days < 1:
            raise UsageError(f"days={days!r}: at least one")
        return await self._ask(
            Transactions,
            "/pa/transactions",
            acctIds=self._named(account_ids),
            conids=await self._conids(contract),
            currency=currency,
            days=days,
        )

    async def allocation(
        self,
        *account_ids: str,
        by: AllocationType = "ALL",
        currency: str = "USD",
        date: str | None = None,
        model: str | None = None,
    ) -> AnalystAllocation:
        """Read where the money of accounts is, now or at the end of a day (`YYYYMMDD`).

        Units: `currency`; weights are fractions.
        Source: POST /pa/allocation, "Portfolio Allocation". Pacing: 1 per 15 minutes.
        """
        return await self._ask(
            AnalystAllocation,
            "/pa/allocation",
            acctIds=self._named(account_ids),
            type=by,
            currency=currency,
            date=date,
            model=model,
        )

    def _named(self, account_ids: tuple[str, ...]) -> tuple[str, ...]:
        return account_ids or (self._account(None),)
