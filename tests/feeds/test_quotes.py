from __future__ import annotations

import asyncio
import contextlib
from itertools import pairwise
from typing import Any

import pytest

from ibkr_async.errors import UnknownFieldError, UnknownSymbolError, UsageError
from ibkr_async.feeds import Quotes
from ibkr_async.models.quotes import Quote
from ibkr_async.stream.delivery.events import Gap, Resumed
from stream.core_driver import smd
from stream.core_feeds import CoreFeeds
from support.captures import read_captures
from support.fake_time import FakeTime
from support.inside import registry_of


def make(*wanted: str | int, **options: Any) -> tuple[CoreFeeds, Quotes]:
    """Quotes over a fresh core."""
    feeds = CoreFeeds(FakeTime(1.5))
    return feeds, Quotes(feeds.upstream, wanted, **options)


async def test_deltas_fold_into_the_quote_of_the_contract_that_changed() -> None:
    """Two contracts, interleaved."""
    feeds, quotes = make("AAPL", 272093)
    async with quotes:
        for frame in (smd(265598, "1"), smd(272093, "C2"), smd(265598, "3", t84="2.9")):
            feeds.core.frame_received(frame, 0.0)
        seen = [await anext(quotes) for _ in range(3)]

    assert [(q.symbol, q.last, q.bid) for q in seen] == [
        ("AAPL", 1.0, None), ("MSFT", 2.0, None), ("AAPL", 3.0, 2.9),
    ]  # fmt: skip
    assert seen[1].last_is_close
    assert quotes.latest("AAPL") == quotes.latest(265598) == seen[2]
    assert set(quotes.all) == {265598, 272093}
    assert seen[2].received_at == 1.5
    assert quotes.stats.delivered == 3
    assert [quote async for quote in quotes] == []


async def test_repeated_frame_is_no_step() -> None:
    """IBKR sends the first frame of each contract twice, with its keys in another order."""
    feeds, quotes = make("AAPL")
    async with quotes:
        for frame in (
            '{"6509":"DPB","topic":"smd+265598","conid":265598,"_updated":5,"84":"1.5","31":"2"}',
            '{"conid":265598,"_updated":5,"31":"2","84":"1.5","6509":"DPB","topic":"smd+265598"}',
            '{"conid":265598,"_updated":6,"topic":"smd+265598"}',
            '{"conid":265598,"_updated":6,"31":"2","86":"3","topic":"smd+265598"}',
            '{"conid":265598,"31":"2","topic":"smd+265598"}',
        ):
            feeds.core.frame_received(frame, 0.0)
        await quotes.drain()
        seen = [quote async for quote in quotes]

    assert [(quote.updated_at_ms, quote.ask) for quote in seen] == [(5, None), (6, None), (6, 3.0)]


async def test_repeated_frame_after_a_gap_is_a_step() -> None:
    """What was known is forgotten then, so the same frame is news."""
    feeds, quotes = make("AAPL")
    frame = '{"conid":265598,"_updated":5,"31":"2","topic":"smd+265598"}'
    async with quotes:
        feeds.receive(frame)
        assert (await anext(quotes)).last == 2.0
        feeds.lose()
        assert (await anext(quotes)).last is None
        feeds.come_back()
        feeds.receive(frame)

        assert (await anext(quotes)).last == 2.0


@pytest.mark.captures
async def test_recorded_first_frames_are_one_step() -> None:
    """The recording has the first frame in two key orders."""
    feeds, quotes = make(265598, fields=("31", "84", "86", "6509", "83"))
    rows = [row for row in read_captures("ws_smd_single.jsonl") if row.inbound]
    async with quotes:
        for row in rows:
            feeds.receive(row.raw)
        await quotes.drain()
        seen = [quote async for quote in quotes]

    frames = sum(row.topic_or_path.startswith("smd") for row in rows)
    assert len(seen) == frames - 1
    assert all(one != other for one, other in pairwise(seen))


async def test_contract_named_twice_is_subscribed_once() -> None:
    """As a symbol and as a conid."""
    feeds, quotes = make("AAPL", 265598)
    async with quotes:
        assert list(registry_of(feeds.core).channels) == ["smd+265598"]


async def test_update_of_another_contract_is_reported_and_not_shown() -> None:
    """A frame whose topic and conid disagree."""
    feeds, quotes = make("AAPL")
    async with quotes:
        feeds.core.frame_received('{"conid":5,"31":"1","topic":"smd+265598"}', 0.0)
        feeds.core.frame_received('{"31":"4","topic":"smd+265598"}', 0.0)

        assert (await anext(quotes)).last == 4.0
    assert feeds.core.stats.bad == 1


async def test_misuse_is_told() -> None:
    """Each mistake has its own words."""
    with pytest.raises(UsageError, match="at least one"):
        make()
    _, quotes = make("AAPL")
    with pytest.raises(UsageError, match="async with"):
        await anext(quotes)
    assert quotes.stats.received == 0
    async with quotes:
        with pytest.raises(UsageError, match="not among"):
            quotes.latest("MSFT")
        with pytest.raises(UsageError, match="already"):
            await quotes.__aenter__()
    await quotes.aclose()


@pytest.mark.parametrize(
    ("wanted", "fields", "error"),
    [("XXXX", ("last",), UnknownSymbolError), ("AAPL", ("lasst",), UnknownFieldError)],
)
async def test_what_does_not_exist_is_told_on_entering_or_before(
    wanted: str, fields: tuple[str, ...], error: type[Exception]
) -> None:
    """Nothing is left open."""
    feeds = CoreFeeds()
    with pytest.raises(error):
        await Quotes(feeds.upstream, [wanted], fields=fields).__aenter__()

    assert registry_of(feeds.core).channels == {}


async def test_cancelled_while_resolving_leaves_nothing() -> None:
    """Cancellation on entering."""

    async def hang(*_wanted: object) -> list[tuple[int, str]]:
        await asyncio.Event().wait()
        return []

    feeds, quotes = make("AAPL")
    feeds.upstream.resolve = hang
    entering = asyncio.create_task(quotes.__aenter__())
    await asyncio.sleep(0)
    entering.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await entering

    assert registry_of(feeds.core).channels == {}


async def test_gap_shows_that_nothing_is_known_any_more() -> None:
    """B4: the consumer does not go on with the last picture, and sees when that begins and ends."""
    feeds, quotes = make("AAPL", 272093)
    async with quotes:
        marked = quotes.marked()
        feeds.receive(smd(265598, "1", t84="0.9"))
        feeds.receive(smd(272093, "2"))
        full = [await anext(marked) for _ in range(2)]
        feeds.lose()
        during = [await anext(marked) for _ in range(4)]
        feeds.come_back()
        feeds.receive(smd(265598, "5"))
        after = [await anext(marked) for _ in range(2)]

        assert [quote.last for quote in full if isinstance(quote, Quote)] == [1.0, 2.0]
        assert [type(item) for item in during] == [Gap, Quote, Gap, Quote]
        assert [(q.symbol, q.last, q.bid) for q in during if isinstance(q, Quote)] == [
            ("AAPL", None, None), ("MSFT", None, None),
        ]  # fmt: skip
        assert isinstance(after[0], Resumed)
        assert isinstance(after[1], Quote)
        assert (after[1].last, after[1].bid) == (5.0, None)
        assert quotes.latest("MSFT").last is None
        assert quotes.stats.gaps == 2


async def test_gap_is_seen_by_plain_iteration_too() -> None:
    """As values that are None again."""
    feeds, quotes = make("AAPL")
    async with quotes:
        feeds.receive(smd(265598, "1"))
        feeds.lose()
        feeds.come_back()
        feeds.receive(smd(265598, "5"))

        assert [(await anext(quotes)).last for _ in range(3)] == [1.0, None, 5.0]


async def test_contracts_come_and_go() -> None:
    """By symbol or conid; what was known of one that went is forgotten."""
    feeds, quotes = make("AAPL")
    async with quotes:
        await quotes.add("MSFT")
        with pytest.raises(UsageError, match="twice"):
            await quotes.add(265598, 8314)
        assert set(quotes.all) == {265598, 272093}
        feeds.receive(smd(272093, "2"))
        assert (await anext(quotes)).symbol == "MSFT"
        await quotes.remove("AAPL")

        assert set(quotes.all) == {272093}
        assert quotes.topics == ("smd+272093",)
        with pytest.raises(UsageError, match="not among"):
            quotes.latest("AAPL")
