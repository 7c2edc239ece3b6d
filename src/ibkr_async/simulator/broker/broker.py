"""The simulated broker as the server shell sees it.

Responsible for putting the parts together: prices, orders, accounts and the REST endpoints.
It must never open a socket, read a clock or draw unseeded randomness: time comes in as an
argument, and one seed and start give one day of prices.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.answers import Answer, Call, Routes
from ibkr_async.simulator.broker import account_rows, market_payloads, order_rows, spelling
from ibkr_async.simulator.broker.bars import History
from ibkr_async.simulator.broker.events import (
    BrokerEvent,
    Executed,
    OrderChanged,
    PnlMoved,
    PriceMoved,
)
from ibkr_async.simulator.broker.instruments import Instrument, build_instruments
from ibkr_async.simulator.broker.orderbook import OrderBook
from ibkr_async.simulator.broker.positions import AccountBook, value_of
from ibkr_async.simulator.broker.prices import PriceBoard
from ibkr_async.simulator.broker.questions import QuestionDesk
from ibkr_async.simulator.broker.settings import BrokerSettings
from ibkr_async.simulator.broker.state import BrokerState, SessionMemory
from ibkr_async.simulator.rest.accounts_rest import AccountsRest
from ibkr_async.simulator.rest.contracts_rest import ContractsRest
from ibkr_async.simulator.rest.fyi_rest import FyiRest
from ibkr_async.simulator.rest.market_rest import MarketRest
from ibkr_async.simulator.rest.orders_rest import OrdersRest
from ibkr_async.simulator.rest.portfolio_rest import PortfolioRest
from ibkr_async.simulator.thirdparty.endpoints import ThirdPartyRest
from ibkr_async.world import seeded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ibkr_async.simulator.broker.order import Rejection

__all__ = [
    "Answer",
    "Broker",
    "BrokerEvent",
    "BrokerSettings",
    "Executed",
    "OrderChanged",
    "PnlMoved",
    "PriceMoved",
]

_FIRST_ORDER_ID = 245_323_000
_MARKER_KEYS = frozenset({"acct", "conidex", "conid", "orderId", "isEventTrading"})


class Broker:
    """A small faithful broker. Call `advance` often, and once right after each `handle`."""

    account_ids: tuple[str, ...]
    instruments: Mapping[int, Instrument]

    def __init__(
        self,
        *,
        seed: int = 1,
        account_ids: Sequence[str] = ("DU1234567",),
        settings: BrokerSettings | None = None,
        step_s: float = 1.0,
        now: float,
    ) -> None:
        self.settings = settings or BrokerSettings()
        self.account_ids = tuple(account_ids)
        self.instruments = build_instruments(now)
        # Ids have a source of their own, so that an order does not change the prices.
        ids = seeded(seed, "ids")
        self._board = PriceBoard(
            self.instruments,
            seed=seed,
            volatility=self.settings.volatility,
            step_s=step_s,
            now=now,
        )
        accounts = {
            account_id: AccountBook(account_id, self.settings.starting_cash)
            for account_id in self.account_ids
        }
        self._book = OrderBook(
            board=self._board,
            accounts=accounts,
            settings=self.settings,
            first_order_id=_FIRST_ORDER_ID + ids.randrange(1000),
        )
        self._state = BrokerState(
            settings=self.settings,
            instruments=self.instruments,
            board=self._board,
            accounts=accounts,
            book=self._book,
            ids=ids,
            selected=self.account_ids[0],
        )
        self._desk = QuestionDesk(
            ids=ids, texts=self.settings.known_messages, stale_reply=self.settings.stale_reply
        )
        self._accounts = AccountsRest(self._state, session_id=f"{ids.getrandbits(96):024x}")
        self._orders = OrdersRest(self._state, self._desk)
        self._routes = Routes()
        for part in (
            self._accounts,
            self._orders,
            ContractsRest(self._state),
            FyiRest(self._state),
            MarketRest(self._state, History(self._board, seed=seed)),
            PortfolioRest(self._state),
            ThirdPartyRest(self._state),
        ):
            part.add_to(self._routes)
        self._now = now
        self._close_now = False
        self._day = self._board.day
        self._worth = value_of(accounts, self._board)

    def advance(self, now: float) -> list[BrokerEvent]:
        """Move prices to `now`, match orders, and return what happened since the last call.

        Prices move at the instants of their grid, and orders are matched at each, however much later
        this is called. Also returns what `handle` caused (a new order's first `sor` rows), so call it
        with the same `now` right after an order request to see the order's life start at once. Time
        that goes backwards counts as standing still.
        """
        self._now = max(self._now, now)
        day, settled = self._day, False
        for instant in self._board.instants(self._now):
            self._board.step(instant)
            self._settle(instant, closing=self._board.at_close)
            settled = True
        if self._close_now or not settled:
            self._settle(self._now, closing=self._close_now)
            self._close_now = False
        events: list[BrokerEvent] = [PriceMoved(conid) for conid in self._board.take_changed()]
        events.extend(event for event in self._book.take_events() if self._is_heard(event))
        worth = value_of(self._state.accounts, self._board)
        events.extend(
            PnlMoved(account_id)
            for account_id, value in worth.items()
            if day != self._day or value != self._worth[account_id]
        )
        self._worth = worth
        return events

    def _settle(self, now: float, *, closing: bool) -> None:
        """Match orders at an instant; on a new day the statistics of accounts start again."""
        new_day = self._board.day != self._day
        if new_day:
            self._day = self._board.day
            for book in self._state.accounts.values():
                book.open_day(self._board)
        self._book.advance(now, new_day=new_day, closing=closing)

    def handle(
        self, method: str, path: str, query: Mapping[str, str], body: Any, now: float
    ) -> Answer | None:
        """Answer a request; `path` is below `/v1/api`. None: not an endpoint of the broker."""
        return self._routes.dispatch(method, path, Call(query, body, now))

    def new_session(self) -> None:
        """Forget what a brokerage session remembers.

        That is warm-ups, suppressed questions, open questions and market data lines. Orders,
        positions and money stay.
        """
        self._state.memory = SessionMemory()
        self._desk.forget()

    def accounts_payload(self) -> dict[str, Any]:
        """Return what `/iserver/accounts` and the `act` topic say."""
        return self._accounts.payload()

    def market_fields(self, conid: int, tags: Iterable[str]) -> dict[str, Any]:
        """Return the present values of these tags as the socket spells them; absent: no value.

        Errors: `KeyError` for an unknown conid.
        """
        return market_payloads.field_values(self._state, conid, tags)

    def server_id(self, conid: int) -> str:
        """Return the `server_id` (also tag 6119) of an instrument, such as `q7`."""
        return self._state.server_id(conid)

    def updated_ms(self, conid: int) -> int:
        """Return when an instrument's market last changed, for `_updated`."""
        return spelling.milliseconds(self._board[conid].updated)

    def open_line(self, conid: int) -> bool:
        """Take a market data line for a `smd` request; False when none is free or no such conid."""
        return self._state.open_line(conid)

    def close_line(self, conid: int) -> bool:
        """Free the line (`umd`); False when it was not open."""
        return self._state.close_line(conid)

    def pnl(self) -> dict[str, dict[str, Any]]:
        """Return the `args` of a `spl` frame, keyed `<account>.Core`."""
        return self._accounts.pnl()

    def summary_rows(self, account_id: str, now: float) -> list[dict[str, Any]] | None:
        """Return the `result` of a `ssd` frame; None for an account that is not of this login."""
        book = self._state.accounts.get(account_id)
        return None if book is None else account_rows.summary_rows(book, self._board, now)

    def ledger_rows(self, account_id: str, now: float) -> list[dict[str, Any]] | None:
        """Return the `result` of a `sld` frame; None for an account that is not of this login."""
        book = self._state.accounts.get(account_id)
        return None if book is None else account_rows.ledger_rows(book, self._board, now)

    def position(self, conid: int) -> float:
        """Return how much of an instrument the selected account holds."""
        return float(self._state.accounts[self._state.selected].position(conid))

    def executions(self, days: int) -> list[dict[str, Any]]:
        """Return the fills of the last `days` days as `str` rows, oldest first.

        Rows have a `commission` once it has become known.
        """
        return self._orders.execution_rows(days, self._now)

    def live_order_rows(self) -> list[dict[str, Any]]:
        """Return every order of the selected account as a live-orders row."""
        return [order_rows.full(order) for order in self._orders.orders_of(self._state.selected)]

    def set_price(self, conid: int, price: Decimal | float | str) -> None:
        """Force the market of an instrument, for tests; the next `advance` reports it."""
        self._board.set_price(conid, Decimal(str(price)))

    def close_market(self) -> None:
        """Let the next `advance` be the close of the market, for orders that wait for it."""
        self._close_now = True

    def quote(
        self,
        conid: int,
        *,
        bid: Decimal | None = None,
        ask: Decimal | None = None,
        last: Decimal | None = None,
        bid_size: int | None = None,
        ask_size: int | None = None,
    ) -> None:
        """Set the market of an instrument from outside; it walks no more. What is None stays."""
        self._board.quote(conid, bid=bid, ask=ask, last=last, bid_size=bid_size, ask_size=ask_size)

    def combination_fields(self, combination: Instrument, tags: Iterable[str]) -> dict[str, Any]:
        """Return the present prices of a combination as the socket spells them."""
        return market_payloads.combination_values(self._state, combination, tags)

    def reject_next(self, rejection: Rejection, times: int) -> None:
        """Let the next `times` orders without a parent be rejected after their acknowledgement."""
        self._book.rejections.extend([rejection] * times)

    def _is_heard(self, event: BrokerEvent) -> bool:
        """Tell whether the live-orders feed passes an event on."""
        if not isinstance(event, OrderChanged):
            return True
        feed = self.settings.live_orders_feed
        if feed == "dead" or self._state.memory.live_feed_silenced:
            return False
        return feed == "full" or event.row.keys() == _MARKER_KEYS
