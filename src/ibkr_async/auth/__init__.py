"""Ways of logging in: sign a request, log in, describe the socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibkr_async._late import importer
from ibkr_async.auth._secret import Secret
from ibkr_async.ports import Auth, Send, SocketTarget

if TYPE_CHECKING:
    from ibkr_async.auth._tls import Trust
    from ibkr_async.auth.flow import AccessGrant, OAuthFlow, RequestToken
    from ibkr_async.auth.gateway import Gateway
    from ibkr_async.auth.oauth1a.login import OAuth1a
    from ibkr_async.auth.oauth2 import OAuth2

__all__ = [
    "AccessGrant",
    "Auth",
    "Gateway",
    "OAuth1a",
    "OAuth2",
    "OAuthFlow",
    "RequestToken",
    "Secret",
    "Send",
    "SocketTarget",
    "Trust",
]

__getattr__ = importer(
    __name__,
    {
        "ibkr_async.auth._tls": "Trust",
        "ibkr_async.auth.flow": "AccessGrant OAuthFlow RequestToken",
        "ibkr_async.auth.gateway": "Gateway",
        "ibkr_async.auth.oauth1a.login": "OAuth1a",
        "ibkr_async.auth.oauth2": "OAuth2",
    },
)


def __dir__() -> list[str]:
    return __all__
