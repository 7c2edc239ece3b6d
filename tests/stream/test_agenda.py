from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.stream.core.agenda import Agenda
from ibkr_async.stream.core.channel import NEVER, Channel
from ibkr_async.stream.wire.topics import TOPICS

times = st.sampled_from([NEVER, *map(float, range(8))])
changes = st.lists(st.tuples(st.integers(0, 5), st.sampled_from("note drop take".split()), times))  # noqa: SIM905 - as it reads


def some_channels(count: int) -> list[Channel]:
    """Channels that are not due."""
    return [Channel(TOPICS["smd"], str(number)) for number in range(count)]


@given(changes)
def test_the_earliest_is_always_known(script: list[tuple[int, str, float]]) -> None:
    """Whatever gets earlier, later, forgotten or served: as if every channel were looked at."""
    agenda, channels = Agenda(), some_channels(6)
    listed: set[Channel] = set()
    for number, verb, at in script:
        channel = channels[number]
        if verb == "take":
            taken = agenda.take_due(at)
            assert [one.due for one in taken] == sorted(
                one.due for one in listed if one.due <= at and one.due != NEVER
            )
            for one in taken:
                one.act_at = NEVER
            listed -= set(taken)
        else:
            channel.act_at = at if verb == "note" else NEVER
            (listed.add if verb == "note" else listed.discard)(channel)
            (agenda.note if verb == "note" else agenda.drop)(channel)
        assert agenda.next_due == min((one.due for one in listed), default=NEVER)


def test_forgotten_channels_are_not_kept() -> None:
    """A day of short subscriptions does not fill the memory until their times have come."""
    agenda = Agenda()
    for channel in some_channels(10_000):
        channel.act_at = 480.0
        agenda.note(channel)
        channel.act_at = NEVER
        agenda.drop(channel)

    # How much it keeps shows nowhere else.
    assert len(agenda._entries) <= 100


def test_times_that_change_again_and_again_are_not_kept() -> None:
    """Each renewal makes two entries; the old ones go as time goes by."""
    agenda, (channel,) = Agenda(), some_channels(1)
    for second in range(0, 48_000, 480):
        channel.act_at, channel.renew_at = second + 10.0, second + 480.0
        agenda.note(channel)
        channel.act_at = NEVER
        agenda.note(channel)
        agenda.take_due(second + 480.0)

    # How much it keeps shows nowhere else.
    assert len(agenda._entries) <= 2
