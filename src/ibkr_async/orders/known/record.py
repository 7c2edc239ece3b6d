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
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ibkr_async.orders.known.events import Execution, OrderState, execution_key
from ibkr_async.types import TERMINAL_STATUSES, OrderStatus

if TYPE_CHECKING:
    from ibkr_async.orders.known.observations import Observation
    from ibkr_async.types import OrderId

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
    """Say how far along an order with this status word is."""
    return _RANKS.get(status, _RANKS[""]), status


class OrderRecord:
    """One order. Rows go in, `state` comes out."""

    def __init__(self, order_id: OrderId) -> None:
        self.order_id = order_id
        self.live_news = 0
        """Version of the tracker at the last news that came by itself."""
        self.last_read = 0
        """Version of the tracker when the last answer about it was asked for."""
        self.touched_at = 0.0
        """When anything was last said about it."""
        self.knows_ticket = False
        """Whether what was ordered has been taken in, of an order of this client."""
        self._identity: dict[str, Any] = {}
        self._is_combo = False
        self._status: str | None = None
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
        self._executions: dict[tuple[str, str], Execution] = {}
        self._largest: dict[tuple[str, str], Decimal] = {}
        """Largest size that each execution, in any of its corrections, was said to have."""
        self._itemised: tuple[Execution, ...] = ()

    # --- rows ------------------------------------------------------------------------------------

    def observe(self, seen: Observation, *, may_go_back: bool = False) -> None:
        """Take in what a row says. `may_go_back` is for a row that is newer than all news."""
        for name in _IDENTITY:
            value = getattr(seen, name)
            if value is not None:
                self._identity.setdefault(name, value)
        self._is_combo = self._is_combo or seen.is_combo
        self._take_status(seen.status, may_go_back=may_go_back)
        self._take_terms(seen)
        if seen.implied_quantity is not None:
            self._implied = max(self._implied or _NOTHING, seen.implied_quantity)
        if seen.filled is not None:
            self._take_filled(seen.filled, seen.average_price)
        self._count()

    def contradicts(self, status: str | None) -> bool:
        """Note the status word of a `sor` row; tell whether it goes back behind the one before.

        Rows of one socket come in order, so going back means something: a refused cancel, an
        order that was deactivated. What, is for IBKR to say.
        """
        if status is None:
            return False
        before, self._last_told = self._last_told, status
        return before is not None and not self.is_done and rank(status) < rank(before)

    def replace(self, seen: Observation) -> None:
        """Take in a modification that IBKR has acknowledged."""
        self._last_told = None
        self._quantity = seen.quantity if seen.quantity is not None else self._quantity
        self._price = seen.price if seen.price is not None else self._price
        if seen.order_type is not None:
            self._identity["order_type"] = seen.order_type

    def execute(self, execution: Execution) -> None:
        """Take in a row about an execution."""
        account, stem, correction = execution_key(execution)
        key = account, stem
        self._largest[key] = max(self._largest.get(key, _NOTHING), execution.size)
        known = self._executions.get(key)
        if known is not None:
            known_correction = execution_key(known)[2]
            if correction < known_correction:
                self._count()
                return
            if correction == known_correction:
                execution = _merged(known, execution)
        if execution != known:
            self._executions[key] = execution
            self._itemised = tuple(sorted(self._executions.values(), key=_by_time))
        self._count()

    def _take_status(self, status: str | None, *, may_go_back: bool) -> None:
        if status is None:
            return
        is_further = self._status is None or rank(status) > rank(self._status)
        if is_further or (may_go_back and not self.is_done):
            self._status = status

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

    # --- what comes out --------------------------------------------------------------------------

    @property
    def is_done(self) -> bool:
        """True when its status is a terminal one."""
        return self._status in TERMINAL_STATUSES

    @property
    def is_open(self) -> bool:
        """True when IBKR has named a status and it is not a terminal one."""
        return self._status is not None and not self.is_done

    def has(self, execution: Execution) -> bool:
        """Tell whether this very row about an execution, or a later one, was taken in before."""
        account, stem, correction = execution_key(execution)
        known = self._executions.get((account, stem))
        if known is None or execution_key(known)[2] < correction:
            return False
        return execution_key(known)[2] > correction or _merged(known, execution) == known

    @property
    def is_uneven(self) -> bool:
        """True when fills and status word do not fit: all filled but not `Filled`, or the reverse."""
        if not self._quantity or self._is_combo:
            return False
        return (self._status == OrderStatus.FILLED) != (self._most >= self._quantity)

    def state(self, *, in_doubt: bool) -> OrderState:
        """Give the order as far as it is known."""
        state = OrderState(
            order_id=self.order_id,
            **self._identity,
            status=self._status,
            quantity=self._implied if self._quantity is None else self._quantity,
            filled=self._most,
            price=self._price,
            executions=self._itemised,
            in_doubt=in_doubt,
        )
        return msgspec.structs.replace(state, average_price=self._average(state))

    def _count(self) -> None:
        """Raise `_most` to what was counted by IBKR or itemised, whichever is more.

        A combination's legs are itemised beside it, so there IBKR's own count alone is taken.
        """
        itemised = _NOTHING
        if not self._is_combo and len({one.conid for one in self._itemised}) <= 1:
            itemised = sum(self._largest.values(), _NOTHING)
        self._most = max(self._most, self._reported, itemised)

    def _average(self, state: OrderState) -> Decimal | None:
        if not state.filled:
            return None
        # Prices are owed: what is itemised completely is computed, not taken from a rounded text.
        if not (self._is_combo or state.is_combo) and state.executed == state.filled:
            spent = [one.size * one.price for one in state.executions if one.price is not None]
            if len(spent) == len(state.executions):
                return sum(spent, _NOTHING) / state.filled
        return self._reported_average if self._reported == state.filled else None


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
    return -int(price.normalize().as_tuple().exponent), price


def _by_time(execution: Execution) -> tuple[int, str, str]:
    return execution.time_ms or 0, execution.execution_id, execution.account_id or ""
