"""`kill -9` at every marked point of a submission, then a restart: no duplicate, none forgotten."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ibkr_async import Client
from ibkr_async.errors import OrderUnknownError
from ibkr_async.orders.fate.journal_entries import read_entries
from ibkr_async.simulator import BrokerSettings, Simulator, SimulatorSettings
from support.doomed_bots import settings, unpaced
from support.inside import book_of
from support.waiting import until

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and kill -9"),
]

TESTS = Path(__file__).parents[1]
QUIET = SimulatorSettings(
    greeting_delay_s=0.0, broker=BrokerSettings(warm_ups=False, volatility=0.0)
)

POINTS = [
    *[
        ("plain", point)
        for point in (
            "before _take_turn",
            "before intent is written",
            "after intent is written",
            "before place",
            "answer to orders",
            "after place",
            "before accepted is noted",
            "after accepted is noted",
            "before accepted is written",
            "after accepted is written",
            "after submit",
        )
    ],
    *[
        ("question", point)
        for point in (
            "answer to orders",
            "before confirm is written",
            "before reply",
            "answer to reply",
            "after reply",
        )
    ],
    ("bracket", "answer to orders"),
    ("bracket", "before accepted is written"),
    ("lost", "before find_out"),
    ("dropped", "before live"),
    ("lost", "after find_out"),
    ("dropped", "after live"),
    ("modify", "before modify"),
    ("modify", "answer to order"),
    ("modify", "before accepted is written"),
]


class Graveyard:
    """The process in which bots die."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, **job: str) -> dict[str, Any]:
        """Let one bot live until its point; say how it died."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job).encode() + b"\n")
        await self._process.stdin.drain()
        answer: dict[str, Any] = json.loads(await self._process.stdout.readline())
        return answer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sim() -> AsyncIterator[Simulator]:
    """Return one simulator for all points."""
    async with Simulator(settings=QUIET) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def graveyard() -> AsyncIterator[Graveyard]:
    """Return the process that forks the bots."""
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(TESTS / "support" / "doomed_bots.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # What is killed reports no coverage, and measuring a fork of a measured process hangs.
        env={k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
        | {"PYTHONPATH": path},
    )
    yield Graveyard(process)
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


def orders_of(sim: Simulator, coid: str) -> list[Any]:
    """Every order at the broker that came from one submission."""
    orders = list(book_of(sim.broker).orders.values())
    entries = [order for order in orders if order.ticket.coid == coid]
    ids = {order.order_id for order in entries}
    return [*entries, *(order for order in orders if order.parent_id in ids)]


@pytest.mark.parametrize(("scenario", "point"), POINTS)
async def test_killed_bot_leaves_no_duplicate_and_nothing_forgotten(
    sim: Simulator, graveyard: Graveyard, tmp_path: Path, scenario: str, point: str
) -> None:
    """The restart adopts what is there, and says of the rest that it is not known."""
    coid = f"{scenario}-{POINTS.index((scenario, point))}"
    journal = tmp_path / "orders.journal"
    if scenario in {"lost", "dropped"}:
        sim.fail_next("/iserver/account/*/orders", 503, "gone", after=scenario == "lost")
        sim.mute("sor")  # the news would end the look before it has begun

    death = await graveyard.run(
        base_url=sim.base_url,
        ca=str(sim.ca_file),
        journal=str(journal),
        scenario=scenario,
        point=point,
        coid=coid,
        price="100.00" if scenario == "question" else "189.00",
    )
    sim.unmute("sor")
    assert death["signal"] == signal.SIGKILL, death
    # Its last words may still be on their way to the broker.
    await until(lambda: not sim.open_connections)
    at_the_broker = orders_of(sim, coid)

    async with unpaced(Client(sim.gateway(), settings=settings(str(journal)))) as ib:
        found = {each.coid: each for each in await ib.orders.recovered()}
        still_unknown = set(ib.orders.unknown)

    said = [entry.event for entry in read_entries(journal, coid=coid)]
    assert orders_of(sim, coid) == at_the_broker, "the restart placed something"
    assert len(at_the_broker) <= (3 if scenario == "bracket" else 1)
    if not at_the_broker:
        assert not said or isinstance(found[coid].error, OrderUnknownError)
        return
    assert said[0] == "intent"
    if coid in found and found[coid].handle is not None:
        handle = found[coid].handle
        assert handle is not None
        ids = {str(order.order_id) for order in at_the_broker}
        assert {leg.order_id for leg in handle.legs} == ids
        assert coid not in still_unknown
    elif coid in found:
        # A modification that IBKR does not show: the order is there with its old terms.
        assert scenario == "modify"
        assert at_the_broker[0].ticket.quantity == 10
        assert still_unknown == {coid}
    assert said[-1] == ("unknown" if coid in still_unknown else "accepted")
