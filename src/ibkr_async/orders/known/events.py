"""What is known of an order, and what can happen to it, as inert values. No behaviour beyond sums.

`OrderState` is one order at one moment; events say what changed and carry the state after it. How
they come about is `known.tracker`; who receives them is `known.news`.
"""

from __future__ import annotations

from decimal import Decimal
from functools import reduce
from typing import TypeAlias

import msgspec

from ibkr_async.models.fact import Fact
from ibkr_async.types import EXACT, TERMINAL_STATUSES, AccountId, ClientOrderId, Conid, OrderId

_NOTHING = Decimal(0)


class Execution(Fact, msgspec.Struct, frozen=True, kw_only=True):
    """One fill, merged from every row that IBKR sent about it."""

    execution_id: str
    """IBKR's id. A correction comes under a new id, of which only the last group differs."""
    size: Decimal
    """Quantity, in shares or contracts."""
    price: Decimal | None = None
    """Price, currency of the contract; None when IBKR left it out."""
    commission: Decimal | None = None
    """Commission, currency of the contract; None until it is known."""
    account_id: AccountId | None = None
    """Account that was filled."""
    side: str | None = None
    """`BUY`, `SELL`, or `N` for the netting of event contracts."""
    conid: Conid | None = None
    """Contract; the leg's for a leg of a combination."""
    sec_type: str | None = None
    """Type of security, such as `STK`; `BAG` for a combination as a whole."""
    exchange: str | None = None
    """Where it was executed."""
    time_ms: int | None = None
    """When, Unix milliseconds."""


Itemised: TypeAlias = tuple[Execution | None, Execution]
"""One execution before and after a row about it; None before the first."""


class OrderState(Fact, msgspec.Struct, frozen=True, kw_only=True):
    """One order as far as it is known. `filled` never falls, and a terminal status is final.

    A terminal status has been checked: an answer of IBKR's says it, or the executions add up to it.
    The one exception: a `Cancelled` order that IBKR says has filled all the same becomes `Filled`.
    """

    order_id: OrderId
    """IBKR's number of the order; empty for an order that was refused before it got one."""
    coid: ClientOrderId | None = None
    """Client order id, `order_ref` in IBKR's rows; None for orders that have none."""
    account_id: AccountId | None = None
    """Account of the order."""
    conid: Conid | None = None
    """Contract."""
    symbol: str | None = None
    """Symbol, where IBKR has said it."""
    side: str | None = None
    """`BUY` or `SELL`."""
    order_type: str | None = None
    """As tickets spell it (`LMT`), or IBKR's own word where that is not known."""
    parent_id: OrderId | None = None
    """Order id of the parent, for exits of a bracket."""
    status: str | None = None
    """Status word, see `types.OrderStatus`; None when IBKR has not said any."""
    quantity: Decimal | None = None
    """Quantity ordered, in shares or contracts; None when unknown, as for cash quantities."""
    filled: Decimal = _NOTHING
    """Filled so far, by IBKR's count or by the executions, whichever is more. It never falls."""
    average_price: Decimal | None = None
    """Mean price of what is filled, currency of the contract."""
    price: Decimal | None = None
    """Limit price, currency of the contract."""
    executions: tuple[Execution, ...] = ()
    """Fills that IBKR has itemised, by time; corrections replace what they correct."""
    reason: str | None = None
    """Why IBKR cancelled or refused it, in IBKR's words."""
    in_doubt: bool = False
    """True while something may have been missed (a gap, a contradiction) and is being looked up."""
    legs: tuple[OrderState, ...] = ()
    """In the state of a handle, the other orders that were placed with it: a bracket's exits, the
    rest of a group. Events are about one order each and leave it empty."""

    @property
    def is_done(self) -> bool:
        """Tell whether neither it nor one of `legs` can trade any more. `Inactive` can come back."""
        return self.has_ended and all(leg.is_done for leg in self.legs)

    @property
    def has_ended(self) -> bool:
        """Tell whether this very order, whatever its `legs` do, can trade no more."""
        return self.status in TERMINAL_STATUSES

    @property
    def is_itemised(self) -> bool:
        """Tell whether `executions` hold all that is filled, as far as a combination shows it."""
        return self.is_combo or self.executed >= self.filled

    @property
    def is_combo(self) -> bool:
        """Tell whether it is a combination, by what its executions say."""
        return any(one.sec_type == "BAG" for one in self.executions) or (
            len({one.conid for one in self.executions if one.conid is not None}) > 1
        )

    @property
    def remaining(self) -> Decimal | None:
        """Quantity still open: 0 once it has ended, None when the quantity is not known."""
        if self.has_ended:
            return _NOTHING
        return (
            None
            if self.quantity is None
            else max(_NOTHING, EXACT.subtract(self.quantity, self.filled))
        )

    @property
    def executed(self) -> Decimal:
        """Sum of the executions as they stand. A correction can make it less than `filled`.

        Of a combination only the executions of the whole count, not those of its legs.
        """
        whole_only = self.is_combo
        counted = (e.size for e in self.executions if not whole_only or e.sec_type == "BAG")
        return reduce(EXACT.add, counted, _NOTHING)

    @property
    def commission(self) -> Decimal | None:
        """Sum of the commissions, currency of the contract; None while one is missing or nothing is itemised."""
        known = [one.commission for one in self.executions if one.commission is not None]
        if not known or len(known) < len(self.executions):
            return None
        return reduce(EXACT.add, known, _NOTHING)

    @property
    def is_settled(self) -> bool:
        """Tell whether it has ended, every fill is itemised, and every commission is known."""
        return (
            self.has_ended
            and self.executed >= self.filled
            and (not self.executions or self.commission is not None)
        )


# --- events --------------------------------------------------------------------------------------


class OrderEvent(Fact, msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Something happened to an order."""

    at: float
    """When this client took note of it, Unix seconds."""
    state: OrderState
    """The order after it."""
    inferred: bool = False
    """True when it was concluded from a later look (REST, or the first news after a gap), and not
    seen as it happened: steps in between may be missing."""

    @property
    def order_id(self) -> OrderId:
        """IBKR's number of the order."""
        return self.state.order_id

    @property
    def coid(self) -> ClientOrderId | None:
        """Client order id."""
        return self.state.coid


class StatusChange(OrderEvent, frozen=True, kw_only=True, tag=True):
    """IBKR reports another status word, or more filled than its executions said so far."""

    status: str | None
    """The word now."""
    previous: str | None
    """The word before; None at the first."""


class Fill(OrderEvent, frozen=True, kw_only=True, tag=True):
    """An execution. Each is told once, however often IBKR repeats it."""

    execution: Execution
    """The execution; usually without its commission yet."""
    corrects: Execution | None = None
    """What it replaces, when IBKR corrected an execution that was told before."""


class Commission(OrderEvent, frozen=True, kw_only=True, tag=True):
    """The commission of an execution became known, or changed."""

    execution: Execution
    """The execution with its commission."""


class Replaced(OrderEvent, frozen=True, kw_only=True, tag=True):
    """The order was modified: by this client, or elsewhere."""

    quantity: Decimal | None
    """Quantity now."""
    price: Decimal | None
    """Limit price now."""
    previous_quantity: Decimal | None
    """Quantity before."""
    previous_price: Decimal | None
    """Limit price before."""


class NotApplied(OrderEvent, frozen=True, kw_only=True, tag=True):
    """IBKR has acknowledged a modification of this client's, and shows the order with other terms.

    It acknowledges and ignores a new quantity of a child that waits for its parent, for one. If the
    terms come later all the same, `Replaced` tells so.
    """

    terms: tuple[str, ...]
    """Names of the terms that are not as they were asked for."""


class Cancelled(OrderEvent, frozen=True, kw_only=True, tag=True):
    """The rest of the order is cancelled. Comes after its `StatusChange`; a late fill may follow."""

    filled: Decimal
    """What was filled before."""
    reason: str | None = None
    """IBKR's words, when it cancelled by itself."""


class Rejected(OrderEvent, frozen=True, kw_only=True, tag=True):
    """IBKR refused the order. Comes after its `StatusChange`."""

    reason: str | None = None
    """IBKR's words."""


class Reconciled(OrderEvent, frozen=True, kw_only=True, tag=True):
    """After a gap IBKR was asked about the order, and `state` is what it said."""

    gap_s: float
    """How long news may have been missed, seconds."""
    changed: bool
    """Whether the order is not what it was when the gap began."""


class Twin(OrderEvent, frozen=True, kw_only=True, tag=True):
    """Another order carries this order's client order id: look before you act.

    Both are told of the other. IBKR takes an id once a day, so one of them is of another day, or
    somebody replaced the order elsewhere.
    """

    twin: OrderState
    """The other order."""


AnyOrderEvent: TypeAlias = (
    StatusChange
    | Fill
    | Commission
    | Replaced
    | NotApplied
    | Cancelled
    | Rejected
    | Reconciled
    | Twin
)


def changes(
    before: OrderState | None,
    after: OrderState,
    *,
    at: float,
    inferred: bool,
    by_price: bool,
    executed: Itemised | None = None,
) -> list[AnyOrderEvent]:
    """Return what happened between two states of one order.

    Shape: modifications first, then the execution and its commission, then the status; empty when
    nothing happened that has an event. `by_price` says whether another price counts as a
    modification; `executed` is the one execution in which the states differ.
    """
    known = before or OrderState(order_id=after.order_id)
    events: list[AnyOrderEvent] = []
    if before is not None and _was_replaced(before, after, by_price=by_price):
        events.append(
            Replaced(
                at=at,
                state=after,
                inferred=inferred,
                quantity=after.quantity,
                price=after.price,
                previous_quantity=before.quantity,
                previous_price=before.price,
            )
        )
    if executed is not None:
        events += _execution_events(executed, after, at=at, inferred=inferred)
    filled_more = after.filled > known.filled and executed is None
    if after.status != known.status or filled_more:
        events.append(
            StatusChange(
                at=at,
                state=after,
                inferred=inferred,
                status=after.status,
                previous=known.status,
            )
        )
    if after.status != known.status:
        if after.status == "Cancelled":
            events.append(
                Cancelled(
                    at=at, state=after, inferred=inferred, filled=after.filled, reason=after.reason
                )
            )
        elif after.status == "Failed":
            events.append(Rejected(at=at, state=after, inferred=inferred, reason=after.reason))
    return events


def _was_replaced(before: OrderState, after: OrderState, *, by_price: bool) -> bool:
    return _differ(before.quantity, after.quantity) or (
        by_price and _differ(before.price, after.price)
    )


def _differ(before: Decimal | None, after: Decimal | None) -> bool:
    """Tell whether something changed, and was not merely unknown before."""
    return before is not None and after is not None and before != after


def _execution_events(
    executed: Itemised, after: OrderState, *, at: float, inferred: bool
) -> list[AnyOrderEvent]:
    old, one = executed
    events: list[AnyOrderEvent] = []
    if old is None or (old.execution_id, old.size, old.price) != (
        one.execution_id,
        one.size,
        one.price,
    ):
        events.append(Fill(at=at, state=after, inferred=inferred, execution=one, corrects=old))
    if one.commission is not None and (old is None or old.commission != one.commission):
        events.append(Commission(at=at, state=after, inferred=inferred, execution=one))
    return events


def execution_key(execution: Execution) -> tuple[str, str, int]:
    """Return account, what all corrections of one execution share, and which correction it is.

    Shape: `0000dc8f.6b9035f5.01.02` is correction 2 of `0000dc8f.6b9035f5.01`; an id that does not
    end in a number is its own.
    """
    stem, dot, last = execution.execution_id.rpartition(".")
    account = execution.account_id or ""
    if dot and last.isdecimal():
        return account, stem, int(last)
    return account, execution.execution_id, 0
