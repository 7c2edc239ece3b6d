from __future__ import annotations

from decimal import Decimal

from ibkr_async.orders.known.events import Execution, OrderState, StatusChange, execution_key
from ibkr_async.types import AccountId, Conid, OrderId


def execution(number: int, size: int = 1, **facts: object) -> Execution:
    """Make an execution."""
    return Execution(execution_id=f"a.b.01.{number:02}", size=Decimal(size), **facts)  # type: ignore[arg-type]


def state(status: str | None = None, *executions: Execution, **facts: object) -> OrderState:
    """Make an order."""
    known: dict[str, object] = {"status": status, "executions": executions} | facts
    return OrderState(order_id=OrderId("1"), **known)  # type: ignore[arg-type]


def test_remaining_is_unknown_without_a_quantity_and_nothing_when_done() -> None:
    """It is never below zero either."""
    assert state("Submitted").remaining is None
    assert state("Submitted", quantity=Decimal(5), filled=Decimal(2)).remaining == 3
    assert state("Submitted", quantity=Decimal(5), filled=Decimal(6)).remaining == 0
    assert state("Cancelled", quantity=Decimal(5)).remaining == 0


def test_inactive_order_is_not_done() -> None:
    """It can come back."""
    assert not state("Inactive").is_done
    assert not state().is_done
    assert state("Failed").is_done


def test_commission_is_unknown_while_one_is_missing() -> None:
    """A sum without it would be wrong."""
    paid = execution(1, commission=Decimal("1.5"))

    assert state("Filled").commission is None
    assert state("Filled", paid, execution(2)).commission is None
    assert state("Filled", paid).commission == Decimal("1.5")


def test_order_is_settled_when_nothing_more_can_come() -> None:
    """It is done, each fill is itemised, each commission known."""
    one = Decimal(1)
    paid = execution(1, commission=one)

    assert state("Cancelled").is_settled
    assert state("Filled", paid, filled=one).is_settled
    assert not state("Submitted").is_settled
    assert not state("Filled", filled=one).is_settled
    assert not state("Filled", execution(1), filled=one).is_settled


def test_combination_is_known_by_its_executions() -> None:
    """Either one of them is the whole, or they are of several contracts."""
    assert state(None, execution(1, sec_type="BAG")).is_combo
    assert state(None, execution(1, conid=Conid(1)), execution(2, conid=Conid(2))).is_combo
    assert not state(None, execution(1, conid=Conid(1)), execution(2)).is_combo


def test_event_names_its_order() -> None:
    """Both ids at hand."""
    event = StatusChange(at=1.0, state=state(coid="mine"), status="Filled", previous=None)

    assert (event.order_id, event.coid) == ("1", "mine")


def test_correction_is_the_last_group_of_an_execution_id() -> None:
    """All corrections of one execution share the rest, and the account."""
    account = AccountId("DU1")

    assert execution_key(execution(2, account_id=account)) == ("DU1", "a.b.01", 2)
    plain = Execution(execution_id="abc", size=Decimal(1))
    assert execution_key(plain) == ("", "abc", 0)
