"""Keeps the tracker supplied: `sor` and `str` from the socket, and REST wherever those leave doubt.

Responsible for deciding when IBKR must be asked. `sor` is a hint that may be thin, silent or dead;
`str` repeats itself; REST is the truth, and dear: one request in five seconds for each list. It
must never place, confirm or cancel anything, and never decides what is true of an order.

When it asks, once somebody needs news of orders:

    news flows for the first time, or again after a gap   live orders (forced), executions
    the socket says that an order is over                 the status of that order
    something else of it is in doubt for two seconds      the status of that order
    an order is open, and half a minute has passed        live orders
    a fill is counted that was not itemised               executions

Five tasks under `run`: two read the socket, three ask. An error of any of them is waited out: the
gap stays open, and the orders in doubt, until IBKR has answered. So is a defect of our own, which is
logged as critical: it costs a gap, and neither the session nor another feed.

What is read takes its own way to the tracker, see `fate.reads`; here it is only asked for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio

from ibkr_async.errors import (
    BadRequestError,
    ClosedError,
    IbkrError,
    NotFoundError,
    RefusedError,
    ServerError,
    SubscriptionError,
)
from ibkr_async.orders.known.tracker import Doubt
from ibkr_async.stream.delivery.events import Confirmed, Gap, Resumed, StreamEvent
from ibkr_async.types import OrderId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from decimal import Decimal

    from ibkr_async.feeds.feed import Feed
    from ibkr_async.models.orders import LiveOrders, OrderStatusReply, Trade
    from ibkr_async.models.streaming import LiveOrderUpdate, TradeUpdate
    from ibkr_async.orders.known.news import OrderNews
    from ibkr_async.orders.settings import FollowerSettings
    from ibkr_async.world import World

_LOG: Final = logging.getLogger("ibkr_async.orders")
_DAY_S: Final = 86_400.0
_MOST_DAYS: Final = 7
_KNOWS_NOTHING: Final = (BadRequestError, NotFoundError, RefusedError, ServerError)
"""How IBKR answers about an order that it does not know; 503 for one of an earlier day."""


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
    """What the follower needs of the reads, all of which tell the tracker what they have read."""

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
        world: World,
        settings: FollowerSettings,
    ) -> None:
        self._news = news
        self._tracker = news.tracker
        self._feeds = feeds
        self._readings = readings
        self._settings = settings
        self._world = world
        self._now = world.clock.monotonic
        self._sleep = world.clock.sleep
        self._lists_alarm = news.alarm()
        self._doubts_alarm = news.alarm()
        self._ends_alarm = news.alarm()
        self._serving = asyncio.Event()
        """Set while news flows from both topics."""
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
        self._gap_began = 0.0
        self._had_open = False
        self._next_poll = 0.0
        self._ended: deque[OrderId] = deque()
        self._doubtful: list[OrderId] = []
        """What came into doubt and was not looked at yet."""
        self._agenda: list[tuple[float, OrderId]] = []
        """A heap: when to ask about which order, if it is in doubt then."""
        self._not_before: dict[OrderId, float] = {}
        """When an order may be asked about again that IBKR would not tell about."""
        self._itemised: dict[OrderId, Decimal] = {}
        """What was filled of an order when its executions were last asked for."""
        self._ages: deque[tuple[float, int]] = deque()
        """Which version the tracker had when, to forget what is older."""

    async def run(self) -> None:
        """Follow, from the moment on when somebody needs it, until it is cancelled."""
        await self._news.needed.wait()
        if self._news.ended:
            return
        async with anyio.create_task_group() as tasks:
            # In this order: once `str` is confirmed, `sor` is known to be requested too.
            tasks.start_soon(self._follow_orders, name="ibkr_async order news")
            tasks.start_soon(self._follow_trades, name="ibkr_async trade news")
            # Apart, so that one doubtful order need not wait for lists that take many seconds, nor
            # the end of one for news of another.
            tasks.start_soon(self._ask_about_ends, name="ibkr_async order ends")
            tasks.start_soon(self._ask_about_doubts, name="ibkr_async order doubts")
            tasks.start_soon(self._ask_for_lists, name="ibkr_async order lists")

    async def ready(self, timeout_s: float) -> bool:
        """Wait until news of orders flows, so that an order's first fill is seen as it happens.

        Shape: false when it does not flow in time. Without it an order is followed all the same, by
        what REST says of it. Cancellation: safe.
        """
        self._news.need()
        if not self._serving.is_set():
            with anyio.move_on_after(timeout_s):
                await self._serving.wait()
        return self._serving.is_set()

    def observe(self, event: StreamEvent) -> None:
        """Take note of what happens to the stream: once `str` is served, so is `sor`."""
        if isinstance(event, Confirmed) and event.topic == "str":
            self._begin()

    def _begin(self) -> None:
        """News flows for the first time: what was before it must be read."""
        if self._news.needed.is_set() and not self._has_begun:
            self._has_begun = True
            self._serving.set()
            self._ask_everything()

    # --- the socket ------------------------------------------------------------------------------

    async def _follow_orders(self) -> None:
        await self._follow(
            "sor",
            self._feeds.live_orders,
            lambda row: self._tracker.live_order_row(row, self._world.clock.wall()),
        )

    async def _follow_trades(self) -> None:
        await self._follow(
            "str",
            lambda: self._feeds.trades(realtime_updates_only=not self._wants_history),
            lambda row: self._tracker.trade_row(row, self._world.clock.wall()),
        )

    async def _follow(
        self, topic: str, subscribe: Callable[[], Feed[Any]], take: Callable[[Any], None]
    ) -> None:
        while True:
            try:
                await self._take_all(topic, subscribe(), take)
            except ClosedError:
                return
            except IbkrError as error:
                _LOG.warning("no news of orders from %s: %s", topic, error)
                self._wants_history |= isinstance(error, SubscriptionError)
            except Exception:  # noqa: BLE001 - it costs a gap, and need not end quotes and session
                _LOG.critical("a defect interrupted the news from %s", topic, exc_info=True)
            else:
                return
            self._interrupt(topic)
            await self._sleep(self._settings.resubscribe_s)

    async def _take_all(self, topic: str, feed: Feed[Any], take: Callable[[Any], None]) -> None:
        async with feed as items:
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

    def _interrupt(self, topic: str) -> None:
        """Note a gap. It is asked about when it is over: the lists may be read too seldom for both."""
        self._interrupted.add(topic)
        self._serving.clear()
        self._begin_gap()

    def _resume(self, topic: str) -> None:
        if topic in self._interrupted:
            self._interrupted.remove(topic)
            if not self._interrupted:
                if self._has_begun:
                    self._serving.set()
                self._ask_everything()

    def _begin_gap(self) -> None:
        if not self._tracker.in_gap:
            self._gap_began = self._now()
        self._tracker.gap()

    def _ask_everything(self) -> None:
        self._due = True
        self._lists_alarm.set()

    # --- asking ----------------------------------------------------------------------------------

    async def _ask_for_lists(self) -> None:
        await self._ask_when(self._lists_alarm, self._ask_for_list, self._time_to_poll)

    async def _ask_about_doubts(self) -> None:
        await self._ask_when(self._doubts_alarm, self._ask_about_doubt, self._time_to_ask)

    async def _ask_about_ends(self) -> None:
        await self._ask_when(self._ends_alarm, self._ask_about_end, lambda: None)

    async def _ask_when(
        self,
        alarm: asyncio.Event,
        ask: Callable[[], Awaitable[None]],
        time_left: Callable[[], float | None],
    ) -> None:
        """Ask at every alarm, and when the time has come; wait errors out."""
        while not self._news.ended:
            try:
                with anyio.move_on_after(time_left()):
                    await alarm.wait()
                alarm.clear()
                await ask()
            except ClosedError:
                return
            except IbkrError as error:
                _LOG.info("orders could not be looked up: %s", error)
            except Exception:  # noqa: BLE001 - it costs another look, and need not end the client
                _LOG.critical("a defect interrupted the look at orders", exc_info=True)
                self._begin_gap()  # what was being asked about is not known any more
                self._ask_everything()
            else:
                continue
            await self._sleep(self._settings.retry_s)
            alarm.set()

    async def _ask_for_list(self) -> None:
        """Ask for what is due, dearest first. What raises stays due."""
        if self._news.take_silenced():
            self._begin_gap()
            self._due = True
        if self._due:
            await self._ask_about_everything()
        elif self._time_to_poll() == 0:
            await self._poll()
        await self._itemise()

    async def _ask_about_end(self) -> None:
        """Ask about orders that the socket says are over, immediately: somebody waits for it."""
        self._sort_doubts()
        while self._ended:
            await self._resolve(self._ended.popleft())

    async def _ask_about_doubt(self) -> None:
        """Ask about orders that are in doubt, and still are when news had its chance."""
        self._sort_doubts()
        if self._doubtful:
            new, self._doubtful = self._doubtful, []
            await self._sleep(self._settings.hint_s)
            for order_id in new:
                self._plan(order_id)
        while self._agenda and self._agenda[0][0] <= self._now():
            await self._resolve(heappop(self._agenda)[1])

    async def _resolve(self, order_id: OrderId) -> None:
        """Ask about an order if it is still in doubt, and was not asked about just now."""
        why = self._tracker.doubt(order_id)
        may_ask = self._not_before.get(order_id, 0.0) <= self._now()
        if (
            why is not None
            and may_ask
            and not await self._ask_about(order_id)
            and why is Doubt.ENDED
        ):
            self._ask_everything()  # the lists may know what the status does not

    def _sort_doubts(self) -> None:
        """Part an end that somebody may wait for from what is not urgent."""
        for order_id in self._tracker.take_new_doubts():
            record = self._tracker.record(order_id)
            is_open = record is not None and record.is_open
            is_urgent = is_open and self._tracker.doubt(order_id) is Doubt.ENDED
            (self._ended if is_urgent else self._doubtful).append(order_id)

    def _plan(self, order_id: OrderId) -> None:
        """Put an order on the agenda, for now or for when it may be asked about again."""
        now = self._now()
        heappush(self._agenda, (max(now, self._not_before.get(order_id, now)), order_id))

    def _time_to_ask(self) -> float | None:
        """Return the seconds until an order is to be asked about; None when none is in doubt."""
        return max(0.0, self._agenda[0][0] - self._now()) if self._agenda else None

    def _time_to_poll(self) -> float | None:
        """Return the seconds until the next look at the live orders; None while no order is open."""
        had_open, self._had_open = self._had_open, self._tracker.has_open_orders
        if not had_open:
            self._put_off_poll()
        return max(0.0, self._next_poll - self._now()) if self._had_open else None

    async def _ask_about_everything(self) -> None:
        """Reconcile: forced, so that the answer is newer than the gap."""
        asked, gap_s = self._tracker.version, self._gap_s()
        self._due = False
        try:
            named = await self._read_live_orders()
            await self._readings.trades(_days_for(gap_s))
            for state in self._tracker.open_orders():
                if state.order_id not in named and not await self._ask_about(state.order_id):
                    self._tracker.unnamed(state.order_id, self._world.clock.wall())
        except BaseException:
            self._due = True
            raise
        if not self._interrupted:
            self._tracker.reconciled(self._world.clock.wall(), asked, self._gap_s())
        self._forget_old()

    async def _read_live_orders(self) -> set[OrderId]:
        """Read the live orders of each account that has open ones. Return which were named."""
        found = await self._readings.live(force=True)
        self._put_off_poll()
        rows = list(found.orders)
        answered = {row.account_id for row in rows}
        wanted = {state.account_id for state in self._tracker.open_orders()}
        for account_id in sorted(one for one in wanted - answered if one is not None):
            rows += (await self._readings.live(force=True, account_id=account_id)).orders
        return {OrderId(row.order_id) for row in rows if row.order_id is not None}

    async def _poll(self) -> None:
        """Look at the live orders as IBKR has them at hand; their age is not known."""
        self._put_off_poll()
        await self._readings.live()

    async def _ask_about(self, order_id: OrderId) -> bool:
        """Ask for the status of one order. Return false if IBKR does not know it, as of old ones."""
        try:
            await self._readings.status(order_id)
        except ClosedError:
            raise
        except IbkrError as error:
            _LOG.debug("order %s: no status: %s", order_id, error)
            # Only an answer says that IBKR does not know it, a lost one says nothing.
            is_known, wait_s = not isinstance(error, _KNOWS_NOTHING), self._settings.poll_s
        else:
            is_known, wait_s = True, self._settings.retry_s
        if self._tracker.doubt(order_id) is None:
            self._not_before.pop(order_id, None)
        else:
            self._not_before[order_id] = self._now() + wait_s
            self._plan(order_id)
        return is_known

    async def _itemise(self) -> None:
        """Ask for the executions when more is filled than is itemised, once for each amount."""
        if self._tracker.unitemised.items() - self._itemised.items():
            await self._sleep(self._settings.hint_s)
            if self._tracker.unitemised.items() - self._itemised.items():
                await self._readings.trades()
        self._itemised = dict(self._tracker.unitemised)

    def _put_off_poll(self) -> None:
        self._next_poll = self._now() + self._settings.poll_s

    def _gap_s(self) -> float:
        return self._now() - self._gap_began if self._tracker.in_gap else 0.0

    def _forget_old(self) -> None:
        self._ages.append((self._now(), self._tracker.version))
        while self._now() - self._ages[0][0] > self._settings.forget_after_s:
            self._news.forget(self._ages.popleft()[1])


def _days_for(gap_s: float) -> int | None:
    """Return the days of executions that cover a gap; None, which means today, for a short one."""
    return None if gap_s < _DAY_S / 24 else min(_MOST_DAYS, 2 + int(gap_s // _DAY_S))
