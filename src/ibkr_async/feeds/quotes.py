"""`Quotes`: merged, typed quotes of several contracts, by symbol or conid.

Responsible for folding deltas into one picture for each contract. It adds nothing that was not
sent: what is not known is None.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ibkr_async.errors import ClosedError, UsageError
from ibkr_async.models.market_data import QUOTE, MarketDataUpdate
from ibkr_async.models.quotes import Quote
from ibkr_async.types import Conid

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from ibkr_async.feeds.buffer import Policy, SubscriptionStats
    from ibkr_async.feeds.catalogue import Feeds
    from ibkr_async.feeds.consumer import Subscription


class Quotes:
    """Quotes of the wanted contracts: `async with … as quotes: async for q in quotes:`.

    Each step of the iteration gives the whole quote of the contract that has just changed; a slow
    consumer skips intermediate states, never the newest. `resolve` turns symbols and conids into
    (conid, symbol) pairs, in the same order, when it is entered.

    Errors on entering: those of `resolve` (`UnknownSymbolError`, `AmbiguousSymbolError`), and
    `UnknownFieldError`. While iterating: those of a market-data subscription.
    """

    def __init__(
        self,
        feeds: Feeds,
        resolve: Callable[..., Awaitable[list[tuple[int, str]]]],
        *wanted: str | int,
        fields: Iterable[str] = QUOTE,
        buffer: int | None = None,
        policy: Policy | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        if not wanted:
            raise UsageError("quotes() needs at least one symbol or conid")
        self._feeds = feeds
        self._resolve = resolve
        self._wanted = wanted
        self._options: dict[str, Any] = {
            "fields": tuple(fields),
            "buffer": buffer,
            "policy": policy,
        }
        self._wall_clock = wall_clock
        self.strays = 0
        """Updates that named a contract which was not asked for; they are not shown."""
        self._quotes: dict[int, Quote] = {}
        self._conids: dict[str | int, int] = {}
        self._subscription: Subscription[MarketDataUpdate] | None = None
        self._entered = False

    async def __aenter__(self) -> Self:
        if self._entered:
            raise UsageError("these quotes are or were open already; make new ones")
        self._entered = True
        found = await self._resolve(*self._wanted)
        for wanted, (conid, symbol) in zip(self._wanted, found, strict=True):
            self._quotes[conid] = Quote.empty(conid, symbol)
            self._conids |= {wanted: conid, symbol: conid, conid: conid}
        # The same contract may have been named twice, as symbol and as conid.
        subscription = self._feeds.market_data(*self._quotes, **self._options)
        self._subscription = await subscription.__aenter__()
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

    async def __anext__(self) -> Quote:
        if self._subscription is None:
            raise UsageError("open the quotes first: `async with ib.quotes(…) as quotes:`")
        while True:
            update = await self._subscription.__anext__()
            conid = _conid_of(update) if update.conid is None else update.conid
            quote = self._quotes.get(conid)
            if quote is None:
                self.strays += 1
                continue
            quote = quote.apply(update, received_at=self._wall_clock())
            self._quotes[conid] = quote
            return quote

    def latest(self, wanted: str | int) -> Quote:
        """Give what is known now of a contract, by symbol or conid; None where nothing was sent.

        It is as new as the iteration: somebody must iterate.
        Errors: `UsageError` for a contract that was not asked for.
        """
        conid = self._conids.get(wanted)
        if conid is None:
            raise UsageError(f"{wanted!r} is not among these quotes")
        return self._quotes[conid]

    @property
    def all(self) -> Mapping[Conid, Quote]:
        """What is known now of each contract."""
        return {Conid(conid): quote for conid, quote in self._quotes.items()}

    @property
    def stats(self) -> SubscriptionStats:
        """Counters of the subscription behind the quotes. Errors: `ClosedError` before entering."""
        if self._subscription is None:
            raise ClosedError("quotes", "enter them with `async with`")
        return self._subscription.stats


def _conid_of(update: MarketDataUpdate) -> int:
    target = (update.topic or "").partition("+")[2]
    return int(target.partition("@")[0])
