"""Recorded REST answers of the session, account, contract, portfolio and history endpoints."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ibkr_async.models import (
    Alert,
    AnalystAllocation,
    BondFilters,
    DeliveryOptions,
    EventCategories,
    EventContractDetails,
    EventContractRules,
    EventSchedule,
    ExchangeRate,
    FyiNotification,
    FyiReply,
    ListedConid,
    NotificationRead,
    Performance,
    PortfolioAllocation,
    ScannerParameters,
    ScannerResult,
    Transactions,
    UnreadNumber,
    Watchlist,
    WatchlistReply,
)
from ibkr_async.models.accounts import AccountSummary, SignaturesAndOwners, SwitchReply
from ibkr_async.models.base import Model, decode, parse_json, to_wire
from ibkr_async.models.contracts import (
    ContractInfo,
    ContractSearchResult,
    SecurityDefinitions,
    StockListing,
    TradingSchedule,
)
from ibkr_async.models.history import HistoryReply
from ibkr_async.models.portfolio import (
    ComboPosition,
    FreshPosition,
    InvalidateReply,
    LedgerEntry,
    PartitionedPnl,
    PortfolioAccount,
    Position,
)
from ibkr_async.models.session import AuthStatusReply
from support.captures import read_captures
from support.lossless import differences

pytestmark = pytest.mark.captures

TYPES: dict[str, Any] = {
    r"GET /iserver/auth/status": AuthStatusReply,
    r"POST /iserver/account": SwitchReply,
    r"GET /iserver/account/\w+/summary": AccountSummary,
    r"GET /iserver/account/pnl/partitioned": PartitionedPnl,
    r"GET /iserver/contract/\d+/info(-and-rules)?": ContractInfo,
    r"(GET|POST) /iserver/secdef/search": tuple[ContractSearchResult, ...],
    r"GET /contract/trading-schedule": TradingSchedule,
    r"GET /trsrv/all-conids": tuple[ListedConid, ...],
    r"GET /iserver/secdef/bond-filters": BondFilters,
    r"GET /iserver/exchangerate": ExchangeRate,
    r"GET /trsrv/secdef": SecurityDefinitions,
    r"GET /trsrv/stocks": dict[str, tuple[StockListing, ...]],
    r"GET /iserver/marketdata/history": HistoryReply,
    r"GET /portfolio/(sub)?accounts2?": tuple[PortfolioAccount, ...],
    r"GET /portfolio/\w+/combo/positions": tuple[ComboPosition, ...],
    r"GET /portfolio2/\w+/positions": tuple[FreshPosition, ...],
    r"GET /acesws/\w+/signatures-and-owners": SignaturesAndOwners,
    r"POST /pa/performance": Performance,
    r"POST /pa/transactions": Transactions,
    r"POST /pa/allocation": AnalystAllocation,
    r"GET /iserver/scanner/params": ScannerParameters,
    r"POST /iserver/scanner/run": ScannerResult,
    r"(GET|POST) /iserver/watchlist": Watchlist,
    r"DELETE /iserver/watchlist": WatchlistReply,
    r"GET /iserver/account/mta": tuple[Alert, ...],
    r"GET /forecast/category/tree": EventCategories,
    r"GET /forecast/contract/details": EventContractDetails,
    r"GET /forecast/contract/rules": EventContractRules,
    r"GET /forecast/contract/schedules": EventSchedule,
    r"GET /fyi/deliveryoptions": DeliveryOptions,
    r"GET /fyi/notifications(/more)?": tuple[FyiNotification, ...],
    r"GET /fyi/unreadnumber": UnreadNumber,
    r"PUT /fyi/disclaimer/BA": FyiReply,
    r"PUT /fyi/notifications/\w+": NotificationRead,
    r"GET /portfolio/\w+/allocation": PortfolioAllocation,
    r"GET /portfolio/\w+/ledger": dict[str, LedgerEntry],
    r"GET /portfolio/\w+/positions?/\d+": tuple[Position, ...],
    r"GET /portfolio/positions/\d+": dict[str, tuple[Position, ...]],
    r"POST /portfolio/\w+/positions/invalidate": InvalidateReply,
}


def recorded(pattern: str) -> list[str]:
    """Read the recorded answers of an endpoint."""
    return [
        row.raw
        for row in (*read_captures("rest_recorded_*.jsonl"), *read_captures("rest_more.jsonl"))
        if row.recorded
        and row.inbound
        and row.status == 200
        and re.fullmatch(pattern, row.topic_or_path.replace("/v1/api", "").partition("?")[0])
    ]


def extras(value: Any) -> dict[str, Any]:
    """Collect what the fields of an answer do not say, at any depth."""
    found: dict[str, Any] = {}
    if isinstance(value, Model):
        found |= value.extra
        for name in value.__struct_fields__:
            found |= extras(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            found |= extras(item)
    elif isinstance(value, list | tuple):
        for item in value:
            found |= extras(item)
    return found


@pytest.mark.parametrize("pattern", TYPES)
def test_every_recorded_answer_decodes_with_nothing_lost(pattern: str) -> None:
    """What was recorded is there again after a round trip, and every key has a field."""
    answers = recorded(pattern)

    assert answers
    for raw in answers:
        decoded = decode(TYPES[pattern], raw)
        assert differences(parse_json(raw), to_wire(decoded)) == []
        assert extras(decoded) == {}
