"""The levers on streams, limits and sessions, over real sockets and requests."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from websockets.exceptions import ConnectionClosed

from ibkr_async.simulator import BrokerSettings, Simulator
from ibkr_async.simulator.limits import EVERYTHING, Judge
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.simulator_peer import FAST, Peer, greeted, read_to_the_end, receive, receive_topic

AAPL, IBM = 265598, 8314
SMD = f'smd+{AAPL}+{{"fields":["31","84","86"]}}'


async def test_stalled_server_answers_pings_and_nothing_else(
    sim: Simulator, gateway_peer: Peer
) -> None:
    """Frames are lost while it is stalled, and come again afterwards."""
    async with gateway_peer.socket(await gateway_peer.ready()) as websocket:
        await greeted(websocket)
        sim.stall()
        await websocket.send("tic")
        await (await websocket.ping())
        sim.push('{"topic":"lost"}')
        await (await websocket.ping())
        sim.unstall()
        sim.push('{"topic":"after"}')

        assert await receive(websocket) == {"topic": "after"}
    assert sim.sockets[-1].requests["tic"] == 1


async def test_muting_and_silencing_name_a_topic(sim: Simulator, gateway_peer: Peer) -> None:
    """One topic falls silent while another flows; what runs can be looked at."""
    async with gateway_peer.socket(await gateway_peer.ready()) as websocket:
        await greeted(websocket)
        await websocket.send(SMD)
        await websocket.send(SMD.replace(str(AAPL), str(IBM)))
        await receive_topic(websocket, f"smd+{IBM}")
        assert sim.streams == [[f"smd+{AAPL}", f"smd+{IBM}"]]
        assert sim.open_connections == 2  # the socket, and what the requests left open
        sim.mute(f"smd+{AAPL}")
        await websocket.send("tic")
        await receive_topic(websocket, "tic")
        heard = {(await receive(websocket))["topic"] for _ in range(10)}
        sim.unmute(f"smd+{AAPL}")
        sim.silence_market_data(IBM)

        assert f"smd+{AAPL}" not in heard
        assert sim.streams == [[f"smd+{AAPL}"]]
        assert await receive_topic(websocket, f"smd+{AAPL}")


async def test_server_says_things_by_itself(sim: Simulator, gateway_peer: Peer) -> None:
    """Notice, prompt with its answer over REST, bulletin, accounts, and errors of every form."""
    async with gateway_peer.socket(await gateway_peer.ready()) as websocket:
        await greeted(websocket)
        sim.notify("an order will be cancelled")
        sim.prompt("Use the algorithm?", ["Yes", "No"], order_id=7)
        sim.bulletin("To all traders")
        sim.push_accounts()
        sim.push_error("Topic unknown x", code=1)
        sim.push_error("bad", topic="smd+1")
        notice, prompt, bulletin, accounts, error, other = [
            await receive(websocket) for _ in range(6)
        ]
        answer = {"orderId": 7, "reqId": prompt["args"][0]["reqId"], "text": "Yes"}
        reply = await gateway_peer.call("POST", "/iserver/notification", answer)

    assert notice["args"][0]["text"] == "an order will be cancelled"
    assert (prompt["args"][0]["options"], prompt["args"][0]["prompt"]) == (["Yes", "No"], True)
    assert bulletin["args"][0]["message"] == "To all traders"
    assert accounts["args"]["selectedAccount"] == sim.account_id
    assert error == {"error": "Topic unknown x", "code": 1}
    assert other == {"error": "bad", "topic": "smd+1"}
    assert reply.status_code == 200
    assert sim.prompt_answers == [answer]


async def test_reset_by_hand(keys: SimulatorKeys) -> None:
    """Sockets are closed, `/iserver` is 503, init fails; afterwards a session can be opened."""
    settings = replace(FAST, reset_close_code=1001)
    async with Simulator(keys=keys, settings=settings) as sim:
        peer = Peer(sim, keys)
        async with peer.http, peer.socket(await peer.ready()) as websocket:
            await greeted(websocket)
            sim.begin_reset()
            with pytest.raises(ConnectionClosed):
                await read_to_the_end(websocket)
            down = await peer.call("GET", "/iserver/accounts")
            init = {"publish": True, "compete": True}
            refused = (await peer.call("POST", "/iserver/auth/ssodh/init", init)).json()
            sim.end_reset()
            opened = (await peer.call("POST", "/iserver/auth/ssodh/init", init)).json()

    assert websocket.close_code == 1001
    assert down.status_code == 503
    assert (refused["authenticated"], opened["authenticated"]) == (False, True)


async def test_limits_are_judged_always_and_enforced_with_the_switch(keys: SimulatorKeys) -> None:
    """The second `/tickle` within a second is a breach; enforced, the address is blocked."""
    for enforced in (False, True):
        settings = replace(FAST, enforce_limits=enforced)
        async with Simulator(keys=keys, settings=settings) as sim:
            peer = Peer(sim, keys, signed=False)
            async with peer.http:
                codes = [(await peer.call("POST", "/tickle")).status_code for _ in range(2)]
                codes.append((await peer.call("GET", "/iserver/accounts")).status_code)
                sim.shift_clock(601)
                codes.append((await peer.call("GET", "/iserver/auth/status")).status_code)

        assert codes == ([200, 429, 429, 200] if enforced else [200] * 4)
        assert sim.violations == {"/tickle: 1 in 1 s": 1}
        assert sim.boxed_requests == 1


def test_limits_hold_in_every_sliding_second() -> None:
    """Ten in a second pass, wherever the second begins; the eleventh does not."""
    judge = Judge(box_s=0.0)
    admitted = [judge.admits(f"/x/{n}", 100.5 + n * 0.09) for n in range(22)]

    assert admitted[:10] == [True] * 10
    assert not all(admitted)
    spaced = Judge(box_s=0.0)
    assert all(spaced.admits("/x", 100.0 + n * 0.1001) for n in range(200))
    assert not spaced.violations
    assert str(EVERYTHING) in judge.violations


def test_each_path_of_a_family_is_judged_by_itself() -> None:
    """`/fyi/*` is one limit for each path."""
    judge = Judge(box_s=0.0)

    assert judge.admits("/fyi/unreadnumber", 0.0)
    assert judge.admits("/fyi/notifications", 0.0)
    assert not judge.admits("/fyi/unreadnumber", 0.5)


async def test_fyi_needs_a_second_call_with_the_switch(keys: SimulatorKeys) -> None:
    """423 `waiting for reply` first, then the answers."""
    settings = replace(FAST, broker=BrokerSettings(fyi_warm_up=True))
    async with Simulator(keys=keys, settings=settings) as sim:
        peer = Peer(sim, keys, signed=False)
        async with peer.http:
            await peer.ready()
            first = await peer.call("GET", "/fyi/unreadnumber")
            second = await peer.call("GET", "/fyi/unreadnumber")
            notices = await peer.call("GET", "/fyi/notifications")

    assert (first.status_code, first.json()) == (423, {"status": "waiting for reply"})
    assert (second.json(), notices.json()) == ({"BN": 0}, [])


async def test_sixth_bars_and_exercise_go_over_a_real_socket(
    sim: Simulator, gateway_peer: Peer
) -> None:
    """The dialogue topics are reached like the others."""
    async with gateway_peer.socket(await gateway_peer.ready()) as websocket:
        await greeted(websocket)
        for _ in range(6):
            await websocket.send(f'smh+{AAPL}+{{"period":"1h","bar":"5min"}}')
        answers = [await receive(websocket) for _ in range(6)]
        await websocket.send('shs+exercise+{"CEX":"900000201"}')
        ack = await receive(websocket)

    assert ["error" in answer for answer in answers] == [False] * 5 + [True]
    assert len({answer["serverId"] for answer in answers[:5]}) == 5
    assert ack == {"topic": "shs+exercise"}
    assert json.dumps(sim.sockets[-1].requests)


async def test_levers_need_a_running_simulator() -> None:
    """Before the context is entered there is nothing to move."""
    with pytest.raises(RuntimeError, match="not running"):
        Simulator().stall()
