from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from ibkr_async.resources.accounts import Accounts

if TYPE_CHECKING:
    from conftest import FakeSend
    from ibkr_async.resources.base import ChooseAccount


async def test_list_reads_the_brokerage_accounts(
    send: FakeSend, only_account: ChooseAccount
) -> None:
    """The accounts come with their properties."""
    send.will_answer("/iserver/accounts", "accounts")

    reply = await Accounts(send, account=only_account).list()

    assert reply.accounts == ("DU7000001", "DU7000002")
    assert send.sent == ["GET /iserver/accounts"]
    assert send.last.replayable


async def test_switch_sends_the_account_and_is_not_repeated(
    send: FakeSend, only_account: ChooseAccount
) -> None:
    """The selection is sent as `acctId`."""
    send.will_answer("/iserver/account", "account_switched")

    reply = await Accounts(send, account=only_account).switch("DU7000002")

    assert reply.selected
    assert send.sent == ["POST /iserver/account"]
    assert send.last.body == {"acctId": "DU7000002"}
    assert not send.last.replayable


async def test_summary_puts_the_account_into_the_path(
    send: FakeSend, only_account: ChooseAccount
) -> None:
    """Pacing sees the template, the server the account."""
    send.will_answer("/iserver/account/{account_id}/summary", "account_summary")

    summary = await Accounts(send, account=only_account).summary(account_id="DU7000001")

    assert summary.total_cash_value == Decimal("238889.0")
    assert send.sent == ["GET /iserver/account/DU7000001/summary"]
    assert send.last.replayable


async def test_pnl_has_the_path_of_its_pacing_row(
    send: FakeSend, only_account: ChooseAccount
) -> None:
    """The path is the key of the 1-per-5-seconds limit."""
    send.will_answer("/iserver/account/pnl/partitioned", "pnl_partitioned")

    pnl = await Accounts(send, account=only_account).pnl()

    assert len(pnl.parts) == 2
    assert send.last.path == "/iserver/account/pnl/partitioned"
    assert send.last.pacing_key == ""
    assert send.last.replayable


async def test_summary_is_that_of_the_only_account(
    send: FakeSend, only_account: ChooseAccount
) -> None:
    """Where none is named."""
    send.will_answer("/iserver/account/{account_id}/summary", "account_summary")

    await Accounts(send, account=only_account).summary()

    assert send.sent == ["GET /iserver/account/DU7000001/summary"]
