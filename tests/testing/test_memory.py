"""The network in memory behaves as loopback does: the same questions are put to both."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ibkr_async.testing.memory import MemoryNetwork
from ibkr_async.world import RealNetwork

if TYPE_CHECKING:
    from ibkr_async.world import Listener, Network


class End(asyncio.Protocol):
    """One end of a connection: keeps what happens to it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.received = bytearray()
        self.happened: list[str] = []
        self.lost = asyncio.Event()
        self.changed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._note("made")

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._note("data")

    def eof_received(self) -> None:
        self._note("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self._note("lost")
        self.lost.set()

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")

    def _note(self, what: str) -> None:
        if self.happened[-1:] != [what]:
            self.happened.append(what)
        self.changed.set()

    async def until(self, what: str) -> None:
        """Wait until this has happened."""
        async with asyncio.timeout(5):
            while what not in self.happened:
                self.changed.clear()
                await self.changed.wait()

    async def until_received(self, size: int) -> None:
        """Wait for so many bytes."""
        async with asyncio.timeout(5):
            while len(self.received) < size:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture(params=[MemoryNetwork, RealNetwork])
def network(request: pytest.FixtureRequest) -> Network:
    """Both networks."""
    made: Network = request.param()
    return made


async def joined(network: Network) -> tuple[End, End, Listener]:
    """Connect two ends."""
    listener = network.listen("127.0.0.1", 0)
    served: asyncio.Queue[End] = asyncio.Queue()

    def make() -> End:
        end = End()
        served.put_nowait(end)
        return end

    await listener.serve(make, None)
    _, near = await network.connect(End, "127.0.0.1", listener.port)
    far = await served.get()
    await far.until("made")
    return near, far, listener


async def test_bytes_go_both_ways_in_order(network: Network) -> None:
    """Nothing is lost, doubled or swapped, and nothing arrives while it is written."""
    near, far, listener = await joined(network)

    near.transport.write(b"one ")
    near.transport.writelines([b"two ", bytearray(b"three")])
    far.transport.write(b"answer")
    assert not far.received
    await far.until_received(13)
    await near.until_received(6)

    assert (bytes(far.received), bytes(near.received)) == (b"one two three", b"answer")
    near.transport.close()
    await far.lost.wait()
    listener.close()


async def test_what_was_written_before_the_end_arrives(network: Network) -> None:
    """Then comes the end, on both sides; nothing is written after it."""
    near, far, listener = await joined(network)

    near.transport.write(b"goodbye")
    near.transport.close()
    near.transport.close()
    near.transport.write(b"too late")
    assert near.transport.is_closing()
    await far.lost.wait()
    await near.lost.wait()

    assert bytes(far.received) == b"goodbye"
    assert far.happened == ["made", "data", "eof", "lost"]
    assert near.happened == ["made", "lost"]
    listener.close()


async def test_cut_connection_ends_on_both_sides(network: Network) -> None:
    """`abort` waits for nobody."""
    near, far, listener = await joined(network)

    near.transport.abort()
    await near.lost.wait()
    await far.lost.wait()

    assert far.happened[-1] == "lost"
    listener.close()


async def test_reader_that_pauses_makes_the_writer_pause(network: Network) -> None:
    """Everything arrives once it reads again, and the writer hears that it may go on."""
    near, far, listener = await joined(network)
    near.transport.set_write_buffer_limits(high=1000)
    far.transport.pause_reading()

    size = 0
    while "pause" not in near.happened:
        near.transport.write(b"x" * 65_536)
        size += 65_536
        await asyncio.sleep(0)
    assert not far.received
    far.transport.resume_reading()
    await far.until_received(size)
    await near.until("resume")

    assert len(far.received) == size
    near.transport.close()
    await far.lost.wait()
    listener.close()


async def test_protocol_can_be_exchanged(network: Network) -> None:
    """As a server does at the upgrade to a socket: later bytes go to the new one."""
    near, far, listener = await joined(network)
    other = End()
    far.transport.set_protocol(other)

    near.transport.write(b"hello")
    await other.until_received(5)
    assert far.transport.get_protocol() is other
    near.transport.close()
    await other.lost.wait()

    assert far.happened == ["made"]
    listener.close()


async def test_both_ends_know_each_others_address(network: Network) -> None:
    """Servers ask for it."""
    near, far, listener = await joined(network)

    here, there = near.transport.get_extra_info("sockname"), ("127.0.0.1", listener.port)
    assert far.transport.get_extra_info("peername") == here
    assert near.transport.get_extra_info("peername") == there
    assert far.transport.get_extra_info("sockname") == there
    near.transport.close()
    await far.lost.wait()
    listener.close()


async def test_port_is_taken_once_and_refuses_when_nobody_serves(network: Network) -> None:
    """Closing frees it, and leaves open connections alone."""
    near, far, listener = await joined(network)
    port = listener.port
    with pytest.raises(OSError, match="Address already in use"):
        network.listen("127.0.0.1", port)

    listener.close()
    with pytest.raises(ConnectionRefusedError):
        await network.connect(End, "127.0.0.1", port)
    near.transport.write(b"still here")
    await far.until_received(10)

    assert bytes(far.received) == b"still here"
    near.transport.close()
    await far.lost.wait()


async def test_memory_reaches_this_process_only() -> None:
    """No name is looked up, and nothing leaves."""
    network = MemoryNetwork()
    listener = network.listen("127.0.0.1", 443)
    await listener.serve(End, None)

    with pytest.raises(ConnectionRefusedError, match=r"api\.ibkr\.com:443"):
        await network.connect(End, "api.ibkr.com", 443)
    await network.connect(End, "localhost", 443)
