"""Who wants what, and how far each wish has got on the wire.

A `Wish` is one topic that a consumer wants. A `Listener` is that consumer: a buffer and the wishes
that feed it. A `Channel` is what all wishes for one topic share: at most one subscription at the
server, however many listen.

Responsible for remembering and for looking up; what is sent when is decided in `protocol`. Pure.
"""

from __future__ import annotations

from functools import cache, partial
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ibkr_async.errors import SubscriptionError, UsageError
from ibkr_async.stream.sharing import narrow, unite
from ibkr_async.stream.topics import Arguments, Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ibkr_async.models.market_data import MarketDataUpdate
    from ibkr_async.stream.buffer import Buffer
    from ibkr_async.stream.events import Marker

NEVER: Final = inf
"""The time of what is not going to happen."""
_NO_ARGUMENTS: Final[Arguments] = MappingProxyType({})


class Wish(msgspec.Struct, frozen=True):
    """One topic that a consumer wants."""

    topic: Topic
    target: str = ""
    arguments: Arguments = msgspec.field(default_factory=lambda: _NO_ARGUMENTS)

    @property
    def key(self) -> str:
        """Name of the channel that serves this wish, as in frames: `smd+265598`."""
        return self.topic.topic_of(self.target)


class Listener:
    """A consumer's end: where its items go, and which topics it waits for."""

    def __init__(self, buffer: Buffer[Any], *, markers: bool = False) -> None:
        self.buffer = buffer
        self.markers = markers
        self.keys: set[str] = set()
        """Channels that it listens to."""
        self.failed: set[str] = set()
        """Those of them that the server refused or did not confirm."""

    def mark(self, marker: Marker) -> None:
        """Put a marker between the data, if this consumer wants markers."""
        if self.markers:
            self.buffer.mark(marker)


class Channel:
    """One subscription at the server and everyone who listens to it.

    Where it stands::

        on_wire  awaiting   meaning
        no       no         wanted, not requested on this connection
        yes      yes        requested; its first frame has not come
        yes      no         live
    """

    __slots__ = (
        "awaiting",
        "confirm_by",
        "decode",
        "ever_live",
        "frame_without_payload",
        "gap_since",
        "key",
        "on_wire",
        "puts",
        "renew_at",
        "renewing",
        "requested_at",
        "retry_at",
        "server_id",
        "started_at",
        "target",
        "told_of_gap",
        "topic",
        "wishes",
    )

    def __init__(self, topic: Topic, target: str) -> None:
        self.topic = topic
        self.target = target
        self.key = topic.topic_of(target)
        self.wishes: dict[Listener, Wish] = {}
        # hot path
        self.frame_without_payload = len(f'{{"topic":"{self.key}"}}')
        """Length of the frame that has nothing but its topic; IBKR sends such frames."""
        self.decode: Callable[[bytes], Any] = _decoder(topic.payload if topic.fast else Any).decode
        self.puts: tuple[Callable[[Any], None], ...] = ()
        # progress
        self.on_wire = False
        self.awaiting = False
        self.ever_live = False
        """True once it was live on any connection: from then on an interruption is a gap."""
        self.renewing = False
        self.server_id = ""
        # times
        self.requested_at = 0.0
        """When the last request for it was sent."""
        self.started_at = 0.0
        """When the server's clock of its lifetime began."""
        self.confirm_by = NEVER
        self.renew_at = NEVER
        self.retry_at = NEVER
        # gap
        self.gap_since: float | None = None
        self.told_of_gap: tuple[Listener, ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """What must be asked for so that every listener gets what it wants."""
        return unite(wish.arguments for wish in self.wishes.values())

    @property
    def due(self) -> float:
        """When the next thing is due here, or `NEVER`."""
        return min(self.confirm_by, self.renew_at, self.retry_at)

    def off_wire(self) -> None:
        """Forget everything that was true on a connection that is gone."""
        self.on_wire = self.awaiting = self.renewing = False
        self.server_id = ""
        self.confirm_by = self.renew_at = self.retry_at = NEVER

    def postpone(self, lag_s: float) -> None:
        """Give the server the time back in which we were not listening."""
        self.confirm_by += lag_s

    def refresh(self) -> None:
        """Work out anew what one update costs: who gets it, and whose fields are a part only."""
        everything = self.arguments.get("fields")
        self.puts = tuple(
            _put_for(listener, wish, everything) for listener, wish in self.wishes.items()
        )


def _put_for(listener: Listener, wish: Wish, everything: list[str] | None) -> Callable[[Any], None]:
    """Give what delivers to one listener; if it wants fewer fields than are sent, filter."""
    buffer = listener.buffer
    if not wish.topic.fast:
        return partial(buffer.put, source=wish.key)
    wanted = wish.arguments.get("fields", ())
    if everything is None or set(wanted) == set(everything):
        return buffer.put
    tags = frozenset(wanted)

    def put(update: MarketDataUpdate) -> None:
        part = narrow(update, tags)
        if part is None:
            buffer.stats.filtered += 1
        else:
            buffer.put(part)

    return put


@cache
def _decoder(payload: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(payload)


class Registry:
    """All channels, by topic, and by the topic bytes that end their frames."""

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.routes: dict[bytes, Channel] = {}
        """Channels whose frames may be decoded straight from their bytes."""

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
            self._check_room(wish.topic)
            channel = Channel(wish.topic, wish.target)
        elif listener in channel.wishes:
            raise UsageError(f"{wish.key} is twice in one subscription")
        else:
            unite([*(other.arguments for other in channel.wishes.values()), wish.arguments])
        self.channels[wish.key] = channel
        channel.wishes[listener] = wish
        channel.refresh()
        listener.keys.add(wish.key)
        if wish.topic.fast:
            self.routes[wish.key.encode()] = channel
        return channel, len(channel.wishes) > 1

    def remove(self, key: str, listener: Listener) -> Channel | None:
        """Take one wish back; give the channel if nobody listens to it any more."""
        listener.keys.discard(key)
        listener.failed.discard(key)
        channel = self.channels.get(key)
        if channel is None or channel.wishes.pop(listener, None) is None:
            return None
        if channel.wishes:
            channel.refresh()
            return None
        del self.channels[key]
        self.routes.pop(key.encode(), None)
        return channel

    def find(self, topic: str, wire: Mapping[str, Any]) -> Channel | None:
        """Find the channel of a frame by its topic.

        A frame of `smd+265598@ARCA` may say `smd+265598` only; then `conidEx` in the frame
        decides, and failing that the only channel of this contract.
        """
        channel = self.channels.get(topic)
        if channel is None and "+" in topic:
            exchanges = [one for one in self if one.key.startswith(f"{topic}@")]
            named = [one for one in exchanges if one.target == wire.get("conidEx")]
            channel = next(iter(named), exchanges[0] if len(exchanges) == 1 else None)
        return channel

    def named_in(self, words: Iterable[str]) -> Channel | None:
        """Find the channel whose topic, or whose whole request, is one of these words."""
        for word in words:
            parts = word.split("+")
            for length in range(len(parts), 0, -1):
                channel = self.channels.get("+".join(parts[:length]))
                if channel is not None:
                    return channel
        return None

    def _check_room(self, topic: Topic) -> None:
        if topic.at_most is None:
            return
        used = sum(channel.topic is topic for channel in self)
        if used >= topic.at_most:
            raise SubscriptionError(
                topic.code,
                f"IBKR serves {topic.at_most} of these at a time and {used} are open; close one",
            )
