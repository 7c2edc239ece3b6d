"""The order guard: limits of the user's own that no order gets around.

Responsible for refusing here, before anything is sent. It must never change an order to make it
fit, and never stop what makes a position smaller by cancelling.

Which rule is looked at when:

    before a turn is taken  live account, accounts, contracts, quantity
    right before sending    kill switch, value (by IBKR's own preview), orders per minute
    before a yes            kill switch
"""

from __future__ import annotations

import os
from collections import deque
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from ibkr_async.errors import OrderGuardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.config import GuardSettings
    from ibkr_async.models.orders import Ticket, WhatIf

_MINUTE_S: Final = 60.0


class OrderGuard:
    """Refuses orders by raising `OrderGuardError`. Times are of one monotonic clock."""

    def __init__(self, settings: GuardSettings, *, allow_live_orders: bool) -> None:
        self._settings = settings
        self._allow_live_orders = allow_live_orders
        self._sent: deque[float] = deque()

    @property
    def limits_value(self) -> bool:
        """True when orders must be previewed before they are sent."""
        return self._settings.max_notional is not None

    @property
    def limits_orders(self) -> bool:
        """True when an order can only be let through by somebody who knows what is in it."""
        settings = self._settings
        return any(
            limit is not None
            for limit in (
                settings.accounts,
                settings.conids,
                settings.max_quantity,
                settings.max_notional,
                settings.max_orders_per_minute,
            )
        )

    def check_account_kind(self, coid: str, *, is_paper: bool | None) -> None:
        """Refuse an account that is not known to be paper, unless live orders are allowed."""
        if self._allow_live_orders or is_paper is True:
            return
        what = "is a live account" if is_paper is False else "is not known to be paper"
        raise OrderGuardError(
            coid, f"this {what}; to trade with real money give the client allow_live_orders=True"
        )

    def check_order(self, coid: str, account_id: str, tickets: Sequence[Ticket]) -> None:
        """Hold an order to the limits that it meets or breaks by itself."""
        settings = self._settings
        if settings.accounts is not None and account_id not in settings.accounts:
            raise _refusal(coid, f"account {account_id} is not among the guard's accounts")
        for ticket in tickets:
            if settings.conids is not None:
                strangers = sorted(_conids(ticket) - settings.conids)
                if strangers or not _conids(ticket):
                    named = ", ".join(map(str, strangers)) or "without a conid"
                    raise _refusal(coid, f"contract {named} is not among the guard's conids")
            if settings.max_quantity is not None:
                self._check_quantity(coid, ticket, settings.max_quantity)

    def check_kill_switch(self, coid: str) -> None:
        """Refuse everything while the kill switch file is there."""
        path = self._settings.kill_switch
        # Looked up each time: one stat call, a few microseconds. What cannot be looked at counts
        # as there, such as a directory that may not be entered.
        if path is not None and _may_exist(path):
            raise _refusal(coid, f"the kill switch {path} is on; remove the file to trade again")

    def check_value(self, coid: str, ticket: Ticket, preview: WhatIf) -> None:
        """Hold the value of an order, as IBKR's preview has it, to the limit.

        The multiplier of the contract is in IBKR's figure. Where a limit price makes more of it,
        that counts.
        """
        limit = self._settings.max_notional
        if limit is None:
            return
        value = None if preview.amount is None else preview.amount.amount_value
        if value is None:
            raise _refusal(coid, "IBKR's preview names no value, so max_notional cannot be held")
        nothing = Decimal(0)
        by_price = abs(ticket.price or nothing) * (ticket.quantity or nothing)
        cash = ticket.cash_quantity or ticket.fx_quantity or nothing
        most = max(abs(value), by_price, cash)
        if most > limit:
            raise _refusal(coid, f"its value {most} is above max_notional {limit}")

    def check_rate(self, coid: str, count: int, now: float) -> None:
        """Count orders that are about to be sent, or refuse when they are too many this minute."""
        limit = self._settings.max_orders_per_minute
        if limit is None:
            return
        while self._sent and self._sent[0] <= now - _MINUTE_S:
            self._sent.popleft()
        if len(self._sent) + count > limit:
            detail = (
                f"{len(self._sent)} orders went out in the last minute and {count} would follow"
            )
            raise _refusal(coid, f"{detail}; max_orders_per_minute is {limit}")
        self._sent.extend([now] * count)

    def _check_quantity(self, coid: str, ticket: Ticket, limit: Decimal | int) -> None:
        if ticket.quantity is None:
            if not self.limits_value:
                detail = "an order by cash escapes max_quantity; set max_notional as well"
                raise _refusal(coid, detail)
        elif ticket.quantity > limit:
            raise _refusal(coid, f"quantity {ticket.quantity} is above max_quantity {limit}")


def _refusal(coid: str, detail: str) -> OrderGuardError:
    return OrderGuardError(coid, detail)


def _may_exist(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 - as pathlib's, without its exceptions being swallowed
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _conids(ticket: Ticket) -> frozenset[int]:
    """Give every contract that a ticket trades: the legs of a combination, else the one named."""
    if ticket.conid is not None:
        return frozenset({ticket.conid})
    if ticket.conidex is not None:
        contract, _, legs = ticket.conidex.partition(";;;")
        named = legs.split(",") if legs else [contract]
        numbers = [text.partition("/")[0].partition("@")[0] for text in named]
    else:
        numbers = [(ticket.sec_type or "").partition(":")[0]]
    if not all(text.isdecimal() for text in numbers):
        return frozenset()
    return frozenset(int(text) for text in numbers)
