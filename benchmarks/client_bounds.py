"""Measured process: memory and bounds of this library's subscriptions.

`python -m benchmarks.client_bounds idle`: bytes of a subscription that nobody sends anything to.
`python -m benchmarks.client_bounds burst PORT COUNT POLICY`: a burst into a consumer that takes nothing
until it is over; what it cost, and whether every message is accounted for.
"""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import tracemalloc
from contextlib import AsyncExitStack
from typing import Any

from benchmarks import corpus
from benchmarks.client_ours import open_stream
from benchmarks.machine import pin_client
from ibkr_async.errors import SlowConsumerError

_IDLE = 2_000


async def idle() -> dict[str, float]:
    """Weigh subscriptions before and after they are entered."""
    stream = open_stream("ws://127.0.0.1:1/")
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
    stream = open_stream(
        f"ws://127.0.0.1:{port}/?corpus=mixed&count={count}&greet=1&after={len(corpus.CONIDS)}"
    )
    options: Any = {"policy": policy}
    running = asyncio.create_task(stream.run())
    async with stream.market_data(*corpus.CONIDS, **options) as ticks:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        while ticks.stats.received < wanted:  # noqa: ASYNC110 - looking on is the point
            await asyncio.sleep(0.01)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        most, taken = ticks.waiting, 0
        still_open = stream.connected
        reported = -1
        try:
            while ticks.waiting:
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
    await stream.aclose()
    await running
    return {
        "grown_mb": grown / 1024,
        "most_waiting": most,
        "lost": stats.dropped,
        "merged": stats.conflated,
        "exact": float(exact),
        "open": float(still_open),
    }


def main() -> None:
    """Print the numbers as one line of JSON."""
    pin_client()
    if sys.argv[1] == "idle":
        numbers = asyncio.run(idle())
    else:
        numbers = asyncio.run(burst(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
    print(json.dumps(numbers))


if __name__ == "__main__":
    main()
