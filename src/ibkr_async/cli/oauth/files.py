"""The credentials directory of `ibkr-async oauth`: where it is, and how its files are written.

Responsible for modes and for never overwriting a key by accident. Reading goes through
`ibkr_async.config`. It must never print what it writes.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ibkr_async.errors import ConfigError
from ibkr_async.files import read_env, read_private_json

SIGNATURE_FILE = "private_signature.pem"
ENCRYPTION_FILE = "private_encryption.pem"
PUBLIC_SIGNATURE_FILE = "public_signature.pem"
PUBLIC_ENCRYPTION_FILE = "public_encryption.pem"
DH_FILE = "dhparam.pem"
CREDENTIALS_FILE = "credentials.json"
CA_FILE = "ca.pem"

_DEFAULT_HOME = "~/.ibkr"
_PRIVATE_FILE, _PUBLIC_FILE, _PRIVATE_DIRECTORY = 0o600, 0o644, 0o700
_WRITABLE_BY_OTHERS = 0o022


def credentials_home(directory: Path | None) -> Path:
    """Return the directory that was asked for, `IBKR_CREDENTIALS_DIR`, or `~/.ibkr`."""
    chosen = directory or read_env().get("credentials_dir") or _DEFAULT_HOME
    return Path(chosen).expanduser()


def make_home(home: Path) -> None:
    """Make the directory, closed to other users; one that exists is left as it is.

    Errors: `ConfigError` when other users could put their keys in the place of yours; `OSError`.
    """
    home.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    if os.name == "posix" and home.stat().st_mode & _WRITABLE_BY_OTHERS:
        raise ConfigError(f"other users of this machine can write to {home}; run: chmod 700 {home}")


def write_new(path: Path, content: bytes, *, public: bool = False) -> None:
    """Write a file that does not exist yet. Errors: `FileExistsError`; other `OSError`."""
    mode = _PUBLIC_FILE if public else _PRIVATE_FILE
    # Without O_BINARY Windows would write other line ends.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, mode)
    with os.fdopen(descriptor, "wb") as file:
        # The process's mask may have taken bits away from a file that others should read. Of what was
        # opened, where the system can: the name may stand for another file by now.
        os.chmod(descriptor if os.chmod in os.supports_fd else path, mode)  # noqa: PTH101 - beside os.open
        file.write(content)


def read_credentials(home: Path) -> dict[str, Any]:
    """Read `credentials.json`; empty when there is none. Errors: `ConfigError`."""
    path = home / CREDENTIALS_FILE
    return read_private_json(path) if path.exists() else {}


def replace_credentials(home: Path, facts: dict[str, Any]) -> Path:
    """Write `credentials.json` in one step, readable by the present user only; return its path."""
    path = home / CREDENTIALS_FILE
    # mkstemp makes the file with mode 600; a crash in between leaves the old one whole.
    descriptor, name = tempfile.mkstemp(dir=home, prefix=".credentials-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(facts, file, indent=1)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
