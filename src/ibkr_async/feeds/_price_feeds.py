"""Feeds of prices: `smd`, `smh` and `sbd`.

Responsible for what they are asked with; each method names its IBKR topic.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, Unpack, overload

from ibkr_async.errors import UsageError
from ibkr_async.feeds._assembly import FeedFactory, Marked, Options, WhenFull
from ibkr_async.models.history import check_period_and_bar
from ibkr_async.models.market_data import QUOTE, MarketDataUpdate, resolve_fields
from ibkr_async.stream.core.channel import Wish
from ibkr_async.stream.core.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibkr_async.feeds.consumer import Subscription
    from ibkr_async.models.streaming import BarsMessage, LadderRow
    from ibkr_async.stream.core.events import Marker
    from ibkr_async.stream.core.topic_row import Arguments

BarSource: TypeAlias = Literal["trades", "midpoint", "bid_ask", "bid", "ask"]


class PriceFeeds(FeedFactory):
    """Feeds of one contract or many."""

    @overload
    def market_data(
        self, *conids: int | str, fields: Iterable[str] = ..., **options: Unpack[Options]
    ) -> Subscription[MarketDataUpdate]: ...

    @overload
    def market_data(
        self, *conids: int | str, fields: Iterable[str] = ..., **options: Unpack[Marked]
    ) -> Subscription[MarketDataUpdate | Marker]: ...

    def market_data(
        self, *conids: int | str, fields: Iterable[str] = QUOTE, **options: Any
    ) -> Subscription[Any]:
        """Subscribe to top-of-book data of one or many contracts, as typed deltas.

        A conid is `265598`, `"265598@ARCA"`, or the conidex of a combination. `fields` are names or
        tags. The first update of a contract has all fields, later ones what changed; at most two a
        second. Contracts can come and go: `await sub.add(8314)`, `await sub.remove(265598)`.
        Errors: also `UnknownFieldError`.
        Side effects at the broker: uses one market data line for each contract.
        Source: `smd+CONID+{"fields":[...]}`, "Live Market Data".
        """
        if not conids:
            raise UsageError("market_data() needs at least one conid, such as 265598")
        arguments = _arguments_for(resolve_fields(fields))
        wishes = [Wish(TOPICS["smd"], str(conid), arguments) for conid in conids]
        return self._subscription(wishes, growing=True, **options)

    @overload
    def market_history(
        self,
        conid: int | str,
        period: str,
        bar: str,
        *,
        exchange: str | None = ...,
        outside_rth: bool = ...,
        source: BarSource = ...,
        when_full: WhenFull = ...,
        **options: Unpack[Options],
    ) -> Subscription[BarsMessage]: ...

    @overload
    def market_history(
        self,
        conid: int | str,
        period: str,
        bar: str,
        *,
        exchange: str | None = ...,
        outside_rth: bool = ...,
        source: BarSource = ...,
        when_full: WhenFull = ...,
        **options: Unpack[Marked],
    ) -> Subscription[BarsMessage | Marker]: ...

    def market_history(
        self,
        conid: int | str,
        period: str,
        bar: str,
        *,
        exchange: str | None = None,
        outside_rth: bool = False,
        source: BarSource = "trades",
        when_full: WhenFull = "refuse",
        **options: Any,
    ) -> Subscription[Any]:
        """Subscribe to bars of a contract as IBKR sends them: `market_history(265598, "1d", "5min")`.

        The first message has the bars of the period. IBKR's documents disagree on whether more follow;
        `ib.bars` does not depend on it. Several sizes of one contract can be open at once.
        Errors: also, on entering, `SubscriptionError` when five are open; with `when_full="wait"` it
        begins as soon as one of them is closed.
        Source: `smh+CONID+{...}`, "Historical Data"; ended by the `serverId` of its answer.
        """
        check_period_and_bar(period, bar)
        arguments: dict[str, Any] = {} if exchange is None else {"exchange": exchange}
        arguments |= {
            "period": period,
            "bar": bar,
            "outsideRth": outside_rth,
            "source": source,
            "format": "%o/%c/%h/%l/%v",
        }
        wish = Wish(TOPICS["smh"], str(conid), arguments, waits=_waits(when_full))
        return self._subscription([wish], **options)

    @overload
    def price_ladder(
        self,
        account_id: str,
        conid: int,
        exchange: str | None = ...,
        *,
        when_full: WhenFull = ...,
        **options: Unpack[Options],
    ) -> Subscription[LadderRow]: ...

    @overload
    def price_ladder(
        self,
        account_id: str,
        conid: int,
        exchange: str | None = ...,
        *,
        when_full: WhenFull = ...,
        **options: Unpack[Marked],
    ) -> Subscription[LadderRow | Marker]: ...

    def price_ladder(
        self,
        account_id: str,
        conid: int,
        exchange: str | None = None,
        *,
        when_full: WhenFull = "refuse",
        **options: Any,
    ) -> Subscription[Any]:
        """Subscribe to the price ladder (depth) of a contract, as changed rows; `ib.ladder` folds them.

        Without an exchange all deep exchanges are shown. Needs a subscription to depth at IBKR.
        One contract at a time for each account, since IBKR ends ladders by account.
        Errors: also, on entering, `SubscriptionError` while another contract's ladder is open; with
        `when_full="wait"` it begins when that one is closed.
        Source: `sbd+ACCOUNT+CONID+EXCHANGE`, "Price Ladders"; known from the documentation only.
        """
        target = "+".join([account_id, str(conid), *([exchange] if exchange else [])])
        wish = Wish(TOPICS["sbd"], target, waits=_waits(when_full))
        return self._subscription([wish], **options)


@lru_cache(maxsize=128)
def _arguments_for(tags: tuple[str, ...]) -> Arguments:
    """Give the arguments for these fields, one object for everyone: a dict weighs 400 bytes."""
    return MappingProxyType({"fields": tags})


def _waits(when_full: WhenFull) -> bool:
    if when_full not in {"refuse", "wait"}:
        raise UsageError(f"when_full={when_full!r}: choose 'refuse' or 'wait'")
    return when_full == "wait"
