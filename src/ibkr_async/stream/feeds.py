"""The feeds that a user can subscribe to: `ib.stream.market_data(...)` and its siblings.

Responsible for checking what is asked and building the subscription; nothing is sent before the
subscription is entered. Each method names its IBKR topic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, overload

from ibkr_async.errors import UsageError
from ibkr_async.models.market_data import QUOTE, MarketDataUpdate, resolve_fields
from ibkr_async.models.streaming import (
    AccountsMessage,
    Bulletin,
    LiveOrderUpdate,
    Notification,
    ProfitAndLoss,
    Prompt,
    TradeUpdate,
)
from ibkr_async.stream.buffer import POLICIES, Buffer, Policy
from ibkr_async.stream.registry import Listener, Wish
from ibkr_async.stream.sharing import merge
from ibkr_async.stream.subscription import Subscription
from ibkr_async.stream.topics import TOPICS, Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from ibkr_async.stream.events import Marker

Notice: TypeAlias = Notification | Prompt | Bulletin
_DAYS = range(1, 8)
_PARTIAL_UPDATES = 1_000
"""Default capacity where messages can be merged."""
_EVERY_MESSAGE = 10_000
"""Default capacity where each message counts: a week of executions is replayed in one burst."""


class Feeds(ABC):
    """Makes subscriptions. `markers=True` interleaves `Gap`, `Resumed` and their like.

    `buffer` is how many messages may wait for a slow consumer, `policy` what happens then:
    `conflate`, `fail`, `latest` or `drop_oldest` (see `ibkr_async.stream.buffer`).
    Errors of every method: `UsageError`, at once, for what cannot be asked.
    """

    @overload
    def market_data(
        self,
        *conids: int | str,
        fields: Iterable[str] = ...,
        buffer: int | None = ...,
        policy: Policy | None = ...,
        markers: Literal[False] = ...,
    ) -> Subscription[MarketDataUpdate]: ...

    @overload
    def market_data(
        self,
        *conids: int | str,
        fields: Iterable[str] = ...,
        buffer: int | None = ...,
        policy: Policy | None = ...,
        markers: Literal[True],
    ) -> Subscription[MarketDataUpdate | Marker]: ...

    def market_data(
        self,
        *conids: int | str,
        fields: Iterable[str] = QUOTE,
        buffer: int | None = None,
        policy: Policy | None = None,
        markers: bool = False,
    ) -> Subscription[Any]:
        """Subscribe to top-of-book data of one or many contracts, as typed deltas.

        A conid is `265598`, `"265598@ARCA"`, or the conidex of a combination. `fields` are names or
        tags. The first update of a contract has all fields, later ones what changed; at most two a
        second.
        Errors: also `UnknownFieldError`.
        Side effects at the broker: uses one market data line for each contract.
        Source: `smd+CONID+{"fields":[...]}`, "Live Market Data".
        """
        if not conids:
            raise UsageError("market_data() needs at least one conid, such as 265598")
        tags = list(resolve_fields(fields))
        wishes = [Wish(TOPICS["smd"], str(conid), {"fields": tags}) for conid in conids]
        return self._subscription(wishes, buffer=buffer, policy=policy, markers=markers)

    @overload
    def live_orders(
        self,
        *,
        buffer: int | None = ...,
        policy: Policy | None = ...,
        markers: Literal[False] = ...,
    ) -> Subscription[LiveOrderUpdate]: ...

    @overload
    def live_orders(
        self, *, buffer: int | None = ..., policy: Policy | None = ..., markers: Literal[True]
    ) -> Subscription[LiveOrderUpdate | Marker]: ...

    def live_orders(
        self,
        *,
        buffer: int | None = None,
        policy: Policy | None = None,
        markers: bool = False,
    ) -> Subscription[Any]:
        """Subscribe to changes of orders.

        A hint, never the whole truth: IBKR neither acknowledges this topic nor sends what is
        already open, and it can fall silent. `ib.orders.live()` is the truth.
        Source: `sor+{}`, "Live Order Updates".
        """
        wishes = [Wish(TOPICS["sor"])]
        return self._subscription(wishes, buffer=buffer, policy=policy, markers=markers)

    @overload
    def trades(
        self,
        *,
        realtime_updates_only: bool = ...,
        days: int = ...,
        buffer: int | None = ...,
        policy: Policy | None = ...,
        markers: Literal[False] = ...,
    ) -> Subscription[TradeUpdate]: ...

    @overload
    def trades(
        self,
        *,
        realtime_updates_only: bool = ...,
        days: int = ...,
        buffer: int | None = ...,
        policy: Policy | None = ...,
        markers: Literal[True],
    ) -> Subscription[TradeUpdate | Marker]: ...

    def trades(
        self,
        *,
        realtime_updates_only: bool = False,
        days: int = 1,
        buffer: int | None = None,
        policy: Policy | None = None,
        markers: bool = False,
    ) -> Subscription[Any]:
        """Subscribe to executions: those of the last 1 to 7 trading days, then new ones.

        Every execution comes at least twice, the second time with its commission, and the whole
        history comes again after each reconnect: merge by (`account`, `execution_id`).
        Source: `str+{"realtimeUpdatesOnly":…,"days":…}`, "Trades Data".
        """
        if days not in _DAYS:
            raise UsageError(f"days={days!r}: IBKR replays 1 to 7 days of trades")
        arguments = {"realtimeUpdatesOnly": realtime_updates_only, "days": days}
        wishes = [Wish(TOPICS["str"], "", arguments)]
        return self._subscription(wishes, buffer=buffer, policy=policy, markers=markers)

    @overload
    def profit_and_loss(
        self,
        *,
        buffer: int | None = ...,
        policy: Policy | None = ...,
        markers: Literal[False] = ...,
    ) -> Subscription[ProfitAndLoss]: ...

    @overload
    def profit_and_loss(
        self, *, buffer: int | None = ..., policy: Policy | None = ..., markers: Literal[True]
    ) -> Subscription[ProfitAndLoss | Marker]: ...

    def profit_and_loss(
        self,
        *,
        buffer: int | None = None,
        policy: Policy | None = None,
        markers: bool = False,
    ) -> Subscription[Any]:
        """Subscribe to profit and loss of every account segment, about once a second.

        Source: `spl+{}`, "Profit & Loss Updates".
        """
        wishes = [Wish(TOPICS["spl"])]
        return self._subscription(wishes, buffer=buffer, policy=policy, markers=markers)

    @overload
    def notifications(
        self,
        *,
        buffer: int | None = ...,
        policy: Policy | None = ...,
        markers: Literal[False] = ...,
    ) -> Subscription[Notice]: ...

    @overload
    def notifications(
        self, *, buffer: int | None = ..., policy: Policy | None = ..., markers: Literal[True]
    ) -> Subscription[Notice | Marker]: ...

    def notifications(
        self,
        *,
        buffer: int | None = None,
        policy: Policy | None = None,
        markers: bool = False,
    ) -> Subscription[Any]:
        """Listen to notices and prompts of the user's own trading, and to bulletins for everyone.

        Source: `ntf`, "Notifications", and `blt`, "Bulletins"; both are unsolicited.
        """
        wishes = [Wish(TOPICS["ntf"]), Wish(TOPICS["blt"])]
        return self._subscription(wishes, buffer=buffer, policy=policy, markers=markers)

    @overload
    def account_updates(
        self,
        *,
        buffer: int | None = ...,
        policy: Policy | None = ...,
        markers: Literal[False] = ...,
    ) -> Subscription[AccountsMessage]: ...

    @overload
    def account_updates(
        self, *, buffer: int | None = ..., policy: Policy | None = ..., markers: Literal[True]
    ) -> Subscription[AccountsMessage | Marker]: ...

    def account_updates(
        self,
        *,
        buffer: int | None = None,
        policy: Policy | None = None,
        markers: bool = False,
    ) -> Subscription[Any]:
        """Listen to what changes about the accounts themselves; sent after every connect.

        Source: `act`, "Account Updates"; unsolicited.
        """
        wishes = [Wish(TOPICS["act"])]
        return self._subscription(wishes, buffer=buffer, policy=policy, markers=markers)

    # --- the hub's side --------------------------------------------------------------------------

    @abstractmethod
    def attach(self, subscription: Subscription[Any]) -> None:
        """Begin to feed a subscription."""

    @abstractmethod
    def detach(self, subscription: Subscription[Any]) -> None:
        """Stop feeding a subscription."""

    def _subscription(
        self,
        wishes: Sequence[Wish],
        *,
        buffer: int | None,
        policy: Policy | None,
        markers: bool,
    ) -> Subscription[Any]:
        topic = wishes[0].topic
        for wish in wishes:
            wish.topic.check_target(wish.target)
        keys = [wish.key for wish in wishes]
        twice, times = Counter(keys).most_common(1)[0]
        if times > 1:
            raise UsageError(f"{twice} is twice in one subscription")
        chosen = _checked_policy(topic, policy)
        capacity = buffer or (_EVERY_MESSAGE if chosen == "fail" else _PARTIAL_UPDATES)
        if capacity < 1:
            raise UsageError(f"buffer={buffer!r}: at least one message must be able to wait")
        more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        queue: Buffer[Any] = Buffer(
            f"{keys[0]}{more}",
            policy=chosen,
            capacity=capacity,
            identify=_identify(topic),
            merge=merge,
        )
        return Subscription(self, wishes, queue, Listener(queue, markers=markers))


def _checked_policy(topic: Topic, policy: Policy | None) -> Policy:
    chosen = policy or topic.policy
    if chosen not in POLICIES:
        raise UsageError(f"policy={policy!r}: choose one of {', '.join(POLICIES)}")
    if chosen == "conflate" and not topic.identity:
        raise UsageError(f"messages of {topic.code!r} cannot be merged; choose another policy")
    return chosen


def _identify(topic: Topic) -> Callable[[Any], Hashable]:
    return attrgetter(*topic.identity) if topic.identity else _nothing


def _nothing(_item: Any) -> None:
    return None
