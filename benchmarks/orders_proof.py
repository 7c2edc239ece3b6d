"""The numbers of the proof that orders cannot double: `python -m benchmarks.orders_proof`.

Responsible for trading simulated days in which every way of losing an answer happens, and for
printing what came of them. The broker is the simulator's, driven without sockets; the harness and
the checker are those of the tests (`tests/support/order_*.py`). Ends with 1 after a violation.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

_TESTS = str(Path(__file__).resolve().parents[1] / "tests")
_MOST_SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the proof and print its numbers; 0 when nothing contradicts it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--submits", type=int, default=500, help="ambiguous submits (500)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first day (1)")
    chosen = parser.parse_args(arguments)
    if _TESTS not in sys.path:
        sys.path.append(_TESTS)
    from support.order_trader import prove

    log = logging.getLogger("ibkr_async.orders")
    level = log.level
    log.setLevel(logging.CRITICAL)  # every unknown order is a warning, and here they are the point
    begun = time.perf_counter()
    try:
        numbers = asyncio.run(prove(chosen.submits, first_seed=chosen.seed))
    finally:
        log.setLevel(level)
    for name, value in (
        ("submits", numbers.submits),
        ("ambiguous submits", numbers.ambiguous),
        ("trading requests", numbers.requests),
        ("orders at the broker", numbers.orders),
        ("fills", numbers.fills),
        ("lives of the bot", numbers.lives),
        ("seconds", f"{time.perf_counter() - begun:.1f}"),
        ("duplicates", numbers.duplicates),
        ("violations", len(numbers.violations)),
    ):
        print(f"{name:<20} {value}")
    _print_counts("what became of the requests and their answers", numbers.fates)
    _print_counts("what the desk said of the ambiguous submits", numbers.outcomes)
    for each in numbers.violations[:_MOST_SHOWN]:
        print("VIOLATION", each)
    return 1 if numbers.violations else 0


def _print_counts(title: str, counts: Counter[str]) -> None:
    print(f"\n{title}:")
    for name, count in counts.most_common():
        print(f"  {count:>7}  {name}")


if __name__ == "__main__":
    sys.exit(main())
