from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_async.errors import ConfigError
from ibkr_async.rest.pacing import PACING, PROBE_S, Booking, Pacer, Rule
from ibkr_async.rest.request import Urgency
from ibkr_async.rest.settings import PacingSettings

CANCEL = "/iserver/account/{account_id}/order/{order_id}"
ORDER = "/iserver/account/{account_id}/orders"
FREE = "/iserver/secdef/search"
TABLE = {rule.path: rule for rule in PACING}
KEYS = [FREE, CANCEL, "/tickle", "/iserver/account/orders", "/iserver/marketdata/history"]
KEYS += ["/iserver/marketdata/snapshot", "/fyi/unreadnumber", "/fyi/settings", "/pa/summary"]


@dataclass(frozen=True)
class Call:
    """One request of a simulated client."""

    at: float
    key: str
    urgency: Urgency = Urgency.READ
    late: float = 0.0
    """How much later than asked its sleep ends."""
    gives_up: bool = False
    """It is cancelled while it waits."""


@dataclass(frozen=True)
class Sent:
    """What the judge sees."""

    at: float
    key: str
    urgency: Urgency
    number: int


def run(calls: list[Call], pacer: Pacer | None = None) -> list[Sent]:
    """Let all calls wait as the pipeline does, on a simulated clock."""
    pacer = pacer or Pacer()
    sent: list[Sent] = []
    waiting: list[tuple[float, int, Booking | None]] = [
        (call.at, number, None) for number, call in enumerate(calls)
    ]
    heapq.heapify(waiting)
    while waiting:
        now, number, booking = heapq.heappop(waiting)
        call = calls[number]
        if booking is None:
            booking = pacer.reserve(call.key, now, call.urgency)
        elif call.gives_up:
            pacer.release(booking)
            continue
        wait = pacer.start(booking, now)
        if wait:
            heapq.heappush(waiting, (now + wait + call.late, number, booking))
        else:
            sent.append(Sent(now, call.key, call.urgency, number))
    return sent


def most_in_window(times: list[float], window_s: float) -> int:
    """Count as a strict server does: the fullest closed window of this length."""
    ordered = sorted(times)
    return max(
        (
            sum(start <= at <= start + window_s for at in ordered[i:])
            for i, start in enumerate(ordered)
        ),
        default=0,
    )


def judge(sent: list[Sent]) -> None:
    """Fail when any published limit is passed in any window."""
    reads = [call.at for call in sent if call.urgency is Urgency.READ]
    assert most_in_window(reads, 1.0) <= 6
    assert most_in_window([c.at for c in sent if c.urgency is not Urgency.CANCEL], 1.0) <= 8
    assert most_in_window([call.at for call in sent], 1.0) <= 10
    by_key: defaultdict[str, list[float]] = defaultdict(list)
    for call in sent:
        by_key[call.key].append(call.at)
    for key, times in by_key.items():
        rule = TABLE.get(key) or (TABLE["/fyi/*"] if key.startswith("/fyi/") else None)
        if rule:
            assert most_in_window(times, rule.window_s) <= rule.limit, key


CALLS = st.lists(
    st.builds(
        Call,
        at=st.floats(0, 20) | st.floats(0, 1),
        key=st.sampled_from(KEYS) | st.just(FREE),
        urgency=st.sampled_from(Urgency),
        late=st.just(0.0) | st.floats(0, 0.1) | st.floats(0, 3),
        gives_up=st.integers(0, 4).map(lambda dice: dice == 0),
    ),
    max_size=70,
)


@settings(max_examples=150, deadline=None)
@given(calls=CALLS)
def test_no_window_ever_holds_more_than_its_limit(calls: list[Call]) -> None:
    """Whatever is asked, cancelled or woken late, a strict sliding-window server has no complaint."""
    sent = run(calls)

    judge(sent)
    assert len(sent) >= sum(not call.gives_up for call in calls)


@settings(max_examples=80, deadline=None)
@given(
    at=st.lists(st.floats(0, 5), max_size=60).map(sorted),
    key=st.sampled_from([FREE, "/tickle", "/iserver/marketdata/history"]),
)
def test_calls_of_one_kind_are_served_in_order(at: list[float], key: str) -> None:
    """Nobody overtakes within one key; two that leave at the same moment have no order."""
    sent = run([Call(moment, key) for moment in at])

    sent.sort(key=lambda call: (round(call.at, 6), call.number))
    assert [call.number for call in sent] == list(range(len(at)))


@settings(max_examples=80, deadline=None)
@given(waits=st.lists(st.floats(0, 0.5), min_size=1, max_size=60))
def test_booked_slots_alone_keep_the_limit(waits: list[float]) -> None:
    """The plan itself holds the strict window, before `start` looks at anything."""
    pacer, now, booked = Pacer(), 0.0, []
    for wait in waits:
        now += wait
        booked.append(pacer.reserve(FREE, now).at)

    assert most_in_window(booked, 1.0) <= 6


@pytest.mark.parametrize("rule", PACING, ids=str)
def test_every_row_is_kept_under_saturation(rule: Rule) -> None:
    """Twice the limit at once, twice over, never breaks the row, and uses at least 90 % of it."""
    key = rule.path.replace("*", "settings")
    sent = run([Call(0.0, key) for _ in range(rule.limit * 4)])

    judge(sent)
    global_rate = 6
    assert sent[-1].at <= max(4 * rule.window_s, rule.limit * 4 / global_rate) * 1.1


def test_dense_run_of_statuses_is_spread_and_leaves_room_for_orders() -> None:
    """IBKR answers such a run with 503. An order leaves at once beside it."""
    status = "/iserver/account/order/status/{order_id}"
    calls = [Call(0.0, status, Urgency.ORDER) for _ in range(12)]

    sent = run([*calls, *[Call(0.0, ORDER, Urgency.ORDER) for _ in range(2)]])

    times = [call.at for call in sent if call.key == status]
    assert most_in_window(times, 6.0) <= 6
    assert most_in_window(times, 1.0) <= 2
    assert [call.at for call in sent if call.key == ORDER] == [0.0, 0.0]


def test_table_has_every_published_row() -> None:
    """The rows of "Pacing Limitations"."""
    limits = {rule.path: (rule.limit, rule.window_s, rule.concurrent) for rule in PACING}

    assert limits == {
        "/iserver/marketdata/snapshot": (10, 1, None),
        "/iserver/marketdata/history": (50, 60, 5),
        "/iserver/scanner/params": (1, 900, None),
        "/iserver/scanner/run": (1, 1, None),
        "/iserver/account/orders": (1, 5, None),
        "/iserver/account/trades": (1, 5, None),
        # Ours: IBKR names none.
        "/iserver/account/order/status/{order_id}": (6, 6, None),
        "/iserver/account/pnl/partitioned": (1, 5, None),
        "/portfolio/accounts": (1, 5, None),
        "/portfolio/subaccounts": (1, 5, None),
        "/pa/performance": (1, 900, None),
        "/pa/summary": (1, 900, None),
        "/pa/transactions": (1, 900, None),
        "/pa/allperiods": (1, 900, None),
        # Two of the specification.
        "/pa/allocation": (1, 900, None),
        "/fyi/unreadnumber": (1, 300, None),
        "/fyi/*": (1, 1, None),
        "/tickle": (1, 1, None),
        "/sso/validate": (1, 60, None),
    }


def test_idle_pacer_lets_two_reads_go_together() -> None:
    """The burst of what everybody may use is two."""
    pacer = Pacer()

    waits = [pacer.start(pacer.reserve(FREE, 5.0), 5.0) for _ in range(3)]

    assert waits == [0, 0, pytest.approx(0.35)]


def test_ticket_and_reply_do_not_wait_behind_reads() -> None:
    """With seconds of reads queued, an order of two requests still goes at once."""
    pacer = Pacer()
    for _ in range(20):
        pacer.reserve(FREE, 0.0)

    dialogue = [pacer.reserve(ORDER, 0.0, Urgency.ORDER) for _ in range(3)]

    assert [pacer.start(booking, 0.0) for booking in dialogue[:2]] == [0, 0]
    assert dialogue[2].at == pytest.approx(1.05)


def test_orders_leave_their_share_alone_while_there_is_other_room() -> None:
    """On an idle pacer four order requests go at once: two of everybody's room, then the share."""
    pacer = Pacer()

    waits = [
        pacer.start(pacer.reserve(ORDER, 5.0, Urgency.ORDER), 5.0),
        pacer.start(pacer.reserve(ORDER, 5.0, Urgency.ORDER), 5.0),
        pacer.start(pacer.reserve(FREE, 5.0), 5.0),
        pacer.start(pacer.reserve(ORDER, 5.0, Urgency.ORDER), 5.0),
        pacer.start(pacer.reserve(ORDER, 5.0, Urgency.ORDER), 5.0),
    ]

    assert waits == [0, 0, pytest.approx(0.35), 0, 0]


def test_cancels_have_a_reserve_that_nothing_else_can_use() -> None:
    """With seconds of reads and orders queued, a cancel still goes at once."""
    pacer = Pacer()
    for _ in range(20):
        pacer.reserve(FREE, 0.0)
        pacer.reserve(ORDER, 0.0, Urgency.ORDER)

    cancel = pacer.reserve(CANCEL, 0.0, Urgency.CANCEL)

    assert pacer.start(cancel, 0.0) == 0


def test_cancels_may_use_the_whole_budget() -> None:
    """Thirty cancels on an idle pacer go at nearly ten per second."""
    sent = run([Call(0.0, CANCEL, Urgency.CANCEL) for _ in range(30)])

    judge(sent)
    assert sent[-1].at < 3.2


def test_five_cancels_go_at_once() -> None:
    """Two of everybody's room, two of the orders', and one of their own."""
    pacer = Pacer()

    waits = [pacer.start(pacer.reserve(CANCEL, 5.0, Urgency.CANCEL), 5.0) for _ in range(6)]

    assert waits == [0, 0, 0, 0, 0, pytest.approx(0.35)]


def test_request_waiting_for_its_endpoint_holds_nobody_up() -> None:
    """A second orders query waits 5 s; a search that comes later goes first."""
    sent = run([Call(0.0, "/iserver/account/orders")] * 2 + [Call(0.01, FREE)])

    assert [call.number for call in sent] == [0, 2, 1]


def test_slot_of_a_cancelled_waiter_is_given_to_the_next() -> None:
    """Releasing a booking makes its slot free again."""
    pacer = Pacer()
    pacer.start(pacer.reserve("/tickle", 0.0), 0.0)
    waiting = pacer.reserve("/tickle", 0.0)
    pacer.release(waiting)
    pacer.release(waiting)

    assert pacer.reserve("/tickle", 0.0).at == waiting.at


def test_slot_given_back_twice_is_not_taken_from_its_next_holder() -> None:
    """Who has given up holds nothing any more."""
    pacer = Pacer()
    pacer.start(pacer.reserve("/tickle", 0.0), 0.0)
    waiting = pacer.reserve("/tickle", 0.0)
    pacer.release(waiting)
    following = pacer.reserve("/tickle", 0.0)
    pacer.release(waiting)

    assert pacer.reserve("/tickle", 0.0).at == pytest.approx(following.at + 1.05)


def test_releasing_a_sent_booking_changes_nothing() -> None:
    """What was sent counts, whatever the caller does afterwards."""
    pacer = Pacer()
    booking = pacer.reserve("/tickle", 0.0)
    pacer.start(booking, 0.0)

    pacer.release(booking)

    assert pacer.reserve("/tickle", 0.0).at == pytest.approx(1.05)


def test_booking_says_which_rule_decides() -> None:
    """The message of a refused wait can name the rule."""
    pacer = Pacer()
    first = pacer.reserve("/pa/summary", 0.0)
    second = pacer.reserve("/pa/summary", 0.0)

    assert (first.rule, second.rule) == ("", "/pa/summary: 1 per 900 s")


@pytest.mark.parametrize(
    ("urgency", "rule"),
    [
        (Urgency.READ, "reads: 6 per 1 s"),
        (Urgency.ORDER, "reads and orders: 8 per 1 s"),
        (Urgency.CANCEL, "all requests: 10 per 1 s"),
    ],
)
def test_booking_says_which_share_is_used_up(urgency: Urgency, rule: str) -> None:
    """Whoever must wait for the global limit hears what counts for requests like this one."""
    pacer = Pacer()

    rules = [pacer.reserve(CANCEL, 0.0, urgency).rule for _ in range(11)]

    assert (rules[0], rules[-1]) == ("", rule)


def test_after_a_blocked_loop_requests_still_leave_one_by_one() -> None:
    """Sixteen bookings fall due during two blocked seconds; they do not leave together."""
    calls = [Call(0.0, FREE) for _ in range(18)]
    pacer = Pacer()
    bookings = [pacer.reserve(call.key, 0.0) for call in calls]

    left_at_once = sum(pacer.start(booking, 4.0) == 0 for booking in bookings)

    assert left_at_once == 2


def test_concurrency_limit_is_that_of_the_row() -> None:
    """Only history has one."""
    pacer = Pacer()

    assert pacer.concurrency("/iserver/marketdata/history") == 5
    assert pacer.concurrency("/tickle") is None
    assert pacer.concurrency("no path at all") is None


@pytest.mark.parametrize("burst", [3, 0, -2])
def test_rule_whose_burst_does_not_divide_its_limit_is_refused(burst: int) -> None:
    """Tracks of equal rate are what makes the window exact."""
    with pytest.raises(ValueError, match=f"burst {burst} does not divide limit 10"):
        Rule(path="/x", limit=10, window_s=1, burst=burst)


# --- after a 429 ---------------------------------------------------------------------------------


def limited(pacer: Pacer, now: float, retry_after_s: float | None = None, key: str = FREE) -> None:
    """Send one request and have it answered 429."""
    booking = pacer.reserve(key, now)
    assert pacer.start(booking, now) == 0
    pacer.penalise(booking, now, retry_after_s)


def test_after_a_429_at_most_six_requests_leave_in_ten_minutes() -> None:
    """A box of ten minutes is probed every two, whatever the user asks for meanwhile."""
    pacer = Pacer()
    limited(pacer, 0.0)
    sent = []
    for tenth in range(1, 6001):
        now = tenth / 10
        booking = pacer.reserve(KEYS[tenth % 2], now)
        if pacer.start(booking, now) == 0:
            sent.append(now)
            pacer.penalise(booking, now)
        else:
            pacer.release(booking)

    assert 4 <= len(sent) <= 6
    assert all(later - earlier >= PROBE_S for earlier, later in pairwise(sent))


def test_cancels_go_on_in_the_box_once_per_second() -> None:
    """Reads and orders stop; cancels do not, and do not hammer either."""
    pacer = Pacer()
    limited(pacer, 0.0)

    cancels = [pacer.reserve(CANCEL, 1.0, Urgency.CANCEL).at for _ in range(3)]

    assert cancels == pytest.approx([1.0, 2.0, 3.0])
    assert pacer.reserve(ORDER, 1.0, Urgency.ORDER).at == PROBE_S
    assert pacer.reserve(FREE, 1.0).at == 2 * PROBE_S


@pytest.mark.parametrize("count", [10, 20, 30, 60])
def test_every_cancel_leaves_though_each_is_answered_429(count: int) -> None:
    """One a second, in their order: a 429 sends nobody to the end of the line."""
    pacer = Pacer()
    limited(pacer, 0.0)
    waiting = [pacer.reserve(CANCEL, 1.0, Urgency.CANCEL) for _ in range(count)]
    order = list(waiting)
    sent: list[tuple[float, Booking]] = []
    now = 1.0

    while waiting:
        # Whoever is due first wakes first, as in an event loop.
        booking = min(waiting, key=lambda one: one.at)
        wait_s = pacer.start(booking, now)
        now += wait_s
        if wait_s == 0.0:
            waiting.remove(booking)
            sent.append((now, booking))
            pacer.penalise(booking, now)

    assert [booking for _, booking in sent] == order
    assert [at for at, _ in sent] == pytest.approx([1.0 + i for i in range(count)])


def test_answer_to_a_later_request_ends_the_box() -> None:
    """A probe that is answered reopens everything; its own endpoint was held as long as the probe."""
    pacer = Pacer()
    limited(pacer, 0.0)
    probe = pacer.reserve(FREE, PROBE_S)
    pacer.start(probe, PROBE_S)

    assert pacer.is_boxed
    assert pacer.answered(probe)
    assert not pacer.is_boxed
    assert not pacer.answered(probe)
    assert pacer.reserve(FREE, PROBE_S).at == PROBE_S


def test_probe_without_an_answer_is_not_joined_by_others() -> None:
    """While the probe is under way, the next ordinary request waits for the next probe."""
    pacer = Pacer()
    limited(pacer, 0.0)
    assert pacer.start(pacer.reserve(FREE, PROBE_S), PROBE_S) == 0

    assert pacer.reserve("/iserver/accounts", PROBE_S + 1).at == 2 * PROBE_S


@pytest.mark.parametrize("sent_at", [0.0, 1.0])
def test_answer_to_an_earlier_request_does_not_end_the_box(sent_at: float) -> None:
    """What was under way before the 429 proves nothing."""
    pacer = Pacer()
    early = pacer.reserve(CANCEL, sent_at)
    pacer.start(early, sent_at)
    limited(pacer, 1.0)

    assert not pacer.answered(early)
    assert pacer.is_boxed


def test_waiters_planned_before_the_429_are_held_back_too() -> None:
    """A booking made earlier moves to the next probe when its turn comes."""
    pacer = Pacer()
    waiting = pacer.reserve("/tickle", 0.0)
    limited(pacer, 0.0)

    wait = pacer.start(waiting, 0.5)

    assert wait == pytest.approx(PROBE_S - 0.5)
    assert waiting.rule == "penalty box after a 429, one probe per 2 min"


def test_retry_after_is_honoured_once() -> None:
    """The first `Retry-After` is believed; a second 429 within ten minutes is not an accident."""
    pacer = Pacer()
    limited(pacer, 0.0, 5.0)
    first_probe = pacer.reserve(FREE, 1.0)
    assert first_probe.at == 5.0
    assert pacer.start(first_probe, 5.0) == 0

    pacer.penalise(first_probe, 5.0, 5.0)

    assert pacer.reserve(FREE, 6.0).at == 5.0 + PROBE_S


def test_second_box_within_ten_minutes_lasts_for_a_whole_probe() -> None:
    """Even when the first one ended quickly."""
    pacer = Pacer()
    limited(pacer, 0.0, 1.0)
    cancel = pacer.reserve(CANCEL, 2.0, Urgency.CANCEL)
    pacer.start(cancel, 2.0)
    pacer.answered(cancel)

    limited(pacer, 10.0, 1.0)

    assert pacer.reserve(FREE, 11.0).at == 10.0 + PROBE_S


@pytest.mark.parametrize("answered_at", [0.0, 0.5])
def test_companions_of_the_first_429_do_not_lengthen_it(answered_at: float) -> None:
    """Forty requests under way get forty 429s; that is one breach, not forty."""
    pacer = Pacer()
    companions = [pacer.reserve(CANCEL, 0.0), pacer.reserve(FREE, 0.0)]
    for booking in companions:
        pacer.start(booking, 0.0)

    for booking in companions:
        pacer.penalise(booking, answered_at, 5.0)

    assert pacer.reserve("/iserver/accounts", 0.6).at == answered_at + 5.0


@pytest.mark.parametrize(("after_s", "hold_s"), [(599.0, PROBE_S), (600.0, 1.0)])
def test_short_retry_after_is_believed_again_ten_minutes_after_the_last_429(
    after_s: float, hold_s: float
) -> None:
    """Until then a 429 is no accident, whatever was answered in between."""
    pacer = Pacer()
    for at in (0.0, 400.0, 400.0 + after_s):
        limited(pacer, at, 1.0)
        next_at = pacer.reserve("/iserver/accounts", at).at - at
        cancel = pacer.reserve(CANCEL, at + 2.0, Urgency.CANCEL)
        assert pacer.start(cancel, at + 2.0) == 0
        assert pacer.answered(cancel)

    assert next_at == pytest.approx(hold_s)


@pytest.mark.parametrize("asked", [(600.0, 5.0), (5.0, 600.0)])
def test_longest_of_the_waits_asked_for_together_counts(asked: tuple[float, float]) -> None:
    """A companion of the first 429 may lengthen its wait, and cannot shorten it."""
    pacer = Pacer()
    companions = [pacer.reserve(FREE, 0.0) for _ in asked]
    assert [pacer.start(booking, 0.0) for booking in companions] == [0, 0]
    cancel = pacer.reserve(CANCEL, 0.7, Urgency.CANCEL)

    for booking, asked_s in zip(companions, asked, strict=True):
        pacer.penalise(booking, 0.5, asked_s)

    assert pacer.reserve("/iserver/accounts", 0.6).at == 600.5
    pacer.start(cancel, 0.7)
    pacer.answered(cancel)
    assert pacer.reserve(FREE, 0.8).at == 600.5


def test_cancels_planned_before_a_429_keep_to_one_a_second_too() -> None:
    """In the box they do not leave at the pace that was planned outside it."""
    pacer = Pacer()
    for _ in range(5):
        pacer.start(pacer.reserve(CANCEL, 0.0, Urgency.CANCEL), 0.0)
    waiting = [pacer.reserve(CANCEL, 0.0, Urgency.CANCEL) for _ in range(3)]
    assert waiting[-1].at < 1.0

    pacer.penalise(pacer.reserve(FREE, 0.0), 0.1)

    for booking in waiting:
        pacer.start(booking, 0.9)
    gaps = [later.at - earlier.at for earlier, later in pairwise(waiting)]
    assert gaps == pytest.approx([1.0, 1.0])


def test_slot_that_a_429_moves_leaves_its_place_to_others() -> None:
    """A waiter holds one slot, never an old one as well."""
    pacer = Pacer()
    pacer.start(pacer.reserve("/tickle", 0.0), 0.0)
    waiting = pacer.reserve("/tickle", 0.0)
    limited(pacer, 0.1, 5.0)
    pacer.start(waiting, 0.2)
    cancel = pacer.reserve(CANCEL, 1.0, Urgency.CANCEL)
    pacer.start(cancel, 1.0)
    pacer.answered(cancel)

    assert waiting.at == pytest.approx(5.1)
    assert pacer.reserve("/tickle", 1.2).at == 1.2


def test_long_retry_after_of_a_repeated_429_is_believed() -> None:
    """Only a short one is not."""
    pacer = Pacer()
    limited(pacer, 0.0, 5.0)

    limited(pacer, 5.0, 600.0)

    assert pacer.reserve("/iserver/accounts", 6.0).at == 605.0


def test_endpoint_that_was_hit_is_held_for_its_own_window() -> None:
    """A 429 on a 15-minute endpoint holds it for 15 minutes although the box is over sooner."""
    pacer = Pacer()
    limited(pacer, 0.0, 1.0, key="/pa/summary")
    cancel = pacer.reserve(CANCEL, 1.0, Urgency.CANCEL)
    pacer.start(cancel, 1.0)
    pacer.answered(cancel)

    held = pacer.reserve("/pa/summary", 2.0)

    assert held.at >= 900
    assert pacer.reserve(FREE, 2.0).at == 2.0


def test_hold_of_an_endpoint_counts_from_its_429() -> None:
    """Not from the request, whose answer may have taken long."""
    pacer = Pacer()
    booking = pacer.reserve("/pa/summary", 0.0)
    pacer.start(booking, 0.0)

    pacer.penalise(booking, 30.0, 1.0)

    assert pacer.reserve("/pa/summary", 31.0).at == 930.0


def test_endpoint_that_was_hit_again_is_held_anew() -> None:
    """Its hold counts from the last 429."""
    pacer = Pacer()
    for at in (0.0, 700.0):
        limited(pacer, at, 30.0)
        cancel = pacer.reserve(CANCEL, at + 1.0, Urgency.CANCEL)
        pacer.start(cancel, at + 1.0)
        pacer.answered(cancel)

    assert pacer.reserve(FREE, 702.0).at == 730.0


def test_hold_is_named_when_it_decides() -> None:
    """The message says that a 429 is the reason, not the endpoint's own limit."""
    pacer = Pacer()
    limited(pacer, 0.0, 30.0)
    cancel = pacer.reserve(CANCEL, 1.0, Urgency.CANCEL)
    pacer.start(cancel, 1.0)
    pacer.answered(cancel)

    assert pacer.reserve(FREE, 2.0).rule == f"{FREE} is held after a 429"
    assert pacer.reserve(FREE, 31.0).rule == ""


@pytest.mark.parametrize(("asked", "hold"), [(-5.0, 0.0), (1e9, 3600.0), (600.0, 600.0)])
def test_odd_retry_after_is_kept_within_reason(asked: float, hold: float) -> None:
    """Neither the past nor a century is taken at its word."""
    pacer = Pacer()

    limited(pacer, 0.0, asked)

    assert pacer.reserve("/iserver/accounts", 0.0).at == pytest.approx(hold, abs=0.3)


@settings(max_examples=60, deadline=None)
@given(calls=CALLS, hits=st.sets(st.integers(0, 60), max_size=4))
def test_limits_hold_through_429s(calls: list[Call], hits: set[int]) -> None:
    """Holding back never makes the return a stampede."""
    pacer = Pacer()
    sent: list[Sent] = []
    waiting: list[tuple[float, int, Booking]] = []
    for number, call in enumerate(sorted(calls, key=lambda call: call.at)):
        booking = pacer.reserve(call.key, call.at, call.urgency)
        waiting.append((call.at, number, booking))
    heapq.heapify(waiting)
    while waiting:
        now, number, booking = heapq.heappop(waiting)
        wait = pacer.start(booking, now)
        if wait:
            heapq.heappush(waiting, (now + wait, number, booking))
            continue
        sent.append(Sent(now, booking.key, booking.urgency, number))
        if len(sent) in hits:
            pacer.penalise(booking, now)
        else:
            pacer.answered(booking)

    judge(sent)
    assert len(sent) == len(calls)


@pytest.mark.parametrize(
    "shares",
    [
        {"per_second": 4},
        {"per_second": 9},
        {"for_orders": 3, "per_second": 11},
        {"for_cancels": 8},
        {"per_second": 0},
        {"max_wait_s": float("nan")},
    ],
)
def test_shares_that_do_not_add_up_are_refused(shares: dict[str, float]) -> None:
    """Reads must keep something, and what leaves in pairs must be even."""
    with pytest.raises(ConfigError, match="setting "):
        PacingSettings(**shares)  # type: ignore[arg-type]  # as a file may hold them


def test_settings_decide_the_global_limit() -> None:
    """Two a second are left for reads when orders and cancels keep two each of six."""
    pacer = Pacer((), PacingSettings(per_second=6, for_orders=2, for_cancels=2))
    slots = [pacer.reserve("/x", 0.0).at for _ in range(4)]

    assert slots == [0.0, 0.0, pytest.approx(1.05), pytest.approx(1.05)]
