"""Finding out what became of orders whose answer was lost, by the probe.

Responsible for the end of every unknown outcome: of a submission that waits for it, of one that
was cancelled meanwhile, and of those that an earlier run left open. It must never send an order.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio

from ibkr_async.errors import (
    ClosedError,
    IbkrError,
    OrderRejectedError,
    OrderUnknownError,
    SessionError,
)
from ibkr_async.orders.fate.unknown import warn_unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.orders.fate.journal_entries import OpenIntent
    from ibkr_async.orders.fate.outcomes import Outcomes
    from ibkr_async.orders.fate.probe import OutcomeProbe
    from ibkr_async.orders.fate.unknown import Submission
    from ibkr_async.orders.send.preparation import Preparation
    from ibkr_async.types import OrderId
    from ibkr_async.world import World

_log: Final = logging.getLogger("ibkr_async.orders")

_SESSION_PAUSE_S: Final = 5.0
"""Between two attempts to find a brokerage session to look through."""

Found: TypeAlias = "tuple[Submission, tuple[OrderId, ...] | IbkrError]"
"""A submission, and its orders or the error that says what became of it."""

_LEFT_OPEN: Final = "an earlier run ended before its outcome was known"


class Recovery:
    """Looks for orders, and remembers for whom nobody waits."""

    def __init__(
        self,
        probe: OutcomeProbe,
        outcomes: Outcomes,
        *,
        preparation: Preparation,
        world: World,
    ) -> None:
        self._probe = probe
        self._outcomes = outcomes
        self._preparation = preparation
        self._sleep = world.clock.sleep
        self._left_open: list[Submission] = []
        self._found: list[Found] = []
        self._is_recovered = anyio.Event()
        self._abandoned: list[str] = []
        self._wake = anyio.Event()

    async def find_out(
        self,
        submission: Submission,
        detail: str,
        named_ids: Sequence[str] = (),
        cause: BaseException | None = None,
    ) -> tuple[OrderId, ...]:
        """Look for an order of unknown outcome; return its orders when IBKR has it.

        Errors: `OrderRejectedError` when it is dead; `OrderUnknownError` with what was looked at.
        Cancellation: somebody else goes on looking, see `run`.
        """
        coid = submission.coid
        known = self._outcomes.unknown.orders.get(coid)
        reused = known is not None and known.coid_reused
        try:
            order_ids = await self.look(submission, detail, named_ids, coid_reused=reused)
        except (OrderRejectedError, OrderUnknownError) as error:
            self._outcomes.failed(submission, error)
            if cause is None:
                raise
            raise error from cause
        except BaseException:
            warn_unknown(coid, detail)
            self.abandon(coid)
            raise
        self._outcomes.accepted(submission, order_ids)
        return order_ids

    async def look(
        self,
        submission: Submission,
        detail: str,
        named_ids: Sequence[str] = (),
        *,
        coid_reused: bool = False,
    ) -> tuple[OrderId, ...]:
        """Look for an order and judge what is found. Nobody is told.

        Errors: as `find_out`; where IBKR knew the client order id before, `OrderUnknownError` with
        what was seen of the earlier order, which is never given as this one.
        """
        finding = await self._probe.look(
            submission, named_ids, account_id=self._account_to_ask(submission)
        )
        ids = finding.live_order_ids
        if coid_reused:
            raise OrderUnknownError(
                submission.coid, detail, finding.looked_at, live_order_ids=ids, coid_reused=True
            )
        if finding.outcome == "accepted":
            return finding.order_ids
        if finding.outcome == "rejected":
            words = f"{detail}; then IBKR showed that {finding.refusal}"
            raise OrderRejectedError(submission.coid, words, live_order_ids=ids)
        if finding.unproven:
            detail = f"{detail}; then IBKR did not show as asked for: {', '.join(finding.unproven)}"
        raise OrderUnknownError(submission.coid, detail, finding.looked_at, live_order_ids=ids)

    def abandon(self, coid: str) -> None:
        """Take over an unknown order for which nobody waits any more."""
        self._abandoned.append(coid)
        self._wake.set()

    # --- after a restart -------------------------------------------------------------------------

    def adopt(self, intent: OpenIntent) -> None:
        """Take over an order that an earlier run left open. The gate is closed from here on."""
        self._left_open.append(intent.submission)
        self._outcomes.adopted(intent.submission, _LEFT_OPEN, intent.order_ids)

    async def recovered(self) -> tuple[Found, ...]:
        """Wait until all adopted orders were looked for, and give what was found of each."""
        await self._is_recovered.wait()
        return tuple(self._found)

    def stop_waiting(self) -> None:
        """Let those who wait for `recovered` go on with what there is."""
        self._is_recovered.set()

    async def run(self) -> None:
        """Look for all orders for which nobody waits. Ends only when it is cancelled."""
        if self._left_open and not await self._session_came():
            return
        for submission in self._left_open:
            if (found := await self._find_unattended(submission.coid)) is not None:
                self._found.append((submission, found))
        self._is_recovered.set()
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            while self._abandoned:
                await self._find_unattended(self._abandoned.pop(0))

    async def _find_unattended(self, coid: str) -> tuple[OrderId, ...] | IbkrError | None:
        """Find out about one; None when somebody else has found out meanwhile."""
        order = self._outcomes.unknown.orders.get(coid)
        if order is None:
            return None
        try:
            found = await self.find_out(order.submission, order.detail, order.live_order_ids)
        except IbkrError as error:
            _log.warning("%s", error)
            return error
        except Exception as defect:  # noqa: BLE001 - others are looked for all the same
            _log.critical("a defect ended the search for order %s", coid, exc_info=True)
            # It would only happen again: the order stays unknown, and its gate closed.
            self._abandoned = [other for other in self._abandoned if other != coid]
            unknown = OrderUnknownError(coid, f"a defect ended the search for it: {defect!r}")
            unknown.__cause__ = defect
            return unknown
        _log.info("order %s was found after all: it is accepted", coid)
        return found

    async def _session_came(self) -> bool:
        """Wait for a brokerage session to look through; False when the client is closed before."""
        while True:
            try:
                await self._preparation.facts()
            except SessionError as error:
                _log.info("orders of an earlier run are not looked for yet: %s", error)
                await self._sleep(_SESSION_PAUSE_S)
            except ClosedError:
                return False
            else:
                return True

    def _account_to_ask(self, submission: Submission) -> str | None:
        """Name the account where IBKR would otherwise show another; an advisor's group is none."""
        is_group = submission.tickets and submission.tickets[0].account_id is None
        is_default = submission.account_id == self._preparation.default_account_id
        return None if is_group or is_default else submission.account_id
