from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.inside import board_of

if TYPE_CHECKING:
    from collections.abc import Callable

SNAPSHOT = "/iserver/marketdata/snapshot"
HISTORY = "/iserver/marketdata/history"
AAPL, IBM = 265598, 8314


def test_a_first_snapshot_has_only_ids(driver: Any) -> None:
    """The first call opens the line, the second has the values."""
    first = driver.get(SNAPSHOT, conids="265598,8314@NYSE", fields="31,84,83")
    second = driver.get(SNAPSHOT, conids="265598,8314@NYSE", fields="31,84,83")

    assert first == [
        {"conidEx": "265598", "conid": AAPL},
        {"conidEx": "8314@NYSE", "conid": IBM},
    ]
    row = second[0]
    assert row["31"] == "189.60"
    assert row["83"].endswith("%")
    assert row["server_id"] == row["6119"]
    assert row["6509"] == "RpB"
    assert row["_updated"] == 1_795_200_000_000


def test_a_new_field_warms_up_by_itself(driver: Any) -> None:
    """A field that was not in the first call is missing once more."""
    driver.get(SNAPSHOT, conids="265598", fields="31")
    second = driver.get(SNAPSHOT, conids="265598", fields="31,84")[0]
    third = driver.get(SNAPSHOT, conids="265598", fields="31,84")[0]

    assert "84" not in second
    assert third["84"] == "189.59"


def test_the_warm_up_can_last_or_be_switched_off(drive: Callable[..., Any]) -> None:
    """Values stay away for the delay; without the warm-up they come at once."""
    slow = drive(snapshot_delay_s=1.0)
    slow.get(SNAPSHOT, conids="265598", fields="31")
    assert "31" not in slow.get(SNAPSHOT, conids="265598", fields="31")[0]
    slow.now += 1.0

    assert "31" in slow.get(SNAPSHOT, conids="265598", fields="31")[0]
    assert "31" in drive(snapshot_warm_up=False).get(SNAPSHOT, conids="265598", fields="31")[0]


def test_exhausted_lines_stay_silently_empty(drive: Callable[..., Any]) -> None:
    """The instrument over the limit never gets values, until a line is free."""
    driver = drive(market_data_lines=1, snapshot_warm_up=False)
    assert driver.broker.open_line(AAPL)

    assert not driver.broker.open_line(IBM)
    assert driver.broker.open_line(AAPL)
    assert driver.get(SNAPSHOT, conids="8314", fields="31") == [{"conidEx": "8314", "conid": IBM}]
    assert driver.broker.close_line(AAPL)
    assert not driver.broker.close_line(AAPL)
    assert "31" in driver.get(SNAPSHOT, conids="8314", fields="31")[0]


def test_an_unknown_contract_has_an_empty_row(driver: Any) -> None:
    """A conid that does not exist looks like one that has no data."""
    assert driver.get(SNAPSHOT, conids="1", fields="31") == [{"conidEx": "1", "conid": 1}]
    assert not driver.broker.open_line(1)


def test_snapshots_demand_the_accounts_first(driver: Any) -> None:
    """A new session has to read its accounts before anything else."""
    driver.broker.new_session()
    answer = driver.ask("GET", SNAPSHOT, conids="265598", fields="31")

    assert answer.status == 400
    assert answer.body == {
        "error": "Bad Request: Please query /accounts first",
        "statusCode": 400,
    }


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"conids": "x", "fields": "31"},
        {"conids": ",".join(["1"] * 101)},
        {"conids": "1", "fields": ",".join(["31"] * 51)},
    ],
)
def test_malformed_snapshots_are_refused(driver: Any, query: dict[str, str]) -> None:
    """Nothing, something else than conids, or too much."""
    assert driver.ask("GET", SNAPSHOT, **query).status == 400


def test_unsubscribing_needs_an_open_line(driver: Any) -> None:
    """Closing what is open succeeds, anything else is a server error."""
    driver.get(SNAPSHOT, conids="265598", fields="31")
    path = "/iserver/marketdata/unsubscribe"

    assert driver.ask("POST", path, {"conid": AAPL}) == (200, {"success": True})
    assert driver.ask("POST", path, {"conid": AAPL}) == (500, {"error": "unknown"})
    assert driver.ask("POST", path).status == 500


def test_unsubscribing_all_restarts_the_warm_up(driver: Any) -> None:
    """After it every line is new."""
    driver.get(SNAPSHOT, conids="265598", fields="31")

    assert driver.get("/iserver/marketdata/unsubscribeall") == {"unsubscribed": True}
    assert "31" not in driver.get(SNAPSHOT, conids="265598", fields="31")[0]


def test_bars_join_the_live_market(drive: Callable[..., Any]) -> None:
    """Old bars repeat exactly, the newest forms, and no bar is missing or doubled."""
    driver = drive(volatility=1.0)
    for _ in range(400):
        driver.wait(1.0)
    first = driver.get(HISTORY, conid="265598", period="1h", bar="1min")
    for _ in range(60):
        driver.wait(1.0)
    second = driver.get(HISTORY, conid="265598", period="1h", bar="1min")

    times = [bar["t"] for bar in second["data"]]
    assert times == list(range(times[0], times[0] + 60 * 60_000, 60_000))
    assert first["data"][1:-1] == second["data"][:-2]
    market = board_of(driver.broker)[AAPL]
    assert second["data"][-1]["c"] == float(market.last)
    assert second["points"] == 59
    assert second["barLength"] == 60
    for bar in second["data"]:
        assert bar["l"] <= min(bar["o"], bar["c"]) <= max(bar["o"], bar["c"]) <= bar["h"]
        assert bar["v"] > 0


def test_bar_volume_times_the_factor_is_in_shares(drive: Callable[..., Any]) -> None:
    """Two factors tell the same volume."""
    bars = {}
    for factor in (40, 100):
        answer = drive(volume_factor=factor).get(HISTORY, conid="8314", period="1d", bar="1h")
        assert answer["volumeFactor"] == factor
        bars[factor] = answer["data"][3]["v"] * factor

    assert bars[40] == pytest.approx(bars[100])


def test_a_coarse_bar_can_cross_the_start(drive: Callable[..., Any]) -> None:
    """The hour in which the simulator started has a past and a live part."""
    driver = drive(volatility=1.0)
    for _ in range(100):
        driver.wait(1.0)
    answer = driver.get(HISTORY, conid="265598", period="1d", bar="1h", outsideRth="true")
    bar = answer["data"][-1]

    assert bar["t"] == 1_795_197_600_000
    assert bar["c"] == float(board_of(driver.broker)[AAPL].last)
    assert answer["outsideRth"] is True
    assert len(answer["data"]) == 24


def test_the_start_time_is_the_end_of_the_window(driver: Any) -> None:
    """Bars are read backwards from it; the summary names price, volume and minute."""
    answer = driver.get(
        HISTORY, conid="265598", period="5min", bar="1min", startTime="20261120-15:00:30"
    )

    assert answer["startTime"] == "20261120-14:56:00"
    assert [bar["t"] % 86_400_000 for bar in answer["data"]][-1] == 15 * 3_600_000
    price, volume, minute = answer["high"].split("/")
    best = max(answer["data"], key=lambda bar: float(bar["h"]))
    assert int(price) == round(best["h"] * 100)
    assert float(volume) == pytest.approx(best["v"], abs=0.001)
    assert 0 <= int(minute) <= 4


def test_at_most_a_thousand_bars_come(driver: Any) -> None:
    """A long period in short bars is cut at the old end."""
    answer = driver.get(HISTORY, conid="265598", period="1w", bar="1min")

    assert len(answer["data"]) == 1000


def test_a_pause_of_the_simulator_is_a_hole(driver: Any) -> None:
    """Minutes in which nobody looked have no bars, and a window inside has none at all."""
    driver.now += 3600
    answer = driver.get(HISTORY, conid="265598", period="5min", bar="1min")

    assert answer["data"] == []
    assert (answer["high"], answer["low"], answer["points"]) == ("", "", 0)


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"conid": "1", "bar": "1min"}, 500),
        ({"conid": "265598", "bar": "1s"}, 500),
        ({"conid": "265598"}, 500),
        ({"conid": "265598", "bar": "1min", "direction": "1"}, 500),
        ({"conid": "265598", "bar": "1min", "period": "3M"}, 400),
        ({"conid": "265598", "bar": "1min", "period": "0d"}, 400),
        ({"conid": "265598", "bar": "1min", "startTime": "yesterday"}, 400),
    ],
)
def test_impossible_windows_are_refused(driver: Any, query: dict[str, str], status: int) -> None:
    """Client mistakes are often reported as server errors."""
    answer = driver.ask("GET", HISTORY, **query)

    assert answer.status == status
    assert answer.body["error"]


def test_the_history_farm_may_have_to_wake(drive: Callable[..., Any]) -> None:
    """The first call of a session fails, the second is answered."""
    driver = drive(history_wakes_up=True)

    assert driver.ask("GET", HISTORY, conid="265598", bar="1min").status == 500
    assert driver.ask("GET", HISTORY, conid="265598", bar="1min").status == 200


def test_other_paths_are_not_the_brokers(driver: Any) -> None:
    """The server shell has to answer them."""
    handle = driver.broker.handle

    assert handle("GET", "/tickle", {}, None, driver.now) is None
    assert handle("GET", "/iserver/account/DU1234567/summary/nothing", {}, None, 0) is None
    assert handle("PUT", SNAPSHOT, {}, None, 0) is None
