"""All orders of a session, folded from everything that says something about them. Pure.

Responsible for one truthful `OrderState` per order and for telling each change once. It must never
do I/O, read a clock or guess: `Filled` and `Cancelled` are said only when IBKR has said so.

How it is driven::

    tracker = OrderTracker(publish=..., on_doubt=..., on_settled=...)
    # what this client did
    tracker.submitted(tickets, coid, account_id)          # before the first byte leaves
    tracker.acknowledged(coid, rows, now)                 # rows of the placing answer
    tracker.identified(coid, order_ids, now)              # it was found after all
    tracker.rejected(coid, detail, now)                   # IBKR refused it
    tracker.replaced(order_id, ticket, now)               # a modification was acknowledged
    tracker.expect(order_id)                              # a cancel was sent: news must come
    # what IBKR said
    tracker.live_order_row(row, now)                      # `sor`, or GET /iserver/account/orders
    tracker.trade_row(row, now)                           # `str`, or GET /iserver/account/trades
    tracker.status_reply(reply, now)                      # GET /iserver/account/order/status/{id}
    tracker.gap()                                         # from here on news may be missing
    tracker.reconciled(now, asked, gap_s)                 # IBKR was asked about everything

`now` is Unix seconds and only ends up in events. `asked` is `tracker.version` as it was when a
request was sent: with it the tracker knows which answers are newer than all news. Leave it out for
answers of unknown age, and for what came over the socket.

**Doubt.** Some orders need a look through REST: a `sor` row that only names the order, a status that
goes back or claims an end, fills that do not fit the status, something that this client did and
nothing was heard about. They are in `doubts` until news, or an answer that was asked for later, has
settled it.

Nothing that is done per row grows with the number of orders: what is asked often has an index.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import msgspec

from ibkr_async.models.order_answers import LegRejected, OrderAccepted
from ibkr_async.models.orders import LiveOrder
from ibkr_async.orders.known.events import (
    AnyOrderEvent,
    Itemised,
    NotApplied,
    OrderState,
    Reconciled,
    Rejected,
    Twin,
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
from ibkr_async.orders.known.terms import differing_terms
from ibkr_async.types import AccountId, ClientOrderId, OrderId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from decimal import Decimal

    from ibkr_async.models.order_answers import PlaceAnswer
    from ibkr_async.models.orders import OrderStatusReply, Ticket, Trade
    from ibkr_async.models.streaming import LiveOrderUpdate


Key = TypeVar("Key", bound=str)

_FACTS: Final = ("status", "quantity", "filled", "price", "executions")
"""What a trader would call a change."""
_NEWS_S: Final = 300.0
"""Age from which an execution is no news: `str` repeats those of a week for whoever asks for them."""


class Doubt(StrEnum):
    """Why an order needs a look."""

    SILENT = "silent"
    """Something happened, and no news says what. The next news settles it."""
    UNEVEN = "uneven"
    """Its fills and its status word do not fit. Whatever makes them fit settles it."""
    CONTRADICTED = "contradicted"
    """Its status went back. Only an answer settles it."""
    ENDED = "ended"
    """The socket says that it is over. Only an answer settles it, and somebody waits for that."""
    MISSED = "missed"
    """It was open before a gap, and no answer has named it since."""


_ONLY_ANSWERS_SETTLE: Final = frozenset({Doubt.CONTRADICTED, Doubt.ENDED, Doubt.MISSED})


class _Sent(NamedTuple):
    """What went out under one client order id."""

    ticket: Ticket
    account_id: str
    version: int
    """Of the tracker, at that moment."""
    heard: int
    """How many orders had been heard of by then."""


class OrderTracker:
    """Rows in, events out. None of what it calls may call back into it."""

    def __init__(
        self,
        *,
        publish: Callable[[AnyOrderEvent], None],
        on_doubt: Callable[[], None],
        on_settled: Callable[[OrderId | None], None],
    ) -> None:
        """`publish` hears of every event, in order.

        `on_doubt` hears when there is something to ask IBKR about; `on_settled` when an order, or
        None for any of them, is in doubt no more, which is no event of its own.
        """
        self.version = 0
        """Counts what could make an answer old. Take it before you ask, hand it in as `asked`."""
        self._publish = publish
        self._on_doubt = on_doubt
        self._on_settled = on_settled
        self._records: dict[OrderId, OrderRecord] = {}
        self._heard = 0
        """How many orders were ever heard of."""
        self._submissions: dict[str, tuple[Ticket, ...]] = {}
        self._sent: dict[str, _Sent] = {}
        """What went out under each client order id."""
        # what is asked often: order ids in the place of sets, which keep no order
        self._open: dict[OrderId, None] = {}
        self._by_coid: dict[str, dict[OrderId, None]] = {}
        self._children: dict[OrderId, dict[OrderId, None]] = {}
        self._unitemised: dict[OrderId, Decimal] = {}
        # doubts and gaps
        self._doubts: dict[OrderId, tuple[Doubt, int]] = {}
        self._new_doubts: dict[OrderId, None] = {}
        self._in_gap = False
        self._gap_version = 0
        self._before_gap: dict[OrderId, OrderState] = {}

    # --- looking ---------------------------------------------------------------------------------

    def state(self, order_id: str) -> OrderState | None:
        """Return one order; None when nothing was ever heard of it."""
        record = self._records.get(OrderId(order_id))
        return None if record is None else self.state_of(record)

    def record(self, order_id: str) -> OrderRecord | None:
        """Return what is known of one order, to be kept: it stays as it is when it is forgotten."""
        return self._records.get(OrderId(order_id))

    def state_of(self, record: OrderRecord) -> OrderState:
        """Return the state of a record at this moment."""
        in_doubt = self.is_in_doubt(record)
        told = record.told
        if told is None or told.in_doubt != in_doubt:
            return record.state(in_doubt=in_doubt)
        return told

    def is_in_doubt(self, record: OrderRecord) -> bool:
        """Tell whether something of an order may have been missed."""
        order_id = record.order_id
        if self._records.get(order_id) is not record:
            return False
        in_gap = self._in_gap and (not record.is_done or order_id in self._before_gap)
        return in_gap or order_id in self._doubts

    def orders(self) -> tuple[OrderState, ...]:
        """Return every order, in the order in which they were first heard of."""
        return tuple(map(self.state_of, self._records.values()))

    def open_orders(self) -> tuple[OrderState, ...]:
        """Return the orders that IBKR has named a status of, and that are not done."""
        return self._states(self._open)

    @property
    def has_open_orders(self) -> bool:
        """Tell whether `open_orders` would give any."""
        return bool(self._open)

    def family(self, coids: Iterable[str], order_ids: Iterable[str] = ()) -> tuple[OrderState, ...]:
        """Return the orders with one of these client order ids or numbers, and their children.

        Shape: in the order in which they were first heard of; empty when no row has named one yet,
        which proves nothing.
        """
        parents = {OrderId(one) for one in order_ids}
        parents.update(one for coid in coids for one in self._by_coid.get(coid, ()))
        children = {child for parent in parents for child in self._children.get(parent, ())}
        return self._states(parents | children)

    @property
    def doubts(self) -> Mapping[OrderId, Doubt]:
        """Orders that need a look, and why."""
        return MappingProxyType({order_id: why for order_id, (why, _) in self._doubts.items()})

    def doubt(self, order_id: OrderId) -> Doubt | None:
        """Return why an order needs a look; None when it needs none."""
        known = self._doubts.get(order_id)
        return None if known is None else known[0]

    def take_new_doubts(self) -> tuple[OrderId, ...]:
        """Return the orders that came into doubt since the last time of asking."""
        new, self._new_doubts = self._new_doubts, {}
        return tuple(new)

    @property
    def unitemised(self) -> Mapping[OrderId, Decimal]:
        """Orders of which more is filled than the executions hold, and how much is."""
        return MappingProxyType(self._unitemised)

    @property
    def in_gap(self) -> bool:
        """Tell whether a gap has begun that `reconciled` has not closed yet."""
        return self._in_gap

    # --- what this client did --------------------------------------------------------------------

    def submitted(self, tickets: Sequence[Ticket], coid: str, account_id: str) -> None:
        """Note what is about to be sent, so that any row that names it can be understood."""
        self._submissions[coid] = tuple(tickets)
        for ticket in tickets:
            if ticket.coid is not None:
                self._sent[ticket.coid] = _Sent(ticket, account_id, self.version, self._heard)

    def ticket(self, order_id: str) -> Ticket | None:
        """Return the ticket that IBKR has last acknowledged of an order; None when nobody knows."""
        record = self._records.get(OrderId(order_id))
        return None if record is None else record.ticket

    def overshoots(self, order_id: str, ticket: Ticket) -> OrderState | None:
        """Return the parent of an exit that a ticket would let trade more than the parent has filled."""
        child = self.state(order_id)
        parent = None if child is None or child.parent_id is None else self.state(child.parent_id)
        if child is None or parent is None or child.side == parent.side:
            return None
        is_more = ticket.quantity is not None and ticket.quantity > parent.filled > 0
        return parent if is_more else None

    def is_earlier(self, order_id: str, coid: str) -> bool:
        """Tell whether an order was heard of before something was sent under a client order id."""
        record, sent = self._records.get(OrderId(order_id)), self._sent.get(coid)
        return record is not None and sent is not None and record.number < sent.heard

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
        answers = [row for row in rows if isinstance(row, OrderAccepted | LegRejected)]
        seen = [from_acknowledgement(row) for row in answers]
        accepted = [
            one
            for row, one in zip(answers, seen, strict=True)
            if one is not None and isinstance(row, OrderAccepted)
        ]
        tickets = self._submissions.get(coid, ())
        names = {leg.order_id: leg.coid for leg in name_legs(accepted, tickets)} if tickets else {}
        account_id = AccountId(self._sent[coid].account_id) if coid in self._sent else None
        for row, one in zip(answers, seen, strict=True):
            if one is None:
                self.rejected(coid, row.text or row.warning_message or "", now)
                continue
            named = msgspec.structs.replace(
                one, coid=names.get(one.order_id), account_id=account_id
            )
            record = self._observe(named)
            self._tell(record, now, inferred=False)
            if not record.live_news and not record.is_done:
                self._doubt(record.order_id, Doubt.SILENT)

    def rejected(self, coid: str, detail: str, now: float) -> None:
        """Let those who watch know that IBKR refused an order, or a leg, that never got a number."""
        sent = self._sent.get(coid)
        state = OrderState(
            order_id=OrderId(""),
            coid=ClientOrderId(coid),
            account_id=None if sent is None else AccountId(sent.account_id),
            reason=detail or None,
        )
        self._publish(Rejected(at=now, state=state, reason=state.reason))

    def identified(self, coid: str, order_ids: Sequence[str | None], now: float) -> None:
        """Note which orders a submission turned out to be."""
        states = [state for one in order_ids if one and (state := self.state(one)) is not None]
        for leg in name_legs(states, self._submissions.get(coid, ())):
            record = self._observe(Observation(order_id=leg.order_id, coid=leg.coid))
            self._tell(record, now, inferred=False)

    def replaced(self, order_id: str, ticket: Ticket, now: float) -> None:
        """Take in a modification that IBKR has acknowledged."""
        record = self._record(OrderId(order_id))
        record.knows_ticket, record.ticket, record.unseen = True, ticket, ticket
        record.replace(from_ticket(record.order_id, ticket))
        self._tell(record, now, inferred=False)
        self.expect(order_id)
        record.replaced_at = self.version

    def modifying(self, order_id: str) -> None:
        """Note that new terms are about to be sent: what is shown next may be these or the old ones."""
        record = self._records.get(OrderId(order_id))
        if record is not None:
            record.unseen = None

    def unsure(self, order_id: str) -> None:
        """Note that nobody knows whether a modification was applied."""
        record = self._records.get(OrderId(order_id))
        if record is not None:
            record.knows_ticket, record.ticket = True, None

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
        record = self._record(seen.order_id)
        self._take_ticket(record, seen)
        contradicts = record.hear(seen)
        differing = record.differing(seen)
        if differing == ():
            record.unseen = None
        self._note_news(record)
        if contradicts or differing:
            self._doubt(record.order_id, Doubt.CONTRADICTED)
        elif record.claim and not record.may_add_up:
            self._doubt(record.order_id, Doubt.ENDED)
        elif row.is_marker or record.unseen is not None:
            self._doubt(record.order_id, Doubt.SILENT)
        else:
            self._settle(record.order_id, Doubt.SILENT)
        self._check_evenness(record)
        self._tell(record, now, inferred=self._in_gap)

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
        record = self._observe(seen)
        executed = record.execute(execution)
        if asked is None and executed is not None:
            self._note_news(record)
            self._check_evenness(record)
        is_old = execution.time_ms is not None and now - execution.time_ms / 1000 > _NEWS_S
        inferred = asked is not None or self._in_gap or is_old
        self._tell(record, now, inferred=inferred, executed=executed)

    def status_reply(self, reply: OrderStatusReply, now: float, asked: int | None = None) -> None:
        """Take in an order status answer."""
        seen = from_status_reply(reply)
        if seen is not None:
            self._read(seen, now, asked, reply)

    def unnamed(self, order_id: OrderId, now: float) -> None:
        """Note that IBKR was asked about an order in every way, and named it in none.

        An end that the socket has claimed is true then: a working order would be in the list.
        """
        record = self._records.get(order_id)
        if record is not None and record.concede():
            self._drop_doubt(order_id)
            self._tell(record, now, inferred=True)

    # --- gaps ------------------------------------------------------------------------------------

    def gap(self) -> None:
        """Note that news may be missing from here on. Every open order is in doubt then."""
        self.version += 1
        self._gap_version = self.version
        if not self._in_gap:
            self._before_gap = {state.order_id: state for state in self.open_orders()}
            self._in_gap = True
        self._on_doubt()

    def reconciled(self, now: float, asked: int, gap_s: float) -> None:
        """Close the gap: the live orders and the trades that were asked for have been taken in.

        Orders that were open before and that no answer has named stay in doubt. Nothing happens
        when another gap began after the asking.
        """
        if not self._in_gap or asked < self._gap_version:
            return
        before_gap = self._before_gap
        self._in_gap, self._before_gap = False, {}
        for order_id, before in before_gap.items():
            record = self._records.get(order_id)
            if record is None:
                continue
            if record.last_read < self._gap_version:
                self._doubt(order_id, Doubt.MISSED)
                continue
            state = self.state_of(record)
            changed = any(getattr(state, name) != getattr(before, name) for name in _FACTS)
            self._publish(
                Reconciled(at=now, state=state, inferred=True, gap_s=gap_s, changed=changed)
            )
        self._on_settled(None)

    def forget(self, before: int) -> tuple[OrderId, ...]:
        """Drop what nothing was heard of since version `before`: finished orders, and what was sent.

        Shape: the order ids that are gone. IBKR repeats fills for seven days: forget later.
        """
        gone = [one for one in self._records.values() if one.touched <= before and not one.is_open]
        for record in gone:
            self._drop(record)
        for coid in [coid for coid, sent in self._sent.items() if sent.version <= before]:
            del self._sent[coid]
            self._submissions.pop(coid, None)
        return tuple(record.order_id for record in gone)

    # --- inside ----------------------------------------------------------------------------------

    def _note_news(self, record: OrderRecord) -> None:
        """Note that news of an order came by itself."""
        self.version += 1
        record.live_news = record.touched = self.version

    def _read(
        self,
        seen: Observation,
        now: float,
        asked: int | None,
        reply: OrderStatusReply | None = None,
    ) -> None:
        """Take in an answer; `reply` when it is that to the status of the order."""
        known = self._records.get(seen.order_id)
        is_newer = asked is not None and (known is None or asked >= known.live_news)
        claim = None if known is None else known.claim
        record = self._observe(seen, may_go_back=is_newer)
        if asked is not None and seen.status is not None:
            record.last_read = max(record.last_read, asked)
            why, since = self._doubts.get(record.order_id, (None, 0))
            needs_newest = why in {Doubt.CONTRADICTED, Doubt.ENDED}
            if why is not None and asked >= since and (is_newer or not needs_newest):
                self._drop_doubt(record.order_id)
        self._settle_evenness(record)
        if claim and is_newer and not record.is_done:
            # The socket may have been ahead of the answer: one more look, unless news comes before.
            self._doubt(record.order_id, Doubt.SILENT)
        was_seen = claim is not None and record.status == claim
        self._tell(record, now, inferred=self._in_gap or not was_seen)
        if record.unseen is not None and asked is not None and asked >= record.replaced_at:
            self._compare(record, seen, reply, now)

    def _compare(
        self, record: OrderRecord, seen: Observation, reply: OrderStatusReply | None, now: float
    ) -> None:
        """Let those who watch know that an answer shows other terms than IBKR has acknowledged."""
        wanted, differing = record.unseen, record.differing(seen)
        if reply is not None and wanted is not None:
            differing = differing_terms(reply, wanted)
        if differing is None:
            return
        record.unseen = None
        if differing and not record.is_done:
            record.ticket = None
            state = self.state_of(record)
            self._publish(NotApplied(at=now, state=state, inferred=True, terms=differing))

    def _observe(self, seen: Observation, *, may_go_back: bool = False) -> OrderRecord:
        record = self._record(seen.order_id)
        self._take_ticket(record, seen)
        record.observe(seen, may_go_back=may_go_back)
        return record

    def _take_ticket(self, record: OrderRecord, seen: Observation) -> None:
        """Take in what was ordered, first: whatever a row says about it is newer."""
        if seen.coid in self._sent and not record.knows_ticket:
            record.knows_ticket = True
            record.ticket = self._sent[seen.coid].ticket
            record.observe(from_ticket(seen.order_id, record.ticket))

    def _record(self, order_id: OrderId) -> OrderRecord:
        record = self._records.get(order_id)
        if record is None:
            record = self._records[order_id] = OrderRecord(order_id, self._heard)
            self._heard += 1
        record.touched = self.version
        return record

    def _states(self, order_ids: Iterable[OrderId]) -> tuple[OrderState, ...]:
        records = [self._records[one] for one in order_ids if one in self._records]
        return tuple(map(self.state_of, sorted(records, key=lambda one: one.number)))

    def _order_of(self, row: Trade) -> OrderId | None:
        """Return the order of an execution: by its number, else by a reference that only one has."""
        if row.order_id:
            return OrderId(row.order_id)
        named = self._by_coid.get(row.order_ref or "", {})
        return next(iter(named)) if len(named) == 1 else None

    def _tell(
        self, record: OrderRecord, now: float, *, inferred: bool, executed: Itemised | None = None
    ) -> None:
        """Publish what is different from what was told."""
        if record.is_done and not record.is_uneven and not record.claim:
            self._drop_doubt(record.order_id)
        before = record.told
        after = record.state(in_doubt=self.is_in_doubt(record))
        if after == before:
            return
        record.told = after
        self._index(record, after)
        by_price = has_limit_price(after.order_type)
        for event in changes(
            before, after, at=now, inferred=inferred, by_price=by_price, executed=executed
        ):
            self._publish(event)
        if after.coid is not None and (before is None or before.coid is None):
            self._note_coid(record.order_id, after, now)

    def _index(self, record: OrderRecord, state: OrderState) -> None:
        order_id = record.order_id
        if record.is_open:
            if not self._open:
                self._on_doubt()
            self._open[order_id] = None
        else:
            self._open.pop(order_id, None)
        if record.is_itemised:
            self._unitemised.pop(order_id, None)
        elif self._unitemised.get(order_id) != state.filled:
            self._unitemised[order_id] = state.filled
            self._on_doubt()
        if state.parent_id is not None:
            self._children.setdefault(state.parent_id, {})[order_id] = None

    def _note_coid(self, order_id: OrderId, state: OrderState, now: float) -> None:
        """Note who carries a client order id; tell of each other those who carry one of ours.

        Orders from elsewhere may share a reference by intent, any number of them.
        """
        carriers = self._by_coid.setdefault(str(state.coid), {})
        for twin in self._states(carriers if state.coid in self._sent else ()):
            if state.parent_id != twin.order_id and twin.parent_id != order_id:
                self._publish(Twin(at=now, state=twin, twin=state, inferred=True))
                self._publish(Twin(at=now, state=state, twin=twin, inferred=True))
        carriers[order_id] = None

    def _drop(self, record: OrderRecord) -> None:
        """Forget an order, and wherever it is noted."""
        order_id, told = record.order_id, self.state_of(record)
        self._drop_doubt(order_id)
        for index in (self._records, self._new_doubts, self._open, self._unitemised):
            index.pop(order_id, None)
        if told.coid is not None:
            _take_out(self._by_coid, str(told.coid), order_id)
        if told.parent_id is not None:
            _take_out(self._children, told.parent_id, order_id)

    # --- doubts ----------------------------------------------------------------------------------

    def _doubt(self, order_id: OrderId, why: Doubt) -> None:
        known = self.doubt(order_id)
        if known is not None and known in _ONLY_ANSWERS_SETTLE and why is not Doubt.ENDED:
            why = known
        self._doubts[order_id] = (why, self.version)
        self._new_doubts[order_id] = None
        self._on_doubt()

    def _settle(self, order_id: OrderId, why: Doubt) -> None:
        if self.doubt(order_id) is why:
            self._drop_doubt(order_id)

    def _drop_doubt(self, order_id: OrderId) -> None:
        if self._doubts.pop(order_id, None) is not None:
            self._on_settled(order_id)

    def _check_evenness(self, record: OrderRecord) -> None:
        if record.is_uneven:
            self._doubt(record.order_id, Doubt.UNEVEN)
        else:
            self._settle(record.order_id, Doubt.UNEVEN)

    def _settle_evenness(self, record: OrderRecord) -> None:
        if not record.is_uneven:
            self._settle(record.order_id, Doubt.UNEVEN)


def _take_out(index: dict[Key, dict[OrderId, None]], key: Key, order_id: OrderId) -> None:
    """Take an order out of an index, and its key with the last one."""
    noted = index.get(key, {})
    noted.pop(order_id, None)
    if not noted:
        index.pop(key, None)
