"""Every way to trade passes permission in the line before the send: each rule, each verb, each caller."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

import ibkr_async
from ibkr_async.errors import IbkrError, OrderGuardError, OrderUnknownError, UsageError
from ibkr_async.models.order_answers import OrderQuestion, PromptQuestion
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.send.preparation import AccountFacts
from ibkr_async.orders.settings import GuardSettings
from ibkr_async.orders.write.groups import Bracket, OcaGroup
from ibkr_async.orders.write.order_types import LimitOrder, MarketOrder
from ibkr_async.orders.write.policy import Answers, Question
from ibkr_async.orders.write.tickets import draft_tickets
from support.fake_send import FakeSend
from support.fake_time import fake_world
from support.order_desk import PAPER, TestDesk, make_desk

ORDER = LimitOrder(265598, "BUY", 10, "189.50", coid="my-1")
OTHER = MarketOrder(265598, "SELL", 1, coid="my-2")
PROMPT = PromptQuestion(order_id="987654", req_id="29042", options=("Yes", "No"))
WHAT_IF = "POST /iserver/account/DU1/orders/whatif"
PREVIEW = b'{"amount":{"amount":"1,895.00 USD (10 Shares)"}}'
LIVE = AccountFacts(default_account_id="DU1", is_paper=False)


async def _exercise(desk: TestDesk) -> None:
    desk.engine.check_exercise(495512563, 10, is_new=True)


VERBS: Final[dict[str, Callable[[TestDesk], Any]]] = {
    "submit": lambda desk: desk.submit(ORDER),
    "bracket": lambda desk: desk.submit(Bracket(entry=ORDER, stop_loss=1)),
    "group": lambda desk: desk.submit(OcaGroup((ORDER, OTHER))),
    "place": lambda desk: desk.place(ORDER),
    "modify": lambda desk: desk.modify(987654, ORDER),
    "reply": lambda desk: desk.reply("r1", confirmed=True),
    "prompt": lambda desk: desk.answer_prompt(PROMPT, "Yes"),
    "exercise": _exercise,
}


LIMITS: Final[dict[str, Any]] = {
    "accounts": ["DU2"],
    "conids": [1],
    "max_quantity": 9,
    "max_notional": 1,
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("limit", LIMITS)
async def test_each_limit_stops_each_verb(verb: str, limit: str) -> None:
    """Nothing but a preview leaves."""
    send = FakeSend(PREVIEW, PREVIEW)
    desk = make_desk(send, guard=GuardSettings(**{limit: LIMITS[limit]}))

    with pytest.raises(OrderGuardError):
        await VERBS[verb](desk)

    assert {WHAT_IF}.issuperset(send.labels)


@pytest.mark.parametrize("verb", VERBS)
async def test_kill_switch_stops_each_verb(verb: str, tmp_path: Path) -> None:
    """Whatever is known of the order."""
    (tmp_path / "stop").touch()
    send = FakeSend()
    desk = make_desk(send, guard=GuardSettings(kill_switch=str(tmp_path / "stop")))

    with pytest.raises(OrderGuardError, match="kill switch"):
        await VERBS[verb](desk)

    assert not send.requests


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("is_paper", [False, None])
async def test_account_that_is_not_known_to_be_paper_stops_each_verb(
    verb: str, *, is_paper: bool | None
) -> None:
    """Unless real money is allowed."""
    send = FakeSend()
    facts = AccountFacts(default_account_id="DU1", is_paper=is_paper)

    with pytest.raises(OrderGuardError, match="allow_live_orders=True"):
        await VERBS[verb](make_desk(send, facts=lambda: facts))

    assert not send.requests


@pytest.mark.parametrize(
    "verb",
    [
        *(VERBS[name] for name in ("place", "reply", "prompt", "exercise")),
        lambda desk: desk.reply("r1", confirmed=False),
        lambda desk: desk.cancel(987654),
        lambda desk: desk.cancel_all(),
        lambda desk: desk.suppress(["o163"]),
        lambda desk: desk.reset_suppressed(),
    ],
)
async def test_dry_run_sends_nothing_that_changes_anything(
    verb: Callable[[TestDesk], Any], tmp_path: Path
) -> None:
    """Cancels included; the journal notes none of it."""
    send, world = FakeSend(), fake_world()
    desk = make_desk(send, dry_run=True, journal=Journal(tmp_path / "j", world=world), world=world)
    await desk.engine.start()

    with pytest.raises(UsageError, match="dry_run"):
        await verb(desk)

    await desk.engine.aclose()
    assert not send.requests
    assert b"987654" not in (tmp_path / "j").read_bytes()


# --- what happens while an order waits ------------------------------------------------------------


async def test_switch_that_is_pulled_during_the_preview_stops_the_order(tmp_path: Path) -> None:
    """It is looked at after everything that takes time."""
    switch = tmp_path / "stop"
    send = FakeSend(PREVIEW)
    desk = make_desk(send, guard=GuardSettings(kill_switch=str(switch), max_notional=2000))
    _before(send, switch.touch)

    with pytest.raises(OrderGuardError, match="kill switch"):
        await desk.submit(ORDER)

    assert send.labels == [WHAT_IF]


async def test_switch_that_is_pulled_while_the_journal_works_stops_the_order(
    tmp_path: Path,
) -> None:
    """The journal says that it was not sent, so its id can be used again."""
    switch = tmp_path / "stop"

    class SlowJournal(Journal):
        async def intend(self, submission: Any) -> None:
            await super().intend(submission)
            switch.touch()

    send, world = FakeSend("accepted"), fake_world()
    journal = SlowJournal(tmp_path / "j", world=world)
    guard = GuardSettings(kill_switch=str(switch))
    desk = make_desk(send, guard=guard, journal=journal, world=world)
    await desk.engine.start()

    with pytest.raises(OrderGuardError, match="kill switch"):
        await desk.submit(ORDER)
    assert not send.requests
    assert not desk.unknown
    switch.unlink()
    journal.intend = super(SlowJournal, journal).intend  # type: ignore[method-assign]  # fast now
    await desk.submit(ORDER)
    await desk.engine.aclose()


async def test_terms_that_change_on_the_way_are_judged_as_they_leave() -> None:
    """What is checked is what is encoded in the next line."""
    payload: dict[str, Any] = {}
    ticket = msgspec.structs.replace(draft_tickets(ORDER)[0], json_payload=payload)
    send = FakeSend(PREVIEW)
    desk = make_desk(send, guard=GuardSettings(max_notional=2000))
    _before(send, lambda: payload.update(quantity=10_000))

    with pytest.raises(OrderGuardError, match="json_payload"):
        await desk.submit(ticket)

    assert send.labels == [WHAT_IF]


async def test_login_that_became_live_while_an_order_waited_stops_it() -> None:
    """The account that would get it is looked at in the line before the send."""
    now = PAPER
    send = FakeSend(PREVIEW)
    desk = make_desk(send, facts=lambda: now, guard=GuardSettings(max_notional=2000))

    def log_in_elsewhere() -> None:
        nonlocal now
        now = LIVE

    _before(send, log_in_elsewhere)

    with pytest.raises(OrderGuardError, match="live account"):
        await desk.submit(ORDER)

    assert send.labels == [WHAT_IF]


async def test_yes_is_turned_into_a_no_when_the_login_became_live() -> None:
    """The question that is open is not left open."""
    now = PAPER
    send = FakeSend("question", b"{}")
    desk = make_desk(send, facts=lambda: now)

    async def callback(_question: Question) -> bool:
        nonlocal now
        now = LIVE
        return True

    with pytest.raises(IbkrError, match="live account"):
        await desk.submit(ORDER, answers=Answers.ask(callback))

    assert send.labels[1].endswith("false")


async def test_question_stays_open_when_a_yes_is_refused(tmp_path: Path) -> None:
    """It can be answered later, either way."""
    switch = tmp_path / "stop"
    send = FakeSend("question", "accepted")
    desk = make_desk(send, guard=GuardSettings(kill_switch=str(switch)))
    (question,) = await desk.place(ORDER)
    assert isinstance(question, OrderQuestion)
    switch.touch()
    with pytest.raises(OrderGuardError):
        await desk.reply(question.id, confirmed=True)
    switch.unlink()

    await desk.reply(question.id, confirmed=True)

    assert len(send.requests) == 2


async def test_prompt_about_an_order_of_ours_is_held_to_its_terms() -> None:
    """The guard knows what it lets through; of a stranger's order it does not."""
    send = FakeSend("prompt", b'"Request was submitted"')
    desk = make_desk(send, guard=GuardSettings(max_quantity=10), closes_gate=False)
    with pytest.raises(OrderUnknownError) as caught:
        await desk.submit(ORDER)
    prompt = caught.value.prompt
    assert prompt is not None

    with pytest.raises(OrderGuardError, match="does not know"):
        await desk.answer_prompt(msgspec.structs.replace(prompt, order_id="1"), prompt.options[0])
    await desk.answer_prompt(prompt, prompt.options[0])

    assert send.requests[-1].path == "/iserver/notification"


def _before(send: FakeSend, happens: Callable[[], object]) -> None:
    """Let something happen while the first answer is on its way."""
    first = send.script[0]

    class Event(type(first.reached)):  # type: ignore[misc]  # an event that acts
        def set(self) -> None:
            happens()
            super().set()

    first.reached = Event()


# --- every caller ---------------------------------------------------------------------------------

SOURCE = Path(ibkr_async.__file__).parent
HARMLESS: Final = {
    ("resources/accounts.py", "/iserver/account"): "selects an account",
    ("resources/accounts.py", "/iserver/dynaccount"): "selects an account",
    ("resources/base.py", "path"): "its callers are in the test below",
    ("resources/contracts.py", "/iserver/contract/rules"): "reads",
    ("resources/market_data.py", "/iserver/marketdata/unsubscribe"): "ends quotes",
    ("resources/orders.py", "/iserver/account/{account_id}/orders/whatif"): "previews",
    ("resources/portfolio.py", "/portfolio/allocation"): "reads",
    ("resources/portfolio.py", "/portfolio/{account_id}/positions/invalidate"): "forgets a copy",
    ("resources/session.py", "/iserver/auth/ssodh/init"): "opens the session",
    ("resources/session.py", "/iserver/auth/status"): "reads",
    ("resources/session.py", "/logout"): "ends the session",
    ("resources/session.py", "/tickle"): "keeps the session up",
    ("rest/door.py", "path"): "refuses whatever trades",
    ("thirdparty/sending.py", "path"): "previews; its order calls have a permit",
}
"""Where something is sent that is no GET, to which path, and why no permission is asked."""


def _calls(name: str) -> list[tuple[str, ast.Call]]:
    return [
        (f"{path.relative_to(SOURCE).as_posix()}:{node.lineno}", node)
        for path in sorted(SOURCE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and _name(node.func) == name
    ]


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def test_every_request_that_may_trade_asks_for_permission() -> None:
    """A new request that is no read has a permit, or a place and a reason in the table above."""
    unguarded = set()
    for where, call in _calls("RestRequest"):
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        is_read = ast.unparse(given["method"]) == "'GET'"
        if not is_read and "permit" not in given:
            path = ast.unparse(given["path"]).strip("'")
            unguarded.add((where.partition(":")[0], path))

    assert unguarded == set(HARMLESS)


def test_what_resources_change_is_no_order() -> None:
    """Their common way has no permit."""
    paths = [
        ast.unparse(argument)
        for name in ("_ask", "_change")
        for _, call in _calls(name)
        for argument in call.args
    ]

    assert paths
    for word in ("order", "reply", "notification", "questions", "exercise"):
        assert not [path for path in paths if word in path and "/fyi/" not in path]


def test_every_frame_of_a_dialogue_asks_for_permission() -> None:
    """The only frames that can trade are those of the exercise, said in one place."""
    handed_out = [
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node).endswith("engine.say")
    ]
    given = [call for _, call in _calls("ExerciseDialogue") if "engine.say" in ast.unparse(call)]
    speakers = [where for where, _ in _calls("_say") if where.startswith("orders/")]

    assert (len(handed_out), len(given), len(speakers)) == (1, 1, 1)
    tree = ast.parse((SOURCE / "orders/send/exercise.py").read_text(encoding="utf-8"))
    (answer,) = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "_answer"
    )
    asked, said = answer.body[-2:]
    assert "self._check_may_exercise(" in ast.unparse(asked)
    assert "self._say(" in ast.unparse(said)


async def test_account_that_gets_the_order_is_the_one_that_must_be_paper() -> None:
    """Not the one that the session would take."""
    send = FakeSend()

    with pytest.raises(OrderGuardError, match="live account"):
        await make_desk(send).submit(ORDER, account_id="U1234567")

    assert not send.requests
