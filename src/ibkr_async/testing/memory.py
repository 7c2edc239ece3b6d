"""A network inside one process: transports of asyncio that hand their bytes to each other.

Responsible for order, back-pressure and ends of connections, as loopback with TLS has them. What is
written arrives in the next turn of the event loop, so equal programs meet in equal order every time.
It must never look into the bytes, lose any, or open a socket.
"""

from __future__ import annotations

import asyncio
import errno
from itertools import count
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from ibkr_async.world import TakenPort

ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)

_HOST: Final = "127.0.0.1"
_NAMES: Final = frozenset({_HOST, "localhost"})
_FIRST_PORT: Final = 49_152
_HIGH_WATER: Final = 64 * 1024
"""Bytes on their way from which a writer is asked to pause, as in asyncio."""


class MemoryNetwork:
    """Ports of one process. TLS is taken as said: nothing is encrypted."""

    def __init__(self) -> None:
        self._listeners: dict[int, _Listener] = {}
        self._free_ports = count(_FIRST_PORT)

    async def connect(
        self,
        make: Callable[[], ProtocolT],
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,  # noqa: ARG002 - no certificate is shown
    ) -> tuple[asyncio.Transport, ProtocolT]:
        """Connect to a port that is served in this network.

        Errors: `ConnectionRefusedError` where nothing is.
        """
        listener = self._listeners.get(port) if host in _NAMES else None
        if listener is None or listener.make is None:
            raise ConnectionRefusedError(
                errno.ECONNREFUSED, f"nothing serves {host}:{port} in memory"
            )
        here, there = (_HOST, next(self._free_ports)), (_HOST, port)
        near = MemoryTransport({"sockname": here, "peername": there, "sslcontext": tls})
        far = MemoryTransport({"sockname": there, "peername": here, "sslcontext": listener.tls})
        near.join(far)
        protocol = make()
        far.begin(listener.make())
        near.begin(protocol)
        return near, protocol

    def listen(self, host: str, port: int) -> TakenPort:
        """Take a port."""
        if port == 0:
            port = next(self._free_ports)
        if port in self._listeners:
            raise OSError(errno.EADDRINUSE, f"Address already in use: {host}:{port}")
        listener = self._listeners[port] = _Listener(port, self._listeners)
        return listener


class _Listener:
    """One port."""

    def __init__(self, port: int, listeners: dict[int, _Listener]) -> None:
        self._port = port
        self._listeners = listeners
        self.make: Callable[[], asyncio.BaseProtocol] | None = None
        """Makes for each connection its protocol; None until the port is served."""
        self.tls: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        return self._port

    async def serve(
        self, make: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None
    ) -> None:
        self.make, self.tls = make, tls

    def close(self) -> None:
        self._listeners.pop(self._port, None)


class MemoryTransport(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, extra: dict[str, Any]) -> None:
        super().__init__(extra)
        self._loop = asyncio.get_running_loop()
        self._protocol: asyncio.BaseProtocol = asyncio.Protocol()
        self._peer: MemoryTransport = self
        self._inbox: list[bytes] = []
        self._waiting = 0
        """Bytes in the inbox."""
        self._high, self._low = _HIGH_WATER, _HIGH_WATER // 4
        self._delivery: asyncio.Handle | None = None
        self._reading = True
        self._ended = False
        """The other side will write no more."""
        self._closing = False
        self._writer_paused = False

    def join(self, peer: MemoryTransport) -> None:
        """Make two ends one connection."""
        self._peer, peer._peer = peer, self

    def begin(self, protocol: asyncio.BaseProtocol) -> None:
        """Let the protocol know that there is a connection."""
        self._protocol = protocol
        protocol.connection_made(self)

    # writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes; after the end of either side they are lost."""
        peer = self._peer
        if self._closing or peer._closing or not data:  # noqa: SLF001 - the other half of it
            return
        peer._receive(bytes(data))  # noqa: SLF001 - as above
        if peer._waiting > self._high and not self._writer_paused:  # noqa: SLF001 - as above
            self._writer_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send all of it."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Return False: as with TLS, an end is the end of both directions."""
        return False

    def get_write_buffer_size(self) -> int:
        """Return how many bytes the other side has not taken."""
        return self._peer._waiting  # noqa: SLF001 - the other half of it

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the marks of `set_write_buffer_limits`."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the numbers of bytes at which the protocol is paused and resumed."""
        self._high = (_HIGH_WATER if low is None else 4 * low) if high is None else high
        self._low = self._high // 4 if low is None else low

    # reading

    def is_reading(self) -> bool:
        """Tell whether the protocol wants more."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Keep what comes until `resume_reading`."""
        self._reading = False

    def resume_reading(self) -> None:
        """Deliver again."""
        self._reading = True
        self._plan_delivery()

    def _receive(self, data: bytes) -> None:
        self._inbox.append(data)
        self._waiting += len(data)
        self._plan_delivery()

    def _plan_delivery(self) -> None:
        if self._delivery is None and not self._closing and (self._inbox or self._ended):
            self._delivery = self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._delivery = None
        if self._closing or not self._reading:
            return
        if self._inbox:
            data = b"".join(self._inbox)
            self._inbox.clear()
            self._waiting = 0
            self._peer._taken()  # noqa: SLF001 - the other half of it
            self._protocol.data_received(data)  # type: ignore[attr-defined]  # of every stream protocol
            self._plan_delivery()
            return
        self._ended = False
        if not self._protocol.eof_received():  # type: ignore[attr-defined]  # as above
            self.close()

    def _taken(self) -> None:
        if self._writer_paused and not self._closing:
            self._writer_paused = False
            self._protocol.resume_writing()

    # the end

    def is_closing(self) -> bool:
        """Tell whether this side has ended."""
        return self._closing

    def close(self) -> None:
        """End the connection. What was written before still arrives."""
        if self._closing:
            return
        self._closing = True
        self._inbox.clear()
        self._waiting = 0
        self._loop.call_soon(self._lose)
        self._peer._end()  # noqa: SLF001 - the other half of it

    def abort(self) -> None:
        """End the connection: nothing is buffered here that could be thrown away."""
        self.close()

    def _lose(self) -> None:
        self._protocol.connection_lost(None)

    def _end(self) -> None:
        self._ended = True
        self._plan_delivery()

    # protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another protocol have the connection."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return whose connection it is."""
        return self._protocol
