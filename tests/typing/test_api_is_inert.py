"""`api.py` is for type checkers only."""

from __future__ import annotations

import ast
import runpy
from pathlib import Path

import pytest

API = Path(__file__).with_name("api.py")


def test_importing_it_runs_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """It holds imports and functions; importing it proves that every public name exists."""
    body = ast.parse(API.read_text(encoding="utf-8")).body
    names = runpy.run_path(str(API))
    shown = capsys.readouterr()

    kinds = {type(node) for node in body[1:]}
    assert kinds == {ast.ImportFrom, ast.AsyncFunctionDef, ast.FunctionDef}
    assert callable(names["orders"])
    assert (shown.out, shown.err) == ("", "")


def test_every_function_makes_a_promise() -> None:
    """A function without `assert_type` would check less than it seems to."""
    functions = [
        node
        for node in ast.parse(API.read_text(encoding="utf-8")).body
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
    ]
    idle = [function.name for function in functions if "assert_type" not in ast.unparse(function)]

    assert len(functions) > 8
    assert idle == []
