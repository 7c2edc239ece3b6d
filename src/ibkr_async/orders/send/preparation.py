"""From what the user asks for to what may be sent: account, contracts, tickets, ids, first checks.

Responsible for everything that is decided before an order waits for its turn. It must never send
anything that trades.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from ibkr_async.errors import OrderInvalidError
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.orders.send.stake import stakes_of
from ibkr_async.orders.write.rules import read_fields, read_order_id
from ibkr_async.orders.write.symbols import symbols_of, with_conids
from ibkr_async.orders.write.tickets import (
    check_tickets,
    draft_tickets,
    modification_ticket,
    to_tickets,
)
from ibkr_async.types import AccountId, ClientOrderId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ibkr_async.orders.send.permission import Permission
    from ibkr_async.orders.write.tickets import Submittable


_LIVE_NAME: Final = re.compile(r"[A-CE-Z][0-9]+")
"""Names of paper accounts begin with D."""


class Resolve(Protocol):
    """Finds contracts by their symbols."""

    async def __call__(self, *symbols: str) -> Sequence[int]:
        """Return the conid of each symbol. Errors: `ContractError`."""
        ...


class AccountFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk needs to know of the session's accounts."""

    default_account_id: str | None
    """Account of orders that name none; None when there are several, or the session has not said."""
    is_paper: bool | None
    """None when the session has not said, or is not up; that counts as live."""

    def is_paper_account(self, account_id: str | None) -> bool | None:
        """Tell whether an account is paper: one that is named as live ones are is not."""
        if self.is_paper and account_id is not None and _LIVE_NAME.fullmatch(account_id):
            return False
        return self.is_paper


class Preparation:
    """Prepares submissions for one session."""

    def __init__(
        self,
        *,
        account_facts: Callable[[], AccountFacts],
        session_ready: Callable[[], Awaitable[object]],
        resolve: Resolve,
        make_coid: Callable[[], str],
        permission: Permission,
    ) -> None:
        self._account_facts = account_facts
        self._session_ready = session_ready
        self._resolve = resolve
        self._make_coid = make_coid
        self._permission = permission

    @property
    def default_account_id(self) -> str | None:
        """The session's own account, as soon as it has said it."""
        return self._account_facts().default_account_id

    async def order(
        self, order: Submittable, account_id: str | None, group: str | None
    ) -> Submission:
        """Prepare a new order.

        Errors: `OrderInvalidError`, before any I/O where that is possible; `ContractError` for a
        symbol; `OrderGuardError`.
        """
        return await self._checked(await self.preview(order, account_id, group))

    async def preview(
        self, order: Submittable, account_id: str | None, group: str | None
    ) -> Submission:
        """Prepare an order that will not be placed: no permission is asked.

        Errors: `OrderInvalidError`; `ContractError`.
        """
        read_fields(account_id=account_id, group=group)
        drafts = check_tickets(draft_tickets(await self._with_conids(order)))
        account = await self._chosen_account(account_id or drafts[0].account_id, group)
        tickets = to_tickets(drafts, None if group else account, self._make_coid)
        return Submission(
            coid=ClientOrderId(str(tickets[0].coid)), account_id=account, tickets=tickets
        )

    async def modification(
        self, order_id: str | int, order: Submittable, account_id: str | None
    ) -> Submission:
        """Prepare new terms for an order.

        Errors: as `order`.
        """
        number = read_order_id(order_id)
        read_fields(account_id=account_id)
        order = await self._with_conids(order)
        account = await self._chosen_account(account_id or draft_tickets(order)[0].account_id, None)
        ticket = modification_ticket(order, account)
        return await self._checked(
            Submission(
                coid=ClientOrderId(ticket.coid or f"of order {number}"),
                account_id=account,
                tickets=(ticket,),
                modifies=number,
            )
        )

    async def account(self, wanted: str | None) -> AccountId:
        """Return the account that is meant, without a look at the session where it is known.

        A cancel must not wait for anything.
        """
        read_fields(account_id=wanted)
        return AccountId(
            wanted or self.default_account_id or await self._chosen_account(None, None)
        )

    async def facts(self) -> AccountFacts:
        """Wait for the brokerage session, and return what it says of the accounts."""
        await self._session_ready()
        return self._account_facts()

    async def _checked(self, submission: Submission) -> Submission:
        await self._session_ready()
        self._permission.check_terms(
            submission.coid, submission.account_id, stakes_of(submission.tickets)
        )
        return submission

    async def _with_conids(self, order: Submittable) -> Submittable:
        symbols = symbols_of(order)
        if not symbols:
            return order
        return with_conids(order, dict(zip(symbols, await self._resolve(*symbols), strict=True)))

    async def _chosen_account(self, wanted: str | None, group: str | None) -> AccountId:
        if group and wanted:
            raise OrderInvalidError("account_id", "an order is for an account or for a group")
        account = group or wanted or (await self.facts()).default_account_id
        if not account:
            rule = "the session has no single account; name one, as in account_id='U1234567'"
            raise OrderInvalidError("account_id", rule)
        return AccountId(account)
