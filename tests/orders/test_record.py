from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import pytest

from ibkr_async.orders.known.events import Execution
from ibkr_async.orders.known.observations import Observation, from_ticket, read_execution
from ibkr_async.orders.known.record import OrderRecord, rank
from ibkr_async.types import AccountId, ClientOrderId, Conid, OrderId, OrderStatus
from support import order_rows as rows

ID = OrderId("7")


def record(**facts: Any) -> OrderRecord:
    """Make a record of an order of ten that was seen so."""
    made = OrderRecord(ID, 0)
    made.observe(seen(quantity=Decimal(10)))
    made.observe(seen(**facts))
    return made


def seen(**facts: Any) -> Observation:
    """Make what a row says."""
    return Observation(order_id=ID, **facts)


def fill(
    number: int, size: int, *, correction: int = 1, price: str | None = "2", **facts: Any
) -> Execution:
    """Make an execution."""
    return Execution(
        execution_id=f"x.{number:02}.{correction:02}",
        size=Decimal(size),
        price=None if price is None else Decimal(price),
        time_ms=100 - number,
        **facts,
    )


# --- status --------------------------------------------------------------------------------------


def test_words_are_ranked_by_how_far_along_the_order_is() -> None:
    """A word that this version does not know is further than a working order, and no end."""
    words = [
        *("Inactive", "WarnState", "PendingSubmit", "PreSubmitted", "Submitted", "Unheard"),
        *("PendingCancel", "PreCancelled", "Failed", "Cancelled", "Filled"),
    ]

    assert sorted(words, key=rank) == words
    assert {str(word) for word in OrderStatus} <= set(words)
    assert rank("Unheard") < rank("Unheard of")


def test_status_never_goes_back_but_by_a_newer_answer() -> None:
    """And an order that is over does not even then."""
    one = record(status="PendingCancel")
    one.observe(seen(status="Submitted"))
    assert one.status == "PendingCancel"
    one.observe(seen(status="Submitted"), may_go_back=True)
    assert one.status == "Submitted"

    one.observe(seen(status="Cancelled"))
    one.observe(seen(status="Submitted"), may_go_back=True)

    assert (one.status, one.is_done, one.is_open) == ("Cancelled", True, False)
    one.observe(seen(status="Filled"))
    assert one.status == "Filled"


@pytest.mark.parametrize("word", ["Filled", "Cancelled", "Failed"])
def test_end_on_the_socket_is_a_claim(word: str) -> None:
    """An answer confirms it, or takes it back."""
    one, other = record(status="Submitted"), record(status="Submitted")
    for claimed in (one, other):
        assert not claimed.hear(seen(status=word))
        assert (claimed.status, claimed.claim, claimed.is_done) == ("Submitted", word, False)

    one.observe(seen(status=word))
    other.observe(seen(status="Submitted"))
    assert other.claim == word  # of unknown age
    other.observe(seen(status="Submitted"), may_go_back=True)

    assert (one.status, one.claim, one.is_done) == (word, None, True)
    assert (other.status, other.claim, other.is_done) == ("Submitted", None, False)


def test_claim_that_stands_is_conceded_once() -> None:
    """When IBKR names the order nowhere any more."""
    one = record(status="Submitted")
    assert not one.concede()
    one.hear(seen(status="Cancelled"))

    assert one.concede()
    assert not one.concede()
    assert one.status == "Cancelled"


def test_larger_claim_stays() -> None:
    """`Filled` and `Cancelled` may cross."""
    one = record(status="Submitted")
    one.hear(seen(status="Filled"))
    one.hear(seen(status="Cancelled"))
    assert one.claim == "Filled"
    one.observe(seen(status="Cancelled"))
    assert (one.status, one.claim) == ("Cancelled", "Filled")
    one.observe(seen(status="Filled"))

    assert one.claim is None


def test_executions_that_add_up_confirm_a_fill() -> None:
    """Two sources say it: `sor` the word, `str` the fills; in whichever order."""
    one, other = record(status="Submitted"), record(status="Submitted")
    one.hear(seen(status="Filled"))
    assert one.may_add_up
    for number in (1, 2):
        one.execute(fill(number, 5))
        other.execute(fill(number, 5))
    assert (other.status, other.is_uneven) == ("Submitted", True)
    other.hear(seen(status="Filled"))

    assert [each.status for each in (one, other)] == ["Filled"] * 2
    assert not one.is_uneven


def test_count_alone_confirms_no_fill() -> None:
    """The word and the count may come in the same row."""
    one = record(status="Submitted")
    one.hear(seen(status="Filled", filled=Decimal(10)))

    assert (one.status, one.claim, one.is_uneven) == ("Submitted", "Filled", True)


@pytest.mark.parametrize("facts", [{"is_combo": True}, {"quantity": Decimal(0)}])
def test_fills_of_a_combination_or_of_an_unknown_quantity_do_not_add_up(
    facts: dict[str, Any],
) -> None:
    """The legs are itemised beside the whole."""
    one = record(status="Submitted", **facts)
    one.hear(seen(status="Filled"))
    one.execute(fill(1, 10))

    assert (one.status, one.may_add_up, one.is_uneven) == ("Submitted", False, False)


def test_word_behind_the_last_one_contradicts() -> None:
    """Once; a modification begins anew, and nothing contradicts an end."""
    one = record()
    assert not one.hear(seen(status="PendingCancel"))
    assert not one.hear(seen())
    assert one.hear(seen(status="Submitted"))
    assert not one.hear(seen(status="Submitted"))
    one.replace(seen(quantity=Decimal(3)))
    assert not one.hear(seen(status="Inactive"))
    one.observe(seen(status="Cancelled"))

    assert not one.hear(seen(status="WarnState"))


@pytest.mark.parametrize(
    ("status", "filled", "is_uneven"),
    [
        ("Submitted", 9, False),
        ("Submitted", 10, True),
        ("Filled", 9, True),
        ("Filled", 10, False),
        ("Cancelled", 9, False),
        ("Cancelled", 10, True),
    ],
)
def test_word_and_count_have_to_fit(status: str, filled: int, is_uneven: bool) -> None:
    """All filled and `Filled` belong together."""
    assert record(status=status, filled=Decimal(filled)).is_uneven is is_uneven


# --- facts ---------------------------------------------------------------------------------------


def test_identity_is_what_was_said_first() -> None:
    """Each fact by itself."""
    first: dict[str, Any] = {
        "coid": ClientOrderId("a"),
        "account_id": AccountId("DU1"),
        "conid": Conid(1),
        "symbol": "A",
        "side": "BUY",
        "order_type": "LMT",
        "parent_id": OrderId("1"),
        "reason": "r",
    }
    one = record(**first)
    one.observe(seen(**dict.fromkeys(first, "other")))

    state = one.state(in_doubt=False)
    assert {name: getattr(state, name) for name in first} == first
    assert not state.in_doubt
    assert one.state(in_doubt=True).in_doubt


def test_terms_are_those_of_the_latest_change() -> None:
    """Rows without a time are taken as they come; what a row does not say stays."""
    one = record(quantity=Decimal(3), price=Decimal(5), changed_ms=2)
    one.observe(seen(quantity=Decimal(4), price=Decimal(6), changed_ms=1))
    assert (_quantity(one), one.state(in_doubt=False).price) == (3, 5)
    one.observe(seen(quantity=Decimal(4), changed_ms=2))
    one.observe(seen(price=Decimal(7)))

    assert (_quantity(one), one.state(in_doubt=False).price) == (4, 7)


def test_replaced_terms_are_those_of_the_ticket() -> None:
    """All of them; what it does not say stays."""
    one = record(price=Decimal(5), order_type="MKT")
    one.replace(from_ticket(ID, rows.ticket(quantity=Decimal(3), price=Decimal(6))))
    state = one.state(in_doubt=False)
    assert (state.quantity, state.price, state.order_type) == (3, 6, "LMT")
    one.replace(seen())

    assert one.state(in_doubt=False) == state


def test_implied_quantity_is_the_largest_and_the_second_choice() -> None:
    """Filled and remaining may be of different moments."""
    one = OrderRecord(ID, 0)
    for implied in (5, 7, 6):
        one.observe(seen(implied_quantity=Decimal(implied)))
    assert _quantity(one) == 7
    one.observe(seen(quantity=Decimal(9)))

    assert _quantity(one) == 9


def test_average_is_that_of_the_largest_count_with_the_most_digits() -> None:
    """IBKR rounds it here and not there."""
    one = record(filled=Decimal(4), average_price=Decimal("1.25"))
    for filled, average in ((3, "9"), (4, "1.3"), (4, "1.2512")):
        one.observe(seen(filled=Decimal(filled), average_price=Decimal(average)))
    assert (one.state(in_doubt=False).filled, one.state(in_doubt=False).average_price) == (
        4,
        Decimal("1.2512"),
    )
    one.observe(seen(filled=Decimal(5)))
    assert one.state(in_doubt=False).average_price is None
    one.observe(seen(filled=Decimal(5), average_price=Decimal(1)))

    assert one.state(in_doubt=False).average_price == 1


def _quantity(one: OrderRecord) -> Decimal | None:
    return one.state(in_doubt=False).quantity


# --- executions ----------------------------------------------------------------------------------


def test_executions_are_kept_by_time_and_told_once() -> None:
    """With what they were before."""
    one = record()
    first, second = fill(1, 2), fill(2, 3)

    assert one.execute(first) == (None, first)
    assert one.execute(second) == (None, second)
    assert one.execute(first) is None
    paid = fill(1, 2, commission=Decimal(1))
    assert one.execute(paid) == (first, paid)
    assert one.execute(first) is None  # the row without commission is the older one

    assert one.state(in_doubt=False).executions == (second, paid)


def test_correction_replaces_whatever_came_before() -> None:
    """An older one changes nothing, but for the most that was ever filled."""
    one = record()
    old, corrected = fill(1, 8), fill(1, 6, correction=2, price="3")
    one.execute(old)
    assert one.execute(corrected) == (old, corrected)
    assert one.execute(old) is None

    state = one.state(in_doubt=False)
    assert (state.filled, state.executed, state.average_price) == (8, 6, None)
    late = record()
    late.execute(corrected)
    assert late.execute(old) is None
    assert late.state(in_doubt=False).filled == 8


def test_executed_price_is_computed_once_all_is_itemised() -> None:
    """It is owed, and IBKR's is rounded; without one of the prices IBKR's is taken."""
    one = record(filled=Decimal(5), average_price=Decimal("2.3"))
    one.execute(fill(1, 2, price="2"))
    assert one.state(in_doubt=False).average_price == Decimal("2.3")
    one.execute(fill(2, 3, price="3"))
    assert one.state(in_doubt=False).average_price == Decimal("2.6")

    unpriced = record(filled=Decimal(5), average_price=Decimal("2.3"))
    unpriced.execute(fill(1, 5, price=None))
    assert unpriced.state(in_doubt=False).average_price == Decimal("2.3")
    unpriced.execute(fill(1, 5, price="2"))
    assert unpriced.state(in_doubt=False).average_price == 2


def test_sums_are_those_of_the_executions() -> None:
    """However they came to be, the record and its state agree."""
    one = record(status="Cancelled")
    rows_of_it = [
        fill(1, 2),
        fill(2, 3),
        fill(1, 2, commission=Decimal(1)),
        fill(2, 1, correction=2),
        fill(2, 1, correction=2, commission=Decimal(1)),
    ]
    for execution in rows_of_it:
        one.execute(execution)
        state = one.state(in_doubt=False)
        assert (one.is_itemised, one.is_settled) == (state.is_itemised, state.is_settled)

    assert (state.executed, state.filled, state.commission) == (3, 5, 2)
    assert (one.is_itemised, one.is_settled) == (False, False)
    one.execute(fill(3, 2, commission=Decimal(1)))
    assert one.state(in_doubt=False).filled == 7


def test_order_is_settled_once_all_is_itemised_and_paid() -> None:
    """And done."""
    one = record(status="Submitted", filled=Decimal(2))
    steps = [one.is_settled]
    one.execute(fill(1, 2))
    steps.append(one.is_settled)
    one.observe(seen(status="Cancelled"))
    steps.append(one.is_settled)
    one.execute(fill(1, 2, commission=Decimal(1)))

    assert (steps, one.is_settled) == ([False] * 3, True)
    assert record(status="Cancelled").is_settled


def test_combination_counts_the_whole_alone() -> None:
    """Told by its kind, by its first leg but one, or by the row of the whole."""
    by_kind, by_legs, by_whole = record(is_combo=True), record(), record()
    by_kind.execute(fill(1, 4, conid=Conid(1)))
    assert by_kind.state(in_doubt=False).filled == 0
    for leg in (1, 2):
        by_legs.execute(fill(leg, 4, conid=Conid(leg)))
    assert (by_legs.state(in_doubt=False).filled, by_legs.is_itemised) == (4, True)
    by_whole.execute(fill(1, 4, conid=Conid(1)))
    by_whole.execute(fill(2, 2, conid=Conid(1), sec_type="BAG"))
    by_whole.observe(seen(status="Cancelled"))

    state = by_whole.state(in_doubt=False)
    assert (state.executed, state.filled, state.average_price) == (2, 6, None)
    assert by_whole.is_itemised


def test_execution_of_another_account_is_another() -> None:
    """Advisors' orders fill several under one id."""
    one = record()
    for account in ("DU1", "DU2"):
        execution = read_execution(rows.trade(1, 2, account=account))
        assert execution is not None
        assert one.execute(execution) is not None

    assert one.state(in_doubt=False).filled == 4


def test_sums_are_exact_whatever_the_callers_decimals_are() -> None:
    """A program may have set a context of few digits; what it owns and owes does not hang on it."""
    with localcontext(prec=1):
        one = OrderRecord(ID, 0)
        one.observe(seen(quantity=Decimal(1234)))
        for number, size in enumerate((1000, 200, 34)):
            one.execute(fill(number, size, price="187.25", commission=Decimal("0.35")))
        state = one.state(in_doubt=False)
        sums = state.executed, state.commission, state.filled, state.remaining

    assert sums == (1234, Decimal("1.05"), 1234, 0)
    assert state.average_price == Decimal("187.25")
