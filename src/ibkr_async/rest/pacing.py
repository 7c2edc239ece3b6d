"""When a request may be sent: IBKR's rate limits, kept on our side. Pure arithmetic over `now`.

Responsible for the table of limits, for booking slots in it, and for standing back after a 429. It
must never sleep, and never let more through than a limit allows in *any* window of its length: a
breach blocks the user's address for 10 to 15 minutes.

Which algorithm, and why it is safe. A token bucket or GCRA with burst b over a limit of n per
window lets n + b - 1 through in the worst window (a bucket of "10 per second" lets 19 through). GCRA
with burst 1 is plain spacing, and spacing of window/n lets exactly n through. So a limit of n with
burst b is kept by b *tracks* side by side, each a GCRA of burst 1 with n/b per window: b requests
may leave together, and no window ever holds more than b * (n/b) = n. With b = n this is the exact
sliding window. Windows are taken a guard longer than IBKR's (0.05 s or 1 %, whichever is more), so
that n still holds when both ends of the window count and the network bunches requests a little.

Urgency. The global limit of 10 per second is 6 for everybody on two tracks, 2 for orders on two more,
and 2 for cancels on one. Orders may use the first four tracks and cancels all five, whichever is free
first, so that cancels may have all 10, and the sum never passes 10. Without its share an order would
wait 0.26 s for its reply whenever a read of the client itself had just gone out: one in five did.

A booking is a plan. What counts is the moment of sending, so `Pacer.start` checks the spacing
again against what was really sent: after the event loop was blocked for two seconds the bookings
that fell due together still leave one by one.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from typing import Final

import msgspec

from ibkr_async.rest.request import Urgency
from ibkr_async.rest.settings import PacingSettings

_INSTANT_S: Final = 1e-6
"""Less than any clock here resolves: a wait this short is over."""

PROBE_S: Final = 120.0
"""After a 429, one ordinary request per this time asks whether the address is still blocked."""

BOX_CANCEL_S: Final = 1.0
"""After a 429, cancels are spaced by this; they are never stopped."""

BOX_MEMORY_S: Final = 600.0
"""A second 429 within this time is no accident: a short `Retry-After` is no longer believed."""

LONGEST_HOLD_S: Final = 3600.0
"""A `Retry-After` beyond this is read as this."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """At most `limit` requests in any `window_s` seconds, at most `burst` of them together."""

    path: str
    """Pacing key (path template); `/fyi/*` covers each path below `/fyi/` separately."""
    limit: int
    window_s: float
    burst: int = 1
    concurrent: int | None = None
    """How many may be under way at the same time."""

    def __post_init__(self) -> None:
        if self.burst < 1 or self.limit % self.burst:
            message = f"{self.path}: burst {self.burst} does not divide limit {self.limit}"
            raise ValueError(message)

    @property
    def spacing_s(self) -> float:
        """Time between two requests of one track, guard included."""
        return (self.window_s + max(0.05, self.window_s * 0.01)) * self.burst / self.limit

    def __str__(self) -> str:
        return f"{self.path}: {self.limit} per {self.window_s:g} s"


def _once(path: str, window_s: float) -> Rule:
    return Rule(path=path, limit=1, window_s=window_s)


PACING: Final[tuple[Rule, ...]] = (
    Rule(path="/iserver/marketdata/snapshot", limit=10, window_s=1, burst=2),
    # Two published limits that disagree, 5 at a time and 50 per minute: both are kept.
    Rule(path="/iserver/marketdata/history", limit=50, window_s=60, burst=50, concurrent=5),
    _once("/iserver/scanner/params", 900),
    _once("/iserver/scanner/run", 1),
    _once("/iserver/account/orders", 5),
    _once("/iserver/account/trades", 5),
    # No figure is published; after a dense run of them IBKR answers 503. One a second on average is a
    # guess; two may go together, which leaves room for two orders.
    Rule(path="/iserver/account/order/status/{order_id}", limit=6, window_s=6, burst=2),
    _once("/iserver/account/pnl/partitioned", 5),
    _once("/portfolio/accounts", 5),
    _once("/portfolio/subaccounts", 5),
    _once("/pa/performance", 900),
    _once("/pa/summary", 900),
    _once("/pa/transactions", 900),
    # No figure is published for these newest of the /pa endpoints; they are treated like the others.
    _once("/pa/allperiods", 900),
    _once("/pa/allocation", 900),
    # The specification says so; the page has it with the other notifications, at one a second.
    _once("/fyi/unreadnumber", 300),
    _once("/fyi/*", 1),
    _once("/tickle", 1),
    _once("/sso/validate", 60),
)
"""Limits per endpoint. Source: "Pacing Limitations" of the Web API documentation, August 2026."""


class _Track:
    """One line of requests that keep `spacing_s` apart: GCRA with burst 1.

    Slots may be booked in any order, so a request that must wait for its endpoint's own limit
    holds one slot of the global limit in the future and nobody queues behind it.
    """

    def __init__(self, spacing_s: float) -> None:
        self.spacing_s = spacing_s
        self.taken: list[float] = []
        self.last_sent = float("-inf")

    def earliest(self, at: float) -> float:
        """First moment not before `at` that keeps the distance to every slot taken."""
        for taken in self.taken:
            if at + self.spacing_s <= taken:
                break
            at = max(at, taken + self.spacing_s)
        return at

    def drop(self, at: float) -> None:
        """Free the slot at `at`, unless it is so old that it was forgotten already."""
        if at in self.taken:
            self.taken.remove(at)

    def count_sent(self, planned: float, now: float) -> None:
        """Put the true moment of sending in the place of the plan."""
        self.drop(planned)
        insort(self.taken, now)
        self.last_sent = now

    def forget_before(self, now: float) -> None:
        """Drop slots too old to matter."""
        del self.taken[: bisect_right(self.taken, now - self.spacing_s)]


class _Meter:
    """A limit in use: a request must find room on one of its tracks."""

    def __init__(self, name: str, tracks: list[_Track]) -> None:
        self.name = name
        self.tracks = tracks

    @classmethod
    def of(cls, rule: Rule) -> _Meter:
        return cls(str(rule), [_Track(rule.spacing_s) for _ in range(rule.burst)])

    def earliest(self, at: float) -> float:
        return min(track.earliest(at) for track in self.tracks)

    def book(self, at: float, now: float) -> _Track:
        """Take the slot at `at`, which `earliest` gave."""
        for track in self.tracks:
            track.forget_before(now)
        track = min(self.tracks, key=lambda track: track.earliest(at))
        insort(track.taken, at)
        return track


class Booking(msgspec.Struct, kw_only=True, eq=False):
    """A slot for one request. Hand it to `Pacer.start` until that says 0, then send."""

    key: str
    urgency: Urgency
    at: float
    """Planned moment of sending, on the caller's clock."""
    rule: str
    """What decided `at`, for messages; empty when the request may go at once."""
    sent: bool = False
    tracks: list[_Track] = msgspec.field(default_factory=list)
    """Where the slot is held; the pacer's own business."""
    epoch: int = 0
    """How many 429s were known when it was planned; the pacer's own business."""


class _Box:
    """The penalty box that a 429 lets us suspect: who may still send, and when."""

    def __init__(self, opened_at: float, probe_at: float) -> None:
        self.opened_at = opened_at
        self.probe_at = probe_at
        self.probes = _Meter("penalty box after a 429, one probe per 2 min", [_Track(PROBE_S)])
        self.cancels = _Meter("penalty box after a 429, cancels 1/s", [_Track(BOX_CANCEL_S)])


class Pacer:
    """Books slots for requests under the global limit, the table and the penalty box.

    Times are seconds of one monotonic clock that the caller reads. Bookings of one key and
    urgency are served in the order in which they were made.

    After a 429 the address may be in IBKR's penalty box, where every further request makes it
    worse. Then, until some request sent after it gets any answer but 429: ordinary requests go one
    per `PROBE_S`, the first after `Retry-After` or `PROBE_S`; cancels go one per second. So at most
    six ordinary requests leave in the ten minutes that the box lasts. The endpoint that was hit is
    held as long again as its own window, whatever the others find.
    """

    def __init__(
        self,
        table: tuple[Rule, ...] = PACING,
        settings: PacingSettings | None = None,
    ) -> None:
        """Keep the global limit of `settings` and the limits of `table`."""
        settings = settings or PacingSettings()
        for_orders, for_cancels = settings.for_orders, settings.for_cancels
        tracks: list[_Track] = []
        total = 0
        self._global: dict[Urgency, _Meter] = {}
        for urgency, who, share, burst in (
            (Urgency.READ, "reads", settings.per_second - for_orders - for_cancels, 2),
            # Two more at once: an order is a ticket and a reply.
            (Urgency.ORDER, "reads and orders", for_orders, 2),
            (Urgency.CANCEL, "all requests", for_cancels, 1),
        ):
            own = _Meter.of(Rule(path=who, limit=share, window_s=1, burst=burst))
            tracks = [*tracks, *own.tracks]
            total += share
            self._global[urgency] = _Meter(str(Rule(path=who, limit=total, window_s=1)), tracks)
        self._rules = {rule.path: rule for rule in table}
        self._meters: dict[str, _Meter] = {}
        self._held_until: dict[str, float] = {}
        self._box: _Box | None = None
        self._last_429 = float("-inf")
        self._epoch = 0
        self._boxes = 0

    @property
    def is_boxed(self) -> bool:
        """True while the address is suspected to be in the penalty box."""
        return self._box is not None

    def concurrency(self, key: str) -> int | None:
        """How many requests of this key may be under way at once; None when there is no limit."""
        rule = self._rule(key)
        return rule.concurrent if rule else None

    def reserve(self, key: str, now: float, urgency: Urgency = Urgency.READ) -> Booking:
        """Book the earliest slot that every limit allows.

        Give it back with `release` when the request will not be sent.
        """
        booking = Booking(key=key, urgency=urgency, at=now, rule="")
        self._plan(booking, now)
        return booking

    def start(self, booking: Booking, now: float) -> float:
        """Return for how many seconds to wait still; 0 means "send now", and counts it as sent.

        Call it again after waiting: a 429 in the meantime moves the booking, possibly by minutes.
        """
        if booking.epoch != self._epoch_for(booking.urgency):
            self.release(booking)
            self._plan(booking, now)
        due = max([booking.at, *(track.last_sent + track.spacing_s for track in booking.tracks)])
        if due - now > _INSTANT_S:
            return due - now
        for track in booking.tracks:
            track.count_sent(booking.at, now)
        booking.at = now
        booking.sent = True
        return 0.0

    def release(self, booking: Booking) -> None:
        """Free the slot of a request that will not be sent. Does nothing once it was sent."""
        if booking.sent:
            return
        for track in booking.tracks:
            track.drop(booking.at)
        booking.tracks = []

    def penalise(self, booking: Booking, now: float, retry_after_s: float | None = None) -> None:
        """Stand back after the 429 that answered this booking's request."""
        asked = None if retry_after_s is None else min(max(retry_after_s, 0.0), LONGEST_HOLD_S)
        sent_before_box = self._box is None or booking.at <= self._box.opened_at
        repeated = now - self._last_429 < BOX_MEMORY_S and not (self._box and sent_before_box)
        pause = max(asked or 0.0, PROBE_S) if asked is None or repeated else asked
        if self._box is None:
            self._box = _Box(now, now + pause)
            self._boxes += 1
        else:
            self._box.probe_at = max(self._box.probe_at, now + pause)
        rule = self._rule(booking.key)
        window_s = rule.window_s if rule else 0.0
        held_until = self._held_until.get(booking.key, now)
        self._held_until[booking.key] = max(held_until, now + max(pause, window_s))
        self._last_429 = now
        self._epoch += 1

    def answered(self, booking: Booking) -> bool:
        """Note an answer other than 429; True when it shows that the penalty box is over."""
        if self._box is None or booking.at <= self._box.opened_at:
            return False
        self._box = None
        return True

    def _plan(self, booking: Booking, now: float) -> None:
        """Find the earliest moment that suits every meter, and book it on each."""
        at, rule = self._not_before(booking, now)
        meters = self._meters_for(booking)
        settled = False
        while not settled:
            settled = True
            for meter in meters:
                earliest = meter.earliest(at)
                if earliest > at:
                    at, rule, settled = earliest, meter.name, False
        booking.at, booking.rule = at, rule
        booking.epoch = self._epoch_for(booking.urgency)
        booking.tracks = [meter.book(at, now) for meter in meters]

    def _epoch_for(self, urgency: Urgency) -> int:
        """Return what changes when a booking must be planned anew.

        For a cancel only a new box does: if every 429 sent it to the end of the line, the last of many
        would never leave.
        """
        return self._boxes if urgency is Urgency.CANCEL else self._epoch

    def _not_before(self, booking: Booking, now: float) -> tuple[float, str]:
        if booking.urgency is Urgency.CANCEL:
            return now, ""
        at, rule = now, ""
        held_until = self._held_until.get(booking.key, now)
        if held_until > at:
            at, rule = held_until, f"{booking.key} is held after a 429"
        else:
            self._held_until.pop(booking.key, None)
        if self._box and self._box.probe_at > at:
            at, rule = self._box.probe_at, self._box.probes.name
        return at, rule

    def _meters_for(self, booking: Booking) -> list[_Meter]:
        meters = [self._global[booking.urgency]]
        if self._box:
            is_cancel = booking.urgency is Urgency.CANCEL
            meters.append(self._box.cancels if is_cancel else self._box.probes)
        rule = self._rule(booking.key)
        if rule:
            meter = self._meters.get(booking.key)
            if meter is None:
                meter = self._meters[booking.key] = _Meter.of(rule)
            meters.append(meter)
        return meters

    def _rule(self, key: str) -> Rule | None:
        """The key's own row, else the row `/x/*` of its first segment."""
        rule = self._rules.get(key)
        if rule is None:
            first_segment = key.split("/", 2)[1] if key.startswith("/") else ""
            rule = self._rules.get(f"/{first_segment}/*")
        return rule
