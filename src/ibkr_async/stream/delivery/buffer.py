"""The bounded buffer between the reader and one consumer, and what happens when it is full.

Responsible for holding what a consumer has not read yet. It never blocks, never grows without
bound, and never loses anything that its `stats` do not say. Pure: it wakes its consumer through
a plain callable.

Policies:

* `conflate` — up to `capacity` items wait as they came. After that a newer item is merged into the
  waiting one of the same contract (or account, or row), in the way that suits its payload, so that no
  value is lost and at most one item per contract waits beyond the capacity.
* `fail` — when it is full the feed ends with `SlowConsumerError`, after everything that was queued has
  been delivered. For feeds where each message counts.
* `latest` — only the newest item of each contract waits.
* `drop_oldest` — the oldest item makes room.

Markers have a room of their own: they take none from the data, stand exactly where they happened, and
nothing is merged across them. When a consumer has left many unread, those of one topic become one longer
gap: the first `Gap` stays, and the last `Resumed`; of other kinds the newest.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, get_args

import msgspec

from ibkr_async.errors import SlowConsumerError
from ibkr_async.stream.delivery.events import Gap, Resumed
from ibkr_async.stream.wire.sharing import replace
from ibkr_async.stream.wire.topic_row import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from ibkr_async.errors import IbkrError
    from ibkr_async.stream.delivery.events import Marker

T = TypeVar("T")

POLICIES: Final[tuple[Policy, ...]] = get_args(Policy)


class FeedStats:
    """Counters of one feed; they go on counting while you hold them.

    `received` = `delivered` + `conflated` + `dropped` + `waiting`, while it is open.
    """

    __slots__ = (
        "_buffer",
        "_unread",
        "conflated",
        "delivered",
        "dropped",
        "filtered",
        "gaps",
        "markers_merged",
    )

    def __init__(self, buffer: Buffer[Any]) -> None:
        self._buffer = buffer
        self._unread = 0
        self.delivered = 0
        """Messages that the consumer has taken."""
        self.conflated = 0
        """Messages merged into one that was waiting; their values were not lost."""
        self.dropped = 0
        """Messages lost: by policy, or after the buffer overflowed."""
        self.gaps = 0
        """Times that this feed's data was interrupted."""
        self.filtered = 0
        """Messages that had none of this feed's fields (another one shares the contract)."""
        self.markers_merged = 0
        """Markers that are part of one longer gap, since nobody read them."""

    @property
    def waiting(self) -> int:
        """Messages that are queued and not yet taken."""
        return self._buffer.messages_waiting

    @property
    def received(self) -> int:
        """Messages for this feed, after filtering."""
        # Worked out, since a counter for each message would cost a third of what `put` costs.
        return self.delivered + self.conflated + self.dropped + self._unread + self.waiting

    def leave_unread(self, messages: int) -> None:
        """Count messages that were thrown away because the consumer has gone."""
        self._unread += messages

    def __repr__(self) -> str:
        names = ("received", "delivered", "conflated", "dropped", "gaps", "filtered")
        return f"FeedStats({', '.join(f'{name}={getattr(self, name)}' for name in names)})"


class _Mark:
    """Tells a marker between the data from an item, which may be an event too."""

    __slots__ = ("marker",)

    def __init__(self, marker: Marker) -> None:
        self.marker = marker


class _Tail(dict["Hashable", T]):
    """Items that wait behind a full queue, one for each identity."""


def _nothing(_item: Any) -> Hashable:
    return None


class Buffer(Generic[T]):
    """Items of one feed that wait for its consumer.

    `identify` names what an item updates, for `conflate` and `latest`; `merge(older, newer)` makes one
    item of two, for `conflate`. They are called only when items wait.
    """

    # A deque weighs 760 bytes and this object's dict would weigh 400, for each of a thousand
    # feeds: so slots, and no deque before the first item.
    __slots__ = (
        "_error",
        "_identify",
        "_many_markers",
        "_merge",
        "_queue",
        "_room",
        "_tail",
        "capacity",
        "ended",
        "markers",
        "name",
        "on_closed",
        "policy",
        "stats",
        "wake",
    )

    def __init__(
        self,
        name: str,
        *,
        policy: Policy,
        capacity: int,
        identify: Callable[[T], Hashable] = _nothing,
        merge: Callable[[T, T], T] = replace,
    ) -> None:
        self.name = name
        self.policy = policy
        self.capacity = capacity
        self.stats = FeedStats(self)
        self.wake: Callable[[], None] | None = None
        """Called once, and forgotten, when there is something to take."""
        self.on_closed: Callable[[], None] | None = None
        """Called when the consumer has gone, or has taken the last item after the end."""
        self.ended = False
        """True when nothing more comes, though items may still wait."""
        self.markers = 0
        """How many of the waiting entries are markers."""
        self._many_markers = capacity
        self._error: IbkrError | None = None
        self._identify = identify
        self._merge = merge
        self._queue: deque[T | _Mark | _Tail[T]] = _NO_QUEUE
        """What waits, oldest first; a tail in it is followed by a marker."""
        self._tail = _NO_TAIL
        """What waits behind the queue (conflate and latest)."""
        self._room = 0
        """How long `_queue` may get; 0 while newcomers need a closer look."""

    def __len__(self) -> int:
        if self.markers:
            return sum(1 for _ in self._entries())
        return len(self._queue) + len(self._tail)

    @property
    def messages_waiting(self) -> int:
        """How many of the waiting entries are data, not markers."""
        return len(self) - self.markers

    @property
    def data_is_next(self) -> bool:
        """Tell whether an item waits, and no marker before it."""
        return not isinstance(next(self._entries(), _AN_END), _Mark)

    def _entries(self) -> Iterator[T | _Mark]:
        for entry in (*self._queue, self._tail):
            if isinstance(entry, _Tail):
                yield from entry.values()
            else:
                yield entry

    # --- the reader's side -----------------------------------------------------------------------

    def put(self, item: T, source: str = "") -> None:
        """Take in one item. Never blocks, never raises.

        `source` is the topic, for items that do not say themselves where they come from: only
        items of one source are about the same thing.
        """
        # 60 ns: one comparison stands for the limit, for what is conflated, and for the end.
        queue = self._queue
        if len(queue) < self._room:
            queue.append(item)
        else:
            self._put_with_care(item, source)
        if self.wake is not None:
            self._wake()

    def _put_with_care(self, item: T, source: str) -> None:
        self._open_queue()
        if self.ended:
            self.stats.dropped += 1
        elif len(self._queue) < self._room:
            self._queue.append(item)
        elif self.policy == "fail":
            self.stats.dropped += 1
            self.end(SlowConsumerError(self.name, self.capacity, 1))
        elif self.policy == "drop_oldest":
            # There is always an item to drop: markers are not counted against the capacity.
            oldest = next(i for i, entry in enumerate(self._queue) if not isinstance(entry, _Mark))
            del self._queue[oldest]
            self.stats.dropped += 1
            self._queue.append(item)
        else:
            if self._tail is _NO_TAIL:
                self._tail = _Tail()
            self._add_to(self._tail, (source, self._identify(item)), item)
            self._measure_room()

    def _add_to(self, tail: _Tail[T], identity: Hashable, item: T) -> None:
        waiting = tail.get(identity)
        if waiting is None:
            tail[identity] = item
        elif self.policy == "latest":
            # Taken out first, so that the newcomer stands at the end: delivery follows arrival.
            del tail[identity]
            tail[identity] = item
            self.stats.dropped += 1
        else:
            tail[identity] = self._merge(waiting, item)
            self.stats.conflated += 1

    def _open_queue(self) -> None:
        if self._queue is _NO_QUEUE:
            self._queue = deque()
            self._measure_room()

    def mark(self, marker: Marker) -> None:
        """Take in a marker, after everything that came before it."""
        self.stats.gaps += isinstance(marker, Gap)
        if self.ended:
            return
        self._open_queue()
        if self._tail:
            # It belongs before the marker: later updates must not merge into it.
            self._queue.append(self._tail)
            self._tail = _NO_TAIL
        self._queue.append(_Mark(marker))
        self.markers += 1
        if self.markers > self._many_markers:
            self._unite_gaps()
            self._many_markers = max(self.capacity, 2 * self.markers)
        self._measure_room()
        if self.wake is not None:
            self._wake()

    def _unite_gaps(self) -> None:
        """Keep one marker of each kind and topic, and merge what only the others kept apart."""
        marks = [entry for entry in self._queue if isinstance(entry, _Mark)]
        kept = set(_longest_gaps(marks))
        self.stats.markers_merged += len(marks) - len(kept)
        self.markers = len(kept)
        entries, self._queue = self._queue, deque()
        for entry in entries:
            last = self._queue[-1] if self._queue else None
            if isinstance(entry, _Tail) and isinstance(last, _Tail):
                for identity, item in entry.items():
                    self._add_to(last, identity, item)
            elif not isinstance(entry, _Mark) or entry in kept:
                self._queue.append(entry)

    def skip(self) -> None:
        """Count an item that had nothing of what this consumer asked for."""
        self.stats.filtered += 1

    def end(self, error: IbkrError | None = None) -> None:
        """End it: nothing more comes; the first call wins. What waits can still be taken."""
        if not self.ended:
            self.ended = True
            self._error = error
            self._measure_room()
            if self.wake is not None:
                self._wake()

    def _measure_room(self) -> None:
        closed = self.ended or self._tail or self._queue is _NO_QUEUE or self.policy == "latest"
        self._room = 0 if closed else self.capacity + self.markers

    def _wake(self) -> None:
        wake, self.wake = self.wake, None
        if wake is not None:
            wake()

    # --- the consumer's side ---------------------------------------------------------------------

    def take(self) -> T:
        """Remove the item that has waited longest, and the markers before it.

        Errors: `IndexError` when none waits.
        """
        queue = self._queue
        if queue and not self.markers:
            self.stats.delivered += 1
            return queue.popleft()  # type: ignore[return-value]  # there are only items
        while True:
            entry = self._pop()
            if not isinstance(entry, _Mark):
                return entry

    def take_marked(self) -> T | Marker:
        """Remove the item or the marker that has waited longest. Errors: `IndexError`."""
        entry = self._pop()
        return entry.marker if isinstance(entry, _Mark) else entry

    def take_all(self) -> list[T]:
        """Remove everything that waits, oldest first; may be empty."""
        has_markers = self.markers
        entries = self._pop_all()
        # Looking at each would cost 50 ns an item.
        return (
            [entry for entry in entries if not isinstance(entry, _Mark)] if has_markers else entries
        )

    def take_all_marked(self) -> list[T | Marker]:
        """As `take_all`, with the markers between the items."""
        return [entry.marker if isinstance(entry, _Mark) else entry for entry in self._pop_all()]

    def close(self) -> None:
        """Close it, since the consumer has gone: throw away what waits, and take in nothing more."""
        self.stats.leave_unread(self.messages_waiting)
        self._empty()
        self.end()
        if self.on_closed is not None:
            self.on_closed()

    def _pop(self) -> T | _Mark:
        entry = self._queue[0] if self._queue else self._tail
        if isinstance(entry, _Tail):
            if not entry:
                raise IndexError(f"{self.name}: nothing waits")
            item = entry.pop(next(iter(entry)))
            if not entry and self._queue:
                self._queue.popleft()
            self.stats.delivered += 1
            self._measure_room()
            return item
        self._queue.popleft()
        if isinstance(entry, _Mark):
            self.markers -= 1
            self._measure_room()
        else:
            self.stats.delivered += 1
        return entry

    def _pop_all(self) -> list[Any]:
        entries = list(self._entries() if self.markers or self._tail else self._queue)
        self.stats.delivered += len(entries) - self.markers
        self._empty()
        return entries

    def _empty(self) -> None:
        self._queue.clear()
        self._tail = _NO_TAIL
        self.markers = 0
        self._measure_room()

    @property
    def error(self) -> IbkrError | None:
        """Why nothing more comes: what the consumer raises after the last item, None at a plain end."""
        if isinstance(self._error, SlowConsumerError):  # more may have been missed since
            return SlowConsumerError(self.name, self.capacity, self.stats.dropped)
        return self._error


_AN_END: Final = _Mark(None)  # type: ignore[arg-type]  # it stands for no marker
_NO_QUEUE: Final[deque[Any]] = deque(maxlen=0)
"""Stands for the queue of a buffer that has not had an item; it takes in nothing."""
_NO_TAIL: Final[_Tail[Any]] = _Tail()
"""Stands for a tail in which nothing waits; nothing is put into it."""


def _longest_gaps(marks: Iterable[_Mark]) -> list[_Mark]:
    """Return the marks that tell the same of each topic, with one gap for many."""
    kept: dict[tuple[type[Any], str], _Mark] = {}
    for mark in marks:
        marker = mark.marker
        key = (type(marker), marker.topic)
        gap = kept.get((Gap, marker.topic))
        if isinstance(marker, Gap) and gap is not None:
            kept.pop((Resumed, marker.topic), None)  # it has not come back for good
            continue
        if isinstance(marker, Resumed) and gap is not None:
            gap_s = max(marker.gap_s, marker.at - gap.marker.at)
            mark.marker = msgspec.structs.replace(marker, gap_s=gap_s)
        kept[key] = mark
    return list(kept.values())
