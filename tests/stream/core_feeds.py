"""The public feeds over a core without a socket, for tests of what is built on them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ibkr_async.errors import OrderGuardError
from ibkr_async.feeds.catalogue import Feeds
from ibkr_async.stream.core.protocol import StreamCore
from stream.core_driver import GREETING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.feeds.consumer import Subscription
    from ibkr_async.stream.core.channel import Wish


class CoreFeeds(Feeds):
    """Feeds over a core without a socket."""

    def __init__(self) -> None:
        self.may_trade = True
        self.core = StreamCore(max_frame_bytes=1 << 20, random=lambda: 0.5, unix=lambda now: now)
        self.core.connection_made(0.0, "")
        self.core.frame_received(GREETING, 0.0)

    def attach(self, subscription: Subscription[Any]) -> None:
        """Subscribe in the core."""
        for wish in subscription.wishes:
            self.core.subscribe(wish, subscription.listener, 0.0)

    def extend(self, subscription: Subscription[Any], wishes: Sequence[Wish]) -> None:
        """Feed it more."""
        for wish in wishes:
            self.core.subscribe(wish, subscription.listener, 0.0)

    def shrink(self, subscription: Subscription[Any], keys: Sequence[str]) -> None:
        """Feed it less."""
        for key in keys:
            self.core.unsubscribe(key, subscription.listener, 0.0)

    def detach(self, subscription: Subscription[Any]) -> None:
        """Unsubscribe in the core."""
        for wish in subscription.wishes:
            self.core.unsubscribe(wish.key, subscription.listener, 0.0)

    def serves(self, subscription: Subscription[Any]) -> bool:
        """Ask the core."""
        return self.core.serves(subscription.listener)

    async def changed(self) -> None:
        """Let whoever feeds the core go on."""
        await asyncio.sleep(0)

    def receive(self, frame: str) -> None:
        """Let the server send a frame."""
        self.core.frame_received(frame, 0.0)

    def sent(self) -> list[str]:
        """Take what was sent."""
        return self.core.frames_to_send()

    def say(self, key: str, text: str) -> None:
        """Send a frame of a dialogue."""
        self.core.say(key, text)

    async def check_may_trade(self, what: str) -> None:
        """Allow it, or not."""
        if not self.may_trade:
            raise OrderGuardError(what, "no")
