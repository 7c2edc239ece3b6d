"""Which terms of a modified order IBKR's answer proves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ibkr_async.errors import OrderUnknownError, RequestTimeoutError
from ibkr_async.models.orders import OrderStatusReply, Ticket
from ibkr_async.orders.known.terms import unproven_terms
from ibkr_async.orders.write.order_types import LimitOrder
from ibkr_async.types import TimeInForce
from support.fake_send import FakeSend
from support.order_desk import make_desk

replace = msgspec.structs.replace

TICKET = Ticket(
    order_type="LMT",
    side="BUY",
    tif="DAY",
    conid=265598,
    quantity=Decimal(10),
    price=Decimal("189.50"),
    coid="my-1",
)
SHOWN = OrderStatusReply(
    order_id="7",
    order_status="Submitted",
    side="B",
    order_type="LIMIT",
    tif="DAY",
    total_quantity=Decimal("10.0"),
    limit_price=Decimal("189.5"),
)
OTHER: dict[str, Any] = {
    "order_type": "MKT",
    "side": "SELL",
    "tif": "GTC",
    "outside_rth": True,
    "price": Decimal(190),
    "aux_price": Decimal(180),
    "trailing_amount": Decimal(2),
    "trailing_type": "%",
    "quantity": Decimal(11),
    "cash_quantity": Decimal(100),
    "fx_quantity": Decimal(100),
    "use_adaptive": True,
    "is_currency_conversion": True,
    "allocation_method": "A",
    "strategy": "Vwap",
    "strategy_parameters": {"maxPctVol": 10},
    "deactivated": True,
    "all_or_none": True,
    "tax_optimizer_id": "x",
    "json_payload": {"a": 1},
    "is_close": True,
}
"""Another value of each term that a modification can change."""
NO_TERMS = {
    *("account_id", "conid", "conidex", "sec_type", "coid", "parent_id", "is_single_group"),
    *("listing_exchange", "ticker", "referrer", "customer_account", "is_professional"),
    *("manual_indicator", "ext_operator", "manual_order_time"),
}


def test_every_field_of_a_ticket_is_a_term_or_is_none() -> None:
    """A field that is new in a ticket must be decided about here."""
    assert set(OTHER) | NO_TERMS == set(Ticket.__struct_fields__)
    assert not set(OTHER) & NO_TERMS


@pytest.mark.parametrize("before", [TICKET, None])
def test_terms_that_are_shown_are_proven(before: Ticket | None) -> None:
    """In IBKR's spellings of them."""
    assert unproven_terms(SHOWN, TICKET, before) == ()


@pytest.mark.parametrize("before", [TICKET, None])
@pytest.mark.parametrize("name", OTHER)
def test_every_changed_term_is_compared(name: str, before: Ticket | None) -> None:
    """The order goes on as it was: whatever was to change is not proven."""
    wanted = replace(TICKET, **{name: OTHER[name]})

    assert name in unproven_terms(SHOWN, wanted, before)


@pytest.mark.parametrize(
    "name", sorted(set(OTHER) - {"side", "order_type", "tif", "quantity", "price"})
)
def test_term_that_is_taken_away_is_compared(name: str) -> None:
    """A full ticket without it asks for an order without it."""
    before = replace(TICKET, **{name: OTHER[name]})

    assert unproven_terms(SHOWN, TICKET, before) == (name,)
    assert unproven_terms(SHOWN, before, before) == ()


@pytest.mark.parametrize("name", sorted(NO_TERMS))
def test_what_names_the_order_is_no_term(name: str) -> None:
    """It cannot be changed."""
    assert unproven_terms(SHOWN, replace(TICKET, **{name: "x"}), TICKET) == ()


@pytest.mark.parametrize("name", ["outside_rth", "all_or_none"])
def test_term_that_is_shown_at_times_is_read_then(name: str) -> None:
    """It proves the change, or that there was none."""
    wanted = replace(TICKET, **{name: True})

    assert unproven_terms(replace(SHOWN, **{name: True}), wanted, TICKET) == ()
    assert unproven_terms(replace(SHOWN, **{name: False}), wanted, TICKET) == (name,)
    assert unproven_terms(replace(SHOWN, **{name: False}), TICKET, wanted) == ()


@pytest.mark.parametrize(
    ("order_type", "shown", "unproven"),
    [
        ("MKT", {}, {"price", "aux_price"}),
        ("LMT", {"limit_price": Decimal(1)}, {"aux_price"}),
        ("STP", {"stop_price": Decimal(1)}, {"aux_price"}),
        ("STP", {"limit_price": Decimal(1)}, {"price", "aux_price"}),
        ("STOP_LIMIT", {"limit_price": Decimal(1), "stop_price": Decimal(2)}, set()),
        ("STOP_LIMIT", {"limit_price": Decimal(1)}, {"aux_price"}),
        (
            "STOP_LIMIT",
            {"limit_price": Decimal(2), "stop_price": Decimal(1)},
            {"price", "aux_price"},
        ),
        ("TRAIL", {"stop_price": Decimal(1)}, {"price", "aux_price"}),
        ("REL", {"limit_price": Decimal(1)}, {"price", "aux_price"}),
    ],
)
def test_prices_are_compared_where_a_type_shows_them(
    order_type: str, shown: dict[str, Any], unproven: set[str]
) -> None:
    """Those of other types are shown in part or not at all."""
    wanted = replace(TICKET, order_type=order_type, price=Decimal(1), aux_price=Decimal(2))
    reply = replace(SHOWN, order_type=order_type, limit_price=None)

    assert set(unproven_terms(replace(reply, **shown), wanted, None)) == unproven


def test_what_a_thin_answer_leaves_out_is_proven_by_nothing() -> None:
    """But the side cannot change, and a limit price is that of a limit order."""
    thin = OrderStatusReply(limit_price=SHOWN.limit_price, total_quantity=SHOWN.total_quantity)

    assert unproven_terms(thin, TICKET, None) == ()
    assert unproven_terms(thin, replace(TICKET, tif="GTC"), None) == ("tif",)
    assert unproven_terms(thin, TICKET, replace(TICKET, tif="GTC")) == ("tif",)
    assert unproven_terms(thin, TICKET, replace(TICKET, order_type="MKT")) == ("order_type",)
    assert set(unproven_terms(OrderStatusReply(), TICKET, None)) == {"quantity", "price"}


# --- through the desk ----------------------------------------------------------------------------

ORDER = LimitOrder(265598, "BUY", 10, "189.50", coid="my-1")
LOST = RequestTimeoutError("POST", "no answer", may_have_reached_server=True)
STATUS = (
    b'{"order_id":987654,"order_status":"Submitted","side":"B","order_type":"LIMIT","tif":"%s",'
    b'"limit_price":"189.50","total_size":"10.0"}'
)
DAY, GTC = STATUS % b"DAY", STATUS % b"GTC"


async def test_lost_change_of_the_time_in_force_is_found_or_unknown() -> None:
    """Each modification is compared with what was acknowledged last, also after a success."""
    changed = replace(ORDER, tif=TimeInForce.GTC)
    desk = make_desk(FakeSend("accepted", LOST, GTC, "accepted", LOST, *[DAY] * 3))
    live = await desk.submit(ORDER)

    await live.modify(changed)
    await live.modify(ORDER)
    with pytest.raises(OrderUnknownError, match="did not show as asked for: tif"):
        await live.modify(changed)

    assert "my-1" in desk.unknown


async def test_term_that_no_answer_shows_is_unknown_once_it_was_changed() -> None:
    """As long as the order has it, and nothing was lost, it is not asked for again."""
    firm = replace(ORDER, all_or_none=True)
    cheaper = replace(firm, price="188")
    shown = DAY.replace(b"189.50", b"188.00")
    desk = make_desk(FakeSend("accepted", "accepted", LOST, shown, LOST, *[DAY] * 3))
    live = await desk.submit(ORDER)
    await live.modify(firm)

    await live.modify(cheaper)
    with pytest.raises(OrderUnknownError, match="all_or_none"):
        await live.modify(ORDER)


async def test_unknown_modification_leaves_no_terms_to_rely_on() -> None:
    """After it every term must be shown, even one that the last acknowledged ticket had."""
    firm = replace(ORDER, all_or_none=True)
    desk = make_desk(FakeSend("accepted", "accepted", LOST, *[DAY] * 3, LOST, *[DAY] * 3))
    live = await desk.submit(ORDER)
    await live.modify(firm)
    with pytest.raises(OrderUnknownError):
        await live.modify(ORDER)
    desk.dismiss("my-1")

    with pytest.raises(OrderUnknownError, match="all_or_none"):
        await live.modify(firm)
