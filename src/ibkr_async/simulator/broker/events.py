"""What happens inside the simulated broker between two looks at it.

Responsible for the inert event types that `Broker.advance` returns and the server shell turns
into socket frames. They must never carry behaviour.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias


class PriceMoved(NamedTuple):
    """Some market value of an instrument changed."""

    conid: int


class OrderChanged(NamedTuple):
    """An order changed: `row` is one element of a `sor` frame, full, marker or delta."""

    row: dict[str, Any]


class Executed(NamedTuple):
    """A fill: `row` is one element of a `str` frame.

    It is reported twice, first without the key `commission`, later again with it.
    """

    row: dict[str, Any]


class PnlMoved(NamedTuple):
    """The net liquidation value of an account changed; read `Broker.pnl()`."""

    account_id: str


BrokerEvent: TypeAlias = PriceMoved | OrderChanged | Executed | PnlMoved
