"""What happens to one channel costs the same among ten thousand as among ten: steps are counted."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Final

from ibkr_async.stream.core.channel import Listener
from ibkr_async.stream.delivery.events import Disconnected, Gap
from ibkr_async.stream.settings import CoreSettings
from stream.core_driver import READY, Driver, make_buffer, smd, wish
from support.inside import registry_of
from support.steps import steps

if TYPE_CHECKING:
    from collections.abc import Callable

FEW, MANY = 10, 10_000
SLACK: Final = 100
"""Steps that a heap of another height, or another length of a name, may take."""


class Crowd:
    """A core with contracts 1 to `size`, all live but the last, and as many that wait for bars."""

    def __init__(self, size: int) -> None:
        drawn = Random(7)  # noqa: S311 - jitter that can be repeated
        # Looking at all channels for silence, once in 5 s, is the one thing that is done for all.
        self.driver = Driver(CoreSettings(stale_after_s=1e6), random=drawn.random)
        self.core = self.driver.core
        self.size = size
        self.bars = 1
        """The next request for bars that is answered."""
        self.driver.connect()
        self.driver.receive(READY)
        self.listener = Listener(make_buffer(capacity=10 * size))
        for conid in range(1, size + 1):
            self.subscribe(f"smd+{conid}{'@ARCA' * (conid % 2)}", self.listener)
        for conid in range(1, size + 21):
            self.subscribe(f"smh+{conid}", Listener(make_buffer()))
        for conid in range(1, size):
            self.receive(smd(f"{conid}@ARCA" if conid % 2 else conid))
        self.serve_bars()

    def subscribe(self, topic: str, listener: Listener) -> None:
        """Want a topic; bars wait for their turn."""
        wanted = wish(topic, waits=topic.startswith("smh"))
        self.core.subscribe(wanted, listener, self.driver.now)

    def receive(self, frame: str) -> None:
        """Let the server send one frame."""
        self.core.frame_received(frame, self.driver.now)

    def leave(self, topic: str) -> None:
        """Everyone who wants a topic stops to."""
        for channel in registry_of(self.core).find(topic):
            for listener in tuple(channel.wishes):
                self.core.unsubscribe(channel.key, listener, self.driver.now)

    def serve_bars(self) -> None:
        """An answer lets the next request go out, and so does giving one up."""
        for conid in range(self.bars, self.bars + 8):
            self.receive(f'{{"serverId":"{conid}","data":[],"topic":"smh+{conid}"}}')
            self.leave(f"smh+{conid}")
        self.bars += 8

    def wait(self) -> None:
        """Let time pass until the next thing is due, and do it."""
        due = self.core.next_deadline()
        assert due is not None
        self.driver.now = due
        self.receive('{"topic":"system","hb":1}')
        self.core.deadline_reached(due)


EVENTS: Final[dict[str, Callable[[Crowd], object]]] = {
    "data": lambda crowd: crowd.receive(smd(2)),
    "data whose exchange is left out": lambda crowd: crowd.receive(smd(1)),
    "first frame": lambda crowd: crowd.receive(smd(crowd.size)),
    "late frame": lambda crowd: crowd.receive(smd(10**9)),
    "bars": Crowd.serve_bars,
    "joining": lambda crowd: crowd.subscribe("smd+999999", Listener(make_buffer())),
    "joining for bars": lambda crowd: crowd.subscribe("smh+999999", Listener(make_buffer())),
    "leaving": lambda crowd: crowd.leave("smd+4"),
    "refusal": lambda crowd: crowd.receive('{"error":"no","topic":"smd+999999"}'),
    "refusal in words": lambda crowd: crowd.receive('{"error":"no smd+2 here"}'),
    "refusal of nobody's": lambda crowd: crowd.receive('{"error":"no smd+3@X+1 here"}'),
    "status": lambda crowd: crowd.receive(READY),
    "the keeper": lambda crowd: crowd.core.session_established(True, crowd.driver.now),
    "is all served": lambda crowd: crowd.core.serves(crowd.listener),
    "the next deadline": lambda crowd: crowd.core.next_deadline(),
    "too early": lambda crowd: crowd.core.deadline_reached(crowd.driver.now),
    "taking": lambda crowd: (crowd.core.events(), crowd.core.frames_to_send()),
    "what is due": Crowd.wait,
}


def test_an_event_takes_as_many_steps_among_ten_thousand_channels() -> None:
    """Frames, wishes, refusals, deadlines and questions do not look at those they are not about."""
    rehearsal, few, many = Crowd(FEW), Crowd(FEW), Crowd(MANY)
    for event in EVENTS.values():
        event(rehearsal)  # what is done only once, such as compiling a pattern

    excess = {
        name: steps(partial(event, many)) - steps(partial(event, few))
        for name, event in EVENTS.items()
    }

    assert {name: more for name, more in excess.items() if more > SLACK} == {}


def test_a_renewal_takes_as_many_steps_among_ten_thousand_channels() -> None:
    """Each contract is asked for again once in eight minutes, at its own time."""

    def steps_of_first_renewal(crowd: Crowd) -> int:
        while True:
            taken = steps(crowd.wait)
            if any(text.startswith("smd") for text in crowd.core.frames_to_send()):
                return taken

    among_few = steps_of_first_renewal(Crowd(FEW))
    assert steps_of_first_renewal(Crowd(MANY)) <= among_few + SLACK


def test_every_consumer_hears_of_a_gap_and_the_loss_is_reported_last_whatever_their_number() -> (
    None
):
    """Reports of frames are bounded; what happens to the connection is never passed over."""
    crowd = Crowd(MANY)
    crowd.core.events()
    crowd.core.connection_lost(crowd.driver.now, 1006, "")
    events = crowd.core.events()

    assert [type(event) for event in events] == [Gap] * (MANY - 1) + [Disconnected]
    assert crowd.core.stats.events_dropped == 0
