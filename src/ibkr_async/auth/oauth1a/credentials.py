"""Collect OAuth credentials from a directory, the environment or a TOML file.

All three end in the same arguments of `OAuth1a`. What is missing is reported in one message with
every name, spelled as the user has to write it. Files and variables are read through `config`; no
value may appear in a message.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from ibkr_async import files
from ibkr_async.errors import ConfigError
from ibkr_async.oauth.dh import DhParams, dh_from_hex

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ibkr_async.auth.keys import DhSource, KeySource

TOML_TABLE = "ibkr"

_SIGNATURE_FILE = "private_signature.pem"
_ENCRYPTION_FILE = "private_encryption.pem"
_DH_FILE = "dhparam.pem"
_CA_FILE = "ca.pem"
_JSON_FILE = "credentials.json"

_TEXTS = ("consumer_key", "access_token", "access_token_secret")
_FILES = ("signature_key_file", "encryption_key_file")
_OPTIONAL = ("dh_param_file", "dh_prime", "realm", "base_url", "ws_url", "ca_file")
_ALL = (*_TEXTS, *_FILES, *_OPTIONAL)


class Credentials(TypedDict):
    """Arguments of `OAuth1a` that come from outside the program."""

    consumer_key: str
    access_token: str
    access_token_secret: str
    signature_key: KeySource
    encryption_key: KeySource
    dh: DhSource
    realm: NotRequired[str]
    base_url: NotRequired[str]
    ws_url: NotRequired[str]
    ca: NotRequired[KeySource]


def from_files(directory: files.AnyPath, *, allow_open: bool = False) -> Credentials:
    """Read a directory: `private_signature.pem private_encryption.pem dhparam.pem credentials.json`.

    `credentials.json` has `consumer_key access_token access_token_secret`, and may have `realm
    base_url ws_url` and `dh_prime` (hex, used when there is no `dhparam.pem`); `ca.pem`, when there,
    is the pinned certificate. Other keys are left alone.
    Errors: one `ConfigError` for everything that is missing, or the first fault found.
    """
    home = Path(directory).expanduser()
    values: dict[str, str] = {}
    if (home / _JSON_FILE).exists():
        found = files.read_private_json(home / _JSON_FILE, allow_open=allow_open)
        kept = {name: value for name, value in found.items() if name in _ALL}
        values = _texts(kept, str(home / _JSON_FILE))
    key_files = {
        "signature_key_file": _SIGNATURE_FILE,
        "encryption_key_file": _ENCRYPTION_FILE,
        "dh_param_file": _DH_FILE,
        "ca_file": _CA_FILE,
    }
    # The files of the directory are the keys: a path inside credentials.json is not followed.
    for name, file in key_files.items():
        values.pop(name, None)
        if (home / file).exists():
            values[name] = file

    def spell(name: str) -> str:
        return key_files.get(name) or f"{name} in {_JSON_FILE}"

    return _credentials(values, spell, f"the directory {home}", home)


def from_env(environ: Mapping[str, str] | None = None, *, allow_open: bool = False) -> Credentials:
    """Read `IBKR_CONSUMER_KEY` and its companions, or the directory `IBKR_CREDENTIALS_DIR`.

    Errors: one `ConfigError` for everything that is missing; one when the directory and single
    credentials are both set, since neither should win silently.
    """
    found = files.read_env(environ)
    values = {name: value for name, value in found.items() if name in _ALL}
    directory = found.get("credentials_dir")
    if directory is None:
        return _credentials(
            values, _env_name, "the environment, and IBKR_CREDENTIALS_DIR is not set", None
        )
    if values:
        both = ", ".join(_env_name(name) for name in sorted(values))
        raise ConfigError(f"IBKR_CREDENTIALS_DIR is set and so is {both}; unset one or the other")
    return from_files(directory, allow_open=allow_open)


def from_toml(path: files.AnyPath, *, allow_open: bool = False) -> Credentials:
    """Read the table `[ibkr]`: the names of the variables in lower case without `IBKR_`.

    Relative paths are relative to the file.
    Errors: one `ConfigError` for everything that is missing, or for unknown names.
    """
    found = files.read_toml(path, TOML_TABLE, private=True, allow_open=allow_open)
    unknown = sorted(found.keys() - set(_ALL))
    if unknown:
        raise ConfigError(f"{path}, [{TOML_TABLE}]: {files.describe_unknown(unknown, _ALL)}")
    values = _texts(found, f"{path}, [{TOML_TABLE}]")
    return _credentials(values, str, f"{path}, [{TOML_TABLE}]", Path(path).expanduser().parent)


def _credentials(
    values: Mapping[str, str], spell: Callable[[str], str], where: str, home: Path | None
) -> Credentials:
    missing = [spell(name) for name in (*_TEXTS, *_FILES) if name not in values]
    if "dh_param_file" not in values and "dh_prime" not in values:
        missing.append(f"{spell('dh_param_file')} (or {spell('dh_prime')})")
    if missing:
        raise ConfigError(
            f"credentials missing in {where}: {', '.join(missing)}; IBKR's self-service OAuth page "
            "hands them out, and docs/logging-in.md says how"
        )

    def path(name: str) -> str:
        file = Path(values[name]).expanduser()
        return str(file if home is None else home / file)

    credentials = Credentials(
        consumer_key=values["consumer_key"],
        access_token=values["access_token"],
        access_token_secret=values["access_token_secret"],
        signature_key=path("signature_key_file"),
        encryption_key=path("encryption_key_file"),
        dh=path("dh_param_file")
        if "dh_param_file" in values
        else _prime(values["dh_prime"], spell),
    )
    if "realm" in values:
        credentials["realm"] = values["realm"]
    if "base_url" in values:
        credentials["base_url"] = values["base_url"]
    if "ws_url" in values:
        credentials["ws_url"] = values["ws_url"]
    if "ca_file" in values:
        credentials["ca"] = path("ca_file")
    return credentials


def _prime(prime_hex: str, spell: Callable[[str], str]) -> DhParams:
    try:
        return dh_from_hex(prime_hex)
    except ValueError as error:
        raise ConfigError(f"{spell('dh_prime')}: {error}") from None


def _env_name(name: str) -> str:
    return f"{files.ENV_PREFIX}{name.upper()}"


def _texts(values: Mapping[str, Any], where: str) -> dict[str, str]:
    """Keep what is set, without blanks around it; refuse what is not text."""
    wrong = sorted(name for name, value in values.items() if not isinstance(value, str))
    if wrong:
        raise ConfigError(f"{where}: {', '.join(wrong)} must be text in quotes")
    return {name: value.strip() for name, value in values.items() if value.strip()}
