"""A small faithful broker that runs on the user's machine. Imports only models and types of ours."""

from __future__ import annotations

try:
    import starlette  # noqa: F401 - only whether it is there
    import uvicorn  # noqa: F401 - only whether it is there
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f'the simulator needs {error.name}: pip install "ibkr_async[sim]"', name=error.name
    ) from None

from ibkr_async.simulator.broker.settings import BrokerSettings
from ibkr_async.simulator.replay import Recording
from ibkr_async.simulator.settings import SimulatorSettings
from ibkr_async.simulator.simulator import Simulator

__all__ = ["BrokerSettings", "Recording", "Simulator", "SimulatorSettings"]
