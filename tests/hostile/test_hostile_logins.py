"""Logging in and keeping the session up meet hostile answers: errors of ours, and a client that lives."""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

import msgspec
import pytest

from hostile.places import (
    BODIES,
    QUIET,
    REPLIES,
    client_of,
    instead,
    odd_cases,
    outcome,
)
from hostile.public_calls import touch
from ibkr_async import Client, SessionState
from ibkr_async.simulator import Simulator
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.testing import run_virtual
from ibkr_async.world import World
from support.hostile_network import HostileNetwork

WAYS = ("auth", "oauth2", "gateway", "flow")


@pytest.mark.parametrize("way", WAYS)
def test_logins_survive_hostile_answers(way: str, keys: SimulatorKeys) -> None:
    """Entering a client, or walking the three legs, ends well or with an error of ours."""
    wrong: list[str] = []

    async def main(world: World) -> None:
        network = HostileNetwork()
        world = msgspec.structs.replace(world, network=network)
        async with Simulator(world=world, keys=keys, settings=QUIET, tls=False) as sim:

            async def enter() -> None:
                if way == "flow":
                    await _three_legs(sim)
                    return
                async with Client(getattr(sim, way)(), world=world) as ib:
                    touch(ib.session.info)

            assert await outcome(enter(), way) is None
            draw = Random(way)  # noqa: S311 - can be repeated
            for target, what, answer in odd_cases(network.passed, draw, BODIES, REPLIES):
                network.tamper = instead(target, answer())
                found = await outcome(enter(), f"{way}: {what} in {target.path}")
                wrong.extend([found] if found else [])

    run_virtual(main)
    assert not wrong, "\n".join(wrong[:60])


async def _three_legs(sim: Simulator) -> None:
    async with sim.flow() as flow:
        token = await flow.request_token()
        touch(flow.authorize_url())
        verifier = "none"
        with suppress(KeyError):  # the answer named a token that nobody gave
            verifier = sim.approve(token.reveal())
        touch(await flow.access_token(verifier))
        touch(flow.granted)


KEPT_BY = ("/tickle", "/iserver/auth/status", "/iserver/auth/ssodh/init", "/iserver/accounts")


@pytest.mark.parametrize("path", KEPT_BY)
def test_session_survives_hostile_answers(path: str, keys: SimulatorKeys) -> None:
    """What the client asks by itself is answered oddly for minutes; then it is up again."""
    wrong: list[str] = []

    async def main(world: World) -> None:
        async with client_of(world, keys, "client") as place:
            ib: Client = place.ib
            # A renewed session asks everything once more.
            place.sim.end_session()
            await world.clock.sleep(100)
            await ib.ready(600)
            asked = [one for one in place.network.passed if one.path.endswith(path)]
            assert asked
            for target, what, answer in odd_cases(asked, Random(path), BODIES, REPLIES):  # noqa: S311 - can be repeated
                place.forget()
                place.network.tamper = instead(target, answer())
                if path != "/tickle":
                    place.sim.end_session()
                await world.clock.sleep(100)
                place.forget()
                found = await outcome(ib.ready(1000), f"{what} in {path}")
                if ib.session.state is not SessionState.READY:
                    wrong.append(f"{what} in {path}: {found or ib.session.info}")
                    return

    run_virtual(main)
    assert not wrong, "\n".join(wrong[:60])


def test_logging_out_survives_hostile_answers(keys: SimulatorKeys) -> None:
    """Whatever is said to a farewell, the session is over."""
    wrong: list[str] = []

    async def once_more(world: World, tamper: Any) -> list[Any]:
        async with client_of(world, keys, "client") as place:
            place.network.tamper = tamper
            found = await outcome(place.ib.session.logout(), "logout")
            wrong.extend([found] if found else [])
            return [one for one in place.network.passed if one.path.endswith("/logout")]

    asked = run_virtual(lambda world: once_more(world, None))
    for target, _, answer in odd_cases(asked, Random(1), BODIES, REPLIES):  # noqa: S311 - can be repeated
        tamper = instead(target, answer())
        run_virtual(lambda world, tamper=tamper: once_more(world, tamper))

    assert not wrong, "\n".join(wrong[:60])
