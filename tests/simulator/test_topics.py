"""What each topic of the simulator says, with a told clock and no socket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ibkr_async.models.streaming import read_account_ledger, read_account_summary, read_bars
from ibkr_async.simulator.broker.account_rows import java_number
from ibkr_async.simulator.broker.combinations import read_combination
from ibkr_async.simulator.broker.settings import BrokerSettings
from support.simulator_socket import START, SocketDriver

AAPL, IBM, CALL, INDEX = 265598, 8314, 900000201, 11004968
ACCOUNT = "DU1234567"


# --- bars ----------------------------------------------------------------------------------------


def smh(conid: int = AAPL, period: str = "2h", bar: str = "5min", **more: Any) -> str:
    """Write a request for bars."""
    return f"smh+{conid}+{json.dumps({'period': period, 'bar': bar} | more)}"


def test_bars_come_once_with_the_documented_keys() -> None:
    """One answer, which names the slot; two hours of five minutes, volumes in lots."""
    driver = SocketDriver(broker=BrokerSettings(volume_factor=100))
    (answer,) = driver.ask(smh(outsideRth=True))

    assert list(answer) == [
        "serverId", "symbol", "text", "priceFactor", "startTime", "high", "low", "timePeriod",
        "barLength", "mdAvailability", "mktDataDelay", "outsideRth", "volumeFactor",
        "priceDisplayRule", "priceDisplayValue", "negativeCapable", "messageVersion", "data",
        "points", "topic",
    ]  # fmt: skip
    assert (answer["topic"], answer["serverId"]) == (f"smh+{AAPL}", "341115")
    assert (answer["barLength"], answer["timePeriod"], answer["outsideRth"]) == (300, "7200s", True)
    assert (answer["volumeFactor"], answer["points"], len(answer["data"])) == (100, 23, 24)
    assert read_bars(answer)[0].server_id == "341115"
    driver.floor.broker.set_price(AAPL, 190)
    assert driver.wait(60) == []


def test_two_bar_sizes_of_one_contract_are_two_slots() -> None:
    """They share the topic and differ in `serverId`; `umh` frees one of them without a word."""
    driver = SocketDriver()
    (one,), (other,) = driver.ask(smh()), driver.ask(smh(bar="1min", period="30min"))

    assert one["topic"] == other["topic"]
    assert (one["serverId"], other["serverId"]) == ("341115", "341116")
    assert driver.feeds.topics == [f"smh+{AAPL}"] * 2
    assert driver.ask("umh+341115") == []
    assert driver.ask("umh+341115") == []
    assert list(driver.feeds.bars.open) == ["341116"]


def test_sixth_request_for_bars_is_refused_until_a_slot_is_free() -> None:
    """An error frame names the topic; after `umh`, here with its answer, there is room again."""
    driver = SocketDriver(umh_answers=True)
    for _ in range(5):
        driver.ask(smh())

    (refused,) = driver.ask(smh(IBM))
    assert refused["topic"] == f"smh+{IBM}"
    assert "at most 5" in refused["error"]
    assert driver.ask("umh+341117") == [{"message": "Unsubscribed 341117"}]
    assert driver.ask(smh(IBM))[0]["topic"] == f"smh+{IBM}"


def test_sixth_request_for_bars_can_stay_silent() -> None:
    """The switch for a server that says nothing."""
    driver = SocketDriver(sixth_smh="silent")
    answers = [driver.ask(smh()) for _ in range(6)]

    assert [len(answer) for answer in answers] == [1, 1, 1, 1, 1, 0]


def test_bars_are_streamed_with_the_switch() -> None:
    """The forming bar comes again when it has changed; a bar that ended comes once more with it."""
    driver = SocketDriver(smh_streams=True, bars_s=5.0)
    (first,) = driver.ask(smh(bar="1min", period="30min"))
    assert driver.wait(1) == []

    driver.floor.broker.set_price(AAPL, 200)
    (update,) = driver.wait(5)
    assert [bar["h"] for bar in update["data"]] == [200.0]
    assert update["data"][0]["t"] == first["data"][-1]["t"]
    assert update["serverId"] == first["serverId"]
    assert driver.wait(60) == []
    driver.floor.broker.set_price(AAPL, 201)
    (turned,) = driver.wait(5)
    assert [bar["t"] - update["data"][0]["t"] for bar in turned["data"]] == [0, 60_000]
    driver.floor.broker.set_price(AAPL, 201)
    assert driver.wait(5) == []


def test_bar_format_chooses_the_keys() -> None:
    """`%h/%l` leaves the rest out; nonsense asks for everything."""
    driver = SocketDriver()

    assert set(driver.ask(smh(format="%h/%l"))[0]["data"][0]) == {"h", "l", "t"}
    assert set(driver.ask(smh(format="?"))[0]["data"][0]) == set("ochlvt")


@pytest.mark.parametrize("text", ["smh+x", "smh", "smh+1", "umh", "umh+1"])
def test_bar_requests_that_make_no_sense_stay_silent(text: str) -> None:
    """Unknown contracts and slots are not answered: no error is known."""
    assert SocketDriver().ask(text) == []


def test_wrong_bar_size_gets_an_answer_without_bars() -> None:
    """Wrong values are ignored; an empty answer comes, and the slot is taken."""
    driver = SocketDriver()
    (answer,) = driver.ask(smh(bar="7min"))

    assert answer == {"serverId": "341115", "data": [], "points": 0, "topic": f"smh+{AAPL}"}
    assert driver.feeds.topics == [f"smh+{AAPL}"]


# --- price ladder --------------------------------------------------------------------------------


def test_ladder_starts_whole_and_goes_on_with_changed_rows() -> None:
    """Rows from the highest price down, the last trade in focus with its size, then patches."""
    driver = SocketDriver(ladder_depth=3)
    (whole,) = driver.ask(f"sbd+{ACCOUNT}+{AAPL}+ISLAND")

    assert whole["topic"] == f"sbd+{ACCOUNT}+{AAPL}+ISLAND"
    rows = whole["data"]
    assert [row["row"] for row in rows] == list(range(6))
    prices = [float(row["price"].rpartition("@")[2]) for row in rows]
    assert prices == sorted(prices, reverse=True)
    assert ["ask" in row for row in rows] == [True] * 3 + [False] * 3
    (focus,) = [row for row in rows if row["focus"]]
    assert " @ " in focus["price"]
    assert driver.wait(1) == []
    driver.floor.broker.set_price(AAPL, 189.62)
    (patch,) = driver.wait(1)
    assert 0 < len(patch["data"]) <= 6
    assert all(row not in rows for row in patch["data"])


def test_ladders_are_one_to_an_account() -> None:
    """`ubd` names the account only; a second request takes the first one's place."""
    driver = SocketDriver()
    driver.ask(f"sbd+{ACCOUNT}+{AAPL}")
    driver.ask(f"sbd+{ACCOUNT}+{IBM}")
    assert driver.feeds.topics == [f"sbd+{ACCOUNT}+{IBM}"]

    assert driver.ask(f"ubd+{ACCOUNT}") == driver.ask("ubd") == []
    assert driver.feeds.topics == []


def test_old_ladder_has_a_bare_topic_and_numbers() -> None:
    """The switch for the older documentation."""
    (whole,) = SocketDriver(old_ladder=True).ask(f"sbd+{ACCOUNT}+{AAPL}")

    assert whole["topic"] == "sbd"
    assert all(isinstance(row["price"], float) for row in whole["data"])


@pytest.mark.parametrize(
    "text", ["sbd", "sbd+DU1", f"sbd+{ACCOUNT}+x", f"sbd+U1+{AAPL}", f"sbd+{ACCOUNT}+{INDEX}"]
)
def test_ladders_that_cannot_be_stay_silent(text: str) -> None:
    """Unknown account or contract, and an index, which has no order book."""
    assert SocketDriver().ask(text) == []


def test_ladder_needs_depth_data() -> None:
    """Without the subscription nothing comes."""
    driver = SocketDriver(depth_data=False)

    assert driver.ask(f"sbd+{ACCOUNT}+{AAPL}") == []
    assert driver.feeds.topics == []


# --- account -------------------------------------------------------------------------------------


def test_summary_starts_whole_and_goes_on_with_what_changed() -> None:
    """Money rows and text rows; later unchanged ones are key and time; nothing without a change."""
    driver = SocketDriver()
    (first,) = driver.ask(f"ssd+{ACCOUNT}+{{}}")
    rows = {row["key"]: row for row in first["result"]}

    assert first["topic"] == f"ssd+{ACCOUNT}"
    assert rows["NetLiquidation-S"]["monetaryValue"] == 1_000_000.0
    assert rows["NetLiquidation-S"]["currency"] == "USD"
    assert rows["AccountCode"]["value"] == ACCOUNT
    assert all(row["severity"] == 0 and row["timestamp"] == int(START) for row in rows.values())
    assert driver.wait(10) == []
    _buy(driver)
    (later,) = driver.wait(10)
    kinds = {row["key"]: len(row) for row in later["result"]}
    assert kinds["AccountCode"] == 2
    assert kinds["TotalCashValue"] == 5
    assert any(row.is_unchanged for row in read_account_summary(later))


def test_summary_is_narrowed_by_keys_and_fields() -> None:
    """Only the named figures, and of them only the named fields beside key and time."""
    request = {"keys": ["ExcessLiquidity-S", "Cushion"], "fields": ["monetaryValue"]}
    (frame,) = SocketDriver().ask(f"ssd+{ACCOUNT}+{json.dumps(request)}")

    assert [set(row) for row in frame["result"]] == [
        {"key", "timestamp"},
        {"key", "timestamp", "monetaryValue"},
    ]


def test_ledger_comes_every_ten_seconds_even_unchanged() -> None:
    """Mixed spelling and exponents first; then key and time, as long as nothing changes."""
    driver = SocketDriver(broker=BrokerSettings(starting_cash=202_013_117))  # type: ignore[arg-type] # an int serves
    driver.ask(f"sld+{ACCOUNT}")
    assert '"cashbalance":2.02013117E8,"cashBalanceFXSegment":0.0' in driver.texts[0]
    rows = read_account_ledger(driver.frames()[0])

    assert {row.key for row in rows} == {"LedgerListUSD", "LedgerListBASE"}
    assert rows[0].cash_balance == 202_013_117
    assert driver.wait(9) == []
    (quiet,) = driver.wait(1)
    assert all(set(row) == {"key", "timestamp"} for row in quiet["result"])
    _buy(driver)
    (changed,) = driver.wait(10)
    assert all("cashbalance" in row for row in changed["result"])


def test_reports_end_with_a_frame_without_topic() -> None:
    """Both unsubscriptions are answered, once; an unknown account is not."""
    driver = SocketDriver()
    driver.ask(f"ssd+{ACCOUNT}")
    driver.ask(f"sld+{ACCOUNT}")

    assert driver.ask(f"usd+{ACCOUNT}+{{}}") == [{"result": "unsubscribed from summary"}]
    assert driver.ask(f"uld+{ACCOUNT}+{{}}") == [{"result": "unsubscribed from ledger"}]
    assert driver.ask(f"uld+{ACCOUNT}+{{}}") == driver.ask("ssd+U1") == driver.ask("sld") == []


def test_account_topics_go_on_without_a_brokerage_session() -> None:
    """`spl`, `ssd` and `sld` do not need it; the others stand still."""
    driver = SocketDriver()
    for text in ("spl+{}", f"sld+{ACCOUNT}", f'smd+{AAPL}+{{"fields":["31"]}}'):
        driver.ask(text)
    driver.floor.sessions.take_over()
    driver.floor.broker.set_price(AAPL, 150)
    topics = [frame.get("topic") for frame in driver.wait(10)]

    assert topics == ["sts", f"sld+{ACCOUNT}"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (9_999_999.99, "9999999.99"),
        (10_000_000.0, "1.0E7"),
        (202_013_117.91, "2.0201311791E8"),
        (-12_500_000.0, "-1.25E7"),
        (0.0005, "5.0E-4"),
    ],
)
def test_numbers_are_written_as_java_does(value: float, text: str) -> None:
    """With an exponent from ten million up and below a thousandth."""
    assert bytes(java_number(value)).decode() == text
    assert float(text) == value


# --- market data ---------------------------------------------------------------------------------


def test_combination_is_quoted_from_its_legs() -> None:
    """Bid pays the bid of what is bought and the ask of what is sold."""
    driver = SocketDriver()
    conid_ex = f"28812380;;;{AAPL}/1,{IBM}/-1"
    request = {"fields": ["31", "84", "86", "88"]}
    first = driver.ask(f"smd+{conid_ex}+{json.dumps(request)}")[-1]

    assert (first["conidEx"], first["conid"], first["topic"]) == (
        conid_ex,
        28812380,
        f"smd+{conid_ex}",
    )
    assert float(first["84"]) < float(first["86"])
    assert "88" not in first
    assert first["6509"] == "RpB"
    driver.floor.broker.set_price(IBM, 230)
    (moved,) = driver.wait(1)
    assert set(moved) >= {"31", "84", "86"}
    driver.floor.broker.set_price(CALL, 5)
    assert driver.wait(1) == []
    driver.ask(f"umd+{conid_ex}+{{}}")
    assert driver.feeds.topics == []


@pytest.mark.parametrize("text", ["265598", "1;;;", f"1;;;{AAPL}/1", "1;;;5/1,265598/1", "1;;;a/1"])
def test_combinations_need_known_legs(text: str) -> None:
    """A single known leg is a combination too; anything else is none."""
    found = read_combination(text, SocketDriver().floor.broker.instruments)

    assert (found is not None) == (text == f"1;;;{AAPL}/1")


def test_combination_of_unknown_legs_stays_silent() -> None:
    """As any contract that is not known."""
    assert SocketDriver().ask('smd+1;;;5/1,6/-1+{"fields":["31"]}') == []


def test_availability_in_every_frame_with_the_switch() -> None:
    """As a rule 6509 comes once; the switch repeats it."""
    driver = SocketDriver(availability_once=False)
    driver.ask(f'smd+{AAPL}+{{"fields":["31"]}}')
    driver.floor.broker.set_price(AAPL, 190)

    assert driver.wait(1)[0]["6509"] == "RpB"


def test_rest_unsubscription_can_leave_sockets_alone() -> None:
    """The switch for a server that keeps the two apart."""
    driver = SocketDriver(rest_unsubscribe_silences=False)
    driver.ask(f'smd+{AAPL}+{{"fields":["31"]}}')
    driver.floor.request_served("GET", "/iserver/marketdata/unsubscribeall", None)

    assert driver.feeds.topics == [f"smd+{AAPL}"]


def test_new_session_ends_what_it_does_not_inherit() -> None:
    """Market data, bars and ladders end without a word; account topics and orders stay."""
    driver = SocketDriver()
    for text in (
        f'smd+{AAPL}+{{"fields":["31"]}}',
        smh(),
        f"sbd+{ACCOUNT}+{AAPL}",
        "sor",
        "str",
        "spl",
    ):
        driver.ask(text)
    driver.floor.start_session()

    assert sorted(driver.feeds.topics) == ["sor", "spl", "str"]


# --- orders and exercise -------------------------------------------------------------------------


def _buy(driver: SocketDriver) -> None:
    handle = driver.floor.broker.handle
    ticket = {"conid": AAPL, "orderType": "MKT", "side": "BUY", "tif": "DAY", "quantity": 5}
    answer = handle(
        "POST", f"/iserver/account/{ACCOUNT}/orders", {}, {"orders": [ticket]}, driver.now
    )
    while answer is not None and "id" in answer.body[0]:
        path = f"/iserver/reply/{answer.body[0]['id']}"
        answer = handle("POST", path, {}, {"confirmed": True}, driver.now)
    driver.floor.advance(driver.now)
    driver.texts.clear()


def test_replay_can_have_each_fill_twice() -> None:
    """As live: first without the commission, then with it."""
    driver = SocketDriver(replay_fills_twice=True)
    _buy(driver)
    driver.wait(2)
    empty, history = driver.ask('str+{"days":7}')

    assert empty["args"] == []
    assert ["commission" in row for row in history["args"]] == [False, True]
    assert len({row["execution_id"] for row in history["args"]}) == 1


def test_option_is_exercised_in_a_dialogue() -> None:
    """Acknowledgement, content, warning, and an order whose side is EXER on every socket."""
    driver = SocketDriver()
    driver.ask("sor")
    ack, content = driver.ask(f'shs+exercise+{{"CEX":"{CALL}"}}')
    assert ack == {"topic": "shs+exercise"}
    assert (content["action"], content["MID"]) == ("content", "16")
    assert [each["id"] for each in content["data"]["user_action"]] == ["submit", "cancel"]
    assert content["data"]["exercise"]["enabled"] is False

    chosen = {"id": content["data"]["id"], "user_action": "submit", "exercise": {"value": 5}}
    (prompt,) = driver.ask(_input(chosen))
    assert (prompt["action"], prompt["topic"]) == ("prompt", "inp+exercise")
    assert [each["id"] for each in prompt["data"]["user_actions"]] == ["continue", "cancel"]
    assert isinstance(prompt["data"]["id"], int)
    (order,) = driver.ask(_input({"id": str(prompt["data"]["id"]), "user_action": "continue"}))
    (row,) = order["args"]
    assert (row["side"], row["orderDesc"], row["conid"]) == ("EXER", "EXERCISE 5, Day", CALL)


def test_exercise_can_be_cancelled_and_ignores_steps_out_of_order() -> None:
    """What is not awaited is not answered."""
    driver = SocketDriver()
    driver.ask("sor")
    assert driver.ask(_input({"id": "5", "user_action": "submit"})) == []
    content = driver.ask(f'shs+exercise+{{"CEX":"{CALL}"}}')[1]["data"]

    assert driver.ask(_input({"id": "99", "user_action": "submit"})) == []
    assert driver.ask(_input({"id": content["id"], "user_action": "cancel"})) == []
    assert driver.ask(_input({"id": content["id"], "user_action": "submit"})) == []
    assert driver.wait(1) == []


@pytest.mark.parametrize("arguments", ["{}", '{"CEX":"x"}', f'{{"CEX":"{AAPL}"}}', '{"CEX":"1"}'])
def test_exercise_needs_an_option(arguments: str) -> None:
    """Anything else is not answered."""
    assert SocketDriver().ask(f"shs+exercise+{arguments}") == []
    assert SocketDriver().ask(f"shs+other+{arguments}") == []


def _input(data: dict[str, Any]) -> str:
    return f"inp+exercise+{json.dumps({'action': 'user_input', 'data': data})}"


# --- quirks of every topic -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "act", "str_"),
    [("recorded", dict, list), ("object", dict, list), ("array", list, list)],
)
def test_args_come_in_the_chosen_shape(shape: str, act: type, str_: type) -> None:
    """Object or array; an empty list stays a list."""
    driver = SocketDriver(args_shape=shape)
    driver.feeds.greet()
    greeting = driver.frames()

    assert isinstance(greeting[1]["args"], act)
    assert isinstance(driver.ask("str")[0]["args"], str_)


def test_rows_become_frames_when_args_are_objects() -> None:
    """Two rows of one array are two frames then."""
    driver = SocketDriver(args_shape="object", replay_fills_twice=True)
    _buy(driver)
    driver.wait(2)
    frames = driver.ask("str")

    assert [type(frame["args"]) for frame in frames] == [list, dict, dict]


def test_stream_frames_can_be_repeated() -> None:
    """The switch sends each frame as often as it says."""
    driver = SocketDriver(frame_copies=3, first_smd_frame_twice=False)
    frames = driver.ask(f'smd+{AAPL}+{{"fields":["31"]}}')

    assert len(frames) == 3
    assert len({json.dumps(frame) for frame in frames}) == 1


@pytest.mark.parametrize("until_asked", [True, False])
def test_muted_topic_loses_its_frames_and_no_other(until_asked: bool) -> None:
    """For good, or until the topic is requested again."""
    driver = SocketDriver()
    for conid in (AAPL, IBM):
        driver.ask(f'smd+{conid}+{{"fields":["31"]}}')
    driver.floor.mute(f"smd+{AAPL}", until_asked=until_asked)
    driver.floor.broker.set_price(AAPL, 190)
    driver.floor.broker.set_price(IBM, 230)

    assert {frame["conid"] for frame in driver.wait(1)} == {IBM}
    answered = driver.ask(f'smd+{AAPL}+{{"fields":["31"]}}')
    assert bool(answered) == until_asked
    driver.floor.unmute(f"smd+{AAPL}")
    assert driver.ask(f'smd+{AAPL}+{{"fields":["31"]}}')


def test_session_text_on_a_bound_socket() -> None:
    """`Topic unknown`, as one gateway said, or silence, as another did."""
    text = '{"session":"00000000000000000000000000000000"}'

    assert SocketDriver().ask(text)[0]["code"] == 1
    assert SocketDriver(session_text_unknown=False).ask(text) == []
    assert SocketDriver(session_text_unknown=False).ask('{"other":1}')[0]["code"] == 1


def test_status_can_come_before_system() -> None:
    """The order of old traces."""
    driver = SocketDriver(sts_first=True)
    driver.feeds.greet()

    assert [frame["topic"] for frame in driver.frames()] == ["sts", "system", "act"]


def test_nightly_reset_takes_the_session_at_its_hour() -> None:
    """`sts` says so, sockets are closed with the chosen code, and no session can be had till the end."""
    at = START % 86_400
    driver = SocketDriver(reset_window_s=(at + 10, at + 20), reset_close_code=1001)
    assert driver.wait(9) == []
    (status,) = driver.wait(2)

    assert status["args"]["authenticated"] is False
    assert driver.closed_with == [1001]
    sessions = driver.floor.sessions
    assert not sessions.open("gateway", compete=True, now=driver.now)
    driver.wait(10)
    assert sessions.open("gateway", compete=False, now=driver.now)
