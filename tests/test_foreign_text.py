"""What reads foreign text does work in proportion to its length, whatever the text is."""

from __future__ import annotations

import importlib
import pkgutil
import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import ibkr_async
from support.regex_steps import pieces, steps

SIZE = 200
FREE = 25 * SIZE
"""Steps that are no matter, whatever they grow with."""


def patterns() -> dict[str, tuple[re.Pattern[Any], bool]]:
    """Find every compiled pattern of the package, and whether it is only tried at the start."""
    found = {}
    for module in pkgutil.walk_packages(ibkr_async.__path__, "ibkr_async."):
        if ".__main__" in module.name:
            continue
        loaded = importlib.import_module(module.name)
        source = Path(str(loaded.__file__)).read_text(encoding="utf-8")
        for name, value in vars(loaded).items():
            if isinstance(value, re.Pattern):
                anchored = not re.search(rf"\b{name}\.(search|sub|subn|split|find)", source)
                found[f"{module.name}.{name}"] = value, anchored
    return found


def costly_text(pattern: re.Pattern[Any], *, anchored: bool) -> str:
    """Describe a text that makes the work grow faster than its length; empty when none was found."""
    every = pieces(pattern)
    parts = [*every[:1], *every[1:][-5:]]
    pumps = [*parts, *(a + b for a, b in product(parts, repeat=2) if a != b)]
    for head, pump in product(["", *parts], pumps):

        def work(size: int, head: str = head, pump: str = pump) -> int:
            text = (head + pump * (size // len(pump) + 1))[:size]
            return steps(pattern, text, anchored=anchored)

        try:
            if (small := work(SIZE)) > FREE and work(2 * SIZE) > 2.5 * small:
                return f"{head!r} and many {pump!r}"
        except OverflowError:
            return f"{head!r} and many {pump!r}"
    return ""


@pytest.mark.parametrize("name", patterns())
def test_pattern_does_linear_work(name: str) -> None:
    """Twice the text is at most about twice the work."""
    pattern, anchored = patterns()[name]

    assert not costly_text(pattern, anchored=anchored)


@pytest.mark.parametrize(
    "pattern",
    [
        r'("[^"]*(?:session|token)[^"]*"\s*:\s*")[^"]*',
        r"<title[^>]*>\s*([^<]*?)\s*</title",
        r"<\s*(?:br|/p)[^>]*>",
    ],
)
def test_quadratic_pattern_is_noticed(pattern: str) -> None:
    """The measure sees what it is for."""
    assert costly_text(re.compile(pattern), anchored=False)
