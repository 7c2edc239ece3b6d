from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from ibkr_async.models.accounts import (
    AccountsReply,
    AccountSummary,
    AllowedFeatures,
    SignaturesAndOwners,
    SwitchReply,
)
from ibkr_async.models.base import decode

T = TypeVar("T")
SAMPLES = Path(__file__).parents[1] / "samples" / "rest"


def read(type_: type[T], name: str) -> T:
    """Decode a sample answer."""
    return decode(type_, (SAMPLES / f"{name}.json").read_bytes())


def test_accounts_are_read_with_their_properties() -> None:
    """Ids, properties, aliases and the paper flag come through."""
    reply = read(AccountsReply, "accounts")

    assert reply.accounts == ("DU7000001", "DU7000002")
    assert reply.acct_props is not None
    assert reply.acct_props["DU7000001"].supports_fractions is True
    assert reply.acct_props["DU7000002"].supports_cash_qty is None
    assert reply.aliases == {"DU7000001": "DU7000001", "DU7000002": "second"}
    assert reply.selected_account == "DU7000001"
    assert reply.is_ft is False
    assert reply.is_paper is True
    assert reply.chart_periods is not None
    assert reply.chart_periods["OPT"][0] == "2h"


def test_second_spelling_of_a_property_is_read() -> None:
    """IBKR writes noFXConv here and noFxConv there."""
    reply = read(AccountsReply, "accounts")

    assert reply.acct_props is not None
    assert reply.acct_props["DU7000001"].no_fx_conv is False
    assert reply.acct_props["DU7000002"].no_fx_conv is True
    assert reply.acct_props["DU7000002"].extra == {}


def test_features_split_the_asset_types() -> None:
    """The comma list becomes a tuple; a screen's own flags stay in `extra`."""
    features = read(AccountsReply, "accounts").allow_features

    assert features is not None
    assert features.asset_types == ("STK", "CFD", "OPT", "FUT", "CASH")
    assert features.snapshot_refresh_timeout == 30
    assert features.extra == {"showGFIS": True}
    assert AllowedFeatures().asset_types == ()


def test_session_id_is_not_in_the_repr() -> None:
    """The id of the session stays out of logs."""
    reply = read(AccountsReply, "accounts")

    assert reply.session_id == "66aa0001.0000002b"
    assert "66aa0001" not in repr(reply)
    assert "is_paper=True" in repr(reply)


def test_accounts_of_an_unestablished_session_are_no_error() -> None:
    """Before the session is established IBKR answers emptily; that decodes."""
    reply: AccountsReply = decode(AccountsReply, b'{"accounts":[],"acctProps":null}')

    assert reply.accounts == ()
    assert reply.acct_props is None
    assert reply.is_paper is None


def test_switching_is_confirmed_in_either_wording() -> None:
    """A change and "already set" both mean that the account is selected."""
    changed = read(SwitchReply, "account_switched")
    kept = read(SwitchReply, "account_already_set")

    assert changed.selected
    assert changed.acct_id == "DU7000002"
    assert kept.selected
    assert not decode(SwitchReply, b'{"set":false}').selected


def test_summary_is_exact_money() -> None:
    """Every figure is a Decimal with the digits of the wire, and nothing is left over."""
    summary = read(AccountSummary, "account_summary")

    assert summary.buying_power == Decimal("1000400.0")
    assert summary.sma == Decimal("249000.0")
    assert summary.securities_gvp == Decimal("12345.0")
    assert isinstance(summary.net_liquidation_value, Decimal)
    assert summary.cash_balances is not None
    assert summary.cash_balances[0].currency == "EUR"
    assert summary.cash_balances[1].settled_cash == Decimal("238800.0")
    assert not summary.extra


def test_owners_are_not_shown() -> None:
    """Names, dates of birth and signatures are there for whoever asks for them by name."""
    owners = read(SignaturesAndOwners, "signatures_and_owners")

    assert owners.users is not None
    assert owners.users[0].user_name == "sampleuser"
    for shown in (repr(owners), str(owners.to_dict()), str(owners.to_json())):
        assert "OWNER" in shown
        assert not any(secret in shown for secret in ("Holder", "sampleuser", "1980"))
