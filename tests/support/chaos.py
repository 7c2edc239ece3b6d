"""A TCP proxy that misbehaves on command, below TLS, HTTP and WebSocket.

It listens on loopback and passes bytes on to a target. Each direction has a `Line` with its faults,
which hold for every connection, present and future, until they are changed. Everything random comes
from the seed.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

_CHUNK = 65_536
_FAREWELL_S = 0.2
_RST_ON_CLOSE = struct.pack("ii", 1, 0)
"""`SO_LINGER` with no time: closing sends RST instead of FIN."""


@dataclass(slots=True)
class Line:
    """Faults of one direction."""

    delay_s: float = 0.0
    """Time that every chunk is held back; order is kept."""
    jitter_s: float = 0.0
    """At most so much is added to the delay, at random."""
    blackhole: bool = False
    """Read and forget: neither bytes nor the end of the stream come through."""
    no_fin: bool = False
    """Bytes come through, the end of the stream does not."""
    corrupt_next: bool = False
    """Flip one bit of the next chunk, at a random place; then pass on as before."""
    half_next: bool = False
    """Pass on the first half of the next chunk, then nothing more on that connection."""
    passed: int = 0
    """Bytes that were passed on."""


@dataclass(slots=True, eq=False)
class _Link:
    """One connection and its two halves."""

    client: asyncio.StreamWriter
    target: asyncio.StreamWriter
    tasks: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        for writer in (self.client, self.target):
            writer.transport.abort()


class ChaosProxy:
    """`async with ChaosProxy("127.0.0.1", port, seed=1) as proxy:` listens on `proxy.port`."""

    def __init__(self, host: str, port: int, *, seed: int = 0) -> None:
        self.to_client = Line()
        self.to_target = Line()
        self.accepted = 0
        """Connections so far."""
        self.refuse = False
        """Reset new connections at once, as a host without a listener does."""
        self._address = (host, port)
        self._random = random.Random(seed)  # noqa: S311 - faults, not secrets
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        tasks = [task for link in self._links for task in link.tasks]
        for link in tuple(self._links):
            link.end()
        await asyncio.gather(*tasks, return_exceptions=True)
        # Aborted transports close their sockets one turn of the loop later.
        await asyncio.sleep(0)

    @property
    def port(self) -> int:
        """Port that it listens on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def open_links(self) -> int:
        """Connections that are open at present."""
        return len(self._links)

    # --- faults that happen once -----------------------------------------------------------------

    def blackhole(self, *, to_client: bool = True, to_target: bool = True) -> None:
        """Lose everything in the given directions; sockets stay open on both sides."""
        self.to_client.blackhole = to_client
        self.to_target.blackhole = to_target

    def heal(self) -> None:
        """Pass everything on again. Connections that lost bytes meanwhile are cut: TCP would not."""
        damaged = self.to_client.blackhole or self.to_target.blackhole
        passed = self.to_client.passed, self.to_target.passed
        self.to_client, self.to_target = Line(passed=passed[0]), Line(passed=passed[1])
        self.refuse = False
        if damaged:
            self.reset()

    def reset(self) -> None:
        """End every connection with RST."""
        for link in tuple(self._links):
            for writer in (link.client, link.target):
                if writer.transport.is_closing():
                    continue
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
            link.end()

    def inject(self, data: bytes) -> None:
        """Send bytes of our own to every client; for plain connections, TLS would notice."""
        for link in self._links:
            link.client.write(data)

    # --- passing on ------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self.refuse:
            writer.transport.abort()
            return
        try:
            target_reader, target_writer = await asyncio.open_connection(*self._address)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, target_writer)
        link.tasks = [
            asyncio.create_task(self._pump(reader, target_writer, outward=True)),
            asyncio.create_task(self._pump(target_reader, writer, outward=False)),
        ]
        self._links.add(link)
        # Once the client has gone, what the target still says interests nobody for long.
        await asyncio.wait(link.tasks[:1])
        await asyncio.wait(link.tasks[1:], timeout=_FAREWELL_S)
        self._links.discard(link)
        link.end()

    def _line(self, *, outward: bool) -> Line:
        return self.to_target if outward else self.to_client

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, outward: bool
    ) -> None:
        while True:
            try:
                data = await reader.read(_CHUNK)
            except ConnectionError:
                writer.transport.abort()
                return
            line = self._line(outward=outward)
            hold_s = line.delay_s + line.jitter_s * self._random.random()
            if hold_s:
                await asyncio.sleep(hold_s)
            # A fault may have begun while the bytes were held back.
            line = self._line(outward=outward)
            if not data:
                if not (line.no_fin or line.blackhole):
                    writer.close()
                    return
                await asyncio.Event().wait()  # until the link is cut
            if line.blackhole:
                continue
            if line.half_next:
                line.half_next = False
                writer.write(data[: len(data) // 2])
                await asyncio.Event().wait()
            if line.corrupt_next:
                line.corrupt_next = False
                data = self._with_a_wrong_bit(data)
            writer.write(data)
            line.passed += len(data)

    def _with_a_wrong_bit(self, data: bytes) -> bytes:
        place = self._random.randrange(len(data))
        bit = 1 << self._random.randrange(8)
        return data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
