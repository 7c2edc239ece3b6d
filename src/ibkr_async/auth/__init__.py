"""Ways of logging in: sign a request, log in, describe the socket."""

from __future__ import annotations

from ibkr_async.auth.base import Auth, Send, SocketTarget
from ibkr_async.auth.flow import AccessGrant, OAuthFlow, RequestToken
from ibkr_async.auth.gateway import Gateway
from ibkr_async.auth.oauth1a import OAuth1a
from ibkr_async.auth.oauth2 import OAuth2

__all__ = [
    "AccessGrant",
    "Auth",
    "Gateway",
    "OAuth1a",
    "OAuth2",
    "OAuthFlow",
    "RequestToken",
    "Send",
    "SocketTarget",
]
