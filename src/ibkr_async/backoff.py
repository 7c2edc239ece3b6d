"""How long to wait before trying again: the one place where a delay doubles.

Pure: chance and time come in as arguments.
"""

from __future__ import annotations

from typing import Final

_MOST_DOUBLINGS: Final = 63


def capped(first_s: float, attempt: int, cap_s: float) -> float:
    """Return the delay before retry number `attempt` (0 is the first): doubled each time, up to `cap_s`.

    Any `attempt` is fine, a million or a negative one: an outage of months must not end in an overflow.
    Units: seconds. Jitter is the caller's: multiply by a random number.
    """
    doublings = min(max(attempt, 0), _MOST_DOUBLINGS)
    return min(cap_s, first_s * 2.0**doublings)
