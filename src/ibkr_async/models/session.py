"""Answers of the session and authentication endpoints.

Responsible for their shapes only; what a state means is decided in `session.state`. Fields that
identify a person or authorise a session are kept out of every repr.
"""

from __future__ import annotations

from types import MappingProxyType

import msgspec

from ibkr_async.models.base import Bool, Int, Model, Str


class ServerInfo(Model, frozen=True, rename="camel"):
    """Which IBKR server answered."""

    server_name: Str = None
    """Name of the machine."""
    server_version: Str = None
    """Build of the gateway software, with its date."""


class AuthStatusReply(Model, frozen=True, rename="camel"):
    """State of the brokerage session.

    A flag that is None was not sent: that is no statement, neither true nor false.
    Source: `POST /iserver/auth/status` and `POST /iserver/auth/ssodh/init`.
    """

    PRIVATE = frozenset({"mac", "hardware_info"})

    authenticated: Bool = None
    """The login passed."""
    established: Bool = None
    """The login's data is loaded: only now are account calls answered in full."""
    competing: Bool = None
    """Another login of the same username holds the brokerage session."""
    connected: Bool = None
    """The link to IBKR's backend is up."""
    message: Str = None
    """Words for a person; usually empty."""
    mac: Str = msgspec.field(default=None, name="MAC")
    """Hardware address that the session was opened from."""
    server_info: ServerInfo | None = None
    """Which server holds the session."""
    hardware_info: Str = msgspec.field(default=None, name="hardware_info")
    """Machine id and hardware address, joined by `|`."""
    fail: Str = None
    """Why logging in failed; usually empty."""


class HistoryFarmStatus(Model, frozen=True):
    """State of the historical-data connection, as `/tickle` reports it."""

    error: Str = None
    """`no bridge` while no history was asked for; harmless."""


class BrokerageStatus(Model, frozen=True, rename="camel"):
    """The brokerage part of a `/tickle` answer."""

    auth_status: AuthStatusReply | None = None
    """The same flags as `/iserver/auth/status`."""


class TickleReply(Model, frozen=True, rename="camel"):
    """What keeping the session alive returns. Source: `POST /tickle`."""

    PRIVATE = frozenset({"session", "user_id"})

    session: Str = None
    """Value of the cookie that binds the socket to this session. Secret: never shown."""
    sso_expires: Int = None
    """Milliseconds until the portal login lapses; absent under OAuth."""
    collission: Bool = None
    """Another portal login exists (IBKR's spelling); absent under OAuth."""
    user_id: Int = None
    """Number of the user; absent under OAuth."""
    hmds: HistoryFarmStatus | None = None
    """Historical-data connection."""
    iserver: BrokerageStatus | None = None
    """Brokerage connection."""

    @property
    def auth_status(self) -> AuthStatusReply | None:
        """State of the brokerage session; None when the answer said nothing about it."""
        return self.iserver.auth_status if self.iserver else None


class SsoFeatures(Model, frozen=True, rename="camel"):
    """What the portal login may use."""

    env: Str = None
    """`PROD` on the production system."""
    wlms: Bool = None
    """Watchlists are kept on the server."""
    realtime: Bool = None
    """Real-time quotes."""
    bond: Bool = None
    """Bonds."""
    option_chains: Bool = None
    """Option chains."""
    calendar: Bool = None
    """Event calendar."""
    new_mf: Bool = None
    """The newer mutual-fund pages."""


class SsoValidation(Model, frozen=True):
    """The portal login behind a gateway or OAuth 2 session. Source: `GET /sso/validate`."""

    PRIVATE = frozenset({"user_id", "user_name", "credential", "ip", "paper_user_name"})
    SPELLINGS = MappingProxyType({"loginType": "LOGIN_TYPE"})

    user_id: Int = msgspec.field(default=None, name="USER_ID")
    """Number of the user."""
    user_name: Str = msgspec.field(default=None, name="USER_NAME")
    """Name that was logged in with."""
    result: Bool = msgspec.field(default=None, name="RESULT")
    """The login is valid."""
    auth_time: Int = msgspec.field(default=None, name="AUTH_TIME")
    """When the login happened, Unix milliseconds."""
    sf_enabled: Bool = msgspec.field(default=None, name="SF_ENABLED")
    """IBKR's own flag; not explained."""
    is_free_trial: Bool = msgspec.field(default=None, name="IS_FREE_TRIAL")
    """The login belongs to a trial account."""
    credential: Str = msgspec.field(default=None, name="CREDENTIAL")
    """Username of the login. Personal: never shown."""
    ip: Str = msgspec.field(default=None, name="IP")
    """Address that the login came from. Personal: never shown."""
    expires: Int = msgspec.field(default=None, name="EXPIRES")
    """Milliseconds until the login lapses, not a date."""
    qualified_for_mobile_auth: Bool = msgspec.field(default=None, name="QUALIFIED_FOR_MOBILE_AUTH")
    """Two-factor login by phone is possible."""
    landing_app: Str = msgspec.field(default=None, name="LANDING_APP")
    """Application that the login was meant for."""
    is_master: Bool = msgspec.field(default=None, name="IS_MASTER")
    """The user is the master of a structure of accounts."""
    last_accessed: Int = msgspec.field(default=None, name="lastAccessed")
    """Last use of the login, Unix milliseconds."""
    login_type: Int = msgspec.field(default=None, name="LOGIN_TYPE")
    """1 for a live account, 2 for paper."""
    paper_user_name: Str = msgspec.field(default=None, name="PAPER_USER_NAME")
    """Name of the paper login. Personal: never shown."""
    features: SsoFeatures | None = None
    """What the login may use."""
    region: Str = None
    """Data centre of the session, such as `NJ`."""

    @property
    def is_paper(self) -> bool | None:
        """True for a paper login, False for a live one, None when the answer did not say."""
        return {1: False, 2: True}.get(self.login_type or 0)


class LogoutReply(Model, frozen=True):
    """What logging out returns. Source: `POST /logout`."""

    status: Bool = None
    """True when the session was ended."""


class LiveSessionTokenReply(Model, frozen=True):
    """The server's half of the live session token. Source: `POST /oauth/live_session_token`."""

    PRIVATE = frozenset({"diffie_hellman_response", "live_session_token_signature"})

    diffie_hellman_response: Str = None
    """The server's Diffie-Hellman value, hexadecimal."""
    live_session_token_signature: Str = None
    """Proof of the token: hexadecimal HMAC-SHA1 of the consumer key."""
    live_session_token_expiration: Int = None
    """When the token lapses, Unix milliseconds."""
