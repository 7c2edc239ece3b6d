"""Time, chance, threads and the network: everything that the library takes from its surroundings.

One `World` is handed to `Client`, `ThirdPartyClient`, `OAuthFlow` and `Simulator`, and by them to their
parts. Nothing else in the library asks the time, draws a number, starts a thread, opens a socket or
sleeps: a test over the syntax trees holds that. So whoever hands in another world (`ibkr_async.testing`)
owns all of it. It must never know what the library does with any of these.

Two clocks, and which is for what: intervals use `monotonic` only, since the wall clock can be set;
every `at` that a user reads is `wall`, Unix seconds.
"""

from __future__ import annotations

import asyncio
import random as _random
import secrets
import socket
import time
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeVar, TypeVarTuple, Unpack

import anyio
import anyio.to_thread
import msgspec

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
ProtocolT = TypeVar("ProtocolT", bound=asyncio.BaseProtocol)


class Clock(Protocol):
    """Time."""

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""
        ...

    def wall(self) -> float:
        """Return Unix seconds. They may jump: never measure an interval by them."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of `monotonic`; zero lets other tasks run. Cancellation: safe."""
        ...


class Random(Protocol):
    """Chance. The real one is fit for secrets."""

    def uniform(self) -> float:
        """Return a number in [0, 1)."""
        ...

    def bits(self, count: int) -> int:
        """Return a whole number of `count` random bits."""
        ...

    def token(self, size: int) -> bytes:
        """Return `size` random bytes."""
        ...


class Threads(Protocol):
    """Where what would block the event loop is done."""

    async def run(self, function: Callable[[Unpack[Arguments]], T], *args: *Arguments) -> T:
        """Return what `function(*args)` returns, computed without holding up the event loop.

        Errors: what the function raises. Cancellation: waits for the function to end.
        """
        ...

    def serial(self, name: str) -> Executor:
        """Return an executor that does one thing after the other; `shutdown` it in the end."""
        ...


class TakenPort(Protocol):
    """A port that is taken. Nothing is accepted before `serve`."""

    @property
    def port(self) -> int:
        """Return the number of the port."""
        ...

    async def serve(
        self, make: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None
    ) -> None:
        """Accept connections from now on; each gets a protocol of its own from `make`."""
        ...

    def close(self) -> None:
        """Accept no more and free the port; open connections stay. Idempotent."""
        ...


class Network(Protocol):
    """Connections to other programs, as the transports and protocols of asyncio.

    One that is not `RealNetwork` carries its bytes inside this process, so it takes TLS as said and
    encrypts nothing.
    """

    async def connect(
        self,
        make: Callable[[], ProtocolT],
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> tuple[asyncio.Transport, ProtocolT]:
        """Connect, and return the transport with the protocol that `make` gave.

        `server_name` is what the certificate must name. Errors: `OSError`. Cancellation: safe.
        """
        ...

    def listen(self, host: str, port: int) -> TakenPort:
        """Take an IPv4 port; 0 takes a free one. Errors: `OSError` when it is taken."""
        ...


class RealClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Return seconds since some moment in the past."""
        return time.monotonic()

    def wall(self) -> float:
        """Return Unix seconds, as the machine has them."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await anyio.sleep(seconds)


class RealRandom:
    """The operating system's source of chance."""

    _source = secrets.SystemRandom()

    def uniform(self) -> float:
        """Return a number in [0, 1)."""
        return self._source.random()

    def bits(self, count: int) -> int:
        """Return a whole number of `count` random bits."""
        return secrets.randbits(count)

    def token(self, size: int) -> bytes:
        """Return `size` random bytes."""
        return secrets.token_bytes(size)


class RealThreads:
    """A pool of worker threads."""

    async def run(self, function: Callable[[Unpack[Arguments]], T], *args: *Arguments) -> T:
        """Run it in a worker thread."""
        return await anyio.to_thread.run_sync(function, *args)

    def serial(self, name: str) -> Executor:
        """Return an executor with one thread of that name."""
        return ThreadPoolExecutor(1, name)


class RealNetwork:
    """The kernel's sockets, on the running event loop."""

    async def connect(
        self,
        make: Callable[[], ProtocolT],
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        server_name: str | None = None,
    ) -> tuple[asyncio.Transport, ProtocolT]:
        """Open a TCP connection, with TLS when a policy is given."""
        loop = asyncio.get_running_loop()
        return await loop.create_connection(
            make, host, port, ssl=tls, server_hostname=server_name if tls else None
        )

    def listen(self, host: str, port: int) -> TakenPort:
        """Bind a listening socket."""
        return _RealListener(socket.create_server((host, port), family=socket.AF_INET))


class _RealListener:
    def __init__(self, bound: socket.socket) -> None:
        # Inherited by accepted connections. asyncio does it only where the protocol number is given;
        # without it every answer waits 40 ms for the client's delayed acknowledgement.
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = bound
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    async def serve(
        self, make: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None
    ) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(make, sock=self._socket, ssl=tls)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self._socket.close()


class World(msgspec.Struct, frozen=True, kw_only=True):
    """One set of surroundings. The defaults are the real ones."""

    clock: Clock = msgspec.field(default_factory=RealClock)
    random: Random = msgspec.field(default_factory=RealRandom)
    threads: Threads = msgspec.field(default_factory=RealThreads)
    network: Network = msgspec.field(default_factory=RealNetwork)


def seeded(*parts: object) -> _random.Random:
    """Return a source of numbers that depends on `parts` alone: equal parts, equal numbers.

    For prices and the like; never for secrets.
    """
    return _random.Random(":".join(map(str, parts)))  # noqa: S311 - repeatable is the point
