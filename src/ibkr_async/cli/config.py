"""`ibkr-async config`: every setting, its value, and where the value comes from.

Responsible for showing what a client would be given here. It must never show a secret: of the
credentials in the environment it says only that they are set.
"""

from __future__ import annotations

import json as json_format
import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, Any

import cyclopts

from ibkr_async.errors import ConfigError

if TYPE_CHECKING:
    from ibkr_async.config import Settings

config_app = cyclopts.App(name="config", help="Show every setting, its value, and its source.")

_USAGE_ERROR = 2
_SHOWN_CREDENTIALS = ("_file", "_dir")
"""Endings of variables that hold a path, which is no secret."""


@config_app.default
def config(
    *,
    toml: Path | None = None,
    changed: Annotated[bool, cyclopts.Parameter(negative=())] = False,
    json: Annotated[bool, cyclopts.Parameter(negative=())] = False,
) -> int:
    """Print the settings of a client that is opened here, with secrets masked.

    Parameters
    ----------
    toml
        Read the table [settings] of this file in place of the environment.
    changed
        Only what differs from the defaults.
    json
        One JSON object, for other programs.
    """
    from ibkr_async.config import Settings, names_of, value_of

    try:
        settings = Settings.from_env() if toml is None else Settings.from_toml(toml)
    except ConfigError as error:
        print(f"ibkr-async config: {error}", file=sys.stderr)
        return _USAGE_ERROR
    defaults = Settings()
    rows = {
        name: value_of(settings, name)
        for name in names_of(Settings)
        if not changed or value_of(settings, name) != value_of(defaults, name)
    }
    if json:
        print(json_format.dumps({name: _plain(value) for name, value in rows.items()}))
        return 0
    source = "IBKR_*" if toml is None else str(toml)
    for name, value in rows.items():
        mark = f"   from {source}" if value != value_of(defaults, name) else ""
        print(f"{name:38} {_text(value)}{mark}")
    if not rows:
        print("everything is at its default")
    for line in _credentials(settings) if toml is None else ():
        print(line)
    return 0


def _credentials(settings: Settings) -> list[str]:
    """Return a line for each `IBKR_*` variable that is no setting."""
    from ibkr_async.config import names_of
    from ibkr_async.files import ENV_PREFIX, read_env

    known = {name.replace(".", "__") for name in names_of(type(settings))}
    others = {name: value for name, value in read_env().items() if name not in known}
    return [
        f"{ENV_PREFIX + name.upper():38} {value if name.endswith(_SHOWN_CREDENTIALS) else '***'}"
        for name, value in sorted(others.items())
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset | tuple):
        return sorted(value)
    return value if isinstance(value, bool | int | float | None) else str(value)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, frozenset | tuple):
        return ", ".join(map(str, sorted(value)))
    return f"{value:g}" if isinstance(value, float) else str(value)
