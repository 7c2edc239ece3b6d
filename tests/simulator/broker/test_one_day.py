"""One seed gives one day: whoever asks, however often, and however time is told."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from ibkr_async.simulator.broker.broker import Broker, BrokerSettings, PriceMoved
from ibkr_async.simulator.broker.options import greeks, implied_volatility, option_value
from support.inside import board_of

if TYPE_CHECKING:
    from collections.abc import Callable

AAPL, CALL, PUT = 265598, 900000201, 900000202
START = 1_795_200_000.0
HISTORY = "/iserver/marketdata/history"
EVERYTHING = ["31", "84", "85", "86", "88", "7059", "7762", "70", "71"]


def _fields(broker: Broker) -> list[Any]:
    return [broker.market_fields(conid, EVERYTHING) for conid in broker.instruments]


def test_prices_do_not_depend_on_how_often_they_are_looked_at() -> None:
    """Nor on orders that are placed meanwhile."""
    quiet, busy = Broker(seed=7, now=START), Broker(seed=7, now=START)
    busy.handle("GET", "/iserver/accounts", {}, None, START)
    seen = []
    for second in range(1, 121):
        quiet.advance(START + second)
        for part in range(7):
            now = START + second - 1 + part / 7
            ticket = {"conid": AAPL, "side": "BUY", "quantity": 1, "orderType": "MKT", "tif": "DAY"}
            busy.handle("POST", "/iserver/account/DU1234567/orders", {}, {"orders": [ticket]}, now)
            busy.advance(now)
        busy.advance(START + second)
        seen.append(_fields(quiet) == _fields(busy))

    assert seen == [True] * 120
    assert busy.position(AAPL) == 840


def test_prices_of_one_instrument_do_not_depend_on_the_others() -> None:
    """A forced price, and an option that somebody looks at, change nothing elsewhere."""
    one, other = Broker(seed=7, now=START), Broker(seed=7, now=START)
    other.set_price(272093, 500)
    other.market_fields(CALL, ["31"])
    for second in range(1, 60):
        one.advance(START + second)
        other.advance(START + second)

    assert one.market_fields(AAPL, EVERYTHING) == other.market_fields(AAPL, EVERYTHING)


@pytest.mark.parametrize("volatility", [0.0, 1.0])
def test_a_leap_of_time_leaves_no_hole_in_the_bars(
    drive: Callable[..., Any], volatility: float
) -> None:
    """Every minute has its bar, joined to the one before; of a stock each has a volume."""
    driver = drive(volatility=volatility)
    driver.wait(5)
    driver.wait(3 * 3600)
    bars = driver.get(HISTORY, conid=str(AAPL), period="4h", bar="1min")["data"]

    times = [bar["t"] // 60_000 for bar in bars]
    assert times == list(range(times[0], times[0] + 240))
    assert all(left["c"] == right["o"] for left, right in pairwise(bars[-170:]))
    assert all(bar["v"] > 0 for bar in bars[-170:]) == bool(volatility)


def test_orders_meet_the_prices_that_a_leap_of_time_crosses(drive: Callable[..., Any]) -> None:
    """A limit fills in the minute in which the market was there, not at the end."""
    driver = drive(volatility=30.0, ask_price_constraint=False)
    order_id = driver.order("SELL", orderType="LMT", price="191.00", tif="GTC")
    driver.wait(6 * 3600)
    (fill,) = driver.fills()

    assert driver.status(order_id) == "Filled"
    assert Decimal(fill["price"]) >= 191
    assert START * 1000 < fill["trade_time_r"] < (START + 6 * 3600) * 1000


def test_options_hang_together_with_their_underlying(driver: Any) -> None:
    """They move with it, parity holds in every month, and later months cost more."""
    board, broker = board_of(driver.broker), driver.broker
    months = [
        conid for conid in broker.instruments if conid % 1000 == CALL % 1000 and conid > CALL - 1
    ]
    calls = [board[conid] for conid in months if broker.instruments[conid].sec_type == "OPT"]
    worth = [market.mid for market in calls]
    parity = [market.mid - board[market.instrument.conid + 1].mid for market in calls]
    driver.broker.set_price(AAPL, 200)
    moved = driver.wait()

    assert worth == sorted(worth)
    assert len(calls) == 3
    assert parity == pytest.approx([189.60 - 190.0] * 3)
    assert PriceMoved(CALL) in moved
    assert board[CALL].mid > 10 > board[PUT].mid
    assert board[CALL].bid < board[CALL].ask


def test_bars_of_an_option_are_those_of_its_underlying(drive: Callable[..., Any]) -> None:
    """Before the start and after, up for a call where the put goes down."""
    driver = drive(volatility=1.0)
    driver.wait(600)
    rows = [
        driver.get(HISTORY, conid=str(conid), period="1h", bar="1min")["data"]
        for conid in (CALL, PUT)
    ]
    call, put = ([bar["c"] for bar in data] for data in rows)

    assert len(call) == len(put) == 60
    rises = [right - left for left, right in pairwise(call)]
    falls = [left - right for left, right in pairwise(put)]
    assert sum(rise * fall >= 0 for rise, fall in zip(rises, falls, strict=True)) > 55


def test_an_option_has_a_forced_price_until_its_underlying_moves_it(driver: Any) -> None:
    """Its distance from the model stays, as that of every follower."""
    driver.broker.set_price(CALL, "8.00")
    forced = driver.broker.market_fields(CALL, ["31", "84", "86"])
    driver.broker.set_price(AAPL, "195.00")

    assert forced == {"31": "8.00", "84": "7.98", "86": "8.02"}
    assert float(driver.broker.market_fields(CALL, ["31"])["31"]) > 8


def test_greeks_are_the_changes_of_the_value() -> None:
    """Compared with small steps of the formula, the smile left aside."""
    found = greeks(190, 190, "C", 0.25)

    assert found.delta == pytest.approx(
        (option_value(190.01, 190, "C", 0.25) - option_value(189.99, 190, "C", 0.25)) / 0.02,
        abs=1e-3,
    )
    assert found.theta == pytest.approx(
        option_value(190, 190, "C", 0.25 - 1 / 365) - option_value(190, 190, "C", 0.25), abs=1e-3
    )
    assert greeks(190, 190, "P", 0.25).delta == pytest.approx(found.delta - 1)
    assert implied_volatility(190, 150) > implied_volatility(190, 190)


def test_implied_volatility_is_written_in_percent(driver: Any) -> None:
    """Of the strike, and of the underlying."""
    strike = driver.broker.market_fields(CALL, ["7633", "7308", "7309", "7310", "7311"])
    stock = driver.broker.market_fields(AAPL, ["7283", "7633"])

    assert strike["7633"] == "27.0%"
    assert 0.4 < float(strike["7308"]) < 0.6
    assert float(strike["7310"]) < 0 < float(strike["7311"])
    assert stock == {"7283": "27.0%"}


def test_settings_of_a_still_market(drive: Callable[..., Any]) -> None:
    """Without volatility nothing moves, however long it takes."""
    driver = drive()
    before = driver.broker.market_fields(AAPL, ["31", "84", "86"])
    driver.wait(3600)

    assert driver.broker.market_fields(AAPL, ["31", "84", "86"]) == before
    assert BrokerSettings().chain_needs_exchange is False


@pytest.mark.parametrize("step_s", [0.02, 0.07, 1.0])
def test_market_moves_at_every_instant_however_short_the_steps_are(step_s: float) -> None:
    """A time of these years has no digits below a quarter of a microsecond: none is passed over."""
    start = 1_795_910_512.726398
    broker = Broker(seed=7, now=start, step_s=step_s)
    board = board_of(broker)
    moved = []
    for count in range(1, 201):
        broker.advance(start + count * step_s + 1e-4)
        moved.append(round((board.now - start) / step_s))

    assert moved == list(range(1, 201))
