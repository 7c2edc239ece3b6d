"""The REST side of a running simulator."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from ibkr_async.simulator import Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.simulator_peer import FAST, Peer

INIT = {"publish": True, "compete": False}


async def test_login_and_brokerage_session(sim: Simulator, peer: Peer) -> None:
    """Live session token, init, accounts: the way every client goes."""
    reply = await peer.log_in()
    assert reply.json()["live_session_token_expiration"] > sim.now() * 1000 + 86_000_000
    before = (await peer.call("POST", "/iserver/auth/status")).json()
    after = (await peer.call("POST", "/iserver/auth/ssodh/init", INIT)).json()
    accounts = (await peer.call("GET", "/iserver/accounts")).json()

    assert (before["authenticated"], before["connected"]) == (False, False)
    assert (after["authenticated"], after["established"]) == (True, True)
    assert accounts["selectedAccount"] == sim.account_id
    assert sim.signature_forms == {"A": 4}
    assert {record.identity for record in sim.requests} == {"oauth"}


async def test_brokerage_endpoints_need_the_brokerage_session(peer: Peer) -> None:
    """Before init, `/iserver` says no bridge; portfolio endpoints work at once."""
    await peer.log_in()

    refused = await peer.call("GET", "/iserver/accounts")
    portfolio = await peer.call("GET", "/portfolio/accounts")

    assert (refused.status_code, refused.json()) == (
        400,
        {"error": "Bad Request: no bridge", "statusCode": 400},
    )
    assert portfolio.status_code == 200


async def test_orders_need_the_accounts_first(peer: Peer) -> None:
    """The broker's own warm-up rule shows through."""
    await peer.log_in()
    await peer.call("POST", "/iserver/auth/ssodh/init", INIT)

    reply = await peer.call("GET", "/iserver/account/orders")

    assert reply.status_code == 400
    assert "Please query /accounts first" in reply.json()["error"]


async def test_unsigned_oauth_step_and_wrong_signature_are_refused(
    sim: Simulator, peer: Peer
) -> None:
    """401 with a number that differs each time, and nothing about the secret."""
    unsigned = await peer.http.post("/oauth/live_session_token", content=b"")
    wrong = await peer.call("GET", "/portfolio/accounts")
    peer.live_token = b"x" * 20
    await_login = await peer.log_in()
    peer.live_token = b"y" * 20
    tampered = await peer.call("GET", "/portfolio/accounts")

    assert await_login.status_code == 200
    assert [reply.status_code for reply in (unsigned, wrong, tampered)] == [401, 401, 401]
    assert wrong.json()["error"].endswith("no live session token, or it has expired")
    assert tampered.json()["error"].endswith("error: invalid signature")
    assert unsigned.json()["error"] != wrong.json()["error"]
    assert sim.requests[0] == ("POST", "/oauth/live_session_token", 401, "")


async def test_first_party_consumer_cannot_request_tokens(sim: Simulator, peer: Peer) -> None:
    """The third-party steps are refused even when they are signed well."""
    reply = await peer.oauth_step("request_token", oauth_callback="oob")

    assert reply.status_code == 401
    assert reply.json()["error"].endswith("error: invalid consumer")
    assert sim.signature_forms == {"A": 1}


async def test_bad_challenge_is_refused(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A share of 1 would make the token guessable."""
    monkeypatch.setattr("support.simulator_peer.secrets.randbits", lambda _bits: 0)

    reply = await peer.log_in()

    assert reply.status_code == 401
    assert "LST failed" in reply.json()["error"]


async def test_expired_token_needs_a_new_login(sim: Simulator, peer: Peer) -> None:
    """The lever and the clock both end a login; a new one goes on with the same session."""
    await peer.ready()
    sim.expire_token()
    expired = await peer.call("GET", "/iserver/accounts")
    await peer.log_in()
    renewed = await peer.call("GET", "/iserver/accounts")
    sim.shift_clock(86_401, lapse=True)
    late = await peer.call("GET", "/portfolio/accounts")

    assert [reply.status_code for reply in (expired, renewed, late)] == [401, 200, 401]


async def test_publish_false_is_a_server_error(peer: Peer) -> None:
    """IBKR answers this client's mistake with 500."""
    await peer.log_in()

    reply = await peer.call("POST", "/iserver/auth/ssodh/init", {"publish": False})

    assert reply.status_code == 500


async def test_init_takes_query_parameters_too(peer: Peer) -> None:
    """GET with a signed query opens the session as well."""
    await peer.log_in()

    reply = await peer.call("GET", "/iserver/auth/ssodh/init", publish="true", compete="true")

    assert reply.json()["established"] is True


async def test_competing_session_is_lost_and_won_back(sim: Simulator, peer: Peer) -> None:
    """Without `compete`, init answers 200 with `authenticated:false`."""
    await peer.ready()
    sim.compete()

    lost = (await peer.call("POST", "/iserver/auth/ssodh/init", INIT)).json()
    bridge = await peer.call("GET", "/iserver/accounts")
    won = (
        await peer.call("POST", "/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    ).json()

    assert (lost["authenticated"], lost["competing"]) == (False, True)
    assert bridge.status_code == 400
    assert (won["authenticated"], won["competing"]) == (True, False)


async def test_idle_session_lapses_and_ends_by_lever(sim: Simulator, peer: Peer) -> None:
    """Six quiet minutes, or the nightly reset, leave connected but not authenticated."""
    await peer.ready()
    sim.shift_clock(361, lapse=True)
    status = (await peer.call("GET", "/iserver/auth/status")).json()
    assert (status["connected"], status["authenticated"]) == (True, False)

    await peer.call("POST", "/iserver/auth/ssodh/init", INIT)
    sim.end_session()

    status = (await peer.call("GET", "/iserver/auth/status")).json()
    assert (status["connected"], status["authenticated"]) == (True, False)


async def test_tickle_shapes_differ_by_login(peer: Peer, gateway_peer: Peer) -> None:
    """A gateway's tickle has the three single sign-on keys, and its answers set a cookie."""
    signed = await peer.ready()
    reply = await gateway_peer.call("GET", "/tickle")

    assert len(signed) == 32
    assert reply.json()["ssoExpires"] > 0
    assert reply.json()["hmds"] == {"error": "no bridge"}
    assert "x-sess-uuid=" in reply.headers["set-cookie"]
    assert "Path=/v1/api" in reply.headers["set-cookie"]


async def test_gateway_is_logged_in_and_logs_out(sim: Simulator, gateway_peer: Peer) -> None:
    """Unsigned requests share the session that the gateway opened; logout ends it."""
    accounts = await gateway_peer.call("GET", "/iserver/accounts")
    validation = await gateway_peer.call("GET", "/sso/validate")
    triggered = await gateway_peer.call("POST", "/iserver/reauthenticate")
    goodbye = await gateway_peer.call("POST", "/logout")
    again = await gateway_peer.call("POST", "/logout")
    after = await gateway_peer.call("GET", "/iserver/accounts")

    assert accounts.status_code == 200
    assert validation.json()["LOGIN_TYPE"] == 2
    assert triggered.json() == {"message": "triggered"}
    assert goodbye.json() == again.json() == {"status": True}
    assert after.status_code == 400
    assert {record.identity for record in sim.requests} == {"gateway"}


async def test_gateway_can_be_switched_off(keys: SimulatorKeys) -> None:
    """Then every request must be signed."""
    settings = SimulatorSettings(gateway=False)
    async with Simulator(keys=keys, settings=settings) as sim:
        client = Peer(sim, keys, signed=False)
        async with client.http:
            reply = await client.call("GET", "/portfolio/accounts")

    assert reply.status_code == 401


async def test_edge_wants_user_agent_and_length(peer: Peer) -> None:
    """Without a User-Agent 403, without a Content-Length 411, both as HTML."""

    async def chunks() -> Any:
        yield b"{}"

    nobody = await peer.http.get("/tickle", headers={"User-Agent": ""})
    chunked = await peer.http.post("/tickle", content=chunks())

    assert (nobody.status_code, chunked.status_code) == (403, 411)
    assert nobody.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(("path", "status"), [("/nothing/here", 404), ("/../../elsewhere", 404)])
async def test_unknown_paths_are_not_found(gateway_peer: Peer, path: str, status: int) -> None:
    """What nobody knows is 404."""
    reply = await gateway_peer.call("GET", path)

    assert reply.status_code == status


async def test_unreadable_body_is_a_bad_request(sim: Simulator, gateway_peer: Peer) -> None:
    """Broken JSON and a body of another shape never crash the server."""
    await gateway_peer.call("GET", "/iserver/accounts")
    broken = await gateway_peer.http.post("/iserver/account", content=b"{")
    form = await gateway_peer.http.post("/iserver/account", data={"acctId": sim.account_id})
    no_object = await gateway_peer.http.post("/iserver/auth/ssodh/init", content=b"[]")

    assert (broken.status_code, form.status_code, no_object.status_code) == (400, 200, 500)


async def test_ordered_failures_replace_answers(sim: Simulator, gateway_peer: Peer) -> None:
    """JSON or HTML, before or after the request took effect, as often as ordered."""
    sim.fail_next("/tickle", 503, {"error": "Service Unavailable", "statusCode": 503})
    sim.fail_next("/logout", 502, "<html>", after=True)
    first = await gateway_peer.call("POST", "/tickle")
    second = await gateway_peer.call("POST", "/tickle")
    lost = await gateway_peer.call("POST", "/logout")
    status = (await gateway_peer.call("GET", "/iserver/auth/status")).json()

    assert (first.status_code, second.status_code) == (503, 200)
    assert (lost.status_code, lost.text) == (502, "<html>")
    assert status["authenticated"] is False


async def test_connection_can_be_cut_before_and_after_the_request_takes_effect(
    sim: Simulator, gateway_peer: Peer
) -> None:
    """Not a byte comes back; only with `after` the session has ended."""
    sim.drop_next("/logout")
    sim.drop_next("/logout", after=True)
    held = []
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
            await gateway_peer.call("POST", "/logout")
        status = (await gateway_peer.call("GET", "/iserver/auth/status")).json()
        held.append(status["authenticated"])

    assert held == [True, False]
    assert [each.status for each in sim.requests if each.path == "/logout"] == [0, 0]


async def test_tolerant_simulator_records_which_form_matched(keys: SimulatorKeys) -> None:
    """A client that leaves the query out of its signature is accepted, and counted."""
    async with Simulator(keys=keys, tolerant=True, settings=FAST) as sim:
        client = Peer(sim, keys)
        async with client.http:
            await client.log_in()
            url = f"{sim.base_url}/trsrv/stocks"
            reply = await client.http.get(
                "/trsrv/stocks",
                params={"symbols": "AAPL"},
                headers={"Authorization": client.header("GET", url, [])},
            )
        forms = dict(sim.signature_forms)

    assert reply.status_code == 200
    assert forms == {"A": 1, "B": 1}


async def test_banner_tells_that_this_is_not_ibkr(gateway_peer: Peer) -> None:
    """Every answer names the simulator, so that a client can refuse to send real credentials."""
    reply = await gateway_peer.call("GET", "/tickle")

    assert reply.headers.get_list("server") == ["ibkr_async-simulator"]


async def test_requests_run_side_by_side(peer: Peer) -> None:
    """Many requests at once are all answered, each with its own nonce."""
    await peer.ready()

    replies: list[httpx.Response] = await asyncio.gather(
        *(peer.call("GET", "/portfolio/accounts") for _ in range(20))
    )

    assert {reply.status_code for reply in replies} == {200}
