"""Every argument of every call that trades is checked before anything is sent, and read as what it means."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec
import pytest

from ibkr_async.errors import OrderQuestionError, UsageError
from ibkr_async.models.order_answers import PromptQuestion
from ibkr_async.models.orders import Ticket
from ibkr_async.models.streaming import ExerciseForm
from ibkr_async.orders.write.combos import combo_conidex
from ibkr_async.orders.write.groups import Bracket
from ibkr_async.orders.write.order_types import LimitOrder, MarketOrder
from ibkr_async.orders.write.policy import Answers
from ibkr_async.thirdparty import ThirdPartyOrder
from stream.core_feeds import CoreFeeds
from support.fake_send import FakeSend
from support.foreign_numbers import ForeignFloat, ForeignInt, ForeignReal
from support.order_desk import TestDesk, make_desk
from support.third_party_bench import Bench

ORDER = LimitOrder(265598, "BUY", 10, "189.50", coid="my-1")
PROMPT = PromptQuestion(order_id="987654", req_id="29042", options=("Yes", "No"))
HALF = "half a \ud800 character"


class OwnTicket(Ticket, frozen=True):
    """A ticket with a field that nobody checks."""

    hidden: int = 2


BAD_CALLS: Final[dict[str, Callable[[TestDesk], Any]]] = {
    "answers: a number": lambda desk: desk.submit(ORDER, answers=5),  # type: ignore[arg-type]  # on purpose
    "answers: an answer in words": lambda desk: desk.submit(ORDER, answers={"o163": "yes"}),  # type: ignore[dict-item]  # on purpose
    "answers: a number as id": lambda desk: desk.submit(ORDER, answers=[163]),  # type: ignore[list-item]  # on purpose
    "answers: IBKR's words": lambda desk: desk.submit(ORDER, answers=["exceeds the limit of 3%"]),
    "answers: of a change": lambda desk: desk.modify(7, ORDER, answers=5),  # type: ignore[arg-type]  # on purpose
    "account: empty": lambda desk: desk.submit(ORDER, account_id=""),
    "account: a number": lambda desk: desk.submit(ORDER, account_id=1234567),  # type: ignore[arg-type]  # on purpose
    "account: half a character": lambda desk: desk.submit(ORDER, account_id=HALF),
    "account: of a change": lambda desk: desk.modify(7, ORDER, account_id=["DU1"]),  # type: ignore[arg-type]  # on purpose
    "account: of a cancel": lambda desk: desk.cancel(7, ["DU1"]),  # type: ignore[arg-type]  # on purpose
    "account: of all cancels": lambda desk: desk.cancel_all(b"DU1"),  # type: ignore[arg-type]  # on purpose
    "group: a list": lambda desk: desk.submit(ORDER, group=["all"]),  # type: ignore[arg-type]  # on purpose
    "group: empty": lambda desk: desk.place(ORDER, group=""),
    "order: nothing": lambda desk: desk.submit(None),  # type: ignore[arg-type]  # on purpose
    "order: a dict": lambda desk: desk.submit({"conid": 1}),  # type: ignore[arg-type]  # on purpose
    "order: a ticket of one's own": lambda desk: desk.submit(
        OwnTicket(order_type="MKT", side="BUY", tif="DAY", conid=1, quantity=1)  # type: ignore[arg-type]  # on purpose
    ),
    "incomplete: a word": lambda desk: desk.submit(ORDER, cancel_if_incomplete="no"),  # type: ignore[arg-type]  # on purpose
    "order id: a fraction": lambda desk: desk.modify(7.5, ORDER),  # type: ignore[arg-type]  # on purpose
    "order id: a bool": lambda desk: desk.cancel(True),
    "order id: other digits": lambda desk: desk.cancel("\u0667"),
    "order id: a status": lambda desk: desk.status("../trades"),
    "by hand: a word": lambda desk: desk.cancel(7, manual_indicator="no"),  # type: ignore[arg-type]  # on purpose
    "by hand: a number": lambda desk: desk.cancel(7, ext_operator=5),  # type: ignore[arg-type]  # on purpose
    "by hand: a text": lambda desk: desk.cancel(7, manual_cancel_time="now"),  # type: ignore[arg-type]  # on purpose
    "reply: a word": lambda desk: desk.reply("r1", confirmed="no"),  # type: ignore[arg-type]  # on purpose
    "reply: no id": lambda desk: desk.reply("", confirmed=True),
    "prompt: a dict": lambda desk: desk.answer_prompt({"order_id": 7}, "Yes"),  # type: ignore[arg-type]  # on purpose
    "prompt: no number": lambda desk: desk.answer_prompt(
        PromptQuestion(order_id="x", req_id="1", options=("Yes",)), "Yes"
    ),
    "prompt: a list": lambda desk: desk.answer_prompt(PROMPT, ["Yes"]),  # type: ignore[arg-type]  # on purpose
    "suppress: numbers": lambda desk: desk.suppress([163]),  # type: ignore[list-item]  # on purpose
    "suppress: nothing": lambda desk: desk.suppress(None),  # type: ignore[arg-type]  # on purpose
    "find: a number": lambda desk: desk.find(7),  # type: ignore[arg-type]  # on purpose
    "trades: a fraction": lambda desk: desk.trades(1.5),  # type: ignore[arg-type]  # on purpose
}


@pytest.mark.parametrize("call", BAD_CALLS)
async def test_bad_argument_is_refused_before_anything_is_sent(call: str) -> None:
    """Nothing is unknown afterwards, and the gate is open."""
    send = FakeSend("accepted")
    desk = make_desk(send)

    with pytest.raises(UsageError):
        await BAD_CALLS[call](desk)

    assert not send.requests
    assert not desk.unknown
    await desk.submit(ORDER)


@pytest.mark.parametrize(
    "answers", [{"o163": True}, {"o163": True, "o354": False}, ["o163"], ("o163",), {"o163"}, "o163", Answers.allow("o163")]
)  # fmt: skip
async def test_answers_are_taken_as_what_they_plainly_mean(answers: Any) -> None:
    """The question is answered with yes, whatever it was that allowed its id."""
    send = FakeSend("question", "accepted")

    await make_desk(send).submit(ORDER, answers=answers)

    assert send.labels[-1].endswith("true")


@pytest.mark.parametrize("answers", [{"o163": False}, {}, [], None, ["o354"]])
async def test_answers_that_do_not_allow_a_question_refuse_it(answers: Any) -> None:
    """A mapping says no as well."""
    send = FakeSend("question", b"{}")

    with pytest.raises(OrderQuestionError):
        await make_desk(send).submit(ORDER, answers=answers)

    assert send.labels[-1].endswith("false")


@pytest.mark.parametrize(
    "broken",
    [{"allowed": 5}, {"denied": [None]}, {"allowed": {"o163": False}}, {"callback": "o163"}],
)
def test_policy_that_no_question_could_use_is_refused(broken: Any) -> None:
    """Where it is made, and not where a question finds out."""
    with pytest.raises(UsageError):
        Answers(**broken)


def test_policy_keeps_its_own_ids() -> None:
    """A list is as good as a set."""
    assert Answers(allowed=["o163"]).allowed == {"o163"}  # type: ignore[arg-type]  # on purpose


# --- fields of orders -----------------------------------------------------------------------------

_LOOP: Final[list[Any]] = []
_LOOP.append(_LOOP)

BAD_VALUES: Final[dict[str, Any]] = {
    "nan": float("nan"),
    "infinity": float("inf"),
    "an object": object(),
    "a set": {1},
    "bytes": b"1",
    "half a character": HALF,
    "endless": _LOOP,
    "too large": 10**40,
}


@pytest.mark.parametrize("bad", BAD_VALUES)
@pytest.mark.parametrize("place", ["value", "list", "mapping", "payload"])
async def test_parameter_that_json_cannot_carry_is_refused(bad: str, place: str) -> None:
    """Before anything is sent; the order is not unknown, and the gate stays open."""
    value = BAD_VALUES[bad]
    nested = {"value": value, "list": [1, value], "mapping": {"a": {"b": value}}, "payload": value}
    by_hand = Ticket(order_type="MKT", side="BUY", tif="DAY", conid=1, quantity=Decimal(1))
    send = FakeSend("accepted")
    desk = make_desk(send)

    def write() -> Any:
        mapping = {"x": nested[place]}
        if place == "payload":
            return msgspec.structs.replace(by_hand, json_payload=mapping)
        return MarketOrder(1, "BUY", 1, strategy="Vwap", strategy_parameters=mapping)

    with pytest.raises(UsageError):
        await desk.submit(write())

    assert not send.requests
    await desk.submit(ORDER)


@pytest.mark.parametrize(
    "field",
    ["ticker", "referrer", "strategy", "ext_operator", "customer_account", "tax_optimizer_id",
     "listing_exchange", "account_id", "allocation_profile", "sec_type"],
)  # fmt: skip
@pytest.mark.parametrize("value", [5, b"x", "", HALF, ["x"]])
def test_text_of_an_order_must_be_one(field: str, value: Any) -> None:
    """It would leave as something else, or not at all."""
    with pytest.raises(UsageError, match=field):
        MarketOrder(1, "BUY", 1, **{field: value})


@pytest.mark.parametrize(
    "field",
    ["outside_rth", "is_currency_conversion", "all_or_none", "use_adaptive", "deactivated",
     "manual_indicator", "is_professional", "is_close"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["no", 0, 1.0, []])
def test_switch_of_an_order_must_be_one(field: str, value: Any) -> None:
    """`"no"` is true to Python."""
    with pytest.raises(UsageError, match=field):
        MarketOrder(1, "BUY", 1, **{field: value})


async def test_parameters_leave_as_they_were_when_the_order_was_made() -> None:
    """Whoever changes the mapping afterwards changes nothing."""
    parameters: dict[str, Any] = {"share": ForeignFloat(0.1), "n": ForeignInt(3), "on": True}
    order = MarketOrder(265598, "BUY", 1, strategy="Vwap", strategy_parameters=parameters)
    parameters["share"] = object()
    send = FakeSend("accepted")

    await make_desk(send).submit(order)

    assert send.body()["orders"][0]["strategyParameters"] == {"share": 0.1, "n": 3, "on": True}


# --- numbers of other libraries --------------------------------------------------------------------


async def test_numbers_of_other_libraries_are_numbers() -> None:
    """In every field of an order, of a bracket, and in the calls about it."""
    send = FakeSend("accepted", "accepted", "status")
    desk = make_desk(send)
    entry = LimitOrder(ForeignInt(265598), "BUY", ForeignInt(10), ForeignReal("189.5"), manual_order_time=ForeignInt(5))  # type: ignore[arg-type]  # fmt: skip

    await desk.submit(Bracket(entry=entry, stop_loss=ForeignFloat(180.5)).entry)
    await desk.modify(ForeignInt(987654), entry)  # type: ignore[arg-type]  # on purpose
    await desk.status(ForeignInt(987654))  # type: ignore[arg-type]  # on purpose

    row = send.body()["orders"][0]
    assert (row["conid"], row["quantity"], row["price"]) == (265598, 10, 189.5)
    assert row["manualOrderTime"] == 5
    assert send.labels[1].endswith("/order/987654")


def test_legs_of_a_combination_are_read_as_numbers_too() -> None:
    """Bools and fractions are none."""
    assert combo_conidex("USD", [(ForeignInt(1), ForeignInt(1)), (2, -1)]) == "28812380;;;1/1,2/-1"  # type: ignore[list-item]  # on purpose
    for leg in ((True, 1), (1, 1.5), (1, 0), (0, 1)):
        with pytest.raises(UsageError):
            combo_conidex("USD", [leg, (2, -1)])  # type: ignore[list-item]  # on purpose


def test_third_party_orders_are_read_alike() -> None:
    """One reading of one fact in both APIs."""
    order = ThirdPartyOrder(
        contract_id=ForeignInt(8314),  # type: ignore[arg-type]  # on purpose
        side=ForeignInt(1),  # type: ignore[arg-type]  # on purpose
        quantity=ForeignInt(10),
        order_type="LIMIT",
        price=ForeignFloat(-37.63),
        customer_order_id=ForeignInt(77),  # type: ignore[arg-type]  # on purpose
    )

    wire = order.wire(str(order.customer_order_id))
    assert (wire["ContractId"], wire["Side"], wire["CustomerOrderId"]) == (8314, "1", "77")
    assert str(wire["Price"]) == "-37.63"


@pytest.mark.parametrize("account", [None, "", 5, HALF])
async def test_third_party_account_must_be_one(account: Any) -> None:
    """`None` would be an account of that name."""
    bench = Bench()
    order = ThirdPartyOrder(contract_id=8314, side="BUY", quantity=1, order_type="MARKET")
    async with bench.client as client:
        for call in (
            client.place_order(account, order),
            client.cancel_order(account, "BOT-1"),
        ):
            with pytest.raises(UsageError):
                await call

    assert bench.server.requests == []


@pytest.mark.parametrize("contracts", [0, 1.5, True, "5", None])
async def test_exercise_takes_whole_contracts_only(contracts: Any) -> None:
    """One and a half went out."""
    feeds = CoreFeeds()
    async with feeds.option_exercise(ForeignInt(9)) as dialogue:  # type: ignore[arg-type]  # on purpose
        feeds.sent()
        with pytest.raises(UsageError):
            await dialogue.submit(ExerciseForm(id="5"), contracts=contracts)
        with pytest.raises(UsageError):
            await dialogue.submit(ExerciseForm(id="5"), contracts=1, final="no")  # type: ignore[arg-type]  # on purpose

        assert feeds.sent() == []


# --- what IBKR takes is taken, and normalised once ---------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        ({"conid": "28812380;;;265598/+1,8314/-1"}, "conidex", "28812380;;;265598/1,8314/-1"),
        ({"conid": "28812380@smart;;;265598/1, 8314/-1"}, "conidex", "28812380@SMART;;;265598/1,8314/-1"),
        ({"conid": 265598, "exchange": "smart"}, "conidex", "265598@SMART"),
        ({"conid": 265598, "sec_type": "265598:stk"}, "secType", "265598:STK"),
        ({"tif": "day"}, "tif", "DAY"),
        ({"tif": "Gtc"}, "tif", "GTC"),
        ({"side": "sell"}, "side", "SELL"),
        ({"allocation_method": "a"}, "allocationMethod", "A"),
        ({"coid": "my order 1"}, "cOID", "my order 1"),
        ({"coid": "grid #7 (up)"}, "cOID", "grid #7 (up)"),
        ({"manual_indicator": True}, "manualIndicator", True),
        ({"ext_operator": "me"}, "extOperator", "me"),
    ],
)  # fmt: skip
async def test_what_ibkr_takes_leaves_in_its_own_spelling(
    fields: dict[str, Any], key: str, value: Any
) -> None:
    """Case and blanks are no reason to refuse an order."""
    send = FakeSend("accepted")

    await make_desk(send).submit(MarketOrder(**{"conid": 1, "side": "BUY", "quantity": 1} | fields))

    assert send.body()["orders"][0][key] == value


async def test_ticket_written_by_hand_is_spelled_alike() -> None:
    """Its numbers may be whatever means one."""
    send = FakeSend("accepted")
    ticket = Ticket(
        order_type="trail",
        side="buy",
        tif="day",
        conid="265598",  # type: ignore[arg-type]  # on purpose
        quantity=ForeignInt(1),  # type: ignore[arg-type]  # on purpose
        price="180.5",  # type: ignore[arg-type]  # on purpose
        trailing_amount=0.5,  # type: ignore[arg-type]  # on purpose
        trailing_type="AMT",
    )

    await make_desk(send).submit(ticket)

    row = send.body()["orders"][0]
    assert (row["orderType"], row["side"], row["tif"]) == ("TRAIL", "BUY", "DAY")
    assert (row["conid"], row["price"], row["trailingType"]) == (265598, 180.5, "amt")


@pytest.mark.parametrize("price", ["-37.63", 0, -5])
async def test_price_of_any_sign_leaves(price: Any) -> None:
    """Whether the contract takes it is for its rules to say, and for IBKR."""
    send = FakeSend("accepted")

    await make_desk(send).submit(LimitOrder(265598, "SELL", 1, price))

    assert send.body()["orders"][0]["price"] == float(price)
