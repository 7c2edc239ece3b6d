from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.stream.socket.close_codes import Backoff, close_code

fractions = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(fractions)
def test_first_retry_is_spread_over_one_second(fraction: float) -> None:
    """Clients that lost the same server do not come back together."""
    assert Backoff().next_delay(fraction) == fraction


@given(st.lists(fractions, min_size=1, max_size=60))
def test_no_delay_passes_the_cap(drawn: list[float]) -> None:
    """However long the outage, the next attempt is at most a minute away."""
    backoff = Backoff()

    assert all(0 <= backoff.next_delay(fraction) <= 60 for fraction in drawn)


def test_ceiling_doubles_up_to_the_cap() -> None:
    """Full jitter under a ceiling that grows."""
    backoff = Backoff()

    assert [backoff.next_delay(1.0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_flapping_server_is_given_at_least_half_of_the_ceiling() -> None:
    """Bad luck with the random number does not become a hammer."""
    backoff = Backoff()
    backoff.connection_ended(1.0)

    assert [backoff.next_delay(0.0) for _ in range(4)] == [0, 1, 2, 4]


def test_flapping_connection_does_not_reset_the_delays() -> None:
    """Only a connection that lived a minute counts as good."""
    backoff = Backoff()
    backoff.next_delay(1.0)
    backoff.connection_ended(59.9)
    flapping = backoff.next_delay(1.0)
    backoff.connection_ended(60.0)

    assert (flapping, backoff.next_delay(1.0)) == (2, 1)


def test_flapping_server_sees_at_most_twelve_connects_in_five_minutes() -> None:
    """Connect, drop after a second, again and again, at mean luck: fault F24."""
    backoff, now, connects = Backoff(), 0.0, 0
    while now < 300:
        connects += 1
        backoff.connection_ended(1.0)
        now += 1.0 + backoff.next_delay(0.5)

    assert connects <= 12


def test_close_codes_say_whether_to_try_again() -> None:
    """A quiet 1000 is a disconnect; only a refusal of the credentials is final."""
    assert not close_code(1000).fatal
    assert close_code(1013).at_least_s == 5.0
    assert close_code(3000).fatal
    assert close_code(4321).meaning == "unlisted close code"
    assert not close_code(4321).fatal


def test_patience_asked_for_by_the_close_code_is_kept() -> None:
    """1013 means: not now."""
    assert Backoff().next_delay(0.0, at_least_s=5.0) == 5.0
