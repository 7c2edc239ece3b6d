"""`Client`: settings, and what happens when a part of it breaks. Real use is in `integration/`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

import ibkr_async
from ibkr_async import Client, Gateway
from ibkr_async import client as client_module
from ibkr_async.errors import ClosedError, ConnectFailedError, UsageError
from ibkr_async.events import SessionClosed
from ibkr_async.ports import SocketTarget
from ibkr_async.session.state import SessionState
from ibkr_async.simulator import Simulator
from ibkr_async.stream.delivery.events import Gap, Resumed
from ibkr_async.world import RealClock
from support.inside import core_of, parts_of
from support.settings_with import AT_ONCE, settings_with

NOBODY = "https://127.0.0.1:1"


def test_keywords_override_settings() -> None:
    """What is given directly wins; what is not given stays."""
    settings = settings_with(
        {"session.account_id": "DU1", "session.compete": True, "session.tickle_interval_s": 30.0}
    )
    ib = Client(Gateway(), settings=settings, account_id="DU2", compete=False)

    assert (ib.settings.session.account_id, ib.settings.session.compete) == ("DU2", False)
    assert ib.settings.session.tickle_interval_s == 30.0
    assert settings.session.account_id == "DU1"


def test_dangerous_settings_are_off_by_default() -> None:
    """Nothing trades live or pushes another login out unless the program says so."""
    settings = Client(Gateway()).settings

    assert (settings.orders.allow_live_orders, settings.session.compete) == (False, False)


def test_client_is_made_outside_an_event_loop() -> None:
    """Making one does no I/O and needs no loop."""
    ib = Client(Gateway(NOBODY))

    assert ib.session.info.state is SessionState.UNKNOWN
    assert str(ib.health()) == "NOT OK: session unknown, socket idle"


async def test_same_failure_at_the_start_is_raised_once_and_closes() -> None:
    """A client that could not be opened is closed and cannot be entered again."""
    ib = Client(Gateway(NOBODY))
    with pytest.raises(ConnectFailedError):
        await ib.__aenter__()

    with pytest.raises(ClosedError, match="used once"):
        await ib.__aenter__()
    assert ib.session.info.state is SessionState.CLOSED


class _BrokenAuth:
    """A way of logging in with a defect: what it raises is not one of our errors."""

    base_url = NOBODY
    needs_login = False
    expires_at = None
    opens_brokerage_session = True

    def ssl_context(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    async def login(self, send: object) -> None:
        raise NotImplementedError

    def forget(self) -> None:
        raise NotImplementedError

    def absorb(self, reply: object) -> None:
        raise NotImplementedError

    def sign(self, *_request: object) -> Mapping[str, str]:
        raise ZeroDivisionError("a defect")

    def socket(self, session: str) -> SocketTarget:
        raise NotImplementedError


async def test_defect_of_a_part_is_raised_at_once_and_unwrapped() -> None:
    """Nobody waits a minute for a session keeper that has crashed, and no group is shown."""
    ib = Client(_BrokenAuth())
    events = ib.events()
    with anyio.fail_after(2), pytest.raises(ZeroDivisionError, match="a defect"):
        await ib.__aenter__()

    assert [type(event) async for event in events] == [SessionClosed]
    assert {task.get_name() for task in asyncio.all_tasks()} <= {
        asyncio.current_task().get_name()  # type: ignore[union-attr]  # a test runs in a task
    }


async def test_defect_is_logged_with_its_traceback_and_causes_every_later_closed_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bot that sleeps while a part breaks finds the reason in the log and in its next error."""
    ib = Client(_BrokenAuth())
    with anyio.fail_after(2), pytest.raises(ZeroDivisionError):
        await ib.open()

    [record] = [each for each in caplog.records if each.levelname == "CRITICAL"]
    assert "a defect ended the client" in record.getMessage()
    assert record.exc_info is not None
    for call in (ib.ready, ib.accounts.list, lambda: ib.contracts.resolve("AAPL")):
        with pytest.raises(ClosedError, match="a defect ended it") as caught:
            await call()
        assert isinstance(caught.value.__cause__, ZeroDivisionError)
    with pytest.raises(ClosedError, match="a defect ended it"):
        ib.events()


async def test_defect_of_a_part_ends_every_iteration_with_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An `async for` that just ended would look like the end of the day."""
    async with Simulator() as sim:
        ib = await Client(sim.gateway()).open()
        breaking = asyncio.Event()

        async def break_down() -> None:
            await breaking.wait()
            raise ZeroDivisionError("a defect")

        # A defect can only be put in from inside.
        monkeypatch.setattr(parts_of(ib).session, "_watch", break_down, raising=False)
        monkeypatch.setattr(parts_of(ib).session, "_rest", lambda _pause_s: break_down())
        # Put in from inside, as above.
        parts_of(ib).session._nudged.set()
        feeds = [
            ib.stream.market_data(265598),
            ib.quotes("AAPL"),
            ib.orders.watch(),
            ib.bars(265598),
        ]
        readers = [asyncio.create_task(_read_all(feed)) for feed in feeds]
        await asyncio.sleep(0)
        breaking.set()
        ended = await asyncio.gather(*readers, return_exceptions=True)
        with pytest.raises(ZeroDivisionError):
            await ib.aclose()

        for error in ended:
            assert isinstance(error, ClosedError)
            assert isinstance(error.__cause__, ZeroDivisionError)
        for late in (ib.session.ready, ib.stream.market_data(265598).__aenter__):
            with pytest.raises(ClosedError) as caught:
                await late()
            assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_defect_in_taking_a_frame_is_a_gap_and_a_new_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of what it left is used again, and everybody is told; asyncio would say it elsewhere."""
    async with (
        Simulator() as sim,
        Client(sim.gateway(), settings=AT_ONCE) as ib,
        ib.stream.market_data(265598) as feed,
    ):
        await anext(feed)

        def break_down(*_: object) -> None:
            monkeypatch.undo()
            raise ZeroDivisionError("a defect")

        # A defect can only be put in from inside.
        monkeypatch.setattr(core_of(parts_of(ib).engine), "frames_received", break_down)
        seen: list[type[Any]] = []
        with anyio.fail_after(5):
            async for item in feed.marked():
                seen.append(type(item))
                if Resumed in seen:
                    break
            await anext(feed)

    assert [kind for kind in seen if kind in {Gap, Resumed}] == [Gap, Resumed]
    (told,) = [record for record in caplog.records if record.levelname == "CRITICAL"]
    assert told.getMessage() == "a defect broke the connection off; it is opened anew"
    assert told.exc_info is not None
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def _read_all(feed: Any) -> None:
    async with feed:
        async for _ in feed:
            pass


async def test_client_is_opened_and_closed_without_a_block() -> None:
    """As in a notebook: `open` gives the client, `aclose` ends it, and again is harmless."""
    async with Simulator() as sim:
        ib = await Client(sim.gateway()).open()
        with pytest.raises(UsageError, match="open already"):
            await ib.open()
        account = ib.session.info.account_id

        assert account
        assert f"ready {account}" in repr(ib)
        await ib.aclose()
        await ib.aclose()
        with pytest.raises(ClosedError):
            await ib.ready()


async def test_part_that_does_not_end_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing takes a limited time even if something hangs."""
    monkeypatch.setattr(client_module, "_LONGEST_CLOSE_S", 0.05)
    supervisor = asyncio.create_task(asyncio.sleep(3600))
    with anyio.fail_after(5):
        # The wait by itself: no public call ends with it alone.
        await client_module._wait_for_end(supervisor, RealClock())

    assert supervisor.cancelled()


async def test_cancelled_close_is_finished_first_and_then_passed_on() -> None:
    """Once or many times: whoever closes hears of the cancellation when everything has ended."""
    may_end = asyncio.Event()
    supervisor = asyncio.create_task(_wait_for(may_end))
    # The wait by itself: no public call ends with it alone.
    closing = asyncio.create_task(client_module._wait_for_end(supervisor, RealClock()))
    for _ in range(3):
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.sleep(0)
        assert not closing.done()
    may_end.set()

    with pytest.raises(asyncio.CancelledError):
        await closing
    assert supervisor.done()


async def _wait_for(event: asyncio.Event) -> None:
    await event.wait()


def test_groups_with_one_member_are_unwrapped() -> None:
    """The task group is not the user's business; two different failures stay together."""
    one = ValueError("one")
    nested = ExceptionGroup("outer", [ExceptionGroup("inner", [one])])
    pair = ExceptionGroup("outer", [one, TypeError("two")])

    # Its shape is what every caller sees.
    assert client_module._single(nested) is one
    # Its shape is what every caller sees.
    assert client_module._single(pair) is pair


def test_public_names_exist_and_are_documented() -> None:
    """Everything in `__all__` can be imported and says what it is."""
    undocumented = [
        name
        for name in ibkr_async.__all__
        if callable(getattr(ibkr_async, name)) and not getattr(ibkr_async, name).__doc__
    ]

    assert undocumented == []
    assert len(ibkr_async.__all__) == len(set(ibkr_async.__all__))
