"""The switches of the simulated broker.

Responsible for naming each documented or recorded behaviour that can be turned on, off or tuned.
It must never read the environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerSettings:
    """How the broker behaves. The defaults are what IBKR does on an ordinary day."""

    # market
    volatility: float = 1.0
    """Factor on every instrument's volatility; 0 keeps prices still, for tests."""
    unsubscribed_conids: frozenset[int] = frozenset()
    """Instruments without market data: availability `N`, no prices, question o354."""
    market_data_lines: int = 100
    """Instruments that may have data open at once. More stay silently empty."""
    snapshot_warm_up: bool = True
    """A snapshot's first call per instrument and per field returns no values."""
    snapshot_delay_s: float = 0.0
    """How long after that first call the values stay away."""
    volume_factor: int = 40
    """What bar volumes must be multiplied by to give shares; 40 and 100 are both seen."""
    chain_needs_exchange: bool = False
    """Without `exchange` most of an option chain has no contracts, as one user has measured."""
    history_wakes_up: bool = False
    """The first history call of a session fails while the data farm wakes."""

    # sessions
    fyi_warm_up: bool = False
    """The first `/fyi` call of a session gets 423 `waiting for reply`."""
    accounts_first: bool = True
    """Orders and snapshots are refused until `/iserver/accounts` has been read."""
    warm_ups: bool = True
    """Live orders, trades, P&L and positions answer empty or thin the first time."""
    filter_silences_live_orders: bool = True
    """A filtered read of the live orders stops `sor` until one with `force=true`."""
    live_orders_feed: Literal["full", "marker", "dead"] = "full"
    """How much of an order's life `sor` reports."""

    # money
    starting_cash: Decimal = Decimal(1_000_000)
    """Cash of each account at the start, in the base currency, US dollars."""
    commission_per_share: Decimal = Decimal("0.005")
    minimum_commission: Decimal = Decimal("1.0")
    """Least commission of one fill."""
    late_commission_s: float = 1.0
    """How long after a fill its commission becomes known."""

    # orders
    fractions: bool = True
    """The accounts trade fractions of US stocks; else whole shares only."""
    partial_fills: bool = False
    """Fill at most a third of an order at each step."""
    fills_beat_cancels: bool = False
    """A working order that could trade does so before its cancel takes effect."""
    bracket_children_first: bool = True
    """Answer a bracket with the children's rows before the parent's."""
    fail_bracket_child: bool = False
    """Refuse the first child of every bracket; the parent stays inactive."""

    # questions
    ask_price_constraint: bool = True
    """Ask o163 when a limit price is more than `price_constraint_pct` from the market."""
    price_constraint_pct: Decimal = Decimal(3)
    size_limit: Decimal | None = None
    """Ask o383 about more units than this, as the user's presets at IBKR can; None: never."""
    value_limit: Decimal | None = None
    """Ask o451 about orders worth more than this in US dollars; None: never."""
    ask_order_risks: bool = False
    """Ask about market orders (o10151, o10153), stops (o10152), stop limits (o10153) and cash
    quantities (o10223, o10164), as IBKR does until the user switches these off."""
    question_chain: tuple[str, ...] | None = None
    """Ask exactly these message ids for each order, in this order; None: ask by the rules."""
    question_chance: float = 1.0
    """Chance that a question is asked at all: IBKR does not ask the same thing every time."""
    stale_reply: Literal["not_found", "unavailable"] = "not_found"
    """What a reply gets after another order request came in between.

    `not_found`: 400, and the order is gone. `unavailable`: 503, and the order goes live all the
    same as soon as another question of the same kind is confirmed.
    """
    prompt_orders: bool = False
    """Answer each single order with a prompt; it stays inactive until an option is chosen."""
    known_messages: dict[str, str] = field(default_factory=dict)
    """Extra or changed question texts by message id."""
