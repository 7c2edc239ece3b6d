"""The answering side for REST: a keep-alive HTTP server that always answers the same.

Run as its own process: `python -m benchmarks.http_echo CORE`; it prints its port. Standard library only.
"""

from __future__ import annotations

import asyncio
import os
import sys

BODY = (
    b'{"accounts":["DU7654321"],"aliases":{"DU7654321":"DU7654321"},"selectedAccount":"DU7654321",'
    b'"isPaper":true,"isFT":false,"serverInfo":{"serverName":"S","serverVersion":"1"},'
    b'"sessionId":"0123456789abcdef","allowFeatures":{"showGFIS":true,"allowCrypto":false}}'
)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf-8\r\nContent-Length: %d\r\n\r\n%b"
    % (len(BODY), BODY)
)


class Echo(asyncio.Protocol):
    """Answers each request without a body that it has read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - narrows
        self._transport = transport
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        """Answer every complete request."""
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        self._transport.write(_ANSWER * len(requests))


async def main() -> None:
    """Serve until killed."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(sys.argv[1])})
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
