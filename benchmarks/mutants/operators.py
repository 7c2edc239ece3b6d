"""What can be wrong in one place of a module: the mutations, as text. Pure.

Responsible for the list only. Words for people (docstrings, log lines, messages of errors, annotations) are
left alone: nothing depends on them.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_COMPARE: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
_CALLS: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
_UNTOUCHED: Final = frozenset(
    {"annotation", "bases", "decorator_list", "func", "keywords", "msg", "pattern", "returns"}
    | {"target", "targets", "type"}
)
"""Parts of a node in which nothing is changed. Keywords of a call are looked at, those of a class not."""
_LOGS: Final = frozenset({"_log", "_LOG", "logging", "warnings"})


class Mutant(NamedTuple):
    """One module with one thing wrong."""

    line: int
    text: str
    """The line as it is, without blanks around it."""
    change: str
    source: str
    """The whole module."""


def mutants_of(source: str) -> Iterator[Mutant]:
    """Yield a module with each of its wrongs, in the order of the lines."""
    raw = source.encode()
    lines = raw.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    wrongs = sorted(_wrongs(ast.parse(source)), key=lambda pair: pair[0].lineno)
    for node, new in wrongs:
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        is_word = isinstance(node, ast.stmt | ast.Constant | ast.Call)
        mutated = raw[:begin] + (new if is_word else f"({new})").encode() + raw[end:]
        change = f"{_line(raw[begin:end].decode())} -> {_line(new)}"
        yield Mutant(node.lineno, lines[node.lineno - 1].decode().strip(), change, mutated.decode())


def _line(text: str) -> str:
    return " ".join(text.split())


def _wrongs(node: Any) -> Iterator[tuple[Any, str]]:
    """Yield the nodes below one with what may stand in their place."""
    if isinstance(node, ast.JoinedStr) or _says_only(node):
        return
    if _may_go(node):
        yield node, "pass"
    if isinstance(node, ast.Raise):
        return
    for kind, instead in _INSTEAD.items():
        if isinstance(node, kind):
            for new in instead(node):
                yield node, new
    for child in _parts(node):
        yield from _wrongs(child)


def _parts(node: ast.AST) -> Iterator[ast.AST]:
    untouched = _UNTOUCHED - {"keywords", "func"} if isinstance(node, ast.Call) else _UNTOUCHED
    for name, value in ast.iter_fields(node):
        if name not in untouched:
            parts = value if isinstance(value, list) else [value]
            yield from (part for part in parts if isinstance(part, ast.AST))


def _says_only(node: Any) -> bool:
    """Tell whether a statement is a docstring, a log line, or for type checkers."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.Expr(ast.Constant()):
            return True
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(name)))):
            return name in _LOGS
        case ast.If(ast.Name("TYPE_CHECKING")) | ast.Assign([ast.Name("__all__")]):
            return True
        case ast.AnnAssign(annotation=ast.Name("TypeAlias")):
            return True
    return False


def _may_go(node: Any) -> bool:
    """Tell whether a module still compiles, and names all that it uses, without a statement."""
    match node:
        case ast.Assign(targets):
            return any(isinstance(target, ast.Attribute | ast.Subscript) for target in targets)
        case ast.Expr(ast.Yield() | ast.YieldFrom()):
            return False
        case (
            ast.Expr() | ast.AugAssign() | ast.Raise() | ast.Delete() | ast.Break() | ast.Continue()
        ):
            return True
    return False


def _swap(node: ast.Compare) -> Iterator[str]:
    if len(node.ops) == 1:
        swapped = _COMPARE[type(node.ops[0])]()
        yield ast.unparse(ast.Compare(node.left, [swapped], node.comparators))


def _join_otherwise(node: ast.BoolOp) -> Iterator[str]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield ast.unparse(ast.BoolOp(other, node.values))
    for rest in _without_each(node.values):
        yield ast.unparse(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))


def _drop_not(node: ast.UnaryOp) -> Iterator[str]:
    if isinstance(node.op, ast.Not):
        yield ast.unparse(node.operand)


def _choose(node: ast.IfExp) -> Iterator[str]:
    yield ast.unparse(node.body)
    yield ast.unparse(node.orelse)


def _reckon_otherwise(node: ast.BinOp) -> Iterator[str]:
    if type(node.op) in _ARITHMETIC:
        yield ast.unparse(ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right))


def _call_otherwise(node: ast.Call) -> Iterator[str]:
    if isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        yield ast.unparse(ast.Call(ast.Name(_CALLS[node.func.id]), node.args, node.keywords))


def _lack_a_member(node: ast.Set | ast.Tuple | ast.List) -> Iterator[str]:
    """Yield a display without each of its members. A tuple that is unpacked is no table."""
    is_table = all(isinstance(one, ast.Constant) for one in node.elts)
    if len(node.elts) > 1 and (is_table or not isinstance(node, ast.Tuple)):
        for rest in _without_each(node.elts):
            yield ast.unparse(type(node)(rest))


def _lack_a_row(node: ast.Dict) -> Iterator[str]:
    if len(node.keys) > 1:
        rows = list(zip(node.keys, node.values, strict=True))
        for rest in _without_each(rows):
            yield ast.unparse(ast.Dict([key for key, _ in rest], [value for _, value in rest]))


def _return_nothing(node: ast.Return) -> Iterator[str]:
    if node.value is not None and not (
        isinstance(node.value, ast.Constant) and node.value.value is None
    ):
        yield "return None"


def _be_another(node: ast.Constant) -> Iterator[str]:
    value = node.value
    if isinstance(value, bool):
        yield repr(not value)
    elif isinstance(value, int):
        yield repr(value + 1)
    elif isinstance(value, float):
        yield repr(value * 2 if value else 1.0)
    elif isinstance(value, str) and " " not in value:  # sentences are for people
        yield repr(f"{value}?")


def _without_each(items: list[Any]) -> Iterator[list[Any]]:
    for index in range(len(items)):
        yield items[:index] + items[index + 1 :]


_INSTEAD: Final[dict[Any, Callable[[Any], Iterator[str]]]] = {
    ast.Compare: _swap,
    ast.BoolOp: _join_otherwise,
    ast.UnaryOp: _drop_not,
    ast.IfExp: _choose,
    ast.BinOp: _reckon_otherwise,
    ast.Call: _call_otherwise,
    (ast.Set, ast.Tuple, ast.List): _lack_a_member,
    ast.Dict: _lack_a_row,
    ast.Return: _return_nothing,
    ast.Constant: _be_another,
}
