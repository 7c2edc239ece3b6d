from __future__ import annotations

from typing import Any

import pytest

from ibkr_async.errors import (
    ClosedError,
    UnknownSymbolError,
    UsageError,
)
from ibkr_async.feeds.catalogue import Streams
from ibkr_async.models.contracts import ResolvedContract
from ibkr_async.stream.wire.topics import TOPICS
from ibkr_async.types import Conid
from stream.core_driver import smd
from stream.core_feeds import CoreFeeds
from support.inside import line_of

MINUTES = (
    'smh+265598+{"period":"1d","bar":"5min","outsideRth":false,'
    '"source":"trades","format":"%o/%c/%h/%l/%v"}'
)
RESOLVED = ResolvedContract(Conid(8314), "IBM")


class Nameless:
    """A contract whose conid IBKR did not say."""

    conid = None


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.code)
async def test_every_topic_has_a_call_that_asks_for_it(topic: Any) -> None:
    """The call of the table is a method that subscribes to exactly this topic."""
    feeds = CoreFeeds()
    subscription = eval(f"feeds.{topic.call}", {"feeds": feeds})  # noqa: S307 - our own table
    async with subscription:
        sent = feeds.sent()

    wishes = line_of(subscription).wishes
    assert topic.code in {wish.topic.code for wish in wishes}
    assert bool(sent) == any(wish.topic.requested for wish in wishes)


@pytest.mark.parametrize(
    ("call", "request_text"),
    [
        (
            'market_history(265598, "1d", "5min", exchange="ISLAND", source="midpoint")',
            (
                'smh+265598+{"exchange":"ISLAND","period":"1d","bar":"5min","outsideRth":false,'
                '"source":"midpoint","format":"%o/%c/%h/%l/%v"}'
            ),
        ),
        ('price_ladder(265598, account_id="DU1", exchange="ISLAND")', "sbd+DU1+265598+ISLAND+{}"),
        ('account_summary("DU1", keys=["Cushion"])', 'ssd+DU1+{"keys":["Cushion"]}'),
        ('account_ledger("DU1", fields=["interest"])', 'sld+DU1+{"fields":["interest"]}'),
        ("option_exercise(9)", 'shs+exercise+{"CEX":"9"}'),
        ('price_ladder("AAPL")', "sbd+DU1+265598+{}"),
        ('market_data("AAPL", fields=["last"])', 'smd+265598+{"fields":["31"]}'),
        ('market_data(RESOLVED, fields=["last"])', 'smd+8314+{"fields":["31"]}'),
        ('market_history("AAPL", "1d", "5min")', MINUTES),
        ('account_summary(keys=["Cushion"])', 'ssd+DU1+{"keys":["Cushion"]}'),
        ("option_exercise(RESOLVED)", 'shs+exercise+{"CEX":"8314"}'),
        ('market_data("265598@ARCA", fields=["last"])', 'smd+265598@ARCA+{"fields":["31"]}'),
    ],
)
async def test_what_is_asked_is_sent_as_ibkr_documents(call: str, request_text: str) -> None:
    """Arguments in IBKR's order and spelling."""
    feeds = CoreFeeds()
    async with eval(f"feeds.{call}", {"feeds": feeds, "RESOLVED": RESOLVED}):  # noqa: S307 - the test's own text
        assert feeds.sent() == [request_text]


@pytest.mark.parametrize(
    "call",
    [
        "market_data()",
        "trades(days=8)",
        'market_history(1, "1d", "7min")',
        'market_history(1, "1d", "5min", when_full="queue")',
        "option_exercise(0)",
        'option_exercise("AAPL")',
        "market_data(Nameless())",
        "live_orders(buffer=0)",
        'market_history(1, "1d", "5min", policy="conflate")',
        'live_orders(policy="never")',
        'account_summary("DU 1")',
        'account_summary("DU1", "DU1")',
    ],
)
def test_what_cannot_be_asked_is_told_at_once(call: str) -> None:
    """Before anything is sent."""
    with pytest.raises(UsageError):
        eval(f"feeds.{call}", {"feeds": CoreFeeds(), "Nameless": Nameless})  # noqa: S307 - the test's own text


# --- add and remove ------------------------------------------------------------------------------


async def test_contracts_come_and_go_while_iterating() -> None:
    """The same fields, one buffer; what is queued is still delivered."""
    feeds = CoreFeeds()
    async with feeds.market_data(1, fields=["last"]) as ticks:
        feeds.receive(smd(1))
        await ticks.add(2, "3@ARCA")
        feeds.receive(smd(2))
        await ticks.remove(1)
        feeds.receive(smd(1))
        seen = [(await anext(ticks)).conid for _ in range(2)]

        assert seen == [1, 2]
        assert ticks.topics == ("smd+2", "smd+3@ARCA")
        assert feeds.sent() == [
            'smd+1+{"fields":["31"]}', 'smd+2+{"fields":["31"]}', 'smd+3@ARCA+{"fields":["31"]}',
            "umd+1+{}",
        ]  # fmt: skip
        with pytest.raises(UsageError, match="twice"):
            await ticks.add(2)
        with pytest.raises(UsageError, match="not part of"):
            await ticks.remove(9)
        with pytest.raises(UnknownSymbolError):
            await ticks.add("XXXX")
        await ticks.add("AAPL", RESOLVED)
        await ticks.remove("AAPL")
        assert ticks.topics == ("smd+2", "smd+3@ARCA", "smd+8314")
        feeds.sent()
    assert feeds.sent() == ["umd+2+{}", "umd+3@ARCA+{}", "umd+8314+{}"]
    with pytest.raises(ClosedError):
        await ticks.add(5)


async def test_contracts_can_be_added_before_entering() -> None:
    """Nothing is sent before that."""
    feeds = CoreFeeds()
    ticks = feeds.market_data(1)
    await ticks.add(2)
    await ticks.remove(1)
    async with ticks:
        assert len(feeds.sent()) == 1


async def test_fixed_feeds_cannot_change() -> None:
    """Orders have no target."""
    with pytest.raises(UsageError, match="cannot change"):
        await CoreFeeds().live_orders().add(1)


async def test_rows_are_filtered_by_the_keys_that_each_consumer_asked_for() -> None:
    """Upstream there is one summary of an account; each gets its own figures."""
    feeds = CoreFeeds()
    async with (
        feeds.account_summary("DU1", keys=["A"]) as first,
        feeds.account_summary("DU1", keys=["B", "A"]) as second,
    ):
        feeds.receive('{"topic":"ssd+DU1","result":[{"key":"A","value":"1"},{"key":"B"}]}')
        seen = [row.key for row in await anext(first.batches())]
        rest = [row.key for row in await anext(second.batches())]
        third = feeds.account_summary("DU1")
        async with third:
            requests = feeds.sent()

    assert (seen, rest, first.stats.filtered) == (["A"], ["A", "B"], 1)
    assert requests[-2:] == ['ssd+DU1+{"keys":["A","B"]}', "ssd+DU1+{}"]


async def test_contract_that_needs_no_looking_up_is_not_looked_up() -> None:
    """Each look-up may be a request."""
    feeds = CoreFeeds()
    async with feeds.market_data(1, "2", RESOLVED, "AAPL"), feeds.price_ladder(5):
        assert feeds.looked_up == ["AAPL"]


# --- the end -------------------------------------------------------------------------------------


async def test_drained_subscription_delivers_the_rest_and_ends() -> None:
    """Unsubscribed at once; nothing that had come is lost."""
    feeds = CoreFeeds()
    async with feeds.market_data(1) as ticks:
        feeds.receive(smd(1, "1"))
        feeds.receive(smd(1, "2"))
        await ticks.drain()
        await ticks.drain()
        feeds.receive(smd(1, "3"))

        assert [update.last async for update in ticks] == [1.0, 2.0]
    assert feeds.sent()[-1] == "umd+1+{}"
    await ticks.drain()


def test_the_face_of_the_stream_has_no_verbs_of_the_engine() -> None:
    """Tab-completion shows what a user may call."""
    calls = {topic.call.partition("(")[0] for topic in TOPICS.values()}

    assert {name for name in dir(Streams) if not name.startswith("_")} == calls | {
        "connected", "hours", "stats",
    }  # fmt: skip
