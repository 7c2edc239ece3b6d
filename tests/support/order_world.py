"""A broker behind a wire that cannot be trusted, and a desk that trades over it. No sockets, no waiting.

The broker is the simulator's own, driven directly; its time moves only when somebody sleeps on it.
Every trading request can be given a `Fate`. What happened is kept in a `History`, for
`order_history.violations` to judge afterwards; nothing here judges.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from ibkr_async.errors import (
    ConnectFailedError,
    ConnectionBrokenError,
    IbkrError,
    OrderQuestionError,
    OrderRejectedError,
    OrderUnknownError,
    RequestTimeoutError,
)
from ibkr_async.models.base import decode, encode
from ibkr_async.models.streaming import LiveOrderUpdate, TradeUpdate
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.fate.journal_entries import read_entries
from ibkr_async.orders.handle import OrderHandle
from ibkr_async.orders.known.news import OrderEvents, OrderNews
from ibkr_async.orders.send.preparation import AccountFacts
from ibkr_async.orders.write.policy import Answers
from ibkr_async.orders.write.tickets import Submittable
from ibkr_async.ports import HttpReply
from ibkr_async.rest.decode import decode_reply
from ibkr_async.rest.request import RestRequest, T
from ibkr_async.simulator.broker.broker import (
    Answer,
    Broker,
    BrokerSettings,
    Executed,
    OrderChanged,
)
from support.fake_time import fake_world
from support.inside import book_of, buffer_of
from support.order_desk import TestDesk, make_desk
from support.order_history import BrokerOrder, History, KnownOrder, Request, Told

ACCOUNT: Final = "DU1234567"
APPLE: Final = 265598
START: Final = 1_795_200_000.0
STEP_S: Final = 2.5
LATEST_S: Final = 60.0
"""A late request arrives within this time, which may be after the last look for its order."""
_TIMEOUT_S: Final = 30.0
_HTML: Final = b"<html><body>Bad Gateway</body></html>"


class Fate(StrEnum):
    """What becomes of a trading request and of its answer."""

    FINE = "fine"
    NOT_SENT = "not sent"
    REQUEST_LOST = "request lost"
    ANSWER_LOST = "answer lost"
    ANSWER_BROKEN = "answer broken off"
    UNAVAILABLE_BEFORE = "503, and nothing happened"
    UNAVAILABLE_AFTER = "503, and it happened"
    BAD_GATEWAY_AFTER = "502, and it happened"
    UNREADABLE = "200 with a page"
    CUT_SHORT = "200 with half an answer"
    LATE = "timed out, and it happens later"
    INTERRUPTED = "another program's order came in between"
    CANCELLED_BEFORE = "given up, and nothing happened"
    CANCELLED_AFTER = "given up, and it happened"
    KILLED_BEFORE = "killed, and nothing happened"
    KILLED_AFTER = "killed, and it happened"


AMBIGUOUS: Final = tuple(fate for fate in Fate if fate not in {Fate.FINE, Fate.NOT_SENT})
DEADLY: Final = frozenset({Fate.KILLED_BEFORE, Fate.KILLED_AFTER})
_GIVES_UP: Final = DEADLY | {Fate.CANCELLED_BEFORE, Fate.CANCELLED_AFTER}
_NOTHING_HAPPENS: Final = frozenset(
    {
        Fate.NOT_SENT,
        Fate.REQUEST_LOST,
        Fate.UNAVAILABLE_BEFORE,
        Fate.LATE,
        Fate.CANCELLED_BEFORE,
        Fate.KILLED_BEFORE,
    }
)


class _MortalJournal(Journal):
    """A journal on the disk that can die: from then on nothing is written."""

    dead = False

    def note(self, event: str, coid: str, account_id: str, **detail: Any) -> None:
        if not self.dead:
            super().note(event, coid, account_id, **detail)


@dataclass
class _Run:
    """One life of the bot."""

    desk: TestDesk
    journal: _MortalJournal
    news: OrderNews
    watch: OrderEvents
    background: asyncio.Task[None]
    online: bool = True
    feeds: dict[str, deque[tuple[float, Any]]] = field(
        default_factory=lambda: {"sor": deque(), "str": deque()}
    )


class World:
    """Everything outside the desk, and the desk. `await open()` first, `await finish()` at the end."""

    def __init__(
        self,
        directory: Path,
        *,
        next_fate: Callable[[str], Fate] = lambda _label: Fate.FINE,
        reads_fail: Callable[[], bool] = lambda: False,
        delay_s: Callable[[], float] = lambda: 0.0,
        copies: Callable[[], int] = lambda: 1,
        seed: int = 1,
        **settings: Any,
    ) -> None:
        self.now = START
        self.history = History()
        self.next_fate = next_fate
        self.reads_fail = reads_fail
        self.delay_s = delay_s
        self.copies = copies
        self.handles: list[OrderHandle] = []
        self._path = directory / "orders.journal"
        self._late: list[tuple[float, RestRequest[Any]]] = []
        self._coids = 0
        self._strangers = 0
        self._run: _Run | None = None
        self._running: asyncio.Task[Any] | None = None
        self.broker = Broker(
            seed=seed, account_ids=(ACCOUNT,), settings=BrokerSettings(**settings), now=START
        )
        self._ask("GET", "/iserver/accounts")

    @property
    def run(self) -> _Run:
        """The present life of the bot."""
        assert self._run is not None
        return self._run

    @property
    def desk(self) -> TestDesk:
        """The desk of the present life."""
        return self.run.desk

    def make_coid(self) -> str:
        """Give a client order id that was never used."""
        self._coids += 1
        return f"c-{self._coids}"

    # --- lives -----------------------------------------------------------------------------------

    async def open(self) -> None:
        """Begin a life: with the journal, which knows what earlier ones left open."""
        surroundings = fake_world(self)
        mortal = _MortalJournal(self._path, world=surroundings)
        desk = make_desk(
            self.send,
            facts=lambda: AccountFacts(default_account_id=ACCOUNT, is_paper=True),
            make_coid=self.make_coid,
            journal=mortal,
            world=surroundings,
        )
        await desk.engine.start()
        watch = desk.watch()
        background = asyncio.create_task(desk.engine.run())
        self._run = _Run(desk, mortal, desk.engine.news, watch, background)
        for found in await desk.recovered():
            told = found.handle if found.error is None else found.error
            self._tell(found.coid, told, source="recovered")

    async def end_life(self) -> None:
        """Let the bot go, by its own will or not. What it had heard is kept."""
        run = self.run
        run.background.cancel()
        await asyncio.wait({run.background})
        self._collect()
        run.news.end()
        await run.desk.engine.aclose()
        self.handles.clear()

    async def restart(self) -> None:
        """End the life, and begin another."""
        await self.end_life()
        self.broker.new_session()
        self._ask("GET", "/iserver/accounts")
        await self.open()

    async def finish(self) -> History:
        """Let everything late happen, look once more without trouble, and write down the truth."""
        self.next_fate = lambda _label: Fate.FINE
        self.reads_fail = lambda: False
        self.run.online = True
        await self.sleep(LATEST_S + 1)
        for coid in list(self.desk.unknown):
            await self.find(coid)
        await self.disconnect()
        await self.reconnect()
        states = {state.order_id: state for state in self.desk.known()}
        await self.end_life()
        self.history.known = {
            order_id: KnownOrder(
                status=state.status or "",
                filled=state.filled,
                executions=tuple(each.execution_id for each in state.executions),
                in_doubt=state.in_doubt,
            )
            for order_id, state in states.items()
        }
        book = book_of(self.broker)
        for order in book.orders.values():
            fills = [each for each in book.executions if each.order is order]
            self.history.orders.append(
                BrokerOrder(
                    order_id=str(order.order_id),
                    coid=order.ticket.coid,
                    parent_id=str(order.parent_id or ""),
                    created=order.created,
                    status=order.status.value,
                    quantity=order.ticket.quantity,
                    filled=order.filled,
                    executions={each.execution_id: each.quantity for each in fills},
                )
            )
        self.history.journal = read_entries(self._path)
        return self.history

    # --- trading ---------------------------------------------------------------------------------

    async def submit(self, order: Submittable, coid: str, answers: Answers) -> OrderHandle | None:
        """Submit, and write down what the desk said of it."""
        return await self._act(coid, self.desk.submit(order, answers=answers))

    async def modify(self, order_id: str, order: Submittable, answers: Answers) -> None:
        """Modify, and write down what the desk said of it."""
        coid = f"of order {order_id}"
        await self._act(coid, self.desk.modify(order_id, order, answers=answers), source="modify")

    async def cancel(self, order_id: str) -> None:
        """Ask for a cancellation; any answer will do."""
        try:
            await self.desk.cancel(order_id)
        except IbkrError:
            return

    async def find(self, coid: str) -> None:
        """Look for an unknown order; if nobody can tell, believe the broker's own book and go on."""
        await self._act(coid, self.desk.find(coid), source="find")
        if coid in self.desk.unknown:
            self.desk.dismiss(coid)

    async def _act(
        self, coid: str, action: Awaitable[OrderHandle], *, source: str = "submit"
    ) -> OrderHandle | None:
        self._running = asyncio.ensure_future(action)
        await asyncio.wait({self._running})
        task, self._running = self._running, None
        if task.cancelled():
            killed = self.run.journal.dead
            self.history.told.append(Told(coid, "killed" if killed else "cancelled", source))
            if killed:
                await self.restart()
            return None
        error = task.exception()
        if error is not None and not isinstance(error, IbkrError):
            raise error
        if error is not None:
            self._tell(coid, error, source)
            return None
        handle: OrderHandle = task.result()
        self._tell(coid, handle, source)
        self.handles.append(handle)
        return handle

    def _tell(self, coid: str, told: object, source: str) -> None:
        match told:
            case OrderHandle():
                ids = tuple(str(leg.order_id) for leg in told.legs)
                outcome = "accepted"
            case OrderRejectedError() | OrderQuestionError() | OrderUnknownError():
                ids = told.live_order_ids
                outcome = {
                    OrderRejectedError: "rejected",
                    OrderQuestionError: "refused",
                    OrderUnknownError: "unknown",
                }[type(told)]
            case _:
                ids, outcome = (), "not sent"
        remembered = coid in self.desk.unknown
        self.history.told.append(Told(coid, outcome, source, ids, remembered=remembered))

    # --- the wire --------------------------------------------------------------------------------

    async def send(self, request: RestRequest[T]) -> T:
        """Carry a request to the broker, or not, and its answer back, or not."""
        await asyncio.sleep(0)
        if request.permit is not None:
            request.permit()
        label = request.label
        if request.method != "POST" or "suppress" in label:
            if request.method == "GET" and self.reads_fail():
                raise RequestTimeoutError(label, "no answer", may_have_reached_server=True)
            return self._decoded(request, self._deliver(request))
        fate = self.next_fate(label)
        self.history.requests.append(_record(request, fate, self.now))
        if fate is Fate.NOT_SENT:
            raise ConnectFailedError(label, "refused", may_have_reached_server=False)
        if fate is Fate.INTERRUPTED:
            self._place_as_a_stranger()
        if fate is Fate.LATE:
            self._late.append((self.now + self.delay_s() % 1 * LATEST_S, request))
        answer = None if fate in _NOTHING_HAPPENS else self._deliver(request)
        if fate in _GIVES_UP:
            await self._give_up(deadly=fate in DEADLY)
        return self._decoded(request, self._returned(fate, label, answer))

    def _returned(self, fate: Fate, label: str, answer: HttpReply | None) -> HttpReply:
        """Give what comes back, or raise what comes instead."""
        if fate in {Fate.REQUEST_LOST, Fate.ANSWER_LOST, Fate.LATE}:
            self._step(_TIMEOUT_S)
            raise RequestTimeoutError(label, "no answer", may_have_reached_server=True)
        if fate is Fate.ANSWER_BROKEN:
            raise ConnectionBrokenError(label, "reset", may_have_reached_server=True)
        if fate in {Fate.UNAVAILABLE_BEFORE, Fate.UNAVAILABLE_AFTER}:
            return _reply(503, encode({"error": "Service Unavailable", "statusCode": 503}))
        if fate is Fate.BAD_GATEWAY_AFTER:
            return _reply(502, _HTML)
        if fate is Fate.UNREADABLE:
            return _reply(200, _HTML)
        assert answer is not None
        if fate is Fate.CUT_SHORT:
            return _reply(answer.status, answer.content[: len(answer.content) // 2])
        return answer

    async def _give_up(self, *, deadly: bool) -> None:
        assert self._running is not None
        self.run.journal.dead = deadly
        self._running.cancel()
        await asyncio.sleep(0)

    def _decoded(self, request: RestRequest[T], reply: HttpReply) -> T:
        return decode_reply(request, reply)

    def _deliver(self, request: RestRequest[Any]) -> HttpReply:
        body = None if request.body is None else msgspec.json.decode(encode(request.body))
        answer = self._ask(request.method, request.expanded_path, body, dict(request.query))
        self._step(0.0)
        return _reply(answer.status, encode(answer.body))

    def _ask(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> Answer:
        answer = self.broker.handle(method, path, query or {}, body, self.now)
        assert answer is not None, f"{method} {path} is no endpoint"
        return answer

    def _place_as_a_stranger(self) -> None:
        self._strangers += 1
        ticket = {"conid": APPLE, "side": "BUY", "quantity": 1, "orderType": "MKT", "tif": "DAY"}
        body = {"orders": [{**ticket, "cOID": f"stranger-{self._strangers}"}]}
        self._ask("POST", f"/iserver/account/{ACCOUNT}/orders", body)

    # --- time and news ---------------------------------------------------------------------------

    def wall(self) -> float:
        """Return the time; with `monotonic` and `sleep` this is a `world.Clock`."""
        return self.now

    monotonic = wall

    async def sleep(self, seconds: float) -> None:
        """Let the time pass: requests that were late arrive, prices move, news comes."""
        until = self.now + seconds
        while self.now < until:
            self._step(min(STEP_S, until - self.now))
            await asyncio.sleep(0)

    def _step(self, seconds: float) -> None:
        self.now += seconds
        due = [each for each in self._late if each[0] <= self.now]
        self._late = [each for each in self._late if each[0] > self.now]
        for _, request in due:
            self._deliver(request)
        for event in self.broker.advance(self.now):
            if isinstance(event, OrderChanged):
                self._queue("sor", decode(LiveOrderUpdate, encode(event.row)))
            elif isinstance(event, Executed):
                self._queue("str", decode(TradeUpdate, encode(event.row)))
        self._hear()

    def _queue(self, topic: str, row: Any) -> None:
        if self._run is None or not self._run.online:
            return
        for _ in range(self.copies()):
            self._run.feeds[topic].append((self.now + self.delay_s(), row))

    def _hear(self) -> None:
        """Give the desk the news that is due: each topic in its own order, at its own pace."""
        if self._run is None:
            return
        tracker = self._run.news.tracker
        for topic, rows in self._run.feeds.items():
            while rows and rows[0][0] <= self.now:
                _, row = rows.popleft()
                take = tracker.live_order_row if topic == "sor" else tracker.trade_row
                take(row, self.now)

    async def disconnect(self) -> None:
        """Lose the socket, and what was on its way."""
        self.run.online = False
        for rows in self.run.feeds.values():
            rows.clear()
        self.run.news.tracker.gap()

    async def reconnect(self) -> None:
        """Get the socket back, and ask about what was missed, as the follower does."""
        self.run.online = True
        tracker = self.run.news.tracker
        asked = tracker.version
        try:
            await self.desk.live(force=True)
            await self.desk.trades()
        except IbkrError:
            return  # the gap stays open until the next time
        tracker.reconciled(self.now, asked, 0.0)

    def _collect(self) -> None:
        """Take over everything that the desk has told of its orders in this life."""
        # All that waits, without taking it.
        self.history.lives.append(list(buffer_of(self.run.watch)._queue))


def _record(request: RestRequest[Any], fate: Fate, at: float) -> Request:
    body = msgspec.json.decode(encode(request.body)) if request.body is not None else {}
    tickets = body.get("orders", ()) if isinstance(body, dict) else ()
    coid = tickets[0].get("cOID", "") if tickets else ""
    return Request(label=request.label, coid=coid, fate=fate.value, at=at)


def _reply(status: int, content: bytes) -> HttpReply:
    return HttpReply(status=status, headers={}, content=content)
