"""The calls that place, change and cancel orders, and what becomes known of their fate.

Responsible for the money rule: an order call is sent once; an outcome that is not proven is
`OrderUnknownError`, after one look for the order by its CustomerOrderId. It must never send an
order call again, and never report an unproven outcome as success or as refusal.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import msgspec

from ibkr_async.errors import (
    AccountsNotVisibleError,
    ForbiddenError,
    IbkrError,
    LockedError,
    OrderRejectedError,
    OrderUnknownError,
    RateLimitedError,
    UnauthorizedError,
)
from ibkr_async.models.scalars import says_something
from ibkr_async.orders.fate.failures import is_refusal, nothing_was_sent, shows_reuse
from ibkr_async.orders.send.stake import Stake
from ibkr_async.orders.write.rules import read_text
from ibkr_async.ports import Departure
from ibkr_async.thirdparty.answers import (
    CancelAnswer,
    ModifyAnswer,
    ThirdPartyOrderState,
    ThirdPartyTrade,
    read_rows,
)
from ibkr_async.thirdparty.fix import DEAD_STATUSES, FixOrderStatus
from ibkr_async.thirdparty.sending import ORDER, ORDERS, raise_refusal, understood

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator

    from ibkr_async.orders.send.permission import Permission
    from ibkr_async.thirdparty.orders.requests import Replacement
    from ibkr_async.thirdparty.sending import Calls

_log: Final = logging.getLogger("ibkr_async.orders")

R = TypeVar("R", ThirdPartyOrderState, ModifyAnswer, CancelAnswer)

_REFUSED_UNSEEN: Final = (UnauthorizedError, ForbiddenError, LockedError, RateLimitedError)
"""Refusals of the call itself: the order was not looked at."""
_NO_STATUS: Final = frozenset({FixOrderStatus.INVALID})


class OrderCalls:
    """Order calls of one client. Concurrency: calls do not wait for each other."""

    def __init__(self, calls: Calls, permission: Permission, *, look_timeout_s: float) -> None:
        self._calls = calls
        self._permission = permission
        self._look_timeout_s = look_timeout_s

    async def place(
        self, account: str, customer_order_id: str, body: dict[str, Any]
    ) -> ThirdPartyOrderState:
        """Place an order."""
        read_text("account", account)
        permit = self._permit(account, customer_order_id, body, body.get("ContractId"))
        call = self._calls.act("POST", ORDERS, body, permit=permit, account=account)
        return await self._decided(
            ThirdPartyOrderState,
            call,
            account,
            customer_order_id,
            f"POST of order {customer_order_id}",
            departure=permit,
        )

    async def modify(
        self, account: str, change: Replacement, contract_id: int | None
    ) -> ModifyAnswer:
        """Replace the terms and the id of an order, which trades `contract_id` if that is known."""
        read_text("account", account)
        original, body = change.orig_customer_order_id, change.wire()
        permit = self._permit(account, change.customer_order_id, body, contract_id)
        call = self._calls.act(
            "PUT", ORDER, body, permit=permit, account=account, customer_order_id=original
        )
        what = f"PUT that makes order {original} into {change.customer_order_id}"
        return await self._decided(
            ModifyAnswer,
            call,
            account,
            change.customer_order_id,
            what,
            departure=permit,
            replaces=original,
        )

    async def cancel(self, account: str, customer_order_id: str) -> CancelAnswer:
        """Ask for an order's end."""
        read_text("account", account)
        what = f"cancel of order {customer_order_id}"
        permit = Departure(partial(self._permission.check_change, what))
        call = self._calls.act(
            "DELETE",
            ORDER,
            None,
            permit=permit,
            account=account,
            customer_order_id=customer_order_id,
        )
        what = f"DELETE of order {customer_order_id}"
        return await self._decided(
            CancelAnswer, call, account, customer_order_id, what, departure=permit
        )

    def _permit(
        self, account: str, customer_order_id: str, body: dict[str, Any], contract_id: int | None
    ) -> Departure:
        """Return what is asked before an order leaves. This API gives no preview of its value."""
        stake = Stake(
            conids=None if contract_id is None else frozenset({contract_id}),
            units=body["Quantity"],
        )
        return Departure(partial(self._permission.check, customer_order_id, account, (stake,)))

    async def _decided(
        self,
        row_type: type[R],
        call: Awaitable[Any],
        account: str,
        customer_order_id: str,
        what: str,
        *,
        departure: Departure,
        replaces: str | None = None,
    ) -> R:
        """Make the call and say what is proven: the row, the refusal, or that it is unknown."""
        with _warning_when_given_up(customer_order_id, what, departure):
            try:
                wire = await call
                row = _own_row(row_type, wire, customer_order_id, what, replaces)
            except IbkrError as error:
                if isinstance(error, _REFUSED_UNSEEN) or nothing_was_sent(
                    error, has_left=departure.may_have_left
                ):
                    raise
                await self._explain(error, row_type, account, customer_order_id, what)
                raise
        if row.status == FixOrderStatus.REJECTED and row_type is not CancelAnswer:
            raise OrderRejectedError(customer_order_id, row.warning or f"{what}: status Rejected")
        return row

    async def _explain(
        self,
        error: IbkrError,
        row_type: type[R],
        account: str,
        customer_order_id: str,
        what: str,
    ) -> None:
        """Raise what the failure of an order call means; return when it speaks for itself."""
        reused = row_type is ThirdPartyOrderState and shows_reuse(str(error))
        if is_refusal(error) and not reused:
            if row_type is CancelAnswer:
                return
            raise OrderRejectedError(customer_order_id, str(error)) from error
        looked_at, is_alive = await self._look_for(account, customer_order_id)
        if looked_at is None and isinstance(error, AccountsNotVisibleError):
            return  # said twice: the account is not there yet, so nothing can have been done
        raise OrderUnknownError(
            customer_order_id,
            f"{what}: {error.without_advice}",
            looked_at or ("the account, which is not visible yet",),
            live_order_ids=(customer_order_id,) if is_alive else (),
            coid_reused=reused,
            advice=(
                f"look for it with find_order({account!r}, {customer_order_id!r}) and "
                f"trades({account!r}) before doing anything about it"
            ),
        ) from error

    async def _look_for(
        self, account: str, customer_order_id: str
    ) -> tuple[tuple[str, ...] | None, bool]:
        """Look once for an order by its id: what was looked at, and whether it lives or has filled.

        None for the former when the server says that the account is not visible.
        """
        with anyio.move_on_after(self._look_timeout_s):
            try:
                orders = await self._calls.read_rows(ThirdPartyOrderState, ORDERS, account=account)
                found = [row for row in orders if row.customer_order_id == customer_order_id]
                if found:
                    status, filled = found[-1].status, found[-1].filled_quantity
                    word = "without a status" if status is None else status.name
                    return (f"the orders ({word})",), status not in DEAD_STATUSES or bool(filled)
                trades = await self._calls.read_rows(
                    ThirdPartyTrade, "/accounts/{account}/trades", account=account
                )
            except AccountsNotVisibleError:
                return None, False
            except IbkrError as error:
                return (f"the orders and trades (failed: {error.without_advice})",), False
            if any(trade.customer_order_id == customer_order_id for trade in trades):
                return ("the orders (not there)", "the trades (it has traded)"), True
            return ("the orders and trades (not there, which proves nothing yet)",), False
        return (f"the orders (no answer within {self._look_timeout_s:g} s)",), False


def _own_row(
    row_type: type[R], wire: Any, customer_order_id: str, what: str, replaces: str | None
) -> R:
    """Find the row about our order in an answer, which `replaces` another where it is a change.

    Errors: `RefusedError` for an answer that is an error and nothing else; `UnreadableResponseError`
    for another shape, and for an answer that does not name the order, says two things about it, or
    gives an invalid status: none of these proves anything.
    """

    def read() -> R:
        rows = read_rows(row_type, wire)
        own = [row for row in rows if row.customer_order_id == customer_order_id]
        if not own:
            raise msgspec.ValidationError("the answer does not name the order")
        if len({row.status for row in own}) > 1 or any(
            says_something(row.extra.get("error")) for row in own
        ):
            raise msgspec.ValidationError("the answer says two things about the order")
        if getattr(own[0], "orig_customer_order_id", None) not in {None, replaces}:
            raise msgspec.ValidationError("the answer is about a change of another order")
        if own[0].status in _NO_STATUS:
            raise msgspec.ValidationError("the order's status is InvalidOrderStatus (-1)")
        return own[0]

    raise_refusal(what, wire, customer_order_id)
    return understood(what, read)


@contextmanager
def _warning_when_given_up(
    customer_order_id: str, what: str, departure: Departure
) -> Iterator[None]:
    """Log that an outcome is unknown when the caller is cancelled halfway and hears nothing."""
    try:
        yield
    except IbkrError:
        raise
    except BaseException:
        if departure.may_have_left:
            _log.warning(
                "order %s: outcome unknown (given up during %s); look for it with find_order",
                customer_order_id,
                what,
            )
        raise
