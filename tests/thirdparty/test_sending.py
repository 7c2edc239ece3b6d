"""The requests that calls of this API become, and the errors that their answers become."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ibkr_async.errors import (
    LockedError,
    RateLimitedError,
    ResponseError,
    UnreadableResponseError,
    UsageError,
)
from ibkr_async.rest.request import RestRequest, Urgency
from ibkr_async.thirdparty import ThirdPartyPosition
from ibkr_async.thirdparty.sending import ORDER, ORDERS, Calls, understood

BODY = {"Quantity": Decimal("1.50"), "GermanHftAlgo": False}


class Recorder:
    """Keeps the requests, and answers or raises what it was given."""

    def __init__(self, answer: Any = None) -> None:
        self.requests: list[RestRequest[Any]] = []
        self._answer = answer

    async def __call__(self, request: RestRequest[Any]) -> Any:
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


def refuse() -> None:
    """Let nothing pass."""
    raise UsageError("not now")


async def test_read_may_be_made_again_and_needs_no_permit() -> None:
    """A read changes nothing."""
    send = Recorder({"a": 1})

    answer = await Calls(send, form_bodies=True).read(ORDERS, (("q", "1"),), account="DU1")

    (request,) = send.requests
    assert answer == {"a": 1}
    assert (request.label, request.query) == ("GET /accounts/DU1/orders", (("q", "1"),))
    assert (request.replayable, request.permit, request.urgency) == (True, None, Urgency.READ)
    assert (request.body, request.form) == (None, None)


async def test_rows_are_read_with_their_query() -> None:
    """An array becomes a tuple of its type."""
    send = Recorder([{"ContractId": 8314}])

    (row,) = await Calls(send, form_bodies=False).read_rows(
        ThirdPartyPosition, "/accounts/{account}/positions", (("q", "1"),), account="DU1"
    )

    assert row.contract_id == 8314
    assert send.requests[0].label == "GET /accounts/DU1/positions"
    assert send.requests[0].query == (("q", "1"),)


async def test_rows_of_another_shape_name_the_call() -> None:
    """The label is the path as the reference has it."""
    calls = Calls(Recorder("no rows"), form_bodies=False)

    with pytest.raises(UnreadableResponseError, match=r"GET /accounts/\{account\}/positions"):
        await calls.read_rows(ThirdPartyPosition, "/accounts/{account}/positions", account="DU1")


@pytest.mark.parametrize("form_bodies", [False, True])
async def test_question_with_a_body_may_be_sent_again(*, form_bodies: bool) -> None:
    """A preview is no order."""
    send = Recorder()

    await Calls(send, form_bodies=form_bodies).ask("/x/{account}", BODY, account="DU1")

    (request,) = send.requests
    assert (request.label, request.replayable, request.permit) == ("POST /x/DU1", True, None)
    assert request.urgency is Urgency.READ
    assert request.body == (None if form_bodies else BODY)
    assert request.form == (
        (("Quantity", "1.50"), ("GermanHftAlgo", "false")) if form_bodies else None
    )


@pytest.mark.parametrize(
    ("method", "urgency"),
    [("POST", Urgency.ORDER), ("PUT", Urgency.ORDER), ("DELETE", Urgency.CANCEL)],
)
async def test_order_call_is_never_made_again_and_asks_for_permission(
    method: Any, urgency: Urgency
) -> None:
    """Cancels go ahead of everything else."""
    send = Recorder()

    await Calls(send, form_bodies=False).act(
        method, ORDER, BODY, permit=refuse, account="DU1", customer_order_id="A"
    )

    (request,) = send.requests
    assert request.label == f"{method} /accounts/DU1/orders/A"
    assert (request.replayable, request.permit, request.urgency) == (False, refuse, urgency)
    assert (request.body, request.form) == (BODY, None)


async def test_cancel_has_no_form() -> None:
    """Nothing is signed where there is no body."""
    send = Recorder()

    await Calls(send, form_bodies=True).act("DELETE", ORDERS, None, permit=refuse, account="DU1")

    assert (send.requests[0].body, send.requests[0].form) == (None, None)


async def test_status_gets_its_meaning_and_keeps_its_cause() -> None:
    """The reference gives 423 a meaning."""
    error = ResponseError("GET /x", 423, "locked")

    with pytest.raises(LockedError) as caught:
        await Calls(Recorder(error), form_bodies=False).read(ORDERS, account="DU1")

    assert caught.value.__cause__ is error


async def test_status_without_a_meaning_is_itself() -> None:
    """It is raised as it came, with no cause of its own."""
    error = RateLimitedError("GET /x", 429, "slow down")

    with pytest.raises(RateLimitedError) as caught:
        await Calls(Recorder(error), form_bodies=False).read(ORDERS, account="DU1")

    assert caught.value is error
    assert caught.value.__cause__ is None


def test_answer_that_is_understood_is_given_back() -> None:
    """Only a wrong shape is an error, and its values are not told."""

    def fail() -> None:
        raise msgspec.ValidationError("Expected `int` - at `$.x`")

    assert understood("GET /x", lambda: 7) == 7
    with pytest.raises(UnreadableResponseError, match=r"GET /x.*unexpected shape.*\$\.x"):
        understood("GET /x", fail)
