from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from ibkr_async.errors import ConfigError
from ibkr_async.orders.fate.journal_owner import JournalOwner
from support.journal_writer import writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "bot" / "orders.journal"


@pytest.fixture(autouse=True)
def folder(path: Path) -> None:
    """Make the folder of the journal."""
    path.parent.mkdir()


def other_names(path: Path) -> list[Path]:
    """Return other ways to the same file."""
    folder_link = path.parent.with_name("link")
    folder_link.symlink_to(path.parent)
    link, hard_link = path.with_name("link.journal"), path.with_name("hard.journal")
    link.symlink_to(path)
    hard_link.hardlink_to(path)
    return [path, folder_link / path.name, link, hard_link, path.parent / ".." / "bot" / path.name]


def mode_of(path: Path) -> int:
    """Who may do what with the file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_one_inode_has_one_owner_by_whatever_name(path: Path) -> None:
    """In one process: through links of every kind, and after its folder was copied."""
    owner = JournalOwner(path)
    (path.parent / "orders.journal.owner").unlink(missing_ok=True)
    shutil.copytree(path.parent, path.parent.with_name("copy"))

    for name in other_names(path):
        with pytest.raises(ConfigError, match="another client uses the journal"):
            JournalOwner(name)

    owner.release()
    path.with_name("hard.journal").unlink()
    JournalOwner(path).release()


def test_two_processes_do_not_share_a_journal(path: Path) -> None:
    """By whatever name; and the right ends with the process, however it ends."""
    with writer(path) as other:
        assert other.heard() == "open"
        shutil.copytree(path.parent, path.parent.with_name("copy"))

        for name in other_names(path):
            with pytest.raises(ConfigError, match=r"another client|is a link"):
                JournalOwner(name)
        other.kill()

    path.with_name("hard.journal").unlink()
    JournalOwner(path).release()


# Newer interpreters warn of forking beside threads: this child does nothing but wait.
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_process_that_was_forked_does_not_keep_the_right(path: Path) -> None:
    """A pool of workers outlives the client that was open when it began."""
    hear, tell = os.pipe()
    owner = JournalOwner(path)
    worker = os.fork()
    if worker == 0:
        os.read(hear, 1)
        os._exit(0)  # it has inherited the descriptor, and closes nothing before
    try:
        owner.release()

        JournalOwner(path).release()
    finally:
        os.write(tell, b"x")
        os.waitpid(worker, 0)
        os.close(hear)
        os.close(tell)


@pytest.mark.parametrize("name", ["orders.journal", "orders.journal-wal", "orders.journal-shm"])
def test_link_is_never_followed(path: Path, name: str) -> None:
    """Neither what it points at, nor its mode, is touched; nor is anything made at its other end."""
    victim, missing = path.with_name("victim"), path.with_name("missing")
    victim.write_text("precious")
    victim.chmod(0o644)
    for target in (victim, missing):
        link = path.with_name(name)
        link.symlink_to(target)

        with pytest.raises(ConfigError, match=r"link|no regular file"):
            JournalOwner(path)

        link.unlink()
    assert (victim.read_text(), mode_of(victim)) == ("precious", 0o644)
    assert not missing.exists()


def test_link_beside_the_journal_is_left_alone(path: Path) -> None:
    """What an earlier version kept beside it says nothing, and its target is nobody's business."""
    victim = path.with_name("victim")
    victim.write_text("precious")
    victim.chmod(0o644)
    path.with_name("orders.journal.owner").symlink_to(victim)

    JournalOwner(path).release()

    assert (victim.read_text(), mode_of(victim)) == ("precious", 0o644)


@pytest.mark.parametrize("mode", [0o602, 0o620, 0o666])
@pytest.mark.parametrize("name", ["orders.journal", "orders.journal-wal"])
def test_file_that_others_can_write_is_refused(path: Path, name: str, mode: int) -> None:
    """Anybody could have written that an order has ended. It is left as it was found."""
    file = path.with_name(name)
    file.touch()
    file.chmod(mode)

    with pytest.raises(ConfigError, match="chmod 600"):
        JournalOwner(path)

    assert mode_of(file) == mode


def test_mode_of_a_file_that_was_there_stays(path: Path) -> None:
    """Others may read this one, as its owner wants; one that is made here is closed."""
    path.touch(0o644)
    path.chmod(0o644)

    JournalOwner(path).release()
    JournalOwner(path.with_name("new")).release()

    assert (mode_of(path), mode_of(path.with_name("new"))) == (0o644, 0o600)


def test_second_name_is_refused(path: Path) -> None:
    """SQLite's log is beside the first name: under the second its last orders would be missing."""
    path.touch()
    path.with_name("other").hardlink_to(path)

    with pytest.raises(ConfigError, match="hard links"):
        JournalOwner(path)


def test_what_is_no_file_is_refused(path: Path) -> None:
    """A pipe and a device take everything and keep nothing."""
    os.mkfifo(path)

    with pytest.raises(ConfigError, match="no regular file"):
        JournalOwner(path)
    with pytest.raises(ConfigError, match="no regular file"):
        JournalOwner(Path(os.devnull))


@pytest.mark.parametrize("fate", ["deleted", "moved", "replaced", "folder moved"])
def test_file_that_is_no_longer_there_is_noticed(path: Path, fate: str) -> None:
    """A restart would look in another file, and find nothing."""
    owner = JournalOwner(path)
    owner.check_in_place()
    if fate == "folder moved":
        path.parent.rename(path.parent.with_name("elsewhere"))
    else:
        path.rename(path.with_name("old"))
    if fate == "deleted":
        path.with_name("old").unlink()
    if fate == "replaced":
        path.touch(0o600)

    with pytest.raises(OSError, match="moved, deleted or replaced"):
        owner.check_in_place()
    owner.release()
    owner.release()
