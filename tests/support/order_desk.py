"""An order desk over a `SendRequest`, without a client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ibkr_async.errors import UnknownSymbolError
from ibkr_async.orders.desk import OrderDesk
from ibkr_async.orders.engine import OrderEngine
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.send.preparation import AccountFacts
from ibkr_async.orders.settings import OrderSettings
from ibkr_async.resources.base import SendRequest
from ibkr_async.world import World
from support.fake_time import fake_world

PAPER = AccountFacts(default_account_id="DU1", is_paper=True)
CONIDS = {"AAPL": 265598, "MSFT": 272093}


class TestDesk(OrderDesk):
    """A desk whose engine is in reach."""

    __test__ = False

    def __init__(self, engine: OrderEngine) -> None:
        super().__init__(engine)
        self.engine = engine


async def _is_up() -> None:
    """Wait for nothing: the session is up."""


async def _are_open(_timeout_s: float) -> bool:
    """Wait for nothing: the order feeds are open."""
    return True


async def resolve(*symbols: str) -> Sequence[int]:
    """Know two symbols."""
    for symbol in symbols:
        if symbol not in CONIDS:
            raise UnknownSymbolError(symbol)
    return [CONIDS[symbol] for symbol in symbols]


def make_desk(
    send: SendRequest,
    *,
    facts: Callable[[], AccountFacts] = lambda: PAPER,
    session_ready: Callable[[], Awaitable[object]] = _is_up,
    feeds_ready: Callable[[float], Awaitable[bool]] = _are_open,
    make_coid: Callable[[], str] | None = None,
    journal: Journal | None = None,
    world: World | None = None,
    **settings: Any,
) -> TestDesk:
    """Open a desk. Its looks for lost orders take no time; its ids are `made-1` and so on."""
    engine = OrderEngine(
        send,
        check_home=lambda: None,
        account_facts=facts,
        session_ready=session_ready,
        feeds_ready=feeds_ready,
        resolve=resolve,
        make_coid=make_coid or iter(f"made-{number}" for number in range(1, 99)).__next__,
        journal=journal,
        settings=OrderSettings(**settings),
        world=world or fake_world(),
    )
    return TestDesk(engine)
