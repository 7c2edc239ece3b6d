"""The test world's promise: hours in seconds, without the kernel, and the same every time."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from testing.virtual_day import ORDER_EVERY_S, live_through

ROOT = Path(__file__).parents[2]
HOURS = 1.0


def forbidden(*_args: object, **_options: object) -> NoReturn:
    """Stand in for what must not happen."""
    raise AssertionError("a virtual world reached for the kernel")


def test_bot_lives_through_hours_in_seconds_without_sockets_and_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Quotes come all the time, each order is filled, and neither kernel nor threads are used."""

    def shut() -> None:
        monkeypatch.setattr(socket.socket, "__init__", forbidden)
        monkeypatch.setattr(threading.Thread, "start", forbidden)

    day = live_through(HOURS, seed=1, before=shut)

    placed = 2 * int(HOURS * 3600 / ORDER_EVERY_S)
    assert day.virtual_s == pytest.approx(HOURS * 3600, abs=60)
    assert day.counts["quotes"] > HOURS * 3600
    assert placed - 2 <= day.counts["orders"] <= placed
    # Each fill is told twice, the second time with its commission.
    assert day.counts["fills"] == 2 * day.counts["orders"]


def test_equal_seed_gives_an_equal_run() -> None:
    """In one process, in another, and however that one hashes texts; with sockets cut, answers lost."""
    hours = 0.4
    first = live_through(hours, seed=7, faults=True)

    again = live_through(hours, seed=7, faults=True)
    elsewhere = subprocess.run(
        [sys.executable, "-m", "testing.virtual_day", str(hours), "7"],
        env=os.environ
        | {"PYTHONHASHSEED": "4711", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()

    assert first.counts["orders"] >= 2
    assert again == first
    assert elsewhere == first.digest
    assert live_through(hours, seed=8, faults=True).digest != first.digest
