"""Measured process: `websockets` and msgspec by hand, with an asyncio.Queue. What people write first.

`python -m benchmarks.client_bare PORT COUNT [CORPUS] [RATE]`. It decodes into a struct and hands over
through a queue; no subscriptions, no limits, no counters, no watchdog.
"""

from __future__ import annotations

import asyncio
import json
import sys

from websockets.asyncio.client import connect

from benchmarks import corpus, plain_structs
from benchmarks.machine import pin_client
from benchmarks.stopwatch import Stopwatch


async def run(port: int, count: int, name: str, rate: float) -> dict[str, float]:
    """Measure once."""
    tick = Stopwatch(count, corpus.market_data_in(corpus.load(name), count))
    queue: asyncio.Queue[object] = asyncio.Queue()
    read = plain_structs.reader()

    async def receive(url: str) -> None:
        async with connect(url, compression=None, proxy=None, ping_interval=None) as socket:
            while True:
                queue.put_nowait(read(await socket.recv(decode=False)))

    url = f"ws://127.0.0.1:{port}/?corpus={name}&count={count}&rate={rate}"
    receiving = asyncio.create_task(receive(url))

    async def consume() -> None:
        while True:
            update = await queue.get()
            if isinstance(update, plain_structs.MarketData):
                if rate:
                    tick.stamped(update.updated_ms)
                else:
                    tick.seen()

    consuming = asyncio.create_task(consume())
    await tick.wait()
    receiving.cancel()
    consuming.cancel()
    return tick.numbers


def main() -> None:
    """Print the numbers as one line of JSON."""
    port, count = int(sys.argv[1]), int(sys.argv[2])
    name = sys.argv[3] if len(sys.argv) > 3 else "mixed"  # noqa: PLR2004 - optional
    rate = float(sys.argv[4]) if len(sys.argv) > 4 else 0.0  # noqa: PLR2004 - optional
    pin_client()
    print(json.dumps(asyncio.run(run(port, count, name, rate))))


if __name__ == "__main__":
    main()
