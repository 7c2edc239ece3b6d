"""Greeting, keepalive, silence and forgiveness, each at its very second."""

from __future__ import annotations

import pytest

from ibkr_async.stream.core.liveness import Liveness
from ibkr_async.stream.core.output import Output
from ibkr_async.stream.core.stats import CoreStats
from ibkr_async.stream.settings import CoreSettings


class Line:
    """One connection, opened at 100."""

    def __init__(self, *, greeted_at: float | None = 100.0, **settings: float) -> None:
        self.output = Output(CoreStats(), unix=lambda now: now)
        self.liveness = Liveness(CoreSettings(**settings), self.output)  # type: ignore[arg-type] - all are times
        self.liveness.opened(100.0)
        if greeted_at is not None:
            self.liveness.greeted(greeted_at)

    def check(self, now: float) -> tuple[str, list[str]]:
        """Return the reason, and what was sent."""
        return self.liveness.check(now), self.output.take_frames()


def test_socket_that_is_not_greeted_is_given_up_in_time() -> None:
    """Ten seconds after it was opened, and nothing is sent until then."""
    line = Line(greeted_at=None)

    assert line.liveness.next_due == 110.0
    assert line.check(109.99) == ("", [])
    assert line.check(110.0) == ("no greeting within 10 s of connecting", [])


def test_greeted_socket_is_kept_alive_every_thirty_seconds() -> None:
    """From the greeting on, while frames come."""
    line = Line(greeted_at=105.0)
    line.liveness.heard_at = 130.0
    assert line.liveness.next_due == 135.0
    assert line.check(134.99) == ("", [])
    assert line.check(135.0) == ("", ["tic"])
    line.liveness.heard_at = 160.0

    assert line.liveness.next_due == 165.0
    assert line.check(135.1) == ("", [])


def test_silence_is_probed_once_and_then_ends_the_connection() -> None:
    """15 s and 25 s after the last frame; the probe counts as a keepalive."""
    line = Line()
    assert line.liveness.next_due == 115.0
    assert line.check(114.99) == ("", [])
    assert line.check(115.0) == ("", ["tic"])
    assert line.liveness.probed
    assert line.liveness.next_due == 125.0
    assert line.check(124.99) == ("", [])

    assert line.check(125.0) == ("no frame for 25 s", [])


def test_probe_moves_the_next_keepalive() -> None:
    """One `tic` in thirty seconds is enough."""
    line = Line()
    line.check(115.0)
    line.liveness.heard_at, line.liveness.probed = 140.0, False

    assert line.liveness.next_due == 145.0
    assert line.check(144.0) == ("", [])


def test_probe_that_is_later_than_the_end_changes_nothing() -> None:
    """Whichever time is earlier counts."""
    line = Line(probe_after_s=40.0)

    assert line.liveness.next_due == 125.0
    assert line.check(125.0)[0]


def test_new_socket_begins_anew() -> None:
    """What the last one had heard or was asked says nothing of this one."""
    line = Line()
    line.check(115.0)
    line.liveness.opened(200.0)
    assert not line.liveness.probed
    assert line.liveness.next_due == 210.0
    line.liveness.greeted(201.0)

    assert line.liveness.next_due == 215.0


@pytest.mark.parametrize(("now", "due"), [(300.0, 122.0), (103.0, 118.0)])
def test_time_in_which_nobody_listened_is_no_silence(now: float, due: float) -> None:
    """But nothing was heard in the future."""
    line = Line()
    line.liveness.forgive(7.0, now)

    assert line.liveness.next_due == due


def test_greeting_may_be_late_by_what_is_forgiven() -> None:
    """Where one is waited for."""
    line = Line(greeted_at=None)
    line.liveness.forgive(7.0, 300.0)

    assert line.liveness.next_due == 117.0
    assert line.check(116.99) == ("", [])
    line.liveness.greeted(117.0)
    line.liveness.forgive(1.0, 118.0)
    assert line.liveness.next_due == 123.0
