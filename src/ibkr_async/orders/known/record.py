"""What is known of one order, folded from rows that come in any order, twice, or late.

Responsible for the merging alone: which of two rows wins. It must never depend on the order of
arrival where the rows themselves say what is newer, and never let a quantity fall.

How each fact is merged::

    identity (coid, account, side, ...)   the first that is said
    status                                the one further along; a terminal one is final
    filled                                the largest; executions count too
    executions                            by account and id; a later correction replaces
    quantity, limit price                 the row with the later change time, else the last

Two exceptions for the status. A row that was asked for after the last live news may take a working
order back (`PendingCancel` to `Submitted` after a refused cancel): that is IBKR's answer, not an old
row. And `Filled` wins over `Cancelled`: a cancel can lose the race.

The socket alone ends no order. A word of `sor` that says so (`Filled`, `Cancelled`, `Failed`) is
kept as a *claim*: an answer of IBKR's settles it, or executions that add up to what was ordered.
IBKR was seen to say `Cancelled` of an order that went on working, and filled.

Per row the work does not grow with the number of fills: sums are kept up to date. Only the tuple of
executions is copied, pointer by pointer.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ibkr_async.orders.known.events import Execution, OrderState, execution_key
from ibkr_async.orders.known.observations import from_ticket
from ibkr_async.types import EXACT, TERMINAL_STATUSES, OrderStatus

if TYPE_CHECKING:
    from ibkr_async.models.orders import Ticket
    from ibkr_async.orders.known.events import Itemised
    from ibkr_async.orders.known.observations import Observation
    from ibkr_async.types import Conid, OrderId

_RANKS: Final[dict[str, int]] = {
    status: rank
    for rank, status in enumerate(
        (
            OrderStatus.INACTIVE,
            OrderStatus.WARN_STATE,
            OrderStatus.PENDING_SUBMIT,
            OrderStatus.PRE_SUBMITTED,
            OrderStatus.SUBMITTED,
            "",  # words that this version does not know
            OrderStatus.PENDING_CANCEL,
            OrderStatus.PRE_CANCELLED,
            OrderStatus.FAILED,
            OrderStatus.CANCELLED,
            OrderStatus.FILLED,
        )
    )
}
_NOTHING: Final = Decimal(0)
_AVERAGES: Final = Context(prec=28)
_IDENTITY: Final = (
    "coid",
    "account_id",
    "conid",
    "symbol",
    "side",
    "order_type",
    "parent_id",
    "reason",
)


def rank(status: str) -> tuple[int, str]:
    """Return how far along an order with this status word is."""
    return _RANKS.get(status, _RANKS[""]), status


class OrderRecord:
    """One order. Rows go in, `state` comes out."""

    def __init__(self, order_id: OrderId, number: int) -> None:
        self.order_id = order_id
        self.number = number
        """How many orders were heard of before it."""
        self.told: OrderState | None = None
        """The order as the events so far have told it."""
        self.live_news = 0
        """Version of the tracker at the last news that came by itself."""
        self.last_read = 0
        """Version of the tracker when the last answer about it was asked for."""
        self.touched = 0
        """Version of the tracker when anything was last said about it."""
        self.knows_ticket = False
        """Whether what was ordered has been taken in, of an order of this client."""
        self.ticket: Ticket | None = None
        """What IBKR has last acknowledged, where that is known."""
        self.unseen: Ticket | None = None
        """A modification that IBKR has acknowledged and not shown yet."""
        self.replaced_at = 0
        """Version of the tracker from which on an answer must show it."""
        self._identity: dict[str, Any] = {}
        self._is_combo = False
        self.status: str | None = None
        """Status word; a terminal one is confirmed."""
        self._claim: str | None = None
        """The end that a `sor` row has claimed, if that is further along than `status`."""
        self._last_told: str | None = None
        """Status word of the last `sor` row that had one."""
        self._quantity: Decimal | None = None
        self._implied: Decimal | None = None
        self._price: Decimal | None = None
        self._changed_ms = 0
        self._most = _NOTHING
        """Filled so far; never falls."""
        self._reported = _NOTHING
        self._reported_average: Decimal | None = None
        self._fills = _Fills()

    # --- rows ------------------------------------------------------------------------------------

    def observe(self, seen: Observation, *, may_go_back: bool = False) -> None:
        """Take in what a row says. `may_go_back` is for a row that is newer than all news."""
        self._take_status(seen.status, may_go_back=may_go_back)
        self._take_facts(seen)

    def hear(self, seen: Observation) -> bool:
        """Take in what a row of `sor` says. Return whether its status word contradicts.

        Rows of one socket come in order, so a word behind the one before means something: a refused
        cancel, an order that was deactivated. What, is for IBKR to say; and so is an end.
        """
        word, before = seen.status, self._last_told
        self._last_told = word or before
        if word is not None and word in TERMINAL_STATUSES:
            if self._is_beyond(word, self._claim):
                self._claim = word
        else:
            self._take_status(word, may_go_back=False)
        self._take_facts(seen)
        if word is None or before is None or self.is_done:
            return False
        return rank(word) < rank(before)

    def replace(self, seen: Observation) -> None:
        """Take in a modification that IBKR has acknowledged."""
        self._last_told = None
        self._quantity = seen.quantity if seen.quantity is not None else self._quantity
        self._price = seen.price if seen.price is not None else self._price
        if seen.order_type is not None:
            self._identity["order_type"] = seen.order_type

    def differing(self, seen: Observation) -> tuple[str, ...] | None:
        """Return which terms of a modification not seen yet a row shows otherwise; None if it shows none."""
        wanted = self.unseen
        if wanted is None or (seen.quantity is None and seen.price is None):
            return None
        asked = from_ticket(self.order_id, wanted)
        return tuple(
            name
            for name in ("quantity", "price")
            if getattr(asked, name) is not None
            and getattr(seen, name) not in {None, getattr(asked, name)}
        )

    def concede(self) -> bool:
        """Take the end that was claimed for true. Return whether one was."""
        if self.claim is None:
            return False
        self.status, self._claim = self._claim, None
        return True

    def execute(self, execution: Execution) -> Itemised | None:
        """Take in a row about an execution. Return it before and after; None when nothing is new."""
        change = self._fills.take(execution)
        self._count()
        return change

    def _take_status(self, status: str | None, *, may_go_back: bool) -> None:
        if status is None:
            return
        if self._is_beyond(status, self.status) or (may_go_back and not self.is_done):
            self.status = status
        if may_go_back:
            self._claim = None

    def _take_facts(self, seen: Observation) -> None:
        for name in _IDENTITY:
            value = getattr(seen, name)
            if value is not None:
                self._identity.setdefault(name, value)
        self._is_combo = self._is_combo or seen.is_combo
        self._take_terms(seen)
        if seen.implied_quantity is not None:
            self._implied = max(self._implied or _NOTHING, seen.implied_quantity)
        if seen.filled is not None:
            self._take_filled(seen.filled, seen.average_price)
        self._count()

    def _take_terms(self, seen: Observation) -> None:
        if seen.changed_ms is not None:
            if seen.changed_ms < self._changed_ms:
                return
            self._changed_ms = seen.changed_ms
        self._quantity = seen.quantity if seen.quantity is not None else self._quantity
        self._price = seen.price if seen.price is not None else self._price

    def _take_filled(self, filled: Decimal, average: Decimal | None) -> None:
        if filled > self._reported:
            self._reported, self._reported_average = filled, average
        elif filled == self._reported and average is not None:
            known = self._reported_average
            self._reported_average = average if known is None else max(known, average, key=_digits)

    def _count(self) -> None:
        """Raise `_most` to what was counted by IBKR or itemised, whichever is more.

        A combination's legs are itemised beside it, so there IBKR's own count alone is taken.
        """
        is_spread = self._is_combo or self._fills.are_of_several_contracts
        itemised = _NOTHING if is_spread else self._fills.most
        self._most = max(self._most, self._reported, itemised)
        if self._claim == OrderStatus.FILLED and self._can_add_up and itemised >= self._ordered:
            self.status = OrderStatus.FILLED.value

    # --- what comes out --------------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """Tell whether its status is a terminal one."""
        return self.status in TERMINAL_STATUSES

    @property
    def is_open(self) -> bool:
        """Tell whether IBKR has named a status and it is not a terminal one."""
        return self.status is not None and not self.is_done

    @property
    def claim(self) -> str | None:
        """The end that `sor` has claimed, while nothing has confirmed it."""
        claim = self._claim
        return claim if claim is not None and self._is_beyond(claim, self.status) else None

    @property
    def may_add_up(self) -> bool:
        """Tell whether executions alone can confirm the end that was claimed."""
        return self._claim == OrderStatus.FILLED and self._can_add_up

    @property
    def is_uneven(self) -> bool:
        """Tell whether fills and status word do not fit: all filled but not `Filled`, or reverse."""
        if not self._can_add_up:
            return False
        says_filled = OrderStatus.FILLED in {self.status, self._claim}
        return says_filled != (self._most >= self._ordered) or (
            says_filled and self.status != OrderStatus.FILLED
        )

    @property
    def is_itemised(self) -> bool:
        """Tell whether the executions hold all that is filled; as `OrderState.is_itemised`."""
        return self._fills.is_combo or self._fills.executed >= self._most

    @property
    def is_settled(self) -> bool:
        """Tell whether nothing more can come of it; as `OrderState.is_settled`."""
        fills = self._fills
        return self.is_done and fills.executed >= self._most and fills.is_paid

    def state(self, *, in_doubt: bool) -> OrderState:
        """Return the order as far as it is known."""
        return OrderState(
            order_id=self.order_id,
            **self._identity,
            status=self.status,
            quantity=self._implied if self._quantity is None else self._quantity,
            filled=self._most,
            average_price=self._average(),
            price=self._price,
            executions=self._fills.by_time,
            in_doubt=in_doubt,
        )

    @property
    def _can_add_up(self) -> bool:
        return bool(self._quantity) and not self._is_combo

    @property
    def _ordered(self) -> Decimal:
        return self._quantity or _NOTHING

    def _average(self) -> Decimal | None:
        if not self._most:
            return None
        # Prices are owed: what is itemised completely is computed, not taken from a rounded text.
        fills = self._fills
        is_combo = self._is_combo or fills.is_combo
        if not is_combo and fills.executed == self._most and fills.spent is not None:
            return _AVERAGES.divide(fills.spent, self._most)
        return self._reported_average if self._reported == self._most else None

    @staticmethod
    def _is_beyond(status: str, other: str | None) -> bool:
        return other is None or rank(status) > rank(other)


class _Fills:
    """The executions of one order, and their sums."""

    def __init__(self) -> None:
        self.by_time: tuple[Execution, ...] = ()
        self.most = _NOTHING
        """Sum of the largest size that each execution, in any of its corrections, was said to have."""
        self._known: dict[tuple[str, str], Execution] = {}
        self._largest: dict[tuple[str, str], Decimal] = {}
        self._sorted: list[Execution] = []
        self._conids: set[Conid] = set()
        self._has_whole = False
        self._all = _NOTHING
        self._of_whole = _NOTHING
        self._spent = _NOTHING
        self._unpriced = 0
        self._unpaid = 0

    @property
    def are_of_several_contracts(self) -> bool:
        """Tell whether they are of the legs of a combination."""
        return len(self._conids) > 1

    @property
    def is_combo(self) -> bool:
        """Tell whether they are of a combination; as `OrderState.is_combo`."""
        return self._has_whole or self.are_of_several_contracts

    @property
    def executed(self) -> Decimal:
        """Their sum as they stand; of a combination that of the whole."""
        return self._of_whole if self.is_combo else self._all

    @property
    def spent(self) -> Decimal | None:
        """Sum of size times price; None while a price is missing."""
        return None if self._unpriced else self._spent

    @property
    def is_paid(self) -> bool:
        """Tell whether the commission of each is known."""
        return not self._unpaid

    def take(self, execution: Execution) -> Itemised | None:
        """Take in a row. Return the execution before and after; None when nothing is new."""
        account, stem, correction = execution_key(execution)
        key = account, stem
        largest = self._largest.get(key, _NOTHING)
        if execution.size > largest:
            self._largest[key] = execution.size
            self.most = EXACT.add(self.most, EXACT.subtract(execution.size, largest))
        known = self._known.get(key)
        if known is not None:
            known_correction = execution_key(known)[2]
            if correction < known_correction:
                return None
            if correction == known_correction:
                execution = _merged(known, execution)
            if execution == known:
                return None
            del self._sorted[bisect_left(self._sorted, _by_time(known), key=_by_time)]
            self._add(known, -1)
        insort(self._sorted, execution, key=_by_time)
        self._add(execution, 1)
        self._known[key] = execution
        self.by_time = tuple(self._sorted)
        return known, execution

    def _add(self, one: Execution, sign: int) -> None:
        """Take an execution into the sums, or out of them."""
        size = one.size if sign > 0 else one.size.copy_negate()
        self._all = EXACT.add(self._all, size)
        if one.sec_type == "BAG":
            self._has_whole = True
            self._of_whole = EXACT.add(self._of_whole, size)
        if one.conid is not None:
            self._conids.add(one.conid)
        if one.price is None:
            self._unpriced += sign
        else:
            self._spent = EXACT.add(self._spent, EXACT.multiply(size, one.price))
        if one.commission is None:
            self._unpaid += sign


def _merged(known: Execution, row: Execution) -> Execution:
    """Unite two rows of one execution. Where they differ, the one with a commission is the later."""
    is_older = known.commission is not None and row.commission is None
    older, newer = (row, known) if is_older else (known, row)
    told = {
        field: value
        for field in newer.__struct_fields__
        if (value := getattr(newer, field)) is not None
    }
    return msgspec.structs.replace(older, **told)


def _digits(price: Decimal) -> tuple[int, Decimal]:
    """Order spellings of one price: IBKR rounds it here and not there."""
    return -int(price.normalize(EXACT).as_tuple().exponent), price


def _by_time(execution: Execution) -> tuple[int, str, str]:
    return execution.time_ms or 0, execution.execution_id, execution.account_id or ""
