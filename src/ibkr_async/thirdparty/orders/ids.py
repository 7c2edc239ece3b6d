"""CustomerOrderIds: how an order is found again when its answer was lost.

Responsible for ids that grow with time and are whole numbers below 2**53: the reference has them
as a number in one answer and as text in another, and both must keep every digit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibkr_async.world import World


class CustomerOrderIds:
    """Makes the ids of one process: Unix milliseconds and three more digits. Call it.

    The last digits start at random, so that two processes of one account do not meet.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._last = 0

    def __call__(self) -> str:
        """Make the next id. A clock that steps back does not make ids step back."""
        now_ms = int(self._world.clock.wall() * 1000)
        fresh = now_ms * 1000 + int(self._world.random.uniform() * 1000)
        self._last = max(self._last + 1, fresh)
        return str(self._last)
