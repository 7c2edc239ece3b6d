"""What the limits of a guard forbid, judged from the JSON that leaves; and a wire that brings it to a judge.

Responsible for an opinion of its own: it shares no line with `orders.send`, and reads nothing but the
request as IBKR would get it, the settings, and what the world was like at that moment.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from typing import Any, Final, TypeAlias

from ibkr_async.models.base import encode
from ibkr_async.ports import HttpReply
from ibkr_async.rest.decode import decode_reply
from ibkr_async.rest.request import RestRequest, T

MARKET: Final = {1: Decimal(10), 2: Decimal("2.5"), 3: Decimal(400)}
"""What a unit costs where an order names no price; of other contracts 1."""
MULTIPLIER: Final = {2: 100}
_Order: TypeAlias = tuple[str | None, list[Any]]
"""Account and tickets."""


@dataclass
class Day:
    """The settings of one client, and how the world is just now."""

    limits: dict[str, Any]
    allow_live_orders: bool = False
    dry_run: bool = False
    is_paper: bool | None = True
    is_stopped: bool = False
    """The kill switch is on."""
    now: float = 0.0


@dataclass
class Wire:
    """IBKR, as far as the limits need it. Whatever leaves is judged on the spot."""

    day: Day
    asks: bool = False
    """The next order is answered with a question."""
    prompts: bool = False
    """The next order is answered with a prompt."""
    preview: str | None = None
    """What previews say in place of the truth."""
    changed_conid: int | None = None
    """The contract of the Third-Party order that is changed."""
    left: list[str] = field(default_factory=list[str])
    """Paths of what left and can trade."""
    tickets: list[_Order] = field(default_factory=list["_Order"])
    """Account and tickets of each order that left."""
    broken: list[str] = field(default_factory=list[str])
    """Limits that were broken."""
    _sent_at: list[float] = field(default_factory=list[float])
    _open: dict[str, _Order] = field(default_factory=dict[str, "_Order"])
    """By reply id and order id: the order about which IBKR has asked."""

    async def __call__(self, request: RestRequest[T]) -> T:
        """Answer a request, after its permit was asked."""
        if request.permit is not None:
            request.permit()
        body = json.loads(encode(request.body), parse_float=Decimal) if request.body else None
        with localcontext(Context(prec=60)):  # the judge counts exactly, whatever the caller does
            answer = self._answer(request.method, request.expanded_path.split("/"), body)
        return decode_reply(request, HttpReply(status=200, headers={}, content=answer))

    def _answer(self, method: str, path: list[str], body: Any) -> bytes:
        if path[-1] == "whatif":
            (ticket,) = body["orders"]
            words = self.preview or f"{worth(ticket):f} USD (1 Shares)"
            return json.dumps({"amount": {"amount": words}}).encode()
        if method == "GET":
            return b'{"orders":[],"snapshot":true}'
        order = self._judge(method, path, body)
        if path[1] == "accounts":  # the Third-Party API
            return json.dumps([{"CustomerOrderId": body["CustomerOrderId"]}]).encode()
        return b'"Request was submitted"' if path[2] == "notification" else self._taken(order)

    def _taken(self, order: _Order) -> bytes:
        """Answer an order or a yes: with a question, with a prompt, or with its rows."""
        asks, prompts, self.asks, self.prompts = self.asks, self.prompts, False, False
        if asks:
            self._open["r1"] = order
            return b'[{"id":"r1","message":["Sure?"],"messageIds":["o163"]}]'
        if prompts:
            self._open["7"] = order
            return (
                b'{"orderId":7,"reqId":"1","text":"Which?","options":["A"],"messageId":"p12",'
                b'"prompt":true}'
            )
        rows = [{"order_id": str(7 + n), "order_status": "Submitted"} for n in range(len(order[1]))]
        return json.dumps(rows).encode()

    def exercised(self, conid: int, contracts: int) -> None:
        """Take note of a frame that exercises an option."""
        self._judge("FRAME", ["", "exercise"], {"conid": conid, "quantity": contracts})

    # --- judging ---------------------------------------------------------------------------------

    def _judge(self, method: str, path: list[str], body: Any) -> _Order:
        """Judge a request that can trade; return which order it lets through."""
        what = f"{method} {'/'.join(path)} {json.dumps(body, default=str)}"
        self.left.append("/".join(path))
        if self.day.dry_run:
            self.broken.append(f"dry run: {what}")
        account: str | None = None
        tickets: list[Any]
        is_new = True
        if path[1] == "exercise":
            account, tickets = "DU1", [body]
        elif path[1] == "accounts":
            # A change does not name the contract of its order.
            ticket = {"conid": body.get("ContractId", self.changed_conid)}
            ticket |= {"quantity": body["Quantity"], "price": body.get("Price")}
            account, tickets = path[2], [ticket]
        elif path[2] in {"reply", "notification"}:
            is_new = False
            known = self._open.get(path[-1] if path[2] == "reply" else str(body["orderId"]))
            account, tickets = known or (None, [])
            if body.get("confirmed") is False:
                return account, tickets
            if known is None and self.day.limits:
                self.broken.append(f"nobody knows which order: {what}")
        else:
            account, tickets = path[3], body.get("orders", [body])
        self.tickets.append((account, tickets))
        if is_new:
            self._sent_at += [self.day.now] * len(tickets)
        found = list(self._broken(account, tickets))
        self.broken += [f"{one}: {what}" for one in found]
        return account, tickets

    def _broken(self, account: str | None, tickets: list[Any]) -> list[str]:
        day = self.day
        found = []
        looks_live = account is not None and account[:1] == "U" and account[1:].isdigit()
        if not day.allow_live_orders and (day.is_paper is not True or looks_live):
            found.append("not known to be paper")
        if day.is_stopped:
            found.append("kill switch")
        rate = day.limits.get("max_orders_per_minute")
        if rate is not None and sum(at > day.now - 60 for at in self._sent_at) > rate:
            found.append("too many a minute")
        for ticket in tickets:
            found += forbidden(day.limits, account, ticket)
            limit = day.limits.get("max_notional")
            if limit is not None and worth(ticket, tickets[0]) > limit:
                found.append(f"worth {worth(ticket, tickets[0])}")
            if limit is not None and self.preview is not None:
                found.append("nobody knows its value")
        return found


def is_beyond(limits: Mapping[str, Any], account: str | None, ticket: Any) -> bool:
    """Tell whether a single ticket breaks a limit, whatever went before."""
    limit = limits.get("max_notional")
    return bool(forbidden(limits, account, ticket)) or (limit is not None and worth(ticket) > limit)


def forbidden(limits: Mapping[str, Any], account: str | None, ticket: Any) -> list[str]:
    """Return which limits on accounts, contracts and units one ticket breaks."""
    found = []
    payload = dict(ticket.get("jsonPayload") or {})
    names = {account, ticket.get("acctId"), ticket.get("customerAccount"), payload.pop("allocation_profile", None)}  # fmt: skip
    if limits and payload:
        found.append("unknown settings")
    if "accounts" in limits and not (names - {None}) <= set(limits["accounts"]):
        found.append(f"accounts {names}")
    contracts, ratio = _contracts(ticket)
    if "conids" in limits and (not contracts or not contracts <= set(limits["conids"])):
        found.append(f"contracts {contracts}")
    most = limits.get("max_quantity")
    if most is not None:
        units = ticket.get("quantity")
        if units is None and "max_notional" not in limits:
            found.append("an amount of cash has no units")
        if units is not None and (ratio is None or Decimal(units) * ratio > most):
            found.append(f"{units} units")
    return found


def worth(ticket: Any, parent: Any = None) -> Decimal:
    """Return what a ticket may cost: cash as it is, else units times price times multiplier.

    A child without a price costs what its parent does: it cannot trade before that has.
    """
    for key in ("cashQty", "fxQty"):
        if ticket.get(key) is not None:
            return Decimal(ticket[key])
    contracts, _ = _contracts(ticket)
    conid = max(contracts or {0})
    is_combination = ";;;" in ticket.get("conidex", "")
    price = ticket.get("price")
    if price is None and ticket.get("parentId") and parent is not None:
        price = parent.get("price")
    if price is None:
        price = Decimal(1) if is_combination else MARKET.get(conid, Decimal(1))
    multiplier = 1 if is_combination else MULTIPLIER.get(conid, 1)
    return abs(Decimal(price)) * Decimal(ticket["quantity"]) * multiplier


def _contracts(ticket: Any) -> tuple[set[int] | None, int | None]:
    """Return the contracts that a ticket names anywhere, and the largest ratio; None if unreadable."""
    found: set[int] = set()
    ratio = 1
    if ticket.get("conid") is not None:
        found.add(ticket["conid"])
    if ticket.get("secType") is not None and ":" in ticket["secType"]:
        number, _, kind = ticket["secType"].partition(":")
        if not number.isdigit() or not kind.isalpha():
            return None, None
        found.add(int(number))
    if ticket.get("conidex") is not None:
        named, ratio = _parts(ticket["conidex"])
        if not named:
            return None, None
        found |= named
    return found or None, ratio


def _parts(conidex: str) -> tuple[set[int], int]:
    """Return the contracts of a conidex, none if it is unreadable, and the largest ratio."""
    unreadable: tuple[set[int], int] = set(), 0
    head, is_combination, legs = conidex.partition(";;;")
    conid, has_exchange, exchange = head.partition("@")
    if not conid.isdigit() or conid.startswith("0"):
        return unreadable
    if has_exchange and not exchange.replace(".", "").isalnum():
        return unreadable
    if not is_combination:
        return {int(conid)}, 1
    parts = [leg.partition("/") for leg in legs.split(",")]
    if len(parts) == 1 or not all(
        number.isdigit() and share.removeprefix("-").isdigit() for number, _, share in parts
    ):
        return unreadable
    return {int(number) for number, _, _ in parts}, max(abs(int(share)) for _, _, share in parts)
