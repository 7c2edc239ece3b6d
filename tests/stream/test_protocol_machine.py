"""Any order of subscribing, leaving, losing and renewing ends with server set == wanted set."""

from __future__ import annotations

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ibkr_async.stream.protocol import Phase
from ibkr_async.stream.registry import Listener
from stream.core_driver import GREETING, READY, Driver, make_buffer, wish

TOPICS = ["smd+1", "smd+2", "smd+2@ARCA", "sor", "str", "spl", "ntf"]
SOLICITED = {topic for topic in TOPICS if topic != "ntf"}
BEGINS = {"umd": "smd", "uor": "sor", "utr": "str", "upl": "spl"}


class Server:
    """IBKR in ten lines: subscriptions live and die with the connection."""

    def __init__(self) -> None:
        self.greeted = False
        self.subscribed: dict[str, set[str]] = {}

    def take(self, text: str) -> str:
        """Obey one frame; give the topic that must be answered, or nothing."""
        assert self.greeted, f"{text} was sent before the greeting"
        if text == "tic":
            return ""
        code, _, rest = text.partition("+")
        target = "" if rest.startswith("{") else rest.partition("+")[0]
        topic = "+".join(filter(None, (BEGINS.get(code, code), target)))
        if code in BEGINS:
            assert topic in self.subscribed, f"{text} for a topic that is not subscribed"
            del self.subscribed[topic]
            return ""
        arguments = msgspec.json.decode(text.partition("{")[1] + text.partition("{")[2])
        self.subscribed.setdefault(topic, set()).update(arguments.get("fields", ()))
        return topic


class SubscriptionMachine(RuleBasedStateMachine):
    """One core, one server, some consumers."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver()
        self.server = Server()
        self.listeners: list[Listener] = []
        self.answering = True
        self.session_up = True

    def settle(self) -> None:
        """Carry frames both ways until nothing moves."""
        while True:
            self.driver.collect()
            if not self.driver.sent:
                return
            for text in self.driver.sent:
                topic = self.server.take(text)
                if topic and self.answering:
                    payload = '"conid":1' if topic.startswith("smd") else '"args":[]'
                    self.driver.core.frame_received(
                        f'{{{payload},"topic":"{topic}"}}', self.driver.now
                    )
            self.driver.sent.clear()

    @rule(
        topics=st.lists(st.sampled_from(TOPICS), min_size=1, max_size=3, unique=True),
        tag=st.sampled_from(["31", "84"]),
    )
    def subscribe(self, topics: list[str], tag: str) -> None:
        """A consumer comes."""
        listener = Listener(make_buffer(), markers=True)
        for topic in topics:
            arguments = {"fields": [tag]} if topic.startswith("smd") else None
            self.driver.core.subscribe(wish(topic, arguments), listener, self.driver.now)
        self.listeners.append(listener)
        self.settle()

    @rule(which=st.integers(0, 20))
    def leave(self, which: int) -> None:
        """A consumer goes, or one that was never there."""
        if self.listeners:
            listener = self.listeners.pop(which % len(self.listeners))
            for key in [*listener.keys, "smd+1"]:
                self.driver.core.unsubscribe(key, listener)
        self.settle()

    @rule()
    def connect(self) -> None:
        """The socket opens."""
        if self.driver.core.phase is Phase.OFFLINE:
            self.server = Server()
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
        self.settle()

    @rule(up=st.booleans())
    def session(self, up: bool) -> None:
        """The brokerage session goes or comes; its streams die with it."""
        self.session_up = up
        self.driver.core.session_established(up, self.driver.now)
        if not up:
            self.server.subscribed = {k: v for k, v in self.server.subscribed.items() if k == "spl"}
        self.settle()

    @rule()
    def status_says_ready(self) -> None:
        """The server says that all is well."""
        if self.driver.core.phase is Phase.READY:
            self.session_up = True
            self.driver.core.frame_received(READY, self.driver.now)
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
        if self.driver.core.phase is not Phase.READY:
            return
        wanted: dict[str, set[str]] = {}
        for listener in self.listeners:
            for key in listener.keys & SOLICITED:
                if self.session_up or key == "spl":
                    channel = self.driver.core._registry.channels[key]
                    tags = channel.wishes[listener].arguments.get("fields", ())
                    wanted.setdefault(key, set()).update(tags)
        assert self.server.subscribed.keys() == wanted.keys()
        for key, tags in wanted.items():
            assert tags <= self.server.subscribed[key]

    @invariant()
    def nothing_leaks(self) -> None:
        """Channels exist only for consumers that exist, and routes only for channels."""
        registry = self.driver.core._registry
        wanted = {key for listener in self.listeners for key in listener.keys}
        assert registry.channels.keys() == wanted
        assert {key.decode() for key in registry.routes} <= wanted


SubscriptionMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None
)
TestSubscriptions = SubscriptionMachine.TestCase
