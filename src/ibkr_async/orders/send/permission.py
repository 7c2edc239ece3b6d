"""Permission to trade: asked in the line before everything that can change a position.

Responsible for refusing here, before a byte leaves. It must never change an order to make it fit,
and never stop what makes a position smaller by cancelling, except in a dry run.

What may pass when:

    in a dry run              nothing that changes anything, cancels included
    an order, a yes           an account that is known to be paper, or `allow_live_orders`;
                              no kill switch; all limits of the guard
    a cancel, a no            always, except in a dry run

The account kind and the kill switch are those of this very moment: a login may have changed, and a file
may have appeared, while an order waited for its turn.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, Final

from ibkr_async.errors import OrderGuardError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibkr_async.orders.send.stake import Stake
    from ibkr_async.orders.settings import GuardSettings
    from ibkr_async.world import World

_MINUTE_S: Final = 60.0


class Permission:
    """What one client may do. Refuses by raising, and has no other effect."""

    def __init__(
        self,
        guard: GuardSettings,
        *,
        allow_live_orders: bool,
        dry_run: bool,
        is_paper: Callable[[str | None], bool | None],
        world: World,
    ) -> None:
        """Judge by these settings.

        `is_paper` tells of what kind an account is at this moment (None for the account means that of
        the session); its own None means that nobody knows, which counts as live.
        """
        self._guard = guard
        self._allow_live_orders = allow_live_orders
        self._dry_run = dry_run
        self._is_paper = is_paper
        self._clock = world.clock
        self._sent: deque[float] = deque()
        """When orders went out, by the monotonic clock."""

    @property
    def limits_value(self) -> bool:
        """Tell whether orders must be previewed, so that their value is known."""
        return self._guard.max_notional is not None

    @property
    def _limits_orders(self) -> bool:
        """Tell whether an order can only be let through by somebody who knows what is in it."""
        guard = self._guard
        return any(
            limit is not None
            for limit in (
                guard.accounts,
                guard.conids,
                guard.max_quantity,
                guard.max_notional,
                guard.max_orders_per_minute,
            )
        )

    def check(
        self,
        what: str,
        account_id: str | None,
        stakes: Sequence[Stake] | None,
        *,
        is_new: bool = True,
    ) -> None:
        """Raise unless this may be sent now. Call it in the line before the request.

        `what` names the order in the message: its client order id. `account_id` is the account in the
        path, None when the request names none. `stakes` are those of the orders, None when it is
        not known which order the request lets through. An order that `is_new` counts for the limit
        per minute; a yes about it does not count again.
        Errors: `OrderGuardError`; `UsageError` in a dry run.
        """
        self.check_change(what)
        self.check_terms(what, account_id, stakes)
        self._check_kill_switch(what)
        if self._guard.max_notional is not None:
            for stake in stakes or ():
                self._check_value(what, stake)
        if is_new:
            self._count(what, len(stakes or ()))

    def check_terms(
        self, what: str, account_id: str | None, stakes: Sequence[Stake] | None
    ) -> None:
        """Raise when an order cannot pass whatever happens until it is sent.

        A refusal before an order waits for its turn saves time; it takes the place of no check.
        Errors: `OrderGuardError`.
        """
        self._check_account_kind(what, account_id)
        if not self._limits_orders:
            return
        if stakes is None:
            raise OrderGuardError(what, "the guard does not know which order it would let through")
        for stake in stakes:
            if stake.is_opaque:
                raise OrderGuardError(
                    what, "json_payload has settings that no limit of the guard can judge"
                )
            self._check_accounts(what, account_id, stake)
            self._check_contracts(what, stake)
            self._check_units(what, stake)

    def check_change(self, what: str) -> None:
        """Raise in a dry run: for cancels and refusals, which nothing else stops.

        Errors: `UsageError`.
        """
        if self._dry_run:
            raise UsageError(
                f"{what}: with dry_run nothing is sent that changes anything; submit, modify and "
                "what_if give previews"
            )

    # --- single rules ----------------------------------------------------------------------------

    def _check_account_kind(self, what: str, account_id: str | None) -> None:
        if self._allow_live_orders or (is_paper := self._is_paper(account_id)) is True:
            return
        account = "this account" if account_id is None else f"account {account_id}"
        kind = "is a live account" if is_paper is False else "is not known to be paper"
        cure = "to trade with real money give the client allow_live_orders=True"
        raise OrderGuardError(what, f"{account} {kind}; {cure}")

    def _check_accounts(self, what: str, account_id: str | None, stake: Stake) -> None:
        allowed = self._guard.accounts
        if allowed is None:
            return
        if account_id is None and not stake.accounts:
            raise OrderGuardError(what, "the guard has accounts, and the request names none")
        named = stake.accounts | ({account_id} if account_id is not None else set())
        if strangers := sorted(named - allowed):
            detail = f"account {', '.join(strangers)} is not among the guard's accounts"
            raise OrderGuardError(what, detail)

    def _check_contracts(self, what: str, stake: Stake) -> None:
        allowed = self._guard.conids
        if allowed is None:
            return
        strangers = sorted((stake.conids or frozenset()) - allowed)
        if strangers or not stake.conids:
            named = ", ".join(map(str, strangers)) or "without a readable conid"
            raise OrderGuardError(what, f"contract {named} is not among the guard's conids")

    def _check_units(self, what: str, stake: Stake) -> None:
        limit = self._guard.max_quantity
        if limit is None or (stake.is_cash and self.limits_value):
            return
        if stake.is_cash:
            detail = "an order by cash escapes max_quantity; set max_notional as well"
            raise OrderGuardError(what, detail)
        if stake.units is None:
            raise OrderGuardError(what, "its quantity cannot be told, so max_quantity cannot hold")
        if stake.units > limit:
            raise OrderGuardError(what, f"quantity {stake.units} is above max_quantity {limit}")

    def _check_value(self, what: str, stake: Stake) -> None:
        limit = self._guard.max_notional
        if stake.value is None:
            raise OrderGuardError(what, "nobody knows its value, so max_notional cannot be held")
        if limit is not None and stake.value > limit:
            detail = f"its value {stake.value:f} is above max_notional {limit}"
            raise OrderGuardError(what, detail)

    def _check_kill_switch(self, what: str) -> None:
        path = self._guard.kill_switch
        # Looked up each time: one stat call, a few microseconds.
        if path is not None and _may_exist(os.path.expanduser(path)):  # noqa: PTH111 - never raises
            detail = f"the kill switch {path} is on; remove the file to trade again"
            raise OrderGuardError(what, detail)

    def _count(self, what: str, count: int) -> None:
        """Count orders that are about to be sent, or refuse when they are too many this minute."""
        limit = self._guard.max_orders_per_minute
        if limit is None:
            return
        now = self._clock.monotonic()
        while self._sent and self._sent[0] <= now - _MINUTE_S:
            self._sent.popleft()
        if len(self._sent) + count > limit:
            detail = (
                f"{len(self._sent)} orders went out in the last minute and {count} would follow"
            )
            raise OrderGuardError(what, f"{detail}; max_orders_per_minute is {limit}")
        self._sent.extend([now] * count)


def _may_exist(path: str) -> bool:
    """Tell whether a file is there. What cannot be looked at counts as there."""
    try:
        os.stat(path)  # noqa: PTH116 - as pathlib's, without its exceptions being swallowed
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return True
