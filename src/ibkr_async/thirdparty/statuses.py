"""What each HTTP status of this API means, and which reads are made again. Pure.

Responsible for one meaning and one error per status: the reference lists them without explanation.
It must never let a lock, or accounts that are not visible yet, be asked for again by itself.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ibkr_async.errors import (
    AccountsNotVisibleError,
    BadRequestError,
    ForbiddenError,
    LockedError,
    NotReadyError,
    ResponseError,
    ServerTimedOutError,
    UnauthorizedError,
)
from ibkr_async.rest.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibkr_async.errors import IbkrError
    from ibkr_async.rest.request import RestRequest


class Meaning(NamedTuple):
    """What a status says."""

    error: type[ResponseError]
    """Raised for it, in the end."""
    is_read_repeated: bool
    """Whether a read is made again first."""
    advice: str = ""
    """What to do; empty for the error's own words."""


MEANINGS: Final[Mapping[int, Meaning]] = {
    202: Meaning(NotReadyError, is_read_repeated=True),
    204: Meaning(AccountsNotVisibleError, is_read_repeated=False),
    400: Meaning(BadRequestError, is_read_repeated=False),
    401: Meaning(
        UnauthorizedError,
        is_read_repeated=True,
        advice="a new live session token did not help: check key, access token and signature",
    ),
    403: Meaning(
        ForbiddenError,
        is_read_repeated=False,
        advice="check that the user has authorised this consumer for the account",
    ),
    408: Meaning(ServerTimedOutError, is_read_repeated=True),
    423: Meaning(LockedError, is_read_repeated=False),
}
"""By status. 401 is repeated once, after logging in again, by the REST pipeline."""

_ACCOUNTS: Final = "/accounts"


def explained(request: RestRequest[Any], error: ResponseError) -> ResponseError:
    """Return the error that a status means here; the same error for any other status."""
    meaning = _meaning_of(request, error)
    if meaning is None:
        return error
    return meaning.error(
        error.request, error.status, error.detail, body=error.body, advice=meaning.advice
    )


class ThirdPartyRetry(RetryPolicy, frozen=True, kw_only=True):
    """Decides as `RetryPolicy`, by what the statuses mean here."""

    def delay(
        self, request: RestRequest[Any], error: IbkrError, tries: int, jitter: float
    ) -> float | None:
        """Return how long to wait before a read is made again; None means "give up"."""
        if isinstance(error, ResponseError):
            meaning = _meaning_of(request, error)
            if meaning is not None:
                if not meaning.is_read_repeated:
                    return None
                # The policy knows "not ready"; 408 is treated alike.
                error = NotReadyError(error.request, error.status, error.detail)
        return super().delay(request, error, tries, jitter)


def _meaning_of(request: RestRequest[Any], error: ResponseError) -> Meaning | None:
    if error.status == HTTPStatus.NO_CONTENT and not request.path.startswith(_ACCOUNTS):
        # Only the account endpoints are said to wait for the nightly refresh.
        return None
    return MEANINGS.get(error.status)
