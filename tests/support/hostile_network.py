"""A network in memory that lets one hand change the answers of a server on their way.

REST answers are taken whole, with their status line and headers, and handed on as other bytes, after which
the connection ends. Sockets pass untouched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from ibkr_async.testing.memory import MemoryNetwork


class Passed(NamedTuple):
    """One request and its answer, as they passed."""

    method: str
    path: str
    """Without the query."""
    head: bytes
    """Status line and headers of the answer."""
    body: bytes


Tamper = Callable[[Passed], bytes | None]
"""Returns other bytes for an answer; None leaves it as it is."""


class HostileNetwork(MemoryNetwork):
    """Ports of one process, with a hand on the wire."""

    def __init__(self) -> None:
        super().__init__()
        self.passed: list[Passed] = []
        """What passed, oldest first."""
        self.tamper: Tamper | None = None

    async def connect(
        self, make: Callable[[], Any], host: str, port: int, **options: Any
    ) -> tuple[Any, Any]:
        """Connect through the hand."""
        inner = make()
        _, tap = await super().connect(lambda: _Tap(inner, self), host, port, **options)
        return tap.wire, inner


class _Wire:
    """What the client writes to: as the transport below, and the request line is read."""

    def __init__(self, transport: Any, tap: _Tap) -> None:
        self._transport = transport
        self._tap = tap

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        self._tap.asked(bytes(data))
        self._transport.write(data)

    def writelines(self, lines: Any) -> None:
        self.write(b"".join(lines))


class _Tap(asyncio.Protocol):
    """Stands between the transport and the client's protocol."""

    def __init__(self, inner: Any, network: HostileNetwork) -> None:
        self.wire: Any = None
        self._inner = inner
        self._network = network
        self._request = b""
        self._answer = b""

    def connection_made(self, transport: Any) -> None:
        self.wire = _Wire(transport, self)
        self._inner.connection_made(self.wire)

    def asked(self, data: bytes) -> None:
        if b"\r\n\r\n" not in self._request:
            self._request += data

    def data_received(self, data: bytes) -> None:
        if b"upgrade: websocket" in self._request.lower():
            self._inner.data_received(data)
            return
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end or len(body) < _length(head):
            return
        method, target, _ = self._request.split(b" ", 2)
        path = target.partition(b"?")[0].decode()
        passed = Passed(method.decode(), path, head, body)
        whole, self._request, self._answer = self._answer, b"", b""
        self._network.passed.append(passed)
        other = self._network.tamper and self._network.tamper(passed)
        self._inner.data_received(whole if other is None else other or b"\r\n")
        if other is not None and self._inner.eof_received() is not True:
            self.wire.close()

    def eof_received(self) -> Any:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()


def _length(head: bytes) -> int:
    for line in head.lower().splitlines():
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return int(value)
    return 0
