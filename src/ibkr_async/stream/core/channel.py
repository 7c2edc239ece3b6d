"""Wishes, those who have them, and the one subscription at the server that serves them.

A `Wish` is one topic that a consumer wants. A `Listener` is that consumer: a buffer and the wishes
that feed it. A `Channel` is what all wishes for one topic share: at most one subscription at the
server, however many listen.

Responsible for what is known of each, and for who gets what of an update. It decides nothing: what
is sent when is `lifecycle`. Pure.
"""

from __future__ import annotations

from functools import cache, partial
from math import inf
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ibkr_async.stream.core.sharing import narrow, unite
from ibkr_async.stream.core.topic_row import NO_ARGUMENTS, Arguments, Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from ibkr_async.feeds.buffer import Buffer
    from ibkr_async.models.market_data import MarketDataUpdate
    from ibkr_async.stream.core.events import Marker

NEVER: Final = inf
"""The time of what is not going to happen."""

_NOTHING: Final[frozenset[str]] = frozenset()


class Wish(msgspec.Struct, frozen=True):
    """One topic that a consumer wants."""

    topic: Topic
    target: str = ""
    arguments: Arguments = msgspec.field(default_factory=lambda: NO_ARGUMENTS)
    waits: bool = False
    """True to wait for room where IBKR serves only so many; else there must be room at once."""

    @property
    def key(self) -> str:
        """Name of the channel that serves this wish: `smd+265598`."""
        return self.topic.key_of(self.target, self.arguments)

    def for_target(self, target: int | str) -> Wish:
        """Give the same wish for another contract or account."""
        return msgspec.structs.replace(self, target=str(target))


class Listener:
    """A consumer's end: where its items go, and which topics it waits for."""

    # A set weighs 216 bytes, and most listeners need none or one: so both are made when needed.
    __slots__ = ("buffer", "failed", "keys", "markers")

    def __init__(self, buffer: Buffer[Any], *, markers: bool = False) -> None:
        self.buffer = buffer
        self.markers = markers
        self.keys: AbstractSet[str] = _NOTHING
        """Channels that it listens to."""
        self.failed: AbstractSet[str] = _NOTHING
        """Those of them that the server refused or did not confirm."""

    def join(self, key: str) -> None:
        """Note that it listens to a channel."""
        self.keys = _with(self.keys, key)

    def leave(self, key: str) -> None:
        """Note that it does not listen to a channel any more. Twice is harmless."""
        self.keys = _without(self.keys, key)
        self.failed = _without(self.failed, key)

    def note_failure(self, key: str) -> None:
        """Note that the server refused or did not confirm a channel."""
        self.failed = _with(self.failed, key)

    def forget_failure(self, key: str) -> None:
        """Note that a channel is fine."""
        self.failed = _without(self.failed, key)

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
        "asked_for",
        "awaiting",
        "busy",
        "confirm_by",
        "decode",
        "ever_live",
        "frame_without_payload",
        "gap_since",
        "heard_at",
        "idle",
        "key",
        "name",
        "on_wire",
        "put",
        "renew_at",
        "renewing",
        "requested_at",
        "retry_at",
        "server_id",
        "silent_s",
        "spoke",
        "started_at",
        "target",
        "told_of_gap",
        "topic",
        "wishes",
    )

    def __init__(self, topic: Topic, target: str, key: str = "") -> None:
        self.topic = topic
        self.target = target
        self.name = topic.topic_of(target)
        """What its frames carry as `topic`."""
        self.key = key if topic.numbered and key else self.name
        """What it is called here; differs where several channels share a name."""
        self.wishes: dict[Listener, Wish] = {}
        # hot path
        self.frame_without_payload = len(f'{{"topic":"{self.name}"}}')
        """Length of the frame that has nothing but its topic; IBKR sends such frames."""
        self.decode: Callable[[bytes], Any] = _decoder(topic.payload if topic.fast else Any).decode
        self.put: Callable[[Any], None] = _put_to([])
        """Delivers one update to everyone who listens."""
        self.spoke = False
        """True once data came in the present period of `staleness`."""
        # progress
        self.on_wire = False
        self.awaiting = False
        self.ever_live = False
        """True once it was live on any connection: from then on an interruption is a gap."""
        self.renewing = False
        self.server_id = ""
        self.asked_for: Arguments = NO_ARGUMENTS
        """Arguments of the last request."""
        self.busy = self.idle = 0
        """What `staleness` remembers, in periods."""
        self.silent_s = 0.0
        """For how long nothing had come when its renewal was sent."""
        # times
        self.requested_at = 0.0
        """When the last request for it was sent."""
        self.started_at = 0.0
        """When the server's clock of its lifetime began."""
        self.heard_at = 0.0
        """End of the latest period of `staleness` in which data came; only of watched topics."""
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
        self.on_wire = self.awaiting = self.renewing = self.spoke = False
        self.server_id = ""
        self.busy = self.idle = 0
        self.confirm_by = self.renew_at = self.retry_at = NEVER

    def postpone(self, lag_s: float) -> None:
        """Give the server the time back in which we were not listening."""
        self.confirm_by += lag_s
        self.heard_at += lag_s

    def refresh(self) -> None:
        """Work out anew what one update costs: who gets it, and whose fields are a part only."""
        everything = self.arguments if self.wishes else NO_ARGUMENTS
        self.put = _put_to(
            [_put_for(listener, wish, everything) for listener, wish in self.wishes.items()]
        )


def _put_to(puts: Sequence[Callable[[Any], None]]) -> Callable[[Any], None]:
    """Give one call for all; with a single listener, as usual, its own: a loop would cost 15 ns."""
    if len(puts) == 1:
        return puts[0]

    def put(item: Any) -> None:
        for one in puts:
            one(item)

    return put


def _put_for(listener: Listener, wish: Wish, everything: Arguments) -> Callable[[Any], None]:
    """Give what delivers to one listener; if it wants less than is sent, filter."""
    buffer = listener.buffer
    if not wish.topic.fast:
        return _put_rows(buffer, wish, everything)
    wanted = wish.arguments.get("fields", ())
    if set(wanted) == set(everything.get("fields", wanted)):
        return buffer.put
    tags = frozenset(wanted)

    def put(update: MarketDataUpdate) -> None:
        part = narrow(update, tags)
        if part is None:
            buffer.stats.filtered += 1
        else:
            buffer.put(part)

    return put


def _put_rows(buffer: Buffer[Any], wish: Wish, everything: Arguments) -> Callable[[Any], None]:
    """As `_put_for`, for rows that a request may choose by their `key` (`ssd`, `sld`)."""
    source = wish.key
    wanted = wish.arguments.get("keys")
    if wanted is None or set(wanted) == set(everything.get("keys", ())):
        return partial(buffer.put, source=source)
    keys = frozenset(wanted)

    def put(row: Any) -> None:
        if row.key in keys:
            buffer.put(row, source)
        else:
            buffer.stats.filtered += 1

    return put


def _with(keys: AbstractSet[str], key: str) -> AbstractSet[str]:
    """Add a key in place, or give a new set if there is none yet."""
    if isinstance(keys, set):
        keys.add(key)
        return keys
    return {key}


def _without(keys: AbstractSet[str], key: str) -> AbstractSet[str]:
    """Take a key out in place."""
    if isinstance(keys, set):
        keys.discard(key)
    return keys


@cache
def _decoder(payload: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(payload)
