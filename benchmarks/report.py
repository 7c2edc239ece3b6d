"""What comes out: the table on the screen, the JSON of a run, and the table in `docs/performance.md`.

Responsible for presentation only.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from benchmarks import targets
from benchmarks.machine import ROOT
from benchmarks.targets import TARGETS, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.suites import Findings

_OUT = ROOT / "benchmarks" / "out"
_PAGE = ROOT / "docs" / "performance.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"


def verdict_on(name: str, findings: Findings) -> tuple[str, str, str]:
    """Give what was measured, how sure it is, and whether it is enough."""
    if name in findings.skipped:
        return "-", "", f"skipped: {findings.skipped[name]}"
    value = findings.figures[name]
    spread = findings.spreads.get(name)
    row = TARGETS[name]
    return (
        show(value, row.unit),
        "" if spread is None else f"±{spread:.0f} %",
        "met" if row.is_met(value) else "missed",
    )


def print_suite(name: str, findings: Findings) -> None:
    """Print what one suite has found."""
    print(f"\n== {name}")
    for what, said in findings.details:
        print(f"  {what:50} {said}")
    for target in (*findings.figures, *findings.skipped):
        value, spread, verdict = verdict_on(target, findings)
        row = TARGETS[target]
        print(f"  * {row.what:56} {value:>9} {spread:>6}  {row.words:18} {verdict}", flush=True)


def table(results: Mapping[str, Findings]) -> list[str]:
    """Write the Markdown table."""
    lines = ["| what | target | measured | |", "|---|---|---:|---|"]
    for findings in results.values():
        for name in (*findings.figures, *findings.skipped):
            value, _, verdict = verdict_on(name, findings)
            lines.append(f"| {TARGETS[name].what} | {TARGETS[name].words} | {value} | {verdict} |")
    return lines


def details(results: Mapping[str, Findings]) -> list[str]:
    """Write what the ratios were made of."""
    lines = ["| variant | median of the rounds |", "|---|---|"]
    for findings in results.values():
        lines += [f"| {what} | {' '.join(said.split())} |" for what, said in findings.details]
    return lines


def write_json(results: Mapping[str, Findings], machine: str) -> None:
    """Keep everything that was measured, for comparisons over time."""
    _OUT.mkdir(exist_ok=True)
    run: dict[str, Any] = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine,
        "targets": targets.as_json(),
        "figures": {k: v for found in results.values() for k, v in found.figures.items()},
        "skipped": {k: v for found in results.values() for k, v in found.skipped.items()},
        "raw": {name: found.raw for name, found in results.items()},
    }
    (_OUT / "latest.json").write_text(json.dumps(run, indent=1), encoding="utf-8")


def rewrite_page(results: Mapping[str, Findings], machine: str) -> bool:
    """Put the tables between the markers of the page; false when there is no such page."""
    if not _PAGE.exists():
        return False
    before, begin, rest = _PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        return False
    body = ["", f"Measured on {machine}.", "", *table(results), "", *details(results), ""]
    _PAGE.write_text("\n".join([before + begin, *body, end + after]), encoding="utf-8")
    return True
