"""The public surface as type checkers see it. mypy and pyright read it; nothing of it is ever run.

Each function is one promise to users about the types that they get. `assert_type` fails the check
when a promise is broken.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_type

from ibkr_async import (
    QUOTE,
    Answers,
    Bracket,
    Client,
    Gateway,
    Health,
    LimitOrder,
    MarketDataUpdate,
    MarketOrder,
    OAuth1a,
    Quote,
    Settings,
    Side,
    StopLimitOrder,
    StopOrder,
    TrailingStopOrder,
    is_retryable,
)
from ibkr_async.config import SessionSettings
from ibkr_async.errors import IbkrError, OrderQuestionError, RateLimitedError, TransportError
from ibkr_async.events import Event, Events, Gap, SessionReady
from ibkr_async.feeds import Bars, Feed, FeedStats, Ladder, Marker, Quotes
from ibkr_async.models.accounts import AccountsReply
from ibkr_async.models.availability import Availability
from ibkr_async.models.contracts import ResolvedContract
from ibkr_async.models.portfolio import Position
from ibkr_async.models.streaming import (
    LiveOrderUpdate,
    PriceBar,
    PriceLadder,
    ProfitAndLoss,
    TradeUpdate,
)
from ibkr_async.orders import OrderHandle, Question
from ibkr_async.session.keeper import SessionInfo
from ibkr_async.session.state import SessionState
from ibkr_async.simulator import Recording, Simulator, SimulatorSettings
from ibkr_async.testing import run_virtual
from ibkr_async.types import Conid, OrderId
from ibkr_async.world import World


async def ways_of_logging_in() -> None:
    """Each way of logging in is accepted by `Client`, and entering gives the client."""
    async with Client(OAuth1a.from_env()) as ib:
        assert_type(ib, Client)
    async with Client(Gateway("https://localhost:5000", ca="ca.pem"), account_id="DU1") as ib:
        assert_type(ib, Client)
    async with Client(
        OAuth1a.from_files("~/keys"), settings=Settings(session=SessionSettings(compete=True))
    ) as ib:
        assert_type(ib.settings, Settings)


async def session(ib: Client) -> None:
    """The session's state is a closed set of words; what is not known is None."""
    info = await ib.ready()
    assert_type(info, SessionInfo)
    assert_type(ib.session.state, SessionState)
    assert_type(await ib.session.ready(5), SessionInfo)
    assert_type(info.state, SessionState)
    assert_type(info.account_ids, tuple[str, ...])
    assert_type(info.is_paper, bool | None)
    assert_type(await ib.session.logout(), None)
    health = ib.health()
    assert_type(health, Health)
    assert_type(health.ok, bool)
    assert_type(health.tickle_age_s, float | None)


async def quotes(ib: Client) -> None:
    """Merged quotes: numbers are float or None, never text."""
    async with ib.quotes("AAPL", 756733, fields=QUOTE) as merged:
        assert_type(merged, Quotes)
        async for quote in merged:
            assert_type(quote, Quote)
            assert_type(quote.bid, float | None)
            assert_type(quote.symbol, str)
            assert_type(quote.halted, bool)
            assert_type(quote.availability, Availability | None)
        assert_type(merged.latest("AAPL"), Quote)
        assert_type(merged.all, Mapping[Conid, Quote])
        assert_type(merged.stats, FeedStats)


async def raw_market_data(ib: Client, contract: ResolvedContract) -> None:
    """Raw deltas; markers are part of the type only where they are asked for."""
    async with ib.stream.market_data("AAPL", 265598, contract, fields=["bid", "31"]) as ticks:
        assert_type(ticks, Feed[MarketDataUpdate])
        async for update in ticks:
            assert_type(update, MarketDataUpdate)
        async for item in ticks.marked():
            assert_type(item, MarketDataUpdate | Marker)
            if isinstance(item, Gap):
                assert_type(item.reason, str)
        async for items in ticks.batches():
            assert_type(items, list[MarketDataUpdate])
        assert_type(await ticks.next(timeout_s=1.0), MarketDataUpdate | None)
        await ticks.add("MSFT", contract)


async def folded(ib: Client) -> None:
    """Bars and ladders are feeds like the others."""
    async with ib.bars("AAPL") as bars:
        assert_type(bars, Bars)
        async for bar in bars:
            assert_type(bar, PriceBar)
    async with ib.ladder("AAPL", account_id="DU1") as ladder:
        assert_type(ladder, Ladder)
        async for item in ladder.marked():
            assert_type(item, PriceLadder | Marker)


async def account_streams(ib: Client) -> None:
    """Each feed has its own payload; money is `Decimal`, measurements are float."""
    async with ib.stream.trades(days=2) as trades:
        async for trade in trades:
            assert_type(trade, TradeUpdate)
            assert_type(trade.price, Decimal | None)
            assert_type(trade.commission, Decimal | None)
    async with ib.stream.profit_and_loss() as frames:
        async for pnl in frames:
            assert_type(pnl, ProfitAndLoss)
            assert_type(pnl.dpl, float | None)
    async with ib.stream.live_orders() as orders:
        async for order in orders:
            assert_type(order, LiveOrderUpdate)


async def events(ib: Client) -> None:
    """Events are told apart by type."""
    listening = ib.events()
    assert_type(listening, Events)
    async for event in listening:
        assert_type(event, Event)
        if isinstance(event, SessionReady):
            assert_type(event.account_id, str)


async def rest(ib: Client) -> None:
    """Calls return models, not dictionaries."""
    assert_type(await ib.request("GET", "/fyi/unreadnumber"), Any)
    assert_type(await ib.request("GET", "/iserver/accounts", result=AccountsReply), AccountsReply)
    assert_type(await ib.contracts.conids("AAPL", 265598), tuple[Conid, ...])
    assert_type(await ib.market_data.snapshot("AAPL"), dict[Conid, MarketDataUpdate])
    assert_type(await ib.portfolio.positions(account_id="DU1"), list[Position])
    assert_type(await ib.accounts.list(), AccountsReply)
    assert_type(await ib.contracts.resolve("AAPL", 265598), list[ResolvedContract])


async def orders(ib: Client) -> None:
    """Numbers of an order may be given as Decimal, int, text or float."""
    order = LimitOrder(265598, Side.BUY, 10, "189.50")
    plan = Bracket(entry=order, take_profit=Decimal(195), stop_loss=186.0)
    live = await ib.orders.submit(plan, answers=Answers.allow("o163") | Answers.deny("o354"))
    assert_type(live, OrderHandle)
    assert_type(live.order_id, OrderId)
    await ib.orders.cancel(live.order_id)
    await ib.orders.submit(MarketOrder(265598, Side.SELL, Decimal(10)))
    await ib.orders.submit(StopOrder(265598, Side.SELL, 10, "180"))
    await ib.orders.submit(StopLimitOrder(265598, Side.SELL, 10, "179.5", "180"))
    await ib.orders.submit(TrailingStopOrder(265598, "SELL", 10, trailing_amount="1.5"))

    async def decide(question: Question) -> bool:
        assert_type(question.message_ids, tuple[str, ...])
        return "o163" in question.message_ids

    await ib.orders.submit(order, answers=Answers.ask(decide))


async def failures(ib: Client) -> None:
    """One root for everything; facts of an error are typed attributes."""
    try:
        await ib.ready()
    except OrderQuestionError as error:
        assert_type(error.message_ids, tuple[str, ...])
    except RateLimitedError as error:
        assert_type(error.retry_after_s, float | None)
    except TransportError as error:
        assert_type(error.may_have_reached_server, bool)
    except IbkrError as error:
        assert_type(is_retryable(error), bool)


def virtual_world() -> None:
    """What runs in virtual time gives what it returns."""

    async def main(world: World) -> int:
        async with Simulator(world=world) as sim, Client(sim.auth(), world=world):
            return 1

    assert_type(run_virtual(main, seed=1, network="loopback"), int)


async def simulator() -> None:
    """The simulator gives credentials for itself, and plays recordings."""
    settings = SimulatorSettings(account_ids=("U1",))
    async with Simulator(seed=7, settings=settings, recording=Recording.from_lines([])) as sim:
        assert_type(sim, Simulator)
        assert_type(sim.auth(), OAuth1a)
        assert_type(sim.gateway(), Gateway)
        assert_type(sim.base_url, str)
