from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

from ibkr_async.errors import UnknownFieldError, UsageError
from ibkr_async.models.contracts import ResolvedContract
from ibkr_async.models.market_data import QUOTE
from ibkr_async.resources.contracts import Contracts
from ibkr_async.resources.market_data import MarketData
from ibkr_async.types import Conid
from support.fake_time import FakeTime, fake_world

if TYPE_CHECKING:
    from conftest import FakeSend

SNAPSHOT = "/iserver/marketdata/snapshot"
HISTORY = "/iserver/marketdata/history"


@pytest.fixture
def time() -> FakeTime:
    """Time that passes only by waiting."""
    return FakeTime()


@pytest.fixture
def slept(time: FakeTime) -> list[float]:
    """How long was slept, in seconds."""
    return time.slept


@pytest.fixture
def market_data(send: FakeSend, time: FakeTime) -> MarketData:
    """Market data over the stand-in."""
    return MarketData(send, conids=Contracts(send).conids, world=fake_world(time))


async def test_snapshot_asks_again_until_every_value_came(
    send: FakeSend, market_data: MarketData, slept: list[float]
) -> None:
    """First nothing but ids, then a part, then all: three requests, a second apart."""
    send.will_answer(SNAPSHOT, "snapshot_warming", "snapshot_partial", "snapshot_full")

    rows = await market_data.snapshot(265598, 272093, fields=["last", "84"])

    assert list(rows) == [265598, 272093]
    assert rows[265598].last == 189.61
    assert rows[265598].bid == 189.60
    assert rows[272093].last_price.is_close
    assert slept == [1.0, 1.0]
    assert send.sent == [f"GET {SNAPSHOT}"] * 3
    assert send.last.query == (("conids", "265598,272093"), ("fields", "31,84"))
    assert send.last.replayable


async def test_snapshot_keeps_what_an_earlier_look_brought(
    send: FakeSend, market_data: MarketData
) -> None:
    """A value that a later row lacks is not lost."""
    send.will_answer(
        SNAPSHOT, b'[{"conid":265598,"31":"189.60","55":"AAPL"}]', b'[{"conid":265598,"84":"1.5"}]'
    )

    rows = await market_data.snapshot(265598, fields=["last", "bid"])

    assert rows[265598].last == 189.60
    assert rows[265598].bid == 1.5
    assert rows[265598].symbol == "AAPL"


async def test_snapshot_gives_what_is_there_when_the_time_is_over(
    send: FakeSend, market_data: MarketData, slept: list[float]
) -> None:
    """A field that never comes costs the waiting time, and then is None."""
    send.will_answer(SNAPSHOT, "snapshot_partial")

    rows = await market_data.snapshot(265598, 8314, fields=["last", "bid"], wait_s=1.5)

    assert list(rows) == [265598]
    assert rows[265598].bid is None
    assert slept == [1.0, 1.0]


async def test_snapshot_with_no_waiting_asks_once(
    send: FakeSend, market_data: MarketData, slept: list[float]
) -> None:
    """A caller with its own loop may ask for a single look."""
    send.will_answer(SNAPSHOT, "snapshot_warming")

    rows = await market_data.snapshot(265598, wait_s=0)

    assert rows[265598].last is None
    assert len(send.requests) == 1
    assert slept == []
    assert dict(send.last.query)["fields"] == ",".join(QUOTE)


@pytest.mark.parametrize(
    ("conids", "fields", "words"),
    [
        (range(1, 102), ["last"], "101 conids were given; IBKR allows 100"),
        ([1], [str(tag) for tag in range(7000, 7051)], "51 fields were given; IBKR allows 50"),
        ([], ["last"], "no conid was given"),
        ([1], [], "no field was given"),
        ([True], ["last"], "True is not a conid"),
        (["265598"], ["last"], "'265598' is not a conid"),
    ],
)
async def test_snapshot_refuses_what_ibkr_would(
    send: FakeSend, market_data: MarketData, conids: Any, fields: list[str], words: str
) -> None:
    """Limits are checked before anything is sent."""
    with pytest.raises(UsageError, match=words):
        await market_data.snapshot(*conids, fields=fields)

    assert send.requests == []


async def test_misspelt_field_is_refused(send: FakeSend, market_data: MarketData) -> None:
    """A field name that does not exist never reaches IBKR."""
    with pytest.raises(UnknownFieldError):
        await market_data.snapshot(265598, fields=["lastt"])

    assert send.requests == []


async def test_history_sends_the_least_that_is_needed(
    send: FakeSend, market_data: MarketData
) -> None:
    """Optional parameters that were not given are left out."""
    send.will_answer(HISTORY, "history")

    reply = await market_data.history(756733, "1d", "1min")

    assert len(reply.bars) == 2
    assert send.sent == [f"GET {HISTORY}"]
    assert send.last.query == (
        ("conid", "756733"),
        ("period", "1d"),
        ("bar", "1min"),
        ("outsideRth", "false"),
    )
    assert send.last.replayable


async def test_history_sends_the_end_of_the_window_in_utc(
    send: FakeSend, market_data: MarketData
) -> None:
    """IBKR calls it startTime and reads it as UTC."""
    send.will_answer(HISTORY, "history")
    berlin = timezone(timedelta(hours=2))

    await market_data.history(
        756733,
        "1w",
        "1h",
        exchange="ARCA",
        outside_rth=True,
        until=datetime(2026, 4, 2, 15, 30, tzinfo=berlin),
        source="Midpoint",
    )

    assert send.last.query[3:] == (
        ("exchange", "ARCA"),
        ("outsideRth", "true"),
        ("startTime", "20260402-13:30:00"),
        ("source", "Midpoint"),
    )


async def test_history_refuses_an_instant_without_time_zone(
    send: FakeSend, market_data: MarketData
) -> None:
    """Local time would be silently wrong by hours."""
    naive = datetime(2026, 4, 2, 15, 30, tzinfo=UTC).replace(tzinfo=None)

    with pytest.raises(UsageError, match="no time zone"):
        await market_data.history(756733, "1d", "1min", until=naive)

    assert send.requests == []


async def test_history_refuses_bars_that_do_not_exist(
    send: FakeSend, market_data: MarketData
) -> None:
    """IBKR would answer 500 to a bad bar size."""
    with pytest.raises(UsageError, match="is not one of"):
        await market_data.history(756733, "1d", "7min")

    assert send.requests == []


async def test_unsubscribe_gives_the_line_back(send: FakeSend, market_data: MarketData) -> None:
    """One contract by POST, all of them by GET; neither is repeated."""
    send.will_answer("/iserver/marketdata/unsubscribe", "unsubscribed")
    send.will_answer("/iserver/marketdata/unsubscribeall", "unsubscribed_all", b"{}")

    assert await market_data.unsubscribe(265598)
    assert send.last.body == {"conid": 265598}
    assert await market_data.unsubscribe_all()
    assert not await market_data.unsubscribe_all()
    assert send.sent[:2] == [
        "POST /iserver/marketdata/unsubscribe",
        "GET /iserver/marketdata/unsubscribeall",
    ]
    assert not any(request.replayable for request in send.requests)


async def test_symbols_and_contracts_are_taken_like_conids(
    send: FakeSend, market_data: MarketData
) -> None:
    """One request finds all symbols; the answer is keyed by conid."""
    send.will_answer("/trsrv/stocks", "stocks")
    send.will_answer(SNAPSHOT, b'[{"conid":265598,"31":"1"},{"conid":272093,"31":"2"}]')
    send.will_answer(HISTORY, "history")
    send.will_answer("/iserver/marketdata/unsubscribe", "unsubscribed")

    rows = await market_data.snapshot(
        "msft", "AAPL", ResolvedContract(Conid(265598), "AAPL"), fields=["last"]
    )
    await market_data.history("AAPL", "1d", "1min")
    await market_data.unsubscribe("MSFT")

    assert list(rows) == [272093, 265598]
    assert send.sent == [
        "GET /trsrv/stocks",
        f"GET {SNAPSHOT}",
        f"GET {HISTORY}",
        "POST /iserver/marketdata/unsubscribe",
    ]
    assert send.last.body == {"conid": 272093}
