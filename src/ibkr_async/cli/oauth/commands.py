"""`ibkr-async oauth`: make keys, log in as a third party, find out why a login fails.

Responsible for options, exit codes and one-line errors; the work is in `oauth_init`, `oauth_login` and
`oauth_check`. No secret is ever an argument: it could be read by every user of the machine.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations at run time
from typing import TYPE_CHECKING, Annotated

import cyclopts

from ibkr_async.errors import UsageError
from ibkr_async.world import World

if TYPE_CHECKING:
    from ibkr_async.cli.oauth.report import Report

oauth_app = cyclopts.App(
    name="oauth", help="Make OAuth keys for IBKR, log in as a third party, find out what is wrong."
)

_FAILED, _USAGE_ERROR, _INTERRUPTED = 1, 2, 130

Flag = Annotated[bool, cyclopts.Parameter(negative=())]


@oauth_app.command
def init(*, directory: Path | None = None, fresh_dh: Flag = False, plain: Flag = False) -> int:
    """Make both key pairs and the Diffie-Hellman file, and list what to do on IBKR's page.

    Parameters
    ----------
    directory
        Where to put them. Default: IBKR_CREDENTIALS_DIR, or ~/.ibkr.
    fresh_dh
        Search a prime of one's own with the program openssl (minutes), instead of the public
        standard one of RFC 3526.
    plain
        Print lines instead of tables; implied when the output is not a terminal.
    """
    from ibkr_async.cli.oauth import init as oauth_init
    from ibkr_async.cli.oauth.files import credentials_home
    from ibkr_async.errors import IbkrError

    home = credentials_home(directory)
    plain = plain or not sys.stdout.isatty()
    if fresh_dh:
        print("searching a prime; this takes minutes", file=sys.stderr)
    try:
        oauth_init.make_keys(home, fresh_dh=fresh_dh)
    except (IbkrError, OSError) as error:
        return _complain("init", error)
    oauth_init.show(home, fresh_dh=fresh_dh, plain=plain)
    return 0


@oauth_app.command
def login(
    *,
    directory: Path | None = None,
    consumer_key: str | None = None,
    root: str | None = None,
    authorize_page: str | None = None,
    port: int = 20000,
    wait_s: float = 300.0,
    paste: Flag = False,
    no_browser: Flag = False,
    replace: Flag = False,
) -> int:
    """Let a user grant this program access, and store what was granted (third parties only).

    Self-service users do not need this: their token is shown on the portal's page.

    Parameters
    ----------
    directory
        Holds the keys that the consumer was registered with; the token is stored here too.
    consumer_key
        Default: the one in credentials.json.
    root
        `web`, `third-party`, or a whole address. Default: the one in credentials.json, or `web`.
    authorize_page
        Where the user approves. Default: IBKR's page.
    port
        Port on this machine to which the user's browser comes back; 0 takes a free one.
    wait_s
        How long to wait for that.
    paste
        Read the verifier, or the address the browser ended at, from the input instead.
    no_browser
        Only print the address to open.
    replace
        Exchange an access token that is stored already.
    """
    from ibkr_async.cli.oauth.files import credentials_home
    from ibkr_async.cli.oauth.login import Desktop, LoginOptions, log_in
    from ibkr_async.errors import IbkrError

    options = LoginOptions(
        home=credentials_home(directory),
        consumer_key=consumer_key,
        root=root,
        authorize_page=authorize_page,
        port=port,
        wait_s=wait_s,
        paste=paste,
        browser=not no_browser,
        replace=replace,
    )
    try:
        asyncio.run(log_in(options, Desktop(say=_say), World()))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (IbkrError, OSError) as error:
        return _complain("login", error)
    return 0


@oauth_app.command
def check(
    *,
    directory: Path | None = None,
    offline: Flag = False,
    no_session: Flag = False,
    compete: Flag = False,
    plain: Flag = False,
) -> int:
    """Find out whether a login works, step by step, and if not, why and what to do.

    Exit code 0 when everything works, 1 when something fails. The summary at the end can be pasted
    into a report: secrets are masked.

    Parameters
    ----------
    directory
        The credentials directory. Default: IBKR_CREDENTIALS_DIR, or ~/.ibkr.
    offline
        Look at the files only.
    no_session
        Stop after the live session token; the brokerage session is not touched.
    compete
        Take the brokerage session over from another login.
    plain
        Print lines instead of colours and boxes; implied when the output is not a terminal.
    """
    from ibkr_async.cli.oauth.files import credentials_home
    from ibkr_async.cli.oauth.report import Report

    report = Report(plain=plain or not sys.stdout.isatty())
    home = credentials_home(directory)
    try:
        asyncio.run(_check(report, home, offline=offline, session=not no_session, compete=compete))
    except KeyboardInterrupt:
        return _INTERRUPTED
    report.close()
    return _FAILED if report.failed else 0


async def _check(
    report: Report, home: Path, *, offline: bool, session: bool, compete: bool
) -> None:
    from ibkr_async.cli.oauth.check import check_files, check_login
    from ibkr_async.cli.oauth.check_session import check_session

    world = World()
    auth = await world.threads.run(check_files, report, home, world)
    if auth is None:
        report.skip("login", "the files are not complete")
    elif offline:
        report.skip("login", "--offline")
    elif not await check_login(report, auth, world):
        report.skip("brokerage session", "there is no login")
    elif session:
        await check_session(report, auth, world, compete=compete)
    else:
        report.skip("brokerage session", "--no-session")


def _say(text: str) -> None:
    print(text, flush=True)


def _complain(command: str, error: Exception) -> int:
    print(f"ibkr-async oauth {command}: {error}", file=sys.stderr)
    return _USAGE_ERROR if isinstance(error, OSError | UsageError) else _FAILED
