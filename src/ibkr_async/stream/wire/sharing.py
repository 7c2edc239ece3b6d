"""What it takes to share: uniting requests, narrowing what comes back, merging what waits.

IBKR keeps one subscription per contract and session, with one set of fields. When several
consumers want the same contract, the union is requested and each gets its own part.

Responsible for these pure computations; they know no topic by name.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from ibkr_async.errors import UsageError
from ibkr_async.models.base import convert, to_wire
from ibkr_async.models.market_data import MarketDataUpdate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")

_SLOTS: Final = {
    field.encode_name: field.name
    for field in msgspec.structs.fields(MarketDataUpdate)
    if field.encode_name.isdigit() and field.encode_name != "6119"
}
"""Attribute of each tag that has one. 6119 repeats `server_id` and is in every frame."""


def unite_arguments(arguments: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the arguments that satisfy everyone who shares one subscription.

    A list becomes the union of all lists, a number the largest, a flag true only if all say so (it
    restricts); a key that someone left out is left out, since absence asks for everything.
    Errors: `UsageError` when texts differ, since one request cannot serve both.
    """
    each = list(arguments)
    shared = [key for key in each[0] if all(key in one for one in each)]
    return {key: _unite_values(key, [one[key] for one in each]) for key in shared}


def _unite_values(key: str, values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, list | tuple):
        return list(dict.fromkeys(item for value in values for item in value))
    if isinstance(first, bool):
        return all(values)
    if isinstance(first, int):
        return max(values)
    if any(value != first for value in values):
        raise UsageError(
            f"one subscription cannot have {key}={first!r} and another value of it at the same "
            "time; close the other subscription first"
        )
    return first


def narrow(update: MarketDataUpdate, tags: frozenset[str]) -> MarketDataUpdate | None:
    """Return the part of an update that one consumer asked for; None when it has nothing of it.

    Shape: a copy without the other fields; its `raw` is still the whole frame.
    """
    part = copy(update)
    carried = False
    for tag, name in _SLOTS.items():
        if getattr(part, name) is not None:
            if tag in tags:
                carried = True
            else:
                setattr(part, name, None)
    part.kept = {
        key: value for key, value in update.extra.items() if key in tags or not key.isdigit()
    }
    return part if carried or not tags.isdisjoint(part.kept) else None


def unite(older: T, newer: T) -> T:
    """Return the union of two partial updates of the same thing; the newer one's values win.

    Neither argument is changed: other consumers may hold them.
    """
    if isinstance(older, MarketDataUpdate) and isinstance(newer, MarketDataUpdate):
        merged = copy(older)
        merged.merge(newer)
        return merged
    return convert(type(newer), to_wire(older) | to_wire(newer))


def replace(_older: T, newer: T) -> T:
    """Return the newer one: each is the whole of what it names, so nothing of the older one holds."""
    return newer
