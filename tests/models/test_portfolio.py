from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from ibkr_async.models.base import decode
from ibkr_async.models.portfolio import (
    LedgerEntry,
    PartitionedPnl,
    PnlPart,
    PortfolioAccount,
    Position,
    SummaryEntry,
    split_pnl_key,
)
from ibkr_async.types import AccountId

T = TypeVar("T")
SAMPLES = Path(__file__).parents[1] / "samples" / "rest"


def read(type_: type[T], name: str) -> T:
    """Decode a sample answer."""
    return decode(type_, (SAMPLES / f"{name}.json").read_bytes())


def test_account_reads_the_hyphenated_crypto_keys() -> None:
    """Every key of the account object has a field."""
    (account,) = read(tuple[PortfolioAccount, ...], "portfolio_accounts")

    assert account.prepaid_crypto_z is False
    assert account.prepaid_crypto_p is True
    assert account.track_virtual_fx_portfolio is False
    assert account.parent is not None
    assert account.parent.is_m_parent is False
    assert not account.extra
    assert not account.parent.extra


def test_first_read_is_thin_and_second_is_not() -> None:
    """Both shapes decode; `strike` is a number in the first and text in the second."""
    (thin,) = read(tuple[Position, ...], "positions_thin")
    (full,) = read(tuple[Position, ...], "positions_full")

    assert thin.thin
    assert thin.strike == Decimal(0)
    assert not full.thin
    assert full.strike == Decimal(0)
    assert full.ticker == "QQQ"
    assert not full.extra


def test_quantity_and_cost_are_exact_and_market_values_measured() -> None:
    """What is owed is Decimal with the wire's digits; what is measured is float."""
    (position,) = read(tuple[Position, ...], "positions_thin")

    assert position.position == Decimal("3.0")
    assert position.avg_cost == Decimal("610.25111115")
    assert isinstance(position.mkt_price, float)
    assert isinstance(position.unrealized_pnl, float)


def test_ledger_entries_have_words_instead_of_run_together_keys() -> None:
    """Each lower-case key has its field, and cash is exact."""
    ledger = read(dict[str, LedgerEntry], "ledger")

    dollars = ledger["USD"]
    assert dollars.cash_balance == Decimal("238889.61")
    assert dollars.settled_cash == Decimal("238800.01")
    assert dollars.t_bonds_market_value == 0.0
    assert isinstance(dollars.stock_market_value, float)
    assert dollars.end_of_bundle == 1
    assert dollars.updated_at == datetime(2026, 4, 2, 22, 46, 47, tzinfo=UTC)
    assert not dollars.extra
    assert ledger["BASE"].end_of_bundle is None


def test_summary_time_is_seconds_or_milliseconds() -> None:
    """The unit is decided by magnitude, so both entries are of the same instant."""
    summary = read(dict[str, SummaryEntry], "portfolio_summary")

    assert summary["accountcode"].updated_at_ms == summary["netliquidation"].updated_at_ms
    assert summary["accountcode"].updated_at == datetime(2026, 4, 2, 22, 46, 47, tzinfo=UTC)
    assert summary["accountcode"].value == "DU7000001"
    assert summary["netliquidation"].amount == Decimal("251234.5")
    assert SummaryEntry().updated_at is None


def test_pnl_keys_are_split_into_account_and_segment() -> None:
    """Only the first point separates; a model's name may have its own."""
    pnl = read(PartitionedPnl, "pnl_partitioned")

    assert pnl.parts[PnlPart(AccountId("DU7000001"), "Core")].dpl == -12.5
    assert pnl.parts[PnlPart(AccountId("DU7000001"), "Growth.v2")].row_type == 2
    assert split_pnl_key("DU7000001") == PnlPart(AccountId("DU7000001"), "")


def test_pnl_that_is_still_warming_has_no_parts() -> None:
    """The first read of a session is empty, and an answer without rows is too."""
    assert read(PartitionedPnl, "pnl_partitioned_warming").parts == {}
    assert decode(PartitionedPnl, b"{}").parts == {}
