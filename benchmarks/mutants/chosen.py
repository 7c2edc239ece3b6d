"""A plugin of pytest that keeps the tests named in a file: those that were renamed since are no error."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pytest

NAMES: Final = "MUTANT_TESTS"
"""Variable that holds the path of the file: node ids, and whole files."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Drop what was not chosen."""
    chosen = set(Path(os.environ[NAMES]).read_text().splitlines())
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        is_chosen = not chosen.isdisjoint({item.nodeid, item.nodeid.partition("::")[0]})
        (kept if is_chosen else dropped).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=dropped)
