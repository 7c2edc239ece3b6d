"""Stream quotes of three contracts, merged and typed, on one socket.

Runs against the simulator: `python examples/stream_quotes.py`.
"""

from __future__ import annotations

import asyncio

from ibkr_async import Client
from ibkr_async.simulator import Simulator

WANTED = 20


async def main() -> None:
    """Print some quotes."""
    # For IBKR: `Client(OAuth1a.from_env()) as ib`, and no simulator.
    async with (
        Simulator() as sim,
        Client(sim.auth()) as ib,
        ib.quotes("AAPL", "MSFT", 756733) as quotes,
    ):
        count = 0
        async for q in quotes:
            print(q.symbol, q.bid, q.ask, q.last, q.availability)
            count += 1
            if count == WANTED:
                break


if __name__ == "__main__":
    asyncio.run(main())
