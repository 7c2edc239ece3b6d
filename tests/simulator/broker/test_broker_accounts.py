from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_async.simulator.broker.broker import Broker, BrokerSettings, Executed, PnlMoved
from ibkr_async.simulator.broker.positions import UnknownCurrencyError, usd_per_unit
from support.inside import board_of

if TYPE_CHECKING:
    from collections.abc import Callable

ACCOUNT, OTHER = "DU1234567", "DU7654321"
AAPL, SWISS, EURUSD, ES, CALL = 265598, 273982664, 12087792, 900000301, 900000201
START = 1_795_200_000.0
RICH = Decimal(10_000_000_000)


def test_accounts_are_listed_with_their_properties(drive: Callable[..., Any]) -> None:
    """The list, the selected account and the paper flag; `act` says the same."""
    driver = drive(accounts=(ACCOUNT, OTHER))
    answer = driver.get("/iserver/accounts")

    assert answer == driver.broker.accounts_payload()
    assert answer["accounts"] == [ACCOUNT, OTHER]
    assert answer["selectedAccount"] == ACCOUNT
    assert answer["acctProps"].keys() == {ACCOUNT, OTHER}
    assert answer["isPaper"] is True
    assert driver.broker.account_ids == (ACCOUNT, OTHER)
    assert drive(accounts=("U1234567",)).get("/iserver/accounts")["isPaper"] is False


def test_switching_selects_an_account(drive: Callable[..., Any]) -> None:
    """Four answers for four situations."""
    driver = drive(accounts=(ACCOUNT, OTHER))
    path = "/iserver/account"

    assert driver.ask("POST", path, {"acctId": OTHER}) == (200, {"set": True, "acctId": OTHER})
    assert driver.ask("POST", path, {"acctId": OTHER}).body == {"success": "Account already set"}
    assert driver.ask("POST", path, {"acctId": "U1"}) == (500, {"error": "Invalid account ID"})
    assert driver.ask("POST", path, {}).status == 400


def test_a_purchase_changes_cash_position_and_value(driver: Any) -> None:
    """Cash pays price and commission; the summaries agree with each other."""
    driver.order("BUY", 100)
    driver.wait()
    summary = driver.get(f"/iserver/account/{ACCOUNT}/summary")

    assert driver.cash() == 1_000_000 - 18_961 - 1
    assert summary["totalCashValue"] == driver.cash()
    assert summary["netLiquidationValue"] == 1_000_000 - 2
    assert summary["initialMargin"] == 4740.0
    assert summary["buyingPower"] == 4 * summary["availableFunds"]
    assert summary["cashBalances"][0]["currency"] == "USD"
    assert driver.ask("GET", "/iserver/account/U1/summary").status == 500


def test_summary_parts_are_texts_with_units(driver: Any) -> None:
    """Four parts by segment; unknown accounts are refused."""
    driver.order("BUY", 100)
    driver.wait()
    base = f"/iserver/account/{ACCOUNT}/summary"

    assert driver.get(f"{base}/balances")["total"]["net_liquidation"] == "999,998 USD"
    assert driver.get(f"{base}/margins")["securities"]["current_initial"] == "4,740 USD"
    funds = driver.get(f"{base}/available_funds")
    assert funds["total"]["leverage"] == "0.02"
    assert funds["Crypto at Paxos"]["current_available"] == "0 USD"
    assert driver.get(f"{base}/market_value")["USD"]["stock"] == "18,960"
    assert driver.ask("GET", "/iserver/account/U1/summary/margins").status == 500


def test_profit_and_loss_moves_with_the_price(driver: Any) -> None:
    """Unrealised profit follows, realised profit stays, and the event names the account."""
    driver.order("BUY", 100)
    driver.wait()
    driver.broker.set_price(AAPL, "190.61")
    assert PnlMoved(ACCOUNT) in driver.wait()

    row = driver.broker.pnl()[f"{ACCOUNT}.Core"]
    assert row["upl"] == 100.0
    assert row["dpl"] == 99.0
    assert row["mv"] == 19_061.0
    assert row["nl"] == 1_000_000.0
    assert row["uel"] == 1_000_099 - 4765.25
    path = "/iserver/account/pnl/partitioned"
    assert driver.get(path) == {"upnl": {}}
    assert driver.get(path) == {"upnl": driver.broker.pnl()}
    assert driver.wait() == []


def test_portfolio_is_empty_until_its_accounts_are_read(driver: Any) -> None:
    """No error, just nothing."""
    driver.order()
    driver.wait()
    base = f"/portfolio/{ACCOUNT}"

    assert driver.get(f"{base}/positions/0") == []
    assert driver.get(f"{base}/position/{AAPL}") == []
    assert driver.get(f"{base}/summary") == {}
    assert driver.get(f"/portfolio2/{ACCOUNT}/positions") == []
    (account,) = driver.get("/portfolio/accounts")
    assert account["accountId"] == ACCOUNT
    assert len(driver.get(f"{base}/positions/0")) == 1
    assert driver.get(f"{base}/meta") == account
    assert driver.get("/portfolio/subaccounts") == [account]


def test_the_first_read_of_positions_is_thin(driver: Any) -> None:
    """Names are missing, and the strike is a number that later is a text."""
    driver.order("BUY", 10)
    driver.wait()
    driver.get("/portfolio/accounts")
    path = f"/portfolio/{ACCOUNT}/positions/0"
    (thin,), (full,) = driver.get(path), driver.get(path)

    assert len(thin) == 21
    assert (thin["strike"], full["strike"]) == (0.0, "0")
    assert full["name"] == "APPLE INC"
    assert full["mktValue"] == 1896.0
    assert full["avgPrice"] == 189.61
    assert full["pageSize"] == 100
    assert driver.get(f"/portfolio/{ACCOUNT}/positions/1") == []
    assert driver.get(f"/portfolio/{ACCOUNT}/position/{AAPL}") == [full]
    assert driver.get(f"/portfolio/positions/{AAPL}") == {ACCOUNT: [full]}
    assert driver.get("/portfolio/positions/1") == {}


def test_the_fresh_positions_have_other_names(driver: Any) -> None:
    """`conid` is a text there and the price is called `marketPrice`."""
    driver.order("BUY", 10)
    driver.wait()
    driver.get("/portfolio/accounts")
    (row,) = driver.get(f"/portfolio2/{ACCOUNT}/positions")

    assert row["conid"] == str(AAPL)
    assert row["marketPrice"] == 189.6
    assert row["timestamp"] == int(driver.now)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/portfolio/U1/positions/0"),
        ("GET", f"/portfolio/{ACCOUNT}/positions/first"),
        ("GET", "/portfolio/U1/position/265598"),
        ("GET", "/portfolio/U1/ledger"),
        ("POST", "/portfolio/U1/positions/invalidate"),
    ],
)
def test_portfolio_refuses_unknown_accounts(driver: Any, method: str, path: str) -> None:
    """A bad request with the recorded sentence."""
    assert driver.ask(method, path).body["error"] == "accountId is not valid"


def test_invalidating_positions_succeeds(driver: Any) -> None:
    """There is no cache, and the answer is the recorded one."""
    answer = driver.ask("POST", f"/portfolio/{ACCOUNT}/positions/invalidate", {})

    assert answer == (200, {"message": "success"})


def test_the_portfolio_summary_has_segments(driver: Any) -> None:
    """Lower-case names, with `-s` and `-c` twins, and timestamps in seconds."""
    driver.get("/portfolio/accounts")
    summary = driver.get(f"/portfolio/{ACCOUNT}/summary")

    assert summary["netliquidation"]["amount"] == 1_000_000.0
    assert summary["netliquidation-c"]["amount"] == 0.0
    assert summary["accountcode"]["value"] == ACCOUNT
    assert summary["netliquidation"]["timestamp"] == int(driver.now)


def test_allocation_separates_long_and_short(driver: Any) -> None:
    """By class, sector and group."""
    driver.order("BUY", 10)
    driver.order("SELL", 3, conid=8314)
    driver.order("BUY", 1, conid=756733)
    driver.wait()
    driver.get("/portfolio/accounts")
    answer = driver.get(f"/portfolio/{ACCOUNT}/allocation")

    assert answer["sector"]["long"] == {"Computers": 1223.7, "Others": 585.75}
    assert answer["group"]["short"] == {"Computer Services": -672.3}
    assert set(answer["assetClass"]["long"]) == {"CASH", "STK"}


def test_a_future_costs_margin_and_settles_its_profit(driver: Any) -> None:
    """Cash does not move on entry; on exit the difference times 50 does."""
    driver.order("BUY", 2, conid=ES)
    driver.wait()
    entry = driver.cash()
    driver.broker.set_price(ES, "5891.25")
    driver.wait()
    driver.get("/portfolio/accounts")
    ledger = driver.get(f"/portfolio/{ACCOUNT}/ledger")["USD"]
    driver.order("SELL", 2, conid=ES)
    driver.wait()

    assert entry == 1_000_000 - 4.5
    assert ledger["futuresonlypnl"] == 1000.0
    assert ledger["netliquidationvalue"] == entry + 1000
    assert driver.cash() == entry + 975 - 4.5


def test_an_option_counts_a_hundred_times(driver: Any) -> None:
    """Premium, cost and value use the multiplier."""
    driver.order("BUY", 1, conid=CALL)
    driver.wait()
    driver.get("/portfolio/accounts")
    (row,) = driver.get(f"/portfolio/{ACCOUNT}/position/{CALL}")

    assert row["avgCost"] == 100 * row["avgPrice"]
    assert row["mktValue"] == pytest.approx(100 * row["mktPrice"])
    assert row["putOrCall"] == "C"
    assert row["strike"] == "190"
    assert driver.get(f"/portfolio/{ACCOUNT}/ledger")["USD"]["stockoptionmarketvalue"] > 0


def test_a_currency_trade_exchanges_two_balances(driver: Any) -> None:
    """Euros come, dollars go, and there is no position."""
    driver.order("BUY", 20_000, conid=EURUSD)
    driver.wait()

    price = Decimal(driver.fills()[0]["price"])
    assert driver.cash("EUR") == 20_000
    assert driver.cash("USD") == float(1_000_000 - 20_000 * price - 2)
    assert driver.position(EURUSD) == 0


def test_a_foreign_stock_is_paid_in_its_currency(driver: Any) -> None:
    """The cash balance in francs goes below zero, and the base row adds everything up."""
    driver.order("BUY", 10, conid=SWISS)
    driver.wait()
    driver.get("/portfolio/accounts")
    ledger = driver.get(f"/portfolio/{ACCOUNT}/ledger")

    assert ledger["CHF"]["cashbalance"] == pytest.approx(-1685.5, abs=1)
    assert ledger["CHF"]["exchangerate"] == 1.125
    assert ledger["CHF"]["stockmarketvalue"] == 1684.0
    assert [name for name, row in ledger.items() if "endofbundle" in row] == ["USD"]
    base = ledger["BASE"]
    total = sum(ledger[name]["netliquidationvalue"] * ledger[name]["exchangerate"]
                for name in ("USD", "CHF"))  # fmt: skip
    assert base["netliquidationvalue"] == pytest.approx(total, abs=0.02)


def test_turning_a_position_round_starts_a_new_average(driver: Any) -> None:
    """Selling more than is held realises the whole and opens the rest at the new price."""
    driver.order("BUY", 10)
    driver.wait()
    driver.broker.set_price(AAPL, 200)
    driver.order("SELL", 15)
    driver.wait()
    driver.get("/portfolio/accounts")
    (row,) = driver.get(f"/portfolio/{ACCOUNT}/position/{AAPL}")

    assert (row["position"], row["avgPrice"]) == (-5.0, 199.99)
    assert row["realizedPnl"] == pytest.approx(103.8)


def test_closing_is_allowed_without_free_money(driver: Any) -> None:
    """A position as large as the money allows can always be sold."""
    driver.order("BUY", 20_000)
    driver.wait()
    driver.broker.set_price(AAPL, 160)
    driver.wait()

    assert (
        "does not cover"
        in driver.place({"side": "BUY", "quantity": 20_000, "orderType": "MKT"})["error"]
    )
    driver.order("SELL", 20_000)


def test_unknown_currencies_have_no_rate(driver: Any) -> None:
    """Known ones do."""
    board = board_of(driver.broker)

    assert all(usd_per_unit(board, currency) > 0 for currency in ("USD", "EUR", "CHF"))
    with pytest.raises(UnknownCurrencyError):
        usd_per_unit(board, "XXX")


TRADES = st.lists(
    st.tuples(
        st.sampled_from([AAPL, 8314, ES, CALL, SWISS, EURUSD]),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 60),
        st.floats(0.9, 1.1),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(TRADES, st.booleans(), st.booleans())
def test_money_and_quantities_are_conserved(
    trades: list[tuple[int, str, int, float]], partial: bool, free: bool
) -> None:
    """Cash, positions and net liquidation equal an oracle that only sees the fills."""
    rate = Decimal(0) if free else Decimal("0.005")
    broker = Broker(
        now=START,
        settings=BrokerSettings(
            volatility=0.0,
            partial_fills=partial,
            late_commission_s=0.0,
            ask_price_constraint=False,
            commission_per_share=rate,
            starting_cash=RICH,
        ),
    )
    broker.handle("GET", "/iserver/accounts", {}, None, START)
    now, rows = START, []
    for conid, side, quantity, factor in trades:
        ticket = {"conid": conid, "side": side, "quantity": quantity, "orderType": "MKT",
                  "tif": "DAY"}  # fmt: skip
        answer = broker.handle(
            "POST", f"/iserver/account/{ACCOUNT}/orders", {}, {"orders": [ticket]}, now
        )
        assert answer is not None
        assert "order_id" in answer.body[0]
        for _ in range(3):
            now += 0.25
            events = broker.advance(now)
            rows += [event.row for event in events if isinstance(event, Executed)]
        start = broker.instruments[conid].start_price
        broker.set_price(conid, float(start) * factor)

    fills = [row for row in rows if "commission" in row]
    assert len(rows) == 2 * len(fills)
    assert sum(row["size"] for row in fills) == sum(quantity for _, _, quantity, _ in trades)
    cash, held = _oracle(broker, fills)
    # The positions as they are kept, not as they are shown.
    book = broker._state.accounts[ACCOUNT]
    assert {conid: hold.quantity for conid, hold in book.holdings.items()} == held
    worth = book.valuation(board_of(broker))
    assert abs(worth.net_liquidation - _worth(broker, cash, held)) < Decimal("1e-6")


def _oracle(
    broker: Broker, fills: list[dict[str, Any]]
) -> tuple[dict[str, Decimal], dict[int, Decimal]]:
    """Add up fills as if everything, futures too, were paid in full."""
    cash, held = {"USD": RICH}, dict[int, Decimal]()
    for row in fills:
        instrument = broker.instruments[row["conid"]]
        sign = 1 if row["side"] == "B" else -1
        quantity = sign * Decimal(str(row["size"]))
        paid = quantity * Decimal(row["price"]) * instrument.multiplier + Decimal(row["commission"])
        cash[instrument.currency] = cash.get(instrument.currency, Decimal(0)) - paid
        if instrument.sec_type == "CASH":
            cash["EUR"] = cash.get("EUR", Decimal(0)) + quantity
        else:
            held[instrument.conid] = held.get(instrument.conid, Decimal(0)) + quantity
    return cash, held


def _worth(broker: Broker, cash: dict[str, Decimal], held: dict[int, Decimal]) -> Decimal:
    board = board_of(broker)
    total = sum((amount * usd_per_unit(board, name) for name, amount in cash.items()), Decimal(0))
    for conid, quantity in held.items():
        instrument = broker.instruments[conid]
        value = quantity * board[conid].last * instrument.multiplier
        total += value * usd_per_unit(board, instrument.currency)
    return total
