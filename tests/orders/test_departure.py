"""Orders that this client holds back: it is known that they were not sent, and said so.

The desk trades over the real pipeline here, with its pacing; only the wire is written down.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from ibkr_async.errors import (
    ClosedError,
    ConnectionBrokenError,
    IbkrError,
    OrderQuestionError,
    RateLimitedError,
    ServerError,
    UnauthorizedError,
)
from ibkr_async.models.order_answers import OrderQuestion
from ibkr_async.orders.desk import OrderDesk
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.fate.journal_entries import read_entries
from ibkr_async.orders.known.events import AnyOrderEvent
from ibkr_async.orders.write.groups import OcaGroup
from ibkr_async.orders.write.order_types import LimitOrder, MarketOrder
from ibkr_async.orders.write.policy import Answers
from ibkr_async.ports import HttpReply
from ibkr_async.resources.session import SessionEndpoints
from ibkr_async.rest.pipeline import RestPipeline
from ibkr_async.rest.request import RestRequest, T
from support.fake_send import Answer, FakeSend, sample
from support.fake_time import FakeTime, fake_world
from support.order_desk import make_desk
from support.third_party_bench import ScriptedAuth, ScriptedServer

ORDER = LimitOrder(265598, "SELL", 10, "189.50", coid="my-1")
OTHER = MarketOrder(265598, "SELL", 1, coid="my-2")
PLACE = "POST /iserver/account/DU1/orders"
TOO_MANY = HttpReply(status=429, headers={}, content=b"{}")
QUESTION = sample("question")
ACCEPTED = sample("accepted")


CALLS: dict[str, Callable[[OrderDesk], Awaitable[object]]] = {
    "submit": lambda desk: desk.submit(ORDER),
    "place": lambda desk: desk.place(ORDER),
    "modify": lambda desk: desk.modify(7, ORDER),
}


class Time(FakeTime):
    """Time that can stand still for whoever sleeps."""

    holds: asyncio.Event | None = None
    """Set once somebody sleeps who will not wake up."""

    async def sleep(self, seconds: float) -> None:
        if self.holds is not None:
            self.holds.set()
            await asyncio.Event().wait()
        await super().sleep(seconds)


class Bench:
    """A desk with its journal over a pipeline whose server answers from a script."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.time = Time()
        world = fake_world(self.time)
        self.server = ScriptedServer()
        self.auth = ScriptedAuth()
        self.pipeline = RestPipeline(self.auth, self.server, world=world)
        journal = Journal(path, world=world)
        self.desk = make_desk(self.pipeline.send, journal=journal, world=world)
        self.told: list[AnyOrderEvent] = []

    async def earn_a_429(self) -> None:
        """Let one read be answered 429."""
        self.server.will_answer(TOO_MANY)
        with pytest.raises(RateLimitedError):
            await self.pipeline.send(RestRequest[Any](method="POST", path="/x", result=None))

    def events(self, coid: str = "my-1") -> list[str]:
        """Name what the journal has of an order."""
        return [entry.event for entry in read_entries(self.path) if entry.coid == coid]

    @property
    def orders_sent(self) -> int:
        """Count the placing requests that left."""
        return self.server.labels.count(PLACE)


@pytest.fixture
async def bench(tmp_path: Path) -> Any:
    """Open a desk."""
    made = Bench(tmp_path / "orders.journal")
    await made.desk.engine.start()
    yield made
    await made.desk.engine.aclose()


@pytest.mark.parametrize("call", CALLS)
async def test_order_that_is_held_back_after_a_429_was_not_sent(bench: Bench, call: str) -> None:
    """The error says so and for how long to wait; nothing is unknown, and nobody hears "rejected"."""
    await bench.earn_a_429()
    watch = bench.desk.watch()

    with pytest.raises(RateLimitedError, match=r"not sent: .* 120\.0 s") as caught:
        await CALLS[call](bench.desk)
    bench.desk.engine.news.end()

    assert not caught.value.was_sent
    assert caught.value.retry_after_s == pytest.approx(120)
    assert bench.orders_sent == 0
    assert bench.desk.unknown == {}
    assert [event async for event in watch] == []
    await bench.desk.engine.aclose()
    assert bench.events() == ["intent", "not_sent"]


async def test_urgent_order_and_its_yes_go_past_the_pause(bench: Bench) -> None:
    """As a cancel: what reduces a position must not wait for two minutes."""
    await bench.earn_a_429()
    bench.server.will_answer(QUESTION, ACCEPTED)

    live = await bench.desk.submit(ORDER, answers=Answers.allow("o163"), urgent=True)

    assert live.order_id == "987654"
    assert max(bench.time.slept, default=0) <= 1


async def test_urgent_modification_goes_past_the_pause(bench: Bench) -> None:
    """As the order itself."""
    await bench.earn_a_429()
    bench.server.will_answer(ACCEPTED)

    await bench.desk.modify(987654, ORDER, urgent=True)

    assert len(bench.server.labels) == 2


async def test_cancel_and_tickle_go_past_the_pause(bench: Bench) -> None:
    """Without the tickle the session would lapse, and with it the news of every order."""
    await bench.earn_a_429()
    bench.server.will_answer(sample("cancelled"), b"{}")

    await bench.desk.cancel(987654)
    await SessionEndpoints(bench.pipeline.send).tickle()

    assert bench.server.labels[-1] == "POST /tickle"


async def test_yes_that_is_held_back_leaves_no_order(bench: Bench) -> None:
    """Without a yes the order does not go on."""
    bench.server.will_answer(QUESTION)

    async def ask(_: object) -> bool:
        await bench.earn_a_429()
        return True

    with pytest.raises(RateLimitedError, match="not sent") as caught:
        await bench.desk.submit(ORDER, answers=Answers.ask(ask))

    assert not caught.value.was_sent
    assert bench.desk.unknown == {}
    await bench.desk.engine.aclose()
    assert bench.events() == ["intent", "confirm", "not_sent"]


async def test_held_back_yes_of_a_group_names_the_legs_that_live(bench: Bench) -> None:
    """One leg was taken; the error must not hide it."""
    row = QUESTION.decode().strip().removeprefix("[").removesuffix("]")
    first = f'[{{"order_id":"987654","order_status":"Submitted"}},{row}]'
    bench.server.will_answer(first.encode())

    async def ask(_: object) -> bool:
        await bench.earn_a_429()
        return True

    with pytest.raises(OrderQuestionError, match="the yes was not sent") as caught:
        await bench.desk.submit(OcaGroup((ORDER, OTHER)), answers=Answers.ask(ask))

    assert caught.value.live_order_ids == ("987654",)
    assert isinstance(caught.value.__cause__, RateLimitedError)


async def test_order_that_meets_a_lapsed_login_was_not_placed(bench: Bench) -> None:
    """It is not called rejected, and not sent again; the login is renewed for the next call."""
    bench.server.will_answer(HttpReply(status=401, headers={}, content=b"{}"), ACCEPTED)

    with pytest.raises(UnauthorizedError, match="nothing was placed"):
        await bench.desk.submit(ORDER)

    assert bench.orders_sent == 1
    assert bench.auth.logins == 2
    assert bench.desk.unknown == {}
    await bench.desk.submit(OTHER)
    await bench.desk.engine.aclose()
    assert bench.events() == ["intent", "not_sent"]


# --- given up while it waits ---------------------------------------------------------------------


async def test_order_given_up_while_it_waits_for_pace_was_not_sent(bench: Bench) -> None:
    """Nothing is unknown, the gate stays open, and the journal knows."""
    rows = [f'[{{"order_id":"{n}","order_status":"Submitted"}}]'.encode() for n in range(1, 9)]
    bench.server.will_answer(*rows)
    for number in range(4):  # the share of orders is used up then
        await bench.desk.submit(MarketOrder(1, "BUY", 1, coid=f"c-{number}"))
    bench.time.holds = asyncio.Event()

    task = asyncio.create_task(bench.desk.submit(ORDER))
    await bench.time.holds.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert bench.orders_sent == 4
    assert bench.desk.unknown == {}
    await bench.desk.engine.aclose()
    assert bench.events() == ["intent", "not_sent"]


async def test_order_that_waits_for_pace_when_the_client_is_closed_was_not_sent(
    bench: Bench,
) -> None:
    """It ends with the client, and is neither unknown nor left open."""
    rows = [f'[{{"order_id":"{n}","order_status":"Submitted"}}]'.encode() for n in range(1, 9)]
    bench.server.will_answer(*rows)
    for number in range(4):  # the share of orders is used up then
        await bench.desk.submit(MarketOrder(1, "BUY", 1, coid=f"c-{number}"))
    bench.time.holds = asyncio.Event()

    task = asyncio.create_task(bench.desk.submit(ORDER))
    await bench.time.holds.wait()
    await bench.pipeline.aclose()
    with pytest.raises(ClosedError, match="not sent"):
        await task

    assert bench.orders_sent == 4
    assert bench.desk.unknown == {}
    await bench.desk.engine.aclose()
    assert bench.events() == ["intent", "not_sent"]


async def test_order_given_up_once_it_may_have_left_is_unknown() -> None:
    """The permit is the line: from there on only a look can tell."""
    answer = Answer(hold=True)
    desk = make_desk(FakeSend(answer))
    task = asyncio.create_task(desk.submit(ORDER))
    await answer.reached.wait()

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert "my-1" in desk.unknown


async def test_reply_given_up_before_it_left_can_be_given_again() -> None:
    """The question is still open."""
    held = asyncio.Event()

    class Send(FakeSend):
        async def __call__(self, request: RestRequest[T]) -> T:
            if "/reply/" in request.path and not held.is_set():
                held.set()
                await asyncio.Event().wait()
            return await super().__call__(request)

    desk = make_desk(Send("question", "accepted"))
    (question,) = await desk.place(ORDER)
    assert isinstance(question, OrderQuestion)
    task = asyncio.create_task(desk.reply(question.id, confirmed=True))
    await held.wait()

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert desk.unknown == {}
    await desk.reply(question.id, confirmed=True)


@pytest.mark.parametrize(
    "failure",
    [
        ConnectionBrokenError("POST /login", "broke", may_have_reached_server=True),
        ServerError("POST /login", 503, "gone"),
        RateLimitedError("POST /login", 429, "too many"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_login_that_failed_before_an_order_leaves_no_doubt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, failure: IbkrError
) -> None:
    """The answer that was lost is the login's; the order never left."""

    async def fail(_send: object) -> None:
        raise failure

    bench.auth.forget()
    monkeypatch.setattr(bench.auth, "login", fail)

    with pytest.raises(type(failure)):
        await bench.desk.submit(ORDER)

    assert bench.server.requests == []
    assert not bench.desk.unknown
