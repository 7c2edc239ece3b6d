"""One login at a time, for everybody who needs one.

Responsible for the single flight: forty requests that meet an expired token cause one login. It
must never start a task (the waiter who comes first does the work) and never log in again and again
with a key that is refused.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import anyio

from ibkr_async.backoff import capped
from ibkr_async.errors import AuthError, IbkrError

if TYPE_CHECKING:
    from ibkr_async.ports import Auth, Send
    from ibkr_async.world import Clock

_log = logging.getLogger("ibkr_async.rest")

_FIRST_PAUSE_S: Final = 2.0
_LONGEST_PAUSE_S: Final = 60.0


class LoginGate:
    """Lets one login run at a time and shares its outcome.

    Concurrency: the first waiter logs in while the others wait for the lock, then find that the
    generation has moved on. When it fails, those who waited for that attempt get the same error;
    who comes later may try again, but not before a pause that doubles up to a minute: until then
    the last error is repeated. Cancellation of the one who logs in lets the next waiter take over.
    """

    def __init__(
        self,
        auth: Auth,
        send: Send,
        *,
        clock: Clock,
        renew_interval_s: float,
    ) -> None:
        self._auth = auth
        self._send = send
        self._now = clock.monotonic
        self._renew_interval_s = renew_interval_s
        self._lock = anyio.Lock()
        self._generation = 0
        self._attempts = 0
        self._failures_in_a_row = 0
        self._failure: IbkrError | None = None
        self._quiet_until = float("-inf")
        self._renewed_at = float("-inf")

    @property
    def generation(self) -> int:
        """How many logins have succeeded."""
        return self._generation

    @property
    def renewable_in_s(self) -> float:
        """How long it takes until a 401 may renew the login again; 0 when it may now."""
        return max(0.0, self._renewed_at + self._renew_interval_s - self._now())

    async def ensure(self) -> None:
        """Log in if that is needed before a request can be signed.

        Errors: `AuthError`; `TransportError` when the login could not be sent.
        """
        if not self._auth.needs_login:
            return
        attempts_seen = self._attempts
        async with self._lock:
            if self._auth.needs_login:
                await self._log_in(attempts_seen)

    async def renew(self, seen_generation: int) -> bool:
        """Log in anew because a request signed under `seen_generation` was answered 401.

        Shape: True when a newer login is in place, so that signing again may help. False when the
        last renewal is so young that the login cannot be the reason: a lapsed *brokerage* session
        also answers 401, and must not cause one login per request.
        Errors: as `ensure`.
        """
        attempts_seen = self._attempts
        async with self._lock:
            if self._generation != seen_generation:
                return True
            if self.renewable_in_s > 0:
                return False
            self._auth.forget()
            await self._log_in(attempts_seen)
            self._renewed_at = self._now()
            return True

    async def _log_in(self, attempts_seen: int) -> None:
        """Log in, unless the attempt that this caller waited for has just failed."""
        if self._failure is not None and (
            self._attempts != attempts_seen or self._now() < self._quiet_until
        ):
            # One instance is raised for several waiters, as asyncio.Future does; without its old
            # traceback, which would grow and keep the frames of the login alive.
            raise self._failure.with_traceback(None)
        try:
            await self._auth.login(self._send)
            if self._auth.needs_login:
                raise AuthError(
                    "login",
                    "it succeeded, but what it gave has expired already",
                    "check this computer's clock",
                )
        except IbkrError as error:
            self._attempts += 1
            self._failures_in_a_row += 1
            self._failure = error
            pause_s = capped(_FIRST_PAUSE_S, self._failures_in_a_row - 1, _LONGEST_PAUSE_S)
            self._quiet_until = self._now() + pause_s
            raise
        self._attempts += 1
        self._failures_in_a_row = 0
        self._failure = None
        self._generation += 1
        _log.debug("logged in, generation %d", self._generation)
