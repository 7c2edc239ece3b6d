"""Every way of logging in works in a world of its own, over memory."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from ibkr_async import Client
from ibkr_async.auth import Gateway
from ibkr_async.cli.oauth.callback import CallbackListener
from ibkr_async.errors import ConnectFailedError
from ibkr_async.simulator import Simulator
from ibkr_async.testing import run_virtual
from ibkr_async.testing.memory import MemoryNetwork
from ibkr_async.world import World


@pytest.mark.parametrize("way", ["auth", "oauth2", "gateway"])
@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
def test_each_login_reaches_session_and_socket(way: str, tls: bool) -> None:
    """Signatures are made and checked at the same virtual time."""

    async def main(world: World) -> str:
        async with Simulator(world=world, tls=tls) as sim:
            auth = getattr(sim, way)()
            async with Client(auth, world=world) as ib, ib.quotes("AAPL") as quotes:
                return (await anext(quotes)).symbol

    assert run_virtual(main) == "AAPL"


def test_third_party_flow_and_its_callback_stay_in_memory() -> None:
    """Three legs, a browser of our own, then a client with what was granted."""

    async def main(world: World) -> tuple[str, str]:
        async with (
            Simulator(world=world) as sim,
            sim.flow() as flow,
            CallbackListener("token", world=world) as listener,
        ):
            port = int(listener.address.rstrip("/").rpartition(":")[2])
            page = await visit(world, port, "/?oauth_token=token&oauth_verifier=abc")
            assert await listener.verifier(1) == "abc"
            token = await flow.request_token()
            auth = await flow.access_token(sim.approve(token.reveal()))
            async with Client(auth, world=world) as ib:
                return ib.session.info.account_id, page

    account_id, page = run_virtual(main)

    assert account_id == "DU1234567"
    assert page.startswith("HTTP/1.1 200 ")


async def visit(world: World, port: int, target: str) -> str:
    """Ask for a page as a browser does."""
    reader = asyncio.StreamReader()
    transport, _ = await world.network.connect(
        lambda: asyncio.StreamReaderProtocol(reader), "127.0.0.1", port
    )
    transport.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    page = (await reader.read()).decode()
    transport.close()
    return page


def test_nobody_there_is_told_as_over_sockets() -> None:
    """Refused connections are the same errors in memory."""

    async def main(world: World) -> None:
        async with Simulator(world=world, tls=False) as sim:
            gateway = Gateway(sim.base_url)
        with pytest.raises(ConnectFailedError, match="nothing serves"):
            async with Client(gateway, world=world):
                pass

    run_virtual(main)


class CountingNetwork(MemoryNetwork):
    """Counts the connections that were made."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    async def connect(self, *args: Any, **options: Any) -> Any:
        """Connect as ever."""
        self.made += 1
        return await super().connect(*args, **options)


def test_idle_connection_is_not_used_again() -> None:
    """After half a virtual minute a request takes a new connection, as over sockets."""

    async def main(world: World) -> tuple[int, int]:
        network = CountingNetwork()
        world = msgspec.structs.replace(world, network=network)
        async with Simulator(world=world) as sim, Client(sim.auth(), world=world) as ib:
            await ib.accounts.list()
            made = network.made
            await world.clock.sleep(20)
            await ib.accounts.list()
            soon = network.made - made
            await world.clock.sleep(35)
            await ib.accounts.list()
            return soon, network.made - made

    assert run_virtual(main) == (0, 1)
