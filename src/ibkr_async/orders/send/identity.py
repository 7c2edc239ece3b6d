"""Whether an answer is about the request that was sent. Pure.

Responsible for comparing what an answer names with what was sent: order numbers, client order ids, and
the ids of questions. An answer that is late, repeated, or somebody else's is told by that, and is then
no answer: what became of the request is unknown. It must never guess that an answer is meant well.

An answer that names nothing at all is believed. IBKR names the client order id on the parent of a
bracket, and the number always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async.models.order_answers import (
    LegRejected,
    OrderAccepted,
    OrderQuestion,
    PromptQuestion,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from ibkr_async.models.order_answers import PlaceAnswer
    from ibkr_async.orders.fate.unknown import Submission


def foreign(
    rows: Sequence[PlaceAnswer],
    submission: Submission,
    *,
    is_earlier: Callable[[str], bool],
    asked: Container[str],
) -> str:
    """Return what in an answer is not about a submission, in words; empty when nothing is.

    `is_earlier` tells whether an order was known before this one was sent; `asked` are the ids of the
    questions that IBKR has asked before.
    """
    for row in rows:
        if isinstance(row, OrderQuestion) and row.id in asked:
            return f"the answer repeats question {row.id}, which was asked before"
        if isinstance(row, OrderAccepted | LegRejected | PromptQuestion):
            words = _foreign_order(row, submission, is_earlier)
            if words:
                return words
    taken = {row.order_id for row in rows if isinstance(row, OrderAccepted)}
    if len(taken) > len(submission.tickets):
        return f"the answer names {len(taken)} orders for {len(submission.tickets)} that were sent"
    return ""


def _foreign_order(
    row: OrderAccepted | LegRejected | PromptQuestion,
    submission: Submission,
    is_earlier: Callable[[str], bool],
) -> str:
    coids = {submission.coid, *(ticket.coid for ticket in submission.tickets)}
    coid = None if isinstance(row, PromptQuestion) else row.local_order_id
    # A modification may leave the client order id out, and IBKR names that of the order.
    if coid is not None and coid not in coids and submission.modifies is None:
        return f"the answer is about the order with client order id {coid!r}"
    order_id = row.order_id
    if order_id is None or order_id == "-1":
        return ""
    if submission.modifies is not None:
        return "" if order_id == submission.modifies else f"the answer is about order {order_id}"
    if is_earlier(order_id):
        return f"the answer is about order {order_id}, which was known before this one was sent"
    return ""
