from __future__ import annotations

import pytest

from ibkr_async.models.orders import Ticket
from ibkr_async.orders.known.events import OrderState
from ibkr_async.orders.known.legs import LegName, name_legs
from ibkr_async.types import ClientOrderId, OrderId
from support import order_rows as rows


def order(order_id: str, coid: str | None = None, parent: str | None = None) -> OrderState:
    """Make what is known of an order."""
    return OrderState(
        order_id=OrderId(order_id),
        coid=None if coid is None else ClientOrderId(coid),
        parent_id=None if parent is None else OrderId(parent),
    )


SINGLE = (rows.ticket("a"),)
BRACKET = (rows.ticket("a"), rows.ticket(None, parent_id="a"), rows.ticket(None, parent_id="a"))
GROUP = (rows.ticket("a"), rows.ticket("b"))


@pytest.mark.parametrize(
    ("tickets", "orders", "names"),
    [
        (SINGLE, [order("1")], [("1", "order", "a")]),
        (SINGLE, [order("1", "a")], [("1", "order", "a")]),
        ((rows.ticket(None),), [order("1", "z")], [("1", "order", None)]),
        # The entry is the one with our id, or the only one without a parent.
        (
            BRACKET,
            [order("2", parent="1"), order("1", "a"), order("3")],
            [("1", "entry", "a"), ("2", "exit", None), ("3", "leg", None)],
        ),
        (
            BRACKET,
            [order("2", parent="1"), order("1")],
            [("1", "entry", "a"), ("2", "exit", None)],
        ),
        (BRACKET, [order("2"), order("1")], [("2", "leg", None), ("1", "leg", None)]),
        # A child that carries the id of its parent is no entry.
        (
            BRACKET,
            [order("2", "a", parent="1"), order("3"), order("4")],
            [("2", "exit", "a"), ("3", "leg", None), ("4", "leg", None)],
        ),
        # A group has no entry, and each of it an id of its own; others' ids name nothing.
        (
            GROUP,
            [order("1", "b", parent="9"), order("2", "?")],
            [("1", "leg", "b"), ("2", "leg", None)],
        ),
        # What was sent is not known, after a restart for example.
        ((), [order("1", "z")], [("1", "order", "z")]),
        ((), [order("1", "z"), order("2")], [("1", "leg", "z"), ("2", "leg", None)]),
        ((), [], []),
    ],
)
def test_legs_are_named_as_far_as_ibkr_has_said_it(
    tickets: tuple[Ticket, ...], orders: list[OrderState], names: list[tuple[str, str, str | None]]
) -> None:
    """The place of a row says nothing."""
    assert [(leg.order_id, leg.role, leg.coid) for leg in name_legs(orders, tickets)] == names
    assert all(isinstance(leg, LegName) for leg in name_legs(orders, tickets))
