from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from ibkr_async.errors import (
    AccountsNotVisibleError,
    BadRequestError,
    ConnectFailedError,
    ConnectionBrokenError,
    ForbiddenError,
    IbkrError,
    LockedError,
    OrderRejectedError,
    OrderUnknownError,
    RateLimitedError,
    RequestTimeoutError,
    UnauthorizedError,
)
from ibkr_async.ports import HttpReply
from ibkr_async.thirdparty import OrderChange, ThirdPartyOrder
from support.third_party_bench import Answer, Bench

ACCOUNT = "DU7000001"
ORDER = ThirdPartyOrder(
    contract_id=8314, side="BUY", quantity=100, order_type="LIMIT", price="220.50",
    customer_order_id="BOT-1",
)  # fmt: skip
LOST = ConnectionBrokenError("POST", "the connection broke", may_have_reached_server=True)
LATE = RequestTimeoutError("POST", "no answer in time", may_have_reached_server=True)


def unavailable() -> HttpReply:
    """An answer of the edge, not of the broker."""
    return HttpReply(status=503, headers={}, content=b"Service Unavailable")


def writes(bench: Bench) -> list[str]:
    """The order calls that left."""
    return [label for label in bench.server.labels if not label.startswith("GET")]


@pytest.mark.parametrize(
    "answer",
    [
        202,
        408,
        LOST,
        LATE,
        409,
        unavailable(),
        b"<html>login</html>",
        b"not json",
        b"[]",
        b'[{"CustomerOrderId":"ANOTHER"}]',
        b'[{"CustomerOrderId":"BOT-1","Status":-1}]',
        b'[{"Status":"0"},{"Status":"0"}]',
        # An answer that does not name the order is about no order.
        b'[{"Status":"0"}]',
        b'{"Status":"0","Quantity":100}',
        b'[{"order_id":"1","order_status":"Submitted"}]',
        b'[{"CustomerOrderId":null,"Status":"0"}]',
        b'[{"CustomerOrderId":{"id":"BOT-1"},"Status":"0"}]',
        b'[{"CustomerOrderId":["BOT-1"],"Status":"0"}]',
        b'[{"CustomerOrderId":"bot-1","Status":"0"}]',
        # One that says two things proves neither.
        b'[{"order_id":"1","error":"x"}]',
        b'{"order_id":"1","error":"x"}',
        b'[{"CustomerOrderId":"BOT-1","Status":"0","error":"x"}]',
        b'{"CustomerOrderId":"BOT-1","Status":"0","error":"x"}',
        b'[{"CustomerOrderId":"ANOTHER","error":"x"}]',
        b'[{"error":"x"},{"CustomerOrderId":"BOT-1","Status":"0","error":"x"}]',
        b'[{"CustomerOrderId":"BOT-1","Status":"0"},{"CustomerOrderId":"BOT-1","Status":"8"}]',
        # A 200 that means 503 is a 503.
        b'{"error":"Service Unavailable","statusCode":503}',
        b'[{"error":"Service Unavailable","statusCode":503}]',
        b'{"error":"timeout","statusCode":408}',
        b'{"error":"conflict","statusCode":"409"}',
        # There is an order with this id: whose, is not said.
        b'{"error":"Local order ID=1 is already registered"}',
    ],
    ids=str,
)
async def test_unproven_outcome_is_unknown_and_looked_up_once(bench: Bench, answer: Answer) -> None:
    """The order is sent once, looked for by its id, and never reported as placed or refused."""
    bench.server.will_answer(answer, b'[{"CustomerOrderId":"BOT-1","Status":"0"}]')

    with pytest.raises(OrderUnknownError) as caught:
        await bench.client.place_order(ACCOUNT, ORDER)

    error = caught.value
    assert writes(bench) == [f"POST /accounts/{ACCOUNT}/orders"]
    assert bench.server.labels[1:] == [f"GET /accounts/{ACCOUNT}/orders"]
    assert error.coid == "BOT-1"
    assert error.looked_at == ("the orders (NEW)",)
    assert error.live_order_ids == ("BOT-1",)
    assert f"find_order('{ACCOUNT}', 'BOT-1')" in str(error)


async def test_look_up_goes_on_to_the_trades(bench: Bench) -> None:
    """An order that has left the list may have traded."""
    bench.server.will_answer(LOST, b"[]", b'[{"CustomerOrderId":"BOT-1"}]')

    with pytest.raises(OrderUnknownError) as caught:
        await bench.client.place_order(ACCOUNT, ORDER)

    assert caught.value.looked_at == ("the orders (not there)", "the trades (it has traded)")
    assert caught.value.live_order_ids == ("BOT-1",)


async def test_look_up_that_finds_nothing_proves_nothing(bench: Bench) -> None:
    """Absence right after the failure is no refusal."""
    bench.server.will_answer(LOST, b"[]", b"[]")

    with pytest.raises(OrderUnknownError, match="proves nothing yet") as caught:
        await bench.client.place_order(ACCOUNT, ORDER)

    assert caught.value.live_order_ids == ()


@pytest.mark.parametrize(
    ("code", "name", "is_alive"),
    [
        ("4", "CANCELED", False),
        ("8", "REJECTED", False),
        ("C", "EXPIRED", False),
        ("0", "NEW", True),
        ("2", "FILLED", True),
    ],
)
async def test_only_an_order_that_lives_or_has_filled_is_called_live(
    bench: Bench, code: str, name: str, *, is_alive: bool
) -> None:
    """A dead order that is found is named with its status only."""
    found = f'[{{"CustomerOrderId":"BOT-1","Status":"{code}"}}]'.encode()
    bench.server.will_answer(LOST, found)

    with pytest.raises(OrderUnknownError) as caught:
        await bench.client.place_order(ACCOUNT, ORDER)

    assert caught.value.looked_at == (f"the orders ({name})",)
    assert caught.value.live_order_ids == (("BOT-1",) if is_alive else ())


async def test_failed_look_up_is_said(bench: Bench) -> None:
    """The look itself may fail; the outcome stays unknown."""
    bench.server.will_answer(LOST, 403)

    with pytest.raises(OrderUnknownError, match="failed") as caught:
        await bench.client.place_order(ACCOUNT, ORDER)

    assert caught.value.live_order_ids == ()


async def test_order_without_status_is_found(bench: Bench) -> None:
    """A row without a status is there, and that is all that is said."""
    bench.server.will_answer(LOST, b'[{"CustomerOrderId":"BOT-1"}]')

    with pytest.raises(OrderUnknownError) as caught:
        await bench.client.place_order(ACCOUNT, ORDER)

    assert caught.value.looked_at == ("the orders (without a status)",)


async def test_look_up_has_its_time_limit() -> None:
    """A server that is silent does not keep the error from its reader."""
    bench = Bench(look_timeout_s=0.0)
    bench.server.will_answer(LOST)
    async with bench.client as client:
        with pytest.raises(OrderUnknownError, match="no answer within 0 s"):
            await client.place_order(ACCOUNT, ORDER)


async def test_204_for_an_order_is_the_nightly_refresh_when_the_look_up_says_so_too(
    bench: Bench,
) -> None:
    """An account that is not visible cannot have taken the order."""
    bench.server.will_answer(204, 204)

    with pytest.raises(AccountsNotVisibleError):
        await bench.client.place_order(ACCOUNT, ORDER)

    assert len(writes(bench)) == 1


async def test_204_for_an_order_of_a_visible_account_is_unknown(bench: Bench) -> None:
    """No content may also mean that the server had nothing to add."""
    bench.server.will_answer(204, b"[]", b"[]")

    with pytest.raises(OrderUnknownError):
        await bench.client.place_order(ACCOUNT, ORDER)


async def test_lost_answer_of_an_invisible_account_is_unknown(bench: Bench) -> None:
    """The broken connection is not explained by the refresh."""
    bench.server.will_answer(LOST, 204)

    with pytest.raises(OrderUnknownError, match="not visible yet"):
        await bench.client.place_order(ACCOUNT, ORDER)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (423, LockedError),
        (429, RateLimitedError),
    ],
)
async def test_call_that_was_refused_unseen_keeps_its_error(
    bench: Bench, status: int, kind: type[IbkrError]
) -> None:
    """The order was not looked at: there is nothing to look for, and nothing is repeated."""
    bench.server.will_answer(status)

    with pytest.raises(kind):
        await bench.client.place_order(ACCOUNT, ORDER)

    assert len(bench.server.requests) == 1


async def test_login_that_failed_first_is_no_unknown_order(bench: Bench) -> None:
    """The answer that was lost is the login's; the order never left."""
    lost = ConnectionBrokenError(
        "POST /oauth/live_session_token", "the connection broke", may_have_reached_server=True
    )

    async def fail(_send: object) -> None:
        raise lost

    bench.auth.forget()
    bench.auth.login = fail  # type: ignore[method-assign]  # a network that breaks in the login
    with pytest.raises(ConnectionBrokenError):
        await bench.client.place_order(ACCOUNT, ORDER)

    assert bench.server.requests == []


async def test_connection_that_was_never_made_is_no_unknown_order(bench: Bench) -> None:
    """Nothing was sent, so nothing can be live."""
    bench.server.will_answer(ConnectFailedError("POST", "down", may_have_reached_server=False))

    with pytest.raises(ConnectFailedError):
        await bench.client.place_order(ACCOUNT, ORDER)

    assert len(bench.server.requests) == 1


@pytest.mark.parametrize(
    "answer",
    [
        400,
        404,
        b'{"error":"no trading permission"}',
        b'[{"error":"no trading permission"}]',
        b'{"error":"no trading permission","statusCode":400}',
        b'[{"CustomerOrderId":"BOT-1","error":"no trading permission"}]',
        b'[{"CustomerOrderId":"BOT-1","Status":"8","Warning":"no money"}]',
        b'[{"CustomerOrderId":"BOT-1","Status":8}]',
    ],
    ids=str,
)
async def test_refused_order_is_rejected(bench: Bench, answer: Answer) -> None:
    """A refusal is proven: it is named, and nothing is looked for."""
    bench.server.will_answer(answer)

    with pytest.raises(OrderRejectedError) as caught:
        await bench.client.place_order(ACCOUNT, ORDER)

    assert caught.value.coid == "BOT-1"
    assert len(bench.server.requests) == 1


async def test_unknown_modification_is_looked_up_by_the_new_id(bench: Bench) -> None:
    """Whether the change took place shows in whether the new id exists."""
    bench.server.will_answer(LOST, b'[{"CustomerOrderId":"BOT-1","Status":"0"}]', b"[]")
    change = OrderChange(price="221", customer_order_id="BOT-2")

    with pytest.raises(OrderUnknownError, match="BOT-1 into BOT-2") as caught:
        await bench.client.modify_order(ACCOUNT, ORDER, change)

    assert caught.value.coid == "BOT-2"
    assert writes(bench) == [f"PUT /accounts/{ACCOUNT}/orders/BOT-1"]


async def test_refused_modification_is_rejected(bench: Bench) -> None:
    """The original stays as it was."""
    bench.server.will_answer(400)

    with pytest.raises(OrderRejectedError):
        await bench.client.modify_order(ACCOUNT, ORDER, OrderChange(price="221"))


async def test_unknown_cancel_is_looked_up(bench: Bench) -> None:
    """The order's present status is part of the error."""
    bench.server.will_answer(408, b'[{"CustomerOrderId":"BOT-1","Status":"4"}]')

    with pytest.raises(OrderUnknownError, match="CANCELED"):
        await bench.client.cancel_order(ACCOUNT, "BOT-1")

    assert writes(bench) == [f"DELETE /accounts/{ACCOUNT}/orders/BOT-1"]


async def test_refused_cancel_is_a_bad_request(bench: Bench) -> None:
    """Cancelling what is done is refused; the order itself was not rejected."""
    bench.server.will_answer(400, b'[{"CustomerOrderId":"BOT-1","Status":"8"}]')

    with pytest.raises(BadRequestError):
        await bench.client.cancel_order(ACCOUNT, "BOT-1")
    answer = await bench.client.cancel_order(ACCOUNT, "BOT-1")

    assert answer.status == "8"


async def test_cancelled_caller_leaves_a_warning(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever gives up halfway cannot be told, so the log is."""
    under_way = asyncio.Event()

    async def hang(_request: Any) -> HttpReply:
        under_way.set()
        await asyncio.Event().wait()
        raise AssertionError

    bench.server.send = hang  # type: ignore[method-assign]  # a server that never answers
    task = asyncio.create_task(bench.client.place_order(ACCOUNT, ORDER))
    await under_way.wait()
    with caplog.at_level(logging.WARNING, logger="ibkr_async.orders"):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert "order BOT-1: outcome unknown" in caplog.text


@pytest.mark.parametrize("kind", ["modify", "cancel"])
@pytest.mark.parametrize(
    "answer",
    [b'[{"Status":"4"}]', b'[{"order_id":"1","error":"x"}]', b'{"error":"x","statusCode":503}'],
)
async def test_change_is_acknowledged_by_its_own_answer_only(
    bench: Bench, kind: str, answer: bytes
) -> None:
    """As an order is."""
    bench.server.will_answer(answer, b"[]", b"[]")
    call = (
        bench.client.cancel_order(ACCOUNT, "BOT-1")
        if kind == "cancel"
        else bench.client.modify_order(ACCOUNT, ORDER, OrderChange(price="221"))
    )

    with pytest.raises(OrderUnknownError):
        await call


async def test_modification_of_another_order_is_no_answer(bench: Bench) -> None:
    """It names the new id, and an original that is not ours."""
    bench.server.will_answer(
        b'[{"OrigCustomerOrderId":"ANOTHER","CustomerOrderId":"BOT-2","Status":"0"}]', b"[]", b"[]"
    )

    with pytest.raises(OrderUnknownError):
        await bench.client.modify_order(
            ACCOUNT, ORDER, OrderChange(price="221", customer_order_id="BOT-2")
        )


async def test_error_that_says_nothing_is_none(bench: Bench) -> None:
    """Some answers have the key and no error."""
    bench.server.will_answer(
        b'{"CustomerOrderId":"BOT-1","Status":"0","error":"None"}',
        b'[{"CustomerOrderId":"BOT-1","Status":"0","error":null}]',
    )

    for _ in range(2):
        assert (await bench.client.place_order(ACCOUNT, ORDER)).status == "0"


async def test_order_that_filled_in_part_before_its_end_is_named(bench: Bench) -> None:
    """What was bought is there, whatever the status says."""
    bench.server.will_answer(
        LOST, b'[{"CustomerOrderId":"BOT-1","Status":"4","FilledQuantity":40}]'
    )

    with pytest.raises(OrderUnknownError) as caught:
        await bench.client.place_order(ACCOUNT, ORDER)

    assert caught.value.live_order_ids == ("BOT-1",)


async def test_refused_id_that_is_in_use_says_so(bench: Bench) -> None:
    """The order that is found under it may be an earlier one."""
    bench.server.will_answer(
        b'{"error":"already registered"}', b'[{"CustomerOrderId":"BOT-1","Status":"0"}]'
    )

    with pytest.raises(OrderUnknownError) as caught:
        await bench.client.place_order(ACCOUNT, ORDER)

    assert caught.value.coid_reused
