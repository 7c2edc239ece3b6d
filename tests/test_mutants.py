"""The wrongs that `make mutants` puts into code are those that were meant, and each compiles."""

from __future__ import annotations

import ast

import pytest
from benchmarks.mutants.operators import mutants_of

from support.source_tree import MODULES


def changes(source: str) -> list[str]:
    """Return what is changed, in order."""
    return [mutant.change for mutant in mutants_of(source)]


@pytest.mark.parametrize(
    ("source", "wrongs"),
    [
        ("x = a < b", ["a < b -> a <= b"]),
        ("x = a and b", ["a and b -> a or b", "a and b -> b", "a and b -> a"]),
        ("x = not a", ["not a -> a"]),
        ("x = a + b", ["a + b -> a - b"]),
        ("x = min(a, b)", ["min(a, b) -> max(a, b)"]),
        ("x = a if b else c", ["a if b else c -> a", "a if b else c -> c"]),
        ("self.x = a", ["self.x = a -> pass"]),
        ("x += a", ["x += a -> pass"]),
        ("raise a", ["raise a -> pass"]),
        ("x = {a, b}", ["{a, b} -> {b}", "{a, b} -> {a}"]),
        ("x = {a: b, c: d}", ["{a: b, c: d} -> {c: d}", "{a: b, c: d} -> {a: b}"]),
        ("x = True", ["True -> False"]),
        ("x = 7", ["7 -> 8"]),
        ("x = 0.5", ["0.5 -> 1.0"]),
        ("x = 'word'", ["'word' -> 'word?'"]),
        ("def f(x: A = 7) -> B: ...", ["7 -> 8"]),
        ("def f(): return a", ["return a -> return None"]),
    ],
)
def test_wrongs_of_a_line(source: str, wrongs: list[str]) -> None:
    """Each operator does what its name says."""
    assert changes(source) == wrongs


@pytest.mark.parametrize(
    "source",
    [
        "'a docstring'",
        "x = 'a sentence for people'",
        "x: Literal['word']",
        "Word: TypeAlias = Literal['word']",
        "_log.info('started %s', 7)",
        "import a",
        "__all__ = ['a', 'b']",
        "if TYPE_CHECKING:\n    x = 7",
        "x = f'{a + b}'",
        "a, b = c, d",
    ],
)
def test_words_for_people_and_for_type_checkers_are_left_alone(source: str) -> None:
    """Nothing depends on them."""
    assert changes(source) == []


def test_rest_of_the_line_stays_as_it_is() -> None:
    """Letters of more than one byte before the place do not move it."""
    (mutant,) = mutants_of("é = a == b  # why\n")

    assert mutant.source == "é = (a != b)  # why\n"
    assert (mutant.line, mutant.text) == (1, "é = a == b  # why")


@pytest.mark.parametrize("module", ["ibkr_async.session.keeper", "ibkr_async.stream.core.channel"])
def test_every_mutant_compiles(module: str) -> None:
    """A wrong that no interpreter takes would count as noticed."""
    mutants = list(mutants_of(MODULES[module].read_text()))

    assert len(mutants) > 100
    for mutant in mutants:
        ast.parse(mutant.source)
