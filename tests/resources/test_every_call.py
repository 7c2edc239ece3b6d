"""Every plain call of an endpoint: what is sent, and that its sample comes back typed.

A plain call builds one request from its arguments. What needs more thought (warm-up, paging, retries,
whatever can trade) has tests in the files of the resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ibkr_async.resources.accounts import Accounts
from ibkr_async.resources.contracts import Contracts
from ibkr_async.resources.portfolio import Portfolio

if TYPE_CHECKING:
    from conftest import FakeSend
    from ibkr_async.resources.base import ChooseAccount


class Call(NamedTuple):
    """One call of a method, and what must come of it."""

    method: str
    arguments: dict[str, Any]
    sample: str
    path: str
    """Template, which pacing goes by."""
    sent: str
    """What the server sees: verb, path, and query."""
    gives: dict[str, Any]
    """Places in the answer, such as `total.cash` or `0.conid`, and what stands there."""
    body: Any = None


def at(answer: Any, place: str) -> Any:
    """Follow a place through attributes, keys and positions."""
    for step in place.split("."):
        if isinstance(answer, Mapping):
            answer = answer[step]
        else:
            answer = answer[int(step)] if step.isdigit() else getattr(answer, step)
    return answer


CALLS = [
    Call(
        "portfolio.subaccounts",
        {},
        "portfolio_accounts",
        "/portfolio/subaccounts",
        "GET /portfolio/subaccounts",
        gives={"0.account_id": "DU7000001"},
    ),
    Call(
        "portfolio.meta",
        {},
        "account_meta",
        "/portfolio/{account_id}/meta",
        "GET /portfolio/DU7000001/meta",
        gives={"account_alias": "Savings", "acct_cust_type": "LLC"},
    ),
    Call(
        "portfolio.allocation",
        {"account_id": "DU7000002", "model": "Growth"},
        "allocation",
        "/portfolio/{account_id}/allocation",
        "GET /portfolio/DU7000002/allocation?model=Growth",
        gives={"asset_class.short.OPT": -300.25, "sector.long.Consumer, Cyclical": 11100.25},
    ),
    Call(
        "portfolio.total_allocation",
        {},
        "allocation",
        "/portfolio/allocation",
        "POST /portfolio/allocation",
        body={"acctIds": ("DU7000001",)},
        gives={"group.long.Computers": 30150.5},
    ),
    Call(
        "portfolio.combo_positions",
        {"nocache": True},
        "combo_positions",
        "/portfolio/{account_id}/combo/positions",
        "GET /portfolio/DU7000001/combo/positions?nocache=true",
        gives={"0.legs.1.conid": 700000102, "0.legs.1.ratio": -1, "0.positions.0.strike": 7000},
    ),
    Call(
        "portfolio.fresh_positions",
        {"sort": "marketValue", "direction": "d"},
        "fresh_positions",
        "/portfolio2/{account_id}/positions",
        "GET /portfolio2/DU7000001/positions?sort=marketValue&direction=d",
        gives={"0.conid": 265598, "0.position": Decimal("12.5"), "0.updated_at.year": 2026},
    ),
    Call(
        "portfolio.ledger",
        {"model": "Growth"},
        "ledger",
        "/portfolio/{account_id}/ledger",
        "GET /portfolio/DU7000001/ledger?model=Growth",
        gives={"BASE.currency": "BASE"},
    ),
    Call(
        "portfolio.summary",
        {"model": "Growth"},
        "portfolio_summary",
        "/portfolio/{account_id}/summary",
        "GET /portfolio/DU7000001/summary?model=Growth",
        gives={"netliquidation.currency": "USD"},
    ),
    Call(
        "accounts.available_funds",
        {},
        "available_funds",
        "/iserver/account/{account_id}/summary/available_funds",
        "GET /iserver/account/DU7000001/summary/available_funds",
        gives={
            "total.current_available": 412505,
            "total.look_ahead_available": 410001,
            "total.look_ahead_excess": 411002,
            "total.leverage": Decimal("1.07"),
            "Crypto at Paxos.leverage": None,
            "total.look_ahead_next_change": "@ 16:00:00",
            "total.extra.current_available": "412,505 USD",
        },
    ),
    Call(
        "accounts.balances",
        {"account_id": "DU7000002"},
        "account_balances",
        "/iserver/account/{account_id}/summary/balances",
        "GET /iserver/account/DU7000002/summary/balances",
        gives={
            "total.previous_day_equity_with_loan": 515000,
            "securities.previous_day_equity_with_loan": 515000,
            "total.cash": -1204,
        },
    ),
    Call(
        "accounts.margins",
        {},
        "account_margins",
        "/iserver/account/{account_id}/summary/margins",
        "GET /iserver/account/DU7000001/summary/margins",
        gives={
            "total.current_initial": 22100,
            "total.projected_initial": 22100,
            "total.projected_maint": 20090,
            "total.overnight_initial": 23000,
            "total.overnight_maint": 21000,
            "total.reg_t_margin": 44060,
        },
    ),
    Call(
        "accounts.market_value",
        {},
        "account_market_value",
        "/iserver/account/{account_id}/summary/market_value",
        "GET /iserver/account/DU7000001/summary/market_value",
        gives={"USD.stock": 88120, "USD.realized_pnl": -15, "BASE.exchange_rate": 1},
    ),
    Call(
        "accounts.signatures_and_owners",
        {},
        "signatures_and_owners",
        "/acesws/{account_id}/signatures-and-owners",
        "GET /acesws/DU7000001/signatures-and-owners",
        gives={
            "users.0.entity.date_of_birth": "1980-02-03",
            "applicant.signatures.0": "Sample Q Holder",
        },
    ),
    Call(
        "accounts.search",
        {"pattern": "DU70"},
        "account_search",
        "/iserver/account/search/{pattern}",
        "GET /iserver/account/search/DU70",
        gives={"matched_accounts.0.alias": "Client Two"},
    ),
    Call(
        "accounts.select_dynamic",
        {"account_id": "DU7000002"},
        "dynamic_account",
        "/iserver/dynaccount",
        "POST /iserver/dynaccount",
        body={"acctId": "DU7000002"},
        gives={"selected": True, "acct_id": "DU7000002"},
    ),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.method)
async def test_call_sends_its_request_and_reads_its_sample(
    send: FakeSend, only_account: ChooseAccount, call: Call
) -> None:
    """One request, with nothing in it that was not asked for, and an answer of the right values."""
    send.will_answer("/portfolio/accounts", "portfolio_accounts")
    send.will_answer(call.path, call.sample)
    faces: dict[str, Any] = {
        "accounts": Accounts(send, account=only_account),
        "portfolio": Portfolio(send, conids=Contracts(send).conids, account=only_account),
    }
    face, _, name = call.method.partition(".")

    answer = await getattr(faces[face], name)(**call.arguments)

    is_warm_from_the_start = face != "portfolio" or name == "subaccounts"
    assert send.sent[:-1] == ([] if is_warm_from_the_start else ["GET /portfolio/accounts"])
    request = send.last
    query = "&".join(f"{key}={value}" for key, value in request.query)
    assert request.label + (f"?{query}" if query else "") == call.sent
    assert request.path == call.path
    assert request.body == call.body
    assert request.replayable is (request.method == "GET" or name == "total_allocation")
    assert {place: at(answer, place) for place in call.gives} == call.gives
