"""Which questions of IBKR are answered with yes. The default is none of them.

Responsible for the decision alone. It sends nothing and waits for nothing: a callback of the user
is only kept here, and awaited by the desk.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
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
    """IBKR's words for no and yes, in no fixed order: on o10153 the no comes first."""
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


_MESSAGE_ID: Final = re.compile(r"\w+", re.ASCII)

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

    def __post_init__(self) -> None:
        """Hold a policy valid, so that no question finds out that it is not.

        Errors: `UsageError`.
        """
        for name in ("allowed", "denied"):
            message_ids = frozenset(read_message_ids(getattr(self, name)))
            msgspec.structs.force_setattr(self, name, message_ids)
        if self.callback is not None and not callable(self.callback):
            raise UsageError(f"{self.callback!r} is not an async function that can be asked")

    @classmethod
    def none(cls) -> Answers:
        """Refuse every question: the order is placed only if IBKR asks nothing."""
        return cls()

    @classmethod
    def allow(cls, *message_ids: str) -> Answers:
        """Accept questions of these kinds, such as `Answers.allow("o163", "o354")`."""
        return cls(allowed=frozenset(read_message_ids(message_ids)))

    @classmethod
    def deny(cls, *message_ids: str) -> Answers:
        """Refuse questions of these kinds even where another policy would accept or ask."""
        return cls(denied=frozenset(read_message_ids(message_ids)))

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


AnswersLike: TypeAlias = Answers | Mapping[str, bool] | Iterable[str]
"""What is taken where a policy is meant; see `read_answers`."""


def read_answers(given: AnswersLike | None) -> Answers:
    """Read what was given as a policy, as what it plainly means.

    `{"o163": True, "o354": False}` allows and denies; ids by themselves are allowed; None allows none.
    Errors: `UsageError` for anything else.
    """
    if given is None or isinstance(given, Answers):
        return given or Answers.none()
    if not isinstance(given, Mapping):
        return Answers.allow(*read_message_ids(given))
    for message_id, answer in given.items():
        if not isinstance(answer, bool):
            raise UsageError(f"answers: {message_id!r} is answered by True or False only")
    allowed = [message_id for message_id, answer in given.items() if answer]
    return Answers.allow(*allowed) | Answers.deny(*(given.keys() - allowed))


def read_message_ids(given: Any) -> tuple[str, ...]:
    """Read message ids: several, or one as a text.

    Errors: `UsageError`.
    """
    if isinstance(given, str):
        given = (given,)
    elif isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise UsageError(f"{given!r} is no list of message ids, such as ['o163', 'o354']")
    message_ids = tuple(given)
    for message_id in message_ids:
        if not isinstance(message_id, str) or not _MESSAGE_ID.fullmatch(message_id):
            raise UsageError(f"{message_id!r} is not a message id; they look like 'o163'")
    return tuple(map(str, message_ids))
