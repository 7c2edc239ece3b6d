"""Order rows, and the answers to placing an order."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.models.base import decode, encode, to_wire
from ibkr_async.models.order_answers import (
    LegRejected,
    OrderAccepted,
    OrderQuestion,
    OrderRefused,
    PromptQuestion,
    parse_place_answer,
)
from ibkr_async.models.orders import (
    CancelReply,
    LiveOrders,
    OrderStatusReply,
    Ticket,
    Trade,
    WhatIf,
    WhatIfAmount,
    read_cancel_reply,
)
from support.lossless import differences

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = Path(__file__).parents[1] / "samples" / "orders"
CAPTURES = Path(__file__).parents[3] / "shared" / "captures" / "rest_recorded_sanitised.jsonl"


TICKET_KEYS = {
    "acctId",
    "conid",
    "conidex",
    "secType",
    "cOID",
    "parentId",
    "orderType",
    "listingExchange",
    "isSingleGroup",
    "outsideRTH",
    "price",
    "auxPrice",
    "side",
    "ticker",
    "tif",
    "trailingAmt",
    "trailingType",
    "referrer",
    "quantity",
    "cashQty",
    "fxQty",
    "useAdaptive",
    "isCcyConv",
    "allocationMethod",
    "strategy",
    "strategyParameters",
    "manualIndicator",
    "extOperator",
    "manualOrderTime",
    "deactivated",
    "allOrNone",
    "customerAccount",
    "isProCustomer",
    "taxOptimizerId",
    "jsonPayload",
    "isClose",
}


def sample(name: str) -> bytes:
    """Read one payload."""
    return (SAMPLES / f"{name}.json").read_bytes()


def test_ticket_is_written_with_the_keys_of_the_wire() -> None:
    """Every key of the documented ticket can be written, spelt exactly as IBKR spells it."""
    keys = {field.encode_name for field in msgspec.structs.fields(Ticket)}

    assert keys == TICKET_KEYS


def test_ticket_leaves_out_what_was_not_given() -> None:
    """None is not sent, False is; numbers are plain."""
    ticket = Ticket(
        order_type="LMT",
        side="BUY",
        tif="DAY",
        conid=265598,
        quantity=Decimal("1E+1"),
        price=Decimal("189.50"),
        outside_rth=False,
    )

    assert encode(ticket) == (
        b'{"orderType":"LMT","side":"BUY","tif":"DAY","conid":265598,"outsideRTH":false,'
        b'"price":189.50,"quantity":10}'
    )


def test_accepted_row() -> None:
    """An acknowledgement has an order id and a status."""
    (row,) = parse_place_answer(sample("accepted"))

    assert isinstance(row, OrderAccepted)
    assert (row.order_id, row.order_status) == ("987654", "PreSubmitted")


def test_question_row() -> None:
    """A question has an id to reply to, its kinds and its options."""
    (row,) = parse_place_answer(sample("question"))

    assert isinstance(row, OrderQuestion)
    assert row.id.startswith("3b1f0c52")
    assert row.message_ids == ("o163",)
    assert row.message_options == ("Yes", "No")
    assert row.is_suppressed is False


def test_question_with_lone_text_and_no_ids() -> None:
    """A message that is no list, and ids that are null, are still a question."""
    (row,) = parse_place_answer(b'{"id":"r1","message":"Sure?","messageIds":null}')

    assert isinstance(row, OrderQuestion)
    assert row.messages == ("Sure?",)
    assert row.message_ids == ()


def test_refused_row() -> None:
    """An error with status 200 is a refusal, with the status that the backend meant."""
    (row,) = parse_place_answer(b'{"error":"Service Unavailable","statusCode":503}')

    assert isinstance(row, OrderRefused)
    assert (row.error, row.status_code) == ("Service Unavailable", 503)


def test_prompt_row() -> None:
    """A prompt is told from a question by its request id and options."""
    (row,) = parse_place_answer(sample("prompt"))

    assert isinstance(row, PromptQuestion)
    assert (row.order_id, row.req_id, row.message_id) == ("987654", "29042", "p12")
    assert len(row.options) == 3


def test_bracket_rows_are_each_classified() -> None:
    """A rejected child is no acknowledgement, whatever stands beside it."""
    rows = parse_place_answer(sample("bracket_leg_rejected"))

    assert [type(row) for row in rows] == [LegRejected, OrderAccepted]


@pytest.mark.parametrize(
    "data",
    [
        b"[]",
        b"{}",
        b"null",
        b'"ok"',
        b"[1]",
        b"<html>",
        b'{"order_id":null}',
        b'{"error":null}',
        b'{"error":"no","order_id":"7","order_status":"Submitted"}',
        b'{"id":"r1","message":[1]}',
        b'{"error":{"code":1}}',
        b"\xff",
    ],
)
def test_unclear_answer_is_an_error(data: bytes) -> None:
    """What fits no kind of row, or two, is never guessed."""
    with pytest.raises(msgspec.DecodeError):
        parse_place_answer(data)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["order_id", "order_status", "id", "message", "error", "reqId"]),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_any_json_is_rows_or_a_decode_error(value: Any) -> None:
    """No JSON makes the classification fail in another way."""
    try:
        rows = parse_place_answer(json.dumps(value))
    except msgspec.DecodeError:
        return

    assert rows


def test_live_order_row() -> None:
    """Quantities and prices are exact; the REST-only keys are there too."""
    orders: LiveOrders = decode(LiveOrders, sample("live_orders"))
    (order,) = orders.orders

    assert orders.snapshot is True
    assert (order.order_id, order.order_ref, order.status) == ("987654", "my-1", "Submitted")
    assert (order.price, order.remaining_quantity) == (Decimal("189.50"), Decimal("10.0"))
    assert order.parent_id == "987653"
    assert not order.extra


def test_order_status_reply() -> None:
    """Quoted numbers are read; the unknown rest is kept."""
    status: OrderStatusReply = decode(OrderStatusReply, sample("status"))

    assert status.filled_quantity == Decimal("10.0")
    assert status.average_price == Decimal("189.48")
    assert status.extra["company_name"] == "APPLE INC"


def test_trades_are_the_rows_of_the_stream() -> None:
    """REST executions have the type of the `str` topic."""
    trades: tuple[Trade, ...] = decode(tuple[Trade, ...], sample("trades"))
    (trade,) = trades

    assert (trade.price, trade.order_ref) == (Decimal("189.48"), "my-1")


@pytest.mark.parametrize(
    ("wire", "order_id"),
    [
        ({"msg": "Request was submitted", "order_id": 7, "conid": -1, "account": None}, "7"),
        ([{"msg": "Request was submitted", "order_id": "7"}], "7"),
        ("Request was submitted", None),
    ],
)
def test_cancel_reply_in_each_of_its_shapes(wire: Any, order_id: str | None) -> None:
    """Object, array of one and bare text are documented or recorded."""
    reply = read_cancel_reply(wire)

    assert (reply.msg, reply.order_id) == ("Request was submitted", order_id)


@pytest.mark.parametrize("wire", [[], [{}, {}], 7, None])
def test_unclear_cancel_reply_is_an_error(wire: Any) -> None:
    """Anything else is not understood."""
    with pytest.raises(msgspec.ValidationError):
        read_cancel_reply(wire)


RECORDED: dict[str, Callable[[str], Any]] = {
    r"POST /iserver/(account/\w+/orders?(/\d+)?|reply/.*)": parse_place_answer,
    r"DELETE /iserver/account/\w+/order/\d+": lambda raw: decode(CancelReply, raw),
    r"GET /iserver/account/order/status/\d+": lambda raw: decode(OrderStatusReply, raw),
    r"GET /iserver/account/orders": lambda raw: decode(LiveOrders, raw),
    r"GET /iserver/account/trades": lambda raw: decode(tuple[Trade, ...], raw),
}


@pytest.mark.captures
@pytest.mark.skipif(not CAPTURES.is_file(), reason="no captures folder")
@pytest.mark.parametrize("pattern", RECORDED)
def test_recorded_answer_decodes_with_nothing_lost(pattern: str) -> None:
    """Every recorded order answer writes back everything that it said."""
    rows = [json.loads(line) for line in CAPTURES.read_text(encoding="utf-8").splitlines()]
    recorded = [
        row["raw"]
        for row in rows
        if re.fullmatch(pattern, row["topic_or_path"].replace("/v1/api", ""))
    ]

    assert recorded
    for raw in recorded:
        assert differences(json.loads(raw), to_wire(RECORDED[pattern](raw))) == []


def test_preview_reads_the_numbers_out_of_ibkrs_words() -> None:
    """The texts are kept; what holds no number gives none."""
    preview = decode(
        WhatIf,
        b'{"amount":{"amount":"1,977.60 USD (10 Shares)","commission":"1 USD","total":"1,978.60 USD"},'
        b'"equity":{"current":"215,415,594","change":"-1","after":"215,415,593"},'
        b'"warn":"21/You are trying","error":null}',
    )

    assert preview.amount is not None
    assert preview.amount.amount_value == Decimal("1977.60")
    assert preview.amount.commission_value == 1
    assert preview.amount.total_value == Decimal("1978.60")
    assert preview.amount.currency == "USD"
    assert preview.equity is not None
    assert preview.equity.after == 215_415_593
    assert (WhatIfAmount().amount_value, WhatIfAmount().currency) == (None, None)
    assert WhatIfAmount(amount="5 (Shares)").currency is None
