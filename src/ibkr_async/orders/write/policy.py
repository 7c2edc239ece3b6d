"""Which questions of IBKR are answered with yes. The default is none of them.

Responsible for the decision alone. It sends nothing and waits for nothing: a callback of the user
is only kept here, and awaited by the desk.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, TypeAlias

import msgspec

from ibkr_async.errors import UsageError
from ibkr_async.orders.write.questions import meaning


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One question of IBKR about an order, whole."""

    coid: str
    """Client order id of the order, or of a bracket's entry."""
    reply_id: str
    """IBKR's id of this very question."""
    message_ids: tuple[str, ...]
    """Its kinds, such as `o163`; empty when IBKR names none."""
    texts: tuple[str, ...]
    """What IBKR asks, without markup."""
    options: tuple[str, ...] = ()
    """IBKR's words for yes and no."""
    number: int = 1
    """Which question of this order it is, from 1."""

    @property
    def meanings(self) -> tuple[str | None, ...]:
        """What each message id is about, in plain words; None for an unknown one."""
        return tuple(meaning(message_id) for message_id in self.message_ids)


AskCallback: TypeAlias = Callable[[Question], Awaitable[bool]]
"""Decides on one question. Only `True` is a yes."""


class Verdict(msgspec.Struct, frozen=True):
    """What to answer, and why."""

    accept: bool
    reason: str = ""
    """Why a question is refused."""
    cause: Exception | None = None
    """What the callback raised, if that is why."""


ACCEPT: Final = Verdict(accept=True)


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """A policy for questions: `Answers.allow("o163")`, combined with `|`.

    A question is accepted when every one of its message ids is allowed. Refusals win: denied ids
    come first, then allowed ones, then the callback; whatever is left is refused.
    """

    allowed: frozenset[str] = frozenset()
    """Message ids that are answered with yes."""
    denied: frozenset[str] = frozenset()
    """Message ids that are answered with no, whatever else is said."""
    callback: AskCallback | None = None
    """Decides on questions that are neither denied nor wholly allowed."""

    @classmethod
    def none(cls) -> Answers:
        """Refuse every question: the order is placed only if IBKR asks nothing."""
        return cls()

    @classmethod
    def allow(cls, *message_ids: str) -> Answers:
        """Accept questions of these kinds, such as `Answers.allow("o163", "o354")`."""
        return cls(allowed=_checked(message_ids))

    @classmethod
    def deny(cls, *message_ids: str) -> Answers:
        """Refuse questions of these kinds even where another policy would accept or ask."""
        return cls(denied=_checked(message_ids))

    @classmethod
    def ask(cls, callback: AskCallback) -> Answers:
        """Let an async function decide: it gets the whole `Question` and returns True for yes.

        Concurrency: the session's order lock is held while the callback runs, because any other
        order request would make the question's reply id invalid. So the time it may take is
        limited (`ask_timeout_s` of the desk, then the question is refused), and it must not place
        orders itself. Cancels go on.
        """
        return cls(callback=callback)

    def __or__(self, other: Answers) -> Answers:
        """Combine two policies.

        Errors: `UsageError` when both bring a callback.
        """
        if not isinstance(other, Answers):
            return NotImplemented
        if self.callback is not None and other.callback is not None:
            raise UsageError("only one of two combined Answers can ask a callback; join the two")
        return Answers(
            allowed=self.allowed | other.allowed,
            denied=self.denied | other.denied,
            callback=self.callback or other.callback,
        )

    def decide(self, question: Question) -> Verdict | AskCallback:
        """Accept, refuse, or return the callback that has to be asked."""
        denied = [ident for ident in question.message_ids if ident in self.denied]
        if denied:
            return Verdict(accept=False, reason=f"the policy denies {', '.join(denied)}")
        if question.message_ids and self.allowed.issuperset(question.message_ids):
            return ACCEPT
        if self.callback is not None:
            return self.callback
        return Verdict(accept=False, reason=self._why_not(question))

    def _why_not(self, question: Question) -> str:
        missing = [ident for ident in question.message_ids if ident not in self.allowed]
        if not missing:
            return "the question has no message id, so only Answers.ask can accept it"
        return f"the policy does not allow {', '.join(missing)}"


def _checked(message_ids: Iterable[Any]) -> frozenset[str]:
    for message_id in message_ids:
        if not isinstance(message_id, str) or not message_id:
            raise UsageError(f"{message_id!r} is not a message id; they look like 'o163'")
    return frozenset(message_ids)
