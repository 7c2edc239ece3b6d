from __future__ import annotations

import pytest

from ibkr_async.errors import (
    AuthError,
    BadRequestError,
    ConnectFailedError,
    ConnectionBrokenError,
    ForbiddenError,
    IbkrError,
    NotFoundError,
    OrderGuardError,
    RateLimitedError,
    RefusedError,
    ServerError,
    SessionError,
    UnauthorizedError,
    UnreadableResponseError,
    UsageError,
)
from ibkr_async.orders.fate.failures import (
    is_refusal,
    means_refusal,
    nothing_was_sent,
    shows_reuse,
)

BROKEN = ConnectionBrokenError("POST", "broke", may_have_reached_server=True)
UNSENT = [
    ConnectFailedError("POST", "down", may_have_reached_server=False),
    RateLimitedError("POST", 429, "held back", was_sent=False),
    UsageError("wrong"),
    AuthError("login", "refused"),
    SessionError("no session"),
    OrderGuardError("c-1", "too large"),
]
SENT = [
    BROKEN,
    RateLimitedError("POST", 429, "too many"),
    ServerError("POST", 503, "gone"),
    BadRequestError("POST", 400, "no"),
]


@pytest.mark.parametrize("error", UNSENT, ids=lambda error: type(error).__name__)
def test_failure_before_the_send_proves_that_nothing_was_sent(error: IbkrError) -> None:
    """Whatever its departure says."""
    assert nothing_was_sent(error, has_left=True)
    assert nothing_was_sent(error, has_left=False)


@pytest.mark.parametrize("error", SENT, ids=lambda error: type(error).__name__)
def test_failure_of_a_request_that_may_have_left_proves_nothing_of_it(error: IbkrError) -> None:
    """The same failure of a login, before the request, does."""
    assert not nothing_was_sent(error)
    assert nothing_was_sent(error, has_left=False)


@pytest.mark.parametrize(
    ("error", "is_proof"),
    [
        *[(BadRequestError("POST", status, ""), True) for status in (400, 411)],
        *[(BadRequestError("POST", status, ""), False) for status in (402, 408, 409, 413, 422)],
        (UnauthorizedError("POST", 401, ""), True),
        (ForbiddenError("POST", 403, ""), True),
        (NotFoundError("POST", 404, ""), True),
        (NotFoundError("POST", 410, ""), False),
        (RateLimitedError("POST", 429, ""), True),
        *[(ServerError("POST", status, ""), False) for status in (500, 502, 503, 504)],
        *[(RefusedError("POST", status, ""), True) for status in (200, 400, 401, 403, 404, 429)],
        *[(RefusedError("POST", status, ""), False) for status in (408, 409, 500, 503, 599)],
        *[(UnreadableResponseError("POST", status, ""), False) for status in (200, 302, 400)],
        (BROKEN, False),
        (UsageError("wrong"), False),
    ],
)
def test_refusal_is_proven_or_it_is_none(error: IbkrError, *, is_proof: bool) -> None:
    """By its HTTP status, or by the one that IBKR says it meant inside a 200."""
    assert is_refusal(error) is is_proof


def test_error_without_a_status_of_its_own_is_a_refusal() -> None:
    """As most of them are."""
    assert all(means_refusal(status) for status in (None, -1, 0, 200))
    assert not means_refusal(503)


def test_words_show_that_an_id_is_in_use() -> None:
    """In whatever case IBKR writes them."""
    assert shows_reuse("Local order ID=7 is ALREADY registered.")
    assert not shows_reuse("no trading permission")
