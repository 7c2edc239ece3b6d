"""What the simulator's tests share: one set of keys, a running simulator, two clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ibkr_async.simulator import Simulator
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.simulator_peer import FAST, Peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(scope="session")
def keys() -> SimulatorKeys:
    """Return one set of keys for the whole run: making one takes half a second."""
    return SimulatorKeys.generate()


@pytest.fixture
async def sim(keys: SimulatorKeys) -> AsyncIterator[Simulator]:
    """Return a running simulator with short pauses."""
    async with Simulator(keys=keys, settings=FAST) as running:
        yield running


@pytest.fixture
async def peer(sim: Simulator, keys: SimulatorKeys) -> AsyncIterator[Peer]:
    """Return a client that signs."""
    client = Peer(sim, keys)
    async with client.http:
        yield client


@pytest.fixture
async def gateway_peer(sim: Simulator, keys: SimulatorKeys) -> AsyncIterator[Peer]:
    """Return a client that does not sign."""
    client = Peer(sim, keys, signed=False)
    async with client.http:
        yield client
