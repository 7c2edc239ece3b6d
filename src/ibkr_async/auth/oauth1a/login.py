"""OAuth 1.0a with an access token: from IBKR's self-service portal, or granted to `OAuthFlow`.

`OAuth1a` holds the credentials, agrees the live session token with the server (over a `Send` that it
is given), and signs requests with it. Key files are read and parsed once, in a worker thread. It
never sends by itself, never writes anything, and its repr shows no secret.

Source: IBKR "OAuth 1.0A Extended"; POST /oauth/live_session_token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypedDict, Unpack

from ibkr_async.auth import _address, _tls
from ibkr_async.auth._expiring import ExpiringLogin
from ibkr_async.auth._secret import Secret
from ibkr_async.auth.keys import Keys, KeySources
from ibkr_async.auth.oauth1a import _handshake, credentials
from ibkr_async.auth.server_clock import NOTABLE_SKEW_S, ServerClock
from ibkr_async.errors import ConfigError, LiveSessionTokenError, UsageError
from ibkr_async.oauth.encoding import percent_encode
from ibkr_async.oauth.signature import authorization_header, base_string, sign_hmac_sha256
from ibkr_async.ports import USER_AGENT, SocketTarget
from ibkr_async.sealed import SEALED
from ibkr_async.world import World

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibkr_async import files
    from ibkr_async.auth.keys import DhSource, KeySource
    from ibkr_async.ports import HttpReply, Method, Pairs, Send
    from ibkr_async.world import Random

API_URL = "https://api.ibkr.com/v1/api"

_UNAUTHORIZED = 401


def new_nonce(random: Random) -> str:
    """Draw 128 random bits as hex: unique per request, also after a fork."""
    return random.token(16).hex()


def draw_exponent(random: Random) -> int:
    """Draw the private Diffie-Hellman number: 256 bits with the top bit set."""
    return 1 << 255 | random.bits(255)


class OAuth1aOptions(TypedDict, total=False):
    """Arguments of `OAuth1a` that do not come from files or the environment."""

    allow_host: str | None
    allow_open_key_files: bool
    renew_margin_s: float
    sign_parameters: bool
    world: World | None


class OAuth1a(ExpiringLogin):
    """Log in with OAuth 1.0a credentials of one's own.

    From the portal: `consumer_key` (nine letters, upper case), `access_token` and
    `access_token_secret` (encrypted base64, as shown). One's own: `signature_key` and
    `encryption_key` (private halves) and `dh`, each as PEM bytes or a path (`dh` also as `DhParams`).

    `realm` is `limited_poa` for everyone but the demo consumer TESTCONS. `ca` pins a certificate (the
    simulator's). `allow_host` names one host that is neither IBKR nor this machine and may have the
    credentials. `allow_open_key_files` accepts files that other users can read.
    `renew_margin_s` is how long before its expiry the token is renewed.
    `sign_parameters=False` leaves query and form out of the signature, as some clients do: an
    emergency switch in case IBKR refuses the documented form.

    `world` is where time, chance and threads come from: the one of the client, when that has another.
    Errors: `ConfigError` for whatever can be seen without opening a key: missing or open files, a
    lower-case consumer key, an address that credentials must not go to.
    Concurrency: one `login` at a time; everything else is free.
    """

    def __init__(
        self,
        *,
        consumer_key: str,
        access_token: str,
        access_token_secret: str,
        signature_key: KeySource,
        encryption_key: KeySource,
        dh: DhSource,
        realm: str = "limited_poa",
        base_url: str = API_URL,
        ws_url: str | None = None,
        ca: KeySource | None = None,
        allow_host: str | None = None,
        allow_open_key_files: bool = False,
        renew_margin_s: float = 600.0,
        sign_parameters: bool = True,
        world: World | None = None,
    ) -> None:
        self._world = world or World()
        check_texts(
            consumer_key=consumer_key,
            access_token=access_token,
            access_token_secret=access_token_secret,
        )
        base_url = _address.check_base_url(base_url, allow_host)
        trust = _tls.Trust(ca, may_skip_host_name=_address.may_skip_host_name(base_url, allow_host))
        super().__init__(base_url, trust, ServerClock(self._world.clock.wall), renew_margin_s)
        self._who = _handshake.Identity(consumer_key, Secret(access_token), realm, base_url)
        self._ws_url = (
            _address.ws_url_for(base_url)
            if ws_url is None
            else _address.check_ws_url(ws_url, allow_host)
        )
        self._sources = KeySources(
            signature_key=signature_key,
            encryption_key=encryption_key,
            dh=dh,
            access_token_secret=Secret(access_token_secret),
            allow_open=allow_open_key_files,
        )
        self._sources.check()
        self._sign_parameters = sign_parameters
        self._keys: Keys | None = None
        self._token: _handshake.LiveSessionToken | None = None

    @classmethod
    def from_files(cls, directory: files.AnyPath, **options: Unpack[OAuth1aOptions]) -> Self:
        """Read `private_signature.pem private_encryption.pem dhparam.pem credentials.json [ca.pem]`.

        The simulator writes the same layout. `options` are arguments of `OAuth1a`.
        Errors: one `ConfigError` for everything that is missing.
        """
        allow_open = options.get("allow_open_key_files", False)
        with SEALED:
            return cls(**credentials.from_files(directory, allow_open=allow_open), **options)

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, **options: Unpack[OAuth1aOptions]
    ) -> Self:
        """Read `IBKR_CREDENTIALS_DIR` (as `from_files`), or the single variables.

        These are `IBKR_CONSUMER_KEY IBKR_ACCESS_TOKEN IBKR_ACCESS_TOKEN_SECRET
        IBKR_SIGNATURE_KEY_FILE IBKR_ENCRYPTION_KEY_FILE`, one of `IBKR_DH_PARAM_FILE IBKR_DH_PRIME`
        (hex), and at will `IBKR_REALM IBKR_BASE_URL IBKR_WS_URL IBKR_CA_FILE`.
        Errors: one `ConfigError` for everything that is missing.
        """
        allow_open = options.get("allow_open_key_files", False)
        with SEALED:
            return cls(**credentials.from_env(environ, allow_open=allow_open), **options)

    @classmethod
    def from_toml(cls, path: files.AnyPath, **options: Unpack[OAuth1aOptions]) -> Self:
        """Read the table `[ibkr]` of a TOML file: the variables' names in lower case, without prefix.

        The file holds secrets, so it must be closed to others as well.
        Errors: one `ConfigError` for everything that is missing, or for unknown names.
        """
        allow_open = options.get("allow_open_key_files", False)
        with SEALED:
            return cls(**credentials.from_toml(path, allow_open=allow_open), **options)

    def __repr__(self) -> str:
        return f"OAuth1a(consumer_key=***, access_token=***, base_url={self.base_url!r})"

    # --- what the client asks --------------------------------------------------------------------

    @property
    def expires_at(self) -> float | None:
        """Unix seconds, on the server's clock, at which the token lapses; None without one."""
        return None if self._token is None else self._token.expires_at

    # --- logging in ------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Read and parse the keys, once. About 60 ms: `login` runs it in a worker thread.

        Errors: `ConfigError` that names the file and what it holds instead.
        """
        self._loaded_keys()

    def _loaded_keys(self) -> Keys:
        if self._keys is None:
            self._keys = self._sources.load()
        return self._keys

    async def login(self, send: Send) -> None:
        """Agree a new live session token with the server and check that it has the same one.

        An empty Diffie-Hellman response, and a refusal that shows our clock to be off, are each
        answered by one more attempt with new numbers.
        Errors: `ConfigError` for keys that cannot be used; `LiveSessionTokenError` with a hint when
        the server refuses or its proof is wrong; `ServerError`, `RateLimitedError` and
        `TransportError` for weather. After a wrong proof no token is left; after any other failure
        the old one stays.
        Cancellation: safe at any point; the old token stays.
        """
        keys = await self._world.threads.run(self._loaded_keys)
        with SEALED:
            token = await self._agree(send, keys, may_repeat=True)
            if token is None:
                token = await self._agree(send, keys, may_repeat=False)
        if token is None:
            raise LiveSessionTokenError(
                _handshake.STEP,
                "the server sent an empty Diffie-Hellman response twice",
                "wait a minute and try again; if it persists, upload dhparam.pem anew",
            )
        self._plan_renewal(self._clock.now(), token.expires_at)
        self._token = token

    async def _agree(
        self, send: Send, keys: Keys, *, may_repeat: bool
    ) -> _handshake.LiveSessionToken | None:
        """Do one round; None asks for another."""
        exponent = Secret(draw_exponent(self._world.random))
        timestamp, nonce = self._clock.timestamp(), new_nonce(self._world.random)
        request = await self._world.threads.run(
            lambda: _handshake.build_request(
                self._who, keys, exponent, timestamp=timestamp, nonce=nonce
            )
        )
        ahead_before_s = self._clock.ahead_s
        reply = await send(request)
        self._clock.learn(reply.headers)
        moved_s = abs(self._clock.ahead_s - ahead_before_s)
        if may_repeat and reply.status == _UNAUTHORIZED and moved_s > NOTABLE_SKEW_S:
            self._clock.restart()
            return None
        answer = _handshake.read_answer(self._who, reply, ahead_s=self._clock.ahead_s)
        if not answer.diffie_hellman_response:
            return None
        now = self._clock.now()
        try:
            return await self._world.threads.run(
                lambda: _handshake.derive(self._who, keys, exponent, answer, now=now)
            )
        except LiveSessionTokenError:
            self.forget()
            raise

    def forget(self) -> None:
        """Drop the live session token, so that `needs_login` is true."""
        self._token = None

    def absorb(self, reply: HttpReply) -> None:
        """Do nothing: signed requests need no cookie, and the clock is compared at login."""

    # --- using the login -------------------------------------------------------------------------

    def sign(self, method: Method, url: str, query: Pairs, form: Pairs) -> Mapping[str, str]:
        """Return the Authorization header of one attempt; a repeat needs a new one.

        Errors: `UsageError` when `login` has not succeeded.
        """
        if self._token is None:
            raise UsageError("not logged in: login() comes before sign()")
        params = [
            ("oauth_consumer_key", self._who.consumer_key),
            ("oauth_nonce", new_nonce(self._world.random)),
            ("oauth_signature_method", "HMAC-SHA256"),
            ("oauth_timestamp", self._clock.timestamp()),
            ("oauth_token", self._who.access_token.reveal()),
        ]
        signed = [*params, *query, *form] if self._sign_parameters else params
        signature = sign_hmac_sha256(base_string(method, url, signed), self._token.key.reveal())
        params.append(("oauth_signature", signature))
        return {"Authorization": authorization_header(params, self._who.realm)}

    def socket(self, session: str) -> SocketTarget:
        """Describe how the socket is opened: access token in the query, session in the cookie.

        The upgrade itself is not signed.
        Errors: `AuthError` when `session` is empty or cannot be a cookie value.
        """
        token = percent_encode(self._who.access_token.reveal())
        return SocketTarget(
            url=f"{self._ws_url}?oauth_token={token}",
            headers={"Cookie": _address.api_cookie(session), "User-Agent": USER_AGENT},
            session=session,
        )


def check_texts(**named: str) -> None:
    """Check the credentials that are copied from IBKR's pages, by their names in messages.

    Errors: one `ConfigError` for all that are missing, or the first that cannot be right.
    """
    missing = [name for name, value in named.items() if not value.strip()]
    if missing:
        raise ConfigError(
            f"credentials missing: {', '.join(missing)}; IBKR's self-service OAuth page hands them out"
        )
    for name in ("consumer_key", "access_token"):
        value = named.get(name, "")
        if value and not (value.isascii() and value.isalnum()):
            raise ConfigError(
                f"{name} has blanks or other characters that IBKR's never have; copy it again"
            )
    consumer_key = named.get("consumer_key", "")
    if consumer_key != consumer_key.upper():
        raise ConfigError(
            "consumer_key has lower-case letters; IBKR stores it in upper case, so write it so"
        )
