"""The Client Portal Gateway: a program on one's own machine that holds the login.

The user logs in to it with a browser; requests through it need no signature. What protects them is
that it listens on this machine, and its certificate, which is pinned. Any other program on the
machine can use an open gateway as well: that is IBKR's design, and the reason to close it when done.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ibkr_async.auth import _address, _tls
from ibkr_async.ports import USER_AGENT, SocketTarget

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from ibkr_async.auth.keys import KeySource
    from ibkr_async.ports import HttpReply, Method, Pairs, Send

_API_PATH = "/v1/api"
# Several Set-Cookie headers arrive joined by commas. Only this cookie binds requests to the session.
_SESSION_COOKIE = re.compile(r"(?:^|,\s*)x-sess-uuid=([A-Za-z0-9._~+/=-]+)")


class Gateway:
    """Go through a Client Portal Gateway at `base_url`; `/v1/api` is added when it is missing.

    `ca` is the gateway's own certificate (PEM bytes or a path): it is pinned, nothing else is
    trusted, and its host name then does not matter on this machine or on `allow_host`. Without `ca`
    the system's trust store decides, which refuses the self-signed certificate that gateways
    come with. `http://` (a gateway with `listenSsl: false`) is for this machine only.
    Errors: `ConfigError` for a malformed or foreign address or a missing certificate file.
    Example: `Gateway("https://localhost:5000", ca="gateway.pem")`.
    """

    def __init__(
        self,
        base_url: str = "https://localhost:5000",
        *,
        ca: KeySource | None = None,
        ws_url: str | None = None,
        allow_host: str | None = None,
    ) -> None:
        root = _address.check_base_url(base_url, allow_host)
        self._base_url = root if root.endswith(_API_PATH) else root + _API_PATH
        self._ws_url = (
            _address.ws_url_for(self._base_url)
            if ws_url is None
            else _address.check_ws_url(ws_url, allow_host)
        )
        self._trust = _tls.Trust(
            ca, may_skip_host_name=_address.may_skip_host_name(root, allow_host)
        )
        self._cookie = ""

    def __repr__(self) -> str:
        return f"Gateway({self._base_url!r})"

    @property
    def base_url(self) -> str:
        """REST root without a trailing slash: `https://localhost:5000/v1/api`."""
        return self._base_url

    @property
    def needs_login(self) -> bool:
        """False: the login is made in the browser, and only the session state shows whether it was."""
        return False

    @property
    def expires_at(self) -> float | None:
        """None: the gateway does not say; IBKR asks for a new browser login about once a day."""
        return None

    @property
    def opens_brokerage_session(self) -> bool:
        """False: the browser login opens the session.

        The client looks at `auth/status` first and calls `ssodh/init` only when that says connected
        but not authenticated, which is how a gateway looks after another login has taken over.
        """
        return False

    def ssl_context(self) -> ssl.SSLContext:
        """TLS policy: exactly the certificate `ca`, or the system's trust store. Loads files."""
        return self._trust.context()

    async def login(self, send: Send) -> None:
        """Do nothing: there is no login to make from here."""

    def forget(self) -> None:
        """Drop the gateway's cookie."""
        self._cookie = ""

    def absorb(self, reply: HttpReply) -> None:
        """Remember the cookie `x-sess-uuid`, which ties later requests to the same session.

        Source: protocol notes 1.2; the gateway sets it on its HTTP answers.
        """
        found = _SESSION_COOKIE.search(reply.headers.get("set-cookie", ""))
        if found:
            self._cookie = f"x-sess-uuid={found[1]}"

    def sign(self, method: Method, url: str, query: Pairs, form: Pairs) -> Mapping[str, str]:  # noqa: ARG002 - the protocol names them
        """Return the cookie, once the gateway has set one. Nothing is signed."""
        return {"Cookie": self._cookie} if self._cookie else {}

    def socket(self, session: str) -> SocketTarget:
        """Describe how the socket is opened: the session in the cookie, in its bare spelling.

        Errors: `AuthError` when `session` is empty or cannot be a cookie value.
        """
        cookies = [_address.api_cookie(session), self._cookie]
        return SocketTarget(
            url=self._ws_url,
            headers={"Cookie": "; ".join(filter(None, cookies)), "User-Agent": USER_AGENT},
            session=session,
        )
