"""How an order desk behaves. Responsible for names and defaults only; the client fills them in."""

from __future__ import annotations

import msgspec

from ibkr_async.config import GuardSettings


class DeskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a desk behaves. Units: seconds."""

    # permission
    allow_live_orders: bool = False
    """Permit orders on an account that is not known to be paper."""
    dry_run: bool = False
    """Preview orders in place of sending them, and send nothing that changes anything."""
    guard: GuardSettings = GuardSettings()
    """Limits of the user's own."""
    closes_gate: bool = True
    """No new orders of an account while the outcome of one is unknown."""

    # time limits
    order_timeout_s: float = 30.0
    """One request that trades."""
    ask_timeout_s: float = 20.0
    """A callback of `Answers.ask`."""
    probe_spread_s: float = 15.0
    """From the first look for an order whose answer was lost to the last."""
    look_timeout_s: float = 20.0
    """One such look."""
    feeds_timeout_s: float = 5.0
    """How long the first order waits for the order feeds to be open."""
