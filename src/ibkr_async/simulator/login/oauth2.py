"""The server's side of OAuth 2.0: the two signed statements are verified, bearers handed out. Pure.

Responsible for reading and checking JWS by its own code, for access tokens and sessions, and for
telling whose a bearer is. It must never read a clock, and no problem report repeats a token.

Rules: reference notes on IBKR's OAuth, section 2.2. Clock tolerance, and that the `ip` in the
statement must be the caller's, are our reading of it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.responses import Response

from ibkr_async.simulator.answers import Answer, ok
from ibkr_async.simulator.faults import RequestRecord
from ibkr_async.simulator.login.verifier import Refusal
from ibkr_async.simulator.wire import encode

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Awaitable, Callable, Mapping

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from starlette.requests import Request

    from ibkr_async.simulator.login.sessions import Identity

TOKEN_PATH = "/oauth2/api/v1/token"  # noqa: S105 - an address
SSO_PATH = "/gw/api/v1/sso-sessions"
SCOPE = "sso-sessions.write"
CLIENT_ID = "simulator-client"
KEY_ID = "main"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AUDIENCE = "/token"
IDENTITY_PREFIX = "oauth2:"

_TOKEN_LIFETIME_S = 86_399
_LONGEST_ASSERTION_S = 900
"""One client in production asks for 600 seconds instead of 30."""
_LONGEST_SESSION_S = 86_400
_LEEWAY_S = 60
_MIN_KEY_BITS = 2048
_BAD_REQUEST, _UNAUTHORIZED = 400, 401
_FORM_TYPE = "application/x-www-form-urlencoded"
_PART = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_PARTS_OF_JWS = 3


class Problem(Exception):  # noqa: N818 - named after `application/problem+json`
    """A refusal: status, title and detail of the answer."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(status, title, detail)
        self.status, self.title, self.detail = status, title, detail


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisteredClient:
    """What IBKR's staff would have on file."""

    client_id: str
    key_id: str
    key: RSAPublicKey
    credential: str
    """The user name that it may open sessions for."""


@dataclass(slots=True)
class _Bearer:
    expires_at: float
    identity: Identity = ""
    """Whose session it is; empty for an access token."""


def read_jws(text: str, client: RegisteredClient) -> dict[str, Any]:
    """Verify a compact JWS and return its claims.

    Errors: `Problem` for a damaged text, another algorithm, an unknown or short key, a wrong
    signature, or claims that are not an object.
    """
    parts = text.split(".")
    if len(parts) != _PARTS_OF_JWS or not all(map(_PART.fullmatch, parts)):
        raise _invalid("the assertion is not a compact JWS")
    header, claims = _document(parts[0]), _document(parts[1])
    if header.get("alg") != "RS256" or header.get("typ") != "JWT":
        raise _invalid("the assertion must be a JWT signed with RS256")
    if header.get("kid") != client.key_id or client.key.key_size < _MIN_KEY_BITS:
        raise _invalid("the key of the assertion is not registered")
    try:
        client.key.verify(
            _decoded(parts[2]), f"{parts[0]}.{parts[1]}".encode("ascii"), PKCS1v15(), SHA256()
        )
    except InvalidSignature:
        raise _invalid("the signature of the assertion is wrong") from None
    return claims


def _document(part: str) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(_decoded(part))
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _invalid("the assertion does not hold JSON") from None
    if not isinstance(document, dict):
        raise _invalid("the assertion does not hold a JSON object")
    # JSON objects have text keys only, which the type checkers cannot know.
    return cast("dict[str, Any]", document)


def _decoded(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise _invalid("the assertion is not base64url") from None


def _invalid(detail: str) -> Problem:
    return Problem(_BAD_REQUEST, "The access token request is invalid", detail)


class BearerDesk:
    """One registered client, its access tokens and its sessions."""

    def __init__(
        self,
        client: RegisteredClient,
        *,
        new_token: Callable[[], str],
        begin_login: Callable[[Identity], Identity],
    ) -> None:
        self.client = client
        self._new_token = new_token
        self._begin_login = begin_login
        self._access_tokens: dict[str, _Bearer] = {}
        self._sessions: dict[str, _Bearer] = {}

    def token(self, content_type: str, body: bytes, now: float) -> Answer:
        """Answer `POST /oauth2/api/v1/token`. Errors: `Problem`."""
        if _media_type(content_type) != _FORM_TYPE:
            raise _invalid("the content type must be a form")
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        wanted = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "scope": SCOPE,
        }
        for name, value in wanted.items():
            if form.get(name) != value:
                raise _invalid(f"{name} must be {value}")
        claims = read_jws(form.get("client_assertion", ""), self.client)
        if (claims.get("iss"), claims.get("sub")) != (self.client.client_id,) * 2:
            raise _invalid("iss and sub must be the client id")
        if claims.get("aud") != AUDIENCE:
            raise _invalid(f"aud must be {AUDIENCE}")
        _check_times(claims, now, longest_s=_LONGEST_ASSERTION_S)
        token = self._new_token()
        self._access_tokens[token] = _Bearer(now + _TOKEN_LIFETIME_S)
        return ok(
            {
                "access_token": token,
                "token_type": "Bearer",
                "scope": SCOPE,
                "expires_in": _TOKEN_LIFETIME_S,
            }
        )

    def sso_session(
        self, authorization: str, content_type: str, body: bytes, *, caller_ip: str, now: float
    ) -> Answer:
        """Answer `POST /gw/api/v1/sso-sessions`. Errors: `Problem`."""
        known = self._access_tokens.get(_bearer_in(authorization))
        if known is None or now >= known.expires_at:
            raise Problem(_UNAUTHORIZED, "Unauthorized", "Access token expired")
        if _media_type(content_type) != "application/jwt":
            raise _invalid("the content type must be application/jwt")
        claims = read_jws(body.decode("ascii", "replace").strip(), self.client)
        if claims.get("iss") != self.client.client_id:
            raise _invalid("iss must be the client id")
        if claims.get("credential") != self.client.credential:
            raise _invalid("the credential is not one of this client's users")
        if claims.get("ip") != caller_ip:
            raise _invalid("ip must be the address of the caller")
        expires_at = _check_times(claims, now, longest_s=_LONGEST_SESSION_S)
        bearer = self._new_token()
        identity = self._begin_login(IDENTITY_PREFIX + self.client.client_id)
        self._sessions[bearer] = _Bearer(expires_at, identity)
        return ok({"access_token": bearer, "token_type": "Bearer", "active": True})

    def identity_of(self, authorization: str, now: float) -> Identity:
        """Return whose bearer a header carries. Errors: `Refusal`."""
        session = self._sessions.get(_bearer_in(authorization))
        if session is None or now >= session.expires_at:
            raise Refusal("invalid bearer token, or it has expired")
        return session.identity

    def knows(self, bearer: str, now: float) -> bool:
        """Tell whether this is the bearer token of a session that has not lapsed."""
        session = self._sessions.get(bearer)
        return session is not None and now < session.expires_at

    def postpone(self, seconds: float) -> None:
        """Let every bearer token live so much longer."""
        for bearer in (*self._access_tokens.values(), *self._sessions.values()):
            bearer.expires_at += seconds

    def expire(self) -> None:
        """Make every bearer token invalid."""
        self._access_tokens.clear()
        self._sessions.clear()


def is_bearer(authorization: str) -> bool:
    """Tell whether an `Authorization` header is of the bearer kind."""
    return authorization.lower().startswith("bearer ")


def _bearer_in(authorization: str) -> str:
    return authorization.partition(" ")[2].strip() if is_bearer(authorization) else ""


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _check_times(claims: Mapping[str, Any], now: float, *, longest_s: int) -> float:
    """Check `iat` and `exp`; return when the statement lapses. Errors: `Problem`."""
    issued, expires = claims.get("iat"), claims.get("exp")
    # A bool is an int to Python, and `true` is no time.
    if type(issued) is not int or type(expires) is not int:
        raise _invalid("iat and exp must be whole seconds")
    if not issued < expires <= issued + longest_s:
        raise _invalid(f"exp must be within {longest_s} seconds of iat")
    if issued > now + _LEEWAY_S or expires <= now:
        raise _invalid("the assertion is not valid at this time")
    return float(expires)


def oauth2_endpoint(
    desk: BearerDesk, clock: Callable[[], float], log: deque[RequestRecord]
) -> Callable[[Request], Awaitable[Response]]:
    """Return the HTTP endpoint that serves both paths."""

    async def serve(request: Request) -> Response:
        headers, body, path = request.headers, await request.body(), request.url.path
        content_type = headers.get("content-type", "")
        try:
            if path == TOKEN_PATH:
                answer = desk.token(content_type, body, clock())
            else:
                answer = desk.sso_session(
                    headers.get("authorization", ""),
                    content_type,
                    body,
                    caller_ip=request.client.host if request.client else "",
                    now=clock(),
                )
        except Problem as problem:
            log.append(RequestRecord(request.method, path, problem.status, ""))
            return _problem_response(problem)
        log.append(RequestRecord(request.method, path, answer.status, "oauth2"))
        return Response(encode(answer.body), answer.status, media_type="application/json")

    return serve


def _problem_response(problem: Problem) -> Response:
    body = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    return Response(encode(body), problem.status, media_type="application/problem+json")
