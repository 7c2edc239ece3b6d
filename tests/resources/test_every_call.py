"""Every plain call of an endpoint: what is sent, and that its sample comes back typed.

A plain call builds one request from its arguments. What needs more thought (warm-up, paging, retries,
whatever can trade) has tests in the files of the resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pytest

from ibkr_async.errors import RefusedError, UsageError
from ibkr_async.models import AlertTerms, Condition, Heading
from ibkr_async.resources.accounts import Accounts
from ibkr_async.resources.alerts import Alerts
from ibkr_async.resources.analyst import PortfolioAnalyst
from ibkr_async.resources.contracts import Contracts
from ibkr_async.resources.event_contracts import EventContracts
from ibkr_async.resources.fyi import Fyi
from ibkr_async.resources.portfolio import Portfolio
from ibkr_async.resources.scanner import Scanner
from ibkr_async.resources.watchlists import Watchlists
from support.fake_time import FakeTime

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


TERMS = AlertTerms(
    name="AAPL",
    message="AAPL moves",
    conditions=(
        Condition(conidex="265598@SMART", value="200", or_next=True),
        Condition(kind="margin", operator="<=", value="10"),
        Condition(kind="time", value="20261231-21:00:00", time_zone="US/Eastern"),
    ),
    expire_time="20261231-21:00:00",
    email="someone@example.com",
)
TERMS_SENT: dict[str, Any] = {
    "alertName": "AAPL",
    "alertMessage": "AAPL moves",
    "alertRepeatable": 0,
    "outsideRth": 0,
    "tif": "GTD",
    "expireTime": "20261231-21:00:00",
    "sendMessage": 1,
    "email": "someone@example.com",
    "showPopup": 0,
    "iTWSOrdersOnly": 0,
    "conditions": [
        {
            "type": 1,
            "conidex": "265598@SMART",
            "operator": ">=",
            "triggerMethod": "0",
            "value": "200",
            "logicBind": "o",
        },
        {
            "type": 4,
            "conidex": "*",
            "operator": "<=",
            "triggerMethod": "0",
            "value": "10",
            "logicBind": "a",
        },
        {
            "type": 3,
            "conidex": "*",
            "operator": ">=",
            "triggerMethod": "0",
            "value": "20261231-21:00:00",
            "logicBind": "n",
            "timeZone": "US/Eastern",
        },
    ],
}

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
    Call(
        "analyst.performance",
        {"period": "7D"},
        "performance",
        "/pa/performance",
        "POST /pa/performance",
        gives={
            "nav.data.0.navs.2": 50120.75,
            "nav.data.0.start_nav.val": 50000.5,
            "cps.data.0.returns.1": -0.00021,
            "tpps.dates.0": "202611",
        },
        body={"acctIds": ("DU7000001",), "period": "7D"},
    ),
    Call(
        "analyst.all_periods",
        {},
        "all_periods",
        "/pa/allperiods",
        "POST /pa/allperiods",
        gives={
            "accounts.DU7000001.periods.7D.nav.0": 49990.0,
            "accounts.DU7000001.periods.1D.start_nav.date": "20261102",
            "accounts.DU7000001.period_names.1": "7D",
            "accounts.DU7000001.base_currency": "USD",
            "nd": 366,
        },
        body={"acctIds": ("DU7000001",)},
    ),
    Call(
        "analyst.transactions",
        {"contract": 265598, "days": 30},
        "transactions",
        "/pa/transactions",
        "POST /pa/transactions",
        gives={
            "transactions.0.qty": -10,
            "transactions.1.qty": None,
            "transactions.1.amt": Decimal("2.6"),
            "rpnl.data.0.conid": 265598,
            "rpnl.amt": Decimal("-12.5"),
            "until.year": 2026,
        },
        body={"acctIds": ("DU7000001",), "conids": (265598,), "currency": "USD", "days": 30},
    ),
    Call(
        "analyst.allocation",
        {"by": "SECTOR", "currency": "EUR", "date": "20261103"},
        "analyst_allocation",
        "/pa/allocation",
        "POST /pa/allocation",
        gives={
            "allocations.SECTOR.long.items.1.weight": 0.25,
            "allocations.SECTOR.short.total.nav": -100.0,
            "excluded.0": "DU7000009",
        },
        body={"acctIds": ("DU7000001",), "type": "SECTOR", "currency": "EUR", "date": "20261103"},
    ),
    Call(
        "scanner.params",
        {},
        "scanner_params",
        "/iserver/scanner/params",
        "GET /iserver/scanner/params",
        gives={
            "location_tree.0.locations.0.locations.0.type": "STK.NYSE",
            "filter_list.1.combo_values.0.default": True,
            "scan_type_list.0.code": "TOP_PERC_GAIN",
        },
    ),
    Call(
        "scanner.run",
        {"scan": "TOP_PERC_GAIN", "filters": {"priceAbove": 5}},
        "scanner_run",
        "/iserver/scanner/run",
        "POST /iserver/scanner/run",
        gives={"contracts.0.conid": 700000201, "contracts.1.scan_data": "12.5%"},
        body={
            "instrument": "STK",
            "type": "TOP_PERC_GAIN",
            "location": "STK.US.MAJOR",
            "filter": [{"code": "priceAbove", "value": 5}],
        },
    ),
    Call(
        "watchlists.list",
        {},
        "watchlists",
        "/iserver/watchlists",
        "GET /iserver/watchlists?SC=USER_WATCHLIST",
        gives={"0.name": "Mine", "0.modified_at.year": 2026},
    ),
    Call(
        "watchlists.get",
        {"watchlist_id": 1001},
        "watchlist",
        "/iserver/watchlist",
        "GET /iserver/watchlist?id=1001",
        gives={
            "instruments.0.heading": "Tech",
            "instruments.1.conid": 265598,
            "instruments.1.heading": None,
            "instruments.2.heading": None,
        },
    ),
    Call(
        "watchlists.save",
        {"watchlist_id": 1001, "name": "Mine", "rows": [Heading("Tech"), 265598, Heading()]},
        "watchlist_saved",
        "/iserver/watchlist",
        "POST /iserver/watchlist",
        gives={"id": "1001", "instruments": ()},
        body={"id": "1001", "name": "Mine", "rows": [{"H": "Tech"}, {"C": 265598}, {"H": ""}]},
    ),
    Call(
        "watchlists.delete",
        {"watchlist_id": "1001"},
        "watchlist_deleted",
        "/iserver/watchlist",
        "DELETE /iserver/watchlist?id=1001",
        gives={"data.deleted": "1001"},
    ),
    Call(
        "alerts.list",
        {},
        "alerts",
        "/iserver/account/{account_id}/alerts",
        "GET /iserver/account/DU7000001/alerts",
        gives={
            "0.order_id": 900001,
            "0.alert_active": True,
            "0.alert_repeatable": False,
            "0.made_at.hour": 14,
        },
    ),
    Call(
        "alerts.get",
        {"alert_id": 900001},
        "alert",
        "/iserver/account/alert/{alert_id}",
        "GET /iserver/account/alert/900001?type=Q",
        gives={
            "conditions.0.condition_value": "200",
            "alert_send_message": True,
            "alert_triggered": False,
        },
    ),
    Call(
        "alerts.mta",
        {},
        "alert_mta",
        "/iserver/account/mta",
        "GET /iserver/account/mta",
        gives={"tool_id": 55834574848, "alert_mta_currency": "USD"},
    ),
    Call(
        "alerts.create",
        {"terms": TERMS},
        "alert_saved",
        "/iserver/account/{account_id}/alert",
        "POST /iserver/account/DU7000001/alert",
        gives={"order_id": 900001, "success": True},
        body=TERMS_SENT,
    ),
    Call(
        "alerts.modify",
        {"alert_id": 900001, "terms": TERMS},
        "alert_saved",
        "/iserver/account/{account_id}/alert",
        "POST /iserver/account/DU7000001/alert",
        gives={"order_id": 900001},
        body=TERMS_SENT | {"orderId": 900001},
    ),
    Call(
        "alerts.activate",
        {"alert_id": 900001, "active": False},
        "alert_done",
        "/iserver/account/{account_id}/alert/activate",
        "POST /iserver/account/DU7000001/alert/activate",
        gives={"success": True},
        body={"alertId": 900001, "alertActive": 0},
    ),
    Call(
        "alerts.delete",
        {"alert_id": 900001, "account_id": "DU7000002"},
        "alert_done",
        "/iserver/account/{account_id}/alert/{alert_id}",
        "DELETE /iserver/account/DU7000002/alert/900001",
        gives={"success": True},
    ),
    Call(
        "alerts.delete_all",
        {},
        "alert_done",
        "/iserver/account/{account_id}/alert/{alert_id}",
        "DELETE /iserver/account/DU7000001/alert/0",
        gives={"success": True},
    ),
    Call(
        "fyi.settings",
        {},
        "fyi_settings",
        "/fyi/settings",
        "GET /fyi/settings",
        gives={"0.enabled": True, "1.enabled": None, "1.disclaimer_read": True},
    ),
    Call(
        "fyi.enable",
        {"code": "MF", "enabled": False},
        "fyi_done",
        "/fyi/settings/{code}",
        "POST /fyi/settings/MF",
        gives={"confirmed": True},
        body={"enabled": False},
    ),
    Call(
        "fyi.disclaimer",
        {"code": "MF"},
        "fyi_disclaimer",
        "/fyi/disclaimer/{code}",
        "GET /fyi/disclaimer/MF",
        gives={"text": "For information only."},
    ),
    Call(
        "fyi.mark_disclaimer_read",
        {"code": "MF"},
        "fyi_done",
        "/fyi/disclaimer/{code}",
        "PUT /fyi/disclaimer/MF",
        gives={"took_ms": 12},
    ),
    Call(
        "fyi.delivery_options",
        {},
        "fyi_delivery",
        "/fyi/deliveryoptions",
        "GET /fyi/deliveryoptions",
        gives={"email": True, "devices.0.enabled": False, "devices.0.device_id": "device-1"},
    ),
    Call(
        "fyi.enable_email",
        {"enabled": False},
        "fyi_done",
        "/fyi/deliveryoptions/email",
        "PUT /fyi/deliveryoptions/email?enabled=false",
        gives={"confirmed": True},
    ),
    Call(
        "fyi.enable_device",
        {"device_id": "device-1", "name": "Phone", "ui_name": "App"},
        "fyi_done",
        "/fyi/deliveryoptions/device",
        "POST /fyi/deliveryoptions/device",
        gives={"confirmed": True},
        body={"deviceName": "Phone", "deviceId": "device-1", "uiName": "App", "enabled": True},
    ),
    Call(
        "fyi.notifications",
        {"max": 5, "include": "OE"},
        "fyi_notifications",
        "/fyi/notifications",
        "GET /fyi/notifications?max=5&include=OE",
        gives={"0.title": "Option Expiration", "0.at.year": 2026, "0.is_read": False},
    ),
    Call(
        "fyi.more",
        {"after_id": "2026110300000001"},
        "fyi_notifications",
        "/fyi/notifications/more",
        "GET /fyi/notifications/more?id=2026110300000001",
        gives={"0.code": "OE"},
    ),
    Call(
        "fyi.mark_read",
        {"notification_id": "2026110300000001"},
        "fyi_read",
        "/fyi/notifications/{notification_id}",
        "PUT /fyi/notifications/2026110300000001",
        gives={"notification.is_read": True, "confirmed": True},
    ),
    Call(
        "event_contracts.categories",
        {},
        "event_tree",
        "/forecast/category/tree",
        "GET /forecast/category/tree",
        gives={"g2.parent_id": "g1", "g2.markets.0.conid": 700000301},
    ),
    Call(
        "event_contracts.market",
        {"market_conid": 700000301},
        "event_market",
        "/forecast/contract/market",
        "GET /forecast/contract/market?underlyingConid=700000301",
        gives={"contracts.0.strike": Decimal("3.1"), "contracts.0.conid": 700000303},
    ),
    Call(
        "event_contracts.details",
        {"conid": 700000303},
        "event_details",
        "/forecast/contract/details",
        "GET /forecast/contract/details?conid=700000303",
        gives={"conid_no": 700000304, "strike": Decimal("3.1")},
    ),
    Call(
        "event_contracts.rules",
        {"conid": 700000303},
        "event_rules",
        "/forecast/contract/rules",
        "GET /forecast/contract/rules?conid=700000303",
        gives={"price_increment": "$0.01", "payout": "$1.00", "trades_until.year": 2026},
    ),
    Call(
        "event_contracts.schedules",
        {"conid": 700000303},
        "event_schedules",
        "/forecast/contract/schedules",
        "GET /forecast/contract/schedules?conid=700000303",
        gives={"trading_schedules.0.trading_times.1.open": "4:16 PM"},
    ),
    Call(
        "contracts.algos",
        {"contract": 265598},
        "algos",
        "/iserver/contract/{conid}/algos",
        "GET /iserver/contract/265598/algos?addDescription=1&addParams=1",
        gives={
            "0.parameters.0.required": True,
            "0.parameters.1.required": False,
            "0.parameters.1.max_value": 50,
        },
    ),
    Call(
        "contracts.bond_filters",
        {"issuer_id": "e1400715"},
        "bond_filters",
        "/iserver/secdef/bond-filters",
        "GET /iserver/secdef/bond-filters?symbol=BOND&issuerId=e1400715",
        gives={"0.column_id": 27, "1.options.0.value": "4.5"},
    ),
    Call(
        "contracts.all_conids",
        {"exchange": "NASDAQ"},
        "all_conids",
        "/trsrv/all-conids",
        "GET /trsrv/all-conids?exchange=NASDAQ",
        gives={"0.conid": 265598},
    ),
    Call(
        "contracts.exchange_rate",
        {"source": "usd", "target": "EUR"},
        "exchange_rate",
        "/iserver/exchangerate",
        "GET /iserver/exchangerate?source=USD&target=EUR",
        gives={"real": Decimal("0.9212")},
    ),
    Call(
        "contracts.venue_schedules",
        {"symbol": "AAPL"},
        "venue_schedules",
        "/trsrv/secdef/schedule",
        "GET /trsrv/secdef/schedule?assetClass=STK&symbol=AAPL",
        gives={
            "0.schedules.0.sessions.opening_time": "0930",
            "0.schedules.0.trading_times.0.cancel_day_orders": "Y",
            "0.schedules.1.sessions": (),
        },
    ),
]


READS_BY_POST = {
    "analyst.all_periods",
    "analyst.allocation",
    "analyst.performance",
    "analyst.transactions",
    "portfolio.total_allocation",
    "scanner.run",
}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.method)
async def test_call_sends_its_request_and_reads_its_sample(
    send: FakeSend, only_account: ChooseAccount, call: Call
) -> None:
    """One request, with nothing in it that was not asked for, and an answer of the right values."""
    send.will_answer("/portfolio/accounts", "portfolio_accounts")
    send.will_answer(call.path, call.sample)
    conids = Contracts(send).conids
    faces: dict[str, Any] = {
        "accounts": Accounts(send, account=only_account),
        "contracts": Contracts(send),
        "alerts": Alerts(send, account=only_account),
        "analyst": PortfolioAnalyst(send, conids=conids, account=only_account),
        "event_contracts": EventContracts(send),
        "fyi": Fyi(send),
        "portfolio": Portfolio(send, conids=conids, account=only_account),
        "scanner": Scanner(send, clock=FakeTime()),
        "watchlists": Watchlists(send, conids=conids),
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
    assert request.replayable is (request.method == "GET" or call.method in READS_BY_POST)
    assert {place: at(answer, place) for place in call.gives} == call.gives


async def test_scanner_parameters_are_read_once(send: FakeSend) -> None:
    """They may be read once in 15 minutes; their age is known."""
    send.will_answer("/iserver/scanner/params", "scanner_params")
    time = FakeTime()
    scanner = Scanner(send, clock=time)
    unread = scanner.params_age_s

    first = await scanner.params()
    time.at += 30
    again, age_s = await scanner.params(), scanner.params_age_s
    await scanner.params(refresh=True)

    assert (unread, age_s, scanner.params_age_s) == (None, 30, 0)
    assert again is first
    assert len(send.sent) == 2


@pytest.mark.parametrize("alert_id", [0, -1])
async def test_the_id_that_means_all_alerts_is_refused(
    send: FakeSend, only_account: ChooseAccount, alert_id: int
) -> None:
    """Whoever wants to delete all of them says so."""
    alerts = Alerts(send, account=only_account)

    for call in (alerts.delete(alert_id), alerts.modify(alert_id, TERMS), alerts.get(alert_id)):
        with pytest.raises(UsageError, match="delete_all deletes all of them"):
            await call
    assert send.sent == []


async def test_alert_without_conditions_is_refused(
    send: FakeSend, only_account: ChooseAccount
) -> None:
    """It would never fire."""
    alerts = Alerts(send, account=only_account)

    with pytest.raises(UsageError, match="would never fire"):
        await alerts.create(AlertTerms(name="a", message="b", conditions=()))
    assert send.sent == []


async def test_alert_may_be_written_as_a_mapping(
    send: FakeSend, only_account: ChooseAccount
) -> None:
    """As it comes out of a configuration file."""
    send.will_answer("/iserver/account/{account_id}/alert", "alert_saved")

    await Alerts(send, account=only_account).create(msgspec.to_builtins(TERMS))

    assert send.last.body == TERMS_SENT


async def test_what_ibkr_does_not_say_is_not_invented(
    send: FakeSend, only_account: ChooseAccount
) -> None:
    """No number of notifications is not zero, and no alert is not an empty one."""
    send.will_answer("/fyi/unreadnumber", b"{}")
    send.will_answer("/iserver/account/mta", b"[]")

    assert await Fyi(send).unread_number() is None
    assert await Alerts(send, account=only_account).mta() is None


async def test_refusal_that_comes_as_a_success_is_an_error(
    send: FakeSend, only_account: ChooseAccount
) -> None:
    """IBKR answers 200 with `success: false`."""
    path = "/iserver/account/{account_id}/alert/activate"
    send.will_answer(path, b'{"success": false, "text": "no such alert", "failure_list": "7"}')

    with pytest.raises(RefusedError, match="no such alert"):
        await Alerts(send, account=only_account).activate(7)


async def test_watchlist_ids_are_of_digits(send: FakeSend) -> None:
    """Another one would be taken by IBKR and never be found again."""
    watchlists = Watchlists(send, conids=Contracts(send).conids)

    with pytest.raises(UsageError, match="choose one of digits"):
        await watchlists.save("mine", "Mine", [265598])
    assert send.sent == []


@pytest.mark.parametrize("most", [0, 11])
async def test_more_notifications_than_ibkr_gives_are_refused(send: FakeSend, most: int) -> None:
    """Ten at a time."""
    with pytest.raises(UsageError, match="IBKR gives 1 to 10"):
        await Fyi(send).notifications(max=most)
    assert send.sent == []


async def test_unread_notifications_are_a_number(send: FakeSend) -> None:
    """And a device is forgotten without an answer."""
    send.will_answer("/fyi/unreadnumber", "fyi_unread")
    send.will_answer("/fyi/deliveryoptions/{device_id}", b"null")

    assert await Fyi(send).unread_number() == 4
    await Fyi(send).delete_device("a b")
    assert send.last.label == "DELETE /fyi/deliveryoptions/a%20b"
    assert send.last.result is None
