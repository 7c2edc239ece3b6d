from __future__ import annotations

from collections import Counter
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.errors import SlowConsumerError, SubscriptionError
from ibkr_async.feeds.subscription import make_buffer
from ibkr_async.models.streaming import LadderRow
from ibkr_async.stream.delivery.buffer import Buffer
from ibkr_async.stream.delivery.events import Gap, Resumed, Stale
from ibkr_async.stream.wire.topic_row import Policy
from ibkr_async.stream.wire.topics import TOPICS

GAP = Gap(at=0.0, topic="smd+1", reason="test")
Update = dict[str, Any]


def buffer_of(policy: Policy, capacity: int = 2) -> Buffer[Any]:
    """Make a buffer of dicts: partial updates of the contract under `id`."""
    return Buffer(
        "smd+1",
        policy=policy,
        capacity=capacity,
        identify=itemgetter("id"),
        merge=lambda older, newer: older | newer,
    )


def fill(buffer: Buffer[Any], *items: Update) -> list[Any]:
    """Put all, then take all one by one."""
    for item in items:
        buffer.put(item)
    return drain(buffer)


def drain(buffer: Buffer[Any]) -> list[Any]:
    """Take everything one by one."""
    return [buffer.take_marked() for _ in range(len(buffer))]


@pytest.mark.parametrize("policy", ["conflate", "fail", "drop_oldest"])
def test_everything_is_delivered_in_order_within_the_capacity(policy: Policy) -> None:
    """No policy does anything while the consumer keeps up."""
    items = [{"id": 1, "a": n} for n in range(2)]

    assert fill(buffer_of(policy), *items) == items


def test_conflate_merges_into_the_waiting_update_without_losing_a_value() -> None:
    """The first two wait as they came; behind them one update for each contract."""
    buffer = buffer_of("conflate")
    taken = fill(
        buffer,
        {"id": 1, "a": 1},
        {"id": 1, "a": 2},
        {"id": 1, "a": 3},
        {"id": 2, "a": 9},
        {"id": 1, "b": 4},
    )

    assert taken == [
        {"id": 1, "a": 1},
        {"id": 1, "a": 2},
        {"id": 1, "a": 3, "b": 4},
        {"id": 2, "a": 9},
    ]
    assert (buffer.stats.conflated, buffer.stats.dropped, buffer.stats.delivered) == (1, 0, 4)


def test_conflate_keeps_items_of_different_sources_apart() -> None:
    """Row 0 of one account's ladder is not row 0 of another's."""
    buffer = buffer_of("conflate", capacity=1)
    for source in ("a", "a", "b"):
        buffer.put({"id": 0, source: 1}, source)

    assert len(buffer) == 3


def test_conflate_does_not_merge_across_a_marker() -> None:
    """What came before a gap is delivered before the gap, and with its old values."""
    buffer = buffer_of("conflate", capacity=1)
    for item in ({"id": 1, "a": 1}, {"id": 1, "a": 2}):
        buffer.put(item)
    buffer.mark(GAP)
    buffer.put({"id": 1, "a": 3})

    assert drain(buffer) == [{"id": 1, "a": 1}, {"id": 1, "a": 2}, GAP, {"id": 1, "a": 3}]
    assert buffer.stats.delivered == 3


def test_fail_ends_after_what_was_queued_and_counts_what_was_missed() -> None:
    """Nothing is delivered across the hole, even when room is made."""
    buffer = buffer_of("fail")
    for n in range(4):
        buffer.put({"id": n})
    buffer.take()
    buffer.put({"id": 4})

    assert drain(buffer) == [{"id": 1}]
    assert buffer.ended
    assert isinstance(buffer.error, SlowConsumerError)
    assert (buffer.error.missed, buffer.error.capacity) == (3, 2)


def test_latest_keeps_the_newest_of_each_contract() -> None:
    """Older values are dropped, and counted as such."""
    buffer = buffer_of("latest")

    assert fill(buffer, {"id": 1, "a": 1}, {"id": 2}, {"id": 1, "b": 2}) == [
        {"id": 2},
        {"id": 1, "b": 2},
    ]
    assert buffer.stats.dropped == 1


def test_drop_oldest_makes_room_and_keeps_markers() -> None:
    """The newest data always fits; a gap is not what gives way."""
    buffer = buffer_of("drop_oldest")
    buffer.mark(GAP)

    assert fill(buffer, {"id": 1}, {"id": 2}, {"id": 3}) == [GAP, {"id": 2}, {"id": 3}]
    assert buffer.stats.dropped == 1


def test_markers_do_not_take_room_from_data() -> None:
    """A subscription with markers overflows no sooner than one without."""
    buffer = buffer_of("fail")
    buffer.mark(GAP)

    assert fill(buffer, {"id": 1}, {"id": 2}) == [GAP, {"id": 1}, {"id": 2}]
    assert not buffer.ended


def test_wake_is_called_once() -> None:
    """A waiting consumer is woken by the first item only."""
    buffer, calls = buffer_of("fail"), []
    buffer.wake = lambda: calls.append(1)
    buffer.put({"id": 1})
    buffer.put({"id": 2})
    buffer.wake = lambda: calls.append(2)
    buffer.mark(GAP)
    buffer.wake = lambda: calls.append(3)
    buffer.end()

    assert calls == [1, 2, 3]


def test_first_end_wins_and_nothing_is_taken_in_afterwards() -> None:
    """The reason that the consumer sees is the first one."""
    buffer = buffer_of("fail")
    error = SubscriptionError("smd+1", "refused")
    buffer.end(error)
    buffer.end()
    buffer.put({"id": 1})
    buffer.mark(GAP)

    assert buffer.error is error
    assert len(buffer) == 0
    assert buffer.stats.dropped == 1


def test_what_is_thrown_away_unread_was_received_all_the_same() -> None:
    """A consumer that leaves early does not make messages unsent."""
    buffer = buffer_of("fail")
    buffer.put({"id": 1})
    buffer.close()

    assert (buffer.stats.received, buffer.stats.delivered, buffer.stats.dropped) == (1, 0, 0)
    assert repr(buffer.stats).startswith("FeedStats(received=1, delivered=0,")


def test_take_from_an_empty_buffer_is_an_index_error() -> None:
    """Waiting is the subscription's business."""
    with pytest.raises(IndexError):
        buffer_of("fail").take()


# --- markers -------------------------------------------------------------------------------------


def gap(number: int, at: float = 0.0) -> Gap:
    """Make a gap of a contract."""
    return Gap(at=at, topic=f"smd+{number}", reason="test")


def resumed(number: int, at: float = 0.0, gap_s: float = 1.0) -> Resumed:
    """Make its end."""
    return Resumed(at=at, topic=f"smd+{number}", gap_s=gap_s, confirmed=True)


@pytest.mark.parametrize("policy", ["conflate", "fail", "latest", "drop_oldest"])
def test_one_marker_of_each_kind_and_topic_survives_in_the_smallest_buffer(policy: Policy) -> None:
    """Twenty contracts, a hundred interruptions, and a consumer that reads nothing meanwhile."""
    buffer = buffer_of(policy, capacity=1)
    for cycle in range(100):
        for number in range(20):
            buffer.mark(gap(number, cycle))
            buffer.mark(resumed(number, cycle + 0.5, 0.5))
    buffer.mark(gap(3, 100.0))
    seen = drain(buffer)

    for number in range(20):
        of_one = [marker for marker in seen if marker.topic == f"smd+{number}"]
        assert of_one[0] == gap(number, 0.0)
        last = of_one[-1]
        assert (type(last), last.at) == ((Gap, 100.0) if number == 3 else (Resumed, 99.5))
    assert len(seen) + buffer.stats.markers_merged == 100 * 20 * 2 + 1
    assert len(seen) < 200
    assert buffer.stats.gaps == 2001


def test_gaps_that_nobody_read_about_become_one_longer_gap() -> None:
    """From the first `Gap` to the last `Resumed`; the newest of other kinds."""
    buffer = buffer_of("fail", capacity=4)
    buffer.put({"id": 1})
    for at in (0.0, 10.0):
        buffer.mark(gap(1, at))
        buffer.mark(resumed(1, at + 5.0, 5.0))
    buffer.put({"id": 2})
    buffer.mark(gap(2, 20.0))
    buffer.mark(Stale(at=21.0, topic="smd+2", silent_s=1.0))

    assert drain(buffer) == [
        {"id": 1},
        gap(1, 0.0),
        resumed(1, 15.0, 15.0),
        {"id": 2},
        gap(2, 20.0),
        Stale(at=21.0, topic="smd+2", silent_s=1.0),
    ]
    assert buffer.stats.markers_merged == 2


def test_uniting_gaps_keeps_what_was_conflated_between_them() -> None:
    """Merged only where no marker stands between any more."""
    buffer = buffer_of("conflate", capacity=2)
    for number in range(5):
        buffer.put({"id": 1, f"k{number}": number})
        buffer.mark(gap(1, 2.0 * number))
        buffer.mark(resumed(1, 2.0 * number + 1))
    buffer.put({"id": 1, "last": 1})
    seen = drain(buffer)
    folded: Update = {}
    for item in seen:
        if not isinstance(item, Gap | Resumed):
            folded |= item

    assert folded == {"id": 1, "k0": 0, "k1": 1, "k2": 2, "k3": 3, "k4": 4, "last": 1}
    assert isinstance(seen[1], Gap)
    assert seen[-1] == {"id": 1, "last": 1}
    assert isinstance(seen[-2], Resumed)


def test_a_consumer_that_wants_data_only_passes_over_markers() -> None:
    """They do not end its reading, and do not count as delivered."""
    buffer = buffer_of("conflate", capacity=1)
    buffer.mark(GAP)
    with pytest.raises(IndexError):
        buffer.take()
    assert not buffer.data_is_next
    for number in range(3):
        buffer.put({"id": number})
        buffer.mark(GAP)
    assert buffer.data_is_next
    taken = [buffer.take(), *buffer.take_all()]

    assert taken == [{"id": number} for number in range(3)]
    assert (len(buffer), buffer.stats.delivered, buffer.stats.received) == (0, 3, 3)


def test_a_row_of_a_ladder_replaces_the_one_that_waits() -> None:
    """B2: a bid row that became an ask row must not end up with both."""
    topic = TOPICS["sbd"]
    buffer = make_buffer("sbd+DU1+1", topic, capacity=1)
    rows = [
        LadderRow(row=1, price_text="99", bid_size=1.0),
        LadderRow(row=2, price_text="100", bid_size=200.0),
        LadderRow(row=2, price_text="100", ask_size=60.0),
    ]
    for row in rows:
        buffer.put(row, "sbd+DU1+1")
    taken = drain(buffer)

    assert taken == [rows[0], rows[2]]


actions = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 2), st.sampled_from("abc"), st.integers(0, 9)),
        st.just(("take",)),
        st.just(("take all",)),
        st.just(("mark",)),
    ),
    max_size=120,
)


@given(actions, st.sampled_from(["conflate", "fail", "latest", "drop_oldest"]))
def test_counts_always_add_up_and_memory_is_bounded(script: list[Any], policy: Policy) -> None:
    """What was received is delivered, conflated, dropped or waiting; the last within its bound."""
    buffer, received = buffer_of(policy, capacity=4), 0
    for action in script:
        if action[0] == "put":
            buffer.put({"id": action[1], action[2]: action[3]})
            received += 1
        elif action[0] == "mark":
            buffer.mark(GAP)
        elif action[0] == "take all":
            buffer.take_all()
        elif len(buffer):
            buffer.take_marked()
        stats, waiting = buffer.stats, len(buffer) - buffer.markers
        assert received == stats.delivered + stats.conflated + stats.dropped + waiting
        assert stats.received == received
        assert buffer.markers <= buffer.capacity + 1
        # The queue, and a tail of three contracts before each marker and behind the last.
        assert waiting <= buffer.capacity + 3 * (buffer.capacity + 2)


@given(actions)
def test_conflation_ends_with_the_same_picture(script: list[Any]) -> None:
    """Folding what was delivered gives what folding everything would have given."""
    buffer = buffer_of("conflate", capacity=3)
    wanted: dict[int, Update] = {}
    seen: dict[int, Update] = {}
    kinds: Counter[str] = Counter()

    def fold(picture: dict[int, Update], item: Any) -> None:
        if not isinstance(item, Gap):
            picture[item["id"]] = picture.get(item["id"], {}) | item

    for action in script:
        kinds[action[0]] += 1
        if action[0] == "put":
            item = {"id": action[1], action[2]: action[3]}
            fold(wanted, item)
            buffer.put(item)
        elif action[0] == "mark":
            buffer.mark(GAP)
        elif action[0] == "take all":
            for item in buffer.take_all():
                fold(seen, item)
        elif len(buffer):
            fold(seen, buffer.take_marked())
    for item in buffer.take_all():
        fold(seen, item)

    assert seen == wanted
