"""Settings of orders: permission, limits, patience, and how orders are followed.

Every default stands here and nowhere else. Pure.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from ibkr_async.errors import ConfigError
from ibkr_async.knobs import Knobs
from ibkr_async.types import to_decimal, whole

_DAY_S: Final = 86_400.0


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits that no order gets around. Each is off until it is set; cancels are never limited.

    Errors: `ConfigError` for a value out of range.
    """

    accounts: frozenset[str] | None = None
    """Accounts and advisor groups that may trade."""
    conids: frozenset[int] | None = None
    """Contracts that may be traded; of a combination every leg must be among them."""
    max_quantity: Decimal | int | None = None
    """Most units in one order."""
    max_notional: Decimal | int | None = None
    """Highest value of one order, in the contract's currency, by IBKR's preview of it."""
    max_orders_per_minute: int | None = None
    """Most orders and modifications in any 60 seconds; a bracket counts each leg."""
    kill_switch: str | None = None
    """While this file exists, nothing is placed or confirmed; `~` is the home folder."""

    def __post_init__(self) -> None:
        """Read limits exactly, and refuse those that mean nothing."""
        force = msgspec.structs.force_setattr
        for name, read in (("accounts", _account), ("conids", whole)):
            given = getattr(self, name)
            if given is None:
                continue
            # A text is a list too: of its letters.
            members = [read(one) for one in ((given,) if isinstance(given, str) else given)]
            if None in members:
                raise ConfigError(f"setting guard.{name}: {given!r} has what is none")
            force(self, name, frozenset(members))
        for name in ("max_quantity", "max_notional", "max_orders_per_minute"):
            value = getattr(self, name)
            if value is None:
                continue
            try:
                number = to_decimal(value)
            except ValueError as error:
                raise ConfigError(f"setting guard.{name}: {error}") from None
            if number <= 0:
                raise ConfigError(f"setting guard.{name}: {value} is out of range; above zero")
            if name != "max_orders_per_minute":
                force(self, name, number)


def _account(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


class FollowerSettings(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every time of the follower, in seconds."""

    hint_s: float = 2.0
    """How long news may settle a doubt before IBKR is asked."""
    poll_s: float = 30.0
    """Between two looks at the live orders while one is open."""
    retry_s: float = 5.0
    """After an answer that was an error."""
    resubscribe_s: float = 30.0
    """After a subscription that ended with an error."""
    forget_after_s: float = 8 * _DAY_S
    """Age of finished orders that are dropped; IBKR repeats fills for seven days."""


class OrderSettings(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a desk behaves. Units: seconds."""

    # permission
    allow_live_orders: bool = False
    """Permit orders on an account that is not known to be paper."""
    dry_run: bool = False
    """Preview orders in place of sending them, and send nothing that changes anything."""
    guard: GuardSettings = GuardSettings()
    """Limits of your own for every order; a table `[settings.orders.guard]` in TOML."""
    journal: str | None = None
    """File that notes each order before it is sent, so that a restart finds what a crash left."""
    closes_gate: bool = True
    """No new orders of an account while the outcome of one is unknown."""

    # time limits
    ask_timeout_s: float = 20.0
    """A callback of `Answers.ask`."""
    probe_spread_s: float = 15.0
    """From the first look for an order whose answer was lost to the last."""
    look_timeout_s: float = 15.0
    """One such look, and by how much the last may exceed that time."""
    feeds_timeout_s: float = 5.0
    """How long the first order waits for the order feeds to be open."""
    following: FollowerSettings = FollowerSettings()
    """How orders are followed once they are placed; a table `[settings.orders.following]` in TOML."""
