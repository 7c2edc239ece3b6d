from __future__ import annotations

import asyncio

import pytest

from ibkr_async.errors import SubscriptionError, UsageError
from ibkr_async.feeds import Ladder
from ibkr_async.models.streaming import PriceLadder
from ibkr_async.stream.delivery.events import Gap
from stream.core_feeds import CoreFeeds


async def test_second_ladder_of_an_account_is_refused_with_what_is_possible() -> None:
    """IBKR ends ladders by account, without naming a contract."""
    feeds = CoreFeeds()
    async with (
        feeds.price_ladder(265598, account_id="DU1"),
        feeds.price_ladder(265598, account_id="DU1"),
        feeds.price_ladder(8314, account_id="DU2"),
    ):
        with pytest.raises(SubscriptionError, match="ladders of other accounts"):
            await feeds.price_ladder(8314, account_id="DU1").__aenter__()


async def test_ladder_is_folded_and_begins_anew_after_a_gap() -> None:
    """Rows are patches by index; `size @ price` is taken apart."""
    feeds = CoreFeeds()
    async with Ladder(feeds.upstream, "AAPL") as ladders:
        feeds.receive(
            '{"topic":"sbd+DU1+265598","data":[{"row":0,"focus":0,"price":"185.24","ask":"900"},'
            '{"row":1,"focus":1,"price":"300 @ 185.23"},{"row":2,"price":"185.22","bid":"1,400"},'
            '{"row":3,"price":"185.21","bid":"7"},{"price":"1"}]}'
        )
        first = await anext(ladders)
        feeds.receive('{"topic":"sbd+DU1+265598","data":[{"row":2,"price":"185.22"}]}')
        second = await anext(ladders)
        assert ladders.latest == second
        feeds.lose()
        shown = await anext(ladders)
        feeds.come_back()
        feeds.receive('{"topic":"sbd+DU1+265598","data":[{"row":0,"price":"9","bid":"1"}]}')
        third = await anext(ladders)
        with pytest.raises(UsageError, match="already open"):
            await ladders.__aenter__()

    assert (first.bids, first.asks) == (((185.22, 1400.0), (185.21, 7.0)), ((185.24, 900.0),))
    assert first.last_trade is not None
    assert (first.last_trade.price, first.last_trade.size_at_price) == (185.23, 300.0)
    assert second.bids == ((185.21, 7.0),)
    assert shown == PriceLadder()
    assert list(third.rows) == [0]
    assert PriceLadder().last_trade is None
    with pytest.raises(StopAsyncIteration):
        await anext(ladders)


async def test_repeated_row_is_no_step() -> None:
    """A frame that repeats a row shows nothing, unless another row of it has changed."""
    feeds = CoreFeeds()
    row = '{"row":0,"price":"185.24","ask":"900"}'
    async with Ladder(feeds.upstream, "AAPL") as ladders:
        for data in (row, row, f'{{"row":1,"price":"185.23","bid":"5"}},{row}', f"{row},{row}"):
            feeds.receive(f'{{"topic":"sbd+DU1+265598","data":[{data}]}}')
            await asyncio.sleep(0)
        await ladders.drain()
        seen = [ladder async for ladder in ladders]

    assert [sorted(ladder.rows) for ladder in seen] == [[0, 1]]


async def test_row_that_is_repeated_alone_is_no_step() -> None:
    """Each frame is taken before the next one comes."""
    feeds = CoreFeeds()
    async with Ladder(feeds.upstream, "AAPL") as ladders:
        feeds.receive('{"topic":"sbd+DU1+265598","data":[{"row":0,"price":"9","ask":"900"}]}')
        await anext(ladders)
        feeds.receive('{"topic":"sbd+DU1+265598","data":[{"row":0,"price":"9","ask":"900"}]}')
        feeds.receive('{"topic":"sbd+DU1+265598","data":[{"row":0,"price":"9","ask":"901"}]}')

        assert (await anext(ladders)).asks == ((9.0, 901.0),)


async def test_ladder_that_was_not_opened_is_misuse() -> None:
    """Nothing would ever come; closing it is harmless."""
    ladders = Ladder(CoreFeeds().upstream, 1)
    with pytest.raises(UsageError, match="async with"):
        await anext(ladders)
    await ladders.aclose()


async def test_marked_ladder_shows_the_gap_and_then_that_nothing_is_known() -> None:
    """B4: nobody goes on with the last picture."""
    feeds = CoreFeeds()
    async with Ladder(feeds.upstream, 265598) as ladder:
        marked = ladder.marked()
        feeds.receive('{"topic":"sbd+DU1+265598","data":[{"row":0,"price":"9","bid":"1"}]}')
        full = await anext(marked)
        feeds.lose()
        seen = [await anext(marked) for _ in range(2)]

    assert isinstance(full, PriceLadder)
    assert (type(seen[0]), seen[1]) == (Gap, PriceLadder())


async def test_ladder_of_a_second_contract_does_not_wait_for_room() -> None:
    """Waiting is for those who say so; a folded ladder cannot."""
    feeds = CoreFeeds()
    async with Ladder(feeds.upstream, 265598, account_id="DU1"):
        with pytest.raises(SubscriptionError, match="ladders of other accounts"):
            await Ladder(feeds.upstream, 8314, account_id="DU1").__aenter__()
