"""The body of one answer: collects it, inflated, and stops at a limit. Pure.

Responsible for the bound: never more than the limit is held, and no more is inflated than fits below
it, however small the bytes on the wire. It must never guess at an encoding that it cannot bound.
"""

from __future__ import annotations

import zlib
from typing import Final

_ZLIB_OR_GZIP: Final = zlib.MAX_WBITS | 32
_INFLATED: Final = {"gzip", "x-gzip", "deflate"}


class UnfitBodyError(Exception):
    """Why a body is not read; the transport puts it into words for the user."""


class Body:
    """Takes the bytes of one answer as they come.

    Errors: `UnfitBodyError` for one that is announced or grows longer than `limit`, and for an encoding
    that was not asked for, one within another included; `zlib.error` for one that is damaged or cut off.
    """

    def __init__(self, limit: int, *, encoding: str = "", length: str = "") -> None:
        """Look at `Content-Encoding` and `Content-Length` before anything is read."""
        self._limit = limit
        self._content = bytearray()
        self._packed = 0
        self._inflate: zlib._Decompress | None = None
        layers = [layer for word in encoding.split(",") if (layer := word.strip().lower())]
        layers = [layer for layer in layers if layer != "identity"]
        if layers and (len(layers) > 1 or layers[0] not in _INFLATED):
            raise UnfitBodyError(f"the answer is encoded as {encoding[:60]!r}, not as was asked")
        self._is_packed = bool(layers)
        # Longer texts than any limit are not looked at: int() of them is slow.
        if length.isdecimal() and (len(length) > len(str(limit)) or int(length) > limit):
            raise self._too_long()

    def add(self, chunk: bytes) -> None:
        """Take the next bytes of the wire."""
        self._packed += len(chunk)
        if not self._is_packed:
            self._content += chunk
        while chunk and self._is_packed:
            if self._inflate is None:
                self._inflate = zlib.decompressobj(_ZLIB_OR_GZIP)
            self._content += self._inflate.decompress(chunk, self._limit + 1 - len(self._content))
            self._check_length()
            chunk = self._inflate.unused_data
            if self._inflate.eof:  # what follows is another member of the same body
                self._inflate = None
        self._check_length()

    def end(self) -> bytes:
        """Return the whole. Errors: `zlib.error` when the compressed body stops in the middle."""
        if self._inflate is not None:
            raise zlib.error("it ends in the middle")
        return bytes(self._content)

    def _check_length(self) -> None:
        if max(self._packed, len(self._content)) > self._limit:
            raise self._too_long()

    def _too_long(self) -> UnfitBodyError:
        return UnfitBodyError(f"the answer is longer than {self._limit:,} bytes")
