"""What the server answered: one function turns every reply into a model or the right error. Pure.

Responsible for IBKR's irregular answers, each cited beside its branch. It must never treat an
answer that it does not understand as success, and never put a whole body into a message. Whether
`{"authenticated":false}` is a failure is for the session to say: here it is a readable answer.

"Protocol" below is the error table of IBKR's Web API documentation together with what users of
ibind and ibkr-conduit recorded.
"""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import isfinite
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import urlsplit

import msgspec

from ibkr_async.errors import (
    BadRequestError,
    ForbiddenError,
    NoBridgeError,
    NotFoundError,
    NotReadyError,
    RateLimitedError,
    RefusedError,
    ResponseError,
    ServerError,
    UnauthorizedError,
    UnreadableResponseError,
)
from ibkr_async.models import base as _base
from ibkr_async.models.scalars import says_something
from ibkr_async.sealed import SEALED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibkr_async.ports import HttpReply
    from ibkr_async.rest.request import RestRequest

T = TypeVar("T")

_BODY_CHARS: Final = 2000
_DETAIL_CHARS: Final = 300
_LONGEST_DATE: Final = 64

# Each looks a bounded way ahead from wherever it may begin, so that no text costs more than its length.
_SECRET_VALUES: Final = re.compile(
    r"""((?:session|token|secret|signature|passw|cookie|diffie_hellman)[^"]{0,40}"\s*:\s*)"""
    r"""("[^"\\]*(?:\\[\s\S][^"\\]*)*|\\+"[^"\\]*|[0-9][0-9.]*|[\[{][^\]}]*)""",
    re.IGNORECASE,
)
"""A JSON key that sounds like a secret, and its value: text (also where JSON stands in a text), number or
container, whether or not its end was cut off."""
_SAYS_NO: Final = (b'"error"', b'"success"', b'"hasError"')
_NOTHING: Final = frozenset({b"", b'""', b"null"})
_HEADING: Final = re.compile(r"<h1>([^<]{1,300})</h1>", re.IGNORECASE)
_MAY_BE_DONE: Final = "it may have been done: look before asking for it again"
_TITLE: Final = re.compile(r"<title[^<>]{0,100}>([^<]*)</title", re.IGNORECASE)

# Words of IBKR's with 5xx: "Order 1 is not found", "No Contracts retrieved", "Alert 1 doesn't exist";
# "Details currently unavailable" is said for want of a right, "Order size 0 is not valid" of arguments.
_MISSING: Final = re.compile(
    r"\bnot (?:be )?found\b|\b(?:not|doesn.?t|don.?t) exist"
    r"|\bno such |\bno [a-z ]{1,40}(?:retrieved|found)\b"
)
_NO: Final = re.compile(
    r"\binvalid\b|\bnot (?:valid|allowed|permitted|supported|eligible)\b|details currently unavailable"
    r"|\bcan(?:not|.?t) (?:be modified|recogni[sz]e)|\bis required\b|\bare required\b"
)

_FAILURES: Final = frozenset(str(status) for status in range(400, 600))
_ERROR_OF_STATUS: Final[Mapping[int, type[ResponseError]]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    410: NotFoundError,
    # 423 comes from /fyi while it warms up: {"status":"waiting for reply"} (protocol).
    423: NotReadyError,
    429: RateLimitedError,
}


class _Envelope(
    msgspec.Struct,
    rename={
        "status_code": "statusCode",
        "has_error": "hasError",
        "description": "errorDescription",
    },
):
    """The keys by which IBKR says "no" inside an answer of any status."""

    error: Any = None
    message: Any = None
    detail: Any = None
    title: Any = None
    text: Any = None
    status: Any = None
    failure_list: Any = None
    success: Any = None
    status_code: Any = None
    has_error: Any = None
    description: Any = None


def decode_reply(
    request: RestRequest[T],
    reply: HttpReply,
    *,
    now: float = 0.0,
    unread: _base.Unread | None = None,
) -> T:
    """Turn a reply into `request.result`.

    Shape: None when `result` is None, the raw bytes when it is `bytes`, the text when it is `str`
    and the body is not JSON, else the model. With `unread`, odd rows and fields are passed over and
    counted there.
    Errors: the `ResponseError` that fits; every other kind of failure is a bug here.
    `now` is Unix seconds, used for a `Retry-After` date when the server sent no `Date`.
    """
    with SEALED:  # a body may hold a session or a token
        return _decode(request, reply, now, unread)


def _decode(
    request: RestRequest[T], reply: HttpReply, now: float, unread: _base.Unread | None
) -> T:
    status = reply.status
    match status // 100:
        case 2:
            pass
        case 3:
            raise _redirect(request, reply)
        case _:
            raise _error_of_status(request, reply, now)
    if status == HTTPStatus.ACCEPTED and status not in request.success:
        # Documented for /trsrv/secdef among others: nothing to return yet (protocol).
        raise _nothing_said(request, reply, "no content yet")
    return _read_success(request, reply, unread)


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Read `Retry-After` as seconds from now; None when it is absent or makes no sense.

    A date is compared with the server's own `Date`, so that our clock may be wrong; without one
    `now` (Unix seconds) is used. IBKR documents no `Retry-After`; its edge may send one.
    """
    text = headers.get("retry-after", "").strip()
    if not text or len(text) > _LONGEST_DATE:
        return None
    try:
        seconds = float(text)
    except ValueError:
        until = _unix_time(text)
        if until is None:
            return None
        server_now = _unix_time(headers.get("date", ""))
        seconds = until - (now if server_now is None else server_now)
    return max(0.0, seconds) if isfinite(seconds) else None


def _unix_time(http_date: str) -> float | None:
    if len(http_date) > _LONGEST_DATE:
        return None
    try:
        moment = parsedate_to_datetime(http_date)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, OverflowError):
        return None


# --- success, or what looks like it --------------------------------------------------------------


def _read_success(request: RestRequest[T], reply: HttpReply, unread: _base.Unread | None) -> T:
    content = reply.content
    if reply.status == HTTPStatus.NO_CONTENT:
        return _read_nothing(request, reply, "no content yet")
    if request.result is bytes:
        return cast("T", content)  # `result is bytes` makes T bytes
    if _is_html(reply):
        # A proxy, a captive portal or the gateway's login page; never IBKR's answer.
        raise _error(UnreadableResponseError, request, reply)
    if request.error_in_200:
        _raise_if_refused(request, reply)
    if request.result is None:
        return cast("T", None)  # T is None here, which the type system cannot see
    if content.strip() in _NOTHING and not (content.strip() == b"null" and request.result is Any):
        # The first call of a session on a warm-up endpoint may answer 200 with nothing (protocol).
        return _read_nothing(request, reply, "an empty answer")
    try:
        decoded: T = _base.decode(request.result, content, unread)
    except msgspec.ValidationError as problem:
        # The message names the path of the field. The body may hold positions or a session id,
        # so it is not kept.
        raise _error(
            UnreadableResponseError, request, reply, detail=f"unexpected shape: {problem}", body=""
        ) from problem
    except msgspec.DecodeError as problem:
        text = content.decode("utf-8", "replace")
        if request.result is str:
            return cast("T", text)  # `result is str` makes T str
        raise _error(
            UnreadableResponseError,
            request,
            reply,
            detail=f"not JSON ({problem}): {_shorten(_redact(text))}",
        ) from problem
    return decoded


def _read_nothing(request: RestRequest[T], reply: HttpReply, detail: str) -> T:
    """Take a success without content: the end of an action, "ask again" to a read."""
    if request.result is None or (request.result is Any and not request.is_read):
        return cast("T", None)  # None is the only way to say it
    raise _nothing_said(request, reply, detail)


def _nothing_said(request: RestRequest[Any], reply: HttpReply, detail: str) -> ResponseError:
    return _error(
        NotReadyError, request, reply, detail=detail, advice="" if request.is_read else _MAY_BE_DONE
    )


def _raise_if_refused(request: RestRequest[Any], reply: HttpReply) -> None:
    """Raise for a 200 that says no.

    `{"error":…}` comes from orders, alerts, tickle and more; `{"success":false,"failure_list":…}`
    from alerts; `{"hasError":true,"errorDescription":…}` from account management (protocol). Nested
    errors, such as `hmds.error` of /tickle, are no failure.
    """
    if not any(word in reply.content for word in _SAYS_NO):
        return
    said = _envelope(reply.content)
    if said is None:
        return
    error = said.error
    if isinstance(error, dict) and cast("dict[str, Any]", error).get("hasError") is False:
        error = None
    if says_something(error) or said.success is False or said.has_error is True:
        # IBKR's edge says 200 for its backend's 503 (protocol): the latter is what happened.
        code = str(said.status_code)
        meant = int(code) if code in _FAILURES else reply.status
        kind = ServerError if meant >= HTTPStatus.INTERNAL_SERVER_ERROR else RefusedError
        raise kind(request.label, meant, _detail(reply), body=_excerpt(reply))


# --- everything else -----------------------------------------------------------------------------


def _redirect(request: RestRequest[Any], reply: HttpReply) -> ResponseError:
    """Refuse to follow: the Authorization header must not leave the host.

    Only the host is named, because a redirect's query may carry a token.
    """
    try:
        host = urlsplit(reply.headers.get("location", "")).netloc.rpartition("@")[2]
    except ValueError:
        host = ""
    return _error(
        UnreadableResponseError,
        request,
        reply,
        detail=f"a redirect to {host or 'another path of the same host'}, which is not followed",
        advice="check the base URL; a gateway that is not logged in redirects to its login page",
    )


def _error_of_status(request: RestRequest[Any], reply: HttpReply, now: float) -> ResponseError:
    status = reply.status
    words = _detail(reply)
    lower = words.lower()
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimitedError(
            request.label,
            status,
            words,
            body=_excerpt(reply),
            retry_after_s=retry_after_s(reply.headers, now),
        )
    if status == HTTPStatus.BAD_REQUEST and "no bridge" in lower:
        # OAuth is fine, ssodh/init is missing (ibind issue 44).
        return _error(NoBridgeError, request, reply)
    advice = ""
    if status == HTTPStatus.BAD_REQUEST and "query /accounts first" in lower:
        advice = "IBKR wants GET /iserver/accounts once per session: await ib.ready(), then repeat"
    elif status == HTTPStatus.UNAUTHORIZED and "invalid consumer" in lower:
        advice = "check the consumer key; a new one works only after IBKR's next regional midnight"
    elif status == HTTPStatus.LENGTH_REQUIRED:
        # The edge answers 411 to a POST without Content-Length (protocol); we always send it.
        advice = "something between here and IBKR removed Content-Length: look for a proxy"
    kind = _class_of_status(status)
    if kind is ServerError:
        kind, advice = _meaning_of_5xx(request, lower)
    return _error(kind, request, reply, advice=advice)


def _meaning_of_5xx(request: RestRequest[Any], words: str) -> tuple[type[ResponseError], str]:
    """Return what a 5xx is, weather or one of IBKR's ways to say no, and what to do about it.

    Never a no of what can trade: such an order may go live all the same (protocol), so it is unknown.
    """
    if request.permit is not None:
        return ServerError, ""
    if _MISSING.search(words) and "session" not in words:
        return NotFoundError, "IBKR does not have it: asking again will not help"
    if _NO.search(words):
        return RefusedError, ""
    return ServerError, "try again later" if request.is_read else _MAY_BE_DONE


def _class_of_status(status: int) -> type[ResponseError]:
    if status in _ERROR_OF_STATUS:
        return _ERROR_OF_STATUS[status]
    match status // 100:
        case 4:
            return BadRequestError
        case 5:
            return ServerError
        case _:
            return UnreadableResponseError


def _error(
    kind: type[ResponseError],
    request: RestRequest[Any],
    reply: HttpReply,
    *,
    detail: str | None = None,
    body: str | None = None,
    advice: str = "",
) -> ResponseError:
    return kind(
        request.label,
        reply.status,
        _detail(reply) if detail is None else detail,
        body=_excerpt(reply) if body is None else body,
        advice=advice,
    )


def _detail(reply: HttpReply) -> str:
    """The server's own words, shortened: from JSON of any of its shapes, a page title, or text.

    JSON is looked for whatever the content type says: IBKR labels it `text/plain` at times, and
    401 comes as problem+json, as `{"error":…}`, as plain text and empty (protocol).
    """
    if _is_html(reply):
        title = _TITLE.search(reply.content[:_BODY_CHARS].decode("utf-8", "replace"))
        if title:
            return f"an HTML page titled {_shorten(title[1])!r}"
        # As IBKR's own 404 is written: <html><body><h1>Resource not found</h1></body></html>.
        heading = _HEADING.search(reply.content[:_BODY_CHARS].decode("utf-8", "replace"))
        return _shorten(_redact(heading[1])) if heading else "an HTML page"
    said = _envelope(reply.content)
    if said is not None:
        if words := _spoken(said):
            return _shorten(_redact(_as_text(words)))
    else:
        text = reply.content[:_BODY_CHARS].decode("utf-8", "replace").strip().strip('"')
        if text:
            return _shorten(_redact(text))
    try:
        return f"{HTTPStatus(reply.status).phrase} (no explanation given)"
    except ValueError:
        return "no explanation given"


def _spoken(said: _Envelope | None) -> Any:
    """Return the words in which a failure is explained; None where there are none."""
    if said is None:
        return None
    spoken = (said.description, said.error, said.detail, said.message, said.failure_list, said.text)
    return next((words for words in (*spoken, said.title, said.status) if words), None)


def _envelope(content: bytes) -> _Envelope | None:
    """Read the keys that explain a failure; None when the body is not a JSON object."""
    try:
        return msgspec.json.decode(content, type=_Envelope)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        # A number that nothing can hold must not hide a refusal.
        return msgspec.convert(_base.parse_json(content, _base.Unread()), _Envelope)
    except msgspec.MsgspecError:
        return None


def _as_text(words: Any) -> str:
    if isinstance(words, str):
        # An error of an inner server is handed on as it came: JSON inside a text.
        inner = _spoken(_envelope(words.encode())) if words.lstrip().startswith("{") else None
        return _as_text(inner) if inner else words
    if isinstance(words, dict):
        message = cast("dict[str, Any]", words).get("message")  # keys of JSON objects are text
        if isinstance(message, str):
            return _as_text(message)
    return msgspec.json.encode(words).decode()


def _is_html(reply: HttpReply) -> bool:
    first = reply.content.lstrip()[:1]
    # The edge labels some JSON errors text/html: the first character decides in doubt.
    return first == b"<" or (
        "text/html" in reply.headers.get("content-type", "").lower() and first not in {b"{", b"["}
    )


def _excerpt(reply: HttpReply) -> str:
    return _redact(reply.content[:_BODY_CHARS].decode("utf-8", "replace"))


def _redact(text: str) -> str:
    """Blank the values of JSON keys that sound like secrets, in as much as is ever shown."""
    return _SECRET_VALUES.sub(_blank, text[:_BODY_CHARS])


def _blank(found: re.Match[str]) -> str:
    quote = '"' if found[2].startswith('"') else ""
    return f"{found[1]}{quote}***"


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _DETAIL_CHARS else f"{line[: _DETAIL_CHARS - 1]}…"
