"""Measured process: memory, bounds and growth of this library's subscriptions.

`python -m benchmarks.client_bounds idle`: bytes of a subscription that nobody sends anything to.
`python -m benchmarks.client_bounds burst PORT COUNT POLICY`: a burst into a consumer that takes nothing
until it is over; what it cost, and whether every message is accounted for.
`python -m benchmarks.client_bounds connect PORT CONTRACTS`: CPU time from nothing to the first message of
so many contracts, and from a lost connection to the first message of the next.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import time
import tracemalloc
from contextlib import AsyncExitStack
from typing import Any

from benchmarks import corpus
from benchmarks.client_ours import make_streams
from benchmarks.machine import pin_client
from ibkr_async.errors import SlowConsumerError

_IDLE = 2_000


async def idle() -> dict[str, float]:
    """Weigh subscriptions before and after they are entered."""
    stream = make_streams("ws://127.0.0.1:1/").face
    warm = stream.market_data(1)
    gc.collect()
    tracemalloc.start()
    empty, _ = tracemalloc.get_traced_memory()
    made = [stream.market_data(conid) for conid in range(2, 2 + _IDLE)]
    gc.collect()
    waiting, _ = tracemalloc.get_traced_memory()
    async with AsyncExitStack() as stack:
        for subscription in made:
            await stack.enter_async_context(subscription)
        gc.collect()
        entered, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del warm
    return {
        "object_bytes": (waiting - empty) / _IDLE,
        "entered_bytes": (entered - empty) / _IDLE,
    }


async def burst(port: int, count: int, policy: str) -> dict[str, float]:
    """Let a burst meet a consumer that is busy with something else."""
    frames = corpus.load("mixed")
    wanted = corpus.market_data_in(frames, count)
    engine, _, stream = make_streams(
        f"ws://127.0.0.1:{port}/?corpus=mixed&count={count}&greet=1&after={len(corpus.CONIDS)}"
    )
    options: Any = {"policy": policy}
    running = asyncio.create_task(engine.run())
    async with stream.market_data(*corpus.CONIDS, **options) as ticks:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        while ticks.stats.received < wanted:  # noqa: ASYNC110 - looking on is the point
            await asyncio.sleep(0.01)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        most, taken = ticks.stats.waiting, 0
        still_open = stream.connected
        reported = -1
        try:
            while ticks.stats.waiting:
                await anext(ticks)
                taken += 1
            if policy == "fail":
                await anext(ticks)
        except SlowConsumerError as error:
            reported = error.missed
        stats = ticks.stats
    exact = stats.delivered == taken and taken + stats.conflated + stats.dropped == wanted
    if policy == "fail":
        exact = exact and reported == stats.dropped
    await engine.aclose()
    await running
    return {
        "grown_mb": grown / 1024,
        "most_waiting": most,
        "lost": stats.dropped,
        "merged": stats.conflated,
        "exact": float(exact),
        "open": float(still_open),
    }


async def connect(port: int, contracts: int) -> dict[str, float]:
    """Connect and ask for every contract, then do it again on the next connection."""
    sent = 10
    engine, _, stream = make_streams(
        f"ws://127.0.0.1:{port}/?corpus=contracts-{contracts}&count={sent}&greet=1&after={contracts}"
    )
    conids = sorted({json.loads(frame)["conid"] for frame in corpus.load(f"contracts-{contracts}")})
    began = time.process_time()
    running = asyncio.create_task(engine.run())
    async with stream.market_data(*conids, policy="fail") as ticks:
        await anext(ticks)
        connected = time.process_time()
        for _ in range(sent - 1):
            await anext(ticks)
        lost = time.process_time()
        engine.reconnect("measured")
        await anext(ticks)
        again = time.process_time()
    await engine.aclose()
    await running
    return {
        "subscribe_us": (connected - began) / contracts * 1e6,
        "resubscribe_us": (again - lost) / contracts * 1e6,
    }


def main() -> None:
    """Print the numbers as one line of JSON."""
    pin_client()
    match sys.argv[1:]:
        case ["idle"]:
            numbers = asyncio.run(idle())
        case ["connect", port, contracts]:
            numbers = asyncio.run(connect(int(port), int(contracts)))
        case ["burst", port, count, policy]:
            numbers = asyncio.run(burst(int(port), int(count), policy))
        case _:
            sys.exit(__doc__)
    print(json.dumps(numbers))


if __name__ == "__main__":
    main()
