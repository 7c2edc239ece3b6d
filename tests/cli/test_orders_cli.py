from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_async.cli.app import build_app
from ibkr_async.models.orders import Ticket
from ibkr_async.orders.fate.journal import Journal
from ibkr_async.orders.fate.unknown import Submission
from ibkr_async.types import AccountId, ClientOrderId
from ibkr_async.world import World
from support.fake_time import FakeTime


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A journal with one finished and one open order."""
    path = tmp_path / "orders.journal"
    journal = Journal(path, world=World(clock=FakeTime(1_795_185_000.123)))
    await journal.open()
    for coid in ("done", "open"):
        ticket = Ticket(
            order_type="MKT", side="BUY", tif="DAY", conid=1, coid=coid, quantity=Decimal("1.50")
        )
        await journal.intend(
            Submission(coid=ClientOrderId(coid), account_id=AccountId("DU1"), tickets=(ticket,))
        )
    journal.note("accepted", "done", "DU1", order_ids=["7"])
    journal.note("unknown", "open", "DU1", order_ids=["8"])
    await journal.aclose()
    return path


def run(*words: str) -> int:
    """Run the command line; give its exit code."""
    result = build_app()(["orders", "journal", *words], result_action="return_value")
    assert isinstance(result, int)
    return result


async def test_journal_is_printed_line_by_line(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With time, event, account, client order id and the rest."""
    assert run(str(path)) == 0
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == 4
    assert lines[2].startswith("2026-11-20 14:30:00.123+00:00  accepted   DU1  done  ")
    assert '"order_ids"=["7"]' in lines[2]


async def test_one_order_or_the_last_lines(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text or as JSON."""
    assert run(str(path), "--coid", "done", "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["event"] for row in rows] == ["intent", "accepted"]
    assert rows[0]["detail"]["tickets"][0]["quantity"] == 1.5

    assert run(str(path), "--last", "1") == 0
    assert "unknown" in capsys.readouterr().out


async def test_open_orders_set_the_exit_code(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that a script can stop before a bot starts."""
    assert run(str(path), "--open") == 1
    assert capsys.readouterr().out == "open  DU1  BUY 1.50 of 1 MKT, IBKR named 8\n"
    assert run(str(path), "--open", "--json") == 1
    assert json.loads(capsys.readouterr().out)["order_ids"] == ["8"]


async def test_nothing_open_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 0."""
    journal = Journal(tmp_path / "j", world=World(clock=FakeTime(0.001)))
    await journal.open()
    await journal.aclose()

    assert run(str(tmp_path / "j"), "--open") == 0
    assert capsys.readouterr().out == "no order is open\n"


async def test_missing_journal_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the error stream."""
    assert run(str(tmp_path / "none")) == 2

    assert "none" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
