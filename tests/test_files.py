from __future__ import annotations

from pathlib import Path

import pytest

from ibkr_async import files
from ibkr_async.errors import ConfigError


def test_missing_file_is_a_config_error(tmp_path: Path) -> None:
    """The message has the path; directories and odd paths are no files either."""
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigError, match=f"cannot read {path}"):
            files.read_file(path)


def test_file_that_is_far_too_large_is_refused(tmp_path: Path) -> None:
    """A key file is not a megabyte long; a wrong path must not fill the memory."""
    file = tmp_path / "large"
    file.write_bytes(bytes((1 << 20) + 1))

    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        files.read_file(file)


def test_file_opened_up_in_the_last_moment_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mode that counts is the one of the opened file."""
    file = tmp_path / "key.pem"
    file.write_bytes(b"key")
    file.chmod(0o600)
    stat_before = file.stat()
    monkeypatch.setattr(Path, "stat", lambda *_, **__: stat_before)
    file.chmod(0o644)

    with pytest.raises(ConfigError, match="chmod 600"):
        files.read_private_file(file)


def test_home_directory_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` works in every path."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "key.pem").write_bytes(b"key")
    (tmp_path / "key.pem").chmod(0o600)

    assert files.read_private_file("~/key.pem") == b"key"
    assert files.read_file("~/key.pem") == b"key"
    files.check_files(["~/key.pem"])


def test_json_that_is_broken_is_refused(tmp_path: Path) -> None:
    """Neither broken text nor another shape passes."""
    file = tmp_path / "credentials.json"
    file.write_bytes(b'{"access_token": "canary')
    file.chmod(0o600)

    with pytest.raises(ConfigError, match="not a valid JSON file") as caught:
        files.read_private_json(file)
    assert "canary" not in str(caught.value)
