"""The Third-Party Web API v1, served on the same broker as the Web API.

Responsible for its endpoints below `/tradingapi/v1`: the same accounts, orders, fills and prices
under other names, strict on the reference's rules. It must never keep orders of its own: only the
ids by which this API's clients call them after a modification.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ibkr_async.simulator.answers import BAD_REQUEST, Answer, Call, Routes, failure, ok
from ibkr_async.simulator.broker.order_checks import OrderChecks
from ibkr_async.simulator.broker.positions import required_margin, usd_per_unit
from ibkr_async.simulator.broker.tickets import TicketError
from ibkr_async.simulator.login.oauth_flow import THIRD_PARTY_ROOT as ROOT
from ibkr_async.simulator.thirdparty import rows
from ibkr_async.simulator.thirdparty.order_forms import (
    CHANGE_KEYS,
    IMPACT_KEYS,
    ORDER_KEYS,
    find_by_symbol,
    read_change,
    read_fields,
    read_order,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ibkr_async.simulator.broker.instruments import Instrument
    from ibkr_async.simulator.broker.order import Order
    from ibkr_async.simulator.broker.state import BrokerState

_DAY_S = 86_400
_WEEK_S = 7 * _DAY_S
_SINCE_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S")


class ThirdPartyRest:
    """Serves the endpoints of the Third-Party Web API."""

    def __init__(self, state: BrokerState) -> None:
        self._state = state
        self._checks = OrderChecks(state)
        self._renamed: dict[int, str] = {}
        """CustomerOrderId of each order that was modified here, by order id."""

    def add_to(self, routes: Routes) -> None:
        """Register the endpoints, with their whole path."""
        account, order = f"{ROOT}/accounts/{{}}", f"{ROOT}/accounts/{{}}/orders/{{}}"
        for methods, template, endpoint in (
            ("GET", f"{ROOT}/accounts", self.accounts),
            ("GET", f"{account}/positions", self.positions),
            ("GET", f"{account}/summary", self.summary),
            ("GET", f"{account}/orders", self.orders),
            ("POST", f"{account}/orders", self.place),
            ("GET", order, self.order),
            ("PUT", order, self.modify),
            ("DELETE", order, self.cancel),
            ("POST", f"{account}/order_impact", self.order_impact),
            ("GET", f"{account}/trades", self.trades),
            ("GET", f"{ROOT}/secdef", self.secdef),
            ("GET", f"{ROOT}/marketdata/snapshot", self.snapshot),
            ("GET", f"{ROOT}/marketdata/exchange_components", self.exchange_components),
        ):
            routes.add(methods, template, _with_refusals(endpoint))

    # accounts

    def accounts(self, _call: Call) -> Answer:
        """List the accounts."""
        return ok({"accounts": list(self._state.accounts)})

    def positions(self, _call: Call, account_id: str) -> Answer:
        """List the open positions."""
        return ok(
            [
                {
                    "Position": holding.quantity,
                    "AverageCost": round(holding.average * holding.instrument.multiplier, 8),
                    "ContractId": holding.instrument.conid,
                }
                for holding in self._state.accounts[self._known(account_id)].open_holdings()
            ]
        )

    def summary(self, _call: Call, account_id: str) -> Answer:
        """Return balances and margins."""
        book = self._state.accounts[self._known(account_id)]
        return ok(rows.summary_body(book, self._state))

    def trades(self, call: Call, account_id: str) -> Answer:
        """Return the fills since a time of the last week, or of the last 24 hours."""
        since = call.query.get("since")
        start = call.now - _DAY_S if since is None else _read_since(since, call.now)
        self._known(account_id)
        return ok(
            [
                rows.trade_row(fill, self._id_of(fill.order))
                for fill in self._state.book.executions
                if fill.order.account_id == account_id and fill.time >= start
            ]
        )

    # orders

    def orders(self, _call: Call, account_id: str) -> Answer:
        """List all orders, whichever API placed them."""
        return ok(
            [
                rows.order_row(order, self._id_of(order))
                for order in self._orders_of(self._known(account_id))
            ]
        )

    def order(self, _call: Call, account_id: str, customer_order_id: str) -> Answer:
        """Return one order in an array."""
        order = self._find(self._known(account_id), customer_order_id)
        return ok([rows.order_row(order, customer_order_id)])

    def place(self, call: Call, account_id: str) -> Answer:
        """Accept an order. What the account cannot carry comes back as a rejected row."""
        state = self._state
        self._known(account_id)
        new = read_order(read_fields(call.body, ORDER_KEYS), state.instruments)
        self._check_free(account_id, new.customer_order_id)
        instrument = new.ticket.instrument
        try:
            self._checks.admissible(account_id, [new.ticket], call.now)
        except TicketError as error:
            row = rows.new_order_row(new.ticket, instrument, new.customer_order_id, call.now)
            return ok([row | {"Status": rows.REJECTED, "Warning": f"{error}"}])
        (order,) = state.book.admit(account_id, [new.ticket], call.now)
        return ok([rows.order_row(order, new.customer_order_id)])

    def modify(self, call: Call, account_id: str, customer_order_id: str) -> Answer:
        """Replace an open order's terms and its id."""
        state = self._state
        order = self._open(self._known(account_id), customer_order_id)
        fields = read_fields(call.body, CHANGE_KEYS)
        new = read_change(fields, order, customer_order_id, state.instruments)
        self._check_free(account_id, new.customer_order_id)
        self._checks.replaceable(order, new.ticket)
        state.book.modify(order, new.ticket, call.now)
        self._renamed[order.order_id] = new.customer_order_id
        return ok([rows.changed_row(order, new.customer_order_id, customer_order_id)])

    def cancel(self, call: Call, account_id: str, customer_order_id: str) -> Answer:
        """Ask for an open order's end."""
        order = self._open(self._known(account_id), customer_order_id)
        self._state.book.cancel(order, call.now)
        return ok([rows.cancelled_row(order, customer_order_id)])

    def order_impact(self, call: Call, account_id: str) -> Answer:
        """Return what an order would change. Nothing is placed."""
        state = self._state
        book = state.accounts[self._known(account_id)]
        ticket = read_order(read_fields(call.body, IMPACT_KEYS), state.instruments).ticket
        instrument, market = ticket.instrument, state.board[ticket.instrument.conid]
        price = ticket.price or (market.ask if ticket.is_buy else market.bid)
        signed = ticket.quantity if ticket.is_buy else -ticket.quantity
        held = book.position(instrument.conid)
        rate = usd_per_unit(state.board, instrument.currency)
        unit = price * instrument.multiplier * rate
        change = required_margin(instrument, unit * (held + signed)) - required_margin(
            instrument, unit * held
        )
        commission = state.book.commission(instrument, ticket.quantity)
        worth = book.valuation(state.board)
        margin, margin_before = round(worth.margin + change, 2), round(worth.margin, 2)
        return ok(
            {
                "EquityWithLoan": round(worth.net_liquidation - commission * rate, 2),
                "EquityWithLoanBefore": round(worth.net_liquidation, 2),
                "InitMargin": margin,
                "InitMarginBefore": margin_before,
                "MaintMargin": margin,
                "MaintMarginBefore": margin_before,
                "MarginCurrency": "USD",
                "Commission": commission,
                "MinCommissions": commission,
                "MaxCommissions": commission,
                "CommissionsCurrency": instrument.currency,
            }
        )

    # products and prices

    def secdef(self, call: Call) -> Answer:
        """Return the product that the query names."""
        query = call.query
        if "conid" in query:
            return ok(rows.definition_row(self._by_conid(query["conid"])))
        wanted = {"STK": "exchange", "CASH": "currency"}.get(query.get("type", ""))
        if wanted is None or not query.get(wanted):
            raise TicketError("type=STK needs symbol and exchange, type=CASH symbol and currency")
        return ok(rows.definition_row(self._by_symbol(query)))

    def snapshot(self, call: Call) -> Answer:
        """Return prices of the products that the query names."""
        if "conids" in call.query:
            wanted = self._by_conids(call.query["conids"])
        else:
            wanted = [self._by_symbol(call.query)]
        return ok(
            [
                rows.snapshot_row(
                    self._state.board[instrument.conid],
                    has_data=self._state.has_data(instrument.conid),
                )
                for instrument in wanted
            ]
        )

    def exchange_components(self, call: Call) -> Answer:
        """Return what the bits of the masks mean."""
        wanted = self._by_conids(call.query.get("conids", ""))
        return ok([rows.components_row(instrument) for instrument in wanted])

    # shared

    def _known(self, account_id: str) -> str:
        if account_id not in self._state.accounts:
            raise TicketError(f"no such account: {account_id}")
        return account_id

    def _orders_of(self, account_id: str) -> list[Order]:
        orders = self._state.book.orders.values()
        return [order for order in orders if order.account_id == account_id]

    def _id_of(self, order: Order) -> str:
        """Return what an order is called now; one without a client order id by its order id."""
        return self._renamed.get(order.order_id) or order.ticket.coid or str(order.order_id)

    def _find(self, account_id: str, customer_order_id: str) -> Order:
        for order in reversed(self._orders_of(account_id)):
            if self._id_of(order) == customer_order_id:
                return order
        raise TicketError(f"no such order: {customer_order_id}")

    def _open(self, account_id: str, customer_order_id: str) -> Order:
        order = self._find(account_id, customer_order_id)
        if order.is_done:
            raise TicketError(f"order {customer_order_id} is done")
        return order

    def _check_free(self, account_id: str, customer_order_id: str) -> None:
        for order in self._orders_of(account_id):
            if customer_order_id in {self._id_of(order), order.ticket.coid}:
                raise TicketError(f"CustomerOrderId {customer_order_id} is in use")

    def _by_conid(self, text: str) -> Instrument:
        instrument = self._state.instruments.get(int(text)) if text.isdecimal() else None
        if instrument is None:
            raise TicketError(f"no such contract: {text}")
        return instrument

    def _by_conids(self, text: str) -> list[Instrument]:
        return [self._by_conid(conid) for conid in text.split(",")]

    def _by_symbol(self, query: Mapping[str, str]) -> Instrument:
        if not (query.get("exchange") or query.get("currency")):
            raise TicketError("type and symbol go with an exchange or a currency")
        return find_by_symbol(
            self._state.instruments,
            query.get("type", ""),
            query.get("symbol", ""),
            exchange=query.get("exchange"),
            currency=query.get("currency"),
        )


def _with_refusals(endpoint: Callable[..., Answer]) -> Callable[..., Answer]:
    """Let an endpoint refuse by raising: every broken rule is answered 400."""

    def answer(call: Call, *segments: str) -> Answer:
        try:
            return endpoint(call, *segments)
        except TicketError as error:
            return failure(BAD_REQUEST, f"Bad Request: {error}")

    return answer


def _read_since(text: str, now: float) -> float:
    for pattern in _SINCE_FORMATS:
        try:
            start = datetime.strptime(text, pattern).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
        if not now - _WEEK_S <= start <= now:
            raise TicketError("since must not be in the future nor go back more than one week")
        return start
    raise TicketError("since must be yyyy-MM-dd or yyyy-MM-dd'T'HH:mm:ss")
