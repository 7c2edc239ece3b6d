"""The simulator as its users see it: an async context manager with an address and some levers.

Responsible for putting the parts together and for their lifetimes: keys, temporary directory,
port, server, market clock. One supervisor task owns them all. It must never outlive its context,
listen on anything but loopback, or leave a key on the disk.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import ChainMap
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute

from ibkr_async.simulator.broker.broker import Broker
from ibkr_async.simulator.broker.order import Rejection
from ibkr_async.simulator.faults import DROPPED, Delay, Fault, RequestRecord
from ibkr_async.simulator.levers import StreamLevers
from ibkr_async.simulator.login.authorize_page import (
    AUTHORIZE_PATH,
    AuthorizePage,
    authorize_endpoint,
)
from ibkr_async.simulator.login.keys import CONSUMER_KEY, SimulatorKeys, write_private
from ibkr_async.simulator.login.oauth2 import (
    CLIENT_ID,
    KEY_ID,
    SSO_PATH,
    TOKEN_PATH,
    BearerDesk,
    RegisteredClient,
    oauth2_endpoint,
)
from ibkr_async.simulator.login.oauth_flow import THIRD_PARTY_KEY, THIRD_PARTY_ROOT, ThirdPartyFlow
from ibkr_async.simulator.login.sessions import USERNAME, Sessions
from ibkr_async.simulator.login.verifier import Verifier
from ibkr_async.simulator.rest.app import ROOT, Desk, rest_endpoint
from ibkr_async.simulator.server import bind_loopback, serving
from ibkr_async.simulator.settings import SimulatorSettings
from ibkr_async.simulator.sockets.floor import Floor
from ibkr_async.simulator.sockets.socket import SocketFacts, SocketHub
from ibkr_async.types import OrderStatus
from ibkr_async.world import World

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from types import TracebackType

    from ibkr_async.auth import Gateway, OAuth1a, OAuth2, OAuthFlow
    from ibkr_async.simulator.replay import Recording
    from ibkr_async.world import TakenPort

_METHODS = ["GET", "POST", "PUT", "DELETE"]
_EXPONENT_BITS = 256


class Simulator(StreamLevers):
    """A small faithful broker on this machine.

    `async with Simulator() as sim:` serves REST and socket on one loopback port, with its own
    freshly made keys. Its clock is the system's, plus what `shift_clock` adds. Use one instance
    once, and from the event loop that opened it.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = True,
        tolerant: bool = False,
        seed: int = 1,
        settings: SimulatorSettings | None = None,
        keys: SimulatorKeys | None = None,
        recording: Recording | None = None,
        speed: float = 1.0,
        world: World | None = None,
    ) -> None:
        """Prepare a simulator; nothing is opened yet.

        `tolerant` accepts the signature forms of other clients too (see `verifier`). `keys` lets
        several simulators share one set, which saves half a second each. With a `recording`,
        sockets play it at `speed` instead of streaming the simulated market (see `replay`).
        `world` replaces time, chance, threads and network, as `ibkr_async.testing` does.
        """
        self.world = world or World()
        self.settings = settings or SimulatorSettings()
        self._host = host
        self._port = port
        self._tls = tls
        self._tolerant = tolerant
        self._seed = seed
        self._keys = keys
        self._recording = recording
        self._speed = speed
        self._clock_shift_s = 0.0
        self._address = ""
        self._directory: Path | None = None
        self._parts: _Parts | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()

    # lifetime

    async def __aenter__(self) -> Self:
        """Start serving; returns when the first request can come.

        Errors: `ValueError` for a host that is not loopback; `OSError` when the port is taken.
        """
        if self._supervisor is not None:
            raise RuntimeError("a Simulator is used once; make another one")
        ready = asyncio.Event()
        self._supervisor = asyncio.create_task(self._supervise(ready), name="ibkr-simulator")
        waiting = asyncio.create_task(ready.wait(), name="ibkr-simulator-start")
        try:
            await asyncio.wait({self._supervisor, waiting}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.aclose()
            raise
        finally:
            waiting.cancel()
        if self._supervisor.done():
            await self._supervisor
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop serving and remove the keys. Takes less than two seconds; calling again is harmless."""
        self._leave.set()
        if self._supervisor is not None:
            await asyncio.shield(self._supervisor)

    async def _supervise(self, ready: asyncio.Event) -> None:
        listener = bind_loopback(self.world.network, self._host, self._port)
        try:
            keys = self._keys
            if keys is None:
                keys = await self.world.threads.run(SimulatorKeys.generate, self.world)
            with tempfile.TemporaryDirectory(prefix="ibkr-simulator-") as directory:
                self._directory = Path(directory)
                await self._serve(listener, keys, self._directory, ready)
        finally:
            self._directory = None
            listener.close()

    async def _serve(
        self, listener: TakenPort, keys: SimulatorKeys, directory: Path, ready: asyncio.Event
    ) -> None:
        self._address = f"127.0.0.1:{listener.port}"
        self._keys = keys
        parts = _Parts(self, keys)
        keys.write_credentials(directory, **self._credential_facts())
        certificate = certificate_key = None
        if self._tls:
            certificate = directory / "ca.pem"
            certificate_key = directory / "server.pem"
            write_private(certificate_key, keys.certificate_key_pem)
        async with serving(
            parts.app,
            listener,
            self.world.clock,
            certificate=certificate,
            certificate_key=certificate_key,
        ) as parts.count_connections:
            self._parts = parts
            market = asyncio.create_task(self._run_market(parts.floor), name="ibkr-market")
            leaving = asyncio.create_task(self._leave.wait(), name="ibkr-simulator-leave")
            ready.set()
            try:
                await asyncio.wait({market, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
                market.cancel()
                await asyncio.wait({market, leaving})
        if not market.cancelled():
            await market

    async def _run_market(self, floor: Floor) -> None:
        while True:
            await self.world.clock.sleep(self.settings.tick_s)
            floor.advance(self.now())

    # where it is

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self._tls else 'http'}://{self._address}"

    @property
    def base_url(self) -> str:
        """REST root, without a trailing slash."""
        return self.origin + ROOT

    @property
    def third_party_url(self) -> str:
        """Root of the Third-Party Web API, without a trailing slash."""
        return self.origin + THIRD_PARTY_ROOT

    @property
    def ws_url(self) -> str:
        """Address of the socket, without a query."""
        return f"{'wss' if self._tls else 'ws'}://{self._address}{ROOT}/ws"

    @property
    def account_id(self) -> str:
        """The account that is selected at the start."""
        return self.settings.account_ids[0]

    @property
    def ca_file(self) -> Path:
        """The certificate to trust, in a private directory that goes away at the end."""
        return self._private_directory / "ca.pem"

    @property
    def credentials_directory(self) -> Path:
        """A private directory with what `write_credentials` writes; it goes away at the end."""
        return self._private_directory

    @property
    def _private_directory(self) -> Path:
        if self._directory is None:
            raise RuntimeError("the simulator is not running; use `async with Simulator()`")
        return self._directory

    def write_credentials(self, directory: Path | str) -> None:
        """Write keys, certificate and `credentials.json` for another program.

        The files are readable by the present user only, and stay after the simulator has gone.
        Errors: `FileExistsError` when the directory holds credentials that no simulator wrote.
        """
        self._running_keys().write_credentials(Path(directory), **self._credential_facts())

    def _running_keys(self) -> SimulatorKeys:
        if self._keys is None or not self._address:
            raise RuntimeError("the simulator is not running; use `async with Simulator()`")
        return self._keys

    def _credential_facts(self) -> dict[str, str]:
        return {"account_id": self.account_id, "base_url": self.base_url, "ws_url": self.ws_url}

    def auth(self) -> OAuth1a:
        """Return credentials for signed requests to this simulator. Reads files."""
        from ibkr_async.auth import OAuth1a

        return OAuth1a.from_files(self._private_directory, world=self.world)

    def third_party_auth(self) -> OAuth1a:
        """Return credentials for this simulator's Third-Party Web API. Reads files."""
        from ibkr_async.auth import OAuth1a

        home, keys = self._private_directory, self._running_keys()
        return OAuth1a(
            consumer_key=CONSUMER_KEY,
            access_token=keys.access_token,
            access_token_secret=keys.access_token_secret,
            signature_key=home / "private_signature.pem",
            encryption_key=home / "private_encryption.pem",
            dh=home / "dhparam.pem",
            base_url=self.third_party_url,
            ca=self.ca_file if self._tls else None,
            world=self.world,
        )

    def gateway(self) -> Gateway:
        """Return credentials that treat this simulator as a logged-in gateway."""
        from ibkr_async.auth import Gateway

        return Gateway(self.base_url, ca=self.ca_file)

    def flow(self) -> OAuthFlow:
        """Return the third-party flow of this simulator's consumer `SIMPARTNR`. Reads files."""
        from ibkr_async.auth import OAuthFlow

        home = self._private_directory
        return OAuthFlow(
            consumer_key=THIRD_PARTY_KEY,
            signature_key=home / "private_signature.pem",
            encryption_key=home / "private_encryption.pem",
            dh=home / "dhparam.pem",
            base_url=self.base_url,
            ca=self.ca_file if self._tls else None,
            world=self.world,
        )

    def oauth2(self) -> OAuth2:
        """Return OAuth 2.0 credentials for this simulator. Reads files."""
        from ibkr_async.auth import OAuth2

        return OAuth2(
            client_id=CLIENT_ID,
            key_id=KEY_ID,
            key=self._private_directory / "private_signature.pem",
            credential=USERNAME,
            ip="127.0.0.1",
            base_url=self.base_url,
            ca=self.ca_file if self._tls else None,
            world=self.world,
        )

    # what happened

    @property
    def requests(self) -> list[RequestRecord]:
        """Every request that was answered, oldest first: method, path, status, who."""
        return list(self._running.desk.log)

    @property
    def signature_forms(self) -> Counter[str]:
        """How often each signature form matched: `A`, `B` or `C`."""
        return self._running.desk.signature_forms

    @property
    def sockets(self) -> list[SocketFacts]:
        """What became of every connection, oldest first: close codes, counts."""
        return list(self._running.hub.facts)

    @property
    def open_connections(self) -> int:
        """How many connections clients hold at present, those of requests and sockets together."""
        return self._running.count_connections()

    @property
    def lost_frames(self) -> int:
        """Frames of clients that came before the greeting and were lost."""
        return sum(facts.lost for facts in self._running.hub.facts)

    @property
    def broker(self) -> Broker:
        """The broker behind it, for instance to set a price."""
        return self._running.floor.broker

    # levers for tests

    def now(self) -> float:
        """Return the simulator's time in Unix seconds."""
        return self.world.clock.wall() + self._clock_shift_s

    def shift_clock(self, seconds: float, *, lapse: bool = False) -> None:
        """Move the simulator's clock, and let everything that is due by then happen.

        Prices move and orders are matched minute by minute, so that no bar is missing; sockets hear of
        prices once, of orders and fills each time. Sessions, logins and streams go on as if their
        clients had lived through it; with `lapse` nobody has, and they end when they would.
        """
        self._clock_shift_s += seconds
        if not lapse:
            self._running.desk.postpone(seconds)
        self.tick()

    def tick(self) -> None:
        """Look at the market now instead of at the next tick."""
        self._running.floor.advance(self.now())

    def close_market(self) -> None:
        """Let the market close now, for orders that wait for it; it does so at 16:00 in New York, too.

        Everything else trades on: the simulated market is open round the clock.
        """
        self.broker.close_market()
        self.tick()

    def compete(self) -> None:
        """Let another program of the same user take the brokerage session."""
        self._running.floor.sessions.take_over()
        self._running.floor.announce_session()

    def end_session(self) -> None:
        """End the brokerage session, as the nightly reset does; logins stay valid."""
        self._running.floor.sessions.lapse()
        self._running.floor.announce_session()

    def expire_token(self) -> None:
        """Make every live session token and bearer invalid: the next request gets 401."""
        self._running.floor.sessions.expire_logins()
        self._running.bearers.expire()

    def approve(self, request_token: str) -> str:
        """Approve a request token as its user would on the page; return the verifier.

        Errors: `KeyError` when it is unknown, too old, or has been answered.
        """
        return self._running.flow.approve(request_token, self.now())

    def drop_sockets(self, code: int | None = None) -> None:
        """Close every socket with a code, or cut the connections without a close frame.

        Codes that no frame carries (1005, 1006, 1015) cut it, too. Errors: `ValueError` for what is no
        close code.
        """
        self._running.hub.drop(code)

    def fail_next(
        self, path: str, status: int, body: Any = "", *, times: int = 1, after: bool = False
    ) -> None:
        """Answer the next requests to `path` (below `/v1/api`, `*` allowed) with this instead.

        Paths of the Third-Party Web API are whole: `/tradingapi/v1/accounts/*/orders`.
        Text is sent as HTML, anything else as JSON. With `after`, the request takes effect first:
        an order goes live although its sender sees the failure.
        """
        self._running.desk.faults.add(Fault(path, status, body, times, after))

    def drop_next(self, path: str, *, times: int = 1, after: bool = False) -> None:
        """Cut the connection of the next requests to `path` instead of answering; see `fail_next`.

        Without `after` the request is lost before it takes effect; with it, only the answer is.
        """
        self._running.desk.faults.add(Fault(path, DROPPED, "", times, after))

    def slow(
        self, path: str, seconds: float, *, times: int | None = None, after: bool = False
    ) -> None:
        """Answer requests to `path` this much later, `times` of them or all; 0 seconds end it.

        Without `after` a request waits before it takes effect, with it only the answer is late: an
        order goes live, and its sender may give up waiting. Other requests do not wait.
        """
        self._running.desk.faults.slow(Delay(path, seconds, inf if times is None else times, after))

    def reject_next(
        self,
        reason: str = "Order rejected by the exchange.",
        *,
        times: int = 1,
        status: Literal["Cancelled", "Inactive"] = "Cancelled",
        after_s: float = 0.5,
    ) -> None:
        """Let the exchange refuse the next orders after IBKR has acknowledged them.

        They end `after_s` later, with what is attached to them, without a fill. Both words are how
        IBKR shows a rejected order; `reason` stands in its row of the live orders, if anywhere.
        """
        self._running.floor.broker.reject_next(
            Rejection(reason, OrderStatus(status), after_s), times
        )

    def push(self, frame_text: str) -> None:
        """Send a raw frame to every socket that has been greeted."""
        self._running.hub.push(frame_text)

    @property
    def _running(self) -> _Parts:
        if self._parts is None:
            raise RuntimeError("the simulator is not running; use `async with Simulator()`")
        return self._parts


class _Parts:
    """What exists while a simulator runs."""

    count_connections: Callable[[], int]

    def __init__(self, sim: Simulator, keys: SimulatorKeys) -> None:
        settings, random = sim.settings, sim.world.random
        broker = Broker(
            seed=sim._seed,  # noqa: SLF001 - the two classes are one unit
            account_ids=settings.account_ids,
            settings=settings.broker,
            step_s=settings.tick_s,
            now=sim.now(),
        )
        sessions = Sessions(
            new_id=lambda: random.token(16).hex(),
            login_lifetime_s=settings.login_lifetime_s,
            idle_timeout_s=settings.idle_timeout_s,
        )
        self.floor = Floor(broker, sessions, settings)
        origins = (
            sim.origin,
            sim.origin.replace("127.0.0.1", "localhost"),
            *settings.public_origins,
        )
        # A copy: several simulators may share one set of keys.
        first_party = replace(keys.consumer, access_tokens=dict(keys.consumer.access_tokens))
        self.flow = ThirdPartyFlow(
            first_party,
            keys.encryption_key,
            is_paper=settings.account_ids[0].startswith("D"),
            new_bytes=random.token,
        )
        self.bearers = BearerDesk(
            RegisteredClient(
                client_id=CLIENT_ID,
                key_id=KEY_ID,
                key=first_party.signature_key,
                credential=USERNAME,
            ),
            new_token=lambda: random.token(32).hex(),
            begin_login=sessions.begin,
        )
        self.desk = Desk(
            self.floor,
            Verifier(
                [first_party, self.flow.consumer],
                origins=origins,
                tolerant=sim._tolerant,  # noqa: SLF001 - as above
                window_s=settings.timestamp_window_s,
            ),
            flow=self.flow,
            bearers=self.bearers,
            gateway=settings.gateway,
            new_exponent=lambda: random.bits(_EXPONENT_BITS) | 1 << (_EXPONENT_BITS - 1),
        )
        self.hub = SocketHub(
            self.floor,
            access_tokens=ChainMap(dict(first_party.access_tokens), self.flow.access_tokens),
            knows_bearer=lambda bearer: self.bearers.knows(bearer, sim.now()),
            now=sim.now,
            clock=sim.world.clock,
            recording=sim._recording,  # noqa: SLF001 - as above
            speed=sim._speed,  # noqa: SLF001 - as above
        )
        page = AuthorizePage(self.flow, new_ticket=lambda: random.token(16).hex())
        bearer_endpoint = oauth2_endpoint(self.bearers, sim.now, self.desk.log)
        self.app = Starlette(
            routes=[
                WebSocketRoute(f"{ROOT}/ws", self.hub.serve),
                Route(AUTHORIZE_PATH, authorize_endpoint(page, sim.now), methods=["GET", "POST"]),
                Route(TOKEN_PATH, bearer_endpoint, methods=["POST"]),
                Route(SSO_PATH, bearer_endpoint, methods=["POST"]),
                Route(
                    "/{path:path}",
                    rest_endpoint(self.desk, sim.now, sim.world.clock),
                    methods=_METHODS,
                ),
            ]
        )
