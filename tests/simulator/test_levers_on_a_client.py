"""Levers as a client of the product feels them, under virtual time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ibkr_async import Client, LimitOrder
from ibkr_async.simulator import BrokerSettings, Simulator, SimulatorSettings
from ibkr_async.testing import run_virtual

if TYPE_CHECKING:
    from ibkr_async.world import World

AAPL = 265598
CALM = SimulatorSettings(broker=BrokerSettings(volatility=0.0, warm_ups=False))
REST = LimitOrder(AAPL, "BUY", 1, "189")


@pytest.mark.parametrize("word", ["Cancelled", "Inactive"])
def test_order_is_rejected_after_its_acknowledgement(word: str) -> None:
    """It was acknowledged, it never fills, and the reason stands in its row; the next one works."""

    async def main(world: World) -> tuple[str, list[tuple[str, str]]]:
        async with (
            Simulator(world=world, settings=CALM) as sim,
            Client(sim.auth(), world=world) as ib,
        ):
            sim.reject_next("The exchange is closed.", status=word)  # type: ignore[arg-type]  # of two texts
            live = await ib.orders.submit(REST)
            acknowledged = str(live.state.status)
            await ib.orders.submit(REST)
            await asyncio.sleep(5)
            rows = sim.broker.live_order_rows()
        reasons = [(row["status"], row.get("order_cancellation_by_system_reason")) for row in rows]
        return acknowledged, reasons

    acknowledged, reasons = run_virtual(main)

    assert acknowledged in {"PreSubmitted", "Submitted"}
    assert reasons == [(word, "The exchange is closed."), ("Submitted", None)]


def test_requests_can_be_slow_before_and_after_they_take_effect() -> None:
    """The named path alone waits; with `after` an order is live while its sender waits."""

    async def main(world: World) -> list[float]:
        took: list[float] = []
        async with (
            Simulator(world=world, settings=CALM) as sim,
            Client(sim.auth(), world=world) as ib,
        ):

            async def timed(path: str) -> None:
                began = world.clock.monotonic()
                await ib.request("GET", path)
                took.append(round(world.clock.monotonic() - began))

            sim.slow("/iserver/account/orders", 4, times=1)
            await asyncio.gather(timed("/iserver/account/orders"), timed("/trsrv/futures"))
            sim.slow("/trsrv/*", 3)
            await timed("/trsrv/futures")
            sim.slow("/trsrv/*", 0)
            await timed("/trsrv/futures")
            sim.slow("/iserver/account/*/orders", 5, times=1, after=True)
            placing = asyncio.create_task(ib.orders.submit(REST))
            await asyncio.sleep(3)
            took.append(len(sim.broker.live_order_rows()))
            await placing
        return took

    assert run_virtual(main) == [0, 4, 3, 0, 1]


def test_two_clients_of_one_user_are_not_both_ready() -> None:
    """A second login makes the first one competing, until the session that it took has lapsed."""

    async def main(world: World) -> list[list[str]]:
        states: list[list[str]] = []
        async with (
            Simulator(world=world, settings=CALM) as sim,
            Client(sim.auth(), world=world) as first,
        ):
            async with Client(sim.auth(), world=world) as second:
                await asyncio.sleep(90)
                states.append([str(ib.session.state) for ib in (first, second)])
            await asyncio.sleep(900)
            states.append([str(first.session.state)])
        return states

    assert run_virtual(main) == [["competing", "ready"], ["ready"]]


def test_shifted_clock_delivers_bars_and_ends_nothing() -> None:
    """Hours pass: every minute has its bar, quotes flow on, and nobody has to log in again."""

    async def main(world: World) -> tuple[list[int], str, list[int], int]:
        times: list[int] = []
        async with Simulator(world=world) as sim, Client(sim.auth(), world=world) as ib:

            async def follow() -> None:
                async with ib.bars(AAPL, "1min", since="10min", forming=False) as bars:
                    async for bar in bars:
                        times.append(bar.t // 60_000)  # noqa: PERF401 - it never ends

            following = asyncio.create_task(follow())
            await asyncio.sleep(5)
            sim.shift_clock(3 * 3600)
            await asyncio.sleep(1)
            async with ib.quotes(AAPL) as quotes:
                await anext(quotes)
            await asyncio.sleep(5)
            following.cancel()
            logins = sum("live_session_token" in record.path for record in sim.requests)
            refused = [record.status for record in sim.requests if record.status != 200]
            return times, str(ib.session.state), refused, logins

    times, state, refused, logins = run_virtual(main)

    assert len(times) >= 189
    assert times == list(range(times[0], times[0] + len(times)))
    assert (state, refused, logins) == ("ready", [], 1)


def test_shifted_clock_can_let_things_lapse() -> None:
    """As if nobody had been there: the session has to be opened again."""

    async def main(world: World) -> list[bool]:
        async with (
            Simulator(world=world, settings=CALM) as sim,
            Client(sim.gateway(), world=world) as ib,
        ):

            async def is_held() -> bool:
                answer = await ib.request("POST", "/iserver/auth/status")
                return bool(answer["authenticated"])

            sim.shift_clock(200, lapse=True)
            held = [await is_held()]
            sim.shift_clock(400, lapse=True)
            return [*held, await is_held()]

    assert run_virtual(main) == [True, False]
