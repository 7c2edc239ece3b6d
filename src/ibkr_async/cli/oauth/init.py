"""`ibkr-async oauth init`: make the keys, and say what to do with them on IBKR's page.

Responsible for two RSA key pairs, the Diffie-Hellman parameters, the empty credentials file, and the
checklist. It must never overwrite a key, never print one, and never send anything anywhere.

Source: reference notes on IBKR's OAuth, section 4; OAuth 1.0A Extended, "Self Service Portal".
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table

from ibkr_async.cli.oauth import files
from ibkr_async.errors import ConfigError
from ibkr_async.oauth.dh import read_dh_pem
from ibkr_async.oauth.dh_files import GROUP_14, write_dh_pem

if TYPE_CHECKING:
    from pathlib import Path

PORTAL = "https://ndcdyn.interactivebrokers.com/sso/Login?action=OAUTH&RL=1&ip2loc=US"

_KEY_BITS: Final = 2048
_LONGEST_SEARCH_S: Final = 3600

_MADE: Final = (
    (files.SIGNATURE_FILE, "stays here", "signs the logins"),
    (files.PUBLIC_SIGNATURE_FILE, "upload", "lets IBKR verify them"),
    (files.ENCRYPTION_FILE, "stays here", "decrypts the access token secret"),
    (files.PUBLIC_ENCRYPTION_FILE, "upload", "lets IBKR encrypt it"),
    (files.DH_FILE, "upload", "the Diffie-Hellman prime and generator"),
    (files.CREDENTIALS_FILE, "fill in", "what the portal shows at the end"),
)

CHECKLIST: Final = (
    (
        f"Open {PORTAL} and log in. The user decides what the keys are for: use your paper user's name "
        "for paper trading. Log out elsewhere first, the page wants the user for itself."
    ),
    "Accept the terms, if it asks.",
    (
        "Consumer key: invent nine letters A-Z and save. IBKR stores it in upper case: copy it back from "
        "the page into credentials.json as consumer_key."
    ),
    f"Public signing key: upload {files.PUBLIC_SIGNATURE_FILE}.",
    f"Public encryption key: upload {files.PUBLIC_ENCRYPTION_FILE}.",
    f"Diffie-Hellman parameters: upload {files.DH_FILE}.",
    (
        "Generate Token. Access token and access token secret are shown once: copy both into "
        "credentials.json, the secret up to its last '=' (344 characters)."
    ),
    "Switch on 'Enable OAuth Access'.",
    (
        "Wait. A new consumer key works after hours to two weeks, often only after the restart of the "
        "weekend; a new token for an old key works within minutes. Until then the answer is "
        "'invalid consumer'."
    ),
    "Run `ibkr-async oauth check` until everything is green.",
)

IF_THE_PAGE_FAILS: Final = (
    "If an upload fails with 403 or 501: use the US address above, log in as the right user, and try "
    "another day; the page has bad days. IBKR's support may say that OAuth is for institutions only; "
    "individual Pro accounts have it too. Third parties (registered with IBKR by hand) do not use "
    "this page: they run `ibkr-async oauth login`."
)


def make_keys(home: Path, *, fresh_dh: bool) -> None:
    """Make all files in a directory that has none of them yet.

    Errors: `ConfigError` when one exists, or the prime cannot be made; `OSError`.
    """
    existing = [name for name, _, _ in _MADE if (home / name).exists()]
    if existing:
        raise ConfigError(
            f"{home} already holds {', '.join(existing)}; keys are never overwritten: choose another "
            "--directory, or move them away if they are not in use"
        )
    dh = fresh_dh_pem() if fresh_dh else write_dh_pem(GROUP_14)
    files.make_home(home)
    for private_name, public_name in (
        (files.SIGNATURE_FILE, files.PUBLIC_SIGNATURE_FILE),
        (files.ENCRYPTION_FILE, files.PUBLIC_ENCRYPTION_FILE),
    ):
        key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        files.write_new(home / private_name, private)
        files.write_new(home / public_name, public, public=True)
    # Nothing in it is secret, but `OAuth1a` asks for a closed file: who changes it changes the login.
    files.write_new(home / files.DH_FILE, dh)
    empty = {"consumer_key": "", "access_token": "", "access_token_secret": ""}
    files.replace_credentials(home, empty)


def fresh_dh_pem() -> bytes:
    """Let the program `openssl` search a new safe prime. Takes minutes.

    Errors: `ConfigError` when it is not installed or fails.
    """
    openssl = shutil.which("openssl")
    if openssl is None:
        raise ConfigError(
            "--fresh-dh needs the program `openssl`, which is not installed; without the option the "
            "public standard prime is used, which is as good"
        )
    command = [openssl, "dhparam", "-outform", "PEM", str(_KEY_BITS)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command without a shell
            command, capture_output=True, timeout=_LONGEST_SEARCH_S, check=True
        )
        read_dh_pem(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ConfigError(f"openssl could not make Diffie-Hellman parameters: {error}") from None
    return done.stdout


def show(home: Path, *, fresh_dh: bool, plain: bool) -> None:
    """Print what was made and the checklist."""
    prime = (
        "The prime was searched for you alone."
        if fresh_dh
        else "The prime is the public one of RFC 3526, group 14: safe to share, nothing about it is "
        "secret. `--fresh-dh` makes one of your own, which takes minutes."
    )
    if plain:
        _show_plain(home, prime)
    else:
        _show_rich(home, prime)


def _show_plain(home: Path, prime: str) -> None:
    print(f"made in {home}:")
    for name, destination, purpose in _MADE:
        print(f"  {name}  [{destination}]  {purpose}")
    print(prime)
    for number, step in enumerate(CHECKLIST, 1):
        print(f"{number}. {step}")
    print(IF_THE_PAGE_FAILS)


def _show_rich(home: Path, prime: str) -> None:
    console = Console(highlight=False)
    table = Table(title=f"Made in {home}, closed to other users", title_justify="left")
    table.add_column("file", style="bold")
    table.add_column("what to do")
    table.add_column("what it is for")
    styles = {"upload": "green", "stays here": "red", "fill in": "yellow"}
    for name, destination, purpose in _MADE:
        table.add_row(name, f"[{styles[destination]}]{destination}[/]", purpose)
    steps = Table.grid(padding=(0, 1))
    for number, step in enumerate(CHECKLIST, 1):
        steps.add_row(f"{number}.", step)
    console.print(table)
    console.print(Padding(prime, (0, 0, 1, 0)))
    console.print(Panel(steps, title="On IBKR's self-service page", title_align="left"))
    console.print(IF_THE_PAGE_FAILS, style="dim")
