"""What users get wrong: each mistake is one typed error that names the cure, and leaves nothing."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from ibkr_async import Client, Gateway, IbkrError, MarketOrder, OAuth1a, Side, UsageError
from ibkr_async.errors import (
    AmbiguousSymbolError,
    ClosedError,
    CompetingSessionError,
    ConfigError,
    ConnectFailedError,
    LiveSessionTokenError,
    TlsError,
    UnknownFieldError,
    UnknownSymbolError,
)
from ibkr_async.events import SessionClosed
from ibkr_async.session.state import SessionState
from ibkr_async.simulator import Simulator
from ibkr_async.simulator.login.keys import GENERATOR, PRIME, SimulatorKeys, dh_parameters_pem
from support.leaks import nothing_left_behind

AAPL = 265598
OTHER_PRIME = PRIME - (1 << 1024)
"""Of the same size as the real one, so that only the server's proof can show the difference."""


@pytest.fixture(scope="module")
def foreign_keys() -> SimulatorKeys:
    """Return the keys of somebody else."""
    return SimulatorKeys.generate()


class Directory:
    """A directory of credentials, to be damaged in one place."""

    def __init__(self, path: Path, sim: Simulator, foreign: SimulatorKeys) -> None:
        self.path = path
        self.foreign = foreign
        sim.write_credentials(path)

    def auth(self) -> OAuth1a:
        return OAuth1a.from_files(self.path)

    def put(self, file: str, content: bytes) -> OAuth1a:
        (self.path / file).write_bytes(content)
        return self.auth()

    def set(self, **facts: str) -> OAuth1a:
        file = self.path / "credentials.json"
        return self.put(file.name, json.dumps(json.loads(file.read_bytes()) | facts).encode())

    def remove(self, file: str) -> OAuth1a:
        (self.path / file).unlink()
        return self.auth()

    def open_to_others(self, file: str) -> OAuth1a:
        (self.path / file).chmod(0o644)
        return self.auth()

    def swap(self, one: str, other: str) -> OAuth1a:
        first, second = (self.path / one).read_bytes(), (self.path / other).read_bytes()
        self.put(one, second)
        return self.put(other, first)


SIGNATURE, ENCRYPTION = "private_signature.pem", "private_encryption.pem"


@pytest.fixture
def credentials(
    sim: Simulator, keys: SimulatorKeys, foreign_keys: SimulatorKeys, tmp_path: Path
) -> Directory:
    """Return good credentials of the running simulator."""
    directory = Directory(tmp_path / "credentials", sim, foreign_keys)
    # The encryption is random. A number that is below the moduli of the wrong keys is garbage to them; a
    # larger one they refuse, which is a mistake of its own.
    moduli = [keys.consumer.signature_key.public_numbers().n]
    moduli.append(foreign_keys.encryption_key.public_numbers().n)
    secret = keys.consumer.access_tokens[keys.access_token]
    encrypted = b"\xff" * 256
    while int.from_bytes(encrypted, "big") >= min(moduli):
        encrypted = keys.encryption_key.encrypt(secret, PKCS1v15())
    directory.set(access_token_secret=base64.b64encode(encrypted).decode())
    return directory


Damage = Callable[[Directory], OAuth1a]

MISTAKES: list[tuple[str, Damage, type[IbkrError], str]] = [
    # name, what is wrong, error, what the message must name
    ("missing file", lambda d: d.remove(SIGNATURE), ConfigError, SIGNATURE),
    ("missing json", lambda d: d.remove("credentials.json"), ConfigError, "access_token_secret in"),
    ("missing token", lambda d: d.set(access_token=""), ConfigError, "access_token"),
    ("open file", lambda d: d.open_to_others(SIGNATURE), ConfigError, f"chmod 600 .*{SIGNATURE}"),
    ("broken json", lambda d: d.put("credentials.json", b"{"), ConfigError, "not a valid JSON"),
    ("lower case", lambda d: d.set(consumer_key="simulator"), ConfigError, "upper case"),
    ("garbage key", lambda d: d.put(SIGNATURE, b"hello"), ConfigError, f"{SIGNATURE}.*no PEM"),
    ("garbage DH", lambda d: d.put("dhparam.pem", b"hello"), ConfigError, "openssl dhparam"),
    ("garbage CA", lambda d: d.put("ca.pem", b"hello"), ConfigError, "certificate file"),
    ("short secret", lambda d: d.set(access_token_secret="aGk="), ConfigError, "copy all 344"),
    (
        "secret for a larger key",
        lambda d: d.set(access_token_secret=base64.b64encode(b"\xff" * 256).decode()),
        ConfigError,
        "cannot be decrypted",
    ),
    ("swapped keys", lambda d: d.swap(SIGNATURE, ENCRYPTION), LiveSessionTokenError, "swapped"),
    (
        "wrong signature key",
        lambda d: d.put(SIGNATURE, d.foreign.signature_pem),
        LiveSessionTokenError,
        "signature key is the uploaded one",
    ),
    (
        "wrong encryption key",
        lambda d: d.put(ENCRYPTION, d.foreign.encryption_pem),
        LiveSessionTokenError,
        "encryption key",
    ),
    (
        "wrong DH prime",
        lambda d: d.put("dhparam.pem", dh_parameters_pem(OTHER_PRIME, GENERATOR)),
        LiveSessionTokenError,
        r"dhparam\.pem",
    ),
    (
        "larger DH prime",
        lambda d: d.put("dhparam.pem", dh_parameters_pem(PRIME << 1024 | 1, GENERATOR)),
        LiveSessionTokenError,
        r"dhparam\.pem",
    ),
    (
        "refused consumer",
        lambda d: d.set(consumer_key="NOBODYSCK"),
        LiveSessionTokenError,
        "consumer key is not active",
    ),
    (
        "unknown token",
        lambda d: d.set(access_token="deadbeef"),
        LiveSessionTokenError,
        "generate a new token",
    ),
    (
        "wrong certificate",
        lambda d: d.put("ca.pem", d.foreign.certificate_pem),
        TlsError,
        r"ca='ca\.pem'",
    ),
    (
        "nothing listens there",
        lambda d: d.set(base_url="https://127.0.0.1:1/v1/api"),
        ConnectFailedError,
        "simulator is running",
    ),
    (
        "foreign address",
        lambda d: d.set(base_url="https://ibkr.example/v1/api"),
        ConfigError,
        "allow_host",
    ),
]


@pytest.mark.filterwarnings("ignore:the decrypted access token secret")
@pytest.mark.parametrize(
    ("damage", "error", "names"),
    [pytest.param(*rest, id=name) for name, *rest in MISTAKES],
)
async def test_wrong_credentials_are_one_typed_error(
    credentials: Directory,
    keys: SimulatorKeys,
    caplog: pytest.LogCaptureFixture,
    *,
    damage: Damage,
    error: type[IbkrError],
    names: str,
) -> None:
    """It comes at once, names the cure, is not logged as well, and shows no credential."""
    async with nothing_left_behind():
        with pytest.raises(IbkrError) as caught:
            async with Client(damage(credentials)):
                pass

    assert type(caught.value) is error
    assert re.search(names, str(caught.value))
    for secret in (keys.access_token, keys.access_token_secret, "deadbeef"):
        assert secret not in str(caught.value)
    assert not caplog.records


async def test_missing_environment_names_every_variable() -> None:
    """All that is missing is said in one message."""
    with pytest.raises(ConfigError, match=r"IBKR_CONSUMER_KEY.*IBKR_DH_PARAM_FILE"):
        OAuth1a.from_env({})


async def test_gateway_without_its_certificate_is_refused(sim: Simulator) -> None:
    """A self-signed gateway is not trusted by default, and the message says what to pass."""
    async with nothing_left_behind():
        with pytest.raises(TlsError, match=r"ca='ca\.pem'"):
            async with Client(Gateway(sim.base_url)):
                pass

    assert sim.requests == []


@pytest.mark.parametrize("skew_s", [600, -600])
async def test_clock_that_is_off_by_ten_minutes_is_corrected(sim: Simulator, skew_s: int) -> None:
    """The server's date is used for signing: no error at all."""
    sim.shift_clock(skew_s)
    async with Client(sim.auth()) as ib:
        assert ib.session.info.state is SessionState.READY

    assert [request.status for request in sim.requests[:2]] == [401, 200]


async def test_foreign_account_is_refused_at_the_start(sim: Simulator) -> None:
    """An account that the login does not have is found before anything is traded in it."""
    async with nothing_left_behind():
        with pytest.raises(ConfigError, match=r"'U999'.*DU1234567.*account_id"):
            async with Client(sim.auth(), account_id="U999"):
                pass


async def test_journal_that_cannot_be_kept_is_refused_at_the_start(
    sim: Simulator, tmp_path: Path
) -> None:
    """Without its journal nothing is opened, and whoever listens is let go."""
    async with nothing_left_behind():
        ib = Client(sim.gateway(), journal=tmp_path / "missing" / "orders")
        events = ib.events()
        with pytest.raises(ConfigError, match=r"cannot use the journal .*check the path"):
            await ib.__aenter__()

        assert [type(event) async for event in events] == [SessionClosed]
    assert sim.requests == []


async def test_competing_session_is_not_fought_at_the_start(sim: Simulator) -> None:
    """Another login keeps the session; the message names both ways out."""
    sim.compete()
    async with nothing_left_behind():
        with pytest.raises(CompetingSessionError, match=r"log that one out.*compete=True"):
            async with Client(sim.auth()):
                pass


async def test_mistakes_about_symbols_and_fields_name_the_cure(sim: Simulator) -> None:
    """Unknown, ambiguous, misspelt: nothing is subscribed, the client goes on."""
    async with nothing_left_behind(), Client(sim.auth()) as ib:
        with pytest.raises(UnknownSymbolError, match=r"'NOSUCH'.*ib\.contracts\.search"):
            await ib.quotes("NOSUCH").__aenter__()
        with pytest.raises(AmbiguousSymbolError, match=r"900000101.*900000102.*pass the conid"):
            await ib.quotes("TWIN").__aenter__()
        with pytest.raises(UnknownFieldError, match=r"'bidd'.*did you mean bid"):
            await ib.quotes("AAPL", fields=["bidd"]).__aenter__()
        with pytest.raises(UnknownFieldError, match=r"'bidd'.*did you mean bid"):
            ib.stream.market_data(AAPL, fields=["bidd"])
        with pytest.raises(UsageError, match="at least one"):
            ib.quotes()
        assert not ib.health().socket_wanted
        async with ib.quotes("AAPL") as quotes:
            assert (await anext(quotes)).symbol == "AAPL"


async def test_entering_twice_is_misuse(ib: Client) -> None:
    """A feed has one life, and the open one goes on."""
    async with ib.stream.market_data(AAPL) as ticks, ib.quotes("AAPL") as quotes:
        with pytest.raises(UsageError, match="second feed"):
            await ticks.__aenter__()
        with pytest.raises(UsageError, match="second feed"):
            await quotes.__aenter__()
        assert (await anext(ticks)).conid == AAPL
        assert (await anext(quotes)).symbol == "AAPL"

    with pytest.raises(ClosedError, match="used once"):
        await ticks.__aenter__()


async def test_reading_before_entering_is_misuse(ib: Client) -> None:
    """Iterating something that was not entered says so instead of waiting for ever."""
    with pytest.raises(UsageError, match="async with"):
        await anext(ib.stream.market_data(AAPL))
    with pytest.raises(UsageError, match="async with"):
        await anext(ib.quotes("AAPL"))


Use = Callable[[Client], Coroutine[Any, Any, Any]]


async def _subscribe(ib: Client) -> None:
    await ib.stream.market_data(AAPL).__aenter__()


async def _listen(ib: Client) -> None:
    await anext(ib.events())


USES: dict[str, Use] = {
    "REST": lambda ib: ib.accounts.list(),
    "resolve": lambda ib: ib.contracts.resolve("AAPL"),
    "quotes": lambda ib: ib.quotes("AAPL").__aenter__(),
    "stream": _subscribe,
    "submit": lambda ib: ib.orders.submit(MarketOrder(AAPL, Side.BUY, 1)),
    "cancel": lambda ib: ib.orders.cancel("1"),
    "live orders": lambda ib: ib.orders.live(),
    "ready": lambda ib: ib.ready(),
    "logout": lambda ib: ib.session.logout(),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_closed_client_refuses_everything_at_once(sim: Simulator, use: Use) -> None:
    """Nothing is sent, and the message says to open a new one."""
    async with nothing_left_behind():
        async with Client(sim.gateway()) as ib:
            pass
        sent = len(sim.requests)
        with pytest.raises(ClosedError, match="not open; open "):
            await use(ib)

    assert len(sim.requests) == sent


@pytest.mark.parametrize("use", USES.values(), ids=USES)
async def test_client_that_was_never_opened_refuses_everything(sim: Simulator, use: Use) -> None:
    """The missing `async with` is named; nothing waits for a session that nobody opens."""
    async with nothing_left_behind():
        with pytest.raises(ClosedError, match="async with Client"):
            await use(Client(sim.gateway()))

    assert sim.requests == []


async def test_closed_client_has_no_more_events(sim: Simulator) -> None:
    """Asking for events of a closed client is misuse; those asked for before have ended."""
    async with Client(sim.auth()) as ib:
        pass

    with pytest.raises(ClosedError, match="async with Client"):
        ib.events()
