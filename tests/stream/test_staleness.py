from __future__ import annotations

import pytest

from ibkr_async.stream.core.channel import NEVER, Channel
from ibkr_async.stream.core.staleness import Staleness
from ibkr_async.stream.delivery.events import Gap, Renewed, Resumed, Stale
from ibkr_async.stream.settings import CoreSettings
from ibkr_async.stream.wire.topics import TOPICS
from stream.core_driver import Driver, smd


def busy(driver: Driver, conid: int, until: float, every_s: float = 1.0) -> None:
    """Let a contract trade, with heartbeats."""
    while driver.now < until:
        driver.advance_to(min(until, driver.now + every_s))
        driver.receive(smd(conid))
        driver.receive('{"topic":"system","hb":1}')


def stales(driver: Driver) -> list[Stale]:
    """What was suspected."""
    return [event for event in driver.events if isinstance(event, Stale)]


def started(*topics: str, **options: object) -> Driver:
    """A greeted core that listens."""
    driver = Driver(**options)  # type: ignore[arg-type]  # passes one keyword on
    driver.listen(*topics)
    driver.connect()
    return driver


def test_a_stalled_topic_is_asked_for_again_while_the_others_go_on() -> None:
    """Within 65 s, at once and alone, and what may be missing is a gap: fault F4."""
    driver = started("smd+1", "smd+2")
    driver.receive(smd(1))
    busy(driver, 2, 40)
    busy(driver, 1, 41)
    driver.sent.clear()
    busy(driver, 1, 140)

    stale = stales(driver)[0]
    (gap,) = [event for event in driver.events if isinstance(event, Gap)]
    assert (stale.topic, gap.topic, gap.silent_s) == ("smd+2", "smd+2", 60.0)
    assert 95 <= stale.at <= 110
    assert [text for text in driver.sent if text != "tic"][:2] == [
        "umd+2+{}",
        'smd+2+{"fields":["31"]}',
    ]


def test_a_stalled_topic_that_never_answers_is_asked_for_at_most_every_30_s() -> None:
    """Fault F4: no storm of requests."""
    driver = started("smd+2")
    busy(driver, 2, 40)
    driver.sent.clear()
    driver.advance_to(400, heartbeats=True)

    requests = [text for text in driver.sent if text.startswith("smd+2")]
    assert 5 <= len(requests) <= 11
    assert not any(isinstance(event, Resumed) for event in driver.events)


def test_a_contract_that_trades_seldom_is_never_suspected() -> None:
    """Twice a minute is not busy."""
    driver = started("smd+1")
    driver.receive(smd(1))
    busy(driver, 1, 600, every_s=30.0)
    driver.advance_to(2000, heartbeats=True)

    assert stales(driver) == []


def test_a_market_that_is_known_to_be_closed_is_never_suspected() -> None:
    """The close is no stall where the hours are known."""
    driver = started("smd+1", is_open=lambda target: {"1": False}[target])
    busy(driver, 1, 60)
    driver.advance_to(460, heartbeats=True)

    assert stales(driver) == []


def test_renewal_says_how_long_nothing_had_come() -> None:
    """A stall of a topic that was never busy enough to be suspected shows in the renewal."""
    driver = started("smd+1", "smd+2")
    driver.receive(smd(1))
    driver.receive(smd(2))
    busy(driver, 2, 100, every_s=20.0)
    busy(driver, 1, 481)
    driver.receive(smd(2))

    silent = {event.topic: event.silent_s for event in driver.events if isinstance(event, Renewed)}
    assert silent["smd+1"] == 0.0
    assert silent["smd+2"] == pytest.approx(380, abs=6)


def test_loop_lag_is_no_silence() -> None:
    """While our own loop stood still nobody listened: fault F30."""
    driver = started("smd+1")
    busy(driver, 1, 60)
    driver.jump_to(200)
    driver.receive(smd(1))
    driver.advance_to(230, heartbeats=True)

    assert stales(driver) == []


# --- the suspicion by itself ---------------------------------------------------------------------


def looked_at(periods: str, stale_after_s: float = 60.0) -> list[tuple[int, float]]:
    """Let a topic speak in the periods that are an `x`; return when it was suspected, and of what."""
    staleness = Staleness(CoreSettings(stale_after_s=stale_after_s), lambda _target: None)
    channel, found = Channel(TOPICS["smd"], "1"), []
    for number, period in enumerate(periods, 1):
        channel.spoke = period == "x"
        silent_s = staleness.look(channel)
        if silent_s is not None:
            found.append((number, silent_s))
    return found


@pytest.mark.parametrize(
    ("periods", "suspected"),
    [
        ("x" * 6 + "." * 11, []),
        ("x" * 6 + "." * 12, [(18, 60.0)]),
        ("x" * 5 + "." * 50, []),
        ("x" * 40 + "." * 12, [(52, 60.0)]),
        ("x" * 6 + "." * 11 + "x" + "." * 12, []),
        ("xxxxx.xx" + "." * 12, [(20, 60.0)]),
        ("xxxxx..xx" + "." * 12, []),
        ("x" * 20 + "." * 7 + "x" + "." * 12, [(40, 60.0)]),
        ("x" * 20 + "." * 8 + "x" + "." * 12, []),
        ("x" * 6 + "." * 60, [(18, 60.0)]),
        ("x" * 6 + "." * 12 + "x" * 5 + "." * 20, [(18, 60.0)]),
        ("x" * 6 + "." * 12 + "x" * 6 + "." * 12, [(18, 60.0), (36, 60.0)]),
    ],
)
def test_only_a_topic_that_was_busy_is_suspected(
    periods: str, suspected: list[tuple[int, float]]
) -> None:
    """Six busy periods make it so, pauses count against them, and one suspicion uses them up."""
    assert looked_at(periods) == suspected


def test_suspicious_silence_is_a_setting() -> None:
    """Twelve periods are as long as it says."""
    assert looked_at("x" * 6 + "." * 12, stale_after_s=24.0) == [(18, 24.0)]


def test_market_whose_hours_are_not_known_or_that_is_open_is_suspected() -> None:
    """Only where it is known to be closed silence is nothing; it is asked for the right contract."""
    hours: dict[str, bool | None] = {"1": True, "2": None, "3": False}
    staleness = Staleness(CoreSettings(), hours.__getitem__)
    found = []
    for target in hours:
        channel = Channel(TOPICS["smd"], target)
        channel.busy, channel.idle = 6, 11
        found.append(staleness.look(channel))

    assert found == [60.0, 60.0, None]


def test_channels_are_looked_at_once_in_a_period() -> None:
    """All of them; nothing is due while none is watched."""
    staleness = Staleness(CoreSettings(), lambda _target: None)
    channels = tuple(Channel(TOPICS["smd"], str(number)) for number in range(3))
    staleness.postpone(1.0)
    assert staleness.next_due == NEVER
    staleness.begin(0.0)
    assert staleness.next_due == NEVER
    assert staleness.take_due(5.0) == ()
    for channel in channels:
        staleness.watch(channel, 1.0)
    assert staleness.next_due == 5.0
    assert staleness.take_due(4.99) == ()
    assert staleness.take_due(5.0) == channels
    assert staleness.next_due == 10.0
    staleness.postpone(2.5)
    assert staleness.next_due == 12.5
    staleness.forget(channels[1])
    staleness.forget(channels[1])
    assert staleness.take_due(13.0) == (channels[0], channels[2])
    assert staleness.next_due == 18.0


def test_period_that_nobody_waited_for_begins_anew() -> None:
    """A channel that is watched after an hour of none, or at the very end, has a whole period."""
    for now in (5.0, 3600.0):
        staleness = Staleness(CoreSettings(), lambda _target: None)
        staleness.begin(0.0)
        staleness.watch(Channel(TOPICS["smd"], "1"), now)

        assert staleness.next_due == now + 5.0
