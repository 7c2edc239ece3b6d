"""Measured process: the practical limit. Framing in C, route, decode, and a direct callback.

`python -m benchmarks.client_limit PORT COUNT [CORPUS]`, in an environment that has picows. Nothing is
buffered, counted or supervised: it cannot be done with less in Python.
"""

from __future__ import annotations

import asyncio
import json
import sys

from picows import WSFrame, WSListener, WSTransport, ws_connect

from benchmarks import corpus, plain_structs
from benchmarks.machine import pin_client
from benchmarks.stopwatch import Stopwatch


async def run(port: int, count: int, name: str) -> dict[str, float]:
    """Measure once."""
    tick = Stopwatch(count, corpus.market_data_in(corpus.load(name), count))
    read, seen, market_data = plain_structs.reader(), tick.seen, plain_structs.MarketData

    class Listener(WSListener):
        def on_ws_frame(self, _transport: WSTransport, frame: WSFrame) -> None:
            if type(read(frame.get_payload_as_bytes())) is market_data:
                seen()

    url = f"ws://127.0.0.1:{port}/?corpus={name}&count={count}"
    transport, _ = await ws_connect(Listener, url)
    await tick.wait()
    transport.disconnect()
    return tick.numbers


def main() -> None:
    """Print the numbers as one line of JSON."""
    port, count = int(sys.argv[1]), int(sys.argv[2])
    name = sys.argv[3] if len(sys.argv) > 3 else "mixed"  # noqa: PLR2004 - optional
    pin_client()
    print(json.dumps(asyncio.run(run(port, count, name))))


if __name__ == "__main__":
    main()
