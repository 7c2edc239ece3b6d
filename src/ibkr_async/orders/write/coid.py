"""Client order ids: how an order is found again when its answer was lost.

Responsible for making ids that sort by time and that no other process makes. It must never read a
clock or a source of randomness by itself: both are handed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ibkr_async.types import ClientOrderId

if TYPE_CHECKING:
    from ibkr_async.world import World

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: capitals and digits that sort as their values do, none easily confused."""

_TIME_DIGITS: Final = 10
_COUNTER_DIGITS: Final = 4
_INSTANCE_DIGITS: Final = 6
_RANDOM_DIGITS: Final = 6


def make_coid(now_ms: int, counter: int, instance: int, random_bits: int) -> ClientOrderId:
    """Write one client order id: 26 characters, time, counter, instance and randomness.

    Shape: ids of one process sort in the order in which they were made. Each part is cut to its
    digits: 50, 20, 30 and 30 bits.
    """
    return ClientOrderId(
        _digits(now_ms, _TIME_DIGITS)
        + _digits(counter, _COUNTER_DIGITS)
        + _digits(instance, _INSTANCE_DIGITS)
        + _digits(random_bits, _RANDOM_DIGITS)
    )


class CoidMaker:
    """Makes the client order ids of one process. Call it.

    The instance part tells processes apart; the random part tells apart two that share it, such
    as the halves of a fork.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._instance = world.random.bits(5 * _INSTANCE_DIGITS)
        self._last_ms = 0
        self._counter = 0

    def __call__(self) -> ClientOrderId:
        """Make the next id. A clock that steps back does not make ids step back."""
        self._last_ms = max(self._last_ms, int(self._world.clock.wall() * 1000))
        self._counter += 1
        chance = self._world.random.bits(5 * _RANDOM_DIGITS)
        return make_coid(self._last_ms, self._counter, self._instance, chance)


def _digits(value: int, count: int) -> str:
    return "".join(_ALPHABET[value >> 5 * place & 31] for place in reversed(range(count)))
