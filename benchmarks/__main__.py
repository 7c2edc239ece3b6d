"""`python -m benchmarks`: measure everything side by side and print it next to what is promised."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from benchmarks import report
from benchmarks.machine import describe
from benchmarks.suites import SUITES
from benchmarks.targets import TARGETS

if TYPE_CHECKING:
    from benchmarks.suites import Findings


def main() -> int:
    """Run what was asked for; with `--gate`, fail when a ratio is worse than half of its target."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, under three minutes")
    parser.add_argument("--only", choices=SUITES, action="append", help="one group of the table")
    parser.add_argument("--gate", action="store_true", help="fail below half of a target")
    chosen = parser.parse_args()
    machine = describe()
    print(machine)
    began = time.monotonic()
    results: dict[str, Findings] = {}
    for name in chosen.only or SUITES:
        results[name] = SUITES[name](quick=chosen.quick)
        report.print_suite(name, results[name])
    report.write_json(results, machine)
    # The page shows whole, unhurried runs only.
    if not (chosen.quick or chosen.only) and report.rewrite_page(results, machine):
        print("\ndocs/performance.md has the new table")
    print(f"\n{time.monotonic() - began:.0f} s")
    hopeless = [
        TARGETS[name].what
        for findings in results.values()
        for name, value in findings.figures.items()
        if TARGETS[name].is_hopeless(value)
    ]
    for what in hopeless:
        print(f"below half of its target: {what}", file=sys.stderr)
    return 1 if chosen.gate and hopeless else 0


if __name__ == "__main__":
    sys.exit(main())
