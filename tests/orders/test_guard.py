from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.config import GuardSettings
from ibkr_async.errors import ConfigError, OrderGuardError
from ibkr_async.models.orders import Ticket, WhatIf, WhatIfAmount
from ibkr_async.orders.send.guard import OrderGuard


def guard(*, allow_live_orders: bool = True, **settings: Any) -> OrderGuard:
    """Make a guard with some limits."""
    return OrderGuard(GuardSettings(**settings), allow_live_orders=allow_live_orders)


def ticket(**fields: Any) -> Ticket:
    """Make a ticket of five units of contract 1."""
    given_fields = {"conid": 1, "quantity": Decimal(5)} | fields
    return Ticket(order_type="LMT", side="BUY", tif="DAY", **given_fields)


def preview(amount: str | None) -> WhatIf:
    """Make a preview with a value."""
    return WhatIf(amount=WhatIfAmount(amount=amount))


COMBO = "28812380;;;1/1,2/-1"


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"accounts": ["DU2"]}, {}),
        ({"conids": [2]}, {}),
        ({"conids": [1]}, {"conid": None, "conidex": COMBO}),
        ({"conids": [28812380]}, {"conid": None, "conidex": COMBO}),
        ({"conids": [1]}, {"conid": None, "conidex": "what"}),
        ({"conids": [1]}, {"conid": None}),
        ({"conids": []}, {}),
        ({"max_quantity": 4}, {}),
        ({"max_quantity": "4.9999"}, {}),
        ({"max_quantity": 5}, {"quantity": None, "cash_quantity": Decimal(1)}),
    ],
)
def test_order_beyond_a_limit_is_refused(settings: dict[str, Any], fields: dict[str, Any]) -> None:
    """Whatever cannot be judged is beyond it too."""
    with pytest.raises(OrderGuardError, match="nothing was sent"):
        guard(**settings).check_order("c", "DU1", [ticket(), ticket(**fields)])


@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({}, {}),
        ({"accounts": {"DU1"}}, {}),
        ({"conids": [1]}, {}),
        ({"conids": [1, 2]}, {"conid": None, "conidex": COMBO}),
        ({"conids": [1]}, {"conid": None, "conidex": "1@ARCA"}),
        ({"conids": [1]}, {"conid": None, "sec_type": "1:STK"}),
        ({"max_quantity": 5}, {}),
        ({"max_quantity": 5, "max_notional": 9}, {"quantity": None, "cash_quantity": Decimal(1)}),
    ],
)
def test_order_within_the_limits_passes(settings: dict[str, Any], fields: dict[str, Any]) -> None:
    """A limit counts as reached only when it is passed."""
    guard(**settings).check_order("c", "DU1", [ticket(**fields)])


@pytest.mark.parametrize(
    ("fields", "amount", "passes"),
    [
        ({}, "1,000.00 USD (5 Shares)", True),
        ({}, "1,000.01 USD (5 Shares)", False),
        ({}, "-1,000.01 USD (5 Shares)", False),
        ({"price": Decimal(201)}, "10 USD (5 Shares)", False),
        ({"quantity": None, "cash_quantity": Decimal(1001)}, "10 USD", False),
        ({}, None, False),
        ({}, "unknown", False),
    ],
)
def test_value_is_held_by_the_preview(
    fields: dict[str, Any], amount: str | None, *, passes: bool
) -> None:
    """The larger of IBKR's figure and ours counts; without a figure nothing passes."""
    held = guard(max_notional=1000)
    assert held.limits_value

    if passes:
        held.check_value("c", ticket(**fields), preview(amount))
    else:
        with pytest.raises(OrderGuardError):
            held.check_value("c", ticket(**fields), preview(amount))


def test_preview_without_an_amount_is_refused() -> None:
    """And without the limit nobody looks at it."""
    with pytest.raises(OrderGuardError):
        guard(max_notional=1).check_value("c", ticket(), WhatIf())
    guard().check_value("c", ticket(), WhatIf())
    guard().check_rate("c", 99, 0.0)


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 3)), max_size=40), st.integers(1, 5))
def test_rate_holds_in_every_minute(steps: list[tuple[float, int]], limit: int) -> None:
    """However the orders come, no sixty seconds hold more than the limit."""
    held, now, sent = guard(max_orders_per_minute=limit), 0.0, []
    for wait, count in steps:
        now += wait
        try:
            held.check_rate("c", count, now)
        except OrderGuardError:
            continue
        sent += [now] * count

    assert all(len([t for t in sent if at - 60 < t <= at]) <= limit for at in sent)


def test_kill_switch_stops_orders_while_its_file_is_there(tmp_path: Path) -> None:
    """It is looked for each time; what cannot be looked at counts as there."""
    switch = tmp_path / "stop"
    held = guard(kill_switch=str(switch))

    held.check_kill_switch("c")
    switch.touch()
    with pytest.raises(OrderGuardError, match="kill switch"):
        held.check_kill_switch("c")
    with pytest.raises(OrderGuardError, match="kill switch"):
        guard(kill_switch=str(switch / "below")).check_kill_switch("c")
    switch.unlink()
    held.check_kill_switch("c")
    guard().check_kill_switch("c")


def test_guard_knows_whether_it_has_limits() -> None:
    """The kill switch limits no single order."""
    assert guard(conids=[1]).limits_orders
    assert not guard(kill_switch="x").limits_orders


@pytest.mark.parametrize(
    "settings",
    [{"max_quantity": 0}, {"max_notional": "much"}, {"max_orders_per_minute": -1}],
)
def test_limit_that_means_nothing_is_refused(settings: dict[str, Any]) -> None:
    """The message names the setting."""
    with pytest.raises(ConfigError, match=next(iter(settings))):
        GuardSettings(**settings)
