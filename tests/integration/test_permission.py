"""Permission as a client asks for it: of the session that is there, and on the socket too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from ibkr_async import Client, LimitOrder
from ibkr_async.errors import OrderGuardError, OrderInvalidError, UsageError
from ibkr_async.models.streaming import ExerciseForm
from ibkr_async.orders.settings import GuardSettings
from ibkr_async.session.state import SessionState
from ibkr_async.simulator import BrokerSettings, Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.inside import parts_of
from support.settings_with import AT_ONCE

AAPL, OPTION = 265598, 900000201
ORDER = LimitOrder("AAPL", "BUY", 1, "10.00")
QUICK = AT_ONCE
ADVISER = SimulatorSettings(
    greeting_delay_s=0.0,
    account_ids=("DU7", "DU8"),
    broker=BrokerSettings(warm_ups=False, ask_price_constraint=False),
)


def wide_open(path: Path) -> dict[str, Any]:
    """Return settings of a client whose kill switch is on."""
    path.touch()
    return {"guard": GuardSettings(kill_switch=str(path))}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"dry_run": True}, UsageError),
        ({"guard": GuardSettings(accounts=frozenset({"DU9"}))}, OrderGuardError),
        ({"guard": GuardSettings(conids=frozenset({AAPL}))}, OrderGuardError),
        ({"guard": GuardSettings(max_quantity=2)}, OrderGuardError),
        (None, OrderGuardError),
    ],
    ids=["dry run", "account", "contract", "quantity", "kill switch"],
)
async def test_exercise_passes_the_same_gate_as_an_order(
    sim: Simulator, tmp_path: Path, options: dict[str, Any] | None, error: type[Exception]
) -> None:
    """Nothing is said to the server; leaving the dialogue is always possible."""
    given = wide_open(tmp_path / "stop") if options is None else options
    async with (
        Client(sim.gateway(), settings=QUICK, **given) as ib,
        ib.stream.option_exercise(OPTION) as dialogue,
    ):
        with anyio.fail_after(5):
            form = await anext(dialogue)
        assert isinstance(form, ExerciseForm)
        with pytest.raises(error):
            await dialogue.submit(form, contracts=3)
        live = await ib.orders.live()

    assert not live.orders


async def test_account_is_not_known_while_the_session_is_away(gateway_ib: Client) -> None:
    """What an earlier login said of its accounts does not count for the next."""
    keeper = parts_of(gateway_ib).session
    assert parts_of(gateway_ib).order_engine.preparation.default_account_id == "DU1234567"
    keeper.info = msgspec.structs.replace(keeper.info, state=SessionState.DISCONNECTED)
    # What the gate is given; users see only what it decides.
    facts = parts_of(gateway_ib)._account_facts()

    assert facts.is_paper is None
    assert facts.default_account_id == "DU1234567"


async def test_adviser_names_the_account_of_an_order(keys: SimulatorKeys) -> None:
    """In the order, in the call, or in the settings."""
    async with Simulator(keys=keys, settings=ADVISER) as sim:
        async with Client(sim.gateway(), settings=QUICK) as ib:
            with pytest.raises(OrderInvalidError, match="name one"):
                await ib.orders.submit(ORDER)
            named = await ib.orders.submit(ORDER, account_id="DU8")
        async with Client(sim.gateway(), settings=QUICK, account_id="DU8") as ib:
            chosen = await ib.orders.submit(ORDER)

    assert (named.account_id, chosen.account_id) == ("DU8", "DU8")
    assert named.tickets[0].conid == AAPL
