"""The soak's server: numbered frames at a steady rate, and faults by a seeded schedule.

It runs in a process of its own, so that it does not take the client's time: `python -m
benchmarks.soak_server --rate 5000 --topics 100 --seed 1`. Its first line of output names the port; the
first line of its input stops the data and is answered with what was sent; the end of its input stops it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

FIRST_CONID = 265_001
CONID_STEP = 41
GREETING = '{"topic":"system","success":"soak","isFT":false,"isPaper":true}'
TICK_S = 0.01
HEARTBEAT_S = 1.0
ORDERS_PER_S = 20
MUTED_S = 7.5
"""How long a muted topic is silent at least: until even a topic that was not busy has been asked for."""


@dataclass(eq=False)
class _Client:
    """One connection as the server sees it."""

    socket: ServerConnection
    topics: set[int] = field(default_factory=set[int])
    orders: bool = False

    def write(self, data: bytes) -> None:
        """Send whole frames, past the library, which would take its time over each; if it is open."""
        if self.socket.state is State.OPEN and not self.socket.transport.is_closing():
            self.socket.transport.write(data)


class BlastServer:
    """Sends numbered frames at a steady rate, and fails by a schedule."""

    def __init__(self, *, rate: int, topics: int, seed: int) -> None:
        self.port = 0
        self.numbers = [0] * topics
        """Number of the newest frame of each topic."""
        self.orders = 0
        self.faults: Counter[str] = Counter()
        self._rate = rate
        self._draw = random.Random(seed)  # noqa: S311 - made-up faults, not secrets
        self._clients: set[_Client] = set()
        self._stalled = False
        self._muted: dict[int, float] = {}
        """Topics that have fallen silent, and since when."""
        self._stopped = asyncio.Event()

    async def run(self, until: asyncio.Future[Any]) -> None:
        """Serve until the future is done; then stop sending data, but stay."""
        async with (
            serve(self._serve, "127.0.0.1", 0, compression=None, ping_interval=None) as server,
            asyncio.TaskGroup() as tasks,
        ):
            self.port = next(iter(server.sockets)).getsockname()[1]
            print(json.dumps({"port": self.port}), flush=True)
            jobs = [tasks.create_task(self._blast()), tasks.create_task(self._misbehave())]
            beat = tasks.create_task(self._beat())
            await until
            for job in jobs:
                job.cancel()
            if self._stalled or self._muted:
                # What was withheld would never be noticed: no frame comes after it any more.
                self._stalled = False
                self._muted.clear()
                self._cut()
            print(json.dumps({"numbers": self.numbers, "orders": self.orders, "faults": self.faults}), flush=True)  # fmt: skip
            await self._stopped.wait()
            beat.cancel()

    def stop(self) -> None:
        """End it."""
        self._stopped.set()

    async def _serve(self, socket: ServerConnection) -> None:
        client = _Client(socket)
        with suppress(ConnectionClosed):
            await socket.send(GREETING)
            self._clients.add(client)
            async for text in socket:
                self._obey(client, str(text))
        self._clients.discard(client)

    def _obey(self, client: _Client, text: str) -> None:
        code, _, rest = text.partition("+")
        if code == "sor":
            client.orders = True
        elif code in {"smd", "umd"}:
            topic = (int(rest.partition("+")[0]) - FIRST_CONID) // CONID_STEP
            if code == "umd":
                client.topics.discard(topic)
                return
            client.topics.add(topic)
            # A renewal that heals a stall before anybody could suspect one hides a hole that no
            # client can know of; what is tried here is the stall that lasts.
            if time.monotonic() - self._muted.get(topic, 0.0) > MUTED_S:
                self._muted.pop(topic, None)
            if not self._stalled and topic not in self._muted:
                client.write(_websocket_frame(self._frame(topic)))

    def _frame(self, topic: int) -> bytes:
        conid = FIRST_CONID + CONID_STEP * topic
        number = self.numbers[topic]
        return (
            b'{"server_id":"q1","conidEx":"%d","conid":%d,"_updated":%d,"6119":"q1","31":"%d.%02d",'
            b'"7762":"%d","topic":"smd+%d"}'
            % (conid, conid, time.time_ns() // 1_000_000, number % 500, number % 100, number, conid)
        )

    async def _blast(self) -> None:
        began, sent, next_order = time.monotonic(), 0, 0.0
        topics = range(len(self.numbers))
        while True:
            await asyncio.sleep(TICK_S)
            elapsed = time.monotonic() - began
            picks = self._draw.choices(topics, k=int(elapsed * self._rate) - sent)
            sent += len(picks)
            frames: list[tuple[int, bytes]] = []
            for topic in picks:
                self.numbers[topic] += 1
                frames.append((topic, _websocket_frame(self._frame(topic))))
            orders = b""
            while next_order < elapsed:
                next_order += 1 / ORDERS_PER_S
                self.orders += 1
                row = b'{"topic":"sor","args":[{"acct":"DU1","orderId":%d}]}' % self.orders
                orders += _websocket_frame(row)
            if not self._stalled:
                self._send(frames, orders)

    def _send(self, frames: list[tuple[int, bytes]], orders: bytes) -> None:
        for client in self._clients:
            wanted = client.topics - self._muted.keys()
            data = b"".join(frame for topic, frame in frames if topic in wanted)
            client.write(data + (orders if client.orders else b""))

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            if not self._stalled:
                beat = b'{"topic":"system","hb":%d}' % (time.time_ns() // 1_000_000)
                for client in self._clients:
                    client.write(_websocket_frame(beat))

    async def _misbehave(self) -> None:
        kinds = ["cut", "close 1001", "close 1000", "stall", "mute", "mute", "half a frame"]
        while True:
            await asyncio.sleep(self._draw.uniform(3.0, 9.0))
            kind = self._draw.choice(kinds)
            self.faults[kind] += 1
            if kind == "mute":
                # A topic that falls silent; only a request after a while brings it back.
                self._muted.setdefault(self._draw.randrange(len(self.numbers)), time.monotonic())
                continue
            if kind == "stall":
                self._stalled = True
                await asyncio.sleep(self._draw.uniform(2.6, 4.0))
                self._stalled = False
            if kind.startswith("close"):
                for client in tuple(self._clients):
                    await client.socket.close(int(kind.split()[1]))
                continue
            if kind == "half a frame":
                for client in self._clients:
                    client.write(_websocket_frame(self._frame(0))[:40])
            self._cut()

    def _cut(self) -> None:
        for client in self._clients:
            client.socket.transport.abort()


def _websocket_frame(payload: bytes) -> bytes:
    """Write an unmasked text frame."""
    length = len(payload)
    if length < 126:  # noqa: PLR2004 - RFC 6455, 5.2
        return bytes((0x81, length)) + payload
    return bytes((0x81, 126)) + length.to_bytes(2, "big") + payload


async def _serve_until_told(arguments: argparse.Namespace) -> None:
    """Run the server; the first line on standard input stops the data, its end stops everything."""
    loop = asyncio.get_running_loop()
    server = BlastServer(rate=arguments.rate, topics=arguments.topics, seed=arguments.seed)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    told = loop.create_future()

    async def listen() -> None:
        await reader.readline()
        told.set_result(None)
        await reader.read()
        server.stop()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(listen())
        await server.run(told)


def pin(core: int) -> None:
    """Stay on one core, so that server and client do not take each other's time.

    Counted among all cores: a child inherits the one that its parent has chosen.
    """
    with suppress(OSError, AttributeError):
        os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})


def main() -> int:
    """Run the server."""
    parser = argparse.ArgumentParser(description="Serve the soak test of the stream.")
    parser.add_argument("--rate", type=int, default=5000)
    parser.add_argument("--topics", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    pin(1)
    asyncio.run(_serve_until_told(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
