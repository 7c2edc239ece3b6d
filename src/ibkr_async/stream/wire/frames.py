"""What can be said of a frame before it is known whose it is.

Responsible for reading hostile bytes into a topic and an object, and for showing a piece of them in a
report. It must never show what authorises a session. Pure.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

import msgspec

from ibkr_async.models.base import Unread, parse_json

UNREADABLE: Final = (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError)
"""All that decoding hostile bytes can raise; `UnicodeDecodeError` is a `ValueError`."""

_SAMPLE: Final = 200
_SESSION_ID: Final = re.compile(r"[0-9a-fA-F]{24,}")


class Envelope(msgspec.Struct, gc=False):
    """What says whom a frame is for."""

    topic: str = ""
    error: Any = None


def read_envelope(frame: bytes) -> Envelope:
    """Read no more than the envelope: 0.5 µs, where the whole takes 3 to 20. Errors: `UNREADABLE`."""
    return _envelopes().decode(frame)


def read_frame(frame: bytes, largest: int, unread: Unread) -> tuple[str, dict[str, Any]]:
    """Read a frame as its topic, which may be empty, and everything in it. Errors: `UNREADABLE`."""
    if len(frame) > largest:
        raise ValueError(f"{len(frame)} bytes are too many")
    wire = parse_json(frame, unread)
    topic = wire.get("topic", "") if isinstance(wire, dict) else None
    if not isinstance(topic, str):
        raise ValueError("not an object with a topic")  # noqa: TRY004 - a defect of the frame, not of a caller
    return topic, wire


def sample(frame: bytes) -> str:
    """Show the beginning of a frame, without session ids: those authorise, and `tic` answers have one."""
    return _SESSION_ID.sub("***", frame[:_SAMPLE].decode(errors="replace"))


def words_of(error: str) -> list[str]:
    """Return the words of an error text that may name a topic; a bare `str` there is just a word."""
    return [word for word in re.split(r"[\s\"',:;]+", error) if "+" in word]


@cache
def _envelopes() -> msgspec.json.Decoder[Envelope]:
    return msgspec.json.Decoder(Envelope)
