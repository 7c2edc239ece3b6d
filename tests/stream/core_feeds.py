"""The public feeds over a core without a socket, for tests of what is built on them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from ibkr_async.errors import IbkrError, OrderGuardError, UnknownSymbolError
from ibkr_async.feeds.catalogue import Streams
from ibkr_async.feeds.subscription import Upstream
from ibkr_async.stream.core.protocol import StreamCore
from stream.core_driver import GREETING
from support.fake_time import world_with

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.stream.core.channel import Listener, Wish
    from ibkr_async.world import Clock

BOOK = {"AAPL": 265598, "MSFT": 272093}
"""The symbols that can be looked up."""


class CoreEngine:
    """What feeds need of the stream, over a core without a socket."""

    def __init__(self) -> None:
        self.core = StreamCore(max_frame_bytes=1 << 20, random=lambda: 0.5, unix=lambda now: now)
        self.core.connection_made(0.0, "")
        self.core.frame_received(GREETING, 0.0)

    def subscribe(self, listener: Listener, wishes: Sequence[Wish]) -> None:
        """Subscribe in the core."""
        done: list[Wish] = []
        try:
            for wish in wishes:
                self.core.subscribe(wish, listener, 0.0)
                done.append(wish)
        except IbkrError:
            self.unsubscribe(listener, [wish.key for wish in done])
            raise

    def unsubscribe(self, listener: Listener, keys: Sequence[str]) -> None:
        """Unsubscribe in the core."""
        for key in keys:
            self.core.unsubscribe(key, listener, 0.0)

    def release(self, listener: Listener) -> None:
        """Unsubscribe everything in the core."""
        self.unsubscribe(listener, sorted(listener.keys))

    def serves(self, listener: Listener) -> bool:
        """Ask the core."""
        return self.core.serves(listener)

    async def changed(self) -> None:
        """Let whoever feeds the core go on."""
        await asyncio.sleep(0)

    def say(self, key: str, text: str) -> None:
        """Send a frame of a dialogue."""
        self.core.say(key, text)


async def _nobody(*_asked: object) -> Any:
    raise AssertionError


def _refuse(conid: int, _contracts: int | None, *, is_new: bool) -> None:
    what = f"(exercise of option {conid}, {is_new=})"
    raise OrderGuardError(what, "this stream was not given the right to trade")


NOBODY: dict[str, Any] = {
    "resolve": _nobody,
    "account": _nobody,
    "check_may_exercise": _refuse,
}
"""What `build_streams` takes where nobody looks symbols up, and nobody may trade."""


class CoreFeeds(Streams):
    """Feeds over a core without a socket."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.may_trade = True
        self.asked: list[tuple[int, int | None, bool]] = []
        self.engine = CoreEngine()
        self.core = self.engine.core
        self.looked_up: list[Any] = []
        engine = cast("Any", self.engine)
        self.upstream = Upstream(
            engine, world=world_with(clock=clock), resolve=self.resolve, account=self.account
        )
        super().__init__(engine, self.upstream, check_may_exercise=self.check_may_exercise)

    async def resolve(self, *wanted: Any) -> list[tuple[int, str]]:
        """Look up what is in the book."""
        await asyncio.sleep(0)
        self.looked_up += wanted
        names = {conid: symbol for symbol, conid in BOOK.items()}
        found = []
        for one in wanted:
            if isinstance(one, str) and one not in BOOK:
                raise UnknownSymbolError(one)
            conid = BOOK[one] if isinstance(one, str) else getattr(one, "conid", one)
            found.append((conid, names.get(conid, str(conid))))
        return found

    async def account(self) -> str:
        """Give the session's account."""
        return "DU1"

    def receive(self, frame: str) -> None:
        """Let the server send a frame."""
        self.core.frame_received(frame, 0.0)

    def lose(self) -> None:
        """Lose the socket."""
        self.core.connection_lost(1.0, 1006, "")

    def come_back(self) -> None:
        """Open it again."""
        self.core.connection_made(2.0, "")
        self.receive(GREETING)

    def sent(self) -> list[str]:
        """Take what was sent."""
        return self.core.frames_to_send()

    def check_may_exercise(self, conid: int, contracts: int | None, *, is_new: bool) -> None:
        """Allow it, or not, and keep what was asked."""
        self.asked.append((conid, contracts, is_new))
        if not self.may_trade:
            raise OrderGuardError(f"exercise of option {conid}", "no")
