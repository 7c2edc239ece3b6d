"""Combinations: several contracts traded as one, written as a conidex.

Responsible for the spelling alone. It must never guess a currency's spread contract.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ibkr_async.errors import OrderInvalidError
from ibkr_async.orders.write.rules import read_conid, read_exchange
from ibkr_async.types import whole

if TYPE_CHECKING:
    from collections.abc import Mapping

SPREAD_CONIDS: Final[Mapping[str, int]] = MappingProxyType(
    {
        "USD": 28812380,
        "AUD": 61227077,
        "CAD": 61227082,
        "CHF": 61227087,
        "CNH": 136000441,
        "GBP": 58666491,
        "HKD": 61227072,
        "INR": 136000444,
        "JPY": 61227069,
        "KRW": 136000424,
        "MXN": 136000449,
        "SEK": 136000429,
        "SGD": 426116555,
    }
)
"""Currency -> contract under which its combinations trade.

Source: "Combo Orders" in the Web API documentation.
"""


def combo_conidex(
    currency: str, legs: Sequence[tuple[int, int]], *, exchange: str | None = None
) -> str:
    """Write a combination for the `conid` of an order: `combo_conidex("USD", [(1, 1), (2, -1)])`.

    Each leg is (conid, ratio); a negative ratio is sold when the combination is bought.
    Errors: `OrderInvalidError`.
    """
    if currency not in list(SPREAD_CONIDS):  # whatever it is, hashable or not
        known = " ".join(SPREAD_CONIDS)
        raise OrderInvalidError("currency", f"{currency!r} is none of {known}")
    if not _is_row(legs) or len(legs) < 2:  # noqa: PLR2004 - one leg is no combination
        raise OrderInvalidError("legs", "a combination needs two legs or more")
    spread = SPREAD_CONIDS[currency]
    routing = "" if exchange is None else f"@{read_exchange(exchange, spread)}"
    return f"{spread}{routing};;;{','.join(map(_leg, legs))}"


def _is_row(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _leg(leg: Any) -> str:
    if not _is_row(leg) or len(leg) != 2:  # noqa: PLR2004 - a conid and a ratio
        raise OrderInvalidError("legs", f"{leg!r:.80} is no pair of conid and ratio")
    conid, ratio = leg
    number = whole(ratio)
    if not number:
        raise OrderInvalidError("legs", f"{ratio!r} is no ratio: a whole number other than 0")
    return f"{read_conid('legs', conid)}/{number}"
