"""`ibkr-async config`: what it shows, and what it never shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ibkr_async.cli.app import build_app
from ibkr_async.config import Settings, names_of


def run(*words: str) -> int:
    """Run the command line; give its exit code."""
    result = build_app()(["config", *words], result_action="return_value")
    assert isinstance(result, int)
    return result


def test_every_setting_is_printed_with_its_source(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each; what differs from the default says where it comes from."""
    monkeypatch.setenv("IBKR_SESSION__COMPETE", "true")
    monkeypatch.setenv("IBKR_ORDERS__GUARD__ACCOUNTS", "DU2,DU1")

    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    shown = {line.split()[0]: line for line in lines}
    assert list(shown)[: len(names_of(Settings))] == names_of(Settings)
    assert shown["session.compete"].split(maxsplit=1)[1] == "True   from IBKR_*"
    assert shown["orders.guard.accounts"].split(maxsplit=1)[1] == "DU1, DU2   from IBKR_*"
    assert "from" not in shown["orders.dry_run"]


def test_credentials_are_masked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a secret it says that it is set; a path is shown."""
    monkeypatch.setenv("IBKR_ACCESS_TOKEN_SECRET", "canary")
    monkeypatch.setenv("IBKR_DH_PARAM_FILE", "/keys/dhparam.pem")

    assert run("--changed") == 0
    out = capsys.readouterr().out
    assert "canary" not in out
    assert "IBKR_ACCESS_TOKEN_SECRET" in out
    assert "/keys/dhparam.pem" in out
    assert out.startswith("everything is at its default")


def test_a_file_is_read_in_place_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON for other programs; a faulty file is an error with exit code 2."""
    monkeypatch.setenv("IBKR_SESSION__COMPETE", "true")
    file = tmp_path / "bot.toml"
    file.write_text(
        '[settings.session]\naccount_id = "DU7"\n[settings.orders.guard]\nmax_quantity = 100\n'
    )

    assert run("--toml", str(file), "--changed", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "session.account_id": "DU7",
        "orders.guard.max_quantity": "100",
    }
    file.write_text("[settings.session]\ncompeet = true\n")
    assert run("--toml", str(file)) == 2
    assert "did you mean 'compete'" in capsys.readouterr().err
