"""Where hostile answers are met: a simulator in memory, a client of it, a hand on the wire between them."""

from __future__ import annotations

import asyncio
import os
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any, NamedTuple

import msgspec

from hostile.public_calls import ROWS, touch, touch_error
from ibkr_async import Client
from ibkr_async.errors import IbkrError
from ibkr_async.simulator import Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.thirdparty import ThirdPartyClient
from ibkr_async.world import World
from support.hostile_answers import odd_bodies, odd_replies, some
from support.hostile_network import HostileNetwork, Passed
from support.inside import forget_contracts, without_limits

EVERY = bool(os.environ.get("IBKR_EVERY_ANSWER"))
BODIES, REPLIES = (100_000, 100_000) if EVERY else (6, 4)
"""How many changes of a call's answers are tried, inside the body and around it."""
QUIET = SimulatorSettings(greeting_delay_s=0.0, tick_s=5.0)
_LONGEST_S = 600.0
"""Virtual seconds after which a call hangs."""


class Place:
    """A running simulator and who calls it."""

    def __init__(self, sim: Simulator, network: HostileNetwork, ib: Any) -> None:
        self.sim = sim
        self.network = network
        self.ib = ib
        self._feed: Any = None

    async def holder(self, face: str) -> Any:
        """Return the object that has a face's methods."""
        if face == "feed":
            if self._feed is not None:
                await self._feed.aclose()
            self._feed = self.ib.stream.market_data(265598)
            return await self._feed.__aenter__()
        if face in {"client", "third_party"}:
            return self.ib
        if face in {"handle", "leg"}:
            live = await self.ib.orders.submit(*ROWS["orders.submit"].args)
            return live if face == "handle" else live.legs[0]
        return getattr(self.ib, face)

    def forget(self) -> None:
        """Begin anew: nothing is remembered, nothing is unknown, nothing is held back."""
        self.network.tamper = None
        self.network.passed.clear()
        if isinstance(self.ib, Client):
            forget_contracts(self.ib)
            self.ib.portfolio.forget()
            for coid in list(self.ib.orders.unknown):
                self.ib.orders.dismiss(coid)
        without_limits(self.ib)


@asynccontextmanager
async def client_of(world: World, keys: SimulatorKeys, face: str) -> AsyncIterator[Place]:
    """Open a client whose answers pass through a hand."""
    network = HostileNetwork()
    world = msgspec.structs.replace(world, network=network)
    async with Simulator(world=world, keys=keys, settings=QUIET, tls=False) as sim:
        if face == "third_party":
            auth = sim.third_party_auth()
            client: Any = ThirdPartyClient(auth, base_url=sim.third_party_url, world=world)
        else:
            client = Client(sim.gateway(), world=world)
        async with client as ib:
            yield Place(sim, network, ib)


async def outcome(
    call: Awaitable[Any], what: str, limit_s: float | None = _LONGEST_S
) -> str | None:
    """Wait for a call; return what is wrong with how it ended."""
    try:
        async with asyncio.timeout(limit_s):
            touch(await call)
    except IbkrError as error:
        touch_error(error)
    except TimeoutError:
        return f"{what}: hangs"
    except Exception as error:  # noqa: BLE001 - what else there is is the question
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{what}: {error!r:.200} at {where.filename.rpartition('ibkr_async/')[2]}:{where.lineno}"
    return None


def background(passed: Passed) -> bool:
    """Tell whether the client asks this by itself."""
    return passed.path.endswith(("/tickle", "/auth/status", "/ssodh/init"))


class Case(NamedTuple):
    """One answer that is odd."""

    target: Passed
    """Which answer is replaced."""
    what: str
    answer: Callable[[], bytes]


def odd_cases(passed: Iterable[Passed], draw: Random, bodies: int, replies: int) -> list[Case]:
    """Choose among all that can be wrong with these answers, each endpoint once."""
    good = {(one.method, one.path): one for one in passed}.values()
    inside = [case for one in good for case in _odd_bodies(one)]
    around = [
        Case(one, what, write) for one in good for what, write in odd_replies(one.head, one.body)
    ]
    return some(draw, inside, bodies) + some(draw, around, replies)


def _odd_bodies(passed: Passed) -> Iterator[Case]:
    for what, write in odd_bodies(passed.body):
        yield Case(passed, what, lambda write=write: with_body(passed, write()))


def with_body(passed: Passed, body: bytes) -> bytes:
    """Write an answer anew with another body."""
    line = passed.head.partition(b"\r\n")[0]
    length = f"content-length: {len(body)}".encode()
    return b"\r\n".join((line, b"content-type: application/json", length, b"", body))


def instead(target: Passed, answer: bytes) -> Callable[[Passed], bytes | None]:
    """Return what replaces every answer of an endpoint."""

    def tamper(passed: Passed) -> bytes | None:
        same = (passed.method, passed.path) == (target.method, target.path)
        return answer if same else None

    return tamper
