"""`ibkr-async oauth check`: look at everything that a login needs, in the order in which it is needed.

First the files, without any network; then the server, the live session token step by step, the
brokerage session and the socket. Each failure comes with cause and cure, and what depends on it is
skipped. It must never change a file, place an order, or throw out another login unasked.
"""

from __future__ import annotations

import re
import stat
import warnings
from typing import TYPE_CHECKING, Final

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ibkr_async import files as own_files
from ibkr_async.auth import OAuth1a
from ibkr_async.auth.keys import read_private_key
from ibkr_async.auth.oauth1a.credentials import Credentials, from_files
from ibkr_async.auth.server_clock import NOTABLE_SKEW_S, ServerClock
from ibkr_async.cli.oauth import files
from ibkr_async.cli.oauth.causes import explain
from ibkr_async.cli.oauth.report import masked
from ibkr_async.errors import ConfigError, IbkrError, TransportError
from ibkr_async.models.base import decode
from ibkr_async.models.session import LiveSessionTokenReply
from ibkr_async.oauth import dh
from ibkr_async.oauth.dh_files import GROUP_14, is_canonical, is_safe_prime
from ibkr_async.oauth.session_token import SECRET_LENGTH, decrypt_secret
from ibkr_async.ports import USER_AGENT, HttpReply, HttpRequest
from ibkr_async.rest.transport import HttpxTransport

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from ibkr_async.cli.oauth.report import Report
    from ibkr_async.ports import Transport
    from ibkr_async.world import Clock, World

_PROBE_S: Final = 15.0
_CONSUMER_KEY: Final = re.compile(r"[A-Z]{9}", re.ASCII)
_ACCESS_TOKEN: Final = re.compile(r"[0-9a-f]{20}", re.ASCII)
_OK, _FORBIDDEN, _GONE = 200, 403, 410
_HOUR_S: Final = 3600
_NEW_DH: Final = "make a new file with `ibkr-async oauth init` in an empty directory and upload it"
_SWAPPED: Final = "the same key in two places, or the two swapped, gives 401 at every login"


def check_files(report: Report, home: Path, world: World) -> OAuth1a | None:
    """Look at the directory; return credentials when a login can be tried with them."""
    report.heading("Files")
    if not home.is_dir():
        report.fail(
            "directory",
            f"{home} does not exist",
            cure="make the keys with `ibkr-async oauth init`, or name another --directory",
        )
        return None
    _check_modes(report, home)
    credentials = _credentials(report, home)
    signature = _key(report, home, files.SIGNATURE_FILE, files.PUBLIC_SIGNATURE_FILE)
    encryption = _key(report, home, files.ENCRYPTION_FILE, files.PUBLIC_ENCRYPTION_FILE)
    if signature and encryption:
        if signature.private_numbers() == encryption.private_numbers():
            report.fail("two keys", "signature and encryption key are the same", cause=_SWAPPED)
        else:
            report.ok("two keys", "signature and encryption key differ")
    dh_is_usable = _check_dh(report, home, credentials)
    if credentials is None or not (signature and encryption and dh_is_usable):
        return None
    if not _check_secret(report, credentials["access_token_secret"], encryption):
        return None
    try:
        # Open files have been reported; the login can be tried all the same.
        return OAuth1a(**credentials, allow_open_key_files=True, world=world)
    except ConfigError as error:
        report.fail("credentials", str(error), cure=f"correct {home / files.CREDENTIALS_FILE}")
        return None


def _check_modes(report: Report, home: Path) -> None:
    names = (
        files.SIGNATURE_FILE,
        files.ENCRYPTION_FILE,
        files.DH_FILE,
        files.CREDENTIALS_FILE,
    )
    present = [home / name for name in names if (home / name).exists()]
    try:
        own_files.check_private_files(present)
    except ConfigError as error:
        report.fail(
            "modes",
            str(error),
            cause="whoever can read these files can trade with your account",
            cure="run the chmod above",
        )
        return
    modes = ", ".join(f"{path.name} {stat.S_IMODE(path.stat().st_mode):o}" for path in present)
    report.ok("modes", f"{home} {stat.S_IMODE(home.stat().st_mode):o}; {modes}")


def _credentials(report: Report, home: Path) -> Credentials | None:
    try:
        found = from_files(home, allow_open=True)
    except ConfigError as error:
        report.fail(
            "credentials",
            str(error),
            cure=f"fill in {home / files.CREDENTIALS_FILE}; `ibkr-async oauth init` lists the steps, "
            "third parties run `ibkr-async oauth login`",
        )
        return None
    consumer_key, access_token = found["consumer_key"], found["access_token"]
    report.hide(consumer_key, access_token, found["access_token_secret"])
    report.ok("credentials", f"realm {found.get('realm', 'limited_poa')}")
    if _CONSUMER_KEY.fullmatch(consumer_key):
        report.ok("consumer key", masked(consumer_key))
    else:
        report.warn(
            "consumer key",
            f"{masked(consumer_key)}: IBKR's have nine letters, upper case",
            cure="copy it back from the portal's page",
        )
    if _ACCESS_TOKEN.fullmatch(access_token):
        report.ok("access token", "twenty hexadecimal digits")
    else:
        report.warn(
            "access token",
            f"{len(access_token)} characters; IBKR's have twenty hexadecimal digits",
            cure="copy it again, without blanks",
        )
    return found


def _key(report: Report, home: Path, private: str, public: str) -> RSAPrivateKey | None:
    what = private.removesuffix(".pem").replace("_", " ")
    try:
        key = read_private_key(home / private, f"{what} key", allow_open=True)
    except ConfigError as error:
        report.fail(
            what, str(error), cure="make new keys with `ibkr-async oauth init`, upload them"
        )
        return None
    own = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    uploaded = home / public
    if uploaded.exists() and own_files.read_file(uploaded).split() != own.split():
        report.fail(
            what,
            f"{public} is not its public half",
            cause="IBKR verifies with what was uploaded; another half cannot fit",
            cure="upload the right half: `openssl rsa -in "
            f"{private} -pubout -out {public}`, then the portal",
        )
        return key
    half = f", {public} fits" if uploaded.exists() else ""
    report.ok(what, f"RSA, {key.key_size} bits{half}")
    return key


def _check_dh(report: Report, home: Path, credentials: Credentials | None) -> bool:
    path = home / files.DH_FILE
    if not path.exists():
        if credentials is None:
            report.fail(
                "DH prime", f"{path} does not exist", cure="`ibkr-async oauth init` makes it"
            )
            return False
        # Without the file, `from_files` has insisted on the prime as hex.
        report.ok("DH prime", "given as dh_prime in credentials.json; the upload is not seen here")
        return True
    try:
        content = own_files.read_private_file(path, allow_open=True)
        params = dh.read_dh_pem(content)
        canonical = is_canonical(content)
    except (ConfigError, ValueError) as error:
        row = explain(ConfigError(str(error)))
        report.fail("DH prime", str(error), cause=row.cause, cure=row.cure or _NEW_DH)
        return False
    if not canonical:
        row = explain(ConfigError("not canonical"))
        report.fail("DH prime", "its DER is not canonical", cause=row.cause, cure=row.cure)
        return True
    bits = params.prime.bit_length()
    if params.prime != GROUP_14.prime and not is_safe_prime(params.prime):
        report.fail(
            "DH prime",
            f"{bits} bits, not a safe prime",
            cause="a prime of another kind gives secrets away, and a damaged one never agrees",
            cure=_NEW_DH,
        )
        return True
    known = " (RFC 3526 group 14)" if params.prime == GROUP_14.prime else ""
    report.ok(
        "DH prime",
        f"{bits} bits, safe prime{known}, generator {params.generator}, sign byte in place",
    )
    if params.generator != GROUP_14.generator:
        report.warn("DH generator", f"{params.generator}; IBKR's samples always use 2")
    return True


def _check_secret(report: Report, encrypted: str, key: RSAPrivateKey) -> bool:
    with warnings.catch_warnings():
        # A suspicious length is a finding here, not a warning.
        warnings.simplefilter("ignore")
        try:
            length = len(decrypt_secret(encrypted, key))
        except ValueError as error:
            row = explain(ConfigError(str(error)))
            report.fail("access token secret", str(error), cause=row.cause, cure=row.cure)
            return False
    if length != SECRET_LENGTH:
        report.warn(
            "access token secret",
            f"decrypts to {length} bytes instead of {SECRET_LENGTH}",
            cause="the encryption key is probably not the uploaded one, or swapped",
            cure="use the key that was uploaded, or generate a new token for this one",
        )
    else:
        report.ok("access token secret", f"decrypts to {length} bytes")
    return True


async def check_login(report: Report, auth: OAuth1a, world: World) -> bool:
    """Reach the server, compare clocks, agree a live session token; tell whether that worked."""
    report.heading("Server")
    transport = HttpxTransport(auth.ssl_context, world=world)
    try:
        if not await _check_server(report, auth.base_url, transport, world.clock):
            report.skip("live session token", "the server cannot be reached")
            return False
        report.heading("Live session token")
        return await _check_token(report, auth, transport, world.clock)
    finally:
        await transport.aclose()


async def _check_server(report: Report, base_url: str, transport: Transport, clock: Clock) -> bool:
    """Send a request that nobody would accept: its answer shows address, edge and clock."""
    request = HttpRequest(
        method="GET",
        url=f"{base_url}/oauth/live_session_token",
        headers={"Accept": "application/json", "User-Agent": USER_AGENT},
        content=b"",
        timeout_s=_PROBE_S,
        label="GET /oauth/live_session_token",
    )
    began = clock.monotonic()
    try:
        reply = await transport.send(request)
    except IbkrError as error:
        row = explain(error)
        report.fail("server", str(error), cause=row.cause, cure=row.cure)
        return False
    took_ms = (clock.monotonic() - began) * 1000
    if reply.status in {_FORBIDDEN, _GONE}:
        row = explain(ConfigError(str(reply.status)))
        report.warn("server", f"{base_url}: {reply.status}", cause=row.cause, cure=row.cure)
    else:
        report.ok("server", f"{base_url} answers after {took_ms:.0f} ms")
    _check_clock(report, reply, clock)
    return True


def _check_clock(report: Report, reply: HttpReply, clock: Clock) -> None:
    if "date" not in reply.headers:
        report.skip("clock", "the server does not say what time it is")
        return
    server = ServerClock(clock.wall)
    server.learn(reply.headers)
    off_s = abs(server.ahead_s)
    if off_s > NOTABLE_SKEW_S:
        way = "ahead of" if server.ahead_s > 0 else "behind"
        row = explain(ConfigError("clock is"))
        detail = f"this machine's clock is {off_s:.0f} s {way} the server's"
        report.fail("clock", detail, cause=row.cause, cure=row.cure)
    else:
        # The header has whole seconds, and the way takes time.
        report.ok("clock", f"agrees with the server's to within {max(off_s, 1) + 1:.0f} s")


async def _check_token(report: Report, auth: OAuth1a, transport: Transport, clock: Clock) -> bool:
    replies: list[HttpReply] = []

    async def send(request: HttpRequest) -> HttpReply:
        reply = await transport.send(request)
        replies.append(reply)
        return reply

    began, failure = clock.monotonic(), None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the length of the secret has been reported
            await auth.login(send)
    except IbkrError as error:
        failure = error
    took_ms = (clock.monotonic() - began) * 1000
    steps = _steps(replies[-1:])
    for step in steps:
        report.ok(step)
    if failure is not None:
        row = explain(failure)
        report.fail(_failed_step(steps, failure), str(failure), cause=row.cause, cure=row.cure)
        return False
    report.ok("Diffie-Hellman response", "in its range")
    report.ok("proof of the token", "the server has the same one")
    left_s = (auth.expires_at or 0) - clock.wall() + auth.clock_ahead_s
    attempts = f", {len(replies)} attempts" if len(replies) > 1 else ""
    report.ok("agreed", f"in {took_ms:.0f} ms{attempts}; lapses in {left_s / _HOUR_S:.1f} hours")
    return True


def _failed_step(steps: list[str], failure: IbkrError) -> str:
    if isinstance(failure, TransportError) or not steps:
        return "request"
    if len(steps) == 1:
        return "answer"
    response = "Diffie-Hellman response"
    return response if response.lower() in str(failure).lower() else "proof of the token"


def _steps(replies: list[HttpReply]) -> list[str]:
    """Name the steps that the last answer shows to have worked."""
    if not replies:
        return []
    steps = ["request signed and sent"]
    reply = replies[0]
    if reply.status != _OK:
        return steps
    try:
        answer: LiveSessionTokenReply = decode(LiveSessionTokenReply, reply.content)
    except msgspec.DecodeError:
        return steps
    if not answer.diffie_hellman_response or "error" in answer.extra:
        return steps
    return [*steps, "answer accepted the signature"]
