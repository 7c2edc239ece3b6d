"""When an order is elected and at what price it trades.

Responsible for the rules of the order types against one market. Pure functions over a small
state; it must never change an order's status or an account.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from ibkr_async.simulator.broker.prices import Market
    from ibkr_async.simulator.broker.tickets import IncomingTicket


@dataclass(slots=True)
class Trigger:
    """What a conditional order remembers between two looks at the market."""

    elected: bool = False
    stop: Decimal | None = None
    """Present stop of a trailing order."""


def elect(ticket: IncomingTicket, trigger: Trigger, market: Market) -> bool:
    """Tell whether the order is free to trade; move a trailing stop along.

    A stop is elected by the last price; a trailing stop follows it and never goes back.
    """
    if not ticket.kind.trigger or trigger.elected:
        return True
    if ticket.kind.trigger == "trail":
        trigger.stop = _trailed(ticket, trigger.stop, market)
        stop = trigger.stop
    else:
        stop = trigger.stop = _required(ticket.stop_price)
    upwards = ticket.is_buy is not ticket.kind.touch
    trigger.elected = market.last >= stop if upwards else market.last <= stop
    return trigger.elected


def trade_price(ticket: IncomingTicket, trigger: Trigger, market: Market) -> Decimal | None:
    """Return the price at which an elected order trades now; None when it has to wait.

    Orders trade against the other side of the market, so a limit can get a better price. What is pegged to
    its own side also trades when the last trade was there: that it is reached first is a guess.
    """
    if ticket.kind.at_close:
        limit = ticket.limit_price
        is_met = limit is None or (market.last <= limit if ticket.is_buy else market.last >= limit)
        return market.last if is_met else None
    offered = market.ask if ticket.is_buy else market.bid
    limit = limit_price(ticket, trigger, market)
    if limit is None:
        return offered
    if ticket.kind.limit == "mid":
        return limit
    if offered <= limit if ticket.is_buy else offered >= limit:
        return offered
    reached = market.last <= limit if ticket.is_buy else market.last >= limit
    return limit if ticket.kind.limit == "own" and reached else None


def limit_price(ticket: IncomingTicket, trigger: Trigger, market: Market) -> Decimal | None:
    """Return the limit that holds now; None for orders without one."""
    if ticket.kind.limit == "mid":
        middle = market.instrument.rounded((market.bid + market.ask) / 2)
        if ticket.price is None:
            return middle
        return min(middle, ticket.price) if ticket.is_buy else max(middle, ticket.price)
    if ticket.kind.limit == "own":
        offset = ticket.aux_price or 0
        pegged = market.bid + offset if ticket.is_buy else market.ask - offset
        if ticket.price is None:
            return pegged
        return min(pegged, ticket.price) if ticket.is_buy else max(pegged, ticket.price)
    if ticket.kind.limit == "offset":
        stop, offset = _required(trigger.stop), _required(ticket.aux_price)
        return stop + offset if ticket.is_buy else stop - offset
    return ticket.limit_price


def _trailed(ticket: IncomingTicket, stop: Decimal | None, market: Market) -> Decimal:
    amount = _required(ticket.trailing_amount)
    distance = market.last * amount / 100 if ticket.trailing_percent else amount
    raw = market.last + distance if ticket.is_buy else market.last - distance
    candidate = market.instrument.rounded(raw)
    if stop is None:
        # The first stop may be given on the ticket.
        return ticket.price if ticket.price is not None else candidate
    return min(stop, candidate) if ticket.is_buy else max(stop, candidate)


def _required(value: Decimal | None) -> Decimal:
    """Return a value that the ticket check has made sure of."""
    if value is None:
        message = "a ticket without the price its type needs passed the check"
        raise AssertionError(message)
    return value
