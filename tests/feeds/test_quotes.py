from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from ibkr_async.errors import ClosedError, UnknownFieldError, UnknownSymbolError, UsageError
from ibkr_async.feeds.quotes import Quotes
from stream.core_driver import smd
from stream.core_feeds import CoreFeeds

BOOK = {"AAPL": 265598, "MSFT": 272093}


async def resolve(*wanted: str | int) -> list[tuple[int, str]]:
    """Look symbols up."""
    names = {conid: symbol for symbol, conid in BOOK.items()}
    found = []
    for one in wanted:
        if one not in BOOK and one not in names:
            raise UnknownSymbolError(str(one))
        conid = BOOK[one] if isinstance(one, str) else one
        found.append((conid, names[conid]))
    return found


def make(*wanted: str | int, **options: Any) -> tuple[CoreFeeds, Quotes]:
    """Quotes over a fresh core."""
    feeds = CoreFeeds()
    return feeds, Quotes(feeds, resolve, *wanted, wall_clock=lambda: 1.5, **options)


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


async def test_contract_named_twice_is_subscribed_once() -> None:
    """As a symbol and as a conid."""
    feeds, quotes = make("AAPL", 265598)
    async with quotes:
        assert list(feeds.core._registry.channels) == ["smd+265598"]


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
        Quotes(CoreFeeds(), resolve)
    _, quotes = make("AAPL")
    with pytest.raises(UsageError, match="async with"):
        await anext(quotes)
    with pytest.raises(ClosedError):
        _ = quotes.stats
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
async def test_what_does_not_exist_is_told_on_entering(
    wanted: str, fields: tuple[str, ...], error: type[Exception]
) -> None:
    """Nothing is left open."""
    feeds, quotes = make(wanted, fields=fields)
    with pytest.raises(error):
        await quotes.__aenter__()
    await quotes.aclose()

    assert feeds.core._registry.channels == {}


async def test_cancelled_while_resolving_leaves_nothing() -> None:
    """Cancellation on entering."""

    async def hang(*_wanted: str | int) -> list[tuple[int, str]]:
        await asyncio.Event().wait()
        return []

    feeds = CoreFeeds()
    entering = asyncio.create_task(Quotes(feeds, hang, "AAPL").__aenter__())
    await asyncio.sleep(0)
    entering.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await entering

    assert feeds.core._registry.channels == {}
