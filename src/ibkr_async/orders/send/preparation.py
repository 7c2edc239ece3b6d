"""From what the user asks for to what may be sent: account, tickets, ids, and the first checks.

Responsible for everything that is decided before an order waits for its turn. It must never send
anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ibkr_async.errors import OrderInvalidError, UsageError
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.orders.write.tickets import (
    check_tickets,
    draft_tickets,
    modification_ticket,
    to_tickets,
)
from ibkr_async.types import AccountId, ClientOrderId, OrderId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ibkr_async.orders.send.guard import OrderGuard
    from ibkr_async.orders.write.tickets import Submittable


class AccountFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk needs to know of the session's accounts."""

    default_account_id: str | None
    """Account of orders that name none; None when the session has not said."""
    is_paper: bool | None
    """None when the session has not said, which counts as live."""


class Preparation:
    """Prepares submissions for one session."""

    def __init__(
        self,
        account_facts: Callable[[], Awaitable[AccountFacts]],
        make_coid: Callable[[], str],
        guard: OrderGuard,
    ) -> None:
        self.default_account_id: str | None = None
        """The session's own account, as soon as it has said it."""
        self._account_facts = account_facts
        self._make_coid = make_coid
        self._guard = guard

    async def order(
        self, order: Submittable, account_id: str | None, group: str | None
    ) -> Submission:
        """Prepare a new order.

        Errors: `OrderInvalidError`, before any I/O where that is possible; `OrderGuardError`.
        """
        submission = await self.preview(order, account_id, group)
        await self._check(submission)
        return submission

    async def preview(
        self, order: Submittable, account_id: str | None, group: str | None
    ) -> Submission:
        """Prepare an order that will not be placed: no guard looks at it.

        Errors: `OrderInvalidError`.
        """
        drafts = check_tickets(draft_tickets(order))
        account = await self._chosen_account(account_id or drafts[0].account_id, group)
        tickets = to_tickets(drafts, None if group else account, self._make_coid)
        return Submission(
            coid=ClientOrderId(str(tickets[0].coid)), account_id=account, tickets=tickets
        )

    async def modification(
        self, order_id: str | int, order: Submittable, account_id: str | None
    ) -> Submission:
        """Prepare new terms for an order.

        Errors: as `order`; `UsageError` for something that is no order id.
        """
        number = str(order_id)
        if not number.isdecimal():
            raise UsageError(f"{order_id!r} is not an order id")
        account = await self._chosen_account(account_id or draft_tickets(order)[0].account_id, None)
        ticket = modification_ticket(order, account)
        submission = Submission(
            coid=ClientOrderId(ticket.coid or f"of order {number}"),
            account_id=account,
            tickets=(ticket,),
            modifies=OrderId(number),
        )
        await self._check(submission)
        return submission

    async def account(self, wanted: str | None) -> AccountId:
        """Give the account that is meant.

        A named one is taken without a look at the session: a cancel must not wait for it.
        """
        return AccountId(wanted) if wanted else await self._chosen_account(None, None)

    async def check_account_kind(self, coid: str) -> None:
        """Refuse an account that is not known to be paper, unless live orders are allowed."""
        facts = await self.facts()
        self._guard.check_account_kind(coid, is_paper=facts.is_paper)

    async def facts(self) -> AccountFacts:
        """Wait for the brokerage session, and give what it says of the accounts."""
        facts = await self._account_facts()
        self.default_account_id = facts.default_account_id
        return facts

    async def _check(self, submission: Submission) -> None:
        await self.check_account_kind(submission.coid)
        self._guard.check_order(submission.coid, submission.account_id, submission.tickets)

    async def _chosen_account(self, wanted: str | None, group: str | None) -> AccountId:
        if group and wanted:
            raise OrderInvalidError("account_id", "an order is for an account or for a group")
        account = group or wanted or (await self.facts()).default_account_id
        if not account:
            raise OrderInvalidError("account_id", "the session names no default account; pass one")
        return AccountId(account)
