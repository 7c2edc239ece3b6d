"""Which contracts of an order have to be looked up, and the order with what was found."""

from __future__ import annotations

from typing import Any

import pytest

from ibkr_async.models.orders import Ticket
from ibkr_async.orders.write.groups import Bracket, OcaGroup
from ibkr_async.orders.write.order_types import LimitOrder, MarketOrder
from ibkr_async.orders.write.symbols import symbols_of, with_conids

AAPL = LimitOrder("AAPL", "BUY", 1, 100)
EUR = MarketOrder("EUR.USD", "SELL", 1)
NUMBER = MarketOrder(1, "BUY", 1)
CONIDS = {"AAPL": 265598, "EUR.USD": 12087792}


@pytest.mark.parametrize(
    ("order", "symbols", "conids"),
    [
        (AAPL, ("AAPL",), [265598]),
        (NUMBER, (), [1]),
        (MarketOrder("1@ARCA", "BUY", 1), (), ["1@ARCA"]),
        (Bracket(entry=AAPL, take_profit=110), ("AAPL",), [265598, 265598]),
        (OcaGroup((AAPL, EUR, AAPL)), ("AAPL", "EUR.USD"), [265598, 12087792, 265598]),
        (OcaGroup((AAPL, NUMBER)), ("AAPL",), [265598, 1]),
    ],
)
def test_symbols_are_found_once_and_replaced_everywhere(
    order: Any, symbols: tuple[str, ...], conids: list[int | str]
) -> None:
    """Nothing else of the order changes."""
    assert symbols_of(order) == symbols
    resolved = with_conids(order, CONIDS)

    legs = getattr(resolved, "legs", None) or getattr(resolved, "orders", (resolved,))
    assert [leg.conid for leg in legs] == conids
    assert type(resolved) is type(order)


def test_ticket_names_its_contract_as_ibkr_does() -> None:
    """It is written by hand, and nothing of it is read as a symbol."""
    ticket = Ticket(order_type="MKT", side="BUY", tif="DAY", conidex="AAPL")

    assert symbols_of(ticket) == ()
    assert symbols_of([ticket, ticket]) == ()
    assert with_conids(ticket, CONIDS) is ticket
