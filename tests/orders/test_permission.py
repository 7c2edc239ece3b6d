"""Permission by itself: every rule, and what it takes from the wire."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.errors import ConfigError, OrderGuardError, UsageError
from ibkr_async.models.orders import Ticket, WhatIf, WhatIfAmount
from ibkr_async.orders.send.permission import Permission
from ibkr_async.orders.send.stake import Stake, stakes_of
from ibkr_async.orders.settings import GuardSettings
from support.fake_time import FakeTime, fake_world
from support.foreign_numbers import ForeignInt


def permission(
    *,
    allow_live_orders: bool = True,
    dry_run: bool = False,
    is_paper: bool | None = False,
    time: FakeTime | None = None,
    **limits: Any,
) -> Permission:
    """Make a permission with some limits."""
    return Permission(
        GuardSettings(**limits),
        allow_live_orders=allow_live_orders,
        dry_run=dry_run,
        is_paper=lambda _account_id: is_paper,
        world=fake_world(time),
    )


def ticket(**fields: Any) -> Ticket:
    """Make a ticket of five units of contract 1."""
    given_fields = {"conid": 1, "quantity": Decimal(5)} | fields
    return Ticket(order_type="LMT", side="BUY", tif="DAY", **given_fields)


def preview(amount: str | None) -> WhatIf:
    """Make a preview with a value."""
    return WhatIf(amount=WhatIfAmount(amount=amount))


COMBO = "28812380;;;1/1,2/-1"


@pytest.mark.parametrize(
    ("limits", "fields"),
    [
        ({"accounts": ["DU2"]}, {}),
        ({"accounts": ["DU1"]}, {"account_id": "DU2"}),
        ({"accounts": ["DU1"]}, {"customer_account": "DU2"}),
        ({"accounts": ["DU1"]}, {"json_payload": {"allocation_profile": "everybody"}}),
        ({"accounts": ["DU1"]}, {"json_payload": {"account": "DU1"}}),
        ({"conids": [1]}, {"json_payload": {"conid": 2}}),
        ({"max_quantity": 9}, {"json_payload": {"quantity": 99}}),
        ({"conids": [2]}, {}),
        ({"conids": [1]}, {"conid": None, "conidex": COMBO}),
        ({"conids": [28812380]}, {"conid": None, "conidex": COMBO}),
        ({"conids": [1]}, {"conid": None, "conidex": "what"}),
        ({"conids": [1]}, {"conid": None, "conidex": "1@SMART,2/1"}),
        ({"conids": [1]}, {"conid": None, "conidex": ";;;1/1;;;2/1"}),
        ({"conids": [1]}, {"conid": None, "conidex": "28812380;;;1/1,1"}),
        ({"conids": [1]}, {"conid": None, "sec_type": "STK"}),
        ({"conids": [1]}, {"sec_type": "2:STK"}),
        ({"conids": [1]}, {"sec_type": "1@2:STK"}),
        ({"conids": [1]}, {"conid": None}),
        ({"conids": []}, {}),
        ({"max_quantity": 4}, {}),
        ({"max_quantity": "4.9999"}, {}),
        ({"max_quantity": 5}, {"quantity": None, "cash_quantity": Decimal(1)}),
        ({"max_quantity": 9}, {"conid": None, "conidex": "28812380;;;1/1,2/-2"}),
        ({"max_quantity": 9}, {"conid": None, "conidex": "28812380;;;1/one,2/-1"}),
    ],
)
def test_order_beyond_a_limit_is_refused(limits: dict[str, Any], fields: dict[str, Any]) -> None:
    """Whatever cannot be judged is beyond it too."""
    with pytest.raises(OrderGuardError, match="nothing was sent"):
        permission(**limits).check_terms("c", "DU1", stakes_of([ticket(), ticket(**fields)]))
    with pytest.raises(OrderGuardError, match="nothing was sent"):
        permission(**limits).check("c", "DU1", stakes_of([ticket(), ticket(**fields)]))


@pytest.mark.parametrize(
    ("limits", "fields"),
    [
        ({}, {}),
        ({}, {"json_payload": {"anything": 1}}),
        ({"accounts": {"DU1"}}, {}),
        ({"accounts": {"DU1", "P1"}}, {"json_payload": {"allocation_profile": "P1"}}),
        ({"conids": [1]}, {}),
        ({"conids": [1]}, {"sec_type": "STK"}),
        ({"conids": [1, 2]}, {"conid": None, "conidex": COMBO}),
        ({"conids": [1, 2]}, {"conid": None, "conidex": "28812380@SMART;;;1/1,2/-1"}),
        ({"conids": [1]}, {"conid": None, "conidex": "1@ARCA"}),
        ({"conids": [1]}, {"conid": None, "sec_type": "1:STK"}),
        ({"max_quantity": 5}, {}),
        ({"max_quantity": 5, "max_notional": 9}, {"quantity": None, "cash_quantity": Decimal(1)}),
        ({"max_quantity": 10}, {"conid": None, "conidex": "28812380;;;1/1,2/-2"}),
    ],
)
def test_order_within_the_limits_passes(limits: dict[str, Any], fields: dict[str, Any]) -> None:
    """A limit counts as reached only when it is passed."""
    allowed = permission(**limits)

    allowed.check_terms("c", "DU1", stakes_of([ticket(**fields)]))
    allowed.check("c", "DU1", stakes_of([ticket(**fields)], [preview("1 USD")]))


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
        ({}, "0 USD", False),
        ({}, "0.00 USD (5 Shares)", False),
    ],
)
@pytest.mark.parametrize("precision", [1, 28])
def test_value_is_held_by_the_preview(
    fields: dict[str, Any], amount: str | None, precision: int, *, passes: bool
) -> None:
    """The larger of IBKR's figure and ours counts, in any decimal context; without one nothing passes."""
    held = permission(max_notional=1000)
    assert held.limits_value

    with localcontext(Context(prec=precision)):
        stakes = stakes_of([ticket(**fields)], [preview(amount)])
        if passes:
            held.check("c", "DU1", stakes)
        else:
            with pytest.raises(OrderGuardError):
                held.check("c", "DU1", stakes)


def test_preview_without_an_amount_is_refused() -> None:
    """And without the limit nobody looks at it."""
    with pytest.raises(OrderGuardError):
        permission(max_notional=1).check("c", "DU1", stakes_of([ticket()], [WhatIf()]))
    permission().check("c", "DU1", stakes_of([ticket()] * 99))


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 3)), max_size=40), st.integers(1, 5))
def test_rate_holds_in_every_minute(steps: list[tuple[float, int]], limit: int) -> None:
    """However the orders come, no sixty seconds hold more than the limit."""
    time, sent = FakeTime(0.0), []
    held = permission(max_orders_per_minute=limit, time=time)
    for wait, count in steps:
        time.at += wait
        try:
            held.check("c", "DU1", stakes_of([ticket()] * count))
        except OrderGuardError:
            continue
        held.check("c", "DU1", stakes_of([ticket()] * count), is_new=False)
        sent += [time.at] * count

    assert all(len([t for t in sent if at - 60 < t <= at]) <= limit for at in sent)


def test_kill_switch_stops_orders_while_its_file_is_there(tmp_path: Path) -> None:
    """It is looked for each time; what cannot be looked at counts as there."""
    switch = tmp_path / "stop"
    held = permission(kill_switch=str(switch))
    stakes = stakes_of([ticket()])

    held.check("c", "DU1", stakes)
    switch.touch()
    with pytest.raises(OrderGuardError, match="kill switch"):
        held.check("c", "DU1", stakes)
    for path in (switch / "below", "with\0nothing"):
        with pytest.raises(OrderGuardError, match="kill switch"):
            permission(kill_switch=str(path)).check("c", "DU1", stakes)
    switch.unlink()
    held.check("c", "DU1", stakes)
    permission().check("c", "DU1", stakes)


def test_kill_switch_may_lie_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`~` means what it means in a shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "ibkr.stop").touch()

    with pytest.raises(OrderGuardError, match="kill switch"):
        permission(kill_switch="~/ibkr.stop").check("c", "DU1", stakes_of([ticket()]))


@pytest.mark.parametrize("is_paper", [False, None])
def test_account_must_be_known_to_be_paper(*, is_paper: bool | None) -> None:
    """Or real money must be allowed by one explicit setting."""
    with pytest.raises(OrderGuardError, match="allow_live_orders=True"):
        permission(allow_live_orders=False, is_paper=is_paper).check("c", "DU1", ())
    permission(allow_live_orders=False, is_paper=True).check("c", "DU1", ())
    permission(is_paper=is_paper).check("c", "DU1", ())


@pytest.mark.parametrize(
    "limit",
    [
        {"accounts": ["DU1"]},
        {"conids": [1]},
        {"max_quantity": 1},
        {"max_notional": 1},
        {"max_orders_per_minute": 1},
    ],
)
def test_what_is_not_known_passes_no_limit(limit: dict[str, Any]) -> None:
    """The kill switch limits no single order."""
    with pytest.raises(OrderGuardError, match="does not know"):
        permission(**limit).check("c", "DU1", None)
    permission(kill_switch="/nowhere/at/all").check("c", "DU1", None)


def test_request_that_names_no_account_passes_no_list_of_accounts() -> None:
    """It may be for any of them."""
    stake = Stake(conids=frozenset({1}), units=Decimal(1))

    with pytest.raises(OrderGuardError, match="names none"):
        permission(accounts=["DU1"]).check("c", None, (stake,))


def test_dry_run_lets_nothing_pass() -> None:
    """Neither an order nor a cancel."""
    dry = permission(dry_run=True)

    with pytest.raises(UsageError, match="dry_run"):
        dry.check("c", "DU1", ())
    with pytest.raises(UsageError, match="dry_run"):
        dry.check_change("cancel of order 7")
    permission().check_change("cancel of order 7")


@pytest.mark.parametrize(
    "settings",
    [{"max_quantity": 0}, {"max_notional": "much"}, {"max_orders_per_minute": -1}],
)
def test_limit_that_means_nothing_is_refused(settings: dict[str, Any]) -> None:
    """The message names the setting."""
    with pytest.raises(ConfigError, match=next(iter(settings))):
        GuardSettings(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"conids": ["AAPL"]},
        {"conids": [True]},
        {"accounts": [1]},
        {"accounts": [""]},
        {"conids": [1.5]},
    ],
)
def test_list_of_what_may_trade_holds_what_it_is_of(settings: dict[str, Any]) -> None:
    """Anything else would let nothing pass, and nobody would know why."""
    with pytest.raises(ConfigError, match=next(iter(settings))):
        GuardSettings(**settings)


def test_one_account_may_be_given_as_a_text() -> None:
    """And not as the list of its letters; conids may be of any library."""
    held = permission(accounts="DU1", conids=[ForeignInt(1)])

    held.check("c", "DU1", stakes_of([ticket()]))
    with pytest.raises(OrderGuardError):
        held.check("c", "D", stakes_of([ticket()]))
