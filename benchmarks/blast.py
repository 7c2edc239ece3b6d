"""The sending side: a WebSocket server that sends ready-made frames as fast as it can, or at a rate.

Run as its own process, pinned to its own core: `python -m benchmarks.blast CORE`; it prints its port.
The query of each connection says what it gets:

* `corpus` and `count`: which frames and how many (the corpus is repeated).
* `rate`: frames a second, 0 for as fast as possible. Then `_updated` is the monotonic clock.
* `greet=1`: begin with IBKR's greeting.
* `after`: begin once this many text frames have come from the client.

Responsible for costing next to nothing and for being the same for every client. It must never import
a WebSocket library or this project's own code.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
import socket
import struct
import sys
import threading
import time
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from benchmarks import corpus

if TYPE_CHECKING:
    from io import BufferedReader

_ACCEPT = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STAMP = b'"_updated":'
_PIECE = 1 << 20
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_SHORT, _MEDIUM = 126, 65536
_MASKED = 0x80


def frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """Wrap a payload as a server does: final and unmasked."""
    size = len(payload)
    if size < _SHORT:
        return struct.pack("!BB", _MASKED | opcode, size) + payload
    if size < _MEDIUM:
        return struct.pack("!BBH", _MASKED | opcode, _SHORT, size) + payload
    return struct.pack("!BBQ", _MASKED | opcode, _SHORT + 1, size) + payload


@cache
def _blob(name: str) -> tuple[list[bytes], bytes]:
    frames = [frame(payload) for payload in corpus.load(name)]
    return frames, b"".join(frames)


@cache
def _stampable(name: str) -> list[tuple[bytes, bytes]]:
    """Give each frame as what stands before and after the digits of its stamp."""
    halves = []
    for payload in corpus.load(name):
        begin = payload.find(_STAMP) + len(_STAMP)
        end = payload.find(b",", begin)
        stamped = frame(payload[:begin] + b"1" * 19 + payload[end:])
        tail = len(payload) - end
        halves.append((stamped[: -tail - 19], stamped[-tail:]))
    return halves


class _Connection:
    """One client: a thread that listens, and one that sends."""

    def __init__(self, peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._peer = peer
        self._stream: BufferedReader = peer.makefile("rb")
        self._sending = threading.Lock()
        self._texts = 0
        self._enough = threading.Condition()
        self._gone = False

    def serve(self) -> None:
        try:
            wish = self._upgrade()
            threading.Thread(target=self._listen, daemon=True).start()
            if wish.get("greet"):
                self._send(frame(corpus.GREETING) + frame(corpus.AUTHENTICATED))
            self._wait_for(int(wish.get("after", 0)))
            name, count, rate = wish["corpus"], int(wish["count"]), float(wish.get("rate", 0))
            if rate:
                self._pace(name, count, rate)
            else:
                self._blast(name, count)
        except (OSError, KeyError, ValueError, IndexError):
            self._peer.close()

    def _upgrade(self) -> dict[str, str]:
        url = self._stream.readline().split()[1].decode()
        headers: dict[bytes, bytes] = {}
        while (line := self._stream.readline()).strip():
            name, _, value = line.partition(b":")
            headers[name.strip().lower()] = value.strip()
        digest = hashlib.sha1(headers[b"sec-websocket-key"] + _ACCEPT).digest()  # noqa: S324 - the protocol's hash
        self._peer.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
        )
        return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}

    def _listen(self) -> None:
        try:
            while True:
                opcode, payload = self._read_frame()
                if opcode == _PING:
                    self._send(frame(payload, _PONG))
                elif opcode == _TEXT:
                    with self._enough:
                        self._texts += 1
                        self._enough.notify_all()
                elif opcode == _CLOSE:
                    self._send(frame(payload, _CLOSE))
                    break
        except OSError:
            pass
        with self._enough:
            self._gone = True
            self._enough.notify_all()
        self._peer.close()

    def _read_frame(self) -> tuple[int, bytes]:
        head = self._stream.read(2)
        if len(head) < 2:  # noqa: PLR2004 - the two bytes just asked for
            raise OSError("the client has gone")
        size = head[1] & 127
        if size == _SHORT:
            (size,) = struct.unpack("!H", self._stream.read(2))
        mask = self._stream.read(4)
        payload = self._stream.read(size)
        return head[0] & 15, bytes(a ^ b for a, b in zip(payload, itertools.cycle(mask)))

    def _wait_for(self, texts: int) -> None:
        with self._enough:
            self._enough.wait_for(lambda: self._gone or self._texts >= texts)

    def _send(self, blob: Any) -> None:
        with self._sending:
            self._peer.sendall(blob)

    def _blast(self, name: str, count: int) -> None:
        frames, blob = _blob(name)
        whole, rest = divmod(count, len(frames))
        view = memoryview(blob)
        for _ in range(whole):
            for begin in range(0, len(blob), _PIECE):
                self._send(view[begin : begin + _PIECE])
        self._send(b"".join(frames[:rest]))

    def _pace(self, name: str, count: int, rate: float) -> None:
        gap_ns = int(1e9 / rate)
        clock = time.monotonic_ns
        due = clock() + 50_000_000
        for head, tail in itertools.islice(itertools.cycle(_stampable(name)), count):
            if due - clock() > 2_000_000:  # noqa: PLR2004 - sleeping is too coarse for less than 2 ms
                time.sleep((due - clock() - 1_000_000) / 1e9)
            while (now := clock()) < due:
                pass
            self._send(b"%b%d%b" % (head, corpus.STAMP_ZERO + now, tail))
            due += gap_ns


def main() -> None:
    """Serve until killed."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(sys.argv[1])})
    for name in corpus.CORPORA:
        _blob(name)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    while True:
        peer, _ = listener.accept()
        threading.Thread(target=_Connection(peer).serve, daemon=True).start()


if __name__ == "__main__":
    main()
