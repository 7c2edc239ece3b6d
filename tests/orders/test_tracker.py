from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_async.models.orders import OrderStatusReply
from ibkr_async.models.streaming import LiveOrderUpdate
from ibkr_async.orders.known.events import (
    AnyOrderEvent,
    Cancelled,
    Commission,
    Fill,
    NotApplied,
    OrderState,
    Reconciled,
    Rejected,
    Replaced,
    StatusChange,
    Twin,
)
from ibkr_async.orders.known.tracker import Doubt, OrderTracker
from ibkr_async.types import OrderId
from support import order_rows as rows
from support.order_rows import ACCOUNT, COID, ORDER_ID

ID = str(ORDER_ID)


class Bench:
    """A tracker, what it told, and how often it found a doubt."""

    def __init__(self) -> None:
        self.events: list[AnyOrderEvent] = []
        self.alarms = 0
        self.settled: list[str | None] = []
        self.tracker = OrderTracker(
            publish=self.events.append, on_doubt=self._alarm, on_settled=self.settled.append
        )

    def _alarm(self) -> None:
        self.alarms += 1

    @property
    def order(self) -> OrderState:
        """The order of these rows."""
        state = self.tracker.state(ID)
        assert state is not None
        return state

    def take(self) -> list[AnyOrderEvent]:
        """Give what was told since the last time."""
        told, self.events[:] = list(self.events), []
        return told

    def submit(self, *, acknowledged: str | None = "PreSubmitted") -> None:
        """Send the order, and have it acknowledged."""
        self.tracker.submitted([rows.ticket()], COID, ACCOUNT)
        if acknowledged is not None:
            self.tracker.acknowledged(COID, [rows.accepted(acknowledged)], 0.5)


@pytest.fixture
def bench() -> Bench:
    """Make an empty tracker."""
    return Bench()


def kinds(events: list[AnyOrderEvent]) -> list[str]:
    """Name the events."""
    return [type(event).__name__ for event in events]


# --- what this client did ------------------------------------------------------------------------


def test_acknowledged_order_knows_its_ticket(bench: Bench) -> None:
    """What IBKR has not said yet is known from what was sent."""
    bench.submit()

    order = bench.order
    assert (order.coid, order.account_id, order.conid) == (COID, ACCOUNT, 265598)
    assert (order.quantity, order.price, order.side) == (Decimal(722), Decimal("382.40"), "SELL")
    assert order.status == "PreSubmitted"
    assert order.remaining == 722
    assert kinds(bench.events) == ["StatusChange"]


def test_acknowledged_order_of_which_nothing_was_heard_is_in_doubt(bench: Bench) -> None:
    """Until the first news, which may never come, IBKR is to be asked."""
    bench.submit()
    assert bench.tracker.doubts == {ID: Doubt.SILENT}
    assert bench.order.in_doubt

    bench.tracker.live_order_row(rows.sor(status="Submitted"), 1.0)

    assert not bench.tracker.doubts
    assert not bench.order.in_doubt


def test_acknowledgement_after_the_news_leaves_no_doubt(bench: Bench) -> None:
    """The socket is often faster than the answer, whose status is then an old one."""
    bench.submit(acknowledged=None)
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.tracker.acknowledged(COID, [rows.accepted("PreSubmitted")], 1.1)

    assert bench.order.status == "Submitted"
    assert not bench.tracker.doubts


def test_bracket_legs_are_found_by_the_coid_of_the_entry(bench: Bench) -> None:
    """Children carry no id of their own; their parent does."""
    child = rows.ticket(None, parent_id=COID)
    bench.tracker.submitted([rows.ticket(), child], COID, ACCOUNT)
    answer = [
        rows.accepted("PreSubmitted", 2, parent_order_id="1"),
        rows.accepted("Submitted", 1, local_order_id=COID),
    ]
    bench.tracker.acknowledged(COID, answer, 0.5)
    bench.tracker.live_order_row(rows.full(order_id=77, order_ref="other"), 1.0)

    assert [(s.order_id, s.coid, s.parent_id) for s in bench.tracker.family([COID])] == [
        ("2", None, "1"),
        ("1", COID, None),
    ]
    assert bench.tracker.family(["unheard"]) == ()


def test_row_that_names_our_id_before_the_acknowledgement_is_ours(bench: Bench) -> None:
    """So a lost answer does not lose the order."""
    bench.submit(acknowledged=None)
    bench.tracker.live_order_row(rows.full("Inactive"), 1.0)

    (found,) = bench.tracker.family([COID])
    assert found.order_id == ID


def test_refused_order_is_told_without_a_number(bench: Bench) -> None:
    """Those who watch hear of it too."""
    bench.submit(acknowledged=None)
    bench.tracker.rejected(COID, "no such luck", 1.0)

    (event,) = bench.events
    assert isinstance(event, Rejected)
    assert (event.coid, event.order_id, event.reason) == (COID, "", "no such luck")
    assert bench.tracker.orders() == ()


def test_refused_order_that_was_not_sent_from_here_has_no_account(bench: Bench) -> None:
    """A reply to a question of somebody else's order may be refused too."""
    bench.tracker.rejected("stranger", "", 1.0)

    (event,) = bench.events
    assert event.state.account_id is None
    assert event.state.reason is None


def test_legs_that_were_refused_are_told_with_and_without_number(bench: Bench) -> None:
    """IBKR gives the number -1 to a child that it refuses."""
    bench.tracker.submitted([rows.ticket(), rows.ticket(None)], COID, ACCOUNT)
    answer = [rows.rejected_leg(text="bad child"), rows.rejected_leg("5", warning_message="late")]
    bench.tracker.acknowledged(COID, answer, 1.0)

    assert [(e.order_id, e.state.reason) for e in bench.events if isinstance(e, Rejected)] == [
        ("", "bad child"),
        ("5", "late"),
    ]


def test_rows_that_acknowledge_nothing_are_passed_over(bench: Bench) -> None:
    """A question is an answer to the placing request too."""
    bench.tracker.acknowledged("never sent", [rows.accepted(order_id=5)], 1.0)
    bench.tracker.acknowledged(COID, [rows.question()], 1.0)

    assert [state.order_id for state in bench.tracker.orders()] == ["5"]


def test_modification_is_told_and_makes_news_expected(bench: Bench) -> None:
    """What the new terms lead to is for IBKR to say."""
    bench.submit()
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.take()
    changed = rows.ticket(quantity=Decimal(500), price=Decimal(383))
    bench.tracker.replaced(ID, changed, 2.0)

    (event,) = bench.take()
    assert isinstance(event, Replaced)
    assert (event.previous_quantity, event.quantity) == (722, 500)
    assert (event.previous_price, event.price) == (Decimal("382.40"), 383)
    assert bench.tracker.doubts == {ID: Doubt.SILENT}


CHANGED = rows.ticket(quantity=Decimal(500), price=Decimal(383))


def acknowledge_change(bench: Bench) -> int:
    """Have a modification acknowledged. Return the version from which an answer is newer."""
    bench.submit()
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.tracker.replaced(ID, CHANGED, 2.0)
    bench.take()
    return bench.tracker.version


def test_modification_that_is_acknowledged_and_ignored_is_told(bench: Bench) -> None:
    """IBKR does so with the quantity of a child that is held. The state is what is live."""
    asked = acknowledge_change(bench)

    reply = rows.status_reply("Submitted", quantity=722, limit_price="383.00")
    bench.tracker.status_reply(reply, 3.0, asked)

    replaced, not_applied = bench.take()
    assert isinstance(replaced, Replaced)
    assert isinstance(not_applied, NotApplied)
    assert (not_applied.terms, not_applied.inferred) == (("quantity",), True)
    assert not_applied.state.quantity == 722
    assert bench.tracker.ticket(ID) is None
    bench.tracker.status_reply(reply, 4.0, asked)
    assert bench.take() == []


def test_modification_that_an_answer_shows_is_settled(bench: Bench) -> None:
    """Nothing is said when nothing is wrong."""
    asked = acknowledge_change(bench)

    reply = rows.status_reply("Submitted", quantity=500, limit_price="383.00")
    bench.tracker.status_reply(reply, 3.0, asked)
    bench.tracker.status_reply(
        rows.status_reply("Submitted", quantity=400, limit_price="383.00"), 4.0, asked
    )

    assert kinds(bench.take()) == ["Replaced"]  # somebody else's
    assert bench.tracker.ticket(ID) == CHANGED
    assert not bench.order.in_doubt


def test_time_in_force_of_a_modification_is_compared_too(bench: Bench) -> None:
    """Whatever the answer shows."""
    acknowledge_change(bench)
    reply = rows.status_reply("Submitted", quantity=500, limit_price="383.00", tif="DAY")

    bench.tracker.status_reply(reply, 3.0, bench.tracker.version)

    (event,) = bench.take()
    assert isinstance(event, NotApplied)
    assert event.terms == ("tif",)


def test_row_with_the_old_terms_is_asked_about(bench: Bench) -> None:
    """It may be older than the modification: only an answer decides."""
    acknowledge_change(bench)
    bench.tracker.live_order_row(rows.full("Submitted"), 3.0)
    assert bench.tracker.doubts == {ID: Doubt.CONTRADICTED}
    assert "NotApplied" not in kinds(bench.take())

    bench.tracker.live_order_row(rows.live("Submitted"), 4.0, bench.tracker.version)

    assert "NotApplied" in kinds(bench.take())


def test_row_with_the_new_terms_settles_a_modification(bench: Bench) -> None:
    """IBKR has said it by itself; a row that shows no terms has not."""
    acknowledge_change(bench)
    bench.tracker.live_order_row(rows.sor(status="Submitted"), 3.0)
    assert bench.tracker.doubts == {ID: Doubt.SILENT}

    changed = rows.full("Submitted", totalSize=500.0, price="383.00")
    bench.tracker.live_order_row(changed, 4.0)

    assert not bench.order.in_doubt


@pytest.mark.parametrize("what", ["older", "of unknown age", "over", "another change"])
def test_answer_that_proves_nothing_about_a_modification_tells_nothing(
    bench: Bench, what: str
) -> None:
    """It was asked for before, or there is nothing left of it, or other terms are on their way."""
    asked: int | None = acknowledge_change(bench)
    assert asked is not None
    status = "Cancelled" if what == "over" else "Submitted"
    if what == "another change":
        bench.tracker.modifying(ID)

    if what == "older":
        asked -= 1
    elif what == "of unknown age":
        asked = None
    bench.tracker.status_reply(rows.status_reply(status), 3.0, asked)

    assert "NotApplied" not in kinds(bench.take())


@pytest.mark.parametrize(
    ("filled", "quantity", "side", "is_more"),
    [
        (4, 10, "SELL", True),
        (4, 4, "SELL", False),
        (4, 5, "SELL", True),
        (0, 10, "SELL", False),
        (4, 10, "BUY", False),
    ],
)
def test_exit_above_what_its_parent_has_filled_overshoots(
    bench: Bench, filled: int, quantity: int, side: str, *, is_more: bool
) -> None:
    """IBKR takes that, and the position can turn. A held child waits for fills."""
    entry = rows.live("Submitted", order_id=1, filled=filled, quantity=10, side="BUY")
    child = rows.live(
        "PreSubmitted", order_id=2, quantity=4, parentId="1", side=side, order_ref=None
    )
    bench.tracker.live_order_row(entry, 1.0)
    bench.tracker.live_order_row(child, 1.0)

    parent = bench.tracker.overshoots("2", rows.ticket(quantity=Decimal(quantity)))

    assert (parent is not None) is is_more
    assert parent is None or parent.order_id == "1"
    assert bench.tracker.overshoots("1", rows.ticket()) is None
    assert bench.tracker.overshoots("404", rows.ticket()) is None


def test_modification_may_bring_another_order_type(bench: Bench) -> None:
    """Terms that the ticket does not name stay."""
    bench.submit()
    bench.tracker.replaced(ID, rows.ticket(order_type="MKT", price=None, quantity=None), 2.0)

    assert bench.order.order_type == "MKT"
    assert bench.order.quantity == 722


def test_cancel_of_a_finished_or_unheard_order_expects_nothing(bench: Bench) -> None:
    """There is nothing to come."""
    bench.tracker.live_order_row(rows.live("Cancelled"), 1.0)
    bench.tracker.expect(ID)
    bench.tracker.expect("404")

    assert not bench.tracker.doubts


# --- status --------------------------------------------------------------------------------------


def test_status_change_tells_word_and_previous_word(bench: Bench) -> None:
    """Spelled as the documentation does, whatever the row's spelling."""
    bench.tracker.live_order_row(rows.full("Inactive"), 1.0)
    bench.tracker.live_order_row(rows.sor(status="PRE_SUBMITTED"), 2.0)

    assert [(e.previous, e.status, e.at) for e in bench.events if isinstance(e, StatusChange)] == [
        (None, "Inactive", 1.0),
        ("Inactive", "PreSubmitted", 2.0),
    ]


def test_row_that_says_nothing_new_tells_nothing(bench: Bench) -> None:
    """`sor` repeats itself."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.take()
    bench.tracker.live_order_row(rows.full("Submitted"), 2.0)

    assert bench.take() == []


def test_cancelled_is_told_after_its_status(bench: Bench) -> None:
    """With what was filled, and IBKR's reason if it gave one."""
    bench.tracker.live_order_row(rows.full("Submitted", filled=100), 1.0)
    bench.take()
    reason = {"order_cancellation_by_system_reason": "Too far from the market"}
    bench.tracker.live_order_row(rows.live("Cancelled", filled=100, **reason), 2.0)

    change, cancelled = bench.take()
    assert isinstance(change, StatusChange)
    assert isinstance(cancelled, Cancelled)
    assert cancelled.filled == 100
    assert cancelled.reason == "Too far from the market"
    assert bench.order.remaining == 0


def test_terminal_status_is_final(bench: Bench) -> None:
    """Not even an answer that was asked for later opens the order again."""
    bench.tracker.live_order_row(rows.live("Cancelled"), 1.0)
    bench.take()
    asked = bench.tracker.version
    bench.tracker.status_reply(rows.status_reply("Submitted"), 2.0, asked)
    bench.tracker.live_order_row(rows.sor(status="Submitted"), 3.0)

    assert bench.order.status == "Cancelled"
    assert bench.take() == []


def test_cancelled_order_that_filled_all_the_same_becomes_filled(bench: Bench) -> None:
    """A cancel can lose the race; the fills alone do not decide it, IBKR's word does."""
    bench.tracker.live_order_row(rows.live("Cancelled"), 1.0)
    bench.tracker.trade_row(rows.trade(1, 722), 2.0)
    assert bench.order.status == "Cancelled"
    assert bench.tracker.doubts == {ID: Doubt.UNEVEN}

    bench.tracker.status_reply(rows.status_reply("Filled", filled=722), 3.0, bench.tracker.version)

    assert bench.order.status == "Filled"
    assert not bench.tracker.doubts


def test_status_that_goes_back_on_the_socket_is_a_contradiction(bench: Bench) -> None:
    """It may be a refused cancel. The order stays where it was until IBKR was asked."""
    bench.tracker.live_order_row(rows.full("PendingCancel"), 1.0)
    before = bench.alarms
    bench.tracker.live_order_row(rows.sor(status="Submitted"), 2.0)
    assert bench.order.status == "PendingCancel"
    assert bench.tracker.doubts == {ID: Doubt.CONTRADICTED}
    assert bench.alarms == before + 1

    bench.tracker.status_reply(rows.status_reply("Submitted"), 3.0, bench.tracker.version)

    assert bench.order.status == "Submitted"
    assert not bench.order.in_doubt


def test_contradiction_is_not_settled_by_more_news(bench: Bench) -> None:
    """Only an answer that was asked for afterwards is."""
    bench.tracker.live_order_row(rows.full("PendingCancel"), 1.0)
    asked = bench.tracker.version
    bench.tracker.live_order_row(rows.sor(status="Submitted"), 2.0)
    bench.tracker.live_order_row(rows.marker(), 3.0)
    bench.tracker.live_order_row(rows.sor(status="Submitted"), 3.0)
    bench.tracker.status_reply(rows.status_reply("Submitted"), 4.0, asked)
    bench.tracker.status_reply(rows.status_reply("Submitted"), 4.0)

    assert bench.tracker.doubts == {ID: Doubt.CONTRADICTED}
    assert bench.order.status == "PendingCancel"


def test_answer_of_unknown_age_takes_nothing_back(bench: Bench) -> None:
    """The live orders come out of a cache."""
    bench.tracker.live_order_row(rows.full("PendingCancel"), 1.0)
    bench.tracker.live_order_row(rows.live("Submitted"), 2.0)

    assert bench.order.status == "PendingCancel"
    assert not bench.tracker.doubts


def test_answer_that_was_asked_for_before_the_news_takes_nothing_back(bench: Bench) -> None:
    """It may describe the order as it was then."""
    asked = bench.tracker.version
    bench.tracker.live_order_row(rows.full("PendingCancel"), 1.0)
    bench.tracker.live_order_row(rows.live("Submitted"), 2.0, asked)

    assert bench.order.status == "PendingCancel"


def test_marker_is_a_doubt_until_something_is_said(bench: Bench) -> None:
    """It names an order and nothing else."""
    bench.tracker.live_order_row(rows.marker(), 1.0)
    assert bench.tracker.doubts == {ID: Doubt.SILENT}
    assert bench.events == []

    bench.tracker.live_order_row(rows.sizes(1, 721), 2.0)

    assert not bench.tracker.doubts
    assert bench.order.quantity == 722


def test_cancel_that_is_heard_of_leaves_no_doubt(bench: Bench) -> None:
    """An answer that was on its way when the cancel went out does not count as news."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    asked = bench.tracker.version
    bench.tracker.expect(ID)
    bench.tracker.status_reply(rows.status_reply("Submitted"), 2.0, asked)
    assert bench.tracker.doubts == {ID: Doubt.SILENT}

    bench.tracker.live_order_row(rows.sor(status="PendingCancel"), 3.0)

    assert not bench.tracker.doubts


# --- fills ---------------------------------------------------------------------------------------


def test_fill_and_its_commission_are_told_once_each(bench: Bench) -> None:
    """However often IBKR repeats them."""
    bench.submit()
    bench.take()
    for row in (rows.trade(1, 100), rows.trade(1, 100), rows.trade(1, 100, commission="1.25")):
        bench.tracker.trade_row(row, 1.0)
        bench.tracker.trade_row(row, 1.0)

    fill, commission = bench.take()
    assert isinstance(fill, Fill)
    assert (fill.execution.size, fill.execution.price) == (100, Decimal("382.45"))
    assert fill.corrects is None
    assert isinstance(commission, Commission)
    assert commission.execution.commission == Decimal("1.25")
    assert bench.order.commission == Decimal("1.25")
    assert bench.order.filled == 100


def test_count_that_comes_before_its_execution_is_a_status_change(bench: Bench) -> None:
    """`sor` says how much, `str` says what: neither waits for the other."""
    bench.submit()
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.take()
    bench.tracker.live_order_row(rows.sizes(100, 622), 2.0)
    bench.tracker.trade_row(rows.trade(1, 100), 3.0)
    bench.tracker.live_order_row(rows.sizes(100, 622), 4.0)

    counted, fill = bench.take()
    assert isinstance(counted, StatusChange)
    assert (counted.previous, counted.status) == ("Submitted", "Submitted")
    assert counted.state.filled == 100
    assert isinstance(fill, Fill)


def test_correction_replaces_what_it_corrects(bench: Bench) -> None:
    """The sum of the executions may fall then; `filled` does not."""
    bench.tracker.trade_row(rows.trade(1, 100, "10", commission="1"), 1.0)
    bench.tracker.trade_row(rows.trade(1, 80, "11", correction=2), 2.0)
    bench.tracker.trade_row(rows.trade(1, 100, "10", commission="1"), 3.0)

    fill = bench.events[-1]
    assert isinstance(fill, Fill)
    assert fill.corrects is not None
    assert (fill.corrects.price, fill.execution.price) == (10, 11)
    assert bench.order.filled == 100
    assert bench.order.executed == 80
    assert bench.order.commission is None


def test_corrected_price_under_the_same_id_is_a_correction(bench: Bench) -> None:
    """IBKR was seen to do that as well."""
    bench.tracker.trade_row(rows.trade(1, 100, "10"), 1.0)
    bench.tracker.trade_row(rows.trade(1, 100, "11"), 2.0)

    assert kinds(bench.events)[-1] == "Fill"
    assert bench.order.average_price == 11


def test_same_execution_of_two_accounts_is_two(bench: Bench) -> None:
    """An advisor's order fills several accounts."""
    bench.tracker.trade_row(rows.trade(1, 60, account="DU1"), 1.0)
    bench.tracker.trade_row(rows.trade(1, 40, account="", accountCode="DU2"), 1.0)

    assert bench.order.filled == 100


def test_execution_ids_of_another_kind_are_their_own(bench: Bench) -> None:
    """Only a number at the end is a correction."""
    bench.tracker.trade_row(rows.trade(1, 60, execution_id="a.b"), 1.0)
    bench.tracker.trade_row(rows.trade(1, 40, execution_id="a.c"), 1.0)

    assert bench.order.filled == 100


def test_execution_without_size_or_id_is_left_out(bench: Bench) -> None:
    """It comes again, complete."""
    bench.tracker.trade_row(rows.trade(1, ""), 1.0)
    bench.tracker.trade_row(rows.trade(1, 60, execution_id=""), 1.0)

    assert bench.tracker.orders() == ()


def test_execution_without_order_number_is_placed_by_its_reference(bench: Bench) -> None:
    """If exactly one order has it."""
    bench.submit()
    bench.tracker.trade_row(rows.trade(1, 60, order_id=None), 1.0)
    bench.tracker.trade_row(rows.trade(2, 60, order_id=None, order_ref="other"), 1.0)
    bench.tracker.trade_row(rows.trade(3, 60, order_id=None, order_ref=""), 1.0)

    assert bench.order.filled == 60


def test_legs_of_a_combination_do_not_count_as_fills_of_it(bench: Bench) -> None:
    """Each leg is itemised beside the whole."""
    combo = rows.ticket(conid=None, conidex="28812380;;;1/1,2/-1", quantity=Decimal(10))
    bench.tracker.submitted([combo], COID, ACCOUNT)
    bench.tracker.acknowledged(COID, [rows.accepted()], 0.5)
    bench.tracker.trade_row(rows.trade(1, 10, conid=1), 1.0)
    bench.tracker.trade_row(rows.trade(2, 20, conid=2), 1.0)
    bench.tracker.trade_row(rows.trade(3, 10, conid=28812380, sec_type="BAG"), 1.0)
    assert bench.order.filled == 0
    assert bench.order.executed == 10

    bench.tracker.live_order_row(rows.sizes(10, 0, "1.5", status="Filled"), 2.0)
    assert bench.tracker.doubts == {ID: Doubt.ENDED}
    reply = rows.status_reply("Filled", filled=10, quantity=10)
    bench.tracker.status_reply(reply, 3.0, bench.tracker.version)

    assert bench.order.filled == 10
    assert bench.order.average_price == Decimal("1.5")
    assert not bench.tracker.doubts


def test_combination_from_elsewhere_shows_itself_by_its_second_leg(bench: Bench) -> None:
    """What was counted until then stays: `filled` does not fall."""
    bench.tracker.trade_row(rows.trade(1, 10, conid=1), 1.0)
    bench.tracker.trade_row(rows.trade(2, 20, conid=2), 2.0)

    assert bench.order.filled == 10
    assert bench.order.is_combo


def test_row_with_its_commission_is_the_later_one(bench: Bench) -> None:
    """A replay without it does not bring an old price back."""
    bench.tracker.trade_row(rows.trade(1, 100, "11", commission="1"), 1.0)
    bench.tracker.trade_row(rows.trade(1, 100, "10"), 2.0)

    assert bench.order.average_price == 11


def test_replayed_execution_is_no_news(bench: Bench) -> None:
    """So an answer that was asked for before it may still be the newest that is known."""
    bench.tracker.live_order_row(rows.full("PendingCancel"), 1.0)
    bench.tracker.trade_row(rows.trade(1, 5), 1.0)
    asked = bench.tracker.version
    bench.tracker.trade_row(rows.trade(1, 5), 2.0)
    bench.tracker.status_reply(rows.status_reply("Submitted", filled=5), 3.0, asked)

    assert bench.order.status == "Submitted"


def test_cancelled_row_does_not_say_what_was_ordered(bench: Bench) -> None:
    """IBKR may call nothing remaining then."""
    bench.tracker.live_order_row(rows.sizes(3, 0, status="Cancelled"), 1.0)

    assert bench.order.quantity is None
    assert bench.order.filled == 3


def test_all_filled_without_the_word_is_a_doubt(bench: Bench) -> None:
    """The order may have been enlarged elsewhere, so it is not called filled."""
    bench.submit()
    bench.tracker.trade_row(rows.trade(1, 722), 1.0)
    assert bench.order.status == "PreSubmitted"
    assert bench.tracker.doubts == {ID: Doubt.UNEVEN}

    bench.tracker.live_order_row(rows.sizes(722, 0, status="Filled"), 2.0)

    assert bench.order.status == "Filled"
    assert not bench.tracker.doubts


def test_the_word_without_all_fills_is_a_doubt(bench: Bench) -> None:
    """How much it was is for IBKR to say."""
    bench.submit()
    bench.tracker.live_order_row(rows.sor(status="Filled"), 1.0)
    assert bench.order.in_doubt
    assert bench.order.filled == 0

    bench.tracker.status_reply(rows.status_reply("Filled", filled=722), 2.0, bench.tracker.version)

    assert bench.order.filled == 722
    assert not bench.order.in_doubt


def test_quantity_that_makes_the_fills_fit_settles_the_doubt(bench: Bench) -> None:
    """An answer of unknown age may do that too."""
    bench.submit()
    bench.tracker.trade_row(rows.trade(1, 722), 1.0)
    bench.tracker.live_order_row(rows.live("Submitted", filled=722, quantity=1000), 2.0)

    assert not bench.tracker.doubts


def test_lone_number_in_sizes_means_filled_only_on_a_filled_order(bench: Bench) -> None:
    """IBKR writes `722` for `722/0`; on any other order it is not taken for that."""
    bench.tracker.live_order_row(rows.sor(status="Submitted", sizeAndFills="722"), 1.0)
    assert bench.order.filled == 0

    bench.tracker.live_order_row(rows.sor(status="Filled", sizeAndFills="722"), 2.0)

    assert bench.order.filled == 722


def test_average_price_has_the_most_digits_that_were_said(bench: Bench) -> None:
    """IBKR rounds it here and not there."""
    bench.tracker.live_order_row(rows.sizes(100, 622, "382.45"), 1.0)
    bench.tracker.live_order_row(rows.sizes(100, 622, "382.4533"), 1.0)
    bench.tracker.live_order_row(rows.sizes(100, 622, "382.45"), 1.0)
    bench.tracker.live_order_row(rows.sor(filledQuantity=100.0), 1.0)

    assert bench.order.average_price == Decimal("382.4533")


def test_average_price_of_executions_without_price_is_what_ibkr_says(bench: Bench) -> None:
    """Or unknown."""
    bench.tracker.trade_row(rows.trade(1, 100, ""), 1.0)
    assert bench.order.average_price is None

    bench.tracker.live_order_row(rows.sizes(100, 622, "382.45"), 1.0)

    assert bench.order.average_price == Decimal("382.45")


# --- modifications seen --------------------------------------------------------------------------


def test_modification_from_elsewhere_is_told(bench: Bench) -> None:
    """Somebody changed the order in TWS."""
    bench.tracker.live_order_row(rows.full("Submitted", lastExecutionTime_r=1000), 1.0)
    bench.take()
    changed = rows.full("Submitted", quantity=500, price="383", lastExecutionTime_r=2000)
    bench.tracker.live_order_row(changed, 2.0)
    bench.tracker.live_order_row(rows.full("Submitted", lastExecutionTime_r=1000), 3.0)

    (event,) = bench.take()
    assert isinstance(event, Replaced)
    assert (event.quantity, event.price) == (500, 383)


def test_price_of_a_trailing_stop_moves_without_being_told(bench: Bench) -> None:
    """Nobody modified it."""
    kind = {"origOrderType": "TRAIL"}
    bench.tracker.live_order_row(rows.full("Submitted", price="380", **kind), 1.0)
    bench.take()
    bench.tracker.live_order_row(rows.full("Submitted", price="381", **kind), 2.0)

    assert bench.take() == []
    assert bench.order.price == 381


# --- ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["Cancelled", "Failed"])
def test_end_on_the_socket_is_told_once_ibkr_has_confirmed_it(bench: Bench, word: str) -> None:
    """It was seen as it happened, so it is not inferred; only it is told late."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.take()
    bench.tracker.live_order_row(rows.sor(status=word), 2.0)
    assert bench.take() == []
    assert (bench.order.status, bench.order.in_doubt) == ("Submitted", True)
    assert bench.tracker.doubts == {ID: Doubt.ENDED}
    assert bench.tracker.take_new_doubts() == (ID,)
    assert bench.tracker.take_new_doubts() == ()

    bench.tracker.status_reply(rows.status_reply(word), 3.0, bench.tracker.version)

    told = bench.take()
    assert kinds(told) == ["StatusChange", "Cancelled" if word == "Cancelled" else "Rejected"]
    assert [event.inferred for event in told] == [False, False]
    assert not bench.order.in_doubt
    assert bench.tracker.open_orders() == ()


def test_end_that_ibkr_does_not_confirm_was_none(bench: Bench) -> None:
    """It is asked once more, because the socket may be ahead of the answers."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.take()
    bench.tracker.live_order_row(rows.sor(status="Cancelled"), 2.0)
    bench.tracker.status_reply(rows.status_reply("Submitted"), 3.0, bench.tracker.version)
    assert bench.tracker.doubts == {ID: Doubt.SILENT}
    bench.tracker.status_reply(rows.status_reply("Submitted"), 4.0, bench.tracker.version)
    assert not bench.order.in_doubt
    assert bench.take() == []

    bench.tracker.status_reply(rows.status_reply("Filled", filled=722), 5.0, bench.tracker.version)

    assert bench.order.status == "Filled"


def test_answer_that_is_older_than_the_news_settles_no_end(bench: Bench) -> None:
    """More was heard of the order while IBKR was asked."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.tracker.live_order_row(rows.sor(status="Cancelled"), 2.0)
    asked = bench.tracker.version
    bench.tracker.live_order_row(rows.sizes(5, 717), 3.0)
    bench.tracker.status_reply(rows.status_reply("Submitted"), 4.0, asked)

    assert bench.tracker.doubts == {ID: Doubt.ENDED}


def test_fills_that_add_up_confirm_the_word(bench: Bench) -> None:
    """Two feeds say it, so IBKR need not be asked."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.tracker.live_order_row(rows.sizes(722, 0, status="Filled"), 2.0)
    assert bench.tracker.doubts == {ID: Doubt.UNEVEN}
    assert not bench.order.is_done
    bench.take()

    bench.tracker.trade_row(rows.trade(1, 722), 3.0)

    assert kinds(bench.take()) == ["Fill", "StatusChange"]
    assert (bench.order.status, bench.order.in_doubt) == ("Filled", False)


def test_end_of_an_order_that_ibkr_names_nowhere_is_believed(bench: Bench) -> None:
    """A working order would be in the list; one of which no end was claimed stays in doubt."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.tracker.unnamed(OrderId(ID), 2.0)
    assert bench.order.status == "Submitted"
    bench.tracker.live_order_row(rows.sor(status="Cancelled"), 2.0)
    bench.take()

    bench.tracker.unnamed(OrderId(ID), 3.0)
    bench.tracker.unnamed(OrderId("404"), 3.0)

    assert kinds(bench.take()) == ["StatusChange", "Cancelled"]
    assert not bench.order.in_doubt


def test_doubt_that_is_settled_is_said(bench: Bench) -> None:
    """It is no event, and somebody may wait for it."""
    bench.submit()
    bench.settled.clear()
    bench.tracker.status_reply(rows.status_reply("PreSubmitted"), 1.0, bench.tracker.version)
    assert bench.settled == [ID]
    bench.tracker.gap()
    bench.tracker.reconciled(2.0, bench.tracker.version, 1.0)

    assert bench.settled[-1] is None


def test_old_execution_is_no_news(bench: Bench) -> None:
    """`str` repeats those of a week when anybody asks it for its history."""
    row = rows.trade(1, 5)
    assert row.trade_time_ms is not None
    happened = row.trade_time_ms / 1000
    bench.tracker.trade_row(row, happened + 299)
    bench.tracker.trade_row(rows.trade(2, 5), happened + 301)

    assert [event.inferred for event in bench.take()] == [False, True]


def test_twins_are_told_of_each_other(bench: Bench) -> None:
    """Whoever has the order is to know that another one carries its id; exits are no twins."""
    bench.submit()
    bench.tracker.live_order_row(rows.live("Submitted", order_id=2, parentId=ID), 1.0)
    bench.take()
    bench.tracker.live_order_row(rows.live("Submitted", order_id=3), 2.0)

    told = [event for event in bench.take() if isinstance(event, Twin)]
    assert [(event.order_id, event.twin.order_id) for event in told] == [
        *((ID, "3"), ("3", ID)),
        *(("2", "3"), ("3", "2")),
    ]


def test_execution_without_number_is_not_placed_when_two_carry_its_reference(bench: Bench) -> None:
    """It would be a guess; once one of them is forgotten it is none."""
    bench.tracker.live_order_row(rows.live("Cancelled", order_id=2), 1.0)
    bench.tracker.gap()
    bench.tracker.live_order_row(rows.live("Submitted"), 1.0)
    bench.tracker.trade_row(rows.trade(1, 5, order_id=None), 2.0)
    assert bench.order.filled == 0
    bench.tracker.forget(0)
    bench.tracker.trade_row(rows.trade(1, 5, order_id=None), 3.0)

    assert bench.order.filled == 5


def test_unitemised_orders_are_known_until_their_executions_are(bench: Bench) -> None:
    """With what is filled of them."""
    bench.tracker.live_order_row(rows.full("Submitted", filled=5), 1.0)
    bench.tracker.live_order_row(rows.full("Submitted", order_id=2, order_ref="b"), 1.0)
    assert bench.tracker.unitemised == {ID: 5}
    before = bench.alarms
    bench.tracker.live_order_row(rows.sizes(7, 715), 2.0)
    assert (bench.tracker.unitemised, bench.alarms) == ({ID: 7}, before + 1)

    bench.tracker.trade_row(rows.trade(1, 7), 3.0)

    assert not bench.tracker.unitemised
    assert bench.tracker.has_open_orders


# --- gaps ----------------------------------------------------------------------------------------


def test_gap_puts_open_orders_in_doubt_until_reconciled(bench: Bench) -> None:
    """What the answers say is marked as inferred, and each order is told of once."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.tracker.live_order_row(rows.full("Submitted", order_id=2, order_ref="b"), 1.0)
    bench.tracker.live_order_row(rows.live("Cancelled", order_id=3, order_ref="c"), 1.0)
    bench.take()
    bench.tracker.gap()
    bench.tracker.gap()
    assert [state.in_doubt for state in bench.tracker.orders()] == [True, True, False]
    assert bench.tracker.in_gap

    asked = bench.tracker.version
    bench.tracker.live_order_row(rows.live("Filled", filled=722), 14.0, asked)
    bench.tracker.live_order_row(rows.live("Submitted", order_id=2, order_ref="b"), 14.0, asked)
    bench.tracker.trade_row(rows.trade(1, 722), 14.0, asked)
    bench.tracker.reconciled(15.0, asked, 5.0)

    change, fill, *reconciled = bench.take()
    assert isinstance(change, StatusChange)
    assert isinstance(fill, Fill)
    assert change.inferred
    assert fill.inferred
    assert all(isinstance(event, Reconciled) and event.gap_s == 5.0 for event in reconciled)
    assert [(e.order_id, e.changed) for e in reconciled if isinstance(e, Reconciled)] == [
        (ID, True),
        ("2", False),
    ]
    assert not any(state.in_doubt for state in bench.tracker.orders())
    assert not bench.tracker.in_gap


def test_order_that_ended_in_a_gap_is_in_doubt_until_reconciled(bench: Bench) -> None:
    """Some of its fills may not be known yet."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.tracker.gap()
    bench.tracker.live_order_row(rows.sor(status="Cancelled"), 11.0)
    assert bench.order.in_doubt

    asked = bench.tracker.version
    bench.tracker.live_order_row(rows.live("Cancelled"), 12.0, asked)
    bench.tracker.reconciled(13.0, asked, 3.0)

    assert not bench.order.in_doubt


def test_answer_from_before_the_gap_does_not_close_it(bench: Bench) -> None:
    """A second gap may begin while IBKR is being asked about the first."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.tracker.gap()
    asked = bench.tracker.version
    bench.tracker.gap()
    bench.tracker.reconciled(12.0, asked, 2.0)
    assert bench.tracker.in_gap

    bench.tracker.reconciled(13.0, bench.tracker.version, 3.0)
    bench.tracker.reconciled(14.0, bench.tracker.version, 4.0)

    assert bench.tracker.doubts == {ID: Doubt.MISSED}
    assert not bench.tracker.in_gap


def test_order_that_no_answer_names_stays_in_doubt(bench: Bench) -> None:
    """Only its own answer settles that, not a word on the socket."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.take()
    bench.tracker.gap()
    bench.tracker.reconciled(12.0, bench.tracker.version, 2.0)
    bench.tracker.live_order_row(rows.sor(status="Submitted"), 13.0)
    assert bench.take() == []
    assert bench.tracker.doubts == {ID: Doubt.MISSED}

    bench.tracker.status_reply(rows.status_reply("Submitted"), 14.0, bench.tracker.version)

    assert not bench.order.in_doubt


def test_news_during_a_gap_is_inferred_and_live_news_is_not(bench: Bench) -> None:
    """The steps between may be missing."""
    bench.tracker.live_order_row(rows.full("Inactive"), 1.0)
    bench.tracker.gap()
    bench.tracker.live_order_row(rows.sor(status="Submitted"), 11.0)
    bench.tracker.trade_row(rows.trade(1, 1), 12.0)

    assert [event.inferred for event in bench.events] == [False, True, True]


# --- looking and forgetting ----------------------------------------------------------------------


def test_rows_without_an_order_number_are_left_out(bench: Bench) -> None:
    """They say nothing about any order."""
    bench.tracker.live_order_row(LiveOrderUpdate(status="Submitted"), 1.0)
    bench.tracker.status_reply(OrderStatusReply(order_status="Submitted"), 1.0)

    assert bench.tracker.orders() == ()
    assert bench.tracker.state("1") is None


def test_open_orders_are_those_with_a_word_that_is_not_final(bench: Bench) -> None:
    """An order that only a replayed execution names is not known to be open."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.tracker.live_order_row(rows.full("Filled", order_id=2, order_ref="b"), 1.0)
    bench.tracker.trade_row(rows.trade(1, 5, order_id=3, order_ref="c"), 1.0)

    assert [state.order_id for state in bench.tracker.open_orders()] == [ID]


def test_old_finished_orders_are_forgotten_and_open_ones_are_not(bench: Bench) -> None:
    """A client runs for months."""
    bench.submit()
    bench.tracker.live_order_row(rows.live("Filled", order_id=2, order_ref="b"), 1.0)
    mark = bench.tracker.version
    bench.tracker.gap()
    bench.tracker.live_order_row(rows.live("Filled", order_id=3, order_ref="c"), 9.0)

    assert bench.tracker.forget(mark) == ("2",)
    assert [state.order_id for state in bench.tracker.orders()] == [ID, "3"]


def test_order_that_was_forgotten_during_a_gap_is_not_told_of(bench: Bench) -> None:
    """It was finished, by whatever came during the gap."""
    bench.tracker.live_order_row(rows.full("Submitted"), 1.0)
    bench.tracker.gap()
    bench.tracker.live_order_row(rows.live("Filled", filled=722), 3.0, bench.tracker.version)
    bench.tracker.forget(bench.tracker.version)
    bench.take()
    bench.tracker.reconciled(5.0, bench.tracker.version, 3.0)

    assert bench.take() == []
