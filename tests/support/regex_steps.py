"""How much work a regular expression does: a small backtracking matcher that counts its steps.

Responsible for a measure that does not depend on the machine: what Python's own engine tries, counted
in characters looked at. It knows the constructs that this project uses, and refuses others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# The parser of `re` itself: the only place that says how a pattern is read.
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

MOST = 3_000_000
_ONE_CHARACTER = {op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN}


def steps(pattern: re.Pattern[Any], text: str, *, anchored: bool) -> int:
    """Count what finding every match in the text costs, or only one that begins at its start."""
    return _Matcher(pattern, text).count(anchored=anchored)


def pieces(pattern: re.Pattern[Any]) -> list[str]:
    """Return texts that the pattern has an opinion about, to build hostile ones from."""
    found: dict[str, None] = {}
    literal = ""
    for code, value in [*_flat(_parser.parse(pattern.pattern, pattern.flags)), (None, None)]:
        if code is op.LITERAL:
            literal += chr(value)
            continue
        if literal:
            found[literal] = None
        literal = ""
        if code is op.IN:
            found[_member(value)] = None
    return [*found, " ", "x"]


def _flat(tree: Any) -> Iterator[tuple[Any, Any]]:
    for code, value in tree:
        if code in {op.MAX_REPEAT, op.MIN_REPEAT}:
            yield from _flat(value[2])
        elif code is op.SUBPATTERN:
            yield from _flat(value[3])
        elif code is op.BRANCH:
            for branch in value[1]:
                yield from _flat(branch)
                yield None, None
        else:
            yield code, value
    yield None, None


def _member(items: Any) -> str:
    return next(chr(code) for code in (*range(32, 127), 10) if _is_in(items, code))


def _is_in(items: Any, code: int) -> bool:
    found = False
    for kind, value in items:
        if kind is op.LITERAL:
            found |= code == value
        elif kind is op.RANGE:
            found |= value[0] <= code <= value[1]
        elif kind is op.CATEGORY:
            found |= _is_of(value, chr(code))
    return found != (items[0][0] is op.NEGATE)


def _is_of(category: Any, char: str) -> bool:
    kinds = {
        "SPACE": str.isspace,
        "DIGIT": str.isdecimal,
        "WORD": lambda c: c.isalnum() or c == "_",
    }
    name = str(category).removeprefix("CATEGORY_")
    return kinds[name.removeprefix("NOT_")](char) != name.startswith("NOT_")


class _Matcher:
    def __init__(self, pattern: re.Pattern[Any], text: str) -> None:
        self._tree = list(_parser.parse(pattern.pattern, pattern.flags))
        self._fold = bool(pattern.flags & re.IGNORECASE)
        self._text = text.lower() if self._fold else text
        self._steps = 0

    def count(self, *, anchored: bool) -> int:
        at = 0
        while at <= len(self._text):
            end = next(self._ends(self._tree, at), None)
            if anchored:
                break
            at = at + 1 if end is None or end == at else end
        return self._steps

    def _ends(self, tree: list[Any], at: int) -> Iterator[int]:
        if not tree:
            yield at
            return
        (code, value), rest = tree[0], tree[1:]
        for end in self._ends_of(code, value, at):
            yield from self._ends(rest, end)

    def _ends_of(self, code: Any, value: Any, at: int) -> Iterator[int]:
        if code in _ONE_CHARACTER:
            if self._takes(code, value, at):
                yield at + 1
        elif code in {op.MAX_REPEAT, op.MIN_REPEAT}:
            yield from self._repeat(value, at, is_greedy=code is op.MAX_REPEAT)
        elif code is op.SUBPATTERN:
            yield from self._ends(list(value[3]), at)
        elif code is op.BRANCH:
            for branch in value[1]:
                yield from self._ends(list(branch), at)
        elif code is op.AT:
            self._step()
            if value is not op.AT_BEGINNING or at == 0:
                yield at
        else:
            raise NotImplementedError(str(code))

    def _repeat(self, value: Any, at: int, *, is_greedy: bool) -> Iterator[int]:
        least, most, body = value
        ends = [at]
        while len(ends) <= most:
            code, inner = body[0]
            if len(body) == 1 and code in _ONE_CHARACTER:
                end = ends[-1] + 1 if self._takes(code, inner, ends[-1]) else None
            else:
                end = next(self._ends(list(body), ends[-1]), None)
            if end is None or end == ends[-1]:
                break
            if not is_greedy and len(ends) > least:
                yield ends[-1]
            ends.append(end)
        if not is_greedy:
            yield ends[-1]
            return
        for end in reversed(ends[least:]):
            self._step()
            yield end

    def _takes(self, code: Any, value: Any, at: int) -> bool:
        self._step()
        if at >= len(self._text):
            return False
        char = ord(self._text[at])
        if code is op.ANY:
            return True
        if code is op.IN:
            return _is_in(value, char) or (self._fold and _is_in(value, ord(chr(char).upper())))
        same = char == (ord(chr(value).lower()) if self._fold else value)
        return same == (code is op.LITERAL)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST:
            raise OverflowError(f"more than {MOST:,} steps")
