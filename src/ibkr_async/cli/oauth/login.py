"""`ibkr-async oauth login`: the three legs on the command line, for third-party consumers.

Responsible for bringing the user to IBKR's page and the verifier back, and for storing what was
granted. It prints no token but the request token inside the address that the user must open.
"""

from __future__ import annotations

import sys
import webbrowser
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibkr_async.auth import OAuthFlow
from ibkr_async.auth.flow import THIRD_PARTY_URL
from ibkr_async.auth.oauth1a.login import API_URL
from ibkr_async.cli.oauth import files
from ibkr_async.cli.oauth.callback import CallbackListener, verifier_of
from ibkr_async.errors import AuthError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ibkr_async.auth import RequestToken
    from ibkr_async.world import World

ROOTS = {"web": API_URL, "third-party": THIRD_PARTY_URL}


@dataclass(frozen=True, kw_only=True, slots=True)
class LoginOptions:
    """What the command line asked for."""

    home: Path
    consumer_key: str | None
    root: str | None
    authorize_page: str | None
    port: int
    wait_s: float
    paste: bool
    browser: bool
    replace: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Desktop:
    """What stands between the command and its user."""

    say: Callable[[str], None]
    open_browser: Callable[[str], bool] = webbrowser.open
    read_line: Callable[[], str] = lambda: sys.stdin.readline()  # noqa: PLW0108 - the stdin of that moment


async def log_in(options: LoginOptions, desktop: Desktop, world: World) -> Path:
    """Walk the three legs and store the grant; return the file.

    Errors: `ConfigError`, `AuthError`, and the weather of `OAuthFlow`; `OSError`.
    """
    facts = files.read_credentials(options.home)
    if facts.get("access_token") and not options.replace:
        raise ConfigError(
            f"{options.home / files.CREDENTIALS_FILE} already holds an access token; give --replace "
            "to exchange it for a new one"
        )
    async with _flow(options, facts, world) as flow:
        token = await flow.request_token()
        verifier = (
            await _pasted(options, flow, token, desktop, world)
            if options.paste
            else await _called_back(options, flow, token, desktop, world)
        )
        await flow.access_token(verifier, token)
        grant = flow.granted
        facts |= {
            "consumer_key": _consumer_key(options, facts),
            "base_url": flow.base_url,
            "access_token": grant.access_token.reveal(),
            "access_token_secret": grant.access_token_secret.reveal(),
            "is_paper": grant.is_paper,
        }
    kind = {True: "a paper account", False: "a LIVE account", None: "an account"}[grant.is_paper]
    path = files.replace_credentials(options.home, facts)
    desktop.say(f"access to {kind} was granted and stored in {path} (mode 600)")
    return path


def _consumer_key(options: LoginOptions, facts: dict[str, Any]) -> str:
    key = options.consumer_key or facts.get("consumer_key") or ""
    if not isinstance(key, str) or not key:
        raise ConfigError(
            f"give --consumer-key, or write it into {options.home / files.CREDENTIALS_FILE}"
        )
    return key


def _flow(options: LoginOptions, facts: dict[str, Any], world: World) -> OAuthFlow:
    home = options.home
    # The root that the credentials were made for, unless another one is asked for.
    root = options.root or str(facts.get("base_url") or "web")
    ca = home / files.CA_FILE
    return OAuthFlow(
        consumer_key=_consumer_key(options, facts),
        signature_key=home / files.SIGNATURE_FILE,
        encryption_key=home / files.ENCRYPTION_FILE,
        dh=home / files.DH_FILE,
        realm=str(facts.get("realm") or "limited_poa"),
        base_url=ROOTS.get(root, root),
        authorize_page=options.authorize_page,
        ca=ca if ca.exists() else None,
        world=world,
    )


async def _called_back(
    options: LoginOptions, flow: OAuthFlow, token: RequestToken, desktop: Desktop, world: World
) -> str:
    async with CallbackListener(token.reveal(), world=world, port=options.port) as listener:
        address = flow.authorize_url(token, redirect_uri=listener.address)
        await _send_user(options, address, desktop, world)
        desktop.say(f"waiting for the browser to come back to {listener.address}")
        return await listener.verifier(options.wait_s)


async def _pasted(
    options: LoginOptions, flow: OAuthFlow, token: RequestToken, desktop: Desktop, world: World
) -> str:
    await _send_user(options, flow.authorize_url(token), desktop, world)
    desktop.say(
        "approve there, then paste the verifier, or the whole address that you were sent to:"
    )
    line = (await world.threads.run(desktop.read_line)).strip()
    if "?" not in line:
        return line
    verifier = verifier_of(line, token.reveal())
    if verifier is None:
        raise AuthError(
            "authorisation",
            "the pasted address belongs to another login",
            "paste the address that the page opened just now leads to",
        )
    return verifier


async def _send_user(options: LoginOptions, address: str, desktop: Desktop, world: World) -> None:
    desktop.say("open this page and approve (it is good for one login):")
    desktop.say(f"  {address}")
    if options.browser:
        await world.threads.run(desktop.open_browser, address)
