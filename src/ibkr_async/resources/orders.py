"""Endpoints of orders and executions, one method each.

Responsible for building the requests and reading the answers. It must never decide anything about
an order: guards, the question dialogue and the naming of outcomes are in `orders.desk`, which is
what users call. Nothing here is ever sent twice, except plain reads.

Previews, the day's orders, the executions and an order's status have the urgency of an order: guards and
searches for an order wait for them, and must not wait behind reads. They cannot crowd orders out: each
list is read once in five seconds at most, and statuses once a second.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ibkr_async.errors import NotFoundError, RefusedError, ServerError, UnreadableResponseError
from ibkr_async.models.order_answers import PlaceAnswer, read_place_answer
from ibkr_async.models.orders import (
    CancelReply,
    LiveOrders,
    MessageIdsBody,
    OrdersBody,
    OrderStatusReply,
    PromptAnswerBody,
    ReplyBody,
    SuppressReply,
    Ticket,
    Trade,
    WhatIf,
    read_cancel_reply,
)
from ibkr_async.resources.base import Resource, pairs
from ibkr_async.rest.request import RestRequest, Urgency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.rest.request import Permit

_OK: Final = 200
_AGAIN: Final = "ask again in a moment"
_ACCOUNT: Final = re.compile(r"[A-Z]{1,3}[0-9]+")


class _Words(msgspec.Struct):
    error: Any = None


class OrderEndpoints(Resource):
    """Low-level calls about orders.

    What changes anything takes a `permit`, which is asked in the line before the bytes leave.
    """

    async def place(
        self, account_id: str, tickets: Sequence[Ticket], *, permit: Permit, urgent: bool = False
    ) -> tuple[PlaceAnswer, ...]:
        """Send tickets, once. With `urgent` they go ahead as a cancel does.

        Shape: at least one row; a refusal is a row too, because IBKR answers it with status 200.
        Errors: any failure that may have reached the server leaves the order's outcome unknown.
        Source: POST /iserver/account/{accountId}/orders, "Place Order".
        """
        request = RestRequest[Any](
            method="POST",
            path="/iserver/account/{account_id}/orders",
            path_params={"account_id": account_id},
            result=Any,
            body=OrdersBody(tuple(tickets)),
            urgency=_urgency(urgent=urgent),
            permit=permit,
            error_in_200=False,
        )
        return _rows(request, await self._send(request))

    async def modify(
        self,
        account_id: str,
        order_id: str,
        ticket: Ticket,
        *,
        permit: Permit,
        urgent: bool = False,
    ) -> tuple[PlaceAnswer, ...]:
        """Replace the terms of an order by a full ticket, once.

        Shape and errors: as `place`; a question may come here too.
        Source: POST /iserver/account/{accountId}/order/{orderId}, "Modify Order".
        """
        request = RestRequest[Any](
            method="POST",
            path="/iserver/account/{account_id}/order/{order_id}",
            path_params={"account_id": account_id, "order_id": order_id},
            result=Any,
            body=ticket,
            urgency=_urgency(urgent=urgent),
            permit=permit,
            error_in_200=False,
        )
        return _rows(request, await self._send(request))

    async def what_if(
        self, account_id: str, tickets: Sequence[Ticket], *, urgent: bool = False
    ) -> WhatIf:
        """Ask what an order would cost and change. Nothing is placed.

        Errors: `RefusedError` with IBKR's words when it would be refused, which IBKR also says with
        status 500; `ServerError` for a 5xx without words.
        Source: POST /iserver/account/{accountId}/orders/whatif, "Preview Order".
        """
        request = RestRequest[WhatIf](
            method="POST",
            path="/iserver/account/{account_id}/orders/whatif",
            path_params={"account_id": account_id},
            result=WhatIf,
            urgency=_urgency(urgent=urgent),
            body=OrdersBody(tuple(tickets)),
        )
        try:
            return await self._send(request)
        except (ServerError, NotFoundError, RefusedError) as error:
            if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            is_no = not isinstance(error, ServerError) or (
                error.status == HTTPStatus.INTERNAL_SERVER_ERROR and _explains(error.body)
            )
            kind, cure = (RefusedError, "correct the order") if is_no else (ServerError, _AGAIN)
            advice = f"nothing was placed, this was a preview: {cure}"
            raise kind(
                error.request, error.status, error.detail, body=error.body, advice=advice
            ) from error

    async def reply(
        self, reply_id: str, *, confirmed: bool, permit: Permit, urgent: bool = False
    ) -> tuple[PlaceAnswer, ...]:
        """Answer a question, once. A no goes ahead as a cancel does.

        Shape and errors: as `place`; another question may come.
        Source: POST /iserver/reply/{replyId}, "Place Order Reply".
        """
        request = RestRequest[Any](
            method="POST",
            path="/iserver/reply/{reply_id}",
            path_params={"reply_id": reply_id},
            result=Any,
            body=ReplyBody(confirmed),
            urgency=_urgency(urgent=urgent or not confirmed),
            permit=permit,
            error_in_200=False,
        )
        return _rows(request, await self._send(request))

    async def cancel(
        self,
        account_id: str,
        order_id: str,
        *,
        permit: Permit,
        manual_indicator: bool | None = None,
        ext_operator: str | None = None,
        manual_cancel_time: int | None = None,
    ) -> CancelReply:
        """Ask for a cancellation, ahead of everything that waits. An order id of -1 means all.

        The last three say who cancelled by hand and when; US futures demand the first two.

        Errors: `BadRequestError` or `RefusedError` when there is no such order, or it is inactive;
        `UnreadableResponseError` for an answer about another order or account.
        Source: DELETE /iserver/account/{accountId}/order/{orderId}, "Cancel Order".
        """
        request = RestRequest[Any](
            method="DELETE",
            path="/iserver/account/{account_id}/order/{order_id}",
            path_params={"account_id": account_id, "order_id": order_id},
            query=pairs(
                manualIndicator=manual_indicator,
                extOperator=ext_operator,
                manualCancelTime=manual_cancel_time,
            ),
            result=Any,
            urgency=Urgency.CANCEL,
            permit=permit,
        )
        wire = await self._send(request)
        try:
            reply = read_cancel_reply(wire)
        except msgspec.ValidationError as problem:
            raise _unreadable(request, problem) from problem
        if reply.extra.get("error"):
            raise RefusedError(request.label, _OK, str(reply.extra["error"]))
        if order_id != "-1":
            _check_about(request, order_id, reply.order_id)
        if _is_account(account_id) and _is_account(reply.account):
            _check_about(request, account_id, reply.account)
        return reply

    async def answer_prompt(
        self, order_id: str, req_id: str, option: str, *, permit: Permit
    ) -> str:
        """Choose one option of a prompt, once.

        Shape: IBKR's words, such as `Request was submitted`.
        Source: POST /iserver/notification, "Respond to a Server Prompt".
        """
        answer: Any = await self._send(
            RestRequest[Any](
                method="POST",
                path="/iserver/notification",
                result=str,
                body=PromptAnswerBody(order_id=int(order_id), req_id=req_id, text=option),
                urgency=Urgency.ORDER,
                permit=permit,
            )
        )
        return str(answer)

    async def live(
        self,
        *,
        filters: Sequence[str] = (),
        force: bool | None = None,
        account_id: str | None = None,
    ) -> LiveOrders:
        """Read the day's orders.

        Shape: until `snapshot` is true, no rows does not mean no orders. With `force` IBKR clears
        what it has collected and answers with nothing; the next call has the orders.
        Side effects at the broker: `filters` silences the `sor` topic until a call with `force`.
        Source: GET /iserver/account/orders, "Live Orders". Pacing: 1 per 5 seconds.
        """
        return await self._send(
            RestRequest[LiveOrders](
                method="GET",
                path="/iserver/account/orders",
                query=pairs(filters=",".join(filters) or None, force=force, accountId=account_id),
                result=LiveOrders,
                urgency=Urgency.ORDER,
                replayable=True,
            )
        )

    async def status(self, order_id: str) -> OrderStatusReply:
        """Read one order.

        Errors: `NotFoundError` or `ServerError`, both 503, for an order of an earlier day;
        `UnreadableResponseError` for an answer about another order.
        Source: GET /iserver/account/order/status/{orderId}, "Order Status". Pacing: 6 in 6 seconds; IBKR
        names no limit, but answers 503 to a dense run.
        """
        request = RestRequest[OrderStatusReply](
            method="GET",
            path="/iserver/account/order/status/{order_id}",
            path_params={"order_id": order_id},
            result=OrderStatusReply,
            urgency=Urgency.ORDER,
            replayable=True,
        )
        reply = await self._send(request)
        _check_about(request, order_id, reply.order_id)
        return reply

    async def trades(self, *, days: int | None = None) -> tuple[Trade, ...]:
        """Read the executions of the last days, those of all accounts of the session.

        Shape: the first call of a session may be empty although there are some.
        Source: GET /iserver/account/trades, "Trades". Pacing: 1 per 5 seconds.
        """
        return await self._send(
            RestRequest[tuple[Trade, ...]](
                method="GET",
                path="/iserver/account/trades",
                query=pairs(days=days),
                result=tuple[Trade, ...],
                urgency=Urgency.ORDER,
                replayable=True,
            )
        )

    async def suppress(self, message_ids: Sequence[str], *, permit: Permit) -> SuppressReply:
        """Let IBKR stop asking these kinds of question in this session.

        Source: POST /iserver/questions/suppress, "Suppress Messages".
        """
        return await self._send(
            RestRequest[SuppressReply](
                method="POST",
                path="/iserver/questions/suppress",
                result=SuppressReply,
                body=MessageIdsBody(tuple(message_ids)),
                permit=permit,
            )
        )

    async def reset_suppressed(self, *, permit: Permit) -> SuppressReply:
        """Let IBKR ask everything again.

        Source: POST /iserver/questions/suppress/reset, "Reset Suppressed Messages".
        """
        return await self._send(
            RestRequest[SuppressReply](
                method="POST",
                path="/iserver/questions/suppress/reset",
                result=SuppressReply,
                permit=permit,
            )
        )


def _explains(body: str) -> bool:
    """Tell whether the body of a failure has words of IBKR's: `{"error":"Order size 0 is not valid"}`."""
    try:
        return bool(msgspec.json.decode(body, type=_Words).error)
    except msgspec.MsgspecError:
        return False


def _check_about(request: RestRequest[Any], asked: str, named: str | None) -> None:
    """Raise when an answer names another order or account than was asked for: it belongs elsewhere."""
    if named and named != asked:
        detail = f"the answer is about {named}, and not about {asked}"
        raise UnreadableResponseError(request.label, _OK, detail)


def _is_account(name: str | None) -> bool:
    """Tell whether a name is an account's; an advisor's group can be called anything."""
    return name is not None and _ACCOUNT.fullmatch(name) is not None


def _urgency(*, urgent: bool) -> Urgency:
    return Urgency.CANCEL if urgent else Urgency.ORDER


def _rows(request: RestRequest[Any], wire: Any) -> tuple[PlaceAnswer, ...]:
    try:
        return read_place_answer(wire)
    except msgspec.ValidationError as problem:
        raise _unreadable(request, problem) from problem


def _unreadable(
    request: RestRequest[Any], problem: msgspec.ValidationError
) -> UnreadableResponseError:
    return UnreadableResponseError(request.label, _OK, f"unexpected shape: {problem}")
