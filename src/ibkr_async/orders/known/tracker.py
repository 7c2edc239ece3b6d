"""All orders of a session, folded from everything that says something about them. Pure.

Responsible for one truthful `OrderState` per order and for telling each change once. It must never
do I/O, read a clock or guess: `Filled` and `Cancelled` are said only when IBKR has said so.

How it is driven::

    tracker = OrderTracker(publish=..., on_doubt=...)
    # what this client did
    tracker.submitted(tickets, coid, account_id, now)     # before the first byte leaves
    tracker.acknowledged(coid, rows, now)                 # rows of the placing answer
    tracker.rejected(coid, detail, now)                   # IBKR refused it
    tracker.replaced(order_id, ticket, now)               # a modification was acknowledged
    tracker.expect(order_id)                              # a cancel was sent: news must come
    # what IBKR said
    tracker.live_order_row(row, now)                      # `sor`, or GET /iserver/account/orders
    tracker.trade_row(row, now)                           # `str`, or GET /iserver/account/trades
    tracker.status_reply(reply, now)                      # GET /iserver/account/order/status/{id}
    tracker.gap(now)                                      # from here on news may be missing
    tracker.reconciled(now, asked)                        # IBKR was asked about everything

`now` is Unix seconds and only ends up in events. `asked` is `tracker.version` as it was when a
request was sent: with it the tracker knows which answers are newer than all news. Leave it out for
answers of unknown age, and for what came over the socket.

**Doubt.** Some orders need a look through REST: a `sor` row that only names the order, a status that
goes back, fills that do not fit the status, something that this client did and nothing was heard
about. They are in `doubts` until news, or an answer that was asked for later, has settled it.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from ibkr_async.models.order_answers import LegRejected, OrderAccepted
from ibkr_async.models.orders import LiveOrder
from ibkr_async.orders.known.events import (
    AnyOrderEvent,
    OrderState,
    Reconciled,
    Rejected,
    changes,
)
from ibkr_async.orders.known.legs import name_legs
from ibkr_async.orders.known.observations import (
    Observation,
    from_acknowledgement,
    from_live_row,
    from_status_reply,
    from_ticket,
    has_limit_price,
    read_execution,
)
from ibkr_async.orders.known.record import OrderRecord
from ibkr_async.types import AccountId, ClientOrderId, OrderId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ibkr_async.models.order_answers import PlaceAnswer
    from ibkr_async.models.orders import OrderStatusReply, Ticket, Trade
    from ibkr_async.models.streaming import LiveOrderUpdate


_FACTS: Final = ("status", "quantity", "filled", "price", "executions")
"""What a trader would call a change."""


class Doubt(StrEnum):
    """Why an order needs a look."""

    SILENT = "silent"
    """Something happened, and no news says what. The next news settles it."""
    UNEVEN = "uneven"
    """Its fills and its status word do not fit. Whatever makes them fit settles it."""
    CONTRADICTED = "contradicted"
    """Its status went back. Only an answer settles it."""
    MISSED = "missed"
    """It was open before a gap, and no answer has named it since."""


class OrderTracker:
    """Rows in, events out. `publish` gets every event, in order; `on_doubt` is called for a new doubt.

    Neither may call back into the tracker.
    """

    def __init__(
        self, *, publish: Callable[[AnyOrderEvent], None], on_doubt: Callable[[], None]
    ) -> None:
        self.version = 0
        """Counts what could make an answer old. Take it before you ask, hand it in as `asked`."""
        self._publish = publish
        self._on_doubt = on_doubt
        self._records: dict[OrderId, OrderRecord] = {}
        self._told: dict[OrderId, OrderState] = {}
        """Each order as the events so far have told it."""
        self._submissions: dict[str, tuple[Ticket, ...]] = {}
        self._sent: dict[str, tuple[Ticket, str, float]] = {}
        """Ticket, account and time of each client order id that went out."""
        self._doubts: dict[OrderId, tuple[Doubt, int]] = {}
        self._gap_since: float | None = None
        self._gap_version = 0
        self._before_gap: dict[OrderId, OrderState] = {}

    # --- looking ---------------------------------------------------------------------------------

    def state(self, order_id: str) -> OrderState | None:
        """Give one order; None when nothing was ever heard of it."""
        told = self._told.get(OrderId(order_id))
        return None if told is None else self._with_doubt(told)

    def orders(self) -> tuple[OrderState, ...]:
        """Give every order, in the order in which they were first heard of."""
        return tuple(self._with_doubt(state) for state in self._told.values())

    def open_orders(self) -> tuple[OrderState, ...]:
        """Give the orders that IBKR has named a status of, and that are not done."""
        return tuple(
            state for state in self.orders() if state.status is not None and not state.is_done
        )

    def find(self, coid: str) -> tuple[OrderState, ...]:
        """Give the orders that carry a client order id, and the children of those.

        Shape: empty when no row has named it yet, which proves nothing.
        """
        states = self.orders()
        parents = {state.order_id for state in states if state.coid == coid}
        return tuple(
            state for state in states if state.order_id in parents or state.parent_id in parents
        )

    @property
    def doubts(self) -> Mapping[OrderId, Doubt]:
        """Orders that need a look, and why."""
        return MappingProxyType({order_id: why for order_id, (why, _) in self._doubts.items()})

    @property
    def gap_since(self) -> float | None:
        """When the gap began that `reconciled` has not closed yet."""
        return self._gap_since

    # --- what this client did --------------------------------------------------------------------

    def submitted(self, tickets: Sequence[Ticket], coid: str, account_id: str, now: float) -> None:
        """Note what is about to be sent, so that any row that names it can be understood."""
        self._submissions[coid] = tuple(tickets)
        for ticket in tickets:
            if ticket.coid is not None:
                self._sent[ticket.coid] = (ticket, account_id, now)

    def withdrawn(self, coid: str) -> None:
        """Forget what was submitted under an id that turned out to be an earlier order's.

        Otherwise the earlier order would be shown with the terms of the refused one.
        """
        for ticket in self._submissions.pop(coid, ()):
            if ticket.coid is not None:
                self._sent.pop(ticket.coid, None)

    def acknowledged(self, coid: str, rows: Sequence[PlaceAnswer], now: float) -> None:
        """Take in the rows of a placing answer, or of a reply to a question.

        Rows that acknowledge nothing are passed over. An order of which no news has come yet is in
        doubt until some does.
        """
        accepted = [row for row in rows if isinstance(row, OrderAccepted)]
        tickets = self._submissions.get(coid, ())
        names = {leg.order_id: leg.coid for leg in name_legs(accepted, tickets)} if tickets else {}
        account_id = self._sent[coid][1] if coid in self._sent else None
        for row in rows:
            if not isinstance(row, OrderAccepted | LegRejected):
                continue
            seen = from_acknowledgement(row)
            if seen is None:
                self.rejected(coid, row.text or row.warning_message or "", now)
                continue
            seen = msgspec.structs.replace(
                seen,
                coid=names.get(seen.order_id),
                account_id=None if account_id is None else AccountId(account_id),
            )
            record = self._observe(seen, now)
            self._tell(record, now, inferred=False)
            if not record.live_news and not record.is_done:
                self._doubt(record.order_id, Doubt.SILENT)

    def rejected(self, coid: str, detail: str, now: float) -> None:
        """Tell those who watch that IBKR refused an order, or a leg, that never got a number."""
        sent = self._sent.get(coid)
        state = OrderState(
            order_id=OrderId(""),
            coid=ClientOrderId(coid),
            account_id=None if sent is None else AccountId(sent[1]),
            reason=detail or None,
        )
        self._publish(Rejected(at=now, state=state, reason=state.reason))

    def replaced(self, order_id: str, ticket: Ticket, now: float) -> None:
        """Take in a modification that IBKR has acknowledged."""
        record = self._record(OrderId(order_id), now)
        record.replace(from_ticket(record.order_id, ticket))
        self._tell(record, now, inferred=False)
        self.expect(order_id)

    def expect(self, order_id: str) -> None:
        """Note that this client did something to an order, so that news must come."""
        record = self._records.get(OrderId(order_id))
        if record is not None and not record.is_done:
            self.version += 1
            self._doubt(record.order_id, Doubt.SILENT)

    # --- what IBKR said --------------------------------------------------------------------------

    def live_order_row(self, row: LiveOrderUpdate, now: float, asked: int | None = None) -> None:
        """Take in a row of `sor`, or, if it is a `LiveOrder`, of the live orders."""
        seen = from_live_row(row)
        if seen is None:
            return
        if isinstance(row, LiveOrder):
            self._read(seen, now, asked)
            return
        record = self._hear(seen, now)
        if record.contradicts(seen.status):
            self._doubt(record.order_id, Doubt.CONTRADICTED)
        elif row.is_marker:
            self._doubt(record.order_id, Doubt.SILENT)
        else:
            self._settle(record.order_id, Doubt.SILENT)
        self._check_evenness(record)
        self._tell(record, now, inferred=self._gap_since is not None)

    def trade_row(self, row: Trade, now: float, asked: int | None = None) -> None:
        """Take in a row of `str`, or of the trades; it may be the tenth copy."""
        execution = read_execution(row)
        order_id = self._order_of(row)
        if execution is None or order_id is None:
            return
        seen = Observation(
            order_id=order_id,
            coid=ClientOrderId(row.order_ref) if row.order_ref else None,
            account_id=execution.account_id,
            symbol=row.symbol,
        )
        known = self._records.get(order_id)
        is_news = asked is None and (known is None or not known.has(execution))
        record = self._hear(seen, now) if is_news else self._observe(seen, now)
        record.execute(execution)
        if is_news:
            self._check_evenness(record)
        self._tell(record, now, inferred=asked is not None or self._gap_since is not None)

    def status_reply(self, reply: OrderStatusReply, now: float, asked: int | None = None) -> None:
        """Take in an order status answer."""
        seen = from_status_reply(reply)
        if seen is not None:
            self._read(seen, now, asked)

    # --- gaps ------------------------------------------------------------------------------------

    def gap(self, now: float) -> None:
        """Note that news may be missing from here on. Every open order is in doubt then."""
        self.version += 1
        self._gap_version = self.version
        if self._gap_since is None:
            self._gap_since = now
            self._before_gap = {state.order_id: state for state in self.open_orders()}
        self._on_doubt()

    def reconciled(self, now: float, asked: int) -> None:
        """Close the gap: the live orders and the trades that were asked for have been taken in.

        Orders that were open before and that no answer has named stay in doubt. Nothing happens
        when another gap began after the asking.
        """
        if self._gap_since is None or asked < self._gap_version:
            return
        gap_s, before_gap = max(0.0, now - self._gap_since), self._before_gap
        self._gap_since, self._before_gap = None, {}
        for order_id, before in before_gap.items():
            record = self._records.get(order_id)
            if record is None:
                continue
            if record.last_read < self._gap_version:
                self._doubt(order_id, Doubt.MISSED)
                continue
            state = self._told[order_id]
            changed = any(getattr(state, name) != getattr(before, name) for name in _FACTS)
            self._publish(
                Reconciled(
                    at=now,
                    state=self._with_doubt(state),
                    inferred=True,
                    gap_s=gap_s,
                    changed=changed,
                )
            )

    def forget(self, before: float) -> tuple[OrderId, ...]:
        """Drop what nothing was heard of since: finished orders, and what was sent.

        Shape: the order ids that are gone. IBKR repeats fills for seven days: forget later.
        """
        gone = tuple(
            order_id
            for order_id, record in self._records.items()
            if record.touched_at < before and not record.is_open
        )
        for order_id in gone:
            del self._records[order_id]
            self._told.pop(order_id, None)
            self._doubts.pop(order_id, None)
        old = [coid for coid, (_, _, sent_at) in self._sent.items() if sent_at < before]
        for coid in old:
            del self._sent[coid]
            self._submissions.pop(coid, None)
        return gone

    # --- inside ----------------------------------------------------------------------------------

    def _hear(self, seen: Observation, now: float) -> OrderRecord:
        """Take in news that came by itself."""
        self.version += 1
        record = self._observe(seen, now)
        record.live_news = self.version
        return record

    def _read(self, seen: Observation, now: float, asked: int | None) -> None:
        """Take in an answer."""
        known = self._records.get(seen.order_id)
        is_newer = asked is not None and (known is None or asked >= known.live_news)
        record = self._observe(seen, now, may_go_back=is_newer)
        if asked is not None:
            record.last_read = max(record.last_read, asked)
            why = self._doubts.get(record.order_id)
            if why is not None and asked >= why[1]:
                del self._doubts[record.order_id]
        self._settle_evenness(record)
        self._tell(record, now, inferred=True)

    def _observe(self, seen: Observation, now: float, *, may_go_back: bool = False) -> OrderRecord:
        record = self._record(seen.order_id, now)
        if seen.coid in self._sent and not record.knows_ticket:
            # What was ordered comes first: whatever a row says about it is newer.
            record.knows_ticket = True
            record.observe(from_ticket(seen.order_id, self._sent[seen.coid][0]))
        record.observe(seen, may_go_back=may_go_back)
        return record

    def _record(self, order_id: OrderId, now: float) -> OrderRecord:
        record = self._records.get(order_id)
        if record is None:
            record = self._records[order_id] = OrderRecord(order_id)
        record.touched_at = now
        return record

    def _order_of(self, row: Trade) -> OrderId | None:
        """Give the order of an execution: by its number, else by a reference that only one has."""
        if row.order_id:
            return OrderId(row.order_id)
        if not row.order_ref:
            return None
        named = [state.order_id for state in self._told.values() if state.coid == row.order_ref]
        return named[0] if len(named) == 1 else None

    def _tell(self, record: OrderRecord, now: float, *, inferred: bool) -> None:
        """Publish what is different from what was told."""
        if record.is_done and not record.is_uneven:
            self._doubts.pop(record.order_id, None)
        before = self._told.get(record.order_id)
        after = record.state(in_doubt=self._is_doubtful(record.order_id, is_done=record.is_done))
        if after == before:
            return
        self._told[record.order_id] = after
        by_price = has_limit_price(after.order_type)
        for event in changes(before, after, at=now, inferred=inferred, by_price=by_price):
            self._publish(event)

    # --- doubts ----------------------------------------------------------------------------------

    def _doubt(self, order_id: OrderId, why: Doubt) -> None:
        known = self._doubts.get(order_id)
        if known is not None and known[0] in {Doubt.CONTRADICTED, Doubt.MISSED}:
            why = known[0]
        self._doubts[order_id] = (why, self.version)
        self._on_doubt()

    def _settle(self, order_id: OrderId, why: Doubt) -> None:
        known = self._doubts.get(order_id)
        if known is not None and known[0] is why:
            del self._doubts[order_id]

    def _check_evenness(self, record: OrderRecord) -> None:
        if record.is_uneven:
            self._doubt(record.order_id, Doubt.UNEVEN)
        else:
            self._settle(record.order_id, Doubt.UNEVEN)

    def _settle_evenness(self, record: OrderRecord) -> None:
        if not record.is_uneven:
            self._settle(record.order_id, Doubt.UNEVEN)

    def _is_doubtful(self, order_id: OrderId, *, is_done: bool) -> bool:
        in_gap = self._gap_since is not None and (not is_done or order_id in self._before_gap)
        return in_gap or order_id in self._doubts

    def _with_doubt(self, state: OrderState) -> OrderState:
        """Give a state whose `in_doubt` is that of this moment."""
        in_doubt = self._is_doubtful(state.order_id, is_done=state.is_done)
        if in_doubt == state.in_doubt:
            return state
        return msgspec.structs.replace(state, in_doubt=in_doubt)
