"""The next deadline is remembered, and looked for again when a time has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ibkr_async.stream.core.channel import NEVER
from ibkr_async.stream.settings import CoreSettings
from stream.core_driver import GREETING, READY, Driver, Heard, earliest_due, make_buffer, wish
from support.inside import lifecycle_of

if TYPE_CHECKING:
    from collections.abc import Callable


TICK = '{"31":"1","conid":1,"topic":"smd+1"}'


@pytest.mark.parametrize(
    "change",
    [
        lambda driver, _: driver.listen("smd+2"),
        lambda driver, listener: driver.core.unsubscribe("smd+1", listener, driver.now),
        lambda driver, _: driver.core.session_established(False, driver.now),
        lambda driver, _: driver.core.connection_lost(driver.now, 1006, "gone"),
        lambda driver, _: driver.core.frame_received(TICK, driver.now),
        lambda driver, _: driver.core.frame_received('{"error":"no","topic":"smd+1"}', driver.now),
        lambda driver, _: lifecycle_of(driver.core).serve_due(driver.now + 11),
        lambda driver, _: lifecycle_of(driver.core).postpone(3.0),
        lambda driver, _: lifecycle_of(driver.core).greeted(driver.now + 2),
    ],
    ids="add remove session connection first-frame refusal due lag greeting".split(),  # noqa: SIM905 - as the lambdas
)
def test_whatever_changes_a_time_is_seen_in_the_next_deadline(
    change: Callable[[Driver, Heard], object],
) -> None:
    """What was remembered before is not believed after."""
    driver = Driver()
    driver.core.connection_made(0.0, "")
    driver.core.frame_received(GREETING, 0.0)
    driver.core.frame_received(READY, 0.0)
    listener = driver.listen("smd+1")
    lifecycle = lifecycle_of(driver.core)
    driver.now = 1.0
    assert lifecycle.next_due == earliest_due(driver.core)

    change(driver, listener)

    assert lifecycle.next_due == earliest_due(driver.core)


def test_each_step_of_a_channel_moves_the_deadline() -> None:
    """Requested, live, another one requested, refused, looked at: none is hidden by another time."""
    driver = Driver(CoreSettings(stale_after_s=2_400.0))
    driver.core.connection_made(0.0, "")
    driver.core.frame_received(GREETING, 0.0)
    lifecycle = lifecycle_of(driver.core)
    seen = [lifecycle.next_due]
    driver.listen("smd+1")
    seen.append(lifecycle.next_due)
    driver.core.frame_received(TICK, 1.0)
    seen.append(lifecycle.next_due)
    driver.core.frame_received('{"error":"no","topic":"smd+1"}', 1.0)
    seen.append(lifecycle.next_due)
    driver.core.frame_received(TICK, 2.0)
    seen.append(lifecycle.next_due)
    lifecycle.serve_due(200.0)
    seen.append(lifecycle.next_due)

    assert seen == [NEVER, 10.0, 200.0, 31.0, 200.0, 400.0]


def test_the_late_name_of_an_abandoned_request_frees_its_deadline() -> None:
    """Until the server names it, or is late with that, it is waited for."""
    driver = Driver(CoreSettings(stale_after_s=2_400.0))
    driver.core.connection_made(0.0, "")
    driver.core.frame_received(GREETING, 0.0)
    listener = Heard(make_buffer())
    bars = wish("smh+1", {"period": "1d", "bar": "5min"})
    driver.core.subscribe(bars, listener, 0.0)
    driver.core.unsubscribe(bars.key, listener, 1.0)
    lifecycle = lifecycle_of(driver.core)
    waited_for = lifecycle.next_due

    driver.core.frame_received('{"serverId":"7","data":[],"topic":"smh+1"}', 2.0)

    assert (waited_for, lifecycle.next_due) == (20.0, NEVER)
