"""`ib.ladder`: the whole price ladder of one contract, folded from its changed rows.

Responsible for folding, and for beginning anew after a gap. It adds nothing that was not sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibkr_async.errors import UsageError
from ibkr_async.models.streaming import LadderRow, PriceLadder
from ibkr_async.stream.core.events import Gap

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

    from ibkr_async.feeds.catalogue import Feeds
    from ibkr_async.feeds.consumer import Subscription


class Ladders:
    """The ladder after each change: `async with ib.ladder(265598) as ladders: async for ladder in …`.

    A slow consumer skips intermediate states, never the newest. Errors: as `ib.stream.price_ladder`.
    """

    def __init__(
        self,
        feeds: Feeds,
        account: Callable[[], Awaitable[str]],
        conid: int,
        exchange: str | None = None,
    ) -> None:
        self._feeds = feeds
        self._account = account
        self._conid = conid
        self._exchange = exchange
        self._subscription: Subscription[Any] | None = None
        self.latest = PriceLadder()
        """The ladder as far as the iteration has come."""

    async def __aenter__(self) -> Self:
        if self._subscription is not None:
            raise UsageError("this ladder is or was open already; make a new one")
        self._subscription = self._feeds.price_ladder(
            await self._account(), self._conid, self._exchange, markers=True
        )
        await self._subscription.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Unsubscribe and end the iteration. Idempotent."""
        if self._subscription is not None:
            await self._subscription.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PriceLadder:
        if self._subscription is None:
            raise UsageError("open the ladder first: `async with ib.ladder(…) as ladders:`")
        changed = False
        while not changed:
            for item in await self._subscription.take_batch():
                if isinstance(item, LadderRow):
                    self.latest = self.latest.apply(item)
                    changed = True
                elif isinstance(item, Gap):
                    self.latest = PriceLadder()
        return self.latest
