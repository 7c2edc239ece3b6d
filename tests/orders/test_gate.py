"""The submission gate by itself."""

from __future__ import annotations

import pytest

from ibkr_async.errors import OrderGuardError
from ibkr_async.orders.fate.unknown import Submission, UnknownOrder
from ibkr_async.orders.send.gate import SubmissionGate
from ibkr_async.types import AccountId, ClientOrderId


def unknown(coid: str, account_id: str = "DU1") -> dict[str, UnknownOrder]:
    """Make the memory of one order whose outcome is unknown."""
    submission = Submission(coid=ClientOrderId(coid), account_id=AccountId(account_id), tickets=())
    return {coid: UnknownOrder(submission=submission, detail="no answer")}


def test_gate_is_open_while_nothing_is_unknown() -> None:
    """Nothing is said when nothing is wrong."""
    SubmissionGate({}, is_used=True).check("DU1", "b")


def test_gate_names_the_account_and_the_order_in_the_way() -> None:
    """The cure is that of the order in the way, not of the one that was stopped."""
    gate = SubmissionGate(unknown("other", "DU2") | unknown("a"), is_used=True)

    with pytest.raises(OrderGuardError, match=r"DU1.*'a' is unknown.*find\('a'\).*dismiss\('a'\)"):
        gate.check("DU1", "b")
    with pytest.raises(OrderGuardError, match=r"DU2.*find\('other'\)"):
        gate.check("DU2", "b")


def test_gate_of_another_account_is_open() -> None:
    """The gate is one account's."""
    SubmissionGate(unknown("a"), is_used=True).check("DU2", "b")


def test_gate_that_is_not_used_is_open_for_other_ids() -> None:
    """The user has chosen so."""
    SubmissionGate(unknown("a"), is_used=False).check("DU1", "b")


@pytest.mark.parametrize("is_used", [False, True])
@pytest.mark.parametrize("account_id", ["DU1", "DU2"])
def test_same_id_never_passes(account_id: str, *, is_used: bool) -> None:
    """Gate or no gate, whichever account."""
    gate = SubmissionGate(unknown("a"), is_used=is_used)

    with pytest.raises(OrderGuardError, match=r"this very id.*find\('a'\)"):
        gate.check(account_id, "a")


def test_gate_opens_as_the_memory_is_emptied() -> None:
    """It keeps nothing of its own."""
    memory = unknown("a")
    gate = SubmissionGate(memory, is_used=True)
    memory.clear()

    gate.check("DU1", "a")
