"""The whole exception tree. Every message says what happened, to what, and what to try next.

    IbkrError
    ├── UsageError                     the call is wrong; fix the program
    │   ├── ConfigError                credentials or settings missing or malformed
    │   ├── ClosedError                the client, stream or subscription is closed
    │   ├── UnknownFieldError          a market-data field name that does not exist
    │   └── OrderInvalidError          an order that IBKR's rules forbid, refused before any I/O
    ├── ContractError                  a symbol could not be resolved
    │   ├── UnknownSymbolError
    │   └── AmbiguousSymbolError
    ├── TransportError                 no usable answer came back (`may_have_reached_server`)
    │   ├── ConnectFailedError         nothing was sent
    │   ├── TlsError                   the server's certificate was refused; nothing was sent
    │   ├── RequestTimeoutError
    │   └── ConnectionBrokenError
    ├── ResponseError                  the server answered, and not with success (`status`, `body`)
    │   ├── BadRequestError            400 and other 4xx
    │   │   └── NoBridgeError          400 "no bridge": the brokerage session is not up
    │   ├── UnauthorizedError          401
    │   ├── ForbiddenError             403
    │   ├── NotFoundError              404, 410
    │   ├── NotReadyError              202, 204, 423, empty warm-up answers: ask again later
    │   ├── AccountsNotVisibleError    204 of the Third-Party API: before the nightly refresh
    │   ├── ServerTimedOutError        408 of the Third-Party API: the server waited too long
    │   ├── LockedError                423 of the Third-Party API: order calls too close together
    │   ├── RateLimitedError           429 (`retry_after_s`)
    │   ├── ServerError                5xx
    │   ├── RefusedError               200 with an error inside
    │   └── UnreadableResponseError    HTML, broken JSON, an unexpected shape, a redirect
    ├── AuthError                      logging in failed (`step`, `hint`)
    │   └── LiveSessionTokenError      the live session token could not be agreed or proven
    ├── SessionError                   the brokerage session is not usable
    │   ├── SessionTimeoutError        it did not become ready in time
    │   └── CompetingSessionError      another login of the same username holds it
    ├── StreamError                    the socket or a subscription failed
    │   ├── StreamConnectError         the socket could not be opened
    │   ├── SubscriptionError          the server refused or never confirmed a subscription
    │   └── SlowConsumerError          a subscription's buffer overflowed under policy `fail`
    └── OrderError                     what became of an order
        ├── OrderGuardError            refused here by a guard; nothing was sent
        ├── OrderRejectedError         IBKR refused it; it is not live
        ├── OrderQuestionError         IBKR asked a question that the policy does not allow
        └── OrderUnknownError          it may or may not be live: look before acting

Weather (`TransportError`, most of `ResponseError`, `SessionError`, `StreamError`) is told from
misuse (`UsageError`) by type, and `is_retryable` says whether the same call may be made again.
No message or attribute carries a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibkr_async.models.order_answers import PromptQuestion


class IbkrError(Exception):
    """Root of everything that this library raises on purpose.

    All of them can be pickled and copied, with everything but their cause and traceback.
    """

    @property
    def without_advice(self) -> str:
        """What happened, without what to do about it: to be told inside another error."""
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # Exception's own way calls the class with `args`, which constructors with keywords refuse.
        return _bare, (type(self), self.args), vars(self)


_ErrorT = TypeVar("_ErrorT", bound=IbkrError)


def _bare(kind: type[_ErrorT], args: tuple[Any, ...]) -> _ErrorT:
    """Make an error without calling its constructor; its attributes come from the pickle."""
    return kind.__new__(kind, *args)


# --- misuse --------------------------------------------------------------------------------------


class UsageError(IbkrError):
    """The call is wrong as it stands; trying again will not help."""


class ConfigError(UsageError):
    """A credential or setting is missing or malformed. The message names it and the fix."""


class ClosedError(UsageError):
    """The client, stream or subscription was closed, or was never opened."""

    def __init__(
        self, what: str, advice: str = "open a new one", *, may_have_reached_server: bool = False
    ) -> None:
        super().__init__(what, advice)
        self.what = what
        self.advice = advice
        self.may_have_reached_server = may_have_reached_server
        """True for a request that was under way when it was closed."""

    def __str__(self) -> str:
        return f"the {self.what} is not open; {self.advice}"


class UnknownFieldError(UsageError):
    """A market-data field was asked for by a name that does not exist."""

    def __init__(self, name: str, suggestions: Sequence[str] = ()) -> None:
        super().__init__(name, suggestions)
        self.name = name
        self.suggestions = tuple(suggestions)

    def __str__(self) -> str:
        near = f"; did you mean {' or '.join(self.suggestions)}?" if self.suggestions else ""
        return (
            f"{self.name!r} is not a market-data field{near} "
            "(ibkr_async.models.market_data.FIELDS lists them all; a bare tag such as '31' works too)"
        )


class OrderInvalidError(UsageError):
    """An order breaks a rule that can be checked before anything is sent."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(field, rule)
        self.field = field
        self.rule = rule

    def __str__(self) -> str:
        return f"order field {self.field!r}: {self.rule} (nothing was sent)"


class ContractError(IbkrError):
    """A symbol could not be turned into one contract."""


class UnknownSymbolError(ContractError):
    """No contract has this symbol."""

    def __init__(self, symbol: str) -> None:
        super().__init__(symbol)
        self.symbol = symbol

    def __str__(self) -> str:
        return (
            f"no contract found for symbol {self.symbol!r}; check the spelling with "
            f"ib.contracts.search({self.symbol!r}), or pass the conid"
        )


class AmbiguousSymbolError(ContractError):
    """Several contracts share this symbol and none is the obvious one."""

    def __init__(self, symbol: str, candidates: Sequence[tuple[int, str]]) -> None:
        super().__init__(symbol, candidates)
        self.symbol = symbol
        self.candidates = tuple(candidates)
        """(conid, description) of each contract that matched."""

    def __str__(self) -> str:
        listed = ", ".join(f"{conid} ({text})" for conid, text in self.candidates[:8])
        more = len(self.candidates) - 8
        tail = f" and {more} more" if more > 0 else ""
        return (
            f"symbol {self.symbol!r} names {len(self.candidates)} contracts: {listed}{tail}; "
            "pass the conid of the one you mean"
        )


# --- transport -----------------------------------------------------------------------------------


class TransportError(IbkrError):
    """No usable answer came back.

    `may_have_reached_server` is the fact that decides an order's fate: when it is true the
    server may have acted on the request.
    """

    advice = "check the network, then try again"

    def __init__(self, request: str, detail: str, *, may_have_reached_server: bool) -> None:
        super().__init__(request, detail, may_have_reached_server)
        self.request = request
        """Method and path, such as `GET /iserver/accounts`."""
        self.detail = detail
        self.may_have_reached_server = may_have_reached_server

    @property
    def without_advice(self) -> str:
        """What happened, and whether the server can have acted on it."""
        reached = (
            "the server may have received it"
            if self.may_have_reached_server
            else "nothing reached the server"
        )
        return f"{self.request}: {self.detail}; {reached}"

    def __str__(self) -> str:
        return f"{self.without_advice}; {self.advice}"


class ConnectFailedError(TransportError):
    """The server could not be reached at all."""

    advice = "check that the host and port are right and that the gateway or simulator is running"


class TlsError(TransportError):
    """The server's certificate was refused. Nothing was sent."""

    advice = (
        "for a gateway or the simulator pass its certificate, as in Gateway(url, ca='ca.pem'); "
        "verification is never switched off"
    )


class RequestTimeoutError(TransportError):
    """The server did not answer in time."""

    advice = "a read may be repeated; after anything else look what became of it first"


class ConnectionBrokenError(TransportError):
    """The connection broke while the request was under way."""

    advice = "a read may be repeated; after anything else look what became of it first"


# --- answers that are not success ----------------------------------------------------------------


class ResponseError(IbkrError):
    """The server answered, and the answer is not success."""

    advice = ""

    def __init__(
        self, request: str, status: int, detail: str, *, body: str = "", advice: str = ""
    ) -> None:
        super().__init__(request, status, detail)
        self.request = request
        """Method and path, such as `GET /iserver/accounts`."""
        self.status = status
        self.detail = detail
        """The server's own words, shortened."""
        self.body = body
        """The first 2,000 characters of the answer."""
        self._advice = advice or self.advice

    @property
    def without_advice(self) -> str:
        """What happened: the request, the status and the server's own words."""
        return f"{self.request}: {self.status} {self.detail}"

    def __str__(self) -> str:
        tail = f"; {self._advice}" if self._advice else ""
        return f"{self.without_advice}{tail}"


class BadRequestError(ResponseError):
    """400 and other 4xx answers that have no class of their own."""

    advice = "correct the request; repeating it will not help"


class NoBridgeError(BadRequestError):
    """400 `no bridge`: OAuth is fine, the brokerage session is missing.

    Source: github.com/Voyz/ibind issues 34 and 44.
    """

    advice = "the brokerage session is not up: await ib.ready(), or look at ib.session.info"


class UnauthorizedError(ResponseError):
    """401: the session or token is not, or no longer, valid."""

    advice = "log in again; ib.session.info and `ibkr-async oauth check` show why"


class ForbiddenError(ResponseError):
    """403: not permitted for this user, account or address."""

    advice = "check the account's permissions and, for a gateway, ips.allow in its conf.yaml"


class NotFoundError(ResponseError):
    """404 or 410, or a 5xx that names what is missing; 404 also of a backend that is not awake yet."""

    advice = "check the ids in the path"


class NotReadyError(ResponseError):
    """202, 204, 423 or an empty warm-up answer: IBKR has nothing to return yet."""

    advice = "ask again in a few seconds"


class AccountsNotVisibleError(ResponseError):
    """204 of the Third-Party Web API's account endpoints: the accounts are not visible yet.

    After a user's first authorisation they appear with IBKR's nightly refresh; what is authorised
    before 16:55 New York time is there the next day.
    Source: "/accounts", "Important Info" of the Third-Party Web API v1 reference.
    """

    advice = (
        "accounts authorised before 16:55 New York time become visible after IBKR's nightly "
        "refresh: try again tomorrow; asking more often does not help"
    )


class ServerTimedOutError(ResponseError):
    """408 of the Third-Party Web API: the server waited too long. It may have acted all the same."""

    advice = "a read may be repeated; look for an order before doing anything about it"


class LockedError(ResponseError):
    """423 of the Third-Party Web API: an order resource was called repeatedly. Nothing was done.

    Source: "/accounts", "Important Info" of the Third-Party Web API v1 reference.
    """

    advice = (
        "the order resource is locked because it was called repeatedly; wait some seconds, then "
        "make one call and wait for its answer (the library does not repeat it by itself)"
    )


class RateLimitedError(ResponseError):
    """429, or held back by this client: too many requests.

    IBKR may block this IP address for 10 to 15 minutes. `was_sent` tells the two apart.
    """

    advice = (
        "requests to this endpoint are held back; do not restart, the penalty is on the address"
    )

    def __init__(
        self,
        request: str,
        status: int,
        detail: str,
        *,
        body: str = "",
        advice: str = "",
        retry_after_s: float | None = None,
        was_sent: bool = True,
    ) -> None:
        super().__init__(request, status, detail, body=body, advice=advice)
        self.retry_after_s = retry_after_s
        """Seconds to wait: from `Retry-After` (None when the server sent none), or to the next slot."""
        self.was_sent = was_sent
        """False when this client held the request back: nothing left this machine."""


class ServerError(ResponseError):
    """5xx that is IBKR's trouble; what can trade may have been done all the same."""

    advice = "a read may be repeated; for an order look at ib.orders before doing anything"


class RefusedError(ResponseError):
    """200 with an error inside, or a 5xx that says no: the request was understood and refused."""

    advice = "correct the request; repeating it will not help"


class UnreadableResponseError(ResponseError):
    """The answer could not be understood: HTML, broken JSON, another shape, or a redirect."""

    advice = (
        "a proxy or a login page may be in the way; if the answer is IBKR's, "
        "please report it with the shape of the body"
    )


# --- login and session ---------------------------------------------------------------------------


class AuthError(IbkrError):
    """Logging in failed. `hint` is what usually cures it."""

    def __init__(self, step: str, detail: str, hint: str = "") -> None:
        super().__init__(step, detail, hint)
        self.step = step
        """Which step failed, such as `live session token`."""
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        tail = f"; {self.hint}" if self.hint else ""
        return f"login failed at {self.step}: {self.detail}{tail}"


class LiveSessionTokenError(AuthError):
    """The live session token could not be agreed, or the server's proof of it is wrong."""


class SessionError(IbkrError):
    """The brokerage session is not usable."""


class SessionTimeoutError(SessionError):
    """The brokerage session did not become ready in time."""

    def __init__(self, waited_s: float, state: str, detail: str = "") -> None:
        super().__init__(waited_s, state, detail)
        self.waited_s = waited_s
        self.state = state
        self.detail = detail

    def __str__(self) -> str:
        why = f" ({self.detail})" if self.detail else ""
        return (
            f"the brokerage session was not ready after {self.waited_s:g} s; "
            f"its state is {self.state!r}{why}; IBKR resets sessions around midnight of the "
            "region, and a gateway needs its browser login once a day"
        )


class CompetingSessionError(SessionError):
    """Another login of the same username holds the brokerage session."""

    def __init__(self, username: str = "") -> None:
        super().__init__(username)
        self.username = username

    def __str__(self) -> str:
        who = f" of user {self.username!r}" if self.username else ""
        return (
            f"another session{who} holds the brokerage session (TWS, mobile, portal or a second "
            "bot); log that one out, or pass compete=True to take it over"
        )


# --- stream --------------------------------------------------------------------------------------


class StreamError(IbkrError):
    """The socket or one of its subscriptions failed."""


class StreamConnectError(StreamError):
    """The socket could not be opened, or the server never greeted it."""

    def __init__(self, url: str, detail: str, *, fatal: bool = False) -> None:
        super().__init__(url, detail)
        self.url = url
        """Without its query string."""
        self.detail = detail
        self.fatal = fatal
        """True when another attempt with the same settings cannot help (certificate, refusal)."""

    def __str__(self) -> str:
        return f"cannot open the socket at {self.url}: {self.detail}"


class SubscriptionError(StreamError):
    """The server refused a subscription, never confirmed it, or cannot serve it."""

    def __init__(self, topic: str, detail: str) -> None:
        super().__init__(topic, detail)
        self.topic = topic
        self.detail = detail

    def __str__(self) -> str:
        return f"subscription {self.topic}: {self.detail}"


class SlowConsumerError(StreamError):
    """A subscription with policy `fail` was read more slowly than it was filled.

    It is raised after everything that was queued has been delivered; `missed` messages followed.
    """

    def __init__(self, topic: str, capacity: int, missed: int) -> None:
        super().__init__(topic, capacity, missed)
        self.topic = topic
        self.capacity = capacity
        self.missed = missed

    def __str__(self) -> str:
        return (
            f"subscription {self.topic}: {self.capacity} messages were waiting and {self.missed} "
            "more came; read faster, raise buffer=, or choose policy='drop_oldest'; "
            "reconcile through REST before trusting local state"
        )


# --- orders --------------------------------------------------------------------------------------


class OrderError(IbkrError):
    """What became of an order. The order's `coid` is always known."""

    def __init__(self, coid: str, detail: str, *, live_order_ids: Sequence[str] = ()) -> None:
        super().__init__(coid, detail)
        self.coid = coid
        self.detail = detail
        self.live_order_ids = tuple(live_order_ids)
        """IBKR's ids of what was accepted all the same: legs that are live, or filled already."""

    @property
    def _what_is_live(self) -> str:
        if not self.live_order_ids:
            return ""
        return f"; these orders ARE live or filled: {', '.join(self.live_order_ids)}"


class OrderGuardError(OrderError):
    """A guard of this library refused the order. Nothing was sent."""

    def __str__(self) -> str:
        return f"order {self.coid}: {self.detail} (nothing was sent)"


class OrderRejectedError(OrderError):
    """IBKR refused the order, or a leg of it: only `live_order_ids`, if any, are live."""

    def __str__(self) -> str:
        return f"order {self.coid} was rejected by IBKR: {self.detail}{self._what_is_live}"


class OrderQuestionError(OrderError):
    """IBKR asked a question that was not answered with yes: only `live_order_ids` are live."""

    def __init__(
        self,
        coid: str,
        message_ids: Sequence[str],
        texts: Sequence[str],
        *,
        reason: str = "",
        advice: str = "",
        declined: bool = True,
        live_order_ids: Sequence[str] = (),
    ) -> None:
        super().__init__(coid, "; ".join(texts), live_order_ids=live_order_ids)
        self.message_ids = tuple(message_ids)
        """IBKR's ids of the questions, such as `o163`."""
        self.texts = tuple(texts)
        """The questions without markup."""
        self.reason = reason
        """Why it was refused."""
        self.declined = declined
        """Whether IBKR took the refusal; when false the question may still be open at IBKR."""
        self._advice = advice

    def __str__(self) -> str:
        ids = ", ".join(repr(message_id) for message_id in self.message_ids) or "without an id"
        why = f" ({self.reason})" if self.reason else ""
        advice = self._advice or (
            f"to accept such questions pass answers=Answers.allow({ids})"
            if self.message_ids
            else "to accept such questions pass answers=Answers.ask(...)"
        )
        pending = (
            ""
            if self.declined
            else "; the refusal was not acknowledged: look at ib.orders.live() before going on"
        )
        return (
            f"order {self.coid} was not placed: IBKR asks {ids}: {self.detail!r}{why}; {advice}"
            f"{pending}{self._what_is_live}"
        )


_ADVICE: Final = (
    "it may be live: search ib.orders.live() and ib.orders.trades() for order_ref {coid!r} before "
    "placing it again"
)
_ADVICE_REUSED: Final = (
    "this coid was used before, so what is found under {coid!r} is the earlier order: look at that "
    "one, dismiss this one with ib.orders.dismiss({coid!r}), and place it under a new coid"
)


class OrderUnknownError(OrderError):
    """The order may or may not be live. It was not sent again, and must not be blindly.

    `looked_at` says what was examined after the failure.
    """

    def __init__(
        self,
        coid: str,
        detail: str,
        looked_at: Sequence[str] = (),
        *,
        live_order_ids: Sequence[str] = (),
        advice: str = "",
        prompt: PromptQuestion | None = None,
        coid_reused: bool = False,
    ) -> None:
        super().__init__(coid, detail, live_order_ids=live_order_ids)
        self.looked_at = tuple(looked_at)
        self.prompt = prompt
        """What IBKR wants to be chosen, for `ib.orders.answer_prompt`; None when it does not ask."""
        self.coid_reused = coid_reused
        """IBKR knows this client order id already: `live_order_ids` are of an earlier order."""
        self._advice = advice or (_ADVICE_REUSED if coid_reused else _ADVICE).format(coid=coid)

    def __str__(self) -> str:
        looked = f"; looked at {', '.join(self.looked_at)}" if self.looked_at else ""
        return (
            f"order {self.coid}: outcome unknown ({self.detail}){looked}{self._what_is_live}; "
            f"{self._advice}"
        )


def is_retryable(error: BaseException) -> bool:
    """Tell whether the very same *read* may succeed if it is simply made again later.

    Never an answer for orders: a submit that failed is `OrderUnknownError`, which is not retryable.
    """
    if isinstance(error, TlsError):
        return False
    if isinstance(error, StreamConnectError):
        return not error.fatal
    return isinstance(
        error,
        TransportError
        | RateLimitedError
        | ServerError
        | NotReadyError
        | ServerTimedOutError
        | NoBridgeError
        | SessionTimeoutError,
    )
