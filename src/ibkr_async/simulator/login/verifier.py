"""Decides whether a received request was signed by whom it says. Pure.

Responsible for the server's side of OAuth 1.0a: reading the header, rebuilding the base string
from what came over the wire, and checking RSA or HMAC signatures, times and nonces. Written apart
from the client's signing code on purpose, so that one misunderstanding cannot hide on both sides.
It must never read a clock, and no refusal repeats a secret or a signature.

Rules: reference notes on IBKR's OAuth, sections 1.2, 1.3, 1.9, 1.10 and 1.13. A value is encoded
once, not twice as RFC 5849 says. What goes into the base string of a signed read differs between
clients that work in production; the forms are:

* A: query and form fields are in the parameter list (documented; the only one accepted strictly)
* B: query and form fields are left out
* C: the query stays in the URL part as it was sent
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

Form: TypeAlias = Literal["A", "B", "C"]
Step: TypeAlias = Literal["request_token", "access_token", "live_session_token", "resource"]
Parameters: TypeAlias = "list[tuple[str, str]]"
LiveTokensOf: TypeAlias = "Callable[[str, str], Iterable[bytes]]"

REALM = "limited_poa"
UNAUTHORIZED = 401
_FORM_TYPE = "application/x-www-form-urlencoded"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_SECONDS = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
"""Seconds have 10 digits; a timestamp in milliseconds is refused."""
_STEPS: dict[str, Step] = {
    "request_token": "request_token",
    "access_token": "access_token",
    "live_session_token": "live_session_token",
}
_ALWAYS = (
    "oauth_consumer_key",
    "oauth_nonce",
    "oauth_signature",
    "oauth_signature_method",
    "oauth_timestamp",
)
_ALSO: dict[Step, tuple[str, ...]] = {
    "request_token": ("oauth_callback",),
    "access_token": ("oauth_token", "oauth_verifier"),
    "live_session_token": ("oauth_token", "diffie_hellman_challenge"),
    "resource": ("oauth_token",),
}


class Refusal(Exception):  # noqa: N818 - named after what the server does, not after a fault of ours
    """The request is not accepted. `text` is what follows `id: N, error: ` in IBKR's answer."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedRequest:
    """A request as it came over the wire."""

    method: str
    path: str
    """Complete and still percent-encoded, such as `/v1/api/tickle`."""
    query: str = ""
    """Without the question mark, still encoded."""
    authorization: str
    content_type: str = ""
    body: bytes = b""


@dataclass(frozen=True, kw_only=True, slots=True)
class Consumer:
    """One registered consumer: what its owner uploaded, and the tokens that it was given."""

    key: str
    signature_key: RSAPublicKey
    realm: str = REALM
    dh_prime: int = 0
    dh_generator: int = 2
    access_tokens: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """Access token to the decrypted access token secret."""
    request_tokens: Collection[str] = frozenset()
    """Authorised request tokens of the third-party flow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """Who sent the request, and how it was signed."""

    step: Step
    consumer: Consumer
    token: str
    """Empty in the request token step."""
    parameters: Mapping[str, str]
    """Of the header, decoded."""
    form: Form
    live_token: bytes = field(default=b"", repr=False)
    """The key that a resource was asked for with."""


def percent_encode(text: str) -> str:
    """Encode everything but letters, digits, `-`, `.`, `_` and `~` of the UTF-8 text."""
    return "".join(
        chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode("utf-8")
    )


def read_header(text: str) -> dict[str, str]:
    """Read an `Authorization` header into its decoded parameters, `realm` included.

    A `+` stays a plus: raw base64 must survive. Errors: `Refusal` for another scheme, a part
    without `=`, text that is not UTF-8, or a repeated name.
    """
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "oauth":
        raise Refusal("authorization header is not OAuth")
    found: dict[str, str] = {}
    for part in rest.split(","):
        name, separator, value = (piece.strip() for piece in part.partition("="))
        if not (separator and name):
            raise Refusal("authorization header cannot be read")
        if name in found:
            raise Refusal(f"parameter {name} is repeated")
        found[name] = _decoded(value.strip('"'))
    return found


def _decoded(value: str) -> str:
    try:
        return unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal("authorization header is not UTF-8") from None


def step_of(path: str) -> Step:
    """Return which step of the flow a path belongs to."""
    _, separator, last = path.rpartition("/oauth/")
    return _STEPS.get(last, "resource") if separator else "resource"


def normalised_origin(origin: str) -> str:
    """Write scheme and host in lower case and drop the scheme's default port."""
    parts = urlsplit(origin)
    port = "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname or ''}{port}"


def base_string(method: str, url: str, listed: Iterable[tuple[str, str]], prepend: str = "") -> str:
    """Build the text that is signed. `listed` is decoded; `url` stands as it was sent."""
    pairs = sorted(listed, key=lambda pair: (pair[0].encode(), pair[1].encode()))
    joined = "&".join(f"{name}={value}" for name, value in pairs)
    return f"{prepend}{method.upper()}&{percent_encode(url)}&{percent_encode(joined)}"


class Verifier:
    """Checks requests against the registered consumers, and remembers nonces."""

    def __init__(
        self,
        consumers: Iterable[Consumer],
        *,
        origins: Sequence[str],
        tolerant: bool = False,
        window_s: float = 300.0,
    ) -> None:
        self._consumers = {consumer.key: consumer for consumer in consumers}
        self._origins = tuple(dict.fromkeys(map(normalised_origin, origins)))
        self._forms: tuple[Form, ...] = ("A", "B", "C") if tolerant else ("A",)
        self._window_s = window_s
        self._nonces: dict[tuple[str, str, str, str], float] = {}
        self._excused_s = 0.0

    def postpone(self, seconds: float) -> None:
        """Let clients that are there keep their clocks when the server's is moved by so much."""
        if self._nonces:
            self._excused_s += seconds

    def verify(self, request: ReceivedRequest, live_tokens: LiveTokensOf, now: float) -> Verified:
        """Accept or refuse a request. `now` is Unix time in seconds.

        `live_tokens` looks up the 20-byte keys of a consumer and token that are good at present.
        Errors: `Refusal`.
        """
        step = step_of(request.path)
        header = read_header(request.authorization)
        consumer = self._consumer(header)
        _require_names(step, header)
        token = _known_token(step, consumer, header.get("oauth_token", ""))
        self._check_time(header["oauth_timestamp"], now)
        nonce = (consumer.key, token, header["oauth_timestamp"], header["oauth_nonce"])
        if nonce in self._nonces:
            raise Refusal("nonce was used before")

        key = b""
        if step == "resource":
            form, key = self._hmac_form(request, header, list(live_tokens(consumer.key, token)))
        else:
            prepend = consumer.access_tokens[token].hex() if step == "live_session_token" else ""
            form = self._rsa_form(request, header, consumer.signature_key, prepend)
        self._remember(nonce, now)
        return Verified(
            step=step, consumer=consumer, token=token, parameters=header, form=form, live_token=key
        )

    def _consumer(self, header: Mapping[str, str]) -> Consumer:
        consumer = self._consumers.get(header.get("oauth_consumer_key", ""))
        # The realm is not signed, so it is compared here. One that is left out passes: the
        # reference vectors hold such a header that must verify.
        if consumer is None or header.get("realm", consumer.realm) != consumer.realm:
            raise Refusal("invalid consumer")
        return consumer

    def _check_time(self, timestamp: str, now: float) -> None:
        if not _SECONDS.fullmatch(timestamp):
            raise Refusal("invalid timestamp")
        apart = int(timestamp) - now
        if min(abs(apart), abs(apart + self._excused_s)) > self._window_s:
            raise Refusal("timestamp is too far from the server's clock")

    def _remember(self, nonce: tuple[str, str, str, str], now: float) -> None:
        oldest = now - 2 * self._window_s
        while self._nonces and next(iter(self._nonces.values())) < oldest:
            del self._nonces[next(iter(self._nonces))]
        self._nonces[nonce] = now

    def _rsa_form(
        self,
        request: ReceivedRequest,
        header: Mapping[str, str],
        key: RSAPublicKey,
        prepend: str,
    ) -> Form:
        """Check an RSA signature; these requests carry no query, so there is one form only."""
        signature = _signature(header, "RSA-SHA256")
        for origin in self._origins:
            text = _base_string_of("A", origin, request, header, prepend)
            if _rsa_matches(key, signature, text):
                return "A"
        raise Refusal("invalid signature")

    def _hmac_form(
        self, request: ReceivedRequest, header: Mapping[str, str], keys: Sequence[bytes]
    ) -> tuple[Form, bytes]:
        """Check an HMAC signature in every accepted form; return also the key that made it."""
        signature = _signature(header, "HMAC-SHA256")
        if not keys:
            raise Refusal("no live session token, or it has expired")
        for form in self._forms:
            for origin in self._origins:
                text = _base_string_of(form, origin, request, header)
                for key in keys:
                    digest = hmac.new(key, text.encode(), hashlib.sha256).digest()
                    if hmac.compare_digest(digest, signature):
                        return form, key
        raise Refusal("invalid signature")


def _require_names(step: Step, header: Mapping[str, str]) -> None:
    for name in (*_ALWAYS, *_ALSO[step]):
        if not header.get(name):
            raise Refusal(f"missing parameter {name}")


def _known_token(step: Step, consumer: Consumer, token: str) -> str:
    if step == "request_token":
        return ""
    if step == "access_token":
        if token not in consumer.request_tokens:
            raise Refusal("invalid request token")
    elif token not in consumer.access_tokens:
        if step == "live_session_token":
            raise Refusal(f"LST failed, error: No access secret key found for {consumer.key}")
        raise Refusal("invalid access token")
    return token


def _signature(header: Mapping[str, str], method: str) -> bytes:
    """Return the raw signature, once the method fits the step."""
    if header["oauth_signature_method"] != method:
        raise Refusal(f"invalid signature method, expected {method}")
    try:
        return base64.b64decode(header["oauth_signature"], validate=True)
    except ValueError:
        raise Refusal("invalid signature") from None


def _rsa_matches(key: RSAPublicKey, signature: bytes, text: str) -> bool:
    try:
        key.verify(signature, text.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True


def _base_string_of(
    form: Form,
    origin: str,
    request: ReceivedRequest,
    header: Mapping[str, str],
    prepend: str = "",
) -> str:
    listed: Parameters = [
        (name, value) for name, value in header.items() if name not in {"realm", "oauth_signature"}
    ]
    url = origin + request.path
    if form == "A":
        listed += parse_qsl(request.query, keep_blank_values=True)
        if request.content_type.partition(";")[0].strip().lower() == _FORM_TYPE:
            listed += parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    elif form == "C" and request.query:
        url = f"{url}?{request.query}"
    return base_string(request.method, url, listed, prepend)
