from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from ibkr_async.models.base import decode
from ibkr_async.models.contract_rules import ContractRules, IncrementRule, increment_at
from ibkr_async.models.contracts import (
    ContractInfo,
    ContractSearchResult,
    CurrencyPair,
    DerivativeContract,
    FutureListing,
    OptionStrikes,
    Section,
    SecurityDefinitions,
    StockListing,
    TradingSchedule,
)

T = TypeVar("T")
SAMPLES = Path(__file__).parents[1] / "samples" / "rest"


def read(type_: type[T], name: str) -> T:
    """Decode a sample answer."""
    return decode(type_, (SAMPLES / f"{name}.json").read_bytes())


def test_search_turns_conids_into_numbers_and_splits_sections() -> None:
    """Conids arrive as text; months and exchanges as lists joined by semicolons."""
    etf, bonds = read(tuple[ContractSearchResult, ...], "search")

    assert etf.conid == 320227571
    assert etf.sections is not None
    option, cfd = etf.sections[1], etf.sections[2]
    assert option.expiry_months == ("MAY26", "JUN26", "SEP26")
    assert option.exchanges == ("SMART", "AMEX", "CBOE")
    assert cfd.conid == 990001
    assert bonds.issuers is not None
    assert bonds.issuers[0].id == "e100001"
    assert bonds.bondid == 7
    assert Section().expiry_months == ()
    assert Section(exchange="MEXI;").exchanges == ("MEXI",)


def test_stock_listings_tell_the_united_states() -> None:
    """Listings are grouped by company."""
    listings = read(dict[str, tuple[StockListing, ...]], "stocks")

    apple = listings["AAPL"][0]
    assert apple.contracts is not None
    assert [contract.is_us for contract in apple.contracts] == [True, False, False]
    assert listings["AAPL"][1].name == "APPLE INC-CDR"


def test_future_dates_are_dates() -> None:
    """Integers such as 20261218 are also offered as dates."""
    future = read(dict[str, tuple[FutureListing, ...]], "futures")["ES"][0]

    assert future.expiration_date == 20261218
    assert future.expires_on == date(2026, 12, 18)
    assert future.last_trading_day == date(2026, 12, 17)
    assert FutureListing(expiration_date=7).expires_on is None
    assert FutureListing().expires_on is None


def test_currency_pairs_have_conids() -> None:
    """Each pair names the other currency."""
    pairs = read(dict[str, tuple[CurrencyPair, ...]], "currency_pairs_eur")

    assert pairs["EUR"][0].conid == 12087792
    assert pairs["EUR"][0].ccy_pair == "USD"


def test_definition_keeps_contract_terms_exact() -> None:
    """Strike and multiplier are Decimals, whether they came as text or number."""
    reply = read(SecurityDefinitions, "secdef")

    assert reply.secdef is not None
    stock, option = reply.secdef
    assert stock.ticker == "AAPL"
    assert stock.increment_rules == (
        IncrementRule(lower_edge=Decimal("0.0"), increment=Decimal("0.01")),
    )
    assert option.strike == Decimal("187.5")
    assert option.multiplier == Decimal("100.0")
    assert not stock.extra


def test_info_uses_the_snake_case_keys_of_its_endpoint() -> None:
    """`con_id` becomes `conid`, and `rules` are read with it."""
    info = read(ContractInfo, "contract_info_and_rules")

    assert info.conid == 700000123
    assert info.strike == Decimal("187.5")
    assert info.multiplier == Decimal(100)
    assert info.right == "CALL"
    assert info.rules is not None
    assert info.rules.order_types == ("limit", "market", "stop")
    assert not info.extra
    assert not info.rules.extra


def test_increment_follows_the_price_grid() -> None:
    """Below 1.00 the tick is 0.0001, from 1.00 on it is 0.01."""
    rules = read(ContractRules, "contract_rules")

    assert rules.increment_at("0.5") == Decimal("0.0001")
    assert rules.increment_at(Decimal(1)) == Decimal("0.01")
    assert rules.increment_at(189.5) == Decimal("0.01")
    assert rules.increment_at("-0.5") == Decimal("0.0001")


def test_increment_without_a_grid_is_the_single_increment() -> None:
    """Where only one increment was sent it applies everywhere; where none was, None says so."""
    assert ContractRules(increment=Decimal("0.05")).increment_at(3) == Decimal("0.05")
    assert ContractRules().increment_at(3) is None
    assert increment_at((IncrementRule(lower_edge=Decimal(5)),), 3) is None


@given(
    edges=st.lists(st.integers(0, 50), unique=True, max_size=6),
    price=st.integers(0, 100),
)
def test_increment_is_that_of_the_highest_edge_not_above_the_price(
    edges: list[int], price: int
) -> None:
    """The order in which the rules are sent does not matter."""
    rules = tuple(
        IncrementRule(lower_edge=Decimal(edge), increment=Decimal(edge + 1)) for edge in edges
    )
    below = [edge for edge in edges if edge <= price]

    assert increment_at(rules, price) == (Decimal(max(below) + 1) if below else None)


def test_strikes_are_exact() -> None:
    """Whole and fractional strikes are Decimals."""
    strikes = read(OptionStrikes, "strikes")

    assert strikes.call == (Decimal("180.0"), Decimal("182.5"), Decimal(185))
    assert strikes.put is not None
    assert len(strikes.put) == 2


def test_derivative_is_read_from_an_array_or_an_object() -> None:
    """The documentation shows an array, its example a single object."""
    shape: Any = tuple[DerivativeContract, ...] | DerivativeContract
    array = read(shape, "secdef_info")
    single = read(shape, "secdef_info_single")

    assert isinstance(array, tuple)
    assert array[0].strike == Decimal("187.5")
    assert array[0].matures_on == date(2026, 6, 19)
    assert isinstance(single, DerivativeContract)
    assert single.matures_on is None


def test_schedule_gives_instants_in_utc() -> None:
    """Opening hours are Unix seconds; a day may have no regular hours."""
    schedule = read(TradingSchedule, "trading_schedule")

    assert schedule.exchange_time_zone == "US/Eastern"
    assert schedule.schedules is not None
    day = schedule.schedules["20260402"]
    assert day.liquid_hours is not None
    assert day.liquid_hours[0].opens_at == datetime(2026, 4, 2, 13, 30, tzinfo=UTC)
    assert day.liquid_hours[0].closes_at == datetime(2026, 4, 2, 20, 0, tzinfo=UTC)
    assert schedule.schedules["20260403"].liquid_hours is None
