"""The port, and the simulator's lifetime."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from ibkr_async.simulator import Simulator
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.simulator.server import bind_loopback, serving
from ibkr_async.world import RealClock, RealNetwork
from support.simulator_peer import FAST, Peer, greeted, trust
from support.waiting import until


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org", ""])  # noqa: S104 - must be refused
async def test_other_hosts_are_refused(host: str) -> None:
    """The simulator answers unsigned requests, so it listens on loopback only."""
    with pytest.raises(ValueError, match="loopback only"):
        async with Simulator(host=host):
            pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_port_is_bound_to_loopback(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The listening address is 127.0.0.1, for both spellings."""
    bound: list[socket.socket] = []
    create_server = socket.create_server

    def remembering(*args: Any, **options: Any) -> socket.socket:
        bound.append(create_server(*args, **options))
        return bound[-1]

    monkeypatch.setattr(socket, "create_server", remembering)
    listener = bind_loopback(RealNetwork(), host, 0)

    assert [each.getsockname() for each in bound] == [("127.0.0.1", listener.port)]
    listener.close()


async def test_taken_port_is_an_error(sim: Simulator, keys: SimulatorKeys) -> None:
    """Starting fails at once and leaves nothing behind."""
    port = int(sim.origin.rpartition(":")[2])

    with pytest.raises(OSError, match="in use"):
        async with Simulator(port=port, keys=keys):
            pass


async def test_certificate_is_what_protects_the_connection(sim: Simulator) -> None:
    """A client that does not trust the simulator's certificate does not connect."""
    async with httpx.AsyncClient(verify=ssl.create_default_context(), trust_env=False) as http:
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await http.get(f"{sim.base_url}/tickle")


async def test_localhost_is_served_too(sim: Simulator) -> None:
    """The certificate names both spellings of loopback."""
    url = sim.base_url.replace("127.0.0.1", "localhost")
    async with httpx.AsyncClient(verify=trust(sim), trust_env=False) as http:
        reply = await http.get(f"{url}/tickle")

    assert reply.status_code == 200


async def test_plain_http_on_request(keys: SimulatorKeys) -> None:
    """Without TLS both addresses say so."""
    async with Simulator(tls=False, keys=keys, settings=FAST) as sim:
        async with httpx.AsyncClient(trust_env=False) as http:
            reply = await http.get(f"{sim.base_url}/tickle")

        assert reply.status_code == 200
        assert sim.base_url.startswith("http://127.0.0.1:")
        assert sim.ws_url.startswith("ws://127.0.0.1:")


async def test_credentials_are_written_and_private_directory_goes_away(tmp_path: Path) -> None:
    """Fresh keys exist while the simulator runs; what was written for others stays."""
    async with Simulator() as sim:
        sim.write_credentials(tmp_path / "out")
        ca_file = sim.ca_file
        assert {path.name for path in sim.credentials_directory.iterdir()} == {
            "private_signature.pem",
            "private_encryption.pem",
            "dhparam.pem",
            "ca.pem",
            "credentials.json",
            "server.pem",
        }

    assert not ca_file.parent.exists()
    assert (tmp_path / "out" / "credentials.json").exists()
    with pytest.raises(RuntimeError, match="not running"):
        _ = sim.ca_file


async def test_stops_quickly_with_clients_connected(keys: SimulatorKeys) -> None:
    """An idle HTTPS connection that nobody reads and an open socket do not delay the end."""
    async with Simulator(keys=keys, settings=FAST) as sim:
        port = int(sim.origin.rpartition(":")[2])
        deaf = socket.create_connection(("127.0.0.1", port))
        tls = await asyncio.to_thread(trust(sim).wrap_socket, deaf, server_hostname="127.0.0.1")
        client = Peer(sim, keys, signed=False)
        async with client.http, client.socket(await client.ready()) as websocket:
            await greeted(websocket)
            started = time.perf_counter()
            await sim.aclose()
            took = time.perf_counter() - started
    tls.close()

    assert took < 2
    assert [facts.is_open for facts in sim.sockets] == [False]


async def test_stops_while_a_socket_is_closing(keys: SimulatorKeys) -> None:
    """A peer that has said goodbye and reads no more keeps its connection closing; that is no error."""
    async with Simulator(keys=keys, settings=FAST) as sim:
        port = int(sim.origin.rpartition(":")[2])
        plain = socket.create_connection(("127.0.0.1", port))
        tls = await asyncio.to_thread(trust(sim).wrap_socket, plain, server_hostname="127.0.0.1")
        upgrade = (
            f"GET {urlsplit(sim.ws_url).path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            "User-Agent: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        tls.sendall(upgrade.encode())
        assert (await asyncio.to_thread(tls.recv, 4096)).startswith(b"HTTP/1.1 101 ")
        normal_closure = bytes([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xE8])
        tls.sendall(normal_closure)
        await until(lambda: sim.sockets and sim.sockets[-1].client_close_code == 1000)
        await sim.aclose()
        left = sim.open_connections
    tls.close()

    assert left == 0


async def test_cancelled_start_leaves_nothing(keys: SimulatorKeys) -> None:
    """A task that is cancelled while starting takes its server with it."""
    sim = Simulator(keys=keys)
    task = asyncio.create_task(sim.__aenter__())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    names = {other.get_name() for other in asyncio.all_tasks()}
    assert not any(name.startswith("ibkr-") for name in names)
    await sim.aclose()


async def test_simulator_is_used_once(keys: SimulatorKeys) -> None:
    """A second start is refused in words, and so are levers before the first."""
    sim = Simulator(keys=keys)
    with pytest.raises(RuntimeError, match="not running"):
        sim.tick()
    with pytest.raises(RuntimeError, match="not running"):
        sim.write_credentials("nowhere")
    await sim.aclose()
    async with sim:
        pass

    with pytest.raises(RuntimeError, match="used once"):
        await sim.__aenter__()


async def test_failing_market_ends_the_simulator_loudly(keys: SimulatorKeys) -> None:
    """A fault of the simulator itself is raised where the simulator was opened."""
    sim = await Simulator(keys=keys, settings=FAST).__aenter__()
    # The task whose end is tested.
    assert sim._supervisor is not None
    sim.now = lambda: 1 / 0  # type: ignore[method-assign] - breaks the clock on purpose
    # The task whose end is tested.
    await asyncio.wait({sim._supervisor})

    with pytest.raises(ZeroDivisionError):
        await sim.aclose()


async def test_server_that_cannot_start_raises(tmp_path: Path) -> None:
    """A broken certificate is an error, not a server that never gets ready."""
    (tmp_path / "bad.pem").write_text("nothing")

    with pytest.raises(ssl.SSLError):
        async with serving(
            lambda _scope, _receive, _send: asyncio.sleep(0),
            bind_loopback(RealNetwork(), "127.0.0.1", 0),
            RealClock(),
            certificate=tmp_path / "bad.pem",
            certificate_key=tmp_path / "bad.pem",
        ):
            pass


async def test_auth_and_gateway_describe_this_simulator(sim: Simulator) -> None:
    """The client's own login classes are made from the running simulator."""
    assert sim.auth().base_url == sim.base_url
    assert sim.gateway().base_url == sim.base_url
