from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ibkr_async.auth import OAuth1a
from ibkr_async.auth.oauth1a import credentials
from ibkr_async.errors import ConfigError
from ibkr_async.oauth.dh import DhParams

ENVIRON = {
    "IBKR_CONSUMER_KEY": "TESTKEY01",
    "IBKR_ACCESS_TOKEN": "a1b2c3d4e5f6a7b8c9d0",
    "IBKR_ACCESS_TOKEN_SECRET": "bFDq canary",
    "IBKR_SIGNATURE_KEY_FILE": "/k/signature.pem",
    "IBKR_ENCRYPTION_KEY_FILE": "/k/encryption.pem",
    "IBKR_DH_PARAM_FILE": "/k/dhparam.pem",
}


def toml_text(values: dict[str, str]) -> str:
    """Write the table `[ibkr]`."""
    return "[ibkr]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner can read."""
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_directory_of_the_simulator_is_read(key_directory: Path, vectors: dict[str, Any]) -> None:
    """Files by name, texts from credentials.json, the prime in hex when there is no DH file."""
    found = credentials.from_files(key_directory)

    assert found == {
        "consumer_key": "TESTKEY01",
        "access_token": "a1b2c3d4e5f6a7b8c9d0",
        "access_token_secret": vectors["access_token_secret"]["encrypted_base64"],
        "signature_key": str(key_directory / "private_signature.pem"),
        "encryption_key": str(key_directory / "private_encryption.pem"),
        "dh": DhParams(int(vectors["dh"]["prime_hex"], 16), 2),
        "realm": "limited_poa",
        "base_url": "https://localhost:8443/v1/api",
        "ws_url": "wss://localhost:8443/v1/api/ws",
    }


def test_dh_file_and_certificate_of_the_directory_are_used(key_directory: Path) -> None:
    """A DH file goes before the prime in hex; ca.pem is the pin."""
    write_private(key_directory / "dhparam.pem", "")
    write_private(key_directory / "ca.pem", "")

    found = credentials.from_files(key_directory)

    assert found["dh"] == str(key_directory / "dhparam.pem")
    assert found["ca"] == str(key_directory / "ca.pem")


def test_relative_directory_is_read(key_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory's name is put before its files once, not twice."""
    monkeypatch.chdir(key_directory.parent)

    found = OAuth1a.from_files(key_directory.name)

    assert found.needs_login


def test_paths_in_credentials_json_are_not_followed(key_directory: Path) -> None:
    """The directory is the source: a path in the JSON cannot point elsewhere."""
    file = key_directory / "credentials.json"
    facts = json.loads(file.read_text())
    write_private(file, json.dumps({**facts, "signature_key_file": "/etc/passwd"}))

    found = credentials.from_files(key_directory)

    assert found["signature_key"] == str(key_directory / "private_signature.pem")


def test_empty_directory_lists_everything_that_is_missing(tmp_path: Path) -> None:
    """One message, all names, and where they come from."""
    with pytest.raises(ConfigError) as caught:
        credentials.from_files(tmp_path / "nowhere")

    message = str(caught.value)
    for name in (
        "consumer_key in credentials.json",
        "access_token in credentials.json",
        "access_token_secret in credentials.json",
        "private_signature.pem",
        "private_encryption.pem",
        "dhparam.pem (or dh_prime in credentials.json)",
        str(tmp_path / "nowhere"),
    ):
        assert name in message


def test_environment_is_read() -> None:
    """The six variables; blanks around values do not count."""
    found = credentials.from_env({**ENVIRON, "IBKR_REALM": " test_realm \n", "HOME": "/root"})

    assert found == {
        "consumer_key": "TESTKEY01",
        "access_token": "a1b2c3d4e5f6a7b8c9d0",
        "access_token_secret": "bFDq canary",
        "signature_key": "/k/signature.pem",
        "encryption_key": "/k/encryption.pem",
        "dh": "/k/dhparam.pem",
        "realm": "test_realm",
    }


def test_optional_variables_are_read(vectors: dict[str, Any]) -> None:
    """Prime, addresses and certificate."""
    environ = {
        **ENVIRON,
        "IBKR_DH_PARAM_FILE": "",
        "IBKR_DH_PRIME": vectors["dh"]["prime_hex"],
        "IBKR_BASE_URL": "https://localhost:1/v1/api",
        "IBKR_WS_URL": "wss://localhost:1/v1/api/ws",
        "IBKR_CA_FILE": "/k/ca.pem",
    }

    found = credentials.from_env(environ)

    assert found["dh"] == DhParams(int(vectors["dh"]["prime_hex"], 16), 2)
    assert found["base_url"] == "https://localhost:1/v1/api"
    assert found["ws_url"] == "wss://localhost:1/v1/api/ws"
    assert found["ca"] == "/k/ca.pem"


def test_missing_variables_are_listed_together() -> None:
    """One message with every variable, and no value of those that are set."""
    environ = {"IBKR_ACCESS_TOKEN_SECRET": "canary", "IBKR_CONSUMER_KEY": "  "}

    with pytest.raises(ConfigError) as caught:
        credentials.from_env(environ)

    message = str(caught.value)
    assert "IBKR_CONSUMER_KEY, IBKR_ACCESS_TOKEN, IBKR_SIGNATURE_KEY_FILE" in message
    assert "IBKR_ENCRYPTION_KEY_FILE, IBKR_DH_PARAM_FILE (or IBKR_DH_PRIME)" in message
    assert "canary" not in message


def test_directory_in_the_environment_is_read(key_directory: Path) -> None:
    """One variable is enough when it names a complete directory; settings beside it do not matter."""
    environ = {"IBKR_CREDENTIALS_DIR": str(key_directory), "IBKR_ACCOUNT_ID": "DU1"}

    assert credentials.from_env(environ) == credentials.from_files(key_directory)


def test_directory_and_single_variables_do_not_mix(key_directory: Path) -> None:
    """Two sources for one credential are a mistake that is said aloud."""
    environ = {**ENVIRON, "IBKR_CREDENTIALS_DIR": str(key_directory)}

    with pytest.raises(ConfigError, match=r"IBKR_CREDENTIALS_DIR is set and so is IBKR_ACCESS_T"):
        credentials.from_env(environ)


def test_prime_that_is_not_hex_names_its_variable() -> None:
    """The fault is reported at construction."""
    environ = {**ENVIRON, "IBKR_DH_PARAM_FILE": "", "IBKR_DH_PRIME": "zz"}

    with pytest.raises(ConfigError, match=r"IBKR_DH_PRIME: .*hexadecimal"):
        credentials.from_env(environ)


def test_toml_is_read_with_paths_relative_to_it(tmp_path: Path) -> None:
    """The names are those of the variables in lower case; absolute paths stay."""
    values = {name.removeprefix("IBKR_").lower(): value for name, value in ENVIRON.items()}
    values |= {"signature_key_file": "keys/signature.pem", "ca_file": "ca.pem"}
    file = write_private(tmp_path / "bot.toml", toml_text(values))

    found = credentials.from_toml(file)

    assert found["signature_key"] == str(tmp_path / "keys" / "signature.pem")
    assert found["encryption_key"] == "/k/encryption.pem"
    assert found["ca"] == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "credentials missing in .*bot.toml, .ibkr.: consumer_key, access_token"),
        (
            '[ibkr]\nconsumerkey = "canary"',
            "unknown name 'consumerkey', did you mean 'consumer_key'",
        ),
        ("[ibkr]\nconsumer_key = 7", "consumer_key must be text"),
        ("ibkr = 1", "must be a table"),
        ("[ibkr", "not a valid TOML file"),
    ],
)
def test_faulty_toml_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Every fault names the file, none shows a value."""
    file = write_private(tmp_path / "bot.toml", text)

    with pytest.raises(ConfigError, match=message) as caught:
        credentials.from_toml(file)

    assert "bot.toml" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_open_toml_and_json_are_refused_unless_allowed(key_directory: Path) -> None:
    """Files with the access token secret are as private as keys."""
    file = key_directory / "credentials.json"
    file.chmod(0o640)

    with pytest.raises(ConfigError, match=f"chmod 600 {file}"):
        OAuth1a.from_files(key_directory)
    assert OAuth1a.from_files(key_directory, allow_open_key_files=True).needs_login
    file.write_text("[]")
    with pytest.raises(ConfigError, match="JSON object"):
        OAuth1a.from_files(key_directory, allow_open_key_files=True)


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o606, 0o620, 0o602, 0o601])
def test_secrets_that_others_can_reach_are_refused_from_every_source(
    key_directory: Path, tmp_path: Path, mode: int
) -> None:
    """A TOML file, a directory, and a directory that the environment names; each bit counts."""
    toml = tmp_path / "bot.toml"
    toml.write_text("[ibkr]\n")
    toml.chmod(mode)
    (key_directory / "credentials.json").chmod(mode)

    for read in (
        lambda: OAuth1a.from_toml(toml),
        lambda: OAuth1a.from_files(key_directory),
        lambda: OAuth1a.from_env({"IBKR_CREDENTIALS_DIR": str(key_directory)}),
    ):
        with pytest.raises(ConfigError, match="chmod 600"):
            read()


@pytest.mark.parametrize("name", ["private_signature.pem", "private_encryption.pem"])
def test_key_that_others_can_read_is_refused(key_directory: Path, name: str) -> None:
    """Each of the two, before anything is sent."""
    (key_directory / name).chmod(0o644)

    with pytest.raises(ConfigError, match=f"chmod 600 .*{name}"):
        OAuth1a.from_files(key_directory)
