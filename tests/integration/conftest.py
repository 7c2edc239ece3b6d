"""The real simulator on real sockets, and a real client of it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ibkr_async import Client
from ibkr_async.simulator import BrokerSettings, Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.settings_with import AT_ONCE

_TESTS = str(Path(__file__).resolve().parents[1])
if _TESTS not in sys.path:
    sys.path.append(_TESTS)

FAST = SimulatorSettings(
    greeting_delay_s=0.0,
    tick_s=0.02,
    pnl_s=0.02,
    broker=BrokerSettings(warm_ups=False, late_commission_s=0.02),
)
"""The simulator with its pauses shortened, and without empty first answers: each costs 5 s of pacing."""

QUICK = AT_ONCE
"""A client that reconnects without its random first pause."""


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
async def ib(sim: Simulator) -> AsyncIterator[Client]:
    """Return an open client of it, logged in with OAuth."""
    async with Client(sim.auth(), settings=QUICK) as client:
        yield client


@pytest.fixture
async def gateway_ib(sim: Simulator) -> AsyncIterator[Client]:
    """Return an open client that needs no login, for tests that are not about it: it is faster."""
    async with Client(sim.gateway(), settings=QUICK) as client:
        yield client
