"""The simulator as the other side: `python -m benchmarks.serve_simulator CORE` prints where it is."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from ibkr_async.simulator import Simulator


async def main() -> None:
    """Serve until killed."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(sys.argv[1])})
    async with Simulator() as simulator:
        where = {"base_url": simulator.base_url, "ca": str(simulator.ca_file)}
        print(json.dumps(where), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
