from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pytest

from ibkr_async.errors import NotReadyError, UsageError
from ibkr_async.resources.contracts import Contracts
from ibkr_async.resources.portfolio import Portfolio

if TYPE_CHECKING:
    from conftest import FakeSend
    from ibkr_async.resources.base import ChooseAccount

PAGE = "/portfolio/{account_id}/positions/{page}"


def page(first: int, count: int, **terms: object) -> bytes:
    """Build a page of positions with consecutive conids."""
    rows = [
        {"conid": conid, "model": "", "name": f"N{conid}", **terms}
        for conid in range(first, first + count)
    ]
    return msgspec.json.encode(rows)


@pytest.fixture
def portfolio(send: FakeSend, only_account: ChooseAccount) -> Portfolio:
    """Portfolio over the stand-in, which lists one account."""
    send.will_answer("/portfolio/accounts", "portfolio_accounts")
    return Portfolio(send, conids=Contracts(send).conids, account=only_account)


async def test_accounts_are_read_once_and_again_on_request(
    send: FakeSend, portfolio: Portfolio
) -> None:
    """The endpoint allows one call per five seconds, so the answer is kept."""
    first = await portfolio.accounts()
    await portfolio.accounts()
    await portfolio.accounts(refresh=True)
    portfolio.forget()
    await portfolio.accounts()

    assert first[0].account_id == "DU7000001"
    assert send.sent == ["GET /portfolio/accounts"] * 3


async def test_simultaneous_calls_share_the_first_read(
    send: FakeSend, portfolio: Portfolio
) -> None:
    """Two tasks that start together warm the portfolio up once."""
    send.will_answer("/portfolio/{account_id}/ledger", "ledger")

    await asyncio.gather(
        portfolio.ledger(account_id="DU7000001"), portfolio.ledger(account_id="DU7000001")
    )

    assert send.sent.count("GET /portfolio/accounts") == 1


async def test_failed_first_read_is_tried_again_by_the_next_call(
    send: FakeSend, portfolio: Portfolio
) -> None:
    """A failure is not remembered as an answer."""
    failure = NotReadyError("GET /portfolio/accounts", 200, "an empty answer")
    send.will_answer("/portfolio/accounts", failure, "portfolio_accounts")

    with pytest.raises(NotReadyError):
        await portfolio.accounts()

    assert len(await portfolio.accounts()) == 1


async def test_cancelled_first_read_leaves_the_lock_free(
    send: FakeSend, portfolio: Portfolio
) -> None:
    """A task cancelled while reading does not block the next one."""
    reading = asyncio.create_task(portfolio.accounts())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert len(await portfolio.accounts()) == 1


async def test_thin_positions_are_read_once_more(send: FakeSend, portfolio: Portfolio) -> None:
    """The first read of a session lacks names; the second has them."""
    send.will_answer(PAGE, "positions_thin", "positions_full")

    (position,) = await portfolio.positions(account_id="DU7000001")

    assert position.ticker == "QQQ"
    assert send.sent == [
        "GET /portfolio/accounts",
        "GET /portfolio/DU7000001/positions/0",
        "GET /portfolio/DU7000001/positions/0",
    ]


async def test_positions_that_stay_thin_are_given_as_they_are(
    send: FakeSend, portfolio: Portfolio
) -> None:
    """The warm-up is bounded, and the caller can see that it did not help."""
    send.will_answer(PAGE, "positions_thin", "positions_thin", b"[]")

    (position,) = await portfolio.positions(account_id="DU7000001")

    assert position.thin
    assert len(send.requests) == 4


async def test_pages_are_read_until_one_is_short(send: FakeSend, portfolio: Portfolio) -> None:
    """A full page of 100 asks for the next one."""
    send.will_answer(
        PAGE, page(1, 100, pageSize=100), page(101, 100, pageSize=100), page(201, 3, pageSize=100)
    )

    positions = await portfolio.positions(account_id="DU7000001")

    assert [position.conid for position in positions] == list(range(1, 204))
    assert send.sent[1:] == [f"GET /portfolio/DU7000001/positions/{number}" for number in range(3)]


async def test_page_size_of_the_rows_is_believed(send: FakeSend, portfolio: Portfolio) -> None:
    """Older servers have pages of 30."""
    send.will_answer(PAGE, page(1, 30, pageSize=30), page(31, 1, pageSize=30))

    assert len(await portfolio.positions(account_id="DU7000001")) == 31


@pytest.mark.parametrize("last", [b"[]", page(151, 8)])
async def test_pages_of_unknown_size_are_read_until_one_is_empty_or_repeats(
    send: FakeSend, portfolio: Portfolio, last: bytes
) -> None:
    """Older servers put 30 rows on a page without saying so."""
    pages = [page(first, 30) for first in range(1, 151, 30)]
    send.will_answer(PAGE, *pages, page(151, 8), last)

    positions = await portfolio.positions(account_id="DU7000001")

    assert [position.conid for position in positions] == list(range(1, 159))
    assert len(send.sent) == 1 + 7


async def test_server_that_repeats_a_page_ends_the_reading(
    send: FakeSend, portfolio: Portfolio
) -> None:
    """A full page without news must not be asked for forever."""
    send.will_answer(PAGE, page(1, 100))

    assert len(await portfolio.positions(account_id="DU7000001")) == 100
    assert len(send.requests) == 3


async def test_account_without_positions_has_an_empty_list(
    send: FakeSend, portfolio: Portfolio
) -> None:
    """Nothing is not an error."""
    send.will_answer(PAGE, b"[]")

    assert await portfolio.positions(account_id="DU7000001") == []


async def test_position_of_a_contract_is_found_over_all_accounts(
    send: FakeSend, portfolio: Portfolio
) -> None:
    """The recorded shape is keyed by account, the documented one an array."""
    send.will_answer("/portfolio/positions/{conid}", "position_by_account", "positions_full")

    recorded = await portfolio.position(320227571)
    documented = await portfolio.position(320227571)

    assert [row.acct_id for row in recorded] == ["DU7000001", "DU7000002"]
    assert recorded[1].position == Decimal("-0.00412345")
    assert len(documented) == 1
    assert send.sent[-1] == "GET /portfolio/positions/320227571"


async def test_position_of_a_contract_in_one_account(send: FakeSend, portfolio: Portfolio) -> None:
    """An account narrows the question."""
    send.will_answer("/portfolio/{account_id}/position/{conid}", "positions_full")

    (position,) = await portfolio.position(320227571, account_id="DU7000001")

    assert position.acct_id == "DU7000001"
    assert send.sent[-1] == "GET /portfolio/DU7000001/position/320227571"


async def test_position_refuses_what_is_no_conid(send: FakeSend, portfolio: Portfolio) -> None:
    """Nothing is sent for a conid that cannot exist."""
    with pytest.raises(UsageError, match="positive whole number"):
        await portfolio.position(0)

    assert send.requests == []


async def test_ledger_and_summary_are_keyed(send: FakeSend, portfolio: Portfolio) -> None:
    """The ledger by currency, the summary by IBKR's names."""
    send.will_answer("/portfolio/{account_id}/ledger", "ledger")
    send.will_answer("/portfolio/{account_id}/summary", "portfolio_summary")

    ledger = await portfolio.ledger(account_id="DU7000001")
    summary = await portfolio.summary(account_id="DU7000001")

    assert set(ledger) == {"USD", "BASE"}
    assert summary["netliquidation"].amount == Decimal("251234.5")
    assert send.sent == [
        "GET /portfolio/accounts",
        "GET /portfolio/DU7000001/ledger",
        "GET /portfolio/DU7000001/summary",
    ]
    assert all(request.replayable for request in send.requests)


async def test_invalidate_is_a_post(send: FakeSend, portfolio: Portfolio) -> None:
    """Dropping IBKR's cache is an action, so it is not repeated."""
    send.will_answer("/portfolio/{account_id}/positions/invalidate", "positions_invalidated")

    reply = await portfolio.invalidate(account_id="DU7000001")

    assert reply.message == "success"
    assert send.sent[-1] == "POST /portfolio/DU7000001/positions/invalidate"
    assert not send.last.replayable


async def test_everything_is_that_of_the_only_account(send: FakeSend, portfolio: Portfolio) -> None:
    """Where none is named; the one that is named is taken as it is."""
    send.will_answer(PAGE, b"[]")
    send.will_answer("/portfolio/{account_id}/ledger", "ledger")
    send.will_answer("/portfolio/{account_id}/summary", "portfolio_summary")
    send.will_answer("/portfolio/{account_id}/positions/invalidate", "positions_invalidated")

    await portfolio.positions()
    await portfolio.ledger()
    await portfolio.summary()
    await portfolio.invalidate()
    await portfolio.ledger(account_id="DU9")

    assert send.sent[1:] == [
        "GET /portfolio/DU7000001/positions/0",
        "GET /portfolio/DU7000001/ledger",
        "GET /portfolio/DU7000001/summary",
        "POST /portfolio/DU7000001/positions/invalidate",
        "GET /portfolio/DU9/ledger",
    ]


@pytest.mark.parametrize("method", ["positions", "ledger", "summary", "invalidate"])
async def test_nothing_is_sent_when_several_accounts_could_be_meant(
    send: FakeSend, method: str
) -> None:
    """The session says which there are."""

    def several(named: str | None) -> str:
        raise UsageError("this login has the accounts DU7, DU8: name one")

    portfolio = Portfolio(send, conids=Contracts(send).conids, account=several)

    with pytest.raises(UsageError, match="DU7, DU8"):
        await getattr(portfolio, method)()

    assert send.requests == []


async def test_empty_list_of_accounts_is_not_remembered(
    send: FakeSend, portfolio: Portfolio
) -> None:
    """It means that IBKR has not loaded them."""
    send.will_answer("/portfolio/accounts", b"[]", "portfolio_accounts")
    await portfolio.accounts()

    assert len(await portfolio.accounts()) == 1


async def test_position_of_a_symbol(send: FakeSend, portfolio: Portfolio) -> None:
    """It is looked up first."""
    send.will_answer("/trsrv/stocks", "stocks")
    send.will_answer("/portfolio/positions/{conid}", "positions_full")

    await portfolio.position("AAPL")

    assert send.sent[-1] == "GET /portfolio/positions/265598"


async def test_all_subaccounts_are_read_to_the_last_page(
    send: FakeSend, portfolio: Portfolio
) -> None:
    """Twenty to a page, in either documented or recorded form; a server that repeats itself ends it."""
    rows = [{"accountId": f"DU{number}"} for number in range(20)]
    more = {"metadata": {"total": 21, "pageNum": 1}, "subaccounts": [{"accountId": "DU20"}]}
    send.will_answer(
        "/portfolio/subaccounts2", msgspec.json.encode(rows), msgspec.json.encode(more)
    )

    found = await portfolio.all_subaccounts()

    assert [row.account_id for row in found] == [f"DU{number}" for number in range(21)]
    assert [request.query for request in send.requests] == [(("page", "0"),), (("page", "1"),)]

    send.will_answer("/portfolio/subaccounts2", msgspec.json.encode(rows))
    assert len(await portfolio.all_subaccounts()) == 20


async def test_positions_are_asked_for_as_told(send: FakeSend, portfolio: Portfolio) -> None:
    """Every page with the same parameters."""
    send.will_answer(PAGE, page(1, 100, pageSize=100), page(101, 1, pageSize=100))

    await portfolio.positions(
        model="Growth", sort="position", direction="d", period="7D", wait_for_sec_def=True
    )

    assert [request.query for request in send.requests[1:]] == [
        (
            ("model", "Growth"),
            ("sort", "position"),
            ("direction", "d"),
            ("period", "7D"),
            ("waitForSecDef", "true"),
        )
    ] * 2


async def test_subaccounts_are_read_to_the_number_that_ibkr_names(
    send: FakeSend, portfolio: Portfolio
) -> None:
    """A page may hold fewer than twenty and not be the last."""
    rows = [{"accountId": f"DU{number}"} for number in range(15)]
    pages = [
        {"metadata": {"total": 15, "pageSize": 10, "pageNum": n}, "subaccounts": part}
        for n, part in enumerate((rows[:10], rows[10:]))
    ]
    send.will_answer("/portfolio/subaccounts2", *map(msgspec.json.encode, pages))

    found = await portfolio.all_subaccounts()

    assert len(found) == 15
    assert len(send.requests) == 2
