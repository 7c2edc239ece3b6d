"""Endpoints of market data, public as `ib.market_data`: snapshots and history.

Responsible for building the requests and for IBKR's warm-up of snapshots. Live data is `ib.quotes`
and `ib.stream`, which cost no requests.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final, Literal

from ibkr_async._arguments import checked
from ibkr_async.errors import UsageError
from ibkr_async.models.history import HistoryReply, check_period_and_bar
from ibkr_async.models.market_data import (
    QUOTE,
    MarketDataUpdate,
    read_snapshot,
    resolve_fields,
)
from ibkr_async.models.times import format_compact_utc
from ibkr_async.resources.base import Resource, check_conids, pairs
from ibkr_async.rest.request import RestRequest
from ibkr_async.types import Conid

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ibkr_async.resources.base import ReadConids, SendRequest
    from ibkr_async.types import ContractLike
    from ibkr_async.world import World

_MOST_CONIDS: Final = 100
_MOST_FIELDS: Final = 50
_POLL_S: Final = 1.0
"""Between two looks at a snapshot that is still filling up."""

HistorySource = Literal["Trades", "Last", "Midpoint", "Bid_Ask"]


@checked
class MarketData(Resource):
    """Snapshots and history over REST."""

    def __init__(self, send: SendRequest, *, conids: ReadConids, world: World) -> None:
        super().__init__(send)
        self._conids = conids
        self._clock = world.clock

    async def snapshot(
        self, *contracts: ContractLike, fields: Iterable[str] = QUOTE, wait_s: float = 3.0
    ) -> dict[Conid, MarketDataUpdate]:
        """Read the present values of fields (names or tags) of up to 100 contracts.

        IBKR only starts collecting at the first request, so the same request is repeated every
        second until every value has come, for `wait_s` at most; 0 asks once.
        Shape: by conid, in the order given; a conid for which IBKR sent no row is missing, and a
        value that never came is None. Nothing at all may mean that no market-data line is left.
        Errors: `UnknownFieldError`; `UsageError` above 100 contracts or 50 fields; those of
        `ib.contracts.resolve` for symbols.
        Source: GET /iserver/marketdata/snapshot, "Live Market Data Snapshot".
        Pacing: 10 per second. Side effects at the broker: each contract takes a market-data line
        until `unsubscribe`.
        """
        tags = resolve_fields(fields)
        _check_at_most(len(tags), _MOST_FIELDS, "fields")
        if not tags:
            raise UsageError("no field was given; leave `fields` out for those of a quote")
        wanted = check_conids(await self._conids(*contracts))
        _check_at_most(len(wanted), _MOST_CONIDS, "conids")
        request = RestRequest[list[dict[str, Any]]](
            method="GET",
            path="/iserver/marketdata/snapshot",
            query=pairs(conids=",".join(map(str, wanted)), fields=",".join(tags)),
            result=list[dict[str, Any]],
            replayable=True,
        )
        rows: dict[Conid, MarketDataUpdate] = {}
        for look in count():
            if look:
                await self._clock.sleep(_POLL_S)
            answer = await self._send(request)
            for update in read_snapshot(answer):
                conid = Conid(update.conid or 0)
                if conid in rows:
                    rows[conid].merge(update)
                elif conid in wanted:
                    rows[conid] = update
            if all(conid in rows and _has_all(rows[conid], tags) for conid in wanted):
                break
            if look >= wait_s / _POLL_S:
                break
        return {conid: rows[conid] for conid in wanted if conid in rows}

    async def history(
        self,
        contract: ContractLike,
        period: str,
        bar: str,
        *,
        exchange: str | None = None,
        outside_rth: bool = False,
        until: datetime | None = None,
        source: HistorySource | None = None,
    ) -> HistoryReply:
        """Read historical bars: a span such as `1d`, `1w`, `3m` in bars such as `5min` or `1h`.

        Shape: oldest first, at most 1000 bars; the newest is still forming while the market is
        open. `until` is the end of the span; without it the span ends now.
        Units: prices in the contract's currency; `HistoryReply.shares(bar)` gives volumes in
        shares. In periods and bars `m` is a month and `min` a minute.
        Errors: `UsageError` for a period or bar that IBKR does not offer, or an `until` without
        time zone; `NotFoundError` while the history farm is waking up (ask again); `RefusedError`
        when there is no data.
        Source: GET /iserver/marketdata/history, "Historical Market Data".
        Pacing: 5 at a time, 50 per minute.
        """
        check_period_and_bar(period, bar)
        if until is not None and until.tzinfo is None:
            raise UsageError("until has no time zone; use datetime(..., tzinfo=UTC)")
        (conid,) = await self._conids(contract)
        return await self._read(
            HistoryReply,
            "/iserver/marketdata/history",
            pairs(
                conid=conid,
                period=period,
                bar=bar,
                exchange=exchange,
                outsideRth=outside_rth,
                # Called startTime, and yet the end of the window in IBKR's default direction.
                startTime=None if until is None else format_compact_utc(until),
                source=source,
            ),
        )

    async def unsubscribe(self, contract: ContractLike) -> bool:
        """Stop collecting a contract's snapshot data and give its market-data line back.

        Shape: True when IBKR confirmed it.
        Errors: `ServerError` when nothing was open for the contract.
        Source: POST /iserver/marketdata/unsubscribe, "Unsubscribe (Single)".
        """
        (conid,) = await self._conids(contract)
        answer = await self._send(
            RestRequest[dict[str, Any]](
                method="POST",
                path="/iserver/marketdata/unsubscribe",
                body={"conid": conid},
                result=dict[str, Any],
            )
        )
        return answer.get("success") is True

    async def unsubscribe_all(self) -> bool:
        """Stop collecting snapshot data of every contract.

        Shape: True when IBKR confirmed it.
        Source: GET /iserver/marketdata/unsubscribeall, "Unsubscribe (All)".
        """
        answer = await self._send(
            RestRequest[dict[str, Any]](
                method="GET",
                path="/iserver/marketdata/unsubscribeall",
                result=dict[str, Any],
            )
        )
        return answer.get("unsubscribed") is True


def _check_at_most(count: int, most: int, what: str) -> None:
    if count > most:
        raise UsageError(f"{count} {what} were given; IBKR allows {most} in one snapshot")


def _has_all(update: MarketDataUpdate, tags: Iterable[str]) -> bool:
    return all(tag in update for tag in tags)
