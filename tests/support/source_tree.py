"""The sources as trees: which module imports which, and what it defines."""

from __future__ import annotations

import ast
from collections.abc import Container
from functools import cache
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "src" / "ibkr_async"
MODULES = {
    ".".join(("ibkr_async", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): path
    for path in sorted(SOURCE.rglob("*.py"))
}
"""Every module by its dotted name."""


class Import(NamedTuple):
    """One name that a module imports."""

    name: str
    """Absolute: `ibkr_async.rest.pacing.Pacer`."""
    typing_only: bool
    """Behind `if TYPE_CHECKING`."""


@cache
def tree_of(path: Path) -> ast.Module:
    """Parse a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_in(tree: ast.Module) -> list[Import]:
    """List what a module imports, wherever in it. Relative imports are a mistake."""
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, id(node) in typing_only) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            found += [
                Import(f"{node.module}.{alias.name}", id(node) in typing_only)
                for alias in node.names
            ]
    return found


def home_of(name: str, modules: Container[str] = MODULES) -> str | None:
    """Return the module that an imported name is or lies in; None for other people's."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None
