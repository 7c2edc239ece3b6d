"""F4-F6, F10, F25, F26: topics that stall, consumers that are slow, frames that are strange."""

from __future__ import annotations

import logging
from random import Random
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from faults.mutations import good_frame, mutated, number_of
from faults.rig import AAPL, CONIDS, IBM, MSFT, Consumer, fault_rig, listening, market, stream_with
from ibkr_async.errors import SlowConsumerError
from ibkr_async.events import (
    BadFrame,
    Disconnected,
    ErrorReceived,
    Gap,
    Renewed,
    Resumed,
    Stale,
    UnknownFrame,
)
from ibkr_async.feeds import Feed, Policy
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.inside import parts_of

NO_PINGS = {"ping_interval_s": 5.0, "ping_timeout_s": 5.0}
"""Where nothing may be lost, a slow machine must not look like a dead one."""

# --- F4: one topic stalls ------------------------------------------------------------------------


async def test_f4_stalled_topic_is_asked_for_again_and_others_flow_on(
    keys: SimulatorKeys, seed: int
) -> None:
    """One conid falls silent: `Stale`, a gap, a new request, data; the others notice nothing."""
    async with fault_rig(keys, seed, stream=stream_with(stale_after_s=0.5, **NO_PINGS)) as rig:
        ticks = rig.ib.stream.market_data(AAPL, MSFT, IBM)
        async with listening(rig, ticks) as (quotes,):
            await rig.until(lambda: len({update.conid for update in quotes.updates()}) == 3)

            await rig.until_busy(AAPL)
            rig.sim.mute(f"smd+{AAPL}", until_asked=True)
            before = len(quotes.items)
            await rig.until(lambda: rig.seen(Stale))
            await rig.until_resumed(1)
            count = len(quotes.updates(f"smd+{AAPL}"))
            await rig.until(lambda: len(quotes.updates(f"smd+{AAPL}")) > count)

            assert {event.topic for event in rig.seen(Stale)} == {f"smd+{AAPL}"}
            assert {gap.topic for gap in quotes.marks(Gap)} == {f"smd+{AAPL}"}
            others = {item.topic for item in quotes.items[before:]}
            assert {f"smd+{MSFT}", f"smd+{IBM}"} <= others
            assert not rig.seen(Disconnected)


async def test_f4_topic_that_stays_silent_is_not_hammered(keys: SimulatorKeys, seed: int) -> None:
    """At most one request in 30 s (scaled) for a topic that does not come back."""
    stream = stream_with(stale_after_s=0.5, **NO_PINGS)
    async with fault_rig(keys, seed, stream=stream) as rig:
        ticks = rig.ib.stream.market_data(AAPL, MSFT)
        async with listening(rig, ticks) as (quotes,):
            await rig.until(lambda: len({update.conid for update in quotes.updates()}) == 2)
            requests = rig.sim.sockets[-1].requests
            asked = requests[f"smd+{AAPL}"]
            retry_s = parts_of(rig.ib).engine.settings.protocol.retry_interval_s

            await rig.until_busy(AAPL)
            rig.sim.mute(f"smd+{AAPL}")
            await rig.until(lambda: requests[f"smd+{AAPL}"] > asked)
            first = requests[f"smd+{AAPL}"]
            await rig.steady(2.2 * retry_s)

            assert requests[f"smd+{AAPL}"] - first <= 3
            assert requests[f"smd+{MSFT}"] == 1
            assert not rig.seen(Disconnected)


# --- F5: slow consumers --------------------------------------------------------------------------

_FLOOD = 3000
_ROOM = 100


@pytest.mark.parametrize("policy", ["conflate", "drop_oldest", "latest"])
async def test_f5_slow_consumer_loses_what_the_counters_say(
    keys: SimulatorKeys, seed: int, policy: Policy
) -> None:
    """While it sleeps, thousands of frames come: socket up, buffer bounded, each message accounted for."""
    settings = market(tick_s=60.0)
    async with (
        fault_rig(keys, seed, sim=settings, stream=stream_with(**NO_PINGS)) as rig,
        rig.ib.stream.market_data(
            AAPL, MSFT, fields=["31", "7762"], policy=policy, buffer=_ROOM
        ) as slow,
    ):
        first = [await anext(slow) for _ in range(2)]
        held = 2 * (_ROOM + len(slow.topics))
        for number in range(_FLOOD):
            rig.sim.push(good_frame((AAPL, MSFT)[number % 2], number))
            if number % 200 == 0:
                await anyio.lowlevel.checkpoint()
        rig.sim.push('{"topic":"xyz"}')
        await rig.until(lambda: rig.seen(UnknownFrame))
        stats = slow.stats
        assert stats.received >= _FLOOD
        assert slow.stats.waiting <= held
        assert (
            stats.received == stats.delivered + stats.conflated + stats.dropped + slow.stats.waiting
        )

        taken = list(first)
        while slow.stats.waiting:
            taken.append(await anext(slow))

        assert stats.received == stats.delivered + stats.conflated + stats.dropped
        assert len(taken) == stats.delivered
        numbers = [n for update in taken if (n := number_of(update)) is not None]
        assert {_FLOOD - 1, _FLOOD - 2} <= set(numbers)
        if policy == "conflate":
            assert stats.dropped == 0
        if policy == "drop_oldest":
            lost = set(range(_FLOOD)) - set(numbers)
            first_frames = stats.dropped - len(lost)
            assert 0 <= first_frames <= 2
        assert rig.quiet


async def test_f5_topic_where_each_message_counts_ends_with_an_error(
    keys: SimulatorKeys, seed: int
) -> None:
    """`fail`: all that was queued is delivered, then the error names how much was lost."""
    async with (
        fault_rig(keys, seed, stream=stream_with(**NO_PINGS)) as rig,
        rig.ib.stream.live_orders(buffer=_ROOM) as orders,
    ):
        await rig.until(lambda: "sor" in [t for topics in rig.sim.streams for t in topics])
        for number in range(500):
            rig.sim.push(f'{{"topic":"sor","args":[{{"acct":"DU1","orderId":{number}}}]}}')
        await rig.until(lambda: orders.stats.received >= _ROOM + 1)
        rig.sim.push('{"topic":"xyz"}')
        await rig.until(lambda: rig.seen(UnknownFrame))

        consumer = Consumer(orders)
        await consumer.run()

        assert [order.order_id for order in consumer.items] == [str(n) for n in range(_ROOM)]
        assert isinstance(consumer.error, SlowConsumerError)
        assert consumer.error.missed == orders.stats.dropped
        assert rig.quiet


# --- F6, F10: strange frames ---------------------------------------------------------------------


async def test_f6_mutated_frames_are_counted_and_change_nothing(
    keys: SimulatorKeys, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    """One frame in ten is broken: no good one is lost, none crashes, the log stays quiet."""
    caplog.set_level(logging.INFO, logger="ibkr_async")
    draw = Random(seed)  # noqa: S311 - faults, not secrets
    settings = market(tick_s=60.0)
    async with (
        fault_rig(keys, seed, sim=settings, stream=stream_with(**NO_PINGS)) as rig,
        rig.ib.stream.market_data(AAPL, fields=["31", "7762"], buffer=10_000) as ticks,
    ):
        await anext(ticks)
        lines = len(caplog.records)
        for number in range(2000):
            rig.sim.push(good_frame(AAPL, number))
            if number % 10 == 0:
                rig.sim.push(mutated(good_frame(IBM, number), draw))
        rig.sim.push(good_frame(AAPL, 999_999))
        taken: list[int] = []
        with anyio.fail_after(10):
            while not taken or taken[-1] != 999_999:
                update = await anext(ticks)
                if (found := number_of(update)) is not None:
                    taken.append(found)

        assert [number for number in taken if number != 999_999] == list(range(2000))
        stats = rig.ib.stream.stats
        assert stats.bad > 50
        assert stats.bad + stats.unknown + stats.late + stats.without_payload + stats.errors >= 150
        assert rig.seen(BadFrame)
        assert all(len(event.sample) <= 400 for event in rig.seen(BadFrame))
        assert rig.quiet
        assert len(caplog.records) - lines <= 3


async def test_f10_what_nobody_knows_is_delivered_or_reported(
    keys: SimulatorKeys, seed: int
) -> None:
    """A new topic, a new field, a new status word, a bare error: no exception, nothing invented."""
    async with fault_rig(keys, seed, stream=stream_with(**NO_PINGS)) as rig:
        feeds = (rig.ib.stream.live_orders(), rig.ib.stream.market_data(AAPL))
        async with listening(rig, *feeds) as (orders, quotes):
            await rig.until(quotes.updates)
            row = '{"acct":"DU1","orderId":7,"status":"Pondering","newKey":{"a":[1]}}'
            rig.sim.push(f'{{"topic":"sor","args":[{row}],"more":1}}')
            rig.sim.push(f'{{"conid":{AAPL},"conidEx":"{AAPL}","99999":"x","topic":"smd+{AAPL}"}}')
            rig.sim.push('{"topic":"new+1","args":{}}')
            rig.sim.push('{"something":"else"}')
            rig.sim.push_error("no reason", code=77)
            await rig.until(lambda: orders.updates() and rig.seen(ErrorReceived))
            await rig.until(lambda: any(u.extra.get("99999") == "x" for u in quotes.updates()))

        assert str(orders.updates()[0].status) == "Pondering"
        assert orders.updates()[0].extra["newKey"] == {"a": [1]}
        assert [event.topic for event in rig.seen(UnknownFrame)] == ["new+1", ""]
        assert (orders.error, quotes.error, rig.quiet) == (None, None, True)


# --- F25: lifetime -------------------------------------------------------------------------------


async def test_f25_renewals_keep_every_topic_alive(keys: SimulatorKeys, seed: int) -> None:
    """Lifetime 0.75 s, renewal at 0.45 s: after five lifetimes no gap, and data flows."""
    settings = market(smd_lifetime_s=0.75)
    stream = stream_with(renew_after_s=0.45, **NO_PINGS)
    async with fault_rig(keys, seed, sim=settings, stream=stream) as rig:
        async with listening(rig, rig.ib.stream.market_data(*CONIDS)) as (quotes,):
            await rig.until(lambda: len(rig.seen(Renewed)) >= 5 * len(CONIDS))
            renewed = {event.topic for event in rig.seen(Renewed)}
            count = len(quotes.updates())
            await rig.until(lambda: len(quotes.updates()) > count + 50)

        assert len(renewed) == len(CONIDS)
        assert not quotes.marks(Gap)
        assert not rig.seen(Gap)


async def test_f25_lapse_that_no_renewal_prevented_is_a_gap(keys: SimulatorKeys, seed: int) -> None:
    """The server ends a stream without a word, earlier than it should: a gap, and it comes back."""
    stream = stream_with(stale_after_s=0.5, **NO_PINGS)
    async with fault_rig(keys, seed, stream=stream) as rig:
        async with listening(rig, rig.ib.stream.market_data(AAPL, MSFT)) as (quotes,):
            await rig.until(lambda: len({update.conid for update in quotes.updates()}) == 2)
            await rig.until_busy(AAPL)
            rig.sim.silence_market_data(AAPL)
            await rig.until(lambda: quotes.marks(Resumed))

        assert {mark.topic for mark in quotes.marks(Gap)} == {f"smd+{AAPL}"}
        assert not rig.seen(Disconnected)


# --- F26: who is subscribed ----------------------------------------------------------------------


async def test_f26_server_and_wishes_agree_once_all_is_quiet(
    keys: SimulatorKeys, seed: int
) -> None:
    """Random subscribing, leaving and dropped connections: then the server serves exactly what is wanted."""
    draw = Random(seed)  # noqa: S311 - faults, not secrets
    async with fault_rig(keys, seed) as rig:
        stack: list[Feed[Any]] = []
        for _ in range(120):
            action = draw.random()
            if action < 0.5 or not stack:
                wanted = draw.sample(CONIDS, draw.randint(1, 3))
                fields = draw.sample(["31", "84", "86", "88"], draw.randint(1, 4))
                subscription = rig.ib.stream.market_data(*wanted, fields=fields)
                await subscription.__aenter__()
                stack.append(subscription)
            elif action < 0.93:
                await stack.pop(draw.randrange(len(stack))).aclose()
            else:
                rig.sim.drop_sockets(draw.choice([None, 1000, 1001]))
            await anyio.sleep(draw.choice([0, 0, 0.01, 0.03]))
        for _ in range(max(0, len(stack) - 4)):
            await stack.pop().aclose()

        wanted_topics = {topic for subscription in stack for topic in subscription.topics}
        await rig.until(lambda: [set(t) for t in rig.sim.streams] == [wanted_topics])
        for subscription in stack:
            await subscription.aclose()
        await rig.until(lambda: not any(rig.sim.streams))

        assert not rig.seen(ErrorReceived)
