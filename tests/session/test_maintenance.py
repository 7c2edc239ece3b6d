"""An outage that lasts is named once: fault F27."""

from __future__ import annotations

from ibkr_async.errors import ServerError
from ibkr_async.session.events import SessionMaintenance, SessionReady
from session.test_keeper import COMPETING, UP, FakeIbkr, Harness


async def test_an_outage_of_a_minute_is_called_maintenance_once_and_ends_by_itself() -> None:
    """Nothing answers for a night; the session comes back with no operator and few attempts."""
    outage = ServerError("POST /tickle", 503, "down")
    good = b'{"session":"abc","iserver":{"authStatus":' + UP + b"}}"
    harness = Harness(FakeIbkr(tickle=[good, *[outage] * 25, good]))

    await harness.run(until=lambda: harness.ibkr.calls.count("tickle") == 28)

    announced = [event for event in harness.events if isinstance(event, SessionMaintenance)]
    assert len(announced) == 1
    assert announced[0].down_s >= 60
    assert "503" in announced[0].detail
    assert harness.now > 5400


async def test_another_outage_is_announced_anew() -> None:
    """Each night has its own."""
    outage = ServerError("POST /tickle", 503, "down")
    good = b'{"session":"abc","iserver":{"authStatus":' + UP + b"}}"
    night = [*[outage] * 8, good]
    harness = Harness(FakeIbkr(tickle=[good, *night, *night]))

    await harness.run(until=lambda: harness.ibkr.calls.count("tickle") == 19)

    assert harness.kinds().count(SessionMaintenance) == 2
    assert harness.kinds().count(SessionReady) == 1


async def test_a_competing_session_is_no_maintenance() -> None:
    """It has an event of its own."""
    good = b'{"session":"abc","iserver":{"authStatus":' + UP + b"}}"
    taken = b'{"session":"abc","iserver":{"authStatus":' + COMPETING + b"}}"
    harness = Harness(FakeIbkr(tickle=[good, *[taken] * 5, good]))

    await harness.run(until=lambda: harness.ibkr.calls.count("tickle") == 6)

    assert SessionMaintenance not in harness.kinds()
