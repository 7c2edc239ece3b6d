"""What the failure of an order call proves: nothing was sent, it was refused, or neither. Pure.

Responsible for reading this once, for the desk and for the Third-Party Web API alike. It must never take
silence or a failure of the server for a refusal: the order may be live.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from ibkr_async.errors import (
    AuthError,
    ClosedError,
    IbkrError,
    OrderGuardError,
    RateLimitedError,
    RefusedError,
    ResponseError,
    SessionError,
    TransportError,
    UnreadableResponseError,
    UsageError,
)

_REFUSALS: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
        HTTPStatus.LENGTH_REQUIRED,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)
_FAILURES: Final = range(400, 600)
_ID_IN_USE: Final = "already registered"


def nothing_was_sent(error: IbkrError, *, has_left: bool = True) -> bool:
    """Tell whether a failure proves that the request never left this machine.

    `has_left` is what its `Departure` knows: what fails before, such as a login, says nothing of it.
    """
    if isinstance(error, TransportError) and not error.may_have_reached_server:
        return True
    if isinstance(error, RateLimitedError) and not error.was_sent:
        return True
    if isinstance(error, ClosedError) and error.may_have_reached_server:
        return not has_left
    unsent = UsageError | AuthError | SessionError | OrderGuardError
    return not has_left or isinstance(error, unsent)


def is_refusal(error: IbkrError) -> bool:
    """Tell whether a failure proves that the order was refused, before or after it was looked at."""
    if isinstance(error, UnreadableResponseError):
        return False
    if isinstance(error, RefusedError):
        return means_refusal(error.status)
    return isinstance(error, ResponseError) and error.status in _REFUSALS


def means_refusal(status: int | None) -> bool:
    """Tell whether an error inside a 200 is a refusal, by the status that IBKR says it meant."""
    return status not in _FAILURES or status in _REFUSALS


def shows_reuse(words: str) -> bool:
    """Tell whether IBKR refused an order because it has one with this client order id."""
    return _ID_IN_USE in words.lower()
