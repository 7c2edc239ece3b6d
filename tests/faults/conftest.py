"""What the fault tests share: one set of keys, and the seeds that they run with.

`FAULT_SEEDS=200` runs every fault with that many seeds, `FAULT_FIRST_SEED=57 FAULT_SEEDS=1` repeats
one: the seed is in the name of the test that failed.
"""

from __future__ import annotations

import os

import pytest

from ibkr_async.simulator.login.keys import SimulatorKeys


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that takes a `seed` with every seed of this run."""
    if "seed" in metafunc.fixturenames:
        first = int(os.environ.get("FAULT_FIRST_SEED", "1"))
        seeds = range(first, first + int(os.environ.get("FAULT_SEEDS", "1")))
        metafunc.parametrize("seed", seeds, ids=[f"seed{seed}" for seed in seeds])


@pytest.fixture(scope="session")
def keys() -> SimulatorKeys:
    """Return one set of keys for the whole run: making one takes half a second."""
    return SimulatorKeys.generate()
