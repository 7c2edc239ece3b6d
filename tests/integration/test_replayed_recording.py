"""The real client consumes what IBKR really sent, over a real socket."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
import pytest

from ibkr_async import Client
from ibkr_async.models.market_data import Availability
from ibkr_async.simulator import Recording, Simulator
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.captures import read_captures, require_captures
from support.leaks import nothing_left_behind
from support.waiting import until

AAPL = 265598
FILE = "ws_smd_single.jsonl"

pytestmark = pytest.mark.captures


def _recorded_updates() -> list[dict[str, Any]]:
    """Give the recorded market data of the one contract, oldest first."""
    return [
        msgspec.json.decode(row.raw)
        for row in read_captures(FILE)
        if row.inbound and row.topic_or_path == f"smd+{AAPL}"
    ]


@pytest.mark.parametrize("speed", [0, 100])
async def test_last_quote_equals_the_fold_of_the_recording(
    keys: SimulatorKeys, speed: float
) -> None:
    """However fast it is played, the quote ends with the newest value of each field."""
    updates = _recorded_updates()
    newest: dict[str, Any] = {}
    for update in updates:
        newest |= update
    recording = Recording.from_file(require_captures() / FILE)
    async with (
        nothing_left_behind(),
        Simulator(keys=keys, recording=recording, speed=speed) as sim,
        Client(sim.auth()) as ib,
        ib.quotes(AAPL, fields=["31", "84", "86", "6509", "83"]) as quotes,
    ):
        with anyio.fail_after(10):
            while (
                quotes.stats.received < len(updates)
                or quotes.latest(AAPL).updated_at_ms != (newest["_updated"])
            ):
                quote = await anext(quotes)

        assert (ib.stream.stats.bad, ib.stream.stats.unknown, ib.health().gaps) == (0, 0, 0)

    assert (quote.bid, quote.ask, quote.last) == tuple(
        float(newest[tag]) for tag in ("84", "86", "31")
    )
    assert quote.change_pct == newest["83"]
    assert quote.availability == Availability.parse(newest["6509"])


async def test_recorded_handshake_brings_the_socket_up(keys: SimulatorKeys) -> None:
    """The recorded greeting and heartbeats are understood by the whole client."""
    recording = Recording.from_file(require_captures() / "ws_handshake_and_heartbeats.jsonl")
    async with (
        nothing_left_behind(),
        Simulator(keys=keys, recording=recording, speed=0) as sim,
        Client(sim.auth()) as ib,
        ib.stream.live_orders(),
    ):
        await until(lambda: ib.stream.stats.frames >= len(recording.frames))

        assert ib.stream.connected
        assert (ib.stream.stats.bad, ib.stream.stats.unknown) == (0, 0)
