"""One way for every call of this API: the body's form, the meaning of statuses, the rows.

Responsible for building requests that are either reads, which may be made again, or order calls,
which never are, and for reading rows out of answers. It must never look at what an order is.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from ibkr_async.errors import RefusedError, ResponseError, UnreadableResponseError
from ibkr_async.models.base import Unread
from ibkr_async.models.order_answers import OrderRefused, read_place_answer
from ibkr_async.rest.request import RestRequest, Urgency
from ibkr_async.thirdparty.answers import read_rows
from ibkr_async.thirdparty.orders.requests import form_fields
from ibkr_async.thirdparty.statuses import explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.ports import Method, Pairs
    from ibkr_async.resources.base import SendRequest
    from ibkr_async.rest.request import Permit

T = TypeVar("T")

_log = logging.getLogger("ibkr_async.rest")

_ANSWER: Final = list[Any] | dict[str, Any]
"""Of an order call. One without content is none: whether it was done is not said."""

ORDERS = "/accounts/{account}/orders"
ORDER = "/accounts/{account}/orders/{customer_order_id}"


class Calls:
    """Sends calls of the Third-Party Web API over one `SendRequest`."""

    def __init__(self, send: SendRequest, *, form_bodies: bool) -> None:
        self._send = send
        self._form_bodies = form_bodies

    async def read(self, path: str, query: Pairs = (), **path_params: str) -> Any:
        """Read something; the pipeline makes it again where the status allows.

        Shape: plain objects, fractions as `Decimal`.
        """
        return await self._sent(
            RestRequest(
                method="GET",
                path=path,
                result=Any,
                path_params=path_params,
                query=query,
                replayable=True,
            )
        )

    async def read_rows(
        self, type_: type[T], path: str, query: Pairs = (), **path_params: str
    ) -> tuple[T, ...]:
        """Read an array of `type_`."""
        wire = await self.read(path, query, **path_params)
        raise_refusal(f"GET {path}", wire)
        unread = Unread()
        rows = understood(f"GET {path}", lambda: read_rows(type_, wire, unread))
        if unread.count:
            _log.warning("GET %s: the answer was read without %s", path, unread)
        return rows

    async def ask(self, path: str, body: dict[str, Any], **path_params: str) -> Any:
        """Send a question with a body: nothing happens at the broker, so it may be sent again."""
        return await self._sent(
            RestRequest(
                method="POST",
                path=path,
                result=Any,
                path_params=path_params,
                replayable=True,
                **self._content(body),
            )
        )

    async def act(
        self,
        method: Method,
        path: str,
        body: dict[str, Any] | None,
        *,
        permit: Permit,
        **path_params: str,
    ) -> Any:
        """Make an order call, once. Cancels go ahead of everything else.

        Shape: the answer as it is, also where it is an error.
        """
        urgency = Urgency.CANCEL if method == "DELETE" else Urgency.ORDER
        return await self._sent(
            RestRequest(
                method=method,
                path=path,
                result=_ANSWER,
                path_params=path_params,
                urgency=urgency,
                permit=permit,
                error_in_200=False,
                **self._content(body),
            )
        )

    def _content(self, body: dict[str, Any] | None) -> dict[str, Any]:
        if self._form_bodies and body is not None:
            return {"form": form_fields(body)}
        return {"body": body}

    async def _sent(self, request: RestRequest[Any]) -> Any:
        try:
            return await self._send(request)
        except ResponseError as error:
            meant = explained(request, error)
            if meant is error:
                raise
            raise meant from error


def understood(label: str, read: Callable[[], T]) -> T:
    """Read an answer, or say that it has another shape than the reference gives it.

    Errors: `UnreadableResponseError`.
    """
    try:
        return read()
    except msgspec.ValidationError as problem:
        # The message names the path of the field; the values may be private.
        raise UnreadableResponseError(label, 200, f"unexpected shape: {problem}") from problem


def raise_refusal(label: str, wire: Any, customer_order_id: str = "") -> None:
    """Raise `RefusedError` for an answer that is an error and nothing else, as the desk reads it.

    It may name `customer_order_id` besides.
    """
    try:
        rows = read_place_answer(wire)
    except msgspec.ValidationError:
        return
    named = {"CustomerOrderId": customer_order_id}
    errors = [row for row in rows if isinstance(row, OrderRefused)]
    if len(errors) == len(rows) and all(not row.extra or row.extra == named for row in errors):
        status = next((row.status_code for row in errors if row.status_code), HTTPStatus.OK)
        raise RefusedError(label, status, "; ".join(row.error for row in errors))
