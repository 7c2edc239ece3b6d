"""What a login endpoint's refusal means, for every way of logging in.

The server's words are shortened, the caller's own tokens are taken out of them, and the usual cure
is added. Weather (429, 5xx) becomes the error that may be retried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ibkr_async.auth.server_clock import NOTABLE_SKEW_S
from ibkr_async.errors import AuthError, IbkrError, RateLimitedError, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibkr_async.ports import HttpReply

_OK, _UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _GONE = 200, 401, 403, 404, 410
_TOO_MANY, _SERVER_ERROR = 429, 500
_LONGEST_DETAIL = 200
_PAGE = "an HTML page"
_EMPTY = "an empty answer"
_USUAL_KEY_LENGTH = 9


def weather(label: str, reply: HttpReply, detail: str) -> IbkrError | None:
    """Build the error for an answer that says nothing about the credentials; None when it does."""
    if reply.status == _TOO_MANY:
        return RateLimitedError(
            label, reply.status, detail, retry_after_s=_seconds(reply.headers.get("retry-after"))
        )
    if reply.status >= _SERVER_ERROR:
        return ServerError(
            label, reply.status, detail, advice="IBKR's login is down; try again later"
        )
    return None


def refused(
    step: str, reply: HttpReply, detail: str, *, hint: str, ahead_s: float
) -> tuple[str, str, str]:
    """Compose step, words and hints; a clock that is off comes first, since nothing works with it."""
    hints = [hint]
    if abs(ahead_s) > NOTABLE_SKEW_S:
        way = "ahead of" if ahead_s > 0 else "behind"
        hints.insert(
            0,
            f"this machine's clock is {abs(ahead_s):.0f} s {way} the server's: set the clock (NTP)",
        )
    return step, f"{reply.status} {detail}", "; ".join(hints)


def oauth1_refusal(
    kind: type[AuthError],
    step: str,
    label: str,
    reply: HttpReply,
    *,
    consumer_key: str,
    realm: str,
    hide: Iterable[str],
    ahead_s: float,
) -> IbkrError:
    """Build the error for a refusal of one of the three OAuth 1.0a endpoints."""
    detail = redacted(words(reply), (*hide, consumer_key))
    storm = weather(label, reply, detail)
    if storm is not None:
        return storm
    # By words, never by the number in them: that is a trace id which differs each time.
    if "invalid consumer" in detail.lower():
        hint = _consumer_hint(consumer_key, realm)
    elif "timestamp" in detail.lower():
        hint = "set this machine's clock (NTP); the server gave no date to correct it by"
    elif "diffie_hellman" in detail.lower():
        hint = "dhparam.pem is not the file that was uploaded; use that one, or upload this one"
    elif "lst failed" in detail.lower():
        hint = (
            "IBKR no longer has this access token: generate a new token and secret on the portal's "
            "OAuth page (they usually work within minutes)"
        )
    else:
        hint = hint_for_status(reply.status)
    return kind(*refused(step, reply, detail, hint=hint, ahead_s=ahead_s))


def _consumer_hint(consumer_key: str, realm: str) -> str:
    length = len(consumer_key)
    unusual = (
        f" (this one has {length} characters, IBKR's have 9)" if length != _USUAL_KEY_LENGTH else ""
    )
    return (
        "the consumer key is not active: a new one takes from hours to two weeks, often until the "
        f"weekend restart; check that it is copied exactly from the portal{unusual}, that OAuth "
        f"access is enabled there, and that it belongs to realm {realm!r}"
    )


def hint_for_status(status: int) -> str:
    """Return what usually cures an OAuth 1.0a refusal that has no telling words."""
    if status == _UNAUTHORIZED:
        return (
            "check that the signature key is the uploaded one and not swapped with the encryption "
            "key, and that access token, secret and consumer key belong together"
        )
    if status == _FORBIDDEN:
        return (
            "IBKR's edge refuses this machine; check proxies, and that its address is not blocked"
        )
    if status == _GONE:
        return "this host is retired; try base_url='https://1.api.ibkr.com/v1/api'"
    if status in {_OK, _NOT_FOUND} or status in range(300, 400):
        return "check base_url; a proxy or a login page may be in the way"
    return "check the credentials and base_url"


def words(reply: HttpReply) -> str:
    """Return the server's own words, in one short line: `error`, or a problem's `title` and `detail`."""
    text = reply.content.decode("utf-8", "replace").strip()
    try:
        document = msgspec.json.decode(reply.content)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        told = [document.get(name) for name in ("error", "title", "detail")]
        text = ": ".join(part for part in told if isinstance(part, str) and part) or text
    if text.startswith("<"):
        return _PAGE
    line = " ".join(text.split())
    return line[:_LONGEST_DETAIL] or _EMPTY


def unreadable(reply: HttpReply) -> str:
    """Return what is said of an answer that should hold a secret and does not read: none of its words."""
    said = words(reply)
    return said if said in {_PAGE, _EMPTY} else "the answer cannot be read"


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Take the caller's own tokens out of the server's words."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def _seconds(text: str | None) -> float | None:
    """Read a `Retry-After` in seconds; its other form, a date, counts as none."""
    return float(text) if text is not None and text.isascii() and text.isdecimal() else None
