"""`python -m benchmarks.mutants`: how many small wrongs the tests notice, and which they do not."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Final

from benchmarks.mutants import trials
from benchmarks.mutants.coverage_map import CoverageMap
from benchmarks.mutants.operators import mutants_of
from benchmarks.mutants.trials import HOME, ROOT, Trial, Verdict

if TYPE_CHECKING:
    from pathlib import Path

SOURCE: Final = ROOT / "src" / "ibkr_async"
EQUIVALENT: Final = ROOT / "tests" / "mutants_equivalent.txt"
MODULES: Final = ("orders", "session", "stream", "rest", "thirdparty")
TESTS: Final = ("auth", "feeds", "integration", "models", "orders", "resources", "rest", "session")
"""Folders whose tests are tried; the others are slow, or wait for the machine."""


def main() -> int:
    """Draw mutants, try each, and print and write what survived."""
    chosen = _arguments()
    found = [
        Trial(path, mutant)
        for name in chosen.modules
        for path in _modules(name)
        for mutant in mutants_of((SOURCE / path).read_text())
    ]
    known = {line.rpartition(" | ")[0] for line in _equivalent()}
    worth = [trial for trial in found if trial.name not in known]
    draw = Random(chosen.seed)  # noqa: S311 - a choice that can be repeated
    drawn = draw.sample(worth, min(chosen.sample, len(worth)))
    print(f"{len(found)} mutants, {len(found) - len(worth)} of them equivalent; {len(drawn)} drawn")
    tests = [f"tests/{name}" for name in chosen.tests]
    lines = CoverageMap(HOME / "coverage", tests, fresh=chosen.fresh)
    lines.make({trial.path for trial in drawn})
    trials.forget_copies()
    began = time.monotonic()
    with ThreadPoolExecutor(chosen.jobs) as pool:
        verdicts = list(pool.map(lambda trial: trials.tried(trial, lines), drawn))
    _report(drawn, verdicts, began)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=100, help="how many are drawn")
    parser.add_argument("--seed", type=int, default=1, help="another draw")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time")
    parser.add_argument("--modules", nargs="+", default=MODULES, help="folders or files of src")
    parser.add_argument("--tests", nargs="+", default=(*TESTS, "stream", "thirdparty"))
    parser.add_argument("--fresh", action="store_true", help="look anew which test runs which line")
    return parser.parse_args()


def _modules(name: str) -> list[Path]:
    found = SOURCE / name
    files = [found] if found.suffix else sorted(found.rglob("*.py"))
    return [path.relative_to(SOURCE) for path in files]


def _equivalent() -> list[str]:
    lines = EQUIVALENT.read_text().splitlines() if EQUIVALENT.exists() else []
    return [line for line in lines if line and not line.startswith("#")]


def _report(drawn: list[Trial], verdicts: list[Verdict], began: float) -> None:
    survived = [
        f"{trial.path}:{trial.mutant.line}: {trial.mutant.change}    [{verdict.value}]"
        for trial, verdict in zip(drawn, verdicts, strict=True)
        if verdict is not Verdict.NOTICED
    ]
    noticed = len(drawn) - len(survived)
    print("\n".join(survived))
    print(f"{noticed} of {len(drawn)} noticed, {noticed / max(1, len(drawn)):.0%}", end="; ")
    print(f"{time.monotonic() - began:.0f} s; the survivors are in {HOME / 'survivors.txt'}")
    lines = [
        f"{trial.name} | why it changes nothing"
        for trial, verdict in zip(drawn, verdicts, strict=True)
        if verdict is not Verdict.NOTICED
    ]
    (HOME / "survivors.txt").write_text("\n".join([*survived, "", *lines, ""]))


if __name__ == "__main__":
    raise SystemExit(main())
