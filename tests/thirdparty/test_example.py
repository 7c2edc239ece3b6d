from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "third_party.py"


def test_example_runs_against_the_simulator() -> None:
    """It starts its own simulator, trades, and ends by itself."""
    # Not measured: under the tracer that coverage starts in subprocesses (seen with Python 3.11.7)
    # an InvalidStateError escapes from anyio's `except InvalidStateError: pass` while connecting.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")
    }
    done = subprocess.run(
        [sys.executable, str(EXAMPLE)],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env=environment,
    )

    assert done.returncode == 0, done.stderr
    assert "['ARCA', 'NYSE']" in done.stdout
    assert "placed: IBM 10 @ 150.0" in done.stdout
    assert "changed: @ 151.0" in done.stdout
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 60
