"""F1-F3, F7-F9: connections that are closed, fall silent, or carry what no server may send."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from faults.raw import Script, bad_frames, raw_socket, server_frame
from faults.rig import (
    AAPL,
    CONIDS,
    MSFT,
    SCALE,
    fault_rig,
    gaps_and_resumptions_alternate,
    listening,
    scaled_close_code,
    stream_with,
)
from ibkr_async.errors import StreamConnectError
from ibkr_async.events import (
    BadFrame,
    Connected,
    ConnectFailed,
    ConnectionDead,
    Disconnected,
    Gap,
    Resumed,
)
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.inside import parts_of
from support.settings_with import settings_with

CUT = None
"""The server drops TCP without a close frame."""


@pytest.fixture(autouse=True)
def _scaled_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ibkr_async.stream.multiplexer.close_code", scaled_close_code)


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 1013, 4001, CUT])
@pytest.mark.parametrize("fin", [True, False], ids=["fin", "no_fin"])
async def test_f1_closed_connection_is_replaced(
    keys: SimulatorKeys, seed: int, code: int | None, fin: bool
) -> None:
    """Every retryable code, with and without the end of TCP: a gap on each topic, then fresh data."""
    if code is CUT and not fin:
        pytest.skip("without close frame and FIN it is the half-open connection of F2")
    async with fault_rig(keys, seed, tls=False) as rig:
        ticks = rig.ib.stream.market_data(*CONIDS)
        orders = rig.ib.stream.live_orders()
        async with listening(rig, ticks, orders) as (quotes, others):
            await rig.until(lambda: {update.conid for update in quotes.updates()} == set(CONIDS))
            before = len(rig.events)

            rig.proxy.to_client.no_fin = not fin
            began = time.monotonic()
            rig.sim.drop_sockets(code)
            await rig.until_resumed(len(CONIDS) + 1, before)

            assert time.monotonic() - began < 2.0
            lost = rig.seen(Disconnected, before)
            assert [(event.code, event.planned) for event in lost] == [(code or 1006, False)]
            assert {gap.topic for gap in quotes.marks(Gap)} == {f"smd+{conid}" for conid in CONIDS}
            assert [gap.topic for gap in others.marks(Gap)] == ["sor"]
            assert gaps_and_resumptions_alternate(quotes.items)
            assert ticks.stats.gaps == len(CONIDS)
        await rig.until(lambda: rig.proxy.open_links <= 1)
    assert not rig.proxy.open_links


@pytest.mark.parametrize("code", [3000, 3003])
async def test_f1_fatal_code_ends_the_subscriptions_with_its_reason(
    keys: SimulatorKeys, seed: int, code: int
) -> None:
    """After "the credentials are not good enough" in place of a greeting nothing is tried again."""
    async with fault_rig(keys, seed) as rig:
        ticks = rig.ib.stream.market_data(AAPL)
        async with raw_socket(Script(greets=False, close_code=code)) as port:
            rig.route.port, rig.route.plain = port, True
            async with listening(rig, ticks) as (quotes,):
                await rig.until(lambda: quotes.error is not None)
                await rig.steady(0.3)

        assert isinstance(quotes.error, StreamConnectError)
        assert str(code) in str(quotes.error)
        assert [event.fatal for event in rig.seen(ConnectFailed)] == [True]


async def test_f1_fatal_code_after_a_good_connection_is_waited_out(
    keys: SimulatorKeys, seed: int
) -> None:
    """Around the nightly reset a server refuses what it accepts again later: back off, do not end."""
    async with fault_rig(keys, seed) as rig:
        ticks = rig.ib.stream.market_data(AAPL)
        async with raw_socket(Script(close_code=3000)) as port:
            rig.route.port, rig.route.plain = port, True
            async with listening(rig, ticks) as (quotes,):
                await rig.until(lambda: len(rig.seen(Disconnected)) >= 4)
                rig.route.port, rig.route.plain = rig.proxy.port, False
                await rig.until(quotes.updates)

        assert quotes.error is None


async def test_f1_fill_during_the_outage_is_not_lost(keys: SimulatorKeys, seed: int) -> None:
    """An order that fills while the socket is down is in the replay of `str` after `Resumed`."""
    ticket = {
        "conid": AAPL,
        "orderType": "LMT",
        "price": 150,
        "side": "BUY",
        "tif": "GTC",
        "quantity": 5,
        "cOID": "resting",
    }
    async with fault_rig(keys, seed) as rig:
        trades = rig.ib.stream.trades()
        async with listening(rig, trades) as (fills,):
            await rig.until(lambda: rig.ib.stream.stats.connections)
            path = f"/iserver/account/{rig.sim.account_id}/orders"
            handle = rig.sim.broker.handle
            placed = handle("POST", path, {}, {"orders": [ticket]}, rig.sim.now())
            assert placed is not None
            while "id" in placed.body[0]:
                reply = f"/iserver/reply/{placed.body[0]['id']}"
                placed = handle("POST", reply, {}, {"confirmed": True}, rig.sim.now())
                assert placed is not None
            # What IBKR serves and we have not heard of yet would have no gap.
            await trades.ready()

            rig.proxy.refuse = True
            rig.proxy.reset()
            await rig.until_lost()
            rig.sim.broker.set_price(AAPL, 140)
            rig.sim.tick()
            rig.proxy.refuse = False
            await rig.until(fills.updates)

            gap = next(i for i, item in enumerate(fills.items) if isinstance(item, Gap))
            resumed = next(i for i, item in enumerate(fills.items) if isinstance(item, Resumed))
            fill = fills.items.index(fills.updates()[0])
            assert gap < resumed < fill
            assert fills.updates()[0].order_ref == "resting"


@pytest.mark.parametrize("direction", ["both", "to_client"])
async def test_f2_half_open_connection_is_found_by_ping(
    keys: SimulatorKeys, seed: int, direction: str
) -> None:
    """Nothing comes any more and no FIN either: gone within interval + timeout + close, or 25 s."""
    async with fault_rig(keys, seed) as rig:
        socket = parts_of(rig.ib).engine.settings.socket
        limit_s = socket.ping_interval_s + socket.ping_timeout_s + socket.cut_after_s
        ticks = rig.ib.stream.market_data(AAPL, MSFT)
        async with listening(rig, ticks) as (quotes,):
            await rig.until(lambda: len({update.conid for update in quotes.updates()}) == 2)

            rig.proxy.blackhole(to_target=direction == "both")
            detected_s = await rig.until_lost()
            rig.proxy.heal()
            recovered_s = await rig.until_resumed(2)

            assert detected_s < limit_s + 0.3
            assert recovered_s < 2.0
            assert gaps_and_resumptions_alternate(quotes.items)


@pytest.mark.parametrize("fault", ["reset", "half_write", "corrupt_byte", "late"])
async def test_f2_broken_transport_is_replaced(keys: SimulatorKeys, seed: int, fault: str) -> None:
    """RST, a record that stops half-way, a flipped bit: TLS or the ping notices; a slow line is none."""
    async with fault_rig(keys, seed) as rig:
        ticks = rig.ib.stream.market_data(AAPL)
        async with listening(rig, ticks) as (quotes,):
            await rig.until(quotes.updates)

            match fault:
                case "reset":
                    rig.proxy.reset()
                case "half_write":
                    rig.proxy.to_client.half_next = True
                case "corrupt_byte":
                    rig.proxy.to_client.corrupt_next = True
                case _:
                    rig.proxy.to_client.delay_s = rig.proxy.to_client.jitter_s = 0.03
            if fault == "late":
                seen = len(quotes.updates())
                await rig.until(lambda: len(quotes.updates()) > seen + 10)
                assert rig.quiet
                return
            await rig.until_lost()
            await rig.until_resumed(1)

            assert gaps_and_resumptions_alternate(quotes.items)


async def test_f3_silent_stall_is_probed_and_then_replaced(keys: SimulatorKeys, seed: int) -> None:
    """Pings are answered, nothing else comes: one `tic`, then within 30 s (scaled) a new connection."""
    async with fault_rig(keys, seed) as rig:
        settings = parts_of(rig.ib).engine.settings.protocol
        async with listening(rig, rig.ib.stream.market_data(AAPL)) as (quotes,):
            await rig.until(quotes.updates)
            tics = rig.sim.sockets[-1].requests["tic"]

            rig.sim.stall()
            detected_s = await rig.until(lambda: rig.seen(ConnectionDead))
            probes = rig.sim.sockets[0].requests["tic"] - tics
            rig.sim.unstall()
            await rig.until_resumed(1)

            assert settings.dead_after_s - 0.1 < detected_s < 30 / SCALE
            assert probes >= 1
            assert gaps_and_resumptions_alternate(quotes.items)


async def test_f3_quiet_topics_with_heartbeats_are_left_alone(
    keys: SimulatorKeys, seed: int
) -> None:
    """`sor` and `ntf` may be silent for ever while heartbeats come: nothing is done about it."""
    async with fault_rig(keys, seed) as rig:
        feeds = (rig.ib.stream.live_orders(), rig.ib.stream.notifications())
        async with listening(rig, *feeds):
            await rig.until(lambda: rig.seen(Connected))
            await rig.steady(2.5 * parts_of(rig.ib).engine.settings.protocol.dead_after_s)

        assert rig.quiet
        assert not rig.seen(Gap)
        assert len(rig.sim.sockets) == 1


@pytest.mark.parametrize("kind", sorted(bad_frames()))
async def test_f7_f9_frames_that_break_the_protocol_cost_one_connection(
    keys: SimulatorKeys, seed: int, kind: str
) -> None:
    """Bad UTF-8, opcode, mask, length or compression: cut after our own close timeout, then replaced."""
    async with fault_rig(keys, seed) as rig:
        ticks = rig.ib.stream.market_data(AAPL)
        async with raw_socket(Script(payload=bad_frames()[kind])) as port:
            rig.route.port, rig.route.plain = port, True
            async with listening(rig, ticks) as (quotes,):
                await rig.until(lambda: rig.seen(Connected))
                rig.route.port, rig.route.plain = rig.proxy.port, False
                lost_s = await rig.until_lost()
                await rig.until(quotes.updates)

        assert lost_s < 0.6
        assert len(rig.seen(Connected)) == 2


@pytest.mark.parametrize("kind", ["announced", "sent"])
async def test_f8_huge_frame_costs_a_connection_and_no_memory(
    keys: SimulatorKeys, seed: int, kind: str
) -> None:
    """A header of 5 GiB, and 4 MiB that really come, against a limit of 1 MiB."""
    limit = 1 << 20
    payload = (
        bytes([0x81, 127]) + (5 << 30).to_bytes(8, "big") + b"x" * 4096
        if kind == "announced"
        else server_frame(b'{"topic":"smd+1","x":"' + b"y" * (4 << 20) + b'"}')
    )
    async with fault_rig(
        keys, seed, client=settings_with({"stream.socket.max_frame_bytes": limit})
    ) as rig:
        async with raw_socket(Script(payload=payload)) as port:
            rig.route.port, rig.route.plain = port, True
            before = _resident_bytes()
            async with listening(rig, rig.ib.stream.market_data(AAPL)) as (quotes,):
                await rig.until(lambda: rig.seen(Connected))
                rig.route.port, rig.route.plain = rig.proxy.port, False
                await rig.until(quotes.updates)
            grown = _resident_bytes() - before

        # The server of this test lives in this process: what it sends is counted twice.
        assert grown < 2 * limit + (8 << 20)
        assert len(rig.seen(Disconnected)) >= 1


async def test_f7_bad_utf8_is_reported_and_the_connection_goes_on(
    keys: SimulatorKeys, seed: int
) -> None:
    """Text that is not UTF-8 is one bad frame: the bytes are decoded by us, not by the framing."""
    async with fault_rig(keys, seed) as rig:
        text = b'\xff\xfe{"topic":"smd+265598"}'
        async with raw_socket(Script(payload=server_frame(text))) as port:
            rig.route.port, rig.route.plain = port, True
            async with listening(rig, rig.ib.stream.live_orders()):
                await rig.until(lambda: rig.seen(BadFrame))

        assert len(rig.seen(Connected)) == 1


async def test_f8_large_frame_within_the_limit_is_taken(keys: SimulatorKeys, seed: int) -> None:
    """2 MiB of a topic that nobody knows pass through and are reported, not kept."""
    async with fault_rig(keys, seed) as rig:
        async with listening(rig, rig.ib.stream.market_data(AAPL)) as (quotes,):
            await rig.until(quotes.updates)
            rig.sim.push('{"topic":"xyz","x":"' + "y" * (2 << 20) + '"}')
            await rig.until(lambda: rig.ib.stream.stats.unknown == 1)

        assert rig.quiet
        assert not rig.seen(BadFrame)


async def test_client_that_cannot_connect_keeps_trying_and_leaves_in_time(
    keys: SimulatorKeys, seed: int
) -> None:
    """Refused connections are retried with growing pauses; closing does not wait for the next one."""
    async with fault_rig(keys, seed, stream=stream_with(retry_cap_s=30.0)) as rig:
        rig.proxy.refuse = True
        async with listening(rig, rig.ib.stream.market_data(AAPL)):
            await rig.until(lambda: len(rig.seen(ConnectFailed)) >= 4)
            pauses = [event.retry_in_s for event in rig.seen(ConnectFailed)]
            began = time.monotonic()
            await rig.ib.aclose()

        assert time.monotonic() - began < 1.0
        assert not any(event.fatal for event in rig.seen(ConnectFailed))
        assert all(pause <= 2**n / SCALE for n, pause in enumerate(pauses))


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()
