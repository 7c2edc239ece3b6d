"""Keeps the tracker supplied: `sor` and `str` from the socket, and REST wherever those leave doubt.

Responsible for deciding when IBKR must be asked. `sor` is a hint that may be thin, silent or dead;
`str` repeats itself; REST is the truth, and dear: one request in five seconds for each list. It
must never place, confirm or cancel anything, and never decides what is true of an order.

When it asks, once somebody needs news of orders:

    news flows for the first time, or again after a gap   live orders (forced), executions
    something of an order is in doubt for two seconds     the status of that order
    an order is open, and half a minute has passed        live orders
    a fill is counted that was not itemised               executions

Four tasks under `run`: two read the socket, two ask. An error of any of them is waited out: the
gap stays open, and the orders in doubt, until IBKR has answered.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio
import msgspec

from ibkr_async.errors import ClosedError, IbkrError, SubscriptionError
from ibkr_async.stream.core.events import Confirmed, Gap, Resumed, StreamEvent
from ibkr_async.types import OrderId

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from decimal import Decimal

    from ibkr_async.feeds.feed import Feed
    from ibkr_async.models.orders import LiveOrders, OrderStatusReply, Trade
    from ibkr_async.models.streaming import LiveOrderUpdate, TradeUpdate
    from ibkr_async.orders.known.events import OrderState
    from ibkr_async.orders.known.news import OrderNews

_LOG: Final = logging.getLogger("ibkr_async.orders")
_DAY_S: Final = 86_400.0
_MOST_DAYS: Final = 7


class FollowerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every time of the follower, in seconds."""

    hint_s: float = 2.0
    """How long news may settle a doubt before IBKR is asked."""
    poll_s: float = 30.0
    """Between two looks at the live orders while one is open."""
    retry_s: float = 5.0
    """After an answer that was an error."""
    resubscribe_s: float = 30.0
    """After a subscription that ended with an error."""
    forget_after_s: float = 8 * _DAY_S
    """Age of finished orders that are dropped; IBKR repeats fills for seven days."""


class OrderFeeds(Protocol):
    """What the follower needs of the stream."""

    def live_orders(self) -> Feed[LiveOrderUpdate]:
        """Subscribe to `sor`."""
        ...

    def trades(self, *, realtime_updates_only: bool) -> Feed[TradeUpdate]:
        """Subscribe to `str`."""
        ...

    @property
    def connected(self) -> bool:
        """Whether subscriptions are served at the moment."""
        ...


class OrderReadings(Protocol):
    """What the follower needs of the desk."""

    async def live(self, *, force: bool = False, account_id: str | None = None) -> LiveOrders:
        """Read the day's orders."""
        ...

    async def status(self, order_id: str | int) -> OrderStatusReply:
        """Read one order."""
        ...

    async def trades(self, days: int | None = None) -> tuple[Trade, ...]:
        """Read the executions."""
        ...


class OrderFollower:
    """Follows all orders of one session. `run` it in a task that the client owns."""

    def __init__(
        self,
        news: OrderNews,
        *,
        feeds: OrderFeeds,
        readings: OrderReadings,
        settings: FollowerSettings = FollowerSettings(),  # noqa: B008 - frozen
        wall_clock: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._news = news
        self._tracker = news.tracker
        self._feeds = feeds
        self._readings = readings
        self._settings = settings
        self._wall_clock = wall_clock
        self._clock = clock
        self._sleep = sleep
        self._lists_alarm = news.alarm()
        self._doubts_alarm = news.alarm()
        self._has_begun = False
        self._wants_history = False
        """Whether `str` must be asked for its history: only if it does not answer otherwise.

        All who listen to `str` share one request, and would get the history too: old fills, which
        somebody who asked for new ones only would take for new.
        """
        self._due = False
        """Whether everything must be asked about."""
        self._interrupted: set[str] = set()
        """Topics from which no news comes at the moment."""
        self._has_open = False
        self._next_poll = 0.0
        self._not_before: dict[OrderId, float] = {}
        """When an order may be asked about again that IBKR would not tell about."""
        self._itemised: dict[OrderId, Decimal] = {}
        """What was filled of an order when its executions were last asked for."""

    async def run(self) -> None:
        """Follow, from the moment on when somebody needs it, until it is cancelled."""
        await self._news.needed.wait()
        if self._news.ended:
            return
        async with anyio.create_task_group() as tasks:
            # In this order: once `str` is confirmed, `sor` is known to be requested too.
            tasks.start_soon(self._follow_orders, name="ibkr_async order news")
            tasks.start_soon(self._follow_trades, name="ibkr_async trade news")
            # Apart, so that one doubtful order need not wait for lists that take many seconds.
            tasks.start_soon(self._ask_about_doubts, name="ibkr_async order doubts")
            tasks.start_soon(self._ask_for_lists, name="ibkr_async order lists")

    def observe(self, event: StreamEvent) -> None:
        """Take note of what happens to the stream: once `str` is served, so is `sor`."""
        if isinstance(event, Confirmed) and event.topic == "str":
            self._begin()

    def _begin(self) -> None:
        """News flows for the first time: what was before it must be read."""
        if self._news.needed.is_set() and not self._has_begun:
            self._has_begun = True
            self._ask_everything()

    # --- the socket ------------------------------------------------------------------------------

    async def _follow_orders(self) -> None:
        await self._follow(
            "sor",
            self._feeds.live_orders,
            lambda row: self._tracker.live_order_row(row, self._wall_clock()),
        )

    async def _follow_trades(self) -> None:
        await self._follow(
            "str",
            lambda: self._feeds.trades(realtime_updates_only=not self._wants_history),
            lambda row: self._tracker.trade_row(row, self._wall_clock()),
        )

    async def _follow(
        self, topic: str, subscribe: Callable[[], Feed[Any]], take: Callable[[Any], None]
    ) -> None:
        while True:
            try:
                async with subscribe() as items:
                    self._resume(topic)
                    if topic == "str" and self._feeds.connected:
                        self._begin()
                    async for item in items.marked():
                        if isinstance(item, Gap):
                            self._interrupt(topic)
                        elif isinstance(item, Resumed):
                            self._resume(topic)
                        elif not isinstance(item, StreamEvent):
                            take(item)
            except ClosedError:
                return
            except IbkrError as error:
                _LOG.warning("no news of orders from %s: %s", topic, error)
                self._wants_history |= isinstance(error, SubscriptionError)
            else:
                return
            self._interrupt(topic)
            await self._sleep(self._settings.resubscribe_s)

    def _interrupt(self, topic: str) -> None:
        """Note a gap. It is asked about when it is over: the lists may be read too seldom for both."""
        self._interrupted.add(topic)
        self._tracker.gap(self._wall_clock())

    def _resume(self, topic: str) -> None:
        if topic in self._interrupted:
            self._interrupted.remove(topic)
            if not self._interrupted:
                self._ask_everything()

    def _ask_everything(self) -> None:
        self._due = True
        self._lists_alarm.set()

    # --- asking ----------------------------------------------------------------------------------

    async def _ask_for_lists(self) -> None:
        await self._ask_when(self._lists_alarm, self._ask_for_list, self._time_to_poll)

    async def _ask_about_doubts(self) -> None:
        await self._ask_when(self._doubts_alarm, self._ask_about_doubt, self._time_to_retry)

    async def _ask_when(
        self,
        alarm: asyncio.Event,
        ask: Callable[[], Awaitable[None]],
        time_left: Callable[[], float | None],
    ) -> None:
        """Ask at every alarm, and when the time has come; wait errors out."""
        while not self._news.ended:
            with anyio.move_on_after(time_left()):
                await alarm.wait()
            alarm.clear()
            try:
                await ask()
            except ClosedError:
                return
            except IbkrError as error:
                _LOG.info("orders could not be looked up: %s", error)
                await self._sleep(self._settings.retry_s)
                alarm.set()

    async def _ask_for_list(self) -> None:
        """Ask for what is due, dearest first. What raises stays due."""
        if self._news.take_silenced():
            self._tracker.gap(self._wall_clock())
            self._due = True
        if self._due:
            await self._ask_about_everything()
        elif self._time_to_poll() == 0:
            await self._poll()
        await self._itemise()

    async def _ask_about_doubt(self) -> None:
        """Ask about orders that are in doubt, and still are when news had its chance."""
        if self._in_doubt():
            await self._sleep(self._settings.hint_s)
            await self._ask_about(self._in_doubt())

    def _time_to_poll(self) -> float | None:
        """Seconds until the next look at the live orders; None while no order is open."""
        had_open, self._has_open = self._has_open, bool(self._tracker.open_orders())
        if not had_open:
            self._put_off_poll()
        return max(0.0, self._next_poll - self._clock()) if self._has_open else None

    def _time_to_retry(self) -> float | None:
        """Seconds until an order may be asked about again; None when none is in doubt."""
        times = [self._not_before.get(one, 0.0) for one in self._tracker.doubts]
        return max(0.0, min(times) - self._clock()) if times else None

    async def _ask_about_everything(self) -> None:
        """Reconcile: forced, so that the answer is newer than the gap."""
        asked, since = self._tracker.version, self._tracker.gap_since
        self._due = False
        try:
            named = await self._read_live_orders(asked)
            for trade in await self._readings.trades(self._days_since(since)):
                self._tracker.trade_row(trade, self._wall_clock(), asked)
            unnamed = [s for s in self._tracker.open_orders() if s.order_id not in named]
            await self._ask_about([state.order_id for state in unnamed])
        except BaseException:
            self._due = True
            raise
        if not self._interrupted:
            self._tracker.reconciled(self._wall_clock(), asked)
        self._news.forget(self._wall_clock() - self._settings.forget_after_s)

    async def _read_live_orders(self, asked: int) -> set[OrderId]:
        """Read the live orders of each account that has open ones; say which orders were named."""
        found = await self._readings.live(force=True)
        self._put_off_poll()
        rows = list(found.orders)
        answered = {row.account_id for row in rows}
        wanted = {state.account_id for state in self._tracker.open_orders()}
        for account_id in sorted(one for one in wanted - answered if one is not None):
            rows += (await self._readings.live(account_id=account_id)).orders
        for row in rows:
            self._tracker.live_order_row(row, self._wall_clock(), asked)
        return {OrderId(row.order_id) for row in rows if row.order_id is not None}

    async def _poll(self) -> None:
        """Look at the live orders as IBKR has them at hand; their age is not known."""
        self._put_off_poll()
        for row in (await self._readings.live()).orders:
            self._tracker.live_order_row(row, self._wall_clock())

    async def _ask_about(self, order_ids: list[OrderId]) -> None:
        """Ask for the status of single orders. IBKR may not know those of earlier days."""
        for order_id in order_ids:
            asked = self._tracker.version
            try:
                reply = await self._readings.status(order_id)
            except ClosedError:
                raise
            except IbkrError as error:
                _LOG.debug("order %s: no status: %s", order_id, error)
                self._not_before[order_id] = self._clock() + self._settings.poll_s
            else:
                self._tracker.status_reply(reply, self._wall_clock(), asked)
                self._not_before[order_id] = self._clock() + self._settings.retry_s
                if order_id not in self._tracker.doubts:
                    del self._not_before[order_id]

    async def _itemise(self) -> None:
        """Ask for the executions when more is filled than is itemised, once for each amount."""
        lacking = {s.order_id: s.filled for s in self._tracker.orders() if _lacks_executions(s)}
        if not lacking.items() - self._itemised.items():
            return
        await self._sleep(self._settings.hint_s)
        lacking = {s.order_id: s.filled for s in self._tracker.orders() if _lacks_executions(s)}
        if lacking.items() - self._itemised.items():
            asked = self._tracker.version
            for trade in await self._readings.trades():
                self._tracker.trade_row(trade, self._wall_clock(), asked)
        self._itemised = lacking

    def _in_doubt(self) -> list[OrderId]:
        now = self._clock()
        return [one for one in self._tracker.doubts if self._not_before.get(one, now) <= now]

    def _put_off_poll(self) -> None:
        self._next_poll = self._clock() + self._settings.poll_s

    def _days_since(self, since: float | None) -> int | None:
        """Days of executions that cover a gap; None, which means today, for a short one."""
        gap_s = 0.0 if since is None else self._wall_clock() - since
        return None if gap_s < _DAY_S / 24 else min(_MOST_DAYS, 2 + int(gap_s // _DAY_S))


def _lacks_executions(state: OrderState) -> bool:
    return state.filled > state.executed and not state.is_combo
