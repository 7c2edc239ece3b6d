"""Answers of the login endpoints: the third-party flow and OAuth 2.0.

Responsible for their shapes only. Every field that could authorise anything is kept out of every
repr.
"""

from __future__ import annotations

from ibkr_async.models.base import Bool, Float, Model, Str


class RequestTokenReply(Model, frozen=True):
    """Start of the third-party flow. Source: `POST /oauth/request_token`."""

    PRIVATE = frozenset({"oauth_token"})

    oauth_token: Str = None
    """The request token: good for one authorisation."""


class AccessTokenReply(Model, frozen=True):
    """End of the third-party flow. Source: `POST /oauth/access_token`."""

    PRIVATE = frozenset({"oauth_token", "oauth_token_secret"})

    oauth_token: Str = None
    """The access token; it does not expire."""
    oauth_token_secret: Str = None
    """Its secret, encrypted for the consumer's encryption key, in base64."""
    is_paper: Bool = None
    """The user authorised a paper account."""
    is_true: Bool = None
    """The name that IBKR's own schema gives `is_paper`; its example and its answers do not."""


class BearerReply(Model, frozen=True):
    """A bearer token. Source: `POST /oauth2/api/v1/token`, `POST /gw/api/v1/sso-sessions`."""

    PRIVATE = frozenset({"access_token"})

    access_token: Str = None
    """Of the program in the first answer, of the user's session in the second."""
    token_type: Str = None
    """`Bearer`."""
    scope: Str = None
    """What the token may be used for; only in the first answer."""
    expires_in: Float = None
    """Seconds until the token lapses; only in the first answer."""
    active: Bool = None
    """The session can be used; only in the second answer."""
