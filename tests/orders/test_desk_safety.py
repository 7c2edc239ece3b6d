"""Gate, guard, journal, dry run and recovery as the desk joins them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from ibkr_async.errors import (
    ClosedError,
    ConnectFailedError,
    IbkrError,
    OrderGuardError,
    OrderInvalidError,
    OrderQuestionError,
    OrderRejectedError,
    OrderUnknownError,
    RequestTimeoutError,
    SessionTimeoutError,
    UsageError,
)
from ibkr_async.models.base import decode
from ibkr_async.models.order_answers import OrderQuestion, PromptQuestion
from ibkr_async.models.orders import LiveOrders
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.fate.journal_entries import read_entries, read_open_intents
from ibkr_async.orders.results import DryRun
from ibkr_async.orders.send.preparation import AccountFacts
from ibkr_async.orders.send.stake import stakes_of
from ibkr_async.orders.settings import GuardSettings
from ibkr_async.orders.write.groups import Bracket, OcaGroup
from ibkr_async.orders.write.order_types import LimitOrder, MarketOrder
from ibkr_async.orders.write.policy import Answers, Question
from ibkr_async.orders.write.tickets import draft_tickets
from ibkr_async.types import Side
from support import order_rows
from support.fake_send import Answer, FakeSend
from support.fake_time import FakeTime, fake_world
from support.order_desk import make_desk
from support.waiting import until

PLACE = "POST /iserver/account/DU1/orders"
WHAT_IF = "POST /iserver/account/DU1/orders/whatif"
MODIFY = "POST /iserver/account/DU1/order/987654"
REPLY_1 = "3b1f0c52-7d3e-4c0a-9a52-5a6f2f1d0a01"
ORDER = LimitOrder(265598, Side.BUY, 10, "189.50", coid="my-1")
OTHER = MarketOrder(265598, Side.BUY, 1, coid="my-2")
TIMEOUT = RequestTimeoutError(PLACE, "no answer", may_have_reached_server=True)
NOT_SENT = ConnectFailedError(PLACE, "refused", may_have_reached_server=False)
NOTHING = ("live_orders_none", b"[]", b"[]")
NOT_FOUND: tuple[Any, ...] = (*NOTHING, "live_orders_none", *NOTHING, *NOTHING)
PREVIEW = (
    b'{"amount":{"amount":"1,895.00 USD (10 Shares)","commission":"1 USD","total":"1,896.00 USD"},'
    b'"equity":{"current":"1,000","change":"-1","after":"999"},"warn":null,"error":null}'
)
PROMPT = PromptQuestion(order_id="987654", req_id="29042", options=("Yes", "No"))
TICKET = draft_tickets(ORDER)[0]


class Bench:
    """A desk over a script of answers, with its time and its journal."""

    def __init__(
        self, *script: Any, journal: Path | None = None, is_paper: bool = True, **settings: Any
    ) -> None:
        self.send = FakeSend(*script)
        self.time = FakeTime()
        self.sessions: list[Exception] = []
        """What asking for the session raises, in order; after that it is up."""
        self.facts = AccountFacts(default_account_id="DU1", is_paper=is_paper)
        world = fake_world(self.time)
        self.desk = make_desk(
            self.send,
            facts=lambda: self.facts,
            session_ready=self._session_ready,
            journal=None if journal is None else Journal(journal, world=world),
            world=world,
            **settings,
        )

    async def _session_ready(self) -> None:
        if self.sessions:
            raise self.sessions.pop(0)

    async def leave_unknown(self) -> None:
        """Let `ORDER` end without an answer."""
        with pytest.raises(OrderUnknownError):
            await self.desk.submit(ORDER)


# --- the gate ------------------------------------------------------------------------------------


async def test_gate_closes_while_an_outcome_is_unknown() -> None:
    """No new order of that account, by no way; the message says how to open it."""
    bench = Bench(TIMEOUT, *NOT_FOUND, "cancelled")
    await bench.leave_unknown()

    with pytest.raises(OrderGuardError, match=r"my-1.*find"):
        await bench.desk.submit(OTHER)
    with pytest.raises(OrderGuardError):
        await bench.desk.place(OTHER)
    with pytest.raises(OrderGuardError):
        await bench.desk.modify(987654, OTHER)
    await bench.desk.cancel(987654)

    assert bench.send.labels.count(PLACE) == 1


async def test_gate_is_closed_while_the_order_is_looked_for() -> None:
    """A second order that waited its turn does not slip through."""
    looking = Answer(hold=True)
    bench = Bench(TIMEOUT, looking, "accepted")

    async with anyio.create_task_group() as group:
        group.start_soon(bench.desk.submit, ORDER)
        await looking.reached.wait()
        with pytest.raises(OrderGuardError):
            await bench.desk.submit(OTHER)
        group.cancel_scope.cancel()

    assert bench.send.labels.count(PLACE) == 1


async def test_gate_opens_for_other_accounts_and_by_dismissing() -> None:
    """The gate is one account's."""
    bench = Bench(TIMEOUT, *NOT_FOUND, "accepted", "accepted#2")
    await bench.leave_unknown()

    await bench.desk.submit(OTHER, account_id="DU2")
    bench.desk.dismiss("my-1")
    await bench.desk.submit(MarketOrder(1, "BUY", 1))


async def test_gate_can_be_left_open_but_not_for_the_same_id() -> None:
    """One client order id never goes out twice."""
    bench = Bench(TIMEOUT, *NOT_FOUND, "accepted", closes_gate=False)
    await bench.leave_unknown()

    await bench.desk.submit(OTHER)
    with pytest.raises(OrderGuardError, match="this very id"):
        await bench.desk.submit(ORDER)


async def test_find_opens_the_gate_when_it_finds_the_order() -> None:
    """The unknown order becomes a handle."""
    bench = Bench(TIMEOUT, *NOT_FOUND, "live_orders", "accepted#2")
    await bench.leave_unknown()

    live = await bench.desk.find("my-1")

    assert (live.order_id, live.tickets[0].coid) == ("987654", "my-1")
    assert not bench.desk.unknown
    await bench.desk.submit(OTHER)


async def test_find_takes_any_client_order_id() -> None:
    """Of an order that is not known here the handle has no tickets; a miss closes no gate."""
    bench = Bench("live_orders", *NOT_FOUND)

    live = await bench.desk.find("my-1")
    with pytest.raises(OrderUnknownError):
        await bench.desk.find("nobody")

    assert (live.order_id, live.tickets, live.legs[0].role) == ("987654", (), "order")
    assert not bench.desk.unknown


# --- the guard -----------------------------------------------------------------------------------

EVERY_WAY = [
    pytest.param(lambda desk: desk.submit(ORDER), id="submit"),
    pytest.param(lambda desk: desk.place(ORDER), id="place"),
    pytest.param(lambda desk: desk.modify(987654, ORDER), id="modify"),
    pytest.param(lambda desk: desk.reply("r1", confirmed=True), id="reply"),
    pytest.param(lambda desk: desk.submit(Bracket(entry=ORDER, stop_loss=1)), id="bracket"),
    pytest.param(lambda desk: desk.submit(OcaGroup((ORDER, OTHER))), id="group"),
]


@pytest.mark.parametrize("way", EVERY_WAY)
@pytest.mark.parametrize(
    "limits",
    [
        {"accounts": ["DU2"]},
        {"conids": [1]},
        {"max_quantity": 9},
        {"max_notional": 1},
        {"max_orders_per_minute": 1},
    ],
)
async def test_no_way_leads_around_the_guard(way: Any, limits: dict[str, Any]) -> None:
    """Whatever can place or confirm an order is held to every limit."""
    bench = Bench(PREVIEW, PREVIEW, "accepted", guard=GuardSettings(**limits))
    if "max_orders_per_minute" in limits:
        bench.desk.engine.permission.check("used up", "DU1", stakes_of([TICKET]))

    with pytest.raises(OrderGuardError):
        await way(bench.desk)

    assert {WHAT_IF}.issuperset(bench.send.labels)


@pytest.mark.parametrize(
    "way", [*EVERY_WAY, pytest.param(lambda desk: desk.answer_prompt(PROMPT, "Yes"), id="prompt")]
)
async def test_kill_switch_stops_every_way_but_cancels(way: Any, tmp_path: Path) -> None:
    """And refusing a question."""
    (tmp_path / "stop").touch()
    settings = GuardSettings(kill_switch=str(tmp_path / "stop"))
    bench = Bench("cancelled", b'{"error":"Order not confirmed "}', guard=settings)

    with pytest.raises(OrderGuardError, match="kill switch"):
        await way(bench.desk)
    await bench.desk.cancel(987654)
    await bench.desk.reply("r1", confirmed=False)


async def test_kill_switch_turns_the_next_yes_into_a_no(tmp_path: Path) -> None:
    """An order whose question is open does not go on."""
    switch = tmp_path / "stop"

    async def callback(_question: Question) -> bool:
        switch.touch()
        return True

    bench = Bench("question", b"{}", guard=GuardSettings(kill_switch=str(switch)))

    with pytest.raises(OrderQuestionError, match="kill switch") as caught:
        await bench.desk.submit(ORDER, answers=Answers.ask(callback))

    assert bench.send.labels[1].endswith("false")
    assert isinstance(caught.value.__cause__, OrderGuardError)


async def test_value_is_previewed_before_the_order_goes_out() -> None:
    """Of a bracket the entry; of a group every order."""
    limits = GuardSettings(max_notional=2000, max_orders_per_minute=9)
    bench = Bench(PREVIEW, "accepted", PREVIEW, PREVIEW, TIMEOUT, *NOT_FOUND, guard=limits)

    await bench.desk.submit(ORDER)
    with pytest.raises(OrderUnknownError):
        await bench.desk.submit(OcaGroup((OTHER, MarketOrder(1, "SELL", 1))))

    assert bench.send.labels[:5] == [WHAT_IF, PLACE, WHAT_IF, WHAT_IF, PLACE]


# --- dry run -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "way", [lambda desk: desk.submit(ORDER), lambda desk: desk.modify(987654, ORDER)]
)
async def test_dry_run_previews_and_places_nothing(way: Any) -> None:
    """The preview is in what comes back."""
    bench = Bench(PREVIEW, dry_run=True)

    tried = await way(bench.desk)

    assert bench.send.labels == [WHAT_IF]
    assert isinstance(tried, DryRun)
    assert tried.preview.amount is not None
    assert tried.preview.amount.amount_value == 1895
    assert tried.legs == ()
    with pytest.raises(UsageError):
        _ = tried.order_id


@pytest.mark.parametrize(
    "way",
    [
        lambda desk: desk.place(ORDER),
        lambda desk: desk.reply("r1", confirmed=True),
        lambda desk: desk.answer_prompt(PROMPT, "Yes"),
    ],
)
async def test_dry_run_refuses_single_steps(way: Any) -> None:
    """They have no preview."""
    bench = Bench(dry_run=True)

    with pytest.raises(UsageError, match="dry_run"):
        await way(bench.desk)

    assert not bench.send.requests


async def test_what_if_waits_its_turn() -> None:
    """IBKR drops an open question when it comes in between."""
    answer = Answer(b'[{"order_id":"1","order_status":"Submitted"}]', hold=True)
    bench = Bench(answer, PREVIEW)
    submitting = asyncio.create_task(bench.desk.submit(ORDER))
    await answer.reached.wait()
    asking = asyncio.create_task(bench.desk.what_if(Bracket(entry=OTHER, stop_loss=1)))
    await asyncio.sleep(0)
    answer.released.set()

    preview = await asking

    await submitting
    assert preview.equity is not None
    assert preview.equity.after == 999
    assert bench.send.labels == [PLACE, WHAT_IF]
    assert len(bench.send.body(1)["orders"]) == 1


# --- modifying -----------------------------------------------------------------------------------


async def test_modification_is_the_whole_ticket() -> None:
    """One object, with the questions answered by policy, and no id made for it."""
    bench = Bench("question", "accepted")

    live = await bench.desk.modify(
        "987654", LimitOrder(265598, "BUY", 5, "190"), answers=Answers.allow("o163")
    )

    assert bench.send.labels == [MODIFY, f"POST /iserver/reply/{REPLY_1} true"]
    assert bench.send.body() == {
        "orderType": "LMT",
        "side": "BUY",
        "tif": "DAY",
        "acctId": "DU1",
        "conid": 265598,
        "price": 190,
        "quantity": 5,
    }
    assert live.order_id == "987654"


@pytest.mark.parametrize(("quantity", "warnings"), [(10, 1), (4, 0)])
async def test_exit_that_is_raised_above_what_has_filled_is_warned_of(
    caplog: pytest.LogCaptureFixture, quantity: int, warnings: int
) -> None:
    """It goes out all the same: there may be another position."""
    changed = b'[{"order_id":"2","order_status":"Submitted"}]'
    bench = Bench(changed)
    tracker = bench.desk.engine.news.tracker
    entry = order_rows.live("Submitted", order_id=1, filled=4, quantity=10, side="BUY")
    tracker.live_order_row(entry, 1.0)
    child = order_rows.live("Submitted", order_id=2, quantity=4, parentId="1", order_ref=None)
    tracker.live_order_row(child, 1.0)

    await bench.desk.modify(2, LimitOrder(265598, "SELL", quantity, "400"))

    assert caplog.text.count("parent 1 has filled 4") == warnings
    assert len(bench.send.requests) == 1


@pytest.mark.parametrize(
    ("limit", "size", "status", "is_taken"),
    [
        ("189.50", "10.0", "Submitted", True),
        ("188.00", "10.0", "Submitted", False),
        ("189.50", "11.0", "Submitted", False),
        ("1", "1", "Filled", True),
        ("1", "1", "Cancelled", True),
    ],
)
async def test_lost_answer_to_a_modification_is_looked_up(
    limit: str, size: str, status: str, *, is_taken: bool
) -> None:
    """The terms that IBKR shows decide; of an order that is over nothing is left to know."""
    shown = f'{{"order_id":987654,"order_status":"{status}","limit_price":"{limit}","total_size":"{size}"}}'
    bench = Bench(TIMEOUT, *[shown.encode()] * 3)

    if is_taken:
        assert (await bench.desk.modify(987654, ORDER)).order_id == "987654"
    else:
        with pytest.raises(OrderUnknownError) as caught:
            await bench.desk.modify(987654, ORDER)
        assert caught.value.looked_at == (f"the status (order 987654 is {status})",)

    assert bench.send.labels.count(MODIFY) == 1
    assert ("my-1" in bench.desk.unknown) is not is_taken


@pytest.mark.parametrize(
    ("order_id", "order", "error"),
    [
        ("-1", ORDER, UsageError),
        ("my-1", ORDER, UsageError),
        ("1", Bracket(entry=ORDER, stop_loss=1), OrderInvalidError),
        ("1", "BUY", OrderInvalidError),
    ],
)
async def test_only_one_order_is_modified_at_a_time(
    order_id: str, order: Any, error: type[Exception]
) -> None:
    """By IBKR's number."""
    with pytest.raises(error):
        await Bench().desk.modify(order_id, order)


# --- advisors and brackets -----------------------------------------------------------------------


async def test_order_of_a_group_names_no_account() -> None:
    """The group is in the path."""
    bench = Bench("accepted")
    order = MarketOrder(1, "BUY", 100, allocation_method="E")

    live = await bench.desk.submit(order, group="Growth")

    assert bench.send.labels == ["POST /iserver/account/Growth/orders"]
    assert "acctId" not in bench.send.body()["orders"][0]
    assert live.account_id == "Growth"
    with pytest.raises(OrderInvalidError, match="group"):
        await bench.desk.submit(ORDER, group="Growth", account_id="DU1")
    with pytest.raises(OrderInvalidError, match="DU1"):
        await bench.desk.submit([*_named_tickets()], group="Growth")


def _named_tickets() -> Any:
    from ibkr_async.models.orders import Ticket

    group = {"order_type": "MKT", "side": "BUY", "tif": "DAY", "conid": 1, "quantity": 1}
    yield Ticket(**group, is_single_group=True)  # type: ignore[arg-type]  # checked when it is sent
    yield Ticket(**group, is_single_group=True, account_id="DU1")  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(("wanted", "cancels"), [(True, 1), (False, 0)])
async def test_rest_of_an_incomplete_bracket_can_be_cancelled(
    *, wanted: bool, cancels: int
) -> None:
    """Only on request, and without hiding what happened."""
    bench = Bench("bracket_leg_rejected", b'{"error":"OrderID 987654 doesn\'t exist"}')
    entry = msgspec.structs.replace(ORDER, coid="parent-1")
    bracket = Bracket(entry=entry, take_profit=200, stop_loss=180)

    with pytest.raises(OrderRejectedError) as caught:
        await bench.desk.submit(bracket, cancel_if_incomplete=wanted)

    assert caught.value.live_order_ids == ("987654",)
    assert len(bench.send.requests) == 1 + cancels


async def test_prompt_is_not_looked_for() -> None:
    """IBKR waits for a choice; the live orders would show nothing new."""
    bench = Bench("prompt")

    with pytest.raises(OrderUnknownError, match="answer_prompt") as caught:
        await bench.desk.submit(ORDER)

    assert bench.send.labels == [PLACE]
    assert "my-1" in bench.desk.unknown
    assert caught.value.prompt is not None
    assert caught.value.prompt.order_id == "987654"


async def test_prompt_of_an_error_can_be_answered() -> None:
    """The error carries all that the answer takes."""
    bench = Bench("prompt", b'"Request was submitted"')
    with pytest.raises(OrderUnknownError) as caught:
        await bench.desk.submit(ORDER)
    prompt = caught.value.prompt

    assert prompt is not None
    assert await bench.desk.answer_prompt(prompt, prompt.options[0]) == "Request was submitted"


# --- a client order id that was used before ------------------------------------------------------

IN_USE = b'{"error":"Local order ID=my-1 is already registered."}'
EARLIER = (
    b'{"snapshot":true,"orders":[{"orderId":5,"order_ref":"my-1","status":"%s","acct":"DU1"}]}'
)


async def test_order_under_a_used_id_is_shown_and_not_given() -> None:
    """Somebody's earlier order must not look like a success of this submission."""
    bench = Bench(IN_USE, EARLIER % b"Submitted")

    with pytest.raises(OrderUnknownError, match="used before") as caught:
        await bench.desk.submit(ORDER)

    assert caught.value.coid_reused
    assert caught.value.live_order_ids == ("5",)
    assert "order 5 is Submitted" in caught.value.looked_at[0]
    assert bench.send.labels.count(PLACE) == 1
    with pytest.raises(OrderGuardError, match="my-1"):
        await bench.desk.submit(OTHER)


async def test_earlier_order_does_not_take_the_terms_of_the_refused_one() -> None:
    """What is shown of the order that has the id is what IBKR says of it, and nothing else."""
    bench = Bench(IN_USE, EARLIER % b"Submitted")

    with pytest.raises(OrderUnknownError):
        await bench.desk.submit(ORDER)
    for row in decode(LiveOrders, EARLIER % b"Submitted").orders:
        bench.desk.engine.news.tracker.live_order_row(row, 0.0)

    [state] = bench.desk.known()
    assert (state.order_id, state.coid) == ("5", "my-1")
    assert (state.quantity, state.price, state.side) == (None, None, None)


async def test_used_id_that_is_not_found_is_unknown() -> None:
    """The words stay, and so does the doubt."""
    bench = Bench(IN_USE, *NOT_FOUND)

    with pytest.raises(OrderUnknownError, match="already registered") as caught:
        await bench.desk.submit(ORDER)

    assert caught.value.live_order_ids == ()
    assert caught.value.looked_at


async def test_earlier_order_can_be_found_on_purpose() -> None:
    """What was sent for it is not known, and the gate opens."""
    bench = Bench(IN_USE, EARLIER % b"Submitted", "accepted")
    with pytest.raises(OrderUnknownError):
        await bench.desk.submit(ORDER)

    earlier = await bench.desk.find("my-1")

    assert (earlier.order_id, earlier.tickets) == ("5", ())
    assert not bench.desk.unknown
    await bench.desk.submit(OTHER)


async def test_earlier_order_can_turn_out_dead() -> None:
    """Then nothing is live under the id, and the gate opens."""
    bench = Bench(IN_USE, EARLIER % b"Cancelled", EARLIER % b"Cancelled", b"[]")
    with pytest.raises(OrderUnknownError) as caught:
        await bench.desk.submit(ORDER)

    with pytest.raises(OrderRejectedError):
        await bench.desk.find("my-1")

    assert caught.value.live_order_ids == ()
    assert not bench.desk.unknown


async def test_order_refused_for_its_id_is_not_open_after_a_restart(tmp_path: Path) -> None:
    """The earlier order would otherwise be recovered as this one."""
    bench = await journalled(tmp_path, IN_USE, EARLIER % b"Submitted")
    with pytest.raises(OrderUnknownError):
        await bench.desk.submit(ORDER)
    await bench.desk.engine.aclose()

    assert read_open_intents(tmp_path / "j") == ()


async def test_refused_tickets_are_not_given_for_the_earlier_order_after_a_restart(
    tmp_path: Path,
) -> None:
    """A later run finds the earlier order by the id, without what was refused under it."""
    bench = await journalled(tmp_path, IN_USE, EARLIER % b"Submitted")
    with pytest.raises(OrderUnknownError):
        await bench.desk.submit(ORDER)
    await bench.desk.engine.aclose()

    later = await journalled(tmp_path, EARLIER % b"Submitted")
    earlier = await later.desk.find("my-1")
    await later.desk.engine.aclose()

    assert (earlier.order_id, earlier.tickets) == ("5", ())


# --- the journal ---------------------------------------------------------------------------------


async def journalled(path: Path, *script: Any, **settings: Any) -> Bench:
    """Open a desk with a journal."""
    bench = Bench(*script, journal=path / "j", **settings)
    await bench.desk.engine.start()
    return bench


def events(path: Path, coid: str = "my-1") -> list[str]:
    """What the journal says of an order."""
    return [entry.event for entry in read_entries(path / "j", coid=coid)]


async def test_intent_is_written_before_the_first_byte(tmp_path: Path) -> None:
    """And the end after the last."""
    answer = Answer(b'[{"order_id":"987654","order_status":"Submitted"}]', hold=True)
    bench = await journalled(tmp_path, answer, "cancelled")
    submitting = asyncio.create_task(bench.desk.submit(ORDER))
    await answer.reached.wait()

    assert [each.submission.coid for each in read_open_intents(tmp_path / "j")] == ["my-1"]

    answer.released.set()
    await submitting
    await bench.desk.cancel(987654)
    await bench.desk.engine.aclose()
    assert events(tmp_path) == ["intent", "accepted"]
    assert events(tmp_path, "") == ["cancel"]


@pytest.mark.parametrize(
    ("script", "answers", "expected"),
    [
        (["question", "accepted"], "o163", ["intent", "confirm", "accepted"]),
        (["question", b"{}"], "", ["intent", "refused"]),
        (["refused"], "", ["intent", "rejected"]),
        ([NOT_SENT], "", ["intent", "not_sent"]),
        ([TIMEOUT, *NOT_FOUND], "", ["intent", "unknown", "unknown"]),
        ([TIMEOUT, "live_orders"], "", ["intent", "unknown", "accepted"]),
    ],
)
async def test_every_end_is_in_the_journal(
    tmp_path: Path, script: list[Any], answers: str, expected: list[str]
) -> None:
    """In one word each."""
    bench = await journalled(tmp_path, *script)
    policy = Answers.allow(answers) if answers else None

    with suppress(IbkrError):
        await bench.desk.submit(ORDER, answers=policy)
    await bench.desk.engine.aclose()

    assert events(tmp_path) == expected


async def test_single_steps_are_in_the_journal(tmp_path: Path) -> None:
    """`place` and `reply` are no way around it; a dismissal is an end."""
    bench = await journalled(
        tmp_path, "question", NOT_SENT, "accepted", "question#2", b"{}", "question#3", TIMEOUT
    )

    (question,) = await bench.desk.place(ORDER)
    assert isinstance(question, OrderQuestion)
    with pytest.raises(ConnectFailedError):
        await bench.desk.reply(question.id, confirmed=True)
    await bench.desk.reply(question.id, confirmed=True)
    (question,) = await bench.desk.place(OTHER)
    assert isinstance(question, OrderQuestion)
    with pytest.raises(Exception, match="no one kind"):
        await bench.desk.reply(question.id, confirmed=False)
    (question,) = await bench.desk.place(MarketOrder(1, "BUY", 1, coid="my-3"))
    assert isinstance(question, OrderQuestion)
    with pytest.raises(OrderUnknownError):
        await bench.desk.reply(question.id, confirmed=True)
    bench.desk.dismiss("my-3")
    await bench.desk.engine.aclose()

    assert events(tmp_path) == ["intent", "confirm", "confirm", "accepted"]
    assert events(tmp_path, "my-2") == ["intent", "refused"]
    assert events(tmp_path, "my-3") == ["intent", "confirm", "unknown", "dismissed"]


async def test_question_is_answered_once_and_in_turn() -> None:
    """A decision that was taken cannot be turned round."""
    two = b'[{"id":"a","message":["?"],"messageIds":["o1"]},{"id":"b","message":["?"],"messageIds":["o2"]}]'
    bench = Bench(two, NOT_SENT)
    await bench.desk.place(OcaGroup((ORDER, OTHER)))

    with pytest.raises(UsageError, match="next"):
        await bench.desk.reply("b", confirmed=True)
    with pytest.raises(ConnectFailedError):
        await bench.desk.reply("a", confirmed=True)
    with pytest.raises(UsageError, match="confirmed=True"):
        await bench.desk.reply("a", confirmed=False)


async def test_placed_order_that_is_refused_or_unclear_has_an_end(tmp_path: Path) -> None:
    """The rows are returned all the same."""
    bench = await journalled(tmp_path, "refused", "prompt")

    await bench.desk.place(ORDER)
    await bench.desk.place(OTHER)
    await bench.desk.engine.aclose()

    assert events(tmp_path) == ["intent", "rejected"]
    assert events(tmp_path, "my-2") == ["intent", "unknown"]


# --- after a crash -------------------------------------------------------------------------------


async def crashed(path: Path) -> None:
    """Leave a journal as a process leaves it that was killed with an order under way."""
    journal = Journal(path / "j", world=fake_world(FakeTime(1.0)))
    await journal.open()
    first = Bench("accepted", journal=None)
    submission = await first.desk.engine.preparation.order(ORDER, None, None)
    await journal.intend(submission)
    await journal.aclose()


async def test_order_that_a_crash_left_open_is_adopted(tmp_path: Path) -> None:
    """The gate is closed until it was looked for; it is never sent again."""
    await crashed(tmp_path)
    bench = await journalled(tmp_path, "live_orders", "accepted#2")
    assert "my-1" in bench.desk.unknown
    with pytest.raises(OrderGuardError):
        await bench.desk.submit(OTHER)

    running = asyncio.create_task(bench.desk.engine.run())
    (found,) = await bench.desk.recovered()

    assert found.handle is not None
    assert (found.coid, found.handle.order_id, found.error) == ("my-1", "987654", None)
    assert found.handle.tickets[0].coid == "my-1"
    await bench.desk.submit(OTHER)
    running.cancel()
    await bench.desk.engine.aclose()
    assert events(tmp_path)[-1] == "accepted"
    assert bench.send.labels.count(PLACE) == 1


async def test_order_that_is_not_found_after_a_crash_stays_unknown(tmp_path: Path) -> None:
    """The session may come late; the next start looks again."""
    await crashed(tmp_path)
    bench = await journalled(tmp_path, *NOT_FOUND)
    bench.sessions = [SessionTimeoutError(60, "down")]

    running = asyncio.create_task(bench.desk.engine.run())
    (found,) = await bench.desk.recovered()
    running.cancel()
    await bench.desk.engine.aclose()

    assert isinstance(found.error, OrderUnknownError)
    assert "my-1" in bench.desk.unknown
    assert bench.time.slept[0] == 5
    assert [each.submission.coid for each in read_open_intents(tmp_path / "j")] == ["my-1"]


async def test_recovery_ends_with_the_client(tmp_path: Path) -> None:
    """Nobody waits for ever, and what the user found out himself is left alone."""
    await crashed(tmp_path)
    bench = await journalled(tmp_path, "live_orders")
    await bench.desk.find("my-1")
    bench.sessions = [ClosedError("client")]
    await bench.desk.engine.run()
    waiting = asyncio.create_task(bench.desk.recovered())
    await bench.desk.engine.aclose()
    assert await waiting == ()

    again = await journalled(tmp_path)
    assert not again.desk.unknown
    await again.desk.engine.aclose()


async def test_own_find_is_not_repeated_by_the_recovery(tmp_path: Path) -> None:
    """An order that the user has found or dismissed is not looked for again."""
    await crashed(tmp_path)
    bench = await journalled(tmp_path)
    bench.desk.dismiss("my-1")

    running = asyncio.create_task(bench.desk.engine.run())
    assert await bench.desk.recovered() == ()
    running.cancel()
    await bench.desk.engine.aclose()

    assert not bench.send.requests


async def test_journal_knows_what_an_earlier_run_placed(tmp_path: Path) -> None:
    """So that `find` gives a handle with its tickets."""
    bench = await journalled(tmp_path, "accepted")
    await bench.desk.submit(ORDER)
    await bench.desk.engine.aclose()

    again = await journalled(tmp_path, "live_orders")
    live = await again.desk.find("my-1")
    await again.desk.engine.aclose()

    assert live.tickets[0].quantity == 10


async def test_cancelled_submission_is_looked_for_by_the_client() -> None:
    """Nobody waits for it any more, but the gate opens when it is found."""
    answer = Answer(hold=True)
    bench = Bench(answer, "live_orders", "accepted#2")
    running = asyncio.create_task(bench.desk.engine.run())
    task = asyncio.create_task(bench.desk.submit(ORDER))
    await answer.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert "my-1" in bench.desk.unknown

    await until(lambda: "my-1" not in bench.desk.unknown)
    await bench.desk.submit(OTHER)

    running.cancel()
    assert bench.desk.known()[0].order_id == "987654"


async def test_cancelled_search_is_taken_over() -> None:
    """A submission that is cancelled while it is looked for."""
    looking = Answer(hold=True)
    bench = Bench(TIMEOUT, looking, "live_orders")
    task = asyncio.create_task(bench.desk.submit(ORDER))
    await looking.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    running = asyncio.create_task(bench.desk.engine.run())
    await until(lambda: "my-1" not in bench.desk.unknown)
    running.cancel()


async def test_watch_hears_of_every_order() -> None:
    """From now on."""
    bench = Bench("accepted")

    async with bench.desk.watch() as news:
        await bench.desk.submit(ORDER)
        event = await anext(news)

    assert event.order_id == "987654"


async def test_cancelling_everything_asks_for_news_of_every_open_order() -> None:
    """Of the account that is meant."""
    bench = Bench("accepted", "cancelled", "cancelled")
    live = await bench.desk.submit(ORDER)

    before = bench.desk.engine.news.tracker.version
    await bench.desk.cancel_all("DU2")
    assert bench.desk.engine.news.tracker.version == before
    await bench.desk.cancel_all()

    assert bench.desk.engine.news.tracker.version > before
    assert live.order_id in bench.desk.engine.news.tracker.doubts


async def test_strange_order_is_found_with_all_its_rows() -> None:
    """Without tickets nobody can say which row is what."""
    rows = (
        b'{"orders":[{"orderId":1,"order_ref":"x","status":"Filled","filledQuantity":1},'
        b'{"orderId":2,"parentId":"1","status":"Submitted"}],"snapshot":true}'
    )
    bench = Bench(*[rows, b"[]", b"[]", rows, rows, b"[]", b"[]", rows, b"[]", b"[]"])

    live = await bench.desk.find("x")

    assert [(leg.order_id, leg.role) for leg in live.legs] == [("1", "leg"), ("2", "leg")]


async def test_cancelled_yes_about_a_strange_order_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The desk has nothing to remember it by."""
    answer = Answer(hold=True)
    bench = Bench(answer)
    task = asyncio.create_task(bench.desk.reply("r1", confirmed=True))
    await answer.reached.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert "of reply r1" in caplog.text
