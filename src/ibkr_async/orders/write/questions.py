"""The questions that IBKR asks about orders: what they mean, and their text without markup.

Responsible for words only. Whether a question is answered with yes is `policy`.
"""

from __future__ import annotations

import re
from html import unescape
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

KNOWN_QUESTIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "o163": "the price is further from the market than the percentage limit allows",
        "o354": "there is no market data for the instrument",
        "o382": "the price is beyond the limit set in ticks",
        "o383": "the quantity is above the order size limit",
        "o403": "the order would trigger and fill at once",
        "o451": "the order's value is above the total value limit",
        "o2136": "the order is allocated to accounts of different kinds",
        "o2137": "an order on the other side of the same instrument may be working",
        "o2165": "fractions do not trade outside regular hours",
        "o10082": "the bond has been called",
        "o10138": "the modification changes the size by more than its limit",
        "o10151": "a market order may fill at any price",
        "o10152": "a stop order becomes a market order once it is triggered",
        "o10153": "a price cap is set on the order by rule",
        "o10164": "a cash quantity is met only as nearly as possible",
        "o10223": "the order is given as an amount of cash",
        "o10288": "this is a market order in crypto",
        "o10331": "a stop order may fill far from its stop price",
        "o10332": "crypto trades through OSL under that venue's own risks",
        "o10333": "the option is exercised at the money",
        "o10334": "the order goes to an omnibus account",
        "o10335": "orders are entered in rapid succession (internal)",
        "o10336": "the instrument has little liquidity",
        "p6": "the order is split over several accounts",
        "p12": "the price management algorithm may be used (a choice of three, not yes or no)",
    }
)
"""Message id -> what it is about, in our words. IBKR adds ids without notice.

Source: "Suppressible Message IDs" in the Web API documentation; o10153 was seen live.
"""

_BREAK: Final = re.compile(
    r"</?(?:br|hr|p|div|section|article|blockquote|pre|h[1-6]|[uod]l|li|d[td]|table|t(?:r|d|h|body|head))\b[^<>]*>",
    re.IGNORECASE,
)
"""Tags that begin a new line or cell; the words on both sides are two."""
_TAG: Final = re.compile(r"</?[a-zA-Z][^<>]*>")
_NO_CHARACTER: Final = re.compile(r"&#[0-9]{8,}")
"""Beyond every character; `unescape` raises for the longest."""
_SPACES: Final = re.compile(r"\s+")


def plain_text(markup: str) -> str:
    """Strip HTML tags and entities from a question and put it on one line."""
    bare = _NO_CHARACTER.sub("", _TAG.sub("", _BREAK.sub(" ", markup)))
    return _SPACES.sub(" ", unescape(bare)).strip()


def meaning(message_id: str) -> str | None:
    """Return what a kind of question is about; None for an unknown id."""
    return KNOWN_QUESTIONS.get(message_id)
