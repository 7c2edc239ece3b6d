from __future__ import annotations

import os
from pathlib import Path

import pytest

from ibkr_async.cli.oauth import files
from ibkr_async.errors import ConfigError


def mode_of(path: Path) -> int:
    """Who may do what with it."""
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_directory_that_others_can_write_takes_no_keys(tmp_path: Path, mode: int) -> None:
    """They could put their own in the place of yours. It is left as it was found."""
    tmp_path.chmod(mode)

    with pytest.raises(ConfigError, match="chmod 700"):
        files.make_home(tmp_path)

    assert mode_of(tmp_path) == mode


@pytest.mark.parametrize(("public", "mode"), [(True, 0o644), (False, 0o600)])
def test_new_file_has_its_mode_whatever_the_mask_is(
    tmp_path: Path, *, public: bool, mode: int
) -> None:
    """A public key is for others, a private one is not."""
    before = os.umask(0o077 if public else 0)
    try:
        files.write_new(tmp_path / "key.pem", b"key", public=public)
    finally:
        os.umask(before)

    assert mode_of(tmp_path / "key.pem") == mode


@pytest.mark.parametrize("is_there", [True, False])
def test_link_is_not_followed(tmp_path: Path, *, is_there: bool) -> None:
    """What it points at is somebody else's, and may be made by nobody."""
    victim, link = tmp_path / "victim", tmp_path / "key.pem"
    link.symlink_to(victim)
    if is_there:
        victim.write_text("precious")
        victim.chmod(0o644)

    with pytest.raises(FileExistsError):
        files.write_new(link, b"key")

    assert victim.exists() is is_there
    assert not is_there or (victim.read_text(), mode_of(victim)) == ("precious", 0o644)
