"""OAuth 2.0 with a key pair: the program proves itself, then opens a session for one user.

Two requests: a signed client assertion buys an access token; with it, a signed statement of user and
address opens a session, whose bearer token goes on every call. Nothing is signed per request.
`OAuth2` never sends by itself, never asks the network for its own address, and shows no secret.

Source: IBKR "OAuth 2.0"; POST /oauth2/api/v1/token, POST /gw/api/v1/sso-sessions. Enrolment goes
through IBKR's staff; the self-service page hands out OAuth 1.0a credentials only.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec

from ibkr_async.auth import _address, _refusal, _tls
from ibkr_async.auth._expiring import ExpiringLogin
from ibkr_async.auth._secret import Secret
from ibkr_async.auth.keys import check_key_files, read_private_key
from ibkr_async.auth.oauth1a.login import API_URL
from ibkr_async.auth.server_clock import NOTABLE_SKEW_S, ServerClock
from ibkr_async.errors import AuthError, ConfigError, IbkrError, UsageError
from ibkr_async.models.base import decode
from ibkr_async.models.oauth import BearerReply
from ibkr_async.oauth import jwt
from ibkr_async.oauth.encoding import percent_encode
from ibkr_async.ports import USER_AGENT, HttpReply, HttpRequest, SocketTarget
from ibkr_async.sealed import SEALED
from ibkr_async.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from ibkr_async.auth.keys import KeySource
    from ibkr_async.ports import Method, Pairs, Send

TOKEN_PATH = "/oauth2/api/v1/token"  # noqa: S105 - an address
SSO_PATH = "/gw/api/v1/sso-sessions"
SCOPE = "sso-sessions.write"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

_TIMEOUT_S = 30.0
_OK, _CREATED, _BAD_REQUEST, _UNAUTHORIZED, _FORBIDDEN = 200, 201, 400, 401, 403
_REFUSALS = frozenset({_BAD_REQUEST, _UNAUTHORIZED})


class _Session(NamedTuple):
    bearer: Secret[str]
    expires_at: float
    """Unix seconds on the server's clock."""


class OAuth2(ExpiringLogin):
    """Log in with OAuth 2.0: `private_key_jwt`, then a single sign-on session.

    `client_id` and `key_id` (such as `main`) are what IBKR registered, `key` is the private half as
    PEM bytes or a path, `credential` the IBKR user name that the session is for. `ip` is the public
    address that the calls come from, as text or as a function that is asked at every login, in a thread
    of its own: the session is bound to it. The library does not look it up, since that would tell a third party.

    `token_url` and `sso_url` follow from the host of `base_url`. `socket_parameter` is the query
    parameter that carries the bearer token when the socket opens: IBKR's pages say `sessionToken`,
    its schema says `bearer_token`, and no recording of either is public.
    The other arguments are those of `OAuth1a`.

    Errors: `ConfigError` for whatever can be seen without opening the key.
    Concurrency: one `login` at a time; everything else is free.
    """

    def __init__(
        self,
        *,
        client_id: str,
        key_id: str,
        key: KeySource,
        credential: str,
        ip: str | Callable[[], str],
        base_url: str = API_URL,
        token_url: str | None = None,
        sso_url: str | None = None,
        ws_url: str | None = None,
        socket_parameter: str = "sessionToken",
        ca: KeySource | None = None,
        allow_host: str | None = None,
        allow_open_key_files: bool = False,
        renew_margin_s: float = 600.0,
        world: World | None = None,
    ) -> None:
        self._world = world or World()
        _check_texts(client_id=client_id, key_id=key_id, credential=credential)
        self._client_id, self._key_id, self._credential = client_id, key_id, credential
        self._ip = ip if callable(ip) else _checked_ip(ip)
        base_url = _address.check_base_url(base_url, allow_host)
        trust = _tls.Trust(ca, may_skip_host_name=_address.may_skip_host_name(base_url, allow_host))
        super().__init__(base_url, trust, ServerClock(self._world.clock.wall), renew_margin_s)
        origin = _origin(self._base_url)
        self._token_url = _address.check_base_url(token_url or origin + TOKEN_PATH, allow_host)
        self._sso_url = _address.check_base_url(sso_url or origin + SSO_PATH, allow_host)
        self._ws_url = (
            _address.ws_url_for(self._base_url)
            if ws_url is None
            else _address.check_ws_url(ws_url, allow_host)
        )
        self._socket_parameter = socket_parameter
        check_key_files([key], allow_open=allow_open_key_files)
        self._key_source = key
        self._allow_open = allow_open_key_files
        self._key: RSAPrivateKey | None = None
        self._session: _Session | None = None

    def __repr__(self) -> str:
        return f"OAuth2(client_id=***, credential=***, base_url={self._base_url!r})"

    # --- what the client asks --------------------------------------------------------------------

    @property
    def expires_at(self) -> float | None:
        """Unix seconds, on the server's clock, at which the session lapses; None without one."""
        return None if self._session is None else self._session.expires_at

    # --- logging in ------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Read and parse the key, once. `login` runs it in a worker thread.

        Errors: `ConfigError` that names the file and what it holds instead.
        """
        self._loaded_key()

    def _loaded_key(self) -> RSAPrivateKey:
        if self._key is None:
            self._key = read_private_key(
                self._key_source, "client key", allow_open=self._allow_open
            )
        return self._key

    async def login(self, send: Send) -> None:
        """Obtain an access token, and with it a session.

        A refusal that shows our clock to be off is answered by one more attempt.
        Errors: `ConfigError` for a key or address that cannot be used; `AuthError` with a hint when
        the server refuses; `ServerError`, `RateLimitedError` and `TransportError` for weather.
        After any failure the old session stays.
        Cancellation: safe at any point; the old session stays.
        """
        key = await self._world.threads.run(self._loaded_key)
        ip = self._ip
        if not isinstance(ip, str):  # it may ask the network
            ip = _checked_ip(await self._world.threads.run(_asked_ip, ip))
        with SEALED:
            await self._open_session(send, key, ip)

    async def _open_session(self, send: Send, key: RSAPrivateKey, ip: str) -> None:
        token = await self._access_token(send, key)
        now = int(self._clock.now())
        assertion = jwt.sso_session_assertion(
            self._client_id, self._key_id, key, credential=self._credential, ip=ip, now=now
        )
        step = "single sign-on session"
        reply = await send(
            _post(
                self._sso_url,
                assertion.encode("ascii"),
                "application/jwt",
                f"POST {SSO_PATH}",
                {"Authorization": f"Bearer {token.reveal()}"},
            )
        )
        self._clock.learn(reply.headers)
        answer = self._answer(step, SSO_PATH, reply, hide=(token.reveal(),))
        if answer.active is False:
            raise AuthError(step, "the session is not active", "check the user name (credential)")
        lifetime_s = answer.expires_in or jwt.SESSION_LIFETIME_S
        expires_at = now + lifetime_s
        self._plan_renewal(now, expires_at)
        self._session = _Session(Secret(answer.access_token or ""), expires_at)

    async def _access_token(self, send: Send, key: RSAPrivateKey) -> Secret[str]:
        ahead_before_s = self._clock.ahead_s
        reply = await send(self._token_request(key))
        self._clock.learn(reply.headers)
        moved_s = abs(self._clock.ahead_s - ahead_before_s)
        if reply.status in _REFUSALS and moved_s > NOTABLE_SKEW_S:
            reply = await send(self._token_request(key))
        return Secret(self._answer("access token", TOKEN_PATH, reply).access_token or "")

    def _token_request(self, key: RSAPrivateKey) -> HttpRequest:
        assertion = jwt.client_assertion(
            self._client_id, self._key_id, key, now=int(self._clock.now())
        )
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
            "scope": SCOPE,
        }
        return _post(
            self._token_url,
            urlencode(form).encode("ascii"),
            "application/x-www-form-urlencoded",
            f"POST {TOKEN_PATH}",
        )

    def _answer(
        self, step: str, path: str, reply: HttpReply, *, hide: tuple[str, ...] = ()
    ) -> BearerReply:
        hidden = (*hide, self._client_id, self._credential)
        if reply.status not in {_OK, _CREATED}:
            raise self._refusal(step, f"POST {path}", reply, hidden)
        try:
            answer: BearerReply = decode(BearerReply, reply.content)
        except msgspec.DecodeError:
            raise AuthError(step, "the answer cannot be read", _hint(_OK)) from None
        if not answer.access_token:
            raise AuthError(step, "the answer holds no token", _hint(_OK))
        return answer

    def _refusal(self, step: str, label: str, reply: HttpReply, hide: tuple[str, ...]) -> IbkrError:
        detail = _refusal.redacted(_refusal.words(reply), hide)
        hint = _hint(reply.status)
        return _refusal.weather(label, reply, detail) or AuthError(
            *_refusal.refused(step, reply, detail, hint=hint, ahead_s=self._clock.ahead_s)
        )

    def forget(self) -> None:
        """Drop the session, so that `needs_login` is true."""
        self._session = None

    def absorb(self, reply: HttpReply) -> None:
        """Do nothing: a 401 makes the client log in anew, which is what a lapsed session needs."""

    # --- using the login -------------------------------------------------------------------------

    def sign(self, method: Method, url: str, query: Pairs, form: Pairs) -> Mapping[str, str]:  # noqa: ARG002 - the protocol names them
        """Return the bearer header. Errors: `UsageError` when `login` has not succeeded."""
        return {"Authorization": f"Bearer {self._bearer()}"}

    def socket(self, session: str) -> SocketTarget:
        """Describe how the socket is opened: bearer token in the query, session in the cookie.

        Errors: `UsageError` when `login` has not succeeded; `AuthError` when `session` is empty or
        cannot be a cookie value.
        Source: IBKR changelog of 12 March 2026, `sessionToken`.
        """
        return SocketTarget(
            url=f"{self._ws_url}?{self._socket_parameter}={percent_encode(self._bearer())}",
            headers={"Cookie": _address.api_cookie(session), "User-Agent": USER_AGENT},
            session=session,
        )

    def _bearer(self) -> str:
        if self._session is None:
            raise UsageError("not logged in: login() comes first")
        return self._session.bearer.reveal()


def _post(
    url: str, content: bytes, kind: str, label: str, headers: Mapping[str, str] | None = None
) -> HttpRequest:
    return HttpRequest(
        method="POST",
        url=url,
        headers={
            "Accept": "application/json",
            "Content-Type": kind,
            "User-Agent": USER_AGENT,
            **(headers or {}),
        },
        content=content,
        timeout_s=_TIMEOUT_S,
        label=label,
    )


def _hint(status: int) -> str:
    if status in _REFUSALS:
        return (
            "check client_id, key_id and that the public half of the key is the one registered with "
            "IBKR, that credential is the user name, and that ip is the address your calls come from"
        )
    if status == _FORBIDDEN:
        return "the client may not open sessions for this user: ask IBKR to grant it the scope"
    return "check base_url; a proxy or a login page may be in the way"


def _check_texts(**named: str) -> None:
    wrong = [name for name, value in named.items() if not value.strip() or not value.isprintable()]
    if wrong:
        raise ConfigError(f"credentials missing or malformed: {', '.join(wrong)}")


def _asked_ip(ask: Callable[[], str]) -> str:
    try:
        return str(ask())
    except Exception as problem:
        raise ConfigError(f"ip: the function that was given failed: {problem!r}") from problem


def _checked_ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise ConfigError(
            f"ip: {text!r} is not an IP address; give the public address that your calls come from"
        ) from None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
