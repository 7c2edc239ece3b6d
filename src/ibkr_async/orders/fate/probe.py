"""The probe: after an answer was lost, look for the order until something is proven or time is up.

Responsible for where and how often to look. It must never send anything that trades, and needs no
socket: what the tracker has heard only makes the look shorter. What is read goes to the tracker, see
`reads`, and `evidence` judges what is known there.

Each look asks, in this order, until the outcome is proven: the tracker; the live orders (until
`snapshot:true`, the second time after `force=true`, which makes IBKR collect them anew); the status
of every order id that IBKR has named; the executions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
import msgspec

from ibkr_async.ending import Ending
from ibkr_async.errors import IbkrError
from ibkr_async.orders.fate.evidence import Evidence, Outcome
from ibkr_async.types import OrderId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.orders.fate.evidence import Known
    from ibkr_async.orders.fate.reads import OrderReads
    from ibkr_async.orders.fate.unknown import Submission
    from ibkr_async.world import World

_LOOKS: Final = (0.0, 1 / 3, 1.0)
"""When the looks begin, as shares of the spread: by default at 0, 5 and 15 seconds."""
_FORCED: Final = 1
"""Which look makes IBKR collect the orders anew."""
_NOT_THERE: Final = "it is not there, which proves nothing yet"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What the probe found."""

    outcome: Outcome
    """`unknown` still means that the order may be live."""
    order_ids: tuple[OrderId, ...]
    """The orders that were seen."""
    live_order_ids: tuple[str, ...]
    """Order ids that are live or filled, as far as is known."""
    refusal: str
    """What IBKR says of orders that are dead."""
    looked_at: tuple[str, ...]
    """What was examined, and what it showed."""
    unproven: tuple[str, ...] = ()
    """Terms of a modification that IBKR did not show as they were asked for."""


class OutcomeProbe:
    """Looks for orders by their client order id."""

    def __init__(
        self,
        reads: OrderReads,
        known: Known,
        *,
        world: World,
        spread_s: float,
        look_timeout_s: float,
        ending: Ending | None = None,
    ) -> None:
        self._reads = reads
        self._known = known
        self._clock = world.clock
        self._spread_s = spread_s
        self._look_timeout_s = look_timeout_s
        self._ending = ending or Ending()

    async def look(
        self, submission: Submission, named_ids: Sequence[str] = (), *, account_id: str | None
    ) -> Finding:
        """Look three times over the spread, or until the outcome is proven.

        It takes the spread when IBKR answers, and the time of one look more when it does not. Closing the
        client ends it, and proves nothing.
        `account_id` is asked for where it is not the session's own.
        """
        evidence = Evidence(submission, self._known, named_ids)
        looked_at: list[str] = []
        outcome: Outcome = "unknown"
        begun = self._clock.monotonic()
        until = begun + self._spread_s + self._look_timeout_s
        with self._ending.cut():
            for number, share in enumerate(_LOOKS):
                wait_s = begun + share * self._spread_s - self._clock.monotonic()
                if wait_s > 0:
                    await self._clock.sleep(wait_s)
                look = _Look(self._reads, evidence, submission, account_id, force=number == _FORCED)
                await self._look_once(look, until - self._clock.monotonic())
                looked_at += look.seen
                is_last = number == len(_LOOKS) - 1 and not self._ending.has_come
                outcome = evidence.outcome(is_last=is_last)
                if outcome != "unknown":
                    break
        if self._ending.has_come and outcome == "unknown":
            looked_at.append("nothing more: the client was closed")
        return Finding(
            outcome=outcome,
            order_ids=tuple(one.order_id for one in evidence.orders),
            live_order_ids=evidence.live_order_ids,
            refusal=evidence.refusal,
            looked_at=tuple(dict.fromkeys(looked_at)),
            unproven=evidence.unproven or (),
        )

    async def _look_once(self, look: _Look, left_s: float) -> None:
        look.note_news()
        limit_s = min(self._look_timeout_s, left_s)
        if limit_s <= 0:
            return
        with anyio.move_on_after(limit_s) as limit:
            for step in (look.ask_live_orders, look.ask_status, look.ask_trades):
                if look.is_proven:
                    return
                await step()
        if limit.cancelled_caught:
            look.seen.append(f"{look.subject} (no answer within {limit_s:.3g} s)")


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
        self.subject = ""
        """What is being asked for."""
        self._reads = reads
        self._evidence = evidence
        self._is_new = submission.modifies is None
        self._account_id = account_id
        self._force = force

    @property
    def is_proven(self) -> bool:
        return self._evidence.outcome(is_last=False) != "unknown"

    def note_news(self) -> None:
        # Of a modification news says nothing: the order was there before.
        if self._is_new and (heard := self._evidence.describe()):
            self.seen.append(f"the news ({heard})")

    async def ask_live_orders(self) -> None:
        if not self._is_new:
            return
        self.subject = "the live orders"
        try:
            found = await self._reads.live(force=self._force, account_id=self._account_id)
        except IbkrError as error:
            self.seen.append(f"the live orders (failed: {error.without_advice})")
            return
        seen = self._evidence.describe(row.order_id for row in found.orders)
        self.seen.append(f"the live orders ({seen or _NOT_THERE})")

    async def ask_status(self) -> None:
        for order_id in self._evidence.ids_to_ask:
            self.subject = f"the status of order {order_id}"
            try:
                reply = await self._reads.status(order_id)
            except IbkrError as error:
                self.seen.append(f"the status of order {order_id} (failed: {error.without_advice})")
                continue
            if not self._is_new:
                self._evidence.take_terms(reply)
            self.seen.append(f"the status ({self._evidence.describe([order_id])})")

    async def ask_trades(self) -> None:
        if not self._is_new:
            return
        self.subject = "the trades"
        try:
            trades = await self._reads.trades()
        except IbkrError as error:
            self.seen.append(f"the trades (failed: {error.without_advice})")
            return
        seen = self._evidence.describe(trade.order_id for trade in trades)
        self.seen.append(f"the trades ({seen or _NOT_THERE})")
