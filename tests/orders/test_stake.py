"""What an order puts at stake, read from its ticket. The limits on it are in `test_permission.py`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.models.orders import Ticket, WhatIf, WhatIfAmount
from ibkr_async.orders.send.stake import previewed, stakes_of


def ticket(**fields: Any) -> Ticket:
    """Make a ticket of five units of contract 1."""
    given_fields = {"conid": 1, "quantity": Decimal(5)} | fields
    return Ticket(**{"order_type": "LMT", "side": "BUY", "tif": "DAY"} | given_fields)


def preview(amount: str | None) -> WhatIf:
    """Make a preview with a value."""
    return WhatIf(amount=WhatIfAmount(amount=amount))


@pytest.mark.parametrize(
    ("fields", "conids", "units"),
    [
        ({}, {1}, 5),
        ({"sec_type": "STK"}, {1}, 5),
        ({"sec_type": "2:STK"}, {1, 2}, 5),
        ({"conid": None, "conidex": "1@ARCA"}, {1}, 5),
        ({"conid": None, "conidex": "9;;;1/1,2/-3"}, {1, 2}, 15),
        ({"conid": None, "conidex": "1@ARCA,2"}, None, None),
        ({"conid": None}, None, 5),
        ({"quantity": None, "cash_quantity": Decimal(7)}, {1}, None),
    ],
)
def test_contracts_and_units_are_read_from_the_ticket(
    fields: dict[str, Any], conids: set[int] | None, units: int | None
) -> None:
    """Of a combination the legs, each with its ratio; of what cannot be read nothing."""
    (stake,) = stakes_of([ticket(**fields)])

    assert stake.conids == (None if conids is None else frozenset(conids))
    assert stake.units == units
    assert stake.value is None


@given(st.text(alphabet="0123456789;,/@-AZ.", max_size=40))
def test_any_conidex_is_read_whole_or_not_at_all(text: str) -> None:
    """No conid of a contract that is judged may be missing: what is read gives the text again."""
    (stake,) = stakes_of([ticket(conid=None, conidex=text)])

    if stake.conids is not None:
        legs = text.partition(";;;")[2] or text
        named = {int(leg.partition("/")[0].partition("@")[0]) for leg in legs.split(",")}
        assert stake.conids == named


@pytest.mark.parametrize(
    ("child", "value"),
    [
        ({}, 100),
        ({"quantity": Decimal(50)}, 1000),
        ({"quantity": Decimal(1)}, 20),
        ({"price": Decimal(30)}, 150),
        ({"parent_price": Decimal(20), "price": Decimal(30)}, 150),
        ({"parent_price": Decimal(20), "price": Decimal(10)}, 100),
        ({"parent_price": Decimal("0.2"), "price": Decimal("0.3")}, 150),
        ({"parent_price": Decimal("0.2"), "price": Decimal("-0.3")}, 150),
        ({"conid": 2}, None),
        ({"quantity": None, "cash_quantity": Decimal(1)}, None),
    ],
)
def test_child_is_worth_its_share_of_the_parent(child: dict[str, Any], value: int | None) -> None:
    """A child written by hand may be larger than its parent, or trade something else."""
    parent = ticket(coid="p", price=child.pop("parent_price", None))
    family = [parent, ticket(**{"parent_id": "p"} | child)]

    _, stake = stakes_of(family, [preview("100 USD"), None])

    assert stake.value == value


@pytest.mark.parametrize(
    ("parent", "child", "asked"),
    [
        ({"price": Decimal(9)}, {"price": Decimal(99)}, None),
        ({}, {}, None),
        ({}, {"price": Decimal(99)}, ("LMT", "BUY", 99)),
        ({}, {"order_type": "STP", "price": Decimal(8)}, ("LMT", "BUY", 8)),
        (
            {},
            {"order_type": "TRAILLMT", "price": Decimal(8), "aux_price": Decimal(9),
             "trailing_amount": Decimal(1), "trailing_type": "amt"},
            ("LMT", "BUY", 8),
        ),
    ],
)  # fmt: skip
def test_child_is_previewed_where_only_it_has_a_price(
    parent: dict[str, Any], child: dict[str, Any], asked: tuple[Any, ...] | None
) -> None:
    """On its parent's side, since an exit alone would be a short sale; the multiplier is in the answer."""
    family = [ticket(coid="p", **parent), ticket(parent_id="p", **{"side": "SELL"} | child)]

    first, second = previewed(family)

    assert first == family[0]
    if asked is None:
        assert second is None
        return
    assert second is not None
    assert (second.order_type, second.side, second.price) == asked
    assert (second.parent_id, second.aux_price, second.trailing_type) == (None, None, None)
    _, stake = stakes_of(family, [preview("100 USD"), preview("4,000 USD")])
    assert stake.value == 4000
