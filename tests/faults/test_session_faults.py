"""F11, F12, F27: logins that lapse, other programs that compete, and the nightly reset."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from faults.rig import AAPL, MSFT, QUICK, fault_rig, gaps_and_resumptions_alternate, listening
from ibkr_async.events import (
    ConnectFailed,
    Gap,
    SessionCompeting,
    SessionLost,
    SessionReady,
    SessionTakenOver,
)
from ibkr_async.simulator import Simulator
from ibkr_async.simulator.login.keys import SimulatorKeys
from support.settings_with import settings_with

LOGIN = "/oauth/live_session_token"
INIT = "/iserver/auth/ssodh/init"


def asked(sim: Simulator, path: str) -> int:
    """How often a path was requested."""
    return sum(record.path == path for record in sim.requests)


async def test_f11_expired_token_is_renewed_once_for_forty_requests(
    keys: SimulatorKeys, seed: int
) -> None:
    """Forty reads meet 401 together: one login, no 401 for the user, and the stream goes on."""
    async with fault_rig(keys, seed, oauth=True) as rig:
        async with listening(rig, rig.ib.stream.market_data(AAPL)) as (quotes,):
            await rig.until(quotes.updates)
            logins = asked(rig.sim, LOGIN)
            rig.sim.expire_token()
            replies: list[object] = []

            async def read() -> None:
                replies.append(await rig.ib.accounts.list())

            async with anyio.create_task_group() as group:
                for _ in range(40):
                    group.start_soon(read)
            count = len(quotes.updates())
            await rig.until(lambda: len(quotes.updates()) > count + 5)

        assert len(replies) == 40
        assert asked(rig.sim, LOGIN) - logins == 1
        assert gaps_and_resumptions_alternate(quotes.items)


@pytest.mark.parametrize("oauth", [True, False], ids=["oauth", "gateway"])
async def test_f11_lapsed_brokerage_session_is_opened_again(
    keys: SimulatorKeys, seed: int, oauth: bool
) -> None:
    """`sts authenticated:false`: a gap, one init, the topics requested anew, data."""
    async with fault_rig(keys, seed, oauth=oauth) as rig:
        ticks = rig.ib.stream.market_data(AAPL, MSFT)
        async with listening(rig, ticks) as (quotes,):
            await rig.until(lambda: len({update.conid for update in quotes.updates()}) == 2)
            inits = asked(rig.sim, INIT)
            rig.sim.end_session()
            await rig.until_resumed(2)

        assert asked(rig.sim, INIT) - inits == 1
        assert len(rig.seen(SessionLost)) == 1
        assert {gap.topic for gap in quotes.marks(Gap)} == {f"smd+{AAPL}", f"smd+{MSFT}"}
        assert gaps_and_resumptions_alternate(quotes.items)
        assert len(rig.sim.sockets) == 1


async def test_f12_competing_session_is_not_fought(keys: SimulatorKeys, seed: int) -> None:
    """Another program takes over: the client says so, waits, and never competes by itself."""
    settings = settings_with({"session.tickle_interval_s": 2.5})
    async with fault_rig(keys, seed, oauth=True, client=settings) as rig:
        async with listening(rig, rig.ib.stream.market_data(AAPL)) as (quotes,):
            await rig.until(quotes.updates)
            inits = asked(rig.sim, INIT)
            rig.sim.compete()
            await rig.until(lambda: rig.seen(SessionCompeting))
            await rig.steady(0.6)

            assert asked(rig.sim, INIT) == inits
            assert not rig.seen(SessionTakenOver)
            assert quotes.marks(Gap)
            # The other program leaves: the session is free again, and is taken without competing.
            rig.sim.end_session()
            await rig.until_resumed(1)

        assert rig.ib.session.info.takeovers == 0
        assert gaps_and_resumptions_alternate(quotes.items)


async def test_f12_one_takeover_at_most_where_competing_is_allowed(
    keys: SimulatorKeys, seed: int
) -> None:
    """Two programs that both compete: after one takeover this one stands back for ten minutes."""
    settings = settings_with({"session.compete": True, "session.tickle_interval_s": 2.5})
    async with fault_rig(keys, seed, oauth=True, client=settings) as rig:
        async with listening(rig, rig.ib.stream.market_data(AAPL)) as (quotes,):
            await rig.until(quotes.updates)
            rig.sim.compete()
            await rig.until(lambda: rig.seen(SessionTakenOver))
            await rig.until_resumed(1)
            for _ in range(3):
                rig.sim.compete()
                await rig.steady(0.2)

        assert len(rig.seen(SessionTakenOver)) == 1
        assert rig.ib.session.info.takeovers == 1


@pytest.mark.parametrize("close_code", [1000, None], ids=["closed", "sts"])
async def test_f27_nightly_reset_is_sat_out(
    keys: SimulatorKeys, seed: int, close_code: int | None
) -> None:
    """Ninety minutes (scaled) without a session: few attempts, then everything is back by itself."""
    settings = replace(QUICK, reset_close_code=close_code)
    # 90 minutes in 2.7 s.
    async with fault_rig(keys, seed, oauth=True, sim=settings, keeper_scale=2000.0) as rig:
        async with listening(rig, rig.ib.stream.market_data(AAPL, MSFT)) as (quotes,):
            await rig.until(lambda: len({update.conid for update in quotes.updates()}) == 2)
            attempts = asked(rig.sim, INIT) + asked(rig.sim, LOGIN)

            rig.sim.begin_reset()
            await rig.steady(2.7)
            tried = asked(rig.sim, INIT) + asked(rig.sim, LOGIN) - attempts
            rig.sim.end_reset()
            await rig.until_resumed(2)

        assert 1 <= tried <= 30
        assert len(rig.seen(SessionReady)) == 2
        assert not any(event.fatal for event in rig.seen(ConnectFailed))
        assert quotes.error is None
        assert gaps_and_resumptions_alternate(quotes.items)
