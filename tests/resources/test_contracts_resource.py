from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from ibkr_async.errors import NotFoundError, NotReadyError, RefusedError, UsageError
from ibkr_async.models.contracts import DerivativeContract, OptionStrikes
from ibkr_async.resources.contracts import Contracts

if TYPE_CHECKING:
    from conftest import Answer, FakeSend
    from ibkr_async.errors import ResponseError


@pytest.fixture
def contracts(send: FakeSend) -> Contracts:
    """Contracts over the stand-in."""
    return Contracts(send)


async def test_search_sends_only_what_was_asked(send: FakeSend, contracts: Contracts) -> None:
    """`name` is left out unless a name is searched: it would break a later strikes call."""
    send.will_answer("/iserver/secdef/search", "search")

    results = await contracts.search("QQQ")
    by_symbol = send.last
    await contracts.search("invesco", "STK", by_name=True)

    assert results[0].conid == 320227571
    assert by_symbol.label == "GET /iserver/secdef/search"
    assert by_symbol.query == (("symbol", "QQQ"),)
    assert by_symbol.replayable
    assert send.last.query == (("symbol", "invesco"), ("secType", "STK"), ("name", "true"))


async def test_stocks_and_futures_answer_for_every_symbol(
    send: FakeSend, contracts: Contracts
) -> None:
    """A symbol that IBKR leaves out has an empty entry; symbols are sent in capitals, once."""
    send.will_answer("/trsrv/stocks", "stocks")
    send.will_answer("/trsrv/futures", "futures")

    stocks = await contracts.stocks("aapl", "AAPL", "XXXX")
    stock_request = send.last
    futures = await contracts.futures("ES", "NQ")

    assert len(stocks["AAPL"]) == 2
    assert stocks["XXXX"] == ()
    assert stock_request.query == (("symbols", "AAPL,XXXX"),)
    assert futures["ES"][0].conid == 495512563
    assert futures["NQ"] == ()
    assert send.last.query == (("symbols", "ES,NQ"),)


async def test_currency_pairs_are_flattened(send: FakeSend, contracts: Contracts) -> None:
    """The answer is keyed by the currency that was asked for."""
    send.will_answer("/iserver/currency/pairs", "currency_pairs_eur")

    pairs = await contracts.currency_pairs("eur")

    assert [pair.symbol for pair in pairs] == ["EUR.USD", "EUR.GBP"]
    assert send.last.query == (("currency", "EUR"),)


async def test_definitions_are_asked_in_chunks_of_200(send: FakeSend, contracts: Contracts) -> None:
    """450 conids need three requests."""
    send.will_answer("/trsrv/secdef", "secdef", b'{"secdef":null}', b'{"secdef":[]}')

    rows = await contracts.definitions(*range(1, 451))

    assert [row.conid for row in rows] == [265598, 700000123]
    sizes = [len(dict(request.query)["conids"].split(",")) for request in send.requests]
    assert sizes == [200, 200, 50]


async def test_info_and_rules_put_the_conid_into_the_path(
    send: FakeSend, contracts: Contracts
) -> None:
    """The same shape comes with and without rules."""
    send.will_answer("/iserver/contract/{conid}/info", b'{"con_id":700000123}')
    send.will_answer("/iserver/contract/{conid}/info-and-rules", "contract_info_and_rules")

    info = await contracts.info(700000123)
    both = await contracts.info_and_rules(700000123)

    assert info.rules is None
    assert both.rules is not None
    assert send.sent == [
        "GET /iserver/contract/700000123/info",
        "GET /iserver/contract/700000123/info-and-rules",
    ]


async def test_rules_are_asked_for_a_side(send: FakeSend, contracts: Contracts) -> None:
    """The question is a POST, and yet a read."""
    send.will_answer("/iserver/contract/rules", "contract_rules")

    rules = await contracts.rules(265598, is_buy=False)
    sell = send.last
    await contracts.rules(265598, exchange="ARCA")

    assert rules.increment == Decimal("0.01")
    assert sell.label == "POST /iserver/contract/rules"
    assert sell.body == {"conid": 265598, "isBuy": False}
    assert sell.replayable
    assert send.last.body == {"conid": 265598, "isBuy": True, "exchange": "ARCA"}


async def test_schedule_asks_for_a_contract(send: FakeSend, contracts: Contracts) -> None:
    """The exchange is optional."""
    send.will_answer("/contract/trading-schedule", "trading_schedule")

    schedule = await contracts.schedule(265598, exchange="NASDAQ")

    assert schedule.exchange_time_zone == "US/Eastern"
    assert send.last.label == "GET /contract/trading-schedule"
    assert send.last.query == (("conid", "265598"), ("exchange", "NASDAQ"))


async def test_strikes_of_one_month(send: FakeSend, contracts: Contracts) -> None:
    """IBKR spells the security type `sectype` here."""
    send.will_answer("/iserver/secdef/strikes", "strikes")

    strikes = await contracts.strikes(8314, "JUN26")

    assert strikes.call is not None
    assert strikes.call[1] == Decimal("182.5")
    assert send.last.query == (
        ("conid", "8314"), ("sectype", "OPT"), ("month", "JUN26"), ("exchange", "SMART")
    )  # fmt: skip


@pytest.mark.parametrize(
    "before",
    [
        "strikes_empty",
        NotReadyError("GET", 200, ""),
        NotFoundError("GET", 500, "no contracts retrieved"),
    ],
)
async def test_strikes_are_asked_for_again_after_a_search(
    send: FakeSend, contracts: Contracts, before: Answer
) -> None:
    """Without a search before it IBKR answers emptily, which is not "there are no strikes"."""
    send.will_answer("/iserver/secdef/strikes", before, "strikes")
    send.will_answer("/trsrv/secdef", b'{"secdef":[{"conid":8314,"ticker":"IBM"}]}')
    send.will_answer("/iserver/secdef/search", "search")

    assert (await contracts.strikes(8314, "JUN26")).call
    assert send.requests[-2].query == (("symbol", "IBM"),)
    assert len(send.sent) == 4


async def test_derivatives_that_do_not_exist_are_an_empty_answer(
    send: FakeSend, contracts: Contracts
) -> None:
    """After a search nothing is nothing, whichever way IBKR says it."""
    send.will_answer("/iserver/secdef/strikes", "strikes_empty")
    send.will_answer("/iserver/secdef/info", NotFoundError("GET", 500, "No Contracts retrieved"))
    send.will_answer("/trsrv/secdef", b'{"secdef":[{"conid":8314,"ticker":"IBM"}]}')
    send.will_answer("/iserver/secdef/search", "search")

    assert await contracts.strikes(8314, "JUN26") == OptionStrikes()
    assert await contracts.derivatives(8314, "OPT", month="JUN26") == []
    assert ("exchange", "SMART") in send.last.query


async def test_futures_options_have_no_usual_exchange(send: FakeSend, contracts: Contracts) -> None:
    """Each is traded at one exchange, which is not IBKR's router."""
    send.will_answer("/iserver/secdef/info", "secdef_info")

    await contracts.derivatives(8314, "FOP", month="JUN26")

    assert "exchange" not in dict(send.last.query)


async def test_derivatives_are_a_list_in_either_shape(send: FakeSend, contracts: Contracts) -> None:
    """A single object becomes a list of one; the strike is written without exponent."""
    send.will_answer("/iserver/secdef/info", "secdef_info", "secdef_info_single")

    options = await contracts.derivatives(
        8314, "OPT", month="JUN26", strike="1.875E2", right="C", exchange="SMART"
    )
    option_request = send.last
    single = await contracts.derivatives(8314, "STK", issuer_id="e1")

    assert [type(row) for row in options] == [DerivativeContract]
    assert option_request.query == (
        ("conid", "8314"),
        ("sectype", "OPT"),
        ("month", "JUN26"),
        ("exchange", "SMART"),
        ("strike", "187.5"),
        ("right", "C"),
    )
    assert single[0].ticker == "IBM"
    assert send.last.query == (("conid", "8314"), ("sectype", "STK"), ("issuerId", "e1"))


@pytest.mark.parametrize(
    ("method", "arguments", "words"),
    [
        ("info", (0,), "positive whole number"),
        ("rules", ("265598",), "is not a conid"),
        ("definitions", (), "no conid was given"),
        ("stocks", (), "no symbol was given"),
        ("stocks", ("AAPL,MSFT",), "as its own argument"),
        ("futures", (" ",), "is not a text"),
    ],
)
async def test_unusable_arguments_are_refused_before_anything_is_sent(
    send: FakeSend, contracts: Contracts, method: str, arguments: Any, words: str
) -> None:
    """The message says what would do."""
    with pytest.raises(UsageError, match=words):
        await getattr(contracts, method)(*arguments)

    assert send.requests == []


async def test_right_must_be_put_or_call(send: FakeSend, contracts: Contracts) -> None:
    """IBKR would answer emptily to any other letter."""
    with pytest.raises(UsageError, match="neither 'C' nor 'P'"):
        await contracts.derivatives(8314, "OPT", month="JUN26", strike=100, right="CALL")


@pytest.mark.parametrize(
    "answer",
    [
        b"[]",
        RefusedError("GET", 200, "No symbol found"),
        NotFoundError("GET", 500, "No symbol found"),
    ],
)
async def test_unknown_symbol_is_an_empty_search(
    send: FakeSend, contracts: Contracts, answer: Answer
) -> None:
    """IBKR has said it in each of these ways."""
    send.will_answer("/iserver/secdef/search", answer)

    assert await contracts.search("NOSUCH") == ()


@pytest.mark.parametrize(
    "error",
    [
        RefusedError("GET", 200, "invalid secType"),
        NotFoundError("GET", 404, "Not Found"),
        NotReadyError("GET", 202, "no content yet"),
    ],
)
async def test_failed_search_is_no_empty_one(
    send: FakeSend, contracts: Contracts, error: ResponseError
) -> None:
    """What is wrong with the question, or with the server, is not an answer to it."""
    send.will_answer("/iserver/secdef/search", error)

    with pytest.raises(type(error)):
        await contracts.search("IBM", "XYZ")
