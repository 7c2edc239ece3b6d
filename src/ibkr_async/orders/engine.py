"""The engine of the order desk: its parts, built and joined, and their lifetime.

Responsible for who is given what, and for what begins and ends with the client. Users never hold it:
what they call is `desk`. It must never decide anything about an order.
"""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import anyio

from ibkr_async.ending import Ending
from ibkr_async.orders.fate.outcomes import Outcomes
from ibkr_async.orders.fate.probe import OutcomeProbe
from ibkr_async.orders.fate.reads import OrderReads
from ibkr_async.orders.fate.recovery import Recovery
from ibkr_async.orders.known.news import OrderNews
from ibkr_async.orders.send.dispatch import Dispatch
from ibkr_async.orders.send.gate import SubmissionGate
from ibkr_async.orders.send.permission import Permission
from ibkr_async.orders.send.preparation import Preparation
from ibkr_async.orders.send.stake import Stake
from ibkr_async.resources.orders import OrderEndpoints

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ibkr_async.orders.fate.journal import Journal
    from ibkr_async.orders.send.preparation import AccountFacts, Resolve
    from ibkr_async.orders.settings import OrderSettings
    from ibkr_async.resources.base import SendRequest
    from ibkr_async.world import World

_log: Final = logging.getLogger("ibkr_async.orders")


class OrderEngine:
    """The parts of one desk. `start` it, `run` it, `aclose` it."""

    def __init__(
        self,
        send: SendRequest,
        *,
        # the session
        check_home: Callable[[], None],
        account_facts: Callable[[], AccountFacts],
        session_ready: Callable[[], Awaitable[object]],
        feeds_ready: Callable[[float], Awaitable[bool]],
        resolve: Resolve,
        # the desk
        make_coid: Callable[[], str],
        journal: Journal | None,
        settings: OrderSettings,
        ending: Ending | None = None,
        world: World,
    ) -> None:
        """Build the parts. `feeds_ready` waits so many seconds for the order feeds to be open."""
        self.settings = settings
        self.journal = journal
        self.world = world
        self.news = OrderNews(check_home)
        """What is known of orders, and who hears of it."""
        self.endpoints = OrderEndpoints(send)
        self.permission = Permission(
            settings.guard,
            allow_live_orders=settings.allow_live_orders,
            dry_run=settings.dry_run,
            is_paper=lambda account_id: account_facts().is_paper_account(account_id),
            world=world,
        )
        self.preparation = Preparation(
            account_facts=account_facts,
            session_ready=session_ready,
            resolve=resolve,
            make_coid=make_coid,
            permission=self.permission,
        )
        self.outcomes = Outcomes(self.news.tracker, journal, world)
        self.recovery = Recovery(
            OutcomeProbe(
                OrderReads(self.endpoints, self.news, world),
                self.news.tracker,
                world=world,
                spread_s=settings.probe_spread_s,
                look_timeout_s=settings.look_timeout_s,
                ending=ending or Ending(),
            ),
            self.outcomes,
            preparation=self.preparation,
            world=world,
        )
        self.dispatch = Dispatch(
            self.endpoints,
            gate=SubmissionGate(self.outcomes.unknown.orders, is_used=settings.closes_gate),
            permission=self.permission,
            outcomes=self.outcomes,
            on_abandoned=self.recovery.abandon,
            ask_timeout_s=settings.ask_timeout_s,
            world=world,
        )

        self._feeds_ready = feeds_ready
        self._has_waited = False
        self._waiting = anyio.Lock()

    async def start(self) -> None:
        """Open the journal and take up what an earlier run had left open.

        Errors: `ConfigError` when the journal cannot be opened.
        """
        if self.journal is not None:
            for intent in await self.journal.open():
                self.recovery.adopt(intent)

    async def run(self) -> None:
        """Look for orders that nobody waits for. The client's supervisor owns and cancels it."""
        await self.recovery.run()

    async def aclose(self) -> None:
        """Write what the journal still has to write, and close it."""
        self.recovery.stop_waiting()
        if self.journal is not None:
            await self.journal.aclose()

    async def open_feeds(self) -> None:
        """Have the order feeds open before an order leaves, so that its first fill is heard of.

        Orders wait until one of them has waited, and not for ever: without a socket they go out all
        the same, followed by what REST says of them, and that is logged.
        """
        self.news.need()
        async with self._waiting:  # whoever comes second waits as long as the first
            if self._has_waited:
                return
            limit_s = self.settings.feeds_timeout_s
            if not await self._feeds_ready(limit_s):
                _log.warning(
                    "the order feeds did not open within %g s: the first order leaves without them, "
                    "and its fills are heard of later, over REST",
                    limit_s,
                )
            self._has_waited = True

    def check_exercise(self, conid: int, contracts: int | None, *, is_new: bool) -> None:
        """Raise unless an option may be exercised now; see `ExerciseDialogue`.

        Errors: `OrderGuardError`; `UsageError` in a dry run.
        """
        stake = Stake(
            conids=frozenset({conid}), units=None if contracts is None else Decimal(contracts)
        )
        # The dialogue names no account: with a single one it can be no other.
        account_id = self.preparation.default_account_id
        what = f"(exercise of option {conid})"
        self.permission.check(what, account_id, (stake,), is_new=is_new)
