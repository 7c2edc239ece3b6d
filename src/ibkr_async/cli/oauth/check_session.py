"""The second half of `ibkr-async oauth check`: brokerage session and socket, through a real client.

It opens the session that every program opens, and one socket until the server greets it. It must
never subscribe to anything, place an order, or compete for the session unless told to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from ibkr_async import Client, Settings
from ibkr_async.cli.oauth.causes import explain
from ibkr_async.cli.oauth.report import masked
from ibkr_async.errors import IbkrError, StreamConnectError
from ibkr_async.models.session import TickleReply
from ibkr_async.session.settings import SessionSettings
from ibkr_async.stream.settings import SocketSettings
from ibkr_async.stream.socket.connection import dial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.auth import OAuth1a
    from ibkr_async.cli.oauth.report import Report
    from ibkr_async.world import World

_READY_S: Final = 30.0
_GREETING_S: Final = 10.0
_GREETED: Final = (b'"system"', b'"success"')


async def check_session(report: Report, auth: OAuth1a, world: World, *, compete: bool) -> None:
    """Open the brokerage session and a socket; the login is used as it is."""
    report.heading("Session")
    settings = Settings(session=SessionSettings(ready_timeout_s=_READY_S))
    try:
        async with Client(auth, settings=settings, world=world, compete=compete) as ib:
            info = ib.session.info
            report.hide(*info.account_ids)
            kind = {True: "paper", False: "LIVE", None: "kind not stated"}[info.is_paper]
            report.ok(
                "brokerage session",
                f"{kind}, {len(info.account_ids)} account(s), {masked(info.account_id)}, "
                f"{info.server_version or 'server version not stated'}",
            )
            with report.step("socket"):
                await _check_socket(report, auth, await _socket_session(ib), world)
    except IbkrError as error:
        row = explain(error)
        report.fail("brokerage session", str(error), cause=row.cause, cure=row.cure)
        report.skip("socket", "there is no session to bind it to")


async def _socket_session(ib: Client) -> str:
    """Fetch the value that binds a socket to the session."""
    return (await ib.request("POST", "/tickle", result=TickleReply)).session or ""


async def _check_socket(report: Report, auth: OAuth1a, session: str, world: World) -> None:
    target = auth.socket(session)
    connection = await dial(target, auth.ssl_context(), SocketSettings(), world.network)
    greeted = anyio.Event()

    def take(frames: Sequence[bytes]) -> None:
        if any(all(word in frame for word in _GREETED) for frame in frames):
            greeted.set()

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(connection.read, take)
            with anyio.move_on_after(_GREETING_S):
                await greeted.wait()
            tasks.cancel_scope.cancel()
    finally:
        await connection.close()
    if not greeted.is_set():
        raise StreamConnectError(
            target.url.partition("?")[0],
            "it opened, but the server did not greet it: the session is not bound; try again",
        )
    report.ok("socket", "opened and greeted")
