"""Verified by others: `ibind`, written by people who trade with it, talks to the simulator.

Client and simulator of this project could be wrong in the same way; a third party's client could
not. It runs in a virtual environment of its own, over TLS that it verifies. The simulator is in its
tolerant mode, because ibind leaves query parameters out of its signatures.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ibkr_async.simulator import BrokerSettings, Simulator, SimulatorSettings

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".venv-ibind"
SESSION = Path(__file__).with_name("ibind_session.py")
ORDER = Path(__file__).with_name("ibind_order.py")
AAPL = "265598"

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]


def _works(python: Path) -> bool:
    return python.exists() and not _run(str(python), "-c", "import ibind, ibind.oauth.oauth1a")


def _run(*command: str) -> str:
    """Run a program to its end; return what it complained of, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


@pytest.fixture(scope="session")
def ibind_python() -> Path:
    """The interpreter of ibind's own virtual environment, made on first use."""
    python = HOME / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if _works(python):
        return python
    complaint = _run(sys.executable, "-m", "venv", "--clear", str(HOME)) or _run(
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "ibind[oauth]",
    )
    if complaint or not _works(python):
        pytest.skip(f"ibind cannot be installed here: {complaint.splitlines()[-1:]}")
    return python


async def _session(python: Path, sim: Simulator, logs: Path, script: Path = SESSION) -> Any:
    """Run a script and return what it reports."""
    process = await asyncio.create_subprocess_exec(
        python,
        script,
        sim.credentials_directory,
        AAPL,
        env={
            **os.environ,
            "REQUESTS_CA_BUNDLE": str(sim.ca_file),
            "IBIND_LOGS_DIR": str(logs),
            # ibind reads a `.env` file and these variables; neither belongs in a test.
            "IBIND_ENV_FILE": os.devnull,
            "IBIND_LOG_TO_CONSOLE": "False",
        },
        cwd=logs,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, err.decode()[-2000:]
    return json.loads(out.splitlines()[-1])


async def test_ibind_logs_in_reads_accounts_and_receives_quotes(
    ibind_python: Path, tmp_path: Path
) -> None:
    """Live session token, brokerage session, signed reads, and a socket with market data."""
    settings = SimulatorSettings(tick_s=0.05)
    async with Simulator(tolerant=True, settings=settings) as sim:
        seen = await _session(ibind_python, sim, tmp_path)
        refused = [record for record in sim.requests if record.status != 200]
        forms, socket = sim.signature_forms, sim.sockets[0]

    assert seen["accounts"] == ["DU1234567"]
    assert seen["snapshot_conids"] == [int(AAPL)]
    assert seen["subscribed"]
    assert seen["received"]
    assert all(
        float(quote["bid_price"]) <= float(quote["ask_price"])
        for quote in seen["quotes"]
        if "bid_price" in quote and "ask_price" in quote
    )
    assert refused == []
    # The snapshot is the one request with a query: form B, which the strict mode refuses.
    assert forms["B"] == 1
    assert forms["A"] >= 4
    assert (socket.identity, socket.client_close_code) == ("oauth", 1000)


async def test_strict_simulator_refuses_what_ibind_leaves_unsigned(
    ibind_python: Path, tmp_path: Path
) -> None:
    """The documented form includes the query, so ibind's read of a snapshot fails strictly."""
    async with Simulator(settings=SimulatorSettings(tick_s=0.05)) as sim:
        with pytest.raises(AssertionError, match="invalid signature"):
            await _session(ibind_python, sim, tmp_path)
        last = sim.requests[-1]

    assert (last.path, last.status) == ("/iserver/marketdata/snapshot", 401)


async def test_ibind_answers_the_questions_by_their_words(
    ibind_python: Path, tmp_path: Path
) -> None:
    """It knows questions by IBKR's own texts; every one that it knows is asked and answered."""
    asked = ("o163", "o354", "o382", "o383", "o403", "o451", "o10138", "o10151", "o10152", "o10153",
             "o10164", "o10223", "o10331", "p6", "p12")  # fmt: skip
    broker = BrokerSettings(question_chain=asked)
    async with Simulator(tolerant=True, settings=SimulatorSettings(broker=broker)) as sim:
        placed = await _session(ibind_python, sim, tmp_path, ORDER)
        replies = [record for record in sim.requests if "/iserver/reply/" in record.path]

    assert [int(row["order_id"]) > 0 for row in placed] == [True, True]
    assert len(replies) == 2 * len(asked)
