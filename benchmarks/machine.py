"""Cores, child processes and medians: how a fair measurement is made on a noisy machine.

Responsible for running the variants of one measurement in turn, each in a fresh process on the
client's core, in reversed order every other round, and for the medians over the rounds. Only ratios
within one such run mean anything.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]
_CHILD_LIMIT_S = 180


def cores() -> tuple[int, int]:
    """Give the core of the measured client and the core of whatever serves it."""
    if not hasattr(os, "sched_getaffinity"):
        return 0, 0
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def pin_client() -> None:
    """Stay on the client's core from now on, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cores()[0]})


def describe() -> str:
    """Say in one line what machine and which versions these numbers are from."""
    from importlib.metadata import version

    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line for line in lines if line.startswith("model name")).partition(": ")[2]
    packages = " ".join(f"{name} {version(name)}" for name in ("websockets", "msgspec", "httpx"))
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"{os.cpu_count()} x {model}, {platform.system()}, {python}, {packages}"


@contextlib.contextmanager
def serving(module: str, *arguments: object) -> Iterator[str]:
    """Run a server module on the other core; gives the line that it prints when it is ready."""
    core = cores()[1]
    process = subprocess.Popen(  # noqa: S603 - our own modules
        [sys.executable, "-m", module, str(core), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it was asked for
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class ChildError(Exception):
    """A measuring process failed."""


def measure(
    module: str, *arguments: object, python: Path | str = sys.executable
) -> dict[str, float]:
    """Run one measurement in a fresh process and take the numbers from its last line.

    Errors: `ChildError` with the end of what it wrote.
    """
    command = [str(python), "-m", module, *map(str, arguments)]
    environ = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "0",
        # pip has compiled the dependencies; without our own compiled files the import of this library
        # would be mostly the compiler: 125 ms instead of 40.
        "PYTHONDONTWRITEBYTECODE": "",
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own modules
            command,
            capture_output=True,
            text=True,
            timeout=_CHILD_LIMIT_S,
            cwd=ROOT,
            env=environ,
            check=False,
        )  # fmt: skip - one argument a line would hide the command
    except subprocess.TimeoutExpired as error:
        raise ChildError(f"{module}: not finished after {_CHILD_LIMIT_S} s") from error
    try:
        numbers: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError) as error:
        # The last line says what went wrong; those before it would put this machine's paths into tables.
        said = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise ChildError(f"{module}: {said[-1][:300]}") from error
    return numbers


class Series:
    """What the rounds of one variant gave."""

    def __init__(self) -> None:
        self.rounds: list[dict[str, float]] = []
        self.error = ""

    def __bool__(self) -> bool:
        return bool(self.rounds) and not self.error

    def median(self, name: str) -> float:
        """Give the median of a number over the rounds."""
        return statistics.median(numbers[name] for numbers in self.rounds)

    def spread_pct(self, name: str) -> float:
        """Give half the range over the rounds, in percent of the median."""
        values = [numbers[name] for numbers in self.rounds]
        middle = statistics.median(values)
        return 50 * (max(values) - min(values)) / middle if middle else 0.0

    def as_json(self) -> dict[str, Any]:
        """Give everything that was measured."""
        return {"error": self.error} if self.error else {"rounds": self.rounds}


def interleave(
    variants: Mapping[str, Callable[[], dict[str, float]]], rounds: int
) -> dict[str, Series]:
    """Run every variant once a round, in reversed order every other round.

    A variant that fails is left out from then on; its `error` says why.
    """
    series = {name: Series() for name in variants}
    for number in range(rounds):
        names: Sequence[str] = list(variants) if number % 2 == 0 else list(variants)[::-1]
        for name in names:
            if series[name].error:
                continue
            try:
                series[name].rounds.append(variants[name]())
            except ChildError as error:
                series[name].error = str(error)
    return series
