"""Write the generated pages of this folder from the code's own tables.

Run it with `make docs`; a test fails when a page is out of date.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import msgspec

from ibkr_async import errors
from ibkr_async.config import Settings
from ibkr_async.models.fields import FIELDS, QUOTE
from ibkr_async.orders.write.questions import KNOWN_QUESTIONS
from ibkr_async.rest.pacing import PACING
from ibkr_async.stream.wire.topics import TOPICS, Target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ibkr_async.stream.wire.topics import Topic

HERE = Path(__file__).parent
SOURCE = HERE.parent / "src" / "ibkr_async"
SAMPLES = HERE.parent / "tests" / "samples" / "ws"
NOTE = "<!-- Made by `make docs` from the code; changes belong there. -->\n\n"


_TARGETS = {
    Target.NOTHING: "",
    Target.CONTRACT: "CONID",
    Target.ACCOUNT: "ACCOUNT",
    Target.ACCOUNT_AND_CONTRACT: "ACCOUNT+CONID",
    Target.EXERCISE: "exercise",
}
_WITH_ARGUMENTS = {Target.CONTRACT, Target.ACCOUNT, Target.EXERCISE}


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay rows out as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def market_data_fields() -> str:
    """List every market-data field."""
    rows = (
        (f"`{field.name}`", field.tag, field.meaning, field.unit or "", "●" if tag in QUOTE else "")
        for tag, field in FIELDS.items()
    )
    return (
        "# Market-data fields\n\n"
        'Names and tags can be used alike: `fields=["bid", "7308"]`. A dot marks the fields of\n'
        "`QUOTE`, which are streamed when none are named.\n\n"
        "A value that says nothing is None, never zero: so is a bid or ask of -1 for a size of 0. A quote\n"
        "has `mid` and `spread` besides, None while a side is missing. `quote.to_dict()`,\n"
        "`update.to_dict()` and `to_json()` write what is known by these names; the rest is in `extra`,\n"
        "as it was sent.\n\n" + table(("name", "tag", "meaning", "unit", "in `QUOTE`"), rows)
    )


def channels() -> str:
    """List every topic of the socket, then show each with its call, a sample and its struct."""
    rows = (
        (
            f"[`{topic.code}`](#{topic.code})",
            topic.heading,
            f"`{topic.call}`",
            "sent by the server" if topic.unsolicited else f"`{_request(topic)}`",
            f"`{topic.unsubscribe}`" if topic.unsubscribe else "",
            " or ".join(f"`{kind.__name__}`" for kind in _payloads(topic)),
            "yes" if topic.confirmed else "no",
            topic.policy,
        )
        for topic in TOPICS.values()
    )
    return (
        "# Channels of the socket\n\n"
        "One row for each topic. The call is a method of `ib.stream`. *Confirmed* says whether the first\n"
        "frame proves the subscription; *policy* is what a full buffer does unless you choose. Frames\n"
        "without a topic are `waiting for session`, answered by the library, and the confirmations of\n"
        "`umh`, `usd` and `uld`. How to use the feeds is told in [streams.md](streams.md).\n\n"
        + table(
            (
                "topic",
                "IBKR's heading",
                "call",
                "requested as",
                "ended by",
                "payload",
                "confirmed",
                "policy",
            ),
            rows,
        )
        + "".join(_channel(topic) for topic in TOPICS.values())
    )


def _channel(topic: Topic) -> str:
    """Show one topic: its call, a frame as it comes, and every field of what the consumer gets."""
    samples = json.loads((SAMPLES / f"{topic.code}.json").read_text(encoding="utf-8"))
    text = (
        f"\n## {topic.code}\n\n{topic.heading}: `ib.stream.{topic.call}`\n\n"
        f"```json\n{json.dumps(samples[0], ensure_ascii=False)}\n```\n"
    )
    for kind in _payloads(topic):
        summary = (kind.__doc__ or "").strip().partition("\n")[0]
        rows = ((f"`{name}`", f"`{key}`", meaning) for name, key, meaning in _fields(kind))
        text += f"\n`{kind.__name__}`: {summary}\n\n" + table(("field", "sent as", "meaning"), rows)
    return text


def _request(topic: Topic) -> str:
    target = _TARGETS[topic.target]
    arguments = "+{…}" if topic.target in _WITH_ARGUMENTS else "+{}"
    return f"{topic.topic_of(target)}{arguments}"


def _payloads(topic: Topic) -> Sequence[Any]:
    return get_args(topic.payload) or [topic.payload]


def _fields(kind: Any) -> list[tuple[str, str, str]]:
    """Return (attribute, wire key, meaning) of every field that is sent."""
    meanings = _meanings(kind)
    return [
        (field.name.removesuffix("_wire"), field.encode_name, meanings[field.name])
        for field in msgspec.structs.fields(kind)
        if not field.encode_name.startswith("#")
    ]


def _meanings(kind: Any) -> dict[str, str]:
    """Read the line under each field of a struct; market data has its meanings in `FIELDS`."""
    found = {
        field.name: FIELDS[field.encode_name].meaning
        for field in msgspec.structs.fields(kind)
        if field.encode_name in FIELDS
    }
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith("ibkr_async"):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
        if not isinstance(body, ast.ClassDef):
            continue
        for line, below in pairwise(body.body):
            if (
                isinstance(line, ast.AnnAssign)
                and isinstance(line.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                found[line.target.id] = " ".join(str(below.value.value).split())
    return found


def limits() -> str:
    """List the pacing table."""
    rows = (
        (
            f"`{rule.path}`",
            f"{rule.limit} in {_duration(rule.window_s)}",
            rule.concurrent or "",
        )
        for rule in PACING
    )
    return (
        "# Request limits\n\n"
        "All requests together: ten a second. Two of them are kept for orders (tickets, replies,\n"
        "modifications) and cancels, two more for cancels alone, so that neither waits behind reads.\n"
        "A breach blocks the IP address for 10 to 15 minutes, so calls wait for their slot; one that\n"
        "would have to wait longer than 30 seconds raises `RateLimitedError` and is not sent.\n\n"
        + table(("endpoint", "limit", "at once"), rows)
    )


_FACES = {
    "Accounts": "ib.accounts",
    "Alerts": "ib.alerts",
    "PortfolioAnalyst": "ib.analyst",
    "EventContracts": "ib.event_contracts",
    "Fyi": "ib.fyi",
    "Scanner": "ib.scanner",
    "Watchlists": "ib.watchlists",
    "Contracts": "ib.contracts",
    "MarketData": "ib.market_data",
    "OrderDesk": "ib.orders",
    "OrderReads": "ib.orders",
    "Portfolio": "ib.portfolio",
    "Session": "ib.session",
    "OAuthFlow": "OAuthFlow",
    "FlexClient": "FlexClient",
}
"""What a user writes for each class whose methods are calls of an endpoint."""
_ITSELF = {"SessionEndpoints", "SessionKeeper", "jwt", "dh"}
"""Where the client calls an endpoint that no user calls."""
_SOURCE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE)\s+(/[\w./:{}-]*[\w}])")


class Call(NamedTuple):
    """A method that says in its docstring which endpoint it calls."""

    method: str
    """As a user writes it; empty for what the client does by itself."""
    answer: str
    """What comes back."""


def operation_key(verb: str, path: str) -> str:
    """Write an operation without the names of its parameters, on which the sources differ."""
    return f"{verb} {re.sub(r'{.*?}', '{}', path)}"


def calls() -> dict[str, list[Call]]:
    """Find the methods that call an endpoint, by operation."""
    found: dict[str, list[Call]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for owner in [tree := ast.parse(path.read_text("utf-8")), *ast.walk(tree)]:
            name = path.stem if owner is tree else getattr(owner, "name", "")
            if name not in _FACES and name not in _ITSELF:
                continue
            for function in getattr(owner, "body", ()):
                if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                    continue
                for verb, endpoint in _SOURCE.findall(ast.get_docstring(function) or ""):
                    call = Call(
                        f"{_FACES[name]}.{function.name}" if name in _FACES else "",
                        ast.unparse(function.returns) if function.returns else "",
                    )
                    found.setdefault(operation_key(verb, endpoint), []).append(call)
    return found


def operations() -> list[list[str]]:
    """Read every operation of the Web API that is known: heading, verb, path, where it is known from."""
    lines = (HERE / "operations.tsv").read_text("utf-8").splitlines()
    return [line.split("\t") for line in lines[1:]]


def coverage() -> str:
    """List every operation, and the method that calls it."""
    called, rules = calls(), {operation_key("", rule.path): rule for rule in PACING}
    headings: dict[str, list[tuple[str, ...]]] = {}
    for heading, verb, path, known_from in operations():
        mine = called.get(operation_key(verb, path), [])
        methods = dict.fromkeys(
            f"`{call.method}`" if call.method else "the client" for call in mine
        )
        answer = next((f"`{call.answer}`" for call in mine if call.method), "")
        rule = rules.get(operation_key("", path))
        if rule is None and path.startswith("/fyi/"):
            rule = rules[operation_key("", "/fyi/*")]
        limit = "" if rule is None else f"{rule.limit} in {_duration(rule.window_s)}"
        headings.setdefault(heading, []).append(
            (f"`{verb} {path}`", ", ".join(methods), answer, limit, known_from)
        )
    rows = [row for part in headings.values() for row in part]
    typed = sum(bool(row[1]) for row in rows)
    return (
        "# Every operation of the Web API\n\n"
        f"{typed} of {len(rows)} have a method. Any other is called with `ib.request`, through the same\n"
        "login, signing and pacing. *Recorded* means that an answer of IBKR was seen; *documented* that\n"
        "IBKR shows an example; *described* that only its fields are known. An empty limit is the global\n"
        "one of ten a second.\n"
        + "".join(
            f"\n## {heading}\n\n"
            + table(("operation", "method", "answer", "limit", "known from"), part)
            for heading, part in headings.items()
        )
    )


def settings() -> str:
    """List every setting, group by group."""
    return (
        "# Settings\n\n"
        "A client takes them as `Client(auth, settings=Settings(session=SessionSettings(compete=True)))`; the\n"
        "most used ones also as keywords of `Client`: `account_id`, `compete`, `allow_live_orders`,\n"
        "`dry_run`, `guard`, `journal`. `Settings.from_toml(path)` reads the table `[settings]`, with a\n"
        "table for each group such as `[settings.session]`; `Settings.from_env()` reads variables such as\n"
        "`IBKR_SESSION__COMPETE=true`. `ibkr-async config` shows what they come to. The groups are\n"
        "imported from `ibkr_async.config`. A misspelt name is refused.\n"
        + _group(Settings(), "", "")
    )


def _group(group: msgspec.Struct, path: str, what: str) -> str:
    meanings = _meanings(type(group))
    inner = {
        name: value
        for name in group.__struct_fields__
        if isinstance(value := getattr(group, name), msgspec.Struct)
    }
    rows = [
        (
            f"`{name}`",
            "-" if (value := getattr(group, name)) is None else f"`{value}`",
            meanings[name],
        )
        for name in group.__struct_fields__
        if name not in inner
    ]
    head = f"\n## `{path}`: `{type(group).__name__}`\n\n{what}\n\n" if path else ""
    return (
        head
        + (table(("setting", "default", "meaning"), rows) if rows else "")
        + "".join(
            _group(value, f"{path}.{name}".lstrip("."), meanings[name])
            for name, value in inner.items()
        )
    )


def _duration(seconds: float) -> str:
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds:g} s"
    return f"{seconds / 60:g} min"


def questions() -> str:
    """List the known order questions."""
    rows = ((f"`{message_id}`", text) for message_id, text in KNOWN_QUESTIONS.items())
    return (
        "# Questions about orders\n\n"
        "IBKR may ask before it takes an order. The answer is *no* unless you allow the id, as in\n"
        '`answers=Answers.allow("o163")`. IBKR adds ids without notice; an id that is not listed\n'
        "can be allowed all the same.\n\n" + table(("id", "what it is about"), rows)
    )


def exceptions() -> str:
    """Show the exception tree."""
    return "# Errors\n\n```text\n" + (errors.__doc__ or "").strip() + "\n```\n"


PAGES = {
    "settings.md": settings,
    "market-data-fields.md": market_data_fields,
    "channels.md": channels,
    "limits.md": limits,
    "coverage.md": coverage,
    "questions.md": questions,
    "errors.md": exceptions,
}


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (HERE / name).write_text(NOTE + page(), encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
