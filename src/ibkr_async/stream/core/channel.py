"""Wishes, those who have them, and the one subscription at the server that serves them.

A `Wish` is one topic that a consumer wants. A `Listener` is that consumer: a buffer and the wishes
that feed it. A `Channel` is what all wishes for one topic share: at most one subscription at the
server, however many listen; the way that it goes is `channel_state`. A `Room` is what several channels
share where IBKR serves only so many.

Responsible for what is known of each, and for who gets what of an update. It decides nothing: what
is sent when is `lifecycle`. Pure.
"""

from __future__ import annotations

from functools import cache, partial
from math import inf
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ibkr_async.stream.core.channel_state import (
    AWAITING,
    FLOWING,
    NEXT_STATES,
    OUTSTANDING,
    ChannelState,
)
from ibkr_async.stream.wire.sharing import narrow, unite_arguments
from ibkr_async.stream.wire.topic_row import NO_ARGUMENTS, Arguments, Target, Topic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet

    from ibkr_async.models.market_data import MarketDataUpdate
    from ibkr_async.stream.delivery.buffer import Buffer

NEVER: Final = inf
"""The time of what is not going to happen."""

ANY_CONID: Final = -1
"""In the place of a contract id; it is that of no contract."""

_NOTHING: Final[frozenset[str]] = frozenset()


class Wish(msgspec.Struct, frozen=True):
    """One topic that a consumer wants."""

    topic: Topic
    target: str = ""
    arguments: Arguments = msgspec.field(default_factory=lambda: NO_ARGUMENTS)
    waits: bool = False
    """True to wait for room where IBKR serves only so many; else there must be room immediately."""

    @property
    def key(self) -> str:
        """Name of the channel that serves this wish: `smd+265598`."""
        return self.topic.key_of(self.target, self.arguments)

    def for_target(self, target: int | str) -> Wish:
        """Return the same wish for another contract or account."""
        return msgspec.structs.replace(self, target=str(target))


class Listener:
    """A consumer's end: where its items go, and which topics it waits for."""

    # A set weighs 216 bytes, and most listeners need none or one: so both are made when needed.
    __slots__ = ("buffer", "failed", "keys", "unserved")

    def __init__(self, buffer: Buffer[Any]) -> None:
        self.buffer = buffer
        self.unserved = 0
        """How many of its channels are not live."""
        self.keys: AbstractSet[str] = _NOTHING
        """Channels that it listens to."""
        self.failed: AbstractSet[str] = _NOTHING
        """Those of them that the server refused or did not confirm."""

    def join(self, channel: Channel) -> None:
        """Note that it listens to a channel."""
        self.keys = _with(self.keys, channel.key)
        self.unserved += channel.state is not ChannelState.LIVE

    def leave(self, channel: Channel) -> None:
        """Note that it does not listen to a channel any more."""
        self.keys = _without(self.keys, channel.key)
        self.failed = _without(self.failed, channel.key)
        self.unserved -= channel.state is not ChannelState.LIVE

    def note_failure(self, key: str) -> None:
        """Note that the server refused or did not confirm a channel."""
        self.failed = _with(self.failed, key)

    def forget_failure(self, key: str) -> None:
        """Note that a channel is fine."""
        self.failed = _without(self.failed, key)


class Room:
    """What channels share of which IBKR serves only so many: those that wait, and those that are served."""

    __slots__ = ("_at_most", "served", "waiting")

    def __init__(self, at_most: int | None) -> None:
        self._at_most = at_most
        # Dicts are sets that keep their order: whoever wanted first is asked for first.
        self.waiting: dict[Channel, None] = {}
        self.served: dict[Channel, None] = {}
        """Those that have a place at the server, abandoned ones among them."""

    @property
    def is_full(self) -> bool:
        """Tell whether IBKR serves no more."""
        return self._at_most is not None and len(self.served) >= self._at_most

    def note(self, channel: Channel) -> None:
        """Take note of a channel's state; one that is wanted goes to the end of the queue."""
        self.leave(channel)
        waits = channel.state is ChannelState.WANTED
        (self.waiting if waits else self.served)[channel] = None

    def leave(self, channel: Channel) -> None:
        """Forget a channel."""
        self.waiting.pop(channel, None)
        self.served.pop(channel, None)


class Channel:
    """One subscription at the server and everyone who listens to it."""

    __slots__ = (
        "act_at",
        "asked_for",
        "begun_at",
        "busy",
        "conid",
        "decode",
        "frame_without_payload",
        "gap_since",
        "heard_at",
        "idle",
        "key",
        "listed_at",
        "name",
        "put",
        "renew_at",
        "requested_at",
        "room",
        "server_id",
        "silent_s",
        "spoke",
        "started_at",
        "state",
        "target",
        "told_of_gap",
        "topic",
        "wishes",
    )

    def __init__(self, topic: Topic, target: str, key: str = "", room: Room | None = None) -> None:
        self.topic = topic
        self.target = target
        self.name = topic.topic_of(target)
        """What its frames carry as `topic`."""
        self.key = key if topic.numbered and key else self.name
        """What it is called here; differs where several channels share a name."""
        self.wishes: dict[Listener, Wish] = {}
        # hot path
        self.conid = _conid_of(topic, target)
        """Contract that its frames are about; `ANY_CONID` where that is not known."""
        self.frame_without_payload = len(f'{{"topic":"{self.name}"}}')
        """Length of the frame that has nothing but its topic; IBKR sends such frames."""
        self.decode: Callable[[bytes], Any] = _decoder(topic.payload if topic.fast else Any).decode
        self.put: Callable[[Any], None] = _put_to([])
        """Delivers one update to everyone who listens."""
        self.spoke = False
        """True once data came in the present period of `staleness`."""
        # progress
        self.state = ChannelState.WANTED
        self.room = room
        """What it shares with others where IBKR serves only so many."""
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
        self.begun_at = 0.0
        """When it was last requested anew, not only repeated."""
        self.started_at = 0.0
        """When the server's clock of its lifetime began."""
        self.heard_at = 0.0
        """End of the latest period of `staleness` in which data came; only of watched topics."""
        self.act_at = NEVER
        """When it is too late for an answer; when DOUBTED, the time to ask again."""
        self.renew_at = NEVER
        self.listed_at = NEVER
        """Used by `agenda` alone."""
        # gap
        self.gap_since: float | None = None
        self.told_of_gap: tuple[Listener, ...] = ()
        if room is not None:
            room.note(self)

    @property
    def arguments(self) -> dict[str, Any]:
        """What must be asked for so that every listener gets what it wants."""
        return unite_arguments(wish.arguments for wish in self.wishes.values())

    @property
    def due(self) -> float:
        """When the next thing is due here, or `NEVER`."""
        return min(self.act_at, self.renew_at)

    @property
    def on_wire(self) -> bool:
        """Tell whether the server has been asked for it on this connection."""
        return self.state is not ChannelState.WANTED

    @property
    def flows(self) -> bool:
        """Tell whether its data comes, so that an interruption is a gap."""
        return self.state in FLOWING

    @property
    def awaiting(self) -> bool:
        """Tell whether its next frame would be the first since a request."""
        return self.state in AWAITING

    @property
    def outstanding(self) -> bool:
        """Tell whether the server's next answer may be the one to this request."""
        return self.state in OUTSTANDING

    @property
    def is_refusable(self) -> bool:
        """Tell whether a refusal of its whole topic is about it: it waits, or is never confirmed."""
        waits = self.outstanding or (self.state is ChannelState.LIVE and not self.topic.confirmed)
        return bool(self.wishes) and waits

    def become(self, state: ChannelState) -> None:
        """Go over to another state, and tell those who count. Errors: `ValueError` off the table."""
        if state not in NEXT_STATES[self.state]:
            raise ValueError(f"{self.key} cannot become {state.name} from {self.state.name}")
        missed = (self.state is ChannelState.LIVE) - (state is ChannelState.LIVE)
        self.state = state
        if missed:
            for listener in self.wishes:
                listener.unserved += missed
        if self.room is not None:
            self.room.note(self)

    def lose(self) -> None:
        """Forget everything that was true on a connection that is gone."""
        self.become(ChannelState.WANTED)
        self.server_id = ""
        self.spoke = False
        self.busy = self.idle = 0
        self.act_at = self.renew_at = NEVER

    def postpone(self, lag_s: float) -> None:
        """Credit the server with the time in which we were not listening."""
        if self.outstanding:
            self.act_at += lag_s
        self.heard_at += lag_s

    def refresh(self) -> None:
        """Work out anew what one update costs: who gets it, and whose fields are a part only."""
        everything = self.arguments if self.wishes else NO_ARGUMENTS
        self.put = _put_to(
            [_put_for(listener, wish, everything) for listener, wish in self.wishes.items()]
        )


def _conid_of(topic: Topic, target: str) -> int:
    """Return the contract of a target such as `265598@ARCA`; that of a combination is not known."""
    digits = target.partition("@")[0]
    return int(digits) if topic.target is Target.CONTRACT and digits.isdecimal() else ANY_CONID


def _put_to(puts: Sequence[Callable[[Any], None]]) -> Callable[[Any], None]:
    """Return one call for all; with a single listener, as usual, its own: a loop would cost 15 ns."""
    if len(puts) == 1:
        return puts[0]

    def put(item: Any) -> None:
        for one in puts:
            one(item)

    return put


def _put_for(listener: Listener, wish: Wish, everything: Arguments) -> Callable[[Any], None]:
    """Return what delivers to one listener; if it wants less than is sent, filter."""
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
            buffer.skip()
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
            buffer.skip()

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
