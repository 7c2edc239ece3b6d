"""The submission gate: no new order while the outcome of another one of the account is unknown.

Responsible for that one rule. It must never stop a cancellation, or a refusal of a question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async.errors import OrderGuardError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibkr_async.orders.fate.unknown import UnknownOrder


class SubmissionGate:
    """Closed for an account as long as `unknown` has an order of it; cancels never come by here."""

    def __init__(self, unknown: Mapping[str, UnknownOrder], *, is_used: bool) -> None:
        self._unknown = unknown
        self._is_used = is_used

    def check(self, account_id: str, coid: str) -> None:
        """Let an order pass, or say which one is in its way.

        Errors: `OrderGuardError`. The same client order id never passes, gate or no gate.
        """
        if coid in self._unknown:
            detail = "an order with this very id has an unknown outcome"
            raise OrderGuardError(coid, f"{detail}; {_cure(coid)}")
        if not self._is_used:
            return
        for other, order in self._unknown.items():
            if order.submission.account_id == account_id:
                detail = f"account {account_id} takes no new orders while the outcome of {other!r}"
                raise OrderGuardError(coid, f"{detail} is unknown; {_cure(other)}")


def _cure(coid: str) -> str:
    return (
        f"await ib.orders.find({coid!r}) looks again; once you know what became of it, "
        f"ib.orders.dismiss({coid!r}) opens the gate"
    )
