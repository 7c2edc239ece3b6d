from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_async.stream.settings import ReconnectSettings
from ibkr_async.stream.socket.reconnecting import ReconnectDelays

fractions = st.floats(min_value=0, max_value=1, exclude_max=True)


def delays() -> ReconnectDelays:
    """The delays of a client that changes no setting."""
    return ReconnectDelays(ReconnectSettings())


@given(fractions)
def test_first_retry_is_spread_over_one_second(fraction: float) -> None:
    """Clients that lost the same server do not come back together."""
    assert delays().next_delay(fraction) == fraction


@given(st.lists(fractions, min_size=1, max_size=60))
def test_no_delay_passes_the_cap(drawn: list[float]) -> None:
    """However long the outage, the next attempt is at most a minute away."""
    waits = delays()

    assert all(0 <= waits.next_delay(fraction) <= 60 for fraction in drawn)


def test_ceiling_doubles_up_to_the_cap() -> None:
    """Full jitter under a ceiling that grows."""
    waits = delays()

    assert [waits.next_delay(1.0) for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_flapping_server_is_given_at_least_half_of_the_ceiling() -> None:
    """Bad luck with the random number does not become a hammer."""
    waits = delays()
    waits.connection_ended(1.0)

    assert [waits.next_delay(0.0) for _ in range(4)] == [0, 1, 2, 4]


def test_flapping_connection_does_not_reset_the_delays() -> None:
    """Only a connection that lived a minute counts as good."""
    waits = delays()
    waits.next_delay(1.0)
    waits.connection_ended(59.9)
    flapping = waits.next_delay(1.0)
    waits.connection_ended(60.0)

    assert (flapping, waits.next_delay(1.0)) == (2, 1)


def test_flapping_server_sees_at_most_twelve_connects_in_five_minutes() -> None:
    """Connect, drop after a second, again and again, at mean luck: fault F24."""
    waits, now, connects = delays(), 0.0, 0
    while now < 300:
        connects += 1
        waits.connection_ended(1.0)
        now += 1.0 + waits.next_delay(0.5)

    assert connects <= 12


def test_patience_asked_for_by_the_close_code_is_kept() -> None:
    """1013 means: not now."""
    assert delays().next_delay(0.0, at_least_s=5.0) == 5.0


@given(fractions)
@settings(max_examples=3, deadline=None)
def test_an_outage_of_any_length_ends_at_the_cap(fraction: float) -> None:
    """Nothing grows without a bound: a doubling without a cap overflows at the 1,024th attempt."""
    waits = delays()
    waits.connection_ended(0.0)
    last = max(waits.next_delay(fraction) for _ in range(10_000))

    assert 30 <= last <= 60
