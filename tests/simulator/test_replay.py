"""Recorded frames, played over a real socket."""

from __future__ import annotations

import asyncio
import json
import math
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed

from ibkr_async import Client, LimitOrder
from ibkr_async.simulator import BrokerSettings, Recording, Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.simulator.replay import SPACING_S, Player, quote_in
from ibkr_async.testing import run_virtual
from ibkr_async.world import RealClock
from support.captures import require_captures
from support.inside import simulator_parts
from support.simulator_peer import FAST, Peer, greeted, read_to_the_end, receive, receive_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ibkr_async.world import World

GREETING = '{"topic":"system","success":"RECORDED"}'
HEARTBEAT = '{"topic":"system","hb":1777415611502}'
TICK = '{"topic":"smd+8314","31":"189.60"}'


def _line(raw: str, ts: str | None = None, direction: str = "in", kind: str = "ws") -> str:
    row: dict[str, Any] = {"raw": raw, "dir": direction, "kind": kind}
    return json.dumps(row if ts is None else row | {"ts": ts})


@asynccontextmanager
async def playing(
    keys: SimulatorKeys, recording: Recording, speed: float = 0
) -> AsyncIterator[Peer]:
    """Run a simulator that plays a recording, and a gateway client of it."""
    settings = replace(FAST, heartbeat_s=0.02)
    async with Simulator(keys=keys, settings=settings, recording=recording, speed=speed) as sim:
        client = Peer(sim, keys, signed=False)
        async with client.http:
            yield client


def test_only_inbound_socket_frames_are_played_with_their_spacing() -> None:
    """Outbound and REST rows are skipped; times give the spacing, rows without follow evenly."""
    recording = Recording.from_lines(
        [
            _line("smd+8314+{}", "2026-04-30T12:00:00+00:00", direction="out"),
            _line(GREETING, "2026-04-30T12:00:01+00:00"),
            "",
            _line("{}", kind="rest"),
            _line(TICK, "2026-04-30T12:00:03.500+00:00"),
            _line("broken {"),
            _line(HEARTBEAT, "2026-04-30T12:00:02+00:00"),
            json.dumps({"raw": "[]"}),
        ]
    )

    assert [frame.at_s for frame in recording.frames] == [
        0.0,
        2.5,
        2.5 + SPACING_S,
        2.5 + SPACING_S,
        2.5 + 2 * SPACING_S,
    ]
    assert [frame.needs_subscription for frame in recording.frames] == [
        False,
        True,
        False,
        False,
        False,
    ]
    assert (recording.has_greeting, recording.has_heartbeats) == (True, True)


def test_rows_without_any_time_are_spaced_evenly_before_the_first_time() -> None:
    """A time that comes late does not move what came before it."""
    recording = Recording.from_lines(
        [_line("{}"), _line("{}"), _line("{}", "2026-04-30T12:00:00Z")]
    )

    assert [frame.at_s for frame in recording.frames] == [0.0, SPACING_S, SPACING_S]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "line 1 has no text named raw"),
        ('{"raw":5}', "line 1 has no text named raw"),
        ('{"raw":"{}","ts":"noon"}', "line 1 has a time that is not ISO 8601"),
        ('{"raw":"{}","ts":5}', "line 1 has a time that is not ISO 8601"),
        ('{"raw":"tic","dir":"out"}', "no inbound socket frame"),
    ],
)
def test_unreadable_recordings_are_named(line: str, text: str) -> None:
    """The error says which line and why."""
    with pytest.raises(ValueError, match=text):
        Recording.from_lines([line])


async def test_player_keeps_the_spacing_and_waits_for_subscriptions() -> None:
    """Pauses are divided by the speed; a frame waits for its topic, then only for the grace."""
    recording = Recording.from_lines(
        [
            _line(HEARTBEAT, "2026-04-30T12:00:00Z"),
            _line(TICK, "2026-04-30T12:00:01Z"),
            _line('{"topic":"sor","args":[]}', "2026-04-30T12:00:02Z"),
            _line('{"topic":"sor","args":[]}', "2026-04-30T12:00:02Z"),
        ]
    )
    sent: list[str] = []

    async def send(text: str) -> None:
        sent.append(text)
        if text == HEARTBEAT:
            player.hear("{}")
            player.hear("smd+8314+{}")

    player = Player(recording, speed=200, send=send, clock=RealClock(), grace_s=0.01)
    assert player.brings_heartbeats

    await player.play()

    assert sent == [frame.text for frame in recording.frames]
    assert player.ended
    assert not player.brings_heartbeats


@pytest.mark.parametrize("speed", [0, math.inf])
async def test_no_pauses_at_full_speed(keys: SimulatorKeys, speed: float) -> None:
    """An hour of recording arrives at once, with the recorded greeting in place of ours."""
    recording = Recording.from_lines(
        [
            _line(GREETING, "2026-04-30T12:00:00Z"),
            _line(HEARTBEAT, "2026-04-30T12:00:10Z"),
            _line(TICK, "2026-04-30T12:30:00Z"),
            _line("not JSON at all", "2026-04-30T13:00:00Z"),
        ]
    )
    async with (
        playing(keys, recording, speed) as client,
        client.socket(await client.ready()) as websocket,
    ):
        assert await websocket.recv() == GREETING
        assert await websocket.recv() == HEARTBEAT
        await websocket.send("smd+8314+{}")
        assert await websocket.recv() == TICK
        assert await websocket.recv() == "not JSON at all"
        assert (await receive(websocket))["hb"] > json.loads(HEARTBEAT)["hb"]
        await websocket.send("tic")
        assert (await receive_topic(websocket, "tic"))["alive"] is True


async def test_recording_without_greeting_gets_ours(keys: SimulatorKeys) -> None:
    """The client is greeted in any case, and REST works as usual."""
    recording = Recording.from_lines([_line('{"topic":"ntf","args":[]}')])
    async with (
        playing(keys, recording) as client,
        client.socket(await client.ready()) as websocket,
    ):
        frames = await greeted(websocket)
        notification = await receive_topic(websocket, "ntf")

    assert frames[0]["success"] == "simulator"
    assert notification["args"] == []


LONG = Recording.from_lines([_line(GREETING), *[_line("x" * 10_000)] * 5000])
"""More than any buffer on the way holds."""


async def test_close_in_the_middle_of_a_recording(keys: SimulatorKeys) -> None:
    """The rest is not sent; the client sees the code."""
    async with playing(keys, LONG) as client:
        async with client.socket(await client.ready()) as websocket:
            await websocket.recv()
            client.sim.drop_sockets(1001)
            with pytest.raises(ConnectionClosed):
                await read_to_the_end(websocket)

        assert websocket.close_code == 1001
        assert client.sim.sockets[0].sent < len(LONG.frames)


async def test_client_that_vanishes_in_the_middle_of_a_recording(keys: SimulatorKeys) -> None:
    """Losing the client is not an error of the simulator."""
    async with playing(keys, LONG) as client, client.socket(await client.ready()) as websocket:
        await websocket.recv()
        websocket.transport.abort()
        async with asyncio.timeout(5):
            while simulator_parts(client.sim).hub.open_sockets:  # noqa: ASYNC110 - the hub tells nobody
                await asyncio.sleep(0.005)

        assert client.sim.sockets[0].client_close_code == 1006


async def test_simulator_stops_while_a_client_does_not_read(keys: SimulatorKeys) -> None:
    """Frames that nobody takes do not keep the simulator running."""
    async with playing(keys, LONG) as client, client.socket(await client.ready()) as websocket:
        await websocket.recv()
        async with asyncio.timeout(2):
            await client.sim.aclose()
        websocket.transport.abort()


@pytest.mark.captures
@pytest.mark.parametrize("name", ["ws_smd_single", "ws_handshake_and_heartbeats"])
async def test_live_recordings_arrive_unchanged(keys: SimulatorKeys, name: str) -> None:
    """Every recorded inbound frame comes over the socket, byte for byte and in order."""
    recording = Recording.from_file(require_captures() / f"{name}.jsonl")
    async with (
        playing(keys, recording) as client,
        client.socket(await client.ready()) as websocket,
    ):
        if not recording.has_greeting:
            await greeted(websocket)
        await websocket.send("smd+265598+{}")
        frames = [await websocket.recv() for _ in recording.frames]

    assert frames == [frame.text for frame in recording.frames]


# --- the book ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frame", "quote"),
    [
        ('{"topic":"smd+1","conid":1,"31":"C1,189.5","84":"1.25"}', (1, "1189.5", "1.25", None, None, None)),
        ('{"topic":"smd+1","conid":1,"86":"9","88":"1,200","85":"3"}', (1, None, None, "9", 1200, 3)),
        ('{"topic":"smd+1","conid":1,"84":"-1","88":"0","31":"N/A"}', (1, None, None, None, 0, None)),
        ('{"topic":"smd+1","conid":1,"55":"IBM"}', None),
        ('{"topic":"smd+1","31":"9"}', None),
        ('{"topic":"sor","conid":1,"31":"9"}', None),
        ("broken {", None),
    ],
)  # fmt: skip
def test_quotes_are_read_from_recorded_frames(frame: str, quote: tuple[Any, ...] | None) -> None:
    """With separators and letters; a side that is not quoted says nothing."""
    found = quote_in(frame)

    assert (found and [None if one is None else str(one) for one in found]) == (
        quote and [None if one is None else str(one) for one in quote]
    )


def test_recorded_quotes_are_the_market_for_orders_too() -> None:
    """A limit that the recording comes to is filled there; order news come live."""
    rows = [
        _line(json.dumps({"topic": "smd+265598", "conid": 265598, **tags}), f"2026-04-30T12:00:{s}+00:00")
        for s, tags in (
            ("00", {"31": "150.00", "84": "149.99", "86": "150.02"}),
            ("10", {"84": "148.90"}),
            ("11", {"86": "148.95"}),
            ("20", {"31": "151.00", "84": "150.90", "86": "151.10"}),
        )
    ]  # fmt: skip
    settings = SimulatorSettings(broker=BrokerSettings(warm_ups=False))

    async def main(world: World) -> tuple[list[Any], list[str], str]:
        recording = Recording.from_lines(rows)
        async with (
            Simulator(world=world, settings=settings, recording=recording) as sim,
            Client(sim.auth(), world=world) as ib,
            ib.quotes("AAPL") as quotes,
        ):
            await anext(quotes)
            await asyncio.sleep(2)
            live = await ib.orders.submit(LimitOrder(265598, "BUY", 10, "149.00"))
            done = await live.done()
            await asyncio.sleep(15)
            fills = [done.filled, done.average_price]
            market = sim.broker.market_fields(265598, ["31", "84", "86"])
            closing = await ib.orders.submit(LimitOrder(265598, "SELL", 10, "150.00"))
            return fills, list(market.values()), str((await closing.done()).average_price)

    fills, market, closed_at = run_virtual(main)

    assert [str(fill) for fill in fills] == ["10.0", "148.95"]
    assert market == ["151.00", "150.90", "151.10"]
    assert closed_at == "150.90"
