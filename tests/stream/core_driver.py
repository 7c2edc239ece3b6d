"""Drive a `StreamCore` by hand: a clock that is told the time, and consumers that are lists."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ibkr_async.stream.core.channel import NEVER, Listener, Wish
from ibkr_async.stream.core.protocol import StreamCore
from ibkr_async.stream.delivery.buffer import Buffer
from ibkr_async.stream.settings import CoreSettings
from ibkr_async.stream.wire.sharing import unite
from ibkr_async.stream.wire.topic_row import Policy
from ibkr_async.stream.wire.topics import TOPICS
from support.inside import lifecycle_of, registry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ibkr_async.stream.delivery.events import StreamEvent

GREETING = '{"topic":"system","success":"user1","isFT":false,"isPaper":true}'
READY = '{"topic":"sts","args":{"connected":true,"authenticated":true,"established":true,"competing":false}}'


def make_buffer(
    policy: Policy = "conflate", capacity: int = 1_000, name: str = "test"
) -> Buffer[Any]:
    """Make a buffer of market-data updates."""
    return Buffer(name, policy=policy, capacity=capacity, identify=attrgetter("topic"), merge=unite)


def wish(topic: str, arguments: Mapping[str, Any] | None = None, *, waits: bool = False) -> Wish:
    """`smd+265598` -> the wish for it, with field 31 unless told otherwise."""
    code, _, target = topic.partition("+")
    default = {"fields": ["31"]} if code == "smd" else {}
    return Wish(TOPICS[code], target, default if arguments is None else arguments, waits)


def earliest_due(core: StreamCore) -> float:
    """Find what is due next among the channels by looking at every one."""
    lifecycle, registry = lifecycle_of(core), registry_of(core)
    watching = any(one.topic.watched and one.on_wire for one in registry)
    due = [one.due for one in (*registry, *registry.unnamed)]
    # Looked at apart from the reminder that it is compared with.
    return min([*due, lifecycle._staleness._look_at if watching else NEVER], default=NEVER)


class Heard(Listener):
    """A consumer's end whose buffer tests read."""

    buffer: Buffer[Any]


class Driver:
    """A core, the time, and everything that it has said."""

    def __init__(
        self,
        settings: CoreSettings | None = None,
        random: Callable[[], float] = lambda: 0.5,
        is_open: Callable[[str], bool | None] = lambda _target: None,
        *,
        max_frame_bytes: int = 1 << 20,
        epoch: float = 0.0,
    ) -> None:
        self.core = StreamCore(
            settings,
            max_frame_bytes=max_frame_bytes,
            random=random,
            unix=lambda now: epoch + now,
            is_open=is_open,
        )
        self.now = 0.0
        self.sent: list[str] = []
        self.events: list[StreamEvent] = []

    def collect(self) -> None:
        """Take what the core wants sent and what it says."""
        self.sent += self.core.frames_to_send()
        self.events += self.core.events()

    def listen(self, *topics: str) -> Heard:
        """Subscribe one consumer to topics."""
        listener = Heard(make_buffer())
        for topic in topics:
            self.core.subscribe(wish(topic), listener, self.now)
        self.collect()
        return listener

    def connect(self) -> None:
        """Open the socket and be greeted."""
        self.core.connection_made(self.now, "s" * 32)
        self.receive(GREETING)

    def lose(self, code: int = 1006) -> None:
        """Lose the socket."""
        self.core.connection_lost(self.now, code, "")
        self.collect()

    def receive(self, frame: bytes | str) -> None:
        """Let the server send one frame."""
        self.core.frame_received(frame if isinstance(frame, str) else bytes(frame), self.now)
        self.collect()

    def advance_to(self, at: float, *, heartbeats: bool = False) -> None:
        """Let time pass, serving each deadline when it is due."""
        beat = self.now + 10.0
        while True:
            deadline = self.core.next_deadline()
            due = deadline if deadline is not None else at + 1
            if heartbeats and beat <= min(due, at):
                self.now = beat
                self.receive('{"topic":"system","hb":1777415611502}')
                beat += 10.0
                continue
            if due > at:
                break
            self.now = max(self.now, due)
            self.core.deadline_reached(self.now)
            self.collect()
        self.now = at

    def jump_to(self, at: float) -> None:
        """Let time pass while nothing here runs."""
        self.now = at
        self.core.deadline_reached(at)
        self.collect()

    def names(self) -> list[str]:
        """Names of the events so far, which are then forgotten."""
        names = [type(event).__name__ for event in self.events]
        self.events.clear()
        return names


def smd(conid: int | str, last: str = "189.60", **more: str) -> str:
    """One market-data frame in the server's order of keys."""
    bare = str(conid).partition("@")[0]
    extra = "".join(f',"{key.lstrip("t")}":"{value}"' for key, value in more.items())
    return (
        f'{{"server_id":"q2","conidEx":"{conid}","conid":{bare},"_updated":1712596911593,'
        f'"6119":"q2","31":"{last}"{extra},"topic":"smd+{conid}"}}'
    )
