"""`ibkr-async simulate`: the simulator as a program.

Responsible for the options, the one ready line that other programs wait for, and a clean stop on
SIGTERM and SIGINT. It must never print a key.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations at run time
from typing import TYPE_CHECKING, Annotated

import cyclopts

if TYPE_CHECKING:
    from ibkr_async.simulator import Recording, Simulator

simulate_app = cyclopts.App(
    name="simulate", help="Run a small faithful broker on this machine, for tests and demos."
)

_USAGE_ERROR = 2


@simulate_app.default
def simulate(
    *,
    port: int = 0,
    write_credentials: Path | None = None,
    tolerant: bool = False,
    no_tls: Annotated[bool, cyclopts.Parameter(negative=())] = False,
    seed: int = 1,
    replay: Path | None = None,
    speed: float = 1.0,
) -> int:
    """Serve REST and socket on 127.0.0.1 until SIGTERM or Ctrl-C.

    Prints one line that begins with `ready` when the first request can come.

    Parameters
    ----------
    port
        Port to serve; 0 takes a free one.
    write_credentials
        Directory to which keys, certificate and credentials.json are written for a client.
    tolerant
        Also accept the signature forms that other clients use.
    no_tls
        Serve plain HTTP.
    seed
        Seed of the prices: the same seed gives the same day.
    replay
        Captures file to play to every socket instead of the simulated market.
    speed
        How many times faster than recorded; 0 plays as fast as possible.
    """
    from ibkr_async.simulator import Recording, Simulator

    try:
        recording: Recording | None = None
        if replay is not None:
            recording = Recording.from_file(replay)
        sim = Simulator(
            port=port,
            tls=not no_tls,
            tolerant=tolerant,
            seed=seed,
            recording=recording,
            speed=speed,
        )
        asyncio.run(_serve(sim, write_credentials))
    except (OSError, ValueError) as error:
        print(f"ibkr-async simulate: {error}", file=sys.stderr)
        return _USAGE_ERROR
    return 0


async def _serve(sim: Simulator, credentials: Path | None) -> None:
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(*_: object) -> None:
        loop.call_soon_threadsafe(leave.set)

    # Not of the loop: on Windows that has no handlers of signals.
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        await _serve_until(leave, sim, credentials)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


async def _serve_until(leave: asyncio.Event, sim: Simulator, credentials: Path | None) -> None:
    async with sim:
        if credentials is not None:
            sim.write_credentials(credentials)
        print(
            f"ready base_url={sim.base_url} ws_url={sim.ws_url} account={sim.account_id}"
            f" credentials={credentials or 'none'}",
            flush=True,
        )
        await leave.wait()
