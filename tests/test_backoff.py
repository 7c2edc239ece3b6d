"""The one delay that doubles."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.backoff import capped


def test_delay_doubles_from_the_first_up_to_the_cap() -> None:
    """1, 2, 4 ... and never more than the cap."""
    assert [capped(1.0, n, 60.0) for n in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


@given(
    first_s=st.floats(0.001, 1e6),
    attempt=st.integers(-5, 10**6) | st.just(10**400),
    cap_s=st.floats(0.001, 1e9),
)
def test_no_number_of_attempts_overflows_or_passes_the_cap(
    first_s: float, attempt: int, cap_s: float
) -> None:
    """Months of outage give a delay, never an error."""
    delay = capped(first_s, attempt, cap_s)

    assert 0 < delay <= cap_s
    assert capped(first_s, attempt + 1, cap_s) >= delay
