"""A real client, a real simulator, and between them a proxy that misbehaves.

Every time of the client and of the simulator's heartbeat is divided by `SCALE`, so that a rule of
"25 s" is tried in one. REST goes straight to the simulator; the socket goes through the proxy.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit, urlunsplit

import anyio
import msgspec

from ibkr_async import Client, Settings
from ibkr_async.events import ConnectFailed, Disconnected, Event, Gap, Resumed, StreamEvent
from ibkr_async.feeds import Feed
from ibkr_async.ports import Auth, SocketTarget
from ibkr_async.simulator import BrokerSettings, Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.stream.core.staleness import BUSY
from ibkr_async.stream.settings import StreamSettings
from ibkr_async.stream.socket.close_codes import CloseCode, close_code
from support.chaos import ChaosProxy
from support.fake_time import world_with
from support.inside import core_of, parts_of, registry_of, without_limits

S = TypeVar("S", bound=msgspec.Struct)
E = TypeVar("E", bound=Event)

SCALE = 25.0
"""How much faster time runs here."""
PATIENCE_S = 10.0
"""After this a test has failed, whatever it waits for."""
AAPL, MSFT, IBM = 265598, 272093, 8314
CONIDS = (265598, 272093, 756733, 320227571, 8314, 4815747, 76792991, 900000101, 900000102)

QUICK = SimulatorSettings(
    greeting_delay_s=0.0,
    heartbeat_s=10.0 / SCALE,
    tick_s=0.02,
    pnl_s=0.04,
    broker=BrokerSettings(warm_ups=False, late_commission_s=0.02),
)


def scaled(settings: S, factor: float = SCALE) -> S:
    """Divide every time in a settings struct, whatever settings there will be."""
    changes: dict[str, Any] = {}
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, msgspec.Struct):
            changes[name] = scaled(value, factor)
        elif name.endswith("_s") and isinstance(value, float):
            changes[name] = value / factor
    return msgspec.structs.replace(settings, **changes)


def with_patience(settings: StreamSettings) -> StreamSettings:
    """Leave the limits of the socket itself alone: this machine may be slow, the network is not."""
    socket = msgspec.structs.replace(settings.socket, connect_timeout_s=2.0, cut_after_s=0.1)
    return msgspec.structs.replace(settings, socket=socket, send_timeout_s=0.5, close_timeout_s=1.0)


def scaled_close_code(code: int) -> CloseCode:
    """Row of a close code, whose patience is divided as all times are."""
    row = close_code(code)
    return msgspec.structs.replace(row, at_least_s=row.at_least_s / SCALE)


class Rerouted:
    """Credentials of a simulator whose socket is opened somewhere else."""

    def __init__(self, auth: Auth) -> None:
        self.port: int | None = None
        """Port of the socket; None leaves it where it is."""
        self.plain: bool = False
        """Go there without TLS."""
        self._auth = auth

    def __getattr__(self, name: str) -> Any:
        return getattr(self._auth, name)

    def socket(self, session: str) -> SocketTarget:
        """Describe the socket at its other address."""
        target = self._auth.socket(session)
        if self.port is None:
            return target
        parts = urlsplit(target.url)
        scheme = "ws" if self.plain else parts.scheme
        url = urlunsplit(parts._replace(scheme=scheme, netloc=f"127.0.0.1:{self.port}"))
        return msgspec.structs.replace(target, url=url)


class Consumer:
    """A task that takes everything from a subscription and remembers it."""

    def __init__(self, subscription: Feed[Any]) -> None:
        self.subscription = subscription
        self.items: list[Any] = []
        self.times: list[float] = []
        self.error: BaseException | None = None
        self.task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Take items until the end, which may be an error."""
        try:
            async for item in self.subscription.marked():
                self.items.append(item)
                self.times.append(time.monotonic())
        except Exception as error:  # noqa: BLE001 - what ended it is the result
            self.error = error

    def marks(self, kind: type[E]) -> list[E]:
        """Markers of one kind, oldest first."""
        return [item for item in self.items if isinstance(item, kind)]

    def updates(self, topic: str = "") -> list[Any]:
        """Data, without markers; of one topic if it is named."""
        data = [item for item in self.items if not isinstance(item, StreamEvent)]
        return [item for item in data if not topic or item.topic == topic]


class Rig:
    """Everything that a fault test moves and looks at."""

    def __init__(
        self, sim: Simulator, proxy: ChaosProxy, ib: Client, route: Rerouted, seed: int
    ) -> None:
        self.sim = sim
        self.proxy = proxy
        self.ib = ib
        self.route = route
        self.random = random.Random(seed)  # noqa: S311 - faults, not secrets
        self.events: list[Event] = []
        self.times: list[float] = []
        self.consumers: list[Consumer] = []

    async def watch(self) -> None:
        """Collect the client's events with the time of their arrival."""
        async for event in self.ib.events():
            self.events.append(event)
            self.times.append(time.monotonic())

    def seen(self, kind: type[E], since: int = 0) -> list[E]:
        """Events of one kind, from the given index on."""
        return [event for event in self.events[since:] if isinstance(event, kind)]

    def time_of(self, kind: type[Event], since: int = 0) -> float:
        """When the first event of a kind came, from the given index on."""
        return next(
            at
            for at, event in zip(self.times[since:], self.events[since:], strict=True)
            if isinstance(event, kind)
        )

    async def until(self, condition: Callable[[], object], within_s: float = PATIENCE_S) -> float:
        """Wait for a condition; return how long it took."""
        began = time.monotonic()
        try:
            with anyio.fail_after(within_s):
                while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
                    await anyio.sleep(0.004)
        except TimeoutError:
            told = [
                f"{at - began:+.3f} {event}"
                for at, event in zip(self.times, self.events, strict=True)
            ]
            raise AssertionError("in vain; the events were:\n" + "\n".join(told)) from None
        return time.monotonic() - began

    async def until_resumed(self, gaps: int, since: int = 0) -> float:
        """Wait until so many gaps have been closed; return how long it took."""
        return await self.until(lambda: len(self.seen(Resumed, since)) >= gaps)

    async def until_lost(self, since: int = 0) -> float:
        """Wait until a connection has been lost; return how long it took."""
        return await self.until(lambda: self.seen(Disconnected, since))

    async def until_busy(self, conid: int) -> None:
        """Wait until a contract has been so busy that its silence would be suspicious."""
        channel = registry_of(core_of(parts_of(self.ib).engine)).channels[f"smd+{conid}"]
        await self.until(lambda: channel.busy - channel.idle >= BUSY)

    async def steady(self, for_s: float) -> None:
        """Let time pass in which nothing is to happen; the caller looks at what did."""
        await anyio.sleep(for_s)

    @property
    def quiet(self) -> bool:
        """True while no connection has been lost or has failed."""
        return not self.seen(Disconnected) and not self.seen(ConnectFailed)


@asynccontextmanager
async def listening(rig: Rig, *subscriptions: Feed[Any]) -> AsyncIterator[list[Consumer]]:
    """Open subscriptions and read them all; each has had data or is never confirmed."""
    consumers = [Consumer(subscription) for subscription in subscriptions]
    for consumer in consumers:
        await consumer.subscription.__aenter__()
        consumer.task = asyncio.create_task(consumer.run(), name="fault consumer")
    rig.consumers += consumers
    try:
        yield consumers
    finally:
        for consumer in consumers:
            await consumer.subscription.aclose()
            assert consumer.task is not None
            await consumer.task


@asynccontextmanager
async def fault_rig(
    keys: SimulatorKeys,
    seed: int,
    *,
    sim: SimulatorSettings = QUICK,
    client: Settings | None = None,
    stream: Callable[[StreamSettings], StreamSettings] = with_patience,
    oauth: bool = False,
    tls: bool = True,
    keeper_scale: float = SCALE,
) -> AsyncIterator[Rig]:
    """Open simulator, proxy and client, with every time scaled and every choice seeded."""
    async with (
        Simulator(keys=keys, settings=sim, seed=seed, tls=tls) as simulator,
        ChaosProxy("127.0.0.1", urlsplit(simulator.base_url).port or 0, seed=seed) as proxy,
    ):
        auth: Any = simulator.auth() if oauth else simulator.gateway()
        route = Rerouted(auth)
        route.port = proxy.port
        ib = quick_client(cast("Auth", route), seed, client, stream, keeper_scale)
        rig = Rig(simulator, proxy, ib, route, seed)
        watching = asyncio.create_task(rig.watch(), name="fault events")
        async with ib:
            yield rig
        await watching


def quick_client(
    auth: Auth,
    seed: int,
    settings: Settings | None = None,
    adjust: Callable[[StreamSettings], StreamSettings] = with_patience,
    keeper_scale: float = SCALE,
) -> Client:
    """Build a client whose times are scaled, whose choices are seeded, and which is not paced."""
    settings = settings or Settings()
    session = settings.session
    pauses = {
        name: getattr(session, name) / keeper_scale
        for name in ("tickle_interval_s", "first_retry_s", "retry_cap_s")
    }
    client = Client(
        auth,
        settings=msgspec.structs.replace(
            settings,
            session=msgspec.structs.replace(session, **pauses),
            stream=adjust(scaled(settings.stream)),
        ),
        world=world_with(random.Random(seed).random),  # noqa: S311 - jitter that can be repeated
    )
    # A private of the pipeline: that IBKR's limits are kept has its own proof, and no user may turn
    # them off; here a reconnect must not wait for a tickle's real second.
    without_limits(client, for_cancels=200)
    return client


def stream_with(**changes: Any) -> Callable[[StreamSettings], StreamSettings]:
    """Change times after scaling: `ping_interval_s=…` is found wherever it belongs."""

    def adjust(settings: StreamSettings) -> StreamSettings:
        settings = with_patience(settings)
        socket = _only(settings.socket, changes)
        protocol = _only(settings.protocol, changes)
        reconnecting = _only(settings.reconnecting, changes)
        top = _only(settings, changes)
        known = socket.keys() | protocol.keys() | reconnecting.keys() | top.keys()
        unknown = changes.keys() - known
        assert not unknown, f"no such settings: {unknown}"
        return msgspec.structs.replace(
            settings,
            socket=msgspec.structs.replace(settings.socket, **socket),
            protocol=msgspec.structs.replace(settings.protocol, **protocol),
            reconnecting=msgspec.structs.replace(settings.reconnecting, **reconnecting),
            **top,
        )

    return adjust


def _only(settings: msgspec.Struct, changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if name in settings.__struct_fields__}


def market(**changes: Any) -> SimulatorSettings:
    """Return the simulator's settings with changes."""
    return replace(QUICK, **changes)


def gaps_and_resumptions_alternate(items: Sequence[Any]) -> bool:
    """Tell whether, for each topic, a `Gap` is followed by `Resumed` before the next one."""
    open_topics: set[str] = set()
    for item in items:
        if isinstance(item, Gap):
            if item.topic in open_topics:
                return False
            open_topics.add(item.topic)
        elif isinstance(item, Resumed):
            if item.topic not in open_topics:
                return False
            open_topics.discard(item.topic)
    return not open_topics
