"""A WebSocket server made by hand, for frames that no library would send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stream.core_driver import GREETING
from stream.socket_servers import raw_server, until_cut, upgrade

_TEXT, _CLOSE = 0x1, 0x8
_FIN, _COMPRESSED, _MASKED = 0x80, 0x40, 0x80


@dataclass(slots=True)
class Script:
    """What the server does after the upgrade."""

    greets: bool = True
    payload: bytes = b""
    """Raw bytes that it sends."""
    close_code: int | None = None
    """Close frame that it sends afterwards; TCP stays open all the same."""


def server_frame(
    payload: bytes, *, opcode: int = _TEXT, first_bits: int = _FIN, masked: bool = False
) -> bytes:
    """Write a frame, also one that breaks the rules."""
    length = len(payload)
    mask_bit = _MASKED if masked else 0
    if length < 126:
        size = bytes([mask_bit | length])
    elif length < 1 << 16:
        size = bytes([mask_bit | 126]) + length.to_bytes(2, "big")
    else:
        size = bytes([mask_bit | 127]) + length.to_bytes(8, "big")
    return bytes([first_bits | opcode]) + size + (b"\0\0\0\0" if masked else b"") + payload


def bad_frames() -> dict[str, bytes]:
    """Frames that end a connection by the rules of RFC 6455."""
    text = json.dumps({"topic": "smd+265598", "31": "1.00"}).encode()
    bomb = b"\x78\x9c" + b"\0" * 4096
    return {
        "bad opcode": server_frame(text, opcode=0x3),
        "masked": server_frame(text, masked=True),
        "compressed though never agreed": server_frame(bomb, first_bits=_FIN | _COMPRESSED),
        "control frame too long": server_frame(b"x" * 200, opcode=0x9),
        "continuation of nothing": server_frame(text, opcode=0x0),
    }


@asynccontextmanager
async def raw_socket(script: Script) -> AsyncIterator[int]:
    """Run a server on a free port that greets and then follows the script."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        greeting = server_frame(GREETING.encode()) if script.greets else b""
        writer.write(greeting + script.payload)
        if script.close_code is not None:
            writer.write(server_frame(script.close_code.to_bytes(2, "big"), opcode=_CLOSE))
        await writer.drain()
        await until_cut(reader)

    async with raw_server(serve) as port:
        yield port
