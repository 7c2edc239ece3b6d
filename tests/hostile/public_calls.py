"""Every public call, found on the classes, and what to call it with.

A method that has no row here fails `test_every_call_has_its_row`: it would be called by nobody.
"""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from ibkr_async import Client, Gateway, LimitOrder, Side
from ibkr_async.errors import IbkrError, is_retryable
from ibkr_async.faces import LaterFaces
from ibkr_async.feeds import Feed
from ibkr_async.feeds.catalogue import Streams
from ibkr_async.models import AlertTerms, Condition
from ibkr_async.models.order_answers import PromptQuestion
from ibkr_async.orders.handle import Leg, OrderHandle
from ibkr_async.thirdparty import OrderChange, ThirdPartyClient, ThirdPartyOrder

ACCOUNT, AAPL, OPTION = "DU1234567", 265598, 900000201


class Row(NamedTuple):
    """What to call one method with."""

    args: tuple[Any, ...]
    options: Mapping[str, Any]


def row(*args: Any, **options: Any) -> Row:
    """Write a row as the call itself."""
    return Row(args, options)


_ORDER = LimitOrder(AAPL, Side.BUY, 1, "189.50")
_TP_ORDER = ThirdPartyOrder(
    contract_id=8314, side="BUY", quantity=1, order_type="LIMIT", price="220.50",
    customer_order_id="BOT-1",
)  # fmt: skip
_PROMPT = PromptQuestion(order_id="1", req_id="2", text="Well?", options=("Yes", "No"))

_TERMS = AlertTerms(
    name="AAPL", message="AAPL moves", conditions=(Condition(conidex="265598@SMART", value="200"),)
)

ROWS: dict[str, Row] = {
    "accounts.available_funds": row(),
    "accounts.balances": row(),
    "accounts.margins": row(),
    "accounts.market_value": row(),
    "accounts.search": row("DU"),
    "accounts.select_dynamic": row(ACCOUNT),
    "accounts.signatures_and_owners": row(),
    "alerts.activate": row(1),
    "alerts.create": row(_TERMS),
    "alerts.delete": row(1),
    "alerts.delete_all": row(),
    "alerts.get": row(1),
    "alerts.list": row(),
    "alerts.modify": row(1, _TERMS),
    "alerts.mta": row(),
    "analyst.all_periods": row(),
    "analyst.allocation": row(),
    "analyst.performance": row(),
    "analyst.transactions": row(AAPL),
    "event_contracts.categories": row(),
    "event_contracts.details": row(AAPL),
    "event_contracts.market": row(AAPL),
    "event_contracts.rules": row(AAPL),
    "event_contracts.schedules": row(AAPL),
    "fyi.delete_device": row("device"),
    "fyi.delivery_options": row(),
    "fyi.disclaimer": row("MF"),
    "fyi.enable": row("MF"),
    "fyi.enable_device": row("device", name="Phone", ui_name="App"),
    "fyi.enable_email": row(),
    "fyi.mark_disclaimer_read": row("MF"),
    "fyi.mark_read": row("1"),
    "fyi.more": row("1"),
    "fyi.notifications": row(),
    "fyi.settings": row(),
    "fyi.unread_number": row(),
    "portfolio.all_subaccounts": row(),
    "portfolio.allocation": row(),
    "portfolio.combo_positions": row(),
    "portfolio.fresh_positions": row(),
    "portfolio.meta": row(),
    "portfolio.subaccounts": row(),
    "portfolio.total_allocation": row(),
    "scanner.params": row(),
    "scanner.run": row("TOP_PERC_GAIN"),
    "watchlists.delete": row(1),
    "watchlists.get": row(1),
    "watchlists.list": row(),
    "watchlists.save": row(1, "Mine", ["AAPL", AAPL]),
    "client.ready": row(1.0),
    "client.request": row("GET", "/iserver/accounts"),
    "client.quotes": row("AAPL", AAPL),
    "client.bars": row("AAPL", "1min", "30min"),
    "client.ladder": row("AAPL"),
    "client.events": row(),
    "client.health": row(),
    "accounts.list": row(),
    "accounts.pnl": row(),
    "accounts.summary": row(),
    "accounts.switch": row(ACCOUNT),
    "contracts.algos": row(AAPL, "Adaptive"),
    "contracts.all_conids": row("NASDAQ"),
    "contracts.bond_filters": row("e1400715"),
    "contracts.exchange_rate": row("USD", "EUR"),
    "contracts.venue_schedules": row("AAPL"),
    "contracts.conids": row("AAPL", "EUR.USD"),
    "contracts.currency_pairs": row("EUR"),
    "contracts.definitions": row(AAPL),
    "contracts.derivatives": row(AAPL, "OPT", month="DEC26", strike=190, right="C"),
    "contracts.futures": row("ES"),
    "contracts.info": row(AAPL),
    "contracts.info_and_rules": row(AAPL),
    "contracts.resolve": row("AAPL", "EUR.USD", 8314),
    "contracts.rules": row(AAPL),
    "contracts.schedule": row(AAPL),
    "contracts.search": row("AAPL"),
    "contracts.stocks": row("AAPL"),
    "contracts.strikes": row(AAPL, "DEC26"),
    "market_data.history": row(AAPL, "1d", "1h"),
    "market_data.snapshot": row(AAPL, wait_s=1.0),
    "market_data.unsubscribe": row(AAPL),
    "market_data.unsubscribe_all": row(),
    "portfolio.accounts": row(refresh=True),
    "portfolio.forget": row(),
    "portfolio.invalidate": row(),
    "portfolio.ledger": row(),
    "portfolio.position": row(AAPL),
    "portfolio.positions": row(),
    "portfolio.summary": row(),
    "session.ready": row(1.0),
    "orders.answer_prompt": row(_PROMPT, "Yes"),
    "orders.cancel": row(1),
    "orders.cancel_all": row(),
    "orders.dismiss": row("bot-1"),
    "orders.find": row("bot-1"),
    "orders.known": row(),
    "orders.live": row(),
    "orders.modify": row(1, _ORDER),
    "orders.place": row(_ORDER),
    "orders.recovered": row(),
    "orders.reply": row("abc", confirmed=True),
    "orders.reset_suppressed": row(),
    "orders.status": row(1),
    "orders.submit": row(_ORDER),
    "orders.suppress": row(["o163"]),
    "orders.trades": row(),
    "orders.watch": row(),
    "orders.what_if": row(_ORDER),
    "leg.cancel": row(),
    "leg.done": row(),
    "leg.modify": row(_ORDER),
    "leg.status": row(),
    "handle.cancel": row(),
    "handle.done": row(),
    "handle.events": row(),
    "handle.modify": row(_ORDER),
    "handle.status": row(),
    "feed.add": row(8314, "MSFT"),
    "feed.batches": row(),
    "feed.drain": row(),
    "feed.marked": row(),
    "feed.next": row(0.5),
    "feed.ready": row(0.5),
    "feed.remove": row(AAPL),
    "stream.account_ledger": row(),
    "stream.account_summary": row(),
    "stream.account_updates": row(),
    "stream.auth_status": row(),
    "stream.bulletins": row(),
    "stream.errors": row(),
    "stream.keepalives": row(),
    "stream.live_orders": row(),
    "stream.market_data": row("AAPL"),
    "stream.market_history": row("AAPL", "1d", "1h"),
    "stream.notifications": row(),
    "stream.option_exercise": row(OPTION),
    "stream.price_ladder": row("AAPL"),
    "stream.profit_and_loss": row(),
    "stream.system_messages": row(),
    "stream.trades": row(),
    "third_party.accounts": row(),
    "third_party.cancel_order": row(ACCOUNT, "BOT-1"),
    "third_party.exchange_components": row(8314),
    "third_party.find_order": row(ACCOUNT, "BOT-1"),
    "third_party.modify_order": row(ACCOUNT, _TP_ORDER, OrderChange(price="221.00")),
    "third_party.order": row(ACCOUNT, "BOT-1"),
    "third_party.order_impact": row(ACCOUNT, _TP_ORDER),
    "third_party.orders": row(ACCOUNT),
    "third_party.place_order": row(ACCOUNT, _TP_ORDER),
    "third_party.positions": row(ACCOUNT),
    "third_party.quotes": row(8314),
    "third_party.secdef": row(8314),
    "third_party.snapshot": row(8314),
    "third_party.summary": row(ACCOUNT),
    "third_party.trades": row(ACCOUNT),
}
"""Face and method, and good arguments."""

WITHOUT: dict[str, str] = {
    "client.open": "test_logins_survive_hostile_answers enters with each login",
    "client.aclose": "every walk leaves its client",
    "client.drain": "asks nothing of the server",
    "feed.aclose": "every walk closes its feeds",
    "session.logout": "test_logging_out_survives_hostile_answers: it ends the client",
    "third_party.aclose": "every walk leaves its client",
}
"""Calls that are not made by the walk, and why."""


def faces() -> dict[str, type[Any]]:
    """Return the classes that users call, by the names of the rows."""
    ib = Client(Gateway("https://localhost:5000"))
    groups = {
        name: type(value)
        for name, value in vars(ib).items()
        if name[0] != "_" and not isinstance(value, msgspec.Struct)
    }
    return {
        "client": Client,
        **groups,
        **{name: type(getattr(ib, name)) for name in dir(LaterFaces) if name[0] != "_"},
        "feed": Feed,
        "stream": Streams,
        "handle": OrderHandle,
        "leg": Leg,
        "third_party": ThirdPartyClient,
    }


def found_calls() -> set[str]:
    """Find the public methods of every face."""
    return {
        f"{face}.{name}"
        for face, kind in faces().items()
        for name in dir(kind)
        if name[0] != "_" and inspect.isfunction(getattr(kind, name))
    }


async def made(holder: Any, name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """Make a call, and take from a feed what comes first."""
    result = getattr(holder, name)(*args, **options)
    if inspect.isawaitable(result):
        result = await result
    if not isinstance(result, Feed):
        return result
    items: list[Any] = []
    async with result:
        for _ in range(2):
            item = await result.next(0.5)
            if item is None:
                break
            items.append(item)
    return items


def touch(value: Any, depth: int = 6) -> None:
    """Look at everything that a value shows: fields, properties, written forms, copies.

    Errors: none but `IbkrError`, where a property says so.
    """
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple | set | frozenset) and depth:
        for item in value:
            touch(item, depth - 1)
    if depth and type(value).__module__.startswith("ibkr_async") and not isinstance(value, Enum):
        _touch_one(value, depth)


def _touch_one(value: Any, depth: int) -> None:
    repr(value)
    str(value)
    if hasattr(value, "to_dict"):
        value.to_dict()
        value.to_json()
        twin = pickle.loads(pickle.dumps(value))  # noqa: S301 - our own
        # Sets come back in another order, and what is not a number is not equal to itself.
        assert twin == value or repr(twin) == repr(value)
        copy.copy(value)
    for name in dir(type(value)):
        if name[0] == "_":
            continue
        try:
            member = getattr(value, name)
        except IbkrError as error:
            touch_error(error)
        else:
            if not callable(member):
                touch(member, depth - 1)


def touch_error(error: IbkrError) -> None:
    """Look at what an error says, and send it to another process."""
    str(error)
    repr(error)
    is_retryable(error)
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert str(twin) == str(error)
    str(copy.copy(error))
