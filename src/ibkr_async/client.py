"""`Client`: what users call, and the lifetime of the parts behind it.

What the parts are and how they are joined is `wiring`; nothing is decided here. One supervisor task
owns the task group in which the session keeper and the stream run. Entering the client waits until the
session is up; leaving it tells the supervisor to stop and waits for its end. The group is never entered
in `__aenter__` itself: its scope would then belong to whichever task happens to enter, which breaks
inside test fixtures.
"""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, overload

import anyio
import msgspec

from ibkr_async import wiring
from ibkr_async._arguments import checked
from ibkr_async.config import Settings
from ibkr_async.errors import ClosedError, UsageError
from ibkr_async.events import Events, SessionClosed
from ibkr_async.faces import LaterFaces
from ibkr_async.feeds import Bars, Ladder, Quotes
from ibkr_async.health import Health
from ibkr_async.models.market_data import QUOTE
from ibkr_async.rest.door import open_request
from ibkr_async.session.face import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterable
    from datetime import datetime
    from types import TracebackType

    from ibkr_async.feeds import Policy
    from ibkr_async.feeds.catalogue import Streams
    from ibkr_async.feeds.subscription import Upstream
    from ibkr_async.files import AnyPath
    from ibkr_async.orders.settings import GuardSettings
    from ibkr_async.ports import Auth, Method
    from ibkr_async.rest.door import Query
    from ibkr_async.session.keeper import SessionInfo
    from ibkr_async.types import ContractLike
    from ibkr_async.world import Clock, World

T = TypeVar("T")

_LOG: Final = logging.getLogger("ibkr_async.session")

_LONGEST_CLOSE_S = 10.0
"""After this what does not end is cancelled, and left behind if that does not help either."""

_LAST_S = 2.0
"""How long what was cancelled may take."""

_LONGEST_PART_S = 2.5
"""How long closing may wait for one part of it."""


@checked
class Client(LaterFaces):
    """One login at Interactive Brokers: REST, orders and streams behind one object.

    `async with Client(OAuth1a.from_env()) as ib:` logs in, brings the brokerage session up and
    keeps it up until the block is left; `await ib.open()` and `await ib.aclose()` do the same where a
    block is in the way, as in a notebook. `auth` is `OAuth1a`, `Gateway` or anything with the
    methods of `ibkr_async.auth.Auth`. The keywords override `settings`; `world` replaces time, chance,
    threads and network, as `ibkr_async.testing` does.

    Errors on entering: `ConfigError` and `AuthError` for credentials; `ConnectFailedError` when
    nothing listens at the address; `TlsError` for a certificate that is not trusted;
    `CompetingSessionError` when another login holds the session; `SessionTimeoutError`.
    Concurrency: use it from the event loop in which it was entered, from any task.
    Side effects at the broker: leaving does not log out, and leaves working orders alone.
    """

    def __init__(
        self,
        auth: Auth,
        *,
        settings: Settings | None = None,
        world: World | None = None,
        account_id: str | None = None,
        compete: bool | None = None,
        allow_live_orders: bool | None = None,
        dry_run: bool | None = None,
        guard: GuardSettings | None = None,
        journal: AnyPath | None = None,
    ) -> None:
        settings = settings or Settings()
        self.settings = msgspec.structs.replace(
            settings,
            session=_with(settings.session, account_id=account_id, compete=compete),
            orders=_with(
                settings.orders,
                allow_live_orders=allow_live_orders,
                dry_run=dry_run,
                guard=guard,
                journal=None if journal is None else os.fspath(journal),
            ),
        )
        self._parts = parts = wiring.build(auth, self.settings, world)
        self._stop = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self.session = Session(parts.session, parts.lifetime.check)
        """The brokerage session: `ib.session.info`, `ib.session.logout()`."""
        self.accounts = parts.accounts
        """Accounts, balances and partitioned P&L."""
        self.contracts = parts.contracts
        """Symbols, contracts, rules, option chains and trading hours."""
        self.market_data = parts.market_data
        """Snapshots and history over REST."""
        self.portfolio = parts.portfolio
        """Positions, ledgers and summaries."""
        self.orders = parts.orders
        """The order desk: the only way to place an order."""

    @property
    def stream(self) -> Streams:
        """The socket and its feeds: `ib.stream.market_data(...)` and its siblings.

        Errors: `ClosedError` when the client was never opened.
        """
        self._parts.lifetime.check_opened()
        return self._parts.stream

    @property
    def _upstream(self) -> Upstream:
        self._parts.lifetime.check_opened()
        return self._parts.upstream

    def __repr__(self) -> str:
        info = self.session.info
        account = f" {info.account_id}" if info.account_id else ""
        host = self._parts.auth.base_url.partition("//")[2].partition("/")[0]
        return f"<Client {host} {info.state.value}{account}>"

    # --- lifetime --------------------------------------------------------------------------------

    async def open(self) -> Self:
        """Log in and bring the brokerage session up, as `async with` does; `aclose` ends it.

        Errors: those of entering the client.
        """
        lifetime, parts = self._parts.lifetime, self._parts
        if lifetime.closed:
            raise ClosedError("client", "a client is used once; make a new one")
        if lifetime.opened:
            raise UsageError("this client is open already; make a second one instead")
        try:
            await parts.order_engine.start()
        except BaseException:
            await self.aclose()
            raise
        lifetime.opened = True
        self._supervisor = asyncio.create_task(self._supervise(), name="ibkr_async supervisor")
        try:
            await parts.session.ready(fail_fast=True)
        except BaseException:
            # When it is a defect of a part that ended the session, this raises that instead.
            await self.aclose()
            raise
        return self

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def drain(self, timeout_s: float = 10.0) -> bool:
        """Close gently: unsubscribe, let consumers take what is queued, then close as `aclose` does.

        Shape: False when some consumer had not taken everything after `timeout_s`.
        """
        self._parts.lifetime.check_home()
        everything = await self._parts.engine.drain(timeout_s)
        await self.aclose()
        return everything

    async def aclose(self) -> None:
        """End every subscription and close all connections. Idempotent.

        The server sees the socket close with 1000. Orders and the login stay as they are. Requests under
        way end with `ClosedError`; an order of which IBKR may have heard ends as unknown.
        Errors: the defect of a part that ended the client, if one did. A part that does not close, such
        as a locked journal, is logged and keeps nothing else from closing.
        Cancellation: it is finished first; it takes about ten seconds at most.
        """
        self._parts.lifetime.check_home()
        self._parts.lifetime.closed = True
        self._stop.set()
        if self._supervisor is None:
            await self._close_parts()
            return
        await _wait_for_end(self._supervisor, self._parts.world.clock)
        if not self._supervisor.done():
            _LOG.error("closing: a part goes on although it was cancelled; it is left behind")
            await self._close_parts()
            return
        if not self._supervisor.cancelled() and (error := self._supervisor.exception()) is not None:
            raise _single(error)

    async def _supervise(self) -> None:
        """Own everything that runs. Ends when told to, or when a part has a bug."""
        parts = self._parts
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._keep_session, name="ibkr_async session keeper")
                tasks.start_soon(parts.engine.run, name="ibkr_async stream")
                tasks.start_soon(parts.follower.run, name="ibkr_async order follower")
                tasks.start_soon(parts.order_engine.run, name="ibkr_async order recovery")
                await self._stop.wait()
                # What goes wrong is told below, where it is closed once more.
                with suppress(Exception), anyio.move_on_after(_LONGEST_PART_S):
                    await parts.engine.aclose()
                tasks.cancel_scope.cancel()
        except Exception as error:
            parts.lifetime.death = _single(error)
            # A bot that sleeps would hear nothing otherwise.
            _LOG.critical("a defect ended the client: %r", parts.lifetime.death, exc_info=error)
            parts.engine.fail(parts.lifetime.closed_error())
            raise
        finally:
            parts.lifetime.closed = True
            await self._close_parts()

    async def _keep_session(self) -> None:
        await self._parts.session.run()
        # Logged out, as the user wished: without a session there is nothing to stream.
        await self._parts.engine.aclose()
        self._parts.order_engine.news.end()

    async def _close_parts(self) -> None:
        """Close everything, whatever one part does; those who wait are let go in any case."""
        parts = self._parts
        async with AsyncExitStack() as last_first:
            last_first.callback(self._end_session)
            # After the requests, so that it hears what became of orders under way.
            last_first.push_async_callback(_close, "the orders", parts.order_engine.aclose)
            last_first.push_async_callback(_close, "the connections", parts.pipeline.aclose)
            # Once more for the case of a bug: whoever iterates must not wait for ever.
            last_first.push_async_callback(_close, "the stream", parts.engine.aclose)
            last_first.callback(parts.lifetime.ending.come)

    def _end_session(self) -> None:
        """Let everybody who waits for the session, or for an event, know that it is over."""
        parts = self._parts
        error = parts.lifetime.closed_error()
        try:
            parts.session.close(error)
            parts.order_engine.news.end(error)
            at = parts.world.clock.wall()
            parts.events.publish(SessionClosed(at=at, logged_out=parts.session.logged_out))
        finally:
            parts.events.end()

    # --- what users call -------------------------------------------------------------------------

    async def ready(self, timeout_s: float | None = None) -> SessionInfo:
        """Wait until the brokerage session is established, for example after a nightly reset.

        Errors: `CompetingSessionError` and `SessionTimeoutError` when it is not within `timeout_s`
        (default: the setting `ready_timeout_s`); `ClosedError`.
        """
        return await self.session.ready(timeout_s)

    @overload
    async def request(
        self,
        method: Method,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        replayable: bool = False,
        success: Collection[int] = (),
    ) -> Any: ...

    @overload
    async def request(
        self,
        method: Method,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        result: type[T],
        replayable: bool = False,
        success: Collection[int] = (),
    ) -> T: ...

    async def request(
        self,
        method: Method,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        result: Any = Any,
        replayable: bool = False,
        success: Collection[int] = (),
    ) -> Any:
        """Call an endpoint that has no method yet: `await ib.request("GET", "/fyi/unreadnumber")`.

        It is logged in, signed and paced like every call, and its failures are the same errors. `path` is
        below `/v1/api`; those that begin with `/gw/` or `/oauth2/` are below the host. `query` and `body`
        are plain values. Say `replayable=True` for reads: then a failed one is made again. 202 means "not
        yet" except where IBKR documents it as success; name it in `success` where that is not known here.
        Shape: parsed JSON with fractions as `Decimal`, or `result`: a struct, `str`, `bytes`, or None
        where the body does not matter; None for an action that was answered with nothing.
        Errors: `UsageError` for a malformed path, and for whatever can change an order, which has its
        guards in `ib.orders`; those of every call.
        Pacing: the limit of the endpoint where it is known, else the global one.
        """
        return await self._parts.send(
            open_request(
                method,
                path,
                query=query,
                body=body,
                result=result,
                replayable=replayable,
                success=success,
            )
        )

    def quotes(
        self,
        *contracts: ContractLike,
        fields: Iterable[str] = QUOTE,
        buffer: int | None = None,
        policy: Policy | None = None,
    ) -> Quotes:
        """Stream merged, typed quotes: `async with ib.quotes("AAPL", 756733) as quotes`.

        Shape: each step gives the whole `Quote` of the contract that changed; what is not known is
        None, and after a gap nothing is. Symbols mean US stocks, `EUR.USD` a currency pair; anything
        else is given by conid or as a resolved contract.
        Errors: `UnknownFieldError`; on entering `UnknownSymbolError`, `AmbiguousSymbolError`.
        """
        return Quotes(self._upstream, contracts, fields=fields, buffer=buffer, policy=policy)

    def bars(
        self,
        contract: ContractLike,
        bar: str = "1min",
        since: str | datetime = "1d",
        *,
        live: bool = True,
        forming: bool = True,
        exchange: str | None = None,
        outside_rth: bool = False,
    ) -> Bars:
        """Follow a contract's bars: first the past since then, then the present, without a hole.

        `since` is a span such as `"2d"` or a datetime. Shape: `PriceBar`s in order of time, each final
        bar once; with `forming` also the bar that is still growing (`final` is False), as it changes,
        once IBKR's history has said where it begins.
        Use it as `async with ib.bars(...) as bars: async for bar in bars:`, or iterate it directly.
        Errors: `UsageError` for a bar size that IBKR does not offer.
        Pacing: a request for each span of 1,000 bars of the past, closed hours included; a download waits
        for IBKR's limit, `bars.waits_s` says how long. Then one for each bar that ends; more while it
        is not known where a bar begins, as before the opening.
        """
        history = partial(self.market_data.history, exchange=exchange, outside_rth=outside_rth)
        return Bars(
            self._upstream,
            lambda conid, period, until: history(conid, period, bar, until=until),
            contract,
            bar=bar,
            since=since,
            exchange=exchange,
            live=live,
            forming=forming,
        )

    def ladder(
        self, contract: ContractLike, *, account_id: str | None = None, exchange: str | None = None
    ) -> Ladder:
        """Follow a contract's price ladder (depth): each step gives the whole `PriceLadder`.

        Shape: empty when data may be missing, until it comes again.
        Errors: on entering `SubscriptionError` while another contract's ladder is open on the same
        account.
        """
        return Ladder(self._upstream, contract, account_id=account_id, exchange=exchange)

    def events(self) -> Events:
        """Follow what happens to session and stream from now on, independently of other consumers.

        It may be called before the client is entered, to miss nothing.
        Errors: `ClosedError` after the client was closed.
        """
        self._parts.lifetime.check_home()
        if self._parts.lifetime.closed:
            self._parts.lifetime.check()
        return self._parts.events.listen()

    def health(self) -> Health:
        """Take one look at session, socket, limits and orders. Asks nothing of the server."""
        parts = self._parts
        info, now, expires_at = self.session.info, parts.world.clock.wall(), parts.auth.expires_at
        return Health(
            session=info.state,
            account_id=info.account_id,
            socket_wanted=parts.engine.wanted,
            socket_connected=parts.engine.connected,
            rate_limited=parts.pipeline.is_rate_limited,
            tickle_age_s=parts.session.tickle_age_s,
            login_expires_in_s=None if expires_at is None else expires_at - now,
            unknown_orders=len(parts.orders.unknown),
            gaps=parts.engine.stats.gaps,
            requests=parts.pipeline.stats.requests,
        )


S = TypeVar("S", bound=msgspec.Struct)


def _with(settings: S, **changes: object) -> S:
    """Return the settings with those changes that are not None."""
    given = {name: value for name, value in changes.items() if value is not None}
    return msgspec.structs.replace(settings, **given)


async def _close(what: str, close: Callable[[], Awaitable[None]]) -> None:
    """Close a part, within bounds; log what goes wrong, since the others must be closed as well."""
    try:
        with anyio.CancelScope(shield=True), anyio.fail_after(_LONGEST_PART_S):
            await close()
    except Exception as error:  # noqa: BLE001 - logged; whatever it is, the rest must be closed
        _LOG.error("closing %s failed: %r", what, error, exc_info=error)


async def _wait_for_end(supervisor: asyncio.Task[None], clock: Clock) -> None:
    """Wait until it has ended, or does not in spite of being cancelled.

    A cancellation of the caller is passed on afterwards.
    """
    interrupted: asyncio.CancelledError | None = None
    deadline = clock.monotonic() + _LONGEST_CLOSE_S
    with anyio.CancelScope(shield=True):
        while not supervisor.done() and clock.monotonic() < deadline + _LAST_S:
            if clock.monotonic() >= deadline:
                supervisor.cancel()
            try:
                await asyncio.wait([supervisor], timeout=max(1.0, deadline - clock.monotonic()))
            except asyncio.CancelledError as cancellation:
                interrupted = cancellation
    if interrupted is not None:
        raise interrupted


def _single(error: BaseException) -> BaseException:
    """Unwrap groups with one member: the task group is not the user's business."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
