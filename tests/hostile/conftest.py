"""Where the hostile walks find what they share."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ibkr_async.simulator.login.keys import SimulatorKeys

_TESTS = str(Path(__file__).resolve().parents[1])
if _TESTS not in sys.path:
    sys.path.append(_TESTS)


@pytest.fixture(scope="session")
def keys() -> SimulatorKeys:
    """Return one set of keys for the whole run: making one takes half a second."""
    return SimulatorKeys.generate()
