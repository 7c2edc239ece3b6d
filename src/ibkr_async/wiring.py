"""Who is given what: builds the parts of a client and joins them.

Responsible for one thing, `build`: from a login, settings and a world to parts that know each other
through what they were given. It starts nothing and owns no lifetime: that is the client's. Tests and
benchmarks that need a client of another kind build it here too, with other settings or another world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ibkr_async.auth import Secret
from ibkr_async.ending import Ending
from ibkr_async.errors import ClosedError, NoBridgeError, UnauthorizedError
from ibkr_async.events import AuthStatusChanged, Event, EventHub, LoginRenewed, StreamEvent
from ibkr_async.feeds.catalogue import Streams
from ibkr_async.feeds.subscription import Upstream
from ibkr_async.home import Home
from ibkr_async.orders.desk import OrderDesk
from ibkr_async.orders.engine import OrderEngine
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.known.follower import OrderFollower
from ibkr_async.orders.send.preparation import AccountFacts
from ibkr_async.orders.write.coid import CoidMaker
from ibkr_async.resources.accounts import Accounts
from ibkr_async.resources.contracts import Contracts
from ibkr_async.resources.market_data import MarketData
from ibkr_async.resources.portfolio import Portfolio
from ibkr_async.resources.session import SessionEndpoints
from ibkr_async.rest.pipeline import RestPipeline
from ibkr_async.rest.transport import HttpxTransport
from ibkr_async.sealed import SEALED
from ibkr_async.session.keeper import SessionKeeper
from ibkr_async.session.state import SessionFacts
from ibkr_async.stream.multiplexer import Multiplexer
from ibkr_async.world import World

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Sequence

    from ibkr_async.config import Settings
    from ibkr_async.ports import Auth, SocketTarget, Transport
    from ibkr_async.rest.request import RestRequest
    from ibkr_async.stream.settings import StreamSettings
    from ibkr_async.types import ContractLike

T = TypeVar("T")

_SESSION_PATIENCE_S = 600.0
"""How long a socket that is wanted waits for the session before that is reported."""

_OPEN_ONE = "open one with `async with Client(...) as ib:`"


def build(
    auth: Auth,
    settings: Settings,
    world: World | None = None,
    *,
    transport: Transport | None = None,
) -> Parts:
    """Build the parts of one client and join them. Does no I/O and needs no event loop.

    `transport` stands in for the real one where a test decides what the server answers.
    """
    return Parts(auth, settings, world or World(), transport)


class StreamParts(NamedTuple):
    """The socket and what it carries."""

    engine: Multiplexer
    """Keeps the socket; `run` it in a task."""
    upstream: Upstream
    """Where feeds look symbols and accounts up."""
    face: Streams
    """What users hold as `ib.stream`."""


def build_streams(
    settings: StreamSettings,
    world: World,
    *,
    # of the engine
    open_target: Callable[[], Awaitable[SocketTarget]],
    ssl_context: Callable[[], ssl.SSLContext],
    on_event: Callable[[StreamEvent], None],
    home: Home | None = None,
    # of the face
    resolve: Callable[..., Awaitable[Sequence[tuple[int, str]]]],
    account: Callable[[], Awaitable[str]],
    check_may_exercise: Callable[..., None],
) -> StreamParts:
    """Build the stream alone, as a client has it and as a benchmark without REST needs it."""
    engine = Multiplexer(
        world=world,
        open_target=open_target,
        ssl_context=ssl_context,
        on_event=on_event,
        home=home,
        settings=settings,
    )
    upstream = Upstream(engine, world=world, resolve=resolve, account=account)
    return StreamParts(
        engine, upstream, Streams(engine, upstream, check_may_exercise=check_may_exercise)
    )


class Parts:
    """What a client is made of. Nothing here runs by itself."""

    def __init__(
        self, auth: Auth, settings: Settings, world: World, transport: Transport | None
    ) -> None:
        self.auth = auth
        self.settings = settings
        self.world = world
        self.lifetime = Lifetime()
        self.events = EventHub()
        """Everything that happens, for `ib.events()`."""
        self._socket_login = -1
        """Generation of the login under which the socket was bound."""
        self.pipeline = self._build_pipeline(transport)
        self.session = self._build_session()
        self.engine, self.upstream, self.stream = build_streams(
            settings.stream,
            world,
            open_target=self._open_target,
            ssl_context=auth.ssl_context,
            on_event=self._take_stream_event,
            home=self.lifetime.home,
            resolve=self.resolve,
            account=self.default_account,
            check_may_exercise=self._check_may_exercise,
        )
        self.accounts = Accounts(self.send, account=self.session.account)
        self.contracts = Contracts(self.send)
        self.market_data = MarketData(self.send, conids=self.contracts.conids, world=world)
        self.portfolio = Portfolio(
            self.send, conids=self.contracts.conids, account=self.session.account
        )
        self.order_engine = self._build_order_engine()
        self.orders = OrderDesk(self.order_engine)
        self.follower = OrderFollower(
            self.order_engine.news,
            feeds=self.stream,
            readings=self.orders,
            settings=settings.orders.following,
            world=self.world,
        )

    # --- building --------------------------------------------------------------------------------

    def _build_pipeline(self, transport: Transport | None) -> RestPipeline:
        settings = self.settings.rest
        return RestPipeline(
            self.auth,
            transport
            or HttpxTransport(self.auth.ssl_context, settings.connections, world=self.world),
            settings=settings,
            home=self.lifetime.home,
            ending=self.lifetime.ending,
            world=self.world,
        )

    def _build_session(self) -> SessionKeeper:
        return SessionKeeper(
            SessionEndpoints(self._send_for_keeper),
            may_initialise=self.auth.opens_brokerage_session,
            login_generation=lambda: self.pipeline.logins.generation,
            on_event=self._take_session_event,
            on_ready=self._take_session_change,
            settings=self.settings.session,
            world=self.world,
        )

    def _build_order_engine(self) -> OrderEngine:
        settings, world = self.settings.orders, self.world
        return OrderEngine(
            self.send,
            check_home=self.lifetime.check_home,
            account_facts=self._account_facts,
            session_ready=self._session_ready,
            feeds_ready=self._order_feeds_ready,
            resolve=self.contracts.conids,
            make_coid=CoidMaker(world),
            journal=None if settings.journal is None else Journal(settings.journal, world=world),
            settings=settings,
            ending=self.lifetime.ending,
            world=world,
        )

    # --- joining: requests -----------------------------------------------------------------------

    async def send(self, request: RestRequest[T]) -> T:
        """Send a request of a user. Errors: `ClosedError`, and those of the pipeline."""
        self.lifetime.check()
        self.session.check_open()
        login = self.pipeline.logins.generation
        try:
            return await self.pipeline.send(request)
        except (NoBridgeError, UnauthorizedError):
            self.session.doubt()
            raise
        except ClosedError as closed:
            # Of a request that was under way when a defect ended the client.
            if (error := self.lifetime.closed_error()) is not None:
                error.may_have_reached_server = closed.may_have_reached_server
                raise error  # noqa: B904 - its cause is the defect
            raise
        finally:
            if self.pipeline.logins.generation != login:
                self.session.login_renewed()

    async def _send_for_keeper(self, request: RestRequest[T]) -> T:
        """As `send`, but what the keeper does about a lapsed session is not reported to it again."""
        self.lifetime.check_opened()
        return await self.pipeline.send(request)

    # --- joining: what one part asks of another --------------------------------------------------

    async def default_account(self) -> str:
        """Return the account that is used where none is named, once the session knows it."""
        await self._session_ready()
        return self.session.account()

    async def resolve(self, *wanted: ContractLike) -> list[tuple[int, str]]:
        """Return conid and symbol of each contract that was asked for."""
        return [(found.conid, found.symbol) for found in await self.contracts.resolve(*wanted)]

    async def _session_ready(self) -> None:
        self.lifetime.check()
        self.session.check_open()
        await self.session.ready()

    def _account_facts(self) -> AccountFacts:
        # Here, so that a search of half a minute is refused before it begins.
        self.lifetime.check_home()
        info = self.session.info
        # Of which kind the accounts are must be known of this very login.
        is_paper = info.is_paper if self.session.knows_accounts else None
        return AccountFacts(default_account_id=info.account_id or None, is_paper=is_paper)

    async def _open_target(self) -> SocketTarget:
        """Describe a new socket, once there is a session that it can be bound to.

        The keeper brings it up; a socket that asked for itself would log in all through the night.
        """
        await self.session.ready(_SESSION_PATIENCE_S)
        session = Secret(await self.session.socket_session())
        self._socket_login = self.pipeline.logins.generation
        with SEALED:
            return self.auth.socket(session.reveal())

    async def _order_feeds_ready(self, timeout_s: float) -> bool:
        return await self.follower.ready(timeout_s)

    def _check_may_exercise(self, conid: int, contracts: int | None, *, is_new: bool) -> None:
        self.order_engine.check_exercise(conid, contracts, is_new=is_new)

    # --- joining: what one part tells another ----------------------------------------------------

    def _take_session_change(self, ready: bool) -> None:  # noqa: FBT001 - a fact, not a mode
        self.engine.session_changed(ready)
        if ready:
            # IBKR's warm-up state does not survive a brokerage session.
            self.portfolio.forget()

    def _take_session_event(self, event: Event) -> None:
        self.events.publish(event)
        if (
            isinstance(event, LoginRenewed)
            and self.pipeline.logins.generation != self._socket_login
        ):
            # A socket that was bound under the old login does not survive it.
            self.engine.reconnect("the login was renewed")

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
            self.follower.observe(event)
        self.events.publish(event)


class Lifetime:
    """Whether the client is open, and if not, why: what every call checks first."""

    def __init__(self) -> None:
        self.home = Home()
        self.ending = Ending()
        """Comes when everything that still waits must stop."""
        self.opened = False
        self.closed = False
        self.death: BaseException | None = None
        """The defect that ended the client; the cause of every later `ClosedError`."""

    def check(self) -> None:
        """Raise `ClosedError` unless the client is open."""
        self.check_opened()
        if self.closed:
            raise self.closed_error() or ClosedError("client", _OPEN_ONE)

    def closed_error(self) -> ClosedError | None:
        """Return what to raise after a defect has ended the client, with the defect as its cause."""
        if self.death is None:
            return None
        error = ClosedError("client", f"a defect ended it: {self.death!r}")
        error.__cause__ = self.death
        return error

    def check_home(self) -> None:
        """Raise `UsageError` elsewhere than in the event loop in which the client was opened."""
        if self.opened:
            self.home.check()

    def check_opened(self) -> None:
        """Raise `ClosedError` when the client was never opened; `UsageError` as `check_home`."""
        if not self.opened:
            raise ClosedError("client", _OPEN_ONE)
        self.check_home()
