"""F23, F24: many clients that come back together, and a server that accepts and drops."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from random import Random

import pytest

from faults.raw import server_frame
from faults.rig import AAPL, scaled, with_patience
from ibkr_async.ports import SocketTarget
from ibkr_async.stream.multiplexer import Multiplexer
from ibkr_async.stream.settings import ReconnectSettings, StreamSettings
from ibkr_async.stream.socket.reconnecting import ReconnectDelays
from ibkr_async.wiring import StreamParts, build_streams
from stream.core_driver import GREETING
from stream.core_feeds import NOBODY
from stream.socket_servers import raw_server, target_of, upgrade
from support.fake_time import world_with

_CLIENTS = 200
_SERVED_PER_S = 10
_MINUTES_5 = 300.0


class _Fleet:
    """Clients that lost the same server at the same moment; the server takes ten a second."""

    def __init__(self, draw: Random, *, spread_s: float, cap_s: float) -> None:
        self.attempts: list[float] = []
        self._draw = draw
        settings = ReconnectSettings(first_retry_s=spread_s, retry_cap_s=cap_s, healthy_s=60.0)
        clients = [ReconnectDelays(settings) for _ in range(_CLIENTS)]
        self._due = [(self._delay(client), number) for number, client in enumerate(clients)]
        self._clients = clients
        heapq.heapify(self._due)

    def _delay(self, client: ReconnectDelays) -> float:
        return client.next_delay(self._draw.random())

    def run(self) -> float:
        """Let everybody come back; return when the last one was served."""
        served: Counter[int] = Counter()
        while self._due:
            now, number = heapq.heappop(self._due)
            self.attempts.append(now)
            if served[int(now)] < _SERVED_PER_S:
                served[int(now)] += 1
                continue
            heapq.heappush(self._due, (now + self._delay(self._clients[number]), number))
        return max(self.attempts)

    def peak(self, *, after_s: float = 0.0) -> int:
        """Most attempts in any sliding second from `after_s` on."""
        times = [at for at in self.attempts if at >= after_s]
        return max(
            (sum(1 for later in times[i:] if later < at + 1.0) for i, at in enumerate(times)),
            default=0,
        )


def test_f23_fleet_that_is_set_to_spread_makes_no_storm(seed: int) -> None:
    """200 clients, ten served a second: never over 60 attempts in a second, all back in two minutes."""
    fleet = _Fleet(Random(seed), spread_s=8.0, cap_s=60.0)  # noqa: S311 - simulated jitter
    last = fleet.run()

    assert fleet.peak() <= 60
    assert last < 120


def test_f23_retries_of_the_default_spread_ebb_away(seed: int) -> None:
    """With the spread of a single client (1 s) the first second is full, but retries thin out."""
    defaults = ReconnectSettings()
    fleet = _Fleet(
        Random(seed),  # noqa: S311 - simulated jitter
        spread_s=defaults.first_retry_s,
        cap_s=defaults.retry_cap_s,
    )
    last = fleet.run()

    assert fleet.peak(after_s=8.0) <= 60
    assert last < 120


@asynccontextmanager
async def _flapping_server(lives_s: float) -> AsyncIterator[tuple[int, list[float]]]:
    """Run a server that greets and drops every connection after a while; give its port and its log."""
    arrivals: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        arrivals.append(time.monotonic())
        await upgrade(reader, writer)
        writer.write(server_frame(GREETING.encode()))
        await writer.drain()
        await asyncio.sleep(lives_s)
        writer.transport.abort()

    async with raw_server(serve) as port:
        yield port, arrivals


@asynccontextmanager
async def _running(stream: Multiplexer) -> AsyncIterator[None]:
    task = asyncio.create_task(stream.run(), name="fault stream")
    try:
        yield
    finally:
        await stream.aclose()
        await task


def _stream(port: int, seed: int, settings: StreamSettings) -> StreamParts:
    async def open_target() -> SocketTarget:
        return target_of(port)

    return build_streams(
        settings,
        world_with(Random(seed).random),  # noqa: S311 - jitter that can be repeated
        open_target=open_target,
        ssl_context=lambda: pytest.fail("no TLS here"),
        on_event=lambda _event: None,
        **NOBODY,
    )


async def test_f23_streams_that_lost_one_server_spread_their_return(seed: int) -> None:
    """Thirty real sockets, dropped together: they come back over the whole first spread."""
    base = StreamSettings(reconnecting=ReconnectSettings(first_retry_s=0.5, retry_cap_s=5.0))
    async with _flapping_server(0.3) as (port, arrivals), AsyncExitStack() as stack:
        for number in range(30):
            engine, _, stream = _stream(port, seed * 1000 + number, base)
            await stack.enter_async_context(_running(engine))
            await stack.enter_async_context(stream.market_data(AAPL))
        async with asyncio.timeout(10):
            while len(arrivals) < 60:  # noqa: ASYNC110 - the server tells nobody
                await asyncio.sleep(0.01)

    returns = [at - arrivals[30] for at in arrivals[30:60]]
    in_bins = Counter(int(at / 0.1) for at in returns)
    assert returns[-1] > 0.25
    assert max(in_bins.values()) <= 20


async def test_f24_flapping_server_is_left_alone_more_and_more(seed: int) -> None:
    """Accepted and dropped after a second, for five minutes (in five seconds): few connections."""
    factor = 60.0
    settings = with_patience(scaled(StreamSettings(), factor))
    async with _flapping_server(1.0 / factor) as (port, arrivals):
        engine, _, stream = _stream(port, seed, settings)
        async with _running(engine), stream.market_data(AAPL):
            await asyncio.sleep(_MINUTES_5 / factor)

    pauses = [later - earlier for earlier, later in pairwise(arrivals)]
    assert 4 <= len(arrivals) <= 14
    assert sum(pauses[-2:]) > sum(pauses[:2])


def test_f24_twelve_connections_in_five_minutes(seed: int) -> None:
    """The same arithmetic without sockets, for many random numbers: on average at most twelve."""
    draw = Random(seed)  # noqa: S311 - simulated jitter
    counts = [_flapping_connections(draw) for _ in range(200)]

    assert sum(counts) / len(counts) <= 12
    assert max(counts) <= 14


def _flapping_connections(draw: Random) -> int:
    delays = ReconnectDelays(ReconnectSettings())
    now, connections = 0.0, 0
    while now < _MINUTES_5:
        connections += 1
        delays.connection_ended(1.0)
        now += 1.0 + delays.next_delay(draw.random())
    return connections
