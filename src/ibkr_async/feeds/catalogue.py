"""The feeds that a user can subscribe to: `ib.stream.market_data(...)` and its siblings.

Responsible for what each feed is asked with; each method names its IBKR topic. Nothing is sent before a
feed is entered. It stands above the orders, because one of the feeds is a conversation about one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from ibkr_async._arguments import checked
from ibkr_async.errors import UsageError
from ibkr_async.feeds.feed import Feed
from ibkr_async.feeds.quotes import market_data
from ibkr_async.feeds.subscription import LadderTarget, Subscription, split
from ibkr_async.models.history import check_period_and_bar
from ibkr_async.models.market_data import QUOTE, MarketDataUpdate
from ibkr_async.models.streaming import Bulletin, Notification, Prompt
from ibkr_async.orders.send.exercise import ExerciseDialogue
from ibkr_async.resources.base import check_conid
from ibkr_async.stream.core.channel import Wish
from ibkr_async.stream.wire.topics import TOPICS
from ibkr_async.types import whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ibkr_async.feeds.subscription import Upstream
    from ibkr_async.models.streaming import (
        AccountsMessage,
        AuthStatus,
        BarsMessage,
        ErrorFrame,
        LadderRow,
        LedgerRow,
        LiveOrderUpdate,
        ProfitAndLoss,
        SummaryRow,
        SystemMessage,
        TicReply,
        TradeUpdate,
    )
    from ibkr_async.orders.send.exercise import CheckExercise
    from ibkr_async.stream.core.stats import CoreStats
    from ibkr_async.stream.hours import MarketHours
    from ibkr_async.stream.multiplexer import Multiplexer
    from ibkr_async.stream.wire.topic_row import Policy
    from ibkr_async.types import ContractLike

BarSource: TypeAlias = Literal["trades", "midpoint", "bid_ask", "bid", "ask"]
Notice: TypeAlias = Notification | Prompt | Bulletin
WhenFull: TypeAlias = Literal["refuse", "wait"]
"""What to do when IBKR serves no more of a topic: raise, or begin when there is room."""

_DAYS: Final = range(1, 8)


@checked
class Streams:
    """The client's socket: `ib.stream`. Each method makes a feed, which is then entered.

    Wherever a contract is meant, a conid (`265598`), a symbol (`"AAPL"`) or a resolved contract is
    taken; where an account is meant and none is named, it is the session's own. What must be looked up
    is looked up on entering.

    Every feed takes these keywords too: `buffer` is how many messages may wait for a slow consumer,
    `policy` what happens then: `conflate`, `fail`, `latest` or `drop_oldest` (see
    `ibkr_async.stream.delivery.buffer`).
    Errors of every feed: `UsageError`, immediately, for what cannot be asked; on entering those of
    looking a symbol up.
    """

    def __init__(
        self,
        engine: Multiplexer,
        upstream: Upstream,
        *,
        check_may_exercise: CheckExercise,
    ) -> None:
        """`check_may_exercise` raises where an option must not be exercised."""
        self._engine = engine
        self._upstream = upstream
        self._check_may_exercise = check_may_exercise

    @property
    def connected(self) -> bool:
        """True while the server has greeted this socket, so that feeds are served."""
        return self._engine.connected

    @property
    def stats(self) -> CoreStats:
        """Counters of the stream since the client was opened."""
        return self._engine.stats

    @property
    def hours(self) -> MarketHours:
        """Trading hours of contracts, if you know them: silence outside of them is no stall."""
        return self._engine.hours

    # --- prices ----------------------------------------------------------------------------------

    def market_data(
        self,
        *contracts: ContractLike,
        fields: Iterable[str] = QUOTE,
        buffer: int | None = None,
        policy: Policy | None = None,
    ) -> Feed[MarketDataUpdate]:
        """Subscribe to top-of-book data of one or many contracts, as typed deltas.

        A contract is `265598`, `"AAPL"`, `"265598@ARCA"`, or the conidex of a combination. `fields` are
        names or tags. The first update of a contract has all fields, later ones what changed; at most
        two a second. Contracts can come and go: `await feed.add(8314)`, `await feed.remove("AAPL")`.
        Errors: also `UnknownFieldError`.
        Side effects at the broker: uses one market data line for each contract.
        Source: `smd+CONID+{"fields":[...]}`, "Live Market Data".
        """
        if not contracts:
            raise UsageError("market_data() needs at least one contract, such as 265598")
        pattern = market_data(fields)
        return self._feed(pattern, contracts, growing=True, buffer=buffer, policy=policy)

    def market_history(
        self,
        contract: ContractLike,
        period: str,
        bar: str,
        *,
        exchange: str | None = None,
        outside_rth: bool = False,
        source: BarSource = "trades",
        when_full: WhenFull = "refuse",
        buffer: int | None = None,
        policy: Policy | None = None,
    ) -> Feed[BarsMessage]:
        """Subscribe to bars of a contract as IBKR sends them: `market_history(265598, "1d", "5min")`.

        The first message has the bars of the period. IBKR's documents disagree on whether more follow;
        `ib.bars` does not depend on it. Several sizes of one contract can be open at the same time.
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
        pattern = Wish(TOPICS["smh"], "", arguments, waits=_waits(when_full))
        return self._feed(pattern, [contract], buffer=buffer, policy=policy)

    def price_ladder(
        self,
        contract: ContractLike,
        *,
        account_id: str | None = None,
        exchange: str | None = None,
        when_full: WhenFull = "refuse",
        buffer: int | None = None,
        policy: Policy | None = None,
    ) -> Feed[LadderRow]:
        """Subscribe to the price ladder (depth) of a contract, as changed rows; `ib.ladder` folds them.

        Without an exchange all deep exchanges are shown. Needs a subscription to depth at IBKR.
        One contract at a time for each account, since IBKR ends ladders by account.
        Errors: also, on entering, `SubscriptionError` while another contract's ladder is open; with
        `when_full="wait"` it begins when that one is closed.
        Source: `sbd+ACCOUNT+CONID+EXCHANGE`, "Price Ladders"; known from the documentation only.
        """
        pattern = Wish(TOPICS["sbd"], waits=_waits(when_full))
        target = LadderTarget(account_id, contract, exchange)
        return self._feed(pattern, [target], buffer=buffer, policy=policy)

    # --- what belongs to the user ----------------------------------------------------------------

    def live_orders(
        self, *, buffer: int | None = None, policy: Policy | None = None
    ) -> Feed[LiveOrderUpdate]:
        """Subscribe to changes of orders.

        A hint, never the whole truth: IBKR neither acknowledges this topic nor sends what is
        already open, and it can fall silent. `ib.orders.live()` is the truth.
        Source: `sor+{}`, "Live Order Updates".
        """
        return self._feed(Wish(TOPICS["sor"]), buffer=buffer, policy=policy)

    def trades(
        self,
        *,
        realtime_updates_only: bool = False,
        days: int = 1,
        buffer: int | None = None,
        policy: Policy | None = None,
    ) -> Feed[TradeUpdate]:
        """Subscribe to executions: those of the last 1 to 7 trading days, then new ones.

        Every execution comes at least twice, the second time with its commission: merge by
        (`account`, `execution_id`). The days are replayed after each gap, so that no execution of the
        gap is lost; with `realtime_updates_only` that is the only replay. So `await feed.ready()` before
        an order whose fill you want to see here: one that fills sooner is not replayed.
        Source: `str+{"realtimeUpdatesOnly":…,"days":…}`, "Trades Data".
        """
        replayed = whole(days)
        if replayed not in _DAYS:
            raise UsageError(f"days={days!r}: IBKR replays 1 to 7 days of trades")
        arguments = {"realtimeUpdatesOnly": realtime_updates_only, "days": replayed}
        return self._feed(Wish(TOPICS["str"], "", arguments), buffer=buffer, policy=policy)

    def profit_and_loss(
        self, *, buffer: int | None = None, policy: Policy | None = None
    ) -> Feed[ProfitAndLoss]:
        """Subscribe to profit and loss of every account segment, about once a second.

        Source: `spl+{}`, "Profit & Loss Updates".
        """
        return self._feed(Wish(TOPICS["spl"]), buffer=buffer, policy=policy)

    def account_summary(
        self,
        *account_ids: str,
        keys: Sequence[str] = (),
        fields: Sequence[str] = (),
        buffer: int | None = None,
        policy: Policy | None = None,
    ) -> Feed[SummaryRow]:
        """Subscribe to the figures of accounts: `account_summary(keys=["NetLiquidation"])`.

        Without `keys` all figures come (about 135), without `fields` all columns. At first every row
        is full; later ones that did not change have only `key` and `timestamp` (`is_unchanged`).
        Source: `ssd+ACCOUNT+{"keys":[...],"fields":[...]}`, "Account Summary Updates".
        """
        pattern = _figures("ssd", keys, fields)
        return self._feed(
            pattern, account_ids or [None], growing=True, buffer=buffer, policy=policy
        )

    def account_ledger(
        self,
        *account_ids: str,
        keys: Sequence[str] = (),
        fields: Sequence[str] = (),
        buffer: int | None = None,
        policy: Policy | None = None,
    ) -> Feed[LedgerRow]:
        """Subscribe to cash and values of accounts by currency, every ten seconds.

        `keys` are such as `LedgerListUSD`, or `LedgerListBASE` for the total; without them all
        currencies come. Rows that did not change have only `key` and `timestamp` (`is_unchanged`).
        Source: `sld+ACCOUNT+{"keys":[...],"fields":[...]}`, "Account Ledger Updates".
        """
        pattern = _figures("sld", keys, fields)
        return self._feed(
            pattern, account_ids or [None], growing=True, buffer=buffer, policy=policy
        )

    def account_updates(
        self, *, buffer: int | None = None, policy: Policy | None = None
    ) -> Feed[AccountsMessage]:
        """Listen to what changes about the accounts themselves; sent after every connect.

        Source: `act`, "Account Updates"; unsolicited.
        """
        return self._feed(Wish(TOPICS["act"]), buffer=buffer, policy=policy)

    def option_exercise(self, contract: ContractLike) -> ExerciseDialogue:
        """Begin the dialogue about exercising an option that is held; see `ExerciseDialogue`.

        `contract` is a conid or a resolved contract: a symbol names no option.
        Errors: also `SubscriptionError` while iterating when the connection is lost in the middle.
        Side effects at the broker: none before one of the dialogue's answers is sent.
        Source: `shs+exercise+{"CEX":"CONID"}`, "Exercise Options"; known from the documentation only.
        """
        conid = check_conid(getattr(contract, "conid", contract))
        form = Wish(TOPICS["shs"], "exercise", {"CEX": str(conid)})
        answers = Wish(TOPICS["inp"], "exercise")
        line = Subscription(self._upstream, answers, [answers, form])
        return ExerciseDialogue(line, self._engine.say, self._check_may_exercise, conid)

    # --- what nobody has to ask for --------------------------------------------------------------

    def notifications(
        self, *, buffer: int | None = None, policy: Policy | None = None
    ) -> Feed[Notice]:
        """Listen to notices and prompts of the user's own trading, and to bulletins for everyone.

        A `Prompt` waits for an answer: `await ib.orders.answer_prompt(prompt, prompt.options[0])`.
        Source: `ntf`, "Notifications", and `blt`, "Bulletins"; both are unsolicited.
        """
        notices = Wish(TOPICS["ntf"])
        wishes = [notices, Wish(TOPICS["blt"])]
        return Feed(Subscription(self._upstream, notices, wishes, buffer=buffer, policy=policy))

    def bulletins(
        self, *, buffer: int | None = None, policy: Policy | None = None
    ) -> Feed[Bulletin]:
        """Listen to bulletins only: news of exchanges and of IBKR's systems.

        Source: `blt`, "Bulletins"; unsolicited.
        """
        return self._feed(Wish(TOPICS["blt"]), buffer=buffer, policy=policy)

    def auth_status(
        self, *, buffer: int | None = None, policy: Policy | None = None
    ) -> Feed[AuthStatus]:
        """Listen to what the server says of the session, as sent: often one field to a message.

        `AuthStatusChanged` of `ib.events()` has it merged.
        Source: `sts`, "Authentication Status"; unsolicited.
        """
        return self._feed(Wish(TOPICS["sts"]), buffer=buffer, policy=policy)

    def system_messages(
        self, *, buffer: int | None = None, policy: Policy | None = None
    ) -> Feed[SystemMessage]:
        """Listen to the greeting of each connection and to the heartbeats, one in ten seconds.

        Source: `system`, "System Connection Messages"; unsolicited.
        """
        return self._feed(Wish(TOPICS["system"]), buffer=buffer, policy=policy)

    def keepalives(
        self, *, buffer: int | None = None, policy: Policy | None = None
    ) -> Feed[TicReply]:
        """Listen to the answers to our own `tic`; IBKR sends up to four copies of each.

        Source: `tic`, "Ping Session".
        """
        return self._feed(Wish(TOPICS["tic"]), buffer=buffer, policy=policy)

    def errors(
        self, *, buffer: int | None = None, policy: Policy | None = None
    ) -> Feed[ErrorFrame]:
        """Listen to error frames, whichever topic they are about.

        Those that name a subscription also end or interrupt that one.
        """
        return self._feed(Wish(TOPICS["error"]), buffer=buffer, policy=policy)

    # --- building --------------------------------------------------------------------------------

    def _feed(self, pattern: Wish, targets: Sequence[Any] = (), **options: Any) -> Feed[Any]:
        return Feed(self._line(pattern, targets, **options))

    def _line(self, pattern: Wish, targets: Sequence[Any] = (), **options: Any) -> Subscription:
        """Build a line: `pattern` for each target, or as it is where a topic has none."""
        wishes, unknown = split(pattern, targets) if targets else ([pattern], [])
        return Subscription(self._upstream, pattern, wishes, unknown, **options)


def _figures(code: str, keys: Sequence[str], fields: Sequence[str]) -> Wish:
    chosen = {"keys": list(keys), "fields": list(fields)}
    return Wish(TOPICS[code], "", {name: values for name, values in chosen.items() if values})


def _waits(when_full: WhenFull) -> bool:
    return when_full == "wait"
