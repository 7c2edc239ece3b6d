"""The way of a call: wait for a slot, sign, transmit, decode, and try again when that is safe.

Responsible for the order of these steps, and the only place that sleeps. It must never send a
request twice that is not marked replayable, and never send one that was signed before.
"""

from __future__ import annotations

import logging
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import anyio
import msgspec

from ibkr_async.ending import Ending
from ibkr_async.errors import (
    ClosedError,
    IbkrError,
    RateLimitedError,
    UnauthorizedError,
    UsageError,
)
from ibkr_async.home import Home
from ibkr_async.models import base as _base
from ibkr_async.oauth.encoding import percent_encode
from ibkr_async.ports import USER_AGENT, Departure, HttpReply, HttpRequest, Pairs, Transport
from ibkr_async.rest.decode import decode_reply, retry_after_s
from ibkr_async.rest.login import LoginGate
from ibkr_async.rest.pacing import Booking, Pacer
from ibkr_async.rest.request import Urgency
from ibkr_async.rest.settings import RestSettings
from ibkr_async.sealed import SEALED
from ibkr_async.world import World

if TYPE_CHECKING:
    from ibkr_async.ports import Auth
    from ibkr_async.rest.request import RestRequest

T = TypeVar("T")

_log = logging.getLogger("ibkr_async.rest")

_TOO_MANY_REQUESTS: Final = 429
_CLOSE_S: Final = 2.0


class RestStats(msgspec.Struct, kw_only=True):
    """What the pipeline has done so far."""

    requests: int = 0
    """Sent, logins and retries included."""
    retries: int = 0
    """Reads that were made again."""
    refused_waits: int = 0
    """Calls that would have had to wait too long, and were not sent."""
    waited_s: float = 0.0
    """Time spent waiting for slots."""
    by_status: dict[int, int] = msgspec.field(default_factory=dict[int, int])
    """Answers by HTTP status."""
    unread: int = 0
    """Rows and fields of answers that could not be read; the rest of those answers was given."""


class RestPipeline:
    """Carries `RestRequest`s to the server and their answers back.

    Concurrency: any number of calls may run at the same time; pacing decides their order.
    """

    def __init__(
        self,
        auth: Auth,
        transport: Transport,
        *,
        settings: RestSettings | None = None,
        pacer: Pacer | None = None,
        home: Home | None = None,
        ending: Ending | None = None,
        world: World | None = None,
    ) -> None:
        """Join the parts. `pacer` stands in for one with IBKR's limits, where those do not hold.

        `ending` is the owner's, where it ends more than requests.
        """
        self.stats = RestStats()
        self._auth = auth
        self._transport = transport
        self._settings = settings = settings or RestSettings()
        self._pacer = pacer or Pacer(settings=settings.pacing)
        self._home = home or Home()
        self._world = world = world or World()
        self._clock = world.clock
        self._gate = LoginGate(
            auth,
            self._send_login,
            clock=world.clock,
            renew_interval_s=settings.renew_interval_s,
        )
        self._concurrency: dict[str, anyio.Semaphore] = {}
        self._odd_paths: set[str] = set()
        """Templates of paths whose answers could not be read whole."""
        self._ending = ending or Ending()

    @property
    def logins(self) -> LoginGate:
        """The gate through which every login goes."""
        return self._gate

    @property
    def is_rate_limited(self) -> bool:
        """True while the address is suspected to be in IBKR's penalty box after a 429."""
        return self._pacer.is_boxed

    async def send(self, request: RestRequest[T]) -> T:
        """Make the call and return its decoded result.

        Errors: `ResponseError` and `TransportError` families; `AuthError` when logging in fails;
        `RateLimitedError` without anything sent when the slot is further away than `max_wait_s`;
        what `request.permit` raises, without anything sent; `ClosedError` after `aclose`, and when
        that comes while it is under way; `UsageError` from another event loop or thread.
        Cancellation: a slot not yet used goes back; a request under way may have been received.
        """
        self._home.check()
        self._check_open()
        with self._ending.cut():
            async with self._place_under_way(request):
                return await self._send_until_settled(request)
        raise _cut_short(request)

    async def log_in(self) -> None:
        """Log in now if that is needed, so that a wrong credential shows before the first call.

        Errors: `AuthError`; `TransportError` when the login could not be sent.
        """
        self._home.check()
        self._check_open()
        with self._ending.cut():
            await self._gate.ensure()
            return
        raise ClosedError("client")

    async def aclose(self) -> None:
        """Close the connections; requests under way end with `ClosedError`.

        Idempotent; never waits for more than two seconds.
        """
        self._ending.come()
        with anyio.move_on_after(_CLOSE_S, shield=True):
            await self._transport.aclose()

    # --- one call --------------------------------------------------------------------------------

    async def _send_until_settled(self, request: RestRequest[T]) -> T:
        """Try, and try again as far as the request allows."""
        tries = 0
        renewed = False
        while True:
            booking = await self._wait_for_turn(request)
            generation = self._gate.generation
            if request.permit is not None:
                request.permit()
            signed = self._sign(request)
            tries += 1
            try:
                reply = await self._transmit(signed, booking)
                return self._decode(request, reply)
            except UnauthorizedError as error:
                # One renewal and one repetition for a read; for anything else only the renewal,
                # so that the caller's next call works.
                if renewed or not await self._renew_login(request, generation):
                    wait_s = self._gate.renewable_in_s
                    if wait_s > 0 and self._gate.generation == generation:
                        raise _not_renewed(error, wait_s) from error
                    raise
                renewed = True
            except IbkrError as error:
                pause_s = self._settings.retry.delay(
                    request, error, tries, self._world.random.uniform()
                )
                if pause_s is None or pause_s > self._settings.pacing.max_wait_s:
                    raise
                _log.debug("%s: trying again in %.1f s after: %s", request.label, pause_s, error)
                await self._clock.sleep(pause_s)
            self.stats.retries += 1
            self._check_open()

    def _decode(self, request: RestRequest[T], reply: HttpReply) -> T:
        """Read the answer; tell once for each endpoint that a part of one could not be read."""
        unread = _base.Unread()
        answer = decode_reply(request, reply, now=self._clock.wall(), unread=unread)
        if unread.count:
            self.stats.unread += unread.count
            if request.path not in self._odd_paths:
                self._odd_paths.add(request.path)
                _log.warning("%s: the answer was read without %s", request.label, unread)
        return answer

    async def _wait_for_turn(self, request: RestRequest[Any]) -> Booking:
        """Log in if need be, then wait for a slot; again if the login lapsed during the wait."""
        key = request.pacing_key or request.path
        while True:
            await self._gate.ensure()
            booking = await self._wait_for_slot(key, request.label, request.urgency)
            if not self._auth.needs_login:
                return booking

    async def _wait_for_slot(
        self, key: str, label: str, urgency: Urgency = Urgency.READ
    ) -> Booking:
        """Sleep until every limit allows one more request, or refuse to sleep that long.

        A cancel is never refused: after a 429 they leave one each second, and all of them do.
        """
        asked_at = now = self._clock.monotonic()
        booking = self._pacer.reserve(key, now, urgency)
        try:
            while (wait_s := self._pacer.start(booking, now)) > 0:
                is_too_long = now + wait_s - asked_at > self._settings.pacing.max_wait_s
                if is_too_long and urgency is not Urgency.CANCEL:
                    self.stats.refused_waits += 1
                    raise self._too_long(label, booking.rule, wait_s)
                await self._clock.sleep(wait_s)
                self._check_open()
                now = self._clock.monotonic()
        finally:
            self._pacer.release(booking)  # does nothing once it has started
            self.stats.waited_s += self._clock.monotonic() - asked_at
        return booking

    def _sign(self, request: RestRequest[Any]) -> HttpRequest:
        """Write the request out and sign it; every attempt gets its own nonce and timestamp.

        Errors: `UsageError` for a parameter that JSON or a URL cannot carry.
        """
        root = self._auth.base_url
        if request.is_at_host_root:
            root = root.removesuffix(urlsplit(root).path)
        url = root + request.expanded_path
        headers = {"user-agent": USER_AGENT, "accept": "application/json"}
        content = b""
        try:
            query = f"?{_encode_pairs(request.query)}" if request.query else ""
            if request.form is not None:
                headers["content-type"] = "application/x-www-form-urlencoded"
                content = _encode_pairs(request.form).encode()
            elif request.method != "GET":
                headers["content-type"] = "application/json"
                content = b"{}" if request.body is None else _base.encode(request.body)
        except (OverflowError, RecursionError, TypeError, ValueError) as error:
            detail = f"{request.method} {request.path}: a parameter cannot be written out: {error}"
            raise UsageError(detail) from error
        with SEALED:
            headers |= self._auth.sign(request.method, url, request.query, request.form or ())
        default_s = (
            self._settings.read_timeout_s if request.replayable else self._settings.action_timeout_s
        )
        return HttpRequest(
            method=request.method,
            url=url + query,
            headers=headers,
            content=content,
            timeout_s=default_s if request.timeout_s is None else request.timeout_s,
            label=request.label,
            is_urgent=request.urgency is not Urgency.READ,
            departure=request.permit if isinstance(request.permit, Departure) else None,
        )

    async def _transmit(self, signed: HttpRequest, booking: Booking) -> HttpReply:
        """Send, count, and tell auth and pacer what the answer says about login and limits."""
        self._check_open()
        self.stats.requests += 1
        started = self._clock.monotonic()
        try:
            reply = await self._transport.send(signed)
        except IbkrError as error:
            _log.debug("%s -> %s", signed.label, type(error).__name__)
            raise
        now = self._clock.monotonic()
        self._auth.absorb(reply)
        self.stats.by_status[reply.status] = self.stats.by_status.get(reply.status, 0) + 1
        _log.debug("%s -> %d in %.0f ms", signed.label, reply.status, (now - started) * 1000)
        if reply.status == _TOO_MANY_REQUESTS:
            was_boxed = self._pacer.is_boxed
            asked_s = retry_after_s(reply.headers, self._clock.wall())
            self._pacer.penalise(booking, now, asked_s)
            if not was_boxed:
                _log.info("429 for %s: requests are held back, cancels go on", signed.label)
        elif self._pacer.answered(booking):
            _log.info("the server takes requests again after the 429")
        return reply

    # --- logging in ------------------------------------------------------------------------------

    async def _send_login(self, request: HttpRequest) -> HttpReply:
        """Send a step of a login as it is: paced and mapped, but neither signed nor repeated."""
        booking = await self._wait_for_slot(urlsplit(request.url).path, request.label)
        return await self._transmit(request, booking)

    async def _renew_login(self, request: RestRequest[Any], generation: int) -> bool:
        """Log in anew after a 401; True when the request may be made again."""
        try:
            renewed = await self._gate.renew(generation)
        except IbkrError as error:
            if request.replayable:
                raise
            # The caller gets the 401 of the call itself; the next call will meet this again.
            _log.debug("%s: logging in again failed: %s", request.label, error)
            return False
        return renewed and request.replayable

    # --- small parts -----------------------------------------------------------------------------

    def _place_under_way(self, request: RestRequest[Any]) -> AbstractAsyncContextManager[object]:
        """Hold one of the places that an endpoint with a concurrency limit has."""
        key = request.pacing_key or request.path
        places = self._pacer.concurrency(key)
        if places is None:
            return nullcontext()
        return self._concurrency.setdefault(key, anyio.Semaphore(places))

    def _too_long(self, label: str, rule: str, wait_s: float) -> RateLimitedError:
        patience = f"call again then, or allow waits longer than max_wait_s={self._settings.pacing.max_wait_s:g}"
        return RateLimitedError(
            label,
            _TOO_MANY_REQUESTS,
            f"not sent: the next slot is {wait_s:.1f} s away ({rule})",
            # After a 429 the error's own advice is the right one: more patience is no cure.
            advice="" if self._pacer.is_boxed else patience,
            retry_after_s=wait_s,
            was_sent=False,
        )

    def _check_open(self) -> None:
        if self._ending.has_come:
            raise ClosedError("client")


def _not_renewed(error: UnauthorizedError, wait_s: float) -> UnauthorizedError:
    """Compose a 401 after which the login was not renewed, since it had just been."""
    advice = f"the login was renewed just before; a call in {wait_s:.1f} s may renew it again"
    return UnauthorizedError(
        error.request, error.status, error.detail, body=error.body, advice=advice
    )


def _cut_short(request: RestRequest[Any]) -> ClosedError:
    """Compose the error of a request that was under way at the end: it may have left, or be known not to."""
    permit = request.permit
    if isinstance(permit, Departure) and not permit.may_have_left:
        return ClosedError("client", f"{request.label} was not sent any more")
    advice = (
        f"it was closed before the answer to {request.label} came, which may have been received"
    )
    return ClosedError("client", advice, may_have_reached_server=True)


def _encode_pairs(pairs: Pairs) -> str:
    """Encode each name and value once, with the encoding that the signature uses."""
    return "&".join(f"{percent_encode(name)}={percent_encode(value)}" for name, value in pairs)
