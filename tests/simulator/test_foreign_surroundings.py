"""The simulator as a guest: of another server's process, of Windows, of a Python without the extra."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from ibkr_async.simulator import Simulator
from ibkr_async.simulator.login.keys import write_private
from support.simulator_peer import FAST, Peer, greeted

if TYPE_CHECKING:
    from pathlib import Path

    from ibkr_async.simulator.login.keys import SimulatorKeys

LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")

WITHOUT_POSIX = """
import asyncio, os, signal, sys, builtins
for name in ("O_NOFOLLOW", "O_DIRECTORY", "fchmod", "fchown", "getuid", "geteuid", "umask", "link", "fork"):
    if hasattr(os, name): delattr(os, name)
def missing(self, *args): raise NotImplementedError
asyncio.SelectorEventLoop.add_signal_handler = missing
asyncio.SelectorEventLoop.remove_signal_handler = missing
sys.modules["fcntl"] = sys.modules["pwd"] = sys.modules["grp"] = sys.modules["termios"] = None
"""
"""Takes away what Windows does not have, before anything of ours is imported."""


async def test_loggers_of_the_host_are_untouched(keys: SimulatorKeys) -> None:
    """A program that is served by the same library goes on logging as it did, also afterwards."""
    handler = logging.NullHandler()
    logging.getLogger("uvicorn.access").addHandler(handler)

    def state() -> list[object]:
        found = [logging.getLogger(name) for name in LOGGERS]
        return [(one.level, list(one.handlers), one.propagate, one.disabled) for one in found]

    before = state()
    async with Simulator(keys=keys, settings=FAST):
        during = state()

    assert (during, state()) == (before, before)
    logging.getLogger("uvicorn.access").removeHandler(handler)


async def test_simulator_says_nothing_in_the_log_of_its_host(
    keys: SimulatorKeys, caplog: pytest.LogCaptureFixture
) -> None:
    """The lines of the library hold addresses with the access token."""
    with caplog.at_level(logging.INFO):
        async with Simulator(keys=keys, settings=FAST) as sim:
            peer = Peer(sim, keys)
            async with peer.http, peer.socket(await peer.ready()) as websocket:
                await greeted(websocket)

    ours = [
        one
        for one in caplog.records
        if one.name.startswith(("uvicorn", "ibkr_async.simulator.server"))
    ]
    assert ours == []


async def run(program: str, *arguments: str) -> asyncio.subprocess.Process:
    """Start a Python of its own."""
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_simulate_needs_nothing_that_windows_lacks(tmp_path: Path) -> None:
    """It serves, writes its credentials and ends on a signal; the file writer of `oauth init` works, too."""
    program = (
        f"{WITHOUT_POSIX}\n"
        "from ibkr_async.cli.simulate import simulate_app\n"
        "from ibkr_async.cli.oauth.files import write_new\n"
        "from pathlib import Path\n"
        f"write_new(Path({str(tmp_path / 'new')!r}), b'x')\n"
        "simulate_app()"
    )
    process = await run(program, "--write-credentials", str(tmp_path / "c"))
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 20)
    if line:
        process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(process.communicate(), 20)

    assert line.startswith(b"ready "), errors.decode()
    assert (process.returncode, errors) == (0, b"")
    assert (tmp_path / "new").read_bytes() == b"x"


def test_private_file_is_written_without_posix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without modes and links to follow there is nothing to guard."""
    monkeypatch.delattr(os, "O_NOFOLLOW")
    monkeypatch.delattr(os, "fchmod")

    write_private(tmp_path / "key", b"a\nb")

    assert (tmp_path / "key").read_bytes() == b"a\nb"


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
async def test_missing_extra_is_named(missing: str) -> None:
    """The error says what to install."""
    process = await run(
        f"import sys; sys.modules[{missing!r}] = None\nfrom ibkr_async.simulator import Simulator"
    )

    _, errors = await process.communicate()

    last = errors.decode().strip().splitlines()[-1]
    assert last == (
        f'ModuleNotFoundError: the simulator needs {missing}: pip install "ibkr_async[sim]"'
    )
