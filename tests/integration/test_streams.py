"""Every feed through a real client, against the real simulator on a real socket."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import anyio
import pytest

from ibkr_async import Client
from ibkr_async.errors import SubscriptionError
from ibkr_async.events import Gap, LoginRenewed, Resumed
from ibkr_async.models.streaming import (
    ExerciseForm,
    ExercisePrompt,
    LadderRow,
    LedgerRow,
    Prompt,
    SummaryRow,
    SystemMessage,
)
from ibkr_async.simulator import Simulator
from support.leaks import nothing_left_behind
from support.waiting import first, until

AAPL, MSFT, IBM = 265598, 272093, 8314
OPTION = 900000201


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ('account_summary("DU1234567")', SummaryRow),
        ('account_ledger("DU1234567")', LedgerRow),
        (f'price_ladder({AAPL}, account_id="DU1234567")', LadderRow),
    ],
)
async def test_feed_delivers_its_struct(ib: Client, call: str, kind: type[Any]) -> None:
    """Subscribed, confirmed, read and given up."""
    async with eval(f"ib.stream.{call}", {"ib": ib}) as feed:  # noqa: S307 - the test's own text
        assert isinstance(await first(feed, kind), kind)


async def test_two_bar_sizes_of_one_contract_coexist(ib: Client) -> None:
    """Answered under one name, each reaches its own consumer."""
    async with (
        ib.stream.market_history(AAPL, "1d", "5min") as short,
        ib.stream.market_history(AAPL, "1d", "1h") as long,
    ):
        with anyio.fail_after(5):
            answers = await anext(short), await anext(long)

    assert [answer.bar_length for answer in answers] == [300, 3600]
    assert answers[0].shares(answers[0].bars[0]) is not None


async def test_sixth_bar_feed_is_refused_or_waits(ib: Client) -> None:
    """As asked."""
    feeds = [ib.stream.market_history(AAPL, "1d", bar) for bar in ("1min", "2min", "3min", "5min")]
    async with feeds[0], feeds[1], feeds[2], feeds[3]:
        fifth = await ib.stream.market_history(MSFT, "1d", "1min").__aenter__()
        with pytest.raises(SubscriptionError, match="5 of these at a time"):
            await ib.stream.market_history(IBM, "1d", "1min").__aenter__()
        async with ib.stream.market_history(IBM, "1d", "1min", when_full="wait") as sixth:
            await anext(fifth)
            assert sixth.stats.waiting == 0
            await fifth.aclose()
            with anyio.fail_after(5):
                assert (await anext(sixth)).symbol == "IBM"


async def test_bars_join_past_and_present(ib: Client) -> None:
    """The past is final and without a hole; the growing bar stands right behind it."""
    async with ib.bars(AAPL, "1min", since="30min") as bars:
        found = []
        with anyio.fail_after(10):
            async for bar in bars:
                found.append(bar)
                if not bar.final and bar.source == "quotes":
                    break
    final = [bar.t for bar in found if bar.final]

    assert len(final) >= 29
    assert {after - before for before, after in pairwise(final)} == {60_000}
    assert found[-1].t == final[-1] + 60_000
    assert found[-1].close is not None


async def test_bars_go_on_after_a_lost_connection(sim: Simulator, ib: Client) -> None:
    """What was given as final is not given again."""
    async with ib.bars(AAPL, "1min", since="10min") as bars:
        seen = [await anext(bars) for _ in range(11)]
        sim.drop_sockets()
        with anyio.fail_after(10):
            events = ib.events()
            await first(events, Resumed)
            seen += [await anext(bars) for _ in range(5)]
    finals = [bar.t for bar in seen if bar.final]

    assert len(finals) == len(set(finals))
    assert finals == sorted(finals)


async def test_ladder_is_whole_at_every_step(ib: Client) -> None:
    """Best bid below best ask, whatever rows have changed."""
    async with ib.ladder(AAPL) as ladders:
        for _ in range(5):
            with anyio.fail_after(5):
                ladder = await anext(ladders)
            assert ladder.bids[0][0] < ladder.asks[0][0]


async def test_option_is_exercised_step_by_step(ib: Client) -> None:
    """Form, answer, warning, answer; then the order shows up."""
    async with ib.stream.live_orders() as orders, ib.stream.option_exercise(OPTION) as dialogue:
        with anyio.fail_after(5):
            form = await anext(dialogue)
            assert isinstance(form, ExerciseForm)
            await dialogue.submit(form, contracts=1)
            warning = await anext(dialogue)
            assert isinstance(warning, ExercisePrompt)
            await dialogue.choose(warning, "continue")
            order = await anext(orders)

    assert order.side == "EXER"


async def test_renewed_login_binds_the_socket_anew(sim: Simulator, ib: Client) -> None:
    """The old socket belongs to the old login; the hole is named, and data goes on."""
    events = ib.events()
    async with ib.stream.market_data(AAPL) as ticks:
        await anext(ticks)
        sim.expire_token()
        with anyio.fail_after(10):
            await ib.accounts.list()
            await first(events, LoginRenewed)
            await first(ticks.marked(), Gap)
            await first(ticks.marked(), Resumed)

    assert len(sim.sockets) == 2


async def test_prompt_from_the_socket_is_answered_over_rest(sim: Simulator, ib: Client) -> None:
    """What `notifications` yields is what `answer_prompt` takes."""
    async with ib.stream.notifications() as notices:
        await until(lambda: ib.stream.connected)
        sim.push(
            '{"topic":"ntf","args":[{"orderId":1883733600,"reqId":"29042","dismissable":[],'
            '"text":"Use it?","options":["Yes","No"],"messageId":"p12","prompt":true}]}'
        )
        prompt = await first(notices, Prompt)
        await ib.orders.answer_prompt(prompt, "No")

    assert [answer["text"] for answer in sim.prompt_answers] == ["No"]


async def test_drained_client_delivers_what_was_queued(sim: Simulator) -> None:
    """And closes with 1000."""
    taken = []
    async with nothing_left_behind():
        ib = await Client(sim.auth()).__aenter__()
        ticks = await ib.stream.market_data(AAPL, MSFT).__aenter__()
        await until(lambda: ticks.stats.waiting >= 2)

        async def consume() -> None:
            async for tick in ticks:
                await asyncio.sleep(0)
                taken.append(tick)

        consumer = asyncio.create_task(consume())
        assert await ib.drain()
        await consumer
        await until(lambda: not any(socket.is_open for socket in sim.sockets))

    assert len(taken) >= 2
    assert sim.sockets[-1].client_close_code == 1000


async def test_greeting_is_visible_to_who_listens_in_time(sim: Simulator) -> None:
    """Unsolicited topics are feeds like the others."""
    async with Client(sim.auth()) as ib, ib.stream.system_messages() as messages:
        greeting = await first(messages, SystemMessage)

    assert greeting.is_greeting
