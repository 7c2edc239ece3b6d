"""From an order to what may be sent, without a desk."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_async.errors import OrderGuardError, OrderInvalidError, UsageError
from ibkr_async.models.orders import Ticket
from ibkr_async.orders.send.permission import Permission
from ibkr_async.orders.send.preparation import AccountFacts, Preparation
from ibkr_async.orders.settings import GuardSettings
from ibkr_async.orders.write.order_types import MarketOrder
from support.fake_time import fake_world
from support.order_desk import resolve

ORDER = MarketOrder(265598, "BUY", 10)
NAMED = MarketOrder(265598, "BUY", 10, account_id="DU8")


class Bench:
    """A preparation, with the session's accounts and the looks at it."""

    def __init__(self, default_account_id: str | None = "DU1", **guard: Any) -> None:
        self.looks = 0
        self.facts = AccountFacts(default_account_id=default_account_id, is_paper=True)
        self.preparation = Preparation(
            account_facts=lambda: self.facts,
            session_ready=self._session_ready,
            resolve=resolve,
            make_coid=iter(("made-1", "made-2")).__next__,
            permission=Permission(
                GuardSettings(**guard),
                allow_live_orders=False,
                dry_run=False,
                is_paper=lambda _account_id: True,
                world=fake_world(),
            ),
        )

    async def _session_ready(self) -> None:
        self.looks += 1


@pytest.mark.parametrize(
    ("order", "account_id", "chosen"),
    [(ORDER, None, "DU1"), (ORDER, "DU7", "DU7"), (NAMED, None, "DU8"), (NAMED, "DU8", "DU8")],
)
async def test_account_is_that_of_the_call_then_the_order_then_the_session(
    order: Any, account_id: str | None, chosen: str
) -> None:
    """For new orders, previews and new terms alike."""
    preparation = Bench().preparation

    for submission in (
        await preparation.order(order, account_id, None),
        await preparation.preview(order, account_id, None),
        await preparation.modification(987654, order, account_id),
    ):
        assert submission.account_id == chosen
        assert submission.tickets[0].account_id == chosen


@pytest.mark.parametrize(
    ("way", "arguments"),
    [
        ("order", (NAMED, "DU7", None)),
        ("preview", (NAMED, "DU7", None)),
        ("modification", (1, NAMED, "DU7")),
    ],
)
async def test_order_that_names_another_account_than_the_call_is_refused(
    way: str, arguments: tuple[Any, ...]
) -> None:
    """Neither of the two wins."""
    with pytest.raises(OrderInvalidError):
        await getattr(Bench().preparation, way)(*arguments)


async def test_group_stands_in_for_the_account() -> None:
    """No ticket names an account then."""
    submission = await Bench().preparation.order(ORDER, None, "Growth")

    assert (submission.account_id, submission.tickets[0].account_id) == ("Growth", None)
    with pytest.raises(OrderInvalidError, match="group"):
        await Bench().preparation.order(ORDER, "DU1", "Growth")
    with pytest.raises(OrderInvalidError, match="group"):
        await Bench().preparation.order(NAMED, None, "Growth")


@pytest.mark.parametrize("default", [None, ""])
async def test_session_without_a_single_account_needs_one_named(default: str | None) -> None:
    """Nothing is guessed."""
    preparation = Bench(default).preparation

    with pytest.raises(OrderInvalidError, match="name one"):
        await preparation.order(ORDER, None, None)
    with pytest.raises(OrderInvalidError, match="name one"):
        await preparation.account(None)


async def test_account_of_a_cancel_waits_for_nothing_where_it_is_known() -> None:
    """The one named goes before the session's."""
    bench = Bench()

    assert await bench.preparation.account("DU7") == "DU7"
    assert await bench.preparation.account(None) == "DU1"
    assert bench.preparation.default_account_id == "DU1"
    assert bench.looks == 0


async def test_facts_wait_for_the_session() -> None:
    """Before it is up nobody knows."""
    bench = Bench()

    assert await bench.preparation.facts() is bench.facts
    assert bench.looks == 1


async def test_order_waits_for_the_session_even_with_an_account() -> None:
    """Where the session is not up an order would be lost."""
    bench = Bench()

    await bench.preparation.order(ORDER, "DU7", None)
    assert bench.looks == 1
    await bench.preparation.modification(1, ORDER, "DU7")
    assert bench.looks == 2


async def test_terms_beyond_a_limit_are_refused_early_and_previewed_all_the_same() -> None:
    """A preview is not placed, so no permission is asked."""
    preparation = Bench(max_quantity=9).preparation

    with pytest.raises(OrderGuardError):
        await preparation.order(ORDER, None, None)
    with pytest.raises(OrderGuardError):
        await preparation.modification(1, ORDER, None)
    assert (await preparation.preview(ORDER, None, None)).coid == "made-2"


async def test_new_terms_name_the_order_and_keep_the_parent() -> None:
    """No id is made for them; a child goes alone, under its parent."""
    child = Ticket(
        conid=265598,
        side="SELL",
        quantity=Decimal(5),
        order_type="MKT",
        tif="DAY",
        parent_id="my-1",
    )

    submission = await Bench().preparation.modification("987654", child, None)
    own = await Bench().preparation.modification(1, MarketOrder(1, "BUY", 1, coid="mine"), None)

    assert (submission.modifies, submission.coid) == ("987654", "of order 987654")
    assert (submission.tickets[0].parent_id, submission.tickets[0].coid) == ("my-1", None)
    assert own.coid == "mine"


@pytest.mark.parametrize("order_id", ["", "-1", "12x", "my-1", -1])
async def test_new_terms_need_an_order_id(order_id: Any) -> None:
    """A client order id is none."""
    with pytest.raises(UsageError, match="is not an order id"):
        await Bench().preparation.modification(order_id, ORDER, None)


async def test_symbols_are_looked_up_in_every_way() -> None:
    """Each becomes its own conid."""
    order = MarketOrder("MSFT", "BUY", 1)
    preparation = Bench().preparation

    for submission in (
        await preparation.order(order, None, None),
        await preparation.modification(1, order, None),
    ):
        assert submission.tickets[0].conid == 272093


@pytest.mark.parametrize(
    ("account_id", "is_paper", "kind"),
    [
        ("DU1", True, True),
        ("DF1", True, True),
        ("Everybody", True, True),
        (None, True, True),
        ("U1234567", True, False),
        ("F1234567", True, False),
        ("U1234567", False, False),
        ("DU1", None, None),
        ("U1234567", None, None),
    ],
)
def test_account_named_as_live_ones_are_is_never_paper(
    account_id: str | None, is_paper: bool | None, kind: bool | None
) -> None:
    """Whatever was said of the login before it changed."""
    facts = AccountFacts(default_account_id=None, is_paper=is_paper)

    assert facts.is_paper_account(account_id) is kind
