"""No name means one thing in one API and another in the other."""

from __future__ import annotations

import ast
from pathlib import Path

import ibkr_async

SOURCE = Path(ibkr_async.__file__).parent


def test_public_class_of_this_api_exists_once_in_the_library() -> None:
    """The simulator, whose classes nobody imports, is another house."""
    homes: dict[str, list[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        where = path.relative_to(SOURCE).as_posix()
        if where.startswith("simulator/"):
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(where)

    twice = {
        name: where
        for name, where in homes.items()
        if len(where) > 1 and any(each.startswith("thirdparty/") for each in where)
    }
    assert twice == {}
