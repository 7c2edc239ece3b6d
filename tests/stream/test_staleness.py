from __future__ import annotations

import pytest

from ibkr_async.stream.delivery.events import Gap, Renewed, Resumed, Stale
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
