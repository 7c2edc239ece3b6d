"""Feeds of what belongs to the user: orders, executions, figures, accounts, exercises.

Responsible for what they are asked with; each method names its IBKR topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Unpack, overload

from ibkr_async.errors import UsageError
from ibkr_async.feeds._assembly import FeedFactory, Marked, Options, make_buffer
from ibkr_async.orders.send.exercise import ExerciseDialogue
from ibkr_async.stream.core.channel import Listener, Wish
from ibkr_async.stream.core.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.feeds.consumer import Subscription
    from ibkr_async.models.streaming import (
        AccountsMessage,
        LedgerRow,
        LiveOrderUpdate,
        ProfitAndLoss,
        SummaryRow,
        TradeUpdate,
    )
    from ibkr_async.stream.core.events import Marker

_DAYS: Final = range(1, 8)


class AccountFeeds(FeedFactory):
    """Feeds of the user's accounts."""

    @overload
    def live_orders(self, **options: Unpack[Options]) -> Subscription[LiveOrderUpdate]: ...

    @overload
    def live_orders(self, **options: Unpack[Marked]) -> Subscription[LiveOrderUpdate | Marker]: ...

    def live_orders(self, **options: Any) -> Subscription[Any]:
        """Subscribe to changes of orders.

        A hint, never the whole truth: IBKR neither acknowledges this topic nor sends what is
        already open, and it can fall silent. `ib.orders.live()` is the truth.
        Source: `sor+{}`, "Live Order Updates".
        """
        return self._subscription([Wish(TOPICS["sor"])], **options)

    @overload
    def trades(
        self, *, realtime_updates_only: bool = ..., days: int = ..., **options: Unpack[Options]
    ) -> Subscription[TradeUpdate]: ...

    @overload
    def trades(
        self, *, realtime_updates_only: bool = ..., days: int = ..., **options: Unpack[Marked]
    ) -> Subscription[TradeUpdate | Marker]: ...

    def trades(
        self, *, realtime_updates_only: bool = False, days: int = 1, **options: Any
    ) -> Subscription[Any]:
        """Subscribe to executions: those of the last 1 to 7 trading days, then new ones.

        Every execution comes at least twice, the second time with its commission: merge by
        (`account`, `execution_id`). The days are replayed after each gap, so that no execution of the
        gap is lost; with `realtime_updates_only` that is the only replay. So `await sub.ready()` before
        an order whose fill you want to see here: one that fills sooner is not replayed.
        Source: `str+{"realtimeUpdatesOnly":…,"days":…}`, "Trades Data".
        """
        if days not in _DAYS:
            raise UsageError(f"days={days!r}: IBKR replays 1 to 7 days of trades")
        arguments = {"realtimeUpdatesOnly": realtime_updates_only, "days": days}
        return self._subscription([Wish(TOPICS["str"], "", arguments)], **options)

    @overload
    def profit_and_loss(self, **options: Unpack[Options]) -> Subscription[ProfitAndLoss]: ...

    @overload
    def profit_and_loss(
        self, **options: Unpack[Marked]
    ) -> Subscription[ProfitAndLoss | Marker]: ...

    def profit_and_loss(self, **options: Any) -> Subscription[Any]:
        """Subscribe to profit and loss of every account segment, about once a second.

        Source: `spl+{}`, "Profit & Loss Updates".
        """
        return self._subscription([Wish(TOPICS["spl"])], **options)

    @overload
    def account_summary(
        self,
        *account_ids: str,
        keys: Sequence[str] = ...,
        fields: Sequence[str] = ...,
        **options: Unpack[Options],
    ) -> Subscription[SummaryRow]: ...

    @overload
    def account_summary(
        self,
        *account_ids: str,
        keys: Sequence[str] = ...,
        fields: Sequence[str] = ...,
        **options: Unpack[Marked],
    ) -> Subscription[SummaryRow | Marker]: ...

    def account_summary(
        self,
        *account_ids: str,
        keys: Sequence[str] = (),
        fields: Sequence[str] = (),
        **options: Any,
    ) -> Subscription[Any]:
        """Subscribe to the figures of accounts: `account_summary("DU1234567", keys=["NetLiquidation"])`.

        Without `keys` all figures come (about 135), without `fields` all columns. At first every row
        is full; later ones that did not change have only `key` and `timestamp` (`is_unchanged`).
        Source: `ssd+ACCOUNT+{"keys":[...],"fields":[...]}`, "Account Summary Updates".
        """
        return self._figures("ssd", account_ids, keys, fields, options)

    @overload
    def account_ledger(
        self,
        *account_ids: str,
        keys: Sequence[str] = ...,
        fields: Sequence[str] = ...,
        **options: Unpack[Options],
    ) -> Subscription[LedgerRow]: ...

    @overload
    def account_ledger(
        self,
        *account_ids: str,
        keys: Sequence[str] = ...,
        fields: Sequence[str] = ...,
        **options: Unpack[Marked],
    ) -> Subscription[LedgerRow | Marker]: ...

    def account_ledger(
        self,
        *account_ids: str,
        keys: Sequence[str] = (),
        fields: Sequence[str] = (),
        **options: Any,
    ) -> Subscription[Any]:
        """Subscribe to cash and values of accounts by currency, every ten seconds.

        `keys` are such as `LedgerListUSD`, or `LedgerListBASE` for the total; without them all
        currencies come. Rows that did not change have only `key` and `timestamp` (`is_unchanged`).
        Source: `sld+ACCOUNT+{"keys":[...],"fields":[...]}`, "Account Ledger Updates".
        """
        return self._figures("sld", account_ids, keys, fields, options)

    @overload
    def account_updates(self, **options: Unpack[Options]) -> Subscription[AccountsMessage]: ...

    @overload
    def account_updates(
        self, **options: Unpack[Marked]
    ) -> Subscription[AccountsMessage | Marker]: ...

    def account_updates(self, **options: Any) -> Subscription[Any]:
        """Listen to what changes about the accounts themselves; sent after every connect.

        Source: `act`, "Account Updates"; unsolicited.
        """
        return self._subscription([Wish(TOPICS["act"])], **options)

    def option_exercise(self, conid: int) -> ExerciseDialogue:
        """Begin the dialogue about exercising an option that is held; see `ExerciseDialogue`.

        Errors: also `SubscriptionError` while iterating when the connection is lost in the middle.
        Side effects at the broker: none before one of the dialogue's answers is sent.
        Source: `shs+exercise+{"CEX":"CONID"}`, "Exercise Options"; known from the documentation only.
        """
        if conid <= 0:
            raise UsageError(f"{conid!r} is not the conid of an option")
        wishes = [
            Wish(TOPICS["inp"], "exercise"),
            Wish(TOPICS["shs"], "exercise", {"CEX": str(conid)}),
        ]
        buffer = make_buffer(wishes, buffer=None, policy=None)
        return ExerciseDialogue(self, wishes, buffer, Listener(buffer))

    def _figures(
        self,
        code: str,
        account_ids: Sequence[str],
        keys: Sequence[str],
        fields: Sequence[str],
        options: dict[str, Any],
    ) -> Subscription[Any]:
        if not account_ids:
            raise UsageError("name at least one account, such as DU1234567")
        chosen = {"keys": list(keys), "fields": list(fields)}
        arguments = {name: values for name, values in chosen.items() if values}
        wishes = [Wish(TOPICS[code], account_id, arguments) for account_id in account_ids]
        return self._subscription(wishes, growing=True, **options)
