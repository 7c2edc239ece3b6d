from __future__ import annotations

from typing import Any

import pytest

from ibkr_async.simulator.answers import Answer, Call, Routes, ok

AAPL, MEXICO, EURUSD, ES_INDEX, ES, CALL = (
    265598, 38708077, 12087792, 11004968, 900000301, 900000201,
)  # fmt: skip
SEARCH = "/iserver/secdef/search"


def test_a_search_finds_every_listing(driver: Any) -> None:
    """Conids are texts, and options are announced by month."""
    rows = driver.get(SEARCH, symbol="aapl")

    assert [row["conid"] for row in rows] == ["265598", "38708077", "273982664"]
    assert rows[0]["companyHeader"] == "APPLE INC - NASDAQ"
    assert rows[0]["sections"][0] == {"secType": "STK"}
    assert rows[0]["sections"][1]["months"] == "DEC26;MAR27;JUN27"
    assert rows[1]["sections"] == [{"secType": "STK", "exchange": "MEXI;"}]


def test_a_search_can_be_posted_and_narrowed(driver: Any) -> None:
    """The body does what the query does."""
    index = driver.ask("POST", SEARCH, {"symbol": "ES", "secType": "IND"}).body
    pair = driver.ask("POST", SEARCH, {"symbol": "EUR.USD"}).body
    named = driver.ask("POST", SEARCH, {"symbol": "twin", "name": True}).body

    assert index[0]["sections"][1]["secType"] == "FUT"
    assert pair[0]["conid"] == str(EURUSD)
    assert len(named) == 2
    assert driver.get(SEARCH, symbol="AAPL", secType="BOND") == []
    assert driver.get(SEARCH, symbol="NOPE") == []
    assert driver.ask("GET", SEARCH).status == 400


def test_an_ambiguous_symbol_has_two_listings_in_the_us(driver: Any) -> None:
    """A client has to ask which one is meant."""
    companies = driver.get("/trsrv/stocks", symbols="TWIN")["TWIN"]

    assert len(companies) == 2
    assert all(company["contracts"][0]["isUS"] for company in companies)


def test_stocks_are_grouped_by_company(driver: Any) -> None:
    """Foreign listings say so; unknown symbols have an empty list."""
    answer = driver.get("/trsrv/stocks", symbols="AAPL,NOPE")

    (apple,) = answer["AAPL"]
    assert [(row["conid"], row["isUS"]) for row in apple["contracts"]] == [
        (AAPL, True),
        (MEXICO, False),
        (273982664, False),
    ]
    assert answer["NOPE"] == []


def test_futures_have_integer_dates(driver: Any) -> None:
    """Two expiries with their underlying."""
    front, back = driver.get("/trsrv/futures", symbols="ES")["ES"]

    assert (front["conid"], front["expirationDate"]) == (ES, 20261218)
    assert back["expirationDate"] == 20270319
    assert front["underlyingConid"] == ES_INDEX


def test_a_chain_needs_a_search_first(driver: Any) -> None:
    """Empty strikes and a server error before, the contracts after."""
    strikes, chain = "/iserver/secdef/strikes", "/iserver/secdef/info"
    query = {"conid": str(AAPL), "sectype": "OPT", "month": "DEC26"}
    assert driver.get(strikes, **query) == {"call": [], "put": []}
    assert driver.ask("GET", chain, **query).status == 500
    driver.get(SEARCH, symbol="AAPL")

    found = driver.get(strikes, **query)
    assert found["call"] == found["put"] == [150.0 + 5 * step for step in range(17)]
    (call,) = driver.get(chain, **query, strike="190", right="C")
    assert call["conid"] == CALL
    assert (call["strike"], call["multiplier"], call["maturityDate"]) == (190.0, "100", "20261218")
    assert len(driver.get(chain, **query, strike="0")) == 34
    assert driver.get(chain, **query, strike="201") == []
    assert driver.get(chain, **query, strike="x") == []
    driver.get(SEARCH, symbol="ES")
    futures = driver.get(chain, conid=str(ES_INDEX), sectype="FUT", month="MAR27")
    assert [row["desc2"] for row in futures] == ["MAR27"]
    assert driver.get(chain, conid=str(ES_INDEX), sectype="FUT", strike="5") == []


def test_a_chain_has_several_months(driver: Any) -> None:
    """Each month that the search names has its own contracts."""
    (row, *_) = driver.get(SEARCH, symbol="AAPL")
    months = row["sections"][1]["months"].split(";")
    query = {"conid": str(AAPL), "sectype": "OPT", "strike": "200", "right": "P"}
    found = [driver.get("/iserver/secdef/info", **query, month=month) for month in months]

    dates = [(contract["maturityDate"], contract["desc2"]) for (contract,) in found]
    assert dates == [
        ("20261218", "DEC26 200 P"), ("20270319", "MAR27 200 P"), ("20270618", "JUN27 200 P"),
    ]  # fmt: skip
    assert len({contract["conid"] for (contract,) in found}) == 3


def test_a_chain_can_need_an_exchange(drive: Any) -> None:
    """Without one only the strikes at the market have contracts."""
    driver = drive(chain_needs_exchange=True)
    driver.get(SEARCH, symbol="AAPL")
    query = {"conid": str(AAPL), "sectype": "OPT", "month": "DEC26", "right": "C"}
    chain = "/iserver/secdef/info"

    assert driver.ask("GET", chain, **query, strike="200") == (
        500,
        {"error": "No Contracts retrieved"},
    )
    assert len(driver.get(chain, **query, strike="200", exchange="SMART")) == 1
    assert len(driver.get(chain, **query, strike="190")) == 1
    driver.get(SEARCH, symbol="ES")
    assert len(driver.get(chain, conid=str(ES_INDEX), sectype="FUT", month="DEC26")) == 1


def test_contract_facts_are_in_snake_case(driver: Any) -> None:
    """With the rules inside where asked."""
    facts = driver.get(f"/iserver/contract/{AAPL}/info")
    both = driver.get(f"/iserver/contract/{AAPL}/info-and-rules")
    rules = driver.ask("POST", "/iserver/contract/rules", {"conid": AAPL, "isBuy": True}).body

    assert facts["con_id"] == AAPL
    assert facts["exchange"] == "SMART"
    assert both == {**facts, "rules": rules}
    assert rules["increment"] == 0.01
    assert rules["incrementDigits"] == 2
    assert rules["limitPrice"] == 189.6
    option = driver.get(f"/iserver/contract/{CALL}/info")
    assert (option["multiplier"], option["contract_month"]) == ("100", "202612")
    mexico = driver.get(f"/iserver/contract/{MEXICO}/info")
    assert mexico["exchange"] == "MEXI"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/iserver/contract/1/info"),
        ("GET", "/iserver/contract/x/info-and-rules"),
        ("POST", "/iserver/contract/rules"),
        ("GET", "/contract/trading-schedule"),
    ],
)
def test_unknown_contracts_are_server_errors(driver: Any, method: str, path: str) -> None:
    """Client mistakes come as 500."""
    assert driver.ask(method, path).status == 500


def test_definitions_come_for_known_conids(driver: Any) -> None:
    """Unknown ones are left out; with none known there is no content."""
    path = "/trsrv/secdef"
    (apple,) = driver.get(path, conids="265598,1")["secdef"]

    assert (apple["ticker"], apple["strike"], apple["hasOptions"]) == ("AAPL", "0", True)
    assert driver.ask("GET", path, conids="1") == (204, None)
    assert driver.ask("GET", path).status == 400
    assert driver.ask("GET", path, conids=",".join(["1"] * 201)).status == 400


def test_all_conids_list_the_stocks_of_an_exchange(driver: Any) -> None:
    """The exchange is written without its country part."""
    rows = driver.get("/trsrv/all-conids", exchange="NASDAQ")

    assert {"ticker": "MSFT", "conid": 272093, "exchange": "NMS"} in rows
    assert driver.get("/trsrv/all-conids", exchange="NOPE") == []


def test_currencies_have_pairs_and_rates(driver: Any) -> None:
    """A pair is found from both sides; a rate is a quotient."""
    pairs = "/iserver/currency/pairs"
    assert driver.get(pairs, currency="USD") == {
        "USD": [{"symbol": "EUR.USD", "conid": EURUSD, "ccyPair": "EUR"}]
    }
    assert driver.get(pairs, currency="EUR")["EUR"][0]["ccyPair"] == "USD"
    assert driver.get(pairs, currency="SEK") == {"SEK": []}
    rate = driver.get("/iserver/exchangerate", source="USD", target="CHF")["rate"]
    assert rate == pytest.approx(1 / 1.125)
    assert driver.ask("GET", "/iserver/exchangerate", source="USD", target="XXX").status == 400


def test_fixed_segments_win_over_variable_ones() -> None:
    """Order of registration does not matter."""
    routes = Routes()
    routes.add("GET", "/a/{}", lambda _call, name: ok(name))
    routes.add("GET POST", "/a/b", lambda _call: ok("fixed"))
    call = Call({}, None, 0.0)

    assert routes.dispatch("get", "/a/b", call) == Answer(200, "fixed")
    assert routes.dispatch("GET", "a/x/", call) == Answer(200, "x")
    assert routes.dispatch("POST", "/a/x", call) is None
    assert routes.dispatch("GET", "/a", call) is None
    assert routes.dispatch("GET", "/b/x", call) is None
