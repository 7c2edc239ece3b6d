"""Ways of logging in: sign a request, log in, describe the socket."""

from __future__ import annotations

from ibkr_async.auth._secret import Secret
from ibkr_async.auth.flow import AccessGrant, OAuthFlow, RequestToken
from ibkr_async.auth.gateway import Gateway
from ibkr_async.auth.oauth1a.login import OAuth1a
from ibkr_async.auth.oauth2 import OAuth2
from ibkr_async.ports import Auth, Send, SocketTarget

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
]
