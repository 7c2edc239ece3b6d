from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.errors import OrderInvalidError
from ibkr_async.models.base import encode
from ibkr_async.models.orders import Ticket
from ibkr_async.orders.write.groups import Bracket, OcaGroup
from ibkr_async.orders.write.order_types import (
    LimitIfTouchedOrder,
    LimitOnCloseOrder,
    LimitOrder,
    MarketIfTouchedOrder,
    MarketOnCloseOrder,
    MarketOrder,
    MidpriceOrder,
    RelativeOrder,
    StopLimitOrder,
    StopOrder,
    TrailingStopLimitOrder,
    TrailingStopOrder,
)
from ibkr_async.orders.write.tickets import check_tickets, to_tickets
from ibkr_async.types import Side, TimeInForce

COMBO = "28812380;;;265598/1,8314/-1"


def wire(order: Any, account_id: str = "DU1") -> list[dict[str, Any]]:
    """Write an order as it goes out; made client order ids are `made-1`, `made-2`."""
    made = (f"made-{number}" for number in range(1, 9))
    tickets = to_tickets(order, account_id, lambda: next(made))
    rows: list[dict[str, Any]] = json.loads(encode(tickets), parse_float=Decimal)
    return rows


def ticket(**changes: Any) -> Ticket:
    """Make a sound hand-written ticket, then change it."""
    sound = Ticket(order_type="MKT", side="BUY", tif="DAY", conid=1, quantity=Decimal(5))
    return msgspec.structs.replace(sound, **changes)


BASE = {"conid": 265598, "side": "BUY", "quantity": 10, "tif": "DAY", "acctId": "DU1"}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (MarketOrder(265598, Side.BUY, 10), {"orderType": "MKT"}),
        (
            LimitOrder(265598, "buy", "10", 189.5),
            {"orderType": "LMT", "price": Decimal("189.5")},
        ),
        (StopOrder(265598, "BUY", 10, "195"), {"orderType": "STP", "price": 195}),
        (
            StopLimitOrder(265598, Side.BUY, 10, "195.50", "195"),
            {"orderType": "STOP_LIMIT", "price": Decimal("195.50"), "auxPrice": 195},
        ),
        (
            TrailingStopOrder(265598, Side.BUY, 10, "1.5"),
            {"orderType": "TRAIL", "trailingAmt": Decimal("1.5"), "trailingType": "amt"},
        ),
        (
            TrailingStopOrder(265598, Side.BUY, 10, 2, "%", stop_price=180),
            {"orderType": "TRAIL", "trailingAmt": 2, "trailingType": "%", "price": 180},
        ),
        (
            TrailingStopLimitOrder(265598, Side.BUY, 10, 181, 180, 2, "%"),
            {
                "orderType": "TRAILLMT",
                "trailingAmt": 2,
                "trailingType": "%",
                "price": 181,
                "auxPrice": 180,
            },
        ),
        (MidpriceOrder(265598, Side.BUY, 10), {"orderType": "MIDPRICE"}),
        (MidpriceOrder(265598, Side.BUY, 10, 180), {"orderType": "MIDPRICE", "price": 180}),
        (MarketOnCloseOrder(265598, Side.BUY, 10), {"orderType": "MOC"}),
        (LimitOnCloseOrder(265598, Side.BUY, 10, 180), {"orderType": "LOC", "price": 180}),
        (MarketIfTouchedOrder(265598, Side.BUY, 10, 180), {"orderType": "MIT", "price": 180}),
        (
            LimitIfTouchedOrder(265598, Side.BUY, 10, 181, 180),
            {"orderType": "LIT", "price": 181, "auxPrice": 180},
        ),
        (
            RelativeOrder(265598, Side.BUY, 10, 181, "0.02"),
            {"orderType": "REL", "price": 181, "auxPrice": Decimal("0.02")},
        ),
    ],
)
def test_each_order_becomes_its_ticket(order: Any, expected: dict[str, Any]) -> None:
    """Stops of STP and TRAIL are in `price`, the stop of STOP_LIMIT is in `auxPrice`."""
    assert wire(order) == [{**BASE, **expected, "cOID": "made-1"}]


def test_options_reach_the_ticket() -> None:
    """Every keyword of an order has its key."""
    order = LimitOrder(
        265598,
        Side.SELL,
        1,
        "2",
        tif="GTC",
        outside_rth=True,
        coid="my-1",
        account_id="DU1",
        exchange="ARCA",
        listing_exchange="NASDAQ",
        referrer="bot",
        all_or_none=True,
        manual_indicator=False,
        ext_operator="me",
        sec_type="265598:STK",
    )

    assert wire(order) == [
        {
            "orderType": "LMT",
            "side": "SELL",
            "tif": "GTC",
            "acctId": "DU1",
            "conidex": "265598@ARCA",
            "secType": "265598:STK",
            "cOID": "my-1",
            "listingExchange": "NASDAQ",
            "outsideRTH": True,
            "price": 2,
            "referrer": "bot",
            "quantity": 1,
            "manualIndicator": False,
            "extOperator": "me",
            "allOrNone": True,
        }
    ]


def test_money_and_algorithms_reach_the_ticket() -> None:
    """Amounts of cash take the place of the quantity."""
    (cash,) = wire(
        MarketOrder(
            1,
            "BUY",
            None,
            cash_quantity="100.50",
            use_adaptive=True,
            strategy="Adaptive",
            strategy_parameters={"adaptivePriority": "Urgent"},
            deactivated=True,
            ticker="X",
            is_close=True,
            tax_optimizer_id="FIFO",
        )
    )
    (conversion,) = wire(
        MarketOrder(2, "SELL", None, fx_quantity=1000, is_currency_conversion=True)
    )
    (group,) = wire(
        MarketOrder(
            1,
            "BUY",
            9,
            allocation_method="N",
            allocation_profile="half",
            customer_account="c",
            is_professional=False,
            manual_indicator=True,
            ext_operator="me",
            manual_order_time=1_795_185_000,
        )
    )

    assert cash["cashQty"] == Decimal("100.50")
    assert "quantity" not in cash
    assert (cash["useAdaptive"], cash["strategy"]) == (True, "Adaptive")
    assert cash["strategyParameters"] == {"adaptivePriority": "Urgent"}
    assert (cash["deactivated"], cash["ticker"], cash["isClose"]) == (True, "X", True)
    assert cash["taxOptimizerId"] == "FIFO"
    assert (conversion["fxQty"], conversion["isCcyConv"]) == (1000, True)
    assert (group["allocationMethod"], group["customerAccount"]) == ("N", "c")
    assert group["jsonPayload"] == {"allocation_profile": "half"}
    assert (group["isProCustomer"], group["manualOrderTime"]) == (False, 1_795_185_000)


def test_combination_may_have_a_negative_price() -> None:
    """A combination goes by conidex, and may be bought for a credit."""
    (row,) = wire(LimitOrder(COMBO, Side.BUY, 1, "-0.35"))

    assert row["conidex"] == COMBO
    assert row["price"] == Decimal("-0.35")
    assert "conid" not in row


@given(
    st.decimals(min_value="0.00000001", max_value=10**12, allow_nan=False, places=8),
    st.integers(0, 8),
)
def test_wire_digits_are_the_input_digits(number: Decimal, places: int) -> None:
    """No digit is lost, rounded, invented or written as an exponent."""
    text = f"{number:.{places}f}"
    if Decimal(text) <= 0:
        return
    (row,) = to_tickets(LimitOrder(1, Side.BUY, text, text), "DU1", lambda: "c")

    assert f'"price":{text},"quantity":{text}'.encode() in encode(row)


# --- brackets ------------------------------------------------------------------------------------


def test_bracket_is_an_entry_with_children() -> None:
    """Children are on the other side, name the parent's id, and have none of their own."""
    entry = LimitOrder(265598, Side.BUY, 10, "189.50", exchange="ARCA", outside_rth=True)

    rows = wire(Bracket(entry=entry, take_profit="195.00", stop_loss="186.00"))

    assert [row.get("cOID") for row in rows] == ["made-1", None, None]
    assert [row.get("parentId") for row in rows] == [None, "made-1", "made-1"]
    assert [row["side"] for row in rows] == ["BUY", "SELL", "SELL"]
    assert [row["orderType"] for row in rows] == ["LMT", "LMT", "STP"]
    assert [row["price"] for row in rows] == [
        Decimal("189.50"),
        Decimal("195.00"),
        Decimal("186.00"),
    ]
    assert [row["tif"] for row in rows] == ["DAY", "GTC", "GTC"]
    assert {row["conidex"] for row in rows} == {"265598@ARCA"}
    assert {row["acctId"] for row in rows} == {"DU1"}
    assert [row.get("outsideRTH") for row in rows] == [True, None, None]


def test_bracket_keeps_the_entrys_own_coid() -> None:
    """Children follow it."""
    rows = wire(Bracket(entry=MarketOrder(1, "SELL", 1, coid="my-1"), stop_loss=20))

    assert (rows[0]["cOID"], rows[1]["parentId"]) == ("my-1", "my-1")
    assert rows[1]["side"] == "BUY"


def test_bracket_takes_exits_as_orders() -> None:
    """For exits of another kind or with options of their own."""
    bracket = Bracket(
        entry=StopOrder(1, "BUY", 10, 100),
        take_profit=LimitOrder(1, "SELL", 5, 110, tif="DAY"),
        stop_loss=TrailingStopOrder(1, "SELL", 10, 2, "%"),
        exit_tif=TimeInForce.DAY,
    )

    rows = wire(bracket)

    assert [row["orderType"] for row in rows] == ["STP", "LMT", "TRAIL"]
    assert [row["quantity"] for row in rows] == [10, 5, 10]
    assert len(bracket.legs) == 3


# --- tickets written by hand ---------------------------------------------------------------------


def test_ticket_is_completed_and_its_numbers_made_exact() -> None:
    """A hand-written ticket gets account and id; text and int numbers become `Decimal`."""
    (row,) = wire(ticket(side="sell", quantity="5", order_type="LMT", price=1.5))

    assert row["side"] == "SELL"
    assert (row["quantity"], row["price"]) == (5, Decimal("1.5"))
    assert (row["acctId"], row["cOID"]) == ("DU1", "made-1")


def test_one_cancels_all_group_is_sent_together() -> None:
    """Each ticket of a group has its own id."""
    rows = wire([ticket(is_single_group=True), ticket(is_single_group=True, coid="mine")])

    assert [row["cOID"] for row in rows] == ["made-1", "mine"]


def test_group_of_orders_is_sent_together() -> None:
    """One cancels the rest; each has its own id and terms."""
    rows = wire(OcaGroup((LimitOrder(1, "BUY", 1, 9), LimitOrder(1, "SELL", 1, 11, coid="up"))))

    assert [row["isSingleGroup"] for row in rows] == [True, True]
    assert [row["cOID"] for row in rows] == ["made-1", "up"]


def test_hand_written_family_is_sent_together() -> None:
    """Children name the coid of the first ticket."""
    rows = wire([ticket(coid="p"), ticket(side="SELL", parent_id="p")])

    assert [row.get("parentId") for row in rows] == [None, "p"]
    assert "cOID" not in rows[1]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"conid": None}, "conid"),
        ({"conid": -1}, "conid"),
        ({"conidex": "1@ARCA"}, "conidex"),
        ({"conid": None, "conidex": "?"}, "conid"),
        ({"side": "LONG"}, "side"),
        ({"tif": ""}, "tif"),
        ({"order_type": "MAGIC"}, "order_type"),
        ({"order_type": "LMT"}, "price"),
        ({"order_type": "STOP_LIMIT", "price": Decimal(1)}, "aux_price"),
        ({"order_type": "TRAIL"}, "trailing_amount"),
        ({"order_type": "MIT"}, "price"),
        ({"order_type": "LIT", "price": Decimal(1)}, "aux_price"),
        ({"order_type": "MOC", "price": Decimal(1)}, "price"),
        ({"cash_quantity": Decimal(1)}, "cash_quantity"),
        ({"order_type": "TRAIL", "trailing_amount": Decimal(1)}, "trailing_type"),
        (
            {"order_type": "TRAIL", "trailing_amount": Decimal(1), "trailing_type": "x"},
            "trailing_type",
        ),
        ({"trailing_type": "amt"}, "trailing_amount"),
        ({"price": Decimal(1)}, "price"),
        ({"quantity": None}, "quantity"),
        ({"quantity": Decimal(0)}, "quantity"),
        ({"quantity": None, "cash_quantity": Decimal(-1)}, "cash_quantity"),
        ({"coid": "\t"}, "coid"),
        ({"parent_id": "p"}, "parent_id"),
        ({"parent_id": "\t"}, "parent_id"),
        ({"parent_id": "p", "coid": "c"}, "coid"),
    ],
)
def test_ticket_that_breaks_a_rule_names_the_field(changes: dict[str, Any], field: str) -> None:
    """Hand-written tickets pass the same checks as order structs."""
    with pytest.raises(OrderInvalidError) as caught:
        check_tickets([ticket(**changes)])

    assert caught.value.field == field


@pytest.mark.parametrize("missing", ["price", "aux_price", "trailing_amount", "trailing_type"])
def test_trailing_stop_limit_needs_each_of_its_terms(missing: str) -> None:
    """With all of them it is sound."""
    terms = {
        "price": Decimal(9), "aux_price": Decimal(8), "trailing_amount": Decimal(1),
        "trailing_type": "amt",
    }  # fmt: skip
    sound = ticket(order_type="TRAILLMT", **terms)

    assert check_tickets([sound])
    with pytest.raises(OrderInvalidError) as caught:
        check_tickets([msgspec.structs.replace(sound, **{missing: None})])
    assert caught.value.field == missing


@pytest.mark.parametrize(
    ("tickets", "field"),
    [
        ([ticket(), ticket()], "[1].parent_id"),
        ([ticket(is_single_group=True), ticket()], "[1].parent_id"),
        ([ticket(coid="p"), ticket(parent_id="q")], "[1].parent_id"),
        ([ticket(coid="p"), ticket(parent_id="p", quantity=None)], "[1].quantity"),
    ],
)
def test_tickets_that_do_not_belong_together_are_refused(tickets: list[Ticket], field: str) -> None:
    """IBKR takes several tickets only as one bracket or one group."""
    with pytest.raises(OrderInvalidError) as caught:
        check_tickets(tickets)

    assert caught.value.field == field


def test_cash_quantity_stands_in_for_quantity() -> None:
    """An order over an amount of cash needs no quantity; sec_type can name the contract."""
    (row,) = wire(ticket(conid=None, sec_type="1:CASH", quantity=None, cash_quantity=100))

    assert row["cashQty"] == 100


@pytest.mark.parametrize("order", [None, "BUY", [], [1], {"conid": 1}, 7])
def test_something_that_is_no_order_is_refused(order: Any) -> None:
    """A dict is no ticket: its keys could not be checked."""
    with pytest.raises(OrderInvalidError, match="must be an order"):
        wire(order)


def test_order_for_another_account_is_refused() -> None:
    """The account of the order and that of the call must not differ."""
    with pytest.raises(OrderInvalidError, match="DU2"):
        wire(MarketOrder(1, "BUY", 1, account_id="DU2"))
