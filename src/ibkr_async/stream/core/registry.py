"""Who wants what: all channels, found by topic.

Responsible for remembering and for looking up; what is sent when is decided in `lifecycle`. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ibkr_async.errors import SubscriptionError, UsageError
from ibkr_async.stream.core.channel import Channel, Listener, Wish
from ibkr_async.stream.core.sharing import unite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ENDING: Final = 18
"""How many bytes at the end of a frame are looked up: enough for `:"smd+1234567890"}`."""


def route_of(key: str) -> bytes:
    """Give that by which the frames of a topic are recognised.

    Shape: their last `ENDING` bytes, `pic":"smd+265598"}`, if those are the same in all of them and hold
    the whole topic with the quote before it; else the topic alone, as for `smd+756733@ISLAND`.
    """
    end = f'"topic":"{key}"}}'.encode()
    return end[-ENDING:] if len(key) + len('""}') <= ENDING <= len(end) else key.encode()


class Registry:
    """All channels, by topic, and by the bytes that end their frames."""

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.routes: dict[bytes, Channel] = {}
        """Channels whose frames may be decoded straight from their bytes, by `route_of` their topic."""
        self.unnamed: list[Channel] = []
        """Given up before the server had named them, so that it could not be told; see `addressing`."""

    def __iter__(self) -> Iterator[Channel]:
        return iter(tuple(self.channels.values()))

    def add(self, wish: Wish, listener: Listener) -> tuple[Channel, bool]:
        """Register one wish; say also whether the server must be asked for more than before.

        Errors: `UsageError` when this listener has the topic already, or the target or arguments
        cannot be; `SubscriptionError` when the server allows no more of this topic. Nothing has
        changed then.
        """
        wish.topic.check_target(wish.target)
        channel = self.channels.get(wish.key)
        if channel is None:
            if not wish.waits:
                self._check_room(wish)
            channel = Channel(wish.topic, wish.target, wish.key)
        elif listener in channel.wishes:
            raise UsageError(f"{wish.key} is twice in one subscription")
        else:
            unite([*(other.arguments for other in channel.wishes.values()), wish.arguments])
        # Everyone shares the channel's own string: `wish.key` would make a new one each time.
        self.channels[channel.key] = channel
        channel.wishes[listener] = wish
        channel.refresh()
        listener.join(channel.key)
        if wish.topic.fast:
            self.routes[route_of(channel.key)] = channel
        return channel, len(channel.wishes) > 1

    def remove(self, key: str, listener: Listener) -> Channel | None:
        """Take one wish back; give the channel if nobody listens to it any more."""
        listener.leave(key)
        channel = self.channels.get(key)
        if channel is None or channel.wishes.pop(listener, None) is None:
            return None
        channel.refresh()
        if channel.wishes:
            return None
        del self.channels[key]
        self.routes.pop(route_of(key), None)
        return channel

    def find(self, topic: str) -> list[Channel]:
        """Find the channels that a frame of this topic may belong to.

        Usually the one of that name. Several where they share it (see `addressing`), or where the server
        leaves the exchange out: it may say `smd+265598` for `smd+265598@ARCA`.
        """
        channel = self.channels.get(topic)
        if channel is not None:
            return [channel]
        if "+" not in topic:
            return []
        namesakes = [one for one in (*self, *self.unnamed) if one.name == topic]
        longer = (f"{topic}@", f"{topic}+")
        return namesakes or [one for one in self if one.name.startswith(longer)]

    def named_in(self, words: Iterable[str]) -> Channel | None:
        """Find the channel whose topic, or whose whole request, is one of these words."""
        for word in words:
            parts = word.split("+")
            for length in range(len(parts), 0, -1):
                name = "+".join(parts[:length])
                channel = self.channels.get(name)
                if channel is not None:
                    return channel
                asked = [one for one in self if one.name == name and one.awaiting]
                if asked:
                    return asked[0]
        return None

    def _check_room(self, wish: Wish) -> None:
        topic, group = wish.topic, wish.topic.group_of(wish.target)
        if topic.at_most is None:
            return
        open_now = [
            channel.key
            for channel in self
            if channel.topic is topic and topic.group_of(channel.target) == group
        ]
        if len(open_now) < topic.at_most:
            return
        if group:
            raise SubscriptionError(
                wish.key,
                f"{open_now[0]} is open, and IBKR ends all ladders of an account at once, without "
                "naming a contract: one contract at a time for each account. Possible are more "
                "consumers of the same ladder, ladders of other accounts, and when_full='wait', which "
                "begins when the open one is closed",
            )
        raise SubscriptionError(
            wish.key,
            f"IBKR serves {topic.at_most} of these at a time and {len(open_now)} are open: "
            f"{', '.join(open_now)}. Close one, or wait for a place with when_full='wait'",
        )
