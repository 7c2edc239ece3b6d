"""The keeper: brings the brokerage session up, holds it there and says what became of it.

One loop, run by the client's supervisor. It asks `state.next_step` what to do and does it through
the REST core: status, `ssodh/init` until established, `/iserver/accounts`, then a tickle every
minute. Whatever else hears of the session (the socket's `sts`) reports through `observe`. The
keeper must never place an order, and never fight another login unless the user asked for that.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio
import msgspec

from ibkr_async.errors import (
    AuthError,
    CompetingSessionError,
    ConfigError,
    ConnectFailedError,
    IbkrError,
    SessionTimeoutError,
    TlsError,
)
from ibkr_async.session.events import (
    LoginRenewed,
    SessionCompeting,
    SessionEvent,
    SessionLost,
    SessionReady,
    SessionTakenOver,
    SessionTrouble,
)
from ibkr_async.session.state import SessionFacts, SessionState, Step, next_step

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ibkr_async.models.accounts import AccountsReply
    from ibkr_async.models.session import AuthStatusReply, TickleReply
    from ibkr_async.resources.accounts import Accounts
    from ibkr_async.resources.session import SessionEndpoints

logger = logging.getLogger("ibkr_async.session")

TAKEOVER_INTERVAL_S = 600.0
"""With `compete=True` at most one takeover in this time: two clients that both compete would
otherwise push each other out for ever."""

RETRY_CAP_S = 300.0
"""Longest pause between attempts to bring the session up: fewer than 30 in a nightly reset."""

DOUBT_INTERVAL_S = 5.0
"""A caller that meets a 401 again and again does not cause a status request for each."""

STARTING_FAILURES = (AuthError, ConfigError, TlsError, ConnectFailedError)
"""Failures that end the *first* attempt at once: they are mistakes far more often than weather."""


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the session right now."""

    state: SessionState = SessionState.UNKNOWN
    account_id: str = ""
    """The account that is used where none is named; empty before the accounts are loaded."""
    account_ids: tuple[str, ...] = ()
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
        accounts: Accounts,
        *,
        may_initialise: bool,
        login_generation: Callable[[], int],
        on_event: Callable[[SessionEvent], None],
        on_ready: Callable[[bool], None],
        clock: Callable[[], float],
        sleep_until_changed: Callable[[float, anyio.Event], Awaitable[None]] | None = None,
        tickle_interval_s: float = 60.0,
        compete: bool = False,
        account_id: str = "",
    ) -> None:
        self.info = SessionInfo()
        self._endpoints = endpoints
        self._accounts = accounts
        self._may_initialise = may_initialise
        self._login_generation = login_generation
        self._on_event = on_event
        self._on_ready = on_ready
        self._clock = clock
        self._sleep_until_changed = sleep_until_changed or _sleep_until_changed
        self._tickle_interval_s = tickle_interval_s
        self._compete = compete
        self._wanted_account_id = account_id
        self._facts = SessionFacts()
        self._accounts_loaded = False
        self._failures = 0
        self._initialised = 0
        self._last_takeover: float | None = None
        self._generation = 0
        self._doubts = False
        self._doubted_at = float("-inf")
        self._started = False
        self._logged_out = False
        self._fatal: IbkrError | None = None
        self._changed = anyio.Event()
        self._nudged = anyio.Event()

    # --- what others ask -------------------------------------------------------------------------

    async def ready(self, timeout_s: float, *, fail_fast: bool = False) -> SessionInfo:
        """Wait until the brokerage session is established and the accounts are loaded.

        `fail_fast` raises a competing session at once instead of waiting it out.

        Errors: `CompetingSessionError`; `SessionTimeoutError` after `timeout_s`; before the
        session was ever ready also what stopped it: `AuthError`, `ConfigError`, `TlsError`,
        `ConnectFailedError`.
        """
        with anyio.move_on_after(timeout_s):
            while self.info.state is not SessionState.READY:
                if self._fatal is not None:
                    raise self._fatal
                if fail_fast and self.info.state is SessionState.COMPETING:
                    raise CompetingSessionError
                await self._changed.wait()
            return self.info
        if self.info.state is SessionState.COMPETING:
            raise CompetingSessionError
        raise SessionTimeoutError(timeout_s, self.info.state, self.info.message)

    async def socket_session(self) -> str:
        """Fetch the value that binds a new socket to this session.

        Source: `POST /tickle`, field `session`. It is asked for anew for every connection: an old
        value does not survive a new live session token.
        """
        return (await self._tickle()).session or ""

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

    def observe(self, facts: SessionFacts) -> None:
        """Take in what the socket said of the session (`sts`), and wake the keeper."""
        if facts == SessionFacts():
            return
        self._learn(facts)
        self._nudged.set()

    def doubt(self) -> None:
        """Look at the session soon: an answer suggested that it has lapsed.

        The state stays as it is until IBKR has been asked. At most once in `DOUBT_INTERVAL_S`.
        """
        if self._clock() - self._doubted_at >= DOUBT_INTERVAL_S:
            self._doubted_at = self._clock()
            self._doubts = True
            self._nudged.set()

    # --- the loop --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the session until cancelled or logged out. Failures outside never end it."""
        while not self._logged_out:
            self._nudged = anyio.Event()
            try:
                pause_s = await self._take_step()
                self._failures = 0
            except IbkrError as error:
                pause_s = self._note_failure(error)
            await self._sleep_until_changed(pause_s, self._nudged)

    async def _take_step(self) -> float:
        """Do what the tables say and return how long to rest, in seconds."""
        self._watch_login()
        if self._doubts:
            self._doubts = False
            self._learn_reply(await self._endpoints.auth_status())
        step = next_step(
            self._facts,
            accounts_loaded=self._accounts_loaded,
            may_initialise=self._may_initialise or bool(self._facts.connected),
            may_take_over=self._may_take_over(),
        )
        if step is Step.ASK_STATUS:
            self._learn_reply(await self._endpoints.auth_status())
            return self._rest_before_next_try()
        if step is Step.INITIALISE:
            await self._initialise()
            return self._rest_before_next_try()
        if step is Step.LOAD_ACCOUNTS:
            self._note_accounts(await self._accounts.list())
            return 0.0
        await self._tickle()
        return self._tickle_interval_s

    def _rest_before_next_try(self) -> float:
        """No pause while there is progress, a growing one while the session stays down."""
        state = self._facts.state
        if state is SessionState.READY:
            self._initialised = 0
            return 0.0
        if state is SessionState.COMPETING:
            return 0.0 if self._may_take_over() else self._tickle_interval_s
        self._initialised += 1
        return 0.0 if self._initialised == 1 else min(2.0 ** (self._initialised - 2), RETRY_CAP_S)

    async def _initialise(self) -> None:
        """Ask for the brokerage session. A 200 with `authenticated:false` is a failure."""
        taking_over = self._facts.state is SessionState.COMPETING
        if taking_over:
            self._last_takeover = self._clock()
        reply = await self._endpoints.init_brokerage_session(compete=self._compete)
        if taking_over and reply.authenticated and not reply.competing:
            self.info = msgspec.structs.replace(self.info, takeovers=self.info.takeovers + 1)
            self._on_event(SessionTakenOver(at=self._clock()))
        # What the answer leaves out is known: after a login the old flags say nothing any more.
        self._facts = SessionFacts()
        self._learn_reply(reply)

    async def _tickle(self) -> TickleReply:
        reply = await self._endpoints.tickle()
        self.info = msgspec.structs.replace(self.info, last_tickle=self._clock())
        if reply.iserver is not None and reply.iserver.auth_status is not None:
            self._learn_reply(reply.iserver.auth_status)
        return reply

    def _may_take_over(self) -> bool:
        long_past = (
            self._last_takeover is None
            or self._clock() - self._last_takeover >= TAKEOVER_INTERVAL_S
        )
        return self._compete and long_past

    def _watch_login(self) -> None:
        """A renewed login starts with no brokerage session known: look at it afresh."""
        generation = self._login_generation()
        if generation != self._generation:
            renewed, self._generation = self._generation > 0, generation
            if renewed:
                self._facts = SessionFacts()
                self._on_event(LoginRenewed(at=self._clock()))

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

    def _note_accounts(self, reply: AccountsReply) -> None:
        account_ids = tuple(reply.accounts)
        wanted = self._wanted_account_id
        if wanted and wanted not in account_ids:
            listed = ", ".join(account_ids) or "none"
            self._fatal = ConfigError(
                f"account {wanted!r} is not among the accounts of this login ({listed}); "
                "correct account_id"
            )
            self._announce_change()
            return
        self._accounts_loaded = True
        self.info = msgspec.structs.replace(
            self.info,
            account_ids=account_ids,
            account_id=wanted or reply.selected_account or (account_ids[0] if account_ids else ""),
            is_paper=reply.is_paper,
        )
        self._publish()

    def _publish(self) -> None:
        """Make the new state visible, and tell whoever listens when it changed."""
        state = SessionState.CLOSED if self._logged_out else self._facts.state
        if state is SessionState.READY and not self._accounts_loaded:
            state = SessionState.LOADING
        before, at = self.info.state, self._clock()
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
            logger.info("session ready: account %s", self.info.account_id)
            self._on_event(
                SessionReady(at=at, account_id=self.info.account_id, is_paper=self.info.is_paper)
            )
            self._on_ready(True)
        elif before is SessionState.READY:
            logger.warning("session lost: %s", state)
            self._on_event(SessionLost(at=at, state=state, detail=self.info.message))
            self._on_ready(False)
        if state is SessionState.COMPETING:
            logger.warning("session is held by another login of the same username")
            self._on_event(SessionCompeting(at=at))
        self._announce_change()

    def _note_failure(self, error: IbkrError) -> float:
        """Remember a failed step and return the pause before the next, in seconds."""
        if not self._started and isinstance(error, STARTING_FAILURES):
            self._fatal = error
            self._announce_change()
        self._failures += 1
        pause_s = min(2.0 ** (self._failures - 1), RETRY_CAP_S)
        logger.warning("session: %s (next try in %g s)", error, pause_s)
        self._on_event(SessionTrouble(at=self._clock(), detail=str(error), retry_in_s=pause_s))
        return pause_s

    def _announce_change(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


async def _sleep_until_changed(pause_s: float, nudged: anyio.Event) -> None:
    with anyio.move_on_after(pause_s):
        await nudged.wait()
