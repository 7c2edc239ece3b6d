from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest

from ibkr_async.errors import (
    AuthError,
    ClosedError,
    CompetingSessionError,
    ConnectFailedError,
    StreamConnectError,
    SubscriptionError,
    UsageError,
)
from ibkr_async.stream.delivery.events import (
    Confirmed,
    Connected,
    ConnectFailed,
    Disconnected,
    Gap,
    Resumed,
    StreamEvent,
    SubscriptionFailed,
)
from ibkr_async.stream.settings import (
    CoreSettings,
    ReconnectSettings,
    SocketSettings,
    StreamSettings,
)
from ibkr_async.stream.socket.connection import SocketConnection
from ibkr_async.wiring import build_streams
from stream.core_driver import GREETING, Heard, make_buffer, smd, wish
from stream.core_feeds import NOBODY
from stream.socket_servers import (
    make_certificate,
    raw_server,
    stream_server,
    target_of,
    until_cut,
    upgrade,
)
from support.fake_time import world_with
from support.inside import core_of, line_of, registry_of
from support.leaks import nothing_left_behind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from ibkr_async.feeds.catalogue import Streams
    from ibkr_async.ports import SocketTarget

QUICK = StreamSettings(
    socket=SocketSettings(connect_timeout_s=2.0, cut_after_s=0.3),
    reconnecting=ReconnectSettings(first_retry_s=0.01, retry_cap_s=0.05),
)


class Running:
    """A stream that runs in its task, with its events."""

    def __init__(
        self,
        port: int,
        settings: StreamSettings = QUICK,
        *,
        errors: list[Exception] | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.events: list[StreamEvent] = []
        self.targets = 0
        self.errors = errors or []
        self.port = port
        self.scheme = "ws" if ssl_context is None else "wss"
        self.context = ssl_context
        self.changed = asyncio.Event()
        self.engine, _, self.stream = build_streams(
            settings,
            world_with(lambda: 0.5),
            open_target=self.open_target,
            ssl_context=self.ssl_context,
            on_event=self.on_event,
            **NOBODY,
        )

    async def open_target(self) -> SocketTarget:
        """Describe the socket, or fail as told."""
        self.targets += 1
        if self.errors:
            raise self.errors.pop(0)
        return target_of(self.port, scheme=self.scheme)

    def ssl_context(self) -> ssl.SSLContext:
        """Give the TLS policy."""
        assert self.context is not None
        return self.context

    def on_event(self, event: StreamEvent) -> None:
        """Keep it."""
        self.events.append(event)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until an event makes it true."""
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def seen(self, kind: type[Any]) -> list[Any]:
        """Events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


@contextlib.asynccontextmanager
async def running(
    port: int, settings: StreamSettings = QUICK, **options: Any
) -> AsyncIterator[Running]:
    """Run a stream, and close it properly."""
    run = Running(port, settings, **options)
    task = asyncio.create_task(run.engine.run())
    try:
        yield run
    finally:
        await run.engine.aclose()
        async with asyncio.timeout(5):
            await task


async def test_socket_opens_with_the_first_subscription_and_closes_with_1000() -> None:
    """Lazy to connect, and clean to leave, with the market data lines given back."""
    async with stream_server() as server:
        async with running(server.port) as run:
            await asyncio.sleep(0)
            assert run.targets == 0
            assert not run.engine.wanted
            async with run.stream.market_data(8314, fields=["last"]) as ticks:
                update = await anext(ticks)
                assert run.stream.connected
                assert run.engine.wanted
            await server.until(lambda seen: "umd+8314+{}" in seen.received)
            other = run.stream.market_data(265598)
            await other.__aenter__()
            await anext(other)
        await server.until(lambda seen: bool(seen.close_codes))

    assert update.last == 189.6
    assert server.received[0] == 'smd+8314+{"fields":["31"]}'
    assert server.received[-1] == "umd+265598+{}"
    assert server.close_codes == [1000]
    assert len(server.connections) == 1
    assert run.seen(Disconnected)[-1].planned
    assert run.stream.stats.connections == 1
    assert [item async for item in other] == []


async def test_closed_stream_takes_no_more_subscriptions() -> None:
    """Using a closed client is misuse."""
    async with stream_server() as server, running(server.port) as run:
        await run.engine.aclose()
        with pytest.raises(ClosedError):
            await run.stream.live_orders().__aenter__()


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4001])
async def test_connection_lost_is_a_gap_and_comes_back(code: int) -> None:
    """A quiet 1000 is a disconnect too: fault F1."""
    async with (
        stream_server() as server,
        running(server.port) as run,
        run.stream.market_data(8314) as ticks,
    ):
        await anext(ticks)
        await server.connections[0].close(code)
        marked = ticks.marked()
        assert [type(await anext(marked)) for _ in range(2)] == [Gap, Resumed]
        assert (await anext(ticks)).conid == 8314

    assert run.seen(Disconnected)[0].code == code
    assert len(run.seen(Connected)) == 2
    assert run.targets == 2


async def test_backoff_ends_early_when_the_session_comes_up() -> None:
    """The keeper knows better than a timer."""
    settings = StreamSettings(
        reconnecting=ReconnectSettings(first_retry_s=600.0, retry_cap_s=600.0)
    )
    async with stream_server() as server, running(server.port, settings) as run:
        run.errors.append(
            ConnectFailedError("POST /tickle", "refused", may_have_reached_server=False)
        )
        async with run.stream.live_orders():
            await run.until(lambda: bool(run.seen(ConnectFailed)))
            run.engine.session_changed(True)
            await run.until(lambda: bool(run.seen(Connected)))

    assert run.seen(ConnectFailed)[0].retry_in_s == 300.0


async def test_session_down_holds_back_what_needs_it() -> None:
    """The keeper's word reaches the wire."""
    async with stream_server() as server, running(server.port) as run:
        run.engine.session_changed(False)
        async with run.stream.market_data(8314), run.stream.profit_and_loss():
            await server.until(lambda seen: "spl+{}" in seen.received)
            assert len(server.received) == 1
            run.engine.session_changed(True)
            await server.until(lambda seen: len(seen.received) > 1)


async def test_server_that_never_greets_is_left_and_tried_again() -> None:
    """The upgrade alone proves nothing."""
    settings = StreamSettings(
        protocol=CoreSettings(greeting_timeout_s=0.05),
        reconnecting=ReconnectSettings(first_retry_s=0.01),
    )
    async with stream_server() as server, running(server.port, settings) as run:
        server.greets = False
        async with run.stream.market_data(8314) as ticks:
            await run.until(lambda: bool(run.seen(Disconnected)))
            server.greets = True
            await anext(ticks)

    assert "no greeting" in run.seen(Disconnected)[0].reason
    assert run.targets >= 2


async def test_refused_upgrade_ends_the_waiting_subscriptions() -> None:
    """Another attempt with the same settings cannot help."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with raw_server(refuse) as port, running(port) as run:
        async with run.stream.market_data(8314) as ticks:
            with pytest.raises(StreamConnectError, match="403"):
                await anext(ticks)
        assert run.seen(ConnectFailed)[0].fatal
        assert run.targets == 1


async def test_wrong_certificate_ends_the_waiting_subscriptions(tmp_path: Path) -> None:
    """Fault F15."""
    server_context, _ = make_certificate(tmp_path)
    wrong = ssl.create_default_context()
    async with (
        stream_server(server_context) as server,
        running(server.port, ssl_context=wrong) as run,
        run.stream.live_orders() as orders,
    ):
        with pytest.raises(StreamConnectError, match="certificate"):
            await anext(orders)


async def test_tls_stream_works_with_the_trusted_certificate(tmp_path: Path) -> None:
    """Loaded in a thread, used as it is."""
    server_context, client_context = make_certificate(tmp_path)
    async with (
        stream_server(server_context) as server,
        running(server.port, ssl_context=client_context) as run,
        run.stream.market_data(8314) as ticks,
    ):
        assert (await anext(ticks)).conid == 8314


async def test_failed_login_is_fatal_at_first_and_waited_out_later() -> None:
    """Around the nightly reset IBKR refuses what it accepts again an hour later: fault F27."""
    refused = AuthError("live session token", "401")
    async with stream_server() as server, running(server.port) as run:
        run.errors.append(refused)
        async with run.stream.market_data(8314) as ticks:
            with pytest.raises(AuthError):
                await anext(ticks)

        async with run.stream.market_data(8314) as ticks:
            await anext(ticks)
            run.errors += [refused, refused]
            await server.connections[-1].close(1012)
            await anext(ticks)

    assert [event.fatal for event in run.seen(ConnectFailed)] == [True, False, False]


async def test_close_code_that_refuses_the_login_is_fatal_at_first() -> None:
    """3000 means unauthorized: asking again with the same credentials cannot help."""
    async with stream_server() as server, running(server.port) as run:
        server.greets = False
        async with run.stream.live_orders() as orders:
            await server.until(lambda seen: bool(seen.connections))
            await server.connections[0].close(3000)
            with pytest.raises(StreamConnectError, match="3000"):
                await anext(orders)

    assert [event.fatal for event in run.seen(ConnectFailed)] == [True]


async def test_competing_session_is_waited_out() -> None:
    """It is weather, even at the start: fault F12."""
    async with stream_server() as server, running(server.port) as run:
        run.errors.append(CompetingSessionError())
        async with run.stream.market_data(8314) as ticks:
            await anext(ticks)


async def test_silent_stall_is_found_and_left() -> None:
    """Pongs are answered, no frame comes: fault F3, in a twentieth of the time."""
    settings = StreamSettings(
        protocol=CoreSettings(probe_after_s=0.1, dead_after_s=0.2),
        reconnecting=ReconnectSettings(first_retry_s=0.01),
    )
    async with (
        stream_server() as server,
        running(server.port, settings) as run,
        run.stream.live_orders(),
    ):
        await run.until(lambda: len(run.seen(Connected)) > 1)

    assert "no frame" in run.seen(Disconnected)[0].reason
    assert "tic" in server.received


async def test_server_that_stops_reading_is_left() -> None:
    """A frame that cannot leave ends the connection, not the client."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(bytes([0x81, len(GREETING)]) + GREETING.encode())
        await writer.drain()
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # every TCP transport has it
        await asyncio.sleep(3600)

    settings = StreamSettings(
        send_timeout_s=0.05,
        reconnecting=ReconnectSettings(first_retry_s=600),
        socket=SocketSettings(cut_after_s=0.1),
    )
    async with raw_server(answer) as port, running(port, settings) as run:
        many = [f"{conid}@{'X' * 10_000}" for conid in range(1, 2_000)]
        async with run.stream.market_data(*many, fields=["31"]):
            await run.until(lambda: bool(run.seen(Disconnected)))

    assert "could not be sent" in run.seen(Disconnected)[0].reason


async def test_close_cuts_a_server_that_ignores_it() -> None:
    """`aclose` keeps its promise of two seconds."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(bytes([0x81, len(GREETING)]) + GREETING.encode())
        await until_cut(reader)

    settings = StreamSettings(socket=SocketSettings(cut_after_s=30.0), close_timeout_s=0.2)
    async with raw_server(answer) as port, running(port, settings) as run:
        async with run.stream.live_orders():
            await run.until(lambda: bool(run.seen(Connected)))
        began = time.monotonic()
        await run.engine.aclose()

    assert time.monotonic() - began < 2.0


async def test_cancelled_run_still_closes_with_1000() -> None:
    """Cancellation of the owner's task group is the ordinary end of a client."""
    async with stream_server() as server:
        run = Running(server.port)
        task = asyncio.create_task(run.engine.run())
        async with run.stream.market_data(8314) as ticks:
            await anext(ticks)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.until(lambda seen: bool(seen.close_codes))
        await run.engine.aclose()

    assert server.close_codes == [1000]
    assert run.seen(Disconnected)


async def test_running_twice_is_misuse() -> None:
    """One task owns the socket."""
    async with stream_server() as server, running(server.port) as run:
        await asyncio.sleep(0)
        with pytest.raises(UsageError, match="runs already"):
            await run.engine.run()


async def test_failed_subscription_leaves_nothing_behind() -> None:
    """The server never answers for a contract: typed error, and the server is told."""
    settings = StreamSettings(
        protocol=CoreSettings(confirm_timeout_s=0.05),
        reconnecting=ReconnectSettings(first_retry_s=0.01),
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        writer.write(bytes([0x81, len(GREETING)]) + GREETING.encode())
        await until_cut(reader)

    async with (
        raw_server(answer) as port,
        running(port, settings) as run,
        run.stream.market_data(999) as ticks,
    ):
        with pytest.raises(SubscriptionError, match=r"smd\+999: no answer"):
            await anext(ticks)

    assert run.seen(SubscriptionFailed)


async def test_attach_that_fails_midway_leaves_nothing_behind() -> None:
    """All topics of a subscription or none."""
    async with stream_server() as server, running(server.port) as run:
        first = run.stream.market_data(1, 2)
        listener = Heard(make_buffer())
        async with first:
            with pytest.raises(UsageError):
                run.engine.subscribe(listener, [wish("smd+3"), wish("smd+2"), wish("smd+3")])
        assert registry_of(core_of(run.engine)).channels == {}


@pytest.mark.parametrize(
    "ask",
    [
        lambda stream: stream.market_data(),
        lambda stream: stream.account_summary("DU 1"),
        lambda stream: stream.market_data(1, 1),
        lambda stream: stream.market_data(1, fields=["bidd"]),
        lambda stream: stream.market_data(1, policy="hope"),
        lambda stream: stream.market_data(1, buffer=-1),
        lambda stream: stream.trades(days=8),
        lambda stream: stream.notifications(policy="conflate"),
    ],
)
async def test_what_cannot_be_asked_is_refused_at_once(ask: Callable[[Streams], Any]) -> None:
    """Before any I/O, with one clear error."""
    with pytest.raises(UsageError):
        ask(Running(1).stream)


async def test_every_feed_sends_its_request() -> None:
    """Orders, trades and P&L are requested; notices and account updates come by themselves."""
    async with stream_server() as server, running(server.port) as run:
        stream = run.stream
        async with (
            stream.live_orders(),
            stream.trades(realtime_updates_only=True, days=2),
            stream.profit_and_loss(policy="latest"),
            stream.notifications() as notices,
            stream.account_updates() as accounts,
        ):
            await server.until(lambda seen: len(seen.received) == 3)
            await server.connections[0].send('{"topic":"ntf","args":[{"id":"1","text":"x"}]}')
            await server.connections[0].send('{"topic":"act","args":{"accounts":["DU1"]}}')
            assert (await anext(notices)).text == "x"  # type: ignore[union-attr]
            assert (await anext(accounts)).accounts == ("DU1",)

    assert server.received[:3] == ["sor+{}", 'str+{"realtimeUpdatesOnly":true,"days":2}', "spl+{}"]


async def test_opening_and_closing_leaves_no_task_behind() -> None:
    """Again and again."""
    async with stream_server() as server:
        before = len(asyncio.all_tasks())
        for _ in range(20):
            async with running(server.port) as run, run.stream.market_data(8314) as ticks:
                await anext(ticks)
        await server.until(lambda seen: len(seen.close_codes) == 20)
        await asyncio.sleep(0)

        assert len(asyncio.all_tasks()) <= before + 1
    assert set(server.close_codes) == {1000}


async def test_renewed_login_opens_a_new_socket_at_once() -> None:
    """What bound the old one is gone; the hole is named, and nobody waits for a backoff."""
    settings = StreamSettings(
        reconnecting=ReconnectSettings(first_retry_s=600.0, retry_cap_s=600.0)
    )
    async with (
        stream_server() as server,
        running(server.port, settings) as run,
        run.stream.market_data(8314) as ticks,
    ):
        await anext(ticks)
        run.engine.reconnect("the login was renewed")
        marked = ticks.marked()
        assert [type(await anext(marked)) for _ in range(2)] == [Gap, Resumed]
        await anext(ticks)

    assert run.targets == 2
    assert server.close_codes[0] == 1000
    assert run.seen(Disconnected)[0].reason == "the login was renewed"


async def test_reconnecting_without_a_socket_is_harmless() -> None:
    """There is nothing to replace."""
    async with stream_server() as server, running(server.port) as run:
        run.engine.reconnect("test")
        async with run.stream.market_data(8314) as ticks:
            await anext(ticks)

    assert len(server.connections) == 1


async def test_closing_does_not_wait_for_a_socket_that_is_being_opened() -> None:
    """Waiting for the session may take all night."""
    run = Running(1)
    asked = asyncio.Event()

    async def wait_for_ever() -> SocketTarget:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    # A login that never answers.
    run.engine._open_target = wait_for_ever
    task = asyncio.create_task(run.engine.run())
    async with run.stream.live_orders() as orders:
        await asked.wait()
        began = time.monotonic()
        await run.engine.aclose()
        await task
        assert [item async for item in orders] == []

    assert time.monotonic() - began < 1.0


async def test_drain_waits_until_consumers_have_taken_everything() -> None:
    """Unsubscribed at once; a consumer in another task gets the rest and then ends."""
    async with stream_server() as server, running(server.port) as run:
        taken: list[Any] = []
        idle = run.stream.live_orders()

        async def consume(ticks: Any) -> None:
            async for tick in ticks:
                await asyncio.sleep(0)
                taken.append(tick)

        async with run.stream.market_data(1, 2, 3) as ticks, idle:
            await run.until(lambda: len(run.seen(Confirmed)) >= 3)
            assert ticks.stats.waiting == 3
            draining = asyncio.create_task(run.engine.drain())
            await asyncio.sleep(0)
            consumer = asyncio.create_task(consume(ticks))
            assert await draining
            await consumer
            await server.until(lambda seen: "umd+3+{}" in seen.received)

    assert len(taken) == 3


async def test_drain_does_not_wait_for_ever() -> None:
    """A consumer that never reads is left."""
    async with (
        stream_server() as server,
        running(server.port) as run,
        run.stream.market_data(1) as ticks,
    ):
        await run.until(lambda: ticks.stats.waiting == 1)
        assert not await run.engine.drain(timeout_s=0.01)


async def test_topics_are_added_and_removed_on_a_real_socket() -> None:
    """The reader goes on meanwhile; a refused one changes nothing."""
    async with (
        stream_server() as server,
        running(server.port) as run,
        run.stream.market_data(1, fields=["last"]) as ticks,
    ):
        await anext(ticks)
        await ticks.add(2)
        assert (await anext(ticks)).conid == 2
        await ticks.remove(1)
        await server.until(lambda seen: "umd+1+{}" in seen.received)
        wishes = [wish("smd+7"), wish("smd+2")]
        with pytest.raises(UsageError, match="twice"):
            run.engine.subscribe(line_of(ticks), wishes)  # type: ignore[arg-type]  # it is a listener
        await server.until(lambda seen: "umd+7+{}" in seen.received)
        await run.engine.aclose()
        with pytest.raises(ClosedError):
            run.engine.subscribe(line_of(ticks), wishes)  # type: ignore[arg-type]  # as above


async def test_ready_waits_until_the_server_serves_every_topic() -> None:
    """A confirmed topic after its first frame, `sor` after its request, and again after a loss."""
    async with stream_server() as server, running(server.port) as run:
        server.answers = False
        async with run.stream.market_data(1, 2) as ticks, run.stream.live_orders() as orders:
            await orders.ready()
            await server.until(lambda seen: "sor+{}" in seen.received)
            waiting = asyncio.create_task(ticks.ready())
            await server.until(lambda seen: len(seen.received) == 3)
            await server.connections[0].send(smd(1))
            await run.until(lambda: len(run.seen(Confirmed)) == 1)
            assert not waiting.done()
            await server.connections[0].send(smd(2))
            await waiting

            await server.connections[0].close()
            await run.until(lambda: len(run.seen(Gap)) > 2)
            again = asyncio.create_task(ticks.ready())
            await run.until(lambda: len(run.seen(Connected)) == 2)
            assert not again.done()
            await server.connections[1].send(smd(1))
            await server.connections[1].send(smd(2))
            await again


async def test_ready_waits_until_an_unconfirmed_request_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That is all which can be known of `sor`; being about to send it is not enough."""
    may_leave, send = asyncio.Event(), SocketConnection.send

    async def send_late(connection: SocketConnection, text: str) -> bool:
        await may_leave.wait()
        return await send(connection, text)

    monkeypatch.setattr(SocketConnection, "send", send_late)
    async with (
        stream_server() as server,
        running(server.port) as run,
        run.stream.profit_and_loss(),
    ):
        await run.until(lambda: bool(run.seen(Connected)))
        async with run.stream.live_orders() as orders:
            waiting = asyncio.create_task(orders.ready())
            for _ in range(20):
                await asyncio.sleep(0)
            assert not waiting.done()
            may_leave.set()
            await waiting
        await server.until(lambda seen: "sor+{}" in seen.received)


async def test_ready_says_when_nothing_comes_of_it() -> None:
    """After its patience, when the subscription is refused, and when the stream is closed meanwhile."""
    async with stream_server() as server, running(server.port) as run:
        server.answers = False
        early = run.stream.market_data(8)
        with pytest.raises(UsageError, match="open the feed first"):
            await early.ready()
        async with run.stream.market_data(1) as ticks, run.stream.market_data(2) as refused:
            with pytest.raises(
                SubscriptionError, match=r"smd\+1: not served after 0\.05 s; `ib\.he"
            ):
                await ticks.ready(timeout_s=0.05)
            waiting = [asyncio.create_task(each.ready()) for each in (ticks, refused)]
            await server.until(lambda seen: len(seen.received) == 2)
            await server.connections[0].send('{"error":"no permission","topic":"smd+2"}')
            with pytest.raises(SubscriptionError, match="no permission"):
                await waiting[1]
            await run.engine.aclose()
            with pytest.raises(ClosedError):
                await waiting[0]


async def test_ready_ends_with_a_dialogue_that_its_connection_takes_along() -> None:
    """At once, and with what is to be done about it, not with "not served" when its patience ends."""
    async with (
        stream_server() as server,
        running(server.port) as run,
        run.stream.option_exercise(9) as dialogue,
    ):
        waiting = asyncio.create_task(dialogue.ready())
        await server.until(lambda seen: len(seen.received) == 1)
        run.errors += [OSError("the network is gone")] * 1000
        await server.connections[0].close()
        async with asyncio.timeout(5):
            with pytest.raises(SubscriptionError, match="look at the orders before you repeat it"):
                await waiting


async def test_two_hundred_streams_leave_nothing_behind() -> None:
    """Opened, used and closed: no task and no descriptor stays."""
    async with stream_server() as server, nothing_left_behind():
        for _ in range(200):
            async with running(server.port) as run, run.stream.market_data(8314) as ticks:
                await anext(ticks)
        await server.until(lambda seen: len(seen.close_codes) == 200)

    assert set(server.close_codes) == {1000}


async def test_dialogue_that_is_not_open_is_not_answered() -> None:
    """Nothing is sent."""
    with pytest.raises(SubscriptionError, match="not open"):
        Running(1).engine.say("shs+exercise", "inp+exercise+{}")


@pytest.mark.parametrize("begun", [False, True])
async def test_what_a_refused_subscription_had_asked_for_is_taken_back_now(begun: bool) -> None:
    """F12: all or nothing, and not only when the next timer rings."""
    async with (
        stream_server() as server,
        running(server.port) as run,
        run.stream.market_data(1) as ticks,
    ):
        await anext(ticks)
        listener = Heard(make_buffer())
        if begun:
            run.engine.subscribe(listener, [wish("smd+5")])
            await server.until(lambda seen: any(text.startswith("smd+5") for text in seen.received))
        with pytest.raises(UsageError, match="twice"):
            run.engine.subscribe(listener, [wish("smd+7"), wish("smd+7")])
        async with asyncio.timeout(1):
            await server.until(lambda seen: "umd+7+{}" in seen.received)
        run.engine.release(listener)


async def test_feed_without_topics_ends_with_the_stream() -> None:
    """It waits for a contract, not for ever."""
    async with (
        stream_server() as server,
        running(server.port) as run,
        run.stream.market_data(1) as ticks,
    ):
        await ticks.remove(1)
        waiting = asyncio.ensure_future(anext(ticks, None))
        await asyncio.sleep(0)
        await run.engine.aclose()

        assert await waiting is None


async def test_feed_that_nobody_holds_gives_its_line_back() -> None:
    """F14: with a warning, as for files."""
    async with stream_server() as server, running(server.port) as run:
        ticks = await run.stream.market_data(8314).__aenter__()
        await anext(ticks)
        with pytest.warns(ResourceWarning, match=r"unclosed <Feed smd\+8314"):
            del ticks
        await server.until(lambda seen: "umd+8314+{}" in seen.received)
        assert not run.engine.wanted
