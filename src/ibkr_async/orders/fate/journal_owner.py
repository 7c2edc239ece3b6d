"""The right to one journal: one inode, one owner, for as long as the process lives.

Responsible for that right, and for what a journal may be: a regular file with one name, which nobody
else can write. It must never follow a link, nor change a file that it did not make.

Two clients must not share a journal: each would take the other's orders under way for orders that a
crash left behind.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Final, TypeAlias

from ibkr_async.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

_OWNER_ONLY: Final = 0o600
_WRITABLE_BY_OTHERS: Final = 0o022
_HAS_MODES: Final = os.name == "posix"

_Inode: TypeAlias = tuple[int, int]

_owned: Final[dict[_Inode, JournalOwner]] = {}
"""The journals of this process. Not even opened a second time: POSIX ends the locks that SQLite has on
a file when any descriptor of it is closed."""


class JournalOwner:
    """Holds one journal until `release`, or until the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Open the file, make it if need be, and become its owner.

        Errors: `ConfigError` when another has it or it is no file of ours alone; `OSError`.
        """
        self._path = path
        self._descriptors: list[int] = []
        self._watched: dict[Path, _Inode] = {}
        if path.exists() and _inode(path.stat()) in _owned:
            raise self._taken()
        try:
            self._acquire()
        except BaseException:
            self.release()
            raise

    def _acquire(self) -> None:
        journal = self._open(self._path)
        if _owned.setdefault(self._watched[self._path], self) is not self:
            raise self._taken()
        # On Linux this lock and those of SQLite do not see each other, so it can lie on the journal:
        # no other name, and no file beside it that is deleted, makes a second owner. Elsewhere it
        # would shut SQLite out.
        is_alone = sys.platform == "linux"
        beside = self._path.with_name(f"{self._path.name}.owner")
        if not _lock(journal if is_alone else self._open(beside)):
            raise self._taken()
        for path in (self._path, _companion(self._path, "-wal"), _companion(self._path, "-shm")):
            _check(path)

    def watch_log(self) -> None:
        """Watch SQLite's log too: what it has not moved into the journal yet is only there."""
        log = _companion(self._path, "-wal")
        self._watched[log] = _inode(log.lstat())

    def check_in_place(self) -> None:
        """Check that a restart will find what was opened. Errors: `OSError`."""
        for path, inode in self._watched.items():
            try:
                is_there = _inode(path.lstat()) == inode
            except FileNotFoundError:
                is_there = False
            if not is_there:
                raise OSError(f"{path.name} was moved, deleted or replaced; open the client anew")

    def release(self) -> None:
        """Let go of it. Idempotent."""
        inode = self._watched.get(self._path)
        if inode is not None and _owned.get(inode) is self:
            del _owned[inode]
        while self._descriptors:
            descriptor = self._descriptors.pop()
            _unlock(descriptor)
            os.close(descriptor)

    def _open(self, path: Path) -> int:
        if path.is_symlink():
            raise ConfigError(f"{path} is a link; a journal is never followed: name the real file")
        # Made here, so that nobody else can read it even for a moment. The flag is for a link that
        # appears in between; Windows has neither it nor such links.
        never_follow = getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | never_follow, _OWNER_ONLY)
        self._descriptors.append(descriptor)
        self._watched[path] = _inode(os.fstat(descriptor))
        return descriptor

    def _taken(self) -> ConfigError:
        return ConfigError(f"another client uses the journal {self._path}; each needs its own")


def _companion(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _inode(status: os.stat_result) -> _Inode:
    return status.st_dev, status.st_ino


def _check(path: Path) -> None:
    """Refuse what somebody else could change, or see under another name, if it is there at all."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(status.st_mode):
        raise ConfigError(f"{path} is no regular file; name another journal")
    if status.st_nlink > 1:
        # SQLite's log is named after the journal: under the other name its orders would be missing.
        raise ConfigError(f"{path} is a file with {status.st_nlink} names (hard links); copy it")
    if _HAS_MODES and status.st_mode & _WRITABLE_BY_OTHERS:
        raise ConfigError(f"other users of this machine can write {path}; run: chmod 600 {path}")


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        """Closing does it."""

else:
    try:
        import fcntl
    except ModuleNotFoundError:  # as in a Python inside a browser
        fcntl = None  # type: ignore[assignment]  # asked about below

    def _lock(descriptor: int) -> bool:
        """Lock a file without waiting; tell whether nobody else has it."""
        if fcntl is None:
            raise ConfigError("this system cannot lock files, so no journal has one owner here")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        """Closing alone would leave the lock to processes that were forked meanwhile."""
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
