"""Who is logged in, and who holds the one brokerage session. Pure.

Responsible for live session tokens and their expiry, the session ids that `/tickle` gives out, and
the brokerage session: opening, losing it to somebody else, idling out, logging out. It must never
read a clock: time comes in as Unix seconds.

One user name has at most one brokerage session, wherever it logs in; a second login makes the first
`competing` (both documented). Who asks is an *identity*: `gateway` for requests without a signature, else
one login: `oauth:`, consumer, token and a number.

A program that renews its login and a second program look alike when they log in: the same keys ask for
another token. Both tokens are good, so the new login has what the old one had, and counts as its renewal
until the old token is used again. Then they are two programs, and the old one has lost the session.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Identity: TypeAlias = str

GATEWAY: Identity = "gateway"
ELSEWHERE: Identity = "elsewhere"
"""Another program of the same user, such as a desktop platform."""
USERNAME = "simulator"
SERVER_NAME = "JifSIM001"
SERVER_VERSION = "Build 10.46.2d, Aug 19, 2026 1:39:05 PM"
_MAC = "00:00:5E:00:53:01"
"""From the range that RFC 7042 keeps for documentation."""


def oauth_identity(consumer: str, token: str) -> Identity:
    """Name whose keys signed a request."""
    return f"oauth:{consumer}:{token}"


def third_party_identity(consumer: str, token: str) -> Identity:
    """Name whose keys signed a request for the Third-Party Web API."""
    return f"third-party:{consumer}:{token}"


@dataclass(slots=True)
class _Login:
    identity: Identity
    live_token: bytes = field(repr=False)
    expires_at: float


@dataclass(slots=True)
class Sessions:
    """All logins and the brokerage session."""

    new_id: Callable[[], str]
    """Makes a fresh session id of 32 hexadecimal digits."""
    login_lifetime_s: float
    idle_timeout_s: float
    holder: Identity | None = None
    """Who has the brokerage session."""
    closed: bool = False
    """True during a reset: nobody can open the brokerage session."""
    last_request: float = 0.0
    _logins: dict[Identity, list[_Login]] = field(default_factory=dict[Identity, "list[_Login]"])
    """Logins that have not lapsed, by whose keys they were made with, oldest first."""
    _newest: dict[Identity, Identity] = field(default_factory=dict[Identity, Identity])
    _renewed: dict[Identity, Identity] = field(default_factory=dict[Identity, Identity])
    """Logins and what counts as their renewal."""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _ids: dict[Identity, str] = field(default_factory=dict[Identity, str])
    _connected: set[Identity] = field(default_factory=set[Identity])

    # logins

    def begin(self, who: Identity) -> Identity:
        """Begin another login with the keys of `who`: return its identity. Its session id is new."""
        identity = f"{who}:{next(self._numbers)}"
        former = self._newest.get(who)
        self._newest[who] = identity
        if former is not None:
            self._ids.pop(former, None)
            self._renewed[former] = identity
            if former in self._connected:
                self._connected.add(identity)
            if self.holder == former:
                self.holder = identity
        return identity

    def log_in(self, who: Identity, live_token: bytes, now: float) -> float:
        """Store a new live session token; return when it expires. Former ones stay good."""
        expires_at = now + self.login_lifetime_s
        logins = [login for login in self._logins.get(who, ()) if now < login.expires_at]
        self._logins[who] = [*logins, _Login(self.begin(who), live_token, expires_at)]
        return expires_at

    def live_tokens(self, who: Identity, now: float) -> dict[bytes, Identity]:
        """Return the HMAC keys that are good at present, the newest first, and whose each is."""
        logins = reversed(self._logins.get(who, []))
        return {login.live_token: login.identity for login in logins if now < login.expires_at}

    def expire_logins(self) -> None:
        """Make every live session token invalid."""
        self._logins.clear()

    def postpone(self, seconds: float) -> None:
        """Let logins and the brokerage session live so much longer."""
        self.last_request += seconds
        for logins in self._logins.values():
            for login in logins:
                login.expires_at += seconds

    def session_id(self, identity: Identity) -> str:
        """Return what `/tickle` calls `session`; it binds a socket."""
        if identity not in self._ids:
            self._ids[identity] = self.new_id()
        return self._ids[identity]

    def identity_of(self, session_id: str) -> Identity | None:
        """Return whose session id this is; None when it is nobody's, or has been replaced."""
        return next((who for who, known in self._ids.items() if known == session_id), None)

    # the brokerage session

    def touch(self, identity: Identity, now: float) -> None:
        """Note a request: it keeps the brokerage session of its sender alive."""
        self.expire_idle(now)
        # A login that was thought to be renewed is another program.
        self._renewed.pop(identity, None)
        if identity == GATEWAY and GATEWAY not in self._connected and self.holder is None:
            # A gateway opens the session by itself after its browser login, once.
            self.open(GATEWAY, compete=False, now=now)
        if identity == self.holder:
            self.last_request = now

    def open(self, identity: Identity, *, compete: bool, now: float) -> bool:
        """Open the brokerage session.

        False during a reset, and when somebody else holds it and `compete` is off.
        """
        self._connected.add(identity)
        if self.closed:
            return False
        if self.holder not in {None, identity} and not compete:
            return False
        self.holder = identity
        self.last_request = now
        return True

    def holds(self, identity: Identity) -> bool:
        """Tell whether this identity has the brokerage session."""
        return self.holder == self._present(identity)

    def take_over(self) -> None:
        """Let another program of the user take the brokerage session."""
        self.holder = ELSEWHERE

    def lapse(self) -> None:
        """End the brokerage session; the logins stay."""
        self.holder = None

    def expire_idle(self, now: float) -> bool:
        """End a brokerage session whose holder has been silent too long; tell whether it did."""
        idle = (
            self.holder not in {None, ELSEWHERE} and now - self.last_request > self.idle_timeout_s
        )
        if idle:
            self.lapse()
        return idle

    # what answers say about it

    def auth_status(self, identity: Identity) -> dict[str, Any]:
        """Return the object that status, init and tickle share."""
        holds = self.holds(identity)
        return {
            "authenticated": holds,
            "established": holds,
            "competing": self.competing(identity),
            "connected": identity in self._connected,
            "message": "",
            "MAC": _MAC,
            "serverInfo": {"serverName": SERVER_NAME, "serverVersion": SERVER_VERSION},
            "hardware_info": f"51m01a7e|{_MAC}",
            "fail": "",
        }

    def competing(self, identity: Identity) -> bool:
        """Tell whether somebody else holds the session that this identity once had or wants."""
        identity = self._present(identity)
        return self.holder not in {None, identity} and identity in self._connected

    def is_same(self, one: Identity, other: Identity) -> bool:
        """Tell whether two logins are one program's."""
        return self._present(one) == self._present(other)

    def _present(self, identity: Identity) -> Identity:
        """Return the login that has become of this one."""
        while identity in self._renewed:
            identity = self._renewed[identity]
        return identity
