"""`Quotes`: merged, typed quotes of several contracts, by symbol, conid or contract.

Responsible for folding deltas into one picture for each contract. It adds nothing that was not
sent: what is not known is None, and after a gap nothing is known.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ibkr_async.errors import UsageError
from ibkr_async.feeds.feed import Fold, Folded
from ibkr_async.feeds.subscription import Subscription
from ibkr_async.models.market_data import QUOTE, resolve_fields
from ibkr_async.models.quotes import Quote
from ibkr_async.stream.core.channel import Wish
from ibkr_async.stream.wire.topics import TOPICS
from ibkr_async.types import Conid, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ibkr_async.feeds.subscription import Upstream
    from ibkr_async.models.market_data import MarketDataUpdate
    from ibkr_async.stream.delivery.buffer import Buffer
    from ibkr_async.stream.wire.topic_row import Arguments, Policy
    from ibkr_async.types import ContractLike
    from ibkr_async.world import Clock


class Quotes(Folded[Quote]):
    """Quotes of the wanted contracts: `async with … as quotes: async for q in quotes:`.

    Each step of the iteration gives the whole quote of the contract that has just changed (a repeated
    frame is no step); a slow consumer skips intermediate states, never the newest. When data of a contract may be missing, its
    quote is given with nothing in it; the next one has what was sent since.

    Errors: `UnknownFieldError`; on entering `UnknownSymbolError`, `AmbiguousSymbolError`. While iterating: those of `Feed`.
    """

    def __init__(
        self,
        upstream: Upstream,
        contracts: Sequence[ContractLike],
        *,
        fields: Iterable[str] = QUOTE,
        buffer: int | None = None,
        policy: Policy | None = None,
    ) -> None:
        if not contracts:
            raise UsageError("quotes() needs at least one symbol or conid")
        wish = market_data(fields)
        line = _Contracts(upstream, wish, (), contracts, growing=True, buffer=buffer, policy=policy)
        self._pictures = line.pictures = _Pictures(line.buffer, upstream.clock)
        super().__init__(line, self._pictures)

    @property
    def strays(self) -> int:
        """Updates that named a contract which was not asked for; they are not shown."""
        return self._pictures.strays

    def latest(self, contract: ContractLike) -> Quote:
        """Return what is known now of a contract; None where nothing was sent.

        It is as new as the iteration: somebody must iterate.
        Errors: `UsageError` for a contract that was not asked for.
        """
        key = contract if isinstance(contract, str) else whole(getattr(contract, "conid", contract))
        conid = self._pictures.conids.get(key) if key is not None else None
        if conid is None:
            raise UsageError(f"{contract!r} is not among these quotes")
        return self._pictures.quotes[conid]

    @property
    def all(self) -> Mapping[Conid, Quote]:
        """What is known now of each contract."""
        return {Conid(conid): quote for conid, quote in self._pictures.quotes.items()}


class _Pictures(Fold[Quote]):
    """The newest quote of each contract."""

    def __init__(self, buffer: Buffer[Any], clock: Clock) -> None:
        super().__init__(buffer)
        self._now = clock.wall
        self.strays = 0
        self.quotes: dict[int, Quote] = {}
        self.conids: dict[int | str, int] = {}

    def fold(self, update: MarketDataUpdate, /) -> Quote | None:
        """Merge an update into the quote of its contract."""
        conid = _conid_of(update.topic or "") if update.conid is None else update.conid
        quote = self.quotes.get(conid)
        if quote is None:
            self.strays += 1
            return None
        newer = quote.apply(update, received_at=self._now())
        if newer is quote:
            return None
        self.quotes[conid] = newer
        return newer

    def reset(self, topic: str, /) -> Quote | None:
        """Forget what was sent of a contract."""
        quote = self.quotes.get(_conid_of(topic))
        if quote is None or not quote.wire:
            return None
        empty = self.quotes[quote.conid] = Quote.empty(quote.conid, quote.given_symbol)
        return empty


class _Contracts(Subscription):
    """The line of quotes: it remembers by what names their contracts go."""

    pictures: _Pictures

    async def _wishes_for(self, targets: Sequence[ContractLike]) -> list[Wish]:
        found = await self._upstream.resolve(*targets) if targets else ()
        for target, (conid, symbol) in zip(targets, found, strict=True):
            self.pictures.quotes.setdefault(conid, Quote.empty(conid, symbol))
            self.pictures.conids |= {symbol: conid, conid: conid}
            if isinstance(target, str):
                self.pictures.conids[target] = conid
        # The same contract may have been named twice, as symbol and as conid.
        return [self._pattern.for_target(conid) for conid in dict.fromkeys(c for c, _ in found)]

    async def add(self, targets: Sequence[ContractLike]) -> None:
        """Subscribe to more."""
        try:
            await super().add(targets)
        finally:
            self._keep_own()

    async def remove(self, targets: Sequence[ContractLike]) -> None:
        """Unsubscribe from some, and forget what was known of them."""
        try:
            await super().remove(targets)
        finally:
            self._keep_own()

    def _keep_own(self) -> None:
        """Forget what was looked up of contracts that are not among the topics."""
        kept = {_conid_of(topic) for topic in self.topics}
        pictures = self.pictures
        pictures.quotes = {key: quote for key, quote in pictures.quotes.items() if key in kept}
        pictures.conids = {key: conid for key, conid in pictures.conids.items() if conid in kept}


def _conid_of(topic: str) -> int:
    return int(topic.partition("+")[2].partition("@")[0])


def market_data(fields: Iterable[str]) -> Wish:
    """Return the wish for these fields of a contract that is still to be named.

    Errors: `UnknownFieldError`.
    """
    return Wish(TOPICS["smd"], "", _arguments_for(resolve_fields(fields)))


@lru_cache(maxsize=128)
def _arguments_for(tags: tuple[str, ...]) -> Arguments:
    """Return the arguments for these fields, one object for everyone: a dict weighs 400 bytes."""
    return MappingProxyType({"fields": tags})
