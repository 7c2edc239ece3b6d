"""`ibkr-async oauth` as its users meet it: keys, the three legs, the doctor."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.console import Console

from ibkr_async.auth import OAuth1a
from ibkr_async.auth.flow import THIRD_PARTY_URL
from ibkr_async.auth.oauth1a.login import API_URL
from ibkr_async.cli.oauth import check as oauth_check
from ibkr_async.cli.oauth import init as oauth_init
from ibkr_async.cli.oauth.callback import CallbackListener, verifier_of
from ibkr_async.cli.oauth.causes import CAUSES, explain
from ibkr_async.cli.oauth.commands import oauth_app
from ibkr_async.cli.oauth.files import replace_credentials
from ibkr_async.cli.oauth.login import Desktop, LoginOptions, _flow, log_in
from ibkr_async.cli.oauth.report import Report, State, masked
from ibkr_async.errors import (
    AuthError,
    CompetingSessionError,
    ConfigError,
    ConnectFailedError,
    IbkrError,
    LiveSessionTokenError,
    SessionTimeoutError,
    TlsError,
    UsageError,
)
from ibkr_async.oauth.dh_files import GROUP_14, write_dh_pem
from ibkr_async.ports import HttpReply, HttpRequest
from ibkr_async.simulator import Simulator, SimulatorSettings
from ibkr_async.simulator.login.keys import SimulatorKeys
from ibkr_async.simulator.login.oauth_flow import THIRD_PARTY_KEY
from ibkr_async.world import RealClock, World
from support.inside import send_of, simulator_parts

PROGRAM = "from ibkr_async.cli.oauth.commands import oauth_app; oauth_app()"


@pytest.fixture(scope="module")
def keys() -> SimulatorKeys:
    """Return one set of keys: making one takes half a second."""
    return SimulatorKeys.generate()


@pytest.fixture
async def sim(keys: SimulatorKeys) -> AsyncIterator[Simulator]:
    """Return a running simulator."""
    async with Simulator(keys=keys, settings=SimulatorSettings(greeting_delay_s=0.0)) as running:
        yield running


@pytest.fixture
def home(sim: Simulator, tmp_path: Path) -> Path:
    """Return a directory of working first-party credentials."""
    sim.write_credentials(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what `init` makes."""
    home = tmp_path_factory.mktemp("made") / "keys"
    oauth_init.make_keys(home, fresh_dh=False)
    return home


def run(*arguments: str) -> int:
    """Run the program in this process until it returns."""
    result = oauth_app(arguments, result_action="return_value")
    assert isinstance(result, int)
    return result


async def run_beside(*arguments: str | Path) -> tuple[int, str, str]:
    """Run the program as one of its own, beside a simulator in this process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "-c",
        PROGRAM,
        *map(str, arguments),
        # Not measured: coverage's tracer makes CPython 3.11 lose exceptions inside coroutines.
        env={name: text for name, text in os.environ.items() if not name.startswith("COVERAGE_")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 50)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def mode(path: Path) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def leftovers(home: Path) -> list[Path]:
    """Return the half-written files of a directory."""
    return list(home.glob(".credentials*"))


# --- init ----------------------------------------------------------------------------------------


def test_init_makes_keys_that_fit_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both pairs, the prime, an empty credentials file, the right modes, and the whole checklist."""
    home = tmp_path / "deep" / "keys"

    code = run("init", "--directory", str(home), "--plain")

    out = capsys.readouterr().out
    assert code == 0
    assert mode(home) == 0o700
    assert {path.name: mode(path) for path in home.iterdir()} == {
        "private_signature.pem": 0o600,
        "private_encryption.pem": 0o600,
        "dhparam.pem": 0o600,
        "credentials.json": 0o600,
        "public_signature.pem": 0o644,
        "public_encryption.pem": 0o644,
    }
    assert [line for line in out.splitlines() if line[:1].isdigit()] == [
        f"{number}. {step}" for number, step in enumerate(oauth_init.CHECKLIST, 1)
    ]
    assert "RFC 3526" in out
    assert "PRIVATE KEY" not in out
    facts = json.loads((home / "credentials.json").read_text())
    assert facts == {"consumer_key": "", "access_token": "", "access_token_secret": ""}


def test_init_never_overwrites(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run names what is there and changes nothing."""
    before = {path: path.read_bytes() for path in made.iterdir()}

    code = run("init", "--directory", str(made))

    assert code == 2
    assert "never overwritten" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in made.iterdir()} == before


def test_init_is_pleasant_on_a_terminal(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables and a panel, with every file and step in them."""
    written = io.StringIO()
    monkeypatch.setattr(
        oauth_init, "Console", lambda **options: Console(file=written, width=100, **options)
    )

    oauth_init.show(made, fresh_dh=True, plain=False)

    assert "On IBKR's self-service page" in written.getvalue()
    assert "public_encryption.pem" in written.getvalue()
    assert "searched for you alone" in written.getvalue()


def test_fresh_prime_comes_from_openssl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real tool would take minutes: one that answers at once stands in for it."""
    tool = tmp_path / "openssl"
    answer = tmp_path / "answer.pem"
    answer.write_bytes(write_dh_pem(GROUP_14))
    tool.write_text(f'#!/bin/sh\n[ "$*" = "dhparam -outform PEM 2048" ] && exec cat {answer}\n')
    tool.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert run("init", "--directory", str(tmp_path / "keys"), "--fresh-dh", "--plain") == 0
    assert (tmp_path / "keys" / "dhparam.pem").read_bytes() == answer.read_bytes()
    answer.write_bytes(b"nonsense")
    assert run("init", "--directory", str(tmp_path / "more"), "--fresh-dh") == 2
    assert not (tmp_path / "more").exists()
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(ConfigError, match="not installed"):
        oauth_init.fresh_dh_pem()


def test_no_secret_is_ever_an_argument(capsys: pytest.CaptureFixture[str]) -> None:
    """Arguments are seen by every user of the machine, so no option takes a secret."""
    for command in ("init", "login", "check"):
        run_help = subprocess.run(
            [sys.executable, "-c", PROGRAM, command, "--help"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for word in ("--passphrase", "--secret", "--token", "--verifier"):
            assert word not in run_help


async def run_here(
    capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> tuple[int, str, str]:
    """Run the program in a thread of this process, beside a simulator."""
    capsys.readouterr()
    code = await asyncio.to_thread(run, *map(str, arguments))
    return code, *capsys.readouterr()


# --- login ---------------------------------------------------------------------------------------


def options(home: Path, **changes: Any) -> LoginOptions:
    """Return the command line's wishes for a third-party login."""
    wishes: dict[str, Any] = {
        "home": home,
        "consumer_key": THIRD_PARTY_KEY,
        "root": None,
        "authorize_page": None,
        "port": 0,
        "wait_s": 20.0,
        "paste": False,
        "browser": True,
        "replace": True,
    }
    return LoginOptions(**(wishes | changes))


def visitor(sim: Simulator, make_url: Callable[[str, str, str], str]) -> Callable[[str], bool]:
    """Return a browser that approves and visits what `make_url` says, in its own thread."""
    from urllib.parse import parse_qs, urlsplit

    def visit(address: str) -> bool:
        query = parse_qs(urlsplit(address).query)
        token, back = query["oauth_token"][0], query.get("redirect_uri", [""])[0]
        url = make_url(back, token, sim.approve(token))
        with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310 - our own loopback
            reply.read()
        return True

    return visit


async def test_login_stores_what_the_browser_brings_back(sim: Simulator, home: Path) -> None:
    """The browser comes back to loopback; afterwards the directory logs in by itself."""
    said: list[str] = []
    browser = visitor(
        sim, lambda back, token, verifier: f"{back}?oauth_token={token}&oauth_verifier={verifier}"
    )

    path = await log_in(options(home), Desktop(say=said.append, open_browser=browser), World())

    facts = json.loads(path.read_text())
    assert mode(path) == 0o600
    assert facts["consumer_key"] == THIRD_PARTY_KEY
    assert facts["is_paper"] is True
    assert facts["account_id"] == sim.account_id
    assert "paper account" in said[-1]
    assert facts["access_token"] not in " ".join(said)
    auth = OAuth1a.from_files(home)
    async with sim.flow() as flow:
        await auth.login(send_of(flow))
    assert not auth.needs_login
    assert not leftovers(home)


@pytest.mark.parametrize("whole_address", [True, False])
async def test_login_takes_a_pasted_verifier(
    sim: Simulator, home: Path, whole_address: bool
) -> None:
    """Either the code alone, or the address that the browser ended at."""
    said: list[str] = []

    def paste() -> str:
        token = said[1].partition("oauth_token=")[2]
        verifier = sim.approve(token)
        address = f"https://callback.example/?oauth_token={token}&oauth_verifier={verifier}"
        return f"{address if whole_address else verifier}\n"

    path = await log_in(
        options(home, paste=True, browser=False, root=f"{sim.origin}/tradingapi/v1"),
        Desktop(say=said.append, read_line=paste),
        World(),
    )

    assert json.loads(path.read_text())["base_url"] == f"{sim.origin}/tradingapi/v1"


async def test_pasted_address_of_another_login_is_refused(sim: Simulator, home: Path) -> None:
    """A stale address from an earlier attempt is recognised."""
    desktop = Desktop(
        say=lambda _text: None,
        read_line=lambda: "http://x/?oauth_token=other&oauth_verifier=abc",
    )

    with pytest.raises(AuthError, match="another login"):
        await log_in(options(home, paste=True, browser=False), desktop, World())


async def test_refusal_and_silence_are_told_apart(sim: Simulator, home: Path) -> None:
    """A user who says no ends the wait at once; one who does nothing ends it in the end."""
    before = (home / "credentials.json").read_bytes()
    refusing = visitor(
        sim, lambda back, token, _: f"{back}?oauth_token={token}&oauth_problem=user_refused"
    )

    with pytest.raises(AuthError, match="not granted"):
        await log_in(options(home), Desktop(say=lambda _: None, open_browser=refusing), World())
    with pytest.raises(AuthError, match="--paste"):
        await log_in(
            options(home, wait_s=0.01, browser=False), Desktop(say=lambda _: None), World()
        )
    assert (home / "credentials.json").read_bytes() == before


async def test_login_knows_both_roots_by_name(home: Path) -> None:
    """`web` and `third-party` stand for IBKR's two addresses."""
    roots = [
        _flow(options(home, root=name), {"base_url": "https://localhost/v1/api"}, World()).base_url
        for name in ("web", "third-party", None)
    ]

    assert roots == [API_URL, THIRD_PARTY_URL, "https://localhost/v1/api"]


async def test_stored_token_is_not_lost_by_accident(home: Path) -> None:
    """A token that works is exchanged only on request; a key must come from somewhere."""
    with pytest.raises(ConfigError, match="--replace"):
        await log_in(options(home, replace=False), Desktop(say=lambda _: None), World())
    replace_credentials(home, {})
    with pytest.raises(ConfigError, match="--consumer-key"):
        await log_in(options(home, consumer_key=None), Desktop(say=lambda _: None), World())


async def test_login_command_explains_failures_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback: exit code 2 for what the user can correct."""
    code, out, err = await run_here(
        capsys, "login", "--directory", tmp_path, "--consumer-key", "AAAAAAAAA"
    )

    assert (code, out) == (2, "")
    assert err.startswith("ibkr-async oauth login: cannot find the file")
    assert len(err.splitlines()) == 1


async def test_listener_ignores_strangers() -> None:
    """Port scanners, other logins and nonsense neither end the wait nor disturb it."""

    def visit(address: str) -> int:
        try:
            with urllib.request.urlopen(address, timeout=10) as reply:  # noqa: S310 - our own loopback
                return int(reply.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    async with CallbackListener("right", world=World()) as listener:
        address = listener.address
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.split(":")[2][:-1]))
        writer.write(b"nonsense\r\n\r\n")
        nonsense = await reader.read()
        writer.close()
        await writer.wait_closed()
        strangers = [
            await asyncio.to_thread(visit, f"{address}{query}")
            for query in ("", "favicon.ico", "?oauth_token=wrong&oauth_verifier=x")
        ]
        for verifier in ("abc", "later"):
            query = f"?oauth_token=right&oauth_verifier={verifier}"
            assert await asyncio.to_thread(visit, f"{address}{query}") == 200
        found = await listener.verifier(1)

    assert nonsense.startswith(b"HTTP/1.1 400")
    assert strangers == [404, 404, 404]
    assert found == "abc"
    with pytest.raises(UsageError):
        await CallbackListener("x", world=World()).verifier(1)
    assert verifier_of("http://x/?oauth_token=a", "b") is None


# --- check ---------------------------------------------------------------------------------------


def states(report: Report) -> dict[str, State]:
    """Return what became of each look."""
    return {finding.what: finding.state for finding in report.findings}


async def test_check_passes_for_working_credentials(sim: Simulator, home: Path) -> None:
    """Every step is green, down to the socket, and the summary holds no secret."""
    code, out, err = await run_beside("check", "--directory", home, "--plain")

    assert (code, err) == (0, ""), out + err
    assert "FAIL" not in out
    for step in (
        "modes",
        "two keys",
        "DH prime: 2048 bits, safe prime (RFC 3526 group 14), generator 2, sign byte in place",
        "access token secret: decrypts to 32 bytes",
        "clock",
        "answer accepted the signature",
        "Diffie-Hellman response: in its range",
        "proof of the token",
        "brokerage session: paper",
        "socket: opened and greeted",
    ):
        assert f"ok   {step}" in out
    facts = json.loads((home / "credentials.json").read_text())
    for name in ("consumer_key", "access_token", "access_token_secret", "account_id"):
        assert facts[name] not in out
    assert "--- summary, secrets masked ---\nibkr-async oauth check: passed" in out


async def test_check_stops_where_it_is_told(
    sim: Simulator, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--offline` sends nothing; `--no-session` leaves the brokerage session alone."""
    offline = await run_here(capsys, "check", "--directory", home, "--offline")
    sent = len(sim.requests)
    login_only = await run_here(capsys, "check", "--directory", home, "--no-session")

    assert (offline[0], sent) == (0, 0)
    assert login_only[0] == 0
    assert {record.path for record in sim.requests} == {"/oauth/live_session_token"}


async def test_check_covers_session_and_socket(
    sim: Simulator, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole check in this process; on a terminal that is none, lines are printed."""
    code, out, _ = await run_here(capsys, "check", "--directory", home)

    assert code == 0
    assert "ok   socket: opened and greeted" in out
    assert sim.sockets[0].client_close_code == 1000


async def test_check_reports_a_socket_that_is_refused(
    sim: Simulator, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A session without a socket is half a login: the address is wrong, or something is between."""
    change(home, ws_url=f"{sim.ws_url}/elsewhere")

    code, out, _ = await run_here(capsys, "check", "--directory", home)

    assert code == 1
    assert "ok   brokerage session" in out
    assert "FAIL socket: cannot open the socket" in out


async def test_login_command_stores_a_pasted_verifier(
    sim: Simulator, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command as it is typed, with the verifier on its input."""
    asked: list[str] = []

    class Input(io.StringIO):
        def readline(self, size: int = -1, /) -> str:
            # What only the page of approval shows.
            token = next(iter(simulator_parts(sim).flow._asked))
            asked.append(token)
            return sim.approve(token)

    monkeypatch.setattr(sys, "stdin", Input())

    code, out, err = await run_here(
        capsys,
        *("login", "--directory", home, "--consumer-key", THIRD_PARTY_KEY),
        *("--replace", "--paste", "--no-browser"),
    )

    assert (code, err) == (0, "")
    assert "then paste the verifier" in out
    assert len(asked) == 1


async def test_check_finds_another_login(
    sim: Simulator, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A session that somebody else holds is named with its cure, and is not taken."""
    sim.compete()

    code, out, _ = await run_here(capsys, "check", "--directory", home, "--plain")

    assert code == 1
    assert "FAIL brokerage session" in out
    assert "--compete" in out
    assert "skip socket" in out


def other_key() -> bytes:
    """Make another private key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def change(home: Path, **facts: str) -> None:
    """Change what `credentials.json` says."""
    found = json.loads((home / "credentials.json").read_text())
    replace_credentials(home, found | facts)


def _open_mode(home: Path) -> None:
    (home / "private_signature.pem").chmod(0o644)


def _same_keys(home: Path) -> None:
    shutil.copy(home / "private_encryption.pem", home / "private_signature.pem")


def _wrong_public_half(home: Path) -> None:
    (home / "public_signature.pem").write_text("-----BEGIN PUBLIC KEY-----\n")


def _not_a_key(home: Path) -> None:
    (home / "private_encryption.pem").write_text("nothing")


def _no_dh(home: Path) -> None:
    (home / "dhparam.pem").unlink()
    change(home, dh_prime="")


def _x942(home: Path) -> None:
    (home / "dhparam.pem").write_text("-----BEGIN X9.42 DH PARAMETERS-----\n")


def _no_sign_byte(home: Path) -> None:
    import base64

    body = b"\x02\x82\x01\x00" + GROUP_14.prime.to_bytes(256, "big") + b"\x02\x01\x02"
    text = base64.b64encode(b"\x30\x82" + len(body).to_bytes(2, "big") + body).decode()
    (home / "dhparam.pem").write_text(
        f"-----BEGIN DH PARAMETERS-----\n{text}\n-----END DH PARAMETERS-----\n"
    )


def _double_zero(home: Path) -> None:
    import base64

    body = b"\x02\x82\x01\x02\x00\x00" + GROUP_14.prime.to_bytes(256, "big") + b"\x02\x01\x02"
    text = base64.b64encode(b"\x30\x82" + len(body).to_bytes(2, "big") + body).decode()
    (home / "dhparam.pem").write_text(
        f"-----BEGIN DH PARAMETERS-----\n{text}\n-----END DH PARAMETERS-----\n"
    )


def _composite(home: Path) -> None:
    (home / "dhparam.pem").write_bytes(write_dh_pem(GROUP_14._replace(prime=GROUP_14.prime - 2)))


def _cut_secret(home: Path) -> None:
    facts = json.loads((home / "credentials.json").read_text())
    change(home, access_token_secret=facts["access_token_secret"][:300])


def _no_token(home: Path) -> None:
    change(home, access_token="")


def _no_directory(home: Path) -> None:
    shutil.rmtree(home)


def _blank_in_key(home: Path) -> None:
    change(home, consumer_key="SIM ULATOR")


@pytest.mark.parametrize(
    ("damage", "what", "words"),
    [
        (_open_mode, "modes", "chmod 600"),
        (_same_keys, "two keys", "are the same"),
        (_wrong_public_half, "private signature", "not its public half"),
        (_not_a_key, "private encryption", "not a private key"),
        (_no_dh, "credentials", "dhparam.pem"),
        (_x942, "DH prime", "X9.42"),
        (_no_sign_byte, "DH prime", "a number is negative"),
        (_double_zero, "DH prime", "not canonical"),
        (_composite, "DH prime", "not a safe prime"),
        (_cut_secret, "access token secret", "incomplete"),
        (_no_token, "credentials", "access_token in credentials.json"),
        (_no_directory, "directory", "does not exist"),
        (_blank_in_key, "credentials", "consumer_key"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_check_finds_what_is_wrong_with_the_files(
    home: Path, damage: Callable[[Path], None], what: str, words: str
) -> None:
    """Each fault is a line of its own, with a cause or a cure."""
    damage(home)
    report = Report(plain=True)

    oauth_check.check_files(report, home, World())

    found = [f for f in report.findings if f.what == what and f.state is State.FAILED]
    assert found, states(report)
    assert words in found[0].detail
    assert found[0].cause or found[0].cure


async def test_check_warns_of_what_may_be_wrong(sim: Simulator, home: Path) -> None:
    """Unusual shapes are not forbidden, and a length that hints at the wrong key is said."""
    change(home, consumer_key="SIMULATOR1", access_token="z" * 19)
    (home / "dhparam.pem").write_bytes(write_dh_pem(GROUP_14._replace(generator=5)))
    report = Report(plain=True)

    auth = oauth_check.check_files(report, home, World())

    warned = {what for what, state in states(report).items() if state is State.WARNING}
    assert warned == {"consumer key", "access token", "DH generator"}
    assert auth is not None
    assert "zzzz" not in report.summary()


async def test_check_without_the_file_uses_the_prime_as_hex(sim: Simulator, home: Path) -> None:
    """`dh_prime` in credentials.json is enough to log in."""
    (home / "dhparam.pem").unlink()
    report = Report(plain=True)

    auth = oauth_check.check_files(report, home, World())

    assert auth is not None
    assert states(report)["DH prime"] is State.OK


@pytest.mark.parametrize(
    ("ciphertext", "expected"),
    [
        # OpenSSL answers with random bytes of random length: 32 of them in very rare cases.
        (b"\x01" * 256, {State.WARNING, State.OK}),
        (b"\xff" * 256, {State.FAILED}),
    ],
    ids=["below the modulus", "above the modulus"],
)
async def test_check_names_a_wrong_encryption_key(
    home: Path, ciphertext: bytes, expected: set[State]
) -> None:
    """A wrong key raises nothing, unless its modulus is too small: only the length tells."""
    (home / "private_encryption.pem").write_bytes(other_key())
    change(home, access_token_secret=base64.b64encode(ciphertext).decode())
    report = Report(plain=True)

    oauth_check.check_files(report, home, World())

    assert states(report)["access token secret"] in expected


class Scripted:
    """A transport that answers as it was told."""

    def __init__(self, *script: tuple[int, Any] | IbkrError, **headers: str) -> None:
        self.script = list(script)
        self.headers = headers

    async def send(self, request: HttpRequest) -> HttpReply:
        answer = self.script.pop(0)
        if isinstance(answer, IbkrError):
            raise answer
        status, body = answer
        return HttpReply(status=status, headers=self.headers, content=json.dumps(body).encode())

    async def aclose(self) -> None:
        return None


@pytest.mark.parametrize(
    ("script", "what", "cure"),
    [
        (
            [ConnectFailedError("POST x", "no connection", may_have_reached_server=False)],
            "request",
            "firewall",
        ),
        ([(401, {"error": "id: 1, error: invalid consumer"})], "answer", "weekend restart"),
        (
            [(401, {"error": "id: 1, error: LST failed, error: No access secret key found for X"})],
            "answer",
            "within minutes",
        ),
        ([(401, {"error": "id: 1, error: LST failed, error: "})], "answer", "new token"),
        ([(401, {"error": "id: 1, error: invalid signature"})], "answer", "swapped"),
        ([(403, {})], "answer", "15 minutes"),
        ([(410, {})], "answer", "1.api.ibkr.com"),
        ([(200, {}), (200, {})], "answer", "try again in a minute"),
        ([(200, {"diffie_hellman_response": "1"})], "Diffie-Hellman response", "dhparam.pem"),
        ([(200, {"diffie_hellman_response": "ff"})], "proof of the token", "upload"),
        ([(200, [])], "answer", ""),
    ],
)
async def test_check_names_the_step_that_fails(
    home: Path, script: list[Any], what: str, cure: str
) -> None:
    """Every row of the known troubles is found again by its words, with its cure."""
    report = Report(plain=True)

    # One step of the check: the others need a server.
    passed = await oauth_check._check_token(
        report, OAuth1a.from_files(home), Scripted(*script), RealClock()
    )

    failed = report.findings[-1]
    assert not passed
    assert (failed.what, failed.state) == (what, State.FAILED)
    assert cure in failed.cure


async def test_check_looks_at_server_and_clock(capsys: pytest.CaptureFixture[str]) -> None:
    """A dead address, an edge that refuses, a clock that is off, and one that nobody tells."""
    report = Report(plain=True)
    dead = ConnectFailedError("GET x", "no connection", may_have_reached_server=False)

    # One step of the check: the others need keys.
    assert not await oauth_check._check_server(report, "https://x", Scripted(dead), RealClock())
    late = Scripted((403, {}), date="Tue, 14 Nov 2023 22:13:20 GMT")
    # One step of the check: the others need keys.
    assert await oauth_check._check_server(report, "https://x", late, RealClock())
    # One step of the check: the others need keys.
    assert await oauth_check._check_server(report, "https://x", Scripted((401, {})), RealClock())

    found = [(finding.what, finding.state) for finding in report.findings]
    assert found == [
        ("server", State.FAILED),
        ("server", State.WARNING),
        ("clock", State.FAILED),
        ("server", State.OK),
        ("clock", State.SKIPPED),
    ]
    assert "set-ntp" in capsys.readouterr().out


async def test_check_skips_what_needs_a_server(
    sim: Simulator, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When nothing answers, the later steps are skipped, not failed."""
    await sim.aclose()

    code, out, _ = await run_here(capsys, "check", "--directory", home, "--plain")

    assert code == 1
    assert "FAIL server" in out
    assert "skip live session token: the server cannot be reached" in out
    assert "skip brokerage session: there is no login" in out


# --- report and causes ---------------------------------------------------------------------------


def test_report_masks_and_shows_causes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was named as secret shows nowhere; neither does the user's name in a path."""
    for plain in (True, False):
        report = Report(plain=plain)
        report.hide("TOPSECRET", "TOP", "")
        report.heading("Group")
        report.ok("one", "TOPSECRET in it")
        report.warn("two", f"{Path.home()}/keys", cause="TOP", cure="do it")
        report.skip("three", "no need")
        with report.step("four"):
            raise AuthError("x", "invalid consumer TOPSECRET", "")
        report.close()

        assert report.failed
        assert "TOPSECRET" not in report.summary()
        out = capsys.readouterr().out
        assert "TOPSECRET" not in out
        assert "do it" in out
        assert str(Path.home()) not in report.summary()
        assert "weekend restart" in " ".join(out.split())


def test_every_known_trouble_has_a_cause_and_a_cure() -> None:
    """The table is complete, and no row hides behind an earlier one."""
    for row in CAUSES:
        assert row.cause
        assert row.cure
        assert explain(ConfigError(row.words)) is row


def test_errors_are_explained_by_kind() -> None:
    """Weather and competition have their own words; the rest keeps its hint."""
    tls = TlsError("GET x", "refused", may_have_reached_server=False)

    assert "ca.pem" in explain(tls).cure
    assert "--compete" in explain(CompetingSessionError()).cure
    assert "half an hour" in explain(SessionTimeoutError(1, "x")).cure
    assert explain(LiveSessionTokenError("x", "odd", "my hint")).cure == "my hint"
    assert explain(ConfigError("odd")) == ("", "", "")
    assert masked("ABCDEFGHI") == "AB… (9 characters)"
