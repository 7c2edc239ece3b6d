"""The same conversations with the simulator in the server's place.

Only transcripts whose first line begins with `# core and simulator` are played. What the client sends is
sent as written; each line of the server must be answered in shape: a frame of the same topic with at
least the same keys, in which every value has the same kind. Values are the simulator's own; where an
answer brings a number that is named later (`serverId`, the id of a question), the simulator's is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import ClientConnection

from ibkr_async.simulator import BrokerSettings, Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.simulator_peer import Peer

FOLDER = Path(__file__).parents[1] / "transcripts"
PLAYED = {
    path.stem: text
    for path in sorted(FOLDER.glob("*.txt"))
    if (text := path.read_text(encoding="utf-8")).startswith("# core and simulator")
}
SESSION = "0123456789abcdef0123456789abcdef"
QUICK = SimulatorSettings(
    greeting_delay_s=0.0,
    tick_s=0.02,
    pnl_s=0.02,
    heartbeat_s=0.05,
    broker=BrokerSettings(warm_ups=False),
)


@pytest.fixture(scope="module")
def keys() -> SimulatorKeys:
    """Return one set of keys for all."""
    return SimulatorKeys.generate()


@pytest.fixture
async def peer(keys: SimulatorKeys) -> AsyncIterator[Peer]:
    """Return a raw client of a running simulator."""
    async with Simulator(keys=keys, settings=QUICK) as sim:
        raw = Peer(sim, keys)
        yield raw
        await raw.http.aclose()


class Conversation:
    """Plays a transcript with a real socket."""

    def __init__(self, websocket: ClientConnection, session: str, option: int) -> None:
        self.websocket = websocket
        self.words = {SESSION: session, "OPTION": str(option)}
        """What stands in the transcript, and what the simulator calls it."""

    async def play(self, text: str) -> None:
        """Follow the lines; fail at the first that does not come true."""
        for number, line in enumerate(text.splitlines(), 1):
            sign, _, rest = line.strip().partition(" ")
            if sign == ">":
                for word, real in self.words.items():
                    rest = rest.replace(word, real)
                await self.websocket.send(rest)
            elif sign == "<":
                await self.expect(msgspec.json.decode(rest), f"line {number}: {line}")

    async def expect(self, wanted: dict[str, Any], where: str) -> None:
        """Read until a frame of this shape comes."""
        seen: list[str] = []
        try:
            async with asyncio.timeout(3):
                while True:
                    frame = msgspec.json.decode(await self.websocket.recv())
                    if same_shape(wanted, frame):
                        break
                    seen.append(msgspec.json.encode(frame).decode()[:200])
        except TimeoutError:
            pytest.fail(f"{where}: nothing like it came, only {seen}")
        self.learn(wanted, frame)

    def learn(self, wanted: dict[str, Any], frame: dict[str, Any]) -> None:
        """Remember what the simulator calls the things that are named later."""
        if "serverId" in wanted:
            self.words[f"umh+{wanted['serverId']}"] = f"umh+{frame['serverId']}"
        if "action" in wanted:
            name = '"data":{"id":"%s"'
            self.words[name % wanted["data"]["id"]] = name % frame["data"]["id"]


def same_shape(wanted: Any, got: Any) -> bool:
    """Tell whether a frame has all the keys of another, with values of the same kind."""
    if isinstance(wanted, dict):
        if not isinstance(got, dict) or got.get("topic") != wanted.get("topic"):
            return False
        return all(key in got and same_shape(value, got[key]) for key, value in wanted.items())
    if isinstance(wanted, list):
        if not isinstance(got, list):
            return False
        return not wanted or any(same_shape(wanted[0], row) for row in got)
    return kind(wanted) == kind(got)


def kind(value: Any) -> type:
    """Numbers are alike; an id may be a number or a text, as IBKR has it."""
    return (
        str if isinstance(value, str | int | float) and not isinstance(value, bool) else type(value)
    )


def option_of(sim: Simulator) -> int:
    """Find an option that can be exercised."""
    instruments = sim.broker.instruments.values()
    return next(one.conid for one in instruments if one.sec_type == "OPT")


@pytest.mark.parametrize("name", PLAYED)
async def test_simulator_follows_transcript(name: str, peer: Peer) -> None:
    """The simulator answers in the shapes that the transcript lists."""
    text = PLAYED[name]
    session = await peer.ready()
    cookie = None if "waiting for session" in text else session
    async with peer.socket(cookie) as websocket:
        await Conversation(websocket, session, option_of(peer.sim)).play(text)


def test_there_are_transcripts_for_both() -> None:
    """An empty list would prove nothing."""
    assert len(PLAYED) >= 8
