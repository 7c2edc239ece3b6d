"""Reports of the Flex Web Service: XML whose rows are attributes.

Responsible for reading them, row by row, without ever building the whole tree. It must never resolve
an entity: a report has none, and a document that declares one is refused.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final
from xml.parsers import expat

from ibkr_async.errors import UnreadableResponseError

if TYPE_CHECKING:
    from typing import NoReturn

_CHUNK: Final = 1 << 16
_DEEPEST: Final = 16
"""Levels of elements; the deepest report that is known has six."""
_DATES: Final = ("%Y%m%d", "%Y-%m-%d")
_TIMES: Final = ("%H%M%S", "%H:%M:%S")
_STATEMENT: Final = "FlexStatement"
_OUTER: Final = {"FlexQueryResponse": 0, "FlexStatements": 1, _STATEMENT: 2}
"""What stands around the sections, by depth."""


class FlexRow(Mapping[str, str]):
    """One row of a report: its attributes by IBKR's names, which are those of the query's template.

    A value is a text, and empty where IBKR has none; the methods read it, as None then.
    """

    __slots__ = ("_values", "account_id", "kind", "section")

    def __init__(self, section: str, kind: str, account_id: str, values: Mapping[str, str]) -> None:
        self.section = section
        """Section of the report, such as `Trades`."""
        self.kind = kind
        """Kind of row, such as `Trade` or `SymbolSummary`."""
        self.account_id = account_id
        """Account of the statement."""
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self._values.items() if value)
        return f"FlexRow({self.kind}: {said})"

    def text(self, name: str) -> str | None:
        """Return a text; None when it is empty, or no column of the query."""
        return self._values.get(name) or None

    def dec(self, name: str) -> Decimal | None:
        """Return money, a price or a quantity, exactly as sent; None also for what is no number."""
        try:
            number = Decimal((self._values.get(name) or "").replace(",", ""))
        except InvalidOperation:
            return None
        return number if number.is_finite() else None

    def day(self, name: str) -> date | None:
        """Return a day, also that of a time; None for a text such as `MULTI`."""
        found = self.at(name)
        return None if found is None else found.date()

    def at(self, name: str) -> datetime | None:
        """Return a time as the report has it, New York's unless the account has another zone.

        Shape: without a zone. Midnight where only a day was sent.
        """
        day, clock, *_zone = [*re.split("[;, ]+", self._values.get(name) or ""), ""]
        for day_form in _DATES:
            for time_form in _TIMES if clock else ("",):
                try:
                    return datetime.strptime(day + clock, day_form + time_form)  # noqa: DTZ007 - as said above
                except ValueError:
                    continue
        return None


class FlexReport:
    """A report. Nothing is parsed until `rows` is iterated, and never more than a row is kept."""

    def __init__(self, content: bytes) -> None:
        """Check that it is one. Errors: `UnreadableResponseError`."""
        self.content = content
        """The XML as it came, to be kept or read by another tool."""
        attributes = next(
            (found for name, found in _opened(content) if name == "FlexQueryResponse"), None
        )
        if attributes is None:
            raise _unreadable("it is not a report")
        self.query_name = attributes.get("queryName", "")
        """Name of the query in Client Portal."""
        self.type = attributes.get("type", "")
        """`AF` activity, of the day before at the earliest; `TCF` confirmations, of today."""

    def rows(self, section: str = "", *, level: str = "") -> Iterator[FlexRow]:
        """Iterate over the rows of a section, such as `Trades`, or of all.

        **Rows of one section may say the same at several levels of detail**: adding up all of them
        counts twice. `level` chooses those whose `levelOfDetail` it is, such as `EXECUTION`, `ORDER`,
        `CLOSED_LOT` or `SUMMARY`. `fifoPnlRealized` of a trade has its lots in it.
        A query "broken out by day" gives a statement for each day, of which most are empty.
        Errors: `UnreadableResponseError` where the XML is cut or broken, after the rows before.
        """
        path: list[str] = []
        account_id = ""
        for name, attributes in _opened(self.content, path):
            depth = len(path) - 1
            if _OUTER.get(name) == depth:
                account_id = attributes.get("accountId", account_id)
                continue
            here = path[3] if depth >= len(_OUTER) else ""
            # A section has no attributes of its own; one without rows in it is a row itself.
            if not attributes or (section and here != section):
                continue
            if not level or attributes.get("levelOfDetail") == level:
                yield FlexRow(here, name, account_id, attributes)

    def __repr__(self) -> str:
        return f"FlexReport({self.query_name!r}, {self.type}, {len(self.content):,} bytes)"


def _opened(content: bytes, path: list[str] | None = None) -> Iterator[tuple[str, dict[str, str]]]:
    """Iterate over the elements as they open; `path` then has their names, the element's own last."""
    path = [] if path is None else path
    found: deque[tuple[list[str], str, dict[str, str]]] = deque()
    inside: list[str] = []

    def opened(name: str, attributes: dict[str, str]) -> None:
        inside.append(name)
        if len(inside) > _DEEPEST:
            raise _unreadable("its elements are nested too deeply")
        found.append((inside.copy(), name, attributes))

    def closed(_name: str) -> None:
        inside.pop()

    parser = _strict_parser()
    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    for begin in range(0, len(content) + 1, _CHUNK):
        is_last = begin + _CHUNK > len(content)
        problem = _feed(parser, content[begin : begin + _CHUNK], is_last=is_last)
        while found:
            path[:], name, attributes = found.popleft()
            yield name, attributes
        if problem:
            raise _unreadable(problem)


def _strict_parser() -> expat.XMLParserType:
    """Make a parser that refuses whatever could stand for more than it says."""

    def refuse(*_arguments: object) -> NoReturn:
        raise _unreadable("it declares a document type, which nothing of IBKR's does")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    return parser


def _feed(parser: expat.XMLParserType, chunk: bytes, *, is_last: bool) -> str:
    """Parse a piece; return what is wrong with it, empty when nothing is."""
    try:
        parser.Parse(chunk, is_last)
    except (expat.ExpatError, LookupError, ValueError) as error:  # also of an odd encoding
        return str(error)
    return ""


def _unreadable(problem: str) -> UnreadableResponseError:
    return UnreadableResponseError("Flex GetStatement", 200, problem)


def read_answer(content: bytes) -> dict[str, str]:
    """Read a `FlexStatementResponse`: its elements' texts by name; empty when it is something else.

    Errors: `UnreadableResponseError` for what is no XML.
    """
    texts: dict[str, str] = {}
    inside: list[str] = []

    def opened(name: str, _attributes: dict[str, str]) -> None:
        inside.append(name)

    def closed(_name: str) -> None:
        inside.pop()

    def said(text: str) -> None:
        if len(inside) == 2 and inside[0] == "FlexStatementResponse":  # noqa: PLR2004 - it, and one of its parts
            texts[inside[1]] = texts.get(inside[1], "") + text

    parser = _strict_parser()
    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.CharacterDataHandler = said
    if problem := _feed(parser, content, is_last=True):
        raise _unreadable(problem)
    return {name: text.strip() for name, text in texts.items()}
