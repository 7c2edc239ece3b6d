"""Every example runs by itself, against a simulator that it starts, and says what it should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
MOST_LINES = 60

SAYS = {
    "bracket_with_fills.py": ["is Submitted", "filled 10", "commission 1", "filled in all: 10"],
    "flatten_all.py": ["orders: ['Filled', 'Cancelled']", "AAPL SELL 10"],
    "reprice_loop.py": ["placed", "moved below", "in the end: "],
    "resume_after_crash.py": [
        "unknown when the bot ended: ['",
        "-> accepted: ",
        "in the end: Cancelled",
        "orders at the broker: 1\n",
    ],
    "stream_quotes.py": ["AAPL 1", "MSFT 4", "SPY 5", "real time"],
}
ELSEWHERE = {"oauth_login.py", "third_party.py"}
"""Examples that have tests of their own."""


def run(name: str) -> subprocess.CompletedProcess[str]:
    """Run one example as its reader would."""
    # Not measured: under the tracer that coverage starts in subprocesses (seen with Python 3.11.7)
    # an InvalidStateError escapes from anyio's `except InvalidStateError: pass` while connecting.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")
    }
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env=environment,
    )


@pytest.mark.parametrize("name", SAYS)
def test_example_runs_against_the_simulator(name: str) -> None:
    """It ends by itself, without an error, and has printed what it is about."""
    done = run(name)

    assert done.returncode == 0, done.stderr
    for words in SAYS[name]:
        assert words in done.stdout


def test_every_example_is_short_and_tested() -> None:
    """Fewer than 60 lines each; a new one has to be named here."""
    found = {path.name: path for path in EXAMPLES.glob("*.py")}

    assert found.keys() == SAYS.keys() | ELSEWHERE
    for path in found.values():
        assert len(path.read_text(encoding="utf-8").splitlines()) < MOST_LINES, path.name
