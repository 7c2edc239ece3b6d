"""The bounded buffer between the reader and one consumer, and what happens when it is full.

Responsible for holding what a consumer has not read yet. It never blocks, never grows without
bound, and never loses anything that its `stats` do not say. Pure: it wakes its consumer through
a plain callable.

Policies:

* `conflate` — up to `capacity` items wait as they came. After that a newer partial update is
  merged into the waiting one of the same contract (or account, or row), so that no value is lost
  and at most one update per contract waits beyond the capacity.
* `fail` — when it is full the subscription ends with `SlowConsumerError`, after everything that
  was queued has been delivered. For feeds where each message counts.
* `latest` — only the newest item of each contract waits.
* `drop_oldest` — the oldest item makes room.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from ibkr_async.errors import SlowConsumerError
from ibkr_async.stream.core.events import StreamEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from ibkr_async.errors import IbkrError
    from ibkr_async.stream.core.events import Marker

T = TypeVar("T")

Policy = Literal["conflate", "fail", "latest", "drop_oldest"]
POLICIES: tuple[Policy, ...] = ("conflate", "fail", "latest", "drop_oldest")


class SubscriptionStats:
    """Counters of one subscription; they go on counting while you hold them.

    `received` = `delivered` + `conflated` + `dropped` + what is waiting, while it is open.
    """

    __slots__ = ("_buffer", "_unread", "conflated", "delivered", "dropped", "filtered", "gaps")

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
        """Times that this subscription's data was interrupted."""
        self.filtered = 0
        """Messages that had none of this subscription's fields (another one shares the contract)."""

    @property
    def received(self) -> int:
        """Messages for this subscription, after filtering."""
        # Worked out, since a counter for each message would cost a third of what `put` costs.
        waiting = self._buffer.messages_waiting
        return self.delivered + self.conflated + self.dropped + self._unread + waiting

    def leave_unread(self, messages: int) -> None:
        """Count messages that were thrown away because the consumer has gone."""
        self._unread += messages

    def __repr__(self) -> str:
        names = ("received", "delivered", "conflated", "dropped", "gaps", "filtered")
        return f"SubscriptionStats({', '.join(f'{name}={getattr(self, name)}' for name in names)})"


class Buffer(Generic[T]):
    """Items of one subscription that wait for its consumer.

    `identify` names what an item updates; `merge(older, newer)` gives their union. Both are needed
    by `conflate`, and `identify` by `latest`; they are called only when items wait.
    """

    # A deque weighs 760 bytes and this object's dict would weigh 400, for each of a thousand
    # subscriptions: so slots, and no deque before the first item.
    __slots__ = (
        "_error",
        "_full",
        "_identify",
        "_limit",
        "_markers",
        "_merge",
        "_overflowed",
        "_queue",
        "_room",
        "_tail",
        "capacity",
        "ended",
        "name",
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
        identify: Callable[[T], Hashable],
        merge: Callable[[T, T], T],
    ) -> None:
        self.name = name
        self.policy = policy
        self.capacity = capacity
        self.stats = SubscriptionStats(self)
        self.wake: Callable[[], None] | None = None
        """Called once, and forgotten, when there is something to take."""
        self.ended = False
        """True when nothing more comes, though items may still wait."""
        self._error: IbkrError | None = None
        self._overflowed = False
        self._identify = identify
        self._merge = merge
        self._queue: deque[T] = _NO_QUEUE
        self._tail: dict[Hashable, T] = {}
        """What waits behind `_queue`, one item per identity (conflate and latest)."""
        self._markers = 0
        self._full = _WAYS[policy]
        self._limit = 0 if policy == "latest" else capacity
        self._room = 0
        """How long `_queue` may get; 0 while newcomers need a closer look."""

    def __len__(self) -> int:
        return len(self._queue) + len(self._tail)

    @property
    def messages_waiting(self) -> int:
        """How many of the waiting items are data, not markers."""
        return len(self) - self._markers

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
        if self.ended:
            self.stats.dropped += 1
            return
        self._open_queue()
        if len(self._queue) < self._room:
            self._queue.append(item)
        else:
            self._full(self, item, source)
            self._measure_room()

    def _open_queue(self) -> None:
        if self._queue is _NO_QUEUE:
            self._queue = deque()
            self._measure_room()

    def mark(self, marker: Marker) -> None:
        """Take in a marker, after everything that came before it.

        Markers and what they push aside may fill the capacity a second time; past that they are
        not kept, so that memory stays bounded under a consumer that never reads.
        """
        if self.ended or len(self._queue) >= 2 * self.capacity:
            return
        self._open_queue()
        # What is conflated so far belongs before the marker: later updates must not merge into it.
        self._queue.extend(self._tail.values())
        self._tail.clear()
        self._queue.append(marker)  # type: ignore[arg-type]  # T includes Marker when markers are on
        self._count_markers(+1)
        if self.wake is not None:
            self._wake()

    def end(self, error: IbkrError | None = None) -> None:
        """Say that nothing more comes; the first call wins. What waits can still be taken."""
        if not self.ended:
            self.ended = True
            self._error = error
            self._measure_room()
            if self.wake is not None:
                self._wake()

    # --- the consumer's side ---------------------------------------------------------------------

    def take(self) -> T:
        """Remove the item that has waited longest. Errors: `IndexError` when none waits."""
        queue = self._queue
        if queue and not self._markers:
            self.stats.delivered += 1
            return queue.popleft()
        if queue:
            item = queue.popleft()
        elif self._tail:
            item = self._tail.pop(next(iter(self._tail)))
            self._measure_room()
        else:
            raise IndexError(f"{self.name}: nothing waits")
        if self._markers and _is_marker(item):
            self._count_markers(-1)
        else:
            self.stats.delivered += 1
        return item

    def take_all(self) -> list[T]:
        """Remove everything that waits, oldest first; may be empty."""
        items = [*self._queue, *self._tail.values()]
        self.stats.delivered += len(items) - self._markers
        self._empty()
        return items

    def clear(self) -> None:
        """Throw away everything that waits."""
        self.stats.leave_unread(self.messages_waiting)
        self._empty()

    def _empty(self) -> None:
        self._queue.clear()
        self._tail.clear()
        self._count_markers(-self._markers)

    @property
    def error(self) -> IbkrError | None:
        """Why nothing more comes: what the consumer raises after the last item, None at a plain end."""
        if self._overflowed:
            return SlowConsumerError(self.name, self.capacity, self.stats.dropped)
        return self._error

    # --- policies --------------------------------------------------------------------------------

    def _put_conflated(self, item: T, source: str) -> None:
        identity = (source, self._identify(item))
        waiting = self._tail.get(identity)
        if waiting is None:
            self._tail[identity] = item
        else:
            self._tail[identity] = self._merge(waiting, item)
            self.stats.conflated += 1

    def _put_latest(self, item: T, source: str) -> None:
        identity = (source, self._identify(item))
        # Taken out first, so that the newcomer stands at the end: delivery follows arrival.
        if self._tail.pop(identity, None) is not None:
            self.stats.dropped += 1
        self._tail[identity] = item

    def _put_failing(self, _item: T, _source: str) -> None:
        self.stats.dropped += 1
        self._overflowed = True
        self.end()

    def _put_dropping(self, item: T, _source: str) -> None:
        # There is always an item to drop: markers are not counted against the capacity.
        oldest = next(i for i, waiting in enumerate(self._queue) if not _is_marker(waiting))
        del self._queue[oldest]
        self.stats.dropped += 1
        self._queue.append(item)

    def _count_markers(self, change: int) -> None:
        self._markers += change
        if self.policy != "latest":
            self._limit += change
        self._measure_room()

    def _measure_room(self) -> None:
        closed = self.ended or self._tail or self._queue is _NO_QUEUE
        self._room = 0 if closed else self._limit

    def _wake(self) -> None:
        wake, self.wake = self.wake, None
        if wake is not None:
            wake()


_NO_QUEUE: Final[deque[Any]] = deque(maxlen=0)
"""Stands for the queue of a buffer that has not had an item; it takes in nothing."""

_WAYS: Final[dict[Policy, Callable[[Buffer[Any], Any, str], None]]] = {
    "conflate": Buffer._put_conflated,  # noqa: SLF001 - the policies are part of the buffer
    "fail": Buffer._put_failing,  # noqa: SLF001 - as above
    "latest": Buffer._put_latest,  # noqa: SLF001 - as above
    "drop_oldest": Buffer._put_dropping,  # noqa: SLF001 - as above
}


def _is_marker(item: object) -> bool:
    return isinstance(item, StreamEvent)
