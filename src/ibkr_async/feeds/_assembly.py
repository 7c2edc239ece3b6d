"""What all feeds have in common: their options, and how a subscription is put together.

Responsible for checking what is asked and for building the subscription; nothing is sent before the
subscription is entered. Which feeds there are is said in `price_feeds`, `account_feeds` and
`notice_feeds`.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, Required, TypedDict

from ibkr_async.errors import UsageError
from ibkr_async.feeds.buffer import POLICIES, Buffer, Policy
from ibkr_async.feeds.consumer import Hub, Subscription
from ibkr_async.stream.core.channel import Listener, Wish
from ibkr_async.stream.core.sharing import merge

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from ibkr_async.stream.core.topic_row import Topic

WhenFull = Literal["refuse", "wait"]
"""What to do when IBKR serves no more of a topic: raise, or begin when there is room."""

_PARTIAL_UPDATES = 1_000
"""Default capacity where messages can be merged."""
_EVERY_MESSAGE = 10_000
"""Default capacity where each message counts: a week of executions is replayed in one burst."""


class Options(TypedDict, total=False):
    """Keywords that every feed takes."""

    buffer: int | None
    """How many messages may wait for a slow consumer."""
    policy: Policy | None
    """What happens when they do not fit: see `ibkr_async.feeds.buffer`."""
    markers: Literal[False]
    """Yield data only; `ib.events()` has the rest."""


class Marked(TypedDict, total=False):
    """The same with `markers=True`: `Gap`, `Resumed` and their like stand between the data."""

    buffer: int | None
    """How many messages may wait for a slow consumer."""
    policy: Policy | None
    """What happens when they do not fit: see `ibkr_async.feeds.buffer`."""
    markers: Required[Literal[True]]
    """Interleave what happens to the feed, exactly where it happened."""


class FeedFactory(Hub):
    """Puts subscriptions together."""

    def _subscription(
        self,
        wishes: Sequence[Wish],
        *,
        growing: bool = False,
        buffer: int | None = None,
        policy: Policy | None = None,
        markers: bool = False,
    ) -> Subscription[Any]:
        """Build a subscription. A `growing` one takes more targets, wanted as the first one is."""
        check_wishes(wishes)
        queue = make_buffer(wishes, buffer=buffer, policy=policy)
        pattern = wishes[0] if growing else None
        return Subscription(self, wishes, queue, Listener(queue, markers=markers), pattern)


def check_wishes(wishes: Sequence[Wish]) -> None:
    """Refuse targets that would not be understood, and the same topic twice. Errors: `UsageError`."""
    for wish in wishes:
        wish.topic.check_target(wish.target)
    twice, times = Counter(wish.key for wish in wishes).most_common(1)[0]
    if times > 1:
        raise UsageError(f"{twice} is twice in one subscription")


def make_buffer(
    wishes: Sequence[Wish], *, buffer: int | None, policy: Policy | None
) -> Buffer[Any]:
    """Make the buffer of a subscription, with its topic's defaults. Errors: `UsageError`."""
    topic = wishes[0].topic
    chosen = _checked_policy(topic, policy)
    capacity = buffer if buffer is not None else _default_capacity(chosen)
    if capacity < 1:
        raise UsageError(f"buffer={buffer!r}: at least one message must be able to wait")
    more = f" and {len(wishes) - 1} more" if len(wishes) > 1 else ""
    return Buffer(
        f"{wishes[0].key}{more}",
        policy=chosen,
        capacity=capacity,
        identify=_identify_by(topic.identity),
        merge=merge,
    )


def _default_capacity(policy: Policy) -> int:
    return _EVERY_MESSAGE if policy == "fail" else _PARTIAL_UPDATES


def _checked_policy(topic: Topic, policy: Policy | None) -> Policy:
    chosen = policy or topic.policy
    if chosen not in POLICIES:
        raise UsageError(f"policy={policy!r}: choose one of {', '.join(POLICIES)}")
    if chosen == "conflate" and not topic.identity:
        raise UsageError(f"messages of {topic.code!r} cannot be merged; choose another policy")
    return chosen


@cache
def _identify_by(names: tuple[str, ...]) -> Callable[[Any], Hashable]:
    return attrgetter(*names) if names else _nothing


def _nothing(_item: Any) -> Hashable:
    return None
