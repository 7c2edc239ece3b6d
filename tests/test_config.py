from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_async.config import Settings, names_of, value_of
from ibkr_async.errors import ConfigError
from ibkr_async.orders.settings import GuardSettings
from ibkr_async.session.settings import SessionSettings
from ibkr_async.stream.settings import CoreSettings, ReconnectSettings
from support.settings_with import settings_with


def test_defaults_are_safe() -> None:
    """Nothing dangerous is on unless the user says so."""
    settings = Settings()

    assert not settings.session.compete
    assert not settings.orders.allow_live_orders
    assert settings.session.account_id is None
    assert settings.session.tickle_interval_s == 60
    assert settings.stream.protocol.tic_interval_s == 30
    assert settings.stream.protocol.renew_after_s == 480


def test_settings_do_not_change() -> None:
    """A running client cannot have its limits altered."""
    with pytest.raises(AttributeError):
        Settings().session.compete = True  # type: ignore[misc]  # the point of the test


def test_environment_is_read() -> None:
    """Numbers and booleans are text there; other variables are left alone."""
    settings = Settings.from_env(
        {
            "IBKR_SESSION__TICKLE_INTERVAL_S": " 30 ",
            "IBKR_ORDERS__ALLOW_LIVE_ORDERS": "true",
            "IBKR_SESSION__COMPETE": "0",
            "IBKR_SESSION__ACCOUNT_ID": "DU1234567",
            "IBKR_CONSUMER_KEY": "TESTKEY01",
            "IBKR_STREAM__PROTOCOL__TIC_INTERVAL_S": "",
            "TIC_INTERVAL_S": "7",
        }
    )

    assert settings == settings_with(
        {
            "session.tickle_interval_s": 30.0,
            "orders.allow_live_orders": True,
            "session.account_id": "DU1234567",
        }
    )


def test_environment_reaches_into_groups() -> None:
    """Two underscores lead into a table; several values are separated by commas."""
    settings = Settings.from_env(
        {
            "IBKR_ORDERS__GUARD__ACCOUNTS": "DU1, DU2",
            "IBKR_ORDERS__GUARD__CONIDS": "265598",
            "IBKR_ORDERS__GUARD__MAX_NOTIONAL": "0.1",
        }
    )

    assert settings.orders.guard == GuardSettings(
        accounts=frozenset({"DU1", "DU2"}),
        conids=frozenset({265598}),
        max_notional=Decimal("0.1"),
    )


@pytest.mark.parametrize(
    "name", ["ORDERS__GUARD__MAX_QUANTTY", "ORDERS__NOTHING__MORE", "SESSION__COMPEET"]
)
def test_misspelt_group_variable_is_refused(name: str) -> None:
    """A limit that was meant to hold must not be left alone."""
    with pytest.raises(ConfigError, match="the environment: unknown name"):
        Settings.from_env({f"IBKR_{name}": "1"})


def test_table_that_is_no_table_is_refused(tmp_path: Path) -> None:
    """And an unknown name in an inner table is named with its table."""
    file = tmp_path / "bot.toml"
    file.write_text("[settings.orders]\nguard = 3\n")
    with pytest.raises(ConfigError, match="'guard' must be a table"):
        Settings.from_toml(file)

    file.write_text("[settings.orders.guard]\nmax_quantty = 3\n")
    with pytest.raises(
        ConfigError, match=r"orders, guard: unknown name .* did you mean 'max_quantity'"
    ):
        Settings.from_toml(file)


def test_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the real environment counts, at the time of the call."""
    monkeypatch.setenv("IBKR_STREAM__PROTOCOL__TIC_INTERVAL_S", "15")

    assert Settings.from_env().stream.protocol.tic_interval_s == 15


def test_toml_is_read(tmp_path: Path) -> None:
    """The table [settings]; other tables belong to others; no table means the defaults."""
    file = tmp_path / "bot.toml"
    file.write_text(
        '[settings.session]\ncompete = true\n[settings.stream.protocol]\nrenew_after_s = 240\n[ibkr]\nrealm = "x"\n'
    )

    assert Settings.from_toml(file) == settings_with(
        {"session.compete": True, "stream.protocol.renew_after_s": 240.0}
    )
    file.write_text("")
    assert Settings.from_toml(file) == Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[settings.session]\ntickel_interval_s = 1",
            "unknown name .* did you mean 'tickle_interval_s'",
        ),
        ("[settings]\nxyzzy = 1", "unknown name 'xyzzy'$"),
        ("[settings.stream.protocol]\ntic_interval_s = 'soon'", r"wrong value.*tic_interval_s"),
        ("[settings.stream.protocol]\ntic_interval_s = -1", "tic_interval_s: -1.0 is out of range"),
        ("settings = []", "must be a table"),
        ("[settings", "not a valid TOML"),
    ],
)
def test_faulty_toml_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """The message names the setting and, for a misspelling, the nearest one."""
    file = tmp_path / "bot.toml"
    file.write_text(text)

    with pytest.raises(ConfigError, match=message):
        Settings.from_toml(file)


NUMBERS = [name for name in names_of(Settings) if type(value_of(Settings(), name)) in {float, int}]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1.0, math.inf, math.nan])
def test_number_out_of_range_is_refused(name: str, value: float) -> None:
    """No timer may spin or sleep for ever."""
    last = name.rpartition(".")[2]

    with pytest.raises(ConfigError, match=f"setting {last}: .* out of range"):
        settings_with({name: value})


def test_zero_is_for_margins_only() -> None:
    """A margin or a spread may be nothing; an interval may not."""
    assert CoreSettings(renew_jitter=0).renew_jitter == 0
    assert ReconnectSettings(first_retry_s=0).first_retry_s == 0
    with pytest.raises(ConfigError, match="tickle_interval_s"):
        SessionSettings(tickle_interval_s=0)


def test_jitter_has_its_own_range() -> None:
    """More than half of the lifetime would overtake the next renewal."""
    with pytest.raises(ConfigError, match="renew_jitter"):
        CoreSettings(renew_jitter=0.6)


def test_guard_is_a_table_of_its_own(tmp_path: Path) -> None:
    """Limits are read exactly; a wrong one is named."""
    path = tmp_path / "bot.toml"
    path.write_text(
        '[settings.orders]\njournal = "orders.journal"\ndry_run = true\n'
        "[settings.orders.guard]\nconids = [265598]\nmax_notional = 0.1\nmax_orders_per_minute = 3\n"
    )

    settings = Settings.from_toml(path)

    assert settings.orders.journal == "orders.journal"
    assert settings.orders.dry_run
    assert settings.orders.closes_gate
    assert settings.orders.guard == GuardSettings(
        conids=frozenset({265598}), max_notional=Decimal("0.1"), max_orders_per_minute=3
    )
    path.write_text("[settings.orders.guard]\nmax_notional = -1\n")
    with pytest.raises(ConfigError, match="max_notional"):
        Settings.from_toml(path)
