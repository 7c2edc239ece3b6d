from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.errors import OrderInvalidError, UsageError
from ibkr_async.thirdparty import (
    EXCHANGES,
    Exchange,
    FixSide,
    ThirdPartyOrder,
)
from ibkr_async.thirdparty.fix import FixOrderStatus, OpenCode
from ibkr_async.thirdparty.market import bits_of
from ibkr_async.thirdparty.orders.ids import CustomerOrderIds
from ibkr_async.thirdparty.since import since_text
from support.fake_time import FakeRandom, FakeTime, fake_world
from support.third_party_bench import NOW

BASE: dict[str, Any] = {
    "contract_id": 8314,
    "side": "BUY",
    "quantity": 10,
    "order_type": "LIMIT",
    "price": "220.50",
}


def order(**changes: Any) -> ThirdPartyOrder:
    """Make a limit order with changes; None leaves a field out."""
    fields = {**BASE, **changes}
    return ThirdPartyOrder(**{name: value for name, value in fields.items() if value is not None})


# --- orders --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"contract_id": None}, "contract_id", "STK with Ticker and ListingExchange"),
        ({"ticker": "IBM"}, "ticker", "not both"),
        ({"contract_id": None, "instrument_type": "STK", "ticker": "IBM"}, "listing_exchange", "is missing"),
        ({"contract_id": None, "instrument_type": "CASH", "ticker": "EUR"}, "currency", "CASH with Ticker and Currency"),
        ({"contract_id": None, "instrument_type": "STK", "ticker": "IBM", "listing_exchange": "NYSE", "currency": "USD"}, "currency", "only for InstrumentType=CASH"),
        ({"contract_id": None, "instrument_type": "CASH", "ticker": "EUR", "currency": "USD", "listing_exchange": "NYSE"}, "listing_exchange", "only for InstrumentType=STK"),
        ({"contract_id": None, "instrument_type": "OPT", "ticker": "IBM"}, "instrument_type", "none of the reference's values"),
        ({"contract_id": -1}, "contract_id", "positive whole number"),
        ({"contract_id": True}, "contract_id", "positive whole number"),
        ({"order_type": "STOP", "price": None}, "aux_price", "required to support Stop and Stop Limit"),
        ({"order_type": "STOP_LIMIT"}, "aux_price", "required to support Stop and Stop Limit"),
        ({"aux_price": 219}, "aux_price", "a limit order has none"),
        ({"order_type": "STOP", "aux_price": 219}, "price", "a stop order has no Price"),
        ({"order_type": "MARKET"}, "price", "a market order has no Price"),
        ({"price": None}, "price", "a limit order needs Price"),
        ({"price": 0}, "price", "must be positive"),
        ({"price": "1e20"}, "price", "more digits"),
        ({"quantity": "ten"}, "quantity", "not a number"),
        ({"quantity": float("nan")}, "quantity", "not a finite number"),
        ({"side": "HOLD"}, "side", "1 (BUY), 2 (SELL)"),
        ({"side": True}, "side", "none of"),
        ({"order_type": 5}, "order_type", "4 (STOP_LIMIT)"),
        ({"tif": "4"}, "tif", "7 (CLOSE)"),
        ({"german_hft_algo": True}, "german_hft_algo", "such orders will be rejected"),
        ({"german_hft_algo": "no"}, "german_hft_algo", "True or False"),
        ({"mifid2_decision_maker": "two words"}, "mifid2_decision_maker", "preregistered"),
        ({"mifid2_algo": ""}, "mifid2_algo", "preregistered"),
        ({"mifid2_execution_trader": True}, "mifid2_execution_trader", "preregistered"),
        ({"mifid2_execution_algo": "é"}, "mifid2_execution_algo", "preregistered"),
        ({"order_restrictions": "1 4"}, "order_restrictions", "3 (NON_INDEX_ARBITRAGE)"),
        ({"order_restrictions": ""}, "order_restrictions", "leave it out"),
        ({"order_restrictions": 1.5}, "order_restrictions", "separated by spaces"),
        ({"customer_order_id": "a/b"}, "customer_order_id", "1 to 64"),
        ({"customer_order_id": ".."}, "customer_order_id", "1 to 64"),
        ({"customer_order_id": 1.5}, "customer_order_id", "1 to 64"),
        ({"outside_rth": 1}, "outside_rth", "True or False"),
    ],
)  # fmt: skip
def test_order_that_breaks_a_rule_is_refused(
    changes: dict[str, Any], field: str, rule: str
) -> None:
    """The error names the field and quotes the rule; nothing was sent."""
    with pytest.raises(OrderInvalidError) as caught:
        order(**changes)

    assert caught.value.field == field
    assert rule in str(caught.value)


# --- since ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "text"),
    [
        ("2026-11-19", "2026-11-19"),
        ("2026-11-19T10:20:30", "2026-11-19T10:20:30"),
        (date(2026, 11, 18), "2026-11-18"),
        (datetime(2026, 11, 19, 10, 20, 30, 999999, UTC), "2026-11-19T10:20:30"),
        (datetime(2026, 11, 19, 10, 0, tzinfo=timezone(timedelta(hours=-5))), "2026-11-19T15:00:00"),
        (datetime(2026, 11, 19, 10, 0), "2026-11-19T10:00:00"),  # noqa: DTZ001 - naive on purpose
    ],
)  # fmt: skip
def test_since_is_written_in_utc(since: str | date | datetime, text: str) -> None:
    """With a zone it is converted, without one it is UTC already."""
    assert since_text(since, NOW) == text


@pytest.mark.parametrize(
    ("since", "rule"),
    [
        ("2026-11-21", "in the future"),
        (date(2026, 11, 13), "one week"),
        (datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=1), "in the future"),
        (datetime.fromtimestamp(NOW, UTC) - timedelta(days=7, seconds=1), "one week"),
        ("20261119", "allowed formats"),
        ("2026-11-19T10:20:30Z", "allowed formats"),
        ("2026-11-31", "no such day"),
        ("٢٠٢٦-11-19", "allowed formats"),
        (1_790_000_000, "allowed formats"),
    ],
)
def test_since_outside_the_rules_is_refused(since: Any, rule: str) -> None:
    """The future and more than a week ago are answered 400 by IBKR."""
    with pytest.raises(UsageError, match=rule):
        since_text(since, NOW)


def test_since_may_be_exactly_a_week_ago() -> None:
    """The limit itself is allowed, and so is now."""
    now = datetime.fromtimestamp(NOW, UTC)

    assert since_text(now - timedelta(days=7), NOW)
    assert since_text(now, NOW)


# --- codes, ids, masks ---------------------------------------------------------------------------


@given(st.text())
def test_unknown_code_is_kept(text: str) -> None:
    """Whatever a server sends is a code; only those of the reference are known."""
    code = FixOrderStatus(text)

    assert code == text
    assert code.is_known == (text in {member.value for member in FixOrderStatus})


def test_code_that_is_no_text_is_no_code() -> None:
    """The open set is open for texts only."""
    with pytest.raises(ValueError, match="is not a valid"):
        FixSide(1)
    assert issubclass(FixSide, OpenCode)


def test_names_of_the_exchange_table_lead_to_codes() -> None:
    """NASDAQ is ISLAND, and the over-the-counter markets share one code."""
    assert EXCHANGES["NASDAQ"] is Exchange.ISLAND
    assert {EXCHANGES[name] for name in ("OTCQB", "OTCQX", "Pink Sheets")} == {Exchange.ARCAEDGE}


def test_ids_grow_even_when_the_clock_does_not() -> None:
    """Two orders of one millisecond, or of a clock that stepped back, differ."""
    time = FakeTime(100.0)
    make = CustomerOrderIds(fake_world(time))
    first = int(make())

    assert 100_000_000 <= first < 100_001_000
    assert int(make()) > first
    time.at = 50.0
    assert int(make()) > first + 1


def test_last_digits_of_an_id_are_drawn() -> None:
    """Two processes that begin in the same millisecond do not meet."""
    draws = [FakeRandom(uniform=drawn) for drawn in (0.0, 0.5, 0.9999)]

    made = [CustomerOrderIds(fake_world(FakeTime(100.0), draw))() for draw in draws]

    assert made == ["100000000", "100000500", "100000999"]


@given(st.integers(min_value=0, max_value=2**64))
def test_bits_and_mask_are_the_same(mask: int) -> None:
    """Every bit that is set is named once."""
    assert sum(1 << bit for bit in bits_of(mask)) == mask


def test_negative_mask_has_no_bits() -> None:
    """A mask that makes no sense names no exchange."""
    assert bits_of(-1) == ()
