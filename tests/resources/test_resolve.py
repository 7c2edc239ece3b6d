from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ibkr_async.errors import (
    AmbiguousSymbolError,
    NotReadyError,
    ServerError,
    UnknownSymbolError,
    UsageError,
)
from ibkr_async.models.contracts import ResolvedContract
from ibkr_async.resources import contracts as contracts_module
from ibkr_async.resources.contracts import Contracts
from ibkr_async.types import Conid

if TYPE_CHECKING:
    from conftest import FakeSend

STOCKS, PAIRS, SECDEF = "/trsrv/stocks", "/iserver/currency/pairs", "/trsrv/secdef"


@pytest.fixture
def contracts(send: FakeSend) -> Contracts:
    """Contracts over a stand-in that knows a few symbols."""
    send.will_answer(STOCKS, "stocks")
    send.will_answer(PAIRS, "currency_pairs_eur")
    send.will_answer(SECDEF, "secdef")
    return Contracts(send)


async def test_symbols_resolve_to_their_only_listing_in_the_united_states(
    send: FakeSend, contracts: Contracts
) -> None:
    """Two symbols cost one request, and the order of the arguments is kept."""
    resolved = await contracts.resolve("msft", " AAPL ")

    assert resolved == [
        ResolvedContract(Conid(272093), "MSFT", "MICROSOFT CORP, NASDAQ"),
        ResolvedContract(Conid(265598), "AAPL", "APPLE INC, NASDAQ"),
    ]
    assert send.sent == [f"GET {STOCKS}"]
    assert send.last.query == (("symbols", "MSFT,AAPL"),)


async def test_everything_is_asked_once(send: FakeSend, contracts: Contracts) -> None:
    """What was resolved before is remembered; a repetition costs nothing."""
    await contracts.resolve("AAPL", "AAPL", "EUR.USD", 265598)
    again = await contracts.resolve("EUR.USD", "aapl", 265598)

    assert [contract.conid for contract in again] == [12087792, 265598, 265598]
    assert send.sent == [f"GET {STOCKS}", f"GET {PAIRS}", f"GET {SECDEF}"]


async def test_simultaneous_calls_ask_once(send: FakeSend, contracts: Contracts) -> None:
    """The second task waits for the first and uses what it found."""
    await asyncio.gather(contracts.resolve("AAPL"), contracts.resolve("AAPL"))

    assert send.sent == [f"GET {STOCKS}"]


async def test_conid_gets_its_ticker_and_name(contracts: Contracts) -> None:
    """A conid is taken as it is; the definition is for people."""
    (contract,) = await contracts.resolve(265598)

    assert contract == ResolvedContract(Conid(265598), "AAPL", "APPLE INC, NASDAQ.NMS")


async def test_conid_without_definition_is_still_a_contract(
    send: FakeSend, contracts: Contracts
) -> None:
    """A conid is exact by itself, whether IBKR leaves it out or answers "no content"."""
    (left_out,) = await contracts.resolve(42)
    send.will_answer(SECDEF, NotReadyError(f"GET {SECDEF}", 204, "no content yet"))
    (no_content,) = await contracts.resolve(43)

    assert left_out == ResolvedContract(Conid(42), "42")
    assert no_content == ResolvedContract(Conid(43), "43")


async def test_resolved_contract_passes_through(send: FakeSend, contracts: Contracts) -> None:
    """Nothing is asked about a contract that is known already."""
    mine = ResolvedContract(Conid(1), "MINE")

    assert await contracts.resolve(mine, mine) == [mine, mine]
    assert send.requests == []


async def test_currency_pair_is_found_under_its_first_currency(
    send: FakeSend, contracts: Contracts
) -> None:
    """`EUR.USD` and `EUR.GBP` cost one request."""
    resolved = await contracts.resolve("EUR.USD", "EUR.GBP")

    assert resolved[0] == ResolvedContract(Conid(12087792), "EUR.USD", "EUR.USD, currency pair")
    assert resolved[1].conid == 12087807
    assert [request.query for request in send.requests] == [(("currency", "EUR"),)]


async def test_currency_pair_that_does_not_exist_is_unknown(
    send: FakeSend, contracts: Contracts
) -> None:
    """Both currencies are asked before giving up."""
    with pytest.raises(UnknownSymbolError, match=r"EUR\.XXX"):
        await contracts.resolve("EUR.XXX")

    assert [dict(request.query)["currency"] for request in send.requests] == ["EUR", "XXX"]


async def test_unknown_symbol_is_named_and_the_others_are_remembered(
    send: FakeSend, contracts: Contracts
) -> None:
    """After a misspelling is corrected, only the new symbol is asked for."""
    with pytest.raises(UnknownSymbolError, match="'APPL'"):
        await contracts.resolve("APPL", "AAPL")

    await contracts.resolve("AAPL")
    assert len(send.requests) == 1


async def test_symbol_with_several_equal_listings_is_ambiguous(
    send: FakeSend, contracts: Contracts
) -> None:
    """Between two listings in the United States nothing is guessed."""
    send.will_answer(
        STOCKS,
        b'{"TWIN":[{"name":"TWIN ONE","contracts":[{"conid":11,"exchange":"NYSE","isUS":true},'
        b'{"conid":13,"exchange":"LSE","isUS":false}]},'
        b'{"name":"TWIN TWO","contracts":[{"conid":12,"exchange":"PINK","isUS":true},'
        b'{"exchange":"NOWHERE","isUS":true}]}]}',
    )

    with pytest.raises(AmbiguousSymbolError) as caught:
        await contracts.resolve("TWIN")

    assert caught.value.candidates == ((11, "TWIN ONE, NYSE"), (12, "TWIN TWO, PINK"))


async def test_foreign_symbol_resolves_when_it_has_one_listing(
    send: FakeSend, contracts: Contracts
) -> None:
    """Outside the United States a single listing is obvious, several are not."""
    send.will_answer(
        STOCKS,
        b'{"ONLY":[{"contracts":[{"conid":21,"isUS":false}]}],'
        b'"BOTH":[{"name":"B","contracts":[{"conid":22,"exchange":"LSE"},'
        b'{"conid":23,"exchange":"SBF"}]},{"name":"C","contracts":null}]}',
    )

    assert await contracts.resolve("ONLY") == [
        ResolvedContract(Conid(21), "ONLY", "ONLY, no exchange")
    ]
    with pytest.raises(AmbiguousSymbolError, match="names 2 contracts"):
        await contracts.resolve("BOTH")


@pytest.mark.parametrize(
    "item", ["", "  ", "AAPL,MSFT", "265598", " 700 ", 0, -1, True, 1.5, None, b"AAPL", ["AAPL"]]
)
async def test_what_is_neither_symbol_nor_conid_is_refused(
    send: FakeSend, contracts: Contracts, item: Any
) -> None:
    """Nothing is sent for it."""
    with pytest.raises(UsageError):
        await contracts.resolve("AAPL", item)

    assert send.requests == []


async def test_nothing_resolves_to_nothing(send: FakeSend, contracts: Contracts) -> None:
    """No arguments, no requests."""
    assert await contracts.resolve() == []
    assert send.requests == []


async def test_failure_of_the_server_leaves_the_next_call_free(
    send: FakeSend, contracts: Contracts
) -> None:
    """An error is not remembered, and the lock is released."""
    send.will_answer(STOCKS, ServerError(f"GET {STOCKS}", 503, "Service Unavailable"), "stocks")

    with pytest.raises(ServerError):
        await contracts.resolve("AAPL")

    assert (await contracts.resolve("AAPL"))[0].conid == 265598


async def test_memory_is_bounded(
    send: FakeSend, contracts: Contracts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest contracts are forgotten first; the call that exceeds the bound is complete."""
    rows = b",".join(b'{"conid":%d,"ticker":"T%d"}' % (conid, conid) for conid in range(1, 6))
    send.will_answer(SECDEF, b'{"secdef":[' + rows + b"]}")
    monkeypatch.setattr(contracts_module, "_REMEMBERED", 3)

    resolved = await contracts.resolve(1, 2, 3, 4, 5)
    await contracts.resolve(3, 4, 5)
    await contracts.resolve(1)

    assert [contract.conid for contract in resolved] == [1, 2, 3, 4, 5]
    assert [dict(request.query)["conids"] for request in send.requests] == ["1,2,3,4,5", "1"]


# --- conids --------------------------------------------------------------------------------------


class WholeNumber:
    """A whole number of another library, as numpy's are."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class HoldsConid:
    """Any contract that knows its conid."""

    conid = 756733


async def test_conids_of_all_kinds_of_contracts(send: FakeSend, contracts: Contracts) -> None:
    """Only symbols are looked up, all stocks in one request; order and repetitions are kept."""
    found = await contracts.conids(
        "MSFT", 42, WholeNumber(43), HoldsConid(), ResolvedContract(Conid(44), "X"), " aapl", "MSFT"
    )  # type: ignore[arg-type]  # a number by `__index__` only

    assert found == (272093, 42, 43, 756733, 44, 265598, 272093)
    assert all(type(conid) is int for conid in found)
    assert send.sent == [f"GET {STOCKS}"]
    assert await contracts.conids("AAPL") == (265598,)
    assert len(send.requests) == 1


async def test_no_contract_has_no_conid(send: FakeSend, contracts: Contracts) -> None:
    """And costs nothing."""
    assert await contracts.conids() == ()
    assert send.requests == []


class KnowsNoConid:
    """A contract that was not resolved."""

    conid = None


@pytest.mark.parametrize("item", ["", "265598", 0, True, 1.5, None, KnowsNoConid()])
async def test_what_is_no_contract_has_no_conid(
    send: FakeSend, contracts: Contracts, item: Any
) -> None:
    """Nothing is sent for it, nor for the others."""
    with pytest.raises(UsageError):
        await contracts.conids("AAPL", item)

    assert send.requests == []


@pytest.mark.parametrize(
    "early",
    [
        NotReadyError(f"GET {SECDEF}", 204, "no content yet"),
        b'{"secdef":[]}',
        b'{"secdef":[{"conid":265598}]}',
    ],
)
async def test_name_that_was_not_said_is_not_remembered(
    send: FakeSend, contracts: Contracts, early: bytes | NotReadyError
) -> None:
    """One thin answer must not make a number of a ticker for the client's life."""
    send.will_answer(SECDEF, early, "secdef")
    (nameless,) = await contracts.resolve(265598)

    (named,) = await contracts.resolve(265598)

    assert (nameless.symbol, named.symbol) == ("265598", "AAPL")
