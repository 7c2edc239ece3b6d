"""The table of a channel's states: as it is drawn, as it is held, and as events go through it."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Final

import pytest

from ibkr_async.stream.core import channel_state as module
from ibkr_async.stream.core.channel import Channel, Listener
from ibkr_async.stream.core.channel_state import (
    AWAITING,
    FLOWING,
    NEXT_STATES,
    OUTSTANDING,
    ChannelState,
)
from ibkr_async.stream.settings import CoreSettings
from ibkr_async.stream.wire.topics import TOPICS
from stream.core_driver import Driver, make_buffer, smd, wish
from support.inside import registry_of

if TYPE_CHECKING:
    from collections.abc import Callable

WANTED, REQUESTED, RENEWING, LIVE, DOUBTED, ABANDONED = ChannelState
PATHS: Final = {
    WANTED: (),
    REQUESTED: (REQUESTED,),
    RENEWING: (REQUESTED, LIVE, RENEWING),
    LIVE: (REQUESTED, LIVE),
    DOUBTED: (REQUESTED, DOUBTED),
    ABANDONED: (REQUESTED, ABANDONED),
}


def channel_in(state: ChannelState) -> Channel:
    """Make a channel that has come to a state."""
    channel = Channel(TOPICS["smd"], "1")
    for step in PATHS[state]:
        channel.become(step)
    return channel


@pytest.mark.parametrize(("origin", "to"), [*product(ChannelState, ChannelState)])
def test_a_channel_goes_where_the_table_leads_and_nowhere_else(
    origin: ChannelState, to: ChannelState
) -> None:
    """Whatever is not in the table is refused, and nothing has changed then."""
    channel = channel_in(origin)

    if to in NEXT_STATES[origin]:
        channel.become(to)
        assert channel.state is to
    else:
        with pytest.raises(ValueError, match=f"cannot become {to.name} from {origin.name}"):
            channel.become(to)
        assert channel.state is origin


def test_the_drawn_table_is_the_one_that_is_held() -> None:
    """Each filled cell of the module's text is a transition."""
    lines = (module.__doc__ or "").splitlines()
    head = next(number for number, line in enumerate(lines) if line.startswith("    from, to"))
    columns = {state: lines[head].index(state.name) for state in ChannelState}
    ends = [*sorted(columns.values())[1:], None]
    drawn = {}
    for line in lines[head + 1 : head + 1 + len(ChannelState)]:
        cells = {
            state: line[at:end].strip()
            for (state, at), end in zip(columns.items(), ends, strict=True)
        }
        drawn[ChannelState[line.split()[0]]] = {state for state, cell in cells.items() if cell}

    assert drawn == {origin: set(to) for origin, to in NEXT_STATES.items()}


def test_groups_of_states_are_those_that_their_names_say() -> None:
    """Data comes; the next frame is the first; the next answer may be this one's."""
    assert set(FLOWING) == {LIVE, RENEWING}
    assert set(AWAITING) == {REQUESTED, RENEWING, DOUBTED}
    assert set(OUTSTANDING) == {REQUESTED, RENEWING, ABANDONED}
    for state in ChannelState:
        channel = channel_in(state)
        assert channel.flows is (state in FLOWING)
        assert channel.awaiting is (state in AWAITING)
        assert channel.outstanding is (state in OUTSTANDING)
        assert channel.on_wire is (state is not WANTED)


class Story:
    """One contract or one request for bars, and what happens to it."""

    def __init__(self, topic: str = "smd+1", **options: float) -> None:
        self.driver = Driver(CoreSettings(**options))  # type: ignore[arg-type] - all are times
        self.topic = topic
        self.first = self.join()
        self.channel = next(iter(registry_of(self.driver.core)))

    def join(self) -> Listener:
        """Another consumer wants it."""
        listener = Listener(make_buffer())
        arguments = {"bar": "1min"} if self.topic.startswith("smh") else None
        self.driver.core.subscribe(wish(self.topic, arguments), listener, self.driver.now)
        return listener

    def leave(self) -> None:
        """Nobody wants it any more."""
        for listener in tuple(self.channel.wishes):
            self.driver.core.unsubscribe(self.channel.key, listener, self.driver.now)

    def answer(self) -> None:
        """Its first frame comes."""
        bars = '{"serverId":"7","data":[],"topic":"smh+1"}'
        self.driver.receive(bars if self.topic.startswith("smh") else smd(1))

    def refuse(self) -> None:
        """The server says no."""
        self.driver.receive(f'{{"error":"no","topic":"{self.topic}"}}')

    def wait(self, seconds: float) -> None:
        """Nothing comes but heartbeats."""
        self.driver.advance_to(self.driver.now + seconds, heartbeats=True)

    def fall_silent(self) -> None:
        """It is busy for a while, and then says nothing."""
        for _ in range(12):
            self.answer()
            self.wait(5)
        self.wait(61)

    def session_goes(self) -> None:
        """The brokerage session is lost."""
        self.driver.core.session_established(False, self.driver.now)


def begun(topic: str = "smd+1", **options: float) -> Story:
    """Requested on a connection."""
    story = Story(topic, **options)
    story.driver.connect()
    return story


def live(topic: str = "smd+1", **options: float) -> Story:
    """Requested, and answered."""
    story = begun(topic, **options)
    story.answer()
    return story


def renewing(**options: float) -> Story:
    """Asked for again before its time was over."""
    story = live(**options)
    story.wait(480)
    return story


def renewing_bars() -> Story:
    """Asked for again so that a newcomer begins with a full frame."""
    story = live("smh+1")
    story.join()
    return story


def doubted(topic: str = "smd+1") -> Story:
    """Refused, and not alone: a consumer whose every topic is refused ends."""
    story = begun(topic)
    story.driver.core.subscribe(wish("sor"), story.first, story.driver.now)
    story.refuse()
    return story


SLOW: Final = {"confirm_timeout_s": 1_000.0}
EVENTS: Final[dict[tuple[ChannelState, ChannelState], list[tuple[Callable[[], Story], str]]]] = {
    (WANTED, REQUESTED): [(Story, "driver.connect")],
    (REQUESTED, WANTED): [(begun, "driver.lose"), (begun, "session_goes")],
    (REQUESTED, REQUESTED): [(lambda: begun(**SLOW), "wait 500")],
    (REQUESTED, LIVE): [(begun, "answer")],
    (REQUESTED, DOUBTED): [(begun, "wait 11"), (begun, "refuse")],
    (REQUESTED, ABANDONED): [(lambda: begun("smh+1"), "leave")],
    (RENEWING, WANTED): [(renewing, "driver.lose"), (renewing, "session_goes")],
    (RENEWING, RENEWING): [(lambda: renewing(**SLOW), "wait 500")],
    (RENEWING, LIVE): [(renewing, "answer")],
    (RENEWING, DOUBTED): [(renewing, "wait 11"), (renewing, "refuse")],
    (RENEWING, ABANDONED): [(renewing_bars, "leave")],
    (LIVE, WANTED): [(live, "driver.lose"), (live, "session_goes")],
    (LIVE, RENEWING): [
        (live, "wait 480"),
        (lambda: live(confirm_timeout_s=100.0), "fall_silent"),
        (lambda: live("smh+1"), "join"),
    ],
    (LIVE, DOUBTED): [(live, "refuse")],
    (DOUBTED, WANTED): [(doubted, "driver.lose"), (doubted, "session_goes")],
    (DOUBTED, REQUESTED): [(doubted, "wait 30")],
    (DOUBTED, LIVE): [(doubted, "answer")],
    (DOUBTED, ABANDONED): [(lambda: doubted("smh+1"), "leave")],
}
"""What brings a channel from one state to another: how it begins, and what then happens."""
NAMELESS: Final = (LIVE, ABANDONED)
"""Only where the server answers without the number that it ought to give: a test of its own."""


@pytest.mark.parametrize(
    ("pair", "beginning", "event"),
    [(pair, *way) for pair, ways in EVENTS.items() for way in ways],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_events_lead_through_the_table(
    pair: tuple[ChannelState, ChannelState], beginning: Callable[[], Story], event: str
) -> None:
    """Every cell is reached by what it says."""
    story = beginning()
    states = [story.channel.state]
    verb, _, argument = event.partition(" ")
    call = getattr(story.driver if verb.startswith("driver.") else story, verb.split(".")[-1])
    call(*([float(argument)] if argument else []))
    states.append(story.channel.state)

    assert tuple(states) == pair


def test_no_cell_of_the_table_is_without_an_event() -> None:
    """What nothing leads to is not needed."""
    assert {*EVENTS, NAMELESS} == {
        (origin, to) for origin in NEXT_STATES for to in NEXT_STATES[origin]
    }


def test_bars_that_were_answered_without_a_number_are_abandoned_too() -> None:
    """They have a place at the server, which is free again once the number comes."""
    story = begun("smh+1")
    story.driver.receive('{"data":[],"topic":"smh+1"}')
    assert story.channel.state is LIVE
    story.leave()
    assert story.channel.state is ABANDONED
    story.driver.sent.clear()
    story.answer()

    assert story.driver.sent == ["umh+7"]
    assert not registry_of(story.driver.core).unnamed
