"""What users meet when OAuth does not work: what is seen, why, and what has cured it.

One table, looked up by the words of an error, never by the number in them (a trace id that differs
each time). It must never quote a secret.

Source: reference notes on IBKR's OAuth, section 3, with the public threads that it names.
"""

from __future__ import annotations

from typing import NamedTuple

from ibkr_async.errors import (
    AuthError,
    CompetingSessionError,
    ConnectFailedError,
    IbkrError,
    RateLimitedError,
    ServerError,
    SessionTimeoutError,
    TlsError,
)


class Cause(NamedTuple):
    """One row."""

    words: str
    """Part of the message, in lower case."""
    cause: str
    cure: str


# The first row whose words occur in the message counts, so the more telling ones come first.
CAUSES = (
    Cause(
        "clock is",
        "IBKR refuses signatures whose time is far from its own",
        "set this machine's clock and keep it right: `timedatectl set-ntp true`, or NTP of the system",
    ),
    Cause(
        "invalid consumer",
        "the consumer key is not active (new keys take hours to two weeks, often the weekend "
        "restart), not copied exactly, or of another realm or root",
        "wait for the weekend restart; compare the key with the portal's page, upper case; check "
        "that 'Enable OAuth Access' is on, and that paper keys are used with the paper user",
    ),
    Cause(
        "no access secret key found",
        "IBKR's server has lost this access token",
        "generate a new token on the portal's OAuth page; it works within minutes",
    ),
    Cause(
        "lst failed",
        "IBKR's server does not know this access token any more",
        "generate a new token on the portal; if that does not help, wait for the weekend restart",
    ),
    Cause(
        "no bridge",
        "OAuth is fine, but the brokerage session is not up",
        "open it with POST /iserver/auth/ssodh/init; `Client` does that by itself",
    ),
    Cause(
        "empty diffie-hellman response",
        "IBKR answered without its half of the exchange, which it does now and then",
        "try again in a minute; if it stays, upload dhparam.pem again",
    ),
    Cause(
        "response is out of range",
        "the server's half of the exchange does not fit this prime",
        "upload dhparam.pem again: IBKR probably has another file",
    ),
    Cause(
        "proof does not fit",
        "the two sides arrive at different tokens: another dhparam.pem, another encryption key, or "
        "a secret that belongs to another access token",
        "upload the public encryption key and dhparam.pem of this directory again, then generate a "
        "new token and copy token and secret together",
    ),
    Cause(
        "incomplete or damaged",
        "the access token secret was not copied completely",
        "copy it again from the portal, up to the last '=' (344 characters)",
    ),
    Cause(
        "cannot be decrypted",
        "the access token secret was encrypted for another key",
        "use the encryption key that was uploaded when the token was generated, or generate anew",
    ),
    Cause(
        "not canonical",
        "the prime in dhparam.pem lacks its sign byte or is spelt in an unusual way",
        "make a new file with `ibkr-async oauth init` in an empty directory and upload it",
    ),
    Cause(
        "410",
        "this numbered host is retired",
        "try another: base_url https://1.api.ibkr.com/v1/api",
    ),
    Cause(
        "403",
        "IBKR's edge refuses the machine: no User-Agent, a proxy, or a blocked address",
        "look for a proxy in between; after too many requests, wait 15 minutes",
    ),
    Cause(
        "401",
        "the signature does not verify, or the token is another consumer's",
        "check that signature and encryption key are not swapped and are the uploaded ones, and "
        "that consumer key, token and secret belong together",
    ),
)

_BY_KIND: tuple[tuple[type[IbkrError], str, str], ...] = (
    (
        CompetingSessionError,
        "another login of the same user holds the brokerage session",
        "log out of TWS, the mobile app, the portal or the other bot, or run with --compete",
    ),
    (
        SessionTimeoutError,
        "the brokerage session does not come up",
        "IBKR may be in its nightly reset: try again in half an hour",
    ),
    (
        TlsError,
        "the server's certificate is not trusted",
        (
            "put the certificate of a gateway or simulator into the directory as ca.pem; for IBKR, a "
            "proxy is reading the traffic"
        ),
    ),
    (
        ConnectFailedError,
        "nothing answers at this address",
        "check base_url, the network and the firewall",
    ),
    (RateLimitedError, "too many requests", "wait 15 minutes, the penalty is on the address"),
    (ServerError, "IBKR's login is down", "try again later"),
)


def explain(error: IbkrError) -> Cause:
    """Find cause and cure of an error; its own hint where the table has none."""
    text = str(error).lower()
    for kind, cause, cure in _BY_KIND:
        if isinstance(error, kind):
            return Cause("", cause, cure)
    for row in CAUSES:
        if row.words in text:
            return row
    hint = error.hint if isinstance(error, AuthError) else ""
    return Cause("", "", hint)
