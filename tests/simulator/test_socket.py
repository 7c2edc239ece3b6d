"""The socket of a running simulator."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from ibkr_async.simulator import BrokerSettings, Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.simulator.sockets.socket import SocketFacts, session_cookie
from support.inside import simulator_parts
from support.simulator_peer import (
    FAST,
    Peer,
    greeted,
    read_to_the_end,
    receive,
    receive_topic,
    trust,
)
from support.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

AAPL = 265598
SMD = f'smd+{AAPL}+{{"fields":["31","84","86","6509"]}}'


@asynccontextmanager
async def running(keys: SimulatorKeys, settings: SimulatorSettings) -> AsyncIterator[Peer]:
    """Run a simulator with other settings, and a gateway client of it."""
    async with Simulator(keys=keys, settings=settings) as sim:
        client = Peer(sim, keys, signed=False)
        async with client.http:
            yield client


async def settled(sim: Simulator) -> SocketFacts:
    """Return the newest socket's facts once it has ended."""
    async with asyncio.timeout(5):
        while simulator_parts(sim).hub.open_sockets:  # noqa: ASYNC110 - the hub tells nobody
            await asyncio.sleep(0.005)
    return sim.sockets[-1]


@pytest.mark.parametrize("json_cookie", [False, True])
async def test_cookie_binds_and_greeting_comes(
    sim: Simulator, peer: Peer, json_cookie: bool
) -> None:
    """Both spellings of the cookie lead to system, act and sts."""
    session = await peer.ready()
    async with peer.socket(session, json_cookie=json_cookie) as websocket:
        system, act, sts = await greeted(websocket)

    assert (system["topic"], system["success"], system["isPaper"]) == ("system", "simulator", True)
    assert act["args"]["accounts"] == [sim.account_id]
    assert (sts["args"]["authenticated"], sts["args"]["competing"]) == (True, False)
    facts = await settled(sim)
    assert (facts.identity, facts.client_close_code, facts.server_close_code) == (
        "oauth",
        1000,
        None,
    )


async def test_session_text_binds_a_socket_without_cookie(sim: Simulator, peer: Peer) -> None:
    """The server asks for the session, ignores anything else, and greets without an echo."""
    session = await peer.ready()
    async with peer.socket(None) as websocket:
        asked = await receive(websocket)
        await websocket.send("tic")
        await websocket.send('{"session":"00000000000000000000000000000000"}')
        await websocket.send(json.dumps({"session": session}))
        system = await receive(websocket)

    assert asked == {"message": "waiting for session"}
    assert system["success"] == "simulator"
    assert sim.lost_frames == 2


async def test_unknown_cookie_and_switch_ask_for_the_session(keys: SimulatorKeys) -> None:
    """A cookie that is nobody's does not bind; with the switch none does."""
    async with running(keys, replace(FAST, waiting_for_session=True)) as client:
        for session in (await client.ready(), "f" * 32):
            async with client.socket(session) as websocket:
                assert await receive(websocket) == {"message": "waiting for session"}


async def test_gateway_cookie_alone_binds(sim: Simulator, gateway_peer: Peer) -> None:
    """A gateway's own cookie is enough."""
    reply = await gateway_peer.call("GET", "/tickle")
    name, _, value = reply.headers["set-cookie"].partition(";")[0].partition("=")

    assert session_cookie(f"{name}={value}") == reply.json()["session"]
    assert session_cookie("theme=dark") is None


async def test_upgrade_is_checked(
    sim: Simulator, peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong access token is 401; a missing User-Agent is 403; nothing is logged."""
    session = await peer.ready()
    peer.keys = replace(peer.keys, access_token="0" * 20)
    with pytest.raises(InvalidStatus, match="401"):
        async with peer.socket(session):
            pass

    with pytest.raises(InvalidStatus, match="403"):
        async with connect(sim.ws_url, ssl=trust(sim), user_agent_header=None, proxy=None):
            pass

    assert caplog.messages == []


async def test_socket_before_the_brokerage_session_is_closed(sim: Simulator, peer: Peer) -> None:
    """Connecting too early ends with 1000 right after opening."""
    await peer.log_in()
    session = (await peer.call("POST", "/tickle")).json()["session"]
    async with peer.socket(session) as websocket:
        with pytest.raises(ConnectionClosed):
            await receive(websocket)

    assert websocket.close_code == 1000
    assert (await settled(sim)).server_close_code == 1000


async def test_oauth_session_needs_its_access_token(sim: Simulator, peer: Peer) -> None:
    """The cookie of a signed session without `oauth_token` in the address is not enough."""
    session = await peer.ready()
    peer.signed = False
    async with peer.socket(session) as websocket:
        with pytest.raises(ConnectionClosed):
            await receive(websocket)


async def test_frames_before_the_greeting_are_lost(keys: SimulatorKeys) -> None:
    """What a hasty client sends goes nowhere: no reply, no error, no close."""
    async with running(keys, replace(FAST, greeting_delay_s=0.2)) as client:
        async with client.socket(await client.ready()) as websocket:
            await websocket.send(SMD)
            await websocket.send("tic")
            frames = await greeted(websocket)
            await websocket.send("sor+{}")
            await websocket.send("nonsense")
            after = await receive(websocket)

        assert [frame["topic"] for frame in frames] == ["system", "act", "sts"]
        assert after == {"error": "Topic unknown nonsense", "code": 1}
        assert client.sim.lost_frames == 2


async def test_tic_is_answered_four_times(gateway_peer: Peer) -> None:
    """Four identical copies with the tickle session's id."""
    session = await gateway_peer.ready()
    async with gateway_peer.socket(session) as websocket:
        await greeted(websocket)
        await websocket.send(b"tic")
        answers = [await receive(websocket) for _ in range(4)]

    assert len({json.dumps(answer) for answer in answers}) == 1
    assert (answers[0]["topic"], answers[0]["alive"], answers[0]["id"]) == ("tic", True, session)


async def test_heartbeats_come_and_frames_can_be_binary(keys: SimulatorKeys) -> None:
    """Heartbeats carry Unix milliseconds; the binary switch sends the same JSON as bytes."""
    async with (
        running(keys, replace(FAST, heartbeat_s=0.02, binary_frames=True)) as client,
        client.socket(await client.ready()) as websocket,
    ):
        assert isinstance(await websocket.recv(), bytes)
        heartbeat = await receive_topic(websocket, "system")

        assert abs(heartbeat["hb"] - client.sim.now() * 1000) < 5000


async def test_market_data_starts_full_and_goes_on_with_changes(
    sim: Simulator, gateway_peer: Peer
) -> None:
    """The first frame twice in the two recorded orders, then only what changed, in wire order."""
    async with gateway_peer.socket(await gateway_peer.ready()) as websocket:
        await greeted(websocket)
        await websocket.send(SMD)
        first = json.loads(await websocket.recv())
        second = json.loads(await websocket.recv())
        changes = [await receive(websocket) for _ in range(5)]

    assert next(iter(first)) == "6509"
    assert first == second
    assert list(second) == [
        "server_id",
        "conidEx",
        "conid",
        "_updated",
        "6119",
        "84",
        "31",
        "86",
        "6509",
        "topic",
    ]
    assert second["server_id"] == second["6119"]
    state = dict(second)
    for change in changes:
        tags = set(change) & {"31", "84", "86"}
        assert tags
        assert all(change[tag] != state[tag] for tag in tags)
        assert "6509" not in change
        state |= change


async def test_topic_only_frames_and_one_first_frame(keys: SimulatorKeys) -> None:
    """The switches: nothing but the topic after each update, and a single first frame."""
    settings = replace(FAST, topic_only_every=1, first_smd_frame_twice=False)
    async with (
        running(keys, settings) as client,
        client.socket(await client.ready()) as websocket,
    ):
        await greeted(websocket)
        await websocket.send(SMD)
        frames = [await receive(websocket) for _ in range(3)]

    assert ["84" in frame or "31" in frame or "86" in frame for frame in frames] == [
        True,
        True,
        False,
    ]
    assert frames[2] == {"topic": f"smd+{AAPL}"}


async def test_piecemeal_sts(keys: SimulatorKeys) -> None:
    """Each fact can come in a frame of its own."""
    async with (
        running(keys, replace(FAST, piecemeal_sts=True)) as client,
        client.socket(await client.ready()) as websocket,
    ):
        frames = [(await receive_topic(websocket, "sts"))["args"] for _ in range(9)]

    assert {"authenticated": True} in frames
    assert all(len(frame) == 1 for frame in frames)


async def test_market_data_expires_silently(sim: Simulator, gateway_peer: Peer) -> None:
    """After ten minutes the stream ends without a word, and a new request restarts it."""
    async with gateway_peer.socket(await gateway_peer.ready()) as websocket:
        await greeted(websocket)
        await websocket.send(SMD)
        await receive_topic(websocket, f"smd+{AAPL}")
        feeds = simulator_parts(sim).floor.screens[0]
        await gateway_peer.call("POST", "/tickle")
        sim.shift_clock(300, lapse=True)
        assert feeds.quotes.open
        await gateway_peer.call("POST", "/tickle")
        sim.shift_clock(301, lapse=True)

        assert not feeds.quotes.open
        await websocket.send(SMD)
        while "6509" not in await receive_topic(websocket, f"smd+{AAPL}"):
            pass


async def test_unsubscribing_and_rest_silence_streams(sim: Simulator, gateway_peer: Peer) -> None:
    """`umd`, REST unsubscribe and unsubscribeall all stop the socket's streams."""
    async with gateway_peer.socket(await gateway_peer.ready()) as websocket:
        await greeted(websocket)
        feeds = simulator_parts(sim).floor.screens[0]
        ends: list[tuple[str, str, Any]] = [
            ("POST", "/iserver/marketdata/unsubscribe", {"conid": AAPL}),
            ("GET", "/iserver/marketdata/unsubscribeall", None),
        ]
        for method, path, body in ends:
            await websocket.send(SMD)
            await receive_topic(websocket, f"smd+{AAPL}")
            # It may have been a late frame of the stream before.
            await until(lambda: feeds.quotes.open)
            refused = await gateway_peer.call(
                "POST", "/iserver/marketdata/unsubscribe", {"conid": 1}
            )
            assert refused.status_code == 500
            assert feeds.quotes.open
            assert (await gateway_peer.call(method, path, body)).status_code == 200
            assert not feeds.quotes.open
        await websocket.send(SMD)
        await receive_topic(websocket, f"smd+{AAPL}")
        await websocket.send(f"umd+{AAPL}+{{}}")
        await websocket.send(f"umd+{AAPL}+{{}}")
        await websocket.send("tic")
        await receive_topic(websocket, "tic")

        assert not feeds.quotes.open
        assert not list(simulator_parts(sim).floor.fields(AAPL))


@pytest.mark.parametrize(
    "text", ["smd+x+{}", "smd+{}", 'smd+265598+{"fields":5}', 'smd+1+{"fields":["31"]}', "umd+{}"]
)
async def test_requests_that_cannot_be_served_stay_silent(gateway_peer: Peer, text: str) -> None:
    """No error frame is known for a bad conid or bad fields, so none is sent."""
    async with gateway_peer.socket(await gateway_peer.ready()) as websocket:
        await greeted(websocket)
        await websocket.send(text)
        await websocket.send("tic")

        assert (await receive(websocket))["topic"] == "tic"


async def test_data_lines_run_out_silently(keys: SimulatorKeys) -> None:
    """With one line, the second instrument gets nothing."""
    settings = replace(FAST, broker=BrokerSettings(market_data_lines=1, volatility=0))
    async with (
        running(keys, settings) as client,
        client.socket(await client.ready()) as websocket,
    ):
        await greeted(websocket)
        await websocket.send(SMD)
        await websocket.send('smd+8314+{"fields":["31"]}')
        await websocket.send("tic")
        frames = [await receive(websocket) for _ in range(3)]

    assert [frame["topic"] for frame in frames] == [f"smd+{AAPL}", f"smd+{AAPL}", "tic"]


async def test_orders_fills_and_pnl_are_streamed(sim: Simulator, gateway_peer: Peer) -> None:
    """`sor` starts silent, `str` with an empty frame; a fill comes twice, then is history."""
    ticket = {
        "conid": AAPL,
        "orderType": "MKT",
        "side": "BUY",
        "tif": "DAY",
        "quantity": 5,
        "cOID": "first",
    }
    path = f"/iserver/account/{sim.account_id}/orders"
    session = await gateway_peer.ready()
    async with gateway_peer.socket(session) as websocket:
        await greeted(websocket)
        await websocket.send("sor+{}")
        await websocket.send('str+{"realtimeUpdatesOnly":true}')
        assert await receive(websocket) == {"topic": "str", "args": []}
        await websocket.send("spl+{}")
        pnl = await receive(websocket)
        placed = (await gateway_peer.call("POST", path, {"orders": [ticket]})).json()
        while "id" in placed[0]:
            reply = f"/iserver/reply/{placed[0]['id']}"
            placed = (await gateway_peer.call("POST", reply, {"confirmed": True})).json()
        order = await receive_topic(websocket, "sor")
        fill = await receive_topic(websocket, "str")
        sim.shift_clock(2)
        again = await receive_topic(websocket, "str")
        later = await receive_topic(websocket, "spl")
        for text in ("uor+{}", "utr", "upl"):
            await websocket.send(text)
        await websocket.send("str")
        assert await receive_topic(websocket, "str") == {"topic": "str", "args": []}
        history = await receive_topic(websocket, "str")

    assert list(pnl["args"]) == [f"{sim.account_id}.Core"]
    assert set(pnl["args"][f"{sim.account_id}.Core"]) > {"rowType", "dpl", "nl"}
    assert later["args"][f"{sim.account_id}.Core"]["rowType"] == 1
    assert order["args"][0]["order_ref"] == "first"
    assert "commission" not in fill["args"][0]
    assert again["args"][0]["execution_id"] == fill["args"][0]["execution_id"]
    assert again["args"][0]["commission"]
    assert [row["execution_id"] for row in history["args"]] == [fill["args"][0]["execution_id"]]


async def test_lost_brokerage_session_is_announced_and_streams_stop(
    sim: Simulator, peer: Peer
) -> None:
    """A takeover is told once by `sts`; data stops; winning it back is told too."""
    async with peer.socket(await peer.ready()) as websocket:
        await greeted(websocket)
        await websocket.send(SMD)
        await receive_topic(websocket, f"smd+{AAPL}")
        sim.compete()
        lost = await receive_topic(websocket, "sts")
        await websocket.send(SMD)
        sim.tick()
        await websocket.send("tic")
        silent = await receive(websocket)
        await peer.call("POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
        won = await receive_topic(websocket, "sts")

        assert lost["args"] == {"authenticated": False, "established": False, "competing": True}
        assert silent["topic"] == "tic"
        assert won["args"]["authenticated"] is True
        assert not simulator_parts(sim).floor.screens[0].quotes.open


async def test_second_socket_of_a_session_shares_the_fields(
    sim: Simulator, gateway_peer: Peer
) -> None:
    """One field set per instrument: a second request adds, an unsubscription takes all away."""
    session = await gateway_peer.ready()
    async with gateway_peer.socket(session) as one, gateway_peer.socket(session) as two:
        await greeted(one)
        await greeted(two)
        await one.send('smd+265598+{"fields":["31"]}')
        await receive_topic(one, f"smd+{AAPL}")
        await two.send('smd+265598+{"fields":["84"]}')
        frame = await receive_topic(two, f"smd+{AAPL}")
        assert {"31", "84"} <= set(frame)
        await two.send("umd+265598")
        await two.send("tic")
        await receive_topic(two, "tic")

        assert not list(simulator_parts(sim).floor.fields(AAPL))


async def test_pushes_and_drops_reach_every_socket(sim: Simulator, gateway_peer: Peer) -> None:
    """The levers send any text, close with any code, and cut the line."""
    session = await gateway_peer.ready()
    async with gateway_peer.socket(session) as websocket:
        await greeted(websocket)
        assert sim.broker.account_ids == (sim.account_id,)
        sim.push("not even JSON")
        assert await websocket.recv() == "not even JSON"
        sim.drop_sockets(1012)
        sim.drop_sockets(1001)
        with pytest.raises(ConnectionClosed):
            await websocket.recv()
    assert websocket.close_code == 1012

    async with gateway_peer.socket(None) as unbound:
        await receive(unbound)
        sim.push("not for you")
        sim.drop_sockets()
        with pytest.raises(ConnectionClosed):
            await unbound.recv()
    assert unbound.close_code == 1006
    assert (await settled(sim)).server_close_code == 1006


@pytest.mark.parametrize("code", [1005, 1006, 1015])
async def test_code_that_no_frame_carries_cuts_the_line_quietly(
    sim: Simulator, gateway_peer: Peer, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    """1006 is what a client says of a line that was cut; no server can send it."""
    async with gateway_peer.socket(await gateway_peer.ready()) as websocket:
        await greeted(websocket)
        sim.drop_sockets(code)
        with pytest.raises(ConnectionClosed):
            await websocket.recv()

    assert websocket.close_code == 1006
    assert (await settled(sim)).server_close_code == 1006
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize("code", [0, -1, 999, 1004, 1016, 2999, 5000, 70000])
async def test_number_that_is_no_close_code_is_refused(
    sim: Simulator, gateway_peer: Peer, code: int
) -> None:
    """It is said to whoever asks for it, and every socket goes on."""
    async with gateway_peer.socket(await gateway_peer.ready()) as websocket:
        await greeted(websocket)
        with pytest.raises(ValueError, match="close frame"):
            sim.drop_sockets(code)
        sim.push("still here")

        assert await websocket.recv() == "still here"


async def test_client_that_vanishes_is_noted(sim: Simulator, gateway_peer: Peer) -> None:
    """Without a close frame the code is 1006, and the streams are gone."""
    session = await gateway_peer.ready()
    async with gateway_peer.socket(session) as websocket:
        await greeted(websocket)
        websocket.transport.abort()

        assert (await settled(sim)).client_close_code == 1006
    assert not simulator_parts(sim).floor.screens


async def test_logout_closes_the_sockets_of_that_login(sim: Simulator, gateway_peer: Peer) -> None:
    """The server ends the connection with 1000 after the answer."""
    async with gateway_peer.socket(await gateway_peer.ready()) as websocket:
        await greeted(websocket)
        await gateway_peer.call("POST", "/logout")
        with pytest.raises(ConnectionClosed):
            await read_to_the_end(websocket)

    assert websocket.close_code == 1000


async def test_client_that_does_not_read_is_dropped(keys: SimulatorKeys) -> None:
    """A full outbox ends the connection instead of filling the memory."""
    async with (
        running(keys, replace(FAST, outbox_frames=3)) as client,
        client.socket(await client.ready()) as websocket,
    ):
        await greeted(websocket)
        for _ in range(5):
            client.sim.push("x")
        client.sim.drop_sockets(1001)

        assert (await settled(client.sim)).server_close_code == 1008


async def test_full_outbox_does_not_stop_a_close(keys: SimulatorKeys) -> None:
    """When a close frame cannot be queued the line is cut."""
    async with (
        running(keys, replace(FAST, outbox_frames=3)) as client,
        client.socket(await client.ready()) as websocket,
    ):
        await greeted(websocket)
        for _ in range(3):
            client.sim.push("x")
        client.sim.drop_sockets(1001)

        assert (await settled(client.sim)).server_close_code == 1001
        with pytest.raises(ConnectionClosed):
            await read_to_the_end(websocket)
