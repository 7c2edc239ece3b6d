"""Measured process: ibind's own WebSocket client, through its public API.

`python -m benchmarks.client_ibind STYLE PORT COUNT [CORPUS] [RATE]`, in an environment that has ibind
and not necessarily anything else. STYLE is `queue` (its documented queue sink, read by a thread) or
`callback` (a callback in its own thread, which is its fastest way). One hundred market-data
subscriptions, orders, profit and loss, and trades; only what is asked for is measured: a market-data
event reaching the user. Its REST client is replaced, since there is no broker.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

os.environ |= {
    "IBIND_WS_MAX_QUEUE_SIZE": "0",
    "IBIND_LOG_TO_FILE": "0",
    "IBIND_LOG_TO_CONSOLE": "0",
    "IBIND_LOG_LEVEL": "ERROR",
}

from ibind import CallbackSink, IbkrWsClient, QueueSink, events, subscriptions
from ibind.client import ibkr_definitions

from benchmarks import corpus
from benchmarks.machine import pin_client
from benchmarks.stopwatch import STAMP_ZERO

_FIELDS = ["31", "84", "86", "88", "85", "7059", "87", "82", "83", "7762"]


class _NoBroker:
    """Answers what the WebSocket client asks of REST."""

    def tickle(self) -> Any:
        return SimpleNamespace(data={"session": "0"})

    def authentication_status(self) -> Any:
        return SimpleNamespace(data={"authenticated": True})

    def check_health(self) -> bool:
        return True


class _Counter:
    """Counts market-data events from the first to the last."""

    def __init__(self, frames: int, wanted: int, *, stamped: bool) -> None:
        self._frames, self._wanted, self._stamped = frames, wanted, stamped
        self._count = 0
        self._cpu = self._wall = 0.0
        self._delays: list[int] = []
        self.done = threading.Event()
        self.numbers: dict[str, float] = {}

    def take(self, event: Any) -> None:
        if self._stamped:
            self._delays.append(time.monotonic_ns() - event.data["_updated"] + STAMP_ZERO)
        self._count += 1
        if self._count == 1:
            self._wall, self._cpu = time.perf_counter(), time.process_time()
        elif self._count == self._wanted:
            cpu, wall = time.process_time() - self._cpu, time.perf_counter() - self._wall
            self.numbers = {"cpu_us": cpu / self._frames * 1e6, "per_s": self._frames / wall}
            if self._delays:
                settled = sorted(self._delays[len(self._delays) // 10 :])
                self.numbers["p50_us"] = settled[len(settled) // 2] / 1e3
                self.numbers["p99_us"] = settled[int(0.99 * len(settled))] / 1e3
            self.done.set()


def run(style: str, port: int, count: int, name: str, rate: float) -> dict[str, float]:
    """Measure once."""
    counter = _Counter(count, corpus.market_data_in(corpus.load(name), count), stamped=bool(rate))
    if rate:
        # Its events carry fields by name only: let the time of sending through.
        ibkr_definitions.snapshot_by_id["_updated"] = "_updated"
    sink = CallbackSink() if style == "callback" else QueueSink(maxsize=0)
    wanted = [
        *(
            subscriptions.MarketDataSubscription(conid=str(c), fields=_FIELDS)
            for c in corpus.CONIDS
        ),
        subscriptions.OrdersSubscription(),
        subscriptions.PnlSubscription(),
        subscriptions.TradesSubscription(),
    ]
    client = IbkrWsClient(
        account_id=corpus.ACCOUNT,
        url=f"ws://127.0.0.1:{port}/?corpus={name}&count={count}&rate={rate}&greet=1&after={len(wanted)}",
        ibkr_client=_NoBroker(),
        cacert=False,
        sink=sink,
        synchronous_output_events=style == "callback",
    )
    if style == "callback":
        sink.on(events.MarketData, counter.take)
    else:
        queue = sink.new_queue_accessor(events.MarketData)

        def pump() -> None:
            while not counter.done.is_set():
                event = queue.get(block=True, timeout=1)
                if event is not None:
                    counter.take(event)

        threading.Thread(target=pump, daemon=True).start()
    if not client.start():
        raise RuntimeError("ibind did not start")
    for subscription in wanted:
        client.subscribe(subscription)
    if not counter.done.wait(90):
        raise RuntimeError("ibind did not deliver everything")
    return counter.numbers


def main() -> None:
    """Print the numbers as one line of JSON."""
    style, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    name = sys.argv[4] if len(sys.argv) > 4 else "mixed"  # noqa: PLR2004 - optional
    rate = float(sys.argv[5]) if len(sys.argv) > 5 else 0.0  # noqa: PLR2004 - optional
    logging.disable(logging.CRITICAL)
    pin_client()
    print(json.dumps(run(style, port, count, name, rate)), flush=True)
    os._exit(0)  # its threads are of no interest any more


if __name__ == "__main__":
    main()
