"""Any order of subscribing, leaving, losing and renewing ends with server set == wanted set."""

from __future__ import annotations

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ibkr_async.stream.core.channel import NEVER
from ibkr_async.stream.core.channel_state import ChannelState
from ibkr_async.stream.core.protocol import Phase
from ibkr_async.stream.core.registry import route_of
from stream.core_driver import GREETING, READY, Driver, Heard, earliest_due, make_buffer, wish
from support.inside import lifecycle_of, registry_of

TOPICS = [
    "smd+1", "smd+2", "smd+2@ARCA", "sor", "str", "spl", "ntf", "ssd+DU1",
    "smh+1", "smh+1/5min", "smh+2", "smh+3", "smh+4", "smh+5", "sbd+DU1+1", "sbd+DU1+2", "sbd+DU2+1",
]  # fmt: skip
"""What consumers may want; `smh+1/5min` is another bar size of `smh+1`."""
BEGINS = {
    "umd": "smd", "uor": "sor", "utr": "str", "upl": "spl", "usd": "ssd", "uld": "sld",
}  # fmt: skip
WITHOUT_SESSION = {"spl", "ssd"}
MOST_BARS = 5
NOT_READY = READY.replace('"established":true', '"established":false')


def wanted_by(topic: str, tag: str) -> tuple[str, dict[str, object] | None]:
    """Topic and arguments of the wish for one of `TOPICS`."""
    code, _, bar = topic.partition("/")
    if topic.startswith("smd"):
        return topic, {"fields": [tag]}
    return code, {"bar": bar or "1min"} if topic.startswith("smh") else None


def code_of(topic: str) -> str:
    """`smh+1` -> `smh`."""
    return topic.partition("+")[0]


class Server:
    """IBKR in ten lines: subscriptions live and die with the connection."""

    def __init__(self) -> None:
        self.greeted = False
        self.subscribed: dict[str, set[str]] = {}
        self.bars: dict[str, str] = {}
        """Requests for bars that occupy a place, by the number that they were given."""
        self.numbers = 0

    def take(self, text: str) -> str:
        """Obey one frame; give the frame that answers it, or nothing."""
        assert self.greeted, f"{text} was sent before the greeting"
        if text == "tic":
            return ""
        code, _, rest = text.partition("+")
        if code == "umh":
            self.bars.pop(rest, None)
            return ""
        if code == "ubd":
            for ladder in [key for key in self.subscribed if key.startswith(f"sbd+{rest}+")]:
                del self.subscribed[ladder]
            return ""
        target, brace, tail = rest.partition("{")
        topic = "+".join(filter(None, (BEGINS.get(code, code), target.rstrip("+"))))
        if code in BEGINS:
            assert topic in self.subscribed, f"{text} for a topic that is not subscribed"
            del self.subscribed[topic]
            return ""
        arguments = msgspec.json.decode(brace + tail)
        if code == "smh":
            self.numbers += 1
            self.bars[str(self.numbers)] = text
            length = 300 if arguments["bar"] == "5min" else 60
            return (
                f'{{"serverId":"{self.numbers}","barLength":{length},"data":[],"topic":"{topic}"}}'
            )
        self.subscribed.setdefault(topic, set()).update(arguments.get("fields", ()))
        payload = {"smd": '"conid":1', "ssd": '"result":[]', "sbd": '"data":[]'}.get(
            code, '"args":[]'
        )
        return f'{{{payload},"topic":"{topic}"}}'

    def lose_session(self) -> None:
        """The streams of the brokerage session die with it."""
        self.subscribed = {
            key: tags for key, tags in self.subscribed.items() if code_of(key) in WITHOUT_SESSION
        }
        self.bars.clear()


class SubscriptionMachine(RuleBasedStateMachine):
    """One core, one server, some consumers."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver()
        self.server = Server()
        self.listeners: list[Heard] = []
        self.session_up = True
        self.told: bool | None = None
        """The keeper's last word on the session."""
        self.holding = False
        self.held: list[str] = []
        """Answers that the server has not sent yet."""

    def settle(self) -> None:
        """Carry frames both ways until nothing moves."""
        while True:
            self.driver.collect()
            if not self.driver.sent:
                return
            for text in self.driver.sent:
                answer = self.server.take(text)
                if not self.settling:
                    assert len(self.server.bars) <= MOST_BARS, "more bars than IBKR serves"
                if answer and self.holding:
                    self.held.append(answer)
                elif answer:
                    self.driver.core.frame_received(answer, self.driver.now)
            self.driver.sent.clear()

    @rule(
        topics=st.lists(st.sampled_from(TOPICS), min_size=1, max_size=6, unique=True),
        tag=st.sampled_from(["31", "84"]),
    )
    def subscribe(self, topics: list[str], tag: str) -> None:
        """A consumer comes."""
        listener = Heard(make_buffer())
        for topic in topics:
            code, arguments = wanted_by(topic, tag)
            wanted = wish(code, arguments, waits=True)
            self.driver.core.subscribe(wanted, listener, self.driver.now)
        self.listeners.append(listener)
        self.settle()

    @property
    def settling(self) -> bool:
        """True while the two sides cannot know of each other yet."""
        return bool(self.holding or self.held or registry_of(self.driver.core).unnamed)

    @rule()
    def hold_answers(self) -> None:
        """The server becomes slow."""
        self.holding = True

    @rule()
    def send_answers(self) -> None:
        """It catches up, in order."""
        self.holding = False
        while self.held:
            self.driver.core.frame_received(self.held.pop(0), self.driver.now)
            self.settle()

    @rule(which=st.integers(0, 20))
    def leave(self, which: int) -> None:
        """A consumer goes, or one that was never there."""
        if self.listeners:
            listener = self.listeners.pop(which % len(self.listeners))
            for key in [*listener.keys, "smd+1"]:
                self.driver.core.unsubscribe(key, listener, self.driver.now)
        self.settle()

    @rule()
    def connect(self) -> None:
        """The socket opens."""
        if self.driver.core.phase is Phase.OFFLINE:
            self.server = Server()
            self.held.clear()
            # What the keeper and the last connection disagree about is not known, so all is tried.
            self.session_up = self.session_up or self.told is not False
            self.driver.core.connection_made(self.driver.now, "session")
            self.settle()

    @rule()
    def greet(self) -> None:
        """The server says hello, perhaps again."""
        if self.driver.core.phase in {Phase.GREETING, Phase.READY}:
            self.server.greeted = True
            self.driver.core.frame_received(GREETING, self.driver.now)
            self.settle()

    @rule(code=st.sampled_from([1000, 1006, 1012]))
    def lose(self, code: int) -> None:
        """The socket goes."""
        self.driver.core.connection_lost(self.driver.now, code, "")
        self.server = Server()
        self.held.clear()
        self.settle()

    @rule(up=st.booleans())
    def session(self, up: bool) -> None:
        """The brokerage session goes or comes; its streams die with it."""
        self.session_up = self.told = up
        self.driver.core.session_established(up, self.driver.now)
        self.obey_session()

    @rule(up=st.booleans())
    def status(self, up: bool) -> None:
        """The server says that the brokerage session has come or gone."""
        if self.driver.core.phase is Phase.READY:
            self.session_up = up
            said = READY if up else NOT_READY
            self.driver.core.frame_received(said, self.driver.now)
            self.obey_session()

    def obey_session(self) -> None:
        """Let the server do what has just been said of the session."""
        if not self.session_up:
            self.server.lose_session()
            self.held.clear()
        self.settle()

    @rule(seconds=st.sampled_from([1.0, 14.0, 200.0, 500.0]))
    def time_passes(self, seconds: float) -> None:
        """With heartbeats, and with whatever falls due."""
        until = self.driver.now + seconds
        while self.driver.now < until:
            if self.driver.core.phase is Phase.READY:
                self.driver.core.frame_received('{"topic":"system","hb":1}', self.driver.now)
            self.driver.advance_to(min(until, self.driver.now + 10))
            self.settle()

    @invariant()
    def server_has_what_is_wanted(self) -> None:
        """At quiescence the two sets are equal, and no field is missing."""
        if self.driver.core.phase is not Phase.READY or self.settling:
            return
        wanted: dict[str, set[str]] = {}
        bars: set[str] = set()
        for listener in self.listeners:
            for key in listener.keys - {"ntf"}:
                channel = registry_of(self.driver.core).channels[key]
                if not self.session_up and code_of(key) not in WITHOUT_SESSION:
                    continue
                if code_of(key) == "smh":
                    bars.add(key)
                else:
                    tags = channel.wishes[listener].arguments.get("fields", ())
                    wanted.setdefault(key, set()).update(tags)
        served = list(self.server.bars.values())
        assert len(served) == len(set(served)) == min(len(bars), MOST_BARS)
        assert set(served) <= bars
        ladders = {key for key in wanted if key.startswith("sbd+")}
        served_ladders = {key for key in self.server.subscribed if key.startswith("sbd+")}
        assert served_ladders <= ladders
        assert len(served_ladders) == len({key.split("+")[1] for key in ladders})
        assert self.server.subscribed.keys() - served_ladders == wanted.keys() - ladders
        for key in self.server.subscribed:
            assert wanted[key] <= self.server.subscribed[key]

    @invariant()
    def deadline_is_the_earliest(self) -> None:
        """The deadline that is remembered is what looking at every channel finds."""
        lifecycle = lifecycle_of(self.driver.core)
        assert lifecycle.next_due == earliest_due(self.driver.core)

    @invariant()
    def nothing_is_miscounted(self) -> None:
        """What is counted and queued on the way is what looking at every channel finds."""
        registry = registry_of(self.driver.core)
        channels = (*registry, *registry.unnamed)
        for listener in self.listeners:
            live = [registry.channels[key].state is ChannelState.LIVE for key in listener.keys]
            assert listener.unserved == live.count(False)
        # What is counted on the way, against what looking finds.
        for room in registry._rooms.values():
            inside = [channel for channel in channels if channel.room is room]
            assert list(room.waiting) == [one for one in inside if not one.on_wire]
            assert room.served.keys() == {one for one in inside if one.on_wire}
        for channel in channels:
            waits = channel.awaiting or channel.state is ChannelState.ABANDONED
            assert (channel.act_at != NEVER) is waits
            assert (channel.state is ChannelState.ABANDONED) is (channel in registry.unnamed)
        # As above.
        called = {one for alike in registry._called.values() for one in alike}
        assert called <= set(channels)

    @invariant()
    def nothing_leaks(self) -> None:
        """Channels exist only for consumers that exist, and routes only for channels."""
        registry = registry_of(self.driver.core)
        wanted = {key for listener in self.listeners for key in listener.keys}
        assert registry.channels.keys() == wanted
        assert registry.routes.keys() <= {route_of(key) for key in wanted}


SubscriptionMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None
)
TestSubscriptions = SubscriptionMachine.TestCase
