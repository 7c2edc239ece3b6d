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
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

import msgspec

from ibkr_async.errors import SlowConsumerError
from ibkr_async.stream.events import StreamEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from ibkr_async.errors import IbkrError
    from ibkr_async.stream.events import Marker

T = TypeVar("T")

Policy = Literal["conflate", "fail", "latest", "drop_oldest"]
POLICIES: tuple[Policy, ...] = ("conflate", "fail", "latest", "drop_oldest")


class SubscriptionStats(msgspec.Struct):
    """Counters of one subscription.

    `received` = `delivered` + `conflated` + `dropped` + what is waiting, at every moment.
    """

    received: int = 0
    """Messages for this subscription, after filtering."""
    delivered: int = 0
    """Messages that the consumer has taken."""
    conflated: int = 0
    """Messages merged into one that was waiting; their values were not lost."""
    dropped: int = 0
    """Messages lost: by policy, or after the buffer overflowed."""
    gaps: int = 0
    """Times that this subscription's data was interrupted."""
    filtered: int = 0
    """Messages that had none of this subscription's fields (another one shares the contract)."""


class Buffer(Generic[T]):
    """Items of one subscription that wait for its consumer.

    `identify` names what an item updates; `merge(older, newer)` gives their union. Both are needed
    by `conflate`, and `identify` by `latest`; they are called only when items wait.
    """

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
        self.stats = SubscriptionStats()
        self.wake: Callable[[], None] | None = None
        """Called once, and forgotten, when there is something to take."""
        self.ended = False
        """True when nothing more comes, though items may still wait."""
        self._error: IbkrError | None = None
        self._overflowed = False
        self._identify = identify
        self._merge = merge
        self._queue: deque[T] = deque()
        self._tail: dict[Hashable, T] = {}
        """What waits behind `_queue`, one item per identity (conflate and latest)."""
        self._markers = 0
        self._full = {
            "conflate": self._put_conflated,
            "fail": self._put_failing,
            "latest": self._put_latest,
            "drop_oldest": self._put_dropping,
        }[policy]
        self._limit = 0 if policy == "latest" else capacity

    def __len__(self) -> int:
        return len(self._queue) + len(self._tail)

    # --- the reader's side -----------------------------------------------------------------------

    def put(self, item: T, source: str = "") -> None:
        """Take in one item. Never blocks, never raises.

        `source` is the topic, for items that do not say themselves where they come from: only
        items of one source are about the same thing.
        """
        self.stats.received += 1
        if self.ended:
            self.stats.dropped += 1
            return
        if len(self._queue) < self._limit and not self._tail:
            self._queue.append(item)
        else:
            self._full(item, source)
        if self.wake is not None:
            self._wake()

    def mark(self, marker: Marker) -> None:
        """Take in a marker, after everything that came before it.

        Markers and what they push aside may fill the capacity a second time; past that they are
        not kept, so that memory stays bounded under a consumer that never reads.
        """
        if self.ended or len(self._queue) >= 2 * self.capacity:
            return
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
            if self.wake is not None:
                self._wake()

    # --- the consumer's side ---------------------------------------------------------------------

    def take(self) -> T:
        """Remove the item that has waited longest. Errors: `IndexError` when none waits."""
        if self._queue:
            item = self._queue.popleft()
        elif self._tail:
            item = self._tail.pop(next(iter(self._tail)))
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
        self.clear()
        return items

    def clear(self) -> None:
        """Throw away everything that waits."""
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

    def _wake(self) -> None:
        wake, self.wake = self.wake, None
        if wake is not None:
            wake()


def _is_marker(item: object) -> bool:
    return isinstance(item, StreamEvent)
