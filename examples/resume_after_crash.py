"""With a journal, a bot that died while an order was under way finds out about it at its next start.

Runs against the simulator: `python examples/resume_after_crash.py`.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from ibkr_async import Client, LimitOrder, Side
from ibkr_async.simulator import Simulator

AAPL = 265598


async def first_life(sim: Simulator, journal: Path) -> None:
    """Send an order whose answer is lost, and end before anybody could look for it."""
    sim.drop_next("/iserver/account/*/orders", after=True)
    sim.mute("sor")  # or the news would tell of the order
    async with Client(sim.auth(), journal=journal) as ib:
        try:
            async with asyncio.timeout(1.0):
                await ib.orders.submit(LimitOrder(AAPL, Side.BUY, 10, "189.00"))
        except TimeoutError:
            print("unknown when the bot ended:", list(ib.orders.unknown))


async def second_life(sim: Simulator, journal: Path) -> None:
    """Adopt what the journal has open; nothing is sent again."""
    sim.unmute("sor")
    async with Client(sim.auth(), journal=journal) as ib:
        for found in await ib.orders.recovered():
            if found.handle is None:
                # Not accepted: dead, or still unknown, and the gate stays closed until you decide.
                print(found.coid, "->", found.error)
                continue
            print(found.coid, "-> accepted:", found.handle.order_id)
            await found.handle.cancel()
            print("in the end:", (await found.handle.done()).status)


async def main() -> None:
    """Live twice, on the simulator."""
    # For IBKR: `Client(OAuth1a.from_env(), journal="orders.journal")`, and only the second life.
    with tempfile.TemporaryDirectory() as directory:
        journal = Path(directory) / "orders.journal"
        async with Simulator() as sim:
            await first_life(sim, journal)
            await second_life(sim, journal)
            print("orders at the broker:", len(sim.broker.live_order_rows()))


if __name__ == "__main__":
    asyncio.run(main())
