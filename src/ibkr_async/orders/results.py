"""What the desk gives back besides a handle: a dry run, and an order of an earlier run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ibkr_async.errors import IbkrError
from ibkr_async.orders.handle import OrderHandle
from ibkr_async.types import ClientOrderId

if TYPE_CHECKING:
    from ibkr_async.models.orders import WhatIf


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order that an earlier run had left open."""

    coid: ClientOrderId
    """Client order id."""
    handle: OrderHandle | None = None
    """The order, when IBKR has it."""
    error: IbkrError | None = None
    """`OrderRejectedError` when it is dead, `OrderUnknownError` when nothing is proven."""


class DryRun(OrderHandle):
    """What `submit` and `modify` return with the setting `dry_run`: nothing was placed."""

    preview: WhatIf
    """What IBKR says that it would cost and change."""
