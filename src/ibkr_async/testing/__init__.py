"""The test world: client and simulator in one process, in virtual time, each run like the last.

`run_virtual(main, seed=1)` runs `main(world)` on an event loop whose time jumps to the next timer when
nothing is ready. `Client(..., world=world)` and `Simulator(world=world)` then talk over memory, and hours
pass in seconds. Equal seeds give equal runs, in every process.
"""

from __future__ import annotations

from ibkr_async.testing.loop import virtual_loop
from ibkr_async.testing.virtual import START, NetworkKind, run_virtual, virtual_world

__all__ = ["START", "NetworkKind", "run_virtual", "virtual_loop", "virtual_world"]
