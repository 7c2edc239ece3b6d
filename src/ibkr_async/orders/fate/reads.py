"""Reading orders and executions over REST, with IBKR's warm-ups behind one call.

Responsible for turning "ask again until IBKR has collected them" into an answer, and for telling the
tracker whatever was read, whoever asked and why. It must never place, confirm or cancel anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from ibkr_async._arguments import checked
from ibkr_async.errors import NotReadyError, UsageError
from ibkr_async.orders.write.rules import read_order_id
from ibkr_async.types import whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.models.orders import LiveOrders, OrderStatusReply, Trade
    from ibkr_async.orders.known.news import OrderNews
    from ibkr_async.resources.orders import OrderEndpoints
    from ibkr_async.world import World

_POLLS: Final = 3
"""How often the live orders are asked for until IBKR has collected them."""
_MOST_DAYS: Final = 7


@checked
class OrderReads:
    """The reading half of the order desk."""

    def __init__(self, endpoints: OrderEndpoints, news: OrderNews, world: World) -> None:
        self._endpoints = endpoints
        self._news = news
        self._world = world

    async def live(
        self,
        *,
        filters: Sequence[str] = (),
        force: bool = False,
        account_id: str | None = None,
    ) -> LiveOrders:
        """Read the day's orders, finished ones included.

        Shape: no rows means no orders: IBKR is asked up to three times until it has collected them.
        With `force` it first forgets what it had collected. `filters` are IBKR's words for statuses,
        such as `submitted` and `pre_submitted`, and `sort_by_time`.
        Errors: `NotReadyError` when it still has not.
        Side effects at the broker: a filtered read silences the `sor` topic; the client undoes that
        by a forced read of its own as soon as somebody follows orders.
        Source: GET /iserver/account/orders. Pacing: 1 per 5 seconds for each of the requests.
        """
        filters = (filters,) if isinstance(filters, str) else tuple(filters)
        tracker = self._news.tracker
        # Rows that IBKR had at hand are of unknown age.
        asked = tracker.version if force else None
        if force:
            await self._endpoints.live(force=True, account_id=account_id)
        if filters:
            self._news.filtered()
        for _ in range(_POLLS):
            found = await self._endpoints.live(filters=filters, account_id=account_id)
            if found.snapshot or found.orders:
                for row in found.orders:
                    tracker.live_order_row(row, self._world.clock.wall(), asked)
                return found
        raise NotReadyError(
            "GET /iserver/account/orders", 200, "IBKR has not collected the orders yet"
        )

    async def status(self, order_id: str | int) -> OrderStatusReply:
        """Read one order.

        Errors: `NotFoundError` or `ServerError` 503 for an order of an earlier day.
        Source: GET /iserver/account/order/status/{orderId}. Pacing: 6 in 6 seconds; IBKR names no limit.
        """
        tracker = self._news.tracker
        asked = tracker.version
        number = read_order_id(order_id)
        reply = await self._endpoints.status(number)
        named = reply if reply.order_id else msgspec.structs.replace(reply, order_id=number)
        tracker.status_reply(named, self._world.clock.wall(), asked)
        return reply

    async def trades(self, days: int | None = None) -> tuple[Trade, ...]:
        """Read the executions of today, or of the last 1 to 7 days, of all accounts.

        Shape: an empty answer is asked for once more, because the first of a session may be so
        without meaning it.
        Source: GET /iserver/account/trades. Pacing: 1 per 5 seconds.
        """
        wanted = whole(days)
        if days is not None and not 1 <= (wanted or 0) <= _MOST_DAYS:
            raise UsageError(f"days must be 1 to {_MOST_DAYS}, not {days!r}")
        tracker = self._news.tracker
        asked = tracker.version
        rows = await self._endpoints.trades(days=wanted) or await self._endpoints.trades(
            days=wanted
        )
        for row in rows:
            tracker.trade_row(row, self._world.clock.wall(), asked)
        return rows
