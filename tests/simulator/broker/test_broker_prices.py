from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_async.simulator.broker import trading_days
from ibkr_async.simulator.broker.broker import Broker, PnlMoved, PriceMoved
from ibkr_async.simulator.broker.instruments import build_instruments
from ibkr_async.simulator.broker.market_payloads import known_tags
from ibkr_async.simulator.broker.prices import option_value
from support.inside import board_of

if TYPE_CHECKING:
    from collections.abc import Callable

AAPL, EURUSD, ES_INDEX, ES, CALL, TWIN = 265598, 12087792, 11004968, 900000301, 900000201, 900000101
START = 1_795_200_000.0
DAY = 86_400.0


def _run(seed: int, steps: list[float]) -> list[Any]:
    broker, now, seen = Broker(seed=seed, now=START), START, []
    for step in steps:
        now += step
        seen.append(broker.advance(now))
    tags = known_tags()
    return [seen, [broker.market_fields(conid, tags) for conid in broker.instruments]]


@given(st.lists(st.floats(0, 900), max_size=8), st.integers(0, 50))
@settings(max_examples=25)
def test_the_same_seed_and_times_give_the_same_day(steps: list[float], seed: int) -> None:
    """Everything that can be seen repeats itself."""
    assert _run(seed, steps) == _run(seed, steps)


def test_another_seed_gives_another_day() -> None:
    """The seed matters."""
    assert _run(1, [0.25] * 20) != _run(2, [0.25] * 20)


@given(st.lists(st.floats(0.01, 900), min_size=1, max_size=10), st.integers(0, 1000))
@settings(max_examples=50)
def test_markets_stay_on_the_grid_and_uncrossed(steps: list[float], seed: int) -> None:
    """Bid and ask are multiples of the tick, apart, and the last price is within the day."""
    broker, now = Broker(seed=seed, now=START), START
    for step in steps:
        now += step
        broker.advance(now)

    for conid, instrument in broker.instruments.items():
        market = board_of(broker)[conid]
        assert 0 < market.bid < market.ask
        for price in (market.bid, market.ask, market.last, market.prior_close):
            assert price % instrument.tick == 0
        assert market.low <= market.last <= market.high


def test_prices_move_within_a_few_seconds_and_report_it() -> None:
    """A liquid stock is quoted anew all the time."""
    broker = Broker(now=START)
    moved = {
        event.conid
        for step in range(20)
        for event in broker.advance(START + step / 4)
        if isinstance(event, PriceMoved)
    }

    assert AAPL in moved
    assert broker.updated_ms(AAPL) > START * 1000


def test_standing_still_and_going_back_change_nothing() -> None:
    """Time that does not pass moves no price."""
    broker = Broker(now=START)

    assert broker.advance(START) == []
    assert broker.advance(START - 100) == []


def test_a_forced_price_moves_the_whole_market(driver: Any) -> None:
    """Bid, ask and last go to the price, and the next step reports it once."""
    driver.broker.set_price(AAPL, 200)

    assert driver.wait() == [PriceMoved(AAPL)]
    assert driver.wait() == []
    assert driver.broker.market_fields(AAPL, ["31", "84", "86", "70"]) == {
        "31": "200.00",
        "84": "199.99",
        "86": "200.01",
        "70": "200.00",
    }


def test_followers_keep_their_distance_to_the_leader() -> None:
    """Foreign listings, futures and options are computed from their leader."""
    broker = Broker(seed=3, now=START)
    for step in range(1, 200):
        broker.advance(START + 10 * step)
    apple, mexico = board_of(broker)[AAPL], board_of(broker)[38708077]

    assert mexico.mid / apple.mid == pytest.approx(3450 / 189.60)
    future, index = board_of(broker)[ES], board_of(broker)[ES_INDEX]
    assert future.mid / index.mid == pytest.approx(5881.25 / 5868.40)


def test_options_are_worth_at_least_their_intrinsic_value() -> None:
    """A call gains with the stock, a put loses, and neither is ever free."""
    assert option_value(210, 190, "C") > 20 > option_value(210, 190, "P") > 0
    assert option_value(170, 190, "P") > 20


def test_fields_are_spelled_as_on_the_wire(driver: Any) -> None:
    """Prices and sizes are texts, the change in percent is a number, conids are numbers."""
    tags = [
        "31",
        "55",
        "84",
        "85",
        "86",
        "87",
        "88",
        "83",
        "82",
        "6008",
        "6509",
        "7051",
        "7059",
        "7094",
        "7295",
        "7762",
        "7768",
        "6119",
        "6072",
    ]
    values = driver.broker.market_fields(AAPL, tags)

    assert list(values) == tags
    assert values["31"] == "189.60"
    assert values["87"] == "19.2M"
    assert values["7762"] == "19200000"
    assert isinstance(values["83"], float)
    assert values["6008"] == AAPL
    assert values["6509"] == "RpB"
    assert values["7094"] == "265598@NASDAQ"
    assert values["6119"] == driver.broker.server_id(AAPL)
    assert values["6072"] == "DEC26;MAR27;JUN27"


def test_unknown_tags_and_missing_values_are_left_out(driver: Any) -> None:
    """An absent key means no value: an index has no order book, a stock no greeks."""
    fields = driver.broker.market_fields

    assert fields(AAPL, ["9999", "7308", "201", "73"]) == {}
    assert set(fields(ES_INDEX, ["31", "84", "86", "85", "87", "7184"])) == {"31", "7184"}
    assert set(fields(EURUSD, ["31", "84", "87"])) == {"31", "84"}


def test_options_have_greeks_and_terms(driver: Any) -> None:
    """An option shows its right, its expiry and rough greeks."""
    values = driver.broker.market_fields(CALL, ["201", "6457", "6073", "7308", "7714", "7638"])

    assert values["201"] == "C"
    assert values["6457"] == AAPL
    assert 0 < float(values["7308"]) < 1
    assert values["7714"] == "20261218"
    put = driver.broker.market_fields(CALL + 1, ["7308"])
    assert float(put["7308"]) < 0


def test_without_a_subscription_there_are_no_prices(drive: Callable[..., Any]) -> None:
    """Availability says N, and names are still known."""
    driver = drive(unsubscribed_conids=frozenset({AAPL}))
    values = driver.broker.market_fields(AAPL, ["31", "84", "85", "87", "83", "6509", "55"])

    assert values == {"6509": "N", "55": "AAPL"}


def test_before_the_first_trade_the_last_price_is_marked_as_the_close(drive: Any) -> None:
    """After midnight in New York the last price carries a C."""
    driver = drive()
    driver.wait(DAY)

    assert driver.broker.market_fields(AAPL, ["31", "82"]) == {"31": "C189.60", "82": "0.00"}


def test_a_position_shows_in_the_fields(driver: Any) -> None:
    """Position fields count the selected account's holding."""
    driver.order("BUY", 100)
    driver.wait()
    driver.broker.set_price(AAPL, "191.61")
    tags = ["73", "74", "75", "76", "77", "78", "79", "80", "7292", "7639", "7920", "7921"]
    values = driver.broker.market_fields(AAPL, tags)

    assert list(values) == tags
    assert values["73"] == "19161.00"
    assert values["74"] == "189.61"
    assert values["75"] == "200.00"
    assert values["80"] == "1.05%"
    assert values["7292"] == "18961.00"


def test_a_new_day_starts_the_statistics_again(drive: Any) -> None:
    """Yesterday's last price becomes the previous close, and daily P&L starts at zero."""
    driver = drive()
    driver.order("BUY", 100)
    driver.wait()
    driver.broker.set_price(AAPL, 195)
    driver.wait()
    assert driver.broker.pnl()["DU1234567.Core"]["dpl"] == 538.0

    events = driver.wait(DAY)

    assert PnlMoved("DU1234567") in events
    assert driver.broker.pnl()["DU1234567.Core"]["dpl"] == 0.0
    values = driver.broker.market_fields(AAPL, ["7741", "70", "71", "7295", "7762"])
    assert values == dict.fromkeys(["7741", "70", "71", "7295"], "195.00") | {"7762": "0"}


def test_minutes_are_kept_for_five_days_only() -> None:
    """A simulator that runs for weeks does not fill the memory."""
    broker = Broker(now=START)
    for minute in range(7300):
        broker.advance(START + 60 * minute)

    assert {len(minutes) <= 7200 for minutes in board_of(broker).minutes.values()} == {True}


def test_new_york_changes_its_clock_in_march_and_november() -> None:
    """The second Sunday of March and the first of November, at two in the morning."""
    before = datetime(2026, 3, 8, 6, 59, tzinfo=UTC).timestamp()
    after = datetime(2026, 11, 1, 6, 0, tzinfo=UTC).timestamp()

    assert trading_days.new_york(before).hour == 1
    assert trading_days.new_york(before + 60).hour == 3
    assert trading_days.new_york(after - 60).hour == 1
    assert trading_days.new_york(after).hour == 1
    opening = trading_days.new_york_time(date(2026, 7, 1), time(9, 30))
    assert opening == datetime(2026, 7, 1, 13, 30, tzinfo=UTC).timestamp()


@given(st.integers(1_700_000_000, 2_500_000_000))
def test_expiries_are_third_fridays_ahead(now: int) -> None:
    """Whatever the day, the front contract has more than a week to live."""
    expiries = trading_days.quarterly_expiries(now, 3)
    today = trading_days.new_york(now).date()

    assert all(day.weekday() == 4 and 15 <= day.day <= 21 for day in expiries)
    assert all(day.month in {3, 6, 9, 12} for day in expiries)
    assert (expiries[0] - today).days >= 7
    assert expiries == sorted(set(expiries))


def test_a_schedule_has_no_weekends(driver: Any) -> None:
    """Six trading days from a Friday end on the next Friday."""
    answer = driver.get("/contract/trading-schedule", conid=str(AAPL))

    assert list(answer["schedules"])[:2] == ["20261120", "20261123"]
    day = answer["schedules"]["20261120"]
    assert day["liquid_hours"] == [{"opening": 1795185000, "closing": 1795208400}]
    assert day["extended_hours"][0]["cancel_daily_orders"] is True


def test_instruments_are_well_formed() -> None:
    """Start prices are on the grid and followers follow something that exists."""
    instruments = build_instruments(START)

    for instrument in instruments.values():
        assert instrument.rounded(instrument.start_price) == instrument.start_price
        assert instrument.follows in {0, *instruments}
        assert instrument.underlying in {0, *instruments}
    assert instruments[EURUSD].decimals == 5
    assert instruments[CALL].description == "AAPL DEC26 190 C"
    assert instruments[ES].description == "ES DEC26"
    assert instruments[TWIN].rounded(Decimal("0.0001")) == Decimal("0.01")
