"""Orders whose outcome is not known: remembered until somebody finds out.

Responsible for seeing that no order is forgotten between the moment it may have left this machine
and the moment its outcome is known. It must never place, confirm, cancel or look for anything.
"""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from ibkr_async.models.orders import Ticket
from ibkr_async.types import AccountId, ClientOrderId, OrderId

if TYPE_CHECKING:
    from collections.abc import Mapping

_log: Final = logging.getLogger("ibkr_async.orders")


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent, or is about to be."""

    coid: ClientOrderId
    """What to search for: `order_ref` in the live orders and trades."""
    account_id: AccountId
    """Account that it is for, or an advisor's group."""
    tickets: tuple[Ticket, ...]
    """The tickets, as they go out."""
    modifies: OrderId | None = None
    """Order whose terms it replaces; None for a new order."""
    urgent: bool = False
    """Goes ahead of all other requests, as a cancel does."""


class UnknownOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order whose outcome is not known: look before acting."""

    submission: Submission
    """What was sent."""
    detail: str
    """What happened."""
    live_order_ids: tuple[str, ...] = ()
    """Order ids that IBKR has named."""
    looked_at: tuple[str, ...] = ()
    """What was examined since, and what it showed; empty while nobody has looked."""
    coid_reused: bool = False
    """IBKR knew the client order id already: what is found under it is an earlier order."""


class UnknownOrders:
    """The memory of one desk, by client order id."""

    def __init__(self) -> None:
        self._orders: dict[str, UnknownOrder] = {}
        self.orders: Mapping[str, UnknownOrder] = MappingProxyType(self._orders)

    def remember(self, order: UnknownOrder) -> None:
        """Keep one; order ids that were known before stay."""
        coid = order.submission.coid
        before = self._orders.get(coid)
        if before is not None:
            ids = dict.fromkeys((*before.live_order_ids, *order.live_order_ids))
            order = msgspec.structs.replace(order, live_order_ids=tuple(ids))
        self._orders[coid] = order

    def forget(self, coid: str) -> UnknownOrder | None:
        """Forget one, and give it back if it was there."""
        return self._orders.pop(coid, None)


def warn_unknown(coid: str, detail: str) -> None:
    """Log a warning, where no `OrderUnknownError` can tell it."""
    _log.warning(
        "order %s: outcome unknown (%s); it may be live: search ib.orders.live() and "
        "ib.orders.trades() for it before placing it again",
        coid,
        detail,
    )
