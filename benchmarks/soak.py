"""The soak: half an hour of 5,000 messages a second over 100 topics, with faults all the time.

A server of our own, in a process of its own, sends market data whose every frame carries the number of
the frame in its topic, goes on counting while nobody is connected, and misbehaves by a seeded
schedule. The client here reads with three kinds of consumers and checks, as it goes:

* every number that is missing lies behind a `Gap`, for market data and for orders;
* a consumer that keeps up loses nothing; a slow one loses exactly what its counters say; one that
  conflates ends with the newest value of each topic;
* memory stays flat.

    python -m benchmarks.soak                  # half an hour
    python -m benchmarks.soak --seconds 60     # as CI does

The exit code is 1 when a condition does not hold, and says which.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import ssl
import statistics
import sys
import time
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.client_ours import nobody
from benchmarks.soak_server import CONID_STEP, FIRST_CONID, TICK_S, pin
from ibkr_async.events import (
    ConnectionDead,
    Disconnected,
    Gap,
    Renewed,
    Resumed,
    Stale,
    StreamEvent,
)
from ibkr_async.ports import SocketTarget
from ibkr_async.stream.settings import (
    CoreSettings,
    ReconnectSettings,
    SocketSettings,
    StreamSettings,
)
from ibkr_async.wiring import build_streams
from ibkr_async.world import RealRandom, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from ibkr_async.feeds.catalogue import Streams

NUMBER = "7762"
"""Field that carries the number of a frame in its topic."""
MIB = 1 << 20

SETTINGS = StreamSettings(
    # A tenth of the real times, so that half an hour holds as many incidents as five hours.
    protocol=CoreSettings(
        greeting_timeout_s=1.0,
        tic_interval_s=3.0,
        probe_after_s=1.5,
        dead_after_s=2.5,
        lag_tolerance_s=0.5,
        confirm_timeout_s=1.0,
        retry_interval_s=3.0,
        stale_after_s=6.0,
        # Sooner than a tenth: connections here do not live long enough.
        renew_after_s=6.0,
    ),
    socket=SocketSettings(ping_interval_s=1.0, ping_timeout_s=0.8, cut_after_s=0.2),
    reconnecting=ReconnectSettings(first_retry_s=0.1, retry_cap_s=6.0, healthy_s=6.0),
)


# --- the consumers ---------------------------------------------------------------------------------


@dataclass
class Ledger:
    """What one consumer saw, topic by topic."""

    last: dict[str, int] = field(default_factory=dict[str, int])
    items: Counter[str] = field(default_factory=Counter[str])
    """Updates by topic."""
    undeclared: int = 0
    """Numbers that are missing without a `Gap`."""
    covered: int = 0
    """Numbers that are missing behind a `Gap`."""
    backward: int = 0
    """Numbers that went back."""
    gaps: int = 0
    open_gaps: set[str] = field(default_factory=set[str])
    _declared: set[str] = field(default_factory=set[str])

    def take(self, item: Any) -> None:
        """Note an update or a marker."""
        if isinstance(item, Gap):
            self.gaps += 1
            self.open_gaps.add(item.topic)
            self._declared.add(item.topic)
        elif isinstance(item, Resumed):
            self.open_gaps.discard(item.topic)
        elif not isinstance(item, StreamEvent):
            order_id = getattr(item, "order_id", None)
            if order_id is None:
                self._take_number(item.topic, int(item.get(NUMBER) or 0))
            else:
                self._take_number("sor", int(order_id))

    def _take_number(self, topic: str, number: int) -> None:
        self.items[topic] += 1
        last = self.last.get(topic, number)
        missing = number - last - 1
        if missing > 0 and topic in self._declared:
            self.covered += missing
        elif missing > 0:
            self.undeclared += missing
        self.backward += number < last
        self._declared.discard(topic)
        self.last[topic] = number


async def _keep_up(subscription: Any, ledger: Ledger) -> None:
    async for item in subscription.marked():
        ledger.take(item)


async def _fall_behind(subscription: Any, ledger: Ledger, hurry: asyncio.Event) -> None:
    """Read in fits and starts, always too slowly, until it is time to hurry."""
    async for item in subscription.marked():
        ledger.take(item)
        if sum(ledger.items.values()) % 10 == 0 and not hurry.is_set():
            await asyncio.sleep(0.05)


async def _sample(rss: list[tuple[float, float]], lags: list[float]) -> None:
    """Measure memory once a second and the loop's lag a hundred times a second, in bounded space."""
    while True:
        for _ in range(100):
            began = time.perf_counter()
            await asyncio.sleep(TICK_S)
            lags[int((time.perf_counter() - began - TICK_S) * 1000)] += 1
        rss.append((time.monotonic(), _resident_mib()))


class _Lags(list[float]):
    """Histogram by whole milliseconds."""

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(min(index, len(self) - 1))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(min(index, len(self) - 1), value)

    def percentile(self, share: float) -> int:
        """Return the lag in milliseconds that this share of the samples does not pass."""
        wanted, seen = share * sum(self), 0.0
        for milliseconds, count in enumerate(self):
            seen += count
            if seen >= wanted:
                return milliseconds
        return len(self)


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / MIB


# --- the run ---------------------------------------------------------------------------------------


@asynccontextmanager
async def _server_process(
    arguments: argparse.Namespace,
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.soak_server",
        "--rate", str(arguments.rate), "--topics", str(arguments.topics), "--seed", str(arguments.seed),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        assert process.stdin is not None  # noqa: S101 - it was asked for
        process.stdin.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
        if process.returncode is None:
            process.kill()
            await process.wait()


class _Jitter(RealRandom):
    """Jitter that can be repeated."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - jitter

    def uniform(self) -> float:
        """Return a number in [0, 1)."""
        return self._draw.random()


async def soak(arguments: argparse.Namespace) -> list[str]:
    """Run it and return the conditions that did not hold."""
    events: Counter[type[Any]] = Counter()
    async with _server_process(arguments) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - asked for
        port = json.loads(await process.stdout.readline())["port"]

        async def open_target() -> SocketTarget:
            return SocketTarget(
                url=f"ws://127.0.0.1:{port}/v1/api/ws", headers={}, session="0" * 32
            )

        engine, _, stream = build_streams(
            SETTINGS,
            World(random=_Jitter(arguments.seed)),
            open_target=open_target,
            ssl_context=ssl.create_default_context,
            on_event=lambda event: events.update([type(event)]),
            resolve=nobody,
            account=nobody,
            check_may_exercise=nobody,
        )
        run = asyncio.create_task(engine.run(), name="soak stream")
        try:
            return await _measure(arguments, stream, process, events)
        finally:
            await engine.aclose()
            await run


async def _measure(
    arguments: argparse.Namespace,
    stream: Streams,
    process: asyncio.subprocess.Process,
    events: Counter[type[Any]],
) -> list[str]:
    conids = [FIRST_CONID + CONID_STEP * topic for topic in range(arguments.topics)]
    fields = ["31", NUMBER]
    fast = stream.market_data(*conids, fields=fields, buffer=50_000)
    slow = stream.market_data(*conids[:10], fields=fields, buffer=500, policy="drop_oldest")  # fmt: skip
    merged = stream.market_data(*conids[10:20], fields=fields, buffer=100)
    orders = stream.live_orders()
    ledgers = [Ledger() for _ in range(4)]
    rss: list[tuple[float, float]] = []
    lags = _Lags([0.0] * 2001)
    hurry = asyncio.Event()
    async with fast, slow, merged, orders, asyncio.TaskGroup() as tasks:
        jobs = [
            tasks.create_task(_keep_up(fast, ledgers[0])),
            tasks.create_task(_fall_behind(slow, ledgers[1], hurry)),
            tasks.create_task(_fall_behind(merged, ledgers[2], hurry)),
            tasks.create_task(_keep_up(orders, ledgers[3])),
            tasks.create_task(_sample(rss, lags)),
        ]
        began = time.monotonic()
        await asyncio.sleep(arguments.seconds)
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - asked for
        process.stdin.write(b"stop\n")
        told = json.loads(await process.stdout.readline())
        elapsed = time.monotonic() - began
        hurry.set()
        await _settle(stream, [fast, slow, merged, orders], ledgers)
        for job in jobs:
            job.cancel()
    report = Report(told, ledgers, [fast, slow, merged, orders], conids)
    _print(report, stream, events, elapsed=elapsed, rss=rss, lags=lags)
    return [*report.failures(), *_memory_failures(rss, elapsed)]


async def _settle(stream: Streams, subscriptions: Iterable[Any], ledgers: Iterable[Ledger]) -> None:
    """Wait, for at most ten seconds, until all is read and every gap is closed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            await asyncio.sleep(1.0)
            while (  # noqa: ASYNC110 - three things, none of which tells
                not stream.connected
                or any(subscription.stats.waiting for subscription in subscriptions)
                or any(ledger.open_gaps for ledger in ledgers)
            ):
                await asyncio.sleep(0.05)


class Report:
    """The result: what the server says it sent against what the consumers say they saw."""

    def __init__(
        self,
        told: dict[str, Any],
        ledgers: list[Ledger],
        subscriptions: list[Any],
        conids: list[int],
    ) -> None:
        self.told = told
        self.ledgers = ledgers
        self.stats = [subscription.stats for subscription in subscriptions]
        self.waiting = [subscription.stats.waiting for subscription in subscriptions]
        self.sent = {
            f"smd+{conid}": number for conid, number in zip(conids, told["numbers"], strict=True)
        }

    @property
    def slow_topics(self) -> list[str]:
        """Topics of the consumer that drops."""
        return list(self.sent)[:10]

    @property
    def lost_by_slow(self) -> int:
        """Updates that the fast consumer had and the slow one did not."""
        fast, slow = self.ledgers[:2]
        return sum(fast.items[topic] - slow.items[topic] for topic in self.slow_topics)

    def failures(self) -> list[str]:
        """Every condition that does not hold, in words."""
        fast, slow, merged, orders = self.ledgers
        checks = {
            "frames are missing that no Gap covers (market data)": fast.undeclared,
            "frames are missing that no Gap covers (orders)": orders.undeclared,
            "numbers went back": fast.backward + orders.backward,
            "a consumer that keeps up lost messages": self.stats[0].dropped
            + self.stats[0].conflated
            + self.stats[3].dropped,
            "drops differ from the drops that are reported": self.lost_by_slow
            - self.stats[1].dropped,
            "conflation dropped messages": self.stats[2].dropped,
            "gaps are still open at the end": sum(len(one.open_gaps) for one in self.ledgers),
            "topics do not end with the newest frame": sum(
                ledger.last.get(topic) != self.sent[topic]
                for ledger, topics in (
                    (fast, list(self.sent)),
                    (slow, self.slow_topics),
                    (merged, list(self.sent)[10:20]),
                )
                for topic in topics
            ),
            "messages are not accounted for": sum(
                stats.received - stats.delivered - stats.conflated - stats.dropped - waiting
                for stats, waiting in zip(self.stats, self.waiting, strict=True)
            ),
        }
        return [f"{what}: {amount}" for what, amount in checks.items() if amount]


def _slope_mib_per_10_min(rss: list[tuple[float, float]]) -> float:
    """Return the trend of memory after the warm-up, the first fifth of the run."""
    settled = rss[len(rss) // 5 :]
    if len(settled) < 3:  # noqa: PLR2004 - no trend in less
        return 0.0
    times, sizes = zip(*settled, strict=True)
    return statistics.linear_regression(times, sizes).slope * 600


def _memory_failures(rss: list[tuple[float, float]], elapsed: float) -> list[str]:
    settled = [size for _, size in rss[len(rss) // 5 :]]
    if elapsed >= 600:  # noqa: PLR2004 - shorter runs have no slope worth the name
        slope = _slope_mib_per_10_min(rss)
        return [f"memory grows: {slope:.2f} MiB in ten minutes"] if slope >= 1.0 else []
    grown = max(settled, default=0.0) - min(settled, default=0.0)
    return [f"memory is not flat: {grown:.1f} MiB between its extremes"] if grown >= 8.0 else []  # noqa: PLR2004 - room for a burst


def _print(
    report: Report,
    stream: Streams,
    events: Counter[type[Any]],
    *,
    elapsed: float,
    rss: list[tuple[float, float]],
    lags: _Lags,
) -> None:
    fast, _, _, orders = report.ledgers
    sizes = [size for _, size in rss] or [0.0]
    produced = sum(report.told["numbers"])
    lines = {
        "duration": f"{elapsed:.0f} s",
        "produced": f"{produced} market data ({produced / elapsed:.0f}/s), {report.told['orders']} orders",
        "frames received": f"{stream.stats.frames} ({stream.stats.frames / elapsed:.0f}/s)",
        "faults": ", ".join(f"{n} x {kind}" for kind, n in sorted(report.told["faults"].items())),
        "connections": f"{stream.stats.connections}, lost {events[Disconnected]}, given up {events[ConnectionDead]}",
        "gaps": f"{events[Gap]}, resumed {events[Resumed]}, stale {events[Stale]}, renewals {events[Renewed]}",
        "missing, behind a Gap": f"{fast.covered} market data, {orders.covered} orders",
        "missing, undeclared": f"{fast.undeclared} market data, {orders.undeclared} orders",
        "slow consumer": f"lost {report.lost_by_slow}, reported {report.stats[1].dropped}",
        "conflating consumer": f"{report.stats[2].received} received, {report.stats[2].conflated} merged",
        "memory": f"{sizes[0]:.1f} to {sizes[-1]:.1f} MiB, at most {max(sizes):.1f}; "
        f"slope {_slope_mib_per_10_min(rss):+.2f} MiB in ten minutes",
        "loop lag": f"p50 {lags.percentile(0.5)} ms, p99 {lags.percentile(0.99)} ms",
    }
    for name, text in lines.items():
        print(f"{name:>22}  {text}")


def main() -> int:
    """Run the soak, or its server."""
    parser = argparse.ArgumentParser(description="Run the soak test of the stream.")
    parser.add_argument(
        "--seconds", type=float, default=1800.0, help="how long (default: half an hour)"
    )
    parser.add_argument("--rate", type=int, default=5000, help="market data frames a second")
    parser.add_argument("--topics", type=int, default=100, help="topics, at least 20")
    parser.add_argument("--seed", type=int, default=1, help="of the faults")
    arguments = parser.parse_args()
    pin(0)
    print(f"seed {arguments.seed}", flush=True)
    failures = asyncio.run(soak(arguments))
    for failure in failures:
        print(f"FAILED: {failure}")
    print("failed" if failures else "passed")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
