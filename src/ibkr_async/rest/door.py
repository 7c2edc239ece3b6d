"""The public door to endpoints that have no method yet: checks a raw call and makes a request of it.

Responsible for what may pass. It must never let anything through that places, changes, confirms or
cancels an order or exercises an option: that has guards of its own. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast, get_args, get_origin
from urllib.parse import unquote

from ibkr_async.errors import UsageError
from ibkr_async.ports import Method
from ibkr_async.rest.request import RestRequest
from ibkr_async.types import DecimalLike, to_decimal

if TYPE_CHECKING:
    from ibkr_async.ports import Pairs
    from ibkr_async.rest.request import T

QueryValue: TypeAlias = str | int | float | Decimal | bool | None
Query: TypeAlias = Mapping[str, QueryValue] | Iterable[tuple[str, QueryValue]]
"""Parameters by name, or pairs where a name comes twice. None leaves a parameter out."""

_SEGMENT: Final = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
_TRADING: Final = frozenset({"order", "orders", "reply", "exercise", "notification", "questions"})
"""Segments of paths that change orders, answer questions about them, or decide which are asked."""
_PREVIEW: Final = ["orders", "whatif"]
"""End of a path that only asks what an order would cost."""
_ACCEPTED_FOR_LATER: Final = re.compile(
    r"/gw/api/v[0-9]+/(?:(?:bank-instructions|external-asset-transfers|external-cash-transfers"
    r"|internal-asset-transfers)(?::bulk)?|internal-cash-transfers:bulk|instructions/cancel:bulk"
    r"|instructions/query)"
)
"""Operations whose success is 202: the instruction was taken, and its state is asked for later.

Source: the OpenAPI document of the Web API, 2.29."""
_BASE_PATHS: Final = ("/v1/api/", "/v1/portal/")


def open_request(
    method: str,
    path: str,
    *,
    query: Query | None,
    body: Any,
    result: type[T] | Any,
    replayable: bool,
    success: Collection[int] = (),
) -> RestRequest[T]:
    """Return the request of a raw call.

    `success` is added to what is known to be success of this operation.

    Errors: `UsageError` for an unknown method; for a path that is not one below the REST root, or holds
    a query; for anything that trades.
    """
    if method not in get_args(Method):
        raise UsageError(f"{method!r} is not one of {', '.join(get_args(Method))}")
    if result not in (None, Any) and not isinstance(result, type) and get_origin(result) is None:
        raise UsageError(f"result={result!r} is not a type, such as dict[str, Any] or str")
    if method == "GET" and body is not None:
        raise UsageError(f"GET {path}: a read has no body; use query=")
    _check_statuses(success)
    segments = _segments(method, path)
    if segments[-2:] == _PREVIEW:
        del segments[-2:]
    if method != "GET" and _TRADING.intersection(segments):
        raise UsageError(
            f"{method} {path} can change an order, and this door has no guards: use ib.orders, such as "
            "ib.orders.submit, modify or cancel, or ib.stream.exercise_options"
        )
    return RestRequest(
        method=method,  # type: ignore[arg-type]  # checked above against the literals
        path=path,
        result=result,
        query=_pairs(query or ()),
        body=body,
        replayable=replayable,
        success=_known_success(method, path).union(success),
    )


def _check_statuses(success: Any) -> None:
    if isinstance(success, str | bytes) or not isinstance(success, Collection):
        raise UsageError(f"success={success!r:.80} are no statuses, such as (202,)")
    for status in success:
        if status not in list(HTTPStatus):
            raise UsageError(f"success={success!r:.80}: {status!r:.80} is no status, such as 202")


def _known_success(method: str, path: str) -> frozenset[int]:
    is_taken = method == "POST" and _ACCEPTED_FOR_LATER.fullmatch(path)
    return frozenset({HTTPStatus.ACCEPTED} if is_taken else ())


def _segments(method: str, path: str) -> list[str]:
    """Return the segments of a path as a lenient server may read them, in small letters."""
    problem = ""
    if not path.startswith("/") or path.startswith("//"):
        problem = "it begins with one slash, as in '/iserver/accounts'; the host is the login's"
    elif "?" in path or "#" in path:
        problem = "parameters belong into query="
    elif path.startswith(_BASE_PATHS):
        problem = "leave the root out: '/iserver/accounts', not '/v1/api/iserver/accounts'"
    else:
        written = path.removeprefix("/").split("/")
        segments = [_decoded(segment) for segment in written]
        if all(map(_SEGMENT.fullmatch, written)) and not any(map(_is_odd, segments)):
            return [_name(segment).casefold() for segment in segments]
        problem = "every segment must be there, percent-encoded, and neither '.' nor '..'"
    raise UsageError(f"{method} {path!r} is not a path: {problem}")


def _decoded(segment: str) -> str:
    while (once := unquote(segment)) != segment:
        segment = once
    return segment


def _name(segment: str) -> str:
    """Return a segment without what some servers take for its parameters."""
    return re.split("[;:]", segment, maxsplit=1)[0].strip()


def _is_odd(segment: str) -> bool:
    name = _name(segment)
    return name in {"", ".", ".."} or "/" in name or "\\" in name or not name.isprintable()


def _pairs(query: Query) -> Pairs:
    """Return the parameters as text: booleans as `true` and `false`, numbers without an exponent."""
    named = cast(
        # A mapping is never meant as an iterable of pairs, which its keys might be.
        "Iterable[tuple[str, QueryValue]]",
        query.items() if isinstance(query, Mapping) else query,
    )
    try:
        return tuple((name, _text(name, value)) for name, value in named if value is not None)
    except (TypeError, ValueError):
        raise UsageError(
            f"query={query!r} has neither names with values nor pairs of them"
        ) from None


def _text(name: str, value: str | DecimalLike) -> str:
    if isinstance(value, str) and f"{name}{value}".isprintable():
        return value
    if isinstance(value, bool):
        return str(value).lower()
    try:
        return format(to_decimal(value), "f")
    except ValueError:
        raise UsageError(
            f"query parameter {name}={value!r} is neither text, number nor bool"
        ) from None
