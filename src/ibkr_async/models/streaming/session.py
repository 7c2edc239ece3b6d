"""Payloads about the connection, the login and its user: `system sts act tic ntf blt` and errors.

Responsible for their shapes only; `streaming` reads the frames. What authorises a session or names
a person is kept out of every repr.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ibkr_async.models.accounts import AccountsReply
from ibkr_async.models.base import Bool, Int, Model, Str
from ibkr_async.models.order_answers import PromptQuestion


class SystemMessage(Model):
    """The greeting (`success`) or a heartbeat (`hb`, every 10 seconds). Topic `system`."""

    PRIVATE = frozenset({"success"})

    topic: Str = None
    """`system`."""
    success: Str = None
    """Username, in the greeting only: from now on subscriptions are heard."""
    hb: Int = None
    """IBKR's clock at the heartbeat, Unix milliseconds."""
    is_ft: Bool = msgspec.field(default=None, name="isFT")
    """Free-trial login; in the greeting."""
    is_paper: Bool = msgspec.field(default=None, name="isPaper")
    """Paper trading; in the greeting. None is no statement, and not the same as live."""

    @property
    def is_greeting(self) -> bool:
        """True for the frame after which subscriptions are heard."""
        return self.success is not None


class AuthStatus(Model, rename="camel"):
    """State of the brokerage session, often piecemeal. Topic `sts`.

    A field that is None was not sent: that is no statement, neither true nor false.
    """

    PRIVATE = frozenset({"username"})

    authenticated: Bool = None
    """The login passed."""
    established: Bool = None
    """The login's data is loaded."""
    competing: Bool = None
    """Another login of the same username holds the brokerage session."""
    connected: Bool = None
    """The link to IBKR's backend is up."""
    message: Str = None
    """Words for a person; usually empty."""
    fail: Str = None
    """Why logging in failed; usually empty."""
    server_name: Str = None
    """Name of the machine that answers."""
    server_version: Str = None
    """Build of the gateway software, with its date."""
    username: Str = None
    """Who is logged in. Kept out of the repr."""


class AccountsMessage(AccountsReply, rename="camel"):
    """The accounts of this login, as in `GET /iserver/accounts`. Topic `act`.

    Its `session_id` is not the one of `/tickle`.
    """


class TicReply(Model, rename="camel"):
    """Answer to `tic`; IBKR sends up to four copies. Topic `tic`."""

    PRIVATE = frozenset({"id"})

    topic: Str = None
    """`tic`."""
    alive: Bool = None
    """The session lives."""
    id: Str = None
    """Session id. It authorises, and is kept out of the repr."""
    last_accessed: Int = None
    """When the session was last used, Unix milliseconds."""


class ErrorFrame(Model):
    """A complaint. Any frame with `error` at its top, with or without a topic."""

    error: Str = None
    """IBKR's words, such as `Topic unknown`."""
    code: Int = None
    """IBKR's number; its meaning is not documented."""
    topic: Str = None
    """What the complaint is about, where that is said."""


class PlainMessage(Model):
    """A frame without a topic: `waiting for session`, `unsubscribed from summary` and the like."""

    message: Str = None
    """A remark, or `Unsubscribed <server id>` for bars."""
    result: Str = None
    """Confirmation that a summary or ledger subscription has ended."""


class Notification(Model):
    """Something that the user should know. Topic `ntf`."""

    id: Str = None
    """What kind of notice it is, a number or a word."""
    text: Str = None
    """The notice."""
    title: Str = None
    """Its heading; often absent."""
    url: Str = None
    """Where to read more; often absent."""


class Prompt(PromptQuestion, rename="camel"):
    """A question about an order that waits for an answer: `ib.orders.answer_prompt`. Topic `ntf`.

    The other fields are those of a prompt that comes as the answer to an order.
    """

    dismissable: tuple[Any, ...] | None = None
    """Kinds of question that can be switched off."""


class Bulletin(Model):
    """News of an exchange or of IBKR's systems. Topic `blt`."""

    id: Str = None
    """Number of the bulletin."""
    message: Str = None
    """The news."""
    exchanges: tuple[Str, ...] | None = None
    """Which exchanges it is about; often absent."""
