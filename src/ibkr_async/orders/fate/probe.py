"""The probe: after an answer was lost, look for the order until something is proven or time is up.

Responsible for where and how often to look. It must never send anything that trades, and needs no
socket: what the tracker has heard is only a hint that may make the look shorter.

Each look asks, in this order, until the outcome is proven: the tracker; the live orders (until
`snapshot:true`, the second time after `force=true`, which makes IBKR collect them anew); the status
of every order id that IBKR has named; the executions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import anyio
import msgspec

from ibkr_async.errors import IbkrError
from ibkr_async.models.order_answers import OrderAccepted
from ibkr_async.orders.fate.evidence import Evidence, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from ibkr_async.orders.fate.reads import OrderReads
    from ibkr_async.orders.fate.unknown import Submission
    from ibkr_async.orders.known.events import OrderState

_LOOKS: Final = (0.0, 1 / 3, 1.0)
"""When the looks begin, as shares of the spread: by default at 0, 5 and 15 seconds."""
_FORCED: Final = 1
"""Which look makes IBKR collect the orders anew."""
_NOT_THERE: Final = "it is not there, which proves nothing yet"


class Hints(Protocol):
    """What the probe asks the order tracker."""

    def find(self, coid: str) -> Iterable[OrderState]:
        """Give the orders of a submission, as far as anything was heard of them."""
        ...


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What the probe found."""

    outcome: Outcome
    """`unknown` still means that the order may be live."""
    rows: tuple[OrderAccepted, ...]
    """The orders that were seen, in the form of an acknowledgement."""
    live_order_ids: tuple[str, ...]
    """Order ids that are live or filled, as far as is known."""
    refusal: str
    """What IBKR says of orders that are dead."""
    looked_at: tuple[str, ...]
    """What was examined, and what it showed."""


class OutcomeProbe:
    """Looks for orders by their client order id. Time comes from outside."""

    def __init__(
        self,
        reads: OrderReads,
        hints: Hints,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        spread_s: float = 15.0,
        look_timeout_s: float = 20.0,
    ) -> None:
        self._reads = reads
        self._hints = hints
        self._clock = clock
        self._sleep = sleep
        self._spread_s = spread_s
        self._look_timeout_s = look_timeout_s

    async def look(
        self, submission: Submission, named_ids: Sequence[str] = (), *, account_id: str | None
    ) -> Finding:
        """Look at least three times over the spread, or until the outcome is proven.

        `account_id` is asked for where it is not the session's own.
        """
        evidence = Evidence(submission, named_ids)
        looked_at: list[str] = []
        outcome = evidence.outcome(is_last=False)
        begun = self._clock()
        for number, share in enumerate(_LOOKS):
            wait_s = begun + share * self._spread_s - self._clock()
            if wait_s > 0:
                await self._sleep(wait_s)
            look = _Look(self._reads, evidence, submission, account_id, force=number == _FORCED)
            await self._look_once(look, [s for c in evidence.coids for s in self._hints.find(c)])
            looked_at += look.seen
            outcome = evidence.outcome(is_last=number == len(_LOOKS) - 1)
            if outcome != "unknown":
                break
        return Finding(
            outcome=outcome,
            rows=evidence.rows,
            live_order_ids=evidence.live_order_ids,
            refusal=evidence.refusal,
            looked_at=tuple(dict.fromkeys(looked_at)),
        )

    async def _look_once(self, look: _Look, hints: Iterable[OrderState]) -> None:
        look.take_hints(hints)
        with anyio.move_on_after(self._look_timeout_s) as limit:
            for step in (look.ask_live_orders, look.ask_status, look.ask_trades):
                if look.is_proven:
                    return
                await step()
        if limit.cancelled_caught:
            look.seen.append(f"(no answer within {self._look_timeout_s:g} s)")


class _Look:
    """One round of questions."""

    def __init__(
        self,
        reads: OrderReads,
        evidence: Evidence,
        submission: Submission,
        account_id: str | None,
        *,
        force: bool,
    ) -> None:
        self.seen: list[str] = []
        self._reads = reads
        self._evidence = evidence
        self._submission = submission
        self._account_id = account_id
        self._force = force

    @property
    def is_proven(self) -> bool:
        return self._evidence.outcome(is_last=False) != "unknown"

    def take_hints(self, states: Iterable[OrderState]) -> None:
        # Of a modification news says nothing: the order was there before.
        if self._submission.modifies is None and (heard := self._evidence.take_states(states)):
            self.seen.append(f"the news ({heard})")

    async def ask_live_orders(self) -> None:
        if self._submission.modifies is not None:
            return
        try:
            found = await self._reads.live(force=self._force, account_id=self._account_id)
        except IbkrError as error:
            self.seen.append(f"the live orders (failed: {error.without_advice})")
            return
        seen = self._evidence.take_live_rows(found.orders)
        self.seen.append(f"the live orders ({seen or _NOT_THERE})")

    async def ask_status(self) -> None:
        for order_id in self._evidence.ids_to_ask:
            try:
                reply = await self._reads.status(order_id)
            except IbkrError as error:
                self.seen.append(f"the status of order {order_id} (failed: {error.without_advice})")
            else:
                seen = self._evidence.take_status(reply, order_id)
                self.seen.append(f"the status ({seen})")

    async def ask_trades(self) -> None:
        if self._submission.modifies is not None:
            return
        try:
            trades = await self._reads.trades()
        except IbkrError as error:
            self.seen.append(f"the trades (failed: {error.without_advice})")
            return
        self.seen.append(f"the trades ({self._evidence.take_trades(trades) or _NOT_THERE})")
