"""Combinations of contracts: `28812380;;;265598/1,8314/-1`. Pure.

Responsible for reading such a conidex and for a quote made of the legs' quotes. It must never
quote anything but prices: what sizes and greeks of a combination would be is not known.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

_LEGS = re.compile(r"\d+(?:@[A-Z]+)?;;;(\d+/-?\d+(?:,\d+/-?\d+)*)")
_LAST, _BID, _ASK, _AVAILABILITY = "31", "84", "86", "6509"
_PRICES = (_LAST, _BID, _ASK)


class ComboLeg(NamedTuple):
    """One contract of a combination."""

    conid: int
    ratio: int
    """Units bought; negative for sold ones."""


class Combination(NamedTuple):
    """Contracts that are quoted as one."""

    legs: tuple[ComboLeg, ...]

    def moved(self, conids: AbstractSet[int]) -> bool:
        """Tell whether the price of a leg has changed."""
        return any(leg.conid in conids for leg in self.legs)

    def values(
        self, read: Callable[[int, Iterable[str]], Mapping[str, Any]], tags: Iterable[str]
    ) -> dict[str, Any]:
        """Return the prices among `tags`: buying pays the ask of bought legs, the bid of sold ones."""
        fields = {leg.conid: read(leg.conid, (*_PRICES, _AVAILABILITY)) for leg in self.legs}
        values: dict[str, Any] = {}
        for tag in tags:
            if tag == _AVAILABILITY:
                values[tag] = fields[self.legs[0].conid][_AVAILABILITY]
            elif tag in _PRICES and all(tag in row for row in fields.values()):
                values[tag] = f"{sum(_worth(leg, fields[leg.conid], tag) for leg in self.legs):.2f}"
        return values


def _worth(leg: ComboLeg, fields: Mapping[str, Any], tag: str) -> Decimal:
    side = {_BID: _ASK, _ASK: _BID, _LAST: _LAST}[tag] if leg.ratio < 0 else tag
    return leg.ratio * Decimal(fields[side].lstrip("CH"))


def read_combination(conid_ex: str, known: Mapping[int, Any]) -> Combination | None:
    """Read a combination's conidex; None for anything else, or when a leg is not `known`."""
    match = _LEGS.fullmatch(conid_ex)
    if match is None:
        return None
    pairs = [pair.split("/") for pair in match[1].split(",")]
    legs = tuple(ComboLeg(int(conid), int(ratio)) for conid, ratio in pairs)
    return Combination(legs) if all(leg.conid in known for leg in legs) else None
