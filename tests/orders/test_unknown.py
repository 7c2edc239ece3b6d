from __future__ import annotations

import logging

import pytest

from ibkr_async.orders.fate.unknown import Submission, UnknownOrder, UnknownOrders, warn_unknown
from ibkr_async.types import AccountId, ClientOrderId


def unknown(coid: str, *order_ids: str, detail: str = "d") -> UnknownOrder:
    """Make an order whose outcome is not known."""
    submission = Submission(coid=ClientOrderId(coid), account_id=AccountId("DU1"), tickets=())
    return UnknownOrder(submission=submission, detail=detail, live_order_ids=order_ids)


def test_numbers_that_were_known_before_stay() -> None:
    """Each once, the older first; everything else is as it was said last."""
    memory = UnknownOrders()
    memory.remember(unknown("a", "1", "2"))
    memory.remember(unknown("b", "9"))
    memory.remember(unknown("a", "3", "2", detail="later"))

    assert memory.orders["a"] == unknown("a", "1", "2", "3", detail="later")
    assert memory.orders["b"] == unknown("b", "9")


def test_forgotten_order_is_given_back_once() -> None:
    """The others stay."""
    memory = UnknownOrders()
    memory.remember(unknown("a"))
    memory.remember(unknown("b"))

    assert memory.forget("a") == unknown("a")
    assert memory.forget("a") is None
    assert list(memory.orders) == ["b"]


def test_memory_cannot_be_changed_from_outside() -> None:
    """Users look at it as `ib.orders.unknown`."""
    memory = UnknownOrders()

    with pytest.raises(TypeError):
        memory.orders["a"] = unknown("a")  # type: ignore[index]  # that is the point


def test_warning_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    """Where no error can."""
    with caplog.at_level(logging.WARNING, "ibkr_async.orders"):
        warn_unknown("my-1", "no answer")

    assert "my-1: outcome unknown (no answer); it may be live: search ib.orders" in caplog.text
