from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from ibkr_async.models.base import Model, Str
from ibkr_async.ports import HttpReply
from ibkr_async.rest.decode import decode_reply, retry_after_s
from ibkr_async.rest.request import RestRequest


class Row(Model):
    """A small answer."""

    name: Str = None
    tags: list[int] = msgspec.field(default_factory=list)


DATE = "Fri, 20 Nov 2026 12:00:00 GMT"
LATER = "Fri, 20 Nov 2026 12:01:30 GMT"
UNIX = 1795176000.0


def call(result: Any = Row, **more: Any) -> RestRequest[Any]:
    """Build the request that is being answered."""
    return RestRequest(method="GET", path="/iserver/x", result=result, **more)


def answer(content: bytes | str = b"", status: int = 200, result: Any = Row, **headers: str) -> Any:
    """Decode one reply; header names use `_` for `-`."""
    if isinstance(content, str):
        content = content.encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return decode_reply(call(result), HttpReply(status=status, headers=named, content=content))


def refusal(content: bytes | str = b"", status: int = 200, **more: Any) -> ResponseError:
    """Decode one reply that must be an error, and return that."""
    with pytest.raises(ResponseError) as caught:
        answer(content, status, **more)
    return caught.value


# --- success -------------------------------------------------------------------------------------


def test_success_becomes_the_model() -> None:
    """200 with JSON of the right shape, whatever the content type says."""
    row = answer('{"name":"a","tags":[1]}', content_type="text/html; charset=utf-8")

    assert row == Row(name="a", tags=[1])


def test_result_none_does_not_look_at_the_body() -> None:
    """Nothing, an empty string, or JSON: it does not matter."""
    assert [answer(body, result=None) for body in (b"", b'""', b"[1]", b"ok")] == [None] * 4
    assert answer(b"", 204, result=None) is None


def test_result_bytes_is_the_raw_body() -> None:
    """Images and the like pass untouched."""
    assert answer(b"<svg/>", result=bytes) == b"<svg/>"


def test_result_str_takes_json_text_and_plain_text() -> None:
    """Some endpoints answer text without quotes."""
    assert answer(b'"done"', result=str) == "done"
    assert answer(b"done and dusted", result=str) == "done and dusted"


def test_login_state_is_not_judged_here() -> None:
    """200 with `authenticated:false` is readable; the session decides what it means."""
    body = '{"authenticated":false,"competing":true,"fail":""}'

    assert answer(body, result=dict) == {"authenticated": False, "competing": True, "fail": ""}


def test_nested_error_is_no_failure() -> None:
    """`/tickle` carries `hmds.error` in every good answer."""
    body = '{"session":"s","hmds":{"error":"no bridge"},"iserver":{}}'

    assert answer(body, result=dict)["session"] == "s"


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("503", ServerError, 503),
        ('"503"', ServerError, 503),
        ("409", RefusedError, 409),
        ("400", RefusedError, 400),
        ("200", RefusedError, 200),
        ("0", RefusedError, 200),
        ('"x"', RefusedError, 200),
        ("{}", RefusedError, 200),
    ],
)
def test_status_that_is_meant_inside_a_200_counts(
    code: str, kind: type[ResponseError], status: int
) -> None:
    """The edge says 200 for a backend that is down."""
    with pytest.raises(kind, match="gone") as caught:
        answer(f'{{"error":"gone","statusCode":{code}}}', result=dict)

    assert caught.value.status == status


def test_error_that_is_the_word_none_is_none() -> None:
    """Some answers have the key in every case."""
    assert answer('{"error":"None","a":1}', result=dict) == {"error": "None", "a": 1}


@pytest.mark.parametrize(
    "body",
    [
        '{"reqID":1,"success":true,"error":"None","errors":["None"]}',
        '{"error":["None"]}',
        '{"error":null,"errorDescription":null,"hasError":false}',
        '{"error":{"error":null,"errorDescription":"","hasError":false},"isValid":true}',
        '{"rows":[{"hasError":true}]}',
    ],
)
def test_success_with_an_error_key_is_a_success(body: str) -> None:
    """Advisers' models say "None", and account management names the error that there is not."""
    assert answer(body, result=dict) == msgspec.json.decode(body)


@pytest.mark.parametrize(
    "body",
    [
        '{"hasError":true,"errorDescription":"no such account"}',
        '{"hasError":true,"error":{"errorDescription":"inner"},"errorDescription":"no such account"}',
        '{"errors":["None"],"error":["None","no such account"]}',
    ],
)
def test_error_in_a_200_is_a_refusal_however_it_is_marked(body: str) -> None:
    """With IBKR's words."""
    with pytest.raises(RefusedError, match="no such account"):
        answer(body, result=dict)


@pytest.mark.parametrize("body", ['{"error":null}', '{"error":""}', '["error"]', '{"error":'])
def test_empty_error_is_not_a_refusal(body: str) -> None:
    """A key without words says nothing; neither does the word in another place."""
    try:
        answer(body, result=dict)
    except ResponseError as error:
        assert not isinstance(error, RefusedError)  # noqa: PT017 - both outcomes are legal


# --- 200 that says no ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error":"failed to process request"}', "failed to process request"),
        ('{"error":{"message":"no such alert","code":3}}', "no such alert"),
        ('{"error":["a","b"]}', '["a","b"]'),
        ('{"error":{"code":3}}', '{"code":3}'),
        ('{"success":false,"failure_list":"Alert name is empty"}', "Alert name is empty"),
        ('{"success":false,"text":"Submission failed"}', "Submission failed"),
        ('{"success":false}', "OK (no explanation given)"),
    ],
)
@pytest.mark.parametrize("result", [Row, None, dict])
def test_200_that_says_no_is_refused(body: str, words: str, result: Any) -> None:
    """An error inside a 200 is an error, even when the body was not asked for."""
    error = refusal(body, result=result)

    assert isinstance(error, RefusedError)
    assert error.detail == words
    assert str(error).startswith(f"GET /iserver/x: 200 {words}; ")


def test_error_key_can_be_part_of_an_answer() -> None:
    """Order answers are classified by their own rules: the request says so."""
    request = call(dict, error_in_200=False)
    reply = HttpReply(status=200, headers={}, content=b'{"error":"rejected"}')

    assert decode_reply(request, reply) == {"error": "rejected"}


# --- unreadable ----------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [Row, None])
def test_html_is_not_an_answer(result: Any) -> None:
    """A captive portal's 200 is no success, even for a call without result."""
    page = "<html><head><title>\n Log in\tto Wi-Fi </title></head><body>…</body></html>"

    error = refusal(page, result=result, content_type="text/html")

    assert isinstance(error, UnreadableResponseError)
    assert error.detail == "an HTML page titled 'Log in to Wi-Fi'"
    assert "proxy" in str(error)


def test_html_is_known_by_content_type_alone() -> None:
    """A page that does not begin with a tag."""
    assert refusal("Blocked", content_type="text/html").detail == "an HTML page"


def test_wrong_shape_names_the_field_and_keeps_no_body() -> None:
    """The path of the field is enough; the body may hold positions or a session id."""
    error = refusal('{"name":"a","tags":[1,"secret-account"]}')

    assert isinstance(error, UnreadableResponseError)
    assert "$.tags[1]" in error.detail
    assert "secret-account" not in str(error)
    assert error.body == ""


@pytest.mark.parametrize("body", [b"nope", b'{"name":', b'{"name":"\xff"}', b"[" * 100_000])
def test_broken_json_is_unreadable(body: bytes) -> None:
    """Text, cut bodies, bad UTF-8 and absurd nesting are one kind of error."""
    error = refusal(body)

    assert isinstance(error, UnreadableResponseError)
    assert len(str(error)) < 700
    assert len(error.body) <= 2000


def test_redirect_names_the_host_only() -> None:
    """The query of a redirect may hold a token, and nothing is followed."""
    location = "https://user@login.example.com:8443/sso?token=abc"

    error = refusal(status=302, location=location)

    assert isinstance(error, UnreadableResponseError)
    assert "login.example.com:8443" in str(error)
    assert "token" not in str(error)


@pytest.mark.parametrize("location", ["/sso/Login", "", "http://[bad"])
def test_redirect_without_a_host_is_named_too(location: str) -> None:
    """A relative or malformed target still gives a clear message."""
    assert "another path of the same host" in str(refusal(status=301, location=location))


# --- not yet -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, ""), (200, '""'), (200, " \n"), (202, "{}"), (204, ""), (423, '{"status":"waiting"}')],
)
def test_empty_and_waiting_answers_mean_not_ready(status: int, body: str) -> None:
    """Warm-up answers ask the caller to come again."""
    assert isinstance(refusal(body, status), NotReadyError)


def test_waiting_answer_keeps_its_words() -> None:
    """423 of /fyi says why."""
    assert refusal('{"status":"waiting for reply"}', 423).detail == "waiting for reply"


# --- status codes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, UnauthorizedError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (410, NotFoundError),
        (411, BadRequestError),
        (422, BadRequestError),
        (429, RateLimitedError),
        (500, ServerError),
        (503, ServerError),
        (599, ServerError),
        (101, UnreadableResponseError),
        (700, UnreadableResponseError),
    ],
)
@pytest.mark.parametrize("body", ["", '{"error":"words","statusCode":1}', "words", "<p>words</p>"])
def test_status_decides_the_class(status: int, kind: type[ResponseError], body: str) -> None:
    """Each status has one class, whatever the body looks like."""
    error = refusal(body, status)

    assert type(error) is kind
    assert error.status == status
    assert error.body == body


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"type":"about:blank","title":"Unauthorized","detail":"token expired"}', "token expired"),
        ('{"error":"id: 1, error: LST failed, x","statusCode":401}', "id: 1, error: LST failed, x"),
        ('{"title":"Unauthorized"}', "Unauthorized"),
        ('{"message":"go away"}', "go away"),
        ("access denied", "access denied"),
        ('"access denied"', "access denied"),
        ("", "Unauthorized (no explanation given)"),
        ("{}", "Unauthorized (no explanation given)"),
    ],
)
def test_401_keeps_the_words_of_every_shape(body: str, words: str) -> None:
    """problem+json, error objects, text and nothing at all."""
    assert refusal(body, 401).detail == words


def test_unknown_status_without_words_still_has_a_message() -> None:
    """There is no phrase for 599."""
    assert refusal("", 599).detail == "no explanation given"


def test_no_bridge_has_its_own_class() -> None:
    """OAuth works, the brokerage session is missing."""
    error = refusal('{"error":"Bad Request: no bridge","statusCode":400}', 400)

    assert isinstance(error, NoBridgeError)
    assert "ib.ready()" in str(error)


@pytest.mark.parametrize(
    ("status", "body", "advice"),
    [
        (400, '{"error":"Bad Request: Please query /accounts first"}', "GET /iserver/accounts"),
        (401, '{"error":"Invalid Consumer"}', "midnight"),
        (411, "", "Content-Length"),
    ],
)
def test_known_failures_say_what_to_do(status: int, body: str, advice: str) -> None:
    """The server's words stay, the cure is added."""
    error = refusal(body, status)

    assert advice in str(error)
    assert error.detail in str(error)


def test_long_bodies_are_cut() -> None:
    """Neither message nor attribute grows with the body."""
    error = refusal("x" * 100_000, 500)

    assert len(error.body) == 2000
    assert len(error.detail) == 300


def test_secrets_in_error_bodies_are_blanked() -> None:
    """An error must not carry the session value of a body that IBKR sent with it."""
    body = '{"error":"x","session":"s3cret","oauth_token" : "t0ken","note":"kept"}'

    error = refusal(body)

    assert "s3cret" not in error.body
    assert "t0ken" not in error.body
    assert "kept" in error.body


def test_secrets_of_an_unreadable_body_are_blanked_in_the_message() -> None:
    """A cut JSON body is quoted, without its session."""
    error = refusal('{"session":"s3cret","x":')

    assert "s3cret" not in str(error) + error.body


@pytest.mark.parametrize(
    "body",
    [
        '{"Session":"s3cret\\"s3cret","x":"kept"}',
        '{"oauth_token_2": 53cret, "lst_signature":"s3cret", "x":"kept"}'.replace("53cret", "5353"),
        '{"tokens":["s3cret","s3cret"],"x":"kept"}',
        '{"session":{"id":"s3cret"},"x":"kept"}',
        '{"error":"{\\"session\\":\\"s3cret\\"}","x":"kept"}',
        '{"x":"kept","password":"s3cret',
    ],
)
def test_secrets_are_blanked_in_whatever_form(body: str) -> None:
    """Escaped quotes, numbers, containers, JSON within text, and a body that was cut off."""
    text = refusal(body, 500).body

    assert "s3cret" not in text
    assert "5353" not in text
    assert "kept" in text


@pytest.mark.parametrize(
    "word", ["session", "token", "secret", "signature", "passw", "cookie", "diffie_hellman"]
)
def test_each_word_that_names_a_secret_blanks_its_value(word: str) -> None:
    """One row of the table each."""
    assert "s3cret" not in refusal(f'{{"a_{word}_b":"s3cret"}}', 500).body


def test_message_is_made_of_no_more_than_is_shown() -> None:
    """Words of 400 KB cost as much as words of two."""
    error = refusal('{"error":"' + "session" * 60_000 + '"}', 500)

    assert len(error.detail) == 300


@pytest.mark.parametrize("text", ["9" * 65, "Fri, " * 20_000])
def test_endless_retry_after_says_nothing(text: str) -> None:
    """A header is foreign text too."""
    assert retry_after_s({"retry-after": text}, 0.0) is None
    assert retry_after_s({"retry-after": LATER, "date": text}, UNIX) == 90.0


# --- 429 -----------------------------------------------------------------------------------------


def test_429_carries_retry_after() -> None:
    """Seconds, from the header."""
    error = refusal('{"error":"Too many requests"}', 429, retry_after="12")

    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == 12


@pytest.mark.parametrize(
    ("headers", "now", "seconds"),
    [
        ({}, 0.0, None),
        ({"retry-after": "5"}, 0.0, 5.0),
        ({"retry-after": " 0.5 "}, 0.0, 0.5),
        ({"retry-after": "-3"}, 0.0, 0.0),
        ({"retry-after": "inf"}, 0.0, None),
        ({"retry-after": "soon"}, 0.0, None),
        ({"retry-after": LATER}, UNIX, 90.0),
        ({"retry-after": DATE}, UNIX + 60, 0.0),
        ({"retry-after": LATER, "date": DATE}, 0.0, 90.0),
        ({"retry-after": LATER.replace("GMT", "-0000"), "date": DATE}, 0.0, 90.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(
    headers: dict[str, str], now: float, seconds: float | None
) -> None:
    """Dates count from the server's own clock when it says its time."""
    assert retry_after_s(headers, now) == seconds


# --- anything at all -----------------------------------------------------------------------------


@given(
    status=st.integers(100, 999),
    content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode),
    content_type=st.sampled_from(["", "application/json", "text/html", "text/plain"]),
    result=st.sampled_from([Row, dict, list[Row], None, str]),
)
def test_any_reply_is_an_answer_or_a_response_error(
    status: int, content: bytes, content_type: str, result: Any
) -> None:
    """No bytes from a server can cause another exception."""
    try:
        answer(content, status, result=result, content_type=content_type)
    except ResponseError as error:
        assert str(error)  # noqa: PT017 - every failure has a message; success is fine too


# --- what the operation makes of it --------------------------------------------------------------


def act(content: str = "", status: int = 200, result: Any = Row, **more: Any) -> Any:
    """Decode the reply to something that changes a thing and is no order."""
    request = RestRequest[Any](method="POST", path="/iserver/x", result=result, **more)
    return decode_reply(request, HttpReply(status=status, headers={}, content=content.encode()))


def test_202_is_success_where_the_operation_says_so() -> None:
    """An instruction that was taken is not asked for again."""
    row = act('{"name":"PENDING"}', 202, success=frozenset({202}))

    assert row.name == "PENDING"
    assert act("", 202, None, success=frozenset({202})) is None


def test_action_that_was_answered_with_nothing_is_not_recommended_again() -> None:
    """202, 204 and an empty 200 may mean that it was done."""
    for status in (200, 202, 204):
        with pytest.raises(NotReadyError, match="may have been done: look before"):
            act("", status)

    assert act("", 204, None) is None
    assert act("", 204, Any) is None
    assert act("", 200, Any) is None
    with pytest.raises(NotReadyError, match="ask again"):
        answer("", 204, Any)


@pytest.mark.parametrize(
    "words",
    [
        "Order 1888681780 is not found",
        "No Contracts retrieved",
        "No contract found for 1",
        "no such account",
        "failed to delete alert: Alert 8339 doesn't exist",
        "does not exist",
    ],
)
@pytest.mark.parametrize("status", [500, 503])
def test_5xx_that_names_what_is_missing_is_final(words: str, status: int) -> None:
    """IBKR says it with a server's status; it is neither weather nor about orders of ours."""
    error = refusal(msgspec.json.encode({"error": words, "statusCode": status}), status)

    assert isinstance(error, NotFoundError)
    assert (error.detail, error.status) == (words, status)
    assert "ib.orders" not in str(error)


@pytest.mark.parametrize(
    "words",
    [
        "Details currently unavailable. Please try again later and contact client services",
        "Order size 0 is not valid for this order",
        "Invalid account ID",
        "acctIds, currency and conids are required",
        "Condition #1:can't recognize fix [abc]",
        "Alert name cannot be modified",
    ],
)
def test_5xx_that_says_no_is_a_refusal(words: str) -> None:
    """What the caller asked for cannot be done, however often it is asked."""
    error = refusal(msgspec.json.encode({"error": words}), 500)

    assert isinstance(error, RefusedError)
    assert error.detail == words


@pytest.mark.parametrize(
    "words",
    ["Service Unavailable", "Internal Server Error", "Chart data unavailable", "SSO session not found",
     "unknown", "no bridge", "timeout", "Please try again later"],
)  # fmt: skip
def test_5xx_of_a_server_in_trouble_stays_weather(words: str) -> None:
    """It passes; what to do depends on what was asked."""
    body = msgspec.json.encode({"error": words})

    error = refusal(body, 503)

    assert type(error) is ServerError
    assert "try again later" in str(error)
    with pytest.raises(ServerError, match="look before"):
        act(body.decode(), 503)


def test_5xx_of_what_can_trade_is_never_a_no() -> None:
    """IBKR refused a yes with 503, and the order went live all the same."""
    with pytest.raises(ServerError, match=r"look at ib\.orders"):
        act('{"error":"Order 1 is not found"}', 503, permit=lambda: None)


@pytest.mark.parametrize(
    "body",
    [
        r'{"error":"{\"error\":\"Order 1 is not found\",\"statusCode\":503}"}',
        r'{"error":{"message":"{\"detail\":\"Order 1 is not found\"}"}}',
    ],
)
def test_error_that_is_json_itself_is_read(body: str) -> None:
    """An inner server's answer is handed on as text."""
    assert refusal(body, 503).detail == "Order 1 is not found"


def test_heading_of_a_404_is_what_ibkr_says() -> None:
    """IBKR's own page has no title."""
    error = refusal("<html><body><h1>Resource not found</h1></body></html>", 404)

    assert isinstance(error, NotFoundError)
    assert error.detail == "Resource not found"


def test_null_is_nothing_yet() -> None:
    """Once in a while IBKR answers null where rows will be; a raw call is given what came."""
    assert isinstance(refusal("null"), NotReadyError)
    assert isinstance(refusal(" null ", result=tuple[Row, ...]), NotReadyError)
    assert answer("null", result=Any) is None


@pytest.mark.parametrize(
    "name",
    ["session", "sessionId", "access_token", "live_session_token", "token_secret", "oauth_signature",
     "password", "PASSWD", "passwordHash", "cookie", "Set-Cookie", "diffie_hellman_response"],
)  # fmt: skip
def test_every_name_of_a_secret_is_blanked(name: str) -> None:
    """In what is kept of the body and in the message, whatever the case of the letters."""
    body = f'{{"error":{{"{name}":"s3cret"}},"{name}" : "s3cret","kept":"words"}}'

    error = refusal(body, 500)

    assert "s3cret" not in error.body + str(error) + error.detail
    assert "words" in error.body
