"""The order endpoints: placing, answering questions, changing, cancelling, watching.

Responsible for the shapes, refusals and warm-ups of the order endpoints. It must never match an
order: the order book does, at the next step of time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.answers import (
    BAD_REQUEST,
    SERVER_ERROR,
    Answer,
    Call,
    Routes,
    failure,
    invalid_account,
    ok,
)
from ibkr_async.simulator.broker import order_rows
from ibkr_async.simulator.broker.order_checks import OrderChecks
from ibkr_async.simulator.broker.question_texts import QUESTION_TEXTS
from ibkr_async.simulator.broker.questions import Dialogue
from ibkr_async.simulator.broker.tickets import IncomingTicket, TicketError, read_ticket, tickets_of
from ibkr_async.types import OrderStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ibkr_async.simulator.broker.order import Order
    from ibkr_async.simulator.broker.questions import QuestionDesk
    from ibkr_async.simulator.broker.state import BrokerState

_FILTERS = {
    "inactive": OrderStatus.INACTIVE,
    "pending_submit": OrderStatus.PENDING_SUBMIT,
    "pre_submitted": OrderStatus.PRE_SUBMITTED,
    "submitted": OrderStatus.SUBMITTED,
    "filled": OrderStatus.FILLED,
    "pending_cancel": OrderStatus.PENDING_CANCEL,
    "pre_cancelled": OrderStatus.PRE_CANCELLED,
    "cancelled": OrderStatus.CANCELLED,
    "warn_state": OrderStatus.WARN_STATE,
}
_SORT = "sort_by_time"
_MOST_SUPPRESSED = 51
_DAY_S = 86_400
_MOST_DAYS = 7
_CANCEL_ALL = "-1"
_PROMPT_OPTIONS = ("Use on this order", "Always use", "Do not use")
_PROMPT_MESSAGE_ID = "p12"


class OrdersRest:
    """Serves the order endpoints of `/iserver`."""

    def __init__(self, state: BrokerState, desk: QuestionDesk) -> None:
        self._state = state
        self._desk = desk
        self._checks = OrderChecks(state)
        self._prompts: dict[tuple[str, str], Order] = {}
        """Orders that wait for a choice, by order id and request id."""

    def add_to(self, routes: Routes) -> None:
        """Register the endpoints."""
        routes.add("POST", "/iserver/account/{}/orders", self.place)
        routes.add("POST", "/iserver/account/{}/orders/whatif", self.what_if)
        routes.add("POST", "/iserver/reply/{}", self.reply)
        routes.add("POST", "/iserver/account/{}/order/{}", self.modify)
        routes.add("DELETE", "/iserver/account/{}/order/{}", self.cancel)
        routes.add("GET", "/iserver/account/orders", self.live_orders)
        routes.add("GET", "/iserver/account/order/status/{}", self.order_status)
        routes.add("GET", "/iserver/account/trades", self.trades)
        routes.add("POST", "/iserver/questions/suppress", self.suppress)
        routes.add("POST", "/iserver/questions/suppress/reset", self.reset_suppressed)
        routes.add("POST", "/iserver/notification", self.answer_notification)

    # placing

    def place(self, call: Call, account_id: str) -> Answer:
        """Accept orders, or ask the first question about them.

        Everything but a missing account or a malformed body is answered 200.
        Source: POST /iserver/account/{accountId}/orders, "Place Order".
        """
        refused = self._order_request(account_id)
        if refused is not None:
            return refused
        try:
            raw = tickets_of(call.body)
        except TicketError as error:
            return failure(BAD_REQUEST, f"{error}")
        try:
            tickets = [self._read(fields) for fields in raw]
            self._checks.admissible(account_id, tickets, call.now)
        except TicketError as error:
            return ok({"error": f"{error}"})

        def accept(now: float) -> Answer:
            return self._accepted(account_id, tickets, now)

        return self._ask(account_id, tickets, accept_at=call.now, accept=accept)

    def _accepted(self, account_id: str, tickets: list[IncomingTicket], now: float) -> Answer:
        # While a question was open the client order id may have been taken.
        taken = self._checks.taken_coid(account_id, tickets, now)
        if taken:
            return ok({"error": taken})
        children = [ticket for ticket in tickets if ticket.parent_coid]
        if children and self._state.settings.fail_bracket_child:
            return self._bracket_with_a_failed_child(account_id, tickets, children[0], now)
        if self._state.settings.prompt_orders and len(tickets) == 1:
            return self._prompted(account_id, tickets, now)
        # Parents first: a child needs the order that it belongs to.
        in_order = sorted(tickets, key=lambda ticket: bool(ticket.parent_coid))
        orders = self._state.book.admit(account_id, in_order, now)
        return ok(self._placed_rows(orders))

    def _prompted(self, account_id: str, tickets: list[IncomingTicket], now: float) -> Answer:
        """Take an order, and let it wait for the choice of an option."""
        (order,) = self._state.book.admit(account_id, tickets, now, working=False)
        request_id = str(10_000 + len(self._prompts))
        self._prompts[str(order.order_id), request_id] = order
        return ok(
            {
                "orderId": order.order_id,
                "reqId": request_id,
                "dismissable": [],
                "text": QUESTION_TEXTS[_PROMPT_MESSAGE_ID],
                "options": list(_PROMPT_OPTIONS),
                "type": "M",
                "messageId": _PROMPT_MESSAGE_ID,
                "prompt": True,
            }
        )

    def _placed_rows(self, orders: Sequence[Order]) -> list[dict[str, Any]]:
        parents = {order.parent_id for order in orders} - {0}
        rows = []
        for order in orders:
            row: dict[str, Any] = {
                "order_id": str(order.order_id),
                "order_status": order.status.value,
                "encrypt_message": "1",
            }
            if order.order_id in parents:
                row["local_order_id"] = order.ticket.coid
            if order.parent_id:
                row["parent_order_id"] = str(order.parent_id)
            rows.append((bool(order.parent_id), row))
        if self._state.settings.bracket_children_first:
            rows.sort(key=lambda pair: not pair[0])
        return [row for _, row in rows]

    def _bracket_with_a_failed_child(
        self, account_id: str, tickets: list[IncomingTicket], failed: IncomingTicket, now: float
    ) -> Answer:
        rest = [ticket for ticket in tickets if ticket is not failed]
        rest.sort(key=lambda ticket: bool(ticket.parent_coid))
        orders = self._state.book.admit(account_id, rest, now, working=False)
        text = "Order rejected: the attached order is not allowed"
        row = {
            "order_id": "-1",
            "order_status": OrderStatus.FAILED.value,
            "text": text,
            "warning_message": text,
        }
        return ok([row, *self._placed_rows(orders)])

    def reply(self, call: Call, reply_id: str) -> Answer:
        """Answer a question; the next one may follow."""
        confirmed = call.field("confirmed")
        if not isinstance(confirmed, bool):
            return failure(BAD_REQUEST, "Bad Request: confirmed is required")
        return self._desk.reply(reply_id, confirmed=confirmed, now=call.now)

    def what_if(self, call: Call, account_id: str) -> Answer:
        """Preview an order: what it would cost and change. Nothing is placed."""
        refused = self._refused(account_id)
        if refused is not None:
            return refused
        try:
            ticket = self._read(tickets_of(call.body)[0])
        except TicketError as error:
            return ok({"error": f"{error}"})
        return ok(self._checks.preview(account_id, ticket))

    # changing

    def modify(self, call: Call, account_id: str, order_id: str) -> Answer:
        """Replace an order's terms by a full ticket; questions may come first."""
        refused = self._order_request(account_id)
        if refused is not None:
            return refused
        order = self._open_order(account_id, order_id)
        if isinstance(order, Answer):
            return order
        try:
            fields = call.body if isinstance(call.body, dict) else {}
            ticket = self._read(fields)
            self._checks.replaceable(order, ticket)
        except TicketError as error:
            return ok({"error": f"{error}"})

        def accept(now: float) -> Answer:
            if order.is_done:
                return failure(BAD_REQUEST, "Order is inactive", with_code=False)
            # It may have traded while a question was open.
            ticket_now = replace(ticket, quantity=max(ticket.quantity, order.filled))
            self._state.book.modify(order, ticket_now, now)
            return ok(self._placed_rows([order]))

        return self._ask(account_id, [ticket], accept_at=call.now, accept=accept)

    def cancel(self, call: Call, account_id: str, order_id: str) -> Answer:
        """Ask for an order's end. The answer acknowledges the request, not the cancel.

        `conid` -1 and `account` null say that it was cancelled at once. A parent that was left Inactive
        because its child failed does not exist for this endpoint (recorded).
        """
        refused = self._order_request(account_id)
        if refused is not None:
            return refused
        if order_id == _CANCEL_ALL:
            for each in self._state.book.open_orders():
                if each.account_id == account_id and not each.is_done:
                    self._state.book.cancel(each, call.now)
            return ok(_cancel_answer(-1, -1, None))
        order = self._open_order(account_id, order_id)
        if isinstance(order, Answer):
            return order
        if order.status == OrderStatus.INACTIVE and order not in self._prompts.values():
            return _no_such_order(order_id)
        if self._state.book.cancel(order, call.now):
            return ok(_cancel_answer(order.order_id, -1, None))
        return ok(_cancel_answer(order.order_id, order.instrument.conid, account_id))

    # watching

    def live_orders(self, call: Call) -> Answer:
        """Return the orders of the day; empty with `snapshot:false` while the cache fills."""
        refused = self._state.accounts_missing()
        if refused is not None:
            return refused
        memory, settings = self._state.memory, self._state.settings
        account_id = call.query.get("accountId") or self._state.selected
        if account_id not in self._state.accounts:
            return failure(BAD_REQUEST, "accountId is not valid")
        names = [name for name in call.query.get("filters", "").lower().split(",") if name]
        unknown = [name for name in names if name not in _FILTERS and name != _SORT]
        if unknown:
            return failure(BAD_REQUEST, f"Invalid filter: {unknown[0]}")
        if call.flag("force"):
            memory.live_feed_silenced, memory.orders_blank = False, False
            return ok({"orders": [], "snapshot": False})
        if memory.orders_blank and settings.warm_ups:
            memory.orders_blank = False
            return ok({"orders": [], "snapshot": False})
        wanted = {_FILTERS[name] for name in names if name != _SORT}
        if wanted and settings.filter_silences_live_orders:
            memory.live_feed_silenced = True
        orders = [
            order for order in self.orders_of(account_id) if order.status in wanted or not wanted
        ]
        if _SORT in names:
            orders.sort(key=lambda order: order.changed, reverse=True)
        return ok({"orders": [order_rows.full(order) for order in orders], "snapshot": True})

    def orders_of(self, account_id: str) -> list[Order]:
        """Return all orders of an account, oldest first."""
        orders = self._state.book.orders.values()
        return [order for order in orders if order.account_id == account_id]

    def order_status(self, _call: Call, order_id: str) -> Answer:
        """Return one order; it must belong to the account in use."""
        order = self._find(self._state.selected, order_id)
        if order is None:
            return _no_such_order(order_id)
        server_id = self._state.server_id(order.instrument.conid)
        return ok(order_rows.order_status(order, server_id))

    def trades(self, call: Call) -> Answer:
        """Return the fills of up to seven days, all accounts; empty the first time."""
        text = call.query.get("days", "1")
        if not text.isdigit() or not 1 <= int(text) <= _MOST_DAYS:
            return failure(BAD_REQUEST, "Bad Request: days must be between 1 and 7")
        if self._state.is_cold("trades"):
            return ok([])
        return ok(self.execution_rows(int(text), call.now))

    def execution_rows(self, days: int, now: float) -> list[dict[str, Any]]:
        """Return the fills of the last days, oldest first, with the commissions known by now."""
        return [
            order_rows.execution(fill, with_commission=fill.commission_reported)
            for fill in self._state.book.executions
            if now - fill.time <= days * _DAY_S
        ]

    # questions and prompts

    def suppress(self, call: Call) -> Answer:
        """Stop asking these questions for the rest of the session; replaces the earlier list."""
        ids = call.field("messageIds")
        if not isinstance(ids, list) or not 0 < len(ids) <= _MOST_SUPPRESSED:
            return failure(SERVER_ERROR, "messageIds must hold 1 to 51 ids", with_code=False)
        self._state.memory.suppressed = frozenset(str(message_id) for message_id in ids)
        return ok({"status": "submitted"})

    def reset_suppressed(self, _call: Call) -> Answer:
        """Ask every question again."""
        self._state.memory.suppressed = frozenset()
        return ok({"status": "submitted"})

    def answer_notification(self, call: Call) -> Answer:
        """Take the answer to a prompt; the answer's body is a bare JSON string.

        An order that was waiting for it begins to work, whichever option was chosen.
        """
        if not all(call.field(key) for key in ("orderId", "reqId", "text")):
            return failure(BAD_REQUEST, "Bad Request: orderId, reqId and text are required")
        if call.field("text") in _PROMPT_OPTIONS:
            key = str(call.field("orderId")), str(call.field("reqId"))
            order = self._prompts.pop(key, None)
            if order is not None and not order.is_done:
                self._state.book.release(order, call.now)
        return ok("Request was submitted")

    # shared

    def _read(self, fields: Mapping[str, Any]) -> IncomingTicket:
        """Check one ticket. Errors: `TicketError`."""
        state = self._state
        ticket = read_ticket(fields, state.instruments, fractions=state.settings.fractions)
        return self._checks.sized(ticket)

    def _ask(
        self,
        account_id: str,
        tickets: list[IncomingTicket],
        *,
        accept_at: float,
        accept: Callable[[float], Answer],
    ) -> Answer:
        dialogue = Dialogue(
            account_id=account_id,
            facts=self._checks.facts(tickets),
            message_ids=deque(self._checks.questions(tickets)),
            accept=accept,
        )
        return self._desk.start(dialogue, accept_at)

    def _refused(self, account_id: str) -> Answer | None:
        if account_id not in self._state.accounts:
            return invalid_account()
        return self._state.accounts_missing()

    def _order_request(self, account_id: str) -> Answer | None:
        """Check an order request's account; every such request makes open questions stale."""
        refused = self._refused(account_id)
        if refused is None:
            self._desk.interrupt(account_id)
        return refused

    def _find(self, account_id: str, order_id: str) -> Order | None:
        order = self._state.book.orders.get(int(order_id)) if order_id.isdigit() else None
        return order if order is not None and order.account_id == account_id else None

    def _open_order(self, account_id: str, order_id: str) -> Order | Answer:
        order = self._find(account_id, order_id)
        if order is None:
            return _no_such_order(order_id)
        if order.is_done:
            return failure(BAD_REQUEST, "Order is inactive", with_code=False)
        return order


def _no_such_order(order_id: str) -> Answer:
    return failure(BAD_REQUEST, f"OrderID {order_id} doesn't exist", with_code=False)


def _cancel_answer(order_id: int, conid: int, account_id: str | None) -> dict[str, Any]:
    return {
        "msg": "Request was submitted",
        "order_id": order_id,
        "conid": conid,
        "account": account_id,
    }
