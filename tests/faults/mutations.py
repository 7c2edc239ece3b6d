"""Frames that no server should send, made from good ones by a seeded hand."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from ibkr_async.models.market_data import MarketDataUpdate

_BASE = 10**12
"""Far above any day's volume (7762), so that a frame of the market is not mistaken for ours."""


def good_frame(conid: int, number: int) -> str:
    """Write a market data frame that carries its number; `number_of` reads it."""
    return (
        f'{{"server_id":"q1","conidEx":"{conid}","conid":{conid},"_updated":1775169600000,'
        f'"6119":"q1","31":"189.60","7762":"{_BASE + number}","topic":"smd+{conid}"}}'
    )


def number_of(update: MarketDataUpdate) -> int | None:
    """Return the number of a frame that `good_frame` wrote; None for any other."""
    volume = update.get("7762")
    return int(volume) - _BASE if isinstance(volume, float) and volume >= _BASE else None


def mutated(text: str, draw: Random) -> str:
    """Return the frame with one thing wrong with it."""
    frame: dict[str, Any] = json.loads(text)
    match draw.randrange(9):
        case 0:
            return text[: draw.randrange(1, len(text))]
        case 1:
            place = draw.randrange(len(text))
            return text[:place] + chr(draw.randrange(1, 0x800)) + text[place + 1 :]
        case 2:
            frame["conid"] = draw.choice(["C190.12", None, [], {"a": 1}, 1e400])
        case 3:
            frame["topic"] = draw.choice([None, 5, [], "smd", "smd+", "+", "\ud7ff"])
        case 4:
            del frame[draw.choice(list(frame))]
        case 5:
            frame["31"] = draw.choice(["C190.12", "", "NaN", "1e999999", {}, [[[]]], "x" * 9999])
        case 6:
            return "[" * draw.randrange(1, 5000)
        case 7:
            return draw.choice(["", "null", "0", '"text"', "[]", "[1,2]", "{}", "NaN", "\x00"])
        case _:
            return '{"a":' * 3000 + "1" + "}" * 3000
    return json.dumps(frame)
