"""Where a client lives: the event loop to which its locks, sockets and timers are bound.

Responsible for one question, asked before anything is sent: is this call made there? Without it a
request from elsewhere would leave and only then fail, its outcome unknown.
"""

from __future__ import annotations

import asyncio

from ibkr_async.errors import UsageError


class Home:
    """The event loop of one client: the one that is running when `check` is first called.

    A running loop belongs to one thread, so that it stands for the thread as well.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def check(self) -> None:
        """Raise `UsageError` unless the call is made from the event loop of the first call."""
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if self._loop is None:
            self._loop = here
        if here is None or here is not self._loop:
            raise elsewhere()


def elsewhere() -> UsageError:
    """Compose the error of a call that is made in another event loop, or in none."""
    return UsageError(
        "a client is used from the event loop and thread in which it was opened; nothing was sent: "
        "open one in each, or hand the call over, as with asyncio.run_coroutine_threadsafe"
    )
