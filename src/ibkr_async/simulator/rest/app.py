"""The REST side: who may ask what, and what is answered.

Responsible for the edge (User-Agent, Content-Length), authentication, the session endpoints, and
for handing everything else to the broker. `Desk` is pure but for the randomness it is given;
`rest_endpoint` is the thin shell around it. It must never log or keep a header or a body.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from email.utils import formatdate
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ibkr_async.simulator.answers import UNAVAILABLE, Answer, failure, ok
from ibkr_async.simulator.faults import CUT, DROPPED, Faults, RequestRecord, request_log
from ibkr_async.simulator.limits import Judge
from ibkr_async.simulator.login.live_token import answer_challenge
from ibkr_async.simulator.login.oauth2 import is_bearer
from ibkr_async.simulator.login.oauth_flow import THIRD_PARTY_ROOT
from ibkr_async.simulator.login.sessions import (
    GATEWAY,
    USERNAME,
    Identity,
    oauth_identity,
    third_party_identity,
)
from ibkr_async.simulator.login.verifier import (
    UNAUTHORIZED,
    ReceivedRequest,
    Refusal,
    Verified,
    Verifier,
    step_of,
)
from ibkr_async.simulator.wire import as_object, encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request

    from ibkr_async.simulator.login.oauth2 import BearerDesk
    from ibkr_async.simulator.login.oauth_flow import ThirdPartyFlow
    from ibkr_async.simulator.sockets.floor import Floor
    from ibkr_async.world import Clock

ROOT = "/v1/api"
_FORBIDDEN, _NOT_FOUND, _LENGTH_REQUIRED = 403, 404, 411
_BAD_REQUEST, _SERVER_ERROR, _TOO_MANY = 400, 500, 429
_MUST_HAVE_LENGTH = frozenset({"POST", "PUT", "DELETE"})
_SSO_EXPIRES_MS = 460_311


@dataclass(frozen=True, kw_only=True, slots=True)
class WebRequest:
    """One HTTP request, with what the edge looks at."""

    received: ReceivedRequest
    has_user_agent: bool = True
    has_length: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """One HTTP answer."""

    status: int
    content: bytes
    content_type: str = "application/json; charset=utf-8"
    cookie: str = ""
    """A whole `Set-Cookie` value; empty for none."""


class _Asked(NamedTuple):
    """An accepted request as the session endpoints see it."""

    identity: Identity
    query: Mapping[str, str]
    body: Any
    now: float


class Desk:
    """Answers requests, one after the other."""

    def __init__(
        self,
        floor: Floor,
        verifier: Verifier,
        *,
        flow: ThirdPartyFlow,
        bearers: BearerDesk,
        gateway: bool,
        new_exponent: Callable[[], int],
    ) -> None:
        self.faults = Faults()
        self.log = request_log()
        self.signature_forms: Counter[str] = Counter()
        self.judge = Judge(box_s=floor.settings.penalty_box_s)
        self._floor = floor
        self._sessions = floor.sessions
        self._verifier = verifier
        self._flow = flow
        self._bearers = bearers
        self._gateway = gateway
        self._new_exponent = new_exponent
        self._trace_ids = count(1001)
        self._session_endpoints: dict[tuple[str, str], Callable[[_Asked], Answer]] = {
            ("GET", "/tickle"): self._tickle,
            ("POST", "/tickle"): self._tickle,
            ("GET", "/iserver/auth/status"): self._status,
            ("POST", "/iserver/auth/status"): self._status,
            ("GET", "/iserver/auth/ssodh/init"): self._open,
            ("POST", "/iserver/auth/ssodh/init"): self._open,
            ("POST", "/iserver/reauthenticate"): self._reauthenticate,
            ("GET", "/sso/validate"): self._validate,
            ("POST", "/logout"): self._log_out,
        }

    def answer(self, request: WebRequest, now: float) -> Reply:
        """Answer a request. `now` is Unix time in seconds."""
        received = request.received
        path = _path(received)
        reply, identity = self._guarded(request, path, now)
        self.log.append(
            RequestRecord(received.method, path, reply.status, identity.partition(":")[0])
        )
        return reply

    def _guarded(self, request: WebRequest, path: str, now: float) -> tuple[Reply, Identity]:
        if not request.has_user_agent:
            return _page(_FORBIDDEN, "Forbidden"), ""
        if request.received.method in _MUST_HAVE_LENGTH and not request.has_length:
            return _page(_LENGTH_REQUIRED, "Length Required"), ""
        if not self.judge.admits(path, now) and self._floor.settings.enforce_limits:
            return _json(Answer(_TOO_MANY, {"error": "Too many requests"})), ""
        fault = self.faults.take(path)
        if fault is not None and not fault.after:
            return _json_or_text(fault.status, fault.body), ""
        try:
            answer, identity = self._authenticated(request.received, path, now)
        except Refusal as refusal:
            return _json(self._refused(refusal.text)), ""
        reply = _json(answer, self._cookie(identity))
        if fault is not None:
            reply = _json_or_text(fault.status, fault.body)
        return reply, identity

    def _refused(self, text: str) -> Answer:
        """IBKR puts a number that differs each time in front of the text."""
        return failure(UNAUTHORIZED, f"id: {next(self._trace_ids)}, error: {text}")

    def _cookie(self, identity: Identity) -> str:
        """Return the cookie that a gateway sets on its answers; it binds a socket too."""
        if identity != GATEWAY:
            return ""
        session = self._sessions.session_id(GATEWAY)
        return f"x-sess-uuid={session}; Path={ROOT}; Secure; HttpOnly"

    def postpone(self, seconds: float) -> None:
        """Let clients be, whose clocks do not move with the simulator's, and their logins live on."""
        self._verifier.postpone(seconds)
        self._bearers.postpone(seconds)
        self._floor.postpone(seconds)

    # who asks

    def _authenticated(
        self, received: ReceivedRequest, path: str, now: float
    ) -> tuple[Answer, Identity]:
        is_third_party = received.path.startswith(f"{THIRD_PARTY_ROOT}/")
        if not path and step_of(received.path) != "resource":
            return failure(_NOT_FOUND, "Resource not found", with_code=False), ""
        if not received.authorization:
            if is_third_party or not self._gateway or step_of(received.path) != "resource":
                raise Refusal("no authorization header")
            return self._routed(GATEWAY, received, path, now), GATEWAY
        if is_bearer(received.authorization) and not is_third_party:
            bearer = self._bearers.identity_of(received.authorization, now)
            return self._routed(bearer, received, path, now), bearer
        # Each root has logins of its own, so that one consumer can use both APIs at once.
        name_identity = third_party_identity if is_third_party else oauth_identity
        verified = self._verifier.verify(
            received,
            lambda consumer, token: self._sessions.live_tokens(name_identity(consumer, token), now),
            now,
        )
        self.signature_forms[verified.form] += 1
        who = name_identity(verified.consumer.key, verified.token)
        identity = self._sessions.live_tokens(who, now).get(verified.live_token, who)
        return self._answer_step(verified, identity, received, path, now), identity

    def _answer_step(
        self,
        verified: Verified,
        identity: Identity,
        received: ReceivedRequest,
        path: str,
        now: float,
    ) -> Answer:
        """Do what a verified request asks: a step of the login, or a resource."""
        if verified.step == "request_token":
            return self._flow.request_token(verified, now)
        if verified.step == "access_token":
            return self._flow.access_token(verified)
        if verified.step == "live_session_token":
            answer = self._live_session_token(verified, identity, now)
            if received.path.startswith(f"{THIRD_PARTY_ROOT}/"):
                # The older API says nothing about when the token lapses.
                del answer.body["live_session_token_expiration"]
            return answer
        return self._routed(identity, received, path, now)

    def _live_session_token(self, verified: Verified, identity: Identity, now: float) -> Answer:
        consumer = verified.consumer
        try:
            live = answer_challenge(
                verified.parameters["diffie_hellman_challenge"],
                prime=consumer.dh_prime,
                generator=consumer.dh_generator,
                exponent=self._new_exponent(),
                secret=consumer.access_tokens[verified.token],
                consumer_key=consumer.key,
            )
        except ValueError:
            raise Refusal("LST failed, error: invalid diffie_hellman_challenge") from None
        expires_at = self._sessions.log_in(identity, live.token, now)
        return ok(
            {
                "diffie_hellman_response": live.response,
                "live_session_token_signature": live.proof,
                "live_session_token_expiration": round(expires_at * 1000),
            }
        )

    # what is asked

    def _routed(
        self, identity: Identity, received: ReceivedRequest, path: str, now: float
    ) -> Answer:
        self._sessions.touch(identity, now)
        method = received.method
        query = dict(parse_qsl(received.query, keep_blank_values=True))
        try:
            body = _body(received)
        except msgspec.DecodeError:
            return failure(_BAD_REQUEST, "Bad Request: the body cannot be read")
        session_endpoint = self._session_endpoints.get((method, path))
        if session_endpoint is not None:
            return session_endpoint(_Asked(identity, query, body, now))
        if path.startswith("/iserver/") and not self._sessions.holds(identity):
            if self._sessions.closed:
                return failure(UNAVAILABLE, "Service Unavailable")
            return failure(_BAD_REQUEST, "Bad Request: no bridge")
        answer = self._floor.broker.handle(method, path, query, body, now)
        if answer is None:
            return failure(_NOT_FOUND, "Resource not found", with_code=False)
        if answer.status < _BAD_REQUEST:
            self._floor.request_served(method, path, body)
        self._floor.advance(now)
        return answer

    def _status(self, asked: _Asked) -> Answer:
        return ok(self._sessions.auth_status(asked.identity))

    def _open(self, asked: _Asked) -> Answer:
        """Open the brokerage session. 200 with `authenticated:false` is a lost competition."""
        wishes = {**asked.query, **as_object(asked.body)}
        if not _is_true(wishes.get("publish")):
            return failure(_SERVER_ERROR, "publish must be true", with_code=False)
        held = self._sessions.holds(asked.identity)
        compete = _is_true(wishes.get("compete"))
        if self._sessions.open(asked.identity, compete=compete, now=asked.now) and not held:
            self._floor.start_session()
        self._floor.announce_session()
        return self._status(asked)

    def _reauthenticate(self, _asked: _Asked) -> Answer:
        return ok({"message": "triggered"})

    def _log_out(self, asked: _Asked) -> Answer:
        self._floor.log_out(asked.identity)
        return ok({"status": True})

    def _tickle(self, asked: _Asked) -> Answer:
        """The recordings of OAuth sessions lack the three single sign-on keys."""
        sign_on: dict[str, Any] = {}
        if asked.identity == GATEWAY:
            sign_on = {"ssoExpires": _SSO_EXPIRES_MS, "collission": False, "userId": 1}
        return ok(
            {
                "session": self._sessions.session_id(asked.identity),
                **sign_on,
                "hmds": {"error": "no bridge"},
                "iserver": {"authStatus": self._sessions.auth_status(asked.identity)},
            }
        )

    def _validate(self, asked: _Asked) -> Answer:
        return ok(
            {
                "USER_ID": 1,
                "USER_NAME": USERNAME,
                "RESULT": True,
                "AUTH_TIME": round(asked.now * 1000),
                "SF_ENABLED": False,
                "IS_FREE_TRIAL": False,
                "CREDENTIAL": USERNAME,
                "IP": "127.0.0.1",
                "EXPIRES": _SSO_EXPIRES_MS,
                "QUALIFIED_FOR_MOBILE_AUTH": None,
                "LANDING_APP": "UNIVERSAL",
                "IS_MASTER": False,
                "lastAccessed": round(asked.now * 1000),
                "LOGIN_TYPE": 2,
                "PAPER_USER_NAME": USERNAME,
                "region": "NJ",
            }
        )


def _path(received: ReceivedRequest) -> str:
    """Return the path below `/v1/api`; that of the Third-Party Web API is whole but for its OAuth."""
    path = unquote(received.path)
    if path.startswith(f"{THIRD_PARTY_ROOT}/oauth/"):
        return path.removeprefix(THIRD_PARTY_ROOT)
    if path.startswith(f"{THIRD_PARTY_ROOT}/"):
        return path
    return path.removeprefix(ROOT) if path.startswith(f"{ROOT}/") else ""


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _body(received: ReceivedRequest) -> Any:
    """Read a form or JSON body; None when there is none. Errors: `msgspec.DecodeError`."""
    if not received.body.strip():
        return None
    if received.content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(received.body.decode("utf-8", "replace"), keep_blank_values=True))
    return msgspec.json.decode(received.body)


def _json(answer: Answer, cookie: str = "") -> Reply:
    return Reply(status=answer.status, content=encode(answer.body), cookie=cookie)


def _json_or_text(status: int, body: Any) -> Reply:
    if isinstance(body, str):
        return Reply(status=status, content=body.encode(), content_type="text/html")
    return _json(Answer(status, body))


def _page(status: int, title: str) -> Reply:
    """Answer as the edge does: HTML, no JSON."""
    text = f"<html><head><title>{status} {title}</title></head><body>{title}</body></html>"
    return Reply(status=status, content=text.encode(), content_type="text/html")


def rest_endpoint(
    desk: Desk, now: Callable[[], float], clock: Clock
) -> Callable[[Request], Awaitable[Response]]:
    """Return the HTTP endpoint that serves a desk. `now` gives the simulator's time."""

    async def serve(request: Request) -> Response:
        headers = request.headers
        try:
            body = await request.body()
        except ClientDisconnect:  # given up while it was being sent: nobody hears an answer
            return Response()
        received = ReceivedRequest(
            method=request.method,
            path=request.scope["raw_path"].decode("ascii"),
            query=request.scope["query_string"].decode("ascii"),
            authorization=headers.get("authorization", ""),
            content_type=headers.get("content-type", ""),
            body=body,
        )
        delay = desk.faults.take_delay(_path(received))
        if delay is not None and not delay.after:
            await clock.sleep(delay.seconds)
        reply = desk.answer(
            WebRequest(
                received=received,
                has_user_agent=bool(headers.get("user-agent")),
                has_length="content-length" in headers,
            ),
            now(),
        )
        if delay is not None and delay.after:
            await clock.sleep(delay.seconds)
        if reply.status == DROPPED:
            request.scope[CUT]()
            await request.receive()  # the connection's end
            return Response()
        response = Response(reply.content, reply.status, media_type=reply.content_type)
        # By the simulator's own clock, which a test may have moved: a client corrects its own by it.
        response.headers["date"] = formatdate(now(), usegmt=True)
        if reply.cookie:
            response.headers["set-cookie"] = reply.cookie
        return response

    return serve
