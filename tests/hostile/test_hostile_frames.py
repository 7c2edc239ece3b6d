"""What comes over the socket is odd: consumers get what can be read, an error of ours, or nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from hostile.places import EVERY, client_of, outcome
from hostile.public_calls import ACCOUNT, OPTION, touch
from ibkr_async import Client, SessionState
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.testing import run_virtual
from ibkr_async.world import World
from support.hostile_answers import odd_bodies, some

SAMPLES = Path(__file__).parents[1] / "samples" / "ws"
TOPICS = sorted(path.stem for path in SAMPLES.glob("*.json"))
IBM = 8314
FRAMES = 100_000 if EVERY else 20
"""How many odd frames of a topic are sent."""


def feeds_of(ib: Client) -> dict[str, Any]:
    """Return something of everything that can be iterated."""
    stream = ib.stream
    return {
        "quotes": ib.quotes(IBM),
        "bars": ib.bars(IBM, "1min", "30min"),
        "ladder": ib.ladder(IBM),
        "events": ib.events(),
        "watch": ib.orders.watch(),
        "market_data": stream.market_data(IBM),
        "market_history": stream.market_history(IBM, "1d", "1h"),
        "price_ladder": stream.price_ladder(IBM),
        "option_exercise": stream.option_exercise(OPTION),
        "account_summary": stream.account_summary(),
        "account_ledger": stream.account_ledger(),
        **{
            name: getattr(stream, name)()
            for name in [
                "account_updates",
                "auth_status",
                "bulletins",
                "errors",
                "keepalives",
                "live_orders",
                "notifications",
                "profit_and_loss",
                "system_messages",
                "trades",
            ]
        },
    }


async def consume(feed: Any) -> None:
    """Look at everything that a feed brings, until it ends."""
    async with feed:
        async for item in feed.marked():
            touch(item)


def frames_of(topic: str) -> list[str]:
    """Return the sample frames of a topic, as the account and socket of the simulator have them."""
    frames: list[Any] = msgspec.json.decode((SAMPLES / f"{topic}.json").read_bytes())
    return [msgspec.json.encode(frame).decode().replace("DU7654321", ACCOUNT) for frame in frames]


class Consumers:
    """Readers of everything, each begun anew when it has ended with an error of ours."""

    def __init__(self, ib: Client) -> None:
        self._ib = ib
        self._tasks: dict[str, asyncio.Future[str | None]] = {}
        self.wrong: list[str] = []

    def begin(self) -> None:
        for name, feed in feeds_of(self._ib).items():
            task = self._tasks.get(name)
            if task is None or task.done():
                self._tasks[name] = asyncio.ensure_future(outcome(consume(feed), name, None))

    def look(self, what: str) -> None:
        for task in self._tasks.values():
            if task.done() and task.result():
                self.wrong.append(f"{task.result()} after {what}")

    async def end(self) -> None:
        ended = await asyncio.gather(*self._tasks.values())
        self.wrong.extend(found for found in ended if found)


@pytest.mark.parametrize("topic", TOPICS)
def test_consumers_survive_hostile_frames(topic: str, keys: SimulatorKeys) -> None:
    """No frame ends the client, and none raises what is not ours."""

    async def main(world: World) -> list[str]:
        async with client_of(world, keys, "client") as place:
            ib: Client = place.ib
            consumers = Consumers(ib)
            good = frames_of(topic)
            odd = [case for frame in good for case in odd_bodies(frame.encode())]
            for what, write in some(Random(topic), odd, FRAMES):  # noqa: S311 - can be repeated
                consumers.begin()
                await world.clock.sleep(0.2)
                place.sim.push(write().decode("utf-8", "surrogatepass"))
                for frame in good:
                    place.sim.push(frame)
                await world.clock.sleep(0.2)
                ib.health()
                consumers.look(what)
                assert ib.session.state is not SessionState.CLOSED, f"{what} ended the client"
            assert await outcome(ib.ready(1000), "ready") is None
        await consumers.end()
        return consumers.wrong

    wrong = run_virtual(main)
    assert not wrong, "\n".join(wrong[:60])
