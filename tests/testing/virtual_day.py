"""A bot that streams quotes and trades for hours of virtual time, and the hash of all it was told.

Run as a program it prints the hash: `python -m testing.virtual_day HOURS SEED`.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from ibkr_async import Answers, Client, MarketOrder, Side
from ibkr_async.errors import OrderError
from ibkr_async.simulator import Simulator, SimulatorSettings
from ibkr_async.testing import run_virtual

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.world import World

ORDER_EVERY_S = 600.0


class Day(NamedTuple):
    """What a day came to."""

    digest: str
    """SHA-256 over every quote, fill, order and event, with its virtual time."""
    counts: Counter[str]
    virtual_s: float


def live_through(
    hours: float,
    seed: int,
    *,
    faults: bool = False,
    before: Callable[[], None] | None = None,
) -> Day:
    """Live through a day, with or without a nemesis.

    `before` is called when the loop runs and nothing is open yet.
    """

    async def main(world: World) -> Day:
        if before is not None:
            before()
        return await _day(world, hours, seed, faults=faults)

    return run_virtual(main, seed=seed)


async def _day(world: World, hours: float, seed: int, *, faults: bool) -> Day:
    settings = SimulatorSettings(tick_s=1.0)
    async with (
        Simulator(seed=seed, settings=settings, world=world) as sim,
        Client(sim.auth(), world=world) as ib,
    ):
        bot = Bot(ib, world)
        parts = (bot.quotes, bot.fills, bot.events, bot.orders)
        tasks = [asyncio.create_task(part(), name=part.__name__) for part in parts]
        if faults:
            tasks.append(asyncio.create_task(nemesis(sim), name="nemesis"))
        await asyncio.sleep(hours * 3600)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(each) for each in ended] == [asyncio.CancelledError] * len(tasks), ended
    return Day(bot.digest.hexdigest(), bot.counts, world.clock.monotonic())


class Bot:
    """Buys and sells one share now and then, and notes whatever it is told."""

    def __init__(self, ib: Client, world: World) -> None:
        self.digest = sha256()
        self.counts: Counter[str] = Counter()
        self._ib = ib
        self._clock = world.clock

    def _note(self, kind: str, *facts: object) -> None:
        self.counts[kind] += 1
        self.digest.update(repr((kind, self._clock.monotonic(), *facts)).encode())

    async def quotes(self) -> None:
        """Follow two stocks."""
        async with self._ib.quotes("AAPL", "MSFT") as stream:
            async for quote in stream:
                self._note("quotes", quote.conid, quote.bid, quote.ask, quote.last)

    async def fills(self) -> None:
        """Follow the executions."""
        async with self._ib.stream.trades() as stream:
            async for fill in stream:
                self._note("fills", fill.execution_id, fill.conid, str(fill.price), str(fill.size))

    async def events(self) -> None:
        """Follow session and socket."""
        async for event in self._ib.events():
            self._note("events", repr(event))

    async def orders(self) -> None:
        """Trade."""
        [contract] = await self._ib.contracts.resolve("AAPL")
        while True:
            await asyncio.sleep(ORDER_EVERY_S)
            for side in (Side.BUY, Side.SELL):
                order = MarketOrder(contract.conid, side, 1)
                try:
                    live = await self._ib.orders.submit(
                        order, answers=Answers.allow("o163", "o10151")
                    )
                except OrderError as error:
                    self._note("failures", repr(error))
                else:
                    self._note("orders", str(side), *(leg.order_id for leg in live.legs))


async def nemesis(sim: Simulator) -> None:
    """Cut what can be cut, at moments that only the virtual clock decides."""
    while True:
        await asyncio.sleep(ORDER_EVERY_S / 2)
        sim.drop_sockets()
        await asyncio.sleep(ORDER_EVERY_S / 4)
        sim.drop_next("/iserver/account/*/orders", after=True)
        await asyncio.sleep(ORDER_EVERY_S / 8)
        sim.drop_sockets(1012)
        sim.drop_next("/tickle")
        sim.expire_token()


if __name__ == "__main__":
    sys.stdout.write(live_through(float(sys.argv[1]), int(sys.argv[2]), faults=True).digest)
