"""Whether a failed request may be made again, and after how long. Pure: jitter is an argument.

Responsible for reads only. It must never allow a second try of anything that is not marked
replayable: after a failed submit nobody knows whether the first one is live.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ibkr_async.backoff import capped
from ibkr_async.errors import (
    IbkrError,
    NotReadyError,
    RateLimitedError,
    ServerError,
    TlsError,
    TransportError,
)
from ibkr_async.knobs import Knobs

if TYPE_CHECKING:
    from ibkr_async.rest.request import RestRequest


class RetryPolicy(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a read that failed is made again."""

    max_tries: int = 3
    """Tries in all, the first included."""
    base_s: float = 0.5
    """Upper bound of the first pause; it doubles with every try."""
    cap_s: float = 8.0
    """No pause is longer, those after a 429 apart."""
    warm_up_s: float = 1.0
    """Least pause after "not ready": IBKR is fetching, and asking at once cannot help."""
    cool_down_s: float = 120.0
    """Least pause after a 429 without `Retry-After`: the penalty is counted in minutes."""

    def delay(
        self, request: RestRequest[Any], error: IbkrError, tries: int, jitter: float
    ) -> float | None:
        """Return for how many seconds to wait before the next try; None means "give up".

        `tries` counts the tries made; `jitter` is a random number from 0 to 1. Pauses are spread
        over their whole range (full jitter), so that a thousand bots do not return together.
        """
        if not request.replayable or tries >= self.max_tries:
            return None
        pause = jitter * capped(self.base_s, tries - 1, self.cap_s)
        if isinstance(error, RateLimitedError):
            asked = error.retry_after_s
            return pause + (self.cool_down_s if asked is None else asked)
        if isinstance(error, NotReadyError):
            return pause + self.warm_up_s
        # A certificate does not become right by asking again.
        if isinstance(error, ServerError | TransportError) and not isinstance(error, TlsError):
            return pause
        return None
