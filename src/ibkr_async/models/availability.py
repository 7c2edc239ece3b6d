"""Read the availability code of market data, such as `RpB`, letter by letter.

Responsible for the meaning of the letters. It must never refuse a code: letters that it does not
know are kept.

Source: field 6509 and `mdAvailability`, "Market Data Availability". The letters come in any number,
so they are looked at one by one and never compared as whole codes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import msgspec

_WORDS: Final = {
    "R": "real time",
    "D": "delayed",
    "Z": "frozen",
    "Y": "frozen, delayed",
    "N": "not subscribed",
    "O": "API acknowledgement not signed",
    "i": "API acknowledgement incomplete",
    "v": "regulatory exemption",
    "P": "snapshot",
    "p": "consolidated",
    "B": "book",
    "d": "performance details",
}


class Availability(msgspec.Struct, frozen=True):
    """How timely and complete the data of a contract is."""

    raw: str
    """The code as sent, such as `RpB`."""

    @classmethod
    def parse(cls, code: str) -> Availability:
        """Read a code; every text is one, and the same text gives the same object."""
        return _parse(code)

    @property
    def real_time(self) -> bool:
        """`R`: as it happens."""
        return "R" in self.raw

    @property
    def delayed(self) -> bool:
        """`D`: 15 to 20 minutes late."""
        return "D" in self.raw

    @property
    def frozen(self) -> bool:
        """`Z`: as it stood, in real time, when the market closed."""
        return "Z" in self.raw

    @property
    def frozen_delayed(self) -> bool:
        """`Y`: as it stood, delayed, when the market closed."""
        return "Y" in self.raw

    @property
    def not_subscribed(self) -> bool:
        """`N`: the user has no data for it."""
        return "N" in self.raw

    @property
    def acknowledgement_missing(self) -> bool:
        """`O`: the user has yet to sign IBKR's market-data API acknowledgement."""
        return "O" in self.raw

    @property
    def acknowledgement_incomplete(self) -> bool:
        """`i`: the user has begun and not finished that acknowledgement."""
        return "i" in self.raw

    @property
    def regulatory_exemption(self) -> bool:
        """`v`: served under a regulatory exemption."""
        return "v" in self.raw

    @property
    def snapshot(self) -> bool:
        """`P`: a snapshot, not a stream."""
        return "P" in self.raw

    @property
    def consolidated(self) -> bool:
        """`p`: put together from all exchanges."""
        return "p" in self.raw

    @property
    def book(self) -> bool:
        """`B`: top of the book."""
        return "B" in self.raw

    @property
    def performance_details(self) -> bool:
        """`d`: with IBKR's additional performance details."""
        return "d" in self.raw

    @property
    def unknown(self) -> str:
        """The letters that this version does not know; empty for none."""
        return "".join(letter for letter in self.raw if letter not in _WORDS)

    def __str__(self) -> str:
        return ", ".join(_WORDS.get(letter, f"{letter!r}") for letter in self.raw) or "not stated"


@lru_cache(maxsize=64)  # a session meets two or three codes; the bound is for hostile input
def _parse(code: str) -> Availability:
    return Availability(code)
