from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async.resources.session import SessionEndpoints

if TYPE_CHECKING:
    from conftest import FakeSend


async def test_auth_status_is_a_post_that_may_be_repeated(send: FakeSend) -> None:
    """Asking for the status changes nothing at IBKR."""
    send.will_answer("/iserver/auth/status", "auth_status")

    status = await SessionEndpoints(send).auth_status()

    assert status.established is True
    assert send.sent == ["POST /iserver/auth/status"]
    assert send.last.replayable
    assert send.last.body is None


async def test_init_says_whether_it_competes_and_is_never_repeated(send: FakeSend) -> None:
    """Taking a session over twice would start a fight."""
    send.will_answer("/iserver/auth/ssodh/init", "auth_status")
    session = SessionEndpoints(send)

    await session.init_brokerage_session()
    polite = send.last
    await session.init_brokerage_session(compete=True)

    assert polite.label == "POST /iserver/auth/ssodh/init"
    assert polite.body == {"publish": True, "compete": False}
    assert not polite.replayable
    assert send.last.body == {"publish": True, "compete": True}


async def test_tickle_returns_the_session(send: FakeSend) -> None:
    """Keeping alive may be repeated."""
    send.will_answer("/tickle", "tickle_oauth")

    tickle = await SessionEndpoints(send).tickle()

    assert tickle.session == "ffeeddccbbaa99887766554433221100"
    assert send.sent == ["POST /tickle"]
    assert send.last.replayable


async def test_sso_validate_is_a_get(send: FakeSend) -> None:
    """The portal login is read."""
    send.will_answer("/sso/validate", "sso_validate")

    sso = await SessionEndpoints(send).sso_validate()

    assert sso.result is True
    assert send.sent == ["GET /sso/validate"]
    assert send.last.replayable


async def test_logout_is_never_repeated(send: FakeSend) -> None:
    """A repeated logout could end a newer session."""
    send.will_answer("/logout", "logout")

    reply = await SessionEndpoints(send).logout()

    assert reply.status is True
    assert send.sent == ["POST /logout"]
    assert not send.last.replayable
