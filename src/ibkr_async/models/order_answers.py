"""What IBKR answers to an order, a modification or a reply: five kinds of row, all with status 200.

Responsible for telling the kinds apart and typing them. It must never guess: a row that fits no kind
or two is an error, and `orders.dialogue` then calls the order's outcome unknown.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

from ibkr_async.models.base import Bool, Int, Model, Str, convert, parse_json
from ibkr_async.models.scalars import says_something


class _OrderRow(Model, frozen=True, kw_only=True):
    """What accepted and rejected legs have in common."""

    order_id: Str = None
    """IBKR's number of the order; `"-1"` when there is none."""
    order_status: Str = None
    """Status word, such as `PreSubmitted`."""
    local_order_id: Str = None
    """The ticket's `cOID`; seen on the parent of a bracket."""
    parent_order_id: Str = None
    """Order id of the parent; seen on children."""
    encrypt_message: Str = None
    """Always `"1"` so far."""
    text: Str = None
    """Remark of IBKR about the order."""
    warning_message: Str = None
    """Warning of IBKR about the order."""


class OrderAccepted(_OrderRow, frozen=True, kw_only=True):
    """IBKR has taken the order, or one leg of it."""


class LegRejected(_OrderRow, frozen=True, kw_only=True):
    """IBKR has refused one leg: `order_id` is `"-1"` or its status is `Failed`."""


class OrderQuestion(Model, frozen=True, kw_only=True, rename={"messages": "message"}):
    """IBKR wants a yes or no before the order goes on."""

    id: str
    """Id to reply to. Another order request may invalidate it."""
    messages: tuple[str, ...] = ()
    """The question; may contain markup."""
    message_ids: tuple[str, ...] = msgspec.field(default=(), name="messageIds")
    """Its kinds, such as `o163`."""
    message_options: tuple[str, ...] = msgspec.field(default=(), name="messageOptions")
    """The words to choose from, in no fixed order: `("Yes", "No")`, but also `("Decline", "Accept and Continue")`."""
    is_suppressed: Bool = msgspec.field(default=None, name="isSuppressed")
    """Whether this kind of question was suppressed."""


class OrderRefused(Model, frozen=True, kw_only=True):
    """IBKR has refused the request; HTTP says 200 all the same."""

    error: str
    """IBKR's words."""
    status_code: Int = msgspec.field(default=None, name="statusCode")
    """HTTP status that IBKR's backend meant."""


class PromptQuestion(
    Model,
    frozen=True,
    kw_only=True,
    rename={"order_id": "orderId", "req_id": "reqId", "message_id": "messageId"},
):
    """IBKR asks to choose among options. The order has a number already.

    It is answered at `POST /iserver/notification`, not as a reply.
    """

    order_id: Str = None
    """Order that it is about."""
    req_id: Str = None
    """Id to answer with."""
    text: Str = None
    """The question; may contain markup."""
    options: tuple[str, ...] = ()
    """The answers to choose from."""
    message_id: Str = None
    """Its kind, such as `p12`."""
    type: Str = None
    """`M` so far."""
    prompt: Bool = None
    """True."""


PlaceAnswer: TypeAlias = OrderAccepted | LegRejected | OrderQuestion | OrderRefused | PromptQuestion
"""One row of the answer to a placing request, a modification or a reply."""


def parse_place_answer(data: bytes | str) -> tuple[PlaceAnswer, ...]:
    """Decode and classify the answer to a placing request or reply.

    Shape: as `read_place_answer`.
    Errors: `msgspec.DecodeError` when it is not JSON or a row is of no known kind.
    """
    return read_place_answer(parse_json(data))


def read_place_answer(wire: Any) -> tuple[PlaceAnswer, ...]:
    """Classify each row of a decoded answer by the keys that it has.

    Shape: at least one row, in the order of the wire; a bare object is one row.
    Errors: `msgspec.ValidationError` when there is no row, or a row is of no known kind or of two:
    a guess here would be a guess about money.

    Source: the alternatives listed for "Place Order" and "Reply" in the OpenAPI document; bracket
    rows as recorded by ibkr-conduit.
    """
    rows = wire if isinstance(wire, list) else [wire]
    if not rows:
        raise msgspec.ValidationError("the answer has no row")
    return tuple(_read_row(row) for row in rows)


def _read_row(row: Any) -> PlaceAnswer:
    if not isinstance(row, dict):
        raise msgspec.ValidationError("a row of the answer is not an object")
    kinds = [kind for kind, applies in _KINDS if applies(row)]
    if len(kinds) != 1:
        raise msgspec.ValidationError(f"a row of the answer is of no one kind: keys {sorted(row)}")
    answer: PlaceAnswer = convert(kinds[0], _with_lists(row))
    return answer


def _is_error(row: dict[str, Any]) -> bool:
    return says_something(row.get("error"))


def _is_prompt(row: dict[str, Any]) -> bool:
    return row.get("reqId") is not None and "options" in row


def _is_question(row: dict[str, Any]) -> bool:
    return bool(row.get("id")) and "message" in row


def _is_rejected_leg(row: dict[str, Any]) -> bool:
    return _has_order(row) and (str(row["order_id"]) == "-1" or row.get("order_status") == "Failed")


def _is_accepted(row: dict[str, Any]) -> bool:
    return _has_order(row) and not _is_rejected_leg(row)


def _has_order(row: dict[str, Any]) -> bool:
    """Tell whether a row names an order by a number, or by the `-1` of one that got none."""
    number = row.get("order_id")
    if isinstance(number, bool) or not isinstance(number, int | str):
        return False
    text = str(number)
    return text == "-1" or (text.isascii() and text.isdecimal() and int(text) > 0)


_KINDS: Final = (
    (OrderAccepted, _is_accepted),
    (LegRejected, _is_rejected_leg),
    (OrderQuestion, _is_question),
    (PromptQuestion, _is_prompt),
    (OrderRefused, _is_error),
)
_LISTS: Final = ("message", "messageIds", "messageOptions", "options")


def _with_lists(row: dict[str, Any]) -> dict[str, Any]:
    """Bring the list fields into form: a lone text becomes a list of one, null an absent key."""
    lists = {
        key: [value] if isinstance(value, str) else value
        for key in _LISTS
        if (value := row.get(key)) is not None
    }
    return {key: value for key, value in row.items() if key not in _LISTS} | lists
