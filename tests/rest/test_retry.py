from __future__ import annotations

from typing import Any

import pytest

from ibkr_async.errors import (
    BadRequestError,
    ConnectFailedError,
    ConnectionBrokenError,
    IbkrError,
    NoBridgeError,
    NotReadyError,
    RateLimitedError,
    RefusedError,
    RequestTimeoutError,
    ServerError,
    TlsError,
    UnauthorizedError,
    UnreadableResponseError,
)
from ibkr_async.rest.request import RestRequest
from ibkr_async.rest.retry import RetryPolicy

READ: RestRequest[Any] = RestRequest(method="GET", path="/x", result=dict, replayable=True)
SUBMIT: RestRequest[Any] = RestRequest(method="POST", path="/x", result=dict)
POLICY = RetryPolicy()

PASSING = [
    ServerError("GET /x", 503, "Service Unavailable"),
    ConnectFailedError("GET /x", "refused", may_have_reached_server=False),
    ConnectionBrokenError("GET /x", "reset", may_have_reached_server=True),
    RequestTimeoutError("GET /x", "slow", may_have_reached_server=True),
    NotReadyError("GET /x", 202, "warming up"),
    RateLimitedError("GET /x", 429, "slow down", retry_after_s=3),
]
LASTING = [
    TlsError("GET /x", "certificate", may_have_reached_server=False),
    BadRequestError("GET /x", 400, "no"),
    NoBridgeError("GET /x", 400, "no bridge"),
    UnauthorizedError("GET /x", 401, "no"),
    RefusedError("GET /x", 200, "no"),
    UnreadableResponseError("GET /x", 200, "HTML"),
]


def kind(error: IbkrError) -> str:
    """Parameter id."""
    return type(error).__name__


@pytest.mark.parametrize("error", PASSING, ids=kind)
def test_read_is_made_again_after_weather(error: IbkrError) -> None:
    """Weather passes: three tries in all."""
    delays = [POLICY.delay(READ, error, tries, 0.5) for tries in (1, 2, 3)]

    assert delays[0] is not None
    assert delays[1] is not None
    assert delays[1] >= delays[0]
    assert delays[2] is None


@pytest.mark.parametrize("error", LASTING, ids=kind)
def test_read_is_not_made_again_when_that_cannot_help(error: IbkrError) -> None:
    """A refusal or a wrong certificate stays what it is."""
    assert POLICY.delay(READ, error, 1, 0.5) is None


@pytest.mark.parametrize("error", PASSING + LASTING, ids=kind)
def test_what_is_not_replayable_is_never_made_again(error: IbkrError) -> None:
    """An order goes out once, whatever happened."""
    assert POLICY.delay(SUBMIT, error, 1, 0.0) is None


def test_pauses_are_spread_over_their_whole_range_and_capped() -> None:
    """Full jitter from zero to a bound that doubles."""
    policy = RetryPolicy(max_tries=20)
    error = PASSING[0]

    assert policy.delay(READ, error, 1, 0.0) == 0
    assert policy.delay(READ, error, 1, 1.0) == 0.5
    assert policy.delay(READ, error, 3, 1.0) == 2.0
    assert policy.delay(READ, error, 19, 1.0) == 8.0


def test_warm_up_gets_at_least_a_second() -> None:
    """Asking at once would meet the same empty answer."""
    assert POLICY.delay(READ, NotReadyError("GET /x", 202, "…"), 1, 0.0) == 1.0


def test_429_waits_for_what_the_server_asked_or_for_the_cool_down() -> None:
    """`Retry-After: 0` is an answer too; none at all means minutes."""
    told = RateLimitedError("GET /x", 429, "…", retry_after_s=0.0)
    untold = RateLimitedError("GET /x", 429, "…")

    assert POLICY.delay(READ, told, 1, 0.0) == 0.0
    assert POLICY.delay(READ, untold, 1, 0.0) == 120.0
