"""No secret in any log record, repr or error, even with every library at DEBUG."""

from __future__ import annotations

import base64
import logging
import traceback
from collections.abc import Iterator

import pytest

from ibkr_async import Answers, Client, LimitOrder, Side
from ibkr_async.errors import IbkrError, ServerError
from ibkr_async.events import Resumed
from ibkr_async.simulator import Simulator
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.inside import parts_of, simulator_parts
from support.settings_with import AT_ONCE
from support.waiting import first

AAPL = 265598


def _canaries(sim: Simulator, keys: SimulatorKeys) -> Iterator[tuple[str, str]]:
    """Give every secret of this run, in each form in which it could be written."""
    raw = {"decrypted access token secret": keys.consumer.access_tokens[keys.access_token]}
    sessions = simulator_parts(sim).floor.sessions
    # A secret has no public place: that is what is tested.
    for identity, logins in sessions._logins.items():
        raw |= {f"token of {identity}, {login.identity}": login.live_token for login in logins}
    for name, secret in raw.items():
        yield name, secret.hex()
        yield name, base64.b64encode(secret).decode()
        yield name, repr(secret)[2:-1]
    yield "access token", keys.access_token
    yield "access token secret", keys.access_token_secret
    # As above.
    for identity, session_id in sessions._ids.items():
        yield f"session of {identity}", session_id
    for name, pem in (("signature key", keys.signature_pem), ("encryption", keys.encryption_pem)):
        for line in pem.decode().splitlines()[1:-1]:
            yield name, line
    yield "signed header", "oauth_signature="
    yield "signed header", 'oauth_signature="'
    yield "cookie", "api="
    yield "cookie", "x-sess-uuid="


def _leaks(text: str, sim: Simulator, keys: SimulatorKeys) -> list[str]:
    return [f"{name}: {form[:12]}..." for name, form in _canaries(sim, keys) if form in text]


async def _whole_day(ib: Client, sim: Simulator) -> list[str]:
    """Do everything that carries a secret, and give what a user might print meanwhile."""
    shown: list[str] = []
    async with ib, ib.quotes("AAPL") as quotes:
        await anext(quotes)
        events = ib.events()
        sim.expire_token()
        await ib.accounts.list()
        sim.drop_sockets(1000)
        await first(events, Resumed)
        order = LimitOrder(AAPL, Side.BUY, 1, "120.00")
        live = await ib.orders.submit(order, answers=Answers.allow("o163"))
        sim.fail_next("/iserver/secdef/search", 500, {"error": "boom"}, times=5)
        with pytest.raises(ServerError) as caught:
            await ib.contracts.search("AAPL")
        shown += [
            repr(x) for x in (ib, parts_of(ib).auth, live, ib.session.info, quotes, caught.value)
        ]
        shown += [repr(value) for value in vars(ib).values()]
        shown.append("".join(traceback.format_exception(caught.value)))
        shown.append(
            "".join(
                traceback.TracebackException.from_exception(
                    caught.value, capture_locals=True
                ).format()
            )
        )
    return shown


@pytest.mark.parametrize("way", ["oauth", "gateway"])
async def test_a_whole_day_at_debug_shows_no_secret(
    keys: SimulatorKeys, caplog: pytest.LogCaptureFixture, sim: Simulator, way: str
) -> None:
    """Login, stream, reconnect, token renewal, order, failure: logs, reprs and tracebacks are clean."""
    caplog.set_level(logging.DEBUG)
    auth = sim.auth() if way == "oauth" else sim.gateway()
    shown = await _whole_day(Client(auth, settings=AT_ONCE), sim)
    records = "\n".join(
        f"{record.name} {record.getMessage()} {record.args!r}" for record in caplog.records
    )

    names = {record.name.partition(".")[0] for record in caplog.records}
    assert {"httpx", "httpcore", "ibkr_async"} <= names
    assert _leaks(records, sim, keys) == []
    assert _leaks("\n".join(shown), sim, keys) == []


async def test_quiet_day_logs_little(sim: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """At INFO only changes of state are told: a handful of lines for a login, a stream and an order."""
    caplog.set_level(logging.INFO, logger="ibkr_async")
    async with Client(sim.auth()) as ib, ib.quotes("AAPL") as quotes:
        await anext(quotes)

    ours = [record for record in caplog.records if record.name.startswith("ibkr_async")]
    assert len(ours) < 10
    assert all(record.levelno == logging.INFO for record in ours)


async def test_errors_carry_no_secret(sim: Simulator, keys: SimulatorKeys) -> None:
    """Whatever the server answers to a request, the error shows none of what was sent."""
    async with Client(sim.auth()) as ib:
        for status, body in ((400, "<html>"), (403, "no"), (404, "x"), (200, "<html>")):
            sim.fail_next("/iserver/secdef/search", status, body, times=5)
            with pytest.raises(IbkrError) as caught:
                await ib.contracts.search(f"A{status}")
            # No lever takes a fault back.
            simulator_parts(sim).desk.faults._failures.clear()
            error = caught.value
            assert _leaks(f"{error} {error!r} {vars(error)}", sim, keys) == []
