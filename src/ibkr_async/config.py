"""Settings of a client: every knob, its default, its unit and its range.

It must never read a file itself (`files` does), and never say what a setting does to a part: that is
the part's business.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from ibkr_async.errors import ConfigError
from ibkr_async.files import describe_unknown, read_env, read_toml
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
    """While this file exists, nothing is placed or confirmed."""

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


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a client behaves. Every default is safe; nothing dangerous is on.

    Units are in the names: `_s` is seconds.
    Errors: `ConfigError` for a value out of range.
    """

    # trading
    account_id: str | None = None
    """Account that calls use when they name none; None means the one that IBKR has selected."""
    compete: bool = False
    """Take the brokerage session over from another login of the same username."""
    allow_live_orders: bool = False
    """Permit orders on an account that is not a paper account."""
    dry_run: bool = False
    """Ask IBKR for a preview of each order in place of sending it."""
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

    def __post_init__(self) -> None:
        """Refuse values that would make a timer spin or a limit meaningless."""
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            may_be_zero = name in {"smd_jitter", "reconnect_spread_s"}
            # Written so that NaN is refused as well.
            if not (0 < value < float("inf") or (may_be_zero and value == 0)):
                raise ConfigError(f"setting {name}: {value} is out of range; it must be above zero")
        if self.smd_jitter > 0.5:  # noqa: PLR2004 - more than half would overtake the next renewal
            raise ConfigError(f"setting smd_jitter: {self.smd_jitter} is out of range; 0 to 0.5")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Read `IBKR_<SETTING>` variables, such as `IBKR_TICKLE_INTERVAL_S=30`; others are left alone.

        Booleans are `true`, `false`, `1` or `0`.
        Errors: `ConfigError` that names the variable.
        """
        known = set(cls.__struct_fields__)
        values = {name: text for name, text in read_env(environ).items() if name in known}
        return _settings(values, "the environment")

    @classmethod
    def from_toml(cls, path: AnyPath) -> Settings:
        """Read the table `[settings]` of a TOML file; a file without it gives the defaults.

        Errors: `ConfigError` for a missing or malformed file, an unknown name (with the nearest
        known one), or a wrong type.
        """
        return _settings(read_toml(path, SETTINGS_TABLE), str(path))


def _settings(values: Mapping[str, Any], where: str) -> Settings:
    unknown = sorted(values.keys() - set(Settings.__struct_fields__))
    if unknown:
        raise ConfigError(f"{where}: {describe_unknown(unknown, Settings.__struct_fields__)}")
    try:
        return msgspec.convert(dict(values), Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: a setting has a wrong value: {error}") from None
