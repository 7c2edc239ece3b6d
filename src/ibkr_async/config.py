"""Settings of a client: every knob, its default, its unit and its range.

It must never read a file itself (`files` does), and never say what a setting does to a part: that is
the part's business.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

import msgspec

from ibkr_async.errors import ConfigError
from ibkr_async.files import describe_unknown, read_env, read_toml
from ibkr_async.knobs import Knobs
from ibkr_async.orders.settings import FollowerSettings, GuardSettings, OrderSettings
from ibkr_async.rest.retry import RetryPolicy
from ibkr_async.rest.settings import ConnectionSettings, PacingSettings, RestSettings
from ibkr_async.session.settings import SessionSettings
from ibkr_async.stream.settings import (
    CoreSettings,
    ReconnectSettings,
    SocketSettings,
    StreamSettings,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibkr_async.files import AnyPath

__all__ = [
    "ConnectionSettings",
    "CoreSettings",
    "FollowerSettings",
    "GuardSettings",
    "OrderSettings",
    "PacingSettings",
    "ReconnectSettings",
    "RestSettings",
    "RetryPolicy",
    "SessionSettings",
    "Settings",
    "SocketSettings",
    "StreamSettings",
    "names_of",
    "value_of",
]

SETTINGS_TABLE: Final = "settings"


class Settings(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a client behaves, part by part. Every default is safe; nothing dangerous is on.

    `Settings(session=SessionSettings(tickle_interval_s=30))`; in TOML a table for each part, such as
    `[settings.session]`; in the environment `IBKR_SESSION__TICKLE_INTERVAL_S=30`. `ibkr-async config`
    prints all of them. Units are in the names: `_s` is seconds.
    Errors: `ConfigError` for a value out of range.
    """

    session: SessionSettings = SessionSettings()
    """The brokerage session: which account, whether to compete, how it is kept up."""
    orders: OrderSettings = OrderSettings()
    """Orders: permission, limits, the journal, how a lost answer is looked for."""
    rest: RestSettings = RestSettings()
    """Requests: time limits, connections, the request limit, retries of reads."""
    stream: StreamSettings = StreamSettings()
    """The socket: heartbeats, renewals, reconnecting."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `IBKR_<SETTING>` variables, such as `IBKR_SESSION__COMPETE=true`; others are left alone.

        Two underscores lead into a group: `IBKR_ORDERS__GUARD__MAX_QUANTITY=100`. Booleans are `true`, `false`,
        `1` or `0`; several values are separated by commas.
        Errors: `ConfigError` that names the variable.
        """
        found = read_env(environ)
        known = {name.replace(".", "__"): name for name in names_of(cls)}
        groups = {name.partition("__")[0] for name in known if "__" in name}
        unknown = [
            name
            for name in found
            if name not in known and "__" in name and name.partition("__")[0] in groups
        ]
        if unknown:
            raise ConfigError(f"the environment: {describe_unknown(unknown, known)}")
        values: dict[str, Any] = {}
        for variable, name in known.items():
            if variable in found:
                _put(values, name, found[variable])
        return _settings(values, "the environment")

    @classmethod
    def from_toml(cls, path: AnyPath) -> Settings:
        """Read the table `[settings]` of a TOML file; a file without it gives the defaults.

        Errors: `ConfigError` for a missing or malformed file, an unknown name (with the nearest
        known one), or a wrong type.
        """
        return _settings(read_toml(path, SETTINGS_TABLE), str(path))


def names_of(group: type[msgspec.Struct]) -> list[str]:
    """Return the dotted name of every setting of a group, those of inner groups included."""
    names: list[str] = []
    for field in msgspec.structs.fields(group):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            names += [f"{field.name}.{inner}" for inner in names_of(field.type)]
        else:
            names.append(field.name)
    return names


def value_of(settings: msgspec.Struct, name: str) -> Any:
    """Return the value of a setting by its dotted name."""
    return reduce(getattr, name.split("."), settings)


def _put(values: dict[str, Any], name: str, text: str) -> None:
    *groups, last = name.split(".")
    for group in groups:
        values = values.setdefault(group, {})
    values[last] = text


def _settings(values: Mapping[str, Any], where: str) -> Settings:
    _check_names(values, Settings, where)
    try:
        return msgspec.convert(_split(values, Settings), Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: a setting has a wrong value: {error}") from None


def _check_names(values: Mapping[str, Any], group: type[msgspec.Struct], where: str) -> None:
    fields = {field.name: field.type for field in msgspec.structs.fields(group)}
    if unknown := sorted(values.keys() - fields.keys()):
        raise ConfigError(f"{where}: {describe_unknown(unknown, fields)}")
    for name, value in values.items():
        inner = fields[name]
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            if not isinstance(value, dict):
                raise ConfigError(f"{where}: {name!r} must be a table of settings")
            _check_names(value, inner, f"{where}, {name}")


def _split(values: Mapping[str, Any], group: type[msgspec.Struct]) -> dict[str, Any]:
    """Turn text with commas into lists where a setting holds several values."""
    found: dict[str, Any] = {}
    types = {field.name: field.type for field in msgspec.structs.fields(group)}
    for name, value in values.items():
        if isinstance(value, dict):
            found[name] = _split(value, types[name])
        elif isinstance(value, str) and any(
            get_origin(each) in {frozenset, tuple} for each in (types[name], *get_args(types[name]))
        ):
            found[name] = [part.strip() for part in value.split(",") if part.strip()]
        else:
            found[name] = value
    return found
