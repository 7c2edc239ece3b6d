"""The orders of the simulated broker and the life of each.

Responsible for admitting, working, filling, changing and cancelling orders, and for reporting
every step as an event. It must never see HTTP, ask questions or move prices.

A new order is Inactive, PendingSubmit and PreSubmitted at once; the next `advance` makes it
Submitted when nothing holds it (a trigger, a parent) and lets it trade. A cancel of a working
order is PendingCancel until the next `advance`.

What is attached to a parent forms an OCA group that is named by the parent's number and of the type
`ReduceOnFillNonBlock` (measured). From the type's name is concluded, not measured, that a fill of one
reduces the others by as much. A fill of the parent releases its children, each for as much as has
filled; from then on any size is accepted for them, also one that ends short (recorded). A change of
size while a child is held is acknowledged and ignored (recorded).
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING

from ibkr_async.simulator.broker import order_rows
from ibkr_async.simulator.broker.combinations import leg_prices, market_of, price_of
from ibkr_async.simulator.broker.events import BrokerEvent, Executed, OrderChanged
from ibkr_async.simulator.broker.matching import Trigger, elect, trade_price
from ibkr_async.simulator.broker.order import BookedExecution, Order, Rejection
from ibkr_async.types import OrderStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ibkr_async.simulator.broker.instruments import Instrument
    from ibkr_async.simulator.broker.positions import AccountBook
    from ibkr_async.simulator.broker.prices import PriceBoard
    from ibkr_async.simulator.broker.settings import BrokerSettings
    from ibkr_async.simulator.broker.tickets import IncomingTicket

_DAY_S = 86_400.0
_PARTIAL_STEPS = 3
_CONTRACT_COMMISSION = {"OPT": Decimal("0.65"), "FUT": Decimal("2.25")}
_CURRENCY_COMMISSION = Decimal("2.00")
_WORKING = frozenset({OrderStatus.SUBMITTED, OrderStatus.PENDING_CANCEL})
_REDUCE, _CANCEL = "ReduceOnFillNonBlock", "CancelOnFillWBlock"
"""Types of OCA groups: that of attached orders is measured, that of `isSingleGroup` is a guess."""


class OrderBook:
    """All orders and fills, of all accounts."""

    def __init__(
        self,
        *,
        board: PriceBoard,
        accounts: Mapping[str, AccountBook],
        settings: BrokerSettings,
        first_order_id: int,
    ) -> None:
        self._board = board
        self._accounts = accounts
        self._settings = settings
        self._next_order_id = first_order_id
        self._execution_prefix = f"{first_order_id & 0xFFFFFFFF:08x}"
        self._late_commissions: deque[BookedExecution] = deque()
        self._events: list[BrokerEvent] = []
        self.rejections: deque[Rejection] = deque()
        """What the exchange will say about the next orders that have no parent."""
        self._open: dict[int, Order] = {}
        self._by_coid: dict[tuple[str, str], Order] = {}
        self.orders: dict[int, Order] = {}
        self.executions: list[BookedExecution] = []
        self._fills = 0

    def coid_in_use(self, account_id: str, coid: str, now: float) -> bool:
        """Tell whether the account used this client order id in the last 24 hours."""
        order = self.order_of(account_id, coid)
        return order is not None and now - order.created < _DAY_S

    def order_of(self, account_id: str, coid: str) -> Order | None:
        """Return the newest order with this client order id; None when there is none."""
        return self._by_coid.get((account_id, coid)) if coid else None

    def take_events(self) -> list[BrokerEvent]:
        """Return what happened since the last call."""
        events, self._events = self._events, []
        return events

    def admit(
        self,
        account_id: str,
        tickets: Sequence[IncomingTicket],
        now: float,
        *,
        working: bool = True,
    ) -> list[Order]:
        """Accept the tickets of one request; link children to parents and OCA groups.

        With `working=False` the orders stay Inactive. A parent must come before its children
        or be known already.
        """
        admitted: list[Order] = []
        for ticket in tickets:
            order = Order(
                order_id=self._next_order_id,
                account_id=account_id,
                ticket=ticket,
                created=now,
                changed=now,
            )
            self._next_order_id += 1
            self.orders[order.order_id] = self._open[order.order_id] = order
            self._by_coid[account_id, ticket.coid] = order
            self._link(order, admitted)
            if not order.parent_id and self.rejections:
                order.rejection = self.rejections.popleft()
            admitted.append(order)
        for order in admitted:
            self._report(order_rows.full(order))
            self._report(order_rows.marker(order))
            if working:
                self.release(order, now)
        return admitted

    def release(self, order: Order, now: float) -> None:
        """Let an inactive order begin to work."""
        self._set_status(order, OrderStatus.PENDING_SUBMIT, now)
        self._set_status(order, OrderStatus.PRE_SUBMITTED, now)

    def modify(self, order: Order, ticket: IncomingTicket, now: float) -> None:
        """Replace the terms of an open order; what it has filled stays filled."""
        if order.held:
            ticket = replace(ticket, quantity=order.ticket.quantity)
        elif ticket.quantity != order.ticket.quantity:
            order.planned = None
        # The client order id and the links belong to the order, not to the new terms.
        order.ticket = replace(ticket, coid=order.ticket.coid, parent_coid=order.ticket.parent_coid)
        order.trigger = Trigger()
        order.changed = now
        if order.status == OrderStatus.SUBMITTED:
            order.status = OrderStatus.PRE_SUBMITTED
        if not order.remaining:
            self._finish(order, OrderStatus.FILLED, now)
        self._report(order_rows.full(order))

    def cancel(self, order: Order, now: float) -> bool:
        """Ask an open order to end; True when it has ended at once, False when it is pending."""
        if order.status in _WORKING:
            order.status = OrderStatus.PENDING_CANCEL
            order.changed = now
            self._report(order_rows.full(order))
            return False
        self._finish(order, OrderStatus.CANCELLED, now)
        return True

    def advance(self, now: float, *, new_day: bool = False, closing: bool = False) -> None:
        """Let every open order meet the market; on a new day the day orders end first.

        With `closing` those meet it that wait for the close.
        """
        if new_day:
            for order in self.open_orders():
                # OPG, OVT and OND are worked like DAY: the simulated market has no sessions.
                if order.ticket.tif != "GTC":
                    self._finish(order, OrderStatus.CANCELLED, now)
        # Children have higher ids than their parent, so a filled parent's children are
        # considered in the same step.
        for order in self.open_orders():
            if not order.is_done:
                self._work(order, now, closing=closing)
        self._report_commissions(now)

    def open_orders(self) -> list[Order]:
        """Return the orders that can still change, oldest first."""
        return list(self._open.values())

    def commission(self, instrument: Instrument, quantity: Decimal) -> Decimal:
        """Return what a fill of this size costs, in the instrument's currency."""
        if instrument.legs:
            parts = instrument.parts(quantity)
            return sum((self.commission(leg, abs(size)) for leg, size in parts), Decimal(0))
        if instrument.sec_type == "CASH":
            return _CURRENCY_COMMISSION
        each = _CONTRACT_COMMISSION.get(instrument.sec_type, self._settings.commission_per_share)
        if not each:
            return Decimal(0)
        return max(self._settings.minimum_commission, each * quantity).quantize(Decimal("0.0001"))

    def _link(self, order: Order, siblings: Iterable[Order]) -> None:
        ticket = order.ticket
        parent = self.order_of(order.account_id, ticket.parent_coid)
        if parent is not None:
            order.parent_id = parent.order_id
            order.oca_group, order.oca_type = f"{parent.order_id}", _REDUCE
            parent.children.append(order.order_id)
            if not parent.is_done:
                order.held, order.planned = True, ticket.quantity
                self._release_for(order, parent)
        elif ticket.single_group:
            first = next((other for other in siblings if other.oca_group), order)
            # Recorded: `oco-` and the number of the first order.
            order.oca_group = first.oca_group or f"oco-{order.order_id}"
            order.oca_type = _CANCEL

    def _work(self, order: Order, now: float, *, closing: bool) -> None:
        if order.rejection is not None:
            if now - order.created >= order.rejection.after_s:
                order.reason = order.rejection.reason
                self._finish(order, order.rejection.status, now)
            return
        if order.status == OrderStatus.PENDING_CANCEL:
            if self._settings.fills_beat_cancels:
                self._match(order, now)
            if not order.is_done:
                self._finish(order, OrderStatus.CANCELLED, now)
            return
        if not self._may_trade(order, closing=closing):
            return
        if order.status != OrderStatus.SUBMITTED:
            self._set_status(order, OrderStatus.SUBMITTED, now)
        self._match(order, now)
        is_over = order.ticket.tif == "IOC" or order.ticket.kind.at_close
        if is_over and not order.is_done:
            self._finish(order, OrderStatus.CANCELLED, now)

    def _may_trade(self, order: Order, *, closing: bool) -> bool:
        """Tell whether neither its parent, the time of day nor its trigger holds an order back."""
        if order.status == OrderStatus.INACTIVE or order.held:
            return False
        if order.ticket.kind.at_close and not closing:
            return False
        return elect(order.ticket, order.trigger, market_of(self._board, order.instrument))

    def _match(self, order: Order, now: float) -> None:
        market = market_of(self._board, order.instrument)
        price = trade_price(order.ticket, order.trigger, market)
        if price is not None:
            self._fill(order, self._fill_size(order), price, now)

    def _fill_size(self, order: Order) -> Decimal:
        ticket = order.ticket
        if not self._settings.partial_fills or ticket.all_or_none or ticket.kind.at_close:
            return order.remaining
        third = (ticket.quantity / _PARTIAL_STEPS).quantize(Decimal(1), ROUND_UP)
        return min(order.remaining, third)

    def _fill(self, order: Order, quantity: Decimal, price: Decimal, now: float) -> None:
        order.filled += quantity
        order.spent += quantity * price
        order.changed = now
        self._fills += 1
        signed = quantity if order.ticket.is_buy else -quantity
        if order.instrument.legs:
            self._fill_legs(order, signed, price, now)
        else:
            self._book_fill(order, order.instrument, signed, price, now)
        if order.remaining:
            self._report(order_rows.sizes(order))
        else:
            self._finish(order, OrderStatus.FILLED, now)
        for child in self._children_of(order):
            self._release_for(child, order)
        for rival in self._rivals_of(order):
            if rival.oca_type == _REDUCE:
                self._reduce(rival, quantity, now)
            else:
                # The first fill, even a partial one, decides.
                self._finish(rival, OrderStatus.CANCELLED, now)

    def _fill_legs(self, order: Order, signed: Decimal, price: Decimal, now: float) -> None:
        """Report the combination as a whole and book its legs, as the TWS API tells of them.

        Legs trade at their own markets; what the combination got better or worse goes to the first.
        """
        combination = order.instrument
        prices = leg_prices(self._board, combination, buying=signed > 0)
        first = combination.legs[0]
        better = (price - price_of(combination, prices)) * combination.multiplier
        prices[0] += better / (first.ratio * first.instrument.multiplier)
        self._report_fill(order, combination, signed, price, now, part=1, commission=None)
        for part, (leg, leg_price) in enumerate(zip(combination.legs, prices, strict=True), 2):
            self._book_fill(order, leg.instrument, signed * leg.ratio, leg_price, now, part=part)

    def _book_fill(
        self,
        order: Order,
        instrument: Instrument,
        signed: Decimal,
        price: Decimal,
        now: float,
        *,
        part: int = 1,
    ) -> None:
        commission = self.commission(instrument, abs(signed))
        self._accounts[order.account_id].fill(instrument, signed, price, commission)
        self._report_fill(order, instrument, signed, price, now, part=part, commission=commission)

    def _report_fill(
        self,
        order: Order,
        instrument: Instrument,
        signed: Decimal,
        price: Decimal,
        now: float,
        *,
        part: int,
        commission: Decimal | None,
    ) -> None:
        execution = BookedExecution(
            execution_id=f"{self._execution_prefix}.{self._fills:08x}.{part:02}.01",
            order=order,
            instrument=instrument,
            is_buy=signed > 0,
            quantity=abs(signed),
            price=price,
            time=now,
            commission=commission,
            commission_known_at=now + self._settings.late_commission_s,
            position=self._accounts[order.account_id].position(instrument.conid),
        )
        self.executions.append(execution)
        if commission is not None:
            self._late_commissions.append(execution)
        self._events.append(Executed(order_rows.execution(execution, with_commission=False)))

    def _rivals_of(self, order: Order) -> list[Order]:
        if not order.oca_group:
            return []
        return [
            other
            for other in self.open_orders()
            if other is not order and other.oca_group == order.oca_group
        ]

    def _children_of(self, order: Order) -> list[Order]:
        return [self._open[number] for number in order.children if number in self._open]

    def _release_for(self, child: Order, parent: Order) -> None:
        """Let a child work for what its parent has filled."""
        if child.planned is None or not parent.filled:
            return
        size = min(child.planned, parent.filled) - child.reduced
        child.held = size <= child.filled
        if not child.held and size != child.ticket.quantity:
            child.ticket = replace(child.ticket, quantity=size)
            self._report(order_rows.full(child))

    def _reduce(self, order: Order, quantity: Decimal, now: float) -> None:
        """Take from an order what another one of its group has done; nothing left: it ends."""
        order.reduced += quantity
        left = order.ticket.quantity - quantity
        if left > order.filled:
            order.ticket = replace(order.ticket, quantity=left)
            self._report(order_rows.full(order))
        elif order.planned is not None and order.parent_id in self._open:
            # Its parent may still fill, and it is needed again.
            order.held = True
        else:
            self._finish(order, OrderStatus.CANCELLED, now)

    def _finish(self, order: Order, status: OrderStatus, now: float) -> None:
        """Bring an order to its end, and with it the children that it leaves without purpose."""
        order.status = status
        order.changed = now
        self._open.pop(order.order_id, None)
        if status == OrderStatus.FILLED:
            self._report(order_rows.final(order))
        else:
            self._report(order_rows.status(order))
        for child in self._children_of(order):
            if status == OrderStatus.FILLED:
                self._release_for(child, order)
            if child.held:
                self._finish(child, OrderStatus.CANCELLED, now)

    def _set_status(self, order: Order, status: OrderStatus, now: float) -> None:
        order.status = status
        order.changed = now
        self._report(order_rows.status(order))

    def _report(self, row: order_rows.Row) -> None:
        self._events.append(OrderChanged(row))

    def _report_commissions(self, now: float) -> None:
        waiting = self._late_commissions
        while waiting and waiting[0].commission_known_at <= now:
            execution = waiting.popleft()
            execution.commission_reported = True
            self._events.append(Executed(order_rows.execution(execution, with_commission=True)))
