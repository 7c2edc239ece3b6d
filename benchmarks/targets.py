"""What is promised, as rows: a name, what it is, and the bound it must keep.

Responsible for the bounds and for judging a measured value. It measures nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_GATE = 2.0
"""With `--gate` a ratio may miss its target by this factor before the run fails: machines are noisy."""


_TWO_DIGITS, _THREE_DIGITS = 10, 100


@dataclass(frozen=True)
class Target:
    """One promise."""

    what: str
    bound: float
    at_least: bool
    unit: str = ""
    is_ratio: bool = True
    """Only ratios are judged by `--gate`: times and bytes depend on the machine."""

    def is_met(self, value: float) -> bool:
        """Tell whether the promise is kept."""
        return value >= self.bound if self.at_least else value <= self.bound

    def is_hopeless(self, value: float) -> bool:
        """Tell whether a ratio is beyond twice its bound."""
        if not self.is_ratio:
            return False
        return value < self.bound / _GATE if self.at_least else value > self.bound * _GATE

    @property
    def words(self) -> str:
        """The bound in words."""
        return f"{'at least' if self.at_least else 'at most'} {show(self.bound, self.unit)}"


def show(value: float, unit: str = "") -> str:
    """Write a measured value with its unit."""
    if unit == "%":
        return f"{100 * value:.0f} %"
    digits = 2 - (abs(value) >= _TWO_DIGITS) - (abs(value) >= _THREE_DIGITS)
    number = f"{value:,.{digits}f}"
    return f"{number} {unit}".rstrip() if unit != "x" else f"{number}x"


def _at_least(what: str, bound: float, unit: str = "x") -> Target:
    return Target(what, bound, at_least=True, unit=unit)


def _at_most(what: str, bound: float, unit: str = "x", *, is_ratio: bool = True) -> Target:
    return Target(what, bound, at_least=False, unit=unit, is_ratio=is_ratio)


TARGETS: dict[str, Target] = {
    "items_vs_ibind": _at_least("less CPU than ibind, item by item", 15),
    "batches_vs_ibind": _at_least("less CPU than ibind, `batches()`", 18),
    "recv_vs_ibind": _at_least("less CPU than ibind, plain `recv()` fall-back", 4.5),
    "items_vs_limit": _at_least("share of the practical limit, item by item", 0.65, "%"),
    "batches_vs_limit": _at_least("share of the practical limit, `batches()`", 0.75, "%"),
    "quotes_vs_items": _at_most("merged `ib.quotes()` over raw deltas", 2.5),
    "latency_1000": _at_most("p50 latency over bare websockets + msgspec, 1,000/s", 1.0),
    "latency_10000": _at_most("p50 latency over bare websockets + msgspec, 10,000/s", 1.0),
    "idle_bytes": _at_most("memory of an idle subscription", 1024, "B", is_ratio=False),
    "burst_mb": _at_most(
        "memory for a burst of 50,000 into a slow consumer", 32, "MB", is_ratio=False
    ),
    "burst_exact": _at_least("burst: socket stays open, every message accounted for", 1.0, ""),
    "growth": _at_most("cost of a message, 1,000 contracts over 1", 1.5),
    "subscribe_growth": _at_most("connect and subscribe, a contract of 1,000 over one of 100", 1.5),
    "resubscribe_growth": _at_most("reconnect and resubscribe, likewise", 1.5),
    "rest_vs_httpx": _at_most("CPU of a REST call over bare httpx, ten at once", 1.15),
    "sign_vs_ibind": _at_most("CPU of an HMAC header over ibind's", 0.333),
    "order_vs_posts": _at_most("order round trip over two bare httpx posts", 1.3),
    "import_ms": _at_most("`import ibkr_async` beyond its dependencies", 150, "ms", is_ratio=False),
    "tick_ms": _at_most("connect to first tick, simulator", 300, "ms", is_ratio=False),
}


def as_json() -> dict[str, Any]:
    """Give the bounds, to be kept beside the results."""
    return {
        name: [row.bound, "at least" if row.at_least else "at most"]
        for name, row in TARGETS.items()
    }
