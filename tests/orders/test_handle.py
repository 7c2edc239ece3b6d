from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import anyio
import pytest

from ibkr_async.errors import BadRequestError, ClosedError, IbkrError, UsageError
from ibkr_async.models.order_answers import OrderAccepted
from ibkr_async.models.orders import CancelReply, OrderStatusReply, Ticket
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.orders.handle import OrderHandle
from ibkr_async.orders.known.events import Twin
from ibkr_async.orders.known.legs import name_legs
from ibkr_async.orders.known.news import OrderNews
from ibkr_async.orders.known.observations import from_acknowledgement
from ibkr_async.orders.write.policy import Answers
from ibkr_async.orders.write.tickets import Submittable
from ibkr_async.types import AccountId, ClientOrderId
from support import order_rows as rows


class FakeDesk:
    """Remembers what it was asked for; refuses the order ids that it is told to."""

    def __init__(self, *refused: str) -> None:
        self.cancelled: list[str] = []
        self.modified: list[tuple[str, str | None]] = []
        self._refused = refused

    async def cancel(self, order_id: str, account_id: str | None = None) -> CancelReply:
        """Note the cancellation."""
        self.cancelled.append(order_id)
        if order_id in self._refused:
            raise BadRequestError("DELETE /x", 400, f"OrderID {order_id} doesn't exist")
        return CancelReply(order_id=order_id, account=account_id)

    async def status(self, order_id: str) -> OrderStatusReply:
        """Answer with the order id alone."""
        return OrderStatusReply(order_id=order_id)

    async def modify(
        self,
        order_id: str,
        order: Submittable,
        *,
        answers: Answers | None = None,
        account_id: str | None = None,
    ) -> OrderHandle:
        """Note the modification."""
        self.modified.append((order_id, account_id))
        assert isinstance(order, Ticket)
        return handle(self, (order,), row(order_id))


def tickets(*kinds: str, group: bool | None = None) -> tuple[Ticket, ...]:
    """Make tickets: `c` followed by a name is a coid, `p` a parent id."""
    return tuple(
        Ticket(
            order_type="MKT",
            side="BUY",
            tif="DAY",
            quantity=Decimal(1),
            coid=kind[2:] if kind.startswith("c:") else None,
            parent_id=kind[2:] if kind.startswith("p:") else None,
            is_single_group=group,
        )
        for kind in kinds
    )


def row(order_id: str, **keys: Any) -> OrderAccepted:
    """Make an acknowledgement."""
    return OrderAccepted(order_id=order_id, order_status="Submitted", **keys)


FAMILY = tickets("c:a", "p:a", "p:a")


def handle(
    desk: FakeDesk, sent: tuple[Ticket, ...], *rows: OrderAccepted, news: OrderNews | None = None
) -> OrderHandle:
    """Make a handle as the desk does."""
    news = OrderNews() if news is None else news
    news.tracker.submitted(sent, "a", "DU1")
    news.tracker.acknowledged("a", rows, 0.5)
    submission = Submission(coid=ClientOrderId("a"), account_id=AccountId("DU1"), tickets=sent)
    return OrderHandle(desk, news, submission, [str(row.order_id) for row in rows])


def roles(sent: tuple[Ticket, ...], *rows: OrderAccepted) -> list[tuple[str, str, str | None]]:
    """Give id, role and coid of each leg."""
    seen = [one for row in rows if (one := from_acknowledgement(row)) is not None]
    return [(leg.order_id, leg.role, leg.coid) for leg in name_legs(seen, sent)]


def test_single_order_is_the_order() -> None:
    """It has our id whether or not the row names it."""
    assert roles(tickets("c:a"), row("1")) == [("1", "order", "a")]


def test_entry_is_the_row_with_our_id() -> None:
    """Its children have a parent."""
    rows = (row("2", parent_order_id="1"), row("1", local_order_id="a"), row("3"))

    assert roles(FAMILY, *rows) == [("1", "entry", "a"), ("2", "exit", None), ("3", "leg", None)]


def test_entry_is_the_only_row_without_parent() -> None:
    """When no row names our id."""
    rows = (row("2", parent_order_id="1"), row("1"), row("3", parent_order_id="1"))

    assert [leg[1] for leg in roles(FAMILY, *rows)] == ["entry", "exit", "exit"]


def test_legs_that_rows_do_not_tell_apart_stay_legs() -> None:
    """The place of a row says nothing."""
    assert [leg[1] for leg in roles(FAMILY, row("2"), row("1"), row("3"))] == ["leg"] * 3


def test_group_orders_are_legs_with_their_own_ids() -> None:
    """One-cancels-all has no entry."""
    sent = tickets("c:a", "c:b", group=True)
    rows = (row("1", local_order_id="b"), row("2", local_order_id="?"))

    assert roles(sent, *rows) == [("1", "leg", "b"), ("2", "leg", None)]


async def test_cancel_of_a_bracket_cancels_the_entry() -> None:
    """IBKR takes the exits with it."""
    desk = FakeDesk()
    live = handle(desk, FAMILY, row("2", parent_order_id="1"), row("1"))

    (reply,) = await live.cancel()

    assert desk.cancelled == ["1"]
    assert reply.account == "DU1"


async def test_cancel_of_unnamed_legs_cancels_each() -> None:
    """None of them may be left because it is not known which is the entry."""
    desk = FakeDesk()

    replies = await handle(desk, FAMILY, row("2"), row("1")).cancel()

    assert [reply.order_id for reply in replies] == ["2", "1"]


async def test_all_legs_are_tried_before_an_error_is_raised() -> None:
    """A leg that is gone already does not protect the others."""
    desk = FakeDesk("2")

    with pytest.raises(IbkrError, match="OrderID 2"):
        await handle(desk, FAMILY, row("2"), row("1")).cancel()

    assert desk.cancelled == ["2", "1"]


async def test_status_is_that_of_the_order_or_of_a_leg() -> None:
    """The entry's; each leg has its own."""
    live = handle(FakeDesk(), FAMILY, row("2", parent_order_id="1"), row("1"))

    assert (await live.status()).order_id == "1"
    assert [(await leg.status()).order_id for leg in live.legs] == ["1", "2"]


# --- state ---------------------------------------------------------------------------------------


def test_state_is_what_the_tracker_knows() -> None:
    """Of the order or entry, and of each leg."""
    news = OrderNews()
    live = handle(FakeDesk(), FAMILY, row("2", parent_order_id="1"), row("1"), news=news)
    news.tracker.live_order_row(rows.sor(2, status="PreSubmitted", filledQuantity=3), 1.0)

    assert (live.state.order_id, live.state.status) == ("1", "Submitted")
    assert [(leg.state.order_id, leg.state.filled) for leg in live.legs] == [("1", 0), ("2", 3)]
    assert live.legs[1].state.parent_id == "1"
    assert live.state.legs == (live.legs[1].state,)


def test_bracket_is_done_when_its_exits_are() -> None:
    """An entry that has filled leaves two orders that work; state and handle say the same."""
    news = OrderNews()
    exits = (row("2", parent_order_id="1"), row("3", parent_order_id="1"))
    live = handle(FakeDesk(), FAMILY, row("1"), *exits, news=news)
    news.tracker.live_order_row(rows.live("Filled", order_id=1), 1.0)
    assert live.state.status == "Filled"
    assert live.state.has_ended
    assert live.state.remaining == 0
    assert [leg.is_done for leg in live.legs] == [True, False, False]
    assert (live.is_done, live.state.is_done) == (False, False)

    news.tracker.live_order_row(rows.live("Filled", order_id=2), 2.0)
    assert (live.is_done, live.state.is_done) == (False, False)
    news.tracker.live_order_row(rows.live("Cancelled", order_id=3), 2.0)

    assert (live.is_done, live.state.is_done) == (True, True)


async def test_handle_keeps_what_it_knows_when_the_tracker_forgets() -> None:
    """Its order is older than a week, and finished: it does not come back to life."""
    news = OrderNews()
    live = handle(FakeDesk(), tickets("c:a"), row("1"), news=news)
    news.tracker.live_order_row(rows.live("Filled", filled=1, quantity=1, order_id=1), 1.0)
    news.tracker.trade_row(rows.trade(1, 1, commission="1", order_id=1), 1.0)
    known = live.state
    news.forget(news.tracker.version)
    assert news.tracker.state("1") is None

    assert live.state == known
    assert (live.state.status, live.state.coid, live.state.account_id) == ("Filled", "a", "DU1")
    async with asyncio.timeout(5):
        assert await live.done() == known
    news.tracker.trade_row(rows.trade(1, 1, order_id=1, order_ref="a"), 2.0)
    assert live.state == known


def test_handle_shows_itself_in_a_few_words() -> None:
    """What is known, and nothing that is not."""
    news = OrderNews()
    live = handle(FakeDesk(), FAMILY, row("2", parent_order_id="1"), row("1"), news=news)
    for order_id in (1, 2):
        status = rows.sor(order_id, status="Submitted", filledQuantity=order_id - 1)
        news.tracker.live_order_row(status, 1.0)

    assert repr(live) == ("<OrderHandle a: entry 1 BUY 1 Submitted; exit 2 Submitted, filled 1>")
    assert repr(live.legs[1]) == "<Leg exit 2 Submitted, filled 1>"
    assert repr(live.state.legs[0]) == (
        "OrderState(order_id='2', account_id='DU1', parent_id='1', status='Submitted', "
        "filled=Decimal('1'), in_doubt=False)"
    )
    assert repr(handle(FakeDesk(), tickets("c:a"))) == "<OrderHandle a: nothing was placed>"


def test_handle_shows_only_what_a_user_may_call() -> None:
    """Tab-completion is documentation too."""
    live = handle(FakeDesk(), tickets("c:a"), row("1"))

    shown = {name for name in dir(live) if not name.startswith("_")}
    assert shown == {
        *("coid", "account_id", "tickets", "legs", "order_id"),
        *("state", "is_done", "status", "done", "events", "modify", "cancel"),
    }
    assert {name for name in dir(live.legs[0]) if not name.startswith("_")} == {
        *("order_id", "role", "coid", "state", "is_done", "status", "done", "modify", "cancel"),
    }


async def test_handle_of_a_dry_run_has_no_order() -> None:
    """Nothing was placed: there is nothing to wait for, to follow or to cancel."""
    live = handle(FakeDesk(), tickets("c:a"))

    with pytest.raises(UsageError, match="nothing was placed"):
        _ = live.order_id
    with pytest.raises(UsageError, match="nothing was placed"):
        await live.cancel()
    with pytest.raises(UsageError, match="nothing was placed"):
        await live.done()
    assert live.legs == ()
    assert [event async for event in live.events()] == []


# --- following -----------------------------------------------------------------------------------


async def test_done_returns_when_every_leg_is_done() -> None:
    """With the state of the entry; one leg can be waited for by itself."""
    news = OrderNews()
    live = handle(FakeDesk(), FAMILY, row("2", parent_order_id="1"), row("1"), news=news)
    both = asyncio.create_task(live.done())
    exit_only = asyncio.create_task(live.legs[1].done())
    await asyncio.sleep(0)
    news.tracker.live_order_row(rows.sor(1, status="PendingCancel"), 1.0)
    news.tracker.live_order_row(rows.live("Cancelled", order_id=2), 1.0)
    assert (await exit_only).order_id == "2"
    assert not both.done()

    news.tracker.live_order_row(rows.live("Filled", filled=1, quantity=1, order_id=1), 2.0)
    news.tracker.trade_row(rows.trade(1, 1, order_id=1), 2.0)

    final = await both
    assert (final.order_id, final.status, final.filled) == ("1", "Filled", 1)
    assert (await live.done()) == final


async def test_done_ends_with_the_client() -> None:
    """What becomes of the order then is not known here."""
    news = OrderNews()
    live = handle(FakeDesk(), tickets("c:a"), row("1"), news=news)
    waiting = asyncio.create_task(live.done())
    await asyncio.sleep(0)
    news.end()

    with pytest.raises(ClosedError, match="may still be working"):
        await waiting


async def test_cancelled_wait_leaves_the_order_alone() -> None:
    """And no listener behind."""
    news = OrderNews()
    desk = FakeDesk()
    live = handle(desk, tickets("c:a"), row("1"), news=news)
    with anyio.move_on_after(0):
        await live.done()

    assert desk.cancelled == []
    # That nothing is left behind shows nowhere else.
    assert not news._listeners


async def test_events_end_with_the_last_commission() -> None:
    """They begin with the acknowledgement, though it came before anybody listened."""
    news = OrderNews()
    live = handle(FakeDesk(), tickets("c:a"), row("1"), news=news)

    async def follow() -> list[str]:
        return [type(event).__name__ async for event in live.events()]

    following = asyncio.create_task(follow())
    fill = {"order_id": 1, "order_ref": "a"}
    for happening in (
        lambda: news.tracker.trade_row(rows.trade(1, 1, **fill), 1.0),
        lambda: news.tracker.live_order_row(
            rows.sor(1, status="Filled", filledQuantity=1, totalSize=1), 1.0
        ),
        lambda: news.tracker.trade_row(rows.trade(1, 1, commission="1", **fill), 2.0),
    ):
        await asyncio.sleep(0)
        assert not following.done()
        happening()

    assert await following == ["StatusChange", "Fill", "StatusChange", "Commission"]


async def test_events_do_not_wait_for_ever_for_a_commission() -> None:
    """When all is done and nothing comes for the linger time, that was it."""
    news = OrderNews()
    live = handle(FakeDesk(), tickets("c:a"), row("1"), news=news)
    asked = news.tracker.version
    news.tracker.live_order_row(rows.live("Filled", filled=1, quantity=1, order_id=1), 1.0, asked)

    assert len([event async for event in live.events(linger_s=0)]) == 2


async def test_end_that_only_the_socket_claims_ends_nothing() -> None:
    """IBKR was seen to say `Cancelled` of an order that went on working and filled."""
    news, desk = OrderNews(), FakeDesk()
    live = handle(desk, FAMILY, row("2", parent_order_id="1"), row("1"), news=news)
    done = asyncio.create_task(live.legs[0].done())
    events = asyncio.create_task(_kinds(live))
    news.tracker.live_order_row(rows.sor(1, status="Cancelled"), 1.0)
    news.tracker.live_order_row(rows.live("Cancelled", order_id=2), 1.0)
    await _settle()
    assert (live.state.status, live.state.in_doubt) == ("Submitted", True)
    assert not done.done()
    assert not events.done()
    await live.cancel()
    assert desk.cancelled == ["1"]

    news.tracker.status_reply(rows.status_reply("Submitted", order_id=1), 2.0, news.tracker.version)
    assert live.state.status == "Submitted"
    filled = rows.status_reply("Filled", filled=1, quantity=1, order_id=1)
    news.tracker.status_reply(filled, 3.0, news.tracker.version)
    news.tracker.trade_row(rows.trade(1, 1, commission="1", order_id=1), 3.0)

    assert (await done).status == "Filled"
    assert "Cancelled" not in [kind for kind, order_id in await events if order_id == "1"]


async def test_doubt_that_an_answer_settles_without_news_ends_the_events() -> None:
    """Nothing else changes then, so no event comes that could end them."""
    news = OrderNews()
    live = handle(FakeDesk(), tickets("c:a"), row("1"), news=news)
    news.tracker.gap()
    asked = news.tracker.version
    news.tracker.live_order_row(rows.live("Cancelled", order_id=1), 1.0, asked)
    news.tracker.reconciled(2.0, asked, 1.0)
    news.tracker.live_order_row(rows.sor(1, status="Filled"), 3.0)
    following = asyncio.create_task(_kinds(live))
    await _settle()
    assert live.state.in_doubt
    assert not following.done()

    reply = rows.status_reply("Cancelled", order_id=1)
    news.tracker.status_reply(reply, 4.0, news.tracker.version)

    async with asyncio.timeout(5):
        assert (await following)[-1] == ("Reconciled", "1")


async def test_gap_that_ends_without_news_ends_the_events_of_an_order_that_opened_in_it() -> None:
    """It was not open when the gap began, so no `Reconciled` tells of it."""
    news = OrderNews()
    news.tracker.gap()
    live = handle(FakeDesk(), tickets("c:a"), row("1"), news=news)
    news.tracker.expect("1")
    following = asyncio.create_task(_kinds(live))
    asked = news.tracker.version
    news.tracker.live_order_row(rows.live("Cancelled", order_id=1), 1.0, asked)
    await _settle()
    news.tracker.reconciled(2.0, asked, 1.0)

    async with asyncio.timeout(5):
        await following


async def test_done_waits_for_the_executions_of_what_is_filled() -> None:
    """IBKR counts a fill before it itemises it."""
    news = OrderNews()
    live = handle(FakeDesk(), tickets("c:a"), row("1"), news=news)
    done = asyncio.create_task(live.done())
    news.tracker.live_order_row(rows.live("Filled", filled=5, quantity=5, order_id=1), 1.0)
    await _settle()
    assert live.is_done
    assert not done.done()

    for number, size in ((1, 2), (2, 3)):
        news.tracker.trade_row(rows.trade(number, size, order_id=1), 2.0)

    final = await done
    assert [one.size for one in final.executions] == [2, 3]
    assert final.is_itemised


async def test_done_says_which_executions_are_missing() -> None:
    """It does not wait for ever."""
    news = OrderNews()
    live = handle(FakeDesk(), tickets("c:a"), row("1"), news=news)
    news.tracker.live_order_row(rows.live("Filled", filled=5, quantity=5, order_id=1), 1.0)

    final = await live.done(linger_s=0)

    assert (final.status, final.filled, final.executions) == ("Filled", 5, ())
    assert not final.is_itemised


async def test_second_order_with_our_id_is_told_of() -> None:
    """Somebody replaced it during an outage, say: two orders may work."""
    news = OrderNews()
    live = handle(FakeDesk(), tickets("c:a"), row("1"), news=news)
    for order_id, ref in ((7, "a"), (8, "b"), (9, "b")):
        news.tracker.live_order_row(rows.full("Submitted", order_id=order_id, order_ref=ref), 1.0)
    events = live.events()

    twins = [
        event for event in [await anext(events), await anext(events)] if isinstance(event, Twin)
    ]

    assert [(event.order_id, event.twin.order_id) for event in twins] == [("1", "7")]
    assert twins[0].twin.status == "Submitted"


async def _kinds(live: OrderHandle) -> list[tuple[str, str]]:
    """Follow to the end, and give kind and order of each event."""
    return [(type(event).__name__, event.order_id) async for event in live.events()]


async def _settle() -> None:
    """Let all tasks run as far as they can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_events_wait_while_something_may_have_been_missed() -> None:
    """The order is done, and what happened in the gap is not known yet."""
    news = OrderNews()
    live = handle(FakeDesk(), tickets("c:a"), row("1"), news=news)
    news.tracker.live_order_row(rows.sor(1, status="Submitted"), 1.0)
    news.tracker.gap()
    news.tracker.live_order_row(rows.sor(1, status="Cancelled"), 3.0)

    async def follow() -> list[str]:
        return [type(event).__name__ async for event in live.events(linger_s=0)]

    following = asyncio.create_task(follow())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not following.done()
    asked = news.tracker.version
    news.tracker.live_order_row(rows.live("Cancelled", order_id=1), 4.0, asked)
    news.tracker.reconciled(5.0, asked, 3.0)

    assert (await following)[-1] == "Reconciled"


# --- acting --------------------------------------------------------------------------------------


async def test_modification_names_the_leg_and_its_account() -> None:
    """The entry, unless another order id is given."""
    desk = FakeDesk()
    live = handle(desk, FAMILY, row("2", parent_order_id="1"), row("1"))
    (changed,) = tickets("c:a")
    await live.modify(changed)
    again = await live.legs[1].modify(changed)

    assert desk.modified == [("1", "DU1"), ("2", "DU1")]
    assert again.order_id == "2"


async def test_cancel_after_the_entry_cancels_the_exits_that_work() -> None:
    """IBKR does not take them along with a filled entry."""
    news = OrderNews()
    desk = FakeDesk()
    exits = (row("2", parent_order_id="1"), row("3", parent_order_id="1"))
    live = handle(desk, FAMILY, *exits, row("1"), news=news)
    news.tracker.live_order_row(rows.live("Filled", order_id=1), 1.0)
    news.tracker.live_order_row(rows.live("Cancelled", order_id=2), 1.0)

    await live.cancel()
    await live.legs[0].cancel()

    assert desk.cancelled == ["3", "1"]


async def test_cancel_of_a_finished_order_is_for_ibkr_to_refuse() -> None:
    """It knows better."""
    news = OrderNews()
    desk = FakeDesk("1")
    live = handle(desk, tickets("c:a"), row("1"), news=news)
    news.tracker.live_order_row(rows.live("Cancelled", order_id=1), 1.0)

    with pytest.raises(BadRequestError):
        await live.cancel()

    assert desk.cancelled == ["1"]
