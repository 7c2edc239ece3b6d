"""Reports are read row by row, exactly, and nothing in them is trusted."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest

from ibkr_async.errors import UnreadableResponseError
from ibkr_async.flex import FlexReport, FlexRow
from support.captures import read_captures

REPORT = b"""<?xml version="1.0" encoding="UTF-8"?>
<FlexQueryResponse queryName="Mine" type="AF"><FlexStatements count="2">
<FlexStatement accountId="DU7000001" fromDate="20261102" toDate="20261103" period="" whenGenerated="20261104;093000">
<Trades>
<Trade symbol="AAPL" quantity="-1,000" tradePrice="189.40" dateTime="20261103;101500" fifoPnlRealized="12.5" notes="" levelOfDetail="EXECUTION"/>
<Trade symbol="AAPL" quantity="-1000" tradePrice="189.4" dateTime="2026-11-03, 10:15:00 EST" levelOfDetail="ORDER"/>
<Lot symbol="AAPL" quantity="400" tradeDate="2026-11-03" levelOfDetail="CLOSED_LOT"/>
</Trades>
<CashReport><CashReportCurrency currency="BASE" endingCash="NaN" toDate="MULTI"/></CashReport>
</FlexStatement>
<FlexStatement accountId="DU7000002" fromDate="20261102" toDate="20261103"><Trades/></FlexStatement>
<FlexStatement accountId="DU7000003" fromDate="20261102" toDate="20261103">
<AccountInformation name="Sample" currency="EUR"/><Trades><Trade symbol="MSFT" quantity="1" levelOfDetail="EXECUTION"/></Trades>
</FlexStatement>
</FlexStatements></FlexQueryResponse>"""


def test_rows_come_in_order_with_their_section_and_account() -> None:
    """A section without rows in it is a row itself; an empty one is none."""
    report = FlexReport(REPORT)

    assert (report.query_name, report.type) == ("Mine", "AF")
    assert [(row.account_id, row.section, row.kind) for row in report.rows()] == [
        ("DU7000001", "Trades", "Trade"),
        ("DU7000001", "Trades", "Trade"),
        ("DU7000001", "Trades", "Lot"),
        ("DU7000001", "CashReport", "CashReportCurrency"),
        ("DU7000003", "AccountInformation", "AccountInformation"),
        ("DU7000003", "Trades", "Trade"),
    ]


def test_one_level_of_detail_counts_once() -> None:
    """An execution stands in its order and its lots again."""
    executions = FlexReport(REPORT).rows("Trades", level="EXECUTION")

    assert [row.dec("quantity") for row in executions] == [Decimal(-1000), Decimal(1)]


def test_values_are_exact_and_nothing_is_none() -> None:
    """Texts as they are; numbers as sent; days and times in either form of the template."""
    first, second, lot, cash, *_ = FlexReport(REPORT).rows()

    assert first.dec("tradePrice") == Decimal("189.40")
    assert (first.text("notes"), first.dec("notes"), first.at("notes")) == (None, None, None)
    assert (first["notes"], first.text("symbol"), first.text("no column")) == ("", "AAPL", None)
    assert first.at("dateTime") == second.at("dateTime") == datetime(2026, 11, 3, 10, 15)  # noqa: DTZ001 - the report has no zone
    assert first.day("dateTime") == lot.day("tradeDate") == date(2026, 11, 3)
    assert lot.at("tradeDate") == datetime(2026, 11, 3)  # noqa: DTZ001 - as above
    assert (cash.dec("endingCash"), cash.day("toDate"), cash.at("endingCash")) == (None, None, None)
    assert len(lot) == len(list(lot)) == 4
    assert repr(lot) == (
        "FlexRow(Lot: symbol='AAPL', quantity='400', tradeDate='2026-11-03', levelOfDetail='CLOSED_LOT')"
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no element found"),
        (b"<html><body>Sorry</body></html>", "it is not a report"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><FlexQueryResponse/>', "declares a document type"),
        (
            b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><FlexQueryResponse/>',
            "declares a document type",
        ),
        (b"<a><b></a>", "mismatched tag"),
        (b"<a>" * 20, "nested too deeply"),
        (b'<?xml version="1.0" encoding="no-such"?><FlexQueryResponse/>', "encoding"),
        (b'<?xml version="1.0" encoding="utf-7"?><FlexQueryResponse/>', "encoding"),
    ],
)
def test_what_is_no_report_is_refused(content: bytes, problem: str) -> None:
    """Entities, foreign pages and endless nesting among them."""
    with pytest.raises(UnreadableResponseError, match=problem):
        FlexReport(content)


def test_cut_report_gives_what_came_and_then_the_error() -> None:
    """Nothing is passed off as whole."""
    rows = FlexReport(REPORT[:900]).rows()
    first = next(rows)

    assert first.text("symbol") == "AAPL"
    with pytest.raises(UnreadableResponseError, match=r"no element found|unclosed"):
        list(rows)


def test_large_report_is_read_in_pieces() -> None:
    """A row may lie across two of them."""
    many = b'<Trade symbol="AAPL" quantity="1"/>' * 10_000
    report = FlexReport(
        b'<FlexQueryResponse><FlexStatements><FlexStatement accountId="A"><Trades>'
        + many
        + b"</Trades></FlexStatement></FlexStatements></FlexQueryResponse>"
    )

    assert sum(int(row.dec("quantity") or 0) for row in report.rows("Trades")) == 10_000


@pytest.mark.captures
def test_recorded_report_is_read() -> None:
    """Confirmations of a paper account."""
    (raw,) = [
        row.raw
        for row in read_captures("rest_more.jsonl")
        if "GetStatement" in row.topic_or_path and row.recorded
    ]
    rows = list(FlexReport(raw.encode()).rows("TradeConfirms"))

    assert {row.kind for row in rows} >= {"SymbolSummary"}
    assert all(isinstance(row, FlexRow) and row.account_id == "DU1234567" for row in rows)
    assert rows[0].text("symbol") == "QQQ"
