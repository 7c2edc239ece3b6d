"""Who hears of orders: the tracker's events, kept per order and handed to every listener.

Responsible for listening: iterators that begin with what has happened already, and for waking the
follower when somebody needs news. It must never wait for a listener, and never ask IBKR anything.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final, TypeAlias

from ibkr_async.feeds.feed import Feed, Line
from ibkr_async.orders.known.events import AnyOrderEvent, NotApplied
from ibkr_async.orders.known.tracker import OrderTracker
from ibkr_async.stream.delivery.buffer import Buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ibkr_async.errors import IbkrError
    from ibkr_async.types import OrderId

_log: Final = logging.getLogger("ibkr_async.orders")
_CAPACITY: Final = 10_000
"""Events that may wait for one listener."""
_KEPT: Final = 1_000
"""Events that are kept of one order, for listeners that come later."""

OrderEvents: TypeAlias = Feed[AnyOrderEvent]
"""Events of some orders, or of all: `async for event in live.events():`.

Errors while iterating: `SlowConsumerError`, after what is queued, when it was not read in time.
"""


class _Listener(Line):
    """The line of one consumer, to the named orders; None means all."""

    def __init__(
        self,
        news: OrderNews,
        order_ids: frozenset[OrderId] | None,
        *,
        is_over: Callable[[], bool],
        is_nearly_over: Callable[[], bool],
        linger_s: float,
    ) -> None:
        self.buffer = Buffer("order events", policy="fail", capacity=_CAPACITY)
        self.order_ids = order_ids
        self._news = news
        self._is_over = is_over
        self._is_nearly_over = is_nearly_over
        self._linger_s = linger_s

    def patience_s(self) -> float | None:
        """Return how long to wait for more: no time when it is over, a while when it nearly is."""
        if self._is_over():
            return 0.0
        return self._linger_s if self._is_nearly_over() else None

    def look_again(self) -> None:
        """Have whoever waits ask for `patience_s` anew."""
        wake, self.buffer.wake = self.buffer.wake, None
        if wake is not None:
            wake()

    def close(self) -> None:
        """Stop listening."""
        self._news.leave(self)


class OrderNews:
    """The tracker and its listeners: one for each client."""

    def __init__(self, check_home: Callable[[], None] = lambda: None) -> None:
        """`check_home` raises elsewhere than in the event loop to which the news come."""
        self.check_home = check_home
        self.tracker = OrderTracker(
            publish=self._publish, on_doubt=self._raise_alarm, on_settled=self._settled
        )
        """What is known of each order. Whatever says something about an order goes in here."""
        self.needed = asyncio.Event()
        """Set once anybody needs news of orders."""
        self.ended = False
        """True once the client is closed: no news will come."""
        self._ended_by: IbkrError | None = None
        self._alarms: list[asyncio.Event] = []
        self._silenced = False
        self._listeners: dict[OrderId | None, set[_Listener]] = {}
        """Who listens to an order; under None who listens to all."""
        self._kept: dict[OrderId, deque[tuple[int, AnyOrderEvent]]] = {}
        self._count = 0

    def need(self) -> None:
        """Note that somebody needs news: the follower then subscribes. Any number of times."""
        self.needed.set()

    def alarm(self) -> asyncio.Event:
        """Return an event that is set whenever there is something to ask IBKR; clear it yourself."""
        alarm = asyncio.Event()
        self._alarms.append(alarm)
        return alarm

    def filtered(self) -> None:
        """Note that the live orders were read with filters, which silences `sor` until a forced read.

        Source: "Live Orders" in the Web API documentation; the follower forces one immediately.
        """
        self._silenced = True
        self._raise_alarm()

    def take_silenced(self) -> bool:
        """Tell whether a read has silenced `sor` since the last time of asking."""
        silenced, self._silenced = self._silenced, False
        return silenced

    def listen(
        self,
        order_ids: Iterable[OrderId] | None = None,
        *,
        is_over: Callable[[], bool] = lambda: False,
        is_nearly_over: Callable[[], bool] = lambda: False,
        linger_s: float = 0.0,
    ) -> OrderEvents:
        """Listen to the named orders from their beginning, or to all orders from now on.

        It ends by itself when `is_over`, or `linger_s` after `is_nearly_over` and nothing new.
        Errors: those of `check_home`.
        """
        self.check_home()
        self.need()
        ids = None if order_ids is None else frozenset(order_ids)
        listener = _Listener(
            self, ids, is_over=is_over, is_nearly_over=is_nearly_over, linger_s=linger_s
        )
        past = [kept for order_id in ids or () for kept in self._kept.get(order_id, ())]
        for _, event in sorted(past, key=lambda kept: kept[0]):
            listener.buffer.put(event)
        if self.ended:
            listener.buffer.end(self._ended_by)
        else:
            for order_id in (None,) if ids is None else ids:
                self._listeners.setdefault(order_id, set()).add(listener)
        return Feed(listener)

    def leave(self, listener: _Listener) -> None:
        """Forget a listener. Twice is harmless."""
        for order_id in (None,) if listener.order_ids is None else listener.order_ids:
            others = self._listeners.get(order_id, set())
            others.discard(listener)
            if not others:
                self._listeners.pop(order_id, None)

    def forget(self, before: int) -> None:
        """Drop what nothing was heard of since a version of the tracker."""
        for order_id in self.tracker.forget(before):
            self._kept.pop(order_id, None)

    def end(self, error: IbkrError | None = None) -> None:
        """Let every listener's iteration end, with an error if there is one: no news comes any more."""
        self.ended, self._ended_by = True, self._ended_by or error
        self.needed.set()
        self._raise_alarm()
        for listeners in self._listeners.values():
            for listener in listeners:
                listener.buffer.end(error)
        self._listeners.clear()

    def _publish(self, event: AnyOrderEvent) -> None:
        if isinstance(event, NotApplied):
            _log.warning(
                "order %s: a modification was acknowledged, and IBKR shows another %s",
                event.order_id,
                ", ".join(event.terms),
            )
        if event.order_id:
            self._count += 1
            kept = self._kept.setdefault(event.order_id, deque(maxlen=_KEPT))
            kept.append((self._count, event))
        for order_id in {event.order_id, None}:
            for listener in tuple(self._listeners.get(order_id, ())):
                listener.buffer.put(event)

    def _settled(self, order_id: OrderId | None) -> None:
        """Let those who wait look whether it is over: that may have changed without an event."""
        heard = self._listeners if order_id is None else (order_id,)
        for one in tuple(heard):
            for listener in tuple(self._listeners.get(one, ())):
                listener.look_again()

    def _raise_alarm(self) -> None:
        for alarm in self._alarms:
            alarm.set()
