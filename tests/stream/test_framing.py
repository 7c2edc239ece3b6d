"""The fast way is fuzzed against the library's own way: same messages, same order, same close code."""

from __future__ import annotations

import asyncio
import random
import struct
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    ServerPerMessageDeflateFactory,
)
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from ibkr_async.stream.socket.framing import PIECE_BYTES, FramedConnection, frame_size, split_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

LARGEST = 80_000
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def dice(seed: int) -> random.Random:
    """Give the same chances again."""
    return random.Random(seed)  # noqa: S311 - no secret is drawn here


async def turns_until(condition: Callable[[], object]) -> None:
    """Let the event loop turn until something is so."""
    while not condition():  # noqa: ASYNC110 - single turns of the loop are what is tested
        await asyncio.sleep(0)


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, head: int = 0) -> bytes:
    """Write a server's frame; `head` sets further bits of its first byte."""
    first, size = (0x80 if fin else 0) | opcode | head, len(payload)
    if size < 126:
        return bytes([first, size]) + payload
    if size < 65_536:
        return struct.pack(">BBH", first, 126, size) + payload
    return struct.pack(">BBQ", first, 127, size) + payload


def masked(payload: bytes) -> bytes:
    """Write a frame as only a client may."""
    return bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload


class MemoryTransport(asyncio.Transport):
    """Keeps what is written, and remembers whether reading is paused."""

    def __init__(self) -> None:
        super().__init__()
        self.written = bytearray()
        self.paused = False
        self.pauses = 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Take anything."""

    def write(self, data: Any) -> None:
        self.written += data

    def write_eof(self) -> None:
        """The peer of these tests does not care."""

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        self.paused = True
        self.pauses += 1

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        """There is nothing to cut."""


@dataclass
class Outcome:
    """What a client made of a server's bytes."""

    messages: list[bytes] = field(default_factory=list)
    pongs: list[bytes] = field(default_factory=list)
    close: tuple[int | None, int | None] = (None, None)
    """Close codes: received, sent."""


class Talk:
    """A client connection over a transport in memory, and the server's half of its handshake."""

    def __init__(self, make: Callable[..., ClientConnection], *, deflate: bool = False) -> None:
        self.server = ServerProtocol(
            extensions=[ServerPerMessageDeflateFactory()] if deflate else None
        )
        protocol = ClientProtocol(
            parse_uri("ws://127.0.0.1/"),
            max_size=LARGEST,
            extensions=[ClientPerMessageDeflateFactory()] if deflate else None,
        )
        self.connection = make(protocol, ping_interval=None, max_queue=None)
        self.transport = MemoryTransport()
        self.connection.connection_made(self.transport)
        self.outcome = Outcome()
        self.reading: asyncio.Task[None] | None = None

    async def begin(self, *, status: int = 0) -> tuple[asyncio.Task[None], bytes]:
        """Send the request; give the running handshake and the server's answer to it."""
        handshake = asyncio.create_task(self.connection.handshake())
        await turns_until(lambda: self.transport.written)
        self._let_server_read()
        [request] = self.server.events_received()
        assert isinstance(request, Request)
        response = (
            self.server.reject(status, "no\r\n\r\n\x81\x02hi")
            if status
            else self.server.accept(request)
        )
        self.server.send_response(response)
        return handshake, b"".join(self.server.data_to_send())

    async def hear(self, pieces: Iterator[bytes], chance: random.Random) -> None:
        """Let the reads arrive, and others run in between now and then."""
        for piece in pieces:
            await turns_until(lambda: not self.transport.paused)
            self.connection.data_received(piece)
            for _ in range(chance.choice((0, 0, 1, 3))):
                await asyncio.sleep(0)
        await turns_until(lambda: not self.transport.paused)

    async def finish(self) -> Outcome:
        """Let the server close TCP, and give what was seen."""
        self.connection.eof_received()
        self.connection.connection_lost(None)
        if self.reading is not None:
            await self.reading
        self._let_server_read()
        self.outcome.pongs = [
            bytes(event.data)
            for event in self.server.events_received()
            if isinstance(event, Frame) and event.opcode is Opcode.PONG
        ]
        return self.outcome

    def _let_server_read(self) -> None:
        self.server.receive_data(bytes(self.transport.written))
        self.transport.written.clear()

    def take(self, frames: Sequence[bytes]) -> None:
        """Be the sink."""
        self.outcome.messages += frames

    async def read(self) -> None:
        """Do what the stream's reader does."""
        connection = self.connection
        if isinstance(connection, FramedConnection):
            connection.deliver_to(self.take)
        while True:
            try:
                message = await connection.recv(decode=False)
            except ConnectionClosed as error:
                codes = [end and end.code for end in (error.rcvd, error.sent)]
                self.outcome.close = codes[0], codes[1]
                return
            self.take((message,))
            if isinstance(connection, FramedConnection):
                connection.delivered()


def framed(*args: Any, **options: Any) -> FramedConnection:
    """Make a connection with the fast way open."""
    return FramedConnection(*args, largest=LARGEST, **options)


def unhurried(*args: Any, **options: Any) -> FramedConnection:
    """Make a connection with the fast way closed."""
    return FramedConnection(*args, largest=LARGEST, fast=False, **options)


async def listen(
    make: Callable[..., ClientConnection],
    stream: bytes,
    chance: random.Random,
    *,
    cuts: Sequence[int] = (10**6,),
    late_reader: bool = False,
    deflate: bool = False,
) -> Outcome:
    """Let a client hear a stream of frames, cut into reads of these sizes."""
    talk = Talk(make, deflate=deflate)
    handshake, answer = await talk.begin()
    reads = cut_up(answer + stream, cuts, chance)
    if late_reader:
        # The answer and the first frames may come in one read, before anybody reads.
        await talk.hear(iter([next(reads)]), chance)
    hearing = asyncio.create_task(talk.hear(reads, chance))
    await handshake
    talk.reading = asyncio.create_task(talk.read())
    await hearing
    return await talk.finish()


def cut_up(stream: bytes, cuts: Sequence[int], chance: random.Random) -> Iterator[bytes]:
    """Cut bytes into reads."""
    at = 0
    while at < len(stream):
        size = chance.choice(cuts)
        yield stream[at : at + size]
        at += size


SIZES = (0, 1, 5, 124, 125, 126, 127, 128, 300, 4_000, 65_535, 65_536, 70_000)

BREAKING = (
    masked(b"x"),
    frame(3, b"reserved"),
    frame(11, b"reserved control"),
    frame(TEXT, b"compressed?", head=0x40),
    frame(PING, b"p", fin=False),
    frame(PING, b"long" * 40),
    frame(0, b"continues nothing"),
    frame(TEXT, b"begins", fin=False) + frame(TEXT, b"begins again"),
    frame(TEXT, b"z" * (LARGEST + 1)),
    b"\x81\x7f" + (5 << 30).to_bytes(8, "big"),
    b"\x81\x7f\xff" + bytes(7),
    frame(CLOSE, b"\x03\xe8"),
    frame(CLOSE, b"\x0f\xa1bye"),
    frame(CLOSE),
    frame(CLOSE, b"\x03"),
)
"""What ends a conversation, rightly or wrongly."""


def random_frames(chance: random.Random) -> bytes:
    """Write a conversation: mostly plain frames, some pings and fragments, perhaps an end."""
    stream = bytearray()
    for _ in range(chance.randint(0, 40)):
        kind = chance.random()
        size = chance.choice(SIZES) if chance.random() < 0.2 else chance.randint(0, 400)
        payload = chance.randbytes(size)
        if kind < 0.7:
            stream += frame(chance.choice((TEXT, BINARY)), payload)
        elif kind < 0.85:
            stream += frame(chance.choice((PING, PONG)), payload[:125])
        else:
            stream += frame(TEXT, payload, fin=False) + frame(PING, payload[:4])
            stream += frame(0, payload[:9], fin=False) + frame(0, b"end")
    if chance.random() < 0.4:
        stream += chance.choice(BREAKING) + frame(TEXT, b"must not be seen")
    if chance.random() < 0.2:
        del stream[chance.randint(0, len(stream)) :]
    return bytes(stream)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**40))
def test_any_conversation_is_heard_as_the_library_hears_it(seed: int) -> None:
    """Random frames, random cuts, random turns of the loop."""
    chance = dice(seed)
    stream = random_frames(chance)
    sizes = (1, 2, 3, 7, 100, 5_000, 10**6) if len(stream) < 20_000 else (50, 5_000, 10**6)
    cuts = (1,) if len(stream) < 2_000 and chance.random() < 0.3 else sizes
    late = chance.random() < 0.5

    async def both() -> tuple[Outcome, Outcome, Outcome]:
        return (
            await listen(ClientConnection, stream, chance),
            await listen(framed, stream, chance, cuts=cuts, late_reader=late),
            await listen(unhurried, stream, chance, cuts=cuts, late_reader=late),
        )

    by_library, by_fast_way, by_pieces = asyncio.run(both())

    assert by_fast_way == by_library
    assert by_pieces == by_library


@pytest.mark.parametrize("ending", BREAKING, ids=range(len(BREAKING)))
@pytest.mark.parametrize("cut", [1, 10**6])
async def test_every_end_has_the_librarys_close_code(ending: bytes, cut: int) -> None:
    """Whatever breaks or ends a conversation, at whatever cut."""
    chance = dice(1)
    ending = ending if cut > 1 else ending[:3_000]
    stream = frame(TEXT, b"a" * 200) + frame(PING, b"p") + frame(TEXT, b"b") + ending
    stream += frame(TEXT, b"must not be seen")

    wanted = await listen(ClientConnection, stream, chance)
    heard = await listen(framed, stream, chance, cuts=(cut,))

    assert heard == wanted
    assert heard.close != (None, None) or cut == 1


async def test_compressed_frames_are_left_to_the_library() -> None:
    """A negotiated extension closes the fast way by itself."""
    peer = Talk(framed, deflate=True)
    handshake, answer = await peer.begin()
    for number in range(3):
        peer.server.send_text(b'{"compressed":"%d"}' % number * 50)
    stream = answer + b"".join(peer.server.data_to_send())
    await peer.hear(cut_up(stream, (1, 40), dice(2)), dice(2))
    await handshake
    peer.reading = asyncio.create_task(peer.read())
    await turns_until(lambda: len(peer.outcome.messages) == 3)
    peer.connection.data_received(frame(TEXT, b"sent as it is"))
    assert len(peer.outcome.messages) == 3
    outcome = await peer.finish()

    wanted = [b'{"compressed":"%d"}' % number * 50 for number in range(3)]
    assert outcome.messages == [*wanted, b"sent as it is"]


@pytest.mark.parametrize("cut", [1, 10**6])
async def test_refused_handshake_fails_as_the_librarys_does(cut: int) -> None:
    """A body that looks like frames is still a body."""
    refusals = []
    for make in (ClientConnection, framed):
        talk = Talk(make)
        handshake, answer = await talk.begin(status=403)
        await talk.hear(cut_up(answer, (cut,), dice(3)), dice(3))
        await talk.finish()
        with pytest.raises(InvalidHandshake) as caught:
            await handshake
        refusals.append((type(caught.value), str(caught.value)))

    assert refusals[0] == refusals[1]


async def test_connection_that_ends_within_the_handshake_fails_alike() -> None:
    """Half an answer."""
    errors = []
    for make in (ClientConnection, framed):
        talk = Talk(make)
        handshake, answer = await talk.begin()
        await talk.hear(cut_up(answer[:40], (7,), dice(4)), dice(4))
        await talk.finish()
        with pytest.raises(InvalidHandshake) as caught:
            await handshake
        errors.append(str(caught.value))

    assert errors[0] == errors[1]


async def open_talk(make: Callable[..., ClientConnection] = framed) -> Talk:
    """Give a talk with its handshake done and its reader running."""
    talk = Talk(make)
    handshake, answer = await talk.begin()
    talk.connection.data_received(answer)
    await handshake
    talk.reading = asyncio.create_task(talk.read())
    await asyncio.sleep(0)
    return talk


@pytest.mark.parametrize("make", [framed, unhurried])
async def test_long_read_is_taken_in_pieces_while_reading_pauses(
    make: Callable[..., ClientConnection],
) -> None:
    """An order does not wait behind a thousand ticks, nor do ticks pile up."""
    talk = await open_talk(make)
    payload = b"t" * 200
    talk.connection.data_received(frame(TEXT, payload) * 1_200)
    most = PIECE_BYTES // len(payload) + 1
    counts = [len(talk.outcome.messages)]
    assert talk.transport.paused
    while talk.transport.paused:
        await asyncio.sleep(0)
        counts.append(len(talk.outcome.messages))
    await asyncio.sleep(0)

    assert max(later - earlier for earlier, later in pairwise(counts)) <= most
    assert talk.outcome.messages == [payload] * 1_200
    assert talk.transport.pauses == 1
    await talk.finish()


async def test_plain_frames_do_not_overtake_what_the_library_still_has() -> None:
    """A fragmented message between plain ones, all in one read."""
    talk = await open_talk()
    fragments = frame(TEXT, b"2", fin=False) + frame(PING, b"") + frame(0, b"3")
    talk.connection.data_received(frame(TEXT, b"1") + fragments + frame(TEXT, b"4"))
    await turns_until(lambda: len(talk.outcome.messages) == 3)
    talk.connection.data_received(frame(TEXT, b"5 is long enough for the fast way"))

    assert talk.outcome.messages[-1].startswith(b"5")
    assert talk.outcome.messages[:3] == [b"1", b"23", b"4"]
    await talk.finish()


async def test_rest_of_a_read_is_dropped_when_the_connection_is_gone() -> None:
    """Nothing is delivered after the end, and nothing raises."""
    talk = await open_talk()
    talk.connection.data_received(frame(TEXT, b"t" * 200) * 1_200)
    outcome = await talk.finish()
    heard = len(outcome.messages)
    await turns_until(lambda: not talk.transport.paused)

    assert 0 < heard < 1_200
    assert len(outcome.messages) == heard


async def test_frames_after_our_own_close_go_through_the_library() -> None:
    """The closing handshake is the library's business, a cut frame included."""
    talk = await open_talk()
    late = frame(TEXT, b"late" * 100)
    talk.connection.data_received(late[:50])
    closing = asyncio.create_task(talk.connection.close())
    await turns_until(lambda: talk.connection.protocol.state is not State.OPEN)
    talk.connection.data_received(late[50:] + frame(CLOSE, b"\x03\xe8"))
    outcome = await talk.finish()
    await closing

    assert outcome.messages == [b"late" * 100]
    assert outcome.close == (1000, 1000)


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"\x83\x7e\x10\x00", 1002),
        (b"\x81\xfe\x10\x00", 1002),
        (b"\x82\x7f\x00\x00\x00\x01\x00\x00\x00\x00", 1009),
    ],
    ids=["bad opcode", "masked", "four gigabytes"],
)
async def test_bad_header_ends_the_connection_before_its_payload_comes(
    header: bytes, code: int
) -> None:
    """The payload may never come."""
    talk = await open_talk()
    talk.connection.data_received(frame(TEXT, b"t" * 200) + header)

    assert talk.connection.protocol.state is State.CLOSING
    assert (await talk.finish()).close == (None, code)


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (b"", None),
        (b"\x81", None),
        (b"\x81\x05", 7),
        (b"\x81\x7e\x01", None),
        (b"\x81\x7e\x01\x00", 260),
        (b"\x81\x7f" + bytes(7), None),
        (b"\x81\x7f" + bytes(6) + b"\x01\x00", 266),
    ],
)
def test_frame_size_needs_the_whole_header(header: bytes, size: int | None) -> None:
    """Three widths of the length."""
    assert frame_size(header) == size


def test_split_stops_before_what_is_not_plain_complete_or_small_enough() -> None:
    """What is left is where to go on."""
    plain = frame(TEXT, b"x" * 10)
    for rest in (frame(PING, b"p" * 10), plain[:5], frame(BINARY, b"y" * 99), b"\x81"):
        frames: list[bytes] = []
        read = plain + plain + rest

        assert split_frames(read, 0, len(read), 50, frames) == 2 * len(plain)
        assert frames == [b"x" * 10] * 2
