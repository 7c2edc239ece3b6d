from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ibkr_async.simulator.broker import matching
from ibkr_async.simulator.broker.broker import Executed, OrderChanged
from support.inside import book_of

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT = "DU1234567"
OTHER = "DU7654321"
AAPL, IBM, EURUSD, ES, CALL = 265598, 8314, 12087792, 900000301, 900000201
MARKER_KEYS = {"acct", "conidex", "conid", "orderId", "isEventTrading"}

LIMIT = {"orderType": "LMT", "side": "BUY", "quantity": 10, "price": "189.00"}
FAR = {"orderType": "LMT", "side": "BUY", "quantity": 10, "price": 150, "cOID": "far"}


def _bracket(**entry: Any) -> list[dict[str, Any]]:
    parent = {"orderType": "MKT", "side": "BUY", "quantity": 50, "cOID": "P1", **entry}
    child = {"side": "SELL", "quantity": 50, "tif": "GTC", "parentId": parent["cOID"]}
    return [
        parent,
        {"orderType": "STP", "price": 185, **child},
        {"orderType": "LMT", "price": 195, **child},
    ]


# the life of an order


def test_an_order_lives_through_the_recorded_statuses(driver: Any) -> None:
    """Full row, marker, then deltas up to the fill."""
    order_id = driver.order("BUY", 1, cOID="mine")
    driver.wait()

    rows = [event.row for event in driver.of(OrderChanged)]
    assert rows[0]["status"] == "Inactive"
    assert rows[0]["order_ref"] == "mine"
    assert rows[0]["orderDesc"] == "Buy 1 AAPL Market, Day"
    assert rows[0]["sizeAndFills"] == "0/1"
    assert (rows[0]["price"], rows[0]["timeInForce"]) == ("", "CLOSE")
    assert rows[1].keys() == MARKER_KEYS
    assert driver.statuses(order_id) == [
        "Inactive", "PendingSubmit", "PreSubmitted", "Submitted", "Filled",
    ]  # fmt: skip
    assert rows[-1]["sizeAndFills"] == "1"
    assert rows[-1]["orderDesc"] == "Bought 1 AAPL Market, Day"
    assert rows[-1]["avgPrice"] == "189.61"


def test_a_market_order_trades_against_the_other_side(driver: Any) -> None:
    """A purchase pays the ask, a sale gets the bid."""
    driver.order("BUY", 10)
    driver.wait()
    driver.order("SELL", 4)
    driver.wait()

    assert [(row["side"], row["price"], row["size"]) for row in driver.fills()] == [
        ("B", "189.61", 10.0),
        ("S", "189.59", 4.0),
    ]
    assert driver.position() == 6


def test_a_limit_order_waits_and_then_gets_the_better_price(driver: Any) -> None:
    """It rests until the market comes, and never pays more than the market asks."""
    order_id = driver.order(**LIMIT)
    driver.wait()
    assert driver.status(order_id) == "Submitted"
    driver.broker.set_price(AAPL, "188.50")
    driver.wait()

    assert driver.status(order_id) == "Filled"
    assert driver.fills()[0]["price"] == "188.51"


def test_an_ioc_order_does_not_rest(driver: Any) -> None:
    """What cannot trade at once is cancelled."""
    order_id = driver.order(**LIMIT, tif="IOC")
    driver.wait()

    assert driver.statuses(order_id)[-2:] == ["Submitted", "Cancelled"]


@pytest.mark.parametrize(
    ("ticket", "path", "price"),
    [
        ({"orderType": "STP", "side": "SELL", "price": 188}, [189, 187.5], "187.49"),
        ({"orderType": "STP", "side": "BUY", "price": 191}, [190, 191.5], "191.51"),
        (
            {"orderType": "STOP_LIMIT", "side": "SELL", "auxPrice": 188, "price": 187},
            [189, 187.5],
            "187.49",
        ),
        # Elected below its limit, it waits for the price to come back.
        (
            {"orderType": "STOP_LIMIT", "side": "SELL", "auxPrice": 188, "price": 187},
            [186, 187.5],
            "187.49",
        ),
        ({"orderType": "MIT", "side": "BUY", "price": 188}, [189, 187.5], "187.51"),
        (
            {"orderType": "LIT", "side": "SELL", "auxPrice": 191, "price": "191.50"},
            [190, 191, 191.6],
            "191.59",
        ),
        ({"orderType": "MIDPRICE", "side": "BUY"}, [189.5], "189.60"),
        ({"orderType": "MIDPRICE", "side": "SELL", "price": 189}, [189.5], "189.60"),
        ({"orderType": "TRAIL", "side": "SELL", "trailingAmt": 1}, [191, 190.5, 189.9], "189.89"),
        (
            {"orderType": "TRAIL", "side": "BUY", "trailingAmt": 1, "trailingType": "%"},
            [185, 186, 186.9],
            "186.91",
        ),
        (
            {"orderType": "TRAIL", "side": "SELL", "trailingAmt": 2, "price": "189.00"},
            [189.5, 188.9],
            "188.89",
        ),
        (
            {
                "orderType": "TRAILLMT", "side": "SELL", "trailingAmt": 1, "price": "188.60",
                "auxPrice": "0.50",
            },
            [191, 189.4, 189.8],
            "189.79",
        ),
        (
            {
                "orderType": "TRAILLMT", "side": "BUY", "trailingAmt": 1, "price": "190.60",
                "auxPrice": "0.50",
            },
            [190.7],
            "190.71",
        ),
    ],
)  # fmt: skip
def test_conditional_orders_trade_when_elected(
    driver: Any, ticket: dict[str, Any], path: list[float], price: str
) -> None:
    """Each type waits for its trigger and trades only at the end of the path."""
    order_id = driver.order(**ticket)
    driver.wait()
    for step in path:
        if ticket["orderType"] != "MIDPRICE":
            assert driver.status(order_id) in {"PreSubmitted", "Submitted"}
        driver.broker.set_price(AAPL, step)
        driver.wait()

    assert driver.status(order_id) == "Filled"
    assert [row["price"] for row in driver.fills()] == [price]


def test_a_stop_is_presubmitted_until_elected(driver: Any) -> None:
    """Waiting for its trigger it is accepted, but not working."""
    order_id = driver.order("SELL", orderType="STP", price=188, tif="GTC")
    driver.wait()

    assert driver.status(order_id) == "PreSubmitted"
    answer = driver.get(f"/iserver/account/order/status/{order_id}")
    assert (answer["stop_price"], answer["limit_price"]) == ("188.00", "")


def test_partial_fills_add_up(drive: Callable[..., Any]) -> None:
    """Three parts, sizes reported after each, one average price."""
    driver = drive(partial_fills=True)
    order_id = driver.order(**LIMIT | {"price": "190.00"}, cOID="parts")
    driver.wait()
    driver.broker.set_price(AAPL, "189.80")
    driver.wait()
    driver.wait()

    assert [row["size"] for row in driver.fills()] == [4.0, 4.0, 2.0]
    deltas = [event.row for event in driver.of(OrderChanged) if "remainingQuantity" in event.row]
    assert [row["sizeAndFills"] for row in deltas] == ["0/10", "4/6", "8/2", "10"]
    assert deltas[2]["avgPrice"] == "189.71"
    assert deltas[3]["avgPrice"] == "189.73"
    assert driver.status(order_id) == "Filled"


def test_an_ioc_order_keeps_what_it_got(drive: Callable[..., Any]) -> None:
    """The filled part stays, the rest is cancelled."""
    driver = drive(partial_fills=True)
    order_id = driver.order("BUY", 9, tif="IOC")
    driver.wait()

    assert driver.status(order_id) == "Cancelled"
    assert driver.position() == 3


def test_all_or_none_fills_in_one(drive: Callable[..., Any]) -> None:
    """The flag switches partial fills off for the order."""
    driver = drive(partial_fills=True)
    driver.order("BUY", 9, allOrNone=True)
    driver.wait()

    assert [row["size"] for row in driver.fills()] == [9.0]


def test_a_fill_is_reported_twice_and_the_commission_late(drive: Callable[..., Any]) -> None:
    """First without, then with the commission, under the same execution id."""
    driver = drive(late_commission_s=5.0)
    driver.order("BUY", 1000)
    driver.wait(1)
    assert "commission" not in driver.broker.executions(1)[0]
    driver.wait(5)

    first, second = (event.row for event in driver.of(Executed))
    assert second == first | {"commission": "5.0"}
    assert driver.broker.executions(1) == [second]
    assert first["order_description"] == "Bot 1000 @ 189.61 on IBKRATS"
    assert first["trade_time"] == "20261120-18:40:01"
    assert first["trade_time_r"] == 1_795_200_001_000
    assert first["position"] == "1000"
    assert "order_ref" not in first


def test_commissions_can_be_free(drive: Callable[..., Any]) -> None:
    """No rate, no minimum."""
    from decimal import Decimal

    driver = drive(commission_per_share=Decimal(0))
    driver.order()
    driver.wait(1)
    driver.wait(1)

    assert driver.broker.executions(1)[0]["commission"] == "0.0"


def test_day_orders_end_with_the_day(driver: Any) -> None:
    """GTC orders stay, and a finished order is left alone."""
    day = driver.order(**LIMIT)
    kept = driver.order(**LIMIT, tif="GTC")
    driver.wait()
    driver.wait(86_400)

    assert driver.status(day) == "Cancelled"
    assert driver.status(kept) == "Submitted"


# brackets and groups


def test_a_bracket_answers_child_first_and_waits_for_its_parent(driver: Any) -> None:
    """Children are held until the entry fills; then one ends the other."""
    rows = driver.place(*_bracket(orderType="LMT", price="189.00"))

    stop, target, parent = rows
    assert parent["local_order_id"] == "P1"
    assert stop["parent_order_id"] == target["parent_order_id"] == parent["order_id"]
    ids = {name: int(row["order_id"]) for name, row in
           (("stop", stop), ("target", target), ("parent", parent))}  # fmt: skip
    driver.broker.set_price(AAPL, 196)
    driver.wait()
    assert driver.status(ids["target"]) == "PreSubmitted"
    driver.broker.set_price(AAPL, "188.50")
    driver.wait()
    assert driver.status(ids["parent"]) == "Filled"
    assert driver.status(ids["target"]) == "Submitted"
    assert driver.status(ids["stop"]) == "PreSubmitted"
    driver.broker.set_price(AAPL, 184)
    driver.wait()

    assert driver.status(ids["stop"]) == "Filled"
    assert driver.status(ids["target"]) == "Cancelled"
    assert driver.position() == 0


def test_bracket_rows_can_come_in_the_order_asked(drive: Callable[..., Any]) -> None:
    """The quirk of children first is a switch."""
    rows = drive(bracket_children_first=False).place(*_bracket())

    assert "local_order_id" in rows[0]


def test_cancelling_a_parent_cancels_its_children(driver: Any) -> None:
    """Children without a position to protect end with their parent."""
    stop, target, parent = driver.place(*_bracket(orderType="LMT", price="189.00"))
    driver.wait()
    driver.ask("DELETE", f"/iserver/account/{ACCOUNT}/order/{parent['order_id']}")
    driver.wait()

    assert {driver.status(int(row["order_id"])) for row in (stop, target, parent)} == {"Cancelled"}


def test_a_child_can_be_attached_to_a_filled_parent(driver: Any) -> None:
    """It works at once, and a second one joins its group."""
    driver.order("BUY", 10, cOID="P9")
    driver.wait()
    child = {"orderType": "LMT", "side": "SELL", "quantity": 10, "parentId": "P9"}
    target = driver.order(**child, price=191)
    second = driver.order(**child, price=192)
    driver.wait()
    driver.broker.set_price(AAPL, 193)
    driver.wait()

    assert (driver.status(target), driver.status(second)) == ("Filled", "Cancelled")


def test_one_fill_of_a_group_cancels_the_others(drive: Callable[..., Any]) -> None:
    """Even a partial fill decides."""
    driver = drive(partial_fills=True)
    ticket = {"orderType": "LMT", "side": "BUY", "quantity": 9, "isSingleGroup": True}
    rows = driver.place(*({**ticket, "price": price} for price in ("189.00", "188.50", "188.00")))
    first, second, third = (int(row["order_id"]) for row in rows)
    driver.wait()
    driver.broker.set_price(AAPL, "188.90")
    driver.wait()

    assert driver.status(first) == "Submitted"
    assert driver.status(second) == driver.status(third) == "Cancelled"
    assert len(driver.fills()) == 1


def _small(price: str) -> list[dict[str, Any]]:
    return [{**leg, "quantity": 10} for leg in _bracket(orderType="LMT", price=price)]


def _ids(rows: list[dict[str, Any]]) -> tuple[int, ...]:
    return tuple(int(row["order_id"]) for row in rows)


def test_attached_orders_are_a_group_named_by_their_parent(driver: Any) -> None:
    """The status of parent and children names each other; live orders have the group."""
    stop, target, parent = _ids(driver.place(*_small("189.00")))
    path = "/iserver/account/order/status"
    told = [driver.get(f"{path}/{number}") for number in (parent, stop, target)]
    keys = ("children_order_ids", "parent_order_id", "oca_group_id", "oca_group_type")

    assert [[row.get(key) for key in keys] for row in told] == [
        [f"{stop},{target}", None, None, None],
        [None, f"{parent}", f"{parent}", "ReduceOnFillNonBlock"],
        [None, f"{parent}", f"{parent}", "ReduceOnFillNonBlock"],
    ]
    groups = {row["orderId"]: row.get("ocaGroupId") for row in driver.broker.live_order_rows()}
    assert groups == {parent: None, stop: f"{parent}", target: f"{parent}"}


def _change(driver: Any, order_id: int, **ticket: Any) -> Any:
    body = {"conid": AAPL, "tif": "DAY", "side": "SELL", **ticket}
    return driver.ask("POST", f"/iserver/account/{ACCOUNT}/order/{order_id}", body).body


def _sizes(driver: Any) -> dict[int, float]:
    return {row["orderId"]: row["totalSize"] for row in driver.broker.live_order_rows()}


def test_a_new_size_of_a_held_child_is_acknowledged_and_ignored(driver: Any) -> None:
    """Its price changes, its size does not."""
    stop, target, _ = _ids(driver.place(*_small("189.00")))
    driver.wait()
    rows = _change(driver, target, orderType="LMT", price=194, quantity=4)

    assert int(rows[0]["order_id"]) == target
    assert _sizes(driver)[target] == _sizes(driver)[stop] == 10.0
    assert driver.broker.live_order_rows()[-1]["price"] == "194.00"


def test_a_child_works_for_what_its_parent_has_filled(drive: Callable[..., Any]) -> None:
    """It grows with the parent's fills."""
    driver = drive(partial_fills=True)
    stop, target, parent = _ids(driver.place(*_small("190.00")))
    sizes = []
    for _ in range(3):
        driver.wait()
        sizes.append((driver.status(target), _sizes(driver)[target], _sizes(driver)[stop]))

    assert sizes == [
        ("Submitted", 4.0, 4.0), ("Submitted", 8.0, 8.0), ("Submitted", 10.0, 10.0)
    ]  # fmt: skip
    assert driver.status(parent) == "Filled"


def test_a_released_child_can_be_raised_above_the_fill_and_end_short(
    drive: Callable[..., Any],
) -> None:
    """Nothing at the broker holds it to what its parent has filled."""
    driver = drive(partial_fills=True)
    _, target, parent = _ids(driver.place(*_small("190.00")))
    driver.wait()
    driver.ask("DELETE", f"/iserver/account/{ACCOUNT}/order/{parent}")
    driver.wait()
    rows = _change(driver, target, orderType="LMT", price="189.00", quantity=10)
    for _ in range(4):
        driver.wait()

    assert int(rows[0]["order_id"]) == target
    assert driver.status(target) == "Filled"
    assert driver.position() == -6.0


def test_a_fill_of_a_child_reduces_the_other(drive: Callable[..., Any]) -> None:
    """By as much; what has nothing left ends."""
    driver = drive(partial_fills=True)
    stop, target, _ = _ids(driver.place(*_small("190.00")))
    for _ in range(3):
        driver.wait()
    driver.broker.set_price(AAPL, 196)
    driver.wait()
    assert (_sizes(driver)[stop], driver.status(stop)) == (6.0, "PreSubmitted")
    driver.wait()
    driver.wait()

    assert (driver.status(target), driver.status(stop)) == ("Filled", "Cancelled")
    assert driver.position() == 0


def test_a_stop_stays_for_what_the_parent_may_still_fill(drive: Callable[..., Any]) -> None:
    """Although the target has sold all that had been bought."""
    driver = drive(partial_fills=True)
    stop, target, parent = _ids(driver.place(*_small("190.00")))
    driver.wait()
    driver.broker.set_price(AAPL, 196)
    driver.wait()
    driver.wait()
    assert (driver.status(target), driver.position()) == ("Filled", 0)
    driver.broker.set_price(AAPL, "189.60")
    driver.wait()
    assert (_sizes(driver)[stop], driver.position()) == (4.0, 4.0)
    driver.wait()

    assert (_sizes(driver)[stop], driver.status(parent)) == (6.0, "Filled")


def test_a_bracket_child_can_fail_alone(drive: Callable[..., Any]) -> None:
    """The answer has a failed row, and the parent stays inactive: brackets are not atomic."""
    driver = drive(fail_bracket_child=True)
    failed, *rest = driver.place(*_bracket())
    driver.wait()

    assert (failed["order_id"], failed["order_status"]) == ("-1", "Failed")
    assert failed["text"] == failed["warning_message"]
    assert [row["order_status"] for row in rest] == ["Inactive", "Inactive"]
    parent = int(rest[-1]["order_id"])
    assert driver.status(parent) == "Inactive"
    assert driver.ask("DELETE", f"/iserver/account/{ACCOUNT}/order/{parent}") == (
        400,
        {"error": f"OrderID {parent} doesn't exist"},
    )


# questions


def test_a_far_limit_is_questioned_and_placed_after_yes(driver: Any) -> None:
    """Question o163, its reply id a UUID, then the order."""
    (question,) = driver.place(FAR)

    assert question["messageIds"] == ["o163"]
    assert question["message"][0].split("\n") == [
        'The following order "BUY 10 AAPL NASDAQ.NMS @ 150.0" price exceeds ',
        "the Percentage constraint of 3%.",
        "Are you sure you want to submit this order?",
    ]
    assert question["messageOptions"] == ["Yes", "No"]
    assert question["isSuppressed"] is False
    assert uuid.UUID(question["id"]).version == 4
    assert driver.wait() == []
    (row,) = driver.reply(question["id"]).body
    assert row["order_status"] == "PreSubmitted"
    assert driver.reply(question["id"]).status == 400


def test_a_refused_question_drops_the_order(driver: Any) -> None:
    """Nothing is placed, and the client order id is free again."""
    (question,) = driver.place(FAR)

    answer = driver.reply(question["id"], confirmed=False)
    assert answer == (200, {"error": "Order not confirmed "})
    assert driver.broker.live_order_rows() == []
    assert driver.place(FAR)[0]["messageIds"] == ["o163"]


def test_a_chain_asks_one_question_after_the_other(drive: Callable[..., Any]) -> None:
    """Every answer but the last brings the next question; an id may be one's own."""
    driver = drive(question_chain=("o163", "o354", "x1"), known_messages={"x1": "Really {order}?"})
    (first,) = driver.place({"orderType": "MKT", "side": "SELL", "quantity": 1})
    (second,) = driver.reply(first["id"]).body
    (third,) = driver.reply(second["id"]).body

    assert [row["messageIds"] for row in (first, second, third)] == [["o163"], ["o354"], ["x1"]]
    assert third["message"] == ["Really SELL 1 AAPL NASDAQ.NMS?"]
    assert "order_id" in driver.reply(third["id"]).body[0]


def test_an_unknown_message_id_has_a_general_text(drive: Callable[..., Any]) -> None:
    """New questions appear without notice; the simulator can play that."""
    driver = drive(question_chain=("o99999",))

    assert "BUY 10 AAPL" in driver.place(LIMIT)[0]["message"][0]


def test_orders_without_data_are_questioned(drive: Callable[..., Any]) -> None:
    """Question o354 for an instrument without a subscription."""
    driver = drive(unsubscribed_conids=frozenset({AAPL}), ask_price_constraint=False)

    assert driver.place(FAR)[0]["messageIds"] == ["o354"]


def test_questions_can_be_random(drive: Callable[..., Any]) -> None:
    """With a chance of a half some orders are questioned and some are not."""
    driver = drive(question_chance=0.5)
    kinds = {"id" in driver.place({**FAR, "cOID": f"c{number}"})[0] for number in range(30)}

    assert kinds == {True, False}


@pytest.mark.parametrize(
    ("settings", "ticket", "message_ids", "words"),
    [
        ({"size_limit": Decimal(5)}, {}, ["o383"], "size exceeds the Size Limit of 5."),
        ({"value_limit": Decimal(1800)}, {}, ["o451"], "value estimate of 1,890.00 USD exceeds \n"),
        ({"size_limit": Decimal(10), "value_limit": Decimal(1890)}, {}, [], ""),
        ({"ask_order_risks": True}, {}, [], ""),
        ({"ask_order_risks": True}, {"orderType": "MKT"}, ["o10151", "o10153"], "at any available"),
        ({"ask_order_risks": True}, {"orderType": "STP"}, ["o10152"], "a Stop (Market) Order"),
        (
            {"ask_order_risks": True},
            {"orderType": "STOP_LIMIT", "auxPrice": 190},
            ["o10153"],
            "cap",
        ),
    ],
)
def test_what_the_user_has_not_switched_off_is_asked(
    drive: Callable[..., Any],
    settings: dict[str, Any],
    ticket: dict[str, Any],
    message_ids: list[str],
    words: str,
) -> None:
    """Limits of size and value, and the risks of an order type."""
    (row,) = drive(**settings).place({**LIMIT, **ticket})

    assert row.get("messageIds", []) == message_ids[:1]
    assert words in row.get("message", [""])[0]


def test_the_consenting_option_is_not_always_the_first(drive: Callable[..., Any]) -> None:
    """Recorded of the question about a mandatory cap price."""
    (question,) = drive(question_chain=("o10153",)).place(LIMIT)

    assert question["messageOptions"] == ["Decline", "Accept and Continue"]


def test_suppressed_questions_are_not_asked_until_reset(driver: Any) -> None:
    """A new list replaces the old one; a new session forgets it."""
    suppress = "/iserver/questions/suppress"
    assert driver.ask("POST", suppress, {"messageIds": ["o163"]}) == (200, {"status": "submitted"})
    assert "order_id" in driver.place({**FAR, "cOID": "a"})[0]
    driver.ask("POST", suppress, {"messageIds": ["o354"]})
    assert "id" in driver.place({**FAR, "cOID": "b"})[0]
    driver.ask("POST", suppress, {"messageIds": ["o163"]})
    driver.ask("POST", f"{suppress}/reset", {})

    assert "id" in driver.place({**FAR, "cOID": "c"})[0]


@pytest.mark.parametrize("body", [None, {}, {"messageIds": []}, {"messageIds": ["o1"] * 52}])
def test_an_empty_or_long_suppress_list_is_a_server_error(driver: Any, body: Any) -> None:
    """Between 1 and 51 ids."""
    assert driver.ask("POST", "/iserver/questions/suppress", body).status == 500


def test_another_order_request_makes_the_reply_stale(driver: Any) -> None:
    """The reply id is gone, and so is the order."""
    (question,) = driver.place(FAR)
    driver.order(**LIMIT)
    answer = driver.reply(question["id"])

    assert answer.status == 400
    assert answer.body == {"error": f"reply id not found: '{question['id']}'"}
    assert len(driver.broker.live_order_rows()) == 1


def test_a_stale_order_can_go_live_after_503(drive: Callable[..., Any]) -> None:
    """The worst quirk: refused with 503, it is placed when a like question is confirmed."""
    driver = drive(stale_reply="unavailable")
    (stale,) = driver.place({**FAR, "cOID": "ghost"})
    (question,) = driver.place({**FAR, "cOID": "second"})
    answer = driver.reply(stale["id"])
    assert answer == (503, {"error": "Service Unavailable", "statusCode": 503})
    assert driver.broker.live_order_rows() == []
    driver.reply(question["id"])

    rows = driver.broker.live_order_rows()
    assert [row["order_ref"] for row in rows] == ["ghost", "second"]
    assert driver.reply(stale["id"]).status == 400


def test_questions_of_another_account_stay_open(drive: Callable[..., Any]) -> None:
    """Only order requests for the same account interfere."""
    driver = drive(accounts=(ACCOUNT, OTHER))
    (question,) = driver.place(FAR)
    driver.place(LIMIT, account=OTHER)

    assert driver.reply(question["id"]).status == 200


def test_a_new_session_forgets_open_questions(driver: Any) -> None:
    """Dialogues do not outlive the brokerage session."""
    (question,) = driver.place(FAR)
    driver.broker.new_session()

    assert driver.reply(question["id"]).status == 400


def test_stale_questions_are_kept_in_bounds(driver: Any) -> None:
    """A client that never answers does not fill the memory."""
    for number in range(150):
        driver.place({**FAR, "cOID": f"c{number}"})

    # What is forgotten shows nowhere else.
    assert len(driver.broker._desk._stale) == 100


def test_a_client_order_id_taken_meanwhile_is_refused_at_the_end(
    drive: Callable[..., Any],
) -> None:
    """A ghost that took the id first wins."""
    driver = drive(stale_reply="unavailable")
    (stale,) = driver.place(FAR)
    (question,) = driver.place(FAR)
    driver.reply(stale["id"])

    assert "already registered" in driver.reply(question["id"]).body["error"]


def test_a_reply_must_say_yes_or_no(driver: Any) -> None:
    """Anything but a JSON boolean is malformed."""
    assert driver.reply("x", confirmed="yes").status == 400


# refusals


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"conid": 1}, "No such contract"),
        ({"conid": None, "conidex": "abc@SMART"}, "No such contract"),
        ({"conid": 11004968}, "cannot be traded"),
        ({"orderType": "FOO"}, "Invalid order type"),
        ({"side": "HOLD"}, "Invalid order side"),
        ({"tif": "NEVER"}, "Invalid time in force"),
        ({"price": None}, "price is required"),
        ({"price": ""}, "price is required"),
        ({"price": "dear"}, "price is not a number"),
        ({"price": 189.005}, "minimum price variation"),
        ({"price": -1}, "must be positive"),
        ({"quantity": None}, "quantity is required"),
        ({"quantity": 0}, "must be positive"),
        ({"quantity": 1.00001}, "more than 4 digits"),
        ({"quantity": 1.5, "conid": CALL, "price": 5}, "minimum variation of 1"),
        ({"quantity": 1.5, "conid": 38708077, "price": 3450}, "minimum variation of 1"),
        ({"cashQty": 1000}, "Only one of"),
        ({"quantity": None, "cashQty": 1000, "fxQty": 5}, "Only one of"),
        ({"quantity": None, "fxQty": 1000}, "Cash quantity is not supported"),
        ({"quantity": None, "cashQty": 1000, "conid": CALL, "price": 5}, "Cash quantity is not"),
        ({"quantity": None, "cashQty": 0}, "must be positive"),
        ({"quantity": None, "cashQty": 100}, "too small"),
        ({"orderType": "LOC", "price": None}, "price is required"),
        ({"conid": f"28812380;;;{AAPL}/1"}, "cannot be traded"),
        ({"conid": f"28812380;;;{AAPL}/1,{AAPL}/-1"}, "cannot be traded"),
        ({"conid": f"28812380;;;{AAPL}/1,{IBM}/0"}, "cannot be traded"),
        ({"conid": f"61227087;;;{AAPL}/1,{IBM}/-1"}, "cannot be traded"),
        ({"conid": f"28812380;;;{AAPL}/1,273982664/-1"}, "cannot be traded"),
        ({"conid": f"28812380;;;{AAPL}/1,1/-1"}, "No such contract"),
        ({"conid": f"28812380;;;{AAPL}/1,{IBM}/-1", "quantity": 1.5}, "minimum variation of 1"),
        ({"orderType": "STOP_LIMIT"}, "auxPrice is required"),
        ({"orderType": "TRAIL"}, "trailingAmt is required"),
        ({"orderType": "TRAIL", "trailingAmt": 0}, "trailingAmt must be positive"),
        ({"orderType": "TRAILLMT", "trailingAmt": 1}, "auxPrice is required"),
        ({"parentId": "nobody"}, "does not exist"),
        ({"cOID": "me", "parentId": "me"}, "its own child"),
        ({"quantity": 10_000_000}, "does not cover"),
    ],
)
def test_bad_tickets_are_refused_with_status_200(
    driver: Any, change: dict[str, Any], words: str
) -> None:
    """A refusal is an error object, not an HTTP error."""
    body = driver.place({**LIMIT, **change})

    assert words in body["error"]
    assert driver.broker.live_order_rows() == []


@pytest.mark.parametrize("body", [None, {}, {"orders": []}, {"orders": ["x"]}, [LIMIT]])
def test_malformed_bodies_are_bad_requests(driver: Any, body: Any) -> None:
    """Tickets come in a list under `orders`."""
    assert driver.ask("POST", f"/iserver/account/{ACCOUNT}/orders", body).status == 400


def test_a_bad_child_refuses_the_whole_bracket(driver: Any) -> None:
    """An unknown contract in one leg gives one bare error."""
    parent, stop, target = _bracket()
    body = driver.place(parent, {**stop, "conid": 1}, target)

    assert "No such contract" in body["error"]
    assert driver.broker.live_order_rows() == []


def test_a_client_order_id_is_unique_for_a_day(driver: Any) -> None:
    """Twice in one request, twice in a day: refused; a day later it is free."""
    driver.order(**LIMIT, cOID="once")
    twice = {**LIMIT, "cOID": "twice"}

    assert "once is already registered" in driver.place({**LIMIT, "cOID": "once"})["error"]
    assert "twice is already registered" in driver.place(twice, twice)["error"]
    driver.now += 86_400
    assert "order_id" in driver.place({**LIMIT, "cOID": "once"})[0]


def test_order_endpoints_check_account_and_session(driver: Any) -> None:
    """An unknown account is a server error; a new session reads its accounts first."""
    body = {"orders": [LIMIT]}
    assert driver.ask("POST", "/iserver/account/U1/orders", body) == (
        500,
        {"error": "Invalid account ID"},
    )
    driver.broker.new_session()
    for method, path in (
        ("POST", f"/iserver/account/{ACCOUNT}/orders"),
        ("POST", f"/iserver/account/{ACCOUNT}/orders/whatif"),
        ("POST", f"/iserver/account/{ACCOUNT}/order/1"),
        ("DELETE", f"/iserver/account/{ACCOUNT}/order/1"),
        ("GET", "/iserver/account/orders"),
    ):
        assert driver.ask(method, path, body).body["error"].endswith("query /accounts first")


# changing and cancelling


def test_a_modified_order_has_new_terms_and_keeps_its_name(driver: Any) -> None:
    """A full ticket replaces the old one."""
    order_id = driver.order(**LIMIT, cOID="mine")
    driver.wait()
    ticket = {**LIMIT, "conid": AAPL, "tif": "GTC", "price": "190.00", "quantity": 20}
    answer = driver.ask("POST", f"/iserver/account/{ACCOUNT}/order/{order_id}", ticket)

    assert answer.body == [
        {"order_id": str(order_id), "order_status": "PreSubmitted", "encrypt_message": "1"}
    ]
    driver.wait()
    row = driver.broker.live_order_rows()[0]
    assert (row["status"], row["totalSize"], row["order_ref"]) == ("Filled", 20.0, "mine")
    assert row["timeInForce"] == "GTC"


def test_a_modification_can_be_questioned(driver: Any) -> None:
    """The question flow is the same as for a new order."""
    order_id = driver.order(**LIMIT)
    driver.wait()
    path = f"/iserver/account/{ACCOUNT}/order/{order_id}"
    (question,) = driver.ask("POST", path, {**FAR, "conid": AAPL, "tif": "DAY"}).body
    assert question["messageIds"] == ["o163"]
    driver.reply(question["id"])

    assert driver.broker.live_order_rows()[0]["price"] == "150.00"


def test_an_order_that_ends_while_questioned_cannot_be_modified(driver: Any) -> None:
    """The answer comes too late."""
    order_id = driver.order(**LIMIT)
    driver.wait()
    path = f"/iserver/account/{ACCOUNT}/order/{order_id}"
    (question,) = driver.ask("POST", path, {**FAR, "conid": AAPL, "tif": "DAY"}).body
    driver.broker.set_price(AAPL, 188)
    driver.wait()

    assert driver.reply(question["id"]) == (400, {"error": "Order is inactive"})


def test_reducing_to_the_filled_quantity_completes_an_order(drive: Callable[..., Any]) -> None:
    """Less than that is refused, as are another side and another contract."""
    driver = drive(partial_fills=True)
    terms = {**LIMIT, "price": "190.00", "conid": AAPL, "tif": "DAY"}
    order_id = driver.order(**LIMIT | {"price": "190.00"})
    driver.wait()
    path = f"/iserver/account/{ACCOUNT}/order/{order_id}"

    assert "below" in driver.ask("POST", path, {**terms, "quantity": 3}).body["error"]
    assert "cannot be" in driver.ask("POST", path, {**terms, "side": "SELL"}).body["error"]
    assert "cannot be" in driver.ask("POST", path, {**terms, "conid": IBM}).body["error"]
    assert "No such" in driver.ask("POST", path, None).body["error"]
    (row,) = driver.ask("POST", path, {**terms, "quantity": 4}).body
    assert row["order_status"] == "Filled"


def test_a_working_order_is_cancelled_at_the_next_step(driver: Any) -> None:
    """The answer is an acknowledgement; the end comes later."""
    order_id = driver.order(**LIMIT)
    driver.wait()
    answer = driver.ask("DELETE", f"/iserver/account/{ACCOUNT}/order/{order_id}")

    assert answer.body == {
        "msg": "Request was submitted",
        "order_id": order_id,
        "conid": AAPL,
        "account": ACCOUNT,
    }
    assert driver.status(order_id) == "PendingCancel"
    driver.broker.set_price(AAPL, 180)
    driver.wait()
    assert driver.statuses(order_id)[-2:] == ["PendingCancel", "Cancelled"]
    assert driver.fills() == []


def test_a_fill_can_beat_a_cancel(drive: Callable[..., Any]) -> None:
    """A pending cancel may still trade; without a price for it, it is cancelled."""
    driver = drive(fills_beat_cancels=True)
    orders = [driver.order(**LIMIT), driver.order(**LIMIT | {"price": "185.00"})]
    driver.wait()
    for order_id in orders:
        driver.ask("DELETE", f"/iserver/account/{ACCOUNT}/order/{order_id}")
    driver.broker.set_price(AAPL, 188)
    driver.wait()

    assert [driver.status(order_id) for order_id in orders] == ["Filled", "Cancelled"]


def test_an_order_that_waits_is_cancelled_at_once(driver: Any) -> None:
    """A stop that was never elected has no destination to ask."""
    order_id = driver.order("SELL", orderType="STP", price=180)
    answer = driver.ask("DELETE", f"/iserver/account/{ACCOUNT}/order/{order_id}")

    assert (answer.body["conid"], answer.body["account"]) == (-1, None)
    assert driver.status(order_id) == "Cancelled"


def test_minus_one_cancels_all_of_the_account(drive: Callable[..., Any]) -> None:
    """The other account's orders stay."""
    driver = drive(accounts=(ACCOUNT, OTHER))
    driver.place(*_bracket(orderType="LMT", price="189.00"))
    driver.place(LIMIT, account=OTHER)
    driver.wait()
    driver.ask("DELETE", f"/iserver/account/{ACCOUNT}/order/-1")
    driver.wait()

    orders = book_of(driver.broker).orders.values()
    assert {order.status for order in orders if order.account_id == ACCOUNT} == {"Cancelled"}
    assert {order.status for order in orders if order.account_id == OTHER} == {"Submitted"}


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_unknown_and_finished_orders_cannot_be_changed(driver: Any, method: str) -> None:
    """Two different errors, both 400."""
    order_id = driver.order()
    driver.wait()
    base = f"/iserver/account/{ACCOUNT}/order"

    assert driver.ask(method, f"{base}/1") == (400, {"error": "OrderID 1 doesn't exist"})
    assert driver.ask(method, f"{base}/x").status == 400
    assert driver.ask(method, f"{base}/{order_id}") == (400, {"error": "Order is inactive"})


# watching


def test_live_orders_warm_up_and_force_blanks_them(driver: Any) -> None:
    """Empty with `snapshot:false` means nothing; with true it means none."""
    driver.order(**LIMIT)
    blank = {"orders": [], "snapshot": False}

    assert driver.get("/iserver/account/orders") == blank
    assert len(driver.get("/iserver/account/orders")["orders"]) == 1
    assert driver.get("/iserver/account/orders", force="true") == blank
    answer = driver.get("/iserver/account/orders")
    assert answer["snapshot"] is True
    assert len(answer["orders"]) == 1


def test_filters_choose_by_status_and_silence_the_stream(drive: Callable[..., Any]) -> None:
    """After a filtered read nothing is heard until a forced one."""
    driver = drive(warm_ups=False)
    done, resting = driver.order(), driver.order(**LIMIT)
    driver.wait()
    path = "/iserver/account/orders"

    assert len(driver.get(path, filters="sort_by_time")["orders"]) == 2
    (row,) = driver.get(path, filters="filled,cancelled")["orders"]
    assert row["orderId"] == done
    driver.events.clear()
    driver.order(**LIMIT)
    driver.wait()
    assert driver.of(OrderChanged) == []
    driver.get(path, force="true")
    driver.ask("DELETE", f"/iserver/account/{ACCOUNT}/order/{resting}")
    driver.wait()
    assert driver.statuses(resting) == ["PendingCancel", "Cancelled"]


def test_bad_filters_and_accounts_are_refused(driver: Any) -> None:
    """Filter names are snake case."""
    assert driver.ask("GET", "/iserver/account/orders", filters="Filled,x").status == 400
    answer = driver.ask("GET", "/iserver/account/orders", accountId="U1")
    assert answer.body["error"] == "accountId is not valid"


@pytest.mark.parametrize(("mode", "kinds"), [("marker", {5}), ("dead", set())])
def test_the_live_feed_can_be_poor(drive: Callable[..., Any], mode: str, kinds: set[int]) -> None:
    """Only markers, or nothing at all; fills are still heard."""
    driver = drive(live_orders_feed=mode)
    driver.order()
    driver.wait()

    assert {len(event.row) for event in driver.of(OrderChanged)} == kinds
    assert len(driver.fills()) == 1


def test_an_order_status_spells_numbers_as_texts(driver: Any) -> None:
    """The recorded shape, with a letter for the side and a digit for the state."""
    order_id = driver.order(cOID="mine")
    driver.wait()
    answer = driver.get(f"/iserver/account/order/status/{order_id}")

    assert answer["order_id"] == order_id
    assert (answer["side"], answer["order_ccp_status"]) == ("B", "2")
    assert (answer["cum_fill"], answer["total_size"], answer["size"]) == ("10.0", "10.0", "0.0")
    assert answer["average_price"] == "189.61"
    assert answer["order_status_description"] == "Order Filled"
    assert answer["order_type"] == "MARKET"
    assert driver.ask("GET", "/iserver/account/order/status/77").status == 400


def test_trades_warm_up_and_reach_back_some_days(driver: Any) -> None:
    """The first call is empty; old fills fall out of the window."""
    driver.order()
    driver.wait()
    path = "/iserver/account/trades"
    assert driver.get(path) == []
    assert len(driver.get(path)) == 1
    driver.wait(2 * 86_400)

    assert driver.get(path, days="1") == []
    assert len(driver.get(path, days="3")) == 1
    assert driver.ask("GET", path, days="8").status == 400
    assert driver.ask("GET", path, days="x").status == 400


def test_a_preview_is_all_texts(driver: Any) -> None:
    """Amounts carry separators and units, and nothing is placed."""
    path = f"/iserver/account/{ACCOUNT}/orders/whatif"
    ticket = {**LIMIT, "conid": AAPL, "tif": "DAY", "quantity": 100}
    answer = driver.ask("POST", path, {"orders": [ticket]}).body

    assert answer["amount"] == {
        "amount": "18,900.00 USD (100 Shares)",
        "commission": "1 USD",
        "total": "18,901.00 USD",
    }
    assert answer["position"] == {"current": "0", "change": "100", "after": "100"}
    assert answer["equity"] == {"current": "1,000,000", "change": "-1", "after": "999,999"}
    assert answer["initial"] == {"current": "0", "change": "4,725", "after": "4,725"}
    assert (answer["warn"], answer["error"]) == (None, None)
    assert driver.broker.live_order_rows() == []
    assert "error" in driver.ask("POST", path, {"orders": [{}]}).body
    assert driver.ask("POST", "/iserver/account/U1/orders/whatif", {}).status == 500


def test_a_preview_warns_without_data(drive: Callable[..., Any]) -> None:
    """The warning begins with its number; a sale subtracts."""
    driver = drive(unsubscribed_conids=frozenset({CALL}))
    ticket = {"conid": CALL, "side": "SELL", "orderType": "MKT", "tif": "DAY", "quantity": 2}
    path = f"/iserver/account/{ACCOUNT}/orders/whatif"
    answer = driver.ask("POST", path, {"orders": [ticket]}).body

    assert answer["warn"].startswith("21/")
    assert answer["position"]["after"] == "-2"
    assert answer["amount"]["commission"] == "1.3 USD"


def test_a_prompt_is_answered_with_a_bare_text(driver: Any) -> None:
    """The answer is a JSON string, not an object."""
    path = "/iserver/notification"
    body = {"orderId": 1, "reqId": "2", "text": "Use on this order"}

    assert driver.ask("POST", path, body) == (200, "Request was submitted")
    assert driver.ask("POST", path, {}).status == 400


def test_a_prompted_order_waits_for_a_choice(drive: Callable[..., Any]) -> None:
    """It is inactive until one of the options is named; an answer without one changes nothing."""
    driver = drive(prompt_orders=True)
    prompt = driver.place({"side": "BUY", "quantity": 10, "orderType": "MKT"})
    answer = {"orderId": prompt["orderId"], "reqId": prompt["reqId"], "text": "Perhaps"}
    statuses = []
    for text in ("Perhaps", prompt["options"][0], prompt["options"][0]):
        driver.ask("POST", "/iserver/notification", answer | {"text": text})
        driver.wait()
        statuses.append(driver.status(prompt["orderId"]))

    assert statuses == ["Inactive", "Filled", "Filled"]
    assert len(driver.fills()) == 1


def test_orders_of_the_other_account_are_behind_the_switch(drive: Callable[..., Any]) -> None:
    """Live orders and status follow the selected account; `accountId` names another."""
    driver = drive(accounts=(ACCOUNT, OTHER), warm_ups=False)
    (row,) = driver.place(LIMIT, account=OTHER)
    path = "/iserver/account/orders"

    assert driver.get(path)["orders"] == []
    assert len(driver.get(path, accountId=OTHER)["orders"]) == 1
    status = f"/iserver/account/order/status/{row['order_id']}"
    assert driver.ask("GET", status).status == 400
    driver.ask("POST", "/iserver/account", {"acctId": OTHER})
    assert driver.ask("GET", status).status == 200


def test_options_and_futures_describe_themselves(driver: Any) -> None:
    """Descriptions carry month, strike and right."""
    driver.order(conid=CALL, quantity=1)
    driver.order(conid=ES, quantity=1)
    option, future = driver.broker.live_order_rows()

    assert option["orderDesc"] == "Buy 1 AAPL DEC26 190 C Market, Day"
    assert option["description2"] == "DEC26 190 C"
    assert future["orderDesc"] == "Buy 1 ES DEC26 Market, Day"


def test_an_average_price_can_have_more_digits_than_the_grid(drive: Callable[..., Any]) -> None:
    """Three unequal fills give an average between the ticks."""
    driver = drive(partial_fills=True)
    driver.order("BUY", 3)
    for price in ("189.60", "189.60", "189.61"):
        driver.broker.set_price(AAPL, price)
        driver.wait()

    assert driver.broker.live_order_rows()[0]["avgPrice"] == "189.6133"


def test_a_waiting_stop_can_be_modified(driver: Any) -> None:
    """It stays PreSubmitted, with its new trigger."""
    order_id = driver.order("SELL", orderType="STP", price=180)
    driver.wait()
    ticket = {"conid": AAPL, "side": "SELL", "quantity": 10, "orderType": "STP", "price": 185,
              "tif": "DAY"}  # fmt: skip
    driver.ask("POST", f"/iserver/account/{ACCOUNT}/order/{order_id}", ticket)
    driver.broker.set_price(AAPL, 184)
    driver.wait()

    assert driver.status(order_id) == "Filled"


def test_a_ticket_that_escaped_its_check_is_a_bug() -> None:
    """The matching rules fail loudly instead of trading at a made-up price."""
    with pytest.raises(AssertionError, match="passed the check"):
        # No ticket gets so far; that is what is tested.
        matching._required(None)
