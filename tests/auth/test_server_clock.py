from __future__ import annotations

import pytest

from ibkr_async.auth.server_clock import ServerClock


class Watch:
    """A clock that stands where it is put."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_timestamp_is_in_whole_seconds() -> None:
    """IBKR takes ten digits; more fail."""
    assert ServerClock(Watch(1_700_000_000.9)).timestamp() == "1700000000"


def test_timestamp_never_decreases() -> None:
    """A clock that is set back does not take the timestamps with it."""
    watch = Watch(1_700_000_100)
    clock = ServerClock(watch)
    first = clock.timestamp()
    watch.now -= 50

    assert clock.timestamp() == first
    watch.now += 51
    assert clock.timestamp() == "1700000101"


def test_difference_to_the_server_is_taken_off() -> None:
    """Later timestamps are on the server's clock."""
    watch = Watch(1_700_000_600)
    clock = ServerClock(watch)

    clock.learn({"date": "Tue, 14 Nov 2023 22:13:20 GMT"})

    assert clock.ahead_s == 600
    assert clock.now() == 1_700_000_000
    assert clock.timestamp() == "1700000000"


def test_restart_lets_timestamps_go_back() -> None:
    """After a refusal for a clock that was ahead, the corrected timestamp is smaller."""
    clock = ServerClock(Watch(1_700_000_600))
    clock.timestamp()
    clock.learn({"date": "Tue, 14 Nov 2023 22:13:20 GMT"})

    assert clock.timestamp() == "1700000600"
    clock.restart()
    assert clock.timestamp() == "1700000000"


@pytest.mark.parametrize("headers", [{}, {"date": ""}, {"date": "soon"}, {"date": "Tue, 99 X"}])
def test_missing_or_broken_date_changes_nothing(headers: dict[str, str]) -> None:
    """An answer without a usable date is no reason to fail."""
    clock = ServerClock(Watch(5.0))

    clock.learn(headers)

    assert clock.ahead_s == 0
