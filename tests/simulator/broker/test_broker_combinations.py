"""Orders for several contracts as one, for amounts of cash, for fractions, and for the close."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ibkr_async.simulator.broker.broker import Executed, OrderChanged
from ibkr_async.simulator.broker.combinations import leg_prices, market_of, read_combination
from support.inside import board_of

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT = "DU1234567"
AAPL, IBM, EURUSD, MEXICO = 265598, 8314, 12087792, 38708077
CALL_190, CALL_195 = 900000201, 900000221
PAIR = f"28812380;;;{AAPL}/1,{IBM}/-1"
SPREAD = f"28812380@SMART;;;{CALL_190}/-1,{CALL_195}/1"


def _market(driver: Any, conid_ex: str) -> Any:
    combination = read_combination(conid_ex, driver.broker.instruments)
    assert combination is not None
    return market_of(board_of(driver.broker), combination)


# combinations


def test_a_combination_is_priced_from_the_books_of_its_legs(driver: Any) -> None:
    """What is bought costs its ask, what is sold gives its bid; the sum may be negative."""
    board = board_of(driver.broker)
    pair, spread = _market(driver, PAIR), _market(driver, SPREAD)

    assert pair.ask == board[AAPL].ask - board[IBM].bid
    assert pair.bid == board[AAPL].bid - board[IBM].ask
    assert pair.bid < pair.ask < 0
    assert spread.ask == board[CALL_195].ask - board[CALL_190].bid
    assert spread.ask < 0
    assert spread.instrument.multiplier == 100


def test_stock_against_options_is_priced_a_share(driver: Any) -> None:
    """A hundred shares against one call: the price is the stock's less the call's."""
    covered = _market(driver, f"28812380;;;{AAPL}/100,{CALL_190}/-1")
    board = board_of(driver.broker)

    assert covered.ask == board[AAPL].ask - board[CALL_190].bid
    assert leg_prices(board, covered.instrument, buying=False) == [
        board[AAPL].bid, board[CALL_190].ask,
    ]  # fmt: skip


def test_a_combination_fills_in_its_legs(driver: Any) -> None:
    """One execution for the whole, one for each leg; positions and cash are the legs'."""
    market = _market(driver, PAIR)
    cash = driver.cash()
    (row,) = driver.place(
        {"conid": None, "conidex": PAIR, "side": "BUY", "quantity": 3, "orderType": "LMT",
         "price": float(market.ask), "cOID": "pair"}
    )  # fmt: skip
    driver.wait()
    whole, bought, sold = driver.fills()

    order = next(row for row in driver.broker.live_order_rows() if row["order_ref"] == "pair")
    assert (order["status"], order["secType"], order["conidex"]) == ("Filled", "BAG", PAIR)
    assert (order["conid"], order["avgPrice"]) == (28812380, f"{market.ask:.2f}")
    assert [fill["order_id"] for fill in (whole, bought, sold)] == [int(row["order_id"])] * 3
    assert [fill["execution_id"].split(".")[2] for fill in (whole, bought, sold)] == [
        "01", "02", "03",
    ]  # fmt: skip
    assert (whole["sec_type"], whole["conidEx"], whole["side"], whole["size"]) == (
        "BAG", PAIR, "B", 3.0,
    )  # fmt: skip
    assert (bought["conid"], bought["side"], bought["size"]) == (AAPL, "B", 3.0)
    assert (sold["conid"], sold["side"], sold["size"]) == (IBM, "S", 3.0)
    assert Decimal(bought["price"]) - Decimal(sold["price"]) == Decimal(whole["price"])
    assert (driver.position(AAPL), driver.position(IBM)) == (3.0, -3.0)
    assert driver.cash() == pytest.approx(cash - 3 * float(market.ask) - 2)
    assert driver.get(f"/iserver/account/order/status/{row['order_id']}")["conidex"] == PAIR


def test_only_the_legs_have_commissions(driver: Any) -> None:
    """Each its own, a while after the fill."""
    driver.order(conid=None, conidex=SPREAD, orderType="MKT", quantity=2)
    driver.wait()
    driver.wait(2)
    later = [event.row for event in driver.of(Executed) if "commission" in event.row]

    assert [(row["conid"], row["commission"]) for row in later] == [
        (CALL_190, "1.3"), (CALL_195, "1.3"),
    ]  # fmt: skip


def test_a_negative_limit_waits_for_its_price(driver: Any) -> None:
    """Selling a credit spread back costs money: its limit is negative, and no question is asked."""
    market = _market(driver, SPREAD)
    order_id = driver.order(
        conid=None, conidex=SPREAD, orderType="LMT", price=f"{market.ask - 1}", quantity=1
    )
    driver.wait()
    assert driver.status(order_id) == "Submitted"
    driver.broker.set_price(AAPL, 196)
    driver.wait()

    assert driver.status(order_id) == "Filled"


def test_a_better_price_goes_to_the_first_leg(driver: Any) -> None:
    """A midprice order fills between the books, and the legs still add up to the whole."""
    driver.order(conid=None, conidex=PAIR, orderType="MIDPRICE", quantity=1)
    driver.wait()
    whole, bought, sold = driver.fills()

    market = _market(driver, PAIR)
    assert market.bid < Decimal(whole["price"]) < market.ask
    assert Decimal(bought["price"]) - Decimal(sold["price"]) == Decimal(whole["price"])


def test_a_combination_needs_money_for_its_legs(driver: Any) -> None:
    """However small its own price is; what-if says so as well."""
    ticket = {"conidex": PAIR, "side": "BUY", "orderType": "MKT", "tif": "DAY", "quantity": 100}
    path = f"/iserver/account/{ACCOUNT}/orders/whatif"
    preview = driver.ask("POST", path, {"orders": [ticket]}).body
    body = driver.place({**ticket, "conid": None, "quantity": 100_000})

    assert preview["amount"]["amount"].startswith("-")
    assert preview["amount"]["commission"] == "2 USD"
    assert float(preview["initial"]["change"].replace(",", "")) == pytest.approx(
        25 * (189.60 + 224.10), abs=1
    )
    assert "does not cover" in body["error"]


def test_a_combination_can_be_modified_and_cancelled(driver: Any) -> None:
    """Its legs belong to it."""
    terms = {"conid": None, "conidex": PAIR, "orderType": "LMT", "price": -60, "quantity": 1}
    order_id = driver.order(**terms)
    driver.wait()
    path = f"/iserver/account/{ACCOUNT}/order/{order_id}"
    ticket = {**terms, "side": "BUY", "tif": "DAY", "price": -50}
    other = {**ticket, "conidex": PAIR.replace("/-1", "/-2")}

    assert driver.ask("POST", path, ticket).body[0]["order_id"] == str(order_id)
    driver.wait()
    assert "cannot be modified" in driver.ask("POST", path, other).body["error"]
    assert driver.ask("DELETE", path).body["conid"] == 28812380


def test_without_data_of_a_leg_the_combination_has_none(drive: Callable[..., Any]) -> None:
    """Question o354, and no prices."""
    driver = drive(unsubscribed_conids=frozenset({IBM}))
    combination = read_combination(PAIR, driver.broker.instruments)
    body = driver.place({"conid": None, "conidex": PAIR, "side": "BUY", "quantity": 1,
                         "orderType": "MKT"})  # fmt: skip

    assert body[0]["messageIds"] == ["o354"]
    assert driver.broker.combination_fields(combination, ["31", "84", "6509", "88"]) == {
        "6509": "N"
    }


# amounts of cash and fractions


def test_an_amount_of_cash_buys_whole_shares(driver: Any) -> None:
    """Rounded down; the row says how much was asked for."""
    driver.order(quantity=None, cashQty=1000)
    driver.wait()
    (row,) = driver.broker.live_order_rows()

    assert (row["totalSize"], row["totalCashSize"], row["status"]) == (5.0, 1000.0, "Filled")
    assert driver.position() == 5.0


def test_the_limit_decides_what_cash_is_enough_for(driver: Any) -> None:
    """A sale counts as well; a currency conversion has its own name for it."""
    driver.order("SELL", quantity=None, cashQty=400, orderType="LMT", price=195)
    driver.order(conid=EURUSD, quantity=None, fxQty=1000, isCcyConv=True)
    driver.wait()
    stock, pair = driver.broker.live_order_rows()

    assert (stock["totalSize"], stock["status"]) == (2.0, "Submitted")
    assert pair["totalSize"] == 922.29


def test_cash_is_asked_about_until_that_is_switched_off(drive: Callable[..., Any]) -> None:
    """Two questions of its own, before those of the order type."""
    driver = drive(ask_order_risks=True)
    (row,) = driver.place({"side": "BUY", "orderType": "MKT", "cashQty": 1000})
    asked = []
    while "id" in row:
        asked += row["messageIds"]
        (row,) = driver.reply(row["id"]).body

    assert asked == ["o10223", "o10164", "o10151", "o10153"]


def test_fractions_trade_where_the_contract_takes_them(drive: Callable[..., Any]) -> None:
    """US stocks, for accounts that may; rules and account properties say so."""
    driver = drive()
    driver.order("BUY", 1.25)
    driver.wait()
    whole = drive(fractions=False)
    refused = whole.place({"side": "BUY", "quantity": 1.25, "orderType": "MKT"})

    def rules(one: Any, conid: int) -> tuple[bool, int]:
        found = one.ask("POST", "/iserver/contract/rules", {"conid": conid}).body
        return bool(found["fraqTypes"]), found["fraqInt"]

    assert driver.position() == 1.25
    assert driver.fills()[0]["size"] == 1.25
    assert "not supported for this account" in refused["error"]
    assert (rules(driver, AAPL), rules(driver, MEXICO)) == ((True, 4), (False, 0))
    assert rules(whole, AAPL) == (False, 0)
    accounts = whole.get("/iserver/accounts")["acctProps"][ACCOUNT]
    assert (accounts["supportsFractions"], accounts["supportsCashQty"]) == (False, True)


# the close, and orders that follow the market


def test_orders_for_the_close_wait_for_it(driver: Any) -> None:
    """They trade at the last price; a limit that is not met ends the order."""
    market, near, far = (
        driver.order(orderType="MOC"),
        driver.order(orderType="LOC", price="190.00"),
        driver.order(orderType="LOC", price="189.00"),
    )
    driver.wait(60)
    assert {driver.status(each) for each in (market, near, far)} == {"PreSubmitted"}
    driver.broker.close_market()
    driver.wait(0)

    assert [driver.status(each) for each in (market, near, far)] == [
        "Filled", "Filled", "Cancelled",
    ]  # fmt: skip
    assert [fill["price"] for fill in driver.fills()] == ["189.60", "189.60"]
    codes = {row["origOrderType"] for row in driver.broker.live_order_rows()}
    assert codes == {"MARKETONCLOSE", "LIMITONCLOSE"}


def test_the_market_closes_at_four_in_new_york(driver: Any) -> None:
    """On a weekday: an order of Friday evening waits until Monday."""
    order_id = driver.order(orderType="MOC")
    driver.wait(2 * 3600)  # 15:40
    assert driver.status(order_id) == "PreSubmitted"
    driver.wait(1800)
    assert driver.status(order_id) == "Filled"
    assert driver.fills()[0]["trade_time"] == "20261120-21:00:00"
    late = driver.order(orderType="MOC", tif="GTC")
    driver.wait(2.5 * 86_400)
    assert driver.status(late) == "PreSubmitted"
    driver.wait(86_400)

    assert driver.status(late) == "Filled"


def test_a_relative_order_follows_its_own_side(driver: Any) -> None:
    """It is pegged to the bid, up to its cap, and trades when the market comes there."""
    order_id = driver.order(orderType="REL", price="191.00")
    capped = driver.order(orderType="REL", price="185.00")
    driver.wait()
    assert driver.status(order_id) == "Submitted"
    driver.broker.quote(AAPL, bid=Decimal("190.50"), ask=Decimal("190.52"), last=Decimal("190.50"))
    driver.wait()

    assert driver.status(order_id) == "Filled"
    assert driver.fills()[0]["price"] == "190.50"
    assert driver.status(capped) == "Submitted"
    rows = [event.row for event in driver.of(OrderChanged) if "origOrderType" in event.row]
    assert rows[0]["origOrderType"] == "RELATIVE"
