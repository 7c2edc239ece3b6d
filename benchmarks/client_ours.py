"""Measured process: this library's public stream, from the socket to the body of `async for`.

`python -m benchmarks.client_ours STYLE PORT COUNT [CORPUS] [RATE]`, where STYLE is

* `items`, `batches`: one subscription of 100 contracts, item by item or in whole batches;
* `separate`: one hundred subscriptions of one contract each, each read by a task of its own;
* `recv`: as `items`, with the fast framing switched off;
* `quotes`: merged quotes, as `ib.quotes()` gives them;
* `everything`: as `items`, and the orders, executions, and profit and loss of the mix are subscribed
  to and delivered as well, through three more subscriptions.

Everything is as by default, except for a buffer policy that delivers every message.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from benchmarks import corpus
from benchmarks.machine import pin_client
from benchmarks.stopwatch import Stopwatch
from ibkr_async.feeds import Quotes
from ibkr_async.ports import SocketTarget
from ibkr_async.stream.settings import SocketSettings, StreamSettings
from ibkr_async.wiring import StreamParts, build_streams
from ibkr_async.world import World

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


def make_streams(url: str, *, fast_framing: bool = True) -> StreamParts:
    """Make a stream that connects to the sending process, as a client makes its own."""

    async def open_target() -> SocketTarget:
        return SocketTarget(url=url, headers={}, session="")

    return build_streams(
        StreamSettings(socket=SocketSettings(fast_framing=fast_framing)),
        World(),
        open_target=open_target,
        ssl_context=_no_tls,
        on_event=lambda _event: None,
        resolve=_resolve,
        account=nobody,
        check_may_exercise=nobody,
    )


def _no_tls() -> ssl.SSLContext:
    raise AssertionError("loopback without TLS")


async def _drain(items: AsyncIterator[Any]) -> None:
    async for _ in items:
        pass


async def _count(items: AsyncIterator[Any], tick: Stopwatch) -> None:
    seen = tick.seen
    async for _ in items:
        seen()


async def _count_stamped(items: AsyncIterator[Any], tick: Stopwatch) -> None:
    async for update in items:
        tick.stamped(update.updated_ms)


async def _count_batches(batches: AsyncIterator[list[Any]], tick: Stopwatch) -> None:
    seen = tick.seen
    async for batch in batches:
        for _ in batch:
            seen()


async def _resolve(*wanted: int) -> list[tuple[int, str]]:
    return [(conid, "MADE") for conid in wanted]


def nobody(*_asked: object, **_options: object) -> Any:
    """Answer what no benchmark asks."""
    raise AssertionError


async def run(style: str, port: int, count: int, name: str, rate: float) -> dict[str, float]:
    """Measure once."""
    frames = corpus.load(name)
    conids = sorted({json.loads(f)["conid"] for f in frames if b'"topic":"smd+' in f})
    tick = Stopwatch(count, corpus.market_data_in(frames, count))
    url = (
        f"ws://127.0.0.1:{port}/?corpus={name}&count={count}&rate={rate}&greet=1"
        f"&after={len(conids) + (3 if style == 'everything' else 0)}"
    )
    engine, upstream, stream = make_streams(url, fast_framing=style != "recv")
    running = asyncio.create_task(engine.run())
    tasks: list[asyncio.Task[None]] = []
    async with AsyncExitStack() as stack:
        if style == "everything":
            feeds = (stream.live_orders(), stream.trades(), stream.profit_and_loss())
            entered = [await stack.enter_async_context(feed) for feed in feeds]
            tasks += [asyncio.create_task(_drain(feed)) for feed in entered]
        if style == "quotes":
            quotes = Quotes(upstream, conids, policy="fail")
            readers = [_count(await stack.enter_async_context(quotes), tick)]
        elif style == "separate":
            ticks = [stream.market_data(conid, policy="fail") for conid in conids]
            count_one = _count_stamped if rate else _count
            readers = [count_one(await stack.enter_async_context(each), tick) for each in ticks]
        else:
            all_ticks = await stack.enter_async_context(stream.market_data(*conids, policy="fail"))
            if style == "batches":
                readers = [_count_batches(all_ticks.batches(), tick)]
            else:
                readers = [(_count_stamped if rate else _count)(all_ticks, tick)]
        tasks += [asyncio.create_task(reader) for reader in readers]
        await tick.wait()
        await engine.aclose()
    await asyncio.gather(running, *tasks)
    return tick.numbers


def main() -> None:
    """Print the numbers as one line of JSON."""
    style, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    name = sys.argv[4] if len(sys.argv) > 4 else "mixed"  # noqa: PLR2004 - optional
    rate = float(sys.argv[5]) if len(sys.argv) > 5 else 0.0  # noqa: PLR2004 - optional
    pin_client()
    print(json.dumps(asyncio.run(run(style, port, count, name, rate))))


if __name__ == "__main__":
    main()
