"""The order in which rows arrive does not matter: every permutation folds to the same state."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import permutations
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibkr_async.orders.known.events import AnyOrderEvent, Fill, OrderState, StatusChange
from ibkr_async.orders.known.tracker import OrderTracker
from ibkr_async.types import TERMINAL_STATUSES
from support import order_rows as rows
from support.order_rows import COID, ORDER_ID

Step: TypeAlias = Callable[[OrderTracker], None]


def hears(row: object) -> Step:
    """Feed a row of the kind that it is."""
    if isinstance(row, rows.LiveOrderUpdate):
        return lambda tracker: tracker.live_order_row(row, 1.0)
    if isinstance(row, rows.OrderStatusReply):
        return lambda tracker: tracker.status_reply(row, 1.0)
    if isinstance(row, rows.OrderAccepted):
        return lambda tracker: tracker.acknowledged(COID, [row], 1.0)
    assert isinstance(row, rows.Trade)
    return lambda tracker: tracker.trade_row(row, 1.0)


STORIES: dict[str, tuple[Step, ...]] = {
    name: tuple(hears(row) for row in story)
    for name, story in {
        "placed and cancelled": (
            rows.full("Inactive"),
            rows.status_reply("Cancelled"),
            rows.sor(status="PendingSubmit"),
            rows.sor(status="Submitted"),
            rows.full("PendingCancel"),
            rows.sor(status="Cancelled"),
        ),
        "filled in two parts": (
            rows.accepted(),
            rows.sizes(100, 622),
            rows.trade(1, 100, "382.45"),
            rows.trade(1, 100, "382.45", commission="1.0"),
            rows.sizes(722, 0, "382.41", status="Filled", price=382.4, timeInForce="GTC"),
            rows.trade(2, 622, "382.40", commission="3.1"),
        ),
        "cancel loses the race": (
            rows.full("PendingCancel", filled=100),
            rows.sor(status="Cancelled"),
            rows.trade(1, 100),
            rows.trade(2, 622, commission="3.1"),
            rows.status_reply("Filled", filled=722),
            rows.live("Cancelled", filled=100),
        ),
        "late fill after a cancel": (
            rows.accepted("Submitted"),
            rows.sor(status="PreCancelled"),
            rows.sor(status="Cancelled", order_ccp_status="Canceled"),
            rows.trade(1, 5),
            rows.trade(1, 5, commission="1.0"),
            rows.live("Cancelled", filled=5),
        ),
        "executions corrected": (
            rows.accepted("Submitted"),
            rows.trade(1, 100, "382.45"),
            rows.trade(1, 100, "382.45", commission="1.0"),
            rows.trade(1, 80, "382.40", correction=2),
            rows.trade(1, 80, "382.40", correction=2, commission="0.8"),
            rows.sizes(80, 642),
        ),
        "one of two executions corrected": (
            rows.accepted("Submitted"),
            rows.trade(1, 100, commission="1.0"),
            rows.trade(1, 80, correction=2, commission="0.8"),
            rows.trade(2, 50),
            rows.trade(2, 50, commission="0.5"),
            rows.sor(status="PendingCancel"),
        ),
        "everything says the same": (
            rows.live("Filled", filled=722),
            rows.status_reply("Filled", filled=722),
            rows.full("Filled", filled=722),
            rows.trade(1, 722, commission="4.0"),
            rows.trade(1, 722),
            rows.accepted("Filled"),
        ),
        "words and markers only": (
            rows.marker(),
            rows.accepted("PendingSubmit"),
            rows.sor(status="Pre Submitted"),
            rows.sor(status="Overheated"),
            rows.sor(status="WarnState"),
            rows.sor(status="Filled"),
        ),
    }.items()
}


def fold(steps: Sequence[Step]) -> tuple[OrderState, list[AnyOrderEvent]]:
    """Play steps into a new tracker; give the order without its doubt, and the events."""
    events: list[AnyOrderEvent] = []
    tracker = OrderTracker(publish=events.append, on_doubt=lambda: None, on_settled=lambda _: None)
    tracker.submitted([rows.ticket()], COID, rows.ACCOUNT)
    for step in steps:
        step(tracker)
    state = tracker.state(str(ORDER_ID))
    assert state is not None
    return msgspec.structs.replace(state, in_doubt=False), events


def check_story(events: Sequence[AnyOrderEvent]) -> None:
    """Nothing in the telling may go back, end twice, or tell a fill twice."""
    filled = [event.state.filled for event in events]
    assert filled == sorted(filled)
    words = [event.status for event in events if isinstance(event, StatusChange)]
    ends = list(dict.fromkeys(word for word in words if word in TERMINAL_STATUSES))
    assert ends in ([], ["Filled"], ["Cancelled"], ["Cancelled", "Filled"])
    after_end = [word for word in words if word in TERMINAL_STATUSES or not ends]
    assert not ends or words[-len(after_end) :] == after_end
    told = [
        (event.execution.execution_id, event.execution.size, event.execution.price)
        for event in events
        if isinstance(event, Fill)
    ]
    assert len(told) == len(set(told))


@pytest.mark.parametrize("name", STORIES)
def test_every_permutation_folds_to_the_same_state(name: str) -> None:
    """Six rows of one order, in all 720 orders."""
    story = STORIES[name]
    expected, _ = fold(story)

    for order in permutations(story):
        state, events = fold(order)
        assert state == expected
        check_story(events)


def test_known_ends() -> None:
    """The state that all permutations lead to is the right one."""
    ends = {name: fold(story)[0] for name, story in STORIES.items()}
    facts = {
        name: (end.status, int(end.filled), str(end.average_price), str(end.commission))
        for name, end in ends.items()
    }

    assert facts == {
        "placed and cancelled": ("Cancelled", 0, "None", "None"),
        "filled in two parts": ("Filled", 722, "382.4069252077562326869806094", "4.1"),
        "cancel loses the race": ("Filled", 722, "382.45", "None"),
        "late fill after a cancel": ("Cancelled", 5, "382.45", "1.0"),
        "executions corrected": ("Submitted", 100, "None", "0.8"),
        "one of two executions corrected": ("PendingCancel", 150, "None", "1.3"),
        "everything says the same": ("Filled", 722, "382.45", "4.0"),
        # The socket alone ends no order.
        "words and markers only": ("Overheated", 0, "None", "None"),
    }
    assert ends["executions corrected"].executed == 80
    assert {end.side for end in ends.values()} == {"SELL"}
    assert {end.order_type for end in ends.values()} == {"LMT"}


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_part_of_a_story_folds_the_same_in_any_order(data: st.DataObject) -> None:
    """Rows may be lost, doubled and shuffled: what was seen decides, not when."""
    story = data.draw(st.sampled_from(list(STORIES.values())))
    seen = data.draw(st.lists(st.sampled_from(story), min_size=1, max_size=9))
    shuffled = data.draw(st.permutations(seen))

    state, events = fold(shuffled)

    assert state == fold(seen)[0]
    check_story(events)


def test_ten_thousand_random_histories() -> None:
    """Drawn with a fixed seed: each is folded in two orders."""
    draw = random.Random(20261120)  # noqa: S311 - a repeatable draw
    stories = list(STORIES.values())

    for _ in range(10_000):
        story = draw.choice(stories)
        seen = draw.choices(story, k=draw.randint(1, 8))
        state, events = fold(seen)
        check_story(events)
        draw.shuffle(seen)
        assert fold(seen)[0] == state
