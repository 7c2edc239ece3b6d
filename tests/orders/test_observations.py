from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_async.models.base import convert
from ibkr_async.models.orders import OrderStatusReply, Trade
from ibkr_async.orders.known import observations
from ibkr_async.orders.known.events import Execution
from ibkr_async.orders.known.observations import Observation
from ibkr_async.types import AccountId, ClientOrderId, Conid, OrderId, OrderStatus, OrderType
from support import order_rows as rows
from support.order_rows import ACCOUNT, COID, ORDER_ID

ID = OrderId(str(ORDER_ID))


def test_live_order_says_everything() -> None:
    """Each fact from its own key."""
    row = rows.live(
        "Pre Submitted",
        filled=100,
        avgPrice="382.45",
        parentId="77",
        order_cancellation_by_system_reason="why",
        lastExecutionTime_r=1234,
    )

    assert observations.from_live_row(row) == Observation(
        order_id=ID,
        coid=ClientOrderId(COID),
        account_id=AccountId(ACCOUNT),
        conid=Conid(265598),
        symbol="AAPL",
        side="SELL",
        order_type="LMT",
        parent_id=OrderId("77"),
        reason="why",
        status="PreSubmitted",
        quantity=Decimal(722),
        implied_quantity=Decimal(722),
        filled=Decimal(100),
        average_price=Decimal("382.45"),
        price=Decimal("382.40"),
        changed_ms=1234,
    )


def test_thin_row_says_only_what_is_in_it() -> None:
    """What is absent is not zero."""
    assert observations.from_live_row(rows.sor(status="Submitted")) == Observation(
        order_id=ID, account_id=AccountId(ACCOUNT), status="Submitted"
    )
    assert observations.from_live_row(rows.sor(0, orderId=None)) is None


@pytest.mark.parametrize("nothing", ["0", "-1", "", None])
def test_parent_that_is_none_is_no_order(nothing: str | None) -> None:
    """IBKR writes zero for "no parent"."""
    seen = observations.from_live_row(rows.live("Submitted", parentId=nothing))

    assert seen is not None
    assert seen.parent_id is None


def test_size_of_zero_is_not_known() -> None:
    """Cash orders have none."""
    seen = observations.from_live_row(rows.sor(totalSize=0, price="1", secType="BAG"))

    assert seen is not None
    assert (seen.quantity, seen.price, seen.is_combo) == (None, 1, True)


@pytest.mark.parametrize(
    ("keys", "filled", "implied"),
    [
        ({"filledQuantity": 3, "remainingQuantity": 4}, 3, 7),
        ({"filledQuantity": 3}, 3, None),
        ({"remainingQuantity": 4}, None, None),
        ({"sizeAndFills": "3/4"}, 3, 7),
        # The numbers of their own come before those in the text.
        ({"sizeAndFills": "9/9", "filledQuantity": 3, "remainingQuantity": 4}, 3, 7),
        # A lone number means that all is filled, on an order that is filled and on no other.
        ({"sizeAndFills": "7"}, None, None),
        ({"sizeAndFills": "7", "status": "Filled"}, 7, None),
        # What a finished order has left says nothing of what was ordered.
        ({"sizeAndFills": "3/0", "status": "Cancelled"}, 3, None),
        ({"sizeAndFills": "nonsense"}, None, None),
    ],
)
def test_amounts_come_from_whichever_key_has_them(
    keys: dict[str, Any], filled: int | None, implied: int | None
) -> None:
    """Of an open order the sum of both is what was ordered."""
    seen = observations.from_live_row(rows.sor(**keys))

    assert seen is not None
    assert (seen.filled, seen.implied_quantity) == (filled, implied)


def test_status_reply_says_everything() -> None:
    """In other spellings."""
    reply = rows.status_reply("Filled", filled=100, average_price="382.45", sec_type="BAG")

    assert observations.from_status_reply(reply) == Observation(
        order_id=ID,
        account_id=AccountId(ACCOUNT),
        conid=Conid(265598),
        symbol="AAPL",
        side="SELL",
        order_type="LMT",
        is_combo=True,
        status="Filled",
        quantity=Decimal(722),
        filled=Decimal(100),
        average_price=Decimal("382.45"),
        price=Decimal("382.40"),
    )
    assert observations.from_status_reply(OrderStatusReply(order_status="Filled")) is None
    empty = OrderStatusReply(order_id="1", total_quantity=Decimal(0))
    assert observations.from_status_reply(empty) == Observation(order_id=OrderId("1"))


def test_acknowledgement_says_who_it_is() -> None:
    """A leg that was refused may have no number."""
    row = rows.accepted("PreSubmitted", 5, local_order_id="a", parent_order_id="4", text="t")

    assert observations.from_acknowledgement(row) == Observation(
        order_id=OrderId("5"),
        coid=ClientOrderId("a"),
        parent_id=OrderId("4"),
        reason="t",
        status="PreSubmitted",
    )
    warned = observations.from_acknowledgement(rows.rejected_leg("6", warning_message="w"))
    assert warned == Observation(order_id=OrderId("6"), reason="w", status="Failed")
    for nothing in ("-1", "", None):
        assert observations.from_acknowledgement(rows.rejected_leg(nothing)) is None  # type: ignore[arg-type]  # as IBKR may


def test_ticket_says_what_was_ordered() -> None:
    """The price of an order without a limit is another thing."""
    limit = observations.from_ticket(ID, rows.ticket(ticker="AAPL"))
    stop = observations.from_ticket(ID, rows.ticket(None, order_type="STP", account_id=None))
    combo = observations.from_ticket(ID, rows.ticket(conid=None, conidex="28812380;;;1/1,2/-1"))

    assert limit == Observation(
        order_id=ID,
        coid=ClientOrderId(COID),
        account_id=AccountId(ACCOUNT),
        conid=Conid(265598),
        symbol="AAPL",
        side="SELL",
        order_type="LMT",
        quantity=Decimal(722),
        price=Decimal("382.40"),
    )
    assert (stop.order_type, stop.price, stop.coid, stop.account_id) == ("STP", None, None, None)
    assert not limit.is_combo
    assert (combo.is_combo, combo.conid) == (True, None)


def test_execution_says_everything() -> None:
    """Sizes of sales may be negative."""
    row = rows.trade(1, -5, "382.45", commission="1.5")

    assert observations.read_execution(row) == Execution(
        execution_id="0000dc8f.00000001.01.01",
        size=Decimal(5),
        price=Decimal("382.45"),
        commission=Decimal("1.5"),
        account_id=AccountId(ACCOUNT),
        side="SELL",
        conid=Conid(265598),
        sec_type="STK",
        exchange="IBKRATS",
        time_ms=1_788_875_891_001,
    )


def test_account_of_an_execution_is_under_either_key() -> None:
    """And an execution without id or size is none."""
    other = convert(Trade, {"execution_id": "x", "size": 1, "accountCode": "DU2"})

    execution = observations.read_execution(other)

    assert execution is not None
    assert (execution.account_id, execution.conid) == ("DU2", None)
    bare = observations.read_execution(Trade(execution_id="x", size=Decimal(1)))
    assert bare == Execution(execution_id="x", size=Decimal(1))
    assert observations.read_execution(Trade(execution_id="x")) is None
    assert observations.read_execution(Trade(size=Decimal(1))) is None


@pytest.mark.parametrize("status", list(OrderStatus))
def test_status_words_are_known_in_all_spellings(status: OrderStatus) -> None:
    """IBKR writes them with and without capitals, spaces and underscores."""
    for spelling in (status.value, status.value.upper(), f" {status.value.lower()}_"):
        assert observations.status_word(spelling) == status.value


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("Canceled", "Cancelled"),
        ("PRE_CANCELED", "PreCancelled"),
        ("Overheated", "Overheated"),
        ("", None),
        (None, None),
    ],
)
def test_other_status_words(word: str | None, known: str | None) -> None:
    """American spelling is understood; what is not known stays."""
    assert observations.status_word(word) == known


@pytest.mark.parametrize("kind", list(OrderType))
def test_order_types_are_known_as_tickets_spell_them(kind: OrderType) -> None:
    """Each stays itself."""
    assert observations.type_word(kind.value) == kind.value
    assert observations.type_word(kind.value.lower()) == kind.value


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("Limit", "LMT"),
        ("MARKET", "MKT"),
        ("Stop", "STP"),
        ("Trailing Stop", OrderType.TRAIL.value),
        ("Trail Limit", OrderType.TRAIL_LIMIT.value),
        ("TRAILING_STOP_LIMIT", OrderType.TRAIL_LIMIT.value),
        ("Limit On Close", OrderType.LIMIT_ON_CLOSE.value),
        ("Market On Close", OrderType.MARKET_ON_CLOSE.value),
        ("Market If Touched", OrderType.MARKET_IF_TOUCHED.value),
        ("Limit If Touched", OrderType.LIMIT_IF_TOUCHED.value),
        ("Relative", OrderType.RELATIVE.value),
        ("Box Top", "Box Top"),
        ("", None),
        (None, None),
    ],
)
def test_order_types_in_words(word: str | None, kind: str | None) -> None:
    """As IBKR's lists spell them."""
    assert observations.type_word(word) == kind


@pytest.mark.parametrize(
    ("word", "side"),
    [("B", "BUY"), ("S", "SELL"), ("buy", "BUY"), ("N", "N"), ("exer", "EXER"), ("", None)],
)
def test_sides(word: str, side: str | None) -> None:
    """Letters and words."""
    assert observations.side_word(word) == side
    assert observations.side_word(None) is None


def test_only_some_types_have_a_limit_that_stands_still() -> None:
    """The price of all others may move by itself."""
    limited = {kind.value for kind in OrderType if observations.has_limit_price(kind.value)}

    assert limited == {
        OrderType.LIMIT.value,
        OrderType.STOP_LIMIT.value,
        OrderType.LIMIT_ON_CLOSE.value,
    }
    assert not observations.has_limit_price(None)
