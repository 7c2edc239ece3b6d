"""OAuth 1.0a for third parties: a user lets this program act for them, in three legs.

request token -> the user approves in a browser -> access token. What comes out is an `OAuth1a`
with the user's token, ready for `Client`. The flow keeps the request token between the legs and
nothing else; it writes no file, opens no browser, and shows no secret.

Source: IBKR "OAuth 1.0A Extended", steps request_token, authorisation and access_token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

import msgspec

from ibkr_async._arguments import checked
from ibkr_async.auth import _address, _refusal, _tls
from ibkr_async.auth._secret import Secret
from ibkr_async.auth.keys import check_key_files, read_dh, read_private_key
from ibkr_async.auth.oauth1a import login as oauth1a
from ibkr_async.auth.server_clock import NOTABLE_SKEW_S, ServerClock
from ibkr_async.errors import AuthError, IbkrError, UsageError
from ibkr_async.models.base import Model, decode
from ibkr_async.models.oauth import AccessTokenReply, RequestTokenReply
from ibkr_async.oauth.encoding import percent_encode
from ibkr_async.oauth.signature import authorization_header, base_string, sign_rsa_sha256
from ibkr_async.ports import USER_AGENT, HttpReply, HttpRequest
from ibkr_async.rest.transport import HttpxTransport
from ibkr_async.sealed import SEALED
from ibkr_async.world import World

if TYPE_CHECKING:
    from types import TracebackType

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from ibkr_async.auth.keys import DhSource, KeySource
    from ibkr_async.ports import Pairs, Transport

ModelT = TypeVar("ModelT", bound=Model)

THIRD_PARTY_URL = "https://www.interactivebrokers.com/tradingapi/v1"
"""Root of the older Third-Party Web API. Its signatures are not valid at the other root."""
AUTHORIZE_URL = "https://www.interactivebrokers.com/authorize"

_FIRST_PARTY = (
    "a self-service (first-party) key does not go through this flow: its access token and secret "
    "are on the portal's OAuth page"
)
_TIMEOUT_S = 30.0
_OK, _UNAUTHORIZED = 200, 401


class RequestToken(msgspec.Struct, frozen=True):
    """Permission to ask one user once. `str()` of it is masked; `reveal()` gives the text."""

    _text: Secret[str]

    def reveal(self) -> str:
        """Return the token itself, for a web server that must keep it between two requests."""
        return self._text.reveal()

    def __repr__(self) -> str:
        return "RequestToken(***)"


class AccessGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What the user has granted: store it, and there is no need to ask again."""

    access_token: Secret[str]
    """Does not expire; the user can withdraw it."""
    access_token_secret: Secret[str]
    """Encrypted for the consumer's encryption key, in base64, as IBKR sent it."""
    is_paper: bool | None
    """The user granted a paper account; None when IBKR did not say."""


class _Leg(NamedTuple):
    """One of the two signed requests."""

    step: str
    name: str
    params: Pairs
    hide: tuple[str, ...]

    def __repr__(self) -> str:
        return f"_Leg({self.name!r})"


@checked
class OAuthFlow:
    """The three legs: `request_token`, `authorize_url`, `access_token`.

    `consumer_key`, the two private keys and `dh` are those that the consumer was registered with,
    each as PEM bytes or a path. `base_url` is the Web API's root (the default) or
    `THIRD_PARTY_URL`. `authorize_page` is where users approve; by default IBKR's page, or
    `/authorize` of a host that is not IBKR's (the simulator). `callback` is what IBKR asks for,
    `oob`: the user is then sent to the callback that was registered with the key.
    The remaining arguments are those of `OAuth1a`, and go on to it.

    `async with OAuthFlow(...) as flow:` opens connections of its own; `transport` replaces them.
    Errors: `ConfigError` for whatever can be seen without opening a key.
    Concurrency: several users at once need `request_token=` in `authorize_url` and `access_token`.
    """

    def __init__(
        self,
        *,
        consumer_key: str,
        signature_key: KeySource,
        encryption_key: KeySource,
        dh: DhSource,
        realm: str = "limited_poa",
        base_url: str = oauth1a.API_URL,
        authorize_page: str | None = None,
        callback: str = "oob",
        ws_url: str | None = None,
        ca: KeySource | None = None,
        allow_host: str | None = None,
        allow_open_key_files: bool = False,
        transport: Transport | None = None,
        world: World | None = None,
    ) -> None:
        self._world = world or World()
        oauth1a.check_texts(consumer_key=consumer_key)
        self._consumer_key = consumer_key
        self._base_url = _address.check_base_url(base_url, allow_host)
        self._authorize_page = _address.check_base_url(
            authorize_page or _authorize_page_for(self._base_url), allow_host
        )
        self._signature_source = signature_key
        self._encryption_source = encryption_key
        self._dh_source = dh
        self._realm = realm
        self._callback = callback
        self._ws_url = ws_url
        self._ca = ca
        self._allow_host = allow_host
        self._allow_open = allow_open_key_files
        self._clock = ServerClock(self._world.clock.wall)
        self._signature_key: RSAPrivateKey | None = None
        self._latest: RequestToken | None = None
        self._granted: AccessGrant | None = None
        check_key_files((signature_key, encryption_key, dh), allow_open=allow_open_key_files)
        trust = _tls.Trust(
            ca, may_skip_host_name=_address.may_skip_host_name(self._base_url, allow_host)
        )
        self._transport = transport or HttpxTransport(trust.context, world=self._world)

    def __repr__(self) -> str:
        return f"OAuthFlow(consumer_key=***, base_url={self._base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections. Idempotent."""
        await self._transport.aclose()

    @property
    def base_url(self) -> str:
        """Root of the three OAuth endpoints, without a trailing slash."""
        return self._base_url

    @property
    def granted(self) -> AccessGrant:
        """What the latest `access_token` brought. Errors: `UsageError` before it."""
        if self._granted is None:
            raise UsageError("nothing was granted yet: await access_token(verifier) comes first")
        return self._granted

    async def request_token(self) -> RequestToken:
        """Ask for permission to send a user to the authorisation page.

        Errors: `AuthError` with a hint when the consumer is refused (a first-party key is:
        its token comes from the portal); `ConfigError` for keys that cannot be used;
        `ServerError`, `RateLimitedError` and `TransportError` for weather.
        Source: POST /oauth/request_token.
        """
        leg = _Leg("request token", "request_token", (("oauth_callback", self._callback),), ())
        with SEALED:
            answer = await self._signed(leg, RequestTokenReply)
        if not answer.oauth_token:
            raise AuthError(leg.step, "the answer holds no token", "check base_url")
        self._latest = RequestToken(Secret(answer.oauth_token))
        return self._latest

    def authorize_url(
        self, request_token: RequestToken | str | None = None, *, redirect_uri: str | None = None
    ) -> str:
        """Return the address to open in the user's browser. It holds the request token: do not log it.

        `redirect_uri` asks for another callback than the registered one; IBKR heeds it for the demo
        consumer only.
        Errors: `UsageError` when there is no request token yet.
        """
        token = percent_encode(self._token_of(request_token))
        extra = f"&redirect_uri={percent_encode(redirect_uri)}" if redirect_uri else ""
        return f"{self._authorize_page}?oauth_token={token}{extra}"

    async def access_token(
        self, verifier: str, request_token: RequestToken | str | None = None
    ) -> oauth1a.OAuth1a:
        """Exchange the verifier that the user came back with for credentials.

        The result is ready for `Client(auth)`: the encrypted secret has been decrypted and checked.
        `granted` then has what to store, and `is_paper`. A request token is good for one exchange.
        Errors: as `request_token`; `ConfigError` when the secret does not fit the encryption key.
        Source: POST /oauth/access_token.
        """
        held = Secret((verifier, request_token))
        del verifier, request_token
        with SEALED:
            return await self._exchange(held)

    async def _exchange(
        self, held: Secret[tuple[str, RequestToken | str | None]]
    ) -> oauth1a.OAuth1a:
        verifier, request_token = held.reveal()
        token = self._token_of(request_token)
        verifier = verifier.strip()
        leg = _Leg(
            "access token",
            "access_token",
            (("oauth_token", token), ("oauth_verifier", verifier)),
            (token, verifier),
        )
        answer = await self._signed(leg, AccessTokenReply)
        if not answer.oauth_token or not answer.oauth_token_secret:
            raise AuthError(leg.step, "the answer holds no token and secret", "check base_url")
        is_paper = answer.is_paper if answer.is_paper is not None else answer.is_true
        grant = AccessGrant(
            access_token=Secret(answer.oauth_token),
            access_token_secret=Secret(answer.oauth_token_secret),
            is_paper=is_paper,
        )
        # Kept first: a request token is good for one exchange, so nothing below may lose the grant.
        self._granted, self._latest = grant, None
        auth = self.auth(grant)
        await self._world.threads.run(auth.prepare)
        return auth

    def auth(self, grant: AccessGrant) -> oauth1a.OAuth1a:
        """Return credentials for a grant: the one just made, or one that was stored earlier."""
        with SEALED:
            return self._auth(grant)

    def _auth(self, grant: AccessGrant) -> oauth1a.OAuth1a:
        return oauth1a.OAuth1a(
            consumer_key=self._consumer_key,
            access_token=grant.access_token.reveal(),
            access_token_secret=grant.access_token_secret.reveal(),
            signature_key=self._signature_source,
            encryption_key=self._encryption_source,
            dh=self._dh_source,
            realm=self._realm,
            base_url=self._base_url,
            ws_url=self._ws_url,
            ca=self._ca,
            allow_host=self._allow_host,
            allow_open_key_files=self._allow_open,
            world=self._world,
        )

    # --- one leg ---------------------------------------------------------------------------------

    def _token_of(self, request_token: RequestToken | str | None) -> str:
        token = request_token or self._latest
        if token is None:
            raise UsageError("no request token: await request_token() comes first")
        return token if isinstance(token, str) else token.reveal()

    async def _signed(self, leg: _Leg, kind: type[ModelT]) -> ModelT:
        """Send one signed request; once more when the refusal shows our clock to be off."""
        key = await self._world.threads.run(self._loaded_key)
        ahead_before_s = self._clock.ahead_s
        reply = await self._send(leg, key)
        moved_s = abs(self._clock.ahead_s - ahead_before_s)
        if reply.status == _UNAUTHORIZED and moved_s > NOTABLE_SKEW_S:
            self._clock.restart()
            reply = await self._send(leg, key)
        if reply.status != _OK:
            raise self._refusal(leg, reply)
        try:
            answer: ModelT = decode(kind, reply.content)
        except msgspec.DecodeError:
            raise AuthError(
                leg.step, "the answer cannot be read", _refusal.hint_for_status(_OK)
            ) from None
        if "error" in answer.extra:
            raise self._refusal(leg, reply)
        return answer

    def _loaded_key(self) -> RSAPrivateKey:
        if self._signature_key is None:
            self._signature_key = read_private_key(
                self._signature_source, "signature key", allow_open=self._allow_open
            )
            # The other two are needed at the very end; a user should not approve in vain.
            read_private_key(self._encryption_source, "encryption key", allow_open=self._allow_open)
            read_dh(self._dh_source, allow_open=self._allow_open)
        return self._signature_key

    async def _send(self, leg: _Leg, key: RSAPrivateKey) -> HttpReply:
        url = f"{self._base_url}/oauth/{leg.name}"
        params = [
            ("oauth_consumer_key", self._consumer_key),
            ("oauth_nonce", oauth1a.new_nonce(self._world.random)),
            ("oauth_signature_method", "RSA-SHA256"),
            ("oauth_timestamp", self._clock.timestamp()),
            *leg.params,
        ]
        signature = sign_rsa_sha256(base_string("POST", url, params), key)
        params.append(("oauth_signature", signature))
        reply = await self._transport.send(
            HttpRequest(
                method="POST",
                url=url,
                headers={
                    "Authorization": authorization_header(params, self._realm),
                    "Accept": "application/json",
                    "User-Agent": USER_AGENT,
                    "Content-Length": "0",
                },
                content=b"",
                timeout_s=_TIMEOUT_S,
                label=f"POST /oauth/{leg.name}",
            )
        )
        self._clock.learn(reply.headers)
        return reply

    def _refusal(self, leg: _Leg, reply: HttpReply) -> IbkrError:
        error = _refusal.oauth1_refusal(
            AuthError,
            leg.step,
            f"POST /oauth/{leg.name}",
            reply,
            consumer_key=self._consumer_key,
            realm=self._realm,
            hide=leg.hide,
            ahead_s=self._clock.ahead_s,
        )
        if isinstance(error, AuthError) and "invalid consumer" in error.detail.lower():
            return AuthError(error.step, error.detail, f"{error.hint}; {_FIRST_PARTY}")
        return error


def _authorize_page_for(base_url: str) -> str:
    """IBKR's page for IBKR's hosts; the page of the same host otherwise."""
    parts = urlsplit(base_url)
    if _address.is_ibkr(parts.hostname or ""):
        return AUTHORIZE_URL
    return f"{parts.scheme}://{parts.netloc}/authorize"
