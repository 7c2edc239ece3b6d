"""Ways of logging in: sign a request, log in, describe the socket."""

from __future__ import annotations

from ibkr_async.auth.base import Auth, Send, SocketTarget
from ibkr_async.auth.gateway import Gateway
from ibkr_async.auth.oauth1a import OAuth1a

__all__ = ["Auth", "Gateway", "OAuth1a", "Send", "SocketTarget"]
