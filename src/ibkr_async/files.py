"""The only reader of files and environment variables in the library.

Everything that comes from outside the program passes through here: `IBKR_*` variables, TOML and JSON
files, key files and certificates. Other modules receive values. It must never print a value that it
has read, and never read anything at import time.
"""

from __future__ import annotations

import json
import os
import stat
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ibkr_async.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ENV_PREFIX = "IBKR_"

_MAX_FILE_BYTES = 1 << 20
_OPEN_TO_OTHERS = 0o077
# Windows has no such mode bits: every file would look open there.
_HAS_MODES = os.name == "posix"

AnyPath = str | os.PathLike[str]


def describe_unknown(unknown: Iterable[str], known: Iterable[str]) -> str:
    """Compose "unknown name 'x'; did you mean 'y'?" for each name."""
    known = list(known)
    phrases: list[str] = []
    for name in unknown:
        import difflib  # only a misspelt name needs it

        near = difflib.get_close_matches(name, known, n=1)
        phrases.append(f"unknown name {name!r}" + (f", did you mean {near[0]!r}?" if near else ""))
    return "; ".join(phrases)


# --- environment ---------------------------------------------------------------------------------


def read_env(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the `IBKR_*` variables by lower-case name without the prefix.

    Blanks around a value are cut off; empty values count as not set.
    """
    source = os.environ if environ is None else environ
    return {
        name.removeprefix(ENV_PREFIX).lower(): value.strip()
        for name, value in source.items()
        if name.startswith(ENV_PREFIX) and value.strip()
    }


# --- files ---------------------------------------------------------------------------------------


def read_toml(
    path: AnyPath, table: str, *, private: bool = False, allow_open: bool = False
) -> dict[str, Any]:
    """Read one table of a TOML file; empty when the file does not have it.

    `private` applies the rules of `read_private_file`.
    Errors: `ConfigError` for a missing or malformed file.
    """
    content = read_private_file(path, allow_open=allow_open) if private else read_file(path)
    try:
        document = tomllib.loads(content.decode())
    except ValueError as error:  # broken TOML and broken UTF-8 alike; neither message has values
        raise ConfigError(f"{path} is not a valid TOML file: {error}") from None
    found = document.get(table, {})
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: {table!r} must be a table, written [{table}]")
    return found


def read_private_json(path: AnyPath, *, allow_open: bool = False) -> dict[str, Any]:
    """Read a JSON object from a file that only its owner may read.

    Errors: `ConfigError` for a missing, open or malformed file.
    """
    content = read_private_file(path, allow_open=allow_open)
    try:
        document = json.loads(content)
    except ValueError as error:
        raise ConfigError(f"{path} is not a valid JSON file: {error}") from None
    if not isinstance(document, dict):
        raise ConfigError(f"{path} does not hold a JSON object")
    return document


def read_file(path: AnyPath) -> bytes:
    """Read a file that is not secret, such as a certificate.

    Errors: `ConfigError` when it is missing, unreadable, or far too large to be what it should be.
    """
    return _read(Path(path).expanduser(), private=False)


def read_private_file(path: AnyPath, *, allow_open: bool = False) -> bytes:
    """Read a key or credentials file, refusing one that other users can read.

    The mode is taken from the opened file, so it cannot be exchanged in between.
    Errors: `ConfigError` as for `check_private_files` and `read_file`.
    """
    check_private_files([path], allow_open=allow_open)
    return _read(Path(path).expanduser(), private=not allow_open)


def check_files(paths: Iterable[AnyPath]) -> None:
    """Check that files exist, without opening them.

    Errors: one `ConfigError` for all that do not.
    """
    # Unlike Path.is_file, this is also false where a directory on the way may not be entered.
    missing = [str(path) for path in paths if not os.path.isfile(Path(path).expanduser())]  # noqa: PTH113 - see above
    if missing:
        raise ConfigError(f"cannot find the file {' and '.join(missing)}; check the path")


def check_private_files(paths: Iterable[AnyPath], *, allow_open: bool = False) -> None:
    """Check that secret files exist, stay in their directory, and are closed to group and others.

    Reads no content. `allow_open` skips the last two checks.
    Errors: one `ConfigError` for all files, with the `chmod` to run.
    """
    files = [Path(path).expanduser() for path in paths]
    check_files(files)
    if allow_open:
        return
    for path in files:
        # A link inside the directory is how containers mount secrets; one that leaves it may be
        # someone else's file.
        home, target = path.parent.resolve(), path.resolve()
        if not target.is_relative_to(home):
            raise ConfigError(
                f"{path} is a link that leaves its directory (to {target}); copy the file there, "
                "name the real file, or pass allow_open_key_files=True"
            )
    open_files = [str(path) for path in files if _is_open(path.stat().st_mode)]
    if open_files:
        raise _open_to_others(open_files)


def _read(path: Path, *, private: bool) -> bytes:
    try:
        with path.open("rb") as file:
            if private and _is_open(os.fstat(file.fileno()).st_mode):
                raise _open_to_others([str(path)])
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; check the path") from None
    if len(content) > _MAX_FILE_BYTES:
        raise ConfigError(f"{path} is larger than 1 MiB, so it cannot be the right file")
    return content


def _is_open(mode: int) -> bool:
    return _HAS_MODES and bool(stat.S_IMODE(mode) & _OPEN_TO_OTHERS)


def _open_to_others(paths: list[str]) -> ConfigError:
    import shlex  # only this complaint needs it

    return ConfigError(
        f"other users of this machine can read {' and '.join(paths)}; "
        f"run: chmod 600 {shlex.join(paths)}"
    )
