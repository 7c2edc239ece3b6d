"""Settings of a client: every knob, its default, its unit and its range.

It must never read a file itself (`files` does), and never say what a setting does to a part: that is
the part's business.
"""

from __future__ import annotations

from decimal import Decimal
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin

import msgspec

from ibkr_async.errors import ConfigError
from ibkr_async.files import describe_unknown, read_env, read_toml
from ibkr_async.knobs import Knobs
from ibkr_async.types import to_decimal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibkr_async.files import AnyPath

SETTINGS_TABLE = "settings"


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits that no order gets around. Each is off until it is set; cancels are never limited.

    Errors: `ConfigError` for a value out of range.
    """

    accounts: frozenset[str] | None = None
    """Accounts and advisor groups that may trade."""
    conids: frozenset[int] | None = None
    """Contracts that may be traded; of a combination every leg must be among them."""
    max_quantity: Decimal | int | None = None
    """Most units in one order."""
    max_notional: Decimal | int | None = None
    """Highest value of one order, in the contract's currency, by IBKR's preview of it."""
    max_orders_per_minute: int | None = None
    """Most orders and modifications in any 60 seconds; a bracket counts each leg."""
    kill_switch: str | None = None
    """While this file exists, nothing is placed or confirmed; `~` is the home folder."""

    def __post_init__(self) -> None:
        """Read limits exactly, and refuse those that mean nothing."""
        force = msgspec.structs.force_setattr
        for name in ("accounts", "conids"):
            if getattr(self, name) is not None:
                force(self, name, frozenset(getattr(self, name)))
        for name in ("max_quantity", "max_notional", "max_orders_per_minute"):
            value = getattr(self, name)
            if value is None:
                continue
            try:
                number = to_decimal(value)
            except ValueError as error:
                raise ConfigError(f"setting guard.{name}: {error}") from None
            if number <= 0:
                raise ConfigError(f"setting guard.{name}: {value} is out of range; above zero")
            if name != "max_orders_per_minute":
                force(self, name, number)


class Settings(Knobs, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a client behaves. Every default is safe; nothing dangerous is on.

    Units are in the names: `_s` is seconds.
    Errors: `ConfigError` for a value out of range.
    """

    may_be_zero: ClassVar[frozenset[str]] = frozenset({"smd_jitter", "reconnect_spread_s"})
    # More than half of the lifetime would overtake the next renewal.
    at_most: ClassVar[dict[str, float]] = {"smd_jitter": 0.5}

    # trading
    account_id: str | None = None
    """Account that calls use when they name none; None means the only one, if there is a single one."""
    compete: bool = False
    """Take the brokerage session over from another login of the same username."""
    allow_live_orders: bool = False
    """Permit orders on an account that is not a paper account."""
    dry_run: bool = False
    """Preview orders in place of sending them; nothing is sent that changes anything, no cancel either."""
    guard: GuardSettings = GuardSettings()
    """Limits of your own for every order; a table `[settings.guard]` in TOML."""
    gate_unknown_orders: bool = True
    """No new orders of an account while the outcome of one of its orders is unknown."""
    journal: str | None = None
    """File that notes each order before it is sent, so that a restart finds what a crash left."""

    # time limits
    read_timeout_s: float = 15.0
    """Total time for one attempt of a read."""
    order_timeout_s: float = 30.0
    """Total time for a request that may trade; a late answer is better than an unknown outcome."""
    order_probe_s: float = 15.0
    """From the first look for an order whose answer was lost to the last of three."""
    connect_timeout_s: float = 10.0
    """Time to open a connection, for REST and socket alike."""
    ready_timeout_s: float = 60.0
    """Time that `ib.ready()` waits for the brokerage session."""
    close_timeout_s: float = 2.0
    """Time for a clean end of the socket."""

    # keeping alive
    tickle_interval_s: float = 60.0
    """Between `POST /tickle`; IBKR ends a session after about five idle minutes."""
    tic_interval_s: float = 30.0
    """Between `tic` frames on the socket."""
    heartbeat_deadline_s: float = 25.0
    """Silence on the socket after which it is given up; the server's heartbeat comes every 10 s."""
    smd_lifetime_s: float = 480.0
    """Age at which a market-data subscription is asked for again; IBKR ends it after 10 or 15 min."""
    smd_jitter: float = 0.1
    """Share of `smd_lifetime_s` by which renewals are spread, 0 to 0.5."""

    # coming back
    reconnect_spread_s: float = 1.0
    """The first reconnect waits a random time up to this, so that many clients do not come at once."""
    reconnect_cap_s: float = 60.0
    """Longest wait between two attempts."""
    reconnect_healthy_s: float = 60.0
    """A connection that lasted this long starts the waits from the beginning."""

    # bounds
    max_frame_bytes: int = 8 << 20
    """Largest frame that is taken from the socket."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `IBKR_<SETTING>` variables, such as `IBKR_COMPETE=true`; others are left alone.

        Two underscores lead into a group: `IBKR_GUARD__MAX_QUANTITY=100`. Booleans are `true`, `false`,
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
