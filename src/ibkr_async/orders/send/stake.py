"""What an order puts at stake, read from what goes on the wire. Pure.

Responsible for telling which contracts and accounts an order touches, with how many units and what
value, in the terms of the guard's limits. It must never guess: what cannot be told is None, and the
guard refuses that where a limit depends on it.
"""

from __future__ import annotations

import re
from decimal import ROUND_UP, Context, Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from ibkr_async.types import OrderType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.models.orders import Ticket, WhatIf

_EXACT: Final = Context(prec=80, rounding=ROUND_UP)
"""The caller's own decimal context may have any precision; no limit hangs on it."""
_NUMBER: Final = r"[1-9][0-9]*"
_CONTRACT: Final = re.compile(rf"({_NUMBER})(?:@[A-Z0-9.]+)?", re.ASCII)
_COMBINATION: Final = re.compile(
    rf"{_NUMBER}(?:@[A-Z0-9.]+)?;;;({_NUMBER}/-?{_NUMBER}(?:,{_NUMBER}/-?{_NUMBER})+)", re.ASCII
)
_TYPED: Final = re.compile(rf"({_NUMBER}):[A-Z]+", re.ASCII)
_PROFILE: Final = "allocation_profile"


class Stake(msgspec.Struct, frozen=True, kw_only=True):
    """What one order puts at stake. None means that it cannot be told."""

    conids: frozenset[int] | None
    """Contracts that it trades: of a combination the legs."""
    units: Decimal | None
    """Most units of one contract that it trades; None also for an amount of cash."""
    is_cash: bool = False
    """It is an amount of cash: `value` limits it in place of `units`."""
    value: Decimal | None = None
    """What it is worth, in the contract's currency."""
    accounts: frozenset[str] = frozenset()
    """Accounts, groups and profiles that it names, beside the one to which it is sent."""
    is_opaque: bool = False
    """It carries settings that this library does not know, which may change all of the above."""


def stakes_of(
    tickets: Sequence[Ticket], previews: Sequence[WhatIf | None] | None = None
) -> tuple[Stake, ...]:
    """Return what each ticket puts at stake.

    `previews` are IBKR's of `previewed`. Without them no value is known.
    """
    values = [None] * len(tickets) if previews is None else _values(tickets, previews)
    return tuple(_stake(ticket, value) for ticket, value in zip(tickets, values, strict=True))


def previewed(tickets: Sequence[Ticket]) -> tuple[Ticket | None, ...]:
    """Return what IBKR must preview of each ticket, so that its value is known.

    Shape: None for a child that is worth what its parent is, in proportion to quantity and price. Where
    only the child has a price, it is previewed as a limit order on its parent's side: alone, an exit
    is refused by accounts that cannot be short.
    """
    parent = tickets[0]

    def alone(ticket: Ticket) -> Ticket | None:
        if ticket is parent or ticket.parent_id is None:
            return msgspec.structs.replace(ticket, parent_id=None)
        if parent.price or not ticket.price:
            return None
        return msgspec.structs.replace(
            ticket,
            parent_id=None,
            order_type=OrderType.LIMIT,
            side=parent.side,
            aux_price=None,
            trailing_amount=None,
            trailing_type=None,
        )

    return tuple(map(alone, tickets))


def _stake(ticket: Ticket, value: Decimal | None) -> Stake:
    conids, ratio = _contracts(ticket)
    payload = dict(ticket.json_payload or {})
    named = (ticket.account_id, ticket.customer_account, payload.pop(_PROFILE, None))
    quantity = ticket.quantity
    return Stake(
        conids=conids,
        units=None if quantity is None or not ratio else _EXACT.multiply(quantity, ratio),
        is_cash=quantity is None,
        value=value,
        accounts=frozenset(str(name) for name in named if name is not None),
        is_opaque=bool(payload),
    )


def _contracts(ticket: Ticket) -> tuple[frozenset[int] | None, Decimal]:
    """Return every contract that a ticket names, and the largest ratio of a leg; 0 if unreadable."""
    conids = set() if ticket.conid is None else {ticket.conid}
    ratio = Decimal(1)
    if ticket.sec_type is not None:
        # Nobody knows which one IBKR follows when the two disagree, so both count.
        typed = _TYPED.fullmatch(ticket.sec_type)
        if typed is not None:
            conids.add(int(typed[1]))
        elif ":" in ticket.sec_type or not (conids or ticket.conidex):
            return None, Decimal(0)
    if ticket.conidex is not None:
        if single := _CONTRACT.fullmatch(ticket.conidex):
            conids.add(int(single[1]))
        elif combination := _COMBINATION.fullmatch(ticket.conidex):
            legs = [leg.split("/") for leg in combination[1].split(",")]
            conids.update(int(conid) for conid, _ in legs)
            ratio = max(Decimal(number).copy_abs() for _, number in legs)
        else:
            return None, Decimal(0)
    return frozenset(conids) or None, ratio


# --- value ---------------------------------------------------------------------------------------


def _values(tickets: Sequence[Ticket], previews: Sequence[WhatIf | None]) -> list[Decimal | None]:
    values: list[Decimal | None] = []
    for ticket, preview in zip(tickets, previews, strict=True):
        if preview is None:
            worth = _share_of(values[0], tickets[0], ticket)
        else:
            amount = None if preview.amount is None else preview.amount.amount_value
            # Nothing is worth nothing: IBKR had no price.
            worth = None if not amount else amount.copy_abs()
        values.append(None if worth is None else max(worth, _by_own_figures(ticket)))
    return values


def _share_of(value: Decimal | None, parent: Ticket, child: Ticket) -> Decimal | None:
    if value is None or not parent.quantity or not child.quantity:
        return None
    if (parent.conid, parent.conidex, parent.sec_type) != (
        child.conid,
        child.conidex,
        child.sec_type,
    ):
        return None
    share = _EXACT.divide(_EXACT.multiply(value, child.quantity), parent.quantity)
    if not parent.price or not child.price:
        return share
    dearer = _EXACT.divide(child.price.copy_abs(), parent.price.copy_abs())
    return _EXACT.multiply(share, max(dearer, Decimal(1)))


def _by_own_figures(ticket: Ticket) -> Decimal:
    """Return what the ticket itself says it may cost. The multiplier is not in it."""
    nothing = Decimal(0)
    price = (ticket.price or nothing).copy_abs()
    return max(
        _EXACT.multiply(price, ticket.quantity or nothing),
        ticket.cash_quantity or nothing,
        ticket.fx_quantity or nothing,
    )
