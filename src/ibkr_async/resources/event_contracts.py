"""Endpoints about event contracts, public as `ib.event_contracts`.

Responsible for building the requests only. They are traded by ordinary orders with the conid of a
contract, at 0.01 to 0.99; a position at ForecastEx is closed by buying the other side.
"""

from __future__ import annotations

from typing import TypeVar

from ibkr_async._arguments import checked
from ibkr_async.models.event_contracts import (
    EventCategories,
    EventCategory,
    EventContractDetails,
    EventContractRules,
    EventMarketInfo,
    EventSchedule,
)
from ibkr_async.resources.base import Resource, check_conid, pairs

T = TypeVar("T")


@checked
class EventContracts(Resource):
    """Questions with a Yes and a No, and when and how they trade."""

    async def categories(self) -> dict[str, EventCategory]:
        """Read the tree of all markets: branches by their ids, each naming the one above.

        Source: GET /forecast/category/tree, "Event Contract Categories".
        """
        return (await self._read(EventCategories, "/forecast/category/tree")).categories or {}

    async def market(self, market_conid: int, *, exchange: str | None = None) -> EventMarketInfo:
        """Read a market and its contracts; `market_conid` is the `conid` of a market in the tree.

        Source: GET /forecast/contract/market, "Event Contract Market".
        """
        return await self._read(
            EventMarketInfo,
            "/forecast/contract/market",
            pairs(underlyingConid=check_conid(market_conid), exchange=exchange),
        )

    async def details(self, conid: int) -> EventContractDetails:
        """Read what one contract is about; `conid` is one of `market`'s contracts.

        Source: GET /forecast/contract/details, "Event Contract Details".
        """
        return await self._about(EventContractDetails, "/forecast/contract/details", conid)

    async def rules(self, conid: int) -> EventContractRules:
        """Read how one contract is decided and paid; `conid` is one of `market`'s contracts.

        Source: GET /forecast/contract/rules, "Event Contract Rules".
        """
        return await self._about(EventContractRules, "/forecast/contract/rules", conid)

    async def schedules(self, conid: int) -> EventSchedule:
        """Read when one contract trades; `conid` is one of `market`'s contracts.

        Source: GET /forecast/contract/schedules, "Event Contract Schedules".
        """
        return await self._about(EventSchedule, "/forecast/contract/schedules", conid)

    async def _about(self, kind: type[T], path: str, conid: int) -> T:
        return await self._read(kind, path, pairs(conid=check_conid(conid)))
