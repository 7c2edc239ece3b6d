"""The keeper: brings the brokerage session up, holds it there and says what became of it.

One loop, run by the client's supervisor. It asks `state.next_step` what to do and does it through
the REST core: status, `ssodh/init` until established, `/iserver/accounts`, then a tickle every
minute. Whatever else hears of the session (the socket's `sts`) reports through `observe`. The
keeper must never place an order, and never fight another login unless the user asked for that.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from ibkr_async.backoff import capped
from ibkr_async.errors import (
    AuthError,
    ClosedError,
    CompetingSessionError,
    ConfigError,
    ConnectFailedError,
    IbkrError,
    NotReadyError,
    SessionTimeoutError,
    TlsError,
)
from ibkr_async.session.accounts import choose, tradable
from ibkr_async.session.events import (
    LoginRenewed,
    SessionCompeting,
    SessionEvent,
    SessionLost,
    SessionMaintenance,
    SessionReady,
    SessionTakenOver,
    SessionTrouble,
)
from ibkr_async.session.state import SessionFacts, SessionState, Step, next_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from ibkr_async.models.accounts import AccountsReply
    from ibkr_async.models.session import AuthStatusReply
    from ibkr_async.resources.session import SessionEndpoints
    from ibkr_async.session.settings import SessionSettings
    from ibkr_async.world import World

logger = logging.getLogger("ibkr_async.session")

_STARTING_FAILURES = (AuthError, ConfigError, TlsError, ConnectFailedError)
"""Failures that end the *first* attempt: they are mistakes far more often than weather."""

_AT_REST = frozenset({Step.TICKLE, Step.STAND_BACK})


class _SocketSession(msgspec.Struct, frozen=True, kw_only=True):
    """What the last tickle gave for binding a socket."""

    value: str = ""
    login: int = -1
    """Generation of the login under which it was given."""
    told_at: float = float("-inf")
    """When, on the monotonic clock."""

    def __repr__(self) -> str:
        return f"_SocketSession(login={self.login})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("login", self.login)]


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the session right now."""

    state: SessionState = SessionState.UNKNOWN
    account_id: str = ""
    """The account that is used where none is named: the one that the settings name, or else the only
    one. Empty when there are several, and before the accounts are loaded."""
    account_ids: tuple[str, ...] = ()
    """The accounts that can trade; groups of an advisor are not among them."""
    is_paper: bool | None = None
    """None means that IBKR has not said; orders are then guarded as on a live account."""
    server_name: str = ""
    server_version: str = ""
    message: str = ""
    """IBKR's own words for the last failure."""
    ready_since: float | None = None
    """Unix seconds since when the session has been ready without a break."""
    last_tickle: float | None = None
    """Unix seconds of the last tickle that was answered."""
    takeovers: int = 0
    """How often this client pushed another login out."""


class SessionKeeper:
    """Holds one brokerage session.

    Concurrency: `run` once; everything else from any task of the same loop.
    """

    def __init__(
        self,
        endpoints: SessionEndpoints,
        *,
        # the login
        may_initialise: bool,
        login_generation: Callable[[], int],
        # what the user wishes
        settings: SessionSettings,
        # who is told
        on_event: Callable[[SessionEvent], None],
        on_ready: Callable[[bool], None],
        # surroundings
        world: World,
    ) -> None:
        self.info = SessionInfo()
        self._endpoints = endpoints
        self._may_initialise = may_initialise
        self._login_generation = login_generation
        self._on_event = on_event
        self._on_ready = on_ready
        self._clock = world.clock
        self._settings = settings
        self._compete = settings.compete
        self._wanted_account_id = settings.account_id
        self._facts = SessionFacts()
        self._accounts_loaded = False
        self._accounts_login: int | None = None
        """Generation of the login under which the accounts were read."""
        self._failures = 0
        self._initialised = 0
        self._last_takeover = float("-inf")
        self._taking_over = False
        self._generation = 0
        self._doubts = False
        self._doubted_at = float("-inf")
        self._started = False
        self._down_since: float | None = None
        """Since when a session that was up is down; None while it is up."""
        self._in_maintenance = False
        self._trouble: IbkrError | None = None
        """What failed last, while it fails."""
        self._logged_out = False
        self._closed = False
        self._closed_by: ClosedError | None = None
        self._socket_session = _SocketSession()
        self._tickling = anyio.Lock()
        self._fatal: IbkrError | None = None
        self._changed = anyio.Event()
        self._nudged = anyio.Event()

    # --- what others ask -------------------------------------------------------------------------

    async def ready(
        self, timeout_s: float | None = None, *, fail_fast: bool = False
    ) -> SessionInfo:
        """Wait until the brokerage session is established and the accounts are loaded.

        `timeout_s` is the setting `ready_timeout_s` where it is not given. `fail_fast` raises a
        competing session immediately instead of waiting it out.

        Errors: `CompetingSessionError`; `SessionTimeoutError` after `timeout_s`; `ClosedError` once
        it was logged out or the client closed; before the session was ever ready also what stopped
        it: `AuthError`, `ConfigError`, `TlsError`, `ConnectFailedError`.
        """
        if timeout_s is None:
            timeout_s = self._settings.ready_timeout_s
        with anyio.move_on_after(timeout_s):
            while not self.knows_accounts:
                if self.info.state is SessionState.READY:
                    self._nudged.set()  # another login was made, and its accounts are not read yet
                self.check_open()
                if self._fatal is not None:
                    raise self._fatal
                if fail_fast and self._stands_back:
                    raise CompetingSessionError
                await self._changed.wait()
            return self.info
        if self.info.state is SessionState.COMPETING:
            raise CompetingSessionError
        words = self.info.message or str(self._trouble or "")
        raise SessionTimeoutError(timeout_s, self.info.state, words) from self._trouble

    @property
    def knows_accounts(self) -> bool:
        """Tell whether `info` is about a session that is ready, and about the login of this moment."""
        known = self._accounts_login == self._login_generation()
        return known and self.info.state is SessionState.READY

    def account(self, named: str | None = None) -> str:
        """Return the account that is meant: the one that is named, or else the session's only one.

        Errors: `UsageError` that lists the accounts when there is no default.
        """
        return choose(named, self.info.account_id, self.info.account_ids)

    @property
    def tickle_age_s(self) -> float | None:
        """Seconds since the last tickle that was answered; None before the first."""
        told_at = self._socket_session.told_at
        return None if told_at == float("-inf") else self._clock.monotonic() - told_at

    async def socket_session(self) -> str:
        """Fetch the value that binds a new socket to this session.

        Source: `POST /tickle`, field `session`. It is asked for anew for every connection, because an
        old value does not survive a new live session token; only one that has just come is used.
        Errors: `ClosedError` once it was logged out; those of the request.
        """
        self.check_open()
        known = self._socket_session
        age_s = self._clock.monotonic() - known.told_at
        if known.login != self._login_generation() or age_s >= self._settings.value_fresh_s:
            await self._tickle()
        return self._socket_session.value

    async def logout(self) -> None:
        """End the session at IBKR; every socket of this username's session closes.

        Side effects at the broker: a gateway needs its browser login again afterwards. Working
        orders stay where they are.
        Source: `POST /logout`.
        """
        await self._endpoints.logout()
        self._logged_out = True
        self._facts = SessionFacts()
        self._publish()
        self._nudged.set()

    def close(self, error: ClosedError | None = None) -> None:
        """End it on this side only: whoever waits for the session hears that it is closed, and why."""
        self._closed, self._closed_by = True, error
        self._publish()

    def check_open(self) -> None:
        """Raise `ClosedError` once the session was logged out or the client closed."""
        if self._logged_out:
            raise ClosedError("session", "it was logged out; open a new client")
        if self._closed:
            raise self._closed_by or ClosedError(
                "client", "open a new one with `async with Client(...) as ib:`"
            )

    @property
    def logged_out(self) -> bool:
        """True once `logout` has succeeded."""
        return self._logged_out

    def observe(self, facts: SessionFacts) -> None:
        """Take in what the socket said of the session (`sts`); wake the keeper if it matters."""
        before = self.info.state
        self._learn(facts)
        if self.info.state is not before:
            self._nudged.set()

    def login_renewed(self) -> None:
        """Look at the session now: a new login was made, which knows nothing of the old session."""
        self._nudged.set()

    def doubt(self) -> None:
        """Look at the session soon: an answer suggested that it has lapsed.

        The state stays as it is until IBKR has been asked. At most once in `doubt_interval_s`.
        """
        now = self._clock.monotonic()
        if now - self._doubted_at >= self._settings.doubt_interval_s:
            self._doubted_at = now
            self._doubts = True
            self._nudged.set()

    # --- the loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the session until cancelled or logged out. Failures outside never end it."""
        while not self._logged_out:
            self._nudged = anyio.Event()
            try:
                pause_s = await self._take_step()
                self._failures, self._trouble = 0, None
            except IbkrError as error:
                pause_s = self._note_failure(error)
            self._watch_outage()
            await self._rest(pause_s)

    async def _rest(self, pause_s: float) -> None:
        """Wait so many seconds, or until nudged."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_when, self._nudged, tasks.cancel_scope)
            await self._clock.sleep(pause_s)
            tasks.cancel_scope.cancel()

    async def _take_step(self) -> float:
        """Do what the tables say and return how long to rest, in seconds."""
        self._watch_login()
        if self._doubts:
            self._doubts = False
            self._learn_reply(await self._endpoints.auth_status())
        step = self._next_step()
        if step is Step.ASK_STATUS:
            self._learn_reply(await self._endpoints.auth_status())
            return self._rest_before_next_try()
        if step is Step.INITIALISE:
            await self._initialise()
            return self._rest_before_next_try()
        if step is Step.LOAD_ACCOUNTS:
            login = self._login_generation()
            self._note_accounts(await self._endpoints.accounts(), login)
            return 0.0
        await self._tickle()
        # The tickle may have told that the session is lost, or free again.
        return self._settings.tickle_interval_s if self._next_step() in _AT_REST else 0.0

    def _next_step(self) -> Step:
        login = self._login_generation()
        # A new login is kept alive first; then the accounts are read again, which may be others.
        are_stale = self._accounts_login != login == self._socket_session.login
        return next_step(
            self._facts,
            accounts_loaded=self._accounts_loaded and not are_stale,
            may_initialise=self._may_initialise or bool(self._facts.connected),
            may_take_over=self._may_take_over(),
        )

    def _rest_before_next_try(self) -> float:
        """No pause while there is progress, a growing one while the session stays down."""
        state = self._facts.state
        if state is SessionState.READY:
            self._initialised = 0
            return 0.0
        if state is SessionState.COMPETING:
            return 0.0 if self._may_take_over() else self._settings.tickle_interval_s
        self._initialised += 1
        return 0.0 if self._initialised == 1 else self._growing_pause(self._initialised - 2)

    def _growing_pause(self, attempt: int) -> float:
        return capped(self._settings.first_retry_s, attempt, self._settings.retry_cap_s)

    async def _initialise(self) -> None:
        """Ask for the brokerage session. A 200 with `authenticated:false` is a failure."""
        taking_over = self._facts.state is SessionState.COMPETING
        if taking_over:
            self._last_takeover = self._clock.monotonic()
        self._taking_over = taking_over
        try:
            # First without `compete` even if the user allows it: that would take over unnoticed.
            reply = await self._endpoints.init_brokerage_session(compete=taking_over)
        finally:
            self._taking_over = False
            self._announce_change()
        if taking_over and reply.authenticated and not reply.competing:
            self.info = msgspec.structs.replace(self.info, takeovers=self.info.takeovers + 1)
            self._on_event(SessionTakenOver(at=self._clock.wall()))
        # What the answer leaves out is known: after a login the old flags say nothing any more.
        self._facts = SessionFacts()
        self._learn_reply(reply)

    async def _tickle(self) -> None:
        """Keep the session alive. Who waits for another's tickle is served by it as well."""
        served = self._socket_session
        async with self._tickling:
            if self._socket_session is not served:
                return
            reply = await self._endpoints.tickle()
            if served.value and reply.session and reply.session != served.value:
                self._accounts_login = None  # somebody else may have logged in, as in a gateway
            self._socket_session = _SocketSession(
                value=reply.session or "",
                login=self._login_generation(),
                told_at=self._clock.monotonic(),
            )
            self.info = msgspec.structs.replace(self.info, last_tickle=self._clock.wall())
            if reply.iserver is not None and reply.iserver.auth_status is not None:
                self._learn_reply(reply.iserver.auth_status)

    @property
    def _stands_back(self) -> bool:
        """True while another login holds the session and nothing is being done about it."""
        competing = self.info.state is SessionState.COMPETING
        return competing and not self._taking_over and not self._may_take_over()

    def _may_take_over(self) -> bool:
        since_s = self._clock.monotonic() - self._last_takeover
        return self._compete and since_s >= self._settings.takeover_interval_s

    def _watch_outage(self) -> None:
        """Report once for each outage that it lasts, as the nightly reset does."""
        if self.info.state is SessionState.READY and not self._failures:
            self._down_since, self._in_maintenance = None, False
            return
        if not self._started or self.info.state is SessionState.COMPETING:
            return
        now = self._clock.monotonic()
        if self._down_since is None:
            self._down_since = now
        down_s = now - self._down_since
        if down_s >= self._settings.maintenance_after_s and not self._in_maintenance:
            self._in_maintenance = True
            logger.warning("session down for %.0f s, as in a reset at IBKR", down_s)
            self._on_event(
                SessionMaintenance(
                    at=self._clock.wall(),
                    down_s=down_s,
                    detail=self.info.message or str(self._trouble or ""),
                )
            )

    def _watch_login(self) -> None:
        """A renewed login starts with no brokerage session known: look at it afresh."""
        generation = self._login_generation()
        if generation != self._generation:
            renewed, self._generation = self._generation > 0, generation
            if renewed:
                self._facts = SessionFacts()
                self._on_event(LoginRenewed(at=self._clock.wall()))

    # --- what was learnt -------------------------------------------------------------------------

    def _learn_reply(self, reply: AuthStatusReply) -> None:
        server = reply.server_info
        if server is not None:
            self.info = msgspec.structs.replace(
                self.info,
                server_name=server.server_name or self.info.server_name,
                server_version=server.server_version or self.info.server_version,
            )
        self._learn(
            SessionFacts(
                connected=reply.connected,
                authenticated=reply.authenticated,
                established=reply.established,
                competing=reply.competing,
                message=reply.fail or reply.message,
            )
        )

    def _learn(self, facts: SessionFacts) -> None:
        self._facts = self._facts.merge(facts)
        if self._facts.state is not SessionState.READY:
            self._accounts_loaded = False
        self._publish()

    def _note_accounts(self, reply: AccountsReply, login: int) -> None:
        """Take in the accounts of a login, of which only a single one is a default."""
        if not reply.accounts:
            # So it answers while it loads them.
            raise NotReadyError("GET /iserver/accounts", 200, "no account is listed yet")
        account_ids = tradable(reply)
        wanted = self._wanted_account_id
        if wanted and wanted not in account_ids:
            listed = ", ".join(account_ids) or "none"
            raise ConfigError(
                f"account {wanted!r} is not among the accounts of this login ({listed}); "
                "correct account_id"
            )
        self._accounts_loaded, self._accounts_login = True, login
        self.info = msgspec.structs.replace(
            self.info,
            account_ids=account_ids,
            account_id=wanted or (account_ids[0] if len(account_ids) == 1 else ""),
            is_paper=reply.is_paper,
        )
        self._publish()
        self._announce_change()

    def _publish(self) -> None:
        """Make the new state visible, and tell whoever listens when it changed."""
        state = self._facts.state
        if self._logged_out or self._closed:
            state = SessionState.CLOSED
        if state is SessionState.READY and not self._accounts_loaded:
            state = SessionState.LOADING
        before, at = self.info.state, self._clock.wall()
        self.info = msgspec.structs.replace(
            self.info,
            state=state,
            message=self._facts.message or "",
            ready_since=None if state is not SessionState.READY else self.info.ready_since or at,
        )
        if state is before:
            return
        if state is SessionState.READY:
            self._started, self._fatal = True, None
            logger.info("session ready: account %s", ", ".join(self.info.account_ids))
            self._on_event(
                SessionReady(at=at, account_id=self.info.account_id, is_paper=self.info.is_paper)
            )
            self._on_ready(True)
        elif before is SessionState.READY and not self._closed:
            logger.warning("session lost: %s", state)
            self._on_event(SessionLost(at=at, state=state, detail=self.info.message))
            self._on_ready(False)
        if state is SessionState.COMPETING:
            if self._started:  # before, `ready` raises it
                logger.warning("session is held by another login of the same username")
            self._on_event(SessionCompeting(at=at))
        self._announce_change()

    def _note_failure(self, error: IbkrError) -> float:
        """Remember a failed step and return the pause before the next, in seconds."""
        self._failures += 1
        self._trouble = error
        pause_s = self._growing_pause(self._failures - 1)
        if not self._started and isinstance(error, _STARTING_FAILURES):
            self._fatal = error  # raised by `ready`, so neither logged nor published as well
            self._announce_change()
            return pause_s
        logger.warning("session: %s (next try in %g s)", error, pause_s)
        self._on_event(SessionTrouble(at=self._clock.wall(), detail=str(error), retry_in_s=pause_s))
        return pause_s

    def _announce_change(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


async def _cancel_when(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
