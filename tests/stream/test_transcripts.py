"""Whole conversations, written down line by line in `tests/transcripts`, against the core.

    # comment
    * connect | lost CODE | subscribe TOPIC [JSON] | unsubscribe TOPIC | session up/down | close
    * wait TOPIC [JSON]      subscribe, and wait where IBKR serves only so many
    * say TEXT               a frame of the user's own in the dialogue `shs+exercise`
    @ 10      let time pass until second 10, keeping every deadline
    @ 480 hb  the same with a server that sends heartbeats; our `tic`s in between are not listed
    @ 30 lag  the same, but our own loop stood still all the while
    < frame   the server sends
    > frame   we send
    ! Event field=value ...   we report
    $ what    the consumer gets: the raw frame of market data, or the type of anything else

What we send, report and deliver must be listed completely; each kind in its order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from ibkr_async.models.market_data import MarketDataUpdate
from stream.core_driver import Driver, Heard, make_buffer, wish

FOLDER = Path(__file__).parents[1] / "transcripts"
TRANSCRIPTS = sorted(FOLDER.glob("*.txt"))


class Player:
    """Plays one transcript."""

    def __init__(self) -> None:
        self.driver = Driver()
        self.listener = Heard(make_buffer())
        self.delivered: list[str] = []
        self.where = ""

    def play(self, text: str) -> None:
        """Follow the lines; fail at the first that does not come true."""
        for number, line in enumerate(text.splitlines(), 1):
            self.where = f"line {number}: {line}"
            sign, _, rest = line.strip().partition(" ")
            if sign in {"", "#"}:
                continue
            if sign in "*@<":
                self.expect_nothing_left()
                {"*": self.act, "@": self.wait, "<": self.driver.receive}[sign](rest)
                self.drain()
            elif sign == ">":
                assert self.driver.sent, f"{self.where}: nothing was sent"
                assert self.driver.sent.pop(0) == rest, self.where
            elif sign == "!":
                self.expect_event(rest)
            else:
                assert self.delivered, f"{self.where}: nothing was delivered"
                assert self.delivered.pop(0) == rest, self.where
        self.expect_nothing_left()

    def act(self, command: str) -> None:
        """Do what a `*` line says."""
        verb, _, rest = command.partition(" ")
        core, now = self.driver.core, self.driver.now
        if verb == "connect":
            core.connection_made(now, "0123456789abcdef0123456789abcdef")
        elif verb == "lost":
            core.connection_lost(now, int(rest), "")
        elif verb in {"subscribe", "wait"}:
            topic, _, arguments = rest.partition(" ")
            wanted = msgspec.json.decode(arguments) if arguments else None
            core.subscribe(wish(topic, wanted, waits=verb == "wait"), self.listener, now)
        elif verb == "say":
            core.say("shs+exercise", rest)
        elif verb == "unsubscribe":
            core.unsubscribe(rest, self.listener, now)
        elif verb == "session":
            core.session_established(rest == "up", now)
        else:
            assert verb == "close", self.where
            core.close()

    def wait(self, rest: str) -> None:
        """Let time pass as an `@` line says."""
        at, _, mode = rest.partition(" ")
        if mode == "lag":
            self.driver.jump_to(float(at))
            return
        self.driver.advance_to(float(at), heartbeats=mode == "hb")
        if mode == "hb":
            self.driver.sent = [text for text in self.driver.sent if text != "tic"]

    def drain(self) -> None:
        """Collect what came out."""
        self.driver.collect()
        for item in self.listener.buffer.take_all_marked():
            is_update = isinstance(item, MarketDataUpdate)
            self.delivered.append(item.raw.decode() if is_update else type(item).__name__)

    def expect_event(self, rest: str) -> None:
        """Compare the next event with a `!` line."""
        name, *pairs = rest.split(" ")
        assert self.driver.events, f"{self.where}: nothing was reported"
        event: Any = self.driver.events.pop(0)
        assert type(event).__name__ == name, f"{self.where}: {event}"
        for pair in pairs:
            field, _, value = pair.partition("=")
            assert str(getattr(event, field)) == value, f"{self.where}: {event}"

    def expect_nothing_left(self) -> None:
        """Everything that came out has been listed."""
        assert self.driver.sent == [], f"before {self.where}: sent"
        assert self.driver.events == [], f"before {self.where}: reported"
        assert self.delivered == [], f"before {self.where}: delivered"


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_core_follows_transcript(path: Path) -> None:
    """The core sends, reports and delivers exactly what the transcript lists."""
    Player().play(path.read_text(encoding="utf-8"))


def test_there_are_transcripts() -> None:
    """An empty folder would prove nothing."""
    assert len(TRANSCRIPTS) > 10
