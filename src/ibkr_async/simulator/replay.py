"""Recorded socket frames, played to whoever connects.

Responsible for reading a captures file and for sending its inbound frames over a real socket with
their original spacing, faster, or as fast as possible. It must never change a frame.

The rules of a replay:

* Rows are JSON objects, one a line; only those with `kind` `ws` (or no kind) and `dir` `in` (or no
  `dir`) are played, in the order of the file. `raw` is the exact text.
* `ts` (ISO 8601) gives the spacing; rows without it follow each other at `SPACING_S`. `speed`
  divides every pause; 0 or infinity leaves all pauses out.
* A recorded greeting (`system` with `success`) replaces the simulator's own; recorded heartbeats
  replace its heartbeats until the recording has ended. Afterwards the socket stays open.
* Recorded outbound frames are not waited for. But a frame of a topic that must be subscribed to
  waits until the client has subscribed to it, for at most `GRACE_S` (once per topic).
  While it waits, everything behind it waits too.
* Every connection gets the recording from its beginning. REST requests are answered as usual, and so
  are `tic` and topics of a kind that the recording does not have, such as `sor`.
* Recorded quotes (`smd`) are the market from then on, for orders, bars and positions too: what they
  say about an instrument that the simulator knows replaces its chance.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from math import isinf
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import msgspec

from ibkr_async.simulator.wire import as_object, read_command

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from ibkr_async.world import Clock

SPACING_S = 0.5
"""Between two rows without a time."""
GRACE_S = 2.0
"""How long a frame waits for its subscription."""
_SUBSCRIBED = frozenset({"smd", "smh", "sbd", "sor", "str", "spl", "ssd", "sld", "shs", "inp"})


@dataclass(frozen=True, slots=True)
class RecordedFrame:
    """One frame and when it came, in seconds since the first one."""

    at_s: float
    text: str
    topic: str
    """Full topic; empty for a frame without one."""

    @property
    def needs_subscription(self) -> bool:
        """True for a topic that the server sends only when asked."""
        return self.topic.partition("+")[0] in _SUBSCRIBED


class RecordedQuote(NamedTuple):
    """What a frame says about the market of one instrument; None is not said."""

    conid: int
    last: Decimal | None
    bid: Decimal | None
    ask: Decimal | None
    bid_size: int | None
    ask_size: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """The inbound frames of a captures file."""

    frames: tuple[RecordedFrame, ...]
    has_greeting: bool
    has_heartbeats: bool

    @classmethod
    def from_file(cls, path: Path) -> Recording:
        """Read a captures file.

        Errors: `ValueError` with the line that cannot be read, or when there is nothing to play;
        `OSError` from reading.
        """
        return cls.from_lines(path.read_text(encoding="utf-8").splitlines())

    @classmethod
    def from_lines(cls, lines: Iterable[str]) -> Recording:
        """Read the rows of a captures file. Errors: `ValueError`, as `from_file`."""
        frames: list[RecordedFrame] = []
        greeting = heartbeats = False
        start: float | None = None
        at_s = -SPACING_S
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            row = _row(number, line)
            if row.get("kind", "ws") != "ws" or row.get("dir", "in") != "in":
                continue
            stamp = _time(number, row.get("ts"))
            if stamp is None:
                at_s += SPACING_S
            else:
                start = stamp - max(at_s, 0.0) if start is None else start
                at_s = max(at_s, stamp - start)
            text = row["raw"]
            content = _content(text)
            frames.append(RecordedFrame(at_s, text, str(content.get("topic", ""))))
            greeting = greeting or (content.get("topic") == "system" and "success" in content)
            heartbeats = heartbeats or "hb" in content
        if not frames:
            raise ValueError("the file holds no inbound socket frame")
        return cls(frames=tuple(frames), has_greeting=greeting, has_heartbeats=heartbeats)


def quote_in(text: str) -> RecordedQuote | None:
    """Read the quote in a frame; None when it is of another topic or says nothing of the market."""
    content = _content(text)
    conid = content.get("conid")
    if not str(content.get("topic", "")).startswith("smd+") or type(conid) is not int:
        return None
    prices = [_number(content.get(tag)) for tag in ("31", "84", "86")]
    sizes = [_number(content.get(tag)) for tag in ("88", "85")]
    # A side without a quote is written as -1 for nothing.
    last, bid, ask = (price if price is not None and price > 0 else None for price in prices)
    bid_size, ask_size = (None if size is None else int(size) for size in sizes)
    found = RecordedQuote(conid, last, bid, ask, bid_size, ask_size)
    return found if any(value is not None for value in found[1:]) else None


def _number(text: Any) -> Decimal | None:
    """Read a figure of market data, with its separators and the letters before a price."""
    try:
        figure = Decimal(str(text).lstrip("CH").replace(",", ""))
    except InvalidOperation:
        return None
    return figure if figure.is_finite() else None


def _row(number: int, line: str) -> dict[str, Any]:
    try:
        row = as_object(msgspec.json.decode(line))
    except msgspec.DecodeError as error:
        raise ValueError(f"line {number} is not JSON: {error}") from error
    if not isinstance(row.get("raw"), str):
        raise ValueError(f"line {number} has no text named raw")  # noqa: TRY004 - one error type for every unreadable file
    return row


def _time(number: int, text: Any) -> float | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError) as error:
        raise ValueError(f"line {number} has a time that is not ISO 8601: {text!r}") from error


def _content(text: str) -> dict[str, Any]:
    """Read a frame as far as it can be read: a recording may hold broken ones on purpose."""
    try:
        return as_object(msgspec.json.decode(text))
    except msgspec.DecodeError:
        return {}


class Player:
    """Plays a recording to one socket."""

    def __init__(
        self,
        recording: Recording,
        *,
        speed: float,
        send: Callable[[str], Awaitable[None]],
        clock: Clock,
        quote: Callable[[RecordedQuote], None] = lambda _quote: None,
        grace_s: float = GRACE_S,
    ) -> None:
        """Play with `send`; `quote` is told what becomes of the market, before the frame is sent."""
        self.ended = False
        self._codes = {frame.topic.partition("+")[0] for frame in recording.frames}
        self._quote = quote
        self._recording = recording
        self._factor = 0.0 if speed == 0 or isinf(speed) else 1.0 / speed
        self._send = send
        self._clock = clock
        self._grace_s = grace_s
        self._subscribed: set[str] = set()
        self._waited_for: set[str] = set()
        self._heard = asyncio.Event()

    @property
    def brings_heartbeats(self) -> bool:
        """True while the recording itself keeps the connection alive."""
        return self._recording.has_heartbeats and not self.ended

    def hear(self, text: str) -> bool:
        """Note what the client sent; tell whether the recording answers it."""
        command = read_command(text)
        if command is None:
            return True
        self._subscribed.add(command.full_topic)
        self._heard.set()
        return command.topic in self._codes

    async def play(self) -> None:
        """Send every frame. Cancellation: safe; the rest is not sent."""
        clock = self._clock
        start = clock.monotonic()
        for recorded in self._recording.frames:
            pause = start + recorded.at_s * self._factor - clock.monotonic()
            if self._factor and pause > 0:
                await clock.sleep(pause)
            before = clock.monotonic()
            if recorded.needs_subscription:
                await self._subscription(recorded.topic)
            # What was spent waiting for the client does not eat the spacing of later frames.
            start += clock.monotonic() - before
            quote = quote_in(recorded.text)
            if quote is not None:
                self._quote(quote)
            await self._send(recorded.text)
        self.ended = True

    async def _subscription(self, topic: str) -> None:
        if topic in self._subscribed or topic in self._waited_for:
            return
        self._waited_for.add(topic)
        with anyio.move_on_after(self._grace_s):
            while topic not in self._subscribed:
                self._heard.clear()
                await self._heard.wait()
