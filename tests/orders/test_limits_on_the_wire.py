"""Nothing leaves that the limits forbid: tickets of every shape, against a judge that reads the wire."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_async.errors import IbkrError
from ibkr_async.models.order_answers import PromptQuestion
from ibkr_async.models.orders import Ticket
from ibkr_async.orders.send.permission import Permission
from ibkr_async.orders.send.preparation import AccountFacts
from ibkr_async.orders.settings import GuardSettings
from ibkr_async.orders.write.groups import Bracket, OcaGroup
from ibkr_async.orders.write.order_types import LimitOrder, MarketOrder, StopOrder
from ibkr_async.orders.write.policy import Answers, Question
from ibkr_async.thirdparty import OrderChange, ThirdPartyOrder
from ibkr_async.thirdparty.orders.calls import OrderCalls
from ibkr_async.thirdparty.orders.changes import replacement
from ibkr_async.thirdparty.sending import Calls
from support.fake_time import FakeTime, fake_world
from support.foreign_numbers import ForeignFloat, ForeignInt
from support.limit_model import Day, Wire, is_beyond
from support.order_desk import TestDesk, make_desk

pytestmark = pytest.mark.filterwarnings("ignore")

# --- what users write -----------------------------------------------------------------------------
# A plain order, and now and then one thing or two that are odd: with more, all would be refused.

CONIDS: Final = st.sampled_from([1, 1, 2, 2, 3])
SIZES: Final = st.sampled_from(
    [
        1,
        9,
        10,
        ForeignInt(10),
        "10.4",
        ForeignFloat(10.4),
        Decimal("10.5"),
        11,
        99,
        0.1 + 0.2,
        10**6,
    ]
)
PRICES: Final = st.sampled_from(
    [1, "2.5", 9, 10, ForeignFloat(10.1), Decimal("10.01"), 50, -3, 400]
)
SIDES: Final = st.sampled_from(["BUY", "SELL", "sell"])
ACCOUNTS: Final = st.sampled_from([None] * 8 + ["DU1", "DU2", "U7654321"])
CONIDEXES: Final = st.sampled_from(
    ["1", "1@ARCA", "2@smart", "9;;;1/2,2/-1", "9;;;1/1,2/9", "9;;;1/-4,2/1", "9;;;1/1,2/-1", "9@SMART;;;1/+1,2/-9", "9;;;1/1,3/+2", "9;;;2/1,1/3",
     "1@SMART,2/1", ";;;1/1;;;2/1", "9;;;1/1", "9;;;1/1;;;2/1", "9;;;1/1,2", "9;;;1/1,2/-1;", "01@ARCA", "1@",
     "1@@2", "1//2"]
) | st.text(alphabet="0123;;;,/@-+A ", max_size=16)  # fmt: skip
COMBINATIONS: Final = st.sampled_from(
    ["9;;;1/1,2/-1", "9@SMART;;;1/2,2/-9", "9;;;1/-4,1/1", "9;;;3/+2,1/1"]
)
SEC_TYPES: Final = st.sampled_from(["STK", "1:STK", "2:STK", "2:stk", "1@2:STK", ":"])
PROFILES: Final = st.sampled_from(["P1", "P2"])
ODD: Final = st.one_of(
    st.fixed_dictionaries({"conidex": COMBINATIONS}),
    st.fixed_dictionaries({"conidex": CONIDEXES}),
    st.fixed_dictionaries({"sec_type": SEC_TYPES}),
    st.fixed_dictionaries({"account_id": st.sampled_from(["DU1", "DU2", "U7654321"])}),
    st.fixed_dictionaries({"customer_account": st.sampled_from(["DU1", "DU2"])}),
    st.fixed_dictionaries({"allocation_profile": PROFILES}),
    st.fixed_dictionaries({"json_payload": st.sampled_from([{"quantity": 99}, {"conid": 3}, {}])}),
    st.fixed_dictionaries({"cash_quantity": SIZES}),
    st.fixed_dictionaries({"fx_quantity": SIZES, "is_currency_conversion": st.just(True)}),
    st.just({"strategy": "Adaptive", "strategy_parameters": {"adaptivePriority": "Normal"}}),
)
ODDITIES: Final = st.integers(0, 3).flatmap(lambda n: st.lists(ODD, min_size=max(0, n - 1), max_size=max(0, n - 1))).map(lambda parts: {k: v for one in parts for k, v in one.items()})  # fmt: skip
TYPES: Final = ["LMT"] * 4 + ["MKT"] * 3 + ["STP", "STOP_LIMIT", "TRAIL", "MIDPRICE", "REL"]


@st.composite
def tickets(draw: Any, **fixed: Any) -> Ticket:
    """Write a ticket by hand."""
    odd = draw(ODDITIES)
    order_type = draw(st.sampled_from(TYPES))
    fields = {"order_type": order_type, "side": draw(SIDES), "tif": "DAY", **odd}
    profile = fields.pop("allocation_profile", None)
    if profile is not None:
        fields["json_payload"] = {"allocation_profile": profile}
    if not odd.keys() & {"cash_quantity", "fx_quantity"}:
        fields["quantity"] = draw(SIZES)
    if ("conidex" not in odd and ":" not in odd.get("sec_type", "")) or draw(st.booleans()):
        fields["conid"] = draw(CONIDS)
    if order_type in {"LMT", "STP", "STOP_LIMIT"}:
        fields["price"] = draw(PRICES)
    if order_type in {"STOP_LIMIT", "REL"}:
        fields["aux_price"] = draw(PRICES)
    if order_type == "TRAIL":
        fields |= {"trailing_amount": 1, "trailing_type": "amt"}
    return Ticket(**fields | fixed)


@st.composite
def families(draw: Any) -> list[Ticket]:
    """Write a bracket or a group by hand: whatever its children are, they go out together."""
    if draw(st.booleans()):
        return [draw(tickets(is_single_group=True)) for _ in range(draw(st.integers(2, 3)))]
    parent = draw(tickets(coid="parent"))
    own = {"parent_id": "parent"}
    if draw(st.booleans()):  # the same contract as the parent's
        own |= {"conid": parent.conid, "conidex": parent.conidex, "sec_type": parent.sec_type}
    return [parent, *(draw(tickets(**own)) for _ in range(draw(st.integers(1, 2))))]


@st.composite
def typed_orders(draw: Any) -> Any:
    """Write an order as users do; None where it is refused at once."""
    fields = draw(ODDITIES)
    fields.pop("json_payload", None)
    contract = fields.pop("conidex", None) or draw(CONIDS)
    side = draw(SIDES)
    size = None if fields.keys() & {"cash_quantity", "fx_quantity"} else draw(SIZES)
    kind = draw(st.sampled_from(["market", "limit", "stop", "bracket", "bracket", "group"]))
    try:
        market = MarketOrder(contract, side, size, **fields)
        if kind == "market":
            return market
        if kind == "stop":
            return StopOrder(contract, side, size, draw(PRICES), **fields)
        limit = LimitOrder(contract, side, size, draw(PRICES), **fields)
        if kind == "bracket":
            low, middle, high = draw(st.sampled_from([(1, 2, 400), ("2.5", 10, 50), (9, 10, 11)]))
            worst, best = (low, high) if side == "BUY" else (high, low)
            limit = LimitOrder(contract, side, size, middle, **fields)
            entry = draw(st.sampled_from([market, limit]))
            return Bracket(entry=entry, take_profit=best, stop_loss=worst)
        return OcaGroup((limit, market)) if kind == "group" else limit
    except IbkrError:
        return None


_TYPED: Final = typed_orders().filter(lambda one: one is not None)
ORDERS: Final = st.integers(0, 9).flatmap(lambda n: families() if n > 7 else tickets() if n > 4 else _TYPED)  # fmt: skip
ONE_LIMIT: Final = st.one_of(
    *(
        st.fixed_dictionaries({name: st.sampled_from(values)})
        for name, values in {
            "accounts": [["DU1"], ["DU1", "DU2", "P1"], ["DU1", "G1"], ["U7654321"], []],
            "conids": [[1], [1, 2], [1, 2, 3, 9], []],
            "max_quantity": [1, 10, 10, Decimal("10.4")],
            "max_notional": [100, Decimal("100.1"), 5000],
            "max_orders_per_minute": [1, 3],
        }.items()
    )
)
LIMITS: Final = st.lists(ONE_LIMIT, min_size=0, max_size=2).map(lambda some: {k: v for one in some for k, v in one.items()})  # fmt: skip


@st.composite
def days(draw: Any) -> Day:
    """Choose limits and accounts, so that something can leave on most days."""
    return Day(
        limits=draw(LIMITS),
        allow_live_orders=draw(st.booleans()),
        dry_run=draw(st.sampled_from([False] * 15 + [True])),
        is_paper=draw(st.sampled_from([True] * 8 + [False, None])),
    )


# --- what users do ---------------------------------------------------------------------------------

Act = Callable[["Bench"], Coroutine[Any, Any, Any]]


class Bench:
    """A desk and a Third-Party client under one guard, on one wire."""

    def __init__(self, day: Day, switch: Path) -> None:
        self.day = day
        self.wire = Wire(day)
        self.time = FakeTime(0.0)
        self.switch = switch
        guard = GuardSettings(**day.limits, kill_switch=str(self.switch))
        world = fake_world(self.time)
        self.desk: TestDesk = make_desk(
            self.wire,
            facts=lambda: AccountFacts(default_account_id="DU1", is_paper=day.is_paper),
            make_coid=iter(f"made-{number}" for number in range(10**6)).__next__,
            world=world,
            guard=guard,
            allow_live_orders=day.allow_live_orders,
            dry_run=day.dry_run,
            closes_gate=False,
        )
        permission = Permission(
            guard,
            allow_live_orders=day.allow_live_orders,
            dry_run=day.dry_run,
            is_paper=lambda account: day.is_paper is True and not str(account).startswith("U"),
            world=world,
        )
        self.other_day = Day(day.limits, day.allow_live_orders, day.dry_run)
        self.other_wire = Wire(self.other_day)
        calls = Calls(self.other_wire, form_bodies=False)
        self.third_party = OrderCalls(calls, permission, look_timeout_s=1.0)

    async def do(self, act: Act) -> None:
        """Do one thing; only an error of ours may come out."""
        self.look_around()
        with suppress(IbkrError):
            await act(self)
        self.look_around()

    def look_around(self) -> None:
        """Tell the judges what the world is like."""
        for day in (self.day, self.other_day):
            day.now, day.is_stopped, day.is_paper = (
                self.time.at,
                self.switch.exists(),
                self.day.is_paper,
            )


def _submit(order: Any, account: str | None, group: str | None, *, asks: bool, yes: bool) -> Act:
    async def act(bench: Bench) -> None:
        bench.wire.asks = asks
        answers = Answers.allow("o163") if yes else None
        await bench.desk.submit(order, account_id=account, group=group, answers=answers)

    return act


def _submit_and_change(order: Any, *, switch: bool) -> Act:
    async def act(bench: Bench) -> None:
        async def yes(_question: Question) -> bool:
            if switch:
                bench.switch.touch()
            else:
                bench.day.is_paper = False
            bench.look_around()
            return True

        bench.wire.asks = True
        await bench.desk.submit(order, answers=Answers.ask(yes))

    return act


def _place_then_answer(order: Any, account: str | None, *, changes: bool) -> Act:
    async def act(bench: Bench) -> None:
        bench.wire.asks = True
        await bench.desk.place(order, account)
        if changes:  # the login, between the question and the yes
            bench.day.is_paper = False
            bench.look_around()
        await bench.desk.reply("r1", confirmed=True)

    return act


def _place_then_choose(order: Any) -> Act:
    async def act(bench: Bench) -> None:
        bench.wire.prompts = True
        await bench.desk.place(order)
        prompt = PromptQuestion(order_id="7", req_id="1", options=("A",))
        await bench.desk.answer_prompt(prompt, "A")

    return act


def _modify(order: Any, account: str | None) -> Act:
    return lambda bench: bench.desk.modify(7, order, account_id=account)


def _exercise(conid: int, contracts: int) -> Act:
    async def act(bench: Bench) -> None:
        bench.desk.engine.check_exercise(conid, contracts, is_new=True)
        bench.wire.exercised(conid, contracts)

    return act


def _third_party(account: str, conid: int | None, quantity: Any, bigger: Any) -> Act:
    async def act(bench: Bench) -> None:
        bench.other_wire.changed_conid = conid
        contract = {"contract_id": conid}
        if conid is None:
            contract = {"instrument_type": "STK", "ticker": "IBM", "listing_exchange": "NYSE"}  # type: ignore[dict-item]
        order = ThirdPartyOrder(
            side="BUY",
            quantity=quantity,
            order_type="LIMIT",
            price=1,
            customer_order_id="A",
            **contract,
        )  # type: ignore[arg-type]
        try:
            await bench.third_party.place(account, "A", order.wire("A"))
        finally:
            change = replacement(order, OrderChange(quantity=bigger), "B")
            await bench.third_party.modify(account, change, conid)

    return act


def _wait(seconds: float) -> Act:
    async def act(bench: Bench) -> None:
        bench.time.at += seconds

    return act


def _pull(*, on: bool) -> Act:
    async def act(bench: Bench) -> None:
        bench.switch.touch() if on else bench.switch.unlink(missing_ok=True)

    return act


def _log_in(*, is_paper: bool | None) -> Act:
    async def act(bench: Bench) -> None:
        bench.day.is_paper = is_paper

    return act


def _lie(words: str | None) -> Act:
    async def act(bench: Bench) -> None:
        bench.wire.preview = words

    return act


async def _reply_to_a_stranger(bench: Bench) -> None:
    await bench.desk.reply("of somebody else", confirmed=True)


async def _choose_for_a_stranger(bench: Bench) -> None:
    await bench.desk.answer_prompt(PromptQuestion(order_id="99", req_id="1", options=("A",)), "A")


ACTS: Final = st.one_of(
    st.builds(_submit, ORDERS, ACCOUNTS, st.sampled_from([None] * 6 + ["G1", "G2"]), asks=st.booleans(), yes=st.booleans()),
    st.builds(_submit, ORDERS, ACCOUNTS, st.none(), asks=st.just(False), yes=st.just(True)),
    st.builds(_place_then_answer, ORDERS, ACCOUNTS, changes=st.booleans()),
    st.builds(_submit_and_change, ORDERS, switch=st.booleans()),
    st.builds(_place_then_choose, ORDERS),
    st.builds(_modify, ORDERS, ACCOUNTS),
    st.builds(_exercise, CONIDS, st.sampled_from([1, 10, 11])),
    st.builds(_third_party, st.sampled_from(["DU1", "DU2", "U7654321"]), st.sampled_from([None, 1, 2]), SIZES, SIZES),
    *(st.builds(_submit, ORDERS, st.none(), st.none(), asks=st.just(False), yes=st.just(False)),) * 4,
    st.builds(_wait, st.sampled_from([0.5, 30.0, 61.0])),
    st.builds(_pull, on=st.sampled_from([True, False, False])),
    st.builds(_log_in, is_paper=st.sampled_from([True, True, False, None])),
    st.builds(_lie, st.sampled_from([None, None, "0 USD", "much", "USD 5"])),
    st.just(_reply_to_a_stranger),
    st.just(_choose_for_a_stranger),
)  # fmt: skip


def live_through(switch: Path, day: Day, acts: list[Act], precision: int) -> list[Wire]:
    """Do one thing after the other in a decimal context of the caller's."""
    switch.unlink(missing_ok=True)
    logging.getLogger("ibkr_async.orders").setLevel(logging.CRITICAL)

    async def live() -> list[Wire]:
        with localcontext(Context(prec=precision)):
            bench = Bench(day, switch)
            for act in acts:
                await bench.do(act)
        return [bench.wire, bench.other_wire]

    return asyncio.run(live())


def hold(switch: Path, limits: dict[str, Any], order: Any, act: Act, precision: int) -> None:
    """Do one thing with limits and without: nothing leaves that they forbid, and everything else does."""
    (wire, _), (free, _) = (
        live_through(switch, Day(some), [act], precision) for some in (limits, {})
    )

    assert wire.broken == []
    if free.left and not wire.left:
        account, leaves = free.tickets[0]
        too_many = len(leaves) > limits.get("max_orders_per_minute", len(leaves))
        # What a child is worth the judge knows no better than the guard.
        may_be = len(leaves) > 1 and "max_notional" in limits
        forbidden = any(is_beyond(limits, account, one) for one in leaves)
        assert too_many or may_be or forbidden, f"{limits} stopped {order}"


def _by_hand(**fields: Any) -> Ticket:
    terms = {"order_type": "LMT", "side": "BUY", "tif": "DAY", "price": 10, "quantity": 9}
    return Ticket(**{key: value for key, value in (terms | fields).items() if value is not None})


def _with_child(parent: dict[str, Any], **child: Any) -> list[Ticket]:
    """Write an option and its exit, whose multiplier is a hundred."""
    terms: dict[str, Any] = {"conid": 2, "quantity": 1}
    exit_ = {"parent_id": "p", "side": "SELL"}
    return [_by_hand(coid="p", **terms | parent), _by_hand(**terms | exit_ | child)]


_CASH: Final = {"quantity": None, "price": None, "order_type": "MKT"}
SHAPES: Final[dict[str, Any]] = {
    "one too many": _by_hand(conid=1, quantity=11),
    "a fraction too many": _by_hand(conid=1, quantity="10.4"),
    "a fraction of a step too many": _by_hand(conid=1, quantity="10.40000000000001"),
    "another contract": _by_hand(conid=3, quantity=1),
    "a conidex": _by_hand(conidex="3@ARCA", quantity=1),
    "a combination": LimitOrder("9;;;1/1,2/-1", "BUY", 9, 1),
    "a combination with another leg": LimitOrder("9;;;1/1,3/-1", "BUY", 9, 1),
    "a combination with ratios": LimitOrder("9;;;1/+2,2/-1", "BUY", 9, 1),
    "a combination that sells twice": LimitOrder("9;;;1/1,1/-9", "BUY", 2, -3),
    "rubbish": _by_hand(conidex="1@SMART,2/1"),
    "more rubbish": _by_hand(conidex="9;;;1/1;;;2/1"),
    "two that disagree": _by_hand(conid=1, sec_type="3:STK"),
    "a type alone": _by_hand(sec_type="3:STK", quantity=1),
    "a type that is unreadable": _by_hand(conid=1, sec_type="1@3:STK"),
    "a beneficiary": _by_hand(conid=1, customer_account="DU9"),
    "a profile": LimitOrder(1, "BUY", 9, 1, allocation_profile="P9"),
    "a raw payload": _by_hand(conid=1, json_payload={"quantity": 99}),
    "cash": MarketOrder(1, "BUY", None, cash_quantity=101),
    "much cash": MarketOrder(1, "BUY", None, cash_quantity=10**6),
    "a conversion": MarketOrder(1, "BUY", None, fx_quantity=10**6, is_currency_conversion=True),
    "a dear one": LimitOrder(1, "BUY", 1, "100.05"),
    "a dear one below zero": LimitOrder(1, "BUY", 1, -101),
    "a dear one at the market": MarketOrder(3, "BUY", 1),
    "an option": LimitOrder(2, "BUY", 1, "1.001"),
    "an algorithm": MarketOrder(1, "BUY", 9, strategy="Vwap", strategy_parameters={"x": 1}),
    "a child of more units": _with_child({}, quantity=99),
    "a child of another contract": _with_child({}, conid=3),
    "a dear child": _with_child({"price": "0.5"}, price=60),
    "a dear child of a market order": _with_child(_CASH | {"quantity": 1}, price=60),
    "a child for cash": _with_child({}, quantity=None, cash_quantity=10**6),
    "a bracket": Bracket(entry=LimitOrder(2, "BUY", 1, "0.5"), take_profit=60, stop_loss="0.1"),
    "a bracket at the market": Bracket(entry=MarketOrder(2, "SELL", 1), stop_loss=60),
    "a group": OcaGroup((LimitOrder(1, "BUY", 1, 1), LimitOrder(3, "SELL", 11, 400))),
    "a group by hand": [_by_hand(conid=1, is_single_group=True), _by_hand(conid=3, quantity=99, is_single_group=True)],
}  # fmt: skip
EACH_LIMIT: Final[list[dict[str, Any]]] = [
    {"accounts": ["DU1"]},
    {"accounts": ["DU1", "DU9", "P9"]},
    {"accounts": ["DU2"]},
    {"conids": [1]},
    {"conids": [1, 2]},
    {"conids": [1, 2, 3]},
    {"max_quantity": 10},
    {"max_quantity": Decimal("10.4")},
    {"max_notional": 100},
    {"max_notional": 5000},
    {"max_quantity": 10, "max_notional": 5000},
    {"max_orders_per_minute": 1},
    {"max_orders_per_minute": 2},
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("precision", [1, 28])
def test_each_shape_is_held_to_each_limit(tmp_path: Path, shape: str, precision: int) -> None:
    """New orders and changes of old ones, in any decimal context of the caller's."""
    order = SHAPES[shape]
    for limits in EACH_LIMIT:
        for act in (_submit(order, None, None, asks=False, yes=False), _modify(order, None)):
            hold(tmp_path / "stop", limits, order, act, precision)


@settings(max_examples=800)
@given(ONE_LIMIT, ORDERS, st.booleans(), st.sampled_from([1, 28]))
def test_no_shape_of_an_order_gets_past_a_limit(
    tmp_path_factory: pytest.TempPathFactory,
    limits: dict[str, Any],
    order: Any,
    is_change: bool,
    precision: int,
) -> None:
    """However its parts are put together."""
    act = _modify(order, None) if is_change else _submit(order, None, None, asks=False, yes=False)

    hold(tmp_path_factory.getbasetemp() / "stop", limits, order, act, precision)


@settings(max_examples=500)
@given(days(), st.lists(ACTS, min_size=1, max_size=8))
def test_no_way_leads_around_the_limits(
    tmp_path_factory: pytest.TempPathFactory, day: Day, acts: list[Act]
) -> None:
    """Whatever changes on the way: the switch, the login, the time, the words of a preview."""
    wires = live_through(tmp_path_factory.getbasetemp() / "stop", day, acts, 28)

    assert [found for wire in wires for found in wire.broken] == []
