"""The two queues of the core, and the flag above them."""

from __future__ import annotations

from ibkr_async.stream.core.output import Output
from ibkr_async.stream.core.stats import CoreStats
from ibkr_async.stream.delivery.events import LoopLagged


def event(number: float = 0.0) -> LoopLagged:
    """Make something to report."""
    return LoopLagged(at=number, lag_s=number)


def make() -> tuple[Output, CoreStats]:
    """Make queues that are empty."""
    stats = CoreStats()
    return Output(stats, unix=lambda now: 1_000.0 + now), stats


def test_what_is_put_in_comes_out_once_and_in_order() -> None:
    """Events and frames apart."""
    output, _ = make()
    output.emit(event(1))
    output.send("a")
    output.report(event(2))
    output.send("b")

    assert output.take_frames() == ["a", "b"]
    assert output.take_events() == [event(1), event(2)]
    assert (output.take_frames(), output.take_events()) == ([], [])
    assert output.unix(5.0) == 1_005.0


def test_flag_says_whether_anything_waits() -> None:
    """It falls when both queues are empty."""
    output, _ = make()
    flags = [output.wants_attention]
    for step in (
        lambda: output.emit(event()),
        output.take_events,
        lambda: output.report(event()),
        output.take_events,
        lambda: output.send("a"),
        output.take_frames,
        lambda: (output.emit(event()), output.send("a"), output.take_frames()),
        output.take_events,
        lambda: (output.emit(event()), output.send("a"), output.take_events()),
        output.take_frames,
    ):
        step()
        flags.append(output.wants_attention)

    assert flags == [False, *[True, False] * 5]


def test_frames_of_a_connection_that_is_gone_are_dropped() -> None:
    """Events are not."""
    output, _ = make()
    output.emit(event())
    output.send("a")
    assert output.has_frames
    output.forget_frames()

    assert not output.has_frames
    assert (output.take_frames(), output.take_events()) == ([], [event()])


def test_flood_of_reports_is_bounded_and_counted_and_drops_no_change_of_ours() -> None:
    """A thousand wait; what is left out shows in the counters."""
    output, stats = make()
    for _ in range(999):
        output.report(event())
    output.report(event(1))
    assert stats.events_dropped == 0
    output.report(event(2))
    output.report(event(3))
    output.emit(event(4))

    assert stats.events_dropped == 2
    assert output.wants_attention
    assert output.take_events()[999:] == [event(1), event(4)]


def test_dropped_report_wants_attention_all_the_same() -> None:
    """Whoever has only taken the frames must come for the events."""
    output, _ = make()
    for _ in range(1_000):
        output.report(event())
    output.wants_attention = False
    output.report(event())

    assert output.wants_attention
