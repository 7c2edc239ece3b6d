"""What the broker thinks of an order before it accepts it.

Responsible for refusals that need the account, for choosing the questions, and for the preview.
It must never change an order or an account.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from ibkr_async.simulator.broker import spelling
from ibkr_async.simulator.broker.combinations import market_of
from ibkr_async.simulator.broker.positions import required_margin, usd_per_unit
from ibkr_async.simulator.broker.tickets import IncomingTicket, TicketError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.simulator.broker.order import Order
    from ibkr_async.simulator.broker.positions import AccountBook
    from ibkr_async.simulator.broker.state import BrokerState

_UNIT_WORDS = {"STK": "Shares", "CASH": "Units"}
_NO_DATA_WARNING = "21/You are trying to submit an order without having market data for it."


class OrderChecks:
    """Judges tickets against accounts and prices."""

    def __init__(self, state: BrokerState) -> None:
        self._state = state

    def admissible(self, account_id: str, tickets: Sequence[IncomingTicket], now: float) -> None:
        """Check the tickets of one request together.

        Errors: `TicketError`: client order id in use, unknown parent, too little money.
        """
        taken = self.taken_coid(account_id, tickets, now)
        if taken:
            raise TicketError(taken)
        own = {ticket.coid for ticket in tickets if ticket.coid}
        for ticket in tickets:
            parent = ticket.parent_coid
            if not parent:
                continue
            if ticket.coid == parent:
                raise TicketError(f"Parent order {parent} cannot be its own child")
            known = self._state.book.order_of(account_id, parent)
            if parent not in own and (known is None or (known.is_done and not known.filled)):
                raise TicketError(f"Parent order {parent} does not exist")
        self._affordable(account_id, [ticket for ticket in tickets if not ticket.parent_coid])

    def taken_coid(self, account_id: str, tickets: Sequence[IncomingTicket], now: float) -> str:
        """Return the refusal of a client order id that is in use; empty when all are free."""
        seen: set[str] = set()
        for ticket in tickets:
            coid = ticket.coid
            if coid and (coid in seen or self._state.book.coid_in_use(account_id, coid, now)):
                return f"Local order ID={coid} is already registered."
            seen.add(coid)
        return ""

    def replaceable(self, order: Order, ticket: IncomingTicket) -> None:
        """Check new terms for an order.

        Errors: `TicketError`: another contract or side, or less than it has filled.
        """
        kept = (order.instrument.conid_ex, order.ticket.side)
        if (ticket.instrument.conid_ex, ticket.side) != kept:
            raise TicketError("Contract and side of an order cannot be modified")
        if ticket.quantity < order.filled:
            raise TicketError("Order size is below the filled quantity")

    def questions(self, tickets: Sequence[IncomingTicket]) -> list[str]:
        """Return the ids of the questions to ask, each once, in order."""
        settings = self._state.settings
        if settings.question_chain is not None:
            wanted = list(settings.question_chain)
        else:
            wanted = []
            if settings.ask_price_constraint and any(map(self._is_far, tickets)):
                wanted.append("o163")
            if not all(self._has_data(ticket) for ticket in tickets):
                wanted.append("o354")
            wanted += self._limits_broken(tickets)
            if settings.ask_order_risks:
                wanted += _risks(tickets)
        return [
            message_id
            for message_id in wanted
            if message_id not in self._state.memory.suppressed and self._chance()
        ]

    def facts(self, tickets: Sequence[IncomingTicket]) -> dict[str, str]:
        """Write what questions name, of the first order: `BUY 10 AAPL NASDAQ.NMS @ 150.0`."""
        ticket, settings = tickets[0], self._state.settings
        instrument = ticket.instrument
        size = spelling.quantity_text(ticket.quantity)
        order = f"{ticket.side} {size} {instrument.symbol} {instrument.listing}"
        return {
            # The price is written as Java does.
            "order": order if ticket.price is None else f"{order} @ {float(ticket.price)}",
            "percent": f"{settings.price_constraint_pct.normalize():f}",
            "ticks": "20",
            "size_limit": spelling.quantity_text(settings.size_limit or Decimal(0)),
            "value": f"{self._value(ticket):,.2f}",
            "value_limit": f"{settings.value_limit or 0:,.0f}",
            "currency": instrument.currency,
        }

    def preview(self, account_id: str, ticket: IncomingTicket) -> dict[str, Any]:
        """Return the what-if answer: texts with separators and units.

        Source: POST /iserver/account/{accountId}/orders/whatif, "Preview Order".
        """
        state = self._state
        instrument = ticket.instrument
        account = state.accounts[account_id]
        worth = account.valuation(state.board)
        price = self._expected_price(ticket)
        amount = price * ticket.quantity * instrument.multiplier
        commission = state.book.commission(instrument, ticket.quantity)
        held = account.position(instrument.conid)
        rate = usd_per_unit(state.board, instrument.currency)
        margin = self._margin(account, ticket, price)
        units = _UNIT_WORDS.get(instrument.sec_type, "Contracts")
        currency = instrument.currency
        size = spelling.quantity_text(ticket.quantity)
        equity = worth.net_liquidation
        margins = _change(worth.margin, margin)
        return {
            "amount": {
                "amount": f"{amount:,.2f} {currency} ({size} {units})",
                "commission": f"{commission.normalize():,f} {currency}",
                "total": f"{amount + commission:,.2f} {currency}",
            },
            "equity": _change(equity, -commission * rate),
            "initial": margins,
            "maintenance": margins,
            "position": {
                "current": spelling.quantity_text(held),
                "change": spelling.quantity_text(ticket.signed),
                "after": spelling.quantity_text(held + ticket.signed),
            },
            "warn": None if self._has_data(ticket) else _NO_DATA_WARNING,
            "error": None,
        }

    def _affordable(self, account_id: str, tickets: Sequence[IncomingTicket]) -> None:
        """Refuse orders whose margin exceeds what is free; closing a position is always free."""
        state = self._state
        account = state.accounts[account_id]
        needed = sum(
            (
                max(Decimal(0), self._margin(account, ticket, self._expected_price(ticket)))
                for ticket in tickets
            ),
            Decimal(0),
        )
        if needed and needed > account.valuation(state.board).available:
            raise TicketError(
                "Your order is not accepted: the equity of the account does not cover the "
                "required margin"
            )

    def _margin(self, account: AccountBook, ticket: IncomingTicket, price: Decimal) -> Decimal:
        """Return by how much an order changes the margin, in the base currency.

        A contract counts at the order's price, the legs of a combination at their own.
        """
        board = self._state.board
        change = Decimal(0)
        for instrument, signed in ticket.instrument.parts(ticket.signed):
            each = board[instrument.conid].last if ticket.instrument.legs else price
            value = each * instrument.multiplier * usd_per_unit(board, instrument.currency)
            held = account.position(instrument.conid)
            change += required_margin(instrument, value * (held + signed))
            change -= required_margin(instrument, value * held)
        return change

    def _has_data(self, ticket: IncomingTicket) -> bool:
        parts = ticket.instrument.parts(ticket.signed)
        return all(self._state.has_data(instrument.conid) for instrument, _ in parts)

    def sized(self, ticket: IncomingTicket) -> IncomingTicket:
        """Return a ticket with a quantity: an amount of cash buys what it is enough for.

        Of stocks whole shares (documented). Errors: `TicketError` when it is not enough for one.
        """
        if ticket.cash is None:
            return ticket
        whole = Decimal(1) if ticket.instrument.sec_type == "STK" else Decimal("0.01")
        quantity = (ticket.cash / self._expected_price(ticket)).quantize(whole, ROUND_DOWN)
        if not quantity:
            raise TicketError("The cash quantity is too small for the price of this contract")
        return replace(ticket, quantity=quantity)

    def _expected_price(self, ticket: IncomingTicket) -> Decimal:
        market = market_of(self._state.board, ticket.instrument)
        if ticket.price is not None:
            return ticket.price
        return market.ask if ticket.is_buy else market.bid

    def _value(self, ticket: IncomingTicket) -> Decimal:
        """Return what an order is worth, in the instrument's currency."""
        price = abs(self._expected_price(ticket))
        return price * ticket.quantity * ticket.instrument.multiplier

    def _limits_broken(self, tickets: Sequence[IncomingTicket]) -> list[str]:
        settings, state = self._state.settings, self._state
        found = []
        if settings.size_limit is not None and any(
            ticket.quantity > settings.size_limit for ticket in tickets
        ):
            found.append("o383")
        if settings.value_limit is not None and any(
            self._value(ticket) * usd_per_unit(state.board, ticket.instrument.currency)
            > settings.value_limit
            for ticket in tickets
        ):
            found.append("o451")
        return found

    def _is_far(self, ticket: IncomingTicket) -> bool:
        limit = ticket.limit_price
        if limit is None or ticket.parent_coid or ticket.instrument.legs:
            # Children of a bracket are meant to be away from the market, and three percent of a
            # combination's price are next to nothing.
            return False
        last = self._state.board[ticket.instrument.conid].last
        return abs(limit - last) > last * self._state.settings.price_constraint_pct / 100

    def _chance(self) -> bool:
        chance = self._state.settings.question_chance
        return chance >= 1 or self._state.ids.random() < chance


def _risks(tickets: Sequence[IncomingTicket]) -> list[str]:
    """Return the questions about the kind of an order.

    Recorded: o10152 of a stop and o10153 of a stop limit, each after the account's own limits; o10151
    and o10153 together of a market order, o10223 and o10164 also of an amount of cash.
    """
    names = {ticket.kind.name for ticket in tickets}
    asked = {
        "o10223": any(ticket.cash is not None for ticket in tickets),
        "o10164": any(ticket.cash is not None for ticket in tickets),
        "o10151": "MKT" in names,
        "o10152": not names.isdisjoint({"STP", "TRAIL"}),
        "o10153": not names.isdisjoint({"MKT", "STOP_LIMIT", "TRAILLMT"}),
    }
    return [message_id for message_id, is_asked in asked.items() if is_asked]


def _change(current: Decimal, change: Decimal) -> dict[str, str]:
    return {
        "current": f"{current:,.0f}",
        "change": f"{change:,.0f}",
        "after": f"{current + change:,.0f}",
    }
