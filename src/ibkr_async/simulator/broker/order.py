"""An order that the simulated broker has accepted, and each of its fills.

Responsible for what is known of one order. It must never decide what becomes of it: that is the
order book's business.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from ibkr_async.simulator.broker.matching import Trigger
from ibkr_async.types import OrderStatus

if TYPE_CHECKING:
    from ibkr_async.simulator.broker.instruments import Instrument
    from ibkr_async.simulator.broker.tickets import IncomingTicket

_DONE = frozenset({OrderStatus.FILLED, OrderStatus.CANCELLED})


class Rejection(NamedTuple):
    """A refusal that comes after the acknowledgement."""

    reason: str
    status: OrderStatus
    """`Cancelled` or `Inactive`: both are how IBKR shows a rejected order."""
    after_s: float


@dataclass(slots=True)
class Order:
    """An order that the broker has accepted."""

    order_id: int
    account_id: str
    ticket: IncomingTicket
    created: float
    status: OrderStatus = OrderStatus.INACTIVE
    filled: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)
    """Sum of price times quantity over its fills."""
    changed: float = 0.0
    """Unix time of the last fill or status change."""
    trigger: Trigger = field(default_factory=Trigger)
    parent_id: int = 0
    children: list[int] = field(default_factory=list[int])
    """Numbers of the orders that are attached to it."""
    held: bool = False
    """Whether it waits for its parent to fill."""
    planned: Decimal | None = None
    """What an attached order is for once its parent has filled; None when its size is its own."""
    reduced: Decimal = Decimal(0)
    """How much of `planned` fills of its group have made needless."""
    oca_group: str = ""
    oca_type: str = ""
    rejection: Rejection | None = None
    """What the exchange will say about it."""
    reason: str = ""
    """Why the system ended it; empty when the user did, or nobody."""

    @property
    def instrument(self) -> Instrument:
        """Return what it trades."""
        return self.ticket.instrument

    @property
    def remaining(self) -> Decimal:
        """Return the quantity still open."""
        return self.ticket.quantity - self.filled

    @property
    def average_price(self) -> Decimal | None:
        """Return the average fill price; None before the first fill."""
        return self.spent / self.filled if self.filled else None

    @property
    def is_done(self) -> bool:
        """Tell whether it can neither trade nor change any more."""
        return self.status in _DONE


@dataclass(slots=True)
class BookedExecution:
    """One fill of an order, or the part of it that one leg of a combination has."""

    execution_id: str
    order: Order
    instrument: Instrument
    """What was traded: the order's instrument, or a leg."""
    is_buy: bool
    quantity: Decimal
    price: Decimal
    time: float
    commission: Decimal | None
    """None for a combination as a whole: its legs have the commissions."""
    commission_known_at: float
    position: Decimal
    """Position of the account after the fill."""
    commission_reported: bool = False
