"""Who wants what: all channels, found by topic.

Responsible for remembering and for looking up; what is sent when is decided in `lifecycle`. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ibkr_async.errors import SubscriptionError, UsageError
from ibkr_async.stream.core.channel import Channel, Room
from ibkr_async.stream.wire.sharing import unite_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ibkr_async.stream.core.channel import Listener, Wish

ENDING: Final = 18
"""How many bytes at the end of a frame are looked up: enough for `:"smd+1234567890"}`."""

_MOST_PARTS: Final = 4
"""Parts of the longest topic: `sbd+DU1234567+265598+ISLAND`."""


def route_of(key: str) -> bytes:
    """Return that by which the frames of a topic are recognised.

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
        self.unnamed: dict[Channel, None] = {}
        """Abandoned ones, which nobody wants and the server has not named yet; see `addressing`."""
        self._called: dict[str, dict[Channel, None]] = {}
        """Those that frames may call by another name than their key; `unnamed` ones among them."""
        self._rooms: dict[tuple[str, str], Room] = {}

    def __iter__(self) -> Iterator[Channel]:
        """Return all that are wanted, in the order in which they came."""
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
            channel = Channel(wish.topic, wish.target, wish.key, self._room_of(wish))
            for name in _other_names(channel):
                self._called.setdefault(name, {})[channel] = None
        elif listener in channel.wishes:
            raise UsageError(f"{wish.key} is twice in one subscription")
        else:
            unite_arguments(
                [*(other.arguments for other in channel.wishes.values()), wish.arguments]
            )
        # Everyone shares the channel's own string: `wish.key` would make a new one each time.
        self.channels[channel.key] = channel
        channel.wishes[listener] = wish
        channel.refresh()
        listener.join(channel)
        if wish.topic.fast:
            self.routes[route_of(channel.key)] = channel
        return channel, len(channel.wishes) > 1

    def remove(self, key: str, listener: Listener) -> Channel | None:
        """Take one wish back; return the channel if nobody listens to it any more.

        Then it is still in its room and found by its frames: `abandon` or `forget` it.
        """
        channel = self.channels.get(key)
        if channel is None or channel.wishes.pop(listener, None) is None:
            return None
        listener.leave(channel)
        channel.refresh()
        if channel.wishes:
            return None
        del self.channels[key]
        self.routes.pop(route_of(key), None)
        return channel

    def abandon(self, channel: Channel) -> None:
        """Keep a channel that was removed until the server has said its number."""
        self.unnamed[channel] = None

    def forget(self, channel: Channel) -> None:
        """Forget a channel that was removed."""
        self.unnamed.pop(channel, None)
        for name in _other_names(channel):
            called = self._called[name]
            del called[channel]
            if not called:
                del self._called[name]
        if channel.room is not None:
            channel.room.leave(channel)

    def find(self, topic: str) -> list[Channel]:
        """Return the channels that a frame of this topic may belong to.

        Usually the one of that name. Several where they share it (see `addressing`), or where the server
        leaves the exchange out: it may say `smd+265598` for `smd+265598@ARCA`.
        """
        channel = self.channels.get(topic)
        if channel is not None:
            return [channel]
        called = self._called.get(topic, {})
        return [one for one in called if one.name == topic] or list(called)

    def named_in(self, words: Iterable[str]) -> Channel | None:
        """Return the channel whose topic, or whose whole request, is one of these words."""
        for word in words:
            parts = word.split("+", _MOST_PARTS)[:_MOST_PARTS]
            beginnings = ("+".join(parts[:length]) for length in range(len(parts), 0, -1))
            for name in (word, *beginnings):
                channel = self.channels.get(name)
                if channel is not None:
                    return channel
                for one in self._called.get(name, ()):
                    if one.name == name and one.awaiting:
                        return one
        return None

    def _room_of(self, wish: Wish) -> Room | None:
        topic = wish.topic
        if topic.at_most is None and not topic.numbered:
            return None
        return self._rooms.setdefault(
            (topic.code, topic.group_of(wish.target)), Room(topic.at_most)
        )

    def _check_room(self, wish: Wish) -> None:
        topic, room = wish.topic, self._room_of(wish)
        if room is None or topic.at_most is None:
            return
        open_now = [one.key for one in (*room.served, *room.waiting) if one not in self.unnamed]
        if len(open_now) < topic.at_most:
            return
        if topic.group_of(wish.target):
            raise SubscriptionError(
                wish.key,
                f"{open_now[0]} is open, and IBKR ends all ladders of an account together, without "
                "naming a contract: one contract at a time for each account. Possible are more "
                "consumers of the same ladder, ladders of other accounts, and when_full='wait', which "
                "begins when the open one is closed",
            )
        raise SubscriptionError(
            wish.key,
            f"IBKR serves {topic.at_most} of these at a time and {len(open_now)} are open: "
            f"{', '.join(open_now)}. Close one, or wait for a place with when_full='wait'",
        )


def _other_names(channel: Channel) -> list[str]:
    """Return what frames may call a channel, other than its key: see `addressing`."""
    names = [] if channel.name == channel.key else [channel.name]
    code, *rest = re.split(r"([+@])", channel.name)
    # code, "+", target, and what may be left out: "@", exchange or "+", conid ...
    names += [code + "".join(rest[:end]) for end in range(2, len(rest) - 1, 2)]
    return names
