from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from ibkr_async.models.orders import LiveOrder, OrderStatusReply, Ticket, Trade
from ibkr_async.orders.fate.evidence import Evidence
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.orders.known.tracker import OrderTracker
from ibkr_async.types import AccountId, ClientOrderId, OrderId


def submission(*tickets: str) -> Submission:
    """Make a submission: `c:` and a name is a client order id, `p` a child."""
    made = tuple(
        Ticket(
            order_type="MKT",
            side="BUY",
            tif="DAY",
            conid=1,
            quantity=Decimal(10),
            coid=text[2:] if text.startswith("c:") else None,
            parent_id=tickets[0][2:] if text == "p" else None,
        )
        for text in tickets
    )
    return Submission(coid=ClientOrderId(tickets[0][2:]), account_id=AccountId("DU1"), tickets=made)


SINGLE = submission("c:a")
BRACKET = submission("c:a", "p", "p")
GROUP = submission("c:a", "c:b")


def row(order_id: str, status: str, coid: str | None = None, **fields: Any) -> LiveOrder:
    """Make a row of the live orders."""
    return LiveOrder(order_id=order_id, status=status, order_ref=coid, **fields)


def made_tracker(*said: LiveOrder | Trade | OrderStatusReply) -> OrderTracker:
    """Make a tracker that was told this."""
    tracker = OrderTracker(publish=lambda _: None, on_doubt=lambda: None, on_settled=lambda _: None)
    for one in said:
        if isinstance(one, LiveOrder):
            tracker.live_order_row(one, 1.0)
        elif isinstance(one, Trade):
            tracker.trade_row(one, 1.0)
        else:
            tracker.status_reply(one, 1.0)
    return tracker


def judge(sent: Submission, *rows: LiveOrder, is_last: bool = False) -> str:
    """Say what rows prove."""
    return Evidence(sent, made_tracker(*rows)).outcome(is_last=is_last)


CHILD = {"parent_id": "1"}


@pytest.mark.parametrize(
    ("sent", "rows", "early", "late"),
    [
        (SINGLE, [], "unknown", "unknown"),
        (SINGLE, [row("1", "Submitted", "z")], "unknown", "unknown"),
        (SINGLE, [row("1", "PreSubmitted", "a")], "accepted", "accepted"),
        (SINGLE, [row("1", "Filled", "a")], "accepted", "accepted"),
        (SINGLE, [row("1", "SomethingNew", "a")], "accepted", "accepted"),
        # The first word of every new order, and also how a reject can look.
        (SINGLE, [row("1", "Inactive", "a")], "unknown", "accepted"),
        (SINGLE, [row("1", "Cancelled", "a")], "rejected", "rejected"),
        (
            SINGLE,
            [row("1", "Cancelled", "a", filled_quantity=Decimal(1))],
            "accepted",
            "accepted",
        ),
        # One id, two orders: this cannot be ours to explain.
        (SINGLE, [row("1", "Filled", "a"), row("2", "Filled", "a")], "unknown", "unknown"),
        (BRACKET, [row("1", "Submitted", "a")], "unknown", "unknown"),
        (
            BRACKET,
            [
                row("1", "Submitted", "a"),
                row("2", "PreSubmitted", **CHILD),
                row("3", "PreSubmitted", **CHILD),
            ],
            "accepted",
            "accepted",
        ),
        (
            BRACKET,
            [
                row("1", "Submitted", "a"),
                row("2", "Cancelled", **CHILD),
                row("3", "PreSubmitted", **CHILD),
            ],
            "rejected",
            "rejected",
        ),
        # The entry traded, the target traded, and the stop was cancelled by it: a good end.
        (
            BRACKET,
            [
                row("1", "Filled", "a", filled_quantity=Decimal(10)),
                row("2", "Filled", filled_quantity=Decimal(10), **CHILD),
                row("3", "Cancelled", **CHILD),
            ],
            "accepted",
            "accepted",
        ),
        (GROUP, [row("1", "Submitted", "a")], "unknown", "unknown"),
        (
            GROUP,
            [row("1", "Submitted", "a"), row("2", "Submitted", "b")],
            "accepted",
            "accepted",
        ),
    ],
)
def test_what_rows_prove(
    sent: Submission, rows: Sequence[LiveOrder], early: str, late: str
) -> None:
    """Every leg has to be seen; absence proves nothing."""
    assert judge(sent, *rows) == early
    assert judge(sent, *rows, is_last=True) == late


def test_trade_proves_that_the_order_was_there() -> None:
    """Even when no list of orders shows it."""
    trade = Trade(execution_id="x", order_id="7", order_ref="a", size=Decimal(1))
    evidence = Evidence(SINGLE, made_tracker(trade))

    assert evidence.outcome(is_last=False) == "accepted"
    assert evidence.describe(["7"]) == "order 7 is filled at least in part"
    assert [one.order_id for one in evidence.orders] == ["7"]


def test_trades_of_others_prove_nothing() -> None:
    """Nor does one without an order id."""
    others = (
        Trade(execution_id="x", order_id="7", order_ref="b", size=Decimal(1)),
        Trade(execution_id="y", order_ref="a", size=Decimal(1)),
    )
    evidence = Evidence(SINGLE, made_tracker(*others))

    assert not evidence.describe()
    assert evidence.outcome(is_last=True) == "unknown"


def test_tracker_proves_only_what_ibkr_said() -> None:
    """A state without a status was never heard of."""
    silent, working = LiveOrder(order_id="7", order_ref="a"), row("7", "Submitted", "a")

    assert not Evidence(SINGLE, made_tracker(silent)).describe()
    evidence = Evidence(SINGLE, made_tracker(silent, working))
    assert evidence.describe() == "order 7 is Submitted"
    assert evidence.outcome(is_last=False) == "accepted"


def test_order_that_ibkr_named_is_asked_for() -> None:
    """Its status proves it; until then it counts as live."""
    tracker = made_tracker()
    evidence = Evidence(SINGLE, tracker, ["7"])
    assert evidence.ids_to_ask == ("7",)
    assert evidence.live_order_ids == ("7",)

    tracker.status_reply(OrderStatusReply(order_id="7", order_status="Cancelled"), 1.0)

    assert evidence.ids_to_ask == ()
    assert evidence.outcome(is_last=False) == "rejected"
    assert evidence.live_order_ids == ()
    assert evidence.refusal == "order 7 is Cancelled"


def test_dead_order_is_named_with_its_reason() -> None:
    """In IBKR's words."""
    dead = row("7", "Cancelled", "a", cancellation_reason="no margin")

    assert Evidence(SINGLE, made_tracker(dead)).refusal == "order 7 is Cancelled (no margin)"


def test_order_that_another_id_names_is_not_ours_because_ibkr_named_it() -> None:
    """A number alone identifies an order only while no id contradicts it."""
    evidence = Evidence(SINGLE, made_tracker(row("7", "Submitted", "z")), ["7"])

    assert evidence.outcome(is_last=True) == "unknown"


def test_named_leg_of_a_bracket_is_kept_with_its_children() -> None:
    """Rows that IBKR named are ours even without our id."""
    rows = (row("1", "Submitted"), row("2", "PreSubmitted", parent_id="1"))
    evidence = Evidence(BRACKET, made_tracker(*rows), ["1"])

    assert evidence.live_order_ids == ("1", "2")
    assert evidence.outcome(is_last=True) == "unknown"


@pytest.mark.parametrize(
    ("order_type", "shown", "outcome"),
    [
        ("LMT", {"limit_price": Decimal("1.50")}, "accepted"),
        ("LMT", {"limit_price": Decimal("1.51")}, "unknown"),
        ("LMT", {"stop_price": Decimal("1.5")}, "unknown"),
        ("LMT", {"limit_price": Decimal("1.5"), "total_quantity": Decimal(3)}, "unknown"),
        ("STP", {"stop_price": Decimal("1.5")}, "accepted"),
        ("STP", {}, "unknown"),
        ("STP", {"limit_price": Decimal("1.5")}, "unknown"),
        # What the status answer does not show, or shows only in part, cannot be compared.
        ("REL", {"limit_price": Decimal("1.5")}, "unknown"),
        ("STOP_LIMIT", {"limit_price": Decimal("1.5")}, "unknown"),
        ("STOP_LIMIT", {"stop_price": Decimal("1.5")}, "unknown"),
        ("LOC", {"limit_price": Decimal("1.5")}, "unknown"),
        ("MKT", {}, "unknown"),
    ],
)
def test_terms_that_ibkr_shows_prove_a_modification(
    order_type: str, shown: dict[str, Any], outcome: str
) -> None:
    """Quantity and price have to be the new ones."""
    ticket = Ticket(
        order_type=order_type,
        side="BUY",
        tif="DAY",
        conid=1,
        quantity=Decimal(2),
        price=Decimal("1.5"),
    )
    sent = modification(ticket)
    evidence = Evidence(sent, made_tracker())
    assert evidence.outcome(is_last=True) == "unknown"
    assert evidence.ids_to_ask == ("7",)

    reply = {"order_status": "Submitted", "total_quantity": Decimal(2)} | shown
    evidence.take_terms(OrderStatusReply(**reply))

    assert evidence.outcome(is_last=True) == outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Filled", "accepted"),
        ("Cancelled", "accepted"),
        ("Failed", "accepted"),
        ("Submitted", "unknown"),
        ("Inactive", "unknown"),
    ],
)
def test_modification_of_an_order_that_is_over_is_no_longer_unknown(
    status: str, outcome: str
) -> None:
    """There is nothing left of which the terms could be unknown."""
    evidence = Evidence(modification(SINGLE.tickets[0]), made_tracker(row("7", status)))

    assert evidence.outcome(is_last=True) == outcome
    assert evidence.ids_to_ask == ("7",)


def modification(ticket: Ticket) -> Submission:
    """Make the modification of an order."""
    return Submission(
        coid=ClientOrderId("a"),
        account_id=AccountId("DU1"),
        tickets=(ticket,),
        modifies=OrderId("7"),
    )
