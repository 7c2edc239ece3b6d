"""One mutant on trial: a copy of the tree, the wrong module in it, the tests that run the line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.mutants import chosen as chosen_plugin

if TYPE_CHECKING:
    from benchmarks.mutants.coverage_map import CoverageMap
    from benchmarks.mutants.operators import Mutant

ROOT: Final = Path(__file__).parents[2]
HOME: Final = ROOT / ".mutants"
_PATIENCE_S: Final = 600.0
"""Far above what the tests of any line take. A mutant that hangs is told apart: no test has said no."""
_FAILED, _INTERRUPTED = 1, 2
_COPIED: Final = ("src", "tests", "docs", "examples", "benchmarks", "pyproject.toml", "README.md")


class Verdict(Enum):
    """What became of a mutant."""

    NOTICED = "noticed"
    SURVIVED = "survived"
    HUNG = "hung: no verdict"
    NOT_RUN = "not run"


class Trial(NamedTuple):
    """One mutant of one module."""

    path: Path
    mutant: Mutant

    @property
    def name(self) -> str:
        """Module, line and change, as they are named in the list of the equivalent ones."""
        return f"{self.path} | {self.mutant.text} | {self.mutant.change}"


def tried(trial: Trial, lines: CoverageMap) -> Verdict:
    """Run the tests of a line with the mutant in its place."""
    tests = lines.tests_of(trial.path, trial.mutant.line)
    if not tests:
        return Verdict.NOT_RUN
    tree = HOME / f"tree-{threading.get_ident()}"
    if not tree.exists():
        _copy(tree)
    place = tree / "src" / "ibkr_async" / trial.path
    good = place.read_bytes()
    chosen = tree / "chosen.txt"
    chosen.write_text("\n".join(tests))
    files = sorted({name.partition("::")[0] for name in tests})
    names = [name for name in files if (tree / name).exists()]
    names += [f"--deselect={name}" for name in lines.failing]
    try:
        place.write_text(trial.mutant.source)
        verdict = _verdict(tree, chosen, names)
    finally:
        place.write_bytes(good)
    print(f"{verdict.value:9} {trial.path}:{trial.mutant.line}: {trial.mutant.change}", flush=True)
    return verdict


def forget_copies() -> None:
    """Remove the trees of earlier runs: the code has moved on."""
    for tree in HOME.glob("tree-*"):
        shutil.rmtree(tree)


def _verdict(tree: Path, chosen: Path, names: list[str]) -> Verdict:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(  # noqa: S603 - this project's own tests
            [*command, "-p", chosen_plugin.__name__, *names],
            cwd=tree,
            env=os.environ
            | {
                "PYTHONPATH": f"{tree / 'src'}{os.pathsep}{tree}",
                "PYTHONDONTWRITEBYTECODE": "1",
                chosen_plugin.NAMES: str(chosen),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Verdict.HUNG
    if done.returncode in {_FAILED, _INTERRUPTED} or "while loading conftest" in done.stdout:
        return Verdict.NOTICED
    return Verdict.SURVIVED if done.returncode == 0 else Verdict.NOT_RUN


def _copy(tree: Path) -> None:
    for name in _COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".mutants")
            shutil.copytree(source, tree / name, ignore=ignored)
        else:
            tree.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, tree / name)
