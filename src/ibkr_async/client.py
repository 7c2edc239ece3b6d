"""`Client`: builds the parts, joins them, and owns their lifetimes. Nothing else happens here.

One supervisor task owns the task group in which the session keeper and the stream run. Entering
the client waits until the session is up; leaving it tells the supervisor to stop and waits for
its end. The group is never entered in `__aenter__` itself: its scope would then belong to
whichever task happens to enter, which breaks inside test fixtures.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from typing import TYPE_CHECKING, Self, TypeVar

import anyio
import msgspec

from ibkr_async.config import Settings
from ibkr_async.errors import (
    ClosedError,
    NoBridgeError,
    OrderGuardError,
    UnauthorizedError,
    UsageError,
)
from ibkr_async.events import (
    AuthStatusChanged,
    Event,
    EventFeed,
    Events,
    LoginRenewed,
    SessionClosed,
    StreamEvent,
)
from ibkr_async.feeds.bars import BAR_FIELDS, Bars
from ibkr_async.feeds.ladder import Ladders
from ibkr_async.feeds.quotes import Quotes
from ibkr_async.health import Health
from ibkr_async.models.market_data import QUOTE
from ibkr_async.orders.desk import AccountFacts, DeskSettings, OrderDesk
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.known.follower import OrderFollower
from ibkr_async.orders.write.coid import CoidMaker
from ibkr_async.resources.accounts import Accounts
from ibkr_async.resources.contracts import Contracts
from ibkr_async.resources.market_data import MarketData
from ibkr_async.resources.portfolio import Portfolio
from ibkr_async.resources.session import SessionEndpoints
from ibkr_async.rest.pipeline import RestPipeline
from ibkr_async.rest.transport import HttpxTransport
from ibkr_async.session.keeper import SessionKeeper
from ibkr_async.session.state import SessionFacts
from ibkr_async.stream.core.protocol import CoreSettings
from ibkr_async.stream.multiplexer import Stream, StreamSettings
from ibkr_async.stream.socket.connection import SocketSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from datetime import datetime
    from types import TracebackType

    from ibkr_async.config import AnyPath, GuardSettings
    from ibkr_async.feeds.buffer import Policy
    from ibkr_async.ports import Auth, SocketTarget
    from ibkr_async.rest.request import RestRequest
    from ibkr_async.session.keeper import SessionInfo

T = TypeVar("T")

_LONGEST_CLOSE_S = 10.0
"""After this a part that does not end is cancelled."""

_SESSION_PATIENCE_S = 600.0
"""How long a socket that is wanted waits for the session before that is reported."""

_OPEN_ONE = "open one with `async with Client(...) as ib:`"


class Client:
    """One login at Interactive Brokers: REST, orders and streams behind one object.

    `async with Client(OAuth1a.from_env()) as ib:` logs in, brings the brokerage session up and
    keeps it up until the block is left. `auth` is `OAuth1a`, `Gateway` or anything with the
    methods of `ibkr_async.auth.Auth`. The keywords override `settings`.

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
        account_id: str | None = None,
        compete: bool | None = None,
        allow_live_orders: bool | None = None,
        dry_run: bool | None = None,
        guard: GuardSettings | None = None,
        journal: AnyPath | None = None,
    ) -> None:
        overrides = {
            "account_id": account_id,
            "compete": compete,
            "allow_live_orders": allow_live_orders,
            "dry_run": dry_run,
            "guard": guard,
            "journal": None if journal is None else os.fspath(journal),
        }
        self.settings = msgspec.structs.replace(
            settings or Settings(),
            **{name: value for name, value in overrides.items() if value is not None},
        )
        self._auth = auth
        self._feed = EventFeed()
        self._socket_login = -1
        """Generation of the login under which the socket was bound."""
        self._stop = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._closed = False
        self._build_rest()
        self._build_session()
        self._build_stream()
        self._build_resources()

    # --- building --------------------------------------------------------------------------------

    def _build_rest(self) -> None:
        settings = self.settings
        self._pipeline = RestPipeline(
            self._auth,
            HttpxTransport(self._auth.ssl_context, connect_timeout_s=settings.connect_timeout_s),
            read_timeout_s=settings.read_timeout_s,
            action_timeout_s=settings.order_timeout_s,
        )

    def _build_session(self) -> None:
        settings = self.settings
        self.session = SessionKeeper(
            SessionEndpoints(self._send_for_keeper),
            Accounts(self._send_for_keeper),
            may_initialise=self._auth.opens_brokerage_session,
            login_generation=lambda: self._pipeline.logins.generation,
            on_event=self._take_session_event,
            on_ready=self._take_session_change,
            clock=time.time,
            tickle_interval_s=settings.tickle_interval_s,
            compete=settings.compete,
            account_id=settings.account_id or "",
        )
        """The brokerage session: `ib.session.info`, `ib.session.logout()`."""

    def _build_stream(self) -> None:
        settings = self.settings
        self._stream = Stream(
            open_target=self._open_target,
            ssl_context=self._auth.ssl_context,
            on_event=self._take_stream_event,
            check_may_trade=self._check_may_trade,
            settings=StreamSettings(
                protocol=CoreSettings(
                    tic_interval_s=settings.tic_interval_s,
                    dead_after_s=settings.heartbeat_deadline_s,
                    renew_after_s=settings.smd_lifetime_s,
                    renew_jitter=settings.smd_jitter,
                    max_frame_bytes=settings.max_frame_bytes,
                ),
                socket=SocketSettings(
                    open_timeout_s=settings.connect_timeout_s,
                    max_frame_bytes=settings.max_frame_bytes,
                ),
                first_retry_s=settings.reconnect_spread_s,
                retry_cap_s=settings.reconnect_cap_s,
                healthy_s=settings.reconnect_healthy_s,
                close_timeout_s=settings.close_timeout_s,
            ),
        )

    def _build_resources(self) -> None:
        settings = self.settings
        self.accounts = Accounts(self._send)
        """Accounts, balances and partitioned P&L."""
        self.contracts = Contracts(self._send)
        """Symbols, contracts, rules, option chains and trading hours."""
        self.market_data = MarketData(self._send, anyio.sleep)
        """Snapshots and history over REST."""
        self.portfolio = Portfolio(self._send)
        """Positions, ledgers and summaries."""
        self.orders = OrderDesk(
            self._send,
            account_facts=self._account_facts,
            make_coid=CoidMaker(_now_ms, secrets.randbits),
            journal=None if settings.journal is None else Journal(settings.journal, now_ms=_now_ms),
            settings=DeskSettings(
                allow_live_orders=settings.allow_live_orders,
                dry_run=settings.dry_run,
                guard=settings.guard,
                closes_gate=settings.gate_unknown_orders,
                order_timeout_s=settings.order_timeout_s,
                probe_spread_s=settings.order_probe_s,
            ),
        )
        """The order desk: the only way to place an order."""
        self._follower = OrderFollower(self.orders.news, feeds=self._stream, readings=self.orders)

    @property
    def stream(self) -> Stream:
        """The socket and its subscriptions: `ib.stream.market_data(...)` and its siblings.

        Errors: `ClosedError` when the client was never opened.
        """
        self._check_opened()
        return self._stream

    # --- lifetime --------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        if self._closed:
            raise ClosedError("client", "a client is used once; make a new one")
        if self._supervisor is not None:
            raise UsageError("this client is open already; make a second one instead")
        try:
            await self.orders.start()
        except BaseException:
            await self.orders.aclose()
            await self.aclose()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name="ibkr_async supervisor")
        try:
            await self.session.ready(self.settings.ready_timeout_s, fail_fast=True)
        except BaseException:
            # When it is a defect of a part that ended the session, this raises that instead.
            await self.aclose()
            raise
        return self

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
        everything = await self._stream.drain(timeout_s)
        await self.aclose()
        return everything

    async def aclose(self) -> None:
        """End every subscription and close all connections. Idempotent.

        The server sees the socket close with 1000. Orders and the login stay as they are.
        Cancellation: it is finished first; it takes at most ten seconds.
        """
        self._closed = True
        self._stop.set()
        if self._supervisor is None:
            self._end_session()
            return
        await _wait_for_end(self._supervisor)
        if not self._supervisor.cancelled() and (error := self._supervisor.exception()) is not None:
            raise _single(error)

    async def _supervise(self) -> None:
        """Own everything that runs. Ends when told to, or when a part has a bug."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._keep_session, name="ibkr_async session keeper")
                tasks.start_soon(self._stream.run, name="ibkr_async stream")
                tasks.start_soon(self._follower.run, name="ibkr_async order follower")
                tasks.start_soon(self.orders.run, name="ibkr_async order recovery")
                await self._stop.wait()
                await self._stream.aclose()
                tasks.cancel_scope.cancel()
        finally:
            self._closed = True
            with anyio.CancelScope(shield=True):
                # Once more for the case of a bug: whoever iterates must not wait for ever.
                await self._stream.aclose()
                await self.orders.aclose()
                await self._pipeline.aclose()
            self._end_session()

    async def _keep_session(self) -> None:
        await self.session.run()
        # Logged out, as the user wished: without a session there is nothing to stream.
        await self._stream.aclose()
        self.orders.news.end()

    def _end_session(self) -> None:
        """Let everybody who waits for the session, or for an event, know that it is over."""
        self.session.close()
        self.orders.news.end()
        self._feed.publish(SessionClosed(at=time.time(), logged_out=self.session.logged_out))
        self._feed.end()

    # --- what users call -------------------------------------------------------------------------

    async def ready(self, timeout_s: float | None = None) -> SessionInfo:
        """Wait until the brokerage session is established, for example after a nightly reset.

        Errors: `CompetingSessionError` and `SessionTimeoutError` when it is not within `timeout_s`
        (default: the setting `ready_timeout_s`); `ClosedError`.
        """
        self._check_open()
        return await self.session.ready(
            self.settings.ready_timeout_s if timeout_s is None else timeout_s
        )

    def quotes(
        self,
        *wanted: str | int,
        fields: Iterable[str] = QUOTE,
        buffer: int | None = None,
        policy: Policy | None = None,
    ) -> Quotes:
        """Stream merged, typed quotes of symbols or conids: `async with ib.quotes("AAPL") as quotes`.

        Shape: each step gives the whole `Quote` of the contract that changed; what is not known is
        None. Symbols mean US stocks, `EUR.USD` a currency pair; anything else is given by conid.
        Errors on entering: `UnknownSymbolError`, `AmbiguousSymbolError`, `UnknownFieldError`.
        """
        return Quotes(
            self.stream, self._resolve, *wanted, fields=fields, buffer=buffer, policy=policy
        )

    def bars(
        self,
        conid: int,
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
        bar once; with `forming` also the bar that is still growing (`final` is False), as it changes.
        Use it as `async with ib.bars(...) as bars: async for bar in bars:`, or iterate it directly.
        Errors: `UsageError` for a bar size that IBKR does not offer.
        Pacing: a request for each 1,000 bars of the past, and one for each bar that ends.
        """
        return Bars(
            lambda period, until: self.market_data.history(
                conid, period, bar, exchange=exchange, outside_rth=outside_rth, until=until
            ),
            lambda: self.stream.market_data(
                conid if exchange is None else f"{conid}@{exchange}",
                fields=BAR_FIELDS,
                markers=True,
            ),
            conid=conid,
            bar=bar,
            since=since,
            live=live,
            forming=forming,
        )

    def ladder(
        self, conid: int, *, account_id: str | None = None, exchange: str | None = None
    ) -> Ladders:
        """Follow a contract's price ladder (depth): each step gives the whole `PriceLadder`.

        Errors: `SubscriptionError` while another contract's ladder is open on the same account.
        """
        account = self._default_account if account_id is None else _constant(account_id)
        return Ladders(self.stream, account, conid, exchange)

    def events(self) -> Events:
        """Follow what happens to session and stream from now on, independently of other consumers.

        It may be called before the client is entered, to miss nothing.
        Errors: `ClosedError` after the client was closed.
        """
        if self._closed:
            raise ClosedError("client", _OPEN_ONE)
        return self._feed.listen()

    def health(self) -> Health:
        """Take one look at session, socket, limits and orders. Asks nothing of the server."""
        info, now, expires_at = self.session.info, time.time(), self._auth.expires_at
        return Health(
            session=info.state,
            account_id=info.account_id,
            socket_wanted=self._stream.wanted,
            socket_connected=self._stream.connected,
            rate_limited=self._pipeline.is_rate_limited,
            tickle_age_s=None if info.last_tickle is None else now - info.last_tickle,
            login_expires_in_s=None if expires_at is None else expires_at - now,
            unknown_orders=len(self.orders.unknown),
            gaps=self._stream.stats.gaps,
            requests=self._pipeline.stats.requests,
        )

    # --- joining ---------------------------------------------------------------------------------

    async def _send(self, request: RestRequest[T]) -> T:
        self._check_open()
        login = self._pipeline.logins.generation
        try:
            return await self._pipeline.send(request)
        except (NoBridgeError, UnauthorizedError):
            self.session.doubt()
            raise
        finally:
            if self._pipeline.logins.generation != login:
                self.session.login_renewed()

    async def _send_for_keeper(self, request: RestRequest[T]) -> T:
        """As `_send`, but what the keeper does about a lapsed session is not reported to it again."""
        self._check_opened()
        return await self._pipeline.send(request)

    def _check_open(self) -> None:
        self._check_opened()
        if self._closed:
            raise ClosedError("client", _OPEN_ONE)
        self.session.check_open()

    def _check_opened(self) -> None:
        if self._supervisor is None:
            raise ClosedError("client", _OPEN_ONE)

    async def _open_target(self) -> SocketTarget:
        """Describe a new socket, once there is a session that it can be bound to.

        The keeper brings it up; a socket that asked for itself would log in all through the night.
        """
        await self.session.ready(_SESSION_PATIENCE_S)
        session = await self.session.socket_session()
        self._socket_login = self._pipeline.logins.generation
        return self._auth.socket(session)

    async def _check_may_trade(self, what: str) -> None:
        facts = await self._account_facts()
        if facts.is_paper is not True and not self.settings.allow_live_orders:
            raise OrderGuardError(
                f"({what})",
                "this account is not known to be paper; to trade with real money give the client "
                "allow_live_orders=True",
            )

    async def _default_account(self) -> str:
        return (await self._account_facts()).default_account_id or ""

    async def _account_facts(self) -> AccountFacts:
        self._check_open()
        info = await self.session.ready(self.settings.ready_timeout_s)
        return AccountFacts(default_account_id=info.account_id or None, is_paper=info.is_paper)

    async def _resolve(self, *wanted: str | int) -> list[tuple[int, str]]:
        self._check_open()
        return [(found.conid, found.symbol) for found in await self.contracts.resolve(*wanted)]

    def _take_session_change(self, ready: bool) -> None:  # noqa: FBT001 - a fact, not a mode
        self._stream.session_changed(ready)
        if ready:
            # IBKR's warm-up state does not survive a brokerage session.
            self.portfolio.forget()

    def _take_session_event(self, event: Event) -> None:
        self._feed.publish(event)
        if isinstance(event, LoginRenewed) and (
            self._pipeline.logins.generation != self._socket_login
        ):
            # A socket that was bound under the old login does not survive it.
            self._stream.reconnect("the login was renewed")

    def _take_stream_event(self, event: Event) -> None:
        if isinstance(event, AuthStatusChanged):
            status = event.status
            self.session.observe(
                SessionFacts(
                    connected=status.connected,
                    authenticated=status.authenticated,
                    established=status.established,
                    competing=status.competing,
                    message=status.fail or status.message,
                )
            )
        if isinstance(event, StreamEvent):
            self._follower.observe(event)
        self._feed.publish(event)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _constant(value: str) -> Callable[[], Awaitable[str]]:
    async def give() -> str:
        return value

    return give


async def _wait_for_end(supervisor: asyncio.Task[None]) -> None:
    """Wait until it has ended; a cancellation of the caller is passed on afterwards."""
    interrupted: asyncio.CancelledError | None = None
    deadline = time.monotonic() + _LONGEST_CLOSE_S
    with anyio.CancelScope(shield=True):
        while not supervisor.done():
            if time.monotonic() >= deadline:
                supervisor.cancel()
            try:
                await asyncio.wait([supervisor], timeout=max(1.0, deadline - time.monotonic()))
            except asyncio.CancelledError as cancellation:
                interrupted = cancellation
    if interrupted is not None:
        raise interrupted


def _single(error: BaseException) -> BaseException:
    """Unwrap groups with one member: the task group is not the user's business."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
