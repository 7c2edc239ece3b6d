"""Frames that nobody should send: reported, counted, and the quotes go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ibkr_async import Client
from ibkr_async.errors import IbkrError
from ibkr_async.events import (
    BadFrame,
    Disconnected,
    ErrorReceived,
    Event,
    Gap,
    Resumed,
    UnknownFrame,
)
from ibkr_async.simulator import Simulator
from support.inside import simulator_parts
from support.settings_with import AT_ONCE, settings_with
from support.waiting import first, until

AAPL = 265598
Counter = Callable[[Client], int]


@pytest.mark.parametrize(
    ("frame", "kind", "count", "sample"),
    [
        pytest.param("{", BadFrame, lambda ib: ib.stream.stats.bad, "{", id="malformed"),
        pytest.param("", BadFrame, lambda ib: ib.stream.stats.bad, "", id="empty"),
        pytest.param("[1,2]", BadFrame, lambda ib: ib.stream.stats.bad, "[1,2]", id="array"),
        pytest.param(
            '{"conid":265598,"31":{"a":[1]},"topic":"smd+265598"}',
            BadFrame,
            lambda ib: ib.stream.stats.bad,
            '{"conid"',
            id="wrong type in a known topic",
        ),
        pytest.param(
            '{"topic":"xyz+1","args":{}}',
            UnknownFrame,
            lambda ib: ib.stream.stats.unknown,
            '{"topic":"xyz+1"',
            id="unknown topic",
        ),
        pytest.param(
            '{"hello":"world"}',
            UnknownFrame,
            lambda ib: ib.stream.stats.unknown,
            '{"hello"',
            id="no topic",
        ),
    ],
)
async def test_strange_frame_is_an_event_and_a_count(
    sim: Simulator,
    gateway_ib: Client,
    *,
    frame: str,
    kind: type[BadFrame | UnknownFrame],
    count: Counter,
    sample: str,
) -> None:
    """It is told to `ib.events()` with a sample, and the next quote comes as if nothing had been."""
    async with gateway_ib.quotes("AAPL") as quotes:
        await anext(quotes)
        events = gateway_ib.events()
        sim.push(frame)
        event = await first(events, kind)
        quote = await asyncio.wait_for(anext(quotes), 5)

    assert event.sample.startswith(sample)
    assert count(gateway_ib) == 1
    assert quote.bid is not None


async def test_error_frame_is_an_event_and_a_count(sim: Simulator, gateway_ib: Client) -> None:
    """An error that names no subscription of ours disturbs none."""
    async with gateway_ib.quotes("AAPL") as quotes:
        await anext(quotes)
        events = gateway_ib.events()
        sim.push('{"topic":"error","error":"topic (xyz) unknown","code":1}')
        event = await first(events, ErrorReceived)
        await asyncio.wait_for(anext(quotes), 5)

    assert "xyz" in event.error
    assert gateway_ib.stream.stats.errors == 1


async def test_flood_of_bad_frames_costs_no_quotes(sim: Simulator, gateway_ib: Client) -> None:
    """A thousand broken frames are counted, and quotes go on."""
    async with gateway_ib.quotes("AAPL") as quotes:
        await anext(quotes)
        for number in range(1000):
            sim.push(f"{{{number}")
        await until(lambda: gateway_ib.stream.stats.bad == 1000)
        await asyncio.wait_for(anext(quotes), 5)

    assert gateway_ib.health().gaps == 0


@pytest.fixture
async def strict(sim: Simulator) -> Client:
    """Return a client, not yet open, that takes small frames only."""
    return Client(
        sim.auth(), settings=settings_with({"stream.socket.max_frame_bytes": 4096}, AT_ONCE)
    )


async def _interruption(ib: Client, cause: Callable[[], None]) -> list[Event]:
    """Let something break the socket; give what was told until quotes flow again."""
    told: list[Event] = []
    async with ib, ib.quotes("AAPL") as quotes:
        await anext(quotes)
        events = ib.events()
        cause()
        async with asyncio.timeout(5):
            async for event in events:
                told.append(event)
                if isinstance(event, Resumed):
                    break
        assert quotes.stats.gaps == 1
        await asyncio.wait_for(anext(quotes), 5)
    return told


async def test_oversized_frame_is_refused_and_the_stream_comes_back(
    sim: Simulator, strict: Client
) -> None:
    """It never reaches memory whole: the socket closes with 1009, and quotes flow again."""
    told = await _interruption(strict, lambda: sim.push(f'{{"topic":"{"x" * 5000}"}}'))

    kinds = [type(event) for event in told]
    assert kinds.index(Gap) < kinds.index(Resumed)
    assert next(event.code for event in told if isinstance(event, Disconnected)) == 1009


async def test_text_that_is_not_utf8_is_reported(sim: Simulator, gateway_ib: Client) -> None:
    """Bytes that are no text are a bad frame or a protocol error; quotes flow again."""
    async with gateway_ib.quotes("AAPL") as quotes:
        await anext(quotes)
        events = gateway_ib.events()
        for socket in simulator_parts(sim).hub.open_sockets:
            # No lever sends a frame that is not UTF-8.
            await socket._websocket.send_bytes(b'{"topic":"smd+\xff\xfe"}')
        event = await first(events, BadFrame)
        await asyncio.wait_for(anext(quotes), 5)

    assert "\N{REPLACEMENT CHARACTER}" in event.sample
    assert not isinstance(event, IbkrError)
